/* Reading, changing and reaching files outside the grants: rows F01 to F15, F30. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt.h"

/* --- F01: every way of opening --- */

static int read_open(const struct probe_args *args)
{
#ifdef SYS_open
	return attempt_read(SYS(SYS_open, in_secret(args, "canary.txt").at, O_RDONLY));
#else
	(void)args;
	return ATTEMPT_UNAVAILABLE;
#endif
}

static int read_openat(const struct probe_args *args)
{
	return attempt_open_read(in_secret(args, "canary.txt").at);
}

static int read_openat2(const struct probe_args *args)
{
	struct open_how_v0 how = { .flags = O_RDONLY };

	return attempt_read(sys_openat2(AT_FDCWD, in_secret(args, "canary.txt").at, &how));
}

static int create_creat(const struct probe_args *args)
{
#ifdef SYS_creat
	return attempt_result(SYS(SYS_creat, in_secret(args, "created").at, 0600));
#else
	(void)args;
	return ATTEMPT_UNAVAILABLE;
#endif
}

static int create_openat(const struct probe_args *args)
{
	return attempt_result(sys_openat(AT_FDCWD, in_secret(args, "created").at, O_WRONLY | O_CREAT, 0600));
}

static int open_write(const struct probe_args *args)
{
	return attempt_result(sys_openat(AT_FDCWD, in_secret(args, "canary.txt").at, O_WRONLY, 0));
}

static int list_directory(const struct probe_args *args)
{
	return attempt_result(sys_openat(AT_FDCWD, args->secret, O_RDONLY | O_DIRECTORY, 0));
}

static int tmpfile_outside(const struct probe_args *args)
{
	return attempt_result(sys_openat(AT_FDCWD, args->secret, O_TMPFILE | O_WRONLY, 0600));
}

/* --- F02: O_PATH, then more --- */

static int o_path(const struct probe_args *args, const char *name)
{
	return sys_openat(AT_FDCWD, in_secret(args, name).at, O_PATH | O_CLOEXEC, 0);
}

static int o_path_reopen(const struct probe_args *args)
{
	int fd = o_path(args, "canary.txt");
	char name[64];

	if (fd < 0)
		return fd;
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	return attempt_open_read(name);
}

static int o_path_directory(const struct probe_args *args)
{
	int fd = o_path(args, "dir");

	return fd < 0 ? fd : attempt_read(sys_openat(fd, "canary.txt", O_RDONLY, 0));
}

static int o_path_exec(const struct probe_args *args)
{
	int fd = sys_openat(AT_FDCWD, in_secret(args, "prog.sh").at, O_PATH, 0);
	static const char *const argv[] = { "prog.sh", NULL };

	return fd < 0 ? fd : attempt_exec(fd, argv);
}

static int o_path_link(const struct probe_args *args)
{
	int fd = o_path(args, "canary.txt");
	char name[64];

	if (fd < 0)
		return fd;
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	struct path alias = in_scratch(args, "alias");
	int rc = (int)SYS(SYS_linkat, AT_FDCWD, name, AT_FDCWD, alias.at, AT_SYMLINK_FOLLOW);

	return rc < 0 ? rc : attempt_open_read(alias.at);
}

static int o_path_chmod(const struct probe_args *args)
{
	int fd = o_path(args, "canary.txt");

	return fd < 0 ? fd : attempt_result(SYS(NR_fchmodat2, fd, "", 0600, AT_EMPTY_PATH));
}

static int o_path_chmod_proc(const struct probe_args *args)
{
	int fd = o_path(args, "canary.txt");
	char name[64];

	if (fd < 0)
		return fd;
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	return attempt_result(SYS(SYS_fchmodat, AT_FDCWD, name, 0600));
}

/* --- F03: nothing is left open --- */

static int inherited_descriptor(const struct probe_args *args)
{
	(void)args;
	/* Above the three standard ones and what probe_run() itself opened (two at most), all must be closed. The
	 * launcher of the test leaves a directory open at 100. */
	return attempt_result(sys_openat(100, "canary.txt", O_RDONLY, 0));
}

/* --- F04: through a symbolic link --- */

static int link_to(const struct probe_args *args, const char *target, struct path *link)
{
	*link = in_scratch(args, "link");
	return (int)SYS(SYS_symlinkat, in_secret(args, target).at, AT_FDCWD, link->at);
}

