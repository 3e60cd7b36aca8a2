/*
 * Calls that wait for something to receive, for as long as it may take (V_PARK): one thread waits for all of them, since
 * servers may have hundreds of threads in accept. It starts with the first.
 */
#ifndef SUPERVISOR_PARKING_H
#define SUPERVISOR_PARKING_H

#include "supervisor/notify.h"

#define PARKED_MAX 256          /* each holds a descriptor of the host; who comes later waits in the kernel */

void parking_init(struct supervisor *s);

/* Ends the thread; calls that are parked get no answer. Nobody parks from then on. */
void parking_stop(struct supervisor *s);
void parking_fini(struct supervisor *s);

/*
 * The box is run again, on the thread of this module and with may_wait, when `sock` is readable, its SO_RCVTIMEO has passed
 * or its caller has a signal; never when the caller is gone. Takes the socket in any case; a box that parks again keeps
 * the one that it has. 0, or -errno: the box is still the caller's.
 */
int parking_add_take(struct supervisor *s, struct call_box *box, int sock);

/* An operation of kernel_ops, see there. */
void parking_drop_dead(const struct call *call);

#endif
