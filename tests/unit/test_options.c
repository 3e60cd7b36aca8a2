/* The option table: every row is complete, unique, and leads to a field that it can set. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "policy/options.h"

static void test_every_row_has_what_help_and_docs_need(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_rows[i];
		bool hidden = row->flags & OPTION_HIDDEN;

		assert_non_null(row->key);
		assert_non_null(row->group);
		assert_non_null(row->help);
		if (strlen(row->help) > 88 || row->help[strlen(row->help) - 1] == '.')
			fail_msg("%s: the help is too long or ends with a full stop", row->key);
		assert_true(!!row->flag == !(row->flags & OPTION_PROFILE_ONLY));
		assert_true(!!row->metavar == (row->type != OPT_FLAG));
		assert_non_null(option_type_name(row->type));
		assert_true(!row->rewrite || hidden);
		assert_true(row->flag || !row->short_flag);
	}
	assert_null(option_type_name(OPT_TYPE_MAX));
}

static bool equal(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static void test_no_two_rows_share_a_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_count; i++)
		for (size_t j = i + 1; j < option_count; j++) {
			const struct option_row *a = &option_rows[i];
			const struct option_row *b = &option_rows[j];

			if (equal(a->key, b->key) || equal(a->flag, b->flag) || equal(a->flat_key, b->flat_key) ||
			    (a->short_flag && a->short_flag == b->short_flag))
				fail_msg("%s and %s share a name", a->key, b->key);
			if (a->offset == b->offset && !((a->flags | b->flags) & OPTION_HIDDEN) && a->type != OPT_USER)
				fail_msg("%s and %s share a field", a->key, b->key);
		}
}

static void test_rows_of_a_group_stand_together(void **state)
{
	(void)state;
	for (size_t i = 1; i < option_count; i++)
		for (size_t j = 0; j + 1 < i; j++)
			if (strcmp(option_rows[i].group, option_rows[j].group) == 0 &&
			    strcmp(option_rows[i].group, option_rows[i - 1].group) != 0)
				fail_msg("%s stands apart from its group", option_rows[i].key);
}

static void test_conflicts_name_keys_that_exist(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_count; i++) {
		struct view rest = view_of(option_rows[i].conflicts ? option_rows[i].conflicts : "");
		bool more = rest.len > 0;

		while (more) {
			struct view one = view_cut(&rest, ' ', &more);
			AUTO(free) char *key = mem_strndup(one.ptr, one.len);

			assert_non_null(option_by_key(key));
		}
	}
}

static void test_rows_are_found_by_each_of_their_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_rows[i];

		assert_ptr_equal(option_by_key(row->key), row);
		if (row->flat_key)
			assert_ptr_equal(option_by_flat(row->flat_key), row);
	}
	assert_null(option_by_key("filesystem"));
	assert_null(option_by_flat("filesystem.read"));
}

static void test_an_older_spelling_leads_to_the_row_of_today(void **state)
{
	static const struct { const char *older, *key; } cases[] = {
		{ "network.bind", "network.allow_bind" }, { "network.connect", "network.connect" },
		{ "filesystem.read", "filesystem.read" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(option_canonical(option_by_key(cases[i].older))->key, cases[i].key);
}

static void test_near_misses_are_found_and_far_ones_are_not(void **state)
{
	(void)state;
	assert_string_equal(option_nearest_key("filesystem.raed"), "filesystem.read");
	assert_string_equal(option_nearest_key("limits.memroy"), "limits.memory");
	assert_string_equal(option_nearest_flat("fs_readble"), "fs_readable");
	assert_null(option_nearest_key("completely.different"));
	assert_null(option_nearest_key("x"));
	/* hidden rows are understood, not recommended */
	assert_false(equal(option_nearest_key("network.bindd"), "network.bind"));
}

static void test_names_of_the_larger_design_are_known_as_planned(void **state)
{
	static const char *const names[] = {
		"chroot", "workdir", "http-allow", "filesystem.deny", "fs_denied", "num_cpus",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_true(option_is_planned(names[i]));
	for (size_t i = 0; i < option_count; i++) {
		assert_false(option_is_planned(option_rows[i].key));
		assert_false(option_rows[i].flag && option_is_planned(option_rows[i].flag));
		assert_false(option_rows[i].flat_key && option_is_planned(option_rows[i].flat_key));
	}
}

static void test_what_a_supervisor_is_needed_for(void **state)
{
	static const char *const needed[] = { "limits.processes", "limits.threads", "explain" };
	static const char *const free_of_it[] = {
		"program.cwd", "limits.cpu_cores", "limits.open_files", "program.no_coredump", "program.user",
		"limits.timeout", "limits.file_size", "limits.cpu", "limits.cpu_time", "filesystem.read",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		assert_true(option_by_key(needed[i])->flags & OPTION_NEEDS_SUPERVISOR);
	for (size_t i = 0; i < ARRAY_SIZE(free_of_it); i++)
		assert_false(option_by_key(free_of_it[i])->flags & OPTION_NEEDS_SUPERVISOR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_has_what_help_and_docs_need),
		cmocka_unit_test(test_no_two_rows_share_a_name),
		cmocka_unit_test(test_rows_of_a_group_stand_together),
		cmocka_unit_test(test_conflicts_name_keys_that_exist),
		cmocka_unit_test(test_rows_are_found_by_each_of_their_names),
		cmocka_unit_test(test_an_older_spelling_leads_to_the_row_of_today),
		cmocka_unit_test(test_near_misses_are_found_and_far_ones_are_not),
		cmocka_unit_test(test_names_of_the_larger_design_are_known_as_planned),
		cmocka_unit_test(test_what_a_supervisor_is_needed_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
