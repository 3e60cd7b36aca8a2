/*
 * libsandlock: run code that you do not trust on your own kernel, without root, containers or a daemon.
 *
 * The life of a sandbox:
 *
 *     sandlock_policy *p = sandlock_policy_new();
 *     sandlock_policy_add(p, "filesystem.read", "/usr", &err);
 *     sandlock_policy_freeze(p, &err);
 *     struct sandlock_spawn_args args = SANDLOCK_SPAWN_ARGS;
 *     args.argv = argv;
 *     sandlock_spawn(p, &args, &box, &err);
 *     sandlock_wait(box, -1, &err);
 *     int code = sandlock_exit_code(box);
 *     sandlock_free(box);
 *     sandlock_policy_free(p);
 *
 * Conventions of every function:
 *   - Functions that can fail return 0 or more on success and a negative errno on failure. The last parameter,
 *     `sandlock_error **err`, may be NULL; on failure *err is set to an error that the caller frees with
 *     sandlock_error_free(). On success *err is left alone.
 *   - One handle is used by one thread at a time; different handles may be used by any threads. A frozen policy may be
 *     shared by threads. sandlock_kill(), sandlock_signal(), sandlock_pause() and sandlock_resume() may be called from
 *     any thread while another waits, and sandlock_kill() from a signal handler too.
 *   - A string returned without `char **` belongs to the handle and lives until the next call that changes the handle,
 *     or until the handle is freed. A string returned through `char **` is the caller's: sandlock_string_free().
 *   - The library prints nothing, never exits, installs no signal handler, changes neither the working directory nor
 *     the environment nor the umask, raises no SIGCHLD in the host, and reaps only its own children. Every descriptor
 *     that it opens is close-on-exec.
 *   - free functions accept NULL.
 */
#ifndef SANDLOCK_H
#define SANDLOCK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SANDLOCK_VERSION "0.1.0"

#ifndef SANDLOCK_API
#define SANDLOCK_API __attribute__((visibility("default")))
#endif

typedef struct sandlock_policy sandlock_policy;
typedef struct sandlock_sandbox sandlock_sandbox;
typedef struct sandlock_error sandlock_error;

/* The version of the library that runs, as opposed to SANDLOCK_VERSION of the header. Constant. Since 0.1. */
SANDLOCK_API const char *sandlock_version(void);

/* --- Errors --------------------------------------------------------------------------------------------------- */

enum sandlock_category {
	SANDLOCK_ERROR_NONE = 0,
	SANDLOCK_ERROR_USAGE = 1,       /* a word of the user's: an option, a profile line, an argument */
	SANDLOCK_ERROR_POLICY = 2,      /* the policy contradicts itself or the file system */
	SANDLOCK_ERROR_KERNEL = 3,      /* the kernel lacks or refuses a protection that the policy asks for */
	SANDLOCK_ERROR_NOT_FOUND = 4,   /* the program does not exist */
	SANDLOCK_ERROR_NOT_EXEC = 5,    /* the program exists and may not or cannot be run */
	SANDLOCK_ERROR_START = 6,       /* a step of starting failed */
	SANDLOCK_ERROR_STATE = 7,       /* the handle is not in a state that allows the call */
	SANDLOCK_ERROR_MEMORY = 8,
	SANDLOCK_ERROR_IO = 9           /* a file of the user's could not be read or written */
};

/* What kind of failure, its errno (positive), one English sentence, and the place in a profile (0: none). */
SANDLOCK_API enum sandlock_category sandlock_error_category(const sandlock_error *err);
SANDLOCK_API int sandlock_error_errno(const sandlock_error *err);
SANDLOCK_API const char *sandlock_error_message(const sandlock_error *err);
SANDLOCK_API int sandlock_error_line(const sandlock_error *err);
SANDLOCK_API int sandlock_error_column(const sandlock_error *err);
SANDLOCK_API void sandlock_error_free(sandlock_error *err);
SANDLOCK_API void sandlock_string_free(char *s);

