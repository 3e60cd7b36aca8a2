/* The supervisor of one sandbox: receives notifications, has them decoded and judged, and answers each exactly once. */
#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/proctree.h"
#include "supervisor/aside.h"
#include "supervisor/decode.h"
#include "supervisor/dispatch.h"
#include "supervisor/domains.h"
#include "supervisor/report.h"
#include "supervisor/stuck.h"

#define SUPERVISOR_WORKERS 128           /* threads at most: each waiting connect has one */
#define SUPERVISOR_SHORT_WORKERS 4      /* of them, never taken by calls that wait: for H_BLOCKS rows */
#define SUPERVISOR_BOXES 64             /* calls of H_BLOCKS rows that workers have or wait for */
#define SUPERVISOR_PIDFDS 8              /* tasks whose pidfd is kept */
#define SUPERVISOR_WAITS 1024           /* calls that wait (V_LATER) */

/* One user and group id of the child's user namespace, and what they are outside. */
struct id_map {
	bool active;
	uid_t inside_uid;
	uid_t outside_uid;
	gid_t inside_gid;
	gid_t outside_gid;
};

/* A pidfd stays its task's: when the task is gone it says so, whoever has the number then. */
struct kept_pidfd {
	pid_t tid;
	int fd;                         /* owned; -1: none */
	bool of_thread;                 /* else of its process, on old kernels */
	bool proven;                    /* of_thread, and it was the caller's when a caller with this number was waiting */
};

/* Calls that wait for their socket without a thread each; see parking.h. All but `epoll` and `kick` under the lock. */
struct parking {
	pthread_mutex_t lock;
	struct call_box *first;
	unsigned count;
	unsigned turn;                  /* whose signals are looked for next */
	int epoll, kick;                /* -1 until somebody parks */
	pthread_t thread;
	bool running;
	struct resident resident;
	bool stopping;
	uint64_t wakes_at;              /* when the thread looks again by itself; UINT64_MAX: never */
};

struct call_queue {
	struct call_box *first;         /* oldest first */
	struct call_box **end;
	unsigned queued;
	unsigned running;
};

struct supervisor {
	int listener;                   /* owned */
	int wake;                       /* eventfd: stop */
	pid_t root;                     /* the reaper: everybody is below it */
	bool drop_caps;                 /* act with the rights that the child has */
	struct id_map ids;
	struct dispatch dispatch;
	struct report *report;          /* lent */
	struct island *island;          /* lent; where the resolver listens, or NULL */
	const struct kernel_ops *kernel;
	atomic_uint_fast64_t answered;
	/* of the notify thread */
	pthread_t thread;
	bool running;
	struct resident resident;
	struct call_box *box;           /* the call at hand; NULL when a worker has just taken it over */
	struct proctree tree;
	struct kept_pidfd pidfds[SUPERVISOR_PIDFDS];
	struct aside_kept *kept;        /* owned; for connects to unix listeners; NULL until there was one */
	/* the workers; under the lock */
	pthread_mutex_t lock;
	pthread_cond_t work;            /* queue not empty, or stopping */
	pthread_cond_t room;            /* a box was given back */
	struct call_queue shorts;       /* H_BLOCKS rows: served first */
	struct call_queue waits;        /* V_LATER: at most SUPERVISOR_WORKERS - SUPERVISOR_SHORT_WORKERS run, by turns */
	struct call_box *pool;          /* a few free boxes */
	unsigned pooled;
	unsigned idle;                  /* workers without a call */
	unsigned workers;
	pthread_t ended;                /* the worker that ended last: whoever ends next joins it */
	bool has_ended;
	struct post *posts;             /* of the workers */
	bool stopping;
	/* a connect or accept that is being made, so that supervisor_stop can end it; under connect_lock */
	pthread_mutex_t connect_lock;
	int connecting;                 /* lent; -1: none */
	bool no_connects;
	pthread_mutex_t switch_lock;    /* who has it may switch O_NONBLOCK of a caller's socket */
	struct parking parking;
	struct domains domains;         /* Landlock domains that the sandbox's processes have entered */
};

/* A supervisor that does nothing yet; refusals go into the report, which outlives it. 0 or -errno. */
int supervisor_init(struct supervisor *s, struct report *report);

/* Takes the listener and answers it on a thread of its own from now on. 0 or -errno (the listener is closed then). */
int supervisor_start_take(struct supervisor *s, int listener, pid_t root);

/* Stops answering (calls that still wait get ENOSYS from the kernel), joins the threads, frees everything. Threads that are
 * still inside a call of MAY_STICK after a second are left behind. */
void supervisor_stop(struct supervisor *s);
void supervisor_fini(struct supervisor *s);

/* For workers.c and onbehalf.c. */
bool notify_is_valid(const struct supervisor *s, uint64_t id);
/* What became of a call that was run; but for RUN_ENDED nobody has replied yet. */
enum run_end {
	RUN_ENDED,
	RUN_WAITS,      /* it must go to a worker, with the box */
	RUN_PARKED,     /* the box is parking.c's */
};

/* Decodes if that was not done, dispatches, replies. */
enum run_end notify_run(struct supervisor *s, struct call_box *box);
/* The answer to a call that cannot go on. */
void notify_refuse(struct supervisor *s, uint64_t id, int errnum);
void supervisor_drop_rights(const struct supervisor *s);

/* workers.c. Gives a box back that is in no queue. */
void workers_give(struct supervisor *s, struct call_box *box);
/* A box for a call of an H_BLOCKS row, or NULL when none came free in time or the end has begun. */
struct call_box *workers_box(struct supervisor *s);
/* A box for the notify thread itself, or NULL when memory is short. */
struct call_box *workers_own_box(struct supervisor *s);
/* Hands a box over to a worker, which gives it back to the pool: one of workers_box, or, with `waits`, one whose call has
 * said V_LATER. 0, or -errno: the box of workers_box is back in the pool, the one that waits is still the caller's. */
int workers_queue(struct supervisor *s, struct call_box *box, bool waits);
/* The whole life of a thread that is there for as long as the supervisor, and its end: true when it had to be left. */
void workers_reside(struct supervisor *s, struct resident *r, void (*live)(struct supervisor *s));
bool workers_end_resident(struct supervisor *s, struct resident *r, pthread_t thread);
/* On a worker: has a call that was taken up at `turn` waited long enough, so that one of those in the queue is next? */
bool workers_turn_is_over(struct supervisor *s, uint64_t turn);
void workers_init(struct supervisor *s);
void workers_stop(struct supervisor *s);
void workers_fini(struct supervisor *s);

#endif
