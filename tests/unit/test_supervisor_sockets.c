/* The socket operations on real sockets of this process: waiting, timeouts, flags put back, control data. */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_supervisor.h"
#include "fault.h"

#include "base/mem.h"
#include "supervisor/control.h"
#include "supervisor/notify.h"
#include "supervisor/onbehalf.h"
#include "supervisor/sockets.h"

static struct supervisor *s;
static struct report report;
static struct progress progress;
static struct call call;
static bool valid;

/* The notification lives as long as the test says. */
static bool answer_validity(long nr, const long *args, long *result)
{
	if (nr != SYS_ioctl || (unsigned long)args[1] != SC_IOCTL_ID_VALID)
		return false;
	*result = valid ? 0 : -ENOENT;
	return true;
}

static int setup(void **state)
{
	(void)state;
	valid = true;
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

static int bound(int type, struct sockaddr_in *at)
{
	socklen_t len = sizeof *at;
	int fd = socket(AF_INET, type, 0);

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)at, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

/* A port whose queue is full: what is sent to it gets no answer, as in a black hole. */
struct hole {
	int fds[4];
	struct sockaddr_in at;
};

static struct hole dig(void)
{
	struct hole hole;

	hole.fds[0] = bound(SOCK_STREAM, &hole.at);
	assert_int_equal(listen(hole.fds[0], 0), 0);
	for (size_t i = 1; i < ARRAY_SIZE(hole.fds); i++) {
		hole.fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(hole.fds[i], (struct sockaddr *)&hole.at, sizeof hole.at);
	}
	return hole;
}

static void fill(struct hole *hole)
{
	for (size_t i = 0; i < ARRAY_SIZE(hole->fds); i++)
		close(hole->fds[i]);
}

static int do_connect(int fd, const struct sockaddr_in *to)
{
	return sockets_connect(&call, fd, to, sizeof *to);
}

static void set_timeout(int fd, long milliseconds)
{
	const struct timeval time = { .tv_sec = 0, .tv_usec = milliseconds * 1000 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time), 0);
}

static void a_connection_on_this_machine_is_made_at_once_and_leaves_no_flag(void **state)
{
	struct sockaddr_in at;
	int listener = bound(SOCK_STREAM, &at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(do_connect(fd, &at), 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(do_connect(fd, &at), -EISCONN);
	close(fd);
	close(listener);
}

static void a_closed_port_refuses_and_the_socket_can_be_used_again(void **state)
{
	struct sockaddr_in at, good;
	int closed = bound(SOCK_STREAM, &at);
	int listener = bound(SOCK_STREAM, &good);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(do_connect(fd, &at), -ECONNREFUSED);
	progress = (struct progress){ 0 };
	assert_int_equal(do_connect(fd, &good), 0);
	close(fd);
	close(closed);
	close(listener);
}

static void a_non_blocking_socket_is_told_that_the_connection_is_being_made(void **state)
{
	struct hole hole = dig();
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	(void)state;
	assert_int_equal(do_connect(fd, &hole.at), -EINPROGRESS);
	assert_int_equal(do_connect(fd, &hole.at), -EALREADY);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
	fill(&hole);
}

static void a_black_hole_is_waited_for_on_a_worker_only(void **state)
{
	struct hole hole = dig();
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(do_connect(fd, &hole.at), MUST_WAIT);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	call.may_wait = true;
	set_timeout(fd, 60);
	uint64_t start = sys_now();
	assert_int_equal(do_connect(fd, &hole.at), -EINPROGRESS);
	assert_true(sys_now() - start >= 55000000);
	progress = (struct progress){ 0 };
	assert_int_equal(do_connect(fd, &hole.at), -EALREADY);
	close(fd);
	fill(&hole);
}

static void a_caller_that_is_gone_ends_the_wait(void **state)
{
	struct hole hole = dig();
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	valid = false;
	call.may_wait = true;
	assert_int_equal(do_connect(fd, &hole.at), -ESRCH);
	close(fd);
	fill(&hole);
}

static void the_end_of_the_sandbox_ends_the_wait_and_allows_no_other(void **state)
{
	struct hole hole = dig();
	const uint64_t one = 1;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	call.may_wait = true;
	assert_int_equal(sys_write(s->wake, &one, sizeof one), sizeof one);
	assert_int_equal(do_connect(fd, &hole.at), -ESRCH);
	sockets_stop(s);
	progress = (struct progress){ 0 };
	assert_int_equal(do_connect(fd, &hole.at), -ESRCH);
	close(fd);
	fill(&hole);
}

static void a_connection_that_was_shut_down_meanwhile_is_not_begun_again(void **state)
{
	struct hole hole = dig();
	struct sockaddr_in peer;
	socklen_t len = sizeof peer;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(do_connect(fd, &hole.at), MUST_WAIT);
	shutdown(fd, SHUT_RDWR);
	call.may_wait = true;
	assert_int_equal(do_connect(fd, &hole.at), -ECONNRESET);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&peer, &len), -1);
	close(fd);
	fill(&hole);
}

