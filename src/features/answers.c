/*
 * What the sandbox's resolver answers.
 *
 * A name of no rule does not exist here, and nobody outside hears of it. A plain name has the addresses that it had at
 * the start, or with --dns-refresh those of the last lookup. A name below a suffix rule is looked up; its addresses are
 * open for as long as the answer says.
 *
 * The owner of a name decides what it resolves to, so an answer is no permission to reach this host or its network:
 * other than public addresses are left out (rebinding), unless a rule grants them by address; then that rule decides,
 * and the answer opens nothing. The host's own /etc/hosts is trusted with private addresses, its owner wrote it.
 */
#include "features/answers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/lookup.h"
#include "base/mem.h"
#include "base/sys.h"
#include "policy/nethint.h"

#define SECOND 1000000000ULL

/* One (name, type) that a server was asked for. */
struct cached {
	char name[256];         /* "": free */
	uint16_t type;
	uint64_t until_ns;
	struct answer answer;
};

/* A plain name under --dns-refresh. Index 0 is A, 1 AAAA. */
struct fresh {
	const char *name;
	bool kinds[ADDR_MULTICAST + 1]; /* of its first addresses: these it may have later too */
	bool busy[2];
	uint64_t due_ns;
	uint64_t good_ns[2];            /* until when the addresses are open */
	uint64_t limit_ns[2];           /* how long failing refreshes may keep them open */
	struct answer answer[2];
};

struct answers {
	struct answers_setup setup;
	struct cached *cache;
	struct fresh *fresh;
	size_t fresh_count;
};

static int index_of(uint16_t type)
{
	return type == DNS_AAAA;
}

static uint32_t clamp_ttl(uint32_t ttl)
{
	return ttl < ANSWERS_TTL_MIN ? ANSWERS_TTL_MIN : ttl > ANSWERS_TTL_MAX ? ANSWERS_TTL_MAX : ttl;
}

/* --- what the rules say --- */

static int rule_of(const struct answers *a, const char *name)
{
	int rule = -1;

	for (int proto = 0; proto < NET_PROTOS && rule < 0; proto++)
		rule = netmatch_name(a->setup.net, (enum net_proto)proto, name, 0);
	return rule;
}

/* A name that is denied whole does not resolve either: below a suffix rule its addresses would be opened else. */
static bool is_denied(const struct answers *a, const char *name)
{
	const struct net_rules *rules = &a->setup.policy->net_rules;

	for (size_t i = 0; i < rules->len; i++) {
		const struct net_rule *r = &rules->at[i];

		if (r->deny && r->target == TARGET_NAME && !r->ports && strcmp(r->name, name) == 0)
			return true;
	}
	return false;
}

static bool is_granted_by_address(const struct answers *a, const struct addr *ip)
{
	const struct net_rules *rules = &a->setup.policy->net_rules;

	for (size_t i = 0; i < rules->len; i++) {
		const struct net_rule *r = &rules->at[i];

		if (!r->deny && r->target == TARGET_NET && addr_in(ip, &r->ip, r->bits))
			return true;
	}
	return false;
}

static void refuse(const struct answers *a, const char *target, const char *rule, const char *flag)
{
	if (a->setup.refuse)
		a->setup.refuse(a->setup.sink, &(struct refusal){
			.operation = "resolve", .target = target, .rule = rule, .flag = flag, .errnum = ENOENT,
		});
}

static void refuse_name(const struct answers *a, const char *name, bool denied)
{
	AUTO(str) struct str flag = STR(4096);

	nethint_add_name(&flag, a->setup.policy, name);
	refuse(a, name, denied ? "a rule denies this name" : "no rule names it",
	       denied || flag.rc < 0 ? NULL : flag.buf);
}

