/*
 * The handler contract: what a feature declares, what a handler is given, and what it may answer. A feature includes
 * this header and nothing else of the supervisor.
 *
 * A handler is called with one trapped system call whose arguments were copied once. It decides on the copy, acts with
 * the copy through call->kernel, and returns a verdict. It sends nothing, logs nothing and keeps no pointer into the
 * call. Handlers without H_BLOCKS run on the notify thread and must not wait (limits.c does, for 5 ms at most, where it
 * would refuse otherwise). H_BLOCKS handlers run on worker threads, several at once, and share nothing mutable with others
 * but through call->kernel.
 */
#ifndef SUPERVISOR_HANDLER_H
#define SUPERVISOR_HANDLER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "policy/grants.h"
#include "policy/netmatch.h"
#include "policy/openings.h"
#include "policy/policy.h"
#include "policy/sockets.h"
#include "policy/portmap.h"
#include "policy/sysrules.h"
#include "policy/virtual.h"

enum verdict_kind {
	V_NEXT,                 /* not mine: ask the next feature; after the last, the call is refused with ENOSYS */
	V_RETURN,               /* value is the result */
	V_ERRNO,                /* value is a positive errno */
	V_GIVE_FD,              /* value is a descriptor that the reply now owns; the caller gets a copy */
	V_CONTINUE,             /* let the kernel run the call; legal only in rows with H_MAY_CONTINUE */
	V_LATER,                /* it would have to wait: ask again on a worker, or, when it says so there, after others
				 * that wait have had their turn; legal in H_TRIES rows */
	V_PARK,                 /* value is a descriptor that the supervisor now owns: ask again when it is readable. Legal in
				 * H_OTHERS_PASS rows, since the kernel runs the call itself where there is no room to wait */
};

struct verdict {
	enum verdict_kind kind;
	int64_t value;
	uint32_t fd_flags;      /* V_GIVE_FD: O_CLOEXEC, or 0 where the caller did not ask for it */
	uint32_t fd_number;     /* V_GIVE_FD: this number, if the caller can have it; 0: the lowest that is free */
};

/* What an operation says in place of -errno when it would have to wait and call->may_wait is false; v_result makes
 * V_LATER of it. No errno is that large. */
#define MUST_WAIT (-4096)

static inline struct verdict v_next(void)
{
	return (struct verdict){ .kind = V_NEXT };
}

static inline struct verdict v_errno(int code)   /* positive or negative errno */
{
	return (struct verdict){ .kind = V_ERRNO, .value = code < 0 ? -code : code };
}

static inline struct verdict v_result(int64_t rc) /* -errno becomes an error, anything else the result */
{
	if (rc == MUST_WAIT)
		return (struct verdict){ .kind = V_LATER };
	return rc < 0 && rc >= -4095 ? v_errno((int)rc) : (struct verdict){ .kind = V_RETURN, .value = rc };
}

static inline struct verdict v_give_fd(int fd, uint32_t fd_flags)
{
	return (struct verdict){ .kind = V_GIVE_FD, .value = fd, .fd_flags = fd_flags };
}

static inline struct verdict v_later(void)
{
	return (struct verdict){ .kind = V_LATER };
}

/* Asked again, the call finds the same socket by pin_fd, and in call->progress->wake why. */
static inline struct verdict v_park(int sock)
{
	return (struct verdict){ .kind = V_PARK, .value = sock };
}

static inline struct verdict v_continue(void)
{
	return (struct verdict){ .kind = V_CONTINUE };
}

/* One refusal for the report. Strings are copied; path bytes are raw and are quoted when shown. */
struct refusal {
	const char *operation;  /* "read", "write", "execute", "metadata", "syscall", "fork", "connect" ... */
	const char *target;     /* resolved path, address or call name; bytes of the child allowed */
	const char *rule;       /* what decided: "no grant covers it", "--max-processes 4" */
	const char *flag;       /* what would grant it: "-w /srv/data", or NULL when nothing does */
	int errnum;             /* what the child saw; 0: success, and what it sent was dropped */
	bool looks_up;     /* it looks a name up: where a network preset is for the caller's program, the flag gets it too */
};

