/* Unit tests of base/nlmsg.c: what is asked of route netlink, and what a machine with loopback alone says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cmocka.h>

#include "base/nlmsg.h"

#define PORT 4242
#define SEQ 77
#define DUMP (NLM_F_REQUEST | NLM_F_DUMP)

/* A request that is built up, and its replies as a list of messages. */
struct talk {
	uint8_t data[NLMSG_REQUEST_MAX] __attribute__((aligned(4)));
	size_t len;
	bool later;             /* not the first request of its socket */
	struct nlmsg_replies out;
	const struct nlmsghdr *msg[600];
	size_t count;
	size_t datagrams;
};

static void ask(struct talk *t, uint16_t type, uint16_t flags, const void *body, size_t len)
{
	struct nlmsghdr head = { .nlmsg_len = (uint32_t)(sizeof head + len), .nlmsg_type = type, .nlmsg_flags = flags,
				 .nlmsg_seq = SEQ };

	memcpy(t->data + t->len, &head, sizeof head);
	memcpy(t->data + t->len + sizeof head, body, len);
	t->len += (sizeof head + len + 3) & ~(size_t)3;
}

/* Reads the replies as a client does, and checks what holds for all. */
static void hear_bytes(struct talk *t, size_t len)
{
	const struct nlmsg_request req = { .data = t->data, .len = len, .port_id = PORT, .first = !t->later };
	const void *data;
	size_t size;
	size_t at = 0;

	nlmsg_answer(&req, &t->out);
	t->count = t->datagrams = 0;
	while (nlmsg_next(&t->out, &at, &data, &size)) {
		int rest = (int)size;

		t->datagrams++;
		for (const struct nlmsghdr *h; h = data, NLMSG_OK(h, (unsigned)rest);) {
			assert_int_equal(h->nlmsg_pid, PORT);
			t->msg[t->count++] = h;
			data = (const char *)data + NLMSG_ALIGN(h->nlmsg_len);
			rest -= (int)NLMSG_ALIGN(h->nlmsg_len);
		}
		assert_int_equal(rest, 0);
	}
}

static void hear(struct talk *t)
{
	hear_bytes(t, t->len);
}

static struct talk *talk(void)
{
	struct talk *t = calloc(1, sizeof *t);

	assert_non_null(t);
	return t;
}

static int error_of(const struct nlmsghdr *h)
{
	assert_int_equal(h->nlmsg_type, NLMSG_ERROR);
	assert_int_equal(h->nlmsg_seq, SEQ);
	return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
}

/* The one reply to one question of that type is this error. */
static void refused(uint16_t type, uint16_t flags, const void *body, size_t len, int error)
{
	struct talk *t = talk();

	ask(t, type, flags, body, len);
	hear(t);
	assert_int_equal(t->count, 1);
	assert_int_equal(error_of(t->msg[0]), error);
	free(t);
}

static const struct rtattr *attribute(const struct nlmsghdr *h, size_t fixed, int type)
{
	const char *at = (const char *)NLMSG_DATA(h) + NLMSG_ALIGN(fixed);
	int rest = (int)(h->nlmsg_len - NLMSG_LENGTH(fixed));

	for (const struct rtattr *a; a = (const void *)at, RTA_OK(a, rest);) {
		if (a->rta_type == type)
			return a;
		at += RTA_ALIGN(a->rta_len);
		rest -= (int)RTA_ALIGN(a->rta_len);
	}
	return NULL;
}

static void the_list_of_links_is_lo(void **state)
{
	struct talk *t = talk();

	(void)state;
	ask(t, RTM_GETLINK, DUMP, &(struct ifinfomsg){ 0 }, sizeof(struct ifinfomsg));
	hear(t);
	assert_int_equal(t->count, 2);
	assert_int_equal(t->msg[0]->nlmsg_type, RTM_NEWLINK);
	assert_int_equal(t->msg[0]->nlmsg_flags, NLM_F_MULTI);
	const struct ifinfomsg *lo = NLMSG_DATA(t->msg[0]);
	assert_int_equal(lo->ifi_index, 1);
	assert_int_equal(lo->ifi_type, 772);
	assert_int_equal(lo->ifi_flags & 0x49, 0x49);
	assert_string_equal(RTA_DATA(attribute(t->msg[0], sizeof *lo, IFLA_IFNAME)), "lo");
	assert_int_equal(*(uint32_t *)RTA_DATA(attribute(t->msg[0], sizeof *lo, IFLA_MTU)), 65536);
	assert_int_equal(RTA_PAYLOAD(attribute(t->msg[0], sizeof *lo, IFLA_ADDRESS)), 6);
	assert_int_equal(t->msg[1]->nlmsg_type, NLMSG_DONE);
	assert_int_equal(t->msg[1]->nlmsg_seq, SEQ);
	free(t);
}

