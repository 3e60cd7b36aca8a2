/*
 * Doing it for the child: its directory, its descriptors, our copy of the arguments. The thread that runs this has the
 * child's ids and none of the host's capabilities, so the kernel judges each act as if the child did it.
 */
#include "supervisor/onbehalf.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "policy/netpresets.h"
#include "supervisor/binding.h"
#include "supervisor/childmem.h"
#include "supervisor/domains.h"
#include "supervisor/files.h"
#include "supervisor/island.h"
#include "supervisor/notify.h"
#include "supervisor/parking.h"
#include "supervisor/pin.h"
#include "supervisor/receiving.h"
#include "supervisor/sockets.h"
#include "supervisor/stuck.h"

#define TREE_MAX 65536
#define SMALL_FILE 4096
#define TICK_NS 10000000ULL     /* USER_HZ is 100 on every architecture of ours */

static struct supervisor *owner(const struct call *call)
{
	return call->supervisor;
}

/* --- small files of /proc --- */

static ssize_t read_small(pid_t tid, const char *tail, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d%s", (int)tid, tail);
	AUTO(fd) int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	ssize_t n = fd_read_all(fd, buf, size - 1);
	buf[n > 0 ? n : 0] = '\0';
	return n;
}

/* The number after "key:" in a status-like file, in the given base; -ENOENT without such a line. */
int onbehalf_number(const char *text, const char *key, unsigned base, uint64_t *out)
{
	const char *at = strstr(text, key);

	if (!at)
		return -ENOENT;
	at += strlen(key);
	while (*at == ' ' || *at == '\t')
		at++;
	*out = 0;
	for (;; at++) {
		unsigned digit = *at >= '0' && *at <= '9'   ? (unsigned)(*at - '0')
				 : *at >= 'a' && *at <= 'f' ? (unsigned)(*at - 'a') + 10
							    : base;
		if (digit >= base)
			return 0;
		*out = *out * base + digit;
	}
}

pid_t onbehalf_process(pid_t tid)
{
	char buf[SMALL_FILE];
	uint64_t tgid;

	if (read_small(tid, "/status", buf, sizeof buf) <= 0 || onbehalf_number(buf, "\nTgid:", 10, &tgid) < 0)
		return tid;
	return (pid_t)tgid;
}

static int four_numbers(const char *text, const char *key, uint32_t out[4])
{
	const char *at = strstr(text, key);

	if (!at)
		return -ENOENT;
	at += strlen(key);
	for (int i = 0; i < 4; i++) {
		while (*at == '\t' || *at == ' ')
			at++;
		out[i] = 0;
		for (; *at >= '0' && *at <= '9'; at++)
			out[i] = out[i] * 10 + (uint32_t)(*at - '0');
	}
	return 0;
}

int onbehalf_ids(pid_t tid, uint32_t uids[4], uint32_t gids[4])
{
	char buf[SMALL_FILE];
	ssize_t n = read_small(tid, "/status", buf, sizeof buf);

	if (n <= 0)
		return n < 0 ? (int)n : -ESRCH;
	int rc = four_numbers(buf, "\nUid:", uids);
	return rc < 0 ? rc : four_numbers(buf, "\nGid:", gids);
}

/* --- descriptors and paths --- */

static int ob_pin(const struct call *call, int dirfd, const char *path, int flags)
{
	int fd = pin_caller_path(call->tid, dirfd, path, flags);

	/* The walk began at files of a task number: it was the caller's only if the caller still waits. */
	if (fd >= 0 && !notify_is_valid(owner(call), call->id)) {
		fd_close(&fd);
		return -ESRCH;
	}
	return fd;
}

int onbehalf_pidfd(pid_t tid)
{
	int pidfd = sys_pidfd_open(tid, PIDFD_OF_THREAD);

	return pidfd == -EINVAL ? sys_pidfd_open(onbehalf_process(tid), 0) : pidfd;
}

/* --- pinning: of descriptors, by pidfds that are kept on the notify thread, since opening one costs as much as using it --- */

static struct kept_pidfd *kept_for(const struct call *call)
{
	return &owner(call)->pidfds[(unsigned)call->tid % SUPERVISOR_PIDFDS];
}

