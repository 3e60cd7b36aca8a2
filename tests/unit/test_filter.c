/*
 * The compiled filter equals its rules: over all numbers, architectures and boundary arguments under many policies, and
 * on the real kernel. What the rules should say is tested on its own, by test_filter_tables.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/sys.h"
#include "confine/filter.h"

#include "bare_policy.h"
#include "bpf_interp.h"
#include "fault.h"

#define NUMBERS 1101            /* 0..1100 */
#define MAX_VALUES 96           /* boundary values of one argument */
#define DISTINCT_RULES 300      /* rules that are all different: a program near the ceiling of the kernel */

static const uint32_t tokens[ARCH_MAX] = {
	[ARCH_X86_64] = ARCH_TOKEN_X86_64,
	[ARCH_AARCH64] = ARCH_TOKEN_AARCH64,
};
static const uint32_t foreign_tokens[] = { ARCH_TOKEN_I386, 0x40000028U /* arm */, 0xC00000F3U /* riscv64 */, 0, ~0U };

/* --- the policies --- */

struct variant {
	bool no_supervisor;
	bool cores;
	bool sysv_ipc;
	unsigned deny_step;             /* every n-th known name is denied; 0: none */
	unsigned trap_step;             /* every n-th known name is trapped; 0: none */
	int trap_op;                    /* the traps have this test on an argument; -1: none */
};

static const struct variant variants[] = {
	{ 0, 0, 0, 0, 0, -1 },    { 1, 0, 0, 0, 0, -1 },    { 0, 0, 1, 0, 0, -1 },    { 1, 0, 1, 0, 0, -1 },
	{ 0, 1, 0, 0, 0, -1 },    { 1, 1, 1, 0, 0, -1 },    { 0, 0, 0, 1, 0, -1 },    { 1, 0, 0, 1, 0, -1 },
	{ 0, 0, 0, 2, 0, -1 },    { 1, 0, 0, 2, 0, -1 },    { 0, 0, 0, 3, 0, -1 },    { 1, 1, 0, 3, 0, -1 },
	{ 0, 0, 0, 5, 0, -1 },    { 1, 0, 0, 7, 0, -1 },    { 0, 0, 0, 11, 0, -1 },   { 1, 0, 0, 13, 0, -1 },
	{ 0, 1, 0, 17, 0, -1 },   { 1, 0, 1, 40, 0, -1 },   { 0, 0, 0, 0, 1, -1 },    { 0, 0, 0, 0, 2, -1 },
	{ 0, 0, 0, 0, 3, -1 },    { 0, 0, 0, 0, 7, -1 },    { 0, 0, 0, 0, 40, -1 },   { 0, 0, 0, 3, 2, -1 },
	{ 0, 0, 0, 2, 1, -1 },    { 0, 1, 1, 7, 3, -1 },    { 0, 0, 0, 0, 1, ARG_EQ }, { 0, 0, 0, 0, 2, ARG_EQ },
	{ 0, 0, 0, 0, 1, ARG_NE }, { 0, 0, 0, 0, 1, ARG_MASK_ANY }, { 0, 0, 0, 0, 1, ARG_MASK_EQ },
	{ 0, 0, 0, 0, 1, ARG_MASK_NE }, { 0, 0, 0, 0, 1, ARG_NE_64 }, { 0, 0, 0, 0, 5, ARG_NE },
	{ 0, 0, 0, 0, 7, ARG_MASK_ANY }, { 0, 0, 0, 0, 3, ARG_MASK_EQ }, { 0, 0, 0, 0, 4, ARG_MASK_NE },
	{ 0, 0, 0, 0, 9, ARG_NE_64 }, { 0, 1, 1, 3, 1, ARG_EQ }, { 0, 0, 0, 2, 1, ARG_NE },
	{ 0, 0, 1, 4, 3, ARG_MASK_ANY }, { 0, 0, 0, 5, 1, ARG_MASK_EQ }, { 0, 1, 0, 6, 2, ARG_NE_64 },
	{ 0, 0, 0, 9, 4, ARG_MASK_NE },
};

_Static_assert(ARRAY_SIZE(variants) >= 40, "at least forty policies");

