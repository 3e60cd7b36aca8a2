/* bind and what is told of ports: what is judged, what the kernel is asked to do then, and what is written down. */
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
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "fake_kernel.h"
#include "fault.h"
#include "features/portview.h"
#include "features/registry.h"
#include "supervisor/binding.h"

/* --- one socket, and what of the kernel has to do with ports --- */

static const struct fake_object objects[] = { { .name = "fd 7" } };
static struct fake fake;
static struct {
	const char *tcp;                /* what its tables say */
	uint64_t own[4];                /* sockets of the sandbox */
	size_t own_count;
	uint16_t taken;                 /* bind says EADDRINUSE */
	int bind_rc;
	unsigned binds, alone, placed, listens, swept;
	uint16_t given;                 /* the port that the kernel chooses */
	struct unix_place place;
	char dir[64];
	bool shared, local;
} world;

static uint16_t port_of(const void *name)
{
	uint16_t port;

	memcpy(&port, (const char *)name + 2, sizeof port);
	return ntohs(port);
}

static int do_bind(const struct call *call, int sock, const void *name, size_t len)
{
	(void)call;
	(void)sock;
	world.binds++;
	fake_name(&fake, name, len);
	if (len >= 8 && port_of(name) && port_of(name) == world.taken)
		return -EADDRINUSE;
	if (len >= 8 && port_of(name) == 0 && fake.socket.domain != AF_UNIX)
		portview_set_port(fake.name, world.given);
	return world.bind_rc;
}

static int do_bind_alone(const struct call *call, int sock, const void *name, size_t len)
{
	world.alone++;
	return do_bind(call, sock, name, len);
}

static char placed_name[128], placed_path[128];

static int do_bind_at(const struct call *call, int sock, const struct unix_place *place)
{
	(void)call;
	(void)sock;
	world.placed++;
	world.place = *place;
	snprintf(placed_name, sizeof placed_name, "%s", place->name);
	snprintf(placed_path, sizeof placed_path, "%s", place->path ? place->path : "");
	return 0;
}

static int socket_name(const struct call *call, int sock, bool peer, void *name, size_t *len)
{
	(void)call;
	(void)sock;
	(void)peer;
	memcpy(name, fake.name, fake.name_len);
	*len = fake.name_len;
	return 0;
}

static bool is_local(const struct call *call, const struct addr *a)
{
	(void)call;
	(void)a;
	return world.local;
}

static bool is_shared(const struct call *call, const struct addr *a)
{
	(void)call;
	(void)a;
	return world.shared;
}

static int do_listen(const struct call *call, int sock, int backlog)
{
	(void)call;
	(void)sock;
	(void)backlog;
	world.listens++;
	return 0;
}

static int read_proc(const struct call *call, const char *tail, struct str *out)
{
	(void)call;
	if (strcmp(tail, "status") == 0)
		str_add(out, "Name:\tx\nUmask:\t0027\nState:\tS\n");
	else if (strcmp(tail, "net/tcp") == 0)
		str_add(out, world.tcp ? world.tcp : "heading\n");
	else
		return -ENOENT;
	return out->rc;
}

static int tree_sockets(const struct call *call, uint64_t **inodes, size_t *count)
{
	(void)call;
	*inodes = mem_dup(world.own, sizeof world.own);
	*count = world.own_count;
	return *inodes ? 0 : -ENOMEM;
}

static int locate(const struct call *call, const struct where *where, struct located *out)
{
	(void)call;
	if (strcmp(where->path, "/missing/") == 0)
		return -ENOENT;
	snprintf(world.dir, sizeof world.dir, "%s", strcmp(where->path, ".") == 0 ? "/work" : where->path);
	if (strlen(world.dir) > 1 && world.dir[strlen(world.dir) - 1] == '/')
		world.dir[strlen(world.dir) - 1] = '\0';
	out->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return 0;
}

static int path_of(const struct call *call, int pinned, char *out)
{
	(void)call;
	(void)pinned;
	snprintf(out, PATH_MAX, "%s", world.dir);
	return 0;
}

