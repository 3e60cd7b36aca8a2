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
#include "policy/policy.h"
#include "policy/presets.h"

static struct policy *extended(const char *first, const char *second, const char *home)
{
	struct policy *p = policy_new();

	p->home = home ? mem_strdup(home) : NULL;
	assert_int_equal(policy_extend(p, first, "--preset", NULL), 0);
	if (second)
		assert_int_equal(policy_extend(p, second, "--preset", NULL), 0);
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
	assert_int_equal(policy_extend(p, "pyton", "--preset", &err), -EINVAL);
	assert_string_equal(err.text, "--preset: there is no preset 'pyton'; there are: base, python, node, build, agent");
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
