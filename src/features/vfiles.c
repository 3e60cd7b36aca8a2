/*
 * Files that the sandbox sees in place of the host's: /etc/hosts and its like, /proc/net, network devices in sysfs. The
 * caller's path is resolved to an object, and what that object is decides, so every spelling, link and descriptor counts.
 *
 * Calls on everything else continue. That is sound: no virtual object has a Landlock right (run/virtual.c), so a program
 * that changes the path in between gets a refusal from the kernel, never the host's content.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/memfile.h"
#include "base/str.h"
#include "base/sys.h"
#include "features/registry.h"
#include "policy/netview.h"

#define NONE (-1)
#define CONTENT_MAX ((size_t)64 << 20)
#define CREAT_FLAGS (O_CREAT | O_WRONLY | O_TRUNC)
/* Flags that leave an existing object as it is. Calls with others are the kernel's: it refuses them. */
#define KNOWN_FLAGS (OPEN_MODES | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC | \
		     O_ASYNC | O_DIRECT | LARGEFILE_BIT | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH)
#if defined(__x86_64__)
#define LARGEFILE_BIT 0100000
#else
#define LARGEFILE_BIT 0400000
#endif

/* What a file says, and the memory file that says it: it stays the same object as long as its content does. */
struct node {
	struct str content;
	int file;
	bool made;
};

struct vfiles {
	const struct virtuals *virtuals;
	const struct grants *grants;
	const struct vfile *content[VIRTUAL_FILES_MAX];
	struct portmap *ports;  /* with --port-remap: tables show the sandbox's own numbers */
	bool explain;           /* --explain looks on after us */
	pthread_mutex_t lock;
	struct node file[VIRTUAL_FILES_MAX];    /* under the lock */
	struct node net[NETVIEW_FILES];
};

/* What was found to be meant. */
enum meant {
	MEANT_OTHER,            /* none of ours: the kernel decides */
	MEANT_FILE,             /* number: of the virtual file */
	MEANT_NET,              /* number: of the file of the network view */
	MEANT_GONE,             /* hidden: there is no such file */
	MEANT_CLOSED,           /* a directory of hidden names: not listed */
	MEANT_READ,             /* granted, but opened by us: it has no Landlock rule. number: not 0 if writing is, too */
};

struct object {
	enum meant meant;
	int number;
	struct located at;
};

/* --- state --- */

static int vfiles_start(const struct feature_env *env, void **state, struct error *err)
{
	struct vfiles *v = mem_alloc(sizeof *v);

	if (!v)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the virtual files");
	v->virtuals = env->virtuals;
	v->grants = env->grants;
	v->explain = env->policy->explain;
	v->ports = env->policy->port_remap ? env->ports : NULL;
	pthread_mutex_init(&v->lock, NULL);
	for (size_t i = 0; i < v->virtuals->files; i++)
		for (size_t k = 0; k < env->vfile_count; k++)
			if (strcmp(env->vfiles[k].path, v->virtuals->file[i].path) == 0)
				v->content[i] = &env->vfiles[k];
	*state = v;
	return 0;
}

static void free_node(struct node *node)
{
	str_fini(&node->content);
	if (node->made)
		fd_close(&node->file);
}

static void vfiles_stop(void *state)
{
	struct vfiles *v = state;

	for (size_t i = 0; i < ARRAY_SIZE(v->file); i++)
		free_node(&v->file[i]);
	for (size_t i = 0; i < ARRAY_SIZE(v->net); i++)
		free_node(&v->net[i]);
	pthread_mutex_destroy(&v->lock);
	mem_free(v);
}

/* --- content --- */

/* A new memory file only when the content is another one than last time; takes the bytes. */
static int refresh_take(struct node *node, const char *name, struct str *now)
{
	if (now->rc < 0)
		return now->rc;
	if (node->made && now->len == node->content.len &&
	    (now->len == 0 || memcmp(now->buf, node->content.buf, now->len) == 0))
		return 0;
	int file = memfile_make(name, now->buf ? now->buf : "", now->len);
	if (file < 0)
		return file;
	free_node(node);
	*node = (struct node){ .content = *now, .file = file, .made = true };
	*now = (struct str)STR(0);
	return 0;
}

static int real_table(const void *call, const char *name, struct str *out)
{
	return ((const struct call *)call)->kernel->read_proc(call, name, out);
}

static int own_sockets(const void *call, uint64_t **inodes, size_t *count)
{
	return ((const struct call *)call)->kernel->tree_sockets(call, inodes, count);
}

