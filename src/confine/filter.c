/*
 * Compiles system call rules to one BPF program: architecture, number by a balanced search, then argument blocks.
 *
 * No argument is loaded before the number is decided, so that the kernel, which tries every number at attach time with
 * a small emulator, can see that most of them are allowed whatever the arguments are, and skips the program for them.
 */
#include "confine/filter.h"

#include <errno.h>

#include "base/mem.h"
#include "base/sys.h"
#include "confine/bpf.h"

#define LEAF_TESTS 4    /* equality tests in a row before another step of the search pays off */
#define SHORT_RANGE 2   /* numbers; such a range is found by equality */

_Static_assert(SHORT_RANGE <= LEAF_TESTS, "a leaf takes at least one range");

static const uint32_t arch_token[ARCH_MAX] = {
	[ARCH_X86_64] = ARCH_TOKEN_X86_64,
	[ARCH_AARCH64] = ARCH_TOKEN_AARCH64,
};

/* Where the search ends: a return, or the argument block of one rule. Equal ones are one outcome. */
struct outcome {
	uint32_t ret;
	const struct sys_rule *rule;    /* NULL for a return */
	unsigned label;
};

/* Numbers from `first` up to the next range's first have this outcome. */
struct range {
	uint32_t first;
	uint32_t count;
	uint16_t outcome;
};

/* Ranges that a few equality tests tell apart; all else goes to `otherwise`. */
struct leaf {
	size_t from;
	size_t to;
	uint16_t otherwise;
};

struct compiler {
	struct bpf bpf;
	struct outcome *outcomes;
	size_t outcome_len;
	size_t outcome_cap;
	struct range *ranges;
	size_t range_len;
	size_t range_cap;
	struct leaf *leaves;
	size_t leaf_len;
	size_t leaf_cap;
};

static uint32_t return_value(struct sys_verdict v)
{
	switch ((enum sys_action)v.action) {
	case SYS_ALLOW:
		return SC_RET_ALLOW;
	case SYS_ERRNO:
		return SC_RET_ERRNO | v.errnum;
	case SYS_REFUSE:
	case SYS_TRAP:
		return SC_RET_USER_NOTIF;
	case SYS_KILL:
		return SC_RET_KILL_PROCESS;
	}
	return SC_RET_KILL_PROCESS;
}

/* --- outcomes --- */

static bool same_test(const struct arg_test *a, const struct arg_test *b)
{
	return a->arg == b->arg && a->op == b->op && a->and_next == b->and_next && a->mask == b->mask &&
	       a->value == b->value && (a->and_next || return_value(a->then) == return_value(b->then));
}

static bool same_rule(const struct sys_rule *a, const struct sys_rule *b)
{
	if (a->len != b->len || return_value(a->otherwise) != return_value(b->otherwise))
		return false;
	for (size_t i = 0; i < a->len; i++) {
		if (!same_test(&a->tests[i], &b->tests[i]))
			return false;
	}
	return true;
}

static bool same_outcome(const struct outcome *a, const struct outcome *b)
{
	if (!a->rule || !b->rule)
		return !a->rule && !b->rule && a->ret == b->ret;
	return same_rule(a->rule, b->rule);
}

static int outcome_of(struct compiler *c, struct outcome wanted, uint16_t *out)
{
	for (size_t i = 0; i < c->outcome_len; i++) {
		if (same_outcome(&c->outcomes[i], &wanted)) {
			*out = (uint16_t)i;
			return 0;
		}
	}
	wanted.label = bpf_label(&c->bpf);
	*out = (uint16_t)c->outcome_len;
	return VEC_PUSH(c->outcomes, c->outcome_cap, c->outcome_len, wanted);
}

static int outcome_of_return(struct compiler *c, uint32_t ret, uint16_t *out)
{
	return outcome_of(c, (struct outcome){ .ret = ret }, out);
}

static unsigned label_of(const struct compiler *c, uint16_t outcome)
{
	return c->outcomes[outcome].label;
}

static unsigned label_of_return(struct compiler *c, struct sys_verdict v)
{
	uint16_t outcome;
	int rc = outcome_of_return(c, return_value(v), &outcome);

	if (rc < 0) {
		c->bpf.rc = c->bpf.rc ? c->bpf.rc : rc;
		return BPF_NEXT;
	}
	return label_of(c, outcome);
}

/* --- ranges and leaves --- */

