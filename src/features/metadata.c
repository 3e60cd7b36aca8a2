/*
 * Modes, owners, times and attributes: Landlock does not see who changes them, so these calls are judged here against
 * the write grants and performed on the object that was judged, with the copied arguments. Nothing is continued.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"
#include "features/registry.h"
#include "policy/hint.h"

#define NAME_BYTES 255          /* XATTR_NAME_MAX of linux/limits.h */
#define VALUE_BYTES 65536       /* XATTR_SIZE_MAX */
#define STRUCT_BYTES 4096       /* the kernel takes at most a page of what may grow */

enum operation {
	CHANGE_MODE,            /* value: mode */
	CHANGE_OWNER,           /* value: uid, then gid */
	CHANGE_TIMES,           /* value: two times, or NULL for now */
	SET_XATTR,              /* value: name, bytes, length, flags */
	SET_XATTR_AT,           /* value: name, a pointer to struct xattr_args, its size */
	REMOVE_XATTR,           /* value: name */
	SET_FLAGS,              /* value: a pointer; the request number is the argument before */
	SET_ATTR,               /* value: a pointer to struct file_attr, its size */
	OPERATION_MAX
};

enum null_path { NULL_FAULTS, NULL_IS_FD, NULL_IS_EMPTY /* under AT_EMPTY_PATH */ };

#define NONE (-1)
#define LINK AT_SYMLINK_NOFOLLOW
#define AT_ALL (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)

/* How one call names its object: by `fd`, or by `path` (relative to `dirfd` or the current directory). */
struct form {
	const char *syscall;
	int8_t fd;              /* argument numbers; NONE: it has no such argument */
	int8_t dirfd;
	int8_t path;
	int8_t value;           /* where what to set begins */
	int8_t flags;           /* of AT_ALL, others are EINVAL */
	int fixed;              /* flags that the call implies */
	enum null_path null;
	enum operation operation;
};

/* clang-format off */
static const struct form forms[] = {
	/* call           fd    dirfd path  value flags  implied null           operation   */
	{ "chmod",        NONE, NONE, 0,    1,    NONE,  0,      NULL_FAULTS,   CHANGE_MODE  },
	{ "fchmod",       0,    NONE, NONE, 1,    NONE,  0,      NULL_FAULTS,   CHANGE_MODE  },
	{ "fchmodat",     NONE, 0,    1,    2,    NONE,  0,      NULL_FAULTS,   CHANGE_MODE  },
	{ "fchmodat2",    NONE, 0,    1,    2,    3,     0,      NULL_FAULTS,   CHANGE_MODE  },
	{ "chown",        NONE, NONE, 0,    1,    NONE,  0,      NULL_FAULTS,   CHANGE_OWNER },
	{ "lchown",       NONE, NONE, 0,    1,    NONE,  LINK,   NULL_FAULTS,   CHANGE_OWNER },
	{ "fchown",       0,    NONE, NONE, 1,    NONE,  0,      NULL_FAULTS,   CHANGE_OWNER },
	{ "fchownat",     NONE, 0,    1,    2,    4,     0,      NULL_FAULTS,   CHANGE_OWNER },
	{ "utime",        NONE, NONE, 0,    1,    NONE,  0,      NULL_FAULTS,   CHANGE_TIMES },
	{ "utimes",       NONE, NONE, 0,    1,    NONE,  0,      NULL_FAULTS,   CHANGE_TIMES },
	{ "futimesat",    NONE, 0,    1,    2,    NONE,  0,      NULL_IS_FD,    CHANGE_TIMES },
	{ "utimensat",    NONE, 0,    1,    2,    3,     0,      NULL_IS_FD,    CHANGE_TIMES },
	{ "setxattr",     NONE, NONE, 0,    1,    NONE,  0,      NULL_FAULTS,   SET_XATTR    },
	{ "lsetxattr",    NONE, NONE, 0,    1,    NONE,  LINK,   NULL_FAULTS,   SET_XATTR    },
	{ "fsetxattr",    0,    NONE, NONE, 1,    NONE,  0,      NULL_FAULTS,   SET_XATTR    },
	{ "removexattr",  NONE, NONE, 0,    1,    NONE,  0,      NULL_FAULTS,   REMOVE_XATTR },
	{ "lremovexattr", NONE, NONE, 0,    1,    NONE,  LINK,   NULL_FAULTS,   REMOVE_XATTR },
	{ "fremovexattr", 0,    NONE, NONE, 1,    NONE,  0,      NULL_FAULTS,   REMOVE_XATTR },
	{ "setxattrat",   NONE, 0,    1,    3,    2,     0,      NULL_IS_EMPTY, SET_XATTR_AT },
	{ "removexattrat", NONE, 0,   1,    3,    2,     0,      NULL_IS_EMPTY, REMOVE_XATTR },
	{ "file_setattr", NONE, 0,    1,    2,    4,     0,      NULL_IS_EMPTY, SET_ATTR     },
	{ "ioctl",        0,    NONE, NONE, 2,    NONE,  0,      NULL_FAULTS,   SET_FLAGS    },
};
/* clang-format on */

