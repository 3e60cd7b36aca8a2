/* Names of rules to addresses, at the moment when a program starts. */
#include "run/names.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/sys.h"
#include "base/thread.h"
#include "policy/network.h"

static bool has_address(const struct addresses *list, const struct addr *a)
{
	for (size_t i = 0; i < list->len; i++)
		if (addr_same_ip(&list->at[i], a))
			return true;
	return false;
}

int names_lookup_host(const char *name, struct addresses *out, const char **why)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	int failed = getaddrinfo(name, NULL, &hints, &found);
	int rc = 0;

	if (failed == EAI_MEMORY)
		return -ENOMEM;
	if (failed) {
		*why = gai_strerror(failed);
		return -EHOSTUNREACH;
	}
	for (const struct addrinfo *ai = found; ai && rc == 0; ai = ai->ai_next) {
		struct addr a;

		if (addr_from_sockaddr(ai->ai_addr, ai->ai_addrlen, &a) < 0 || has_address(out, &a))
			continue;
		rc = VEC_PUSH(out->at, out->cap, out->len, a);
	}
	freeaddrinfo(found);
	return rc;
}

static int no_memory(struct error *err)
{
	return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the names of the network rules");
}

static int not_found(const struct policy *p, const struct net_rule *rule, int rc, const char *why, struct error *err)
{
	AUTO(str) struct str source = STR(4096);

	network_print_source(p, rule, &source);
	if (source.rc < 0)
		return no_memory(err);
	return error_set(err, ERR_START, rc, "the name '%s' of the network rule %s has no address: %s", rule->name, source.buf,
			 why);
}

/* --- looking up: a name that nobody answers for takes seconds, so they are asked for together --- */

#define LOOKUP_THREADS 8

struct search {
	const struct net_rule *rule;
	struct addresses found;
	const char *why;
	int rc;
	bool told;              /* a warning names it */
};

struct searches {
	struct search *at;
	size_t count;
	atomic_size_t next;
	names_lookup lookup;
	bool lenient;           /* also a name that was typed may be away */
};

static void *search_some(void *arg)
{
	struct searches *s = arg;
	size_t i;

	while ((i = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed)) < s->count) {
		struct search *one = &s->at[i];

		one->why = "the name service knows the name, but no address of it";
		one->rc = s->lookup(one->rule->name, &one->found, &one->why);
		if (one->rc == 0 && one->found.len == 0)
			one->rc = -EHOSTUNREACH;
	}
	return NULL;
}

/* With fewer threads where they cannot be had: this one is enough. */
static void search_all(struct searches *s)
{
	pthread_t threads[LOOKUP_THREADS - 1];
	size_t started = 0;

	while (started < ARRAY_SIZE(threads) && started + 1 < s->count &&
	       thread_start(&threads[started], search_some, s) == 0)
		started++;
	search_some(s);
	while (started)
		pthread_join(threads[--started], NULL);
}

/* --- what was found --- */

static bool is_away(const struct search *one)
{
	return one->rc < 0 && one->rc != -ENOMEM;
}

/* One sentence for all hosts of a preset that are away for the same reason: without a network that is each of them. */
static int warn(struct names *n, const struct policy *p, struct searches *s, const struct search *first)
{
	AUTO(str) struct str hosts = STR(1 << 16);
	AUTO(str) struct str text = STR(1 << 16);
	size_t count = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct search *one = &s->at[i];

		if (!is_away(one) || one->rule->preset != first->rule->preset || strcmp(one->why, first->why) != 0)
			continue;
		str_addf(&hosts, "%s%s", count++ ? ", " : "", one->rule->name);
		one->told = true;
	}
	str_addf(&text, "the network preset %s is without %s, which %s no address: %s",
		 p->net_presets.at[first->rule->preset - 1].text, hosts.rc < 0 ? "hosts" : hosts.buf,
		 count > 1 ? "have" : "has", first->why);
	return text.rc < 0 ? text.rc : words_push(&n->warnings, (struct view){ text.buf, text.len }, "");
}

static int pin(struct names *n, const struct policy *p, struct searches *s, const struct search *one, struct error *err)
{
	int rc = one->rc;

	if (is_away(one)) {
		if (!one->rule->preset)
			return s->lenient ? 0 : not_found(p, one->rule, rc, one->why, err);
		rc = one->told ? 0 : warn(n, p, s, one);
		return rc < 0 ? no_memory(err) : 0;
	}
	for (size_t i = 0; i < one->found.len && rc == 0; i++) {
		const struct net_pin pinned = { one->rule->name, one->found.at[i] };

		rc = VEC_PUSH(n->pins, n->cap, n->count, pinned);
	}
	return rc < 0 ? no_memory(err) : 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct net_rule *x = *(const struct net_rule *const *)a;
	const struct net_rule *y = *(const struct net_rule *const *)b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x > y) - (x < y);
}

