/* The list of grants, and the sentences that are made of it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/sys.h"
#include "fault.h"
#include "policy/explain.h"
#include "policy/grants.h"
#include "policy/netexplain.h"

#define R ACCESS_READ
#define W ACCESS_WRITE
#define X ACCESS_EXEC

static void grant(struct grants *g, const char *path, bool is_dir, unsigned access, const char *origin,
		  const char *typed)
{
	assert_int_equal(grants_add_take(g, path, -1, is_dir, access, origin, typed), 0);
}

static struct grants sample(void)
{
	struct grants g = { 0 };

	grant(&g, "/usr", true, R | X, "preset base", NULL);
	grant(&g, "/srv", true, R, "--fs-read", NULL);
	grant(&g, "/srv/data", true, R | W, "web.toml:12", "/data");
	grant(&g, "/etc/hosts", false, R, "preset base", NULL);
	return g;
}

static void test_a_path_lies_beneath_whole_names_only(void **state)
{
	(void)state;
	assert_true(path_is_beneath("/usr", "/usr"));
	assert_true(path_is_beneath("/usr/lib", "/usr"));
	assert_true(path_is_beneath("/usr", "/"));
	assert_true(path_is_beneath("/", "/"));
	assert_false(path_is_beneath("/usrlocal", "/usr"));
	assert_false(path_is_beneath("/us", "/usr"));
	assert_false(path_is_beneath("/", "/usr"));
}

static void test_the_same_path_joins_rights_and_keeps_the_first_origin(void **state)
{
	struct grants g = { 0 };

	(void)state;
	grant(&g, "/a", true, R, "first", NULL);
	grant(&g, "/a", true, W, "second", NULL);
	assert_int_equal(g.len, 1);
	assert_int_equal(g.at[0].access, R | W);
	assert_string_equal(g.at[0].origin, "first");
	grants_fini(&g);
	assert_int_equal(g.len, 0);
	grants_fini(&g);
}

static void test_the_nearest_grant_is_found(void **state)
{
	struct grants g = sample();

	(void)state;
	assert_string_equal(grants_find(&g, "/srv/data/x", R)->path, "/srv/data");
	assert_string_equal(grants_find(&g, "/srv/x", R)->path, "/srv");
	assert_string_equal(grants_find(&g, "/srv/data", W)->path, "/srv/data");
	assert_string_equal(grants_find(&g, "/etc/hosts", R)->path, "/etc/hosts");
	assert_null(grants_find(&g, "/etc/hosts/x", R));
	assert_null(grants_find(&g, "/srv/x", W));
	assert_null(grants_find(&g, "/srv2", R));
	assert_null(grants_find(&g, "/", R));
	assert_string_equal(grants_nearest(&g, "/srv/x")->path, "/srv");
	assert_null(grants_nearest(&g, "/opt"));
	grants_fini(&g);
}

static void test_several_grants_can_give_the_rights_together(void **state)
{
	struct grants g = { 0 };

	(void)state;
	grant(&g, "/a", true, R, "one", NULL);
	grant(&g, "/a/b", true, W, "two", NULL);
	assert_string_equal(grants_find(&g, "/a/b/c", R | W)->path, "/a/b");
	assert_null(grants_find(&g, "/a/c", R | W));
	grants_fini(&g);
}

static void test_descriptors_are_taken_and_closed(void **state)
{
	struct grants g = { 0 };
	int before = fault_open_fds();
	int fds[2] = { open("/", O_PATH | O_CLOEXEC), open("/", O_PATH | O_CLOEXEC) };

	(void)state;
	assert_int_equal(grants_add_take(&g, "/", fds[0], true, R, "a", NULL), 0);
	assert_int_equal(grants_add_take(&g, "/", fds[1], true, W, "b", NULL), 0);
	assert_int_equal(fault_open_fds(), before + 1);
	grants_close(&g);
	assert_int_equal(g.at[0].fd, -1);
	assert_int_equal(fault_open_fds(), before);
	grants_fini(&g);
}

static void test_a_failed_addition_closes_the_descriptor(void **state)
{
	(void)state;
	for (int n = 0;; n++) {
		struct grants g = { 0 };
		int before = fault_open_fds();
		int fd = open("/", O_PATH | O_CLOEXEC);

		fault_arm(n);
		int rc = grants_add_take(&g, "/usr", fd, true, R, "a", "/u");
		bool fired = fault_fired();
		grants_fini(&g);
		assert_int_equal(fault_open_fds(), before);
		if (!fired)
			break;
		assert_int_equal(rc, -ENOMEM);
	}
}

static void says(const struct grants *g, const char *path, unsigned access, int allowed, const char *text)
{
	AUTO(str) struct str s = STR(4096);

	assert_int_equal(explain_path(g, path, access, false, &s), allowed);
	assert_string_equal(s.buf, text);
}

static void test_a_decision_is_explained_with_its_rule_or_its_absence(void **state)
{
	struct grants g = sample();

	(void)state;
	says(&g, "/usr/bin/x", X, 1, "executing /usr/bin/x is allowed: /usr is granted by preset base (read, execute).");
	says(&g, "/srv/data/x", W, 1, "writing /srv/data/x is allowed: /srv/data, typed as /data, is granted by "
				      "web.toml:12 (read, write).");
	says(&g, "/opt/x", R, 0, "reading /opt/x is refused: no grant covers it. Add -r /opt/x.");
	says(&g, "/srv/x y", W, 0, "writing /srv/x y is refused: /srv is granted by --fs-read (read) and no grant gives "
				   "more. Add -w '/srv/x y'.");
	says(&g, "/opt/\x1b[2J", R, 0, "reading /opt/\\x1b[2J is refused: no grant covers it. "
				       "Add -r $'/opt/\\x1b'$'[2J'.");
	grants_fini(&g);
}

static void test_the_flag_is_the_one_that_grants(void **state)
{
	static const struct { unsigned access; bool splits; const char *text; } cases[] = {
		{ R, false, "-r /a" }, { W, false, "-w /a" }, { X, false, "-r /a" }, { X, true, "-x /a" },
		{ R | W, false, "-w /a" }, { R | X, true, "-x /a" }, { W | X, true, "-w /a -x /a" }, { W | X, false, "-w /a" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(str) struct str s = STR(64);

		explain_flag("/a", cases[i].access, cases[i].splits, &s);
		assert_string_equal(s.buf, cases[i].text);
	}
}

static void test_words_are_quoted_for_a_shell_only_where_they_must(void **state)
{
	static const struct { const char *word, *text; } cases[] = {
		{ "/srv/a-b_c.d", "/srv/a-b_c.d" }, { "", "''" }, { "a b", "'a b'" }, { "it's", "'it'\\''s'" },
		{ "$HOME", "'$HOME'" }, { "a;b", "'a;b'" }, { "~", "'~'" }, { "a\nb", "$'a\\x0a'$'b'" },
		{ "\xff", "$'\\xff'" }, { "\\\n", "$'\\\\\\x0a'" }, { "a*", "'a*'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(str) struct str s = STR(64);

		str_add_shell(&s, cases[i].word);
		assert_string_equal(s.buf, cases[i].text);
	}
}

static void test_ports_are_explained(void **state)
{
	struct policy *p = policy_new();
	AUTO(str) struct str s = STR(256);

	(void)state;
	assert_int_equal(policy_add(p, "network.allow", ":80,443", "--net-allow", NULL), 0);
	assert_int_equal(policy_freeze(p, NULL), 0);
	assert_int_equal(explain_port(p, false, 443, &s), 1);
	assert_string_equal(s.buf, "connecting to TCP port 443 is allowed: the rule ':80,443' from --net-allow has it.");
	str_clear(&s);
	assert_int_equal(explain_port(p, false, 22, &s), 0);
	assert_string_equal(s.buf, "connecting to TCP port 22 is refused: no rule has it. Add --net-allow tcp://:22.");
	str_clear(&s);
	assert_int_equal(explain_port(p, true, 80, &s), 0);
	assert_string_equal(s.buf, "listening on TCP port 80 is refused: there is no rule. Add --net-allow-bind 80.");
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_path_lies_beneath_whole_names_only),
		cmocka_unit_test(test_the_same_path_joins_rights_and_keeps_the_first_origin),
		cmocka_unit_test(test_the_nearest_grant_is_found),
		cmocka_unit_test(test_several_grants_can_give_the_rights_together),
		cmocka_unit_test(test_descriptors_are_taken_and_closed),
		cmocka_unit_test(test_a_failed_addition_closes_the_descriptor),
		cmocka_unit_test(test_a_decision_is_explained_with_its_rule_or_its_absence),
		cmocka_unit_test(test_the_flag_is_the_one_that_grants),
		cmocka_unit_test(test_words_are_quoted_for_a_shell_only_where_they_must),
		cmocka_unit_test(test_ports_are_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
