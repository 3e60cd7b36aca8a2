/* What `run` leaves behind: the report, the status line for programs, the one line for people. */
#ifndef CLI_AFTER_H
#define CLI_AFTER_H

#include <sandlock/sandlock.h>
#include <stdbool.h>
#include <stdint.h>

struct after {
	const char *report;     /* NULL: none; "": stderr; else the file that was opened */
	int report_fd;
	int status_fd;          /* -1: none */
	bool quiet;
	bool explained;         /* path calls were observed */
	bool has_timeout;
	uint64_t timeout;       /* nanoseconds, for the sentence */
	bool interrupted;       /* a signal that we passed on may have ended it */
};

/* Opens the report's file before the start, so that the program cannot choose where it leads. 0 or -errno. */
int after_open(struct after *a);
void after_close(struct after *a);

/* Everything that is due after the end. Returns the exit code. */
int after_end(const struct after *a, const sandlock_sandbox *box);

/* The status line of a start that failed. */
void after_failed_start(const struct after *a, int code, const char *message);

#endif