static int compare_places(const void *a, const void *b)
{
	const struct net_rule *x = *(const struct net_rule *const *)a;
	const struct net_rule *y = *(const struct net_rule *const *)b;

	return (x > y) - (x < y);
}

/* One rule of every name, in the order of the rules: the first that was typed, else the first. */
static int list_names(const struct policy *p, const struct net_rule ***out, size_t *count)
{
	const struct net_rule **list = mem_array(p->net_rules.len, sizeof(void *));
	size_t len = 0;
	size_t kept = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < p->net_rules.len; i++)
		if (p->net_rules.at[i].target == TARGET_NAME)
			list[len++] = &p->net_rules.at[i];
	qsort(list, len, sizeof(void *), compare_names);
	for (size_t i = 0; i < len; i++)
		if (kept == 0 || strcmp(list[i]->name, list[kept - 1]->name) != 0)
			list[kept++] = list[i];
		else if (list[kept - 1]->preset && !list[i]->preset)
			list[kept - 1] = list[i];
	qsort(list, kept, sizeof(void *), compare_places);
	*out = list;
	*count = kept;
	return 0;
}

static int pin_all(struct names *n, const struct policy *p, names_lookup lookup, bool lenient, struct error *err)
{
	AUTO(free) const struct net_rule **list = NULL;
	struct searches s = { .lookup = lookup, .lenient = lenient };
	int rc = list_names(p, &list, &s.count);

	if (rc < 0)
		return no_memory(err);
	s.at = mem_array(s.count, sizeof *s.at);
	if (!s.at)
		return no_memory(err);
	atomic_init(&s.next, 0);
	for (size_t i = 0; i < s.count; i++)
		s.at[i] = (struct search){ .rule = list[i] };
	search_all(&s);
	for (size_t i = 0; i < s.count && rc == 0; i++)
		rc = pin(n, p, &s, &s.at[i], err);
	for (size_t i = 0; i < s.count; i++)
		mem_free(s.at[i].found.at);
	mem_free(s.at);
	return rc;
}

static bool is_denied(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->net_rules.len; i++) {
		const struct net_rule *r = &p->net_rules.at[i];

		if (r->deny && r->target == TARGET_NAME && strcmp(r->name, name) == 0)
			return true;
	}
	return false;
}

/* With --dns-refresh the resolver opens what an allowed name stands for, for as long as it does; what a denied name stood
 * for stays denied. */
static int build_matcher(struct names *n, const struct policy *p)
{
	AUTO(free) struct net_pin *denied = NULL;
	size_t count = 0;

	if (!p->dns_refresh || n->count == 0)
		return netmatch_build(p, n->pins, n->count, &n->match);
	denied = mem_array(n->count, sizeof *denied);
	if (!denied)
		return -ENOMEM;
	for (size_t i = 0; i < n->count; i++)
		if (is_denied(p, n->pins[i].name))
			denied[count++] = n->pins[i];
	return netmatch_build(p, denied, count, &n->match);
}

static int resolve(const struct policy *p, names_lookup lookup, bool lenient, struct names **out, struct error *err)
{
	struct names *n = mem_alloc(sizeof *n);
	int rc = 0;

	if (!n)
		return no_memory(err);
	atomic_init(&n->users, 1);
	n->made_ns = sys_now();
	if (lookup && policy_has_names(p))
		rc = pin_all(n, p, lookup, lenient, err);
	if (rc == 0 && build_matcher(n, p) < 0)
		rc = no_memory(err);
	if (rc < 0) {
		names_unref(n);
		return rc;
	}
	*out = n;
	return 0;
}

int names_resolve(const struct policy *p, names_lookup lookup, struct names **out, struct error *err)
{
	return resolve(p, lookup, false, out, err);
}

int names_resolve_known(const struct policy *p, names_lookup lookup, struct names **out, struct error *err)
{
	return resolve(p, lookup, true, out, err);
}

struct names *names_ref(struct names *n)
{
	atomic_fetch_add_explicit(&n->users, 1, memory_order_relaxed);
	return n;
}

void names_unref(struct names *n)
{
	if (!n || atomic_fetch_sub_explicit(&n->users, 1, memory_order_acq_rel) > 1)
		return;
	netmatch_free(n->match);
	mem_free(n->pins);
	words_fini(&n->warnings);
	mem_free(n);
}
