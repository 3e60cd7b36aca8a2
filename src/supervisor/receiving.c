/*
 * Connections and messages taken in the place of a caller. Nothing here decides, and nothing waits.
 *
 * accept has no flag that says so: a socket that blocks is O_NONBLOCK for the moment of the call, when somebody is there to
 * be accepted. Another thread that calls accept without asking for an address in these microseconds, and finds nobody, may
 * see EAGAIN. A program that takes the flag away in them stops its own sandbox's supervisor, until sockets_stop frees it.
 */
#include "supervisor/receiving.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "supervisor/notify.h"
#include "supervisor/sockets.h"

/* The descriptors that a task has are the size of the directory since 6.2; before it is 0. */
static bool has_room(const struct call *call)
{
	struct rlimit limit;
	struct stat st;
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/fd", (int)call->tid);
	if (SYS(SYS_prlimit64, call->tid, RLIMIT_NOFILE, 0, &limit) < 0 || SYS(NR_fstatat, AT_FDCWD, path, &st, 0) < 0)
		return true;
	return (rlim_t)st.st_size < limit.rlim_cur;
}

/* Would accept wait? One that is no listener has its error at once. */
static bool would_wait(int sock)
{
	const struct timespec now = { 0 };
	struct pollfd poll = { .fd = sock, .events = POLLIN };
	int listens = 0;
	int size = sizeof listens;

	if (SYS(SYS_getsockopt, sock, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens)
		return false;
	return SYS(SYS_ppoll, &poll, 1, &now, 0, 8) == 0;
}

static int accept_now(const struct call *call, int sock, int flags, void *name, int *size)
{
	const uint64_t how = (unsigned)(flags & SOCK_NONBLOCK) | SOCK_CLOEXEC;
	const uint64_t args[] = { (uintptr_t)name, (uintptr_t)size, how };

	return (int)sockets_stoppable(call, SYS_accept4, sock, args);
}

/* On a socket that blocks, with the lock that guards the flag. */
static int accept_switched(const struct call *call, int sock, int flags, void *name, int *size)
{
	const int on = 1;
	const int off = 0;

	if (would_wait(sock))
		return MUST_WAIT;
	int rc = sys_ioctl(sock, FIONBIO, &on);
	if (rc < 0)
		return rc;
	rc = accept_now(call, sock, flags, name, size);
	sys_ioctl(sock, FIONBIO, &off);
	return rc == -EAGAIN ? MUST_WAIT : rc;
}

int receiving_accept(const struct call *call, int sock, int flags, void *name, size_t *len)
{
	struct supervisor *s = call->supervisor;
	int size = sizeof(struct sockaddr_storage);

	if (!has_room(call))
		return -EMFILE;
	pthread_mutex_lock(&s->switch_lock);
	long mode = SYS(SYS_fcntl, sock, F_GETFL);
	int rc = mode < 0		? (int)mode
		 : mode & O_NONBLOCK	? accept_now(call, sock, flags, name, &size)
					: accept_switched(call, sock, flags, name, &size);
	pthread_mutex_unlock(&s->switch_lock);
	*len = rc < 0 ? 0 : (size_t)size;
	return rc;
}

ssize_t receiving_receive(const struct call *call, int sock, struct incoming *message, int flags)
{
	struct iovec data = { .iov_base = message->data, .iov_len = message->len };
	struct msghdr header = {
		.msg_name = message->name,
		.msg_namelen = (socklen_t)message->name_len,
		.msg_control = message->control,
		.msg_controllen = message->control_len,
		.msg_iov = &data,
		.msg_iovlen = 1,
	};
	long n = SYS(SYS_recvmsg, sock, &header, flags | MSG_DONTWAIT);

	(void)call;
	if (n < 0)
		return n;
	message->name_len = header.msg_namelen;
	message->control_len = header.msg_controllen;
	message->flags = header.msg_flags;
	return n;
}
