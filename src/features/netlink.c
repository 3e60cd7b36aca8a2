/*
 * Route netlink sockets that know of loopback and nothing else.
 *
 * A NETLINK_ROUTE socket of the sandbox is one end of a socket pair whose other end a thread here serves (base/nlmsg.c has
 * the answers). Nothing that programs do all day is trapped for it: no close, no receiving, no options. Making such a
 * socket and giving it a netlink address is; it is known by its inode, so copies, children and whoever it is passed to
 * have it too.
 *
 * Sending and getsockname are trapped as well, but a filter cannot see what kind of socket is meant, and servers do both
 * for every connection. So these sockets get numbers of their own, and only calls on those are trapped. What is sent is
 * then answered before the send returns, as the kernel does: musl relies on it. A copy with another number is answered by
 * the thread a moment later, and the name that the kernel tells of it has the port id, which is all that glibc looks at,
 * but not the family.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/nlmsg.h"
#include "base/sys.h"
#include "base/thread.h"
#include "features/netmsg.h"
#include "features/registry.h"

#define MAX_SOCKETS 256
#define FEW_SOCKETS 16                  /* which a program may have whatever the host has open */
#define SEND_BUFFER 65536               /* what a client that does not read can make the kernel keep for it */
#define FIRST_FREE_PORT 0xfffff000U     /* and down from there: where the kernel looks when the process id is taken */
#define NAME_TRIES 16
/* The numbers: below what select() can take and what most may open, or what is left under a small limit. */
#define BIG_FIRST 0x3c0U
#define BIG_MASK 0xffffffc0U
#define SMALL_FIRST 0x30U
#define SMALL_MASK 0xfffffff0U
#define FLAG_BITS ((uint32_t)(SOCK_NONBLOCK | SOCK_CLOEXEC))
#define KIND_BITS 0xfU

/* One socket of the sandbox. */
struct channel {
	int fd;                         /* our end */
	ino_t inode;                    /* of the other end */
	uint32_t port_id;
	bool bound;                     /* it has its address: by bind, or by the first message */
	bool asked;
	struct nlmsg_replies *late;     /* could not be sent yet */
	size_t late_at;
};

/* What the thread works with; made with the first socket. */
struct desk {
	struct channel channel[MAX_SOCKETS];
	uint8_t request[NLMSG_REQUEST_MAX];
	struct nlmsg_replies replies;
};

struct netlink {
	atomic_size_t alive;            /* count, for who does not hold the lock */
	pthread_mutex_t lock;
	struct channel *channel;        /* of the desk */
	size_t count;
	uint32_t next_port;
	uint32_t first_number;          /* of their own; 0: none */
	uint32_t number_mask;
	struct desk *desk;
	int wake;
	bool stopping;
	pthread_t thread;
};

/* --- the thread --- */

static void drop(struct netlink *nl, size_t i)
{
	fd_close(&nl->channel[i].fd);
	mem_free(nl->channel[i].late);
	nl->channel[i] = nl->channel[--nl->count];
	atomic_store(&nl->alive, nl->count);
}

/* Sends from *at on. 0, -EAGAIN when the client has to read first, or another error: the client is gone. */
static int send_replies(int fd, const struct nlmsg_replies *replies, size_t *at)
{
	const void *data;
	size_t len;
	size_t next = *at;

	while (nlmsg_next(replies, &next, &data, &len)) {
		long rc = SYS(SYS_sendto, fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);

		if (rc < 0)
			return (int)rc;
		*at = next;
	}
	return 0;
}

/* Answers one datagram; false when the channel is of no use any more. */
static bool answer(struct netlink *nl, struct channel *c, const void *data, size_t len)
{
	const struct nlmsg_request req = {
		.data = data, .len = len, .port_id = c->port_id, .first = !c->asked,
	};
	size_t at = 0;

	c->asked = true;
	c->bound = true;
	nlmsg_answer(&req, &nl->desk->replies);
	int rc = send_replies(c->fd, &nl->desk->replies, &at);
	if (rc != -EAGAIN)
		return rc == 0;
	c->late = mem_dup(&nl->desk->replies, sizeof nl->desk->replies);
	c->late_at = at;
	return true;            /* without memory they are lost, as in the kernel */
}

static bool send_late(struct channel *c)
{
	int rc = send_replies(c->fd, c->late, &c->late_at);

	if (rc == -EAGAIN)
		return true;
	mem_free(TAKE(c->late));
	return rc == 0;
}

