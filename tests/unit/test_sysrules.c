/* Names, classes, argument rows, traps and denials: what happens to a call under a policy, without any filter. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "base/mem.h"
#include "policy/sysrules.h"

#include "bare_policy.h"
#include "fault.h"

static struct policy *policy;

static int fresh_policy(void **state)
{
	(void)state;
	policy = bare_new();
	return policy ? 0 : -1;
}

static int drop_policy(void **state)
{
	(void)state;
	bare_free(policy);
	return 0;
}

static struct sysrules *build_on(enum arch arch, const struct trap *traps, size_t count)
{
	struct sysrules *r = NULL;
	struct error err = { 0 };
	int rc = sysrules_build(policy, arch, traps, count, &r, &err);

	if (rc < 0)
		fail_msg("%s", err.text);
	return r;
}

static struct sys_verdict decide(const struct sysrules *r, const char *name, uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t args[6] = { a, b, c };

	return sysrules_decide(r, syscall_nr(r->arch, name), args);
}

static void check(const struct sysrules *r, const char *name, uint64_t a, uint64_t b, enum sys_action action, int errnum)
{
	struct sys_verdict v = decide(r, name, a, b, 0);

	if (v.action != action || v.errnum != errnum)
		fail_msg("%s(%#lx, %#lx): action %d errno %d, expected %d %d", name, (unsigned long)a, (unsigned long)b,
			 v.action, v.errnum, action, errnum);
}

/* --- the table --- */

static void every_call_is_found_by_its_name_and_numbers(void **state)
{
	(void)state;
	assert_true(syscall_count > 380);
	for (size_t i = 0; i < syscall_count; i++) {
		const struct syscall_info *info = &syscall_table[i];

		assert_ptr_equal(syscall_by_name(info->name), info);
		for (int arch = 0; arch < ARCH_MAX; arch++) {
			assert_int_equal(syscall_nr((enum arch)arch, info->name), info->nr[arch]);
			if (info->nr[arch] >= 0)
				assert_ptr_equal(syscall_by_nr((enum arch)arch, info->nr[arch]), info);
			assert_true(info->nr[arch] < SYSRULES_MAX);
		}
	}
}

