/*
 * The TOML reader beside what the official cases (toml_suite.py) prove: sentences with their places, places in the
 * tree, limits, and every failure of memory.
 */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "fault.h"
#include "policy/toml.h"

#define CASE(name) static void name(void **state)

static struct toml_table *parse(const char *text)
{
	struct toml_table *root = NULL;
	struct error err = { 0 };

	int rc = toml_parse(text, strlen(text), "t", &root, &err);
	if (rc < 0)
		fail_msg("%s", err.text);
	return root;
}

struct refusal {
	const char *text;
	const char *sentence;   /* what the message begins with, from the place on */
};

static void check_refusals(const struct refusal *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct toml_table *root = NULL;
		struct error err = { 0 };
		char place[64];

		assert_int_equal(toml_parse(rows[i].text, strlen(rows[i].text), "t", &root, &err), -EINVAL);
		assert_null(root);
		assert_int_equal(err.kind, ERR_USAGE);
		if (strncmp(err.text, rows[i].sentence, strlen(rows[i].sentence)) != 0)
			fail_msg("for <%s>\n  wanted %s\n  got    %s", rows[i].text, rows[i].sentence, err.text);
		snprintf(place, sizeof place, "t:%d:%d: ", err.line, err.column);
		assert_int_equal(strncmp(err.text, place, strlen(place)), 0);
	}
}

CASE(a_wrong_line_is_refused_with_its_place_and_a_sentence)
{
	static const struct refusal rows[] = {
		{ "= 1", "t:1:1: found '=' where a key was expected" },
		{ "\n\n  a", "t:3:4: found the end of the file after the key 'a': write '='" },
		{ "a\nb = 1", "t:1:2: found the end of the line after the key 'a'" },
		{ "a = ", "t:1:5: found the end of the file where a value was expected" },
		{ "a = \n", "t:1:5: found the end of the line where a value was expected" },
		{ "a = 1 b = 2", "t:1:7: found 'b' where the line should end" },
		{ "a. = 1", "t:1:4: found '=' where a key was expected" },
		{ "\xc3\xa9 = 1", "t:1:1: found U+00E9 where a key was expected" },
		{ "\"\"\"a\"\"\" = 1", "t:1:1: a key stands on one line" },
		{ "[a", "t:1:3: found the end of the file in a header where ']' was expected" },
		{ "[[a]", "t:1:4: found ']' in a header where ']]' was expected" },
		{ "[]", "t:1:2: found ']' where a key was expected" },
		{ "a = [1 2]", "t:1:8: found '2' where ',' or ']' was expected, in the array of line 1" },
		{ "a = [\n1,\n", "t:3:1: found the end of the file where a value was expected" },
		{ "a = {b = 1, }", "t:1:13: found '}' where a key was expected" },
		{ "a = {b = 1\n}", "t:1:11: found the end of the line where ',' or '}' was expected, in the inline table" },
		{ "# \x01", "t:1:3: control character U+0001 in a comment" },
		{ "a = 1\rb = 2", "t:1:6: found U+000D where the line should end" },
		{ "a = 1\n\xff", "t:2:1: the byte 0xFF is not valid UTF-8" },
		{ "\xc3\xa9\xc3\xa9\xe2\x82", "t:1:3: the byte 0xE2 is not valid UTF-8" },
	};

	(void)state;
	check_refusals(rows, ARRAY_SIZE(rows));
}

