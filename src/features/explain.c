/*
 * Looks on at path and address calls and predicts what Landlock will refuse, for the report. It never answers: each call
 * continues and Landlock decides, on what it finds then. A program that races it can make the report wrong, no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "base/str.h"
#include "features/registry.h"
#include "policy/hint.h"
#include "policy/nethint.h"
#include "policy/ports.h"

enum subject {
	OPENS,                  /* an existing object, as the open flags say; or a new one in its parent */
	EXECUTES,
	WRITES,                 /* an existing object */
	CREATES,                /* a name in a directory that has not got it yet */
	REMOVES,                /* a name that is there */
	REPLACES,               /* a name, there or not */
};

#define NONE (-1)
#define CREAT_FLAGS (O_CREAT | O_WRONLY | O_TRUNC)

/* One path argument of a call; a call with two has two rows. */
struct sight {
	const char *syscall;
	int8_t dirfd;           /* argument numbers */
	int8_t path;
	int8_t flags;           /* OPENS: open flags, or NONE for CREAT_FLAGS; EXECUTES: AT_* */
	enum subject subject;
};

/* clang-format off */
static const struct sight sights[] = {
	{ "open",       NONE, 0, 1,    OPENS    },
	{ "creat",      NONE, 0, NONE, OPENS    },
	{ "openat",     0,    1, 2,    OPENS    },
	{ "openat2",    0,    1, 2,    OPENS    },
	{ "execve",     NONE, 0, NONE, EXECUTES },
	{ "execveat",   0,    1, 4,    EXECUTES },
	{ "truncate",   NONE, 0, NONE, WRITES   },
	{ "mkdir",      NONE, 0, NONE, CREATES  },
	{ "mkdirat",    0,    1, NONE, CREATES  },
	{ "mknod",      NONE, 0, NONE, CREATES  },
	{ "mknodat",    0,    1, NONE, CREATES  },
	{ "symlink",    NONE, 1, NONE, CREATES  },
	{ "symlinkat",  1,    2, NONE, CREATES  },
	{ "link",       NONE, 1, NONE, CREATES  },
	{ "linkat",     2,    3, NONE, CREATES  },
	{ "unlink",     NONE, 0, NONE, REMOVES  },
	{ "rmdir",      NONE, 0, NONE, REMOVES  },
	{ "unlinkat",   0,    1, NONE, REMOVES  },
	{ "rename",     NONE, 0, NONE, REMOVES  },
	{ "rename",     NONE, 1, NONE, REPLACES },
	{ "renameat",   0,    1, NONE, REMOVES  },
	{ "renameat",   2,    3, NONE, REPLACES },
	{ "renameat2",  0,    1, NONE, REMOVES  },
	{ "renameat2",  2,    3, NONE, REPLACES },
};
/* clang-format on */

struct explain {
	const struct policy *policy;
	const struct grants *grants;
};

/* What is looked at: the call, who may what, and where the path starts. */
struct look {
	const struct call *call;
	const struct explain *explain;
	int dirfd;
	const char *path;
};

static int explain_start(const struct feature_env *env, void **state, struct error *err)
{
	struct explain *e = mem_alloc(sizeof *e);

	if (!e)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for --explain");
	e->policy = env->policy;
	e->grants = env->grants;
	*state = e;
	return 0;
}

/* /proc/self of the first process is granted by its number, which is not known here: say nothing rather than wrong. */
static bool is_own_proc(const struct grants *grants, const char *path)
{
	return grants->own_proc && strncmp(path, "/proc/", 6) == 0 && path[6] >= '0' && path[6] <= '9';
}

static void record(const struct look *l, unsigned right, const char *target, const struct str *rule, const struct str *flag)
{
	l->call->kernel->refuse(l->call, &(struct refusal){
		.operation = hint_verb_of(right),
		.target = target,
		.rule = rule->rc == 0 ? rule->buf : "no grant covers it",
		.flag = flag->rc == 0 ? flag->buf : NULL,
		.errnum = EACCES,
	});
}

/* Records each right of `access` that the grants do not give on `grantee`; `target` is what the program asked for. */
static void compare(const struct look *l, const char *grantee, const char *target, unsigned access)
{
	static const unsigned rights[] = { ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC };
	const struct grants *grants = l->explain->grants;

	if (is_own_proc(grants, grantee))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
		if (!(access & rights[i]) || grants_find(grants, grantee, rights[i]))
			continue;
		AUTO(str) struct str rule = STR(2 * PATH_MAX);
		AUTO(str) struct str flag = STR(5 * PATH_MAX);
		hint_add_rule(&rule, grants, grantee);
		hint_add_preset(&rule, l->explain->policy, grantee, rights[i]);
		hint_add_grant(grants, grantee, rights[i], &rule, &flag);
		record(l, rights[i], target, &rule, &flag);
	}
}

