/* Public errors, and how every function of this folder fails. */
#include "api/api.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

/* For when there is no memory to say so; nobody writes to an error that was given out. */
static const sandlock_error no_memory = {
	.error = { .kind = ERR_MEMORY, .code = -ENOMEM, .text = "not enough memory" },
};

static const enum sandlock_category categories[ERR_KIND_MAX] = {
	[ERR_NONE] = SANDLOCK_ERROR_NONE,
	[ERR_USAGE] = SANDLOCK_ERROR_USAGE,
	[ERR_POLICY] = SANDLOCK_ERROR_POLICY,
	[ERR_KERNEL] = SANDLOCK_ERROR_KERNEL,
	[ERR_NOT_FOUND] = SANDLOCK_ERROR_NOT_FOUND,
	[ERR_NOT_EXEC] = SANDLOCK_ERROR_NOT_EXEC,
	[ERR_START] = SANDLOCK_ERROR_START,
	[ERR_STATE] = SANDLOCK_ERROR_STATE,
	[ERR_MEMORY] = SANDLOCK_ERROR_MEMORY,
	[ERR_IO] = SANDLOCK_ERROR_IO,
};

int api_fail(sandlock_error **out, const struct error *error, int rc)
{
	if (!out)
		return rc;
	*out = mem_dup(error, sizeof *error);
	if (!*out) {
		*out = (sandlock_error *)(uintptr_t)&no_memory;
		return rc;
	}
	if ((*out)->error.kind == ERR_NONE)
		error_set(&(*out)->error, rc == -ENOMEM ? ERR_MEMORY : ERR_START, rc, "%s", error_text(rc));
	return rc;
}

int api_error(sandlock_error **out, enum err_kind kind, int rc, const char *fmt, ...)
{
	struct error error = { .kind = kind, .code = rc };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error.text, sizeof error.text, fmt, ap);
	va_end(ap);
	return api_fail(out, &error, rc);
}

int api_text(struct str *s, char **out, sandlock_error **err)
{
	int rc = s->rc;
	char *text = str_take(s);

	if (!text)
		return api_error(err, ERR_MEMORY, rc < 0 ? rc : -ENOMEM, "the text is too long or memory is short");
	*out = text;
	return 0;
}

const char *sandlock_version(void)
{
	return SANDLOCK_VERSION;
}

enum sandlock_category sandlock_error_category(const sandlock_error *err)
{
	return err ? categories[err->error.kind] : SANDLOCK_ERROR_NONE;
}

int sandlock_error_errno(const sandlock_error *err)
{
	return err ? abs(err->error.code) : 0;
}

const char *sandlock_error_message(const sandlock_error *err)
{
	return err ? err->error.text : "";
}

int sandlock_error_line(const sandlock_error *err)
{
	return err ? err->error.line : 0;
}

int sandlock_error_column(const sandlock_error *err)
{
	return err ? err->error.column : 0;
}

void sandlock_error_free(sandlock_error *err)
{
	if (err != &no_memory)
		mem_free(err);
}

void sandlock_string_free(char *s)
{
	mem_free(s);
}
