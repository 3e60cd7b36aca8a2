/* The judge of destinations: what is allowed acts on the same bytes, what is not is refused and told. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_kernel.h"
#include "fault.h"

#include "base/fd.h"
#include "base/mem.h"
#include "features/registry.h"

/* --- a matcher of one rule: port 443 of 192.0.2.1 for TCP and UDP, and any ping --- */

struct netmatch {
	int unused;
};

static struct netmatch matcher;
static int denying_rule;                /* what decides when it is not allowed; -1: no rule */
static unsigned allowed_port;           /* 443, until a test says otherwise */
static bool allows_ping;
static const char *pinned_name;         /* the name that the address was pinned for */
static enum net_proto asked_proto;
static struct addr asked;

int netmatch_build(const struct policy *p, const struct net_pin *pins, size_t count, struct netmatch **out)
{
	(void)p;
	(void)pins;
	(void)count;
	*out = &matcher;
	return 0;
}

void netmatch_free(struct netmatch *m)
{
	(void)m;
}

struct net_decision netmatch_decide(const struct netmatch *m, enum net_proto proto, const struct addr *to)
{
	static const uint8_t ip[4] = { 192, 0, 2, 1 };
	bool here = to->family == ADDR_V4 && memcmp(to->ip, ip, 4) == 0;

	(void)m;
	asked_proto = proto;
	asked = *to;
	if (proto == NET_ICMP ? allows_ping : here && to->port == allowed_port)
		return (struct net_decision){ .allowed = true, .rule = 0, .name = pinned_name };
	return (struct net_decision){ .allowed = false, .rule = denying_rule, .name = pinned_name };
}

int netmatch_name(const struct netmatch *m, enum net_proto proto, const char *name, unsigned port)
{
	(void)m;
	return proto == NET_TCP && port == 8443 && strcmp(name, "good.example.com") == 0 ? 3 : -1;
}

const char *netmatch_name_of(const struct netmatch *m, const struct addr *ip)
{
	(void)m;
	(void)ip;
	return pinned_name;
}

/* --- the feature, and the fake kernel's one socket --- */

static const struct fake_object objects[] = { { .name = "fd 7" } };
static struct fake fake;
static struct policy *policy;
static struct openings *openings;
static void *state_of_net;
static struct net_rule rule;
static struct word word = { (char *)"192.0.2.0/24", (char *)"--net-deny" };

static int start(bool judges)
{
	const struct feature_env env = {
		.policy = policy, .net = judges ? &matcher : NULL, .openings = judges ? openings : NULL,
	};

	return feature_net.start(&env, &state_of_net, NULL);
}

static int setup(void **state)
{
	(void)state;
	fake = (struct fake){
		.objects = objects, .object_count = 1, .own_memory = true,
		.socket = FAKE_SOCKET(AF_INET, SOCK_STREAM, IPPROTO_TCP),
	};
	denying_rule = -1;
	allowed_port = 443;
	allows_ping = true;
	pinned_name = NULL;
	policy = calloc(1, sizeof *policy);
	openings = openings_new();
	if (!policy || !openings)
		return -1;
	policy->connect_ports.any = true;
	return start(true);
}

static int teardown(void **state)
{
	(void)state;
	feature_net.stop(state_of_net);
	openings_free(openings);
	free(policy);
	return 0;
}

static struct verdict ask(const struct call *call)
{
	return fake_ask(&feature_net, state_of_net, call);
}

static struct verdict ask_connect(const void *name, size_t len)
{
	struct call call = FAKE_CALL(&fake, "connect", 7);

	fake_bytes(&call, 1, name, len);
	return ask(&call);
}

static struct verdict ask_sendto(const void *name, size_t len)
{
	struct call call = FAKE_CALL(&fake, "sendto", 7, (uintptr_t)"abc", 3);

	fake_bytes(&call, 4, name, len);
	return ask(&call);
}

static struct sockaddr_in v4(const char *ip, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	inet_pton(AF_INET, ip, &to.sin_addr);
	return to;
}

static struct sockaddr_in6 v6(const char *ip, int port)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	inet_pton(AF_INET6, ip, &to.sin6_addr);
	return to;
}

static void an_allowed_connect_is_made_with_the_bytes_that_were_judged(void **state)
{
	struct sockaddr_in to = v4("192.0.2.1", 443);
	struct verdict v = ask_connect(&to, sizeof to);
	int before = fault_open_fds();

	(void)state;
	assert_int_equal(v.kind, V_RETURN);
	assert_int_equal(fake.connects, 1);
	assert_int_equal(fake.name_len, sizeof to);
	assert_memory_equal(fake.name, &to, sizeof to);
	assert_int_equal(asked_proto, NET_TCP);
	ask_connect(&to, sizeof to);
	assert_int_equal(fault_open_fds(), before);
}

