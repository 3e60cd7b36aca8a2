/* Joining groups: which are joined, with what value, and what is said of the others. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "fake_kernel.h"
#include "fault.h"
#include "features/registry.h"

#define AT 0x7000               /* of the value in the caller's memory */

static const struct fake_object objects[] = { { .name = "fd 7" } };
static struct fake fake;
static struct kernel_ops ops;
static struct {
	struct policy *policy;
	struct netmatch *match;
	struct portmap *ports;
	void *feature;
	uint16_t bound;
} world;

static int socket_name(const struct call *call, int sock, bool peer, void *name, size_t *len)
{
	const struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(world.bound) };

	(void)call;
	(void)sock;
	assert_false(peer);
	memcpy(name, &any, sizeof any);
	*len = sizeof any;
	return 0;
}

static void start(const char *allow, const char *deny)
{
	struct error err = { 0 };

	world.policy = policy_new();
	assert_int_equal(policy_add(world.policy, "network.allow", allow, "--net-allow", NULL), 0);
	if (deny)
		assert_int_equal(policy_add(world.policy, "network.deny", deny, "--net-deny", NULL), 0);
	assert_int_equal(policy_freeze(world.policy, &err), 0);
	assert_int_equal(netmatch_build(world.policy, NULL, 0, &world.match), 0);
	world.ports = portmap_new(NULL, NULL);
	const struct feature_env env = { .policy = world.policy, .net = world.match, .ports = world.ports };
	assert_int_equal(feature_groups.start(&env, &world.feature, &err), 0);
}

static void stop(void)
{
	feature_groups.stop(world.feature);
	portmap_free(world.ports);
	netmatch_free(world.match);
	policy_free(world.policy);
}

static int setup(void **state)
{
	(void)state;
	fake = (struct fake){ .objects = objects, .object_count = 1, .memory_at = AT,
			      .socket = FAKE_SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP) };
	ops = fake_ops;
	ops.socket_name = socket_name;
	world.bound = 0;
	return 0;
}

static struct verdict set_option(int level, int option, const void *value, size_t len, int said)
{
	struct call call = FAKE_CALL(&fake, "setsockopt", 7, (uint64_t)level, (uint64_t)option, AT, (uint32_t)said);

	memset(fake.memory, 0xee, sizeof fake.memory);
	memcpy(fake.memory, value, len);
	fake.acts = fake.refusals = 0;
	call.kernel = &ops;
	return fake_ask(&feature_groups, world.feature, &call);
}

static void check_joined(struct verdict v, int level, int option, const void *value, size_t len)
{
	check_value(v, 0);
	assert_int_equal(fake.acts, 1);
	assert_string_equal(fake.acted, "join");
	assert_int_equal(fake.value[0], level);
	assert_int_equal(fake.value[1], option);
	assert_int_equal(fake.out_len, len);
	assert_memory_equal(fake.out, value, len);
	assert_int_equal(fake.refusals, 0);
}

static void check_refused(struct verdict v, const char *target, const char *rule, const char *flag)
{
	check_errno(v, EPERM);
	assert_int_equal(fake.acts, 0);
	assert_int_equal(fake.refusals, 1);
	assert_string_equal(fake.operation, "join");
	assert_string_equal(fake.target, target);
	assert_string_equal(fake.rule, rule);
	assert_string_equal(fake.flag, flag);
}

static struct ip_mreqn group4(const char *text)
{
	struct ip_mreqn value = { .imr_ifindex = 3 };

	assert_int_equal(inet_pton(AF_INET, text, &value.imr_multiaddr), 1);
	return value;
}

static struct verdict join4(const char *text)
{
	const struct ip_mreqn value = group4(text);

	return set_option(IPPROTO_IP, IP_ADD_MEMBERSHIP, &value, sizeof value, sizeof value);
}

static struct verdict join6(const char *text)
{
	struct ipv6_mreq value = { .ipv6mr_interface = 1 };

	assert_int_equal(inet_pton(AF_INET6, text, &value.ipv6mr_multiaddr), 1);
	return set_option(IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &value, sizeof value, sizeof value);
}

static struct sockaddr_storage name_of(const char *text)
{
	struct sockaddr_storage name = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&name;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&name;

	if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
		name.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		name.ss_family = AF_INET6;
	return name;
}

