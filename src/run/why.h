/* Answers from the policy, without running anything: would this be allowed, and which rule decides? */
#ifndef RUN_WHY_H
#define RUN_WHY_H

#include "base/err.h"
#include "base/str.h"
#include "policy/grants.h"
#include "policy/policy.h"
#include "policy/sockets.h"
#include "run/names.h"

/* What is asked. The policy is frozen, the rest was made from it. */
struct why {
	const struct policy *policy;
	const struct grants *grants;
	const struct socket_grants *sockets;
	names_lookup lookup;            /* for the names of destinations: it may block as long as the name service does */
};

/* All: 1 allowed, 0 refused, or -errno; out gets one or two sentences. */

/* `path` as the user types it, relative to the current directory. What does not exist is judged by its nearest parent
 * that does: that is where it would be made. */
int why_path(const struct policy *p, const struct grants *g, unsigned access, const char *path, struct str *out);

/*
 * A destination in the words of a rule with one target and one port: ":443", "HOST:443", "[::1]:443", "udp://HOST:53",
 * "icmp://HOST"; TCP where it has no scheme, and "443" is ":443". A name is judged by its own rules and by what its
 * addresses are now. Or a unix socket: a path with a "/", "@NAME" for an abstract one. Other forms are -EINVAL with
 * a sentence in *err.
 */
int why_connect(const struct why *w, const char *target, struct str *out, struct error *err);

/* "443", ":443", "HOST:443": the port counts. -EINVAL with a sentence in *err for anything else. */
int why_bind(const struct policy *p, const char *target, struct str *out, struct error *err);

/* The canonical name as far as the path exists, and the rest of it as typed, PATH_SIZE bytes. A rest with ".." has no
 * meaning: -ENOENT. */
int why_canonical(const char *path, char *out);

#endif