static void drop_dead(const struct call *call)
{
	(void)call;
	world.swept++;
}

static struct kernel_ops ops;

static void make_kernel(void)
{
	memset(&world, 0, sizeof world);
	fake = (struct fake){
		.objects = objects, .object_count = 1, .own_memory = true,
		.socket = FAKE_SOCKET(AF_INET, SOCK_STREAM, IPPROTO_TCP),
	};
	ops = fake_ops;
	ops.bind = do_bind;
	ops.bind_alone = do_bind_alone;
	ops.bind_at = do_bind_at;
	ops.socket_name = socket_name;
	ops.is_local = is_local;
	ops.is_shared = is_shared;
	ops.listen = do_listen;
	ops.read_proc = read_proc;
	ops.tree_sockets = tree_sockets;
	ops.locate = locate;
	ops.path_of = path_of;
	ops.drop_dead = drop_dead;
}

/* --- a policy: ports 80 and 8080, not 22 --- */

static struct policy policy;
static struct grant grant = { .path = (char *)"/work", .len = 5, .fd = -1, .is_dir = true, .access = ACCESS_READ | ACCESS_WRITE };
static const struct grants grants = { .at = &grant, .len = 1, .cap = 1 };
static struct portmap *map;
static void *feature;

static void allow(unsigned port)
{
	policy.bind_ports.bits[port / 64] |= 1ULL << (port % 64);
}

static int setup(void **state)
{
	const struct feature_env env = { .policy = &policy, .grants = &grants, .ports = (map = portmap_new(NULL, NULL)) };
	struct error err;

	(void)state;
	make_kernel();
	memset(&policy, 0, sizeof policy);
	world.given = 40001;
	allow(80);
	allow(8080);
	policy.deny_bind_ports.given = true;
	policy.deny_bind_ports.bits[0] |= 1ULL << 22;
	return feature_ports.start(&env, &feature, &err);
}

static int teardown(void **state)
{
	(void)state;
	feature_ports.stop(feature);
	portmap_free(map);
	return 0;
}

static struct verdict ask(const char *syscall, const uint64_t raw[6], const void *name, size_t len)
{
	struct call call = fake_call(&fake, syscall, raw);

	call.kernel = &ops;
	call.may_wait = true;
	if (strcmp(syscall, "bind") == 0)
		fake_bytes(&call, 1, name, len);
	return fake_ask(&feature_ports, feature, &call);
}

