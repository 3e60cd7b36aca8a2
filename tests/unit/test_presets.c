/* The presets as data: what they must have, what they must never have, and how they join. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "policy/grants.h"
#include "policy/hint.h"
#include "policy/policy.h"
#include "policy/presets.h"

static struct policy *extended(const char *first, const char *second, const char *home)
{
	struct policy *p = policy_new();

	p->home = home ? mem_strdup(home) : NULL;
	assert_int_equal(policy_add(p, "extends", first, "--preset", NULL), 0);
	if (second)
		assert_int_equal(policy_add(p, "extends", second, "--preset", NULL), 0);
	assert_int_equal(policy_freeze(p, NULL), 0);
	return p;
}

static const struct preset_entry *entry(const struct policy *p, const char *path)
{
	const struct preset_entry *entries;
	size_t count = policy_preset_entries(p, &entries);

	for (size_t i = 0; i < count; i++)
		if (strcmp(entries[i].path, path) == 0)
			return &entries[i];
	return NULL;
}

static void test_the_five_presets_exist_and_include_known_ones(void **state)
{
	static const char *const names[] = { "base", "python", "node", "build", "agent" };

	(void)state;
	assert_int_equal(preset_count, ARRAY_SIZE(names));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct preset *preset = preset_by_name(view_of(names[i]));

		assert_non_null(preset);
		assert_true(!preset->includes || preset_by_name(view_of(preset->includes)));
	}
	assert_null(preset_by_name(VIEW("bas")));
}

static void test_no_preset_grants_secrets_or_whole_trees_of_them(void **state)
{
	static const char *const never[] = {
		"/", "/etc", "/etc/ssl", "/etc/ssl/private", "/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh", "/root",
		"/home", "/proc", "/proc/self", "/sys", "/dev", "/var", "/run", "/proc/sys", "/proc/sys/kernel", "~", "~/",
		"~/.ssh", "~/.aws", "~/.config", "~/.cache", "~/.local", "~/.npmrc", "~/.netrc", "~/.cargo", "~/.npm",
	};

	(void)state;
	for (size_t i = 0; i < preset_count; i++)
		for (size_t j = 0; j < presets[i].count; j++)
			for (size_t k = 0; k < ARRAY_SIZE(never); k++)
				if (path_is_beneath(never[k], presets[i].entries[j].path))
					fail_msg("%s grants %s", presets[i].name, presets[i].entries[j].path);
}

static void test_base_writes_to_plain_devices_only_and_checks_their_numbers(void **state)
{
	const struct preset *base = preset_by_name(VIEW("base"));

	(void)state;
	for (size_t i = 0; i < base->count; i++) {
		const struct preset_entry *e = &base->entries[i];
		bool device = strncmp(e->path, "/dev/", 5) == 0;

		assert_int_equal(e->device, device);
		assert_true(device || !(e->access & ACCESS_WRITE));
		assert_true(!device || e->major);
		assert_false(e->access & ACCESS_IOCTL);
		assert_int_equal(e->path[0], '/');
	}
}

static void test_what_a_program_needs_to_start_is_in_base(void **state)
{
	struct policy *p = extended("base", NULL, NULL);

	(void)state;
	assert_int_equal(entry(p, "/usr")->access, ACCESS_READ | ACCESS_EXEC);
	assert_int_equal(entry(p, "/etc/ld.so.cache")->access, ACCESS_READ);
	assert_int_equal(entry(p, "/dev/null")->access, ACCESS_READ | ACCESS_WRITE);
	assert_true(entry(p, "/dev/null")->major == 1 && entry(p, "/dev/null")->minor == 3);
	assert_int_equal(entry(p, "/dev/urandom")->access, ACCESS_READ);
	assert_non_null(entry(p, "/etc/ssl/certs"));
	assert_string_equal(entry(p, "/usr")->preset, "base");
	assert_true(p->own_proc);
	policy_free(p);
}

static void test_other_presets_bring_base_along_and_paths_are_joined(void **state)
{
	struct policy *p = extended("agent", "base", "/home/u");
	const struct preset_entry *entries;
	size_t count = policy_preset_entries(p, &entries);

	(void)state;
	assert_string_equal(entry(p, "/usr")->preset, "base");
	assert_string_equal(entry(p, "/tmp")->preset, "build");
	assert_int_equal(entry(p, "/tmp")->access & ACCESS_WRITE, ACCESS_WRITE);
	for (size_t i = 0; i < count; i++)
		for (size_t j = i + 1; j < count; j++)
			assert_string_not_equal(entries[i].path, entries[j].path);
	policy_free(p);
}

static void test_paths_below_home_need_a_home(void **state)
{
	struct policy *with = extended("python", NULL, "/home/u");
	struct policy *without = extended("python", NULL, NULL);
	const struct preset_entry *entries;

	(void)state;
	assert_int_equal(entry(with, "/home/u/.cache/pip")->access, ACCESS_READ | ACCESS_WRITE);
	for (size_t i = 0; i < policy_preset_entries(without, &entries); i++)
		assert_int_equal(entries[i].path[0], '/');
	assert_true(without->preset_len < with->preset_len);
	policy_free(with);
	policy_free(without);
}

static void test_an_unknown_preset_is_refused_with_the_known_ones(void **state)
{
	struct policy *p = policy_new();
	struct error err = { 0 };

	(void)state;
	assert_int_equal(policy_add(p, "extends", "pyton", "--preset", &err), -EINVAL);
	assert_string_equal(err.text, "--preset: there is no preset 'pyton'; did you mean 'python'?");
	err = (struct error){ 0 };
	assert_int_equal(policy_add(p, "extends", "java", "--preset", &err), -EINVAL);
	assert_string_equal(err.text, "--preset: there is no preset 'java'; there are: base, python, node, build, agent");
	err = (struct error){ 0 };
	assert_int_equal(policy_add(p, "extends", "pypi", "--preset", &err), -EINVAL);
	assert_string_equal(err.text, "--preset: there is no preset 'pypi'; it is one of the network: --net-preset pypi");
	err = (struct error){ 0 };
	assert_int_equal(policy_add(p, "network.presets", "python", "--net-preset", &err), -EINVAL);
	assert_string_equal(err.text, "--net-preset: there is no network preset 'python'; it is one of files: --preset python");
	policy_free(p);
}

static void test_a_preset_offers_what_the_policy_has_not(void **state)
{
	struct policy *p = extended("node", NULL, "/h");

	(void)state;
	assert_string_equal(preset_offering(p, "/tmp/x", ACCESS_WRITE), "build");
	assert_string_equal(preset_offering(p, "/h/.cache/pip/x", ACCESS_WRITE), "python");
	assert_string_equal(preset_offering(p, "/etc/profile.d", ACCESS_READ), "agent");
	assert_null(preset_offering(p, "/h/.cache", ACCESS_WRITE));             /* more than any preset grants */
	assert_null(preset_offering(p, "/etc/gitconfig", ACCESS_WRITE));        /* to read only */
	assert_null(preset_offering(p, "/h/.npm/_cacache", ACCESS_WRITE));      /* has it */
	assert_null(preset_offering(p, "/ho/.cache/pip", ACCESS_WRITE));
	assert_null(preset_offering(p, "/etc/shadow", ACCESS_READ));
	policy_free(p);
}

