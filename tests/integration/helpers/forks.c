/*
 * forks MODE N: makes processes in one way and prints how many could be made at once, or "ok" for the loops.
 *
 *   fork, vfork, clone, clone3   N at once; prints the number made and the errno of the first refusal
 *   threads                      N threads at once
 *   loop                         N times fork, exit, wait; prints failures
 *   nohang                       N children, reaped by polling with WNOHANG
 *   bogus                        N waits for children that do not exist, then as many at once as possible
 *   ignored                      N children with SIGCHLD ignored, never waited for
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long raw_fork(void)
{
#ifdef SYS_fork
	return syscall(SYS_fork);
#else
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

static long raw_clone(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static long raw_clone3(void)
{
	struct { unsigned long flags, pidfd, child, parent, exit_signal, stack, size, tls; } args = { .exit_signal = SIGCHLD };

	return syscall(SYS_clone3, &args, sizeof args);
}

static long libc_fork(void)
{
	return fork();
}

/* A child that sleeps after exec, so that vfork comes back. */
static long use_vfork(void)
{
	static char *const argv[] = { "/bin/sleep", "60", NULL };
	pid_t pid = vfork();

	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static int at_once(long (*start)(void), int n)
{
	pid_t *pids = calloc((size_t)n, sizeof *pids);
	int made = 0;
	int code = 0;

	while (made < n && !code) {
		long pid = start();

		if (pid == 0)
			for (;;)
				pause();
		if (pid < 0)
			code = errno;
		else
			pids[made++] = (pid_t)pid;
	}
	for (int i = 0; i < made; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < made; i++)
		waitpid(pids[i], NULL, 0);
	printf("%d %d\n", made, code);
	return 0;
}

static void *sleeper(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return NULL;
}

static int threads(int n)
{
	pthread_attr_t attr;
	pthread_t id;
	int made = 0;
	int code = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	while (made < n && !(code = pthread_create(&id, &attr, sleeper, NULL)))
		made++;
	printf("%d %d\n", made, code);
	fflush(stdout);
	_exit(0);
}

static int loop(int n)
{
	int failed = 0;

	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(i & 127);
		int status;

		if (pid < 0 || waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != (i & 127))
			failed++;
	}
	printf("%d 0\n", failed);
	return failed != 0;
}

static int nohang(int n)
{
	int failed = 0;

	for (int i = 0; i < n; i++) {
		pid_t pid = fork();
		pid_t got;

		if (pid == 0)
			_exit(0);
		while ((got = waitpid(pid, NULL, WNOHANG)) == 0)
			sched_yield();
		failed += pid < 0 || got != pid;
	}
	printf("%d 0\n", failed);
	return failed != 0;
}

static int bogus(int n)
{
	for (int i = 0; i < n; i++)
		waitpid(i % 2 ? -1 : 4000000, NULL, i % 3 ? WNOHANG : 0);
	return at_once(raw_fork, 100);
}

static int ignored(int n)
{
	int failed = 0;

	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid < 0)
			failed++;
		usleep(500);
	}
	printf("%d 0\n", failed);
	return failed != 0;
}

int main(int argc, char **argv)
{
	static const struct { const char *name; long (*start)(void); } ways[] = {
		{ "fork", raw_fork }, { "libc", libc_fork }, { "vfork", use_vfork }, { "clone", raw_clone },
		{ "clone3", raw_clone3 },
	};
	static const struct { const char *name; int (*run)(int); } loops[] = {
		{ "threads", threads }, { "loop", loop }, { "nohang", nohang }, { "bogus", bogus }, { "ignored", ignored },
	};
	int n = argc == 3 ? atoi(argv[2]) : 0;

	for (size_t i = 0; n && i < sizeof ways / sizeof ways[0]; i++)
		if (strcmp(ways[i].name, argv[1]) == 0)
			return at_once(ways[i].start, n);
	for (size_t i = 0; n && i < sizeof loops / sizeof loops[0]; i++)
		if (strcmp(loops[i].name, argv[1]) == 0)
			return loops[i].run(n);
	return 2;
}
