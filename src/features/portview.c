/*
 * Who has a port, and which real port stands behind one that the sandbox knows. The kernel's tables say which sockets have
 * a port, and the descriptors of the tree which of them are the sandbox's. A socket on its way in a message from one process
 * to another is nobody's for that time.
 */
#include "features/portview.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"
#include "policy/ports.h"
#include "policy/porttable.h"

#define TABLE_MAX ((size_t)32 << 20)
#define TRUST_NS 100000000ULL           /* how long a port that was seen to be the sandbox's is taken for that */

struct found {
	struct port_row *at;
	size_t len;
	size_t cap;
};

/* The rows at this address and port, or all, of both families. */
static int read_rows(const struct call *call, enum net_proto proto, const struct addr *at, struct found *out)
{
	const char *const tables[] = { proto == NET_UDP ? "net/udp" : "net/tcp", proto == NET_UDP ? "net/udp6" : "net/tcp6" };

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		AUTO(str) struct str text = STR(TABLE_MAX);
		bool more = true;
		int rc = call->kernel->read_proc(call, tables[i], &text);

		if (rc < 0 && rc != -ENOENT)    /* a kernel without IPv6 */
			return rc;
		struct view rest = { text.buf, text.len };
		while (rc == 0 && more && rest.len) {
			struct port_row row;

			if (!porttable_row(view_cut(&rest, '\n', &more), &row) ||
			    (at && (row.local.port != at->port || !port_overlaps(&row.local, at))))
				continue;
			row.local_port = row.peer_port = (struct view){ 0 };    /* the text goes */
			if (VEC_PUSH(out->at, out->cap, out->len, row) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

/* The rows with the sockets of the tree; nobody is walked through when there is no row. */
static int read_both(const struct call *call, enum net_proto proto, const struct addr *at, struct found *rows,
		     uint64_t **own, size_t *count)
{
	*own = NULL;
	*count = 0;
	int rc = read_rows(call, proto, at, rows);
	return rc < 0 || rows->len == 0 ? rc : call->kernel->tree_sockets(call, own, count);
}

/* Does it have the port in a way that nobody else can? */
static bool holds(enum net_proto proto, const struct port_row *row)
{
	return row->inode && (proto == NET_UDP || row->state == PORTTABLE_LISTENS);
}

int portview_holders(const struct call *call, enum net_proto proto, const struct addr *at, struct port_holders *out)
{
	struct found rows = { 0 };
	uint64_t *own;
	size_t count;
	int rc = read_both(call, proto, at, &rows, &own, &count);

	*out = (struct port_holders){ 0 };
	for (size_t i = 0; i < rows.len && rc == 0; i++) {
		bool inside = port_inode_among(rows.at[i].inode, own, count);
		bool held = holds(proto, &rows.at[i]);

		out->inside |= held && inside;
		out->outside |= held && !inside;
		out->leftover |= !held;
	}
	mem_free(own);
	mem_free(rows.at);
	return rc;
}

int portview_strangers(const struct call *call, bool (*each)(const struct call *call, const struct addr *at, void *arg),
		       void *arg)
{
	struct found rows = { 0 };
	uint64_t *own;
	size_t count;
	int rc = read_both(call, NET_TCP, NULL, &rows, &own, &count);

	for (size_t i = 0; i < rows.len && rc == 0; i++) {
		const struct port_row *row = &rows.at[i];
		bool stranger = holds(NET_TCP, row) && !port_inode_among(row->inode, own, count);

		rc = stranger && each(call, &row->local, arg);
	}
	mem_free(own);
	mem_free(rows.at);
	return rc;
}

bool portview_is_here(const struct call *call, const struct addr *a)
{
	enum addr_kind kind = addr_kind(a);

	return kind == ADDR_LOOPBACK || (kind != ADDR_MULTICAST && call->kernel->is_local(call, a));
}

void portview_set_port(void *name, uint16_t port)
{
	const uint16_t wire = htons(port);

	memcpy((char *)name + sizeof(uint16_t), &wire, sizeof wire);
}

/* --- two numbers for one port --- */

/*
 * Is the real port that stands for `at` still the sandbox's, and nobody else's? 1, 0, MUST_WAIT or -errno. Looking takes
 * long, so the answer is good for a while.
 */
static int is_ours(const struct call *call, struct portmap *ports, enum net_proto proto, const struct addr *at, uint16_t real)
{
	struct port_holders held;
	struct addr there = *at;

	if (portmap_is_trusted(ports, proto, at, sys_now()))
		return 1;
	if (!call->may_wait)
		return MUST_WAIT;
	there.port = real;
	int rc = portview_holders(call, proto, &there, &held);
	if (rc < 0 || !held.inside || held.outside)     /* of two the kernel chooses, and no rule has the other */
		return rc < 0 ? rc : 0;
	portmap_trust(ports, proto, at, real, sys_now() + TRUST_NS);
	return 1;
}

/* --port-remap makes a port that --net-allow-bind names the sandbox's own; of "*" only what it has bound is. */
static bool is_own(const struct policy *p, uint16_t port)
{
	return p->binds_are_named && ports_has(&p->bind_ports, port);
}

static int refuse_own(const struct call *call, enum net_proto proto, const struct addr *to)
{
	AUTO(str) struct str target = STR(128);

	addr_print_port(to, &target);
	str_addf(&target, " (%s)", net_proto_name(proto));
	call->kernel->refuse(call, &(struct refusal){
		.operation = call->info && strcmp(call->info->name, "connect") == 0 ? "connect" : "send",
		.target = target.rc == 0 ? target.buf : net_proto_name(proto),
		.rule = "under --port-remap the port is the sandbox's own, and no program in it has it",
		.errnum = ECONNREFUSED,
	});
	return -ECONNREFUSED;
}

int portview_redirect(const struct call *call, const struct port_ways *ways, enum net_proto proto, const struct addr *to,
		      void *name)
{
	if (!ways->ports || proto == NET_ICMP)
		return 0;
	uint16_t real = portmap_real(ways->ports, proto, to);
	bool own = is_own(ways->policy, to->port);
	if ((!own && (!real || real == to->port)) || !portview_is_here(call, to))
		return 0;
	int rc = is_ours(call, ways->ports, proto, to, real ? real : to->port);
	if (rc <= 0)
		return rc < 0 ? rc : refuse_own(call, proto, to);
	if (real)
		portview_set_port(name, real);
	return 0;
}

int portview_name(const struct call *call, int sock, bool peer, struct port_name *out, struct addr *at)
{
	int rc = call->kernel->socket_name(call, sock, peer, out->bytes, &out->len);

	return rc < 0 ? rc : addr_from_sockaddr(out->bytes, out->len, at);
}

int portview_translate(const struct call *call, struct portmap *ports, enum net_proto proto, struct port_name *name,
		       bool now)
{
	struct addr at;

	if (name->len > sizeof name->bytes || addr_from_sockaddr(name->bytes, name->len, &at) < 0)
		return 0;
	const uint16_t real = at.port;
	at.port = portmap_asked(ports, proto, real);
	if (at.port == real || !portview_is_here(call, &at))
		return 0;
	/* Of TCP nobody else can have the port of a connection that was just made. */
	int rc = proto == NET_UDP ? is_ours(call, ports, proto, &at, real) : 1;
	if (rc == MUST_WAIT && !now)
		return MUST_WAIT;
	if (rc == 0)
		return 0;
	portview_set_port(name->bytes, at.port);
	return 1;
}

int portview_tell(const struct call *call, const struct port_name *name, uint64_t to, uint64_t to_len)
{
	int32_t len;
	int rc = call->kernel->copy_in(call, &len, to_len, sizeof len);

	if (rc == 0 && len < 0)
		return -EINVAL;
	if (rc == 0 && len > 0)
		rc = call->kernel->copy_out(call, to, name->bytes, (size_t)len < name->len ? (size_t)len : name->len);
	len = (int32_t)name->len;
	return rc < 0 ? rc : call->kernel->copy_out(call, to_len, &len, sizeof len);
}

void portview_connects(const struct call *call, struct portmap *ports, enum net_proto proto, int sock,
		       const struct addr *to)
{
	struct port_name name;
	struct addr at;

	if (ports && proto == NET_TCP && portmap_differs(ports, NET_TCP) && portview_is_here(call, to) &&
	    portview_name(call, sock, false, &name, &at) == 0 && at.port)
		portmap_mark_client(ports, at.port);
}
