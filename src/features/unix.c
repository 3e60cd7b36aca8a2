/*
 * Sockets in the file system are a way out: behind one sits a container engine, a message bus, a key agent. Landlock does
 * not judge them, so connecting is done here on behalf, to the very socket that was resolved and found granted. Abstract
 * names are Landlock's (the scope), but the supervisor is not in the child's domain: so it connects only to what a
 * process of the sandbox listens on.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/unixname.h"
#include "features/netmsg.h"
#include "features/registry.h"
#include "features/resolver.h"
#include "features/unjudged.h"

struct unix_rules {
	const struct socket_grants *sockets;
	const struct grants *files;
	bool abstract_is_free;          /* the user disabled the scope */
	bool resolves;                  /* rules with names: no name goes out by another way */
};

static int unix_start(const struct feature_env *env, void **state, struct error *err)
{
	struct unix_rules *rules = mem_alloc(sizeof *rules);

	if (!rules)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the socket rules");
	*rules = (struct unix_rules){
		.sockets = env->sockets,
		.files = env->grants,
		.resolves = resolver_wanted(env->policy),
		.abstract_is_free = env->policy->strictness[PROTECT_ABSTRACT_UNIX_SCOPE] == DISABLED,
	};
	*state = rules;
	return 0;
}

static int refuse(const struct call *call, const char *target, const char *rule, const char *flag, int errnum)
{
	call->kernel->refuse(call, &(struct refusal){
		.operation = "connect",
		.target = target,
		.rule = rule,
		.flag = flag,
		.errnum = errnum,
	});
	return -errnum;
}

/* --- judging --- */

/* Services that look names up for whoever asks: under rules with names they would be a way out, so a write grant that
 * happens to cover one is not enough. */
static bool is_name_service(const char *path)
{
	static const char *const services[] = {
		"/run/nscd/socket",
		"/run/systemd/resolve/io.systemd.Resolve",
		"/run/systemd/resolve/io.systemd.Resolve.Monitor",
		"/run/avahi-daemon/socket",
		"/run/dbus/system_bus_socket",          /* on which systemd-resolved and avahi listen too */
	};

	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		if (strcmp(path, services[i]) == 0)
			return true;
	return false;
}

static bool is_granted(const struct unix_rules *rules, const char *path)
{
	struct socket_grants named = *rules->sockets;

	if (rules->resolves && is_name_service(path))
		named.by_write = false;
	return socket_granted_by(&named, rules->files, path);
}

/* An address that was judged, and what to use in its place. */
struct reached {
	int pinned;             /* owned: keeps the socket that was judged; -1 */
	size_t len;
	_Alignas(8) char address[MESSAGE_NAME_MAX];
};

static int reach_path(const struct call *call, const struct unix_rules *rules, const struct unix_name *name,
		      struct reached *out)
{
	char path[PATH_MAX];
	char flag[PATH_MAX + 16];
	struct sockaddr_un address;

	const struct where where = { .dirfd = AT_FDCWD, .path = name->text };
	struct located found;
	int rc = call->kernel->locate(call, &where, &found);

	if (rc < 0)
		return rc;
	out->pinned = found.fd;
	if (call->kernel->path_of(call, out->pinned, path) < 0)
		return refuse(call, name->text, "the socket has no path any more", NULL, EACCES);
	if (!is_granted(rules, path)) {
		snprintf(flag, sizeof flag, "--unix-allow %s", path);
		return refuse(call, path, "no --unix-allow and no write grant covers it", flag, EACCES);
	}
	out->len = unix_address_of(out->pinned, &address);
	memcpy(out->address, &address, out->len);
	return 0;
}

/* The name must belong to a process of this sandbox, unless the user lifted the scope. */
static int reach_abstract(const struct call *call, const struct unix_rules *rules, const struct unix_name *name, int type)
{
	char shown[2 * sizeof name->text];
	int rc = rules->abstract_is_free ? 1 : call->kernel->owns_abstract(call, name->text, name->len, type);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	unix_name_show(name, shown);
	return refuse(call, shown, "abstract names outside the sandbox are out of its scope",
		      "--disable abstract-unix-socket-scope", EPERM);
}

