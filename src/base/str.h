/*
 * Strings with a ceiling, views into them, and the quoting of bytes that somebody else chose.
 *
 * struct str grows up to `max` bytes. The first failure sticks in `rc` (-ENOMEM or -ENOSPC) and makes every later
 * call a no-op, so one check at the end is enough. buf is NUL-terminated whenever rc is 0 and something was added.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
	char *buf;
	size_t len;
	size_t cap;
	size_t max;
	int rc;
};

#define STR(limit) { .max = (limit) }

struct view {
	const char *ptr;
	size_t len;
};

#define VIEW(literal) ((struct view){ (literal), sizeof(literal) - 1 })
#define VIEW_ARG(v) (int)(v).len, (v).ptr     /* for "%.*s" */

void str_fini(struct str *s);                 /* frees; a zeroed str is fine */
void auto_str(struct str *s);                 /* for AUTO(str) */
void str_clear(struct str *s);                /* keeps the memory, forgets content and error */
void str_add(struct str *s, const char *text);
void str_addn(struct str *s, const char *bytes, size_t len);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Adds bytes that a child chose so that a terminal cannot be harmed: printable ASCII and valid UTF-8 letters as they
 * are, backslash as \\, everything else as \n, \t, \r, or \xNN. */
void str_add_quoted(struct str *s, const char *bytes, size_t len);

/* Adds bytes as a JSON string with its quotes. Invalid UTF-8 becomes the escaped replacement \udcNN (one per byte),
 * as Python's surrogateescape does, so the bytes can be had back. */
void str_add_json(struct str *s, const char *bytes, size_t len);

/* Adds bytes as a TOML basic string with its quotes; invalid UTF-8 as \uDCNN is not TOML, so such bytes are \uFFFD. */
void str_add_toml(struct str *s, const char *bytes, size_t len);

/* Length of the valid UTF-8 sequence at `bytes` (1 to 4), or 0. Overlong forms, surrogates and what is above U+10FFFF are
 * not valid. *code is the character. */
size_t str_utf8(const char *bytes, size_t len, uint32_t *code);

/* Gives the buffer away ("" when nothing was added); NULL if rc or memory says so. */
char *str_take(struct str *s);

struct view view_of(const char *text);
bool view_is(struct view v, const char *text);
bool view_starts(struct view v, const char *prefix);
struct view view_trim(struct view v);         /* spaces and tabs at both ends */

/* Cuts `*rest` at the first `sep`: returns what is before it and leaves what is after it. `*more` tells whether a
 * separator was there. */
struct view view_cut(struct view *rest, char sep, bool *more);

/* Whole view as a decimal number: 0, -EINVAL (empty, sign, other bytes), -ERANGE (above max). No leading '+'. */
int view_u64(struct view v, uint64_t max, uint64_t *out);

/* Least number of single-letter edits between two words, for "did you mean"; words over 64 bytes count as far. */
size_t str_distance(const char *a, const char *b);

#endif
