/* DNS messages: what a client asks, what is answered, what a server says; and the bytes that somebody would like us to
 * trip over. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/dnswire.h"

/* A message under construction. */
struct wire {
	uint8_t b[4096];
	size_t len;
};

static void w8(struct wire *w, unsigned v)
{
	w->b[w->len++] = (uint8_t)v;
}

static void w16(struct wire *w, unsigned v)
{
	w8(w, v >> 8);
	w8(w, v & 255);
}

static void w32(struct wire *w, uint32_t v)
{
	w16(w, v >> 16);
	w16(w, v & 0xffff);
}

static void head(struct wire *w, unsigned id, unsigned flags, const unsigned counts[4])
{
	w->len = 0;
	w16(w, id);
	w16(w, flags);
	for (int i = 0; i < 4; i++)
		w16(w, counts[i]);
}

/* "a.b" as labels; ends with the root. */
static void name(struct wire *w, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, ".");

		w8(w, (unsigned)n);
		memcpy(w->b + w->len, text, n);
		w->len += n;
		text += n + (text[n] == '.');
	}
	w8(w, 0);
}

static void question(struct wire *w, const char *text, unsigned type)
{
	name(w, text);
	w16(w, type);
	w16(w, 1);
}

static void rr(struct wire *w, unsigned type, uint32_t ttl, const void *data, size_t len)
{
	w16(w, type);
	w16(w, 1);
	w32(w, ttl);
	w16(w, (unsigned)len);
	memcpy(w->b + w->len, data, len);
	w->len += len;
}

static struct wire ask(const char *text, unsigned type)
{
	struct wire w;

	head(&w, 0x1234, 0x0100, (unsigned[4]){ 1, 0, 0, 0 });
	question(&w, text, type);
	return w;
}

static struct wire answer(const char *text, unsigned type, unsigned count)
{
	struct wire w;

	head(&w, 7, 0x8180, (unsigned[4]){ 1, count, 0, 0 });
	question(&w, text, type);
	return w;
}

static void a_question_is_read_in_lower_case_and_repeated_as_it_came(void **state)
{
	struct wire w = ask("ApI.Example.TEST", DNS_A);
	struct dns_query q;
	uint8_t out[DNS_UDP_MIN];

	(void)state;
	assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
	assert_int_equal(q.rcode, DNS_NOERROR);
	assert_int_equal(q.id, 0x1234);
	assert_int_equal(q.type, DNS_A);
	assert_string_equal(q.name, "api.example.test");
	assert_true(q.is_host_name && q.wants_recursion && !q.has_edns);
	assert_int_equal(q.udp_size, DNS_UDP_MIN);
	size_t n = dns_build_reply(&q, &(struct dns_reply){ .rcode = DNS_NXDOMAIN }, out, sizeof out);
	assert_int_equal(n, w.len);
	assert_memory_equal(out + DNS_HEAD, w.b + DNS_HEAD, w.len - DNS_HEAD);
	assert_int_equal(out[3] & 15, DNS_NXDOMAIN);
	assert_int_equal(out[2] & 0x81, 0x81);
}

static void edns_sets_the_size_within_bounds_and_is_answered(void **state)
{
	static const struct { unsigned asked, got; } rows[] = { { 0, 512 }, { 1000, 1000 }, { 65535, DNS_UDP_MAX } };
	struct dns_query q;
	uint8_t out[DNS_UDP_MIN];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire w = ask("a.test", DNS_AAAA);

		w.b[11] = 1;
		w8(&w, 0);
		w16(&w, DNS_OPT);
		w16(&w, rows[i].asked);
		w32(&w, 0);
		w16(&w, 4);
		w32(&w, 0x000a0000);    /* an empty cookie */
		assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
		assert_int_equal(q.rcode, DNS_NOERROR);
		assert_int_equal(q.udp_size, rows[i].got);
		size_t n = dns_build_reply(&q, &(struct dns_reply){ 0 }, out, sizeof out);
		assert_int_equal(out[11], 1);
		assert_int_equal(n, DNS_HEAD + q.question_len + 11);
	}
}

