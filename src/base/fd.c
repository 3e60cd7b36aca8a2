/* Owning, passing, moving and closing descriptors. A descriptor field that holds none is -1. */
#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/mem.h"
#include "base/sys.h"

void fd_close(int *fd)
{
	if (*fd >= 0)
		sys_close(*fd);   /* EINTR closes too on Linux: never again */
	*fd = -1;
}

void auto_fd(int *fd)
{
	fd_close(fd);
}

bool fd_is_hosts(int fd)
{
	struct rlimit limit = { 0 };

	return SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit) == 0 && (rlim_t)fd >= limit.rlim_cur / 2;
}

/* From the place `at` of the file; -1: from where the descriptor stands. */
static ssize_t read_all(int fd, void *buf, size_t len, int64_t at)
{
	size_t got = 0;

	while (got < len) {
		char *to = (char *)buf + got;
		ssize_t n = at < 0 ? sys_read(fd, to, len - got) :
				     SYS(SYS_pread64, fd, to, len - got, at + (int64_t)got);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

ssize_t fd_read_all(int fd, void *buf, size_t len)
{
	return read_all(fd, buf, len, -1);
}

ssize_t fd_read_at(int fd, void *buf, size_t len, uint64_t at)
{
	return at > INT64_MAX - len ? 0 : read_all(fd, buf, len, (int64_t)at);
}

int fd_write_all(int fd, const void *buf, size_t len)
{
	size_t put = 0;

	while (put < len) {
		ssize_t n = sys_write(fd, (const char *)buf + put, len - put);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		put += (size_t)n;
	}
	return 0;
}

int fd_slurp(int fd, size_t max, char **out, size_t *len)
{
	AUTO(free) char *buf = NULL;
	size_t cap = 0;
	size_t got = 0;

	for (;;) {
		int rc = mem_grow(&buf, &cap, got + 4096 + 1, 1);
		if (rc < 0)
			return rc;

		ssize_t n = fd_read_all(fd, buf + got, cap - got - 1);
		if (n < 0)
			return (int)n;
		got += (size_t)n;
		if (got > max)
			return -EFBIG;
		if (got < cap - 1)
			break;
	}
	buf[got] = '\0';
	*len = got;
	*out = TAKE(buf);
	return 0;
}

int fd_send(int sock, const void *data, size_t len, int fd)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { .buf = { 0 } };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof control.buf;
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}

	long n;
	do {
		n = SYS(SYS_sendmsg, sock, &msg, MSG_NOSIGNAL);
	} while (n == -EINTR);
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EMSGSIZE;
}

ssize_t fd_recv(int sock, void *data, size_t len, int *fd, int flags)
{
	struct iovec iov = { .iov_base = data, .iov_len = len };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf, .msg_controllen = sizeof control.buf,
	};
	long n;

	do {
		n = SYS(SYS_recvmsg, sock, &msg, MSG_CMSG_CLOEXEC | flags);
	} while (n == -EINTR);

	int got = -1;
	struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&got, CMSG_DATA(c), sizeof got);
	if (fd)
		*fd = got;
	else
		fd_close(&got);
	return n;
}
