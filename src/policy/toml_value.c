/* The scalars of TOML 1.0: strings, numbers, booleans, dates and times. */
#include "policy/toml_scan.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* --- strings ----------------------------------------------------------------------------------------------------- */

struct string_scan {
	struct toml_scan *s;
	struct toml_place start;
	int quote;
	bool triple;
	struct str out;
};

static void add_utf8(struct str *out, uint32_t c)
{
	static const struct { uint32_t below; unsigned char lead; } forms[] = {
		{ 0x80, 0x00 }, { 0x800, 0xc0 }, { 0x10000, 0xe0 }, { 0x110000, 0xf0 },
	};
	size_t more = 0;

	while (c >= forms[more].below)
		more++;
	str_addc(out, (char)(forms[more].lead | c >> (6 * more)));
	while (more-- > 0)
		str_addc(out, (char)(0x80 | (c >> (6 * more) & 0x3f)));
}

static int hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \uXXXX and \UXXXXXXXX; the cursor stands on the backslash. */
static int unicode_escape(struct string_scan *st, size_t digits)
{
	uint32_t c = 0;

	for (size_t i = 0; i < digits; i++) {
		int digit = hex_digit(toml_peek(st->s, 2 + i));

		if (digit < 0)
			return toml_fail(st->s, toml_here(st->s), "'\\%c' needs %zu hexadecimal digits after it",
					 toml_peek(st->s, 1), digits);
		c = c << 4 | (uint32_t)digit;
	}
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return toml_fail(st->s, toml_here(st->s), "U+%04X is not a character that a string can hold", (unsigned)c);
	add_utf8(&st->out, c);
	st->s->pos += 2 + digits;
	return 0;
}

/* A backslash at the end of a line takes the line's end and all white space after it away. */
static bool skip_continuation(struct string_scan *st)
{
	struct toml_scan probe = *st->s;
	bool ended = false;

	probe.pos++;
	do {
		toml_skip_blanks(&probe);
		ended |= toml_peek(&probe, 0) == '\n' || toml_peek(&probe, 0) == '\r';
	} while (toml_skip_newline(&probe));
	if (!ended)
		return false;
	*st->s = probe;
	return true;
}

static int escape(struct string_scan *st)
{
	static const char letters[] = "b\bt\tn\nf\fr\r\"\"\\\\";
	struct toml_words words;
	int c = toml_peek(st->s, 1);

	for (size_t i = 0; i + 1 < sizeof letters; i += 2)
		if (c == letters[i]) {
			str_addc(&st->out, letters[i + 1]);
			st->s->pos += 2;
			return 0;
		}
	if (c == 'u' || c == 'U')
		return unicode_escape(st, c == 'u' ? 4 : 8);
	if (st->triple && skip_continuation(st))
		return 0;

	struct toml_place at = toml_here(st->s);
	st->s->pos++;
	return toml_fail(st->s, at, "found %s after a backslash: write '\\\\' for the backslash itself, or put the text "
			 "in single quotes", toml_found(st->s, &words));
}

/* At a quote: 1 when it closes the string. Up to two quotes are content of a string in triple quotes, also before its
 * closing three. */
static int quotes(struct string_scan *st)
{
	size_t n = 0;

	while (n < 5 && toml_peek(st->s, n) == st->quote)
		n++;
	if (!st->triple) {
		st->s->pos++;
		return 1;
	}
	st->s->pos += n;
	for (size_t content = n < 3 ? n : n - 3; content > 0; content--)
		str_addc(&st->out, (char)st->quote);
	return n >= 3;
}

static int not_closed(struct string_scan *st)
{
	if (st->triple)
		return toml_fail(st->s, st->start, "this string is not closed: write %c%c%c at its end", st->quote,
				 st->quote, st->quote);
	return toml_fail(st->s, st->start, "this string is not closed on its line: write %c at its end", st->quote);
}

static bool is_plain(const struct string_scan *st, int c)
{
	return (c >= 0x20 || c == '\t') && c != 0x7f && c != st->quote && (c != '\\' || st->quote == '\'');
}

