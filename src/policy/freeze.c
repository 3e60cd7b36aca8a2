/* Checking a policy as a whole: every list parsed, every contradiction named at once, and from then on immutable. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "policy/network.h"
#include "policy/options.h"
#include "policy/policy.h"
#include "policy/presets.h"
#include "policy/sysrules.h"
#include "policy/values.h"

/* The contradictions found so far, as sentences between "; ". */
struct findings {
	struct str text;
	size_t count;
	size_t wrong_words;     /* of them: about a value that is none, not about two options */
};

static void find(struct findings *f, const char *sentence)
{
	str_addf(&f->text, "%s%s", f->count++ ? "; " : "", sentence);
}

static bool is_given(const struct policy *p, const struct option_row *row)
{
	size_t bit = (size_t)(row - option_rows);

	return p->given[bit / 64] >> (bit % 64) & 1;
}

/* A flag that was given as "false" asks for nothing. */
static bool is_wanted(const struct policy *p, const struct option_row *row)
{
	if (row->type == OPT_FLAG)
		return *(const bool *)((const char *)p + row->offset);
	return is_given(p, row);
}

/* "--max-memory" where there is a flag, else the key. */
static void add_option_name(struct str *out, const struct option_row *row)
{
	str_addf(out, "%s%s", row->flag ? "--" : "", row->flag ? row->flag : row->key);
}

static void check_supervisor(const struct policy *p, struct findings *f)
{
	AUTO(str) struct str s = STR(512);
	size_t count = 0;

	if (!p->no_supervisor)
		return;
	str_add(&s, "--no-supervisor is incompatible with ");
	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (!(row->flags & OPTION_NEEDS_SUPERVISOR) || !is_wanted(p, row))
			continue;
		str_add(&s, count++ ? ", " : "");
		add_option_name(&s, row);
	}
	str_add(&s, count > 1 ? ", which need one" : ", which needs one");
	if (count)
		find(f, s.rc < 0 ? "out of memory" : s.buf);
}

/* True when `word` is one of the blank-separated words of `list`. */
static bool lists(const char *list, const char *word)
{
	struct view rest = view_of(list);
	bool more = true;

	while (more) {
		struct view one = view_cut(&rest, ' ', &more);

		if (view_is(one, word))
			return true;
	}
	return false;
}

static void check_pair(const struct option_row *a, const struct option_row *b, struct findings *f)
{
	AUTO(str) struct str s = STR(256);

	add_option_name(&s, a);
	str_add(&s, " and ");
	add_option_name(&s, b);
	str_add(&s, " exclude each other");
	find(f, s.rc < 0 ? "out of memory" : s.buf);
}

static void check_conflicts(const struct policy *p, struct findings *f)
{
	for (size_t i = 0; i < option_count; i++)
		for (size_t j = 0; j < option_count && option_rows[i].conflicts; j++)
			if (lists(option_rows[i].conflicts, option_rows[j].key) && is_wanted(p, &option_rows[i]) &&
			    is_wanted(p, &option_rows[j]))
				check_pair(&option_rows[i], &option_rows[j], f);
}

static void check_user(const struct policy *p, struct findings *f)
{
	if ((p->uid == NO_ID) != (p->gid == NO_ID))
		find(f, "program.uid and program.gid must both be set");
}

static void check_protections(struct policy *p, struct findings *f)
{
	for (size_t i = 0; i < PROTECT_MAX; i++)
		p->strictness[i] = STRICT;
	for (size_t i = 0; i < p->allow_degraded.len; i++)
		p->strictness[protection_by_name(view_of(p->allow_degraded.at[i].text))] = DEGRADABLE;
	for (size_t i = 0; i < p->disable.len; i++) {
		enum protection which = protection_by_name(view_of(p->disable.at[i].text));
		AUTO(str) struct str s = STR(256);

		str_addf(&s, "--allow-degraded %s and --disable %s exclude each other", protections[which].name,
			 protections[which].name);
		if (p->strictness[which] == DEGRADABLE)
			find(f, s.rc < 0 ? "out of memory" : s.buf);
		p->strictness[which] = DISABLED;
	}
}

static void parse_cores(struct policy *p, struct findings *f)
{
	memset(p->cores, 0, sizeof p->cores);
	p->cores_given = p->cpu_cores.len > 0;
	for (size_t i = 0; i < p->cpu_cores.len; i++) {
		unsigned first = 0;
		unsigned last = 0;

		if (value_core(view_of(p->cpu_cores.at[i].text), &first, &last) < 0) {
			find(f, "--cpu-cores takes numbers such as 0,2 or 0-3, not 'all'");
			return;
		}
		for (unsigned core = first; core <= last; core++)
			p->cores[core / 64] |= (uint64_t)1 << (core % 64);
	}
}

static void parse_gpus(struct policy *p, struct findings *f)
{
	size_t all = 0;

	for (size_t i = 0; i < p->gpu_devices.len; i++)
		all += strcmp(p->gpu_devices.at[i].text, "all") == 0;
	if (all && all < p->gpu_devices.len)
		find(f, "--gpu takes 'all' or numbers, not both");
	p->gpu_given = p->gpu_devices.len > 0;
}

/* What another module found joins the rest. */
static int join(struct findings *f, int rc, const struct error *inner)
{
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0)
		find(f, inner->text);
	f->wrong_words += rc < 0 && inner->kind == ERR_USAGE;
	return 0;
}

static int check_syscalls(const struct policy *p, struct findings *f)
{
	struct error inner = { 0 };

	return join(f, sysrules_check_names(p, &inner), &inner);
}

static int make_network(struct policy *p, struct findings *f)
{
	struct error inner = { 0 };

	return join(f, network_freeze(p, &inner), &inner);
}

int policy_freeze(struct policy *p, struct error *err)
{
	AUTO(str) struct str text = STR(4096);
	struct findings f = { .text = text };

	if (p->frozen)
		return 0;
	check_user(p, &f);
	check_conflicts(p, &f);
	check_supervisor(p, &f);
	check_protections(p, &f);
	parse_cores(p, &f);
	parse_gpus(p, &f);

	int rc = make_network(p, &f);
	if (rc == 0)
		rc = check_syscalls(p, &f);
	text = f.text;
	if (rc == 0)
		rc = text.rc;
	if (rc == 0 && f.count)
		return error_set(err, f.wrong_words == f.count ? ERR_USAGE : ERR_POLICY, -EINVAL, "%s", text.buf);
	if (rc == 0)
		rc = policy_expand_presets(p);
	if (rc < 0)
		return error_set(err, ERR_MEMORY, rc, "out of memory");
	p->frozen = true;
	return 0;
}
