/*
 * Calls of the network with odd arguments, one line each with what came of them: the same with and without a sandbox that
 * allows the port.
 *
 *     netodd PORT        of 127.0.0.1 and ::1, TCP and UDP
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const unsigned lens[] = {
	0, 1, 2, 7, 8, 15, 16, 17, 23, 24, 27, 28, 110, 127, 128, 129, 4096, 0x7fffffff, 0x80000000, 0xffffffff,
};
static const int families[] = { AF_INET, AF_INET6, AF_UNSPEC, AF_PACKET, AF_NETLINK, 0xffff };

static const struct {
	const char *name;
	int domain, type;
} kinds[] = {
	{ "tcp4", AF_INET, SOCK_STREAM }, { "tcp6", AF_INET6, SOCK_STREAM },
	{ "udp4", AF_INET, SOCK_DGRAM },  { "udp6", AF_INET6, SOCK_DGRAM },
};

static char *hole;              /* two pages, the second of which cannot be read */
static int port;

static void say(const char *what, const char *kind, int family, unsigned len, long rc)
{
	printf("%s %s family %d length %u: %s\n", what, kind, family, len, rc < 0 ? strerrorname_np(errno) : "done");
}

/* An address of that family at the end of the readable page, or as much of it as `len` says. */
static void *address(int family, unsigned len)
{
	_Alignas(8) char bytes[128] = { 0 };
	unsigned size = len < sizeof bytes ? len : sizeof bytes;
	struct sockaddr_in *v4 = (void *)bytes;
	struct sockaddr_in6 *v6 = (void *)bytes;

	v4->sin_family = (sa_family_t)family;
	v4->sin_port = htons((uint16_t)port);
	if (family == AF_INET6)
		v6->sin6_addr = in6addr_loopback;
	else
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memcpy(hole + 4096 - size, bytes, size);
	return hole + 4096 - size;
}

static int make(size_t kind)
{
	int fd = socket(kinds[kind].domain, kinds[kind].type, 0);

	if (fd < 0)
		printf("%s: %s\n", kinds[kind].name, strerrorname_np(errno));
	return fd;
}

static void odd_addresses(size_t kind)
{
	const char *name = kinds[kind].name;

	for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
		for (size_t l = 0; l < sizeof lens / sizeof *lens; l++) {
			int fd = make(kind);
			void *at = address(families[f], lens[l]);
			struct iovec part = { "x", 1 };
			struct msghdr m = { .msg_name = at, .msg_namelen = lens[l], .msg_iov = &part, .msg_iovlen = 1 };

			say("connect", name, families[f], lens[l], syscall(SYS_connect, fd, at, lens[l]));
			close(fd);
			fd = make(kind);
			say("sendto", name, families[f], lens[l], syscall(SYS_sendto, fd, "x", 1, MSG_NOSIGNAL, at, lens[l]));
			say("sendmsg", name, families[f], lens[l], syscall(SYS_sendmsg, fd, &m, MSG_NOSIGNAL));
			close(fd);
		}
	}
}

static void odd_pointers(size_t kind)
{
	const char *name = kinds[kind].name;
	const uint64_t addresses[] = {
		0, 1, 4095, (uint64_t)(uintptr_t)hole + 4096, 0x800000000000, 0xffff800000000000, ~0ULL,
	};

	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		const uint64_t at = addresses[i];
		struct sockaddr_in *to = address(AF_INET, 16);
		struct iovec part = { (void *)(uintptr_t)at, 16 };
		struct msghdr m = { .msg_name = to, .msg_namelen = 16, .msg_iov = (void *)(uintptr_t)at, .msg_iovlen = 1 };
		int fd = make(kind);

		say("connect pointer", name, (int)i, 16, syscall(SYS_connect, fd, at, 16));
		say("connect null", name, (int)i, 0, syscall(SYS_connect, fd, at, 0));
		say("sendto pointer", name, (int)i, 16, syscall(SYS_sendto, fd, "x", 1, MSG_NOSIGNAL, at, 16));
		say("sendto data", name, (int)i, 16, syscall(SYS_sendto, fd, at, 16, MSG_NOSIGNAL, to, 16));
		say("sendmsg header", name, (int)i, 0, syscall(SYS_sendmsg, fd, at, MSG_NOSIGNAL));
		say("sendmsg pieces", name, (int)i, 0, syscall(SYS_sendmsg, fd, &m, MSG_NOSIGNAL));
		m.msg_iov = &part;
		say("sendmsg data", name, (int)i, 0, syscall(SYS_sendmsg, fd, &m, MSG_NOSIGNAL));
		part.iov_base = (void *)(uintptr_t)"0123456789abcdef";
		m.msg_control = (void *)(uintptr_t)at;
		m.msg_controllen = 64;
		say("sendmsg control", name, (int)i, 0, syscall(SYS_sendmsg, fd, &m, MSG_NOSIGNAL));
		say("sendmmsg", name, (int)i, 0, syscall(SYS_sendmmsg, fd, at, 3, MSG_NOSIGNAL));
		say("sendmmsg of none", name, (int)i, 0, syscall(SYS_sendmmsg, fd, at, 0, MSG_NOSIGNAL));
		close(fd);
	}
}

