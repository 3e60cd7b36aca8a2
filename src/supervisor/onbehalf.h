/* Doing it for the child: its directory, its descriptors, our copy of the arguments. The kernel_ops of production. */
#ifndef SUPERVISOR_ONBEHALF_H
#define SUPERVISOR_ONBEHALF_H

#include "supervisor/handler.h"

extern const struct kernel_ops onbehalf_ops;

/* For the other files of the supervisor. */
int onbehalf_pidfd(pid_t tid);          /* one that pidfd_getfd takes: of the task, or of its process on old kernels */
/* The number behind `key` in a file of procfs, base 8, 10 or 16. 0; -ENOENT and *out as it was. */
int onbehalf_number(const char *text, const char *key, unsigned base, uint64_t *out);
long onbehalf_fd_flags(pid_t tid, int fd);       /* as open has them, O_CLOEXEC too; -EBADF */
pid_t onbehalf_process(pid_t tid);      /* whose thread it is */
int onbehalf_ids(pid_t tid, uint32_t uids[4], uint32_t gids[4]);        /* real, effective, saved, file system */

#endif
