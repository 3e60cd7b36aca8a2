/* The shared libraries of a program, looked up as the loader would: is one missing, or outside the grants? */
#ifndef RUN_LIBRARIES_H
#define RUN_LIBRARIES_H

#include "base/path.h"
#include "policy/grants.h"

struct library_ask {
	const struct grants *have;
	const struct grants *extra;     /* may be NULL */
};

struct library_fault {
	char name[256];                 /* as the object asks for it */
	char by[PATH_SIZE];             /* the object */
	char path[PATH_SIZE];           /* canonical; "" when it was found nowhere */
};

/* 1: *fault says which; 0: all are there and granted; -errno when it cannot be told. */
int libraries_check(const struct library_ask *ask, const char *program, struct library_fault *fault);

#endif
