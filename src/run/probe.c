/*
 * Kernel capabilities, each probed by trying. What would change this process is tried in a child that shares nothing with
 * it and makes raw system calls only, so that a host with threads may ask.
 */
#include "run/probe.h"

#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"
#include "confine/landlock.h"
#include "run/cgroup.h"

#define SMALL_FILE 65536        /* more than /proc/self/cgroup and its like hold */

/* --- children --- */

/* fork without exit signal and without libc: nobody else's SIGCHLD handler or wait() hears of it. */
static pid_t quiet_fork(void)
{
	return (pid_t)SYS(SYS_clone, 0, 0, 0, 0, 0);
}

/* A child, and a pipe whose ends both have. */
static pid_t fork_with_pipe(int *in, int *out)
{
	int ends[2];
	int rc = (int)SYS(SYS_pipe2, ends, O_CLOEXEC);

	if (rc < 0)
		return rc;
	*in = ends[0];
	*out = ends[1];
	return quiet_fork();
}

static void bury(pid_t pid)
{
	long rc;

	do
		rc = SYS(SYS_wait4, pid, NULL, __WALL, NULL);
	while (rc == -EINTR);
}

/* What `body` gives in a child of its own. */
static int in_child(int (*body)(void))
{
	AUTO(fd) int in = -1;
	AUTO(fd) int out = -1;
	int result = -EIO;
	pid_t pid = fork_with_pipe(&in, &out);

	if (pid < 0)
		return pid;
	if (pid == 0) {
		int answer = body();

		sys_write(out, &answer, sizeof answer);
		_exit(0);
	}
	fd_close(&out);
	if (fd_read_all(in, &result, sizeof result) != sizeof result)
		result = -EIO;          /* killed: by a filter that we run under, most likely */
	bury(pid);
	return result;
}

/* What `body` gives when it looks at a child that does nothing but wait. */
static int with_child(int (*body)(pid_t child))
{
	AUTO(fd) int in = -1;
	AUTO(fd) int out = -1;
	pid_t pid = fork_with_pipe(&in, &out);

	if (pid < 0)
		return pid;
	if (pid == 0) {
		char byte;

		sys_close(out);
		sys_read(in, &byte, 1);
		_exit(0);
	}
	int rc = body(pid);

	fd_close(&out);
	/* The end of the pipe need not reach it: a child that another thread has just forked may hold a copy of ours. */
	sys_kill(pid, SIGKILL);
	bury(pid);
	return rc;
}

/* --- seccomp --- */

/* Installs a filter that allows all; the listener or 0, or -errno. */
static int install(unsigned flags)
{
	struct sock_filter allow = { BPF_RET | BPF_K, 0, 0, SC_RET_ALLOW };
	struct sock_fprog program = { .len = 1, .filter = &allow };
	int rc = sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	return rc < 0 ? rc : sys_seccomp(SC_SET_MODE_FILTER, flags, &program);
}

static int there(int rc)
{
	return rc < 0 ? rc : 1;
}

static int child_filter(void)
{
	return there(install(0));
}

static int child_notify(void)
{
	return there(install(SC_FLAG_NEW_LISTENER));
}

static int child_wait_killable(void)
{
	return there(install(SC_FLAG_NEW_LISTENER | SC_FLAG_WAIT_KILLABLE_RECV));
}

static int child_sync_wake_up(void)
{
	int listener = install(SC_FLAG_NEW_LISTENER);

	return listener < 0 ? listener : there((int)SYS(SYS_ioctl, listener, SC_IOCTL_SET_FLAGS, SC_FD_SYNC_WAKE_UP));
}

/* A kernel that knows the flag goes on to look for the notification, and there is none. */
static int child_addfd_send(void)
{
	int listener = install(SC_FLAG_NEW_LISTENER);
	struct sc_addfd add = { .flags = SC_ADDFD_SEND, .srcfd = (uint32_t)listener };

	if (listener < 0)
		return listener;
	int rc = sys_ioctl(listener, SC_IOCTL_ADDFD, &add);
	return rc == -ENOENT ? 1 : rc < 0 ? rc : -EIO;
}

static int probe_filter(void)
{
	return in_child(child_filter);
}

static int probe_notify(void)
{
	return in_child(child_notify);
}

