/* Runs seccomp programs as the kernel would. See bpf_interp.h. */
#include "bpf_interp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint16_t known_codes[] = {
	BPF_LD | BPF_W | BPF_ABS,   BPF_RET | BPF_K,            BPF_ALU | BPF_AND | BPF_K, BPF_JMP | BPF_JA,
	BPF_JMP | BPF_JEQ | BPF_K,  BPF_JMP | BPF_JGE | BPF_K,  BPF_JMP | BPF_JGT | BPF_K, BPF_JMP | BPF_JSET | BPF_K,
};

static bool known_code(uint16_t code)
{
	for (size_t i = 0; i < sizeof known_codes / sizeof known_codes[0]; i++) {
		if (known_codes[i] == code)
			return true;
	}
	return false;
}

static const char *check_one(const struct sock_filter *code, size_t len, size_t at)
{
	const struct sock_filter *i = &code[at];

	if (!known_code(i->code))
		return "an instruction that seccomp does not know";
	if (BPF_CLASS(i->code) == BPF_LD && (i->k % 4 || i->k >= sizeof(struct seccomp_data)))
		return "a load outside of seccomp_data";
	if (i->code == (BPF_JMP | BPF_JA) && i->k >= len - at - 1)
		return "a long jump outside of the program";
	if (BPF_CLASS(i->code) == BPF_JMP && i->code != (BPF_JMP | BPF_JA) &&
	    (at + 1 + i->jt >= len || at + 1 + i->jf >= len))
		return "a jump outside of the program";
	return NULL;
}

const char *bpf_interp_check(const struct sock_filter *code, size_t len)
{
	if (len == 0 || len > 4096)
		return "a length that the kernel refuses";
	for (size_t at = 0; at < len; at++) {
		const char *wrong = check_one(code, len, at);

		if (wrong)
			return wrong;
	}
	return BPF_CLASS(code[len - 1].code) == BPF_RET ? NULL : "no return at the end";
}

static size_t jump(const struct sock_filter *i, uint32_t acc)
{
	bool yes = false;

	if (BPF_OP(i->code) == BPF_JA)
		return i->k;
	if (BPF_OP(i->code) == BPF_JEQ)
		yes = acc == i->k;
	if (BPF_OP(i->code) == BPF_JGE)
		yes = acc >= i->k;
	if (BPF_OP(i->code) == BPF_JGT)
		yes = acc > i->k;
	if (BPF_OP(i->code) == BPF_JSET)
		yes = (acc & i->k) != 0;
	return yes ? i->jt : i->jf;
}

static void broken(const char *what, size_t at)
{
	fprintf(stderr, "bpf_interp: %s at %zu\n", what, at);
	abort();
}

uint32_t bpf_interp_run(const struct sock_filter *code, size_t len, const struct seccomp_data *data, size_t *steps)
{
	uint32_t acc = 0;
	size_t count = 0;

	for (size_t at = 0; at < len; at++) {
		const struct sock_filter *i = &code[at];

		count++;
		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			if (i->k + sizeof acc > sizeof *data)
				broken("load out of bounds", at);
			memcpy(&acc, (const char *)data + i->k, sizeof acc);
			break;
		case BPF_ALU:
			acc &= i->k;
			break;
		case BPF_JMP:
			at += jump(i, acc);
			break;
		case BPF_RET:
			if (steps)
				*steps = count;
			return i->k;
		default:
			broken("unknown instruction", at);
		}
	}
	broken("ran off the end", len);
	return 0;
}

bool bpf_interp_always_allows(const struct sock_filter *code, size_t len, int nr, uint32_t arch)
{
	uint32_t acc = 0;

	for (size_t at = 0; at < len; at++) {
		const struct sock_filter *i = &code[at];

		if (BPF_CLASS(i->code) == BPF_RET)
			return i->k == SECCOMP_RET_ALLOW;
		if (BPF_CLASS(i->code) == BPF_LD && i->k == offsetof(struct seccomp_data, nr))
			acc = (uint32_t)nr;
		else if (BPF_CLASS(i->code) == BPF_LD && i->k == offsetof(struct seccomp_data, arch))
			acc = arch;
		else if (BPF_CLASS(i->code) == BPF_LD)
			return false;
		else if (BPF_CLASS(i->code) == BPF_ALU)
			acc &= i->k;
		else
			at += jump(i, acc);
	}
	return false;
}
