/* Changing the metadata of files outside the write grants, which Landlock does not see: rows F10 and F11. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>

#include "attempt.h"

#define NR_setxattrat 463
#define NR_removexattrat 466
#define NR_file_setattr 469
#define FLAGS_GET 0x80086601UL          /* FS_IOC_GETFLAGS */
#define FLAGS_SET 0x40086602UL          /* FS_IOC_SETFLAGS */
#define FLAG_NODUMP 0x40

static const struct timespec long_ago[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

/* --- modes and owners; the owner set is the one that is there already, so nothing changes where it is allowed --- */

static int meta_chmod(const struct probe_args *args)
{
	return chmod(in_secret(args, "canary.txt").at, 0600) < 0 ? -errno : 0;
}

static int meta_fchmodat(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_fchmodat, AT_FDCWD, in_secret(args, "canary.txt").at, 0600));
}

static int meta_fchmodat2(const struct probe_args *args)
{
	return attempt_result(SYS(NR_fchmodat2, AT_FDCWD, in_secret(args, "canary.txt").at, 0600, 0));
}

static int meta_chmod_symlink(const struct probe_args *args)
{
	struct path link = in_scratch(args, "link");

	if (symlink(in_secret(args, "canary.txt").at, link.at) < 0)
		return -errno;
	return attempt_result(SYS(SYS_fchmodat, AT_FDCWD, link.at, 0600));
}

static int meta_chmod_relative(const struct probe_args *args)
{
	int dir = sys_openat(AT_FDCWD, args->secret, O_PATH | O_DIRECTORY, 0);

	return dir < 0 ? dir : attempt_result(SYS(SYS_fchmodat, dir, "canary.txt", 0600));
}

static int meta_chmod_proc_root(const struct probe_args *args)
{
	struct path p;

	snprintf(p.at, sizeof p.at, "/proc/self/root%s/canary.txt", args->secret);
	return attempt_result(SYS(SYS_fchmodat, AT_FDCWD, p.at, 0600));
}

static int open_readonly(const struct probe_args *args)
{
	return sys_openat(AT_FDCWD, in_secret(args, "readonly/canary.txt").at, O_RDONLY | O_CLOEXEC, 0);
}

static int meta_fchmod(const struct probe_args *args)
{
	int fd = open_readonly(args);

	return fd < 0 ? fd : attempt_result(SYS(SYS_fchmod, fd, 0600));
}

static int meta_chown(const struct probe_args *args)
{
	return chown(in_secret(args, "canary.txt").at, geteuid(), getegid()) < 0 ? -errno : 0;
}

static int meta_lchown(const struct probe_args *args)
{
	return lchown(in_secret(args, "canary.txt").at, geteuid(), getegid()) < 0 ? -errno : 0;
}

static int meta_fchownat(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_fchownat, AT_FDCWD, in_secret(args, "canary.txt").at, geteuid(), getegid(), 0));
}

static int meta_fchown(const struct probe_args *args)
{
	int fd = open_readonly(args);

	return fd < 0 ? fd : attempt_result(SYS(SYS_fchown, fd, geteuid(), getegid()));
}

/* --- extended attributes --- */

/* A file system without user attributes proves nothing. */
static int xattr_result(long rc)
{
	return rc == -EOPNOTSUPP ? ATTEMPT_UNAVAILABLE : attempt_result(rc);
}

static int meta_setxattr(const struct probe_args *args)
{
	return xattr_result(SYS(SYS_setxattr, in_secret(args, "canary.txt").at, "user.probe", "1", 1, 0));
}

static int meta_lsetxattr(const struct probe_args *args)
{
	return xattr_result(SYS(SYS_lsetxattr, in_secret(args, "canary.txt").at, "user.probe", "1", 1, 0));
}

static int meta_fsetxattr(const struct probe_args *args)
{
	int fd = open_readonly(args);

	return fd < 0 ? fd : xattr_result(SYS(SYS_fsetxattr, fd, "user.probe", "1", 1, 0));
}

static int meta_removexattr(const struct probe_args *args)
{
	return xattr_result(SYS(SYS_removexattr, in_secret(args, "canary.txt").at, "user.canary"));
}

static int meta_lremovexattr(const struct probe_args *args)
{
	return xattr_result(SYS(SYS_lremovexattr, in_secret(args, "canary.txt").at, "user.canary"));
}

static int meta_fremovexattr(const struct probe_args *args)
{
	int fd = open_readonly(args);

	return fd < 0 ? fd : xattr_result(SYS(SYS_fremovexattr, fd, "user.canary"));
}

static int meta_setxattrat(const struct probe_args *args)
{
	struct { uint64_t value; uint32_t size; uint32_t flags; } value = { (uintptr_t)"1", 1, 0 };

	return xattr_result(SYS(NR_setxattrat, AT_FDCWD, in_secret(args, "canary.txt").at, 0, "user.probe", &value,
				sizeof value));
}

static int meta_removexattrat(const struct probe_args *args)
{
	return xattr_result(SYS(NR_removexattrat, AT_FDCWD, in_secret(args, "canary.txt").at, 0, "user.canary"));
}

/* --- times --- */

