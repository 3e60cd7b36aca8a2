/* A message of sendto, sendmsg or sendmmsg: decoded once from the caller's memory, and sent on a pinned socket. */
#ifndef FEATURES_NETMSG_H
#define FEATURES_NETMSG_H

#include "supervisor/handler.h"

#define MESSAGE_NAME_MAX 128            /* sockaddr_storage */
#define MESSAGE_PIECES_MAX 1024         /* UIO_MAXIOV */
#define MESSAGE_CONTROL_MAX (16 * 1024)
#define MESSAGE_BATCH_MAX 1024          /* messages that one sendmmsg sends */
#define MESSAGE_HERE_MAX (64 * 1024)    /* bytes that the notify thread copies itself */
#define MESSAGE_BATCH_HERE 16           /* and messages */
#define MESSAGE_DATAGRAM_MAX (512 * 1024)        /* a unix socket takes no larger one by default */
#define MESSAGE_CHUNK (256 * 1024)      /* of a stream, on a worker */
#define MESSAGE_FEW_PIECES 8

struct message {
	_Alignas(8) char name[MESSAGE_NAME_MAX];        /* the rest of it is zero */
	size_t name_len;                /* 0: none */
	bool named;                     /* an address was given, if only of length 0 (sendto) */
	struct piece few[MESSAGE_FEW_PIECES];
	struct piece *pieces;           /* few, or owned */
	size_t count;
	uint64_t total;
	char *control;                  /* owned; descriptors in the caller's numbers */
	size_t control_len;
};

/*
 * The msghdr at `at`, its address, the places of its data and its control data: each read once. 0, or the errno of the
 * kernel for it. message_fini either way.
 */
int message_read(const struct call *call, uint64_t at, struct message *m);

/* Where a receive puts what is no data; 0: nowhere. */
struct message_room {
	uint64_t name;
	uint64_t control;
	uint64_t control_len;
};

/* The same for a msghdr to receive into: the places of the data, and of the rest. */
int message_read_room(const struct call *call, uint64_t at, struct message *m, struct message_room *room);

void message_fini(struct message *m);

/*
 * Sends it to where m->name says, as the caller's socket blocks or not; a stream in chunks, anything else whole. Goes on
 * where call->progress says that an earlier try ended. Bytes sent, also when an error came after some; -errno; MUST_WAIT
 * on the notify thread when it would wait or is large.
 */
int64_t message_send(const struct call *call, int sock, const struct message *m, int flags, bool stream);

/* Judges and sends one message of a call; what it returns is what message_send does. */
typedef int64_t message_act(const struct call *call, int sock, struct message *m, int flags, void *arg);

/* A whole sendmmsg(raw[1], raw[2], raw[3]) by `act`: the number of messages, -errno or MUST_WAIT. */
int64_t message_send_batch(const struct call *call, int sock, message_act *act, void *arg);

/* The calls as a whole: the socket pinned, what is to be sent read once, and given to `act`; as message_send. */
int64_t message_sendto(const struct call *call, message_act *act, void *arg);
int64_t message_sendmsg(const struct call *call, message_act *act, void *arg);
int64_t message_sendmmsg(const struct call *call, message_act *act, void *arg);

#endif
