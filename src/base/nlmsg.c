/*
 * Route netlink as a machine answers it that has the loopback interface and nothing else: requests in, replies out.
 *
 * The order of checks and what a reply holds are the kernel's (net/netlink/af_netlink.c, net/core/rtnetlink.c).
 */
#include "base/nlmsg.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

#define LO_INDEX 1
#define LO_MTU 65536
#define LO_QUEUE 1000
#define LO_TYPE 772             /* ARPHRD_LOOPBACK */
#define LO_FLAGS 0x10049U       /* UP, LOOPBACK, RUNNING, LOWER_UP; the headers of kernel and libc clash over the names */
#define ALT_IFNAME 53           /* IFLA_ALT_IFNAME, of 5.5 */
#define LAST_TYPE 191           /* above are no questions of any kernel so far */
#define FOREVER UINT32_MAX

/* One message of a request and where its reply goes. */
struct question {
	const struct nlmsg_request *req;
	struct nlmsghdr head;
	const uint8_t *body;
	size_t body_len;
	bool dumped;            /* a list was asked for in the same datagram before */
	struct nlmsg_replies *out;
};

/* --- building --- */

static size_t align4(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

/* Appends bytes with zeros up to the alignment; gives their place, or NULL and sets full. */
static void *put(struct nlmsg_replies *out, const void *data, size_t len)
{
	uint8_t *at = out->data + out->len;

	if (out->full || align4(len) > sizeof out->data - out->len) {
		out->full = true;
		return NULL;
	}
	memset(at, 0, align4(len));
	if (data)
		memcpy(at, data, len);
	out->len += align4(len);
	return at;
}

/* A datagram is its length and its bytes. What does not fit leaves no part of itself behind. */
static size_t begin_datagram(struct nlmsg_replies *out)
{
	size_t start = out->len;

	put(out, NULL, sizeof(uint32_t));
	return start;
}

static void end_datagram(struct nlmsg_replies *out, size_t start)
{
	uint32_t len = (uint32_t)(out->len - start - sizeof len);

	if (out->full)
		out->len = start;
	else
		memcpy(out->data + start, &len, sizeof len);
}

static size_t begin_message(const struct question *q, uint16_t type, uint16_t flags, const void *body, size_t len)
{
	const struct nlmsghdr head = {
		.nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = q->head.nlmsg_seq, .nlmsg_pid = q->req->port_id,
	};
	size_t start = q->out->len;

	put(q->out, &head, sizeof head);
	put(q->out, body, len);
	return start;
}

static void end_message(const struct question *q, size_t start)
{
	uint32_t len = (uint32_t)(q->out->len - start);

	if (!q->out->full)
		memcpy(q->out->data + start, &len, sizeof len);
}

static void attribute(const struct question *q, uint16_t type, const void *data, size_t len)
{
	const struct rtattr attr = { .rta_type = type, .rta_len = (uint16_t)(sizeof attr + len) };

	put(q->out, &attr, sizeof attr);
	put(q->out, data, len);
}

static void attribute_u32(const struct question *q, uint16_t type, uint32_t value)
{
	attribute(q, type, &value, sizeof value);
}

static void attribute_u8(const struct question *q, uint16_t type, uint8_t value)
{
	attribute(q, type, &value, sizeof value);
}

/* --- what there is --- */

static void put_link(const struct question *q, uint16_t flags)
{
	const struct ifinfomsg lo = { .ifi_type = LO_TYPE, .ifi_index = LO_INDEX, .ifi_flags = LO_FLAGS };
	static const uint8_t no_address[6];
	static const struct rtnl_link_stats no_traffic;
	static const struct rtnl_link_stats64 no_traffic64;
	static const struct { uint16_t type; uint32_t value; } numbers[] = {
		{ IFLA_TXQLEN, LO_QUEUE },      { IFLA_MTU, LO_MTU },           { IFLA_GROUP, 0 },
		{ IFLA_PROMISCUITY, 0 },        { IFLA_NUM_TX_QUEUES, 1 },      { IFLA_NUM_RX_QUEUES, 1 },
	};
	size_t start = begin_message(q, RTM_NEWLINK, flags, &lo, sizeof lo);

	attribute(q, IFLA_IFNAME, "lo", sizeof "lo");
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		attribute_u32(q, numbers[i].type, numbers[i].value);
	attribute_u8(q, IFLA_OPERSTATE, 0);     /* unknown, as loopback always is */
	attribute_u8(q, IFLA_LINKMODE, 0);
	attribute_u8(q, IFLA_CARRIER, 1);
	attribute(q, IFLA_ADDRESS, no_address, sizeof no_address);
	attribute(q, IFLA_BROADCAST, no_address, sizeof no_address);
	attribute(q, IFLA_QDISC, "noqueue", sizeof "noqueue");
	attribute(q, IFLA_STATS64, &no_traffic64, sizeof no_traffic64);
	attribute(q, IFLA_STATS, &no_traffic, sizeof no_traffic);
	end_message(q, start);
}

static void put_address(const struct question *q, int family, uint8_t prefix, uint8_t scope, const void *address)
{
	const struct ifaddrmsg msg = {
		.ifa_family = (uint8_t)family, .ifa_prefixlen = prefix, .ifa_flags = IFA_F_PERMANENT, .ifa_scope = scope,
		.ifa_index = LO_INDEX,
	};
	static const struct ifa_cacheinfo life = { .ifa_prefered = FOREVER, .ifa_valid = FOREVER };
	size_t len = family == AF_INET ? 4 : 16;
	size_t start = begin_message(q, RTM_NEWADDR, NLM_F_MULTI, &msg, sizeof msg);

	attribute(q, IFA_ADDRESS, address, len);
	if (family == AF_INET) {
		attribute(q, IFA_LOCAL, address, len);
		attribute(q, IFA_LABEL, "lo", sizeof "lo");
	}
	attribute_u32(q, IFA_FLAGS, IFA_F_PERMANENT);
	attribute(q, IFA_CACHEINFO, &life, sizeof life);
	end_message(q, start);
}

static const uint8_t loopback4[4] = { 127, 0, 0, 1 };
static const uint8_t loopback6[16] = { [15] = 1 };

/* --- answers: 0 or -errno --- */

static int dump_nothing(const struct question *q)
{
	(void)q;
	return 0;
}

static int dump_links(const struct question *q)
{
	if (q->body[0] != AF_BRIDGE)
		put_link(q, NLM_F_MULTI);
	return 0;
}

/*
 * getaddrinfo of glibc asks for addresses to learn which families are in use, and does not count loopback: told the
 * truth, it would find no name at all for who wants one family and AI_ADDRCONFIG, also where the policy lets connections
 * out. Its question has a shape of its own: the first on its socket, for every family, and with the padding of a C
 * structure. It is told of one address more in each family, of the ranges set aside for such (RFC 7600, RFC 6666).
 */
static bool asks_for_families(const struct question *q)
{
	return q->req->first && q->req->len == 20 && q->head.nlmsg_len == 20 && q->body[0] == AF_UNSPEC;
}

static int dump_addresses(const struct question *q)
{
	static const uint8_t dummy4[4] = { 192, 0, 0, 8 };
	static const uint8_t dummy6[16] = { 1, 0, [15] = 1 };
	uint8_t family = q->body[0];
	uint32_t index = 0;

	if (q->body_len >= sizeof(struct ifaddrmsg))
		memcpy(&index, q->body + offsetof(struct ifaddrmsg, ifa_index), sizeof index);
	if (index > LO_INDEX)
		return 0;
	if (family != AF_INET6)
		put_address(q, AF_INET, 8, RT_SCOPE_HOST, loopback4);
	if (family != AF_INET)
		put_address(q, AF_INET6, 128, RT_SCOPE_HOST, loopback6);
	if (asks_for_families(q)) {
		put_address(q, AF_INET, 32, RT_SCOPE_UNIVERSE, dummy4);
		put_address(q, AF_INET6, 128, RT_SCOPE_UNIVERSE, dummy6);
	}
	return 0;
}

/* The attribute of that type behind a fixed head: 1 and its value, 0 without one, -EINVAL when lengths lie. */
static int find(const struct question *q, size_t fixed, uint16_t type, const uint8_t **value, size_t *len)
{
	size_t at = align4(fixed);
	struct rtattr attr;
	int found = 0;

	while (at < q->body_len && q->body_len - at >= sizeof attr) {
		memcpy(&attr, q->body + at, sizeof attr);
		if (attr.rta_len < sizeof attr || attr.rta_len > q->body_len - at)
			return -EINVAL;
		if ((attr.rta_type & NLA_TYPE_MASK) == type) {
			*value = q->body + at + sizeof attr;
			*len = attr.rta_len - sizeof attr;
			found = 1;
		}
		at += align4(attr.rta_len);
	}
	return found;
}

static bool is_lo(const uint8_t *name, size_t len)
{
	return (len == 2 || (len > 2 && name[2] == '\0')) && memcmp(name, "lo", 2) == 0;
}

/* What the question begins with behind its header. */
static int fixed_part(const struct question *q, void *out, size_t size)
{
	if (q->body_len < size)
		return -EINVAL;
	memcpy(out, q->body, size);
	return 0;
}

static int one_link(const struct question *q)
{
	const uint8_t *name = NULL;
	struct ifinfomsg asked;
	size_t len = 0;

	if (fixed_part(q, &asked, sizeof asked) < 0)
		return -EINVAL;
	int rc = find(q, sizeof asked, IFLA_IFNAME, &name, &len);
	if (rc == 0)
		rc = find(q, sizeof asked, ALT_IFNAME, &name, &len);
	if (rc < 0)
		return rc;
	if (asked.ifi_index <= 0 && rc == 0)
		return -EINVAL;
	if (asked.ifi_index > 0 ? asked.ifi_index != LO_INDEX : !is_lo(name, len))
		return -ENODEV;
	put_link(q, 0);
	return 0;
}

/* Where an address would be sent: loopback is here, and no other way is known. */
static int one_route(const struct question *q)
{
	static const uint8_t net127[1] = { 127 };
	static const struct rta_cacheinfo unused;
	const uint8_t *to = loopback4;
	struct rtmsg asked;
	size_t len = 0;

	if (fixed_part(q, &asked, sizeof asked) < 0)
		return -EINVAL;
	bool v4 = asked.rtm_family == AF_INET;
	if (!v4 && asked.rtm_family != AF_INET6)
		return -EOPNOTSUPP;
	int rc = find(q, sizeof asked, RTA_DST, &to, &len);
	if (rc < 0 || (rc > 0 && len < (v4 ? 4 : 16)))
		return -EINVAL;
	if (rc == 0 || memcmp(to, v4 ? net127 : loopback6, v4 ? 1 : 16) != 0)
		return -ENETUNREACH;

	const struct rtmsg route = {
		.rtm_family = asked.rtm_family, .rtm_dst_len = v4 ? 32 : 128, .rtm_table = RT_TABLE_MAIN,
		.rtm_type = RTN_LOCAL, .rtm_flags = RTM_F_CLONED,
	};
	size_t start = begin_message(q, RTM_NEWROUTE, 0, &route, sizeof route);
	attribute_u32(q, RTA_TABLE, RT_TABLE_MAIN);
	attribute(q, RTA_DST, to, v4 ? 4 : 16);
	attribute_u32(q, RTA_OIF, LO_INDEX);
	attribute(q, RTA_PREFSRC, v4 ? loopback4 : loopback6, v4 ? 4 : 16);
	attribute(q, RTA_CACHEINFO, &unused, sizeof unused);
	end_message(q, start);
	return 0;
}

static const struct subject {
	uint16_t type;
	int (*list)(const struct question *q);
	int (*one)(const struct question *q);
} subjects[] = {
	{ RTM_GETLINK,      dump_links,     one_link  },
	{ RTM_GETADDR,      dump_addresses, NULL      },
	{ RTM_GETROUTE,     dump_nothing,   one_route },
	{ RTM_GETNEIGH,     dump_nothing,   NULL      },
	{ RTM_GETRULE,      dump_nothing,   NULL      },
	{ RTM_GETQDISC,     dump_nothing,   NULL      },
	{ RTM_GETTCLASS,    dump_nothing,   NULL      },
	{ RTM_GETTFILTER,   dump_nothing,   NULL      },
	{ RTM_GETMULTICAST, dump_nothing,   NULL      },
	{ RTM_GETANYCAST,   dump_nothing,   NULL      },
	{ RTM_GETNEIGHTBL,  dump_nothing,   NULL      },
	{ RTM_GETADDRLABEL, dump_nothing,   NULL      },
};

static const struct subject *subject_of(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
		if (subjects[i].type == type)
			return &subjects[i];
	return NULL;
}

/* --- one message --- */

static void put_error(const struct question *q, int rc)
{
	const struct nlmsgerr msg = { .error = rc, .msg = q->head };
	size_t datagram = begin_datagram(q->out);

	end_message(q, begin_message(q, NLMSG_ERROR, NLM_F_CAPPED, &msg, sizeof msg));
	end_datagram(q->out, datagram);
}

static int answer_list(struct question *q, const struct subject *s)
{
	static const int all_sent = 0;

	if (q->dumped)
		return -EBUSY;          /* one list at a time, as the kernel has it */
	q->dumped = true;
	size_t datagram = begin_datagram(q->out);
	int rc = s->list(q);
	end_message(q, begin_message(q, NLMSG_DONE, NLM_F_MULTI, &all_sent, sizeof all_sent));
	end_datagram(q->out, datagram);
	return rc;
}

static int answer_one(const struct question *q, const struct subject *s)
{
	if (!s->one)
		return -EOPNOTSUPP;
	size_t datagram = begin_datagram(q->out);
	int rc = s->one(q);
	if (rc < 0)
		q->out->len = datagram;
	else
		end_datagram(q->out, datagram);
	return rc;
}

/* 0, -errno, or 1 when a list was sent, whose end is its acknowledgement. */
static int answer(struct question *q)
{
	if (q->head.nlmsg_type > LAST_TYPE)
		return -EOPNOTSUPP;
	if (q->body_len < sizeof(struct rtgenmsg))
		return 0;
	if (((q->head.nlmsg_type - RTM_BASE) & 3) != 2)         /* new, delete, set: nobody may */
		return -EPERM;

	const struct subject *s = subject_of(q->head.nlmsg_type);
	if (!s)
		return -EOPNOTSUPP;
	if (!(q->head.nlmsg_flags & NLM_F_DUMP))
		return answer_one(q, s);
	int rc = answer_list(q, s);
	return rc < 0 ? rc : 1;
}

static void take_message(struct question *q)
{
	int rc = 0;

	if (q->head.nlmsg_flags & NLM_F_REQUEST && q->head.nlmsg_type >= NLMSG_MIN_TYPE)
		rc = answer(q);
	if (rc < 0 || (rc == 0 && q->head.nlmsg_flags & NLM_F_ACK))
		put_error(q, rc);
}

/* Programs pad what they send, so bytes behind the first message that are no message are nothing, as in the kernel. */
void nlmsg_answer(const struct nlmsg_request *req, struct nlmsg_replies *out)
{
	struct question q = { .req = req, .out = out };
	const uint8_t *data = req->data;
	size_t at = 0;

	out->len = 0;
	out->full = false;
	while (at < req->len && req->len - at >= sizeof q.head && !out->full) {
		memcpy(&q.head, data + at, sizeof q.head);
		if (q.head.nlmsg_len < sizeof q.head || q.head.nlmsg_len > req->len - at) {
			if (at == 0)
				put_error(&q, -EINVAL);
			return;
		}
		q.body = data + at + sizeof q.head;
		q.body_len = q.head.nlmsg_len - sizeof q.head;
		take_message(&q);
		at += align4(q.head.nlmsg_len);
	}
}

bool nlmsg_next(const struct nlmsg_replies *replies, size_t *at, const void **data, size_t *len)
{
	uint32_t size;

	if (*at >= replies->len)
		return false;
	memcpy(&size, replies->data + *at, sizeof size);
	*data = replies->data + *at + sizeof size;
	*len = size;
	*at += sizeof size + size;
	return true;
}