static int symlink_read(const struct probe_args *args)
{
	struct path link;
	int rc = link_to(args, "canary.txt", &link);

	return rc < 0 ? rc : attempt_open_read(link.at);
}

static int symlink_truncate(const struct probe_args *args)
{
	struct path link;
	int rc = link_to(args, "canary.txt", &link);

	return rc < 0 ? rc : attempt_result(SYS(SYS_truncate, link.at, 0));
}

static int symlink_component(const struct probe_args *args)
{
	struct path link;
	int rc = link_to(args, "dir", &link);

	return rc < 0 ? rc : attempt_open_read(in_scratch(args, "link/canary.txt").at);
}

static int symlink_rename(const struct probe_args *args)
{
	struct path link;
	int rc = link_to(args, "dir", &link);

	if (rc < 0)
		return rc;
	struct path from = in_scratch(args, "link/canary.txt");

	return attempt_result(SYS(SYS_renameat2, AT_FDCWD, from.at, AT_FDCWD, in_scratch(args, "stolen").at, 0));
}

static int symlink_create(const struct probe_args *args)
{
	struct path link = in_scratch(args, "link");
	int rc = (int)SYS(SYS_symlinkat, in_secret(args, "created").at, AT_FDCWD, link.at);

	return rc < 0 ? rc : attempt_result(sys_openat(AT_FDCWD, link.at, O_WRONLY | O_CREAT, 0600));
}

/* --- F05: a directory and a link that trade places --- */

static void flip_for_ever(struct path one, struct path two)
{
	for (;;)
		SYS(SYS_renameat2, AT_FDCWD, one.at, AT_FDCWD, two.at, 2 /* RENAME_EXCHANGE */);
}

static int flip_race(const struct probe_args *args)
{
	struct path dir = in_scratch(args, "flip");
	struct path link = in_scratch(args, "flop");
	struct path file = in_scratch(args, "flip/canary.txt");
	int rc = -ENODATA;

	if (mkdir(dir.at, 0700) < 0 || symlink(in_secret(args, "dir").at, link.at) < 0)
		return -errno;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		flip_for_ever(dir, link);
	uint64_t end = sys_now() + 300000000;

	while (rc != 0 && sys_now() < end)
		rc = attempt_open_read(file.at);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return rc;
}

/* --- F06: hard links --- */

static int hard_link_out(const struct probe_args *args)
{
	struct path alias = in_scratch(args, "alias");
	int rc = (int)SYS(SYS_linkat, AT_FDCWD, in_secret(args, "canary.txt").at, AT_FDCWD, alias.at, 0);

	return rc < 0 ? rc : attempt_open_read(alias.at);
}

static int hard_link_readonly(const struct probe_args *args)
{
	struct path alias = in_scratch(args, "alias");
	int rc = (int)SYS(SYS_linkat, AT_FDCWD, in_secret(args, "readonly/canary.txt").at, AT_FDCWD, alias.at, 0);

	return rc < 0 ? rc : attempt_result(sys_openat(AT_FDCWD, alias.at, O_WRONLY, 0));
}

/* --- F08: other names for the same file --- */

static int name_double_slash(const struct probe_args *args)
{
	struct path p;

	snprintf(p.at, sizeof p.at, "//%s/.//./canary.txt", args->secret);
	return attempt_open_read(p.at);
}

static int name_dot_dot(const struct probe_args *args)
{
	struct path p;

	snprintf(p.at, sizeof p.at, "%s/../../../../../../../../..%s/canary.txt", args->scratch, args->secret);
	return attempt_open_read(p.at);
}

static int name_proc_root(const struct probe_args *args)
{
	struct path p;

	snprintf(p.at, sizeof p.at, "/proc/self/root%s/canary.txt", args->secret);
	return attempt_open_read(p.at);
}

static int name_proc_cwd(const struct probe_args *args)
{
	if (chdir(args->secret) < 0)
		return -errno;
	return attempt_open_read("/proc/self/cwd/canary.txt");
}

static int name_relative(const struct probe_args *args)
{
	if (chdir(args->secret) < 0)
		return -errno;
	return attempt_open_read("canary.txt");
}

static int name_dev_fd(const struct probe_args *args)
{
	int fd = o_path(args, "dir");
	char name[64];

	if (fd < 0)
		return fd;
	snprintf(name, sizeof name, "/dev/fd/%d/canary.txt", fd);
	return attempt_open_read(name);
}

