/* From the user's words to socket grants, and what a person should know about a grant that reaches beyond the sandbox. */
#ifndef RUN_SOCKETS_H
#define RUN_SOCKETS_H

#include "base/err.h"
#include "policy/policy.h"
#include "policy/sockets.h"

/*
 * The socket grants of a frozen policy. A socket need not exist yet: as much of its path as exists is made canonical.
 * 0 or -errno with a sentence.
 */
int resolve_sockets(const struct policy *p, struct socket_grants *out, struct error *err);

/*
 * Sockets that control the host (container engines, the message buses, key agents, the display) and that the grants
 * reach: whoever may talk to one of them can do what its server can. One call of `each` for every such socket that
 * exists, with what it controls and who grants it.
 */
void control_sockets(const struct socket_grants *s, const struct grants *files,
		     void (*each)(const char *path, const char *what, const char *granted_by, void *arg), void *arg);

#endif
