/* Profile files: where they are looked up, which are refused, and reading, listing and removing them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "fault.h"
#include "run/profile.h"

#define CASE(name) static void name(void **state)

/* A configuration folder of our own for each test, with XDG_CONFIG_HOME set to it. */
struct place {
	char root[64];
	char path[512];
};

static const char *in(struct place *p, const char *rest)
{
	snprintf(p->path, sizeof p->path, "%s%s", p->root, rest);
	return p->path;
}

static void write_file(const char *path, const char *text, size_t len, mode_t mode)
{
	AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, len), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static void put(struct place *p, const char *rest, const char *text)
{
	write_file(in(p, rest), text, strlen(text), 0644);
}

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	snprintf(p->root, sizeof p->root, "/tmp/sandlock-profile-XXXXXX");
	if (!mkdtemp(p->root) || mkdir(in(p, "/sandlock"), 0755) < 0 || mkdir(in(p, "/sandlock/profiles"), 0755) < 0)
		return -1;
	chmod(in(p, "/sandlock"), 0755);
	chmod(in(p, "/sandlock/profiles"), 0755);
	setenv("XDG_CONFIG_HOME", p->root, 1);
	put(p, "/sandlock/profiles/web.toml", "[program]\nno_coredump = true\n");
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", p->root);
	if (system(command) != 0)
		return -1;
	free(p);
	return 0;
}

static int load(const char *name, struct error *err)
{
	struct policy *p = policy_new();

	assert_non_null(p);
	*err = (struct error){ 0 };
	int rc = profile_load(p, name, err);
	if (rc == 0)
		assert_true(p->no_coredump);
	policy_free(p);
	return rc;
}

static int load_file(const char *path, struct error *err)
{
	struct policy *p = policy_new();

	assert_non_null(p);
	*err = (struct error){ 0 };
	int rc = profile_load_file(p, path, err);
	policy_free(p);
	return rc;
}

CASE(the_folder_follows_xdg_then_home_then_the_user_database)
{
	static const struct { const char *xdg, *home, *want; } rows[] = {
		{ "/x/c", "/h", "/x/c/sandlock/profiles" },
		{ "relative", "/h", "/h/.config/sandlock/profiles" },
		{ "", "/h", "/h/.config/sandlock/profiles" },
		{ NULL, "/h", "/h/.config/sandlock/profiles" },
	};
	AUTO(free) char *saved = mem_strdup(getenv("HOME") ? getenv("HOME") : "/");
	char *dir = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsetenv("XDG_CONFIG_HOME");
		if (rows[i].xdg)
			setenv("XDG_CONFIG_HOME", rows[i].xdg, 1);
		setenv("HOME", rows[i].home, 1);
		assert_int_equal(profile_dir(&dir, NULL), 0);
		assert_string_equal(dir, rows[i].want);
		mem_free(TAKE(dir));
	}

	/* Neither a relative HOME nor "/" is a home; the passwd entry of whoever runs this test is. */
	static const char *const no_homes[] = { "rel", "", "//" };
	for (size_t i = 0; i < ARRAY_SIZE(no_homes); i++) {
		setenv("HOME", no_homes[i], 1);
		assert_int_equal(profile_dir(&dir, NULL), 0);
		assert_int_equal(dir[0], '/');
		assert_non_null(strstr(dir, "/.config/sandlock/profiles"));
		assert_string_not_equal(dir, "//.config/sandlock/profiles");
		mem_free(TAKE(dir));
	}
	setenv("HOME", saved, 1);
}

