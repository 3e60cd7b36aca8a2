/* Sentences about the network, made from the rules and the matcher alone: nothing is looked up and nothing is asked. */
#include "policy/netexplain.h"

#include <string.h>

#include "base/mem.h"
#include "policy/network.h"
#include "policy/ports.h"

static void add_quoted(struct str *out, const char *text)
{
	str_add_quoted(out, text, strlen(text));
}

/* "the rule ':443' from --net-allow" */
static void add_rule(struct str *out, const struct policy *p, const struct net_rule *rule)
{
	str_add(out, "the rule ");
	network_print_source(p, rule, out);
}

/* The first value of a list of ports that has this one, or NULL. */
static const struct word *word_with(const struct words *words, unsigned port)
{
	for (size_t i = 0; i < words->len; i++) {
		struct ports one = { 0 };

		if (ports_add_bind(&one, view_of(words->at[i].text), "", NULL) == 0 && ports_has(&one, port))
			return &words->at[i];
	}
	return NULL;
}

static void add_word(struct str *out, const char *what, const struct word *word)
{
	str_addf(out, "the rule '");
	add_quoted(out, word->text);
	str_add(out, "' from ");
	add_quoted(out, word->origin);
	str_add(out, what);
}

static int explain_bind(const struct policy *p, unsigned port, struct str *out)
{
	const struct word *denied = word_with(&p->net_deny_bind, port);
	const struct word *by = word_with(&p->net_allow_bind, port);
	const bool allowed = ports_has(&p->bind_ports, port) && !denied;

	str_addf(out, "listening on TCP port %u is %s: ", port, allowed ? "allowed" : "refused");
	if (denied)
		add_word(out, " denies it.", denied);
	else if (allowed && by)
		add_word(out, " has it.", by);
	else if (allowed)
		str_add(out, "no rule denies it.");
	else
		str_addf(out, "%s Add --net-allow-bind %u.", p->net_allow_bind.len ? "no rule has it." : "there is no rule.",
			 port);
	return allowed;
}

/* The first rule for a TCP port of any address. */
static const struct net_rule *port_rule(const struct policy *p, unsigned port, bool deny)
{
	for (size_t i = 0; i < p->net_rules.len; i++) {
		const struct net_rule *rule = &p->net_rules.at[i];

		if (rule->proto == NET_TCP && rule->target == TARGET_ANY && rule->deny == deny && net_rule_has_port(rule, port))
			return rule;
	}
	return NULL;
}

static int explain_connect(const struct policy *p, unsigned port, struct str *out)
{
	const struct net_rule *denied = port_rule(p, port, true);
	const struct net_rule *by = port_rule(p, port, false);
	const bool allowed = !denied && (by || p->net_facts.allows_rest);

	str_addf(out, "connecting to TCP port %u is %s: ", port, allowed ? "allowed" : "refused");
	if (allowed && !by) {
		str_add(out, "no rule denies it.");
		return 1;
	}
	if (allowed || denied) {
		add_rule(out, p, denied ? denied : by);
		str_add(out, denied ? " denies it." : " has it.");
		return allowed;
	}
	if (ports_has(&p->connect_ports, port))
		str_add(out, "there are rules for it, but only for certain destinations. ");
	else
		str_add(out, p->net_rules.len ? "no rule has it. " : "there is no rule. ");
	str_addf(out, "Add --net-allow tcp://:%u.", port);
	return 0;
}

int explain_port(const struct policy *p, bool bind, unsigned port, struct str *out)
{
	if (p->strictness[PROTECT_NET_TCP] == DISABLED && !policy_judges_addresses(p)) {
		str_add(out, "TCP ports are not judged: the protection net-tcp is disabled.");
		return 1;
	}
	return bind ? explain_bind(p, port, out) : explain_connect(p, port, out);
}

static void add_refusal(struct str *out, const struct policy *p, enum net_proto proto, const struct addr *to)
{
	if (addr_kind(to) == ADDR_METADATA)
		str_add(out, "it is the metadata service of a cloud, which only a rule with its address opens. ");
	else
		str_add(out, p->net_rules.len ? "no rule has it. " : "there is no rule. ");
	str_add(out, "Add --net-allow ");
	net_destination_print(proto, to, out);
	str_add(out, ".");
}

int explain_destination(const struct policy *p, const struct netmatch *m, enum net_proto proto, const struct addr *to,
			struct str *out)
{
	if (proto == NET_TCP && !policy_judges_addresses(p))
		return explain_port(p, false, to->port, out);

	const struct net_decision d = netmatch_decide(m, proto, to);

	net_destination_print(proto, to, out);
	str_add(out, d.allowed ? " is allowed: " : " is refused: ");
	if (d.rule >= 0) {
		add_rule(out, p, &p->net_rules.at[d.rule]);
		str_add(out, d.allowed ? " has it" : " denies it");
		if (d.name) {
			str_add(out, ", as an address of ");
			add_quoted(out, d.name);
		}
		str_add(out, ".");
	} else if (d.allowed) {
		str_add(out, "no rule denies it.");
	} else {
		add_refusal(out, p, proto, to);
	}
	return d.allowed;
}

void explain_name(const struct policy *p, int rule, const struct net_rule *asked, struct str *out)
{
	net_rule_print(asked, out);
	str_add(out, " is allowed: ");
	add_rule(out, p, &p->net_rules.at[rule]);
	str_add(out, p->net_rules.at[rule].target == TARGET_SUFFIX ? " has the domain." : " has the name.");
}

/* --- rules without effect --- */

size_t explain_dead_rule(const struct policy *p, const struct netmatch *m, size_t first, struct str *out)
{
	const struct net_rules *rules = &p->net_rules;
	const struct net_rule *allow = &rules->at[first];
	const struct net_rule *by = NULL;
	bool dead = !allow->deny;
	bool joint = false;
	size_t next = first;

	for (; next < rules->len && rules->at[next].word == allow->word; next++) {
		const struct net_denial d = dead ? netmatch_denial_of(m, &rules->at[next]) : (struct net_denial){ .rule = -1 };

		dead = d.rule >= 0;
		if (!dead)
			continue;
		joint |= d.joint || (by && by->word != rules->at[d.rule].word);
		by = by ? by : &rules->at[d.rule];
	}
	if (dead) {
		add_rule(out, p, allow);
		str_add(out, " allows nothing: ");
		add_rule(out, p, by);
		str_add(out, joint ? " and other denials have all of it" : " denies all of it");
	}
	return next;
}
