/* Unit tests of run/status.c. */
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

#include "run/status.h"

static const struct report_entry entry = {
	.operation = (char *)"read", .target = (char *)"/etc/\033[2Jshadow", .process = (char *)"cat",
	.rule = (char *)"no grant covers it", .flag = (char *)"-r /etc/shadow", .pid = 12, .errnum = EACCES, .times = 3,
};

static const struct status_limit memory = { "memory", 1024 };

static struct status_view view(enum status_kind kind)
{
	return (struct status_view){
		.kind = kind, .wall_ns = 1500000000, .cpu_ns = 20000000, .peak_memory = 4096, .refusals = 3,
		.entries = &entry, .entry_count = 1, .supervised = true, .limits = &memory, .limit_count = 1,
	};
}

#define CHECK(function, v, expected)                            \
	do {                                                    \
		AUTO(str) struct str out = STR(STATUS_TEXT_MAX); \
		assert_int_equal(function((v), &out), 0);       \
		assert_string_equal(out.buf, (expected));       \
	} while (0)

static void an_exit_is_one_line_of_json_with_the_old_keys(void **unused)
{
	struct status_view v = view(STATUS_EXITED);

	(void)unused;
	v.code = 3;
	CHECK(status_json, &v,
	      "{\"exit_code\":3,\"kind\":\"exited\",\"reason\":\"exited with code 3\",\"wall_ms\":1500,\"cpu_ms\":20,"
	      "\"peak_memory\":4096,\"notifications\":0,\"refusals\":3,\"limits\":{\"memory\":1024}}");
}

static void a_signal_gives_minus_one_and_its_number(void **unused)
{
	struct status_view v = view(STATUS_SIGNALED);
	AUTO(str) struct str out = STR(4096);

	(void)unused;
	v.signal = 11;
	assert_int_equal(status_json(&v, &out), 0);
	assert_non_null(strstr(out.buf, "{\"exit_code\":-1,\"signal\":11,"));
	assert_non_null(strstr(out.buf, "killed by signal 11 (SIGSEGV)"));
}

static void exit_codes_follow_the_shell(void **unused)
{
	static const int expected[STATUS_KIND_MAX] = { -1, 7, 137, 124, 137, 137, 137 };

	(void)unused;
	for (int kind = 0; kind < STATUS_KIND_MAX; kind++) {
		struct status_view v = view((enum status_kind)kind);

		v.code = 7;
		v.signal = kind == STATUS_SIGNALED ? 9 : 0;
		assert_int_equal(status_exit_code(&v), expected[kind]);
	}
}

static void the_limit_that_killed_is_named(void **unused)
{
	struct status_view v = view(STATUS_LIMIT);

	(void)unused;
	v.limit = "--max-memory 64M";
	CHECK(status_reason, &v, "killed for passing --max-memory 64M");
}

static void each_refusal_has_three_facts_and_nothing_that_harms_a_terminal(void **unused)
{
	struct status_view v = view(STATUS_EXITED);

	(void)unused;
	v.explained = true;
	CHECK(status_report_text, &v,
	      "sandlock: 3 refusals\n"
	      "  cat (pid 12): read '/etc/\\x1b[2Jshadow': Permission denied, 3 times\n"
	      "      why: no grant covers it\n"
	      "      add: -r /etc/shadow\n");
}

static void the_report_says_what_it_could_not_see(void **unused)
{
	struct status_view v = view(STATUS_EXITED);

	(void)unused;
	v.entry_count = 0;
	v.refusals = 0;
	CHECK(status_report_text, &v,
	      "sandlock: nothing was refused (what Landlock alone refuses is not seen without --explain)\n");
	v.dropped = 9;
	v.refusals = 9;
	v.explained = true;
	CHECK(status_report_text, &v, "sandlock: 9 refusals\n  and 9 more that the report had no room for\n");
	v.supervised = false;
	CHECK(status_report_text, &v, "sandlock: refusals cannot be reported without a supervisor\n");
}

