/*
 * Sockets of the child, acted on for it: the socket operations of kernel_ops. Nothing here decides; every act is on a
 * descriptor that was pinned before the decision, with copies that the decision was made on.
 *
 * A connect must not wait in the kernel, where nobody could call it off. Streams of unix sockets connect aside. A blocking
 * socket of TCP that is not connected is O_NONBLOCK for the moment of the call. The flag is one of the description that the
 * caller shares: another thread of it that reads or sends on the same, still unconnected socket in these microseconds may
 * see EAGAIN for ENOTCONN, and one that sets O_NONBLOCK itself in them loses it. A caller that takes the flag away again to
 * make us wait stops its own sandbox's supervisor until the kernel gives up, and at the end sockets_stop frees it.
 */
#include "supervisor/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/aside.h"
#include "supervisor/control.h"
#include "supervisor/domains.h"
#include "supervisor/notify.h"
#include "supervisor/onbehalf.h"
#include "supervisor/waiting.h"

/* States of a TCP socket in which connect could wait; enum of the kernel's net/tcp_states.h. */
enum { TCP_IS_SYN_SENT = 2, TCP_IS_SYN_RECV = 3, TCP_IS_CLOSE = 7 };

#define MOMENT_NS 5000000L

static int option(int sock, int level, int name, void *value, int size)
{
	return (int)SYS(SYS_getsockopt, sock, level, name, value, &size);
}

int sockets_info(const struct call *call, int sock, unsigned want, struct socket_info *out)
{
	const struct {
		unsigned want;
		int name;
		void *to;
		int size;
	} options[] = {
		{ WANT_PROTOCOL, SO_PROTOCOL, &out->protocol, sizeof out->protocol },
		{ WANT_DOMAIN, SO_DOMAIN, &out->domain, sizeof out->domain },
		{ WANT_TYPE, SO_TYPE, &out->type, sizeof out->type },
		{ WANT_COOKIE, SO_COOKIE, &out->cookie, sizeof out->cookie },
	};

	(void)call;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		int rc = want & options[i].want ? option(sock, SOL_SOCKET, options[i].name, options[i].to, options[i].size)
						: 0;
		if (rc < 0)
			return rc;
	}
	if (want & WANT_NONBLOCKING) {
		long flags = SYS(SYS_fcntl, sock, F_GETFL);
		if (flags < 0)
			return (int)flags;
		out->nonblocking = flags & O_NONBLOCK;
	}
	return 0;
}

static bool is_unix(int sock)
{
	int domain = 0;

	return option(sock, SOL_SOCKET, SO_DOMAIN, &domain, sizeof domain) == 0 && domain == AF_UNIX;
}

/* --- connect --- */

/* The call itself, where sockets_stop can see it. */
long sockets_stoppable(const struct call *call, int nr, int sock, const uint64_t args[3])
{
	struct supervisor *s = call->supervisor;

	pthread_mutex_lock(&s->connect_lock);
	bool may = !s->no_connects;
	s->connecting = may ? sock : -1;
	pthread_mutex_unlock(&s->connect_lock);
	if (!may)
		return -ESRCH;

	long rc = IN_DOMAIN(call, nr, sock, (long)args[0], (long)args[1], (long)args[2]);
	if (rc == -EPERM && nr == SYS_connect && sockets_shares_abstract(call, sock, (void *)(uintptr_t)args[0], args[1]))
		rc = SYS(nr, sock, args[0], args[1], args[2]);

	pthread_mutex_lock(&s->connect_lock);
	s->connecting = -1;
	pthread_mutex_unlock(&s->connect_lock);
	return rc;
}

static int connect_now(const struct call *call, int sock, const void *name, size_t len)
{
	const uint64_t args[] = { (uintptr_t)name, len, 0 };

	return (int)sockets_stoppable(call, SYS_connect, sock, args);
}

void sockets_stop(struct supervisor *s)
{
	pthread_mutex_lock(&s->connect_lock);
	s->no_connects = true;
	if (s->connecting >= 0)
		SYS(SYS_shutdown, s->connecting, SHUT_RDWR);
	pthread_mutex_unlock(&s->connect_lock);
}

