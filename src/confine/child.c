/*
 * The child between clone and exec: it runs the plan's steps with raw system calls on shared memory and knows no libc.
 * A failure is written to struct shared; the host owns the words.
 */
#include "confine/plan.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <stdbool.h>

#include "base/sys.h"

#define ADDR_NO_RANDOMIZE_BIT 0x0040000UL
#define CLOSE_RANGE_SETS_CLOEXEC 4U
#define TTY_SET_FOREGROUND 0x5410UL     /* TIOCSPGRP */
#define OLD_SECCOMP_MAX_FD 65536

struct child {
	const struct child_plan *plan;
	struct shared *shared;
};

static int step_group(struct child *c)
{
	int rc = (int)SYS(SYS_setpgid, 0, 0);

	if (rc < 0 || !c->plan->foreground)
		return rc;
	/* SIGTTOU is blocked like every signal here, so a background group may do this. */
	int group = (int)SYS(SYS_getpid);
	return sys_ioctl(0, TTY_SET_FOREGROUND, &group);
}

/* The parent is single-threaded, so the parent-death signal cannot fire early; the check closes the race before it. */
static int step_parent(struct child *c)
{
	int rc = sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);

	if (rc == 0 && (pid_t)SYS(SYS_getppid) != c->shared->reaper_pid)
		return -ESRCH;
	return rc;
}

