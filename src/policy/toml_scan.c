/* The cursor of the TOML reader: where it stands, what is there, and the sentences about it. */
#include "policy/toml_scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"

struct toml_place toml_here(struct toml_scan *s)
{
	for (; s->counted < s->pos; s->counted++)
		if ((s->text[s->counted] & 0xc0) != 0x80)
			s->column++;
	return (struct toml_place){ s->line, s->column };
}

void toml_skip_blanks(struct toml_scan *s)
{
	while (toml_peek(s, 0) == ' ' || toml_peek(s, 0) == '\t')
		s->pos++;
}

bool toml_skip_newline(struct toml_scan *s)
{
	size_t n = toml_peek(s, 0) == '\r' ? 1 : 0;

	if (toml_peek(s, n) != '\n')
		return false;
	s->pos += n + 1;
	s->line++;
	s->column = 1;
	s->counted = s->pos;
	return true;
}

__attribute__((format(printf, 4, 0)))
static int say(struct toml_scan *s, int rc, struct toml_place at, const char *fmt, va_list ap)
{
	char sentence[700];

	vsnprintf(sentence, sizeof sentence, fmt, ap);
	return error_set_at(s->err, ERR_USAGE, rc, at.line, at.column, "%.200s:%d:%d: %s", s->name, at.line, at.column,
			    sentence);
}

int toml_fail(struct toml_scan *s, struct toml_place at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int rc = say(s, -EINVAL, at, fmt, ap);
	va_end(ap);
	return rc;
}

int toml_too_big(struct toml_scan *s, struct toml_place at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int rc = say(s, -EFBIG, at, fmt, ap);
	va_end(ap);
	return rc;
}

int toml_no_memory(struct toml_scan *s)
{
	return error_set_at(s->err, ERR_MEMORY, -ENOMEM, s->line, 0, "%.200s: out of memory", s->name);
}

const char *toml_found(const struct toml_scan *s, struct toml_words *buf)
{
	uint32_t c = 0;

	if (s->pos >= s->len)
		return "the end of the file";
	if (toml_peek(s, 0) == '\n' || (toml_peek(s, 0) == '\r' && toml_peek(s, 1) == '\n'))
		return "the end of the line";
	str_utf8(s->text + s->pos, s->len - s->pos, &c);
	if (c > 0x20 && c < 0x7f)
		snprintf(buf->text, sizeof buf->text, "'%c'", (char)c);
	else
		snprintf(buf->text, sizeof buf->text, "U+%04X", (unsigned)c);
	return buf->text;
}
