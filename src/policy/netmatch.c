/*
 * Rules compiled for lookup. The blocks of addresses of one list, protocol and family lie in layers by the length of
 * their prefix, sorted, each with disjoint spans of ports; a span knows the first rule that has it. A question costs one
 * binary search a layer, however many rules there are, and there are no more layers than different lengths.
 */
#include "policy/netmatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FAMILIES 2
#define NAME_SIZE 256
#define NO_RULE UINT32_MAX
#define NARROW 8                /* bits that a block needs in order to name a metadata service by address */

enum list {
	LIST_DENY,
	LIST_ALLOW,
	LIST_PINNED,            /* allowed too, but by the address of a name */
	LISTS
};

/* What a rule says of one block and one range of ports; the bytes before `rule` are the key of the block. */
struct entry {
	uint8_t list;
	uint8_t proto;
	uint8_t family;
	uint8_t bits;
	uint8_t ip[16];
	uint32_t rule;
	struct port_range ports;
	const char *name;
};
#define KEY_SIZE offsetof(struct entry, rule)

struct span {
	struct port_range ports;
	uint32_t rule;
	const char *name;
};

struct block {
	uint8_t ip[16];
	uint32_t first;         /* of its spans */
	uint32_t count;
};

struct layer {
	uint32_t first;         /* of its blocks */
	uint32_t count;
	uint8_t bits;
};

struct table {
	uint32_t first;         /* of its layers */
	uint32_t count;
};

/* A rule by its name. */
struct named {
	const char *name;
	bool suffix;
	uint32_t rule;
};

struct netmatch {
	const struct policy *policy;    /* lent; its rules keep the names */
	struct span *spans;
	struct block *blocks;
	struct layer *layers;
	struct named *names;
	size_t span_count, span_cap;
	size_t block_count, block_cap;
	size_t layer_count, layer_cap;
	size_t name_count, name_cap;
	struct table tables[LISTS][NET_PROTOS][FAMILIES];
};

/* --- from rules to entries --- */

struct entries {
	struct entry *at;
	size_t len;
	size_t cap;
};

/* One entry a range of ports. */
static int add_ranges(struct entries *e, const struct net_rule *rule, struct entry entry)
{
	static const struct port_range every = { 0, UINT16_MAX };
	const size_t count = rule->port_count ? rule->port_count : 1;

	if (mem_grow(&e->at, &e->cap, e->len + count, sizeof *e->at) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		entry.ports = rule->port_count ? rule->ports[i] : every;
		e->at[e->len++] = entry;
	}
	return 0;
}

static int add_block(struct entries *e, const struct net_rule *rule, uint32_t index, const struct addr *ip, unsigned bits)
{
	struct entry entry = {
		.list = rule->deny ? LIST_DENY : LIST_ALLOW,
		.proto = rule->proto,
		.family = ip->family == ADDR_V6,
		.bits = (uint8_t)bits,
		.rule = index,
	};

	memcpy(entry.ip, ip->ip, sizeof entry.ip);
	return add_ranges(e, rule, entry);
}

static int add_addresses(struct entries *e, const struct net_rule *rule, uint32_t index)
{
	const struct addr all_v4 = { .family = ADDR_V4 };
	const struct addr all_v6 = { .family = ADDR_V6 };

	if (rule->target == TARGET_NET)
		return add_block(e, rule, index, &rule->ip, rule->bits);
	if (rule->target != TARGET_ANY)
		return 0;
	int rc = add_block(e, rule, index, &all_v4, 0);
	return rc < 0 ? rc : add_block(e, rule, index, &all_v6, 0);
}

static int add_pin(struct entries *e, const struct netmatch *m, const struct named *named, const struct net_pin *pin)
{
	const struct net_rule *rule = &m->policy->net_rules.at[named->rule];
	struct entry entry = {
		.list = LIST_PINNED,
		.proto = rule->proto,
		.family = pin->ip.family == ADDR_V6,
		.bits = pin->ip.family == ADDR_V6 ? 128 : 32,
		.rule = named->rule,
		.name = rule->name,
	};

	memcpy(entry.ip, pin->ip.ip, sizeof entry.ip);
	return add_ranges(e, rule, entry);
}