/* --- Options: the table that policies are made of ------------------------------------------------------------- */

enum sandlock_option_field {
	SANDLOCK_OPTION_KEY = 0,        /* "filesystem.read" */
	SANDLOCK_OPTION_FLAG = 1,       /* "fs-read"; NULL where the command line has none */
	SANDLOCK_OPTION_SHORT = 2,      /* "r" or NULL */
	SANDLOCK_OPTION_TYPE = 3,       /* "flag", "count", "size", "duration", "percent", "text", "path", "list",
	                                   "paths", "numbers", "ports", "env", "user", "id" */
	SANDLOCK_OPTION_GROUP = 4,      /* heading */
	SANDLOCK_OPTION_METAVAR = 5,    /* "PATH"; NULL for flags */
	SANDLOCK_OPTION_HELP = 6,       /* one line */
	SANDLOCK_OPTION_DETAIL = 7,     /* a paragraph, or NULL */
	SANDLOCK_OPTION_DEFAULT = 8,    /* in words, or NULL */
	SANDLOCK_OPTION_SCOPE = 9       /* "both", "profile", "hidden" */
};

/* How many options there are, and a field of one. NULL when index or field is out of range. Constant. Since 0.1. */
SANDLOCK_API size_t sandlock_option_count(void);
SANDLOCK_API const char *sandlock_option_get(size_t index, enum sandlock_option_field field);

/* --- Policies ------------------------------------------------------------------------------------------------- */

/* A new policy that grants nothing, limits nothing and requires every protection. NULL when memory is short. */
SANDLOCK_API sandlock_policy *sandlock_policy_new(void);
SANDLOCK_API void sandlock_policy_free(sandlock_policy *policy);

/* A copy that can be changed, whether or not the original is frozen. NULL when memory is short. */
SANDLOCK_API sandlock_policy *sandlock_policy_dup(const sandlock_policy *policy);

/*
 * Set an option by key; `set` replaces, `add` appends to a list. Values are text as on the command line ("512M", "10s",
 * "true"). Errors: -ENOENT unknown key (the message names the nearest), -EOPNOTSUPP an option of the design (by key or flag)
 * that this release does not have, -EINVAL bad value, -EBUSY frozen, -ENOMEM.
 */
SANDLOCK_API int sandlock_policy_set(sandlock_policy *policy, const char *key, const char *value, sandlock_error **err);
SANDLOCK_API int sandlock_policy_add(sandlock_policy *policy, const char *key, const char *value, sandlock_error **err);

/* The same with the name that messages and the report use for the source of the value, such as "--fs-read". */
SANDLOCK_API int sandlock_policy_add_from(sandlock_policy *policy, const char *key, const char *value,
					  const char *origin, sandlock_error **err);

/*
 * Read a profile over the policy: lists are appended, scalars replaced. By name (from $XDG_CONFIG_HOME/sandlock/profiles,
 * else ~/.config/sandlock/profiles), by path, or from text. A file or folder that others can write is refused (-EPERM).
 */
SANDLOCK_API int sandlock_policy_load_profile(sandlock_policy *policy, const char *name, sandlock_error **err);
SANDLOCK_API int sandlock_policy_load_file(sandlock_policy *policy, const char *path, sandlock_error **err);
SANDLOCK_API int sandlock_policy_load_text(sandlock_policy *policy, const char *text, size_t len, const char *name,
					   sandlock_error **err);

/* The folder that profiles are looked up in. *out is the caller's. -ENOENT when neither variable nor home exists. */
SANDLOCK_API int sandlock_profile_dir(char **out, sandlock_error **err);

/*
 * What is set: the index-th entry of a list, or, with index 0, a text or path as it is, and "true" for a flag that is on.
 * NULL beyond the end, for what is not set, for unknown keys, and for numbers. The second names where the entry came
 * from ("--fs-read", "web.toml:12", "preset base"). The policy owns both strings.
 */
