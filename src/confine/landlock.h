/* Policy and grants to a Landlock ruleset, degrading by ABI only as the policy allows. */
#ifndef CONFINE_LANDLOCK_H
#define CONFINE_LANDLOCK_H

#include "base/err.h"
#include "policy/grants.h"
#include "policy/policy.h"

enum protection_state { PROTECTION_ACTIVE, PROTECTION_DEGRADED, PROTECTION_DISABLED, PROTECTION_UNAVAILABLE };

struct landlock_plan {
	uint64_t handled_fs;            /* LL_FS_* */
	uint64_t handled_net;
	uint64_t scoped;
	enum protection_state state[PROTECT_MAX];
};

/* The kernel's ABI, from 1; -ENOSYS (not built in) or -EOPNOTSUPP (not in the lsm= list). */
int landlock_abi(void);
unsigned landlock_errata(void);         /* 0 where the kernel cannot say */

/* What becomes of one protection under this policy at this ABI, which is at least 1. */
enum protection_state landlock_state(const struct policy *p, enum protection which, int abi);

/* What would be handled under this policy at this ABI. A strict protection that the ABI lacks is an ERR_KERNEL error
 * that names the protection, the ABI it needs, the host's, and the flag that waives it. */
int landlock_plan(const struct policy *p, int abi, struct landlock_plan *out, struct error *err);

/* Landlock rights of an access mask on a directory or another file, within what is handled. */
uint64_t landlock_rights(const struct landlock_plan *plan, unsigned access, bool is_dir);

/* Makes a ruleset that grants nothing yet. *out is a close-on-exec descriptor that the caller owns. */
int landlock_create(const struct landlock_plan *plan, int *out, struct error *err);

/* Adds rules for the descriptors in grants and the ports of the policy. */
int landlock_fill(int ruleset, const struct policy *p, const struct landlock_plan *plan, const struct grants *grants,
		  struct error *err);

#endif
