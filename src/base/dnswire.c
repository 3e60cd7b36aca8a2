/* DNS messages as bytes (RFC 1035, 6891): every read is bounded by the message, every pointer leads backwards. */
#include "base/dnswire.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define FLAG_ANSWER 0x8000
#define FLAG_OPCODE 0x7800
#define FLAG_TRUNCATED 0x0200
#define FLAG_RECURSE 0x0100
#define FLAG_RECURSES 0x0080
#define POINTER 0xc0
#define CLASS_IN 1
#define NAME_MAX_WIRE 255
#define LABEL_MAX 63
#define OPT_SIZE 11
#define RECORDS_MAX 128         /* of one message */
#define ALIASES_MAX 8

/* A place in a message. The first read past the end sticks. */
struct cursor {
	const uint8_t *msg;
	size_t len;
	size_t at;
	bool bad;
};

static bool has(struct cursor *c, size_t n)
{
	if (c->bad || c->len - c->at < n)
		c->bad = true;
	return !c->bad;
}

static void skip(struct cursor *c, size_t n)
{
	if (has(c, n))
		c->at += n;
}

static uint16_t get16(struct cursor *c)
{
	if (!has(c, 2))
		return 0;
	const uint8_t *p = c->msg + c->at;
	c->at += 2;
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(struct cursor *c)
{
	uint32_t high = get16(c);

	return high << 16 | get16(c);
}

/* --- names --- */

struct text {
	char *out;              /* DNS_TEXT_MAX bytes */
	size_t len;
	bool is_host_name;
};

static void put_byte(struct text *t, uint8_t byte)
{
	bool upper = byte >= 'A' && byte <= 'Z';
	bool plain = upper || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';

	if (plain) {
		t->out[t->len++] = (char)(upper ? byte + 32 : byte);
		return;
	}
	t->is_host_name = false;
	t->out[t->len++] = '\\';
	t->out[t->len++] = (char)('0' + byte / 100);
	t->out[t->len++] = (char)('0' + byte / 10 % 10);
	t->out[t->len++] = (char)('0' + byte % 10);
}

static void put_label(struct text *t, const uint8_t *label, size_t len)
{
	if (t->len)
		t->out[t->len++] = '.';
	for (size_t i = 0; i < len; i++)
		put_byte(t, label[i]);
}

/*
 * A name at the cursor, which then stands behind it. A pointer must lead to before the place where the label run began
 * that holds it, so the walk ends; the name's length on the wire is bounded as well, so the text fits.
 */
static void get_name(struct cursor *c, struct text *t, bool pointers)
{
	struct cursor walk = *c;
	size_t run = c->at;
	size_t wire = 0;
	bool jumped = false;

	t->len = 0;
	t->is_host_name = true;
	while (has(&walk, 1)) {
		uint8_t n = walk.msg[walk.at++];

		if ((n & POINTER) == POINTER && pointers && has(&walk, 1)) {
			size_t to = (size_t)(n & ~POINTER) << 8 | walk.msg[walk.at++];

			if (!jumped)
				c->at = walk.at;
			jumped = true;
			if (to >= run)
				break;
			walk.at = run = to;
			continue;
		}
		wire += n + 1u;
		if (n > LABEL_MAX || wire > NAME_MAX_WIRE || !has(&walk, n))
			break;
		if (n == 0) {
			t->out[t->len] = '\0';
			t->is_host_name &= t->len > 0;
			if (!jumped)
				c->at = walk.at;
			return;
		}
		put_label(t, walk.msg + walk.at, n);
		walk.at += n;
	}
	t->out[0] = '\0';
	t->is_host_name = false;
	c->bad = true;
}

/* A host name to labels; the length or -EINVAL. `out` has 255 bytes. */
static int put_name(const char *name, uint8_t *out)
{
	size_t len = strlen(name);
	size_t at = 0;

	if (len == 0 || len > NAME_MAX_WIRE - 2)
		return -EINVAL;
	while (*name) {
		size_t label = strcspn(name, ".");

		if (label == 0 || label > LABEL_MAX)
			return -EINVAL;
		out[at++] = (uint8_t)label;
		memcpy(out + at, name, label);
		at += label;
		name += label;
		if (*name == '.' && name[1] == '\0')
			return -EINVAL;
		name += *name == '.';
	}
	out[at++] = 0;
	return (int)at;
}

/* --- building --- */

static uint8_t *put16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
	return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t value)
{
	return put16(put16(p, value >> 16), value & 0xffff);
}

