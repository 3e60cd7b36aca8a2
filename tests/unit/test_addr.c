/* Internet addresses: the structures of the kernel, text, what embeds what, and the kinds of places. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/mem.h"

static struct addr parsed(const char *text)
{
	struct addr a;

	if (addr_parse(view_of(text), &a) < 0)
		fail_msg("'%s' is not read", text);
	return a;
}

static void assert_prints(const struct addr *a, const char *bare, const char *with_port)
{
	AUTO(str) struct str s = STR(100);
	AUTO(str) struct str t = STR(100);

	addr_print(a, &s);
	assert_string_equal(s.buf, bare);
	addr_print_port(a, &t);
	assert_string_equal(t.buf, with_port);
}

static void literals_are_read_and_printed_canonically(void **state)
{
	static const char *const rows[][3] = {
		{ "192.0.2.1", "192.0.2.1", "192.0.2.1:443" },
		{ "2001:DB8:0:0::1", "2001:db8::1", "[2001:db8::1]:443" },
		{ "::ffff:10.1.2.3", "10.1.2.3", "10.1.2.3:443" },
		{ "::ffff:a01:203", "10.1.2.3", "10.1.2.3:443" },
		{ "::", "::", "[::]:443" },
		{ "fe80::1%7", "fe80::1%7", "[fe80::1%7]:443" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addr a = parsed(rows[i][0]);

		a.port = 443;
		assert_prints(&a, rows[i][1], rows[i][2]);
	}
}

static void what_is_no_literal_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "0x7f.0.0.1", " 1.2.3.4", "[::1]", "::1:", "1::2::3", "host",
		"1.2.3.4%1", "2001:db8::1%1", "fe80::1%eth0", "fe80::1%", "fe80::1%0", "1.2.3.4/8", "2130706433",
	};
	static const char long_text[300] = "0000:0000:0000:0000:0000:0000:255.255.255.255";
	struct addr a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (addr_parse(view_of(bad[i]), &a) != -EINVAL)
			fail_msg("'%s' is read", bad[i]);
	assert_int_equal(addr_parse((struct view){ "1.2.3.4\0x", 9 }, &a), -EINVAL);
	for (size_t len = 46; len < sizeof long_text; len++)
		assert_int_equal(addr_parse((struct view){ long_text, len }, &a), -EINVAL);
}

static void structures_of_the_kernel_are_read_with_every_length(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(0xc0000201) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_scope_id = 3,
				    .sin6_addr.s6_addr = { 0xfe, 0x80, [15] = 9 } };
	struct addr a;

	(void)state;
	for (size_t len = 0; len <= sizeof in; len++)
		assert_int_equal(addr_from_sockaddr(&in, len, &a), len < 8 ? -EINVAL : 0);
	assert_prints(&a, "192.0.2.1", "192.0.2.1:53");
	for (size_t len = 2; len < 24; len++)
		assert_int_equal(addr_from_sockaddr(&in6, len, &a), -EINVAL);
	assert_int_equal(addr_from_sockaddr(&in6, 24, &a), 0);
	assert_prints(&a, "fe80::9", "[fe80::9]:80");
	assert_int_equal(addr_from_sockaddr(&in6, 128, &a), 0);
	assert_prints(&a, "fe80::9%3", "[fe80::9%3]:80");
}

/* "fe80::1%3" is read where a scope means something; of other addresses the kernel's is dropped. */
static void scopes_are_of_neighbours_and_of_their_groups(void **state)
{
	static const struct {
		const char *ip;
		bool scoped;
	} rows[] = {
		{ "fe80::1", true }, { "febf::1", true }, { "fec0::1", false }, { "fe7f::1", false }, { "ff80::1", false },
		{ "ee80::1", false }, { "ff01::1", true }, { "ff02::1", true }, { "ff11::1", true }, { "fff2::1", true },
		{ "ff00::1", false }, { "ff03::1", false }, { "ff05::1", false }, { "ff0e::1", false }, { "fe01::1", false },
		{ "fe02::1", false }, { "fd02::1", false }, { "::1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_scope_id = 3 };
		AUTO(str) struct str text = STR(100);
		struct addr a = parsed(rows[i].ip);

		memcpy(in6.sin6_addr.s6_addr, a.ip, 16);
		str_addf(&text, "%s%%3", rows[i].ip);
		if ((addr_parse(view_of(text.buf), &a) == 0) != rows[i].scoped)
			fail_msg("%s", text.buf);
		assert_int_equal(addr_from_sockaddr(&in6, sizeof in6, &a), 0);
		assert_int_equal(a.scope, rows[i].scoped ? 3 : 0);
	}
}

static void what_is_not_read_is_no_address(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = 1, .sin_addr.s_addr = 1 };
	struct addr a;

	(void)state;
	memset(&a, 0xff, sizeof a);
	assert_int_equal(addr_from_sockaddr(&in, 7, &a), -EINVAL);
	assert_int_equal(a.family, ADDR_NONE);
	memset(&a, 0xff, sizeof a);
	assert_int_equal(addr_parse(view_of("host"), &a), -EINVAL);
	assert_int_equal(a.family, ADDR_NONE);
}

