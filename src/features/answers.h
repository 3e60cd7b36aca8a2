/*
 * What the sandbox's resolver answers: which names it may know at all, which of their addresses, for how long, and which
 * addresses that opens. It asks nobody; who does (features/nameserver.c) tells it what a server said. One thread.
 */
#ifndef FEATURES_ANSWERS_H
#define FEATURES_ANSWERS_H

#include "base/dnswire.h"
#include "policy/netmatch.h"
#include "policy/openings.h"
#include "policy/policy.h"
#include "supervisor/handler.h"

#define ANSWERS_TTL_MIN 5               /* seconds: shorter ones are made this long */
#define ANSWERS_TTL_MAX 3600
#define ANSWERS_TTL_NOTHING 10          /* of "no such name" and "no such address" */
#define ANSWERS_TTL_PINNED 60           /* told for addresses that hold as long as the sandbox */
#define ANSWERS_GRACE 5                 /* an address stays open this much longer than its time to live */
#define ANSWERS_REFRESH_RETRY 10        /* after a refresh that failed */
#define ANSWERS_REFRESH_GRACE 300       /* how long the last good addresses outlive refreshes that fail */
#define ANSWERS_CACHE 128

struct answers;

struct answers_setup {
	const struct policy *policy;
	const struct netmatch *net;
	struct openings *openings;
	const struct net_pin *pins;     /* what the plain names stood for at the start */
	size_t pin_count;
	const char *hosts;              /* "/etc/hosts" of the host */
	void (*refuse)(void *sink, const struct refusal *refusal);
	void *sink;
};

/* NULL when memory is short. The setup is copied, what it points to lives longer. */
struct answers *answers_new(const struct answers_setup *setup);
void answers_free(struct answers *a);

struct answer {
	uint8_t rcode;
	uint32_t ttl;
	size_t count;
	struct addr ip[DNS_ADDRS_MAX];
};

/* True: answered in *out. False: a server must be asked for just q->name and q->type, see answers_learn. */
bool answers_find(struct answers *a, const struct dns_query *q, uint64_t now_ns, struct answer *out);

/* What a server said about a name that answers_find wanted; NULL: none could say. Opens what may be used. */
void answers_learn(struct answers *a, const char *name, uint16_t type, const struct dns_result *result, uint64_t now_ns,
		   struct answer *out);

/*
 * --dns-refresh: the plain names are looked up again before their time is over. answers_due gives one whose time has
 * come, or NULL and when to ask again (UINT64_MAX: never); it is busy until answers_refreshed has been told about both
 * types. NULL: the lookup failed.
 */
const char *answers_due(struct answers *a, uint64_t now_ns, uint64_t *next_ns);
void answers_refreshed(struct answers *a, const char *name, uint16_t type, const struct dns_result *result,
		       uint64_t now_ns);

#endif
