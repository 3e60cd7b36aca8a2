/* What the attempts share: paths in the two directories, and the meaning of a raw result. */
#include "attempt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct path join(const char *dir, const char *name)
{
	struct path p;

	snprintf(p.at, sizeof p.at, "%s/%s", dir, name);
	return p;
}

struct path in_secret(const struct probe_args *args, const char *name)
{
	return join(args->secret, name);
}

struct path in_scratch(const struct probe_args *args, const char *name)
{
	return join(args->scratch, name);
}

int attempt_result(long rc)
{
	return rc >= 0 ? 0 : (int)rc;
}

int attempt_reached(long rc)
{
	switch (rc) {
	case -EPERM:
	case -EACCES:
	case -ENOSYS:
		return (int)rc;
	default:
		return 0;
	}
}

int attempt_read(long fd)
{
	char buf[sizeof CANARY_TEXT] = "";

	if (fd < 0)
		return (int)fd;
	ssize_t got = sys_read((int)fd, buf, sizeof buf - 1);

	sys_close((int)fd);
	if (got < 0)
		return (int)got;
	return strcmp(buf, CANARY_TEXT) == 0 ? 0 : -ENODATA;
}

int attempt_open_read(const char *path)
{
	return attempt_read(sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0));
}

/* In the forked child: exec, or write -errno. */
static void exec_or_tell(int fd, const char *const *argv, int report)
{
	static const char *const env[] = { "PATH=/usr/bin:/bin", NULL };
	long rc = fd >= 0 ? SYS(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH) : SYS(SYS_execve, argv[0], argv, env);
	int code = (int)rc;

	sys_write(report, &code, sizeof code);
	_exit(1);
}

int attempt_exec(int fd, const char *const *argv)
{
	int ends[2];
	int code = 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		exec_or_tell(fd, argv, ends[1]);
	close(ends[1]);
	ssize_t got = sys_read(ends[0], &code, sizeof code);

	close(ends[0]);
	waitpid(pid, NULL, 0);
	return got == sizeof code ? code : 0;
}
