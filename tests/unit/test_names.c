/* Names of rules become pinned addresses: each once, all or nothing, and with a sentence that says which one failed. */
#include <errno.h>
#include <pthread.h>
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
static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;

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

	pthread_mutex_lock(&asking);
	str_addf(&asked, "%s ", name);
	pthread_mutex_unlock(&asking);
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
	assert_int_equal(asked.len, strlen("b.test a.test "));
	assert_true(strstr(asked.buf, "a.test") && strstr(asked.buf, "b.test"));
	assert_string_equal(n->pins[0].name, "b.test");
	assert_string_equal(n->pins[2].name, "a.test");
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

/* Each waits until all of them have been asked for. */
static pthread_barrier_t together;

static int lookup_together(const char *name, struct addresses *out, const char **why)
{
	(void)why;
	(void)name;
	pthread_barrier_wait(&together);
	return push(out, "192.0.2.7");
}

static void names_are_looked_up_at_the_same_time(void **state)
{
	struct policy *p = POLICY("a.test", "b.test", "c.test", "d.test", "e.test", "f.test", "g.test", "h.test");
	struct names *n = NULL;

	(void)state;
	pthread_barrier_init(&together, NULL, 8);
	assert_int_equal(names_resolve(p, lookup_together, &n, NULL), 0);
	assert_int_equal(n->count, 8);
	pthread_barrier_destroy(&together);
	names_unref(n);
	policy_free(p);
}

/* Of "pypi" one host is there, of other presets none. */
static int lookup_preset(const char *name, struct addresses *out, const char **why)
{
	*why = strstr(name, "registry") ? "it is gone" : "it is away";
	return strcmp(name, "pypi.org") == 0 ? push(out, "192.0.2.8") : -EHOSTUNREACH;
}

static struct policy *preset_policy(const char *preset, const char *rule)
{
	struct policy *p = policy_new();

	assert_int_equal(policy_add(p, "network.presets", preset, "--net-preset", NULL), 0);
	if (rule)
		assert_int_equal(policy_add(p, "network.allow", rule, "web.toml:7", NULL), 0);
	assert_int_equal(policy_freeze(p, NULL), 0);
	return p;
}

static void a_host_of_a_preset_that_is_not_found_is_left_out_with_a_warning(void **state)
{
	struct policy *p = preset_policy("pypi", NULL);
	struct names *n = NULL;

	(void)state;
	assert_int_equal(names_resolve(p, lookup_preset, &n, NULL), 0);
	assert_true(allows(n, "192.0.2.8", 443));
	assert_int_equal(n->warnings.len, 1);
	assert_string_equal(n->warnings.at[0].text, "the network preset pypi is without files.pythonhosted.org, which has no "
						    "address: it is away");
	names_unref(n);
	policy_free(p);
}