static int add_number(struct compiler *c, uint32_t nr, uint32_t count, struct outcome outcome)
{
	struct range *last = c->range_len ? &c->ranges[c->range_len - 1] : NULL;
	uint16_t which;

	/* Most numbers have the outcome of the one before. */
	if (last && same_outcome(&c->outcomes[last->outcome], &outcome)) {
		last->count += count;
		return 0;
	}
	int rc = outcome_of(c, outcome, &which);
	if (rc < 0)
		return rc;
	struct range range = { .first = nr, .count = count, .outcome = which };
	return VEC_PUSH(c->ranges, c->range_cap, c->range_len, range);
}

/* x32 numbers have bit 30 set on the architecture token of x86-64: they are part of what is above. */
static int make_ranges(struct compiler *c, const struct sysrules *rules)
{
	int rc = 0;

	for (uint32_t nr = 0; nr < SYSRULES_MAX && rc == 0; nr++) {
		const struct sys_rule *rule = &rules->rule[nr];
		struct outcome outcome = { .rule = rule };

		if (rule->len == 0)
			outcome = (struct outcome){ .ret = return_value(rule->otherwise) };
		rc = add_number(c, nr, 1, outcome);
	}
	if (rc < 0)
		return rc;
	return add_number(c, SYSRULES_MAX, UINT32_MAX - SYSRULES_MAX + 1,
			  (struct outcome){ .ret = return_value(rules->above) });
}

/* The leaf that starts with range `from`: as many ranges as few equality tests can tell from one common outcome. */
static struct leaf grow_leaf(const struct compiler *c, size_t from)
{
	struct leaf leaf = { .from = from, .to = from, .otherwise = c->ranges[from].outcome };
	bool has_long = false;
	uint32_t tests = 0;

	for (; leaf.to < c->range_len; leaf.to++) {
		const struct range *r = &c->ranges[leaf.to];

		if (has_long && r->outcome == leaf.otherwise)
			continue;
		if (r->count > SHORT_RANGE) {
			if (has_long)
				break;
			leaf.otherwise = r->outcome;
			has_long = true;
			continue;
		}
		if (tests + r->count > LEAF_TESTS)
			break;
		tests += r->count;
	}
	return leaf;
}

static int make_leaves(struct compiler *c)
{
	for (size_t from = 0; from < c->range_len;) {
		struct leaf leaf = grow_leaf(c, from);
		int rc = VEC_PUSH(c->leaves, c->leaf_cap, c->leaf_len, leaf);

		if (rc < 0)
			return rc;
		from = leaf.to;
	}
	return 0;
}

/* --- the search --- */

/* Equality tests; the last one's other arm is the common outcome. */
static void emit_leaf(struct compiler *c, const struct leaf *leaf)
{
	uint32_t numbers[LEAF_TESTS];
	unsigned labels[LEAF_TESTS];
	size_t len = 0;

	for (size_t i = leaf->from; i < leaf->to; i++) {
		const struct range *r = &c->ranges[i];

		for (uint32_t k = 0; r->outcome != leaf->otherwise && k < r->count; k++) {
			numbers[len] = r->first + k;
			labels[len++] = label_of(c, r->outcome);
		}
	}
	for (size_t i = 0; i + 1 < len; i++)
		bpf_jump(&c->bpf, BPF_JEQ, numbers[i], labels[i], BPF_NEXT);
	if (len)
		bpf_jump(&c->bpf, BPF_JEQ, numbers[len - 1], labels[len - 1], label_of(c, leaf->otherwise));
}

static bool leaf_is_plain(const struct compiler *c, const struct leaf *leaf)
{
	for (size_t i = leaf->from; i < leaf->to; i++) {
		if (c->ranges[i].outcome != leaf->otherwise)
			return false;
	}
	return true;
}

static void emit_search(struct compiler *c, size_t from, size_t to);

/* Where half of the search goes: straight to an outcome, or to a label that is placed when the half is emitted. */
static unsigned label_of_half(struct compiler *c, size_t from, size_t to)
{
	if (to - from == 1 && leaf_is_plain(c, &c->leaves[from]))
		return label_of(c, c->leaves[from].otherwise);
	return BPF_NEXT;
}