/* 0 with what to use in *out (whose pinned descriptor the caller closes in any case), or -errno. */
static int reach(const struct call *call, const struct unix_rules *rules, const void *address, size_t len, int type,
		 struct reached *out)
{
	struct unix_name name;
	int rc = unix_name_read(address, len, &name);

	out->pinned = -1;
	if (rc < 0)
		return rc;
	if (name.kind == UNIX_PATH)
		return reach_path(call, rules, &name, out);
	memcpy(out->address, address, len);
	out->len = len;
	return name.kind == UNIX_ABSTRACT ? reach_abstract(call, rules, &name, type) : 0;
}

/* The type of the pinned socket, or -errno; other families are not ours. */
static int type_of(const struct call *call, int sock)
{
	struct socket_info info = { 0 };
	int rc = call->kernel->socket_info(call, sock, WANT_DOMAIN | WANT_TYPE, &info);

	if (rc < 0)
		return socket_unjudged(call, rc, "connect");
	return info.domain == AF_UNIX ? info.type : -EAFNOSUPPORT;
}

/* --- calls: net.c has looked at the socket before and left what is AF_UNIX to us --- */

static struct verdict on_connect(const struct call *call, void *state)
{
	const struct call_arg *address = &call->arg[1];
	struct reached to;

	if (address->is_null)
		return v_errno(EFAULT);
	AUTO(fd) int sock = call->kernel->pin_fd(call, call->arg[0].fd);
	if (sock < 0)
		return v_errno(sock);
	int type = type_of(call, sock);
	if (type < 0)
		return v_errno(type);
	int rc = reach(call, state, address->bytes.data, address->bytes.len, type, &to);
	if (rc == 0)
		rc = call->kernel->connect(call, sock, to.address, to.len);
	fd_close(&to.pinned);
	return v_result(rc);
}

/* message_act: only a datagram socket looks at the address; what a stream says to one is the kernel's to say. */
static int64_t send_one(const struct call *call, int sock, struct message *m, int flags, void *arg)
{
	struct reached to = { .pinned = -1 };
	int type = type_of(call, sock);

	if (type < 0)
		return type;
	if (m->name_len == 0 || type != SOCK_DGRAM)
		return message_send(call, sock, m, flags, type == SOCK_STREAM);
	int64_t rc = reach(call, arg, m->name, m->name_len, type, &to);
	if (rc == 0) {
		memcpy(m->name, to.address, to.len);
		m->name_len = to.len;
		rc = message_send(call, sock, m, flags, false);
	}
	fd_close(&to.pinned);
	return rc;
}

static struct verdict on_sendto(const struct call *call, void *state)
{
	return v_result(message_sendto(call, send_one, state));
}

static struct verdict on_sendmsg(const struct call *call, void *state)
{
	return v_result(message_sendmsg(call, send_one, state));
}

static struct verdict on_sendmmsg(const struct call *call, void *state)
{
	return v_result(message_sendmmsg(call, send_one, state));
}

/* Wanted wherever net.c traps these calls: a unix socket can come along. */
/* clang-format off */
static const struct handler unix_handlers[] = {
	{ "connect",  on_connect,  H_TRIES },
	{ "sendto",   on_sendto,   H_TRIES | H_ONLY_IF_TRAPPED },
	{ "sendmsg",  on_sendmsg,  H_TRIES | H_ONLY_IF_TRAPPED },
	{ "sendmmsg", on_sendmmsg, H_TRIES | H_ONLY_IF_TRAPPED },
};
/* clang-format on */

const struct feature feature_unix = {
	.name = "unix", .wanted = policy_judges_connects, .start = unix_start, .stop = mem_free, HANDLERS(unix_handlers),
};
