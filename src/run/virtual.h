/* Which files are virtual under a policy and its grants, and how the grants reach the kernel then. */
#ifndef RUN_VIRTUAL_H
#define RUN_VIRTUAL_H

#include "policy/grants.h"
#include "policy/policy.h"
#include "policy/virtual.h"

/*
 * Fills `out` and withholds from Landlock what would cover a virtual object: such a grant keeps its place in `g` for
 * everybody who asks what is granted, and out->entries gets a grant for each thing beneath it that is not virtual.
 * Nothing happens without a supervisor, or where nothing virtual is in reach. 0 or -errno.
 */
int virtual_plan(const struct policy *p, struct grants *g, struct virtuals *out, struct error *err);

#endif