static void odd_counts(size_t kind)
{
	const char *name = kinds[kind].name;
	static struct iovec parts[1025];
	static struct mmsghdr batch[1200];
	const size_t counts[] = { 0, 1, 1024, 1025, SIZE_MAX };
	struct sockaddr_in *to = address(AF_INET, 16);
	int fd = make(kind);

	for (size_t i = 0; i < 1025; i++)
		parts[i] = (struct iovec){ "x", 1 };
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		struct msghdr m = { .msg_name = to, .msg_namelen = 16, .msg_iov = parts, .msg_iovlen = counts[i] };
		long rc = syscall(SYS_sendmsg, fd, &m, MSG_NOSIGNAL);

		say("sendmsg count", name, (int)rc, (unsigned)counts[i], rc);
	}
	parts[1].iov_len = SIZE_MAX;
	struct msghdr m = { .msg_name = to, .msg_namelen = 16, .msg_iov = parts, .msg_iovlen = 2 };
	say("sendmsg length", name, 0, 0, syscall(SYS_sendmsg, fd, &m, MSG_NOSIGNAL));
	parts[1].iov_len = 1;
	m.msg_control = hole;
	for (size_t i = 0; i < 3; i++) {
		const size_t bad[] = { 0, 15, SIZE_MAX };
		memcpy(hole, (const uint64_t[2]){ bad[i], 1ULL << 32 }, 16);
		m.msg_controllen = 24;
		say("sendmsg control length", name, (int)i, 0, syscall(SYS_sendmsg, fd, &m, MSG_NOSIGNAL));
	}
	for (size_t i = 0; i < 1200; i++)
		batch[i].msg_hdr = (struct msghdr){ .msg_name = to, .msg_namelen = 16, .msg_iov = parts, .msg_iovlen = 1 };
	long rc = syscall(SYS_sendmmsg, fd, batch, 1200, MSG_NOSIGNAL);
	say("sendmmsg of many", name, (int)rc, batch[1023].msg_len + 10 * batch[1024].msg_len, rc);
	batch[5].msg_hdr.msg_iovlen = 2000;
	rc = syscall(SYS_sendmmsg, fd, batch, 10, MSG_NOSIGNAL);
	say("sendmmsg that fails half-way", name, (int)rc, batch[4].msg_len, rc);
	say("sendto large", name, 0, 0, kinds[kind].type == SOCK_DGRAM ? syscall(SYS_sendto, fd, hole, 70000, 0, to, 16) : 0);
	close(fd);
}

static void odd_descriptors(void)
{
	struct sockaddr_in *to = address(AF_INET, 16);
	const int fds[] = { -1, 1000000, 0 };           /* 0 is no socket */

	for (size_t i = 0; i < 3; i++) {
		struct iovec part = { "x", 1 };
		struct msghdr m = { .msg_name = to, .msg_namelen = 16, .msg_iov = &part, .msg_iovlen = 1 };

		say("connect", "descriptor", fds[i], 0, syscall(SYS_connect, fds[i], to, 16));
		say("sendto", "descriptor", fds[i], 0, syscall(SYS_sendto, fds[i], "x", 1, 0, to, 16));
		say("sendmsg", "descriptor", fds[i], 0, syscall(SYS_sendmsg, fds[i], &m, 0));
		say("sendmmsg", "descriptor", fds[i], 0, syscall(SYS_sendmmsg, fds[i], &m, 1, 0));
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	port = atoi(argv[1]);
	hole = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(hole + 4096, 4096, PROT_NONE);
	for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
		odd_addresses(kind);
		odd_pointers(kind);
		odd_counts(kind);
	}
	odd_descriptors();
	return 0;
}
