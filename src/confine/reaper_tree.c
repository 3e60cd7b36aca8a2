/*
 * Reaching every process of the tree: the reaper is its sub-reaper, so whoever loses a parent becomes its child, and
 * nobody can leave. A number read from /proc is trusted only after a pidfd holds it and its parent is one of ours.
 */
#include "confine/reaper.h"

#include <errno.h>
#include <stddef.h>

#define WAIT_NO_HANG 1
#define WAIT_UNTRACED 2
#define WAIT_CONTINUED 8
#define WAIT_ALL_KINDS 0x40000000

struct rusage64 {
	int64_t user_sec, user_usec, sys_sec, sys_usec;
	int64_t maxrss;
	int64_t rest[13];
};

static bool is_ours(const struct reaper *r, pid_t parent)
{
	if (parent == r->self)
		return true;
	for (size_t i = 0; i < r->tree.len; i++)
		if (r->tree.pids[i] == parent)
			return true;
	return false;
}

bool tree_signal_one(struct reaper *r, pid_t pid, int sig)
{
	struct procstat stat;
	int fd = sys_pidfd_open(pid, 0);

	if (fd < 0 && fd != -ENOSYS && fd != -EPERM)
		return false;
	bool ours = procstat_read(pid, &stat) == 0 && is_ours(r, stat.ppid);
	long rc = -ESRCH;
	if (ours)
		rc = fd >= 0 ? sys_pidfd_send_signal(fd, sig) : sys_kill(pid, sig);
	if (fd >= 0)
		sys_close(fd);
	return rc == 0;
}

static int walk(struct reaper *r)
{
	return proctree_walk(&r->tree, r->self);
}

/* Every process of the tree, once. */
static void tree_signal(struct reaper *r, int sig)
{
	if (walk(r) < 0) {
		if (r->top)
			sys_kill(-r->top, sig);         /* no /proc: the group of the top process is what we can reach */
		return;
	}
	for (size_t i = 0; i < r->tree.len; i++)
		tree_signal_one(r, r->tree.pids[i], sig);
}

static bool is_moving(pid_t pid)
{
	struct procstat stat;
	int rc = procstat_read(pid, &stat);
	pid_t thread = rc == 0 && stat.state == 'Z' ? proctree_other_thread(pid) : 0;

	if (thread)
		rc = procstat_read(thread, &stat);
	return rc == 0 && stat.state != 'T' && stat.state != 'Z' && stat.state != 'X';
}

/* A process that was not yet stopped may have continued one that was; so look again until all are. */
void tree_stop(struct reaper *r)
{
	for (int pass = 0; pass < 10; pass++) {
		bool moving = false;

		if (walk(r) < 0) {
			tree_signal(r, SIGSTOP);
			return;
		}
		for (size_t i = 0; i < r->tree.len; i++) {
			pid_t pid = r->tree.pids[i];

			if (!is_moving(pid))
				continue;
			moving = true;
			tree_signal_one(r, pid, SIGSTOP);
		}
		if (!moving)
			return;
	}
}

void tree_continue(struct reaper *r)
{
	tree_signal(r, SIGCONT);
}

static void note_stop(struct reaper *r, int status)
{
	bool stopped = status != 0xffff;
	struct news news = { .kind = stopped ? NEWS_STOPPED : NEWS_CONTINUED, .value = (status >> 8) & 0xff };

	if (stopped ? r->paused || r->throttled : !r->told_stop)
		return;         /* our own doing */
	r->told_stop = stopped;
	SYS(SYS_sendto, r->start->control, &news, sizeof news, 0x4040 /* MSG_NOSIGNAL | MSG_DONTWAIT */, 0, 0);
}

static void note_end(struct reaper *r, pid_t pid, int status, const struct rusage64 *usage)
{
	uint64_t peak = (uint64_t)usage->maxrss * 1024;
	struct shared *shared = r->shared;

	shared->cpu_ns += (uint64_t)(usage->user_sec + usage->sys_sec) * 1000 * MS +
			  (uint64_t)(usage->user_usec + usage->sys_usec) * 1000;
	if (peak > shared->peak_memory)
		shared->peak_memory = peak;
	if (pid == r->top) {
		r->top = 0;
		shared->wait_status = status;
		if ((status & 0x7f) == SIGKILL && cgroup_killed_for_memory(r)) {
			shared->memory_victim = pid;
			reaper_end(r, END_MEMORY);
		}
		reaper_end(r, END_BY_ITSELF);
	}
}

void reap(struct reaper *r)
{
	for (;;) {
		struct rusage64 usage = { 0 };
		int status = 0;
		int flags = WAIT_ALL_KINDS | WAIT_UNTRACED | WAIT_CONTINUED | WAIT_NO_HANG;
		long pid = SYS(SYS_wait4, -1, &status, flags, &usage);

		if (pid == -EINTR)
			continue;
		if (pid <= 0) {
			r->any_left = pid == 0;
			return;
		}
		bool stopped = (status & 0xff) == 0x7f || status == 0xffff;
		if (!stopped)
			note_end(r, (pid_t)pid, status, &usage);
		else if (pid == r->top)
			note_stop(r, status);
	}
}

/* Forks made while we kill are found by the next round; a trapped fork is refused from the moment of the first. */
void tree_kill_all(struct reaper *r)
{
	struct timespec breath = { .tv_nsec = 200000 };

	cgroup_kill(r);
	reap(r);         /* no child, no descendant: whoever loses a parent is ours */
	for (unsigned round = 0; r->any_left; round++) {
		tree_signal(r, SIGKILL);
		reap(r);
		if (!r->any_left || round == 0)
			continue;
		SYS(SYS_nanosleep, &breath, 0);
		if (breath.tv_nsec < 20 * (long)MS)     /* somebody waits for a disk and cannot die yet */
			breath.tv_nsec *= 2;
	}
}
