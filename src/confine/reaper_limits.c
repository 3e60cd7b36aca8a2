/*
 * What only somebody outside the tree can enforce: wall time, the memory of the whole tree, its cpu time and its share
 * of a core. Sampling, with figures from /proc; nothing here depends on the supervisor or on the host being awake.
 */
#include "confine/reaper.h"

#include <errno.h>
#include <stddef.h>

#define TICK_NS (1000 * MS / 100)       /* USER_HZ is 100 on every architecture that Linux still has */
#define PAGE_BYTES 4096ULL
#define MEMORY_LAZY (10 * MS)           /* far below the limit */
#define MEMORY_KEEN (4 * MS)            /* above half of it */
#define MEMORY_PEAK (100 * MS)          /* the kernel holds the limit: only the figure is wanted */
#define MEMFDS_LAZY (40 * MS)
#define CPU_TICK (10 * MS)
#define CPU_BURST (50 * MS)             /* of wall time: how far unused share is saved up, and owed share stops us */

void limits_start(struct reaper *r, uint64_t now)
{
	const struct reaper_orders *orders = r->start->orders;
	bool cpu = orders->max_cpu_percent != UINT64_MAX || orders->max_cpu_ns != UINT64_MAX;

	r->deadline = UINT64_MAX;
	if (orders->timeout_ns != UINT64_MAX && __builtin_add_overflow(now, orders->timeout_ns, &r->deadline))
		r->deadline = UINT64_MAX;
	r->next_memory = orders->max_memory != UINT64_MAX ? now + MEMORY_KEEN : UINT64_MAX;
	r->next_cpu = cpu ? now + CPU_TICK : UINT64_MAX;
	r->cpu_looked = now;
}

uint64_t limits_next(const struct reaper *r)
{
	uint64_t next = r->deadline < r->next_memory ? r->deadline : r->next_memory;

	return next < r->next_cpu ? next : r->next_cpu;
}

/* --- memory --- */

struct victim {
	pid_t pid;
	uint64_t bytes;
};

/* Resident bytes of all, shared pages once for each process: at least what is used. */
static uint64_t resident(const struct proctree *t, struct victim *largest)
{
	uint64_t total = 0;

	for (size_t i = 0; i < t->len; i++) {
		uint64_t rss = 0;
		uint64_t shared = 0;

		if (procmem_read(t->pids[i], &rss, &shared) < 0)
			continue;
		total += rss * PAGE_BYTES;
		if (rss * PAGE_BYTES > largest->bytes)
			*largest = (struct victim){ t->pids[i], rss * PAGE_BYTES };
	}
	return total;
}

/*
 * What is used: every shared page divided by those who share it, and memory files once. Their pages are in a set size only
 * while they are mapped, so of the two figures for shared memory the larger one counts.
 */
static uint64_t exactly(const struct proctree *t, uint64_t memfd_bytes, struct victim *largest)
{
	uint64_t private_bytes = 0;
	uint64_t shared_bytes = 0;

	*largest = (struct victim){ 0 };
	for (size_t i = 0; i < t->len; i++) {
		uint64_t pss = 0;
		uint64_t shmem = 0;
		uint64_t rss = 0;
		uint64_t shared = 0;

		if (procmem_pss(t->pids[i], &pss, &shmem) < 0 && procmem_read(t->pids[i], &rss, &shared) == 0)
			pss = rss * PAGE_BYTES;
		private_bytes += pss - shmem;
		shared_bytes += shmem;
		if (pss > largest->bytes || !largest->pid)
			*largest = (struct victim){ t->pids[i], pss };
	}
	return private_bytes + (shared_bytes > memfd_bytes ? shared_bytes : memfd_bytes);
}

/* Looking at every descriptor costs more than at every size, so it is done less often. */
static uint64_t memfd_bytes(struct reaper *r, uint64_t now)
{
	struct memfds files;

	if (now < r->next_memfds)
		return r->memfd_bytes;
	files.bytes = 0;
	files.len = 0;
	for (size_t i = 0; i < r->tree.len; i++)
		memfds_add(&files, &r->tree, r->tree.pids[i]);
	r->memfd_bytes = files.bytes;
	r->next_memfds = now + (files.bytes ? MEMORY_LAZY : MEMFDS_LAZY);
	return files.bytes;
}

