/*
 * A system call that may block, made by a task that can be killed. It shares memory and descriptors with us and is a
 * process of its own: SIGKILL ends it, and nothing else of the host. Its parent-death signal ends it with our thread.
 */
#include "supervisor/aside.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "supervisor/stuck.h"

#define WAIT_ALL 0x40000000     /* __WALL: its end sends no signal, so that no host's wait() sees it */

int aside_begin(struct aside *a, long nr, const long args[6])
{
	const struct task task = {
		.flags = CL_VM | CL_FS | CL_FILES | CL_PIDFD,
		.stack = a->stack,
		.stack_size = sizeof a->stack,
		.pidfd = &a->pidfd,
	};

	a->pidfd = -1;
	a->call = (struct task_call){ .nr = nr, .parent = (pid_t)SYS(SYS_getpid) };
	memcpy(a->call.args, args, sizeof a->call.args);
	long pid = task_clone(&task, task_call_main, &a->call);
	a->pid = pid < 0 ? 0 : (pid_t)pid;
	return pid < 0 ? (int)pid : 0;
}

long aside_end(struct aside *a)
{
	long rc;

	sys_pidfd_send_signal(a->pidfd, SIGKILL);       /* to one that has ended it is nothing */
	do {
		rc = MAY_STICK(SYS(SYS_wait4, a->pid, 0, WAIT_ALL, 0));
	} while (rc == -EINTR);
	fd_close(&a->pidfd);
	return __atomic_load_n(&a->call.done, __ATOMIC_ACQUIRE) ? a->call.result : -ECANCELED;
}