/* A working directory whose path is longer than PATH_MAX, then a relative way out of it. */
static int name_too_long(const struct probe_args *args)
{
	char component[201];
	struct path up;
	size_t depth = 0;

	memset(component, 'd', sizeof component - 1);
	component[sizeof component - 1] = '\0';
	if (chdir(args->scratch) < 0)
		return -errno;
	for (; depth < 24; depth++)
		if ((mkdir(component, 0700) < 0 && errno != EEXIST) || chdir(component) < 0)
			return -errno;
	for (size_t i = 0; i < depth + 32; i++)
		memcpy(up.at + 3 * i, "../", 3);
	snprintf(up.at + 3 * (depth + 32), sizeof up.at - 3 * (depth + 32), ".%s/canary.txt", args->secret);
	return attempt_open_read(up.at);
}

/* --- F13: changing data without opening for writing, in a directory granted for reading --- */

static int change_truncate(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_truncate, in_secret(args, "readonly/canary.txt").at, 0));
}

static int change_open_trunc(const struct probe_args *args)
{
	return attempt_result(sys_openat(AT_FDCWD, in_secret(args, "readonly/canary.txt").at, O_RDONLY | O_TRUNC, 0));
}

static int change_append(const struct probe_args *args)
{
	return attempt_result(sys_openat(AT_FDCWD, in_secret(args, "readonly/canary.txt").at, O_WRONLY | O_APPEND, 0));
}

static int change_reopen(const struct probe_args *args)
{
	int fd = sys_openat(AT_FDCWD, in_secret(args, "readonly/canary.txt").at, O_RDONLY, 0);
	char name[64];

	if (fd < 0)
		return fd;
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	return attempt_result(sys_openat(AT_FDCWD, name, O_RDWR, 0));
}

static int change_unlink(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_unlinkat, AT_FDCWD, in_secret(args, "readonly/canary.txt").at, 0));
}

static int change_rename(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_renameat2, AT_FDCWD, in_secret(args, "readonly/canary.txt").at, AT_FDCWD,
				  in_secret(args, "readonly/moved").at, 0));
}

static int change_replace(const struct probe_args *args)
{
	struct path mine = in_scratch(args, "mine");
	int fd = sys_openat(AT_FDCWD, mine.at, O_WRONLY | O_CREAT, 0600);

	if (fd < 0)
		return fd;
	return attempt_result(SYS(SYS_renameat2, AT_FDCWD, mine.at, AT_FDCWD,
				  in_secret(args, "readonly/canary.txt").at, 0));
}

static int change_mkdir(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_mkdirat, AT_FDCWD, in_secret(args, "readonly/new").at, 0700));
}

static int change_rmdir(const struct probe_args *args)
{
	struct path p = in_secret(args, "readonly");

	/* Not empty, so that nothing happens: ENOTEMPTY is what somebody with the right would see. */
	long rc = SYS(SYS_unlinkat, AT_FDCWD, p.at, AT_REMOVEDIR);

	return rc == -ENOTEMPTY ? 0 : attempt_result(rc);
}

static int change_symlink(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_symlinkat, "target", AT_FDCWD, in_secret(args, "readonly/new").at));
}

static int change_mkfifo(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_mknodat, AT_FDCWD, in_secret(args, "readonly/new").at, S_IFIFO | 0600, 0));
}

/* --- F14: devices --- */

static int make_node(const struct probe_args *args, mode_t kind, unsigned long device)
{
	return attempt_result(SYS(SYS_mknodat, AT_FDCWD, in_scratch(args, "node").at, kind | 0600, device));
}

static int make_character_node(const struct probe_args *args)
{
	return make_node(args, S_IFCHR, (1 << 8) | 3);
}

static int make_block_node(const struct probe_args *args)
{
	return make_node(args, S_IFBLK, (7 << 8) | 0);
}

static int open_or_unavailable(const char *path, int flags)
{
	int fd = sys_openat(AT_FDCWD, path, flags | O_NONBLOCK | O_CLOEXEC, 0);

	return fd == -ENOENT || fd == -ENXIO ? ATTEMPT_UNAVAILABLE : attempt_result(fd);
}

static int open_dev_mem(const struct probe_args *args)
{
	(void)args;
	return open_or_unavailable("/dev/mem", O_RDONLY);
}

