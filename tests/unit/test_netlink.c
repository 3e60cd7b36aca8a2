/* Unit tests of features/netlink.c and features/interfaces.c: sockets of a caller that is this process itself. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/nlmsg.h"
#include "base/sys.h"
#include "fake_kernel.h"
#include "fault.h"
#include "features/registry.h"
#include "supervisor/dispatch.h"

#define PROCESS 4321

/* --- a kernel whose caller is this process --- */

static int self_pin_fd(const struct call *call, int fd)
{
	(void)call;
	return (int)SYS(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
}

static pid_t self_process(const struct call *call)
{
	(void)call;
	return PROCESS;
}

static const struct policy policy = { .max_open_files = NO_LIMIT };

static struct verdict call_of(const struct feature *f, void *state, const char *name, const uint64_t raw[3])
{
	struct fake caller = { .own_memory = true };
	struct kernel_ops self = fake_ops;
	struct call call = { .nr = syscall_nr(ARCH_NATIVE, name), .kernel = &self, .supervisor = &caller,
			     .raw = { raw[0], raw[1], raw[2] } };

	self.pin_fd = self_pin_fd;
	self.process = self_process;
	for (size_t i = 0; i < f->handler_count; i++)
		if (strcmp(f->handlers[i].syscall, name) == 0)
			return f->handlers[i].on_call(&call, state);
	fail_msg("no handler of %s", name);
	return v_next();
}

#define CALL(state, name, a, b, c) \
	call_of(&feature_netlink, state, name, (const uint64_t[3]){ (uint64_t)(a), (uint64_t)(b), (uint64_t)(c) })
#define AT(p) ((uintptr_t)(p))

static void *start(void)
{
	void *state = NULL;

	assert_int_equal(feature_netlink.start(&(struct feature_env){ .policy = &policy }, &state, NULL), 0);
	return state;
}

static int new_socket(void *state, int type)
{
	struct verdict v = CALL(state, "socket", AF_NETLINK, type, 0);

	assert_int_equal(v.kind, V_GIVE_FD);
	return (int)v.value;
}

static void ask_links(int fd)
{
	struct { struct nlmsghdr head; struct ifinfomsg body; } req = {
		.head = { .nlmsg_len = sizeof req, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	assert_int_equal(sendto(fd, &req, sizeof req, MSG_NOSIGNAL, (const void *)&kernel, sizeof kernel), sizeof req);
}

/* Reads one reply within a second; its port id. The name of the sender is the kernel's, as far as anybody looks. */
static uint32_t hear(int fd)
{
	struct pollfd poll_one = { .fd = fd, .events = POLLIN };
	struct sockaddr_nl from = { .nl_pid = 1 };
	socklen_t len = sizeof from;
	union { struct nlmsghdr head; char room[8192]; } reply;

	assert_int_equal(poll(&poll_one, 1, 1000), 1);
	assert_true(recvfrom(fd, &reply, sizeof reply, 0, (void *)&from, &len) > (ssize_t)sizeof reply.head);
	assert_int_equal(len, sizeof from);
	assert_int_equal(from.nl_pid, 0);
	assert_int_equal(reply.head.nlmsg_type, RTM_NEWLINK);
	return reply.head.nlmsg_pid;
}

static struct sockaddr_nl name_of(void *state, int fd)
{
	struct sockaddr_nl name = { .nl_pid = 1 };
	int32_t len = sizeof name;
	struct verdict v = CALL(state, "getsockname", fd, AT(&name), AT(&len));

	assert_int_equal(v.kind, V_RETURN);
	assert_int_equal(len, sizeof name);
	assert_int_equal(name.nl_family, AF_NETLINK);
	return name;
}

static struct verdict bind_to(void *state, int fd, uint32_t port_id)
{
	const struct sockaddr_nl name = { .nl_family = AF_NETLINK, .nl_pid = port_id };

	return CALL(state, "bind", fd, AT(&name), sizeof name);
}

/* --- tests --- */

static void a_socket_is_served_with_the_address_that_it_has(void **unused)
{
	void *state = start();
	int fd = new_socket(state, SOCK_RAW | SOCK_CLOEXEC);

	(void)unused;
	assert_int_equal(name_of(state, fd).nl_pid, 0);
	assert_int_equal(bind_to(state, fd, 0).value, 0);
	assert_int_equal(name_of(state, fd).nl_pid, PROCESS);
	for (int i = 0; i < 3; i++) {
		ask_links(fd);
		assert_int_equal(hear(fd), PROCESS);
	}
	int copy = dup(fd);
	assert_int_equal(name_of(state, copy).nl_pid, PROCESS);
	ask_links(copy);
	assert_int_equal(hear(fd), PROCESS);
	close(copy);
	close(fd);
	feature_netlink.stop(state);
}

static void flags_kinds_and_protocols_are_the_kernels(void **unused)
{
	void *state = start();

	(void)unused;
	struct verdict v = CALL(state, "socket", AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(v.fd_flags, 0);
	assert_true(fcntl((int)v.value, F_GETFL) & O_NONBLOCK);
	close((int)v.value);
	v = CALL(state, "socket", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_int_equal(v.fd_flags, O_CLOEXEC);
	assert_int_equal(v.fd_number, 960);
	assert_false(fcntl((int)v.value, F_GETFL) & O_NONBLOCK);
	close((int)v.value);
	assert_int_equal(CALL(state, "socket", AF_NETLINK, SOCK_STREAM, 0).value, ESOCKTNOSUPPORT);
	assert_int_equal(CALL(state, "socket", AF_NETLINK, SOCK_RAW | 0x100, 0).value, EINVAL);
	assert_int_equal(CALL(state, "socket", AF_NETLINK, SOCK_RAW, 4).value, EAFNOSUPPORT);
	assert_int_equal(CALL(state, "socket", AF_UNIX, SOCK_STREAM, 0).kind, V_NEXT);
	feature_netlink.stop(state);
}

static void a_number_that_the_caller_has_is_left_alone(void **unused)
{
	void *state = start();

	(void)unused;
	assert_int_equal(dup2(0, 960), 960);
	struct verdict v = CALL(state, "socket", AF_NETLINK, SOCK_RAW, 0);
	assert_int_equal(v.fd_number, 961);
	close((int)v.value);
	close(960);
	feature_netlink.stop(state);
}

static void a_port_is_taken_once_and_kept(void **unused)
{
	void *state = start();
	int a = new_socket(state, SOCK_RAW);
	int b = new_socket(state, SOCK_RAW);

	(void)unused;
	assert_int_equal(bind_to(state, a, 77).value, 0);
	assert_int_equal(name_of(state, a).nl_pid, 77);
	assert_int_equal(bind_to(state, b, 77).value, EADDRINUSE);
	assert_int_equal(bind_to(state, b, 0).value, 0);
	assert_int_not_equal(name_of(state, b).nl_pid, 0);
	assert_int_equal(bind_to(state, a, 78).value, EINVAL);
	assert_int_equal(bind_to(state, a, 77).value, 0);
	const struct sockaddr_nl wrong = { .nl_family = AF_UNIX };
	assert_int_equal(CALL(state, "bind", a, AT(&wrong), sizeof wrong).value, EINVAL);
	assert_int_equal(CALL(state, "bind", a, 8, sizeof wrong).value, EFAULT);
	close(a);
	close(b);
	feature_netlink.stop(state);
}

static void other_descriptors_are_for_others(void **unused)
{
	void *state = start();
	int other = socket(AF_UNIX, SOCK_STREAM, 0);
	char room[16];
	int32_t len = sizeof room;

	(void)unused;
	for (int made = 0; made < 2; made++) {
		int fd = made ? new_socket(state, SOCK_RAW) : -1;

		assert_int_equal(bind_to(state, other, 0).kind, V_NEXT);
		assert_int_equal(bind_to(state, 0, 0).kind, V_NEXT);
		assert_int_equal(bind_to(state, -1, 0).kind, V_NEXT);
		assert_int_equal(CALL(state, "getsockname", other, AT(room), AT(&len)).kind, V_NEXT);
		assert_int_equal(CALL(state, "sendto", other, AT(room), 4).kind, V_NEXT);
		assert_int_equal(CALL(state, "sendmsg", other, AT(room), 0).kind, V_NEXT);
		assert_int_equal(CALL(state, "bind", fd, AT(room), 16).kind, V_NEXT);
		close(fd);
	}
	close(other);
	feature_netlink.stop(state);
}

static void the_name_is_cut_to_the_room_and_bad_rooms_are_errors(void **unused)
{
	void *state = start();
	int fd = new_socket(state, SOCK_RAW);
	uint8_t room[12];
	int32_t len = 2;

	(void)unused;
	memset(room, 0xee, sizeof room);
	assert_int_equal(CALL(state, "getsockname", fd, AT(room), AT(&len)).value, 0);
	assert_int_equal(len, 12);
	assert_int_equal(room[0], AF_NETLINK);
	assert_int_equal(room[2], 0xee);
	len = 0;
	assert_int_equal(CALL(state, "getsockname", fd, 8, AT(&len)).value, 0);
	len = -1;
	assert_int_equal(CALL(state, "getsockname", fd, AT(room), AT(&len)).value, EINVAL);
	len = 12;
	assert_int_equal(CALL(state, "getsockname", fd, 8, AT(&len)).value, EFAULT);
	assert_int_equal(CALL(state, "getsockname", fd, AT(room), 8).value, EFAULT);
	close(fd);
	feature_netlink.stop(state);
}

static void a_send_that_was_trapped_for_others_is_answered(void **unused)
{
	void *state = start();
	int fd = new_socket(state, SOCK_RAW);
	struct { struct nlmsghdr head; struct ifinfomsg body; } req = {
		.head = { .nlmsg_len = sizeof req, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	struct iovec iov[3] = { { &req, 5 }, { NULL, 0 }, { (char *)&req + 5, sizeof req - 5 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };

	(void)unused;
	assert_int_equal(CALL(state, "sendto", fd, AT(&req), sizeof req).value, sizeof req);
	hear(fd);
	assert_int_equal(CALL(state, "sendmsg", fd, AT(&msg), 0).value, sizeof req);
	hear(fd);
	assert_int_equal(CALL(state, "sendto", fd, 8, sizeof req).value, EFAULT);
	assert_int_equal(CALL(state, "sendto", fd, AT(&req), NLMSG_REQUEST_MAX + 1).value, EMSGSIZE);
	msg.msg_iovlen = 1025;
	assert_int_equal(CALL(state, "sendmsg", fd, AT(&msg), 0).value, EMSGSIZE);
	msg.msg_iovlen = 3;
	iov[1].iov_len = SIZE_MAX;
	assert_int_equal(CALL(state, "sendmsg", fd, AT(&msg), 0).value, EINVAL);
	iov[1].iov_len = NLMSG_REQUEST_MAX;
	assert_int_equal(CALL(state, "sendmsg", fd, AT(&msg), 0).value, EMSGSIZE);
	iov[1].iov_len = 0;
	iov[2].iov_base = (void *)8;
	assert_int_equal(CALL(state, "sendmsg", fd, AT(&msg), 0).value, EFAULT);
	assert_int_equal(CALL(state, "sendmsg", fd, 8, 0).value, EFAULT);
	close(fd);
	feature_netlink.stop(state);
}

/* The old limit; the hard one stays. */
static rlim_t limit_files(rlim_t to)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	const rlim_t before = limit.rlim_cur;
	limit.rlim_cur = to;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return before;
}

static void beyond_a_few_none_takes_what_the_host_keeps_for_itself(void **unused)
{
	void *state = start();
	int fds[100];
	int count = 0;
	struct verdict v;

	(void)unused;
	const rlim_t before = limit_files(200);
	while ((v = CALL(state, "socket", AF_NETLINK, SOCK_RAW, 0)).kind == V_GIVE_FD && count < 100)
		fds[count++] = (int)v.value;
	assert_int_equal(v.kind, V_ERRNO);
	assert_int_equal(v.value, ENFILE);
	assert_in_range(count, 16, 50);         /* two descriptors each, both in this process */
	limit_files(before);
	while (count > 0)
		close(fds[--count]);
	feature_netlink.stop(state);
}

static void there_is_a_bound_and_closed_sockets_come_free(void **unused)
{
	void *state = start();
	int fds[256];

	(void)unused;
	const rlim_t before = limit_files(2048);
	for (int i = 0; i < 256; i++)
		fds[i] = new_socket(state, SOCK_RAW);
	assert_int_equal(CALL(state, "socket", AF_NETLINK, SOCK_RAW, 0).value, ENFILE);
	ask_links(fds[255]);
	hear(fds[255]);
	for (int i = 0; i < 256; i++)
		close(fds[i]);
	struct verdict v = { .kind = V_ERRNO };
	for (int i = 0; i < 1000 && v.kind == V_ERRNO; i++) {
		usleep(1000);
		v = CALL(state, "socket", AF_NETLINK, SOCK_RAW, 0);
	}
	assert_int_equal(v.kind, V_GIVE_FD);
	ask_links((int)v.value);
	hear((int)v.value);
	close((int)v.value);
	limit_files(before);
	feature_netlink.stop(state);
}

/* It keeps asking without reading until nothing more can be sent, and then gets every answer that was not cut. */
static void who_does_not_read_waits_and_nobody_else(void **unused)
{
	void *state = start();
	int slow = new_socket(state, SOCK_RAW | SOCK_NONBLOCK);
	int other = new_socket(state, SOCK_RAW);
	struct { struct nlmsghdr head; struct ifinfomsg body; } req = {
		.head = { .nlmsg_len = sizeof req, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	int sent = 0;

	(void)unused;
	for (int idle = 0; idle < 20;) {
		if (send(slow, &req, sizeof req, 0) < 0) {
			assert_int_equal(errno, EAGAIN);
			usleep(2000);
			idle++;
		} else {
			sent++;
			idle = 0;
		}
	}
	assert_int_equal(CALL(state, "sendto", slow, AT(&req), sizeof req).value, ENOBUFS);
	ask_links(other);
	hear(other);
	for (int i = 0; i < sent; i++)
		hear(slow);
	close(slow);
	close(other);
	feature_netlink.stop(state);
}

/* A peer that shuts down, sends nothing at all, or sends garbage and goes, costs nothing that stays. */
static void odd_clients_are_dropped_and_leak_nothing(void **unused)
{
	int before = fault_open_fds();
	void *state = start();

	(void)unused;
	for (int i = 0; i < 20; i++) {
		int fd = new_socket(state, SOCK_RAW);
		char garbage[64];

		memset(garbage, i, sizeof garbage);
		if (i % 4 == 0)
			shutdown(fd, SHUT_WR);
		if (i % 4 == 1)
			shutdown(fd, SHUT_RDWR);
		if (i % 4 == 2)
			assert_int_equal(send(fd, "", 0, 0), 0);
		if (i % 4 > 1)
			assert_int_equal(send(fd, garbage, sizeof garbage, 0), sizeof garbage);
		close(fd);
	}
	int fd = new_socket(state, SOCK_RAW);
	assert_int_equal(send(fd, "", 0, 0), 0);        /* an empty datagram is no end */
	ask_links(fd);
	hear(fd);
	close(fd);
	feature_netlink.stop(state);
	assert_int_equal(fault_open_fds(), before);
}

static void a_socket_that_cannot_be_made_is_an_error_and_leaks_nothing(void **unused)
{
	int n = 0;

	(void)unused;
	for (;; n++) {
		void *state = start();
		int before = fault_open_fds();

		fault_arm(n);
		struct verdict v = CALL(state, "socket", AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, 0);
		bool fired = fault_fired();
		if (v.kind == V_GIVE_FD)
			close((int)v.value);
		else
			assert_int_equal(v.kind, V_ERRNO);
		feature_netlink.stop(state);
		assert_true(fault_open_fds() <= before);
		if (!fired)
			break;
	}
	assert_true(n > 8);
}

/* --- SIOCGIF* --- */

struct request {
	char name[16];
	union {
		uint8_t bytes[24];
		int number;
		short flags;
	};
};

static int64_t interface_ioctl(int fd, unsigned request, void *arg)
{
	struct verdict v = call_of(&feature_interfaces, NULL, "ioctl",
				   (const uint64_t[3]){ (uint64_t)fd, request, AT(arg) });

	return v.kind == V_ERRNO ? -v.value : v.kind == V_NEXT ? -9999 : v.value;
}

static void the_questions_about_lo_are_answered_as_the_kernel_does(void **unused)
{
	static const unsigned questions[] = { 0x8913, 0x8915, 0x891b, 0x8921, 0x8927, 0x8933 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		struct request ours = { .name = "lo" };
		struct request theirs = ours;

		assert_int_equal(interface_ioctl(fd, questions[i], &ours), 0);
		if (ioctl(fd, questions[i], &theirs) == 0)
			assert_memory_equal(&ours, &theirs, questions[i] == 0x8921 || questions[i] == 0x8933 ? 20 : 24);
	}
	close(fd);
}

static void there_is_no_other_interface(void **unused)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct request r = { .name = "eth0" };
	char unterminated[40];

	(void)unused;
	assert_int_equal(interface_ioctl(fd, 0x8913, &r), -ENODEV);
	assert_int_equal(interface_ioctl(fd, 0x8933, &r), -ENODEV);
	r.number = 1;
	assert_int_equal(interface_ioctl(fd, 0x8910, &r), 0);
	assert_string_equal(r.name, "lo");
	r.number = 2;
	assert_int_equal(interface_ioctl(fd, 0x8910, &r), -ENODEV);
	memset(unterminated, 'l', sizeof unterminated);
	assert_int_equal(interface_ioctl(fd, 0x8913, unterminated), -ENODEV);
	assert_int_equal(interface_ioctl(fd, 0x8913, (void *)8), -EFAULT);
	assert_int_equal(interface_ioctl(fd, 0x8946, &r), -9999);       /* not asked for: the refusals have it */
	close(fd);
}

static void the_list_of_interfaces_is_cut_to_its_room(void **unused)
{
	struct { int len; struct request *list; } conf = { .list = NULL };
	struct request list[2] = { 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)unused;
	assert_int_equal(interface_ioctl(fd, 0x8912, &conf), 0);
	assert_int_equal(conf.len, 40);
	conf.list = list;
	conf.len = sizeof list;
	assert_int_equal(interface_ioctl(fd, 0x8912, &conf), 0);
	assert_int_equal(conf.len, 40);
	assert_string_equal(list[0].name, "lo");
	assert_memory_equal(list[0].bytes, "\2\0\0\0\x7f\0\0\1", 8);
	for (conf.len = -5; conf.len < 40; conf.len += 7) {
		int len = conf.len;

		assert_int_equal(interface_ioctl(fd, 0x8912, &conf), 0);
		assert_int_equal(conf.len, 0);
		conf.len = len;
	}
	close(fd);
}

static void only_sockets_have_interfaces(void **unused)
{
	struct request r = { .name = "lo" };
	int pipes[2];

	(void)unused;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(interface_ioctl(pipes[0], 0x8913, &r), -ENOTTY);
	assert_int_equal(interface_ioctl(-1, 0x8913, &r), -EBADF);
	close(pipes[0]);
	close(pipes[1]);
}

static enum sys_action action(const struct sysrules *r, const char *name, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return sysrules_decide(r, syscall_nr(ARCH_NATIVE, name), (const uint64_t[6]){ a, b, c, d }).action;
}

static struct sysrules *rules_under(uint64_t max_open_files)
{
	static const struct feature *const features[] = { &feature_netlink, &feature_interfaces };
	struct policy *p = calloc(1, sizeof *p);
	struct dispatch *d = calloc(1, sizeof *d);
	struct sysrules *r = NULL;
	struct trap *traps;
	size_t count;

	p->max_open_files = max_open_files;
	assert_int_equal(dispatch_init(d, features, ARRAY_SIZE(features), p), 0);
	assert_int_equal(dispatch_traps(d, &traps, &count), 0);
	assert_int_equal(sysrules_build(p, ARCH_NATIVE, traps, count, &r, NULL), 0);
	mem_free(traps);
	free(d);
	free(p);
	return r;
}

static void only_calls_on_their_own_numbers_are_trapped(void **unused)
{
	static const char *const never[] = { "close", "recvfrom", "recvmsg", "recvmmsg", "setsockopt", "getsockopt", "read",
					     "write", "accept4", "connect", "getpeername", "poll", "dup" };
	static const struct { uint64_t limit, in, out; } cases[] = {
		{ NO_LIMIT, 960, 959 }, { NO_LIMIT, 1023, 1024 }, { 1024, 960, 48 }, { 1000, 48, 960 }, { 64, 63, 64 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sysrules *r = rules_under(cases[i].limit);

		assert_int_equal(action(r, "getsockname", cases[i].in, 0, 0, 0), SYS_TRAP);
		assert_int_equal(action(r, "getsockname", cases[i].out, 0, 0, 0), SYS_ALLOW);
		assert_int_equal(action(r, "sendto", cases[i].in, 0, 0, 0), SYS_TRAP);
		assert_int_equal(action(r, "sendto", cases[i].in, 0, 0, 0x20000000), SYS_ERRNO);
		assert_int_equal(action(r, "sendto", cases[i].out, 0, 0, 0), SYS_ALLOW);
		assert_int_equal(action(r, "sendmsg", cases[i].in, 0, 0, 0), SYS_TRAP);
		assert_int_equal(action(r, "sendmsg", cases[i].out, 0, 0, 0), SYS_ALLOW);
		assert_int_equal(action(r, "socket", AF_NETLINK, SOCK_RAW, 0, 0), SYS_TRAP);
		assert_int_equal(action(r, "socket", AF_NETLINK, SOCK_RAW, 4, 0), SYS_ERRNO);
		assert_int_equal(action(r, "socket", AF_INET, SOCK_STREAM, 0, 0), SYS_ALLOW);
		assert_int_equal(action(r, "bind", 3, 0, 12, 0), SYS_TRAP);
		assert_int_equal(action(r, "bind", 3, 0, 16, 0), SYS_ALLOW);
		assert_int_equal(action(r, "ioctl", 3, 0x8912, 0, 0), SYS_TRAP);
		assert_int_equal(action(r, "ioctl", 3, 0x8914, 0, 0), SYS_REFUSE);
		for (size_t k = 0; k < ARRAY_SIZE(never); k++)
			assert_int_equal(action(r, never[k], cases[i].in, 0, 0, 0), SYS_ALLOW);
		sysrules_free(r);
	}
	struct sysrules *r = rules_under(40);           /* no room: the name of every socket is asked for */
	assert_int_equal(action(r, "getsockname", 3, 0, 0, 0), SYS_TRAP);
	assert_int_equal(action(r, "sendto", 3, 0, 0, 0), SYS_ALLOW);
	sysrules_free(r);
}

static void without_a_supervisor_nothing_is_trapped(void **unused)
{
	(void)unused;
	assert_false(feature_netlink.wanted(&(struct policy){ .no_supervisor = true }));
	assert_false(feature_interfaces.wanted(&(struct policy){ .no_supervisor = true }));
	assert_true(feature_netlink.wanted(&policy));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_is_served_with_the_address_that_it_has),
		cmocka_unit_test(flags_kinds_and_protocols_are_the_kernels),
		cmocka_unit_test(a_number_that_the_caller_has_is_left_alone),
		cmocka_unit_test(a_port_is_taken_once_and_kept),
		cmocka_unit_test(other_descriptors_are_for_others),
		cmocka_unit_test(the_name_is_cut_to_the_room_and_bad_rooms_are_errors),
		cmocka_unit_test(a_send_that_was_trapped_for_others_is_answered),
		cmocka_unit_test(beyond_a_few_none_takes_what_the_host_keeps_for_itself),
		cmocka_unit_test(there_is_a_bound_and_closed_sockets_come_free),
		cmocka_unit_test(who_does_not_read_waits_and_nobody_else),
		cmocka_unit_test(odd_clients_are_dropped_and_leak_nothing),
		cmocka_unit_test(a_socket_that_cannot_be_made_is_an_error_and_leaks_nothing),
		cmocka_unit_test(the_questions_about_lo_are_answered_as_the_kernel_does),
		cmocka_unit_test(there_is_no_other_interface),
		cmocka_unit_test(the_list_of_interfaces_is_cut_to_its_room),
		cmocka_unit_test(only_sockets_have_interfaces),
		cmocka_unit_test(only_calls_on_their_own_numbers_are_trapped),
		cmocka_unit_test(without_a_supervisor_nothing_is_trapped),
	};

	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 4096) {
		files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