CASE(a_wrong_value_is_refused_where_it_goes_wrong)
{
	static const struct refusal rows[] = {
		{ "a = hello", "t:1:5: 'hello' is no value: text is written in quotes" },
		{ "a = True", "t:1:5: 'True' is no value: text is written in quotes, true and false in small letters" },
		{ "a = .5", "t:1:5: a number begins with a digit: write '0.5'" },
		{ "a = 5.", "t:1:7: a digit is missing in the number '5.'" },
		{ "a = 1e", "t:1:7: a digit is missing in the number '1e'" },
		{ "a = 007", "t:1:5: the number '007' begins with a zero" },
		{ "a = 1__0", "t:1:6: a '_' in a number stands between two digits" },
		{ "a = 1_", "t:1:6: a '_' in a number stands between two digits" },
		{ "a = 512M", "t:1:8: 'M' does not belong in the number '512M'" },
		{ "a = 0b12", "t:1:8: '2' does not belong in the number '0b12'" },
		{ "a = 9223372036854775808", "t:1:5: the integer '9223372036854775808' does not fit in 64 bits" },
		{ "a = -9223372036854775809", "t:1:5: the integer '-9223372036854775809' does not fit" },
		{ "a = 1e999", "t:1:5: the number '1e999' does not fit in a 64-bit float" },
		{ "a = 2023-02-29", "t:1:13: month 2 of 2023 has no day 29" },
		{ "a = 2023-13-01", "t:1:10: the month 13 is not within 1 to 12" },
		{ "a = 2023-1-01", "t:1:10: the month in '2023-1-01' has 2 digits" },
		{ "a = 2023-01-01T10:00", "t:1:21: ':' and the second are missing" },
		{ "a = 10:61:00", "t:1:8: the minute 61 is not within 0 to 59" },
		{ "a = 10:00:00Z", "t:1:13: 'Z' does not belong in the time" },
		{ "a = 2023-01-01X", "t:1:15: 'X' does not belong in '2023-01-01X'" },
		{ "a = \"x", "t:1:5: this string is not closed on its line: write \" at its end" },
		{ "a = 'x\n'", "t:1:5: this string is not closed on its line: write ' at its end" },
		{ "\na = \"\"\"x\n\n", "t:2:5: this string is not closed: write \"\"\" at its end" },
		{ "a = \"\\q\"", "t:1:6: found 'q' after a backslash" },
		{ "a = \"\\u12\"", "t:1:6: '\\u' needs 4 hexadecimal digits" },
		{ "a = \"\\ud800\"", "t:1:6: U+D800 is not a character" },
		{ "a = \"\\U00110000\"", "t:1:6: U+110000 is not a character" },
		{ "a = \"\x7f\"", "t:1:6: control character U+007F in a string" },
		{ "a = \"\xc3\xa9\x01\"", "t:1:7: control character U+0001 in a string" },
		{ "a = \"\"\"\n\xc3\xa9\x01", "t:2:2: control character U+0001 in a string" },
	};

	(void)state;
	check_refusals(rows, ARRAY_SIZE(rows));
}

CASE(a_second_definition_is_refused_with_the_line_of_the_first)
{
	static const struct refusal rows[] = {
		{ "a = 1\na = 2", "t:2:1: the key 'a' stands on line 1 already" },
		{ "a = 1\n'a' = 2", "t:2:1: the key 'a' stands on line 1 already" },
		{ "a = {b = 1, b = 2}", "t:1:13: the key 'b' stands on line 1 already" },
		{ "[a]\n[a]", "t:2:2: the table 'a' stands on line 1 already" },
		{ "[a.b]\n[a]\n[a]", "t:3:2: the table 'a' stands on line 2 already" },
		{ "a.b = 1\n[a]", "t:2:2: the table 'a' stands on line 1 already" },
		{ "a = 1\n[a]", "t:2:2: 'a' is an integer since line 1, so it cannot be a table" },
		{ "a = 1\na.b = 2", "t:2:1: 'a' is an integer since line 1: nothing can be put below it" },
		{ "a = {}\na.b = 2", "t:2:1: 'a' is an inline table, complete on line 1" },
		{ "a = {}\n[a.b]", "t:2:2: 'a' is an inline table, complete on line 1" },
		{ "[a.b]\n[a]\nb.c = 1", "t:3:1: the table 'b' has its header on line 1" },
		{ "[a]\n[[a]]", "t:2:3: 'a' is a table since line 1, so it cannot be an array of tables" },
		{ "a = []\n[[a]]", "t:2:3: 'a' is an array since line 1, so it cannot be an array of tables" },
		{ "[[a]]\n[a]", "t:2:2: 'a' is an array since line 1, so it cannot be a table" },
		{ "[[a.b]]\n[a]\nb.c = 1", "t:3:1: 'b' is an array of tables since line 1" },
		{ "\"\\u001b[2J\" = 1\n\"\\u001b[2J\" = 1", "t:2:1: the key '\\x1b[2J' stands on line 1 already" },
	};

	(void)state;
	check_refusals(rows, ARRAY_SIZE(rows));
}

CASE(places_count_characters_and_lines_of_every_kind)
{
	AUTO(toml) struct toml_table *root = parse("\xef\xbb\xbf" "a = 1\r\n"
						   "'\xc3\xa9' . x = [ '\xc3\xa9', \"\"\"\n\n\"\"\", true,\n"
						   "  { k = 2 } ]\n"
						   "[t.u]\n");
	const struct toml_entry *e = root->at;

	(void)state;
	assert_int_equal(root->len, 3);
	assert_int_equal(e[0].line * 100 + e[0].column, 101);
	assert_int_equal(e[0].value.line * 100 + e[0].value.column, 105);
	assert_int_equal(e[1].line * 100 + e[1].column, 201);

	const struct toml_entry *x = e[1].value.table->at;
	assert_int_equal(x->line * 100 + x->column, 207);
	assert_int_equal(x->value.column, 11);
	assert_int_equal(x->value.array.len, 4);
	assert_int_equal(x->value.array.at[0].column, 13);
	assert_int_equal(x->value.array.at[1].column, 18);
	assert_int_equal(x->value.array.at[2].line * 100 + x->value.array.at[2].column, 406);
	assert_int_equal(x->value.array.at[3].line * 100 + x->value.array.at[3].column, 503);
	assert_int_equal(x->value.array.at[3].table->at[0].column, 5);
	assert_int_equal(e[2].line * 100 + e[2].column, 602);
	assert_int_equal(e[2].value.table->at[0].column, 4);
}

