/* Building a policy option by option, copying it, and checking it as a whole. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fault.h"
#include "policy/options.h"
#include "policy/policy.h"
#include "policy/ports.h"

static int setup(void **state)
{
	*state = policy_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	policy_free(*state);
	return 0;
}

static void add(struct policy *p, const char *key, const char *value)
{
	struct error err = { 0 };

	if (policy_add(p, key, value, "--test", &err) < 0)
		fail_msg("%s = %s: %s", key, value, err.text);
}

static void refused(struct policy *p, const char *key, const char *value, const char *part)
{
	struct error err = { 0 };
	int rc = policy_add(p, key, value, "--test", &err);

	if (rc != -EINVAL || err.kind != ERR_USAGE || !strstr(err.text, part))
		fail_msg("%s = '%s' gave %d: %s", key, value, rc, err.text);
}

static void test_a_new_policy_grants_and_limits_nothing(void **state)
{
	struct policy *p = *state;

	assert_int_equal(policy_freeze(p, NULL), 0);
	assert_int_equal(p->fs_read.len + p->fs_write.len + p->fs_exec.len + p->extends.len, 0);
	assert_true(ports_is_empty(&p->connect_ports) && ports_is_empty(&p->bind_ports));
	assert_true(p->max_memory == NO_LIMIT && p->max_processes == NO_LIMIT && p->timeout == NO_LIMIT);
	assert_true(p->max_threads == NO_LIMIT && p->max_open_files == NO_LIMIT && p->max_cpu == NO_LIMIT);
	assert_true(p->max_cpu_time == NO_LIMIT && p->max_file_size == NO_LIMIT);
	assert_true(p->uid == NO_ID && p->gid == NO_ID);
	for (size_t i = 0; i < PROTECT_MAX; i++)
		assert_int_equal(p->strictness[i], STRICT);
}

static void test_values_reach_their_fields(void **state)
{
	struct policy *p = *state;

	add(p, "limits.memory", "512M");
	add(p, "limits.timeout", "500ms");
	add(p, "limits.cpu", "50");
	add(p, "limits.open_files", "64");
	add(p, "limits.cpu_cores", "0,2-3");
	add(p, "program.user", "1000:100");
	add(p, "program.name", "web");
	add(p, "program.clean_env", "true");
	add(p, "network.allow", ":443");
	add(p, "network.allow_bind", "8000-8010");
	add(p, "allow_degraded", "net-tcp");
	add(p, "disable", "signal-scope");
	assert_int_equal(policy_freeze(p, NULL), 0);
	assert_int_equal(p->max_memory, 512 << 20);
	assert_int_equal(p->timeout, 500000000);
	assert_int_equal(p->max_cpu, 50);
	assert_int_equal(p->cores[0], 0xd);
	assert_true(p->cores_given && !p->gpu_given);
	assert_true(p->uid == 1000 && p->gid == 100);
	assert_string_equal(p->name, "web");
	assert_true(p->clean_env);
	assert_true(ports_has(&p->connect_ports, 443) && !ports_has(&p->connect_ports, 80));
	assert_true(ports_has(&p->bind_ports, 8010) && p->bind_ports.given);
	assert_int_equal(p->strictness[PROTECT_NET_TCP], DEGRADABLE);
	assert_int_equal(p->strictness[PROTECT_SIGNAL_SCOPE], DISABLED);
}

static void test_add_appends_and_set_replaces(void **state)
{
	struct policy *p = *state;

	add(p, "filesystem.read", "/a");
	add(p, "filesystem.read", "/b");
	assert_int_equal(p->fs_read.len, 2);
	assert_string_equal(p->fs_read.at[1].text, "/b");
	assert_string_equal(p->fs_read.at[1].origin, "--test");
	assert_int_equal(policy_set(p, "filesystem.read", "/c", "again", NULL), 0);
	assert_int_equal(p->fs_read.len, 1);
	assert_string_equal(p->fs_read.at[0].text, "/c");
	assert_string_equal(p->fs_read.at[0].origin, "again");
	add(p, "limits.memory", "1K");
	add(p, "limits.memory", "2K");
	assert_int_equal(p->max_memory, 2048);
}

static void test_a_refused_value_changes_nothing(void **state)
{
	struct policy *p = *state;

	add(p, "limits.cpu_cores", "1");
	refused(p, "limits.cpu_cores", "2,x", "'x' is not a list of numbers");
	assert_int_equal(policy_set(p, "limits.cpu_cores", "2,", "--test", NULL), -EINVAL);
	assert_int_equal(p->cpu_cores.len, 1);
	add(p, "program.name", "web");
	refused(p, "program.name", "a/b", "'a/b' is not a name of 1 to 64 bytes");
	assert_string_equal(p->name, "web");
}

static void test_bad_values_are_refused_with_the_accepted_forms(void **state)
{
	struct policy *p = *state;

	refused(p, "limits.memory", "12T", "--test: '12T' is not a whole number of bytes, or one with K, M or G");
	refused(p, "limits.memory", "99999999999999999999G", "is out of range; write a whole number of bytes");
	refused(p, "limits.memory", "0", "at least 1");
	refused(p, "limits.open_files", "0", "at least 1, got '0'");
	refused(p, "limits.processes", "4294967296", "at most 4294967295");
	refused(p, "limits.cpu", "101", "from 1 to 100");
	refused(p, "limits.timeout", "soon", "a whole number of seconds");
	refused(p, "program.clean_env", "yes", "is not true or false");
	refused(p, "program.user", "1000", "write UID:GID");
	refused(p, "program.env", "A", "write NAME=VALUE");
	refused(p, "filesystem.read", "", "is not a path");
	refused(p, "network.allow", "example.com:0", "port 0");
	refused(p, "disable", "fs-refer", "cannot be disabled");
	refused(p, "disable", "fs", "is not a protection; they are: fs-refer, fs-truncate");
	refused(p, "allow_degraded", "net", "is not a protection");
	refused(p, "extends", "bse", "did you mean 'base'?");
	refused(p, "syscalls.extra_deny", "", "empty");
}

static void unknown(struct policy *p, const char *key, int rc, const char *part)
{
	struct error err = { 0 };

	assert_int_equal(policy_set(p, key, "x", "", &err), rc);
	if (!strstr(err.text, part))
		fail_msg("%s: %s", key, err.text);
}

static void test_unknown_keys_name_the_nearest_and_planned_ones_say_so(void **state)
{
	unknown(*state, "filesystem.raed", -ENOENT, "did you mean 'filesystem.read'?");
	unknown(*state, "nothing.like.it", -ENOENT, "there is no option 'nothing.like.it'");
	unknown(*state, "chroot", -EOPNOTSUPP, "not supported in this release");
	unknown(*state, "filesystem.chroot", -EOPNOTSUPP, "not supported in this release");
}

static void test_older_spellings_are_rewritten(void **state)
{
	struct policy *p = *state;

	add(p, "network.connect", "443");
	assert_string_equal(p->net_connect.at[0].text, "443");
	add(p, "network.bind", "80");
	assert_string_equal(p->net_allow_bind.at[0].text, "80");
	add(p, "program.user_and_group", "7");
	assert_true(p->uid == 7 && p->gid == 7);
	add(p, "limits.max_cpu", "3");
	assert_int_equal(p->max_cpu, 3);
}

static void test_the_last_value_of_a_variable_wins(void **state)
{
	struct policy *p = *state;

	add(p, "program.env", "A=1");
	add(p, "program.env", "AB=2");
	add(p, "program.env", "A=3");
	assert_int_equal(p->env.len, 2);
	assert_string_equal(p->env.at[0].text, "AB=2");
	assert_string_equal(p->env.at[1].text, "A=3");
}

static void freeze_says(struct policy *p, const char *part)
{
	struct error err = { 0 };

	assert_int_equal(policy_freeze(p, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_POLICY);
	assert_false(p->frozen);
	if (!strstr(err.text, part))
		fail_msg("not '%s' but: %s", part, err.text);
}

static void test_all_contradictions_are_in_one_error(void **state)
{
	struct policy *p = *state;

	add(p, "program.uid", "5");
	add(p, "limits.cpu_cores", "all");
	add(p, "limits.gpu_devices", "all");
	add(p, "limits.gpu_devices", "0");
	add(p, "allow_degraded", "net-tcp");
	add(p, "disable", "net-tcp");
	add(p, "syscalls.extra_deny", "no_such_call");
	freeze_says(p, "program.uid and program.gid must both be set; ");
	freeze_says(p, "--allow-degraded net-tcp and --disable net-tcp exclude each other; ");
	freeze_says(p, "--cpu-cores takes numbers");
	freeze_says(p, "--gpu takes 'all' or numbers");
	freeze_says(p, "no_such_call");
}

static void test_a_wrong_word_alone_is_the_users_and_no_contradiction(void **state)
{
	struct policy *p = *state;
	struct error err = { 0 };

	add(p, "syscalls.extra_deny", "no_such_call");
	assert_int_equal(policy_freeze(p, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USAGE);
}

static void test_without_a_supervisor_what_needs_one_is_listed(void **state)
{
	struct policy *p = *state;

	add(p, "no_supervisor", "true");
	add(p, "limits.processes", "4");
	add(p, "explain", "true");
	add(p, "limits.timeout", "4");
	freeze_says(p, "--no-supervisor is incompatible with --max-processes, --explain, which need one");
	add(p, "explain", "false");
	freeze_says(p, "--no-supervisor is incompatible with --max-processes, which needs one");
}

static void test_without_a_supervisor_the_rest_is_fine(void **state)
{
	struct policy *p = *state;

	add(p, "no_supervisor", "true");
	add(p, "limits.timeout", "4");
	add(p, "program.cwd", "/");
	add(p, "program.user", "1:1");
	assert_int_equal(policy_freeze(p, NULL), 0);
}

static void test_a_frozen_policy_is_immutable_and_its_copy_is_not(void **state)
{
	struct policy *p = *state;
	struct error err = { 0 };

	add(p, "filesystem.read", "/a");
	add(p, "extends", "base");
	add(p, "program.name", "web");
	assert_int_equal(policy_freeze(p, NULL), 0);
	assert_int_equal(policy_freeze(p, NULL), 0);
	assert_int_equal(policy_add(p, "filesystem.read", "/b", "", &err), -EBUSY);
	assert_int_equal(err.kind, ERR_STATE);
	assert_int_equal(policy_load(p, "", 0, "x", NULL), -EBUSY);

	struct policy *copy = policy_dup(p);
	assert_non_null(copy);
	assert_false(copy->frozen);
	assert_int_equal(copy->preset_len, 0);
	add(copy, "filesystem.read", "/b");
	add(copy, "program.name", "other");
	assert_int_equal(p->fs_read.len, 1);
	assert_string_equal(p->name, "web");
	assert_int_equal(policy_freeze(copy, NULL), 0);
	assert_int_equal(copy->preset_len, p->preset_len);
	policy_free(copy);
}

static void test_reading_implies_execution_until_the_user_splits_them(void **state)
{
	struct policy *p = *state;

	add(p, "filesystem.read", "/a");
	assert_false(policy_splits_exec(p));
	add(p, "filesystem.no_exec_read", "true");
	assert_true(policy_splits_exec(p));
	add(p, "filesystem.no_exec_read", "false");
	add(p, "filesystem.exec", "/b");
	assert_true(policy_splits_exec(p));
}

/* Everything that allocates, in one go. */
static int build_and_freeze(struct error *err)
{
	static const char *const options[][2] = {
		{ "filesystem.read", "/a" }, { "limits.cpu_cores", "0,1,2" }, { "program.name", "x" },
		{ "program.env", "A=b" }, { "network.connect", "443" }, { "extends", "python" }, { "program.name", "y" },
	};
	struct policy *p = policy_new();
	int rc = p ? 0 : -ENOMEM;

	if (p)
		p->home = mem_strdup("/home/u");
	if (p && !p->home)
		rc = -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(options) && rc == 0; i++)
		rc = policy_add(p, options[i][0], options[i][1], "--test", err);
	struct policy *copy = rc == 0 ? policy_dup(p) : NULL;
	if (rc == 0)
		rc = copy ? policy_freeze(copy, err) : -ENOMEM;
	policy_free(copy);
	policy_free(p);
	return rc;
}

