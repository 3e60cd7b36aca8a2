/* Judging destinations: against rows a person wrote, and against a model that asks every rule in turn. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "fault.h"

#include "base/mem.h"
#include "policy/netmatch.h"

struct pins {
	struct net_pin at[64];
	size_t len;
};

static struct addr address(const char *text, uint16_t port)
{
	struct addr a;

	if (addr_parse(view_of(text), &a) < 0)
		fail_msg("'%s' is no address", text);
	a.port = port;
	return a;
}

/* Rules between blanks; a '!' in front denies. */
static struct policy *policy_of(const char *rules)
{
	struct policy *p = policy_new();
	struct view rest = view_of(rules);
	bool more = *rules;

	while (more) {
		struct view one = view_cut(&rest, ' ', &more);
		bool deny = one.ptr[0] == '!';
		AUTO(free) char *text = mem_strndup(one.ptr + deny, one.len - deny);

		assert_int_equal(policy_add(p, deny ? "network.deny" : "network.allow", text, "--test", NULL), 0);
	}
	assert_int_equal(policy_freeze(p, NULL), 0);
	return p;
}

static struct netmatch *matcher_of(const struct policy *p, const struct pins *pins)
{
	struct netmatch *m = NULL;

	assert_int_equal(netmatch_build(p, pins ? pins->at : NULL, pins ? pins->len : 0, &m), 0);
	return m;
}

struct row {
	const char *rules;
	enum net_proto proto;
	const char *ip;
	uint16_t port;
	bool allowed;
	int rule;
};

