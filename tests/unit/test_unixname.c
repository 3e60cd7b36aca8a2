/* What a unix socket address says, for every length that the kernel takes and refuses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/unixname.h"

#define AT offsetof(struct sockaddr_un, sun_path)

static int read_text(const char *text, size_t bytes, struct unix_name *out)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, text, bytes);
	return unix_name_read(&address, AT + bytes, out);
}

static void test_a_path_ends_at_its_nul_or_with_the_address(void **state)
{
	struct unix_name name;

	(void)state;
	assert_int_equal(read_text("/run/s", 6, &name), 0);
	assert_int_equal(name.kind, UNIX_PATH);
	assert_string_equal(name.text, "/run/s");
	assert_int_equal(read_text("/run/s\0tail", 11, &name), 0);
	assert_string_equal(name.text, "/run/s");
	assert_int_equal(name.len, 6);
}

static void test_a_path_may_fill_all_of_the_room_without_a_nul(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct unix_name name;

	(void)state;
	memset(address.sun_path, 'x', sizeof address.sun_path);
	assert_int_equal(unix_name_read(&address, sizeof address, &name), 0);
	assert_int_equal(name.len, sizeof address.sun_path);
	assert_int_equal(strlen(name.text), sizeof address.sun_path);
}

static void test_an_abstract_name_is_all_bytes_after_its_first(void **state)
{
	struct unix_name name;
	char shown[2 * sizeof name.text];

	(void)state;
	assert_int_equal(read_text("\0a\0b", 4, &name), 0);
	assert_int_equal(name.kind, UNIX_ABSTRACT);
	assert_int_equal(name.len, 3);
	assert_memory_equal(name.text, "a\0b", 3);
	unix_name_show(&name, shown);
	assert_string_equal(shown, "@a@b");
	assert_int_equal(read_text("\0", 1, &name), 0);
	assert_int_equal(name.kind, UNIX_ABSTRACT);
	assert_int_equal(name.len, 0);
}

static void test_a_family_alone_names_nothing(void **state)
{
	struct unix_name name;

	(void)state;
	assert_int_equal(read_text("", 0, &name), 0);
	assert_int_equal(name.kind, UNIX_UNNAMED);
}

static void test_lengths_and_families_that_the_kernel_refuses_are_refused(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char longer[sizeof address + 1] = { AF_UNIX };
	struct unix_name name;

	(void)state;
	assert_int_equal(unix_name_read(&address, 0, &name), -EINVAL);
	assert_int_equal(unix_name_read(&address, 1, &name), -EINVAL);
	assert_int_equal(unix_name_read(longer, sizeof longer, &name), -EINVAL);
	address.sun_family = AF_INET;
	assert_int_equal(unix_name_read(&address, sizeof address, &name), -EINVAL);
}

static void test_a_pinned_socket_is_reached_by_our_descriptor(void **state)
{
	struct sockaddr_un address;
	struct unix_name name;

	(void)state;
	size_t len = unix_address_of(123456, &address);
	assert_int_equal(unix_name_read(&address, len, &name), 0);
	assert_string_equal(name.text, "/proc/self/fd/123456");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_path_ends_at_its_nul_or_with_the_address),
		cmocka_unit_test(test_a_path_may_fill_all_of_the_room_without_a_nul),
		cmocka_unit_test(test_an_abstract_name_is_all_bytes_after_its_first),
		cmocka_unit_test(test_a_family_alone_names_nothing),
		cmocka_unit_test(test_lengths_and_families_that_the_kernel_refuses_are_refused),
		cmocka_unit_test(test_a_pinned_socket_is_reached_by_our_descriptor),
	};

	return cmocka_run_group_tests_name("unixname", tests, NULL, NULL);
}
