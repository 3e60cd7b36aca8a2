/* What the network lists of a policy come to: rules with their origins, ports for Landlock, what a supervisor must judge. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

#include "base/mem.h"
#include "features/registry.h"
#include "policy/netpresets.h"
#include "policy/network.h"
#include "policy/ports.h"
#include "supervisor/dispatch.h"

/* Pairs of key and value up to NULL. */
static struct policy *unfrozen(const char *const *pairs)
{
	struct policy *p = policy_new();
	struct error err = { 0 };

	assert_non_null(p);
	for (; pairs[0] && pairs[1]; pairs += 2)
		if (policy_add(p, pairs[0], pairs[1], "--test", &err) < 0)
			fail_msg("%s", err.text);
	return p;
}

static struct policy *frozen(const char *const *pairs)
{
	struct policy *p = unfrozen(pairs);
	struct error err = { 0 };

	if (policy_freeze(p, &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

#define POLICY(...) frozen((const char *const[]){ __VA_ARGS__, NULL })

static void assert_rules(const struct policy *p, const char *want)
{
	AUTO(str) struct str s = STR(10000);

	for (size_t i = 0; i < p->net_rules.len; i++) {
		str_addf(&s, "%s%s", i ? " " : "", p->net_rules.at[i].deny ? "!" : "");
		net_rule_print(&p->net_rules.at[i], &s);
	}
	assert_string_equal(s.buf ? s.buf : "", want);
}

static void assert_facts(const struct policy *p, const char *want)
{
	AUTO(str) struct str s = STR(200);

	str_add(&s, policy_judges_addresses(p) ? "judged " : "");
	str_add(&s, policy_has_proto(p, NET_TCP) ? "tcp " : "");
	str_add(&s, policy_has_proto(p, NET_UDP) ? "udp " : "");
	str_add(&s, policy_has_proto(p, NET_ICMP) ? "icmp " : "");
	str_add(&s, policy_has_names(p) ? "names " : "");
	str_add(&s, policy_has_suffixes(p) ? "suffixes " : "");
	str_add(&s, p->net_facts.allows_rest ? "rest " : "");
	assert_string_equal(s.buf, want);
}

static void assert_connect(const struct policy *p, const char *want)
{
	AUTO(str) struct str s = STR(1000);

	ports_print(&p->connect_ports, &s);
	assert_string_equal(s.buf ? s.buf : "", want);
}

struct row {
	const char *allow, *deny;
	const char *facts;
	const char *connect;
};

static void what_must_be_judged_follows_from_the_rules(void **state)
{
	static const struct row rows[] = {
		{ NULL, NULL, "", "" },
		{ "tcp://:443", NULL, "tcp ", "443" },
		{ "tcp://:80,8000-8010", NULL, "tcp ", "80,8000-8010" },
		{ ":443", NULL, "judged tcp udp ", "443" },
		{ "tcp://*", NULL, "judged tcp ", "*" },
		{ "*", NULL, "judged tcp udp ", "*" },
		{ "tcp://192.0.2.1:443", NULL, "judged tcp ", "443" },
		{ "tcp://192.0.2.1", NULL, "judged tcp ", "*" },
		{ "tcp://example.com:443", NULL, "judged tcp names ", "443" },
		{ "tcp://*.example.com:443", NULL, "judged tcp udp suffixes ", "443" },
		{ "udp://1.1.1.1:53", NULL, "judged udp ", "" },
		{ "icmp://*", NULL, "judged icmp ", "" },
		{ NULL, "10.0.0.0/8", "judged tcp udp icmp rest ", "*" },
		{ NULL, "udp", "", "" },
		{ NULL, "raw", "", "" },
		{ "tcp://:443", "10.0.0.0/8", "judged tcp ", "443" },
		{ "tcp://:443", "udp://10.0.0.0/8", "tcp ", "443" },
		{ ":443", "udp", "tcp ", "443" },
		{ "udp://*", "tcp://*", "judged udp ", "" },
		{ NULL, "tcp://*", "judged udp icmp rest ", "" },
		{ "*", "*", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *pairs[] = { "network.allow", rows[i].allow, "network.deny", rows[i].deny, NULL };
		struct policy *p = frozen(rows[i].allow ? pairs : rows[i].deny ? pairs + 2 : pairs + 4);

		assert_facts(p, rows[i].facts);
		assert_connect(p, rows[i].connect);
		policy_free(p);
	}
}

static bool traps(const struct policy *p, const char *syscall)
{
	struct dispatch d = { 0 };
	struct trap *list = NULL;
	size_t count = 0;
	bool found = false;

	assert_int_equal(dispatch_init(&d, feature_registry, feature_count, p), 0);
	assert_int_equal(dispatch_traps(&d, &list, &count), 0);
	for (size_t i = 0; i < count; i++)
		found = found || strcmp(list[i].syscall, syscall) == 0;
	mem_free(list);
	return found;
}

/* The design's promise: what Landlock carries traps no connect, and only where datagrams can be are sends trapped. */
static void connect_and_sends_are_trapped_only_where_they_are_judged(void **state)
{
	static const struct {
		const char *allow;
		bool connect, sends;
	} rows[] = {
		{ "tcp://:443", false, false },
		{ "tcp://:80,443,8000-8010", false, false },
		{ "tcp://192.0.2.1:443", true, false },
		{ "tcp://a.test:443", true, false },
		{ "tcp://*", true, false },
		{ ":443", true, true },
		{ "udp://192.0.2.1:53", true, true },
		{ "icmp://*", true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy *p = POLICY("network.allow", rows[i].allow);

		assert_int_equal(traps(p, "connect"), rows[i].connect);
		assert_int_equal(traps(p, "sendmmsg"), rows[i].sends);
		policy_free(p);
	}
	struct policy *none = POLICY("filesystem.read", "/usr");
	assert_false(traps(none, "connect") || traps(none, "sendmmsg"));
	policy_free(none);
}

static void a_list_of_denials_stays_one_beside_older_words(void **state)
{
	struct policy *p = POLICY("network.deny", "udp", "network.deny", "10.0.0.1");

	(void)state;
	assert_facts(p, "judged tcp icmp rest ");
	policy_free(p);
}

static void rules_know_who_typed_them(void **state)
{
	struct policy *p = POLICY("network.allow", ":80", "network.presets", "pypi", "network.deny", "tcp://10.0.0.0/8");
	AUTO(str) struct str s = STR(1000);

	(void)state;
	assert_rules(p, "tcp://*:80 udp://*:80 tcp://pypi.org:443 tcp://files.pythonhosted.org:443 !tcp://10.0.0.0/8");
	for (size_t i = 0; i < p->net_rules.len; i++) {
		network_print_source(p, &p->net_rules.at[i], &s);
		str_addc(&s, '\n');
	}
	assert_string_equal(s.buf, "':80' from --test\n':80' from --test\n"
				   "'tcp://pypi.org:443' from network preset pypi (--test)\n"
				   "'tcp://files.pythonhosted.org:443' from network preset pypi (--test)\n"
				   "'tcp://10.0.0.0/8' from --test\n");
	policy_free(p);
}

static void older_options_mean_hosts_and_ports_together(void **state)
{
	static const struct {
		const char *pairs[11];
		const char *rules;
	} rows[] = {
		{ { "network.connect", "443" }, "tcp://*:443" },
		{ { "network.connect", "443", "network.connect", "80-81" }, "tcp://*:443 tcp://*:80-81" },
		{ { "network.allow_hosts", "a.com" }, "tcp://a.com udp://a.com" },
		{ { "network.allow_hosts", "a.com", "network.connect", "443", "network.connect", "80" }, "tcp://a.com:80,443" },
		{ { "network.allow_hosts", "a.com", "network.allow_hosts", "::1", "network.connect", "443" },
		  "tcp://a.com:443 tcp://[::1]:443" },
		{ { "network.allow_hosts", "10.0.0.0/8", "network.connect", "1-5,9" }, "tcp://10.0.0.0/8:1-5,9" },
		{ { "network.allow_hosts", "a.com", "network.connect", "443", "network.connect", "*" }, "tcp://a.com" },
		{ { "network.allow_hosts", "a.com", "network.connect", "443", "network.allow", "tcp://:22" },
		  "tcp://*:22 tcp://a.com:443" },
		{ { "network.allow_hosts", "a.com", "network.no_udp", "true" }, "tcp://a.com udp://a.com !udp://*" },
		{ { "network.allow", "icmp", "network.deny", "raw" }, "icmp://*" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy *p = frozen(rows[i].pairs);

		assert_rules(p, rows[i].rules);
		policy_free(p);
	}
}

static void older_values_are_checked_when_they_are_set(void **state)
{
	static const char *const rows[][3] = {
		{ "network.allow_hosts", "a.com:443", "write --net-allow a.com:443" },
		{ "network.allow_hosts", "", "empty" },
		{ "network.allow_hosts", "a b", "letters" },
		{ "network.connect", ":443", "up to 65535" },
		{ "network.no_raw_sockets", "false", "always refused" },
		{ "network.presets", "nmp", "there is no network preset 'nmp'; there are: npm" },
		{ "network.deny_bind", "*", "cannot be denied" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy *p = policy_new();
		struct error err = { 0 };

		assert_int_equal(policy_add(p, rows[i][0], rows[i][1], "--test", &err), -EINVAL);
		if (!strstr(err.text, rows[i][2]))
			fail_msg("%s", err.text);
		policy_free(p);
	}
}

static void bind_ports_are_what_is_allowed_and_not_denied(void **state)
{
	static const struct {
		const char *allow, *deny, *ports;
		bool named;
	} rows[] = {
		{ "80-90", NULL, "80-90", true }, { "*", NULL, "*" }, { "80-90", "85,200", "80-84,86-90", true },
		{ NULL, "80", "0-79,81-65535" }, { "*", "80", "0-79,81-65535" }, { "80", "80", "", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *pairs[] = { "network.deny_bind", rows[i].deny, "network.allow_bind", rows[i].allow, NULL };
		const char *only_allow[] = { "network.allow_bind", rows[i].allow, NULL };
		struct policy *p = frozen(rows[i].deny ? pairs : only_allow);
		AUTO(str) struct str s = STR(1000);

		ports_print(&p->bind_ports, &s);
		assert_string_equal(s.buf ? s.buf : "", rows[i].ports);
		assert_int_equal(p->binds_are_named, rows[i].named);
		policy_free(p);
	}
}

static void without_a_supervisor_only_tcp_ports_are_taken(void **state)
{
	static const struct {
		const char *key, *value, *refusal;
	} rows[] = {
		{ "network.allow", "tcp://:443", NULL },
		{ "network.allow", "tcp://*", NULL },
		{ "network.deny", "udp", NULL },
		{ "network.connect", "443", NULL },
		{ "network.no_unix_write", "true", NULL },
		{ "network.allow", ":443", "the rule ':443' from --test needs a supervisor, because it is for UDP or ICMP; without one "
					   "only TCP ports of any address are judged, as in tcp://*:443" },
		{ "network.allow", "tcp://192.0.2.1:80", "because it judges an address; without one only TCP ports of any address are "
							 "judged, as in tcp://*:80" },
		{ "network.allow", "a.com", "because it names a host" },
		{ "network.allow", "*.a.com", "because it names a domain" },
		{ "network.presets", "npm", "'tcp://registry.npmjs.org:443' from network preset npm (--test) needs a supervisor" },
		{ "network.deny", "10.0.0.0/8", "because it denies" },
		{ "network.unix_allow", "/run/x", "--no-supervisor is incompatible with --unix-allow" },
		{ "network.dns_refresh", "true", "--no-supervisor is incompatible with --dns-refresh" },
		{ "network.port_remap", "true", "--no-supervisor is incompatible with --port-remap" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy *p = unfrozen((const char *const[]){ rows[i].key, rows[i].value, "no_supervisor", "true", NULL });
		struct error err = { 0 };
		int rc = policy_freeze(p, &err);

		if ((rc < 0) != (rows[i].refusal != NULL) || (rc < 0 && !strstr(err.text, rows[i].refusal)))
			fail_msg("%s: %d %s", rows[i].value, rc, err.text);
		if (rc == 0)
			assert_false(policy_judges_addresses(p) || policy_reaches_unix(p));
		policy_free(p);
	}
}

static void sockets_by_path_are_reached_by_grants(void **state)
{
	static const struct {
		const char *pairs[9];
		bool reaches, datagrams;
	} rows[] = {
		{ { NULL }, false, false },
		{ { "filesystem.read", "/" }, false, false },
		{ { "filesystem.write", "/srv" }, true, false },
		{ { "filesystem.write", "/srv", "network.no_unix_write", "true" }, false, false },
		{ { "network.unix_allow", "/run/x" }, true, true },
		{ { "filesystem.write", "/srv", "network.no_unix_write", "true", "network.unix_allow", "/run/x" }, true, true },
		{ { "extends", "base" }, false, false },
		{ { "extends", "build" }, true, false },
		{ { "extends", "build", "network.no_unix_write", "true" }, false, false },
		{ { "filesystem.write", "/srv", "no_supervisor", "true" }, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy *p = frozen(rows[i].pairs);

		assert_int_equal(policy_reaches_unix(p), rows[i].reaches);
		assert_int_equal(policy_has_unix_datagrams(p), rows[i].datagrams);
		policy_free(p);
	}
}

static void a_copy_of_a_frozen_policy_can_be_frozen_again(void **state)
{
	struct policy *p = POLICY("network.allow", "tcp://a.com:443", "network.deny", "10.0.0.0/8");
	struct policy *copy = policy_dup(p);

	(void)state;
	assert_int_equal(copy->net_rules.len + copy->net_words.len, 0);
	assert_false(policy_judges_addresses(copy));
	assert_int_equal(policy_add(copy, "network.allow", "tcp://:22", "--test", NULL), 0);
	assert_int_equal(policy_freeze(copy, NULL), 0);
	assert_rules(copy, "tcp://a.com:443 tcp://*:22 !tcp://10.0.0.0/8 !udp://10.0.0.0/8");
	policy_free(copy);
	policy_free(p);
}

static void every_preset_is_made_of_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < net_preset_count; i++) {
		assert_true(strlen(net_presets[i].help) < 80 && net_presets[i].count > 0);
		assert_ptr_equal(net_preset_by_name(view_of(net_presets[i].name)), &net_presets[i]);
		for (size_t k = 0; k < net_presets[i].count; k++)
			assert_int_equal(net_rules_add(NULL, view_of(net_presets[i].rules[k]), false, 0, "x", NULL), 0);
	}
}

static void a_program_is_known_by_its_first_word(void **state)
{
	static const char *const programs[] = { "npm", "npx", "yarn", "pip3", "uv", "cargo", "go", "gem", "mvn", "apt-get", "hf" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		assert_non_null(net_preset_by_name(view_of(net_preset_of_program(programs[i]))));
	assert_string_equal(net_preset_of_program("npm install is-"), "npm");
	assert_null(net_preset_of_program("np"));
	assert_null(net_preset_of_program("npmx"));
	assert_null(net_preset_of_program(""));
}

static void every_allocation_of_a_freeze_may_fail(void **state)
{
	(void)state;
	for (int n = 0;; n++) {
		struct policy *p = unfrozen((const char *const[]){ "network.allow", "a.com:1,3", "network.presets", "npm",
								    "network.allow_hosts", "b.com", "network.connect", "443",
								    "network.deny", "10.0.0.1", NULL });
		struct error err = { 0 };

		fault_arm(n);
		int rc = policy_freeze(p, &err);
		bool fired = fault_fired();
		policy_free(p);
		if (!fired)
			break;
		assert_int_equal(rc, -ENOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_must_be_judged_follows_from_the_rules),
		cmocka_unit_test(connect_and_sends_are_trapped_only_where_they_are_judged),
		cmocka_unit_test(a_list_of_denials_stays_one_beside_older_words),
		cmocka_unit_test(rules_know_who_typed_them),
		cmocka_unit_test(older_options_mean_hosts_and_ports_together),
		cmocka_unit_test(older_values_are_checked_when_they_are_set),
		cmocka_unit_test(bind_ports_are_what_is_allowed_and_not_denied),
		cmocka_unit_test(without_a_supervisor_only_tcp_ports_are_taken),
		cmocka_unit_test(sockets_by_path_are_reached_by_grants),
		cmocka_unit_test(a_copy_of_a_frozen_policy_can_be_frozen_again),
		cmocka_unit_test(every_preset_is_made_of_rules),
		cmocka_unit_test(a_program_is_known_by_its_first_word),
		cmocka_unit_test(every_allocation_of_a_freeze_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