/* How many addresses there are for who asks with that family; the last is left in `last`. */
static size_t addresses(uint8_t family, uint32_t index, struct ifaddrmsg *last)
{
	struct talk *t = talk();

	ask(t, RTM_GETADDR, DUMP, &(struct ifaddrmsg){ .ifa_family = family, .ifa_index = index },
	    sizeof(struct ifaddrmsg));
	hear(t);
	for (size_t i = 0; i + 1 < t->count; i++) {
		assert_int_equal(t->msg[i]->nlmsg_type, RTM_NEWADDR);
		memcpy(last, NLMSG_DATA(t->msg[i]), sizeof *last);
	}
	assert_int_equal(t->msg[t->count - 1]->nlmsg_type, NLMSG_DONE);
	size_t count = t->count - 1;
	free(t);
	return count;
}

static void addresses_are_those_of_the_family(void **state)
{
	struct ifaddrmsg a = { 0 };

	(void)state;
	assert_int_equal(addresses(AF_UNSPEC, 0, &a), 2);
	assert_int_equal(addresses(AF_INET, 0, &a), 1);
	assert_int_equal(a.ifa_family, AF_INET);
	assert_int_equal(a.ifa_prefixlen, 8);
	assert_int_equal(a.ifa_index, 1);
	assert_int_equal(addresses(AF_INET6, 0, &a), 1);
	assert_int_equal(a.ifa_prefixlen, 128);
	assert_int_equal(a.ifa_scope, RT_SCOPE_HOST);
	assert_int_equal(addresses(AF_UNSPEC, 1, &a), 2);
	assert_int_equal(addresses(AF_UNSPEC, 2, &a), 0);
}

/* glibc's question of getaddrinfo: one structure with its padding. */
static size_t families(bool later, size_t body)
{
	struct talk *t = talk();

	t->later = later;
	ask(t, RTM_GETADDR, DUMP, "\0\0\0\0\0\0\0", body);
	hear(t);
	size_t count = t->count - 1;
	free(t);
	return count;
}

static void who_asks_which_families_are_in_use_hears_of_both(void **state)
{
	(void)state;
	assert_int_equal(families(false, 4), 4);
	assert_int_equal(families(true, 4), 2);         /* getifaddrs has asked for links before */
	assert_int_equal(families(false, 1), 2);        /* Go */
	assert_int_equal(families(false, 8), 2);
}

static size_t with_attribute(uint8_t *body, const void *fixed, size_t len, uint16_t type, const void *value, size_t size)
{
	const struct rtattr attr = { .rta_len = (uint16_t)(sizeof attr + size), .rta_type = type };

	memcpy(body, fixed, len);
	memcpy(body + len, &attr, sizeof attr);
	memcpy(body + len + sizeof attr, value, size);
	return len + sizeof attr + size;
}

/* What a question for one link says: the index, or -errno. */
static int link_of(int index, uint16_t type, const void *name, size_t size)
{
	const struct ifinfomsg head = { .ifi_index = index };
	struct talk *t = talk();
	uint8_t body[256];
	size_t len = sizeof head;

	memcpy(body, &head, sizeof head);
	if (name)
		len = with_attribute(body, &head, sizeof head, type, name, size);
	ask(t, RTM_GETLINK, NLM_F_REQUEST, body, len);
	hear(t);
	assert_int_equal(t->count, 1);
	int rc = t->msg[0]->nlmsg_type == RTM_NEWLINK ? ((struct ifinfomsg *)NLMSG_DATA(t->msg[0]))->ifi_index
						      : error_of(t->msg[0]);
	free(t);
	return rc;
}