static void a_pending_signal_ends_the_wait(void **state)
{
	struct hole hole = dig();
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	sigset_t usr1, before;

	(void)state;
	/* The caller is a child that has the signal pending and not blocked: it is stopped before it can take it. */
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, &before);
	pid_t child = fork();
	if (child == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		for (;;)
			pause();
	}
	assert_true(child > 0);
	usleep(50000);
	kill(child, SIGSTOP);
	usleep(50000);
	kill(child, SIGUSR1);
	call.tid = child;
	call.may_wait = true;
	assert_int_equal(do_connect(fd, &hole.at), -512);
	set_timeout(fd, 900);
	progress = (struct progress){ 0 };
	assert_int_equal(do_connect(fd, &hole.at), -EINTR);
	kill(child, SIGKILL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(fd);
	fill(&hole);
}

static void datagrams_connect_without_a_switch_of_the_flag(void **state)
{
	struct sockaddr_in at;
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	int peer = bound(SOCK_DGRAM, &at);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	assert_int_equal(do_connect(fd, &at), 0);
	assert_int_equal(sockets_connect(&call, fd, &none, sizeof none), 0);
	assert_int_equal(sockets_connect(&call, fd, &none, 1), -EINVAL);
	close(fd);
	close(peer);
}

/* --- descriptors --- */

static void who_waits_leaves_the_upper_half_of_the_numbers_to_the_host(void **state)
{
	struct hole hole = dig();
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct rlimit before, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	call.may_wait = true;
	low.rlim_cur = 2 * (rlim_t)fd;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(do_connect(fd, &hole.at), MUST_WAIT);
	assert_true(progress.crowded);
	low.rlim_cur = 2 * (rlim_t)fd + 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	set_timeout(fd, 60);
	progress = (struct progress){ 0 };
	assert_int_equal(do_connect(fd, &hole.at), -EALREADY);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(fd);
	fill(&hole);
}

static int most_open;
static int open_at_start;

static bool count_while_waiting(long nr, const long *args, long *result)
{
	if (nr == SYS_ppoll && fault_open_fds() > most_open)
		most_open = fault_open_fds();
	return answer_validity(nr, args, result);
}

static void a_waiting_connect_holds_no_descriptor_but_the_socket(void **state)
{
	struct hole hole = dig();
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	call.may_wait = true;
	set_timeout(fd, 60);
	most_open = 0;
	open_at_start = fault_open_fds();
	sys_seam = count_while_waiting;
	assert_int_equal(do_connect(fd, &hole.at), -EINPROGRESS);
	assert_int_equal(most_open, open_at_start);
	close(fd);
	fill(&hole);
}

/* --- SIGPIPE --- */

static int by_pidfd;
static int by_number;
static bool has_thread_pidfds;

static bool watch_signals(long nr, const long *args, long *result)
{
	if (nr == NR_pidfd_open && !has_thread_pidfds) {
		*result = -EINVAL;
		return true;
	}
	if (nr == NR_pidfd_open)
		assert_int_equal(args[1], O_EXCL);
	by_pidfd += nr == NR_pidfd_send_signal && args[1] == SIGPIPE;
	by_number += nr == SYS_tkill || (nr == SYS_tgkill && args[0] == getpid() && args[1] == call.tid);
	return answer_validity(nr, args, result);
}