/* Halves by the number of leaves; the depth of the recursion is their logarithm. */
static void emit_search(struct compiler *c, size_t from, size_t to)
{
	if (to - from == 1) {
		emit_leaf(c, &c->leaves[from]);
		return;
	}

	size_t middle = from + (to - from) / 2;
	unsigned low = label_of_half(c, from, middle);
	unsigned high = label_of_half(c, middle, to);
	bool place_high = high == BPF_NEXT && low == BPF_NEXT;

	if (place_high)
		high = bpf_label(&c->bpf);
	bpf_jump(&c->bpf, BPF_JGE, c->ranges[c->leaves[middle].from].first, high, low);
	if (low == BPF_NEXT)
		emit_search(c, from, middle);
	if (place_high)
		bpf_place(&c->bpf, high);
	if (high == BPF_NEXT || place_high)
		emit_search(c, middle, to);
}

/* --- argument blocks --- */

/* What the accumulator holds, so that a chain of tests on one argument loads it once. */
struct loaded {
	bool known;
	uint8_t arg;
	uint32_t mask;
};

static void want_loaded(struct bpf *b, struct loaded *have, uint8_t arg, uint32_t mask)
{
	if (have->known && have->arg == arg && have->mask == mask)
		return;
	if (!have->known || have->arg != arg || have->mask != UINT32_MAX)
		bpf_load_arg(b, arg, false);
	if (mask != UINT32_MAX)
		bpf_op(b, BPF_ALU | BPF_AND | BPF_K, mask);
	*have = (struct loaded){ .known = true, .arg = arg, .mask = mask };
}

static void emit_test(struct bpf *b, const struct arg_test *t, struct loaded *have, unsigned yes, unsigned no)
{
	bool masked = t->op == ARG_MASK_EQ || t->op == ARG_MASK_NE;
	bool negated = t->op == ARG_NE || t->op == ARG_MASK_NE;

	if (t->op == ARG_NE_64) {
		bpf_jump_eq64(b, t->arg, t->value, no, yes);
		have->known = false;
		return;
	}
	want_loaded(b, have, t->arg, masked ? t->mask : UINT32_MAX);
	if (t->op == ARG_MASK_ANY)
		bpf_jump(b, BPF_JSET, t->mask, yes, no);
	else
		bpf_jump(b, BPF_JEQ, (uint32_t)t->value, negated ? no : yes, negated ? yes : no);
}

/* One run of joined tests; returns the place behind its last test. `no` is where the run goes when it does not hold. */
static size_t emit_run(struct compiler *c, const struct sys_rule *rule, size_t at, struct loaded *have, unsigned no)
{
	struct loaded at_exit = *have;
	size_t start = at;

	for (;; at++) {
		const struct arg_test *t = &rule->tests[at];
		unsigned yes = t->and_next ? BPF_NEXT : label_of_return(c, t->then);

		emit_test(&c->bpf, t, have, yes, no);
		/* The exits of the run meet again: what is loaded there is known only if they agree. */
		if (at == start)
			at_exit = *have;
		else if (at_exit.arg != have->arg || at_exit.mask != have->mask || !have->known)
			at_exit.known = false;
		if (!t->and_next)
			break;
	}
	*have = at_exit;
	return at + 1;
}

static void emit_block(struct compiler *c, const struct sys_rule *rule)
{
	struct loaded have = { 0 };

	for (size_t at = 0; at < rule->len;) {
		size_t end = at;

		while (rule->tests[end].and_next)
			end++;
		if (end + 1 == rule->len) {
			emit_run(c, rule, at, &have, label_of_return(c, rule->otherwise));
			break;
		}
		unsigned next = bpf_label(&c->bpf);
		at = emit_run(c, rule, at, &have, next);
		bpf_place(&c->bpf, next);
	}
}

/* Blocks may bring further returns; these are appended to the outcomes, so the length is read anew each time. */
static void emit_outcomes(struct compiler *c)
{
	for (size_t i = 0; i < c->outcome_len; i++) {
		if (!c->outcomes[i].rule)
			continue;
		bpf_place(&c->bpf, c->outcomes[i].label);
		emit_block(c, c->outcomes[i].rule);
	}
	for (size_t i = 0; i < c->outcome_len; i++) {
		if (c->outcomes[i].rule)
			continue;
		bpf_place(&c->bpf, c->outcomes[i].label);
		bpf_op(&c->bpf, BPF_RET | BPF_K, c->outcomes[i].ret);
	}
}

