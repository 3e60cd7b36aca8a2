/* What is said of a socket that could not be looked at. */
#include "features/unjudged.h"

#include <errno.h>

int socket_unjudged(const struct call *call, int rc, const char *operation)
{
	if (rc != -EBADF)
		return rc;
	call->kernel->refuse(call, &(struct refusal){
		.operation = operation,
		.target = "a socket",
		.rule = "the socket cannot be judged: pidfd_getfd is refused to sandlock here",
		.errnum = EACCES,
	});
	return -EACCES;
}
