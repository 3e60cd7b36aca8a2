/* Which sockets in the file system a program may connect to: the list made of --unix-allow, and the write grants. */
#ifndef POLICY_SOCKETS_H
#define POLICY_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/grants.h"

struct socket_grant {
	char *path;             /* canonical: one socket, or a directory with all below it; or a pattern of such paths */
	bool is_pattern;        /* "*", "?" and "[...]" stand for bytes of one component */
	char *origin;           /* "--unix-allow", "web.toml:12" */
};

struct socket_grants {
	struct socket_grant *at;
	size_t len;
	size_t cap;
	bool by_write;          /* what lies under a write grant is granted too */
};

void socket_grants_fini(struct socket_grants *s);

/* Copies both strings. 0 or -ENOMEM. */
int socket_grants_add(struct socket_grants *s, const char *path, bool is_pattern, const char *origin);

/* Does the text have a character that stands for others? */
bool socket_is_pattern(const char *text);

/*
 * Who grants the socket at `path` (canonical bytes): the origin of a socket grant or of the write grant that covers it;
 * NULL when nobody does.
 */
const char *socket_granted_by(const struct socket_grants *s, const struct grants *files, const char *path);

#endif
