/* Internet addresses as bytes: reading them from the kernel's structures and from text, and what kind of place they are. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

#define V4_LEAST 8              /* family, port and address: what follows in a sockaddr_in is padding */
#define V6_LEAST 24             /* all but the scope, which an older structure did not have */

static bool is_mapped(const uint8_t ip[16])
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(ip, prefix, sizeof prefix) == 0;
}

/* Only here do scopes mean something: fe80::/10, and multicast of the interface and of the link. */
static bool needs_scope(const uint8_t ip[16])
{
	return (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) || (ip[0] == 0xff && ((ip[1] & 15) == 1 || (ip[1] & 15) == 2));
}

static void set_v4(struct addr *out, const uint8_t ip[4])
{
	out->family = ADDR_V4;
	out->scope = 0;
	memset(out->ip, 0, sizeof out->ip);
	memcpy(out->ip, ip, 4);
}

static void set_v6(struct addr *out, const uint8_t ip[16], uint32_t scope)
{
	uint8_t copy[16];

	memcpy(copy, ip, sizeof copy);
	if (is_mapped(copy)) {
		set_v4(out, copy + 12);
		return;
	}
	out->family = ADDR_V6;
	out->scope = needs_scope(copy) ? scope : 0;
	memcpy(out->ip, copy, sizeof copy);
}

int addr_from_sockaddr(const void *sockaddr, size_t len, struct addr *out)
{
	struct sockaddr_in in = { 0 };
	struct sockaddr_in6 in6 = { 0 };
	sa_family_t family = AF_UNSPEC;

	*out = (struct addr){ 0 };
	if (len < sizeof family)
		return -EINVAL;
	memcpy(&family, sockaddr, sizeof family);
	if (family != AF_INET && family != AF_INET6)
		return -EAFNOSUPPORT;
	if (len < (family == AF_INET ? V4_LEAST : V6_LEAST))
		return -EINVAL;
	if (family == AF_INET) {
		memcpy(&in, sockaddr, len < sizeof in ? len : sizeof in);
		set_v4(out, (const uint8_t *)&in.sin_addr);
		out->port = ntohs(in.sin_port);
		return 0;
	}
	memcpy(&in6, sockaddr, len < sizeof in6 ? len : sizeof in6);
	set_v6(out, in6.sin6_addr.s6_addr, in6.sin6_scope_id);
	out->port = ntohs(in6.sin6_port);
	return 0;
}

/* The address's bytes are the last ones of the least structure, where a mapped one has but four. */
void addr_settle(void *sockaddr, size_t len)
{
	sa_family_t family = AF_UNSPEC;
	struct addr a;

	if (addr_from_sockaddr(sockaddr, len, &a) < 0)
		return;
	addr_name_this_machine(&a);
	memcpy(&family, sockaddr, sizeof family);
	const size_t end = family == AF_INET ? V4_LEAST : V6_LEAST;
	const size_t size = a.family == ADDR_V4 ? 4 : 16;

	memcpy((uint8_t *)sockaddr + end - size, a.ip, size);
}

size_t addr_to_sockaddr(const struct addr *a, bool v6_socket, void *out)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(a->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->scope };

	if (a->family == ADDR_V4 && !v6_socket) {
		memcpy(&in.sin_addr, a->ip, 4);
		memcpy(out, &in, sizeof in);
		return sizeof in;
	}
	if (a->family == ADDR_V4) {
		memset(in6.sin6_addr.s6_addr + 10, 0xff, 2);
		memcpy(in6.sin6_addr.s6_addr + 12, a->ip, 4);
	} else {
		memcpy(in6.sin6_addr.s6_addr, a->ip, 16);
	}
	memcpy(out, &in6, sizeof in6);
	return sizeof in6;
}

