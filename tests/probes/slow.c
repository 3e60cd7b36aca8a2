/* Arguments in memory that takes its time when somebody reads it: row F24. */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attempt.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static void *chmod_path(void *path)
{
	SYS(SYS_fchmodat, AT_FDCWD, path, 0600);
	return NULL;
}

/* Nobody answers the fault, so whoever reads the path waits for ever: here the kernel, inside it would be the supervisor. */
static int slow_userfaultfd(const struct probe_args *args)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct timespec until;
	pthread_t id;
	long fd = SYS(SYS_userfaultfd, O_CLOEXEC);

	(void)args;
	if (fd < 0)
		return (int)fd;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register range = {
		.range = { (uintptr_t)page, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (page == MAP_FAILED || ioctl((int)fd, UFFDIO_API, &api) < 0 || ioctl((int)fd, UFFDIO_REGISTER, &range) < 0)
		return ATTEMPT_UNAVAILABLE;
	if (pthread_create(&id, NULL, chmod_path, page) != 0)
		return ATTEMPT_UNAVAILABLE;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	return pthread_timedjoin_np(id, NULL, &until) == ETIMEDOUT ? 0 : -EFAULT;
}

/* The page is written back and dropped before each call, so that reading the path is reading the disk. */
static int slow_dropped_page(const struct probe_args *args)
{
	struct path own = in_scratch(args, "own");
	int fd = sys_openat(AT_FDCWD, own.at, O_RDWR | O_CREAT, 0700);

	if (fd < 0)
		return fd;
	if (ftruncate(fd, PATH_MAX) < 0)
		return -errno;
	char *page = mmap(NULL, PATH_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		return -errno;
	for (mode_t mode = 0; mode < 0700; mode += 0100) {
		struct stat st;

		snprintf(page, PATH_MAX, "%s", own.at);
		msync(page, PATH_MAX, MS_SYNC);
		madvise(page, PATH_MAX, MADV_PAGEOUT);
		int rc = (int)SYS(SYS_fchmodat, AT_FDCWD, page, mode);

		if (rc < 0 || fstat(fd, &st) < 0)
			return rc < 0 ? rc : -errno;
		if ((st.st_mode & 07777) != mode)
			return -ENODATA;
	}
	return 0;
}

static const struct probe_case cases[] = {
	{ "F24", "slow-userfaultfd", "a path in memory that never answers", slow_userfaultfd, NULL,
	  PROBE_NEEDS_ROOT | PROBE_SLOW },
	{ "F24", "slow-dropped-page", "a path in a page that was dropped", slow_dropped_page, NULL, PROBE_SAME_INSIDE },
};
PROBE_GROUP(slow_probes, cases);
