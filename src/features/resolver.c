/*
 * The sandbox's DNS under rules with names: it reaches a resolver of ours, which knows the names of the rules and no
 * others (features/answers.c), and nobody else.
 *
 * The resolver listens on an island, a network namespace on which every address is local (base/island.h). A socket of it
 * can reach the resolver and nothing else, whatever address it is told, so a program may ask the server of its choice and
 * gets its answer from there.
 *
 * Where the rules allow no UDP, every UDP socket that the sandbox makes is one of the island: only their making is
 * trapped, what is sent on them never. Where they do allow UDP, sends are judged anyway; a socket that sends to port 53
 * becomes one of the island then, and so does a TCP socket that connects to it. A destination that a rule means (an
 * address, or just port 53) is left to the network rules.
 *
 * This feature moves sockets and answers only their making; that net.c lets a socket of the island pass, and judges the
 * address anew, is what everything rests on: whatever the caller changes in between ends on the island or is refused.
 */
#include "features/resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/lookup.h"
#include "base/mem.h"
#include "features/nameserver.h"
#include "features/netmsg.h"
#include "features/registry.h"

#define KIND_MASK 0xf           /* of the type argument of socket(2) */

struct resolver {
	const struct policy *policy;
	const struct netmatch *net;
	struct nameserver *server;
};

bool resolver_wanted(const struct policy *p)
{
	return !p->no_supervisor && (policy_has_names(p) || policy_has_suffixes(p));
}

bool resolver_leaves(const struct policy *p, const struct net_decision *decision)
{
	if (!decision->allowed || decision->rule < 0 || (size_t)decision->rule >= p->net_rules.len)
		return false;
	const struct net_rule *r = &p->net_rules.at[decision->rule];
	if (r->target == TARGET_NET)
		return true;
	return r->port_count == 1 && r->ports[0].low == RESOLVER_PORT && r->ports[0].high == RESOLVER_PORT;
}

/* --- start --- */

static int resolver_start(const struct feature_env *env, void **state, struct error *err)
{
	const struct answers_setup setup = {
		.policy = env->policy, .net = env->net, .openings = env->openings, .pins = env->pins,
		.pin_count = env->pin_count, .hosts = "/etc/hosts", .refuse = env->refuse, .sink = env->sink,
	};
	struct lookup_servers servers;
	struct resolver *r = mem_alloc(sizeof *r);

	if (!r)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the resolver");
	*r = (struct resolver){ .policy = env->policy, .net = env->net };
	/* Without an island there is something to do only where names are kept fresh. */
	if (env->net && env->openings && (env->island || env->policy->dns_refresh)) {
		lookup_servers_read("/etc/resolv.conf", &servers);
		int rc = nameserver_start(&setup, &servers, env->island, &r->server);
		if (rc < 0) {
			mem_free(r);
			return error_set(err, ERR_START, rc, "cannot start the resolver: %s", error_text(rc));
		}
	}
	*state = r;
	return 0;
}

static void resolver_stop(void *state)
{
	struct resolver *r = state;

	nameserver_stop(r->server);
	mem_free(r);
}

/* --- sockets --- */

static bool is_inet(int domain)
{
	return domain == AF_INET || domain == AF_INET6;
}

static struct verdict refuse_socket(const struct call *call, const char *target, const char *rule, int errnum)
{
	call->kernel->refuse(call, &(struct refusal){
		.operation = "syscall", .target = target, .rule = rule, .errnum = errnum,
	});
	return v_errno(errnum);
}

/* socket(2) for a datagram socket where the rules allow no UDP. Without an island there is none. */
static struct verdict on_socket(const struct call *call, void *state)
{
	int domain = (int)call->raw[0];
	int type = (int)call->raw[1];
	int protocol = (int)call->raw[2];
	bool pings = protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
	const struct resolver *r = state;

