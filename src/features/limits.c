/*
 * Limits on processes and threads of the whole tree: a fork that would be one too many gets EAGAIN.
 *
 * Only forks are trapped, never waits or exits, so there is no ledger that could drift or be talked down. `used` is an
 * upper bound of what exists: it starts exact, each approval adds one, and nothing else in the tree can add any. When
 * it reaches the limit the truth is looked up: the tree is counted, zombies too since they hold a number, and approvals
 * whose child may not be visible yet are added to that.
 *
 * Why the real number never passes the limit: an approved fork runs some time after our answer, so between approval and
 * birth the child is in no count. An approval is therefore pending until there is evidence that its task has left the
 * fork: the task asked for another fork, is gone, or sleeps interruptibly or is stopped (a fork waits uninterruptibly
 * only). A task that is found running may be anywhere; it is believed to have left after FORK_CPU_NS of its own CPU
 * time. Time on the wall proves nothing: a hostile program can keep its own forks from being scheduled. The evidence is
 * taken before the tree is counted, so that a birth in between is counted twice rather than not at all. All of this
 * runs on the notify thread, one call after the other, with each answer sent before the next call is taken.
 *
 * What is left: a fork that takes more than FORK_CPU_NS to copy its page tables (more than 100 GiB of touched memory)
 * can bring one process too many for each such task. What it costs: near the limit a task that forked once and has
 * been computing since, without ever sleeping, is counted twice until it has run that long.
 */
#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/sys.h"
#include "features/registry.h"

#define FORK_CPU_NS 1000000000ULL
#define PRUNE_FIRST 1024        /* pending approvals kept before evidence is looked for; doubles with the need */

#define SETTLE_TRIES 10         /* and their pause: the longest that a refused fork delays other calls, 5 ms */
static const struct timespec settle_pause = { .tv_nsec = 500000 };

struct approval {
	pid_t tid;
	bool is_process;        /* else a thread */
	bool seen;              /* cpu_ns was taken */
	uint64_t cpu_ns;        /* what the task had run when it was first looked at: not before the approval */
};

struct cap {
	const char *flag;
	uint64_t limit;         /* NO_LIMIT: none */
	uint64_t used;          /* never below what exists */
};

struct limits {
	struct cap processes;
	struct cap tasks;
	struct approval *pending;
	size_t pending_len;
	size_t pending_cap;
	size_t prune_at;
};

static int limits_start(const struct feature_env *env, void **state, struct error *err)
{
	struct limits *l = mem_alloc(sizeof *l);

	if (!l)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the process limit");
	l->processes = (struct cap){ "--max-processes", env->policy->max_processes, 1 };
	l->tasks = (struct cap){ "--max-threads", env->policy->max_threads, 1 };
	l->prune_at = PRUNE_FIRST;
	*state = l;
	return 0;
}

static void limits_stop(void *state)
{
	struct limits *l = state;

	mem_free(l->pending);
	mem_free(l);
}

/* Has this task left the fork that was approved? Unknown means no. */
static bool has_left_the_fork(const struct call *call, struct approval *a)
{
	bool asleep = false;
	uint64_t cpu_ns = 0;
	int rc = call->kernel->task_progress(call, a->tid, &asleep, &cpu_ns);

	if (rc == -ESRCH)
		return true;
	if (rc < 0)
		return false;
	if (asleep)
		return true;
	if (!a->seen) {
		a->seen = true;
		a->cpu_ns = cpu_ns;
	}
	return cpu_ns - a->cpu_ns >= FORK_CPU_NS && cpu_ns > a->cpu_ns;
}

/* Drops the approvals that are known to have run. */
static void settle(struct limits *l, const struct call *call)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->pending_len; i++) {
		if (!has_left_the_fork(call, &l->pending[i]))
			l->pending[kept++] = l->pending[i];
	}
	l->pending_len = kept;
	l->prune_at = kept < PRUNE_FIRST / 2 ? PRUNE_FIRST : kept * 2;
}

/* A task that asks again is out of its last fork: its slot is free, and an array has one entry a task at most. */
static void settle_caller(struct limits *l, pid_t tid)
{
	for (size_t i = 0; i < l->pending_len; i++) {
		if (l->pending[i].tid == tid) {
			l->pending[i] = l->pending[--l->pending_len];
			return;
		}
	}
}