SANDLOCK_API const char *sandlock_policy_get(const sandlock_policy *policy, const char *key, size_t index);
SANDLOCK_API const char *sandlock_policy_origin(const sandlock_policy *policy, const char *key, size_t index);

/* A number that is set: a count, percent, bytes or nanoseconds. 0 with *out, -ENOENT when nothing is set or the key is
 * not a number's. */
SANDLOCK_API int sandlock_policy_number(const sandlock_policy *policy, const char *key, uint64_t *out);

/* The name of a built-in preset, for the key "extends"; NULL when out of range. Constant. */
SANDLOCK_API const char *sandlock_preset_name(size_t index);

/* A network preset, for the key "network.presets": its name, what it is for, and its rules one by one; NULL when an index
 * is out of range. Constant. */
SANDLOCK_API const char *sandlock_net_preset_name(size_t index);
SANDLOCK_API const char *sandlock_net_preset_help(size_t index);
SANDLOCK_API const char *sandlock_net_preset_rule(size_t index, size_t rule);

/*
 * Check the whole and make it immutable. Paths are resolved here: a path that was typed and does not exist is an error
 * that names it; a missing preset path is skipped. After this the policy may be shared by threads.
 */
SANDLOCK_API int sandlock_policy_freeze(sandlock_policy *policy, sandlock_error **err);

/*
 * What a person should know about a frozen policy: a sentence for each grant that reaches a socket which controls the
 * host (a container engine, a message bus, a key agent). A start may add more: for each host of a network preset that was
 * not found, when others of it were. NULL past the last one, and for a policy that is not frozen.
 * Owned by the policy.
 */
SANDLOCK_API const char *sandlock_policy_warning(const sandlock_policy *policy, size_t index);

enum sandlock_format { SANDLOCK_TOML = 0, SANDLOCK_JSON = 1, SANDLOCK_TEXT = 2 };

/*
 * Print the policy (TOML reads back to the same policy; JSON has the same content). A frozen policy's printout has its
 * resolved grants too: as comments in TOML, as "grants" in JSON; network rules likewise, as "rules", with who typed each.
 * -EINVAL for SANDLOCK_TEXT; -EILSEQ for a value that TOML cannot hold because it is not UTF-8.
 */
SANDLOCK_API int sandlock_policy_print(const sandlock_policy *policy, enum sandlock_format format, char **out,
				       sandlock_error **err);

/* The same of a frozen policy, with what it would be for this program, which is granted by being named. */
SANDLOCK_API int sandlock_policy_print_for(const sandlock_policy *policy, const char *program,
					   enum sandlock_format format, char **out, sandlock_error **err);

/* Print the BPF program that a frozen policy gives, one instruction a line. */
SANDLOCK_API int sandlock_filter_print(const sandlock_policy *policy, char **out, sandlock_error **err);

enum sandlock_access {
	SANDLOCK_ACCESS_READ = 1,
	SANDLOCK_ACCESS_WRITE = 2,
	SANDLOCK_ACCESS_EXEC = 3,
	/* target is "HOST:PORT" or ":PORT" (TCP), "udp://HOST:PORT", "icmp://HOST", the path of a unix socket, or "@NAME" */
	SANDLOCK_ACCESS_CONNECT = 4,
	SANDLOCK_ACCESS_BIND = 5        /* target is a port */
};

/* Ask a frozen policy, without running anything: 1 allowed, 0 refused, or -errno. *why is one or two sentences that
 * name the deciding rule and, for a refusal, the option that would grant it. A destination under rules with names looks
 * names up: it may block as long as the name service does. A target of another form is -EINVAL with its sentence. */
SANDLOCK_API int sandlock_policy_why(const sandlock_policy *policy, enum sandlock_access access, const char *target,
				     char **why, sandlock_error **err);

/* --- Sandboxes ------------------------------------------------------------------------------------------------ */

