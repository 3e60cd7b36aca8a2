/* The judge of unix sockets: what is granted is used by the descriptor that was judged, the rest is refused and told. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "fake_kernel.h"
#include "fault.h"
#include "features/registry.h"

#define AT offsetof(struct sockaddr_un, sun_path)

/* --- one socket and one object in the file system --- */

static const struct fake_object objects[] = { { .name = "fd 7" } };
static struct fake fake;
static struct {
	int locate_rc;
	const char *object;             /* the canonical path of what the caller's words lead to */
	int owns;                       /* what owns_abstract says */
	int owns_type;
} world;

static int locate(const struct call *call, const struct where *where, struct located *out)
{
	(void)call;
	assert_int_equal(where->dirfd, AT_FDCWD);
	if (world.locate_rc < 0)
		return world.locate_rc;
	*out = (struct located){ .fd = open("/dev/null", O_RDONLY | O_CLOEXEC), .parent = -1 };
	return 0;
}

static int path_of(const struct call *call, int pinned, char *out)
{
	(void)call;
	(void)pinned;
	if (!world.object)
		return -ENOENT;
	snprintf(out, PATH_MAX, "%s", world.object);
	return 0;
}

static int owns_abstract(const struct call *call, const char *name, size_t len, int type)
{
	(void)call;
	assert_int_equal(len, 4);
	assert_memory_equal(name, "name", 4);
	world.owns_type = type;
	return world.owns;
}

static struct kernel_ops ops;

/* --- asking --- */

static struct policy *policy;
static struct grants files;
static struct socket_grants sockets;
static void *rules;

static int setup(void **state)
{
	struct error err = { 0 };
	struct feature_env env = { .grants = &files, .sockets = &sockets };

	(void)state;
	memset(&world, 0, sizeof world);
	fake = (struct fake){
		.objects = objects, .object_count = 1, .own_memory = true, .socket = FAKE_SOCKET(AF_UNIX, SOCK_STREAM, 0),
	};
	ops = fake_ops;
	ops.locate = locate;
	ops.path_of = path_of;
	ops.owns_abstract = owns_abstract;
	policy = policy_new();
	if (!policy || grants_add_take(&files, "/srv", -1, true, ACCESS_READ | ACCESS_WRITE, "--fs-write", NULL) < 0)
		return -1;
	sockets.by_write = true;
	env.policy = policy;
	return feature_unix.start(&env, &rules, &err);
}

static int teardown(void **state)
{
	(void)state;
	feature_unix.stop(rules);
	policy_free(policy);
	grants_fini(&files);
	socket_grants_fini(&sockets);
	return 0;
}

static struct verdict ask(struct call call, int at, const void *address, size_t len)
{
	call.kernel = &ops;
	fake_bytes(&call, at, address, len);
	return fake_ask(&feature_unix, rules, &call);
}

static struct verdict ask_connect(const char *path, size_t bytes)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, path, bytes);
	return ask(FAKE_CALL(&fake, "connect", 7), 1, &address, AT + bytes);
}

static struct verdict ask_sendto(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	return ask(FAKE_CALL(&fake, "sendto", 7, (uintptr_t)"hello", 5), 4, &address, AT + strlen(path) + 1);
}

/* The path that was used in the end, of the last connect or send. */
static const char *used(void)
{
	return (const char *)fake.name + AT;
}

/* --- the tests --- */

static void a_granted_socket_is_used_by_the_descriptor_that_was_judged(void **state)
{
	int before = fault_open_fds();

	(void)state;
	world.object = "/srv/s";
	assert_int_equal(ask_connect("whatever/leads/there", 21).kind, V_RETURN);
	assert_int_equal(fake.connects, 1);
	assert_memory_equal(used(), "/proc/self/fd/", 14);
	assert_int_equal(fault_open_fds(), before);
}

static void a_socket_elsewhere_is_refused_with_its_path_and_the_flag(void **state)
{
	int before = fault_open_fds();

	(void)state;
	world.object = "/run/docker.sock";
	check_errno(ask_connect("/srv/innocent", 14), EACCES);
	assert_int_equal(fake.connects, 0);
	assert_string_equal(fake.target, "/run/docker.sock");
	assert_string_equal(fake.flag, "--unix-allow /run/docker.sock");
	assert_int_equal(fault_open_fds(), before);
}

