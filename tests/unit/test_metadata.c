/* Unit tests of features/metadata.c: every call against grants, with no kernel. */
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
#include "base/sys.h"
#include "fake_kernel.h"
#include "fault.h"
#include "features/registry.h"

static struct grant granted[] = {
	{ .path = (char *)"/srv", .len = 4, .is_dir = true, .access = ACCESS_WRITE, .origin = (char *)"--fs-write" },
	{ .path = (char *)"/usr", .len = 4, .is_dir = true, .access = ACCESS_READ, .origin = (char *)"--fs-read" },
};
static const struct grants grants = { .at = granted, .len = ARRAY_SIZE(granted) };

static const struct fake_object objects[] = {
	{ .name = "in", .path = "/srv/in" },
	{ .name = "out", .path = "/etc/out file" },
	{ .name = "ro", .path = "/usr/ro" },
	{ .name = "fd 3", .path = "/srv/three" },
	{ .name = "fd 4", .path = "/etc/four" },
	{ .name = "fd 5", .path = NULL },
	{ .name = "fd 6", .deleted = true, .writable = true },
	{ .name = "fd 7", .deleted = true },
};

static struct fake fake(void)
{
	return (struct fake){ .objects = objects, .object_count = ARRAY_SIZE(objects) };
}

static struct verdict ask(const struct call *call)
{
	void *state = NULL;
	int before = fault_open_fds();

	assert_int_equal(feature_metadata.start(&(struct feature_env){ .grants = &grants }, &state, NULL), 0);
	struct verdict v = fake_ask(&feature_metadata, state, call);
	feature_metadata.stop(state);
	assert_int_equal(fault_open_fds(), before);
	return v;
}

static struct verdict ask_path(struct fake *f, const char *name, int path_arg, const char *path)
{
	struct call call = FAKE_CALL(f, name, 0, 0, 0644);

	fake_path(&call, path_arg, path);
	return ask(&call);
}

static void every_path_form_is_refused_outside_and_performed_inside(void **unused)
{
	static const struct {
		const char *name;
		int path_arg;
		const char *act;
	} calls[] = {
		{ "chmod", 0, "chmod" }, { "fchmodat", 1, "chmod" }, { "fchmodat2", 1, "chmod" }, { "chown", 0, "chown" },
		{ "lchown", 0, "chown" }, { "fchownat", 1, "chown" }, { "utime", 0, "utimens" }, { "utimes", 0, "utimens" },
		{ "futimesat", 1, "utimens" }, { "utimensat", 1, "utimens" }, { "setxattr", 0, "setxattr" },
		{ "lsetxattr", 0, "setxattr" }, { "removexattr", 0, "removexattr" }, { "lremovexattr", 0, "removexattr" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		for (int inside = 0; inside < 2; inside++) {
			struct fake f = fake();
			struct call call = FAKE_CALL(&f, calls[i].name, 0);

			if (!call.info)
				continue;
			if (strstr(calls[i].name, "xattr"))
				fake_path(&call, 1, "user.x");
			fake_path(&call, calls[i].path_arg, inside ? "in" : "out");
			struct verdict v = ask(&call);
			assert_int_equal(v.kind, inside ? V_RETURN : V_ERRNO);
			assert_int_equal(v.value, inside ? 0 : EACCES);
			assert_int_equal(f.acts, inside);
			assert_int_equal(f.refusals, !inside);
			if (inside)
				assert_string_equal(f.acted, calls[i].act);
		}
	}
}

static void a_refusal_names_path_rule_and_flag(void **unused)
{
	struct fake f = fake();

	(void)unused;
	ask_path(&f, "fchmodat", 1, "out");
	assert_string_equal(f.operation, "metadata");
	assert_string_equal(f.target, "/etc/out file");
	assert_string_equal(f.rule, "no grant covers it");
	assert_string_equal(f.flag, "-w '/etc/out file'");
	ask_path(&f, "fchmodat", 1, "ro");
	assert_string_equal(f.rule, "--fs-read grants /usr only for reading");
}

static void descriptors_are_judged_by_what_they_are(void **unused)
{
	static const struct {
		int fd;
		int error;
	} cases[] = { { 3, 0 }, { 4, EACCES }, { 5, 0 }, { 6, 0 }, { 7, EACCES }, { 9, EBADF } };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake f = fake();
		struct call call = FAKE_CALL(&f, "fchmod", (uint64_t)cases[i].fd, 0600);
		struct verdict v = ask(&call);

		assert_int_equal(v.kind, cases[i].error ? V_ERRNO : V_RETURN);
		assert_int_equal(v.value, cases[i].error);
		assert_int_equal(f.acts, cases[i].error == 0);
	}
}