static void the_numbers_are_those_of_this_machines_headers(void **state)
{
	static const struct { const char *name; int nr; } known[] = {
#define KNOWN(name) { #name, SYS_##name }
		KNOWN(read), KNOWN(openat), KNOWN(ioctl), KNOWN(clone), KNOWN(execve), KNOWN(socket), KNOWN(mount),
		KNOWN(ptrace), KNOWN(seccomp), KNOWN(bpf), KNOWN(statx), KNOWN(rseq), KNOWN(prlimit64), KNOWN(setns),
		KNOWN(renameat2), KNOWN(utimensat), KNOWN(fchmodat), KNOWN(io_uring_setup), KNOWN(openat2),
		KNOWN(landlock_restrict_self), KNOWN(memfd_secret), KNOWN(getrandom), KNOWN(pwritev), KNOWN(fadvise64),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		assert_int_equal(syscall_nr(ARCH_NATIVE, known[i].name), known[i].nr);
	assert_int_equal(syscall_nr(ARCH_AARCH64, "openat"), 56);
	assert_int_equal(syscall_nr(ARCH_AARCH64, "getrandom"), 278);
	assert_int_equal(syscall_nr(ARCH_AARCH64, "open"), -1);
	assert_int_equal(syscall_nr(ARCH_X86_64, "file_setattr"), 469);
}

static void names_that_people_use_lead_to_the_kernels(void **state)
{
	(void)state;
	assert_string_equal(syscall_by_name("fstatat")->name, "newfstatat");
	assert_string_equal(syscall_by_name("umount")->name, "umount2");
	assert_null(syscall_by_name("opne"));
	assert_null(syscall_by_name(""));
	assert_null(syscall_by_nr(ARCH_X86_64, -1));
	assert_null(syscall_by_nr(ARCH_X86_64, 400));
	assert_null(syscall_by_nr(ARCH_X86_64, 100000));
}

static void special_calls_have_rules_and_others_have_none(void **state)
{
	struct sysrules *r = build_on(ARCH_X86_64, NULL, 0);
	uint64_t none[6] = { 0 };

	(void)state;
	for (size_t i = 0; i < syscall_count; i++) {
		const struct syscall_info *info = &syscall_table[i];
		int nr = info->nr[ARCH_X86_64];
		bool has_rule = nr >= 0 && (r->rule[nr].len || sysrules_decide(r, nr, none).action != SYS_ALLOW);

		if (info->klass == CLASS_SPECIAL)
			assert_true(has_rule);
		if (info->klass == CLASS_ALLOW)
			assert_false(has_rule);
		if (nr >= 0 && info->klass != CLASS_SPECIAL)
			assert_int_equal(r->rule[nr].len, 0);
	}
	sysrules_free(r);
}

/* --- traps --- */

static void a_trap_takes_what_would_be_allowed(void **state)
{
	static const struct trap traps[] = { { .syscall = "chmod" }, { .syscall = "socket" }, { .syscall = "mount" } };
	bare_add(&policy->fs_write, "/w", NULL);
	struct sysrules *r = build_on(ARCH_X86_64, traps, ARRAY_SIZE(traps));

	(void)state;
	check(r, "chmod", 0, 0, SYS_TRAP, 0);
	check(r, "socket", 1, 1, SYS_TRAP, 0);
	check(r, "socket", 2, 1, SYS_TRAP, 0);
	check(r, "socket", 2, 3, SYS_REFUSE, EPERM);
	check(r, "socket", 16, 3, SYS_ERRNO, EAFNOSUPPORT);
	check(r, "mount", 0, 0, SYS_REFUSE, EPERM);
	check(r, "fchmod", 0, 0, SYS_ALLOW, 0);
	sysrules_free(r);
}

static void a_trap_with_a_test_takes_only_what_the_test_holds_for(void **state)
{
	static const struct trap traps[] = {
		{ .syscall = "clone", .conditional = true, .arg = 0, .op = ARG_MASK_EQ, .mask = 0x10000, .value = 0 },
		{ .syscall = "personality", .conditional = true, .arg = 0, .op = ARG_EQ, .value = 0 },
		{ .syscall = "socket", .conditional = true, .arg = 1, .op = ARG_MASK_ANY, .mask = 0x80000 },
		{ .syscall = "lseek", .conditional = true, .arg = 1, .op = ARG_NE_64, .value = 0x100000000ULL },
	};
	bare_add(&policy->fs_write, "/w", NULL);
	struct sysrules *r = build_on(ARCH_X86_64, traps, ARRAY_SIZE(traps));

	(void)state;
	check(r, "clone", 17, 0, SYS_TRAP, 0);
	check(r, "clone", 0x10f00, 0, SYS_ALLOW, 0);
	check(r, "clone", 0x10000000, 0, SYS_REFUSE, EPERM);
	check(r, "personality", 0, 0, SYS_TRAP, 0);
	check(r, "personality", 0xffffffff, 0, SYS_ALLOW, 0);
	check(r, "personality", 8, 0, SYS_REFUSE, EPERM);
	check(r, "socket", 1, 1, SYS_ALLOW, 0);
	check(r, "socket", 1, 0x80001, SYS_TRAP, 0);
	check(r, "socket", 2, 0x80001, SYS_TRAP, 0);
	check(r, "socket", 2, 0x80002, SYS_REFUSE, EPERM);
	check(r, "lseek", 0, 0x100000000ULL, SYS_ALLOW, 0);
	check(r, "lseek", 0, 0, SYS_TRAP, 0);
	sysrules_free(r);
}

static void two_traps_on_one_call_both_hold(void **state)
{
	static const struct trap traps[] = {
		{ .syscall = "read", .conditional = true, .arg = 0, .op = ARG_EQ, .value = 3 },
		{ .syscall = "read", .conditional = true, .arg = 0, .op = ARG_EQ, .value = 4 },
	};
	struct sysrules *r = build_on(ARCH_AARCH64, traps, ARRAY_SIZE(traps));

	(void)state;
	check(r, "read", 3, 0, SYS_TRAP, 0);
	check(r, "read", 4, 0, SYS_TRAP, 0);
	check(r, "read", 5, 0, SYS_ALLOW, 0);
	sysrules_free(r);
}

static void file_attributes_are_refused_unless_a_feature_judges_them(void **state)
{
	static const struct trap traps[] = {
		{ .syscall = "ioctl", .conditional = true, .arg = 1, .op = ARG_EQ, .value = 0x40086602 },
		{ .syscall = "file_setattr" },
	};
	struct sysrules *r = build_on(ARCH_X86_64, traps, ARRAY_SIZE(traps));

	(void)state;
	check(r, "ioctl", 0, 0x40086602, SYS_TRAP, 0);
	check(r, "ioctl", 0, 0x401c5820, SYS_REFUSE, EPERM);
	check(r, "ioctl", 0, 0x5412, SYS_REFUSE, EPERM);
	check(r, "ioctl", 0, 0x5401, SYS_ALLOW, 0);
	check(r, "file_setattr", 0, 0, SYS_TRAP, 0);
	sysrules_free(r);

	r = build_on(ARCH_X86_64, NULL, 0);
	check(r, "ioctl", 0, 0x40086602, SYS_REFUSE, EPERM);
	check(r, "file_setattr", 0, 0, SYS_REFUSE, EPERM);
	sysrules_free(r);
}

static void a_socket_as_for_the_name_cache_is_named_only_where_all_is_explained(void **state)
{
	(void)state;
	struct sysrules *r = build_on(ARCH_X86_64, NULL, 0);
	check(r, "socket", 1, 0x80801, SYS_ERRNO, EACCES);
	check(r, "socket", 1, 0x80001, SYS_REFUSE, EACCES);
	sysrules_free(r);
	policy->explain = true;
	r = build_on(ARCH_X86_64, NULL, 0);
	check(r, "socket", 1, 0x80801, SYS_REFUSE, EACCES);
	sysrules_free(r);
}

static void a_trap_that_nobody_could_answer_stops_the_start(void **state)
{
	static const struct trap unknown = { .syscall = "opne" };
	static const struct trap known = { .syscall = "open" };
	struct sysrules *r = NULL;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(sysrules_build(policy, ARCH_X86_64, &unknown, 1, &r, &err), -EINVAL);
	assert_non_null(strstr(err.text, "opne"));
	policy->no_supervisor = true;
	assert_int_equal(sysrules_build(policy, ARCH_X86_64, &known, 1, &r, NULL), -EINVAL);
	policy->no_supervisor = false;
	assert_int_equal(sysrules_build(policy, ARCH_AARCH64, &known, 1, &r, NULL), 0);  /* absent there: skipped */
	sysrules_free(r);
}

/* --- denials --- */

static void a_denial_wins_over_everything(void **state)
{
	static const struct trap traps[] = { { .syscall = "chmod" }, { .syscall = "wait4" } };

	(void)state;
	bare_add(&policy->extra_deny, "chmod", NULL);
	bare_add(&policy->extra_deny, "fstatat", NULL);
	bare_add(&policy->extra_deny, "socket", NULL);
	bare_add(&policy->extra_deny, "clone3", NULL);
	struct sysrules *r = build_on(ARCH_X86_64, traps, ARRAY_SIZE(traps));

	check(r, "chmod", 0, 0, SYS_REFUSE, EPERM);
	check(r, "newfstatat", 0, 0, SYS_REFUSE, EPERM);
	check(r, "socket", 1, 1, SYS_REFUSE, EPERM);
	check(r, "clone3", 0, 0, SYS_REFUSE, EPERM);
	check(r, "wait4", 0, 0, SYS_TRAP, 0);
	sysrules_free(r);
}

/* Everybody may make a TCP socket, and the kernel lets it join a group: that sends the name of the group to the network. */
static void a_tcp_socket_joins_no_group_under_any_policy(void **state)
{
	static const struct { uint64_t level, option; } joins[] = { { 0, 42 }, { 41, 42 }, { 0, 46 }, { 41, 46 } };
	struct sysrules *r = build_on(ARCH_X86_64, NULL, 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(joins); i++) {
		struct sys_verdict v = decide(r, "setsockopt", 3, joins[i].level, joins[i].option);

		assert_int_equal(v.action, SYS_REFUSE);
		assert_int_equal(v.errnum, EPERM);
	}
	assert_int_equal(decide(r, "setsockopt", 3, 6, 1).action, SYS_ALLOW);
	sysrules_free(r);
}

static void without_a_supervisor_refusals_are_answered_by_the_kernel(void **state)
{
	(void)state;
	policy->no_supervisor = true;
	bare_add(&policy->extra_deny, "chmod", NULL);
	struct sysrules *r = build_on(ARCH_X86_64, NULL, 0);

	for (int nr = 0; nr < SYSRULES_MAX; nr++) {
		const struct sys_rule *rule = &r->rule[nr];

		assert_true(rule->otherwise.action == SYS_ALLOW || rule->otherwise.action == SYS_ERRNO);
		for (size_t i = 0; i < rule->len; i++)
			assert_true(rule->tests[i].then.action != SYS_REFUSE);
	}
	check(r, "chmod", 0, 0, SYS_ERRNO, EPERM);
	check(r, "bpf", 0, 0, SYS_ERRNO, EPERM);
	check(r, "unshare", 0x10000000, 0, SYS_ALLOW, 0);
	sysrules_free(r);
}

static void the_group_sysv_ipc_can_be_allowed_again(void **state)
{
	static const char *const members[] = {
		"shmget", "shmat", "shmdt", "shmctl", "msgget", "msgsnd", "msgrcv", "msgctl", "semget", "semop",
		"semctl", "semtimedop",
	};

	(void)state;
	for (int allowed = 0; allowed < 2; allowed++) {
		if (allowed)
			bare_add(&policy->extra_allow, "sysv_ipc", NULL);
		struct sysrules *r = build_on(ARCH_X86_64, NULL, 0);
		for (size_t i = 0; i < ARRAY_SIZE(members); i++)
			check(r, members[i], 0, 0, allowed ? SYS_ALLOW : SYS_REFUSE, allowed ? 0 : EPERM);
		sysrules_free(r);
	}
}

/* --- names --- */

static void complaint(const char *expected)
{
	struct error err = { 0 };

	assert_int_equal(sysrules_check_names(policy, &err), -EINVAL);
	if (!strstr(err.text, expected))
		fail_msg("'%s' lacks '%s'", err.text, expected);
}

static void known_names_pass(void **state)
{
	(void)state;
	bare_add(&policy->extra_allow, "sysv_ipc", "--allow-syscall");
	bare_add(&policy->extra_deny, "chmod", "--deny-syscall");
	bare_add(&policy->extra_deny, "rt_sigreturn", NULL);
	bare_add(&policy->extra_deny, "umount", NULL);
	assert_int_equal(sysrules_check_names(policy, NULL), 0);
}

static void all_unknown_names_are_named_with_the_nearest(void **state)
{
	(void)state;
	bare_add(&policy->extra_deny, "opne", "--deny-syscall");
	bare_add(&policy->extra_deny, "chmod", NULL);
	bare_add(&policy->extra_deny, "frobnicate", "web.toml:12");
	bare_add(&policy->extra_allow, "sysv-ipc", NULL);
	complaint("'opne' (--deny-syscall), did you mean 'open'?");
	complaint("'frobnicate' (web.toml:12)");
	complaint("'sysv-ipc', did you mean 'sysv_ipc'?");
}

static void single_calls_cannot_be_allowed_again(void **state)
{
	(void)state;
	bare_add(&policy->extra_allow, "ptrace", "--allow-syscall");
	complaint("only groups can be allowed again, and the only group is sysv_ipc: 'ptrace' (--allow-syscall)");
}

static void allowing_and_denying_the_same_is_refused(void **state)
{
	(void)state;
	bare_add(&policy->extra_allow, "sysv_ipc", NULL);
	bare_add(&policy->extra_deny, "shmget", NULL);
	complaint("both allowed (group sysv_ipc) and denied: 'shmget'");
	bare_clear(&policy->extra_deny);
	bare_add(&policy->extra_deny, "sysv_ipc", NULL);
	complaint("both allowed (group sysv_ipc) and denied: 'sysv_ipc'");
}

static void the_call_that_starts_programs_cannot_be_denied(void **state)
{
	(void)state;
	bare_add(&policy->extra_deny, "execve", NULL);
	complaint("'execve'");
}

static void a_flood_of_unknown_names_still_gives_a_sentence(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++)
		bare_add(&policy->extra_deny, "a_name_that_does_not_exist_anywhere_and_is_long", "profile.toml:1");
	complaint("there is no such system call");
	complaint(", ...");
}

