/* Descriptors of a caller: fetched by a pidfd that is kept, and only while the number is certainly still the caller's. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_supervisor.h"
#include "fault.h"

#include "base/mem.h"
#include "supervisor/notify.h"
#include "supervisor/onbehalf.h"

static struct supervisor *s;
static struct report report;
static struct progress progress;
static struct call call;
static int theirs[2];           /* a pipe that the callers have, too */
static bool valid;
static bool has_thread_pidfds;
static unsigned asked;

static bool answer(long nr, const long *args, long *result)
{
	if (nr == NR_pidfd_open && (args[1] & PIDFD_OF_THREAD) && !has_thread_pidfds) {
		*result = -EINVAL;
		return true;
	}
	if (nr != SYS_ioctl || (unsigned long)args[1] != SC_IOCTL_ID_VALID)
		return false;
	asked++;
	*result = valid ? 0 : -ENOENT;
	return true;
}

static pid_t caller(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	assert_true(pid > 0);
	call.tid = pid;
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int setup(void **state)
{
	(void)state;
	valid = true;
	has_thread_pidfds = true;
	asked = 0;
	sys_seam = answer;
	return pipe(theirs) < 0 ? -1 : own_supervisor(&s, &report, &call, &progress);
}

static int teardown(void **state)
{
	(void)state;
	sys_seam = NULL;
	close(theirs[0]);
	close(theirs[1]);
	own_supervisor_free(s, &report);
	return 0;
}

/* 0 when it is the pipe, else -errno. */
static int pin(void)
{
	int fd = call.kernel->pin_fd(&call, theirs[0]);
	struct stat mine, own;

	if (fd < 0)
		return fd;
	assert_int_equal(fstat(fd, &mine), 0);
	assert_int_equal(fstat(theirs[0], &own), 0);
	assert_int_equal(mine.st_ino, own.st_ino);
	close(fd);
	return 0;
}

static void a_thread_that_is_known_is_asked_about_once(void **state)
{
	pid_t pid = caller();

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pin(), 0);
	assert_int_equal(asked, 1);
	end(pid);
}

static void pidfds_of_processes_prove_nothing(void **state)
{
	pid_t pid = caller();

	(void)state;
	has_thread_pidfds = false;
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(pin(), 0);
		assert_int_equal(asked, i);
	}
	valid = false;
	assert_int_equal(pin(), -ESRCH);
	end(pid);
}

static void a_caller_that_no_longer_waits_proves_nothing(void **state)
{
	pid_t pid = caller();

	(void)state;
	valid = false;
	assert_int_equal(pin(), -ESRCH);
	assert_int_equal(pin(), -ESRCH);
	valid = true;
	assert_int_equal(pin(), 0);
	assert_int_equal(asked, 3);
	assert_int_equal(pin(), 0);
	assert_int_equal(asked, 3);
	end(pid);
}

/* As if the number of the first were the second's now. */
static void a_number_that_somebody_else_has_by_now_is_asked_about_again(void **state)
{
	pid_t first = caller();

	(void)state;
	assert_int_equal(pin(), 0);
	struct kept_pidfd kept = s->pidfds[(unsigned)first % SUPERVISOR_PIDFDS];
	s->pidfds[(unsigned)first % SUPERVISOR_PIDFDS].fd = -1;
	end(first);
	pid_t second = caller();
	kept.tid = second;
	s->pidfds[(unsigned)second % SUPERVISOR_PIDFDS] = kept;
	valid = false;
	assert_int_equal(pin(), -ESRCH);
	assert_int_equal(asked, 2);
	end(second);
}

static void workers_and_parked_calls_ask_every_time(void **state)
{
	pid_t pid = caller();

	(void)state;
	assert_int_equal(pin(), 0);
	call.may_wait = true;
	assert_int_equal(pin(), 0);
	call.may_wait = false;
	call.held = &theirs[0];
	assert_int_equal(pin(), 0);
	assert_int_equal(asked, 3);
	end(pid);
}

static void pinning_fails_cleanly_at_every_step(void **state)
{
	pid_t pid = caller();

	(void)state;
	for (int n = 0;; n++) {
		int before = fault_open_fds();

		fault_arm(n);
		int fd = call.kernel->pin_fd(&call, theirs[0]);
		bool fired = fault_fired();
		sys_seam = answer;
		if (fd >= 0)
			close(fd);
		for (size_t i = 0; i < SUPERVISOR_PIDFDS; i++)
			if (s->pidfds[i].fd >= 0) {
				close(s->pidfds[i].fd);
				s->pidfds[i].fd = -1;
			}
		assert_int_equal(fault_open_fds(), before);
		if (!fired)
			break;
	}
	end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_thread_that_is_known_is_asked_about_once),
		TEST(pidfds_of_processes_prove_nothing),
		TEST(a_caller_that_no_longer_waits_proves_nothing),
		TEST(a_number_that_somebody_else_has_by_now_is_asked_about_again),
		TEST(workers_and_parked_calls_ask_every_time),
		TEST(pinning_fails_cleanly_at_every_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
