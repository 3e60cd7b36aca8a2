/*
 * One internet endpoint in its canonical form: an IPv4 address that was written as ::ffff:a.b.c.d is IPv4 here, so that
 * every rule and every test sees one spelling.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum addr_family { ADDR_NONE, ADDR_V4, ADDR_V6 };

struct addr {
	uint8_t family;         /* enum addr_family */
	uint16_t port;          /* host order */
	uint32_t scope;         /* of a link-local IPv6 address, else 0 */
	uint8_t ip[16];         /* network order; IPv4 has 4 bytes, the rest is zero */
};

/* What kind of place an address is. The unspecified address means this host, so it counts as loopback. An address that
 * embeds an IPv4 one (addr_embedded_v4) is of that one's kind; but never public in the NAT64 of an own network, where
 * the form is a guess. */
enum addr_kind {
	ADDR_PUBLIC,
	ADDR_LOOPBACK,          /* 127/8, ::1, 0/8, :: */
	ADDR_PRIVATE,           /* 10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7, and what is reserved */
	ADDR_LINK_LOCAL,        /* 169.254/16, fe80::/10 */
	ADDR_METADATA,          /* where clouds serve credentials: 169.254.169.254, fd00:ec2::254 and their like */
	ADDR_MULTICAST,         /* also 255.255.255.255 */
};

/*
 * From a sockaddr_in or sockaddr_in6 as the kernel reads it: `len` bytes, at least 8 and 24 of them. -EAFNOSUPPORT for
 * another family, -EINVAL for too short a one.
 */
int addr_from_sockaddr(const void *sockaddr, size_t len, struct addr *out);

/*
 * Writes loopback in the place of the unspecified address, which the kernel takes for this host: for loopback, or for the
 * address that the socket is bound to. So that what is judged is where it goes. Others and too short ones stay.
 */
void addr_settle(void *sockaddr, size_t len);

/* Fills a sockaddr_in or, when `v6_socket`, a sockaddr_in6 (mapped for IPv4); `out` has 28 bytes. The length. */
size_t addr_to_sockaddr(const struct addr *a, bool v6_socket, void *out);

/* A literal IPv4 or IPv6 address without brackets and port, v4-mapped made IPv4; link-local ones may have a numeric
 * scope, "fe80::1%2". 0 or -EINVAL. */
int addr_parse(struct view text, struct addr *out);

/* The IPv4 address inside a NAT64 (64:ff9b::/96, 64:ff9b:1::/48) or 6to4 (2002::/16) address, with the same port; false for
 * others. */
bool addr_embedded_v4(const struct addr *a, struct addr *out);

/* Clears the bits behind the first `bits`, of 32 or 128. */
void addr_clear_host(struct addr *a, unsigned bits);

enum addr_kind addr_kind(const struct addr *a);

/* The address of zeros means this machine: it becomes the loopback, which is what the kernel takes it for. */
void addr_name_this_machine(struct addr *a);

bool addr_same_ip(const struct addr *a, const struct addr *b);

/* Is it within net/bits? Families must be the same. */
bool addr_in(const struct addr *a, const struct addr *net, unsigned bits);

/* "192.0.2.1", "2001:db8::1"; with the port "192.0.2.1:443", "[2001:db8::1]:443". */
void addr_print(const struct addr *a, struct str *out);
void addr_print_port(const struct addr *a, struct str *out);

#endif