/* id, flags and the counts of questions, answers, authorities and additional records */
static uint8_t *put_head(uint8_t *p, unsigned id, unsigned flags, unsigned answers, unsigned additional)
{
	p = put16(put16(p, id), flags);
	return put16(put16(put16(put16(p, 1), answers), 0), additional);
}

int dns_build_query(uint16_t id, const char *name, uint16_t type, uint8_t *out)
{
	uint8_t *p = put_head(out, id, FLAG_RECURSE, 0, 0);
	int len = put_name(name, p);

	if (len < 0)
		return len;
	p = put16(put16(p + len, type), CLASS_IN);
	return (int)(p - out);
}

static size_t size_of_ip(uint16_t type)
{
	return type == DNS_A ? 4 : type == DNS_AAAA ? 16 : 0;
}

static bool is_of_type(const struct addr *ip, uint16_t type)
{
	return (ip->family == ADDR_V4 && type == DNS_A) || (ip->family == ADDR_V6 && type == DNS_AAAA);
}

static uint8_t *put_record(uint8_t *p, const struct dns_query *q, uint32_t ttl, const struct addr *ip)
{
	size_t size = size_of_ip(q->type);

	p = put16(p, POINTER << 8 | DNS_HEAD);          /* the name of the question */
	p = put32(put16(put16(p, q->type), CLASS_IN), ttl);
	p = put16(p, (unsigned)size);
	memcpy(p, ip->ip, size);
	return p + size;
}

size_t dns_build_reply(const struct dns_query *q, const struct dns_reply *reply, uint8_t *out, size_t room)
{
	unsigned flags = FLAG_ANSWER | FLAG_RECURSES | (q->wants_recursion ? FLAG_RECURSE : 0) | reply->rcode;
	size_t fixed = DNS_HEAD + q->question_len + (q->has_edns ? OPT_SIZE : 0);
	size_t each = 12 + size_of_ip(q->type);
	unsigned count = 0;

	for (size_t i = 0; i < reply->count; i++)
		count += is_of_type(&reply->ip[i], q->type);
	if (fixed + count * each > room) {
		flags |= FLAG_TRUNCATED;
		count = 0;
	}
	uint8_t *p = put_head(out, q->id, flags, count, q->has_edns);
	if (q->question_len == 0)
		out[5] = 0;     /* the question could not be read: none is repeated */
	memcpy(p, q->question, q->question_len);
	p += q->question_len;
	for (size_t i = 0; count && i < reply->count; i++)
		if (is_of_type(&reply->ip[i], q->type))
			p = put_record(p, q, reply->ttl, &reply->ip[i]);
	if (q->has_edns) {
		*p++ = 0;
		p = put16(put32(put16(put16(p, DNS_OPT), DNS_UDP_MAX), 0), 0);
	}
	return (size_t)(p - out);
}

/* --- reading --- */

struct record {
	uint16_t type;
	uint16_t class;
	uint32_t ttl;
	size_t data;            /* place in the message */
	size_t len;
};

/* A resource record; its owner goes to `owner`. */
static bool get_record(struct cursor *c, struct text *owner, struct record *r)
{
	get_name(c, owner, true);
	r->type = get16(c);
	r->class = get16(c);
	r->ttl = get32(c);
	r->len = get16(c);
	r->data = c->at;
	skip(c, r->len);
	return !c->bad;
}

static uint16_t clamp_udp(unsigned size)
{
	return (uint16_t)(size < DNS_UDP_MIN ? DNS_UDP_MIN : size > DNS_UDP_MAX ? DNS_UDP_MAX : size);
}

/* Of the additional records only EDNS matters; others (signatures, cookies) are passed over. */
static bool read_additional(struct cursor *c, unsigned count, struct dns_query *q)
{
	char name[DNS_TEXT_MAX];
	struct text owner = { .out = name };
	struct record r;

	if (count > RECORDS_MAX)
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (!get_record(c, &owner, &r))
			return false;
		if (r.type != DNS_OPT)
			continue;
		if (q->has_edns || owner.len)
			return false;
		q->has_edns = true;
		q->udp_size = clamp_udp(r.class);
	}
	return true;
}

