/*
 * Which system calls a policy lets through, refuses or hands to features: classes from the table, tests on register
 * arguments from the rows below, then traps, then the user's own denials. It looks at no kernel and no process.
 */
#include "policy/sysrules.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define REFUSE(code) { .action = SYS_REFUSE, .errnum = (code) }         /* a person wants to read about it */
#define SILENT(code) { .action = SYS_ERRNO, .errnum = (code) }          /* harmless programs ask and fall back */
#define ALLOWED { .action = SYS_ALLOW }
#define STOOD_IN_FOR { .action = SYS_TRAP }

enum when {
	ALWAYS,
	SUPERVISED,             /* without a supervisor a nested sandbox may need it */
	PINNED,                 /* only where the user chose the cores */
	UNLESS_TRAPPED,         /* the metadata feature judges it on the object; without it nobody can */
	ONLY_IF_TRAPPED,        /* a feature asks for just this; without it the rows below decide */
	IF_UDP,                 /* the network rules let UDP sockets be made, or the resolver makes them */
	IF_ICMP,                /* ... and sockets for ping */
	IF_DATAGRAMS,           /* ... either of them */
	IF_JOINS,               /* ... UDP sockets, and the groups feature judges which groups they join */
	IF_NO_UNIX,             /* no socket with a path may be connected to */
	IF_NO_UNIX_UNASKED,     /* ... and nobody asked (--explain) for what every program tries */
	IF_NO_UNIX_DATAGRAMS,
	IF_STAND_IN,            /* ... but libc asks about interfaces on one, and the interfaces feature has another for it */
	IF_NOT_JUDGED,          /* the network rules need a judge of addresses, and no feature is one: nothing leaves */
	IF_SENDS_NOT_JUDGED,    /* the same, where there are sockets that send without connecting */
	IF_ISLAND,              /* rules with names: sockets of a namespace that the program's user owns */
	IF_MARKED,              /* a feature looks after Landlock domains, which are known by a limit of the process */
};

struct arg_row {
	const char *syscall;
	enum when when;
	struct arg_test test;
};

#define EQ(n, v, ...) { .arg = (n), .op = ARG_EQ, .value = (v), .then = __VA_ARGS__ }
#define NE(n, v, ...) { .arg = (n), .op = ARG_NE, .value = (v), .then = __VA_ARGS__ }
#define ANY(n, m, ...) { .arg = (n), .op = ARG_MASK_ANY, .mask = (m), .then = __VA_ARGS__ }
#define MASKED(n, m, v, ...) { .arg = (n), .op = ARG_MASK_EQ, .mask = (m), .value = (v), .then = __VA_ARGS__ }
#define MASKED_NE(n, m, v, ...) { .arg = (n), .op = ARG_MASK_NE, .mask = (m), .value = (v), .then = __VA_ARGS__ }
#define EQ_AND(n, v) { .arg = (n), .op = ARG_EQ, .value = (v), .and_next = true }
#define MASKED_AND(n, m, v) { .arg = (n), .op = ARG_MASK_EQ, .mask = (m), .value = (v), .and_next = true }
#define NE_64(n, v, ...) { .arg = (n), .op = ARG_NE_64, .value = (v), .then = __VA_ARGS__ }
#define NE_AND(n, v) { .arg = (n), .op = ARG_NE, .value = (v), .and_next = true }
#define OTHERWISE(...) { .op = ARG_MASK_EQ, .then = __VA_ARGS__ }       /* a mask of nothing always equals nothing */

/*
 * The numbers stand here and not by their header names: the rules of one architecture are built and tested on another.
 * They are the same on both.
 */
#define NEW_NAMESPACES 0x7E020000U      /* NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET */
#define UNSHARE_HARMLESS 0x00040600U    /* CLONE_FS, CLONE_FILES, CLONE_SYSVSEM */
#define FASTOPEN 0x20000000U            /* MSG_FASTOPEN: connects without the connect check of Landlock */
#define SOCK_KIND 0xfU                  /* the type without SOCK_CLOEXEC and SOCK_NONBLOCK */
#define FILE_KIND 0xf000U
#define IOCTL_PAGE 0xffffff00U
#define RESET_ON_FORK 0x40000000U

