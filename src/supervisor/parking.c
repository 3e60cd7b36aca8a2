/*
 * Calls that wait for something to receive: one thread, an epoll set of their sockets, and a look at their callers every
 * few milliseconds.
 *
 * A box is in the list from parking_add_take until the thread takes it out to run it; nobody else takes one out, so the
 * thread may look at a box of the list without the lock. What others may do to it is to close the socket of a caller that
 * is gone (drop_dead), under the lock.
 */
#include "supervisor/parking.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/thread.h"
#include "supervisor/waiting.h"

#define TICK_NS 50000000ULL     /* how long a caller's death or signal goes unnoticed */
#define LOOKS 32                /* callers whose signals are looked for in a tick */
#define EVENTS 64

void parking_init(struct supervisor *s)
{
	s->parking = (struct parking){ .epoll = -1, .kick = -1, .wakes_at = UINT64_MAX };
	pthread_mutex_init(&s->parking.lock, NULL);
}

/* --- the list, with the lock held --- */

static void unlink_box(struct parking *p, const struct call_box *box)
{
	struct call_box **at = &p->first;

	while (*at != box)
		at = &(*at)->next;
	*at = box->next;
	p->count--;
}

static void unwatch(const struct parking *p, const struct call_box *box)
{
	if (!box->lazy && !box->dead)
		SYS(SYS_epoll_ctl, p->epoll, EPOLL_CTL_DEL, box->held, 0);
}

static int watch(const struct parking *p, int fd, void *box)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = box };

	return (int)SYS(SYS_epoll_ctl, p->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Readable, or something else about it that a read would tell. */
static bool is_ready(int sock)
{
	const struct timespec now = { 0 };
	struct pollfd poll = { .fd = sock, .events = POLLIN };

	return SYS(SYS_ppoll, &poll, 1, &now, 0, 8) > 0;
}

/* --- the thread --- */

static void take_out(struct parking *p, struct call_box *box)
{
	pthread_mutex_lock(&p->lock);
	unwatch(p, box);
	unlink_box(p, box);
	pthread_mutex_unlock(&p->lock);
}

static void wake(struct supervisor *s, struct call_box *box, int why)
{
	take_out(&s->parking, box);
	box->progress.wake = why;
	box->call.may_wait = true;
	enum run_end end = notify_run(s, box);
	bool full = end == RUN_WAITS && workers_queue(s, box, true) < 0;
	if (full)
		notify_refuse(s, box->call.id, EAGAIN);
	if (full || end == RUN_ENDED)
		workers_give(s, box);
}

/* Of many who wait for one connection the first has it, and the rest are not run for nothing. */
static void wake_ready(struct supervisor *s, struct call_box *box)
{
	struct parking *p = &s->parking;

	pthread_mutex_lock(&p->lock);
	bool ready = !box->dead && is_ready(box->held);
	pthread_mutex_unlock(&p->lock);
	if (ready)
		wake(s, box, 0);
}

/* Why the wait of this caller is over, or 0. */
static int reason(struct call_box *box, bool look)
{
	if (box->progress.deadline <= sys_now())
		return -EAGAIN;
	return look ? waiting_signal(&box->call, &box->seen) : 0;
}

static void look_at(struct supervisor *s, struct call_box *box, bool look)
{
	if (!notify_is_valid(s, box->call.id)) {
		take_out(&s->parking, box);
		workers_give(s, box);
		return;
	}
	int rc = reason(box, look);
	if (rc < 0 || box->lazy)
		wake(s, box, rc);
}

static void look_at_all(struct supervisor *s)
{
	struct parking *p = &s->parking;
	struct call_box *all[PARKED_MAX];
	unsigned count = 0;

	pthread_mutex_lock(&p->lock);
	for (struct call_box *box = p->first; box; box = box->next)
		all[count++] = box;
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < count; i++)
		look_at(s, all[i], (i + count - p->turn % count) % count < LOOKS);
	p->turn = count ? (p->turn % count + LOOKS) % count : 0;
}

/* When the thread must look by itself. False: the end. */
static bool next_look(struct parking *p, uint64_t tick)
{
	pthread_mutex_lock(&p->lock);
	p->wakes_at = p->count ? tick : UINT64_MAX;
	for (const struct call_box *box = p->first; box; box = box->next)
		if (box->progress.deadline < p->wakes_at)
			p->wakes_at = box->progress.deadline;
	bool go_on = !p->stopping;
	pthread_mutex_unlock(&p->lock);
	return go_on;
}