static void refuse_address(const struct answers *a, const char *name, const struct addr *ip)
{
	static const char *const what[] = {
		[ADDR_LOOPBACK] = "a public name must not lead to this host",
		[ADDR_PRIVATE] = "a public name must not lead to a private network",
		[ADDR_LINK_LOCAL] = "a public name must not lead to a neighbour",
		[ADDR_METADATA] = "a public name must not lead to the cloud's metadata",
		[ADDR_MULTICAST] = "a public name must not lead to a group",
	};
	AUTO(str) struct str text = STR(64);
	char target[DNS_TEXT_MAX + 64];
	AUTO(str) struct str flag = STR(4096);

	addr_print(ip, &text);
	nethint_add_address(&flag, a->setup.policy, ip, rule_of(a, name));
	if (text.rc < 0)
		return;
	snprintf(target, sizeof target, "%s at %s", name, text.buf);
	refuse(a, target, what[addr_kind(ip)], flag.rc < 0 ? NULL : flag.buf);
}

/* --- answers --- */

/* Puts into *out what may be told of `from`, and opens what that opens, until `until_ns`. `kinds` may be used as well. */
static void admit(const struct answers *a, const char *name, const struct dns_result *from, const bool *kinds,
		  uint64_t until_ns, struct answer *out)
{
	for (size_t i = 0; i < from->count; i++) {
		const struct addr *ip = &from->ip[i];
		enum addr_kind kind = addr_kind(ip);
		bool own = kind == ADDR_PUBLIC || (kinds && kinds[kind]);

		if (!own && !is_granted_by_address(a, ip)) {
			refuse_address(a, name, ip);
			continue;
		}
		/* An address that could not be opened is of no use to the caller. */
		if (own && openings_add(a->setup.openings, name, ip, until_ns) < 0)
			continue;
		out->ip[out->count++] = *ip;
	}
}

static void answer_literals(struct answer *out)
{
	out->ttl = ANSWERS_TTL_PINNED;
	out->ip[out->count++] = (struct addr){ .family = ADDR_V4, .ip = { 127, 0, 0, 1 } };
	out->ip[out->count++] = (struct addr){ .family = ADDR_V6, .ip = { [15] = 1 } };
}

static bool answer_pinned(const struct answers *a, const char *name, struct answer *out)
{
	out->ttl = ANSWERS_TTL_PINNED;
	for (size_t i = 0; i < a->setup.pin_count && out->count < DNS_ADDRS_MAX; i++)
		if (strcmp(a->setup.pins[i].name, name) == 0)
			out->ip[out->count++] = a->setup.pins[i].ip;
	return out->count > 0;
}

static struct fresh *fresh_of(const struct answers *a, const char *name)
{
	for (size_t i = 0; i < a->fresh_count; i++)
		if (strcmp(a->fresh[i].name, name) == 0)
			return &a->fresh[i];
	return NULL;
}

static uint32_t seconds_until(uint64_t until_ns, uint64_t now_ns)
{
	return until_ns > now_ns + SECOND ? (uint32_t)((until_ns - now_ns) / SECOND) : 1;
}

static void answer_fresh(const struct fresh *f, uint16_t type, uint64_t now_ns, struct answer *out)
{
	int i = index_of(type);

	*out = f->answer[i];
	if (now_ns >= f->good_ns[i])
		out->count = 0;
	out->ttl = out->count ? seconds_until(f->good_ns[i], now_ns) : ANSWERS_TTL_NOTHING;
	if (out->ttl > ANSWERS_REFRESH_RETRY)   /* after a change what was told before is open for that long */
		out->ttl = ANSWERS_REFRESH_RETRY;
}

/* --- the cache --- */

static struct cached *cached_of(const struct answers *a, const char *name, uint16_t type)
{
	for (size_t i = 0; i < ANSWERS_CACHE; i++)
		if (a->cache[i].type == type && strcmp(a->cache[i].name, name) == 0)
			return &a->cache[i];
	return NULL;
}

static struct cached *cache_slot(const struct answers *a, const char *name, uint16_t type)
{
	struct cached *slot = cached_of(a, name, type);

	for (size_t i = 0; !slot && i < ANSWERS_CACHE; i++)
		if (!a->cache[i].name[0])
			slot = &a->cache[i];
	if (slot)
		return slot;
	slot = &a->cache[0];
	for (size_t i = 1; i < ANSWERS_CACHE; i++)
		if (a->cache[i].until_ns < slot->until_ns)
			slot = &a->cache[i];
	return slot;
}