static void one_link_is_found_by_index_or_either_name(void **state)
{
	(void)state;
	assert_int_equal(link_of(1, 0, NULL, 0), 1);
	assert_int_equal(link_of(2, 0, NULL, 0), -ENODEV);
	assert_int_equal(link_of(0, IFLA_IFNAME, "lo", 3), 1);
	assert_int_equal(link_of(0, IFLA_IFNAME, "lo", 2), 1);
	assert_int_equal(link_of(0, 53, "lo", 3), 1);
	assert_int_equal(link_of(0, IFLA_IFNAME, "lox", 4), -ENODEV);
	assert_int_equal(link_of(0, IFLA_IFNAME, "l", 1), -ENODEV);
	assert_int_equal(link_of(0, IFLA_IFNAME, "", 0), -ENODEV);
	assert_int_equal(link_of(0, IFLA_IFNAME, "eth0", 5), -ENODEV);
	assert_int_equal(link_of(0, 0, NULL, 0), -EINVAL);
	assert_int_equal(link_of(-1, 0, NULL, 0), -EINVAL);
}

static int route_to(uint8_t family, const void *to, size_t size)
{
	const struct rtmsg head = { .rtm_family = family };
	struct talk *t = talk();
	uint8_t body[256];

	ask(t, RTM_GETROUTE, NLM_F_REQUEST, body, with_attribute(body, &head, sizeof head, RTA_DST, to, size));
	hear(t);
	assert_int_equal(t->count, 1);
	int rc = t->msg[0]->nlmsg_type == RTM_NEWROUTE
			 ? *(int *)RTA_DATA(attribute(t->msg[0], sizeof head, RTA_OIF))
			 : error_of(t->msg[0]);
	free(t);
	return rc;
}

static void only_loopback_has_a_route(void **state)
{
	static const uint8_t one6[16] = { [15] = 1 };
	static const uint8_t two6[16] = { 0x20, 1, [15] = 2 };

	(void)state;
	assert_int_equal(route_to(AF_INET, "\x7f\0\0\1", 4), 1);
	assert_int_equal(route_to(AF_INET, "\x7f\1\2\3", 4), 1);
	assert_int_equal(route_to(AF_INET, "\xc0\0\2\1", 4), -ENETUNREACH);
	assert_int_equal(route_to(AF_INET6, one6, 16), 1);
	assert_int_equal(route_to(AF_INET6, two6, 16), -ENETUNREACH);
	assert_int_equal(route_to(AF_INET6, one6, 4), -EINVAL);
	assert_int_equal(route_to(AF_PACKET, one6, 16), -EOPNOTSUPP);
}

static void other_lists_are_empty_and_end(void **state)
{
	static const uint16_t types[] = { RTM_GETROUTE, RTM_GETNEIGH, RTM_GETRULE, RTM_GETQDISC };

	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct talk *t = talk();

		ask(t, types[i], DUMP | NLM_F_ACK, &(struct rtmsg){ 0 }, sizeof(struct rtmsg));
		hear(t);
		assert_int_equal(t->count, 1);          /* the end of a list is its acknowledgement */
		assert_int_equal(t->msg[0]->nlmsg_type, NLMSG_DONE);
		free(t);
	}
}

static void nobody_may_change_anything(void **state)
{
	static const uint16_t types[] = { RTM_NEWLINK, RTM_DELLINK, RTM_SETLINK, RTM_NEWADDR, RTM_DELADDR, RTM_NEWROUTE,
					  RTM_DELROUTE, RTM_NEWNEIGH, RTM_NEWRULE, RTM_NEWQDISC };
	static const char body[32];

	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		refused(types[i], NLM_F_REQUEST, body, sizeof body, -EPERM);
		refused(types[i], DUMP, body, sizeof body, -EPERM);
	}
}

static void what_is_unknown_is_not_supported(void **state)
{
	static const char body[32];

	(void)state;
	refused(RTM_GETNEIGH, NLM_F_REQUEST, body, sizeof body, -EOPNOTSUPP);
	refused(RTM_GETNSID, DUMP, body, sizeof body, -EOPNOTSUPP);
	refused(0xfffe, NLM_F_REQUEST, body, sizeof body, -EOPNOTSUPP);
	refused(RTM_GETLINK, NLM_F_REQUEST, body, 8, -EINVAL);
}

static void an_acknowledgement_comes_when_it_is_asked_for(void **state)
{
	struct talk *t = talk();

	(void)state;
	ask(t, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, &(struct ifinfomsg){ .ifi_index = 1 }, sizeof(struct ifinfomsg));
	ask(t, NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, "", 0);
	ask(t, NLMSG_NOOP, NLM_F_REQUEST, "", 0);
	hear(t);
	assert_int_equal(t->count, 3);
	assert_int_equal(t->msg[0]->nlmsg_type, RTM_NEWLINK);
	assert_int_equal(error_of(t->msg[1]), 0);
	assert_int_equal(error_of(t->msg[2]), 0);
	free(t);
}

