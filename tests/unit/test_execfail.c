/* Why exec failed: the file of the chain that is missing, unfit or not granted, with the option that grants it. */
#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sys.h"
#include "fault.h"
#include "run/image.h"
#include "run/libraries.h"
#include "run/resolve.h"

static char top[64];
static struct grants have;
static struct error err;

static char *at(const char *name)
{
	static char path[4][256];
	static int turn;
	char *out = path[turn++ & 3];

	snprintf(out, sizeof path[0], "%s/%s", top, name);
	return out;
}

static void put(const char *name, const void *bytes, size_t len, mode_t mode)
{
	AUTO(fd) int fd = open(at(name), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, bytes, len), 0);
}

static void put_text(const char *name, const char *text, mode_t mode)
{
	put(name, text, strlen(text), mode);
}

static void grant(const char *path, unsigned access)
{
	char canonical[PATH_SIZE];
	struct stat st;

	assert_int_equal(path_canonical(AT_FDCWD, path, canonical), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(grants_add_take(&have, canonical, -1, S_ISDIR(st.st_mode), access, "-r", NULL), 0);
}

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof top, "/tmp/test_execfail.XXXXXX");
	assert_non_null(mkdtemp(top));
	have = (struct grants){ 0 };
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	grants_fini(&have);
	snprintf(command, sizeof command, "rm -rf %s", top);
	return system(command);
}

static void expect(const char *path, int errnum, enum err_kind kind, const char *words)
{
	int before = fault_open_fds();

	err = (struct error){ 0 };
	assert_int_equal(explain_exec(&have, NULL, path, -1, errnum, &err), -errnum);
	if (!strstr(err.text, words))
		fail_msg("'%s' is not in: %s", words, err.text);
	assert_int_equal(err.kind, kind);
	assert_int_equal(fault_open_fds(), before);
}

static void a_program_outside_the_grants_is_named_with_the_option(void **state)
{
	(void)state;
	put_text("x", "#!/bin/sh\n", 0755);
	expect(at("x"), EACCES, ERR_NOT_EXEC, "is not granted; add -r ");
	assert_non_null(strstr(err.text, at("x")));
}

static void a_program_granted_for_reading_only_needs_the_exec_option(void **state)
{
	(void)state;
	put_text("x", "#!/bin/sh\n", 0755);
	grant(top, ACCESS_READ);
	expect(at("x"), EACCES, ERR_NOT_EXEC, "is granted for reading, not for execution; add -x ");
}

static void a_missing_program_is_not_found(void **state)
{
	(void)state;
	expect(at("x"), ENOENT, ERR_NOT_FOUND, "does not exist");
}

static void a_missing_interpreter_is_named(void **state)
{
	(void)state;
	grant("/", ACCESS_READ | ACCESS_EXEC);
	put_text("x.sh", "#!/no/such/sh -e\n", 0755);
	expect(at("x.sh"), ENOENT, ERR_NOT_EXEC, "the interpreter of 'x.sh', '/no/such/sh' does not exist");
}

static void an_interpreter_outside_the_grants_is_named(void **state)
{
	(void)state;
	grant(top, ACCESS_READ | ACCESS_EXEC);
	put_text("x.sh", "#!/bin/sh\n", 0755);
	expect(at("x.sh"), EACCES, ERR_NOT_EXEC, "is not granted; add -r /");
	assert_non_null(strstr(err.text, "the interpreter of 'x.sh'"));
}

static void a_loader_outside_the_grants_is_named(void **state)
{
	(void)state;
	grant("/bin/true", ACCESS_READ | ACCESS_EXEC);
	expect("/bin/true", EACCES, ERR_NOT_EXEC, "the loader of 'true'");
	assert_non_null(strstr(err.text, "add -r /"));
}

static void a_library_outside_the_grants_is_named_with_its_folder(void **state)
{
	struct image image;
	AUTO(fd) int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(image_read(fd, &image), 0);
	grant("/bin/true", ACCESS_READ | ACCESS_EXEC);
	grant(image.interp, ACCESS_READ | ACCESS_EXEC);
	expect("/bin/true", EACCES, ERR_NOT_EXEC, "the library 'libc.so.6' that 'true' needs is not granted; add -r /");
}

static void a_whole_chain_in_order_gives_the_kernels_words(void **state)
{
	(void)state;
	grant("/", ACCESS_READ | ACCESS_EXEC);
	expect("/bin/true", E2BIG, ERR_NOT_EXEC, "cannot be executed: ");
}

