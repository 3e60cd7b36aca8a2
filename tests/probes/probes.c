/* The whole list of probes, the canary, and running one attempt in a process of its own. */
#include "probes.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attempt.h"
#include "base/err.h"
#include "base/fd.h"

static const struct probe_group *const groups[] = {
	&file_probes, &metadata_probes, &proc_probes, &call_probes, &process_probes, &net_probes, &limit_probes,
	&race_probes, &code_probes, &slow_probes, &destination_probes, &flip_probes, &unix_probes,
};

size_t probe_count(void)
{
	size_t sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		sum += groups[i]->len;
	return sum;
}

const struct probe_case *probe_at(size_t index)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (index < groups[i]->len)
			return &groups[i]->cases[index];
		index -= groups[i]->len;
	}
	return NULL;
}

const struct probe_case *probe_by_name(const char *name)
{
	for (size_t i = 0; i < probe_count(); i++)
		if (strcmp(probe_at(i)->name, name) == 0)
			return probe_at(i);
	return NULL;
}

/* --- the canary --- */

struct canary {
	const char *name;
	const char *text;
	mode_t mode;
};

static const struct canary canaries[] = {
	{ "canary.txt", CANARY_TEXT, 0644 },
	{ "prog.sh", "#!/bin/sh\nexit 0\n", 0755 },
	{ "dir/canary.txt", CANARY_TEXT, 0644 },
	{ "readonly/canary.txt", CANARY_TEXT, 0644 },
	{ "readonly/prog.sh", "#!/bin/sh\nexit 0\n", 0755 },
	{ "twins/CASE/canary.txt", CANARY_TEXT, 0644 },
	{ "twins/" NAME_DECOMPOSED "/canary.txt", CANARY_TEXT, 0644 },
};

/* Names that are one name where case is folded or Unicode normalised, and two elsewhere. */
static const char *const canary_dirs[] = {
	"dir", "readonly", "twins", "twins/case", "twins/CASE", "twins/" NAME_COMPOSED, "twins/" NAME_DECOMPOSED,
};

/* A time long ago, so that any touch shows. */
static const struct timespec canary_times[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };

