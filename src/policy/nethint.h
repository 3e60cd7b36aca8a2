/* A refused destination for people: what it is called, and the option that would allow it. */
#ifndef POLICY_NETHINT_H
#define POLICY_NETHINT_H

#include "base/str.h"
#include "policy/netmatch.h"
#include "policy/openings.h"

#define NETHINT_NAME 256
#define NETHINT_DNS_PORT 53

struct nethint {
	enum net_proto proto;
	struct addr to;
	char name[NETHINT_NAME];        /* of the rules' names the one that the address stands for; "": none does */
	const struct policy *policy;    /* may be NULL: then a port that the kernel chose is not told from others */
};

/* Fills in the name as it is at `now_ns`, whatever port and protocol its rules have. Matcher and openings may be NULL:
 * nothing is known then. */
void nethint_find(struct nethint *hint, const struct netmatch *m, struct openings *openings, uint64_t now_ns);

/* "192.0.2.1:80 (tcp, api.example.com)" */
void nethint_add_target(struct str *out, const struct nethint *hint);

/*
 * "--net-allow tcp://api.example.com:80": the name where there is one, since its addresses change. A name server without
 * a name is not advised: it would answer everything, and sandlock looks up the names of rules itself. Where the program
 * may listen on a port that the kernel chooses, one of those on this machine is another next time: all of them then.
 */
void nethint_add_flag(struct str *out, const struct nethint *hint);

/* Is it a name server, for which that flag names another destination? */
bool nethint_is_dns(const struct nethint *hint);

/* The option for a name that no rule has, with the ports of the rules that have names, else 443. */
void nethint_add_name(struct str *out, const struct policy *p, const char *name);

/* The same for an address that the rule of this index has no right to lead to; -1: any rule. */
void nethint_add_address(struct str *out, const struct policy *p, const struct addr *ip, int rule);

/* The deny rule that closes a whole protocol, so that no allow rule opens it; or NULL. */
const struct word *nethint_denial(const struct policy *p, enum net_proto proto);

#endif
