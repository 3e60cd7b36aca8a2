/* The cursor that the two halves of the TOML reader share: toml.c (lines, keys, tables) and toml_value.c (scalars). */
#ifndef POLICY_TOML_SCAN_H
#define POLICY_TOML_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "policy/toml.h"

struct toml_place {
	int line;
	int column;
};

struct toml_scan {
	const char *text;       /* valid UTF-8: checked before the first token */
	size_t len;
	size_t pos;
	int line;
	int column;             /* of text[counted]: columns are counted once, not from the line's start each time */
	size_t counted;
	const char *name;
	struct error *err;
};

/* The byte `ahead` of the cursor, or -1 beyond the end. */
static inline int toml_peek(const struct toml_scan *s, size_t ahead)
{
	return s->len - s->pos > ahead ? (unsigned char)s->text[s->pos + ahead] : -1;
}

struct toml_place toml_here(struct toml_scan *s);
void toml_skip_blanks(struct toml_scan *s);     /* spaces and tabs */
bool toml_skip_newline(struct toml_scan *s);    /* LF or CRLF; false when there is none */

/* Say one sentence about a place; return -EINVAL, -EFBIG, or -ENOMEM. */
int toml_fail(struct toml_scan *s, struct toml_place at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int toml_too_big(struct toml_scan *s, struct toml_place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int toml_no_memory(struct toml_scan *s);

/* What stands at the cursor, in words: "'x'", "the end of the line", "U+00E9". Lives until the buffer's next use. */
struct toml_words {
	char text[32];
};
const char *toml_found(const struct toml_scan *s, struct toml_words *buf);

/* Reads a string in any of its four forms, or only the two that fit on a line. *text is the caller's. */
int toml_scan_string(struct toml_scan *s, bool may_span_lines, char **text, size_t *len);

/* Reads a number, a boolean, a date or a time into *out, whose place is set already. */
int toml_scan_scalar(struct toml_scan *s, struct toml_value *out);

#endif