static void what_is_no_question_gets_no_answer_or_an_error(void **state)
{
	struct wire w = ask("a.test", DNS_A);
	struct dns_query q;

	(void)state;
	for (size_t n = 0; n < DNS_HEAD; n++)
		assert_int_equal(dns_parse_query(w.b, n, &q), -EBADMSG);
	for (size_t n = DNS_HEAD; n < w.len; n++) {
		assert_int_equal(dns_parse_query(w.b, n, &q), 0);
		assert_int_equal(q.rcode, DNS_FORMERR);
	}
	w.b[2] |= 0x80;
	assert_int_equal(dns_parse_query(w.b, w.len, &q), -EBADMSG);    /* else two servers could talk for ever */
	w.b[2] = 0x10;
	assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
	assert_int_equal(q.rcode, DNS_NOTIMP);
	w.b[2] = 1;
	w.b[5] = 2;
	assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
	assert_int_equal(q.rcode, DNS_FORMERR);
}

static void an_error_without_a_question_repeats_none(void **state)
{
	struct wire w = ask("a.test", DNS_A);
	struct dns_query q;
	uint8_t out[DNS_UDP_MIN];

	(void)state;
	assert_int_equal(dns_parse_query(w.b, DNS_HEAD + 3, &q), 0);
	assert_int_equal(dns_build_reply(&q, &(struct dns_reply){ .rcode = q.rcode }, out, sizeof out), DNS_HEAD);
	assert_int_equal(out[4] | out[5], 0);
}

static void a_pointer_in_a_question_is_refused(void **state)
{
	struct wire w;
	struct dns_query q;

	(void)state;
	head(&w, 1, 0, (unsigned[4]){ 1, 0, 0, 0 });
	w16(&w, 0xc00c);
	w16(&w, DNS_A);
	w16(&w, 1);
	assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
	assert_int_equal(q.rcode, DNS_FORMERR);
}

static void bytes_that_no_host_name_has_are_seen(void **state)
{
	static const char *const names[] = { "a b.test", "a\xff.test", "a\\.test", "*.test" };
	struct dns_query q;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct wire w = ask(names[i], DNS_A);

		assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
		assert_false(q.is_host_name);
		assert_non_null(strchr(q.name, '\\'));
	}
	/* A dot inside a label: "api.example" as one label must not read as two. */
	struct wire w;
	head(&w, 1, 0, (unsigned[4]){ 1, 0, 0, 0 });
	w8(&w, 5);
	memcpy(w.b + w.len, "a.com", 5);
	w.len += 5;
	w8(&w, 0);
	w32(&w, 0x00010001);
	assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
	assert_string_equal(q.name, "a\\046com");
	assert_false(q.is_host_name);
	/* The root. */
	w = ask("", DNS_A);
	assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
	assert_false(q.is_host_name);
	assert_string_equal(q.name, "");
}

static void the_longest_name_fits_and_a_longer_one_is_refused(void **state)
{
	struct dns_query q;

	(void)state;
	for (unsigned last = 61; last <= 62; last++) {
		struct wire w;

		head(&w, 1, 0, (unsigned[4]){ 1, 0, 0, 0 });
		for (int i = 0; i < 4; i++) {
			unsigned n = i < 3 ? 63 : last;

			w8(&w, n);
			memset(w.b + w.len, 0xff, n);
			w.len += n;
		}
		w8(&w, 0);
		w32(&w, 0x00010001);
		assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
		assert_int_equal(q.rcode, last == 61 ? DNS_NOERROR : DNS_FORMERR);
		if (last == 61)
			assert_int_equal(strlen(q.name), 250 * 4 + 3);
	}
}

