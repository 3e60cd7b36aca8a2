/* The DNS client against a server that the test plays itself, message by message. */
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
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/lookup.h"
#include "base/mem.h"
#include "base/sys.h"

#define MS 1000000ULL

/* One server: the same port for UDP and TCP. */
struct server {
	int udp;
	int tcp;
	struct sockaddr_in client;
	struct dns_query q;
};

static const struct addr ip_1 = { .family = ADDR_V4, .ip = { 192, 0, 2, 1 } };

/* Both sockets on one free port, *me. False: somebody has that of TCP. */
static bool open_server(struct server *s, struct sockaddr_in *me)
{
	socklen_t len = sizeof *me;

	*me = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	*s = (struct server){ .udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) };
	assert_int_equal(bind(s->udp, (void *)me, sizeof *me), 0);
	assert_int_equal(getsockname(s->udp, (void *)me, &len), 0);
	s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(s->tcp, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	return bind(s->tcp, (void *)me, sizeof *me) == 0 && listen(s->tcp, 4) == 0;
}

static void close_server(struct server *s)
{
	close(s->udp);
	close(s->tcp);
}

static struct server serve(struct lookup_servers *list)
{
	struct sockaddr_in me;
	struct server s;

	for (int tries = 0; !open_server(&s, &me); tries++) {
		close_server(&s);
		assert_in_range(tries, 0, 100);
	}
	list->attempts = 1;
	list->timeout_ns = 60000 * MS;          /* a busy machine is no silent server */
	list->at[list->count++] = (struct addr){
		.family = ADDR_V4, .ip = { 127, 0, 0, 1 }, .port = ntohs(me.sin_port),
	};
	return s;
}

static void hear(struct server *s)
{
	uint8_t msg[600];
	socklen_t len = sizeof s->client;
	struct pollfd p = { .fd = s->udp, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 2000), 1);
	ssize_t n = recvfrom(s->udp, msg, sizeof msg, 0, (void *)&s->client, &len);
	assert_true(n > 0);
	assert_int_equal(dns_parse_query(msg, (size_t)n, &s->q), 0);
	assert_int_equal(s->q.rcode, 0);
}

static void say(struct server *s, const struct dns_reply *reply, unsigned flags)
{
	uint8_t msg[DNS_UDP_MIN];
	size_t n = dns_build_reply(&s->q, reply, msg, sizeof msg);

	msg[2] |= (uint8_t)(flags >> 8);
	assert_int_equal(sendto(s->udp, msg, n, 0, (void *)&s->client, sizeof s->client), n);
}

static int step(struct lookup *l)
{
	struct pollfd p = { .fd = l->fd, .events = l->events };

	poll(&p, 1, 20);
	return lookup_step(l);
}

static int until_end(struct lookup *l)
{
	int rc = 0;

	for (int i = 0; i < 100 && rc == 0; i++)
		rc = step(l);
	return rc;
}

/* --- a question to one server --- */

struct asked {
	struct lookup_servers list;
	struct server s;
	struct lookup l;
};

static int ask_one(void **state)
{
	static struct asked asked;

	asked = (struct asked){ 0 };
	asked.s = serve(&asked.list);
	*state = &asked;
	return lookup_start(&asked.l, &asked.list, "a.test", DNS_A);
}

static int close_one(void **state)
{
	struct asked *a = *state;

	lookup_fini(&a->l);
	close_server(&a->s);
	return 0;
}

static void an_answer_ends_the_question(void **state)
{
	struct asked *a = *state;

	hear(&a->s);
	assert_string_equal(a->s.q.name, "a.test");
	assert_true(a->s.q.wants_recursion);
	assert_int_equal(lookup_step(&a->l), 0);
	say(&a->s, &(struct dns_reply){ .ttl = 9, .ip = &ip_1, .count = 1 }, 0);
	assert_int_equal(step(&a->l), 1);
	assert_int_equal(a->l.result.count, 1);
	assert_int_equal(a->l.result.ttl, 9);
	assert_memory_equal(a->l.result.ip[0].ip, ip_1.ip, 16);
	assert_int_equal(a->l.fd, -1);
}

static void no_such_name_is_an_answer(void **state)
{
	struct asked *a = *state;

	hear(&a->s);
	say(&a->s, &(struct dns_reply){ .rcode = DNS_NXDOMAIN }, 0);
	assert_int_equal(step(&a->l), 1);
	assert_int_equal(a->l.result.rcode, DNS_NXDOMAIN);
}

static void an_answer_with_another_id_is_waited_past(void **state)
{
	struct asked *a = *state;

	hear(&a->s);
	a->s.q.id++;
	say(&a->s, &(struct dns_reply){ .ip = &(struct addr){ .family = ADDR_V4, .ip = { 6, 6, 6, 6 } }, .count = 1 }, 0);
	assert_int_equal(step(&a->l), 0);
	a->s.q.id--;
	say(&a->s, &(struct dns_reply){ .ip = &ip_1, .count = 1 }, 0);
	assert_int_equal(step(&a->l), 1);
	assert_int_equal(a->l.result.ip[0].ip[0], 192);
}

