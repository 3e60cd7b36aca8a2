/* What the resolver answers: names of rules only, public addresses only, open for as long as was said. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "features/answers.h"

#define SECOND 1000000000ULL

static struct port_range https = { 443, 443 };

static struct net_rule rules[] = {
	{ .target = TARGET_SUFFIX, .name = (char[]){ "example.test" }, .ports = &https, .port_count = 1 },
	{ .target = TARGET_NAME, .name = (char[]){ "api.test" }, .ports = &https, .port_count = 1 },
	{ .target = TARGET_NET, .ip = { .family = ADDR_V4, .ip = { 10, 9 } }, .bits = 16 },
	{ .target = TARGET_NAME, .name = (char[]){ "evil.example.test" }, .deny = true },
	{ .proto = NET_UDP, .target = TARGET_NAME, .name = (char[]){ "udp.test" } },
};

static const struct net_pin pins[] = {
	{ "api.test", { .family = ADDR_V4, .ip = { 192, 0, 2, 1 } } },
	{ "api.test", { .family = ADDR_V6, .ip = { 0x20, 1, 0x0d, 0xb8, [15] = 1 } } },
	{ "udp.test", { .family = ADDR_V4, .ip = { 10, 0, 0, 1 } } },
};

struct world {
	struct policy policy;
	struct netmatch *net;
	struct openings *openings;
	struct answers *answers;
	unsigned refusals;
	char target[DNS_TEXT_MAX + 64];
	char flag[DNS_TEXT_MAX + 64];
};

static void note(void *sink, const struct refusal *refusal)
{
	struct world *w = sink;

	w->refusals++;
	assert_string_equal(refusal->operation, "resolve");
	assert_non_null(refusal->rule);
	snprintf(w->target, sizeof w->target, "%s", refusal->target);
	snprintf(w->flag, sizeof w->flag, "%s", refusal->flag ? refusal->flag : "");
}

static struct answers_setup setup_of(struct world *w, const char *hosts)
{
	return (struct answers_setup){
		.policy = &w->policy, .net = w->net, .openings = w->openings, .pins = pins,
		.pin_count = ARRAY_SIZE(pins), .hosts = hosts, .refuse = note, .sink = w,
	};
}

static void start(struct world *w, bool refresh, const char *hosts)
{
	*w = (struct world){
		.policy = {
			.net_rules = { .at = rules, .len = ARRAY_SIZE(rules) }, .dns_refresh = refresh, .frozen = true,
		},
	};
	assert_int_equal(netmatch_build(&w->policy, pins, refresh ? 0 : ARRAY_SIZE(pins), &w->net), 0);
	w->openings = openings_new();
	const struct answers_setup setup = setup_of(w, hosts);
	w->answers = answers_new(&setup);
	assert_non_null(w->answers);
}

static void end(struct world *w)
{
	answers_free(w->answers);
	openings_free(w->openings);
	netmatch_free(w->net);
}

static bool any(const char *name, void *arg)
{
	(void)name;
	(void)arg;
	return true;
}

static bool is_open(struct world *w, const uint8_t ip[4], uint64_t now)
{
	struct addr a = { .family = ADDR_V4 };

	memcpy(a.ip, ip, 4);
	return openings_find(w->openings, &a, now, any, NULL);
}

#define IP(...) (const uint8_t[4]){ __VA_ARGS__ }

static struct dns_query query(const char *name, uint16_t type)
{
	struct dns_query q = { .type = type, .class = 1, .is_host_name = true };

	snprintf(q.name, sizeof q.name, "%s", name);
	return q;
}

/* The rcode of a name that is answered at once, or -1: a server must be asked. */
static int ask(struct world *w, const char *name, uint16_t type, uint64_t now, struct answer *out)
{
	const struct dns_query q = query(name, type);

	return answers_find(w->answers, &q, now, out) ? out->rcode : -1;
}

