/*
 * bind(2) and what programs are told of ports, where Landlock cannot do it alone: ports that are denied, UDP, and with
 * --port-remap ports of the sandbox's own, so that several sandboxes can each have a server on port 8080.
 *
 * What is judged is always the port that the program names; the address is read once, and the bind is made with that copy
 * on the pinned socket. A port that somebody outside listens on is not shared, whatever SO_REUSEPORT says: whether the
 * option is set is not even asked, since another thread may set it at any time. Where Landlock alone judges bind, setting
 * the option is refused while a port of the list is shared by somebody outside.
 *
 * With --port-remap getsockname, getpeername and /proc/net show the port that was asked for, and so do accept and recvfrom
 * (portpeers.c); connections and datagrams to an address of this machine go to the real one (portview.c, for net.c).
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "features/portview.h"
#include "features/registry.h"
#include "features/unixbind.h"
#include "features/unjudged.h"
#include "policy/ports.h"

#define SOCKADDR_ROOM 128

struct port_rules {
	const struct policy *policy;
	const struct grants *grants;
	struct portmap *map;            /* NULL: only SO_REUSEPORT is looked after */
	pthread_mutex_t lock;           /* one bind at a time: what is free is asked before */
};

static int ports_start(const struct feature_env *env, void **state, struct error *err)
{
	struct port_rules *rules = mem_alloc(sizeof *rules);

	if (!rules)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the check of ports");
	rules->policy = env->policy;
	rules->grants = env->grants;
	rules->map = env->ports;
	pthread_mutex_init(&rules->lock, NULL);
	*state = rules;
	return 0;
}

static void ports_stop(void *state)
{
	struct port_rules *rules = state;

	pthread_mutex_destroy(&rules->lock);
	mem_free(rules);
}

/* --- sockets --- */

static uint64_t inode_of(int sock)
{
	struct stat st;

	return SYS(SYS_fstat, sock, &st) < 0 ? 0 : st.st_ino;
}

/* An internet socket's protocol, if it has ports. Ping sockets have numbers of another kind, which nobody is granted. */
static bool has_ports(const struct socket_info *info, enum net_proto *proto)
{
	*proto = info->protocol == IPPROTO_UDP ? NET_UDP : NET_TCP;
	return (info->domain == AF_INET || info->domain == AF_INET6) && info->protocol != IPPROTO_ICMP &&
	       info->protocol != IPPROTO_ICMPV6;
}

static int look_at(const struct call *call, int sock, struct socket_info *info)
{
	return call->kernel->socket_info(call, sock, WANT_DOMAIN | WANT_PROTOCOL, info);
}

/* --- refusing --- */

static struct verdict refuse_port(const struct call *call, const struct port_rules *rules, enum net_proto proto, unsigned port)
{
	bool denied = ports_has(&rules->policy->deny_bind_ports, port);
	char target[32];
	char flag[32];

	snprintf(target, sizeof target, "port %u (%s)", port, net_proto_name(proto));
	snprintf(flag, sizeof flag, "--net-allow-bind %u", port);
	call->kernel->refuse(call, &(struct refusal){
		.operation = "bind",
		.target = target,
		.rule = denied ? "--net-deny-bind names it" : "no --net-allow-bind rule names it",
		.flag = denied ? NULL : flag,
		.errnum = EACCES,
	});
	return v_errno(EACCES);
}

/* --- bind --- */

struct request {
	struct port_rules *rules;
	int sock;
	enum net_proto proto;
	_Alignas(8) char name[SOCKADDR_ROOM];
	size_t len;
	struct addr at;                 /* as it was asked for */
};

/* A client's socket may have any free port, as one that was never bound has. */
static bool is_allowed(const struct request *r)
{
	if (r->at.port == 0 && (r->proto == NET_UDP || policy_lets_clients_bind(r->rules->policy)))
		return true;
	return ports_has(&r->rules->policy->bind_ports, r->at.port);
}

static int bind_to(const struct call *call, struct request *r, uint16_t port)
{
	portview_set_port(r->name, port);
	return call->kernel->bind(call, r->sock, r->name, r->len);
}

/*
 * Not where somebody outside is. With SO_REUSEADDR two servers may be bound to one port, and only the first that listens
 * has it. With --port-remap that is too late: another port is to be had now, and so the option does not count, unless what
 * is in the way are old connections, which it is for.
 */
