/* Words of a command line become calls: the parser against a small option table of its own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/cli/args.c"

/* --- a fake of the part of the library that the parser uses --- */

static const char *const rows[][6] = {
	/* key                flag           short  type        group  metavar */
	{ "filesystem.read",  "fs-read",     "r",   "paths",    NULL,  "PATH" },
	{ "filesystem.write", "fs-write",    "w",   "paths",    NULL,  "PATH" },
	{ "limits.timeout",   "timeout",     "t",   "duration", NULL,  "TIME" },
	{ "bare",             "bare",        NULL,  "flag",     NULL,  NULL },
	{ "explain",          "explain",     "x",   "flag",     NULL,  NULL },
	{ "program.exec",     NULL,          NULL,  "path",     NULL,  "PATH" },
};

static char calls[1000];
static const char *refused_value;

size_t sandlock_option_count(void)
{
	return ARRAY_SIZE(rows);
}

const char *sandlock_option_get(size_t index, enum sandlock_option_field field)
{
	if (field == SANDLOCK_OPTION_SCOPE)
		return rows[index][1] ? "both" : "profile";
	return rows[index][field];
}

sandlock_policy *sandlock_policy_new(void)
{
	return (sandlock_policy *)(void *)calls;
}

void sandlock_policy_free(sandlock_policy *policy)
{
	assert_ptr_equal(policy, calls);
}

int sandlock_policy_set(sandlock_policy *policy, const char *key, const char *value, sandlock_error **err)
{
	(void)policy;
	(void)value;
	(void)err;
	return strcmp(key, "chroot") == 0 ? -EOPNOTSUPP : -ENOENT;
}

int sandlock_policy_add_from(sandlock_policy *policy, const char *key, const char *value, const char *origin,
			     sandlock_error **err)
{
	size_t len = strlen(calls);

	(void)policy;
	(void)err;
	if (refused_value && strcmp(value, refused_value) == 0)
		return -EINVAL;
	snprintf(calls + len, sizeof calls - len, "%s=%s(%s) ", key, value, origin);
	return 0;
}

/* --- a command with one option of each kind --- */

struct request {
	struct arg_common common;
	const char *profile;
	const char *report;
	bool quiet;
};

static const struct arg_option options[] = {
	{ "profile", 'p', ARG_VALUE, offsetof(struct request, profile), "NAME", NULL, "a value" },
	{ "report", 0, ARG_MAYBE, offsetof(struct request, report), "FILE", NULL, "perhaps a value" },
	{ "quiet", 'q', ARG_NONE, offsetof(struct request, quiet), NULL, NULL, "none" },
	ARG_COMMON_ROWS,
};
static const struct command command = {
	.name = "run", .options = options, .option_count = ARRAY_SIZE(options), .takes_policy = true,
};
static const struct command plain = { .name = "plain", .options = options, .option_count = ARRAY_SIZE(options) };

enum { WORDS_MAX = 10 };

static const struct {
	const char *words[WORDS_MAX];
	const char *calls;
	int rest;               /* index of the first word after the options, from 1 */
} good[] = {
	{ { NULL }, "", 1 },
	{ { "--", "ls" }, "", 2 },
	{ { "ls", "-r", "x" }, "", 1 },
	{ { "-", "x" }, "", 1 },
	{ { "--fs-read=/a" }, "filesystem.read=/a(--fs-read) ", 2 },
	{ { "--fs-read", "/a" }, "filesystem.read=/a(--fs-read) ", 3 },
	{ { "-r/a" }, "filesystem.read=/a(--fs-read) ", 2 },
	{ { "-r", "/a" }, "filesystem.read=/a(--fs-read) ", 3 },
	{ { "-r=/a" }, "filesystem.read==/a(--fs-read) ", 2 },
	{ { "-r", "--", "--", "-w" }, "filesystem.read=--(--fs-read) ", 4 },
	{ { "--fs-read=", "ls" }, "filesystem.read=(--fs-read) ", 2 },
	{ { "--fs-read=a=b" }, "filesystem.read=a=b(--fs-read) ", 2 },
	{ { "-r", "a", "-w", "b", "-r", "c" },
	  "filesystem.read=a(--fs-read) filesystem.write=b(--fs-write) filesystem.read=c(--fs-read) ", 7 },
	{ { "--bare" }, "bare=true(--bare) ", 2 },
	{ { "--bare=false" }, "bare=false(--bare) ", 2 },
	{ { "--bare", "false" }, "bare=true(--bare) ", 2 },
	{ { "-xr", "a" }, "explain=true(--explain) filesystem.read=a(--fs-read) ", 3 },
	{ { "-qxra", "ls" }, "explain=true(--explain) filesystem.read=a(--fs-read) ", 2 },
	{ { "-qx", "ls", "-r" }, "explain=true(--explain) ", 2 },
	{ { "-q", "-t", "2s", "--", "--bare" }, "limits.timeout=2s(--timeout) ", 5 },
	{ { "--report", "-p", "x", "ls" }, "", 4 },
};