static void the_next_server_is_asked_when_one_cannot_help(void **state)
{
	static const unsigned useless[] = { DNS_SERVFAIL, DNS_REFUSED, DNS_NOTIMP, DNS_FORMERR };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct lookup_servers list = { 0 };
		struct server first = serve(&list);
		struct server second = serve(&list);
		struct lookup l;

		assert_int_equal(lookup_start(&l, &list, "a.test", DNS_A), 0);
		hear(&first);
		say(&first, &(struct dns_reply){ .rcode = (uint8_t)useless[i] }, 0);
		assert_int_equal(step(&l), 0);
		hear(&second);
		say(&second, &(struct dns_reply){ .ip = &ip_1, .count = 1 }, 0);
		assert_int_equal(step(&l), 1);
		close_server(&first);
		close_server(&second);
	}
}

static void a_silent_server_is_given_up_after_its_time(void **state)
{
	struct lookup_servers list = { 0 };
	struct server first = serve(&list);
	struct server second = serve(&list);
	struct lookup l;

	(void)state;
	list.timeout_ns = 60 * MS;
	assert_int_equal(lookup_start(&l, &list, "a.test", DNS_A), 0);
	hear(&first);
	for (int i = 0; i < 10 && l.tries == 1; i++)
		assert_int_equal(step(&l), 0);
	hear(&second);
	assert_int_equal(until_end(&l), -ETIMEDOUT);
	assert_int_equal(l.fd, -1);
	close_server(&first);
	close_server(&second);
}

static void a_port_without_a_server_is_passed_over_at_once(void **state)
{
	struct lookup_servers list = { 0 };
	struct server first = serve(&list);
	struct server second = serve(&list);
	struct lookup l;

	(void)state;
	close(first.udp);
	assert_int_equal(lookup_start(&l, &list, "a.test", DNS_A), 0);
	assert_int_equal(step(&l), 0);
	hear(&second);
	say(&second, &(struct dns_reply){ .ip = &ip_1, .count = 1 }, 0);
	assert_int_equal(step(&l), 1);
	close(first.tcp);
	close_server(&second);
}

static void a_truncated_answer_is_asked_for_over_tcp(void **state)
{
	struct asked *a = *state;
	struct addr many[40];
	uint8_t msg[2 + DNS_UDP_MAX];

	for (size_t i = 0; i < 40; i++)
		many[i] = (struct addr){ .family = ADDR_V4, .ip = { 192, 0, 2, (uint8_t)i } };
	hear(&a->s);
	say(&a->s, &(struct dns_reply){ .ip = many, .count = 40 }, 0);
	assert_int_equal(step(&a->l), 0);
	assert_true(a->l.tcp);
	AUTO(fd) int peer = accept(a->s.tcp, NULL, NULL);
	assert_int_equal(step(&a->l), 0);
	uint8_t asked[100];
	ssize_t n = recv(peer, asked, sizeof asked, 0);
	assert_true(n > 2 && asked[0] == 0 && asked[1] == n - 2);
	assert_int_equal(dns_parse_query(asked + 2, (size_t)n - 2, &a->s.q), 0);
	size_t len = dns_build_reply(&a->s.q, &(struct dns_reply){ .ip = many, .count = 40 }, msg + 2, DNS_UDP_MAX);
	msg[0] = (uint8_t)(len >> 8);
	msg[1] = (uint8_t)len;
	for (size_t at = 0; at < len + 2; at += 97) {           /* in pieces */
		size_t piece = len + 2 - at < 97 ? len + 2 - at : 97;

		assert_int_equal(send(peer, msg + at, piece, 0), piece);
		assert_int_equal(step(&a->l), at + piece == len + 2);
	}
	assert_int_equal(a->l.result.count, DNS_ADDRS_MAX);
}

static void a_tcp_peer_that_hangs_up_is_no_answer(void **state)
{
	struct asked *a = *state;

	hear(&a->s);
	say(&a->s, &(struct dns_reply){ 0 }, 0x0200);
	assert_int_equal(step(&a->l), 0);
	int peer = accept(a->s.tcp, NULL, NULL);
	assert_int_equal(step(&a->l), 0);
	close(peer);
	assert_int_equal(until_end(&a->l), -EREMOTEIO);
}

