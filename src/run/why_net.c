/* Answers about destinations, unix sockets and ports. The sentences are those of policy/netexplain.c. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/sys.h"
#include "policy/explain.h"
#include "policy/netexplain.h"
#include "policy/network.h"
#include "run/why.h"

#define ORIGIN "the destination"

/* --- what is asked --- */

static int refuse(struct error *err, const char *target, const char *why)
{
	return error_set(err, ERR_USAGE, -EINVAL, ORIGIN ": '%s': %s", target, why);
}

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

/* One rule that is a single destination, in `rules`; a rule without a scheme is two, TCP first. */
static int read_destination(const char *target, struct net_rules *rules, struct error *err)
{
	AUTO(str) struct str text = STR(4096);

	str_addf(&text, "%s%s", is_number(target) ? ":" : "", target);
	if (text.rc < 0)
		return refuse(err, "...", "it is too long");
	int rc = net_rules_add(rules, view_of(text.buf), false, 0, ORIGIN, err);
	if (rc < 0)
		return rc;
	const struct net_rule *rule = &rules->at[0];
	const bool one_port = rule->port_count == 1 && rule->ports[0].low == rule->ports[0].high;

	if (rules->len == NET_PROTOS)
		return refuse(err, target, "ask for one protocol: tcp://, udp:// or icmp://");
	if (rule->target == TARGET_SUFFIX)
		return refuse(err, target, "ask for one name, such as www.example.com:443");
	if (rule->target == TARGET_NET && rule->bits != (rule->ip.family == ADDR_V6 ? 128 : 32))
		return refuse(err, target, "ask for one address, not for a block of them");
	if (rule->target == TARGET_ANY && rule->proto != NET_TCP)
		return refuse(err, target, "ask for a host or an address, such as udp://192.0.2.1:53 or icmp://192.0.2.1");
	if (rule->proto != NET_ICMP && !one_port)
		return refuse(err, target, "ask for one port, such as 192.0.2.1:443 or :443");
	return 0;
}

static unsigned port_of(const struct net_rule *asked)
{
	return asked->port_count ? asked->ports[0].low : 0;
}

/* --- names and addresses --- */

/* What judges a question: the names as they stand now, all of them pinned, also those that a program would see refreshed. */
struct judge {
	const struct why *w;
	struct names *names;
	struct netmatch *match;
	const struct net_rule *asked;
};

static void judge_fini(struct judge *j)
{
	netmatch_free(j->match);
	names_unref(j->names);
}

static int find_judge(struct judge *j)
{
	int rc = names_resolve_known(j->w->policy, j->w->lookup, &j->names, NULL);

	return rc < 0 ? rc : netmatch_build(j->w->policy, j->names->pins, j->names->count, &j->match);
}

static int explain_address(const struct judge *j, const struct addr *ip, struct str *out)
{
	struct addr to = *ip;

	to.port = (uint16_t)port_of(j->asked);
	return explain_destination(j->w->policy, j->match, j->asked->proto, &to, out);
}

/* A sentence for each address, those that are allowed first; allowed when one of them is. */
static int explain_addresses(const struct judge *j, const struct addresses *found, struct str *out)
{
	AUTO(str) struct str refused = STR(1 << 16);
	int allowed = 0;

	for (size_t i = 0; i < found->len; i++) {
		AUTO(str) struct str one = STR(4096);
		int rc = explain_address(j, &found->at[i], &one);
		struct str *to = rc > 0 ? out : &refused;

		if (one.rc < 0)
			return one.rc;
		str_addf(to, "%s%s", to->len ? " " : "", one.buf);
		allowed |= rc;
	}
	if (refused.rc < 0)
		return refused.rc;
	if (refused.len)
		str_addf(out, "%s%s", out->len ? " " : "", refused.buf);
	return allowed;
}

/* A rule has the name. What its addresses are now decides all the same: a denial wins, and neither the metadata service
 * nor, below a domain, an address of an inner network is opened by a name. */
static int explain_named(const struct judge *j, int rule, const struct addresses *found, struct str *out)
{
	const bool by_domain = j->w->policy->net_rules.at[rule].target == TARGET_SUFFIX;
	struct addresses refused = { 0 };
	int rc = 0;

	for (size_t i = 0; i < found->len && rc == 0; i++) {
		struct addr to = found->at[i];

		to.port = (uint16_t)port_of(j->asked);
		const struct net_decision d = netmatch_decide(j->match, j->asked->proto, &to);
		const bool opened = by_domain && d.rule < 0 && addr_kind(&to) == ADDR_PUBLIC;

		if (!d.allowed && !opened)
			rc = VEC_PUSH(refused.at, refused.cap, refused.len, to);
	}
	const int allowed = refused.len < found->len || found->len == 0;

	if (rc == 0 && allowed)
		explain_name(j->w->policy, rule, j->asked, out);
	if (rc == 0 && found->len == 0)
		str_add(out, " But it has no address now.");
	if (rc == 0 && refused.len) {
		str_add(out, allowed ? " But" : "");
		rc = explain_addresses(j, &refused, out);
	}
	mem_free(refused.at);
	return rc < 0 ? rc : allowed;
}