static struct trap trap_for(size_t i, int op)
{
	struct trap trap = { .syscall = syscall_table[i].name };

	if (op < 0)
		return trap;
	trap.conditional = true;
	trap.op = (uint8_t)op;
	trap.arg = (uint8_t)(i % 3);
	trap.mask = 0x10fU << (i % 5);
	trap.value = op == ARG_NE_64 ? 0x700000000ULL + i : (i % 4) << (i % 5);
	return trap;
}

static struct policy *policy_of(const struct variant *v)
{
	struct policy *p = bare_new();

	p->no_supervisor = v->no_supervisor;
	p->cores_given = v->cores;
	if (v->sysv_ipc)
		bare_add(&p->extra_allow, "sysv_ipc", NULL);
	for (size_t i = 0; v->deny_step && i < syscall_count; i += v->deny_step)
		bare_add(&p->extra_deny, syscall_table[i].name, NULL);
	return p;
}

static struct sysrules *rules_of(const struct variant *v, enum arch arch)
{
	struct policy *p = policy_of(v);
	struct trap *traps = calloc(syscall_count, sizeof *traps);
	struct sysrules *r = NULL;
	struct error err = { 0 };
	size_t count = 0;

	for (size_t i = 0; v->trap_step && i < syscall_count; i += v->trap_step)
		traps[count++] = trap_for(i, v->trap_op);
	if (sysrules_build(p, arch, traps, count, &r, &err) < 0)
		fail_msg("%s", err.text);
	free(traps);
	bare_free(p);
	return r;
}

static struct filter filter_of(const struct sysrules *r)
{
	struct filter f = { 0 };
	struct error err = { 0 };

	if (filter_build(r, &f, &err) < 0)
		fail_msg("%s", err.text);
	assert_null(bpf_interp_check(f.code, f.len));
	return f;
}

/* --- equality --- */

/* The test's own word on what the kernel must be told. */
static uint32_t expected_return(struct sys_verdict v)
{
	static const uint32_t base[] = {
		[SYS_ALLOW] = SECCOMP_RET_ALLOW, [SYS_ERRNO] = SECCOMP_RET_ERRNO, [SYS_REFUSE] = SECCOMP_RET_USER_NOTIF,
		[SYS_TRAP] = SECCOMP_RET_USER_NOTIF, [SYS_KILL] = SECCOMP_RET_KILL_PROCESS,
	};

	return base[v.action] | (v.action == SYS_ERRNO ? v.errnum : 0);
}

struct values {
	uint64_t at[MAX_VALUES];
	size_t len;
};

static void add_value(struct values *v, uint64_t value)
{
	for (size_t i = 0; i < v->len; i++) {
		if (v->at[i] == value)
			return;
	}
	if (v->len < MAX_VALUES)
		v->at[v->len++] = value;
}

/* Values around everything that a rule compares an argument with, and the same with high bits that must not matter. */
static void boundaries(const struct sys_rule *rule, unsigned arg, struct values *v)
{
	add_value(v, 0);
	add_value(v, UINT64_MAX);
	for (size_t i = 0; i < rule->len; i++) {
		const struct arg_test *t = &rule->tests[i];

		if (t->arg != arg)
			continue;
		add_value(v, t->value);
		add_value(v, t->value ^ 1);
		add_value(v, t->value | 0xabcd00000000ULL);
		if (t->mask)
			add_value(v, t->value | (~t->mask & 0x0a0a0a0a));
		if (t->op == ARG_MASK_ANY)
			add_value(v, t->mask & -t->mask);
		if (t->op == ARG_NE_64)
			add_value(v, (uint32_t)t->value);
	}
}

static void same(const struct sysrules *r, const struct filter *f, int nr, const uint64_t args[6])
{
	struct seccomp_data data = { .nr = nr, .arch = tokens[r->arch] };

	memcpy(data.args, args, sizeof data.args);
	uint32_t expected = expected_return(sysrules_decide(r, nr, args));
	uint32_t got = bpf_interp_run(f->code, f->len, &data, NULL);
	if (got != expected)
		fail_msg("arch %d nr %d (%#lx %#lx %#lx %#lx): filter %#x, rules %#x", r->arch, nr,
			 (unsigned long)args[0], (unsigned long)args[1], (unsigned long)args[2],
			 (unsigned long)args[3], got, expected);
}

