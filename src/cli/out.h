/* What the command says and with which exit code: results on stdout, everything else on stderr as "sandlock: ...". */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include <sandlock/sandlock.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_NO = 1,            /* the answer of check, why and selftest */
	EXIT_USAGE = 2,
	EXIT_TIMED_OUT = 124,
	EXIT_OWN_FAILURE = 125,
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NOT_FOUND = 127,
};

/* Writes a result to stdout. EXIT_DONE, or EXIT_OWN_FAILURE after a message. */
int out_result(struct str *text);

/* "sandlock: ..." on stderr: at most two lines, control bytes shown. */
void out_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Says an error of the command line's and returns EXIT_USAGE. */
int out_usage(const struct error *err);

/* Says and frees an error of the library's, returns its exit code. `starting`: 126 and 127 are possible. */
int out_failure(sandlock_error *err, bool starting);

/* 125 and a sentence. */
int out_no_memory(void);

/* Quotes hostile bytes for a sentence; "?" when that is not possible. The buffer is the caller's. */
const char *out_quote(struct str *buf, const char *bytes);

#endif