static void keep_pidfd(struct kept_pidfd *kept, pid_t tid)
{
	fd_close(&kept->fd);
	*kept = (struct kept_pidfd){ .tid = tid, .fd = sys_pidfd_open(tid, PIDFD_OF_THREAD) };
	kept->of_thread = kept->fd >= 0;
	if (kept->fd == -EINVAL)
		kept->fd = onbehalf_pidfd(tid);
}

static int borrow_kept(const struct call *call, int fd)
{
	struct kept_pidfd *kept = kept_for(call);
	int mine = kept->tid == call->tid && kept->fd >= 0 ? sys_pidfd_getfd(kept->fd, fd) : -ESRCH;

	if (mine != -ESRCH)
		return mine;
	keep_pidfd(kept, call->tid);
	return kept->fd < 0 ? kept->fd : sys_pidfd_getfd(kept->fd, fd);
}

static int borrow(const struct call *call, int fd)
{
	if (!call->may_wait)
		return borrow_kept(call, fd);
	AUTO(fd) int pidfd = onbehalf_pidfd(call->tid);
	return pidfd < 0 ? pidfd : sys_pidfd_getfd(pidfd, fd);
}

/*
 * After a descriptor was borrowed: is it the caller's, and was what was read before, by the caller's number? The kernel
 * says so as long as the caller waits. A pidfd for which it has said so once needs no second answer: it works only while
 * its thread is there, so that nobody else has had the number since, and the thread that waits under it is this one. (One
 * that executes a program takes the number of its leader along: then memory and descriptor are those of the same process.)
 */
static bool is_callers(const struct call *call, bool by_kept)
{
	struct kept_pidfd *kept = by_kept ? kept_for(call) : NULL;

	if (kept && kept->proven)
		return true;
	bool valid = notify_is_valid(owner(call), call->id);
	if (kept)
		kept->proven = valid && kept->of_thread;
	return valid;
}

static int ob_pin_fd(const struct call *call, int fd)
{
	int mine = call->held ? (int)SYS(SYS_fcntl, *call->held, F_DUPFD_CLOEXEC, 0) : borrow(call, fd);
	bool by_kept = mine >= 0 && !call->held && !call->may_wait;

	if (mine < 0 && !call->held && mine != -EBADF)
		mine = pin_caller_fd(call->tid, fd);    /* containers refuse pidfd_getfd */
	if (mine >= 0 && !is_callers(call, by_kept)) {
		fd_close(&mine);
		return -ESRCH;
	}
	return mine;
}

long onbehalf_fd_flags(pid_t tid, int fd)
{
	char tail[32];
	char buf[SMALL_FILE];
	uint64_t flags;

	snprintf(tail, sizeof tail, "/fdinfo/%d", fd);
	if (read_small(tid, tail, buf, sizeof buf) <= 0 || onbehalf_number(buf, "flags:", 8, &flags) < 0)
		return -EBADF;
	return (long)flags;
}

static bool ob_fd_is_writable(const struct call *call, int fd)
{
	long flags = onbehalf_fd_flags(call->tid, fd);

	return flags >= 0 && !(flags & O_PATH) && (flags & OPEN_MODES) != O_RDONLY;
}

/* /proc/self/fd/N of ours, as a path that follows to the pinned object. */
static const char *link_of(int fd, char buf[32])
{
	snprintf(buf, 32, "/proc/self/fd/%d", fd);
	return buf;
}

static int ob_path_of(const struct call *call, int pinned, char *out)
{
	char link[32];
	struct stat st;
	static const char deleted[] = " (deleted)";
	ssize_t n = sys_readlinkat(AT_FDCWD, link_of(pinned, link), out, PATH_MAX - 1);

	(void)call;
	if (n < 0)
		return (int)n;
	out[n] = '\0';
	if (out[0] != '/')
		return -EINVAL;                         /* pipe:[..], socket:[..], anon_inode:.. */
	if (strncmp(out, "/memfd:", 7) == 0)
		return -EINVAL;
	size_t tail = sizeof deleted - 1;
	if ((size_t)n > tail && strcmp(out + n - tail, deleted) == 0 &&
	    (SYS(SYS_fstat, pinned, &st) < 0 || st.st_nlink == 0))
		return -ENOENT;
	return 0;
}

