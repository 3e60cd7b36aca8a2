/*
 * Calls that the rules refuse for every caller: they reach the supervisor only so that the report can name them. The
 * answer is the one that the rules give; nothing is decided here.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "features/registry.h"
#include "policy/nethint.h"

#define TEXT_MAX 256

struct refusals {
	const struct sysrules *rules;
	const struct policy *policy;
};

/* --- what the call was: its name and the arguments that tell --- */

struct number_name {
	uint64_t number;
	const char *name;
};

enum shape { SHAPE_NAME, SHAPE_FLAGS, SHAPE_NUMBER };

struct telling {
	const char *syscall;
	uint8_t arg;
	enum shape shape;
	uint32_t mask;                          /* bits of the argument that matter */
	const struct number_name *names;        /* ends with a NULL name */
};

static const struct number_name families[] = {
	{ 1, "AF_UNIX" }, { 2, "AF_INET" }, { 3, "AF_AX25" }, { 10, "AF_INET6" }, { 15, "AF_KEY" }, { 16, "AF_NETLINK" },
	{ 17, "AF_PACKET" }, { 21, "AF_RDS" }, { 29, "AF_CAN" }, { 30, "AF_TIPC" }, { 31, "AF_BLUETOOTH" },
	{ 38, "AF_ALG" }, { 39, "AF_NFC" }, { 40, "AF_VSOCK" }, { 41, "AF_KCM" }, { 43, "AF_SMC" }, { 44, "AF_XDP" },
	{ 0, NULL },
};

static const struct number_name kinds[] = {
	{ 1, "SOCK_STREAM" }, { 2, "SOCK_DGRAM" }, { 3, "SOCK_RAW" }, { 4, "SOCK_RDM" }, { 5, "SOCK_SEQPACKET" },
	{ 0, NULL },
};

static const struct number_name protocols[] = {
	{ 1, "IPPROTO_ICMP" }, { 6, "IPPROTO_TCP" }, { 17, "IPPROTO_UDP" }, { 58, "IPPROTO_ICMPV6" },
	{ 132, "IPPROTO_SCTP" }, { 136, "IPPROTO_UDPLITE" }, { 262, "IPPROTO_MPTCP" }, { 0, NULL },
};

static const struct number_name requests[] = {
	{ 0x540E, "TIOCSCTTY" }, { 0x5412, "TIOCSTI" }, { 0x541C, "TIOCLINUX" }, { 0x541D, "TIOCCONS" },
	{ 0x5423, "TIOCSETD" }, { 0x5437, "TIOCVHANGUP" }, { 0x40086602, "FS_IOC_SETFLAGS" },
	{ 0x401c5820, "FS_IOC_FSSETXATTR" }, { 0x40087602, "FS_IOC_SETVERSION" }, { 0x8912, "SIOCGIFCONF" },
	{ 0x8913, "SIOCGIFFLAGS" }, { 0x8914, "SIOCSIFFLAGS" }, { 0x8915, "SIOCGIFADDR" }, { 0x8946, "SIOCETHTOOL" },
	{ 0, NULL },
};

static const struct number_name options[] = {
	{ 4, "PR_SET_DUMPABLE" }, { 28, "PR_SET_SECUREBITS" }, { 35, "PR_SET_MM" }, { 0x59616d61, "PR_SET_PTRACER" },
	{ 0, NULL },
};

static const struct number_name socket_options[] = {
	{ 4, "IP_OPTIONS" }, { 6, "IPV6_2292PKTOPTIONS" }, { 20, "IPV6_ADD_MEMBERSHIP" }, { 27, "IPV6_JOIN_ANYCAST" },
	{ 32, "IPV6_FLOWLABEL_MGR" }, { 35, "IP_ADD_MEMBERSHIP" }, { 39, "IP_ADD_SOURCE_MEMBERSHIP" },
	{ 42, "MCAST_JOIN_GROUP" }, { 46, "MCAST_JOIN_SOURCE_GROUP" }, { 57, "IPV6_RTHDR" }, { 0, NULL },
};

static const struct number_name namespaces[] = {
	{ 0x80, "CLONE_NEWTIME" }, { 0x20000, "CLONE_NEWNS" }, { 0x02000000, "CLONE_NEWCGROUP" },
	{ 0x04000000, "CLONE_NEWUTS" }, { 0x08000000, "CLONE_NEWIPC" }, { 0x10000000, "CLONE_NEWUSER" },
	{ 0x20000000, "CLONE_NEWPID" }, { 0x40000000, "CLONE_NEWNET" }, { 0, NULL },
};

static const struct number_name node_kinds[] = {
	{ 0x2000, "S_IFCHR" }, { 0x6000, "S_IFBLK" }, { 0, NULL },
};

#define ALL UINT32_MAX
#define NEW_NAMESPACES 0x7E020000U      /* in clone's flags the low byte is a signal, so NEWTIME is not there */