int addr_parse(struct view text, struct addr *out)
{
	char copy[INET6_ADDRSTRLEN + 12];
	uint8_t ip[16];
	uint64_t scope = 0;
	bool scoped = false;
	struct view literal = view_cut(&text, '%', &scoped);

	*out = (struct addr){ 0 };
	if (literal.len == 0 || literal.len >= sizeof copy || memchr(literal.ptr, '\0', literal.len))
		return -EINVAL;
	memcpy(copy, literal.ptr, literal.len);
	copy[literal.len] = '\0';
	if (!scoped && inet_pton(AF_INET, copy, ip) == 1) {
		set_v4(out, ip);
		return 0;
	}
	if (inet_pton(AF_INET6, copy, ip) != 1)
		return -EINVAL;
	if (scoped && (!needs_scope(ip) || view_u64(text, UINT32_MAX, &scope) < 0 || scope == 0))
		return -EINVAL;
	set_v6(out, ip, (uint32_t)scope);
	return 0;
}

static bool is_local_nat64(const struct addr *a)
{
	static const uint8_t prefix[6] = { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 };

	return a->family == ADDR_V6 && memcmp(a->ip, prefix, sizeof prefix) == 0;
}

/* Where the four bytes are depends on the length of the network's prefix, which only it knows. What follows them is zero,
 * so the last byte that is not tells; byte 8 is never part of them, except in the longest form. RFC 6052, 2.2. */
static const uint8_t *local_nat64_form(const uint8_t ip[16])
{
	static const uint8_t forms[][4] = { { 12, 13, 14, 15 }, { 9, 10, 11, 12 }, { 7, 9, 10, 11 }, { 6, 7, 9, 10 } };

	if (ip[8] || ip[13] || ip[14] || ip[15])
		return forms[0];
	return ip[12] ? forms[1] : ip[11] ? forms[2] : forms[3];
}

bool addr_embedded_v4(const struct addr *a, struct addr *out)
{
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	static const uint8_t last[4] = { 12, 13, 14, 15 }, second[4] = { 2, 3, 4, 5 };
	const uint8_t *form = NULL;
	uint8_t ip[4];

	if (a->family == ADDR_V6 && memcmp(a->ip, nat64, sizeof nat64) == 0)
		form = last;
	else if (is_local_nat64(a))
		form = local_nat64_form(a->ip);
	else if (a->family == ADDR_V6 && a->ip[0] == 0x20 && a->ip[1] == 0x02)
		form = second;
	if (!form)
		return false;
	for (size_t i = 0; i < sizeof ip; i++)
		ip[i] = a->ip[form[i]];
	struct addr inner = { .port = a->port };
	set_v4(&inner, ip);
	*out = inner;
	return true;
}

void addr_name_this_machine(struct addr *a)
{
	static const uint8_t none[sizeof a->ip];
	static const uint8_t loopback[4] = { 127, 0, 0, 1 };

	if (memcmp(a->ip, none, sizeof none) != 0)
		return;
	if (a->family == ADDR_V4)
		memcpy(a->ip, loopback, sizeof loopback);
	else
		a->ip[15] = 1;
}

