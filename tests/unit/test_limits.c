/* Unit tests of features/limits.c: no process is started; the fake's tree is scripted. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sys.h"
#include "fake_kernel.h"
#include "fault.h"
#include "features/registry.h"

static void *start(const struct feature *f, struct policy *p, uint64_t processes, uint64_t threads)
{
	void *state = NULL;

	p->max_processes = processes;
	p->max_threads = threads;
	assert_int_equal(f->start(&(struct feature_env){ .policy = p }, &state, NULL), 0);
	return state;
}

static struct verdict fork_by(struct fake *f, const struct feature *feature, void *state, pid_t tid)
{
	struct call call = FAKE_CALL(f, "clone", SIGCHLD);

	call.tid = tid;
	return fake_ask(feature, state, &call);
}

static int all_running(struct fake *f, pid_t tid, bool *asleep, uint64_t *cpu_ns)
{
	(void)tid;
	*asleep = false;
	*cpu_ns = *(uint64_t *)f->world;
	return 0;
}

static int all_asleep(struct fake *f, pid_t tid, bool *asleep, uint64_t *cpu_ns)
{
	(void)f;
	(void)tid;
	*asleep = true;
	*cpu_ns = 0;
	return 0;
}

static void forks_below_the_limit_are_not_counted_in_proc(void **unused)
{
	struct policy p = { 0 };
	struct fake f = { .processes = 1, .tasks = 1 };
	void *state = start(&feature_process_limit, &p, 16, NO_LIMIT);

	(void)unused;
	for (pid_t i = 0; i < 15; i++)
		assert_int_equal(fork_by(&f, &feature_process_limit, state, 100 + i).kind, V_CONTINUE);
	assert_int_equal(f.counts, 0);
	feature_process_limit.stop(state);
}

static void a_fork_too_many_gets_eagain_and_a_line_in_the_report(void **unused)
{
	struct policy p = { 0 };
	struct fake f = { .processes = 16, .tasks = 16 };
	void *state = start(&feature_process_limit, &p, 16, NO_LIMIT);
	struct verdict v = { 0 };

	(void)unused;
	for (pid_t i = 0; i < 16; i++)
		v = fork_by(&f, &feature_process_limit, state, 100 + i);
	assert_int_equal(v.kind, V_ERRNO);
	assert_int_equal(v.value, EAGAIN);
	assert_int_equal(f.refusals, 1);
	assert_string_equal(f.operation, "fork");
	assert_string_equal(f.rule, "--max-processes 16");
	assert_string_equal(f.flag, "-P 32");
	assert_int_equal(f.errnum, EAGAIN);
	feature_process_limit.stop(state);
}

static void ended_processes_make_room_without_any_trap(void **unused)
{
	struct policy p = { 0 };
	struct fake f = { .processes = 1, .tasks = 1 };
	void *state = start(&feature_process_limit, &p, 4, NO_LIMIT);

	(void)unused;
	for (int i = 0; i < 100000; i++)
		assert_int_equal(fork_by(&f, &feature_process_limit, state, 100 + i % 7).kind, V_CONTINUE);
	assert_in_range(f.counts, 1, 100000 / 2);
	assert_int_equal(f.refusals, 0);
	feature_process_limit.stop(state);
}

static void an_approved_child_that_is_not_visible_yet_is_counted(void **unused)
{
	struct policy p = { 0 };
	uint64_t cpu = 0;
	struct fake f = { .processes = 1, .tasks = 1, .progress = all_running, .world = &cpu };
	void *state = start(&feature_process_limit, &p, 3, NO_LIMIT);

	(void)unused;
	assert_int_equal(fork_by(&f, &feature_process_limit, state, 101).kind, V_CONTINUE);
	assert_int_equal(fork_by(&f, &feature_process_limit, state, 102).kind, V_CONTINUE);
	/* /proc shows neither child, both tasks may still be inside the fork */
	assert_int_equal(fork_by(&f, &feature_process_limit, state, 103).kind, V_ERRNO);
	feature_process_limit.stop(state);
}

static void a_task_that_sleeps_has_left_its_fork(void **unused)
{
	struct policy p = { 0 };
	struct fake f = { .processes = 2, .tasks = 2, .progress = all_asleep };
	void *state = start(&feature_process_limit, &p, 3, NO_LIMIT);

	(void)unused;
	fork_by(&f, &feature_process_limit, state, 101);
	fork_by(&f, &feature_process_limit, state, 102);
	assert_int_equal(fork_by(&f, &feature_process_limit, state, 103).kind, V_CONTINUE);
	feature_process_limit.stop(state);
}

