/* Control data of a message that is sent for a caller: its descriptors become ours, and nothing in it reroutes. */
#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H

#include "supervisor/handler.h"

#define CONTROL_MAX (16 * 1024)
#define CONTROL_FDS_MAX 253             /* SCM_MAX_FD: the kernel takes no more in a message */

struct control {
	char *data;                     /* a copy with our numbers; owned */
	size_t len;
	int fds[CONTROL_FDS_MAX];       /* owned */
	size_t fd_count;
};

/*
 * `unix_socket`: the descriptors of SCM_RIGHTS are the caller's and are fetched. Else the bytes stay as they are, but
 * options that send a packet by way of an address that nobody judged (source routes) are -EPERM. -EINVAL for data that
 * the kernel would not take, -EBADF for a descriptor that the caller does not have. control_fini either way.
 */
int control_translate(const struct call *call, const void *data, size_t len, bool unix_socket, struct control *out);

/*
 * A sender may claim its own ids only, and the sender is this process: where the caller claims its own process, user and
 * group, our process id takes the place of its own, as the receiver sees it for all that is sent on behalf. True when
 * something was changed.
 */
bool control_own_ids(const struct call *call, struct control *control);

void control_fini(struct control *control);

#endif
