/*
 * DNS messages of a hostile client and a hostile server. A question that is accepted must be answerable within its
 * size, and its name must read back from a question of our own; an answer must stay inside its message.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/dnswire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void answer(const struct dns_query *q)
{
	static struct addr ips[40];
	uint8_t out[DNS_UDP_MAX];
	struct dns_query again;

	for (size_t i = 0; i < 40; i++)
		ips[i] = (struct addr){ .family = (uint8_t)(i % 4 ? ADDR_V4 : ADDR_V6), .ip = { 192, 0, 2, (uint8_t)i } };
	require(q->udp_size >= DNS_UDP_MIN && q->udp_size <= sizeof out && strlen(q->name) < sizeof q->name);
	size_t n = dns_build_reply(q, &(struct dns_reply){ .rcode = q->rcode, .ip = ips, .count = 40 }, out, q->udp_size);
	require(n >= DNS_HEAD && n <= q->udp_size);
	require(dns_parse_query(out, n, &again) < 0);           /* an answer is no question */
}

/* What the resolver would send on must be the very name. */
static void forward(const struct dns_query *q)
{
	uint8_t out[DNS_HEAD + DNS_QUESTION_MAX];
	struct dns_query again;

	if (!q->is_host_name || q->rcode != DNS_NOERROR)
		return;
	int n = dns_build_query(q->id, q->name, q->type, out);
	require(n > 0 && (size_t)n <= sizeof out);
	require(dns_parse_query(out, (size_t)n, &again) == 0 && strcmp(again.name, q->name) == 0);
}

/* The first byte says what the rest is: a question, an answer, or the records of a fitting answer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_query q;
	static struct dns_result r;
	uint8_t msg[4096];

	if (size < 2 || size > 3000)
		return 0;
	uint16_t type = data[0] & 4 ? DNS_AAAA : DNS_A;
	if ((data[0] & 3) == 0 && dns_parse_query(data + 1, size - 1, &q) == 0) {
		answer(&q);
		forward(&q);
	} else if ((data[0] & 3) == 1) {
		dns_parse_answer(data + 1, size - 1, 0, "a.test", type, &r);
	} else if ((data[0] & 3) == 2) {
		size_t head = (size_t)dns_build_query(7, "a.test", type, msg);

		msg[2] |= 0x80;
		msg[7] = data[1];
		memcpy(msg + head, data + 2, size - 2);
		if (dns_parse_answer(msg, head + size - 2, 7, "a.test", type, &r) == 0)
			require(r.count <= DNS_ADDRS_MAX);
	}
	return 0;
}