/* What is not a plain character: 1 at the end of the string, 0 to go on. */
static int special(struct string_scan *st)
{
	int c = toml_peek(st->s, 0);

	if (c == st->quote)
		return quotes(st);
	if (c == '\\')
		return escape(st);
	if (c < 0)
		return not_closed(st);

	struct toml_place at = toml_here(st->s);
	if (toml_skip_newline(st->s)) {
		str_addc(&st->out, '\n');
		return st->triple ? 0 : not_closed(st);
	}
	return toml_fail(st->s, at, "control character U+%04X in a string: write \"\\u%04X\"", (unsigned)c, (unsigned)c);
}

static int scan_body(struct string_scan *st)
{
	struct toml_scan *s = st->s;
	int rc = 0;

	while (rc == 0) {
		size_t from = s->pos;

		while (is_plain(st, toml_peek(s, 0)))
			s->pos++;
		str_addn(&st->out, s->text + from, s->pos - from);
		rc = special(st);
	}
	return rc;
}

int toml_scan_string(struct toml_scan *s, bool may_span_lines, char **text, size_t *len)
{
	int quote = toml_peek(s, 0);
	struct string_scan st = {
		.s = s, .start = toml_here(s), .quote = quote,
		.triple = toml_peek(s, 1) == quote && toml_peek(s, 2) == quote,
		.out = STR(TOML_INPUT_MAX),
	};

	if (st.triple && !may_span_lines)
		return toml_fail(s, st.start, "a key stands on one line: write it in one pair of quotes");
	s->pos += st.triple ? 3 : 1;
	if (st.triple)
		toml_skip_newline(s);   /* right after the opening quotes it is no content */

	int rc = scan_body(&st);
	if (rc > 0) {
		*len = st.out.len;
		*text = str_take(&st.out);
		rc = *text ? 0 : toml_no_memory(s);
	}
	str_fini(&st.out);
	return rc;
}

/* --- tokens: all that is not in quotes --------------------------------------------------------------------------- */

struct token {
	struct toml_scan *s;
	struct toml_place at;
	const char *text;
	size_t len;
};

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_token_byte(int c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '-' || c == '_' ||
	       c == '.' || c == ':';
}

static int token_peek(const struct token *t, size_t at)
{
	return at < t->len ? (unsigned char)t->text[at] : -1;
}

static bool digits_at(const struct token *t, size_t at, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!is_digit(token_peek(t, at + i)))
			return false;
	return true;
}

/* The bytes of the token; a date and a time may have a space between them. The cursor moves behind it. */
static struct token take_token(struct toml_scan *s)
{
	struct token t = { .s = s, .at = toml_here(s), .text = s->text + s->pos };

	while (is_token_byte(toml_peek(s, t.len)))
		t.len++;
	if (t.len == 10 && digits_at(&t, 0, 4) && t.text[4] == '-' && toml_peek(s, 10) == ' ' &&
	    is_digit(toml_peek(s, 11)))
		for (t.len = 11; is_token_byte(toml_peek(s, t.len));)
			t.len++;
	s->pos += t.len;
	return t;
}

/* Where in the file the byte `at` of the token is; a token is ASCII. */
static struct toml_place place_in(const struct token *t, size_t at)
{
	return (struct toml_place){ t->at.line, t->at.column + (int)at };
}

/* The token for a message, cut. */
#define SHOWN(t) (int)((t)->len < 64 ? (t)->len : 64), (t)->text

/* --- numbers ----------------------------------------------------------------------------------------------------- */

static int digit_in(int c, int base)
{
	int digit = hex_digit(c);

	return digit < base ? digit : -1;
}

