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
#include "features/registry.h"
#include "policy/hint.h"

#define NAME_BYTES 255          /* XATTR_NAME_MAX of linux/limits.h */
#define VALUE_BYTES 65536       /* XATTR_SIZE_MAX */

enum operation {
	CHANGE_MODE,            /* value: mode */
	CHANGE_OWNER,           /* value: uid, then gid */
	CHANGE_TIMES,           /* value: two times, or NULL for now */
	SET_XATTR,              /* value: name, bytes, length, flags */
	REMOVE_XATTR,           /* value: name */
	SET_FLAGS,              /* value: a pointer; the request number is the argument before */
	OPERATION_MAX
};

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
	bool null_is_fd;        /* a NULL path means dirfd itself */
	enum operation operation;
};

/* clang-format off */
static const struct form forms[] = {
	/* call           fd    dirfd path  value flags  implied null   operation    */
	{ "chmod",        NONE, NONE, 0,    1,    NONE,  0,      false, CHANGE_MODE  },
	{ "fchmod",       0,    NONE, NONE, 1,    NONE,  0,      false, CHANGE_MODE  },
	{ "fchmodat",     NONE, 0,    1,    2,    NONE,  0,      false, CHANGE_MODE  },
	{ "fchmodat2",    NONE, 0,    1,    2,    3,     0,      false, CHANGE_MODE  },
	{ "chown",        NONE, NONE, 0,    1,    NONE,  0,      false, CHANGE_OWNER },
	{ "lchown",       NONE, NONE, 0,    1,    NONE,  LINK,   false, CHANGE_OWNER },
	{ "fchown",       0,    NONE, NONE, 1,    NONE,  0,      false, CHANGE_OWNER },
	{ "fchownat",     NONE, 0,    1,    2,    4,     0,      false, CHANGE_OWNER },
	{ "utime",        NONE, NONE, 0,    1,    NONE,  0,      false, CHANGE_TIMES },
	{ "utimes",       NONE, NONE, 0,    1,    NONE,  0,      false, CHANGE_TIMES },
	{ "futimesat",    NONE, 0,    1,    2,    NONE,  0,      true,  CHANGE_TIMES },
	{ "utimensat",    NONE, 0,    1,    2,    3,     0,      true,  CHANGE_TIMES },
	{ "setxattr",     NONE, NONE, 0,    1,    NONE,  0,      false, SET_XATTR    },
	{ "lsetxattr",    NONE, NONE, 0,    1,    NONE,  LINK,   false, SET_XATTR    },
	{ "fsetxattr",    0,    NONE, NONE, 1,    NONE,  0,      false, SET_XATTR    },
	{ "removexattr",  NONE, NONE, 0,    1,    NONE,  0,      false, REMOVE_XATTR },
	{ "lremovexattr", NONE, NONE, 0,    1,    NONE,  LINK,   false, REMOVE_XATTR },
	{ "fremovexattr", 0,    NONE, NONE, 1,    NONE,  0,      false, REMOVE_XATTR },
	{ "ioctl",        0,    NONE, NONE, 2,    NONE,  0,      false, SET_FLAGS    },
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

static int check_xattr(const struct call *call, const struct form *form)
{
	const struct call_arg *value = &call->arg[form->value + 1];
	uint64_t len = call->raw[form->value + 2];
	int flags = (int)call->raw[form->value + 3];

	if (flags & ~3)         /* XATTR_CREATE, XATTR_REPLACE */
		return -EINVAL;
	int rc = check_name(&call->arg[form->value]);
	if (rc < 0)
		return rc;
	if (len > VALUE_BYTES)
		return -E2BIG;
	return value->is_null && len ? -EFAULT : 0;
}

static int check_value(const struct call *call, const struct form *form)
{
	if (form->operation == CHANGE_TIMES)
		return check_times(call, form);
	if (form->operation == SET_XATTR)
		return check_xattr(call, form);
	if (form->operation == REMOVE_XATTR)
		return check_name(&call->arg[form->value]);
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
	const char *path = call->arg[form->path].path;

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
	if (call->arg[form->path].is_null) {
		if (!form->null_is_fd || dirfd == AT_FDCWD)
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
		hint_add(&flag, "-w", path);
		hint_add_rule(&rule, m->grants, path);
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

static int act(const struct call *call, const struct form *form, int pinned)
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
		return call->kernel->setxattr(call, pinned, arg[0].path, arg[1].is_null ? NULL : arg[1].bytes.data,
					      (size_t)raw[2], (int)raw[3]);
	case REMOVE_XATTR:
		return call->kernel->removexattr(call, pinned, arg->path);
	case SET_FLAGS:
		return set_flags(call, pinned, arg);
	case OPERATION_MAX:
		break;
	}
	return -ENOSYS;
}

static struct verdict on_metadata(const struct call *call, void *state)
{
	const struct form *form = form_of(call);
	struct object object;

	if (!form)
		return v_errno(ENOSYS);
	if (has_nothing_to_do(call, form))
		return v_result(0);
	int rc = check_value(call, form);
	if (rc == 0)
		rc = pin_object(call, form, &object);
	if (rc < 0)
		return v_errno(rc);

	AUTO(fd) int pinned = object.pinned;
	struct verdict refused = judge(call, state, &object);
	return refused.kind == V_NEXT ? v_result(act(call, form, pinned)) : refused;
}

/*
 * The newer calls take structures that no role describes, and nothing depends on them yet: programs fall back to the
 * older calls above when the kernel does not have them.
 */
static struct verdict on_newer(const struct call *call, void *state)
{
	(void)call;
	(void)state;
	return v_errno(ENOSYS);
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
	{ "setxattrat", on_newer, H_NO_DECODE },
	{ "removexattrat", on_newer, H_NO_DECODE },
	{ "file_setattr", on_newer, H_NO_DECODE },
};

const struct feature feature_metadata = {
	.name = "metadata", .wanted = metadata_wanted, .start = metadata_start, .stop = mem_free,
	HANDLERS(metadata_handlers),
};