static void test_every_allocation_can_fail(void **state)
{
	(void)state;
	for (int n = 0;; n++) {
		struct error err = { 0 };

		fault_arm(n);
		int rc = build_and_freeze(&err);
		if (!fault_fired())
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_true(err.kind == ERR_NONE || err.kind == ERR_MEMORY);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_a_new_policy_grants_and_limits_nothing),
		CASE(test_values_reach_their_fields),
		CASE(test_add_appends_and_set_replaces),
		CASE(test_a_refused_value_changes_nothing),
		CASE(test_bad_values_are_refused_with_the_accepted_forms),
		CASE(test_unknown_keys_name_the_nearest_and_planned_ones_say_so),
		CASE(test_older_spellings_are_rewritten),
		CASE(test_the_last_value_of_a_variable_wins),
		CASE(test_all_contradictions_are_in_one_error),
		CASE(test_a_wrong_word_alone_is_the_users_and_no_contradiction),
		CASE(test_without_a_supervisor_what_needs_one_is_listed),
		CASE(test_without_a_supervisor_the_rest_is_fine),
		CASE(test_a_frozen_policy_is_immutable_and_its_copy_is_not),
		CASE(test_reading_implies_execution_until_the_user_splits_them),
		cmocka_unit_test(test_every_allocation_can_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
