/* Making and ending an island: see base/island.h. */
#ifndef CONFINE_ISLAND_H
#define CONFINE_ISLAND_H

#include <sys/types.h>

#include "base/err.h"
#include "base/island.h"

struct island_home {
	struct island island;
	pid_t pid;              /* 0: there is none */
	void *memory;
};
#define ISLAND_NONE { .island = { .control = -1 } }

/*
 * Makes the namespace and its task, in a user namespace of its own where that is allowed, else with the rights that we
 * have. The task ends with us. 0; or -errno with a sentence that says what stands in the way and the way out. Descriptors
 * of ours are at or above `floor`.
 */
int island_start(struct island_home *home, int floor, struct error *err);

/* Ends the task and waits for it; sockets that others have of it go on, with nobody to answer. Twice is fine. */
void island_end(struct island_home *home);

/* What the task is given; for island_task.c. */
struct island_start {
	int control;
	int host;               /* pidfd of the host, or -1 */
};
void island_main(void *start) __attribute__((noreturn));

#endif