static void a_preset_of_which_nothing_is_found_opens_nothing_and_is_told_of(void **state)
{
	static const struct {
		const char *preset, *words[2];
	} rows[] = {
		{ "maven", { "the network preset maven is without repo.maven.apache.org, repo1.maven.org, which have no "
			     "address: it is away" } },
		{ "gitlab", { "the network preset gitlab is without gitlab.com, which has no address: it is away",
			      "the network preset gitlab is without registry.gitlab.com, which has no address: it is gone" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy *p = preset_policy(rows[i].preset, NULL);
		struct names *n = NULL;

		assert_int_equal(names_resolve(p, lookup_preset, &n, NULL), 0);
		assert_int_equal(n->count, 0);
		assert_false(allows(n, "192.0.2.8", 443) || allows(n, "198.51.100.1", 1));
		for (size_t w = 0; w < ARRAY_SIZE(rows[i].words) && rows[i].words[w]; w++)
			assert_string_equal(w < n->warnings.len ? n->warnings.at[w].text : "nothing", rows[i].words[w]);
		assert_int_equal(n->warnings.len, 1 + (rows[i].words[1] != NULL));
		names_unref(n);
		policy_free(p);
	}
}

static void denials_beside_a_preset_that_is_away_do_not_allow_the_rest(void **state)
{
	struct policy *p = policy_new();
	struct names *n = NULL;

	(void)state;
	assert_int_equal(policy_add(p, "network.presets", "maven", "--net-preset", NULL), 0);
	assert_int_equal(policy_add(p, "network.deny", "10.0.0.0/8", "--net-deny", NULL), 0);
	assert_int_equal(policy_freeze(p, NULL), 0);
	assert_int_equal(names_resolve(p, lookup_preset, &n, NULL), 0);
	assert_false(allows(n, "192.0.2.1", 443));
	names_unref(n);
	policy_free(p);
}

static void a_question_takes_what_is_known(void **state)
{
	struct policy *p = POLICY("a.test:443", "nowhere.test:443");
	struct names *n = NULL;

	(void)state;
	assert_int_equal(names_resolve_known(p, lookup, &n, NULL), 0);
	assert_int_equal(n->count, 2);
	assert_int_equal(n->warnings.len, 0);
	assert_true(allows(n, "192.0.2.1", 443));
	names_unref(n);
	policy_free(p);
}

static void a_name_that_was_typed_stops_the_start_also_beside_a_preset(void **state)
{
	static const struct {
		const char *preset, *rule, *part;
	} rows[] = {
		{ "gitlab", "gitlab.com", "the name 'gitlab.com' of the network rule 'gitlab.com' from web.toml:7" },
		{ "pypi", "away.test:1", "'away.test'" },
		{ "pypi", "files.pythonhosted.org", "from web.toml:7" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy *p = preset_policy(rows[i].preset, rows[i].rule);
		struct error err = { 0 };
		struct names *n = NULL;

		assert_int_equal(names_resolve(p, lookup_preset, &n, &err), -EHOSTUNREACH);
		if (!strstr(err.text, rows[i].part))
			fail_msg("%s", err.text);
		policy_free(p);
	}
}

static void walk_allocations(struct policy *p, names_lookup search)
{
	for (int n = 0;; n++) {
		struct names *names = NULL;
		struct error err = { 0 };

		forget(NULL);
		fault_arm(n);
		int rc = names_resolve(p, search, &names, &err);
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

static void every_allocation_may_fail(void **state)
{
	(void)state;
	walk_allocations(POLICY("a.test:443"), lookup);
	walk_allocations(POLICY("a.test:443", "b.test:80"), lookup);
	walk_allocations(preset_policy("pypi", NULL), lookup_preset);
	walk_allocations(preset_policy("gitlab", NULL), lookup_preset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_name_is_looked_up_once_in_the_order_of_the_rules, forget),
		cmocka_unit_test_setup(a_name_that_is_not_found_is_named_with_its_rule, forget),
		cmocka_unit_test_setup(without_names_nothing_is_looked_up, forget),
		cmocka_unit_test_setup(names_stand_for_nothing_where_they_are_not_looked_up, forget),
		cmocka_unit_test_setup(the_host_knows_itself_and_says_why_it_does_not_know_others, forget),
		cmocka_unit_test_setup(names_are_looked_up_at_the_same_time, forget),
		cmocka_unit_test_setup(a_host_of_a_preset_that_is_not_found_is_left_out_with_a_warning, forget),
		cmocka_unit_test_setup(a_preset_of_which_nothing_is_found_opens_nothing_and_is_told_of, forget),
		cmocka_unit_test_setup(denials_beside_a_preset_that_is_away_do_not_allow_the_rest, forget),
		cmocka_unit_test_setup(a_question_takes_what_is_known, forget),
		cmocka_unit_test_setup(a_name_that_was_typed_stops_the_start_also_beside_a_preset, forget),
		cmocka_unit_test_setup(every_allocation_may_fail, forget),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	str_fini(&asked);
	return failed;
}