static int milliseconds_until(uint64_t when)
{
	uint64_t now = sys_now();

	return when == UINT64_MAX ? -1 : when <= now ? 0 : (int)((when - now) / 1000000) + 1;
}

static void take_kick(const struct parking *p)
{
	uint64_t n;

	SYS(SYS_read, p->kick, &n, sizeof n);
}

static void live(struct supervisor *s)
{
	struct parking *p = &s->parking;
	struct epoll_event events[EVENTS];
	uint64_t tick = 0;

	supervisor_drop_rights(s);
	while (next_look(p, tick)) {
		uint64_t due = p->wakes_at;     /* only this thread changes it */
		long n = SYS(SYS_epoll_pwait, p->epoll, events, EVENTS, milliseconds_until(due), 0, 8);

		for (long i = 0; i < n; i++) {
			if (events[i].data.ptr)
				wake_ready(s, events[i].data.ptr);
			else
				take_kick(p);
		}
		if (sys_now() >= due) {
			look_at_all(s);
			tick = sys_now() + TICK_NS;
		}
	}
}

static void *parking_main(void *arg)
{
	struct supervisor *s = arg;

	workers_reside(s, &s->parking.resident, live);
	return NULL;
}

/* --- from any thread --- */

static int start(struct supervisor *s)
{
	struct parking *p = &s->parking;
	int rc = 0;

	if (p->epoll < 0)
		p->epoll = (int)SYS(SYS_epoll_create1, EPOLL_CLOEXEC);
	if (p->kick < 0 && p->epoll >= 0) {
		p->kick = (int)SYS(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
		rc = p->kick < 0 ? p->kick : watch(p, p->kick, NULL);
		if (rc < 0)
			fd_close(&p->kick);
	}
	if (p->epoll < 0 || rc < 0)
		return p->epoll < 0 ? p->epoll : rc;
	if (!p->running)
		rc = thread_start(&p->thread, parking_main, s);
	p->running = rc == 0;
	return rc;
}

static void kick(const struct parking *p)
{
	const uint64_t one = 1;

	sys_write(p->kick, &one, sizeof one);
}

/* With the lock held. */
static int add(struct supervisor *s, struct call_box *box)
{
	struct parking *p = &s->parking;
	uint64_t due = sys_now() + TICK_NS;
	int rc = p->stopping ? -ESRCH : p->count >= PARKED_MAX || fd_is_hosts(box->held) ? -EAGAIN : start(s);

	if (rc == 0 && !box->lazy)
		rc = watch(p, box->held, box);
	if (rc < 0)
		return rc;
	box->next = p->first;
	p->first = box;
	p->count++;
	if (box->progress.deadline < due)
		due = box->progress.deadline;
	if (p->wakes_at > due)
		kick(p);
	return 0;
}

int parking_add_take(struct supervisor *s, struct call_box *box, int sock)
{
	bool again = box->call.held != NULL;

	if (again) {
		fd_close(&sock);
	} else {
		box->held = sock;
		box->call.held = &box->held;
		box->seen = 0;
	}
	waiting_deadline(&box->call, box->held, SO_RCVTIMEO);
	box->dead = false;
	/* An error queue that nobody reads makes a socket look readable for good: it is tried now and then. */
	box->lazy = again && is_ready(box->held);
	pthread_mutex_lock(&s->parking.lock);
	int rc = add(s, box);
	pthread_mutex_unlock(&s->parking.lock);
	if (rc < 0)
		call_box_clear(box);
	return rc;
}

void parking_drop_dead(const struct call *call)
{
	struct supervisor *s = call->supervisor;
	struct parking *p = &s->parking;

	pthread_mutex_lock(&p->lock);
	for (struct call_box *box = p->first; box; box = box->next) {
		if (box->dead || notify_is_valid(s, box->call.id))
			continue;
		unwatch(p, box);
		fd_close(&box->held);
		box->dead = true;
	}
	pthread_mutex_unlock(&p->lock);
}

void parking_stop(struct supervisor *s)
{
	struct parking *p = &s->parking;

	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	bool running = p->running;
	p->running = false;
	pthread_mutex_unlock(&p->lock);
	if (running) {
		kick(p);
		workers_end_resident(s, &p->resident, p->thread);
	}
	while (p->first) {
		struct call_box *box = p->first;

		take_out(p, box);
		workers_give(s, box);
	}
	fd_close(&p->kick);
	fd_close(&p->epoll);
}

void parking_fini(struct supervisor *s)
{
	pthread_mutex_destroy(&s->parking.lock);
}
