/*
 * What the user wants, as data: built option by option, checked as a whole, frozen, and printed back. It opens nothing
 * and asks the kernel nothing; paths are the user's words here and become descriptors in run/resolve.c.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "policy/netrules.h"

/* A value the user gave and where: "--fs-read", "web.toml:12", "preset base", "sandlock_policy_add". */
struct word {
	char *text;
	char *origin;
};

struct words {
	struct word *at;
	size_t len;
	size_t cap;
};

/* A set of TCP ports as a bitmap; the bits are ports 0..65535. */
struct ports {
	uint64_t bits[1024];
	bool any;               /* "*": every port */
	bool given;             /* the user said something, even if it is the empty set */
};

/* Kernel protections that can be missing. Order is the order of the ABI that brought them. */
enum protection {
	PROTECT_FS_REFER,
	PROTECT_FS_TRUNCATE,
	PROTECT_NET_TCP,
	PROTECT_FS_IOCTL_DEV,
	PROTECT_SIGNAL_SCOPE,
	PROTECT_ABSTRACT_UNIX_SCOPE,
	PROTECT_MAX
};
enum strictness { STRICT, DEGRADABLE, DISABLED };

struct protection_info {
	const char *name;       /* "fs-refer" */
	int abi;                /* first Landlock ABI that has it */
	const char *what;       /* one line for people */
};
extern const struct protection_info protections[PROTECT_MAX];

#define NO_LIMIT UINT64_MAX
#define NO_ID UINT32_MAX

/* What the network rules of a frozen policy come to; read through the predicates below. */
struct net_facts {
	bool allows_rest;               /* there are deny rules only: what they do not name is allowed */
	bool judged;
	bool names;
	bool suffixes;
	bool typed_suffixes;            /* not of presets alone */
	bool protos[NET_PROTOS];
};

struct policy {
	/* filesystem */
	struct words fs_read;           /* files and directories; read implies execute unless exec_split */
	struct words fs_write;
	struct words fs_exec;
	bool no_exec_read;
	/* network */
	struct words net_allow;         /* as typed: ":443", "api.example.com:443", "udp://192.0.2.0/24:53" */
	struct words net_deny;
	struct words net_allow_bind;    /* as typed: "8080", "8000-8010", "*" */
	struct words net_deny_bind;
	struct words net_presets;       /* "npm", "pypi": each stands for allow rules */
	struct words net_hosts;         /* older option: hosts that may be reached, at the ports of net_connect */
	struct words net_connect;       /* older option: TCP ports that may be connected to, of net_hosts if there are any */
	bool no_udp;                    /* older option: no UDP whatever the rules say */
	bool no_raw_sockets;            /* older option: always so */
	struct words unix_allow;        /* paths and globs of sockets */
	bool no_unix_write;             /* a write grant does not let it connect to sockets below */
	bool dns_refresh;               /* names are looked up again when their time to live is over */
	bool port_remap;
	/* made of these lists by policy_freeze (network.c) */
	struct net_rules net_rules;     /* of all lists, names not yet resolved */
	struct words net_words;         /* the values that the rules were read from, and their origins */
	struct net_facts net_facts;
	struct ports connect_ports;     /* what Landlock can carry of net_rules; any: judged by the supervisor alone */
	struct ports bind_ports;        /* of net_allow_bind, or everything, without deny_bind_ports */
	struct ports deny_bind_ports;
	bool binds_are_named;           /* net_allow_bind lists ports, rather than saying "*" or nothing */
	/* limits; NO_LIMIT where there is none */
	uint64_t max_memory;            /* bytes, whole tree */
	uint64_t max_processes;         /* whole tree, threads do not count */
	uint64_t max_threads;           /* tasks of the whole tree */
	uint64_t max_open_files;
	uint64_t max_cpu;               /* percent of one core, 1..100 */
	uint64_t max_cpu_time;          /* nanoseconds, whole tree */
	uint64_t timeout;               /* nanoseconds of wall time */
	uint64_t max_file_size;         /* bytes */
	struct words cpu_cores;         /* as typed; parsed into cores */
	uint64_t cores[16];             /* bitmap of 1024 cores */
	bool cores_given;
	struct words gpu_devices;       /* "all" or indices */
	bool gpu_given;
	/* program */
	char *program_exec;             /* [program] exec */
	struct words program_args;
	struct words env;               /* "NAME=value" */
	char *cwd;
	uint32_t uid;                   /* NO_ID: keep */
	uint32_t gid;
	char *name;
	bool clean_env;
	bool no_coredump;
	bool no_huge_pages;
	bool no_randomize_memory;
	/* system calls */
	struct words extra_allow;       /* names or groups */
	struct words extra_deny;
	/* the sandbox itself */
	struct words extends;           /* preset names, in order */
	bool bare;                      /* do not start from "base", as the command line does */
	bool no_supervisor;
	bool keep_caps;
	bool explain;                   /* observe path calls for the report */
	enum strictness strictness[PROTECT_MAX];
	struct words allow_degraded;    /* as typed */
	struct words disable;

