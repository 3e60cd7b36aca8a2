/*
 * Destinations: connect, sendto, sendmsg and sendmmsg on internet sockets, judged by the network rules.
 *
 * The address is judged and used in one copy, on one pinned descriptor, and no call is ever continued: a second thread
 * that rewrites the address or swaps the descriptor changes what nobody reads any more. Which socket it is, and so which
 * protocol is judged, is asked of the pinned descriptor. The supervisor is not below the child's Landlock domain, so
 * the TCP ports that Landlock has are checked here again.
 *
 * Only a datagram socket takes an address with a message, so sends are trapped only where one can exist; then those of
 * TCP come here too and go out without the address, which TCP does not look at.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "features/netmsg.h"
#include "features/portview.h"
#include "features/registry.h"
#include "features/resolver.h"
#include "features/unjudged.h"
#include "policy/nethint.h"
#include "policy/network.h"
#include "policy/ports.h"

#define FASTOPEN 0x20000000             /* MSG_FASTOPEN: the filter refuses it; it would connect */

#define DATAGRAM_MAX 0xffff             /* what the kernel looks at before the address */
#define SIN6_LEN_RFC2133 24U            /* the kernel's name: struct sockaddr_in6 before it had a scope id */

struct net {
	const struct policy *policy;
	const struct netmatch *match;   /* NULL: the policy judges no addresses, Landlock's ports are all there is */
	struct openings *openings;
	bool resolves;                  /* there are rules with names: DNS goes to the resolver */
	struct port_ways ways;          /* with --port-remap: ports of the sandbox that are other ones outside */
};

static int net_start(const struct feature_env *env, void **state, struct error *err)
{
	struct net *net = mem_alloc(sizeof *net);

	if (!net)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the network rules");
	*net = (struct net){
		.policy = env->policy, .match = env->net, .openings = env->openings,
		.resolves = resolver_wanted(env->policy),
		.ways = { env->policy, env->policy->port_remap ? env->ports : NULL },
	};
	*state = net;
	return 0;
}

/* --- what kind of socket --- */

enum kind {
	KIND_INET,              /* of a protocol that rules can name */
	KIND_UNKNOWN,           /* an internet socket of another protocol */
	KIND_UNIX,
	KIND_OTHER,
};

struct socket_kind {
	enum kind kind;
	enum net_proto proto;
	int domain;             /* 0: was not needed */
};

static const struct {
	int protocol;
	enum net_proto proto;
	bool look;              /* other families have a protocol of this number */
} protocols[] = {
	{ IPPROTO_TCP, NET_TCP, false },
	{ IPPROTO_UDP, NET_UDP, false },
	{ IPPROTO_ICMP, NET_ICMP, true },
	{ IPPROTO_ICMPV6, NET_ICMP, true },
};

static bool is_inet(int domain)
{
	return domain == AF_INET || domain == AF_INET6;
}

/* 0 or -errno. TCP and UDP, which are nearly all, cost one question. */
static int kind_of(const struct call *call, int sock, struct socket_kind *out)
{
	struct socket_info info = { 0 };
	int rc = call->kernel->socket_info(call, sock, WANT_PROTOCOL, &info);

	*out = (struct socket_kind){ .kind = KIND_OTHER };
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (info.protocol != protocols[i].protocol)
			continue;
		*out = (struct socket_kind){ KIND_INET, protocols[i].proto, 0 };
		if (!protocols[i].look)
			return 0;
	}
	rc = call->kernel->socket_info(call, sock, WANT_DOMAIN | WANT_TYPE, &info);
	if (rc < 0)
		return rc;
	out->domain = info.domain;
	if (!is_inet(info.domain))
		out->kind = info.domain == AF_UNIX ? KIND_UNIX : KIND_OTHER;
	else if (out->kind != KIND_INET || info.type != SOCK_DGRAM)
		out->kind = KIND_UNKNOWN;
	return 0;
}

/* --- judging --- */

