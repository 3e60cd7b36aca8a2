/* Reading another task and pinning what it names: bounds of its memory, and its own spellings of its descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "supervisor/childmem.h"
#include "supervisor/pin.h"

/* A child that waits in a folder of its own, with a page that ends at unmapped memory, at the same address as here. */
struct other {
	pid_t pid;
	char *page;             /* 4096 readable bytes, then none */
	char folder[64];
	int file;               /* number of a descriptor on folder/file */
};

static void start(struct other *o)
{
	int ready[2];
	char byte;

	o->page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(o->page + 4096, 4096);
	memset(o->page, 'a', 4096);
	memcpy(o->folder, "/tmp/sandlock-test.XXXXXX", 26);
	assert_non_null(mkdtemp(o->folder));
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	o->file = 77;
	o->pid = fork();
	if (o->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		memcpy(o->page + 4090, "hello", 6);
		int fd = chdir(o->folder) == 0 ? open("file", O_CREAT | O_RDWR, 0600) : -1;
		if (fd >= 0 && dup2(fd, o->file) >= 0 && symlink("file", "link") == 0 && write(ready[1], "x", 1))
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
}

static void stop(struct other *o)
{
	char command[100];

	kill(o->pid, SIGKILL);
	waitpid(o->pid, NULL, 0);
	munmap(o->page, 4096);
	snprintf(command, sizeof command, "rm -r '%s'", o->folder);
	assert_int_equal(system(command), 0);
}

static void a_string_may_end_where_its_memory_ends(void **state)
{
	struct other o;
	char text[PATH_MAX];

	(void)state;
	start(&o);
	assert_int_equal(childmem_string(o.pid, (uint64_t)(uintptr_t)o.page + 4090, text, sizeof text), 5);
	assert_string_equal(text, "hello");
	/* one byte later there is no NUL any more before the end of the page */
	assert_int_equal(childmem_string(o.pid, (uint64_t)(uintptr_t)o.page, text, 100), -ENAMETOOLONG);
	assert_int_equal(childmem_string(o.pid, 0, text, sizeof text), -EFAULT);
	assert_int_equal(childmem_string(o.pid, UINT64_MAX - 10, text, sizeof text), -EFAULT);
	stop(&o);
}

static void a_read_is_all_or_nothing(void **state)
{
	struct other o;
	char bytes[64];

	(void)state;
	start(&o);
	assert_int_equal(childmem_read(o.pid, (uint64_t)(uintptr_t)o.page + 4090, bytes, 6), 0);
	assert_memory_equal(bytes, "hello", 6);
	assert_int_equal(childmem_read(o.pid, (uint64_t)(uintptr_t)o.page + 4090, bytes, 7), -EFAULT);
	assert_int_equal(childmem_write(o.pid, (uint64_t)(uintptr_t)o.page + 4090, "HELLO", 5), 0);
	assert_int_equal(childmem_read(o.pid, (uint64_t)(uintptr_t)o.page + 4090, bytes, 6), 0);
	assert_memory_equal(bytes, "HELLO", 6);
	assert_int_equal(childmem_write(o.pid, (uint64_t)(uintptr_t)o.page + 4090, "too long", 8), -EFAULT);
	stop(&o);
}

/* As in a container whose filter refuses process_vm_readv. */
static bool refuse_vm_calls(long nr, const long *args, long *result)
{
	(void)args;
	*result = -EPERM;
	return nr == SYS_process_vm_readv || nr == SYS_process_vm_writev;
}

static void memory_is_read_by_its_file_where_the_call_is_refused(void **state)
{
	struct other o;
	char text[32];

	(void)state;
	start(&o);
	sys_seam = refuse_vm_calls;
	int len = childmem_string(o.pid, (uint64_t)(uintptr_t)o.page + 4090, text, sizeof text);
	int bad = childmem_read(o.pid, (uint64_t)(uintptr_t)o.page + 4090, text, 7);
	sys_seam = NULL;
	assert_int_equal(len, 5);
	assert_int_equal(bad, -EFAULT);
	stop(&o);
}

static ino_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void check_same(const struct other *o, int dirfd, const char *path, int flags)
{
	char name[100];
	struct stat want;

	snprintf(name, sizeof name, "%s/file", o->folder);
	assert_int_equal(stat(name, &want), 0);
	AUTO(fd) int fd = pin_caller_path(o->pid, dirfd, path, flags);
	assert_true(fd >= 0);
	assert_int_equal(inode_of(fd), want.st_ino);
}

static void every_spelling_of_a_file_pins_the_callers_file(void **state)
{
	struct other o;
	char own[64], absolute[200];

	(void)state;
	start(&o);
	snprintf(own, sizeof own, "/proc/%d/fd/77", (int)o.pid);
	snprintf(absolute, sizeof absolute, "%s/../%s/link", o.folder, o.folder + 5);
	check_same(&o, AT_FDCWD, "file", 0);
	check_same(&o, AT_FDCWD, "./link", 0);
	check_same(&o, AT_FDCWD, "/proc/self/fd/77", 0);
	check_same(&o, AT_FDCWD, "/proc/thread-self/fd/77", 0);
	check_same(&o, AT_FDCWD, "/dev/fd/77", 0);
	check_same(&o, AT_FDCWD, own, 0);
	check_same(&o, AT_FDCWD, absolute, 0);
	check_same(&o, 77, "", AT_EMPTY_PATH);
	stop(&o);
}

static void a_final_link_is_itself_when_it_is_not_followed(void **state)
{
	struct other o;
	struct stat st;

	(void)state;
	start(&o);
	AUTO(fd) int fd = pin_caller_path(o.pid, AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW);
	assert_true(fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode));
	stop(&o);
}

