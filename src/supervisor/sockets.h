/* Sockets of the child, acted on for it: the socket operations of kernel_ops, joined into the table by onbehalf.c. */
#ifndef SUPERVISOR_SOCKETS_H
#define SUPERVISOR_SOCKETS_H

#include "supervisor/handler.h"

struct supervisor;

int sockets_info(const struct call *call, int sock, unsigned want, struct socket_info *out);
int sockets_connect(const struct call *call, int sock, const void *name, size_t len);
ssize_t sockets_send(const struct call *call, int sock, const struct outgoing *message, int flags);
int sockets_wait_to_send(const struct call *call, int sock, int flags);
void sockets_broken_pipe(const struct call *call, int sock, int flags);
int sockets_owns_abstract(const struct call *call, const char *name, size_t len, int type);

/*
 * connect or accept4 with these arguments, which a hostile caller could make us wait in; with the switch lock held, since
 * sockets_stop can end one call. The result, or -errno.
 */
long sockets_stoppable(const struct call *call, int nr, int sock, const uint64_t args[3]);

/* Is this the address of an abstract socket that the caller's own Landlock domains let it reach? */
bool sockets_shares_abstract(const struct call *call, int sock, const void *name, size_t len);

/* Ends a connect that a hostile caller made us wait in, and allows no other: the tree is gone. */
void sockets_stop(struct supervisor *s);

#endif
