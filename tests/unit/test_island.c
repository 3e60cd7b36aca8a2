/* Islands on the real kernel: every address answers, nothing leaves, and nobody stays behind. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "confine/island.h"

#define FLOOR 100

static struct island_home home;

static int start_island(void **state)
{
	struct error err = { 0 };

	(void)state;
	int rc = island_start(&home, FLOOR, &err);
	if (rc < 0)
		print_message("%s\n", err.text);
	return rc;
}

static int end_island(void **state)
{
	(void)state;
	island_end(&home);
	return 0;
}

static int get(int domain, int type, int port)
{
	const struct island_order order = { .domain = domain, .type = type, .port = port };

	return island_socket(&home.island, &order);
}

static struct sockaddr_storage to(const char *text, int port, socklen_t *len)
{
	struct sockaddr_storage out = { 0 };
	struct sockaddr_in *v4 = (void *)&out;
	struct sockaddr_in6 *v6 = (void *)&out;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		*len = sizeof *v4;
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		*len = sizeof *v6;
	}
	return out;
}

static void what_is_sent_to_any_address_arrives(void **state)
{
	static const char *const addresses[] = { "8.8.8.8", "127.0.0.53", "10.1.2.3", "2001:4860::8888", "::1", "fd00::1" };

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		AUTO(fd) int udp = get(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 53);
		AUTO(fd) int tcp = get(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 53);

		assert_true(udp >= 0 && tcp >= 0);
		for (int i = v6 * 3; i < v6 * 3 + 3; i++) {
			socklen_t len;
			struct sockaddr_storage there = to(addresses[i], 53, &len);
			struct sockaddr_storage peer;
			socklen_t peer_len = sizeof peer;
			char buf[8];

			AUTO(fd) int client = get(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
			assert_int_equal(sendto(client, "hello", 5, 0, (void *)&there, len), 5);
			assert_int_equal(recv(udp, buf, sizeof buf, 0), 5);
			AUTO(fd) int stream = get(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
			assert_int_equal(connect(stream, (void *)&there, len), 0);
			assert_int_equal(getpeername(stream, (void *)&peer, &peer_len), 0);
			assert_memory_equal(&peer, &there, len);
			AUTO(fd) int accepted = accept(tcp, NULL, NULL);
			assert_true(accepted >= 0);
		}
	}
}

static void where_nobody_listens_nothing_is_reached(void **state)
{
	socklen_t len;
	struct sockaddr_storage there = to("8.8.8.8", 853, &len);

	(void)state;
	AUTO(fd) int stream = get(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(stream, (void *)&there, len), -1);
	assert_int_equal(errno, ECONNREFUSED);
}

static void its_sockets_are_told_from_others(void **state)
{
	(void)state;
	AUTO(fd) int its = get(AF_INET, SOCK_STREAM, 0);
	AUTO(fd) int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(island_has(&home.island, its));
	assert_false(island_has(&home.island, other));
	assert_false(island_has(&home.island, -1));
	assert_false(island_has(&home.island, home.island.control));
}

static void a_socket_that_cannot_be_made_is_an_errno(void **state)
{
	(void)state;
	assert_int_equal(get(AF_INET, SOCK_STREAM, 0) >= 0, 1);
	assert_int_equal(get(12345, SOCK_STREAM, 0), -EAFNOSUPPORT);
	AUTO(fd) int first = get(AF_INET, SOCK_STREAM, 53);
	assert_true(first >= 0);
	assert_int_equal(get(AF_INET, SOCK_STREAM, 53), -EADDRINUSE);
	assert_true(get(AF_INET, SOCK_DGRAM, 0) >= 0);          /* and the task lives on */
}

static void a_host_without_room_for_a_descriptor_is_told_so_and_may_ask_again(void **state)
{
	struct rlimit before;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	int next = dup(0);
	close(next);
	const struct rlimit full = { (rlim_t)next, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &full), 0);
	int refused = get(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(refused, -EMFILE);
	AUTO(fd) int sock = get(AF_INET, SOCK_DGRAM, 0);
	assert_true(sock >= 0);
}

static void its_descriptors_are_above_the_floor(void **state)
{
	(void)state;
	assert_true(home.island.control >= FLOOR);
}

static void the_task_ends_with_the_line(void **state)
{
	struct island_home other;

	(void)state;
	int before = fault_open_fds();
	assert_int_equal(island_start(&other, FLOOR, NULL), 0);
	pid_t pid = other.pid;
	assert_int_equal(kill(pid, 0), 0);
	island_end(&other);
	assert_int_equal(kill(pid, 0), -1);
	island_end(&other);
	assert_int_equal(fault_open_fds(), before);
}

static void a_dead_task_is_an_error_not_a_hang(void **state)
{
	struct island_home other;
	const struct island_order order = { .domain = AF_INET, .type = SOCK_DGRAM };

	(void)state;
	assert_int_equal(island_start(&other, FLOOR, NULL), 0);
	kill(other.pid, SIGKILL);
	usleep(100000);
	assert_true(island_socket(&other.island, &order) < 0);
	island_end(&other);
}

static void every_failure_of_the_start_leaves_nothing(void **state)
{
	int n;

	(void)state;
	for (n = 0; n < 100; n++) {
		struct island_home other;
		struct error err = { 0 };
		int before = fault_open_fds();

		fault_arm(n);
		int rc = island_start(&other, FLOOR, &err);
		if (!fault_fired()) {
			assert_int_equal(rc, 0);
			island_end(&other);
			break;
		}
		if (rc == 0)            /* it can do without a pidfd and a signal mask */
			island_end(&other);
		else
			assert_true(err.text[0]);
		assert_int_equal(fault_open_fds(), before);
	}
	assert_in_range(n, 8, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_sent_to_any_address_arrives, start_island, end_island),
		cmocka_unit_test_setup_teardown(where_nobody_listens_nothing_is_reached, start_island, end_island),
		cmocka_unit_test_setup_teardown(its_sockets_are_told_from_others, start_island, end_island),
		cmocka_unit_test_setup_teardown(a_socket_that_cannot_be_made_is_an_errno, start_island, end_island),
		cmocka_unit_test_setup_teardown(a_host_without_room_for_a_descriptor_is_told_so_and_may_ask_again, start_island,
						end_island),
		cmocka_unit_test_setup_teardown(its_descriptors_are_above_the_floor, start_island, end_island),
		cmocka_unit_test(the_task_ends_with_the_line),
		cmocka_unit_test(a_dead_task_is_an_error_not_a_hang),
		cmocka_unit_test(every_failure_of_the_start_leaves_nothing),
	};
	int rc = start_island(NULL);

	if (rc == -EPERM) {             /* a chroot, a container, a distribution that refuses user namespaces */
		puts("allowed: kernel: network namespaces cannot be made here");
		return 77;
	}
	island_end(&home);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