/* Every combination of boundary values of the first four arguments; no rule looks further. */
static void same_at_boundaries(const struct sysrules *r, const struct filter *f, int nr)
{
	static const struct sys_rule none;
	const struct sys_rule *rule = nr < SYSRULES_MAX ? &r->rule[nr] : &none;
	struct values v[4] = { 0 };

	for (unsigned arg = 0; arg < 4; arg++)
		boundaries(rule, arg, &v[arg]);
	size_t combinations = v[0].len * v[1].len * v[2].len * v[3].len;
	for (size_t i = 0; i < combinations; i++) {
		size_t left = i;
		uint64_t args[6] = { 0, 0, 0, 0, UINT64_MAX, 0 };

		for (unsigned arg = 0; arg < 4; arg++) {
			args[arg] = v[arg].at[left % v[arg].len];
			left /= v[arg].len;
		}
		same(r, f, nr, args);
	}
}

static void returns(const struct filter *f, uint32_t token, int nr, uint32_t expected)
{
	static const uint64_t fills[] = { 0, 1, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(fills); i++) {
		struct seccomp_data data = { .nr = nr, .arch = token };

		for (size_t arg = 0; arg < 6; arg++)
			data.args[arg] = fills[i];
		assert_int_equal(bpf_interp_run(f->code, f->len, &data, NULL), expected);
	}
}

static void foreign_calls_never_get_through(const struct sysrules *r, const struct filter *f)
{
	uint32_t enosys = SECCOMP_RET_ERRNO | ENOSYS;

	for (int nr = 0; nr < NUMBERS; nr++) {
		for (size_t i = 0; i < ARRAY_SIZE(foreign_tokens); i++)
			returns(f, foreign_tokens[i], nr, SECCOMP_RET_KILL_PROCESS);
		returns(f, tokens[1 - r->arch], nr, SECCOMP_RET_KILL_PROCESS);
		returns(f, tokens[r->arch], nr | (int)X32_BIT, enosys);
	}
	returns(f, tokens[r->arch], -1, enosys);
	returns(f, tokens[r->arch], INT32_MIN, enosys);
	returns(f, tokens[r->arch], INT32_MAX, enosys);
	returns(f, tokens[r->arch], SYSRULES_MAX, enosys);
}

static void a_filter_equals_its_rules_for_every_call(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		for (int arch = 0; arch < ARCH_MAX; arch++) {
			struct sysrules *r = rules_of(&variants[i], (enum arch)arch);
			struct filter f = filter_of(r);

			for (int nr = 0; nr < NUMBERS; nr++)
				same_at_boundaries(r, &f, nr);
			foreign_calls_never_get_through(r, &f);
			filter_fini(&f);
			sysrules_free(r);
		}
	}
}

/* The kernel's bitmap: what needs no argument must be decided without loading one. */
static void calls_that_need_no_argument_are_constant_for_the_kernel(void **state)
{
	uint64_t none[6] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		struct sysrules *r = rules_of(&variants[i], ARCH_X86_64);
		struct filter f = filter_of(r);

		for (int nr = 0; nr < SYSRULES_MAX; nr++) {
			bool constant = r->rule[nr].len == 0 && sysrules_decide(r, nr, none).action == SYS_ALLOW;

			assert_int_equal(bpf_interp_always_allows(f.code, f.len, nr, ARCH_TOKEN_X86_64), constant);
		}
		filter_fini(&f);
		sysrules_free(r);
	}
}

static size_t longest_walk(const struct filter *f, uint32_t token)
{
	size_t longest = 0;

	for (int nr = 0; nr < SYSRULES_MAX; nr++) {
		struct seccomp_data data = { .nr = nr, .arch = token };
		size_t steps;

		bpf_interp_run(f->code, f->len, &data, &steps);
		longest = steps > longest ? steps : longest;
	}
	return longest;
}

