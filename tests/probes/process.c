/* Other processes, namespaces, privileges and own filters: rows S05 to S07, S11, S18, S24 to S26. */
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt.h"

/* --- S05, S06: namespaces --- */

/* Ends the child of a clone at once. */
static int after_clone(long pid)
{
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return (int)pid;
	waitpid((pid_t)pid, NULL, 0);
	return 0;
}

static int clone3_with(uint64_t flags)
{
	struct clone3_args args = { .flags = flags, .exit_signal = SIGCHLD };

	return after_clone(SYS(NR_clone3, &args, sizeof args));
}

static int clone3_user(const struct probe_args *args)
{
	(void)args;
	return clone3_with(CL_NEWUSER);
}

static int clone3_net(const struct probe_args *args)
{
	(void)args;
	return clone3_with(CL_NEWUSER | CL_NEWNET);
}

static int clone3_time(const struct probe_args *args)
{
	(void)args;
	return clone3_with(CL_NEWUSER | CL_NEWTIME);
}

static int clone_user(const struct probe_args *args)
{
	(void)args;
	return after_clone(SYS(SYS_clone, CL_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}

static int clone_mount(const struct probe_args *args)
{
	(void)args;
	return after_clone(SYS(SYS_clone, CL_NEWNS | SIGCHLD, 0, 0, 0, 0));
}

static int clone_high_bits(const struct probe_args *args)
{
	(void)args;
	return after_clone(SYS(SYS_clone, (1L << 40) | CL_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}

static int unshare_user(const struct probe_args *args)
{
	(void)args;
	return attempt_result(SYS(SYS_unshare, CL_NEWUSER));
}

static int unshare_mount(const struct probe_args *args)
{
	(void)args;
	return attempt_result(SYS(SYS_unshare, CL_NEWNS));
}

/* --- S07: memory of others --- */

static int ptrace_seize(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_ptrace, PTRACE_SEIZE, args->pid, 0, 0));
}

static int ptrace_traceme(const struct probe_args *args)
{
	pid_t pid = fork();
	int status = 0;

	(void)args;
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(SYS(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0) == 0 ? 0 : 1);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

/* Address 1 of the other is never mapped: with the right to look, EFAULT is the answer. */
static int vm_readv(const struct probe_args *args)
{
	char byte;
	struct iovec here = { &byte, 1 };
	struct iovec there = { (void *)1, 1 };

	return attempt_reached(SYS(SYS_process_vm_readv, args->pid, &here, 1, &there, 1, 0));
}

static int vm_writev(const struct probe_args *args)
{
	char byte = 0;
	struct iovec here = { &byte, 1 };
	struct iovec there = { (void *)1, 1 };

	return attempt_reached(SYS(SYS_process_vm_writev, args->pid, &here, 1, &there, 1, 0));
}

static int compare_objects(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_kcmp, args->pid, args->pid, 1, 0, 0));
}

static int move_pages_of(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_move_pages, args->pid, 0, 0, 0, 0, 0));
}

/* --- S11: an own filter must not weaken ours --- */

static int own_filter(const struct probe_args *args)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SC_RET_ALLOW);
	struct sock_fprog prog = { 1, &allow };

	(void)args;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	int rc = sys_seccomp(SC_SET_MODE_FILTER, 0, &prog);

	return rc < 0 ? rc : attempt_reached(SYS(SYS_mount, 1, 1, 1, 0, 1));
}

/* --- S18: signals to others; SIGCONT does no harm --- */

static int signal_kill(const struct probe_args *args)
{
	return attempt_result(sys_kill(args->pid, SIGCONT));
}

/* The runner is our parent; what started it comes before. */
static int signal_parent(const struct probe_args *args)
{
	return args->starter > 1 ? attempt_result(sys_kill(args->starter, SIGCONT)) : ATTEMPT_UNAVAILABLE;
}

static int signal_tgkill(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_tgkill, args->pid, args->pid, SIGCONT));
}

static int signal_tkill(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_tkill, args->pid, SIGCONT));
}

static int signal_queue(const struct probe_args *args)
{
	siginfo_t info = { .si_code = -1 };

	return attempt_result(SYS(SYS_rt_sigqueueinfo, args->pid, SIGCONT, &info));
}

static int signal_thread_queue(const struct probe_args *args)
{
	siginfo_t info = { .si_code = -1 };

	return attempt_result(SYS(SYS_rt_tgsigqueueinfo, args->pid, args->pid, SIGCONT, &info));
}

static int signal_pidfd(const struct probe_args *args)
{
	int fd = sys_pidfd_open(args->pid, 0);

	return fd < 0 ? fd : attempt_result(sys_pidfd_send_signal(fd, SIGCONT));
}

/* --- S24, S25: privileges --- */

static int gain_privileges(const struct probe_args *args)
{
	(void)args;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? -EPERM : 0;
}

static int root_setuid(const struct probe_args *args)
{
	(void)args;
	return attempt_result(SYS(SYS_setresuid, 12345, 12345, 12345));
}

static int root_setgroups(const struct probe_args *args)
{
	gid_t group = 12345;

	(void)args;
	return attempt_result(SYS(SYS_setgroups, 1, &group));
}

static int root_chown(const struct probe_args *args)
{
	struct path p = in_scratch(args, "owned");
	int fd = sys_openat(AT_FDCWD, p.at, O_WRONLY | O_CREAT, 0600);

	return fd < 0 ? fd : attempt_result(SYS(SYS_fchownat, AT_FDCWD, p.at, 12345, 12345, 0));
}