static int probe_wait_killable(void)
{
	return in_child(child_wait_killable);
}

static int probe_sync_wake_up(void)
{
	return in_child(child_sync_wake_up);
}

static int probe_addfd_send(void)
{
	return in_child(child_addfd_send);
}

/* --- processes and files --- */

static int probe_pidfd_open(void)
{
	AUTO(fd) int pidfd = sys_pidfd_open(getpid(), 0);

	return there(pidfd);
}

static int getfd_of(pid_t child)
{
	AUTO(fd) int pidfd = sys_pidfd_open(child, 0);
	AUTO(fd) int copy = pidfd < 0 ? pidfd : sys_pidfd_getfd(pidfd, pidfd);

	/* the child has no such descriptor, which is found out only after the right to ask was checked */
	return copy == -EBADF && pidfd >= 0 ? 1 : there(copy);
}

static int probe_pidfd_getfd(void)
{
	return with_child(getfd_of);
}

static int readv_of(pid_t child)
{
	static const char known[] = "probe";
	char copy[sizeof known] = { 0 };
	struct iovec to = { copy, sizeof copy };
	struct iovec from = { (void *)(uintptr_t)known, sizeof known };
	long rc = SYS(SYS_process_vm_readv, child, &to, 1, &from, 1, 0);

	if (rc < 0)
		return (int)rc;
	return memcmp(copy, known, sizeof known) == 0 ? 1 : -EIO;
}

static int probe_process_vm_readv(void)
{
	return with_child(readv_of);
}

static int probe_openat2(void)
{
	struct open_how_v0 how = { .flags = O_PATH | O_CLOEXEC, .resolve = RES_NO_SYMLINKS };
	AUTO(fd) int fd = sys_openat2(AT_FDCWD, "/", &how);

	return there(fd);
}

static int probe_close_range(void)
{
	return there(sys_close_range(~0U, ~0U));        /* a range in which no descriptor can be */
}

/* Arguments of no size are refused as such by a kernel that has the call. */
static int probe_clone3(void)
{
	int rc = (int)SYS(NR_clone3, NULL, 0);

	return rc == -EINVAL || rc == -EFAULT ? 1 : rc < 0 ? rc : -EIO;
}

/* --- namespaces and file systems --- */

static int write_file(const char *path, const char *text)
{
	AUTO(fd) int fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);

	return fd < 0 ? fd : fd_write_all(fd, text, strlen(text));
}

/* "0 UID 1", without stdio: this runs in the child. */
static void map_line(char *out, unsigned id)
{
	char digits[12];
	size_t len = 0;

	*out++ = '0';
	*out++ = ' ';
	do {
		digits[len++] = (char)('0' + id % 10);
		id /= 10;
	} while (id);
	while (len)
		*out++ = digits[--len];
	memcpy(out, " 1", 3);
}

static int enter_userns(void)
{
	char uid[32], gid[32];

	map_line(uid, (unsigned)SYS(SYS_geteuid));
	map_line(gid, (unsigned)SYS(SYS_getegid));
	int rc = (int)SYS(SYS_unshare, CLONE_NEWUSER);
	if (rc == 0)
		rc = write_file("/proc/self/setgroups", "deny");
	if (rc == 0)
		rc = write_file("/proc/self/uid_map", uid);
	if (rc == 0)
		rc = write_file("/proc/self/gid_map", gid);
	/* where AppArmor lets the namespace be made and takes its capabilities away, this is what fails */
	return rc < 0 ? rc : (int)SYS(SYS_unshare, CLONE_NEWNS);
}

static int child_userns(void)
{
	return there(enter_userns());
}

