/* Confining the calling thread for good: Landlock, the argument filter and no_new_privs, without a supervisor. */
#ifndef RUN_CONFINE_SELF_H
#define RUN_CONFINE_SELF_H

#include "run/prepare.h"

/* -EBUSY when other threads run, which would stay free; -EINVAL when the policy asks for what needs a supervisor or a
 * child. On success there is no way back. */
int confine_self(struct prepared *prepared, struct error *err);

#endif
