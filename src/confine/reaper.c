/*
 * The reaper: a task between host and child that shares the host's memory but is a process of its own. It is the
 * sub-reaper of the tree, enforces what needs a clock, passes the listener to the host, and kills everything when the
 * top process ends, when the host says so, and when the host is gone. Raw system calls only.
 */
#include "confine/reaper.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>

static uint64_t reaper_now(void)
{
	struct timespec ts;

	SYS(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 * MS + (uint64_t)ts.tv_nsec;
}

void reaper_end(struct reaper *r, enum end_cause cause)
{
	if (r->shared->cause == END_NONE)
		r->shared->cause = cause;
}

static void __attribute__((noreturn)) leave(void)
{
	for (;;)
		SYS(SYS_exit_group, 0);
}

/* --- start --- */

/* Waits while the stage word is `stage`; the child or the kernel changes it. */
static int wait_stage(struct shared *shared, int stage)
{
	int now;

	while ((now = __atomic_load_n(&shared->stage, __ATOMIC_ACQUIRE)) == stage)
		SYS(SYS_futex, &shared->stage, FUTEX_WAIT, stage, 0);
	return now;
}

static long tell(int sock, int kind, int value, int fd)
{
	const struct news news = { .kind = kind, .value = value };

	return task_send(sock, &news, sizeof news, fd);
}

/*
 * While the child waits for the host nobody looks at the host's pidfd: the kernel ends us with the thread that cloned us,
 * and the child with us. That thread is in spawn_start() and what follows it, so it lives as long as its process.
 */
static void tie_to_host(const struct reaper *r)
{
	const struct timespec none = { 0 };
	struct pollfd polls[] = {
		{ .fd = r->start->control, .events = POLLIN },
		{ .fd = r->host, .events = POLLIN },
	};

	sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (SYS(SYS_ppoll, polls, 2, &none, 0, 8) > 0) {        /* it has died before, or has given up */
		r->shared->fault_step = -1;
		r->shared->fault_errno = ECANCELED;
	}
}

static void untie_from_host(void)
{
	sys_prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
}

/* What the child still needs while it sets itself up, and we. */
static void close_before_start(const struct reaper *r)
{
	const struct child_plan *plan = r->start->plan;
	const struct plan_cgroup *cgroup = &r->start->orders->cgroup;
	int keep[10 + PLAN_FDS_MAX] = { 0, 1, 2, r->start->control, r->host, r->signals, plan->ruleset, plan->fresh_ruleset };
	size_t count = 8;

	if (cgroup_is_made(r)) {
		keep[count++] = cgroup->home;
		keep[count++] = cgroup->dir;
	}

	for (size_t i = 0; i < plan->fd_count && count < sizeof keep / sizeof keep[0]; i++)
		keep[count++] = plan->fds[i].from;
	task_close_all_but(keep, count);
}

static void close_after_start(const struct reaper *r)
{
	const struct plan_cgroup *cgroup = &r->start->orders->cgroup;
	int keep[] = { r->start->control, r->host, r->signals, cgroup->home, cgroup->dir };

	task_close_all_but(keep, cgroup_is_made(r) ? 5 : 3);
}

static void prepare(struct reaper *r, const struct reaper_start *start)
{
	const ksigset child = KSIG(SIGCHLD);
	const struct {
		void *handler;
		unsigned long flags, restorer;
		ksigset mask;
	} by_default = { 0 };

	r->start = start;
	r->shared = start->shared;
	r->host = start->host;
	r->tree.pids = start->pids;
	r->tree.max = start->pids_max;
	r->self = (pid_t)SYS(SYS_getpid);
	r->shared->reaper_pid = r->self;
	/* A host that ignores SIGCHLD would make our children vanish unwaited. Every signal stays blocked. */
	SYS(SYS_rt_sigaction, SIGCHLD, &by_default, 0, sizeof(ksigset));
	int fd = (int)SYS(SYS_signalfd4, -1, &child, sizeof child, O_CLOEXEC | O_NONBLOCK);
	/* The table is the child's too until it execs: keep out of the way of its descriptors. */
	r->signals = (int)SYS(SYS_fcntl, fd, F_DUPFD_CLOEXEC, start->plan->fd_floor);
	sys_close(fd);
	if (r->signals < 0) {           /* deaf to our children's ends: do not start */
		r->shared->fault_step = -1;
		r->shared->fault_errno = -r->signals;
	}
	sys_prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	sys_prctl(PR_SET_NAME, (unsigned long)(uintptr_t)"sandlock-reaper", 0, 0, 0);
}

/* In the cgroup from birth where there is one that takes it; else outside, and the memory is sampled. */
static long clone_child(struct reaper *r)
{
	const struct reaper_start *start = r->start;
	struct task task = {
		.flags = CL_VM | CL_FILES | CL_CHILD_CLEARTID,
		.exit_signal = SIGCHLD,
		.stack = start->child_stack,
		.stack_size = start->child_stack_size,
		.child_tid = &r->shared->stage,
	};
	void *arg = (void *)(uintptr_t)start;

	if (cgroup_is_made(r)) {
		struct task inside = task;

		inside.flags |= CL_INTO_CGROUP;
		inside.cgroup = start->orders->cgroup.dir;
		long pid = task_clone(&inside, child_main, arg);
		r->in_cgroup = pid > 0;
		if (pid > 0)
			return pid;
	}
	return task_clone(&task, child_main, arg);
}

/*
 * A child that has just been cloned shows us its files within microseconds, which is less than it takes to sleep and be
 * woken. Where it waits for our processor, it gets it. One that is not running by then does it alone.
 */
static void help_child(const struct reaper *r)
{
	struct own_proc *own = &r->shared->own_proc;
	const struct child_plan *plan = r->start->plan;

	if (!plan->own_proc_rights || plan->fresh_ruleset < 0)
		return;
	for (int turn = 0; turn < PATIENT_TURNS; turn++) {
		if (__atomic_load_n(&own->open, __ATOMIC_ACQUIRE)) {
			own_proc_grant(plan, own);
			return;
		}
		SYS(SYS_sched_yield);
	}
}

/* Makes the child and follows it until it has exec'd or died. */
static void start_child(struct reaper *r)
{
	const struct reaper_start *start = r->start;
	struct shared *shared = r->shared;

	shared->stage = STAGE_SETTING_UP;
	long pid = clone_child(r);
	if (pid < 0) {
		shared->fault_step = -1;
		shared->fault_errno = (int)-pid;
		return;
	}
	r->top = (pid_t)pid;
	shared->child_pid = (pid_t)pid;
	/* A group of our own, so that a signal to the host's group does not reach us; after the clone, since the child
	 * must be of the same session and make its own group by itself. */
	SYS(SYS_setpgid, 0, 0);
	help_child(r);

	int stage = wait_stage(shared, STAGE_SETTING_UP);
	/* A fast child is past the stage of the listener when we look, even inside the program: its listener still waits. */
	if (shared->listener >= 0) {
		long rc = tell(start->control, NEWS_LISTENER, (int)pid, shared->listener);
		if (rc < 0) {                   /* nobody would answer the child's calls */
			shared->fault_step = -1;
			shared->fault_errno = (int)-rc;
			sys_kill((pid_t)pid, SIGKILL);
		}
		if (stage == STAGE_LISTENER)
			wait_stage(shared, STAGE_LISTENER);
	}
}

/* --- life --- */

static void pause_tree(struct reaper *r, bool pause)
{
	r->paused = pause;
	if (pause)
		tree_stop(r);
	else if (!r->throttled)
		tree_continue(r);
}

static void take_order(struct reaper *r)
{
	struct order order;
	long n = SYS(SYS_recvfrom, r->start->control, &order, sizeof order, MSG_DONTWAIT, 0, 0);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n != (long)sizeof order || order.kind == ORDER_KILL)        /* 0: every copy of the host's end is closed */
		reaper_end(r, END_KILLED);
	else if (order.kind == ORDER_SIGNAL && r->top)
		sys_kill(-r->top, order.value);
	else if (order.kind == ORDER_PAUSE || order.kind == ORDER_RESUME)
		pause_tree(r, order.kind == ORDER_PAUSE);
}

