/* The program by name: found as execvp finds it, followed through interpreters, with the tree it belongs to. */
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
#include "run/image.h"
#include "run/resolve.h"

static char top[64];
static struct policy *policy;
static struct grants none;

static char *at(const char *name)
{
	static char path[8][300];
	static int turn;
	char *out = path[turn++ & 7];

	snprintf(out, sizeof path[0], "%s/%s", top, name);
	return out;
}

/* Writes a file below `top` and the folders above it. */
static void put(const char *name, const char *text, mode_t mode)
{
	char path[300];

	snprintf(path, sizeof path, "%s", at(name));
	for (char *slash = path + strlen(top) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	AUTO(fd) int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof top, "/tmp/test_program.XXXXXX");
	assert_non_null(mkdtemp(top));
	policy = policy_new();
	assert_non_null(policy);
	return policy_freeze(policy, NULL);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	policy_free(policy);
	snprintf(command, sizeof command, "rm -rf %s", top);
	return system(command);
}

static struct program prog;
static struct error err;

static int find(const char *name, const char *path, const char *cwd)
{
	char path_env[900], home_env[300];
	const char *envp[] = { home_env, path ? path_env : NULL, NULL };

	snprintf(home_env, sizeof home_env, "HOME=%s/home", top);
	snprintf(path_env, sizeof path_env, "PATH=%s", path ? path : "");
	err = (struct error){ 0 };
	return resolve_program(policy, &none, name, envp, cwd, &prog, &err);
}

static const struct grant *extra(const char *path)
{
	for (size_t i = 0; i < prog.extra.len; i++)
		if (strcmp(prog.extra.at[i].path, path) == 0)
			return &prog.extra.at[i];
	return NULL;
}

static void a_name_is_searched_in_the_childs_path(void **state)
{
	(void)state;
	put("a/tool", "#!/bin/sh\n", 0755);
	put("b/tool", "#!/bin/sh\n", 0755);
	char path[700];

	snprintf(path, sizeof path, "/nowhere:%s:%s", at("b"), at("a"));
	assert_int_equal(find("tool", path, NULL), 0);
	assert_string_equal(prog.path, at("b/tool"));
	assert_int_equal(prog.cwd_fd, -1);
	assert_int_equal(extra(at("b/tool"))->access, ACCESS_READ | ACCESS_EXEC);
	assert_string_equal(extra(at("b/tool"))->origin, "the program itself");
	program_fini(&prog);
}

static void a_folder_that_is_a_link_leads_to_the_tree_behind_it(void **state)
{
	(void)state;
	put("env/pyvenv.cfg", "", 0644);
	put("env/bin/tool", "#!/bin/sh\n", 0755);
	assert_int_equal(symlink("env/bin", at("short")), 0);
	assert_int_equal(chdir(top), 0);
	assert_int_equal(find("short/tool", NULL, NULL), 0);
	assert_int_equal(chdir("/"), 0);
	assert_string_equal(extra(at("env"))->origin, "the installation of tool (virtual environment)");
	program_fini(&prog);
}

static void a_removed_current_directory_has_no_name_and_hinders_no_absolute_one(void **state)
{
	char name[PATH_SIZE];

	(void)state;
	assert_int_equal(mkdir(at("gone"), 0755), 0);
	assert_int_equal(chdir(at("gone")), 0);
	assert_int_equal(path_of_cwd(name), 0);
	assert_string_equal(name, at("gone"));
	assert_int_equal(rmdir(at("gone")), 0);
	assert_int_equal(path_of_cwd(name), -ENOENT);
	assert_int_equal(find("/bin/sh", NULL, NULL), 0);
	assert_int_equal(chdir("/"), 0);
	program_fini(&prog);
}

static void a_file_that_may_not_be_executed_is_passed_over_and_remembered(void **state)
{
	char path[700];

	(void)state;
	put("a/tool", "x", 0644);
	put("b/tool", "#!/bin/sh\n", 0755);
	snprintf(path, sizeof path, "%s:%s", at("a"), at("b"));
	assert_int_equal(find("tool", path, NULL), 0);
	assert_string_equal(prog.path, at("b/tool"));
	program_fini(&prog);
	assert_int_equal(find("tool", at("a"), NULL), -EACCES);
	assert_int_equal(err.kind, ERR_NOT_EXEC);
}

static void a_directory_is_no_program(void **state)
{
	(void)state;
	put("a/tool/x", "", 0644);
	assert_int_equal(find("tool", at("a"), NULL), -EACCES);
	assert_int_equal(find(at("a/tool"), NULL, NULL), -EACCES);
	assert_non_null(strstr(err.text, "is a directory"));
	assert_int_equal(err.kind, ERR_NOT_EXEC);
}