/* One datagram of one client; false when it is gone. A client that ends its sending reads as empty from then on. */
static bool serve(struct netlink *nl, struct channel *c, short revents)
{
	if (c->late)
		return !(revents & (POLLHUP | POLLERR)) && send_late(c);

	long n = SYS(SYS_recvfrom, c->fd, nl->desk->request, sizeof nl->desk->request, MSG_DONTWAIT, 0, 0);
	if (n == -EINTR || (n == -EAGAIN && !(revents & (POLLHUP | POLLERR))))
		return true;
	if (n == 0)
		return !(revents & (POLLHUP | POLLRDHUP | POLLERR));
	return n > 0 && answer(nl, c, nl->desk->request, (size_t)n);
}

static size_t list_polls(const struct netlink *nl, struct pollfd *polls)
{
	polls[0] = (struct pollfd){ .fd = nl->wake, .events = POLLIN };
	for (size_t i = 0; i < nl->count; i++) {
		/* Who has to read before we go on is asked nothing else, and has no end that could be seen too early. */
		short events = nl->channel[i].late ? POLLOUT : POLLIN | POLLRDHUP;

		polls[i + 1] = (struct pollfd){ .fd = nl->channel[i].fd, .events = events };
	}
	return nl->count + 1;
}

/* Backwards: what a dropped one is replaced by has been served already or was not polled. Only this thread drops. */
static void serve_ready(struct netlink *nl, const struct pollfd *polls, size_t count)
{
	uint64_t woken;

	if (polls[0].revents)
		sys_read(nl->wake, &woken, sizeof woken);
	for (size_t i = count - 1; i-- > 0;)
		if (polls[i + 1].revents && !serve(nl, &nl->channel[i], polls[i + 1].revents))
			drop(nl, i);
}

static void *netlink_main(void *arg)
{
	struct netlink *nl = arg;
	struct pollfd polls[MAX_SOCKETS + 1];

	pthread_mutex_lock(&nl->lock);
	while (!nl->stopping) {
		size_t count = list_polls(nl, polls);

		pthread_mutex_unlock(&nl->lock);
		long n = SYS(SYS_ppoll, polls, count, 0, 0, 8);
		pthread_mutex_lock(&nl->lock);
		if (n < 0 && n != -EINTR)
			break;
		if (n > 0)
			serve_ready(nl, polls, count);
	}
	pthread_mutex_unlock(&nl->lock);
	return NULL;
}

static void wake_up(const struct netlink *nl)
{
	const uint64_t one = 1;

	sys_write(nl->wake, &one, sizeof one);
}

/* With the lock held. */
static int ensure_thread(struct netlink *nl)
{
	if (nl->desk)
		return 0;

	AUTO(free) struct desk *desk = mem_alloc(sizeof *desk);
	AUTO(fd) int wake = (int)SYS(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!desk || wake < 0)
		return !desk ? -ENOMEM : wake;
	nl->desk = desk;
	nl->channel = desk->channel;
	nl->wake = wake;
	int rc = thread_start(&nl->thread, netlink_main, nl);
	if (rc < 0) {
		nl->desk = NULL;
		nl->wake = -1;
		return rc;
	}
	TAKE(desk);
	take_fd(&wake);
	return 0;
}

/* --- a new socket --- */

/*
 * The kernel tells a reader the name of the sender's end. Ours has the length of a netlink address and, where that
 * has the port id of the sender, the zeros by which everybody knows the kernel. The rest makes it unique.
 */
static int name_end(int fd, uint32_t port_id)
{
	struct {
		uint16_t family;
		uint16_t abstract;
		uint32_t port_id;
		uint32_t unique;
	} name = { .family = AF_UNIX, .port_id = port_id };
	long rc = -EADDRINUSE;

	_Static_assert(sizeof name == sizeof(struct sockaddr_nl), "the length is what programs check");
	for (int i = 0; i < NAME_TRIES && rc == -EADDRINUSE; i++) {
		rc = SYS(SYS_getrandom, &name.unique, sizeof name.unique, 0);
		if (rc >= 0)
			rc = SYS(SYS_bind, fd, &name, sizeof name);
	}
	return (int)rc;
}