static void kill_for_memory(struct reaper *r, const struct victim *victim)
{
	struct procstat stat;
	struct shared *shared = r->shared;

	if (procstat_read(victim->pid, &stat) == 0)
		for (size_t i = 0; i < sizeof stat.name; i++)
			shared->memory_victim_name[i] = stat.name[i];
	shared->memory_victim = victim->pid;
	if (!tree_signal_one(r, victim->pid, SIGKILL))
		return;
	shared->memory_kills++;
	if (victim->pid == r->top)
		reaper_end(r, END_MEMORY);
}

static void look_at_memory(struct reaper *r, uint64_t now)
{
	uint64_t limit = r->start->orders->max_memory;
	struct victim largest = { 0 };

	if (cgroup_holds_memory(r)) {
		uint64_t peak = cgroup_peak(r);

		if (peak > r->shared->peak_memory)
			r->shared->peak_memory = peak;
		r->next_memory = now + MEMORY_PEAK;
		return;
	}
	if (proctree_walk(&r->tree, r->self) < 0)
		return;
	uint64_t files = memfd_bytes(r, now);
	uint64_t used = resident(&r->tree, &largest) + files;
	if (used > limit)
		used = exactly(&r->tree, files, &largest);
	if (used > r->shared->peak_memory)
		r->shared->peak_memory = used;
	if (used > limit && largest.pid)
		kill_for_memory(r, &largest);
	r->next_memory = now + (used > limit / 2 ? MEMORY_KEEN : MEMORY_LAZY);
}

/* --- cpu --- */

/* The kernel's clock of another process, in nanoseconds. */
static uint64_t cpu_clock(pid_t pid)
{
	struct timespec ts = { 0 };
	int clock = (int)((~(unsigned)pid << 3) | 2);

	if (SYS(SYS_clock_gettime, clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000 * MS + (uint64_t)ts.tv_nsec;
}

/* Of everybody alive, of everybody that they waited for, and of everybody that we reaped. */
static uint64_t tree_cpu(struct reaper *r)
{
	uint64_t total = r->shared->cpu_ns;

	if (proctree_walk(&r->tree, r->self) < 0)
		return total;
	for (size_t i = 0; i < r->tree.len; i++) {
		struct procstat stat;

		if (procstat_read(r->tree.pids[i], &stat) < 0)
			continue;
		total += cpu_clock(r->tree.pids[i]) + stat.child_ticks * TICK_NS;
	}
	return total;
}

/* A bucket of cpu time: wall time fills it at the granted share, use empties it; empty means stop. */
static void throttle(struct reaper *r, uint64_t used, uint64_t wall)
{
	int64_t share = (int64_t)r->start->orders->max_cpu_percent;
	int64_t most = (int64_t)CPU_BURST * share / 100;

	r->tokens += (int64_t)wall * share / 100 - (int64_t)used;
	if (r->tokens > most)
		r->tokens = most;
	if (r->tokens < 0 && !r->paused) {
		r->throttled = true;
		tree_stop(r);           /* again each time: somebody inside may have sent SIGCONT */
	} else if (r->throttled && r->tokens >= most / 2) {
		r->throttled = false;
		if (!r->paused)
			tree_continue(r);
	}
}

static void look_at_cpu(struct reaper *r, uint64_t now)
{
	const struct reaper_orders *orders = r->start->orders;
	uint64_t total = tree_cpu(r);
	uint64_t used = total > r->cpu_last ? total - r->cpu_last : 0;

	if (orders->max_cpu_ns != UINT64_MAX && total > orders->max_cpu_ns) {
		reaper_end(r, END_CPU_TIME);
		return;
	}
	if (orders->max_cpu_percent != UINT64_MAX)
		throttle(r, used, now - r->cpu_looked);
	if (total > r->cpu_last)
		r->cpu_last = total;
	r->cpu_looked = now;
	r->next_cpu = now + CPU_TICK;
}

void limits_tick(struct reaper *r, uint64_t now)
{
	if (now >= r->deadline) {
		r->deadline = UINT64_MAX;
		reaper_end(r, END_TIMEOUT);
	}
	if (now >= r->next_memory)
		look_at_memory(r, now);
	if (now >= r->next_cpu)
		look_at_cpu(r, now);
}
