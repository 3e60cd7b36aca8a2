/*
 * Raw system calls that return -errno, and the kernel constants that are newer than distributions' headers: each
 * stands here once. Nothing here touches errno, takes a lock or allocates, so the child may use it between clone and
 * exec, and threads of other processes in shared memory may too.
 */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

/* --- system call numbers that old headers lack; the same on every 64-bit architecture --- */
#define NR_pidfd_send_signal 424
#define NR_open_tree 428
#define NR_pidfd_open 434
#define NR_clone3 435
#define NR_close_range 436
#define NR_openat2 437
#define NR_pidfd_getfd 438
#define NR_faccessat2 439
#define NR_landlock_create_ruleset 444
#define NR_landlock_add_rule 445
#define NR_landlock_restrict_self 446
#define NR_fchmodat2 452
#define NR_setxattrat 463
#define NR_removexattrat 466
#define NR_file_setattr 469

#ifdef SYS_newfstatat
#define NR_fstatat SYS_newfstatat
#else
#define NR_fstatat SYS_fstatat
#endif

/* --- Landlock, uapi/linux/landlock.h of 6.15 --- */
#define LL_FS_EXECUTE (1ULL << 0)
#define LL_FS_WRITE_FILE (1ULL << 1)
#define LL_FS_READ_FILE (1ULL << 2)
#define LL_FS_READ_DIR (1ULL << 3)
#define LL_FS_REMOVE_DIR (1ULL << 4)
#define LL_FS_REMOVE_FILE (1ULL << 5)
#define LL_FS_MAKE_CHAR (1ULL << 6)
#define LL_FS_MAKE_DIR (1ULL << 7)
#define LL_FS_MAKE_REG (1ULL << 8)
#define LL_FS_MAKE_SOCK (1ULL << 9)
#define LL_FS_MAKE_FIFO (1ULL << 10)
#define LL_FS_MAKE_BLOCK (1ULL << 11)
#define LL_FS_MAKE_SYM (1ULL << 12)
#define LL_FS_REFER (1ULL << 13)      /* ABI 2 */
#define LL_FS_TRUNCATE (1ULL << 14)   /* ABI 3 */
#define LL_FS_IOCTL_DEV (1ULL << 15)  /* ABI 5 */
#define LL_NET_BIND_TCP (1ULL << 0)   /* ABI 4 */
#define LL_NET_CONNECT_TCP (1ULL << 1)
#define LL_SCOPE_ABSTRACT_UNIX (1ULL << 0) /* ABI 6 */
#define LL_SCOPE_SIGNAL (1ULL << 1)
#define LL_CREATE_VERSION 1U
#define LL_CREATE_ERRATA 2U
#define LL_RULE_PATH_BENEATH 1
#define LL_RULE_NET_PORT 2

struct ll_ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};
struct ll_path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));
struct ll_net_port_attr {
	uint64_t allowed_access;
	uint64_t port;
};

/* --- seccomp, uapi/linux/seccomp.h of 6.6 --- */
#define SC_SET_MODE_FILTER 1
#define SC_GET_ACTION_AVAIL 2
#define SC_GET_NOTIF_SIZES 3
#define SC_FLAG_TSYNC 1
#define SC_FLAG_NEW_LISTENER 8
#define SC_FLAG_WAIT_KILLABLE_RECV 0x20
#define SC_RET_KILL_PROCESS 0x80000000U
#define SC_RET_ERRNO 0x00050000U
#define SC_RET_USER_NOTIF 0x7fc00000U
#define SC_RET_ALLOW 0x7fff0000U
#define SC_IOCTL_RECV 0xC0502100UL
#define SC_IOCTL_SEND 0xC0182101UL
#define SC_IOCTL_ID_VALID 0x40082102UL
#define SC_IOCTL_ADDFD 0x40182103UL
#define SC_IOCTL_SET_FLAGS 0x40082104UL   /* the flags are the argument itself, not a pointer to them */
#define SC_FD_SYNC_WAKE_UP 1UL
#define SC_RESP_CONTINUE 1U
#define SC_ADDFD_SETFD 1U
#define SC_ADDFD_SEND 2U

