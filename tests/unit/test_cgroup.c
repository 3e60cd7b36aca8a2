/* Cgroups, against a folder that looks like the kernel's: where one may be made, what is written, what is removed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/sys.h"
#include "fault.h"
#include "run/cgroup.h"

static char top[200];
static const char *locked;              /* the folder in which nothing may be written; as root, chmod would not do */
static const char *absent;              /* a file that this kernel does not give to a new cgroup */
static bool (*inner)(long nr, const long *args, long *result);

static void put(const char *name, const char *text)
{
	char path[2 * PATH_SIZE];

	snprintf(path, sizeof path, "%s/%s", top, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *got(const char *name)
{
	static char text[200];
	char path[2 * PATH_SIZE];

	snprintf(path, sizeof path, "%s/%s", top, name);
	FILE *f = fopen(path, "r");
	if (!f)
		return NULL;
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	return text;
}

/* A cgroup with the controllers that it has and those that it gives to its children. */
static void group(const char *name, const char *has, const char *gives, bool is_root)
{
	char path[300];
	const struct {
		const char *file, *text;
	} files[] = { { "cgroup.controllers", has }, { "cgroup.subtree_control", gives }, { "cgroup.procs", "" },
		      { "cgroup.type", is_root ? NULL : "domain\n" } };

	snprintf(path, sizeof path, "%s/%s", top, name);
	mkdir(path, 0755);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof path, "%s/%s", name, files[i].file);
		if (files[i].text)
			put(path, files[i].text);
	}
}

static const char *const given[] = { "memory.max", "memory.swap.max", "pids.max" };

/* The kernel's part: a new cgroup has files, and they do not keep it from being removed. */
static bool kernel(long nr, const long *args, long *result)
{
	char at[PATH_SIZE], link[64];

	if (inner && inner(nr, args, result))
		return true;
	if (nr == SYS_mkdirat) {
		*result = mkdirat((int)args[0], (const char *)args[1], 0755) < 0 ? -errno : 0;
		for (size_t i = 0; i < ARRAY_SIZE(given) && *result == 0; i++) {
			snprintf(at, sizeof at, "%s/%s", (const char *)args[1], given[i]);
			if (!absent || strcmp(absent, given[i]) != 0)
				close(openat((int)args[0], at, O_CREAT | O_WRONLY, 0644));
		}
		return true;
	}
	if (nr == SYS_unlinkat) {
		for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
			snprintf(at, sizeof at, "%s/%s", (const char *)args[1], given[i]);
			unlinkat((int)args[0], at, 0);
		}
		return false;
	}
	if (nr == SYS_faccessat && locked && args[2] == W_OK) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", (int)args[0]);
		ssize_t n = readlink(link, at, sizeof at - 1);
		at[n < 0 ? 0 : n] = '\0';
		if (strcmp(at + strlen(at) - strlen(locked), locked) == 0) {
			*result = -EACCES;
			return true;
		}
	}
	return false;
}

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof top, "/tmp/sandlock-cgroup.XXXXXX");
	locked = absent = NULL;
	inner = NULL;
	sys_seam = kernel;
	return mkdtemp(top) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[300];

	(void)state;
	sys_seam = NULL;
	snprintf(command, sizeof command, "rm -rf '%s'", top);
	return system(command);
}

