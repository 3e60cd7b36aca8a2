/* Control data of a message that is sent for a caller: its descriptors become ours, and nothing in it reroutes. */
#include "supervisor/control.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/notify.h"
#include "supervisor/onbehalf.h"

#define HEADER sizeof(struct control_header)

/* struct cmsghdr as the kernel has it, whatever the C library makes of its first field. */
struct control_header {
	uint64_t len;
	int32_t level;
	int32_t type;
};

struct control_ids {
	int32_t pid;
	uint32_t uid;
	uint32_t gid;
};

/* Options of a message that lead it elsewhere first: source routes, and headers with them; numbers of linux/in.h, in6.h. */
static const struct {
	int32_t level;
	int32_t type;
	const char *name;
} rerouting[] = {
	{ IPPROTO_IP, 7, "IP_RETOPTS" },
	{ IPPROTO_IPV6, 57, "IPV6_RTHDR" },
	{ IPPROTO_IPV6, 5, "IPV6_2292RTHDR" },
	{ IPPROTO_IPV6, 6, "IPV6_2292PKTOPTIONS" },
};

/* The message at *at, whose bytes follow its header: 1 and *at moved behind it, 0 at the end, -EINVAL. */
static int next_message(const struct control *c, size_t *at, struct control_header *head, size_t *body)
{
	if (*at > c->len || c->len - *at < HEADER)
		return 0;
	memcpy(head, c->data + *at, HEADER);
	if (head->len < HEADER || head->len > c->len - *at)
		return -EINVAL;
	*body = *at + HEADER;
	*at += (size_t)(head->len + 7) & ~(size_t)7;
	return 1;
}

static int fetch_fds(struct control *c, int pidfd, size_t body, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *at = c->data + body + i * sizeof(int32_t);
		int32_t number;

		if (c->fd_count == CONTROL_FDS_MAX)
			return -EINVAL;
		memcpy(&number, at, sizeof number);
		int fd = number < 0 ? -EBADF : sys_pidfd_getfd(pidfd, number);
		if (fd < 0)
			return fd;
		c->fds[c->fd_count++] = fd;
		memcpy(at, &(int32_t){ fd }, sizeof number);
	}
	return 0;
}

static int translate_rights(const struct call *call, struct control *c)
{
	AUTO(fd) int pidfd = -1;
	struct control_header head;
	size_t at = 0;
	size_t body;
	int rc;

	while ((rc = next_message(c, &at, &head, &body)) == 1) {
		if (head.level != SOL_SOCKET || head.type != SCM_RIGHTS)
			continue;
		if (pidfd < 0)
			pidfd = onbehalf_pidfd(call->tid);
		rc = pidfd < 0 ? pidfd : fetch_fds(c, pidfd, body, (size_t)(head.len - HEADER) / sizeof(int32_t));
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int refuse(const struct call *call, const char *name)
{
	call->kernel->refuse(call, &(struct refusal){
		.operation = "send",
		.target = name,
		.rule = "a message that brings a route of its own goes where no rule has judged: refused in every sandbox",
		.errnum = EPERM,
	});
	return -EPERM;
}

static int refuse_rerouting(const struct call *call, const struct control *c)
{
	struct control_header head;
	size_t at = 0;
	size_t body;
	int rc;

	while ((rc = next_message(c, &at, &head, &body)) == 1) {
		for (size_t i = 0; i < ARRAY_SIZE(rerouting); i++)
			if (head.level == rerouting[i].level && head.type == rerouting[i].type)
				return refuse(call, rerouting[i].name);
	}
	return rc;
}

int control_translate(const struct call *call, const void *data, size_t len, bool unix_socket, struct control *out)
{
	out->fd_count = 0;
	out->len = len;
	out->data = len > CONTROL_MAX ? NULL : mem_dup(data, len);
	if (!out->data)
		return len > CONTROL_MAX ? -ENOBUFS : -ENOMEM;
	int rc = unix_socket ? translate_rights(call, out) : refuse_rerouting(call, out);
	if (rc == 0 && out->fd_count && !notify_is_valid(call->supervisor, call->id))
		rc = -ESRCH;    /* the descriptors may be somebody else's */
	return rc;
}

void control_fini(struct control *control)
{
	while (control->fd_count > 0)
		fd_close(&control->fds[--control->fd_count]);
	mem_free(control->data);
	control->data = NULL;
}

/* Does the caller have these ids? As the kernel asks: the real, the effective or the saved one; not that of files. */
static bool are_the_callers(const struct call *call, const struct control_ids *ids)
{
	const struct supervisor *s = call->supervisor;
	uint32_t uids[4];
	uint32_t gids[4];
	bool uid = false;
	bool gid = false;
	uint32_t want_uid = s->ids.active && ids->uid == s->ids.inside_uid ? s->ids.outside_uid : ids->uid;
	uint32_t want_gid = s->ids.active && ids->gid == s->ids.inside_gid ? s->ids.outside_gid : ids->gid;

	if (ids->pid != onbehalf_process(call->tid) || onbehalf_ids(call->tid, uids, gids) < 0)
		return false;
	for (size_t i = 0; i < 3; i++) {
		uid |= uids[i] == want_uid;
		gid |= gids[i] == want_gid;
	}
	return uid && gid;
}

bool control_own_ids(const struct call *call, struct control *control)
{
	const struct supervisor *s = call->supervisor;
	struct control_header head;
	struct control_ids ids;
	bool changed = false;
	size_t at = 0;
	size_t body;

	while (next_message(control, &at, &head, &body) == 1) {
		if (head.level != SOL_SOCKET || head.type != SCM_CREDENTIALS || head.len < HEADER + sizeof ids)
			continue;
		memcpy(&ids, control->data + body, sizeof ids);
		if (!are_the_callers(call, &ids))
			continue;
		ids.pid = (int32_t)SYS(SYS_getpid);
		if (s->ids.active) {
			ids.uid = s->ids.outside_uid;
			ids.gid = s->ids.outside_gid;
		}
		memcpy(control->data + body, &ids, sizeof ids);
		changed = true;
	}
	return changed;
}