static void destinations_are_judged_as_documented(void **state)
{
	static const struct row rows[] = {
		{ "", NET_TCP, "192.0.2.1", 443, false, -1 },
		{ "tcp://192.0.2.1:443", NET_TCP, "192.0.2.1", 443, true, 0 },
		{ "tcp://192.0.2.1:443", NET_TCP, "192.0.2.1", 80, false, -1 },
		{ "tcp://192.0.2.1:443", NET_UDP, "192.0.2.1", 443, false, -1 },
		{ "tcp://192.0.2.1:443", NET_TCP, "192.0.2.2", 443, false, -1 },
		{ "192.0.2.1:443", NET_UDP, "192.0.2.1", 443, true, 1 },
		{ "tcp://192.0.2.0/24", NET_TCP, "192.0.2.255", 1, true, 0 },
		{ "tcp://192.0.2.0/24", NET_TCP, "::ffff:192.0.2.255", 1, true, 0 },
		{ "tcp://:443 tcp://192.0.2.1", NET_TCP, "192.0.2.1", 443, true, 0 },
		{ "tcp://:443 tcp://192.0.2.1", NET_TCP, "192.0.2.1", 80, true, 1 },
		{ "tcp://:443", NET_TCP, "2001:db8::1", 443, true, 0 },
		{ "tcp://0.0.0.0/0", NET_TCP, "2001:db8::1", 443, false, -1 },
		{ "icmp://192.0.2.1", NET_ICMP, "192.0.2.1", 0, true, 0 },
		{ "icmp://192.0.2.1", NET_ICMP, "192.0.2.1", 7777, true, 0 },
		{ "tcp://* !tcp://10.0.0.0/8", NET_TCP, "10.1.2.3", 80, false, 1 },
		{ "tcp://* !tcp://10.0.0.0/8", NET_TCP, "11.1.2.3", 80, true, 0 },
		{ "tcp://10.1.2.3 !tcp://10.0.0.0/8:80", NET_TCP, "10.1.2.3", 80, false, 1 },
		{ "tcp://10.1.2.3 !tcp://10.0.0.0/8:80", NET_TCP, "10.1.2.3", 81, true, 0 },
		{ "!10.0.0.0/8", NET_TCP, "10.1.2.3", 80, false, 0 },
		{ "!10.0.0.0/8", NET_UDP, "10.1.2.3", 80, false, 1 },
		{ "!10.0.0.0/8", NET_TCP, "192.0.2.1", 80, true, -1 },
		{ "!10.0.0.0/8", NET_ICMP, "10.1.2.3", 0, true, -1 },
		{ "!udp", NET_TCP, "192.0.2.1", 80, false, -1 },
		/* one address in several spellings */
		{ "tcp://* !tcp://10.0.0.0/8", NET_TCP, "64:ff9b::10.1.2.3", 80, false, 1 },
		{ "tcp://* !tcp://10.0.0.0/8", NET_TCP, "2002:a01:203::1", 80, false, 1 },
		{ "tcp://10.0.0.0/8", NET_TCP, "64:ff9b::10.1.2.3", 80, false, -1 },
		{ "tcp://* !tcp://[64:ff9b::/96]:80", NET_TCP, "10.1.2.3", 80, true, 0 },
		/* metadata services */
		{ "tcp://*", NET_TCP, "169.254.169.254", 80, false, -1 },
		{ "tcp://:80", NET_TCP, "169.254.169.254", 80, false, -1 },
		{ "tcp://0.0.0.0/0", NET_TCP, "169.254.169.254", 80, false, -1 },
		{ "tcp://0.0.0.0/1 tcp://128.0.0.0/1", NET_TCP, "169.254.169.254", 80, false, -1 },
		{ "tcp://* tcp://169.254.169.254:80", NET_TCP, "169.254.169.254", 80, true, 1 },
		{ "tcp://169.254.0.0/16", NET_TCP, "169.254.169.254", 80, true, 0 },
		{ "!10.0.0.0/8", NET_TCP, "169.254.169.254", 80, false, -1 },
		{ "*", NET_TCP, "64:ff9b::a9fe:a9fe", 80, false, -1 },
		{ "*", NET_TCP, "fd00:ec2::254", 80, false, -1 },
		{ "*", NET_TCP, "169.254.169.253", 80, true, 0 },
		/* port zero is reached by rules for every port only */
		{ "tcp://:1-65535", NET_TCP, "192.0.2.1", 0, false, -1 },
		{ "tcp://*", NET_TCP, "192.0.2.1", 0, true, 0 },
		{ "tcp://:1-65535", NET_TCP, "192.0.2.1", 65535, true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy *p = policy_of(rows[i].rules);
		struct netmatch *m = matcher_of(p, NULL);
		const struct addr to = address(rows[i].ip, rows[i].port);
		const struct net_decision d = netmatch_decide(m, rows[i].proto, &to);

		if (d.allowed != rows[i].allowed || d.rule != rows[i].rule)
			fail_msg("'%s', %s %u: %d by %d", rows[i].rules, rows[i].ip, rows[i].port, d.allowed, d.rule);
		netmatch_free(m);
		policy_free(p);
	}
}

static void nothing_is_decided_about_no_address(void **state)
{
	struct policy *p = policy_of("*");
	struct netmatch *m = matcher_of(p, NULL);

	(void)state;
	assert_false(netmatch_decide(m, NET_TCP, &(struct addr){ .port = 80 }).allowed);
	netmatch_free(m);
	policy_free(p);
}

static void pinned_addresses_carry_their_name(void **state)
{
	struct policy *p = policy_of("tcp://a.test:443 tcp://b.test:80 !tcp://192.0.2.9");
	const struct pins pins = {
		{ { "a.test", address("192.0.2.1", 0) }, { "a.test", address("2001:db8::1", 0) },
		  { "b.test", address("192.0.2.1", 0) }, { "a.test", address("192.0.2.9", 0) },
		  { "a.test", address("169.254.169.254", 0) }, { "unknown.test", address("192.0.2.5", 0) } }, 6
	};
	static const struct {
		const char *ip;
		uint16_t port;
		bool allowed;
		const char *name;
	} rows[] = {
		{ "192.0.2.1", 443, true, "a.test" }, { "192.0.2.1", 80, true, "b.test" }, { "192.0.2.1", 81, false, NULL },
		{ "2001:db8::1", 443, true, "a.test" }, { "2001:db8::1", 80, false, NULL }, { "192.0.2.9", 443, false, NULL },
		{ "169.254.169.254", 443, false, NULL }, { "192.0.2.5", 443, false, NULL },
	};
	struct netmatch *m = matcher_of(p, &pins);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct addr to = address(rows[i].ip, rows[i].port);
		const struct net_decision d = netmatch_decide(m, NET_TCP, &to);

		assert_int_equal(d.allowed, rows[i].allowed);
		assert_int_equal(d.name != NULL, rows[i].name != NULL);
		if (d.name)
			assert_string_equal(d.name, rows[i].name);
	}
	netmatch_free(m);
	policy_free(p);
}