static struct dns_result result_of(uint32_t ttl, size_t count, const uint8_t (*ip)[4])
{
	struct dns_result r = { .ttl = ttl, .count = count };

	for (size_t i = 0; i < count; i++) {
		r.ip[i].family = ADDR_V4;
		memcpy(r.ip[i].ip, ip[i], 4);
	}
	return r;
}

static void the_advice_has_the_ports_of_the_rules(void **state)
{
	static struct port_range web[] = { { 80, 80 }, { 8000, 8010 } };
	static const struct addr private = { .family = ADDR_V6, .ip = { 0xfd } };
	const struct dns_result r = { .rcode = DNS_NOERROR, .ttl = 60, .count = 1, .ip = { private } };
	struct net_rule http = { .target = TARGET_SUFFIX, .name = (char[]){ "d.test" }, .ports = web, .port_count = 2 };
	struct world w;
	struct answer a;

	(void)state;
	start(&w, false, "/nonexistent");
	end(&w);
	w.policy.net_rules.at = &http;
	w.policy.net_rules.len = 1;
	w.refusals = 0;
	assert_int_equal(netmatch_build(&w.policy, NULL, 0, &w.net), 0);
	w.openings = openings_new();
	const struct answers_setup setup = setup_of(&w, "/nonexistent");
	w.answers = answers_new(&setup);
	assert_int_equal(ask(&w, "x.test", DNS_A, 1, &a), DNS_NXDOMAIN);
	assert_string_equal(w.flag, "--net-allow x.test:80,8000-8010");
	answers_learn(w.answers, "a.d.test", DNS_AAAA, &r, 1, &a);
	assert_string_equal(w.flag, "--net-allow [fd00::]:80,8000-8010");
	end(&w);
}

static void a_name_of_no_rule_does_not_exist_and_is_reported(void **state)
{
	static const char *const names[] = { "evil.test", "example.test", "xexample.test", "api.test.evil.test", "xapi.test" };
	struct world w;
	struct answer a;

	(void)state;
	start(&w, false, "/nonexistent");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(ask(&w, names[i], DNS_A, 1, &a), DNS_NXDOMAIN);
		assert_int_equal(a.count, 0);
		assert_int_equal(w.refusals, i + 1);
		assert_string_equal(w.target, names[i]);
	}
	assert_string_equal(w.flag, "--net-allow xapi.test:443");
	end(&w);
}

static void a_name_below_a_suffix_is_looked_up(void **state)
{
	struct world w;
	struct answer a;

	(void)state;
	start(&w, false, "/nonexistent");
	assert_int_equal(ask(&w, "a.example.test", DNS_A, 1, &a), -1);
	assert_int_equal(ask(&w, "a.b.example.test", DNS_AAAA, 1, &a), -1);
	assert_int_equal(w.refusals, 0);
	end(&w);
}

static void only_addresses_are_asked_for(void **state)
{
	static const uint16_t types[] = { 2, 5, 6, 10, 12, 15, 16, 33, 64, 65, 255 };
	struct world w;
	struct answer a;

	(void)state;
	start(&w, false, "/nonexistent");
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		assert_int_equal(ask(&w, "a.example.test", types[i], 1, &a), DNS_NOERROR);
		assert_int_equal(a.count, 0);
	}
	end(&w);
}

static void strange_names_and_classes_never_leave(void **state)
{
	struct world w;
	struct answer a;

	(void)state;
	start(&w, false, "/nonexistent");
	struct dns_query q = query("a\\032b.example.test", DNS_A);
	q.is_host_name = false;
	assert_true(answers_find(w.answers, &q, 1, &a));
	assert_int_equal(a.rcode, DNS_NXDOMAIN);
	q = query("a.example.test", DNS_A);
	q.class = 3;
	assert_true(answers_find(w.answers, &q, 1, &a));
	assert_int_equal(a.rcode, DNS_NXDOMAIN);
	end(&w);
}