CASE(values_have_their_types_and_names)
{
	AUTO(toml) struct toml_table *root =
		parse("min = -9223372036854775808\nmax = +9_223_372_036_854_775_807\nhex = 0xFf\nf = 1_0.5e-1\ninf = -inf\n"
		      "t = 2024-02-29 23:59:60.1234567891-01:30\ns = 'x'\nn = \"a\\u0000b\"\nb = false\n");

	(void)state;
	assert_true(toml_get(root, "min")->integer == INT64_MIN);
	assert_true(toml_get(root, "max")->integer == INT64_MAX);
	assert_int_equal(toml_get(root, "hex")->integer, 255);
	assert_true(toml_get(root, "f")->number == 1.05);
	assert_true(isinf(toml_get(root, "inf")->number) && toml_get(root, "inf")->number < 0);

	const struct toml_value *t = toml_get(root, "t");
	assert_int_equal(t->type, TOML_OFFSET_DATETIME);
	assert_int_equal(t->time.second, 60);
	assert_int_equal(t->time.nanosecond, 123456789);
	assert_int_equal(t->time.offset, -90);
	assert_string_equal(toml_text(toml_get(root, "s")), "x");
	assert_null(toml_text(toml_get(root, "n")));
	assert_int_equal(toml_get(root, "n")->string.len, 3);
	assert_null(toml_text(toml_get(root, "b")));
	assert_null(toml_get(root, "none"));
	for (int type = 0; type < TOML_TYPE_MAX; type++)
		assert_non_null(toml_type_name((enum toml_type)type));
}

CASE(line_ends_in_long_strings_are_the_same_for_every_editor)
{
	AUTO(toml) struct toml_table *root = parse("a = '''\r\nx\r\ny'''\nb = \"\"\"x \\  \r\n\r\n \t y\"\"\"\n"
						   "c = \"\"\"\"\"q\"\"\"\"\"\n");

	(void)state;
	assert_string_equal(toml_text(toml_get(root, "a")), "x\ny");
	assert_string_equal(toml_text(toml_get(root, "b")), "x y");
	assert_string_equal(toml_text(toml_get(root, "c")), "\"\"q\"\"");
}

CASE(a_decimal_comma_of_the_host_changes_nothing)
{
	static const char *const locales[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(locales); i++)
		if (setlocale(LC_ALL, locales[i]))
			break;
	AUTO(toml) struct toml_table *root = parse("f = 2.5");
	setlocale(LC_ALL, "C");
	assert_true(toml_get(root, "f")->number == 2.5);
}

CASE(many_keys_in_one_table_are_all_found_and_never_twice)
{
	AUTO(str) struct str text = STR(TOML_INPUT_MAX);
	char key[32];

	(void)state;
	for (int i = 0; i < 20000; i++)
		str_addf(&text, "k%d = %d\n", i, i);
	assert_int_equal(text.rc, 0);
	AUTO(toml) struct toml_table *root = parse(text.buf);
	assert_int_equal(root->len, 20000);
	for (int i = 0; i < 20000; i++) {
		snprintf(key, sizeof key, "k%d", i);
		assert_int_equal(toml_get(root, key)->integer, i);
		assert_string_equal(root->at[i].key, key);
	}
	assert_null(toml_get(root, "k20000"));

	struct toml_table *none = NULL;
	str_add(&text, "k777 = 1\n");
	assert_int_equal(toml_parse(text.buf, text.len, "t", &none, NULL), -EINVAL);
}

/* `text` with `part` in it `times` times. */
static int parse_repeated(const char *head, const char *part, int times, const char *tail, struct error *err)
{
	AUTO(str) struct str text = STR(4 * TOML_INPUT_MAX);
	AUTO(toml) struct toml_table *root = NULL;

	str_add(&text, head);
	for (int i = 0; i < times; i++)
		str_add(&text, part);
	str_add(&text, tail);
	assert_int_equal(text.rc, 0);
	*err = (struct error){ 0 };
	return toml_parse(text.buf, text.len, "t", &root, err);
}

