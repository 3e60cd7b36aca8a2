/* Directories that are listed: their names, all of them and once, and what a failure leaves. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/listing.h"
#include "base/mem.h"
#include "base/sys.h"

#define FILES 300       /* several times what one call of the kernel gives */

static char folder[] = "/tmp/sandlock-listing.XXXXXX";

static void path_of(int i, char *path, size_t size)
{
	/* Short names and the longest, and some that are nearly "." and "..". */
	static const char *const odd[] = { "...", ".x", "..x", ". ", ".. " };

	if ((size_t)i < ARRAY_SIZE(odd))
		snprintf(path, size, "%s/%s", folder, odd[i]);
	else
		snprintf(path, size, "%s/%0*d", folder, i % 3 ? 4 : 255, i);
}

static int make_folder(void **state)
{
	char path[400];

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	for (int i = 0; i < FILES; i++) {
		path_of(i, path, sizeof path);
		if (mkdir(path, 0700) < 0)
			return -1;
	}
	return 0;
}

static int remove_folder(void **state)
{
	char path[400];

	(void)state;
	for (int i = 0; i < FILES; i++) {
		path_of(i, path, sizeof path);
		rmdir(path);
	}
	return rmdir(folder);
}

static int index_of(const char *name)
{
	char path[400];

	for (int i = 0; i < FILES; i++) {
		path_of(i, path, sizeof path);
		if (strcmp(path + strlen(folder) + 1, name) == 0)
			return i;
	}
	return -1;
}

static void every_name_comes_once_but_not_the_folder_nor_its_parent(void **state)
{
	AUTO(listing) struct listing l;
	bool seen[FILES] = { false };
	const char *name;
	int count = 0;

	(void)state;
	assert_true(listing_open(&l, AT_FDCWD, folder) >= 0);
	while ((name = listing_next(&l)) != NULL) {
		int i = index_of(name);

		assert_true(i >= 0 && !seen[i]);
		seen[i] = true;
		count++;
	}
	assert_int_equal(count, FILES);
	assert_int_equal(l.rc, 0);
	assert_null(listing_next(&l));
}

static void what_is_no_folder_is_said_and_lists_nothing(void **state)
{
	AUTO(listing) struct listing l;

	(void)state;
	assert_int_equal(listing_open(&l, AT_FDCWD, "/proc/self/status"), -ENOTDIR);
	assert_null(listing_next(&l));
	assert_int_equal(l.rc, -ENOTDIR);
	listing_close(&l);
	listing_close(&l);
}

static void a_failure_is_told_from_the_end(void **state)
{
	AUTO(listing) struct listing l;
	int count = 0;

	(void)state;
	assert_true(listing_open(&l, AT_FDCWD, folder) >= 0);
	assert_non_null(listing_next(&l));
	close(l.fd);
	while (listing_next(&l))
		count++;
	assert_true(count < FILES - 1);
	assert_int_equal(l.rc, -EBADF);
	l.fd = -1;
}

static void nothing_stays_open(void **state)
{
	const int before = fault_open_fds();

	(void)state;
	for (int i = 0; i < 3; i++) {
		AUTO(listing) struct listing l;

		listing_open(&l, AT_FDCWD, i ? folder : "/nowhere");
		for (int n = 0; n < i; n++)
			assert_non_null(listing_next(&l));
	}
	assert_int_equal(fault_open_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_comes_once_but_not_the_folder_nor_its_parent),
		cmocka_unit_test(what_is_no_folder_is_said_and_lists_nothing),
		cmocka_unit_test(a_failure_is_told_from_the_end),
		cmocka_unit_test(nothing_stays_open),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