static void addresses_are_answered_by_type(void **state)
{
	static const struct addr ips[] = {
		{ .family = ADDR_V4, .ip = { 192, 0, 2, 1 } },
		{ .family = ADDR_V6, .ip = { 0x20, 1, 0x0d, 0xb8, [15] = 9 } },
		{ .family = ADDR_V4, .ip = { 192, 0, 2, 2 } },
	};
	static const struct { unsigned type, count; } rows[] = { { DNS_A, 2 }, { DNS_AAAA, 1 }, { 65, 0 } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire w = ask("a.test", rows[i].type);
		struct dns_query q;
		struct dns_result r;
		uint8_t out[DNS_UDP_MIN];

		assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
		size_t n = dns_build_reply(&q, &(struct dns_reply){ .ttl = 77, .ip = ips, .count = 3 }, out, sizeof out);
		assert_int_equal(dns_parse_answer(out, n, 0x1234, "a.test", (uint16_t)rows[i].type, &r), 0);
		assert_int_equal(r.count, rows[i].count);
		if (r.count) {
			assert_int_equal(r.ttl, 77);
			assert_memory_equal(r.ip[0].ip, ips[i].ip, 16);
		}
	}
}

static void what_does_not_fit_is_marked_truncated(void **state)
{
	struct addr ips[64];
	struct wire w = ask("a.test", DNS_A);
	struct dns_query q;
	struct dns_result r;
	uint8_t out[DNS_UDP_MAX];

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		ips[i] = (struct addr){ .family = ADDR_V4, .ip = { 192, 0, 2, (uint8_t)i } };
	assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
	size_t n = dns_build_reply(&q, &(struct dns_reply){ .ip = ips, .count = 64 }, out, DNS_UDP_MIN);
	assert_int_equal(n, w.len);
	assert_int_equal(dns_parse_answer(out, n, 0x1234, "a.test", DNS_A, &r), 0);
	assert_true(r.truncated);
	assert_int_equal(r.count, 0);
	n = dns_build_reply(&q, &(struct dns_reply){ .ip = ips, .count = 64 }, out, sizeof out);
	assert_int_equal(dns_parse_answer(out, n, 0x1234, "a.test", DNS_A, &r), 0);
	assert_false(r.truncated);
	assert_int_equal(r.count, DNS_ADDRS_MAX);
}

static void a_query_is_built_that_reads_back(void **state)
{
	static const char *const bad[] = { "", ".", "a..b", "a.", ".a",
		"0123456789012345678901234567890123456789012345678901234567890123.test" };
	uint8_t out[DNS_HEAD + DNS_QUESTION_MAX];
	char longest[260];
	struct dns_query q;

	(void)state;
	int n = dns_build_query(99, "api.example.test", DNS_AAAA, out);
	assert_true(n > 0);
	assert_int_equal(dns_parse_query(out, (size_t)n, &q), 0);
	assert_string_equal(q.name, "api.example.test");
	assert_int_equal(q.id, 99);
	assert_int_equal(q.type, DNS_AAAA);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(dns_build_query(1, bad[i], DNS_A, out), -EINVAL);
	for (size_t len = 253; len <= 254; len++) {
		memset(longest, 'a', len);
		for (size_t i = 63; i < len; i += 64)
			longest[i] = '.';
		longest[len] = '\0';
		n = dns_build_query(1, longest, DNS_A, out);
		assert_int_equal(n, len == 253 ? DNS_HEAD + DNS_QUESTION_MAX : -EINVAL);
	}
}

static void aliases_are_followed_in_any_order(void **state)
{
	struct wire w = answer("www.test", DNS_A, 3);
	struct wire target = { .len = 0 };
	struct dns_result r;

	(void)state;
	name(&w, "cdn.test");
	rr(&w, DNS_A, 300, "\300\000\002\001", 4);
	w16(&w, 0xc00c);                        /* www.test, by a pointer */
	name(&target, "Cdn.test");
	rr(&w, DNS_CNAME, 20, target.b, target.len);
	name(&w, "other.test");
	rr(&w, DNS_A, 1, "\300\000\002\002", 4);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "www.test", DNS_A, &r), 0);
	assert_int_equal(r.count, 1);
	assert_int_equal(r.ttl, 20);
	assert_int_equal(r.ip[0].ip[3], 1);
}