/* Checks digits with '_' between them from *pos on and moves *pos behind them. */
static int check_digits(const struct token *t, size_t *pos, int base)
{
	size_t start = *pos;

	for (;; (*pos)++) {
		int c = token_peek(t, *pos);

		if (c == '_' && (digit_in(token_peek(t, *pos + 1), base) < 0 || *pos == start))
			return toml_fail(t->s, place_in(t, *pos), "a '_' in a number stands between two digits");
		if (c != '_' && digit_in(c, base) < 0)
			break;
	}
	if (*pos == start)
		return toml_fail(t->s, place_in(t, *pos), "a digit is missing in the number '%.*s'", SHOWN(t));
	return 0;
}

static int check_end(const struct token *t, size_t pos)
{
	if (pos == t->len)
		return 0;
	return toml_fail(t->s, place_in(t, pos), "'%c' does not belong in the number '%.*s': text is written in quotes",
			 t->text[pos], SHOWN(t));
}

/* The value of checked digits from `pos` to `end`; false beyond 64 bits. */
static bool add_up(const struct token *t, size_t pos, int base, uint64_t *out)
{
	uint64_t n = 0;

	for (; pos < t->len; pos++) {
		int digit = digit_in(t->text[pos], base);

		if (digit < 0)
			continue;       /* '_' */
		if (__builtin_mul_overflow(n, (uint64_t)base, &n) || __builtin_add_overflow(n, (uint64_t)digit, &n))
			return false;
	}
	*out = n;
	return true;
}

static int set_integer(const struct token *t, size_t pos, int base, struct toml_value *out)
{
	bool minus = t->text[0] == '-';
	uint64_t n;

	if (!add_up(t, pos, base, &n) || n > (uint64_t)INT64_MAX + minus)
		return toml_fail(t->s, t->at, "the integer '%.*s' does not fit in 64 bits", SHOWN(t));
	out->type = TOML_INTEGER;
	out->integer = (int64_t)(minus ? 0 - n : n);
	return 0;
}

/* 0x, 0o and 0b; `base` is known. */
static int scan_prefixed(const struct token *t, int base, struct toml_value *out)
{
	size_t pos = 2;

	int rc = check_digits(t, &pos, base);
	if (rc == 0)
		rc = check_end(t, pos);
	return rc < 0 ? rc : set_integer(t, 2, base, out);
}

static int set_float(const struct token *t, struct toml_value *out)
{
	AUTO(str) struct str digits = STR(TOML_INPUT_MAX);
	locale_t c_locale = newlocale(LC_ALL_MASK, "C", NULL);  /* a host's locale may want a comma */

	for (size_t i = 0; i < t->len; i++)
		if (t->text[i] != '_')
			str_addc(&digits, t->text[i]);
	if (digits.rc == 0 && c_locale)
		out->number = strtod_l(digits.buf, NULL, c_locale);
	if (c_locale)
		freelocale(c_locale);
	if (digits.rc < 0 || !c_locale)
		return toml_no_memory(t->s);
	if (isinf(out->number))
		return toml_fail(t->s, t->at, "the number '%.*s' does not fit in a 64-bit float: write 'inf' if that "
				 "is meant", SHOWN(t));
	out->type = TOML_FLOAT;
	return 0;
}

/* Decimal integers and floats. */
static int scan_decimal(const struct token *t, struct toml_value *out)
{
	size_t first = t->text[0] == '+' || t->text[0] == '-';
	size_t pos = first;

	int rc = check_digits(t, &pos, 10);
	if (rc < 0)
		return rc;
	if (t->text[first] == '0' && pos > first + 1)
		return toml_fail(t->s, t->at, "the number '%.*s' begins with a zero: leave it out, or write '0o' before "
				 "octal digits", SHOWN(t));
	bool is_integer = pos == t->len;

	if (token_peek(t, pos) == '.') {
		pos++;
		rc = check_digits(t, &pos, 10);
	}
	if (rc == 0 && (token_peek(t, pos) | 0x20) == 'e') {
		pos++;
		if (token_peek(t, pos) == '+' || token_peek(t, pos) == '-')
			pos++;
		rc = check_digits(t, &pos, 10);
	}
	if (rc == 0)
		rc = check_end(t, pos);
	if (rc < 0)
		return rc;
	return is_integer ? set_integer(t, first, 10, out) : set_float(t, out);
}