/* An own descriptor on what the object says now. */
static int open_content(const struct call *call, struct vfiles *v, const struct object *object, int flags)
{
	bool is_net = object->meant == MEANT_NET;
	struct node *node = is_net ? &v->net[object->number] : &v->file[object->number];
	const char *path = is_net ? netview_name(object->number) : v->virtuals->file[object->number].path;
	const char *slash = strrchr(path, '/');
	AUTO(str) struct str now = STR(CONTENT_MAX);
	int rc;

	if (is_net)
		rc = netview_content(&(struct netview_source){ real_table, own_sockets, call, v->ports }, object->number, &now);
	else if (v->content[object->number])
		rc = v->content[object->number]->content(v->content[object->number]->arg, &now);
	else
		rc = -EACCES;
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&v->lock);
	rc = refresh_take(node, slash ? slash + 1 : path, &now);
	if (rc == 0)
		rc = memfile_open(node->file, flags);
	pthread_mutex_unlock(&v->lock);
	return rc;
}

/* --- recognition --- */

static void mean(struct object *object, enum meant meant, int number)
{
	object->meant = meant;
	object->number = number;
}

/* Files whose bytes depend on who opens them, or that show what only a tracer may see: not opened for others. */
static bool is_sensitive(const char *rest)
{
	static const char *const names[] = { "mem", "pagemap", "stack", "seccomp_cache", "syscall", "kpageflags" };
	const char *name = strncmp(rest, "task/", 5) == 0 ? strchr(rest + 5, '/') : NULL;

	name = name ? name + 1 : rest;
	if (strncmp(name, "attr/", 5) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void look_at_net(const struct vfiles *v, const struct task_place *place, struct object *object)
{
	int index = netview_index(place->net);

	if (!(v->virtuals->kinds & VIRTUAL_NET))
		return;
	if (!place->net[0])
		mean(object, MEANT_CLOSED, 0);
	else if (index >= 0 && v->virtuals->net_names >> index & 1)
		mean(object, MEANT_NET, index);
	else if (index < 0)
		mean(object, MEANT_GONE, 0);
}

/* Numbers of another procfs, mounted elsewhere, may be those of another pid namespace. */
static bool may_read_task(const struct call *call, const struct vfiles *v, const char *path, const struct task_place *place)
{
	return v->virtuals->kinds & VIRTUAL_TASKS && path_is_beneath(path, "/proc") && !is_sensitive(place->rest) &&
	       call->kernel->in_tree(call, place->pid);
}

static void look_at_kernel_file(const struct call *call, const struct vfiles *v, const char *path, struct object *object)
{
	struct task_place place;

	if (object->at.procfs && virtual_task_place(path, &place)) {
		if (place.net)
			look_at_net(v, &place, object);
		else if (may_read_task(call, v, path, &place))
			mean(object, MEANT_READ, 0);
		return;
	}
	if (!(v->virtuals->kinds & (VIRTUAL_SYS | VIRTUAL_TASKS)))
		return;
	enum hidden hidden = virtual_hidden(path);
	if (hidden != HIDDEN_NOT)
		mean(object, hidden == HIDDEN_LIST ? MEANT_CLOSED : MEANT_GONE, 0);
	else if (grants_find(v->grants, path, ACCESS_READ))
		mean(object, MEANT_READ, grants_find(v->grants, path, ACCESS_READ | ACCESS_WRITE) != NULL);
}

/* The path of the name that a directory has not got. */
static int missing_file(const struct call *call, const struct vfiles *v, const struct located *at)
{
	AUTO(str) struct str path = STR(2 * PATH_MAX);
	char dir[PATH_MAX];

	if (at->parent < 0 || call->kernel->path_of(call, at->parent, dir) < 0)
		return -1;
	str_addf(&path, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, at->name);
	return path.rc < 0 ? -1 : virtual_by_path(v->virtuals, path.buf);
}

/* Granted, but not to the kernel: it appeared after the start in a directory that was taken apart. */
static bool is_new(const struct vfiles *v, const char *path)
{
	return grants_find(v->grants, path, ACCESS_READ) && !grants_told(v->grants, path, ACCESS_READ) &&
	       !grants_told(&v->virtuals->entries, path, ACCESS_READ);
}

/*
 * Most opens: what the words alone tell to be none of ours needs no look at the object. Files of names are known by what
 * they are, so where there are some, each object is looked at.
 */
static bool is_plainly_the_kernels(const struct call *call, const struct vfiles *v, const struct where *where)
{
	char path[PATH_MAX];

	return !(v->virtuals->kinds & VIRTUAL_FILES) && where->resolve == 0 &&
	       call->kernel->plain_name(call, where->dirfd, where->path, path) == 0 && !is_new(v, path);
}

static void recognise(const struct call *call, const struct vfiles *v, struct object *object)
{
	const struct file_id id = { object->at.dev, object->at.ino };
	char path[PATH_MAX];
	int number = virtual_by_id(v->virtuals, id);

	if (number >= 0) {
		mean(object, MEANT_FILE, number);
		return;
	}
	if (virtual_is_listed(v->virtuals, id)) {
		mean(object, MEANT_READ, 0);
		return;
	}
	if (S_ISDIR(object->at.mode) && !object->at.procfs && !object->at.sysfs && !v->virtuals->listed_len)
		return;
	/* The host may have put a new file in the place of the one that was there at the start. */
	if (call->kernel->path_of(call, object->at.fd, path) < 0)
		return;
	number = virtual_by_path(v->virtuals, path);
	if (number >= 0)
		mean(object, MEANT_FILE, number);
	else if (object->at.procfs || object->at.sysfs)
		look_at_kernel_file(call, v, path, object);
	else if (v->virtuals->listed_len && is_new(v, path))
		mean(object, MEANT_READ, grants_find(v->grants, path, ACCESS_READ | ACCESS_WRITE) != NULL);
}

static bool some_are_missing(const struct virtuals *v)
{
	for (size_t i = 0; i < v->files; i++)
		if (v->file[i].ids == 0)
			return true;
	return false;
}

/* 0, or -errno when the path leads nowhere: then the call is the kernel's. MUST_WAIT: ask again on a worker. */
static int find(const struct call *call, const struct vfiles *v, struct where *where, struct object *object)
{
	*object = (struct object){ .at = { .fd = -1, .parent = -1 } };
	where->tell_missing = some_are_missing(v->virtuals);
	int rc = call->kernel->locate(call, where, &object->at);

	if (rc == 0) {
		recognise(call, v, object);
	} else if (rc == -ENOENT && object->at.parent >= 0) {
		int number = missing_file(call, v, &object->at);

		if (number >= 0) {
			mean(object, MEANT_FILE, number);
			rc = 0;
		}
	}
	fd_close(&object->at.parent);
	return rc;
}

/* --- answers --- */

static struct verdict pass_on(const struct vfiles *v)
{
	return v->explain ? v_next() : v_continue();
}

static struct verdict refuse(const struct call *call, const struct vfiles *v, const struct object *object, const char *path)
{
	bool is_file = object->meant == MEANT_FILE;

	call->kernel->refuse(call, &(struct refusal){
		.operation = object->meant == MEANT_CLOSED ? "read" : "write",
		.target = is_file ? v->virtuals->file[object->number].path : path,
		.rule = is_file ? "the sandbox has its own" : "only the loopback is visible",
		.errnum = EACCES,
	});
	return v_errno(EACCES);
}

static struct verdict give(int fd, int flags)
{
	return fd < 0 ? v_errno(fd) : v_give_fd(fd, flags & O_CLOEXEC);
}

static struct verdict open_virtual(const struct call *call, struct vfiles *v, const struct object *object, int flags,
				   const char *path)
{
	if (!(flags & O_PATH) && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return v_errno(EEXIST);
	if (flags & O_DIRECTORY)
		return v_errno(ENOTDIR);
	if (!(flags & O_PATH) && ((flags & OPEN_MODES) != O_RDONLY || flags & O_TRUNC))
		return refuse(call, v, object, path);
	int rc = object->at.fd >= 0 && !(flags & O_PATH) ? call->kernel->may_open(call, object->at.fd, flags) : 0;
	if (rc < 0)
		return v_errno(rc);
	/* The kernel hands over no O_PATH descriptor: one for reading can do more, and stands for the same object. */
	return give(open_content(call, v, object, flags), flags);
}

/* Only writing is left to Landlock: it was not withheld from it. */
static struct verdict open_granted(const struct call *call, const struct vfiles *v, const struct object *object, int flags)
{
	bool both = object->number && (flags & OPEN_MODES) == O_RDWR;

	if (flags & (O_PATH | O_EXCL | O_TRUNC) || ((flags & OPEN_MODES) != O_RDONLY && !both))
		return pass_on(v);
	if (!S_ISREG(object->at.mode) && !S_ISDIR(object->at.mode))
		return pass_on(v);
	return give(call->kernel->reopen(call, object->at.fd, flags), flags);
}

/* How one call names its object, and what it wants to do. */
struct form {
	const char *syscall;
	int8_t dirfd;           /* argument numbers, or NONE */
	int8_t path;
	int8_t flags;           /* open flags, or AT_* */
	int8_t out;             /* where the answer goes; access: the mode */
	bool no_follow;         /* whatever the flags say */
};

static const struct form *form_of(const struct form *forms, size_t count, const struct call *call)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(forms[i].syscall, call->info->name) == 0)
			return &forms[i];
	return NULL;
}

static const struct form opens[] = {
	{ "open", NONE, 0, 1, NONE, false },
	{ "creat", NONE, 0, NONE, NONE, false },
	{ "openat", 0, 1, 2, NONE, false },
	{ "openat2", 0, 1, 2, NONE, false },
};

/* Flags and resolve of the call. False where the kernel would refuse them, or may: then it shall. */
static bool open_asks(const struct call *call, const struct form *form, int *flags, uint64_t *resolve)
{
	struct open_how_v0 how = { 0 };

	if (form->flags == NONE)
		how.flags = CREAT_FLAGS;
	else if (strcmp(form->syscall, "openat2") != 0)
		how.flags = (uint32_t)call->raw[form->flags] & (uint32_t)KNOWN_FLAGS;
	else if (call->raw[3] < sizeof how || call->kernel->copy_in(call, &how, call->raw[2], sizeof how) < 0)
		return false;
	*flags = (int)how.flags;
	*resolve = how.resolve;
	return !(how.flags & ~(uint64_t)(uint32_t)KNOWN_FLAGS);
}

static struct verdict on_open(const struct call *call, void *state)
{
	struct vfiles *v = state;
	const struct form *form = form_of(opens, ARRAY_SIZE(opens), call);
	struct object object;
	struct where where;
	uint64_t resolve;
	int flags;

	if (!form || call->arg[form->path].is_null || !open_asks(call, form, &flags, &resolve))
		return pass_on(v);
	where = (struct where){
		.dirfd = form->dirfd == NONE ? AT_FDCWD : call->arg[form->dirfd].fd,
		.path = call->arg[form->path].path,
		.no_follow = (flags & O_NOFOLLOW) != 0 || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL),
		.resolve = resolve,
	};
	if (is_plainly_the_kernels(call, v, &where))
		return pass_on(v);
	int rc = find(call, v, &where, &object);
	if (rc == MUST_WAIT)
		return v_later();
	AUTO(fd) int pinned = take_fd(&object.at.fd);
	if (rc < 0)
		return pass_on(v);
	object.at.fd = pinned;
	switch (object.meant) {
	case MEANT_FILE:
	case MEANT_NET:
		return open_virtual(call, v, &object, flags, where.path);
	case MEANT_GONE:
		return v_errno(ENOENT);
	case MEANT_CLOSED:
		return flags & O_PATH ? pass_on(v) : refuse(call, v, &object, where.path);
	case MEANT_READ:
		return open_granted(call, v, &object, flags);
	case MEANT_OTHER:
		break;
	}
	return pass_on(v);
}

