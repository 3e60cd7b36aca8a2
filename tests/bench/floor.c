/*
 * The least that confinement can cost: one Landlock rule, a filter that allows everything, exec. What the calls of a
 * confined program cost under it is the price that nobody can go below.
 *
 *     floor PROGRAM [ARGUMENTS]
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/sys.h"

static int enter_landlock(void)
{
	const uint64_t all = (LL_FS_IOCTL_DEV << 1) - 1;
	const struct ll_ruleset_attr attr = { .handled_access_fs = all };
	struct ll_path_beneath_attr rule = { .allowed_access = all };
	int ruleset = sys_landlock_create_ruleset(&attr, sizeof attr.handled_access_fs, 0);

	if (ruleset < 0)
		return ruleset;
	rule.parent_fd = sys_openat(AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0);
	int rc = sys_landlock_add_rule(ruleset, LL_RULE_PATH_BENEATH, &rule);
	return rc < 0 ? rc : sys_landlock_restrict_self(ruleset, 0);
}

int main(int argc, char **argv)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { 1, code };

	if (argc < 2)
		return 2;
	if (sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || enter_landlock() < 0 ||
	    sys_seccomp(SC_SET_MODE_FILTER, 0, &program) < 0) {
		fprintf(stderr, "floor: this kernel has no Landlock of ABI 5 or no seccomp\n");
		return 125;
	}
	execvp(argv[1], argv + 1);
	return 127;
}
