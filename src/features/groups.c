/*
 * Joining a multicast group sends a report to it, or to all routers: so a UDP socket joins the groups that a rule for UDP
 * has, with whatever port, and no socket joins others. The filter hands over every option that joins one and no other
 * option. Leaving, and choosing among the senders to a group that was joined, is left to the kernel: neither can join.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "features/portview.h"
#include "features/registry.h"
#include "features/unjudged.h"
#include "policy/network.h"

struct groups {
	const struct policy *policy;
	const struct netmatch *match;
	struct portmap *ports;          /* with --port-remap: what the sandbox calls a port */
};

static int groups_start(const struct feature_env *env, void **state, struct error *err)
{
	struct groups *g = mem_alloc(sizeof *g);

	if (!g)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the rules about groups");
	*g = (struct groups){ env->policy, env->net, env->policy->port_remap ? env->ports : NULL };
	*state = g;
	return 0;
}

/* --- the options --- */

enum form {
	FORM_IP4,               /* the bytes of the address */
	FORM_IP6,
	FORM_NAME,              /* a sockaddr */
};

struct option {
	int level;
	int number;
	const char *name;
	enum form form;
	size_t group;           /* where it is in the value */
	size_t least;           /* bytes that the kernel wants ... */
	size_t most;            /* ... and those that it reads where it is given so many */
	bool exact;             /* no more than them either */
	int wrong_family;       /* what it says to an address of another one */
};

#define V4(number, form, group, least, most, exact, wrong) \
	{ IPPROTO_IP, number, #number, form, group, least, most, exact, wrong }
#define V6(number, form, group, size, exact, wrong) \
	{ IPPROTO_IPV6, number, #number, form, group, size, size, exact, wrong }

/* clang-format off */
static const struct option options[] = {
	V4(IP_ADD_MEMBERSHIP, FORM_IP4, 0, sizeof(struct ip_mreq), sizeof(struct ip_mreqn), false, 0),
	V4(IP_ADD_SOURCE_MEMBERSHIP, FORM_IP4, offsetof(struct ip_mreq_source, imr_multiaddr),
	   sizeof(struct ip_mreq_source), sizeof(struct ip_mreq_source), true, 0),
	V4(MCAST_JOIN_GROUP, FORM_NAME, offsetof(struct group_req, gr_group),
	   sizeof(struct group_req), sizeof(struct group_req), false, EINVAL),
	V4(MCAST_JOIN_SOURCE_GROUP, FORM_NAME, offsetof(struct group_source_req, gsr_group),
	   sizeof(struct group_source_req), sizeof(struct group_source_req), true, EADDRNOTAVAIL),
	V6(IPV6_ADD_MEMBERSHIP, FORM_IP6, 0, sizeof(struct ipv6_mreq), false, 0),
	V6(MCAST_JOIN_GROUP, FORM_NAME, offsetof(struct group_req, gr_group),
	   sizeof(struct group_req), false, EADDRNOTAVAIL),
	V6(MCAST_JOIN_SOURCE_GROUP, FORM_NAME, offsetof(struct group_source_req, gsr_group),
	   sizeof(struct group_source_req), true, EADDRNOTAVAIL),
};
/* clang-format on */

static const struct option *find_option(const struct call *call)
{
	const int level = (int)call->raw[1];
	const int number = (int)call->raw[2];

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].level == level && options[i].number == number)
			return &options[i];
	return NULL;
}

/* What the call asks for: a copy, which is judged and used. */
struct request {
	const struct option *option;
	_Alignas(8) unsigned char value[sizeof(struct group_source_req)];
	size_t len;
	struct addr group;      /* of port 0 */
};

static int copy_value(const struct call *call, struct request *r)
{
	const struct option *o = r->option;
	int len = (int)call->raw[4];

	if (len < 0 || (size_t)len < o->least || (o->exact && (size_t)len != o->least))
		return -EINVAL;
	r->len = (size_t)len < o->most ? o->least : o->most;
	return call->kernel->copy_in(call, r->value, call->raw[3], r->len);
}

