/*
 * The grammar of network rules: [SCHEME "://"] TARGET [":" PORTS], read with the column of what is wrong, and printed
 * back. A value without a scheme stands for TCP and UDP.
 */
#include "policy/netrules.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define PORT_MAX 65535
#define NAME_MAX_BYTES 253
#define LABEL_MAX_BYTES 63
#define ALL_PROTOS ((1U << NET_PROTOS) - 1)
#define TCP_AND_UDP (1U << NET_TCP | 1U << NET_UDP)

static const char *const scheme_names[NET_PROTOS] = { [NET_TCP] = "tcp", [NET_UDP] = "udp", [NET_ICMP] = "icmp" };

const char *net_proto_name(enum net_proto proto)
{
	return scheme_names[proto];
}

static bool is_scheme_name(struct view text)
{
	for (size_t i = 0; i < NET_PROTOS; i++)
		if (view_is(text, scheme_names[i]))
			return true;
	return false;
}

/* One value that is being read. */
struct reading {
	struct view text;
	const char *origin;
	bool deny;
	struct error *err;
};

/* What a value says before it is a rule for each of its protocols. The template owns its name and ports. */
struct parsed {
	unsigned protos;                /* bits of enum net_proto */
	bool has_ports;                 /* a colon and ports stand there, even if they are "*" */
	struct net_rule rule;
	size_t port_cap;
};

static void rule_fini(struct net_rule *rule)
{
	mem_free(rule->name);
	mem_free(rule->ports);
	*rule = (struct net_rule){ 0 };
}

void net_rules_fini(struct net_rules *r)
{
	for (size_t i = 0; i < r->len; i++)
		rule_fini(&r->at[i]);
	mem_free(r->at);
	mem_free(r->index);
	*r = (struct net_rules){ 0 };
}

/* `at` is where in the value the trouble begins; columns count from 1. */
static int refuse(const struct reading *r, const char *at, const char *why)
{
	size_t column = at && at >= r->text.ptr ? (size_t)(at - r->text.ptr) + 1 : 1;
	AUTO(str) struct str quoted = STR(600);

	str_add_quoted(&quoted, r->text.ptr, r->text.len < 120 ? r->text.len : 120);
	return error_set(r->err, ERR_USAGE, -EINVAL, "%s: '%s%s', column %zu: %s", r->origin,
			 quoted.rc < 0 || !quoted.buf ? "" : quoted.buf, r->text.len > 120 ? "..." : "", column, why);
}

static int no_memory(const struct reading *r)
{
	return error_set(r->err, ERR_MEMORY, -ENOMEM, "out of memory");
}

static bool has_byte(struct view v, char c)
{
	return v.len && memchr(v.ptr, c, v.len);
}

static struct view skip(struct view v, size_t n)
{
	return (struct view){ v.ptr + n, v.len - n };
}

/* --- ports --- */

static int read_port(const struct reading *r, struct view item, uint16_t *out)
{
	uint64_t n = 0;

	if (item.len == 0)
		return refuse(r, item.ptr, "a port is missing; write numbers such as 80,443 or 8000-8010, or *");
	if (view_u64(item, PORT_MAX, &n) < 0)
		return refuse(r, item.ptr, "a port is a number up to 65535, a range such as 8000-8010, or *");
	if (n == 0)
		return refuse(r, item.ptr, "port 0 is not a port that can be reached; * is every port");
	*out = (uint16_t)n;
	return 0;
}

static int read_range(const struct reading *r, struct view item, struct port_range *out)
{
	bool range = false;
	struct view high = view_trim(item);
	struct view low = view_cut(&high, '-', &range);
	int rc = read_port(r, view_trim(low), &out->low);

	out->high = out->low;
	if (rc == 0 && range)
		rc = read_port(r, view_trim(high), &out->high);
	if (rc == 0 && out->low > out->high)
		return refuse(r, view_trim(item).ptr, "the range is reversed; the lower port comes first");
	return rc;
}

/* Puts a range into the sorted list and joins what touches it. The list has room for one more. */
static void insert_range(struct net_rule *rule, struct port_range new)
{
	struct port_range *at = rule->ports;
	size_t first = 0;

	while (first < rule->port_count && at[first].high + 1 < new.low)
		first++;
	size_t last = first;

	for (; last < rule->port_count && at[last].low <= new.high + 1; last++) {
		new.low = at[last].low < new.low ? at[last].low : new.low;
		new.high = at[last].high > new.high ? at[last].high : new.high;
	}
	memmove(&at[first + 1], &at[last], (rule->port_count - last) * sizeof *at);
	at[first] = new;
	rule->port_count = rule->port_count - (last - first) + 1;
}