struct question {
	const struct net *net;
	const struct socket_kind *socket;
	struct addr to;
	struct net_decision decision;
};

/* Does the rule of this name, for which the address was opened, cover protocol and port? */
static bool name_covers(const char *name, void *arg)
{
	const struct question *q = arg;

	return netmatch_name(q->net->match, q->socket->proto, name, q->to.port) >= 0;
}

/* An opening never beats a deny rule, and never reaches the metadata service. */
static bool is_allowed(struct question *q)
{
	q->decision = netmatch_decide(q->net->match, q->socket->proto, &q->to);
	if (q->decision.allowed)
		return true;
	return q->decision.rule < 0 && q->net->openings && addr_kind(&q->to) != ADDR_METADATA &&
	       openings_find(q->net->openings, &q->to, sys_now(), name_covers, q);
}

static bool landlock_allows(const struct policy *p, enum net_proto proto, unsigned port)
{
	return proto != NET_TCP || ports_has(&p->connect_ports, port);
}

/* The rule that denied, as its user wrote it. */
static void print_rule(const struct question *q, const struct nethint *hint, struct str *out)
{
	const struct policy *p = q->net->policy;
	const struct net_rule *by = q->decision.rule < 0 ? NULL : &p->net_rules.at[q->decision.rule];

	if (by && by->deny)
		str_addf(out, "%s %s", network_word(p, by)->origin, network_word(p, by)->text);
	else if (by)
		str_add(out, "names are looked up by sandlock's resolver alone");
	else if (addr_kind(&q->to) == ADDR_METADATA)
		str_add(out, "it is a cloud's metadata service, which only a rule with this address opens");
	else if (nethint_is_dns(hint))
		str_add(out, "no --net-allow rule covers it; names that a rule has are looked up by sandlock itself");
	else
		str_add(out, "no --net-allow rule covers it");
}

static int refuse(const struct call *call, const struct question *q, int errnum)
{
	struct nethint hint = { .proto = q->socket->proto, .to = q->to, .policy = q->net->policy };
	AUTO(str) struct str target = STR(512);
	AUTO(str) struct str rule = STR(1024);
	AUTO(str) struct str flag = STR(512);

	nethint_find(&hint, q->net->match, q->net->openings, sys_now());
	nethint_add_target(&target, &hint);
	print_rule(q, &hint, &rule);
	nethint_add_flag(&flag, &hint);
	bool denied = q->decision.rule >= 0;
	call->kernel->refuse(call, &(struct refusal){
		.operation = call->info && strcmp(call->info->name, "connect") == 0 ? "connect" : "send",
		.target = target.rc == 0 ? target.buf : net_proto_name(q->socket->proto),
		.rule = rule.rc == 0 ? rule.buf : "the network rules",
		.flag = flag.rc == 0 && !denied ? flag.buf : NULL,
		.errnum = errnum,
	});
	return -errnum;
}

/* 0, or -errno with the refusal in the report. Without a matcher the answer is the one that Landlock would give. */
static int judge(const struct call *call, const struct net *net, const struct socket_kind *socket, const struct addr *to)
{
	struct question q = { .net = net, .socket = socket, .to = *to, .decision = { .rule = -1 } };

	if (net->match ? !is_allowed(&q) : socket->proto != NET_TCP)
		return refuse(call, &q, ECONNREFUSED);
	if (net->resolves && to->port == RESOLVER_PORT && !resolver_leaves(net->policy, &q.decision))
		return refuse(call, &q, ECONNREFUSED);
	return landlock_allows(net->policy, socket->proto, to->port) ? 0 : refuse(call, &q, EACCES);
}

/* A socket of the resolver's island reaches the resolver, whatever address it is told. */
static bool is_of_island(const struct call *call, const struct net *net, int sock)
{
	return net->resolves && call->kernel->in_island(call, sock);
}

