/* The list of refusals of one sandbox: de-duplicated, bounded, filled by any thread of the supervisor. */
#ifndef SUPERVISOR_REPORT_H
#define SUPERVISOR_REPORT_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define REPORT_MAX 1000         /* distinct refusals kept; later ones are only counted */

struct report_entry {
	char *operation;
	char *target;           /* raw bytes of the child; quoted when shown */
	char *process;          /* comm, raw bytes of the child */
	char *rule;
	char *flag;             /* NULL: nothing would grant it */
	pid_t pid;              /* of the first time; 0: not known */
	int errnum;             /* 0: the call succeeded, and what it sent was dropped */
	uint64_t times;
	uint64_t hash;          /* of what makes two refusals equal */
};

struct report {
	pthread_mutex_t lock;
	struct report_entry *at;
	size_t len;
	size_t cap;
	uint64_t total;         /* before de-duplication */
	uint64_t dropped;       /* distinct ones that found no room */
};

struct refusal;

int report_init(struct report *r);
void report_fini(struct report *r);
/* Copies; equal (operation, target, process, errnum) only count. Out of memory counts as dropped. Thread-safe. */
void report_add(struct report *r, pid_t pid, const char *process, const struct refusal *refusal);

#endif
