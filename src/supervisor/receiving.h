/* Connections and messages taken in the place of a caller: the operations of kernel_ops (see there). */
#ifndef SUPERVISOR_RECEIVING_H
#define SUPERVISOR_RECEIVING_H

#include "supervisor/handler.h"

int receiving_accept(const struct call *call, int sock, int flags, void *name, size_t *len);
ssize_t receiving_receive(const struct call *call, int sock, struct incoming *message, int flags);

#endif