static int make_pair(bool nonblocking, uint32_t port_id, struct channel *c, int *theirs)
{
	const int send_buffer = SEND_BUFFER;
	struct stat st;
	int pair[2];
	long rc = SYS(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);

	if (rc < 0)
		return (int)rc;
	AUTO(fd) int ours = pair[0];
	AUTO(fd) int other = pair[1];
	rc = name_end(ours, 0);
	if (rc >= 0)
		rc = name_end(other, port_id);
	if (rc >= 0)
		rc = SYS(SYS_setsockopt, ours, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
	if (rc >= 0 && nonblocking)
		rc = SYS(SYS_fcntl, other, F_SETFL, O_RDWR | O_NONBLOCK);
	if (rc >= 0)
		rc = SYS(SYS_fstat, other, &st);
	if (rc < 0)
		return (int)rc;
	*c = (struct channel){ .fd = take_fd(&ours), .inode = st.st_ino, .port_id = port_id };
	*theirs = take_fd(&other);
	return 0;
}

static bool port_is_taken(const struct netlink *nl, uint32_t port_id)
{
	for (size_t i = 0; i < nl->count; i++)
		if (nl->channel[i].port_id == port_id)
			return true;
	return false;
}

/* The first socket of a process has its id, the others what is free. */
static uint32_t free_port(struct netlink *nl, pid_t process)
{
	uint32_t port_id = (uint32_t)process;

	while (port_is_taken(nl, port_id))
		port_id = nl->next_port--;
	return port_id;
}

/* With the lock held. The end for the caller, or -errno. */
static int new_socket(struct netlink *nl, pid_t process, bool nonblocking)
{
	AUTO(fd) int theirs = -1;

	if (nl->count == MAX_SOCKETS)
		return -ENFILE;
	int rc = ensure_thread(nl);
	if (rc < 0)
		return rc;
	rc = make_pair(nonblocking, free_port(nl, process), &nl->channel[nl->count], &theirs);
	if (rc < 0)
		return rc;
	if (nl->count >= FEW_SOCKETS && fd_is_hosts(nl->channel[nl->count].fd)) {
		fd_close(&nl->channel[nl->count].fd);
		return -ENFILE;
	}
	nl->count++;
	atomic_store(&nl->alive, nl->count);
	wake_up(nl);
	return take_fd(&theirs);
}

/*
 * One of the numbers that nothing of the caller has; 0: any. The kernel has no way to give a number only if it is free: another
 * thread of the caller that takes this very number before the reply (by dup2 or F_DUPFD; open gets there after 960 others)
 * loses what it put there, as by a dup2 of its own. Nobody else's descriptor can be meant.
 */
static uint32_t own_number(const struct netlink *nl, const struct call *call)
{
	for (uint32_t n = nl->first_number; n && n <= (nl->first_number | ~nl->number_mask); n++) {
		AUTO(fd) int taken = call->kernel->pin_fd(call, (int)n);

		if (taken < 0)
			return taken == -EBADF ? n : 0;
	}
	return 0;
}

static struct verdict on_socket(const struct call *call, void *state)
{
	struct netlink *nl = state;
	uint32_t type = (uint32_t)call->raw[1];
	uint32_t kind = type & KIND_BITS;

	if ((int)call->raw[0] != AF_NETLINK)
		return v_next();
	if (type & ~(KIND_BITS | FLAG_BITS))
		return v_errno(EINVAL);
	if (kind != SOCK_RAW && kind != SOCK_DGRAM)
		return v_errno(ESOCKTNOSUPPORT);
	if ((int)call->raw[2] != NETLINK_ROUTE)
		return v_errno(EAFNOSUPPORT);

	pid_t process = call->kernel->process(call);
	pthread_mutex_lock(&nl->lock);
	int fd = new_socket(nl, process, type & SOCK_NONBLOCK);
	pthread_mutex_unlock(&nl->lock);
	if (fd < 0)
		return v_errno(fd);
	struct verdict v = v_give_fd(fd, type & SOCK_CLOEXEC ? O_CLOEXEC : 0);
	v.fd_number = own_number(nl, call);
	return v;
}

/* --- known again --- */

/* The inode of the caller's descriptor if it may be one of ours; 0: it is not. */
static ino_t inode_of(const struct netlink *nl, const struct call *call)
{
	struct stat st;

	if (atomic_load(&nl->alive) == 0)
		return 0;
	AUTO(fd) int pinned = call->kernel->pin_fd(call, (int)call->raw[0]);
	if (pinned < 0 || SYS(SYS_fstat, pinned, &st) < 0)
		return 0;
	return S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

/* With the lock held. Every socket of the machine has an inode of one file system. */
static struct channel *channel_of(struct netlink *nl, ino_t inode)
{
	for (size_t i = 0; i < nl->count; i++)
		if (nl->channel[i].inode == inode)
			return &nl->channel[i];
	return NULL;
}

static int bind_channel(struct netlink *nl, struct channel *c, const struct sockaddr_nl *name)
{
	if (name->nl_family != AF_NETLINK)
		return -EINVAL;
	if (name->nl_pid != 0 && name->nl_pid != c->port_id) {
		if (c->bound)
			return -EINVAL;
		if (port_is_taken(nl, name->nl_pid))
			return -EADDRINUSE;
		c->port_id = name->nl_pid;
	}
	c->bound = true;        /* whatever groups it wants to hear of: nothing ever changes here */
	return 0;
}

static struct verdict on_bind(const struct call *call, void *state)
{
	struct netlink *nl = state;
	struct sockaddr_nl name;

	if ((uint32_t)call->raw[2] != sizeof name)
		return v_next();
	ino_t inode = inode_of(nl, call);
	if (inode == 0)
		return v_next();
	int copied = call->kernel->copy_in(call, &name, call->raw[1], sizeof name);
	pthread_mutex_lock(&nl->lock);
	struct channel *c = channel_of(nl, inode);
	int rc = !c ? 0 : copied < 0 ? copied : bind_channel(nl, c, &name);
	pthread_mutex_unlock(&nl->lock);
	return c ? v_result(rc) : v_next();
}

static struct verdict on_getsockname(const struct call *call, void *state)
{
	struct netlink *nl = state;
	struct sockaddr_nl name = { .nl_family = AF_NETLINK };
	int32_t len;

	ino_t inode = inode_of(nl, call);
	if (inode == 0)
		return v_next();
	pthread_mutex_lock(&nl->lock);
	const struct channel *c = channel_of(nl, inode);
	if (c && c->bound)
		name.nl_pid = c->port_id;
	pthread_mutex_unlock(&nl->lock);
	if (!c)
		return v_next();

	int rc = call->kernel->copy_in(call, &len, call->raw[2], sizeof len);
	if (rc == 0 && len < 0)
		rc = -EINVAL;
	if (rc == 0 && len > 0)
		rc = call->kernel->copy_out(call, call->raw[1], &name, (size_t)len < sizeof name ? (size_t)len : sizeof name);
	len = sizeof name;
	if (rc == 0)
		rc = call->kernel->copy_out(call, call->raw[2], &len, sizeof len);
	return v_result(rc);
}

/* --- sends that are trapped for other sockets' sake --- */

/* The socket has a peer, so the address that came with the message says nothing. */
static struct verdict take_message(struct netlink *nl, ino_t inode, const void *data, size_t len)
{
	pthread_mutex_lock(&nl->lock);
	struct channel *c = channel_of(nl, inode);
	bool full = c && c->late;
	if (c && !full && !answer(nl, c, data, len))
		SYS(SYS_shutdown, c->fd, SHUT_RDWR);    /* the thread drops it */
	wake_up(nl);                            /* there may be replies that wait */
	pthread_mutex_unlock(&nl->lock);
	return !c ? v_next() : full ? v_errno(ENOBUFS) : v_result((int64_t)len);
}

static bool is_ours(struct netlink *nl, ino_t inode)
{
	if (inode == 0)
		return false;
	pthread_mutex_lock(&nl->lock);
	bool ours = channel_of(nl, inode) != NULL;
	pthread_mutex_unlock(&nl->lock);
	return ours;
}

static struct verdict on_sendto(const struct call *call, void *state)
{
	struct netlink *nl = state;
	size_t len = call->raw[2];
	ino_t inode = inode_of(nl, call);

	if (!is_ours(nl, inode))
		return v_next();
	if (len > NLMSG_REQUEST_MAX)
		return v_errno(EMSGSIZE);
	AUTO(free) uint8_t *data = mem_alloc(len + 1);
	if (!data)
		return v_errno(ENOBUFS);
	int rc = len ? call->kernel->copy_in(call, data, call->raw[1], len) : 0;
	return rc < 0 ? v_errno(rc) : take_message(nl, inode, data, len);
}

/* The bytes of the message at `at`; their number, or -errno. `data` has room for the longest. */
static int64_t gather(const struct call *call, uint64_t at, uint8_t *data)
{
	struct message_room room;
	struct message m;
	int64_t rc = message_read_room(call, at, &m, &room);

	if (rc == 0 && m.total > NLMSG_REQUEST_MAX)
		rc = -EMSGSIZE;
	if (rc == 0 && m.total)
		rc = call->kernel->gather(call, data, (size_t)m.total, m.pieces, m.count, 0);
	if (rc >= 0 && (uint64_t)rc < m.total)
		rc = -EFAULT;
	message_fini(&m);
	return rc;
}

static struct verdict on_sendmsg(const struct call *call, void *state)
{
	struct netlink *nl = state;
	ino_t inode = inode_of(nl, call);

	if (!is_ours(nl, inode))
		return v_next();
	AUTO(free) uint8_t *data = mem_alloc(NLMSG_REQUEST_MAX);
	if (!data)
		return v_errno(ENOBUFS);
	int64_t len = gather(call, call->raw[1], data);
	return len < 0 ? v_errno((int)len) : take_message(nl, inode, data, (size_t)len);
}

/* --- the feature --- */

/* How many descriptors the programs may have. */
static uint64_t open_files_of(const struct policy *p)
{
	struct rlimit limit = { 0 };
	long rc = SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit);

	return rc < 0 ? 0 : limit.rlim_cur < p->max_open_files ? limit.rlim_cur : p->max_open_files;
}

static bool has_big_numbers(const struct policy *p)
{
	return open_files_of(p) > (BIG_FIRST | ~BIG_MASK);
}

static bool has_small_numbers(const struct policy *p)
{
	uint64_t files = open_files_of(p);

	return files > (SMALL_FIRST | ~SMALL_MASK) && files <= (BIG_FIRST | ~BIG_MASK);
}

static bool has_no_numbers(const struct policy *p)
{
	return open_files_of(p) <= (SMALL_FIRST | ~SMALL_MASK);
}

static int netlink_start(const struct feature_env *env, void **state, struct error *err)
{
	struct netlink *nl = mem_alloc(sizeof *nl);

	if (!nl)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the view of interfaces");
	if (has_big_numbers(env->policy)) {
		nl->first_number = BIG_FIRST;
		nl->number_mask = BIG_MASK;
	} else if (has_small_numbers(env->policy)) {
		nl->first_number = SMALL_FIRST;
		nl->number_mask = SMALL_MASK;
	}
	pthread_mutex_init(&nl->lock, NULL);
	nl->wake = -1;
	nl->next_port = FIRST_FREE_PORT;
	*state = nl;
	return 0;
}

static void netlink_stop(void *state)
{
	struct netlink *nl = state;

	if (nl->desk) {
		pthread_mutex_lock(&nl->lock);
		nl->stopping = true;
		wake_up(nl);
		pthread_mutex_unlock(&nl->lock);
		pthread_join(nl->thread, NULL);
	}
	while (nl->count > 0)
		drop(nl, nl->count - 1);
	fd_close(&nl->wake);
	mem_free(nl->desk);
	pthread_mutex_destroy(&nl->lock);
	mem_free(nl);
}

static bool netlink_wanted(const struct policy *p)
{
	return !p->no_supervisor;
}

#define WHEN(number, is) .conditional = true, .test_arg = (number), .test_op = ARG_EQ, .test_value = (is)
#define ON_BIG \
	.when = has_big_numbers, .conditional = true, .test_op = ARG_MASK_EQ, .test_mask = BIG_MASK, .test_value = BIG_FIRST
#define ON_SMALL \
	.when = has_small_numbers, .conditional = true, .test_op = ARG_MASK_EQ, .test_mask = SMALL_MASK, \
	.test_value = SMALL_FIRST
#define PASS (H_NO_DECODE | H_OTHERS_PASS)

/*
 * Calls on other sockets pass: what the kernel judges of them (Landlock ports) it judges as if nobody had looked, and who
 * else judges them has them trapped and comes later in the chain.
 */
/* clang-format off */
static const struct handler netlink_handlers[] = {
	{ "socket",      on_socket,      H_NO_DECODE, WHEN(0, AF_NETLINK) },
	{ "bind",        on_bind,        PASS, WHEN(2, sizeof(struct sockaddr_nl)) },
	{ "getsockname", on_getsockname, PASS, ON_BIG },
	{ "getsockname", on_getsockname, PASS, ON_SMALL },
	{ "getsockname", on_getsockname, PASS, .when = has_no_numbers },
	{ "getsockname", on_getsockname, PASS | H_ONLY_IF_TRAPPED },
	{ "sendto",      on_sendto,      PASS, ON_BIG },
	{ "sendto",      on_sendto,      PASS, ON_SMALL },
	{ "sendto",      on_sendto,      PASS | H_ONLY_IF_TRAPPED },
	{ "sendmsg",     on_sendmsg,     PASS, ON_BIG },
	{ "sendmsg",     on_sendmsg,     PASS, ON_SMALL },
	{ "sendmsg",     on_sendmsg,     PASS | H_ONLY_IF_TRAPPED },
};
/* clang-format on */

const struct feature feature_netlink = {
	.name = "netlink", .wanted = netlink_wanted, .start = netlink_start, .stop = netlink_stop,
	HANDLERS(netlink_handlers),
};
