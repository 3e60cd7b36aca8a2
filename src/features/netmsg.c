/* A message of sendto, sendmsg or sendmmsg: decoded once from the caller's memory, and sent on a pinned socket. */
#include "features/netmsg.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"

#define RW_MAX 0x7ffff000ULL            /* MAX_RW_COUNT: what one call transfers at most */
#define SMALL_DATA 4096
#define MMSG_SIZE 64                    /* struct mmsghdr: a msghdr and the length that was sent */
#define MMSG_LEN_AT 56

/* struct user_msghdr of the 64-bit convention. */
struct raw_header {
	uint64_t name;
	int32_t name_len;
	uint32_t pad;
	uint64_t pieces;
	uint64_t count;
	uint64_t control;
	uint64_t control_len;
	uint64_t flags;
};

_Static_assert(sizeof(struct raw_header) == MMSG_LEN_AT, "the kernel's layout");

static void clear(struct message *m)
{
	memset(m->name, 0, sizeof m->name);
	m->name_len = 0;
	m->named = false;
	m->pieces = m->few;
	m->count = 0;
	m->total = 0;
	m->control = NULL;
	m->control_len = 0;
}

/* A longer name than the kernel's room is cut, as the kernel does here; connect and sendto refuse it. */
static int read_name(const struct call *call, const struct raw_header *raw, struct message *m)
{
	if (!raw->name || !raw->name_len)
		return 0;
	if (raw->name_len < 0)
		return -EINVAL;
	m->name_len = raw->name_len < MESSAGE_NAME_MAX ? (size_t)raw->name_len : MESSAGE_NAME_MAX;
	m->named = true;
	return call->kernel->copy_in(call, m->name, raw->name, m->name_len);
}

static int read_pieces(const struct call *call, const struct raw_header *raw, struct message *m)
{
	if (raw->count > MESSAGE_PIECES_MAX)
		return -EMSGSIZE;
	if (raw->count > MESSAGE_FEW_PIECES) {
		struct piece *many = mem_array((size_t)raw->count, sizeof *many);
		if (!many)
			return -ENOMEM;
		m->pieces = many;
	}
	m->count = (size_t)raw->count;
	int rc = m->count ? call->kernel->copy_in(call, m->pieces, raw->pieces, m->count * sizeof *m->pieces) : 0;
	for (size_t i = 0; i < m->count && rc == 0; i++) {
		if (m->pieces[i].len > INT64_MAX)
			rc = -EINVAL;
		else if (m->pieces[i].len > RW_MAX - m->total)
			m->pieces[i].len = RW_MAX - m->total;
		m->total += rc < 0 ? 0 : m->pieces[i].len;
	}
	return rc;
}

static int read_control(const struct call *call, const struct raw_header *raw, struct message *m)
{
	if (!raw->control_len)
		return 0;
	if (raw->control_len > MESSAGE_CONTROL_MAX)
		return -ENOBUFS;
	m->control = mem_alloc((size_t)raw->control_len);
	if (!m->control)
		return -ENOMEM;
	m->control_len = (size_t)raw->control_len;
	return call->kernel->copy_in(call, m->control, raw->control, m->control_len);
}

int message_read(const struct call *call, uint64_t at, struct message *m)
{
	struct raw_header raw;

	clear(m);
	int rc = call->kernel->copy_in(call, &raw, at, sizeof raw);
	if (rc == 0)
		rc = read_name(call, &raw, m);
	if (rc == 0)
		rc = read_pieces(call, &raw, m);
	return rc == 0 ? read_control(call, &raw, m) : rc;
}

int message_read_room(const struct call *call, uint64_t at, struct message *m, struct message_room *room)
{
	struct raw_header raw;

	clear(m);
	int rc = call->kernel->copy_in(call, &raw, at, sizeof raw);
	if (rc < 0)
		return rc;
	if (raw.name && raw.name_len < 0)
		return -EINVAL;
	*room = (struct message_room){ raw.name, raw.control, raw.control ? raw.control_len : 0 };
	return read_pieces(call, &raw, m);
}

/* The message that a sendto describes: data at raw[1] and raw[2], the address as it was decoded. */
static void message_of_sendto(const struct call *call, struct message *m)
{
	const struct call_arg *name = &call->arg[4];

	clear(m);
	m->named = !name->is_null;
	if (m->named && name->bytes.len) {
		m->name_len = name->bytes.len < MESSAGE_NAME_MAX ? name->bytes.len : MESSAGE_NAME_MAX;
		memcpy(m->name, name->bytes.data, m->name_len);
	}
	m->few[0] = (struct piece){ call->raw[1], call->raw[2] < RW_MAX ? call->raw[2] : RW_MAX };
	m->count = 1;
	m->total = m->few[0].len;
}

void message_fini(struct message *m)
{
	if (m->pieces != m->few)
		mem_free(m->pieces);
	mem_free(m->control);
	m->pieces = m->few;
	m->control = NULL;
}

/* --- sending --- */

/* One message on its way. */
struct sending {
	const struct call *call;
	int sock;
	const struct message *m;
	int flags;
	bool stream;
	char *buf;              /* room for `size` bytes of it */
	size_t size;
};

