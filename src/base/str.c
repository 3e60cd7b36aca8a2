/* Strings with a ceiling, views into them, and the quoting of bytes that somebody else chose. */
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void str_fini(struct str *s)
{
	mem_free(s->buf);
	s->buf = NULL;
	s->len = 0;
	s->cap = 0;
}

void auto_str(struct str *s)
{
	str_fini(s);
}

void str_clear(struct str *s)
{
	s->len = 0;
	s->rc = 0;
	if (s->buf)
		s->buf[0] = '\0';
}

/* Makes room for `len` more bytes and the NUL. */
static int reserve(struct str *s, size_t len)
{
	if (s->rc < 0)
		return s->rc;
	if (len > s->max || s->len > s->max - len)
		s->rc = -ENOSPC;
	else
		s->rc = mem_grow(&s->buf, &s->cap, s->len + len + 1, 1);
	return s->rc;
}

void str_addn(struct str *s, const char *bytes, size_t len)
{
	if (reserve(s, len) < 0)
		return;
	if (len)
		memcpy(s->buf + s->len, bytes, len);
	s->len += len;
	s->buf[s->len] = '\0';
}

void str_add(struct str *s, const char *text)
{
	str_addn(s, text, strlen(text));
}

void str_addc(struct str *s, char c)
{
	str_addn(s, &c, 1);
}

void str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int want = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (want < 0)
		s->rc = s->rc ? s->rc : -EINVAL;
	if (want < 0 || reserve(s, (size_t)want) < 0)
		return;

	va_start(ap, fmt);
	vsnprintf(s->buf + s->len, (size_t)want + 1, fmt, ap);
	va_end(ap);
	s->len += (size_t)want;
}

size_t str_utf8(const char *bytes, size_t len, uint32_t *code)
{
	static const struct { unsigned char mask, lead; uint32_t least; } forms[] = {
		{ 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 },
	};
	const unsigned char *p = (const unsigned char *)bytes;

	for (size_t n = 0; n < ARRAY_SIZE(forms) && n < len; n++) {
		if ((p[0] & forms[n].mask) != forms[n].lead)
			continue;
		uint32_t c = n ? p[0] & (unsigned char)~forms[n].mask : p[0];
		for (size_t i = 1; i <= n; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (p[i] & 0x3f);
		}
		if (c < forms[n].least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return 0;
		*code = c;
		return n + 1;
	}
	return 0;
}

/* Characters that move the cursor, hide or reorder text: C0, DEL, C1, and the bidirectional and zero-width controls. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

void str_add_quoted(struct str *s, const char *bytes, size_t len)
{
	const unsigned char *p = (const unsigned char *)bytes;

	for (size_t i = 0; i < len;) {
		uint32_t c = 0;
		size_t n = str_utf8(bytes + i, len - i, &c);

		if (n && !is_control(c) && c != '\\') {
			str_addn(s, bytes + i, n);
			i += n;
			continue;
		}
		static const char letters[] = "\\\\\nn\tt\rr";
		const char *hit = NULL;
		for (const char *l = letters; *l; l += 2)
			if (p[i] == (unsigned char)*l)
				hit = l;
		if (hit)
			str_addf(s, "\\%c", hit[1]);
		else
			str_addf(s, "\\x%02x", p[i]);
		i++;
	}
}

enum dialect { DIALECT_JSON, DIALECT_TOML };

static void add_literal(struct str *s, const char *bytes, size_t len, enum dialect dialect)
{
	const unsigned char *p = (const unsigned char *)bytes;

	str_addc(s, '"');
	for (size_t i = 0; i < len;) {
		uint32_t c = 0;
		size_t n = str_utf8(bytes + i, len - i, &c);

		if (!n && dialect == DIALECT_JSON)
			str_addf(s, "\\udc%02x", p[i]);
		else if (!n)
			str_add(s, "\\uFFFD");
		else if (c == '"' || c == '\\')
			str_addf(s, "\\%c", (int)c);
		else if (is_control(c))
			str_addf(s, "\\u%04x", (unsigned)c);
		else
			str_addn(s, bytes + i, n);
		i += n ? n : 1;
	}
	str_addc(s, '"');
}

void str_add_json(struct str *s, const char *bytes, size_t len)
{
	add_literal(s, bytes, len, DIALECT_JSON);
}

void str_add_toml(struct str *s, const char *bytes, size_t len)
{
	add_literal(s, bytes, len, DIALECT_TOML);
}

char *str_take(struct str *s)
{
	if (!s->buf && s->rc == 0)
		str_addn(s, "", 0);
	if (s->rc < 0)
		return NULL;
	char *buf = s->buf;
	*s = (struct str){ .max = s->max };
	return buf;
}

struct view view_of(const char *text)
{
	return (struct view){ text, strlen(text) };
}

bool view_is(struct view v, const char *text)
{
	return v.len == strlen(text) && (v.len == 0 || memcmp(v.ptr, text, v.len) == 0);
}

bool view_starts(struct view v, const char *prefix)
{
	size_t n = strlen(prefix);

	return v.len >= n && (n == 0 || memcmp(v.ptr, prefix, n) == 0);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct view view_trim(struct view v)
{
	while (v.len && is_blank(v.ptr[0])) {
		v.ptr++;
		v.len--;
	}
	while (v.len && is_blank(v.ptr[v.len - 1]))
		v.len--;
	return v;
}

struct view view_cut(struct view *rest, char sep, bool *more)
{
	const char *hit = rest->len ? memchr(rest->ptr, sep, rest->len) : NULL;
	struct view head = *rest;

	if (hit)
		head.len = (size_t)(hit - rest->ptr);
	size_t used = hit ? head.len + 1 : head.len;
	rest->ptr += used;
	rest->len -= used;
	if (more)
		*more = hit != NULL;
	return head;
}

int view_u64(struct view v, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (v.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < v.len; i++)
		if (v.ptr[i] < '0' || v.ptr[i] > '9')
			return -EINVAL;
	for (size_t i = 0; i < v.len; i++)
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(v.ptr[i] - '0'), &n))
			return -ERANGE;
	if (n > max)
		return -ERANGE;
	*out = n;
	return 0;
}

#define DISTANCE_MAX 64

size_t str_distance(const char *a, const char *b)
{
	size_t row[DISTANCE_MAX + 1];
	size_t la = strlen(a);
	size_t lb = strlen(b);

	if (la > DISTANCE_MAX || lb > DISTANCE_MAX)
		return la > lb ? la : lb;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1]);
			size_t drop = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = change < drop ? change : drop;
		}
	}
	return row[lb];
}
