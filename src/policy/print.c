/* A policy as TOML or JSON: one walk over the option table; defaults are left out. */
#include "policy/print.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "policy/network.h"
#include "policy/options.h"
#include "policy/values.h"

struct printer {
	const struct policy *policy;
	bool json;
	bool any;               /* something stands at the current level, so JSON needs a comma */
	struct str *out;
	int rc;                 /* -EILSEQ once a value cannot be said */
};

static bool is_utf8(const char *text)
{
	size_t len = strlen(text);
	uint32_t code = 0;

	for (size_t i = 0, n; i < len; i += n) {
		n = str_utf8(text + i, len - i, &code);
		if (n == 0)
			return false;
	}
	return true;
}

static void add_string(struct printer *pr, const char *text)
{
	if (pr->json) {
		str_add_json(pr->out, text, strlen(text));
		return;
	}
	if (!is_utf8(text))
		pr->rc = -EILSEQ;
	str_add_toml(pr->out, text, strlen(text));
}

/* A path as a profile has to spell it: '$' is doubled, and a leading '~' is kept from looking like a home directory. */
static void add_path(struct printer *pr, const char *path)
{
	AUTO(str) struct str s = STR(16384);

	if (path[0] == '~')
		str_add(&s, "./");
	for (; *path; path++)
		str_add(&s, *path == '$' ? "$$" : (char[]){ *path, '\0' });
	if (s.rc < 0)
		pr->out->rc = s.rc;
	else
		add_string(pr, s.buf);
}

static const void *field(const struct printer *pr, const struct option_row *row)
{
	return (const char *)pr->policy + row->offset;
}

static uint64_t number_of(const struct printer *pr, const struct option_row *row)
{
	return *(const uint64_t *)field(pr, row);
}

/* --- what is not the default --- */

static bool flag_is_set(const struct printer *pr, const struct option_row *row)
{
	return *(const bool *)field(pr, row);
}

static bool number_is_set(const struct printer *pr, const struct option_row *row)
{
	return number_of(pr, row) != NO_LIMIT;
}

static bool id_is_set(const struct printer *pr, const struct option_row *row)
{
	return *(const uint32_t *)field(pr, row) != NO_ID;
}

static bool text_is_set(const struct printer *pr, const struct option_row *row)
{
	return *(char *const *)field(pr, row) != NULL;
}

static bool list_is_set(const struct printer *pr, const struct option_row *row)
{
	return ((const struct words *)field(pr, row))->len > 0;
}

/* --- one value --- */

static void print_flag(struct printer *pr, const struct option_row *row)
{
	(void)row;
	str_add(pr->out, "true");
}

static void print_number(struct printer *pr, const struct option_row *row)
{
	str_addf(pr->out, "%" PRIu64, number_of(pr, row));
}

static void print_size(struct printer *pr, const struct option_row *row)
{
	str_addc(pr->out, '"');
	value_print_size(number_of(pr, row), pr->out);
	str_addc(pr->out, '"');
}

static void print_duration(struct printer *pr, const struct option_row *row)
{
	str_addc(pr->out, '"');
	value_print_duration(number_of(pr, row), pr->out);
	str_addc(pr->out, '"');
}

static void print_id(struct printer *pr, const struct option_row *row)
{
	str_addf(pr->out, "%" PRIu32, *(const uint32_t *)field(pr, row));
}

static void print_text(struct printer *pr, const struct option_row *row)
{
	add_string(pr, *(char *const *)field(pr, row));
}

static void print_path(struct printer *pr, const struct option_row *row)
{
	add_path(pr, *(char *const *)field(pr, row));
}

static void print_list_of(struct printer *pr, const struct option_row *row,
			  void (*one)(struct printer *pr, const char *text))
{
	const struct words *w = field(pr, row);

	str_addc(pr->out, '[');
	for (size_t i = 0; i < w->len; i++) {
		str_add(pr->out, i ? ", " : "");
		one(pr, w->at[i].text);
	}
	str_addc(pr->out, ']');
}

static void print_list(struct printer *pr, const struct option_row *row)
{
	print_list_of(pr, row, add_string);
}

static void print_paths(struct printer *pr, const struct option_row *row)
{
	print_list_of(pr, row, add_path);
}

static void add_number(struct printer *pr, const char *text)
{
	uint64_t n = 0;

	if (view_u64(view_of(text), UINT64_MAX, &n) == 0)
		str_addf(pr->out, "%" PRIu64, n);
	else
		add_string(pr, text);
}

static void print_numbers(struct printer *pr, const struct option_row *row)
{
	print_list_of(pr, row, add_number);
}