/* clang-format off */
static const struct arg_row arg_rows[] = {
	/* Flags in memory cannot be judged; libc falls back to clone at once. */
	{ "clone3",  ALWAYS,     OTHERWISE(SILENT(ENOSYS)) },
	{ "clone",   ALWAYS,     ANY(0, NEW_NAMESPACES, REFUSE(EPERM)) },
	{ "unshare", SUPERVISED, ANY(0, ~UNSHARE_HARMLESS, REFUSE(EPERM)) },

	{ "personality", SUPERVISED, EQ(0, 0xffffffff, ALLOWED) },      /* asks */
	{ "personality", SUPERVISED, EQ(0, 0, ALLOWED) },               /* back to plain Linux */
	{ "personality", SUPERVISED, OTHERWISE(REFUSE(EPERM)) },

	{ "prctl", ALWAYS, EQ(0, 4, REFUSE(EPERM)) },                   /* PR_SET_DUMPABLE */
	{ "prctl", ALWAYS, EQ(0, 28, REFUSE(EPERM)) },                  /* PR_SET_SECUREBITS */
	{ "prctl", ALWAYS, EQ(0, 35, REFUSE(EPERM)) },                  /* PR_SET_MM */
	{ "prctl", ALWAYS, EQ(0, 0x59616d61, REFUSE(EPERM)) },          /* PR_SET_PTRACER */

	/* Terminals: typing for others, console and keyboard tables, stealing. */
	{ "ioctl", ALWAYS, EQ(1, 0x5412, REFUSE(EPERM)) },              /* TIOCSTI */
	{ "ioctl", ALWAYS, EQ(1, 0x541C, REFUSE(EPERM)) },              /* TIOCLINUX */
	{ "ioctl", ALWAYS, EQ(1, 0x541D, REFUSE(EPERM)) },              /* TIOCCONS */
	{ "ioctl", ALWAYS, EQ(1, 0x5423, REFUSE(EPERM)) },              /* TIOCSETD */
	{ "ioctl", ALWAYS, EQ(1, 0x5437, REFUSE(EPERM)) },              /* TIOCVHANGUP */
	/* Attributes that need ownership only, so Landlock does not see them. */
	{ "ioctl", UNLESS_TRAPPED, EQ(1, 0x40086602, REFUSE(EPERM)) },  /* FS_IOC_SETFLAGS */
	{ "ioctl", UNLESS_TRAPPED, EQ(1, 0x40046602, REFUSE(EPERM)) },  /* FS_IOC32_SETFLAGS */
	{ "ioctl", UNLESS_TRAPPED, EQ(1, 0x401c5820, REFUSE(EPERM)) },  /* FS_IOC_FSSETXATTR */
	{ "ioctl", ALWAYS, EQ(1, 0x40087602, REFUSE(EPERM)) },          /* FS_IOC_SETVERSION */
	{ "ioctl", ALWAYS, EQ(1, 0x40086604, REFUSE(EPERM)) },          /* EXT4_IOC_SETVERSION */
	{ "ioctl", ALWAYS, EQ(1, 0x40047211, REFUSE(EPERM)) },          /* FAT_IOCTL_SET_ATTRIBUTES */
	{ "ioctl", ALWAYS, EQ(1, 0x800c6613, REFUSE(EPERM)) },          /* FS_IOC_SET_ENCRYPTION_POLICY */
	/* Network interfaces: what the netlink feature answers, and of the page else only what concerns the socket itself. */
	{ "ioctl", ONLY_IF_TRAPPED, EQ(1, 0x8910, ALLOWED) },           /* SIOCGIFNAME */
	{ "ioctl", ONLY_IF_TRAPPED, EQ(1, 0x8912, ALLOWED) },           /* SIOCGIFCONF */
	{ "ioctl", ONLY_IF_TRAPPED, EQ(1, 0x8913, ALLOWED) },           /* SIOCGIFFLAGS */
	{ "ioctl", ONLY_IF_TRAPPED, EQ(1, 0x8915, ALLOWED) },           /* SIOCGIFADDR */
	{ "ioctl", ONLY_IF_TRAPPED, EQ(1, 0x891B, ALLOWED) },           /* SIOCGIFNETMASK */
	{ "ioctl", ONLY_IF_TRAPPED, EQ(1, 0x8921, ALLOWED) },           /* SIOCGIFMTU */
	{ "ioctl", ONLY_IF_TRAPPED, EQ(1, 0x8927, ALLOWED) },           /* SIOCGIFHWADDR */
	{ "ioctl", ONLY_IF_TRAPPED, EQ(1, 0x8933, ALLOWED) },           /* SIOCGIFINDEX */
	{ "ioctl", ALWAYS, EQ(1, 0x894B, ALLOWED) },                    /* SIOCOUTQNSD */
	{ "ioctl", ALWAYS, EQ_AND(1, 0x540E) },                         /* TIOCSCTTY ... */
	{ "ioctl", ALWAYS, EQ(2, 1, REFUSE(EPERM)) },                   /* ... taken from another session */
	{ "ioctl", ALWAYS, MASKED(1, 0xfffffff8, 0x8900, ALLOWED) },    /* SIOCATMARK, SIOCGSTAMP, owner */
	{ "ioctl", ALWAYS, MASKED(1, IOCTL_PAGE, 0x8900, REFUSE(EPERM)) },      /* SIOCGIF*, SIOCSIF*, SIOCETHTOOL */
	{ "ioctl", ALWAYS, MASKED(1, IOCTL_PAGE, 0x8B00, REFUSE(EPERM)) },      /* wireless */
	{ "ioctl", ALWAYS, MASKED(1, IOCTL_PAGE, 0x4B00, REFUSE(EPERM)) },      /* KD*: keyboard of an inherited console */
	{ "ioctl", ALWAYS, MASKED(1, IOCTL_PAGE, 0x5600, REFUSE(EPERM)) },      /* VT_* */
	/* Cloning file contents needs an open writable file; the rest of this page makes subvolumes and snapshots. */
	{ "ioctl", ALWAYS, EQ(1, 0x40049409, ALLOWED) },                /* FICLONE */
	{ "ioctl", ALWAYS, EQ(1, 0x4020940D, ALLOWED) },                /* FICLONERANGE */
	{ "ioctl", ALWAYS, EQ(1, 0xC0189436, ALLOWED) },                /* FIDEDUPERANGE */
	{ "ioctl", ALWAYS, MASKED(1, 0xff00, 0x9400, REFUSE(EPERM)) },
	{ "file_setattr", UNLESS_TRAPPED, OTHERWISE(REFUSE(EPERM)) },

	/*
	 * A path can name a socket of the host. Only datagram sockets can do so in each send, a pair of them too; the kernel
	 * makes a datagram socket of SOCK_RAW.
	 */
	/*
	 * As glibc asks for the name cache in every program that lists a user: nobody wants to read of that. Run times like
	 * Go's and node's ask for every socket in this way, so --explain names it.
	 */
	{ "socket", IF_NO_UNIX_UNASKED, EQ_AND(0, 1) },
	{ "socket", IF_NO_UNIX_UNASKED, EQ(1, 0x80801, SILENT(EACCES)) },       /* SOCK_STREAM, CLOEXEC and NONBLOCK */
	{ "socket", IF_STAND_IN, EQ_AND(0, 1) },
	{ "socket", IF_STAND_IN, MASKED(1, SOCK_KIND, 2, STOOD_IN_FOR) },
	{ "socket", IF_NO_UNIX, EQ(0, 1, REFUSE(EACCES)) },
	{ "socket", IF_NO_UNIX_DATAGRAMS, EQ_AND(0, 1) },
	{ "socket", IF_NO_UNIX_DATAGRAMS, MASKED(1, SOCK_KIND, 2, REFUSE(EACCES)) },
	{ "socket", IF_NO_UNIX_DATAGRAMS, EQ_AND(0, 1) },
	{ "socket", IF_NO_UNIX_DATAGRAMS, MASKED(1, SOCK_KIND, 3, REFUSE(EACCES)) },
	{ "socket", ALWAYS, EQ(0, 1, ALLOWED) },
	{ "socketpair", ALWAYS, NE(0, 1, REFUSE(EAFNOSUPPORT)) },
	{ "socketpair", IF_NO_UNIX_DATAGRAMS, MASKED(1, SOCK_KIND, 2, REFUSE(EACCES)) },
	{ "socketpair", IF_NO_UNIX_DATAGRAMS, MASKED(1, SOCK_KIND, 3, REFUSE(EACCES)) },
	/*
	 * Landlock judges TCP only and the supervisor UDP and ping, so nothing else may speak IP: not MPTCP or SCTP. Asking
	 * for AF_NETLINK and MPTCP is what libraries do at every start, so these stay silent.
	 */
	{ "socket", ALWAYS, EQ_AND(0, 16) },                                    /* AF_NETLINK ... */
	{ "socket", ALWAYS, NE(2, 0, SILENT(EAFNOSUPPORT)) },                   /* ... but NETLINK_ROUTE, ... */
	{ "socket", ONLY_IF_TRAPPED, EQ(0, 16, ALLOWED) },                      /* ... which the netlink feature plays */
	{ "socket", ALWAYS, EQ(0, 16, SILENT(EAFNOSUPPORT)) },
	{ "socket", ALWAYS, NE_AND(0, 2) },                                     /* neither AF_INET ... */
	{ "socket", ALWAYS, NE(0, 10, REFUSE(EAFNOSUPPORT)) },                  /* ... nor AF_INET6 */
	{ "socket", IF_UDP, MASKED_AND(1, SOCK_KIND, 2) },                      /* SOCK_DGRAM */
	{ "socket", IF_UDP, EQ(2, 0, ALLOWED) },
	{ "socket", IF_UDP, MASKED_AND(1, SOCK_KIND, 2) },
	{ "socket", IF_UDP, EQ(2, 17, ALLOWED) },                               /* IPPROTO_UDP */
	{ "socket", IF_ICMP, MASKED_AND(1, SOCK_KIND, 2) },
	{ "socket", IF_ICMP, EQ(2, 1, ALLOWED) },                               /* IPPROTO_ICMP */
	{ "socket", IF_ICMP, MASKED_AND(1, SOCK_KIND, 2) },
	{ "socket", IF_ICMP, EQ(2, 58, ALLOWED) },                              /* IPPROTO_ICMPV6 */
	{ "socket", ALWAYS, MASKED(1, SOCK_KIND, 2, REFUSE(EPERM)) },
	{ "socket", ALWAYS, MASKED(1, SOCK_KIND, 3, REFUSE(EPERM)) },           /* SOCK_RAW */
	{ "socket", ALWAYS, MASKED_NE(1, SOCK_KIND, 1, REFUSE(EPROTONOSUPPORT)) },
	{ "socket", ALWAYS, EQ(2, 0, ALLOWED) },
	{ "socket", ALWAYS, EQ(2, 6, ALLOWED) },                                /* IPPROTO_TCP */
	{ "socket", ALWAYS, EQ(2, 262, SILENT(EPROTONOSUPPORT)) },              /* IPPROTO_MPTCP */
	{ "socket", ALWAYS, OTHERWISE(REFUSE(EPROTONOSUPPORT)) },
	{ "connect",  IF_NOT_JUDGED, OTHERWISE(REFUSE(EACCES)) },
	{ "sendto",   IF_SENDS_NOT_JUDGED, NE_64(4, 0, REFUSE(EACCES)) },
	{ "sendmsg",  IF_SENDS_NOT_JUDGED, OTHERWISE(REFUSE(EACCES)) },
	{ "sendmmsg", IF_SENDS_NOT_JUDGED, OTHERWISE(REFUSE(EACCES)) },
	{ "sendto",   ALWAYS, ANY(3, FASTOPEN, SILENT(EOPNOTSUPP)) },
	{ "sendmsg",  ALWAYS, ANY(2, FASTOPEN, SILENT(EOPNOTSUPP)) },
	{ "sendmmsg", ALWAYS, ANY(3, FASTOPEN, SILENT(EOPNOTSUPP)) },
	/*
	 * Source routes take a packet of any socket, at any time, to an address that no rule has judged; a flow label can
	 * carry one. Joining a group sends to it, and to all routers; MCAST_* do so on a TCP socket too, which everybody
	 * may make. Protocols on top of TCP (SMC) leave Landlock's eyes.
	 */
	{ "setsockopt", ALWAYS, EQ_AND(1, 0) },
	{ "setsockopt", ALWAYS, EQ(2, 4, REFUSE(EPERM)) }, /* IPPROTO_IP: IP_OPTIONS */
	{ "setsockopt", ALWAYS, EQ_AND(1, 41) },
	{ "setsockopt", ALWAYS, EQ(2, 57, REFUSE(EPERM)) }, /* IPPROTO_IPV6: IPV6_RTHDR */
	{ "setsockopt", ALWAYS, EQ_AND(1, 41) },
	{ "setsockopt", ALWAYS, EQ(2, 6, REFUSE(EPERM)) }, /* IPV6_2292PKTOPTIONS */
	{ "setsockopt", ALWAYS, EQ_AND(1, 6) },
	{ "setsockopt", ALWAYS, EQ(2, 31, SILENT(ENOPROTOOPT)) }, /* TCP_ULP: libraries try kTLS and fall back */
	/*
	 * The resolver's sockets are of a namespace that the program's user owns, so on them it may what else only an
	 * administrator of networks may: tables of the packet filter, policies of IPsec, connections out of nothing. None
	 * leads out of there, but it is much of the kernel to try. IPv4 has no options from 64 on; the filter has.
	 */
	{ "setsockopt", IF_ISLAND, EQ_AND(1, 0) },
	{ "setsockopt", IF_ISLAND, ANY(2, ~63U, REFUSE(EPERM)) },
	{ "setsockopt", IF_ISLAND, EQ_AND(1, 0) },
	{ "setsockopt", IF_ISLAND, MASKED(2, ~1U, 16, REFUSE(EPERM)) }, /* IP_IPSEC_POLICY, IP_XFRM_POLICY */
	{ "setsockopt", IF_ISLAND, EQ_AND(1, 41) },
	{ "setsockopt", IF_ISLAND, MASKED(2, ~1U, 64, REFUSE(EPERM)) }, /* IP6T_SO_SET_REPLACE, IP6T_SO_SET_ADD_COUNTERS */
	{ "setsockopt", IF_ISLAND, EQ_AND(1, 41) },
	{ "setsockopt", IF_ISLAND, MASKED(2, ~1U, 34, REFUSE(EPERM)) }, /* IPV6_IPSEC_POLICY, IPV6_XFRM_POLICY */
	{ "setsockopt", IF_ISLAND, EQ_AND(1, 6) },
	{ "setsockopt", IF_ISLAND, EQ(2, 19, REFUSE(EPERM)) }, /* TCP_REPAIR */
	{ "getsockopt", IF_ISLAND, EQ_AND(1, 0) },
	{ "getsockopt", IF_ISLAND, EQ(2, 80, ALLOWED) }, /* SO_ORIGINAL_DST: servers behind a redirection ask for it */
	{ "getsockopt", IF_ISLAND, EQ_AND(1, 0) },
	{ "getsockopt", IF_ISLAND, ANY(2, ~63U, REFUSE(EPERM)) },
	{ "getsockopt", IF_ISLAND, EQ_AND(1, 41) },
	{ "getsockopt", IF_ISLAND, MASKED(2, ~1U, 64, REFUSE(EPERM)) }, /* IP6T_SO_GET_INFO, IP6T_SO_GET_ENTRIES */
	{ "getsockopt", IF_ISLAND, EQ_AND(1, 41) },
	{ "getsockopt", IF_ISLAND, MASKED(2, ~1U, 68, REFUSE(EPERM)) }, /* IP6T_SO_GET_REVISION_MATCH, _TARGET */
	/* On UDP sockets, where a rule has the group: features/groups.c, which refuses all others. */
	{ "setsockopt", IF_JOINS, EQ_AND(1, 0) },
	{ "setsockopt", IF_JOINS, EQ(2, 35, STOOD_IN_FOR) }, /* IP_ADD_MEMBERSHIP */
	{ "setsockopt", IF_JOINS, EQ_AND(1, 0) },
	{ "setsockopt", IF_JOINS, EQ(2, 39, STOOD_IN_FOR) }, /* IP_ADD_SOURCE_MEMBERSHIP */
	{ "setsockopt", IF_JOINS, EQ_AND(1, 0) },
	{ "setsockopt", IF_JOINS, EQ(2, 42, STOOD_IN_FOR) }, /* MCAST_JOIN_GROUP */
	{ "setsockopt", IF_JOINS, EQ_AND(1, 0) },
	{ "setsockopt", IF_JOINS, EQ(2, 46, STOOD_IN_FOR) }, /* MCAST_JOIN_SOURCE_GROUP */
	{ "setsockopt", IF_JOINS, EQ_AND(1, 41) },
	{ "setsockopt", IF_JOINS, EQ(2, 20, STOOD_IN_FOR) }, /* IPV6_ADD_MEMBERSHIP */
	{ "setsockopt", IF_JOINS, EQ_AND(1, 41) },
	{ "setsockopt", IF_JOINS, EQ(2, 42, STOOD_IN_FOR) }, /* MCAST_JOIN_GROUP */
	{ "setsockopt", IF_JOINS, EQ_AND(1, 41) },
	{ "setsockopt", IF_JOINS, EQ(2, 46, STOOD_IN_FOR) }, /* MCAST_JOIN_SOURCE_GROUP */
	{ "setsockopt", IF_DATAGRAMS, EQ_AND(1, 41) },
	{ "setsockopt", IF_DATAGRAMS, EQ(2, 32, REFUSE(EPERM)) }, /* IPV6_FLOWLABEL_MGR */
	{ "setsockopt", IF_DATAGRAMS, EQ_AND(1, 0) },
	{ "setsockopt", IF_DATAGRAMS, EQ(2, 35, REFUSE(EPERM)) }, /* IP_ADD_MEMBERSHIP */
	{ "setsockopt", IF_DATAGRAMS, EQ_AND(1, 0) },
	{ "setsockopt", IF_DATAGRAMS, EQ(2, 39, REFUSE(EPERM)) }, /* IP_ADD_SOURCE_MEMBERSHIP */
	{ "setsockopt", IF_DATAGRAMS, EQ_AND(1, 41) },
	{ "setsockopt", IF_DATAGRAMS, EQ(2, 20, REFUSE(EPERM)) }, /* IPV6_ADD_MEMBERSHIP */
	{ "setsockopt", IF_DATAGRAMS, EQ_AND(1, 41) },
	{ "setsockopt", IF_DATAGRAMS, EQ(2, 27, REFUSE(EPERM)) }, /* IPV6_JOIN_ANYCAST */
	{ "setsockopt", ALWAYS, EQ_AND(1, 0) },
	{ "setsockopt", ALWAYS, EQ(2, 42, REFUSE(EPERM)) }, /* MCAST_JOIN_GROUP */
	{ "setsockopt", ALWAYS, EQ_AND(1, 41) },
	{ "setsockopt", ALWAYS, EQ(2, 42, REFUSE(EPERM)) }, /* MCAST_JOIN_GROUP */
	{ "setsockopt", ALWAYS, EQ_AND(1, 0) },
	{ "setsockopt", ALWAYS, EQ(2, 46, REFUSE(EPERM)) }, /* MCAST_JOIN_SOURCE_GROUP */
	{ "setsockopt", ALWAYS, EQ_AND(1, 41) },
	{ "setsockopt", ALWAYS, EQ(2, 46, REFUSE(EPERM)) }, /* MCAST_JOIN_SOURCE_GROUP */

	/* Limits, scheduling and pages of others: the signal scope does not cover them. 0 is the caller itself. */
	{ "prlimit64",          ALWAYS, NE(0, 0, REFUSE(EPERM)) },
	/* RLIMIT_LOCKS, which limits nothing: the mark of a Landlock domain (supervisor/domains.c) */
	{ "prlimit64",          IF_MARKED, EQ_AND(1, 10) },
	{ "prlimit64",          IF_MARKED, NE_64(2, 0, REFUSE(EPERM)) },
	{ "setrlimit",          IF_MARKED, EQ(0, 10, REFUSE(EPERM)) },
	{ "sched_setaffinity",  PINNED, OTHERWISE(REFUSE(EPERM)) },
	{ "sched_setaffinity",  ALWAYS, NE(0, 0, REFUSE(EPERM)) },
	{ "sched_setparam",     ALWAYS, NE(0, 0, REFUSE(EPERM)) },
	{ "sched_setattr",      ALWAYS, NE(0, 0, REFUSE(EPERM)) },
	{ "sched_setscheduler", ALWAYS, NE(0, 0, REFUSE(EPERM)) },
	{ "sched_setscheduler", ALWAYS, MASKED(1, ~RESET_ON_FORK, 1, REFUSE(EPERM)) },  /* SCHED_FIFO */
	{ "sched_setscheduler", ALWAYS, MASKED(1, ~RESET_ON_FORK, 2, REFUSE(EPERM)) },  /* SCHED_RR */
	{ "sched_setscheduler", ALWAYS, MASKED(1, ~RESET_ON_FORK, 6, REFUSE(EPERM)) },  /* SCHED_DEADLINE */
	{ "setpriority",        ALWAYS, NE(0, 0, REFUSE(EPERM)) },      /* a group or a user may reach outside */
	{ "setpriority",        ALWAYS, NE(1, 0, REFUSE(EPERM)) },
	{ "ioprio_set",         ALWAYS, NE(0, 1, REFUSE(EPERM)) },      /* IOPRIO_WHO_PROCESS */
	{ "ioprio_set",         ALWAYS, NE(1, 0, REFUSE(EPERM)) },
	{ "migrate_pages",      ALWAYS, NE(0, 0, REFUSE(EPERM)) },
	{ "move_pages",         ALWAYS, NE(0, 0, REFUSE(EPERM)) },

	{ "mknod",   ALWAYS, MASKED(1, FILE_KIND, 0x2000, REFUSE(EPERM)) },     /* S_IFCHR */
	{ "mknod",   ALWAYS, MASKED(1, FILE_KIND, 0x6000, REFUSE(EPERM)) },     /* S_IFBLK */
	{ "mknodat", ALWAYS, MASKED(2, FILE_KIND, 0x2000, REFUSE(EPERM)) },
	{ "mknodat", ALWAYS, MASKED(2, FILE_KIND, 0x6000, REFUSE(EPERM)) },
};
/* clang-format on */

