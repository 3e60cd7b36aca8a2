/* A refused destination for people: what it is called, and the option that would allow it. */
#include "policy/nethint.h"

#include <stdio.h>

#include "policy/network.h"
#include "policy/ports.h"

#define USUAL_PORT 443

static bool keep_name(const char *name, void *arg)
{
	struct nethint *hint = arg;

	snprintf(hint->name, sizeof hint->name, "%s", name);
	return true;
}

void nethint_find(struct nethint *hint, const struct netmatch *m, struct openings *openings, uint64_t now_ns)
{
	const char *pinned = m ? netmatch_name_of(m, &hint->to) : NULL;

	if (pinned)
		keep_name(pinned, hint);
	else if (openings)
		openings_find(openings, &hint->to, now_ns, keep_name, hint);
}

void nethint_add_target(struct str *out, const struct nethint *hint)
{
	if (hint->proto == NET_ICMP)
		addr_print(&hint->to, out);
	else
		addr_print_port(&hint->to, out);
	str_addf(out, " (%s%s%s)", net_proto_name(hint->proto), hint->name[0] ? ", " : "", hint->name);
}

bool nethint_is_dns(const struct nethint *hint)
{
	return hint->proto != NET_ICMP && hint->to.port == NETHINT_DNS_PORT && !hint->name[0];
}

/* What the kernel gives to whoever asks for port 0, unless its administrator set another range. */
#define CHOSEN_FIRST 32768
#define CHOSEN_LAST 60999

static bool is_chosen_port(const struct nethint *hint)
{
	return hint->policy && hint->proto != NET_ICMP && addr_kind(&hint->to) == ADDR_LOOPBACK &&
	       hint->to.port >= CHOSEN_FIRST && hint->to.port <= CHOSEN_LAST && ports_has(&hint->policy->bind_ports, 0);
}

void nethint_add_flag(struct str *out, const struct nethint *hint)
{
	str_add(out, "--net-allow ");
	if (nethint_is_dns(hint)) {
		str_add(out, "NAME:PORT");
		return;
	}
	/* A metadata service is opened by its address alone. */
	if (!hint->name[0] || addr_kind(&hint->to) == ADDR_METADATA) {
		struct addr to = hint->to;
		bool chosen = is_chosen_port(hint);

		to.port = chosen ? CHOSEN_FIRST : to.port;
		net_destination_print(hint->proto, &to, out);
		if (chosen)
			str_addf(out, "-%d", CHOSEN_LAST);
		return;
	}
	str_addf(out, "%s://%s", net_proto_name(hint->proto), hint->name);
	if (hint->proto != NET_ICMP)
		str_addf(out, ":%u", hint->to.port);
}

/* --- what was looked up: no port is known, so those of a rule --- */

static void add_ports(struct str *out, const struct net_rule *rule)
{
	if (rule)
		net_rule_print_ports(rule, out);
	else
		str_addf(out, ":%d", USUAL_PORT);
}

static const struct net_rule *first_with_name(const struct policy *p)
{
	for (size_t i = 0; i < p->net_rules.len; i++) {
		const struct net_rule *r = &p->net_rules.at[i];

		if (!r->deny && r->port_count && (r->target == TARGET_NAME || r->target == TARGET_SUFFIX))
			return r;
	}
	return NULL;
}

void nethint_add_name(struct str *out, const struct policy *p, const char *name)
{
	str_addf(out, "--net-allow %s", name);
	add_ports(out, first_with_name(p));
}

void nethint_add_address(struct str *out, const struct policy *p, const struct addr *ip, int rule)
{
	const struct net_rule *of = rule >= 0 && p->net_rules.at[rule].port_count ? &p->net_rules.at[rule] : first_with_name(p);

	str_add(out, ip->family == ADDR_V6 ? "--net-allow [" : "--net-allow ");
	addr_print(ip, out);
	if (ip->family == ADDR_V6)
		str_addc(out, ']');
	add_ports(out, of);
}

/* --- what nothing opens --- */

const struct word *nethint_denial(const struct policy *p, enum net_proto proto)
{
	for (size_t i = 0; i < p->net_rules.len; i++) {
		const struct net_rule *r = &p->net_rules.at[i];

		if (r->deny && r->proto == proto && r->target == TARGET_ANY && !r->port_count)
			return network_word(p, r);
	}
	return NULL;
}
