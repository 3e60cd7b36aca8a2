/* One failure: what kind, which errno, one sentence for a person, and where in the user's input. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

__attribute__((format(printf, 4, 0)))
static void fill(struct error *err, enum err_kind kind, int rc, const char *fmt, va_list ap)
{
	if (!err || err->kind != ERR_NONE)
		return;
	err->kind = kind;
	err->code = rc;
	vsnprintf(err->text, sizeof err->text, fmt, ap);
}

int error_set(struct error *err, enum err_kind kind, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, kind, rc, fmt, ap);
	va_end(ap);
	return rc;
}

int error_set_at(struct error *err, enum err_kind kind, int rc, int line, int column,
		 const char *fmt, ...)
{
	va_list ap;

	if (err && err->kind == ERR_NONE) {
		err->line = line;
		err->column = column;
	}
	va_start(ap, fmt);
	fill(err, kind, rc, fmt, ap);
	va_end(ap);
	return rc;
}

int error_add(struct error *err, int rc, const char *fmt, ...)
{
	char old[sizeof err->text];
	va_list ap;

	if (!err)
		return rc;
	memcpy(old, err->text, sizeof old);
	va_start(ap, fmt);
	int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof err->text)
		return rc;

	size_t room = sizeof err->text - (size_t)n;
	snprintf(err->text + n, room, ": %.*s", (int)(room > 3 ? room - 3 : 0), old);
	return rc;
}

const char *error_text(int code)
{
	/* Both libcs return a constant for a known number; the C locale is not assumed. */
	return strerror(abs(code));
}

#define NAME(e) [e] = #e
static const char *const names[] = {
#include "base/errnames.h"
};

const char *error_name(int code)
{
	size_t n = (size_t)abs(code);

	return n < ARRAY_SIZE(names) && names[n] ? names[n] : "E?";
}