static const struct sys_verdict no_such_call = SILENT(ENOSYS);
static const struct sys_verdict denied = REFUSE(EPERM);
static const struct sys_verdict trapped = { .action = SYS_TRAP };

#define GROUP_SYSV_IPC "sysv_ipc"

static bool words_have(const struct words *words, const char *text)
{
	for (size_t i = 0; i < words->len; i++) {
		if (strcmp(words->at[i].text, text) == 0)
			return true;
	}
	return false;
}

/* Without a supervisor nobody would answer a notification: the kernel answers with the same errno. */
static struct sys_verdict settle(const struct sysrules *r, struct sys_verdict v)
{
	if (v.action == SYS_REFUSE && !r->supervised)
		v.action = SYS_ERRNO;
	return v;
}

static int push_test(struct sys_rule *rule, struct arg_test test)
{
	/* Most of them have one or two: eight at once would be most of what a start allocates. */
	if (!rule->tests) {
		rule->tests = mem_array(2, sizeof *rule->tests);
		if (!rule->tests)
			return -ENOMEM;
		rule->cap = 2;
	}
	return VEC_PUSH(rule->tests, rule->cap, rule->len, test);
}

static void apply_classes(struct sysrules *r, bool sysv_ipc)
{
	const struct sys_verdict allowed = ALLOWED;
	const struct sys_verdict by_class[CLASS_MAX] = {
		[CLASS_ALLOW] = allowed,
		[CLASS_DENY] = r->supervised ? denied : allowed,
		[CLASS_DENY_ALWAYS] = settle(r, denied),
		[CLASS_SYSV_IPC] = sysv_ipc ? allowed : settle(r, denied),
		[CLASS_UNKNOWN_TO_US] = no_such_call,
		[CLASS_SPECIAL] = allowed,
	};

	for (size_t nr = 0; nr < SYSRULES_MAX; nr++) {
		const struct syscall_info *info = syscall_by_nr(r->arch, (int)nr);

		r->rule[nr].otherwise = info ? by_class[info->klass] : r->above;
	}
}