static struct verdict bind_name(const void *name, size_t len)
{
	return ask("bind", (const uint64_t[6]){ 7 }, name, len);
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static struct verdict bind_port(uint16_t port)
{
	const struct sockaddr_in in = loopback(port);

	return bind_name(&in, sizeof in);
}

static struct verdict bind_path(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	fake.socket = FAKE_SOCKET(AF_UNIX, SOCK_STREAM, 0);
	memcpy(un.sun_path, path, strlen(path));
	return bind_name(&un, offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
}

static void is_done(struct verdict v)
{
	check_value(v, 0);
}

/* --- who may have which port --- */

static void an_allowed_port_is_bound_and_written_down(void **state)
{
	(void)state;
	is_done(bind_port(8080));
	assert_int_equal(world.binds, 1);
	assert_int_equal(port_of(fake.name), 8080);
	assert_int_equal(portmap_remembered(map, NET_TCP, 8080), 8080);
}

static void other_ports_are_refused_with_what_would_grant_them(void **state)
{
	(void)state;
	check_errno(bind_port(81), EACCES);
	assert_int_equal(world.binds, 0);
	assert_string_equal(fake.operation, "bind");
	assert_string_equal(fake.target, "port 81 (tcp)");
	assert_string_equal(fake.flag, "--net-allow-bind 81");
	check_errno(bind_port(0), EACCES);
	policy.net_facts.protos[NET_TCP] = true;        /* there is something to connect to */
	is_done(bind_port(0));
	policy.net_facts.protos[NET_TCP] = false;
	assert_string_equal(fake.flag, "--net-allow-bind 0");
	check_errno(bind_port(22), EACCES);
	assert_string_equal(fake.rule, "--net-deny-bind names it");
	assert_string_equal(fake.flag, "");
	assert_int_equal(fake.refusals, 3);
}

static void udp_may_have_any_free_port(void **state)
{
	(void)state;
	fake.socket = FAKE_SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	is_done(bind_port(0));
	assert_int_equal(portmap_remembered(map, NET_UDP, 40001), 0);
	check_errno(bind_port(53), EACCES);
	assert_string_equal(fake.target, "port 53 (udp)");
	is_done(bind_port(80));
}

static void the_number_of_a_ping_socket_is_no_port(void **state)
{
	(void)state;
	fake.socket = FAKE_SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	is_done(bind_port(22));
}

static void every_spelling_of_an_address_has_its_port_judged(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_UNSPEC, .sin_port = htons(22) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(22) };

	(void)state;
	check_errno(bind_name(&in, sizeof in), EACCES);
	check_errno(bind_name(&six, sizeof six), EACCES);
	check_errno(bind_name(&six, 24), EACCES);
	in.sin_port = htons(80);
	is_done(bind_name(&in, sizeof in));
	assert_int_equal(((struct sockaddr *)fake.name)->sa_family, AF_UNSPEC);
	check_errno(bind_name(&in, 3), EINVAL);
	check_errno(ask("bind", (const uint64_t[6]){ 7 }, NULL, 16), EFAULT);
	check_errno(ask("bind", (const uint64_t[6]){ 9 }, &in, sizeof in), EBADF);
}

static void a_socket_that_cannot_be_seen_is_not_bound(void **state)
{
	(void)state;
	fake.socket_rc = -EBADF;
	check_errno(bind_port(80), EACCES);
	assert_int_equal(fake.refusals, 1);
	fake.socket_rc = -ENOTSOCK;
	check_errno(bind_port(80), ENOTSOCK);
	assert_int_equal(world.binds, 0);
}

#define ROW(port, state, inode) "  0: 0100007F:" port " 00000000:0000 " state " 0:0 0:0 0 0 0 " inode " 1\n"

static void a_port_that_somebody_outside_listens_on_is_taken(void **state)
{
	(void)state;
	world.tcp = ROW("1F90", "0A", "4711");
	check_errno(bind_port(8080), EADDRINUSE);
	assert_int_equal(world.binds, 0);
	is_done(bind_port(80));
	world.own[0] = 4711;
	world.own_count = 1;
	is_done(bind_port(8080));
	world.tcp = ROW("1F90", "01", "9");
	world.own_count = 0;
	is_done(bind_port(8080));
}

static void setting_reuseport_is_refused_while_somebody_shares_an_allowed_port(void **state)
{
	const uint64_t raw[6] = { 7, SOL_SOCKET, SO_REUSEPORT, 4096, 4 };

	(void)state;
	world.shared = true;
	assert_int_equal(ask("setsockopt", raw, NULL, 0).kind, V_NEXT);
	world.tcp = ROW("1F90", "0A", "4711");
	check_errno(ask("setsockopt", raw, NULL, 0), EACCES);
	assert_int_equal(fake.refusals, 1);
	assert_string_equal(fake.target, "SO_REUSEPORT");
	/* Not shared, another port, one of its own, another level. */
	world.shared = false;
	assert_int_equal(ask("setsockopt", raw, NULL, 0).kind, V_NEXT);
	world.shared = true;
	world.tcp = ROW("1F91", "0A", "4711");
	assert_int_equal(ask("setsockopt", raw, NULL, 0).kind, V_NEXT);
	world.tcp = ROW("1F90", "0A", "4711");
	world.own[0] = 4711;
	world.own_count = 1;
	assert_int_equal(ask("setsockopt", raw, NULL, 0).kind, V_NEXT);
	world.own_count = 0;
	assert_int_equal(ask("setsockopt", (const uint64_t[6]){ 7, IPPROTO_IP, SO_REUSEPORT, 4096, 4 }, NULL, 0).kind, V_NEXT);
}

/* --- ports of the sandbox's own --- */

static void a_taken_port_gets_another_number_outside(void **state)
{
	(void)state;
	policy.port_remap = true;
	world.taken = 8080;
	is_done(bind_port(8080));
	assert_int_equal(world.swept, 1);
	assert_int_equal(world.alone, 1);
	assert_int_equal(portmap_remembered(map, NET_TCP, 8080), 40001);
	/* The next one tries the same number, and falls back when that was taken meanwhile. */
	is_done(bind_port(8080));
	assert_int_equal(port_of(fake.name), 40001);
	world.taken = 40001;
	world.given = 40002;
	is_done(bind_port(8080));
	assert_int_equal(portmap_remembered(map, NET_TCP, 8080), 40002);
	check_errno(bind_port(81), EACCES);
}

static void what_failed_is_not_written_down(void **state)
{
	(void)state;
	policy.port_remap = true;
	world.bind_rc = -EADDRNOTAVAIL;
	check_errno(bind_port(8080), EADDRNOTAVAIL);
	assert_int_equal(portmap_remembered(map, NET_TCP, 8080), 0);
}

static void old_connections_are_no_reason_for_another_number(void **state)
{
	(void)state;
	policy.port_remap = true;
	world.tcp = ROW("1F90", "06", "0");
	is_done(bind_port(8080));
	assert_int_equal(world.alone, 0);
}

static void the_sandboxs_own_socket_is_in_the_way(void **state)
{
	struct port_entry mine = { .proto = NET_TCP, .asked = 8080, .real = 8080, .inode = 5 };

	(void)state;
	mine.address = (struct addr){ .family = ADDR_V4 };
	policy.port_remap = true;
	portmap_add(map, &mine);
	world.taken = 8080;
	world.own[0] = 5;
	world.own_count = 1;
	check_errno(bind_port(8080), EADDRINUSE);
	world.own_count = 0;
	is_done(bind_port(8080));
}

static int redirect(const char *to, uint16_t port, bool may_wait)
{
	struct call call = { .kernel = &ops, .supervisor = &fake, .may_wait = may_wait };
	struct addr a;

	assert_int_equal(addr_parse(view_of(to), &a), 0);
	a.port = port;
	fake.name_len = addr_to_sockaddr(&a, a.family == ADDR_V6, fake.name);
	return portview_redirect(&call, &(struct port_ways){ &policy, map }, NET_TCP, &a, fake.name);
}

static void connections_to_this_machine_go_to_the_real_port(void **state)
{
	struct port_entry mine = { .proto = NET_TCP, .asked = 8080, .real = 40001, .inode = 5 };

	(void)state;
	mine.address = (struct addr){ .family = ADDR_V6 };
	portmap_add(map, &mine);
	assert_int_equal(redirect("127.0.0.1", 8080, false), MUST_WAIT);
	assert_int_equal(redirect("127.0.0.1", 8080, true), -ECONNREFUSED);
	world.tcp = ROW("9C41", "0A", "5");
	assert_int_equal(redirect("127.0.0.1", 8080, true), -ECONNREFUSED);
	world.own[0] = 5;
	world.own_count = 1;
	world.tcp = ROW("9C41", "0A", "5") ROW("9C41", "0A", "9");
	assert_int_equal(redirect("127.0.0.1", 8080, true), -ECONNREFUSED);
	world.tcp = ROW("9C41", "0A", "5");
	assert_int_equal(redirect("127.0.0.1", 8080, true), 0);
	assert_int_equal(port_of(fake.name), 40001);
	/* Seen a moment ago, at this address. */
	assert_int_equal(redirect("127.0.0.1", 8080, false), 0);
	assert_int_equal(port_of(fake.name), 40001);
	assert_int_equal(redirect("::1", 8080, false), MUST_WAIT);
	assert_int_equal(redirect("::1", 8080, true), -ECONNREFUSED);
	assert_int_equal(redirect("192.0.2.1", 8080, false), 0);
	assert_int_equal(port_of(fake.name), 8080);
	world.local = true;
	world.tcp = "  0: 00000000:9C41 00000000:0000 0A 0:0 0:0 0 0 0 5 1\n";
	assert_int_equal(redirect("192.0.2.1", 8080, true), 0);
	assert_int_equal(port_of(fake.name), 40001);
	assert_int_equal(redirect("224.0.0.1", 8080, false), 0);
	assert_int_equal(port_of(fake.name), 8080);
	assert_int_equal(redirect("127.0.0.1", 40001, false), 0);
	assert_int_equal(port_of(fake.name), 40001);
}

/* What the machine has at a port that --net-allow-bind names is somebody else's. */
static void a_port_of_its_own_that_nobody_in_the_sandbox_has_is_refused(void **state)
{
	(void)state;
	policy.port_remap = true;
	policy.binds_are_named = true;
	assert_int_equal(redirect("127.0.0.1", 8080, false), MUST_WAIT);
	assert_int_equal(redirect("127.0.0.1", 8080, true), -ECONNREFUSED);
	world.tcp = ROW("1F90", "0A", "4711");
	assert_int_equal(redirect("127.0.0.1", 8080, true), -ECONNREFUSED);
	assert_int_equal(fake.refusals, 2);
	assert_string_equal(fake.target, "127.0.0.1:8080 (tcp)");
	world.own[0] = 4711;
	world.own_count = 1;
	assert_int_equal(redirect("127.0.0.1", 8080, true), 0);
	assert_int_equal(port_of(fake.name), 8080);
	/* Other ports, other machines; "*" says nothing of any port; a list of denials neither. */
	world.own_count = 0;
	assert_int_equal(redirect("127.0.0.1", 81, true), 0);
	assert_int_equal(redirect("192.0.2.1", 8080, true), 0);
	policy.binds_are_named = false;
	assert_int_equal(redirect("127.0.0.1", 8080, true), 0);
}

static void names_show_the_port_that_was_asked_for(void **state)
{
	struct port_entry mine = { .proto = NET_TCP, .asked = 8080, .real = 40001, .inode = 5 };
	const struct sockaddr_in in = loopback(40001);
	_Alignas(8) unsigned char memory[64] = { 0 };
	const uint64_t at = (uintptr_t)memory;
	const uint64_t raw[6] = { 7, at, at + 32 };

	(void)state;
	mine.address = (struct addr){ .family = ADDR_V4 };
	memcpy(fake.name, &in, sizeof in);
	fake.name_len = sizeof in;
	memcpy(memory + 32, &(int){ 16 }, sizeof(int));
	assert_int_equal(ask("getsockname", raw, NULL, 0).kind, V_NEXT);
	portmap_add(map, &mine);
	is_done(ask("getsockname", raw, NULL, 0));
	assert_int_equal(port_of(memory), 8080);
	memset(memory, 0, 32);
	is_done(ask("getpeername", raw, NULL, 0));
	assert_int_equal(port_of(memory), 8080);
	/* As much as there is room for, and the whole length. */
	memset(memory, 0xee, 32);
	memcpy(memory + 32, &(int){ 3 }, sizeof(int));
	is_done(ask("getsockname", raw, NULL, 0));
	assert_int_equal(memory[3], 0xee);
	assert_int_equal(memory[32], 16);
	memcpy(memory + 32, &(int){ -1 }, sizeof(int));
	check_errno(ask("getsockname", raw, NULL, 0), EINVAL);
	memcpy(memory + 32, &(int){ 16 }, sizeof(int));
	check_errno(ask("getsockname", (const uint64_t[6]){ 7, 0, at + 32 }, NULL, 0), EFAULT);
	check_errno(ask("getsockname", (const uint64_t[6]){ 7, at, 0 }, NULL, 0), EFAULT);
	fake.socket.domain = AF_UNIX;
	assert_int_equal(ask("getsockname", raw, NULL, 0).kind, V_NEXT);
	assert_int_equal(ask("getsockname", (const uint64_t[6]){ 9 }, NULL, 0).kind, V_NEXT);
}

static void a_socket_that_listens_unbound_is_written_down(void **state)
{
	const struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(40007) };