static void sigpipe_goes_to_the_task_itself_and_to_a_number_only_on_old_kernels(void **state)
{
	sigset_t pipes, before;
	struct timespec none = { 0 };
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	sigemptyset(&pipes);
	sigaddset(&pipes, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipes, &before);
	sys_seam = watch_signals;
	for (int i = 0; i < 2; i++) {
		by_pidfd = by_number = 0;
		has_thread_pidfds = i == 0;
		sockets_broken_pipe(&call, pair[0], 0);
		assert_int_equal(by_pidfd, i == 0);
		assert_int_equal(by_number, i == 1);
		assert_int_equal(sigtimedwait(&pipes, NULL, &none), SIGPIPE);
		valid = i == 1;
		sockets_broken_pipe(&call, pair[0], valid ? MSG_NOSIGNAL : 0);
		assert_int_equal(sigtimedwait(&pipes, NULL, &none), -1);
		valid = true;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(pair[0]);
	close(pair[1]);
}

/* --- addresses --- */

static void an_address_is_decoded_by_its_length_and_never_beyond_the_kernels(void **state)
{
	static const struct {
		uint64_t len;
		int rc;
		size_t got;
	} cases[] = {
		{ 16, 0, 16 },  { 0, 0, 0 },           { 128, 0, 128 },         { 129, -EINVAL, 0 },
		{ 1, 0, 1 },    { 0x7fffffff, -EINVAL, 0 }, { 0x80000000, -EINVAL, 0 }, { 0xffffffff00000010, 0, 16 },
	};
	static char address[128];
	struct call_box *box = workers_own_box(s);
	struct sc_notif n = { .id = 1, .pid = (uint32_t)syscall(SYS_gettid), .data.nr = SYS_connect };

	(void)state;
	memset(address, 'a', sizeof address);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		n.data.args[1] = (uint64_t)(uintptr_t)address;
		n.data.args[2] = cases[i].len;
		decode_registers(box, &n);
		assert_int_equal(decode_arguments(box), cases[i].rc);
		if (cases[i].rc < 0)
			continue;
		assert_int_equal(box->call.arg[1].bytes.len, cases[i].got);
		assert_memory_equal(box->call.arg[1].bytes.data, address, cases[i].got);
		if (cases[i].got < sizeof address)
			assert_int_equal(((const char *)box->call.arg[1].bytes.data)[cases[i].got], 0);
	}
	n.data.args[1] = 8;
	n.data.args[2] = 16;
	decode_registers(box, &n);
	assert_int_equal(decode_arguments(box), -EFAULT);
	n.data.args[1] = 0;
	decode_registers(box, &n);
	assert_int_equal(decode_arguments(box), 0);
	assert_true(box->call.arg[1].is_null);
	s->box = box;
}

/* --- sends --- */

static ssize_t put(int fd, const char *data, size_t len)
{
	const struct outgoing m = { .data = data, .len = len };

	return sockets_send(&call, fd, &m, 0);
}

static void a_full_stream_says_whether_its_caller_waits(void **state)
{
	static char data[1 << 20];
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	while (put(pair[0], data, sizeof data) > 0)
		;
	assert_int_equal(put(pair[0], data, sizeof data), -EAGAIN);
	assert_int_equal(sockets_wait_to_send(&call, pair[0], MSG_DONTWAIT), -EAGAIN);
	assert_int_equal(sockets_wait_to_send(&call, pair[0], 0), MUST_WAIT);
	call.may_wait = true;
	set_timeout(pair[0], 50);
	assert_int_equal(sockets_wait_to_send(&call, pair[0], 0), -EAGAIN);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	assert_int_equal(sockets_wait_to_send(&call, pair[0], 0), -EAGAIN);
	close(pair[1]);
	assert_int_equal(put(pair[0], data, 1), -EPIPE);        /* and no SIGPIPE for us */
	close(pair[0]);
}

static long slept_ms;

static bool note_sleep(long nr, const long *args, long *result)
{
	if (nr != SYS_ppoll)
		return answer_validity(nr, args, result);
	slept_ms = ((const struct timespec *)args[2])->tv_nsec / 1000000;
	*result = 0;
	return true;
}

