/*
 * What the names of the rules stand for when a program starts: looked up through the host's resolver, each name once,
 * and pinned in a matcher. Several sandboxes of one policy share it.
 */
#ifndef RUN_NAMES_H
#define RUN_NAMES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "policy/netmatch.h"
#include "policy/policy.h"

struct addresses {
	struct addr *at;
	size_t len;
	size_t cap;
};

/* Appends the addresses of a name. 0, -ENOMEM, or another -errno with a sentence in *why, which is a constant. */
typedef int (*names_lookup)(const char *name, struct addresses *out, const char **why);

/* As any program on this host would: files, DNS, and what else its name service is set up for. */
int names_lookup_host(const char *name, struct addresses *out, const char **why);

/* Immutable but for the count. */
struct names {
	atomic_int users;
	uint64_t made_ns;               /* CLOCK_MONOTONIC */
	struct net_pin *pins;           /* the names are those of the policy's rules */
	size_t count;
	size_t cap;
	struct netmatch *match;
	struct words warnings;          /* about names of presets that were not found */
};

/*
 * The names of a frozen policy, which must outlive them; `lookup` is called by several threads at once. A name that was
 * typed and is not found is an error whose sentence names it, its rule and the reason; a host of a network preset is a
 * warning, for one that is away shall not take the rest along, and a machine without a network starts with none: no address
 * is pinned for it, so that only the resolver's answers can open one. Where `lookup` is NULL, names stand for nothing. *out
 * has one user.
 */
int names_resolve(const struct policy *p, names_lookup lookup, struct names **out, struct error *err);

/* The same for a question: whatever is not found stands for nothing. 0 or -ENOMEM. */
int names_resolve_known(const struct policy *p, names_lookup lookup, struct names **out, struct error *err);

struct names *names_ref(struct names *n);
void names_unref(struct names *n);

#endif