/* clang-format off */
static const struct telling tellings[] = {
	{ "socket",             0, SHAPE_NAME,   ALL,            families   },
	{ "socket",             1, SHAPE_NAME,   0xf,            kinds      },
	{ "socket",             2, SHAPE_NAME,   ALL,            protocols  },
	{ "socketpair",         0, SHAPE_NAME,   ALL,            families   },
	{ "ioctl",              1, SHAPE_NAME,   ALL,            requests   },
	{ "setsockopt",         2, SHAPE_NAME,   ALL,            socket_options },
	{ "prctl",              0, SHAPE_NAME,   ALL,            options    },
	{ "clone",              0, SHAPE_FLAGS,  NEW_NAMESPACES, namespaces },
	{ "unshare",            0, SHAPE_FLAGS,  ALL,            namespaces },
	{ "setns",              1, SHAPE_FLAGS,  ALL,            namespaces },
	{ "mknod",              1, SHAPE_NAME,   0xf000,         node_kinds },
	{ "mknodat",            2, SHAPE_NAME,   0xf000,         node_kinds },
	{ "personality",        0, SHAPE_NUMBER, ALL,            NULL       },
	{ "prlimit64",          0, SHAPE_NUMBER, ALL,            NULL       },
	{ "sched_setaffinity",  0, SHAPE_NUMBER, ALL,            NULL       },
	{ "sched_setparam",     0, SHAPE_NUMBER, ALL,            NULL       },
	{ "sched_setattr",      0, SHAPE_NUMBER, ALL,            NULL       },
	{ "sched_setscheduler", 0, SHAPE_NUMBER, ALL,            NULL       },
	{ "setpriority",        0, SHAPE_NUMBER, ALL,            NULL       },
	{ "setpriority",        1, SHAPE_NUMBER, ALL,            NULL       },
};
/* clang-format on */

static void add_flags(struct str *out, uint32_t value, const struct number_name *names)
{
	const char *between = "";

	for (; names->name; names++) {
		if (!(value & names->number))
			continue;
		str_addf(out, "%s%s", between, names->name);
		between = "|";
		value &= ~(uint32_t)names->number;
	}
	if (value || !*between)
		str_addf(out, "%s%#x", between, value);
}

static void add_name(struct str *out, uint32_t value, const struct number_name *names)
{
	for (; names->name; names++) {
		if (names->number == value) {
			str_add(out, names->name);
			return;
		}
	}
	str_addf(out, value > 999 ? "%#x" : "%u", value);
}

static void add_argument(struct str *out, const struct telling *t, const struct call *call)
{
	uint32_t value = (uint32_t)call->raw[t->arg] & t->mask;

	if (t->shape == SHAPE_FLAGS)
		add_flags(out, value, t->names);
	else if (t->shape == SHAPE_NAME)
		add_name(out, value, t->names);
	else
		str_addf(out, "%d", (int)value);
}

static void add_call(struct str *out, const struct call *call, const char *name)
{
	const char *between = "(";

	str_add(out, name);
	for (size_t i = 0; i < ARRAY_SIZE(tellings); i++) {
		if (strcmp(tellings[i].syscall, name) != 0)
			continue;
		str_add(out, between);
		add_argument(out, &tellings[i], call);
		between = ", ";
	}
	if (between[0] == ',')
		str_addc(out, ')');
}

/* --- why, and what would allow it --- */

#define GROUP_SYSV_IPC "sysv_ipc"

static const struct word *denied_by_user(const struct policy *p, const struct syscall_info *info)
{
	for (size_t i = 0; i < p->extra_deny.len; i++) {
		const struct word *w = &p->extra_deny.at[i];
		const struct syscall_info *named = syscall_by_name(w->text);

		if (named == info || (info->klass == CLASS_SYSV_IPC && strcmp(w->text, GROUP_SYSV_IPC) == 0))
			return w;
	}
	return NULL;
}

/* Sockets that a policy can allow, by family, kind and protocol; ANYTHING matches every number. */
#define ANYTHING UINT32_MAX
#define NO_PROTO (-1)

/* Most of such sockets are made to look up a name, for which a rule with that name is enough and no server need be
 * reached. */
static const char no_udp[] = "no rule allows UDP; a name that a rule has is looked up by sandlock itself";
static const char udp_flag[] = "--net-allow NAME:PORT";

/* ping turns to it where the kernel refuses it the socket that a rule for icmp opens. */
static const char no_raw_ping[] = "raw sockets are refused in every sandbox; ping needs none under a rule for icmp:// on a "
				  "machine whose net.ipv4.ping_group_range has its group";

/* SOCK_STREAM with CLOEXEC and NONBLOCK: what libc asks for in every program that lists a user, and others do as well. */
#define NAME_CACHE_SOCKET 0x80801

/* What joins a group. */
#define NO_GROUP NET_UDP, "no rule allows UDP to a group", "--net-allow udp://GROUP:PORT"

