/* The kernel's tables of internet sockets: "sl local remote st queues timer retransmits uid timeout inode ...". */
#include "policy/porttable.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { FIELD_LOCAL = 1, FIELD_PEER, FIELD_STATE, FIELD_UID = 7, FIELD_INODE = 9, FIELDS };

#define V4_DIGITS 8
#define V6_DIGITS 32
#define WORD_DIGITS 8

static size_t split(struct view line, struct view field[FIELDS])
{
	bool more = true;
	size_t n = 0;

	while (more && n < FIELDS) {
		struct view word = view_cut(&line, ' ', &more);

		if (word.len)
			field[n++] = word;
	}
	return n;
}

static bool read_hex(struct view digits, uint32_t *out)
{
	static const char hex[] = "0123456789ABCDEF";

	*out = 0;
	if (digits.len == 0 || digits.len > WORD_DIGITS)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		const char *at = memchr(hex, digits.ptr[i], sizeof hex - 1);

		if (!at)
			return false;
		*out = *out << 4 | (uint32_t)(at - hex);
	}
	return true;
}

/* Words of the address are printed as numbers of this machine, so as bytes in memory they are the address. */
static bool read_words(struct view digits, void *ip)
{
	for (size_t i = 0; i < digits.len / WORD_DIGITS; i++) {
		uint32_t word;

		if (!read_hex((struct view){ digits.ptr + i * WORD_DIGITS, WORD_DIGITS }, &word))
			return false;
		memcpy((char *)ip + i * sizeof word, &word, sizeof word);
	}
	return true;
}

/* "0100007F:1F90" */
static bool read_endpoint(struct view text, struct addr *out, struct view *port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	bool more;
	uint32_t number;
	struct view ip = view_cut(&text, ':', &more);

	if (!more || text.len != 4 || !read_hex(text, &number) || (ip.len != V4_DIGITS && ip.len != V6_DIGITS))
		return false;
	bool is_v4 = ip.len == V4_DIGITS;
	if (!read_words(ip, is_v4 ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr))
		return false;
	*port = text;
	int rc = is_v4 ? addr_from_sockaddr(&v4, sizeof v4, out) : addr_from_sockaddr(&v6, sizeof v6, out);
	out->port = (uint16_t)number;
	return rc == 0;
}

bool porttable_row(struct view line, struct port_row *out)
{
	struct view field[FIELDS];
	uint64_t uid;
	uint32_t state;

	if (split(line, field) < FIELDS || !read_endpoint(field[FIELD_LOCAL], &out->local, &out->local_port) ||
	    !read_endpoint(field[FIELD_PEER], &out->peer, &out->peer_port) || !read_hex(field[FIELD_STATE], &state) ||
	    view_u64(field[FIELD_UID], UINT32_MAX, &uid) < 0 || view_u64(field[FIELD_INODE], UINT64_MAX, &out->inode) < 0)
		return false;
	out->state = state;
	out->uid = (uint32_t)uid;
	return true;
}
