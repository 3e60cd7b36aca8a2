/*
 * A system call that may block, made by a task that can be killed. It shares memory and descriptors with us and is a
 * process of its own: SIGKILL ends it, and nothing else of the host. Its parent-death signal ends it with our thread. All
 * signals that can be blocked are, as in the thread, so that none of a terminal ends it.
 */
#include "supervisor/aside.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/thread.h"
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

static void end_task(pid_t pid, int *pidfd)
{
	long rc;

	sys_pidfd_send_signal(*pidfd, SIGKILL);         /* to one that has ended it is nothing */
	do {
		rc = MAY_STICK(SYS(SYS_wait4, pid, 0, WAIT_ALL, 0));
	} while (rc == -EINTR);
	fd_close(pidfd);
}

long aside_end(struct aside *a)
{
	end_task(a->pid, &a->pidfd);
	return __atomic_load_n(&a->call.done, __ATOMIC_ACQUIRE) ? a->call.result : -ECANCELED;
}

/* --- the kept one --- */

/* Root and directory are its own, since a host that shared them for long could not execute a set-user-ID program. */
static struct aside_kept *begin_kept(void)
{
	struct aside_kept *kept = mem_alloc(sizeof *kept);

	if (!kept)
		return NULL;
	const struct task task = {
		.flags = CL_VM | CL_FILES | CL_PIDFD,
		.stack = kept->stack,
		.stack_size = sizeof kept->stack,
		.pidfd = &kept->pidfd,
	};
	kept->desk.call.parent = (pid_t)SYS(SYS_getpid);
	long pid = task_clone(&task, task_desk_main, &kept->desk);
	if (pid < 0) {
		mem_free(kept);
		return NULL;
	}
	kept->pid = (pid_t)pid;
	return kept;
}

static bool is_done(struct aside_kept *kept)
{
	return __atomic_load_n(&kept->desk.turn, __ATOMIC_ACQUIRE) == TURN_DONE;
}

static void tell(struct aside_kept *kept, const struct task_call *call)
{
	struct task_desk *desk = &kept->desk;

	desk->call.nr = call->nr;
	memcpy(desk->call.args, call->args, sizeof call->args);
	__atomic_store_n(&desk->turn, TURN_ASKED, __ATOMIC_RELEASE);
	SYS(SYS_futex, &desk->turn, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

/* One that somebody else has killed says nothing either. */
static bool hears(struct aside_kept *kept, uint64_t ns)
{
	const struct timespec until = thread_time_after(ns);
	long rc;

	do {
		rc = SYS(SYS_futex, &kept->desk.turn, FUTEX_WAIT_BITSET_PRIVATE, TURN_ASKED, &until, 0,
			 FUTEX_BITSET_MATCH_ANY);
	} while (!is_done(kept) && (rc == 0 || rc == -EINTR));
	return is_done(kept);
}

/* While the task may be inside a call nobody else knows it: a thread that is left here (stuck.h) leaves it, too. */
bool aside_quickly(struct aside_kept **place, const struct task_call *call, uint64_t ns, long *result)
{
	struct aside_kept *kept = *place ? TAKE(*place) : begin_kept();

	if (!kept)
		return false;
	tell(kept, call);
	bool heard = hears(kept, ns);
	if (!heard)
		end_task(kept->pid, &kept->pidfd);
	*result = is_done(kept) ? kept->desk.call.result : -ECANCELED;
	if (heard)
		*place = kept;
	else
		mem_free(kept);
	return true;
}

void aside_dismiss(struct aside_kept *kept)
{
	if (kept)
		end_task(kept->pid, &kept->pidfd);
	mem_free(kept);
}