static int scan_number(const struct token *t, struct toml_value *out)
{
	static const struct { char letter; int base; } prefixes[] = { { 'x', 16 }, { 'o', 8 }, { 'b', 2 } };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (t->text[0] == '0' && token_peek(t, 1) == prefixes[i].letter)
			return scan_prefixed(t, prefixes[i].base, out);
	return scan_decimal(t, out);
}

/* --- dates and times --------------------------------------------------------------------------------------------- */

/* A field of a date or time: digits within limits, after a separator (0: none). */
struct part {
	const char *what;
	size_t digits;
	int least;
	int most;
	size_t field;
	char before;
};
#define FIELD(name) offsetof(struct toml_time, name)
static const struct part date_parts[] = {
	{ "year",  4, 0, 9999, FIELD(year),  0   },
	{ "month", 2, 1, 12,   FIELD(month), '-' },
	{ "day",   2, 1, 31,   FIELD(day),   '-' },
};
static const struct part clock_parts[] = {
	{ "hour",   2, 0, 23, FIELD(hour),   0   },
	{ "minute", 2, 0, 59, FIELD(minute), ':' },
	{ "second", 2, 0, 60, FIELD(second), ':' },
};

static int scan_part(const struct token *t, size_t *pos, const struct part *part, struct toml_time *out)
{
	int n = 0;

	if (part->before && token_peek(t, *pos) != part->before)
		return toml_fail(t->s, place_in(t, *pos), "'%c' and the %s are missing in '%.*s': a date and time is "
				 "written 2024-12-31T23:59:59Z", part->before, part->what, SHOWN(t));
	*pos += part->before != 0;
	if (!digits_at(t, *pos, part->digits))
		return toml_fail(t->s, place_in(t, *pos), "the %s in '%.*s' has %zu digits: a date and time is written "
				 "2024-12-31T23:59:59Z", part->what, SHOWN(t), part->digits);
	for (size_t end = *pos + part->digits; *pos < end; (*pos)++)
		n = n * 10 + (t->text[*pos] - '0');
	if (n < part->least || n > part->most)
		return toml_fail(t->s, place_in(t, *pos - part->digits), "the %s %d is not within %d to %d", part->what, n,
				 part->least, part->most);
	memcpy((char *)out + part->field, &n, sizeof n);
	return 0;
}

static int scan_parts(const struct token *t, size_t *pos, const struct part *parts, size_t count, struct toml_time *out)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = scan_part(t, pos, &parts[i], out);
	return rc;
}

static int scan_date(const struct token *t, size_t *pos, struct toml_time *out)
{
	static const int month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	int rc = scan_parts(t, pos, date_parts, ARRAY_SIZE(date_parts), out);
	if (rc < 0)
		return rc;
	bool leap = out->year % 4 == 0 && (out->year % 100 != 0 || out->year % 400 == 0);
	if (out->day > month_days[out->month - 1] + (leap && out->month == 2))
		return toml_fail(t->s, place_in(t, *pos - 2), "month %d of %d has no day %d", out->month, out->year,
				 out->day);
	return 0;
}

static int scan_clock(const struct token *t, size_t *pos, struct toml_time *out)
{
	int unit = 100000000;

	int rc = scan_parts(t, pos, clock_parts, ARRAY_SIZE(clock_parts), out);
	if (rc < 0 || token_peek(t, *pos) != '.')
		return rc;
	(*pos)++;
	if (!digits_at(t, *pos, 1))
		return toml_fail(t->s, place_in(t, *pos), "a digit is missing after the point in '%.*s'", SHOWN(t));
	for (; digits_at(t, *pos, 1); (*pos)++, unit /= 10)
		out->nanosecond += (t->text[*pos] - '0') * unit;
	return 0;
}

