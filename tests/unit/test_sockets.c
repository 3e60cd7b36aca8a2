/* Which sockets in the file system are granted: the list and its patterns, and how it is made of the user's words. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fault.h"
#include "policy/sockets.h"
#include "run/sockets.h"

static char top[PATH_MAX];

static int make_folder(void **state)
{
	char template[] = "/tmp/sandlock-sockets.XXXXXX";

	(void)state;
	return mkdtemp(template) && realpath(template, top) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[PATH_MAX + 16];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", top);
	return system(command);
}

static void test_a_grant_is_one_socket_or_all_below_a_directory(void **state)
{
	struct socket_grants s = { 0 };
	struct grants none = { 0 };

	(void)state;
	assert_int_equal(socket_grants_add(&s, "/run/app", false, "--unix-allow"), 0);
	assert_string_equal(socket_granted_by(&s, &none, "/run/app"), "--unix-allow");
	assert_string_equal(socket_granted_by(&s, &none, "/run/app/deep/x.sock"), "--unix-allow");
	assert_null(socket_granted_by(&s, &none, "/run/app2"));
	assert_null(socket_granted_by(&s, &none, "/run"));
	socket_grants_fini(&s);
}

static void test_a_pattern_stands_for_bytes_of_one_component(void **state)
{
	struct socket_grants s = { 0 };
	struct grants none = { 0 };

	(void)state;
	assert_int_equal(socket_grants_add(&s, "/tmp/ssh-*/agent.?", true, "web.toml:3"), 0);
	assert_string_equal(socket_granted_by(&s, &none, "/tmp/ssh-Xy/agent.7"), "web.toml:3");
	assert_null(socket_granted_by(&s, &none, "/tmp/ssh-Xy/agent.77"));
	assert_null(socket_granted_by(&s, &none, "/tmp/ssh-a/b/agent.7"));
	assert_null(socket_granted_by(&s, &none, "/tmp/ssh-Xy/agent./"));
	socket_grants_fini(&s);
}

static void test_a_write_grant_counts_unless_the_user_said_no(void **state)
{
	struct socket_grants s = { .by_write = true };
	struct grants files = { 0 };

	(void)state;
	grants_add_take(&files, "/srv", -1, true, ACCESS_READ, "--fs-read", NULL);
	grants_add_take(&files, "/srv/data", -1, true, ACCESS_READ | ACCESS_WRITE, "--fs-write", NULL);
	assert_string_equal(socket_granted_by(&s, &files, "/srv/data/s"), "--fs-write");
	assert_null(socket_granted_by(&s, &files, "/srv/s"));
	s.by_write = false;
	assert_null(socket_granted_by(&s, &files, "/srv/data/s"));
	grants_fini(&files);
}

static struct policy *policy_with(const char *word)
{
	struct policy *p = policy_new();

	assert_non_null(p);
	assert_int_equal(words_push(&p->unix_allow, view_of(word), "--unix-allow"), 0);
	return p;
}

static void resolves(const char *typed, const char *expected, bool pattern)
{
	struct policy *p = policy_with(typed);
	struct socket_grants s = { 0 };
	struct error err = { 0 };

	assert_int_equal(resolve_sockets(p, &s, &err), 0);
	assert_int_equal(s.len, 1);
	assert_string_equal(s.at[0].path, expected);
	assert_int_equal(s.at[0].is_pattern, pattern);
	socket_grants_fini(&s);
	policy_free(p);
}

static void test_what_exists_of_a_path_becomes_canonical(void **state)
{
	char typed[PATH_MAX + 64];
	char expected[PATH_MAX + 64];

	(void)state;
	snprintf(typed, sizeof typed, "%s/real", top);
	assert_int_equal(mkdir(typed, 0700), 0);
	snprintf(expected, sizeof expected, "%s/link", top);
	assert_int_equal(symlink("real", expected), 0);

	snprintf(typed, sizeof typed, "%s/link/later/x.sock", top);
	snprintf(expected, sizeof expected, "%s/real/later/x.sock", top);
	resolves(typed, expected, false);
	snprintf(typed, sizeof typed, "%s/link/./*.sock", top);
	snprintf(expected, sizeof expected, "%s/real/*.sock", top);
	resolves(typed, expected, true);
	snprintf(typed, sizeof typed, "%s/link/", top);
	snprintf(expected, sizeof expected, "%s/real", top);
	resolves(typed, expected, false);
	resolves("/*/x", "/*/x", true);
	resolves("/", "/", false);
}

