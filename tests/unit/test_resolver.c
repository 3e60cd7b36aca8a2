/* Which sockets are made on the island, and which are moved there. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_kernel.h"
#include "fault.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "confine/island.h"
#include "features/registry.h"
#include "features/resolver.h"

static struct port_range dns = { 53, 53 };
static struct port_range all = { 1, 65535 };

static struct net_rule rules[] = {
	{ .target = TARGET_SUFFIX, .name = (char[]){ "example.test" } },
	{ .target = TARGET_NET, .ip = { .family = ADDR_V4, .ip = { 192, 0, 2, 53 } }, .bits = 32,
	  .ports = &dns, .port_count = 1 },
	{ .target = TARGET_ANY, .ports = &all, .port_count = 1 },
};

static struct policy policy = { .net_rules = { .at = rules, .len = ARRAY_SIZE(rules) }, .frozen = true };

static struct world {
	struct island_home home;
	struct netmatch *net;
	struct openings *openings;
	void *state;
	struct fake fake;
} w;

static struct feature_env env(void)
{
	return (struct feature_env){
		.policy = &policy, .net = w.net, .openings = w.openings, .island = &w.home.island,
	};
}

static int up(void **state)
{
	(void)state;
	w = (struct world){ 0 };
	assert_int_equal(netmatch_build(&policy, NULL, 0, &w.net), 0);
	w.openings = openings_new();
	assert_int_equal(island_start(&w.home, 100, NULL), 0);
	const struct feature_env e = env();
	return feature_resolver.start(&e, &w.state, NULL);
}

static int down(void **state)
{
	(void)state;
	feature_resolver.stop(w.state);
	island_end(&w.home);
	openings_free(w.openings);
	netmatch_free(w.net);
	return 0;
}

static struct verdict make(int domain, int type, int protocol)
{
	const struct call call = FAKE_CALL(&w.fake, "socket", (uint64_t)domain, (uint64_t)type, (uint64_t)protocol);

	return fake_ask(&feature_resolver, w.state, &call);
}

static void a_datagram_socket_of_the_internet_is_one_of_the_island(void **state)
{
	static const struct { int domain, type, protocol, flags; } rows[] = {
		{ AF_INET, SOCK_DGRAM, 0, 0 },
		{ AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0, O_CLOEXEC },
		{ AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_UDP, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct verdict v = make(rows[i].domain, rows[i].type, rows[i].protocol);

		assert_int_equal(v.kind, V_GIVE_FD);
		assert_int_equal(v.fd_flags, rows[i].flags);
		close((int)v.value);
		assert_int_equal(w.fake.island_order[0], rows[i].domain);
		assert_int_equal(w.fake.island_order[1], rows[i].type & ~SOCK_CLOEXEC);
		assert_int_equal(w.fake.island_order[2], IPPROTO_UDP);
	}
}

static void other_sockets_are_not_its_own(void **state)
{
	(void)state;
	assert_int_equal(make(AF_UNIX, SOCK_DGRAM, 0).kind, V_NEXT);
	assert_int_equal(make(AF_INET, SOCK_STREAM, 0).kind, V_NEXT);
	struct verdict v = make(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	assert_int_equal(v.kind, V_ERRNO);
	assert_int_equal(v.value, EPROTONOSUPPORT);
	assert_int_equal(w.fake.refusals, 1);
	assert_string_equal(w.fake.rule, "no rule allows ping");
}

static void ping_is_the_kernels_where_rules_allow_it(void **state)
{
	(void)state;
	policy.net_facts.protos[NET_ICMP] = true;
	assert_int_equal(make(AF_INET, SOCK_DGRAM, IPPROTO_ICMP).kind, V_NEXT);
	assert_int_equal(make(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6).kind, V_NEXT);
	assert_int_equal(make(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE).kind, V_ERRNO);
	policy.net_facts.protos[NET_ICMP] = false;
}

static void without_an_island_there_is_no_datagram_socket(void **state)
{
	static const struct { int fail, domain, says; } rows[] = {
		{ -EAFNOSUPPORT, AF_INET, EPERM },
		{ -EAFNOSUPPORT, AF_INET6, EAFNOSUPPORT },      /* programs go on with IPv4 then */
		{ -EMFILE, AF_INET, EMFILE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		w.fake.fail = rows[i].fail;
		struct verdict v = make(rows[i].domain, SOCK_DGRAM, 0);
		assert_int_equal(v.kind, V_ERRNO);
		assert_int_equal(v.value, rows[i].says);
	}
	assert_int_equal(w.fake.refusals, 1);
	assert_string_equal(w.fake.target, "a UDP socket");
}