static void the_default_filter_is_short_and_its_search_shallow(void **state)
{
	(void)state;
	for (int arch = 0; arch < ARCH_MAX; arch++) {
		struct sysrules *r = rules_of(&variants[0], (enum arch)arch);
		struct filter f = filter_of(r);

		assert_true(f.len < 280);         /* what a call costs is the walk */
		assert_true(longest_walk(&f, tokens[arch]) < 45);
		filter_fini(&f);
		sysrules_free(r);
	}
}

/* Rules that are all different, each with tests: more instructions than a conditional jump reaches, many times over. */
static void a_filter_of_thousands_of_instructions_still_equals_its_rules(void **state)
{
	struct sysrules *r = rules_of(&variants[0], ARCH_X86_64);

	(void)state;
	for (int nr = 0; nr < DISTINCT_RULES; nr++) {
		r->rule[nr].len = 0;
		for (unsigned k = 0; k < 3; k++) {
			struct arg_test test = {
				.arg = (uint8_t)k, .op = ARG_EQ, .value = (uint64_t)nr + k, .and_next = k == 1,
				.then = { .action = SYS_ERRNO, .errnum = (uint16_t)(nr % 100 + 1) },
			};
			assert_int_equal(VEC_PUSH(r->rule[nr].tests, r->rule[nr].cap, r->rule[nr].len, test), 0);
		}
	}
	struct filter f = filter_of(r);
	assert_true(f.len > 2000);
	for (int nr = 0; nr < NUMBERS; nr++)
		same_at_boundaries(r, &f, nr);
	filter_fini(&f);

	/* And beyond the kernel's ceiling: a sentence, no program. */
	struct error err = { 0 };
	for (int nr = 0; nr < DISTINCT_RULES; nr++) {
		struct arg_test test = { .arg = 3, .op = ARG_NE_64, .value = (uint64_t)nr, .then = { .action = SYS_KILL } };

		assert_int_equal(VEC_PUSH(r->rule[nr].tests, r->rule[nr].cap, r->rule[nr].len, test), 0);
	}
	assert_int_equal(filter_build(r, &f, &err), -E2BIG);
	assert_non_null(strstr(err.text, "4096"));
	sysrules_free(r);
}

static void a_filter_that_answers_everything_alike_assembles(void **state)
{
	struct sysrules *r = rules_of(&variants[0], ARCH_X86_64);

	(void)state;
	for (int nr = 0; nr < SYSRULES_MAX; nr++) {
		r->rule[nr].len = 0;
		r->rule[nr].otherwise = r->above;
	}
	struct filter f = filter_of(r);
	returns(&f, ARCH_TOKEN_X86_64, 0, SECCOMP_RET_ERRNO | ENOSYS);
	returns(&f, ARCH_TOKEN_I386, 0, SECCOMP_RET_KILL_PROCESS);
	filter_fini(&f);
	sysrules_free(r);
}

/* --- the listing and short memory --- */

static void a_listing_has_a_line_for_every_instruction(void **state)
{
	struct sysrules *r = rules_of(&variants[0], ARCH_X86_64);
	struct filter f = filter_of(r);
	AUTO(str) struct str out = STR(1 << 16);
	size_t lines = 0;

	(void)state;
	assert_int_equal(filter_print(&f, &out), 0);
	for (size_t i = 0; i < out.len; i++)
		lines += out.buf[i] == '\n';
	assert_int_equal(lines, f.len);
	assert_non_null(strstr(out.buf, "   0  load arch\n   1  if == 0xc000003e goto 2 else "));
	assert_non_null(strstr(out.buf, "return errno ENOSYS\n"));
	assert_non_null(strstr(out.buf, "return notify\n"));
	assert_null(strchr(out.buf, '?'));
	filter_fini(&f);
	sysrules_free(r);
}

