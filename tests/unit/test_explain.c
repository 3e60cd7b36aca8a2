/* Unit tests of features/explain.c: it predicts, and always lets the call go on. */
#include <arpa/inet.h>
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

static struct grant granted[] = {
	{ .path = (char *)"/srv", .len = 4, .is_dir = true, .access = ACCESS_WRITE | ACCESS_READ,
	  .origin = (char *)"--fs-write" },
	{ .path = (char *)"/usr", .len = 4, .is_dir = true, .access = ACCESS_READ, .origin = (char *)"--fs-read" },
};
static const struct grants grants = { .at = granted, .len = ARRAY_SIZE(granted), .own_proc = true };

static const struct fake_object objects[] = {
	{ .name = "/srv/a", .path = "/srv/a" },       { .name = "/etc/shadow", .path = "/etc/shadow" },
	{ .name = "/etc", .path = "/etc" },           { .name = "/usr", .path = "/usr" },
	{ .name = "/usr/ro", .path = "/usr/ro" },     { .name = "/srv", .path = "/srv" },
	{ .name = ".", .path = "/etc" },              { .name = "/dev/stdin", .path = NULL },
	{ .name = "/proc/self/maps", .path = "/proc/77/maps" },
};

static struct fake fake(void)
{
	return (struct fake){ .objects = objects, .object_count = ARRAY_SIZE(objects) };
}

static void ask(const struct call *call)
{
	static struct policy p = { .explain = true };
	int before = fault_open_fds();
	void *state = NULL;

	assert_int_equal(feature_explain.start(&(struct feature_env){ .policy = &p, .grants = &grants }, &state, NULL), 0);
	assert_int_equal(fake_ask(&feature_explain, state, call).kind, V_CONTINUE);
	feature_explain.stop(state);
	assert_int_equal(fault_open_fds(), before);
}

static void opens_are_compared_with_what_their_flags_need(void **unused)
{
	static const struct {
		const char *path;
		int flags;
		unsigned refusals;
		const char *flag;
	} cases[] = {
		{ "/srv/a", O_RDWR, 0, "" },
		{ "/etc/shadow", O_RDONLY, 1, "-r /etc/shadow" },
		{ "/etc/shadow", O_RDWR, 2, "-w /etc/shadow" },
		{ "/etc/shadow", O_PATH, 0, "" },
		{ "/usr/ro", O_RDONLY, 0, "" },
		{ "/usr/ro", O_RDONLY | O_TRUNC, 1, "-w /usr/ro" },
		{ "/etc/none", O_RDONLY, 0, "" },
		{ "/etc/new", O_WRONLY | O_CREAT, 1, "-w /etc" },
		{ "new", O_WRONLY | O_CREAT, 1, "-w /etc" },
		{ "/srv/new", O_WRONLY | O_CREAT, 0, "" },
		{ "/nowhere/new", O_WRONLY | O_CREAT, 0, "" },
		{ "/etc/shadow", O_WRONLY | O_CREAT | O_EXCL, 0, "" },
		{ "/dev/stdin", O_RDONLY, 0, "" },
		{ "/proc/self/maps", O_RDONLY, 0, "" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake f = fake();
		struct call call = FAKE_CALL(&f, "openat", (uint32_t)AT_FDCWD, 0, (uint64_t)cases[i].flags);

		fake_path(&call, 1, cases[i].path);
		ask(&call);
		assert_int_equal(f.refusals, cases[i].refusals);
		assert_string_equal(f.flag, cases[i].flag);
	}
}

static void openat2_is_judged_by_its_structure(void **unused)
{
	struct fake f = fake();
	struct call call = FAKE_CALL(&f, "openat2", (uint32_t)AT_FDCWD, 0, 0x1000, 24);

	(void)unused;
	f.memory[0] = O_WRONLY;
	fake_path(&call, 1, "/usr/ro");
	ask(&call);
	assert_string_equal(f.operation, "write");
	assert_string_equal(f.rule, "--fs-read grants /usr only for reading");
}

static void names_are_made_and_removed_in_their_parent(void **unused)
{
	static const struct {
		const char *call;
		const char *path;
		unsigned refusals;
	} cases[] = {
		{ "mkdirat", "/etc/dir/", 1 }, { "mkdirat", "/etc", 0 },        { "mkdirat", "/srv/dir", 0 },
		{ "unlinkat", "/etc/none", 0 }, { "unlinkat", "/etc/shadow", 1 }, { "unlinkat", "/etc/..", 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake f = fake();
		struct call call = FAKE_CALL(&f, cases[i].call, (uint32_t)AT_FDCWD);

		fake_path(&call, 1, cases[i].path);
		ask(&call);
		assert_int_equal(f.refusals, cases[i].refusals);
		if (cases[i].refusals)
			assert_string_equal(f.flag, "-w /etc");
		if (i == 0)
			assert_string_equal(f.target, "/etc/dir");
	}
}

static void a_rename_is_looked_at_on_both_ends(void **unused)
{
	struct fake f = fake();
	struct call call = FAKE_CALL(&f, "renameat2", (uint32_t)AT_FDCWD, 0, (uint32_t)AT_FDCWD, 0, 0);

	(void)unused;
	fake_path(&call, 1, "/etc/shadow");
	fake_path(&call, 3, "/usr/taken");
	ask(&call);
	assert_int_equal(f.refusals, 2);
	assert_string_equal(f.target, "/usr/taken");
}

static void executing_what_is_only_readable_is_reported(void **unused)
{
	struct fake f = fake();
	struct call call = FAKE_CALL(&f, "execve", 0);

	(void)unused;
	fake_path(&call, 0, "/usr/ro");
	ask(&call);
	assert_string_equal(f.operation, "execute");
	assert_string_equal(f.flag, "-x /usr/ro");
}

static void a_port_without_a_rule_is_reported(void **unused)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(443) };
	struct fake f = fake();
	struct call call = FAKE_CALL(&f, "connect", 3);

	(void)unused;
	inet_pton(AF_INET, "192.0.2.1", &in.sin_addr);
	fake_bytes(&call, 1, &in, sizeof in);
	ask(&call);
	assert_string_equal(f.target, "192.0.2.1:443 (tcp)");
	assert_string_equal(f.flag, "--net-allow tcp://192.0.2.1:443");
	fake_bytes(&call, 1, &in, 4);
	ask(&call);
	in.sin_family = AF_UNIX;
	fake_bytes(&call, 1, &in, sizeof in);
	ask(&call);
	assert_int_equal(f.refusals, 1);
}

static void null_and_odd_paths_are_let_through(void **unused)
{
	static const char *const paths[] = { NULL, "", "/", "//", ".", ".." };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct fake f = fake();
		struct call call = FAKE_CALL(&f, "unlinkat", (uint32_t)AT_FDCWD);

		fake_path(&call, 1, paths[i]);
		ask(&call);
		assert_int_equal(f.refusals, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_are_compared_with_what_their_flags_need),
		cmocka_unit_test(openat2_is_judged_by_its_structure),
		cmocka_unit_test(names_are_made_and_removed_in_their_parent),
		cmocka_unit_test(a_rename_is_looked_at_on_both_ends),
		cmocka_unit_test(executing_what_is_only_readable_is_reported),
		cmocka_unit_test(a_port_without_a_rule_is_reported),
		cmocka_unit_test(null_and_odd_paths_are_let_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
