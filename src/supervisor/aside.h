/* A system call that may block, made by a task that can be killed: a thread of the host's cannot be interrupted without a
 * signal handler in somebody else's program. */
#ifndef SUPERVISOR_ASIDE_H
#define SUPERVISOR_ASIDE_H

#include "base/task.h"

#define ASIDE_STACK 8192

struct aside {
	int pidfd;              /* owned; readable when the task has ended */
	pid_t pid;
	struct task_call call;
	_Alignas(16) char stack[ASIDE_STACK];
};

/* Begins the call on a task with our descriptors and our rights. 0 or -errno. What the arguments point to, and *a itself,
 * stay where they are until aside_end. */
int aside_begin(struct aside *a, long nr, const long args[6]);

/* Waits for the task, which is killed first if it has not ended. The result, or -ECANCELED when nobody knows it. */
long aside_end(struct aside *a);

/*
 * A task that is kept for calls that nearly always end at once, since a new one costs many times the call. It belongs to
 * the thread that first uses it, has that one's rights and Landlock domain, and ends with it.
 */
struct aside_kept {
	int pidfd;              /* owned */
	pid_t pid;
	struct task_desk desk;
	_Alignas(16) char stack[ASIDE_STACK];
};

/* Makes the call on the task in *kept, which is begun where there is none. *result is the call's, or -ECANCELED when it did
 * not end in `ns`: then the task was killed, and nobody knows more. False: no task can be had now. */
bool aside_quickly(struct aside_kept **kept, const struct task_call *call, uint64_t ns, long *result);

/* Ends a kept task; NULL is none. By any thread, when the one that used it is gone. */
void aside_dismiss(struct aside_kept *kept);

#endif