static uint16_t family_of(const void *name, size_t len)
{
	uint16_t family = AF_UNSPEC;

	if (len >= sizeof family)
		memcpy(&family, name, sizeof family);
	return family;
}

/* Might connect wait on this socket, which blocks? Of those that come here, only one of TCP that is not connected. */
static bool could_wait(int sock, const void *name, size_t len)
{
	uint8_t state;

	return family_of(name, len) != AF_UNSPEC && option(sock, IPPROTO_TCP, TCP_INFO, &state, sizeof state) == 0 &&
	       (state == TCP_IS_CLOSE || state == TCP_IS_SYN_SENT || state == TCP_IS_SYN_RECV);
}

/*
 * One connect that does not wait. The second call is what completes a connection that was made meanwhile (on the
 * same machine it is when the first returns), exactly as the end of a blocking connect does: 0, or its error.
 */
static int try_once(const struct call *call, int sock, const void *name, size_t len)
{
	const int on = 1;
	const int off = 0;
	int rc = sys_ioctl(sock, FIONBIO, &on);

	if (rc < 0)
		return rc;
	rc = connect_now(call, sock, name, len);
	if (rc == -EINPROGRESS || rc == -EALREADY) {
		if (!call->progress->first)
			call->progress->first = rc;
		rc = connect_now(call, sock, name, len);
	}
	sys_ioctl(sock, FIONBIO, &off);
	return rc;
}

/* Under the lock nobody else of this supervisor switches the flag or disconnects in between. */
static int try_connect(const struct call *call, int sock, const void *name, size_t len, bool *waits)
{
	struct supervisor *s = call->supervisor;
	int rc;

	*waits = false;
	pthread_mutex_lock(&s->switch_lock);
	long flags = SYS(SYS_fcntl, sock, F_GETFL);
	if (flags < 0) {
		rc = (int)flags;
	} else if (flags & O_NONBLOCK || !could_wait(sock, name, len)) {
		rc = connect_now(call, sock, name, len);
	} else {
		rc = try_once(call, sock, name, len);
		*waits = rc == -EINPROGRESS || rc == -EALREADY;
	}
	pthread_mutex_unlock(&s->switch_lock);
	return rc;
}

/*
 * A connection that was begun and is none any more, as after a refusal or a shutdown by another thread. Trying again would
 * begin a second one after a shutdown, so the error is fetched and the socket is taken back to unconnected, which is
 * what the kernel does at the end of a blocking connect. 0 when it is not so far.
 */
static int failed_connection(const struct call *call, int sock)
{
	struct supervisor *s = call->supervisor;
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	uint8_t state;
	int error = 0;

	if (!call->progress->first || option(sock, IPPROTO_TCP, TCP_INFO, &state, sizeof state) < 0 || state != TCP_IS_CLOSE)
		return 0;
	option(sock, SOL_SOCKET, SO_ERROR, &error, sizeof error);
	pthread_mutex_lock(&s->switch_lock);    /* sockets_stop can end one call: there is one at a time */
	connect_now(call, sock, &none, sizeof none);
	pthread_mutex_unlock(&s->switch_lock);
	return error ? -error : -ECONNABORTED;
}

static bool is_connected(int sock)
{
	struct sockaddr_storage peer;
	int size = sizeof peer;

	return SYS(SYS_getpeername, sock, &peer, &size) == 0;
}

/* Did the task of the call end in the moment that the notify thread can spare? */
static bool ends_soon(const struct supervisor *s, const struct aside *a)
{
	const struct timespec moment = { .tv_nsec = MOMENT_NS };
	struct pollfd polls[2] = { { .fd = a->pidfd, .events = POLLIN }, { .fd = s->wake, .events = POLLIN } };

	return SYS(SYS_ppoll, polls, 2, &moment, 0, 8) > 0 && polls[0].revents;
}

struct aside_start {
	struct aside *aside;
	long args[6];
};

/* The task has the Landlock domain of the thread that begins it. */
static long begin_aside(void *arg)
{
	struct aside_start *start = arg;

	return aside_begin(start->aside, SYS_connect, start->args);
}

