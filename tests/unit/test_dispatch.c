/* Dispatch: chains in order, refusals before features, and no continuing without leave. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

#include "base/mem.h"
#include "features/registry.h"
#include "supervisor/dispatch.h"

static bool always(const struct policy *p)
{
	(void)p;
	return true;
}

static bool never(const struct policy *p)
{
	(void)p;
	return false;
}

static struct verdict next(const struct call *call, void *state)
{
	(void)call;
	(void)state;
	return v_next();
}

static struct verdict let_go(const struct call *call, void *state)
{
	(void)call;
	(void)state;
	return v_continue();
}

static struct verdict refuse_all(const struct call *call, void *state)
{
	(void)state;
	return call->raw[0] & 0x10000000 ? v_errno(EPERM) : v_next();
}

static struct verdict answer_seven(const struct call *call, void *state)
{
	(void)call;
	(void)state;
	return v_result(7);
}

static const struct handler first_rows[] = { { .syscall = "clone", .on_call = next, .flags = H_NO_DECODE } };
static const struct handler fork_rows[] = {
	{ .syscall = "clone", .on_call = let_go, .flags = H_MAY_CONTINUE | H_NO_DECODE,
	  .conditional = true, .test_arg = 0, .test_op = ARG_MASK_EQ, .test_mask = 0x10000, .test_value = 0 },
	{ .syscall = "getppid", .on_call = let_go },
};
static const struct handler any_rows[] = { { .syscall = "*", .on_call = refuse_all, .flags = H_NO_DECODE } };
static const struct handler seven_rows[] = { { .syscall = "uname", .on_call = answer_seven, .flags = H_BLOCKS } };

static const struct handler pass_rows[] = { { .syscall = "bind", .on_call = next, .flags = H_OTHERS_PASS } };
static const struct handler judge_rows[] = { { .syscall = "bind", .on_call = next } };
static const struct handler late_rows[] = {
	{ .syscall = "getpgid", .on_call = answer_seven, .flags = H_ONLY_IF_TRAPPED },
	{ .syscall = "getsid", .on_call = answer_seven },
};

static const struct handler some_rows[] = {
	{ .syscall = "bind", .on_call = answer_seven, .conditional = true, .test_arg = 0, .test_op = ARG_EQ, .test_value = 5 },
	{ .syscall = "bind", .on_call = answer_seven, .conditional = true, .test_arg = 0, .test_op = ARG_EQ, .test_value = 6 },
};
static const struct feature choosy = { .name = "choosy", .wanted = always, HANDLERS(some_rows) };
static const struct feature pass = { .name = "pass", .wanted = always, HANDLERS(pass_rows) };
static const struct feature judge = { .name = "judge", .wanted = always, HANDLERS(judge_rows) };
static const struct feature late = { .name = "late", .wanted = always, HANDLERS(late_rows) };
static const struct feature first = { .name = "first", .wanted = always, HANDLERS(first_rows) };
static const struct feature forks = { .name = "forks", .wanted = always, HANDLERS(fork_rows) };
static const struct feature any = { .name = "any", .wanted = always, HANDLERS(any_rows) };
static const struct feature seven = { .name = "seven", .wanted = always, HANDLERS(seven_rows) };
static const struct feature unwanted = { .name = "unwanted", .wanted = never, HANDLERS(seven_rows) };
static const struct feature *const all[] = { &first, &forks, &any, &seven };

static struct dispatch *built(void)
{
	struct dispatch *d = calloc(1, sizeof *d);

	assert_int_equal(dispatch_init(d, all, 4, NULL), 0);
	return d;
}

static struct verdict ask(struct dispatch *d, const char *name, uint64_t arg)
{
	struct call call = { .nr = syscall_nr(ARCH_NATIVE, name), .raw = { arg } };

	return dispatch_call(d, &call);
}

static void a_refused_call_is_not_continued_by_a_feature_that_counts_it(void **state)
{
	struct dispatch *d = built();

	(void)state;
	struct verdict v = ask(d, "clone", 0x10000000 | 17);
	assert_int_equal(v.kind, V_ERRNO);
	assert_int_equal(v.value, EPERM);
	assert_int_equal(ask(d, "clone", 17).kind, V_CONTINUE);
	free(d);
}

static void continuing_without_leave_is_refused(void **state)
{
	struct dispatch *d = built();

	(void)state;
	struct verdict v = ask(d, "getppid", 0);
	assert_int_equal(v.kind, V_ERRNO);
	assert_int_equal(v.value, EPERM);
	free(d);
}

static void a_call_that_nobody_answers_is_enosys(void **state)
{
	struct dispatch *d = built();

	(void)state;
	struct verdict v = ask(d, "getpid", 0);
	assert_int_equal(v.kind, V_ERRNO);
	assert_int_equal(v.value, ENOSYS);
	free(d);
}

static struct verdict ask_features(const struct feature *const *list, size_t count, const char *name)
{
	struct dispatch *d = calloc(1, sizeof *d);

	assert_int_equal(dispatch_init(d, list, count, NULL), 0);
	struct verdict v = ask(d, name, 0);
	free(d);
	return v;
}

static void a_call_runs_where_everybody_who_was_asked_lets_others_pass(void **state)
{
	static const struct feature *const alone[] = { &any, &pass };
	static const struct feature *const judged[] = { &any, &pass, &judge };

	(void)state;
	assert_int_equal(ask_features(alone, 2, "bind").kind, V_CONTINUE);
	assert_int_equal(ask_features(judged, 3, "bind").value, ENOSYS);
	assert_int_equal(ask_features(alone, 2, "getppid").value, ENOSYS);      /* nobody was asked */
}

