/* Feeding a sandbox and keeping what it writes: both streams at once, each up to a limit, until the tree has ended. */
#ifndef RUN_CAPTURE_H
#define RUN_CAPTURE_H

#include "run/sandbox.h"

#define CAPTURE_LIMIT ((size_t)64 << 20)

struct capture_stream {
	char *text;             /* NUL-terminated beyond len; the caller's */
	size_t len;
	size_t cap;
	bool truncated;
};

struct capture {
	const void *input;      /* lent; NULL: nothing to write */
	size_t input_len;
	size_t limit;           /* of each stream; 0: CAPTURE_LIMIT */
	struct capture_stream stream[2];        /* stdout, stderr */
};

/* Takes the pipes of the sandbox and returns when it has ended. 0 or -errno. */
int capture_run(struct sandbox *box, struct capture *c);
void capture_fini(struct capture *c);

#endif
