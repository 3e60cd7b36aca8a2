/*
 * An interpreter of the classic BPF that seccomp accepts, written from the kernel's checker and shared with nothing:
 * the programs that confine/filter.c makes are run here, for any architecture, without a kernel.
 */
#ifndef SUPPORT_BPF_INTERP_H
#define SUPPORT_BPF_INTERP_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the kernel checks at attach: known instructions, aligned loads inside seccomp_data, jumps that stay inside and
 * go forward, a return at the end. NULL when it would attach, else what is wrong. */
const char *bpf_interp_check(const struct sock_filter *code, size_t len);

/* Runs a checked program; *steps (may be NULL) counts instructions. Aborts the test on what the check should refuse. */
uint32_t bpf_interp_run(const struct sock_filter *code, size_t len, const struct seccomp_data *data, size_t *steps);

/* What the kernel finds out for its bitmap: true when this call is allowed whatever its arguments are, as far as a
 * walk that gives up at the first argument can see. */
bool bpf_interp_always_allows(const struct sock_filter *code, size_t len, int nr, uint32_t arch);

#endif
