/*
 * A small assembler of classic BPF for seccomp filters: instructions, forward labels, returns that are shared, jumps of
 * any length. Errors stick in `rc` (-ENOMEM, -E2BIG), so one check at the end is enough. It knows no system call.
 */
#ifndef CONFINE_BPF_H
#define CONFINE_BPF_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BPF_NEXT 0      /* as a jump target: the next instruction */

struct bpf_insn {               /* an instruction whose targets are still labels */
	uint32_t k;
	uint16_t code;
	uint16_t yes;           /* labels; BPF_NEXT falls through */
	uint16_t no;
	uint16_t at;            /* place in the finished program */
	bool yes_far;           /* the target is out of reach of 8 bits: a helper instruction follows */
	bool no_far;
};

struct bpf {
	struct bpf_insn *insns;
	size_t len;
	size_t cap;
	uint16_t *labels;       /* label to 1 + index of its instruction; 0: not placed yet */
	size_t label_len;
	size_t label_cap;
	int rc;
};

void bpf_fini(struct bpf *b);                           /* frees; a zeroed one is fine */

unsigned bpf_label(struct bpf *b);                      /* a new label, to be placed later */
void bpf_place(struct bpf *b, unsigned label);          /* here comes what the label names */
void bpf_op(struct bpf *b, uint16_t code, uint32_t k);  /* an instruction that falls through, or a return */
void bpf_load_nr(struct bpf *b);
void bpf_load_arch(struct bpf *b);
void bpf_load_arg(struct bpf *b, unsigned arg, bool high);      /* one 32-bit half of an argument */

/* `test` is BPF_JEQ, BPF_JGE, BPF_JGT or BPF_JSET: the accumulator against k. */
void bpf_jump(struct bpf *b, uint16_t test, uint32_t k, unsigned yes, unsigned no);

/* All 64 bits of an argument against a value. Leaves either half in the accumulator. */
void bpf_jump_eq64(struct bpf *b, unsigned arg, uint64_t value, unsigned yes, unsigned no);

/*
 * Resolves the labels into a fresh program. Targets farther than 255 instructions get a helper behind the jump: a copy
 * where the target is a return, else a long jump. 0, -ENOMEM, -E2BIG beyond 4096 instructions, or -EINVAL for a label
 * that was not placed or lies behind its jump.
 */
int bpf_finish(struct bpf *b, struct sock_filter **code, size_t *len);

#endif
