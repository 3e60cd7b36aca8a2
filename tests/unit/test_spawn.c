/* Starting, limiting and burying: reaper and child on the real kernel, and every failure of the host side. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proctree.h"
#include "base/sys.h"
#include "confine/spawn.h"

#define NONE UINT64_MAX

static const struct reaper_orders free_orders = { NONE, NONE, NONE, NONE };
static const char *const no_env[] = { "PATH=/usr/bin:/bin", NULL };

static struct child_plan plan_of(const char *const *argv)
{
	return (struct child_plan){
		.path = argv[0], .argv = argv, .envp = no_env, .fd_floor = 3, .max_open_files = NONE, .ruleset = -1,
		.fresh_ruleset = -1,
	};
}

static void wait_for_end(struct spawn *s)
{
	struct news news;

	while (spawn_news(s, &news) != -EPIPE) {
		struct pollfd p = { .fd = s->control, .events = POLLIN };

		poll(&p, 1, 10000);
	}
	spawn_reap(s);
}

/* To the end; the result is copied, the sandbox is gone. */
static struct shared run_plan(const struct child_plan *plan, const struct reaper_orders *orders, int *entered)
{
	struct spawn s = SPAWN_NONE;
	struct error err = { 0 };
	enum child_step step = STEP_MAX;

	assert_int_equal(spawn_start(plan, orders, NULL, &s, &err), 0);
	assert_int_equal(spawn_go(&s), 0);
	*entered = spawn_entered(&s, &step);
	wait_for_end(&s);
	struct shared result = *s.shared;
	spawn_fini(&s);
	return result;
}

static struct shared run_words(const char *const *argv, const struct reaper_orders *orders)
{
	struct child_plan plan = plan_of(argv);
	int entered;
	struct shared result = run_plan(&plan, orders, &entered);

	assert_int_equal(entered, 0);
	return result;
}

static bool is_running(const char *mark)
{
	char command[200];

	snprintf(command, sizeof command, "pgrep -f '%s' >/dev/null", mark);
	return system(command) == 0;
}

static void a_program_ends_with_its_own_code(void **state)
{
	(void)state;
	struct shared r = run_words((const char *const[]){ "/bin/sh", "-c", "exit 42", NULL }, &free_orders);
	assert_int_equal(r.cause, END_BY_ITSELF);
	assert_int_equal(WEXITSTATUS(r.wait_status), 42);
}

static void a_program_that_is_not_there_is_a_step_and_an_errno(void **state)
{
	const char *const argv[] = { "/no/such/program", NULL };
	struct child_plan plan = plan_of(argv);
	int entered;

	(void)state;
	struct shared r = run_plan(&plan, &free_orders, &entered);
	assert_int_equal(entered, -ENOENT);
	assert_int_equal(r.fault_step, STEP_EXEC);
}

static void a_directory_that_is_not_there_is_its_own_step(void **state)
{
	const char *const argv[] = { "/bin/true", NULL };
	struct child_plan plan = plan_of(argv);
	int entered;

	(void)state;
	plan.cwd = "/no/such/folder";
	struct shared r = run_plan(&plan, &free_orders, &entered);
	assert_int_equal(entered, -ENOENT);
	assert_int_equal(r.fault_step, STEP_DIRECTORY);
}

static void nobody_survives_the_top_process(void **state)
{
	const char *const argv[] = { "/bin/sh", "-c",
		"setsid sh -c 'trap \"\" TERM; sleep 7531' & (setsid sleep 7531 &) ; sleep 0.2; exit 3", NULL };

	(void)state;
	struct shared r = run_words(argv, &free_orders);
	assert_int_equal(WEXITSTATUS(r.wait_status), 3);
	assert_false(is_running("[s]leep 7531"));
}

static void the_deadline_ends_the_tree(void **state)
{
	struct reaper_orders orders = free_orders;

	(void)state;
	orders.timeout_ns = 200 * 1000000ULL;
	struct shared r = run_words((const char *const[]){ "/bin/sleep", "7532", NULL }, &orders);
	assert_int_equal(r.cause, END_TIMEOUT);
	assert_false(is_running("[s]leep 7532"));
}

