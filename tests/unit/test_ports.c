/* The grammar of port rules: accepted, refused with a reason, and printed back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "policy/ports.h"

typedef int (*add_fn)(struct ports *out, struct view rule, const char *origin, struct error *err);

struct rule_case {
	const char *rule;
	const char *ports;      /* as ports_print() says it; NULL: refused */
	const char *reason;     /* a part of the sentence */
};

static void check(const struct rule_case *cases, size_t count, add_fn add)
{
	for (size_t i = 0; i < count; i++) {
		struct ports set = { 0 };
		struct error err = { 0 };
		AUTO(str) struct str text = STR(4096);
		int rc = add(&set, view_of(cases[i].rule), "--rule", &err);

		if (rc != (cases[i].ports ? 0 : -EINVAL))
			fail_msg("'%s' gave %d: %s", cases[i].rule, rc, err.text);
		if (!cases[i].ports) {
			assert_int_equal(strncmp(err.text, "--rule: ", 8), 0);
			if (!strstr(err.text, cases[i].reason))
				fail_msg("'%s' says: %s", cases[i].rule, err.text);
			continue;
		}
		ports_print(&set, &text);
		str_add(&text, "");
		assert_string_equal(text.buf ? text.buf : "", cases[i].ports);
		assert_true(set.given);
	}
}

static void test_connect_ports_of_the_older_option(void **state)
{
	static const struct rule_case cases[] = {
		{ "443", "443", NULL },
		{ " 80 , 443", "80,443", NULL },
		{ "443,443,442", "442-443", NULL },
		{ "65535", "65535", NULL },
		{ "1-65535", "1-65535", NULL },
		{ "*", "*", NULL },
		{ ":443", NULL, "up to 65535" },
		{ "", NULL, "a port is empty" },
		{ "0", NULL, "port 0" },
		{ "0-5", NULL, "port 0" },
		{ "80,", NULL, "'80,', column 4: a port is empty" },
		{ ",80", NULL, "column 1: a port is empty" },
		{ "80-", NULL, "column 4: a port is empty" },
		{ "80, ,90", NULL, "column 4: a port is empty" },
		{ "80, x", NULL, "column 5: a port is a number" },
		{ "abc", NULL, "up to 65535" },
		{ "70000", NULL, "up to 65535" },
		{ "+80", NULL, "up to 65535" },
		{ "80-90-100", NULL, "up to 65535" },
		{ "1, 90-80", NULL, "column 4: the range is reversed" },
		{ "80,*", NULL, "cannot be mixed" },
	};

	(void)state;
	check(cases, ARRAY_SIZE(cases), ports_add_connect);
}

static void test_denied_ports_are_not_all_of_them(void **state)
{
	static const struct rule_case cases[] = {
		{ "8080,9000-9001", "8080,9000-9001", NULL },
		{ "0", "0", NULL },
		{ "*", NULL, "cannot be denied" },
		{ "*,*", NULL, "cannot be denied" },
		{ "1,*", NULL, "cannot be mixed" },
		{ "x", NULL, "up to 65535" },
	};

	(void)state;
	check(cases, ARRAY_SIZE(cases), ports_add_deny_bind);
}

static void test_bind_rules(void **state)
{
	static const struct rule_case cases[] = {
		{ "8080", "8080", NULL },
		{ "0", "0", NULL },
		{ "8000-8010", "8000-8010", NULL },
		{ "9,8,7-8", "7-9", NULL },
		{ "*", "*", NULL },
		{ "*,*", "*", NULL },
		{ "0-65535", "0-65535", NULL },
		{ "", NULL, "a port is empty" },
		{ "80,,81", NULL, "a port is empty" },
		{ ":80", NULL, "up to 65535" },
		{ "65536", NULL, "up to 65535" },
		{ "http", NULL, "up to 65535" },
		{ "2-1", NULL, "reversed" },
		{ "*,1", NULL, "cannot be mixed" },
	};

	(void)state;
	check(cases, ARRAY_SIZE(cases), ports_add_bind);
}

static void test_rules_add_up_and_membership_is_exact(void **state)
{
	struct ports set = { 0 };

	(void)state;
	assert_true(ports_is_empty(&set));
	assert_int_equal(ports_add_connect(&set, VIEW("63-64"), "", NULL), 0);
	assert_int_equal(ports_add_connect(&set, VIEW("65535"), "", NULL), 0);
	assert_false(ports_is_empty(&set));
	for (unsigned port = 0; port <= 65535; port++)
		assert_int_equal(ports_has(&set, port), port == 63 || port == 64 || port == 65535);
	assert_false(ports_has(&set, 65536));
	assert_int_equal(ports_add_connect(&set, VIEW("*"), "", NULL), 0);
	assert_true(ports_has(&set, 1));
	assert_false(ports_has(&set, 65536));
}

static void test_a_rule_can_be_checked_without_a_set(void **state)
{
	(void)state;
	assert_int_equal(ports_add_connect(NULL, VIEW("443"), "", NULL), 0);
	assert_int_equal(ports_add_bind(NULL, VIEW("x"), "", NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect_ports_of_the_older_option),
		cmocka_unit_test(test_denied_ports_are_not_all_of_them),
		cmocka_unit_test(test_bind_rules),
		cmocka_unit_test(test_rules_add_up_and_membership_is_exact),
		cmocka_unit_test(test_a_rule_can_be_checked_without_a_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