static void what_is_nowhere_is_not_found(void **state)
{
	(void)state;
	assert_int_equal(find("tool", "/nowhere", NULL), -ENOENT);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "'tool'"));
	assert_int_equal(find(at("tool"), NULL, NULL), -ENOENT);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(find("", NULL, NULL), -ENOENT);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void a_relative_name_is_found_from_the_childs_directory(void **state)
{
	(void)state;
	put("a/sub/tool", "#!/bin/sh\n", 0755);
	assert_int_equal(find("sub/tool", NULL, at("a")), 0);
	assert_string_equal(prog.path, "sub/tool");
	assert_true(prog.cwd_fd >= 0);
	assert_non_null(extra(at("a/sub/tool")));
	program_fini(&prog);
	assert_int_equal(find("tool", "sub", at("a")), 0);
	assert_string_equal(prog.path, "sub/tool");
	program_fini(&prog);
}

static void a_child_directory_that_is_missing_stops_the_start(void **state)
{
	(void)state;
	assert_int_equal(find("true", NULL, at("absent")), -ENOENT);
	assert_int_equal(err.kind, ERR_POLICY);
	assert_non_null(strstr(err.text, "absent"));
}

static void a_binary_brings_its_loader(void **state)
{
	char loader[PATH_SIZE];
	AUTO(fd) int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
	struct image image;

	(void)state;
	assert_int_equal(image_read(fd, &image), 0);
	assert_int_equal(image.kind, IMAGE_ELF);
	assert_true(image.native);
	assert_int_equal(path_canonical(AT_FDCWD, image.interp, loader), 0);
	assert_int_equal(find("/bin/true", NULL, NULL), 0);
	assert_non_null(extra(loader));
	assert_int_equal(prog.extra.len, 2);    /* and not /usr, although /usr/lib is beside /usr/bin */
	program_fini(&prog);
}

static void nothing_is_added_where_all_is_granted(void **state)
{
	struct grants have = { 0 };
	const char *envp[] = { "PATH=/usr/bin:/bin", NULL };

	(void)state;
	assert_int_equal(grants_add_take(&have, "/", open("/", O_PATH | O_CLOEXEC), true, ACCESS_READ | ACCESS_EXEC, "t",
					 NULL), 0);
	assert_int_equal(resolve_program(policy, &have, "sh", envp, NULL, &prog, NULL), 0);
	assert_int_equal(prog.extra.len, 0);
	program_fini(&prog);
	grants_fini(&have);
}

static void a_script_brings_its_interpreter_and_the_one_that_env_looks_up(void **state)
{
	char path[700];

	(void)state;
	put("bin1/mypy", "#!/bin/sh\n", 0755);
	put("s/x.sh", "#!/usr/bin/env -S mypy -u\n", 0755);
	snprintf(path, sizeof path, "%s:/usr/bin:/bin", at("bin1"));
	assert_int_equal(find(at("s/x.sh"), path, NULL), 0);
	assert_non_null(extra(at("bin1/mypy")));
	assert_string_equal(extra(at("bin1/mypy"))->origin, "the interpreter of x.sh");
	char sh[PATH_SIZE], env[PATH_SIZE];

	assert_int_equal(path_canonical(AT_FDCWD, "/bin/sh", sh), 0);
	assert_int_equal(path_canonical(AT_FDCWD, "/usr/bin/env", env), 0);
	assert_non_null(extra(sh));
	assert_non_null(extra(env));
	program_fini(&prog);
}

static void a_circle_of_interpreters_ends(void **state)
{
	char line[400];

	(void)state;
	snprintf(line, sizeof line, "#!%s\n", at("b"));
	put("a", line, 0755);
	snprintf(line, sizeof line, "#!%s\n", at("a"));
	put("b", line, 0755);
	assert_int_equal(find(at("a"), NULL, NULL), 0);
	assert_int_equal(prog.extra.len, 2);
	program_fini(&prog);
}

/* --- installations --- */

static void a_prefix_gives_its_parts(void **state)
{
	(void)state;
	put("tool/bin/x", "#!/bin/sh\n", 0755);
	put("tool/lib/liba.so", "", 0644);
	put("tool/private/key", "", 0644);
	assert_int_equal(find(at("tool/bin/x"), NULL, NULL), 0);
	assert_int_equal(extra(at("tool/lib"))->access, ACCESS_READ | ACCESS_EXEC);
	assert_null(extra(at("tool")));
	assert_null(extra(at("tool/private")));
	assert_non_null(strstr(extra(at("tool/lib"))->origin, "the installation of x"));
	program_fini(&prog);
}