static void aliases_that_lead_in_a_circle_end(void **state)
{
	struct wire w = answer("a.test", DNS_A, 2);
	struct wire t = { .len = 0 };
	struct dns_result r;

	(void)state;
	name(&t, "b.test");
	name(&w, "a.test");
	rr(&w, DNS_CNAME, 20, t.b, t.len);
	t.len = 0;
	name(&t, "a.test");
	name(&w, "b.test");
	rr(&w, DNS_CNAME, 20, t.b, t.len);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.test", DNS_A, &r), 0);
	assert_int_equal(r.count, 0);
}

static void only_the_answer_to_this_question_counts(void **state)
{
	struct wire w = answer("a.test", DNS_A, 1);
	struct dns_result r;

	(void)state;
	w16(&w, 0xc00c);
	rr(&w, DNS_A, 60, "\300\000\002\001", 4);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.test", DNS_A, &r), 0);
	assert_int_equal(r.count, 1);
	assert_int_equal(dns_parse_answer(w.b, w.len, 8, "a.test", DNS_A, &r), -EBADMSG);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "b.test", DNS_A, &r), -EBADMSG);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.test", DNS_AAAA, &r), -EBADMSG);
	for (size_t n = 0; n < w.len; n++)
		assert_int_equal(dns_parse_answer(w.b, n, 7, "a.test", DNS_A, &r), -EBADMSG);
	w.b[2] = 0;
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.test", DNS_A, &r), -EBADMSG);
}

static void pointers_only_lead_backwards(void **state)
{
	static const unsigned targets[] = { 0xc0ff, 0xc01c, 0xffff, 0xc01a };
	struct dns_result r;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct wire w = answer("ab.test", DNS_A, 1);    /* the answer begins at 12 + 9 + 4 = 25 */

		w8(&w, 1);
		w8(&w, 'x');
		w16(&w, targets[i]);
		rr(&w, DNS_A, 60, "\300\000\002\001", 4);
		assert_int_equal(dns_parse_answer(w.b, w.len, 7, "ab.test", DNS_A, &r), -EBADMSG);
	}
}

static void strange_addresses_are_left_out(void **state)
{
	static const uint8_t mapped[16] = { [10] = 255, [11] = 255, [12] = 127, [15] = 1 };
	struct wire w = answer("a.test", DNS_AAAA, 2);
	struct dns_result r;

	(void)state;
	w16(&w, 0xc00c);
	rr(&w, DNS_AAAA, 60, mapped, 16);
	w16(&w, 0xc00c);
	rr(&w, DNS_AAAA, 60, mapped, 4);        /* the wrong length */
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.test", DNS_AAAA, &r), 0);
	assert_int_equal(r.count, 0);
}

static void a_ttl_with_the_high_bit_is_zero(void **state)
{
	struct wire w = answer("a.test", DNS_A, 1);
	struct dns_result r;

	(void)state;
	w16(&w, 0xc00c);
	rr(&w, DNS_A, 0x80000001, "\300\000\002\001", 4);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.test", DNS_A, &r), 0);
	assert_int_equal(r.ttl, 0);
	memcpy(w.b + w.len - 10, "\x7f\xff\xff\xff", 4);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.test", DNS_A, &r), 0);
	assert_int_equal(r.ttl, INT32_MAX);
}

/* --- the edges --- */

/* A record in full: the owner by its labels. */
static void record(struct wire *w, const char *owner, unsigned type, const void *data, size_t len)
{
	name(w, owner);
	rr(w, type, 60, data, len);
}

static void alias(struct wire *w, const char *owner, const char *to)
{
	struct wire target = { .len = 0 };

	name(&target, to);
	record(w, owner, DNS_CNAME, target.b, target.len);
}

static void set_answers(struct wire *w, unsigned count)
{
	w->b[6] = (uint8_t)(count >> 8);
	w->b[7] = (uint8_t)count;
}