static void flags_and_empty_paths_mean_what_the_kernel_means(void **unused)
{
	struct fake f = fake();
	struct call call = FAKE_CALL(&f, "fchownat", 3, 0, 1, 2, AT_EMPTY_PATH);

	(void)unused;
	fake_path(&call, 1, "");
	assert_int_equal(ask(&call).kind, V_RETURN);
	assert_string_equal(f.acted_path, "/srv/three");
	assert_int_equal(f.value[0], 1);
	assert_int_equal(f.value[1], 2);
	call.raw[4] = 0;
	assert_int_equal(ask(&call).value, ENOENT);
	call.raw[4] = 1;
	assert_int_equal(ask(&call).value, EINVAL);
	call.raw[4] = AT_SYMLINK_NOFOLLOW;
	fake_path(&call, 1, "in");
	ask(&call);
	assert_int_equal(f.pin_flags, AT_SYMLINK_NOFOLLOW);
	fake_path(&call, 1, NULL);
	assert_int_equal(ask(&call).value, EFAULT);
	/* fchmodat has no flags: what stands in the fourth register means nothing */
	struct call three = FAKE_CALL(&f, "fchmodat", 0, 0, 0644, 0xffff);
	fake_path(&three, 1, "in");
	assert_int_equal(ask(&three).kind, V_RETURN);
	ask_path(&f, "lchown", 0, "in");
	assert_int_equal(f.pin_flags, AT_SYMLINK_NOFOLLOW);
}

static void times_are_checked_and_passed_on(void **unused)
{
	struct timespec bad[2] = { { .tv_nsec = 1000000000 }, { 0 } };
	struct timespec good[2] = { { .tv_nsec = UTIME_NOW }, { .tv_sec = 7 } };
	struct timespec omit[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_OMIT } };
	struct fake f = fake();
	struct call call = FAKE_CALL(&f, "utimensat", 0);

	(void)unused;
	fake_path(&call, 1, "in");
	fake_times(&call, 2, bad);
	assert_int_equal(ask(&call).value, EINVAL);
	fake_times(&call, 2, good);
	assert_int_equal(ask(&call).kind, V_RETURN);
	assert_int_equal(f.times[1].tv_sec, 7);
	fake_times(&call, 2, NULL);
	assert_int_equal(ask(&call).kind, V_RETURN);
	assert_true(f.times_null);
	fake_path(&call, 1, "nowhere");
	assert_int_equal(ask(&call).value, ENOENT);
	fake_times(&call, 2, omit);
	assert_int_equal(ask(&call).kind, V_RETURN);
}

static void a_null_path_of_utimensat_is_the_descriptor(void **unused)
{
	struct fake f = fake();
	struct call call = FAKE_CALL(&f, "utimensat", 4);

	(void)unused;
	assert_int_equal(ask(&call).value, EACCES);
	assert_string_equal(f.target, "/etc/four");
	call = FAKE_CALL(&f, "utimensat", (uint32_t)AT_FDCWD);
	assert_int_equal(ask(&call).value, EFAULT);
}

static void xattr_arguments_have_the_kernels_limits(void **unused)
{
	char long_name[300];
	struct fake f = fake();
	struct call call = FAKE_CALL(&f, "fsetxattr", 3, 1, 1, 5);

	(void)unused;
	memset(long_name, 'x', sizeof long_name);
	long_name[299] = '\0';
	fake_bytes(&call, 2, "value", 5);
	fake_path(&call, 1, "");
	assert_int_equal(ask(&call).value, ERANGE);
	fake_path(&call, 1, long_name);
	assert_int_equal(ask(&call).value, ERANGE);
	fake_path(&call, 1, "user.a");
	call.raw[3] = 65537;
	assert_int_equal(ask(&call).value, E2BIG);
	call.raw[3] = 5;
	call.raw[4] = 4;
	assert_int_equal(ask(&call).value, EINVAL);
	call.raw[4] = 2;
	assert_int_equal(ask(&call).kind, V_RETURN);
	assert_string_equal(f.text, "user.a");
	assert_int_equal(f.value[0], 5);
	assert_int_equal(f.value[1], 2);
}

static void file_flags_are_copied_once_and_set_inside_only(void **unused)
{
	struct fake f = fake();
	struct call call = FAKE_CALL(&f, "ioctl", 3, 0x40086602, 0x1000);

	(void)unused;
	f.memory[0] = 0x10;
	assert_int_equal(ask(&call).kind, V_RETURN);
	assert_int_equal(f.value[0], 0x40086602);
	assert_int_equal(f.value[1], 0x10);
	call = FAKE_CALL(&f, "ioctl", 4, 0x40086602, 0x1000);
	assert_int_equal(ask(&call).value, EACCES);
}