static int read_ports(const struct reading *r, struct view list, struct parsed *out)
{
	const char *begin = list.ptr;
	bool more = true;
	size_t stars = 0;

	while (more) {
		struct view item = view_cut(&list, ',', &more);
		struct port_range range = { 0 };

		if (view_is(view_trim(item), "*")) {
			stars++;
			continue;
		}
		int rc = read_range(r, item, &range);
		if (rc < 0)
			return rc;
		if (mem_grow(&out->rule.ports, &out->port_cap, out->rule.port_count + 1, sizeof range) < 0)
			return no_memory(r);
		insert_range(&out->rule, range);
	}
	if (stars && out->rule.port_count)
		return refuse(r, begin, "'*' is every port and cannot be mixed with numbers");
	return 0;
}

/* --- targets --- */

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static int check_label(const struct reading *r, struct view label)
{
	if (label.len == 0)
		return refuse(r, label.ptr, "a part of the name between dots is empty");
	if (label.len > LABEL_MAX_BYTES)
		return refuse(r, label.ptr, "a part of a name has at most 63 letters");
	if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return refuse(r, label.ptr, "a part of a name neither begins nor ends with '-'");
	for (size_t i = 0; i < label.len; i++) {
		char c = label.ptr[i];

		if (c & 0x80)
			return refuse(r, label.ptr + i, "a name has ASCII letters only; write its xn-- form");
		if (c == '*')
			return refuse(r, label.ptr + i, "'*' stands alone, or in front of a domain as in *.example.com");
		if (!is_letter_or_digit(c) && c != '-' && c != '_')
			return refuse(r, label.ptr + i, "a name has letters, digits, '-' and '_' between its dots");
	}
	return 0;
}

/* "1.2.3" and "0x7f.1" are old spellings of addresses, which a resolver would take for one. */
static bool looks_like_number(struct view label)
{
	bool hex = label.len > 1 && label.ptr[0] == '0' && (label.ptr[1] | 0x20) == 'x';
	const char *digits = hex ? "0123456789abcdefABCDEF" : "0123456789";

	for (size_t i = hex ? 2 : 0; i < label.len; i++)
		if (!strchr(digits, label.ptr[i]) || !label.ptr[i])
			return false;
	return true;
}

static int read_name(const struct reading *r, struct view name, struct net_rule *rule)
{
	struct view rest = name;
	struct view label = name;
	bool more = true;

	if (rest.len > 1 && rest.ptr[rest.len - 1] == '.')
		rest.len--;
	struct view whole = rest;

	while (more) {
		label = view_cut(&rest, '.', &more);
		int rc = check_label(r, label);
		if (rc < 0)
			return rc;
	}
	if (whole.len > NAME_MAX_BYTES)
		return refuse(r, name.ptr, "a name has at most 253 letters");
	if (looks_like_number(label))
		return refuse(r, name.ptr, "this is neither an address, such as 192.0.2.1, nor a name");
	rule->name = mem_strndup(whole.ptr, whole.len);
	if (!rule->name)
		return no_memory(r);
	for (char *c = rule->name; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c | 0x20);
	return 0;
}

/* An address or a block. 1: read; 0: it is neither, so it may be a name; or refused. */
static int read_net(const struct reading *r, struct view text, struct net_rule *rule)
{
	bool block = false;
	struct view rest = text;
	struct view literal = view_cut(&rest, '/', &block);
	bool v6_text = has_byte(literal, ':');

	if (addr_parse(literal, &rule->ip) < 0)
		return block ? refuse(r, text.ptr, "what stands before '/' is not an address; write 192.0.2.0/24 or "
						   "2001:db8::/32")
			     : 0;
	unsigned most = rule->ip.family == ADDR_V4 ? 32 : 128;
	unsigned mapped = v6_text && most == 32 ? 96 : 0;
	uint64_t bits = most + mapped;

	if (block && view_u64(rest, most + mapped, &bits) < 0)
		return refuse(r, rest.ptr, v6_text ? "an IPv6 block ends in a number of bits from 0 to 128"
						   : "an IPv4 block ends in a number of bits from 0 to 32");
	if (bits < mapped)
		return refuse(r, rest.ptr, "a block of mapped IPv4 addresses has 96 bits or more; write it as IPv4");
	rule->target = TARGET_NET;
	rule->bits = (uint8_t)(bits - mapped);
	addr_clear_host(&rule->ip, rule->bits);
	if (rule->bits == most)
		addr_name_this_machine(&rule->ip);
	return 1;
}