/* The ioctls that change attributes, and how many bytes the kernel reads for each: not what their numbers say. */
static const struct {
	uint32_t request;
	size_t size;
} flag_requests[] = {
	{ 0x40086602, 4 },      /* FS_IOC_SETFLAGS */
	{ 0x40046602, 4 },      /* FS_IOC32_SETFLAGS */
	{ 0x401c5820, 28 },     /* FS_IOC_FSSETXATTR: struct fsxattr */
};

/* What is to be set, where it is not in the decoded arguments as it stands. */
struct change {
	const char *name;
	const void *value;
	size_t len;
	int flags;
	char *owned;            /* the value, when it was copied here */
	struct file_attr_v0 attr;
};

struct metadata {
	const struct grants *grants;
};

/* The object of one call, pinned. */
struct object {
	int pinned;
	int fd;                 /* the caller's descriptor that names it, or -1 */
};

static int metadata_start(const struct feature_env *env, void **state, struct error *err)
{
	struct metadata *m = mem_alloc(sizeof *m);

	if (!m)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the metadata check");
	m->grants = env->grants;
	*state = m;
	return 0;
}

static const struct form *form_of(const struct call *call)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if (strcmp(forms[i].syscall, call->info->name) == 0)
			return &forms[i];
	return NULL;
}

/* --- the arguments, checked as the kernel checks them before it looks at the object --- */

static bool time_is_valid(const struct timespec *t)
{
	return t->tv_nsec == UTIME_NOW || t->tv_nsec == UTIME_OMIT || (t->tv_nsec >= 0 && t->tv_nsec <= 999999999);
}

static int check_times(const struct call *call, const struct form *form)
{
	const struct call_arg *arg = &call->arg[form->value];

	if (arg->is_null)
		return 0;
	return time_is_valid(&arg->times[0]) && time_is_valid(&arg->times[1]) ? 0 : -EINVAL;
}

static int check_name(const struct call_arg *name)
{
	if (name->is_null)
		return -EFAULT;
	return name->path[0] == '\0' || strlen(name->path) > NAME_BYTES ? -ERANGE : 0;
}

static int check_xattr(const struct change *c, const struct call_arg *name)
{
	if (c->flags & ~3)      /* XATTR_CREATE, XATTR_REPLACE */
		return -EINVAL;
	int rc = check_name(name);
	if (rc < 0)
		return rc;
	return c->len > VALUE_BYTES ? -E2BIG : 0;
}

static int read_xattr(const struct call *call, const struct form *form, struct change *c)
{
	const struct call_arg *arg = &call->arg[form->value];
	const uint64_t *raw = &call->raw[form->value];

	c->len = raw[2];
	c->flags = (int)raw[3];
	int rc = check_xattr(c, arg);
	if (rc < 0)
		return rc;
	c->name = arg->path;
	c->value = arg[1].is_null ? NULL : arg[1].bytes.data;
	return !c->value && c->len ? -EFAULT : 0;
}

/*
 * A structure that may grow, taken as the kernel takes it: too short is EINVAL, and what is longer than we know must be
 * zero there, or somebody wants what we cannot judge. Copied once, all of it, and only the copy is looked at.
 */
static int read_struct(const struct call *call, int arg, void *out, size_t known)
{
	char copy[STRUCT_BYTES];
	uint64_t size = call->raw[arg + 1];

	if (size > sizeof copy)
		return -E2BIG;
	if (size < known)
		return -EINVAL;
	int rc = call->kernel->copy_in(call, copy, call->raw[arg], (size_t)size);
	if (rc < 0)
		return rc;
	for (size_t i = known; i < size; i++)
		if (copy[i])
			return -E2BIG;
	memcpy(out, copy, known);
	return 0;
}

static int read_xattr_at(const struct call *call, const struct form *form, struct change *c)
{
	const struct call_arg *name = &call->arg[form->value];
	struct xattr_args_v0 args;
	int rc = read_struct(call, form->value + 1, &args, sizeof args);

	if (rc < 0)
		return rc;
	c->len = args.size;
	c->flags = (int)args.flags;
	rc = check_xattr(c, name);
	if (rc < 0)
		return rc;
	c->name = name->path;
	if (c->len == 0)
		return 0;
	c->owned = mem_alloc(c->len);
	if (!c->owned)
		return -ENOMEM;
	c->value = c->owned;
	return call->kernel->copy_in(call, c->owned, args.value, c->len);
}

