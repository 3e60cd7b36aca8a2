/* Parked calls: run again when their socket is readable, forgotten when their caller is gone, and nothing left at the end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fake_supervisor.h"
#include "fault.h"
#include "supervisor/parking.h"
#include "supervisor/waiting.h"

static atomic_uint runs;
static atomic_bool waited;
static atomic_int woken;
static atomic_bool waits_longer;

static struct verdict run_again(const struct call *call, void *state)
{
	(void)state;
	atomic_store(&waited, call->may_wait && call->held != NULL);
	atomic_store(&woken, call->progress->wake);
	atomic_fetch_add(&runs, 1);
	return atomic_load(&waits_longer) ? v_later() : v_next();
}

static const struct handler rows[] = {
	{ .syscall = "accept", .on_call = run_again, .flags = H_TRIES | H_NO_DECODE | H_OTHERS_PASS },
};

static struct supervisor *made(void)
{
	atomic_store(&runs, 0);
	return fake_supervisor(rows, ARRAY_SIZE(rows));
}

/* Parks a call on one end of a pair, into whose other end `said` goes. */
static void park(struct supervisor *s, int pair[2], const char *said)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(write(pair[1], said, strlen(said)), strlen(said));
	assert_int_equal(parking_add_take(s, fake_box(s, "accept"), pair[0]), 0);
}

static void nobody_is_left(struct supervisor *s)
{
	unsigned count;

	do {
		usleep(1000);
		pthread_mutex_lock(&s->parking.lock);
		count = s->parking.count;
		pthread_mutex_unlock(&s->parking.lock);
	} while (count);
}

static void a_call_is_run_again_when_its_socket_is_readable(void **state)
{
	const int before = fault_open_fds();
	struct supervisor *s = made();
	int pair[2];

	(void)state;
	park(s, pair, "x");
	while (!atomic_load(&runs))
		usleep(1000);
	nobody_is_left(s);
	assert_int_equal(atomic_load(&runs), 1);
	assert_int_equal(atomic_load(&woken), 0);
	assert_true(atomic_load(&waited));
	close(pair[1]);
	fake_supervisor_free(s);
	assert_int_equal(fault_open_fds(), before);
}

static void a_call_that_no_worker_has_room_for_is_answered(void **state)
{
	struct supervisor *s = made();
	int pair[2];

	(void)state;
	s->waits.queued = SUPERVISOR_WAITS;
	atomic_store(&waits_longer, true);
	park(s, pair, "x");
	while (!atomic_load(&runs))
		usleep(1000);
	nobody_is_left(s);
	parking_stop(s);
	assert_int_equal(atomic_load(&s->answered), 1);
	atomic_store(&waits_longer, false);
	s->waits.queued = 0;
	close(pair[1]);
	fake_supervisor_free(s);
}

/* There is no listener here, so every caller is gone. */
static void a_call_whose_caller_is_gone_is_forgotten_and_its_socket_closed(void **state)
{
	const int before = fault_open_fds();
	struct supervisor *s = made();
	int pair[2];
	char byte;

	(void)state;
	park(s, pair, "");
	parking_drop_dead(&(struct call){ .supervisor = s });
	assert_int_equal(read(pair[1], &byte, 1), 0);
	nobody_is_left(s);
	assert_int_equal(atomic_load(&runs), 0);
	close(pair[1]);
	fake_supervisor_free(s);
	assert_int_equal(fault_open_fds(), before);
}

static void after_the_end_nobody_parks_and_nothing_stays_open(void **state)
{
	const int before = fault_open_fds();
	struct supervisor *s = made();
	int pair[2];

	(void)state;
	park(s, pair, "");
	parking_stop(s);
	struct call_box *box = fake_box(s, "accept");
	assert_int_equal(parking_add_take(s, box, pair[1]), -ESRCH);
	assert_null(box->call.held);
	workers_give(s, box);
	fake_supervisor_free(s);
	assert_int_equal(fault_open_fds(), before);
}

static void where_nobody_can_be_watched_the_box_stays_the_callers(void **state)
{
	const int before = fault_open_fds();

	(void)state;
	for (int n = 0; n < 4; n++) {
		struct supervisor *s = made();
		struct call_box *box = fake_box(s, "accept");
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		box->progress.deadline = UINT64_MAX;    /* so that the first call is the one that makes the set */
		fault_arm(n);
		int rc = parking_add_take(s, box, pair[0]);
		bool fired = fault_fired();
		if (rc < 0) {
			assert_true(fired);
			assert_null(box->call.held);
			workers_give(s, box);
		}
		close(pair[1]);
		fake_supervisor_free(s);
		assert_int_equal(fault_open_fds(), before);
	}
}

/* Languages say LONG_MAX milliseconds for "no timeout": more than 64 bits of nanoseconds hold. */
static void a_timeout_of_centuries_is_none(void **state)
{
	const struct timeval ever = { .tv_sec = INT64_MAX / 4000 };
	struct progress progress = { 0 };
	const struct call call = { .progress = &progress };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &ever, sizeof ever), 0);
	waiting_deadline(&call, fd, SO_RCVTIMEO);
	assert_true(progress.deadline == UINT64_MAX);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_is_run_again_when_its_socket_is_readable),
		cmocka_unit_test(a_call_that_no_worker_has_room_for_is_answered),
		cmocka_unit_test(a_call_whose_caller_is_gone_is_forgotten_and_its_socket_closed),
		cmocka_unit_test(a_timeout_of_centuries_is_none),
		cmocka_unit_test(after_the_end_nobody_parks_and_nothing_stays_open),
		cmocka_unit_test(where_nobody_can_be_watched_the_box_stays_the_callers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
