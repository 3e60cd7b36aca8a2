/* Whom a program hears from under --port-remap: what is left to the kernel, what is parked, and what is told of the rest. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/sys.h"
#include "fault.h"
#include "features/portview.h"
#include "features/registry.h"

/* --- a kernel of one socket --- */

static struct {
	struct socket_info info;
	ssize_t next;                   /* what accept and receive say; accept: 0 is a descriptor */
	uint16_t from;                  /* the real port of who is there */
	unsigned accepts, peeks, takes;
	unsigned char memory[512];
} world;

static int pin_fd(const struct call *call, int fd)
{
	(void)call;
	return fd == 7 ? (int)SYS(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0) : -EBADF;
}

static int socket_info(const struct call *call, int sock, unsigned want, struct socket_info *out)
{
	(void)call;
	(void)sock;
	(void)want;
	*out = world.info;
	return 0;
}

static size_t put_name(void *name)
{
	const struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_port = htons(world.from), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	memcpy(name, &in, sizeof in);
	return sizeof in;
}

static int do_accept(const struct call *call, int sock, int flags, void *name, size_t *len)
{
	(void)call;
	(void)sock;
	(void)flags;
	world.accepts++;
	*len = put_name(name);
	return world.next < 0 ? (int)world.next : (int)SYS(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
}

static ssize_t do_receive(const struct call *call, int sock, struct incoming *in, int flags)
{
	(void)call;
	(void)sock;
	*(flags & MSG_PEEK ? &world.peeks : &world.takes) += 1;
	if (world.next < 0)
		return world.next;
	in->name_len = put_name(in->name);
	in->control_len = 0;
	in->flags = 0;
	memcpy(in->data ? in->data : (char[1]){ 0 }, "hello", in->len < 5 ? in->len : 5);
	return 5;
}

static int copy_in(const struct call *call, void *to, uint64_t from, size_t len)
{
	(void)call;
	if (from < 4096 || from - 4096 + len > sizeof world.memory)
		return -EFAULT;
	memcpy(to, world.memory + (from - 4096), len);
	return 0;
}

static int copy_out(const struct call *call, uint64_t to, const void *from, size_t len)
{
	(void)call;
	if (to < 4096 || to - 4096 + len > sizeof world.memory)
		return -EFAULT;
	memcpy(world.memory + (to - 4096), from, len);
	return 0;
}

static const struct kernel_ops ops = {
	.pin_fd = pin_fd, .socket_info = socket_info, .accept = do_accept, .receive = do_receive, .copy_in = copy_in,
	.copy_out = copy_out,
};

/* --- asking --- */

static struct portmap *map;
static struct progress progress;

static int setup(void **state)
{
	(void)state;
	memset(&world, 0, sizeof world);
	world.info = (struct socket_info){ .domain = AF_INET, .type = SOCK_STREAM, .protocol = IPPROTO_TCP,
					   .nonblocking = true };
	world.from = 40001;
	progress = (struct progress){ 0 };
	map = portmap_new(NULL, NULL);
	return map ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	portmap_free(map);
	return 0;
}

/* A socket at 127.0.0.1 that asked for 8080 and has 40001; that it is the sandbox's was seen a moment ago. */
static void bound(enum net_proto proto)
{
	struct port_entry e = { .proto = proto, .asked = 8080, .real = 40001, .inode = 5 };
	struct addr at;

	assert_int_equal(addr_parse(view_of("127.0.0.1"), &at), 0);
	e.address = at;
	assert_int_equal(portmap_add(map, &e), 0);
	at.port = 8080;
	portmap_trust(map, proto, &at, 40001, UINT64_MAX);
}

static struct verdict ask(const char *name, bool may_wait, const uint64_t raw[6])
{
	const struct feature *f = &feature_portpeers;
	struct call call = {
		.nr = syscall_nr(ARCH_NATIVE, name), .may_wait = may_wait, .progress = &progress, .kernel = &ops,
	};

	memcpy(call.raw, raw, sizeof call.raw);
	for (size_t i = 0; i < f->handler_count; i++)
		if (strcmp(f->handlers[i].syscall, name) == 0)
			return f->handlers[i].on_call(&call, map);
	fail();
	return v_next();
}

static void set_len(int len)
{
	memcpy(world.memory + 64, &len, sizeof len);
}

static uint16_t port_told(void)
{
	uint16_t port;

	memcpy(&port, world.memory + 2, sizeof port);
	return ntohs(port);
}

static const uint64_t accepting[6] = { 7, 4096, 4096 + 64 };
static const uint64_t receiving[6] = { 7, 4096 + 128, 5, 0, 4096, 4096 + 64 };

static struct verdict closed(struct verdict v)
{
	int fd = (int)v.value;

	if (v.kind == V_PARK || v.kind == V_GIVE_FD)
		SYS(SYS_close, fd);
	return v;
}

/* --- accept --- */

static void what_needs_no_translation_is_left_to_the_kernel(void **state)
{
	(void)state;
	bound(NET_TCP);
	assert_int_equal(ask("accept", false, accepting).kind, V_NEXT);
	world.info.protocol = 0;
	world.info.nonblocking = false;
	assert_int_equal(ask("accept", false, accepting).kind, V_NEXT);
	assert_int_equal(ask("accept", false, (const uint64_t[6]){ 9, 4096, 4096 }).kind, V_NEXT);
	assert_int_equal(ask("accept4", false, (const uint64_t[6]){ 7, 4096, 4096 + 64, 1 }).kind, V_NEXT);
	assert_int_equal(world.accepts, 0);
}

static void a_client_with_two_numbers_is_shown_by_its_own(void **state)
{
	const int before = fault_open_fds();

	(void)state;
	bound(NET_TCP);
	portmap_mark_client(map, 40001);
	set_len(16);
	struct verdict v = closed(ask("accept4", false, (const uint64_t[6]){ 7, 4096, 4096 + 64, SOCK_CLOEXEC }));
	assert_int_equal(v.kind, V_GIVE_FD);
	assert_int_equal(v.fd_flags, O_CLOEXEC);
	assert_int_equal(port_told(), 8080);
	assert_int_equal(closed(ask("accept", false, accepting)).fd_flags, 0);
	world.from = 40002;
	closed(ask("accept", false, accepting));
	assert_int_equal(port_told(), 40002);
	set_len(-1);
	assert_int_equal(ask("accept", false, accepting).value, EINVAL);
	assert_int_equal(ask("accept", false, (const uint64_t[6]){ 7, 1, 4096 + 64 }).value, EINVAL);
	world.next = -EMFILE;
	assert_int_equal(ask("accept", false, accepting).value, EMFILE);
	assert_int_equal(fault_open_fds(), before);
}

static void who_would_wait_is_parked_with_the_socket(void **state)
{
	const int before = fault_open_fds();

	(void)state;
	world.info.nonblocking = false;
	world.next = MUST_WAIT;
	assert_int_equal(closed(ask("accept", false, accepting)).kind, V_PARK);
	progress.wake = -EINTR;
	assert_int_equal(ask("accept", true, accepting).value, EINTR);
	assert_int_equal(world.accepts, 1);
	assert_int_equal(fault_open_fds(), before);
}

/* --- datagrams --- */

static void udp(bool nonblocking)
{
	world.info = (struct socket_info){ .domain = AF_INET, .type = SOCK_DGRAM, .protocol = IPPROTO_UDP,
					   .nonblocking = nonblocking };
	set_len(16);
}

static void a_datagram_is_looked_at_before_it_is_taken(void **state)
{
	const int before = fault_open_fds();

	(void)state;
	udp(true);
	assert_int_equal(ask("recvfrom", false, receiving).kind, V_NEXT);
	assert_int_equal(world.peeks, 0);
	bound(NET_UDP);
	world.from = 53;
	assert_int_equal(ask("recvfrom", false, receiving).kind, V_NEXT);
	assert_int_equal(world.peeks, 1);
	assert_int_equal(world.takes, 0);
	world.from = 40001;
	struct verdict v = ask("recvfrom", false, receiving);
	assert_int_equal(v.kind, V_RETURN);
	assert_int_equal(v.value, 5);
	assert_memory_equal(world.memory + 128, "hello", 5);
	assert_int_equal(port_told(), 8080);
	world.next = -EAGAIN;
	assert_int_equal(ask("recvfrom", false, receiving).value, EAGAIN);
	world.next = -ECONNREFUSED;
	assert_int_equal(ask("recvfrom", false, receiving).value, ECONNREFUSED);
	assert_int_equal(fault_open_fds(), before);
}

static void one_that_blocks_is_parked_also_when_no_port_has_two_numbers_yet(void **state)
{
	const int before = fault_open_fds();

	(void)state;
	udp(false);
	world.next = -EAGAIN;
	assert_int_equal(closed(ask("recvfrom", false, receiving)).kind, V_PARK);
	assert_int_equal(closed(ask("recvmmsg", false, (const uint64_t[6]){ 7, 4096, 2 })).kind, V_PARK);
	assert_int_equal(ask("recvfrom", false, (const uint64_t[6]){ 7, 4096 + 128, 5, MSG_DONTWAIT, 4096, 4160 }).kind, V_NEXT);
	world.next = 0;
	assert_int_equal(ask("recvfrom", true, receiving).kind, V_NEXT);
	assert_int_equal(fault_open_fds(), before);
}

static void what_was_taken_of_a_batch_is_told_when_a_signal_comes(void **state)
{
	(void)state;
	udp(false);
	progress.messages = 2;
	progress.wake = -EINTR;
	assert_int_equal(ask("recvmmsg", true, (const uint64_t[6]){ 7, 4096, 3 }).value, 2);
	progress.messages = 0;
	assert_int_equal(ask("recvmmsg", true, (const uint64_t[6]){ 7, 4096, 3 }).value, EINTR);
}

static void a_message_without_room_for_a_name_is_the_kernels(void **state)
{
	(void)state;
	udp(true);
	bound(NET_UDP);
	assert_int_equal(ask("recvmsg", false, (const uint64_t[6]){ 7, 4096 + 128, 0 }).kind, V_NEXT);
	assert_int_equal(ask("recvmsg", false, (const uint64_t[6]){ 7, 1, 0 }).kind, V_NEXT);
	assert_int_equal(world.peeks, 0);
}

/* Two messages at 128, each into two pieces; names are told at 0, and the timeout is at 96. */
static void lay_out_batch(int64_t seconds, int64_t nanoseconds)
{
	const uint64_t header[8] = { 4096, 16, 4096 + 256, 2, 0, 9, 0xff, 0 };
	const uint64_t pieces[4] = { 4096 + 320, 2, 4096 + 330, 10 };
	const int64_t timeout[2] = { seconds, nanoseconds };

	progress = (struct progress){ 0 };
	memcpy(world.memory + 128, header, sizeof header);
	memcpy(world.memory + 192, header, sizeof header);
	memcpy(world.memory + 256, pieces, sizeof pieces);
	memcpy(world.memory + 96, timeout, sizeof timeout);
}

static uint64_t told_at(size_t at, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, world.memory + at, size);
	return value;
}

