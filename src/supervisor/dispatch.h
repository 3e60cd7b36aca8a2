/* Handler tables of the active features to one chain per call number; yields the set of calls to trap. */
#ifndef SUPERVISOR_DISPATCH_H
#define SUPERVISOR_DISPATCH_H

#include "supervisor/handler.h"

#define DISPATCH_FEATURES 24            /* as many as there are in the registry, for a policy that wants them all */
#define DISPATCH_CHAIN 6
#define DISPATCH_SLOTS 128

struct dispatch_slot {
	const struct handler *handler;
	uint8_t feature;                /* index into active[] */
};

/* Numbers of slots, counted from 1: a table of all calls is two kilobytes, since every start fills and copies it. */
struct dispatch_chain {
	uint8_t slot[DISPATCH_CHAIN];   /* 0: no more */
};

struct dispatch {
	const struct policy *policy;    /* frozen; lent, must outlive this */
	const struct feature *active[DISPATCH_FEATURES];
	void *state[DISPATCH_FEATURES];
	size_t count;
	struct dispatch_slot slots[DISPATCH_SLOTS];
	size_t slot_count;
	struct dispatch_chain chain[SYSRULES_MAX];
	struct dispatch_chain any;      /* the "*" handlers, asked first: the refusals */
	bool started[DISPATCH_FEATURES];
};

/* Picks the features that the policy wants, in registry order. -E2BIG when a table is too small, which no policy can
 * bring about (test_dispatch.c asks the one that wants most). */
int dispatch_init(struct dispatch *d, const struct feature *const *registry, size_t count, const struct policy *p);

/* What the active features want to see: *out is heap memory. */
int dispatch_traps(const struct dispatch *d, struct trap **out, size_t *count);

/* Starts and stops every active feature's state for one sandbox. */
int dispatch_start(struct dispatch *d, const struct feature_env *env, struct error *err);
void dispatch_stop(struct dispatch *d);

/* How a call must be run: of enum handler_flags, joined over its chain. H_NO_DECODE only if all have it. */
unsigned dispatch_flags(const struct dispatch *d, int nr);

/* Asks the "*" handlers, then the chain; ENOSYS when nobody answers (but see H_OTHERS_PASS), EPERM for a continue without
 * leave, EAGAIN for a V_LATER without. Never V_NEXT. */
struct verdict dispatch_call(const struct dispatch *d, const struct call *call);

#endif