static int read_change(const struct call *call, const struct form *form, struct change *c)
{
	switch (form->operation) {
	case CHANGE_TIMES:
		return check_times(call, form);
	case SET_XATTR:
		return read_xattr(call, form, c);
	case SET_XATTR_AT:
		return read_xattr_at(call, form, c);
	case REMOVE_XATTR:
		return check_name(&call->arg[form->value]);
	case SET_ATTR:
		return read_struct(call, form->value, &c->attr, sizeof c->attr);
	case CHANGE_MODE:
	case CHANGE_OWNER:
	case SET_FLAGS:
	case OPERATION_MAX:
		break;
	}
	return 0;
}

/* utimensat with nothing to do succeeds without a look at the path. */
static bool has_nothing_to_do(const struct call *call, const struct form *form)
{
	const struct call_arg *arg = form->operation == CHANGE_TIMES ? &call->arg[form->value] : NULL;

	return arg && !arg->is_null && arg->times[0].tv_nsec == UTIME_OMIT && arg->times[1].tv_nsec == UTIME_OMIT;
}

/* --- the object --- */

static int pin_descriptor(const struct call *call, int fd, struct object *out)
{
	out->fd = fd;
	out->pinned = call->kernel->pin_fd(call, fd);
	return out->pinned < 0 ? out->pinned : 0;
}

static int pin_path(const struct call *call, const struct form *form, int dirfd, int flags, struct object *out)
{
	const char *path = call->arg[form->path].is_null ? "" : call->arg[form->path].path;

	if (path[0] == '\0' && !(flags & AT_EMPTY_PATH))
		return -ENOENT;
	if (path[0] == '\0' && dirfd != AT_FDCWD)
		out->fd = dirfd;
	out->pinned = call->kernel->pin(call, dirfd, path, flags);
	return out->pinned < 0 ? out->pinned : 0;
}

static int pin_object(const struct call *call, const struct form *form, struct object *out)
{
	int flags = form->flags == NONE ? form->fixed : (int)call->raw[form->flags];
	int dirfd = form->dirfd == NONE ? AT_FDCWD : call->arg[form->dirfd].fd;

	*out = (struct object){ .pinned = -1, .fd = -1 };
	if (form->fd != NONE)
		return pin_descriptor(call, call->arg[form->fd].fd, out);
	if (call->arg[form->path].is_null && !(form->null == NULL_IS_EMPTY && flags & AT_EMPTY_PATH)) {
		if (form->null != NULL_IS_FD || dirfd == AT_FDCWD)
			return flags & ~AT_ALL ? -EINVAL : -EFAULT;
		return flags ? -EINVAL : pin_descriptor(call, dirfd, out);
	}
	if (flags & ~AT_ALL)
		return -EINVAL;
	return pin_path(call, form, dirfd, flags, out);
}

/* --- the decision --- */

static struct verdict refuse(const struct call *call, const struct metadata *m, const char *path, bool has_path)
{
	AUTO(str) struct str flag = STR(2 * PATH_MAX);
	AUTO(str) struct str rule = STR(2 * PATH_MAX);

	if (has_path) {
		hint_add_rule(&rule, m->grants, path);
		hint_add_grant(m->grants, path, ACCESS_WRITE, &rule, &flag);
	} else {
		str_add(&rule, "a deleted file that the program has not open for writing");
	}
	call->kernel->refuse(call, &(struct refusal){
		.operation = "metadata",
		.target = path,
		.rule = rule.rc == 0 ? rule.buf : "no write grant covers it",
		.flag = has_path && flag.rc == 0 ? flag.buf : NULL,
		.errnum = EACCES,
	});
	return v_errno(EACCES);
}

/*
 * V_NEXT: go on. Pipes, sockets and memory files have no path and no one outside knows them. A deleted file has lost
 * its path: who has it open for writing was allowed to write to it.
 */
static struct verdict judge(const struct call *call, const struct metadata *m, const struct object *object)
{
	char path[PATH_MAX];
	int rc = call->kernel->path_of(call, object->pinned, path);

	if (rc == -EINVAL)
		return v_next();
	if (rc == -ENOENT) {
		if (object->fd >= 0 && call->kernel->fd_is_writable(call, object->fd))
			return v_next();
		return refuse(call, m, "(deleted)", false);
	}
	if (rc < 0)
		return v_errno(rc);
	if (grants_find(m->grants, path, ACCESS_WRITE))
		return v_next();
	return refuse(call, m, path, true);
}

