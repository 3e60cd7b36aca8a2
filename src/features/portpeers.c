/*
 * With --port-remap: whom a program hears from. accept, recvfrom, recvmsg and recvmmsg show the port of a peer in the sandbox
 * as the peer itself sees it, so that a program which compares the source of an answer with where it asked finds them equal.
 *
 * Nothing is decided by an address that is told, so whatever needs no translation is left to the kernel, also where a
 * second thread could change what was looked at (that thread then sees a real port). Who would have to wait is parked:
 * whom it will hear from is not known before. What must be translated is taken in the place of the caller.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "features/netmsg.h"
#include "features/portview.h"
#include "features/registry.h"
#include "policy/network.h"

#define DATAGRAM_MAX 65536U             /* no larger one comes, not even joined ones (UDP_GRO) */
#define CONTROL_MAX 65536U
#define MMSG_SIZE 64
#define MMSG_LEN_AT 56
#define HEADER_NAME_LEN_AT 8
#define HEADER_CONTROL_LEN_AT 40
#define HEADER_FLAGS_AT 48

static int peers_start(const struct feature_env *env, void **state, struct error *err)
{
	(void)err;
	*state = env->ports;
	return 0;
}

static bool is_of(const struct call *call, int sock, int protocol)
{
	struct socket_info info = { 0 };

	return call->kernel->socket_info(call, sock, WANT_PROTOCOL, &info) == 0 && info.protocol == protocol;
}

static bool blocks(const struct call *call, int sock)
{
	struct socket_info info = { 0 };

	return call->kernel->socket_info(call, sock, WANT_NONBLOCKING, &info) == 0 && !info.nonblocking;
}

/* --- accept --- */

static struct verdict accept_here(const struct call *call, struct portmap *ports, int *sock, int flags)
{
	struct port_name name;

	AUTO(fd) int peer = call->kernel->accept(call, *sock, flags, name.bytes, &name.len);
	if (peer == MUST_WAIT)
		return v_park(take_fd(sock));
	if (peer < 0)
		return v_errno(peer);
	portview_translate(call, ports, NET_TCP, &name, true);
	int rc = portview_tell(call, &name, call->raw[1], call->raw[2]);
	if (rc < 0)
		return v_errno(rc);
	return v_give_fd(take_fd(&peer), flags & SOCK_CLOEXEC ? O_CLOEXEC : 0);
}

static struct verdict on_accept(const struct call *call, void *state)
{
	const int flags = call->nr == SYS_accept4 ? (int)call->raw[3] : 0;
	struct portmap *ports = state;

	if (call->progress->wake < 0)
		return v_errno(call->progress->wake);
	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return v_next();
	AUTO(fd) int sock = call->kernel->pin_fd(call, (int)call->raw[0]);
	if (sock < 0 || !is_of(call, sock, IPPROTO_TCP) || (!portmap_has_clients(ports) && !blocks(call, sock)))
		return v_next();
	return accept_here(call, ports, &sock, flags);
}

/* --- datagrams --- */

/* A call that receives. */
struct reader {
	const struct call *call;
	struct portmap *ports;
	int sock;
	int flags;
	bool waits;             /* the call would wait for a datagram */
};

/* Looks at the sender of the next datagram. True: the caller must be served here; else *out is what to do. */
static bool must_serve(struct reader *r, struct verdict *out)
{
	struct port_name name;
	struct incoming next = { .name = name.bytes, .name_len = sizeof name.bytes };
	bool differs = portmap_differs(r->ports, NET_UDP);

	*out = v_next();
	if (!differs && !r->waits)
		return false;
	ssize_t n = r->call->kernel->receive(r->call, r->sock, &next, (r->flags & ~MSG_TRUNC) | MSG_PEEK);
	if (n < 0) {            /* an error that waited for the caller is told once, and this was it */
		*out = n == -EAGAIN && r->waits ? v_park(take_fd(&r->sock)) : v_errno((int)n);
		return false;
	}
	name.len = next.name_len;
	int rc = differs ? portview_translate(r->call, r->ports, NET_UDP, &name, r->call->may_wait) : 0;
	if (rc == MUST_WAIT)
		*out = v_later();
	return rc == 1;
}

/* The same for what lies in the error queue, at which nobody can look without taking it, and for several messages. */
static bool must_serve_unseen(const struct reader *r, struct verdict *out)
{
	*out = v_next();
	if (!portmap_differs(r->ports, NET_UDP) && !r->call->progress->messages)
		return false;
	*out = v_later();
	return r->call->may_wait;
}

/* False: *out is what to do. */
static bool begin(const struct call *call, void *state, int flags, struct reader *r, struct verdict *out)
{
	*r = (struct reader){ .call = call, .ports = state, .sock = -1, .flags = flags };
	*out = v_errno(call->progress->wake);
	if (call->progress->wake < 0)
		return false;
	*out = v_next();
	if (flags & MSG_OOB)
		return false;
	r->sock = call->kernel->pin_fd(call, (int)call->raw[0]);
	if (r->sock < 0 || !is_of(call, r->sock, IPPROTO_UDP))
		return false;
	r->waits = !(flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) && blocks(call, r->sock);
	return true;
}

