/* Pinning for a caller: what its path or descriptor names, as an O_PATH descriptor of ours. */
#ifndef SUPERVISOR_PIN_H
#define SUPERVISOR_PIN_H

#include <sys/types.h>

/* The object behind the caller's descriptor; -EBADF when it has none of that number. */
int pin_caller_fd(pid_t tid, int fd);

/* The object that a path of the caller's names; see kernel_ops.pin. */
int pin_caller_path(pid_t tid, int dirfd, const char *path, int flags);

#endif
