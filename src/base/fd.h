/* Owning, passing, moving and closing descriptors. A descriptor field that holds none is -1. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

static inline int take_fd(int *fd)
{
	int value = *fd;

	*fd = -1;
	return value;
}

void fd_close(int *fd);            /* closes and sets to -1; -1 is fine; keeps errno */
void auto_fd(int *fd);             /* for AUTO(fd) */

/*
 * Is it one that a sandbox must not make the host hold for long? The kernel gives out the lowest number that is free, so as
 * long as nobody keeps a number of the upper half of the limit, that half is the host's, however many sandboxes there are.
 */
bool fd_is_hosts(int fd);

/* Reads until `len` bytes or end; restarts on EINTR. Bytes read, or -errno. */
ssize_t fd_read_all(int fd, void *buf, size_t len);

/* The same from a place of the file; the descriptor's own stays. */
ssize_t fd_read_at(int fd, void *buf, size_t len, uint64_t at);

/* Writes all bytes; restarts on EINTR. 0 or -errno. SIGPIPE is the caller's matter. */
int fd_write_all(int fd, const void *buf, size_t len);

/* Reads a whole file of at most `max` bytes into a fresh NUL-terminated buffer. 0, -EFBIG, or -errno. */
int fd_slurp(int fd, size_t max, char **out, size_t *len);

/* Sends `len` bytes and, unless fd is -1, a descriptor over a unix socket. 0 or -errno; no SIGPIPE. */
int fd_send(int sock, const void *data, size_t len, int fd);

/* Receives up to `len` bytes and at most one descriptor (close-on-exec; -1 if none came). Bytes, 0 at end, -errno. */
ssize_t fd_recv(int sock, void *data, size_t len, int *fd, int flags);

#endif