static void every_hop_of_a_symlink_is_looked_at(void **state)
{
	(void)state;
	put("v/pyvenv.cfg", "include-system-site-packages = false\n", 0644);
	put("v/bin/keep", "", 0644);
	put("py/bin/python3.11", "#!/bin/sh\n", 0755);
	put("py/lib/python3.11/os.py", "", 0644);
	assert_int_equal(symlink("python3", at("v/bin/python")), 0);
	assert_int_equal(symlink("../../py/bin/python3.11", at("v/bin/python3")), 0);
	assert_int_equal(find(at("v/bin/python"), NULL, NULL), 0);
	assert_string_equal(prog.path, at("v/bin/python"));
	assert_non_null(extra(at("v")));
	assert_non_null(extra(at("py/lib")));
	assert_non_null(strstr(extra(at("v"))->origin, "virtual environment"));
	program_fini(&prog);
}

static void a_virtual_environment_brings_what_it_was_made_from(void **state)
{
	char config[400];

	(void)state;
	snprintf(config, sizeof config, "version = 3\nhome = %s\n", at("py/bin"));
	put("v/pyvenv.cfg", config, 0644);
	put("v/bin/pip", "#!/bin/sh\n", 0755);
	put("py/bin/python3", "", 0755);
	put("py/conda-meta/history", "", 0644);
	assert_int_equal(find(at("v/bin/pip"), NULL, NULL), 0);
	assert_non_null(strstr(extra(at("py"))->origin, "(conda)"));
	program_fini(&prog);
}

static void a_pyenv_shim_brings_the_whole_root(void **state)
{
	(void)state;
	put("home/.pyenv/shims/python3", "#!/usr/bin/env bash\n", 0755);
	put("home/.pyenv/libexec/pyenv", "", 0755);
	put("home/.pyenv/versions/3.11/bin/python3", "", 0755);
	assert_int_equal(find("python3", at("home/.pyenv/shims"), NULL), 0);
	assert_int_equal(extra(at("home/.pyenv"))->access, ACCESS_READ | ACCESS_EXEC);
	assert_non_null(strstr(extra(at("home/.pyenv"))->origin, "(pyenv)"));
	program_fini(&prog);
}

static void rustup_proxies_bring_the_toolchains_but_no_credentials(void **state)
{
	(void)state;
	put("home/.cargo/bin/rustup", "#!/bin/sh\n", 0755);
	put("home/.cargo/bin/cargo", "#!/bin/sh\n", 0755);
	put("home/.cargo/credentials.toml", "", 0600);
	put("home/.rustup/toolchains/x/bin/rustc", "", 0755);
	assert_int_equal(find("cargo", at("home/.cargo/bin"), NULL), 0);
	assert_non_null(extra(at("home/.rustup")));
	assert_null(grants_find(&prog.extra, at("home/.cargo/credentials.toml"), ACCESS_READ));
	program_fini(&prog);
}

static void a_home_directory_is_no_installation(void **state)
{
	(void)state;
	put("home/bin/x", "#!/bin/sh\n", 0755);
	put("home/lib/a", "", 0644);
	put("home/secret", "", 0644);
	assert_int_equal(find(at("home/bin/x"), NULL, NULL), 0);
	assert_non_null(extra(at("home/bin/x")));
	assert_null(grants_find(&prog.extra, at("home/secret"), ACCESS_READ));
	assert_null(grants_find(&prog.extra, at("home/lib/a"), ACCESS_READ));
	put("home/pyvenv.cfg", "", 0644);
	program_fini(&prog);
	assert_int_equal(find(at("home/bin/x"), NULL, NULL), 0);
	assert_null(grants_find(&prog.extra, at("home/secret"), ACCESS_READ));
	program_fini(&prog);
}

static void a_tree_above_the_home_directory_is_no_installation(void **state)
{
	(void)state;
	put("bin/x", "#!/bin/sh\n", 0755);
	put("pyvenv.cfg", "", 0644);
	put("home/secret", "", 0644);
	assert_int_equal(find(at("bin/x"), NULL, NULL), 0);
	assert_null(grants_find(&prog.extra, at("home/secret"), ACCESS_READ));
	program_fini(&prog);
}