/* Every telling of an address is good for its whole remaining time; that was opened when it was learned. */
static bool answer_cached(const struct answers *a, const char *name, uint16_t type, uint64_t now_ns, struct answer *out)
{
	const struct cached *c = cached_of(a, name, type);

	if (!c || now_ns >= c->until_ns)
		return false;
	*out = c->answer;
	out->ttl = seconds_until(c->until_ns, now_ns);
	return true;
}

static bool answer_hosts(const struct answers *a, const char *name, uint64_t now_ns, struct answer *out)
{
	static const bool kinds[ADDR_MULTICAST + 1] = { [ADDR_PRIVATE] = true };
	struct dns_result found;

	if (!lookup_hosts(a->setup.hosts, name, &found))
		return false;
	out->ttl = ANSWERS_TTL_PINNED;
	admit(a, name, &found, kinds, now_ns + (ANSWERS_TTL_PINNED + ANSWERS_GRACE) * SECOND, out);
	return true;
}

static bool ends_with(const char *name, const char *tail)
{
	size_t len = strlen(name);
	size_t tail_len = strlen(tail);

	return len >= tail_len && strcmp(name + len - tail_len, tail) == 0;
}

/* Names that everybody asks for and that are nobody's secret: no report of these. */
static bool is_noise(const char *name)
{
	return ends_with(name, ".arpa") || ends_with(name, ".localhost") || !name[0];
}

bool answers_find(struct answers *a, const struct dns_query *q, uint64_t now_ns, struct answer *out)
{
	const char *name = q->name;
	bool wants_address = q->type == DNS_A || q->type == DNS_AAAA;

	*out = (struct answer){ .ttl = ANSWERS_TTL_NOTHING };
	if (strcmp(name, "localhost") == 0 || ends_with(name, ".localhost")) {
		answer_literals(out);
		return true;
	}
	bool denied = is_denied(a, name);
	int rule = q->is_host_name && q->class == 1 && !denied ? rule_of(a, name) : -1;
	if (rule < 0) {
		out->rcode = DNS_NXDOMAIN;
		if (!is_noise(name))
			refuse_name(a, name, denied);
		return true;
	}
	if (!wants_address)
		return true;
	const struct fresh *f = fresh_of(a, name);
	if (f) {
		answer_fresh(f, q->type, now_ns, out);
		return true;
	}
	return answer_pinned(a, name, out) || answer_cached(a, name, q->type, now_ns, out) ||
	       answer_hosts(a, name, now_ns, out);
}

void answers_learn(struct answers *a, const char *name, uint16_t type, const struct dns_result *result, uint64_t now_ns,
		   struct answer *out)
{
	*out = (struct answer){ .rcode = DNS_SERVFAIL };
	if (!result)
		return;
	out->rcode = result->rcode;
	out->ttl = result->count ? clamp_ttl(result->ttl) : ANSWERS_TTL_NOTHING;
	uint64_t until = now_ns + out->ttl * SECOND;
	admit(a, name, result, NULL, until + ANSWERS_GRACE * SECOND, out);

	struct cached *slot = cache_slot(a, name, type);
	size_t len = strlen(name);
	if (len >= sizeof slot->name)
		return;
	*slot = (struct cached){ .type = type, .until_ns = until, .answer = *out };
	memcpy(slot->name, name, len + 1);
}

/* --- refreshing plain names --- */

const char *answers_due(struct answers *a, uint64_t now_ns, uint64_t *next_ns)
{
	*next_ns = UINT64_MAX;
	for (size_t i = 0; i < a->fresh_count; i++) {
		struct fresh *f = &a->fresh[i];

		if (f->busy[0] || f->busy[1])
			continue;
		if (f->due_ns <= now_ns) {
			f->busy[0] = f->busy[1] = true;
			f->due_ns = UINT64_MAX;
			return f->name;
		}
		if (f->due_ns < *next_ns)
			*next_ns = f->due_ns;
	}
	return NULL;
}

