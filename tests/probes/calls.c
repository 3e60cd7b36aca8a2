/*
 * System calls that only the filter decides, as a table: each is made with arguments that the kernel itself refuses
 * with EFAULT, EBADF or EINVAL, so that reaching the kernel shows and nothing happens. Rows F09, F20, S01, S09, S10, S12.
 */
#include <errno.h>
#include <sys/resource.h>

#include "attempt.h"

#define BAD 1           /* a pointer that is never mapped */

/* Numbers newer than distributions' headers; the same on every 64-bit architecture. */
enum {
	NR_io_uring_setup = 425, NR_io_uring_enter = 426, NR_io_uring_register = 427,
	NR_move_mount = 429, NR_fsopen = 430, NR_fsconfig = 431, NR_fsmount = 432, NR_fspick = 433,
	NR_process_madvise = 440, NR_mount_setattr = 442, NR_quotactl_fd = 443, NR_memfd_secret = 447,
	NR_process_mrelease = 448, NR_lsm_set_self_attr = 460, NR_open_tree_attr = 467,
};

static int call_made(const struct probe_args *args)
{
	const long *c = args->self->call;

	return attempt_reached(SYS(c[0], c[1], c[2], c[3], c[4], c[5], c[6]));
}

/* A foreign number with a native call's arguments: on a kernel without x32 it is ENOSYS everywhere. */
static int call_x32(const struct probe_args *args)
{
	(void)args;
	return attempt_reached(SYS(X32_BIT | SYS_mount, BAD, BAD, BAD, 0, BAD));
}

/* getpid by the 32-bit entry: the number 20 is writev for 64-bit programs. */
static int call_i386(const struct probe_args *args)
{
	(void)args;
#if defined(__x86_64__)
	long rc = 20;

	__asm__ volatile("int $0x80" : "+a"(rc) : : "r8", "r9", "r10", "r11", "memory");
	return rc == SYS(SYS_getpid) ? 0 : (int)rc;
#else
	return ATTEMPT_UNAVAILABLE;
#endif
}

#define CALL(...) .run = call_made, .call = (const long[7]){ __VA_ARGS__ }
#define ROOT PROBE_NEEDS_ROOT
#define K PROBE_KERNEL