static void what_cannot_be_polled_for_is_tried_less_and_less_often(void **state)
{
	static const long pauses[] = { 4, 8, 16, 32, 64, 64 };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)state;
	call.may_wait = true;
	progress.waits = 1;             /* it was woken for nothing */
	progress.turn = sys_now();
	sys_seam = note_sleep;
	for (size_t i = 0; i < ARRAY_SIZE(pauses); i++) {
		assert_int_equal(sockets_wait_to_send(&call, fd, 0), 0);
		assert_int_equal(slept_ms, pauses[i]);
	}
	close(fd);
}

/* --- control data --- */

static union {
	struct cmsghdr align;
	char buf[CONTROL_MAX + 8];
} control;

static size_t one_message(int level, int type, const void *data, size_t len)
{
	struct cmsghdr *head = &control.align;

	memset(&control, 0, sizeof control);
	head->cmsg_level = level;
	head->cmsg_type = type;
	head->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(head), data, len);
	return CMSG_SPACE(len);
}

static int translate(size_t len, bool is_unix, struct control *out)
{
	return control_translate(&call, control.buf, len, is_unix, out);
}

static void descriptors_are_fetched_from_the_caller(void **state)
{
	int ends[2];
	struct control out;
	int before = fault_open_fds();

	(void)state;
	assert_int_equal(pipe(ends), 0);
	size_t len = one_message(SOL_SOCKET, SCM_RIGHTS, ends, sizeof ends);
	assert_int_equal(translate(len, true, &out), 0);
	assert_int_equal(out.fd_count, 2);
	assert_int_not_equal(out.fds[0], ends[0]);
	assert_memory_equal(out.data + sizeof(struct cmsghdr), out.fds, sizeof ends);
	assert_int_equal(write(out.fds[1], "x", 1), 1);
	control_fini(&out);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(fault_open_fds(), before);
}

static void a_descriptor_that_the_caller_lacks_fails_the_message(void **state)
{
	const int fds[2] = { 0, 100000 };
	struct control out;
	int before = fault_open_fds();

	(void)state;
	assert_int_equal(translate(one_message(SOL_SOCKET, SCM_RIGHTS, fds, sizeof fds), true, &out), -EBADF);
	control_fini(&out);
	assert_int_equal(fault_open_fds(), before);
}

static void malformed_control_data_is_einval(void **state)
{
	struct control out;
	const size_t bad_lens[] = { 0, 15, 25, SIZE_MAX, SIZE_MAX - 7 };
	int fd = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_lens); i++) {
		size_t len = one_message(SOL_SOCKET, SCM_RIGHTS, &fd, sizeof fd);

		control.align.cmsg_len = bad_lens[i];
		assert_int_equal(translate(len, true, &out), -EINVAL);
		control_fini(&out);
		assert_int_equal(translate(len, false, &out), -EINVAL);
		control_fini(&out);
	}
	assert_int_equal(translate(15, true, &out), 0);         /* no room for a header: nothing, as the kernel sees it */
	control_fini(&out);
	assert_int_equal(translate(CONTROL_MAX + 1, true, &out), -ENOBUFS);
	control_fini(&out);
}

static void source_routes_are_refused_and_other_options_pass(void **state)
{
	static const int refused[][2] = { { IPPROTO_IP, 7 }, { IPPROTO_IPV6, 57 }, { IPPROTO_IPV6, 5 } };
	struct in_pktinfo info = { 0 };
	struct control out;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		assert_int_equal(translate(one_message(refused[i][0], refused[i][1], "12345678", 8), false, &out), -EPERM);
		control_fini(&out);
	}
	size_t len = one_message(IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
	assert_int_equal(translate(len, false, &out), 0);
	assert_memory_equal(out.data, control.buf, len);
	control_fini(&out);
}

static void own_ids_become_the_senders_and_others_do_not(void **state)
{
	struct ucred ids = { getpid(), getuid(), getgid() };
	struct control out;

	(void)state;
	assert_int_equal(translate(one_message(SOL_SOCKET, SCM_CREDENTIALS, &ids, sizeof ids), true, &out), 0);
	assert_true(control_own_ids(&call, &out));
	control_fini(&out);
	ids.pid = 1;
	assert_int_equal(translate(one_message(SOL_SOCKET, SCM_CREDENTIALS, &ids, sizeof ids), true, &out), 0);
	assert_false(control_own_ids(&call, &out));
	control_fini(&out);
}