struct sc_data {
	int32_t nr;
	uint32_t arch;
	uint64_t instruction_pointer;
	uint64_t args[6];
};
struct sc_notif {
	uint64_t id;
	uint32_t pid;      /* thread id, in the listener's pid namespace */
	uint32_t flags;
	struct sc_data data;
};
struct sc_resp {
	uint64_t id;
	int64_t val;
	int32_t error;
	uint32_t flags;
};
struct sc_addfd {
	uint64_t id;
	uint32_t flags;
	uint32_t srcfd;
	uint32_t newfd;
	uint32_t newfd_flags;
};

#define ARCH_TOKEN_X86_64 0xC000003EU
#define ARCH_TOKEN_I386 0x40000003U
#define ARCH_TOKEN_AARCH64 0xC00000B7U
#define X32_BIT 0x40000000U

#if defined(__x86_64__)
#define ARCH_TOKEN_NATIVE ARCH_TOKEN_X86_64
#elif defined(__aarch64__)
#define ARCH_TOKEN_NATIVE ARCH_TOKEN_AARCH64
#else
#error "sandlock has system call tables for x86-64 and aarch64 only"
#endif

/* --- clone, close_range, openat2, pidfd --- */
struct clone3_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;         /* from 5.7; zeros mean nothing to an older kernel */
};
#define CL_VM 0x00000100ULL
#define CL_FS 0x00000200ULL
#define CL_FILES 0x00000400ULL
#define CL_SIGHAND 0x00000800ULL
#define CL_PIDFD 0x00001000ULL
#define CL_VFORK 0x00004000ULL
#define CL_THREAD 0x00010000ULL
#define CL_NEWNS 0x00020000ULL
#define CL_CHILD_CLEARTID 0x00200000ULL
#define CL_CHILD_SETTID 0x01000000ULL
#define CL_NEWCGROUP 0x02000000ULL
#define CL_NEWUTS 0x04000000ULL
#define CL_NEWIPC 0x08000000ULL
#define CL_NEWUSER 0x10000000ULL
#define CL_NEWPID 0x20000000ULL
#define CL_NEWNET 0x40000000ULL
#define CL_IO 0x80000000ULL
#define CL_NEWTIME 0x00000080ULL
#define CL_CLEAR_SIGHAND 0x100000000ULL
#define CL_INTO_CGROUP 0x200000000ULL

struct open_how_v0 {
	uint64_t flags, mode, resolve;
};

/* The first versions of structures that tell their own size: linux/xattr.h, linux/fs.h. */
struct xattr_args_v0 {
	uint64_t value;
	uint32_t size, flags;
};

struct file_attr_v0 {
	uint64_t xflags;
	uint32_t extsize, nextents, projid, cowextsize;
};

#define PIDFD_OF_THREAD O_EXCL         /* of 6.9: pidfd_open gives one of the very task */

#define RES_NO_XDEV 0x01
#define RES_NO_MAGICLINKS 0x02
#define RES_NO_SYMLINKS 0x04
#define RES_BENEATH 0x08
#define RES_IN_ROOT 0x10

#define MADVISE_POPULATE_WRITE 23      /* of 5.14 */

#define OPEN_MODES 3            /* O_RDONLY, O_WRONLY, O_RDWR and the fourth; musl's O_ACCMODE has O_PATH in it, too */
#ifndef O_PATH
#define O_PATH 010000000
#endif

/* What the kernel calls a signal set: 64 bits. */
typedef uint64_t ksigset;
#define KSIG(n) (1ULL << ((n) - 1))

#ifdef SANDLOCK_SEAM
/*
 * Test builds only: every raw call outside the child is offered to the seam first. It returns true when it answered
 * in *result (a fake or an injected failure), false to let the kernel answer.
 */
extern _Thread_local bool (*sys_seam)(long nr, const long *args, long *result);
#endif

/* The call itself: -4095..-1 is -errno. */
static inline long sys_raw6(long nr, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
#else
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory", "cc");
	return x0;
#endif
}