static void zeros_in_a_structure_become_the_loopback(void **state)
{
	static const char *const rows[][2] = {
		{ "0.0.0.0", "127.0.0.1" }, { "0.0.0.1", "0.0.0.1" }, { "1.0.0.0", "1.0.0.0" }, { "192.0.2.1", "192.0.2.1" },
		{ "::", "::1" }, { "::1", "::1" }, { "::2", "::2" }, { "1::", "1::" }, { "::1:0:0", "::1:0:0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (int v6_socket = 0; v6_socket < 2; v6_socket++) {
			struct addr from = parsed(rows[i][0]);
			struct addr to = parsed(rows[i][1]);
			uint8_t before[28], wanted[28], bytes[28];

			from.port = to.port = 443;
			const size_t len = addr_to_sockaddr(&from, v6_socket, before);
			const size_t least = len == 16 ? 8 : 24;

			addr_to_sockaddr(&to, v6_socket, wanted);
			for (size_t given = 0; given <= len; given++) {
				memcpy(bytes, before, len);
				addr_settle(bytes, given);
				assert_memory_equal(bytes, given < least ? before : wanted, len);
			}
		}
}

static void structures_of_other_families_are_not_settled(void **state)
{
	static const uint8_t zeros[28] = { AF_UNIX };
	uint8_t bytes[28];

	(void)state;
	memcpy(bytes, zeros, sizeof bytes);
	addr_settle(bytes, sizeof bytes);
	assert_memory_equal(bytes, zeros, sizeof bytes);
}

static void other_families_are_not_ours(void **state)
{
	const sa_family_t families[] = { AF_UNSPEC, AF_UNIX, AF_NETLINK, 255 };
	uint8_t bytes[128] = { 0 };
	struct addr a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		memcpy(bytes, &families[i], sizeof families[i]);
		assert_int_equal(addr_from_sockaddr(bytes, sizeof bytes, &a), -EAFNOSUPPORT);
		assert_int_equal(addr_from_sockaddr(bytes, 2, &a), -EAFNOSUPPORT);
	}
	assert_int_equal(addr_from_sockaddr(bytes, 1, &a), -EINVAL);
}

static void a_mapped_address_is_ipv4_and_goes_back_mapped(void **state)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_scope_id = 4,
				    .sin6_addr.s6_addr = { [10] = 0xff, 0xff, 10, 0, 0, 1 } };
	uint8_t out[28];
	struct addr a;
	struct addr b;

	(void)state;
	assert_int_equal(addr_from_sockaddr(&in6, sizeof in6, &a), 0);
	assert_int_equal(a.family, ADDR_V4);
	assert_int_equal(a.scope, 0);
	assert_int_equal(addr_to_sockaddr(&a, true, out), 28);
	in6.sin6_scope_id = 0;
	assert_memory_equal(out, &in6, sizeof in6);
	assert_int_equal(addr_to_sockaddr(&a, false, out), 16);
	assert_int_equal(addr_from_sockaddr(out, 16, &b), 0);
	assert_memory_equal(&a, &b, sizeof a);
}

