/* Sets of ports: the grammar of --net-allow-bind and --net-deny-bind, membership, and the way back to text. */
#ifndef POLICY_PORTS_H
#define POLICY_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "policy/policy.h"

/*
 * Adds what one rule says to *out, which may be NULL: then it is only checked. `origin` begins the sentence of a refusal.
 * 0 or -EINVAL.
 *   connect: PORTS without port 0 (the older --net-connect; rules are read by netrules.h)
 *   bind:    PORTS; port 0 (any free one) is allowed
 *   deny:    the same without "*"
 *   PORTS:   "*", or numbers and LOW-HIGH ranges between commas, with blanks around each
 */
int ports_add_connect(struct ports *out, struct view list, const char *origin, struct error *err);
int ports_add_bind(struct ports *out, struct view rule, const char *origin, struct error *err);
int ports_add_deny_bind(struct ports *out, struct view rule, const char *origin, struct error *err);

bool ports_has(const struct ports *set, unsigned port);
bool ports_is_empty(const struct ports *set);

/* "*", "80,443,8000-8010", or nothing for the empty set. */
void ports_print(const struct ports *set, struct str *out);

#endif
