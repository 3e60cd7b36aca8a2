/* Messages: what is read of a msghdr and how often, and how what was sent is counted. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cmocka.h>

#include "fake_kernel.h"
#include "fault.h"

#include "base/mem.h"
#include "features/netmsg.h"

static struct fake fake;
static struct {
	ssize_t answers[64];            /* what send says, one after the other; 0 ends: all of it */
	size_t asked;
	size_t lens[64];                /* how much it was given */
	size_t control_lens[64];
	int flags[64];
	int wait_answers[64];
	size_t waits;
	size_t pipes;
	char sent[64];
} world;

static ssize_t send_it(const struct call *call, int sock, const struct outgoing *m, int flags)
{
	size_t i = world.asked++;

	(void)call;
	(void)sock;
	assert_true(i < 64);
	world.lens[i] = m->len;
	world.control_lens[i] = m->control_len;
	world.flags[i] = flags;
	if (m->len && m->len < sizeof world.sent)
		memcpy(world.sent, m->data, m->len);
	return world.answers[i] ? world.answers[i] : (ssize_t)m->len;
}

static int wait_to_send(const struct call *call, int sock, int flags)
{
	(void)call;
	(void)sock;
	(void)flags;
	assert_true(world.waits < 64);
	return world.wait_answers[world.waits++];
}

static void broken_pipe(const struct call *call, int sock, int flags)
{
	(void)call;
	(void)sock;
	(void)flags;
	world.pipes++;
}

static struct kernel_ops ops;
static struct progress progress;
static struct call call;

static int setup(void **state)
{
	(void)state;
	memset(&world, 0, sizeof world);
	progress = (struct progress){ 0 };
	fake = (struct fake){ .own_memory = true };
	ops = fake_ops;
	ops.send = send_it;
	ops.wait_to_send = wait_to_send;
	ops.broken_pipe = broken_pipe;
	call = (struct call){ .kernel = &ops, .supervisor = &fake, .progress = &progress };
	return 0;
}

static int read_header(const struct msghdr *header, struct message *m)
{
	return message_read(&call, (uint64_t)(uintptr_t)header, m);
}

static void a_message_is_read_whole_and_each_part_once(void **state)
{
	struct iovec parts[2] = { { (char *)"hello ", 6 }, { (char *)"world", 5 } };
	char control[32] = "c";
	struct msghdr header = {
		.msg_name = (char *)"0123456789abcdef", .msg_namelen = 16, .msg_iov = parts, .msg_iovlen = 2,
		.msg_control = control, .msg_controllen = sizeof control,
	};
	struct message m;

	(void)state;
	assert_int_equal(read_header(&header, &m), 0);
	assert_int_equal(fake.reads, 4);
	assert_int_equal(m.name_len, 16);
	assert_memory_equal(m.name, "0123456789abcdef", 16);
	assert_int_equal(m.total, 11);
	assert_int_equal(m.control_len, 32);
	assert_int_equal(message_send(&call, 0, &m, 0, false), 11);
	assert_memory_equal(world.sent, "hello world", 11);
	message_fini(&m);
}

static void bad_headers_get_the_errno_of_the_kernel(void **state)
{
	static char room[40000];
	struct iovec part = { room, 1 };
	struct iovec negative = { room, (size_t)INT64_MAX + 1 };
	const struct msghdr good = { .msg_iov = &part, .msg_iovlen = 1 };
	struct msghdr bad[7];
	const int errnos[7] = { EMSGSIZE, EFAULT, EINVAL, ENOBUFS, EFAULT, EFAULT, EINVAL };
	struct message m;

	(void)state;
	for (size_t i = 0; i < 7; i++)
		bad[i] = good;
	bad[0].msg_iovlen = 1025;
	bad[1].msg_iov = NULL;
	bad[2].msg_iov = &negative;
	bad[3].msg_control = room;
	bad[3].msg_controllen = 16385;
	bad[4].msg_control = (void *)8;
	bad[4].msg_controllen = 16;
	bad[5].msg_name = (void *)8;
	bad[5].msg_namelen = 16;
	bad[6].msg_name = room;
	bad[6].msg_namelen = (socklen_t)-1;
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(read_header(&bad[i], &m), -errnos[i]);
		message_fini(&m);
	}
	assert_int_equal(message_read(&call, 8, &m), -EFAULT);
	message_fini(&m);
}

static void a_name_longer_than_the_kernels_room_is_cut_and_one_without_pointer_is_none(void **state)
{
	static char room[300] = "x";
	struct msghdr header = { .msg_name = room, .msg_namelen = 300 };
	struct message m;

	(void)state;
	assert_int_equal(read_header(&header, &m), 0);
	assert_int_equal(m.name_len, 128);
	header.msg_name = NULL;
	assert_int_equal(read_header(&header, &m), 0);
	assert_int_equal(m.name_len, 0);
}