static int bind_real(const struct call *call, struct request *r, uint16_t port)
{
	struct addr at = r->at;
	struct port_holders held;

	at.port = port;
	int rc = portview_holders(call, r->proto, &at, &held);
	if (rc < 0)
		return rc;
	if (held.outside)
		return -EADDRINUSE;
	if (!r->rules->policy->port_remap || held.leftover)
		return bind_to(call, r, port);
	portview_set_port(r->name, port);
	return call->kernel->bind_alone(call, r->sock, r->name, r->len);
}

/* Is a socket of the sandbox itself in the way? That is what its programs expect to hear of. */
static bool is_own_conflict(const struct call *call, const struct request *r)
{
	uint64_t *own = NULL;
	size_t count = 0;

	if (call->kernel->tree_sockets(call, &own, &count) < 0)
		return true;
	bool bound = portmap_is_bound(r->rules->map, r->proto, &r->at, own, count);
	mem_free(own);
	return bound;
}

/* The port that was asked for or has stood for it before; with --port-remap any other one when that is taken. */
static int bind_asked(const struct call *call, struct request *r)
{
	uint16_t before = r->rules->policy->port_remap ? portmap_remembered(r->rules->map, r->proto, r->at.port) : 0;
	int rc = bind_real(call, r, before ? before : r->at.port);

	if (rc != -EADDRINUSE || !r->rules->policy->port_remap || is_own_conflict(call, r))
		return rc;
	return bind_to(call, r, 0);
}

static int note(const struct call *call, const struct port_rules *rules, enum net_proto proto, int sock, uint16_t asked)
{
	struct port_name name;
	struct addr at;
	int rc = portview_name(call, sock, false, &name, &at);

	if (rc < 0)
		return rc;
	struct port_entry entry = {
		.proto = proto,
		.asked = asked ? asked : at.port,
		.real = at.port,
		.address = at,
		.inode = inode_of(sock),
	};
	entry.address.port = 0;
	return portmap_add(rules->map, &entry);
}

static struct verdict bind_inet(const struct call *call, struct request *r)
{
	uint16_t family = AF_UNSPEC;
	int rc;

	memcpy(&family, r->name, sizeof family);
	/* What a program of old says for an IPv4 address; only the unspecified one is taken. */
	if (family == AF_UNSPEC)
		memcpy(r->name, &(uint16_t){ AF_INET }, sizeof family);
	rc = addr_from_sockaddr(r->name, r->len, &r->at);
	memcpy(r->name, &family, sizeof family);
	if (rc < 0)
		return v_errno(rc);
	if (!is_allowed(r))
		return refuse_port(call, r->rules, r->proto, r->at.port);
	pthread_mutex_lock(&r->rules->lock);
	call->kernel->drop_dead(call);
	rc = r->at.port ? bind_asked(call, r) : bind_to(call, r, 0);
	/* Bound it is, remembered or not. A free UDP port is a client's, musl takes one for every question of names. */
	if (rc == 0 && (r->at.port || r->proto == NET_TCP))
		note(call, r->rules, r->proto, r->sock, r->at.port);
	pthread_mutex_unlock(&r->rules->lock);
	return v_result(rc);
}

static struct verdict on_bind(const struct call *call, void *state)
{
	const struct call_arg *name = &call->arg[1];
	struct request r = { .rules = state };
	struct socket_info info = { 0 };

	AUTO(fd) int sock = call->kernel->pin_fd(call, call->arg[0].fd);
	if (sock < 0)
		return v_errno(sock);
	int rc = look_at(call, sock, &info);
	if (rc < 0)
		return v_errno(socket_unjudged(call, rc, "bind"));
	if (name->is_null)
		return v_errno((uint32_t)call->raw[2] > SOCKADDR_ROOM || !call->raw[2] ? EINVAL : EFAULT);
	if (info.domain == AF_UNIX)
		return unixbind(call, r.rules->grants, sock);
	if (!has_ports(&info, &r.proto))
		return v_result(call->kernel->bind(call, sock, name->bytes.data, name->bytes.len));
	r.sock = sock;
	r.len = name->bytes.len;
	memcpy(r.name, name->bytes.data, r.len);
	return bind_inet(call, &r);
}

/*
 * --- listen on a socket that was never bound ---
 *
 * Where it matters on which port that is, the listen feature has answered before. So a unix socket may be left to the
 * kernel, which tells its clients whose it is.
 */

