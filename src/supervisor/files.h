/* Kernel operations for virtual files: finding what a caller's path means, and what belongs to the sandbox. */
#ifndef SUPERVISOR_FILES_H
#define SUPERVISOR_FILES_H

#include "base/proctree.h"
#include "supervisor/handler.h"

/* See the members of the same names in struct kernel_ops. */
int files_locate(const struct call *call, const struct where *where, struct located *out);
int files_plain_name(const struct call *call, int dirfd, const char *path, char *out);
int files_reopen(const struct call *call, int pinned, int flags);
bool files_in_tree(const struct call *call, pid_t pid);
int files_read_proc(const struct call *call, const char *tail, struct str *out);
int files_tree_sockets(const struct call *call, uint64_t **inodes, size_t *count);

/* Has this process of the walk the socket with this inode open? False too where that may not be seen. */
bool files_has_socket(const struct proctree *tree, pid_t pid, uint64_t inode);

int files_may_open(const struct call *call, int pinned, int flags);

#endif
