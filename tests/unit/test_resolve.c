/* Resolving: the words of a policy become pinned grants, and what is wrong with a word is told in a sentence. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sys.h"
#include "fault.h"
#include "policy/policy.h"
#include "run/pin.h"
#include "run/resolve.h"

static char top[64];
static char was[PATH_SIZE];
static struct policy *policy;

static char *at(const char *name)
{
	static char path[4][256];
	static int turn;
	char *out = path[turn++ & 3];

	snprintf(out, sizeof path[0], "%s/%s", top, name);
	return out;
}

static void touch(const char *path)
{
	AUTO(fd) int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
}

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof top, "/tmp/test_resolve.XXXXXX");
	assert_non_null(mkdtemp(top));
	assert_non_null(getcwd(was, sizeof was));
	assert_int_equal(mkdir(at("www"), 0700), 0);
	assert_int_equal(mkdir(at("www/sub"), 0700), 0);
	touch(at("file"));
	assert_int_equal(symlink("www", at("link")), 0);
	assert_int_equal(symlink("nowhere", at("dangling")), 0);
	assert_int_equal(symlink("circle", at("circle")), 0);
	policy = policy_new();
	assert_non_null(policy);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	assert_int_equal(chdir(was), 0);
	policy_free(policy);
	snprintf(command, sizeof command, "rm -rf %s", top);
	return system(command);
}

static void add(const char *key, const char *value, const char *origin)
{
	struct error err = { 0 };

	if (policy_add(policy, key, value, origin, &err) < 0)
		fail_msg("%s", err.text);
}

static int resolve(struct grants *out, struct error *err)
{
	struct error frozen = { 0 };

	if (policy_freeze(policy, &frozen) < 0)
		fail_msg("%s", frozen.text);
	return resolve_grants(policy, out, err);
}

static const struct grant *named(const struct grants *g, const char *path)
{
	for (size_t i = 0; i < g->len; i++)
		if (strcmp(g->at[i].path, path) == 0)
			return &g->at[i];
	return NULL;
}

static void read_implies_execute_and_write_implies_both(void **state)
{
	struct grants g = { 0 };

	(void)state;
	add("filesystem.read", at("www"), "--fs-read");
	add("filesystem.write", at("file"), "web.toml:12");
	assert_int_equal(resolve(&g, NULL), 0);
	assert_int_equal(g.len, 2);
	assert_int_equal(named(&g, at("www"))->access, ACCESS_READ | ACCESS_EXEC);
	assert_true(named(&g, at("www"))->is_dir);
	assert_string_equal(named(&g, at("www"))->origin, "--fs-read");
	assert_null(named(&g, at("www"))->typed);
	assert_int_equal(named(&g, at("file"))->access, 15);
	assert_false(named(&g, at("file"))->is_dir);
	grants_fini(&g);
}

static void an_exec_list_takes_execute_away_from_the_other_lists(void **state)
{
	struct grants g = { 0 };

	(void)state;
	add("filesystem.read", at("www"), "-r");
	add("filesystem.exec", at("file"), "-x");
	assert_int_equal(resolve(&g, NULL), 0);
	assert_int_equal(named(&g, at("www"))->access, ACCESS_READ);
	assert_int_equal(named(&g, at("file"))->access, ACCESS_READ | ACCESS_EXEC);
	grants_fini(&g);
}

static void descriptors_are_pinned_and_close_on_exec(void **state)
{
	struct grants g = { 0 };
	struct stat st, by_name;

	(void)state;
	add("filesystem.read", at("www"), "-r");
	assert_int_equal(resolve(&g, NULL), 0);
	assert_int_equal(fcntl(g.at[0].fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(g.at[0].fd, F_GETFL) & O_PATH, O_PATH);
	assert_int_equal(fstat(g.at[0].fd, &st), 0);
	assert_int_equal(stat(at("www"), &by_name), 0);
	assert_int_equal(st.st_ino, by_name.st_ino);
	grants_fini(&g);
}

static void a_grant_through_a_symlink_shows_the_canonical_target_and_what_was_typed(void **state)
{
	struct grants g = { 0 };

	(void)state;
	add("filesystem.write", at("link"), "-w");
	assert_int_equal(resolve(&g, NULL), 0);
	assert_string_equal(g.at[0].path, at("www"));
	assert_string_equal(g.at[0].typed, at("link"));
	grants_fini(&g);
}

static void several_names_of_one_directory_are_one_grant(void **state)
{
	struct grants g = { 0 };

	(void)state;
	add("filesystem.read", at("www"), "-r");
	add("filesystem.read", at("link"), "-r");
	add("filesystem.read", at("www//sub/.."), "-r");
	add("filesystem.write", at("www/"), "-w");
	assert_int_equal(resolve(&g, NULL), 0);
	assert_int_equal(g.len, 1);
	assert_int_equal(g.at[0].access, 15);
	grants_fini(&g);
}

static void a_relative_path_is_below_the_current_directory(void **state)
{
	struct grants g = { 0 };

	(void)state;
	assert_int_equal(chdir(top), 0);
	add("filesystem.read", "www", "-r");
	assert_int_equal(resolve(&g, NULL), 0);
	assert_string_equal(g.at[0].path, at("www"));
	grants_fini(&g);
}

static void a_fifo_does_not_block(void **state)
{
	struct grants g = { 0 };

	(void)state;
	assert_int_equal(mkfifo(at("fifo"), 0600), 0);
	add("filesystem.read", at("fifo"), "-r");
	assert_int_equal(resolve(&g, NULL), 0);
	assert_int_equal(g.len, 1);
	grants_fini(&g);
}

static void a_pipe_without_a_name_needs_no_grant(void **state)
{
	struct grants g = { 0 };
	char name[32];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
	add("filesystem.read", name, "-r");
	assert_int_equal(resolve(&g, NULL), 0);
	assert_int_equal(g.len, 0);
	close(ends[0]);
	close(ends[1]);
}

static void expect_refusal(const char *path, int rc, const char *words)
{
	struct grants g = { 0 };
	struct error err = { 0 };
	int before = fault_open_fds();

	policy_free(policy);
	policy = policy_new();
	add("filesystem.read", at("file"), "--fs-read");
	add("filesystem.read", path, "web.toml:12");
	assert_int_equal(resolve(&g, &err), rc);
	assert_int_equal(err.kind, ERR_POLICY);
	assert_non_null(strstr(err.text, "web.toml:12"));
	if (!strstr(err.text, words))
		fail_msg("'%s' is not in: %s", words, err.text);
	assert_int_equal(g.len, 0);
	assert_int_equal(fault_open_fds(), before);
}

static void a_bad_path_is_named_with_what_is_wrong_with_it(void **state)
{
	(void)state;
	expect_refusal(at("absent-altogether"), -ENOENT, "/absent-altogether' does not exist");
	expect_refusal(at("wwww"), -ENOENT, "/www'?");
	expect_refusal(at("filf/sub/more"), -ENOENT, "/file'?");
	expect_refusal(at("dangling"), -ENOENT, "symbolic link whose target does not exist");
	expect_refusal(at("circle"), -ELOOP, "circle of symbolic links");
	expect_refusal(at("file/sub"), -ENOTDIR, "not a directory");
	expect_refusal(at("bad\x1b[1m"), -ENOENT, "bad\\x1b[1m");
}

static void a_name_that_is_too_long_is_refused_in_a_sentence(void **state)
{
	char word[300];

	(void)state;
	memset(word, 'a', sizeof word - 1);
	word[0] = '/';
	word[sizeof word - 1] = '\0';
	expect_refusal(word, -ENAMETOOLONG, "too long");
}

static void missing_preset_paths_are_skipped_and_covered_ones_dropped(void **state)
{
	struct grants g = { 0 };
	struct stat st;

	(void)state;
	add("extends", "base", "preset");
	add("filesystem.read", at("file"), "-r");
	assert_int_equal(resolve(&g, NULL), 0);
	assert_non_null(named(&g, "/usr"));
	assert_string_equal(named(&g, "/usr")->origin, "preset base");
	for (size_t i = 0; i < g.len; i++)
		if (strncmp(g.at[i].path, "/usr/", 5) == 0)
			assert_true(g.at[i].access & ~(unsigned)(ACCESS_READ | ACCESS_EXEC));
	if (lstat("/bin", &st) == 0 && S_ISLNK(st.st_mode))
		assert_null(named(&g, "/bin"));
	assert_int_equal(named(&g, "/dev/null")->access, ACCESS_READ | ACCESS_WRITE);
	assert_non_null(named(&g, at("file")));
	grants_fini(&g);
}

static void a_typed_path_beneath_a_preset_is_kept(void **state)
{
	struct grants g = { 0 };

	(void)state;
	add("extends", "base", "preset");
	add("filesystem.read", "/usr/share", "-r");
	assert_int_equal(resolve(&g, NULL), 0);
	assert_string_equal(named(&g, "/usr/share")->origin, "-r");
	grants_fini(&g);
}

static void without_any_grant_the_current_directory_is_readable(void **state)
{
	struct grants g = { 0 };

	(void)state;
	assert_int_equal(chdir(top), 0);
	add("extends", "base", "preset");
	assert_int_equal(resolve(&g, NULL), 0);
	assert_int_equal(named(&g, top)->access, ACCESS_READ | ACCESS_EXEC);
	assert_non_null(strstr(named(&g, top)->origin, "current directory"));
	grants_fini(&g);
}

static void the_current_directory_is_not_granted_beside_another_grant(void **state)
{
	struct grants g = { 0 };

	(void)state;
	assert_int_equal(chdir(top), 0);
	add("extends", "base", "preset");
	add("filesystem.read", at("www"), "-r");
	assert_int_equal(resolve(&g, NULL), 0);
	assert_null(named(&g, top));
	grants_fini(&g);
}

static void nothing_is_granted_without_a_preset(void **state)
{
	struct grants g = { 0 };

	(void)state;
	assert_int_equal(chdir(top), 0);
	assert_int_equal(resolve(&g, NULL), 0);
	assert_int_equal(g.len, 0);
}

/* `home` is the home directory, `cwd` the current one. */
static bool grants_cwd(const char *home, const char *cwd)
{
	struct grants g = { 0 };
	bool found;

	assert_int_equal(setenv("HOME", home, 1), 0);
	policy_free(policy);
	policy = policy_new();
	mem_free(policy->home);
	policy->home = NULL;
	add("extends", "base", "preset");
	assert_int_equal(chdir(cwd), 0);
	assert_int_equal(resolve(&g, NULL), 0);
	found = named(&g, cwd) != NULL;
	grants_fini(&g);
	return found;
}

