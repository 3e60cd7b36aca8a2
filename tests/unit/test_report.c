/* Unit tests of supervisor/report.c. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fake_kernel.h"
#include "fault.h"
#include "features/registry.h"

#include "supervisor/report.h"

static const struct refusal secret = {
	.operation = "read", .target = "/etc/shadow", .rule = "no grant covers it", .flag = "-r /etc/shadow",
	.errnum = EACCES,
};

static void equal_refusals_are_counted_and_kept_once(void **unused)
{
	struct report r;
	struct refusal other = secret;

	(void)unused;
	assert_int_equal(report_init(&r), 0);
	report_add(&r, 10, "cat", &secret);
	report_add(&r, 11, "cat", &secret);
	report_add(&r, 12, "tac", &secret);
	other.errnum = EPERM;
	report_add(&r, 13, "cat", &other);
	assert_int_equal(r.len, 3);
	assert_int_equal(r.total, 4);
	assert_int_equal(r.at[0].times, 2);
	assert_int_equal(r.at[0].pid, 10);
	assert_string_equal(r.at[1].process, "tac");
	assert_string_equal(r.at[0].flag, "-r /etc/shadow");
	report_fini(&r);
}

static void the_list_and_its_strings_are_bounded(void **unused)
{
	static char longer[6000];
	struct refusal f = secret;
	struct report r;
	char target[32];

	(void)unused;
	report_init(&r);
	memset(longer, 'x', sizeof longer - 1);
	f.target = longer;
	f.flag = longer;
	report_add(&r, 1, "p", &f);
	report_add(&r, 1, "p", &f);
	assert_int_equal(strlen(r.at[0].target), 4096);
	assert_null(r.at[0].flag);
	assert_int_equal(r.at[0].times, 2);
	for (int i = 0; i < 1500; i++) {
		snprintf(target, sizeof target, "/t/%d", i);
		f.target = target;
		f.flag = NULL;
		report_add(&r, 1, "p", &f);
	}
	assert_int_equal(r.len, REPORT_MAX);
	assert_int_equal(r.total, 1502);
	assert_int_equal(r.dropped, 501);
	report_fini(&r);
}

static void no_memory_drops_the_refusal_and_counts_it(void **unused)
{
	(void)unused;
	for (int n = 0;; n++) {
		struct report r;

		report_init(&r);
		fault_arm(n);
		report_add(&r, 1, "p", &secret);
		bool fired = fault_fired();
		assert_int_equal(r.total, 1);
		assert_int_equal(r.dropped, fired);
		assert_int_equal(r.len, !fired);
		report_fini(&r);
		if (!fired) {
			assert_int_equal(n, 6);
			break;
		}
	}
}

static void *add_many(void *arg)
{
	for (int i = 0; i < 2000; i++)
		report_add(arg, 1, i % 2 ? "odd" : "even", &secret);
	return NULL;
}

static void threads_may_add_at_once(void **unused)
{
	pthread_t threads[4];
	struct report r;

	(void)unused;
	report_init(&r);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, add_many, &r);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(r.total, 8000);
	assert_int_equal(r.len, 2);
	assert_int_equal(r.at[0].times + r.at[1].times, 8000);
	report_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_refusals_are_counted_and_kept_once),
		cmocka_unit_test(the_list_and_its_strings_are_bounded),
		cmocka_unit_test(no_memory_drops_the_refusal_and_counts_it),
		cmocka_unit_test(threads_may_add_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