/* What came where nobody else was to have taken it: the datagram that was looked at is another thread's. */
static struct verdict nothing_came(struct reader *r)
{
	return r->waits ? v_park(take_fd(&r->sock)) : v_errno(EAGAIN);
}

static struct verdict served(struct reader *r, int64_t n)
{
	return n == -EAGAIN ? nothing_came(r) : v_result(n);
}

static int64_t serve_recvfrom(const struct reader *r)
{
	const struct call *call = r->call;
	size_t room = call->raw[2] < DATAGRAM_MAX ? (size_t)call->raw[2] : DATAGRAM_MAX;
	struct port_name name;
	AUTO(free) char *data = mem_alloc(room + 1);
	struct incoming in = { .name = name.bytes, .name_len = sizeof name.bytes, .data = data, .len = room };

	if (!data)
		return -ENOMEM;
	ssize_t n = call->kernel->receive(call, r->sock, &in, r->flags);
	if (n < 0)
		return n;
	size_t came = (size_t)n < room ? (size_t)n : room;
	int rc = came ? call->kernel->copy_out(call, call->raw[1], data, came) : 0;
	name.len = in.name_len;
	portview_translate(call, r->ports, NET_UDP, &name, true);
	if (rc == 0)
		rc = portview_tell(call, &name, call->raw[4], call->raw[5]);
	return rc < 0 ? rc : n;
}

static struct verdict on_recvfrom(const struct call *call, void *state)
{
	struct reader r;
	struct verdict v;

	bool serve = begin(call, state, (int)call->raw[3], &r, &v) &&
		     (r.flags & MSG_ERRQUEUE ? must_serve_unseen(&r, &v) : must_serve(&r, &v));
	if (serve)
		v = served(&r, serve_recvfrom(&r));
	fd_close(&r.sock);
	return v;
}

/* --- messages --- */

static int scatter(const struct call *call, const struct message *m, const char *data, size_t len)
{
	int rc = 0;

	for (size_t i = 0; i < m->count && len && rc == 0; i++) {
		size_t n = m->pieces[i].len < len ? (size_t)m->pieces[i].len : len;

		rc = n ? call->kernel->copy_out(call, m->pieces[i].at, data, n) : 0;
		data += n;
		len -= n;
	}
	return rc;
}

/* Everything but the data into the header at `at`, in the kernel's order. */
static int tell_header(const struct call *call, uint64_t at, const struct message_room *room, const struct incoming *in,
		       const struct port_name *name)
{
	uint64_t control_len = in->control_len;
	int rc = 0;

	if (in->control_len)
		rc = call->kernel->copy_out(call, room->control, in->control, in->control_len);
	if (rc == 0 && room->name)
		rc = portview_tell(call, name, room->name, at + HEADER_NAME_LEN_AT);
	if (rc == 0)
		rc = call->kernel->copy_out(call, at + HEADER_FLAGS_AT, &in->flags, sizeof in->flags);
	return rc < 0 ? rc : call->kernel->copy_out(call, at + HEADER_CONTROL_LEN_AT, &control_len, sizeof control_len);
}

static int64_t serve_into(const struct reader *r, uint64_t at, const struct message *m, const struct message_room *room)
{
	struct port_name name;
	size_t len = m->total < DATAGRAM_MAX ? (size_t)m->total : DATAGRAM_MAX;
	size_t control_len = room->control_len < CONTROL_MAX ? (size_t)room->control_len : CONTROL_MAX;
	AUTO(free) char *data = mem_alloc(len + control_len + 8);
	struct incoming in = { .name = name.bytes, .name_len = sizeof name.bytes, .data = data, .len = len,
			       .control_len = control_len };

	if (!data)
		return -ENOMEM;
	in.control = data + (len + 7) / 8 * 8;
	ssize_t n = r->call->kernel->receive(r->call, r->sock, &in, r->flags);
	if (n < 0)
		return n;
	int rc = scatter(r->call, m, data, (size_t)n < len ? (size_t)n : len);
	name.len = in.name_len;
	portview_translate(r->call, r->ports, NET_UDP, &name, true);
	if (rc == 0)
		rc = tell_header(r->call, at, room, &in, &name);
	return rc < 0 ? rc : n;
}

/* One message into the msghdr at `at`; bytes or -errno. */
static int64_t serve_message(const struct reader *r, uint64_t at)
{
	struct message m;
	struct message_room room;
	int64_t rc = message_read_room(r->call, at, &m, &room);

	if (rc == 0)
		rc = serve_into(r, at, &m, &room);
	message_fini(&m);
	return rc;
}

static struct verdict on_recvmsg(const struct call *call, void *state)
{
	uint64_t name = 0;
	struct reader r;
	struct verdict v;

