/* Workers: a thread for every call that waits, room for those that do not, and an end for all. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"

#include "supervisor/notify.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned waiting;
static unsigned finished;
static bool open_gate;
static bool all_waited;

static bool always(const struct policy *p)
{
	(void)p;
	return true;
}

/* Says "later" to the notify thread and waits for the gate on a worker. */
static struct verdict wait_for_gate(const struct call *call, void *state)
{
	(void)state;
	if (!call->may_wait)
		return v_later();
	pthread_mutex_lock(&lock);
	waiting++;
	pthread_cond_broadcast(&changed);
	while (!open_gate)
		pthread_cond_wait(&changed, &lock);
	finished++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return v_result(0);
}

static struct verdict short_work(const struct call *call, void *state)
{
	(void)state;
	pthread_mutex_lock(&lock);
	all_waited = all_waited && call->may_wait;
	finished++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return v_result(0);
}

/* Has to be asked three times on a worker. */
static struct verdict wait_three_times(const struct call *call, void *state)
{
	struct verdict v = v_later();

	(void)state;
	if (!call->may_wait || ++call->progress->messages < 3)
		return v;
	pthread_mutex_lock(&lock);
	finished++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return v_result(0);
}

static int never[2];            /* a pipe that says nothing for long */

/* Waits in a call that nobody can end. */
static struct verdict get_stuck(const struct call *call, void *state)
{
	char byte;

	(void)state;
	if (!call->may_wait)
		return v_later();
	pthread_mutex_lock(&lock);
	waiting++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	long n = MAY_STICK(SYS(SYS_read, never[0], &byte, 1));
	pthread_mutex_lock(&lock);
	finished++;
	pthread_mutex_unlock(&lock);
	return v_result(n);
}

static const struct handler rows[] = {
	{ .syscall = "bind", .on_call = get_stuck, .flags = H_TRIES | H_NO_DECODE },
	{ .syscall = "sendto", .on_call = wait_three_times, .flags = H_TRIES | H_NO_DECODE },
	{ .syscall = "connect", .on_call = wait_for_gate, .flags = H_TRIES | H_NO_DECODE },
	{ .syscall = "listen", .on_call = short_work, .flags = H_BLOCKS | H_NO_DECODE },
};
static const struct feature feature = { .name = "gate", .wanted = always, HANDLERS(rows) };
static const struct feature *const all[] = { &feature };

static struct report report;

static struct supervisor *made(void)
{
	struct supervisor *s = test_calloc(1, sizeof *s);

	waiting = 0;
	finished = 0;
	open_gate = false;
	all_waited = true;
	assert_int_equal(report_init(&report), 0);
	assert_int_equal(supervisor_init(s, &report), 0);
	assert_int_equal(dispatch_init(&s->dispatch, all, 1, NULL), 0);
	return s;
}

static void unmake(struct supervisor *s)
{
	supervisor_fini(s);
	report_fini(&report);
	test_free(s);
}

static struct call_box *box_of(struct supervisor *s, const char *syscall)
{
	struct sc_notif n = { .id = 1, .data.nr = syscall_nr(ARCH_NATIVE, syscall) };
	struct call_box *box = workers_own_box(s);

	assert_non_null(box);
	decode_registers(box, &n);
	return box;
}