static int meta_utimensat(const struct probe_args *args)
{
	return attempt_result(SYS(SYS_utimensat, AT_FDCWD, in_secret(args, "canary.txt").at, long_ago, 0));
}

static int meta_futimens(const struct probe_args *args)
{
	int fd = open_readonly(args);

	return fd < 0 ? fd : attempt_result(SYS(SYS_utimensat, fd, NULL, long_ago, 0));
}

#ifdef SYS_utime
static int meta_utime(const struct probe_args *args)
{
	struct utimbuf times = { 1, 1 };

	return attempt_result(SYS(SYS_utime, in_secret(args, "canary.txt").at, &times));
}

static int meta_utimes(const struct probe_args *args)
{
	struct timeval times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

	return attempt_result(SYS(SYS_utimes, in_secret(args, "canary.txt").at, times));
}

static int meta_futimesat(const struct probe_args *args)
{
	struct timeval times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

	return attempt_result(SYS(SYS_futimesat, AT_FDCWD, in_secret(args, "canary.txt").at, times));
}
#endif

/* --- file attributes --- */

static int attribute_result(long rc)
{
	return rc == -ENOTTY || rc == -EOPNOTSUPP ? ATTEMPT_UNAVAILABLE : attempt_result(rc);
}

static int meta_setflags(const struct probe_args *args)
{
	int fd = open_readonly(args);
	long flags = 0;

	if (fd < 0)
		return fd;
	long rc = SYS(SYS_ioctl, fd, FLAGS_GET, &flags);

	if (rc < 0)
		return attribute_result(rc);
	flags |= FLAG_NODUMP;
	return attribute_result(SYS(SYS_ioctl, fd, FLAGS_SET, &flags));
}

static int meta_file_setattr(const struct probe_args *args)
{
	struct { uint64_t xflags; uint32_t extsize, nextents, projid, cowextsize; } attr = { .xflags = 0x80 /* NODUMP */ };

	return attribute_result(SYS(NR_file_setattr, AT_FDCWD, in_secret(args, "canary.txt").at, &attr, sizeof attr, 0));
}

#define READ_GRANT "-r @SECRET@/readonly"
#define RG PROBE_READS_GRANT

static const struct probe_case cases[] = {
	{ "F10", "chmod", "chmod a file outside", meta_chmod, NULL, 0 },
	{ "F10", "fchmodat", "fchmodat a file outside", meta_fchmodat, NULL, 0 },
	{ "F10", "fchmodat2", "fchmodat2 a file outside", meta_fchmodat2, NULL, 0 },
	{ "F10", "chmod-symlink", "chmod through a symbolic link", meta_chmod_symlink, NULL, 0 },
	{ "F10", "chmod-relative", "chmod relative to a directory descriptor", meta_chmod_relative, NULL, 0 },
	{ "F10", "chmod-proc-root", "chmod by /proc/self/root", meta_chmod_proc_root, NULL, 0 },
	{ "F10", "fchmod", "fchmod a read-only descriptor", meta_fchmod, READ_GRANT, RG },
	{ "F10", "chown", "chown a file outside", meta_chown, NULL, 0 },
	{ "F10", "lchown", "lchown a file outside", meta_lchown, NULL, 0 },
	{ "F10", "fchownat", "fchownat a file outside", meta_fchownat, NULL, 0 },
	{ "F10", "fchown", "fchown a read-only descriptor", meta_fchown, READ_GRANT, RG },
	{ "F11", "setxattr", "set an attribute of a file outside", meta_setxattr, NULL, 0 },
	{ "F11", "lsetxattr", "the same with lsetxattr", meta_lsetxattr, NULL, 0 },
	{ "F11", "fsetxattr", "the same on a read-only descriptor", meta_fsetxattr, READ_GRANT, RG },
	{ "F11", "setxattrat", "the same with setxattrat", meta_setxattrat, NULL, 0 },
	{ "F11", "removexattr", "remove an attribute of a file outside", meta_removexattr, NULL, 0 },
	{ "F11", "lremovexattr", "the same with lremovexattr", meta_lremovexattr, NULL, 0 },
	{ "F11", "fremovexattr", "the same on a read-only descriptor", meta_fremovexattr, READ_GRANT, RG },
	{ "F11", "removexattrat", "the same with removexattrat", meta_removexattrat, NULL, 0 },
	{ "F11", "utimensat", "set the times of a file outside", meta_utimensat, NULL, 0 },
	{ "F11", "futimens", "the same on a read-only descriptor", meta_futimens, READ_GRANT, RG },
#ifdef SYS_utime
	{ "F11", "utime", "the same with utime", meta_utime, NULL, 0 },
	{ "F11", "utimes", "the same with utimes", meta_utimes, NULL, 0 },
	{ "F11", "futimesat", "the same with futimesat", meta_futimesat, NULL, 0 },
#endif
	{ "F11", "setflags", "FS_IOC_SETFLAGS on a read-only descriptor", meta_setflags, READ_GRANT, RG },
	{ "F11", "file-setattr", "set file attributes outside with file_setattr", meta_file_setattr, NULL, 0 },
};
PROBE_GROUP(metadata_probes, cases);