	bool serve = begin(call, state, (int)call->raw[2], &r, &v);
	if (serve && (call->kernel->copy_in(call, &name, call->raw[1], sizeof name) < 0 || !name))
		serve = false;  /* nobody asks for an address */
	if (serve)
		serve = r.flags & MSG_ERRQUEUE ? must_serve_unseen(&r, &v) : must_serve(&r, &v);
	if (serve)
		v = served(&r, serve_message(&r, call->raw[1]));
	fd_close(&r.sock);
	return v;
}

/* --- recvmmsg --- */

/* When its timeout is over, looked at after each message. 0 or -errno. */
static int find_end(const struct call *call)
{
	struct progress *p = call->progress;
	struct timespec timeout;

	if (p->until)
		return 0;
	p->until = UINT64_MAX;
	if (!call->raw[4])
		return 0;
	int rc = call->kernel->copy_in(call, &timeout, call->raw[4], sizeof timeout);
	if (rc < 0)
		return rc;
	if (timeout.tv_sec < 0 || timeout.tv_nsec < 0 || timeout.tv_nsec > 999999999)
		return -EINVAL;
	if ((uint64_t)timeout.tv_sec < UINT64_MAX / 4000000000ULL)
		p->until = sys_now() + (uint64_t)timeout.tv_sec * 1000000000ULL + (uint64_t)timeout.tv_nsec;
	return 0;
}

/* The messages that came, and what is left of the timeout. */
static int64_t batch_done(const struct call *call)
{
	const struct progress *p = call->progress;
	uint64_t now = sys_now();
	uint64_t left = p->until > now ? p->until - now : 0;
	const struct timespec rest = { .tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000) };

	if (p->until == UINT64_MAX || !p->until)
		return p->messages;
	int rc = call->kernel->copy_out(call, call->raw[4], &rest, sizeof rest);
	return rc < 0 ? rc : (int64_t)p->messages;
}

/* One more message of the batch; its flags may say that it does not wait. */
static int64_t serve_element(struct reader *r)
{
	struct progress *p = r->call->progress;
	const uint64_t at = r->call->raw[1] + (uint64_t)p->messages * MMSG_SIZE;
	int64_t n;

	r->flags = (int)r->call->raw[3] & ~MSG_WAITFORONE;
	if (p->messages && (int)r->call->raw[3] & MSG_WAITFORONE)
		r->waits = false;
	n = serve_message(r, at);
	if (n < 0)
		return n;
	const uint32_t len = (uint32_t)n;
	int rc = r->call->kernel->copy_out(r->call, at + MMSG_LEN_AT, &len, sizeof len);
	return rc < 0 ? rc : n;
}

static struct verdict serve_batch(struct reader *r)
{
	struct progress *p = r->call->progress;
	unsigned count = (unsigned)r->call->raw[2] < MESSAGE_BATCH_MAX ? (unsigned)r->call->raw[2] : MESSAGE_BATCH_MAX;
	int64_t rc = find_end(r->call);

	if (rc < 0)
		return v_errno((int)rc);
	while (p->messages < count) {
		rc = serve_element(r);
		if (rc == -EAGAIN && r->waits)
			return v_park(take_fd(&r->sock));
		if (rc < 0)
			break;
		p->messages++;
		if (p->until <= sys_now())
			break;
	}
	return v_result(p->messages || rc >= 0 ? batch_done(r->call) : rc);
}

/* One message is looked at as ever, and where a difference is known the whole batch is served: the second may be of it. */
static struct verdict on_recvmmsg(const struct call *call, void *state)
{
	struct reader r;
	struct verdict v;

	if (call->progress->wake < 0 && call->progress->messages)
		return v_result(batch_done(call));
	bool serve = begin(call, state, (int)call->raw[3], &r, &v) && must_serve_unseen(&r, &v);
	if (serve)
		v = serve_batch(&r);
	else if (v.kind == V_NEXT && r.waits)
		must_serve(&r, &v);
	fd_close(&r.sock);
	return v;
}

/* --- when --- */

static bool has_datagrams(const struct policy *p)
{
	return policy_has_proto(p, NET_UDP);
}

#define RECEIVES (H_TRIES | H_NO_DECODE | H_OTHERS_PASS)

/* clang-format off */
static const struct handler peers_handlers[] = {
	/* Without an address there is nothing to translate; of a message's header the filter cannot tell. */
	{ "accept",   on_accept,   RECEIVES, .conditional = true, .test_arg = 1, .test_op = ARG_NE_64, .test_value = 0 },
	{ "accept4",  on_accept,   RECEIVES, .conditional = true, .test_arg = 1, .test_op = ARG_NE_64, .test_value = 0 },
	{ "recvfrom", on_recvfrom, RECEIVES, .when = has_datagrams, .conditional = true,
	  .test_arg = 4, .test_op = ARG_NE_64, .test_value = 0 },
	{ "recvmsg",  on_recvmsg,  RECEIVES, .when = has_datagrams },
	{ "recvmmsg", on_recvmmsg, RECEIVES, .when = has_datagrams },
};
/* clang-format on */

const struct feature feature_portpeers = {
	.name = "portpeers", .wanted = policy_remaps_ports, .start = peers_start, HANDLERS(peers_handlers),
};