static void messages_of_one_datagram_are_answered_one_by_one_and_lists_once(void **state)
{
	struct talk *t = talk();

	(void)state;
	ask(t, RTM_GETLINK, NLM_F_REQUEST, &(struct ifinfomsg){ .ifi_index = 1 }, sizeof(struct ifinfomsg));
	ask(t, RTM_GETADDR, DUMP, "\0", 1);
	ask(t, RTM_GETADDR, DUMP, "\0", 1);
	hear(t);
	assert_int_equal(t->datagrams, 3);
	assert_int_equal(t->count, 5);
	assert_int_equal(t->msg[3]->nlmsg_type, NLMSG_DONE);
	assert_int_equal(error_of(t->msg[4]), -EBUSY);
	free(t);
}

static void lengths_that_lie_are_invalid_and_padding_is_nothing(void **state)
{
	struct talk *t = talk();
	uint32_t lie;

	(void)state;
	ask(t, RTM_GETADDR, DUMP, "\0\0\0\0\0\0\0\0", 8);
	for (lie = 0; lie < 16; lie++) {
		memcpy(t->data, &lie, sizeof lie);
		hear(t);
		assert_int_equal(error_of(t->msg[0]), -EINVAL);
	}
	lie = 25;
	memcpy(t->data, &lie, sizeof lie);
	hear(t);
	assert_int_equal(error_of(t->msg[0]), -EINVAL);
	lie = UINT32_MAX;
	memcpy(t->data, &lie, sizeof lie);
	hear(t);
	assert_int_equal(error_of(t->msg[0]), -EINVAL);

	lie = 24;
	memcpy(t->data, &lie, sizeof lie);
	hear_bytes(t, 24 + 128);                        /* iproute2 pads */
	assert_int_equal(t->count, 3);
	for (size_t len = 0; len < 16; len++) {
		hear_bytes(t, len);
		assert_int_equal(t->count, 0);
	}
	free(t);
}

static void an_attribute_that_lies_about_its_length_is_invalid(void **state)
{
	struct { struct ifinfomsg head; struct rtattr attr; char name[4]; } body = { .attr.rta_type = IFLA_IFNAME };

	(void)state;
	for (unsigned len = 0; len < 4; len++) {
		body.attr.rta_len = (uint16_t)len;
		refused(RTM_GETLINK, NLM_F_REQUEST, &body, sizeof body, -EINVAL);
	}
	body.attr.rta_len = 9;
	refused(RTM_GETLINK, NLM_F_REQUEST, &body, sizeof body, -EINVAL);
	body.attr.rta_len = 0xffff;
	refused(RTM_GETLINK, NLM_F_REQUEST, &body, sizeof body, -EINVAL);
}

static void a_flood_of_questions_ends_at_the_bound_with_whole_messages(void **state)
{
	struct talk *t = talk();

	(void)state;
	while (t->len + 64 < sizeof t->data)
		ask(t, RTM_NEWLINK, NLM_F_REQUEST, &(struct ifinfomsg){ 0 }, sizeof(struct ifinfomsg));
	hear(t);
	assert_true(t->out.full);
	assert_int_equal(t->count, NLMSG_REPLY_MAX / 40);
	assert_int_equal(error_of(t->msg[t->count - 1]), -EPERM);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_of_links_is_lo),
		cmocka_unit_test(addresses_are_those_of_the_family),
		cmocka_unit_test(who_asks_which_families_are_in_use_hears_of_both),
		cmocka_unit_test(one_link_is_found_by_index_or_either_name),
		cmocka_unit_test(only_loopback_has_a_route),
		cmocka_unit_test(other_lists_are_empty_and_end),
		cmocka_unit_test(nobody_may_change_anything),
		cmocka_unit_test(what_is_unknown_is_not_supported),
		cmocka_unit_test(an_acknowledgement_comes_when_it_is_asked_for),
		cmocka_unit_test(messages_of_one_datagram_are_answered_one_by_one_and_lists_once),
		cmocka_unit_test(lengths_that_lie_are_invalid_and_padding_is_nothing),
		cmocka_unit_test(an_attribute_that_lies_about_its_length_is_invalid),
		cmocka_unit_test(a_flood_of_questions_ends_at_the_bound_with_whole_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
