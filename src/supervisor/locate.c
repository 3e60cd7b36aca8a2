/*
 * What a caller's path leads to, without opening it. The kernel walks it in one call where it can. Where the walk meets
 * what means the reader (/proc/self, magic links), it is repeated step by step in the caller's place.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sys.h"
#include "supervisor/files.h"
#include "supervisor/onbehalf.h"
#include "supervisor/pin.h"
#include "supervisor/stuck.h"

#define RES_CACHED 0x20         /* RESOLVE_CACHED, of 5.12 */
#define PROC_MAGIC 0x9fa0
#define SYSFS_MAGIC 0x62656572
#define LINKS_MAX 40            /* as the kernel counts */
#define WALK (O_PATH | O_CLOEXEC)
#define NAME_BYTES 255

/* --- what an object is --- */

/* Procfs and sysfs have no block device: others need not be asked for their kind. */
static void name_filesystem(int fd, struct located *out)
{
	struct statfs fs;

	out->procfs = out->sysfs = false;
	if ((out->dev >> 8 & 0xfff) != 0 || MAY_STICK(SYS(SYS_fstatfs, fd, &fs)) < 0)
		return;
	out->procfs = fs.f_type == PROC_MAGIC;
	out->sysfs = fs.f_type == SYSFS_MAGIC;
}

static int describe(int fd, struct located *out)
{
	struct stat st;
	int rc = (int)MAY_STICK(SYS(SYS_fstat, fd, &st));

	if (rc < 0)
		return rc;
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	out->mode = st.st_mode;
	name_filesystem(fd, out);
	return 0;
}

/*
 * The process, or thread, that the pinned object of procfs is about; 0: none. `here`: numbers of another procfs, mounted
 * elsewhere, may be those of another pid namespace, and do not count.
 */
static pid_t task_of(int fd, bool here)
{
	char link[32], path[64] = "";
	struct task_place place;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = sys_readlinkat(AT_FDCWD, link, path, sizeof path - 1);
	if (n < 0 || (here && strncmp(path, "/proc/", 6) != 0))
		return 0;
	path[n] = '\0';
	return virtual_task_place(path, &place) ? place.pid : 0;
}

/* Does it belong to the process that this thread is of? Then a link that means the reader was read by us. */
static bool is_our_own(int fd)
{
	return task_of(fd, false) == (pid_t)SYS(SYS_getpid);
}

/* --- step by step --- */

struct walk {
	const struct call *call;
	int at;                 /* O_PATH on the directory that we are in; owned */
	unsigned links;
	char rest[2 * PATH_MAX];        /* what is still to be walked */
};

/* The length of the next component, which begins at *name; *tail is what follows it. */
static size_t next_name(const struct walk *w, const char **name, const char **tail)
{
	*name = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(*name, "/");

	*tail = *name + len;
	return len;
}

/* The text of a link takes the place of its name. */
static int put_text(struct walk *w, const char *text, const char *tail)
{
	char joined[2 * PATH_MAX];
	int n = snprintf(joined, sizeof joined, "%s%s", text, tail);

	if (n < 0 || (size_t)n >= sizeof joined)
		return -ENAMETOOLONG;
	memcpy(w->rest, joined, (size_t)n + 1);
	if (text[0] != '/')
		return 0;
	int root = sys_openat(AT_FDCWD, "/", WALK | O_DIRECTORY, 0);
	if (root < 0)
		return root;
	fd_close(&w->at);
	w->at = root;
	return 0;
}

/* Magic links do not lead where their text says: only the kernel can follow them. */
static bool is_magic(const struct walk *w, const char *name)
{
	const struct open_how_v0 how = { .flags = WALK, .resolve = RES_NO_MAGICLINKS };
	AUTO(fd) int fd = MAY_STICK(sys_openat2(w->at, name, &how));

	return fd == -ELOOP || fd == -ENOSYS || fd == -EPERM;
}