/* --- questions about paths: only where files of names are virtual --- */

static const struct form questions[] = {
	{ "stat", NONE, 0, NONE, 1, false },
	{ "lstat", NONE, 0, NONE, 1, true },
	{ "newfstatat", 0, 1, 3, 2, false },
	{ "statx", 0, 1, 2, 4, false },
	{ "access", NONE, 0, NONE, 1, false },
	{ "faccessat", 0, 1, NONE, 2, false },
	{ "faccessat2", 0, 1, 3, 2, false },
	{ "readlink", NONE, 0, NONE, 1, true },
	{ "readlinkat", 0, 1, NONE, 2, true },
	{ "truncate", NONE, 0, NONE, NONE, false },
};

static struct verdict answer_stat(const struct call *call, int fd, uint64_t out)
{
	struct stat st;
	int rc = (int)SYS(SYS_fstat, fd, &st);

	return rc < 0 ? v_errno(rc) : v_result(call->kernel->copy_out(call, out, &st, sizeof st));
}

static struct verdict answer_statx(const struct call *call, int fd, uint64_t out)
{
	struct statx stx;
	int rc = (int)SYS(SYS_statx, fd, "", AT_EMPTY_PATH | ((int)call->raw[2] & AT_STATX_SYNC_TYPE), (unsigned)call->raw[3], &stx);

