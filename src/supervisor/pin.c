/*
 * Pinning for a caller: what its path or descriptor names becomes an O_PATH descriptor of ours, walked from its
 * directory. /proc/self means the reader, so the caller's spelling of itself is translated first; other magic links
 * are refused, since they would lead to our own descriptors.
 */
#include "supervisor/pin.h"
#include "supervisor/stuck.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"

/* "/proc/TID<tail>" as an own descriptor of what that magic link leads to. */
static int open_link(pid_t tid, const char *tail, int flags)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d%s", (int)tid, tail);
	return MAY_STICK(sys_openat(AT_FDCWD, path, O_PATH | O_CLOEXEC | flags, 0));
}

int pin_caller_fd(pid_t tid, int fd)
{
	char tail[24];

	if (fd < 0)
		return -EBADF;
	snprintf(tail, sizeof tail, "/fd/%d", fd);
	int pinned = open_link(tid, tail, 0);
	return pinned == -ENOENT ? -EBADF : pinned;
}

static int open_base(pid_t tid, int dirfd)
{
	if (dirfd == AT_FDCWD)
		return open_link(tid, "/cwd", O_DIRECTORY);

	int fd = pin_caller_fd(tid, dirfd);
	struct stat st;
	if (fd >= 0 && MAY_STICK(SYS(SYS_fstat, fd, &st)) == 0 && !S_ISDIR(st.st_mode)) {
		fd_close(&fd);
		return -ENOTDIR;
	}
	return fd;
}

/* The caller's own spellings of its descriptors: the number N of "/proc/self/fd/N", "/dev/fd/N", "/dev/stdout" and so
 * on, or -1. */
static int own_descriptor(pid_t tid, const char *path)
{
	char own[32];
	const char *const prefixes[] = { "/proc/self/fd/", "/proc/thread-self/fd/", "/dev/fd/", own };
	static const char *const names[] = { "/dev/stdin", "/dev/stdout", "/dev/stderr" };
	uint64_t n;

	snprintf(own, sizeof own, "/proc/%d/fd/", (int)tid);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(path, names[i]) == 0)
			return (int)i;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (strncmp(path, prefixes[i], len) == 0 && view_u64(view_of(path + len), INT_MAX, &n) == 0)
			return (int)n;
	}
	return -1;
}

/* "/proc/self/x" in the caller's words is "/proc/TID/x" in ours. */
static int translate(pid_t tid, const char *path, char *out, size_t size)
{
	static const char *const prefixes[] = { "/proc/self", "/proc/thread-self" };
	int n = -1;

	for (size_t i = 0; i < ARRAY_SIZE(prefixes) && n < 0; i++) {
		size_t len = strlen(prefixes[i]);

		if (strncmp(path, prefixes[i], len) == 0 && (path[len] == '/' || path[len] == '\0'))
			n = snprintf(out, size, "/proc/%d%s", (int)tid, path + len);
	}
	if (n < 0)
		n = snprintf(out, size, "%s", path);
	return (size_t)n < size ? 0 : -ENAMETOOLONG;
}

static int walk(int base, const char *path, int flags)
{
	const struct open_how_v0 how = {
		.flags = (uint64_t)(unsigned)(O_PATH | O_CLOEXEC | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0)),
		.resolve = RES_NO_MAGICLINKS,
	};
	int fd = MAY_STICK(sys_openat2(base, path, &how));

	/* Refused by an outer filter: without the flag a magic link leads to a descriptor of ours, whose path is then
	 * judged like any other. */
	if (fd == -ENOSYS || fd == -EPERM)
		fd = MAY_STICK(sys_openat(base, path, (int)how.flags, 0));
	return fd;      /* a magic link is ELOOP, like a loop */
}

int pin_caller_path(pid_t tid, int dirfd, const char *path, int flags)
{
	char own[PATH_MAX];

	if (path[0] == '\0') {
		if (!(flags & AT_EMPTY_PATH))
			return -ENOENT;
		return dirfd == AT_FDCWD ? open_link(tid, "/cwd", O_DIRECTORY) : pin_caller_fd(tid, dirfd);
	}
	if (path[0] == '/') {
		int fd = flags & AT_SYMLINK_NOFOLLOW ? -1 : own_descriptor(tid, path);
		if (fd >= 0)
			return pin_caller_fd(tid, fd);
		int rc = translate(tid, path, own, sizeof own);
		return rc < 0 ? rc : walk(AT_FDCWD, own, flags);
	}

	AUTO(fd) int base = open_base(tid, dirfd);
	if (base < 0)
		return base;
	return walk(base, path, flags);
}