/* Everything from 3 up closes at exec. The table is still the reaper's too, so nothing is closed here. */
static int close_all_on_exec(int floor)
{
	long rc = SYS(NR_close_range, 3, ~0U, CLOSE_RANGE_SETS_CLOEXEC);

	(void)floor;
	if (rc != -ENOSYS && rc != -EPERM && rc != -EINVAL)
		return (int)rc;
	struct {
		uint64_t soft, hard;
	} files;
	rc = SYS(SYS_prlimit64, 0, 7 /* RLIMIT_NOFILE */, 0, &files);
	if (rc < 0)
		return (int)rc;
	int last = files.hard < OLD_SECCOMP_MAX_FD ? (int)files.hard : OLD_SECCOMP_MAX_FD;
	for (int fd = 3; fd < last; fd++)
		SYS(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

/* Sources may be targets of others: copy all above the floor first, then put each in place. */
static int step_descriptors(struct child *c)
{
	const struct child_plan *plan = c->plan;
	int copy[PLAN_FDS_MAX];

	if (plan->fd_count > sizeof copy / sizeof copy[0])
		return -EMFILE;
	for (size_t i = 0; i < plan->fd_count; i++) {
		copy[i] = (int)SYS(SYS_fcntl, plan->fds[i].from, F_DUPFD_CLOEXEC, plan->fd_floor);
		if (copy[i] < 0)
			return copy[i];
	}
	int rc = close_all_on_exec(plan->fd_floor);
	for (size_t i = 0; i < plan->fd_count && rc >= 0; i++)
		rc = (int)SYS(SYS_dup3, copy[i], plan->fds[i].to, 0);
	return rc < 0 ? rc : 0;
}

/* Not before the descriptors are in place, whose numbers it might take. */
static int step_open_proc(struct child *c)
{
	struct own_proc *own = &c->shared->own_proc;

	if (!c->plan->own_proc_rights || c->plan->fresh_ruleset < 0)
		return 0;
	own->dir = sys_openat(AT_FDCWD, "/proc/self", O_PATH | O_CLOEXEC, 0);
	if (own->dir >= 0)      /* else there is no /proc, and nothing to grant */
		__atomic_store_n(&own->open, 1, __ATOMIC_RELEASE);
	return 0;
}

static int step_personality(struct child *c)
{
	if (!c->plan->no_randomize_memory)
		return 0;
	long now = SYS(SYS_personality, 0xffffffffUL);
	if (now < 0)
		return (int)now;
	long rc = SYS(SYS_personality, (unsigned long)now | ADDR_NO_RANDOMIZE_BIT);
	return rc < 0 ? (int)rc : 0;
}

static int step_affinity(struct child *c)
{
	if (!c->plan->cores)
		return 0;
	return (int)SYS(SYS_sched_setaffinity, 0, 16 * sizeof(uint64_t), c->plan->cores);
}

static int step_huge_pages(struct child *c)
{
	return c->plan->no_huge_pages ? sys_prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) : 0;
}

/* Lowers a limit, hard and soft; what is lower already stays. */
static int lower_limit(int resource, uint64_t value)
{
	struct {
		uint64_t soft, hard;
	} limit;
	int rc = (int)SYS(SYS_prlimit64, 0, resource, 0, &limit);

	if (rc < 0)
		return rc;
	if (limit.hard > value)
		limit.hard = value;
	if (limit.soft > limit.hard)
		limit.soft = limit.hard;
	return (int)SYS(SYS_prlimit64, 0, resource, &limit, 0);
}

static int step_limits(struct child *c)
{
	int rc = 0;

	for (size_t i = 0; i < c->plan->limit_count && rc == 0; i++)
		rc = lower_limit(c->plan->limits[i].resource, c->plan->limits[i].value);
	return rc;
}

static int write_file(const char *path, const char *text)
{
	size_t len = 0;

	while (text[len])
		len++;
	int fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	ssize_t put = sys_write(fd, text, len);
	sys_close(fd);
	return put < 0 ? (int)put : 0;
}

static int step_user(struct child *c)
{
	if (!c->plan->map_user)
		return 0;
	int rc = (int)SYS(SYS_unshare, CL_NEWUSER);
	if (rc == 0)
		rc = write_file("/proc/self/uid_map", c->plan->uid_map);
	if (rc == 0)
		rc = write_file("/proc/self/setgroups", "deny");
	if (rc == 0)
		rc = write_file("/proc/self/gid_map", c->plan->gid_map);
	return rc;
}

static int step_directory(struct child *c)
{
	return c->plan->cwd ? (int)SYS(SYS_chdir, c->plan->cwd) : 0;
}

/* uid 0 would get everything back at exec: SECBIT_NOROOT, locked, takes that meaning away from it. */
static int step_capabilities(struct child *c)
{
	if (!c->plan->drop_caps)
		return 0;
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
				   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED;
	int rc = sys_prctl(PR_SET_SECUREBITS, bits, 0, 0, 0);
	if (rc < 0 && rc != -EPERM)     /* some capability, but not CAP_SETPCAP: then uid 0 matters only if we are it */
		return rc;
	if (rc == -EPERM && SYS(SYS_geteuid) == 0)
		return rc;
	/* The bounding set too, as far as the kernel knows capabilities: EINVAL ends the list. */
	for (unsigned long cap = 0; rc == 0 && cap < 64; cap++)
		if (sys_prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break;
	rc = sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (rc < 0)
		return rc;
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };
	return (int)SYS(SYS_capset, &head, none);
}

static int step_no_new_privs(struct child *c)
{
	(void)c;
	return sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* The reaper has grown idle by now and helps. */
static int step_own_proc(struct child *c)
{
	struct own_proc *own = &c->shared->own_proc;

	if (!own->open)
		return 0;
	own_proc_grant(c->plan, own);
	own_proc_wait(own);
	sys_close(own->dir);
	return own->failed;
}

/* What came so far was done while the host looked for the program and built the ruleset. */
static int step_go(struct child *c)
{
	int *go = &c->shared->go;
	int now;

	for (int turn = 0; (now = __atomic_load_n(go, __ATOMIC_ACQUIRE)) == GO_WAIT; turn++)
		if (turn < PATIENT_TURNS)       /* most often it is a matter of microseconds */
			SYS(SYS_sched_yield);
		else
			SYS(SYS_futex, go, FUTEX_WAIT, GO_WAIT, 0);
	return now == GO_ON ? 0 : -ECANCELED;
}

static int step_landlock(struct child *c)
{
	return c->plan->ruleset < 0 ? 0 : sys_landlock_restrict_self(c->plan->ruleset, 0);
}

static int step_open_files(struct child *c)
{
	if (c->plan->max_open_files == UINT64_MAX)
		return 0;
	return lower_limit(7 /* RLIMIT_NOFILE */, c->plan->max_open_files);
}

/* Tells the reaper the listener's number; it hands it to the host. Only calls that are never trapped follow. */
static int step_filter(struct child *c)
{
	struct sock_fprog prog = c->plan->filter;

	if (!prog.len)
		return 0;
	if (!c->plan->supervised)
		return sys_seccomp(SC_SET_MODE_FILTER, 0, &prog);
	int fd = sys_seccomp(SC_SET_MODE_FILTER, SC_FLAG_NEW_LISTENER | SC_FLAG_WAIT_KILLABLE_RECV, &prog);
	if (fd == -EINVAL)      /* WAIT_KILLABLE_RECV is of 5.19 */
		fd = sys_seccomp(SC_SET_MODE_FILTER, SC_FLAG_NEW_LISTENER, &prog);
	if (fd < 0)
		return fd;
	c->shared->listener = fd;
	__atomic_store_n(&c->shared->stage, STAGE_LISTENER, __ATOMIC_RELEASE);
	SYS(SYS_futex, &c->shared->stage, FUTEX_WAKE, 1);
	return 0;
}

/* Handlers are reset by exec; ignored signals that hosts such as Python ignore would stay so. */
static int step_signals(struct child *c)
{
	static const unsigned char reset[] = { SIGPIPE, SIGXFSZ, SIGCHLD, 32, 33 };   /* 32 and 33: libc-internal */
	const struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		ksigset mask;
	} by_default = { 0 };
	const ksigset none = 0;

	(void)c;
	for (size_t i = 0; i < sizeof reset; i++)
		SYS(SYS_rt_sigaction, reset[i], &by_default, 0, sizeof(ksigset));
	return (int)SYS(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof none);
}

static int step_exec(struct child *c)
{
	return (int)SYS(SYS_execve, c->plan->path, c->plan->argv, c->plan->envp);
}

static int (*const steps[STEP_MAX])(struct child *c) = {
	[STEP_GROUP] = step_group,
	[STEP_PARENT] = step_parent,
	[STEP_DESCRIPTORS] = step_descriptors,
	[STEP_OPEN_PROC] = step_open_proc,
	[STEP_PERSONALITY] = step_personality,
	[STEP_AFFINITY] = step_affinity,
	[STEP_HUGE_PAGES] = step_huge_pages,
	[STEP_LIMITS] = step_limits,
	[STEP_USER] = step_user,
	[STEP_DIRECTORY] = step_directory,
	[STEP_CAPABILITIES] = step_capabilities,
	[STEP_NO_NEW_PRIVS] = step_no_new_privs,
	[STEP_OWN_PROC] = step_own_proc,
	[STEP_GO] = step_go,
	[STEP_LANDLOCK] = step_landlock,
	[STEP_OPEN_FILES] = step_open_files,
	[STEP_FILTER] = step_filter,
	[STEP_SIGNALS] = step_signals,
	[STEP_EXEC] = step_exec,
};

void child_main(void *start)
{
	const struct reaper_start *from = start;
	struct child c = { .plan = from->plan, .shared = from->shared };
	int rc = 0;

	for (int i = 0; i < STEP_MAX && rc >= 0; i++) {
		c.shared->fault_step = i;
		rc = steps[i](&c);
	}
	c.shared->fault_errno = -rc;
	for (;;)
		SYS(SYS_exit_group, 127);
}