bool addr_same_ip(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

bool addr_in(const struct addr *a, const struct addr *net, unsigned bits)
{
	const unsigned whole = bits / 8;
	const uint8_t mask = (uint8_t)(0xff00 >> (bits % 8));

	if (a->family != net->family || bits > (a->family == ADDR_V4 ? 32U : 128U))
		return false;
	if (memcmp(a->ip, net->ip, whole) != 0)
		return false;
	return bits % 8 == 0 || ((a->ip[whole] ^ net->ip[whole]) & mask) == 0;
}

/* The first row that fits counts. */
static const struct place {
	struct addr net;
	unsigned bits;
	enum addr_kind kind;
} places[] = {
#define V4(...) { .family = ADDR_V4, .ip = { __VA_ARGS__ } }
#define V6(...) { .family = ADDR_V6, .ip = { __VA_ARGS__ } }
	{ V4(169, 254, 169, 254), 32, ADDR_METADATA },          /* nearly everybody */
	{ V4(169, 254, 0, 23), 32, ADDR_METADATA },             /* Tencent */
	{ V4(169, 254, 42, 42), 32, ADDR_METADATA },            /* Scaleway */
	{ V4(169, 254, 170, 2), 32, ADDR_METADATA },            /* Amazon, tasks */
	{ V4(169, 254, 170, 23), 32, ADDR_METADATA },           /* Amazon, pods */
	{ V4(100, 100, 100, 200), 32, ADDR_METADATA },          /* Alibaba */
	{ V4(168, 63, 129, 16), 32, ADDR_METADATA },            /* Azure */
	{ V4(192, 0, 0, 192), 32, ADDR_METADATA },              /* Oracle */
	{ V6(0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, 0x54), 128, ADDR_METADATA },                  /* Amazon */
	{ V6(0xfd, 0x00, 0x0e, 0xc2, [15] = 0x23), 128, ADDR_METADATA },                        /* Amazon, pods */
	{ V6(0xfd, 0x00, 0x00, 0x42, [15] = 0x42), 128, ADDR_METADATA },                        /* Scaleway */
	{ V6(0xfd, 0x20, 0x00, 0xce, [14] = 0x02, 0x54), 128, ADDR_METADATA },                  /* Google */
	{ V6(0xfe, 0x80, [12] = 0xa9, 0xfe, 0xa9, 0xfe), 128, ADDR_METADATA },                  /* OpenStack */
	{ V4(0), 8, ADDR_LOOPBACK },
	{ V4(127), 8, ADDR_LOOPBACK },
	{ V6(0), 128, ADDR_LOOPBACK },
	{ V6([15] = 1), 128, ADDR_LOOPBACK },
	{ V4(10), 8, ADDR_PRIVATE },
	{ V4(172, 16), 12, ADDR_PRIVATE },
	{ V4(192, 168), 16, ADDR_PRIVATE },
	{ V4(100, 64), 10, ADDR_PRIVATE },
	{ V4(192, 0, 0), 24, ADDR_PRIVATE },
	{ V4(198, 18), 15, ADDR_PRIVATE },
	{ V6(0xfc), 7, ADDR_PRIVATE },
	{ V6(0xfe, 0xc0), 10, ADDR_PRIVATE },
	{ V4(169, 254), 16, ADDR_LINK_LOCAL },
	{ V6(0xfe, 0x80), 10, ADDR_LINK_LOCAL },
	{ V4(224), 4, ADDR_MULTICAST },
	{ V4(255, 255, 255, 255), 32, ADDR_MULTICAST },
	{ V4(240), 4, ADDR_PRIVATE },
	{ V6(0xff), 8, ADDR_MULTICAST },
#undef V4
#undef V6
};

enum addr_kind addr_kind(const struct addr *a)
{
	struct addr inner;

	if (addr_embedded_v4(a, &inner)) {
		enum addr_kind kind = addr_kind(&inner);

		return kind == ADDR_PUBLIC && is_local_nat64(a) ? ADDR_PRIVATE : kind;
	}
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (addr_in(a, &places[i].net, places[i].bits))
			return places[i].kind;
	return ADDR_PUBLIC;
}

void addr_print(const struct addr *a, struct str *out)
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (a->family != ADDR_NONE)
		inet_ntop(a->family == ADDR_V4 ? AF_INET : AF_INET6, a->ip, text, sizeof text);
	str_add(out, text);
	if (a->scope)
		str_addf(out, "%%%u", a->scope);
}

void addr_print_port(const struct addr *a, struct str *out)
{
	const bool brackets = a->family == ADDR_V6;

	str_add(out, brackets ? "[" : "");
	addr_print(a, out);
	str_addf(out, "%s:%u", brackets ? "]" : "", a->port);
}

void addr_clear_host(struct addr *a, unsigned bits)
{
	for (unsigned i = bits; i < 128; i++)
		a->ip[i / 8] &= (uint8_t) ~(0x80 >> (i % 8));
}
