/* Which DNS goes where under rules with names: for the features that judge destinations. */
#ifndef FEATURES_RESOLVER_H
#define FEATURES_RESOLVER_H

#include "policy/netmatch.h"
#include "policy/policy.h"

#define RESOLVER_PORT 53

/* Rules with names: no DNS leaves but by a rule that is meant for it. */
bool resolver_wanted(const struct policy *p);

/* Does this decision, on a destination with port 53, rest on a rule that means DNS: an address, or just port 53? */
bool resolver_leaves(const struct policy *p, const struct net_decision *decision);

#endif
