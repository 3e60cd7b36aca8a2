/* What every task that shares our memory needs, without libc. */
#include "confine/plan.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/sys.h"

/* fd_send() without libc: one message, perhaps with a descriptor. */
long task_send(int sock, const void *data, size_t len, int fd)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct {
		struct cmsghdr head;
		int fd;
	} __attribute__((aligned(8))) control = {
		.head = { .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS },
		.fd = fd,
	};
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_LEN(sizeof fd);
	}
	long rc;
	do {
		rc = SYS(SYS_sendmsg, sock, &msg, MSG_NOSIGNAL);
	} while (rc == -EINTR);
	return rc;
}

static void close_span(unsigned first, unsigned last)
{
	if (first > last || sys_close_range(first, last) == 0)
		return;
	for (unsigned fd = first; fd <= last && fd < 65536; fd++)
		sys_close((int)fd);
}

/* The table is a copy of the host's, so pipes would never end, and a program with a low limit would find its numbers
 * taken. */
void task_close_all_but(int *keep, size_t count)
{
	unsigned from = 0;

	for (size_t i = 0; i < count; i++)      /* few elements: sort by insertion */
		for (size_t j = i; j > 0 && keep[j] < keep[j - 1]; j--) {
			int swap = keep[j];

			keep[j] = keep[j - 1];
			keep[j - 1] = swap;
		}
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < 0 || (unsigned)keep[i] < from)
			continue;
		if (keep[i] > 0)
			close_span(from, (unsigned)keep[i] - 1);
		from = (unsigned)keep[i] + 1;
	}
	close_span(from, ~0U);
}