static void it_is_there_where_rules_have_names_of_either_kind(void **state)
{
	struct policy p = { 0 };

	(void)state;
	assert_false(resolver_wanted(&p));
	p.net_facts.names = true;
	assert_true(resolver_wanted(&p));
	p.no_supervisor = true;
	assert_false(resolver_wanted(&p));
	p = (struct policy){ .net_facts.suffixes = true };
	assert_true(resolver_wanted(&p));
}

static struct sockaddr_in to(uint32_t ip, unsigned port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(ip),
	};
}

/* How often a call with this address moved its socket; the verdict is always left to others. */
static unsigned moves(const char *syscall, int arg, const struct sockaddr_in *name)
{
	struct call call = FAKE_CALL(&w.fake, syscall, 5, 1, 1, 1, 1, 16);

	w.fake.moves = 0;
	fake_bytes(&call, arg, name, sizeof *name);
	assert_int_equal(fake_ask(&feature_resolver, w.state, &call).kind, V_NEXT);
	return w.fake.moves;
}

static void a_socket_that_asks_a_name_server_is_moved(void **state)
{
	const struct sockaddr_in server = to(0x08080808, 53);
	const struct sockaddr_in granted = to(0xc0000235, 53);
	const struct sockaddr_in tls = to(0x08080808, 853);

	(void)state;
	assert_int_equal(moves("connect", 1, &server), 1);
	assert_int_equal(moves("sendto", 4, &server), 1);
	assert_int_equal(moves("connect", 1, &granted), 0);
	assert_int_equal(moves("sendto", 4, &granted), 0);
	assert_int_equal(moves("connect", 1, &tls), 0);
	w.fake.fail = -EMFILE;                          /* then the destination is judged */
	assert_int_equal(moves("connect", 1, &server), 1);
}

static void a_message_to_a_name_server_moves_its_socket(void **state)
{
	/* The fake has one memory: these bytes are the head of a msghdr, and where its name leads to. */
	static const unsigned char head[16] = { AF_INET, 0, 0, 53, 8, 8, 8, 8, 16 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "sendmmsg" : "sendmsg";
		struct call call = FAKE_CALL(&w.fake, name, 5, 4096, 1, 0);

		memcpy(w.fake.memory, head, sizeof head);
		w.fake.moves = 0;
		assert_int_equal(fake_ask(&feature_resolver, w.state, &call).kind, V_NEXT);
		assert_int_equal(w.fake.moves, 1);
		w.fake.memory[3] = 80;
		assert_int_equal(fake_ask(&feature_resolver, w.state, &call).kind, V_NEXT);
		assert_int_equal(w.fake.moves, 1);
		w.fake.memory[3] = 53;
		w.fake.memory[8] = 0;                   /* no name */
		assert_int_equal(fake_ask(&feature_resolver, w.state, &call).kind, V_NEXT);
		assert_int_equal(w.fake.moves, 1);
	}
}

static void only_rules_that_mean_dns_let_it_leave(void **state)
{
	static const struct {
		int rule;
		bool allowed, leaves;
	} rows[] = {
		{ 0, true, false }, { 1, true, true }, { 2, true, false },
		{ -1, true, false }, { 1, false, false }, { 9, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct net_decision d = { .allowed = rows[i].allowed, .rule = rows[i].rule };

		assert_int_equal(resolver_leaves(&policy, &d), rows[i].leaves);
	}
	rules[2].ports = &dns;
	assert_true(resolver_leaves(&policy, &(struct net_decision){ .allowed = true, .rule = 2 }));
	const int target = rules[0].target;
	rules[0].target = TARGET_NET;           /* the first rule counts like any other */
	assert_true(resolver_leaves(&policy, &(struct net_decision){ .allowed = true, .rule = 0 }));
	rules[0].target = target;
	rules[2].ports = &all;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_datagram_socket_of_the_internet_is_one_of_the_island, up, down),
		cmocka_unit_test_setup_teardown(other_sockets_are_not_its_own, up, down),
		cmocka_unit_test_setup_teardown(ping_is_the_kernels_where_rules_allow_it, up, down),
		cmocka_unit_test_setup_teardown(without_an_island_there_is_no_datagram_socket, up, down),
		cmocka_unit_test(it_is_there_where_rules_have_names_of_either_kind),
		cmocka_unit_test_setup_teardown(a_socket_that_asks_a_name_server_is_moved, up, down),
		cmocka_unit_test_setup_teardown(a_message_to_a_name_server_moves_its_socket, up, down),
		cmocka_unit_test_setup_teardown(only_rules_that_mean_dns_let_it_leave, up, down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
