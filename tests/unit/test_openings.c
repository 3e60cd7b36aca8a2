/* Addresses that names opened: how long, for which names, and what happens when there are too many. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

#include "base/mem.h"
#include "policy/openings.h"

static struct addr v4(unsigned n)
{
	return (struct addr){
		.family = ADDR_V4,
		.ip = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n },
	};
}

struct seen {
	const char *want;       /* NULL: no name is enough */
	unsigned calls;
};

static bool look(const char *name, void *arg)
{
	struct seen *seen = arg;

	seen->calls++;
	return seen->want && strcmp(name, seen->want) == 0;
}

static bool is_open(struct openings *o, unsigned ip, uint64_t now, const char *name)
{
	const struct addr a = v4(ip);

	return openings_find(o, &a, now, look, &(struct seen){ .want = name });
}

static void open_it(struct openings *o, const char *name, unsigned ip, uint64_t until)
{
	const struct addr a = v4(ip);

	assert_int_equal(openings_add(o, name, &a, until), 0);
}

static void an_address_is_open_until_its_time_is_over(void **state)
{
	struct openings *o = openings_new();

	(void)state;
	open_it(o, "a.test", 1, 100);
	assert_true(is_open(o, 1, 99, "a.test"));
	assert_false(is_open(o, 1, 100, "a.test"));
	assert_false(is_open(o, 2, 99, "a.test"));
	openings_free(o);
}

static void the_later_end_counts(void **state)
{
	struct openings *o = openings_new();

	(void)state;
	open_it(o, "a.test", 1, 100);
	open_it(o, "a.test", 1, 200);
	open_it(o, "a.test", 1, 50);
	assert_true(is_open(o, 1, 199, "a.test"));
	assert_false(is_open(o, 1, 200, "a.test"));
	openings_free(o);
}

static void an_address_of_several_names_is_asked_for_each(void **state)
{
	struct openings *o = openings_new();
	const struct addr a = v4(7);
	struct seen seen = { .want = NULL };

	(void)state;
	open_it(o, "a.test", 7, 100);
	open_it(o, "b.test", 7, 100);
	open_it(o, "old.test", 7, 10);
	assert_true(is_open(o, 7, 50, "a.test"));
	assert_true(is_open(o, 7, 50, "b.test"));
	assert_false(openings_find(o, &a, 50, look, &seen));
	assert_int_equal(seen.calls, 2);
	openings_free(o);
}

static void families_and_ports_are_told_apart_as_they_should(void **state)
{
	struct openings *o = openings_new();
	struct addr four = v4(0x01020304);
	struct addr six = four;
	struct addr port = four;

	(void)state;
	six.family = ADDR_V6;
	port.port = 443;
	assert_int_equal(openings_add(o, "a.test", &four, 100), 0);
	assert_false(openings_find(o, &six, 1, look, &(struct seen){ .want = "a.test" }));
	assert_true(openings_find(o, &port, 1, look, &(struct seen){ .want = "a.test" }));
	openings_free(o);
}

static void a_limit_shortens_and_never_lengthens(void **state)
{
	struct openings *o = openings_new();

	(void)state;
	open_it(o, "a.test", 1, 100);
	open_it(o, "a.test", 2, 30);
	open_it(o, "b.test", 1, 100);
	openings_limit(o, "a.test", ADDR_V6, 10);
	assert_true(is_open(o, 1, 99, "a.test"));
	openings_limit(o, "a.test", ADDR_V4, 50);
	assert_true(is_open(o, 1, 49, "a.test"));
	assert_false(is_open(o, 1, 50, "a.test"));
	assert_false(is_open(o, 2, 30, "a.test"));
	assert_true(is_open(o, 1, 99, "b.test"));
	openings_free(o);
}

static void count_one(const char *name, const struct addr *ip, void *arg)
{
	unsigned *sum = arg;

	assert_string_equal(name, "a.test");
	*sum += ip->ip[3];
}