/* A socket that no rule can be about: it came from outside, since the filter lets nobody make one. -errno. */
static int unknown_socket(const struct call *call, const struct socket_kind *kind, const char *operation)
{
	const bool inet = kind->kind == KIND_UNKNOWN;
	const int errnum = inet ? ECONNREFUSED : EAFNOSUPPORT;

	call->kernel->refuse(call, &(struct refusal){
		.operation = operation,
		.target = inet ? "an internet socket of another protocol" : "a socket of another family",
		.rule = inet ? "network rules are for tcp, udp and icmp" : "only internet and unix sockets may say where to",
		.errnum = errnum,
	});
	return -errnum;
}

/* --- connect --- */

static uint16_t family_of(const void *name, size_t len)
{
	uint16_t family = AF_UNSPEC;

	if (len >= sizeof family)
		memcpy(&family, name, sizeof family);
	return family;
}

static int domain_of(const struct call *call, int sock, const struct socket_kind *kind)
{
	struct socket_info info = { .domain = kind->domain };
	int rc = info.domain ? 0 : call->kernel->socket_info(call, sock, WANT_DOMAIN, &info);

	return rc < 0 ? rc : info.domain;
}

/* What the kernel says to an address that is none for this socket: nothing is tried with it. */
static int bad_address(const struct call *call, int sock, const struct socket_kind *kind, size_t len)
{
	int domain = domain_of(call, sock, kind);

	if (domain < 0)
		return domain;
	return len < (domain == AF_INET6 ? SIN6_LEN_RFC2133 : sizeof(struct sockaddr_in)) ? -EINVAL : -EAFNOSUPPORT;
}

static struct verdict connect_inet(const struct call *call, const struct net *net, const struct socket_kind *kind, int sock)
{
	_Alignas(8) char name[MESSAGE_NAME_MAX];
	size_t len = call->arg[1].bytes.len;
	uint16_t family = family_of(call->arg[1].bytes.data, len);
	struct addr to;
	int rc;

	if (len < sizeof family)
		return v_errno(EINVAL);
	memcpy(name, call->arg[1].bytes.data, len);
	if (family != AF_UNSPEC) {              /* which takes the peer away: no destination */
		addr_settle(name, len);
		rc = addr_from_sockaddr(name, len, &to);
		if (rc < 0)
			return v_errno(bad_address(call, sock, kind, len));
		rc = is_of_island(call, net, sock) ? 0 : judge(call, net, kind, &to);
		if (rc == 0)
			rc = portview_redirect(call, &net->ways, kind->proto, &to, name);
		if (rc < 0)
			return v_result(rc);
		portview_connects(call, net->ways.ports, kind->proto, sock, &to);
	}
	return v_result(call->kernel->connect(call, sock, name, len));
}

static struct verdict on_connect(const struct call *call, void *state)
{
	const struct call_arg *name = &call->arg[1];
	struct socket_kind kind;

	AUTO(fd) int sock = call->kernel->pin_fd(call, call->arg[0].fd);
	if (sock < 0)
		return v_errno(sock);
	if (name->is_null && (uint32_t)call->raw[2])
		return v_errno((uint32_t)call->raw[2] > MESSAGE_NAME_MAX ? EINVAL : EFAULT);
	int rc = kind_of(call, sock, &kind);
	if (rc < 0)
		return v_errno(socket_unjudged(call, rc, "connect"));
	if (kind.kind == KIND_INET)
		return connect_inet(call, state, &kind, sock);
	if (kind.kind != KIND_UNIX)
		return v_errno(unknown_socket(call, &kind, "connect"));
	if (family_of(name->bytes.data, name->is_null ? 0 : name->bytes.len) == AF_UNIX)
		return v_next();
	/* No address of a unix socket: it is disconnected, or EINVAL. */
	return v_result(call->kernel->connect(call, sock, name->bytes.data, name->is_null ? 0 : name->bytes.len));
}

/* --- sends --- */

/*
 * 0 when this datagram may go where it says. UDP over IPv4 takes AF_UNSPEC for AF_INET, so it is judged as that; over
 * IPv6 it stands for no address at all.
 */
