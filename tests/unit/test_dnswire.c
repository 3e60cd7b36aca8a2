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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
