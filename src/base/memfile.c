/* Files that exist in memory only and never change. */
#include "base/memfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"

#define MEMFD_CLOSES_ON_EXEC 1U
#define MEMFD_TAKES_SEALS 2U
#define ADD_SEALS 1033          /* F_ADD_SEALS */
#define EVERY_SEAL 0x0f         /* SEAL, SHRINK, GROW, WRITE */

int memfile_make(const char *name, const void *data, size_t len)
{
	AUTO(fd) int fd = (int)SYS(SYS_memfd_create, name, MEMFD_CLOSES_ON_EXEC | MEMFD_TAKES_SEALS);

	if (fd < 0)
		return fd;
	int rc = fd_write_all(fd, data, len);
	if (rc == 0)
		rc = (int)SYS(SYS_fchmod, fd, 0644);
	if (rc == 0)
		rc = (int)SYS(SYS_fcntl, fd, ADD_SEALS, EVERY_SEAL);
	return rc < 0 ? rc : take_fd(&fd);
}

int memfile_open(int file, int flags)
{
	char path[32];

	if ((flags & OPEN_MODES) != O_RDONLY)
		return -EACCES;
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	return sys_openat(AT_FDCWD, path, (flags & (O_NONBLOCK | O_DIRECTORY)) | O_CLOEXEC, 0);
}