static const struct grantable {
	const char *syscall;
	uint32_t family, kind, protocol;
	int proto;              /* enum net_proto: a rule may close it whole; NO_PROTO: of no network */
	const char *rule, *flag;
} grantables[] = {
	{ "socket", 1, ANYTHING, ANYTHING, NO_PROTO, "no unix socket that has a path is granted", "--unix-allow PATH" },
	{ "socketpair", 1, ANYTHING, ANYTHING, NO_PROTO, "a datagram socket can send to any path", "--unix-allow PATH" },
	{ "socket", 2, 2, 1, NET_ICMP, "no rule allows ping", "--net-allow icmp://HOST" },
	{ "socket", 10, 2, 58, NET_ICMP, "no rule allows ping", "--net-allow icmp://HOST" },
	{ "socket", 2, 3, 1, NO_PROTO, no_raw_ping, NULL },
	{ "socket", 10, 3, 58, NO_PROTO, no_raw_ping, NULL },
	{ "socket", 2, 2, 0, NET_UDP, no_udp, udp_flag },
	{ "socket", 2, 2, 17, NET_UDP, no_udp, udp_flag },
	{ "socket", 10, 2, 0, NET_UDP, no_udp, udp_flag },
	{ "socket", 10, 2, 17, NET_UDP, no_udp, udp_flag },
	/* joining a group; nothing else that is refused has these numbers */
	{ "setsockopt", ANYTHING, ANYTHING, 20, NO_GROUP },
	{ "setsockopt", ANYTHING, ANYTHING, 35, NO_GROUP },
	{ "setsockopt", ANYTHING, ANYTHING, 39, NO_GROUP },
	{ "setsockopt", ANYTHING, ANYTHING, 42, NO_GROUP },
	{ "setsockopt", ANYTHING, ANYTHING, 46, NO_GROUP },
};

static bool fits(uint32_t want, uint64_t is)
{
	return want == ANYTHING || want == (uint32_t)is;
}

static const struct grantable *find_grantable(const struct call *call)
{
	for (size_t i = 0; i < ARRAY_SIZE(grantables); i++) {
		const struct grantable *g = &grantables[i];

		if (strcmp(g->syscall, call->info->name) == 0 && fits(g->family, call->raw[0]) &&
		    fits(g->kind, call->raw[1] & 0xf) && fits(g->protocol, call->raw[2]))
			return g;
	}
	return NULL;
}

/* Returns the flag that allows it, or NULL: what every sandbox refuses has none. */
static const char *add_rule(struct str *out, const struct refusals *r, const struct call *call)
{
	const struct syscall_info *info = call->info;
	const struct grantable *g = info ? find_grantable(call) : NULL;
	const struct word *w = info ? denied_by_user(r->policy, info) : NULL;

	if (!w && g && g->proto != NO_PROTO)
		w = nethint_denial(r->policy, (enum net_proto)g->proto);
	if (w) {
		str_addf(out, "%s %s", w->origin ? w->origin : "--extra-deny-syscall", w->text);
		return NULL;
	}
	if (info && info->klass == CLASS_SYSV_IPC) {
		str_add(out, "System V IPC is refused unless it is allowed");
		return "--extra-allow-syscall " GROUP_SYSV_IPC;
	}
	if (g) {
		str_add(out, g->rule);
		if (g->family == 1 && call->raw[1] == NAME_CACHE_SOCKET)
			str_add(out, "; where libc only wants its name cache, nothing is missing");
		return g->flag;
	}
	str_add(out, info && info->klass == CLASS_SPECIAL ? "refused in every sandbox with these arguments" :
							    "refused in every sandbox");
	return NULL;
}

static struct verdict on_any(const struct call *call, void *state)
{
	const struct refusals *r = state;
	struct sys_verdict v = sysrules_decide(r->rules, call->nr, call->raw);

	if (v.action != SYS_REFUSE)
		return v_next();        /* somebody else's; with nobody left it is answered ENOSYS */

	AUTO(str) struct str target = STR(TEXT_MAX);
	AUTO(str) struct str rule = STR(TEXT_MAX);
	const char *name = call->info ? call->info->name : "unknown";
	add_call(&target, call, name);
	const char *flag = add_rule(&rule, r, call);
	call->kernel->refuse(call, &(struct refusal){
		.operation = "syscall",
		.target = target.rc == 0 ? target.buf : name,
		.rule = rule.rc == 0 ? rule.buf : "refused by the system call rules",
		.flag = flag,
		.errnum = v.errnum,
		.looks_up = flag == udp_flag,
	});
	return v_errno(v.errnum);
}

static int refusals_start(const struct feature_env *env, void **state, struct error *err)
{
	struct refusals *r = mem_alloc(sizeof *r);

	if (!r)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the list of refused calls");
	r->rules = env->rules;
	r->policy = env->policy;
	*state = r;
	return 0;
}

static bool refusals_wanted(const struct policy *p)
{
	return !p->no_supervisor;
}

static const struct handler refusal_handlers[] = {
	{ "*", on_any, H_NO_DECODE },
};

const struct feature feature_refusals = {
	.name = "refusals", .wanted = refusals_wanted, .start = refusals_start, .stop = mem_free,
	HANDLERS(refusal_handlers),
};