static void a_batch_is_taken_whole_and_the_rest_of_its_time_is_told(void **state)
{
	static const uint64_t call[6] = { 7, 4096 + 128, 2, 0, 4096 + 96 };

	(void)state;
	udp(true);
	bound(NET_UDP);
	lay_out_batch(3600, 0);
	assert_int_equal(ask("recvmmsg", false, call).kind, V_LATER);
	assert_int_equal(world.takes, 0);
	assert_int_equal(ask("recvmmsg", true, call).value, 2);
	assert_int_equal(world.takes, 2);
	assert_memory_equal(world.memory + 320, "he", 2);
	assert_memory_equal(world.memory + 330, "llo", 3);
	assert_int_equal(port_told(), 8080);
	for (size_t at = 128; at <= 192; at += 64) {
		assert_int_equal(told_at(at + 40, 8), 0);       /* msg_controllen */
		assert_int_equal(told_at(at + 48, 4), 0);       /* msg_flags */
		assert_int_equal(told_at(at + 56, 4), 5);       /* msg_len */
	}
	assert_in_range(told_at(96, 8), 3000, 3599);
}

static void a_batch_ends_with_its_time_its_count_or_its_flag(void **state)
{
	static const uint64_t call[6] = { 7, 4096 + 128, 2, 0, 4096 + 96 };
	static const int64_t wrong[][2] = { { -1, 0 }, { 0, -1 }, { 0, 1000000000 } };

	(void)state;
	udp(false);
	bound(NET_UDP);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		lay_out_batch(wrong[i][0], wrong[i][1]);
		assert_int_equal(ask("recvmmsg", true, call).value, EINVAL);
	}
	assert_int_equal(world.takes, 0);
	lay_out_batch(0, 0);                    /* looked at after each message: one is taken */
	assert_int_equal(ask("recvmmsg", true, call).value, 1);
	world.next = -EAGAIN;
	lay_out_batch(3600, 0);
	assert_int_equal(closed(ask("recvmmsg", true, call)).kind, V_PARK);
	progress.messages = 1;
	assert_int_equal(ask("recvmmsg", true, (const uint64_t[6]){ 7, 4096 + 128, 2, MSG_WAITFORONE, 4096 + 96 }).value, 1);
	assert_int_equal(closed(ask("recvmmsg", true, call)).kind, V_PARK);
	world.next = -ECONNREFUSED;
	assert_int_equal(ask("recvmmsg", true, call).value, 1);
	lay_out_batch(3600, 0);
	assert_int_equal(ask("recvmmsg", true, call).value, ECONNREFUSED);
}