static int compile(struct compiler *c, const struct sysrules *rules, struct filter *out)
{
	uint16_t kill;
	int rc = outcome_of_return(c, SC_RET_KILL_PROCESS, &kill);

	if (rc == 0)
		rc = make_ranges(c, rules);
	if (rc == 0)
		rc = make_leaves(c);
	if (rc < 0)
		return rc;
	bpf_load_arch(&c->bpf);
	bpf_jump(&c->bpf, BPF_JEQ, arch_token[rules->arch], BPF_NEXT, label_of(c, kill));
	bpf_load_nr(&c->bpf);
	if (c->leaf_len == 1 && leaf_is_plain(c, &c->leaves[0]))
		bpf_op(&c->bpf, BPF_RET | BPF_K, return_value(rules->above));
	else
		emit_search(c, 0, c->leaf_len);
	emit_outcomes(c);
	return bpf_finish(&c->bpf, &out->code, &out->len);
}

int filter_build(const struct sysrules *rules, struct filter *out, struct error *err)
{
	struct compiler c = { 0 };
	struct filter filter = { 0 };
	int rc = compile(&c, rules, &filter);

	bpf_fini(&c.bpf);
	mem_free(c.outcomes);
	mem_free(c.ranges);
	mem_free(c.leaves);
	if (rc == -E2BIG)
		return error_set(err, ERR_POLICY, rc,
				 "the system call filter would be longer than the kernel's 4096 instructions");
	if (rc == -ENOMEM)
		return error_set(err, ERR_MEMORY, rc, "not enough memory for the system call filter");
	if (rc < 0)
		return error_set(err, ERR_START, rc, "the system call filter does not assemble");
	*out = filter;
	return 0;
}

void filter_fini(struct filter *f)
{
	mem_free(f->code);
	*f = (struct filter){ 0 };
}

/* --- the listing --- */

static const struct {
	uint16_t code;
	const char *name;
} jump_names[] = {
	{ BPF_JEQ,  "==" },
	{ BPF_JGE,  ">=" },
	{ BPF_JGT,  ">"  },
	{ BPF_JSET, "&"  },
};

static const struct {
	uint32_t action;
	const char *name;
} return_names[] = {
	{ SC_RET_ALLOW,        "allow"  },
	{ SC_RET_ERRNO,        "errno"  },
	{ SC_RET_USER_NOTIF,   "notify" },
	{ SC_RET_KILL_PROCESS, "kill"   },
};

static void print_return(uint32_t k, struct str *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(return_names); i++) {
		if (return_names[i].action != (k & ~0xffffU))
			continue;
		str_addf(out, "return %s", return_names[i].name);
		if (return_names[i].action == SC_RET_ERRNO)
			str_addf(out, " %s", error_name((int)(k & 0xffff)));
		return;
	}
	str_addf(out, "return 0x%x", k);
}

static void print_load(uint32_t k, struct str *out)
{
	size_t args = offsetof(struct sc_data, args);

	if (k == offsetof(struct sc_data, nr))
		str_add(out, "load nr");
	else if (k == offsetof(struct sc_data, arch))
		str_add(out, "load arch");
	else if (k >= args)
		str_addf(out, "load arg%zu %s", (k - args) / 8, (k - args) % 8 ? "high" : "low");
	else
		str_addf(out, "load [%u]", k);
}

static void print_jump(const struct sock_filter *i, size_t at, struct str *out)
{
	const char *name = "?";

	if (BPF_OP(i->code) == BPF_JA) {
		str_addf(out, "goto %zu", at + 1 + i->k);
		return;
	}
	for (size_t n = 0; n < ARRAY_SIZE(jump_names); n++) {
		if (jump_names[n].code == BPF_OP(i->code))
			name = jump_names[n].name;
	}
	str_addf(out, "if %s 0x%x goto %zu else %zu", name, i->k, at + 1 + i->jt, at + 1 + i->jf);
}

int filter_print(const struct filter *f, struct str *out)
{
	for (size_t at = 0; at < f->len; at++) {
		const struct sock_filter *i = &f->code[at];

		str_addf(out, "%4zu  ", at);
		if (BPF_CLASS(i->code) == BPF_RET)
			print_return(i->k, out);
		else if (BPF_CLASS(i->code) == BPF_LD)
			print_load(i->k, out);
		else if (BPF_CLASS(i->code) == BPF_JMP)
			print_jump(i, at, out);
		else
			str_addf(out, "and 0x%x", i->k);
		str_addc(out, '\n');
	}
	return out->rc;
}