CASE(names_that_are_no_file_names_are_refused)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/", "a b", "a\n", "\x7f", "\x1b[2J",
		"12345678901234567890123456789012345678901234567890123456789012345" };
	static const char *const good[] = { "web", "a.b", "...", "-", "\xc3\xa9",
		"1234567890123456789012345678901234567890123456789012345678901234" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = { 0 };

		assert_int_equal(profile_check_name(bad[i], &err), -EINVAL);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_null(strchr(err.text, '\x1b'));
		assert_int_equal(load(bad[i], &err), -EINVAL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(profile_check_name(good[i], NULL), 0);
}

CASE(a_profile_of_ones_own_is_read)
{
	struct error err;

	(void)state;
	assert_int_equal(load("web", &err), 0);
}

CASE(a_missing_profile_is_named_with_its_path)
{
	struct place *p = *state;
	struct error err;

	assert_int_equal(load("none", &err), -ENOENT);
	assert_non_null(strstr(err.text, "there is no profile 'none'"));
	assert_non_null(strstr(err.text, in(p, "/sandlock/profiles/none.toml")));
	setenv("XDG_CONFIG_HOME", "/nonexistent-sandlock", 1);
	assert_int_equal(load("none", &err), -ENOENT);
	assert_non_null(strstr(err.text, "there is no profile 'none'"));
}

CASE(a_syntax_error_has_its_place_in_the_file)
{
	struct place *p = *state;
	struct error err;

	put(p, "/sandlock/profiles/bad.toml", "[program]\nexec = yes\n");
	assert_int_equal(load("bad", &err), -EINVAL);
	assert_int_equal(err.line, 2);
	assert_int_equal(err.column, 8);
	assert_non_null(strstr(err.text, "bad.toml:2:8: "));
}

CASE(whatever_others_can_write_is_refused)
{
	static const char *const paths[] = { "", "/sandlock", "/sandlock/profiles", "/sandlock/profiles/web.toml" };
	static const mode_t modes[] = { 0020, 0002, 01002 };
	struct place *p = *state;
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		mode_t base = i == 3 ? 0644 : 0755;

		for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
			assert_int_equal(chmod(in(p, paths[i]), base | modes[m]), 0);
			assert_int_equal(load("web", &err), -EPERM);
			assert_non_null(strstr(err.text, in(p, paths[i])));
			assert_non_null(strstr(err.text, "chmod go-w"));
		}
		assert_int_equal(chmod(in(p, paths[i]), base), 0);
		assert_int_equal(load("web", &err), 0);
	}
}

static _Thread_local int foreign;      /* the how-manieth fstat from now on shows another owner */

static bool foreign_owner(long nr, const long *args, long *result)
{
	if (nr != SYS_fstat)
		return false;
	*result = sys_raw6(nr, args[0], args[1], args[2], args[3], args[4], args[5]);
	if (*result == 0 && foreign-- == 0)
		((struct stat *)args[1])->st_uid = 12345;
	return true;
}

CASE(what_belongs_to_another_user_is_refused)
{
	static const char *const paths[] = { "", "/sandlock", "/sandlock/profiles", "/sandlock/profiles/web.toml" };
	struct place *p = *state;
	struct error err;
	char want[600];

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		foreign = (int)i;
		sys_seam = foreign_owner;
		assert_int_equal(load("web", &err), -EPERM);
		sys_seam = NULL;
		snprintf(want, sizeof want, "'%s' belongs to user 12345", in(p, paths[i]));
		assert_non_null(strstr(err.text, want));
	}
	assert_int_equal(load("web", &err), 0);
}

CASE(a_symbolic_link_is_judged_by_its_target)
{
	struct place *p = *state;
	struct error err;

	put(p, "/kept.toml", "[program]\nno_coredump = true\n");
	assert_int_equal(symlink("../../kept.toml", in(p, "/sandlock/profiles/link.toml")), 0);
	assert_int_equal(load("link", &err), 0);
	assert_int_equal(chmod(in(p, "/kept.toml"), 0666), 0);
	assert_int_equal(load("link", &err), -EPERM);
}

CASE(what_is_no_regular_file_is_refused_without_waiting)
{
	struct place *p = *state;
	struct error err;

	assert_int_equal(mkfifo(in(p, "/sandlock/profiles/fifo.toml"), 0600), 0);
	assert_int_equal(mkdir(in(p, "/sandlock/profiles/dir.toml"), 0700), 0);
	assert_int_equal(symlink("/dev/zero", in(p, "/sandlock/profiles/zero.toml")), 0);
	assert_int_equal(load("fifo", &err), -EINVAL);
	assert_int_equal(load("dir", &err), -EINVAL);
	assert_int_equal(load("zero", &err), -EINVAL);
	assert_non_null(strstr(err.text, "not a regular file"));
}

CASE(a_file_up_to_one_mebibyte_is_read_and_no_larger_one)
{
	struct place *p = *state;
	struct error err;
	char *text = malloc(PROFILE_SIZE_MAX + 1);

	assert_non_null(text);
	memset(text, '\n', PROFILE_SIZE_MAX + 1);
	write_file(in(p, "/big.toml"), text, PROFILE_SIZE_MAX, 0600);
	assert_int_equal(load_file(in(p, "/big.toml"), &err), 0);
	write_file(in(p, "/big.toml"), text, PROFILE_SIZE_MAX + 1, 0600);
	assert_int_equal(load_file(in(p, "/big.toml"), &err), -EFBIG);
	assert_non_null(strstr(err.text, "larger than 1048576 bytes"));
	free(text);
}