static void every_failure_closes_what_was_open(void **state)
{
	const int before = fault_open_fds();
	const uint64_t header[7] = { 4096, 16, 4096 + 192, 1, 0, 0, 0 };
	const uint64_t piece[2] = { 4096 + 256, 5 };

	(void)state;
	bound(NET_UDP);
	for (int n = 0;; n++) {
		udp(true);
		memcpy(world.memory + 128, header, sizeof header);
		memcpy(world.memory + 192, piece, sizeof piece);
		fault_arm(n);
		closed(ask("recvmsg", true, (const uint64_t[6]){ 7, 4096 + 128, 0 }));
		bool fired = fault_fired();
		assert_int_equal(fault_open_fds(), before);
		if (!fired)
			break;
	}
	assert_memory_equal(world.memory + 256, "hello", 5);
	assert_int_equal(port_told(), 8080);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(what_needs_no_translation_is_left_to_the_kernel),
		TEST(a_client_with_two_numbers_is_shown_by_its_own),
		TEST(who_would_wait_is_parked_with_the_socket),
		TEST(a_datagram_is_looked_at_before_it_is_taken),
		TEST(one_that_blocks_is_parked_also_when_no_port_has_two_numbers_yet),
		TEST(what_was_taken_of_a_batch_is_told_when_a_signal_comes),
		TEST(a_message_without_room_for_a_name_is_the_kernels),
		TEST(a_batch_is_taken_whole_and_the_rest_of_its_time_is_told),
		TEST(a_batch_ends_with_its_time_its_count_or_its_flag),
		TEST(every_failure_closes_what_was_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
