/* Network rules: what is accepted must print and read back as the same rule, and what is refused names its column. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/netrules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Not by what is printed: two rules that print the same would be a trap for whoever copies one. */
static bool is_same(const struct net_rule *a, const struct net_rule *b)
{
	return a->proto == b->proto && a->target == b->target && a->bits == b->bits && a->deny == b->deny &&
	       addr_same_ip(&a->ip, &b->ip) && a->port_count == b->port_count && !a->name == !b->name &&
	       (!a->name || strcmp(a->name, b->name) == 0) &&
	       (!a->port_count || memcmp(a->ports, b->ports, a->port_count * sizeof *a->ports) == 0);
}

static void read_back(const struct net_rule *rule)
{
	AUTO(str) struct str text = STR(1 << 20);
	AUTO(str) struct str again = STR(1 << 20);
	struct net_rules one = { 0 };

	net_rule_print(rule, &text);
	require(net_rules_add(&one, (struct view){ text.buf, text.len }, rule->deny, 0, "x", NULL) == 0 && one.len == 1);
	net_rule_print(&one.at[0], &again);
	require(strcmp(text.buf, again.buf) == 0 && is_same(rule, &one.at[0]));
	net_rules_fini(&one);
}

static void look_at(const struct net_rule *rule, bool deny)
{
	require(rule->deny == deny && rule->proto < NET_PROTOS && rule->ip.port == 0 && rule->ip.scope == 0);
	require(!rule->name == (rule->target != TARGET_NAME && rule->target != TARGET_SUFFIX));
	require(!rule->name || (!deny && strlen(rule->name) >= 1 && strlen(rule->name) <= 253));
	require(rule->proto != NET_ICMP || rule->port_count == 0);
	for (size_t i = 0; i < rule->port_count; i++) {
		require(rule->ports[i].low >= 1 && rule->ports[i].low <= rule->ports[i].high);
		require(i == 0 || rule->ports[i].low > rule->ports[i - 1].high + 1);
	}
	read_back(rule);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = { (const char *)data, size };

	for (int deny = 0; deny < 2; deny++) {
		struct net_rules rules = { 0 };
		struct error err = { 0 };

		if (net_rules_add(&rules, v, deny, 0, "x", &err) < 0)
			require(err.kind == ERR_USAGE && strncmp(err.text, "x: '", 4) == 0 && strstr(err.text, "', column "));
		for (size_t i = 0; i < rules.len; i++)
			look_at(&rules.at[i], deny);
		net_rules_fini(&rules);
	}
	return 0;
}
