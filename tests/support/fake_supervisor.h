/* A supervisor without a kernel behind it, whose calls are given to the rows of a test. */
#ifndef TESTS_FAKE_SUPERVISOR_H
#define TESTS_FAKE_SUPERVISOR_H

#include "supervisor/notify.h"

/* With these rows alone; it is not started. Freed by fake_supervisor_free, which stops it. */
struct supervisor *fake_supervisor(const struct handler *rows, size_t count);
void fake_supervisor_free(struct supervisor *s);

/* One with the real operations, and a call of this thread to it, which knows nothing yet. 0, or -1: no memory. */
int own_supervisor(struct supervisor **s, struct report *report, struct call *call, struct progress *progress);
void own_supervisor_free(struct supervisor *s, struct report *report);

/* A box of this call, decoded, as the notify thread has one. */
struct call_box *fake_box(struct supervisor *s, const char *syscall);

#endif