static void make_argv(const char *argv[WORDS_MAX + 2], const char *const *words)
{
	argv[0] = "run";
	for (size_t i = 0; i < WORDS_MAX; i++)
		argv[i + 1] = words[i];
	argv[WORDS_MAX + 1] = NULL;
}

static void words_become_calls_in_their_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const char *argv[WORDS_MAX + 2];
		struct request request = { 0 };
		struct error err = { 0 };

		calls[0] = '\0';
		make_argv(argv, good[i].words);
		assert_int_equal(args_read(&command, argv, &request, &err), good[i].rest);
		assert_string_equal(calls, "");
		assert_int_equal(args_apply(&command, argv, NULL, NULL), 0);
		assert_string_equal(calls, good[i].calls);
	}
}

static const struct {
	const char *words[WORDS_MAX];
	const char *sentence;
} bad[] = {
	{ { "--fs-reed=/a" }, "unknown option '--fs-reed'; did you mean --fs-read?; see sandlock run --help" },
	{ { "--quite" }, "unknown option '--quite'; did you mean --quiet?; see sandlock run --help" },
	{ { "--write" }, "unknown option '--write'; did you mean --fs-write?; see sandlock run --help" },
	{ { "--rite" }, "unknown option '--rite'; see sandlock run --help" },
	{ { "--completely-else" }, "unknown option '--completely-else'; see sandlock run --help" },
	{ { "--exec" }, "unknown option '--exec'; see sandlock run --help" },
	{ { "--a\x1b[2J" }, "unknown option '--a\\x1b[2J'; see sandlock run --help" },
	{ { "--chroot=/x" }, "option '--chroot' is not supported in this release" },
	{ { "-z" }, "unknown option '-z'; see sandlock run --help" },
	{ { "-qz" }, "unknown option '-z'; see sandlock run --help" },
	{ { "--fs-read" }, "--fs-read needs a value: --fs-read PATH" },
	{ { "-r" }, "--fs-read needs a value: --fs-read PATH" },
	{ { "-qr" }, "--fs-read needs a value: --fs-read PATH" },
	{ { "--quiet=yes" }, "--quiet takes no value" },
	{ { "--quiet=" }, "--quiet takes no value" },
	{ { "---" }, "unknown option '---'; see sandlock run --help" },
};

static void a_wrong_word_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *argv[WORDS_MAX + 2];
		struct request request = { 0 };
		struct error err = { 0 };

		make_argv(argv, bad[i].words);
		assert_int_equal(args_read(&command, argv, &request, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_string_equal(err.text, bad[i].sentence);
	}
}

static void own_options_are_stored_and_the_last_one_counts(void **state)
{
	static const char *const argv[] = { "run", "-p", "a", "--report=r.json", "-qV", "--profile=b", "--help", NULL };
	struct request request = { 0 };

	(void)state;
	assert_int_equal(args_read(&command, argv, &request, NULL), 7);
	assert_string_equal(request.profile, "b");
	assert_string_equal(request.report, "r.json");
	assert_true(request.quiet && request.common.help && request.common.version);
}

static void an_optional_value_is_empty_without_one(void **state)
{
	static const char *const argv[] = { "run", "--report", "x", NULL };
	struct request request = { 0 };

	(void)state;
	assert_int_equal(args_read(&command, argv, &request, NULL), 2);
	assert_string_equal(request.report, "");
}

static void a_command_without_policy_refuses_policy_options(void **state)
{
	static const char *const argv[] = { "plain", "--bare", NULL };
	struct request request = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(args_read(&plain, argv, &request, &err), -EINVAL);
	assert_string_equal(err.text, "unknown option '--bare'; see sandlock plain --help");
}

static void a_value_that_the_library_refuses_ends_the_calls(void **state)
{
	static const char *const argv[] = { "run", "-r", "a", "-t", "soon", "-w", "b", NULL };

	(void)state;
	calls[0] = '\0';
	refused_value = "soon";
	assert_int_equal(args_apply(&command, argv, NULL, NULL), -EINVAL);
	assert_string_equal(calls, "filesystem.read=a(--fs-read) ");
	refused_value = NULL;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_calls_in_their_order),
		cmocka_unit_test(a_wrong_word_is_named),
		cmocka_unit_test(own_options_are_stored_and_the_last_one_counts),
		cmocka_unit_test(an_optional_value_is_empty_without_one),
		cmocka_unit_test(a_command_without_policy_refuses_policy_options),
		cmocka_unit_test(a_value_that_the_library_refuses_ends_the_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
