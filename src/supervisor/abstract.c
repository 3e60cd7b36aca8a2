/*
 * Whose is an abstract unix socket name? Asked of the kernel's socket diagnosis, whose answers have lengths: the text of
 * /proc/net/unix holds names as they are, and a name with a line feed in it could forge a line.
 */
#include "supervisor/sockets.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/unixname.h"
#include "policy/portmap.h"
#include "supervisor/domains.h"
#include "supervisor/files.h"
#include "supervisor/notify.h"

#define ANSWER_SIZE 32768
#define LISTENS 10              /* TCP_LISTEN of the kernel's net/tcp_states.h, which unix sockets use too */

struct wanted {
	const char *name;       /* without the NUL that begins it */
	size_t len;
	int type;
	uint32_t inode;         /* 0: not found */
};

/* The kernel leaves out most of what look_at() passes over, which on a busy machine is nearly everything. */
static int ask(int diag, int type)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req body;
	} request = {
		.head = { .nlmsg_len = sizeof request, .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.body = { .sdiag_family = AF_UNIX, .udiag_states = type == SOCK_DGRAM ? ~0U : 1U << LISTENS,
			  .udiag_show = UDIAG_SHOW_NAME },
	};

	return (int)SYS(SYS_sendto, diag, &request, sizeof request, 0, NULL, 0);
}

static void look_at(const struct nlmsghdr *head, struct wanted *w)
{
	const struct unix_diag_msg *msg = NLMSG_DATA(head);
	int len = (int)head->nlmsg_len - (int)NLMSG_LENGTH(sizeof *msg);

	if (len < 0 || msg->udiag_type != w->type)
		return;
	/* What a listener has accepted keeps its name, even when somebody else has the name by now. */
	if (w->type != SOCK_DGRAM && msg->udiag_state != LISTENS)
		return;
	const char *at = (const char *)(msg + 1);
	for (const struct rtattr *attr; attr = (const void *)at, RTA_OK(attr, len);) {
		const char *name = RTA_DATA(attr);

		if (attr->rta_type == UNIX_DIAG_NAME && RTA_PAYLOAD(attr) == w->len + 1 && name[0] == '\0' &&
		    memcmp(name + 1, w->name, w->len) == 0)
			w->inode = msg->udiag_ino;
		at += RTA_ALIGN(attr->rta_len);
		len -= (int)RTA_ALIGN(attr->rta_len);
	}
}

/* One datagram of the dump: 1 when it was the last, 0 or -errno. */
static int look_through(const char *answer, size_t size, struct wanted *w)
{
	int left = (int)size;

	for (const struct nlmsghdr *head; head = (const void *)answer, NLMSG_OK(head, (unsigned)left);) {
		if (head->nlmsg_type == NLMSG_DONE)
			return 1;
		if (head->nlmsg_type == NLMSG_ERROR)
			return -EACCES;
		if (head->nlmsg_type == SOCK_DIAG_BY_FAMILY)
			look_at(head, w);
		answer += NLMSG_ALIGN(head->nlmsg_len);
		left -= (int)NLMSG_ALIGN(head->nlmsg_len);
	}
	return 0;
}

static int find(struct wanted *w)
{
	AUTO(free) char *answer = mem_alloc(ANSWER_SIZE);
	AUTO(fd) int diag = (int)SYS(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (!answer || diag < 0)
		return answer ? diag : -ENOMEM;
	int rc = ask(diag, w->type);
	for (rc = rc < 0 ? rc : 0; rc == 0;) {
		long n = SYS(SYS_recvfrom, diag, answer, ANSWER_SIZE, 0, NULL, NULL);

		rc = n < 0 ? (int)n : look_through(answer, (size_t)n, w);
	}
	return rc < 0 ? rc : 0;
}

int sockets_owns_abstract(const struct call *call, const char *name, size_t len, int type)
{
	struct wanted w = { .name = name, .len = len, .type = type };
	AUTO(free) uint64_t *inodes = NULL;
	size_t count = 0;
	int rc = find(&w);

	if (rc < 0)
		return rc;
	if (w.inode == 0)
		return -ECONNREFUSED;
	rc = files_tree_sockets(call, &inodes, &count);
	if (rc < 0)
		return rc;
	return port_inode_among(w.inode, inodes, count);
}

bool sockets_shares_abstract(const struct call *call, int sock, const void *name, size_t len)
{
	struct socket_info info = { 0 };
	struct unix_name to;

	if (!name || unix_name_read(name, len, &to) < 0 || to.kind != UNIX_ABSTRACT || !domains_has(call) ||
	    sockets_info(call, sock, WANT_DOMAIN | WANT_TYPE, &info) < 0 || info.domain != AF_UNIX)
		return false;
	struct wanted w = { .name = to.text, .len = to.len, .type = info.type };
	return find(&w) == 0 && w.inode != 0 && domains_share_socket(call, w.inode);
}
