/*
 * DNS messages as bytes: reading a question and an answer that may be hostile, building both. It opens nothing and
 * believes nothing; names come out lower case without a final dot.
 */
#ifndef BASE_DNSWIRE_H
#define BASE_DNSWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define DNS_TEXT_MAX 1024               /* 255 bytes, each perhaps as \DDD, and the NUL */
#define DNS_HEAD 12
#define DNS_QUESTION_MAX 259            /* a name, type and class */
#define DNS_UDP_MIN 512                 /* what every client takes */
#define DNS_UDP_MAX 1232                /* what passes every path unfragmented; larger wishes are cut to it */
#define DNS_MESSAGE_MAX 65535
#define DNS_ADDRS_MAX 32                /* addresses kept of one answer */

enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_AAAA = 28,
	DNS_OPT = 41,
	DNS_ANY = 255,
};

enum dns_rcode {
	DNS_NOERROR,
	DNS_FORMERR,
	DNS_SERVFAIL,
	DNS_NXDOMAIN,
	DNS_NOTIMP,
	DNS_REFUSED,
};

struct dns_query {
	uint16_t id;
	uint16_t type;
	uint16_t class;                 /* 1: the internet */
	bool wants_recursion;
	bool has_edns;
	uint16_t udp_size;              /* the longest answer that the client takes over UDP */
	uint8_t rcode;                  /* not DNS_NOERROR: only worth this answer, the name may be empty */
	bool is_host_name;              /* letters, digits, hyphens, underscores and dots only */
	char name[DNS_TEXT_MAX];        /* other bytes are \DDD */
	uint8_t question[DNS_QUESTION_MAX];     /* as it came: clients compare the case of letters */
	size_t question_len;
};

/* 0, also when q->rcode says that only an error can be answered; -EBADMSG: this deserves no answer at all. */
int dns_parse_query(const uint8_t *msg, size_t len, struct dns_query *q);

struct dns_reply {
	uint8_t rcode;
	uint32_t ttl;
	const struct addr *ip;          /* those of the other family are left out */
	size_t count;
};

/* The length. An answer that would pass `room` (at least DNS_UDP_MIN) is sent without addresses and marked truncated. */
size_t dns_build_reply(const struct dns_query *q, const struct dns_reply *reply, uint8_t *out, size_t room);

/* A question for a host name; `out` has DNS_HEAD + DNS_QUESTION_MAX bytes. The length, or -EINVAL for a name that has no
 * form on the wire. */
int dns_build_query(uint16_t id, const char *name, uint16_t type, uint8_t *out);

struct dns_result {
	uint8_t rcode;
	bool truncated;                 /* ask again over TCP */
	uint32_t ttl;                   /* the least of the addresses and the aliases that led to them */
	size_t count;
	struct addr ip[DNS_ADDRS_MAX];
};

/* What a server answered to exactly this question; aliases inside the message are followed. 0, or -EBADMSG for an answer
 * to something else or a broken one. */
int dns_parse_answer(const uint8_t *msg, size_t len, uint16_t id, const char *name, uint16_t type,
		     struct dns_result *out);

#endif
