/* What the files of /proc/net say in a sandbox: the loopback, and the sockets that the sandbox itself has open. */
#ifndef POLICY_NETVIEW_H
#define POLICY_NETVIEW_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "policy/portmap.h"

#define NETVIEW_FILES 13

/* The number of the file of that name, or -1: the view has no such file. */
int netview_index(const char *name);
const char *netview_name(int index);

/* Where the view comes from. */
struct netview_source {
	/* The kernel's own table, "net/tcp", appended. 0 or -errno; -ENOENT: this kernel has none. */
	int (*table)(const void *arg, const char *name, struct str *out);
	/* The inode numbers of the sandbox's sockets, sorted; to be freed. 0 or -errno. */
	int (*sockets)(const void *arg, uint64_t **inodes, size_t *count);
	const void *arg;
	struct portmap *ports;          /* how the sandbox calls its ports; NULL: as the kernel does */
};

/* Appends its content as it is now. 0 or -errno. */
int netview_content(const struct netview_source *source, int index, struct str *out);

#endif