	(void)state;
	memcpy(fake.name, &in, sizeof in);
	fake.name_len = sizeof in;
	is_done(ask("listen", (const uint64_t[6]){ 7, 5 }, NULL, 0));
	assert_int_equal(world.listens, 1);
	assert_int_equal(portmap_remembered(map, NET_TCP, 40007), 40007);
	fake.socket.domain = AF_UNIX;
	assert_int_equal(ask("listen", (const uint64_t[6]){ 7, 5 }, NULL, 0).kind, V_NEXT);
	assert_int_equal(world.listens, 1);
}

/* --- unix sockets --- */

static void a_unix_socket_is_bound_in_the_directory_with_the_callers_umask(void **state)
{
	(void)state;
	is_done(bind_path("/work/deep/s"));
	assert_string_equal(placed_name, "s");
	assert_string_equal(placed_path, "/work/deep/s");
	assert_int_equal(world.place.umask, 027);
	is_done(bind_path("s"));
	assert_string_equal(placed_name, "s");
	is_done(bind_path("/work/s//"));
	assert_string_equal(placed_name, "s//");
	assert_int_equal(world.binds, 0);
}

static void outside_the_write_grants_it_is_refused(void **state)
{
	(void)state;
	check_errno(bind_path("/etc/s"), EACCES);
	assert_string_equal(fake.target, "/etc/s");
	assert_string_equal(fake.flag, "-w /etc");
	check_errno(bind_path("/s"), EACCES);
	check_errno(bind_path("/missing/s"), ENOENT);
	check_errno(bind_path("/"), EADDRINUSE);
	check_errno(bind_path("///"), EADDRINUSE);
	grant.access = ACCESS_READ;
	check_errno(bind_path("/work/s"), EACCES);
	grant.access = ACCESS_READ | ACCESS_WRITE;
	assert_int_equal(world.placed + world.binds, 0);
}