static int child_overlayfs(void)
{
	static const char *const folders[] = { "/tmp/lower", "/tmp/upper", "/tmp/work", "/tmp/top" };
	int rc = enter_userns();

	if (rc == 0)
		rc = (int)SYS(SYS_mount, "none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (rc == 0)
		rc = (int)SYS(SYS_mount, "tmpfs", "/tmp", "tmpfs", 0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(folders) && rc == 0; i++)
		rc = (int)SYS(SYS_mkdirat, AT_FDCWD, folders[i], 0700);
	if (rc == 0)
		rc = (int)SYS(SYS_mount, "overlay", "/tmp/top", "overlay", 0,
			      "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work,userxattr");
	return there(rc);
}

static int probe_userns(void)
{
	return in_child(child_userns);
}

static int probe_overlayfs(void)
{
	return in_child(child_overlayfs);
}

static int probe_fuse(void)
{
	AUTO(fd) int fd = sys_openat(AT_FDCWD, "/dev/fuse", O_RDWR | O_CLOEXEC, 0);

	return there(fd);
}

/* --- the surroundings --- */

static int read_small(const char *path, char **out)
{
	size_t len;
	AUTO(fd) int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);

	return fd < 0 ? fd : fd_slurp(fd, SMALL_FILE, out, &len);
}

static int probe_container(void)
{
	static const char *const files[] = { "/.dockerenv", "/run/.containerenv", "/dev/lxd", "/run/systemd/container" };
	static const char *const variables[] = { "container", "KUBERNETES_SERVICE_HOST" };
	static const char *const marks[] = { "docker", "kubepods", "containerd", "/lxc", "libpod" };
	AUTO(free) char *cgroup = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (SYS(SYS_faccessat, AT_FDCWD, files[i], F_OK) == 0)
			return 1;
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		if (getenv(variables[i]))
			return 1;
	if (read_small("/proc/1/cgroup", &cgroup) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (strstr(cgroup, marks[i]))
			return 1;
	return 0;
}

static int probe_yama(void)
{
	AUTO(free) char *text = NULL;
	uint64_t scope = 0;
	bool more;
	int rc = read_small("/proc/sys/kernel/yama/ptrace_scope", &text);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	struct view rest = view_of(text);
	rc = view_u64(view_cut(&rest, '\n', &more), 9, &scope);
	return rc < 0 ? rc : (int)scope;
}

static int probe_proc_children(void)
{
	AUTO(fd) int fd = sys_openat(AT_FDCWD, "/proc/thread-self/children", O_RDONLY | O_CLOEXEC, 0);

	return there(fd);
}

static int probe_errata(void)
{
	return (int)(landlock_errata() & 0x7fffffff);
}

const struct probe kernel_probes[] = {
	{ "landlock", "the ABI of Landlock, the wall around files, ports and signals", landlock_abi },
	{ "landlock.errata", "which repairs of Landlock this kernel has, as a bit mask", probe_errata },
	{ "seccomp.filter", "filters on system calls", probe_filter },
	{ "seccomp.notify", "a supervisor may answer system calls", probe_notify },
	{ "seccomp.wait_killable", "signals do not interrupt a call that the supervisor works on", probe_wait_killable },
	{ "seccomp.sync_wake_up", "the supervisor is woken on the caller's processor: half the cost", probe_sync_wake_up },
	{ "seccomp.addfd_send", "a descriptor can be the answer to a call", probe_addfd_send },
	{ "pidfd_open", "processes are held by descriptor, not by number", probe_pidfd_open },
	{ "pidfd_getfd", "the supervisor may borrow a descriptor of the child", probe_pidfd_getfd },
	{ "process_vm_readv", "the supervisor may read the child's memory in one call", probe_process_vm_readv },
	{ "openat2", "paths are opened without following out of a folder", probe_openat2 },
	{ "close_range", "all descriptors are closed in one call", probe_close_range },
	{ "clone3", "children are started with all attributes in one call", probe_clone3 },
	{ "userns", "user namespaces, with capabilities inside them", probe_userns },
	{ "overlayfs", "overlay mounts in a user namespace", probe_overlayfs },
	{ "fuse", "file systems in user space", probe_fuse },
	{ "cgroup", "a cgroup v2 subtree is ours, so the kernel holds memory limits without a gap", cgroup_level },
	{ "container", "this process runs in a container", probe_container },
	{ "yama", "the ptrace scope of the Yama module; 0 where there is none", probe_yama },
	{ "proc.children", "the kernel lists the children of a task", probe_proc_children },
};

const size_t kernel_probe_count = ARRAY_SIZE(kernel_probes);

const struct probe *kernel_probe_by_name(const char *name)
{
	for (size_t i = 0; i < kernel_probe_count; i++)
		if (strcmp(kernel_probes[i].name, name) == 0)
			return &kernel_probes[i];
	return NULL;
}