static void no_magic_link_leads_to_a_descriptor_of_ours(void **state)
{
	struct other o;
	char path[100];

	(void)state;
	start(&o);
	AUTO(fd) int low = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	int mine = fcntl(low, F_DUPFD_CLOEXEC, 200);
	snprintf(path, sizeof path, "/proc/self/fd/%d", mine);          /* the caller has no such descriptor */
	assert_int_equal(pin_caller_path(o.pid, AT_FDCWD, path, 0), -EBADF);
	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), mine);
	assert_int_equal(pin_caller_path(o.pid, AT_FDCWD, path, 0), -ELOOP);
	assert_int_equal(pin_caller_path(o.pid, AT_FDCWD, "/proc/self/root/etc/passwd", 0), -ELOOP);
	close(mine);
	stop(&o);
}

static void what_is_not_there_is_the_kernels_errno(void **state)
{
	struct other o;

	(void)state;
	start(&o);
	assert_int_equal(pin_caller_path(o.pid, AT_FDCWD, "nothing", 0), -ENOENT);
	assert_int_equal(pin_caller_path(o.pid, AT_FDCWD, "", 0), -ENOENT);
	assert_int_equal(pin_caller_path(o.pid, 99, "file", 0), -EBADF);
	assert_int_equal(pin_caller_path(o.pid, 77, "file", 0), -ENOTDIR);
	assert_int_equal(pin_caller_fd(o.pid, -1), -EBADF);
	assert_int_equal(pin_caller_fd(o.pid, 99), -EBADF);
	stop(&o);
}

static void every_failure_of_pinning_leaks_nothing(void **state)
{
	struct other o;

	(void)state;
	start(&o);
	for (int n = 0;; n++) {
		int before = fault_open_fds();

		fault_arm(n);
		int fd = pin_caller_path(o.pid, AT_FDCWD, "link", 0);
		bool fired = fault_fired();
		assert_true(!fired || fd < 0);
		fd_close(&fd);
		assert_int_equal(fault_open_fds(), before);
		if (!fired)
			break;
	}
	stop(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_string_may_end_where_its_memory_ends),
		cmocka_unit_test(a_read_is_all_or_nothing),
		cmocka_unit_test(memory_is_read_by_its_file_where_the_call_is_refused),
		cmocka_unit_test(every_spelling_of_a_file_pins_the_callers_file),
		cmocka_unit_test(a_final_link_is_itself_when_it_is_not_followed),
		cmocka_unit_test(no_magic_link_leads_to_a_descriptor_of_ours),
		cmocka_unit_test(what_is_not_there_is_the_kernels_errno),
		cmocka_unit_test(every_failure_of_pinning_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
