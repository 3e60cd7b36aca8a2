/* Sockets of the host that have a path or an abstract name: rows N09 and N10. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "attempt.h"

/* SECRET/socket is a socket that nobody listens on any more: who is told so has come as far as the socket. */
static int reached(long rc)
{
	return rc == -ECONNREFUSED ? 0 : attempt_result(rc);
}

static long by_connect(int fd, const struct sockaddr_un *to, socklen_t len)
{
	return SYS(SYS_connect, fd, to, len);
}

static long by_sendto(int fd, const struct sockaddr_un *to, socklen_t len)
{
	return SYS(SYS_sendto, fd, "x", 1, MSG_NOSIGNAL, to, len);
}

static struct msghdr message_to(const struct sockaddr_un *to, socklen_t len, struct iovec *part)
{
	static const char byte = 'x';

	*part = (struct iovec){ (void *)(uintptr_t)&byte, 1 };
	return (struct msghdr){ .msg_name = (void *)(uintptr_t)to, .msg_namelen = len, .msg_iov = part, .msg_iovlen = 1 };
}

static long by_sendmsg(int fd, const struct sockaddr_un *to, socklen_t len)
{
	struct iovec part;
	struct msghdr m = message_to(to, len, &part);

	return SYS(SYS_sendmsg, fd, &m, MSG_NOSIGNAL);
}

static long by_sendmmsg(int fd, const struct sockaddr_un *to, socklen_t len)
{
	struct iovec part;
	struct mmsghdr one = { .msg_hdr = message_to(to, len, &part) };

	return SYS(SYS_sendmmsg, fd, &one, 1, MSG_NOSIGNAL);
}

static const struct {
	long (*go)(int fd, const struct sockaddr_un *to, socklen_t len);
	int type;
} ways[] = {
	{ by_connect, SOCK_STREAM }, { by_connect, SOCK_SEQPACKET }, { by_connect, SOCK_DGRAM },
	{ by_sendto, SOCK_DGRAM }, { by_sendmsg, SOCK_DGRAM }, { by_sendmmsg, SOCK_DGRAM },
};
enum { STREAM, SEQPACKET, DGRAM, SENDTO, SENDMSG, SENDMMSG };

static int go(const struct probe_args *args, const struct sockaddr_un *to, socklen_t len)
{
	int fd = (int)SYS(SYS_socket, AF_UNIX, ways[args->self->call[0]].type, 0);

	return fd < 0 ? fd : reached(ways[args->self->call[0]].go(fd, to, len));
}

/* --- spellings of the path --- */

static struct path plainly(const struct probe_args *args)
{
	return in_secret(args, "socket");
}

static struct path relatively(const struct probe_args *args)
{
	struct path p = { "" };

	if (chdir(args->secret) == 0)
		snprintf(p.at, sizeof p.at, "socket");
	return p;
}

static struct path by_link(const struct probe_args *args)
{
	struct path link = in_scratch(args, "link");

	if (symlink(in_secret(args, "socket").at, link.at) < 0)
		link.at[0] = '\0';
	return link;
}

static struct path by_descriptor(const struct probe_args *args)
{
	struct path p = { "" };
	int fd = sys_openat(AT_FDCWD, in_secret(args, "socket").at, O_PATH, 0);

	if (fd >= 0)
		snprintf(p.at, sizeof p.at, "/proc/self/fd/%d", fd);
	return p;
}

static struct path by_folder(const struct probe_args *args)
{
	struct path p = { "" };
	int fd = sys_openat(AT_FDCWD, args->secret, O_PATH, 0);

	if (fd >= 0)
		snprintf(p.at, sizeof p.at, "/proc/self/fd/%d/socket", fd);
	return p;
}

static struct path (*const spellings[])(const struct probe_args *args) = {
	plainly, relatively, by_link, by_descriptor, by_folder,
};
enum { PLAIN, RELATIVE, LINK, DESCRIPTOR, FOLDER };

static int by_path(const struct probe_args *args)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct path p = spellings[args->self->call[1]](args);
	size_t len = strlen(p.at);

	if (len == 0 || len >= sizeof to.sun_path)
		return ATTEMPT_UNAVAILABLE;
	memcpy(to.sun_path, p.at, len);
	return go(args, &to, sizeof to);
}

static int by_name(const struct probe_args *args)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int len = snprintf(to.sun_path + 1, sizeof to.sun_path - 1, "sandlock-probe-%d", args->port);

	return go(args, &to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len));
}

#define PATH(way, spelling) .run = by_path, .call = (const long[7]){ (way), (spelling) }
#define NAME(way) .run = by_name, .call = (const long[7]){ (way) }
#define GRANT .policy = "--unix-allow @SCRATCH@"

/* clang-format off */
static const struct probe_case cases[] = {
	{ "N09", "unix-path", "connect to a socket outside by its path", PATH(STREAM, PLAIN) },
	{ "N09", "unix-relative", "the same by a relative path", PATH(STREAM, RELATIVE) },
	{ "N09", "unix-link", "the same through a symbolic link in a write grant", PATH(STREAM, LINK) },
	{ "N09", "unix-descriptor", "the same through /proc/self/fd", PATH(STREAM, DESCRIPTOR) },
	{ "N09", "unix-folder", "the same below a descriptor of the folder", PATH(STREAM, FOLDER) },
	{ "N09", "unix-none", "connect to it where no unix socket is granted", PATH(STREAM, PLAIN), .policy = "--no-unix-write",
	  .flags = PROBE_KERNEL },
	{ "N09", "unix-datagram", "a datagram socket without --unix-allow", PATH(SENDTO, PLAIN) },
	{ "N09", "unix-grant-connect", "connect to it beside another grant", PATH(STREAM, PLAIN), GRANT },
	{ "N09", "unix-grant-dgram", "connect a datagram socket to it", PATH(DGRAM, PLAIN), GRANT },
	{ "N09", "unix-grant-sendto", "sendto it", PATH(SENDTO, PLAIN), GRANT },
	{ "N09", "unix-grant-sendmsg", "sendmsg to it", PATH(SENDMSG, PLAIN), GRANT },
	{ "N09", "unix-grant-sendmmsg", "sendmmsg to it", PATH(SENDMMSG, PLAIN), GRANT },
	{ "N09", "unix-grant-link", "sendmsg to it through a symbolic link", PATH(SENDMSG, LINK), GRANT },
	{ "N09", "unix-grant-descriptor", "sendmmsg to it through /proc/self/fd", PATH(SENDMMSG, DESCRIPTOR), GRANT },
	{ "N10", "abstract-seqpacket", "connect a packet socket to an abstract name outside", NAME(SEQPACKET) },
	{ "N10", "abstract-dgram", "connect a datagram socket to one", NAME(DGRAM), GRANT },
	{ "N10", "abstract-sendto", "sendto one", NAME(SENDTO), GRANT },
	{ "N10", "abstract-sendmsg", "sendmsg to one", NAME(SENDMSG), GRANT },
	{ "N10", "abstract-sendmmsg", "sendmmsg to one", NAME(SENDMMSG), GRANT },
};
/* clang-format on */
PROBE_GROUP(unix_probes, cases);
