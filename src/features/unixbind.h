/* bind(2) of a unix socket in the place of the caller, with exactly the caller's rights. */
#ifndef FEATURES_UNIXBIND_H
#define FEATURES_UNIXBIND_H

#include "supervisor/handler.h"

/* The address is argument 1 of the call, as it was decoded. */
struct verdict unixbind(const struct call *call, const struct grants *grants, int sock);

#endif