/* Does a trap wait for just this row, or, where `whole` is enough, for the whole call? */
static bool trap_covers(const struct trap *traps, size_t count, const struct arg_row *row, bool whole)
{
	for (size_t i = 0; i < count; i++) {
		const struct trap *t = &traps[i];

		if (strcmp(t->syscall, row->syscall) != 0)
			continue;
		if (!t->conditional ? whole
				    : t->op == ARG_EQ && t->arg == row->test.arg && t->value == row->test.value)
			return true;
	}
	return false;
}

/* Rows of one call come in the order in which they decide; the last one may be the answer to everything else. */
static int apply_row(struct sysrules *r, const struct arg_row *row)
{
	int nr = syscall_nr(r->arch, row->syscall);
	struct arg_test test = row->test;

	if (nr < 0)
		return 0;
	test.then = settle(r, test.then);
	if (test.op == ARG_MASK_EQ && test.mask == 0) {
		r->rule[nr].otherwise = test.then;
		return 0;
	}
	return push_test(&r->rule[nr], test);
}

static bool has_trap(const struct trap *traps, size_t count, const char *syscall)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(traps[i].syscall, syscall) == 0)
			return true;
	return false;
}

static bool sends_to(const struct policy *p)
{
	return policy_has_proto(p, NET_UDP) || policy_has_proto(p, NET_ICMP);
}

