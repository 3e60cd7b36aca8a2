/* A frozen policy made ready to start programs: grants pinned, rules and filter built. Shared. */
#ifndef RUN_PREPARE_H
#define RUN_PREPARE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"
#include "confine/filter.h"
#include "confine/landlock.h"
#include "policy/grants.h"
#include "policy/policy.h"
#include "policy/sockets.h"
#include "policy/sysrules.h"
#include "policy/virtual.h"
#include "run/names.h"
#include "supervisor/dispatch.h"

/* Immutable but for the count, the lock and what the lock guards; any thread may use it. */
struct prepared {
	atomic_int users;
	struct policy *policy;          /* owned, frozen */
	struct grants grants;           /* descriptors stay open: each start makes a ruleset of them */
	struct virtuals virtuals;
	struct socket_grants sockets;   /* empty when no socket by path is in reach */
	struct words warnings;          /* under the lock: sentences about grants that reach far, and presets that do not */
	struct landlock_plan landlock;
	struct dispatch dispatch;       /* the active features, without state: a sandbox copies it */
	struct sysrules *rules;
	struct filter filter;
	bool supervised;
	pthread_mutex_t lock;
	int cgroup;                     /* the folder for cgroups of the sandboxes, -1: their limits need none or have none */
	int ruleset;                    /* of the grants alone, -1 until there is one */
	_Atomic(void *) task_memory;    /* of a sandbox that has ended, for the next; NULL */
	pthread_mutex_t names_lock;     /* guards names; held while they are looked up */
	struct names *names;            /* what the names stood for lately; NULL until a sandbox needs it */
};

/* Freezes the policy and prepares it; owns the policy from here on, failure included. *out has one user. */
int prepare_take(struct policy *policy, struct prepared **out, struct error *err);
struct prepared *prepared_ref(struct prepared *p);
void prepared_unref(struct prepared *p);

/* The policy's own reference goes: no sandbox will be started from it any more, so the descriptors of the grants are not
 * needed, whoever else still has one. */
void prepared_retire(struct prepared *p);

/* What a person should know, said once; the sentences stay until the end. */
void prepared_warn(struct prepared *p, const char *sentence);
const char *prepared_warning(struct prepared *p, size_t index);

/* Adds the rules for the grants and `extra` to a ruleset of landlock_create(). */
int prepared_fill(const struct prepared *p, const struct grants *extra, int ruleset, struct error *err);

/* The ruleset of the grants alone, or -1: it is that of the first start that needed no other, and stays the policy's. */
int prepared_ruleset(struct prepared *p);
void prepared_keep_ruleset(struct prepared *p, int ruleset);    /* copies it, unless there is one */

/*
 * The matcher of the network rules, with the names as they stand now; what is less than a minute old serves again.
 * *out is a reference for the caller, and NULL where the policy judges no addresses: then nothing is looked up.
 */
int prepared_names(struct prepared *p, struct names **out, struct error *err);

/* Both lists as one, without descriptors. 0 or -ENOMEM. */
int grants_joined(const struct grants *a, const struct grants *b, struct grants *out);

#endif