static const uint8_t first_ip[4] = { 192, 0, 2, 1 }, second_ip[4] = { 192, 0, 2, 2 };

static void flags_of_a_question_that_ask_nothing_of_us_are_passed_over(void **state)
{
	struct wire w = ask("a.test", DNS_A);
	struct dns_query q;
	uint8_t out[DNS_UDP_MIN];

	(void)state;
	w.b[2] = 0;                     /* no recursion */
	w.b[3] = 0x3f;                  /* authentic data, checking disabled, and a code that only answers have */
	assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
	assert_int_equal(q.rcode, DNS_NOERROR);
	assert_false(q.wants_recursion);
	dns_build_reply(&q, &(struct dns_reply){ 0 }, out, sizeof out);
	assert_int_equal(out[2], 0x80);
	assert_int_equal(out[3], 0x80);
}

static void every_byte_of_a_label_is_spelt(void **state)
{
	struct dns_query q;

	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		const bool upper = byte >= 'A' && byte <= 'Z';
		const bool host = upper || (byte && strchr("abcdefghijklmnopqrstuvwxyz0123456789-_", (int)byte));
		struct wire w;
		char want[8];

		head(&w, 1, 0, (unsigned[4]){ 1, 0, 0, 0 });
		w8(&w, 1);
		w8(&w, byte);
		w8(&w, 0);
		w32(&w, 0x00010001);
		snprintf(want, sizeof want, host ? "%c" : "\\%03u", upper ? byte + 32 : byte);
		assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
		assert_string_equal(q.name, want);
		assert_int_equal(q.is_host_name, host);
	}
}

static void a_name_that_is_broken_leaves_none(void **state)
{
	struct wire w = ask("ab.test", DNS_A);
	struct dns_query q;

	(void)state;
	w.b[DNS_HEAD + 3] = 0x80;       /* a length that no label has */
	assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
	assert_int_equal(q.rcode, DNS_FORMERR);
	assert_string_equal(q.name, "");
}

/* "a", by a pointer into the header, whose id is those bytes. */
static void a_question_has_no_pointer_even_backwards(void **state)
{
	struct wire w;
	struct dns_query q;
	struct dns_result r;

	(void)state;
	head(&w, 0x0161, 0, (unsigned[4]){ 1, 0, 0, 0 });
	w16(&w, 0xc000);
	w32(&w, 0x00010001);
	assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
	assert_int_equal(q.rcode, DNS_FORMERR);
	head(&w, 7, 0x8000, (unsigned[4]){ 1, 0, 0, 0 });
	w16(&w, 0xc005);                /* the count of questions: one byte, which is zero */
	w32(&w, 0x00010001);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "\\000", DNS_A, &r), -EBADMSG);
}

static void a_question_brings_no_records_but_additional_ones(void **state)
{
	static const struct {
		unsigned answers, authorities, opts, others;
		const char *owner;
		bool cut;
		unsigned rcode;
	} rows[] = {
		{ 0, 0, 1, 1, "", false, DNS_NOERROR },  { 0, 0, 1, 127, "", false, DNS_NOERROR },
		{ 0, 0, 1, 128, "", false, DNS_FORMERR }, { 0, 0, 0, 2, "", false, DNS_NOERROR },
		{ 0, 0, 2, 0, "", false, DNS_FORMERR },  { 0, 0, 1, 0, "a", false, DNS_FORMERR },
		{ 0, 0, 1, 0, "", true, DNS_FORMERR },   { 1, 1, 0, 0, "", false, DNS_FORMERR },
		{ 1, 0, 0, 0, "", false, DNS_FORMERR },  { 0, 1, 0, 0, "", false, DNS_FORMERR },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct wire w = ask("a.test", DNS_A);
		struct dns_query q;

		w.b[7] = (uint8_t)rows[i].answers;
		w.b[9] = (uint8_t)rows[i].authorities;
		w.b[11] = (uint8_t)(rows[i].opts + rows[i].others);
		for (unsigned n = rows[i].answers + rows[i].authorities + rows[i].others; n; n--)
			record(&w, "x", 250, "", 0);
		for (unsigned n = rows[i].opts; n; n--)
			record(&w, rows[i].owner, DNS_OPT, "", 0);
		assert_int_equal(dns_parse_query(w.b, w.len - rows[i].cut, &q), 0);
		if (q.rcode != rows[i].rcode)
			fail_msg("row %zu: %u", i, q.rcode);
		if (q.rcode == DNS_NOERROR)
			assert_int_equal(q.has_edns, rows[i].opts == 1);
	}
}