static void a_denied_name_does_not_resolve_below_a_suffix(void **state)
{
	struct world w;
	struct answer a;

	(void)state;
	start(&w, false, "/nonexistent");
	assert_int_equal(ask(&w, "evil.example.test", DNS_A, 1, &a), DNS_NXDOMAIN);
	assert_string_equal(w.flag, "");
	end(&w);
}

static void reverse_lookups_are_refused_without_a_word(void **state)
{
	struct world w;
	struct answer a;

	(void)state;
	start(&w, false, "/nonexistent");
	assert_int_equal(ask(&w, "1.2.0.192.in-addr.arpa", DNS_PTR, 1, &a), DNS_NXDOMAIN);
	assert_int_equal(w.refusals, 0);
	end(&w);
}

static void localhost_is_this_host(void **state)
{
	struct world w;
	struct answer a;

	(void)state;
	start(&w, false, "/nonexistent");
	assert_int_equal(ask(&w, "localhost", DNS_A, 1, &a), 0);
	assert_int_equal(a.ip[0].ip[0], 127);
	assert_int_equal(a.ttl, ANSWERS_TTL_PINNED);
	assert_false(is_open(&w, IP(127, 0, 0, 1), 2));
	end(&w);
}

static void a_plain_name_has_its_pinned_addresses(void **state)
{
	struct world w;
	struct answer a;

	(void)state;
	start(&w, false, "/nonexistent");
	assert_int_equal(ask(&w, "api.test", DNS_A, 1, &a), 0);
	assert_int_equal(a.count, 2);
	assert_int_equal(a.ttl, ANSWERS_TTL_PINNED);
	assert_int_equal(ask(&w, "udp.test", DNS_A, 1, &a), 0);
	assert_int_equal(a.count, 1);
	assert_false(is_open(&w, IP(192, 0, 2, 1), 2));         /* the matcher has it */
	end(&w);
}

static void an_answer_opens_its_addresses_for_its_time_and_a_little(void **state)
{
	static const struct { uint32_t ttl, told; } rows[] = { { 1, 5 }, { 60, 60 }, { 1000000, 3600 } };
	static const uint8_t ip[][4] = { { 192, 0, 2, 7 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world w;
		struct answer a;
		const struct dns_result r = result_of(rows[i].ttl, 1, ip);
		uint64_t now = 100 * SECOND;
		uint64_t end_ns = now + (rows[i].told + ANSWERS_GRACE) * SECOND;

		start(&w, false, "/nonexistent");
		answers_learn(w.answers, "a.example.test", DNS_A, &r, now, &a);
		assert_int_equal(a.rcode, 0);
		assert_int_equal(a.count, 1);
		assert_int_equal(a.ttl, rows[i].told);
		assert_true(is_open(&w, IP(192, 0, 2, 7), end_ns - 1));
		assert_false(is_open(&w, IP(192, 0, 2, 7), end_ns));
		/* It is remembered, and told with what is left. */
		assert_int_equal(ask(&w, "a.example.test", DNS_A, now + 2 * SECOND, &a), 0);
		assert_int_equal(a.ttl, rows[i].told - 2);
		assert_int_equal(ask(&w, "a.example.test", DNS_AAAA, now, &a), -1);
		assert_int_equal(ask(&w, "a.example.test", DNS_A, now + rows[i].told * SECOND, &a), -1);
		end(&w);
	}
}

static void a_public_name_does_not_lead_into_private_places(void **state)
{
	static const uint8_t ip[][4] = {
		{ 127, 0, 0, 1 }, { 10, 0, 0, 1 }, { 192, 168, 1, 1 }, { 169, 254, 169, 254 }, { 169, 254, 1, 1 },
		{ 0, 0, 0, 0 }, { 224, 0, 0, 1 }, { 100, 64, 0, 1 }, { 192, 0, 2, 7 },
	};
	struct world w;
	struct answer a;
	const struct dns_result r = result_of(60, ARRAY_SIZE(ip), ip);

	(void)state;
	start(&w, false, "/nonexistent");
	answers_learn(w.answers, "a.example.test", DNS_A, &r, 1, &a);
	assert_int_equal(a.count, 1);
	assert_int_equal(a.ip[0].ip[0], 192);
	assert_int_equal(a.ip[0].ip[3], 7);
	assert_int_equal(w.refusals, ARRAY_SIZE(ip) - 1);
	assert_string_equal(w.target, "a.example.test at 100.64.0.1");
	assert_string_equal(w.flag, "--net-allow 100.64.0.1:443");
	for (size_t i = 0; i + 1 < ARRAY_SIZE(ip); i++)
		assert_false(is_open(&w, ip[i], 2));
	end(&w);
}

static void private_ipv4_inside_ipv6_is_private_too(void **state)
{
	static const uint8_t ips[][16] = {
		{ 0x00, 0x64, 0xff, 0x9b, [12] = 10, 0, 0, 1 },
		{ 0x20, 0x02, 127, 0, 0, 1 },
		{ 0xfd, 1 },
		{ 0xfe, 0x80, [15] = 1 },
		{ [15] = 1 },
		{ 0 },
	};
	struct dns_result r = { .ttl = 60, .count = ARRAY_SIZE(ips) };
	struct world w;
	struct answer a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ips); i++) {
		r.ip[i].family = ADDR_V6;
		memcpy(r.ip[i].ip, ips[i], 16);
	}
	start(&w, false, "/nonexistent");
	answers_learn(w.answers, "a.example.test", DNS_AAAA, &r, 1, &a);
	assert_int_equal(a.count, 0);
	assert_int_equal(a.rcode, DNS_NOERROR);
	end(&w);
}