static int compare_names(const void *a, const void *b)
{
	const struct named *x = a;
	const struct named *y = b;
	int order = strcmp(x->name, y->name);

	if (order == 0)
		order = (x->suffix > y->suffix) - (x->suffix < y->suffix);
	return order ? order : (x->rule > y->rule) - (x->rule < y->rule);
}

/* Where the rules of this name begin, or would. */
static size_t find_name(const struct netmatch *m, const char *name, bool suffix)
{
	const struct named want = { .name = name, .suffix = suffix };
	size_t low = 0;
	size_t high = m->name_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_names(&m->names[middle], &want) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_name(const struct netmatch *m, size_t at, const char *name, bool suffix)
{
	return at < m->name_count && m->names[at].suffix == suffix && strcmp(m->names[at].name, name) == 0;
}

static int add_names(struct netmatch *m)
{
	const struct net_rules *rules = &m->policy->net_rules;

	for (size_t i = 0; i < rules->len; i++) {
		const struct net_rule *rule = &rules->at[i];

		if (rule->target != TARGET_NAME && rule->target != TARGET_SUFFIX)
			continue;
		const struct named named = { rule->name, rule->target == TARGET_SUFFIX, (uint32_t)i };
		int rc = VEC_PUSH(m->names, m->name_cap, m->name_count, named);
		if (rc < 0)
			return rc;
	}
	if (m->name_count)
		qsort(m->names, m->name_count, sizeof *m->names, compare_names);
	return 0;
}

static int collect(struct netmatch *m, const struct net_pin *pins, size_t count, struct entries *e)
{
	int rc = add_names(m);

	for (size_t i = 0; i < m->policy->net_rules.len && rc == 0; i++)
		rc = add_addresses(e, &m->policy->net_rules.at[i], (uint32_t)i);
	for (size_t i = 0; i < count && rc == 0; i++)
		for (size_t at = find_name(m, pins[i].name, false); rc == 0 && is_name(m, at, pins[i].name, false); at++)
			rc = add_pin(e, m, &m->names[at], &pins[i]);
	return rc;
}

/* --- from entries to tables --- */

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a;
	const struct entry *y = b;
	int order = memcmp(x, y, KEY_SIZE);

	return order ? order : (x->rule > y->rule) - (x->rule < y->rule);
}