static void what_cannot_be_a_program_is_told(void **state)
{
	(void)state;
	grant(top, ACCESS_READ | ACCESS_EXEC);
	put_text("plain", "echo hello\n", 0755);
	expect(at("plain"), ENOEXEC, ERR_NOT_EXEC, "text without a #! line");
	put_text("empty", "", 0755);
	expect(at("empty"), ENOEXEC, ERR_NOT_EXEC, "is empty");
	put_text("mode", "#!/bin/sh\n", 0644);
	expect(at("mode"), EACCES, ERR_NOT_EXEC, "chmod +x");
	expect(top, EACCES, ERR_NOT_EXEC, "is a directory");
	expect("/dev/null", EACCES, ERR_NOT_EXEC, "is not a regular file");
	put("junk", "\x00\x01\x02", 3, 0755);
	expect(at("junk"), ENOEXEC, ERR_NOT_EXEC, "in no format");
}

static void a_file_system_without_execution_is_told(void **state)
{
	const char *path = at("x");

	(void)state;
	grant("/", ACCESS_READ | ACCESS_EXEC);
	put_text("x", "#!/bin/sh\n", 0755);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", top, "tmpfs", MS_NOEXEC, NULL) < 0) {
		print_message("%s: skip: allowed: root only, and root runs it in the other pass\n", __func__);
		skip();
	}
	put_text("x", "#!/bin/sh\n", 0755);
	expect(path, EACCES, ERR_NOT_EXEC, "mounted noexec");
	assert_int_equal(umount(top), 0);
}

static Elf64_Ehdr header(uint16_t machine)
{
	Elf64_Ehdr h = { .e_type = ET_EXEC, .e_machine = machine, .e_version = 1, .e_phentsize = sizeof(Elf64_Phdr) };

	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	return h;
}

static void a_program_for_another_machine_is_told_with_both_names(void **state)
{
	Elf64_Ehdr foreign = header(243);

	(void)state;
	grant(top, ACCESS_READ | ACCESS_EXEC);
	put("x", &foreign, sizeof foreign, 0755);
	expect(at("x"), ENOEXEC, ERR_NOT_EXEC, "is a program for RISC-V; this machine runs ");
	foreign.e_machine = 9999;
	put("x", &foreign, sizeof foreign, 0755);
	expect(at("x"), ENOEXEC, ERR_NOT_EXEC, "another processor");
}

/* A program header and a dynamic section that lie: none of it may be believed. */
struct hostile {
	Elf64_Ehdr header;
	Elf64_Phdr segment[3];
	Elf64_Dyn dynamic[4];
	char strings[32];
};

static struct hostile sound(void)
{
	struct hostile h = { .header = header(image_native_machine()) };
	size_t strings = offsetof(struct hostile, strings);

	h.header.e_phoff = offsetof(struct hostile, segment);
	h.header.e_phnum = 3;
	h.segment[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_vaddr = 0x1000, .p_filesz = sizeof h };
	h.segment[1] = (Elf64_Phdr){ .p_type = PT_DYNAMIC, .p_offset = offsetof(struct hostile, dynamic),
				     .p_filesz = sizeof h.dynamic };
	h.segment[2] = (Elf64_Phdr){ .p_type = PT_INTERP, .p_offset = strings + 10, .p_filesz = 8 };
	h.dynamic[0] = (Elf64_Dyn){ .d_tag = DT_STRTAB, .d_un.d_val = 0x1000 + strings };
	h.dynamic[1] = (Elf64_Dyn){ .d_tag = DT_STRSZ, .d_un.d_val = sizeof h.strings };
	h.dynamic[2] = (Elf64_Dyn){ .d_tag = DT_NEEDED, .d_un.d_val = 1 };
	memcpy(h.strings, "\0libz.so\0\0/ld.so\0", 18);
	return h;
}

static int needs_of(const struct hostile *h, size_t len, struct image_needs *needs)
{
	put("x", h, len, 0755);
	AUTO(fd) int fd = open(at("x"), O_RDONLY | O_CLOEXEC);
	struct image image;

	assert_int_equal(image_read(fd, &image), 0);
	return image_needs(fd, needs);
}

