/*
 * The ports that programs of one sandbox have bound: what each asked for and the port that it really has. They differ only
 * with --port-remap, where somebody outside had the port already. Any thread.
 */
#ifndef POLICY_PORTMAP_H
#define POLICY_PORTMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "policy/netrules.h"

#define PORTMAP_MAX 1024

struct port_entry {
	enum net_proto proto;           /* NET_TCP or NET_UDP */
	uint16_t asked;                 /* what the sandbox sees */
	uint16_t real;
	struct addr address;            /* that it is bound to; its port is of no meaning */
	uint64_t inode;                 /* of the socket */
};

struct portmap;

/* `on_bind` may be NULL; it is called for every new entry, on the thread that adds it, without a lock. */
typedef void port_event(const struct port_entry *entry, void *arg);
struct portmap *portmap_new(port_event *on_bind, void *arg);    /* NULL when memory is short */
void portmap_free(struct portmap *m);

/*
 * After a bind that succeeded. The same protocol, address and asked port again takes the place of what was there. Full:
 * the oldest entry without a difference makes room. 0, -ENOMEM, or -ENOBUFS where there is none.
 */
int portmap_add(struct portmap *m, const struct port_entry *entry);

/* The real port of who was last bound to `at` (address and asked port), a wildcard address included; 0: nobody was. */
uint16_t portmap_real(struct portmap *m, enum net_proto proto, const struct addr *at);

/* The same without regard to the address: the port to try first. */
uint16_t portmap_remembered(struct portmap *m, enum net_proto proto, uint16_t asked);

/* What the sandbox calls a real port; itself when it has no other name. */
uint16_t portmap_asked(struct portmap *m, enum net_proto proto, uint16_t real);

/* Was one of these sockets (inodes) bound where a socket at `at` would be in its way? */
bool portmap_is_bound(struct portmap *m, enum net_proto proto, const struct addr *at, const uint64_t *inodes, size_t count);
bool portmap_knows(struct portmap *m, uint64_t inode);

/* Is there a port whose two numbers differ? */
bool portmap_differs(struct portmap *m, enum net_proto proto);

/* A socket of TCP with this real port connects to somebody: from then on there is one more whom accept could meet. */
void portmap_mark_client(struct portmap *m, uint16_t real);

/* Is there such a socket whose two numbers differ? */
bool portmap_has_clients(struct portmap *m);

/* Somebody has looked, and until `until_ns` it may be taken for true that at `at`, an address with the port that was asked
 * for, the real port is the sandbox's. Forgotten when another bind takes the place of the one that was meant. */
void portmap_trust(struct portmap *m, enum net_proto proto, const struct addr *at, uint16_t real, uint64_t until_ns);
bool portmap_is_trusted(struct portmap *m, enum net_proto proto, const struct addr *at, uint64_t now_ns);

/* A copy of all entries, oldest first; to be freed. 0 or -ENOMEM. */
int portmap_list(struct portmap *m, struct port_entry **out, size_t *count);

/* Could sockets at both addresses not have the same port? A wildcard is in the way of every address that it may stand for;
 * "::" also stands for IPv4. */
bool port_overlaps(const struct addr *a, const struct addr *b);

/* Among the inode numbers of sockets, 0 never is: few are asked for. */
bool port_inode_among(uint64_t inode, const uint64_t *inodes, size_t count);

#endif