static void print_env(struct printer *pr, const struct option_row *row)
{
	const struct words *w = field(pr, row);

	str_add(pr->out, "{ ");
	for (size_t i = 0; i < w->len; i++) {
		const char *text = w->at[i].text;
		AUTO(free) char *name = mem_strndup(text, strcspn(text, "="));

		if (!name) {
			pr->out->rc = -ENOMEM;
			return;
		}
		str_add(pr->out, i ? ", " : "");
		add_string(pr, name);
		str_add(pr->out, pr->json ? ": " : " = ");
		add_string(pr, text + strlen(name) + 1);
	}
	str_add(pr->out, " }");
}

struct kind {
	bool (*is_set)(const struct printer *pr, const struct option_row *row);
	void (*print)(struct printer *pr, const struct option_row *row);
};

static const struct kind kinds[OPT_TYPE_MAX] = {
	[OPT_FLAG] = { flag_is_set, print_flag },
	[OPT_COUNT] = { number_is_set, print_number },
	[OPT_SIZE] = { number_is_set, print_size },
	[OPT_DURATION] = { number_is_set, print_duration },
	[OPT_PERCENT] = { number_is_set, print_number },
	[OPT_TEXT] = { text_is_set, print_text },
	[OPT_PATH] = { text_is_set, print_path },
	[OPT_LIST] = { list_is_set, print_list },
	[OPT_PATHS] = { list_is_set, print_paths },
	[OPT_NUMBERS] = { list_is_set, print_numbers },
	[OPT_PORTS] = { list_is_set, print_list },
	[OPT_NET] = { list_is_set, print_list },
	[OPT_ENV] = { list_is_set, print_env },
	[OPT_USER] = { NULL, NULL },    /* said by program.uid and program.gid */
	[OPT_ID] = { id_is_set, print_id },
};

/* --- keys and sections --- */

static size_t section_len(const struct option_row *row)
{
	const char *dot = strchr(row->key, '.');

	return dot ? (size_t)(dot - row->key) : 0;
}

static bool same_section(const struct option_row *a, const struct option_row *b)
{
	size_t len = section_len(a);

	return len == section_len(b) && memcmp(a->key, b->key, len) == 0;
}

static bool is_printed(const struct printer *pr, const struct option_row *row)
{
	/* an older option that is no spelling of another one has to be said too */
	return option_canonical(row) == row && kinds[row->type].is_set && kinds[row->type].is_set(pr, row);
}

/* Begins the next member of the object at this level. */
static void begin_member(struct printer *pr, const char *indent)
{
	if (pr->json)
		str_addf(pr->out, "%s\n%s", pr->any ? "," : "", indent);
	pr->any = true;
}

static void print_key(struct printer *pr, const struct option_row *row)
{
	size_t len = section_len(row);
	const char *name = row->key + (len ? len + 1 : 0);

	begin_member(pr, len ? "    " : "  ");
	str_addf(pr->out, pr->json ? "\"%s\": " : "%s = ", name);
	kinds[row->type].print(pr, row);
	if (!pr->json)
		str_addc(pr->out, '\n');
}

/* All rows of the section that begins with `first`. */
static void print_rows(struct printer *pr, const struct option_row *first)
{
	for (size_t i = 0; i < option_count; i++)
		if (same_section(&option_rows[i], first) && is_printed(pr, &option_rows[i]))
			print_key(pr, &option_rows[i]);
}

static void print_section(struct printer *pr, const struct option_row *first)
{
	bool blank = pr->any;

	begin_member(pr, "  ");
	if (pr->json)
		str_addf(pr->out, "\"%.*s\": {", (int)section_len(first), first->key);
	else
		str_addf(pr->out, "%s[%.*s]\n", blank ? "\n" : "", (int)section_len(first), first->key);
	pr->any = false;
	print_rows(pr, first);
	pr->any = true;
	if (pr->json)
		str_add(pr->out, "\n  }");
}

/* True when no row before this printed one is a printed one of the same section. */
static bool begins_section(const struct printer *pr, size_t index)
{
	if (!is_printed(pr, &option_rows[index]))
		return false;
	for (size_t i = 0; i < index; i++)
		if (is_printed(pr, &option_rows[i]) && same_section(&option_rows[i], &option_rows[index]))
			return false;
	return true;
}

/* --- grants --- */

void access_print(unsigned access, const char *separator, struct str *out)
{
	static const struct { unsigned bit; const char *name; } names[] = {
		{ ACCESS_READ, "read" }, { ACCESS_WRITE, "write" }, { ACCESS_EXEC, "execute" },
	};
	const char *between = "";

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (access & names[i].bit) {
			str_addf(out, "%s%s", between, names[i].name);
			between = separator;
		}
}

