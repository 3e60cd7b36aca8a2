/* The network and sockets under the default, which is none: rows N01 to N04, N06, N10, N22, N23 and bad pointers (F23). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "attempt.h"

#define FASTOPEN 0x20000000
#define TCP_FASTOPEN_CONNECT_ 30

/* A socket of a kind that the kernel lacks proves nothing; the test compares with a run outside. */
static int made(int family, int type, int protocol)
{
	return attempt_result(SYS(SYS_socket, family, type, protocol));
}

static int socket_case(const struct probe_args *args)
{
	const long *c = args->self->call;

	return made((int)c[0], (int)c[1], (int)c[2]);
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static int connect_protocol(const struct probe_args *args, int protocol)
{
	struct sockaddr_in to = loopback(args->port);
	int fd = (int)SYS(SYS_socket, AF_INET, SOCK_STREAM, protocol);

	return fd < 0 ? fd : attempt_result(SYS(SYS_connect, fd, &to, sizeof to));
}

static int tcp_connect(const struct probe_args *args)
{
	return connect_protocol(args, 0);
}

static int tcp_connect_mapped(const struct probe_args *args)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)args->port) };
	int fd = (int)SYS(SYS_socket, AF_INET6, SOCK_STREAM, 0);

	if (fd < 0)
		return fd == -EAFNOSUPPORT ? ATTEMPT_UNAVAILABLE : fd;
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.sin6_addr);
	return attempt_result(SYS(SYS_connect, fd, &to, sizeof to));
}

static int mptcp_connect(const struct probe_args *args)
{
	return connect_protocol(args, 262);
}

static int fastopen_sendto(const struct probe_args *args)
{
	struct sockaddr_in to = loopback(args->port);
	int fd = (int)SYS(SYS_socket, AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? fd : attempt_result(SYS(SYS_sendto, fd, "x", 1, FASTOPEN, &to, sizeof to));
}

static int fastopen_sendmsg(const struct probe_args *args)
{
	struct sockaddr_in to = loopback(args->port);
	char byte = 'x';
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1 };
	int fd = (int)SYS(SYS_socket, AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? fd : attempt_result(SYS(SYS_sendmsg, fd, &message, FASTOPEN));
}

static int fastopen_connect(const struct probe_args *args)
{
	struct sockaddr_in to = loopback(args->port);
	int fd = (int)SYS(SYS_socket, AF_INET, SOCK_STREAM, 0);
	int on = 1;

	if (fd < 0)
		return fd;
	SYS(SYS_setsockopt, fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT_, &on, sizeof on);
	long rc = SYS(SYS_connect, fd, &to, sizeof to);

	return rc < 0 ? (int)rc : attempt_result(sys_write(fd, "x", 1));
}

static int listen_unbound(const struct probe_args *args)
{
	int fd = (int)SYS(SYS_socket, AF_INET, SOCK_STREAM, 0);

	(void)args;
	return fd < 0 ? fd : attempt_result(SYS(SYS_listen, fd, 1));
}

static int bind_port(const struct probe_args *args)
{
	struct sockaddr_in to = loopback(0);
	int fd = (int)SYS(SYS_socket, AF_INET, SOCK_STREAM, 0);

	(void)args;
	return fd < 0 ? fd : attempt_result(SYS(SYS_bind, fd, &to, sizeof to));
}

static int abstract_connect(const struct probe_args *args)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int len = snprintf(to.sun_path + 1, sizeof to.sun_path - 1, "sandlock-probe-%d", args->port);
	int fd = (int)SYS(SYS_socket, AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0)
		return fd;
	return attempt_result(SYS(SYS_connect, fd, &to, offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len));
}

/* --- N23: interfaces of the machine other than loopback; one without any answers like a kernel without the family --- */

