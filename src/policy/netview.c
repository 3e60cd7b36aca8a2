/*
 * What the files of /proc/net say in a sandbox: the loopback, and the sockets that the sandbox itself has open. Tables of
 * sockets are the kernel's, line by line, without the lines of sockets that nobody of the sandbox holds.
 */
#include "policy/netview.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "policy/porttable.h"

#define TABLE_MAX ((size_t)32 << 20)

/* clang-format off */
static const char dev_text[] =
	"Inter-|   Receive                                                |  Transmit\n"
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
	"compressed\n"
	"    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0"
	"          0\n";

static const char if_inet6_text[] =
	"00000000000000000000000000000001 01 80 10 80       lo\n";

/* The loopback's routes are in another table: this one has its heading only, 127 bytes wide. */
static const char route_text[] =
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                  "
	"                     \n";

static const char ipv6_route_text[] =
	"00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 "
	"00000001 00000000 80200001       lo\n";

static const char fib_trie_text[] =
	"Local:\n"
	"  +-- 127.0.0.0/8 2 0 2\n"
	"     +-- 127.0.0.0/31 1 0 0\n"
	"        |-- 127.0.0.0\n"
	"           /8 host LOCAL\n"
	"        |-- 127.0.0.1\n"
	"           /32 host LOCAL\n"
	"     |-- 127.255.255.255\n"
	"        /32 link BROADCAST\n";

static const char arp_text[] =
	"IP address       HW type     Flags       HW address            Mask     Device\n";
/* clang-format on */

enum form {
	FORM_TEXT,              /* always the same */
	FORM_TABLE,             /* the kernel's, filtered: number is the field that has the inode */
	FORM_PORTS,             /* the same, with ports in it */
	FORM_COUNTS,            /* how many there are */
	FORM_COUNTS6,
};

static const struct view_file {
	const char *name;
	enum form form;
	const char *text;
	int field;
} view_files[] = {
	{ "dev", FORM_TEXT, dev_text, 0 },
	{ "if_inet6", FORM_TEXT, if_inet6_text, 0 },
	{ "route", FORM_TEXT, route_text, 0 },
	{ "ipv6_route", FORM_TEXT, ipv6_route_text, 0 },
	{ "fib_trie", FORM_TEXT, fib_trie_text, 0 },
	{ "arp", FORM_TEXT, arp_text, 0 },
	{ "tcp", FORM_PORTS, "net/tcp", 9 },
	{ "tcp6", FORM_PORTS, "net/tcp6", 9 },
	{ "udp", FORM_PORTS, "net/udp", 9 },
	{ "udp6", FORM_PORTS, "net/udp6", 9 },
	{ "unix", FORM_TABLE, "net/unix", 6 },
	{ "sockstat", FORM_COUNTS, NULL, 0 },
	{ "sockstat6", FORM_COUNTS6, NULL, 0 },
};
_Static_assert(ARRAY_SIZE(view_files) == NETVIEW_FILES, "a number for every file");

int netview_index(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(view_files); i++)
		if (strcmp(view_files[i].name, name) == 0)
			return (int)i;
	return -1;
}

const char *netview_name(int index)
{
	return view_files[index].name;
}

/* --- tables of sockets --- */

struct own_sockets {
	uint64_t *inode;
	size_t count;
};