	if (!is_inet(domain) || (type & KIND_MASK) != SOCK_DGRAM)
		return v_next();
	if (pings && policy_has_proto(r->policy, NET_ICMP))
		return v_next();
	if (protocol != 0 && protocol != IPPROTO_UDP)
		return refuse_socket(call, pings ? "a socket for ping" : "a datagram socket of another protocol than UDP",
				     pings ? "no rule allows ping" : "network rules are for tcp, udp and icmp", EPROTONOSUPPORT);
	int sock = call->kernel->island_socket(call, domain, type & ~SOCK_CLOEXEC, IPPROTO_UDP);
	if (sock < 0)
		return sock == -EAFNOSUPPORT && domain == AF_INET ?
			refuse_socket(call, "a UDP socket", "no rule allows UDP, and sandlock's resolver is not here", EPERM) :
			v_errno(sock);
	return v_give_fd(sock, type & SOCK_CLOEXEC ? O_CLOEXEC : 0);
}

/* Is this the address of a name server that no rule means? */
static bool is_ours(const struct resolver *r, const void *name, size_t len)
{
	struct addr to;

	if (!r->server || addr_from_sockaddr(name, len, &to) < 0 || to.port != RESOLVER_PORT)
		return false;
	for (int proto = NET_TCP; proto <= NET_UDP; proto++) {
		const struct net_decision decision = netmatch_decide(r->net, (enum net_proto)proto, &to);

		if (resolver_leaves(r->policy, &decision))
			return false;
	}
	return true;
}

/*
 * The socket reaches the resolver from now on; net.c does what was asked for on it. A failure leaves the socket as it is,
 * and the destination is judged.
 */
static struct verdict move(const struct call *call)
{
	call->kernel->to_island(call, call->arg[0].fd);
	return v_next();
}

static struct verdict on_named(const struct call *call, void *state, int arg)
{
	const struct call_arg *name = &call->arg[arg];

	return !name->is_null && is_ours(state, name->bytes.data, name->bytes.len) ? move(call) : v_next();
}

static struct verdict on_connect(const struct call *call, void *state)
{
	return on_named(call, state, 1);
}

static struct verdict on_sendto(const struct call *call, void *state)
{
	return on_named(call, state, 4);
}

/* The address of the message at `at`; a look that decides nothing but whether the socket is moved. */
static bool message_is_ours(const struct call *call, const struct resolver *r, uint64_t at)
{
	_Alignas(8) char name[MESSAGE_NAME_MAX];
	struct {
		uint64_t name;
		uint32_t name_len;
	} head;

	if (call->kernel->copy_in(call, &head, at, sizeof head) < 0 || !head.name || head.name_len < sizeof(uint16_t))
		return false;
	size_t len = head.name_len < sizeof name ? head.name_len : sizeof name;
	return call->kernel->copy_in(call, name, head.name, len) == 0 && is_ours(r, name, len);
}

static struct verdict on_sendmsg(const struct call *call, void *state)
{
	return message_is_ours(call, state, call->raw[1]) ? move(call) : v_next();
}

/* The first message decides: resolvers send their questions to one server at a time. */
static struct verdict on_sendmmsg(const struct call *call, void *state)
{
	return call->raw[2] && message_is_ours(call, state, call->raw[1]) ? move(call) : v_next();
}

/* --- when --- */

static bool makes_udp(const struct policy *p)
{
	return policy_has_proto(p, NET_UDP);
}

static bool makes_no_udp(const struct policy *p)
{
	return !policy_has_proto(p, NET_UDP);
}

/* clang-format off */
static const struct handler resolver_handlers[] = {
	/* Made anew by us from register arguments; what is not of the internet the kernel makes. */
	{ "socket",   on_socket,   H_NO_DECODE | H_OTHERS_PASS, .when = makes_no_udp, .conditional = true,
	  .test_arg = 1, .test_op = ARG_MASK_EQ, .test_mask = KIND_MASK, .test_value = SOCK_DGRAM },
	/* These only look: net.c has them trapped, and answers. */
	{ "connect",  on_connect,  H_ONLY_IF_TRAPPED },
	{ "sendto",   on_sendto,   H_ONLY_IF_TRAPPED, .when = makes_udp },
	{ "sendmsg",  on_sendmsg,  H_ONLY_IF_TRAPPED, .when = makes_udp },
	{ "sendmmsg", on_sendmmsg, H_ONLY_IF_TRAPPED, .when = makes_udp },
};
/* clang-format on */

const struct feature feature_resolver = {
	.name = "resolver", .wanted = resolver_wanted, .start = resolver_start, .stop = resolver_stop,
	HANDLERS(resolver_handlers),
};
