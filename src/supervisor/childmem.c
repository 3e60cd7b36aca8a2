/* Memory of a child task: copied in and out, bounded, all or nothing. */
#include "supervisor/childmem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "supervisor/handler.h"
#include "supervisor/stuck.h"

#define PAGE 4096
#define GATHER_BATCH 64

/* Containers' seccomp profiles refuse process_vm_readv and leave /proc/TID/mem open. A write through it ignores page
 * protection, but only ever changes the child's own private copy. */
static ssize_t by_mem_file(pid_t tid, uint64_t at, void *buf, size_t len, bool write)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/mem", (int)tid);
	AUTO(fd) int fd = sys_openat(AT_FDCWD, path, (write ? O_WRONLY : O_RDONLY) | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	return MAY_STICK(SYS(write ? SYS_pwrite64 : SYS_pread64, fd, buf, len, at));
}

static ssize_t transfer(pid_t tid, uint64_t at, void *buf, size_t len, bool write)
{
	struct iovec mine = { .iov_base = buf, .iov_len = len };
	struct iovec theirs = { .iov_base = (void *)(uintptr_t)at, .iov_len = len };
	ssize_t n = MAY_STICK(SYS(write ? SYS_process_vm_writev : SYS_process_vm_readv, tid, &mine, 1, &theirs, 1, 0));

	if (n == -EPERM || n == -ENOSYS)
		n = by_mem_file(tid, at, buf, len, write);
	return n == -EIO || n == 0 ? -EFAULT : n;
}

static int all_of(ssize_t n, size_t len)
{
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EFAULT;
}

int childmem_read(pid_t tid, uint64_t from, void *to, size_t len)
{
	return len ? all_of(transfer(tid, from, to, len, false), len) : 0;
}

int childmem_write(pid_t tid, uint64_t to, const void *from, size_t len)
{
	return len ? all_of(transfer(tid, to, (void *)(uintptr_t)from, len, true), len) : 0;
}

/* One batch of the pieces behind *from; *count and *skip say where the next begins. Bytes, or -errno. */
static ssize_t gather_batch(pid_t tid, struct iovec *mine, const struct piece **from, size_t *count, uint64_t *skip)
{
	struct iovec theirs[GATHER_BATCH];
	size_t room = mine->iov_len;
	size_t used = 0;
	size_t want = 0;

	for (; used < GATHER_BATCH && *count && want < room; (*from)++, (*count)--) {
		uint64_t left = (*from)->len > *skip ? (*from)->len - *skip : 0;
		size_t take = left < room - want ? (size_t)left : room - want;

		if (take)
			theirs[used++] = (struct iovec){ (void *)(uintptr_t)((*from)->at + *skip), take };
		*skip = (*from)->len > *skip ? 0 : *skip - (*from)->len;
		want += take;
	}
	mine->iov_len = want;
	if (!used)
		return 0;
	ssize_t n = MAY_STICK(SYS(SYS_process_vm_readv, tid, mine, 1, theirs, used, 0));
	if (n != -EPERM && n != -ENOSYS)
		return n;
	for (size_t i = 0, got = 0; i < used; i++) {
		n = by_mem_file(tid, (uintptr_t)theirs[i].iov_base, (char *)mine->iov_base + got, theirs[i].iov_len, false);
		if (n < 0)
			return got ? (ssize_t)got : n;
		got += (size_t)n;
		if ((size_t)n < theirs[i].iov_len || i + 1 == used)
			return (ssize_t)got;
	}
	return 0;
}

ssize_t childmem_gather(pid_t tid, void *to, size_t len, const struct piece *from, size_t count, uint64_t skip)
{
	size_t got = 0;

	while (got < len && count) {
		struct iovec mine = { .iov_base = (char *)to + got, .iov_len = len - got };
		ssize_t n = gather_batch(tid, &mine, &from, &count, &skip);

		if (n < 0)
			return got ? (ssize_t)got : n == -EIO ? -EFAULT : n;
		got += (size_t)n;
		if ((size_t)n < mine.iov_len)
			return got ? (ssize_t)got : -EFAULT;
	}
	return (ssize_t)got;
}

int childmem_string(pid_t tid, uint64_t from, char *to, size_t size)
{
	size_t got = 0;

	while (got < size) {
		size_t room = PAGE - (size_t)((from + got) % PAGE);
		size_t want = room < size - got ? room : size - got;
		ssize_t n = transfer(tid, from + got, to + got, want, false);

		if (n < 0)
			return (int)n;
		const char *nul = memchr(to + got, '\0', (size_t)n);
		if (nul)
			return (int)(nul - to);
		got += (size_t)n;
	}
	return -ENAMETOOLONG;
}
