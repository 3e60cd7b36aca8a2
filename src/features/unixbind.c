/*
 * bind(2) of a unix socket in the place of the caller, where bind is trapped for internet sockets' sake: nobody can see
 * before the call which kind of socket it will find. The supervisor is not below the child's Landlock domain, so it asks
 * for what Landlock would: a write grant on the directory, which is pinned before and bound in after.
 *
 * A name without a path (abstract, or chosen by the kernel) is the socket's own: whether it can be reached depends on
 * who made the socket, which is the child, not on who gave it its name.
 */
#include "features/unixbind.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define NAME_AT offsetof(struct sockaddr_un, sun_path)
#define NAME_MAX_HERE sizeof(((struct sockaddr_un *)0)->sun_path)

/* A path as directory and last name; slashes behind the name stay with it. */
struct place {
	char path[NAME_MAX_HERE + 1];
	char parent[NAME_MAX_HERE + 1];
	char name[NAME_MAX_HERE + 1];
};

/* False for "/" and its like, which are there already. */
static bool split(const char *path, size_t len, struct place *out)
{
	size_t end = len;

	while (end > 0 && path[end - 1] == '/')
		end--;
	if (end == 0)
		return false;
	size_t start = end;
	while (start > 0 && path[start - 1] != '/')
		start--;
	memset(out, 0, sizeof *out);
	memcpy(out->path, path, len);
	memcpy(out->name, path + start, len - start);
	if (start == 0)
		out->parent[0] = '.';
	else
		memcpy(out->parent, path, start);
	return true;
}

/* The caller's umask, in octal after "Umask:"; -EIO when the kernel does not say. */
static int caller_umask(const struct call *call)
{
	static const char key[] = "\nUmask:\t";
	AUTO(str) struct str status = STR(64 << 10);
	int rc = call->kernel->read_proc(call, "status", &status);
	const char *at = rc == 0 && status.len ? strstr(status.buf, key) : NULL;
	int mask = 0;

	if (!at)
		return rc < 0 ? rc : -EIO;
	for (at += sizeof key - 1; *at >= '0' && *at <= '7'; at++)
		mask = mask << 3 | (*at - '0');
	return mask & 0777;
}

static struct verdict refuse(const struct call *call, const char *dir, const char *name)
{
	AUTO(str) struct str target = STR(2 * PATH_MAX);
	AUTO(str) struct str flag = STR(2 * PATH_MAX);

	str_addf(&target, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);
	str_addf(&flag, "-w %s", dir);
	call->kernel->refuse(call, &(struct refusal){
		.operation = "bind",
		.target = target.rc == 0 ? target.buf : dir,
		.rule = "no write grant covers the directory",
		.flag = flag.rc == 0 ? flag.buf : NULL,
		.errnum = EACCES,
	});
	return v_errno(EACCES);
}

/* Words that mean the caller's own process are not used by another. */
static bool is_personal(const char *path)
{
	return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/dev/fd/", 8) == 0;
}

static struct verdict bind_path(const struct call *call, const struct grants *grants, int sock, const struct place *place)
{
	struct located at = { .fd = -1, .parent = -1 };
	char dir[PATH_MAX];
	int rc = call->kernel->locate(call, &(struct where){ .dirfd = AT_FDCWD, .path = place->parent }, &at);

	if (rc < 0)
		return v_result(rc);
	AUTO(fd) int parent = at.fd;
	rc = call->kernel->path_of(call, parent, dir);
	if (rc < 0)
		return v_errno(rc);
	if (!grants_find(grants, dir, ACCESS_WRITE))
		return refuse(call, dir, place->name);
	int mask = caller_umask(call);
	if (mask < 0)
		return v_errno(mask);
	return v_result(call->kernel->bind_at(call, sock, &(struct unix_place){
		.parent = parent,
		.name = place->name,
		.path = is_personal(place->path) ? NULL : place->path,
		.umask = (mode_t)mask,
	}));
}

struct verdict unixbind(const struct call *call, const struct grants *grants, int sock)
{
	const char *name = call->arg[1].bytes.data;
	size_t len = call->arg[1].bytes.len;
	struct place place;
	uint16_t family = AF_UNSPEC;

	if (len >= sizeof family)
		memcpy(&family, name, sizeof family);
	/* What is no path, and what the kernel refuses without looking at it. */
	if (len <= NAME_AT || len > sizeof(struct sockaddr_un) || family != AF_UNIX || name[NAME_AT] == '\0')
		return v_result(call->kernel->bind(call, sock, name, len));
	size_t path_len = strnlen(name + NAME_AT, len - NAME_AT);
	if (!split(name + NAME_AT, path_len, &place))
		return v_errno(EADDRINUSE);
	return bind_path(call, grants, sock, &place);
}
