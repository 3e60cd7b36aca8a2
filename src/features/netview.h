/* What the files of /proc/net say in a sandbox: the loopback, and the sockets that the sandbox itself has open. */
#ifndef FEATURES_NETVIEW_H
#define FEATURES_NETVIEW_H

#include "supervisor/handler.h"

#define NETVIEW_FILES 13

/* The number of the file of that name, or -1: the view has no such file. */
int netview_index(const char *name);
const char *netview_name(int index);

/* Appends its content as it is now. 0 or -errno. */
int netview_content(const struct call *call, int index, struct str *out);

#endif
