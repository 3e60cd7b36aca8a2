/*
 * Route netlink as a machine answers it that has the loopback interface and nothing else: requests in, replies out.
 * Pure: it knows no socket, and a request may hold any bytes.
 */
#ifndef BASE_NLMSG_H
#define BASE_NLMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NLMSG_REQUEST_MAX 32768         /* what a client may send at once */
#define NLMSG_REPLY_MAX 16384           /* what it gets for that at most, over all datagrams */

/* One datagram of a client. */
struct nlmsg_request {
	const void *data;
	size_t len;
	uint32_t port_id;               /* the client's own netlink address */
	bool first;                     /* nothing was asked on this socket before */
};

/* The datagrams to send back, in order. */
struct nlmsg_replies {
	size_t len;
	bool full;                      /* something did not fit: as when a kernel's client does not read */
	_Alignas(4) uint8_t data[NLMSG_REPLY_MAX];      /* so that each datagram can be read where it lies */
};

/* Answers every message of the request; *out is overwritten. */
void nlmsg_answer(const struct nlmsg_request *req, struct nlmsg_replies *out);

/* The datagram at *at, which is 0 at first; moves *at behind it. False after the last one. */
bool nlmsg_next(const struct nlmsg_replies *replies, size_t *at, const void **data, size_t *len);

#endif