static void names_without_a_path_are_the_sockets_own(void **state)
{
	const struct sockaddr_un abstract = { .sun_family = AF_UNIX, .sun_path = "\0name" };

	(void)state;
	fake.socket = FAKE_SOCKET(AF_UNIX, SOCK_STREAM, 0);
	is_done(bind_name(&abstract, 7));
	assert_int_equal(fake.name_len, 7);
	is_done(bind_name(&abstract, 2));
	is_done(bind_name("\x02\0/x", 4));      /* the kernel says EINVAL */
	assert_int_equal(world.placed, 0);
	assert_int_equal(world.binds, 3);
}

static void the_longest_name_is_taken_whole(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	(void)state;
	fake.socket = FAKE_SOCKET(AF_UNIX, SOCK_STREAM, 0);
	memset(un.sun_path, 'x', sizeof un.sun_path);
	is_done(bind_name(&un, sizeof un));
	assert_int_equal(strlen(placed_name), 108);
}

/* --- the operations themselves --- */

static char folder[] = "/tmp/sandlock-bind.XXXXXX";

static int bind_really(const char *name, const char *path, mode_t mask)
{
	const struct call call = { .tid = getpid() };
	AUTO(fd) int parent = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd) int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	const struct unix_place place = { .parent = parent, .name = name, .path = path, .umask = mask };

	return binding_bind_at(&call, sock, &place);
}