static void lengths_add_up_to_what_one_call_may_transfer(void **state)
{
	struct iovec parts[20];
	struct msghdr header = { .msg_iov = parts, .msg_iovlen = 20 };
	struct message m;

	(void)state;
	for (size_t i = 0; i < 20; i++)
		parts[i] = (struct iovec){ parts, 0x70000000 };
	assert_int_equal(read_header(&header, &m), 0);
	assert_int_equal(m.total, 0x7ffff000);
	message_fini(&m);
}

static struct message of(struct piece *pieces, size_t count)
{
	struct message m = { .pieces = pieces, .count = count };

	for (size_t i = 0; i < count; i++)
		m.total += pieces[i].len;
	return m;
}

static void a_large_message_leaves_the_notify_thread_before_anything_is_sent(void **state)
{
	static char data[600000];
	struct piece piece = { (uint64_t)(uintptr_t)data, sizeof data };
	struct message m = of(&piece, 1);

	(void)state;
	assert_int_equal(message_send(&call, 0, &m, 0, true), MUST_WAIT);
	assert_int_equal(world.asked, 0);
	call.may_wait = true;
	m.control = data;
	m.control_len = 16;
	assert_int_equal(message_send(&call, 0, &m, MSG_OOB, true), 600000);
	assert_int_equal(world.asked, 3);
	assert_int_equal(world.lens[0], MESSAGE_CHUNK);
	assert_int_equal(world.control_lens[0], 16);
	assert_int_equal(world.control_lens[1], 0);
	assert_int_equal(world.flags[0] & MSG_OOB, 0);
	assert_int_equal(world.flags[2] & MSG_OOB, MSG_OOB);
}

static void a_partial_send_goes_on_where_it_stopped_and_never_twice(void **state)
{
	struct piece piece = { (uint64_t)(uintptr_t) "abcdefghij", 10 };
	struct message m = of(&piece, 1);

	(void)state;
	world.answers[0] = 4;
	world.answers[1] = -EAGAIN;
	world.wait_answers[0] = MUST_WAIT;
	assert_int_equal(message_send(&call, 0, &m, 0, true), MUST_WAIT);
	assert_int_equal(progress.sent, 4);
	call.may_wait = true;
	assert_int_equal(message_send(&call, 0, &m, 0, true), 10);
	assert_int_equal(world.lens[2], 6);
	assert_memory_equal(world.sent, "efghij", 6);
}

static void what_went_out_is_told_rather_than_the_error_after_it(void **state)
{
	struct piece piece = { (uint64_t)(uintptr_t) "abcdefghij", 10 };
	struct message m = of(&piece, 1);

	(void)state;
	world.answers[0] = 4;
	world.answers[1] = -EPIPE;
	assert_int_equal(message_send(&call, 0, &m, 0, true), 4);
	assert_int_equal(world.pipes, 0);
	setup(NULL);
	world.answers[0] = 4;
	world.answers[1] = -EAGAIN;
	world.wait_answers[0] = -EAGAIN;
	assert_int_equal(message_send(&call, 0, &m, 0, true), 4);
}

static void a_broken_pipe_signals_when_nothing_was_sent(void **state)
{
	struct piece piece = { (uint64_t)(uintptr_t) "abc", 3 };
	struct message m = of(&piece, 1);

	(void)state;
	world.answers[0] = -EPIPE;
	assert_int_equal(message_send(&call, 0, &m, 0, true), -EPIPE);
	assert_int_equal(world.pipes, 1);
}

static void the_errors_of_waiting_are_those_of_the_call(void **state)
{
	struct piece piece = { (uint64_t)(uintptr_t) "abc", 3 };
	struct message m = of(&piece, 1);
	const int errors[] = { -EAGAIN, -EINTR, -512, -ESRCH };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		setup(NULL);
		world.answers[0] = -EAGAIN;
		world.wait_answers[0] = errors[i];
		assert_int_equal(message_send(&call, 0, &m, 0, false), errors[i]);
	}
}

static void memory_that_cannot_be_read_stops_a_datagram_and_cuts_a_stream(void **state)
{
	struct piece pieces[2] = { { (uint64_t)(uintptr_t) "abc", 3 }, { 8, 5 } };
	struct message m = of(pieces, 2);

	(void)state;
	assert_int_equal(message_send(&call, 0, &m, 0, false), -EFAULT);
	assert_int_equal(world.asked, 0);
	assert_int_equal(message_send(&call, 0, &m, 0, true), 3);
	setup(NULL);
	m.total = MESSAGE_DATAGRAM_MAX + 1;
	assert_int_equal(message_send(&call, 0, &m, 0, false), -EMSGSIZE);
}

/* --- sendmmsg --- */

