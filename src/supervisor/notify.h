/* The supervisor of one sandbox: receives notifications, has them decoded and judged, and answers each exactly once. */
#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/proctree.h"
#include "supervisor/decode.h"
#include "supervisor/dispatch.h"
#include "supervisor/report.h"

#define SUPERVISOR_WORKERS 4
#define SUPERVISOR_BOXES 64             /* calls that workers have or wait for */

/* One user and group id of the child's user namespace, and what they are outside. */
struct id_map {
	bool active;
	uid_t inside_uid;
	uid_t outside_uid;
	gid_t inside_gid;
	gid_t outside_gid;
};

struct supervisor {
	int listener;                   /* owned */
	int wake;                       /* eventfd: stop */
	pid_t root;                     /* the reaper: everybody is below it */
	bool drop_caps;                 /* act with the rights that the child has */
	struct id_map ids;
	struct dispatch dispatch;
	struct report *report;          /* lent */
	const struct kernel_ops *kernel;
	atomic_uint_fast64_t answered;
	/* of the notify thread */
	pthread_t thread;
	bool running;
	struct call_box box;
	struct proctree tree;
	/* the workers; under the lock */
	pthread_mutex_t lock;
	pthread_cond_t work;            /* queue not empty, or stopping */
	pthread_cond_t room;            /* a box was given back */
	struct call_box *queue;         /* oldest first */
	struct call_box **queue_end;
	struct call_box *pool;
	unsigned boxes;                 /* made so far */
	unsigned idle;                  /* workers that wait */
	unsigned workers;
	pthread_t worker[SUPERVISOR_WORKERS];
	bool stopping;
};

/* A supervisor that does nothing yet; refusals go into the report, which outlives it. 0 or -errno. */
int supervisor_init(struct supervisor *s, struct report *report);

/* Takes the listener and answers it on a thread of its own from now on. 0 or -errno (the listener is closed then). */
int supervisor_start_take(struct supervisor *s, int listener, pid_t root);

/* Stops answering (calls that still wait get ENOSYS from the kernel), joins the threads, frees everything. */
void supervisor_stop(struct supervisor *s);
void supervisor_fini(struct supervisor *s);

/* For workers.c and onbehalf.c. */
bool notify_is_valid(const struct supervisor *s, uint64_t id);
void notify_run(struct supervisor *s, struct call_box *box);    /* decode, dispatch, reply */
void notify_reply(struct supervisor *s, uint64_t id, struct verdict v);
void supervisor_drop_rights(const struct supervisor *s);

/* workers.c: hands a decoded-registers box over; takes the box. A free one, or NULL when none came free in time. */
struct call_box *workers_box(struct supervisor *s);
int workers_queue(struct supervisor *s, struct call_box *box);
void workers_stop(struct supervisor *s);

#endif
