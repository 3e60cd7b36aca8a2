/* The directory tree that a program belongs to, where that is recognisable: what naming the program grants to read. */
#ifndef RUN_INSTALLATION_H
#define RUN_INSTALLATION_H

#include "policy/grants.h"

struct installation_ask {
	const char *home;               /* of the child's environment, or NULL */
	const char *rustup_home;        /* RUSTUP_HOME of it, or NULL */
	const struct grants *have;      /* what need not be granted again */
	const char *program;            /* the name for origins */
};

/* `path` is absolute and may be a symbolic link: each hop's tree is looked at; `canonical` names the file where the links
 * end. Adds read and execute grants to `out`. Never a home directory, a directory above one, or a root of the system such
 * as "/" or "/usr". 0 or -ENOMEM. */
int installation_grant(const struct installation_ask *ask, const char *path, const char *canonical, struct grants *out);

#endif