static void every_option_joins_a_group_that_a_rule_has(void **state)
{
	const struct ip_mreqn four = group4("239.1.2.3");
	struct ip_mreq_source source = { .imr_multiaddr = four.imr_multiaddr, .imr_sourceaddr.s_addr = htonl(0xc0000201) };
	struct group_req any4 = { .gr_group = name_of("239.1.2.3") };
	struct group_req any6 = { .gr_group = name_of("ff02::fb") };
	struct group_source_req from4 = { .gsr_group = name_of("239.1.2.3"), .gsr_source = name_of("192.0.2.1") };
	struct group_source_req from6 = { .gsr_group = name_of("ff02::fb"), .gsr_source = name_of("2001:db8::1") };
	struct ipv6_mreq six = { .ipv6mr_interface = 1 };
	const struct {
		int level, option;
		const void *value;
		size_t len;
		int longer;             /* what it says to one byte more: 0, or the errno */
	} rows[] = {
		{ IPPROTO_IP, IP_ADD_MEMBERSHIP, &four, sizeof four, 0 },
		{ IPPROTO_IP, IP_ADD_MEMBERSHIP, &four, sizeof(struct ip_mreq), 0 },
		{ IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &source, sizeof source, EINVAL },
		{ IPPROTO_IP, MCAST_JOIN_GROUP, &any4, sizeof any4, 0 },
		{ IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &from4, sizeof from4, EINVAL },
		{ IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &six, sizeof six, 0 },
		{ IPPROTO_IPV6, MCAST_JOIN_GROUP, &any6, sizeof any6, 0 },
		{ IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, &from6, sizeof from6, EINVAL },
	};

	(void)state;
	start("udp://*:5353", NULL);
	assert_int_equal(inet_pton(AF_INET6, "ff02::fb", &six.ipv6mr_multiaddr), 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const int len = (int)rows[i].len;

		check_joined(set_option(rows[i].level, rows[i].option, rows[i].value, rows[i].len, len), rows[i].level,
			     rows[i].option, rows[i].value, rows[i].len);
		struct verdict v = set_option(rows[i].level, rows[i].option, rows[i].value, rows[i].len, len - 1);
		if (i == 0)             /* between two shapes: the shorter one */
			check_joined(v, IPPROTO_IP, IP_ADD_MEMBERSHIP, &four, sizeof(struct ip_mreq));
		else
			check_errno(v, EINVAL);
		v = set_option(rows[i].level, rows[i].option, rows[i].value, rows[i].len, len + 1);
		if (rows[i].longer)
			check_errno(v, rows[i].longer);
		else
			check_joined(v, rows[i].level, rows[i].option, rows[i].value, rows[i].len);
		check_errno(set_option(rows[i].level, rows[i].option, rows[i].value, rows[i].len, -1), EINVAL);
	}
	stop();
}

static void other_groups_are_refused_with_the_rule_that_helps(void **state)
{
	(void)state;
	start("udp://224.0.0.251:5353", NULL);
	assert_int_equal(join4("224.0.0.251").kind, V_RETURN);
	world.bound = 5353;
	check_refused(join4("224.0.0.252"), "224.0.0.252 (IP_ADD_MEMBERSHIP)", "no --net-allow rule for UDP has this group",
		      "--net-allow udp://224.0.0.252:5353");
	check_refused(join6("ff02::fb"), "ff02::fb (IPV6_ADD_MEMBERSHIP)", "no --net-allow rule for UDP has this group",
		      "--net-allow udp://[ff02::fb]:5353");
	world.bound = 0;
	check_refused(join4("224.0.0.1"), "224.0.0.1 (IP_ADD_MEMBERSHIP)", "no --net-allow rule for UDP has this group",
		      "--net-allow udp://224.0.0.1");
	stop();
}

static void a_denial_wins_where_it_leaves_no_port(void **state)
{
	(void)state;
	start("udp://224.0.0.0/4:5353", "udp://224.0.0.251:5353");
	assert_int_equal(join4("224.0.0.252").kind, V_RETURN);
	check_refused(join4("224.0.0.251"), "224.0.0.251 (IP_ADD_MEMBERSHIP)", "--net-deny udp://224.0.0.251:5353", "");
	stop();
	start("udp://224.0.0.251:5353,6000", "udp://224.0.0.251:1-5999");
	assert_int_equal(join4("224.0.0.251").kind, V_RETURN);
	stop();
	start("udp://*", "udp://224.0.0.251");
	check_refused(join4("224.0.0.251"), "224.0.0.251 (IP_ADD_MEMBERSHIP)", "--net-deny udp://224.0.0.251", "");
	stop();
}

