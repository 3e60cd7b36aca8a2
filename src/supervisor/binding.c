/*
 * Names of sockets, given and asked for in the place of a caller. Nothing here decides. The thread has the ids and the
 * capabilities of the child, so low ports and directories are the kernel's to judge.
 */
#include "supervisor/binding.h"
#include "supervisor/stuck.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "base/thread.h"
#include "supervisor/domains.h"

#define SOCKADDR_ROOM 28

int binding_bind(const struct call *call, int sock, const void *name, size_t len)
{
	return (int)IN_DOMAIN(call, SYS_bind, sock, (long)name, (long)len);
}

/* Another thread of the caller that sets the option in this moment may lose it, or keep it for the bind. */
int binding_bind_alone(const struct call *call, int sock, const void *name, size_t len)
{
	const int off = 0;
	int on = 0;
	int size = sizeof on;

	if (SYS(SYS_getsockopt, sock, SOL_SOCKET, SO_REUSEADDR, &on, &size) < 0 || !on)
		return binding_bind(call, sock, name, len);
	SYS(SYS_setsockopt, sock, SOL_SOCKET, SO_REUSEADDR, &off, sizeof off);
	int rc = binding_bind(call, sock, name, len);
	SYS(SYS_setsockopt, sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	return rc;
}

static int bind_path(int sock, const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (len > sizeof un.sun_path)
		return -ENAMETOOLONG;
	memcpy(un.sun_path, path, len);         /* one of full length has no end, as the kernel takes it */
	return (int)SYS(SYS_bind, sock, &un, offsetof(struct sockaddr_un, sun_path) + len);
}

/*
 * Where a container refuses unshare: through our link to the directory, with the mode that the socket itself has. Our
 * umask is in force too, so the mode may come out narrower than the caller's, never wider. The name that the socket shows
 * is not the caller's then.
 */
static int bind_through_link(int sock, const struct unix_place *place)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 32];
	long rc = SYS(SYS_fchmod, sock, 0777 & ~place->umask);

	if (rc < 0)
		return (int)rc;
	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", place->parent, place->name);
	return bind_path(sock, path);
}

struct binder {
	int sock;
	int cwd;
	const struct unix_place *place;
	int rc;
};

/* From here on this thread can make sockets below the directory, and nowhere else. */
static int confine_to(int parent)
{
	const struct ll_ruleset_attr attr = { .handled_access_fs = LL_FS_MAKE_SOCK };
	const struct ll_path_beneath_attr rule = { .allowed_access = LL_FS_MAKE_SOCK, .parent_fd = parent };
	AUTO(fd) int ruleset = sys_landlock_create_ruleset(&attr, sizeof attr, 0);
	int rc = ruleset < 0 ? ruleset : sys_landlock_add_rule(ruleset, LL_RULE_PATH_BENEATH, &rule);

	if (rc == 0)
		rc = sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return rc < 0 ? rc : sys_landlock_restrict_self(ruleset, 0);
}

/*
 * The socket shows the name that it was bound by, and programs answer to it. So the caller's own words are used where they
 * mean here what they mean there; that they still lead to the directory that was judged is for Landlock to see.
 */
static int bind_as(const struct binder *b)
{
	const struct unix_place *place = b->place;

	if (SYS(SYS_unshare, CL_FS) < 0)
		return bind_through_link(b->sock, place);
	SYS(SYS_umask, place->umask);
	if (place->path && SYS(SYS_fchdir, b->cwd) == 0 && confine_to(place->parent) == 0)
		return bind_path(b->sock, place->path);
	long rc = SYS(SYS_fchdir, place->parent);
	return rc < 0 ? (int)rc : bind_path(b->sock, place->name);
}

static void *binder_main(void *arg)
{
	struct binder *b = arg;

	b->rc = bind_as(b);
	return NULL;
}

static long start_binder(void *arg)
{
	struct binder *b = arg;
	pthread_t thread;
	int rc = thread_start(&thread, binder_main, b);

	if (rc < 0)
		return rc;
	pthread_join(thread, NULL);
	return b->rc;
}

/* Directory, umask and Landlock domain are those of a thread that does only this. */
int binding_bind_at(const struct call *call, int sock, const struct unix_place *place)
{
	char cwd[32];

	snprintf(cwd, sizeof cwd, "/proc/%d/cwd", (int)call->tid);
	AUTO(fd) int dir = sys_openat(AT_FDCWD, cwd, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	struct binder b = { .sock = sock, .cwd = dir, .place = place };
	return dir < 0 ? dir : (int)MAY_STICK(domains_act(call, start_binder, &b));
}

int binding_name(const struct call *call, int sock, bool peer, void *name, size_t *len)
{
	int size = sizeof(struct sockaddr_storage);
	long rc = SYS(peer ? SYS_getpeername : SYS_getsockname, sock, name, &size);

	(void)call;
	*len = rc < 0 ? 0 : (size_t)size;
	return (int)rc;
}

/* What is sent to an own address has that address as its source. Nothing is sent. */
bool binding_is_local(const struct call *call, const struct addr *a)
{
	_Alignas(8) char name[SOCKADDR_ROOM];
	_Alignas(8) struct sockaddr_storage own;
	struct addr to = *a;
	struct addr from;
	int size = sizeof own;

	(void)call;
	to.port = 9;
	size_t len = addr_to_sockaddr(&to, a->family == ADDR_V6, name);
	AUTO(fd) int fd = (int)SYS(SYS_socket, a->family == ADDR_V6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || SYS(SYS_connect, fd, name, len) < 0 || SYS(SYS_getsockname, fd, &own, &size) < 0)
		return false;
	return addr_from_sockaddr(&own, (size_t)size, &from) == 0 && addr_same_ip(&from, a);
}

/* By trying: a socket that is bound and does not listen takes no connection away. */
bool binding_is_shared(const struct call *call, const struct addr *a)
{
	_Alignas(8) char name[SOCKADDR_ROOM];
	size_t len = addr_to_sockaddr(a, a->family == ADDR_V6, name);
	const int family = a->family == ADDR_V6 ? AF_INET6 : AF_INET;
	const int on = 1;
	AUTO(fd) int fd = (int)SYS(SYS_socket, family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)call;
	return fd >= 0 && SYS(SYS_setsockopt, fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
	       SYS(SYS_bind, fd, name, len) == 0;
}
