/*
 * Addresses that a name rule has opened for a while, found by address: a hash table whose memory ends at OPENINGS_MAX
 * entries, since what is looked up is the sandbox's choice.
 */
#include "policy/openings.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"

#define BUCKETS 1024
#define NONE (-1)

struct opening {
	struct addr ip;
	char *name;             /* owned */
	uint64_t until_ns;
	bool replaced;          /* newer answers do not have it; open for the time of grace */
	int next;               /* slot of the same bucket */
};

struct openings {
	pthread_mutex_t lock;
	struct opening *at;
	size_t len;
	size_t cap;
	int bucket[BUCKETS];
};

struct openings *openings_new(void)
{
	struct openings *o = mem_alloc(sizeof *o);

	if (!o)
		return NULL;
	pthread_mutex_init(&o->lock, NULL);
	for (size_t i = 0; i < BUCKETS; i++)
		o->bucket[i] = NONE;
	return o;
}

void openings_free(struct openings *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->len; i++)
		mem_free(o->at[i].name);
	mem_free(o->at);
	pthread_mutex_destroy(&o->lock);
	mem_free(o);
}

static int *bucket_of(struct openings *o, const struct addr *ip)
{
	uint32_t hash = 2166136261U;    /* FNV-1a */

	for (size_t i = 0; i < sizeof ip->ip; i++)
		hash = (hash ^ ip->ip[i]) * 16777619U;
	return &o->bucket[(hash ^ (hash >> 16)) % BUCKETS];
}

static struct opening *known(struct openings *o, const char *name, const struct addr *ip)
{
	for (int i = *bucket_of(o, ip); i != NONE; i = o->at[i].next)
		if (addr_same_ip(&o->at[i].ip, ip) && strcmp(o->at[i].name, name) == 0)
			return &o->at[i];
	return NULL;
}

/* Takes a slot out of its bucket. */
static void release(struct openings *o, int slot)
{
	struct opening *gone = &o->at[slot];
	int *link = bucket_of(o, &gone->ip);

	while (*link != slot)
		link = &o->at[*link].next;
	*link = gone->next;
	mem_free(gone->name);
}

static int ends_first(const struct openings *o)
{
	int first = 0;

	for (size_t i = 1; i < o->len; i++)
		if (o->at[i].until_ns < o->at[first].until_ns)
			first = (int)i;
	return first;
}

/* A slot that is in no bucket, or -ENOMEM. */
static int free_slot(struct openings *o)
{
	if (o->len < OPENINGS_MAX) {
		if (mem_grow(&o->at, &o->cap, o->len + 1, sizeof *o->at) < 0)
			return -ENOMEM;
		return (int)o->len++;
	}
	int slot = ends_first(o);
	release(o, slot);
	return slot;
}

static int add(struct openings *o, const char *name, const struct addr *ip, uint64_t until_ns)
{
	struct opening *old = known(o, name, ip);

	if (old) {
		if (old->until_ns < until_ns)
			old->until_ns = until_ns;
		old->replaced = false;
		return 0;
	}
	AUTO(free) char *copy = mem_strdup(name);
	if (!copy)
		return -ENOMEM;
	int slot = free_slot(o);
	if (slot < 0)
		return slot;
	int *head = bucket_of(o, ip);
	o->at[slot] = (struct opening){ .ip = *ip, .name = TAKE(copy), .until_ns = until_ns, .next = *head };
	*head = slot;
	return 0;
}

int openings_add(struct openings *o, const char *name, const struct addr *ip, uint64_t until_ns)
{
	pthread_mutex_lock(&o->lock);
	int rc = add(o, name, ip, until_ns);
	pthread_mutex_unlock(&o->lock);
	return rc;
}

void openings_limit(struct openings *o, const char *name, int family, uint64_t until_ns)
{
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < o->len; i++) {
		struct opening *one = &o->at[i];

		if (one->ip.family != family || strcmp(one->name, name) != 0)
			continue;
		one->replaced = true;
		if (one->until_ns > until_ns)
			one->until_ns = until_ns;
	}
	pthread_mutex_unlock(&o->lock);
}

bool openings_find(struct openings *o, const struct addr *ip, uint64_t now_ns,
		   bool (*each)(const char *name, void *arg), void *arg)
{
	bool found = false;

	pthread_mutex_lock(&o->lock);
	for (int i = *bucket_of(o, ip); i != NONE && !found; i = o->at[i].next)
		if (addr_same_ip(&o->at[i].ip, ip) && o->at[i].until_ns > now_ns)
			found = each(o->at[i].name, arg);
	pthread_mutex_unlock(&o->lock);
	return found;
}

void openings_each(struct openings *o, uint64_t now_ns, void (*each)(const char *name, const struct addr *ip, void *arg),
		   void *arg)
{
	pthread_mutex_lock(&o->lock);
	for (int replaced = 0; replaced <= 1; replaced++)
		for (size_t i = 0; i < o->len; i++)
			if (o->at[i].replaced == replaced && o->at[i].until_ns > now_ns)
				each(o->at[i].name, &o->at[i].ip, arg);
	pthread_mutex_unlock(&o->lock);
}