/* --- the act --- */

static int set_flags(const struct call *call, int pinned, const struct call_arg *value)
{
	uint32_t request = (uint32_t)call->raw[1];
	char data[32];

	for (size_t i = 0; i < ARRAY_SIZE(flag_requests); i++) {
		if (flag_requests[i].request != request)
			continue;
		int rc = call->kernel->copy_in(call, data, (uint64_t)value->num, flag_requests[i].size);
		return rc < 0 ? rc : call->kernel->fsflags(call, pinned, request, data);
	}
	return -ENOTTY;
}

static int act(const struct call *call, const struct form *form, const struct change *c, int pinned)
{
	const struct call_arg *arg = &call->arg[form->value];
	const uint64_t *raw = &call->raw[form->value];

	switch (form->operation) {
	case CHANGE_MODE:
		return call->kernel->chmod(call, pinned, (mode_t)raw[0] & 07777);
	case CHANGE_OWNER:
		return call->kernel->chown(call, pinned, (uid_t)raw[0], (gid_t)raw[1]);
	case CHANGE_TIMES:
		return call->kernel->utimens(call, pinned, arg->is_null ? NULL : arg->times);
	case SET_XATTR:
	case SET_XATTR_AT:
		return call->kernel->setxattr(call, pinned, c->name, c->value, c->len, c->flags);
	case REMOVE_XATTR:
		return call->kernel->removexattr(call, pinned, arg->path);
	case SET_FLAGS:
		return set_flags(call, pinned, arg);
	case SET_ATTR:
		return call->kernel->file_setattr(call, pinned, &c->attr);
	case OPERATION_MAX:
		break;
	}
	return -ENOSYS;
}

static struct verdict judge_and_act(const struct call *call, void *state, const struct form *form, struct change *c)
{
	struct object object;
	int rc = read_change(call, form, c);

	if (rc == 0)
		rc = pin_object(call, form, &object);
	if (rc < 0)
		return v_errno(rc);

	AUTO(fd) int pinned = object.pinned;
	struct verdict refused = judge(call, state, &object);
	return refused.kind == V_NEXT ? v_result(act(call, form, c, pinned)) : refused;
}

static struct verdict on_metadata(const struct call *call, void *state)
{
	const struct form *form = form_of(call);
	struct change change = { 0 };

	if (!form)
		return v_errno(ENOSYS);
	if (has_nothing_to_do(call, form))
		return v_result(0);
	struct verdict v = judge_and_act(call, state, form, &change);
	mem_free(change.owned);
	return v;
}

static bool metadata_wanted(const struct policy *p)
{
	return !p->no_supervisor;
}

#define FLAG_REQUEST(number) \
	{ "ioctl", on_metadata, H_BLOCKS, .conditional = true, .test_arg = 1, .test_op = ARG_EQ, .test_value = (number) }

/* All of them may wait for a disk. */
static const struct handler metadata_handlers[] = {
	{ "chmod", on_metadata, H_BLOCKS },
	{ "fchmod", on_metadata, H_BLOCKS },
	{ "fchmodat", on_metadata, H_BLOCKS },
	{ "fchmodat2", on_metadata, H_BLOCKS },
	{ "chown", on_metadata, H_BLOCKS },
	{ "lchown", on_metadata, H_BLOCKS },
	{ "fchown", on_metadata, H_BLOCKS },
	{ "fchownat", on_metadata, H_BLOCKS },
	{ "utime", on_metadata, H_BLOCKS },
	{ "utimes", on_metadata, H_BLOCKS },
	{ "futimesat", on_metadata, H_BLOCKS },
	{ "utimensat", on_metadata, H_BLOCKS },
	{ "setxattr", on_metadata, H_BLOCKS },
	{ "lsetxattr", on_metadata, H_BLOCKS },
	{ "fsetxattr", on_metadata, H_BLOCKS },
	{ "removexattr", on_metadata, H_BLOCKS },
	{ "lremovexattr", on_metadata, H_BLOCKS },
	{ "fremovexattr", on_metadata, H_BLOCKS },
	FLAG_REQUEST(0x40086602),
	FLAG_REQUEST(0x40046602),
	FLAG_REQUEST(0x401c5820),
	{ "setxattrat", on_metadata, H_BLOCKS },
	{ "removexattrat", on_metadata, H_BLOCKS },
	{ "file_setattr", on_metadata, H_BLOCKS },
};

const struct feature feature_metadata = {
	.name = "metadata", .wanted = metadata_wanted, .start = metadata_start, .stop = mem_free,
	HANDLERS(metadata_handlers),
};