static int is_another_link(const char *reply, long len)
{
	for (const struct nlmsghdr *h; h = (const void *)reply, NLMSG_OK(h, len);) {
		const struct ifinfomsg *link = NLMSG_DATA(h);

		if (h->nlmsg_type == RTM_NEWLINK && link->ifi_index != 1)
			return 0;
		if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
			return -EOPNOTSUPP;
		reply += NLMSG_ALIGN(h->nlmsg_len);
		len -= NLMSG_ALIGN(h->nlmsg_len);
	}
	return 1;
}

static int route_links(const struct probe_args *args)
{
	const struct { struct nlmsghdr head; struct ifinfomsg body; } request = {
		.head = { .nlmsg_len = sizeof request, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	_Alignas(8) char reply[8192];
	int fd = (int)SYS(SYS_socket, AF_NETLINK, SOCK_RAW, 0);
	long rc = fd < 0 ? fd : SYS(SYS_sendto, fd, &request, sizeof request, 0, 0, 0);
	int answer = 1;

	(void)args;
	while (rc >= 0 && answer > 0) {
		rc = SYS(SYS_recvfrom, fd, reply, sizeof reply, 0, 0, 0);
		answer = rc > 0 ? is_another_link(reply, rc) : -EIO;
	}
	return rc < 0 ? (int)rc : answer;
}

static int interface_names(const struct probe_args *args)
{
	int fd = (int)SYS(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	struct { char name[16]; int index; char rest[20]; } request = { .index = 2 };
	long rc = -ENODEV;

	(void)args;
	for (; request.index < 1000 && rc == -ENODEV; request.index++)
		rc = SYS(SYS_ioctl, fd, 0x8910 /* SIOCGIFNAME */, &request);
	return rc == -ENODEV ? -EOPNOTSUPP : attempt_result(rc);
}

/* --- F23: what the supervisor reads from hostile memory must end in the errno that the kernel gives --- */

static int chmod_at(long address)
{
	long rc = SYS(SYS_fchmodat, AT_FDCWD, address, 0600);

	return rc == 0 ? 0 : (int)rc;
}

static int bad_null(const struct probe_args *args)
{
	(void)args;
	return chmod_at(0);
}

static int bad_unmapped(const struct probe_args *args)
{
	(void)args;
	return chmod_at(4096);
}

static int bad_kernel_address(const struct probe_args *args)
{
	(void)args;
	return chmod_at((long)0xffff800000000000UL);
}

/* Two pages, the second without rights; `text` ends exactly where the first page ends. */
static char *at_page_end(const char *text, size_t len)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return NULL;
	memcpy(pages + 4096 - len, text, len);
	mprotect(pages + 4096, 4096, PROT_NONE);
	return pages + 4096 - len;
}

static int bad_page_end(const struct probe_args *args)
{
	(void)args;
	return chmod_at((long)at_page_end("/nonexistent", sizeof "/nonexistent"));
}

static int bad_no_nul(const struct probe_args *args)
{
	(void)args;
	return chmod_at((long)at_page_end("/nonexistent", sizeof "/nonexistent" - 1));
}

static int long_path(size_t len)
{
	char *text = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (text == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < len; i++)
		text[i] = i % 2 ? '.' : '/';
	return chmod_at((long)text);
}

static int bad_too_long(const struct probe_args *args)
{
	(void)args;
	return long_path(4096);
}

static int bad_endless(const struct probe_args *args)
{
	(void)args;
	return long_path(8192);
}

static int odd_name(const struct probe_args *args)
{
	return chmod_at((long)in_scratch(args, "\xff\n\x1b[31m\xc3").at);
}

static int empty_name(const struct probe_args *args)
{
	(void)args;
	return chmod_at((long)"");
}

static int bad_descriptor(const struct probe_args *args)
{
	(void)args;
	return attempt_result(SYS(SYS_fchmod, -1, 0600));
}

static int bad_xattr_size(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_setxattr, args->scratch, "user.x", "x", 0x7fffffff, 0));
}

static int bad_xattr_name(const struct probe_args *args)
{
	char name[300];

	memset(name, 'a', sizeof name);
	name[sizeof name - 1] = '\0';
	return attempt_result(SYS(SYS_setxattr, args->scratch, name, "x", 1, 0));
}

