/*
 * Escape attempts: each makes one attempt, succeeds without a sandbox and must be refused inside. Used by the tests
 * (probe-runner, tests/integration/test_probes.py) and by `sandlock selftest`; it knows libc and base/ only.
 */
#ifndef PROBES_H
#define PROBES_H

#include <stddef.h>
#include <sys/types.h>

enum probe_result {
	PROBE_DID_IT,           /* the attempt succeeded: an escape when it happened inside */
	PROBE_REFUSED,          /* errnum or, when the attempt was killed, signal says how */
	PROBE_UNAVAILABLE,      /* this kernel or machine cannot do it anyway */
};

struct probe_case;

struct probe_args {
	const char *scratch;    /* a directory granted with -w */
	const char *secret;     /* a directory outside the grants, made by probes_prepare() */
	pid_t pid;              /* a process outside, of the same user, that may be signalled and written to */
	int port;               /* 127.0.0.1:port and the abstract sockets "sandlock-probe-PORT" are listened on outside */
	pid_t starter;          /* the parent of the process that calls probe_run(), which sets it */
	const struct probe_case *self;  /* set by probe_run() */
};

enum probe_flags {
	PROBE_NEEDS_ROOT = 1,   /* succeeds without the sandbox as root only; skip it for others */
	PROBE_KERNEL = 2,       /* Landlock or the smallest filter refuse it: holds with --no-supervisor too */
	PROBE_NOT_COVERED = 4,  /* documented as not refused: shown, never counted as a failure */
	PROBE_SAME_INSIDE = 8,  /* not an escape: must give the same errno inside as outside (bad pointers) */
	PROBE_SLOW = 16,        /* takes up to two seconds */
	PROBE_USER_ONLY = 32,   /* says something for ordinary users only */
	PROBE_READS_GRANT = 64, /* works on SECRET/readonly, which its policy grants for reading */
};

/*
 * The attempt itself. 0: it succeeded; 1: not possible on this kernel; -errno: refused. Where only the filter is in
 * question it uses invalid pointers, and reaching the kernel (EFAULT, EBADF, EINVAL) is success.
 */
typedef int probe_fn(const struct probe_args *args);

struct probe_case {
	const char *id;         /* the row of the catalogue: "F01"; several cases may share it */
	const char *name;       /* unique: "read-openat2" */
	const char *title;      /* for people: "read a file outside with openat2" */
	probe_fn *run;
	const char *policy;     /* options of `sandlock run` beyond -w SCRATCH, space separated; @SCRATCH@, @SECRET@ and
	                           @PORT@ stand for those of probe_args; NULL: none */
	unsigned flags;         /* of enum probe_flags */
	const long *call;       /* for table cases: { number, six arguments } */
};

struct probe_outcome {
	enum probe_result result;
	int errnum;             /* positive; 0 if none */
	int signal;             /* what killed the attempt; 0 if none */
};

size_t probe_count(void);
const struct probe_case *probe_at(size_t index);
const struct probe_case *probe_by_name(const char *name);

/* Makes the canary files in secret and clears scratch of what probes leave. Both directories exist. 0 or -errno. */
int probes_prepare(const char *scratch, const char *secret);

/* Are the canary files in secret as probes_prepare() left them? NULL, or what changed (a constant sentence). */
const char *probes_changed(const char *secret);

/* One attempt in a process of its own, so that a killing refusal is seen and nothing of it remains. */
struct probe_outcome probe_run(const struct probe_case *probe, const struct probe_args *args);

/* "did it", "refused EACCES", "refused SIGSYS" or "unavailable" into buf. */
void probe_describe(const struct probe_outcome *outcome, char *buf, size_t size);

/*
 * The command line of the runner, shared with `sandlock selftest`, which starts itself inside: NAME --scratch D --secret
 * D --pid P --port N. Prints one line "NAME: did it", or what else probe_describe() says. Exit status 0 did it,
 * 1 refused, 77 unavailable, 2 usage.
 */
int probe_main(int argc, char **argv);

#endif
