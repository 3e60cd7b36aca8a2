/* Paths that change while a call is judged, by everybody who can reach the memory: row S14. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt.h"
#include "base/fd.h"

#ifndef RACE_MS
#define RACE_MS 200
#endif
#define RACE_MOST_MS 5000       /* on a busy machine, until it was a race */
#define ENOUGH 20

#define OWN_PROGRAM "#!/bin/sh\nexit 3\n"

/* SCRATCH/d is an own directory, SCRATCH/s a link to SECRET: one byte of the path decides between them. */
struct track {
	const struct probe_args *args;
	char *path;             /* in memory that the flipper changes too */
	char *turn;             /* the deciding byte of it */
	int file;               /* the file behind the memory, or -1 */
	struct path own;        /* what the path means when the byte is 'd' */
	unsigned refused;
};

/* --- those who change the path --- */

static void flip_for_ever(const struct track *t)
{
	for (;;) {
		__atomic_store_n(t->turn, 's', __ATOMIC_RELAXED);
		__atomic_store_n(t->turn, 'd', __ATOMIC_RELAXED);
	}
}

static void *flip_in_thread(void *track)
{
	flip_for_ever(track);
	return NULL;
}

static int flip_in_clone(void *track)
{
	flip_for_ever(track);
	return 0;
}

static pid_t start_thread(struct track *t)
{
	pthread_t id;

	return pthread_create(&id, NULL, flip_in_thread, t) == 0 ? 0 : -EAGAIN;
}

/* A process of its own with our memory, as a child of vfork is. */
static pid_t start_sharer(struct track *t)
{
	enum { STACK = 65536 };
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid = stack == MAP_FAILED ? -1 : clone(flip_in_clone, stack + STACK, CLONE_VM | SIGCHLD, t);

	return pid < 0 ? -errno : pid;
}

static pid_t start_sibling(struct track *t)
{
	pid_t pid = fork();

	if (pid == 0)
		flip_for_ever(t);
	return pid < 0 ? -errno : pid;
}

/* Never touches the memory: writes to the file that is mapped there. */
static pid_t start_writer(struct track *t)
{
	const off_t at = t->turn - t->path;
	pid_t pid = fork();

	while (pid == 0) {
		SYS(SYS_pwrite64, t->file, "s", 1, at);
		SYS(SYS_pwrite64, t->file, "d", 1, at);
	}
	return pid < 0 ? -errno : pid;
}

/* --- the calls: 0 when the forbidden effect came about --- */

static int try_open(struct track *t)
{
	return attempt_open_read(t->path);
}

static int try_exec(struct track *t)
{
	const char *argv[] = { t->path, NULL };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(SYS(SYS_execve, t->path, argv, NULL) == -EACCES ? 4 : 5);
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 4)
		return -EACCES;
	return WEXITSTATUS(status) == 0 ? 0 : -ENODATA;
}

static int try_rename(struct track *t)
{
	struct path stolen = in_scratch(t->args, "stolen");
	int rc = (int)SYS(SYS_renameat2, AT_FDCWD, t->path, AT_FDCWD, stolen.at, 0);

	if (rc < 0 || attempt_open_read(stolen.at) == 0)
		return rc;
	rename(stolen.at, t->own.at);
	return -ENODATA;
}

static int try_unlink(struct track *t)
{
	int rc = (int)SYS(SYS_unlinkat, AT_FDCWD, t->path, 0);

	if (rc < 0)
		return rc;
	if (access(in_secret(t->args, "canary.txt").at, F_OK) < 0)
		return 0;
	rc = sys_openat(AT_FDCWD, t->own.at, O_WRONLY | O_CREAT, 0600);
	return rc < 0 ? rc : (sys_close(rc), -ENODATA);
}

static int try_chmod(struct track *t)
{
	struct stat st;
	int rc = (int)SYS(SYS_fchmodat, AT_FDCWD, t->path, 0600);

	if (rc < 0)
		return rc;
	if (stat(in_secret(t->args, "canary.txt").at, &st) < 0)
		return -errno;
	return (st.st_mode & 07777) == 0600 ? 0 : -ENODATA;
}

/* --- a race --- */

enum who { BY_THREAD, BY_SHARER, BY_SIBLING, BY_WRITER };
enum what { OPEN, EXEC, RENAME, UNLINK, CHMOD };

static pid_t (*const starts[])(struct track *t) = {
	[BY_THREAD] = start_thread, [BY_SHARER] = start_sharer, [BY_SIBLING] = start_sibling, [BY_WRITER] = start_writer,
};

static const struct {
	int (*once)(struct track *t);
	const char *name;
} tries[] = {
	[OPEN] = { try_open, "canary.txt" }, [EXEC] = { try_exec, "prog.sh" }, [RENAME] = { try_rename, "canary.txt" },
	[UNLINK] = { try_unlink, "canary.txt" }, [CHMOD] = { try_chmod, "canary.txt" },
};