/* "Z" or "+01:00"; without it the time is local. */
static int scan_offset(const struct token *t, size_t *pos, struct toml_value *out)
{
	struct toml_time offset = { 0 };
	int c = token_peek(t, *pos);

	out->type = TOML_OFFSET_DATETIME;
	if (c == 'Z' || c == 'z') {
		(*pos)++;
		return 0;
	}
	if (c != '+' && c != '-') {
		out->type = TOML_LOCAL_DATETIME;
		return 0;
	}
	(*pos)++;
	int rc = scan_parts(t, pos, clock_parts, 2, &offset);
	out->time.offset = (offset.hour * 60 + offset.minute) * (c == '-' ? -1 : 1);
	return rc;
}

static int scan_datetime(const struct token *t, struct toml_value *out)
{
	size_t pos = 0;

	int rc = scan_date(t, &pos, &out->time);
	int c = token_peek(t, pos);
	if (rc == 0 && (c == 'T' || c == 't' || c == ' ')) {
		pos++;
		rc = scan_clock(t, &pos, &out->time);
		if (rc == 0)
			rc = scan_offset(t, &pos, out);
	} else {
		out->type = TOML_LOCAL_DATE;
	}
	if (rc < 0 || pos == t->len)
		return rc;
	return toml_fail(t->s, place_in(t, pos), "'%c' does not belong in '%.*s': a date and time is written "
			 "2024-12-31T23:59:59Z", t->text[pos], SHOWN(t));
}

static int scan_time(const struct token *t, struct toml_value *out)
{
	size_t pos = 0;

	int rc = scan_clock(t, &pos, &out->time);
	out->type = TOML_LOCAL_TIME;
	if (rc < 0 || pos == t->len)
		return rc;
	return toml_fail(t->s, place_in(t, pos), "'%c' does not belong in the time '%.*s': it is written 23:59:59",
			 t->text[pos], SHOWN(t));
}

/* --- words, and which of all these it is ------------------------------------------------------------------------- */

static bool scan_word(const struct token *t, struct toml_value *out)
{
	static const struct { const char *word; enum toml_type type; double number; } words[] = {
		{ "true",  TOML_BOOLEAN, 1 },
		{ "false", TOML_BOOLEAN, 0 },
		{ "inf",   TOML_FLOAT,   INFINITY },
		{ "+inf",  TOML_FLOAT,   INFINITY },
		{ "-inf",  TOML_FLOAT,   -INFINITY },
		{ "nan",   TOML_FLOAT,   NAN },
		{ "+nan",  TOML_FLOAT,   NAN },
		{ "-nan",  TOML_FLOAT,   -NAN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!view_is((struct view){ t->text, t->len }, words[i].word))
			continue;
		out->type = words[i].type;
		if (out->type == TOML_BOOLEAN)
			out->boolean = words[i].number != 0;
		else
			out->number = words[i].number;
		return true;
	}
	return false;
}

static int refuse_word(const struct token *t)
{
	if (token_peek(t, 0) == '.')
		return toml_fail(t->s, t->at, "a number begins with a digit: write '0%.*s'; text is written in quotes",
				 SHOWN(t));
	return toml_fail(t->s, t->at, "'%.*s' is no value: text is written in quotes, true and false in small letters",
			 SHOWN(t));
}

int toml_scan_scalar(struct toml_scan *s, struct toml_value *out)
{
	struct toml_words words;
	struct token t = take_token(s);
	size_t sign = token_peek(&t, 0) == '+' || token_peek(&t, 0) == '-';

	if (t.len == 0)
		return toml_fail(s, t.at, "found %s where a value was expected: a string in quotes, a number, true or "
				 "false, a date, [ ... ] or { ... }", toml_found(s, &words));
	if (scan_word(&t, out))
		return 0;
	if (digits_at(&t, 0, 4) && token_peek(&t, 4) == '-')
		return scan_datetime(&t, out);
	if (digits_at(&t, 0, 1) && (token_peek(&t, 1) == ':' || token_peek(&t, 2) == ':'))
		return scan_time(&t, out);
	if (is_digit(token_peek(&t, sign)))
		return scan_number(&t, out);
	return refuse_word(&t);
}