static int bad_times(const struct probe_args *args)
{
	struct timespec times[2] = { { .tv_nsec = 2000000000 }, { .tv_nsec = 0 } };

	return attempt_result(SYS(SYS_utimensat, AT_FDCWD, args->scratch, times, 0));
}

static int bad_flags(const struct probe_args *args)
{
	return attempt_result(SYS(NR_fchmodat2, AT_FDCWD, args->scratch, 0700, 0x40000000));
}

static int not_a_directory(const struct probe_args *args)
{
	int fd = sys_openat(AT_FDCWD, "/dev/null", O_RDONLY, 0);

	(void)args;
	return attempt_result(SYS(SYS_fchmodat, fd, "name", 0600));
}

static int link_loop(const struct probe_args *args)
{
	struct path link = in_scratch(args, "loop");

	if (symlink(link.at, link.at) < 0)
		return -errno;
	return chmod_at((long)link.at);
}

#define K PROBE_KERNEL
#define SAME PROBE_SAME_INSIDE
#define SOCKET(...) .run = socket_case, .call = (const long[7]){ __VA_ARGS__ }

/* clang-format off */
static const struct probe_case cases[] = {
	{ "N01", "mptcp-connect", "connect by MPTCP", mptcp_connect, NULL, K },
	{ "N01", "mptcp6-socket", "an MPTCP socket", SOCKET(AF_INET6, SOCK_STREAM, 262), .flags = K },
	{ "N02", "fastopen-sendto", "connect by sendto(MSG_FASTOPEN)", fastopen_sendto, NULL, K },
	{ "N02", "fastopen-sendmsg", "connect by sendmsg(MSG_FASTOPEN)", fastopen_sendmsg, NULL, K },
	{ "N02", "fastopen-connect", "connect by TCP_FASTOPEN_CONNECT", fastopen_connect, NULL, K },
	{ "N03", "listen-unbound", "listen without bind", listen_unbound, NULL, 0 },
	{ "N03", "bind", "bind a TCP port", bind_port, NULL, K },
	{ "N04", "sctp", "an SCTP socket", SOCKET(AF_INET, SOCK_STREAM, 132), .flags = K },
	{ "N04", "dccp", "a DCCP socket", SOCKET(AF_INET, 6, 33), .flags = K },
	{ "N04", "udplite", "a UDP-Lite socket", SOCKET(AF_INET, SOCK_DGRAM, 136), .flags = K },
	{ "N04", "smc", "an SMC socket", SOCKET(43, SOCK_STREAM, 0), .flags = K },
	{ "N04", "smc-protocol", "a TCP socket with protocol SMC", SOCKET(AF_INET, SOCK_STREAM, 256), .flags = K },
	{ "N04", "l2tp", "an L2TP socket", SOCKET(AF_INET, SOCK_DGRAM, 115), .flags = K },
	{ "N04", "kcm", "a KCM socket", SOCKET(41, SOCK_DGRAM, 0), .flags = K },
	{ "N04", "rds", "an RDS socket", SOCKET(21, SOCK_SEQPACKET, 0), .flags = K },
	{ "N04", "tipc", "a TIPC socket", SOCKET(30, SOCK_STREAM, 0), .flags = K },
	{ "N06", "tcp-connect", "connect to a port of this machine", tcp_connect, NULL, K },
	{ "N06", "tcp-connect-mapped", "the same by a mapped IPv6 address", tcp_connect_mapped, NULL, K },
	{ "N10", "abstract-connect", "connect to an abstract socket outside", abstract_connect, NULL, K },
	{ "N22", "udp", "a UDP socket", SOCKET(AF_INET, SOCK_DGRAM, 0), .flags = K },
	{ "N22", "raw", "a raw socket", SOCKET(AF_INET, SOCK_RAW, 1), .flags = K | PROBE_NEEDS_ROOT },
	{ "N22", "raw-nonblock", "a raw socket with SOCK_NONBLOCK and SOCK_CLOEXEC",
	  SOCKET(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 1), .flags = K | PROBE_NEEDS_ROOT },
	{ "N22", "packet", "a packet socket", SOCKET(AF_PACKET, SOCK_RAW, 0), .flags = K | PROBE_NEEDS_ROOT },
	{ "N22", "sock-packet", "a SOCK_PACKET socket", SOCKET(AF_INET, 10, 0x300), .flags = K | PROBE_NEEDS_ROOT },
	{ "N22", "xdp", "an XDP socket", SOCKET(44, SOCK_RAW, 0), .flags = K | PROBE_NEEDS_ROOT },
	{ "N22", "ping", "a ping socket", SOCKET(AF_INET, SOCK_DGRAM, 1), .flags = K },
	{ "N23", "vsock", "a VSOCK socket", SOCKET(40, SOCK_STREAM, 0), .flags = K },
	{ "N23", "alg", "a kernel crypto socket", SOCKET(38, SOCK_SEQPACKET, 0), .flags = K },
	{ "N23", "netlink-sock-diag", "list the sockets of the machine", SOCKET(16, SOCK_RAW, 4), .flags = K },
	{ "N23", "netlink-netfilter", "a netfilter socket", SOCKET(16, SOCK_RAW, 12), .flags = K },
	{ "N23", "netlink-audit", "an audit socket", SOCKET(16, SOCK_RAW, 9), .flags = K },
	{ "N23", "netlink-uevent", "a device event socket", SOCKET(16, SOCK_RAW, 15), .flags = K },
	{ "N23", "netlink-route-links", "list the other interfaces of the machine", route_links, NULL, K },
	{ "N23", "interface-names", "the same by SIOCGIFNAME", interface_names, NULL, K },
	{ "N23", "bluetooth", "a Bluetooth socket", SOCKET(31, SOCK_RAW, 1), .flags = K },
	{ "N23", "qipcrtr", "a QIPCRTR socket", SOCKET(42, SOCK_DGRAM, 0), .flags = K },
	{ "F23", "bad-null", "chmod(NULL)", bad_null, NULL, SAME },
	{ "F23", "bad-unmapped", "chmod of an unmapped pointer", bad_unmapped, NULL, SAME },
	{ "F23", "bad-kernel-address", "chmod of a kernel address", bad_kernel_address, NULL, SAME },
	{ "F23", "bad-page-end", "chmod of a path that ends with its page", bad_page_end, NULL, SAME },
	{ "F23", "bad-no-nul", "chmod of a path that runs into a closed page", bad_no_nul, NULL, SAME },
	{ "F23", "bad-too-long", "chmod of a path of 4096 bytes", bad_too_long, NULL, SAME },
	{ "F23", "bad-endless", "chmod of a path of 8192 bytes", bad_endless, NULL, SAME },
	{ "F23", "odd-name", "chmod of a name with control bytes", odd_name, NULL, SAME },
	{ "F23", "empty-name", "chmod of an empty path", empty_name, NULL, SAME },
	{ "F23", "bad-descriptor", "fchmod(-1)", bad_descriptor, NULL, SAME },
	{ "F23", "link-loop", "chmod of a symbolic link to itself", link_loop, NULL, SAME },
	{ "F23", "not-a-directory", "chmod relative to a descriptor that is no directory", not_a_directory, NULL, SAME },
	{ "S22", "bad-xattr-size", "an attribute of two gigabytes", bad_xattr_size, NULL, SAME },
	{ "S22", "bad-xattr-name", "an attribute with a name of 299 bytes", bad_xattr_name, NULL, SAME },
	{ "S22", "bad-times", "times that do not exist", bad_times, NULL, SAME },
	{ "S22", "bad-flags", "fchmodat2 with an unknown flag", bad_flags, NULL, SAME },
};
/* clang-format on */
PROBE_GROUP(net_probes, cases);
