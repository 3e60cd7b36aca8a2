/* Strings, views and quoting; memory and errors, which they stand on. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

static void check_quoted(const char *bytes, size_t len, const char *want)
{
	AUTO(str) struct str s = STR(1000);

	str_add_quoted(&s, bytes, len);
	assert_string_equal(s.buf, want);
}

static void bytes_of_the_child_cannot_reach_a_terminal(void **state)
{
	(void)state;
	check_quoted("plain name", 10, "plain name");
	check_quoted("a\033[31mb", 7, "a\\x1b[31mb");
	check_quoted("a\nb\tc\\d\r", 8, "a\\nb\\tc\\\\d\\r");
	check_quoted("\xc3\xa9t\xc3\xa9", 5, "\xc3\xa9t\xc3\xa9");
	check_quoted("\xff\xc3", 2, "\\xff\\xc3");
	check_quoted("\xc2\x9b" "31m", 5, "\\xc2\\x9b31m");             /* C1: an escape of one character */
	check_quoted("\xe2\x80\xae" "gpj", 6, "\\xe2\\x80\\xaegpj");    /* right to left */
	check_quoted("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");             /* a surrogate is not UTF-8 */
	check_quoted("\xc0\xaf", 2, "\\xc0\\xaf");                      /* nor is a long form */
	check_quoted("\0x", 2, "\\x00x");
}

static void json_keeps_every_byte_and_stays_ascii_safe(void **state)
{
	AUTO(str) struct str s = STR(1000);

	(void)state;
	str_add_json(&s, "a\"b\\\n\xff\x7f", 7);
	assert_string_equal(s.buf, "\"a\\\"b\\\\\\u000a\\udcff\\u007f\"");
}

static void a_string_stops_at_its_ceiling_and_says_so(void **state)
{
	AUTO(str) struct str s = STR(5);

	(void)state;
	str_add(&s, "12345");
	assert_int_equal(s.rc, 0);
	str_addc(&s, '6');
	assert_int_equal(s.rc, -ENOSPC);
	str_clear(&s);
	str_addf(&s, "%d", 123456);
	assert_int_equal(s.rc, -ENOSPC);
	assert_null(str_take(&s));
}

static void a_number_is_digits_and_nothing_else(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_int_equal(view_u64(view_of("0"), 10, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(view_u64(view_of("18446744073709551615"), UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(view_u64(view_of("18446744073709551616"), UINT64_MAX, &n), -ERANGE);
	assert_int_equal(view_u64(view_of("11"), 10, &n), -ERANGE);
	static const char *const bad[] = { "", "+1", "-1", " 1", "1 ", "0x1", "1_0" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(view_u64(view_of(bad[i]), 100, &n), -EINVAL);
}

static void cutting_a_view_takes_one_piece_at_a_time(void **state)
{
	struct view rest = view_of("a,,b");
	bool more;

	(void)state;
	assert_true(view_is(view_cut(&rest, ',', &more), "a") && more);
	assert_true(view_is(view_cut(&rest, ',', &more), "") && more);
	assert_true(view_is(view_cut(&rest, ',', &more), "b") && !more);
	assert_int_equal(rest.len, 0);
}

static void distance_counts_single_edits(void **state)
{
	(void)state;
	assert_int_equal(str_distance("fs-read", "fs-read"), 0);
	assert_int_equal(str_distance("fs-raed", "fs-read"), 2);
	assert_int_equal(str_distance("", "abc"), 3);
	assert_int_equal(str_distance("abc", "abcd"), 1);
}

static void no_memory_sticks_and_frees(void **state)
{
	(void)state;
	for (int n = 0;; n++) {
		struct str s = STR(1 << 20);

		fault_arm(n);
		for (int i = 0; i < 100; i++)
			str_add(&s, "some words that make it grow");
		bool fired = fault_fired();
		assert_int_equal(s.rc, fired ? -ENOMEM : 0);
		str_fini(&s);
		if (!fired)
			break;
	}
}

static void growth_keeps_content_and_zeroes_the_rest(void **state)
{
	int *v = NULL;
	size_t cap = 0;
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(VEC_PUSH(v, cap, len, i), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(v[i], i);
	for (size_t i = len; i < cap; i++)
		assert_int_equal(v[i], 0);
	assert_int_equal(mem_grow(&v, &cap, SIZE_MAX / 2, sizeof *v), -ENOMEM);
	assert_int_equal(v[99], 99);
	assert_null(mem_array(SIZE_MAX / 2, 4));
	mem_free(v);
}

static void an_error_is_set_once_and_gains_context(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(error_set(&err, ERR_POLICY, -ENOENT, "'%s' does not exist", "/x"), -ENOENT);
	error_set(&err, ERR_IO, -EIO, "later");
	assert_int_equal(err.kind, ERR_POLICY);
	assert_int_equal(error_add(&err, err.code, "web.toml:%d", 12), -ENOENT);
	assert_string_equal(err.text, "web.toml:12: '/x' does not exist");
	assert_int_equal(error_set(NULL, ERR_IO, -EIO, "nobody listens"), -EIO);
	assert_string_equal(error_name(-EACCES), "EACCES");
	assert_string_equal(error_name(99999), "E?");
}

static void context_that_is_too_long_is_cut_not_overrun(void **state)
{
	struct error err = { 0 };
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	error_set(&err, ERR_IO, -EIO, "%s", text);
	error_add(&err, -EIO, "before");
	assert_int_equal(strlen(err.text), sizeof err.text - 1 - 0);
	assert_memory_equal(err.text, "before: xxx", 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_of_the_child_cannot_reach_a_terminal),
		cmocka_unit_test(json_keeps_every_byte_and_stays_ascii_safe),
		cmocka_unit_test(a_string_stops_at_its_ceiling_and_says_so),
		cmocka_unit_test(a_number_is_digits_and_nothing_else),
		cmocka_unit_test(cutting_a_view_takes_one_piece_at_a_time),
		cmocka_unit_test(distance_counts_single_edits),
		cmocka_unit_test(no_memory_sticks_and_frees),
		cmocka_unit_test(growth_keeps_content_and_zeroes_the_rest),
		cmocka_unit_test(an_error_is_set_once_and_gains_context),
		cmocka_unit_test(context_that_is_too_long_is_cut_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
