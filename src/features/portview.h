/* Who has a port, and which real port stands behind one that the sandbox knows. */
#ifndef FEATURES_PORTVIEW_H
#define FEATURES_PORTVIEW_H

#include "supervisor/handler.h"

/* Listeners (of UDP: sockets) that are in the way of one at this address and port. */
struct port_holders {
	bool outside;           /* of somebody outside the sandbox */
	bool inside;
	bool leftover;          /* a connection, maybe one that has ended, of no matter whom */
};

/* Asks the kernel's tables. 0 or -errno. */
int portview_holders(const struct call *call, enum net_proto proto, const struct addr *at, struct port_holders *out);

/*
 * `to` may be an address of this machine with a port that the sandbox has bound and really has under another number: then
 * that number is put into `name`, a sockaddr_in or sockaddr_in6. 0; MUST_WAIT while !may_wait; -ECONNREFUSED when the
 * sandbox has that port no longer, which others may have by now. `ports` may be NULL.
 */
int portview_redirect(const struct call *call, struct portmap *ports, enum net_proto proto, const struct addr *to, void *name);

/* Is it an address of this machine, the loopback included? */
bool portview_is_here(const struct call *call, const struct addr *a);

/* Writes a port into a sockaddr_in or sockaddr_in6. */
void portview_set_port(void *name, uint16_t port);

/* Calls `each` for every listener of TCP that is not the sandbox's until it returns true: then 1, else 0, or -errno. */
int portview_strangers(const struct call *call, bool (*each)(const struct call *call, const struct addr *at, void *arg),
		       void *arg);

#endif
