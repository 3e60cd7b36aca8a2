/* THE option table, and finding rows in it. It names fields of struct policy and knows nothing of how they are used. */
#include "policy/options.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "policy/netpresets.h"
#include "policy/presets.h"
#include "policy/values.h"

#define FIELD(name) .offset = offsetof(struct policy, name)

#define FILES "Files"
#define NETWORK "Network"
#define LIMITS "Limits"
#define PROGRAM "Program"
#define SYSCALLS "System calls"
#define DETERMINISM "Determinism"
#define SANDBOX "Sandbox"

static int check_name(struct view value, const char *origin, struct error *err)
{
	(void)origin;
	(void)err;
	return value_name(value);
}

static int check_protection(struct view value, const char *origin, struct error *err)
{
	AUTO(str) struct str names = STR(512);

	if (protection_by_name(value) != PROTECT_MAX)
		return 0;
	for (size_t i = 0; i < PROTECT_MAX; i++)
		str_addf(&names, "%s%s", i ? ", " : "", protections[i].name);
	return error_set(err, ERR_USAGE, -EINVAL, "%s: '%.*s' is not a protection; they are: %s", origin,
			 VIEW_ARG(value), names.rc < 0 ? "" : names.buf);
}

static int check_disable(struct view value, const char *origin, struct error *err)
{
	if (protection_by_name(value) == PROTECT_FS_REFER)
		return error_set(err, ERR_USAGE, -EINVAL,
				 "%s: fs-refer cannot be disabled: without it the kernel refuses every rename and link "
				 "between directories anyway", origin);
	return check_protection(value, origin, err);
}

static int check_empty_forms(struct view value, const char *origin, struct error *err)
{
	if (value.len)
		return 0;
	return error_set(err, ERR_USAGE, -EINVAL, "%s: the value is empty", origin);
}

/* --net-allow-host of older releases: where to, and not at which port. */
static int check_host(struct view value, const char *origin, struct error *err)
{
	struct addr a;

	if (value.len && addr_parse(value, &a) < 0 && memchr(value.ptr, ':', value.len))
		return error_set(err, ERR_USAGE, -EINVAL,
				 "%s: '%.*s' has a port; this older option names hosts only, write --net-allow %.*s", origin,
				 VIEW_ARG(value), VIEW_ARG(value));
	return net_rules_add(NULL, value, false, 0, origin, err);
}

static int check_raw(struct view value, const char *origin, struct error *err)
{
	if (view_is(value, "true"))
		return 0;
	return error_set(err, ERR_USAGE, -EINVAL, "%s: raw sockets are always refused", origin);
}

/* --uid 1000 of older releases is --user 1000:1000. */
static void rewrite_uid(struct view value, struct str *out)
{
	str_addn(out, value.ptr, value.len);
	str_addc(out, ':');
	str_addn(out, value.ptr, value.len);
}

