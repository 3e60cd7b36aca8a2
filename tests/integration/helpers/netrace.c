/*
 * Two threads against the check of a destination: one calls, the other swaps what the call names, again and again.
 *
 *     netrace CALL FLIP TRIES ALLOWED FORBIDDEN
 *
 * CALL is connect-tcp, connect-udp, sendto, sendmsg or sendmmsg; FLIP is port, family, name, descriptor or form (a socket of
 * IPv6 becomes one of IPv4, for sends); the ports are of 127.0.0.1. Prints the number of calls that did not fail. Whether
 * anything came through is seen at the forbidden port.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in target;               /* what the calls name */
static struct sockaddr_in allowed, forbidden;
static struct mmsghdr message;
static struct iovec part = { "x", 1 };
static atomic_bool done;
static atomic_uint flipped;
static atomic_uint made;                        /* sockets of IPv6 */
static int harmless, harmful, number;           /* the descriptors that take turns as `number` */

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static void flip_port(bool bad)
{
	*(volatile in_port_t *)&target.sin_port = bad ? forbidden.sin_port : allowed.sin_port;
}

static void flip_family(bool bad)
{
	*(volatile sa_family_t *)&target.sin_family = bad ? AF_INET : AF_UNSPEC;
}

static void flip_name(bool bad)
{
	*(void *volatile *)&message.msg_hdr.msg_name = bad ? &forbidden : NULL;
}

static void flip_descriptor(bool bad)
{
	dup2(bad ? harmful : harmless, number);
}

/* Once for each socket, and not at once: an address of no family is none until then. */
static void flip_form(bool bad)
{
	static unsigned seen;
	const unsigned now = atomic_load(&made);
	const int to = AF_INET;

	if (!bad || now == seen)
		return;
	seen = now;
	for (volatile unsigned spin = 0; spin < (now * 2654435761U >> 20); spin++)
		;
	setsockopt(number, IPPROTO_IPV6, IPV6_ADDRFORM, &to, sizeof to);
}

static const struct {
	const char *name;
	void (*flip)(bool bad);
	bool starts_forbidden;          /* the address does not change, so it names the forbidden port all along */
} flips[] = {
	{ "port", flip_port, false },
	{ "family", flip_family, true },
	{ "name", flip_name, false },
	{ "descriptor", flip_descriptor, true },
	{ "form", flip_form, true },
};
static void (*flip)(bool bad);

static void *flipper(void *arg)
{
	(void)arg;
	for (unsigned i = 0; !atomic_load_explicit(&done, memory_order_relaxed); i++) {
		flip(i & 1);
		atomic_store_explicit(&flipped, i, memory_order_relaxed);
		/* Not in step with the calls. */
		for (volatile unsigned spin = 0; spin < (i * 2654435761U >> 22); spin++)
			;
		if (i % 63 == 0)        /* now in one state, now in the other */
			sched_yield();
	}
	return NULL;
}

static int reset_on_close(int fd)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static int call_connect(int type)
{
	int fd = number >= 0 ? number : socket(AF_INET, type, 0);

	if (type == SOCK_STREAM)
		reset_on_close(fd);
	int rc = connect(fd, (struct sockaddr *)&target, sizeof target);
	if (rc == 0)
		send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (number < 0)
		close(fd);
	return rc;
}

static int connect_tcp(void)
{
	return call_connect(SOCK_STREAM);
}

static int connect_udp(void)
{
	return call_connect(SOCK_DGRAM);
}

static int call_sendto(void)
{
	return (int)sendto(number, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&target, sizeof target);
}

static int call_sendmsg(void)
{
	return (int)sendmsg(number, &message.msg_hdr, MSG_NOSIGNAL);
}

static int call_sendmmsg(void)
{
	return sendmmsg(number, &message, 1, MSG_NOSIGNAL);
}

static const struct {
	const char *name;
	int (*call)(void);
	int type;
	bool new_socket;                /* a socket for each try */
} calls[] = {
	{ "connect-tcp", connect_tcp, SOCK_STREAM, true },
	{ "connect-udp", connect_udp, SOCK_DGRAM, true },
	{ "sendto", call_sendto, SOCK_DGRAM, false },
	{ "sendmsg", call_sendmsg, SOCK_DGRAM, false },
	{ "sendmmsg", call_sendmmsg, SOCK_DGRAM, false },
};

/* The harmless descriptor is one on which the forbidden address leads nowhere: a TCP connection to the allowed port. */
static void make_descriptors(int type, bool takes_turns, bool new_socket)
{
	number = -1;
	if (new_socket && !takes_turns)
		return;
	harmful = socket(AF_INET, type, 0);
	number = dup(harmful);
	if (!takes_turns) {
		connect(number, (struct sockaddr *)&allowed, sizeof allowed);
		return;
	}
	harmless = socket(AF_INET, SOCK_STREAM, 0);
	connect(harmless, (struct sockaddr *)&allowed, sizeof allowed);
}

static void make_form(void)
{
	const struct sockaddr_in6 to = {
		.sin6_family = AF_INET6, .sin6_port = allowed.sin_port,
		.sin6_addr = { .s6_addr = { [10] = 0xff, 0xff, 127, 0, 0, 1 } },
	};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	connect(fd, (const struct sockaddr *)&to, sizeof to);
	dup2(fd, number);
	close(fd);
	atomic_fetch_add(&made, 1);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	long good = 0;
	size_t c = 0;
	size_t f = 0;

	if (argc != 6)
		return 2;
	while (c < sizeof calls / sizeof *calls - 1 && strcmp(calls[c].name, argv[1]) != 0)
		c++;
	while (f < sizeof flips / sizeof *flips - 1 && strcmp(flips[f].name, argv[2]) != 0)
		f++;
	long tries = strtol(argv[3], NULL, 10);
	allowed = loopback(atoi(argv[4]));
	forbidden = loopback(atoi(argv[5]));
	target = flips[f].starts_forbidden ? forbidden : allowed;
	message.msg_hdr = (struct msghdr){
		.msg_name = &target, .msg_namelen = sizeof target, .msg_iov = &part, .msg_iovlen = 1,
	};
	flip = flips[f].flip;
	if (flip == flip_form)
		target.sin_family = AF_UNSPEC;
	make_descriptors(calls[c].type, flip == flip_descriptor, calls[c].new_socket);
	if (pthread_create(&thread, NULL, flipper, NULL) != 0)
		return 3;
	while (atomic_load(&flipped) < 100)
		sched_yield();
	for (long i = 0; i < tries; i++) {
		if (flip == flip_form)
			make_form();
		good += calls[c].call() >= 0;
		if (i % 512 == 0)       /* on a busy machine the other one must come to run, too */
			sched_yield();
	}
	atomic_store(&done, true);
	pthread_join(thread, NULL);
	printf("%ld\n", good);
	return 0;
}