int dns_parse_query(const uint8_t *msg, size_t len, struct dns_query *q)
{
	struct cursor c = { .msg = msg, .len = len };
	struct text name = { .out = q->name };

	*q = (struct dns_query){ .id = get16(&c), .udp_size = DNS_UDP_MIN };
	unsigned flags = get16(&c);
	unsigned questions = get16(&c);
	unsigned others = get16(&c) + get16(&c);
	unsigned additional = get16(&c);
	if (c.bad || flags & FLAG_ANSWER)
		return -EBADMSG;
	q->wants_recursion = flags & FLAG_RECURSE;
	if (flags & FLAG_OPCODE) {
		q->rcode = DNS_NOTIMP;
		return 0;
	}
	q->rcode = DNS_FORMERR;
	if (questions != 1 || others)
		return 0;
	get_name(&c, &name, false);
	q->type = get16(&c);
	q->class = get16(&c);
	if (c.bad)
		return 0;
	q->is_host_name = name.is_host_name;
	q->question_len = c.at - DNS_HEAD;
	memcpy(q->question, msg + DNS_HEAD, q->question_len);
	if (read_additional(&c, additional, q))
		q->rcode = DNS_NOERROR;
	return 0;
}

/* An IPv4 address in IPv6 clothes has no place in an answer: nobody serves one for a good reason. */
static void add_ip(struct dns_result *out, const uint8_t *bytes, uint16_t type)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (out->count == DNS_ADDRS_MAX || (type == DNS_AAAA && memcmp(bytes, mapped, sizeof mapped) == 0))
		return;
	struct addr *ip = &out->ip[out->count++];
	*ip = (struct addr){ .family = type == DNS_A ? ADDR_V4 : ADDR_V6 };
	memcpy(ip->ip, bytes, size_of_ip(type));
}

/* An answer section, walked once for each name of a chain of aliases. */
struct section {
	struct cursor start;
	unsigned count;
	uint16_t type;
};

/* Takes the addresses of `name`; true when there is an alias instead, which then is in `name`. */
static bool walk(const struct section *s, char *name, struct dns_result *out, bool *bad)
{
	char owner_text[DNS_TEXT_MAX];
	char alias[DNS_TEXT_MAX];
	struct text owner = { .out = owner_text };
	struct text target = { .out = alias };
	struct cursor c = s->start;
	bool found = false;
	struct record r;

	for (unsigned i = 0; i < s->count; i++) {
		if (!get_record(&c, &owner, &r))
			break;
		if (r.class != CLASS_IN || strcmp(owner.out, name) != 0 || (r.type != s->type && r.type != DNS_CNAME))
			continue;
		if (r.ttl > INT32_MAX)          /* RFC 2181: as if it were zero */
			r.ttl = 0;
		if (out->ttl > r.ttl)
			out->ttl = r.ttl;
		if (r.type == s->type && r.len && r.len == size_of_ip(s->type))
			add_ip(out, c.msg + r.data, s->type);
		if (r.type == DNS_CNAME && !found) {
			struct cursor at = { .msg = c.msg, .len = r.data + r.len, .at = r.data };

			get_name(&at, &target, true);
			found = !at.bad && target.len;
		}
	}
	*bad = c.bad;
	if (out->count || !found)
		return false;
	memcpy(name, alias, target.len + 1);
	return true;
}

/* The alias may stand in the message before or after what it leads to, so every name has a walk of its own. */
static int read_answers(const struct section *s, const char *asked, struct dns_result *out)
{
	char name[DNS_TEXT_MAX];
	bool bad = false;

	memcpy(name, asked, strlen(asked) + 1);
	for (int hop = 0; hop <= ALIASES_MAX && walk(s, name, out, &bad); hop++)
		;
	return bad ? -EBADMSG : 0;
}

int dns_parse_answer(const uint8_t *msg, size_t len, uint16_t id, const char *name, uint16_t type,
		     struct dns_result *out)
{
	char text[DNS_TEXT_MAX];
	struct text asked = { .out = text };
	struct cursor c = { .msg = msg, .len = len };

	*out = (struct dns_result){ .ttl = UINT32_MAX };
	bool same = get16(&c) == id;
	unsigned flags = get16(&c);
	unsigned questions = get16(&c);
	struct section s = { .count = get16(&c), .type = type };
	skip(&c, 4);
	get_name(&c, &asked, false);
	same &= get16(&c) == type;
	same &= get16(&c) == CLASS_IN;
	if (c.bad || !same || !(flags & FLAG_ANSWER) || questions != 1 || strcasecmp(text, name) != 0)
		return -EBADMSG;
	out->rcode = flags & 15;
	out->truncated = flags & FLAG_TRUNCATED;
	if (out->truncated || out->rcode != DNS_NOERROR)
		return 0;
	if (s.count > RECORDS_MAX)
		return -EBADMSG;
	s.start = c;
	return read_answers(&s, text, out);
}
