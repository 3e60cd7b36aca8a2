/* Files that exist in memory only and never change: what the supervisor hands out in place of a file of the host. */
#ifndef BASE_MEMFILE_H
#define BASE_MEMFILE_H

#include <stddef.h>

/* A sealed file with these bytes and mode 0644: nobody can write to it, grow it or shrink it. A close-on-exec
 * descriptor, or -errno. */
int memfile_make(const char *name, const void *data, size_t len);

/* A descriptor of its own for the same file, with its own offset; `flags` as of open, reading only. Or -errno. */
int memfile_open(int file, int flags);

#endif
