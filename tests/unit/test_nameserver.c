/* The resolver's thread on a real island, asked as programs ask, before a name server that the test plays. */
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
#include <poll.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "confine/island.h"
#include "features/nameserver.h"

static struct net_rule rules[] = {
	{ .target = TARGET_SUFFIX, .name = (char[]){ "example.test" } },
	{ .target = TARGET_NAME, .name = (char[]){ "api.test" } },
};

static struct net_pin pins[40];

static struct world {
	struct policy policy;
	struct netmatch *net;
	struct openings *openings;
	struct island_home home;
	struct lookup_servers servers;
	struct nameserver *ns;
	int upstream;
	struct sockaddr_in from;
} w;

static int up(void **state)
{
	struct sockaddr_in me = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof me;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pins); i++)
		pins[i] = (struct net_pin){ "api.test", { .family = ADDR_V4, .ip = { 192, 0, 2, (uint8_t)i } } };
	w = (struct world){
		.policy = { .net_rules = { .at = rules, .len = ARRAY_SIZE(rules) }, .frozen = true },
		.upstream = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
	};
	assert_int_equal(bind(w.upstream, (void *)&me, sizeof me), 0);
	assert_int_equal(getsockname(w.upstream, (void *)&me, &len), 0);
	w.servers = (struct lookup_servers){
		.at = { { .family = ADDR_V4, .ip = { 127, 0, 0, 1 }, .port = ntohs(me.sin_port) } },
		.count = 1, .attempts = 1, .timeout_ns = 1000000000,
	};
	assert_int_equal(netmatch_build(&w.policy, pins, ARRAY_SIZE(pins), &w.net), 0);
	w.openings = openings_new();
	return island_start(&w.home, 100, NULL);
}

/* Of the resolver's thread; read after it has told. */
static char told[8][256];
static atomic_uint tellings;

static void note(void *sink, const struct refusal *refusal)
{
	(void)sink;
	if (strcmp(refusal->operation, "send") != 0)
		return;
	snprintf(told[atomic_load(&tellings) % ARRAY_SIZE(told)], sizeof told[0], "%s; %s", refusal->target, refusal->flag);
	atomic_fetch_add(&tellings, 1);
}

static int start_server(void)
{
	const struct answers_setup setup = {
		.policy = &w.policy, .net = w.net, .openings = w.openings, .pins = pins,
		.pin_count = ARRAY_SIZE(pins), .hosts = "/nonexistent", .refuse = note,
	};

	atomic_store(&tellings, 0);
	return nameserver_start(&setup, &w.servers, &w.home.island, &w.ns);
}

static int up_and_running(void **state)
{
	int rc = up(state);

	return rc < 0 ? rc : start_server();
}

static int down(void **state)
{
	(void)state;
	nameserver_stop(w.ns);
	island_end(&w.home);
	openings_free(w.openings);
	netmatch_free(w.net);
	close(w.upstream);
	return 0;
}

static socklen_t address(const char *text, struct sockaddr_storage *out)
{
	struct addr a;

	assert_int_equal(addr_parse(view_of(text), &a), 0);
	a.port = 53;
	return (socklen_t)addr_to_sockaddr(&a, a.family == ADDR_V6, out);
}

/* A socket of the island, connected to the server `to`. */
static int client(const char *to, int type)
{
	struct sockaddr_storage name;
	const struct timeval patience = { .tv_sec = 3 };
	socklen_t len = address(to, &name);
	const struct island_order order = { .domain = name.ss_family, .type = type };
	int fd = island_socket(&w.home.island, &order);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	assert_int_equal(connect(fd, (void *)&name, len), 0);
	return fd;
}

static void put(int fd, const char *name, uint16_t id, bool tcp)
{
	uint8_t msg[2 + DNS_HEAD + DNS_QUESTION_MAX];
	int n = dns_build_query(id, name, DNS_A, msg + 2);

	msg[0] = (uint8_t)(n >> 8);
	msg[1] = (uint8_t)n;
	int skip = tcp ? 0 : 2;
	assert_int_equal(send(fd, msg + skip, (size_t)(n + 2 - skip), 0), n + 2 - skip);
}

