/* Sockets of the resolver's island for a caller: operations of kernel_ops, joined into the table by onbehalf.c. */
#ifndef SUPERVISOR_ISLAND_H
#define SUPERVISOR_ISLAND_H

#include "supervisor/handler.h"

int on_island_socket(const struct call *call, int domain, int type, int protocol);
bool on_island_has(const struct call *call, int sock);
int on_island_move(const struct call *call, int fd);

#endif
