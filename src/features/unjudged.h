/* What is said of a socket that could not be looked at. */
#ifndef FEATURES_UNJUDGED_H
#define FEATURES_UNJUDGED_H

#include "supervisor/handler.h"

/*
 * For a failure of kernel->socket_info. Without pidfd_getfd (-EBADF) nobody but the child has the socket, and a call that
 * continued could find another one: it is refused, and in the report. Returns what the call says.
 */
int socket_unjudged(const struct call *call, int rc, const char *operation);

#endif