struct call;
struct file_attr_v0;            /* base/sys.h */
struct island;

/* A path of the caller's, and how its call wants it walked. */
struct where {
	int dirfd;              /* the caller's number or AT_FDCWD */
	const char *path;
	bool no_follow;         /* a final symbolic link is the object */
	bool tell_missing;      /* where nothing is: say in which directory */
	uint64_t resolve;       /* RESOLVE_* of openat2 */
};

/* What it leads to. Magic links (/proc/self/root, /dev/fd/3) are the caller's and are followed. */
struct located {
	int fd;                 /* O_PATH, to be closed by whoever asked; -1: nothing is there */
	int parent;             /* where nothing is: O_PATH on the directory that has no such name, or -1 */
	char name[256];         /* the name that it has not got */
	uint64_t dev, ino;      /* as stat shows them */
	uint32_t mode;
	bool procfs, sysfs;
};

/* What is asked of a socket, and the answers; only what was asked for is filled. */
enum socket_want {
	WANT_DOMAIN = 1,        /* AF_INET ... */
	WANT_TYPE = 2,          /* SOCK_STREAM ... */
	WANT_PROTOCOL = 4,      /* IPPROTO_TCP ...; 0 for a unix socket */
	WANT_COOKIE = 8,        /* SO_COOKIE: names the socket for good, whatever descriptors it has */
	WANT_NONBLOCKING = 16,  /* O_NONBLOCK of the description that the caller shares */
};

struct socket_info {
	int domain;
	int type;
	int protocol;
	bool nonblocking;
	uint64_t cookie;
};

/* Where a unix socket gets its name. */
struct unix_place {
	int parent;             /* the directory, pinned */
	const char *name;       /* in it */
	const char *path;       /* the caller's words for both, from its directory; NULL: they would mean another thing here */
	mode_t umask;
};

/* One message for a socket: copies, never the caller's memory. */
struct outgoing {
	const void *name;               /* a sockaddr, or NULL */
	size_t name_len;
	const void *control;            /* as the caller wrote it, descriptors in the caller's numbers */
	size_t control_len;
	const void *data;
	size_t len;
};

/* One message that is received, into memory of ours. */
struct incoming {
	void *name;                     /* room for a sockaddr, and then what came */
	size_t name_len;
	void *control;
	size_t control_len;
	void *data;
	size_t len;                     /* the room for data; what came is the result */
	int flags;                      /* MSG_TRUNC ..., as the kernel says */
};

/* What earlier tries of the same call have done; a worker that goes on with a call finds it here. Starts as zeroes. */
struct progress {
	uint64_t sent;          /* bytes of the current message */
	unsigned messages;      /* whole messages of a sendmmsg or recvmmsg */
	int wake;               /* after V_PARK: 0, the socket is readable; else why the wait is over, as of wait_to_send */
	unsigned waits;         /* in a row, without anything done in between */
	uint64_t seen;          /* signals to the caller's process that were pending at the last look */
	int first;              /* what the first try of a connect said: -EINPROGRESS or -EALREADY */
	uint64_t turn;          /* when the worker took it up, in CLOCK_MONOTONIC */
	bool crowded;           /* the last try had to give its descriptors back: pause before the next */
	uint64_t deadline;      /* of SO_SNDTIMEO (V_PARK: SO_RCVTIMEO), in CLOCK_MONOTONIC; 0: not looked at yet;
				 * UINT64_MAX: none */
	uint64_t until;         /* the same for the timeout of a recvmmsg */
};

/* A piece of the caller's memory. */
struct piece {
	uint64_t at;
	uint64_t len;
};

#define COMM_SIZE 32             /* the name of a task, with room for those of kernel threads */