/* Does a feature make the datagram sockets itself? Then the filter must let them reach it. */
static bool makes_datagrams(const struct trap *traps, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(traps[i].syscall, "socket") == 0 && traps[i].conditional && traps[i].op == ARG_MASK_EQ &&
		    traps[i].arg == 1 && traps[i].mask == SOCK_KIND && traps[i].value == 2)
			return true;
	return false;
}

static bool row_counts(const struct sysrules *r, const struct policy *p, const struct trap *traps, size_t count,
		       const struct arg_row *row)
{
	switch (row->when) {
	case ALWAYS:
		return true;
	case SUPERVISED:
		return r->supervised;
	case PINNED:
		return p->cores_given;
	case UNLESS_TRAPPED:
		return !trap_covers(traps, count, row, true);
	case ONLY_IF_TRAPPED:
		return trap_covers(traps, count, row, false);
	case IF_UDP:
		return policy_has_proto(p, NET_UDP) || makes_datagrams(traps, count);
	case IF_ICMP:
		return policy_has_proto(p, NET_ICMP);
	case IF_DATAGRAMS:
		return sends_to(p);
	case IF_JOINS:
		return policy_judges_joins(p);
	case IF_NO_UNIX:
		return !policy_reaches_unix(p);
	case IF_NO_UNIX_UNASKED:
		return !policy_reaches_unix(p) && !p->explain;
	case IF_STAND_IN:
		return r->supervised && !policy_has_unix_datagrams(p);
	case IF_NO_UNIX_DATAGRAMS:
		return !policy_has_unix_datagrams(p);
	case IF_NOT_JUDGED:
		return policy_judges_addresses(p) && !has_trap(traps, count, row->syscall);
	case IF_SENDS_NOT_JUDGED:
		return sends_to(p) && !has_trap(traps, count, row->syscall);
	case IF_ISLAND:
		return r->supervised && (policy_has_names(p) || policy_has_suffixes(p));
	case IF_MARKED:
		return has_trap(traps, count, "landlock_restrict_self");
	}
	return false;
}

