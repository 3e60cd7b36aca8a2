/* The ports that programs of one sandbox have bound: a short list, searched from the newest on. */
#include "policy/portmap.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"

struct slot {
	struct port_entry entry;
	struct addr trusted_at;         /* one address at a time: of a wildcard every other one may be somebody else's */
	uint64_t trusted_until;
	bool client;
};

struct portmap {
	pthread_mutex_t lock;
	struct slot *at;
	size_t len;
	size_t cap;
	port_event *on_bind;
	void *arg;
};

struct portmap *portmap_new(port_event *on_bind, void *arg)
{
	struct portmap *m = mem_alloc(sizeof *m);

	if (!m)
		return NULL;
	pthread_mutex_init(&m->lock, NULL);
	m->on_bind = on_bind;
	m->arg = arg;
	return m;
}

void portmap_free(struct portmap *m)
{
	if (!m)
		return;
	mem_free(m->at);
	pthread_mutex_destroy(&m->lock);
	mem_free(m);
}

static bool is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->ip, zero, sizeof zero) == 0;
}

static bool covers(const struct addr *any, const struct addr *other)
{
	return is_any(any) && (any->family == ADDR_V6 || other->family == ADDR_V4);
}

bool port_overlaps(const struct addr *a, const struct addr *b)
{
	return addr_same_ip(a, b) || covers(a, b) || covers(b, a);
}

/* --- adding --- */

static struct slot *same_place(struct portmap *m, const struct port_entry *e)
{
	for (size_t i = 0; i < m->len; i++) {
		const struct port_entry *old = &m->at[i].entry;

		if (old->proto == e->proto && old->asked == e->asked && addr_same_ip(&old->address, &e->address))
			return &m->at[i];
	}
	return NULL;
}

/* The newest entries are the last: what is replaced moves there. */
static void forget(struct portmap *m, size_t i)
{
	memmove(&m->at[i], &m->at[i + 1], (m->len - i - 1) * sizeof *m->at);
	m->len--;
}

static int make_room(struct portmap *m)
{
	size_t i = 0;

	if (m->len < PORTMAP_MAX)
		return 0;
	while (i < m->len && m->at[i].entry.asked != m->at[i].entry.real)
		i++;
	if (i == m->len)
		return -ENOBUFS;
	forget(m, i);
	return 0;
}

static int add(struct portmap *m, const struct port_entry *entry, bool *is_new)
{
	const struct slot *old = same_place(m, entry);

	*is_new = !old || old->entry.real != entry->real;
	if (old)
		forget(m, (size_t)(old - m->at));
	int rc = make_room(m);
	if (rc < 0)
		return rc;
	return VEC_PUSH(m->at, m->cap, m->len, ((struct slot){ .entry = *entry }));
}

int portmap_add(struct portmap *m, const struct port_entry *entry)
{
	bool is_new;

	pthread_mutex_lock(&m->lock);
	int rc = add(m, entry, &is_new);
	pthread_mutex_unlock(&m->lock);
	if (rc == 0 && is_new && m->on_bind)
		m->on_bind(entry, m->arg);
	return rc;
}

/* --- asking --- */

/* The newest entry for which `is` holds; with the lock held. */
static struct slot *newest(struct portmap *m, bool (*is)(const struct port_entry *e, const struct port_entry *like),
			   const struct port_entry *like)
{
	for (size_t i = m->len; i-- > 0;)
		if (m->at[i].entry.proto == like->proto && is(&m->at[i].entry, like))
			return &m->at[i];
	return NULL;
}

static bool is_at(const struct port_entry *e, const struct port_entry *like)
{
	return e->asked == like->asked && port_overlaps(&e->address, &like->address);
}

static bool has_asked(const struct port_entry *e, const struct port_entry *like)
{
	return e->asked == like->asked;
}

static bool has_real(const struct port_entry *e, const struct port_entry *like)
{
	return e->real == like->real;
}

static bool has_two_numbers(const struct port_entry *e, const struct port_entry *like)
{
	(void)like;
	return e->asked != e->real;
}