static void the_json_report_has_the_same_content(void **unused)
{
	struct status_view v = view(STATUS_EXITED);

	(void)unused;
	CHECK(status_report_json, &v,
	      "{\"total\":3,\"dropped\":0,\"supervised\":true,\"explained\":false,\"refusals\":[{\"operation\":\"read\","
	      "\"target\":\"/etc/\\u001b[2Jshadow\",\"process\":\"cat\",\"pid\":12,\"errno\":13,\"error\":\"EACCES\","
	      "\"rule\":\"no grant covers it\",\"flag\":\"-r /etc/shadow\",\"times\":3}]}");
}

static void what_was_dropped_without_an_error_and_by_an_unknown_process_is_told_so(void **unused)
{
	struct report_entry sent = {
		.operation = (char *)"send", .target = (char *)"192.0.2.1:7 (udp)", .process = (char *)"a program",
		.rule = (char *)"no rule", .times = 1,
	};
	struct status_view v = view(STATUS_EXITED);

	(void)unused;
	v.entries = &sent;
	v.entry_count = 1;
	v.refusals = 1;
	CHECK(status_report_text, &v,
	      "sandlock: 1 refusal (what Landlock alone refuses is not seen without --explain)\n"
	      "  a program: send '192.0.2.1:7 (udp)': dropped\n      why: no rule\n      no option allows this\n");
	CHECK(status_report_json, &v,
	      "{\"total\":1,\"dropped\":0,\"supervised\":true,\"explained\":false,\"refusals\":[{\"operation\":\"send\","
	      "\"target\":\"192.0.2.1:7 (udp)\",\"process\":\"a program\",\"errno\":0,\"error\":null,\"rule\":\"no rule\","
	      "\"flag\":null,\"times\":1}]}");
}

static void both_reports_list_the_ports(void **unused)
{
	struct status_view v = view(STATUS_EXITED);
	struct portmap *m = portmap_new(NULL, NULL);
	struct port_entry bound = { .proto = NET_TCP, .asked = 8080, .real = 40001, .address = { .family = ADDR_V4 } };
	AUTO(str) struct str json = STR(4096);

	(void)unused;
	v.ports = m;
	v.explained = true;
	v.entry_count = 0;
	v.refusals = 0;
	CHECK(status_report_text, &v, "sandlock: nothing was refused\n");
	assert_int_equal(portmap_add(m, &bound), 0);
	bound.proto = NET_UDP;
	bound.real = bound.asked = 53;
	bound.address = (struct addr){ .family = ADDR_V6, .ip = { [15] = 1 } };
	assert_int_equal(portmap_add(m, &bound), 0);
	CHECK(status_report_text, &v,
	      "sandlock: nothing was refused\n"
	      "sandlock: ports that were bound\n"
	      "  tcp 0.0.0.0:8080, outside the sandbox port 40001\n"
	      "  udp [::1]:53\n");
	assert_int_equal(status_report_json(&v, &json), 0);
	assert_non_null(strstr(json.buf, "\"ports\":[{\"protocol\":\"tcp\",\"address\":\"0.0.0.0\",\"virtual\":8080,"
					 "\"real\":40001},"));
	portmap_free(m);
}

static void no_memory_is_an_error_everywhere(void **unused)
{
	static int (*const functions[])(const struct status_view *, struct str *) = {
		status_reason, status_json, status_report_text, status_report_json,
	};
	struct status_view v = view(STATUS_SIGNALED);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		for (int n = 0;; n++) {
			AUTO(str) struct str out = STR(STATUS_TEXT_MAX);

			fault_arm(n);
			int rc = functions[i](&v, &out);
			if (!fault_fired()) {
				assert_int_equal(rc, 0);
				assert_true(n > 0);
				break;
			}
			assert_int_equal(rc, -ENOMEM);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exit_is_one_line_of_json_with_the_old_keys),
		cmocka_unit_test(a_signal_gives_minus_one_and_its_number),
		cmocka_unit_test(exit_codes_follow_the_shell),
		cmocka_unit_test(the_limit_that_killed_is_named),
		cmocka_unit_test(each_refusal_has_three_facts_and_nothing_that_harms_a_terminal),
		cmocka_unit_test(the_report_says_what_it_could_not_see),
		cmocka_unit_test(the_json_report_has_the_same_content),
		cmocka_unit_test(what_was_dropped_without_an_error_and_by_an_unknown_process_is_told_so),
		cmocka_unit_test(both_reports_list_the_ports),
		cmocka_unit_test(no_memory_is_an_error_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
