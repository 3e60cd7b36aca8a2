/* The assembler: far jumps, wide compares, misuse, short memory. Programs are run by the interpreter. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/sys.h"
#include "confine/bpf.h"

#include "bpf_interp.h"
#include "fault.h"

static uint32_t run(const struct sock_filter *code, size_t len, int nr, uint64_t arg0)
{
	struct seccomp_data data = { .nr = nr, .args = { arg0 } };

	assert_null(bpf_interp_check(code, len));
	return bpf_interp_run(code, len, &data, NULL);
}

static void finish(struct bpf *b, struct sock_filter **code, size_t *len)
{
	assert_int_equal(bpf_finish(b, code, len), 0);
	bpf_fini(b);
}

static void a_jump_goes_where_its_label_is(void **state)
{
	struct bpf b = { 0 };
	struct sock_filter *code;
	size_t len;
	unsigned seven = bpf_label(&b);
	unsigned other = bpf_label(&b);

	(void)state;
	bpf_load_nr(&b);
	bpf_jump(&b, BPF_JEQ, 7, seven, other);
	bpf_place(&b, other);
	bpf_op(&b, BPF_RET | BPF_K, 1);
	bpf_place(&b, seven);
	bpf_op(&b, BPF_RET | BPF_K, 2);
	finish(&b, &code, &len);
	assert_int_equal(len, 4);
	assert_int_equal(run(code, len, 7, 0), 2);
	assert_int_equal(run(code, len, 8, 0), 1);
	mem_free(code);
}

/* A chain of `count` tests on nr, each to the same far return and to a far block of its own kind. */
static void long_chain(unsigned count, struct sock_filter **code, size_t *len)
{
	struct bpf b = { 0 };
	unsigned far_return = bpf_label(&b);
	unsigned far_block = bpf_label(&b);

	bpf_load_nr(&b);
	for (unsigned i = 0; i < count; i++)
		bpf_jump(&b, BPF_JEQ, i, i % 2 ? far_return : far_block, BPF_NEXT);
	bpf_op(&b, BPF_RET | BPF_K, 99);
	bpf_place(&b, far_block);
	bpf_load_arg(&b, 0, false);
	bpf_op(&b, BPF_ALU | BPF_AND | BPF_K, 0xff);
	bpf_jump(&b, BPF_JSET, 1, far_return, BPF_NEXT);
	bpf_op(&b, BPF_RET | BPF_K, 50);
	bpf_place(&b, far_return);
	bpf_op(&b, BPF_RET | BPF_K, 60);
	finish(&b, code, len);
}

static void jumps_of_any_length_arrive(void **state)
{
	static const unsigned counts[] = { 1, 2, 250, 251, 252, 253, 254, 255, 256, 257, 258, 300, 511, 512, 900, 2000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		struct sock_filter *code;
		size_t len;

		long_chain(counts[i], &code, &len);
		for (unsigned nr = 0; nr < counts[i] + 3; nr++) {
			bool inside = nr < counts[i];

			assert_int_equal(run(code, len, (int)nr, 0), inside ? (nr % 2 ? 60 : 50) : 99);
			assert_int_equal(run(code, len, (int)nr, 1), inside ? 60 : 99);
		}
		mem_free(code);
	}
}

static void both_arms_may_be_far(void **state)
{
	struct bpf b = { 0 };
	struct sock_filter *code;
	size_t len;
	unsigned yes = bpf_label(&b);
	unsigned no = bpf_label(&b);

	(void)state;
	bpf_load_nr(&b);
	bpf_jump(&b, BPF_JGE, 10, yes, no);
	for (int i = 0; i < 400; i++)
		bpf_op(&b, BPF_ALU | BPF_AND | BPF_K, 0);
	bpf_place(&b, yes);
	bpf_load_arg(&b, 0, false);
	bpf_jump(&b, BPF_JGT, 4, no, BPF_NEXT);
	bpf_op(&b, BPF_RET | BPF_K, 1);
	bpf_place(&b, no);
	bpf_op(&b, BPF_RET | BPF_K, 2);
	finish(&b, &code, &len);
	assert_int_equal(run(code, len, 9, 0), 2);
	assert_int_equal(run(code, len, 10, 4), 1);
	assert_int_equal(run(code, len, 10, 5), 2);
	mem_free(code);
}

