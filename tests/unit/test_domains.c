/* Landlock domains of processes of the sandbox: entered with them, told apart by the mark, ended when nobody is in them. */
#include <errno.h>
#include <linux/landlock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "fake_kernel.h"
#include "fault.h"
#include "features/registry.h"
#include "supervisor/domains.h"
#include "supervisor/notify.h"

/*
 * Processes are numbers here: their limits are kept by the test, as the kernel keeps them, and their tree is the one
 * process that the test itself is. What the threads of the domains may do is the kernel's to say.
 */
#define UNMARKED 0xfffffffffffff000U
#define PEOPLE 200

static struct {
	pid_t pid;
	uint64_t limit;
} people[PEOPLE];

static struct supervisor *s;
static struct call call;
static bool valid;
static int mark_rc;
static pthread_mutex_t people_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t *limit_of(pid_t pid)
{
	for (size_t i = 0; i < PEOPLE; i++) {
		if (people[i].pid == pid)
			return &people[i].limit;
		if (people[i].pid == 0) {
			people[i].pid = pid;
			people[i].limit = UNMARKED;
			return &people[i].limit;
		}
	}
	return NULL;
}

static bool answer(long nr, const long *args, long *result)
{
	if (nr == SYS_ioctl && (unsigned long)args[1] == SC_IOCTL_ID_VALID) {
		*result = valid ? 0 : -ENOENT;
		return true;
	}
	if (nr != SYS_prlimit64 || args[1] != 10)
		return false;
	*result = 0;
	pthread_mutex_lock(&people_lock);
	uint64_t *limit = limit_of((pid_t)args[0]);
	if (args[2] && mark_rc)
		*result = mark_rc;
	else if (args[2])
		*limit = ((const uint64_t *)args[2])[1];
	if (args[3])
		((uint64_t *)args[3])[0] = ((uint64_t *)args[3])[1] = *limit;
	pthread_mutex_unlock(&people_lock);
	return true;
}

static int setup(void **state)
{
	(void)state;
	memset(people, 0, sizeof people);
	s = calloc(1, sizeof *s);
	if (!s)
		return -1;
	domains_init(&s->domains);
	s->root = getpid();
	call = (struct call){ .tid = 1001, .supervisor = s };
	valid = true;
	mark_rc = 0;
	sys_seam = answer;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sys_seam = NULL;
	domains_fini(&s->domains);
	free(s);
	return 0;
}

/* Reading what is not granted, and nothing is. */
static int ruleset(void)
{
	const struct landlock_ruleset_attr attr = { .handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE };
	const int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);

	assert_true(fd >= 0);
	return fd;
}

