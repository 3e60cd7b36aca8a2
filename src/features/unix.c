/*
 * Sockets in the file system are a way out: behind one sits a container engine, a message bus, a key agent. Landlock does
 * not judge them, so connecting is done here on behalf, to the very socket that was resolved and found granted. Abstract
 * names are Landlock's (the scope), but the supervisor is not in the child's domain: so it connects only to what a
 * process of the sandbox listens on.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "features/registry.h"
#include "features/unixname.h"

struct unix_rules {
	const struct socket_grants *sockets;
	const struct grants *files;
	bool abstract_is_free;          /* the user disabled the scope */
};

static int unix_start(const struct feature_env *env, void **state, struct error *err)
{
	struct unix_rules *rules = mem_alloc(sizeof *rules);

	if (!rules)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the socket rules");
	*rules = (struct unix_rules){
		.sockets = env->sockets,
		.files = env->grants,
		.abstract_is_free = env->policy->strictness[PROTECT_ABSTRACT_UNIX_SCOPE] == DISABLED,
	};
	*state = rules;
	return 0;
}

static int refuse(const struct call *call, const char *target, const char *rule, bool by_path, int errnum)
{
	char flag[PATH_MAX + 16];

	snprintf(flag, sizeof flag, "--unix-allow %s", target);
	call->kernel->refuse(call, &(struct refusal){
		.operation = "connect",
		.target = target,
		.rule = rule,
		.flag = by_path ? flag : NULL,
		.errnum = errnum,
	});
	return -errnum;
}

/* The address to use for a path, with the socket pinned in *pinned; or -errno, reported where the policy says no. */
static int reach_path(const struct call *call, const struct unix_rules *rules, const struct unix_name *name, int *pinned,
		      struct sockaddr_un *out)
{
	char path[PATH_MAX];

	*pinned = call->kernel->pin(call, AT_FDCWD, name->text, 0);
	if (*pinned < 0)
		return *pinned;
	if (call->kernel->path_of(call, *pinned, path) < 0)
		return refuse(call, name->text, "the socket has no path any more", false, EACCES);
	if (!socket_granted_by(rules->sockets, rules->files, path))
		return refuse(call, path, "no --unix-allow and no write grant covers it", true, EACCES);
	return (int)unix_address_of(*pinned, out);
}

/* 0 when the name belongs to a process of this sandbox (or the user lifted the scope), else -errno. */
static int reach_abstract(const struct call *call, const struct unix_rules *rules, const struct unix_name *name)
{
	char shown[2 * sizeof name->text];

	if (rules->abstract_is_free)
		return 0;
	int rc = call->kernel->owns_abstract(call, name->text, name->len);
	if (rc == 1)
		return 0;
	if (rc < 0)
		return rc;
	unix_name_show(name, shown);
	return refuse(call, shown, "abstract names outside the sandbox are out of its scope", false, EPERM);
}

/*
 * Judges an address and says what to use in its place. `to` is the caller's own copy where that is right, else `made`;
 * the descriptor in *pinned keeps the object until the call is done.
 */
static int judge(const struct call *call, const struct unix_rules *rules, const struct call_arg *address, int *pinned,
		 struct sockaddr_un *made, size_t *len)
{
	struct unix_name name;
	int rc = unix_name_read(address->bytes.data, address->bytes.len, &name);

	if (rc < 0)
		return rc;
	if (name.kind == UNIX_PATH) {
		rc = reach_path(call, rules, &name, pinned, made);
		*len = rc < 0 ? 0 : (size_t)rc;
		return rc < 0 ? rc : 0;
	}
	if (name.kind == UNIX_ABSTRACT)
		rc = reach_abstract(call, rules, &name);
	memcpy(made, address->bytes.data, address->bytes.len);
	*len = address->bytes.len;
	return rc;
}
