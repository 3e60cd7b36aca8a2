/* Kernel capabilities, each probed by trying, never by version. */
#ifndef RUN_PROBE_H
#define RUN_PROBE_H

#include <stddef.h>

struct probe {
	const char *name;       /* "landlock", "seccomp.notify", "pidfd_getfd", "userns", "overlayfs", "fuse", "cgroup" ... */
	const char *help;
	int (*run)(void);       /* level or 1: there; 0: not there; -errno: why not */
};

extern const struct probe kernel_probes[];
extern const size_t kernel_probe_count;

const struct probe *kernel_probe_by_name(const char *name);

#endif