/* The rcode of the answer. */
static int get(int fd, const char *name, uint16_t id, bool tcp, struct dns_result *r)
{
	uint8_t msg[2048];
	ssize_t n;

	if (tcp) {
		assert_int_equal(recv(fd, msg, 2, MSG_WAITALL), 2);
		n = recv(fd, msg, (size_t)(msg[0] << 8 | msg[1]), MSG_WAITALL);
	} else {
		n = recv(fd, msg, sizeof msg, 0);
	}
	assert_true(n > 0);
	assert_int_equal(dns_parse_answer(msg, (size_t)n, id, name, DNS_A, r), 0);
	return r->rcode;
}

static void hear(struct dns_query *q)
{
	uint8_t msg[600];
	socklen_t len = sizeof w.from;
	struct pollfd p = { .fd = w.upstream, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 3000), 1);
	ssize_t n = recvfrom(w.upstream, msg, sizeof msg, 0, (void *)&w.from, &len);
	assert_int_equal(dns_parse_query(msg, (size_t)n, q), 0);
}

static void say(const struct dns_query *q, uint8_t last)
{
	const struct addr ip = { .family = ADDR_V4, .ip = { 198, 51, 100, last } };
	uint8_t msg[DNS_UDP_MIN];
	size_t n = dns_build_reply(q, &(struct dns_reply){ .ttl = 60, .ip = &ip, .count = 1 }, msg, sizeof msg);

	assert_int_equal(sendto(w.upstream, msg, n, 0, (void *)&w.from, sizeof w.from), n);
}

static bool upstream_is_silent(void)
{
	struct pollfd p = { .fd = w.upstream, .events = POLLIN };

	return poll(&p, 1, 100) == 0;
}

static void it_answers_from_whatever_address_was_asked(void **state)
{
	static const char *const servers[] = { "127.0.0.53", "8.8.8.8", "10.0.0.1", "2001:4860:4860::8888", "::1" };
	struct dns_result r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
		for (int tcp = 0; tcp < 2; tcp++) {
			AUTO(fd) int fd = client(servers[i], tcp ? SOCK_STREAM : SOCK_DGRAM);

			put(fd, "evil.test", 5, tcp);
			assert_int_equal(get(fd, "evil.test", 5, tcp, &r), DNS_NXDOMAIN);
		}
	}
	assert_true(upstream_is_silent());
}

static void only_names_below_a_suffix_are_asked_for_and_in_lower_case(void **state)
{
	struct dns_result r;
	struct dns_query q;

	(void)state;
	AUTO(fd) int fd = client("127.0.0.53", SOCK_DGRAM);
	put(fd, "secret.attacker.test", 1, false);
	assert_int_equal(get(fd, "secret.attacker.test", 1, false, &r), DNS_NXDOMAIN);
	put(fd, "Www.Example.Test", 2, false);
	hear(&q);
	assert_string_equal(q.name, "www.example.test");
	assert_int_equal(q.question[1], 'w');           /* as it is on the wire */
	say(&q, 7);
	assert_int_equal(get(fd, "www.example.test", 2, false, &r), 0);
	assert_int_equal(r.ip[0].ip[3], 7);
	assert_true(upstream_is_silent());
}

static void a_slow_server_delays_no_other_question(void **state)
{
	struct dns_result r;
	struct dns_query slow;
	struct dns_query fast;

	(void)state;
	AUTO(fd) int fd = client("127.0.0.53", SOCK_DGRAM);
	AUTO(fd) int stream = client("127.0.0.53", SOCK_STREAM);
	put(stream, "slow.example.test", 1, true);
	hear(&slow);
	struct sockaddr_in slow_from = w.from;
	put(fd, "fast.example.test", 2, false);
	hear(&fast);
	say(&fast, 2);
	assert_int_equal(get(fd, "fast.example.test", 2, false, &r), 0);
	put(fd, "api.test", 3, false);
	assert_int_equal(get(fd, "api.test", 3, false, &r), 0);
	w.from = slow_from;
	say(&slow, 1);
	assert_int_equal(get(stream, "slow.example.test", 1, true, &r), 0);
	assert_int_equal(r.ip[0].ip[3], 1);
}