static int apply_rows(struct sysrules *r, const struct policy *p, const struct trap *traps, size_t count)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(arg_rows) && rc == 0; i++)
		if (row_counts(r, p, traps, count, &arg_rows[i]))
			rc = apply_row(r, &arg_rows[i]);
	return rc;
}

bool arg_test_holds(const struct arg_test *t, const uint64_t args[6])
{
	uint32_t low = (uint32_t)args[t->arg];

	switch ((enum arg_op)t->op) {
	case ARG_EQ:
		return low == (uint32_t)t->value;
	case ARG_NE:
		return low != (uint32_t)t->value;
	case ARG_MASK_ANY:
		return (low & t->mask) != 0;
	case ARG_MASK_EQ:
		return (low & t->mask) == (uint32_t)t->value;
	case ARG_MASK_NE:
		return (low & t->mask) != (uint32_t)t->value;
	case ARG_NE_64:
		return args[t->arg] != t->value;
	}
	return false;
}

/* True when no argument can pass the run of tests from `at` and also be the one value that the trap waits for. */
static bool run_excludes(const struct sys_rule *rule, size_t at, const struct arg_test *trap)
{
	uint64_t args[6] = { 0 };

	if (trap->op != ARG_EQ)
		return false;
	args[trap->arg] = trap->value;
	for (;; at++) {
		const struct arg_test *t = &rule->tests[at];

		if (t->arg == trap->arg && t->op != ARG_NE_64 && !arg_test_holds(t, args))
			return true;
		if (!t->and_next)
			return false;
	}
}

