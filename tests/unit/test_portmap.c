/* Unit tests of policy/portmap.c and policy/porttable.c: what was bound, and what the kernel's tables say. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fault.h"
#include "policy/netview.h"
#include "policy/portmap.h"
#include "policy/porttable.h"

static struct addr ip(const char *text, uint16_t port)
{
	struct addr a;

	assert_int_equal(addr_parse(view_of(text), &a), 0);
	a.port = port;
	return a;
}

static struct port_entry entry(enum net_proto proto, const char *address, uint16_t asked, uint16_t real, uint64_t inode)
{
	return (struct port_entry){
		.proto = proto, .asked = asked, .real = real, .address = ip(address, 0), .inode = inode,
	};
}

static void add(struct portmap *m, struct port_entry e)
{
	assert_int_equal(portmap_add(m, &e), 0);
}

static uint16_t real_of(struct portmap *m, enum net_proto proto, const char *address, uint16_t asked)
{
	const struct addr at = ip(address, asked);

	return portmap_real(m, proto, &at);
}

static void a_wildcard_is_in_the_way_of_what_it_stands_for(void **state)
{
	static const struct { const char *a, *b; bool overlap; } rows[] = {
		{ "127.0.0.1", "127.0.0.1", true },     { "127.0.0.1", "127.0.0.2", false },
		{ "0.0.0.0", "127.0.0.1", true },       { "0.0.0.0", "::1", false },
		{ "::", "::1", true },                  { "::", "127.0.0.1", true },
		{ "::", "0.0.0.0", true },              { "::1", "127.0.0.1", false },
		{ "::ffff:127.0.0.1", "127.0.0.1", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct addr a = ip(rows[i].a, 0), b = ip(rows[i].b, 0);

		assert_int_equal(port_overlaps(&a, &b), rows[i].overlap);
		assert_int_equal(port_overlaps(&b, &a), rows[i].overlap);
	}
}

static void a_port_is_found_by_protocol_address_and_number(void **state)
{
	struct portmap *m = portmap_new(NULL, NULL);

	(void)state;
	assert_non_null(m);
	assert_int_equal(real_of(m, NET_TCP, "127.0.0.1", 8080), 0);
	add(m, entry(NET_TCP, "0.0.0.0", 8080, 40001, 7));
	assert_int_equal(real_of(m, NET_TCP, "127.0.0.1", 8080), 40001);
	assert_int_equal(real_of(m, NET_TCP, "::1", 8080), 0);
	assert_int_equal(real_of(m, NET_UDP, "127.0.0.1", 8080), 0);
	assert_int_equal(real_of(m, NET_TCP, "127.0.0.1", 8081), 0);
	assert_int_equal(portmap_remembered(m, NET_TCP, 8080), 40001);
	assert_int_equal(portmap_asked(m, NET_TCP, 40001), 8080);
	assert_int_equal(portmap_asked(m, NET_UDP, 40001), 40001);
	assert_int_equal(portmap_asked(m, NET_TCP, 8080), 8080);
	add(m, entry(NET_TCP, "::1", 8080, 40002, 8));
	assert_int_equal(real_of(m, NET_TCP, "::1", 8080), 40002);
	assert_int_equal(real_of(m, NET_TCP, "127.0.0.1", 8080), 40001);
	portmap_free(m);
}

static void the_newest_of_two_at_one_place_counts(void **state)
{
	struct portmap *m = portmap_new(NULL, NULL);
	struct port_entry *list;
	size_t count;

	(void)state;
	add(m, entry(NET_TCP, "127.0.0.1", 80, 40001, 1));
	add(m, entry(NET_TCP, "127.0.0.2", 80, 40002, 2));
	add(m, entry(NET_TCP, "127.0.0.1", 80, 40003, 3));
	assert_int_equal(real_of(m, NET_TCP, "127.0.0.1", 80), 40003);
	assert_int_equal(portmap_remembered(m, NET_TCP, 80), 40003);
	assert_int_equal(portmap_list(m, &list, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(list[0].real, 40002);
	mem_free(list);
	portmap_free(m);
}

static void a_live_socket_is_known_by_its_inode(void **state)
{
	struct portmap *m = portmap_new(NULL, NULL);
	const uint64_t live[] = { 3, 7 };
	const struct addr here = ip("127.0.0.1", 80), there = ip("127.0.0.2", 80), any = ip("0.0.0.0", 80);

	(void)state;
	add(m, entry(NET_TCP, "127.0.0.1", 80, 40001, 7));
	assert_true(portmap_is_bound(m, NET_TCP, &here, live, 2));
	assert_true(portmap_is_bound(m, NET_TCP, &any, live, 2));
	assert_false(portmap_is_bound(m, NET_TCP, &there, live, 2));
	assert_false(portmap_is_bound(m, NET_UDP, &here, live, 2));
	assert_false(portmap_is_bound(m, NET_TCP, &here, live, 1));
	assert_true(portmap_knows(m, 7));
	assert_false(portmap_knows(m, 3));
	assert_false(port_inode_among(0, (const uint64_t[]){ 0 }, 1));
	portmap_free(m);
}

static void trust_ends(void **state)
{
	struct portmap *m = portmap_new(NULL, NULL);
	const struct addr at = ip("127.0.0.1", 80);

	(void)state;
	portmap_trust(m, NET_TCP, &at, 40001, 100);
	assert_false(portmap_is_trusted(m, NET_TCP, &at, 50));
	add(m, entry(NET_TCP, "127.0.0.1", 80, 40001, 7));
	portmap_trust(m, NET_TCP, &at, 40009, 100);
	assert_false(portmap_is_trusted(m, NET_TCP, &at, 99));
	portmap_trust(m, NET_TCP, &at, 40001, 100);
	assert_true(portmap_is_trusted(m, NET_TCP, &at, 99));
	assert_false(portmap_is_trusted(m, NET_UDP, &at, 99));
	assert_false(portmap_is_trusted(m, NET_TCP, &at, 100));
	add(m, entry(NET_TCP, "127.0.0.1", 80, 40001, 8));
	assert_false(portmap_is_trusted(m, NET_TCP, &at, 99));
	portmap_free(m);
}

static void what_is_true_of_one_address_is_not_of_another_with_the_same_port(void **state)
{
	struct portmap *m = portmap_new(NULL, NULL);
	const struct addr here = ip("127.0.0.1", 80), there = ip("127.0.0.2", 80), six = ip("::1", 80);

	(void)state;
	add(m, entry(NET_TCP, "127.0.0.1", 80, 40001, 7));
	add(m, entry(NET_TCP, "127.0.0.2", 80, 40001, 8));
	portmap_trust(m, NET_TCP, &here, 40001, 100);
	assert_true(portmap_is_trusted(m, NET_TCP, &here, 50));
	assert_false(portmap_is_trusted(m, NET_TCP, &there, 50));
	add(m, entry(NET_TCP, "::", 80, 40002, 9));
	portmap_trust(m, NET_TCP, &six, 40002, 100);
	assert_true(portmap_is_trusted(m, NET_TCP, &six, 50));
	assert_false(portmap_is_trusted(m, NET_TCP, &here, 50));
	portmap_free(m);
}

static void only_a_client_whose_numbers_differ_is_one_to_look_out_for(void **state)
{
	struct portmap *m = portmap_new(NULL, NULL);

	(void)state;
	assert_false(portmap_differs(m, NET_TCP));
	add(m, entry(NET_TCP, "127.0.0.1", 80, 80, 7));
	portmap_mark_client(m, 80);
	assert_false(portmap_differs(m, NET_TCP) || portmap_has_clients(m));
	add(m, entry(NET_TCP, "127.0.0.1", 81, 40001, 8));
	assert_true(portmap_differs(m, NET_TCP));
	assert_false(portmap_differs(m, NET_UDP) || portmap_has_clients(m));
	portmap_mark_client(m, 40001);
	assert_true(portmap_has_clients(m));
	add(m, entry(NET_TCP, "127.0.0.1", 81, 40002, 9));
	assert_false(portmap_has_clients(m));
	portmap_free(m);
}

static void a_full_map_forgets_what_has_no_other_number(void **state)
{
	struct portmap *m = portmap_new(NULL, NULL);

	(void)state;
	add(m, entry(NET_TCP, "127.0.0.1", 1, 40001, 1));
	for (unsigned i = 0; i < PORTMAP_MAX + 10; i++)
		add(m, entry(NET_TCP, "127.0.0.1", (uint16_t)(1000 + i), (uint16_t)(1000 + i), 1));
	assert_int_equal(portmap_remembered(m, NET_TCP, 1), 40001);
	assert_int_equal(portmap_remembered(m, NET_TCP, 1000), 0);
	assert_int_equal(portmap_remembered(m, NET_TCP, 1000 + PORTMAP_MAX), 1000 + PORTMAP_MAX);
	for (unsigned i = 0; i < PORTMAP_MAX - 1; i++)
		add(m, entry(NET_UDP, "127.0.0.1", (uint16_t)(1000 + i), 1, 1));
	const struct port_entry more = entry(NET_UDP, "127.0.0.1", 9, 10, 1);
	assert_int_equal(portmap_add(m, &more), -ENOBUFS);
	portmap_free(m);
}

static unsigned told;
static uint16_t told_port;

static void tell(const struct port_entry *e, void *arg)
{
	assert_ptr_equal(arg, &told);
	told++;
	told_port = e->asked;
}

static void who_asked_is_told_of_new_ports_once(void **state)
{
	struct portmap *m = portmap_new(tell, &told);

	(void)state;
	told = 0;
	add(m, entry(NET_TCP, "127.0.0.1", 80, 80, 1));
	add(m, entry(NET_TCP, "127.0.0.1", 80, 80, 2));
	assert_int_equal(told, 1);
	add(m, entry(NET_TCP, "127.0.0.1", 80, 81, 2));
	assert_int_equal(told, 2);
	assert_int_equal(told_port, 80);
	portmap_free(m);
}

static const char heading[] =
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
static const char listener[] = "0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0  1000        0 4711 1 0 100 0";
static const char six[] =
	"   1: 0000000000000000FFFF00000100007F:1F91 00000000000000000000000001000000:0050 01 0:0 0:0 0 0 0 12 1 0";

static void a_line_of_the_table_is_read(void **state)
{
	struct port_row row;
	const struct addr v4 = ip("127.0.0.1", 0), v6 = ip("::1", 0);

	(void)state;
	assert_false(porttable_row(view_of(heading), &row));
	assert_true(porttable_row(view_of(listener), &row));
	assert_true(addr_same_ip(&row.local, &v4));
	assert_int_equal(row.local.port, 8080);
	assert_int_equal(row.state, PORTTABLE_LISTENS);
	assert_int_equal(row.uid, 1000);
	assert_int_equal(row.inode, 4711);
	assert_memory_equal(row.local_port.ptr, "1F90", 4);
	assert_true(porttable_row(view_of(six), &row));
	assert_true(addr_same_ip(&row.local, &v4));
	assert_true(addr_same_ip(&row.peer, &v6));
	assert_int_equal(row.peer.port, 80);
}

/* Whatever is cut off or changed: no reading beyond the line, and no row of nonsense. */
static void a_broken_line_is_no_row(void **state)
{
	struct port_row row;
	static const char *const broken[] = {
		"", " ", "0: 1:2 3:4", "   0: 0100007:1F90 00000000:0000 0A 0:0 0:0 0 0 0 1",
		"   0: 0100007F:1F9 00000000:0000 0A 0:0 0:0 0 0 0 1", "   0: 0100007G:1F90 00000000:0000 0A 0:0 0:0 0 0 0 1",
		"   0: 0100007F:1F90 00000000:0000 XX 0:0 0:0 0 0 0 1", "   0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 x",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
		assert_false(porttable_row(view_of(broken[i]), &row));
	for (size_t len = 0; len < sizeof listener; len++)
		porttable_row((struct view){ listener, len }, &row);
}

static int table(const void *arg, const char *name, struct str *out)
{
	(void)arg;
	(void)name;
	str_addf(out, "%s\n", heading);
	str_addf(out, "   0: 0100007F:9C41 00000000:0000 0A 0:0 0:0 0 0 0 7 1\n");
	str_addf(out, "   1: 0100007F:B70A 0100007F:9C41 01 0:0 0:0 0 0 0 7 1\n");
	str_addf(out, "   2: 0100000A:9C41 0200000A:9C41 01 0:0 0:0 0 0 0 7 1\n");
	return out->rc;
}

static int sockets(const void *arg, uint64_t **inodes, size_t *count)
{
	(void)arg;
	*inodes = mem_array(1, sizeof **inodes);
	(*inodes)[0] = 7;
	*count = 1;
	return 0;
}

static void tables_show_the_sandboxs_own_numbers(void **state)
{
	struct portmap *m = portmap_new(NULL, NULL);
	const struct netview_source source = { .table = table, .sockets = sockets, .ports = m };
	AUTO(str) struct str out = STR(10000);

	(void)state;
	add(m, entry(NET_TCP, "127.0.0.1", 8080, 40001, 7));
	assert_int_equal(netview_content(&source, netview_index("tcp"), &out), 0);
	assert_non_null(strstr(out.buf, "0: 0100007F:1F90 00000000:0000 0A"));
	assert_non_null(strstr(out.buf, "1: 0100007F:B70A 0100007F:1F90 01 0:0 0:0 0 0 0 7 1\n"));
	assert_non_null(strstr(out.buf, "2: 0100000A:1F90 0200000A:9C41 01"));
	str_clear(&out);
	assert_int_equal(netview_content(&source, netview_index("udp"), &out), 0);
	assert_non_null(strstr(out.buf, "0: 0100007F:9C41 00000000:0000 0A"));
	portmap_free(m);
}

static int all_of_it(void)
{
	struct portmap *m = portmap_new(NULL, NULL);
	struct port_entry *list = NULL;
	size_t count;

	if (!m)
		return -ENOMEM;
	const struct port_entry e = entry(NET_TCP, "127.0.0.1", 80, 80, 1);
	int rc = portmap_add(m, &e);
	if (rc == 0)
		rc = portmap_list(m, &list, &count);
	mem_free(list);
	portmap_free(m);
	return rc;
}

static void every_failure_is_an_error_and_leaves_nothing(void **state)
{
	(void)state;
	for (int n = 0;; n++) {
		fault_arm(n);
		int rc = all_of_it();
		if (!fault_fired())
			break;
		assert_true(rc < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wildcard_is_in_the_way_of_what_it_stands_for),
		cmocka_unit_test(a_port_is_found_by_protocol_address_and_number),
		cmocka_unit_test(the_newest_of_two_at_one_place_counts),
		cmocka_unit_test(a_live_socket_is_known_by_its_inode),
		cmocka_unit_test(trust_ends),
		cmocka_unit_test(what_is_true_of_one_address_is_not_of_another_with_the_same_port),
		cmocka_unit_test(only_a_client_whose_numbers_differ_is_one_to_look_out_for),
		cmocka_unit_test(a_full_map_forgets_what_has_no_other_number),
		cmocka_unit_test(who_asked_is_told_of_new_ports_once),
		cmocka_unit_test(a_line_of_the_table_is_read),
		cmocka_unit_test(a_broken_line_is_no_row),
		cmocka_unit_test(tables_show_the_sandboxs_own_numbers),
		cmocka_unit_test(every_failure_is_an_error_and_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