/* --- memory --- */

static int ob_copy_out(const struct call *call, uint64_t to, const void *from, size_t len)
{
	if (!notify_is_valid(owner(call), call->id))
		return -ESRCH;
	int rc = childmem_write(call->tid, to, from, len);
	return rc < 0 ? -EFAULT : 0;
}

static int ob_copy_in(const struct call *call, void *to, uint64_t from, size_t len)
{
	int rc = childmem_read(call->tid, from, to, len);

	if (rc < 0)
		return -EFAULT;
	return notify_is_valid(owner(call), call->id) ? 0 : -ESRCH;
}

static ssize_t ob_gather(const struct call *call, void *to, size_t len, const struct piece *from, size_t count,
			 uint64_t skip)
{
	ssize_t n = childmem_gather(call->tid, to, len, from, count, skip);

	if (n < 0)
		return -EFAULT;
	return notify_is_valid(owner(call), call->id) ? n : -ESRCH;
}

/* --- the tree --- */

static pid_t ob_process(const struct call *call)
{
	return onbehalf_process(call->tid);
}

static int ob_count_tree(const struct call *call, unsigned *processes, unsigned *tasks)
{
	struct proctree *tree = &owner(call)->tree;

	if (!tree->pids) {
		long at = SYS(SYS_mmap, 0, TREE_MAX * sizeof(pid_t), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (at < 0 && at > -4096)
			return (int)at;
		tree->pids = (pid_t *)at;
		tree->max = TREE_MAX;
	}
	int rc = proctree_walk(tree, owner(call)->root);
	if (rc < 0 || tree->full)
		return rc < 0 ? rc : -E2BIG;    /* too many to count is too many */
	*processes = (unsigned)tree->len;
	*tasks = (unsigned)tree->tasks;
	return 0;
}

/* Fields of "TID (name) S ...": the state, and user and system time in clock ticks. */
static int ob_task_progress(const struct call *call, pid_t tid, bool *asleep, uint64_t *cpu_ns)
{
	char tail[32];
	char buf[SMALL_FILE];
	uint64_t ticks[2] = { 0 };

	(void)call;
	snprintf(tail, sizeof tail, "/task/%d/stat", (int)tid);
	ssize_t n = read_small(tid, tail, buf, sizeof buf);
	if (n == -ENOENT || n == -ESRCH)
		return -ESRCH;
	if (n <= 0)
		return n < 0 ? (int)n : -ESRCH;
	const char *at = strrchr(buf, ')');
	if (!at || at[1] != ' ' || !at[2])
		return -EIO;
	*asleep = strchr("STtZX", at[2]) != NULL;
	at += 3;
	for (int field = 4; field <= 15; field++) {
		while (*at == ' ')
			at++;
		uint64_t value = 0;
		for (; *at && *at != ' '; at++)
			value = value * 10 + (uint64_t)(*at - '0');
		if (field >= 14)
			ticks[field - 14] = value;
	}
	*cpu_ns = (ticks[0] + ticks[1]) * TICK_NS;
	return 0;
}

/* --- others --- */

static ssize_t read_comm(pid_t tid, char comm[COMM_SIZE])
{
	ssize_t n = read_small(tid, "/comm", comm, COMM_SIZE);

	if (n > 0 && comm[n - 1] == '\n')
		comm[n - 1] = '\0';
	return n;
}

/* Signal 0, with the rights that the child has. */
static int signallable(pid_t pid)
{
	int rc = sys_kill(pid, 0);

	return rc < 0 ? rc : 1;
}

static int ob_stranger(const struct call *call, pid_t pid, char comm[COMM_SIZE])
{
	comm[0] = '\0';
	if (pid == call->tid)
		return 0;
	/* A parent that ends during the walk breaks the chain for a moment: one look is not enough to call it outside. */
	for (int look = 0; look < 4; look++)
		if (files_in_tree(call, pid))
			return 0;
	int rc = signallable(pid);
	if (rc == 1)
		read_comm(pid, comm);
	return rc;
}

static pid_t ob_pidfd_pid(const struct call *call, int fd)
{
	char tail[32];
	char buf[SMALL_FILE];
	uint64_t pid;

	snprintf(tail, sizeof tail, "/fdinfo/%d", fd);
	if (read_small(call->tid, tail, buf, sizeof buf) <= 0)
		return -EBADF;
	if (onbehalf_number(buf, "\nPid:", 10, &pid) < 0)
		return -ENOENT;
	return pid > 0 && pid <= INT_MAX ? (pid_t)pid : -ESRCH;     /* 0: not in our namespace, -1: gone */
}

/* --- sockets --- */

static bool is_socket(int pinned)
{
	struct stat st;

	return SYS(SYS_fstat, pinned, &st) == 0 && S_ISSOCK(st.st_mode);
}

static int ob_socket_port(const struct call *call, int sock)
{
	struct sockaddr_storage name = { 0 };
	int len = sizeof name;
	int value = 0;
	int size = sizeof value;
	long flags = SYS(SYS_fcntl, sock, F_GETFL);

	(void)call;
	if (flags < 0 || flags & O_PATH)
		return flags >= 0 && !is_socket(sock) ? -ENOTSOCK : -EBADF;
	long rc = SYS(SYS_getsockopt, sock, SOL_SOCKET, SO_DOMAIN, &value, &size);
	if (rc < 0)
		return (int)rc;
	if (value != AF_INET && value != AF_INET6)
		return -EAFNOSUPPORT;
	rc = SYS(SYS_getsockname, sock, &name, &len);
	if (rc < 0)
		return (int)rc;
	return ntohs(name.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&name)->sin6_port
						: ((struct sockaddr_in *)&name)->sin_port);
}

