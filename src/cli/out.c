/* What the command says and with which exit code: results on stdout, everything else on stderr as "sandlock: ...". */
#include "cli/out.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

int out_result(struct str *text)
{
	if (text->rc < 0)
		return out_no_memory();
	int rc = fd_write_all(STDOUT_FILENO, text->buf ? text->buf : "", text->len);

	if (rc == 0)
		return EXIT_DONE;
	out_say("cannot write to standard output: %s", error_text(rc));
	return EXIT_OWN_FAILURE;
}

/* No byte of a message may move the cursor; beyond the second line it is not a message any more. */
static void make_harmless(char *text)
{
	unsigned lines = 0;

	for (; *text; text++) {
		if (*text == '\n' && lines++ == 0)
			continue;
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
	}
}

void out_say(const char *fmt, ...)
{
	char line[1600] = "sandlock: ";
	size_t head = strlen(line);
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line + head, sizeof line - head - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	make_harmless(line + head);
	size_t len = strlen(line);
	line[len++] = '\n';
	fd_write_all(STDERR_FILENO, line, len);
}

int out_usage(const struct error *err)
{
	out_say("%s", err->text);
	return EXIT_USAGE;
}

int out_no_memory(void)
{
	out_say("out of memory");
	return EXIT_OWN_FAILURE;
}

static int code_of(enum sandlock_category category, bool starting)
{
	if (category == SANDLOCK_ERROR_USAGE)
		return EXIT_USAGE;
	if (starting && category == SANDLOCK_ERROR_NOT_FOUND)
		return EXIT_NOT_FOUND;
	if (starting && category == SANDLOCK_ERROR_NOT_EXEC)
		return EXIT_NOT_EXECUTABLE;
	return EXIT_OWN_FAILURE;
}

int out_failure(sandlock_error *err, bool starting)
{
	if (!err)
		return out_no_memory();
	int code = code_of(sandlock_error_category(err), starting);

	out_say("%s", sandlock_error_message(err));
	sandlock_error_free(err);
	return code;
}

const char *out_quote(struct str *buf, const char *bytes)
{
	str_clear(buf);
	str_add_quoted(buf, bytes, strlen(bytes));
	return buf->rc < 0 || !buf->buf ? "?" : buf->buf;
}
