/* Unit tests of features/refusals.c and of the order of features. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fake_kernel.h"
#include "fault.h"
#include "features/registry.h"

static struct verdict ask(struct fake *f, const struct policy *p, const struct call *call)
{
	struct sysrules *rules = NULL;
	const struct trap traps[] = { { .syscall = "clone" }, { .syscall = "chmod" } };
	void *state = NULL;

	(void)f;
	assert_int_equal(sysrules_build(p, ARCH_NATIVE, traps, 2, &rules, NULL), 0);
	assert_int_equal(feature_refusals.start(&(struct feature_env){ .policy = p, .rules = rules }, &state, NULL), 0);
	struct verdict v = fake_ask(&feature_refusals, state, call);
	feature_refusals.stop(state);
	sysrules_free(rules);
	return v;
}

static void a_refused_call_is_named_with_its_telling_arguments(void **unused)
{
	static const struct {
		const char *call;
		uint64_t raw[6];
		const char *target;
		int error;
	} cases[] = {
		{ "socket", { 2, 2 | 02000000, 0 }, "socket(AF_INET, SOCK_DGRAM, 0)", EPERM },
		{ "socket", { 17, 3, 0 }, "socket(AF_PACKET, SOCK_RAW, 0)", EAFNOSUPPORT },
		{ "ioctl", { 0, 0x100005412, 0 }, "ioctl(TIOCSTI)", EPERM },
		{ "clone", { 0x10000000 | 0x20000 | 17 }, "clone(CLONE_NEWNS|CLONE_NEWUSER)", EPERM },
		{ "prctl", { 35 }, "prctl(PR_SET_MM)", EPERM },
		{ "prlimit64", { 1 }, "prlimit64(1)", EPERM },
		{ "bpf", { 0 }, "bpf", EPERM },
	};
	const struct policy p = { 0 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake f = { 0 };
		struct call call = fake_call(&f, cases[i].call, cases[i].raw);
		struct verdict v = ask(&f, &p, &call);

		assert_int_equal(v.kind, V_ERRNO);
		assert_int_equal(v.value, cases[i].error);
		assert_int_equal(f.errnum, cases[i].error);
		assert_string_equal(f.operation, "syscall");
		assert_string_equal(f.target, cases[i].target);
	}
}

static void the_rule_says_who_refused_and_the_flag_what_allows_it(void **unused)
{
	struct word word = { (char *)"chmod", (char *)"web.toml:12" };
	struct policy p = { .extra_deny = { &word, 1, 1 } };
	struct fake f = { 0 };
	struct call call = FAKE_CALL(&f, "fchmod", 0);

	(void)unused;
	word.text = (char *)"fchmod";
	ask(&f, &p, &call);
	assert_string_equal(f.rule, "web.toml:12 fchmod");
	assert_string_equal(f.flag, "");
	call = FAKE_CALL(&f, "shmget", 0);
	ask(&f, &p, &call);
	assert_string_equal(f.flag, "--extra-allow-syscall sysv_ipc");
	call = FAKE_CALL(&f, "bpf", 0);
	ask(&f, &p, &call);
	assert_string_equal(f.rule, "refused in every sandbox");
	call = FAKE_CALL(&f, "socket", 2, 3, 1);
	ask(&f, &p, &call);
	assert_non_null(strstr(f.rule, "net.ipv4.ping_group_range"));
	assert_string_equal(f.flag, "");
}

static void a_protocol_that_a_rule_closes_has_no_flag(void **unused)
{
	static const struct {
		const char *deny;
		const char *rule;
		const char *flag;
		uint64_t kind, protocol;
	} rows[] = {
		{ "udp", "--net-deny udp", "", 2, 17 },
		{ "udp://*", "--net-deny udp://*", "", 2, 0 },
		{ "udp://192.0.2.0/24", "no rule allows UDP; a name that a rule has is looked up by sandlock itself",
		  "--net-allow NAME:PORT", 2, 0 },
		{ "udp", "no rule allows ping", "--net-allow icmp://HOST", 2, 1 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy *p = policy_new();
		struct fake f = { 0 };
		struct call call = FAKE_CALL(&f, "socket", 2, rows[i].kind, rows[i].protocol);

		assert_int_equal(policy_add(p, "network.allow", "tcp://192.0.2.10:7001", "--net-allow", NULL), 0);
		assert_int_equal(policy_add(p, "network.deny", rows[i].deny, "--net-deny", NULL), 0);
		assert_int_equal(policy_freeze(p, NULL), 0);
		ask(&f, p, &call);
		assert_string_equal(f.rule, rows[i].rule);
		assert_string_equal(f.flag, rows[i].flag);
		policy_free(p);
	}
}

static void a_call_that_is_only_trapped_is_passed_on(void **unused)
{
	const struct policy p = { 0 };
	struct fake f = { 0 };
	struct call call = FAKE_CALL(&f, "clone", 17);

	(void)unused;
	assert_int_equal(ask(&f, &p, &call).kind, V_NEXT);
	assert_int_equal(f.refusals, 0);
}

static void refusals_come_before_everybody_and_explain_comes_last(void **unused)
{
	(void)unused;
	assert_ptr_equal(feature_registry[0], &feature_refusals);
	assert_ptr_equal(feature_registry[feature_count - 1], &feature_explain);
}

static void every_row_names_a_known_call(void **unused)
{
	(void)unused;
	for (size_t f = 0; f < feature_count; f++)
		for (size_t i = 0; i < feature_registry[f]->handler_count; i++) {
			const char *name = feature_registry[f]->handlers[i].syscall;

			assert_true(strcmp(name, "*") == 0 || syscall_by_name(name));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_call_is_named_with_its_telling_arguments),
		cmocka_unit_test(the_rule_says_who_refused_and_the_flag_what_allows_it),
		cmocka_unit_test(a_protocol_that_a_rule_closes_has_no_flag),
		cmocka_unit_test(a_call_that_is_only_trapped_is_passed_on),
		cmocka_unit_test(refusals_come_before_everybody_and_explain_comes_last),
		cmocka_unit_test(every_row_names_a_known_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