static void share_beside_dot_local_bin_stays_closed(void **state)
{
	(void)state;
	put("home/.local/bin/x", "#!/bin/sh\n", 0755);
	put("home/.local/lib/python3/a.py", "", 0644);
	put("home/.local/share/keyrings/k", "", 0644);
	assert_int_equal(find(at("home/.local/bin/x"), NULL, NULL), 0);
	assert_non_null(grants_find(&prog.extra, at("home/.local/lib/python3/a.py"), ACCESS_READ));
	assert_null(grants_find(&prog.extra, at("home/.local/share/keyrings/k"), ACCESS_READ));
	program_fini(&prog);
}

static void every_failure_while_looking_leaks_nothing(void **state)
{
	(void)state;
	put("v/pyvenv.cfg", "home = /usr/bin\n", 0644);
	put("v/bin/x", "#!/usr/bin/env sh\n", 0755);

	int before = fault_open_fds();
	for (int n = 0;; n++) {
		fault_arm(n);
		int rc = find(at("v/bin/x"), "/usr/bin:/bin", top);
		bool fired = fault_fired();

		if (rc < 0) {
			assert_true(fired);
			assert_true(err.kind != ERR_NONE);
		} else {
			program_fini(&prog);
		}
		assert_int_equal(fault_open_fds(), before);
		if (!fired)
			break;
		assert_true(n < 2000);
	}
}

/* --- the reader of the first line --- */

static void the_first_line_is_read_as_the_kernel_reads_it(void **state)
{
	static const struct {
		const char *text;
		enum image_kind kind;
		const char *interp, *arg;
	} rows[] = {
		{ "#!/bin/sh\n", IMAGE_SCRIPT, "/bin/sh", "" },
		{ "#! \t/bin/sh -e  x \t\nrest", IMAGE_SCRIPT, "/bin/sh", "-e  x" },
		{ "#!/bin/sh", IMAGE_SCRIPT, "/bin/sh", "" },
		{ "#!\n", IMAGE_TEXT, "", "" },
		{ "#!   \n/bin/sh\n", IMAGE_TEXT, "", "" },
		{ "#!", IMAGE_TEXT, "", "" },
		{ "echo\n", IMAGE_TEXT, "", "" },
		{ "", IMAGE_EMPTY, "", "" },
		{ "\x7f" "ELF", IMAGE_UNKNOWN, "", "" },
		{ "\x01\x02", IMAGE_UNKNOWN, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct image image;

		put("f", rows[i].text, 0644);
		AUTO(fd) int fd = open(at("f"), O_RDONLY | O_CLOEXEC);
		assert_int_equal(image_read(fd, &image), 0);
		assert_int_equal(image.kind, rows[i].kind);
		assert_string_equal(image.interp, rows[i].interp);
		assert_string_equal(image.arg, rows[i].arg);
	}
}

static void an_interpreter_that_is_cut_off_by_the_kernels_buffer_is_none(void **state)
{
	char text[600];
	struct image image;

	(void)state;
	memset(text, 'a', sizeof text);
	memcpy(text, "#!/", 3);
	text[sizeof text - 1] = '\0';
	put("f", text, 0644);
	AUTO(fd) int fd = open(at("f"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(image_read(fd, &image), 0);
	assert_int_not_equal(image.kind, IMAGE_SCRIPT);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_name_is_searched_in_the_childs_path),
		CASE(a_file_that_may_not_be_executed_is_passed_over_and_remembered),
		CASE(a_folder_that_is_a_link_leads_to_the_tree_behind_it),
		CASE(a_removed_current_directory_has_no_name_and_hinders_no_absolute_one),
		CASE(a_directory_is_no_program),
		CASE(what_is_nowhere_is_not_found),
		CASE(a_relative_name_is_found_from_the_childs_directory),
		CASE(a_child_directory_that_is_missing_stops_the_start),
		CASE(a_binary_brings_its_loader),
		CASE(nothing_is_added_where_all_is_granted),
		CASE(a_script_brings_its_interpreter_and_the_one_that_env_looks_up),
		CASE(a_circle_of_interpreters_ends),
		CASE(a_prefix_gives_its_parts),
		CASE(every_hop_of_a_symlink_is_looked_at),
		CASE(a_virtual_environment_brings_what_it_was_made_from),
		CASE(a_pyenv_shim_brings_the_whole_root),
		CASE(rustup_proxies_bring_the_toolchains_but_no_credentials),
		CASE(a_home_directory_is_no_installation),
		CASE(a_tree_above_the_home_directory_is_no_installation),
		CASE(share_beside_dot_local_bin_stays_closed),
		CASE(every_failure_while_looking_leaks_nothing),
		CASE(the_first_line_is_read_as_the_kernel_reads_it),
		CASE(an_interpreter_that_is_cut_off_by_the_kernels_buffer_is_none),
	};

	return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