/* --- memory --- */

static void short_memory_is_reported_and_leaks_nothing(void **state)
{
	static const struct trap traps[] = {
		{ .syscall = "socket", .conditional = true, .arg = 1, .op = ARG_MASK_ANY, .mask = 0x80000 },
	};
	int n = 0;

	(void)state;
	for (;; n++) {
		struct sysrules *r = NULL;
		struct error err = { 0 };

		fault_arm(n);
		int rc = sysrules_build(policy, ARCH_X86_64, traps, 1, &r, &err);
		if (!fault_fired()) {
			assert_int_equal(rc, 0);
			sysrules_free(r);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_null(r);
		assert_int_equal(err.kind, ERR_MEMORY);
	}
	assert_true(n > 10);

	bare_add(&policy->extra_deny, "opne", NULL);
	for (n = 0;; n++) {
		fault_arm(n);
		int rc = sysrules_check_names(policy, NULL);
		if (!fault_fired())
			break;
		assert_int_equal(rc, -ENOMEM);
	}
	assert_true(n > 1);
}

#define WITH_POLICY(f) cmocka_unit_test_setup_teardown(f, fresh_policy, drop_policy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_is_found_by_its_name_and_numbers),
		cmocka_unit_test(the_numbers_are_those_of_this_machines_headers),
		cmocka_unit_test(names_that_people_use_lead_to_the_kernels),
		WITH_POLICY(special_calls_have_rules_and_others_have_none),
		WITH_POLICY(a_trap_takes_what_would_be_allowed),
		WITH_POLICY(a_trap_with_a_test_takes_only_what_the_test_holds_for),
		WITH_POLICY(two_traps_on_one_call_both_hold),
		WITH_POLICY(file_attributes_are_refused_unless_a_feature_judges_them),
		WITH_POLICY(a_socket_as_for_the_name_cache_is_named_only_where_all_is_explained),
		WITH_POLICY(a_trap_that_nobody_could_answer_stops_the_start),
		WITH_POLICY(a_denial_wins_over_everything),
		WITH_POLICY(a_tcp_socket_joins_no_group_under_any_policy),
		WITH_POLICY(without_a_supervisor_refusals_are_answered_by_the_kernel),
		WITH_POLICY(the_group_sysv_ipc_can_be_allowed_again),
		WITH_POLICY(known_names_pass),
		WITH_POLICY(all_unknown_names_are_named_with_the_nearest),
		WITH_POLICY(single_calls_cannot_be_allowed_again),
		WITH_POLICY(allowing_and_denying_the_same_is_refused),
		WITH_POLICY(the_call_that_starts_programs_cannot_be_denied),
		WITH_POLICY(a_flood_of_unknown_names_still_gives_a_sentence),
		WITH_POLICY(short_memory_is_reported_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
