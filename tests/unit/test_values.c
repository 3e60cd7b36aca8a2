/* The grammars of single values: every form that is accepted, with what it means, and every form that is not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "policy/values.h"

#define KIB ((uint64_t)1024)
#define SEC ((uint64_t)1000000000)

struct number_case {
	const char *text;
	int rc;
	uint64_t value;
};

static void check_numbers(const struct number_case *cases, size_t count, int (*parse)(struct view v, uint64_t *out))
{
	for (size_t i = 0; i < count; i++) {
		uint64_t got = 77;
		int rc = parse(view_of(cases[i].text), &got);

		if (rc != cases[i].rc)
			fail_msg("'%s' gave %d, not %d", cases[i].text, rc, cases[i].rc);
		if (got != (rc == 0 ? cases[i].value : 77))
			fail_msg("'%s' gave %llu", cases[i].text, (unsigned long long)got);
	}
}

static void test_sizes_are_whole_numbers_with_at_most_one_letter(void **state)
{
	static const struct number_case cases[] = {
		{ "0", 0, 0 },
		{ "123", 0, 123 },
		{ "10K", 0, 10 * KIB },
		{ "10k", 0, 10 * KIB },
		{ "512M", 0, 512 * KIB * KIB },
		{ "512m", 0, 512 * KIB * KIB },
		{ "2G", 0, 2 * KIB * KIB * KIB },
		{ "2g", 0, 2 * KIB * KIB * KIB },
		{ "007", 0, 7 },
		{ "18446744073709551614", 0, UINT64_MAX - 1 },
		{ "18446744073709551615", -ERANGE, 0 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "17179869183G", 0, 17179869183 * KIB * KIB * KIB },
		{ "17179869184G", -ERANGE, 0 },
		{ "99999999999999999999K", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "K", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
		{ "1,5G", -EINVAL, 0 },
		{ "1T", -EINVAL, 0 },
		{ "1MB", -EINVAL, 0 },
		{ "1MiB", -EINVAL, 0 },
		{ "1KK", -EINVAL, 0 },
		{ "1 K", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "B", -EINVAL, 0 },
		{ "M512", -EINVAL, 0 },
	};

	(void)state;
	check_numbers(cases, ARRAY_SIZE(cases), value_size);
}

static void test_durations_are_seconds_or_have_a_unit(void **state)
{
	static const struct number_case cases[] = {
		{ "0", 0, 0 },
		{ "10", 0, 10 * SEC },
		{ "10s", 0, 10 * SEC },
		{ "500ms", 0, SEC / 2 },
		{ "5m", 0, 300 * SEC },
		{ "2h", 0, 7200 * SEC },
		{ "0ms", 0, 0 },
		{ "18446744073s", 0, 18446744073 * SEC },
		{ "18446744074s", -ERANGE, 0 },
		{ "18446744074", -ERANGE, 0 },
		{ "5124096h", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "ms", -EINVAL, 0 },
		{ "1.5s", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1s", -EINVAL, 0 },
		{ "1d", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
		{ "1M", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "1us", -EINVAL, 0 },
		{ "1ns", -EINVAL, 0 },
		{ "1h30m", -EINVAL, 0 },
	};

	(void)state;
	check_numbers(cases, ARRAY_SIZE(cases), value_duration);
}

static void test_percents_are_1_to_100(void **state)
{
	static const struct number_case cases[] = {
		{ "1", 0, 1 }, { "100", 0, 100 }, { "0", -ERANGE, 0 }, { "101", -ERANGE, 0 }, { "", -EINVAL, 0 },
		{ "50%", -EINVAL, 0 }, { "-1", -EINVAL, 0 }, { "99999999999999999999999", -ERANGE, 0 },
	};

	(void)state;
	check_numbers(cases, ARRAY_SIZE(cases), value_percent);
}

static void test_counts_stop_below_the_number_that_means_no_limit(void **state)
{
	static const struct number_case cases[] = {
		{ "0", 0, 0 }, { "64", 0, 64 }, { "18446744073709551614", 0, UINT64_MAX - 1 },
		{ "18446744073709551615", -ERANGE, 0 }, { "", -EINVAL, 0 }, { "6 4", -EINVAL, 0 }, { "1K", -EINVAL, 0 },
	};

	(void)state;
	check_numbers(cases, ARRAY_SIZE(cases), value_count);
}

static void test_flags_are_true_or_false_in_small_letters(void **state)
{
	bool on = false;

	(void)state;
	assert_int_equal(value_flag(VIEW("true"), &on), 0);
	assert_true(on);
	assert_int_equal(value_flag(VIEW("false"), &on), 0);
	assert_false(on);
	static const char *const bad[] = { "", "True", "yes", "1", "0", "true " };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(value_flag(view_of(bad[i]), &on), -EINVAL);
}

static void test_a_user_is_two_numbers(void **state)
{
	uint32_t uid = 1;
	uint32_t gid = 1;

	(void)state;
	assert_int_equal(value_user(VIEW("1000:100"), &uid, &gid), 0);
	assert_int_equal(uid, 1000);
	assert_int_equal(gid, 100);
	assert_int_equal(value_user(VIEW("0:4294967294"), &uid, &gid), 0);
	assert_int_equal(gid, UINT32_MAX - 1);
	static const char *const bad[] = { "", "1000", ":", "1:", ":1", "a:b", "1:2:3", "-1:1", "1:1 ", "1.1" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(value_user(view_of(bad[i]), &uid, &gid), -EINVAL);
	assert_int_equal(value_user(VIEW("4294967295:0"), &uid, &gid), -ERANGE);
	assert_int_equal(value_user(VIEW("0:4294967296"), &uid, &gid), -ERANGE);
	assert_int_equal(uid, 0);
}

static void test_cores_are_numbers_or_ranges(void **state)
{
	unsigned first = 9;
	unsigned last = 9;

	(void)state;
	assert_int_equal(value_core(VIEW("0"), &first, &last), 0);
	assert_true(first == 0 && last == 0);
	assert_int_equal(value_core(VIEW("2-1023"), &first, &last), 0);
	assert_true(first == 2 && last == 1023);
	assert_int_equal(value_core(VIEW("5-5"), &first, &last), 0);
	assert_int_equal(value_core(VIEW("1024"), &first, &last), -ERANGE);
	static const char *const bad[] = { "", "-", "1-", "-1", "3-2", "a", "1-2-3", "1,2", " 1" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(value_core(view_of(bad[i]), &first, &last), -EINVAL);
	assert_true(first == 5 && last == 5);
}

static void test_a_path_is_any_bytes_but_nul(void **state)
{
	char longest[4096];

	(void)state;
	memset(longest, 'x', sizeof longest);
	assert_int_equal(value_path(VIEW("/a b\n\xff")), 0);
	assert_int_equal(value_path((struct view){ longest, 4095 }), 0);
	assert_int_equal(value_path((struct view){ longest, 4096 }), -ERANGE);
	assert_int_equal(value_path(VIEW("")), -EINVAL);
	assert_int_equal(value_path(VIEW("a\0b")), -EINVAL);
	assert_int_equal(value_text(VIEW("a\0b")), -EINVAL);
	assert_int_equal(value_text(VIEW("")), 0);
}

static void test_a_variable_has_a_name(void **state)
{
	(void)state;
	assert_int_equal(value_env(VIEW("A=b")), 0);
	assert_int_equal(value_env(VIEW("A=")), 0);
	assert_int_equal(value_env(VIEW("A=b=c")), 0);
	assert_int_equal(value_env(VIEW("A")), -EINVAL);
	assert_int_equal(value_env(VIEW("")), -EINVAL);
	assert_int_equal(value_env(VIEW("=b")), -EINVAL);
	assert_int_equal(value_env(VIEW("A=\0")), -EINVAL);
}

static void test_a_name_fits_in_a_file_and_on_a_line(void **state)
{
	static const char *const good[] = { "a", "web-1.2", "\xc3\xa4", "...", "a\"b" };
	static const char *const bad[] = { "", ".", "..", "a/b", "a b", "a\tb", "a\n", "\x01", "a\x7f" };
	char longest[65];

	(void)state;
	memset(longest, 'x', sizeof longest);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(value_name(view_of(good[i])), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(value_name(view_of(bad[i])), -EINVAL);
	assert_int_equal(value_name((struct view){ longest, 64 }), 0);
	assert_int_equal(value_name((struct view){ longest, 65 }), -ERANGE);
	assert_int_equal(value_name(VIEW("a\0b")), -EINVAL);
}

static void check_print(void (*print)(uint64_t n, struct str *out), uint64_t n, const char *text)
{
	AUTO(str) struct str s = STR(64);

	print(n, &s);
	assert_string_equal(s.buf, text);
}

static void test_numbers_are_printed_in_the_largest_unit_that_divides_them(void **state)
{
	(void)state;
	check_print(value_print_size, 0, "0");
	check_print(value_print_size, 1, "1");
	check_print(value_print_size, 1024, "1K");
	check_print(value_print_size, 1025, "1025");
	check_print(value_print_size, 512 * KIB * KIB, "512M");
	check_print(value_print_size, 2 * KIB * KIB * KIB, "2G");
	check_print(value_print_duration, 0, "0s");
	check_print(value_print_duration, SEC / 2, "500ms");
	check_print(value_print_duration, 90 * SEC, "90s");
	check_print(value_print_duration, 120 * SEC, "2m");
	check_print(value_print_duration, 7200 * SEC, "2h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_are_whole_numbers_with_at_most_one_letter),
		cmocka_unit_test(test_durations_are_seconds_or_have_a_unit),
		cmocka_unit_test(test_percents_are_1_to_100),
		cmocka_unit_test(test_counts_stop_below_the_number_that_means_no_limit),
		cmocka_unit_test(test_flags_are_true_or_false_in_small_letters),
		cmocka_unit_test(test_a_user_is_two_numbers),
		cmocka_unit_test(test_cores_are_numbers_or_ranges),
		cmocka_unit_test(test_a_path_is_any_bytes_but_nul),
		cmocka_unit_test(test_a_variable_has_a_name),
		cmocka_unit_test(test_a_name_fits_in_a_file_and_on_a_line),
		cmocka_unit_test(test_numbers_are_printed_in_the_largest_unit_that_divides_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
