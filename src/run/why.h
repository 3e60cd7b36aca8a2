/* Answers from the policy, without running anything: would this be allowed, and which rule decides? */
#ifndef RUN_WHY_H
#define RUN_WHY_H

#include "base/str.h"
#include "policy/grants.h"
#include "policy/policy.h"
#include "run/names.h"

/* All: 1 allowed, 0 refused, or -errno; out gets one or two sentences. The policy is frozen. */

/* `path` as the user types it, relative to the current directory. What does not exist is judged by its nearest parent
 * that does: that is where it would be made. */
int why_path(const struct policy *p, const struct grants *g, unsigned access, const char *path, struct str *out);

/* ":443", "HOST:443", "[::1]:443", "udp://HOST:53", "icmp://HOST". A name is judged by its own rules, else by its addresses,
 * which are looked up. -EINVAL where it has another form. */
int why_connect(const struct policy *p, names_lookup lookup, const char *target, struct str *out);

/* "443", ":443", "HOST:443": the port counts. */
int why_bind(const struct policy *p, const char *target, struct str *out);

#endif
