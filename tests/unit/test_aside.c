/* Connects to unix listeners: made aside, where a full queue holds nobody, and by a task that is kept where none is full. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_supervisor.h"
#include "fault.h"

#include "base/mem.h"
#include "supervisor/notify.h"
#include "supervisor/onbehalf.h"
#include "supervisor/sockets.h"

static struct supervisor *s;
static struct report report;
static struct progress progress;
static struct call call;

/* The caller is always there. */
static bool answer_validity(long nr, const long *args, long *result)
{
	if (nr != SYS_ioctl || (unsigned long)args[1] != SC_IOCTL_ID_VALID)
		return false;
	*result = 0;
	return true;
}

static int setup(void **state)
{
	(void)state;
	sys_seam = answer_validity;
	return own_supervisor(&s, &report, &call, &progress);
}

static int teardown(void **state)
{
	(void)state;
	sys_seam = NULL;
	own_supervisor_free(s, &report);
	return 0;
}

static void set_timeout(int fd, int ms)
{
	const struct timeval time = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time), 0);
}

static unsigned late;           /* the task was not given a processor in time, as on a busy machine */

static int at_last(int fd, const struct sockaddr_un *at, socklen_t len)
{
	int rc;

	while ((rc = sockets_connect(&call, fd, at, len)) == MUST_WAIT)
		late++;
	return rc;
}

static void a_full_unix_queue_is_waited_for(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t len = sizeof at;
	int fds[3];

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at.sun_family), 0);      /* an abstract name */
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(listen(listener, 0), 0);
	for (size_t i = 0; i < 3; i++)
		fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(at_last(fds[0], &at, len), 0);
	assert_int_equal(sockets_connect(&call, fds[1], &at, len), MUST_WAIT);
	call.may_wait = true;
	set_timeout(fds[1], 50);
	assert_int_equal(sockets_connect(&call, fds[1], &at, len), -EAGAIN);
	close(accept(listener, NULL, NULL));
	progress = (struct progress){ 0 };
	assert_int_equal(sockets_connect(&call, fds[2], &at, len), 0);
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
	close(listener);
}

/* A unix listener with room for one, which is taken. */
static int full_listener(struct sockaddr_un *at, socklen_t *len, int *taker)
{
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	*at = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*len = sizeof *at;
	*taker = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)at, sizeof at->sun_family), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)at, len), 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(connect(*taker, (struct sockaddr *)at, *len), 0);
	return listener;
}

/* Plays another thread of the caller, which is always in time. */
static bool take_the_flag_away(long nr, const long *args, long *result)
{
	if (nr == SYS_connect)
		fcntl((int)args[0], F_SETFL, 0);
	return answer_validity(nr, args, result);
}

static void no_task_is_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WCLONE), -1);
	assert_int_equal(errno, ECHILD);
}

static void a_full_unix_queue_holds_nobody_whatever_is_done_to_the_flag(void **state)
{
	const uint64_t one = 1;
	struct sockaddr_un at;
	socklen_t len;
	int taker;
	int listener = full_listener(&at, &len, &taker);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	sys_seam = take_the_flag_away;
	alarm(30);              /* what waits in the kernel waits for good */
	assert_int_equal(sockets_connect(&call, fd, &at, len), MUST_WAIT);
	no_task_is_left();
	call.may_wait = true;
	assert_int_equal(sys_write(s->wake, &one, sizeof one), sizeof one);
	assert_int_equal(sockets_connect(&call, fd, &at, len), -ESRCH);
	no_task_is_left();
	alarm(0);
	close(fd);
	close(taker);
	close(listener);
}

static void *accept_later(void *arg)
{
	usleep(200000);
	close(accept(*(int *)arg, NULL, NULL));
	return NULL;
}

static void a_unix_connect_is_made_as_soon_as_there_is_room(void **state)
{
	struct sockaddr_un at;
	socklen_t len;
	int taker;
	int listener = full_listener(&at, &len, &taker);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int patient = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int before = fault_open_fds();
	pthread_t thread;

	(void)state;
	call.may_wait = true;
	assert_int_equal(sockets_connect(&call, patient, &at, len), -EAGAIN);
	assert_int_equal(pthread_create(&thread, NULL, accept_later, &listener), 0);
	assert_int_equal(sockets_connect(&call, fd, &at, len), 0);
	pthread_join(thread, NULL);
	no_task_is_left();
	assert_int_equal(fault_open_fds(), before);
	close(patient);
	close(fd);
	close(taker);
	close(listener);
}