/* The last good addresses hold a while longer, so that a name server that is away does not cut connections off. */
static void keep_old(const struct answers *a, struct fresh *f, int i, uint64_t now_ns)
{
	uint64_t until = now_ns + (ANSWERS_REFRESH_RETRY + ANSWERS_GRACE) * SECOND;

	if (until > f->limit_ns[i])
		until = f->limit_ns[i];
	if (until <= f->good_ns[i])
		return;
	for (size_t k = 0; k < f->answer[i].count; k++)
		if (openings_add(a->setup.openings, f->name, &f->answer[i].ip[k], until) == 0)
			f->good_ns[i] = until;
}

void answers_refreshed(struct answers *a, const char *name, uint16_t type, const struct dns_result *result,
		       uint64_t now_ns)
{
	struct fresh *f = fresh_of(a, name);
	int i = index_of(type);
	uint64_t again = now_ns + ANSWERS_REFRESH_RETRY * SECOND;

	if (!f)
		return;
	f->busy[i] = false;
	/* "No such name" for a name that had addresses is a failure too; no address of one family is not. */
	if (!result || result->rcode != DNS_NOERROR) {
		keep_old(a, f, i, now_ns);
	} else {
		struct answer fresh = { .ttl = clamp_ttl(result->count ? result->ttl : ANSWERS_TTL_PINNED) };
		uint64_t late = (ANSWERS_REFRESH_RETRY + ANSWERS_GRACE) * SECOND;
		uint64_t until = now_ns + fresh.ttl * SECOND + late;

		openings_limit(a->setup.openings, name, i ? ADDR_V6 : ADDR_V4, now_ns + late);
		admit(a, name, result, f->kinds, until, &fresh);
		f->answer[i] = fresh;
		f->good_ns[i] = until;
		f->limit_ns[i] = now_ns + (fresh.ttl + ANSWERS_REFRESH_GRACE) * SECOND;
		again = now_ns + fresh.ttl * SECOND;
	}
	if (again < f->due_ns)
		f->due_ns = again;
}

static struct fresh *fresh_slot(struct answers *a, const char *name)
{
	struct fresh *f = fresh_of(a, name);

	if (f)
		return f;
	f = &a->fresh[a->fresh_count++];
	f->name = name;
	return f;
}

/* The addresses of the start, whose time to live nobody told: looked up at once, and good until that has been tried for
 * long enough. */
static int begin_refresh(struct answers *a, uint64_t until_ns)
{
	for (size_t i = 0; i < a->setup.pin_count; i++) {
		const struct net_pin *pin = &a->setup.pins[i];
		struct fresh *f = fresh_slot(a, pin->name);
		int k = pin->ip.family == ADDR_V6;

		f->kinds[addr_kind(&pin->ip)] = true;
		f->kinds[ADDR_METADATA] = false;
		if (f->answer[k].count < DNS_ADDRS_MAX)
			f->answer[k].ip[f->answer[k].count++] = pin->ip;
		f->good_ns[k] = f->limit_ns[k] = until_ns;
		int rc = openings_add(a->setup.openings, pin->name, &pin->ip, until_ns);
		if (rc < 0)
			return rc;
	}
	return 0;
}

struct answers *answers_new(const struct answers_setup *setup)
{
	struct answers *a = mem_alloc(sizeof *a);

	if (!a)
		return NULL;
	a->setup = *setup;
	a->cache = mem_array(ANSWERS_CACHE, sizeof *a->cache);
	bool refresh = setup->policy->dns_refresh && setup->pin_count;
	a->fresh = refresh ? mem_array(setup->pin_count, sizeof *a->fresh) : NULL;
	if (!a->cache || (refresh && !a->fresh) ||
	    (refresh && begin_refresh(a, sys_now() + ANSWERS_REFRESH_GRACE * SECOND) < 0)) {
		answers_free(a);
		return NULL;
	}
	return a;
}

void answers_free(struct answers *a)
{
	if (!a)
		return;
	mem_free(a->cache);
	mem_free(a->fresh);
	mem_free(a);
}