/* The newest entry like this one, copied out of the lock. */
static bool look_up(struct portmap *m, bool (*is)(const struct port_entry *e, const struct port_entry *like),
		    const struct port_entry *like, struct port_entry *out)
{
	pthread_mutex_lock(&m->lock);
	const struct slot *s = newest(m, is, like);
	if (s)
		*out = s->entry;
	pthread_mutex_unlock(&m->lock);
	return s != NULL;
}

uint16_t portmap_real(struct portmap *m, enum net_proto proto, const struct addr *at)
{
	const struct port_entry like = { .proto = proto, .asked = at->port, .address = *at };
	struct port_entry found;

	return look_up(m, is_at, &like, &found) ? found.real : 0;
}

uint16_t portmap_remembered(struct portmap *m, enum net_proto proto, uint16_t asked)
{
	const struct port_entry like = { .proto = proto, .asked = asked };
	struct port_entry found;

	return look_up(m, has_asked, &like, &found) ? found.real : 0;
}

uint16_t portmap_asked(struct portmap *m, enum net_proto proto, uint16_t real)
{
	const struct port_entry like = { .proto = proto, .real = real };
	struct port_entry found;

	return look_up(m, has_real, &like, &found) ? found.asked : real;
}

bool port_inode_among(uint64_t inode, const uint64_t *inodes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (inodes[i] == inode)
			return inode != 0;
	return false;
}

bool portmap_is_bound(struct portmap *m, enum net_proto proto, const struct addr *at, const uint64_t *inodes, size_t count)
{
	const struct port_entry like = { .proto = proto, .asked = at->port, .address = *at };
	bool bound = false;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->len && !bound; i++) {
		const struct port_entry *e = &m->at[i].entry;

		bound = e->proto == proto && is_at(e, &like) && port_inode_among(e->inode, inodes, count);
	}
	pthread_mutex_unlock(&m->lock);
	return bound;
}

bool portmap_knows(struct portmap *m, uint64_t inode)
{
	bool known = false;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->len && !known; i++)
		known = m->at[i].entry.inode == inode;
	pthread_mutex_unlock(&m->lock);
	return known;
}

bool portmap_differs(struct portmap *m, enum net_proto proto)
{
	const struct port_entry like = { .proto = proto };
	struct port_entry found;

	return look_up(m, has_two_numbers, &like, &found);
}

void portmap_mark_client(struct portmap *m, uint16_t real)
{
	const struct port_entry like = { .proto = NET_TCP, .real = real };

	pthread_mutex_lock(&m->lock);
	struct slot *s = newest(m, has_real, &like);
	if (s)
		s->client = true;
	pthread_mutex_unlock(&m->lock);
}

bool portmap_has_clients(struct portmap *m)
{
	bool has = false;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->len && !has; i++)
		has = m->at[i].client && m->at[i].entry.asked != m->at[i].entry.real;
	pthread_mutex_unlock(&m->lock);
	return has;
}

void portmap_trust(struct portmap *m, enum net_proto proto, const struct addr *at, uint16_t real, uint64_t until_ns)
{
	const struct port_entry like = { .proto = proto, .asked = at->port, .address = *at };

	pthread_mutex_lock(&m->lock);
	struct slot *s = newest(m, is_at, &like);
	if (s && s->entry.real == real) {
		s->trusted_at = *at;
		s->trusted_until = until_ns;
	}
	pthread_mutex_unlock(&m->lock);
}

bool portmap_is_trusted(struct portmap *m, enum net_proto proto, const struct addr *at, uint64_t now_ns)
{
	const struct port_entry like = { .proto = proto, .asked = at->port, .address = *at };

	pthread_mutex_lock(&m->lock);
	const struct slot *s = newest(m, is_at, &like);
	bool trusted = s && now_ns < s->trusted_until && addr_same_ip(&s->trusted_at, at);
	pthread_mutex_unlock(&m->lock);
	return trusted;
}

int portmap_list(struct portmap *m, struct port_entry **out, size_t *count)
{
	pthread_mutex_lock(&m->lock);
	struct port_entry *list = mem_array(m->len + 1, sizeof *list);
	for (size_t i = 0; list && i < m->len; i++)
		list[i] = m->at[i].entry;
	*count = list ? m->len : 0;
	pthread_mutex_unlock(&m->lock);
	*out = list;
	return list ? 0 : -ENOMEM;
}