static void wait_for_something(struct reaper *r, uint64_t now)
{
	uint64_t next = limits_next(r);
	uint64_t rest = next > now ? next - now : 0;
	const struct timespec timeout = {
		.tv_sec = (time_t)(rest / (1000 * MS)), .tv_nsec = (long)(rest % (1000 * MS)),
	};
	struct pollfd polls[] = {
		{ .fd = r->start->control, .events = POLLIN },
		{ .fd = r->signals, .events = POLLIN },
		{ .fd = r->host, .events = POLLIN },
	};

	long n = SYS(SYS_ppoll, polls, 3, next == UINT64_MAX ? 0 : &timeout, 0, 8);
	if (n <= 0)
		return;
	if (polls[1].revents) {
		char drain[128 * 4];

		while (sys_read(r->signals, drain, sizeof drain) > 0)
			;
		reap(r);
	}
	if (polls[0].revents)
		take_order(r);
	if (polls[2].revents)
		reaper_end(r, END_KILLED);
}

static void live(struct reaper *r)
{
	uint64_t now = reaper_now();

	reap(r);
	while (r->shared->cause == END_NONE) {
		wait_for_something(r, now);
		now = reaper_now();
		if (now >= limits_next(r))
			limits_tick(r, now);
	}
}

void reaper_main(void *arg)
{
	struct reaper r = { 0 };

	prepare(&r, arg);
	struct shared *shared = r.shared;
	if (!shared->fault_errno) {
		close_before_start(&r);
		tie_to_host(&r);
	}
	if (!shared->fault_errno)
		start_child(&r);
	untie_from_host();
	if (shared->fault_errno) {
		r.any_left = r.top != 0;
		if (r.top)
			tree_kill_all(&r);
		cgroup_leave(&r);
		tell(r.start->control, NEWS_FAULT, 0, -1);
		leave();
	}
	shared->started_ns = reaper_now();
	limits_start(&r, shared->started_ns);
	tell(r.start->control, NEWS_ENTERED, r.top, -1);
	close_after_start(&r);
	live(&r);
	tree_kill_all(&r);
	cgroup_leave(&r);
	shared->ended_ns = reaper_now();
	leave();
}
