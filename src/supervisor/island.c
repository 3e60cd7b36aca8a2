/*
 * Sockets of the resolver's island for a caller. A socket belongs to the network namespace that it was made in for good,
 * so one that is to reach the resolver is replaced, under the same number, by one of the island that is set up alike.
 *
 * Between looking at the caller's descriptor and replacing it another thread of the caller may have made it something
 * else: then that thread's descriptor is replaced, by a socket that reaches less than any other. Copies of the descriptor
 * that the caller made before stay what they were, and are judged when they are used.
 */
#include "supervisor/island.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/island.h"
#include "base/mem.h"
#include "base/sys.h"
#include "supervisor/notify.h"
#include "supervisor/onbehalf.h"

#define OPTION_MAX 16           /* bytes; a struct timeval is the longest */

/* What DNS clients set before they ask; what a kernel does not know it does not copy. */
static const struct {
	int level;
	int name;
} options[] = {
	{ SOL_SOCKET, SO_RCVTIMEO },     { SOL_SOCKET, SO_SNDTIMEO },
	{ SOL_SOCKET, SO_KEEPALIVE },    { SOL_SOCKET, SO_REUSEADDR },
	{ SOL_SOCKET, SO_TIMESTAMP },    { SOL_SOCKET, SO_TIMESTAMPNS },
	{ IPPROTO_IP, IP_RECVERR },      { IPPROTO_IP, IP_PKTINFO },
	{ IPPROTO_IP, IP_RECVTTL },      { IPPROTO_IP, IP_RECVTOS },
	{ IPPROTO_IP, IP_MTU_DISCOVER }, { IPPROTO_IPV6, IPV6_V6ONLY },
	{ IPPROTO_IPV6, IPV6_RECVERR },  { IPPROTO_IPV6, IPV6_RECVPKTINFO },
	{ IPPROTO_TCP, TCP_NODELAY },
};

static struct island *island_of(const struct call *call)
{
	const struct supervisor *s = call->supervisor;

	return s->island;
}

int on_island_socket(const struct call *call, int domain, int type, int protocol)
{
	struct island *island = island_of(call);
	const struct island_order order = { .domain = domain, .type = type, .protocol = protocol };

	return island ? island_socket(island, &order) : -EAFNOSUPPORT;
}

bool on_island_has(const struct call *call, int sock)
{
	const struct island *island = island_of(call);

	return island && island_has(island, sock);
}

static void copy_options(int from, int to)
{
	_Alignas(8) char value[OPTION_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		socklen_t len = sizeof value;

		if (SYS(SYS_getsockopt, from, options[i].level, options[i].name, value, &len) == 0)
			SYS(SYS_setsockopt, to, options[i].level, options[i].name, value, len);
	}
	long flags = SYS(SYS_fcntl, from, F_GETFL);
	if (flags >= 0)
		SYS(SYS_fcntl, to, F_SETFL, flags & (O_NONBLOCK | O_ASYNC));
}

/* Puts `with` in the place of the caller's descriptor. */
static int replace(const struct call *call, int fd, int with)
{
	const struct supervisor *s = call->supervisor;
	long flags = onbehalf_fd_flags(call->tid, fd);

	if (flags < 0)
		return -EBADF;
	struct sc_addfd add = {
		.id = call->id, .flags = SC_ADDFD_SETFD, .srcfd = (uint32_t)with, .newfd = (uint32_t)fd,
		.newfd_flags = (uint32_t)(flags & O_CLOEXEC),
	};
	int rc = sys_ioctl(s->listener, SC_IOCTL_ADDFD, &add);
	return rc < 0 ? rc : 0;
}

int on_island_move(const struct call *call, int fd)
{
	struct socket_info info = { 0 };

	AUTO(fd) int sock = call->kernel->pin_fd(call, fd);
	if (sock < 0)
		return sock;
	if (on_island_has(call, sock))
		return 0;
	int rc = call->kernel->socket_info(call, sock, WANT_DOMAIN | WANT_TYPE | WANT_PROTOCOL, &info);
	if (rc < 0)
		return rc;
	if (info.domain != AF_INET && info.domain != AF_INET6)
		return -EAFNOSUPPORT;
	if (info.protocol != IPPROTO_UDP && info.protocol != IPPROTO_TCP)
		return -EPROTONOSUPPORT;
	AUTO(fd) int fresh = on_island_socket(call, info.domain, info.type, info.protocol);
	if (fresh < 0)
		return fresh;
	copy_options(sock, fresh);
	return replace(call, fd, fresh);
}