static void a_task_that_computes_is_counted_twice_for_a_while_and_not_for_ever(void **unused)
{
	struct policy p = { 0 };
	uint64_t cpu = 5000000000ULL;
	struct fake f = { .processes = 2, .tasks = 2, .progress = all_running, .world = &cpu };
	void *state = start(&feature_process_limit, &p, 4, NO_LIMIT);

	(void)unused;
	for (pid_t i = 101; i <= 103; i++)
		assert_int_equal(fork_by(&f, &feature_process_limit, state, i).kind, V_CONTINUE);
	assert_int_equal(fork_by(&f, &feature_process_limit, state, 104).kind, V_ERRNO);
	cpu += 999999999;
	assert_int_equal(fork_by(&f, &feature_process_limit, state, 104).kind, V_ERRNO);
	cpu += 1;
	assert_int_equal(fork_by(&f, &feature_process_limit, state, 104).kind, V_CONTINUE);
	feature_process_limit.stop(state);
}

static void the_evidence_is_taken_before_the_count(void **unused)
{
	struct policy p = { 0 };
	struct fake f = { .processes = 2, .tasks = 2, .count_rc = 0 };
	void *state = start(&feature_process_limit, &p, 2, NO_LIMIT);

	(void)unused;
	fork_by(&f, &feature_process_limit, state, 101);
	/* the task is gone, so its child, if any, is in the count: 2 of 2 */
	assert_int_equal(fork_by(&f, &feature_process_limit, state, 102).kind, V_ERRNO);
	f.processes = 1;
	assert_int_equal(fork_by(&f, &feature_process_limit, state, 102).kind, V_CONTINUE);
	feature_process_limit.stop(state);
}

static void a_tree_that_cannot_be_counted_refuses(void **unused)
{
	struct policy p = { 0 };
	struct fake f = { .count_rc = -ENOENT };
	void *state = start(&feature_process_limit, &p, 1, NO_LIMIT);

	(void)unused;
	assert_int_equal(fork_by(&f, &feature_process_limit, state, 101).value, EAGAIN);
	assert_non_null(strstr(f.rule, "/proc cannot be read"));
	feature_process_limit.stop(state);
}

static void threads_count_only_where_threads_are_limited(void **unused)
{
	struct policy p = { 0 };
	struct fake f = { .processes = 1, .tasks = 3 };
	void *state = start(&feature_task_limit, &p, NO_LIMIT, 3);
	struct call thread = FAKE_CALL(&f, "clone", CL_THREAD | CL_VM | CL_SIGHAND);

	(void)unused;
	assert_int_equal(fake_ask(&feature_task_limit, state, &thread).kind, V_CONTINUE);
	thread.tid++;
	assert_int_equal(fake_ask(&feature_task_limit, state, &thread).kind, V_CONTINUE);
	thread.tid++;
	assert_int_equal(fake_ask(&feature_task_limit, state, &thread).value, EAGAIN);
	assert_string_equal(f.rule, "--max-threads 3");
	assert_string_equal(f.flag, "--max-threads 6");
	feature_task_limit.stop(state);
}

static void a_thread_takes_no_process_slot(void **unused)
{
	struct policy p = { 0 };
	struct fake f = { .processes = 1, .tasks = 2 };
	void *state = start(&feature_task_limit, &p, 2, 100);
	struct call thread = FAKE_CALL(&f, "clone", CL_THREAD);

	(void)unused;
	assert_int_equal(fake_ask(&feature_task_limit, state, &thread).kind, V_CONTINUE);
	assert_int_equal(fork_by(&f, &feature_task_limit, state, 101).kind, V_CONTINUE);
	assert_int_equal(f.counts, 0);
	feature_task_limit.stop(state);
}

static void one_of_the_two_features_is_active_and_only_under_a_limit(void **unused)
{
	struct policy p = { .max_processes = NO_LIMIT, .max_threads = NO_LIMIT };

	(void)unused;
	assert_false(feature_process_limit.wanted(&p) || feature_task_limit.wanted(&p));
	p.max_processes = 4;
	assert_true(feature_process_limit.wanted(&p) && !feature_task_limit.wanted(&p));
	p.max_threads = 4;
	assert_true(!feature_process_limit.wanted(&p) && feature_task_limit.wanted(&p));
}