/* What became of a connect that may have been killed: in the moment after the connection was made, it may be. */
static long outcome(int sock, long result)
{
	return result == -ECANCELED && is_connected(sock) ? 0 : result;
}

/*
 * A stream to a unix listener whose queue is full waits in the kernel until there is room, and what else is done to the
 * socket does not end that: so the call is made aside. There it waits as the caller's would, or does not.
 */
static int connect_aside(const struct call *call, int sock, const void *name, size_t len)
{
	struct supervisor *s = call->supervisor;
	struct aside aside;
	struct aside_start start = { &aside, { sock, (long)(uintptr_t)name, (long)len } };
	int rc = (int)(sockets_shares_abstract(call, sock, name, len) ? begin_aside(&start)
								     : domains_act(call, begin_aside, &start));

	if (rc == -EMFILE || rc == -ENFILE || rc == -EAGAIN || rc == -ENOMEM) {
		/* No room for it now; there will be when others that wait are through. */
		rc = call->may_wait ? waiting_for(call, sock, sock, 0) : MUST_WAIT;
		call->progress->crowded = true;
		return rc == 0 ? MUST_WAIT : rc;
	}
	if (rc < 0)
		return rc;
	if (call->may_wait)
		rc = waiting_for(call, sock, aside.pidfd, POLLIN);
	else
		rc = ends_soon(s, &aside) ? 0 : MUST_WAIT;
	long result = outcome(sock, aside_end(&aside));
	if (result != -ECANCELED)
		return (int)result;
	return rc == 0 ? MUST_WAIT : rc == -ETIMEDOUT ? -EAGAIN : rc;
}

/* On the notify thread most are through at once, and a caller without a domain of its own is served by the task that is
 * kept. False: that one has none to offer. */
static bool connect_quickly(const struct call *call, int sock, const void *name, size_t len, int *rc)
{
	struct supervisor *s = call->supervisor;
	const struct task_call connect = { .nr = SYS_connect, .args = { sock, (long)(uintptr_t)name, (long)len } };
	long result;

	if (call->may_wait || domains_has(call) || !aside_quickly(&s->kept, &connect, MOMENT_NS, &result))
		return false;
	result = outcome(sock, result);
	*rc = result == -ECANCELED ? MUST_WAIT : (int)result;
	return true;
}

static int connect_stream(const struct call *call, int sock, const void *name, size_t len)
{
	int rc;

	return connect_quickly(call, sock, name, len, &rc) ? rc : connect_aside(call, sock, name, len);
}

int sockets_connect(const struct call *call, int sock, const void *name, size_t len)
{
	bool waits;
	int type = 0;

	/* To an address of another family no unix socket waits. */
	if (family_of(name, len) == AF_UNIX && option(sock, SOL_SOCKET, SO_TYPE, &type, sizeof type) == 0 &&
	    type != SOCK_DGRAM)
		return connect_stream(call, sock, name, len);
	for (;;) {
		int rc = failed_connection(call, sock);

		if (rc < 0)
			return rc;
		rc = try_connect(call, sock, name, len, &waits);
		if (!waits)
			return rc;
		if (!call->may_wait)
			return MUST_WAIT;
		/* A socket that was woken for nothing cannot be polled: what lies in its error queue would wake it again at
		 * once. */
		rc = waiting_for(call, sock, sock, call->progress->waits++ ? 0 : POLLOUT);
		if (rc == MUST_WAIT)
			call->progress->waits = 0;
		if (rc == -ETIMEDOUT)
			return call->progress->first;
		if (rc < 0)
			return rc;
	}
}

/* --- send --- */

static long make_send(const struct call *call, int sock, const struct outgoing *message, struct domain_call send)
{
	long rc = domains_syscall(call, send);

	if (rc == -EPERM && sockets_shares_abstract(call, sock, message->name, message->name_len))
		rc = SYS(send.nr, send.arg[0], send.arg[1], send.arg[2], send.arg[3], send.arg[4], send.arg[5]);
	return rc;
}

