/* Doing it for the child: its directory, its descriptors, our copy of the arguments. The kernel_ops of production. */
#ifndef SUPERVISOR_ONBEHALF_H
#define SUPERVISOR_ONBEHALF_H

#include "supervisor/handler.h"

extern const struct kernel_ops onbehalf_ops;

#endif