/* No rule has the name, and nobody says where it leads: rules for any address decide. */
static int explain_unknown(const struct judge *j, const char *why, struct str *out)
{
	const struct net_rule *asked = j->asked;

	if (asked->proto == NET_TCP && explain_port(j->w->policy, false, port_of(asked), out)) {
		str_addf(out, " The addresses of %s are not known: %s.", asked->name, why);
		return 1;
	}
	str_clear(out);
	net_rule_print(asked, out);
	str_addf(out, " is refused: no rule has the name, and its addresses are not known: %s. Add --net-allow ", why);
	net_rule_print(asked, out);
	str_add(out, ".");
	return 0;
}

/* What a rule's own name stands for was looked up just now, and may be answered otherwise the next time. */
static int list_pins(const struct judge *j, const char *name, struct addresses *out)
{
	int rc = 0;

	for (size_t i = 0; i < j->names->count && rc == 0; i++)
		if (strcmp(j->names->pins[i].name, name) == 0)
			rc = VEC_PUSH(out->at, out->cap, out->len, j->names->pins[i].ip);
	return rc;
}

static int why_name(const struct judge *j, struct str *out)
{
	const struct policy *p = j->w->policy;
	const struct net_rule *asked = j->asked;
	const int rule = netmatch_name(j->match, asked->proto, asked->name, port_of(asked));
	struct addresses found = { 0 };
	const char *why = "it has none";
	int rc;

	if (rule < 0 && asked->proto == NET_TCP && !policy_judges_addresses(p))
		return explain_port(p, false, port_of(asked), out);
	if (rule >= 0 && p->net_rules.at[rule].target == TARGET_NAME)
		rc = list_pins(j, p->net_rules.at[rule].name, &found);
	else
		rc = j->w->lookup(asked->name, &found, &why);

	if (rule >= 0 && rc != -ENOMEM)
		rc = explain_named(j, rule, &found, out);
	else if (rc == 0 && found.len)
		rc = explain_addresses(j, &found, out);
	else if (rc != -ENOMEM)
		rc = explain_unknown(j, why, out);
	mem_free(found.at);
	return rc;
}

static int why_destination(const struct why *w, const struct net_rule *asked, struct str *out)
{
	struct judge j = { .w = w, .asked = asked };

	if (asked->target == TARGET_ANY)
		return explain_port(w->policy, false, port_of(asked), out);
	int rc = find_judge(&j);
	if (rc == 0)
		rc = asked->target == TARGET_NET ? explain_address(&j, &asked->ip, out) : why_name(&j, out);
	judge_fini(&j);
	return rc;
}

/* --- unix sockets --- */

static int why_abstract(const struct policy *p, const char *name, struct str *out)
{
	const bool free = p->strictness[PROTECT_ABSTRACT_UNIX_SCOPE] == DISABLED;

	str_add(out, "connecting to the abstract unix socket ");
	str_add_quoted(out, name, strlen(name));
	str_add(out, free ? " is allowed: the protection abstract-unix-socket-scope is disabled."
			  : " is refused, unless a process of the sandbox owns it.");
	return free;
}

static int why_socket(const struct why *w, const char *path, struct str *out)
{
	char canonical[PATH_SIZE];
	int rc = why_canonical(path, canonical);

	if (rc < 0)
		return rc;
	const char *by = socket_granted_by(w->sockets, w->grants, canonical);

	str_add(out, "connecting to the unix socket ");
	str_add_quoted(out, canonical, strlen(canonical));
	str_add(out, by ? " is allowed: " : " is refused: no --unix-allow and no write grant covers it. Add --unix-allow ");
	if (by) {
		str_add_quoted(out, by, strlen(by));
		str_add(out, " covers it.");
	} else {
		str_add_shell(out, canonical);
		str_add(out, ".");
	}
	return by != NULL;
}

/* --- the questions --- */

int why_connect(const struct why *w, const char *target, struct str *out, struct error *err)
{
	struct net_rules asked = { 0 };
	const char *scheme = strstr(target, "://");
	int rc = 0;

	if (target[0] == '@')
		rc = why_abstract(w->policy, target, out);
	else if (!scheme && (target[0] == '/' || target[0] == '.'))
		rc = why_socket(w, target, out);
	else
		rc = read_destination(target, &asked, err);
	if (rc == 0 && asked.len)
		rc = why_destination(w, &asked.at[0], out);
	net_rules_fini(&asked);
	return rc >= 0 && out->rc < 0 ? out->rc : rc;
}

int why_bind(const struct policy *p, const char *target, struct str *out, struct error *err)
{
	const char *colon = strstr(target, "://") ? NULL : strrchr(target, ':');
	uint64_t port = 0;

	if (view_u64(view_of(colon ? colon + 1 : target), 65535, &port) < 0)
		return error_set(err, ERR_USAGE, -EINVAL, "the port to listen on: '%s': ask for a number up to 65535", target);
	int rc = explain_port(p, true, (unsigned)port, out);

	return out->rc < 0 ? out->rc : rc;
}