/* Looks up the truth. On failure the bounds stay as they are: too high at worst. */
static int recount(struct limits *l, const struct call *call)
{
	unsigned processes = 0;
	unsigned tasks = 0;

	settle(l, call);        /* before the count: see above */
	int rc = call->kernel->count_tree(call, &processes, &tasks);
	if (rc < 0)
		return rc;

	l->processes.used = processes;
	l->tasks.used = tasks > processes ? tasks : processes;
	for (size_t i = 0; i < l->pending_len; i++) {
		l->processes.used += l->pending[i].is_process;
		l->tasks.used++;
	}
	return 0;
}

static struct cap *reached(struct limits *l, bool is_process)
{
	if (is_process && l->processes.used >= l->processes.limit)
		return &l->processes;
	if (l->tasks.used >= l->tasks.limit)
		return &l->tasks;
	return NULL;
}

static struct verdict refuse(const struct call *call, const struct cap *cap, bool counted)
{
	char rule[96];
	char flag[64];
	uint64_t more = cap->limit > NO_LIMIT / 4 ? cap->limit : cap->limit * 2;
	bool processes = cap->flag[6] == 'p';

	snprintf(rule, sizeof rule, "%s %llu%s", cap->flag, (unsigned long long)cap->limit,
		 counted ? "" : " (and /proc cannot be read to count again)");
	snprintf(flag, sizeof flag, "%s %llu", processes ? "-P" : cap->flag, (unsigned long long)(more ? more : 1));
	call->kernel->refuse(call, &(struct refusal){
		.operation = "fork",
		.target = processes ? "a new process" : "a new thread or process",
		.rule = rule,
		.flag = flag,
		.errnum = EAGAIN,
	});
	return v_errno(EAGAIN);
}

static int approve(struct limits *l, const struct call *call, bool is_process)
{
	int rc;

	if (l->pending_len >= l->prune_at)
		settle(l, call);
	rc = VEC_PUSH(l->pending, l->pending_cap, l->pending_len,
		      ((struct approval){ .tid = call->tid, .is_process = is_process }));
	if (rc < 0)
		return rc;
	l->processes.used += is_process;
	l->tasks.used++;
	return 0;
}

static struct verdict judge(struct limits *l, const struct call *call, bool is_process)
{
	settle_caller(l, call->tid);

	struct cap *full = reached(l, is_process);
	if (full) {
		int rc = recount(l, call);
		full = reached(l, is_process);
		/* Full only by approvals that may still be on their way: most have left within a moment. */
		for (int i = 0; i < SETTLE_TRIES && full && rc == 0 && l->pending_len; i++) {
			SYS(SYS_nanosleep, &settle_pause, NULL);
			rc = recount(l, call);
			full = reached(l, is_process);
		}
		if (full)
			return refuse(call, full, rc == 0);
	}
	/* Failing to remember an approval would lose count, so it is refused as the kernel refuses one for memory. */
	return approve(l, call, is_process) < 0 ? v_errno(ENOMEM) : v_continue();
}

static struct verdict on_fork(const struct call *call, void *state)
{
	return judge(state, call, true);
}

static struct verdict on_clone(const struct call *call, void *state)
{
	return judge(state, call, !(call->raw[0] & CL_THREAD));
}

static bool wants_processes(const struct policy *p)
{
	return p->max_processes != NO_LIMIT && p->max_threads == NO_LIMIT;
}

static bool wants_tasks(const struct policy *p)
{
	return p->max_threads != NO_LIMIT;
}

/*
 * Why these may continue: the verdict rests on register arguments and on our own count, nothing that another thread
 * could change before the kernel reads it; clone3, whose flags are in memory, is ENOSYS in the filter.
 */
#define FORK_FLAGS (H_MAY_CONTINUE | H_NO_DECODE)

/* clang-format off */
static const struct handler process_handlers[] = {
	{ "fork",  on_fork,  FORK_FLAGS },
	{ "vfork", on_fork,  FORK_FLAGS },
	/* Only processes count: a new thread never leaves the kernel. */
	{ "clone", on_clone, FORK_FLAGS, .conditional = true,
	  .test_arg = 0, .test_op = ARG_MASK_EQ, .test_mask = CL_THREAD, .test_value = 0 },
};

static const struct handler task_handlers[] = {
	{ "fork",  on_fork,  FORK_FLAGS },
	{ "vfork", on_fork,  FORK_FLAGS },
	{ "clone", on_clone, FORK_FLAGS },
};
/* clang-format on */

/* One of the two is active: what is trapped differs, the counting does not. */
const struct feature feature_process_limit = {
	.name = "process limit", .wanted = wants_processes, .start = limits_start, .stop = limits_stop,
	HANDLERS(process_handlers),
};

const struct feature feature_task_limit = {
	.name = "thread limit", .wanted = wants_tasks, .start = limits_start, .stop = limits_stop,
	HANDLERS(task_handlers),
};
