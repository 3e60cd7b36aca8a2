/*
 * A small DNS client for the host's side: one question at a time and socket, no thread, no waiting. Its owner polls
 * `fd` until `deadline` and calls lookup_step. It asks the name servers that it is given, so tests give their own.
 */
#ifndef BASE_LOOKUP_H
#define BASE_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/dnswire.h"

#define LOOKUP_SERVERS_MAX 3
#define LOOKUP_SEARCH_MAX 6

struct lookup_servers {
	struct addr at[LOOKUP_SERVERS_MAX];     /* with the port */
	size_t count;
	unsigned attempts;                      /* rounds over all of them */
	uint64_t timeout_ns;                    /* for one answer */
	/* For others to say on; nothing here searches. */
	char search[LOOKUP_SEARCH_MAX * 256];   /* domains that are host names, each behind a blank */
	int ndots;                              /* -1: not said */
};

/* Those of a file in the form of /etc/resolv.conf; where it names none or is not there, 127.0.0.1, as libc does. */
void lookup_servers_read(const char *path, struct lookup_servers *out);

/* The addresses of both families that a file in the form of /etc/hosts has for a name, whose case does not matter. True
 * when there are any; ttl and rcode are 0. */
bool lookup_hosts(const char *path, const char *name, struct dns_result *out);

struct lookup {
	const struct lookup_servers *servers;   /* lent */
	char name[256];
	uint16_t type;
	uint16_t id;
	unsigned tries;                         /* begun so far, over servers and rounds */
	int fd;                                 /* to be polled; -1: not under way */
	short events;
	bool tcp;
	uint64_t deadline;                      /* CLOCK_MONOTONIC: step then at the latest */
	uint8_t *buf;                           /* of TCP: two bytes of length, then the message */
	size_t done;                            /* bytes of it sent or received */
	bool sent;
	struct dns_result result;
};

/* Begins; 0 or -errno. `name` is a host name in lower case. */
int lookup_start(struct lookup *l, const struct lookup_servers *servers, const char *name, uint16_t type);

/* Goes on: 1 when the answer (which may be that there is no such name) is in `result`, 0 to be called again, or -errno:
 * -ETIMEDOUT when no server answered, -EREMOTEIO when all that answered could not say. */
int lookup_step(struct lookup *l);

/* Ends it, at any time and more than once. A zeroed one must have fd -1. */
void lookup_fini(struct lookup *l);

#endif
