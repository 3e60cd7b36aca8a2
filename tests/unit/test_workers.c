/* Workers: a thread for every call that waits, room for those that do not, and an end for all. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fake_supervisor.h"
#include "fault.h"
#include "supervisor/notify.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned waiting;
static unsigned finished;
static bool open_gate;
static bool all_waited;

/* With the lock held. */
static void count_one(unsigned *count)
{
	(*count)++;
	pthread_cond_broadcast(&changed);
}

static void one_more(unsigned *count)
{
	pthread_mutex_lock(&lock);
	count_one(count);
	pthread_mutex_unlock(&lock);
}

/* Says "later" to the notify thread and waits for the gate on a worker. */
static struct verdict wait_for_gate(const struct call *call, void *state)
{
	(void)state;
	if (!call->may_wait)
		return v_later();
	pthread_mutex_lock(&lock);
	count_one(&waiting);
	while (!open_gate)
		pthread_cond_wait(&changed, &lock);
	count_one(&finished);
	pthread_mutex_unlock(&lock);
	return v_result(0);
}

static struct verdict short_work(const struct call *call, void *state)
{
	(void)state;
	pthread_mutex_lock(&lock);
	all_waited = all_waited && call->may_wait;
	count_one(&finished);
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
	one_more(&finished);
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
	one_more(&waiting);
	long n = MAY_STICK(SYS(SYS_read, never[0], &byte, 1));
	one_more(&finished);
	return v_result(n);
}

static const struct handler rows[] = {
	{ .syscall = "bind", .on_call = get_stuck, .flags = H_TRIES | H_NO_DECODE },
	{ .syscall = "sendto", .on_call = wait_three_times, .flags = H_TRIES | H_NO_DECODE },
	{ .syscall = "connect", .on_call = wait_for_gate, .flags = H_TRIES | H_NO_DECODE },
	{ .syscall = "listen", .on_call = short_work, .flags = H_BLOCKS | H_NO_DECODE },
};

static struct supervisor *made(void)
{
	waiting = 0;
	finished = 0;
	open_gate = false;
	all_waited = true;
	return fake_supervisor(rows, ARRAY_SIZE(rows));
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
	struct call_box *box = fake_box(s, "connect");

	(void)state;
	assert_int_equal(notify_run(s, box), RUN_WAITS);
	assert_int_equal(atomic_load(&s->answered), 0);
	assert_int_equal(workers_queue(s, box, true), 0);
	until(&waiting, 1);
	open_the_gate();
	until(&finished, 1);
	fake_supervisor_free(s);
}

static void each_waiting_call_has_a_thread_and_short_ones_find_one(void **state)
{
	enum { MANY = SUPERVISOR_WORKERS + 20 };
	struct supervisor *s = made();

	(void)state;
	for (int i = 0; i < MANY; i++)
		assert_int_equal(workers_queue(s, fake_box(s, "connect"), true), 0);
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
	fake_supervisor_free(s);
}

static void a_call_that_says_later_on_a_worker_is_asked_again(void **state)
{
	struct supervisor *s = made();

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(workers_queue(s, fake_box(s, "sendto"), true), 0);
	until(&finished, 20);
	pthread_mutex_lock(&s->lock);
	while (s->waits.running)
		pthread_cond_wait(&s->room, &s->lock);
	pthread_mutex_unlock(&s->lock);
	assert_int_equal(atomic_load(&s->answered), 20);
	fake_supervisor_free(s);
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
		assert_int_equal(workers_queue(s, fake_box(s, "bind"), true), 0);
	until(&waiting, STUCK);
	alarm(60);
	fake_supervisor_free(s);                      /* nothing that they knew is there any more */
	alarm(0);
	assert_int_equal(threads_now(), before + STUCK);
	assert_int_equal(write(never[1], "abc", STUCK), STUCK);
	while (threads_now() > before)
		usleep(1000);
	assert_int_equal(finished, 0);
	close(never[0]);
	close(never[1]);
}

static void *take_a_box(void *s)
{
	return workers_box(s);
}

static void whoever_waits_for_a_box_does_not_hold_up_the_end(void **state)
{
	struct resident resident = { .has_ended = true };
	struct sc_notif n = { .id = 1, .data.nr = syscall_nr(ARCH_NATIVE, "connect") };
	struct supervisor *s = made();
	pthread_t thread;

	(void)state;
	for (int i = 0; i < SUPERVISOR_BOXES; i++) {
		struct call_box *box = workers_box(s);

		decode_registers(box, &n);
		assert_int_equal(workers_queue(s, box, false), 0);
	}
	until(&waiting, SUPERVISOR_BOXES);
	assert_int_equal(pthread_create(&thread, NULL, take_a_box, s), 0);
	uint64_t since = sys_now();
	assert_false(workers_end_resident(s, &resident, thread));
	assert_true(sys_now() - since < 3000000000);    /* it would wait for five seconds */
	open_the_gate();
	fake_supervisor_free(s);
}

