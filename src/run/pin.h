/* One path of the user's or of a preset's, opened and named: what resolve.c, program.c and installation.c share. */
#ifndef RUN_PIN_H
#define RUN_PIN_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/path.h"
#include "policy/grants.h"

struct pin {
	int fd;                         /* O_PATH, close-on-exec; the caller's */
	struct stat st;
	char path[PATH_SIZE];           /* canonical; "" for what has no name (a pipe of /dev/fd/N) */
};

void pin_fini(struct pin *pin);

/* Opens without side effects (a FIFO does not block, a device is not touched) and follows symbolic links. 0 or -errno;
 * on failure there is nothing to close. `path` is relative to dirfd. */
int pin_path(int dirfd, const char *path, struct pin *out);

/* Grants the pinned object, whose descriptor is given away. Takes nothing but -ENOMEM amiss. */
int pin_grant(struct pin *pin, unsigned access, const char *origin, const char *typed, struct grants *out);

/* Opens and grants unless `have` or `out` give all of `access` already; what cannot be opened is passed over.
 * 0 or -ENOMEM. */
int pin_optional(const char *path, unsigned access, const char *origin, const struct grants *have,
		 struct grants *out);

#endif