static void translating_fails_cleanly_at_every_step(void **state)
{
	int ends[2];
	struct control out;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	size_t len = one_message(SOL_SOCKET, SCM_RIGHTS, ends, sizeof ends);
	int before = fault_open_fds();
	sys_seam = NULL;        /* the walk has its own; the id is then as invalid as it gets */
	for (int n = 0;; n++) {
		fault_arm(n);
		int rc = translate(len, true, &out);
		bool fired = fault_fired();
		control_fini(&out);
		assert_int_equal(fault_open_fds(), before);
		assert_true(rc < 0);
		if (!fired)
			break;
	}
	close(ends[0]);
	close(ends[1]);
}

/* The queue of the socket is longer than what its peer takes, so pages wait in it while their owner goes on. */
static void what_the_kernel_sends_later_is_what_was_given_to_it(void **state)
{
	static char data[4096], got[65536];
	const struct outgoing message = { .data = data, .len = sizeof data };
	const int on = 1, small = 4096, large = 1 << 20;
	struct sockaddr_in at;
	int listener = bound(SOCK_STREAM, &at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ssize_t sent = 0, n;

	(void)state;
	assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof large), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on), 0);
	assert_int_equal(do_connect(fd, &at), 0);
	int peer = accept(listener, NULL, NULL);
	do {
		memset(data, 'A', sizeof data);
		n = sockets_send(&call, fd, &message, MSG_ZEROCOPY);
		memset(data, 'B', sizeof data);
		sent += n > 0 ? n : 0;
	} while (n > 0 && sent < 200000);
	assert_true(sent > 65536);
	shutdown(fd, SHUT_WR);
	while ((n = read(peer, got, sizeof got)) > 0)
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(got[i], 'A');
	close(peer);
	close(fd);
	close(listener);
}

static unsigned connects, alone;

static bool count_connects_alone(long nr, const long *args, long *result)
{
	if (nr == SYS_connect) {
		bool held = pthread_mutex_trylock(&s->switch_lock) != 0;

		connects++;
		alone += held;
		if (!held)
			pthread_mutex_unlock(&s->switch_lock);
	}
	return answer_validity(nr, args, result);
}