static int ends[2];

static void begin_call(struct supervisor *s, int sock)
{
	pthread_mutex_lock(&s->connect_lock);
	s->no_connects = true;
	s->connecting = sock;
	pthread_mutex_unlock(&s->connect_lock);
}

/* In a call that began when sockets_stop had already looked. */
static void listen_to_the_end(struct supervisor *s)
{
	char byte;

	begin_call(s, ends[0]);
	one_more(&waiting);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	begin_call(s, -1);
}

static void *reside(void *arg)
{
	struct supervisor *s = arg;

	workers_reside(s, &s->resident, listen_to_the_end);
	return NULL;
}

static void a_call_that_begins_during_the_end_is_ended_too(void **state)
{
	struct supervisor *s = made();
	pthread_t thread;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(pthread_create(&thread, NULL, reside, s), 0);
	until(&waiting, 1);
	alarm(60);
	assert_false(workers_end_resident(s, &s->resident, thread));
	alarm(0);
	close(ends[0]);
	close(ends[1]);
	fake_supervisor_free(s);
}

static void a_turn_is_over_when_it_was_long_enough_and_others_wait(void **state)
{
	enum { ALL = SUPERVISOR_WORKERS - SUPERVISOR_SHORT_WORKERS };
	struct supervisor *s = made();

	(void)state;
	for (int i = 0; i < ALL; i++)
		assert_int_equal(workers_queue(s, fake_box(s, "connect"), true), 0);
	until(&waiting, ALL);
	assert_false(workers_turn_is_over(s, 0));
	assert_int_equal(workers_queue(s, fake_box(s, "connect"), true), 0);
	assert_true(workers_turn_is_over(s, 0));
	assert_false(workers_turn_is_over(s, sys_now()));
	open_the_gate();
	until(&finished, ALL + 1);
	fake_supervisor_free(s);
}

static void more_waits_than_there_is_room_for_are_refused(void **state)
{
	struct supervisor *s = made();
	struct call_box *box;

	(void)state;
	for (int i = 0; i < SUPERVISOR_WAITS; i++)
		assert_int_equal(workers_queue(s, fake_box(s, "connect"), true), 0);
	box = fake_box(s, "connect");
	assert_int_equal(workers_queue(s, box, true), -EAGAIN);
	s->box = box;           /* still ours: freed with the supervisor */
	open_the_gate();
	until(&finished, SUPERVISOR_WAITS);
	fake_supervisor_free(s);
}

static void calls_that_nobody_served_are_freed_at_the_end(void **state)
{
	struct supervisor *s = made();

	(void)state;
	for (int i = 0; i < SUPERVISOR_WORKERS + 5; i++)
		assert_int_equal(workers_queue(s, fake_box(s, "connect"), true), 0);
	until(&waiting, SUPERVISOR_WORKERS - SUPERVISOR_SHORT_WORKERS);
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_mutex_unlock(&s->lock);
	open_the_gate();
	fake_supervisor_free(s);
}

static void a_box_that_cannot_be_had_is_null(void **state)
{
	struct supervisor *s = made();

	(void)state;
	fault_arm(0);
	assert_null(workers_own_box(s));
	assert_true(fault_fired());
	fake_supervisor_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_that_says_later_is_not_answered_and_waits_on_a_worker),
		cmocka_unit_test(each_waiting_call_has_a_thread_and_short_ones_find_one),
		cmocka_unit_test(a_call_that_says_later_on_a_worker_is_asked_again),
		cmocka_unit_test(threads_that_are_stuck_are_left_and_end_when_they_come_back),
		cmocka_unit_test(whoever_waits_for_a_box_does_not_hold_up_the_end),
		cmocka_unit_test(a_call_that_begins_during_the_end_is_ended_too),
		cmocka_unit_test(a_turn_is_over_when_it_was_long_enough_and_others_wait),
		cmocka_unit_test(more_waits_than_there_is_room_for_are_refused),
		cmocka_unit_test(calls_that_nobody_served_are_freed_at_the_end),
		cmocka_unit_test(a_box_that_cannot_be_had_is_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