static void wide_compares_see_all_64_bits(void **state)
{
	static const uint64_t wanted[] = { 0, 5, 0x100000000ULL, 0x100000005ULL, UINT64_MAX, 0x8000000000000000ULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct bpf b = { 0 };
		struct sock_filter *code;
		size_t len;
		unsigned equal = bpf_label(&b);

		bpf_jump_eq64(&b, 0, wanted[i], equal, BPF_NEXT);
		bpf_op(&b, BPF_RET | BPF_K, 0);
		bpf_place(&b, equal);
		bpf_op(&b, BPF_RET | BPF_K, 1);
		finish(&b, &code, &len);
		for (size_t k = 0; k < ARRAY_SIZE(wanted); k++)
			assert_int_equal(run(code, len, 0, wanted[k]), i == k);
		mem_free(code);
	}
}

static void labels_that_are_missing_or_behind_are_refused(void **state)
{
	struct sock_filter *code = NULL;
	size_t len;

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct bpf b = { 0 };
		unsigned label = bpf_label(&b);

		if (kind == 1)
			bpf_place(&b, label);                   /* behind */
		bpf_load_nr(&b);
		bpf_jump(&b, BPF_JEQ, 1, label, BPF_NEXT);      /* kind 0: never placed */
		bpf_op(&b, BPF_RET | BPF_K, 0);
		if (kind >= 2)
			bpf_place(&b, label);                   /* kind 2: behind the last instruction */
		if (kind == 3) {
			bpf_op(&b, BPF_RET | BPF_K, 1);
			bpf_place(&b, label);                   /* twice */
		}
		assert_int_equal(bpf_finish(&b, &code, &len), -EINVAL);
		assert_null(code);
		bpf_fini(&b);
	}
}

static void a_program_must_end_in_a_return(void **state)
{
	struct bpf b = { 0 };
	struct sock_filter *code = NULL;
	size_t len;

	(void)state;
	assert_int_equal(bpf_finish(&b, &code, &len), -EINVAL);
	bpf_load_nr(&b);
	assert_int_equal(bpf_finish(&b, &code, &len), -EINVAL);
	bpf_fini(&b);
}

static void the_kernels_4096_instructions_are_the_ceiling(void **state)
{
	struct sock_filter *code = NULL;
	size_t len;

	(void)state;
	for (int extra = 0; extra < 2; extra++) {
		struct bpf b = { 0 };

		for (int i = 0; i < 4095 + extra; i++)
			bpf_load_nr(&b);
		bpf_op(&b, BPF_RET | BPF_K, 0);
		assert_int_equal(bpf_finish(&b, &code, &len), extra ? -E2BIG : 0);
		bpf_fini(&b);
	}
	assert_int_equal(len, 4096);
	mem_free(code);

	/* Short enough as written, too long with the helpers of far jumps. */
	struct bpf b = { 0 };
	unsigned far = bpf_label(&b);

	code = NULL;
	for (int i = 0; i < 4000; i++)
		bpf_jump(&b, BPF_JEQ, (uint32_t)i, far, BPF_NEXT);
	bpf_place(&b, far);
	bpf_op(&b, BPF_RET | BPF_K, 0);
	assert_int_equal(bpf_finish(&b, &code, &len), -E2BIG);
	assert_null(code);
	bpf_fini(&b);
}

static void short_memory_is_reported_and_leaks_nothing(void **state)
{
	int n = 0;

	(void)state;
	for (;; n++) {
		struct bpf b = { 0 };
		struct sock_filter *code = NULL;
		size_t len;

		fault_arm(n);
		unsigned label = bpf_label(&b);
		bpf_load_nr(&b);
		for (int i = 0; i < 100; i++)
			bpf_jump(&b, BPF_JEQ, (uint32_t)i, label, BPF_NEXT);
		bpf_place(&b, label);
		bpf_op(&b, BPF_RET | BPF_K, 0);
		int rc = bpf_finish(&b, &code, &len);
		bpf_fini(&b);
		if (!fault_fired()) {
			assert_int_equal(rc, 0);
			mem_free(code);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_null(code);
	}
	assert_true(n > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_jump_goes_where_its_label_is),
		cmocka_unit_test(jumps_of_any_length_arrive),
		cmocka_unit_test(both_arms_may_be_far),
		cmocka_unit_test(wide_compares_see_all_64_bits),
		cmocka_unit_test(labels_that_are_missing_or_behind_are_refused),
		cmocka_unit_test(a_program_must_end_in_a_return),
		cmocka_unit_test(the_kernels_4096_instructions_are_the_ceiling),
		cmocka_unit_test(short_memory_is_reported_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