	return rc < 0 ? v_errno(rc) : v_result(call->kernel->copy_out(call, out, &stx, sizeof stx));
}

static struct verdict answer_access(uint64_t mode)
{
	if (mode & ~(uint64_t)(R_OK | W_OK | X_OK))
		return v_errno(EINVAL);
	return mode & (W_OK | X_OK) ? v_errno(EACCES) : v_result(0);
}

static struct verdict answer(const struct call *call, struct vfiles *v, const struct form *form,
			     const struct object *object)
{
	const char *name = form->syscall;

	if (strncmp(name, "readlink", 8) == 0)
		return v_errno(EINVAL);
	if (strcmp(name, "truncate") == 0)
		return refuse(call, v, object, "");
	if (strstr(name, "access"))
		return answer_access((uint32_t)call->raw[form->out]);
	AUTO(fd) int fd = open_content(call, v, object, O_RDONLY);
	if (fd < 0)
		return v_errno(fd);
	return strcmp(name, "statx") == 0 ? answer_statx(call, fd, call->raw[form->out])
					  : answer_stat(call, fd, call->raw[form->out]);
}

static struct verdict on_question(const struct call *call, void *state)
{
	struct vfiles *v = state;
	const struct form *form = form_of(questions, ARRAY_SIZE(questions), call);
	struct object object;