static void a_name_is_bound_where_the_directory_is_and_nowhere_else(void **state)
{
	char path[PATH_MAX], cwd[PATH_MAX], now[PATH_MAX];
	struct stat st;
	const mode_t mine = umask(022);

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_non_null(getcwd(cwd, sizeof cwd));
	snprintf(path, sizeof path, "%s/a", folder);
	assert_int_equal(bind_really("a", path, 077), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0700);
	assert_int_equal(bind_really("a", path, 077), -EADDRINUSE);
	/* The words have come to mean another place. */
	assert_int_equal(bind_really("b", "/tmp/sandlock-bind-elsewhere", 0), -EACCES);
	assert_int_equal(stat("/tmp/sandlock-bind-elsewhere", &st), -1);
	assert_int_equal(bind_really("c", NULL, 0), 0);
	assert_non_null(getcwd(now, sizeof now));
	assert_string_equal(cwd, now);
	assert_int_equal(umask(mine), 022);
	unlink(path);
	snprintf(path, sizeof path, "%s/c", folder);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0777);
	unlink(path);
	rmdir(folder);
}

static void an_address_of_this_machine_is_known(void **state)
{
	const struct call call = { .tid = getpid() };
	struct addr a;

	(void)state;
	assert_int_equal(addr_parse(view_of("127.0.0.1"), &a), 0);
	assert_true(binding_is_local(&call, &a));
	assert_int_equal(addr_parse(view_of("203.0.113.1"), &a), 0);
	assert_false(binding_is_local(&call, &a));
}