/* clang-format off */
const struct option_row option_rows[] = {
	/* --- files --- */
	{ .flag = "fs-read", .short_flag = 'r', .key = "filesystem.read", .flat_key = "fs_readable",
	  .type = OPT_PATHS, FIELD(fs_read), .group = FILES, .metavar = "PATH",
	  .help = "let the program read and run what is at or below PATH",
	  .more = "A file, or a directory with everything below it. Reading implies execution, unless an execute list "
		  "(--fs-exec) is given or --no-exec-read is set: then only what --fs-exec and the presets name may be "
		  "run. A path that does not exist stops the start. Beneath /proc the program sees its own processes only, so "
		  "a grant of it, or of /, has the supervisor look at every open for reading; folders by name, such as "
		  "/usr, /etc and /home, are opened at full speed.",
	  .default_text = "what the presets grant; the current directory when no path is granted and --bare is not set" },
	{ .flag = "fs-write", .short_flag = 'w', .key = "filesystem.write", .flat_key = "fs_writable",
	  .type = OPT_PATHS, FIELD(fs_write), .group = FILES, .metavar = "PATH",
	  .help = "let the program read, create, change and remove what is at or below PATH",
	  .more = "Writing includes reading, truncating, renaming, and changing modes, owners, times and attributes. "
		  "The directory PATH itself cannot be removed.",
	  .default_text = "nothing" },
	{ .flag = "fs-exec", .short_flag = 'x', .key = "filesystem.exec",
	  .type = OPT_PATHS, FIELD(fs_exec), .group = FILES, .metavar = "PATH",
	  .help = "let the program read and run what is at or below PATH; --fs-read stops implying it",
	  .more = "Once one PATH is given, a read or write grant no longer allows execution: only these paths, the "
		  "presets and the program that was named can be run. Landlock judges execve, not the loading of a library or "
		  "the reading of a script by an interpreter that may be run.",
	  .default_text = "every path that may be read" },
	{ .flag = "no-exec-read", .key = "filesystem.no_exec_read",
	  .type = OPT_FLAG, FIELD(no_exec_read), .group = FILES,
	  .help = "reading does not imply execution, even with no --fs-exec",
	  .more = "Only the presets, --fs-exec paths and the program that was named can be run.", .default_text = "off" },

	/* --- network --- */
	{ .flag = "net-allow", .key = "network.allow",
	  .type = OPT_NET, FIELD(net_allow), .group = NETWORK, .metavar = "RULE",
	  .help = "let the program reach RULE: api.example.com:443, 192.0.2.0/24:22, tcp://:443",
	  .more = "RULE is [SCHEME://]TARGET[:PORTS]. SCHEME is tcp, udp, icmp (ping, without ports) or * (all three); "
		  "without one the rule is for TCP and UDP. TARGET is a host name, *.DOMAIN for all names below it, an IPv4 or "
		  "IPv6 address or CIDR block (IPv6 in brackets when ports follow), and nothing or * for any address. PORTS "
		  "are numbers and LOW-HIGH ranges between commas; without them every port. TCP ports of any address "
		  "(tcp://:443) are judged by Landlock in the kernel at no cost; every other rule is judged by the "
		  "supervisor at connect and at each datagram with an address. Any address includes this machine and what "
		  "listens on it: --net-deny 127.0.0.0/8 --net-deny ::1 leaves it out. A UDP socket may join the multicast groups "
		  "that rules for UDP name (udp://224.0.0.251:5353). Names are looked up when the program starts; "
		  "under rules with names its DNS questions are answered by sandlock, for those names alone. *.DOMAIN needs "
		  "user namespaces. A cloud's metadata service is reached only by a rule with its address, or by one that "
		  "Landlock judges (tcp://:80), which knows ports and no addresses.",
	  .default_text = "nothing" },
	{ .flag = "net-deny", .key = "network.deny",
	  .type = OPT_NET, FIELD(net_deny), .group = NETWORK, .metavar = "RULE",
	  .help = "refuse what RULE names, whatever --net-allow says; alone: allow everything else",
	  .more = "RULE is as for --net-allow, without names: an address has many of them. An address is denied in each of its "
		  "spellings, mapped into IPv6 and inside NAT64 and 6to4 too. Denials alone, such as udp://*, allow the rest; the "
		  "words udp and raw of older releases refuse these and allow nothing.",
	  .default_text = "nothing" },
	{ .flag = "net-preset", .key = "network.presets",
	  .type = OPT_LIST, FIELD(net_presets), .group = NETWORK, .metavar = "NAME",
	  .help = "allow the hosts that a service needs, such as npm, pypi, crates, github, apt",
	  .more = "Also huggingface, golang, rubygems, maven, debian and others: sandlock profile presets lists them, and "
		  "sandlock profile show NAME prints the rules that one stands for. A host of it that has no address when "
		  "the program starts is told by a warning, and looked up again when the program asks for it; a host of "
		  "--net-allow must have one.",
	  .default_text = "none", .check = net_preset_check },
	{ .flag = "net-allow-bind", .key = "network.allow_bind",
	  .type = OPT_PORTS, FIELD(net_allow_bind), .group = NETWORK, .metavar = "PORTS",
	  .help = "let the program listen on TCP ports, such as 8080 or 8000-8010; * is every port",
	  .more = "Numbers and LOW-HIGH ranges between commas. Port 0 stands for a port that the kernel chooses. Where rules allow "
		  "UDP, they are its UDP ports too; a port that the kernel chooses it may have anyway.",
	  .default_text = "no port" },
	{ .flag = "net-deny-bind", .key = "network.deny_bind",
	  .type = OPT_PORTS, FIELD(net_deny_bind), .group = NETWORK, .metavar = "PORTS",
	  .help = "never let it listen on these ports; alone: allow every other one",
	  .more = "Numbers and LOW-HIGH ranges between commas.", .default_text = "no port" },
	{ .flag = "port-remap", .key = "network.port_remap", .flat_key = "port_remap",
	  .type = OPT_FLAG, FIELD(port_remap), .flags = OPTION_NEEDS_SUPERVISOR, .group = NETWORK,
	  .help = "give the program another port where the one that it binds is taken, unnoticed",
	  .more = "It goes on seeing the port that it asked for, and its own connections to that port of this machine reach it. "
		  "A port that --net-allow-bind names is the program's own even before it has bound it: on addresses of this machine "
		  "it reaches no other server there, whatever --net-allow says (--net-deny-bind gives the port back); of * only ports "
		  "that it has bound are. Which port it really has is in the status object (--status-fd) and in the report.",
	  .default_text = "off" },
	{ .flag = "unix-allow", .key = "network.unix_allow",
	  .type = OPT_PATHS, FIELD(unix_allow), .flags = OPTION_NEEDS_SUPERVISOR, .group = NETWORK, .metavar = "PATH",
	  .help = "let the program connect to the unix socket PATH, or to all below it, or to a pattern",
	  .more = "In a pattern, *, ? and [...] stand for bytes of one component. A socket of a service that controls "
		  "the host, such as a container engine's, lets the program do whatever that service does.",
	  .default_text = "sockets below a write grant" },
	{ .flag = "no-unix-write", .key = "network.no_unix_write",
	  .type = OPT_FLAG, FIELD(no_unix_write), .group = NETWORK,
	  .help = "a write grant does not let the program connect to the unix sockets below it", .default_text = "off" },
	{ .flag = "dns-refresh", .key = "network.dns_refresh",
	  .type = OPT_FLAG, FIELD(dns_refresh), .flags = OPTION_NEEDS_SUPERVISOR, .group = NETWORK,
	  .help = "look the names of --net-allow up again when their time to live is over",
	  .more = "Without it a name has the addresses of the start. A name that had only public addresses then gets no "
		  "private ones later. When a lookup fails, the old addresses last for five minutes.",
	  .default_text = "off" },
	{ .flag = "net-bind", .key = "network.bind", .flat_key = "net_bind",
	  .type = OPT_PORTS, FIELD(net_allow_bind), .flags = OPTION_HIDDEN | OPTION_CLI_ONLY, .group = NETWORK,
	  .metavar = "PORTS", .help = "older spelling of --net-allow-bind" },
	{ .flag = "net-allow-host", .key = "network.allow_hosts", .flat_key = "net_allow_hosts",
	  .type = OPT_LIST, FIELD(net_hosts), .flags = OPTION_HIDDEN, .group = NETWORK, .metavar = "HOST",
	  .help = "older option: let it reach HOST, at the ports of --net-connect if there are any", .check = check_host },
	{ .flag = "net-connect", .key = "network.connect", .flat_key = "net_connect",
	  .type = OPT_PORTS, FIELD(net_connect), .flags = OPTION_HIDDEN, .group = NETWORK, .metavar = "PORTS",
	  .help = "older option: TCP ports to connect to, of the hosts of --net-allow-host if any" },
	{ .key = "network.no_udp", .flat_key = "no_udp",
	  .type = OPT_FLAG, FIELD(no_udp), .flags = OPTION_HIDDEN | OPTION_PROFILE_ONLY, .group = NETWORK,
	  .help = "older option: no UDP, whatever the rules say" },
	{ .key = "network.no_raw_sockets", .flat_key = "no_raw_sockets",
	  .type = OPT_FLAG, FIELD(no_raw_sockets), .flags = OPTION_HIDDEN | OPTION_PROFILE_ONLY, .group = NETWORK,
	  .help = "older option: raw sockets are always refused", .check = check_raw },

	/* --- limits --- */
	{ .flag = "max-memory", .short_flag = 'm', .key = "limits.memory", .flat_key = "max_memory",
	  .type = OPT_SIZE, FIELD(max_memory), .group = LIMITS, .metavar = "SIZE",
	  .help = "end the program when all its processes together use more than SIZE",
	  .more = "Counts memory that is really used, shared memory once; address space that is only reserved is free. SIZE "
		  "is bytes, or has a K, M or G behind it (1024-based).",
	  .default_text = "no limit", .min = 1 },
	{ .flag = "max-processes", .short_flag = 'P', .key = "limits.processes", .flat_key = "max_processes",
	  .type = OPT_COUNT, FIELD(max_processes), .flags = OPTION_NEEDS_SUPERVISOR, .group = LIMITS, .metavar = "N",
	  .help = "at most N processes at any time",
	  .more = "Counts the processes of the whole tree that are alive; threads do not count. One too many gets EAGAIN "
		  "from fork.",
	  .default_text = "no limit", .min = 1, .max = UINT32_MAX },
	{ .flag = "max-threads", .key = "limits.threads",
	  .type = OPT_COUNT, FIELD(max_threads), .flags = OPTION_NEEDS_SUPERVISOR, .group = LIMITS, .metavar = "N",
	  .help = "at most N threads at any time, over all processes",
	  .more = "Every process counts as at least one. One too many gets EAGAIN.",
	  .default_text = "no limit", .min = 1, .max = UINT32_MAX },
	{ .flag = "max-open-files", .key = "limits.open_files", .flat_key = "max_open_files",
	  .type = OPT_COUNT, FIELD(max_open_files), .group = LIMITS, .metavar = "N",
	  .help = "at most N open descriptors in each process",
	  .more = "Never raises the limit that sandlock itself was started with.",
	  .default_text = "inherited", .min = 1, .max = UINT32_MAX },
	{ .flag = "cpu", .short_flag = 'c', .key = "limits.cpu", .flat_key = "max_cpu",
	  .type = OPT_PERCENT, FIELD(max_cpu), .group = LIMITS, .metavar = "PERCENT",
	  .help = "slow the program down to PERCENT of one core, 1 to 100",
	  .more = "Applies to all processes together.", .default_text = "no limit" },
	{ .flag = "max-cpu", .key = "limits.max_cpu",
	  .type = OPT_PERCENT, FIELD(max_cpu), .flags = OPTION_HIDDEN | OPTION_CLI_ONLY, .group = LIMITS,
	  .metavar = "PERCENT", .help = "older spelling of --cpu" },
	{ .flag = "max-cpu-time", .key = "limits.cpu_time",
	  .type = OPT_DURATION, FIELD(max_cpu_time), .group = LIMITS, .metavar = "TIME",
	  .help = "end the program after TIME of processor time, such as 30 or 5m",
	  .more = "User and system time of all processes together. TIME is seconds, or has ms, s, m or h behind it.",
	  .default_text = "no limit", .min = 1 },
	{ .flag = "timeout", .short_flag = 't', .key = "limits.timeout",
	  .type = OPT_DURATION, FIELD(timeout), .group = LIMITS, .metavar = "TIME",
	  .help = "end the program after TIME, such as 30, 500ms or 2h; the exit status is 124",
	  .more = "TIME is seconds of wall clock, or has ms, s, m or h behind it. 0 ends the program at once.",
	  .default_text = "no limit" },
	{ .flag = "max-file-size", .key = "limits.file_size",
	  .type = OPT_SIZE, FIELD(max_file_size), .group = LIMITS, .metavar = "SIZE",
	  .help = "no file that the program writes may become larger than SIZE",
	  .more = "A write beyond it gives EFBIG, or SIGXFSZ where that signal is not ignored.",
	  .default_text = "inherited" },
	{ .flag = "cpu-cores", .key = "limits.cpu_cores", .flat_key = "cpu_cores",
	  .type = OPT_NUMBERS, FIELD(cpu_cores), .group = LIMITS, .metavar = "N,N...",
	  .help = "run on these cores only, such as 0,2 or 0-3",
	  .default_text = "every core" },
	{ .flag = "gpu", .key = "limits.gpu_devices", .flat_key = "gpu_devices",
	  .type = OPT_NUMBERS, FIELD(gpu_devices), .group = LIMITS, .metavar = "all|N,N...",
	  .help = "let the program use all GPUs, or those with these numbers",
	  .more = "In a profile an empty list means all.", .default_text = "no GPU" },

	/* --- program --- */
	{ .key = "program.exec", .type = OPT_PATH, FIELD(program_exec), .flags = OPTION_PROFILE_ONLY, .group = PROGRAM,
	  .metavar = "PATH", .help = "the program to run when the command line names none" },
	{ .key = "program.args", .type = OPT_LIST, FIELD(program_args), .flags = OPTION_PROFILE_ONLY, .group = PROGRAM,
	  .metavar = "WORD", .help = "its arguments" },
	{ .flag = "env", .key = "program.env", .flat_key = "env",
	  .type = OPT_ENV, FIELD(env), .group = PROGRAM, .metavar = "NAME=VALUE",
	  .help = "set a variable of the program's environment",
	  .more = "Applied last, over what is inherited or kept by --clean-env." },
	{ .flag = "clean-env", .key = "program.clean_env", .flat_key = "clean_env",
	  .type = OPT_FLAG, FIELD(clean_env), .group = PROGRAM,
	  .help = "start from a minimal environment instead of the inherited one",
	  .more = "PATH becomes /usr/local/bin:/usr/bin:/bin, HOME, TERM and LANG are kept, everything else is dropped.",
	  .default_text = "off" },
	{ .flag = "cwd", .key = "program.cwd", .flat_key = "cwd",
	  .type = OPT_PATH, FIELD(cwd), .group = PROGRAM, .metavar = "DIR",
	  .help = "start the program in DIR", .default_text = "the current directory" },
	{ .flag = "user", .key = "program.user",
	  .type = OPT_USER, FIELD(uid), .group = PROGRAM, .metavar = "UID:GID",
	  .help = "run as this user and group", .default_text = "unchanged" },
	{ .flag = "uid", .key = "program.user_and_group", .flat_key = "uid",
	  .type = OPT_USER, FIELD(uid), .flags = OPTION_HIDDEN | OPTION_CLI_ONLY, .group = PROGRAM, .metavar = "N",
	  .help = "older spelling of --user N:N", .rewrite = rewrite_uid },
	{ .key = "program.uid", .type = OPT_ID, FIELD(uid), .flags = OPTION_PROFILE_ONLY, .group = PROGRAM,
	  .metavar = "UID", .help = "run as this user; needs program.gid" },
	{ .key = "program.gid", .type = OPT_ID, FIELD(gid), .flags = OPTION_PROFILE_ONLY, .group = PROGRAM,
	  .metavar = "GID", .help = "run as this group; needs program.uid" },
	{ .flag = "name", .key = "program.name", .flat_key = "name",
	  .type = OPT_TEXT, FIELD(name), .group = PROGRAM, .metavar = "NAME",
	  .help = "the sandbox's name, which the program also sees as host name",
	  .more = "1 to 64 bytes without '/', blanks and control characters. Without a supervisor the program sees the real "
		  "host name.", .default_text = "none", .check = check_name },
	{ .flag = "no-coredump", .key = "program.no_coredump", .flat_key = "no_coredump",
	  .type = OPT_FLAG, FIELD(no_coredump), .group = PROGRAM,
	  .help = "write no core file when the program crashes", .default_text = "off" },
	{ .flag = "no-huge-pages", .key = "program.no_huge_pages", .flat_key = "no_huge_pages",
	  .type = OPT_FLAG, FIELD(no_huge_pages), .group = PROGRAM,
	  .help = "turn transparent huge pages off for the program", .default_text = "off" },

	/* --- determinism --- */
	{ .flag = "no-randomize-memory", .key = "determinism.no_randomize_memory", .flat_key = "no_randomize_memory",
	  .type = OPT_FLAG, FIELD(no_randomize_memory), .group = DETERMINISM,
	  .help = "load the program at the same addresses every time",
	  .more = "Turns address space randomisation off, which also makes some attacks on the program easier.",
	  .default_text = "off" },

	/* --- system calls --- */
	{ .flag = "extra-allow-syscall", .key = "syscalls.extra_allow",
	  .type = OPT_LIST, FIELD(extra_allow), .group = SYSCALLS, .metavar = "GROUP",
	  .help = "allow a group of system calls again that is refused by default: sysv_ipc", .check = check_empty_forms },
	{ .flag = "extra-deny-syscall", .key = "syscalls.extra_deny", .flat_key = "deny_syscalls",
	  .type = OPT_LIST, FIELD(extra_deny), .group = SYSCALLS, .metavar = "NAME",
	  .help = "refuse one more system call, or a group, with EPERM", .check = check_empty_forms },

	/* --- the sandbox itself --- */
	{ .flag = "preset", .key = "extends", .type = OPT_LIST, FIELD(extends), .group = SANDBOX, .metavar = "PRESET",
	  .help = "also grant what a kind of program needs: base, python, node, build, agent",
	  .more = "Each of the others includes base.", .default_text = "base", .check = preset_check },
	{ .flag = "bare", .key = "bare", .type = OPT_FLAG, FIELD(bare), .group = SANDBOX,
	  .help = "start from nothing instead of from the preset base",
	  .more = "The program that was named is still granted, with the installation that it belongs to.",
	  .default_text = "off" },
	{ .flag = "no-supervisor", .key = "no_supervisor",
	  .type = OPT_FLAG, FIELD(no_supervisor), .group = SANDBOX,
	  .help = "Landlock and the system call filter only, with no process watching",
	  .more = "Refuses the options that need a supervisor. Changes of modes, owners, times and attributes outside the "
		  "write grants are then not refused, and nothing is reported.", .default_text = "off" },
	{ .flag = "keep-caps", .key = "keep_caps", .type = OPT_FLAG, FIELD(keep_caps), .group = SANDBOX,
	  .help = "keep the capabilities of root", .more = "Without it a program that is started by root has none.",
	  .default_text = "off" },
	{ .flag = "explain", .key = "explain",
	  .type = OPT_FLAG, FIELD(explain), .flags = OPTION_NEEDS_SUPERVISOR, .group = SANDBOX,
	  .help = "watch path calls and signals too, so that the report names every one that was refused",
	  .more = "Landlock refuses in silence. With this each call that takes a path or sends a signal is looked at by the "
		  "supervisor, which makes these calls many times slower.", .default_text = "off" },
	{ .flag = "allow-degraded", .key = "allow_degraded",
	  .type = OPT_LIST, FIELD(allow_degraded), .group = SANDBOX, .metavar = "PROTECTION",
	  .help = "start even if the kernel lacks this protection",
	  .more = "One of fs-refer, fs-truncate, net-tcp, fs-ioctl-dev, signal-scope, abstract-unix-socket-scope.",
	  .default_text = "every protection is required", .check = check_protection },
	{ .flag = "disable", .key = "disable",
	  .type = OPT_LIST, FIELD(disable), .group = SANDBOX, .metavar = "PROTECTION",
	  .help = "do without this protection even where the kernel has it",
	  .more = "Any protection but fs-refer.", .default_text = "none", .check = check_disable },
};
/* clang-format on */
const size_t option_count = ARRAY_SIZE(option_rows);
_Static_assert(ARRAY_SIZE(option_rows) <= 4 * 64, "policy.given has a bit for every row");