static int root_read_anyway(const struct probe_args *args)
{
	struct path p = in_scratch(args, "closed");
	int fd = sys_openat(AT_FDCWD, p.at, O_WRONLY | O_CREAT, 0);

	return fd < 0 ? fd : attempt_result(sys_openat(AT_FDCWD, p.at, O_RDONLY, 0));
}

static int root_capable(const struct probe_args *args)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[2] = { { 0 } };
	long rc = SYS(SYS_capget, &head, have);

	(void)args;
	if (rc < 0)
		return (int)rc;
	return have[0].effective | have[0].permitted | have[1].effective | have[1].permitted ? 0 : -EPERM;
}

/* --- S26: objects that boxes could share --- */

static int ipc_result(long id, long (*remove)(int id))
{
	if (id >= 0)
		remove((int)id);
	return attempt_result(id);
}

static long remove_memory(int id)
{
	return SYS(SYS_shmctl, id, 0, 0);
}

static long remove_queue(int id)
{
	return SYS(SYS_msgctl, id, 0, 0);
}

static long remove_semaphore(int id)
{
	return SYS(SYS_semctl, id, 0, 0, 0);
}

static int ipc_memory(const struct probe_args *args)
{
	(void)args;
	return ipc_result(SYS(SYS_shmget, 0, 4096, 0600), remove_memory);
}

static int ipc_queue(const struct probe_args *args)
{
	(void)args;
	return ipc_result(SYS(SYS_msgget, 0, 0600), remove_queue);
}

static int ipc_semaphore(const struct probe_args *args)
{
	(void)args;
	return ipc_result(SYS(SYS_semget, 0, 1, 0600), remove_semaphore);
}

static int posix_shared_memory(const struct probe_args *args)
{
	struct path p;

	(void)args;
	snprintf(p.at, sizeof p.at, "/dev/shm/sandlock-probe-%d", (int)getpid());
	int fd = sys_openat(AT_FDCWD, p.at, O_RDWR | O_CREAT, 0600);

	SYS(SYS_unlinkat, AT_FDCWD, p.at, 0);
	return attempt_result(fd);
}

#define K PROBE_KERNEL
#define ROOT PROBE_NEEDS_ROOT

static const struct probe_case cases[] = {
	{ "S05", "clone3-user", "a user namespace by clone3", clone3_user, NULL, K },
	{ "S05", "clone3-net", "a network namespace by clone3", clone3_net, NULL, K },
	{ "S05", "clone3-time", "a time namespace by clone3", clone3_time, NULL, K },
	{ "S06", "clone-user", "a user namespace by clone", clone_user, NULL, K },
	{ "S06", "clone-mount", "a mount namespace by clone", clone_mount, NULL, K | ROOT },
	{ "S06", "clone-high-bits", "clone with flags above the 32nd bit", clone_high_bits, NULL, K },
	{ "S06", "unshare-user", "a user namespace by unshare", unshare_user, NULL, 0 },
	{ "S06", "unshare-mount", "a mount namespace by unshare", unshare_mount, NULL, ROOT },
	{ "S07", "ptrace-seize", "trace a process outside", ptrace_seize, NULL, K },
	{ "S07", "ptrace-traceme", "ask to be traced", ptrace_traceme, NULL, 0 },
	{ "S07", "vm-readv", "read the memory of a process outside", vm_readv, NULL, K },
	{ "S07", "vm-writev", "write the memory of a process outside", vm_writev, NULL, K },
	{ "S07", "kcmp", "compare kernel objects of processes outside", compare_objects, NULL, K },
	{ "S07", "move-pages", "move pages of a process outside", move_pages_of, NULL, K },
	{ "S11", "own-filter", "install a filter that allows everything, then mount", own_filter, NULL, 0 },
	{ "S18", "kill", "signal a process outside with kill", signal_kill, NULL, K },
	{ "S18", "kill-parent", "signal what started the program", signal_parent, NULL, K },
	{ "S18", "tgkill", "signal a process outside with tgkill", signal_tgkill, NULL, K },
	{ "S18", "tkill", "signal a process outside with tkill", signal_tkill, NULL, K },
	{ "S18", "sigqueueinfo", "signal a process outside with rt_sigqueueinfo", signal_queue, NULL, K },
	{ "S18", "tgsigqueueinfo", "signal a process outside with rt_tgsigqueueinfo", signal_thread_queue, NULL, K },
	{ "S18", "pidfd-send-signal", "signal a process outside by a pidfd", signal_pidfd, NULL, K },
	{ "S24", "new-privileges", "keep the way to setuid programs open", gain_privileges, NULL, K },
	{ "S25", "root-setuid", "become another user", root_setuid, NULL, ROOT },
	{ "S25", "root-setgroups", "join a group", root_setgroups, NULL, ROOT },
	{ "S25", "root-chown", "give a file away", root_chown, NULL, ROOT },
	{ "S25", "root-read-anyway", "read a file that its mode forbids", root_read_anyway, NULL, ROOT },
	{ "S25", "root-capable", "have a capability", root_capable, NULL, ROOT },
	{ "S26", "ipc-shared-memory", "System V shared memory", ipc_memory, NULL, K },
	{ "S26", "ipc-queue", "a System V message queue", ipc_queue, NULL, K },
	{ "S26", "ipc-semaphore", "a System V semaphore", ipc_semaphore, NULL, K },
	{ "S26", "posix-shared-memory", "a name in /dev/shm", posix_shared_memory, NULL, K },
};
PROBE_GROUP(process_probes, cases);