static void a_refused_connect_says_where_why_and_what_would_grant_it(void **state)
{
	struct sockaddr_in to = v4("198.51.100.7", 443);
	struct sockaddr_in6 to6 = v6("2001:db8::1", 80);

	(void)state;
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	assert_int_equal(fake.connects, 0);
	assert_int_equal(fake.refusals, 1);
	assert_string_equal(fake.target, "198.51.100.7:443 (tcp)");
	assert_string_equal(fake.rule, "no --net-allow rule covers it");
	assert_string_equal(fake.flag, "--net-allow tcp://198.51.100.7:443");
	fake.socket.domain = AF_INET6;
	check_errno(ask_connect(&to6, sizeof to6), ECONNREFUSED);
	assert_string_equal(fake.flag, "--net-allow tcp://[2001:db8::1]:80");
}

static void a_deny_rule_is_named_and_no_flag_grants_against_it(void **state)
{
	struct sockaddr_in to = v4("192.0.2.9", 443);

	(void)state;
	rule = (struct net_rule){ .deny = true };
	policy->net_rules.at = &rule;
	policy->net_rules.len = 1;
	policy->net_words.at = &word;
	policy->net_words.len = 1;
	denying_rule = 0;
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	assert_string_equal(fake.rule, "--net-deny 192.0.2.0/24");
	assert_string_equal(fake.flag, "");
}

static void a_mapped_address_is_judged_as_ipv4_and_used_as_it_came(void **state)
{
	struct sockaddr_in6 to = v6("::ffff:192.0.2.1", 443);

	(void)state;
	fake.socket.domain = AF_INET6;
	assert_int_equal(ask_connect(&to, sizeof to).kind, V_RETURN);
	assert_int_equal(asked.family, ADDR_V4);
	assert_memory_equal(fake.name, &to, sizeof to);
}

/* 0.0.0.0 is this host to the kernel: a rule that denies loopback must see it, and an allowed one goes where was judged. */
static void the_unspecified_address_is_judged_and_used_as_loopback(void **state)
{
	static const char *const v6s[][2] = { { "::", "::1" }, { "::ffff:0.0.0.0", "::ffff:127.0.0.1" } };
	static const uint8_t loopback[16] = { 127, 0, 0, 1 };
	struct sockaddr_in to = v4("0.0.0.0", 443);
	struct sockaddr_in used;

	(void)state;
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	assert_memory_equal(asked.ip, loopback, 16);
	for (size_t i = 0; i < ARRAY_SIZE(v6s); i++) {
		struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(443) };
		struct addr want;

		inet_pton(AF_INET6, v6s[i][0], &to6.sin6_addr);
		check_errno(ask_connect(&to6, sizeof to6), ECONNREFUSED);
		assert_int_equal(addr_parse(view_of(v6s[i][1]), &want), 0);
		assert_memory_equal(asked.ip, want.ip, 16);
	}
	fake.socket = FAKE_SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	check_errno(ask_sendto(&to, sizeof to), ECONNREFUSED);
	assert_memory_equal(asked.ip, loopback, 16);
	to.sin_family = AF_UNSPEC;
	check_errno(ask_sendto(&to, sizeof to), ECONNREFUSED);
	assert_memory_equal(asked.ip, loopback, 16);
	fake.socket = FAKE_SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	to.sin_family = AF_INET;
	assert_int_equal(ask_connect(&to, sizeof to).kind, V_RETURN);
	memcpy(&used, fake.name, sizeof used);
	assert_int_equal(used.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
}

static void disconnecting_needs_no_rule(void **state)
{
	struct sockaddr_in to = v4("198.51.100.7", 443);

	(void)state;
	to.sin_family = AF_UNSPEC;
	assert_int_equal(ask_connect(&to, sizeof to).kind, V_RETURN);
	assert_int_equal(fake.connects, 1);
}

