/*
 * What the filter does with every system call, as data: one rule per number with optional tests on arguments. The BPF
 * program is compiled from it (confine/filter.c), the supervisor looks refusals up in it, and the tests compare both.
 */
#ifndef POLICY_SYSRULES_H
#define POLICY_SYSRULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "policy/policy.h"

enum arch { ARCH_X86_64, ARCH_AARCH64, ARCH_MAX };
#if defined(__x86_64__)
#define ARCH_NATIVE ARCH_X86_64
#else
#define ARCH_NATIVE ARCH_AARCH64
#endif

/* What an argument is: decides how the supervisor decodes it before a handler sees it. */
enum role {
	ROLE_NONE,
	ROLE_INT,       /* a number, passed as it is */
	ROLE_FD,        /* a descriptor of the caller */
	ROLE_DIRFD,     /* a directory descriptor or AT_FDCWD; goes with the next PATH */
	ROLE_PATH,      /* NUL-terminated path: copied, at most PATH_MAX */
	ROLE_NAME,      /* NUL-terminated name of at most 255 bytes (an xattr name) */
	ROLE_TIMES,     /* two struct timespec, may be NULL */
	ROLE_TIMEVALS,  /* two struct timeval, may be NULL */
	ROLE_UTIMBUF,   /* struct utimbuf, may be NULL */
	ROLE_BYTES,     /* a buffer whose length is the next argument; at most 64 KiB */
	ROLE_SOCKADDR,  /* a socket address whose length is the next argument; at most 128 bytes */
	ROLE_LEN,       /* that length */
	ROLE_PTR,       /* a pointer that the supervisor does not follow */
	ROLE_OUT,       /* a pointer that the handler writes to */
	ROLE_MAX
};

/* One row of syscalls.tbl. */
struct syscall_info {
	const char *name;
	int16_t nr[ARCH_MAX];           /* -1: the architecture does not have it */
	uint8_t klass;                  /* enum sys_class */
	uint8_t role[6];
};

enum sys_class {
	CLASS_ALLOW,            /* harmless, or another layer judges it */
	CLASS_DENY,             /* EPERM in every supervised sandbox */
	CLASS_DENY_ALWAYS,      /* EPERM also without a supervisor */
	CLASS_SYSV_IPC,         /* the group sysv_ipc: EPERM unless re-allowed */
	CLASS_UNKNOWN_TO_US,    /* newer than our table or retired: ENOSYS */
	CLASS_SPECIAL,          /* decided on its arguments by a rule in sysrules.c */
	CLASS_MAX
};

extern const struct syscall_info syscall_table[];
extern const size_t syscall_count;

const struct syscall_info *syscall_by_name(const char *name);
const struct syscall_info *syscall_by_nr(enum arch arch, int nr);
int syscall_nr(enum arch arch, const char *name);       /* -1 if absent there */

enum sys_action {
	SYS_ALLOW,
	SYS_ERRNO,              /* answered in the kernel, silently */
	SYS_REFUSE,             /* answered with errno; reported when a supervisor is there (it is notified), else SYS_ERRNO */
	SYS_TRAP,               /* a feature handles it */
	SYS_KILL,
};

struct sys_verdict {
	uint8_t action;         /* enum sys_action */
	uint16_t errnum;        /* for SYS_ERRNO and SYS_REFUSE */
};

/* Tests on the low 32 bits of an argument, but for the _64 forms, which see all of it. */
enum arg_op {
	ARG_EQ,                 /* arg == value */
	ARG_NE,
	ARG_MASK_ANY,           /* (arg & mask) != 0 */
	ARG_MASK_EQ,            /* (arg & mask) == value */
	ARG_MASK_NE,            /* (arg & mask) != value */
	ARG_NE_64,              /* 64-bit arg != value */
};

/* The first test of a rule that holds decides; `and_next` joins a test with the one after it. */
struct arg_test {
	uint8_t arg;
	uint8_t op;             /* enum arg_op */
	bool and_next;
	uint32_t mask;
	uint64_t value;
	struct sys_verdict then;        /* of the last test of a joined run */
};

/* Does this test alone hold for a call with these arguments? */
bool arg_test_holds(const struct arg_test *t, const uint64_t args[6]);

struct sys_rule {
	struct arg_test *tests;
	size_t len;
	size_t cap;
	struct sys_verdict otherwise;
};

#define SYSRULES_MAX 512        /* numbers 0..511; above is ENOSYS */

struct sysrules {
	enum arch arch;
	struct sys_rule rule[SYSRULES_MAX];
	struct sys_verdict above;       /* for every number >= SYSRULES_MAX and for unknown ones: ENOSYS */
	bool supervised;
};

/* What a feature wants to see: a call, and optionally only when a test on an argument holds. */
struct trap {
	const char *syscall;
	bool conditional;
	uint8_t arg;
	uint8_t op;
	uint32_t mask;
	uint64_t value;
};

/*
 * Builds the rules of a frozen policy for an architecture. A refusal wins over a trap, an extra denial over everything.
 * Traps on calls that the architecture lacks are skipped. *out is heap memory: sysrules_free. 0 or -errno.
 */
int sysrules_build(const struct policy *p, enum arch arch, const struct trap *traps, size_t trap_count,
		   struct sysrules **out, struct error *err);
void sysrules_free(struct sysrules *r);

/* What happens to one call of the native convention: the model that the filter must equal. */
struct sys_verdict sysrules_decide(const struct sysrules *r, int nr, const uint64_t args[6]);

/* Checks the names in extra_allow and extra_deny, naming all that are unknown or not allowed there; called by
 * policy_freeze. 0 or -EINVAL. */
int sysrules_check_names(const struct policy *p, struct error *err);

#endif
