/* Other processes and the kernel through /proc and /sys: rows F18 and F19. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attempt.h"

static struct path of_process(pid_t pid, const char *name)
{
	struct path p;

	snprintf(p.at, sizeof p.at, "/proc/%d/%s", pid, name);
	return p;
}

static int open_result(const char *path, int flags)
{
	int fd = sys_openat(AT_FDCWD, path, flags | O_CLOEXEC, 0);

	return fd == -ENOENT ? ATTEMPT_UNAVAILABLE : attempt_result(fd);
}

static int outside_environ(const struct probe_args *args)
{
	return attempt_result(sys_openat(AT_FDCWD, of_process(args->pid, "environ").at, O_RDONLY, 0));
}

static int outside_memory(const struct probe_args *args)
{
	return attempt_result(sys_openat(AT_FDCWD, of_process(args->pid, "mem").at, O_RDWR, 0));
}

static int outside_maps(const struct probe_args *args)
{
	return attempt_result(sys_openat(AT_FDCWD, of_process(args->pid, "maps").at, O_RDONLY, 0));
}

static int outside_descriptors(const struct probe_args *args)
{
	return attempt_result(sys_openat(AT_FDCWD, of_process(args->pid, "fd").at, O_RDONLY | O_DIRECTORY, 0));
}

static int outside_root(const struct probe_args *args)
{
	struct path p;

	snprintf(p.at, sizeof p.at, "/proc/%d/root%s/canary.txt", args->pid, args->secret);
	return attempt_open_read(p.at);
}

static int outside_by_directory(const struct probe_args *args)
{
	int dir = sys_openat(AT_FDCWD, of_process(args->pid, "").at, O_PATH | O_DIRECTORY, 0);

	return dir < 0 ? dir : attempt_result(sys_openat(dir, "environ", O_RDONLY, 0));
}

static int outside_by_symlink(const struct probe_args *args)
{
	struct path link = in_scratch(args, "link");

	if (symlink(of_process(args->pid, "environ").at, link.at) < 0)
		return -errno;
	return attempt_result(sys_openat(AT_FDCWD, link.at, O_RDONLY, 0));
}

static int parent_memory(const struct probe_args *args)
{
	if (args->starter <= 1)
		return ATTEMPT_UNAVAILABLE;
	return attempt_result(sys_openat(AT_FDCWD, of_process(args->starter, "mem").at, O_RDONLY, 0));
}

static int knob_core_pattern(const struct probe_args *args)
{
	(void)args;
	return open_result("/proc/sys/kernel/core_pattern", O_WRONLY);
}

static int knob_sysrq(const struct probe_args *args)
{
	(void)args;
	return open_result("/proc/sysrq-trigger", O_WRONLY);
}

static int knob_cgroup(const struct probe_args *args)
{
	(void)args;
	return open_result("/sys/fs/cgroup/cgroup.procs", O_WRONLY);
}

static int knob_oom_score(const struct probe_args *args)
{
	(void)args;
	return open_result("/proc/self/oom_score_adj", O_WRONLY);
}

static int knob_uid_map(const struct probe_args *args)
{
	(void)args;
	return open_result("/proc/self/uid_map", O_WRONLY);
}

static int knob_attr(const struct probe_args *args)
{
	(void)args;
	return open_result("/proc/self/attr/current", O_WRONLY);
}

static int knob_own_memory(const struct probe_args *args)
{
	(void)args;
	return open_result("/proc/self/mem", O_RDWR);
}

#define K PROBE_KERNEL

static const struct probe_case cases[] = {
	{ "F18", "proc-environ", "read the environment of a process outside", outside_environ, NULL, K },
	{ "F18", "proc-mem", "open the memory of a process outside", outside_memory, NULL, K },
	{ "F18", "proc-maps", "read the mappings of a process outside", outside_maps, NULL, K },
	{ "F18", "proc-fd", "list the descriptors of a process outside", outside_descriptors, NULL, K },
	{ "F18", "proc-root", "read a file through the root of a process outside", outside_root, NULL, K },
	{ "F18", "proc-dirfd", "the environment by a directory descriptor", outside_by_directory, NULL, K },
	{ "F18", "proc-symlink", "the environment through a symbolic link", outside_by_symlink, NULL, K },
	{ "F18", "proc-supervisor", "open the memory of what started this", parent_memory, NULL, K },
	{ "F19", "knob-core-pattern", "open core_pattern for writing", knob_core_pattern, NULL, K | PROBE_NEEDS_ROOT },
	{ "F19", "knob-sysrq", "open sysrq-trigger for writing", knob_sysrq, NULL, K | PROBE_NEEDS_ROOT },
	{ "F19", "knob-cgroup", "open cgroup.procs for writing", knob_cgroup, NULL, K | PROBE_NEEDS_ROOT },
	{ "F19", "knob-oom-score", "open the own oom_score_adj for writing", knob_oom_score, NULL, K },
	{ "F19", "knob-uid-map", "open the own uid_map for writing", knob_uid_map, NULL, K },
	{ "F19", "knob-attr", "open the own security attributes for writing", knob_attr, NULL, K },
	{ "F19", "own-memory", "open the own memory for writing", knob_own_memory, NULL, K },
};
PROBE_GROUP(proc_probes, cases);