static void until(const unsigned *count, unsigned least)
{
	pthread_mutex_lock(&lock);
	while (*count < least)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void open_the_gate(void)
{
	pthread_mutex_lock(&lock);
	open_gate = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void a_call_that_says_later_is_not_answered_and_waits_on_a_worker(void **state)
{
	struct supervisor *s = made();
	struct call_box *box = box_of(s, "connect");

	(void)state;
	assert_int_equal(notify_run(s, box), RUN_WAITS);
	assert_int_equal(atomic_load(&s->answered), 0);
	assert_int_equal(workers_queue(s, box, true), 0);
	until(&waiting, 1);
	open_the_gate();
	until(&finished, 1);
	unmake(s);
}

static void each_waiting_call_has_a_thread_and_short_ones_find_one(void **state)
{
	enum { MANY = SUPERVISOR_WORKERS + 20 };
	struct supervisor *s = made();

	(void)state;
	for (int i = 0; i < MANY; i++)
		assert_int_equal(workers_queue(s, box_of(s, "connect"), true), 0);
	until(&waiting, SUPERVISOR_WORKERS - SUPERVISOR_SHORT_WORKERS);
	assert_true(s->workers <= SUPERVISOR_WORKERS);

	for (int i = 0; i < 10; i++) {
		struct call_box *box = workers_box(s);
		struct sc_notif n = { .id = 1, .data.nr = syscall_nr(ARCH_NATIVE, "listen") };

		assert_non_null(box);
		decode_registers(box, &n);
		assert_int_equal(workers_queue(s, box, false), 0);
	}
	until(&finished, 10);
	assert_true(all_waited);
	assert_int_equal(waiting, SUPERVISOR_WORKERS - SUPERVISOR_SHORT_WORKERS);
	open_the_gate();
	until(&finished, MANY + 10);
	assert_int_equal(waiting, MANY);
	unmake(s);
}

static void a_call_that_says_later_on_a_worker_is_asked_again(void **state)
{
	struct supervisor *s = made();

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(workers_queue(s, box_of(s, "sendto"), true), 0);
	until(&finished, 20);
	pthread_mutex_lock(&s->lock);
	while (s->waits.running)
		pthread_cond_wait(&s->room, &s->lock);
	pthread_mutex_unlock(&s->lock);
	assert_int_equal(atomic_load(&s->answered), 20);
	unmake(s);
}

static unsigned threads_now(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void threads_that_are_stuck_are_left_and_end_when_they_come_back(void **state)
{
	enum { STUCK = 3 };
	struct supervisor *s = made();
	unsigned before = threads_now();

	(void)state;
	assert_int_equal(pipe(never), 0);
	for (int i = 0; i < STUCK; i++)
		assert_int_equal(workers_queue(s, box_of(s, "bind"), true), 0);
	until(&waiting, STUCK);
	alarm(60);
	unmake(s);                      /* nothing that they knew is there any more */
	alarm(0);
	assert_int_equal(threads_now(), before + STUCK);
	assert_int_equal(write(never[1], "abc", STUCK), STUCK);
	while (threads_now() > before)
		usleep(1000);
	assert_int_equal(finished, 0);
	close(never[0]);
	close(never[1]);
}

static void a_turn_is_over_when_it_was_long_enough_and_others_wait(void **state)
{
	enum { ALL = SUPERVISOR_WORKERS - SUPERVISOR_SHORT_WORKERS };
	struct supervisor *s = made();

	(void)state;
	for (int i = 0; i < ALL; i++)
		assert_int_equal(workers_queue(s, box_of(s, "connect"), true), 0);
	until(&waiting, ALL);
	assert_false(workers_turn_is_over(s, 0));
	assert_int_equal(workers_queue(s, box_of(s, "connect"), true), 0);
	assert_true(workers_turn_is_over(s, 0));
	assert_false(workers_turn_is_over(s, sys_now()));
	open_the_gate();
	until(&finished, ALL + 1);
	unmake(s);
}

static void more_waits_than_there_is_room_for_are_refused(void **state)
{
	struct supervisor *s = made();
	struct call_box *box;

	(void)state;
	for (int i = 0; i < SUPERVISOR_WAITS; i++)
		assert_int_equal(workers_queue(s, box_of(s, "connect"), true), 0);
	box = box_of(s, "connect");
	assert_int_equal(workers_queue(s, box, true), -EAGAIN);
	s->box = box;           /* still ours: freed with the supervisor */
	open_the_gate();
	until(&finished, SUPERVISOR_WAITS);
	unmake(s);
}

static void calls_that_nobody_served_are_freed_at_the_end(void **state)
{
	struct supervisor *s = made();

	(void)state;
	for (int i = 0; i < SUPERVISOR_WORKERS + 5; i++)
		assert_int_equal(workers_queue(s, box_of(s, "connect"), true), 0);
	until(&waiting, SUPERVISOR_WORKERS - SUPERVISOR_SHORT_WORKERS);
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_mutex_unlock(&s->lock);
	open_the_gate();
	unmake(s);
}

static void a_box_that_cannot_be_had_is_null(void **state)
{
	struct supervisor *s = made();

	(void)state;
	fault_arm(0);
	assert_null(workers_own_box(s));
	assert_true(fault_fired());
	unmake(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_that_says_later_is_not_answered_and_waits_on_a_worker),
		cmocka_unit_test(each_waiting_call_has_a_thread_and_short_ones_find_one),
		cmocka_unit_test(a_call_that_says_later_on_a_worker_is_asked_again),
		cmocka_unit_test(threads_that_are_stuck_are_left_and_end_when_they_come_back),
		cmocka_unit_test(a_turn_is_over_when_it_was_long_enough_and_others_wait),
		cmocka_unit_test(more_waits_than_there_is_room_for_are_refused),
		cmocka_unit_test(calls_that_nobody_served_are_freed_at_the_end),
		cmocka_unit_test(a_box_that_cannot_be_had_is_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