/* --- the task that is kept for unix connects of the notify thread --- */

static int try_connect(const struct sockaddr_un *at, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int rc = sockets_connect(&call, fd, at, len);

	close(fd);
	return rc;
}

static int connected(const struct sockaddr_un *at, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int rc = at_last(fd, at, len);

	close(fd);
	return rc;
}

static int roomy_listener(struct sockaddr_un *at, socklen_t *len)
{
	int taker;
	int listener = full_listener(at, len, &taker);

	close(taker);
	assert_int_equal(listen(listener, 100), 0);
	return listener;
}

static void unix_connects_are_made_by_one_task_that_is_kept(void **state)
{
	struct sockaddr_un at;
	socklen_t len;
	int listener = roomy_listener(&at, &len);

	(void)state;
	assert_int_equal(connected(&at, len), 0);
	assert_non_null(s->kept);
	pid_t pid = s->kept->pid;
	int open = fault_open_fds();
	late = 0;
	for (int i = 0; i < 20; i++)
		assert_int_equal(connected(&at, len), 0);
	assert_true(late || s->kept->pid == pid);
	assert_int_equal(fault_open_fds(), open);
	close(listener);
	assert_int_equal(connected(&at, len), -ECONNREFUSED);
	supervisor_stop(s);
	assert_null(s->kept);
	no_task_is_left();
}

static void a_kept_task_that_waits_or_was_killed_gives_way_to_a_new_one(void **state)
{
	struct sockaddr_un at, full;
	socklen_t len, full_len;
	int taker;
	int listener = roomy_listener(&at, &len);
	int busy = full_listener(&full, &full_len, &taker);

	(void)state;
	assert_int_equal(connected(&at, len), 0);
	assert_int_equal(try_connect(&full, full_len), MUST_WAIT);
	assert_null(s->kept);
	no_task_is_left();
	assert_int_equal(connected(&at, len), 0);
	assert_int_equal(kill(s->kept->pid, SIGKILL), 0);
	assert_int_equal(try_connect(&at, len), MUST_WAIT);
	no_task_is_left();
	assert_int_equal(connected(&at, len), 0);
	close(taker);
	close(busy);
	close(listener);
}

static struct sockaddr_un thread_at;
static socklen_t thread_len;

static void *connect_and_end(void *arg)
{
	sys_seam = answer_validity;
	*(int *)arg = connected(&thread_at, thread_len);
	return NULL;
}

static void a_kept_task_ends_with_its_thread(void **state)
{
	int listener = roomy_listener(&thread_at, &thread_len);
	pthread_t thread;
	int rc = -1;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, connect_and_end, &rc), 0);
	pthread_join(thread, NULL);
	assert_int_equal(rc, 0);
	alarm(30);
	assert_int_equal(waitpid(s->kept->pid, NULL, __WCLONE), s->kept->pid);
	alarm(0);
	close(listener);
}

/* A connect that one of its system calls fails for is made another way, or later, or not at all. */
static void a_unix_connect_fails_cleanly_at_every_step(void **state)
{
	struct sockaddr_un at;
	socklen_t len;
	int listener = roomy_listener(&at, &len);
	int before = fault_open_fds();
	int rc;

	(void)state;
	for (int n = 0;; n++) {
		fault_arm(n);
		rc = try_connect(&at, len);
		bool fired = fault_fired();
		sys_seam = answer_validity;
		aside_dismiss(TAKE(s->kept));
		no_task_is_left();
		assert_int_equal(fault_open_fds(), before);
		if (!fired)
			break;
	}
	assert_true(rc == 0 || rc == MUST_WAIT);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_full_unix_queue_is_waited_for),
		TEST(a_full_unix_queue_holds_nobody_whatever_is_done_to_the_flag),
		TEST(a_unix_connect_is_made_as_soon_as_there_is_room),
		TEST(unix_connects_are_made_by_one_task_that_is_kept),
		TEST(a_kept_task_that_waits_or_was_killed_gives_way_to_a_new_one),
		TEST(a_kept_task_ends_with_its_thread),
		TEST(a_unix_connect_fails_cleanly_at_every_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
