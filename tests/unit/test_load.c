/* Profiles: both schemas, every type of value, ${HOME}, and every refusal with its place. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fault.h"
#include "policy/policy.h"

static int setup(void **state)
{
	struct policy *p = policy_new();

	p->home = mem_strdup("/home/u");
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	policy_free(*state);
	return 0;
}

static void load(struct policy *p, const char *text)
{
	struct error err = { 0 };

	if (policy_load(p, text, strlen(text), "web.toml", &err) < 0)
		fail_msg("%s", err.text);
}

static void refused_len(struct policy *p, const char *text, size_t len, int line, int column, const char *part)
{
	struct error err = { 0 };
	char place[64];
	int rc = policy_load(p, text, len, "web.toml", &err);

	snprintf(place, sizeof place, "web.toml:%d:%d: ", line, column);
	if (rc != -EINVAL || err.line != line || err.column != column || strncmp(err.text, place, strlen(place)) != 0 ||
	    !strstr(err.text, part))
		fail_msg("%s\ngave %d at %d:%d: %s", text, rc, err.line, err.column, err.text);
}

static void refused(struct policy *p, const char *text, int line, int column, const char *part)
{
	refused_len(p, text, strlen(text), line, column, part);
}

static void test_the_sectioned_schema_sets_every_type(void **state)
{
	struct policy *p = *state;

	load(p, "extends = ['python']\n"
		"keep_caps = true\n"
		"[filesystem]\n"
		"read = ['/a', '${HOME}/b']\n"
		"[network]\n"
		"allow = [':443']\n"
		"allow_bind = [8080, '9000-9001']\n"
		"[limits]\n"
		"memory = '512M'\n"
		"processes = 64\n"
		"timeout = 10\n"
		"cpu_time = '5m'\n"
		"cpu_cores = [0, 2, '4-5']\n"
		"gpu_devices = []\n"
		"[program]\n"
		"exec = '${HOME}/bin/x'\n"
		"args = ['${HOME}', '']\n"
		"uid = 5\n"
		"gid = 6\n"
		"[program.env]\n"
		"A = '$B'\n"
		"\"C D\" = ''\n");
	assert_string_equal(p->extends.at[0].text, "python");
	assert_true(p->keep_caps);
	assert_string_equal(p->fs_read.at[1].text, "/home/u/b");
	assert_string_equal(p->fs_read.at[1].origin, "web.toml:4");
	assert_string_equal(p->net_allow_bind.at[0].text, "8080");
	assert_int_equal(p->max_memory, 512 << 20);
	assert_int_equal(p->timeout, 10000000000);
	assert_int_equal(p->max_cpu_time, 300000000000);
	assert_int_equal(p->cpu_cores.len, 3);
	assert_string_equal(p->gpu_devices.at[0].text, "all");
	assert_string_equal(p->program_exec, "/home/u/bin/x");
	assert_string_equal(p->program_args.at[0].text, "${HOME}");
	assert_int_equal(p->program_args.len, 2);
	assert_true(p->uid == 5 && p->gid == 6);
	assert_string_equal(p->env.at[0].text, "A=$B");
	assert_string_equal(p->env.at[1].text, "C D=");
}

static void test_the_flat_schema_is_told_by_the_absence_of_sections(void **state)
{
	struct policy *p = *state;

	load(p, "fs_readable = ['/a']\n"
		"fs_writable = ['/b']\n"
		"max_memory = '1G'\n"
		"max_cpu = 50\n"
		"net_bind = [80]\n"
		"net_allow_hosts = ['example.com']\n"
		"no_udp = true\nno_raw_sockets = true\n"
		"net_connect = [443, '8000-8001']\n"
		"deny_syscalls = ['mount']\n"
		"name = 'web'\n"
		"uid = 7\n"
		"bare = true\n"
		"env = { A = 'b' }\n");
	assert_string_equal(p->fs_read.at[0].text, "/a");
	assert_string_equal(p->fs_write.at[0].text, "/b");
	assert_int_equal(p->max_memory, 1 << 30);
	assert_int_equal(p->max_cpu, 50);
	assert_string_equal(p->net_allow_bind.at[0].text, "80");
	assert_string_equal(p->net_connect.at[0].text, "443");
	assert_string_equal(p->net_connect.at[1].text, "8000-8001");
	assert_true(p->no_udp && p->no_raw_sockets);
	assert_string_equal(p->net_hosts.at[0].text, "example.com");
	assert_string_equal(p->extra_deny.at[0].text, "mount");
	assert_string_equal(p->name, "web");
	assert_true(p->uid == 7 && p->gid == 7 && p->bare);
	assert_string_equal(p->env.at[0].text, "A=b");
}

static void test_flat_keys_may_stand_under_sandbox(void **state)
{
	struct policy *p = *state;

	load(p, "[sandbox]\nfs_readable = ['/a']\nmax_processes = 3\n");
	assert_string_equal(p->fs_read.at[0].text, "/a");
	assert_int_equal(p->max_processes, 3);
}

static void test_lists_are_appended_and_scalars_replaced(void **state)
{
	struct policy *p = *state;

	load(p, "[filesystem]\nread = ['/a']\n[limits]\nprocesses = 1\n");
	load(p, "[filesystem]\nread = ['/b']\n[limits]\nprocesses = 2\n");
	load(p, "");
	assert_int_equal(p->fs_read.len, 2);
	assert_int_equal(p->max_processes, 2);
}

static void test_unknown_keys_name_the_nearest(void **state)
{
	struct policy *p = *state;

	refused(p, "[filesystem]\nraed = []\n", 2, 1, "'filesystem.raed'; did you mean 'filesystem.read'?");
	refused(p, "[filesystm]\nread = []\n", 1, 2, "'filesystm'; did you mean 'filesystem'?");
	refused(p, "[program]\nmemory = '1G'\n", 2, 1, "did you mean 'limits.memory'?");
	refused(p, "memory = '1G'\n", 1, 1, "did you mean 'limits.memory'?");
	refused(p, "fs_readble = []\n", 1, 1, "did you mean 'fs_readable'?");
	refused(p, "baer = true\n[limits]\n", 1, 1, "did you mean 'bare'?");
	refused(p, "[limits]\nnothing_like_it = 1\n", 2, 1, "there is no key 'limits.nothing_like_it'");
	refused(p, "\"filesystem.read\" = []\n", 1, 1, "there is no key 'filesystem.read'");
	refused(p, "fs_readable = []\n[limits]\n", 1, 1, "there is no key 'fs_readable'");
	refused(p, "[sandbox]\nmax_cpu = 1\n[limits]\n", 1, 2, "there is no key 'sandbox'");
	refused(p, "[network]\nbind = [80]\n", 2, 1, "there is no key 'network.bind'");
	refused(p, "[limits]\n\"memory\\u0000\" = '1G'\n", 2, 1, "NUL");
	refused(p, "\"bare\\u0000\" = true\n", 1, 1, "NUL");
}

static void test_planned_keys_say_so(void **state)
{
	struct policy *p = *state;

	refused(p, "[filesystem]\ndeny = []\n", 2, 1, "'filesystem.deny' is not supported in this release");
	refused(p, "[http]\nallow = []\n", 2, 1, "'http.allow' is not supported in this release");
	refused(p, "[config]\nworkdir = '/'\n", 2, 1, "'config.workdir' is not supported in this release");
	refused(p, "chroot = '/'\n", 1, 1, "'chroot' is not supported in this release");
}

static void test_wrong_types_are_refused_where_they_stand(void **state)
{
	struct policy *p = *state;

	refused(p, "bare = 1\n", 1, 8, "bare: must be true or false, not an integer");
	refused(p, "bare = 'true'\n", 1, 8, "not a string");
	refused(p, "[limits]\nprocesses = true\n", 2, 13, "limits.processes: must be a whole number, not a boolean");
	refused(p, "[limits]\nprocesses = '16'\n", 2, 13, "must be a whole number, not a string; leave the quotes out");
	refused(p, "[limits]\nprocesses = 1.5\n", 2, 13, "not a number with a fraction");
	refused(p, "[limits]\nprocesses = '5'\n", 2, 13, "not a string");
	refused(p, "[limits]\nmemory = 512\n", 2, 10,
		"limits.memory: must be a string such as \"512M\", not an integer; put it into quotes");
	refused(p, "[filesystem]\nread = '/a'\n", 2, 8, "must be an array of strings, not a string; put it into [ ]");
	refused(p, "[filesystem]\nread = ['/a',\n  7]\n", 3, 3, "must be an array of strings, not an integer");
	refused(p, "[filesystem.read]\na = 1\n", 1, 13, "not a table");
	refused(p, "[limits]\ncpu_cores = [true]\n", 2, 14, "not a boolean");
	refused(p, "[limits]\ncpu_cores = []\n", 2, 13, "the list is empty");
	refused(p, "[program]\nenv = ['A=b']\n", 2, 7, "a table of strings");
	refused(p, "[program.env]\nA = 1\n", 2, 5, "not an integer");
	refused(p, "filesystem = 1\n", 1, 1, "there is no key 'filesystem'");
	refused(p, "[program]\nname = 1979-05-27\n", 2, 8, "must be a string");
}

static void test_values_are_checked_as_on_the_command_line(void **state)
{
	struct policy *p = *state;

	refused(p, "[limits]\nmemory = '12T'\n", 2, 10, "limits.memory: '12T' is not a whole number of bytes");
	refused(p, "[limits]\nprocesses = -1\n", 2, 13, "limits.processes: must not be negative");
	refused(p, "[limits]\nprocesses = 0\n", 2, 13, "at least 1");
	refused(p, "[limits]\nopen_files = 5000000000\n", 2, 14, "at most");
	refused(p, "[limits]\ncpu = 101\n", 2, 7, "from 1 to 100");
	refused(p, "[program]\nuid = 4294967295\n", 2, 7, "out of range");
	refused(p, "[network]\nallow = ['a:0']\n", 2, 10, "network.allow: 'a:0', column 3: port 0");
	refused(p, "[program.env]\n\"A=B\" = ''\n", 2, 1, "cannot name a variable");
	refused(p, "[program.env]\n\"\" = ''\n", 2, 1, "cannot name a variable");
	refused(p, "[program]\ncwd = \"/a\\u0000b\"\n", 2, 7, "NUL");
	refused(p, "extends = ['x']\n", 1, 12, "there is no preset 'x'");
}

static void test_home_is_expanded_in_paths_only_and_strictly(void **state)
{
	struct policy *p = *state;

	load(p, "[filesystem]\nread = ['a${HOME}b', '$$x', '/~', './~', '${HOME}']\n");
	assert_string_equal(p->fs_read.at[0].text, "a/home/ub");
	assert_string_equal(p->fs_read.at[1].text, "$x");
	assert_string_equal(p->fs_read.at[2].text, "/~");
	assert_string_equal(p->fs_read.at[4].text, "/home/u");
	refused(p, "[filesystem]\nread = ['$HOME']\n", 2, 9, "a '$' must begin ${HOME}");
	refused(p, "[filesystem]\nread = ['a$']\n", 2, 9, "a '$' must begin ${HOME}");
	refused(p, "[filesystem]\nwrite = ['${HOME']\n", 2, 10, "the '}' of '${' is missing");
	refused(p, "[filesystem]\nexec = ['${}']\n", 2, 9, "is not a variable");
	refused(p, "[filesystem]\nexec = ['${A-B}']\n", 2, 9, "'${A-B}' is not a variable");
	refused(p, "[program]\ncwd = '${home}'\n", 2, 7, "'home' is not known; did you mean ${HOME}");
	refused(p, "[program]\ncwd = '${HOM}'\n", 2, 7, "did you mean ${HOME}");
	refused(p, "[program]\nexec = '${USER}'\n", 2, 8, "'USER' is not known; paths can use only ${HOME}");
	refused(p, "[program]\nexec = '~/x'\n", 2, 8, "a leading '~' is not expanded");
	mem_free(p->home);
	p->home = NULL;
	refused(p, "[program]\ncwd = '${HOME}'\n", 2, 7, "there is no home directory");
	load(p, "[program]\ncwd = '/x'\n");
}

static void test_a_refused_profile_changes_nothing(void **state)
{
	struct policy *p = *state;

	load(p, "[filesystem]\nread = ['/a']\n");
	refused(p, "[filesystem]\nread = ['/b']\nwrit = []\n", 3, 1, "writ");
	assert_int_equal(p->fs_read.len, 1);
	assert_string_equal(p->home, "/home/u");
}

static void test_text_that_is_not_toml_is_refused_with_its_place(void **state)
{
	struct error err = { 0 };

	assert_int_equal(policy_load(*state, "a = ", 4, "web.toml", &err), -EINVAL);
	assert_int_equal(err.line, 1);
	assert_int_equal(strncmp(err.text, "web.toml:1:", 11), 0);
}

static void test_every_allocation_can_fail(void **state)
{
	static const char text[] = "extends = ['base']\n[filesystem]\nread = ['${HOME}']\n[limits]\ncpu_cores = [1]\n"
				   "[program]\nenv = { A = 'b' }\n";
	struct policy *p = *state;

	for (int n = 0;; n++) {
		struct error err = { 0 };

		fault_arm(n);
		int rc = policy_load(p, text, sizeof text - 1, "web.toml", &err);
		if (!fault_fired())
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(err.kind, ERR_MEMORY);
		assert_int_equal(p->fs_read.len + p->extends.len, 0);
	}
	assert_int_equal(p->fs_read.len, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_the_sectioned_schema_sets_every_type),
		CASE(test_the_flat_schema_is_told_by_the_absence_of_sections),
		CASE(test_flat_keys_may_stand_under_sandbox),
		CASE(test_lists_are_appended_and_scalars_replaced),
		CASE(test_unknown_keys_name_the_nearest),
		CASE(test_planned_keys_say_so),
		CASE(test_wrong_types_are_refused_where_they_stand),
		CASE(test_values_are_checked_as_on_the_command_line),
		CASE(test_home_is_expanded_in_paths_only_and_strictly),
		CASE(test_a_refused_profile_changes_nothing),
		CASE(test_text_that_is_not_toml_is_refused_with_its_place),
		CASE(test_every_allocation_can_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
