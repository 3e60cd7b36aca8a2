/* The option that would grant what was refused, as a person can type it: "-w /srv/data", "-r '/srv/my files'". */
#ifndef POLICY_HINT_H
#define POLICY_HINT_H

#include "base/str.h"
#include "policy/grants.h"

/* The short flag of one right of enum access: "-r", "-w", "-x". */
const char *hint_flag_of(unsigned access);

/* The verb of one right, as reports name it: "read", "write", "execute". */
const char *hint_verb_of(unsigned access);

/* Adds `flag`, a blank and `value`, the value in single quotes where a shell would take it apart. */
void hint_add(struct str *out, const char *flag, const char *value);

/* Adds why the grants do not give `access` on `path`: the nearest grant and what it gives, or that there is none. */
void hint_add_rule(struct str *out, const struct grants *grants, const char *path);

#endif