/* A name that the program makes or removes in `folder`. */
static void compare_name(const struct look *l, const char *folder, const char *name, const char *maker)
{
	AUTO(str) struct str rule = STR(4 * PATH_MAX);
	AUTO(str) struct str flag = STR(5 * PATH_MAX);
	const struct explain *e = l->explain;
	const struct hint_new n = { .policy = e->policy, .grants = e->grants, .folder = folder, .path = name, .maker = maker };

	if (grants_find(e->grants, folder, ACCESS_WRITE))
		return;
	if (hint_add_new(&n, &rule, &flag))
		record(l, ACCESS_WRITE, name, &rule, &flag);
	else
		compare(l, folder, name, ACCESS_WRITE);
}

/* Whether the path names something; its real path in `out` then. Objects without a path are nobody's matter. */
static bool resolve(const struct look *l, int dirfd, const char *path, int flags, char *out)
{
	AUTO(fd) int pinned = l->call->kernel->pin(l->call, dirfd, path, flags);

	return pinned >= 0 && l->call->kernel->path_of(l->call, pinned, out) == 0;
}

static bool exists(const struct look *l)
{
	AUTO(fd) int pinned = l->call->kernel->pin(l->call, l->dirfd, l->path, AT_SYMLINK_NOFOLLOW);

	return pinned >= 0;
}

