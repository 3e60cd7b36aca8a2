/*
 * listen(2) takes a free port for a TCP socket that was never bound, and Landlock does not see that: so where the policy
 * does not allow every port to be bound, a socket may listen only on a port that it could have been bound to.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "features/portview.h"
#include "features/registry.h"
#include "policy/ports.h"

struct listen_rules {
	const struct ports *allowed;
	struct portmap *map;            /* with --port-remap: judged is the port that was asked for */
	atomic_bool shares;             /* somebody here has set SO_REUSEPORT, which the supervisor saw */
};

static int listen_start(const struct feature_env *env, void **state, struct error *err)
{
	struct listen_rules *rules = mem_alloc(sizeof *rules);

	if (!rules)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the listen check");
	rules->allowed = &env->policy->bind_ports;
	rules->map = env->policy->port_remap ? env->ports : NULL;
	*state = rules;
	return 0;
}

/* An unbound socket, port 0, gets a free port: who may have that is not asked here (see listen_wanted). */
static bool may_listen_on(const struct listen_rules *rules, int port)
{
	if (port > 0 && rules->map)
		port = portmap_asked(rules->map, NET_TCP, (uint16_t)port);
	return port > 0 && ports_has(rules->allowed, (unsigned)port);
}

/* Allowing port 0 is the least that helps: Landlock goes on judging the ports that a program names. */
static struct verdict refuse(const struct call *call, const char *target, const char *rule)
{
	call->kernel->refuse(call, &(struct refusal){
		.operation = "listen",
		.target = target,
		.rule = rule,
		.flag = "--net-allow-bind 0",
		.errnum = EACCES,
	});
	return v_errno(EACCES);
}

static struct verdict refuse_port(const struct call *call, int port)
{
	char target[32] = "a free port";

	if (port > 0)
		snprintf(target, sizeof target, "port %d", port);
	return refuse(call, target, "no --net-allow-bind rule names the port that it would take");
}

/*
 * Without pidfd_getfd nobody but the child has the socket: what it is cannot be seen, and a call that continued could find
 * another one under the number. So unix sockets are refused with the others, and the report must say whose doing it is.
 */
static struct verdict refuse_unseen(const struct call *call)
{
	return refuse(call, "a socket", "this system refuses pidfd_getfd to sandlock, as containers do, so it cannot see which "
		      "socket would listen: allow that call there, or listening on free ports here");
}

static bool is_shared(const struct call *call, const struct addr *at, void *port)
{
	return at->port == *(const int *)port && call->kernel->is_shared(call, at);
}

/* One that may share a port could have got the option before anybody outside had the port, and been bound to it since. */
static int may_share(const struct call *call, const struct listen_rules *rules, int port)
{
	int rc = atomic_load(&rules->shares) ? portview_strangers(call, is_shared, &port) : 0;

	return rc > 0 ? -EADDRINUSE : rc;
}

/*
 * The call is made here, on the open socket itself: the child can neither swap the descriptor nor change the backlog
 * after the check. It can still take the port away in between (a connected socket that is disconnected loses it), and
 * the kernel goes on naming a port that a failed connect has given back. So the port is judged again once the socket
 * listens, when the answer is the real one, and listening on a wrong one ends at once.
 */
static struct verdict on_listen(const struct call *call, void *state)
{
	const struct listen_rules *rules = state;
	int backlog = (int)call->raw[1];

	AUTO(fd) int sock = call->kernel->pin_fd(call, (int)call->raw[0]);
	if (sock < 0)
		return v_errno(sock);

	int port = call->kernel->socket_port(call, sock);
	if (port == -EAFNOSUPPORT)
		return v_result(call->kernel->listen(call, sock, backlog));
	if (port == -EBADF)
		return refuse_unseen(call);
	if (port < 0)
		return v_errno(port);
	if (!may_listen_on(rules, port))
		return refuse_port(call, port);

	int rc = may_share(call, rules, port);
	if (rc == 0)
		rc = call->kernel->listen(call, sock, backlog);
	if (rc < 0)
		return v_errno(rc);
	port = call->kernel->socket_port(call, sock);
	if (port >= 0 && may_listen_on(rules, port))
		return v_result(0);
	call->kernel->unlisten(call, sock);
	return refuse_port(call, port);
}

/* Looks on: the ports feature has these calls trapped where it leaves binds to Landlock, and says whether they may be. */
static struct verdict on_setsockopt(const struct call *call, void *state)
{
	struct listen_rules *rules = state;

	if ((int)call->raw[1] == SOL_SOCKET && (int)call->raw[2] == SO_REUSEPORT)
		atomic_store(&rules->shares, true);
	return v_next();
}

/* Where port 0 may be bound, an unbound socket may have what it takes anyway, and Landlock judges the rest. */
static bool listen_wanted(const struct policy *p)
{
	return !p->no_supervisor && !ports_has(&p->bind_ports, 0);
}

static const struct handler listen_handlers[] = {
	{ "listen", on_listen, H_BLOCKS | H_NO_DECODE },
	{ "setsockopt", on_setsockopt, H_NO_DECODE | H_ONLY_IF_TRAPPED | H_OTHERS_PASS },
};

const struct feature feature_listen = {
	.name = "listen", .wanted = listen_wanted, .start = listen_start, .stop = mem_free,
	HANDLERS(listen_handlers),
};