static int open_top(void)
{
	int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int entries(void)
{
	char command[300];
	int count = -1;

	snprintf(command, sizeof command, "ls -A '%s' | wc -l", top);
	FILE *f = popen(command, "r");
	assert_int_equal(fscanf(f, "%d", &count), 1);
	pclose(f);
	return count;
}

/* What a search from `own` finds, without the mount point. */
static const char *home_of(const char *own, unsigned controllers, bool enable)
{
	static char found[PATH_SIZE];
	AUTO(str) struct str path = STR(2 * PATH_SIZE);
	int dir = cgroup_search(top, own, controllers, enable, &path);

	if (dir < 0)
		return dir == -ENOENT ? NULL : "an error";
	close(dir);
	snprintf(found, sizeof found, "%s", path.buf + strlen(top));
	return found;
}

static void only_limits_that_it_can_hold_want_a_cgroup(void **state)
{
	static const struct {
		struct cgroup_limits limits;
		unsigned wanted;
	} rows[] = {
		{ { UINT64_MAX, UINT64_MAX }, 0 },
		{ { CGROUP_MEMORY_LEAST - 1, UINT64_MAX }, 0 },
		{ { CGROUP_MEMORY_LEAST, UINT64_MAX }, CGROUP_MEMORY },
		{ { UINT64_MAX, 5 }, CGROUP_PIDS },
		{ { 1ULL << 30, 5 }, CGROUP_MEMORY | CGROUP_PIDS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(cgroup_controllers(&rows[i].limits), rows[i].wanted);
}

static void the_own_place_is_on_the_unified_line(void **state)
{
	static const struct {
		const char *text, *own;
	} rows[] = {
		{ "0::/\n", "/" },
		{ "12:pids:/a\n1:name=systemd:/b\n0::/user.slice/session-1.scope\n", "/user.slice/session-1.scope" },
		{ "10::/x\n12:pids:/a\n", NULL },
		{ "0::relative\n", NULL },
		{ "", NULL },
	};
	char file[300];

	(void)state;
	snprintf(file, sizeof file, "%s/cgroup", top);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO(str) struct str own = STR(PATH_SIZE);

		put("cgroup", rows[i].text);
		assert_int_equal(cgroup_own(file, &own), rows[i].own ? 0 : -ENOENT);
		if (rows[i].own)
			assert_string_equal(own.buf, rows[i].own);
	}
	AUTO(str) struct str own = STR(PATH_SIZE);
	assert_int_equal(cgroup_own("/no/such/file", &own), -ENOENT);
}

static void the_nearest_folder_that_gives_the_controllers_is_home(void **state)
{
	(void)state;
	group(".", "cpu memory pids\n", "cpu memory pids\n", true);
	group("user", "cpu memory pids\n", "memory pids\n", false);
	group("user/app", "memory pids\n", "memory_recursiveprot pids\n", false);
	group("user/app/shell", "pids\n", "", false);
	assert_string_equal(home_of("/user/app/shell", CGROUP_MEMORY, true), "/user");
	assert_string_equal(home_of("/user/app/shell", CGROUP_PIDS, true), "/user/app");
	assert_string_equal(home_of("/user/app/shell", CGROUP_MEMORY | CGROUP_PIDS, true), "/user");
	assert_string_equal(home_of("/", CGROUP_MEMORY, true), "");
	assert_string_equal(home_of("/gone/elsewhere", CGROUP_MEMORY, true), "");
	locked = "/user";
	assert_string_equal(home_of("/user/app/shell", CGROUP_MEMORY, true), "");
	locked = top;           /* an ordinary user: only what is his counts */
	assert_string_equal(home_of("/user/app/shell", CGROUP_MEMORY, true), "/user");
	assert_null(home_of("/", CGROUP_MEMORY, true));
}

static void a_tree_of_another_kind_has_no_home(void **state)
{
	(void)state;
	put("cgroup.procs", "");        /* as version 1 has it */
	put("tasks", "");
	assert_null(home_of("/", CGROUP_PIDS, true));
	assert_null(home_of("/nowhere", 0, true));
}

static void controllers_are_switched_on_in_the_root_of_the_tree_only(void **state)
{
	(void)state;
	group(".", "cpu memory pids\n", "", true);
	assert_string_equal(home_of("/", CGROUP_MEMORY, false), "");
	assert_string_equal(got("cgroup.subtree_control"), "");
	assert_string_equal(home_of("/", CGROUP_MEMORY | CGROUP_PIDS, true), "");
	assert_string_equal(got("cgroup.subtree_control"), "+memory +pids");
	group(".", "cpu memory pids\n", "", false);     /* the top of a container's view */
	assert_null(home_of("/", CGROUP_MEMORY, true));
	assert_string_equal(got("cgroup.subtree_control"), "");
}

static void a_cgroup_gets_its_limits_and_is_removed(void **state)
{
	const struct cgroup_limits limits = { .memory = 1ULL << 28, .tasks = 7 };
	int before = fault_open_fds();
	int home = open_top();
	struct plan_cgroup made;
	char file[200];

	(void)state;
	assert_int_equal(cgroup_make(home, &limits, 200, &made), 0);
	assert_true(made.dir >= 200 && made.home >= 200 && made.memory);
	snprintf(file, sizeof file, "%s/memory.max", made.name);
	assert_string_equal(got(file), "268435456");
	snprintf(file, sizeof file, "%s/memory.swap.max", made.name);
	assert_string_equal(got(file), "0");
	snprintf(file, sizeof file, "%s/pids.max", made.name);
	assert_string_equal(got(file), "7");
	assert_int_equal(entries(), 1);
	cgroup_fini(&made, true);
	assert_int_equal(entries(), 0);
	close(home);
	assert_int_equal(fault_open_fds(), before);
}

static void a_kernel_without_swap_is_good_enough_and_one_without_the_limit_is_not(void **state)
{
	const struct cgroup_limits limits = { .memory = 1ULL << 28, .tasks = UINT64_MAX };
	int home = open_top();
	struct plan_cgroup made;

	(void)state;
	absent = "memory.swap.max";
	assert_int_equal(cgroup_make(home, &limits, 10, &made), 0);
	assert_true(made.memory);
	cgroup_fini(&made, true);
	absent = "memory.max";
	assert_true(cgroup_make(home, &limits, 10, &made) < 0);
	assert_int_equal(entries(), 0);
	assert_int_equal(made.name[0], '\0');
	close(home);
}

static void what_dead_hosts_left_is_swept_and_nothing_else(void **state)
{
	char dead[64], alive[64];
	pid_t pid = fork();
	int home = open_top();

	(void)state;
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	snprintf(dead, sizeof dead, "sandlock-%d-0123456789abcdef", (int)pid);
	snprintf(alive, sizeof alive, "sandlock-%d-0123456789abcdef", (int)getpid());
	const char *const names[] = { dead, alive, "sandlock-x-1", "sandlock-99999999999-1", "other.scope" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(mkdirat(home, names[i], 0755), 0);
	cgroup_sweep(home);
	assert_int_equal(faccessat(home, dead, F_OK, 0), -1);
	for (size_t i = 1; i < ARRAY_SIZE(names); i++)
		assert_int_equal(faccessat(home, names[i], F_OK, 0), 0);
	close(home);
}

static void a_write_grant_that_reaches_a_cgroup_mount_is_seen(void **state)
{
	static const char v2[] = "22 1 0:5 / /proc rw - proc proc rw\n"
				 "31 1 0:27 / /sys/fs/cgroup rw,nosuid shared:4 master:1 - cgroup2 cgroup2 rw,nsdelegate\n"
				 "32 1 0:27 / /mnt/my\\040tree rw - cgroup2 none rw\n";
	static const struct {
		const char *mounts, *path;
		unsigned access;
		bool reached;
	} rows[] = {
		{ v2, "/srv", ACCESS_READ | ACCESS_WRITE, false },
		{ v2, "/sys/fs/cgroup", ACCESS_READ, false },
		{ v2, "/sys/fs/cgroup", ACCESS_WRITE, true },
		{ v2, "/sys/fs/cgroup/user.slice", ACCESS_WRITE, true },
		{ v2, "/sys/fs/cgroups", ACCESS_WRITE, false },
		{ v2, "/", ACCESS_WRITE, true },
		{ v2, "/mnt/my tree/a", ACCESS_WRITE, true },
		{ v2, "/mnt", ACCESS_WRITE, true },
		{ "31 1 0:27 / /sys/fs/cgroup rw - cgroup cgroup rw,cgroup2\n", "/srv", ACCESS_READ, true },
		{ "garbage\n31 1 - cgroup2\n", "/srv", ACCESS_READ, true },
		{ NULL, "/srv", ACCESS_READ, true },
	};
	char file[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct grants grants = { 0 };

		snprintf(file, sizeof file, "%s/%s", top, rows[i].mounts ? "mountinfo" : "missing");
		put("mountinfo", rows[i].mounts ? rows[i].mounts : "");
		assert_int_equal(grants_add_take(&grants, rows[i].path, -1, true, rows[i].access, "test", NULL), 0);
		assert_int_equal(cgroup_is_in_reach(&grants, file), rows[i].reached);
		grants_fini(&grants);
	}
}

static void fault_in(int n)
{
	fault_arm(n);
	inner = sys_seam;
	sys_seam = kernel;
}

static bool fault_out(void)
{
	bool fired = fault_fired();

	inner = NULL;
	sys_seam = kernel;
	return fired;
}

static void every_failure_of_making_one_leaves_nothing(void **state)
{
	const struct cgroup_limits limits = { .memory = 1ULL << 28, .tasks = 7 };
	int home = open_top();
	int before = fault_open_fds();

	(void)state;
	for (int n = 0;; n++) {
		struct plan_cgroup made;

		fault_in(n);
		int rc = cgroup_make(home, &limits, 50, &made);
		bool fired = fault_out();
		cgroup_fini(&made, rc == 0);
		assert_int_equal(entries(), 0);
		assert_int_equal(fault_open_fds(), before);
		if (!fired) {
			assert_int_equal(rc, 0);
			assert_true(n > 8);
			break;
		}
		assert_true(rc < 0);
	}
	close(home);
}

static void every_failure_of_looking_means_none(void **state)
{
	int before = fault_open_fds();

	(void)state;
	group(".", "memory\n", "", true);
	for (int n = 0;; n++) {
		AUTO(str) struct str path = STR(2 * PATH_SIZE);

		put("cgroup.subtree_control", "");
		fault_in(n);
		int dir = cgroup_search(top, "/", CGROUP_MEMORY, true, &path);
		if (!fault_out()) {
			assert_true(dir >= 0 && n > 6);
			close(dir);
			break;
		}
		if (dir >= 0) {         /* the list could not be read, or type not looked at: it was switched on all the same */
			assert_string_equal(got("cgroup.subtree_control"), "+memory");
			close(dir);
		}
		assert_int_equal(fault_open_fds(), before);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(only_limits_that_it_can_hold_want_a_cgroup),
		TEST(the_own_place_is_on_the_unified_line),
		TEST(the_nearest_folder_that_gives_the_controllers_is_home),
		TEST(a_tree_of_another_kind_has_no_home),
		TEST(controllers_are_switched_on_in_the_root_of_the_tree_only),
		TEST(a_cgroup_gets_its_limits_and_is_removed),
		TEST(a_kernel_without_swap_is_good_enough_and_one_without_the_limit_is_not),
		TEST(what_dead_hosts_left_is_swept_and_nothing_else),
		TEST(a_write_grant_that_reaches_a_cgroup_mount_is_seen),
		TEST(every_failure_of_making_one_leaves_nothing),
		TEST(every_failure_of_looking_means_none),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