enum sandlock_stdio_mode {
	SANDLOCK_STDIO_INHERIT = 0,
	SANDLOCK_STDIO_NULL = 1,        /* /dev/null */
	SANDLOCK_STDIO_PIPE = 2,        /* sandlock_stdio_take() gives our end */
	SANDLOCK_STDIO_FD = 3           /* the given descriptor, which stays the caller's */
};

struct sandlock_stdio {
	enum sandlock_stdio_mode mode;
	int fd;                         /* for SANDLOCK_STDIO_FD */
};

/* The child's descriptor `child_fd` (3 or more, below RLIMIT_NOFILE) will be a copy of the host's `host_fd`, which stays the
 * caller's. At most 61. */
struct sandlock_fd_map {
	int child_fd;
	int host_fd;
};

enum sandlock_spawn_flags {
	SANDLOCK_SPAWN_FOREGROUND = 1   /* make the child's group the terminal's foreground group (fd 0 is a terminal) */
};

/*
 * A port that a program of the sandbox has bound. The program sees `virtual_port`; under --port-remap it really has
 * `real_port`, which is another one when somebody outside had that port already. Strings live as long as the call.
 */
struct sandlock_port {
	size_t size;                    /* of the struct, as the library knows it */
	const char *protocol;           /* "tcp" or "udp" */
	const char *address;            /* "127.0.0.1", "::" */
	unsigned virtual_port;
	unsigned real_port;
};
typedef void sandlock_port_function(const struct sandlock_port *port, void *arg);

/* Start from SANDLOCK_SPAWN_ARGS. `size` says how much of the struct the caller knows; what a newer library has beyond
 * it takes its default, and a longer struct whose unknown tail is not zero is refused with -E2BIG. */
struct sandlock_spawn_args {
	size_t size;
	const char *const *argv;        /* NULL-terminated, argv[0] is looked up in the child's PATH if it has no '/' */
	const char *const *envp;        /* NULL-terminated; NULL: the host's environment */
	struct sandlock_stdio stdio[3];
	const struct sandlock_fd_map *fds;
	size_t fd_count;
	unsigned flags;                 /* of enum sandlock_spawn_flags */
	const char *cwd;                /* overrides the policy's; NULL: the policy's, else the host's */
	/*
	 * Called for every port that a program binds, before its bind returns, where sandlock_ports() sees them. It runs on
	 * threads of the library, maybe on several at once, while the program waits: it must be quick, and it must not call
	 * the library with this sandbox's handle. No call begins after sandlock_wait() has said that the sandbox has ended,
	 * or after sandlock_free(). Since 0.1.
	 */
	sandlock_port_function *on_port;
	void *on_port_arg;
};

#define SANDLOCK_SPAWN_ARGS { sizeof(struct sandlock_spawn_args), NULL, NULL, { { SANDLOCK_STDIO_INHERIT, -1 }, \
	{ SANDLOCK_STDIO_INHERIT, -1 }, { SANDLOCK_STDIO_INHERIT, -1 } }, NULL, 0, 0, NULL, NULL, NULL }

/*
 * Start a program under a frozen policy. Returns after the program was entered, or with an error that says why it could
 * not be: which file of the chain (program, interpreter, loader, library) is missing or not granted and the option that
 * grants it. On success *out is a running sandbox. The calling thread may end before the sandbox does.
 */
SANDLOCK_API int sandlock_spawn(const sandlock_policy *policy, const struct sandlock_spawn_args *args,
				sandlock_sandbox **out, sandlock_error **err);

/* Kill the tree if it still runs, wait for it, and free everything. */
SANDLOCK_API void sandlock_free(sandlock_sandbox *box);

/* Wait for the end of the whole tree: timeout in milliseconds, -1 for ever, 0 to look. 0 when it has ended (at once on
 * later calls), -ETIMEDOUT when it has not. */
SANDLOCK_API int sandlock_wait(sandlock_sandbox *box, int timeout_ms, sandlock_error **err);

/* A descriptor that poll() reports readable when something happened: then call sandlock_next_event(). The box owns it. */
SANDLOCK_API int sandlock_fd(const sandlock_sandbox *box);