	/* what the presets in `extends` grant, joined by path; made by policy_freeze, read by presets.h's accessor */
	struct preset_entry *preset_entries;
	size_t preset_len;
	size_t preset_cap;
	struct words preset_paths;      /* owns the paths below ${HOME} */
	bool own_proc;                  /* a preset asks for /proc/self of the first process */

	unsigned virtual_kinds;         /* of enum virtual_kind: what is in reach of the grants; set by run/prepare.c */

	/* bookkeeping */
	char *home;                     /* what ${HOME} means in profile paths; NULL: unknown */
	bool frozen;
	uint64_t given[4];              /* bit i: option row i was set by somebody */
};

/* Words: fini accepts a zeroed list; push copies both strings. 0 or -ENOMEM. */
void words_fini(struct words *w);
int words_push(struct words *w, struct view text, const char *origin);

/* The protection of that name, or PROTECT_MAX. */
enum protection protection_by_name(struct view name);

enum policy_format { POLICY_TOML, POLICY_JSON };

/* An empty policy: no grant, no limit, everything strict. NULL when memory is short. */
struct policy *policy_new(void);
void policy_free(struct policy *p);
struct policy *policy_dup(const struct policy *p);      /* not frozen, whatever p is */

/*
 * policy_set replaces a scalar or a whole list by one value; policy_add appends to a list (for a scalar it is set).
 * `key` is a TOML key such as "filesystem.read". `origin` says where the value came from and is copied. Unknown keys
 * and bad values are refused with the nearest known key or the accepted forms. 0, -ENOENT (unknown key), -EOPNOTSUPP (a
 * key or flag that is planned), -EINVAL, -EBUSY (frozen) or -ENOMEM.
 */
int policy_set(struct policy *p, const char *key, const char *value, const char *origin, struct error *err);
int policy_add(struct policy *p, const char *key, const char *value, const char *origin, struct error *err);

/* Reads a profile over what is there: lists are appended, scalars replaced. `name` is for messages and origins
 * ("web.toml" gives "web.toml:12"). Both the sectioned schema and the older flat keys. 0 or -errno. */
int policy_load(struct policy *p, const char *text, size_t len, const char *name, struct error *err);

/* Checks the whole, parses the lists, and makes the policy immutable: from here on threads may share it. 0 or -errno,
 * with every contradiction named. */
int policy_freeze(struct policy *p, struct error *err);

/* Prints the policy so that reading it back gives the same one; defaults are left out. */
int policy_print(const struct policy *p, enum policy_format format, struct str *out);

/* True when read grants do not imply execute: an exec list is given or no_exec_read is set. */
bool policy_splits_exec(const struct policy *p);

/*
 * What of the network this policy needs from the supervisor; asked of a frozen policy. Where all are false, no call of
 * the network is trapped.
 */
bool policy_judges_addresses(const struct policy *p);   /* rules that Landlock cannot carry */
bool policy_has_proto(const struct policy *p, enum net_proto proto);    /* may such sockets be made? UDP: also for names */
bool policy_has_names(const struct policy *p);          /* rules with host names: virtual hosts file, pins */
bool policy_has_suffixes(const struct policy *p);       /* "*.example.com" rules: the resolver answers */
bool policy_reaches_unix(const struct policy *p);       /* sockets named by a path may be connected to: judged */
bool policy_judges_connects(const struct policy *p);    /* any of these, or --port-remap: connect is trapped */
/* A TCP socket may be bound to any free port (port 0), as clients do, though it may not listen there: listen is judged. */
bool policy_lets_clients_bind(const struct policy *p);
bool policy_judges_binds(const struct policy *p);       /* bind is judged, not by Landlock alone: denials, UDP, --port-remap */
bool policy_remaps_ports(const struct policy *p);       /* --port-remap: a port may have another number outside */
bool policy_judges_joins(const struct policy *p);       /* UDP sockets may join the groups that rules have */
bool policy_has_unix_datagrams(const struct policy *p); /* AF_UNIX datagram sockets may be made: --unix-allow given */

#endif
