/* A notification becomes a call: every pointer argument is copied once, by its role, into the call's own box. */
#ifndef SUPERVISOR_DECODE_H
#define SUPERVISOR_DECODE_H

#include <limits.h>

#include "base/sys.h"
#include "supervisor/handler.h"

#define DECODE_BYTES_MAX 65536
#define DECODE_NAME_MAX 256
#define DECODE_SOCKADDR_MAX 128 /* sockaddr_storage: the kernel takes no longer one */
#define DECODE_PATHS 2          /* rename and link have two */

/* A call with the memory that its arguments live in; reused from call to call. */
struct call_box {
	struct call call;
	char path[DECODE_PATHS][PATH_MAX];
	char name[DECODE_NAME_MAX];
	struct timespec times[2];
	_Alignas(8) char sockaddr[DECODE_SOCKADDR_MAX];
	char *bytes;            /* DECODE_BYTES_MAX when a call ever needed it */
	struct progress progress;
	bool decoded;           /* arg[] is filled: a worker goes on with the same copy */
	int held;               /* owned; the socket of a parked call, where call.held points to it */
	struct call_box *next;  /* in a queue, a pool or the list of those who are parked */
	/* of parking.c */
	ksigset seen;           /* shared signals that were pending at the last look */
	bool dead;              /* its caller is gone */
	bool lazy;              /* its socket says that it is readable, and is not */
};

/* Closes what the last call held. */
void call_box_clear(struct call_box *box);

void call_box_fini(struct call_box *box);

/* Fills what needs no memory of the child: numbers, name, raw arguments. */
void decode_registers(struct call_box *box, const struct sc_notif *n);

/* Fills arg[] by the roles of the call. 0, or the errno that the child gets, negative. */
int decode_arguments(struct call_box *box);

#endif