static int open_dev_kmsg(const struct probe_args *args)
{
	(void)args;
	return open_or_unavailable("/dev/kmsg", O_RDONLY);
}

static int open_dev_kvm(const struct probe_args *args)
{
	(void)args;
	return open_or_unavailable("/dev/kvm", O_RDWR);
}

/* --- F15: executing --- */

static int exec_outside(const struct probe_args *args)
{
	struct path prog = in_secret(args, "prog.sh");
	const char *argv[] = { prog.at, NULL };

	return attempt_exec(-1, argv);
}

static int exec_readable(const struct probe_args *args)
{
	struct path prog = in_secret(args, "readonly/prog.sh");
	const char *argv[] = { prog.at, NULL };

	return attempt_exec(-1, argv);
}

static int stat_hidden(const struct probe_args *args)
{
	struct stat st;

	return stat(in_secret(args, "canary.txt").at, &st) < 0 ? -errno : 0;
}

/* --- F30: a name that differs from a granted one in case or in the form of a letter only --- */

static int twin(const struct probe_args *args, const char *granted, const char *name, int (*attempt)(const char *path))
{
	struct stat mine, other;
	struct path p;

	if (stat(in_secret(args, granted).at, &mine) < 0 || stat(in_secret(args, name).at, &other) < 0)
		return -errno;
	if (mine.st_ino == other.st_ino)
		return ATTEMPT_UNAVAILABLE;             /* this file system folds them: they are one directory */
	snprintf(p.at, sizeof p.at, "%s/%s/canary.txt", args->secret, name);
	return attempt(p.at);
}

static int attempt_chmod(const char *path)
{
	return attempt_result(SYS(SYS_fchmodat, AT_FDCWD, path, 0600));
}

static int twin_case(const struct probe_args *args)
{
	return twin(args, "twins/case", "twins/CASE", attempt_open_read);
}

static int twin_unicode(const struct probe_args *args)
{
	return twin(args, "twins/" NAME_COMPOSED, "twins/" NAME_DECOMPOSED, attempt_open_read);
}

static int twin_case_chmod(const struct probe_args *args)
{
	return twin(args, "twins/case", "twins/CASE", attempt_chmod);
}

static int twin_unicode_chmod(const struct probe_args *args)
{
	return twin(args, "twins/" NAME_COMPOSED, "twins/" NAME_DECOMPOSED, attempt_chmod);
}

#define READ_GRANT "-r @SECRET@/readonly"
#define K PROBE_KERNEL
#define KR (PROBE_KERNEL | PROBE_READS_GRANT)
#define KN (PROBE_KERNEL | PROBE_NEEDS_ROOT)

