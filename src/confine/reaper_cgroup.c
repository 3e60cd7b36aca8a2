/*
 * The sandbox's own cgroup, where the host could make one: the kernel then holds the memory limit without a gap, and ends
 * everybody in one write. The reaper removes it, so that it goes also when the host is gone. Raw system calls only.
 */
#include "confine/reaper.h"

#include <errno.h>
#include <stddef.h>

#define SMALL_FILE 1024
#define REMOVE_TRIES 50
#define REMOVE_FOLDER 0x200             /* AT_REMOVEDIR */

/* The decimal number that follows `key` at the start of a line of a file of the cgroup; 0 when there is none. */
static uint64_t number_of(const struct plan_cgroup *cgroup, const char *file, const char *key)
{
	char text[SMALL_FILE];
	uint64_t value = 0;
	ssize_t len = -EIO;
	int fd = sys_openat(cgroup->dir, file, O_RDONLY | O_CLOEXEC, 0);

	if (fd >= 0) {
		len = sys_read(fd, text, sizeof text - 1);
		sys_close(fd);
	}
	for (ssize_t at = 0; at < len; at++) {
		ssize_t k = 0;

		while (key[k] && at + k < len && text[at + k] == key[k])
			k++;
		if (!key[k] && (at == 0 || text[at - 1] == '\n')) {
			for (at += k; at < len && text[at] >= '0' && text[at] <= '9'; at++)
				value = value * 10 + (uint64_t)(text[at] - '0');
			return value;
		}
	}
	return 0;
}

static const struct plan_cgroup *cgroup_of(const struct reaper *r)
{
	return &r->start->orders->cgroup;
}

bool cgroup_is_made(const struct reaper *r)
{
	return cgroup_of(r)->name[0] != '\0';
}

bool cgroup_holds_memory(const struct reaper *r)
{
	return r->in_cgroup && cgroup_of(r)->memory;
}

void cgroup_kill(const struct reaper *r)
{
	int fd = r->in_cgroup ? sys_openat(cgroup_of(r)->dir, "cgroup.kill", O_WRONLY | O_CLOEXEC, 0) : -ENOENT;

	if (fd < 0)
		return;         /* before 5.14: the walk through the tree does it */
	sys_write(fd, "1", 1);
	sys_close(fd);
}

uint64_t cgroup_peak(const struct reaper *r)
{
	return number_of(cgroup_of(r), "memory.peak", "");      /* from 5.19 */
}

/* Which process it was only the kernel's log knows; it takes the largest, as the sampler does. */
bool cgroup_killed_for_memory(const struct reaper *r)
{
	return cgroup_holds_memory(r) && number_of(cgroup_of(r), "memory.events", "oom_kill ") > 0;
}

void cgroup_leave(const struct reaper *r)
{
	const struct plan_cgroup *cgroup = cgroup_of(r);
	const struct timespec breath = { .tv_nsec = MS };
	struct shared *shared = r->shared;

	if (!cgroup_is_made(r))
		return;
	if (cgroup_holds_memory(r)) {
		uint64_t peak = cgroup_peak(r);

		shared->memory_kills += number_of(cgroup, "memory.events", "oom_kill ");
		if (peak > shared->peak_memory)
			shared->peak_memory = peak;
	}
	/* Whoever has just been reaped may still be counted for a moment. */
	for (int i = 0; i < REMOVE_TRIES && SYS(SYS_unlinkat, cgroup->home, cgroup->name, REMOVE_FOLDER) == -EBUSY; i++)
		SYS(SYS_nanosleep, &breath, 0);
}
