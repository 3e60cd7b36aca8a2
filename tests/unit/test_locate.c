/* Finding what a caller's path means: this process is the caller, and a temporary folder its world. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "fault.h"
#include "supervisor/files.h"
#include "supervisor/notify.h"

static char top[64];
static struct stat target;

static const char *at(const char *name)
{
	static char path[4][256];
	static int turn;
	char *out = path[turn++ & 3];

	snprintf(out, sizeof path[0], "%s/%s", top, name);
	return out;
}

static int setup(void **unused)
{
	(void)unused;
	snprintf(top, sizeof top, "/tmp/test_locate.XXXXXX");
	assert_non_null(mkdtemp(top));
	assert_int_equal(mkdir(at("dir"), 0700), 0);
	AUTO(fd) int fd = open(at("dir/file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(fstat(fd, &target), 0);
	assert_int_equal(symlink("dir/file", at("link")), 0);
	assert_int_equal(symlink("link", at("link2")), 0);
	assert_int_equal(symlink("loop", at("loop")), 0);
	assert_int_equal(symlink("nowhere", at("dangling")), 0);
	assert_int_equal(symlink("/proc/self/cwd/dir", at("cwd")), 0);
	assert_int_equal(symlink("/proc/self/comm", at("comm")), 0);
	return chdir(top);
}

static int teardown(void **unused)
{
	static const char *const names[] = { "link", "link2", "loop", "dangling", "cwd", "comm", "dir/file" };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink(at(names[i]));
	rmdir(at("dir"));
	assert_int_equal(chdir("/"), 0);
	return rmdir(top);
}

static struct call caller(bool may_wait)
{
	return (struct call){ .tid = (pid_t)SYS(SYS_gettid), .may_wait = may_wait };
}

static int locate(const char *path, int dirfd, bool no_follow, uint64_t resolve, struct located *out)
{
	struct call call = caller(true);
	int rc = files_locate(&call, &(struct where){ .dirfd = dirfd, .path = path, .no_follow = no_follow,
						      .resolve = resolve }, out);

	if (rc == 0)
		fd_close(&out->fd);
	else
		assert_int_equal(out->fd, -1);
	return rc;
}

static void every_way_to_a_file_ends_at_it(void **unused)
{
	char number[64], by_number[64], by_fd[64];
	AUTO(fd) int file = open("dir/file", O_PATH | O_CLOEXEC);
	AUTO(fd) int dir = open("dir", O_PATH | O_CLOEXEC);

	(void)unused;
	snprintf(number, sizeof number, "/proc/self/fd/%d", file);
	snprintf(by_number, sizeof by_number, "/dev/fd/%d", file);
	snprintf(by_fd, sizeof by_fd, "/proc/%d/fd/%d/file", (int)getpid(), dir);
	const char *const ways[] = {
		"dir/file", "./dir//file", "dir/../dir/file", "link", "link2", "cwd/file", at("link2"), number, by_number,
		by_fd, "/proc/self/cwd/link", "/proc/thread-self/cwd/dir/file", "../../../../proc/self/cwd/link",
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct located out;
		int rc = locate(ways[i], AT_FDCWD, false, 0, &out);

		if (rc < 0 || out.ino != target.st_ino || out.dev != target.st_dev || !S_ISREG(out.mode))
			fail_msg("%s: %d", ways[i], rc);
		assert_false(out.procfs);
	}
	struct located out;
	assert_int_equal(locate("file", dir, false, 0, &out), 0);
	assert_int_equal(out.ino, target.st_ino);
	assert_int_equal(locate("/dir/file", AT_FDCWD, false, RES_IN_ROOT, &out), 0);
	assert_int_equal(out.ino, target.st_ino);
}

static void a_path_that_leads_nowhere_says_why(void **unused)
{
	static const struct {
		const char *path;
		uint64_t resolve;
		int error;
	} cases[] = {
		{ "none", 0, -ENOENT }, { "none/x", 0, -ENOENT }, { "dir/file/x", 0, -ENOTDIR }, { "loop", 0, -ELOOP },
		{ "", 0, -ENOENT }, { "dangling", 0, -ENOENT }, { "link", RES_NO_SYMLINKS, -ELOOP },
		{ "../x", RES_BENEATH, -EXDEV }, { "/proc/self/cwd", RES_NO_MAGICLINKS, -ELOOP },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct located out;
		int rc = locate(cases[i].path, AT_FDCWD, false, cases[i].resolve, &out);

		if (rc != cases[i].error)
			fail_msg("%s: %d", cases[i].path, rc);
	}
	struct located out;
	assert_int_equal(locate("x", 999, false, 0, &out), -EBADF);
}

static void a_path_without_links_is_named_by_its_words(void **unused)
{
	AUTO(fd) int dir = open("dir", O_PATH | O_CLOEXEC);
	const char *const file = at("dir/file");
	const struct {
		const char *path;
		int dirfd;
		const char *name;       /* NULL: locate it */
	} cases[] = {
		{ "dir/file", AT_FDCWD, file }, { "././dir/file", AT_FDCWD, file },
		{ "file", dir, file }, { at("dir"), dir, at("dir") }, { "dir/none", AT_FDCWD, at("dir/none") },
		{ "link", AT_FDCWD, NULL }, { "dir/../dir/file", AT_FDCWD, NULL }, { "dir/", AT_FDCWD, NULL },
		{ "/proc/1/status", AT_FDCWD, NULL }, { "/proc/self/status", AT_FDCWD, NULL },
		{ "/sys/kernel", AT_FDCWD, NULL }, { "cwd/file", AT_FDCWD, NULL }, { "", AT_FDCWD, NULL },
		{ "file", 999, NULL }, { ".//none", AT_FDCWD, NULL }, { ".//proc", dir, NULL },
	};
	struct call call = caller(false);

	(void)unused;
	char name[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		faccessat(cases[i].dirfd, cases[i].path, F_OK, 0);      /* what it asks must be in the caches */
		int rc = files_plain_name(&call, cases[i].dirfd, cases[i].path, name);

		if ((rc == 0) != (cases[i].name != NULL))
			fail_msg("%s: %d", cases[i].path, rc);
		if (rc == 0)
			assert_string_equal(name, cases[i].name);
	}
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(access("none", F_OK), -1);
	assert_int_equal(files_plain_name(&call, AT_FDCWD, "none", name), 0);
	assert_string_equal(name, "/none");
	assert_int_equal(chdir(top), 0);
}

