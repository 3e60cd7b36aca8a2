/* The option that would grant what was refused, as a person can type it: "-w /srv/data", "-r '/srv/my files'". */
#ifndef POLICY_HINT_H
#define POLICY_HINT_H

#include "base/str.h"
#include "policy/grants.h"
#include "policy/policy.h"

/* The verb of one right of enum access, as reports name it: "read", "write", "execute". */
const char *hint_verb_of(unsigned access);

/*
 * Adds the options that grant `access` (one right) on a path that is refused: also that of the current directory where it
 * is granted only as long as no path is, and the folder in place of a terminal, whose number is not known beforehand.
 * `rule` gets what is to be known of that.
 */
void hint_add_grant(const struct grants *grants, const char *path, unsigned access, struct str *rule, struct str *flag);

/* A name that the program wants to make in a folder that exists. */
struct hint_new {
	const struct policy *policy;    /* frozen */
	const struct grants *grants;
	const char *folder;             /* canonical */
	const char *path;               /* the name in it */
	const char *maker;              /* what makes it beforehand: "mkdir -p", "touch"; NULL: a grant of it would not do */
};

/*
 * Most often it is the folder that has to be granted: false, and nothing is added. Not where that is the home directory
 * or one above it, which is everything; and a preset grants its caches by themselves once they exist. Then `flag` gets
 * the options, and `rule` why and what has to be made first.
 */
bool hint_add_new(const struct hint_new *n, struct str *rule, struct str *flag);

/* Adds "; preset NAME grants it" where a preset that the policy has not would do so. */
void hint_add_preset(struct str *out, const struct policy *p, const char *path, unsigned access);

/* Adds why the grants do not give `access` on `path`: the nearest grant and what it gives, or that there is none. */
void hint_add_rule(struct str *out, const struct grants *grants, const char *path);

#endif