CASE(nesting_of_every_kind_stops_at_the_limit)
{
	static const struct { const char *head, *part, *tail; } rows[] = {
		{ "", "a.", "a.a = 1" },                /* dotted keys: the last two parts of the tail are no step */
		{ "[", "a.", "a]" },
		{ "a = ", "{a=", "1" },
		{ "a = ", "[", "" },
		{ "", "a.", "a = {b.c = [1]}" },
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int rc = parse_repeated(rows[i].head, rows[i].part, TOML_DEPTH_MAX + 1, rows[i].tail, &err);

		assert_int_equal(rc, -EFBIG);
		assert_non_null(strstr(err.text, "nested deeper than 128 levels"));
		rc = parse_repeated(rows[i].head, rows[i].part, 500000, rows[i].tail, &err);
		assert_int_equal(rc, -EFBIG);
	}
	assert_int_equal(parse_repeated("", "a.", TOML_DEPTH_MAX, "a = 1", &err), 0);
	assert_int_equal(parse_repeated("", "a.", TOML_DEPTH_MAX - 1, "a = [1]", &err), 0);
	assert_int_equal(parse_repeated("", "a.", TOML_DEPTH_MAX, "a = []", &err), -EFBIG);
	assert_int_equal(parse_repeated("[", "a.", TOML_DEPTH_MAX - 1, "a]", &err), 0);
	assert_int_equal(parse_repeated("[[", "a.", TOML_DEPTH_MAX - 1, "a]]", &err), -EFBIG);
}

CASE(a_text_up_to_one_mebibyte_is_read_and_no_larger_one)
{
	struct error err;

	(void)state;
	assert_int_equal(parse_repeated("", "\n", (int)TOML_INPUT_MAX, "", &err), 0);
	assert_int_equal(parse_repeated("", "\n", (int)TOML_INPUT_MAX, "\n", &err), -EFBIG);
	assert_string_equal(err.text, "t:1:1: the file is larger than 1048576 bytes");
}

CASE(keys_and_elements_are_counted_against_one_limit)
{
	struct error err;

	(void)state;
	assert_int_equal(parse_repeated("a = [", "1,", TOML_ITEMS_MAX - 1, "]", &err), 0);
	assert_int_equal(parse_repeated("a = [", "1,", TOML_ITEMS_MAX + 1, "]", &err), -EFBIG);
	assert_string_equal(err.text, "t:1:131078: more than 65536 keys and array elements");
	assert_int_equal(parse_repeated("", "[[a]]\n", TOML_ITEMS_MAX, "", &err), -EFBIG);
}

CASE(every_allocation_that_fails_is_reported_and_leaks_nothing)
{
	static const char text[] = "a.b = 'x'\nc = [1, {d.e = \"y\", f = 2.5}, '''z''']\n[g.h]\n[[i]]\n[[i]]\nj = 1\n"
				   "[many]\na=1\nb=1\nc=1\nd=1\ne=1\nf=1\ng=1\nh=1\ni=1\nj=1\nk=1\nl=1\nm=1\nn=1\no=1\n"
				   "p=1\nq=1\nr=1\n";
	int n = 0;

	(void)state;
	for (;; n++) {
		AUTO(toml) struct toml_table *root = NULL;
		struct error err = { 0 };

		fault_arm(n);
		int rc = toml_parse(text, sizeof text - 1, "t", &root, &err);
		if (!fault_fired()) {
			assert_int_equal(rc, 0);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(err.kind, ERR_MEMORY);
		assert_null(root);
	}
	assert_true(n > 50);
}

CASE(a_sentence_is_said_even_without_memory_for_the_key)
{
	static const char text[] = "a = 1\na = 2\n";

	(void)state;
	for (int n = 0;; n++) {
		struct toml_table *root = NULL;
		struct error err = { 0 };

		fault_arm(n);
		int rc = toml_parse(text, sizeof text - 1, "t", &root, &err);
		bool fired = fault_fired();
		assert_true(rc == -EINVAL || (fired && rc == -ENOMEM));
		assert_true(strlen(err.text) > 10);
		if (!fired)
			break;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrong_line_is_refused_with_its_place_and_a_sentence),
		cmocka_unit_test(a_wrong_value_is_refused_where_it_goes_wrong),
		cmocka_unit_test(a_second_definition_is_refused_with_the_line_of_the_first),
		cmocka_unit_test(places_count_characters_and_lines_of_every_kind),
		cmocka_unit_test(values_have_their_types_and_names),
		cmocka_unit_test(line_ends_in_long_strings_are_the_same_for_every_editor),
		cmocka_unit_test(a_decimal_comma_of_the_host_changes_nothing),
		cmocka_unit_test(many_keys_in_one_table_are_all_found_and_never_twice),
		cmocka_unit_test(nesting_of_every_kind_stops_at_the_limit),
		cmocka_unit_test(a_text_up_to_one_mebibyte_is_read_and_no_larger_one),
		cmocka_unit_test(keys_and_elements_are_counted_against_one_limit),
		cmocka_unit_test(every_allocation_that_fails_is_reported_and_leaks_nothing),
		cmocka_unit_test(a_sentence_is_said_even_without_memory_for_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