static void a_private_address_that_a_rule_grants_is_told_and_left_to_that_rule(void **state)
{
	static const uint8_t ip[][4] = { { 10, 9, 1, 1 } };
	struct world w;
	struct answer a;
	const struct dns_result r = result_of(60, 1, ip);

	(void)state;
	start(&w, false, "/nonexistent");
	answers_learn(w.answers, "a.example.test", DNS_A, &r, 1, &a);
	assert_int_equal(a.count, 1);
	assert_int_equal(w.refusals, 0);
	assert_false(is_open(&w, ip[0], 2));
	end(&w);
}

static void what_no_server_could_say_is_a_failure_and_not_remembered(void **state)
{
	struct world w;
	struct answer a;
	const struct dns_result none = { .rcode = DNS_NXDOMAIN };

	(void)state;
	start(&w, false, "/nonexistent");
	answers_learn(w.answers, "a.example.test", DNS_A, NULL, 1, &a);
	assert_int_equal(a.rcode, DNS_SERVFAIL);
	assert_int_equal(ask(&w, "a.example.test", DNS_A, 2, &a), -1);
	answers_learn(w.answers, "a.example.test", DNS_A, &none, 3, &a);
	assert_int_equal(ask(&w, "a.example.test", DNS_A, 4, &a), DNS_NXDOMAIN);
	assert_int_equal(ask(&w, "a.example.test", DNS_A, 4 + ANSWERS_TTL_NOTHING * SECOND, &a), -1);
	end(&w);
}

static void the_cache_is_bounded_and_forgets_what_ends_first(void **state)
{
	static const uint8_t ip[][4] = { { 192, 0, 2, 7 } };
	struct world w;
	struct answer a;
	char name[64];

	(void)state;
	start(&w, false, "/nonexistent");
	for (unsigned i = 0; i <= ANSWERS_CACHE; i++) {
		const struct dns_result r = result_of(i == 5 ? 50 : 100 + i, 1, ip);    /* the sixth ends first */

		snprintf(name, sizeof name, "n%u.example.test", i);
		answers_learn(w.answers, name, DNS_A, &r, 1, &a);
	}
	assert_int_equal(ask(&w, "n5.example.test", DNS_A, 2, &a), -1);
	assert_int_equal(ask(&w, "n0.example.test", DNS_A, 2, &a), 0);
	assert_int_equal(ask(&w, "n6.example.test", DNS_A, 2, &a), 0);
	assert_int_equal(ask(&w, name, DNS_A, 2, &a), 0);
	end(&w);
}

