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
		TEST(every_failure_closes_what_was_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