/*
 * A hostile world in small: 100 tasks that fork all the time. An approved fork happens a random while later; /proc tells
 * the truth of the moment of the count, which births may overtake on both sides.
 */
#define TASKS 100
#define LIMIT 40

struct world {
	unsigned alive;
	unsigned most;
	bool in_fork[TASKS];
};

static void some_births_and_deaths(struct world *w)
{
	for (int i = 0; i < TASKS; i++) {
		if (w->in_fork[i] && rand() % 4 == 0) {
			w->in_fork[i] = false;
			w->alive++;
		}
	}
	if (w->alive > w->most)
		w->most = w->alive;
	if (w->alive > 1 && rand() % 3 == 0)
		w->alive -= (unsigned)rand() % (w->alive / 2 + 1);
	if (w->alive == 0)
		w->alive = 1;
}

static int world_progress(struct fake *f, pid_t tid, bool *asleep, uint64_t *cpu_ns)
{
	struct world *w = f->world;

	*asleep = !w->in_fork[tid - 1] && rand() % 2;
	*cpu_ns = 0;
	if (!w->in_fork[tid - 1] && rand() % 3 == 0)
		return -ESRCH;
	return 0;
}

static void world_count(struct fake *f)
{
	struct world *w = f->world;

	/* births during the walk: some of them behind it, unseen */
	f->processes = w->alive;
	some_births_and_deaths(w);
	if (w->alive < f->processes)
		f->processes = w->alive;
	f->tasks = f->processes;
}

static void a_hundred_tasks_that_fork_at_once_never_pass_the_limit(void **unused)
{
	struct policy p = { 0 };
	struct world w = { .alive = 1 };
	struct fake f = { .progress = world_progress, .before_count = world_count, .world = &w };
	void *state = start(&feature_process_limit, &p, LIMIT, NO_LIMIT);
	unsigned approved = 0;

	(void)unused;
	srand(7);
	for (int i = 0; i < 200000; i++) {
		int who = rand() % TASKS;

		some_births_and_deaths(&w);
		if (w.in_fork[who])
			continue;       /* it is in the kernel and cannot call */
		if (fork_by(&f, &feature_process_limit, state, who + 1).kind == V_CONTINUE) {
			w.in_fork[who] = true;
			approved++;
		}
		assert_true(w.most <= LIMIT);
	}
	assert_true(w.most > LIMIT / 2);
	assert_true(approved > 50000);
	feature_process_limit.stop(state);
}

static void no_memory_refuses_and_leaks_nothing(void **unused)
{
	struct policy p = { .max_processes = 5, .max_threads = NO_LIMIT };
	struct fake f = { .processes = 1, .tasks = 1 };
	bool reached_the_end = false;

	(void)unused;
	for (int n = 0; !reached_the_end; n++) {
		void *state = NULL;
		struct error err = { 0 };

		fault_arm(n);
		int rc = feature_process_limit.start(&(struct feature_env){ .policy = &p }, &state, &err);
		struct verdict v = rc == 0 ? fork_by(&f, &feature_process_limit, state, 101) : v_next();
		reached_the_end = !fault_fired();
		if (rc < 0)
			assert_int_equal(err.kind, ERR_MEMORY);
		else
			assert_int_equal(v.kind, reached_the_end ? V_CONTINUE : V_ERRNO);
		if (state)
			feature_process_limit.stop(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forks_below_the_limit_are_not_counted_in_proc),
		cmocka_unit_test(a_fork_too_many_gets_eagain_and_a_line_in_the_report),
		cmocka_unit_test(ended_processes_make_room_without_any_trap),
		cmocka_unit_test(an_approved_child_that_is_not_visible_yet_is_counted),
		cmocka_unit_test(a_task_that_sleeps_has_left_its_fork),
		cmocka_unit_test(a_task_that_computes_is_counted_twice_for_a_while_and_not_for_ever),
		cmocka_unit_test(the_evidence_is_taken_before_the_count),
		cmocka_unit_test(a_tree_that_cannot_be_counted_refuses),
		cmocka_unit_test(threads_count_only_where_threads_are_limited),
		cmocka_unit_test(a_thread_takes_no_process_slot),
		cmocka_unit_test(one_of_the_two_features_is_active_and_only_under_a_limit),
		cmocka_unit_test(a_hundred_tasks_that_fork_at_once_never_pass_the_limit),
		cmocka_unit_test(no_memory_refuses_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
