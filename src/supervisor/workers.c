/* Calls that can block run here: a few threads, made when first needed, and a bounded queue. */
#include "supervisor/notify.h"

#include <errno.h>
#include <time.h>

#include "base/mem.h"
#include "base/thread.h"
#include "supervisor/onbehalf.h"

#define ROOM_WAIT_SECONDS 5

static struct call_box *make_box(struct supervisor *s)
{
	struct call_box *box = mem_alloc(sizeof *box);

	if (!box)
		return NULL;
	s->boxes++;
	box->call.supervisor = s;
	box->call.kernel = s->kernel;
	return box;
}

/* A box from the pool, a new one, or after a while NULL: what the child can make us allocate ends at SUPERVISOR_BOXES. */
struct call_box *workers_box(struct supervisor *s)
{
	struct timespec until;
	struct call_box *box;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ROOM_WAIT_SECONDS;
	pthread_mutex_lock(&s->lock);
	while (!s->pool && s->boxes == SUPERVISOR_BOXES && rc == 0)
		rc = pthread_cond_timedwait(&s->room, &s->lock, &until);
	box = s->pool;
	if (box)
		s->pool = box->next;
	else if (s->boxes < SUPERVISOR_BOXES)
		box = make_box(s);
	pthread_mutex_unlock(&s->lock);
	return box;
}

static void give_back(struct supervisor *s, struct call_box *box)
{
	box->next = s->pool;
	s->pool = box;
	pthread_cond_signal(&s->room);
}

static void *worker_main(void *arg)
{
	struct supervisor *s = arg;

	supervisor_drop_rights(s);
	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		struct call_box *box = s->queue;

		if (!box) {
			s->idle++;
			pthread_cond_wait(&s->work, &s->lock);
			s->idle--;
			continue;
		}
		s->queue = box->next;
		if (!s->queue)
			s->queue_end = &s->queue;
		pthread_mutex_unlock(&s->lock);
		notify_run(s, box);
		pthread_mutex_lock(&s->lock);
		give_back(s, box);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int workers_queue(struct supervisor *s, struct call_box *box)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (s->idle == 0 && s->workers < SUPERVISOR_WORKERS) {
		rc = thread_start(&s->worker[s->workers], worker_main, s);
		s->workers += rc == 0;
	}
	if (s->workers > 0) {           /* one is enough to get on */
		rc = 0;
		box->next = NULL;
		*s->queue_end = box;
		s->queue_end = &box->next;
		pthread_cond_signal(&s->work);
	} else {
		give_back(s, box);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static void free_list(struct call_box *box)
{
	while (box) {
		struct call_box *next = box->next;

		call_box_fini(box);
		mem_free(box);
		box = next;
	}
}

void workers_stop(struct supervisor *s)
{
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->work);
	unsigned count = s->workers;
	pthread_mutex_unlock(&s->lock);
	for (unsigned i = 0; i < count; i++)
		pthread_join(s->worker[i], NULL);
	s->workers = 0;
	free_list(s->queue);
	free_list(s->pool);
	s->queue = NULL;
	s->pool = NULL;
	s->queue_end = &s->queue;
}