static void names_without_a_form_on_the_wire_are_refused(void **state)
{
	struct lookup_servers list = { 0 };
	struct server s = serve(&list);
	struct lookup l;
	char long_name[400];

	(void)state;
	memset(long_name, 'a', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = '\0';
	assert_int_equal(lookup_start(&l, &list, "a..test", DNS_A), -EINVAL);
	assert_int_equal(lookup_start(&l, &list, long_name, DNS_A), -EINVAL);
	lookup_fini(&l);
	close_server(&s);
}

/* --- files --- */

static const char *file_of(const char *text)
{
	static char path[] = "/tmp/test-lookup-XXXXXX";

	memcpy(path + sizeof path - 7, "XXXXXX", 6);
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
	return path;
}

static void name_servers_are_read(void **state)
{
	struct lookup_servers list;
	const char *path = file_of("# comment\nsearch corp.test\nnameserver 192.0.2.53\n nameserver\tfe80::1%2 \n"
				   "nameserver nonsense\nnameserver fe80::1%nosuchif\nnameserver 2001:db8::1\r\n"
				   "nameserver 192.0.2.54\noptions timeout:2 rotate attempts:99");

	(void)state;
	lookup_servers_read(path, &list);
	unlink(path);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.at[0].family, ADDR_V4);
	assert_int_equal(list.at[0].port, 53);
	assert_int_equal(list.at[1].scope, 2);
	assert_int_equal(list.at[2].family, ADDR_V6);
	assert_int_equal(list.timeout_ns, 2000 * MS);
	assert_int_equal(list.attempts, 5);
	assert_string_equal(list.search, " corp.test");
	assert_int_equal(list.ndots, -1);
}

static void search_domains_are_read_as_far_as_they_are_names(void **state)
{
	struct lookup_servers list;
	const char *path = file_of("domain old.test\nsearch a.test b\"ad.test b.test 3 4 5 6 7\r\noptions ndots:99\n");

	(void)state;
	lookup_servers_read(path, &list);
	unlink(path);
	assert_string_equal(list.search, " a.test b.test 3 4 5 6");
	assert_int_equal(list.ndots, 15);
}

static void without_a_file_this_host_is_asked(void **state)
{
	struct lookup_servers list;

	(void)state;
	lookup_servers_read("/nonexistent", &list);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.at[0].ip[0], 127);
	assert_int_equal(list.attempts, 2);
}

static void the_hosts_file_is_read(void **state)
{
	struct dns_result r;
	const char *path = file_of("127.0.0.1 localhost # me.test\n192.0.2.7\tME.test other.test\n2001:db8::7 me.test\n"
				   "nonsense me.test\n192.0.2.9 me.test.more #\n\n192.0.2.8 you.test");

	(void)state;
	assert_true(lookup_hosts(path, "me.test", &r));
	assert_int_equal(r.count, 2);
	assert_int_equal(r.ip[0].ip[3], 7);
	assert_int_equal(r.ip[1].family, ADDR_V6);
	assert_true(lookup_hosts(path, "you.test", &r));
	assert_int_equal(r.ip[0].ip[3], 8);
	assert_false(lookup_hosts(path, "192.0.2.7", &r));
	assert_false(lookup_hosts(path, "", &r));
	unlink(path);
	assert_false(lookup_hosts("/nonexistent", "me.test", &r));
}

static void every_failure_of_a_question_ends_it_or_moves_on(void **state)
{
	int n;

	(void)state;
	for (n = 0; n < 100; n++) {
		struct lookup_servers list = { 0 };
		struct server s = serve(&list);
		struct lookup l;
		int before = fault_open_fds();

		fault_arm(n);
		int rc = lookup_start(&l, &list, "a.test", DNS_A);
		if (rc == 0) {
			fault_disarm();
			hear(&s);
			say(&s, &(struct dns_reply){ 0 }, 0x0200);
			fault_arm(n - 4);
			rc = lookup_step(&l);
			for (int i = 0; i < 20 && rc == 0 && l.fd >= 0; i++)
				rc = lookup_step(&l);
		}
		bool fired = fault_fired();
		lookup_fini(&l);
		assert_int_equal(fault_open_fds(), before);
		close_server(&s);
		if (n > 4 && !fired)
			break;
		if (fired)
			assert_true(rc <= 0);
	}
	assert_in_range(n, 8, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_ends_the_question, ask_one, close_one),
		cmocka_unit_test_setup_teardown(no_such_name_is_an_answer, ask_one, close_one),
		cmocka_unit_test_setup_teardown(an_answer_with_another_id_is_waited_past, ask_one, close_one),
		cmocka_unit_test(the_next_server_is_asked_when_one_cannot_help),
		cmocka_unit_test(a_silent_server_is_given_up_after_its_time),
		cmocka_unit_test(a_port_without_a_server_is_passed_over_at_once),
		cmocka_unit_test_setup_teardown(a_truncated_answer_is_asked_for_over_tcp, ask_one, close_one),
		cmocka_unit_test_setup_teardown(a_tcp_peer_that_hangs_up_is_no_answer, ask_one, close_one),
		cmocka_unit_test(names_without_a_form_on_the_wire_are_refused),
		cmocka_unit_test(name_servers_are_read),
		cmocka_unit_test(search_domains_are_read_as_far_as_they_are_names),
		cmocka_unit_test(without_a_file_this_host_is_asked),
		cmocka_unit_test(the_hosts_file_is_read),
		cmocka_unit_test(every_failure_of_a_question_ends_it_or_moves_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
