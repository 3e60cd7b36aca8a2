/* The host's side of starting: memory for the tasks, the clone of the reaper, the hand-over of the listener. */
#include "confine/spawn.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"

#define CHILD_STACK 12288
#define REAPER_STACK 20480
#define GUARD 4096
#define PIDS_MAX 65536

/* One mapping: guard, child's stack, guard, reaper's stack, records; then the scratch of the walks, never touched by
 * most sandboxes. */
struct records {
	struct shared shared;
	struct reaper_orders orders;
	struct reaper_start start;
};

#define STACKS_SIZE (GUARD + CHILD_STACK + GUARD + REAPER_STACK)
#define RECORDS_SIZE ((sizeof(struct records) + 4095) & ~(size_t)4095)
#define PIDS_SIZE (PIDS_MAX * sizeof(pid_t))
#define MEMORY_SIZE (STACKS_SIZE + RECORDS_SIZE + PIDS_SIZE)

int spawn_raise_fd(int *fd, int floor)
{
	if (*fd >= floor)
		return 0;
	int moved = (int)SYS(SYS_fcntl, *fd, F_DUPFD_CLOEXEC, floor);
	fd_close(fd);
	if (moved < 0)
		return moved;
	*fd = moved;
	return 0;
}

static int map_memory(struct spawn *s)
{
	long at = SYS(SYS_mmap, 0, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		      0);

	if (at < 0 && at > -4096)
		return (int)at;
	s->memory = (void *)at;
	char *base = s->memory;
	long rc = SYS(SYS_mprotect, base, GUARD, PROT_NONE);
	if (rc == 0)
		rc = SYS(SYS_mprotect, base + GUARD + CHILD_STACK, GUARD, PROT_NONE);
	return (int)rc;
}

static int open_control(struct spawn *s, int floor, int *theirs)
{
	int pair[2];
	int rc = (int)SYS(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);

	if (rc < 0)
		return rc;
	s->control = pair[0];
	*theirs = pair[1];
	rc = spawn_raise_fd(&s->control, floor);
	return rc < 0 ? rc : spawn_raise_fd(theirs, floor);
}

/* Clones the reaper with every signal blocked, so that no handler of the host runs in it or in the child. */
static int clone_reaper(struct spawn *s, struct reaper_start *start)
{
	const ksigset all = ~0ULL;
	ksigset before;
	char *base = s->memory;

	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
	const struct task task = {
		.flags = CL_VM, .stack = base + GUARD + CHILD_STACK + GUARD, .stack_size = REAPER_STACK,
	};
	long pid = task_clone(&task, reaper_main, start);
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
	if (pid < 0)
		return (int)pid;
	s->reaper = (pid_t)pid;
	return 0;
}

static int receive(struct spawn *s, struct news *news, int flags)
{
	int fd = -1;
	ssize_t n = fd_recv(s->control, news, sizeof *news, &fd, flags);

	if (fd >= 0 && s->listener < 0 && n == (ssize_t)sizeof *news && news->kind == NEWS_LISTENER)
		s->listener = take_fd(&fd);
	fd_close(&fd);
	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return (int)n;
	return n == (ssize_t)sizeof *news ? 1 : -EPROTO;
}

/* Kept memory: the guards and what is below the records may stay as they are. */
static int take_memory(struct spawn *s, void *kept)
{
	if (!kept)
		return map_memory(s);
	s->memory = kept;
	memset((char *)kept + STACKS_SIZE, 0, sizeof(struct records));
	return 0;
}

static int start(const struct child_plan *plan, const struct reaper_orders *orders, void *memory, struct spawn *s,
		 struct error *err)
{
	AUTO(fd) int theirs = -1;
	AUTO(fd) int host = sys_pidfd_open((pid_t)SYS(SYS_getpid), 0);

	int rc = take_memory(s, memory);
	if (rc < 0)
		return error_set(err, ERR_MEMORY, rc, "no memory for the tasks that start the program");
	rc = open_control(s, plan->fd_floor, &theirs);
	if (rc == 0 && host >= 0)
		rc = spawn_raise_fd(&host, plan->fd_floor);
	if (rc < 0)
		return error_set(err, ERR_START, rc, "cannot open the control socket: %s", error_text(rc));