static void test_the_advice_for_a_name_that_is_made_is_never_the_home_directory(void **state)
{
	static const struct {
		const char *folder, *path, *maker, *flag, *rule;
	} rows[] = {
		{ "/h", "/h/.x", "mkdir -p", "-w /h/.x", "no grant covers it; it can be granted once it exists: mkdir -p /h/.x" },
		{ "/", "/a b", "touch", "-w '/a b'", "no grant covers it; it can be granted once it exists: touch '/a b'" },
		{ "/h", "/h/.x", NULL, "-w /h", "no grant covers it; what allows it opens the whole of /h" },
		{ "/h", "/h/.npm", "mkdir -p", "-w /h/.npm/_cacache -w /h/.npm/_logs",
		  "preset node grants its caches once they exist: mkdir -p /h/.npm/_cacache /h/.npm/_logs" },
		{ "/h/.cache", "/h/.cache/yarn", "mkdir -p", "-w /h/.cache/yarn",
		  "preset node grants its caches once they exist: mkdir -p /h/.cache/yarn" },
		{ "/h/a", "/h/a/b", "mkdir -p", NULL, NULL },
	};
	const struct grants none = { 0 };
	struct policy *p = extended("node", NULL, "/h");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct hint_new n = { p, &none, rows[i].folder, rows[i].path, rows[i].maker };
		AUTO(str) struct str rule = STR(1000);
		AUTO(str) struct str flag = STR(1000);

		assert_int_equal(hint_add_new(&n, &rule, &flag), rows[i].flag != NULL);
		assert_string_equal(flag.len ? flag.buf : "", rows[i].flag ? rows[i].flag : "");
		assert_string_equal(rule.len ? rule.buf : "", rows[i].rule ? rows[i].rule : "");
	}
	policy_free(p);
}