static void the_hosts_file_of_the_host_is_trusted_with_private_addresses(void **state)
{
	static const char text[] = "10.1.2.3 db.example.test\n127.0.0.1 lo.example.test\n192.0.2.9 evil.test\n";
	char path[] = "/tmp/test-answers-XXXXXX";
	int fd = mkstemp(path);
	struct world w;
	struct answer a;

	(void)state;
	assert_int_equal(fd_write_all(fd, text, sizeof text - 1), 0);
	close(fd);
	start(&w, false, path);
	assert_int_equal(ask(&w, "db.example.test", DNS_A, 1, &a), 0);
	assert_int_equal(a.count, 1);
	assert_int_equal(a.ttl, ANSWERS_TTL_PINNED);
	assert_true(is_open(&w, IP(10, 1, 2, 3), 2));
	assert_int_equal(ask(&w, "lo.example.test", DNS_A, 1, &a), 0);
	assert_int_equal(a.count, 0);
	assert_int_equal(ask(&w, "evil.test", DNS_A, 1, &a), DNS_NXDOMAIN);
	end(&w);
	unlink(path);
}

/* --- refreshing --- */

static void names_are_refreshed_when_their_time_is_over(void **state)
{
	static const uint8_t ip[][4] = { { 192, 0, 2, 55 } };
	const struct dns_result r = result_of(30, 1, ip);
	const struct dns_result none = { 0 };
	struct world w;
	struct answer a;
	uint64_t next;
	uint64_t now = sys_now();

	(void)state;
	start(&w, true, "/nonexistent");
	assert_true(is_open(&w, IP(192, 0, 2, 1), now));
	assert_string_equal(answers_due(w.answers, sys_now(), &next), "api.test");
	assert_string_equal(answers_due(w.answers, sys_now(), &next), "udp.test");
	assert_null(answers_due(w.answers, sys_now(), &next));
	assert_int_equal(next, UINT64_MAX);
	answers_refreshed(w.answers, "api.test", DNS_A, &r, now);
	assert_null(answers_due(w.answers, now + 1000 * SECOND, &next));        /* the other half is under way */
	answers_refreshed(w.answers, "api.test", DNS_AAAA, &none, now);
	assert_true(is_open(&w, IP(192, 0, 2, 55), now + 30 * SECOND));
	assert_true(is_open(&w, IP(192, 0, 2, 1), now + ANSWERS_REFRESH_RETRY * SECOND));
	assert_false(is_open(&w, IP(192, 0, 2, 1), now + (ANSWERS_REFRESH_RETRY + ANSWERS_GRACE) * SECOND));
	assert_int_equal(ask(&w, "api.test", DNS_A, now, &a), 0);
	assert_int_equal(a.count, 1);
	assert_int_equal(a.ip[0].ip[3], 55);
	assert_null(answers_due(w.answers, now, &next));
	assert_int_equal(next, now + 30 * SECOND);
	assert_string_equal(answers_due(w.answers, next, &next), "api.test");
	end(&w);
}