/*
 * The only way of a handler to touch the world; a fake in tests. Paths and descriptors are the caller's. Functions
 * return -errno on failure.
 */
struct kernel_ops {
	/* Pins the object that `path` names for the caller (its cwd, its descriptors; /proc/self and /dev/fd mean the
	 * caller's) as an O_PATH descriptor. `dirfd` is the caller's number or AT_FDCWD; empty path with
	 * AT_EMPTY_PATH in flags pins the descriptor itself; AT_SYMLINK_NOFOLLOW pins a final symlink. */
	int (*pin)(const struct call *call, int dirfd, const char *path, int flags);
	/* An own descriptor for the caller's descriptor: same open file description where pidfd_getfd is allowed,
	 * else a fresh O_PATH one (then fd_is_writable is false). */
	int (*pin_fd)(const struct call *call, int fd);
	/* True when the caller has `fd` open for writing. */
	bool (*fd_is_writable)(const struct call *call, int fd);
	/* The path of a pinned object as the kernel names it now; -ENOENT for a deleted one, -EINVAL for one without
	 * a path (pipe, socket, memfd). `out` has PATH_MAX bytes. */
	int (*path_of)(const struct call *call, int pinned, char *out);
	/* Copies to the caller's memory; all or -EFAULT. */
	int (*copy_out)(const struct call *call, uint64_t to, const void *from, size_t len);
	/* Copies from the caller's memory, once per datum: only for arguments whose shape depends on another argument
	 * (ioctl, open_how), which no role can describe. All or -EFAULT. */
	int (*copy_in)(const struct call *call, void *to, uint64_t from, size_t len);
	/* The process that the calling task is a thread of. */
	pid_t (*process)(const struct call *call);
	/* Processes and tasks (threads too) of the tree now, this caller's included. 0 or -errno. */
	int (*count_tree)(const struct call *call, unsigned *processes, unsigned *tasks);
	/* How far a task got. *asleep: it sleeps interruptibly, is stopped or dead (S, T, t, Z or X of its stat line), so
	 * it is not inside a fork. *cpu_ns: the time that this one thread has run (/proc/TID/task/TID/stat, not the line
	 * of its process). 0, -ESRCH when there is no such task, or -errno. */
	int (*task_progress)(const struct call *call, pid_t tid, bool *asleep, uint64_t *cpu_ns);
	/* 1 when `pid`, a process or a thread, is outside the tree and the caller's own ids would let it be signalled (so
	 * nothing but Landlock is in the way); 0 when it is in the tree; -ESRCH, or -EPERM when its ids forbid it. `comm`
	 * is its name, "" when that cannot be read: foreign bytes. */
	int (*stranger)(const struct call *call, pid_t pid, char comm[COMM_SIZE]);
	/* The process of the caller's pidfd; -ENOENT when the descriptor is none, -ESRCH when that process is gone. */
	pid_t (*pidfd_pid)(const struct call *call, int fd);
	/* The local port of an IPv4 or IPv6 stream socket that pin_fd gave, 0 when it has none; -EAFNOSUPPORT for other
	 * sockets, -ENOTSOCK, or -EBADF when the descriptor is not the caller's own one (pidfd_getfd is refused). */
	int (*socket_port)(const struct call *call, int sock);
	int (*listen)(const struct call *call, int sock, int backlog);
	/* What the socket that pin_fd gave is (`want` of enum socket_want). 0; -EBADF when the descriptor is not the
	 * caller's own one (pidfd_getfd is refused) or was opened with O_PATH; -ENOTSOCK. */
	int (*socket_info)(const struct call *call, int sock, unsigned want, struct socket_info *out);
	/* connect(2) with our copy of the address, as the caller's socket blocks or not. MUST_WAIT while !may_wait: the
	 * connection is being made, the same call on a worker waits for it. -ERESTARTSYS (512) when a signal arrived
	 * that makes the kernel repeat the call or turn it into EINTR. */
	int (*connect)(const struct call *call, int sock, const void *name, size_t len);
	/* One try of sendmsg(2) that never waits: bytes sent or -errno, -EAGAIN when it would wait. Descriptors in the
	 * control data of a unix socket are the caller's; a bad control message is -EINVAL. `flags` are the caller's;
	 * -EPIPE raises no signal here: see broken_pipe. */
	ssize_t (*send)(const struct call *call, int sock, const struct outgoing *message, int flags);
	/* After -EAGAIN of send: may the call wait, and is there room now? 0: try again; -EAGAIN: the caller does not
	 * block (MSG_DONTWAIT in flags, O_NONBLOCK) or SO_SNDTIMEO has passed; MUST_WAIT while !may_wait; -ESRCH: the
	 * caller is gone; -EINTR or -ERESTARTSYS (512): it has a signal. */
	int (*wait_to_send)(const struct call *call, int sock, int flags);
	/* SIGPIPE for the calling thread, where the kernel would send one: a stream socket and no MSG_NOSIGNAL. */
	void (*broken_pipe)(const struct call *call, int sock, int flags);
	/* 1 when a process of the sandbox has the socket of this type (SOCK_STREAM ...) with the abstract name (without
	 * the NUL that begins it); 0 when somebody else has; -ECONNREFUSED when nobody has. */
	int (*owns_abstract)(const struct call *call, const char *name, size_t len, int type);
	/* Copies up to `len` bytes from pieces of the caller's memory, beginning `skip` bytes into them. The bytes that
	 * could be read before the first that could not, or -EFAULT when that is none. */
	ssize_t (*gather)(const struct call *call, void *to, size_t len, const struct piece *from, size_t count,
			  uint64_t skip);
	/* A socket of the resolver's island (base/island.h); -EAFNOSUPPORT where there is none. */
	int (*island_socket)(const struct call *call, int domain, int type, int protocol);
	/* Is what pin_fd gave a socket of the island? It reaches the resolver and nothing else. */
	bool (*in_island)(const struct call *call, int sock);
	/* Makes the caller's TCP or UDP socket `fd` one of the island, if it is none yet. 0 or -errno. */
	int (*to_island)(const struct call *call, int fd);
	/* setsockopt(2) of an option that joins a group, with our copy of its value. */
	int (*join)(const struct call *call, int sock, int level, int option, const void *value, size_t len);
	/* Undoes listen: shutdown of both directions. */
	void (*unlisten)(const struct call *call, int sock);
	/* Puts a refusal into the report: de-duplicated and rate-limited. */
	void (*refuse)(const struct call *call, const struct refusal *refusal);
	/* chmod, chown, utimens, xattr on a pinned object, with the rights that the caller has. */
	int (*chmod)(const struct call *call, int pinned, mode_t mode);
	int (*chown)(const struct call *call, int pinned, uid_t uid, gid_t gid);
	int (*utimens)(const struct call *call, int pinned, const struct timespec times[2]); /* NULL: now */
	/* By the call that the caller made: ENOSYS for setxattrat and removexattrat where the kernel has them not. */
	int (*setxattr)(const struct call *call, int pinned, const char *name, const void *value, size_t len, int flags);
	int (*removexattr)(const struct call *call, int pinned, const char *name);
	/* FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR on a pinned object. */
	int (*fsflags)(const struct call *call, int pinned, unsigned long request, const void *arg);
	/* Finds what a path means without opening it. MUST_WAIT where the kernel's caches are not enough. -ENOENT fills
	 * in `parent` and `name` where that was asked for; other -errno fill in nothing. */
	int (*locate)(const struct call *call, const struct where *where, struct located *out);
	/* The canonical name of what `path` means, where the kernel's caches tell it at once: no link and no ".." on the
	 * way, and not of procfs or sysfs. It may not exist. `out` has PATH_MAX bytes. 0, or -errno: locate it. */
	int (*plain_name)(const struct call *call, int dirfd, const char *path, char *out);
	/* A descriptor that reads what is pinned; flags as of open. */
	int (*reopen)(const struct call *call, int pinned, int flags);
	/* 0 when the Landlock domains that the caller has entered itself let it read what is pinned, else -errno. */
	int (*may_open)(const struct call *call, int pinned, int flags);
	/* Is it a process or a thread of this sandbox? */
	bool (*in_tree)(const struct call *call, pid_t pid);
	/* The caller's own /proc/TID/`tail`, as it is now, appended. */
	int (*read_proc)(const struct call *call, const char *tail, struct str *out);
	/* The inode numbers of the sockets that the sandbox has open, sorted, without repetition; to be freed. */
	int (*tree_sockets)(const struct call *call, uint64_t **inodes, size_t *count);
	/* bind(2) with our copy of the address. A unix socket with a path is bound with bind_at. */
	int (*bind)(const struct call *call, int sock, const void *name, size_t len);
	/* The same without SO_REUSEADDR: also a socket that does not listen yet is in the way. */
	int (*bind_alone)(const struct call *call, int sock, const void *name, size_t len);
	/* Binds a unix socket to a name in a pinned directory, and nowhere else. On a worker only. */
	int (*bind_at)(const struct call *call, int sock, const struct unix_place *place);
	/* The address that the socket is bound to or, with `peer`, connected to. `name` has 128 bytes. 0 or -errno. */
	int (*socket_name)(const struct call *call, int sock, bool peer, void *name, size_t *len);
	/* Is it an address of this machine? */
	bool (*is_local)(const struct call *call, const struct addr *a);
	/* Does who has this TCP port share it with everybody of the caller's user who also wants to share it? */
	bool (*is_shared)(const struct call *call, const struct addr *a);
	/* file_setattr; -ENOSYS before 6.17. */
	int (*file_setattr)(const struct call *call, int pinned, const struct file_attr_v0 *attr);
	/* One accept4(2) that never waits: an own descriptor and the peer's address (`name` has 128 bytes), or -errno:
	 * -EAGAIN: the socket does not block, and nobody is there; MUST_WAIT: it does; -EMFILE: the caller has no room for a
	 * descriptor, and the connection stays where it is. */
	int (*accept)(const struct call *call, int sock, int flags, void *name, size_t *len);
	/* One recvmsg(2) that never waits, whatever the socket is: bytes or -errno, -EAGAIN when nothing is there. */
	ssize_t (*receive)(const struct call *call, int sock, struct incoming *message, int flags);
	/* Closes what is held for parked calls whose callers are gone, which could be in the way of a bind. */
	void (*drop_dead)(const struct call *call);
	/* The caller is about to enter the Landlock domain of this ruleset, which pin_fd gave, by landlock_restrict_self with
	 * these flags: what is done on its behalf is judged by it, too, from now on. 0 or what the call says; -EBADF when
	 * the descriptor is not the caller's own one. */
	int (*enter_domain)(const struct call *call, int ruleset, unsigned flags);
};