/* "self" and "thread-self" at the root of procfs mean the reader: the caller. */
static bool means_reader(const struct walk *w, const char *name, char *text, size_t size)
{
	struct stat st;
	pid_t group;

	if (strcmp(name, "self") != 0 && strcmp(name, "thread-self") != 0)
		return false;
	if (SYS(SYS_fstat, w->at, &st) < 0 || st.st_ino != 1)   /* PROC_ROOT_INO */
		return false;
	group = onbehalf_process(w->call->tid);
	if (name[0] == 's')
		snprintf(text, size, "%d", (int)group);
	else
		snprintf(text, size, "%d/task/%d", (int)group, (int)w->call->tid);
	return true;
}

/* Landlock lets nobody follow the links of a process outside, which may lead into another mount namespace. */
static bool may_follow(const struct walk *w)
{
	pid_t task = task_of(w->at, true);

	return task && (task == onbehalf_process(w->call->tid) || files_in_tree(w->call, task));
}

/* Follows the link `name`, pinned as *next. 1: *next is now what it leads to; 0: its text was put before the rest. */
static int follow(struct walk *w, const char *name, const char *tail, int *next)
{
	struct located kind = { .dev = 0 };
	char text[PATH_MAX];

	if (++w->links > LINKS_MAX)
		return -ELOOP;
	name_filesystem(*next, &kind);
	if (kind.procfs && means_reader(w, name, text, sizeof text))
		return put_text(w, text, tail);
	if (kind.procfs && is_magic(w, name)) {
		if (!may_follow(w))
			return -EACCES;
		fd_close(next);
		*next = MAY_STICK(sys_openat(w->at, name, WALK, 0));
		return *next < 0 ? *next : 1;
	}
	ssize_t n = MAY_STICK(sys_readlinkat(*next, "", text, sizeof text - 1));
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	return n == 0 ? -ENOENT : put_text(w, text, tail);
}

/* One component. 1: the walk is over and *found is the object; 0: go on; -ENOENT leaves the missing name in `out`. */
static int step(struct walk *w, const struct where *where, int *found, struct located *out)
{
	const char *start, *tail;
	size_t len = next_name(w, &start, &tail);
	bool last = tail[strspn(tail, "/")] == '\0';
	char name[NAME_BYTES + 1];

	if (len == 0) {
		*found = take_fd(&w->at);
		return 1;
	}
	if (len > NAME_BYTES)
		return -ENAMETOOLONG;
	memcpy(name, start, len);
	name[len] = '\0';
	AUTO(fd) int next = MAY_STICK(sys_openat(w->at, name, WALK | O_NOFOLLOW, 0));
	if (next == -ENOENT && last && where->tell_missing) {
		memcpy(out->name, name, len + 1);
		out->parent = take_fd(&w->at);
	}
	struct located is;
	int rc = next < 0 ? next : describe(next, &is);
	if (rc < 0)
		return rc;
	if (S_ISLNK(is.mode) && !(last && where->no_follow && !*tail)) {
		rc = follow(w, name, tail, &next);
		if (rc <= 0)
			return rc;
	}
	if (last && !*tail) {
		*found = take_fd(&next);
		return 1;
	}
	memmove(w->rest, tail, strlen(tail) + 1);
	fd_close(&w->at);
	w->at = take_fd(&next);
	return 0;
}

static int open_start(pid_t tid, const struct where *where)
{
	char link[32];

	if (where->path[0] == '/' && !(where->resolve & RES_IN_ROOT))
		return sys_openat(AT_FDCWD, "/", WALK | O_DIRECTORY, 0);
	if (where->dirfd != AT_FDCWD)
		return pin_caller_fd(tid, where->dirfd);
	snprintf(link, sizeof link, "/proc/%d/cwd", (int)tid);
	return sys_openat(AT_FDCWD, link, WALK | O_DIRECTORY, 0);
}

static int walk_slowly(const struct call *call, const struct where *where, struct located *out)
{
	struct walk w = { .call = call };
	size_t len = strlen(where->path);
	int rc = 0;

	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(w.rest, where->path, len + 1);
	w.at = open_start(call->tid, where);
	if (w.at < 0)
		return w.at;
	while (rc == 0)
		rc = step(&w, where, &out->fd, out);
	fd_close(&w.at);
	return rc < 0 ? rc : 0;
}