/* Cuts the last name off a copy of the path; false where it has none that could be made or removed. */
static bool split(const char *path, char *parent, const char **name)
{
	size_t len = strnlen(path, PATH_MAX);

	if (len == PATH_MAX)
		return false;
	memcpy(parent, path, len + 1);
	while (len > 1 && parent[len - 1] == '/')
		parent[--len] = '\0';
	char *slash = memrchr(parent, '/', len);
	*name = path + (slash ? slash + 1 - parent : 0);
	const char *last = slash ? slash + 1 : parent;
	if (!*last || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return false;
	if (!slash)
		memcpy(parent, ".", 2);
	else
		slash[slash == parent ? 1 : 0] = '\0';
	return true;
}

/* Making or removing a name needs write on the directory that holds it. `maker` makes it beforehand, so that it can be
 * granted instead; NULL: that would not do. */
static void look_at_parent(const struct look *l, const char *maker)
{
	AUTO(str) struct str target = STR(2 * PATH_MAX);
	char parent[PATH_MAX];
	char real[PATH_MAX];
	const char *name;

	if (!split(l->path, parent, &name) || !resolve(l, l->dirfd, parent, 0, real))
		return;
	str_addf(&target, "%s/%.*s", strcmp(real, "/") == 0 ? "" : real, (int)strcspn(name, "/"), name);
	compare_name(l, real, target.rc == 0 ? target.buf : real, maker);
}

static unsigned access_of_open(uint64_t flags)
{
	static const unsigned by_mode[] = { ACCESS_READ, ACCESS_WRITE, ACCESS_READ | ACCESS_WRITE, 0 };

	if (flags & O_PATH)
		return 0;
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return ACCESS_WRITE;
	return by_mode[flags & OPEN_MODES] | (flags & O_TRUNC ? ACCESS_WRITE : 0);
}

static void look_at_open(const struct look *l, uint64_t flags)
{
	char real[PATH_MAX];

	if (resolve(l, l->dirfd, l->path, flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0, real)) {
		if (!(flags & O_CREAT && flags & O_EXCL))
			compare(l, real, real, access_of_open(flags));
	} else if (flags & O_CREAT && !exists(l)) {
		look_at_parent(l, flags & O_EXCL ? NULL : "touch");
	}
}

static void look_at_object(const struct look *l, unsigned access, int flags)
{
	char real[PATH_MAX];

	if (resolve(l, l->dirfd, l->path, flags, real))
		compare(l, real, real, access);
}

static uint64_t open_flags(const struct call *call, const struct sight *s)
{
	uint64_t how = 0;

	if (s->flags == NONE)
		return CREAT_FLAGS;
	if (strcmp(s->syscall, "openat2") != 0)
		return call->raw[s->flags];
	return call->kernel->copy_in(call, &how, call->raw[s->flags], sizeof how) < 0 ? O_PATH : how;
}

static void look_at(const struct look *l, const struct sight *s)
{
	switch (s->subject) {
	case OPENS:
		look_at_open(l, open_flags(l->call, s));
		break;
	case EXECUTES:
		look_at_object(l, ACCESS_EXEC, s->flags == NONE ? 0 : (int)l->call->raw[s->flags]);
		break;
	case WRITES:
		look_at_object(l, ACCESS_WRITE, 0);
		break;
	case CREATES:
		if (!exists(l))         /* else it is EEXIST, whatever is granted */
			look_at_parent(l, strncmp(s->syscall, "mkdir", 5) == 0 ? "mkdir -p" : NULL);
		break;
	case REMOVES:
		if (exists(l))
			look_at_parent(l, NULL);
		break;
	case REPLACES:
		look_at_parent(l, NULL);
		break;
	}
}

static struct verdict on_path(const struct call *call, void *state)
{
	for (size_t i = 0; i < ARRAY_SIZE(sights); i++) {
		const struct sight *s = &sights[i];

		if (strcmp(s->syscall, call->info->name) != 0 || call->arg[s->path].is_null)
			continue;
		const struct look l = {
			.call = call,
			.explain = state,
			.dirfd = s->dirfd == NONE ? AT_FDCWD : call->arg[s->dirfd].fd,
			.path = call->arg[s->path].path,
		};
		look_at(&l, s);
	}
	return v_continue();
}

/* --- ports --- */

/* The internet address of a call, as the kernel takes it. */
static bool address_of(const struct call_arg *arg, struct addr *out)
{
	return !arg->is_null && addr_from_sockaddr(arg->bytes.data, arg->bytes.len, out) == 0;
}

static bool is_judged(const struct explain *e, const struct ports *allowed, unsigned port)
{
	return e->policy->strictness[PROTECT_NET_TCP] != DISABLED && !ports_has(allowed, port);
}

/* Landlock refuses it when the call goes on. */
static struct verdict tell(const struct call *call, const char *operation, const struct str *target, const char *rule,
			   const struct str *flag)
{
	call->kernel->refuse(call, &(struct refusal){
		.operation = operation,
		.target = target->rc == 0 ? target->buf : "a TCP port",
		.rule = rule,
		.flag = flag->rc == 0 ? flag->buf : NULL,
		.errnum = EACCES,
	});
	return v_continue();
}

/* Where addresses are judged, net.c does it and tells; here it is Landlock, which knows only ports. */
static struct verdict on_connect(const struct call *call, void *state)
{
	const struct explain *e = state;
	struct nethint hint = { .proto = NET_TCP, .policy = e->policy };
	AUTO(str) struct str target = STR(512);
	AUTO(str) struct str flag = STR(512);

	if (!address_of(&call->arg[1], &hint.to) || !is_judged(e, &e->policy->connect_ports, hint.to.port))
		return v_continue();
	nethint_add_target(&target, &hint);
	nethint_add_flag(&flag, &hint);
	return tell(call, "connect", &target, "no --net-allow rule covers it", &flag);
}

static struct verdict on_bind(const struct call *call, void *state)
{
	const struct explain *e = state;
	AUTO(str) struct str target = STR(32);
	AUTO(str) struct str flag = STR(64);
	struct addr a;

	if (!address_of(&call->arg[1], &a) || !is_judged(e, &e->policy->bind_ports, a.port) ||
	    (a.port == 0 && policy_lets_clients_bind(e->policy)))
		return v_continue();
	str_addf(&target, "TCP port %u", a.port);
	str_addf(&flag, "--net-allow-bind %u", a.port);
	return tell(call, "bind", &target, "no --net-allow-bind rule names this port", &flag);
}

static bool explain_wanted(const struct policy *p)
{
	return p->explain && !p->no_supervisor;
}

/* Why these may continue: nothing is decided here. Landlock, in the kernel, decides on what the call really touches. */
#define LOOKS_ON (H_BLOCKS | H_MAY_CONTINUE)

static const struct handler explain_handlers[] = {
	{ "open", on_path, LOOKS_ON },
	{ "creat", on_path, LOOKS_ON },
	{ "openat", on_path, LOOKS_ON },
	{ "openat2", on_path, LOOKS_ON },
	{ "execve", on_path, LOOKS_ON },
	{ "execveat", on_path, LOOKS_ON },
	{ "truncate", on_path, LOOKS_ON },
	{ "mkdir", on_path, LOOKS_ON },
	{ "mkdirat", on_path, LOOKS_ON },
	{ "mknod", on_path, LOOKS_ON },
	{ "mknodat", on_path, LOOKS_ON },
	{ "symlink", on_path, LOOKS_ON },
	{ "symlinkat", on_path, LOOKS_ON },
	{ "link", on_path, LOOKS_ON },
	{ "linkat", on_path, LOOKS_ON },
	{ "unlink", on_path, LOOKS_ON },
	{ "rmdir", on_path, LOOKS_ON },
	{ "unlinkat", on_path, LOOKS_ON },
	{ "rename", on_path, LOOKS_ON },
	{ "renameat", on_path, LOOKS_ON },
	{ "renameat2", on_path, LOOKS_ON },
	{ "connect", on_connect, LOOKS_ON },
	{ "bind", on_bind, LOOKS_ON },
};

const struct feature feature_explain = {
	.name = "explain", .wanted = explain_wanted, .start = explain_start, .stop = mem_free,
	HANDLERS(explain_handlers),
};