static int ob_listen(const struct call *call, int sock, int backlog)
{
	(void)call;
	return (int)SYS(SYS_listen, sock, backlog);
}

static int ob_join(const struct call *call, int sock, int level, int option, const void *value, size_t len)
{
	(void)call;
	return (int)SYS(SYS_setsockopt, sock, level, option, value, len);
}

static void ob_unlisten(const struct call *call, int sock)
{
	(void)call;
	SYS(SYS_shutdown, sock, SHUT_RDWR);
}

/* --- the report --- */

static void ob_refuse(const struct call *call, const struct refusal *refusal)
{
	AUTO(str) struct str flag = STR(256);
	struct refusal told = *refusal;
	char name[COMM_SIZE];
	ssize_t n = read_comm(call->tid, name);
	const char *preset = n > 0 && told.looks_up ? net_preset_of_program(name) : NULL;

	if (preset) {
		str_addf(&flag, "--net-preset %s, or %s", preset, told.flag);
		told.flag = flag.rc == 0 ? flag.buf : told.flag;
	}
	report_add(owner(call)->report, call->tid, n > 0 ? name : "?", &told);
}

/* --- metadata --- */

static bool is_symlink(int pinned)
{
	struct stat st;

	return MAY_STICK(SYS(SYS_fstat, pinned, &st)) == 0 && S_ISLNK(st.st_mode);
}

static int ob_chmod(const struct call *call, int pinned, mode_t mode)
{
	char link[32];

	(void)call;
	if (is_symlink(pinned))
		return -EOPNOTSUPP;
	return (int)MAY_STICK(SYS(SYS_fchmodat, AT_FDCWD, link_of(pinned, link), mode));
}

/* With an id mapped for the child, its numbers are not ours. */
static int ob_chown(const struct call *call, int pinned, uid_t uid, gid_t gid)
{
	const struct id_map *map = &owner(call)->ids;

	if (map->active) {
		if ((uid != (uid_t)-1 && uid != map->inside_uid) || (gid != (gid_t)-1 && gid != map->inside_gid))
			return -EINVAL;
		uid = uid == (uid_t)-1 ? uid : map->outside_uid;
		gid = gid == (gid_t)-1 ? gid : map->outside_gid;
	}
	return (int)MAY_STICK(SYS(SYS_fchownat, pinned, "", uid, gid, AT_EMPTY_PATH));
}

static int ob_utimens(const struct call *call, int pinned, const struct timespec times[2])
{
	char link[32];

	(void)call;
	long rc = MAY_STICK(SYS(SYS_utimensat, pinned, "", times, AT_EMPTY_PATH));
	if (rc == -EINVAL && !is_symlink(pinned))       /* AT_EMPTY_PATH is of 5.8 here */
		rc = MAY_STICK(SYS(SYS_utimensat, AT_FDCWD, link_of(pinned, link), times, 0));
	return (int)rc;
}