static struct verdict on_listen(const struct call *call, void *state)
{
	const struct port_rules *rules = state;
	struct socket_info info = { 0 };
	enum net_proto proto;

	AUTO(fd) int sock = call->kernel->pin_fd(call, (int)call->raw[0]);
	if (sock < 0)
		return v_errno(sock);
	int rc = look_at(call, sock, &info);
	if (rc < 0)
		return v_errno(socket_unjudged(call, rc, "bind"));
	if (info.domain == AF_UNIX)
		return v_next();
	rc = call->kernel->listen(call, sock, (int)call->raw[1]);
	if (rc == 0 && has_ports(&info, &proto) && !portmap_knows(rules->map, inode_of(sock)))
		note(call, rules, proto, sock, 0);
	return v_result(rc);
}

/* --- names --- */

/* The kernel answers for every socket whose port has no other name: nothing is granted by what is told here. */
static struct verdict tell_name(const struct call *call, const struct port_rules *rules, bool peer)
{
	struct socket_info info = { 0 };
	enum net_proto proto;
	struct port_name name;
	struct addr at;

	AUTO(fd) int sock = call->kernel->pin_fd(call, (int)call->raw[0]);
	if (sock < 0 || portview_name(call, sock, peer, &name, &at) < 0 || look_at(call, sock, &info) < 0 ||
	    !has_ports(&info, &proto))
		return v_next();
	uint16_t asked = portmap_asked(rules->map, proto, at.port);
	if (asked == at.port || (peer && !portview_is_here(call, &at)))
		return v_next();
	portview_set_port(name.bytes, asked);
	return v_result(portview_tell(call, &name, call->raw[1], call->raw[2]));
}

static struct verdict on_getsockname(const struct call *call, void *state)
{
	return tell_name(call, state, false);
}

static struct verdict on_getpeername(const struct call *call, void *state)
{
	return tell_name(call, state, true);
}

/* --- SO_REUSEPORT --- */

static bool is_reachable(const struct call *call, const struct addr *at, void *arg)
{
	const struct policy *p = arg;

	return ports_has(&p->bind_ports, at->port) && call->kernel->is_shared(call, at);
}

/*
 * It could take the connections of whoever shares a port already. Who joins later shares it with open eyes. Neither the
 * socket nor the value matters to the answer, so the kernel may make the call with whatever it finds then.
 */
static struct verdict on_setsockopt(const struct call *call, void *state)
{
	const struct port_rules *rules = state;

	if ((int)call->raw[1] != SOL_SOCKET)
		return v_next();
	int rc = portview_strangers(call, is_reachable, (void *)(uintptr_t)rules->policy);
	if (rc <= 0)
		return rc < 0 ? v_errno(rc) : v_next();
	call->kernel->refuse(call, &(struct refusal){
		.operation = "setsockopt",
		.target = "SO_REUSEPORT",
		.rule = "a program outside shares a port that --net-allow-bind names, and its connections could be taken",
		.errnum = EACCES,
	});
	return v_errno(EACCES);
}

/* --- when --- */

/* Landlock alone judges which ports may be bound. */
static bool leaves_binds(const struct policy *p)
{
	return !policy_judges_binds(p);
}

static bool ports_wanted(const struct policy *p)
{
	return policy_judges_binds(p) || (!p->no_supervisor && !ports_is_empty(&p->bind_ports));
}

/* clang-format off */
static const struct handler ports_handlers[] = {
	{ "bind",        on_bind,        H_BLOCKS, .when = policy_judges_binds },
	{ "listen",      on_listen,      H_BLOCKS | H_NO_DECODE | H_OTHERS_PASS, .when = policy_remaps_ports },
	{ "getsockname", on_getsockname, H_NO_DECODE | H_OTHERS_PASS, .when = policy_remaps_ports },
	{ "getpeername", on_getpeername, H_NO_DECODE | H_OTHERS_PASS, .when = policy_remaps_ports },
	{ "setsockopt",  on_setsockopt,  H_BLOCKS | H_NO_DECODE | H_OTHERS_PASS, .when = leaves_binds,
	  .conditional = true, .test_arg = 2, .test_op = ARG_EQ, .test_value = SO_REUSEPORT },
};
/* clang-format on */

const struct feature feature_ports = {
	.name = "ports", .wanted = ports_wanted, .start = ports_start, .stop = ports_stop, HANDLERS(ports_handlers),
};
