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

/* What a destination is judged by. */
struct port_ways {
	const struct policy *policy;
	struct portmap *ports;          /* NULL without --port-remap: every port is what it says */
};

/*
 * `to` may be an address of this machine with a port that the sandbox has bound and really has under another number: then
 * that number is put into `name`, a sockaddr_in or sockaddr_in6. 0; MUST_WAIT while !may_wait; -ECONNREFUSED, with the
 * refusal in the report, when the port is the sandbox's own and nobody in it has it: others may.
 */
int portview_redirect(const struct call *call, const struct port_ways *ways, enum net_proto proto, const struct addr *to,
		      void *name);

/* The name of a socket or of a peer. */
struct port_name {
	_Alignas(8) char bytes[128];
	size_t len;
};

/* The name that the kernel has for it, and what that says. 0 or -errno, also for one that is no internet address. */
int portview_name(const struct call *call, int sock, bool peer, struct port_name *out, struct addr *at);

/*
 * `name` may be a peer in the sandbox whose port has another number there: then that is put into it. 1: so it was; 0; or
 * MUST_WAIT, which `now` rules out: then a number that has not been looked after for long is believed.
 */
int portview_translate(const struct call *call, struct portmap *ports, enum net_proto proto, struct port_name *name,
		       bool now);

/* Writes a name to the caller as the kernel does: as much as there is room for, and the length that it would have had. */
int portview_tell(const struct call *call, const struct port_name *name, uint64_t to, uint64_t to_len);

/* Before a connect to `to`: a socket that is bound to a port of two numbers is one that accept must look out for. */
void portview_connects(const struct call *call, struct portmap *ports, enum net_proto proto, int sock,
		       const struct addr *to);

/* Is it an address of this machine, the loopback included? */
bool portview_is_here(const struct call *call, const struct addr *a);

/* Writes a port into a sockaddr_in or sockaddr_in6. */
void portview_set_port(void *name, uint16_t port);

/* Calls `each` for every listener of TCP that is not the sandbox's until it returns true: then 1, else 0, or -errno. */
int portview_strangers(const struct call *call, bool (*each)(const struct call *call, const struct addr *at, void *arg),
		       void *arg);

#endif
