/* Names of rules become pinned addresses: each once, all or nothing, and with a sentence that says which one failed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

#include "base/mem.h"
#include "run/names.h"

static struct str asked = STR(10000);

static int push(struct addresses *out, const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(view_of(text), &a), 0);
	return VEC_PUSH(out->at, out->cap, out->len, a);
}

/* A name service of this test. */
static int lookup(const char *name, struct addresses *out, const char **why)
{
	static const char *const zone[][2] = {
		{ "a.test", "192.0.2.1" }, { "a.test", "2001:db8::1" }, { "b.test", "192.0.2.2" }, { "empty.test", NULL },
	};
	bool known = false;
	int rc = 0;

	str_addf(&asked, "%s ", name);
	for (size_t i = 0; i < ARRAY_SIZE(zone) && rc == 0; i++) {
		if (strcmp(zone[i][0], name) != 0)
			continue;
		known = true;
		rc = zone[i][1] ? push(out, zone[i][1]) : 0;
	}
	if (!known)
		*why = "no such name here";
	return known ? rc : -EHOSTUNREACH;
}

static struct policy *policy_of(const char *const *rules)
{
	struct policy *p = policy_new();

	for (; *rules; rules++)
		assert_int_equal(policy_add(p, "network.allow", *rules, "web.toml:7", NULL), 0);
	assert_int_equal(policy_freeze(p, NULL), 0);
	return p;
}
#define POLICY(...) policy_of((const char *const[]){ __VA_ARGS__, NULL })

static int forget(void **state)
{
	(void)state;
	str_clear(&asked);
	str_add(&asked, "");
	return 0;
}

static bool allows(const struct names *n, const char *ip, uint16_t port)
{
	struct addr a;

	assert_int_equal(addr_parse(view_of(ip), &a), 0);
	a.port = port;
	return netmatch_decide(n->match, NET_TCP, &a).allowed;
}

static void every_name_is_looked_up_once_in_the_order_of_the_rules(void **state)
{
	struct policy *p = POLICY("b.test:1", "a.test:443", "192.0.2.9", "tcp://a.test:80", "b.test", "*.c.test:443");
	struct names *n = NULL;

	(void)state;
	assert_int_equal(names_resolve(p, lookup, &n, NULL), 0);
	assert_string_equal(asked.buf, "b.test a.test ");
	assert_int_equal(n->count, 3);
	assert_true(allows(n, "192.0.2.1", 443) && allows(n, "192.0.2.1", 80) && allows(n, "2001:db8::1", 443));
	assert_true(allows(n, "192.0.2.2", 9) && allows(n, "192.0.2.9", 9));
	assert_false(allows(n, "192.0.2.1", 81) || allows(n, "192.0.2.3", 443));
	names_unref(n);
	policy_free(p);
}

static void a_name_that_is_not_found_is_named_with_its_rule(void **state)
{
	static const struct {
		const char *rule, *part;
	} rows[] = {
		{ "nowhere.test:443", "the name 'nowhere.test' of the network rule 'nowhere.test:443' from web.toml:7 has no "
				      "address: no such name here" },
		{ "tcp://empty.test", "the name 'empty.test' of the network rule 'tcp://empty.test' from web.toml:7 has no "
				      "address: the name service knows" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy *p = POLICY("a.test:443", rows[i].rule);
		struct error err = { 0 };
		struct names *n = NULL;

		assert_int_equal(names_resolve(p, lookup, &n, &err), -EHOSTUNREACH);
		assert_null(n);
		assert_int_equal(err.kind, ERR_START);
		if (!strstr(err.text, rows[i].part))
			fail_msg("%s", err.text);
		policy_free(p);
	}
}

static void without_names_nothing_is_looked_up(void **state)
{
	struct policy *p = POLICY("192.0.2.1:443", "*.example.com");
	struct names *n = NULL;

	(void)state;
	assert_int_equal(names_resolve(p, lookup, &n, NULL), 0);
	assert_string_equal(asked.buf, "");
	assert_int_equal(n->count, 0);
	assert_true(allows(n, "192.0.2.1", 443));
	names_unref(n);
	policy_free(p);
}

static void names_stand_for_nothing_where_they_are_not_looked_up(void **state)
{
	struct policy *p = POLICY("a.test:443", "192.0.2.9:443");
	struct names *n = NULL;

	(void)state;
	assert_int_equal(names_resolve(p, NULL, &n, NULL), 0);
	assert_true(allows(n, "192.0.2.9", 443));
	assert_false(allows(n, "192.0.2.1", 443));
	names_unref(names_ref(n));
	names_unref(n);
	policy_free(p);
}

static void the_host_knows_itself_and_says_why_it_does_not_know_others(void **state)
{
	struct addresses found = { 0 };
	const char *why = NULL;

	(void)state;
	assert_int_equal(names_lookup_host("localhost", &found, &why), 0);
	assert_true(found.len > 0 && addr_kind(&found.at[0]) == ADDR_LOOPBACK);
	assert_int_equal(names_lookup_host("no-such-host.invalid", &found, &why), -EHOSTUNREACH);
	assert_true(why && *why);
	mem_free(found.at);
}

static void every_allocation_may_fail(void **state)
{
	struct policy *p = POLICY("a.test:443", "b.test:80");

	(void)state;
	for (int n = 0;; n++) {
		struct names *names = NULL;
		struct error err = { 0 };

		forget(NULL);
		fault_arm(n);
		int rc = names_resolve(p, lookup, &names, &err);
		if (!fault_fired()) {
			assert_int_equal(rc, 0);
			names_unref(names);
			break;
		}
		/* what failed may have been this test's own record of the names, which nobody misses */
		if (rc == 0)
			names_unref(names);
		else
			assert_true(rc == -ENOMEM && err.kind == ERR_MEMORY);
	}
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_name_is_looked_up_once_in_the_order_of_the_rules, forget),
		cmocka_unit_test_setup(a_name_that_is_not_found_is_named_with_its_rule, forget),
		cmocka_unit_test_setup(without_names_nothing_is_looked_up, forget),
		cmocka_unit_test_setup(names_stand_for_nothing_where_they_are_not_looked_up, forget),
		cmocka_unit_test_setup(the_host_knows_itself_and_says_why_it_does_not_know_others, forget),
		cmocka_unit_test_setup(every_allocation_may_fail, forget),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	str_fini(&asked);
	return failed;
}
