/* Waiting for a socket in the place of a caller: its death, its signals and its timeout end the wait as they would there. */
#ifndef SUPERVISOR_WAITING_H
#define SUPERVISOR_WAITING_H

#include "base/sys.h"
#include "supervisor/handler.h"

#define RESTART_SYS 512         /* ERESTARTSYS: the kernel repeats the call or makes EINTR of it; programs never see it */

/*
 * Until one of `events` comes on `fd` (the socket itself, or what stands for it), on a worker. 0; -ESRCH: the caller is
 * gone, or the sandbox ends; -ETIMEDOUT: the socket's SO_SNDTIMEO has passed; -EINTR or -RESTART_SYS: the caller has a
 * signal; MUST_WAIT: others have a turn now, and nothing may be held meanwhile. With events 0 it only sleeps for a moment,
 * for what cannot be polled.
 */
int waiting_for(const struct call *call, int sock, int fd, short events);

/* What a signal makes of the call: 0 for none. `seen` is of the last look; all zero before the first. */
int waiting_signal(const struct call *call, ksigset *seen);

/* Fills in call->progress->deadline by this option of the socket, if that was not done. */
void waiting_deadline(const struct call *call, int sock, int option);

#endif