static void whose_address_it_is_does_not_depend_on_port_and_protocol(void **state)
{
	struct policy *p = policy_of("tcp://a.test:443 udp://b.test:7 tcp://192.0.2.9:443");
	const struct pins pins = {
		{ { "a.test", address("192.0.2.1", 0) }, { "b.test", address("2001:db8::1", 0) },
		  { "b.test", address("192.0.2.2", 0) } }, 3
	};
	struct netmatch *m = matcher_of(p, &pins);
	static const struct {
		const char *ip;
		const char *name;
	} rows[] = {
		{ "192.0.2.1", "a.test" }, { "192.0.2.2", "b.test" }, { "2001:db8::1", "b.test" }, { "192.0.2.9", NULL },
		{ "2001:db8::2", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct addr ip = address(rows[i].ip, 12345);
		const char *name = netmatch_name_of(m, &ip);

		assert_string_equal(name ? name : "", rows[i].name ? rows[i].name : "");
	}
	assert_null(netmatch_name_of(m, &(struct addr){ 0 }));
	netmatch_free(m);
	policy_free(p);
}

static void names_are_found_whole_and_by_their_domain(void **state)
{
	struct policy *p = policy_of("tcp://a.test:443 tcp://*.example.com:443,80 udp://*.com:53 tcp://www.example.com:80");
	static const struct {
		enum net_proto proto;
		const char *name;
		unsigned port;
		int rule;
	} rows[] = {
		{ NET_TCP, "a.test", 443, 0 }, { NET_TCP, "A.Test.", 443, 0 }, { NET_TCP, "a.test", 80, -1 },
		{ NET_TCP, "a.test", 0, 0 }, { NET_UDP, "a.test", 443, -1 }, { NET_TCP, "b.a.test", 443, -1 },
		{ NET_TCP, "x.example.com", 443, 1 }, { NET_TCP, "x.y.EXAMPLE.com", 443, 1 }, { NET_TCP, "example.com", 443, -1 },
		{ NET_TCP, "xexample.com", 443, -1 }, { NET_TCP, ".example.com", 443, 1 }, { NET_TCP, "www.example.com", 80, 1 },
		{ NET_UDP, "www.example.com", 53, 2 }, { NET_UDP, "example.com", 53, 2 }, { NET_UDP, "com", 53, -1 },
		{ NET_TCP, "", 443, -1 }, { NET_TCP, ".", 443, -1 }, { NET_TCP, "..", 443, -1 },
	};
	struct netmatch *m = matcher_of(p, NULL);
	char longest[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (netmatch_name(m, rows[i].proto, rows[i].name, rows[i].port) != rows[i].rule)
			fail_msg("%s %u", rows[i].name, rows[i].port);
	memset(longest, 'a', sizeof longest);
	strcpy(longest + 280, ".example.com");
	assert_int_equal(netmatch_name(m, NET_TCP, longest, 443), -1);
	assert_int_equal(netmatch_name(m, NET_TCP, longest + strlen(longest) - 256, 443), -1);
	assert_int_equal(netmatch_name(m, NET_TCP, longest + strlen(longest) - 255, 443), 1);
	netmatch_free(m);
	policy_free(p);
}

static void of_rules_of_one_name_the_first_that_has_the_port_counts(void **state)
{
	struct policy *p = policy_of("tcp://*.b.test:2 tcp://b.test:3 tcp://*.b.test:1-4 tcp://b.test:1-3 tcp://a.test:9 "
				     "tcp://b.test:2 tcp://*.b.test:1 tcp://x:1 tcp://a_z.test:1");
	static const struct {
		const char *name;
		unsigned port;
		int rule;
	} rows[] = {
		{ "b.test", 1, 3 }, { "b.test", 2, 3 }, { "b.test", 3, 1 }, { "b.test", 4, -1 }, { "b.test", 0, 1 },
		{ "x.b.test", 1, 2 }, { "x.b.test", 2, 0 }, { "x.b.test", 4, 2 }, { "x.b.test", 5, -1 }, { "x.b.test", 0, 0 },
		{ "x", 1, 7 }, { "A_Z.test", 1, 8 }, { "a.test", 9, 4 }, { "x.a.test", 9, -1 }, { "test", 9, -1 },
	};
	struct netmatch *m = matcher_of(p, NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (netmatch_name(m, NET_TCP, rows[i].name, rows[i].port) != rows[i].rule)
			fail_msg("%s %u: %d", rows[i].name, rows[i].port,
				 netmatch_name(m, NET_TCP, rows[i].name, rows[i].port));
	netmatch_free(m);
	policy_free(p);
}

/* The first rule is asked about. */
static void denials_are_added_up(void **state)
{
	static const struct {
		const char *rules;
		int rule;
		bool joint;
	} rows[] = {
		{ "tcp://1.2.3.4:80", -1, false },
		{ "tcp://1.2.3.4:80 !tcp://1.2.3.4:80", 1, false },
		{ "tcp://1.2.3.4:80 !udp://1.2.3.4:80", -1, false },
		{ "tcp://1.2.3.4:80 tcp://1.2.3.0/24 !tcp://1.2.3.0/24:80", 2, false },
		{ "tcp://1.2.3.0/24:80 !tcp://1.2.3.0/25:80", -1, false },
		{ "tcp://1.2.3.4:80-90 !tcp://1.2.3.4:81-90", -1, false },
		{ "tcp://1.2.3.4:80-90 !tcp://1.2.3.4:80-89", -1, false },
		{ "tcp://1.2.3.4:80-90 !tcp://1.2.3.4:80,82-90", -1, false },
		{ "tcp://1.2.3.4:80-90 !tcp://1.2.3.4:80-90", 1, false },
		{ "tcp://1.2.3.4:80-90 !tcp://1.2.3.4:80-85 !tcp://1.2.0.0/16:85-90", 1, true },
		{ "tcp://1.2.3.4:80,90 !tcp://1.2.0.0/16:90-91 !tcp://1.2.0.0/16:70-80", 2, true },
		{ "tcp://1.2.3.4:80,90 !tcp://1.2.0.0/16:80", -1, false },
		{ "tcp://1.2.3.4:1-9 !tcp://1.2.3.4:1-5 !tcp://1.0.0.0/8:1-9", 2, false },
		{ "tcp://1.2.3.4:1-9 !tcp://1.0.0.0/8:1-5 !tcp://1.2.3.4:1-9", 2, false },
		{ "tcp://1.2.3.4:1-9 !tcp://1.2.3.4:1-2,5-9 !tcp://1.2.3.0/24:3-4", 1, true },
		{ "tcp://* !tcp://0.0.0.0/1 !tcp://[::/1]", -1, false },
		{ "tcp://1.2.3.4 !tcp://1.2.3.4:1-65535", -1, false },
		{ "tcp://1.2.3.4:65535 !tcp://1.2.3.4:65535", 1, false },
		{ "tcp://1.2.3.4 !tcp://1.2.3.4", 1, false },
		{ "tcp://* !tcp://*", 1, false },
		{ "tcp://* !tcp://0.0.0.0/0", -1, false },
		{ "tcp://* !tcp://[::/0]", -1, false },
		{ "tcp://* !tcp://[::/0] !tcp://0.0.0.0/0", 2, true },
		{ "tcp://a.test:80 !tcp://0.0.0.0/0 !tcp://[::/0]:80-81", 1, true },
		{ "tcp://*.a.test:80 !tcp://:80", 1, false },
		{ "icmp://1.2.3.4 !icmp://*", 1, false },
		/* as the other address that it embeds, but a block of them is of many */
		{ "tcp://[64:ff9b::1.2.3.4]:80 !tcp://1.2.0.0/16", 1, false },
		{ "tcp://[64:ff9b::1.2.3.4]:80 !tcp://1.2.3.4:80", 1, false },
		{ "tcp://[64:ff9b::1.2.3.4]:80-90 !tcp://1.2.3.4:80-85 !tcp://[64:ff9b::/96]:86-90", 1, true },
		{ "tcp://[64:ff9b::1.2.3.4/127]:80 !tcp://1.2.0.0/16", -1, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy *p = policy_of(rows[i].rules);
		struct netmatch *m = matcher_of(p, NULL);
		const struct net_denial d = netmatch_denial_of(m, &p->net_rules.at[0]);

		if (d.rule != rows[i].rule || d.joint != rows[i].joint)
			fail_msg("'%s': %d, %d", rows[i].rules, d.rule, d.joint);
		netmatch_free(m);
		policy_free(p);
	}
}

static void denials_are_added_up_to_a_number(void **state)
{
	(void)state;
	for (unsigned count = 64; count <= 65; count++) {
		struct policy *p = policy_new();
		char text[64];

		snprintf(text, sizeof text, "tcp://1.2.3.4:1-%u", count);
		assert_int_equal(policy_add(p, "network.allow", text, "--test", NULL), 0);
		for (unsigned i = 1; i <= count; i++) {
			snprintf(text, sizeof text, "tcp://:%u", i);
			assert_int_equal(policy_add(p, "network.deny", text, "--test", NULL), 0);
		}
		assert_int_equal(policy_freeze(p, NULL), 0);
		struct netmatch *m = matcher_of(p, NULL);

		assert_int_equal(netmatch_denial_of(m, &p->net_rules.at[0]).rule, count == 64 ? 1 : -1);
		netmatch_free(m);
		policy_free(p);
	}
}

/* --- the model --- */

static unsigned roll(unsigned n)
{
	return (unsigned)random() % n;
}

static bool model_covers(const struct net_rule *rule, enum net_proto proto, const struct addr *to)
{
	if (rule->proto != proto || !(proto == NET_ICMP || net_rule_has_port(rule, to->port)))
		return false;
	return rule->target == TARGET_ANY || (rule->target == TARGET_NET && addr_in(to, &rule->ip, rule->bits));
}

static bool model_pinned(const struct net_rule *rule, const struct pins *pins, enum net_proto proto, const struct addr *to)
{
	if (rule->target != TARGET_NAME || rule->proto != proto || !net_rule_has_port(rule, to->port))
		return false;
	for (size_t i = 0; i < pins->len; i++)
		if (strcmp(pins->at[i].name, rule->name) == 0 && addr_same_ip(&pins->at[i].ip, to))
			return true;
	return false;
}

static struct net_decision model(const struct policy *p, const struct pins *pins, enum net_proto proto, const struct addr *to)
{
	const bool metadata = addr_kind(to) == ADDR_METADATA;
	struct addr inner;
	const bool embeds = addr_embedded_v4(to, &inner);

	/* as itself first, then as what it embeds */
	for (int as = 0; as < 1 + embeds; as++)
		for (size_t i = 0; i < p->net_rules.len; i++)
			if (p->net_rules.at[i].deny && model_covers(&p->net_rules.at[i], proto, as ? &inner : to))
				return (struct net_decision){ false, (int)i, NULL };
	for (size_t i = 0; i < p->net_rules.len; i++) {
		const struct net_rule *rule = &p->net_rules.at[i];
		bool by_address = model_covers(rule, proto, to) && !rule->deny;
		bool narrow = rule->target == TARGET_NET && rule->bits >= 8;

		if (by_address && (!metadata || narrow))
			return (struct net_decision){ true, (int)i, NULL };
		if (!metadata && !rule->deny && model_pinned(rule, pins, proto, to))
			return (struct net_decision){ true, (int)i, rule->name };
	}
	return (struct net_decision){ p->net_facts.allows_rest && !metadata, -1, NULL };
}

/* Few different values, so that rules and destinations meet. */
static struct addr random_address(void)
{
	static const char *const some[] = {
		"10.0.0.1", "10.0.0.2", "10.0.128.1", "10.64.0.1", "192.0.2.1", "192.0.2.200", "169.254.169.254", "127.0.0.1",
		"2001:db8::1", "2001:db8::2", "2001:db8:8000::1", "2001:db9::1", "::1", "64:ff9b::10.0.0.1", "2002:a00:2::",
		"fd00:ec2::254", "64:ff9b::a9fe:a9fe",
	};
	struct addr a = address(some[roll(ARRAY_SIZE(some))], 0);

	if (roll(4) == 0)
		a.ip[a.family == ADDR_V4 ? roll(4) : roll(16)] ^= (uint8_t)(1U << roll(8));
	a.port = (uint16_t)roll(12);
	return a;
}

static void add_random_rule(struct policy *p, bool deny)
{
	static const char *const schemes[] = { "", "tcp://", "udp://", "icmp://" };
	static const char *const names[] = { "a.test", "b.test", "c.test" };
	AUTO(str) struct str s = STR(300);
	struct addr ip = random_address();
	unsigned scheme = roll(4);

	str_add(&s, schemes[scheme]);
	if (roll(8) == 0) {
		str_add(&s, "*");
	} else if (!deny && roll(3) == 0) {
		str_add(&s, names[roll(3)]);
	} else {
		str_add(&s, "[");
		addr_print(&ip, &s);
		if (roll(2))
			str_addf(&s, "/%u", roll(ip.family == ADDR_V4 ? 33 : 129));
		str_add(&s, "]");
	}
	for (unsigned n = scheme == 3 ? 0 : roll(4), i = 0; i < n; i++)
		str_addf(&s, roll(2) ? "%c%u" : "%c%u-11", i ? ',' : ':', 1 + roll(11));
	if (policy_add(p, deny ? "network.deny" : "network.allow", s.buf, "--test", NULL) < 0)
		fail_msg("%s", s.buf);
}

static void random_rules_are_judged_like_the_model(void **state)
{
	static const char *const names[] = { "a.test", "b.test", "c.test" };
	unsigned allowed = 0;
	unsigned denied = 0;

	(void)state;
	srandom(4);
	for (unsigned round = 0; round < 800; round++) {
		struct policy *p = policy_new();
		struct pins pins = { .len = roll(12) };

		for (size_t i = 0; i < pins.len; i++) {
			pins.at[i] = (struct net_pin){ names[roll(3)], random_address() };
			pins.at[i].ip.port = 0;
		}
		for (unsigned n = roll(4) ? roll(20) : 0; n; n--)
			add_random_rule(p, false);
		for (unsigned n = roll(6); n; n--)
			add_random_rule(p, true);
		assert_int_equal(policy_freeze(p, NULL), 0);
		struct netmatch *m = matcher_of(p, &pins);

		for (unsigned i = 0; i < 200; i++) {
			const struct addr to = random_address();
			const enum net_proto proto = (enum net_proto)roll(NET_PROTOS);
			const struct net_decision want = model(p, &pins, proto, &to);
			const struct net_decision got = netmatch_decide(m, proto, &to);

			if (got.allowed != want.allowed || got.rule != want.rule || got.name != want.name)
				fail_msg("round %u: %d by %d, the model says %d by %d", round, got.allowed, got.rule,
					 want.allowed, want.rule);
			allowed += want.allowed && want.rule >= 0;
			denied += !want.allowed && want.rule >= 0;
		}
		netmatch_free(m);
		policy_free(p);
	}
	assert_true(allowed > 10000 && denied > 10000);
}

/* --- many rules --- */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cost_of(unsigned count)
{
	struct policy *p = policy_new();
	const unsigned asked = 200000;

	for (unsigned i = 0; i < count; i++) {
		char text[64];

		snprintf(text, sizeof text, i % 3 ? "tcp://10.%u.%u.0/24:%u" : "tcp://[2001:db8:%u:%u::/64]:%u", i / 250, i % 250,
			 1 + i % 60000);
		assert_int_equal(policy_add(p, "network.allow", text, "--test", NULL), 0);
	}
	assert_int_equal(policy_freeze(p, NULL), 0);
	struct netmatch *m = matcher_of(p, NULL);
	struct addr to = address("10.0.0.1", 443);
	double start = seconds();
	unsigned allowed = 0;

	for (unsigned i = 0; i < asked; i++) {
		to.ip[1] = (uint8_t)(i / 250 % 40);
		to.ip[2] = (uint8_t)(i % 250);
		allowed += netmatch_decide(m, NET_TCP, &to).allowed;
	}
	double took = (seconds() - start) / asked;

	assert_true(allowed < asked);
	netmatch_free(m);
	policy_free(p);
	print_message("%u rules: %.0f ns a question\n", count, took * 1e9);
	return took;
}

static void ten_thousand_rules_cost_about_as_much_as_ten(void **state)
{
	double ten = cost_of(10);

	(void)state;
	cost_of(100);
	cost_of(1000);
	assert_true(cost_of(10000) < 20 * ten);
}

static void ten_thousand_ports_of_one_block_are_no_slower(void **state)
{
	const struct pins none = { .len = 0 };
	struct policy *p = policy_new();
	double start = seconds();

	(void)state;
	for (unsigned i = 1; i <= 10000; i++) {
		char text[64];

		snprintf(text, sizeof text, "tcp://:%u-%u", i * 2, i * 2 + 5 * (i % 7 == 0));
		assert_int_equal(policy_add(p, "network.allow", text, "--test", NULL), 0);
	}
	assert_int_equal(policy_freeze(p, NULL), 0);
	struct netmatch *m = matcher_of(p, NULL);

	for (unsigned i = 2; i < 20000; i++) {
		struct addr to = address("192.0.2.1", (uint16_t)i);

		if (i % 100 == 0)
			assert_int_equal(netmatch_decide(m, NET_TCP, &to).allowed, model(p, &none, NET_TCP, &to).allowed);
	}
	assert_true(seconds() - start < 10);
	netmatch_free(m);
	policy_free(p);
}

static void a_port_that_may_be_used_is_found_if_there_is_one(void **state)
{
	static const struct {
		const char *rules, *address;
		bool allowed;
		int rule;
	} rows[] = {
		{ "udp://224.0.0.251:5353", "224.0.0.251", true, 0 },
		{ "udp://224.0.0.251:5353", "224.0.0.252", false, -1 },
		{ "tcp://224.0.0.251:5353", "224.0.0.251", false, -1 },
		{ "udp://224.0.0.251:65535", "224.0.0.251", true, 0 },
		{ "udp://224.0.0.0/4:1-100 !udp://224.0.0.251:1-99", "224.0.0.251", true, 0 },
		{ "udp://224.0.0.0/4:1-100 !udp://224.0.0.251:1-100", "224.0.0.251", false, 1 },
		{ "udp://224.0.0.0/4 !udp://224.0.0.251:1-99,101-65535", "224.0.0.251", true, 0 },
		{ "udp://224.0.0.0/4 !udp://224.0.0.251:1-65535", "224.0.0.251", false, 1 },
		{ "udp://224.0.0.0/4 !udp://224.0.0.251", "224.0.0.251", false, 1 },
		{ "udp://192.0.2.1:53 !udp://224.0.0.251:53", "224.0.0.251", false, 1 },
		{ "!udp://224.0.0.251", "224.0.0.252", true, -1 },
		{ "!udp://224.0.0.251:1-65534", "224.0.0.251", true, -1 },
		{ "!udp://224.0.0.251:1-65535", "224.0.0.251", false, 0 },
		{ "!udp://224.0.0.251:7", "224.0.0.251", true, -1 },
		{ "!udp://224.0.0.251:2-65535", "224.0.0.251", true, -1 },
		{ "udp://224.0.0.251:5,9 !udp://224.0.0.251:5", "224.0.0.251", true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy *p = policy_of(rows[i].rules);
		struct netmatch *m = matcher_of(p, NULL);
		const struct addr to = address(rows[i].address, 0);
		const struct net_decision d = netmatch_decide_any_port(m, NET_UDP, &to);
		bool any = false;

		if (d.allowed != rows[i].allowed || d.rule != rows[i].rule)
			fail_msg("'%s': %d by %d", rows[i].rules, d.allowed, d.rule);
		for (unsigned port = 1; port <= UINT16_MAX && !any; port++) {
			const struct addr at = address(rows[i].address, (uint16_t)port);

			any = netmatch_decide(m, NET_UDP, &at).allowed;
		}
		assert_int_equal(any, d.allowed);
		netmatch_free(m);
		policy_free(p);
	}
}

static void every_allocation_may_fail(void **state)
{
	struct policy *p = policy_of("tcp://a.test:443 tcp://10.0.0.1:80 tcp://10.0.0.1:1-100 !udp://* "
				     "tcp://10.0.0.2:1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33,35,37,39");
	const struct net_pin pin = { "a.test", address("192.0.2.1", 0) };

	(void)state;
	for (int n = 0;; n++) {
		struct netmatch *m = NULL;

		fault_arm(n);
		int rc = netmatch_build(p, &pin, 1, &m);
		if (!fault_fired()) {
			assert_int_equal(rc, 0);
			netmatch_free(m);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_null(m);
	}
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(destinations_are_judged_as_documented),
		cmocka_unit_test(nothing_is_decided_about_no_address),
		cmocka_unit_test(pinned_addresses_carry_their_name),
		cmocka_unit_test(whose_address_it_is_does_not_depend_on_port_and_protocol),
		cmocka_unit_test(names_are_found_whole_and_by_their_domain),
		cmocka_unit_test(of_rules_of_one_name_the_first_that_has_the_port_counts),
		cmocka_unit_test(denials_are_added_up),
		cmocka_unit_test(denials_are_added_up_to_a_number),
		cmocka_unit_test(random_rules_are_judged_like_the_model),
		cmocka_unit_test(ten_thousand_rules_cost_about_as_much_as_ten),
		cmocka_unit_test(ten_thousand_ports_of_one_block_are_no_slower),
		cmocka_unit_test(a_port_that_may_be_used_is_found_if_there_is_one),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