/* The kernel takes nothing for a group that is none, and of a sockaddr only one of the option's own family. */
static int read_group(struct request *r)
{
	const unsigned char *at = r->value + r->option->group;
	bool v6 = r->option->level == IPPROTO_IPV6;

	if (r->option->form == FORM_NAME) {
		uint16_t family;

		memcpy(&family, at, sizeof family);
		if (family != (v6 ? AF_INET6 : AF_INET))
			return -r->option->wrong_family;
		at += v6 ? offsetof(struct sockaddr_in6, sin6_addr) : offsetof(struct sockaddr_in, sin_addr);
	}
	r->group = (struct addr){ .family = v6 ? ADDR_V6 : ADDR_V4 };
	memcpy(r->group.ip, at, v6 ? 16 : 4);
	return (v6 ? at[0] == 0xff : (at[0] & 0xf0) == 0xe0) ? 0 : -EINVAL;
}

/* --- judging --- */

static struct verdict refuse(const struct call *call, const struct request *r, const char *rule, const char *flag)
{
	AUTO(str) struct str target = STR(128);

	addr_print(&r->group, &target);
	str_addf(&target, " (%s)", r->option->name);
	call->kernel->refuse(call, &(struct refusal){
		.operation = "join",
		.target = target.rc == 0 ? target.buf : r->option->name,
		.rule = rule,
		.flag = flag,
		.errnum = EPERM,
	});
	return v_errno(EPERM);
}

/* With the port that the socket is bound to, where it is: that is where it will hear the group. */
static void print_flag(const struct call *call, const struct groups *g, const struct request *r, int sock, struct str *out)
{
	struct port_name name;
	struct addr at = { 0 };
	struct addr group = r->group;

	if (portview_name(call, sock, false, &name, &at) == 0)
		group.port = at.port;
	if (group.port && g->ports)
		group.port = portmap_asked(g->ports, NET_UDP, group.port);
	str_add(out, "--net-allow udp://");
	if (group.port)
		addr_print_port(&group, out);
	else
		addr_print(&group, out);
}

static struct verdict refuse_group(const struct call *call, const struct groups *g, const struct request *r, int sock,
				   int by)
{
	AUTO(str) struct str rule = STR(1024);
	AUTO(str) struct str flag = STR(256);

	if (by >= 0) {
		const struct word *word = network_word(g->policy, &g->policy->net_rules.at[by]);

		str_addf(&rule, "%s %s", word->origin, word->text);
		return refuse(call, r, rule.rc == 0 ? rule.buf : "a network rule denies it", NULL);
	}
	print_flag(call, g, r, sock, &flag);
	return refuse(call, r, "no --net-allow rule for UDP has this group", flag.rc == 0 ? flag.buf : NULL);
}

/* Is it a socket of UDP? 0 or -errno. MCAST_* join on one of TCP, too. */
static int look_at(const struct call *call, int sock, bool *is_udp)
{
	struct socket_info info = { 0 };
	int rc = call->kernel->socket_info(call, sock, WANT_DOMAIN | WANT_PROTOCOL, &info);

	*is_udp = info.protocol == IPPROTO_UDP && (info.domain == AF_INET || info.domain == AF_INET6);
	return rc;
}

static struct verdict on_setsockopt(const struct call *call, void *state)
{
	const struct groups *g = state;
	struct request r = { .option = find_option(call) };
	bool is_udp;

	if (!r.option)
		return v_next();
	AUTO(fd) int sock = call->kernel->pin_fd(call, (int)call->raw[0]);
	int rc = sock < 0 ? sock : copy_value(call, &r);
	if (rc == 0)
		rc = read_group(&r);
	if (rc < 0)
		return v_errno(rc);

	rc = look_at(call, sock, &is_udp);
	if (rc < 0)
		return v_errno(socket_unjudged(call, rc, "join"));
	if (!is_udp)
		return refuse(call, &r, "only sockets of UDP join groups", NULL);
	struct net_decision d = netmatch_decide_any_port(g->match, NET_UDP, &r.group);
	if (!d.allowed)
		return refuse_group(call, g, &r, sock, d.rule);
	return v_result(call->kernel->join(call, sock, r.option->level, r.option->number, r.value, r.len));
}

static const struct handler groups_handlers[] = {
	/* On a worker, since the kernel takes the lock of its network settings. The rows are in policy/sysrules.c. */
	{ "setsockopt", on_setsockopt, H_BLOCKS | H_NO_DECODE | H_ONLY_IF_TRAPPED | H_OTHERS_PASS },
};

const struct feature feature_groups = {
	.name = "groups", .wanted = policy_judges_joins, .start = groups_start, .stop = mem_free, HANDLERS(groups_handlers),
};
