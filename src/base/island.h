/*
 * Talking to an island: a network namespace that has one interface, lo, and on which every address is the island itself.
 * A socket made there reaches who listens there, whatever address it is told, and nothing else ever. A task that lives
 * in the namespace makes the sockets (confine/island_task.c); this is how it is asked.
 */
#ifndef BASE_ISLAND_H
#define BASE_ISLAND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* One request; the answer is an int, 0 or -errno, with the socket. */
struct island_order {
	int domain;
	int type;               /* with SOCK_NONBLOCK perhaps; the socket is close-on-exec anyway */
	int protocol;
	int port;               /* not 0: it takes what is sent to this port of any address, and says to which */
};

struct island {
	int control;            /* owned by whoever started it */
	uint64_t cookie;        /* the kernel's name of the namespace */
	pthread_mutex_t lock;
};

/* A socket of the island, or -errno. Any thread. */
int island_socket(struct island *i, const struct island_order *order);

/* Is this a socket of the island? Any thread. */
bool island_has(const struct island *i, int sock);

/* For the start: the cookie of a socket's namespace. 0 or -errno (-ENOPROTOOPT: older than Linux 5.14). */
int island_cookie(int sock, uint64_t *out);

#endif
