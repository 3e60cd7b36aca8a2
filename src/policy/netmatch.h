/*
 * Judges a destination: the rules of a frozen policy and the pinned addresses of their names, compiled so that ten
 * thousand rules cost about as much as ten. Immutable once built; any thread may ask. Deny rules win over allow rules;
 * with allow rules, what none of them names is refused; with deny rules only, everything else is allowed; with neither,
 * nothing is allowed.
 */
#ifndef POLICY_NETMATCH_H
#define POLICY_NETMATCH_H

#include "policy/netrules.h"
#include "policy/policy.h"

/* An address that a name of a rule stands for. */
struct net_pin {
	const char *name;       /* as in net_rule.name; lent, must outlive the matcher */
	struct addr ip;
};

struct net_decision {
	bool allowed;
	int rule;               /* index into policy->net_rules, or -1: no rule says anything */
	const char *name;       /* the name that the address came from, or NULL; lives as long as the matcher */
};

struct netmatch;

/* 0 or -ENOMEM. */
int netmatch_build(const struct policy *p, const struct net_pin *pins, size_t count, struct netmatch **out);
void netmatch_free(struct netmatch *m);

/*
 * May this destination be used? An IPv6 address that embeds an IPv4 one (NAT64, 6to4) must pass as both where a rule
 * denies. Addresses of the cloud's metadata service are refused unless a rule names them by address: a pin of a name, a
 * wildcard or a port rule is not enough.
 */
struct net_decision netmatch_decide(const struct netmatch *m, enum net_proto proto, const struct addr *to);

/* The same for any port, whatever to->port is: is there one that may be used? If not, a rule that denies one, or -1. */
struct net_decision netmatch_decide_any_port(const struct netmatch *m, enum net_proto proto, const struct addr *to);

/* What refuses every destination of an allow rule. */
struct net_denial {
	int rule;               /* the first denial to have some of it, or -1: something is left */
	bool joint;             /* it takes other denials too to have it all */
};

/* The whole of each of the rule's blocks must be in a denied block, and every port of it be denied in such a one; a name
 * may stand for any address. Of more than 64 denials that only together have a range of ports, it is not said. */
struct net_denial netmatch_denial_of(const struct netmatch *m, const struct net_rule *allow);

/* Is there an allow rule for this name (itself or by a "*." rule), protocol and port? The rule, or -1. Case of the name
 * does not matter, a final dot neither. For the resolver: port 0 asks for any port. */
int netmatch_name(const struct netmatch *m, enum net_proto proto, const char *name, unsigned port);

/* The name of a rule that this address was pinned for, whatever protocol and port the rule has; or NULL. Lives as long as
 * the matcher. */
const char *netmatch_name_of(const struct netmatch *m, const struct addr *ip);

#endif
