/* Unit tests of features/signals.c: it names what the signal scope refuses, and always lets the call go on. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fake_kernel.h"
#include "fault.h"
#include "features/registry.h"

#define OUT 4711

static const struct fake_object objects[] = {
	{ .name = "fd 3", .path = "/proc/4711" },
	{ .name = "fd 4", .path = "/srv/a" },
	{ .name = "fd 5", .path = NULL },
	{ .name = "fd 6", .path = "/proc/self" },
};

static struct fake fake(void)
{
	return (struct fake){ .objects = objects, .object_count = ARRAY_SIZE(objects), .stranger_rc = 1, .comm = "bash",
			      .pidfd_rc = -ENOENT };
}

static void ask_scoped(const struct call *call, bool scoped)
{
	static struct policy p = { .explain = true };
	int before = fault_open_fds();
	void *state = NULL;

	assert_int_equal(feature_signals.start(&(struct feature_env){ .policy = &p, .signals_scoped = scoped }, &state, NULL),
			 0);
	assert_int_equal(fake_ask(&feature_signals, state, call).kind, V_CONTINUE);
	feature_signals.stop(state);
	assert_int_equal(fault_open_fds(), before);
}

static void ask(const struct call *call)
{
	ask_scoped(call, true);
}

static void every_form_names_whom_it_means(void **unused)
{
	static const struct {
		const char *name;
		uint64_t raw[6];
	} cases[] = {
		{ "kill", { OUT, 15 } }, { "kill", { OUT, 0 } }, { "tkill", { OUT, 15 } }, { "tgkill", { 9, OUT, 15 } },
		{ "rt_sigqueueinfo", { OUT, 15, 0x1000 } }, { "rt_tgsigqueueinfo", { 9, OUT, 64, 0x1000 } },
		{ "kill", { 0xffffffff00000000 | OUT, 15 } }, { "pidfd_send_signal", { 3, 15, 0, 0 } },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake f = fake();
		struct call call = fake_call(&f, cases[i].name, cases[i].raw);

		ask(&call);
		assert_int_equal(f.stranger, OUT);
		assert_int_equal(f.refusals, 1);
		assert_string_equal(f.operation, "signal");
		assert_string_equal(f.target, "process 4711 (bash)");
		assert_string_equal(f.flag, "--disable signal-scope");
		assert_int_equal(f.errnum, EPERM);
	}
}

static void groups_are_looked_at_by_their_leader_and_everybody_is_named(void **unused)
{
	struct fake f = fake();
	struct call call = FAKE_CALL(&f, "kill", (uint32_t)-OUT, 15);

	(void)unused;
	f.comm = NULL;
	ask(&call);
	assert_string_equal(f.target, "process group 4711");
	call = FAKE_CALL(&f, "kill", (uint32_t)-1, 15);
	ask(&call);
	assert_string_equal(f.target, "every process outside");
	assert_int_equal(f.refusals, 2);
}

static void what_reaches_nobody_outside_is_not_noted(void **unused)
{
	static const struct {
		const char *name;
		uint64_t raw[6];
	} cases[] = {
		{ "kill", { 0, 15 } }, { "kill", { OUT, 65 } }, { "kill", { OUT, (uint32_t)-1 } },
		{ "kill", { 0x80000000, 15 } }, { "tkill", { (uint32_t)-1, 15 } }, { "tkill", { (uint32_t)-OUT, 15 } },
		{ "tgkill", { OUT, 0, 15 } }, { "pidfd_send_signal", { 4, 15 } }, { "pidfd_send_signal", { 5, 15 } },
		{ "pidfd_send_signal", { 6, 15 } }, { "pidfd_send_signal", { 99, 15 } },
		{ "pidfd_send_signal", { (uint32_t)-10000, 15 } },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake f = fake();
		struct call call = fake_call(&f, cases[i].name, cases[i].raw);

		ask(&call);
		assert_int_equal(f.refusals, 0);
	}
}

static void the_tree_the_dead_and_the_untouchable_are_not_noted(void **unused)
{
	static const int answers[] = { 0, -ESRCH, -EPERM };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct fake f = fake();
		struct call call = FAKE_CALL(&f, "kill", OUT, 15);

		f.stranger_rc = answers[i];
		ask(&call);
		assert_int_equal(f.refusals, 0);
		f.pidfd_rc = answers[i];
		call = FAKE_CALL(&f, "pidfd_send_signal", 7, 15);
		ask(&call);
		assert_int_equal(f.refusals, 0);
	}
}

static void a_pidfd_is_asked_for_its_process(void **unused)
{
	struct fake f = fake();
	struct call call = FAKE_CALL(&f, "pidfd_send_signal", 7, 15);

	(void)unused;
	f.pidfd_rc = OUT;
	ask(&call);
	assert_int_equal(f.stranger, OUT);
	assert_int_equal(f.refusals, 1);
	assert_int_equal(f.pins, 0);
}

static void nothing_is_noted_where_the_kernel_keeps_no_signal_in(void **unused)
{
	struct fake f = fake();
	struct call call = FAKE_CALL(&f, "kill", OUT, 15);

	(void)unused;
	ask_scoped(&call, false);
	assert_int_equal(f.refusals, 0);
}

static void it_is_wanted_only_where_somebody_reads_about_it(void **unused)
{
	struct policy p = { 0 };

	(void)unused;
	assert_false(feature_signals.wanted(&p));
	p.explain = true;
	assert_true(feature_signals.wanted(&p));
	p.strictness[PROTECT_SIGNAL_SCOPE] = DISABLED;
	assert_false(feature_signals.wanted(&p));
	p.strictness[PROTECT_SIGNAL_SCOPE] = STRICT;
	p.no_supervisor = true;
	assert_false(feature_signals.wanted(&p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_names_whom_it_means),
		cmocka_unit_test(groups_are_looked_at_by_their_leader_and_everybody_is_named),
		cmocka_unit_test(what_reaches_nobody_outside_is_not_noted),
		cmocka_unit_test(the_tree_the_dead_and_the_untouchable_are_not_noted),
		cmocka_unit_test(a_pidfd_is_asked_for_its_process),
		cmocka_unit_test(nothing_is_noted_where_the_kernel_keeps_no_signal_in),
		cmocka_unit_test(it_is_wanted_only_where_somebody_reads_about_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