	struct records *records = (void *)((char *)s->memory + STACKS_SIZE);
	s->shared = &records->shared;
	s->shared->listener = -1;
	records->orders = *orders;
	records->start = (struct reaper_start){
		.plan = plan,
		.orders = &records->orders,
		.shared = s->shared,
		.child_stack = (char *)s->memory + GUARD,
		.child_stack_size = CHILD_STACK,
		.control = theirs,
		.host = host,
		.pids = (void *)((char *)s->memory + STACKS_SIZE + RECORDS_SIZE),
		.pids_max = PIDS_MAX,
	};
	rc = clone_reaper(s, &records->start);
	if (rc < 0)
		return error_set(err, ERR_START, rc, "cannot make the reaper process: %s", error_text(rc));
	return 0;
}

int spawn_start(const struct child_plan *plan, const struct reaper_orders *orders, void *memory, struct spawn *out,
		struct error *err)
{
	struct spawn s = SPAWN_NONE;
	int rc = start(plan, orders, memory, &s, err);

	if (rc < 0) {
		spawn_fini(&s);
		return rc;
	}
	*out = s;
	return 0;
}

static int set_go(struct spawn *s, int go)
{
	__atomic_store_n(&s->shared->go, go, __ATOMIC_RELEASE);
	long rc = SYS(SYS_futex, &s->shared->go, FUTEX_WAKE, 1);

	return rc < 0 ? (int)rc : 0;
}

int spawn_go(struct spawn *s)
{
	return set_go(s, GO_ON);
}

int spawn_entered(struct spawn *s, enum child_step *step)
{
	struct news news;
	int rc;

	do {
		rc = receive(s, &news, 0);
	} while (rc == 1 && news.kind != NEWS_ENTERED && news.kind != NEWS_FAULT && news.kind != NEWS_LISTENER);
	if (rc < 0)
		return rc;
	if (news.kind == NEWS_LISTENER)         /* the kernel drops a descriptor that there is no number for */
		return s->listener < 0 ? -EMFILE : 1;
	if (news.kind == NEWS_ENTERED)
		return 0;
	*step = s->shared->fault_step < 0 ? STEP_MAX : (enum child_step)s->shared->fault_step;
	return -s->shared->fault_errno;
}

int spawn_news(struct spawn *s, struct news *news)
{
	int rc = receive(s, news, MSG_DONTWAIT);

	return rc == -EAGAIN ? 0 : rc == 1 ? 1 : -EPIPE;
}

int spawn_order(const struct spawn *s, enum order_kind kind, int value)
{
	const struct order order = { .kind = kind, .value = value };
	long rc;

	do {
		rc = SYS(SYS_sendto, s->control, &order, sizeof order, MSG_NOSIGNAL, 0, 0);
	} while (rc == -EINTR);
	return rc < 0 ? -ESRCH : 0;
}

void spawn_reap(struct spawn *s)
{
	long rc;

	if (s->reaped || s->reaper <= 0)
		return;
	do {
		rc = SYS(SYS_wait4, s->reaper, 0, 0x40000000 /* __WALL */, 0);
	} while (rc == -EINTR);
	s->reaped = true;
}

void spawn_memory_free(void *memory)
{
	if (memory)
		SYS(SYS_munmap, memory, MEMORY_SIZE);
}

/* The kernel clears the stage word when the child leaves our memory. Where the reaper was killed before, it may still be on
 * its way. */
static bool is_unused(const struct spawn *s)
{
	return s->reaped && s->shared->cause != END_NONE &&
	       __atomic_load_n(&s->shared->stage, __ATOMIC_ACQUIRE) == STAGE_GONE;
}

void *spawn_fini_keep(struct spawn *s)
{
	if (s->reaper > 0 && __atomic_load_n(&s->shared->go, __ATOMIC_RELAXED) == GO_WAIT)
		set_go(s, GO_NEVER);
	if (s->reaper > 0 && !s->reaped) {
		spawn_order(s, ORDER_KILL, 0);
		spawn_reap(s);
	}
	fd_close(&s->control);
	fd_close(&s->listener);
	void *kept = s->memory;
	if (kept && !is_unused(s)) {
		spawn_memory_free(kept);
		kept = NULL;
	}
	*s = (struct spawn)SPAWN_NONE;
	return kept;
}

void spawn_fini(struct spawn *s)
{
	spawn_memory_free(spawn_fini_keep(s));
}