static int make_own(const struct probe_args *args, const char *name)
{
	struct path p = in_scratch(args, name);
	AUTO(fd) int fd = open(p.at, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);

	return fd < 0 ? -errno : fd_write_all(fd, OWN_PROGRAM, sizeof OWN_PROGRAM - 1);
}

static int lay_track(struct track *t, const char *name)
{
	struct path file = in_scratch(t->args, "page");
	struct path dir = in_scratch(t->args, "d");

	if (mkdir(dir.at, 0700) < 0 || symlink(t->args->secret, in_scratch(t->args, "s").at) < 0)
		return -errno;
	if (make_own(t->args, "d/canary.txt") < 0 || make_own(t->args, "d/prog.sh") < 0)
		return -EIO;
	t->file = open(file.at, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (t->file < 0 || ftruncate(t->file, PATH_MAX) < 0)
		return -errno;
	t->path = mmap(NULL, PATH_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, t->file, 0);
	if (t->path == MAP_FAILED)
		return -errno;
	snprintf(t->own.at, sizeof t->own.at, "%s/d/%s", t->args->scratch, name);
	memcpy(t->path, t->own.at, strlen(t->own.at));
	t->turn = t->path + strlen(t->args->scratch) + 1;
	return 0;
}

static int race(const struct probe_args *args)
{
	struct track t = { .args = args };
	enum who who = (enum who)args->self->call[0];
	enum what what = (enum what)args->self->call[1];
	int rc = lay_track(&t, tries[what].name);

	if (rc < 0)
		return ATTEMPT_UNAVAILABLE;
	pid_t pid = starts[who](&t);

	if (pid < 0)
		return ATTEMPT_UNAVAILABLE;
	uint64_t start = sys_now();
	uint64_t spent;

	do {
		rc = tries[what].once(&t);
		t.refused += rc == -EACCES || rc == -EPERM;
		spent = (sys_now() - start) / 1000000;
	} while (rc != 0 && (spent < RACE_MS || (t.refused < ENOUGH && spent < RACE_MOST_MS)));
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	/* Without one refusal the path never changed in time, and nothing is proved. */
	return rc == 0 ? 0 : t.refused ? -EACCES : ATTEMPT_UNAVAILABLE;
}

#define RACE(who, what) .run = race, .call = (const long[7]){ (who), (what) }
#define K (PROBE_KERNEL | PROBE_SLOW)
#define SLOW PROBE_SLOW

/* clang-format off */
static const struct probe_case cases[] = {
	{ "S14", "race-open", "open a path that a thread changes", RACE(BY_THREAD, OPEN), .flags = K },
	{ "S14", "race-exec", "execute a path that a thread changes", RACE(BY_THREAD, EXEC), .flags = K },
	{ "S14", "race-rename", "rename a path that a thread changes", RACE(BY_THREAD, RENAME), .flags = K },
	{ "S14", "race-unlink", "remove a path that a thread changes", RACE(BY_THREAD, UNLINK), .flags = K },
	{ "S14", "race-chmod", "chmod a path that a thread changes", RACE(BY_THREAD, CHMOD), .flags = SLOW },
	{ "S14", "race-chmod-sharer", "chmod a path that a vfork child changes", RACE(BY_SHARER, CHMOD), .flags = SLOW },
	{ "S14", "race-chmod-sibling", "chmod a path in shared memory", RACE(BY_SIBLING, CHMOD), .flags = SLOW },
	{ "S14", "race-chmod-file", "chmod a path in a file that is written to", RACE(BY_WRITER, CHMOD), .flags = SLOW },
	{ "S14", "race-open-seen", "open a changing path while paths are observed",
	  RACE(BY_THREAD, OPEN), .policy = "--explain", .flags = SLOW },
	{ "S14", "race-open-sharer", "the same, changed by a vfork child",
	  RACE(BY_SHARER, OPEN), .policy = "--explain", .flags = SLOW },
	{ "S14", "race-open-file", "the same, in a file that is written to",
	  RACE(BY_WRITER, OPEN), .policy = "--explain", .flags = SLOW },
	{ "S14", "race-exec-seen", "execute a changing path while paths are observed",
	  RACE(BY_SIBLING, EXEC), .policy = "--explain", .flags = SLOW },
	{ "S14", "race-rename-seen", "rename a changing path while paths are observed",
	  RACE(BY_SIBLING, RENAME), .policy = "--explain", .flags = SLOW },
	{ "S14", "race-unlink-seen", "remove a changing path while paths are observed",
	  RACE(BY_SIBLING, UNLINK), .policy = "--explain", .flags = SLOW },
};
/* clang-format on */
PROBE_GROUP(race_probes, cases);