static void the_kernels_own_answer_reaches_the_caller(void **unused)
{
	struct fake f = fake();

	(void)unused;
	f.fail = -EROFS;
	assert_int_equal(ask_path(&f, "fchmodat", 1, "in").value, EROFS);
}

/* --- structures that tell their size, in hostile memory --- */

enum { AT = 0x10000, PAGE = 4096 };

static struct fake fake_at(uint64_t xattr_value, uint32_t len, uint32_t flags)
{
	struct fake f = fake();
	const struct xattr_args_v0 args = { xattr_value, len, flags };

	f.memory_at = AT;
	memcpy(f.memory, &args, sizeof args);
	return f;
}

static struct call setxattrat(struct fake *f, const char *path, uint64_t at, uint64_t size)
{
	struct call call = FAKE_CALL(f, "setxattrat", (uint32_t)AT_FDCWD, 0, 0, 0, at, size);

	fake_path(&call, 1, path);
	fake_path(&call, 3, "user.a");
	return call;
}

static struct call file_setattr(struct fake *f, const char *path, uint64_t at, uint64_t size)
{
	struct call call = FAKE_CALL(f, "file_setattr", (uint32_t)AT_FDCWD, 0, at, size, 0);

	fake_path(&call, 1, path);
	return call;
}

static void setxattrat_is_copied_once_and_set_inside_only(void **unused)
{
	struct fake f = fake_at(AT + 100, 5, 2);
	struct call call = setxattrat(&f, "in", AT, 16);

	(void)unused;
	memcpy(f.memory + 100, "hello", 5);
	assert_int_equal(ask(&call).kind, V_RETURN);
	assert_string_equal(f.acted, "setxattr");
	assert_string_equal(f.text, "user.a");
	assert_int_equal(f.value[0], 5);
	assert_int_equal(f.value[1], 2);
	assert_memory_equal(f.out, "hello", 5);
	assert_int_equal(f.reads, 2);           /* the structure, the value */

	call = setxattrat(&f, "out", AT, 16);
	assert_int_equal(ask(&call).value, EACCES);
	assert_int_equal(f.acts, 1);
	assert_int_equal(f.refusals, 1);
}

static void setxattrat_takes_no_hostile_structure(void **unused)
{
	static const struct {
		uint64_t at, size, value;
		uint32_t len, flags;
		int error;
	} cases[] = {
		{ AT, 16, AT + 100, 5, 0, 0 },          { AT, PAGE, AT + 100, 5, 0, 0 },
		{ AT, 15, AT + 100, 5, 0, EINVAL },     { AT, 0, AT + 100, 5, 0, EINVAL },
		{ AT, PAGE + 1, AT + 100, 5, 0, E2BIG }, { AT, UINT64_MAX, AT + 100, 5, 0, E2BIG },
		{ 0, 16, AT + 100, 5, 0, EFAULT },      { AT + 4150, 16, AT + 100, 5, 0, EFAULT },
		{ AT, 16, AT + 100, 5, 4, EINVAL },     { AT, 16, AT + 100, 65537, 0, E2BIG },
		{ AT, 16, AT + 100, UINT32_MAX, 0, E2BIG }, { AT, 16, 0, 5, 0, EFAULT },
		{ AT, 16, AT + 4150, 65536, 0, EFAULT }, { AT, 16, 0, 0, 0, 0 },
		{ AT, 16, UINT64_MAX, 5, 0, EFAULT },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake f = fake_at(cases[i].value, cases[i].len, cases[i].flags);
		struct call call = setxattrat(&f, "in", cases[i].at, cases[i].size);
		struct verdict v = ask(&call);

		assert_int_equal(v.kind == V_ERRNO ? v.value : 0, cases[i].error);
		assert_int_equal(f.acts, cases[i].error == 0);
	}
}

static void what_a_structure_says_beyond_what_is_known_is_too_much(void **unused)
{
	static const size_t at[] = { 16, 17, 24, 4095 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		struct fake f = fake_at(0, 0, 0);
		struct call call = setxattrat(&f, "in", AT, PAGE);

		f.memory[at[i]] = 1;
		assert_int_equal(ask(&call).value, E2BIG);
		call = setxattrat(&f, "in", AT, at[i]);
		assert_int_equal(ask(&call).kind, V_RETURN);
	}
}

