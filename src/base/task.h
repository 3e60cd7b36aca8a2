/* Cloning a task into our memory, on a stack of its own, without libc. The task is a process, so it can be killed alone. */
#ifndef BASE_TASK_H
#define BASE_TASK_H

#include "base/sys.h"

/* A task to clone, which shares our memory. */
struct task {
	uint64_t flags;                 /* CLONE_*; what they do not share is copied; handlers are reset where the kernel can */
	int exit_signal;
	void *stack;
	size_t stack_size;
	int *child_tid;                 /* for CLONE_CHILD_CLEARTID */
	int *pidfd;                     /* for CLONE_PIDFD */
	int cgroup;                     /* for CLONE_INTO_CGROUP, which no older way of cloning can replace */
};

/* Clones it and runs fn(arg) on its stack. The pid or -errno. */
long task_clone(const struct task *task, void (*fn)(void *), void *arg);

/* A task that makes one system call and ends. */
struct task_call {
	long nr;
	long args[6];
	pid_t parent;                   /* the process that clones it: the task ends with its cloning thread */
	long result;                    /* when done */
	bool done;                      /* atomic: the call has returned; a task that was killed may never say so */
};

/* For task_clone, with a struct task_call. */
void task_call_main(void *call) __attribute__((noreturn));

/* A task that makes one call after another, as it is told, until it is killed or its cloning thread ends. */
struct task_desk {
	struct task_call call;
	uint32_t turn;                  /* enum task_turn; atomic, and a futex that each side wakes the other with */
};

enum task_turn { TURN_IDLE, TURN_ASKED, TURN_DONE };

/* For task_clone, with a struct task_desk. */
void task_desk_main(void *desk) __attribute__((noreturn));

#endif
