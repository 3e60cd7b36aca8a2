/*
 * signals CALL COUNT: makes one system call COUNT times under a 5 kHz timer whose handler was installed without
 * SA_RESTART, and prints "CALL: N of COUNT failed with EINTR, M signals, first other error".
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t signals;
static char path[4096];
static int pair[2];
static int file;

static void on_alarm(int sig)
{
	(void)sig;
	signals++;
}

static long do_open(void)
{
	int fd = open(path, O_RDONLY);

	if (fd >= 0)
		close(fd);
	return fd;
}

static long do_stat(void)
{
	struct stat st;

	return stat(path, &st);
}

static long do_lseek(void)
{
	return lseek(file, 0, SEEK_SET);
}

static long do_getppid(void)
{
	return syscall(SYS_getppid);
}

static long do_setpgid(void)
{
	return setpgid(0, 0);
}

static long do_uname(void)
{
	struct utsname name;

	return uname(&name);
}

static long do_sendto(void)
{
	char byte = 'x';
	long rc = sendto(pair[0], &byte, 1, MSG_DONTWAIT, NULL, 0);

	if (rc == 1)
		rc = recv(pair[1], &byte, 1, MSG_DONTWAIT);
	return rc;
}

static long do_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return pid;
}

static long do_chmod(void)
{
	return chmod(path, 0600);
}

static long do_utimensat(void)
{
	return utimensat(AT_FDCWD, path, NULL, 0);
}

static long do_mkdir(void)
{
	char name[4200];

	snprintf(name, sizeof name, "%s.d", path);
	long rc = mkdir(name, 0700);

	return rc < 0 ? rc : rmdir(name);
}

static const struct call {
	const char *name;
	long (*make)(void);
} calls[] = {
	{ "open", do_open }, { "stat", do_stat }, { "lseek", do_lseek }, { "getppid", do_getppid },
	{ "setpgid", do_setpgid }, { "uname", do_uname }, { "sendto", do_sendto }, { "mkdir", do_mkdir },
	{ "fork", do_fork }, { "chmod", do_chmod }, { "utimensat", do_utimensat },
};

static void start_timer(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval timer = { { 0, 200 }, { 0, 200 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

int main(int argc, char **argv)
{
	const struct call *call = NULL;

	for (size_t i = 0; argc == 4 && i < sizeof calls / sizeof calls[0]; i++)
		if (strcmp(calls[i].name, argv[1]) == 0)
			call = &calls[i];
	if (!call)
		return 2;
	int count = atoi(argv[2]);
	int interrupted = 0;
	int other = 0;

	snprintf(path, sizeof path, "%s/signals.txt", argv[3]);
	file = open(path, O_RDWR | O_CREAT, 0600);
	if (file < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		return 3;
	start_timer();
	for (int i = 0; i < count; i++) {
		if (call->make() >= 0)
			continue;
		if (errno == EINTR)
			interrupted++;
		else if (!other)
			other = errno;
	}
	struct itimerval off = { { 0, 0 }, { 0, 0 } };

	setitimer(ITIMER_REAL, &off, NULL);
	printf("%d %d %d %d\n", interrupted, count, (int)signals, other);
	return 0;
}