static void a_home_directory_a_directory_above_it_and_the_root_are_never_granted_unasked(void **state)
{
	AUTO(free) char *home = getenv("HOME") ? mem_strdup(getenv("HOME")) : NULL;

	(void)state;
	assert_false(grants_cwd(at("www"), at("www")));
	assert_false(grants_cwd(at("link"), at("www")));
	assert_false(grants_cwd(at("www/sub"), at("www")));
	assert_false(grants_cwd(at("www"), "/"));
	assert_true(grants_cwd(at("www"), at("www/sub")));
	assert_true(grants_cwd("/nowhere", at("www")));
	if (home)
		setenv("HOME", home, 1);
}

static void gpu_devices_that_are_absent_are_no_error(void **state)
{
	struct grants g = { 0 };

	(void)state;
	add("extends", "base", "preset");
	policy->gpu_given = true;
	assert_int_equal(resolve(&g, NULL), 0);
	grants_fini(&g);
}

static void every_failure_while_resolving_leaks_nothing(void **state)
{
	(void)state;
	add("extends", "base", "preset");
	add("filesystem.read", at("link"), "-r");
	add("filesystem.write", at("file"), "-w");
	assert_int_equal(policy_freeze(policy, NULL), 0);
	policy->gpu_given = true;

	int before = fault_open_fds();
	for (int n = 0;; n++) {
		struct grants g = { 0 };
		struct error err = { 0 };

		fault_arm(n);
		int rc = resolve_grants(policy, &g, &err);
		bool fired = fault_fired();
		if (rc < 0) {
			assert_true(fired);
			assert_true(err.kind != ERR_NONE);
			assert_int_equal(g.len, 0);
		} else {
			assert_non_null(named(&g, at("www")));
			grants_fini(&g);
		}
		assert_int_equal(fault_open_fds(), before);
		if (!fired)
			break;
		assert_true(n < 2000);
	}
}