static void print_grant_json(struct str *out, const struct grant *g)
{
	str_add(out, "    { \"path\": ");
	str_add_json(out, g->path, g->len);
	str_add(out, ", \"access\": [\"");
	access_print(g->access, "\", \"", out);
	str_add(out, "\"], \"origin\": ");
	str_add_json(out, g->origin, strlen(g->origin));
	if (g->typed) {
		str_add(out, ", \"typed\": ");
		str_add_json(out, g->typed, strlen(g->typed));
	}
	str_add(out, " }");
}

static void print_grants_json(struct printer *pr, const struct grants *grants)
{
	begin_member(pr, "  ");
	str_add(pr->out, "\"grants\": [");
	for (size_t i = 0; i < grants->len; i++) {
		str_add(pr->out, i ? ",\n" : "\n");
		print_grant_json(pr->out, &grants->at[i]);
	}
	str_addf(pr->out, "\n  ],\n  \"own_proc\": %s", grants->own_proc ? "true" : "false");
}

static void print_grants_toml(struct str *out, const struct grants *grants)
{
	str_add(out, "\n# The grants that come of it:\n");
	for (size_t i = 0; i < grants->len; i++) {
		const struct grant *g = &grants->at[i];
		AUTO(str) struct str access = STR(64);

		access_print(g->access, " ", &access);
		str_addf(out, "#   %-20s ", access.rc < 0 || !access.buf ? "" : access.buf);
		str_add_quoted(out, g->path, g->len);
		str_add(out, "  (");
		str_add_quoted(out, g->origin, strlen(g->origin));
		if (g->typed) {
			str_add(out, ": ");
			str_add_quoted(out, g->typed, strlen(g->typed));
		}
		str_add(out, ")\n");
	}
	if (grants->own_proc)
		str_add(out, "#   read                 /proc/self  (of the first process)\n");
}

/* --- network rules --- */

static void print_rule_json(const struct policy *p, const struct net_rule *rule, struct str *out)
{
	const struct word *word = network_word(p, rule);
	AUTO(str) struct str text = STR(1 << 20);

	net_rule_print(rule, &text);
	str_addf(out, "    { \"%s\": ", rule->deny ? "deny" : "allow");
	str_add_json(out, text.buf ? text.buf : "", text.len);
	str_add(out, ", \"typed\": ");
	str_add_json(out, word->text, strlen(word->text));
	str_add(out, ", \"origin\": ");
	str_add_json(out, word->origin, strlen(word->origin));
	str_add(out, " }");
}

static void print_rules_json(struct printer *pr, const struct policy *p)
{
	begin_member(pr, "  ");
	str_add(pr->out, "\"rules\": [");
	for (size_t i = 0; i < p->net_rules.len; i++) {
		str_add(pr->out, i ? ",\n" : "\n");
		print_rule_json(p, &p->net_rules.at[i], pr->out);
	}
	str_add(pr->out, "\n  ]");
}

static void print_rules_toml(const struct policy *p, struct str *out)
{
	str_add(out, "\n# The network rules that come of it:\n");
	for (size_t i = 0; i < p->net_rules.len; i++) {
		const struct word *word = network_word(p, &p->net_rules.at[i]);

		str_addf(out, "#   %s ", p->net_rules.at[i].deny ? "deny " : "allow");
		net_rule_print(&p->net_rules.at[i], out);
		str_add(out, "  (");
		str_add_quoted(out, word->origin, strlen(word->origin));
		str_add(out, ")\n");
	}
}

int policy_print_grants(const struct policy *p, const struct grants *grants, enum policy_format format,
			struct str *out)
{
	static const struct option_row root = { .key = "" };
	struct printer pr = { .policy = p, .json = format == POLICY_JSON, .out = out };

	if (pr.json)
		str_addc(out, '{');
	print_rows(&pr, &root);
	for (size_t i = 0; i < option_count; i++)
		if (section_len(&option_rows[i]) && begins_section(&pr, i))
			print_section(&pr, &option_rows[i]);
	if (grants && pr.json)
		print_grants_json(&pr, grants);
	if (grants && !pr.json)
		print_grants_toml(out, grants);
	if (grants && pr.json && p->net_rules.len)
		print_rules_json(&pr, p);
	if (grants && !pr.json && p->net_rules.len)
		print_rules_toml(p, out);
	if (pr.json)
		str_add(out, pr.any ? "\n}\n" : "}\n");
	return out->rc < 0 ? out->rc : pr.rc;
}

int policy_print(const struct policy *p, enum policy_format format, struct str *out)
{
	return policy_print_grants(p, NULL, format, out);
}