static const char *const type_names[OPT_TYPE_MAX] = {
	[OPT_FLAG] = "flag", [OPT_COUNT] = "count", [OPT_SIZE] = "size", [OPT_DURATION] = "duration",
	[OPT_PERCENT] = "percent", [OPT_TEXT] = "text", [OPT_PATH] = "path", [OPT_LIST] = "list",
	[OPT_PATHS] = "paths", [OPT_NUMBERS] = "numbers", [OPT_PORTS] = "ports", [OPT_NET] = "rules", [OPT_ENV] = "env",
	[OPT_USER] = "user", [OPT_ID] = "id",
};

const char *option_type_name(enum option_type type)
{
	return type < OPT_TYPE_MAX ? type_names[type] : NULL;
}

/* Flags, keys and flat keys of the larger design that are not here yet; each name stands alone. */
static const char *const planned[] = {
	/* flags */
	"fs-deny", "http-allow", "http-deny", "http-port", "http-ca", "http-key",
	"http-inject-ca", "http-ca-out", "http-auth", "credential", "num-cpus", "max-disk", "random-seed", "time-start",
	"deterministic-dirs", "workdir", "fs-storage", "on-exit", "on-error", "chroot", "fs-mount", "image", "dry-run",
	"events-jsonl", "no-default-devices", "fs-isolation", "control-socket",
	/* keys */
	"config.http_ca", "config.http_key", "config.http_inject_ca", "config.http_ca_out", "config.fs_storage",
	"config.workdir", "determinism.random_seed", "determinism.time_start", "determinism.deterministic_dirs",
	"filesystem.deny", "filesystem.chroot", "filesystem.mount", "filesystem.on_exit", "filesystem.on_error",
	"http.ports", "http.allow", "http.deny",
	"limits.disk", "limits.num_cpus", "config", "http",
	/* flat keys */
	"fs_denied", "http_allow", "http_deny", "http_ports", "num_cpus", "random_seed",
	"time_start", "deterministic_dirs", "workdir", "allow_syscalls", "chroot", "fs_mount",
	"fs_isolation", "fs_storage", "max_disk", "on_exit", "on_error",
};

