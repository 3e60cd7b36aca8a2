/*
 * What the lists of a policy come to as a whole: one list of rules with the word that each was read from, the ports that
 * Landlock can carry, and whether anything is left that a supervisor has to judge.
 */
#include "policy/network.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "policy/grants.h"
#include "policy/netpresets.h"
#include "policy/ports.h"
#include "policy/presets.h"

/* Reads one value, typed by `origin`, into the rules. */
static int add_value(struct policy *p, struct view text, bool deny, const char *origin)
{
	uint32_t word = (uint32_t)p->net_words.len;
	size_t before = p->net_rules.len;
	int rc = net_rules_add(&p->net_rules, text, deny, word, origin, NULL);

	if (rc == 0 && p->net_rules.len > before)
		rc = words_push(&p->net_words, text, origin);
	return rc;
}

static int add_words(struct policy *p, const struct words *w, bool deny)
{
	int rc = 0;

	for (size_t i = 0; i < w->len && rc == 0; i++)
		rc = add_value(p, view_of(w->at[i].text), deny, w->at[i].origin);
	return rc;
}

static int add_preset(struct policy *p, size_t index)
{
	const struct word *name = &p->net_presets.at[index];
	size_t before = p->net_rules.len;
	const struct net_preset *preset = net_preset_by_name(view_of(name->text));
	AUTO(str) struct str origin = STR(4200);
	int rc = 0;

	str_addf(&origin, "network preset %s (%s)", name->text, name->origin);
	if (origin.rc < 0)
		return origin.rc;
	for (size_t i = 0; i < preset->count && rc == 0; i++)
		rc = add_value(p, view_of(preset->rules[i]), false, origin.buf);
	for (size_t i = before; i < p->net_rules.len; i++)
		p->net_rules.at[i].preset = (uint16_t)(index + 1);
	return rc;
}

/* "80,443", or "*" where one of the words says so; a list of ports cannot mix both. */
static void join_ports(const struct words *ports, struct str *out)
{
	for (size_t i = 0; i < ports->len; i++) {
		if (strchr(ports->at[i].text, '*')) {
			str_clear(out);
			str_addc(out, '*');
			return;
		}
		str_addf(out, "%s%s", i ? "," : "", ports->at[i].text);
	}
}

/* The older options: a destination must be among the hosts and its port among the ports. */
static int add_older(struct policy *p)
{
	AUTO(str) struct str ports = STR(1 << 20);
	int rc = 0;

	for (size_t i = 0; i < p->net_connect.len && !p->net_hosts.len && rc == 0; i++) {
		AUTO(str) struct str rule = STR(1 << 20);

		str_addf(&rule, "tcp://:%s", p->net_connect.at[i].text);
		rc = rule.rc < 0 ? rule.rc
				 : add_value(p, (struct view){ rule.buf, rule.len }, false, p->net_connect.at[i].origin);
	}
	join_ports(&p->net_connect, &ports);
	for (size_t i = 0; i < p->net_hosts.len && rc == 0; i++) {
		const char *host = p->net_hosts.at[i].text;
		const bool v6 = strchr(host, ':') && host[0] != '[';
		AUTO(str) struct str rule = STR(1 << 20);

		str_addf(&rule, v6 ? "%s[%s]" : "%s%s", ports.len ? "tcp://" : "", host);
		if (ports.len)
			str_addf(&rule, ":%s", ports.buf);
		rc = rule.rc < 0 ? rule.rc
				 : add_value(p, (struct view){ rule.buf, rule.len }, false, p->net_hosts.at[i].origin);
	}
	return rc < 0 ? rc : ports.rc;
}

static int read_rules(struct policy *p)
{
	int rc = add_words(p, &p->net_allow, false);

	for (size_t i = 0; i < p->net_presets.len && rc == 0; i++)
		rc = add_preset(p, i);
	if (rc == 0)
		rc = add_older(p);
	if (rc == 0)
		rc = add_words(p, &p->net_deny, true);
	if (rc == 0 && p->no_udp)
		rc = add_value(p, VIEW("udp"), true, "no_udp");
	return rc;
}

/* --- what they come to --- */