static void tables_that_lie_are_refused(void **state)
{
	struct image_needs needs;
	struct hostile h = sound();

	(void)state;
	assert_int_equal(needs_of(&h, sizeof h, &needs), 0);
	assert_int_equal(needs.count, 1);
	assert_string_equal(needs.needed[0], "libz.so");
	image_needs_fini(&needs);

	h.dynamic[2].d_un.d_val = sizeof h.strings;
	assert_int_equal(needs_of(&h, sizeof h, &needs), -EINVAL);
	h = sound();
	h.dynamic[1].d_un.d_val = UINT64_MAX;
	assert_int_equal(needs_of(&h, sizeof h, &needs), -EINVAL);
	h = sound();
	h.dynamic[1].d_un.d_val = 1 << 20;
	assert_int_equal(needs_of(&h, sizeof h, &needs), -EINVAL);
	h = sound();
	h.dynamic[0].d_un.d_val = UINT64_MAX - 4;
	assert_int_equal(needs_of(&h, sizeof h, &needs), -EINVAL);
	h = sound();
	h.segment[0].p_offset = UINT64_MAX - 8;
	assert_int_equal(needs_of(&h, sizeof h, &needs), -EINVAL);
	h = sound();
	h.segment[1].p_offset = UINT64_MAX - 8;
	assert_int_equal(needs_of(&h, sizeof h, &needs), -EINVAL);
	h = sound();
	h.header.e_phoff = UINT64_MAX;
	assert_int_equal(needs_of(&h, sizeof h, &needs), -EINVAL);
	h = sound();
	for (size_t len = 0; len < sizeof h - 1; len++)
		assert_true(needs_of(&h, len, &needs) < 0);
}

static void a_loader_name_that_does_not_end_is_refused(void **state)
{
	struct hostile h = sound();
	struct image image;

	(void)state;
	h.segment[2].p_filesz = 4;
	put("x", &h, sizeof h, 0755);
	AUTO(fd) int fd = open(at("x"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(image_read(fd, &image), 0);
	assert_int_equal(image.kind, IMAGE_UNKNOWN);
	assert_string_equal(image.interp, "");
}

static void a_library_that_is_nowhere_is_told(void **state)
{
	struct hostile h = sound();
	struct library_ask ask = { .have = &have };
	struct library_fault fault;

	(void)state;
	memcpy(h.strings + 1, "no.so.9", 7);
	put("x", &h, sizeof h, 0755);
	assert_int_equal(libraries_check(&ask, at("x"), &fault), 1);
	assert_string_equal(fault.name, "no.so.9");
	assert_string_equal(fault.path, "");
}

static void origin_in_a_run_path_is_the_folder_of_the_object(void **state)
{
	struct hostile h = sound();
	struct library_ask ask = { .have = &have };
	struct library_fault fault;

	(void)state;
	memcpy(h.strings, "\0mine.so\0$ORIGIN\0", 17);
	h.dynamic[3] = (Elf64_Dyn){ .d_tag = DT_RUNPATH, .d_un.d_val = 9 };
	put("x", &h, sizeof h, 0755);
	put_text("mine.so", "", 0644);
	assert_int_equal(libraries_check(&ask, at("x"), &fault), 1);
	assert_string_equal(fault.path, at("mine.so"));
	grant(top, ACCESS_READ);
	assert_int_equal(libraries_check(&ask, at("x"), &fault), 0);
}

static void every_failure_while_explaining_leaks_nothing(void **state)
{
	(void)state;
	grant("/", ACCESS_READ | ACCESS_EXEC);
	put_text("x.sh", "#!/bin/sh\n", 0755);

	int before = fault_open_fds();
	for (int n = 0;; n++) {
		err = (struct error){ 0 };
		fault_arm(n);
		int rc = explain_exec(&have, NULL, at("x.sh"), -1, EACCES, &err);
		bool fired = fault_fired();

		assert_true(rc < 0);
		assert_true(fired || err.kind == ERR_NOT_EXEC);
		assert_int_equal(fault_open_fds(), before);
		if (!fired)
			break;
		assert_true(n < 2000);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_program_outside_the_grants_is_named_with_the_option),
		CASE(a_program_granted_for_reading_only_needs_the_exec_option),
		CASE(a_missing_program_is_not_found),
		CASE(a_missing_interpreter_is_named),
		CASE(an_interpreter_outside_the_grants_is_named),
		CASE(a_loader_outside_the_grants_is_named),
		CASE(a_library_outside_the_grants_is_named_with_its_folder),
		CASE(a_whole_chain_in_order_gives_the_kernels_words),
		CASE(what_cannot_be_a_program_is_told),
		CASE(a_file_system_without_execution_is_told),
		CASE(a_program_for_another_machine_is_told_with_both_names),
		CASE(tables_that_lie_are_refused),
		CASE(a_loader_name_that_does_not_end_is_refused),
		CASE(a_library_that_is_nowhere_is_told),
		CASE(origin_in_a_run_path_is_the_folder_of_the_object),
		CASE(every_failure_while_explaining_leaks_nothing),
	};

	return cmocka_run_group_tests_name("execfail", tests, NULL, NULL);
}