static void removexattrat_checks_name_flags_and_place(void **unused)
{
	struct fake f = fake();
	struct call call = FAKE_CALL(&f, "removexattrat", (uint32_t)AT_FDCWD, 0, AT_SYMLINK_NOFOLLOW, 0);

	(void)unused;
	fake_path(&call, 1, "in");
	assert_int_equal(ask(&call).value, EFAULT);
	fake_path(&call, 3, "user.a");
	assert_int_equal(ask(&call).kind, V_RETURN);
	assert_string_equal(f.acted, "removexattr");
	assert_int_equal(f.pin_flags, AT_SYMLINK_NOFOLLOW);
	fake_path(&call, 1, "out");
	assert_int_equal(ask(&call).value, EACCES);
	call.raw[2] = 0x400;
	assert_int_equal(ask(&call).value, EINVAL);
}

static void file_setattr_is_copied_once_and_set_inside_only(void **unused)
{
	static const struct file_attr_v0 attr = { .xflags = 0x80, .cowextsize = 7 };
	struct fake f = fake();
	struct call call = file_setattr(&f, "in", AT, sizeof attr);

	(void)unused;
	f.memory_at = AT;
	memcpy(f.memory, &attr, sizeof attr);
	assert_int_equal(ask(&call).kind, V_RETURN);
	assert_string_equal(f.acted, "file_setattr");
	assert_int_equal(f.value[0], 0x80);
	assert_int_equal(f.value[1], 7);
	assert_int_equal(f.reads, 1);
	call = file_setattr(&f, "out", AT, sizeof attr);
	assert_int_equal(ask(&call).value, EACCES);
	call = file_setattr(&f, "in", AT, 23);
	assert_int_equal(ask(&call).value, EINVAL);
	call = file_setattr(&f, "in", AT, PAGE + 1);
	assert_int_equal(ask(&call).value, E2BIG);
	call = file_setattr(&f, "in", 0, 24);
	assert_int_equal(ask(&call).value, EFAULT);
	f.memory[24] = 1;
	call = file_setattr(&f, "in", AT, 32);
	assert_int_equal(ask(&call).value, E2BIG);
	assert_int_equal(f.acts, 1);
}

static void an_empty_or_null_path_of_the_newest_calls_is_the_descriptor(void **unused)
{
	(void)unused;
	for (int null = 0; null < 2; null++) {
		struct fake f = fake();
		struct call call = FAKE_CALL(&f, "removexattrat", 3, 0, AT_EMPTY_PATH, 0);

		fake_path(&call, 1, null ? NULL : "");
		fake_path(&call, 3, "user.a");
		assert_int_equal(ask(&call).kind, V_RETURN);
		assert_int_equal(f.acts, 1);
		call.raw[0] = 4;
		call.arg[0].fd = 4;
		assert_int_equal(ask(&call).value, EACCES);
		call.raw[2] = 0;
		assert_int_equal(ask(&call).value, null ? EFAULT : ENOENT);
	}
}

static void a_kernel_without_the_newest_calls_is_heard(void **unused)
{
	struct fake f = fake_at(0, 0, 0);
	struct call call = setxattrat(&f, "in", AT, 16);

	(void)unused;
	f.fail = -ENOSYS;
	assert_int_equal(ask(&call).value, ENOSYS);
	call = setxattrat(&f, "out", AT, 16);
	assert_int_equal(ask(&call).value, EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_path_form_is_refused_outside_and_performed_inside),
		cmocka_unit_test(a_refusal_names_path_rule_and_flag),
		cmocka_unit_test(descriptors_are_judged_by_what_they_are),
		cmocka_unit_test(flags_and_empty_paths_mean_what_the_kernel_means),
		cmocka_unit_test(times_are_checked_and_passed_on),
		cmocka_unit_test(a_null_path_of_utimensat_is_the_descriptor),
		cmocka_unit_test(xattr_arguments_have_the_kernels_limits),
		cmocka_unit_test(file_flags_are_copied_once_and_set_inside_only),
		cmocka_unit_test(the_kernels_own_answer_reaches_the_caller),
		cmocka_unit_test(setxattrat_is_copied_once_and_set_inside_only),
		cmocka_unit_test(setxattrat_takes_no_hostile_structure),
		cmocka_unit_test(what_a_structure_says_beyond_what_is_known_is_too_much),
		cmocka_unit_test(removexattrat_checks_name_flags_and_place),
		cmocka_unit_test(file_setattr_is_copied_once_and_set_inside_only),
		cmocka_unit_test(an_empty_or_null_path_of_the_newest_calls_is_the_descriptor),
		cmocka_unit_test(a_kernel_without_the_newest_calls_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