static long open_hosts(void *arg)
{
	int fd = open(arg, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static long reads(pid_t tid)
{
	call.tid = tid;
	return domains_act(&call, open_hosts, (char[]){ "/etc/passwd" });
}

static int enter_as(pid_t tid)
{
	AUTO(fd) int fd = ruleset();

	call.tid = tid;
	return domains_enter(&call, fd, 0);
}

static void who_has_entered_a_domain_is_acted_for_in_it_and_others_are_not(void **state)
{
	(void)state;
	assert_false(domains_has(&call));
	assert_int_equal(reads(1001), 0);
	assert_int_equal(enter_as(1001), 0);
	assert_int_equal(reads(1001), -EACCES);
	assert_true(domains_has(&call));
	assert_int_equal(reads(1002), 0);
	assert_false(domains_has(&call));
	assert_int_equal(open_hosts((char[]){ "/etc/passwd" }), 0);     /* the thread that asked is in none */
}

static void the_mark_says_it_and_an_unknown_one_is_refused_everything(void **state)
{
	(void)state;
	assert_int_equal(enter_as(1001), 0);
	*limit_of(1003) = *limit_of(1001);      /* a child */
	assert_int_equal(reads(1003), -EACCES);
	*limit_of(1004) = UNMARKED - 77;
	assert_int_equal(reads(1004), -EACCES);
	assert_true(domains_has(&call));
	assert_int_equal(enter_as(1004), -EACCES);
	assert_int_equal(IN_DOMAIN(&call, SYS_getpid, 0), -EACCES);
}

static void domains_in_domains_are_no_deeper_than_landlocks(void **state)
{
	int depth = 0;

	(void)state;
	while (depth < 20 && enter_as(1001) == 0)
		depth++;
	assert_int_equal(depth, 16);
	assert_int_equal(enter_as(1001), -E2BIG);
	assert_int_equal(reads(1001), -EACCES);
}

static void what_is_no_ruleset_is_entered_by_nobody(void **state)
{
	AUTO(fd) int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	AUTO(fd) int fd = ruleset();

	(void)state;
	assert_true(domains_enter(&call, other, 0) < 0);
	assert_int_equal(domains_enter(&call, fd, 0x40000000), -EINVAL);
	assert_int_equal(reads(1001), 0);
	assert_int_equal(*limit_of(1001), UNMARKED);
}

static void who_cannot_be_marked_or_is_gone_has_entered_nothing(void **state)
{
	(void)state;
	mark_rc = -EPERM;
	assert_int_equal(enter_as(1001), -EPERM);
	mark_rc = 0;
	valid = false;
	assert_int_equal(enter_as(1001), -ESRCH);
	assert_int_equal(reads(1001), 0);
	for (size_t i = 0; i < DOMAINS_MAX; i++)
		assert_null(s->domains.slot[i]);
}

static void domains_that_nobody_is_in_make_room(void **state)
{
	(void)state;
	for (pid_t i = 0; i < DOMAINS_MAX + 10; i++)
		assert_int_equal(enter_as(2000 + i), 0);        /* none of them is in the tree */
	assert_int_equal(reads(2000 + DOMAINS_MAX + 9), -EACCES);
	assert_int_equal(enter_as(s->root), 0);
	for (pid_t i = 0; i < DOMAINS_MAX; i++)
		assert_int_equal(enter_as(3000 + i), 0);
	assert_int_equal(reads(s->root), -EACCES);              /* it is, so its domain is there as before */
	assert_non_null(s->domains.slot[0]);
}

struct entrant {
	pthread_t thread;
	pid_t tid;
	long before, after;
};

static void *enter_and_read(void *arg)
{
	struct entrant *e = arg;
	struct call own = { .tid = e->tid, .supervisor = s };
	AUTO(fd) int fd = ruleset();

	sys_seam = answer;
	e->before = domains_act(&own, open_hosts, (char[]){ "/etc/passwd" });
	if (domains_enter(&own, fd, 0) == 0)
		for (int i = 0; i < 50; i++)
			e->after = domains_act(&own, open_hosts, (char[]){ "/etc/passwd" });
	return NULL;
}

static void many_may_enter_and_act_at_once(void **state)
{
	struct entrant entrants[8] = { { .tid = 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(entrants); i++) {
		entrants[i].tid = 4000 + (pid_t)i;
		assert_int_equal(pthread_create(&entrants[i].thread, NULL, enter_and_read, &entrants[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(entrants); i++) {
		pthread_join(entrants[i].thread, NULL);
		assert_int_equal(entrants[i].before, 0);
		assert_int_equal(entrants[i].after, -EACCES);
	}
}

static int gate[2];

static long wait_at_gate(void *arg)
{
	(void)arg;
	write(gate[1], "x", 1);
	return read(gate[1], (char[1]){ 0 }, 1);
}

static void *act_slowly(void *arg)
{
	struct call own = { .tid = 1001, .supervisor = s };

	(void)arg;
	sys_seam = answer;
	assert_int_equal(domains_act(&own, wait_at_gate, NULL), 1);
	return NULL;
}

static void nobody_waits_long_for_a_job_of_somebody_else(void **state)
{
	pthread_t slow;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, gate), 0);
	assert_int_equal(enter_as(1001), 0);
	assert_int_equal(pthread_create(&slow, NULL, act_slowly, NULL), 0);
	assert_int_equal(read(gate[0], (char[1]){ 0 }, 1), 1);
	assert_int_equal(reads(1001), -EIO);
	assert_int_equal(write(gate[0], "x", 1), 1);
	pthread_join(slow, NULL);
	assert_int_equal(reads(1001), -EACCES);
	close(gate[0]);
	close(gate[1]);
}

static void a_socket_that_nobody_within_has_is_not_shared(void **state)
{
	const uint64_t attr[] = { 0, 0, 1 };    /* abstract sockets are kept apart; headers may not know of it */

	(void)state;
	assert_true(domains_share_socket(&call, 1));            /* no domain, no scope */
	assert_int_equal(enter_as(1001), 0);
	assert_true(domains_share_socket(&call, 1));            /* one that keeps no sockets apart */
	AUTO(fd) int fd = (int)syscall(SYS_landlock_create_ruleset, attr, sizeof attr, 0);
	if (fd < 0)
		return;                 /* a kernel before 6.12 */
	assert_int_equal(domains_enter(&call, fd, 0), 0);
	assert_false(domains_share_socket(&call, 1));
}

static void every_failure_leaves_nothing_behind(void **state)
{
	const int before = fault_open_fds();
	AUTO(fd) int fd = ruleset();

	(void)state;
	for (int n = 0;; n++) {
		sys_seam = NULL;
		fault_arm(n);
		struct call own = { .tid = getpid(), .supervisor = s };
		int rc = domains_enter(&own, fd, 0);
		bool fired = fault_fired();

		sys_seam = answer;
		assert_int_equal(fault_open_fds(), before + 1);
		if (!fired || rc == 0)
			break;          /* a mark of the test's own process: never twice */
		for (size_t i = 0; i < DOMAINS_MAX; i++)
			assert_null(s->domains.slot[i]);
	}
}

/* --- the call itself: features/nested.c --- */

static const struct fake_object objects[] = { { .name = "fd 7" } };
static struct fake fake;
static int enter_rc;
static unsigned entered;

static int enter_domain(const struct call *from, int fd, unsigned flags)
{
	(void)from;
	assert_true(fd >= 0);
	entered = flags + 1;
	return enter_rc;
}

static struct verdict restrict_self(int number, unsigned flags, int rc)
{
	static struct kernel_ops ops;

	fake = (struct fake){ .objects = objects, .object_count = 1 };
	ops = fake_ops;
	ops.enter_domain = enter_domain;
	enter_rc = rc;
	entered = 0;
	struct call ask = FAKE_CALL(&fake, "landlock_restrict_self", (uint64_t)number, flags);
	ask.kernel = &ops;
	return fake_ask(&feature_nested, NULL, &ask);
}

static void the_call_continues_when_we_have_entered(void **state)
{
	(void)state;
	assert_int_equal(restrict_self(7, 2, 0).kind, V_CONTINUE);
	assert_int_equal(entered, 3);
	assert_int_equal(restrict_self(-1, 2, 0).kind, V_CONTINUE);
	assert_int_equal(entered, 0);
	check_errno(restrict_self(8, 0, 0), EBADF);
	assert_int_equal(entered, 0);
	check_errno(restrict_self(7, 0, -EBADFD), EBADFD);
	assert_int_equal(fake.refusals, 0);
	check_errno(restrict_self(7, 0, -EBADF), EPERM);
	assert_int_equal(fake.refusals, 1);
	check_errno(restrict_self(7, 0, -E2BIG), E2BIG);
	assert_int_equal(fake.refusals, 1);
	assert_string_equal(fake.target, "landlock_restrict_self");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(who_has_entered_a_domain_is_acted_for_in_it_and_others_are_not),
		TEST(the_mark_says_it_and_an_unknown_one_is_refused_everything),
		TEST(domains_in_domains_are_no_deeper_than_landlocks),
		TEST(what_is_no_ruleset_is_entered_by_nobody),
		TEST(who_cannot_be_marked_or_is_gone_has_entered_nothing),
		TEST(domains_that_nobody_is_in_make_room),
		TEST(many_may_enter_and_act_at_once),
		TEST(nobody_waits_long_for_a_job_of_somebody_else),
		TEST(a_socket_that_nobody_within_has_is_not_shared),
		TEST(every_failure_leaves_nothing_behind),
		cmocka_unit_test(the_call_continues_when_we_have_entered),
	};

	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1)
		return 77;              /* as meson takes a skip; sandlock runs nowhere without Landlock */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