static void test_advice_keeps_the_current_directory_and_grants_terminals_by_their_folder(void **state)
{
	static const struct {
		const char *path;
		unsigned access;
		const char *flag;
	} rows[] = {
		{ "/etc/x", ACCESS_READ, "-r '/w k' -r /etc/x" }, { "/w k", ACCESS_WRITE, "-w '/w k'" },
		{ "/w k/a", ACCESS_WRITE, "-r '/w k' -w '/w k/a'" }, { "/dev/pts/7", ACCESS_WRITE, "-r '/w k' -w /dev/pts" },
		{ "/dev/pts", ACCESS_READ, "-r '/w k' -r /dev/pts" },
	};
	struct grant at[] = { { .path = (char *)"/w k", .origin = (char *)GRANT_CWD_ORIGIN, .is_dir = true } };
	const struct grants grants = { .at = at, .len = 1 };
	struct policy *p = extended("node", NULL, "/h");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO(str) struct str rule = STR(1000);
		AUTO(str) struct str flag = STR(1000);

		hint_add_grant(&grants, rows[i].path, rows[i].access, &rule, &flag);
		assert_string_equal(flag.buf, rows[i].flag);
		assert_int_equal(rule.len > 0, i == 3);
	}
	AUTO(str) struct str rule = STR(1000);
	AUTO(str) struct str flag = STR(1000);
	const struct hint_new n = { p, &grants, "/h", "/h/.npm", "mkdir -p" };
	assert_true(hint_add_new(&n, &rule, &flag));
	assert_string_equal(flag.buf, "-r '/w k' -w /h/.npm/_cacache -w /h/.npm/_logs");
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_five_presets_exist_and_include_known_ones),
		cmocka_unit_test(test_no_preset_grants_secrets_or_whole_trees_of_them),
		cmocka_unit_test(test_base_writes_to_plain_devices_only_and_checks_their_numbers),
		cmocka_unit_test(test_what_a_program_needs_to_start_is_in_base),
		cmocka_unit_test(test_other_presets_bring_base_along_and_paths_are_joined),
		cmocka_unit_test(test_paths_below_home_need_a_home),
		cmocka_unit_test(test_an_unknown_preset_is_refused_with_the_known_ones),
		cmocka_unit_test(test_a_preset_offers_what_the_policy_has_not),
		cmocka_unit_test(test_the_advice_for_a_name_that_is_made_is_never_the_home_directory),
		cmocka_unit_test(test_advice_keeps_the_current_directory_and_grants_terminals_by_their_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
