/* How a sandbox ended, what it used and what was refused, as text for people and as JSON. Formatting only. */
#ifndef RUN_STATUS_H
#define RUN_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "policy/portmap.h"
#include "supervisor/report.h"

/* In the order of the public sandlock_exit_kind. */
enum status_kind {
	STATUS_RUNNING,
	STATUS_EXITED,
	STATUS_SIGNALED,
	STATUS_TIMED_OUT,
	STATUS_KILLED,
	STATUS_LIMIT,
	STATUS_LOST,
	STATUS_KIND_MAX
};

/* One limit of the policy, for the status object: its key without "limits." ("memory") and its value. */
struct status_limit {
	const char *name;
	uint64_t value;
};

/* A snapshot; everything is lent. Strings of entries are bytes of the child. */
struct status_view {
	enum status_kind kind;
	int code;                       /* with STATUS_EXITED */
	int signal;                     /* 0 unless a signal ended the top process */
	const char *limit;              /* with STATUS_LIMIT: "--max-memory 64M"; may be NULL */
	const char *name;               /* of the sandbox, or NULL */
	uint64_t wall_ns;
	uint64_t cpu_ns;
	uint64_t peak_memory;           /* bytes */
	uint64_t notifications;
	const struct status_limit *limits;
	size_t limit_count;
	uint64_t refusals;              /* before de-duplication */
	uint64_t dropped;
	const struct report_entry *entries;
	size_t entry_count;
	struct portmap *ports;          /* NULL where binds are not seen */
	bool supervised;                /* else nobody could see refusals */
	bool explained;                 /* --explain: what Landlock alone refused is in the entries too */
};

#define STATUS_TEXT_MAX (64U << 20)     /* a good ceiling for the strings below: 1,000 entries, escaped */

/* One sentence without a full stop: "exited with code 3", "killed by signal 9 (SIGKILL)", "timed out". 0 or -errno. */
int status_reason(const struct status_view *v, struct str *out);

/* What a command line exits with: the code, 128 + signal, 124 after the timeout; -1 while it runs. */
int status_exit_code(const struct status_view *v);

/* One object on one line, without a newline. "exit_code" is -1 when the program did not end by itself; "signal" is there
 * when a signal ended it. 0 or -errno. */
int status_json(const struct status_view *v, struct str *out);

/* The refusals: for each what was refused, why, and the flag to add. Text ends with a newline. 0 or -errno. */
int status_report_text(const struct status_view *v, struct str *out);
int status_report_json(const struct status_view *v, struct str *out);

#endif