/* The end of the sandbox can only call off the connect that it knows of. */
static void one_connect_is_made_at_a_time(void **state)
{
	struct sockaddr_in at;
	int listener = bound(SOCK_STREAM, &at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(listen(listener, 1), 0);
	connects = alone = 0;
	sys_seam = count_connects_alone;
	progress.first = -EINPROGRESS;          /* one that was begun, and is none any more */
	assert_int_equal(do_connect(fd, &at), -ECONNABORTED);
	progress = (struct progress){ 0 };
	assert_int_equal(do_connect(fd, &at), 0);
	assert_true(connects >= 2);
	assert_int_equal(alone, connects);
	close(fd);
	close(listener);
}

static unsigned polls;

static bool count_polls(long nr, const long *args, long *result)
{
	polls += nr == SYS_ppoll;
	return answer_validity(nr, args, result);
}

/* What lies in an error queue makes a socket ready for good, also while its connection is being made. */
static void a_full_error_queue_does_not_keep_a_processor_busy(void **state)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	const int on = 1;
	struct hole hole = dig();
	struct sockaddr_in at;
	int listener = bound(SOCK_STREAM, &at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(send(fd, "x", 1, MSG_ZEROCOPY), 1);
	struct pollfd told = { .fd = fd };
	assert_int_equal(poll(&told, 1, 5000), 1);
	assert_int_equal(connect(fd, &none, sizeof none), 0);
	set_timeout(fd, 100);
	call.may_wait = true;
	polls = 0;
	sys_seam = count_polls;
	assert_int_equal(do_connect(fd, &hole.at), -EINPROGRESS);
	assert_in_range(polls, 2, 100);
	close(fd);
	close(listener);
	fill(&hole);
}

/* --- whose an abstract name is --- */

struct dumped {
	struct nlmsghdr head;
	struct unix_diag_msg body;
	struct nlattr name_head;
	char name[8];
};

static struct dumped dump[3];

static struct dumped named_x(uint8_t state, ino_t inode)
{
	return (struct dumped){
		.head = { .nlmsg_len = sizeof(struct dumped), .nlmsg_type = SOCK_DIAG_BY_FAMILY },
		.body = { .udiag_family = AF_UNIX, .udiag_type = SOCK_STREAM, .udiag_state = state,
			  .udiag_ino = (uint32_t)inode },
		.name_head = { .nla_len = 4 + 2, .nla_type = UNIX_DIAG_NAME },
		.name = { '\0', 'x' },
	};
}

static bool answer_dump(long nr, const long *args, long *result)
{
	if (nr != SYS_recvfrom)
		return answer_validity(nr, args, result);
	memcpy((void *)args[1], dump, sizeof dump);
	*result = sizeof dump;
	return true;
}

/* Before 5.18 the kernel lists what was accepted after who listens. */
static void what_was_accepted_under_a_name_does_not_own_it(void **state)
{
	enum { ESTABLISHED = 1, LISTENS = 10 };
	int mine = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat st;

	(void)state;
	assert_int_equal(fstat(mine, &st), 0);
	s->root = getppid();            /* this process is the sandbox */
	dump[2].head = (struct nlmsghdr){ .nlmsg_len = sizeof(struct nlmsghdr), .nlmsg_type = NLMSG_DONE };
	sys_seam = answer_dump;
	dump[0] = named_x(LISTENS, 1);
	dump[1] = named_x(ESTABLISHED, st.st_ino);
	assert_int_equal(sockets_owns_abstract(&call, "x", 1, SOCK_STREAM), 0);
	dump[0] = named_x(LISTENS, st.st_ino);
	dump[1] = named_x(ESTABLISHED, 1);
	assert_int_equal(sockets_owns_abstract(&call, "x", 1, SOCK_STREAM), 1);
	dump[0] = named_x(ESTABLISHED, 1);
	assert_int_equal(sockets_owns_abstract(&call, "x", 1, SOCK_STREAM), -ECONNREFUSED);
	close(mine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_connection_on_this_machine_is_made_at_once_and_leaves_no_flag),
		TEST(a_closed_port_refuses_and_the_socket_can_be_used_again),
		TEST(a_non_blocking_socket_is_told_that_the_connection_is_being_made),
		TEST(a_black_hole_is_waited_for_on_a_worker_only),
		TEST(a_caller_that_is_gone_ends_the_wait),
		TEST(the_end_of_the_sandbox_ends_the_wait_and_allows_no_other),
		TEST(a_connection_that_was_shut_down_meanwhile_is_not_begun_again),
		TEST(a_pending_signal_ends_the_wait),
		TEST(datagrams_connect_without_a_switch_of_the_flag),
		TEST(who_waits_leaves_the_upper_half_of_the_numbers_to_the_host),
		TEST(a_waiting_connect_holds_no_descriptor_but_the_socket),
		TEST(sigpipe_goes_to_the_task_itself_and_to_a_number_only_on_old_kernels),
		TEST(an_address_is_decoded_by_its_length_and_never_beyond_the_kernels),
		TEST(a_full_stream_says_whether_its_caller_waits),
		TEST(what_cannot_be_polled_for_is_tried_less_and_less_often),
		TEST(what_the_kernel_sends_later_is_what_was_given_to_it),
		TEST(descriptors_are_fetched_from_the_caller),
		TEST(a_descriptor_that_the_caller_lacks_fails_the_message),
		TEST(malformed_control_data_is_einval),
		TEST(source_routes_are_refused_and_other_options_pass),
		TEST(own_ids_become_the_senders_and_others_do_not),
		TEST(one_connect_is_made_at_a_time),
		TEST(a_full_error_queue_does_not_keep_a_processor_busy),
		TEST(what_was_accepted_under_a_name_does_not_own_it),
		TEST(translating_fails_cleanly_at_every_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
