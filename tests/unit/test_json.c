/* The JSON writer: what it writes, and that misuse never gives half a value. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "fault.h"

#define CASE(name) static void name(void **state)

static void write_sample(struct json *j)
{
	json_object(j);
	json_pair_text(j, "name", "a\"b\\c\n\x1b");
	json_key(j, "list");
	json_array(j);
	json_int(j, INT64_MIN);
	json_uint(j, UINT64_MAX);
	json_object(j);
	json_end(j);
	json_array(j);
	json_end(j);
	json_null(j);
	json_end(j);
	json_pair_bool(j, "yes", true);
	json_pair_bool(j, "no", false);
	json_pair_int(j, "less", -1);
	json_pair_uint(j, "more", 1);
	json_pair_text(j, "none", NULL);
	json_end(j);
}

CASE(nested_values_get_their_commas_and_brackets)
{
	AUTO(str) struct str out = STR(1000);
	struct json j = JSON(&out);

	(void)state;
	write_sample(&j);
	assert_int_equal(json_done(&j), 0);
	assert_string_equal(out.buf, "{\"name\":\"a\\\"b\\\\c\\u000a\\u001b\",\"list\":[-9223372036854775808,"
				     "18446744073709551615,{},[],null],\"yes\":true,\"no\":false,\"less\":-1,\"more\":1,"
				     "\"none\":null}");
}

CASE(a_bare_scalar_is_a_whole_value)
{
	AUTO(str) struct str out = STR(10);
	struct json j = JSON(&out);

	(void)state;
	json_int(&j, 7);
	assert_int_equal(json_done(&j), 0);
	assert_string_equal(out.buf, "7");
}

CASE(bytes_that_are_no_utf8_are_escaped_in_values_and_keys)
{
	AUTO(str) struct str out = STR(100);
	struct json j = JSON(&out);

	(void)state;
	json_object(&j);
	json_key_bytes(&j, "k\xff", 2);
	json_bytes(&j, "a\0\xc3\xa9\x80", 5);
	json_end(&j);
	assert_int_equal(json_done(&j), 0);
	assert_string_equal(out.buf, "{\"k\\udcff\":\"a\\u0000\xc3\xa9\\udc80\"}");
}

static void value_without_key(struct json *j)
{
	json_object(j);
	json_null(j);
	json_end(j);
}

static void key_in_an_array(struct json *j)
{
	json_array(j);
	json_key(j, "k");
	json_end(j);
}

static void key_after_key(struct json *j)
{
	json_object(j);
	json_key(j, "k");
	json_key(j, "k");
	json_end(j);
}

static void key_without_value(struct json *j)
{
	json_object(j);
	json_key(j, "k");
	json_end(j);
}

static void key_at_the_top(struct json *j)
{
	json_key(j, "k");
}

static void end_without_beginning(struct json *j)
{
	json_null(j);
	json_end(j);
}

static void second_value(struct json *j)
{
	json_null(j);
	json_null(j);
}

static void no_end(struct json *j)
{
	json_array(j);
}

static void no_value(struct json *j)
{
	(void)j;
}

static void too_deep(struct json *j)
{
	for (int i = 0; i < JSON_DEPTH_MAX + 1; i++)
		json_array(j);
	for (int i = 0; i < JSON_DEPTH_MAX + 1; i++)
		json_end(j);
}

CASE(every_misuse_is_an_error_that_stays)
{
	static void (*const misuses[])(struct json *) = {
		value_without_key, key_in_an_array, key_after_key, key_without_value, key_at_the_top,
		end_without_beginning, second_value, no_end, no_value, too_deep,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(misuses); i++) {
		AUTO(str) struct str out = STR(1000);
		struct json j = JSON(&out);

		misuses[i](&j);
		assert_int_equal(json_done(&j), -EINVAL);
		json_null(&j);
		json_end(&j);
		assert_int_equal(json_done(&j), -EINVAL);
	}
}

CASE(the_deepest_nesting_that_is_allowed_works)
{
	AUTO(str) struct str out = STR(1000);
	struct json j = JSON(&out);

	(void)state;
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		json_array(&j);
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		json_end(&j);
	assert_int_equal(json_done(&j), 0);
	assert_int_equal(out.len, 2 * JSON_DEPTH_MAX);
}

CASE(a_full_string_is_reported_as_full)
{
	(void)state;
	for (size_t max = 0; max < 8; max++) {
		AUTO(str) struct str out = STR(max);
		struct json j = JSON(&out);

		json_array(&j);
		json_text(&j, "xyz");
		json_end(&j);
		assert_int_equal(json_done(&j), max < 7 ? -ENOSPC : 0);
	}
}

CASE(short_memory_is_an_error_at_every_point)
{
	int walked = 0;

	(void)state;
	for (;; walked++) {
		AUTO(str) struct str out = STR(1000);
		struct json j = JSON(&out);

		fault_arm(walked);
		write_sample(&j);
		int rc = json_done(&j);
		if (!fault_fired()) {
			assert_int_equal(rc, 0);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
	}
	assert_true(walked > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nested_values_get_their_commas_and_brackets),
		cmocka_unit_test(a_bare_scalar_is_a_whole_value),
		cmocka_unit_test(bytes_that_are_no_utf8_are_escaped_in_values_and_keys),
		cmocka_unit_test(every_misuse_is_an_error_that_stays),
		cmocka_unit_test(the_deepest_nesting_that_is_allowed_works),
		cmocka_unit_test(a_full_string_is_reported_as_full),
		cmocka_unit_test(short_memory_is_an_error_at_every_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