enum sandlock_event {
	SANDLOCK_EVENT_NONE = 0,
	SANDLOCK_EVENT_ENDED = 1,       /* the whole tree has ended; stays so */
	SANDLOCK_EVENT_STOPPED = 2,     /* the top process was stopped from within (Ctrl-Z); job control is the host's */
	SANDLOCK_EVENT_CONTINUED = 3
};
SANDLOCK_API enum sandlock_event sandlock_next_event(sandlock_sandbox *box);

SANDLOCK_API int sandlock_pid(const sandlock_sandbox *box);     /* of the top process */
SANDLOCK_API int sandlock_kill(sandlock_sandbox *box);          /* SIGKILL to the whole tree; fine when it has ended */
SANDLOCK_API int sandlock_pause(sandlock_sandbox *box);         /* every process of the tree; -ESRCH when ended */
SANDLOCK_API int sandlock_resume(sandlock_sandbox *box);        /* after a pause; -ESRCH when ended */

/* A signal to the top process's group: -EINVAL when it is not one of 1 to 64, -ESRCH when ended. */
SANDLOCK_API int sandlock_signal(sandlock_sandbox *box, int signal);

/* The host's end of a piped stream (0, 1 or 2), once: the caller owns it. -EBADF if it is not piped or was taken. */
SANDLOCK_API int sandlock_stdio_take(sandlock_sandbox *box, int stream);

/* Run to the end and keep what the program wrote: both streams are drained at once, each up to `limit` bytes (the rest
 * is read and dropped; *truncated is a bit mask of streams). Input may be NULL. Strings are NUL-terminated beyond their
 * length and are the caller's. stdio in args is ignored. The timeout is the policy's. */
struct sandlock_capture {
	size_t size;                    /* sizeof(struct sandlock_capture) */
	const void *input;
	size_t input_len;
	size_t limit;                   /* 0: 64 MiB */
	char *output;                   /* out */
	size_t output_len;              /* out */
	char *errors;                   /* out */
	size_t errors_len;              /* out */
	unsigned truncated;             /* out: bit 1 stdout, bit 2 stderr */
};
SANDLOCK_API int sandlock_run(const sandlock_policy *policy, const struct sandlock_spawn_args *args,
			      struct sandlock_capture *capture, sandlock_sandbox **out, sandlock_error **err);

enum sandlock_exit_kind {
	SANDLOCK_RUNNING = 0,
	SANDLOCK_EXITED = 1,            /* by itself, with a code */
	SANDLOCK_SIGNALED = 2,          /* by a signal */
	SANDLOCK_TIMED_OUT = 3,
	SANDLOCK_KILLED = 4,            /* by sandlock_kill() or the end of the host */
	SANDLOCK_LIMIT = 5,             /* by a limit: sandlock_exit_reason() names it */
	SANDLOCK_LOST = 6               /* the reaper was killed from outside; the tree was killed with it */
};
SANDLOCK_API enum sandlock_exit_kind sandlock_exit_kind(const sandlock_sandbox *box);
SANDLOCK_API int sandlock_exit_code(const sandlock_sandbox *box);       /* -1 unless SANDLOCK_EXITED */
SANDLOCK_API int sandlock_exit_signal(const sandlock_sandbox *box);     /* 0 unless a signal ended it */
SANDLOCK_API const char *sandlock_exit_reason(const sandlock_sandbox *box); /* one sentence */
/* What a command line should exit with: the code, 128+signal, 124 after the timeout. -1 while it runs. */
SANDLOCK_API int sandlock_exit_status(const sandlock_sandbox *box);

enum sandlock_usage_item {
	SANDLOCK_USAGE_WALL_NS = 0,
	SANDLOCK_USAGE_CPU_NS = 1,              /* user and system, the whole tree */
	SANDLOCK_USAGE_PEAK_MEMORY = 2,         /* bytes: of the tree under a memory limit, else of the largest process */
	SANDLOCK_USAGE_REFUSALS = 3,            /* how many, before de-duplication */
	SANDLOCK_USAGE_NOTIFICATIONS = 4        /* trapped calls that were answered */
};
SANDLOCK_API uint64_t sandlock_usage(const sandlock_sandbox *box, enum sandlock_usage_item item);