static void test_a_relative_path_begins_at_the_current_directory(void **state)
{
	char expected[PATH_MAX + 64];

	(void)state;
	assert_int_equal(chdir(top), 0);
	snprintf(expected, sizeof expected, "%s/x.sock", top);
	resolves("x.sock", expected, false);
	assert_int_equal(chdir("/"), 0);
}

static void test_a_path_through_a_file_is_refused_with_its_name(void **state)
{
	struct policy *p = policy_with("/dev/null/x");
	struct socket_grants s = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(resolve_sockets(p, &s, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, "--unix-allow: '/dev/null/x'"));
	socket_grants_fini(&s);
	policy_free(p);
}

static void test_words_that_are_no_path_of_a_socket_are_refused(void **state)
{
	static const char *const rows[][2] = {
		{ "@name", "the abstract space" }, { "unix:/run/x", "without unix:" }, { "/run/x[ab", "has no ]" },
		{ "/run/[a]/[b/c]", "has no ]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct policy *p = policy_with(rows[i][0]);
		struct socket_grants s = { 0 };
		struct error err = { 0 };

		assert_int_equal(resolve_sockets(p, &s, &err), -EINVAL);
		assert_non_null(strstr(err.text, "--unix-allow: '"));
		assert_non_null(strstr(err.text, rows[i][1]));
		socket_grants_fini(&s);
		policy_free(p);
	}
	resolves("/nowhere/[ab]c", "/nowhere/[ab]c", true);
}

/* The control sockets that were named, one a line. */
struct found {
	char text[4 * PATH_MAX];
	unsigned count;
};

static void remember(const char *path, const char *what, const char *by, void *arg)
{
	struct found *found = arg;
	size_t len = strlen(found->text);

	assert_non_null(what);
	assert_string_equal(by, "--unix-allow");
	snprintf(found->text + len, sizeof found->text - len, "%s\n", path);
	found->count++;
}

static struct found what_is_found(const struct socket_grants *s)
{
	struct grants none = { 0 };
	struct found found = { 0 };

	control_sockets(s, &none, remember, &found);
	return found;
}

/* A socket in the file system, closed by the caller; -1: it cannot be made there. */
static int try_bound(const char *dir, const char *name, char path[PATH_MAX])
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true((size_t)snprintf(to.sun_path, sizeof to.sun_path, "%s/%s", dir, name) < sizeof to.sun_path);
	snprintf(path, PATH_MAX, "%s", to.sun_path);
	if (bind(sock, (struct sockaddr *)&to, sizeof to) == 0)
		return sock;
	close(sock);
	return -1;
}

static int bound(const char *dir, const char *name, char path[PATH_MAX])
{
	int sock = try_bound(dir, name, path);

	assert_int_not_equal(sock, -1);
	return sock;
}

/* Where displays are; the directory is left to whoever comes next, for another run of this test may be using it. */
static int bound_display(const char *name, char path[PATH_MAX])
{
	if (mkdir("/tmp/.X11-unix", 0700) == 0)
		assert_int_equal(chmod("/tmp/.X11-unix", 01777), 0);
	return try_bound("/tmp/.X11-unix", name, path);
}

static void test_a_control_socket_within_reach_is_named(void **state)
{
	struct socket_grants s = { 0 };
	char path[PATH_MAX];
	int sock = bound(top, "agent", path);
	struct found found;

	(void)state;
	assert_int_equal(setenv("SSH_AUTH_SOCK", path, 1), 0);
	assert_int_equal(socket_grants_add(&s, "/nowhere", false, "--unix-allow"), 0);
	assert_int_equal(what_is_found(&s).count, 0);
	assert_int_equal(socket_grants_add(&s, top, false, "--unix-allow"), 0);
	found = what_is_found(&s);
	assert_int_equal(found.count, 1);
	assert_memory_equal(found.text, path, strlen(path));
	assert_int_equal(unsetenv("SSH_AUTH_SOCK"), 0);
	assert_int_equal(what_is_found(&s).count, 0);
	assert_int_equal(setenv("WAYLAND_DISPLAY", path, 1), 0);
	found = what_is_found(&s);
	assert_int_equal(found.count, 1);
	assert_memory_equal(found.text, path, strlen(path));
	unsetenv("WAYLAND_DISPLAY");
	socket_grants_fini(&s);
	close(sock);
}