static int refuse_denied_name(const struct reading *r, const char *at)
{
	if (is_scheme_name(r->text))
		return refuse(r, at, "names cannot be denied; for every destination of a protocol write tcp://*, udp://* or icmp://*");
	return refuse(r, at, "names cannot be denied, because an address has many of them; deny addresses, or allow only "
			     "the names that are needed");
}

/* A target outside of brackets. */
static int read_target(const struct reading *r, struct view target, struct net_rule *rule)
{
	if (target.len == 0 || view_is(target, "*")) {
		rule->target = TARGET_ANY;
		return 0;
	}
	int rc = read_net(r, target, rule);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rule->target = TARGET_NAME;
	if (view_starts(target, "*.") && target.len > 2) {
		rule->target = TARGET_SUFFIX;
		target = skip(target, 2);
	}
	rc = read_name(r, target, rule);
	if (rc == 0 && !r->deny && (is_scheme_name(r->text) || view_is(r->text, "raw")))
		return refuse(r, target.ptr, "this is a protocol and not a host; write tcp://HOST:PORT, udp://HOST:PORT or "
					     "icmp://HOST, with * as HOST for every address (raw sockets are never allowed)");
	return rc == 0 && r->deny ? refuse_denied_name(r, target.ptr) : rc;
}

/* "[" address or block "]", and ports or nothing. */
static int read_brackets(const struct reading *r, struct view body, struct parsed *out)
{
	bool closed = false;
	struct view rest = skip(body, 1);
	struct view inside = view_cut(&rest, ']', &closed);

	if (!closed)
		return refuse(r, body.ptr, "the bracket is not closed; write [2001:db8::1]:443");
	int rc = read_net(r, inside, &out->rule);
	if (rc == 0)
		return refuse(r, inside.ptr, "inside brackets stands an address or a block, such as [2001:db8::1]:443");
	if (rc < 0 || rest.len == 0)
		return rc < 0 ? rc : 0;
	if (rest.ptr[0] != ':')
		return refuse(r, rest.ptr, "after the bracket comes nothing, or ':' and ports");
	out->has_ports = true;
	return read_ports(r, skip(rest, 1), out);
}

static const char *last_colon(struct view v)
{
	for (size_t i = v.len; i > 0; i--)
		if (v.ptr[i - 1] == ':')
			return v.ptr + i - 1;
	return NULL;
}

static int refuse_bare_ipv6(const struct reading *r, const char *colon, struct view address, struct view ports,
			    struct view whole)
{
	AUTO(str) struct str why = STR(500);
	struct view rest = address;
	struct addr a;

	if (addr_parse(view_cut(&rest, '/', NULL), &a) < 0)
		return refuse(r, address.ptr, "this is neither an IPv6 address, such as [2001:db8::1]:443, nor a name and a "
					      "port, such as example.com:443");
	str_addf(&why, "an IPv6 address with a port needs brackets; write [%.*s]:%.*s", VIEW_ARG(address), VIEW_ARG(ports));
	if (whole.len)
		str_addf(&why, ", or [%.*s] for every port of that address", VIEW_ARG(whole));
	return refuse(r, colon + 1, why.rc < 0 ? "an IPv6 address with a port needs brackets" : why.buf);
}

/* 2001:db8::1:443 is an address, and most likely not the one that was meant. */
static bool is_ambiguous(struct view body, const char *colon)
{
	struct view head = { body.ptr, (size_t)(colon - body.ptr) };
	struct view last = { colon + 1, body.len - head.len - 1 };
	struct addr a;
	uint64_t n = 0;

	return has_byte(head, ':') && addr_parse(head, &a) == 0 && view_u64(last, PORT_MAX, &n) == 0 && n > 0;
}

/* [TARGET] [":" PORTS] without brackets. */
static int read_plain(const struct reading *r, struct view body, struct parsed *out)
{
	const char *colon = last_colon(body);
	struct addr a;

	if (!colon)
		return read_target(r, body, &out->rule);

	struct view head = { body.ptr, (size_t)(colon - body.ptr) };
	struct view ports = { colon + 1, body.len - head.len - 1 };
	const char *slash = memchr(body.ptr, '/', body.len);

	if (addr_parse(body, &a) == 0 && is_ambiguous(body, colon))
		return refuse_bare_ipv6(r, colon, head, ports, body);
	if (addr_parse(body, &a) == 0 || (slash && slash > colon))
		return read_target(r, body, &out->rule);
	if (has_byte(head, ':'))
		return refuse_bare_ipv6(r, colon, head, ports, (struct view){ 0 });
	int rc = read_target(r, head, &out->rule);
	if (rc < 0)
		return rc;
	out->has_ports = true;
	return read_ports(r, ports, out);
}

