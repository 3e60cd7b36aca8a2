/* The reaper's own state; shared by its four files and nobody else. Raw system calls only. */
#ifndef CONFINE_REAPER_H
#define CONFINE_REAPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/proctree.h"
#include "base/sys.h"
#include "confine/plan.h"

#define MS 1000000ULL

struct reaper {
	const struct reaper_start *start;
	struct shared *shared;
	struct proctree tree;
	pid_t self;
	pid_t top;              /* the first process; 0 once it is reaped */
	int signals;            /* signalfd for SIGCHLD */
	int host;               /* pidfd of the host, -1 when there is none */
	bool paused;            /* by the host's order */
	bool throttled;         /* by the cpu limit */
	bool told_stop;         /* the host knows that the top process is stopped */
	bool any_left;          /* have children at all */
	bool in_cgroup;         /* the child was born in the cgroup of orders */
	/* cpu limits */
	uint64_t cpu_last;      /* tree's cpu time at the last look */
	uint64_t cpu_looked;    /* when that was */
	int64_t tokens;         /* nanoseconds of cpu time that may still be used */
	/* when the next looks are due; UINT64_MAX: never */
	uint64_t deadline;
	uint64_t next_memory;
	uint64_t next_memfds;
	uint64_t memfd_bytes;   /* at the last look */
	uint64_t next_cpu;
};

/* reaper_tree.c: reaching everybody below. */
void tree_kill_all(struct reaper *r);                   /* SIGKILL until nobody is left; reaps */
void tree_stop(struct reaper *r);                       /* SIGSTOP until everybody has stopped */
void tree_continue(struct reaper *r);
bool tree_signal_one(struct reaper *r, pid_t pid, int sig);
void reap(struct reaper *r);                            /* everybody who has ended, without waiting */

/* reaper_limits.c */
void limits_start(struct reaper *r, uint64_t now);
void limits_tick(struct reaper *r, uint64_t now);
uint64_t limits_next(const struct reaper *r);           /* when the next tick is due */

/* reaper_cgroup.c */
bool cgroup_is_made(const struct reaper *r);
bool cgroup_holds_memory(const struct reaper *r);
bool cgroup_killed_for_memory(const struct reaper *r);
uint64_t cgroup_peak(const struct reaper *r);
void cgroup_kill(const struct reaper *r);               /* everybody in it at once */
void cgroup_leave(const struct reaper *r);              /* when nobody is left: reads what it counted, removes it */

/* reaper.c */
void reaper_end(struct reaper *r, enum end_cause cause);  /* first cause stays */

#endif
