/* Names of sockets, given and asked for in the place of a caller: the operations of kernel_ops (see there). */
#ifndef SUPERVISOR_BINDING_H
#define SUPERVISOR_BINDING_H

#include "supervisor/handler.h"

int binding_bind(const struct call *call, int sock, const void *name, size_t len);
int binding_bind_alone(const struct call *call, int sock, const void *name, size_t len);
int binding_bind_at(const struct call *call, int sock, const struct unix_place *place);
int binding_name(const struct call *call, int sock, bool peer, void *name, size_t *len);
bool binding_is_local(const struct call *call, const struct addr *a);
bool binding_is_shared(const struct call *call, const struct addr *a);

#endif