static void the_memory_limit_kills_and_says_whom(void **state)
{
	struct reaper_orders orders = free_orders;
	const char *const argv[] = { "/usr/bin/python3", "-c", "x = bytearray(300 << 20)", NULL };

	(void)state;
	assert_int_equal(run_words(argv, &orders).cause, END_BY_ITSELF);
	orders.max_memory = 50 << 20;
	struct shared r = run_words(argv, &orders);
	assert_int_equal(r.cause, END_MEMORY);
	assert_int_equal(r.memory_kills, 1);
	assert_string_equal(r.memory_victim_name, "python3");
}

static void descriptors_are_arranged_and_no_other_is_left(void **state)
{
	const char *const argv[] = { "/bin/sh", "-c", "ls -l /proc/self/fd | grep -c -- '->' >&7; exec 7>&-; cat <&8 >&9", NULL };
	int out[2], in[2];
	char text[64] = "";
	int entered;

	(void)state;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	int stray = open("/dev/null", O_RDONLY);        /* inheritable, and not asked for */
	const struct plan_fd fds[] = { { out[1], 7 }, { in[0], 8 }, { out[1], 9 } };
	struct child_plan plan = plan_of(argv);
	plan.fds = fds;
	plan.fd_count = 3;
	plan.fd_floor = 10;
	assert_int_equal(write(in[1], "hello", 5), 5);
	close(in[1]);
	run_plan(&plan, &free_orders, &entered);
	close(out[1]);
	assert_int_equal(entered, 0);
	assert_int_equal(fd_read_all(out[0], text, sizeof text - 1), 7);
	assert_string_equal(text, "7\nhello");          /* 0 1 2 7 8 9 and the listing's own */
	close(out[0]);
	close(in[0]);
	close(stray);
}

/* Else the sandbox would run with nobody to answer its calls. */
static void a_host_without_room_for_the_listener_does_not_start(void **state)
{
	const char *const argv[] = { "/bin/sleep", "7534", NULL };
	struct sock_filter allow = { BPF_RET | BPF_K, 0, 0, SC_RET_ALLOW };
	struct child_plan plan = plan_of(argv);
	enum child_step step = STEP_MAX;
	struct spawn s = SPAWN_NONE;
	struct rlimit before;

	(void)state;
	plan.filter = (struct sock_fprog){ 1, &allow };
	plan.supervised = true;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(spawn_start(&plan, &free_orders, NULL, &s, NULL), 0);
	assert_int_equal(spawn_go(&s), 0);
	int next = dup(0);
	close(next);
	const struct rlimit full = { (rlim_t)next, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &full), 0);
	int entered = spawn_entered(&s, &step);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	spawn_fini(&s);
	assert_int_equal(entered, -EMFILE);
	assert_int_equal(step, STEP_MAX);
	assert_false(is_running("[s]leep 7534"));
}