static void a_query_has_these_bytes(void **state)
{
	static const uint8_t want[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\1a\1b\0\0\x1c\0\1";
	uint8_t out[DNS_HEAD + DNS_QUESTION_MAX];

	(void)state;
	assert_int_equal(dns_build_query(0x1234, "a.b", DNS_AAAA, out), sizeof want - 1);
	assert_memory_equal(out, want, sizeof want - 1);
}

static void a_reply_has_these_bytes(void **state)
{
	static const uint8_t tail[] = "\xc0\x0c\0\x1c\0\1\x12\x34\x56\x78\0\x10"
				      " \1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\t"
				      "\0\0\x29\4\xd0\0\0\0\0\0\0";
	/* what stands behind the last one is not looked at */
	static const struct addr ips[2] = {
		{ .family = ADDR_V6, .ip = { 0x20, 1, 0x0d, 0xb8, [15] = 9 } }, { .family = ADDR_V6, .ip = { 1 } },
	};
	struct wire w = ask("a.test", DNS_AAAA);
	struct dns_query q;
	uint8_t out[DNS_UDP_MIN];

	(void)state;
	w.b[11] = 1;
	record(&w, "", DNS_OPT, "", 0);
	assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
	size_t n = dns_build_reply(&q, &(struct dns_reply){ .ttl = 0x12345678, .ip = ips, .count = 1 }, out, sizeof out);
	assert_int_equal(n, DNS_HEAD + q.question_len + sizeof tail - 1);
	assert_memory_equal(out + DNS_HEAD + q.question_len, tail, sizeof tail - 1);
	assert_memory_equal(out + 4, "\0\1\0\1\0\0\0\1", 8);
}

static void a_reply_that_just_fits_is_whole(void **state)
{
	struct addr ips[64];
	uint8_t out[4096];

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		ips[i] = (struct addr){ .family = i % 2 ? ADDR_V4 : ADDR_V6, .ip = { 192, 0, 2, (uint8_t)i } };
	for (int edns = 0; edns < 2; edns++)
		for (unsigned type = DNS_A; type <= DNS_AAAA; type += DNS_AAAA - DNS_A) {
			struct wire w = ask("a.test", type);
			const struct dns_reply reply = { .ip = ips, .count = 64 };
			struct dns_query q;

			w.b[11] = (uint8_t)edns;
			if (edns)
				record(&w, "", DNS_OPT, "", 0);
			assert_int_equal(dns_parse_query(w.b, w.len, &q), 0);
			size_t n = dns_build_reply(&q, &reply, out, sizeof out);
			assert_int_equal(out[2] & 2, 0);
			assert_int_equal(dns_build_reply(&q, &reply, out, n), n);
			assert_int_equal(dns_build_reply(&q, &reply, out, n - 1), w.len);
			assert_int_equal(out[2] & 2, 2);
		}
}

static void a_code_and_truncation_are_told_and_take_no_addresses(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 16; code++)
		for (unsigned truncated = 0; truncated < 2; truncated++) {
			struct wire w = answer("a.test", DNS_A, 1);
			struct dns_result r;

			w.b[2] = (uint8_t)(0x81 | truncated << 1);
			w.b[3] = (uint8_t)(0xf0 | code);
			record(&w, "a.test", DNS_A, first_ip, 4);
			assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.test", DNS_A, &r), 0);
			assert_int_equal(r.rcode, code);
			assert_int_equal(r.truncated, truncated);
			assert_int_equal(r.count, !code && !truncated);
			if (r.count)
				assert_int_equal(r.ip[0].family, ADDR_V4);
		}
}

