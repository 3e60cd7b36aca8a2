/* An address that a thread changes while it is judged: row N13. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <linux/errqueue.h>       /* which needs struct timespec */
#include <unistd.h>

#include "attempt.h"

#define FLIP_MS 200
#define FLIP_MOST_MS 5000       /* on a busy machine, until it was a race */
#define ENOUGH 50
#define GRANTED 0x7f000002      /* nobody listens there */
#define FORBIDDEN 0x7f000001

/* The last byte of the address decides between the two. */
struct flip {
	struct sockaddr_in to;
	int fd;                 /* the UDP socket */
	unsigned seen[2];       /* granted, forbidden: as it was before a call */
};

static void *flip_for_ever(void *arg)
{
	unsigned char *byte = (unsigned char *)&((struct flip *)arg)->to.sin_addr + 3;

	for (;;) {
		__atomic_store_n(byte, 1, __ATOMIC_RELAXED);
		__atomic_store_n(byte, 2, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* --- the calls: 0 when a connection or a packet came to the forbidden address --- */

/* Somebody listens at the forbidden one only. */
static int try_connect(struct flip *f)
{
	int fd = (int)SYS(SYS_socket, AF_INET, SOCK_STREAM, 0);
	long rc = fd < 0 ? fd : SYS(SYS_connect, fd, &f->to, sizeof f->to);

	if (fd >= 0)
		sys_close(fd);
	return (int)rc;
}

/* Nobody listens on the port, so each packet comes back as an error that says where it had gone. */
static int came_back(const struct flip *f)
{
	struct sockaddr_in to = { 0 };
	char data[16];
	char control[256];
	struct iovec part = { data, sizeof data };
	struct msghdr m = {
		.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof control,
	};
	int error;
	socklen_t len = sizeof error;
	int rc = -EACCES;

	getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	while (recvmsg(f->fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0) {
		if (ntohl(to.sin_addr.s_addr) == FORBIDDEN)
			rc = 0;
		m.msg_controllen = sizeof control;
	}
	return rc;
}

static struct msghdr message_to(struct flip *f, struct iovec *part)
{
	static const char byte = 'x';

	*part = (struct iovec){ (void *)(uintptr_t)&byte, 1 };
	return (struct msghdr){ .msg_name = &f->to, .msg_namelen = sizeof f->to, .msg_iov = part, .msg_iovlen = 1 };
}

static int try_sendto(struct flip *f)
{
	SYS(SYS_sendto, f->fd, "x", 1, 0, &f->to, sizeof f->to);
	return came_back(f);
}

static int try_sendmsg(struct flip *f)
{
	struct iovec part;
	struct msghdr m = message_to(f, &part);

	SYS(SYS_sendmsg, f->fd, &m, 0);
	return came_back(f);
}

static int try_sendmmsg(struct flip *f)
{
	struct iovec part;
	struct mmsghdr batch[4];

	for (size_t i = 0; i < ARRAY_SIZE(batch); i++)
		batch[i].msg_hdr = message_to(f, &part);
	SYS(SYS_sendmmsg, f->fd, batch, ARRAY_SIZE(batch), 0);
	return came_back(f);
}

static int (*const tries[])(struct flip *f) = { try_connect, try_sendto, try_sendmsg, try_sendmmsg };

static int flip(const struct probe_args *args)
{
	struct flip *f = mem_alloc(sizeof *f);  /* for ever, as the thread */
	int (*once)(struct flip *f) = tries[args->self->call[0]];
	const int on = 1;
	uint64_t start = sys_now();
	uint64_t spent;
	pthread_t id;
	int rc;

	if (!f)
		return ATTEMPT_UNAVAILABLE;
	f->to.sin_family = AF_INET;
	f->to.sin_port = htons((uint16_t)(once == try_connect ? args->port : 9));
	f->to.sin_addr.s_addr = htonl(GRANTED);
	f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (f->fd < 0 || setsockopt(f->fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on) < 0)
		return ATTEMPT_UNAVAILABLE;
	if (pthread_create(&id, NULL, flip_for_ever, f) != 0)
		return ATTEMPT_UNAVAILABLE;
	do {
		f->seen[__atomic_load_n(&f->to.sin_addr.s_addr, __ATOMIC_RELAXED) == htonl(FORBIDDEN)]++;
		rc = once(f);
		spent = (sys_now() - start) / 1000000;
	} while (rc != 0 && (spent < FLIP_MS || ((f->seen[0] < ENOUGH || f->seen[1] < ENOUGH) && spent < FLIP_MOST_MS)));
	if (rc != 0 && (!f->seen[0] || !f->seen[1]))
		return ATTEMPT_UNAVAILABLE;     /* never changed in time: nothing is proved */
	return rc;
}

#define FLIP(n) .run = flip, .call = (const long[7]){ (n) }, .flags = PROBE_SLOW, \
	.policy = "--net-allow tcp://127.0.0.2:@PORT@ --net-allow udp://127.0.0.2:9"

/* clang-format off */
static const struct probe_case cases[] = {
	{ "N13", "flip-connect", "connect to an address that a thread changes", FLIP(0) },
	{ "N13", "flip-sendto", "sendto an address that a thread changes", FLIP(1) },
	{ "N13", "flip-sendmsg", "sendmsg to an address that a thread changes", FLIP(2) },
	{ "N13", "flip-sendmmsg", "sendmmsg to an address that a thread changes", FLIP(3) },
};
/* clang-format on */
PROBE_GROUP(flip_probes, cases);