static void ipv6_goes_there_and_back_with_its_scope(void **state)
{
	struct addr a = parsed("fe80::abcd%12");
	struct addr b;
	uint8_t out[28];

	(void)state;
	a.port = 8080;
	assert_int_equal(addr_to_sockaddr(&a, false, out), 28);
	assert_int_equal(addr_from_sockaddr(out, 28, &b), 0);
	assert_prints(&b, "fe80::abcd%12", "[fe80::abcd%12]:8080");
}

static void nat64_and_6to4_embed_an_address(void **state)
{
	static const char *const rows[][2] = {
		{ "64:ff9b::a9fe:a9fe", "169.254.169.254:443" }, { "64:ff9b::10.0.0.1", "10.0.0.1:443" },
		{ "2002:0a00:0001::", "10.0.0.1:443" }, { "2002:c000:201:1234::5", "192.0.2.1:443" },
		{ "64:ff9b:1::169.254.169.254", "169.254.169.254:443" }, { "64:ff9b:1:fffe::10.0.0.1", "10.0.0.1:443" },
		{ "64:ff9b:1:a00:0:100::", "10.0.0.1:443" }, { "64:ff9b:1:a9fe:a9:fe00::", "169.254.169.254:443" },
		{ "64:ff9b:1:aa0a:0:1::", "10.0.0.1:443" }, { "64:ff9b:1:abcd:a:0:100:0", "10.0.0.1:443" },
		/* which bytes, of the four forms */
		{ "64:ff9b:1:aabb:ccdd:eeff:102:304", "1.2.3.4:443" }, { "64:ff9b:1:aabb:1:203:400:0", "1.2.3.4:443" },
		{ "64:ff9b:1:aa01:2:304:0:0", "1.2.3.4:443" }, { "64:ff9b:1:102:3:400:0:0", "1.2.3.4:443" },
		/* each of the bytes that say it is the longest */
		{ "64:ff9b:1:100:100::", "0.0.0.0:443" }, { "64:ff9b:1:100::0.5.0.0", "0.5.0.0:443" },
		{ "64:ff9b:1:100::0.0.5.0", "0.0.5.0:443" }, { "64:ff9b:1:100::0.0.0.5", "0.0.0.5:443" },
		{ "64:ff9b:2::10.0.0.1", NULL }, { "64:ff9b::1:0:0", NULL },
		{ "64:ff9b:0:0:1::1", NULL }, { "2003::1", NULL }, { "2001:db8::1", NULL }, { "192.0.2.1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO(str) struct str s = STR(100);
		struct addr a = parsed(rows[i][0]);
		struct addr inner;

		a.port = 443;
		assert_int_equal(addr_embedded_v4(&a, &inner), rows[i][1] != NULL);
		if (!rows[i][1])
			continue;
		addr_print_port(&inner, &s);
		assert_string_equal(s.buf, rows[i][1]);
	}
}

static void every_kind_of_place_is_known_to_its_borders(void **state)
{
	static const struct {
		const char *text;
		enum addr_kind kind;
	} rows[] = {
		{ "0.0.0.0", ADDR_LOOPBACK }, { "127.0.0.1", ADDR_LOOPBACK }, { "127.255.255.255", ADDR_LOOPBACK },
		{ "126.255.255.255", ADDR_PUBLIC }, { "128.0.0.0", ADDR_PUBLIC }, { "::", ADDR_LOOPBACK },
		{ "::1", ADDR_LOOPBACK }, { "::2", ADDR_PUBLIC }, { "::ffff:127.0.0.1", ADDR_LOOPBACK },
		{ "10.0.0.0", ADDR_PRIVATE }, { "10.255.255.255", ADDR_PRIVATE }, { "11.0.0.0", ADDR_PUBLIC },
		{ "172.15.255.255", ADDR_PUBLIC }, { "172.16.0.0", ADDR_PRIVATE }, { "172.31.255.255", ADDR_PRIVATE },
		{ "172.32.0.0", ADDR_PUBLIC }, { "192.168.0.1", ADDR_PRIVATE }, { "192.169.0.0", ADDR_PUBLIC },
		{ "100.64.0.0", ADDR_PRIVATE }, { "100.127.255.255", ADDR_PRIVATE }, { "100.128.0.0", ADDR_PUBLIC },
		{ "fc00::", ADDR_PRIVATE }, { "fdff::1", ADDR_PRIVATE }, { "fe00::", ADDR_PUBLIC },
		{ "169.254.0.1", ADDR_LINK_LOCAL }, { "169.253.0.1", ADDR_PUBLIC }, { "fe80::1", ADDR_LINK_LOCAL },
		{ "febf::1", ADDR_LINK_LOCAL }, { "fec0::1", ADDR_PRIVATE }, { "169.254.169.254", ADDR_METADATA },
		{ "169.254.170.2", ADDR_METADATA }, { "fd00:ec2::254", ADDR_METADATA }, { "fd00:ec2::255", ADDR_PRIVATE },
		{ "fd20:ce::254", ADDR_METADATA }, { "100.100.100.200", ADDR_METADATA }, { "fe80::a9fe:a9fe", ADDR_METADATA },
		{ "223.255.255.255", ADDR_PUBLIC }, { "224.0.0.1", ADDR_MULTICAST }, { "239.255.255.255", ADDR_MULTICAST },
		{ "255.255.255.255", ADDR_MULTICAST }, { "ff02::1", ADDR_MULTICAST }, { "240.0.0.1", ADDR_PRIVATE },
		{ "64:ff9b::169.254.169.254", ADDR_METADATA }, { "2002:7f00:1::1", ADDR_LOOPBACK },
		{ "64:ff9b:1::169.254.169.254", ADDR_METADATA }, { "64:ff9b:1::127.0.0.1", ADDR_LOOPBACK },
		{ "64:ff9b:1::8.8.8.8", ADDR_PRIVATE }, { "169.254.0.23", ADDR_METADATA }, { "169.254.42.42", ADDR_METADATA },
		{ "fd00:42::42", ADDR_METADATA },
		{ "64:ff9b::8.8.8.8", ADDR_PUBLIC }, { "192.0.2.1", ADDR_PUBLIC }, { "2001:db8::1", ADDR_PUBLIC },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addr a = parsed(rows[i].text);

		if (addr_kind(&a) != rows[i].kind)
			fail_msg("%s is of kind %d", rows[i].text, addr_kind(&a));
	}
}

/* The next address, or the one before. */
static struct addr neighbour(struct addr a, int step)
{
	for (int i = a.family == ADDR_V4 ? 3 : 15; i >= 0; i--) {
		a.ip[i] = (uint8_t)(a.ip[i] + step);
		if (a.ip[i] != (step > 0 ? 0 : 0xff))
			break;
	}
	return a;
}

/* Both ends of each block, and what stands on their other side. */
static void blocks_of_places_end_where_they_should(void **state)
{
	enum { NOTHING = -1 };
	static const struct {
		const char *net;
		unsigned bits;
		int before, kind, after;
	} rows[] = {
		{ "0.0.0.0", 8, NOTHING, ADDR_LOOPBACK, ADDR_PUBLIC }, { "127.0.0.0", 8, ADDR_PUBLIC, ADDR_LOOPBACK, ADDR_PUBLIC },
		{ "10.0.0.0", 8, ADDR_PUBLIC, ADDR_PRIVATE, ADDR_PUBLIC },
		{ "172.16.0.0", 12, ADDR_PUBLIC, ADDR_PRIVATE, ADDR_PUBLIC },
		{ "192.168.0.0", 16, ADDR_PUBLIC, ADDR_PRIVATE, ADDR_PUBLIC },
		{ "100.64.0.0", 10, ADDR_PUBLIC, ADDR_PRIVATE, ADDR_PUBLIC },
		{ "192.0.0.0", 24, ADDR_PUBLIC, ADDR_PRIVATE, ADDR_PUBLIC },
		{ "198.18.0.0", 15, ADDR_PUBLIC, ADDR_PRIVATE, ADDR_PUBLIC },
		{ "169.254.0.0", 16, ADDR_PUBLIC, ADDR_LINK_LOCAL, ADDR_PUBLIC },
		{ "224.0.0.0", 4, ADDR_PUBLIC, ADDR_MULTICAST, ADDR_PRIVATE },
		{ "240.0.0.0", 5, ADDR_MULTICAST, ADDR_PRIVATE, ADDR_PRIVATE },
		{ "255.255.255.254", 32, ADDR_PRIVATE, ADDR_PRIVATE, ADDR_MULTICAST },
		{ "::", 127, NOTHING, ADDR_LOOPBACK, ADDR_PUBLIC }, { "fc00::", 7, ADDR_PUBLIC, ADDR_PRIVATE, ADDR_PUBLIC },
		{ "fe80::", 10, ADDR_PUBLIC, ADDR_LINK_LOCAL, ADDR_PRIVATE },
		{ "fec0::", 10, ADDR_LINK_LOCAL, ADDR_PRIVATE, ADDR_MULTICAST },
		{ "ff00::", 8, ADDR_PRIVATE, ADDR_MULTICAST, NOTHING },
		/* metadata services: one address each */
		{ "169.254.169.254", 32, ADDR_LINK_LOCAL, ADDR_METADATA, ADDR_LINK_LOCAL },
		{ "169.254.0.23", 32, ADDR_LINK_LOCAL, ADDR_METADATA, ADDR_LINK_LOCAL },
		{ "169.254.42.42", 32, ADDR_LINK_LOCAL, ADDR_METADATA, ADDR_LINK_LOCAL },
		{ "169.254.170.2", 32, ADDR_LINK_LOCAL, ADDR_METADATA, ADDR_LINK_LOCAL },
		{ "169.254.170.23", 32, ADDR_LINK_LOCAL, ADDR_METADATA, ADDR_LINK_LOCAL },
		{ "100.100.100.200", 32, ADDR_PRIVATE, ADDR_METADATA, ADDR_PRIVATE },
		{ "168.63.129.16", 32, ADDR_PUBLIC, ADDR_METADATA, ADDR_PUBLIC },
		{ "192.0.0.192", 32, ADDR_PRIVATE, ADDR_METADATA, ADDR_PRIVATE },
		{ "fd00:ec2::254", 128, ADDR_PRIVATE, ADDR_METADATA, ADDR_PRIVATE },
		{ "fd00:ec2::23", 128, ADDR_PRIVATE, ADDR_METADATA, ADDR_PRIVATE },
		{ "fd00:42::42", 128, ADDR_PRIVATE, ADDR_METADATA, ADDR_PRIVATE },
		{ "fd20:ce::254", 128, ADDR_PRIVATE, ADDR_METADATA, ADDR_PRIVATE },
		{ "fe80::a9fe:a9fe", 128, ADDR_LINK_LOCAL, ADDR_METADATA, ADDR_LINK_LOCAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct addr first = parsed(rows[i].net);
		struct addr last = first;

		for (unsigned bit = rows[i].bits; bit < (first.family == ADDR_V4 ? 32U : 128U); bit++)
			last.ip[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
		const struct addr before = neighbour(first, -1);
		const struct addr after = neighbour(last, 1);

		if (addr_kind(&first) != (enum addr_kind)rows[i].kind || addr_kind(&last) != (enum addr_kind)rows[i].kind)
			fail_msg("%s/%u: %d and %d", rows[i].net, rows[i].bits, addr_kind(&first), addr_kind(&last));
		if (rows[i].before != NOTHING && addr_kind(&before) != (enum addr_kind)rows[i].before)
			fail_msg("before %s: %d", rows[i].net, addr_kind(&before));
		if (rows[i].after != NOTHING && addr_kind(&after) != (enum addr_kind)rows[i].after)
			fail_msg("after %s/%u: %d", rows[i].net, rows[i].bits, addr_kind(&after));
	}
}

static void a_block_holds_what_shares_its_bits(void **state)
{
	static const struct {
		const char *ip;
		const char *net;
		unsigned bits;
		bool in;
	} rows[] = {
		{ "10.1.2.3", "10.0.0.0", 8, true }, { "11.0.0.0", "10.0.0.0", 8, false },
		{ "192.0.2.127", "192.0.2.0", 25, true }, { "192.0.2.128", "192.0.2.0", 25, false },
		{ "192.0.2.1", "192.0.2.1", 32, true }, { "192.0.2.2", "192.0.2.1", 32, false },
		{ "1.2.3.4", "0.0.0.0", 0, true }, { "::1", "0.0.0.0", 0, false }, { "1.2.3.4", "::", 0, false },
		{ "2001:db8::1", "2001:db8::", 32, true }, { "2001:db9::1", "2001:db8::", 32, false },
		{ "::1", "::1", 128, true }, { "::1", "::", 127, true }, { "::2", "::", 127, false },
		{ "1.2.3.4", "1.2.3.4", 33, false }, { "::1", "::1", 129, false },
		{ "10.127.0.0", "10.0.0.0", 9, true }, { "10.128.0.0", "10.0.0.0", 9, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addr a = parsed(rows[i].ip);
		struct addr net = parsed(rows[i].net);

		if (addr_in(&a, &net, rows[i].bits) != rows[i].in)
			fail_msg("%s in %s/%u", rows[i].ip, rows[i].net, rows[i].bits);
	}
}

static void the_host_of_a_block_is_cleared_bit_by_bit(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits <= 128; bits++) {
		struct addr a = { .family = ADDR_V6 };

		memset(a.ip, 0xff, sizeof a.ip);
		addr_clear_host(&a, bits);
		for (unsigned i = 0; i < 128; i++)
			assert_int_equal(a.ip[i / 8] >> (7 - i % 8) & 1, i < bits);
	}
}

static void the_same_ip_is_the_same_with_any_port_and_scope(void **state)
{
	struct addr a = parsed("fe80::1%2");
	struct addr b = parsed("fe80::1");
	struct addr c = parsed("1.2.3.4");

	(void)state;
	a.port = 1;
	assert_true(addr_same_ip(&a, &b));
	assert_false(addr_same_ip(&a, &c));
	b = parsed("fe80::2");
	assert_false(addr_same_ip(&a, &b));
	b = parsed("0.0.0.0");
	c = parsed("::");
	assert_false(addr_same_ip(&b, &c));
}

static void zeros_become_the_loopback_and_nothing_else_changes(void **state)
{
	static const char *const rows[][2] = {
		{ "0.0.0.0", "127.0.0.1" }, { "::", "::1" }, { "::ffff:0.0.0.0", "127.0.0.1" }, { "0.0.0.1", "0.0.0.1" },
		{ "127.0.0.2", "127.0.0.2" }, { "::2", "::2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct addr a;
		struct addr wanted;

		assert_int_equal(addr_parse(view_of(rows[i][0]), &a), 0);
		assert_int_equal(addr_parse(view_of(rows[i][1]), &wanted), 0);
		addr_name_this_machine(&a);
		assert_true(addr_same_ip(&a, &wanted));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_are_read_and_printed_canonically),
		cmocka_unit_test(what_is_no_literal_is_refused),
		cmocka_unit_test(structures_of_the_kernel_are_read_with_every_length),
		cmocka_unit_test(scopes_are_of_neighbours_and_of_their_groups),
		cmocka_unit_test(what_is_not_read_is_no_address),
		cmocka_unit_test(zeros_in_a_structure_become_the_loopback),
		cmocka_unit_test(structures_of_other_families_are_not_settled),
		cmocka_unit_test(other_families_are_not_ours),
		cmocka_unit_test(a_mapped_address_is_ipv4_and_goes_back_mapped),
		cmocka_unit_test(ipv6_goes_there_and_back_with_its_scope),
		cmocka_unit_test(nat64_and_6to4_embed_an_address),
		cmocka_unit_test(every_kind_of_place_is_known_to_its_borders),
		cmocka_unit_test(blocks_of_places_end_where_they_should),
		cmocka_unit_test(a_block_holds_what_shares_its_bits),
		cmocka_unit_test(zeros_become_the_loopback_and_nothing_else_changes),
		cmocka_unit_test(the_host_of_a_block_is_cleared_bit_by_bit),
		cmocka_unit_test(the_same_ip_is_the_same_with_any_port_and_scope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