static void paths_are_clean_only_in_one_spelling(void **state)
{
	static const char *const clean[] = { "/", "/a", "/a/b", "/.a", "/..a", "/a." };
	static const char *const unclean[] = { "", "a", "//", "/a/", "/a//b", "/./a", "/a/.", "/..", "/a/../b" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(clean); i++)
		assert_true(path_is_clean(clean[i]));
	for (size_t i = 0; i < ARRAY_SIZE(unclean); i++)
		assert_false(path_is_clean(unclean[i]));
}

static void cutting_and_joining_agree_with_the_kernel(void **state)
{
	static const struct {
		const char *whole, *cut;
		bool done;
	} rows[] = { { "/a/b", "/a", true }, { "/a", "/", true }, { "/", "/", false }, { "a/b", "a", true },
		     { "ab", ".", true }, { ".", ".", false } };
	AUTO(free) char *joined = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char path[16];

		snprintf(path, sizeof path, "%s", rows[i].whole);
		assert_int_equal(path_cut(path), rows[i].done);
		assert_string_equal(path, rows[i].cut);
	}
	assert_int_equal(path_join("/", "a", &joined), 0);
	assert_string_equal(joined, "/a");
}

static void a_removed_file_has_no_name(void **state)
{
	char name[PATH_SIZE];
	struct pin pin;
	char self[32];

	(void)state;
	AUTO(fd) int fd = open(at("gone"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(unlink(at("gone")), 0);
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	assert_int_equal(pin_path(AT_FDCWD, self, &pin), -ENOENT);
	assert_int_equal(path_of_fd(-1, name), -EBADF);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(read_implies_execute_and_write_implies_both),
		CASE(an_exec_list_takes_execute_away_from_the_other_lists),
		CASE(descriptors_are_pinned_and_close_on_exec),
		CASE(a_grant_through_a_symlink_shows_the_canonical_target_and_what_was_typed),
		CASE(several_names_of_one_directory_are_one_grant),
		CASE(a_relative_path_is_below_the_current_directory),
		CASE(a_fifo_does_not_block),
		CASE(a_pipe_without_a_name_needs_no_grant),
		CASE(a_bad_path_is_named_with_what_is_wrong_with_it),
		CASE(a_name_that_is_too_long_is_refused_in_a_sentence),
		CASE(missing_preset_paths_are_skipped_and_covered_ones_dropped),
		CASE(a_typed_path_beneath_a_preset_is_kept),
		CASE(without_any_grant_the_current_directory_is_readable),
		CASE(the_current_directory_is_not_granted_beside_another_grant),
		CASE(nothing_is_granted_without_a_preset),
		CASE(a_home_directory_a_directory_above_it_and_the_root_are_never_granted_unasked),
		CASE(gpu_devices_that_are_absent_are_no_error),
		CASE(every_failure_while_resolving_leaks_nothing),
		CASE(paths_are_clean_only_in_one_spelling),
		CASE(cutting_and_joining_agree_with_the_kernel),
		CASE(a_removed_file_has_no_name),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
