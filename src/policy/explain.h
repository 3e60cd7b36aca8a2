/* Sentences about decisions: which grant or rule decides, or that there is none, and the option that would grant it. */
#ifndef POLICY_EXPLAIN_H
#define POLICY_EXPLAIN_H

#include <stdbool.h>

#include "base/str.h"
#include "policy/grants.h"
#include "policy/policy.h"

/* Adds a word as a shell takes it: as it is where that is safe, else quoted; other bytes than text as $'\x..'. */
void str_add_shell(struct str *out, const char *word);

/*
 * The option that grants `access` on a path: "-w /srv/data". `splits_exec` as policy_splits_exec() says: then execution
 * needs -x, else -r gives it.
 */
void explain_flag(const char *path, unsigned access, bool splits_exec, struct str *out);

/*
 * One or two sentences about a canonical path: 1 allowed, 0 refused (then the last sentence names the option to add).
 * `access` is one or more of ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC. Failures of memory are in out->rc.
 */
int explain_path(const struct grants *g, const char *path, unsigned access, bool splits_exec, struct str *out);

#endif