static void a_final_link_is_the_object_where_that_was_asked_for(void **unused)
{
	struct located out;

	(void)unused;
	assert_int_equal(locate("link", AT_FDCWD, true, 0, &out), 0);
	assert_true(S_ISLNK(out.mode));
	assert_int_equal(locate("cwd", AT_FDCWD, true, 0, &out), 0);
	assert_true(S_ISLNK(out.mode));
	assert_int_equal(locate("cwd/", AT_FDCWD, true, 0, &out), 0);
	assert_true(S_ISDIR(out.mode));
}

static void what_is_missing_is_told_with_its_directory(void **unused)
{
	static const char *const paths[] = { "dir/none", "dangling", "/proc/self/cwd/nowhere" };
	static const char *const names[] = { "none", "nowhere", "nowhere" };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct call call = caller(true);
		struct located out;

		assert_int_equal(files_locate(&call, &(struct where){ .dirfd = AT_FDCWD, .path = paths[i],
								      .tell_missing = true }, &out), -ENOENT);
		assert_true(out.parent >= 0);
		assert_string_equal(out.name, names[i]);
		fd_close(&out.parent);
	}
}

static void files_of_the_kernel_are_the_callers(void **unused)
{
	struct located out, own;

	(void)unused;
	assert_int_equal(locate("/proc/self/comm", AT_FDCWD, false, 0, &out), 0);
	assert_true(out.procfs);
	assert_int_equal(locate("comm", AT_FDCWD, false, 0, &own), 0);
	assert_int_equal(own.ino, out.ino);
	if (access("/sys/class", F_OK) == 0) {
		assert_int_equal(locate("/sys/class", AT_FDCWD, false, 0, &out), 0);
		assert_true(out.sysfs);
	}
}

