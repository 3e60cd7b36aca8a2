/* Memory of a child task: copied in and out, bounded, all or nothing. The caller re-validates the notification after. */
#ifndef SUPERVISOR_CHILDMEM_H
#define SUPERVISOR_CHILDMEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All `len` bytes, or -EFAULT (-EPERM where the kernel lets nobody read, -ESRCH when the task is gone). */
int childmem_read(pid_t tid, uint64_t from, void *to, size_t len);
int childmem_write(pid_t tid, uint64_t to, const void *from, size_t len);

struct piece;

/* Up to `len` bytes from pieces, beginning `skip` bytes into them: what could be read before the first byte that could
 * not, or -errno when that is nothing. */
ssize_t childmem_gather(pid_t tid, void *to, size_t len, const struct piece *from, size_t count, uint64_t skip);

/* A NUL-terminated string of fewer than `size` bytes: its length, -ENAMETOOLONG when no NUL comes in `size` bytes, or
 * -EFAULT. Reads page by page, so a string that ends at the end of a mapping is fine. */
int childmem_string(pid_t tid, uint64_t from, char *to, size_t size);

#endif