/* The run of joined tests from `at` once more, joined with the trap's own test. */
static int push_run_and_trap(struct sys_rule *to, const struct sys_rule *from, size_t at, struct arg_test test)
{
	for (;; at++) {
		struct arg_test part = from->tests[at];
		bool last = !part.and_next;

		part.and_next = true;
		int rc = push_test(to, part);
		if (rc < 0 || last)
			return rc < 0 ? rc : push_test(to, test);
	}
}

/* A test of its own that decides about all that the trap waits for. */
static bool is_the_trap(const struct sys_rule *rule, size_t start, size_t at, const struct arg_test *trap)
{
	const struct arg_test *t = &rule->tests[at];

	return start == at && t->op == ARG_EQ && trap->op == ARG_EQ && t->arg == trap->arg &&
	       (uint32_t)t->value == (uint32_t)trap->value;
}

/* Before every run that would allow, the same run with the trap's test; after all of them the trap's test alone. Where
 * the rule has that test already, it traps instead of allowing, and what comes after never meets the trap. */
static int split_by_trap(struct sys_rule *to, const struct sys_rule *from, struct arg_test test)
{
	bool decided = false;

	for (size_t at = 0, start = 0; at < from->len; at++) {
		if (from->tests[at].and_next)
			continue;
		bool allows = from->tests[at].then.action == SYS_ALLOW;
		bool same = !decided && is_the_trap(from, start, at, &test);
		bool meets = !decided && !same && allows && !run_excludes(from, start, &test);
		int rc = meets ? push_run_and_trap(to, from, start, test) : 0;
		for (; rc == 0 && start <= at; start++)
			rc = push_test(to, same && allows ? test : from->tests[start]);
		if (rc < 0)
			return rc;
		decided = decided || same;
	}
	return !decided && from->otherwise.action == SYS_ALLOW ? push_test(to, test) : 0;
}

static int trap_when(struct sys_rule *rule, const struct trap *t)
{
	struct arg_test test = {
		.arg = t->arg, .op = t->op, .mask = t->mask, .value = t->value, .then = trapped,
	};
	struct sys_rule split = { .otherwise = rule->otherwise };
	int rc = split_by_trap(&split, rule, test);

	if (rc < 0) {
		mem_free(split.tests);
		return rc;
	}
	mem_free(rule->tests);
	*rule = split;
	return 0;
}

static void trap_all(struct sys_rule *rule)
{
	for (size_t i = 0; i < rule->len; i++) {
		if (!rule->tests[i].and_next && rule->tests[i].then.action == SYS_ALLOW)
			rule->tests[i].then = trapped;
	}
	if (rule->otherwise.action == SYS_ALLOW)
		rule->otherwise = trapped;
}

static int apply_traps(struct sysrules *r, const struct trap *traps, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct syscall_info *info = syscall_by_name(traps[i].syscall);

		if (!info || !r->supervised)
			return error_set(err, ERR_STATE, -EINVAL, "nobody can handle the system call '%s'",
					 traps[i].syscall);
		if (info->nr[r->arch] < 0)
			continue;
		struct sys_rule *rule = &r->rule[info->nr[r->arch]];
		int rc = 0;
		if (traps[i].conditional)
			rc = trap_when(rule, &traps[i]);
		else
			trap_all(rule);
		if (rc < 0)
			return error_set(err, ERR_MEMORY, rc, "not enough memory for the system call rules");
	}
	return 0;
}

static void deny_nr(struct sysrules *r, int nr)
{
	if (nr < 0)
		return;
	r->rule[nr].len = 0;
	r->rule[nr].otherwise = settle(r, denied);
}

static void apply_denials(struct sysrules *r, const struct words *names)
{
	for (size_t i = 0; i < names->len; i++)
		deny_nr(r, syscall_nr(r->arch, names->at[i].text));

	if (!words_have(names, GROUP_SYSV_IPC))
		return;
	for (size_t i = 0; i < syscall_count; i++) {
		if (syscall_table[i].klass == CLASS_SYSV_IPC)
			deny_nr(r, syscall_table[i].nr[r->arch]);
	}
}