static int ob_setxattr(const struct call *call, int pinned, const char *name, const void *value, size_t len, int flags)
{
	const struct xattr_args_v0 args = { (uintptr_t)value, (uint32_t)len, (uint32_t)flags };
	char link[32];

	if (call->nr == NR_setxattrat)
		return (int)MAY_STICK(SYS(NR_setxattrat, AT_FDCWD, link_of(pinned, link), 0, name, &args, sizeof args));
	if (is_symlink(pinned))
		return -EPERM;                          /* the kernel's answer for user.*; others need rights */
	return (int)MAY_STICK(SYS(SYS_setxattr, link_of(pinned, link), name, value, len, flags));
}

static int ob_removexattr(const struct call *call, int pinned, const char *name)
{
	char link[32];

	if (call->nr == NR_removexattrat)
		return (int)MAY_STICK(SYS(NR_removexattrat, AT_FDCWD, link_of(pinned, link), 0, name));
	if (is_symlink(pinned))
		return -EPERM;
	return (int)MAY_STICK(SYS(SYS_removexattr, link_of(pinned, link), name));
}

static int ob_fsflags(const struct call *call, int pinned, unsigned long request, const void *arg)
{
	char link[32];
	long flags = SYS(SYS_fcntl, pinned, F_GETFL);

	(void)call;
	if (flags >= 0 && !(flags & O_PATH))
		return MAY_STICK(sys_ioctl(pinned, request, arg));
	const int how = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	AUTO(fd) int fd = MAY_STICK(sys_openat(AT_FDCWD, link_of(pinned, link), how, 0));
	return fd < 0 ? fd : MAY_STICK(sys_ioctl(fd, request, arg));
}

/* Through the link, since AT_EMPTY_PATH takes no O_PATH descriptor here. */
static int ob_file_setattr(const struct call *call, int pinned, const struct file_attr_v0 *attr)
{
	char link[32];

	(void)call;
	return (int)MAY_STICK(SYS(NR_file_setattr, AT_FDCWD, link_of(pinned, link), attr, sizeof *attr, 0));
}

const struct kernel_ops onbehalf_ops = {
	.pin = ob_pin,
	.pin_fd = ob_pin_fd,
	.fd_is_writable = ob_fd_is_writable,
	.path_of = ob_path_of,
	.copy_out = ob_copy_out,
	.copy_in = ob_copy_in,
	.gather = ob_gather,
	.process = ob_process,
	.count_tree = ob_count_tree,
	.task_progress = ob_task_progress,
	.stranger = ob_stranger,
	.pidfd_pid = ob_pidfd_pid,
	.socket_port = ob_socket_port,
	.listen = ob_listen,
	.join = ob_join,
	.unlisten = ob_unlisten,
	.socket_info = sockets_info,
	.island_socket = on_island_socket,
	.in_island = on_island_has,
	.to_island = on_island_move,
	.connect = sockets_connect,
	.send = sockets_send,
	.wait_to_send = sockets_wait_to_send,
	.broken_pipe = sockets_broken_pipe,
	.owns_abstract = sockets_owns_abstract,
	.bind = binding_bind,
	.bind_alone = binding_bind_alone,
	.bind_at = binding_bind_at,
	.socket_name = binding_name,
	.is_local = binding_is_local,
	.is_shared = binding_is_shared,
	.refuse = ob_refuse,
	.chmod = ob_chmod,
	.chown = ob_chown,
	.utimens = ob_utimens,
	.setxattr = ob_setxattr,
	.removexattr = ob_removexattr,
	.fsflags = ob_fsflags,
	.locate = files_locate,
	.plain_name = files_plain_name,
	.reopen = files_reopen,
	.may_open = files_may_open,
	.in_tree = files_in_tree,
	.read_proc = files_read_proc,
	.tree_sockets = files_tree_sockets,
	.enter_domain = domains_enter,
	.file_setattr = ob_file_setattr,
	.accept = receiving_accept,
	.receive = receiving_receive,
	.drop_dead = parking_drop_dead,
};
