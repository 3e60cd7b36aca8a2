/* Probes: each runs, gives a level or an errno, leaves nothing behind, and sees what is hidden from it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sys.h"
#include "confine/landlock.h"
#include "fault.h"
#include "run/probe.h"

static void every_probe_answers_and_leaves_nothing_behind(void **state)
{
	int before = fault_open_fds();

	(void)state;
	for (size_t i = 0; i < kernel_probe_count; i++) {
		int level = kernel_probes[i].run();

		assert_true(level > -4096);
		assert_true(level != -EIO);
		assert_int_equal(fault_open_fds(), before);
		assert_int_equal(waitpid(-1, NULL, __WALL | WNOHANG), -1);
		assert_non_null(kernel_probes[i].help);
	}
	assert_int_equal(sys_prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	assert_int_equal(sys_prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
}

static void names_are_unique_and_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < kernel_probe_count; i++)
		assert_ptr_equal(kernel_probe_by_name(kernel_probes[i].name), &kernel_probes[i]);
	assert_null(kernel_probe_by_name("seccomp"));
}

static void landlock_is_the_abi(void **state)
{
	(void)state;
	assert_int_equal(kernel_probe_by_name("landlock")->run(), landlock_abi());
}

static long hidden;

static bool hide(long nr, const long *args, long *result)
{
	(void)args;
	if (nr != hidden)
		return false;
	*result = -EPERM;
	return true;
}

static void a_call_that_a_container_hides_is_told_with_its_errno(void **state)
{
	static const struct {
		const char *probe;
		long nr;
	} rows[] = {
		{ "landlock", NR_landlock_create_ruleset }, { "seccomp.notify", SYS_seccomp },
		{ "seccomp.filter", SYS_seccomp },          { "pidfd_open", NR_pidfd_open },
		{ "pidfd_getfd", NR_pidfd_getfd },          { "process_vm_readv", SYS_process_vm_readv },
		{ "openat2", NR_openat2 },                  { "close_range", NR_close_range },
		{ "clone3", NR_clone3 },                    { "userns", SYS_unshare },
		{ "overlayfs", SYS_mount },                 { "fuse", SYS_openat },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int level = kernel_probe_by_name(rows[i].probe)->run();

		hidden = rows[i].nr;
		sys_seam = hide;
		int without = kernel_probe_by_name(rows[i].probe)->run();
		sys_seam = NULL;
		if (level > 0)
			assert_int_equal(without, -EPERM);
		else
			assert_true(without <= 0);
	}
}

static int copied_end;

/* What a fork by another thread does: a copy of the end that the child waits for stays open somewhere. */
static bool copy_ends(long nr, const long *args, long *result)
{
	const int *ends = (const int *)args[0];

	if (nr != SYS_pipe2)
		return false;
	*result = sys_raw6(nr, args[0], args[1], 0, 0, 0, 0);
	copied_end = dup(ends[1]);
	return true;
}

static void two_threads_that_probe_do_not_wait_for_one_another(void **state)
{
	static const char *const names[] = { "pidfd_getfd", "process_vm_readv" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int level = kernel_probe_by_name(names[i])->run();

		sys_seam = copy_ends;
		alarm(20);
		int again = kernel_probe_by_name(names[i])->run();
		alarm(0);
		sys_seam = NULL;
		close(copied_end);
		assert_int_equal(again, level);
	}
}

static void each_failure_of_a_probe_is_an_errno(void **state)
{
	(void)state;
	for (size_t i = 0; i < kernel_probe_count; i++) {
		int before = fault_open_fds();

		for (int n = 0; n < 64; n++) {
			fault_arm(n);
			int level = kernel_probes[i].run();
			bool fired = fault_fired();

			assert_true(level > -4096);
			assert_int_equal(fault_open_fds(), before);
			if (!fired)
				break;
		}
		while (waitpid(-1, NULL, __WALL | WNOHANG) > 0)
			;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_probe_answers_and_leaves_nothing_behind),
		cmocka_unit_test(names_are_unique_and_found),
		cmocka_unit_test(landlock_is_the_abi),
		cmocka_unit_test(a_call_that_a_container_hides_is_told_with_its_errno),
		cmocka_unit_test(two_threads_that_probe_do_not_wait_for_one_another),
		cmocka_unit_test(each_failure_of_a_probe_is_an_errno),
	};

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