static void a_host_that_is_killed_takes_the_tree_with_it(void **state)
{
	const char *const argv[] = { "/bin/sleep", "7533", NULL };
	int ready[2];
	char byte;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t host = fork();
	if (host == 0) {
		struct child_plan plan = plan_of(argv);
		struct spawn s = SPAWN_NONE;
		enum child_step step;

		bool entered = spawn_start(&plan, &free_orders, NULL, &s, NULL) == 0 && spawn_go(&s) == 0 &&
			       spawn_entered(&s, &step) == 0;
		if (entered && write(ready[1], "x", 1))
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_true(is_running("[s]leep 7533"));
	kill(host, SIGKILL);
	waitpid(host, NULL, 0);
	for (int i = 0; i < 200 && is_running("[s]leep 7533"); i++)
		usleep(10000);
	assert_false(is_running("[s]leep 7533"));
	close(ready[0]);
	close(ready[1]);
}

/* The pids of reaper and child, in memory that outlives the host; the reaper's is there before the child's. */
struct waiting {
	pid_t reaper, child;
};

static bool is_alive(pid_t pid)
{
	struct procstat stat;

	return procstat_read(pid, &stat) == 0 && stat.state != 'Z' && stat.state != 'X';
}

static void a_host_that_dies_before_it_says_go_leaves_nobody(void **state)
{
	const char *const argv[] = { "/bin/sleep", "7535", NULL };
	struct waiting *seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ready[2];
	char byte;

	(void)state;
	assert_ptr_not_equal(seen, MAP_FAILED);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t host = fork();
	if (host == 0) {
		struct child_plan plan = plan_of(argv);
		struct spawn s = SPAWN_NONE;

		if (spawn_start(&plan, &free_orders, NULL, &s, NULL) < 0)
			_exit(1);
		while (!__atomic_load_n(&s.shared->child_pid, __ATOMIC_ACQUIRE))
			usleep(1000);
		*seen = (struct waiting){ s.shared->reaper_pid, s.shared->child_pid };
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_true(is_alive(seen->reaper));
	assert_true(is_alive(seen->child));
	kill(host, SIGKILL);
	waitpid(host, NULL, 0);
	for (int i = 0; i < 1000 && (is_alive(seen->reaper) || is_alive(seen->child)); i++)
		usleep(10000);
	assert_false(is_alive(seen->reaper));
	assert_false(is_alive(seen->child));
	munmap(seen, sizeof *seen);
	close(ready[0]);
	close(ready[1]);
}

static void a_start_that_is_given_up_runs_nothing(void **state)
{
	const char *const argv[] = { "/bin/sh", "-c", "echo x >&3", NULL };
	struct child_plan plan = plan_of(argv);
	struct spawn s = SPAWN_NONE;
	int out[2];
	char byte;

	(void)state;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	const struct plan_fd fds[] = { { out[1], 3 } };
	plan.fds = fds;
	plan.fd_count = 1;
	plan.fd_floor = 4;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(spawn_start(&plan, &free_orders, NULL, &s, NULL), 0);
		if (i % 2)
			usleep(2000);           /* given up at once, and when the child waits already */
		spawn_fini(&s);
		assert_int_equal(waitpid(-1, NULL, __WALL), -1);
	}
	close(out[1]);
	assert_int_equal(read(out[0], &byte, 1), 0);
	close(out[0]);
}

/* To the end of /bin/true in this memory; what is kept of it. */
static void *run_in(void *memory, bool go)
{
	const char *const argv[] = { "/bin/true", NULL };
	struct child_plan plan = plan_of(argv);
	struct spawn s = SPAWN_NONE;
	enum child_step step;

	assert_int_equal(spawn_start(&plan, &free_orders, memory, &s, NULL), 0);
	if (memory)
		assert_ptr_equal(s.memory, memory);
	if (!go)
		return spawn_fini_keep(&s);
	assert_int_equal(spawn_go(&s), 0);
	assert_int_equal(spawn_entered(&s, &step), 0);
	wait_for_end(&s);
	assert_int_equal(s.shared->cause, END_BY_ITSELF);
	assert_int_equal(s.shared->wait_status, 0);
	return spawn_fini_keep(&s);
}

static void memory_of_tasks_that_have_ended_serves_again(void **state)
{
	(void)state;
	void *memory = run_in(NULL, true);
	assert_non_null(memory);
	for (int i = 0; i < 5; i++)
		assert_ptr_equal(run_in(memory, true), memory);
	assert_null(run_in(memory, false));     /* of a start that was given up nothing is kept */
	spawn_memory_free(NULL);
}

static void what_is_looked_at_after_the_go_may_change_until_then(void **state)
{
	const char *const argv[] = { "/bin/sh", "-c", "exit 7", NULL };
	struct child_plan plan = plan_of(argv);
	struct spawn s = SPAWN_NONE;
	enum child_step step;

	(void)state;
	plan.path = "/no/such/program";
	assert_int_equal(spawn_start(&plan, &free_orders, NULL, &s, NULL), 0);
	usleep(2000);
	plan.path = argv[0];
	assert_int_equal(spawn_go(&s), 0);
	assert_int_equal(spawn_entered(&s, &step), 0);
	wait_for_end(&s);
	assert_int_equal(WEXITSTATUS(s.shared->wait_status), 7);
	spawn_fini(&s);
}

static void every_failure_of_starting_leaks_nothing(void **state)
{
	const char *const argv[] = { "/bin/true", NULL };
	struct child_plan plan = plan_of(argv);

	(void)state;
	for (int n = 0; n < 100; n++) {
		struct spawn s = SPAWN_NONE;
		struct error err = { 0 };
		int before = fault_open_fds();

		fault_arm(n);
		int rc = spawn_start(&plan, &free_orders, NULL, &s, &err);
		bool fired = fault_fired();
		if (rc == 0)
			spawn_fini(&s);
		else
			assert_true(err.text[0]);
		assert_int_equal(fault_open_fds(), before);
		assert_int_equal(waitpid(-1, NULL, __WALL), -1);        /* no task of ours is left */
		if (!fired)
			return;
	}
	fail();
}

static void a_tree_is_counted_with_its_orphans_and_threads(void **state)
{
	pid_t pids[64];
	struct proctree tree = { .pids = pids, .max = 64 };
	int ready[2];
	char byte;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t top = fork();
	if (top == 0) {
		for (int i = 0; i < 3; i++)
			if (fork() == 0)
				pause();
		if (write(ready[1], "x", 1))
			pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(proctree_walk(&tree, getpid()), 0);
	assert_int_equal(tree.len, 4);
	assert_int_equal(tree.tasks, 4);
	tree.max = 2;
	assert_int_equal(proctree_walk(&tree, getpid()), 0);
	assert_true(tree.full);
	tree.max = 64;
	proctree_walk(&tree, top);
	for (size_t i = 0; i < tree.len; i++)
		kill(pids[i], SIGKILL);
	kill(top, SIGKILL);
	waitpid(top, NULL, 0);
	close(ready[0]);
	close(ready[1]);
}

static void a_name_with_parentheses_does_not_move_the_fields(void **state)
{
	struct procstat stat;
	char name[16] = "a) Z 1 (b";

	(void)state;
	assert_int_equal(sys_prctl(15 /* PR_SET_NAME */, (unsigned long)name, 0, 0, 0), 0);
	assert_int_equal(procstat_read(getpid(), &stat), 0);
	assert_string_equal(stat.name, name);
	assert_int_equal(stat.state, 'R');
	assert_int_equal(stat.ppid, getppid());
	assert_int_equal(stat.threads, 1);
	assert_true(stat.rss_pages > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_ends_with_its_own_code),
		cmocka_unit_test(a_program_that_is_not_there_is_a_step_and_an_errno),
		cmocka_unit_test(a_directory_that_is_not_there_is_its_own_step),
		cmocka_unit_test(nobody_survives_the_top_process),
		cmocka_unit_test(the_deadline_ends_the_tree),
		cmocka_unit_test(the_memory_limit_kills_and_says_whom),
		cmocka_unit_test(descriptors_are_arranged_and_no_other_is_left),
		cmocka_unit_test(a_host_without_room_for_the_listener_does_not_start),
		cmocka_unit_test(a_host_that_is_killed_takes_the_tree_with_it),
		cmocka_unit_test(a_host_that_dies_before_it_says_go_leaves_nobody),
		cmocka_unit_test(a_start_that_is_given_up_runs_nothing),
		cmocka_unit_test(memory_of_tasks_that_have_ended_serves_again),
		cmocka_unit_test(what_is_looked_at_after_the_go_may_change_until_then),
		cmocka_unit_test(every_failure_of_starting_leaks_nothing),
		cmocka_unit_test(a_tree_is_counted_with_its_orphans_and_threads),
		cmocka_unit_test(a_name_with_parentheses_does_not_move_the_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
