/* Assembles classic BPF with forward labels. Knows instructions and distances; what they mean is filter.c's matter. */
#include "confine/bpf.h"

#include <errno.h>

#include "base/mem.h"
#include "base/sys.h"

#define REACH 255       /* a conditional jump has 8 bits */
#define USUAL_LENGTH 512        /* instructions that there is room for at once; a filter has some 300 */
#define USUAL_LABELS 128
#define LABELS_MAX 65536

_Static_assert(BPF_MAXINSNS == 4096, "the kernel's ceiling");

void bpf_fini(struct bpf *b)
{
	mem_free(b->insns);
	mem_free(b->labels);
	*b = (struct bpf){ 0 };
}

static void fail(struct bpf *b, int rc)
{
	if (b->rc == 0)
		b->rc = rc;
}

unsigned bpf_label(struct bpf *b)
{
	if (b->rc < 0)
		return BPF_NEXT;

	/* Slot 0 stands for BPF_NEXT and is never placed. */
	size_t label = b->label_len ? b->label_len : 1;
	int rc = label < LABELS_MAX ? 0 : -E2BIG;
	if (rc == 0)
		rc = mem_grow(&b->labels, &b->label_cap, label < USUAL_LABELS ? USUAL_LABELS : label + 1, sizeof *b->labels);
	if (rc < 0) {
		fail(b, rc);
		return BPF_NEXT;
	}
	b->label_len = label + 1;
	return (unsigned)label;
}

void bpf_place(struct bpf *b, unsigned label)
{
	if (b->rc < 0)
		return;
	if (label == BPF_NEXT || label >= b->label_len || b->labels[label]) {
		fail(b, -EINVAL);
		return;
	}
	b->labels[label] = (uint16_t)(b->len + 1);
}

static void push(struct bpf *b, struct bpf_insn insn)
{
	if (b->rc < 0)
		return;
	if (b->len == BPF_MAXINSNS) {
		fail(b, -E2BIG);
		return;
	}
	int rc = mem_grow(&b->insns, &b->cap, b->len < USUAL_LENGTH ? USUAL_LENGTH : b->len + 1, sizeof *b->insns);
	if (rc < 0)
		fail(b, rc);
	else
		b->insns[b->len++] = insn;
}

void bpf_op(struct bpf *b, uint16_t code, uint32_t k)
{
	push(b, (struct bpf_insn){ .code = code, .k = k });
}