static void a_row_with_a_condition_is_asked_only_about_calls_that_meet_it(void **state)
{
	static const struct feature *const list[] = { &pass, &choosy };
	struct dispatch *d = calloc(1, sizeof *d);

	(void)state;
	assert_int_equal(dispatch_init(d, list, 2, NULL), 0);
	assert_int_equal(ask(d, "bind", 5).value, 7);
	assert_int_equal(ask(d, "bind", 6).value, 7);
	assert_int_equal(ask(d, "bind", 4).kind, V_CONTINUE);
	free(d);
}

static void a_row_that_only_joins_others_traps_nothing(void **state)
{
	static const struct feature *const list[] = { &late };
	struct dispatch *d = calloc(1, sizeof *d);
	struct trap *traps;
	size_t count;

	(void)state;
	assert_int_equal(dispatch_init(d, list, 1, NULL), 0);
	assert_int_equal(dispatch_traps(d, &traps, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(traps[0].syscall, "getsid");
	assert_int_equal(ask(d, "getpgid", 0).value, 7);
	mem_free(traps);
	free(d);
}

static void a_blocking_row_sends_its_call_to_a_worker(void **state)
{
	struct dispatch *d = built();

	(void)state;
	assert_true(dispatch_flags(d, syscall_nr(ARCH_NATIVE, "uname")) & H_BLOCKS);
	assert_false(dispatch_flags(d, syscall_nr(ARCH_NATIVE, "clone")) & H_BLOCKS);
	assert_true(dispatch_flags(d, syscall_nr(ARCH_NATIVE, "clone")) & H_NO_DECODE);
	assert_false(dispatch_flags(d, syscall_nr(ARCH_NATIVE, "uname")) & H_NO_DECODE);
	assert_int_equal(dispatch_flags(d, -1) & H_BLOCKS, 0);
	assert_int_equal(dispatch_flags(d, SYSRULES_MAX + 5) & H_BLOCKS, 0);
	free(d);
}

static void the_traps_are_what_the_rows_say(void **state)
{
	struct dispatch *d = built();
	struct trap *traps = NULL;
	size_t count = 0;

	(void)state;
	assert_int_equal(dispatch_traps(d, &traps, &count), 0);
	assert_int_equal(count, 4);     /* the "*" row traps nothing by itself */
	assert_string_equal(traps[1].syscall, "clone");
	assert_true(traps[1].conditional);
	assert_int_equal(traps[1].mask, 0x10000);
	free(traps);
	free(d);
}

static void an_unwanted_feature_has_no_say(void **state)
{
	const struct feature *const some[] = { &unwanted };
	struct dispatch *d = calloc(1, sizeof *d);

	(void)state;
	assert_int_equal(dispatch_init(d, some, 1, NULL), 0);
	assert_int_equal(d->count, 0);
	assert_int_equal(ask(d, "uname", 0).value, ENOSYS);
	free(d);
}

static struct verdict later(const struct call *call, void *state)
{
	(void)call;
	(void)state;
	return v_later();
}

static bool with_a_policy(const struct policy *p)
{
	return p != NULL;
}

static void only_a_row_that_tries_may_say_later(void **state)
{
	static const struct handler rows[] = {
		{ .syscall = "connect", .on_call = later, .flags = H_TRIES },
		{ .syscall = "listen", .on_call = later, .flags = H_BLOCKS },
	};
	static const struct feature tries = { .name = "tries", .wanted = always, HANDLERS(rows) };
	const struct feature *const one[] = { &tries };
	struct dispatch *d = calloc(1, sizeof *d);
	struct call call = { .nr = syscall_nr(ARCH_NATIVE, "connect") };

	(void)state;
	assert_int_equal(dispatch_init(d, one, 1, NULL), 0);
	assert_true(dispatch_flags(d, call.nr) & H_TRIES);
	assert_int_equal(dispatch_call(d, &call).kind, V_LATER);
	call.may_wait = true;           /* on a worker: when others have had their turn */
	assert_int_equal(dispatch_call(d, &call).kind, V_LATER);
	call.nr = syscall_nr(ARCH_NATIVE, "listen");
	call.may_wait = false;
	assert_int_equal(dispatch_call(d, &call).value, EAGAIN);
	free(d);
}

static void a_row_is_there_only_under_the_policies_that_need_it(void **state)
{
	static const struct handler rows[] = {
		{ .syscall = "sendmsg", .on_call = answer_seven, .when = with_a_policy },
		{ .syscall = "connect", .on_call = answer_seven },
	};
	static const struct feature some = { .name = "some", .wanted = always, HANDLERS(rows) };
	const struct feature *const one[] = { &some };
	struct policy *policy = policy_new();

	(void)state;
	for (int with = 0; with < 2; with++) {
		struct dispatch *d = calloc(1, sizeof *d);
		struct trap *traps = NULL;
		size_t count = 0;

		assert_int_equal(dispatch_init(d, one, 1, with ? policy : NULL), 0);
		assert_int_equal(dispatch_traps(d, &traps, &count), 0);
		assert_int_equal(count, 1 + with);
		assert_int_equal(ask(d, "sendmsg", 0).kind, with ? V_RETURN : V_ERRNO);
		free(traps);
		free(d);
	}
	policy_free(policy);
}

static void traps_without_memory_are_an_error(void **state)
{
	struct dispatch *d = built();
	struct trap *traps = NULL;
	size_t count;

	(void)state;
	fault_arm(0);
	int rc = dispatch_traps(d, &traps, &count);
	assert_true(fault_fired());
	assert_int_equal(rc, -ENOMEM);
	assert_null(traps);
	free(d);
}

/* Each of the two limits stands in for the other; all the rest can be wanted at once. */
static void a_policy_that_wants_every_feature_has_room_for_all(void **state)
{
	static const char *const settings[][2] = {
		{ "program.name", "box" },         { "limits.processes", "10" },      { "explain", "true" },
		{ "network.port_remap", "true" },  { "network.allow_bind", "8080" },  { "network.allow", "example.com:443" },
		{ "network.allow", "udp://192.0.2.1:53" },                            { "network.unix_allow", "/run/x" },
	};
	struct dispatch *d = calloc(1, sizeof *d);
	struct policy *policy = policy_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		assert_int_equal(policy_add(policy, settings[i][0], settings[i][1], "a test", NULL), 0);
	assert_int_equal(policy_freeze(policy, NULL), 0);
	policy->virtual_kinds = ~0U;
	assert_int_equal(dispatch_init(d, feature_registry, feature_count, policy), 0);
	assert_int_equal(d->count, feature_count - 1);
	policy_free(policy);
	free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_call_is_not_continued_by_a_feature_that_counts_it),
		cmocka_unit_test(continuing_without_leave_is_refused),
		cmocka_unit_test(a_call_that_nobody_answers_is_enosys),
		cmocka_unit_test(a_call_runs_where_everybody_who_was_asked_lets_others_pass),
		cmocka_unit_test(a_row_with_a_condition_is_asked_only_about_calls_that_meet_it),
		cmocka_unit_test(a_row_that_only_joins_others_traps_nothing),
		cmocka_unit_test(a_blocking_row_sends_its_call_to_a_worker),
		cmocka_unit_test(the_traps_are_what_the_rows_say),
		cmocka_unit_test(an_unwanted_feature_has_no_say),
		cmocka_unit_test(only_a_row_that_tries_may_say_later),
		cmocka_unit_test(a_row_is_there_only_under_the_policies_that_need_it),
		cmocka_unit_test(traps_without_memory_are_an_error),
		cmocka_unit_test(a_policy_that_wants_every_feature_has_room_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