static const struct probe_case cases[] = {
	{ "F01", "read-open", "read a file outside with open", read_open, NULL, K },
	{ "F01", "read-openat", "read a file outside with openat", read_openat, NULL, K },
	{ "F01", "read-openat2", "read a file outside with openat2", read_openat2, NULL, K },
	{ "F01", "create-creat", "create a file outside with creat", create_creat, NULL, K },
	{ "F01", "create-openat", "create a file outside with openat", create_openat, NULL, K },
	{ "F01", "open-write", "open a file outside for writing", open_write, NULL, K },
	{ "F01", "list-directory", "list a directory outside", list_directory, NULL, K },
	{ "F01", "tmpfile", "make an unnamed file outside", tmpfile_outside, NULL, K },
	{ "F02", "o-path-reopen", "open as O_PATH, reopen through /proc/self/fd", o_path_reopen, NULL, K },
	{ "F02", "o-path-directory", "open beneath an O_PATH directory", o_path_directory, NULL, K },
	{ "F02", "o-path-exec", "execute an O_PATH descriptor", o_path_exec, NULL, K },
	{ "F02", "o-path-link", "link an O_PATH descriptor into the granted folder", o_path_link, NULL, K },
	{ "F02", "o-path-chmod", "chmod an O_PATH descriptor with fchmodat2", o_path_chmod, NULL, 0 },
	{ "F02", "o-path-chmod-proc", "chmod an O_PATH descriptor by /proc/self/fd", o_path_chmod_proc, NULL, 0 },
	{ "F03", "inherited-descriptor", "use a directory that the launcher left open", inherited_descriptor, NULL, K },
	{ "F04", "symlink-read", "read through a symbolic link", symlink_read, NULL, K },
	{ "F04", "symlink-truncate", "truncate through a symbolic link", symlink_truncate, NULL, K },
	{ "F04", "symlink-component", "read beneath a linked directory", symlink_component, NULL, K },
	{ "F04", "symlink-rename", "move a file out of a linked directory", symlink_rename, NULL, K },
	{ "F04", "symlink-create", "create through a dangling symbolic link", symlink_create, NULL, K },
	{ "F05", "symlink-flip", "race a directory against a symbolic link", flip_race, NULL, K | PROBE_SLOW },
	{ "F06", "hard-link-out", "read through a hard link in the granted folder", hard_link_out, NULL, K },
	{ "F06", "hard-link-readonly", "write through a hard link to a read-only file", hard_link_readonly, READ_GRANT, KR },
	{ "F08", "name-double-slash", "spell the path with // and /./", name_double_slash, NULL, K },
	{ "F08", "name-dot-dot", "spell the path with ..", name_dot_dot, NULL, K },
	{ "F08", "name-proc-root", "spell the path by /proc/self/root", name_proc_root, NULL, K },
	{ "F08", "name-proc-cwd", "spell the path by /proc/self/cwd", name_proc_cwd, NULL, K },
	{ "F08", "name-relative", "change directory and use a plain name", name_relative, NULL, K },
	{ "F08", "name-dev-fd", "spell the path by /dev/fd", name_dev_fd, NULL, K },
	{ "F08", "name-too-long", "start from a directory deeper than PATH_MAX", name_too_long, NULL, K },
	{ "F12", "stat-hidden", "ask whether a file outside exists", stat_hidden, NULL, PROBE_NOT_COVERED },
	{ "F13", "change-truncate", "truncate a read-only file", change_truncate, READ_GRANT, KR },
	{ "F13", "change-open-trunc", "truncate a read-only file by O_RDONLY|O_TRUNC", change_open_trunc, READ_GRANT, KR },
	{ "F13", "change-append", "append to a read-only file", change_append, READ_GRANT, KR },
	{ "F13", "change-reopen", "reopen a read-only descriptor for writing", change_reopen, READ_GRANT, KR },
	{ "F13", "change-unlink", "remove a read-only file", change_unlink, READ_GRANT, KR },
	{ "F13", "change-rename", "rename a read-only file", change_rename, READ_GRANT, KR },
	{ "F13", "change-replace", "rename a file over a read-only one", change_replace, READ_GRANT, KR },
	{ "F13", "change-mkdir", "make a directory in a read-only one", change_mkdir, READ_GRANT, KR },
	{ "F13", "change-rmdir", "remove a read-only directory", change_rmdir, READ_GRANT, KR },
	{ "F13", "change-symlink", "make a symbolic link in a read-only directory", change_symlink, READ_GRANT, KR },
	{ "F13", "change-mkfifo", "make a pipe in a read-only directory", change_mkfifo, READ_GRANT, KR },
	{ "F14", "make-character-node", "make a character device in the granted folder", make_character_node, NULL,
	  PROBE_NEEDS_ROOT },
	{ "F14", "make-block-node", "make a block device in the granted folder", make_block_node, NULL, PROBE_NEEDS_ROOT },
	{ "F14", "open-dev-mem", "open /dev/mem", open_dev_mem, NULL, KN },
	{ "F14", "open-dev-kmsg", "open /dev/kmsg", open_dev_kmsg, NULL, KN },
	{ "F14", "open-dev-kvm", "open /dev/kvm", open_dev_kvm, NULL, KN },
	{ "F15", "exec-outside", "execute a program outside", exec_outside, NULL, K },
	{ "F15", "exec-readable", "execute what is granted for reading, with an execute list", exec_readable,
	  READ_GRANT " -x /usr", KR },
	{ "F30", "twin-case", "read by the granted name in capitals", twin_case, "-r @SECRET@/twins/case", K },
	{ "F30", "twin-unicode", "read by the granted name in another form of Unicode", twin_unicode,
	  "-r @SECRET@/twins/" NAME_COMPOSED, K },
	{ "F30", "twin-case-chmod", "chmod by the granted name in capitals", twin_case_chmod,
	  "-w @SECRET@/twins/case", 0 },
	{ "F30", "twin-unicode-chmod", "chmod by the granted name in another form of Unicode", twin_unicode_chmod,
	  "-w @SECRET@/twins/" NAME_COMPOSED, 0 },
};
PROBE_GROUP(file_probes, cases);
