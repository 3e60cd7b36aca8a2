/*
 * The sandbox's own name server. One thread, nothing that waits: every socket is non-blocking, every question to a
 * server outside is a small state machine of base/lookup.h, and everything that a client can make us hold has a number.
 */
#include "features/nameserver.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "base/thread.h"
#include "policy/nethint.h"

#define SECOND 1000000000ULL
#define CLIENT_SECONDS 20               /* a TCP client that says nothing for so long is dropped */
#define ACCEPT_PAUSE (SECOND / 10)      /* when the host has no descriptor left, the connection waits in the queue */
#define CLIENT_LOOKUPS (NAMESERVER_LOOKUPS - 8)
#define BATCH 16                        /* datagrams of one socket before the others get their turn */
#define NO_CLIENT (-1)
#define PACKET_INFO 64                  /* of in_pktinfo or in6_pktinfo as control data */
#define UDP_HEAD 8
#define IPV4_HEAD_MIN 20
#define IPV4_HEAD_MAX 60
#define IPV4_TO_AT 16                   /* the destination in it */
#define DNS_PORT 53

/* The last two see every datagram of the island, to tell of those that go to nobody. */
enum { LISTEN_UDP4, LISTEN_UDP6, LISTEN_TCP4, LISTEN_TCP6, WATCH_UDP4, WATCH_UDP6, LISTENERS };

/* Who asked, and how to answer. */
struct asker {
	int listener;           /* of UDP; else NO_CLIENT */
	struct sockaddr_in6 from;       /* or a sockaddr_in */
	socklen_t from_len;
	uint8_t info[PACKET_INFO];      /* the address that was asked: the answer comes from there */
	size_t info_len;
	size_t client;          /* of TCP: index, and the connection that it was then */
	uint64_t serial;
};

struct client {
	int fd;
	uint64_t serial;
	uint64_t deadline;
	bool waits;             /* for a server outside: one question at a time */
	size_t got;
	size_t out_len;
	size_t out_done;
	uint8_t in[2 + NAMESERVER_QUERY_MAX];
	uint8_t out[2 + DNS_UDP_MAX];
};

struct job {
	struct lookup lookup;
	bool busy;
	bool is_refresh;
	const char *fresh;      /* the name of a refresh */
	struct dns_query query;
	struct asker asker;
};

struct nameserver {
	struct answers *answers;
	struct lookup_servers servers;
	const struct netmatch *net;
	struct openings *openings;
	void (*refuse)(void *sink, const struct refusal *refusal);
	void *sink;
	int wake;
	int listener[LISTENERS];
	struct client client[NAMESERVER_CLIENTS];
	struct job job[NAMESERVER_LOOKUPS];
	uint64_t serial;
	uint64_t next_refresh;
	uint64_t accept_again;          /* 0: at once */
	pthread_t thread;
	bool running;
};

/* --- answering --- */