/* "udp" and "raw" close what is closed by default: they do not open the rest, as a list of denials does. */
static bool denies_only(const struct policy *p)
{
	size_t real = 0;

	for (size_t i = 0; i < p->net_deny.len; i++)
		real += strcmp(p->net_deny.at[i].text, "udp") != 0 && strcmp(p->net_deny.at[i].text, "raw") != 0;
	return real && !p->net_allow.len && !p->net_presets.len && !p->net_hosts.len && !p->net_connect.len;
}

static bool is_whole(const struct net_rule *rule)
{
	return rule->target == TARGET_ANY && rule->port_count == 0;
}

static void find_protos(struct policy *p)
{
	struct net_facts *f = &p->net_facts;

	for (unsigned proto = 0; proto < NET_PROTOS; proto++)
		f->protos[proto] = f->allows_rest;
	for (size_t i = 0; i < p->net_rules.len; i++)
		if (!p->net_rules.at[i].deny)
			f->protos[p->net_rules.at[i].proto] = true;
	for (size_t i = 0; i < p->net_rules.len; i++)
		if (p->net_rules.at[i].deny && is_whole(&p->net_rules.at[i]))
			f->protos[p->net_rules.at[i].proto] = false;
}

/* Landlock can carry TCP ports of any address, if there is an end to them: an open end leads to metadata services. */
static bool is_carried(const struct net_rule *rule)
{
	return rule->proto == NET_TCP && rule->target == TARGET_ANY && rule->port_count && !rule->deny;
}

static void find_facts(struct policy *p)
{
	struct net_facts *f = &p->net_facts;

	f->allows_rest = denies_only(p);
	find_protos(p);
	f->judged = f->allows_rest;
	for (size_t i = 0; i < p->net_rules.len; i++) {
		const struct net_rule *rule = &p->net_rules.at[i];

		f->names |= rule->target == TARGET_NAME;
		f->suffixes |= rule->target == TARGET_SUFFIX;
		f->typed_suffixes |= rule->target == TARGET_SUFFIX && !rule->preset;
		f->judged |= f->protos[rule->proto] && !is_carried(rule);
	}
	/* The resolver is asked over UDP, and there is nothing to ask it without these. */
	f->protos[NET_UDP] |= f->suffixes;
}

static void add_range(struct ports *set, struct port_range range)
{
	for (unsigned port = range.low; port <= range.high; port++)
		set->bits[port / 64] |= (uint64_t)1 << (port % 64);
}

static void find_connect_ports(struct policy *p)
{
	struct ports *set = &p->connect_ports;

	set->any = p->net_facts.allows_rest && p->net_facts.protos[NET_TCP];
	for (size_t i = 0; i < p->net_rules.len && p->net_facts.protos[NET_TCP]; i++) {
		const struct net_rule *rule = &p->net_rules.at[i];

		if (rule->deny || rule->proto != NET_TCP)
			continue;
		set->given = true;
		set->any |= rule->port_count == 0;
		for (size_t r = 0; r < rule->port_count; r++)
			add_range(set, rule->ports[r]);
	}
}

/* Denials win; where there are only denials, everything else may be bound. */
static void find_bind_ports(struct policy *p)
{
	struct ports *set = &p->bind_ports;
	const struct ports *denied = &p->deny_bind_ports;

	for (size_t i = 0; i < p->net_allow_bind.len; i++)
		ports_add_bind(set, view_of(p->net_allow_bind.at[i].text), "", NULL);
	for (size_t i = 0; i < p->net_deny_bind.len; i++)
		ports_add_deny_bind(&p->deny_bind_ports, view_of(p->net_deny_bind.at[i].text), "", NULL);
	p->binds_are_named = set->given && !set->any;
	if (!denied->given)
		return;
	if (set->any || !set->given)
		memset(set->bits, 0xff, sizeof set->bits);
	set->any = false;
	set->given = true;
	for (size_t i = 0; i < ARRAY_SIZE(set->bits); i++)
		set->bits[i] &= ~denied->bits[i];
}

/* --- without a supervisor --- */

static const char *needs_supervisor(const struct policy *p, const struct net_rule *rule)
{
	static const char *const by_target[] = {
		[TARGET_NET] = "judges an address", [TARGET_NAME] = "names a host", [TARGET_SUFFIX] = "names a domain",
	};

	if (rule->deny)
		return p->net_facts.protos[rule->proto] ? "denies" : NULL;
	if (rule->target != TARGET_ANY)
		return by_target[rule->target];
	return rule->proto == NET_TCP ? NULL : "is for UDP or ICMP";
}