static void under_rules_with_names_a_write_grant_reaches_no_name_service(void **state)
{
	struct feature_env env = { .grants = &files, .sockets = &sockets, .policy = policy };

	(void)state;
	assert_int_equal(grants_add_take(&files, "/run", -1, true, ACCESS_READ | ACCESS_WRITE, "--fs-write", NULL), 0);
	world.object = "/run/nscd/socket";
	assert_int_equal(ask_connect("/run/nscd/socket", 16).kind, V_RETURN);
	feature_unix.stop(rules);
	policy->net_facts.names = true;
	assert_int_equal(feature_unix.start(&env, &rules, NULL), 0);
	check_errno(ask_connect("/run/nscd/socket", 16), EACCES);
	assert_string_equal(fake.flag, "--unix-allow /run/nscd/socket");
	world.object = "/run/other";
	assert_int_equal(ask_connect("/run/other", 10).kind, V_RETURN);
	assert_int_equal(socket_grants_add(&sockets, "/run/nscd/socket", false, "--unix-allow"), 0);
	world.object = "/run/nscd/socket";
	assert_int_equal(ask_connect("/run/nscd/socket", 16).kind, V_RETURN);
}

static void a_socket_without_a_path_is_refused(void **state)
{
	(void)state;
	check_errno(ask_connect("/srv/gone", 10), EACCES);
	assert_int_equal(fake.connects, 0);
}

static void the_answer_of_the_walk_is_the_childs(void **state)
{
	(void)state;
	world.locate_rc = -ENOENT;
	check_errno(ask_connect("/srv/none", 10), ENOENT);
	world.locate_rc = MUST_WAIT;
	assert_int_equal(ask_connect("/srv/slow", 10).kind, V_LATER);
	assert_int_equal(fake.refusals, 0);
}

static void an_abstract_name_is_used_only_where_the_sandbox_owns_it(void **state)
{
	(void)state;
	world.owns = 1;
	assert_int_equal(ask_connect("\0name", 5).kind, V_RETURN);
	assert_int_equal(world.owns_type, SOCK_STREAM);
	assert_memory_equal(used(), "\0name", 5);
	world.owns = 0;
	check_errno(ask_connect("\0name", 5), EPERM);
	assert_string_equal(fake.target, "@name");
	world.owns = -ECONNREFUSED;
	check_errno(ask_connect("\0name", 5), ECONNREFUSED);
	assert_int_equal(fake.connects, 1);
}

static void bad_addresses_and_other_sockets_are_not_tried(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)state;
	check_errno(ask(FAKE_CALL(&fake, "connect", 7), 1, NULL, 0), EFAULT);
	check_errno(ask(FAKE_CALL(&fake, "connect", 7), 1, &address, 1), EINVAL);
	fake.socket.domain = AF_INET;
	check_errno(ask_connect("/srv/s", 7), EAFNOSUPPORT);
	fake.socket_rc = -EBADF;
	check_errno(ask_connect("/srv/s", 7), EACCES);
	assert_int_equal(fake.connects, 0);
}

static void a_datagram_is_judged_by_its_own_address(void **state)
{
	(void)state;
	fake.socket.type = SOCK_DGRAM;
	world.object = "/srv/d";
	assert_int_equal(ask_sendto("/srv/d").kind, V_RETURN);
	assert_memory_equal(used(), "/proc/self/fd/", 14);
	world.object = "/run/systemd/notify";
	check_errno(ask_sendto("/srv/d"), EACCES);
	assert_int_equal(fake.sends, 1);
}

static void what_a_stream_says_to_an_address_is_the_kernels_to_say(void **state)
{
	(void)state;
	world.object = "/run/docker.sock";
	assert_int_equal(ask_sendto("/x").kind, V_RETURN);
	assert_string_equal(used(), "/x");
	assert_int_equal(fake.refusals, 0);
}

static void starting_without_memory_is_an_error(void **state)
{
	struct feature_env env = { .policy = policy };
	struct error err = { 0 };
	void *made = NULL;

	(void)state;
	fault_arm(0);
	int rc = feature_unix.start(&env, &made, &err);
	assert_true(fault_fired());
	assert_int_equal(rc, -ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_granted_socket_is_used_by_the_descriptor_that_was_judged),
		TEST(a_socket_elsewhere_is_refused_with_its_path_and_the_flag),
		TEST(under_rules_with_names_a_write_grant_reaches_no_name_service),
		TEST(a_socket_without_a_path_is_refused),
		TEST(the_answer_of_the_walk_is_the_childs),
		TEST(an_abstract_name_is_used_only_where_the_sandbox_owns_it),
		TEST(bad_addresses_and_other_sockets_are_not_tried),
		TEST(a_datagram_is_judged_by_its_own_address),
		TEST(what_a_stream_says_to_an_address_is_the_kernels_to_say),
		TEST(starting_without_memory_is_an_error),
	};

	return cmocka_run_group_tests_name("unix", tests, NULL, NULL);
}