static void what_is_open_can_be_listed(void **state)
{
	struct openings *o = openings_new();
	unsigned sum = 0;

	(void)state;
	open_it(o, "a.test", 1, 100);
	open_it(o, "a.test", 2, 100);
	open_it(o, "b.test", 4, 10);
	openings_each(o, 50, count_one, &sum);
	assert_int_equal(sum, 3);
	openings_free(o);
}

static void note_last(const char *name, const struct addr *ip, void *arg)
{
	(void)name;
	*(unsigned *)arg = *(unsigned *)arg << 8 | ip->ip[3];
}

static void what_a_refresh_replaced_comes_last(void **state)
{
	struct openings *o = openings_new();
	unsigned order = 0;

	(void)state;
	open_it(o, "a.test", 1, 100);
	open_it(o, "a.test", 2, 100);
	openings_limit(o, "a.test", ADDR_V4, 90);
	open_it(o, "a.test", 2, 200);
	open_it(o, "a.test", 3, 200);
	openings_each(o, 50, note_last, &order);
	assert_int_equal(order, 0x020301);
	openings_free(o);
}

static void when_full_the_first_to_end_makes_room(void **state)
{
	struct openings *o = openings_new();

	(void)state;
	for (unsigned i = 0; i < OPENINGS_MAX; i++)
		open_it(o, "a.test", i, 1000 + i);
	open_it(o, "a.test", OPENINGS_MAX, 5000000);
	assert_false(is_open(o, 0, 1, "a.test"));
	assert_true(is_open(o, 1, 1, "a.test"));
	assert_true(is_open(o, OPENINGS_MAX - 1, 1, "a.test"));
	assert_true(is_open(o, OPENINGS_MAX, 1, "a.test"));
	openings_free(o);
}

static void *churn(void *arg)
{
	struct openings *o = arg;
	char name[16];

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof name, "n%u.test", i % 7);
		const struct addr a = v4(i % 97);
		if (openings_add(o, name, &a, i) < 0)
			return o;
		if (i % 50 == 0)
			openings_limit(o, name, ADDR_V4, i);
		is_open(o, i % 97, 1, "n3.test");
	}
	return NULL;
}

static void threads_may_use_it_together(void **state)
{
	struct openings *o = openings_new();
	pthread_t thread[3];
	void *failed;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, churn, o), 0);
	for (size_t i = 0; i < ARRAY_SIZE(thread); i++) {
		pthread_join(thread[i], &failed);
		assert_null(failed);
	}
	openings_free(o);
}

static void short_memory_adds_nothing_and_loses_nothing(void **state)
{
	(void)state;
	for (int n = 0;; n++) {
		struct openings *o = openings_new();
		const struct addr a = v4(9);

		open_it(o, "a.test", 1, 100);
		for (unsigned i = 2; i < 9; i++)
			open_it(o, "a.test", i, 100);   /* the ninth has to grow */
		fault_arm(n);
		int rc = openings_add(o, "b.test", &a, 100);
		bool fired = fault_fired();
		assert_int_equal(rc, fired ? -ENOMEM : 0);
		assert_int_equal(is_open(o, 9, 1, "b.test"), !fired);
		assert_true(is_open(o, 1, 1, "a.test"));
		openings_free(o);
		if (!fired) {
			assert_true(n >= 2);
			break;
		}
	}
	fault_arm(0);
	assert_null(openings_new());
	assert_true(fault_fired());
	openings_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_open_until_its_time_is_over),
		cmocka_unit_test(the_later_end_counts),
		cmocka_unit_test(an_address_of_several_names_is_asked_for_each),
		cmocka_unit_test(families_and_ports_are_told_apart_as_they_should),
		cmocka_unit_test(a_limit_shortens_and_never_lengthens),
		cmocka_unit_test(what_is_open_can_be_listed),
		cmocka_unit_test(what_a_refresh_replaced_comes_last),
		cmocka_unit_test(when_full_the_first_to_end_makes_room),
		cmocka_unit_test(threads_may_use_it_together),
		cmocka_unit_test(short_memory_adds_nothing_and_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