static int compare_starts(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a;
	const uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The ports of one block cut at every place where some range begins or ends. */
struct cut {
	uint32_t *starts;               /* sorted, without doubles */
	uint32_t *next;                 /* the piece itself, or one further on, if it has an owner */
	const struct entry **owner;     /* of the piece that begins there */
	size_t count;
};

static size_t piece_at(const struct cut *c, uint32_t start)
{
	const uint32_t *found = bsearch(&start, c->starts, c->count, sizeof start, compare_starts);

	return (size_t)(found - c->starts);
}

/* The first piece from `at` on that nobody owns. */
static size_t free_piece(struct cut *c, size_t at)
{
	while (c->next[at] != at) {
		c->next[at] = c->next[c->next[at]];
		at = c->next[at];
	}
	return at;
}

static void cut_ports(const struct entry *group, size_t count, struct cut *c)
{
	size_t unique = 0;

	for (size_t i = 0; i < count; i++) {
		c->starts[2 * i] = group[i].ports.low;
		c->starts[2 * i + 1] = (uint32_t)group[i].ports.high + 1;
	}
	qsort(c->starts, 2 * count, sizeof *c->starts, compare_starts);
	for (size_t i = 0; i < 2 * count; i++)
		if (unique == 0 || c->starts[i] != c->starts[unique - 1])
			c->starts[unique++] = c->starts[i];
	c->count = unique;
	for (size_t i = 0; i < unique; i++)
		c->next[i] = (uint32_t)i;
	/* the group is sorted by rule: the first one to come keeps a piece */
	for (size_t i = 0; i < count; i++) {
		const size_t end = piece_at(c, (uint32_t)group[i].ports.high + 1);

		for (size_t at = free_piece(c, piece_at(c, group[i].ports.low)); at < end; at = free_piece(c, at)) {
			c->owner[at] = &group[i];
			c->next[at] = (uint32_t)at + 1;
		}
	}
}

static int push_span(struct netmatch *m, const struct entry *entry, struct port_range ports)
{
	const struct span span = { ports, entry->rule, entry->name };

	return VEC_PUSH(m->spans, m->span_cap, m->span_count, span);
}

/* The spans of one block out of several ranges. */
static int push_spans(struct netmatch *m, const struct entry *group, size_t count)
{
	AUTO(free) uint32_t *starts = mem_array(count, 2 * sizeof *starts);
	AUTO(free) uint32_t *next = mem_array(count, 2 * sizeof *next);
	AUTO(free) const struct entry **owner = mem_array(count, 2 * sizeof(void *));
	struct cut c = { starts, next, owner, 0 };
	int rc = 0;

	if (!starts || !next || !owner)
		return -ENOMEM;
	cut_ports(group, count, &c);
	for (size_t i = 0; i + 1 < c.count && rc == 0; i++) {
		size_t last = i;

		if (!owner[i])
			continue;
		while (last + 2 < c.count && owner[last + 1] && owner[last + 1]->rule == owner[i]->rule)
			last++;
		rc = push_span(m, owner[i], (struct port_range){ (uint16_t)starts[i], (uint16_t)(starts[last + 1] - 1) });
		i = last;
	}
	return rc;
}

/* A new layer where the length of the prefix changes, and in a new table; the key is sorted that way. */
static int open_layer(struct netmatch *m, const struct entry *entry)
{
	struct table *table = &m->tables[entry->list][entry->proto][entry->family];

	if (table->count && m->layers[m->layer_count - 1].bits == entry->bits)
		return 0;
	if (table->count == 0)
		table->first = (uint32_t)m->layer_count;
	const struct layer layer = { (uint32_t)m->block_count, 0, entry->bits };
	int rc = VEC_PUSH(m->layers, m->layer_cap, m->layer_count, layer);
	if (rc == 0)
		table->count++;
	return rc;
}

static int push_block(struct netmatch *m, const struct entry *group, size_t count)
{
	struct block block = { .first = (uint32_t)m->span_count };
	int rc = open_layer(m, group);

	if (rc == 0)
		rc = count == 1 ? push_span(m, group, group->ports) : push_spans(m, group, count);
	if (rc < 0)
		return rc;
	memcpy(block.ip, group->ip, sizeof block.ip);
	block.count = (uint32_t)m->span_count - block.first;
	m->layers[m->layer_count - 1].count++;
	return VEC_PUSH(m->blocks, m->block_cap, m->block_count, block);
}

static int compile(struct netmatch *m, const struct entries *e)
{
	int rc = 0;

	if (e->len)
		qsort(e->at, e->len, sizeof *e->at, compare_entries);
	for (size_t i = 0, end; i < e->len && rc == 0; i = end) {
		for (end = i + 1; end < e->len && memcmp(&e->at[i], &e->at[end], KEY_SIZE) == 0;)
			end++;
		rc = push_block(m, &e->at[i], end - i);
	}
	return rc;
}

int netmatch_build(const struct policy *p, const struct net_pin *pins, size_t count, struct netmatch **out)
{
	struct netmatch *m = mem_alloc(sizeof *m);
	struct entries e = { 0 };

	if (!m)
		return -ENOMEM;
	m->policy = p;
	int rc = collect(m, pins, count, &e);
	if (rc == 0)
		rc = compile(m, &e);
	mem_free(e.at);
	if (rc < 0) {
		netmatch_free(m);
		return rc;
	}
	*out = m;
	return 0;
}

void netmatch_free(struct netmatch *m)
{
	if (!m)
		return;
	mem_free(m->spans);
	mem_free(m->blocks);
	mem_free(m->layers);
	mem_free(m->names);
	mem_free(m);
}

/* --- questions --- */

static void mask(const struct addr *a, unsigned bits, uint8_t out[16])
{
	memset(out, 0, 16);
	memcpy(out, a->ip, bits / 8);
	if (bits % 8)
		out[bits / 8] = (uint8_t)(a->ip[bits / 8] & (0xff00 >> (bits % 8)));
}

static int compare_block(const void *ip, const void *block)
{
	return memcmp(ip, ((const struct block *)block)->ip, 16);
}

static int compare_span(const void *port, const void *span)
{
	const uint16_t p = *(const uint16_t *)port;
	const struct span *s = span;

	if (p < s->ports.low)
		return -1;
	return p > s->ports.high;
}

static const struct block *block_in_layer(const struct netmatch *m, const struct layer *layer, const struct addr *a)
{
	uint8_t ip[16];

	mask(a, layer->bits, ip);
	return bsearch(ip, m->blocks + layer->first, layer->count, sizeof *m->blocks, compare_block);
}

static const struct span *look_in_layer(const struct netmatch *m, const struct layer *layer, const struct addr *a)
{
	const struct block *block = block_in_layer(m, layer, a);

	if (!block)
		return NULL;
	return bsearch(&a->port, m->spans + block->first, block->count, sizeof *m->spans, compare_span);
}

/* The span of the first rule of a list that has the address, in a block of at least so many bits; or NULL. */
static const struct span *look(const struct netmatch *m, enum list list, enum net_proto proto, const struct addr *a,
			       unsigned least)
{
	const struct table *table = &m->tables[list][proto][a->family == ADDR_V6];
	const struct span *best = NULL;

	for (size_t i = 0; i < table->count; i++) {
		const struct layer *layer = &m->layers[table->first + i];
		const struct span *span = layer->bits < least ? NULL : look_in_layer(m, layer, a);

		if (span && (!best || span->rule < best->rule))
			best = span;
	}
	return best;
}

static const struct span *denial(const struct netmatch *m, enum net_proto proto, const struct addr *a)
{
	struct addr inner;
	const struct span *span = look(m, LIST_DENY, proto, a, 0);

	return span || !addr_embedded_v4(a, &inner) ? span : look(m, LIST_DENY, proto, &inner, 0);
}

/* Of two spans, that of the rule which stands first. */
static const struct span *earlier(const struct span *a, const struct span *b)
{
	return !a || (b && b->rule < a->rule) ? b : a;
}

/* Rules for ping have every port, so that whatever a program writes there says nothing. */
struct net_decision netmatch_decide(const struct netmatch *m, enum net_proto proto, const struct addr *to)
{
	struct net_decision d = { .rule = -1 };

	if (to->family == ADDR_NONE)
		return d;

	const struct span *span = denial(m, proto, to);
	if (span) {
		d.rule = (int)span->rule;
		return d;
	}
	const bool metadata = addr_kind(to) == ADDR_METADATA;
	span = look(m, LIST_ALLOW, proto, to, metadata ? NARROW : 0);
	if (!metadata)
		span = earlier(span, look(m, LIST_PINNED, proto, to, 0));
	if (span)
		return (struct net_decision){ true, (int)span->rule, span->name };
	d.allowed = m->policy->net_facts.allows_rest && !metadata;
	return d;
}

static bool try_port(const struct netmatch *m, enum net_proto proto, struct addr *to, unsigned port, struct net_decision *d)
{
	to->port = (uint16_t)port;
	struct net_decision at = port && port <= UINT16_MAX ? netmatch_decide(m, proto, to) : *d;

	if (at.allowed || d->rule < 0)
		*d = at;
	return d->allowed;
}

/* What is said of a port changes only where a range of some rule begins or has ended. */
struct net_decision netmatch_decide_any_port(const struct netmatch *m, enum net_proto proto, const struct addr *to)
{
	const struct net_rules *rules = &m->policy->net_rules;
	struct net_decision d = { .rule = -1 };
	struct addr at = *to;

	if (try_port(m, proto, &at, 1, &d))
		return d;
	for (size_t i = 0; i < rules->len; i++) {
		const struct net_rule *rule = &rules->at[i];

		for (size_t k = 0; rule->proto == proto && k < rule->port_count; k++)
			if (try_port(m, proto, &at, rule->ports[k].low, &d) ||
			    try_port(m, proto, &at, rule->ports[k].high + 1U, &d))
				return d;
	}
	return d;
}

/* --- what is left of a rule --- */

/* Of the denials that have this port in a block of at most so many bits around the address: one that ends last. */
static const struct span *widest_denial(const struct netmatch *m, enum net_proto proto, const struct addr *a, unsigned most)
{
	const struct table *table = &m->tables[LIST_DENY][proto][a->family == ADDR_V6];
	const struct span *best = NULL;
	struct addr inner;

	if (most == 128 && addr_embedded_v4(a, &inner))
		best = widest_denial(m, proto, &inner, 32);
	for (size_t i = 0; i < table->count; i++) {
		const struct layer *layer = &m->layers[table->first + i];
		const struct span *span = layer->bits > most ? NULL : look_in_layer(m, layer, a);

		if (span && (!best || span->ports.high > best->ports.high))
			best = span;
	}
	return best;
}

#define STEPS_MAX 64            /* else thousands of rules, each denied port by port, would be seconds */

/* Goes from the range's first port to its last one, by the denials that have them; false where there is none. */
static bool is_denied(const struct netmatch *m, enum net_proto proto, const struct addr *ip, unsigned bits,
		      struct port_range range, struct net_denial *by)
{
	const struct net_rule *rules = m->policy->net_rules.at;
	struct addr at = *ip;
	unsigned steps = 0;

	for (unsigned port = range.low; port <= range.high; steps++) {
		at.port = (uint16_t)port;
		const struct span *span = steps < STEPS_MAX ? widest_denial(m, proto, &at, bits) : NULL;
		if (!span)
			return false;
		if (by->rule < 0)
			by->rule = (int)span->rule;
		by->joint |= rules[span->rule].word != rules[by->rule].word;
		port = span->ports.high + 1U;
	}
	return true;
}

struct net_denial netmatch_denial_of(const struct netmatch *m, const struct net_rule *allow)
{
	static const struct addr all[FAMILIES] = { { .family = ADDR_V4 }, { .family = ADDR_V6 } };
	static const struct port_range every = { 0, UINT16_MAX };
	const bool one_block = allow->target == TARGET_NET;
	const struct addr *ip = one_block ? &allow->ip : all;
	const size_t blocks = one_block ? 1 : FAMILIES;
	const size_t ranges = allow->port_count ? allow->port_count : 1;
	struct net_denial by = { .rule = -1 };

	for (size_t i = 0; i < blocks; i++)
		for (size_t r = 0; r < ranges; r++) {
			const struct port_range range = allow->port_count ? allow->ports[r] : every;

			if (!is_denied(m, (enum net_proto)allow->proto, &ip[i], one_block ? allow->bits : 0, range, &by))
				return (struct net_denial){ .rule = -1 };
		}
	return by;
}

/* --- names --- */

/* Lower case, without a final dot. False: too long to be a name. */
static bool normalise(const char *name, char out[NAME_SIZE])
{
	size_t len = strlen(name);

	if (len && name[len - 1] == '.')
		len--;
	if (len == 0 || len >= NAME_SIZE)
		return false;
	for (size_t i = 0; i < len; i++)
		out[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] | 0x20) : name[i];
	out[len] = '\0';
	return true;
}

