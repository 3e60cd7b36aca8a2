/* The grammar of network rules: one --net-allow or --net-deny value becomes one or two rules, and a rule text again. */
#ifndef POLICY_NETRULES_H
#define POLICY_NETRULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"

enum net_proto { NET_TCP, NET_UDP, NET_ICMP, NET_PROTOS };

enum net_target {
	TARGET_ANY,             /* "*" or nothing */
	TARGET_NET,             /* an address or a CIDR block: ip and bits */
	TARGET_NAME,            /* a host name: resolved when a sandbox starts */
	TARGET_SUFFIX,          /* "*.example.com": name is "example.com"; allow only; the resolver opens its addresses */
};

struct port_range {
	uint16_t low;
	uint16_t high;
};

struct net_rule {
	uint8_t proto;          /* enum net_proto */
	uint8_t target;         /* enum net_target */
	uint8_t bits;           /* of TARGET_NET */
	bool deny;
	uint16_t preset;        /* 1 + place in policy->net_presets of the one that it comes from; 0: it was typed */
	uint32_t word;          /* index into policy->net_words: the value as it was typed, by whom, and where */
	struct addr ip;         /* of TARGET_NET, host bits zero, no port */
	char *name;             /* lower case, no final dot; owned */
	struct port_range *ports;       /* sorted, joined; NULL: every port. owned */
	size_t port_count;
};

struct net_rules {
	struct net_rule *at;
	size_t len;
	size_t cap;
	uint32_t *index;        /* hash table of 1 + place in `at`, so that folding duplicates does not take for ever */
	size_t index_cap;
};

void net_rules_fini(struct net_rules *r);

/*
 * Parses one value and adds its rules; `out` may be NULL: then it is only checked. A value without a scheme gives a TCP
 * and a UDP rule, "*://" gives one of every protocol, where ICMP has no ports. Words of older releases: allow "icmp",
 * deny "udp", deny "raw" (no rule: raw sockets are refused anyway). `origin` begins the sentence of a refusal, which
 * names the column and what to write instead. Duplicates are folded. 0, -EINVAL or -ENOMEM.
 */
int net_rules_add(struct net_rules *out, struct view text, bool deny, uint32_t word, const char *origin,
		  struct error *err);

bool net_rule_has_port(const struct net_rule *rule, unsigned port);

const char *net_proto_name(enum net_proto proto);       /* "tcp", "udp", "icmp" */

/* As a rule for it alone spells it: "tcp://192.0.2.1:443", "icmp://192.0.2.1". */
void net_destination_print(enum net_proto proto, const struct addr *to, struct str *out);

/* ":80,8000-8010"; nothing where the rule is for every port. */
void net_rule_print_ports(const struct net_rule *rule, struct str *out);

/* "tcp://192.0.2.0/24:80,443": parses back to exactly this rule. */
void net_rule_print(const struct net_rule *rule, struct str *out);

#endif