	if (!form)
		return v_errno(ENOSYS);
	bool explained = v->explain && strcmp(form->syscall, "truncate") == 0;
	if (call->arg[form->path].is_null)
		return explained ? v_next() : v_continue();
	int flags = form->flags == NONE ? 0 : (int)call->raw[form->flags];
	struct where where = {
		.dirfd = form->dirfd == NONE ? AT_FDCWD : call->arg[form->dirfd].fd,
		.path = call->arg[form->path].path,
		.no_follow = form->no_follow || flags & AT_SYMLINK_NOFOLLOW,
	};
	int rc = find(call, v, &where, &object);
	if (rc == MUST_WAIT)
		return v_later();
	fd_close(&object.at.fd);
	if (rc < 0 || object.meant != MEANT_FILE)
		return explained ? v_next() : v_continue();
	return answer(call, v, form, &object);
}

/* --- the feature --- */

static bool vfiles_wanted(const struct policy *p)
{
	return p->virtual_kinds != 0 && !p->no_supervisor;
}

/* What is hidden of procfs and sysfs is refused where it is opened; to ask about its names is free under every policy. */
static bool questions_wanted(const struct policy *p)
{
	return p->virtual_kinds & VIRTUAL_FILES;
}

/* Why these may continue: see the head of this file. */
#define LOOKS (H_TRIES | H_MAY_CONTINUE)
#define QUESTION(call) { .syscall = (call), .on_call = on_question, .flags = LOOKS, .when = questions_wanted }

/* Questions about a descriptor need no answer of ours: what was handed out says the same. */
#define PATH_QUESTION(call, flags_arg)                                                                                \
	{ .syscall = (call), .on_call = on_question, .flags = LOOKS, .when = questions_wanted, .conditional = true, \
	  .test_arg = (flags_arg), .test_op = ARG_MASK_EQ, .test_mask = AT_EMPTY_PATH, .test_value = 0 },             \
	{ .syscall = (call), .on_call = on_question, .flags = LOOKS, .when = questions_wanted, .conditional = true, \
	  .test_arg = 0, .test_op = ARG_EQ, .test_value = (uint32_t)AT_FDCWD }

/* Landlock judges opens for writing alone, unless a right to write reaches what is hidden from it. */
static bool writes_wanted(const struct policy *p)
{
	return p->virtual_kinds & (VIRTUAL_FILES | VIRTUAL_WRITES);
}

static bool writes_unwanted(const struct policy *p)
{
	return !writes_wanted(p);
}

#define OPEN(call, flags_arg)                                                                              \
	{ .syscall = (call), .on_call = on_open, .flags = LOOKS, .when = writes_wanted },                  \
	{ .syscall = (call), .on_call = on_open, .flags = LOOKS, .when = writes_unwanted, .conditional = true, \
	  .test_arg = (flags_arg), .test_op = ARG_MASK_NE, .test_mask = OPEN_MODES, .test_value = O_WRONLY }

static const struct handler vfiles_handlers[] = {
	OPEN("open", 1),
	OPEN("openat", 2),
	{ "openat2", on_open, LOOKS },
	{ .syscall = "creat", .on_call = on_open, .flags = LOOKS, .when = writes_wanted },
	QUESTION("stat"),
	QUESTION("lstat"),
	PATH_QUESTION("newfstatat", 3),
	PATH_QUESTION("statx", 2),
	QUESTION("access"),
	QUESTION("faccessat"),
	PATH_QUESTION("faccessat2", 3),
	QUESTION("readlink"),
	QUESTION("readlinkat"),
	QUESTION("truncate"),
};

const struct feature feature_vfiles = {
	.name = "vfiles", .wanted = vfiles_wanted, .start = vfiles_start, .stop = vfiles_stop,
	HANDLERS(vfiles_handlers),
};