/* --- schemes --- */

/* A URL is no rule, but it says which one is meant. */
static int refuse_scheme(const struct reading *r, struct view scheme, struct view rest)
{
	static const struct {
		const char *scheme;
		unsigned port;
	} urls[] = { { "https", 443 }, { "http", 80 }, { "wss", 443 }, { "ws", 80 }, { "ssh", 22 }, { "git", 9418 } };
	AUTO(str) struct str why = STR(500);
	const struct view host = view_cut(&rest, '/', NULL);

	str_add(&why, "the word before '://' is one of tcp, udp, icmp and *");
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++)
		if (view_is(scheme, urls[i].scheme) && host.len && last_colon(host))
			str_addf(&why, "; write tcp://%.*s", VIEW_ARG(host));
		else if (view_is(scheme, urls[i].scheme) && host.len)
			str_addf(&why, "; write tcp://%.*s:%u", VIEW_ARG(host), urls[i].port);
	return refuse(r, scheme.ptr, why.rc < 0 ? "the word before '://' is not tcp, udp, icmp or *" : why.buf);
}

static int read_scheme(const struct reading *r, struct view *body, unsigned *protos)
{
	struct view scheme = { body->ptr, 0 };

	while (scheme.len + 3 <= body->len && memcmp(body->ptr + scheme.len, "://", 3) != 0)
		scheme.len++;
	*protos = TCP_AND_UDP;
	if (scheme.len + 3 > body->len)
		return 0;
	*protos = 0;
	for (unsigned i = 0; i < NET_PROTOS; i++)
		if (view_is(scheme, scheme_names[i]))
			*protos = 1U << i;
	if (view_is(scheme, "*"))
		*protos = ALL_PROTOS;
	if (!*protos)
		return refuse_scheme(r, scheme, skip(*body, scheme.len + 3));
	*body = skip(*body, scheme.len + 3);
	return 0;
}

/* Words of older releases: --net-allow icmp, --net-deny udp, --net-deny raw. True: *protos is what they stand for. */
static bool is_older_word(const struct reading *r, unsigned *protos)
{
	static const struct {
		const char *word;
		bool deny;
		unsigned protos;
	} words[] = {
		{ "icmp", false, 1U << NET_ICMP },
		{ "udp", true, 1U << NET_UDP },
		{ "raw", true, 0 },             /* raw sockets are refused always */
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].deny == r->deny && view_is(r->text, words[i].word)) {
			*protos = words[i].protos;
			return true;
		}
	return false;
}

static int parse(const struct reading *r, struct parsed *out)
{
	struct view body = r->text;

	if (is_older_word(r, &out->protos))
		return 0;
	int rc = read_scheme(r, &body, &out->protos);
	if (rc < 0)
		return rc;
	if (body.len == 0)
		return refuse(r, body.ptr, "the rule is empty; write a host, an address or :PORT, or * for everything");
	if (has_byte(body, '%'))
		return refuse(r, memchr(body.ptr, '%', body.len), "an address in a rule has no '%' and interface");
	rc = body.ptr[0] == '[' ? read_brackets(r, body, out) : read_plain(r, body, out);
	if (rc < 0 || !out->has_ports)
		return rc;
	if (out->protos == 1U << NET_ICMP)
		return refuse(r, body.ptr, "icmp has no ports; write icmp:// and a host, an address or *");
	out->protos &= ~(1U << NET_ICMP);
	return 0;
}

/* --- the list --- */

static bool same_rule(const struct net_rule *a, const struct net_rule *b)
{
	if (a->proto != b->proto || a->target != b->target || a->bits != b->bits || a->deny != b->deny)
		return false;
	if (!addr_same_ip(&a->ip, &b->ip) || a->port_count != b->port_count || !a->name != !b->name)
		return false;
	if (a->name && strcmp(a->name, b->name) != 0)
		return false;
	return a->port_count == 0 || memcmp(a->ports, b->ports, a->port_count * sizeof *a->ports) == 0;
}

static uint32_t mix(uint32_t hash, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const uint8_t *)bytes)[i]) * 16777619U;
	return hash;
}

static uint32_t hash_of(const struct net_rule *rule)
{
	const uint8_t head[] = { rule->proto, rule->target, rule->bits, rule->deny };
	uint32_t hash = mix(mix(2166136261U, head, sizeof head), rule->ip.ip, sizeof rule->ip.ip);

	if (rule->name)
		hash = mix(hash, rule->name, strlen(rule->name));
	hash = mix(hash, rule->ports, rule->port_count * sizeof *rule->ports);
	return hash ^ hash >> 15;
}

