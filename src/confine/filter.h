/* System call rules to one classic BPF program: arch check, one balanced search over ranges, argument blocks after it. */
#ifndef CONFINE_FILTER_H
#define CONFINE_FILTER_H

#include <linux/filter.h>

#include "base/err.h"
#include "base/str.h"
#include "policy/sysrules.h"

struct filter {
	struct sock_filter *code;
	size_t len;
};

/* Compiles. Foreign architectures are killed, x32 and unknown numbers get ENOSYS. 0 or -errno; -E2BIG with a sentence
 * when the program would pass the kernel's 4096 instructions. */
int filter_build(const struct sysrules *rules, struct filter *out, struct error *err);
void filter_fini(struct filter *f);

/* A listing for people and tests: one line an instruction. */
int filter_print(const struct filter *f, struct str *out);

#endif