static void a_shared_port_is_told_from_one_that_is_not(void **state)
{
	const struct call call = { .tid = getpid() };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof in;
	struct addr a;

	(void)state;
	for (int on = 0; on < 2; on++) {
		AUTO(fd) int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		in.sin_port = 0;
		assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
		assert_int_equal(binding_bind_alone(&call, sock, &in, sizeof in), 0);
		assert_int_equal(listen(sock, 1), 0);
		assert_int_equal(getsockname(sock, (struct sockaddr *)&in, &len), 0);
		assert_int_equal(addr_from_sockaddr(&in, len, &a), 0);
		assert_int_equal(binding_is_shared(&call, &a), on);
	}
}

static void every_failure_closes_what_was_open(void **state)
{
	const int before = fault_open_fds();

	(void)state;
	policy.port_remap = true;
	world.taken = 8080;
	for (int n = 0;; n++) {
		fault_arm(n);
		bind_port(8080);
		fake.socket = FAKE_SOCKET(AF_INET, SOCK_STREAM, IPPROTO_TCP);
		if (!fault_fired())
			break;
		assert_int_equal(fault_open_fds(), before);
	}
	for (int n = 0;; n++) {
		fault_arm(n);
		bind_path("/work/s");
		if (!fault_fired())
			break;
		assert_int_equal(fault_open_fds(), before);
	}
}

static void starting_without_memory_is_an_error(void **state)
{
	const struct feature_env env = { .policy = &policy, .grants = &grants };
	struct error err = { 0 };
	void *made = NULL;

	(void)state;
	fault_arm(0);
	int rc = feature_ports.start(&env, &made, &err);
	assert_true(fault_fired());
	assert_int_equal(rc, -ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(an_allowed_port_is_bound_and_written_down),
		TEST(other_ports_are_refused_with_what_would_grant_them),
		TEST(udp_may_have_any_free_port),
		TEST(the_number_of_a_ping_socket_is_no_port),
		TEST(every_spelling_of_an_address_has_its_port_judged),
		TEST(a_socket_that_cannot_be_seen_is_not_bound),
		TEST(a_port_that_somebody_outside_listens_on_is_taken),
		TEST(setting_reuseport_is_refused_while_somebody_shares_an_allowed_port),
		TEST(a_taken_port_gets_another_number_outside),
		TEST(what_failed_is_not_written_down),
		TEST(old_connections_are_no_reason_for_another_number),
		TEST(the_sandboxs_own_socket_is_in_the_way),
		TEST(connections_to_this_machine_go_to_the_real_port),
		TEST(a_port_of_its_own_that_nobody_in_the_sandbox_has_is_refused),
		TEST(names_show_the_port_that_was_asked_for),
		TEST(a_socket_that_listens_unbound_is_written_down),
		TEST(a_unix_socket_is_bound_in_the_directory_with_the_callers_umask),
		TEST(outside_the_write_grants_it_is_refused),
		TEST(names_without_a_path_are_the_sockets_own),
		TEST(the_longest_name_is_taken_whole),
		TEST(a_name_is_bound_where_the_directory_is_and_nowhere_else),
		TEST(an_address_of_this_machine_is_known),
		TEST(a_shared_port_is_told_from_one_that_is_not),
		TEST(every_failure_closes_what_was_open),
		TEST(starting_without_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
