/* Code that runs without an execve that was judged: by the loader, from the vDSO, in the vsyscall page. Rows F15, S31. */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attempt.h"

/* --- F15: the loader opens and maps the program itself --- */

static const char *const loaders[] = { "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1" };

static int exit_status_of(const char *const *argv)
{
	static const char *const env[] = { NULL };
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close(2);
		SYS(SYS_execve, argv[0], argv, env);
		_exit(126);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

static int by_loader(const struct path *program)
{
	for (size_t i = 0; i < ARRAY_SIZE(loaders); i++) {
		const char *argv[] = { loaders[i], program->at, NULL };

		if (access(loaders[i], X_OK) == 0)
			return exit_status_of(argv) == 0 ? 0 : -EACCES;
	}
	return ATTEMPT_UNAVAILABLE;
}

static int loader_outside(const struct probe_args *args)
{
	struct path program = in_secret(args, "dir/program");

	return by_loader(&program);
}

static int loader_readable(const struct probe_args *args)
{
	struct path program = in_secret(args, "readonly/program");

	return by_loader(&program);
}

static int map_readable(const struct probe_args *args)
{
	int fd = sys_openat(AT_FDCWD, in_secret(args, "readonly/program").at, O_RDONLY, 0);

	return fd < 0 ? fd : attempt_result(SYS(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
}

/* --- S31: pages that the kernel put there --- */

#if defined(__x86_64__)
/* time() in the page at the old fixed address; the kernel looks at the filter for it. */
static int vsyscall_time(const struct probe_args *args)
{
	long (*volatile entry)(long *) = (long (*)(long *))0xffffffffff600400UL;

	(void)args;
	return attempt_result(entry(NULL));
}

/* The number comes first, then five arguments: moves each to its register, syscall, ret. */
static const unsigned char call_code[] = {
	0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48, 0x89, 0xca, 0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8,
	0x0f, 0x05, 0xc3,
};

/* A call that is always refused, made by an instruction in the vDSO; the kernel does not let the mapping be split. */
static int call_from(void *image, size_t size)
{
	long (*entry)(long, long, long, long, long, long);

	if (mprotect(image, size, PROT_READ | PROT_WRITE | PROT_EXEC) < 0)
		return ATTEMPT_UNAVAILABLE;             /* sealed */
	memcpy(image, call_code, sizeof call_code);
	memcpy(&entry, &image, sizeof image);
	return attempt_reached(entry(SYS_ioctl, -1, 0x5412 /* TIOCSTI */, 1, 0, 0));
}

static void *vdso(void)
{
	return (void *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
}

static size_t vdso_size(const void *image)
{
	const Elf64_Ehdr *head = image;
	const Elf64_Phdr *part = (const void *)((const char *)image + head->e_phoff);

	for (size_t i = 0; i < head->e_phnum; i++)
		if (part[i].p_type == PT_LOAD)
			return (part[i].p_memsz + 4095) & ~4095UL;
	return 0;
}

static int vdso_patched(const struct probe_args *args)
{
	void *image = vdso();

	(void)args;
	return image ? call_from(image, vdso_size(image)) : ATTEMPT_UNAVAILABLE;
}

static int vdso_moved(const struct probe_args *args)
{
	void *image = vdso();
	size_t size = image ? vdso_size(image) : 0;

	(void)args;
	if (!size)
		return ATTEMPT_UNAVAILABLE;
	void *room = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *moved = mremap(image, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, room);

	return moved == MAP_FAILED ? ATTEMPT_UNAVAILABLE : call_from(moved, size);
}
#else
static int vsyscall_time(const struct probe_args *args)
{
	(void)args;
	return ATTEMPT_UNAVAILABLE;
}
#define vdso_patched vsyscall_time
#define vdso_moved vsyscall_time
#endif

/* The vDSO writes through a bad pointer: SIGSEGV or EFAULT for the caller, nothing for anybody else. */
static int vdso_bad_pointer(const struct probe_args *args)
{
	struct timespec *volatile nowhere = (struct timespec *)8;
	int status = 0;
	pid_t pid = fork();

	(void)args;
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(clock_gettime(CLOCK_MONOTONIC, nowhere) < 0 && errno == EFAULT ? 0 : 1);
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? attempt_result(WTERMSIG(status) == SIGSEGV ? 0 : -EPERM) : -WEXITSTATUS(status);
}

#define READ_GRANT "-r @SECRET@/readonly"
#define K PROBE_KERNEL

/* clang-format off */
static const struct probe_case cases[] = {
	{ "F15", "loader-outside", "run a program outside by the loader", loader_outside, NULL, K },
	{ "F15", "loader-readable", "run what is granted for reading by the loader", loader_readable,
	  READ_GRANT " -x /usr", PROBE_NOT_COVERED | PROBE_READS_GRANT },
	{ "F15", "map-readable", "map what is granted for reading as code", map_readable,
	  READ_GRANT " -x /usr", PROBE_NOT_COVERED | PROBE_READS_GRANT },
	{ "S31", "vsyscall-time", "a denied call by the vsyscall page", vsyscall_time, "--extra-deny-syscall time", K },
	{ "S31", "vdso-patched", "a refused call by an instruction in the vDSO", vdso_patched, NULL, K },
	{ "S31", "vdso-moved", "a refused call by a vDSO that was moved", vdso_moved, NULL, K },
	{ "S31", "vdso-bad-pointer", "a bad pointer for the vDSO", vdso_bad_pointer, NULL, K | PROBE_SAME_INSIDE },
};
/* clang-format on */
PROBE_GROUP(code_probes, cases);
