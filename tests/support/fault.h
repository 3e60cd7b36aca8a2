/*
 * The fault walk: fail the n-th raw system call or allocation of a piece of code, for every n.
 *
 *     for (int n = 0;; n++) {
 *             fault_arm(n);
 *             rc = thing_load(&thing, &err);
 *             if (!fault_fired())
 *                     break;
 *             assert_true(rc < 0);
 *     }
 */
#ifndef SUPPORT_FAULT_H
#define SUPPORT_FAULT_H

#include <stdbool.h>

void fault_arm(int n);          /* the n-th from now fails: -ENOMEM, or NULL for an allocation; close never fails */
bool fault_fired(void);         /* did it? also disarms */
void fault_disarm(void);
int fault_open_fds(void);       /* how many descriptors this process has open */

#endif