/* A decoded argument. A pointer role that was NULL in the caller has is_null set. */
struct call_arg {
	enum role role;
	bool is_null;
	union {
		int64_t num;            /* ROLE_INT, ROLE_LEN; also the raw value of ROLE_PTR and ROLE_OUT */
		int fd;                 /* ROLE_FD, ROLE_DIRFD: the low 32 bits, as the kernel takes them */
		const char *path;       /* ROLE_PATH, ROLE_NAME: bytes, NUL-terminated, owned by the call */
		const struct timespec *times;   /* ROLE_TIMES, ROLE_TIMEVALS and ROLE_UTIMBUF come as two timespecs */
		struct { const void *data; size_t len; } bytes;
	};
};

struct call {                           /* one trapped system call; decoded once, then read-only */
	uint64_t id;
	int nr;                         /* of the native architecture */
	const struct syscall_info *info;
	pid_t tid;                      /* the calling task */
	uint64_t raw[6];                /* register arguments, as they came */
	struct call_arg arg[6];
	bool may_wait;                  /* on a worker: operations may block, until the caller is gone */
	struct progress *progress;      /* of the tries of this call; the only thing in a call that changes */
	const int *held;                /* after V_PARK: what pin_fd gives */
	const struct kernel_ops *kernel;
	void *supervisor;               /* for kernel_ops only */
};

