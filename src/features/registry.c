/* The ordered list of features: the first verdict that is not V_NEXT answers the call. */
#include "features/registry.h"

#include "base/mem.h"

const struct feature *const feature_registry[] = {
	/*
	 * Before all others: what the rules refuse reaches the supervisor only to be reported, also when another feature
	 * traps other arguments of the same call (clone with a new namespace under a process limit, a chmod that the
	 * user denied). Nobody may let such a call continue or perform it. It passes on everything else.
	 */
	&feature_refusals,
	/* Each of these has calls of its own. */
	&feature_process_limit,
	&feature_task_limit,
	&feature_hostname,
	&feature_listen,
	&feature_groups,
	&feature_nested,
	/* Before all who judge addresses: what is sent on a socket of its own goes to no address. */
	&feature_netlink,
	&feature_interfaces,
	/* Of every kind of socket. */
	&feature_ports,
	&feature_portpeers,
	/* Moves sockets that ask for names; who judges addresses then lets them pass. */
	&feature_resolver,
	/* The internet first, since it is more and faster; it leaves unix sockets to the next. */
	&feature_net,
	&feature_unix,
	&feature_vfiles,
	&feature_metadata,
	/* These only look on and then let Landlock decide: after everybody who really answers. */
	&feature_signals,
	&feature_explain,
};

const size_t feature_count = ARRAY_SIZE(feature_registry);
