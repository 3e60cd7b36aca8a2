/* The host's side of an island: memory for its task, the clone, and the sentence when a system refuses it. */
#include "confine/island.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "confine/plan.h"
#include "confine/spawn.h"

#define GUARD 4096
#define STACK 12288
#define MEMORY (GUARD + STACK + 4096)
#define WAIT_ALL 0x40000000             /* __WALL */
#define PATIENCE_SECONDS 10             /* for an answer of the task, which never waits for anything itself */

static int map_memory(struct island_home *home)
{
	long at = SYS(SYS_mmap, 0, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at < 0 && at > -4096)
		return (int)at;
	home->memory = (void *)at;
	return (int)SYS(SYS_mprotect, home->memory, GUARD, PROT_NONE);
}

static int open_control(struct island_home *home, int floor, int *theirs)
{
	const struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
	int pair[2];
	int rc = (int)SYS(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);

	if (rc < 0)
		return rc;
	home->island.control = pair[0];
	*theirs = pair[1];
	rc = (int)SYS(SYS_setsockopt, pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	return rc < 0 ? rc : spawn_raise_fd(&home->island.control, floor);
}

/* With every signal blocked: no handler of the host may run in the task, nor a terminal's signal end it. */
static long clone_task(struct island_home *home, const struct island_start *start)
{
	const ksigset all = ~0ULL;
	ksigset before;
	struct task task = {
		.flags = CL_VM | CL_NEWUSER | CL_NEWNET, .stack = (char *)home->memory + GUARD, .stack_size = STACK,
	};
	void *arg = (void *)(uintptr_t)start;

	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
	long pid = task_clone(&task, island_main, arg);
	if (pid < 0) {                  /* no user namespaces here; who may, needs none */
		task.flags = CL_VM | CL_NEWNET;
		long again = task_clone(&task, island_main, arg);
		pid = again > 0 ? again : pid;
	}
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
	return pid;
}

static int first_answer(const struct island_home *home)
{
	int answer = -EPROTO;
	ssize_t n = fd_recv(home->island.control, &answer, sizeof answer, NULL, 0);

	if (n < 0)
		return (int)n;
	return n == (ssize_t)sizeof answer ? answer : -EPIPE;
}

static int learn_cookie(struct island_home *home)
{
	AUTO(fd) int sock = island_socket(&home->island, &(struct island_order){ .domain = AF_INET, .type = SOCK_DGRAM });

	return sock < 0 ? sock : island_cookie(sock, &home->island.cookie);
}

static int start(struct island_home *home, int floor)
{
	AUTO(fd) int theirs = -1;
	AUTO(fd) int host = sys_pidfd_open((pid_t)SYS(SYS_getpid), 0);

	int rc = map_memory(home);
	if (rc == 0)
		rc = open_control(home, floor, &theirs);
	if (rc < 0)
		return rc;
	struct island_start *record = (void *)((char *)home->memory + GUARD + STACK);
	*record = (struct island_start){ .control = theirs, .host = host };
	long pid = clone_task(home, record);
	if (pid < 0)
		return (int)pid;
	home->pid = (pid_t)pid;
	fd_close(&theirs);              /* or the task's end would not be seen */
	rc = first_answer(home);
	return rc < 0 ? rc : learn_cookie(home);
}

int island_start(struct island_home *home, int floor, struct error *err)
{
	*home = (struct island_home)ISLAND_NONE;
	pthread_mutex_init(&home->island.lock, NULL);
	int rc = start(home, floor);
	if (rc == 0)
		return 0;
	island_end(home);
	if (rc == -ENOPROTOOPT)
		return error_set(err, ERR_KERNEL, rc, "it needs Linux 5.14 or newer");
	if (rc == -EPERM || rc == -EACCES || rc == -ENOSPC || rc == -EUSERS)
		return error_set(err, ERR_KERNEL, rc,
				 "it needs a network namespace of its own, which this system refuses (%s): allow user namespaces "
				 "(kernel.unprivileged_userns_clone=1, user.max_user_namespaces, on Ubuntu an AppArmor profile "
				 "with 'userns,')",
				 error_text(rc));
	return error_set(err, ERR_START, rc, "cannot make its network namespace: %s", error_text(rc));
}

void island_end(struct island_home *home)
{
	long rc;

	if (!home->memory && home->island.control < 0)
		return;
	fd_close(&home->island.control);
	if (home->pid) {
		do {
			rc = SYS(SYS_wait4, home->pid, 0, WAIT_ALL, 0);
		} while (rc == -EINTR);
	}
	home->pid = 0;
	if (home->memory)
		SYS(SYS_munmap, home->memory, MEMORY);
	home->memory = NULL;
	pthread_mutex_destroy(&home->island.lock);
}