static int compare_inodes(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool is_own(const struct own_sockets *own, uint64_t inode)
{
	return inode && own->count && bsearch(&inode, own->inode, own->count, sizeof inode, compare_inodes);
}

/* The field of that number, counted from 0, between spaces. */
static struct view field_of(struct view line, int number)
{
	struct view field = { 0 };
	bool more = true;

	for (int seen = -1; more && seen < number;) {
		field = view_cut(&line, ' ', &more);
		seen += field.len > 0;
		if (seen < number && !more)
			return (struct view){ 0 };
	}
	return field;
}

/* How the sandbox calls its ports. */
struct names_of_ports {
	struct portmap *map;    /* NULL: as the kernel does */
	enum net_proto proto;
};

/* Adds the bytes from `*from` on up to the port, and its own name for it. */
static void add_port(const struct names_of_ports *names, const char **from, struct view digits, uint16_t port, struct str *out)
{
	str_addn(out, *from, (size_t)(digits.ptr - *from));
	str_addf(out, "%04X", portmap_asked(names->map, names->proto, port));
	*from = digits.ptr + digits.len;
}

/* Peers on this machine may be ports of the sandbox too. */
static void add_line(struct view line, const struct names_of_ports *names, struct str *out)
{
	const char *from = line.ptr;
	struct port_row row;

	if (names->map && porttable_row(line, &row)) {
		add_port(names, &from, row.local_port, row.local.port, out);
		if (addr_kind(&row.peer) == ADDR_LOOPBACK || addr_same_ip(&row.peer, &row.local))
			add_port(names, &from, row.peer_port, row.peer.port, out);
	}
	str_addn(out, from, (size_t)(line.ptr + line.len - from));
	str_addc(out, '\n');
}

/* Adds the heading and the lines of own sockets, unless `out` is NULL; how many these were. */
static size_t filter_table(const struct str *table, int field, const struct own_sockets *own,
			   const struct names_of_ports *names, struct str *out)
{
	struct view rest = { table->buf, table->len };
	size_t kept = 0;
	bool more = table->len > 0;

	for (bool heading = true; more && rest.len; heading = false) {
		struct view line = view_cut(&rest, '\n', &more);
		uint64_t inode = 0;

		if (!heading && (view_u64(field_of(line, field), UINT64_MAX, &inode) < 0 || !is_own(own, inode)))
			continue;
		kept += !heading;
		if (out)
			add_line(line, names, out);
	}
	return kept;
}

/* The filtered table into `out`, which may be NULL; *kept is the number of its sockets. */
static int add_table(const struct netview_source *source, const char *name, const struct own_sockets *own, struct str *out,
		     size_t *kept)
{
	const struct view_file *file = &view_files[netview_index(name)];
	const struct names_of_ports names = {
		.map = file->form == FORM_PORTS ? source->ports : NULL,
		.proto = name[0] == 'u' ? NET_UDP : NET_TCP,
	};
	AUTO(str) struct str table = STR(TABLE_MAX);
	int rc = source->table(source->arg, file->text, &table);

	*kept = 0;
	if (rc == -ENOENT)      /* a kernel without IPv6 */
		return out ? rc : 0;
	if (rc < 0)
		return rc;
	*kept = filter_table(&table, file->field, own, &names, out);
	return out ? out->rc : 0;
}

static int add_counts(const struct netview_source *source, bool v6, const struct own_sockets *own, struct str *out)
{
	size_t tcp = 0, udp = 0;
	int rc = add_table(source, v6 ? "tcp6" : "tcp", own, NULL, &tcp);

	if (rc == 0)
		rc = add_table(source, v6 ? "udp6" : "udp", own, NULL, &udp);
	if (rc < 0)
		return rc;
	if (v6)
		str_addf(out, "TCP6: inuse %zu\nUDP6: inuse %zu\nUDPLITE6: inuse 0\nRAW6: inuse 0\n"
			      "FRAG6: inuse 0 memory 0\n", tcp, udp);
	else
		str_addf(out, "sockets: used %zu\nTCP: inuse %zu orphan 0 tw 0 alloc %zu mem 0\nUDP: inuse %zu mem 0\n"
			      "UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n", own->count, tcp, tcp, udp);
	return out->rc;
}

int netview_content(const struct netview_source *source, int index, struct str *out)
{
	const struct view_file *file = &view_files[index];
	struct own_sockets own = { 0 };
	size_t kept;

	if (file->form == FORM_TEXT) {
		str_add(out, file->text);
		return out->rc;
	}
	int rc = source->sockets(source->arg, &own.inode, &own.count);
	if (rc == 0)
		rc = file->form == FORM_TABLE || file->form == FORM_PORTS
			? add_table(source, file->name, &own, out, &kept)
			: add_counts(source, file->form == FORM_COUNTS6, &own, out);
	mem_free(own.inode);
	return rc;
}
