/* Answers without running anything: the deciding rule of a path or a port, also for what does not exist yet. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/path.h"
#include "fault.h"
#include "run/resolve.h"
#include "run/why.h"

static char top[64];
static char was[PATH_SIZE];
static struct policy *policy;
static struct grants grants;

static void add(const char *key, const char *value)
{
	struct error err = { 0 };

	if (policy_add(policy, key, value, "-r", &err) < 0)
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	char path[128];

	(void)state;
	snprintf(top, sizeof top, "/tmp/test_why.XXXXXX");
	assert_non_null(mkdtemp(top));
	assert_non_null(getcwd(was, sizeof was));
	assert_int_equal(chdir(top), 0);
	assert_int_equal(mkdir("data", 0700), 0);
	assert_int_equal(mkdir("other", 0700), 0);
	assert_int_equal(symlink("data", "link"), 0);
	assert_int_equal(symlink("../other", "data/out"), 0);
	policy = policy_new();
	assert_non_null(policy);
	snprintf(path, sizeof path, "%s/data", top);
	add("filesystem.read", path);
	add("network.allow", ":443");
	add("network.allow_bind", "8080");
	if (policy_freeze(policy, NULL) < 0)
		return -1;
	return resolve_grants(policy, &grants, NULL);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	grants_fini(&grants);
	policy_free(policy);
	assert_int_equal(chdir(was), 0);
	snprintf(command, sizeof command, "rm -rf %s", top);
	return system(command);
}

static void expect(unsigned access, const char *path, int answer, const char *words)
{
	AUTO(str) struct str out = STR(4096);

	assert_int_equal(why_path(policy, &grants, access, path, &out), answer);
	if (!strstr(out.buf, words))
		fail_msg("'%s' is not in: %s", words, out.buf);
}

static void the_grant_that_decides_is_named(void **state)
{
	(void)state;
	expect(ACCESS_READ, "data", 1, "-r");
	expect(ACCESS_WRITE, "data", 0, "-w ");
	expect(ACCESS_READ, "other", 0, "-r ");
}

static void a_symbolic_link_is_judged_by_its_target(void **state)
{
	(void)state;
	expect(ACCESS_READ, "link", 1, "/data");
	expect(ACCESS_READ, "link/", 1, "/data");
	expect(ACCESS_READ, "data/out/../x", 0, "/x");
}

static void what_does_not_exist_is_judged_by_the_parent_that_does(void **state)
{
	(void)state;
	expect(ACCESS_READ, "data/new", 1, "/data/new");
	expect(ACCESS_READ, "link/new/more", 1, "/data/new/more");
	expect(ACCESS_WRITE, "data/new", 0, "/data/new");
	expect(ACCESS_READ, "absent", 0, "/absent");
	expect(ACCESS_READ, "/absent-in-root", 0, "/absent-in-root");
	expect(ACCESS_READ, "./absent/more", 0, "/absent/more");
}

static void what_cannot_be_a_path_is_an_error(void **state)
{
	AUTO(str) struct str out = STR(4096);
	char word[PATH_SIZE + 4];

	(void)state;
	memset(word, '/', sizeof word - 1);
	word[sizeof word - 1] = '\0';
	assert_int_equal(why_path(policy, &grants, ACCESS_READ, "", &out), -ENOENT);
	assert_int_equal(why_path(policy, &grants, ACCESS_READ, word, &out), -ENAMETOOLONG);
	assert_int_equal(why_path(policy, &grants, ACCESS_READ, "data/absent/../../other", &out), -ENOENT);
}

static void ports_are_read_in_every_spelling(void **state)
{
	static const struct {
		const char *target;
		int answer;
	} rows[] = { { "443", 1 }, { ":443", 1 }, { "host:443", 1 }, { "[::1]:443", 1 }, { "80", 0 },
		     { "host", -EINVAL }, { "host:", -EINVAL }, { "65536", -EINVAL }, { "-1", -EINVAL } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO(str) struct str out = STR(4096);

		assert_int_equal(why_connect(policy, rows[i].target, &out), rows[i].answer);
		assert_int_equal(out.len > 0, rows[i].answer >= 0);
	}
}

static void binding_has_its_own_ports(void **state)
{
	AUTO(str) struct str out = STR(4096);

	(void)state;
	assert_int_equal(why_bind(policy, "8080", &out), 1);
	assert_int_equal(why_bind(policy, "443", &out), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_grant_that_decides_is_named),
		CASE(a_symbolic_link_is_judged_by_its_target),
		CASE(what_does_not_exist_is_judged_by_the_parent_that_does),
		CASE(what_cannot_be_a_path_is_an_error),
		CASE(ports_are_read_in_every_spelling),
		CASE(binding_has_its_own_ports),
	};

	return cmocka_run_group_tests_name("why", tests, NULL, NULL);
}
