/*
 * Fuzz target: a datagram that a child sends on a netlink socket. The first byte says whether it is the socket's first
 * request. Whatever comes in, what goes out is whole messages in whole datagrams with the client's address.
 */
#include <linux/netlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/nlmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_datagram(const uint8_t *at, size_t len)
{
	struct nlmsghdr head;

	if (len == 0)
		abort();
	while (len > 0) {
		if (len < sizeof head)
			abort();
		memcpy(&head, at, sizeof head);
		if (head.nlmsg_len < sizeof head || head.nlmsg_len > len || head.nlmsg_pid != 7)
			abort();
		size_t step = NLMSG_ALIGN(head.nlmsg_len);
		at += step;
		len -= step < len ? step : len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct nlmsg_replies replies;
	const void *datagram;
	size_t len;
	size_t at = 0;

	if (size == 0)
		return 0;
	uint8_t *copy = malloc(size > 1 ? size - 1 : 1);        /* of the exact size: a read behind it is seen */
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	nlmsg_answer(&(struct nlmsg_request){ .data = copy, .len = size - 1, .port_id = 7, .first = data[0] & 1 }, &replies);
	while (nlmsg_next(&replies, &at, &datagram, &len))
		check_datagram(datagram, len);
	if (at != replies.len || replies.len > sizeof replies.data)
		abort();
	free(copy);
	return 0;
}