static void what_is_opened_for_a_caller_appends_where_that_was_asked_for(void **unused)
{
	AUTO(fd) int pinned = open(at("dir/file"), O_PATH | O_CLOEXEC);
	AUTO(fd) int once = files_reopen(NULL, pinned, O_RDWR);

	(void)unused;
	assert_int_equal(write(once, "first", 5), 5);
	AUTO(fd) int appending = files_reopen(NULL, pinned, O_RDWR | O_APPEND);
	assert_int_equal(write(appending, "second", 6), 6);
	assert_int_equal(lseek(appending, 0, SEEK_END), 11);
}

/* The supervisor may follow the links of every process of its user; the program may not. */
static void links_of_processes_outside_are_not_followed(void **unused)
{
	struct supervisor s = { .root = getpid() };
	struct call call = caller(true);
	struct where where = { .dirfd = AT_FDCWD };
	struct located out;
	char path[64];
	pid_t inside = fork();

	(void)unused;
	if (inside == 0)
		for (;;)
			pause();
	call.supervisor = &s;
	where.path = path;
	snprintf(path, sizeof path, "/proc/%d/cwd", (int)inside);
	int rc = files_locate(&call, &where, &out);
	fd_close(&out.fd);
	kill(inside, SIGKILL);
	waitpid(inside, NULL, 0);
	assert_int_equal(rc, 0);
	snprintf(path, sizeof path, "/proc/%d/root/etc", (int)getppid());
	assert_int_equal(files_locate(&call, &where, &out), -EACCES);
	assert_int_equal(out.fd, -1);
}

static void a_thread_that_must_not_wait_gives_up_where_it_would(void **unused)
{
	struct call call = caller(false);
	struct located out;

	(void)unused;
	assert_int_equal(files_locate(&call, &(struct where){ .dirfd = AT_FDCWD, .path = "dir/file" }, &out), 0);
	fd_close(&out.fd);
	assert_int_equal(files_locate(&call, &(struct where){ .dirfd = AT_FDCWD, .path = "/proc/self/cwd" }, &out), MUST_WAIT);
	assert_int_equal(out.fd, -1);
}

static void a_fault_on_the_way_is_an_error_and_leaks_nothing(void **unused)
{
	static const char *const paths[] = { "dir/file", "cwd/file", "/proc/self/cwd/link2", "dir/none" };
	int before = fault_open_fds();

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		for (int n = 0;; n++) {
			struct call call = caller(true);
			struct located out;

			fault_arm(n);
			int rc = files_locate(&call, &(struct where){ .dirfd = AT_FDCWD, .path = paths[i],
								      .tell_missing = true }, &out);
			bool fired = fault_fired();

			if (rc == 0)
				fd_close(&out.fd);
			fd_close(&out.parent);
			assert_int_equal(fault_open_fds(), before);
			if (!fired)
				break;
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_to_a_file_ends_at_it),
		cmocka_unit_test(a_path_that_leads_nowhere_says_why),
		cmocka_unit_test(a_path_without_links_is_named_by_its_words),
		cmocka_unit_test(a_final_link_is_the_object_where_that_was_asked_for),
		cmocka_unit_test(what_is_missing_is_told_with_its_directory),
		cmocka_unit_test(files_of_the_kernel_are_the_callers),
		cmocka_unit_test(what_is_opened_for_a_caller_appends_where_that_was_asked_for),
		cmocka_unit_test(links_of_processes_outside_are_not_followed),
		cmocka_unit_test(a_thread_that_must_not_wait_gives_up_where_it_would),
		cmocka_unit_test(a_fault_on_the_way_is_an_error_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
