/* Asking the task of an island for sockets, one request after the other. */
#include "base/island.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static int ask(int control, const struct island_order *order, int *sock)
{
	int answer = -EPROTO;
	int rc = fd_send(control, order, sizeof *order, -1);

	if (rc < 0)
		return rc;
	ssize_t n = fd_recv(control, &answer, sizeof answer, sock, 0);
	if (n < 0)
		return (int)n;
	return n == (ssize_t)sizeof answer ? answer : -EPIPE;
}

int island_socket(struct island *i, const struct island_order *order)
{
	AUTO(fd) int sock = -1;

	pthread_mutex_lock(&i->lock);
	int rc = ask(i->control, order, &sock);
	pthread_mutex_unlock(&i->lock);
	if (rc < 0)
		return rc;
	return sock < 0 ? -EMFILE : take_fd(&sock);     /* the kernel drops a descriptor that there is no number for */
}

int island_cookie(int sock, uint64_t *out)
{
	socklen_t len = sizeof *out;

	return (int)SYS(SYS_getsockopt, sock, SOL_SOCKET, SO_NETNS_COOKIE, out, &len);
}

bool island_has(const struct island *i, int sock)
{
	uint64_t cookie;

	return island_cookie(sock, &cookie) == 0 && cookie == i->cookie;
}
