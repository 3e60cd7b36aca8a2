/* Sentences about destinations and ports: which rule decides, or that there is none, and the option that would allow it. */
#ifndef POLICY_NETEXPLAIN_H
#define POLICY_NETEXPLAIN_H

#include <stdbool.h>

#include "base/str.h"
#include "policy/netmatch.h"
#include "policy/policy.h"

/*
 * All: one or two sentences about a frozen policy; 1 allowed, 0 refused. Failures of memory are in out->rc.
 */

/* Connecting to a TCP port of any address, or listening on it. */
int explain_port(const struct policy *p, bool bind, unsigned port, struct str *out);

/* Reaching an address by a protocol. Where the policy judges no addresses, `m` is not asked: Landlock decides by port. */
int explain_destination(const struct policy *p, const struct netmatch *m, enum net_proto proto, const struct addr *to,
			struct str *out);

/* Reaching a name, which the rule of this index allows by the name itself or by a domain above it. */
void explain_name(const struct policy *p, int rule, const struct net_rule *asked, struct str *out);

/*
 * Says of an allow rule, or of those that one value made, that denials leave nothing of it; otherwise nothing. `first`
 * is an index into net_rules; returns that of the next value. Of `m` the denials are asked; it needs no pins.
 */
size_t explain_dead_rule(const struct policy *p, const struct netmatch *m, size_t first, struct str *out);

#endif
