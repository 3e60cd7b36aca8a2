/*
 * Addresses that a name rule has opened for a while: the resolver adds what it answered, the network check asks. The
 * only thing that features of one sandbox share; it locks itself.
 */
#ifndef POLICY_OPENINGS_H
#define POLICY_OPENINGS_H

#include "base/addr.h"
#include "policy/netrules.h"

#define OPENINGS_MAX 4096

struct openings;

struct openings *openings_new(void);            /* NULL when memory is short */
void openings_free(struct openings *o);

/* `name` (copied) stood for `ip` in an answer; it may be used until `until_ns` of CLOCK_MONOTONIC. Known: the later time
 * counts. Full: the one that ends first makes room. 0 or -ENOMEM. */
int openings_add(struct openings *o, const char *name, const struct addr *ip, uint64_t until_ns);

/* What is open of this name and family (enum addr_family) ends at `until_ns` at the latest: a refresh replaces it. */
void openings_limit(struct openings *o, const char *name, int family, uint64_t until_ns);

/*
 * The names that `ip` was opened for at `now_ns`, one call of `each` a name until it returns true: then true. The
 * caller asks netmatch_name whether the name's rule covers protocol and port. `each` runs under the lock: it calls
 * nothing of this header.
 */
bool openings_find(struct openings *o, const struct addr *ip, uint64_t now_ns,
		   bool (*each)(const char *name, void *arg), void *arg);

/* Everything that is open at `now_ns`, what a refresh has replaced after all the rest; `each` runs under the lock too. */
void openings_each(struct openings *o, uint64_t now_ns, void (*each)(const char *name, const struct addr *ip, void *arg),
		   void *arg);

#endif
