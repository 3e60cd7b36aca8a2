/*
 * Calls that can block run here: threads made when they are needed, which end when nobody has needed them for a while,
 * and two bounded queues. Calls that wait for a peer (V_LATER) may take as long as the peer likes, so they never take
 * the last threads: calls of H_BLOCKS rows always find some. When more wait than there are threads for, they take turns.
 */
#include "supervisor/notify.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "base/mem.h"
#include "base/thread.h"
#include "supervisor/onbehalf.h"
#include "supervisor/sockets.h"

#define ROOM_WAIT_NS 5000000000ULL
#define IDLE_NS 5000000000ULL
#define POOL_MAX 16
#define TURN_NS 100000000ULL
#define PAUSE_NS 50000000ULL
#define PATIENCE_NS 1000000000ULL
#define WAITS_AT_ONCE (SUPERVISOR_WORKERS - SUPERVISOR_SHORT_WORKERS)

/* --- queues --- */

static void queue_init(struct call_queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static void queue_push(struct call_queue *q, struct call_box *box)
{
	box->next = NULL;
	*q->end = box;
	q->end = &box->next;
	q->queued++;
}

static struct call_box *queue_pop(struct call_queue *q)
{
	struct call_box *box = q->first;

	q->first = box->next;
	if (!q->first)
		q->end = &q->first;
	q->queued--;
	q->running++;
	return box;
}

/* The one that a free worker serves next, or NULL. */
static struct call_queue *next_queue(struct supervisor *s)
{
	if (s->shorts.first)
		return &s->shorts;
	return s->waits.first && s->waits.running < WAITS_AT_ONCE ? &s->waits : NULL;
}

void workers_init(struct supervisor *s)
{
	pthread_mutex_init(&s->lock, NULL);
	thread_cond_init(&s->work);
	thread_cond_init(&s->room);
	queue_init(&s->shorts);
	queue_init(&s->waits);
}

/* --- boxes --- */

static struct call_box *pool_take(struct supervisor *s)
{
	struct call_box *box = s->pool;

	if (box) {
		s->pool = box->next;
		s->pooled--;
		return box;
	}
	box = mem_alloc(sizeof *box);
	if (!box)
		return NULL;
	box->call.supervisor = s;
	box->call.kernel = s->kernel;
	return box;
}

static void free_box(struct call_box *box)
{
	if (box)
		call_box_fini(box);
	mem_free(box);
}

static void pool_give(struct supervisor *s, struct call_box *box)
{
	call_box_clear(box);
	if (s->pooled == POOL_MAX) {
		free_box(box);
		return;
	}
	box->next = s->pool;
	s->pool = box;
	s->pooled++;
}

void workers_give(struct supervisor *s, struct call_box *box)
{
	pthread_mutex_lock(&s->lock);
	pool_give(s, box);
	pthread_mutex_unlock(&s->lock);
}

/* What the child can make us allocate ends at SUPERVISOR_BOXES here, and at SUPERVISOR_WAITS for those that wait. */
struct call_box *workers_box(struct supervisor *s)
{
	struct timespec until = thread_time_after(ROOM_WAIT_NS);
	struct call_box *box = NULL;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	while (s->shorts.queued + s->shorts.running >= SUPERVISOR_BOXES && rc == 0 && !s->stopping)
		rc = pthread_cond_timedwait(&s->room, &s->lock, &until);
	if (s->shorts.queued + s->shorts.running < SUPERVISOR_BOXES)
		box = pool_take(s);
	pthread_mutex_unlock(&s->lock);
	return box;
}

struct call_box *workers_own_box(struct supervisor *s)
{
	pthread_mutex_lock(&s->lock);
	struct call_box *box = pool_take(s);
	pthread_mutex_unlock(&s->lock);
	return box;
}

/* --- threads --- */

bool workers_turn_is_over(struct supervisor *s, uint64_t turn)
{
	pthread_mutex_lock(&s->lock);
	bool others = s->waits.first;
	pthread_mutex_unlock(&s->lock);
	return others && sys_now() - turn >= TURN_NS;
}

/* Without a descriptor, so that the host has them. */
static void pause_a_little(const struct supervisor *s)
{
	const struct timespec time = { .tv_nsec = (long)PAUSE_NS };
	struct pollfd poll = { .fd = s->wake, .events = POLLIN };

	SYS(SYS_ppoll, &poll, 1, &time, 0, 8);
}

static void run_one(struct supervisor *s, struct call_queue *q)
{
	struct call_box *box = queue_pop(q);

	pthread_mutex_unlock(&s->lock);
	box->call.may_wait = true;
	box->progress.turn = sys_now();
	box->progress.crowded = false;
	enum run_end end = notify_run(s, box);
	if (end == RUN_WAITS && box->progress.crowded)
		pause_a_little(s);
	pthread_mutex_lock(&s->lock);
	q->running--;
	if (end == RUN_ENDED)
		pool_give(s, box);
	else if (end == RUN_WAITS)
		queue_push(q, box);
	pthread_cond_signal(&s->room);
}

/* Sleeps until there may be work. False: nobody came for a while, and this thread is one too many. */
static bool wait_for_work(struct supervisor *s)
{
	struct timespec until = thread_time_after(IDLE_NS);

	s->idle++;
	int rc = pthread_cond_timedwait(&s->work, &s->lock, &until);
	s->idle--;
	return rc != ETIMEDOUT || next_queue(s) || s->workers <= SUPERVISOR_SHORT_WORKERS;
}

static void forget_post(struct supervisor *s, struct post *post)
{
	struct post **at = &s->posts;

	while (*at && *at != post)
		at = &(*at)->next;
	if (*at)
		*at = post->next;
}

/* Threads join one another as they end, so that nothing of them is left when the last one is joined. */
static void leave(struct supervisor *s, struct post *post)
{
	pthread_t before = s->ended;
	bool join = s->has_ended;

	forget_post(s, post);
	s->ended = pthread_self();
	s->has_ended = true;
	s->workers--;
	pthread_cond_broadcast(&s->room);
	pthread_mutex_unlock(&s->lock);
	if (join)
		pthread_join(before, NULL);
}

static void work(struct supervisor *s, struct post *post)
{
	bool stay = true;

	supervisor_drop_rights(s);
	pthread_mutex_lock(&s->lock);
	if (post) {
		post->next = s->posts;
		s->posts = post;
	}
	while (!s->stopping && stay) {
		struct call_queue *q = next_queue(s);

		if (q)
			run_one(s, q);
		else
			stay = wait_for_work(s);
	}
	leave(s, post);
}

static void *worker_main(void *arg)
{
	struct post *const post = mem_alloc(sizeof *post);

	stuck_stand(post);
	if (!post || setjmp(post->out) == 0)
		work(arg, post);
	else
		free_box(post->holds);
	mem_free(post);
	return NULL;
}

/* How many of the queued calls could run if there were a thread for each. */
static unsigned runnable(const struct supervisor *s)
{
	unsigned room = WAITS_AT_ONCE - s->waits.running;

	return s->shorts.queued + (s->waits.queued < room ? s->waits.queued : room);
}

/* A worker that was woken counts as idle until it runs, and its call as queued: so the two are compared. */
static int enough_threads(struct supervisor *s)
{
	pthread_t thread;
	int rc = 0;

	if (runnable(s) > s->idle && s->workers < SUPERVISOR_WORKERS) {
		rc = thread_start(&thread, worker_main, s);
		s->workers += rc == 0;
	}
	return s->workers > 0 ? 0 : rc;         /* one is enough to get on */
}

int workers_queue(struct supervisor *s, struct call_box *box, bool waits)
{
	struct call_queue *q = waits ? &s->waits : &s->shorts;
	int rc = -EAGAIN;

	pthread_mutex_lock(&s->lock);
	if (!waits || q->queued + q->running < SUPERVISOR_WAITS) {
		q->queued++;
		rc = enough_threads(s);
		q->queued--;
	}
	if (rc == 0) {
		queue_push(q, box);
		pthread_cond_signal(&s->work);
	} else if (!waits) {
		pool_give(s, box);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static void free_list(struct call_box *box)
{
	while (box) {
		struct call_box *next = box->next;

		free_box(box);
		box = next;
	}
}

void workers_reside(struct supervisor *s, struct resident *r, void (*live)(struct supervisor *s))
{
	struct post *const post = mem_alloc(sizeof *post);

	stuck_stand(post);
	if (!post || setjmp(post->out) == 0) {
		pthread_mutex_lock(&s->lock);
		r->post = post;
		pthread_mutex_unlock(&s->lock);
		live(s);
		pthread_mutex_lock(&s->lock);
		r->post = NULL;
		r->has_ended = true;
		pthread_cond_broadcast(&s->room);
		pthread_mutex_unlock(&s->lock);
	} else {
		free_box(post->holds);
	}
	mem_free(post);
}

/* With the lock held: sleeps until `room` is told or it is time to look for threads that are stuck; true in that case. */
static bool patience_is_over(struct supervisor *s, uint64_t since)
{
	struct timespec until = thread_time_after(PAUSE_NS);

	sockets_stop(s);        /* again: before a call has begun there is nothing to end */
	pthread_cond_timedwait(&s->room, &s->lock, &until);
	return sys_now() - since >= PATIENCE_NS;
}

bool workers_end_resident(struct supervisor *s, struct resident *r, pthread_t thread)
{
	const uint64_t since = sys_now();
	bool left = false;

	pthread_mutex_lock(&s->lock);
	s->stopping = true;             /* it may be waiting for a box that stuck workers have */
	pthread_cond_broadcast(&s->room);
	while (!r->has_ended && !left)
		left = patience_is_over(s, since) && r->post && stuck_abandon(r->post);
	pthread_mutex_unlock(&s->lock);
	if (!left)
		pthread_join(thread, NULL);
	return left;
}

/* The calls of those who are left go with them: the kernel may still write into the copies. */
static void leave_the_stuck(struct supervisor *s)
{
	struct post **at = &s->posts;

	while (*at) {
		struct post *next = (*at)->next;

		if (stuck_abandon(*at)) {
			*at = next;
			s->workers--;
		} else {
			at = &(*at)->next;
		}
	}
}

void workers_stop(struct supervisor *s)
{
	const uint64_t since = sys_now();

	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->work);
	while (s->workers > 0)
		if (patience_is_over(s, since))
			leave_the_stuck(s);
	bool join = s->has_ended;
	s->has_ended = false;
	pthread_mutex_unlock(&s->lock);
	if (join)
		pthread_join(s->ended, NULL);
	free_list(s->shorts.first);
	free_list(s->waits.first);
	free_list(s->pool);
	queue_init(&s->shorts);
	queue_init(&s->waits);
	s->pool = NULL;
	s->pooled = 0;
	free_box(s->box);
	s->box = NULL;
}

void workers_fini(struct supervisor *s)
{
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->room);
}