/* --- in one call --- */

static bool begins_at_reader(const char *path)
{
	return strncmp(path, "/proc/self", 10) == 0 || strncmp(path, "/proc/thread-self", 17) == 0 ||
	       strncmp(path, "/dev/fd/", 8) == 0;
}

static int walk_at_once(const struct call *call, const struct where *where)
{
	const struct open_how_v0 how = {
		.flags = (uint64_t)(unsigned)(WALK | (where->no_follow ? O_NOFOLLOW : 0)),
		.resolve = (where->resolve & ~(uint64_t)RES_CACHED) | RES_NO_MAGICLINKS | (call->may_wait ? 0 : RES_CACHED),
	};
	bool absolute = where->path[0] == '/' && !(where->resolve & (RES_IN_ROOT | RES_BENEATH));
	AUTO(fd) int base = absolute ? -1 : open_start(call->tid, where);

	if (!absolute && base < 0)
		return base;
	return MAY_STICK(sys_openat2(absolute ? AT_FDCWD : base, where->path, &how));
}

int files_locate(const struct call *call, const struct where *where, struct located *out)
{
	bool own_walk = where->resolve == 0;

	*out = (struct located){ .fd = -1, .parent = -1 };
	if (where->path[0] == '\0')
		return -ENOENT;
	int rc = own_walk && begins_at_reader(where->path) ? -ELOOP : walk_at_once(call, where);
	if (rc >= 0) {
		out->fd = rc;
		rc = describe(out->fd, out);
		if (rc == 0 && (!out->procfs || !is_our_own(out->fd)))
			return 0;
		fd_close(&out->fd);
		rc = rc < 0 ? rc : -ELOOP;
	}
	if (!call->may_wait && (rc == -EAGAIN || rc == -EINVAL))        /* RESOLVE_CACHED is of 5.12 */
		return MUST_WAIT;
	bool again = rc == -ELOOP || rc == -ENOSYS || rc == -EPERM || (rc == -ENOENT && where->tell_missing);
	if (!again || !own_walk)
		return rc;
	if (!call->may_wait)
		return MUST_WAIT;
	rc = walk_slowly(call, where, out);
	if (rc == 0)
		rc = describe(out->fd, out);
	if (rc < 0)
		fd_close(&out->fd);
	return rc;
}

/* --- by its words alone --- */

/* The path from the root in `out`: what it begins at is named by the kernel. */
static int spell_out(pid_t tid, int dirfd, const char *path, char *out)
{
	char link[40];
	ssize_t len = 0;

	while (path[0] == '.' && path[1] == '/' && path[2] != '/')      /* ".//a" is no "/a" */
		path += 2;
	if (path[0] != '/') {
		snprintf(link, sizeof link, dirfd == AT_FDCWD ? "/proc/%d/cwd" : "/proc/%d/fd/%d", (int)tid, dirfd);
		len = sys_readlinkat(AT_FDCWD, link, out, PATH_MAX - 1);
		if (len < 0)
			return (int)len;
		len -= len == 1;        /* the root */
	}
	int n = snprintf(out + len, PATH_MAX - (size_t)len, "%s%s", path[0] == '/' ? "" : "/", path);

	return n < 0 || n >= PATH_MAX - (int)len ? -ENAMETOOLONG : 0;
}

/* Wrong only if the caller's directory moves just now. */
int files_plain_name(const struct call *call, int dirfd, const char *path, char *out)
{
	static const struct open_how_v0 how = { .flags = WALK, .resolve = RES_NO_SYMLINKS | RES_CACHED };
	int rc = spell_out(call->tid, dirfd, path, out);
	struct statfs fs;

	if (rc < 0)
		return rc;
	if (!path_is_clean(out))
		return -EINVAL;
	AUTO(fd) int fd = sys_openat2(AT_FDCWD, out, &how);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	rc = (int)SYS(SYS_fstatfs, fd, &fs);
	return rc == 0 && (fs.f_type == PROC_MAGIC || fs.f_type == SYSFS_MAGIC) ? -EXDEV : rc;
}