static void refreshes_that_fail_keep_the_old_addresses_for_a_while(void **state)
{
	struct world w;
	struct answer a;
	uint64_t next;

	(void)state;
	start(&w, true, "/nonexistent");
	uint64_t now = sys_now();
	uint64_t limit = now + ANSWERS_REFRESH_GRACE * SECOND;
	for (int i = 0; i < 60; i++) {
		const char *name = answers_due(w.answers, now, &next);

		assert_non_null(name);
		answers_refreshed(w.answers, name, DNS_A, NULL, now);
		answers_refreshed(w.answers, name, DNS_AAAA, NULL, now);
		assert_int_equal(is_open(&w, IP(192, 0, 2, 1), now), now < limit);
		now += (ANSWERS_REFRESH_RETRY + 1) * SECOND;
	}
	assert_int_equal(ask(&w, "api.test", DNS_A, now, &a), 0);       /* what is closed is told no more */
	assert_int_equal(a.count, 0);
	assert_int_equal(a.ttl, ANSWERS_TTL_NOTHING);
	end(&w);
}

static void a_refresh_may_bring_the_kinds_that_the_start_had_and_no_others(void **state)
{
	static const uint8_t ip[][4] = { { 10, 0, 0, 2 }, { 127, 0, 0, 1 }, { 169, 254, 169, 254 } };
	const struct dns_result r = result_of(30, 3, ip);
	struct world w;
	uint64_t now = sys_now();

	(void)state;
	start(&w, true, "/nonexistent");
	answers_refreshed(w.answers, "udp.test", DNS_A, &r, now);       /* was 10.0.0.1 */
	assert_true(is_open(&w, ip[0], now));
	assert_false(is_open(&w, ip[1], now));
	assert_false(is_open(&w, ip[2], now));
	end(&w);
	start(&w, true, "/nonexistent");
	answers_refreshed(w.answers, "api.test", DNS_A, &r, now);       /* was public */
	assert_false(is_open(&w, ip[0], now));
	answers_refreshed(w.answers, "never.test", DNS_A, &r, now);
	end(&w);
}

static void short_memory_is_null_and_nothing_lost(void **state)
{
	struct world w;
	int n;

	(void)state;
	start(&w, true, "/nonexistent");
	for (n = 0; n < 50; n++) {
		openings_free(w.openings);      /* so that each name is new to it */
		w.openings = openings_new();
		const struct answers_setup setup = setup_of(&w, "/nonexistent");
		fault_arm(n);
		struct answers *a = answers_new(&setup);
		bool fired = fault_fired();
		assert_int_equal(a == NULL, fired);
		answers_free(a);
		if (!fired)
			break;
	}
	assert_in_range(n, 5, 49);
	answers_free(NULL);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_of_no_rule_does_not_exist_and_is_reported),
		cmocka_unit_test(the_advice_has_the_ports_of_the_rules),
		cmocka_unit_test(a_name_below_a_suffix_is_looked_up),
		cmocka_unit_test(only_addresses_are_asked_for),
		cmocka_unit_test(strange_names_and_classes_never_leave),
		cmocka_unit_test(a_denied_name_does_not_resolve_below_a_suffix),
		cmocka_unit_test(reverse_lookups_are_refused_without_a_word),
		cmocka_unit_test(localhost_is_this_host),
		cmocka_unit_test(a_plain_name_has_its_pinned_addresses),
		cmocka_unit_test(an_answer_opens_its_addresses_for_its_time_and_a_little),
		cmocka_unit_test(a_public_name_does_not_lead_into_private_places),
		cmocka_unit_test(private_ipv4_inside_ipv6_is_private_too),
		cmocka_unit_test(a_private_address_that_a_rule_grants_is_told_and_left_to_that_rule),
		cmocka_unit_test(what_no_server_could_say_is_a_failure_and_not_remembered),
		cmocka_unit_test(the_cache_is_bounded_and_forgets_what_ends_first),
		cmocka_unit_test(the_hosts_file_of_the_host_is_trusted_with_private_addresses),
		cmocka_unit_test(names_are_refreshed_when_their_time_is_over),
		cmocka_unit_test(refreshes_that_fail_keep_the_old_addresses_for_a_while),
		cmocka_unit_test(a_refresh_may_bring_the_kinds_that_the_start_had_and_no_others),
		cmocka_unit_test(short_memory_is_null_and_nothing_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