static int check_supervisor(const struct policy *p, struct error *err)
{
	for (size_t i = 0; i < p->net_rules.len; i++) {
		const struct net_rule *rule = &p->net_rules.at[i];
		const char *why = needs_supervisor(p, rule);
		AUTO(str) struct str source = STR(4096);
		AUTO(str) struct str instead = STR(4096);

		if (!why)
			continue;
		network_print_source(p, rule, &source);
		net_rule_print(&(struct net_rule){ .proto = NET_TCP, .ports = rule->ports, .port_count = rule->port_count },
			       &instead);
		if (source.rc < 0 || instead.rc < 0)
			return -ENOMEM;
		return error_set(err, ERR_POLICY, -EINVAL,
				 "--no-supervisor: the rule %s needs a supervisor, because it %s; without one only TCP ports of "
				 "any address are judged, as in %s", source.buf, why, instead.buf);
	}
	return 0;
}

int network_freeze(struct policy *p, struct error *err)
{
	network_fini(p);
	int rc = read_rules(p);

	if (rc < 0)
		return rc;
	find_facts(p);
	find_connect_ports(p);
	find_bind_ports(p);
	if (!p->no_supervisor)
		return 0;
	rc = check_supervisor(p, err);
	p->net_facts.judged = false;            /* what is left is Landlock's */
	return rc;
}

void network_fini(struct policy *p)
{
	net_rules_fini(&p->net_rules);
	words_fini(&p->net_words);
	p->net_facts = (struct net_facts){ 0 };
	memset(&p->connect_ports, 0, sizeof p->connect_ports);
	memset(&p->bind_ports, 0, sizeof p->bind_ports);
	memset(&p->deny_bind_ports, 0, sizeof p->deny_bind_ports);
	p->binds_are_named = false;
}

void network_print_source(const struct policy *p, const struct net_rule *rule, struct str *out)
{
	const struct word *word = network_word(p, rule);

	str_addc(out, '\'');
	str_add_quoted(out, word->text, strlen(word->text));
	str_add(out, "' from ");
	str_add_quoted(out, word->origin, strlen(word->origin));
}

/* --- what others ask --- */

bool policy_judges_addresses(const struct policy *p)
{
	return p->net_facts.judged;
}

bool policy_has_proto(const struct policy *p, enum net_proto proto)
{
	return p->net_facts.protos[proto];
}

bool policy_has_names(const struct policy *p)
{
	return p->net_facts.names;
}

bool policy_has_suffixes(const struct policy *p)
{
	return p->net_facts.suffixes;
}

static bool presets_write(const struct policy *p)
{
	for (size_t i = 0; i < p->preset_len; i++)
		if ((p->preset_entries[i].access & ACCESS_WRITE) && !p->preset_entries[i].device)
			return true;
	return false;
}

bool policy_reaches_unix(const struct policy *p)
{
	if (p->no_supervisor)
		return false;                   /* nobody could judge the path */
	return p->unix_allow.len > 0 || (!p->no_unix_write && (p->fs_write.len > 0 || presets_write(p)));
}

/* Where unix sockets by path are in reach connect is trapped for them, and then all of it comes to the supervisor; and
 * where ports of the sandbox may be other ones outside. */
bool policy_judges_connects(const struct policy *p)
{
	return !p->no_supervisor && (policy_judges_addresses(p) || policy_reaches_unix(p) || p->port_remap);
}

bool policy_remaps_ports(const struct policy *p)
{
	return !p->no_supervisor && p->port_remap;
}

bool policy_judges_joins(const struct policy *p)
{
	return !p->no_supervisor && policy_judges_addresses(p) && policy_has_proto(p, NET_UDP);
}

bool policy_has_unix_datagrams(const struct policy *p)
{
	return !p->no_supervisor && p->unix_allow.len > 0;
}

/* A range of denied ports leaves more than Landlock should have rules for; UDP and ping sockets it does not know. */
bool policy_judges_binds(const struct policy *p)
{
	return !p->no_supervisor && (p->port_remap || p->deny_bind_ports.given || policy_has_proto(p, NET_UDP) ||
				     policy_has_proto(p, NET_ICMP));
}

bool policy_lets_clients_bind(const struct policy *p)
{
	return !p->no_supervisor && !ports_has(&p->bind_ports, 0) && !ports_has(&p->deny_bind_ports, 0) &&
	       policy_has_proto(p, NET_TCP);
}
