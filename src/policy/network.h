/* From the lists of a policy to its network rules and what they come to. */
#ifndef POLICY_NETWORK_H
#define POLICY_NETWORK_H

#include "policy/policy.h"

/*
 * Fills net_rules, net_words, net_facts and the sets of ports. Called by policy_freeze, on lists whose values were
 * checked one by one. 0, -ENOMEM, or -EINVAL with a sentence: a rule needs the supervisor that the policy renounces.
 */
int network_freeze(struct policy *p, struct error *err);

/* Forgets all that again. */
void network_fini(struct policy *p);

/* Who typed a rule, and how. */
static inline const struct word *network_word(const struct policy *p, const struct net_rule *rule)
{
	return &p->net_words.at[rule->word];
}

/* "'tcp://192.0.2.1:443' from --net-allow", quoted for a terminal. */
void network_print_source(const struct policy *p, const struct net_rule *rule, struct str *out);

#endif
