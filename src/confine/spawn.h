/* The host's side of starting: memory for the tasks, the clone of the reaper, the hand-over of the listener. */
#ifndef CONFINE_SPAWN_H
#define CONFINE_SPAWN_H

#include "base/err.h"
#include "confine/plan.h"

struct spawn {
	pid_t reaper;
	int control;            /* our end; readable when there is news, at end when the reaper is gone */
	int listener;           /* the seccomp listener, or -1 */
	struct shared *shared;  /* valid until spawn_fini */
	void *memory;           /* the mapping that shared, the stacks and the orders live in */
	bool reaped;
};

#define SPAWN_NONE { .control = -1, .listener = -1 }

/*
 * Starts the reaper, which starts the child, which sets itself up as far as it can and waits for spawn_go(). The plan's
 * descriptors must be at or above plan->fd_floor where they are not the caller's; plan, argv, envp and filter must live
 * until spawn_entered() has said 0 or less. `memory` is NULL or what spawn_fini_keep() gave, and is taken. 0 or -errno with
 * *out untouched. The calling thread must call spawn_entered() or spawn_fini() too: until the program is entered, the end
 * of the thread is the child's.
 */
int spawn_start(const struct child_plan *plan, const struct reaper_orders *orders, void *memory, struct spawn *out,
		struct error *err);

/* The plan is complete: from here on it is constant, and the child goes on. 0 or -errno. */
int spawn_go(struct spawn *s);

/* Waits for the next stage: 1 when s->listener has come and must be answered from now on (then call again), 0 when the
 * program was entered, a negative errno when a step failed: then *step says which, STEP_MAX being the reaper's own. */
int spawn_entered(struct spawn *s, enum child_step *step);

/* Takes one piece of news without waiting: 1, 0 when there is none, -EPIPE when the reaper is gone. */
int spawn_news(struct spawn *s, struct news *news);

/* Sends an order; safe in a signal handler. 0 or -ESRCH when the reaper is gone. */
int spawn_order(const struct spawn *s, enum order_kind kind, int value);

/* Kills the tree if there still is one, waits for the reaper, frees. Fine on SPAWN_NONE. */
void spawn_fini(struct spawn *s);

/* The same, but the tasks' memory is kept for another start where nobody uses it any more: NULL, or for spawn_start() or
 * spawn_memory_free(). */
void *spawn_fini_keep(struct spawn *s);
void spawn_memory_free(void *memory);

/* Waits for the reaper itself, once it has closed its end. Idempotent. */
void spawn_reap(struct spawn *s);

/* Moves a descriptor of ours to `floor` or above; on failure it is closed and the error returned. */
int spawn_raise_fd(int *fd, int floor);

#endif