/* clang-format off */
static const struct probe_case cases[] = {
	{ "F09", "name-to-handle", "name_to_handle_at", CALL(SYS_name_to_handle_at, -1, BAD, BAD, BAD, 0) },
	{ "F09", "open-by-handle", "open_by_handle_at", CALL(SYS_open_by_handle_at, -1, BAD, 0), .flags = ROOT },

	{ "F20", "mount", "mount", CALL(SYS_mount, BAD, BAD, BAD, 0, BAD) },
	{ "F20", "umount2", "umount2", CALL(SYS_umount2, BAD, 0), .flags = ROOT },
	{ "F20", "pivot-root", "pivot_root", CALL(SYS_pivot_root, BAD, BAD), .flags = ROOT },
	{ "F20", "chroot", "chroot", CALL(SYS_chroot, BAD) },
	{ "F20", "fsopen", "fsopen", CALL(NR_fsopen, BAD, 0), .flags = ROOT },
	{ "F20", "fsconfig", "fsconfig", CALL(NR_fsconfig, -1, 0, 0, 0, 0) },
	{ "F20", "fsmount", "fsmount", CALL(NR_fsmount, -1, 0, 0), .flags = ROOT },
	{ "F20", "fspick", "fspick", CALL(NR_fspick, -1, BAD, 0), .flags = ROOT },
	{ "F20", "open-tree", "open_tree", CALL(NR_open_tree, -1, BAD, 0) },
	{ "F20", "open-tree-attr", "open_tree_attr", CALL(NR_open_tree_attr, -1, BAD, 0, 0, 0) },
	{ "F20", "move-mount", "move_mount", CALL(NR_move_mount, -1, BAD, -1, BAD, 0), .flags = ROOT },
	{ "F20", "mount-setattr", "mount_setattr", CALL(NR_mount_setattr, -1, BAD, 0, BAD, 32), .flags = ROOT },

	{ "S01", "x32-mount", "mount by the x32 entry", .run = call_x32, .flags = K },
	{ "S02", "i386-getpid", "a call by the 32-bit entry", .run = call_i386, .flags = K },

	{ "S09", "ioctl-tiocsti", "type for the terminal (TIOCSTI)", CALL(SYS_ioctl, -1, 0x5412, BAD), .flags = K },
	{ "S09", "ioctl-tiocsti-high", "TIOCSTI with bits above the 32nd",
	  CALL(SYS_ioctl, -1, (long)0x7700005412, BAD), .flags = K },
	{ "S09", "ioctl-tioclinux", "paste on the console (TIOCLINUX)", CALL(SYS_ioctl, -1, 0x541C, BAD), .flags = K },
	{ "S09", "ioctl-tiocsetd", "change the line discipline (TIOCSETD)",
	  CALL(SYS_ioctl, -1, 0x5423, BAD), .flags = K },
	{ "S09", "ioctl-tioccons", "redirect the console (TIOCCONS)", CALL(SYS_ioctl, -1, 0x541D, 0), .flags = K },
	{ "S09", "ioctl-steal-tty", "steal the terminal of another session", CALL(SYS_ioctl, -1, 0x540E, 1), .flags = K },

	{ "S10", "prctl-dumpable", "PR_SET_DUMPABLE", CALL(SYS_prctl, 4, 1, 0, 0, 0), .flags = K },
	{ "S10", "prctl-ptracer", "PR_SET_PTRACER", CALL(SYS_prctl, 0x59616d61, -1, 0, 0, 0), .flags = K },
	{ "S10", "prctl-mm", "PR_SET_MM", CALL(SYS_prctl, 35, 99, 0, 0, 1), .flags = K },
	{ "S10", "prctl-securebits", "PR_SET_SECUREBITS", CALL(SYS_prctl, 28, 0, 0, 0, 0), .flags = K | ROOT },

	{ "S12", "io-uring-setup", "io_uring_setup", CALL(NR_io_uring_setup, 1, BAD), .flags = K },
	{ "S12", "io-uring-enter", "io_uring_enter", CALL(NR_io_uring_enter, -1, 0, 0, 0, 0, 0), .flags = K },
	{ "S12", "io-uring-register", "io_uring_register", CALL(NR_io_uring_register, -1, 99, BAD, 0), .flags = K },
	{ "S12", "userfaultfd", "userfaultfd", CALL(SYS_userfaultfd, ~0x1L), .flags = ROOT },
	{ "S12", "bpf", "bpf", CALL(SYS_bpf, 5, BAD, 128), .flags = K | ROOT },
	{ "S12", "perf-event-open", "perf_event_open", CALL(SYS_perf_event_open, BAD, 0, -1, -1, 0), .flags = K },
	{ "S12", "keyctl", "keyctl", CALL(SYS_keyctl, 9999, 0, 0, 0, 0) },
	{ "S12", "add-key", "add_key", CALL(SYS_add_key, BAD, BAD, BAD, 1, 0) },
	{ "S12", "request-key", "request_key", CALL(SYS_request_key, BAD, BAD, 0, 0) },
	{ "S12", "init-module", "init_module", CALL(SYS_init_module, BAD, 0, BAD), .flags = K | ROOT },
	{ "S12", "finit-module", "finit_module", CALL(SYS_finit_module, -1, BAD, 0), .flags = K | ROOT },
	{ "S12", "delete-module", "delete_module", CALL(SYS_delete_module, BAD, 0), .flags = K | ROOT },
	{ "S12", "kexec-load", "kexec_load", CALL(SYS_kexec_load, 0, 99, BAD, 0), .flags = K | ROOT },
	{ "S12", "swapon", "swapon", CALL(SYS_swapon, BAD, 0), .flags = K | ROOT },
	{ "S12", "swapoff", "swapoff", CALL(SYS_swapoff, BAD), .flags = K | ROOT },
	{ "S12", "reboot", "reboot", CALL(SYS_reboot, 0, 0, 0, 0), .flags = K | ROOT },
	{ "S12", "quotactl", "quotactl", CALL(SYS_quotactl, 0, BAD, 0, BAD) },
	{ "S12", "quotactl-fd", "quotactl_fd", CALL(NR_quotactl_fd, -1, 0, 0, BAD) },
	{ "S12", "acct", "acct", CALL(SYS_acct, BAD), .flags = ROOT },
	{ "S12", "syslog", "syslog", CALL(SYS_syslog, 10, 0, 0), .flags = ROOT },
	{ "S12", "settimeofday", "settimeofday", CALL(SYS_settimeofday, BAD, 0) },
	{ "S12", "clock-settime", "clock_settime", CALL(SYS_clock_settime, 0, BAD) },
	{ "S12", "adjtimex", "adjtimex", CALL(SYS_adjtimex, BAD) },
	{ "S12", "clock-adjtime", "clock_adjtime", CALL(SYS_clock_adjtime, 0, BAD) },
	{ "S12", "fanotify-init", "fanotify_init", CALL(SYS_fanotify_init, 0x80000000, 0), .flags = ROOT },
	{ "S12", "fanotify-mark", "fanotify_mark", CALL(SYS_fanotify_mark, -1, 1, 1, -1, BAD) },
	{ "S12", "vhangup", "vhangup", CALL(SYS_vhangup), .flags = ROOT },
	{ "S12", "setdomainname", "setdomainname", CALL(SYS_setdomainname, BAD, 3), .flags = ROOT },
	{ "S12", "personality", "personality (no address randomisation)", CALL(SYS_personality, 0x0040000) },
	{ "S12", "memfd-secret", "memfd_secret", CALL(NR_memfd_secret, 0x7f) },
	{ "S12", "lsm-set-self-attr", "lsm_set_self_attr", CALL(NR_lsm_set_self_attr, 0, BAD, 0, 0) },
#if defined(__x86_64__)
	{ "S12", "iopl", "iopl", CALL(SYS_iopl, 99), .flags = K },
	{ "S12", "ioperm", "ioperm", CALL(SYS_ioperm, 0xffffff, 16, 1), .flags = K },
	{ "S12", "modify-ldt", "modify_ldt", CALL(SYS_modify_ldt, 0, BAD, 0) },
#endif
	{ "S07", "process-madvise", "process_madvise", CALL(NR_process_madvise, -1, BAD, 1, 4, 0) },
	{ "S07", "process-mrelease", "process_mrelease", CALL(NR_process_mrelease, -1, 0) },
	{ "S07", "pidfd-getfd", "pidfd_getfd", CALL(NR_pidfd_getfd, -1, 0, 0) },
	{ "S06", "setns", "setns", CALL(SYS_setns, -1, 0) },
	{ "S13", "user-keyring", "read the user's keyring", CALL(SYS_keyctl, 0, -4, 1, 0, 0) },
};
/* clang-format on */
PROBE_GROUP(call_probes, cases);
