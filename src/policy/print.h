/* Printing a policy so that reading it back gives the same one, with the grants that came of it beside it. */
#ifndef POLICY_PRINT_H
#define POLICY_PRINT_H

#include "base/str.h"
#include "policy/grants.h"
#include "policy/policy.h"

/*
 * policy_print with grants (NULL: none): comments in TOML, the array "grants" in JSON. 0, -ENOMEM, or -EILSEQ when a
 * value is not UTF-8, which TOML cannot hold.
 */
int policy_print_grants(const struct policy *p, const struct grants *grants, enum policy_format format,
			struct str *out);

/* "read, write, execute" of enum access; device ioctls are not named. */
void access_print(unsigned access, const char *separator, struct str *out);

#endif