enum sandlock_refusal_field {
	SANDLOCK_REFUSAL_OPERATION = 0,         /* "read", "write", "execute", "syscall", "fork" ... */
	SANDLOCK_REFUSAL_TARGET = 1,            /* resolved path, address or call; raw bytes of the child */
	SANDLOCK_REFUSAL_PROCESS = 2,           /* command name; raw bytes of the child */
	SANDLOCK_REFUSAL_RULE = 3,
	SANDLOCK_REFUSAL_FLAG = 4               /* what would grant it, or NULL */
};
/* The report: distinct refusals so far, oldest first (at most 1000 kept). NULL when out of range. */
SANDLOCK_API size_t sandlock_refusal_count(const sandlock_sandbox *box);
SANDLOCK_API const char *sandlock_refusal_get(const sandlock_sandbox *box, size_t index, enum sandlock_refusal_field f);
SANDLOCK_API uint64_t sandlock_refusal_times(const sandlock_sandbox *box, size_t index);
/* Of the first time; 0: not known, as for names that were looked up. -1: out of range. */
SANDLOCK_API int sandlock_refusal_pid(const sandlock_sandbox *box, size_t index);
/* What the program saw; 0: a datagram that was dropped without a word. */
SANDLOCK_API int sandlock_refusal_errno(const sandlock_sandbox *box, size_t index);

/* The report as text for people or as JSON (as TOML: -EINVAL); the status object (exit, usage, limits, refusals) as one line
 * of JSON. *out is the caller's. */
SANDLOCK_API int sandlock_report(const sandlock_sandbox *box, enum sandlock_format format, char **out,
				 sandlock_error **err);
SANDLOCK_API int sandlock_status(const sandlock_sandbox *box, char **out, sandlock_error **err);

/*
 * Every port that was bound so far, oldest first: `each` is called for it on the calling thread and may call the library.
 * Seen are binds that the supervisor judges: under --port-remap, --net-deny-bind, or rules for UDP or ICMP. Where Landlock
 * alone judges them the list is empty; a UDP socket bound to port 0, as clients do, is not in it. At most 1,024 are kept,
 * the newest. The number of ports, or -ENOMEM. Since 0.1.
 */
SANDLOCK_API int sandlock_ports(const sandlock_sandbox *box, sandlock_port_function *each, void *arg, sandlock_error **err);

/* --- This process --------------------------------------------------------------------------------------------- */

/* Confine the calling thread for good, without a supervisor: Landlock, the argument filter and no_new_privs. Limits that
 * need a supervisor are refused. With other threads running the call fails with -EBUSY, since they would stay free. */
SANDLOCK_API int sandlock_confine_self(const sandlock_policy *policy, sandlock_error **err);

/* Kernel capabilities, each probed by trying: sandlock_probe("landlock") is the ABI, others are 0, 1 or -errno. -ENOENT
 * for an unknown name. The name at an index, and one line about it; NULL when out of range. Since 0.1. */
SANDLOCK_API int sandlock_probe(const char *name);
SANDLOCK_API const char *sandlock_probe_name(size_t index);
SANDLOCK_API const char *sandlock_probe_help(size_t index);

/* The state of a protection ("fs-refer", "net-tcp", ...) under a policy on this kernel: "active", "degraded", "disabled",
 * "unavailable", or NULL for an unknown name. By index: its name; NULL when out of range. */
SANDLOCK_API const char *sandlock_protection_state(const sandlock_policy *policy, const char *name);
SANDLOCK_API const char *sandlock_protection_name(size_t index);
SANDLOCK_API int sandlock_protection_abi(size_t index);

#ifdef __cplusplus
}
#endif

#endif
