/*
 * Cloning a task into our memory, on a stack of its own, by hand: libc's clone would touch its thread's state.
 */
#include "base/task.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/prctl.h>

/* The call with its five arguments; the new task starts after it with the new stack and calls fn(arg), which does not
 * return. */
static long enter(long nr, const uint64_t args[5], void (*fn)(void *), void *arg)
{
#if defined(__x86_64__)
	long ret;
	register uint64_t fourth __asm__("r10") = args[3];
	register uint64_t fifth __asm__("r8") = args[4];
	register void (*f)(void *) __asm__("r12") = fn;
	register void *a __asm__("r13") = arg;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r13, %%rdi\n\t"
			 "call *%%r12\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(nr), "D"(args[0]), "S"(args[1]), "d"(args[2]), "r"(fourth), "r"(fifth), "r"(f), "r"(a)
			 : "rcx", "r11", "memory");
	return ret;
#else
	register long x8 __asm__("x8") = nr;
	register uint64_t x0 __asm__("x0") = args[0];
	register uint64_t x1 __asm__("x1") = args[1];
	register uint64_t x2 __asm__("x2") = args[2];
	register uint64_t x3 __asm__("x3") = args[3];
	register uint64_t x4 __asm__("x4") = args[4];
	register void (*f)(void *) __asm__("x19") = fn;
	register void *a __asm__("x20") = arg;

	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, #0\n\t"
			 "mov x0, x20\n\t"
			 "blr x19\n\t"
			 "brk #0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(f), "r"(a)
			 : "memory", "cc", "x30");
	return (long)x0;
#endif
}

static long clone3_on(const struct clone3_args *args, void (*fn)(void *), void *arg)
{
	const uint64_t words[5] = { (uint64_t)(uintptr_t)args, sizeof *args };

	return enter(NR_clone3, words, fn, arg);
}

/* clone(flags, stack, parent_tid, child_tid, tls) on x86-64; the last two change places on aarch64. */
static long clone_on(const struct clone3_args *args, void (*fn)(void *), void *arg)
{
#if defined(__x86_64__)
	enum { CHILD_TID = 3 };
#else
	enum { CHILD_TID = 4 };
#endif
	uint64_t words[5] = { (args->flags & ~CL_CLEAR_SIGHAND) | args->exit_signal, args->stack + args->stack_size };

	words[CHILD_TID] = args->child_tid;
	words[2] = args->pidfd;         /* which the old way puts where it would tell the parent of the tid */
	return enter(SYS_clone, words, fn, arg);
}

/* In a task cloned the old way: no handler of the host may run in it. Ignored signals stay ignored. */
struct reset_and_run {
	void (*fn)(void *);
	void *arg;
};

static void reset_handlers(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		ksigset mask;
	} action;
	static const struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		ksigset mask;
	} by_default;

	for (int sig = 1; sig < 65; sig++) {
		if (SYS(SYS_rt_sigaction, sig, 0, &action, sizeof(ksigset)) < 0 || (uintptr_t)action.handler <= 1)
			continue;
		SYS(SYS_rt_sigaction, sig, &by_default, 0, sizeof(ksigset));
	}
}

static void reset_then(void *start)
{
	const struct reset_and_run *r = start;

	reset_handlers();
	r->fn(r->arg);
}

long task_clone(const struct task *task, void (*fn)(void *), void *arg)
{
	/* The record for the fallback lives at the bottom of the new task's own stack. */
	struct reset_and_run *record = task->stack;
	bool into_cgroup = task->flags & CL_INTO_CGROUP;
	struct clone3_args args = {
		.flags = task->flags | CL_CLEAR_SIGHAND,
		.exit_signal = (uint64_t)task->exit_signal,
		.stack = (uint64_t)(uintptr_t)task->stack,
		.stack_size = task->stack_size,
		.child_tid = (uint64_t)(uintptr_t)task->child_tid,
		.pidfd = (uint64_t)(uintptr_t)task->pidfd,
		.cgroup = into_cgroup ? (uint64_t)task->cgroup : 0,
	};

	long rc = clone3_on(&args, fn, arg);
	if (into_cgroup || (rc != -ENOSYS && rc != -EPERM && rc != -EINVAL))
		return rc;
	record->fn = fn;
	record->arg = arg;
	return clone_on(&args, reset_then, record);
}

/* The pid of the parent is looked at after the signal was asked for: it may have died before. */
static bool ends_with_parent(pid_t parent)
{
	SYS(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	return SYS(SYS_getppid) == parent;
}

static void make_call(struct task_call *call)
{
	const long *a = call->args;

	call->result = SYS(call->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void __attribute__((noreturn)) leave(void)
{
	for (;;)
		SYS(SYS_exit_group, 0);
}

void task_call_main(void *arg)
{
	struct task_call *call = arg;

	if (ends_with_parent(call->parent)) {
		make_call(call);
		__atomic_store_n(&call->done, true, __ATOMIC_RELEASE);
	}
	leave();
}

void task_desk_main(void *arg)
{
	struct task_desk *desk = arg;
	uint32_t turn;

	if (!ends_with_parent(desk->call.parent))
		leave();
	SYS(SYS_chdir, "/");            /* where it does not share the directory, it keeps none from being unmounted */
	for (;;) {
		while ((turn = __atomic_load_n(&desk->turn, __ATOMIC_ACQUIRE)) != TURN_ASKED)
			SYS(SYS_futex, &desk->turn, FUTEX_WAIT_PRIVATE, turn, 0, 0, 0);
		make_call(&desk->call);
		__atomic_store_n(&desk->turn, TURN_DONE, __ATOMIC_RELEASE);
		SYS(SYS_futex, &desk->turn, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
	}
}
