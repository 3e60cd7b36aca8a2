/* The rules for the child's own files in /proc, which are named by its pid and so are made anew for each. */
#include <errno.h>
#include <linux/futex.h>

#include "base/sys.h"
#include "confine/plan.h"

/*
 * What run-time libraries read about themselves. Not the directory: it holds "net", which shows the sockets and devices
 * of the whole host, and so does each thread's directory below "task".
 */
static const struct {
	const char *name;
	bool is_dir;
} own_files[] = {
	{ "maps", false }, { "status", false }, { "stat", false }, { "statm", false }, { "cmdline", false }, { "comm", false },
	{ "cgroup", false }, { "mountinfo", false }, { "mounts", false }, { "limits", false }, { "auxv", false },
	{ "environ", false }, { "smaps", false }, { "fd", true }, { "fdinfo", true },
};

#define OWN_FILES ((unsigned)(sizeof own_files / sizeof own_files[0]))

static int grant_file(const struct child_plan *plan, int dir, unsigned i)
{
	int fd = sys_openat(dir, own_files[i].name, O_PATH | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;       /* this kernel has none: nothing to grant */
	const struct ll_path_beneath_attr rule = {
		.allowed_access = plan->own_proc_rights & ~(own_files[i].is_dir ? 0 : LL_FS_READ_DIR),
		.parent_fd = fd,
	};
	int rc = sys_landlock_add_rule(plan->fresh_ruleset, LL_RULE_PATH_BENEATH, &rule);
	sys_close(fd);
	return rc;
}

void own_proc_grant(const struct child_plan *plan, struct own_proc *own)
{
	unsigned i;

	while ((i = __atomic_fetch_add(&own->taken, 1, __ATOMIC_RELAXED)) < OWN_FILES) {
		int rc = grant_file(plan, own->dir, i);

		if (rc < 0)
			__atomic_store_n(&own->failed, rc, __ATOMIC_RELAXED);
		if (__atomic_add_fetch(&own->done, 1, __ATOMIC_RELEASE) == OWN_FILES)
			SYS(SYS_futex, &own->done, FUTEX_WAKE, 1);
	}
}

void own_proc_wait(struct own_proc *own)
{
	unsigned done;

	while ((done = __atomic_load_n(&own->done, __ATOMIC_ACQUIRE)) < OWN_FILES)
		SYS(SYS_futex, &own->done, FUTEX_WAIT, done, 0);
}