/* The first rule of this name, or of this domain, that covers protocol and port; NO_RULE if there is none. */
static uint32_t first_rule(const struct netmatch *m, const char *name, bool suffix, enum net_proto proto, unsigned port)
{
	for (size_t at = find_name(m, name, suffix); is_name(m, at, name, suffix); at++) {
		const struct net_rule *rule = &m->policy->net_rules.at[m->names[at].rule];

		if (rule->proto == proto && (port == 0 || net_rule_has_port(rule, port)))
			return m->names[at].rule;
	}
	return NO_RULE;
}

int netmatch_name(const struct netmatch *m, enum net_proto proto, const char *name, unsigned port)
{
	char plain[NAME_SIZE];

	if (!normalise(name, plain))
		return -1;
	uint32_t best = first_rule(m, plain, false, proto, port);

	for (const char *dot = strchr(plain, '.'); dot; dot = strchr(dot + 1, '.')) {
		uint32_t rule = first_rule(m, dot + 1, true, proto, port);

		best = rule < best ? rule : best;
	}
	return best == NO_RULE ? -1 : (int)best;
}

const char *netmatch_name_of(const struct netmatch *m, const struct addr *ip)
{
	for (int proto = 0; proto < NET_PROTOS && ip->family != ADDR_NONE; proto++) {
		const struct table *table = &m->tables[LIST_PINNED][proto][ip->family == ADDR_V6];

		for (size_t i = 0; i < table->count; i++) {
			const struct block *block = block_in_layer(m, &m->layers[table->first + i], ip);

			if (block)
				return m->spans[block->first].name;
		}
	}
	return NULL;
}