static void short_memory_is_reported_and_leaks_nothing(void **state)
{
	struct sysrules *r = rules_of(&variants[0], ARCH_X86_64);
	int n = 0;

	(void)state;
	for (;; n++) {
		struct filter f = { 0 };
		struct error err = { 0 };

		fault_arm(n);
		int rc = filter_build(r, &f, &err);
		if (!fault_fired()) {
			assert_int_equal(rc, 0);
			filter_fini(&f);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(err.kind, ERR_MEMORY);
		assert_null(f.code);
	}
	assert_true(n > 10);
	sysrules_free(r);
}

/* --- the real kernel --- */

static void attach_or_die(const struct variant *v, unsigned flags)
{
	struct sysrules *r = rules_of(v, ARCH_NATIVE);
	struct filter f = filter_of(r);
	struct sock_fprog program = { .len = (unsigned short)f.len, .filter = f.code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sys_seccomp(SC_SET_MODE_FILTER, flags, &program) < 0)
		_exit(99);
}

static int child_status(void (*child)(void))
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		child();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* _exit(n): call n did not answer as it must. */
static void call_under_the_filter(void)
{
	static const struct { long nr; long args[4]; long answer; } calls[] = {
		{ SYS_getppid, { 0 }, 0 },                              /* anything but an error */
		{ SYS_clone3, { 0, 0 }, -ENOSYS },
		{ SYS_socket, { AF_NETLINK, SOCK_RAW, 0 }, -EAFNOSUPPORT },
		{ SYS_socket, { AF_INET, SOCK_DGRAM, 0 }, -EPERM },
		{ SYS_socket, { AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 262 }, -EPROTONOSUPPORT },
		{ SYS_socket, { AF_UNIX, SOCK_STREAM, 0 }, -EACCES },
		{ SYS_socket, { AF_INET, SOCK_STREAM, 0 }, 0 },
		{ SYS_prctl, { PR_SET_DUMPABLE, 0 }, -EPERM },
		{ SYS_prctl, { PR_GET_DUMPABLE, 0 }, 0 },
		{ SYS_prlimit64, { 1, 7, 0, 0 }, -EPERM },
		{ SYS_prlimit64, { 0, 7, 0, 0 }, 0 },
		{ SYS_ioctl, { 0, 0x5412, 0 }, -EPERM },
		{ SYS_sendto, { -1, 0, 0, 0x20000000 }, -EOPNOTSUPP },
		{ SYS_sendto, { -1, 0, 0, 0 }, -EBADF },
		{ SYS_io_uring_setup, { 1, 0 }, -EPERM },
		{ NR_open_tree, { -1, 0, 0 }, -EPERM },
		{ SYS_bpf, { 0 }, -EPERM },
		{ 1000, { 0 }, -ENOSYS },
		{ (long)(X32_BIT | 1), { 1, 0, 0 }, -ENOSYS },
	};

	attach_or_die(&variants[1], 0);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		const long *a = calls[i].args;
		long got = sys_raw6(calls[i].nr, a[0], a[1], a[2], a[3], 0, 0);

		if (calls[i].answer ? got != calls[i].answer : got < 0)
			_exit((int)i + 1);
	}
}

static void the_kernel_answers_as_the_rules_say(void **state)
{
	int status = child_status(call_under_the_filter);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void attach_all_with_listener(void)
{
	attach_or_die(&variants[0], SC_FLAG_NEW_LISTENER);
}

static void the_kernel_accepts_the_supervised_filter(void **state)
{
	(void)state;
	assert_int_equal(child_status(attach_all_with_listener), 0);
}

#if defined(__x86_64__)
static void call_as_i386(void)
{
	long ret;

	attach_or_die(&variants[1], 0);
	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(20L) : "memory");
	(void)ret;
}

static void a_32_bit_call_kills(void **state)
{
	int status = child_status(call_as_i386);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_true(WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV);  /* the latter: no 32-bit entry at all */
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_filter_equals_its_rules_for_every_call),
		cmocka_unit_test(calls_that_need_no_argument_are_constant_for_the_kernel),
		cmocka_unit_test(the_default_filter_is_short_and_its_search_shallow),
		cmocka_unit_test(a_filter_of_thousands_of_instructions_still_equals_its_rules),
		cmocka_unit_test(a_filter_that_answers_everything_alike_assembles),
		cmocka_unit_test(a_listing_has_a_line_for_every_instruction),
		cmocka_unit_test(short_memory_is_reported_and_leaks_nothing),
		cmocka_unit_test(the_kernel_answers_as_the_rules_say),
		cmocka_unit_test(the_kernel_accepts_the_supervised_filter),
#if defined(__x86_64__)
		cmocka_unit_test(a_32_bit_call_kills),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