static void reply_udp(const struct nameserver *ns, const struct asker *to, const uint8_t *msg, size_t len)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)msg, .iov_len = len };
	struct msghdr head = {
		.msg_name = (void *)(uintptr_t)&to->from, .msg_namelen = to->from_len,
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = (void *)(uintptr_t)to->info, .msg_controllen = to->info_len,
	};

	SYS(SYS_sendmsg, ns->listener[to->listener], &head, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void close_client(struct client *c)
{
	fd_close(&c->fd);
	c->got = c->out_len = c->out_done = 0;
	c->waits = false;
}

static void push_out(struct client *c)
{
	while (c->out_done < c->out_len) {
		long n = SYS(SYS_sendto, c->fd, c->out + c->out_done, c->out_len - c->out_done,
			     MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);

		if (n == -EAGAIN || n == -EINTR)
			return;
		if (n < 0) {
			close_client(c);
			return;
		}
		c->out_done += (size_t)n;
	}
	c->out_len = c->out_done = 0;
}

static void reply_tcp(struct nameserver *ns, const struct asker *to, const uint8_t *msg, size_t len)
{
	struct client *c = &ns->client[to->client];

	if (c->fd < 0 || c->serial != to->serial)
		return;
	c->waits = false;
	c->out[0] = (uint8_t)(len >> 8);
	c->out[1] = (uint8_t)len;
	memcpy(c->out + 2, msg, len);
	c->out_len = len + 2;
	c->out_done = 0;
	push_out(c);
}

static void reply(struct nameserver *ns, const struct asker *to, const struct dns_query *q, const struct answer *answer)
{
	uint8_t msg[DNS_UDP_MAX];
	const struct dns_reply r = {
		.rcode = answer->rcode, .ttl = answer->ttl, .ip = answer->ip, .count = answer->count,
	};
	bool udp = to->listener != NO_CLIENT;
	size_t len = dns_build_reply(q, &r, msg, udp ? q->udp_size : sizeof msg);

	if (udp)
		reply_udp(ns, to, msg, len);
	else
		reply_tcp(ns, to, msg, len);
}

/* --- questions to servers outside --- */

static struct job *free_job(struct nameserver *ns, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (!ns->job[i].busy)
			return &ns->job[i];
	return NULL;
}

static void finish(struct nameserver *ns, struct job *j, const struct dns_result *result)
{
	struct answer answer;

	if (j->is_refresh) {
		answers_refreshed(ns->answers, j->fresh, j->lookup.type, result, sys_now());
		ns->next_refresh = 0;
	} else {
		answers_learn(ns->answers, j->query.name, j->query.type, result, sys_now(), &answer);
		reply(ns, &j->asker, &j->query, &answer);
	}
	lookup_fini(&j->lookup);
	j->busy = false;
}

static void step_job(struct nameserver *ns, struct job *j)
{
	int rc = lookup_step(&j->lookup);

	if (rc != 0)
		finish(ns, j, rc > 0 ? &j->lookup.result : NULL);
}

static void ask_outside(struct nameserver *ns, const struct asker *from, const struct dns_query *q)
{
	const struct answer busy = { .rcode = DNS_SERVFAIL };
	struct job *j = free_job(ns, 0, CLIENT_LOOKUPS);

	if (!j) {
		reply(ns, from, q, &busy);
		return;
	}
	j->busy = true;
	j->is_refresh = false;
	j->query = *q;
	j->asker = *from;
	if (from->listener == NO_CLIENT)
		ns->client[from->client].waits = true;
	if (lookup_start(&j->lookup, &ns->servers, q->name, q->type) < 0)
		finish(ns, j, NULL);
}

static void refresh_one(struct nameserver *ns, const char *name, uint16_t type)
{
	struct job *j = free_job(ns, CLIENT_LOOKUPS, NAMESERVER_LOOKUPS);

	if (!j) {
		answers_refreshed(ns->answers, name, type, NULL, sys_now());
		return;
	}
	j->busy = true;
	j->is_refresh = true;
	j->fresh = name;
	if (lookup_start(&j->lookup, &ns->servers, name, type) < 0)
		finish(ns, j, NULL);
}

static unsigned free_refreshes(const struct nameserver *ns)
{
	unsigned n = 0;

	for (size_t i = CLIENT_LOOKUPS; i < NAMESERVER_LOOKUPS; i++)
		n += !ns->job[i].busy;
	return n;
}

/* As many as there is room for; the end of each of them looks again. */
static void refresh(struct nameserver *ns, uint64_t now)
{
	if (now < ns->next_refresh)
		return;
	ns->next_refresh = UINT64_MAX;
	while (free_refreshes(ns) >= 2) {
		const char *name = answers_due(ns->answers, now, &ns->next_refresh);

		if (!name)
			return;
		refresh_one(ns, name, DNS_A);
		refresh_one(ns, name, DNS_AAAA);
	}
}

/* --- questions of the sandbox --- */

static void take_question(struct nameserver *ns, const struct asker *from, const uint8_t *msg, size_t len)
{
	struct dns_query q;
	struct answer answer = { 0 };

	if (dns_parse_query(msg, len, &q) < 0)
		return;
	answer.rcode = q.rcode;
	if (q.rcode != DNS_NOERROR || answers_find(ns->answers, &q, sys_now(), &answer))
		reply(ns, from, &q, &answer);
	else
		ask_outside(ns, from, &q);
}

/* One datagram; false when there is none. */
static bool receive(struct nameserver *ns, int listener)
{
	struct asker from = { .listener = listener };
	uint8_t msg[NAMESERVER_QUERY_MAX];
	struct iovec iov = { .iov_base = msg, .iov_len = sizeof msg };
	_Alignas(struct cmsghdr) uint8_t control[PACKET_INFO];
	struct msghdr head = {
		.msg_name = &from.from, .msg_namelen = sizeof from.from,
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control,
	};
	long n = SYS(SYS_recvmsg, ns->listener[listener], &head, MSG_DONTWAIT);

	if (n < 0)
		return n == -EINTR;
	if (head.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return true;
	from.from_len = head.msg_namelen;
	struct cmsghdr *c = CMSG_FIRSTHDR(&head);
	if (c && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo info;

		memcpy(&info, CMSG_DATA(c), sizeof info);
		info.ipi_spec_dst = info.ipi_addr;      /* the source of the answer; the kernel's own choice may differ */
		memcpy(CMSG_DATA(c), &info, sizeof info);
	}
	from.info_len = head.msg_controllen;
	memcpy(from.info, control, from.info_len);
	take_question(ns, &from, msg, (size_t)n);
	return true;
}

/* --- datagrams that go nowhere --- */

/* The address that a datagram was sent to, of a raw socket's message: IPv4 comes with its head, IPv6 with control data. */
static bool destination(const uint8_t *msg, size_t len, struct msghdr *head, bool v6, struct addr *to)
{
	size_t skip = v6 ? 0 : (size_t)(msg[0] & 15) * 4;
	struct cmsghdr *c = CMSG_FIRSTHDR(head);

	*to = (struct addr){ .family = v6 ? ADDR_V6 : ADDR_V4 };
	if (len < skip + UDP_HEAD || (!v6 && skip < IPV4_HEAD_MIN))
		return false;
	if (!v6)
		memcpy(to->ip, msg + IPV4_TO_AT, 4);
	else if (c && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
		memcpy(to->ip, CMSG_DATA(c), 16);
	to->port = (uint16_t)(msg[skip + 2] << 8 | msg[skip + 3]);
	return true;
}

static void tell_of(const struct nameserver *ns, const struct addr *to)
{
	struct nethint hint = { .proto = NET_UDP, .to = *to };
	AUTO(str) struct str target = STR(512);
	AUTO(str) struct str flag = STR(512);

	nethint_find(&hint, ns->net, ns->openings, sys_now());
	nethint_add_target(&target, &hint);
	nethint_add_flag(&flag, &hint);
	if (!ns->refuse || target.rc < 0 || flag.rc < 0)
		return;
	/* The kernel took it, and tells only a connected socket that nobody is there (ECONNREFUSED, at its next call). */
	ns->refuse(ns->sink, &(struct refusal){
		.operation = "send", .target = target.buf, .rule = "no --net-allow rule covers it", .flag = flag.buf,
		.errnum = 0,
	});
}

/* What we send ourselves is seen here too: it comes from port 53. */
static bool watch(struct nameserver *ns, int listener)
{
	uint8_t msg[IPV4_HEAD_MAX + UDP_HEAD];
	_Alignas(struct cmsghdr) uint8_t control[PACKET_INFO];
	struct iovec iov = { .iov_base = msg, .iov_len = sizeof msg };
	struct msghdr head = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control,
	};
	bool v6 = listener == WATCH_UDP6;
	struct addr to;
	long n = SYS(SYS_recvmsg, ns->listener[listener], &head, MSG_DONTWAIT);

	if (n < 0)
		return n == -EINTR;
	if (n == 0 || !destination(msg, (size_t)n, &head, v6, &to) || to.port == DNS_PORT)
		return true;
	size_t skip = v6 ? 0 : (size_t)(msg[0] & 15) * 4;
	if ((msg[skip] << 8 | msg[skip + 1]) != DNS_PORT)
		tell_of(ns, &to);
	return true;
}

static void accept_one(struct nameserver *ns, int listener)
{
	int fd = (int)SYS(SYS_accept4, ns->listener[listener], 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *oldest = &ns->client[0];

	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS)
		ns->accept_again = sys_now() + ACCEPT_PAUSE;
	if (fd < 0)
		return;
	for (size_t i = 0; i < NAMESERVER_CLIENTS; i++) {
		struct client *c = &ns->client[i];

		if (c->fd < 0 || (oldest->fd >= 0 && c->deadline < oldest->deadline))
			oldest = c;
		if (oldest->fd < 0)
			break;
	}
	close_client(oldest);           /* when all are taken, the one that has been silent longest */
	oldest->fd = fd;
	oldest->serial = ++ns->serial;
	oldest->deadline = sys_now() + CLIENT_SECONDS * SECOND;
}

/* Whole questions that are there, one after the other; the rest of the bytes stays. */
static void take_questions(struct nameserver *ns, struct client *c)
{
	const struct asker from = {
		.listener = NO_CLIENT, .client = (size_t)(c - ns->client), .serial = c->serial,
	};
	uint8_t msg[NAMESERVER_QUERY_MAX];

	while (c->fd >= 0 && !c->waits && !c->out_len && c->got >= 2) {
		size_t len = (size_t)c->in[0] << 8 | c->in[1];

		if (len > NAMESERVER_QUERY_MAX) {
			close_client(c);
			return;
		}
		if (c->got < len + 2)
			return;
		memcpy(msg, c->in + 2, len);
		c->got -= len + 2;
		memmove(c->in, c->in + 2 + len, c->got);
		take_question(ns, &from, msg, len);
	}
}

static void read_client(struct nameserver *ns, struct client *c)
{
	long n = SYS(SYS_recvfrom, c->fd, c->in + c->got, sizeof c->in - c->got, MSG_DONTWAIT, 0, 0);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0) {
		close_client(c);
		return;
	}
	c->got += (size_t)n;
	c->deadline = sys_now() + CLIENT_SECONDS * SECOND;
	take_questions(ns, c);
}

static void serve_client(struct nameserver *ns, struct client *c)
{
	if (c->out_len)
		push_out(c);
	else
		read_client(ns, c);
	take_questions(ns, c);
}

static bool takes_connections(int listener)
{
	return listener == LISTEN_TCP4 || listener == LISTEN_TCP6;
}

static void serve_listener(struct nameserver *ns, int listener)
{
	if (takes_connections(listener)) {
		accept_one(ns, listener);
		return;
	}
	bool watches = listener == WATCH_UDP4 || listener == WATCH_UDP6;
	for (int i = 0; i < BATCH && (watches ? watch(ns, listener) : receive(ns, listener)); i++)
		;
}

/* --- the thread --- */

enum { POLL_WAKE, POLL_LISTEN, POLL_CLIENT = POLL_LISTEN + LISTENERS, POLL_JOB = POLL_CLIENT + NAMESERVER_CLIENTS,
       POLL_MAX = POLL_JOB + NAMESERVER_LOOKUPS };

/* A negative descriptor is passed over by poll. The earliest moment at which something is due. */
static uint64_t fill_polls(const struct nameserver *ns, struct pollfd *p)
{
	uint64_t next = ns->next_refresh;

	p[POLL_WAKE] = (struct pollfd){ .fd = ns->wake, .events = POLLIN };
	for (int i = 0; i < LISTENERS; i++) {
		bool pauses = ns->accept_again && takes_connections(i);

		p[POLL_LISTEN + i] = (struct pollfd){ .fd = pauses ? -1 : ns->listener[i], .events = POLLIN };
	}
	if (ns->accept_again && ns->accept_again < next)
		next = ns->accept_again;
	for (int i = 0; i < NAMESERVER_CLIENTS; i++) {
		const struct client *c = &ns->client[i];
		short events = c->out_len ? POLLOUT : c->waits ? 0 : POLLIN;

		p[POLL_CLIENT + i] = (struct pollfd){ .fd = c->fd, .events = events };
		if (c->fd >= 0 && c->deadline < next)
			next = c->deadline;
	}
	for (int i = 0; i < NAMESERVER_LOOKUPS; i++) {
		const struct lookup *l = &ns->job[i].lookup;

		p[POLL_JOB + i] = (struct pollfd){ .fd = ns->job[i].busy ? l->fd : -1, .events = l->events };
		if (ns->job[i].busy && l->deadline < next)
			next = l->deadline;
	}
	return next;
}

/* Only what is open is handed over: the kernel takes no more entries than the process may have descriptors. */
static void wait_for_something(struct pollfd *p, uint64_t next)
{
	const struct timespec pause = { .tv_nsec = ACCEPT_PAUSE };
	struct pollfd open[POLL_MAX];
	size_t index[POLL_MAX];
	size_t n = 0;
	uint64_t now = sys_now();
	uint64_t rest = next > now ? next - now : 0;
	const struct timespec timeout = { .tv_sec = (time_t)(rest / SECOND), .tv_nsec = (long)(rest % SECOND) };

	for (size_t i = 0; i < POLL_MAX; i++) {
		p[i].revents = 0;
		if (p[i].fd < 0)
			continue;
		open[n] = p[i];
		index[n++] = i;
	}
	long rc = SYS(SYS_ppoll, open, n, next == UINT64_MAX ? NULL : &timeout, 0, 8);
	if (rc < 0 && rc != -EINTR)
		SYS(SYS_ppoll, 0, 0, &pause, 0, 8);
	for (size_t i = 0; rc > 0 && i < n; i++)
		p[index[i]].revents = open[i].revents;
}

static void serve(struct nameserver *ns, const struct pollfd *p)
{
	uint64_t now = sys_now();

	if (ns->accept_again <= now)
		ns->accept_again = 0;
	for (int i = 0; i < NAMESERVER_LOOKUPS; i++)
		if (ns->job[i].busy && (p[POLL_JOB + i].revents || ns->job[i].lookup.deadline <= now))
			step_job(ns, &ns->job[i]);
	for (int i = 0; i < NAMESERVER_CLIENTS; i++) {
		struct client *c = &ns->client[i];

		if (c->fd >= 0 && p[POLL_CLIENT + i].fd == c->fd && p[POLL_CLIENT + i].revents)
			serve_client(ns, c);
		else if (c->fd >= 0 && c->deadline <= now)
			close_client(c);
		else
			take_questions(ns, c);  /* what an answer from outside left room for */
	}
	for (int i = 0; i < LISTENERS; i++)
		if (p[POLL_LISTEN + i].revents)
			serve_listener(ns, i);
	refresh(ns, now);
}

static void *nameserver_main(void *arg)
{
	struct nameserver *ns = arg;
	struct pollfd polls[POLL_MAX];

	thread_drop_capabilities();
	for (;;) {
		uint64_t next = fill_polls(ns, polls);

		wait_for_something(polls, next);
		if (polls[POLL_WAKE].revents)
			return NULL;
		serve(ns, polls);
	}
}

/* IPv6 may be absent, on the host and so on the island. */
static int open_listeners(struct nameserver *ns, struct island *island)
{
	static const struct island_order orders[LISTENERS] = {
		[LISTEN_UDP4] = { .domain = AF_INET, .type = SOCK_DGRAM | SOCK_NONBLOCK, .port = DNS_PORT },
		[LISTEN_UDP6] = { .domain = AF_INET6, .type = SOCK_DGRAM | SOCK_NONBLOCK, .port = DNS_PORT },
		[LISTEN_TCP4] = { .domain = AF_INET, .type = SOCK_STREAM | SOCK_NONBLOCK, .port = DNS_PORT },
		[LISTEN_TCP6] = { .domain = AF_INET6, .type = SOCK_STREAM | SOCK_NONBLOCK, .port = DNS_PORT },
		[WATCH_UDP4] = { .domain = AF_INET, .type = SOCK_RAW | SOCK_NONBLOCK, .protocol = IPPROTO_UDP },
		[WATCH_UDP6] = { .domain = AF_INET6, .type = SOCK_RAW | SOCK_NONBLOCK, .protocol = IPPROTO_UDP },
	};
	const int on = 1;

	for (int i = 0; island && i < LISTENERS; i++) {
		ns->listener[i] = island_socket(island, &orders[i]);
		if (ns->listener[i] < 0 && orders[i].domain == AF_INET)
			return ns->listener[i];
	}
	if (ns->listener[WATCH_UDP6] >= 0)
		SYS(SYS_setsockopt, ns->listener[WATCH_UDP6], IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
	return 0;
}

static struct nameserver *new_nameserver(const struct answers_setup *setup, const struct lookup_servers *servers)
{
	struct nameserver *ns = mem_alloc(sizeof *ns);

	if (!ns)
		return NULL;
	ns->servers = *servers;
	ns->net = setup->net;
	ns->openings = setup->openings;
	ns->refuse = setup->refuse;
	ns->sink = setup->sink;
	ns->wake = -1;
	for (int i = 0; i < LISTENERS; i++)
		ns->listener[i] = -1;
	for (int i = 0; i < NAMESERVER_CLIENTS; i++)
		ns->client[i].fd = -1;
	for (int i = 0; i < NAMESERVER_LOOKUPS; i++)
		ns->job[i].lookup.fd = -1;
	ns->answers = answers_new(setup);
	if (ns->answers)
		return ns;
	mem_free(ns);
	return NULL;
}

int nameserver_start(const struct answers_setup *setup, const struct lookup_servers *servers, struct island *island,
		     struct nameserver **out)
{
	struct nameserver *ns = new_nameserver(setup, servers);
	int rc;

	if (!ns)
		return -ENOMEM;
	rc = ns->wake = (int)SYS(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (rc >= 0)
		rc = open_listeners(ns, island);
	if (rc == 0)
		rc = thread_start(&ns->thread, nameserver_main, ns);
	ns->running = rc == 0;
	if (rc < 0) {
		nameserver_stop(ns);
		return rc;
	}
	*out = ns;
	return 0;
}

void nameserver_stop(struct nameserver *ns)
{
	const uint64_t one = 1;

	if (!ns)
		return;
	if (ns->running) {
		sys_write(ns->wake, &one, sizeof one);
		pthread_join(ns->thread, NULL);
	}
	fd_close(&ns->wake);
	for (int i = 0; i < LISTENERS; i++)
		fd_close(&ns->listener[i]);
	for (int i = 0; i < NAMESERVER_CLIENTS; i++)
		close_client(&ns->client[i]);
	for (int i = 0; i < NAMESERVER_LOOKUPS; i++)
		lookup_fini(&ns->job[i].lookup);
	answers_free(ns->answers);
	mem_free(ns);
}