static int64_t act(const struct call *c, int sock, struct message *m, int flags, void *arg)
{
	(void)arg;
	return message_send(c, sock, m, flags, false);
}

static struct mmsghdr *batch(size_t count)
{
	static struct iovec part = { (char *)"abc", 3 };
	struct mmsghdr *all = test_calloc(count, sizeof *all);

	for (size_t i = 0; i < count; i++)
		all[i].msg_hdr = (struct msghdr){ .msg_iov = &part, .msg_iovlen = 1 };
	call.raw[1] = (uint64_t)(uintptr_t)all;
	call.raw[2] = count;
	return all;
}

static void a_batch_counts_the_messages_and_writes_their_lengths(void **state)
{
	struct mmsghdr *all = batch(5);

	(void)state;
	assert_int_equal(message_send_batch(&call, 0, act, NULL), 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(all[i].msg_len, 3);
	test_free(all);
}

static void a_batch_that_fails_half_way_counts_what_went_out(void **state)
{
	struct mmsghdr *all = batch(5);

	(void)state;
	world.answers[2] = -ECONNREFUSED;
	assert_int_equal(message_send_batch(&call, 0, act, NULL), 2);
	assert_int_equal(all[1].msg_len, 3);
	assert_int_equal(all[2].msg_len, 0);
	setup(NULL);
	call.raw[1] = (uint64_t)(uintptr_t)all;
	call.raw[2] = 5;
	world.answers[0] = -ECONNREFUSED;
	assert_int_equal(message_send_batch(&call, 0, act, NULL), -ECONNREFUSED);
	call.raw[2] = 0;
	assert_int_equal(message_send_batch(&call, 0, act, NULL), 0);
	test_free(all);
}

static void a_long_batch_goes_on_on_a_worker_where_it_stopped(void **state)
{
	struct mmsghdr *all = batch(MESSAGE_BATCH_HERE + 10);

	(void)state;
	assert_int_equal(message_send_batch(&call, 0, act, NULL), MUST_WAIT);
	assert_int_equal(world.asked, MESSAGE_BATCH_HERE);
	call.may_wait = true;
	assert_int_equal(message_send_batch(&call, 0, act, NULL), MESSAGE_BATCH_HERE + 10);
	assert_int_equal(world.asked, MESSAGE_BATCH_HERE + 10);
	test_free(all);
}

static void a_header_that_cannot_be_read_ends_the_batch(void **state)
{
	(void)state;
	call.raw[1] = 8;
	call.raw[2] = 0xffffffff;
	assert_int_equal(message_send_batch(&call, 0, act, NULL), -EFAULT);
}

static void reading_fails_cleanly_when_memory_is_short(void **state)
{
	struct iovec parts[20];
	char control[64] = "";
	struct msghdr header = {
		.msg_iov = parts, .msg_iovlen = 20, .msg_control = control, .msg_controllen = sizeof control,
	};
	struct message m;

	(void)state;
	for (size_t i = 0; i < 20; i++)
		parts[i] = (struct iovec){ control, 1 };
	for (int n = 0;; n++) {
		fault_arm(n);
		int rc = read_header(&header, &m);
		bool fired = fault_fired();
		message_fini(&m);
		if (!fired) {
			assert_true(n == 2);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_message_is_read_whole_and_each_part_once, setup),
		cmocka_unit_test_setup(bad_headers_get_the_errno_of_the_kernel, setup),
		cmocka_unit_test_setup(a_name_longer_than_the_kernels_room_is_cut_and_one_without_pointer_is_none, setup),
		cmocka_unit_test_setup(lengths_add_up_to_what_one_call_may_transfer, setup),
		cmocka_unit_test_setup(a_large_message_leaves_the_notify_thread_before_anything_is_sent, setup),
		cmocka_unit_test_setup(a_partial_send_goes_on_where_it_stopped_and_never_twice, setup),
		cmocka_unit_test_setup(what_went_out_is_told_rather_than_the_error_after_it, setup),
		cmocka_unit_test_setup(a_broken_pipe_signals_when_nothing_was_sent, setup),
		cmocka_unit_test_setup(the_errors_of_waiting_are_those_of_the_call, setup),
		cmocka_unit_test_setup(memory_that_cannot_be_read_stops_a_datagram_and_cuts_a_stream, setup),
		cmocka_unit_test_setup(a_batch_counts_the_messages_and_writes_their_lengths, setup),
		cmocka_unit_test_setup(a_batch_that_fails_half_way_counts_what_went_out, setup),
		cmocka_unit_test_setup(a_long_batch_goes_on_on_a_worker_where_it_stopped, setup),
		cmocka_unit_test_setup(a_header_that_cannot_be_read_ends_the_batch, setup),
		cmocka_unit_test_setup(reading_fails_cleanly_when_memory_is_short, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