bool option_is_planned(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(planned); i++)
		if (strcmp(planned[i], name) == 0)
			return true;
	return false;
}

static bool same(const char *a, const char *b)
{
	return a && strcmp(a, b) == 0;
}

const struct option_row *option_by_key(const char *key)
{
	for (size_t i = 0; i < option_count; i++)
		if (same(option_rows[i].key, key))
			return &option_rows[i];
	return NULL;
}

const struct option_row *option_by_flat(const char *flat_key)
{
	for (size_t i = 0; i < option_count; i++)
		if (same(option_rows[i].flat_key, flat_key))
			return &option_rows[i];
	return NULL;
}

const struct option_row *option_canonical(const struct option_row *row)
{
	for (size_t i = 0; i < option_count && (row->flags & OPTION_HIDDEN); i++)
		if (!(option_rows[i].flags & OPTION_HIDDEN) && option_rows[i].offset == row->offset)
			return &option_rows[i];
	return row;
}

bool option_is_list(const struct option_row *row)
{
	return row->type == OPT_LIST || row->type == OPT_PATHS || row->type == OPT_NUMBERS ||
	       row->type == OPT_PORTS || row->type == OPT_NET || row->type == OPT_ENV;
}

/* Near enough to be what was meant: two edits, fewer in a short word, more in a long one. */
const char *option_nearer(const char *word, const char *candidate, const char *best, size_t *distance)
{
	size_t d = candidate ? str_distance(word, candidate) : SIZE_MAX;

	if (d > (strlen(word) < 4 ? 1U : 2U) + strlen(word) / 8 || d >= *distance)
		return best;
	*distance = d;
	return candidate;
}

void option_add_choice(struct str *out, struct view word, const char *(*name_at)(size_t index), size_t count)
{
	AUTO(free) char *typed = mem_strndup(word.ptr, word.len);
	size_t distance = SIZE_MAX;
	const char *near = NULL;

	for (size_t i = 0; typed && i < count; i++)
		near = option_nearer(typed, name_at(i), near, &distance);
	str_add(out, near ? "did you mean" : "there are: ");
	if (near)
		str_addf(out, " '%s'?", near);
	for (size_t i = 0; !near && i < count; i++)
		str_addf(out, "%s%s", i ? ", " : "", name_at(i));
}

const char *option_nearest_key(const char *key)
{
	const char *best = NULL;
	size_t distance = SIZE_MAX;

	for (size_t i = 0; i < option_count; i++)
		if (!(option_rows[i].flags & OPTION_HIDDEN))
			best = option_nearer(key, option_rows[i].key, best, &distance);
	return best;
}

const char *option_nearest_flat(const char *flat_key)
{
	const char *best = NULL;
	size_t distance = SIZE_MAX;

	for (size_t i = 0; i < option_count; i++)
		best = option_nearer(flat_key, option_rows[i].flat_key, best, &distance);
	return best;
}