/* Where in the index the rule stands, or the free slot for it. There always is a free slot. */
static size_t find_slot(const struct net_rules *r, const struct net_rule *rule)
{
	size_t at = hash_of(rule) & (r->index_cap - 1);

	while (r->index[at] && !same_rule(&r->at[r->index[at] - 1], rule))
		at = (at + 1) & (r->index_cap - 1);
	return at;
}

/* The index is a power of two and at most half full. */
static int grow_index(struct net_rules *r)
{
	size_t cap = r->index_cap ? r->index_cap * 2 : 16;

	if ((r->len + 1) * 2 <= r->index_cap)
		return 0;
	uint32_t *index = mem_array(cap, sizeof *index);
	if (!index)
		return -ENOMEM;
	mem_free(r->index);
	r->index = index;
	r->index_cap = cap;
	for (size_t i = 0; i < r->len; i++)
		r->index[find_slot(r, &r->at[i])] = (uint32_t)i + 1;
	return 0;
}

/* A copy of the template joins the list, unless the list has that rule. */
static int add_rule(struct net_rules *out, const struct net_rule *template)
{
	if (grow_index(out) < 0 || mem_grow(&out->at, &out->cap, out->len + 1, sizeof *out->at) < 0)
		return -ENOMEM;
	size_t slot = find_slot(out, template);

	if (out->index[slot])
		return 0;
	struct net_rule copy = *template;

	copy.name = template->name ? mem_strdup(template->name) : NULL;
	copy.ports = template->port_count ? mem_dup(template->ports, template->port_count * sizeof *copy.ports) : NULL;
	if ((template->name && !copy.name) || (template->port_count && !copy.ports)) {
		rule_fini(&copy);
		return -ENOMEM;
	}
	out->at[out->len++] = copy;
	out->index[slot] = (uint32_t)out->len;
	return 0;
}

int net_rules_add(struct net_rules *out, struct view text, bool deny, uint32_t word, const char *origin,
		  struct error *err)
{
	const struct reading r = { text, origin, deny, err };
	struct parsed parsed = { 0 };
	int rc = parse(&r, &parsed);

	parsed.rule.deny = deny;
	parsed.rule.word = word;
	for (unsigned proto = 0; proto < NET_PROTOS && rc == 0 && out; proto++) {
		parsed.rule.proto = (uint8_t)proto;
		if (parsed.protos & 1U << proto && add_rule(out, &parsed.rule) < 0)
			rc = no_memory(&r);
	}
	rule_fini(&parsed.rule);
	return rc;
}

bool net_rule_has_port(const struct net_rule *rule, unsigned port)
{
	if (rule->port_count == 0)
		return true;
	for (size_t i = 0; i < rule->port_count; i++)
		if (port >= rule->ports[i].low && port <= rule->ports[i].high)
			return true;
	return false;
}

/* --- the way back --- */

static void print_net(const struct net_rule *rule, struct str *out)
{
	AUTO(str) struct str text = STR(100);
	const bool v6 = rule->ip.family == ADDR_V6;

	addr_print(&rule->ip, &text);
	if (rule->bits != (v6 ? 128 : 32))
		str_addf(&text, "/%u", rule->bits);
	if (text.rc < 0) {
		out->rc = text.rc;
		return;
	}
	const struct view whole = { text.buf, text.len };
	const bool brackets = v6 && (rule->port_count || is_ambiguous(whole, last_colon(whole)));
	str_addf(out, brackets ? "[%s]" : "%s", text.buf);
}

void net_destination_print(enum net_proto proto, const struct addr *to, struct str *out)
{
	str_addf(out, "%s://", scheme_names[proto]);
	if (proto == NET_ICMP)
		addr_print(to, out);
	else
		addr_print_port(to, out);
}

void net_rule_print(const struct net_rule *rule, struct str *out)
{
	str_addf(out, "%s://", scheme_names[rule->proto]);
	switch ((enum net_target)rule->target) {
	case TARGET_ANY:
		str_add(out, "*");
		break;
	case TARGET_NET:
		print_net(rule, out);
		break;
	case TARGET_NAME:
		str_add(out, rule->name);
		break;
	case TARGET_SUFFIX:
		str_addf(out, "*.%s", rule->name);
		break;
	}
	net_rule_print_ports(rule, out);
}

void net_rule_print_ports(const struct net_rule *rule, struct str *out)
{
	for (size_t i = 0; i < rule->port_count; i++) {
		const struct port_range *p = &rule->ports[i];

		str_addf(out, "%c%u", i ? ',' : ':', p->low);
		if (p->high > p->low)
			str_addf(out, "-%u", p->high);
	}
}
