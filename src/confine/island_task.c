/*
 * The task of an island: makes every address local, then makes sockets for the host until the host closes the line or is
 * gone. It shares the host's memory, so: raw system calls only.
 */
#include "confine/island.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/prctl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "confine/plan.h"

#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif
#define BACKLOG 64
#define LOOPBACK_INDEX 1        /* the first interface of every namespace */

static long set(int sock, int level, int option, int value)
{
	return SYS(SYS_setsockopt, sock, level, option, &value, sizeof value);
}

/* --- the namespace --- */

static long raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	long sock = SYS(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return sock;
	request.ifr_flags = IFF_UP;
	long rc = SYS(SYS_ioctl, sock, SIOCSIFFLAGS, &request);
	sys_close((int)sock);
	return rc;
}

/* "ip route add local default dev lo": every address of the family is this host's. */
static long make_all_local(int netlink, int family)
{
	struct {
		struct nlmsghdr head;
		struct rtmsg route;
		struct rtattr out;
		uint32_t index;
	} add = {
		.head = {
			.nlmsg_len = sizeof add,
			.nlmsg_type = RTM_NEWROUTE,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
		},
		.route = {
			.rtm_family = (unsigned char)family, .rtm_table = RT_TABLE_LOCAL, .rtm_protocol = RTPROT_STATIC,
			.rtm_scope = RT_SCOPE_HOST, .rtm_type = RTN_LOCAL,
		},
		.out = { .rta_len = RTA_LENGTH(sizeof add.index), .rta_type = RTA_OIF },
		.index = LOOPBACK_INDEX,
	};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char more[256];
	} reply;

	long rc = SYS(SYS_sendto, netlink, &add, sizeof add, 0, 0, 0);
	if (rc < 0)
		return rc;
	rc = SYS(SYS_recvfrom, netlink, &reply, sizeof reply, 0, 0, 0);
	if (rc < 0)
		return rc;
	if (rc < (long)offsetof(__typeof__(reply), more) - (long)sizeof reply.error.msg)
		return -EPROTO;
	return reply.head.nlmsg_type == NLMSG_ERROR ? reply.error.error : -EPROTO;
}

static long settle(void)
{
	long rc = raise_loopback();
	if (rc < 0)
		return rc;

	long netlink = SYS(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (netlink < 0)
		return netlink;
	rc = make_all_local((int)netlink, AF_INET);
	if (rc == 0)
		make_all_local((int)netlink, AF_INET6);         /* a host without IPv6 has none here either */
	sys_close((int)netlink);
	return rc;
}

/* --- sockets --- */

/*
 * Answers must come from the very address that was asked, which no interface has: free binding. The port is nobody else's:
 * the sandbox's own sockets of the island could share it under SO_REUSEADDR.
 */
static long take_port(int sock, const struct island_order *order)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	uint16_t port = (uint16_t)((order->port & 0xff) << 8 | (order->port >> 8 & 0xff));
	bool stream = (order->type & 15) == SOCK_STREAM;
	long rc;

	if (order->domain == AF_INET6) {
		v6.sin6_port = port;
		set(sock, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		set(sock, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		set(sock, IPPROTO_IPV6, IPV6_FREEBIND, 1);
		rc = SYS(SYS_bind, sock, &v6, sizeof v6);
	} else {
		v4.sin_port = port;
		set(sock, IPPROTO_IP, IP_PKTINFO, 1);
		set(sock, IPPROTO_IP, IP_FREEBIND, 1);
		rc = SYS(SYS_bind, sock, &v4, sizeof v4);
	}
	return rc == 0 && stream ? SYS(SYS_listen, sock, BACKLOG) : rc;
}

static int make(const struct island_order *order)
{
	long sock = SYS(SYS_socket, order->domain, order->type | SOCK_CLOEXEC, order->protocol);

	if (sock < 0 || !order->port)
		return (int)sock;
	long rc = take_port((int)sock, order);
	if (rc == 0)
		return (int)sock;
	sys_close((int)sock);
	return (int)rc;
}

/* --- life --- */

static void __attribute__((noreturn)) leave(void)
{
	for (;;)
		SYS(SYS_exit_group, 0);
}

/* The answer to one request, or the end. */
static void serve(int control)
{
	struct island_order order;
	long n = SYS(SYS_recvfrom, control, &order, sizeof order, 0, 0, 0);

	if (n == -EINTR)
		return;
	if (n != (long)sizeof order)
		leave();
	int sock = make(&order);
	int answer = sock < 0 ? sock : 0;
	n = task_send(control, &answer, sizeof answer, sock);
	if (sock >= 0)
		sys_close(sock);
	if (n < 0)
		leave();
}

void island_main(void *arg)
{
	const struct island_start *start = arg;
	int keep[] = { start->control, start->host };
	struct pollfd polls[] = {
		{ .fd = start->control, .events = POLLIN },
		{ .fd = start->host, .events = POLLIN },
	};

	sys_prctl(PR_SET_NAME, (unsigned long)(uintptr_t)"sandlock-island", 0, 0, 0);
	SYS(SYS_setpgid, 0, 0);
	task_close_all_but(keep, 2);
	int answer = (int)settle();
	if (task_send(polls[0].fd, &answer, sizeof answer, -1) < 0 || answer < 0)
		leave();
	for (;;) {
		long n = SYS(SYS_ppoll, polls, 2, 0, 0, 8);

		if (n < 0 && n != -EINTR)
			leave();
		if (n > 0 && polls[1].revents)
			leave();
		if (n > 0 && polls[0].revents)
			serve(polls[0].fd);
	}
}
