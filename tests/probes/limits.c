/* Resource limits and scheduling: rows R01, R02, R08, R10. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt.h"

enum { BOMB = 60 };

/* --- R01: BOMB children at once, by each way of making one --- */

static long start_fork(void)
{
#ifdef SYS_fork
	return SYS(SYS_fork);
#else
	return SYS(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

static long start_clone(void)
{
	return SYS(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static long start_clone3(void)
{
	struct clone3_args args = { .exit_signal = SIGCHLD };

	return SYS(NR_clone3, &args, sizeof args);
}

static int bomb(long (*start)(void))
{
	pid_t pids[BOMB];
	size_t count = 0;
	int rc = 0;

	while (rc == 0 && count < BOMB) {
		long pid = start();

		if (pid == 0)
			for (;;)
				pause();
		if (pid < 0)
			rc = (int)pid;
		else
			pids[count++] = (pid_t)pid;
	}
	for (size_t i = 0; i < count; i++)
		kill(pids[i], SIGKILL);
	for (size_t i = 0; i < count; i++)
		waitpid(pids[i], NULL, 0);
	return rc;
}

static int bomb_fork(const struct probe_args *args)
{
	(void)args;
	return bomb(start_fork);
}

static int bomb_clone(const struct probe_args *args)
{
	(void)args;
	return bomb(start_clone);
}

static int bomb_clone3(const struct probe_args *args)
{
	(void)args;
	return bomb(start_clone3);
}

/* Each child leaves a grandchild behind and ends, so nobody's count of own children grows. */
static int bomb_orphans(const struct probe_args *args)
{
	int *alive = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t group = 0;

	(void)args;
	if (alive == MAP_FAILED)
		return -errno;
	for (int i = 0; i < BOMB; i++) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (pid == 0) {
			setpgid(0, group);
			if (fork() == 0) {
				__atomic_add_fetch(alive, 1, __ATOMIC_SEQ_CST);
				usleep(1500000);
			}
			_exit(0);
		}
		if (i == 0)
			group = pid;
		waitpid(pid, NULL, 0);
	}
	usleep(100000);
	int count = __atomic_load_n(alive, __ATOMIC_SEQ_CST);

	if (group > 0)
		kill(-group, SIGKILL);
	return count == BOMB ? 0 : -EAGAIN;
}

/* --- R02 --- */

static void *sleep_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return NULL;
}

static int bomb_threads(const struct probe_args *args)
{
	pthread_attr_t attr;
	pthread_t id;

	(void)args;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (int i = 0; i < BOMB; i++) {
		int rc = pthread_create(&id, &attr, sleep_for_ever, NULL);

		if (rc != 0)
			return -rc;
	}
	return 0;       /* the threads end with this process */
}

/* --- R08: raising what was lowered --- */

static int raise_open_files(const struct probe_args *args)
{
	struct rlimit limit = { 4096, 4096 };

	(void)args;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

static int raise_file_size(const struct probe_args *args)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	(void)args;
	return setrlimit(RLIMIT_FSIZE, &limit) < 0 ? -errno : 0;
}

static int limit_of_other(const struct probe_args *args)
{
	struct rlimit old = { 0, 0 };
	struct rlimit new;
	long rc = SYS(SYS_prlimit64, args->pid, RLIMIT_CORE, NULL, &old);

	if (rc < 0)
		return (int)rc;
	new = old;
	return attempt_result(SYS(SYS_prlimit64, args->pid, RLIMIT_CORE, &new, NULL));
}

/* --- R10: scheduling of oneself upwards, and of others at all --- */

static int realtime(const struct probe_args *args)
{
	struct sched_param param = { .sched_priority = 1 };

	(void)args;
	return attempt_result(SYS(SYS_sched_setscheduler, 0, SCHED_FIFO, &param));
}

static int deadline(const struct probe_args *args)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = { .size = 48, .policy = 6, .runtime = 100000, .deadline = 1000000, .period = 1000000 };

	(void)args;
	return attempt_result(SYS(SYS_sched_setattr, 0, &attr, 0));
}

static int nice_down(const struct probe_args *args)
{
	(void)args;
	return attempt_result(SYS(SYS_setpriority, PRIO_PROCESS, 0, -20));
}

static int nice_other(const struct probe_args *args)
{
	long nice = SYS(SYS_getpriority, PRIO_PROCESS, args->pid);

	if (nice < 0)
		return (int)nice;
	return attempt_result(SYS(SYS_setpriority, PRIO_PROCESS, args->pid, 20 - nice));
}

static int affinity_other(const struct probe_args *args)
{
	unsigned long mask[16] = { 0 };
	long rc = SYS(SYS_sched_getaffinity, args->pid, sizeof mask, mask);

	if (rc < 0)
		return (int)rc;
	return attempt_result(SYS(SYS_sched_setaffinity, args->pid, sizeof mask, mask));
}

static int scheduler_other(const struct probe_args *args)
{
	struct sched_param param = { .sched_priority = 0 };

	return attempt_result(SYS(SYS_sched_setscheduler, args->pid, SCHED_OTHER, &param));
}

static int io_priority_other(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_ioprio_set, 1, args->pid, (2 << 13) | 4));
}

#define ROOT PROBE_NEEDS_ROOT

static const struct probe_case cases[] = {
	{ "R01", "bomb-fork", "60 processes at once by fork", bomb_fork, "-P 16", PROBE_SLOW },
	{ "R01", "bomb-clone", "60 processes at once by clone", bomb_clone, "-P 16", PROBE_SLOW },
	{ "R01", "bomb-clone3", "60 processes at once by clone3", bomb_clone3, "-P 16", PROBE_SLOW },
	{ "R01", "bomb-orphans", "60 orphans at once", bomb_orphans, "-P 16", PROBE_SLOW },
	{ "R02", "bomb-threads", "60 threads at once", bomb_threads, "--max-threads 16", PROBE_SLOW },
	{ "R08", "raise-open-files", "raise the limit of open files", raise_open_files, "--max-open-files 64", ROOT },
	{ "R08", "raise-file-size", "raise the limit of the file size", raise_file_size, "--max-file-size 1M", ROOT },
	{ "R08", "limit-of-other", "set a limit of a process outside", limit_of_other, NULL, 0 },
	{ "R10", "realtime", "become a real-time task", realtime, NULL, ROOT },
	{ "R10", "deadline", "become a deadline task", deadline, NULL, ROOT },
	{ "R10", "nice-down", "raise the own priority", nice_down, NULL, ROOT },
	{ "R10", "nice-other", "set the priority of a process outside", nice_other, NULL, 0 },
	{ "R10", "affinity-other", "set the cores of a process outside", affinity_other, NULL, 0 },
	{ "R10", "scheduler-other", "set the scheduler of a process outside", scheduler_other, NULL, 0 },
	{ "R10", "io-priority-other", "set the disk priority of a process outside", io_priority_other, NULL, 0 },
};
PROBE_GROUP(limit_probes, cases);