/* Copies what comes next and tries to send it. Bytes, or -errno. */
static ssize_t send_part(const struct sending *s)
{
	const struct message *m = s->m;
	struct progress *p = s->call->progress;
	size_t want = m->total - p->sent < s->size ? (size_t)(m->total - p->sent) : s->size;
	bool last = p->sent + want == m->total;
	ssize_t n = s->call->kernel->gather(s->call, s->buf, want, m->pieces, m->count, p->sent);

	if (n < 0 || (!s->stream && (size_t)n < want))
		return n < 0 ? n : -EFAULT;
	const struct outgoing part = {
		.name = m->name_len ? m->name : NULL,
		.name_len = m->name_len,
		.control = m->control,
		.control_len = p->sent ? 0 : m->control_len,
		.data = s->buf,
		.len = (size_t)n,
	};
	return s->call->kernel->send(s->call, s->sock, &part, last ? s->flags : s->flags & ~(MSG_OOB | MSG_EOR));
}

/* 0: go on; else what the call says when nothing was sent. */
static int after_failure(const struct sending *s, ssize_t n)
{
	/* The first data of a connection that was put off (TCP_FASTOPEN_CONNECT) waits like any other. */
	if (n == -EAGAIN || n == -EINPROGRESS)
		return s->call->kernel->wait_to_send(s->call, s->sock, s->flags);
	if (n == -EPIPE && s->call->progress->sent == 0)
		s->call->kernel->broken_pipe(s->call, s->sock, s->flags);
	return (int)n;
}

static int64_t send_all(const struct sending *s)
{
	struct progress *p = s->call->progress;

	for (;;) {
		ssize_t n = send_part(s);

		if (n >= 0) {
			p->sent += (uint64_t)n;
			p->waits = 0;
			if (!s->stream || p->sent >= s->m->total || n == 0)
				return (int64_t)p->sent;
			continue;
		}
		int rc = after_failure(s, n);
		if (rc == 0)
			continue;
		/* What went out is told rather than the error that came after it. */
		return rc != MUST_WAIT && p->sent ? (int64_t)p->sent : rc;
	}
}

int64_t message_send(const struct call *call, int sock, const struct message *m, int flags, bool stream)
{
	char small[SMALL_DATA];
	struct sending s = { call, sock, m, flags, stream, small, sizeof small };

	if (!stream && m->total > MESSAGE_DATAGRAM_MAX)
		return -EMSGSIZE;
	if (!call->may_wait && m->total > MESSAGE_HERE_MAX)
		return MUST_WAIT;
	/* A retry can find a shorter message than the one that was begun: then nothing is left to send. */
	if (call->progress->sent > m->total)
		return (int64_t)call->progress->sent;
	if (m->total <= sizeof small)
		return send_all(&s);

	s.size = stream && m->total > MESSAGE_CHUNK ? MESSAGE_CHUNK : (size_t)m->total;
	AUTO(free) char *large = mem_alloc(s.size);
	s.buf = large;
	return large ? send_all(&s) : -ENOMEM;
}

/* One message of a batch, and its length into the caller's array. *partial: it was cut short. */
static int64_t send_element(const struct call *call, int sock, unsigned i, message_act *act, void *arg, bool *partial)
{
	uint64_t at = call->raw[1] + (uint64_t)i * MMSG_SIZE;
	struct message m;
	int64_t rc = message_read(call, at, &m);

	if (rc == 0)
		rc = act(call, sock, &m, (int)call->raw[3], arg);
	*partial = rc >= 0 && (uint64_t)rc < m.total;
	message_fini(&m);
	if (rc < 0)
		return rc;
	const uint32_t len = (uint32_t)rc;
	int written = call->kernel->copy_out(call, at + MMSG_LEN_AT, &len, sizeof len);
	return written < 0 ? written : 0;
}

int64_t message_send_batch(const struct call *call, int sock, message_act *act, void *arg)
{
	struct progress *p = call->progress;
	unsigned count = (unsigned)call->raw[2] < MESSAGE_BATCH_MAX ? (unsigned)call->raw[2] : MESSAGE_BATCH_MAX;
	int64_t rc = 0;

	for (bool partial = false; p->messages < count && !partial;) {
		if (!call->may_wait && p->messages >= MESSAGE_BATCH_HERE)
			return MUST_WAIT;
		rc = send_element(call, sock, p->messages, act, arg, &partial);
		if (rc == MUST_WAIT)
			return MUST_WAIT;
		if (rc < 0)
			break;
		p->messages++;
		p->sent = 0;
		p->waits = 0;
	}
	return p->messages ? p->messages : rc;
}

int64_t message_sendto(const struct call *call, message_act *act, void *arg)
{
	struct message m;

	AUTO(fd) int sock = call->kernel->pin_fd(call, call->arg[0].fd);
	if (sock < 0)
		return sock;
	message_of_sendto(call, &m);
	return act(call, sock, &m, (int)call->raw[3], arg);
}

int64_t message_sendmsg(const struct call *call, message_act *act, void *arg)
{
	struct message m;

	AUTO(fd) int sock = call->kernel->pin_fd(call, call->arg[0].fd);
	if (sock < 0)
		return sock;
	int64_t rc = message_read(call, call->raw[1], &m);
	if (rc == 0)
		rc = act(call, sock, &m, (int)call->raw[2], arg);
	message_fini(&m);
	return rc;
}

int64_t message_sendmmsg(const struct call *call, message_act *act, void *arg)
{
	AUTO(fd) int sock = call->kernel->pin_fd(call, call->arg[0].fd);
	return sock < 0 ? sock : message_send_batch(call, sock, act, arg);
}