static void test_a_relative_display_begins_in_the_runtime_directory(void **state)
{
	struct socket_grants s = { 0 };
	char path[PATH_MAX];
	int sock = bound(top, "nested", path);
	struct found found;

	(void)state;
	assert_int_equal(socket_grants_add(&s, top, false, "--unix-allow"), 0);
	assert_int_equal(setenv("WAYLAND_DISPLAY", "nested", 1), 0);
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(what_is_found(&s).count, 0);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", "tmp", 1), 0);
	assert_int_equal(what_is_found(&s).count, 0);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", top, 1), 0);
	found = what_is_found(&s);
	assert_int_equal(found.count, 1);
	assert_memory_equal(found.text, path, strlen(path));

	/* an empty one names nothing, and a key agent has no such directory */
	assert_int_equal(setenv("WAYLAND_DISPLAY", "", 1), 0);
	assert_int_equal(setenv("SSH_AUTH_SOCK", "nested", 1), 0);
	assert_int_equal(what_is_found(&s).count, 0);
	unsetenv("SSH_AUTH_SOCK");
	unsetenv("WAYLAND_DISPLAY");
	unsetenv("XDG_RUNTIME_DIR");
	socket_grants_fini(&s);
	close(sock);
}

static void test_every_display_is_named_whatever_its_number(void **state)
{
	struct socket_grants exact = { 0 }, pattern = { 0 }, other = { 0 };
	char display[PATH_MAX], wayland[PATH_MAX], lock[PATH_MAX], name[32];
	int socks[2];

	(void)state;
	snprintf(name, sizeof name, "X9%ld", (long)getpid());
	socks[0] = bound_display(name, display);
	if (socks[0] < 0) {
		print_message("the directory of displays cannot be written here\n");
		skip();
	}
	socks[1] = bound(top, "wayland-77", wayland);
	snprintf(lock, sizeof lock, "%.2000s/wayland-77.lock", top);
	assert_int_equal(mkdir(lock, 0700), 0);         /* what is no socket is not named */
	assert_int_equal(setenv("XDG_RUNTIME_DIR", top, 1), 0);

	assert_int_equal(socket_grants_add(&exact, display, false, "--unix-allow"), 0);
	assert_int_equal(socket_grants_add(&exact, top, false, "--unix-allow"), 0);
	struct found found = what_is_found(&exact);
	assert_int_equal(found.count, 2);
	assert_non_null(strstr(found.text, display));
	assert_non_null(strstr(found.text, wayland));

	assert_int_equal(socket_grants_add(&pattern, "/tmp/.X11-unix/X9*", true, "--unix-allow"), 0);
	assert_non_null(strstr(what_is_found(&pattern).text, display));

	assert_int_equal(socket_grants_add(&other, "/tmp/.X11-unix/Y", false, "--unix-allow"), 0);
	assert_int_equal(what_is_found(&other).count, 0);

	unsetenv("XDG_RUNTIME_DIR");
	socket_grants_fini(&exact);
	socket_grants_fini(&pattern);
	socket_grants_fini(&other);
	unlink(display);
	unlink(wayland);
	rmdir(lock);
	close(socks[0]);
	close(socks[1]);
}

static void test_every_failure_on_the_way_is_told_and_leaks_nothing(void **state)
{
	struct policy *p = policy_with("/run/x/*.sock");
	int before = fault_open_fds();

	(void)state;
	for (int n = 0;; n++) {
		struct socket_grants s = { 0 };
		struct error err = { 0 };

		fault_arm(n);
		int rc = resolve_sockets(p, &s, &err);
		bool fired = fault_fired();
		assert_int_equal(fault_open_fds(), before);
		if (rc < 0)
			assert_int_not_equal(err.kind, ERR_NONE);
		else            /* also by the way that does without /proc */
			assert_string_equal(s.at[0].path, "/run/x/*.sock");
		socket_grants_fini(&s);
		if (!fired)
			break;
	}
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_grant_is_one_socket_or_all_below_a_directory),
		cmocka_unit_test(test_a_pattern_stands_for_bytes_of_one_component),
		cmocka_unit_test(test_a_write_grant_counts_unless_the_user_said_no),
		cmocka_unit_test(test_what_exists_of_a_path_becomes_canonical),
		cmocka_unit_test(test_a_relative_path_begins_at_the_current_directory),
		cmocka_unit_test(test_a_path_through_a_file_is_refused_with_its_name),
		cmocka_unit_test(test_words_that_are_no_path_of_a_socket_are_refused),
		cmocka_unit_test(test_a_control_socket_within_reach_is_named),
		cmocka_unit_test(test_a_relative_display_begins_in_the_runtime_directory),
		cmocka_unit_test(test_every_display_is_named_whatever_its_number),
		cmocka_unit_test(test_every_failure_on_the_way_is_told_and_leaks_nothing),
	};

	return cmocka_run_group_tests_name("sockets", tests, make_folder, remove_folder);
}