static void addresses_that_are_none_are_not_tried(void **state)
{
	struct sockaddr_in to = v4("192.0.2.1", 443);
	struct sockaddr_in6 to6 = v6("::ffff:192.0.2.1", 443);
	struct call call = FAKE_CALL(&fake, "connect", 7);

	(void)state;
	check_errno(ask_connect(&to, 0), EINVAL);
	check_errno(ask_connect(&to, 1), EINVAL);
	check_errno(ask_connect(&to, 7), EINVAL);
	check_errno(ask_connect(&to6, 23), EAFNOSUPPORT);      /* an IPv6 address is too short for IPv6 sockets only */
	fake.socket.domain = AF_INET6;
	check_errno(ask_connect(&to6, 23), EINVAL);
	fake.socket.domain = AF_INET;
	to.sin_family = AF_PACKET;
	check_errno(ask_connect(&to, sizeof to), EAFNOSUPPORT);
	check_errno(ask_connect(&to, 8), EINVAL);
	fake_bytes(&call, 1, NULL, 16);
	check_errno(ask(&call), EFAULT);
	call.raw[2] = 0x80000000U;
	check_errno(ask(&call), EINVAL);
	call.arg[0].fd = 8;
	check_errno(ask(&call), EBADF);
	assert_int_equal(fake.connects, 0);
	assert_int_equal(fake.refusals, 0);
}