static void an_answer_has_so_many_records_and_no_more(void **state)
{
	(void)state;
	for (unsigned count = 128; count <= 129; count++) {
		struct wire w = answer("a.test", DNS_A, count);
		struct dns_result r;

		for (unsigned i = 1; i < count; i++)
			record(&w, "", 250, "", 0);
		record(&w, "a.test", DNS_A, first_ip, 4);
		assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.test", DNS_A, &r), count == 128 ? 0 : -EBADMSG);
		if (count == 128)
			assert_int_equal(r.count, 1);
	}
}

static void a_chain_of_aliases_has_an_end(void **state)
{
	(void)state;
	for (unsigned links = 8; links <= 9; links++) {
		struct wire w = answer("n0.test", DNS_A, links + 1);
		struct dns_result r;
		char from[16], to[16];

		for (unsigned i = 0; i < links; i++) {
			snprintf(from, sizeof from, "n%u.test", i);
			snprintf(to, sizeof to, "n%u.test", i + 1);
			alias(&w, from, to);
		}
		record(&w, to, DNS_A, first_ip, 4);
		assert_int_equal(dns_parse_answer(w.b, w.len, 7, "n0.test", DNS_A, &r), 0);
		assert_int_equal(r.count, links == 8);
	}
}

/* Of several aliases the first counts, and none where the name has addresses itself. */
static void what_an_alias_is(void **state)
{
	struct dns_result r;
	struct wire w = answer("www.example.test", DNS_A, 3);

	(void)state;
	alias(&w, "www.example.test", "b.t");           /* shorter than what it stands for */
	alias(&w, "www.example.test", "c.t");
	record(&w, "c.t", DNS_A, first_ip, 4);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "www.example.test", DNS_A, &r), 0);
	assert_int_equal(r.count, 0);
	record(&w, "b.t", DNS_A, second_ip, 4);
	set_answers(&w, 4);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "www.example.test", DNS_A, &r), 0);
	assert_int_equal(r.count, 1);
	assert_memory_equal(r.ip[0].ip, second_ip, 4);

	w = answer("a.t", DNS_A, 3);
	record(&w, "a.t", DNS_A, first_ip, 4);
	alias(&w, "a.t", "b.t");
	record(&w, "b.t", DNS_A, second_ip, 4);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.t", DNS_A, &r), 0);
	assert_int_equal(r.count, 1);
	assert_memory_equal(r.ip[0].ip, first_ip, 4);

	w = answer("a.t", DNS_A, 2);
	record(&w, "a.t", DNS_A, "\1x", 3);             /* an address of three bytes, which would be a name */
	record(&w, "x", DNS_A, second_ip, 4);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.t", DNS_A, &r), 0);
	assert_int_equal(r.count, 0);

	w = answer("a.t", DNS_A, 2);
	alias(&w, "a.t", "");
	record(&w, "", DNS_A, second_ip, 4);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.t", DNS_A, &r), 0);
	assert_int_equal(r.count, 0);
}

/* The target's last byte is not in the record: it is the owner of the next one. */
static void an_alias_stays_in_its_record(void **state)
{
	struct wire w = answer("a.t", DNS_A, 3);
	struct dns_result r;

	(void)state;
	record(&w, "a.t", DNS_CNAME, "\1b\1t", 4);
	record(&w, "", DNS_A, first_ip, 4);
	record(&w, "b.t", DNS_A, second_ip, 4);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.t", DNS_A, &r), 0);
	assert_int_equal(r.count, 0);
}