static int judge_datagram(const struct call *call, const struct net *net, const struct socket_kind *kind, int sock,
			  struct message *m)
{
	uint16_t family = family_of(m->name, m->name_len);
	struct addr to;

	if (!m->named || is_of_island(call, net, sock))
		return 0;
	if (m->name_len < sizeof family)
		return -EINVAL;
	if (!is_inet(family)) {
		int domain = domain_of(call, sock, kind);
		if (domain < 0)
			return domain;
		if (family != AF_UNSPEC)
			return domain == AF_INET6 ? -EINVAL : bad_address(call, sock, kind, m->name_len);
		if (domain == AF_INET6) {
			/* Without it, since a thread may make the socket one of IPv4 before the send (IPV6_ADDRFORM). */
			m->name_len = kind->proto == NET_UDP ? 0 : m->name_len;
			return 0;
		}
		memcpy(m->name, &(uint16_t){ AF_INET }, sizeof family);
	}
	addr_settle(m->name, m->name_len);
	if (addr_from_sockaddr(m->name, m->name_len, &to) < 0)
		return bad_address(call, sock, kind, m->name_len);
	int rc = judge(call, net, kind, &to);
	return rc < 0 ? rc : portview_redirect(call, &net->ways, kind->proto, &to, m->name);
}

/* What was pinned is a unix socket, so nothing of it was done: the unix feature's. */
#define NOT_INTERNET (MUST_WAIT - 1)

static struct verdict sent(int64_t rc)
{
	return rc == NOT_INTERNET ? v_next() : v_result(rc);
}

/* message_act of this feature: judged anew for each message, on its own copy. */
static int64_t send_one(const struct call *call, int sock, struct message *m, int flags, void *arg)
{
	const struct net *net = arg;
	struct socket_kind kind;
	int rc = kind_of(call, sock, &kind);

	if (rc < 0)
		return socket_unjudged(call, rc, "send");
	if (flags & FASTOPEN)
		return -EOPNOTSUPP;
	if (kind.kind == KIND_UNIX)
		return NOT_INTERNET;
	if (kind.kind == KIND_UNKNOWN)
		return unknown_socket(call, &kind, "send");
	if (kind.kind == KIND_OTHER)
		return m->name_len ? unknown_socket(call, &kind, "send") : message_send(call, sock, m, flags, false);
	if (kind.proto == NET_TCP) {
		m->name_len = 0;
		return message_send(call, sock, m, flags, true);
	}
	if (m->total > DATAGRAM_MAX)
		return -EMSGSIZE;
	rc = judge_datagram(call, net, &kind, sock, m);
	return rc < 0 ? rc : message_send(call, sock, m, flags, false);
}

static struct verdict on_sendto(const struct call *call, void *state)
{
	return sent(message_sendto(call, send_one, state));
}

static struct verdict on_sendmsg(const struct call *call, void *state)
{
	return sent(message_sendmsg(call, send_one, state));
}

static struct verdict on_sendmmsg(const struct call *call, void *state)
{
	return sent(message_sendmmsg(call, send_one, state));
}

/* --- when --- */

static bool datagrams_exist(const struct policy *p)
{
	return policy_has_proto(p, NET_UDP) || policy_has_proto(p, NET_ICMP) || policy_has_unix_datagrams(p);
}

/* clang-format off */
static const struct handler net_handlers[] = {
	{ "connect",  on_connect,  H_TRIES },
	/* send(2) is a sendto without an address, and stays in the kernel. */
	{ "sendto",   on_sendto,   H_TRIES, .when = datagrams_exist, .conditional = true,
	  .test_arg = 4, .test_op = ARG_NE_64, .test_value = 0 },
	{ "sendmsg",  on_sendmsg,  H_TRIES, .when = datagrams_exist },
	{ "sendmmsg", on_sendmmsg, H_TRIES, .when = datagrams_exist },
};
/* clang-format on */

const struct feature feature_net = {
	.name = "net", .wanted = policy_judges_connects, .start = net_start, .stop = mem_free, HANDLERS(net_handlers),
};