static uint64_t cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static void without_a_descriptor_for_a_connection_it_answers_the_others_and_does_not_spin(void **state)
{
	struct rlimit before, low;
	struct dns_result r;

	(void)state;
	AUTO(fd) int fd = client("127.0.0.53", SOCK_DGRAM);
	const struct island_order order = { .domain = AF_INET, .type = SOCK_STREAM };
	AUTO(fd) int stream = island_socket(&w.home.island, &order);
	const struct timeval patience = { .tv_sec = 3 };
	struct sockaddr_storage name;
	socklen_t len = address("127.0.0.53", &name);
	assert_int_equal(setsockopt(stream, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
	int lowest = dup(fd);

	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = (rlim_t)lowest;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(connect(stream, (void *)&name, len), 0);
	put(stream, "api.test", 3, true);
	uint64_t start = cpu_time();
	usleep(500000);
	uint64_t used = cpu_time() - start;
	put(fd, "evil.test", 5, false);
	assert_int_equal(get(fd, "evil.test", 5, false, &r), DNS_NXDOMAIN);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(used < 100000000);
	assert_int_equal(get(stream, "api.test", 3, true, &r), 0);
}

static void what_does_not_fit_a_datagram_comes_over_tcp(void **state)
{
	struct dns_result r;

	(void)state;
	AUTO(fd) int fd = client("127.0.0.53", SOCK_DGRAM);
	put(fd, "api.test", 1, false);
	assert_int_equal(get(fd, "api.test", 1, false, &r), 0);
	assert_true(r.truncated);
	AUTO(fd) int stream = client("127.0.0.53", SOCK_STREAM);
	put(stream, "api.test", 1, true);
	assert_int_equal(get(stream, "api.test", 1, true, &r), 0);
	assert_int_equal(r.count, DNS_ADDRS_MAX);
}

static void one_connection_takes_many_questions(void **state)
{
	struct dns_result r;
	struct dns_query q;

	(void)state;
	AUTO(fd) int stream = client("127.0.0.53", SOCK_STREAM);
	put(stream, "a.example.test", 1, true);         /* waits for outside; the others wait for it */
	for (uint16_t i = 2; i < 40; i++)
		put(stream, "evil.test", i, true);
	hear(&q);
	say(&q, 9);
	assert_int_equal(get(stream, "a.example.test", 1, true, &r), 0);
	for (uint16_t i = 2; i < 40; i++)
		assert_int_equal(get(stream, "evil.test", i, true, &r), DNS_NXDOMAIN);
}

static void what_is_sent_to_another_port_is_told_of(void **state)
{
	static const struct { const char *to, *want; } rows[] = {
		{ "198.51.100.7", "198.51.100.7:123 (udp); --net-allow udp://198.51.100.7:123" },
		{ "2001:db8::7", "[2001:db8::7]:123 (udp); --net-allow udp://[2001:db8::7]:123" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sockaddr_storage name;
		socklen_t len = address(rows[i].to, &name);
		struct dns_result r;

		AUTO(fd) int fd = client(rows[i].to, SOCK_DGRAM);
		put(fd, "evil.test", 1, false);         /* and neither questions nor answers are */
		assert_int_equal(get(fd, "evil.test", 1, false, &r), DNS_NXDOMAIN);
		((struct sockaddr_in *)&name)->sin_port = htons(123);
		assert_int_equal(sendto(fd, "x", 1, 0, (void *)&name, len), 1);
		for (int tries = 0; tries < 300 && atomic_load(&tellings) <= i; tries++)
			usleep(10000);
		assert_int_equal(atomic_load(&tellings), i + 1);
		assert_string_equal(told[i], rows[i].want);
	}
}

static void a_silent_server_outside_is_a_failure_not_a_hang(void **state)
{
	struct dns_result r;

	(void)state;
	AUTO(fd) int fd = client("127.0.0.53", SOCK_DGRAM);
	put(fd, "a.example.test", 1, false);
	assert_int_equal(get(fd, "a.example.test", 1, false, &r), DNS_SERVFAIL);
}

static void more_questions_than_it_holds_are_answered_with_a_failure(void **state)
{
	struct dns_result r;
	struct dns_query q;
	char name[64];

	(void)state;
	AUTO(fd) int fd = client("127.0.0.53", SOCK_DGRAM);
	for (uint16_t i = 0; i < 16; i++) {
		snprintf(name, sizeof name, "n%u.example.test", i);
		put(fd, name, i, false);
		hear(&q);
	}
	put(fd, "one.example.test", 99, false);
	assert_int_equal(get(fd, "one.example.test", 99, false, &r), DNS_SERVFAIL);
	assert_true(upstream_is_silent());
}

static void rubbish_is_dropped_and_the_server_lives_on(void **state)
{
	static const uint8_t huge[2] = { 0xff, 0xff };
	uint8_t junk[600];
	struct dns_result r;
	char byte;

	(void)state;
	AUTO(fd) int fd = client("127.0.0.53", SOCK_DGRAM);
	for (size_t n = 0; n < sizeof junk; n++) {
		for (size_t i = 0; i < n; i++)
			junk[i] = (uint8_t)(rand() | (i == 2 ? 0x80 : 0));
		assert_true(send(fd, junk, n, 0) >= 0);
	}
	AUTO(fd) int stream = client("127.0.0.53", SOCK_STREAM);
	assert_int_equal(send(stream, huge, 2, 0), 2);
	assert_int_equal(recv(stream, &byte, 1, 0), 0);         /* hung up */
	put(fd, "evil.test", 7, false);
	assert_int_equal(get(fd, "evil.test", 7, false, &r), DNS_NXDOMAIN);
}

static void too_many_connections_push_out_the_oldest(void **state)
{
	int fd[NAMESERVER_CLIENTS + 4];
	struct dns_result r;
	char byte;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = client("127.0.0.53", SOCK_STREAM);
		put(fd[i], "evil.test", 1, true);
		assert_int_equal(get(fd[i], "evil.test", 1, true, &r), DNS_NXDOMAIN);
	}
	assert_int_equal(recv(fd[0], &byte, 1, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
}

static void stopping_does_not_wait_for_servers(void **state)
{
	struct dns_query q;

	(void)state;
	AUTO(fd) int fd = client("127.0.0.53", SOCK_DGRAM);
	w.servers.timeout_ns *= 100;
	put(fd, "a.example.test", 1, false);
	hear(&q);
	uint64_t before = sys_now();
	nameserver_stop(w.ns);
	w.ns = NULL;
	assert_true(sys_now() - before < 500000000);
}

static void plain_names_are_refreshed_without_an_island(void **state)
{
	struct dns_query q;
	const struct answers_setup setup = {
		.policy = &w.policy, .net = w.net, .openings = w.openings, .pins = pins, .pin_count = 1, .hosts = "/nonexistent",
	};

	(void)state;
	w.policy.dns_refresh = true;
	assert_int_equal(nameserver_start(&setup, &w.servers, NULL, &w.ns), 0);
	for (int i = 0; i < 2; i++) {
		hear(&q);
		assert_string_equal(q.name, "api.test");
	}
}

static void every_failure_of_the_start_leaves_nothing(void **state)
{
	int n;

	(void)state;
	for (n = 0; n < 100; n++) {
		int before = fault_open_fds();

		fault_arm(n);
		int rc = start_server();
		bool fired = fault_fired();
		if (rc == 0) {
			nameserver_stop(w.ns);
			w.ns = NULL;
		}
		assert_int_equal(fault_open_fds(), before);
		if (!fired)
			break;
	}
	assert_in_range(n, 8, 99);
}

#define RUNNING(f) cmocka_unit_test_setup_teardown(f, up_and_running, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUNNING(it_answers_from_whatever_address_was_asked),
		RUNNING(only_names_below_a_suffix_are_asked_for_and_in_lower_case),
		RUNNING(a_slow_server_delays_no_other_question),
		RUNNING(without_a_descriptor_for_a_connection_it_answers_the_others_and_does_not_spin),
		RUNNING(what_does_not_fit_a_datagram_comes_over_tcp),
		RUNNING(one_connection_takes_many_questions),
		RUNNING(what_is_sent_to_another_port_is_told_of),
		RUNNING(a_silent_server_outside_is_a_failure_not_a_hang),
		RUNNING(more_questions_than_it_holds_are_answered_with_a_failure),
		RUNNING(rubbish_is_dropped_and_the_server_lives_on),
		RUNNING(too_many_connections_push_out_the_oldest),
		RUNNING(stopping_does_not_wait_for_servers),
		cmocka_unit_test_setup_teardown(plain_names_are_refreshed_without_an_island, up, down),
		cmocka_unit_test_setup_teardown(every_failure_of_the_start_leaves_nothing, up, down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