static void only_sockets_of_udp_join(void **state)
{
	static const struct socket_info others[] = {
		FAKE_SOCKET(AF_INET, SOCK_STREAM, IPPROTO_TCP), FAKE_SOCKET(AF_INET6, SOCK_STREAM, IPPROTO_TCP),
		FAKE_SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), FAKE_SOCKET(AF_UNIX, SOCK_DGRAM, IPPROTO_UDP),
	};

	(void)state;
	start("udp://*", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		fake.socket = others[i];
		check_refused(join4("224.0.0.251"), "224.0.0.251 (IP_ADD_MEMBERSHIP)", "only sockets of UDP join groups", "");
	}
	fake.socket = FAKE_SOCKET(AF_INET6, SOCK_DGRAM, IPPROTO_UDP);
	assert_int_equal(join4("224.0.0.251").kind, V_RETURN);
	fake.socket_rc = -EBADF;
	check_errno(join4("224.0.0.251"), EACCES);
	assert_int_equal(fake.acts, 0);
	assert_string_equal(fake.rule, "the socket cannot be judged: pidfd_getfd is refused to sandlock here");
	fake.socket_rc = -ENOTSOCK;
	check_errno(join4("224.0.0.251"), ENOTSOCK);
	stop();
}

static void what_is_no_group_is_answered_as_the_kernel_does(void **state)
{
	struct group_req wrong4 = { .gr_group = name_of("ff02::fb") };
	struct group_req wrong6 = { .gr_group = name_of("224.0.0.251") };
	struct group_source_req wrong = { .gsr_group = name_of("ff02::fb") };
	const struct ip_mreqn value = group4("224.0.0.251");

	(void)state;
	start("udp://*", NULL);
	check_errno(join4("192.0.2.1"), EINVAL);
	check_errno(join4("255.255.255.255"), EINVAL);
	check_errno(join6("2001:db8::1"), EINVAL);
	check_errno(join6("::ffff:224.0.0.251"), EINVAL);
	check_errno(set_option(IPPROTO_IP, MCAST_JOIN_GROUP, &wrong4, sizeof wrong4, sizeof wrong4), EINVAL);
	check_errno(set_option(IPPROTO_IPV6, MCAST_JOIN_GROUP, &wrong6, sizeof wrong6, sizeof wrong6), EADDRNOTAVAIL);
	check_errno(set_option(IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &wrong, sizeof wrong, sizeof wrong), EADDRNOTAVAIL);
	fake.memory_at = AT + 1;
	check_errno(set_option(IPPROTO_IP, IP_ADD_MEMBERSHIP, &value, sizeof value, sizeof value), EFAULT);
	assert_int_equal(fake.acts, 0);
	fake.memory_at = AT;
	fake.fail = -ENODEV;
	check_errno(join4("224.0.0.251"), ENODEV);
	stop();
}

static void other_options_are_passed_on(void **state)
{
	const int on = 1;

	(void)state;
	start("udp://*", NULL);
	assert_int_equal(set_option(SOL_SOCKET, SO_REUSEPORT, &on, sizeof on, sizeof on).kind, V_NEXT);
	assert_int_equal(set_option(SOL_SOCKET, IP_ADD_MEMBERSHIP, &on, sizeof on, sizeof on).kind, V_NEXT);
	assert_int_equal(fake.pins, 0);
	stop();
}

static void every_failure_closes_what_was_open(void **state)
{
	const int before = fault_open_fds();

	(void)state;
	start("udp://224.0.0.251:5353", NULL);
	for (int n = 0;; n++) {
		fault_arm(n);
		struct verdict v = join4("224.0.0.1");
		bool fired = fault_fired();

		check_errno(v, EPERM);
		assert_int_equal(fault_open_fds(), before);
		if (!fired)
			break;
	}
	stop();
	struct error err = { 0 };
	void *made = NULL;
	fault_arm(0);
	int rc = feature_groups.start(&(struct feature_env){ 0 }, &made, &err);
	assert_true(fault_fired());
	assert_int_equal(rc, -ENOMEM);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(every_option_joins_a_group_that_a_rule_has),
		TEST(other_groups_are_refused_with_the_rule_that_helps),
		TEST(a_denial_wins_where_it_leaves_no_port),
		TEST(only_sockets_of_udp_join),
		TEST(what_is_no_group_is_answered_as_the_kernel_does),
		TEST(other_options_are_passed_on),
		TEST(every_failure_closes_what_was_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
