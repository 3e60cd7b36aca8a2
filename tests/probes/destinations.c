/* Sockets that the rules let be made, and destinations that no rule grants: rows N02, N06 to N08, N15, N17, N22, N25, N26. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attempt.h"

#define FASTOPEN 0x20000000
#define GRANTED "127.0.0.2"     /* by every policy below; nobody listens there */
#define GRANTED_PORT 9

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t address_len(const union address *a)
{
	return a->any.sa_family == AF_INET ? sizeof a->in : sizeof a->in6;
}

static union address address_of(const char *text, int port)
{
	union address a = { .in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) } };

	if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1)
		return a;
	a = (union address){ .in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_scope_id = 1 } };
	inet_pton(AF_INET6, text, &a.in6.sin6_addr);
	if (!IN6_IS_ADDR_LINKLOCAL(&a.in6.sin6_addr))
		a.in6.sin6_scope_id = 0;
	return a;
}

/* Where this machine has no way to it, nothing is proved. */
static int judged(long rc)
{
	switch (rc) {
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -EADDRNOTAVAIL:
	case -EAFNOSUPPORT:
	case -ENODEV:
		return ATTEMPT_UNAVAILABLE;
	default:
		return attempt_result(rc);
	}
}

static int make_socket(const union address *to, int type)
{
	const int on = 1;
	int fd = (int)SYS(SYS_socket, to->any.sa_family, type, 0);

	if (fd >= 0)
		SYS(SYS_setsockopt, fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
	return fd;
}

/* --- ways to a destination --- */

static long by_connect(int fd, const union address *to, int flags)
{
	(void)flags;
	return SYS(SYS_connect, fd, to, address_len(to));
}

static long by_sendto(int fd, const union address *to, int flags)
{
	return SYS(SYS_sendto, fd, "x", 1, flags, to, address_len(to));
}

static struct msghdr message_to(const union address *to, struct iovec *part)
{
	static const char byte = 'x';

	*part = (struct iovec){ (void *)(uintptr_t)&byte, 1 };
	return (struct msghdr){
		.msg_name = (void *)(uintptr_t)to, .msg_namelen = address_len(to), .msg_iov = part, .msg_iovlen = 1,
	};
}

static long by_sendmsg(int fd, const union address *to, int flags)
{
	struct iovec part;
	struct msghdr m = message_to(to, &part);

	return SYS(SYS_sendmsg, fd, &m, flags);
}

/* The last message of many is the one that counts. */
static long by_sendmmsg(int fd, const union address *to, int flags)
{
	enum { COUNT = 20 };
	union address granted = address_of(to->any.sa_family == AF_INET ? GRANTED : "::ffff:" GRANTED, GRANTED_PORT);
	struct mmsghdr batch[COUNT];
	struct iovec part;

	for (int i = 0; i < COUNT; i++)
		batch[i].msg_hdr = message_to(i == COUNT - 1 ? to : &granted, &part);
	long rc = SYS(SYS_sendmmsg, fd, batch, COUNT, flags);

	return rc < 0 ? rc : rc == COUNT ? 0 : -EACCES;
}

/* UDP over IPv4 takes an address of no family for one of its own. */
static long by_unspec(int fd, const union address *to, int flags)
{
	union address none = *to;

	none.any.sa_family = AF_UNSPEC;
	return SYS(SYS_sendto, fd, "x", 1, flags, &none, sizeof none.in);
}

static long by_reconnect(int fd, const union address *to, int flags)
{
	const union address granted = address_of(GRANTED, GRANTED_PORT);
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	long rc = by_connect(fd, &granted, flags);

	if (rc == 0)
		rc = SYS(SYS_connect, fd, &none, sizeof none);
	return rc < 0 ? -ENODATA : by_connect(fd, to, flags);
}

static long by_connected_sendto(int fd, const union address *to, int flags)
{
	const union address granted = address_of(GRANTED, GRANTED_PORT);

	return by_connect(fd, &granted, flags) < 0 ? -ENODATA : by_sendto(fd, to, flags);
}

/* A message that is to come by another machine first. */
static long by_source_route(int fd, const union address *to, int flags)
{
	const union address granted = address_of(GRANTED, GRANTED_PORT);
	const struct cmsghdr head = { .cmsg_len = sizeof head + 8, .cmsg_level = IPPROTO_IP, .cmsg_type = 7 /* IP_RETOPTS */ };
	_Alignas(8) unsigned char control[sizeof head + 8] = "";
	struct iovec part;
	struct msghdr m = message_to(&granted, &part);

	memcpy(control, &head, sizeof head);
	memcpy(control + sizeof head, (const unsigned char[]){ 131, 7, 4 }, 3);
	memcpy(control + sizeof head + 3, &to->in.sin_addr, 4);
	m.msg_control = control;
	m.msg_controllen = sizeof control;
	return SYS(SYS_sendmsg, fd, &m, flags);
}

/* --- the attempts --- */

struct way {
	long (*go)(int fd, const union address *to, int flags);
	int type;
	int flags;
};

enum { TCP, UDP, SENDTO, SENDMSG, SENDMMSG, UNSPEC, RECONNECT, CONNECTED, ROUTED, OPEN_SENDTO, OPEN_SENDMSG };

static const struct way ways[] = {
	[TCP] = { by_connect, SOCK_STREAM, 0 },
	[UDP] = { by_connect, SOCK_DGRAM, 0 },
	[SENDTO] = { by_sendto, SOCK_DGRAM, 0 },
	[SENDMSG] = { by_sendmsg, SOCK_DGRAM, 0 },
	[SENDMMSG] = { by_sendmmsg, SOCK_DGRAM, 0 },
	[UNSPEC] = { by_unspec, SOCK_DGRAM, 0 },
	[RECONNECT] = { by_reconnect, SOCK_DGRAM, 0 },
	[CONNECTED] = { by_connected_sendto, SOCK_DGRAM, 0 },
	[ROUTED] = { by_source_route, SOCK_DGRAM, 0 },
	[OPEN_SENDTO] = { by_sendto, SOCK_STREAM, FASTOPEN },
	[OPEN_SENDMSG] = { by_sendmsg, SOCK_STREAM, FASTOPEN },
};

/* Destinations without a port have the one that is listened on. */
enum {
	HOST, ZERO, MAPPED, MAPPED_ZERO, OTHER_LOOPBACK, LOOPBACK6, ZERO6, LOCAL6, GROUP, EVERYBODY,
	METADATA, METADATA_MAPPED, METADATA_NAT64, METADATA6, METADATA_AZURE, QUIC,
};

static const struct { const char *text; int port; } places[] = {
	[HOST] = { "127.0.0.1", 0 }, [ZERO] = { "0.0.0.0", 0 }, [MAPPED] = { "::ffff:127.0.0.1", 0 },
	[MAPPED_ZERO] = { "::ffff:0.0.0.0", 0 },
	[OTHER_LOOPBACK] = { "127.9.9.9", 0 }, [LOOPBACK6] = { "::1", 0 }, [ZERO6] = { "::", 0 }, [LOCAL6] = { "fe80::9", 0 },
	[GROUP] = { "224.0.0.251", 0 }, [EVERYBODY] = { "255.255.255.255", 0 }, [METADATA] = { "169.254.169.254", 80 },
	[METADATA_MAPPED] = { "::ffff:169.254.169.254", 80 }, [METADATA_NAT64] = { "64:ff9b::a9fe:a9fe", 80 },
	[METADATA6] = { "fd00:ec2::254", 80 }, [METADATA_AZURE] = { "168.63.129.16", 80 }, [QUIC] = { "127.0.0.1", 443 },
};

static int reach(const struct probe_args *args)
{
	const struct way *way = &ways[args->self->call[0]];
	int port = places[args->self->call[1]].port;
	union address to = address_of(places[args->self->call[1]].text, port ? port : args->port);
	int fd = make_socket(&to, way->type);

	return fd < 0 ? judged(fd) : judged(way->go(fd, &to, way->flags));
}

static int fastopen_connect(const struct probe_args *args)
{
	union address to = address_of("127.0.0.1", args->port);
	const int on = 1;
	int fd = make_socket(&to, SOCK_STREAM);

	if (fd < 0 || SYS(SYS_setsockopt, fd, IPPROTO_TCP, 30 /* TCP_FASTOPEN_CONNECT */, &on, sizeof on) < 0)
		return ATTEMPT_UNAVAILABLE;
	long rc = SYS(SYS_connect, fd, &to, sizeof to.in);

	return rc < 0 ? (int)rc : attempt_result(sys_write(fd, "x", 1));
}

/* --- options that lead packets elsewhere, or put another protocol on top --- */

static int set_option(const struct probe_args *args, int family, int type, const void *value, size_t len)
{
	const long *c = args->self->call;
	int fd = (int)SYS(SYS_socket, family, type, 0);

	return fd < 0 ? judged(fd) : judged(SYS(SYS_setsockopt, fd, c[0], c[1], value, len));
}

static int option_route(const struct probe_args *args)
{
	return set_option(args, AF_INET, SOCK_STREAM, (const unsigned char[]){ 131, 7, 4, 127, 0, 0, 1, 0 }, 8);
}

static int option_header(const struct probe_args *args)
{
	const long *c = args->self->call;
	int fd = (int)SYS(SYS_socket, AF_INET6, SOCK_STREAM, 0);

	/* A header that leads nowhere is invalid, which the kernel says after the question who may set one. */
	return fd < 0 ? judged(fd) : attempt_reached(SYS(SYS_setsockopt, fd, c[0], c[1], "\0\0\0\0\0\0\0\0", 8));
}

static int option_group(const struct probe_args *args)
{
	struct ip_mreqn group = { .imr_ifindex = 1 };

	inet_pton(AF_INET, "224.0.0.251", &group.imr_multiaddr);
	return set_option(args, AF_INET, SOCK_DGRAM, &group, sizeof group);
}

static int option_group6(const struct probe_args *args)
{
	struct ipv6_mreq group = { .ipv6mr_interface = 1 };

	inet_pton(AF_INET6, "ff02::fb", &group.ipv6mr_multiaddr);
	return set_option(args, AF_INET6, SOCK_DGRAM, &group, sizeof group);
}

/* Needs no socket that rules would have to let be made. */
static int option_group_tcp(const struct probe_args *args)
{
	union address group = address_of(args->self->call[2] == AF_INET ? "224.0.0.251" : "ff02::fb", 0);
	struct group_req request = { .gr_interface = 1 };

	memcpy(&request.gr_group, &group, sizeof group);
	return set_option(args, (int)args->self->call[2], SOCK_STREAM, &request, sizeof request);
}

static int option_ulp(const struct probe_args *args)
{
	const long *c = args->self->call;
	int fd = (int)SYS(SYS_socket, AF_INET, SOCK_STREAM, 0);
	long rc = fd < 0 ? fd : SYS(SYS_setsockopt, fd, c[0], c[1], "smc", 4);

	return rc == -ENOENT ? ATTEMPT_UNAVAILABLE : attempt_result(rc);
}

static int option_mark(const struct probe_args *args)
{
	return set_option(args, AF_INET, SOCK_STREAM, &(int){ 1 }, sizeof(int));
}

/* --- the same inside as outside: what a granted destination answers --- */

static int odd_length(const struct probe_args *args)
{
	union address to = address_of(GRANTED, GRANTED_PORT);
	char room[256] = "";
	int fd = make_socket(&to, (int)args->self->call[1]);

	memcpy(room, &to, sizeof to);
	return fd < 0 ? fd : attempt_result(SYS(SYS_connect, fd, room, args->self->call[0]));
}

static int odd_length_sendto(const struct probe_args *args)
{
	union address to = address_of(GRANTED, GRANTED_PORT);
	char room[256] = "";
	int fd = make_socket(&to, SOCK_DGRAM);

	memcpy(room, &to, sizeof to);
	return fd < 0 ? fd : attempt_result(SYS(SYS_sendto, fd, "x", 1, 0, room, args->self->call[0]));
}

static int other_family(const struct probe_args *args)
{
	union address in = address_of(GRANTED, GRANTED_PORT);
	union address in6 = address_of("::1", GRANTED_PORT);
	int fd = make_socket(args->self->call[0] == AF_INET ? &in : &in6, (int)args->self->call[1]);
	union address *to = args->self->call[0] == AF_INET ? &in6 : &in;

	return fd < 0 ? fd : attempt_result(SYS(SYS_connect, fd, to, address_len(to)));
}

static int connect_twice(const struct probe_args *args)
{
	union address to = address_of("127.0.0.1", args->port);
	int fd = make_socket(&to, SOCK_STREAM);

	return by_connect(fd, &to, 0) < 0 ? -ENODATA : attempt_result(by_connect(fd, &to, 0));
}

static int connect_to_nobody(const struct probe_args *args)
{
	union address to = address_of(GRANTED, GRANTED_PORT);
	int fd = make_socket(&to, SOCK_STREAM | (int)args->self->call[0]);

	return attempt_result(by_connect(fd, &to, 0));
}

/* A domain of the program's own in which no TCP port may be connected to. */
static int enter_domain(void)
{
	const uint64_t attr[] = { 0, 2 };       /* no files; LANDLOCK_ACCESS_NET_CONNECT_TCP */
	int fd = (int)SYS(SYS_landlock_create_ruleset, attr, sizeof attr, 0);
	int rc = fd < 0 ? fd : (int)SYS(SYS_prctl, 38, 1, 0, 0, 0);    /* PR_SET_NO_NEW_PRIVS */

	return rc < 0 ? rc : (int)SYS(SYS_landlock_restrict_self, fd, 0);
}

/* What is done on behalf must stay in it: though its mark was asked to be taken off, too. */
static int connect_from_domain(const struct probe_args *args)
{
	const uint64_t mark[] = { UINT64_MAX, UINT64_MAX };
	union address to = address_of("127.0.0.1", args->port);
	int rc = enter_domain();

	if (rc == -EINVAL || rc == -ENOSYS || rc == -EOPNOTSUPP)
		return ATTEMPT_UNAVAILABLE;     /* ports came with ABI 4 */
	if (rc < 0)
		return rc;
	if (args->self->call[0])
		SYS(SYS_prlimit64, 0, 10, mark, 0);     /* RLIMIT_LOCKS */
	return attempt_result(by_connect(make_socket(&to, SOCK_STREAM), &to, 0));
}

static int set_mark(const struct probe_args *args)
{
	const uint64_t mark[] = { 12345, 12345 };

	(void)args;
	return attempt_result(SYS(SYS_prlimit64, 0, 10, mark, 0));
}

/* The error of a connect that did not wait comes with the poll. */
static int connect_and_poll(const struct probe_args *args)
{
	union address to = args->self->call[0] ? address_of(GRANTED, GRANTED_PORT) : address_of("127.0.0.1", args->port);
	struct pollfd p = { .fd = make_socket(&to, SOCK_STREAM | SOCK_NONBLOCK), .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof error;

	if (by_connect(p.fd, &to, 0) != -EINPROGRESS || poll(&p, 1, 2000) != 1)
		return -ENODATA;
	getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return -error;
}

static int disconnect(const struct probe_args *args)
{
	union address to = address_of("127.0.0.1", args->port);
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd = make_socket(&to, SOCK_STREAM);

	if (by_connect(fd, &to, 0) < 0 || SYS(SYS_connect, fd, &none, sizeof none) < 0)
		return -ENODATA;
	return attempt_result(SYS(SYS_sendto, fd, "x", 1, MSG_NOSIGNAL, 0, 0));
}

static int socket_case(const struct probe_args *args)
{
	const long *c = args->self->call;

	return attempt_result(SYS(SYS_socket, c[0], c[1], c[2]));
}

#define TO(way, place) .run = reach, .call = (const long[7]){ (way), (place) }
#define OPTION(fn, level, option) .run = (fn), .call = (const long[7]){ (level), (option) }
#define CASE(fn, ...) .run = (fn), .call = (const long[7]){ __VA_ARGS__ }
#define SOCKET(...) .run = socket_case, .call = (const long[7]){ __VA_ARGS__ }
#define RULES .policy = "--net-allow tcp://127.0.0.2:9 --net-allow udp://127.0.0.2:9"
#define OTHERS .policy = "--net-allow tcp://*:80 --net-allow udp://*:80"
#define DENIED .policy = "--net-deny 127.0.0.0/8 --net-deny ::1"
#define PORT .policy = "--net-allow tcp://*:@PORT@"
#define HERE .policy = "--net-allow tcp://127.0.0.1:@PORT@ --net-allow tcp://127.0.0.2:9 --net-allow udp://127.0.0.2:9"
#define SAME .flags = PROBE_SAME_INSIDE

/* clang-format off */
static const struct probe_case cases[] = {
	{ "N02", "rules-fastopen-sendto", "connect by sendto(MSG_FASTOPEN), under rules",
	  TO(OPEN_SENDTO, HOST), RULES },
	{ "N02", "rules-fastopen-sendmsg", "connect by sendmsg(MSG_FASTOPEN), under rules",
	  TO(OPEN_SENDMSG, HOST), RULES },
	{ "N02", "rules-fastopen-connect", "connect by TCP_FASTOPEN_CONNECT, under rules", fastopen_connect, RULES },
	{ "N06", "rules-host", "connect to this machine, under rules", TO(TCP, HOST), RULES },
	{ "N06", "rules-zero", "connect to 0.0.0.0", TO(TCP, ZERO), RULES },
	{ "N06", "rules-mapped", "connect to a mapped IPv6 address", TO(TCP, MAPPED), RULES },
	{ "N06", "rules-udp", "UDP: connect to this machine", TO(UDP, HOST), RULES },
	{ "N06", "rules-udp-zero", "UDP: connect to 0.0.0.0", TO(UDP, ZERO), RULES },
	{ "N06", "rules-udp-mapped", "UDP: connect to a mapped IPv6 address", TO(UDP, MAPPED), RULES },
	{ "N06", "rules-udp-loopback", "UDP: connect to 127.9.9.9", TO(UDP, OTHER_LOOPBACK), RULES },
	{ "N06", "rules-udp-loopback6", "UDP: connect to ::1", TO(UDP, LOOPBACK6), RULES },
	{ "N06", "rules-udp-zero6", "UDP: connect to ::", TO(UDP, ZERO6), RULES },
	{ "N06", "rules-udp-local6", "UDP: connect to a link-local address with its scope", TO(UDP, LOCAL6), RULES },
	{ "N06", "rules-udp-group", "UDP: connect to a group", TO(UDP, GROUP), RULES },
	{ "N06", "rules-udp-broadcast", "UDP: connect to everybody", TO(UDP, EVERYBODY), RULES },
	{ "N06", "rules-sendto", "UDP: sendto", TO(SENDTO, HOST), RULES },
	{ "N06", "rules-sendmsg", "UDP: sendmsg", TO(SENDMSG, HOST), RULES },
	{ "N06", "rules-sendmmsg", "UDP: the last of twenty messages", TO(SENDMMSG, HOST), RULES },
	{ "N06", "rules-sendmsg-mapped", "UDP: sendmsg to a mapped IPv6 address", TO(SENDMSG, MAPPED), RULES },
	{ "N06", "rules-sendto-zero", "UDP: sendto 0.0.0.0", TO(SENDTO, ZERO), RULES },
	{ "N06", "denied-zero", "connect to 0.0.0.0 where the loopback is denied", TO(TCP, ZERO), DENIED },
	{ "N06", "denied-mapped-zero", "the same, mapped to IPv6", TO(TCP, MAPPED_ZERO), DENIED },
	{ "N06", "denied-sendto-zero", "UDP: sendto 0.0.0.0 where the loopback is denied", TO(SENDTO, ZERO), DENIED },
	{ "N06", "denied-unspec-zero", "the same without a family", TO(UNSPEC, ZERO), DENIED },
	{ "N06", "denied-zero6", "UDP: connect to :: where ::1 is denied", TO(UDP, ZERO6), DENIED },
	{ "N06", "denied-sendmsg-zero6", "UDP: sendmsg to :: where ::1 is denied", TO(SENDMSG, ZERO6), DENIED },
	{ "N07", "any-host-port", "services of this machine under a rule for any host", TO(TCP, HOST), PORT,
	  .flags = PROBE_NOT_COVERED },
	{ "N08", "metadata", "UDP: connect to 169.254.169.254 under a rule for any host", TO(UDP, METADATA), OTHERS },
	{ "N08", "metadata-mapped", "the same, mapped to IPv6", TO(UDP, METADATA_MAPPED), OTHERS },
	{ "N08", "metadata-nat64", "the same by NAT64", TO(UDP, METADATA_NAT64), OTHERS },
	{ "N08", "metadata-ipv6", "the same at fd00:ec2::254", TO(UDP, METADATA6), OTHERS },
	{ "N08", "metadata-azure", "the same at 168.63.129.16", TO(UDP, METADATA_AZURE), OTHERS },
	{ "N15", "unspec-sendto", "UDP: sendto with an address of no family", TO(UNSPEC, HOST), RULES },
	{ "N15", "reconnect", "UDP: connect, disconnect, connect elsewhere", TO(RECONNECT, HOST), RULES },
	{ "N15", "connected-sendto", "UDP: sendto elsewhere when connected", TO(CONNECTED, HOST), RULES },
	{ "N15", "length-none", "connect with an address of 0 bytes", CASE(odd_length, 0, SOCK_DGRAM), HERE, SAME },
	{ "N15", "length-one", "connect with an address of 1 byte", CASE(odd_length, 1, SOCK_DGRAM), HERE, SAME },
	{ "N15", "length-short", "connect with an address of 15 bytes", CASE(odd_length, 15, SOCK_DGRAM), HERE, SAME },
	{ "N15", "length-most", "connect with an address of 128 bytes", CASE(odd_length, 128, SOCK_DGRAM), HERE, SAME },
	{ "N15", "length-more", "connect with an address of 129 bytes", CASE(odd_length, 129, SOCK_DGRAM), HERE, SAME },
	{ "N15", "length-negative", "connect with an address of -2^31 bytes",
	  CASE(odd_length, 0x80000000L, SOCK_DGRAM), HERE, SAME },
	{ "N15", "length-short-tcp", "TCP: connect with an address of 15 bytes",
	  CASE(odd_length, 15, SOCK_STREAM), HERE, SAME },
	{ "N15", "length-none-tcp", "TCP: connect with an address of 0 bytes",
	  CASE(odd_length, 0, SOCK_STREAM), HERE, SAME },
	{ "N15", "length-sendto-one", "sendto with an address of 1 byte", CASE(odd_length_sendto, 1), HERE, SAME },
	{ "N15", "length-sendto-short", "sendto with an address of 15 bytes", CASE(odd_length_sendto, 15), HERE, SAME },
	{ "N15", "length-sendto-more", "sendto with an address of 129 bytes",
	  CASE(odd_length_sendto, 129), HERE, SAME },
	{ "N15", "length-sendto-negative", "sendto with an address of -2^31 bytes",
	  CASE(odd_length_sendto, 0x80000000L), HERE, SAME },
	{ "N15", "family-in6-on-in", "an IPv6 address on an IPv4 socket", CASE(other_family, AF_INET, SOCK_DGRAM),
	  .policy = "--net-allow udp://[::1]:9", SAME },
	{ "N15", "family-in6-on-in-tcp", "TCP: an IPv6 address on an IPv4 socket",
	  CASE(other_family, AF_INET, SOCK_STREAM),
	  .policy = "--net-allow tcp://[::1]:9", SAME },
	{ "N15", "family-in-on-in6", "an IPv4 address on an IPv6 socket",
	  CASE(other_family, AF_INET6, SOCK_DGRAM), HERE, SAME },
	{ "N17", "source-route-message", "UDP: a message with a source route", TO(ROUTED, HOST), RULES,
	  .flags = PROBE_NEEDS_ROOT },
	{ "N17", "source-route", "a source route for a whole socket (IP_OPTIONS)",
	  OPTION(option_route, IPPROTO_IP, 4), RULES,
	  .flags = PROBE_NEEDS_ROOT },
	{ "N17", "routing-header", "a routing header (IPV6_RTHDR)", OPTION(option_header, IPPROTO_IPV6, 57), RULES },
	{ "N17", "routing-header-old", "the same by IPV6_2292PKTOPTIONS",
	  OPTION(option_header, IPPROTO_IPV6, 6), RULES },
	{ "N17", "flow-label", "a flow label, which can carry one", OPTION(option_header, IPPROTO_IPV6, 32), RULES },
	{ "N17", "join-group", "join a group", OPTION(option_group, IPPROTO_IP, 35), RULES },
	{ "N17", "join-group6", "join a group of IPv6", OPTION(option_group6, IPPROTO_IPV6, 20), RULES },
	{ "N17", "join-other-group", "join another group than that of a rule", OPTION(option_group, IPPROTO_IP, 35),
	  .policy = "--net-allow udp://224.0.0.252:5353 --net-allow tcp://*:5353" },
	{ "N17", "join-group-rule", "join the group of a rule", OPTION(option_group, IPPROTO_IP, 35),
	  .policy = "--net-allow udp://224.0.0.251:5353", SAME },
	{ "N17", "join-group6-rule", "join the IPv6 group of a rule", OPTION(option_group6, IPPROTO_IPV6, 20),
	  .policy = "--net-allow udp://[ff02::fb]:5353", SAME },
	{ "N17", "join-group-tcp", "join a group with a TCP socket",
	  CASE(option_group_tcp, IPPROTO_IP, MCAST_JOIN_GROUP, AF_INET), .flags = PROBE_KERNEL },
	{ "N17", "join-group6-tcp", "join a group of IPv6 with a TCP socket",
	  CASE(option_group_tcp, IPPROTO_IPV6, MCAST_JOIN_GROUP, AF_INET6), .flags = PROBE_KERNEL },
	{ "N17", "ulp-smc", "turn a TCP socket into one of SMC", OPTION(option_ulp, IPPROTO_TCP, 31), RULES },
	{ "N17", "mark", "mark packets for other routes",
	  OPTION(option_mark, SOL_SOCKET, 36), RULES, .flags = PROBE_NEEDS_ROOT },
	{ "N17", "transparent", "send from foreign addresses",
	  OPTION(option_mark, IPPROTO_IP, 19), RULES, .flags = PROBE_NEEDS_ROOT },
	{ "N22", "rules-ping", "a ping socket under rules for UDP", SOCKET(AF_INET, SOCK_DGRAM, 1), RULES },
	{ "N22", "rules-udplite", "a UDP-Lite socket under rules for UDP", SOCKET(AF_INET, SOCK_DGRAM, 136), RULES },
	{ "N22", "rules-raw", "a raw socket under rules",
	  SOCKET(AF_INET, SOCK_RAW, 17), RULES, .flags = PROBE_NEEDS_ROOT },
	{ "S29", "domain-connect", "connect from a Landlock domain of one's own", CASE(connect_from_domain, 0), HERE, SAME },
	{ "S29", "domain-unmark", "the same after an attempt to take its mark off", CASE(connect_from_domain, 1), HERE, SAME },
	{ "S29", "domain-mark", "set the limit that marks domains", CASE(set_mark, 0), HERE },
	{ "N25", "connect-twice", "connect when connected", CASE(connect_twice, 0), HERE, SAME },
	{ "N25", "connect-nobody", "connect where nobody listens", CASE(connect_to_nobody, 0), HERE, SAME },
	{ "N25", "connect-nobody-nonblock", "the same without waiting",
	  CASE(connect_to_nobody, SOCK_NONBLOCK), HERE, SAME },
	{ "N25", "connect-poll", "connect without waiting, poll", CASE(connect_and_poll, 0), HERE, SAME },
	{ "N25", "connect-poll-nobody", "the same where nobody listens", CASE(connect_and_poll, 1), HERE, SAME },
	{ "N25", "disconnect", "send after a disconnect", CASE(disconnect, 0), HERE, SAME },
	{ "N26", "quic", "QUIC to a host that TCP is granted to",
	  TO(SENDTO, QUIC), .policy = "--net-allow tcp://127.0.0.1:443" },
};
/* clang-format on */
PROBE_GROUP(destination_probes, cases);
