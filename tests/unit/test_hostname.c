/* Unit tests of features/hostname.c and features/listen.c. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fake_kernel.h"
#include "fault.h"
#include "features/registry.h"

static void *start(const struct feature *feature, const struct policy *p)
{
	void *state = NULL;

	assert_int_equal(feature->start(&(struct feature_env){ .policy = p }, &state, NULL), 0);
	return state;
}

static void uname_answers_with_the_given_name_and_the_real_kernel(void **unused)
{
	struct policy p = { .name = (char *)"web-1" };
	struct fake f = { 0 };
	struct call call = FAKE_CALL(&f, "uname", 0x1000);
	void *state = start(&feature_hostname, &p);
	struct utsname real;
	struct utsname got;

	(void)unused;
	uname(&real);
	assert_int_equal(fake_ask(&feature_hostname, state, &call).kind, V_RETURN);
	assert_int_equal(f.out_len, sizeof got);
	memcpy(&got, f.out, sizeof got);
	assert_string_equal(got.nodename, "web-1");
	assert_string_equal(got.release, real.release);
	feature_hostname.stop(state);
}

static void a_bad_pointer_to_uname_is_efault(void **unused)
{
	struct policy p = { .name = (char *)"x" };
	struct fake f = { 0 };
	struct call call = FAKE_CALL(&f, "uname", 0);
	void *state = start(&feature_hostname, &p);

	(void)unused;
	assert_int_equal(fake_ask(&feature_hostname, state, &call).value, EFAULT);
	feature_hostname.stop(state);
}

static void without_a_name_uname_is_not_trapped(void **unused)
{
	(void)unused;
	assert_false(feature_hostname.wanted(&(struct policy){ 0 }));
	assert_true(feature_hostname.wanted(&(struct policy){ .name = (char *)"x" }));
}

static void a_failed_start_is_an_error_and_leaks_nothing(void **unused)
{
	struct policy p = { .name = (char *)"x" };
	int n = 0;

	(void)unused;
	for (;; n++) {
		void *state = NULL;

		fault_arm(n);
		int rc = feature_hostname.start(&(struct feature_env){ .policy = &p }, &state, NULL);
		if (!fault_fired()) {
			assert_int_equal(rc, 0);
			feature_hostname.stop(state);
			break;
		}
		assert_true(rc < 0 && !state);
	}
	assert_int_equal(n, 2);
}

static struct verdict do_listen(struct fake *f, const struct policy *p)
{
	struct call call = FAKE_CALL(f, "listen", 5, 8);
	void *state = start(&feature_listen, p);
	int before = fault_open_fds();
	struct verdict v = fake_ask(&feature_listen, state, &call);

	assert_int_equal(fault_open_fds(), before);
	feature_listen.stop(state);
	return v;
}

#define ONE_SOCKET(...) \
	const struct fake_object o = { .name = "fd 5", __VA_ARGS__ }; \
	struct fake f = { .objects = &o, .object_count = 1 }

static void an_unbound_socket_may_not_listen(void **unused)
{
	struct policy p = { 0 };
	ONE_SOCKET(.port = 0);

	(void)unused;
	assert_int_equal(do_listen(&f, &p).value, EACCES);
	assert_int_equal(f.acts, 0);
	assert_int_equal(f.refusals, 1);
	assert_string_equal(f.flag, "--net-allow-bind 0");
}

static void a_socket_on_an_allowed_port_listens_with_its_backlog(void **unused)
{
	struct policy p = { 0 };
	ONE_SOCKET(.port = 8080, .port_after = 8080);

	(void)unused;
	p.bind_ports.bits[8080 / 64] |= 1ULL << (8080 % 64);
	assert_int_equal(do_listen(&f, &p).kind, V_RETURN);
	assert_string_equal(f.acted, "listen");
	assert_int_equal(f.value[0], 8);
	assert_int_equal(f.unlistens, 0);
}

static void a_port_that_was_lost_in_between_ends_the_listening(void **unused)
{
	struct policy p = { 0 };
	ONE_SOCKET(.port = 8080, .port_after = 43974);

	(void)unused;
	p.bind_ports.bits[8080 / 64] |= 1ULL << (8080 % 64);
	assert_int_equal(do_listen(&f, &p).value, EACCES);
	assert_int_equal(f.unlistens, 1);
	assert_string_equal(f.target, "port 43974");
}

static void a_port_left_over_from_a_failed_connect_does_not_count_as_bound(void **unused)
{
	struct policy p = { 0 };
	ONE_SOCKET(.port = 43974, .port_after = 43621);

	(void)unused;
	assert_int_equal(do_listen(&f, &p).value, EACCES);
	assert_int_equal(f.acts, 0);
}

static void a_unix_socket_listens(void **unused)
{
	struct policy p = { 0 };
	ONE_SOCKET(.port = -EAFNOSUPPORT);

	(void)unused;
	assert_int_equal(do_listen(&f, &p).kind, V_RETURN);
	assert_int_equal(f.acts, 1);
}

static void where_the_socket_cannot_be_had_the_report_says_so(void **unused)
{
	struct policy p = { 0 };
	ONE_SOCKET(.port = -EBADF);

	(void)unused;
	assert_int_equal(do_listen(&f, &p).value, EACCES);
	assert_non_null(strstr(f.rule, "pidfd_getfd"));
	assert_string_equal(f.flag, "--net-allow-bind 0");
	assert_int_equal(f.acts, 0);
}

static void a_policy_that_allows_every_bind_traps_no_listen(void **unused)
{
	struct policy p = { .bind_ports.any = true };

	(void)unused;
	assert_false(feature_listen.wanted(&p));
	p.bind_ports.any = false;
	assert_true(feature_listen.wanted(&p));
	p.bind_ports.bits[0] = 2;
	assert_true(feature_listen.wanted(&p));
	p.bind_ports.bits[0] = 1;               /* port 0: any free one */
	assert_false(feature_listen.wanted(&p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uname_answers_with_the_given_name_and_the_real_kernel),
		cmocka_unit_test(a_bad_pointer_to_uname_is_efault),
		cmocka_unit_test(without_a_name_uname_is_not_trapped),
		cmocka_unit_test(a_failed_start_is_an_error_and_leaks_nothing),
		cmocka_unit_test(an_unbound_socket_may_not_listen),
		cmocka_unit_test(a_socket_on_an_allowed_port_listens_with_its_backlog),
		cmocka_unit_test(a_port_that_was_lost_in_between_ends_the_listening),
		cmocka_unit_test(a_port_left_over_from_a_failed_connect_does_not_count_as_bound),
		cmocka_unit_test(a_unix_socket_listens),
		cmocka_unit_test(where_the_socket_cannot_be_had_the_report_says_so),
		cmocka_unit_test(a_policy_that_allows_every_bind_traps_no_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