static void load(struct bpf *b, size_t offset)
{
	bpf_op(b, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

void bpf_load_nr(struct bpf *b)
{
	load(b, offsetof(struct sc_data, nr));
}

void bpf_load_arch(struct bpf *b)
{
	load(b, offsetof(struct sc_data, arch));
}

/* Both architectures are little endian: the low half comes first. */
void bpf_load_arg(struct bpf *b, unsigned arg, bool high)
{
	load(b, offsetof(struct sc_data, args) + arg * sizeof(uint64_t) + (high ? sizeof(uint32_t) : 0));
}

void bpf_jump(struct bpf *b, uint16_t test, uint32_t k, unsigned yes, unsigned no)
{
	push(b, (struct bpf_insn){
		.code = BPF_JMP | BPF_K | test, .k = k, .yes = (uint16_t)yes, .no = (uint16_t)no,
	});
}

void bpf_jump_eq64(struct bpf *b, unsigned arg, uint64_t value, unsigned yes, unsigned no)
{
	unsigned after = no;

	if (no == BPF_NEXT)
		after = bpf_label(b);
	bpf_load_arg(b, arg, true);
	bpf_jump(b, BPF_JEQ, (uint32_t)(value >> 32), BPF_NEXT, after);
	bpf_load_arg(b, arg, false);
	bpf_jump(b, BPF_JEQ, (uint32_t)value, yes, after);
	if (no == BPF_NEXT)
		bpf_place(b, after);
}

static bool is_jump(const struct bpf_insn *i)
{
	return BPF_CLASS(i->code) == BPF_JMP;
}

static size_t size_of(const struct bpf_insn *i)
{
	return 1U + i->yes_far + i->no_far;
}

/* Index of the instruction that a label of instruction `from` names. */
static size_t target_of(const struct bpf *b, size_t from, unsigned label)
{
	return label == BPF_NEXT ? from + 1 : b->labels[label] - (size_t)1;
}

static int check_label(const struct bpf *b, size_t from, unsigned label)
{
	if (label != BPF_NEXT && (label >= b->label_len || b->labels[label] == 0))
		return -EINVAL;

	size_t to = target_of(b, from, label);
	return to > from && to < b->len ? 0 : -EINVAL;
}

static int check_labels(const struct bpf *b)
{
	for (size_t i = 0; i < b->len; i++) {
		const struct bpf_insn *insn = &b->insns[i];

		if (is_jump(insn) && (check_label(b, i, insn->yes) < 0 || check_label(b, i, insn->no) < 0))
			return -EINVAL;
	}
	if (b->len == 0 || BPF_CLASS(b->insns[b->len - 1].code) != BPF_RET)
		return -EINVAL;
	return 0;
}

static size_t lay_out(struct bpf *b)
{
	size_t at = 0;

	for (size_t i = 0; i < b->len; i++) {
		b->insns[i].at = (uint16_t)at;
		at += size_of(&b->insns[i]);
	}
	return at;
}

static bool out_of_reach(const struct bpf *b, size_t from, unsigned label)
{
	return b->insns[target_of(b, from, label)].at - b->insns[from].at - 1 > REACH;
}

/* Marks jumps that do not reach. Marking moves what follows, so it is repeated until nothing changes; marks stay. */
static size_t stretch(struct bpf *b)
{
	for (;;) {
		size_t total = lay_out(b);
		bool changed = false;

		for (size_t i = 0; i < b->len; i++) {
			struct bpf_insn *insn = &b->insns[i];

			if (!is_jump(insn))
				continue;
			if (!insn->yes_far && out_of_reach(b, i, insn->yes))
				insn->yes_far = changed = true;
			if (!insn->no_far && out_of_reach(b, i, insn->no))
				insn->no_far = changed = true;
		}
		if (!changed)
			return total;
	}
}

/* What stands behind a jump that does not reach: the return itself, or a jump of any length. */
static struct sock_filter helper(const struct bpf *b, size_t to, size_t at)
{
	const struct bpf_insn *target = &b->insns[to];

	if (BPF_CLASS(target->code) == BPF_RET)
		return (struct sock_filter)BPF_STMT(target->code, target->k);
	return (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(target->at - at - 1));
}

/* The offset of one arm; `slot` is the helper's place behind the jump, if the arm needs one. */
static uint8_t arm(const struct bpf *b, size_t from, unsigned label, size_t slot, struct sock_filter *far)
{
	size_t at = b->insns[from].at;
	size_t to = target_of(b, from, label);

	if (far) {
		*far = helper(b, to, at + slot);
		return (uint8_t)(slot - 1);
	}
	return (uint8_t)(b->insns[to].at - at - 1);
}

static void emit(const struct bpf *b, size_t i, struct sock_filter *code)
{
	const struct bpf_insn *insn = &b->insns[i];
	struct sock_filter *here = code + insn->at;

	*here = (struct sock_filter)BPF_STMT(insn->code, insn->k);
	if (!is_jump(insn))
		return;
	here->jt = arm(b, i, insn->yes, 1, insn->yes_far ? here + 1 : NULL);
	here->jf = arm(b, i, insn->no, 1U + insn->yes_far, insn->no_far ? here + 1 + insn->yes_far : NULL);
}

int bpf_finish(struct bpf *b, struct sock_filter **code, size_t *len)
{
	if (b->rc < 0)
		return b->rc;
	if (check_labels(b) < 0)
		return -EINVAL;

	size_t total = stretch(b);
	if (total > BPF_MAXINSNS)
		return -E2BIG;
	struct sock_filter *out = mem_array(total, sizeof *out);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < b->len; i++)
		emit(b, i, out);
	*code = out;
	*len = total;
	return 0;
}