enum handler_flags {
	H_BLOCKS = 1,           /* run on a worker */
	H_MAY_CONTINUE = 2,     /* V_CONTINUE is allowed; the row's comment says what else enforces the rule */
	H_NO_DECODE = 4,        /* only register arguments: no read of child memory */
	H_TRIES = 8,            /* first on the notify thread without waiting; V_LATER moves it to a worker, same copy.
				 * It pins a descriptor of the caller (pin_fd) before it acts: that is when it is known
				 * that the arguments are the caller's */
	H_OTHERS_PASS = 16,     /* calls that are not its own need not have been trapped: where every row that was asked
				 * says V_NEXT with this flag, the kernel runs the call */
	H_ONLY_IF_TRAPPED = 32, /* traps nothing by itself; asked when another feature has the call trapped */
};

struct handler {
	const char *syscall;    /* a name in syscalls.tbl; "*" is asked first about every call (the refusals) */
	struct verdict (*on_call)(const struct call *call, void *state);
	unsigned flags;
	/* Optional: under which policies, and trap and ask only when this test on an argument holds (see struct trap). */
	bool (*when)(const struct policy *policy);      /* the row is there only then; NULL: always */
	bool conditional;
	uint8_t test_arg;
	uint8_t test_op;
	uint32_t test_mask;
	uint64_t test_value;
};