static void pointers_lead_far_and_over_others(void **state)
{
	static const uint8_t filler[300];
	struct wire w = answer("a.test", DNS_A, 4);
	struct dns_result r;

	(void)state;
	record(&w, "", 250, filler, sizeof filler);
	const unsigned far = (unsigned)w.len;           /* beyond what one byte says */
	w8(&w, 1);
	w8(&w, 'b');
	w16(&w, 0xc00e);                                /* ".test" of the question */
	rr(&w, DNS_A, 60, first_ip, 4);
	w16(&w, 0xc00c);
	rr(&w, DNS_CNAME, 60, (uint8_t[2]){ (uint8_t)(0xc0 | far >> 8), (uint8_t)far }, 2);
	w16(&w, 0xc000 | far);                          /* by two pointers */
	rr(&w, DNS_A, 60, second_ip, 4);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.test", DNS_A, &r), 0);
	assert_int_equal(r.count, 2);
	assert_memory_equal(r.ip[1].ip, second_ip, 4);
}

static void a_pointer_to_itself_ends(void **state)
{
	struct wire w = answer("ab.test", DNS_A, 1);
	struct dns_result r;

	(void)state;
	w16(&w, 0xc000 | (unsigned)w.len);
	rr(&w, DNS_A, 60, first_ip, 4);
	assert_int_equal(dns_parse_answer(w.b, w.len, 7, "ab.test", DNS_A, &r), -EBADMSG);
}

static void a_record_of_another_type_is_no_address(void **state)
{
	(void)state;
	for (size_t len = 0; len < 2; len++) {
		struct wire w = answer("a.test", 65, 1);
		struct dns_result r;

		record(&w, "a.test", 65, "x", len);
		assert_int_equal(dns_parse_answer(w.b, w.len, 7, "a.test", 65, &r), 0);
		assert_int_equal(r.count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_is_read_in_lower_case_and_repeated_as_it_came),
		cmocka_unit_test(edns_sets_the_size_within_bounds_and_is_answered),
		cmocka_unit_test(what_is_no_question_gets_no_answer_or_an_error),
		cmocka_unit_test(an_error_without_a_question_repeats_none),
		cmocka_unit_test(a_pointer_in_a_question_is_refused),
		cmocka_unit_test(bytes_that_no_host_name_has_are_seen),
		cmocka_unit_test(the_longest_name_fits_and_a_longer_one_is_refused),
		cmocka_unit_test(addresses_are_answered_by_type),
		cmocka_unit_test(what_does_not_fit_is_marked_truncated),
		cmocka_unit_test(a_query_is_built_that_reads_back),
		cmocka_unit_test(aliases_are_followed_in_any_order),
		cmocka_unit_test(aliases_that_lead_in_a_circle_end),
		cmocka_unit_test(only_the_answer_to_this_question_counts),
		cmocka_unit_test(pointers_only_lead_backwards),
		cmocka_unit_test(strange_addresses_are_left_out),
		cmocka_unit_test(a_ttl_with_the_high_bit_is_zero),
		cmocka_unit_test(flags_of_a_question_that_ask_nothing_of_us_are_passed_over),
		cmocka_unit_test(every_byte_of_a_label_is_spelt),
		cmocka_unit_test(a_name_that_is_broken_leaves_none),
		cmocka_unit_test(a_question_has_no_pointer_even_backwards),
		cmocka_unit_test(a_question_brings_no_records_but_additional_ones),
		cmocka_unit_test(a_query_has_these_bytes),
		cmocka_unit_test(a_reply_has_these_bytes),
		cmocka_unit_test(a_reply_that_just_fits_is_whole),
		cmocka_unit_test(a_code_and_truncation_are_told_and_take_no_addresses),
		cmocka_unit_test(an_answer_has_so_many_records_and_no_more),
		cmocka_unit_test(a_chain_of_aliases_has_an_end),
		cmocka_unit_test(what_an_alias_is),
		cmocka_unit_test(an_alias_stays_in_its_record),
		cmocka_unit_test(pointers_lead_far_and_over_others),
		cmocka_unit_test(a_pointer_to_itself_ends),
		cmocka_unit_test(a_record_of_another_type_is_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