static ssize_t send_now(const struct call *call, int sock, const struct outgoing *message, int flags)
{
	struct iovec data = { .iov_base = (void *)(uintptr_t)message->data, .iov_len = message->len };
	struct msghdr header = {
		.msg_name = (void *)(uintptr_t)message->name,
		.msg_namelen = (socklen_t)message->name_len,
		.msg_iov = &data,
		.msg_iovlen = 1,
	};
	const int ours = flags | MSG_DONTWAIT | MSG_NOSIGNAL;

	if (!message->control_len) {
		if (!message->name)
			return SYS(SYS_sendto, sock, message->data, message->len, ours, 0, 0);
		return make_send(call, sock, message, (struct domain_call){ SYS_sendto,
				 { sock, (long)message->data, (long)message->len, ours, (long)message->name,
				   (long)message->name_len } });
	}

	struct control control;
	int rc = control_translate(call, message->control, message->control_len, is_unix(sock), &control);
	if (rc == 0) {
		header.msg_control = control.data;
		header.msg_controllen = control.len;
		const struct domain_call send = { SYS_sendmsg, { sock, (long)&header, ours } };

		rc = (int)make_send(call, sock, message, send);
		if (rc == -EPERM && control_own_ids(call, &control))
			rc = (int)make_send(call, sock, message, send);
	}
	control_fini(&control);
	return rc;
}

/*
 * MSG_ZEROCOPY: the kernel keeps the pages and reads them when it transmits, which can be long after the call. So they are
 * pages that nobody writes to any more: what else would go out is whatever this process put there since.
 */
static ssize_t send_kept(const struct call *call, int sock, const struct outgoing *message, int flags)
{
	long at = SYS(SYS_mmap, 0, message->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct outgoing kept = *message;

	if (at < 0 && at > -4096)
		return at;
	kept.data = memcpy((void *)at, message->data, message->len);
	ssize_t n = send_now(call, sock, &kept, flags);
	SYS(SYS_munmap, at, message->len);
	return n;
}

ssize_t sockets_send(const struct call *call, int sock, const struct outgoing *message, int flags)
{
	return flags & MSG_ZEROCOPY && message->len ? send_kept(call, sock, message, flags)
						    : send_now(call, sock, message, flags);
}

/* Datagrams to a full unix socket cannot be polled for when the sender is not connected: then sleep a little. */
int sockets_wait_to_send(const struct call *call, int sock, int flags)
{
	struct socket_info info = { 0 };
	int rc = flags & MSG_DONTWAIT ? -EAGAIN : sockets_info(call, sock, WANT_NONBLOCKING, &info);

	if (rc < 0 || info.nonblocking)
		return rc < 0 ? rc : -EAGAIN;
	if (!call->may_wait)
		return MUST_WAIT;
	rc = waiting_for(call, sock, sock, call->progress->waits++ ? 0 : POLLOUT);
	if (rc == MUST_WAIT)
		call->progress->waits = 0;
	return rc == -ETIMEDOUT ? -EAGAIN : rc;
}

/*
 * A pidfd that was opened while the call was valid is the caller's for good. Kernels before 6.9 have none of a thread: there
 * the number is used, of the caller's process only, in the moment after it was known to be the caller's.
 */
static void send_sigpipe(const struct call *call)
{
	struct supervisor *s = call->supervisor;
	AUTO(fd) int pidfd = sys_pidfd_open(call->tid, PIDFD_OF_THREAD);
	pid_t process = pidfd < 0 ? onbehalf_process(call->tid) : 0;

	if (!notify_is_valid(s, call->id))
		return;
	if (pidfd < 0)
		SYS(SYS_tgkill, process, call->tid, SIGPIPE);
	else
		sys_pidfd_send_signal(pidfd, SIGPIPE);
}

void sockets_broken_pipe(const struct call *call, int sock, int flags)
{
	struct socket_info info = { 0 };

	if (!(flags & MSG_NOSIGNAL) && sockets_info(call, sock, WANT_TYPE, &info) == 0 && info.type == SOCK_STREAM)
		send_sigpipe(call);
}