static void sockets_that_no_rule_can_name_are_refused(void **state)
{
	struct sockaddr_in to = v4("192.0.2.1", 443);

	(void)state;
	fake.socket.protocol = 262;
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	assert_string_equal(fake.target, "an internet socket of another protocol");
	fake.socket.domain = 43;         /* SMC has a protocol 1, as ping has */
	fake.socket.protocol = IPPROTO_ICMP;
	check_errno(ask_connect(&to, sizeof to), EAFNOSUPPORT);
	assert_string_equal(fake.target, "a socket of another family");
	fake.socket = FAKE_SOCKET(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	check_errno(ask_sendto(&to, sizeof to), ECONNREFUSED);
	assert_string_equal(fake.operation, "send");
	fake.socket_rc = -EBADF;
	check_errno(ask_connect(&to, sizeof to), EACCES);
	check_errno(ask_sendto(&to, sizeof to), EACCES);
	assert_int_equal(fake.refusals, 6);
	assert_int_equal(fake.connects, 0);
}

static void unix_sockets_by_path_are_somebody_elses(void **state)
{
	struct sockaddr to = { .sa_family = AF_UNIX };

	(void)state;
	fake.socket = FAKE_SOCKET(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(ask_connect(&to, sizeof to).kind, V_NEXT);
	to.sa_family = AF_UNSPEC;
	assert_int_equal(ask_connect(&to, sizeof to).kind, V_RETURN);
}

static void the_ports_of_landlock_hold_here_too(void **state)
{
	struct sockaddr_in to = v4("192.0.2.1", 443);

	(void)state;
	policy->connect_ports.any = false;
	check_errno(ask_connect(&to, sizeof to), EACCES);
	policy->connect_ports.bits[443 / 64] |= 1ULL << (443 % 64);
	assert_int_equal(ask_connect(&to, sizeof to).kind, V_RETURN);
}

static void without_rules_of_addresses_only_those_ports_count(void **state)
{
	struct sockaddr_in to = v4("198.51.100.7", 80);

	(void)state;
	feature_net.stop(state_of_net);
	assert_int_equal(start(false), 0);
	assert_int_equal(ask_connect(&to, sizeof to).kind, V_RETURN);
	policy->connect_ports.any = false;
	check_errno(ask_connect(&to, sizeof to), EACCES);
	policy->connect_ports.any = true;
	fake.socket = FAKE_SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
}

static void an_address_that_a_name_opened_may_be_used_for_its_rule(void **state)
{
	struct sockaddr_in to = v4("203.0.113.5", 8443);
	struct addr ip;

	(void)state;
	assert_int_equal(addr_from_sockaddr(&to, sizeof to, &ip), 0);
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	assert_int_equal(openings_add(openings, "other.example.com", &ip, UINT64_MAX), 0);
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	assert_int_equal(openings_add(openings, "good.example.com", &ip, UINT64_MAX), 0);
	assert_int_equal(ask_connect(&to, sizeof to).kind, V_RETURN);
	to.sin_port = htons(22);
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	to.sin_port = htons(8443);
	denying_rule = 0;
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
}

static void an_opening_never_reaches_the_metadata_service(void **state)
{
	struct sockaddr_in to = v4("169.254.169.254", 8443);
	struct addr ip;

	(void)state;
	assert_int_equal(addr_from_sockaddr(&to, sizeof to, &ip), 0);
	assert_int_equal(openings_add(openings, "good.example.com", &ip, UINT64_MAX), 0);
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	assert_string_equal(fake.rule, "it is a cloud's metadata service, which only a rule with this address opens");
}

static void the_report_names_what_an_address_was_found_by(void **state)
{
	struct sockaddr_in to = v4("203.0.113.5", 22);
	struct addr ip;

	(void)state;
	pinned_name = "pinned.example.com";
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	assert_string_equal(fake.operation, "connect");
	assert_string_equal(fake.target, "203.0.113.5:22 (tcp, pinned.example.com)");
	assert_string_equal(fake.flag, "--net-allow tcp://pinned.example.com:22");
	denying_rule = 0;
	rule = (struct net_rule){ .deny = true };
	policy->net_rules.at = &rule;
	policy->net_words.at = &word;
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	assert_string_equal(fake.target, "203.0.113.5:22 (tcp, pinned.example.com)");
	assert_string_equal(fake.flag, "");
	denying_rule = -1;
	pinned_name = NULL;
	assert_int_equal(addr_from_sockaddr(&to, sizeof to, &ip), 0);
	assert_int_equal(openings_add(openings, "good.example.com", &ip, UINT64_MAX), 0);
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	assert_string_equal(fake.target, "203.0.113.5:22 (tcp, good.example.com)");
	assert_string_equal(fake.flag, "--net-allow tcp://good.example.com:22");
}

static void a_metadata_service_is_advised_by_its_address_alone(void **state)
{
	struct sockaddr_in to = v4("169.254.169.254", 80);

	(void)state;
	pinned_name = "metadata.example.com";
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	assert_string_equal(fake.flag, "--net-allow tcp://169.254.169.254:80");
}

/* A rule for the server would open DNS to everything; sandlock looks up the names of rules itself. */
static void a_refused_name_server_is_no_advice(void **state)
{
	struct sockaddr_in to = v4("192.0.2.53", 53);

	(void)state;
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	assert_string_equal(fake.target, "192.0.2.53:53 (tcp)");
	assert_string_equal(fake.flag, "--net-allow NAME:PORT");
}

/* Port 53 of a rule that allows every port is the resolver's; a rule that means a name server has it. */
static void under_rules_with_names_port_53_leaves_only_by_a_rule_that_means_it(void **state)
{
	static struct port_range ranges[] = { { 1, 65535 }, { 53, 53 } };
	struct sockaddr_in to = v4("192.0.2.1", 53);

	(void)state;
	rule = (struct net_rule){ .ports = &ranges[0], .port_count = 1 };
	policy->net_rules.at = &rule;
	policy->net_rules.len = 1;
	allowed_port = 53;
	assert_int_equal(ask_connect(&to, sizeof to).kind, V_RETURN);
	feature_net.stop(state_of_net);
	policy->net_facts.names = true;
	assert_int_equal(start(true), 0);
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	assert_string_equal(fake.rule, "names are looked up by sandlock's resolver alone");
	assert_string_equal(fake.flag, "");
	rule.ports = &ranges[1];
	assert_int_equal(ask_connect(&to, sizeof to).kind, V_RETURN);
	to.sin_port = htons(443);
	allowed_port = 443;
	rule.ports = &ranges[0];
	assert_int_equal(ask_connect(&to, sizeof to).kind, V_RETURN);
}

static void a_socket_of_the_island_may_be_told_any_address(void **state)
{
	struct sockaddr_in to = v4("198.51.100.7", 53);

	(void)state;
	fake.in_island = true;
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);       /* no rules with names: there is no island */
	feature_net.stop(state_of_net);
	policy->net_facts.names = true;
	assert_int_equal(start(true), 0);
	assert_int_equal(ask_connect(&to, sizeof to).kind, V_RETURN);
	fake.socket = FAKE_SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	check_value(ask_sendto(&to, sizeof to), 3);
	fake.in_island = false;
	check_errno(ask_connect(&to, sizeof to), ECONNREFUSED);
	check_errno(ask_sendto(&to, sizeof to), ECONNREFUSED);
}

static void any_reason_to_judge_connects_makes_it_wanted(void **state)
{
	struct policy p = { 0 };

	(void)state;
	assert_false(feature_net.wanted(&p));
	p.port_remap = true;
	assert_true(feature_net.wanted(&p));
	p.port_remap = false;
	p.net_facts.judged = true;
	assert_true(feature_net.wanted(&p));
	p.no_supervisor = true;
	assert_false(feature_net.wanted(&p));
	p = (struct policy){ .fs_write = { .len = 1 } };
	assert_true(feature_net.wanted(&p));
	p.no_unix_write = true;
	assert_false(feature_net.wanted(&p));
}

static void sends_are_trapped_where_a_socket_can_take_an_address_with_a_message(void **state)
{
	struct policy p = { 0 };

	(void)state;
	for (size_t i = 0; i < feature_net.handler_count; i++) {
		const struct handler *h = &feature_net.handlers[i];

		if (!h->when)
			continue;
		p = (struct policy){ .net_facts.protos[NET_TCP] = true };
		assert_false(h->when(&p));
		p.net_facts.protos[NET_UDP] = true;
		assert_true(h->when(&p));
		p = (struct policy){ .net_facts.protos[NET_ICMP] = true };
		assert_true(h->when(&p));
		p = (struct policy){ .unix_allow = { .len = 1 } };
		assert_true(h->when(&p));
	}
}

/* --- sends --- */

static void a_datagram_is_judged_by_its_own_address(void **state)
{
	struct sockaddr_in good = v4("192.0.2.1", 443);
	struct sockaddr_in bad = v4("192.0.2.1", 53);

	(void)state;
	fake.socket = FAKE_SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	struct verdict v = ask_sendto(&good, sizeof good);
	assert_int_equal(v.kind, V_RETURN);
	assert_int_equal(v.value, 3);
	assert_memory_equal(fake.name, &good, sizeof good);
	assert_int_equal(asked_proto, NET_UDP);
	check_errno(ask_sendto(&bad, sizeof bad), ECONNREFUSED);
	assert_string_equal(fake.target, "192.0.2.1:53 (udp)");
	check_errno(ask_sendto(&good, 1), EINVAL);
	check_errno(ask_sendto(&good, 7), EINVAL);
	assert_int_equal(fake.sends, 1);
}

static void a_ping_has_no_port_in_the_report(void **state)
{
	struct sockaddr_in to = v4("198.51.100.7", 0);

	(void)state;
	fake.socket = FAKE_SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	assert_int_equal(ask_sendto(&to, sizeof to).kind, V_RETURN);
	assert_int_equal(asked_proto, NET_ICMP);
	allows_ping = false;
	check_errno(ask_sendto(&to, sizeof to), ECONNREFUSED);
	assert_string_equal(fake.operation, "send");
	assert_string_equal(fake.target, "198.51.100.7 (icmp)");
	assert_string_equal(fake.flag, "--net-allow icmp://198.51.100.7");
}

static void the_largest_datagram_is_judged_and_a_larger_one_is_none(void **state)
{
	static char data[0x10000];
	struct sockaddr_in to = v4("192.0.2.1", 443);

	(void)state;
	fake.socket = FAKE_SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	for (size_t len = 0xffff; len <= 0x10000; len++) {
		struct call call = FAKE_CALL(&fake, "sendto", 7, (uintptr_t)data, len);

		call.may_wait = true;
		fake_bytes(&call, 4, &to, sizeof to);
		if (len == 0xffff)
			check_value(ask(&call), 0xffff);
		else
			check_errno(ask(&call), EMSGSIZE);
	}
	assert_int_equal(fake.sends, 1);
}

static void an_unspecified_family_is_ipv4_to_a_datagram_socket_of_it(void **state)
{
	struct sockaddr_in to = v4("198.51.100.7", 443);

	(void)state;
	to.sin_family = AF_UNSPEC;
	fake.socket = FAKE_SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	check_errno(ask_sendto(&to, sizeof to), ECONNREFUSED);
	fake.socket.domain = AF_INET6;           /* there it is no address at all, and a socket can become one of IPv4 */
	fake.name_len = sizeof to;
	assert_int_equal(ask_sendto(&to, sizeof to).kind, V_RETURN);
	assert_int_equal(fake.name_len, 0);
	to.sin_family = AF_UNIX;
	check_errno(ask_sendto(&to, sizeof to), EINVAL);
	fake.socket.domain = AF_INET;
	check_errno(ask_sendto(&to, sizeof to), EAFNOSUPPORT);
}

static void a_stream_sends_to_its_peer_whatever_address_stands_there(void **state)
{
	struct sockaddr_in to = v4("198.51.100.7", 443);

	(void)state;
	assert_int_equal(ask_sendto(&to, sizeof to).kind, V_RETURN);
	assert_int_equal(fake.name_len, 0);
	fake.socket = FAKE_SOCKET(16, SOCK_RAW, 6);
	fake.socket.protocol = 0;
	check_errno(ask_sendto(&to, sizeof to), EAFNOSUPPORT);
}

static void what_is_sent_on_a_unix_socket_is_left_to_the_next_feature(void **state)
{
	struct sockaddr_in to = v4("198.51.100.7", 443);

	(void)state;
	fake.socket = FAKE_SOCKET(AF_UNIX, SOCK_DGRAM, 0);
	assert_int_equal(ask_sendto(&to, sizeof to).kind, V_NEXT);
	assert_int_equal(fake.sends, 0);
}

static void fast_open_is_refused_here_too(void **state)
{
	struct call call = FAKE_CALL(&fake, "sendto", 7);
	struct sockaddr_in to = v4("192.0.2.1", 443);

	(void)state;
	call.raw[2] = 1;
	call.raw[3] = 0x20000000;
	fake_bytes(&call, 4, &to, sizeof to);
	check_errno(ask(&call), EOPNOTSUPP);
	assert_int_equal(fake.sends, 0);
}

static void each_message_of_a_batch_is_judged(void **state)
{
	struct sockaddr_in good = v4("192.0.2.1", 443);
	struct sockaddr_in bad = v4("192.0.2.1", 53);
	struct iovec part = { &good, 4 };
	struct mmsghdr all[3] = { { { .msg_name = &good, .msg_namelen = sizeof good, .msg_iov = &part, .msg_iovlen = 1 }, 0 } };
	struct call call = FAKE_CALL(&fake, "sendmsg", 7);

	(void)state;
	fake.socket = FAKE_SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	all[1] = all[0];
	all[1].msg_hdr.msg_name = &bad;
	call.raw[1] = (uint64_t)(uintptr_t)&all[0];
	assert_int_equal(ask(&call).value, 4);
	call.raw[1] = (uint64_t)(uintptr_t)&all[1];
	check_errno(ask(&call), ECONNREFUSED);
	call.raw[1] = 8;
	check_errno(ask(&call), EFAULT);
	call = FAKE_CALL(&fake, "sendmmsg", 7);
	call.raw[1] = (uint64_t)(uintptr_t)&all[1];
	call.raw[2] = 2;
	check_errno(ask(&call), ECONNREFUSED);
	assert_int_equal(fake.sends, 1);
}

static void starting_without_memory_is_an_error(void **state)
{
	struct feature_env env = { .policy = policy };
	void *made = NULL;
	struct error err = { 0 };

	(void)state;
	fault_arm(0);
	int rc = feature_net.start(&env, &made, &err);
	assert_true(fault_fired());
	assert_int_equal(rc, -ENOMEM);
	assert_null(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(an_allowed_connect_is_made_with_the_bytes_that_were_judged),
		TEST(a_refused_connect_says_where_why_and_what_would_grant_it),
		TEST(a_deny_rule_is_named_and_no_flag_grants_against_it),
		TEST(a_mapped_address_is_judged_as_ipv4_and_used_as_it_came),
		TEST(the_unspecified_address_is_judged_and_used_as_loopback),
		TEST(disconnecting_needs_no_rule),
		TEST(addresses_that_are_none_are_not_tried),
		TEST(sockets_that_no_rule_can_name_are_refused),
		TEST(unix_sockets_by_path_are_somebody_elses),
		TEST(the_ports_of_landlock_hold_here_too),
		TEST(without_rules_of_addresses_only_those_ports_count),
		TEST(an_address_that_a_name_opened_may_be_used_for_its_rule),
		TEST(an_opening_never_reaches_the_metadata_service),
		TEST(the_report_names_what_an_address_was_found_by),
		TEST(a_metadata_service_is_advised_by_its_address_alone),
		TEST(a_refused_name_server_is_no_advice),
		TEST(under_rules_with_names_port_53_leaves_only_by_a_rule_that_means_it),
		TEST(a_socket_of_the_island_may_be_told_any_address),
		TEST(any_reason_to_judge_connects_makes_it_wanted),
		TEST(sends_are_trapped_where_a_socket_can_take_an_address_with_a_message),
		TEST(a_datagram_is_judged_by_its_own_address),
		TEST(the_largest_datagram_is_judged_and_a_larger_one_is_none),
		TEST(a_ping_has_no_port_in_the_report),
		TEST(an_unspecified_family_is_ipv4_to_a_datagram_socket_of_it),
		TEST(a_stream_sends_to_its_peer_whatever_address_stands_there),
		TEST(what_is_sent_on_a_unix_socket_is_left_to_the_next_feature),
		TEST(fast_open_is_refused_here_too),
		TEST(each_message_of_a_batch_is_judged),
		TEST(starting_without_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
