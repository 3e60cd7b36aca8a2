/*
 * without-syscall NAME|NUMBER [EPERM|ENOSYS|...] -- COMMAND...: runs a command on a "smaller" kernel, one where a system
 * call is refused, as containers' seccomp profiles and older kernels do.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

struct name {
	const char *name;
	long value;
};

static const struct name calls[] = {
	{ "clone3", SYS_clone3 },
	{ "close_range", SYS_close_range },
	{ "landlock_create_ruleset", SYS_landlock_create_ruleset },
	{ "openat2", SYS_openat2 },
	{ "pidfd_getfd", SYS_pidfd_getfd },
	{ "pidfd_open", SYS_pidfd_open },
	{ "pidfd_send_signal", SYS_pidfd_send_signal },
	{ "process_vm_readv", SYS_process_vm_readv },
	{ "process_vm_writev", SYS_process_vm_writev },
	{ "ptrace", SYS_ptrace },
	{ "seccomp", SYS_seccomp },
	{ "memfd_create", SYS_memfd_create },
	{ "execveat", SYS_execveat },
	{ "statx", SYS_statx },
};

static const struct name errors[] = {
	{ "EPERM", EPERM }, { "ENOSYS", ENOSYS }, { "EACCES", EACCES }, { "EINVAL", EINVAL }, { "ENOMEM", ENOMEM },
};

/* A name of the list, or a number; -1 for neither. */
static long value_of(const char *text, const struct name *list, size_t len)
{
	char *end = NULL;

	for (size_t i = 0; i < len; i++)
		if (strcmp(list[i].name, text) == 0)
			return list[i].value;
	long value = (long)strtoul(text, &end, 10);

	return *text >= '0' && *text <= '9' && *end == '\0' ? value : -1;
}

static int refuse(long nr, long code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof filter / sizeof filter[0], filter };

	/* Root keeps its privileges, so that the tests mean the same as on a large kernel. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

int main(int argc, char **argv)
{
	int command = 1;

	while (command < argc && strcmp(argv[command], "--") != 0)
		command++;
	if (command < 2 || command > 3 || command + 1 >= argc) {
		fputs("usage: without-syscall NAME|NUMBER [ERRNO] -- COMMAND...\n", stderr);
		return 2;
	}
	long nr = value_of(argv[1], calls, sizeof calls / sizeof calls[0]);
	long code = command == 3 ? value_of(argv[2], errors, sizeof errors / sizeof errors[0]) : EPERM;

	if (nr < 0 || code < 0 || code > 4095) {
		fprintf(stderr, "without-syscall: unknown call or error: %s\n", nr < 0 ? argv[1] : argv[2]);
		return 2;
	}
	if (refuse(nr, code) < 0) {
		perror("without-syscall: seccomp");
		return 125;
	}
	execvp(argv[command + 1], argv + command + 1);
	perror(argv[command + 1]);
	return 127;
}
