/*
 * A kernel_ops for unit tests of features: a handful of objects by name, scripted counts, and a memory of what was done.
 * Descriptors that it hands out are real ones, so that leaks can be counted.
 */
#ifndef SUPPORT_FAKE_KERNEL_H
#define SUPPORT_FAKE_KERNEL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "supervisor/handler.h"

struct fake_object {
	const char *name;       /* as the caller says it: a path, or "fd 5" */
	const char *path;       /* as path_of says it; NULL: a pipe or socket */
	bool deleted;
	bool writable;          /* the caller has it open for writing */
	int port;               /* socket_port: a port, 0, or -errno */
	int port_after;         /* what socket_port says once it listens */
};

struct fake {
	const struct fake_object *objects;
	size_t object_count;
	/* scripts */
	int fail;               /* what the acting ops return */
	unsigned processes;
	unsigned tasks;
	int count_rc;
	int (*progress)(struct fake *f, pid_t tid, bool *asleep, uint64_t *cpu_ns);
	void (*before_count)(struct fake *f);
	void *world;            /* of the test's own */
	unsigned char memory[4160];     /* of the caller, for copy_in; nothing behind it */
	uint64_t memory_at;             /* its address; 0: any address is its start */
	bool own_memory;                /* the caller's memory is the test's own; its first page is a hole */
	struct socket_info socket;      /* what every descriptor is; only what was wanted is told */
	int socket_rc;
	int stranger_rc;        /* what stranger() and pidfd_pid() say, and the name */
	pid_t pidfd_rc;
	const char *comm;
	bool in_island;
	/* memory of what was done */
	unsigned moves;         /* to_island */
	int island_order[3];    /* domain, type, protocol */
	pid_t stranger;         /* who was asked about */
	unsigned pins;
	unsigned acts;          /* chmod, chown, utimens, setxattr, removexattr, fsflags, listen */
	unsigned counts;
	unsigned unlistens;
	unsigned reads;         /* copy_in */
	unsigned connects;
	unsigned sends;
	unsigned char name[sizeof(struct sockaddr_storage)];    /* of the last connect or send */
	size_t name_len;        /* 0: it had none */
	const char *acted;      /* the last op */
	const char *acted_path; /* the path of the object that it acted on, "" without one */
	int pin_flags;
	int dirfd;
	uint64_t value[3];      /* mode; uid and gid; request; backlog; xattr length and flags */
	struct timespec times[2];
	bool times_null;
	char text[256];         /* xattr name */
	unsigned char out[512]; /* copy_out; xattr value */
	size_t out_len;
	unsigned refusals;
	char operation[64];
	char target[2 * PATH_MAX];
	char rule[2 * PATH_MAX];
	char flag[2 * PATH_MAX];        /* "" for NULL */
	int errnum;
	const struct fake_object *of_fd[1024];
	struct progress call_progress;  /* of the last call */
};

extern const struct kernel_ops fake_ops;

/* A call by name whose numbers are decoded by role; pointers come after, with fake_path and its kin. */
struct call fake_call(struct fake *f, const char *syscall, const uint64_t raw[6]);
#define FAKE_CALL(f, name, ...) fake_call((f), (name), (const uint64_t[6]){ __VA_ARGS__ })
void fake_path(struct call *call, int arg, const char *path);   /* also a NAME; NULL is a NULL pointer */
void fake_times(struct call *call, int arg, const struct timespec *times);
void fake_bytes(struct call *call, int arg, const void *data, size_t len);

/* A socket of TCP over IPv4, UDP ... */
#define FAKE_SOCKET(the_domain, the_type, the_protocol) \
	(struct socket_info){ .domain = (the_domain), .type = (the_type), .protocol = (the_protocol) }

/* Remembers the name of a connect or a send. */
void fake_name(struct fake *f, const void *name, size_t len);

/* Asks the feature as dispatch does: the first row for the call; a forbidden V_CONTINUE fails the test. */
struct verdict fake_ask(const struct feature *feature, void *state, const struct call *call);

void check_errno(struct verdict v, int errnum);
void check_value(struct verdict v, int64_t value);

#endif
