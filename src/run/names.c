/* Names of rules to addresses, at the moment when a program starts. */
#include "run/names.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/sys.h"
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

static int pin(struct names *n, const struct policy *p, const struct net_rule *rule, names_lookup lookup,
	       struct error *err)
{
	struct addresses found = { 0 };
	const char *why = "the name service knows the name, but no address of it";
	int rc = lookup(rule->name, &found, &why);

	if (rc == 0 && found.len == 0)
		rc = -EHOSTUNREACH;
	if (rc < 0 && rc != -ENOMEM)
		not_found(p, rule, rc, why, err);
	for (size_t i = 0; i < found.len && rc == 0; i++) {
		const struct net_pin one = { rule->name, found.at[i] };

		rc = VEC_PUSH(n->pins, n->cap, n->count, one);
	}
	mem_free(found.at);
	return rc == -ENOMEM ? no_memory(err) : rc;
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

/* The first rule of every name, in the order of the rules. */
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
	qsort(list, kept, sizeof(void *), compare_places);
	*out = list;
	*count = kept;
	return 0;
}

static int pin_all(struct names *n, const struct policy *p, names_lookup lookup, struct error *err)
{
	AUTO(free) const struct net_rule **list = NULL;
	size_t count = 0;
	int rc = list_names(p, &list, &count);

	if (rc < 0)
		return no_memory(err);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = pin(n, p, list[i], lookup, err);
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

int names_resolve(const struct policy *p, names_lookup lookup, struct names **out, struct error *err)
{
	struct names *n = mem_alloc(sizeof *n);
	int rc = 0;

	if (!n)
		return no_memory(err);
	atomic_init(&n->users, 1);
	n->made_ns = sys_now();
	if (lookup && policy_has_names(p))
		rc = pin_all(n, p, lookup, err);
	if (rc == 0 && build_matcher(n, p) < 0)
		rc = no_memory(err);
	if (rc < 0) {
		names_unref(n);
		return rc;
	}
	*out = n;
	return 0;
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
	mem_free(n);
}