CASE(a_file_by_path_may_lie_in_a_sticky_folder_and_in_no_other_shared_one)
{
	struct place *p = *state;
	struct error err;
	char old[256];

	put(p, "/own.toml", "");
	assert_int_equal(load_file(in(p, "/own.toml"), &err), 0);
	assert_int_equal(chmod(p->root, 01777), 0);
	assert_int_equal(load_file(in(p, "/own.toml"), &err), 0);
	assert_int_equal(chmod(p->root, 0777), 0);
	assert_int_equal(load_file(in(p, "/own.toml"), &err), -EPERM);
	assert_non_null(getcwd(old, sizeof old));
	assert_int_equal(chdir(p->root), 0);
	assert_int_equal(load_file("own.toml", &err), -EPERM);
	assert_int_equal(chmod(p->root, 0755), 0);
	assert_int_equal(load_file("own.toml", &err), 0);
	assert_int_equal(load_file("none.toml", &err), -ENOENT);
	assert_int_equal(load_file("", &err), -ENOENT);
	assert_int_equal(chdir(old), 0);
	assert_int_equal(load_file("/none.toml", &err), -ENOENT);
	assert_int_equal(load_file(in(p, "/sandlock/"), &err), -ENOENT);
}

CASE(the_text_and_the_path_of_a_profile_can_be_had)
{
	struct place *p = *state;
	AUTO(free) char *text = NULL;
	AUTO(free) char *path = NULL;
	size_t len = 0;

	assert_int_equal(profile_read("web", &text, &len, NULL), 0);
	assert_string_equal(text, "[program]\nno_coredump = true\n");
	assert_int_equal(len, strlen(text));
	assert_int_equal(profile_path("web", &path, NULL), 0);
	assert_string_equal(path, in(p, "/sandlock/profiles/web.toml"));
}

/* Fails each call of `run` in turn: an error with a sentence and no descriptor left, or success without the thing. */
static void walk(int (*run)(struct error *err), int at_least)
{
	int n = 0;

	for (;; n++) {
		struct error err = { 0 };
		int before = fault_open_fds();

		fault_arm(n);
		int rc = run(&err);
		if (!fault_fired()) {
			assert_int_equal(rc, 0);
			break;
		}
		assert_int_equal(fault_open_fds(), before);
		assert_int_equal(rc, -ENOMEM);
		assert_int_not_equal(err.kind, ERR_NONE);
		assert_true(strlen(err.text) > 5);
	}
	assert_true(n >= at_least);
}

static int run_load(struct error *err)
{
	struct policy *p = policy_new();

	if (!p)
		return error_set(err, ERR_MEMORY, -ENOMEM, "out of memory");
	int rc = profile_load(p, "web", err);
	policy_free(p);
	return rc;
}

static int run_load_file(struct error *err)
{
	struct policy *p = policy_new();
	char path[256];

	if (!p)
		return error_set(err, ERR_MEMORY, -ENOMEM, "out of memory");
	snprintf(path, sizeof path, "%s/sandlock/profiles/web.toml", getenv("XDG_CONFIG_HOME"));
	int rc = profile_load_file(p, path, err);
	policy_free(p);
	return rc;
}

CASE(every_failure_while_reading_is_reported_and_leaks_nothing)
{
	(void)state;
	walk(run_load, 15);
	walk(run_load_file, 8);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_folder_follows_xdg_then_home_then_the_user_database),
		TEST(names_that_are_no_file_names_are_refused),
		TEST(a_profile_of_ones_own_is_read),
		TEST(a_missing_profile_is_named_with_its_path),
		TEST(a_syntax_error_has_its_place_in_the_file),
		TEST(whatever_others_can_write_is_refused),
		TEST(what_belongs_to_another_user_is_refused),
		TEST(a_symbolic_link_is_judged_by_its_target),
		TEST(what_is_no_regular_file_is_refused_without_waiting),
		TEST(a_file_up_to_one_mebibyte_is_read_and_no_larger_one),
		TEST(a_file_by_path_may_lie_in_a_sticky_folder_and_in_no_other_shared_one),
		TEST(the_text_and_the_path_of_a_profile_can_be_had),
		TEST(every_failure_while_reading_is_reported_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