static int remove_tree(int dirfd, const char *name)
{
	if (unlinkat(dirfd, name, 0) == 0)
		return 0;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	DIR *dir = fdopendir(fd);

	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			remove_tree(fd, e->d_name);
	closedir(dir);
	return unlinkat(dirfd, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

static int empty_directory(const char *path)
{
	DIR *dir = opendir(path);

	if (!dir)
		return -errno;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			remove_tree(dirfd(dir), e->d_name);
	closedir(dir);
	return 0;
}

static int make_canary(const char *secret, const struct canary *c)
{
	struct path p;

	snprintf(p.at, sizeof p.at, "%s/%s", secret, c->name);
	AUTO(fd) int fd = open(p.at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	int rc = fd_write_all(fd, c->text, strlen(c->text));

	if (rc < 0)
		return rc;
	fsetxattr(fd, "user.canary", "1", 1, 0);        /* a file system without user attributes is fine */
	if (fchmod(fd, c->mode) < 0 || futimens(fd, canary_times) < 0)
		return -errno;
	return 0;
}

/* A dynamically linked program that may be read and not executed; machines without one skip the probes of it. */
static void copy_program(const char *secret, const char *name)
{
	char buf[16384];
	struct path p;
	ssize_t n;

	snprintf(p.at, sizeof p.at, "%s/%s", secret, name);
	AUTO(fd) int from = open("/bin/true", O_RDONLY | O_CLOEXEC);
	AUTO(fd) int to = open(p.at, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	while (from >= 0 && to >= 0 && (n = sys_read(from, buf, sizeof buf)) > 0)
		fd_write_all(to, buf, (size_t)n);
}

/* A socket that nobody listens on. */
static int make_socket(const char *secret)
{
	struct path p;

	snprintf(p.at, sizeof p.at, "%s/socket", secret);
	return mknod(p.at, S_IFSOCK | 0666, 0) == 0 ? 0 : -errno;
}

int probes_prepare(const char *scratch, const char *secret)
{
	int rc = empty_directory(scratch);

	if (rc == 0)
		rc = empty_directory(secret);
	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(canary_dirs); i++) {
		struct path p;

		snprintf(p.at, sizeof p.at, "%s/%s", secret, canary_dirs[i]);
		if (mkdir(p.at, 0755) < 0 && errno != EEXIST)
			rc = -errno;
	}
	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(canaries); i++)
		rc = make_canary(secret, &canaries[i]);
	if (rc == 0)
		rc = make_socket(secret);
	copy_program(secret, "dir/program");
	copy_program(secret, "readonly/program");
	return rc;
}

static const char *canary_changed(const char *secret, const struct canary *c)
{
	char buf[64] = "";
	struct stat st;
	struct path p;

	snprintf(p.at, sizeof p.at, "%s/%s", secret, c->name);
	if (lstat(p.at, &st) < 0)
		return "a file outside was removed";
	if (!S_ISREG(st.st_mode) || (st.st_mode & 07777) != c->mode)
		return "the mode of a file outside changed";
	if (st.st_mtime != canary_times[1].tv_sec)
		return "the time of a file outside changed";
	if (st.st_nlink != 1)
		return "a file outside has a new name";
	AUTO(fd) int fd = open(p.at, O_RDONLY | O_CLOEXEC | O_NOATIME);

	if (fd < 0 || fd_read_all(fd, buf, sizeof buf - 1) < 0 || strcmp(buf, c->text) != 0)
		return "the content of a file outside changed";
	char names[256];
	ssize_t len = flistxattr(fd, names, sizeof names);

	if (len > 0 && memmem(names, (size_t)len, "user.probe", 10))
		return "an attribute of a file outside changed";
	return NULL;
}

static size_t count_entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

const char *probes_changed(const char *secret)
{
	for (size_t i = 0; i < ARRAY_SIZE(canaries); i++) {
		const char *what = canary_changed(secret, &canaries[i]);

		if (what)
			return what;
	}
	/* canary.txt, prog.sh, dir, readonly, twins, socket, "." and ".." */
	return count_entries(secret) == 8 ? NULL : "something was created or removed outside";
}

/* --- one attempt --- */

static void attempt_in_child(const struct probe_args *args, int report)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int rc = args->self->run(args);

	fd_write_all(report, &rc, sizeof rc);
	_exit(0);
}

static struct probe_outcome outcome_of(int rc)
{
	if (rc < 0)
		return (struct probe_outcome){ .result = PROBE_REFUSED, .errnum = -rc };
	return (struct probe_outcome){ .result = rc == 0 ? PROBE_DID_IT : PROBE_UNAVAILABLE };
}

struct probe_outcome probe_run(const struct probe_case *probe, const struct probe_args *args)
{
	struct probe_args mine = *args;
	int ends[2];
	int rc = 0;
	int status = 0;

	mine.self = probe;
	mine.starter = getppid();
	if (pipe2(ends, O_CLOEXEC) < 0)
		return outcome_of(ATTEMPT_UNAVAILABLE);
	fflush(NULL);
	pid_t pid = fork();

	if (pid < 0)
		return outcome_of(ATTEMPT_UNAVAILABLE);
	if (pid == 0)
		attempt_in_child(&mine, ends[1]);
	close(ends[1]);
	ssize_t got = fd_read_all(ends[0], &rc, sizeof rc);

	close(ends[0]);
	waitpid(pid, &status, 0);
	if (got == sizeof rc)
		return outcome_of(rc);
	struct probe_outcome killed = { .result = PROBE_REFUSED, .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0 };

	/* Machines that have no such call raise SIGSEGV or SIGILL for it: only SIGSYS and SIGKILL are a sandbox's. */
	if (killed.signal != SIGSYS && killed.signal != SIGKILL)
		killed.result = PROBE_UNAVAILABLE;
	return killed;
}

void probe_describe(const struct probe_outcome *outcome, char *buf, size_t size)
{
	const char *name = outcome->signal ? sys_signal_name(outcome->signal) : NULL;

	if (outcome->result == PROBE_DID_IT)
		snprintf(buf, size, "did it");
	else if (outcome->result == PROBE_UNAVAILABLE)
		snprintf(buf, size, "unavailable");
	else if (outcome->signal)
		snprintf(buf, size, "refused SIG%s", name ? name : "?");
	else
		snprintf(buf, size, "refused %s", error_name(outcome->errnum));
}
