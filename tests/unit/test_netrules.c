/* The grammar of network rules: every row of the documented table, what is refused and where, and the way back to text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

#include "base/mem.h"
#include "policy/netrules.h"

static void print_all(const struct net_rules *rules, struct str *out)
{
	for (size_t i = 0; i < rules->len; i++) {
		str_add(out, i ? " " : "");
		net_rule_print(&rules->at[i], out);
	}
}

static void assert_reads(const char *text, bool deny, const char *want)
{
	AUTO(str) struct str s = STR(10000);
	struct net_rules rules = { 0 };
	struct error err = { 0 };

	if (net_rules_add(&rules, view_of(text), deny, 3, "--net-allow", &err) < 0)
		fail_msg("'%s' is refused: %s", text, err.text);
	print_all(&rules, &s);
	if (strcmp(s.buf ? s.buf : "", want) != 0)
		fail_msg("'%s' is read as '%s'", text, s.buf);
	for (size_t i = 0; i < rules.len; i++) {
		assert_int_equal(rules.at[i].word, 3);
		assert_int_equal(rules.at[i].deny, deny);
		assert_int_equal(rules.at[i].ip.port, 0);
	}
	net_rules_fini(&rules);
}

static void values_are_read_as_documented(void **state)
{
	static const char *const rows[][2] = {
		{ "example.com:443", "tcp://example.com:443 udp://example.com:443" },
		{ "example.com", "tcp://example.com udp://example.com" },
		{ "example.com:*", "tcp://example.com udp://example.com" },
		{ "example.com:*,*", "tcp://example.com udp://example.com" },
		{ ":443", "tcp://*:443 udp://*:443" },
		{ "*:443", "tcp://*:443 udp://*:443" },
		{ "*", "tcp://* udp://*" },
		{ "*:*", "tcp://* udp://*" },
		{ ":*", "tcp://* udp://*" },
		{ "tcp://*", "tcp://*" },
		{ "tcp://:443", "tcp://*:443" },
		{ "tcp://1.2.3.4:80,443", "tcp://1.2.3.4:80,443" },
		{ "tcp://1.2.3.4: 80 , 443", "tcp://1.2.3.4:80,443" },
		{ "tcp://x:443,80,80", "tcp://x:80,443" },
		{ "tcp://x:80-90", "tcp://x:80-90" },
		{ "tcp://x:85-95,80-84,97,96,200", "tcp://x:80-97,200" },
		{ "tcp://x:1-65535", "tcp://x:1-65535" },
		{ "tcp://x:5 - 6", "tcp://x:5-6" },
		{ "tcp://x:10,1-20,15-30", "tcp://x:1-30" },
		{ "tcp://10.0.0.0/8:22", "tcp://10.0.0.0/8:22" },
		{ "tcp://10.1.2.3/8", "tcp://10.0.0.0/8" },
		{ "tcp://10.1.2.3/32", "tcp://10.1.2.3" },
		{ "tcp://0.0.0.0/0:80", "tcp://0.0.0.0/0:80" },
		{ "::1", "tcp://::1 udp://::1" },
		{ "::", "tcp://::1 udp://::1" },
		{ "0.0.0.0:80", "tcp://127.0.0.1:80 udp://127.0.0.1:80" },
		{ "tcp://0.0.0.0/32", "tcp://127.0.0.1" },
		{ "tcp://::/128", "tcp://::1" },
		{ "tcp://::ffff:0.0.0.0/128", "tcp://127.0.0.1" },
		{ "tcp://2001:db8::/32", "tcp://2001:db8::/32" },
		{ "tcp://fc00::/7", "tcp://fc00::/7" },
		{ "tcp://2001:db8::53", "tcp://2001:db8::53" },
		{ "tcp://1:2:3:4:5:6:7:8", "tcp://1:2:3:4:5:6:7:8" },
		{ "tcp://2001:db8::1:abcd", "tcp://2001:db8::1:abcd" },
		{ "tcp://[::1]:8080", "tcp://[::1]:8080" },
		{ "tcp://[::1]", "tcp://::1" },
		{ "tcp://[2001:db8::1:443]", "tcp://[2001:db8::1:443]" },
		{ "tcp://[2001:db8::/32]:53", "tcp://[2001:db8::/32]:53" },
		{ "tcp://[1.2.3.4]:80", "tcp://1.2.3.4:80" },
		{ "tcp://::ffff:10.0.0.1", "tcp://10.0.0.1" },
		{ "tcp://::ffff:10.0.0.0/104", "tcp://10.0.0.0/8" },
		{ "tcp://[::ffff:10.9.9.9/104]:22", "tcp://10.0.0.0/8:22" },
		{ "tcp://::ffff:0:0/96", "tcp://0.0.0.0/0" },
		{ "udp://1.1.1.1:53", "udp://1.1.1.1:53" },
		{ "icmp://1.1.1.1", "icmp://1.1.1.1" },
		{ "icmp://*", "icmp://*" },
		{ "icmp://::1", "icmp://::1" },
		{ "icmp://[::1]", "icmp://::1" },
		{ "icmp", "icmp://*" },
		{ "*://1.1.1.1", "tcp://1.1.1.1 udp://1.1.1.1 icmp://1.1.1.1" },
		{ "*://1.1.1.1:53", "tcp://1.1.1.1:53 udp://1.1.1.1:53" },
		{ "tcp://*.Example.COM.:443", "tcp://*.example.com:443" },
		{ "tcp://API.example.com.", "tcp://api.example.com" },
		{ "tcp://my_host-1.internal:1", "tcp://my_host-1.internal:1" },
		{ "tcp://localhost:8080", "tcp://localhost:8080" },
		{ "tcp://3com.com:80", "tcp://3com.com:80" },
		{ "tcp://zZ9_-a.Z", "tcp://zz9_-a.z" },
		{ "tcp://a.", "tcp://a" },
		{ "tcp://*.a", "tcp://*.a" },
		{ "tcp://x.cafe", "tcp://x.cafe" },             /* hexadecimal only behind 0x */
		{ "tcp://a.0xg", "tcp://a.0xg" },
		{ "tcp://a.0ab", "tcp://a.0ab" },
		{ "tcp://a.axe", "tcp://a.axe" },
		{ "tcp://x:5,7", "tcp://x:5,7" },
		{ "tcp://x:7,5", "tcp://x:5,7" },
		{ "tcp://x:30,20,10,5", "tcp://x:5,10,20,30" },
		{ "tcp://x:65535", "tcp://x:65535" },
		{ "tcp://2001:db8::1:0", "tcp://2001:db8::1:0" },       /* 0 is no port */
		{ "*://[::1]:53", "tcp://[::1]:53 udp://[::1]:53" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_reads(rows[i][0], false, rows[i][1]);
}