int sysrules_build(const struct policy *p, enum arch arch, const struct trap *traps, size_t trap_count,
		   struct sysrules **out, struct error *err)
{
	struct sysrules *r = mem_alloc(sizeof *r);

	if (!r)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the system call rules");
	r->arch = arch;
	r->supervised = !p->no_supervisor;
	r->above = no_such_call;
	apply_classes(r, words_have(&p->extra_allow, GROUP_SYSV_IPC));

	int rc = apply_rows(r, p, traps, trap_count);
	if (rc < 0)
		error_set(err, ERR_MEMORY, rc, "not enough memory for the system call rules");
	else
		rc = apply_traps(r, traps, trap_count, err);
	if (rc < 0) {
		sysrules_free(r);
		return rc;
	}
	apply_denials(r, &p->extra_deny);
	*out = r;
	return 0;
}

void sysrules_free(struct sysrules *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < SYSRULES_MAX; i++)
		mem_free(r->rule[i].tests);
	mem_free(r);
}

struct sys_verdict sysrules_decide(const struct sysrules *r, int nr, const uint64_t args[6])
{
	if (nr < 0 || nr >= SYSRULES_MAX)
		return r->above;

	const struct sys_rule *rule = &r->rule[nr];
	bool run_holds = true;

	for (size_t i = 0; i < rule->len; i++) {
		const struct arg_test *t = &rule->tests[i];

		run_holds = run_holds && arg_test_holds(t, args);
		if (t->and_next)
			continue;
		if (run_holds)
			return t->then;
		run_holds = true;
	}
	return rule->otherwise;
}

/* --- the names that a user may give --- */

enum complaint { UNKNOWN_NAME, NOT_A_GROUP, CANNOT_START, ALLOWED_AND_DENIED, COMPLAINT_MAX };

static const char *const complaint_text[COMPLAINT_MAX] = {
	[UNKNOWN_NAME] = "there is no such system call or group: ",
	[NOT_A_GROUP] = "only groups can be allowed again, and the only group is " GROUP_SYSV_IPC ": ",
	[CANNOT_START] = "no program could start without this system call, so it cannot be denied: ",
	[ALLOWED_AND_DENIED] = "both allowed (group " GROUP_SYSV_IPC ") and denied: ",
};

struct complaints {
	struct str list[COMPLAINT_MAX];
};

static const char *nearest_name(const char *text)
{
	size_t best = 3;        /* further than two letters away is another word */
	const char *name = NULL;

	if (str_distance(text, GROUP_SYSV_IPC) < best) {
		best = str_distance(text, GROUP_SYSV_IPC);
		name = GROUP_SYSV_IPC;
	}
	for (size_t i = 0; i < syscall_count; i++) {
		size_t far = str_distance(text, syscall_table[i].name);

		if (far < best) {
			best = far;
			name = syscall_table[i].name;
		}
	}
	return name;
}

static void complain(struct complaints *c, enum complaint about, const struct word *word)
{
	struct str *s = &c->list[about];
	const char *near = about == UNKNOWN_NAME ? nearest_name(word->text) : NULL;

	s->max = 900;
	str_addf(s, "%s'%.60s'", s->len ? ", " : complaint_text[about], word->text);
	if (word->origin)
		str_addf(s, " (%.60s)", word->origin);
	if (near)
		str_addf(s, ", did you mean '%s'?", near);
}

static void check_allow(const struct word *word, struct complaints *c)
{
	if (strcmp(word->text, GROUP_SYSV_IPC) != 0)
		complain(c, syscall_by_name(word->text) ? NOT_A_GROUP : UNKNOWN_NAME, word);
}

static void check_deny(const struct word *word, bool sysv_ipc, struct complaints *c)
{
	const struct syscall_info *info = syscall_by_name(word->text);
	bool group = strcmp(word->text, GROUP_SYSV_IPC) == 0;

	if (!info && !group)
		complain(c, UNKNOWN_NAME, word);
	else if (info && strcmp(info->name, "execve") == 0)
		complain(c, CANNOT_START, word);
	else if (sysv_ipc && (group || info->klass == CLASS_SYSV_IPC))
		complain(c, ALLOWED_AND_DENIED, word);
}

/* One sentence of all complaints. What does not fit is cut: the first names are there. */
static int conclude(struct complaints *c, struct error *err)
{
	AUTO(str) struct str all = STR(1000);
	bool short_of_memory = false;

	for (size_t i = 0; i < COMPLAINT_MAX; i++) {
		struct str *s = &c->list[i];

		short_of_memory = short_of_memory || s->rc == -ENOMEM;
		if (s->len)
			str_addf(&all, "%s%.*s%s", all.len ? "; " : "", (int)s->len, s->buf,
				 s->rc == -ENOSPC ? ", ..." : "");
		str_fini(s);
	}
	if (short_of_memory || all.rc == -ENOMEM)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory to check system call names");
	if (all.len == 0)
		return 0;
	return error_set(err, ERR_USAGE, -EINVAL, "%s", all.buf);
}

int sysrules_check_names(const struct policy *p, struct error *err)
{
	bool sysv_ipc = words_have(&p->extra_allow, GROUP_SYSV_IPC);
	struct complaints c = { 0 };

	for (size_t i = 0; i < p->extra_allow.len; i++)
		check_allow(&p->extra_allow.at[i], &c);
	for (size_t i = 0; i < p->extra_deny.len; i++)
		check_deny(&p->extra_deny.at[i], sysv_ipc, &c);
	return conclude(&c, err);
}