/* A file that the sandbox sees in place of the host's: run/ makes the list, features/vfiles.c serves it. */
struct vfile {
	const char *path;               /* canonical and absolute, "/etc/hosts" */
	int (*content)(void *arg, struct str *out);     /* appends the bytes as they are now; any thread; 0 or -errno */
	void *arg;
};

/* What a feature gets when a sandbox is assembled; all of it outlives the feature's state. */
struct feature_env {
	const struct policy *policy;
	const struct grants *grants;    /* without descriptors */
	const struct sysrules *rules;   /* NULL while the trapped set is asked for */
	const struct netmatch *net;     /* NULL when the policy judges no addresses */
	const struct vfile *vfiles;     /* none: nothing is virtual */
	size_t vfile_count;
	const struct socket_grants *sockets;    /* empty when no socket by path is in reach */
	const struct virtuals *virtuals;        /* how what is virtual is recognised */
	struct portmap *ports;          /* what has been bound; NULL where nobody binds on behalf */
	struct openings *openings;      /* addresses that the resolver opened; NULL without name rules */
	const struct net_pin *pins;     /* what the plain names of the rules stand for */
	size_t pin_count;
	struct island *island;          /* where the resolver listens; NULL: the policy or the system has none */
	/* For what no call asked for: a thread of a feature. refuse(sink, ...) puts it into the report. */
	void (*refuse)(void *sink, const struct refusal *refusal);
	void *sink;
	const char *program_name;       /* argv[0] */
	bool signals_scoped;            /* the kernel keeps signals in the sandbox: neither disabled nor degraded */
};

struct feature {
	const char *name;
	bool (*wanted)(const struct policy *policy);    /* is it active under this policy? */
	int (*start)(const struct feature_env *env, void **state, struct error *err);   /* may be NULL */
	void (*stop)(void *state);                      /* may be NULL */
	const struct handler *handlers;
	size_t handler_count;
};

#define HANDLERS(table) .handlers = (table), .handler_count = sizeof(table) / sizeof((table)[0])

#endif