static void denials_are_read_as_documented(void **state)
{
	(void)state;
	assert_reads("10.0.0.0/8", true, "tcp://10.0.0.0/8 udp://10.0.0.0/8");
	assert_reads("tcp://:25", true, "tcp://*:25");
	assert_reads("udp", true, "udp://*");
	assert_reads("raw", true, "");
}

struct bad {
	const char *text;
	unsigned column;
	const char *why;
};

static void assert_refused(const struct bad *row, bool deny)
{
	AUTO(str) struct str column = STR(50);
	struct net_rules rules = { 0 };
	struct error err = { 0 };

	str_addf(&column, ", column %u: ", row->column);
	if (net_rules_add(&rules, view_of(row->text), deny, 0, "web.toml:3", &err) != -EINVAL)
		fail_msg("'%s' is not refused", row->text);
	if (!strstr(err.text, row->why) || !strstr(err.text, column.buf) || strncmp(err.text, "web.toml:3: '", 13) != 0 ||
	    strstr(err.text, "[]"))
		fail_msg("'%s': %s", row->text, err.text);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_int_equal(rules.len, 0);
	net_rules_fini(&rules);
}

static void what_is_wrong_is_refused_with_its_column(void **state)
{
	static const struct bad rows[] = {
		{ "", 1, "empty" },
		{ "tcp://", 7, "empty" },
		{ "icmp://", 8, "empty" },
		{ "icmp://1.1.1.1:7", 8, "no ports" },
		{ "icmp://:7", 8, "no ports" },
		{ "sctp://x", 1, "tcp, udp, icmp" },
		{ "TCP://x", 1, "tcp, udp, icmp" },
		{ "icmp-raw://x", 1, "tcp, udp, icmp" },
		{ "://x", 1, "tcp, udp, icmp" },
		{ "[foo]:80", 2, "inside brackets" },
		{ "[::1", 1, "not closed" },
		{ "[::1]80", 6, "after the bracket" },
		{ "[::1]:", 7, "port is missing" },
		{ "x:0", 3, "port 0" },
		{ "x:0-5", 3, "port 0" },
		{ "x:", 3, "port is missing" },
		{ "x:abc", 3, "up to 65535" },
		{ "x:70000", 3, "up to 65535" },
		{ "x:80,", 6, "port is missing" },
		{ "x:80,,81", 6, "port is missing" },
		{ "x:80, y", 7, "up to 65535" },
		{ "x:+80", 3, "up to 65535" },
		{ "x:-80", 3, "port is missing" },
		{ "x:80-", 6, "port is missing" },
		{ "x:90-80", 3, "reversed" },
		{ "x:1-2-3", 5, "up to 65535" },
		{ "x:80,*", 3, "cannot be mixed" },
		{ "1.2.3.0/33", 9, "from 0 to 32" },
		{ "1.2.3.0/", 9, "from 0 to 32" },
		{ "::/129", 4, "from 0 to 128" },
		{ "::ffff:10.0.0.0/90", 17, "96 bits" },
		{ "foo/24", 1, "not an address" },
		{ "foo/24:80", 1, "not an address" },
		{ "http://example.com", 1, "tcp, udp, icmp" },
		{ "a b:80", 2, "letters" },
		{ " 1.2.3.4", 1, "letters" },
		{ "1.2.3.4 ", 8, "letters" },
		{ "fe80::1%eth0", 8, "no '%'" },
		{ "[fe80::1%2]:80", 9, "no '%'" },
		{ "2001:db8::1:443", 13, "write [2001:db8::1]:443, or [2001:db8::1:443] for every port" },
		{ "2001:db8::1:443,80", 13, "write [2001:db8::1]:443,80" },
		{ "1::2::3", 1, "neither an IPv6 address" },
		{ "::1]:80", 1, "neither an IPv6 address" },
		{ "x:80:90", 1, "nor a name and a port, such as example.com:443" },
		{ "https://example.com/path", 1, "write tcp://example.com:443" },
		{ "http://example.com:8080", 1, "write tcp://example.com:8080" },
		{ "http://", 1, "one of tcp, udp, icmp and *" },
		{ "udp", 1, "a protocol and not a host" },
		{ "raw", 1, "raw sockets are never allowed" },
		{ "1:2:3:4:5:6:7:8:80", 17, "write [1:2:3:4:5:6:7:8]:80" },
		{ "fc00::/7:22", 10, "write [fc00::/7]:22" },
		{ "*.*.com", 3, "'*' stands alone" },
		{ "a.*.com", 3, "'*' stands alone" },
		{ "*x.com", 1, "'*' stands alone" },
		{ "*.", 1, "'*' stands alone" },
		{ "a..b", 3, "empty" },
		{ ".a", 1, "empty" },
		{ ".", 1, "empty" },
		{ "-a.com", 1, "begins nor ends" },
		{ "a-.com", 1, "begins nor ends" },
		{ "b\xc3\xbc.de", 2, "xn--" },
		{ "1.2.3", 1, "neither an address" },
		{ "2130706433", 1, "neither an address" },
		{ "0x7f.1", 1, "neither an address" },
		{ "x.0x10", 1, "neither an address" },
		{ "443", 1, "neither an address" },
		{ "01.2.3.4", 1, "neither an address" },
		{ "1.2.3.4.5:80", 1, "neither an address" },
		{ "tcp://tcp://x", 7, "not an address" },
		{ "x:65536", 3, "up to 65535" },
		{ "a*b.com", 2, "'*' stands alone" },
		{ "0x", 1, "neither an address" },
		{ "::ffff:1.2.3.4/129", 16, "from 0 to 128" },
		{ "icmp://[::1]:7", 8, "no ports" },
		{ "[1.2.3.0/33]:80", 10, "from 0 to 32" },
		{ "[1.2.3.0/33]", 10, "from 0 to 32" },
		{ "2001:db8::1:4", 13, "needs brackets" },
		{ "2001:db8::1:1", 13, "needs brackets" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_refused(&rows[i], false);
}

static void names_cannot_be_denied(void **state)
{
	(void)state;
	assert_refused(&(struct bad){ "example.com:443", 1, "cannot be denied, because an address has many of them" }, true);
	assert_refused(&(struct bad){ "tcp://*.example.com", 9, "cannot be denied" }, true);
	assert_refused(&(struct bad){ "icmp", 1, "for every destination of a protocol write tcp://*, udp://* or icmp://*" }, true);
	assert_refused(&(struct bad){ "tcp", 1, "for every destination of a protocol" }, true);
}

static void names_and_their_parts_have_a_longest_length(void **state)
{
	char label[65];
	AUTO(str) struct str name = STR(1000);

	(void)state;
	memset(label, 'a', 64);
	label[64] = '\0';
	assert_refused(&(struct bad){ label, 1, "63 letters" }, false);
	label[63] = '\0';
	str_addf(&name, "%s.%s.%s.%.61s", label, label, label, label);
	assert_int_equal(name.len, 253);
	struct net_rules rules = { 0 };
	assert_int_equal(net_rules_add(&rules, (struct view){ name.buf, name.len }, false, 0, "x", NULL), 0);
	net_rules_fini(&rules);
	str_addc(&name, 'a');
	assert_refused(&(struct bad){ name.buf, 1, "253 letters" }, false);
}

/* The whole sentence, of a value that begins with its first words. */
static void assert_says(const char *text, size_t len, const char *want)
{
	struct error err = { 0 };

	assert_int_equal(net_rules_add(NULL, (struct view){ text, len }, false, 0, "x", &err), -EINVAL);
	assert_string_equal(err.text, want);
}

static void a_url_says_which_rule_is_meant(void **state)
{
	static const char *const rows[][2] = {
		{ "https://a.test", "; write tcp://a.test:443" }, { "http://a.test/x", "; write tcp://a.test:80" },
		{ "wss://a.test", "; write tcp://a.test:443" },   { "ws://a.test", "; write tcp://a.test:80" },
		{ "ssh://a.test/x:1", "; write tcp://a.test:22" }, { "git://a.test", "; write tcp://a.test:9418" },
		{ "http://a.test:8080/x", "; write tcp://a.test:8080" }, { "http:///x", "" }, { "gopher://a.test", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO(str) struct str want = STR(1000);

		str_addf(&want, "x: '%s', column 1: the word before '://' is one of tcp, udp, icmp and *%s", rows[i][0], rows[i][1]);
		assert_says(rows[i][0], strlen(rows[i][0]), want.buf);
	}
}

static void a_long_value_is_told_by_its_beginning(void **state)
{
	char text[122];

	(void)state;
	memset(text, 'a', sizeof text);
	memcpy(text + 118, "!!!", 3);
	for (size_t len = 119; len <= 121; len++) {
		AUTO(str) struct str want = STR(1000);

		str_addf(&want, "x: '%.*s%s', column 1: a part of a name has at most 63 letters", len < 120 ? (int)len : 120, text,
			 len > 120 ? "..." : "");
		assert_says(text, len, want.buf);
	}
	assert_says(NULL, 0, "x: '', column 1: the rule is empty; write a host, an address or :PORT, or * for everything");
	/* inside brackets nothing stands, and it is not repeated */
	assert_says("[]:80", 5, "x: '[]:80', column 2: inside brackets stands an address or a block, such as [2001:db8::1]:443");
}

static void protocols_have_names(void **state)
{
	(void)state;
	assert_string_equal(net_proto_name(NET_TCP), "tcp");
	assert_string_equal(net_proto_name(NET_UDP), "udp");
	assert_string_equal(net_proto_name(NET_ICMP), "icmp");
}

/* Rules that differ in one thing only, so many that each meets others in the index. */
static void rules_that_differ_are_not_folded(void **state)
{
	struct net_rules rules = { 0 };
	size_t added = 0;

	(void)state;
	for (int round = 0; round < 2; round++)
		for (unsigned n = 1; n <= 300; n++) {
			static const char *const forms[][2] = {
				{ "tcp://n", ".test" }, { "tcp://*.n", ".test" }, { "udp://n", ".test" }, { "tcp://:", "" },
				{ "tcp://n1.test:", "" }, { "tcp://0.0.0.0/0:", "" }, { "tcp://[::/0]:", "" },
				{ "udp://:1000,", "" }, { "tcp://n1.test:1000,", "" },
			};

			for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
				char text[64];

				snprintf(text, sizeof text, "%s%u%s", forms[i][0], n, forms[i][1]);
				assert_int_equal(net_rules_add(&rules, view_of(text), false, 0, "x", NULL), 0);
				added += round == 0;
			}
			if (n > 32)
				continue;
			char block[64];

			snprintf(block, sizeof block, "tcp://0.0.0.0/%u", n - 1);
			assert_int_equal(net_rules_add(&rules, view_of(block), false, 0, "x", NULL), 0);
			assert_int_equal(net_rules_add(&rules, view_of(block), true, 0, "x", NULL), 0);
			added += round == 0 ? 2 : 0;
		}
	assert_int_equal(rules.len, added);
	net_rules_fini(&rules);
	assert_null(rules.at);
	assert_int_equal(rules.len, 0);
}

/* In a list of two the index is so small that many of these pairs want the same slot of it. */
static void a_pair_that_differs_in_one_thing_is_two_rules(void **state)
{
	static const struct {
		const char *first[2], *second[2];
		bool deny;
	} pairs[] = {
		{ { "tcp://10.0.0.1:", "" }, { "udp://10.0.0.1:", "" }, false },
		{ { "tcp://10.0.0.1:", "" }, { "tcp://10.0.0.1:", "" }, true },
		{ { "tcp://10.0.0.0/24:", "" }, { "tcp://10.0.0.0/25:", "" }, false },
		{ { "tcp://10.0.0.0:", "" }, { "tcp://10.0.1.0:", "" }, false },
		{ { "tcp://0.0.0.0/0:", "" }, { "tcp://[::/0]:", "" }, false },
		{ { "tcp://n", ".test" }, { "tcp://*.n", ".test" }, false },
		{ { "tcp://n", ".test" }, { "tcp://m", ".test" }, false },
		{ { "tcp://:1000,", "" }, { "tcp://:1001,", "" }, false },
		{ { "tcp://:1000,", "" }, { "tcp://:", "" }, false },
		{ { "tcp://:1,3,5,7,1", "" }, { "tcp://:1,3,5,7,2", "" }, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		for (unsigned n = 1; n <= 300; n++) {
			struct net_rules rules = { 0 };
			char text[64];

			for (int both = 0; both < 2; both++) {
				const char *const *form = both ? pairs[i].second : pairs[i].first;

				snprintf(text, sizeof text, "%s%u%s", form[0], n, form[1]);
				assert_int_equal(net_rules_add(&rules, view_of(text), both && pairs[i].deny, 0, "x", NULL), 0);
			}
			if (rules.len != 2)
				fail_msg("'%s' is folded with pair %zu", text, i);
			net_rules_fini(&rules);
		}
}

static void duplicates_are_folded_and_the_first_word_stays(void **state)
{
	static const char *const same[] = {
		"tcp://10.0.0.0/8:80,443", "tcp://[::ffff:10.9.0.0/104]:443,80", "tcp://10.1.1.1/8:443,80",
	};
	struct net_rules rules = { 0 };

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(same); i++)
		assert_int_equal(net_rules_add(&rules, view_of(same[i]), false, i, "x", NULL), 0);
	assert_int_equal(rules.len, 1);
	assert_int_equal(rules.at[0].word, 0);
	assert_int_equal(net_rules_add(&rules, view_of(same[0]), true, 7, "x", NULL), 0);
	assert_int_equal(net_rules_add(&rules, VIEW("tcp://10.0.0.0/8:80"), false, 8, "x", NULL), 0);
	assert_int_equal(rules.len, 3);
	net_rules_fini(&rules);
}

static void many_rules_fold_in_little_time(void **state)
{
	struct net_rules rules = { 0 };

	(void)state;
	for (unsigned n = 0; n < 40000; n++) {
		char text[64];

		snprintf(text, sizeof text, "tcp://10.%u.%u.%u:443", n % 20000 / 65536, n % 20000 / 256 % 256, n % 256);
		assert_int_equal(net_rules_add(&rules, view_of(text), false, n, "x", NULL), 0);
	}
	assert_true(rules.len <= 20224 && rules.len >= 20000);
	net_rules_fini(&rules);
}

static void a_value_can_be_checked_without_a_list(void **state)
{
	(void)state;
	assert_int_equal(net_rules_add(NULL, VIEW("example.com:443"), false, 0, "x", NULL), 0);
	assert_int_equal(net_rules_add(NULL, VIEW("x:0"), false, 0, "x", NULL), -EINVAL);
}

static void ports_of_a_rule_are_exact(void **state)
{
	struct net_rules rules = { 0 };

	(void)state;
	assert_int_equal(net_rules_add(&rules, VIEW("tcp://x:5,10-12"), false, 0, "x", NULL), 0);
	for (unsigned port = 0; port < 70000; port++)
		assert_int_equal(net_rule_has_port(&rules.at[0], port), port == 5 || (port >= 10 && port <= 12));
	net_rules_fini(&rules);
}

/* Text of rules, pasted together from pieces: what is accepted prints and reads back as the same rule. */
static void what_is_accepted_reads_back_as_itself(void **state)
{
	static const char *const pieces[] = { "tcp://", "udp://", "icmp://", "*://", "*", "*.", "a.b", "[", "]", ":", "::", "1", "443",
					      ",", "-", "/", "10.0.0.0", "/8", "ffff:", "::1", "2001:db8", "/104", " ", "x" };
	unsigned accepted = 0;

	(void)state;
	srandom(7);
	for (unsigned n = 0; n < 200000; n++) {
		AUTO(str) struct str text = STR(200);
		struct net_rules rules = { 0 };

		for (unsigned k = 1 + (unsigned)random() % 6; k; k--)
			str_add(&text, pieces[(size_t)random() % ARRAY_SIZE(pieces)]);
		if (net_rules_add(&rules, (struct view){ text.buf, text.len }, random() & 1, 0, "x", NULL) < 0)
			continue;
		for (size_t i = 0; i < rules.len; i++) {
			AUTO(str) struct str printed = STR(1000);
			AUTO(str) struct str again = STR(1000);
			struct net_rules one = { 0 };

			net_rule_print(&rules.at[i], &printed);
			if (net_rules_add(&one, (struct view){ printed.buf, printed.len }, rules.at[i].deny, 0, "x", NULL) < 0)
				fail_msg("'%s' prints as '%s'", text.buf, printed.buf);
			assert_int_equal(one.len, 1);
			net_rule_print(&one.at[0], &again);
			assert_string_equal(again.buf, printed.buf);
			net_rules_fini(&one);
			accepted++;
		}
		net_rules_fini(&rules);
	}
	assert_true(accepted > 5000);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	for (int n = 0;; n++) {
		struct net_rules rules = { 0 };
		struct error err = { 0 };

		fault_arm(n);
		int rc = net_rules_add(&rules, VIEW("example.com:1,3,5"), false, 0, "x", &err);
		bool fired = fault_fired();
		if (rc < 0)
			assert_int_equal(err.kind, ERR_MEMORY);
		net_rules_fini(&rules);
		if (!fired)
			break;
		assert_int_equal(rc, -ENOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_read_as_documented),
		cmocka_unit_test(denials_are_read_as_documented),
		cmocka_unit_test(what_is_wrong_is_refused_with_its_column),
		cmocka_unit_test(names_cannot_be_denied),
		cmocka_unit_test(names_and_their_parts_have_a_longest_length),
		cmocka_unit_test(a_url_says_which_rule_is_meant),
		cmocka_unit_test(a_long_value_is_told_by_its_beginning),
		cmocka_unit_test(protocols_have_names),
		cmocka_unit_test(rules_that_differ_are_not_folded),
		cmocka_unit_test(a_pair_that_differs_in_one_thing_is_two_rules),
		cmocka_unit_test(duplicates_are_folded_and_the_first_word_stays),
		cmocka_unit_test(many_rules_fold_in_little_time),
		cmocka_unit_test(a_value_can_be_checked_without_a_list),
		cmocka_unit_test(ports_of_a_rule_are_exact),
		cmocka_unit_test(what_is_accepted_reads_back_as_itself),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