#if defined(SANDLOCK_SEAM) && !defined(SANDLOCK_CHILD_CODE)
long sys_seamed6(long nr, long a, long b, long c, long d, long e, long f);
#define SYS6_(nr, a, b, c, d, e, f) \
	sys_seamed6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#else
#define SYS6_(nr, a, b, c, d, e, f) \
	sys_raw6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#endif

/* SYS(nr, args...): a raw call by number with up to six arguments. */
#define SYS_PICK_(_0, _1, _2, _3, _4, _5, _6, name, ...) name
#define SYS0_(nr) SYS6_(nr, 0, 0, 0, 0, 0, 0)
#define SYS1_(nr, a) SYS6_(nr, a, 0, 0, 0, 0, 0)
#define SYS2_(nr, a, b) SYS6_(nr, a, b, 0, 0, 0, 0)
#define SYS3_(nr, a, b, c) SYS6_(nr, a, b, c, 0, 0, 0)
#define SYS4_(nr, a, b, c, d) SYS6_(nr, a, b, c, d, 0, 0)
#define SYS5_(nr, a, b, c, d, e) SYS6_(nr, a, b, c, d, e, 0)
#define SYS(...) SYS_PICK_(__VA_ARGS__, SYS6_, SYS5_, SYS4_, SYS3_, SYS2_, SYS1_, SYS0_)(__VA_ARGS__)

/* Named calls. All return -errno on failure. */
static inline int sys_openat(int dirfd, const char *path, int flags, unsigned mode)
{
	return (int)SYS(SYS_openat, dirfd, path, flags, mode);
}

static inline int sys_openat2(int dirfd, const char *path, const struct open_how_v0 *how)
{
	return (int)SYS(NR_openat2, dirfd, path, how, sizeof *how);
}

static inline int sys_close(int fd)
{
	return (int)SYS(SYS_close, fd);
}

static inline ssize_t sys_read(int fd, void *buf, size_t len)
{
	return SYS(SYS_read, fd, buf, len);
}

static inline ssize_t sys_write(int fd, const void *buf, size_t len)
{
	return SYS(SYS_write, fd, buf, len);
}

static inline ssize_t sys_readlinkat(int dirfd, const char *path, char *buf, size_t len)
{
	return SYS(SYS_readlinkat, dirfd, path, buf, len);
}

static inline int sys_ioctl(int fd, unsigned long request, const void *arg)
{
	return (int)SYS(SYS_ioctl, fd, request, arg);
}

static inline int sys_prctl(int op, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	return (int)SYS(SYS_prctl, op, a, b, c, d);
}

static inline int sys_pidfd_open(pid_t pid, unsigned flags)
{
	return (int)SYS(NR_pidfd_open, pid, flags);
}

static inline int sys_pidfd_send_signal(int pidfd, int sig)
{
	return (int)SYS(NR_pidfd_send_signal, pidfd, sig, 0, 0);
}

static inline int sys_pidfd_getfd(int pidfd, int fd)
{
	return (int)SYS(NR_pidfd_getfd, pidfd, fd, 0);
}

static inline int sys_kill(pid_t pid, int sig)
{
	return (int)SYS(SYS_kill, pid, sig);
}

static inline int sys_close_range(unsigned first, unsigned last)
{
	return (int)SYS(NR_close_range, first, last, 0);
}

static inline int sys_landlock_create_ruleset(const struct ll_ruleset_attr *attr, size_t size, unsigned flags)
{
	return (int)SYS(NR_landlock_create_ruleset, attr, size, flags);
}

static inline int sys_landlock_add_rule(int ruleset, int type, const void *attr)
{
	return (int)SYS(NR_landlock_add_rule, ruleset, type, attr, 0);
}

static inline int sys_landlock_restrict_self(int ruleset, unsigned flags)
{
	return (int)SYS(NR_landlock_restrict_self, ruleset, flags);
}

static inline int sys_seccomp(unsigned op, unsigned flags, void *arg)
{
	return (int)SYS(SYS_seccomp, op, flags, arg);
}

/* Nanoseconds on the monotonic clock, by the vdso. */
uint64_t sys_now(void);

/* The name of a signal without "SIG", such as "KILL"; NULL for a number without one. */
const char *sys_signal_name(int sig);

#endif
