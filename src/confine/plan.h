/*
 * What the host decides before the clone and what comes back: the child's plan, the reaper's orders, and the words that
 * all three share.
 *
 * Three tasks share the host's memory for a moment. The host clones the reaper; the reaper clones the child; the child
 * confines itself and execs. After that the reaper and the host go on sharing memory, so the reaper must never call
 * libc (its thread pointer is that of the host's thread) and never write outside its stack and struct shared.
 */
#ifndef CONFINE_PLAN_H
#define CONFINE_PLAN_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/task.h"

/* The steps of the child, in order. Names for people are in plan.c. */
enum child_step {
	STEP_GROUP,             /* own process group, foreground */
	STEP_PARENT,            /* die with the reaper */
	STEP_DESCRIPTORS,
	STEP_OPEN_PROC,         /* shows the reaper where its files for STEP_OWN_PROC are */
	STEP_PERSONALITY,
	STEP_AFFINITY,
	STEP_HUGE_PAGES,
	STEP_LIMITS,
	STEP_USER,
	STEP_DIRECTORY,
	STEP_CAPABILITIES,
	STEP_NO_NEW_PRIVS,
	STEP_OWN_PROC,
	STEP_GO,                /* the host has the rest of the plan ready */
	STEP_LANDLOCK,
	STEP_OPEN_FILES,
	STEP_FILTER,
	STEP_SIGNALS,
	STEP_EXEC,
	STEP_MAX
};
extern const char *const child_step_names[STEP_MAX];

struct plan_limit {
	int resource;                   /* RLIMIT_* */
	uint64_t value;                 /* soft and hard; never raised above what is inherited */
};

struct plan_fd {
	int from;                       /* of the host */
	int to;                         /* in the child */
};

#define PLAN_LIMITS_MAX 6
#define PLAN_FDS_MAX 64

/*
 * Constant once the clone is made, but for what is looked at after STEP_GO only: that is until spawn_go(). Pointers lead to
 * memory that outlives the exec.
 */
struct child_plan {
	const char *path;               /* has a '/'; after STEP_GO, like the next two */
	const char *const *argv;
	const char *const *envp;
	const char *cwd;                /* NULL: stay */
	const struct plan_fd *fds;      /* stdio that is not inherited, and extra descriptors */
	size_t fd_count;
	int fd_floor;                   /* above every `to`; every descriptor of ours is at or above it */
	bool foreground;
	bool no_randomize_memory;
	bool no_huge_pages;
	const uint64_t *cores;          /* 16 words, or NULL */
	struct plan_limit limits[PLAN_LIMITS_MAX];
	size_t limit_count;
	uint64_t max_open_files;        /* UINT64_MAX: keep; set last, since setting up opens files */
	bool map_user;                  /* enter a user namespace with one id mapped */
	char uid_map[48];
	char gid_map[48];
	bool drop_caps;
	int ruleset;                    /* after STEP_GO; -1: none (confine without Landlock is refused earlier; tests only) */
	int fresh_ruleset;              /* of this child alone, for what it and the host add; -1: none */
	uint64_t own_proc_rights;       /* not 0: also grant /proc/self of the child with these Landlock rights */
	struct sock_fprog filter;
	bool supervised;                /* the filter gives a listener */
};

/* A cgroup of the sandbox's own: made by the host, entered by the child at its birth, removed by the reaper. */
struct plan_cgroup {
	char name[48];                  /* "": there is none */
	int home;                       /* the folder that it is in; both descriptors at or above fd_floor */
	int dir;
	bool memory;                    /* it holds the memory limit, so nothing has to be sampled */
};

/* What the reaper enforces by itself; UINT64_MAX where there is no limit. */
struct reaper_orders {
	uint64_t timeout_ns;
	uint64_t max_memory;            /* bytes of the whole tree */
	uint64_t max_cpu_percent;       /* of one core */
	uint64_t max_cpu_ns;            /* of the whole tree */
	struct plan_cgroup cgroup;
};

enum end_cause {
	END_NONE,
	END_BY_ITSELF,                  /* wait status says how */
	END_TIMEOUT,
	END_KILLED,                     /* by the host's order or its death */
	END_MEMORY,
	END_CPU_TIME,
};

/* The stage word: the child's futex, cleared by the kernel (CLONE_CHILD_CLEARTID) when it execs or dies. */
enum { STAGE_GONE = 0, STAGE_SETTING_UP = 1, STAGE_LISTENER = 2 };

/* The go word: another futex, on which the child waits for the host. */
enum { GO_WAIT = 0, GO_ON = 1, GO_NEVER = 2 };

/*
 * The child's files in /proc, granted one by one by child and reaper together: each takes the next that nobody has taken.
 * All but `dir` atomic.
 */
struct own_proc {
	int dir;                        /* descriptor of the child's /proc/self, in the table of both */
	int open;                       /* `dir` is valid */
	unsigned taken;
	unsigned done;                  /* futex */
	int failed;                     /* 0 or -errno, of any of them */
};

struct shared {
	int stage;                      /* futex; written by child and kernel, read by the reaper */
	int go;                         /* futex; written by the host, read by the child */
	int listener;                   /* the child's descriptor number, valid at STAGE_LISTENER */
	struct own_proc own_proc;
	int fault_step;                 /* enum child_step, valid when fault_errno is not 0 */
	int fault_errno;                /* positive */
	pid_t reaper_pid;
	pid_t child_pid;

	/* Written by the reaper, read by the host (relaxed atomics while it runs). */
	enum end_cause cause;
	int wait_status;                /* of the top process */
	uint64_t started_ns;            /* monotonic; the program was entered */
	uint64_t ended_ns;
	uint64_t cpu_ns;                /* user and system of everything reaped */
	uint64_t peak_memory;           /* bytes */
	uint64_t memory_kills;          /* tasks killed by the memory limit */
	int memory_victim;              /* pid of the last one; 0 when it was the kernel's choice and not the top process */
	char memory_victim_name[16];
};

struct reaper_start {
	const struct child_plan *plan;
	const struct reaper_orders *orders;
	struct shared *shared;
	void *child_stack;              /* lowest address */
	size_t child_stack_size;
	int control;                    /* our end of the seqpacket pair */
	int host;                       /* pidfd of the host, or -1 */
	pid_t *pids;                    /* scratch for tree walks */
	size_t pids_max;
};

/* Host to reaper. */
struct order {
	int kind;                       /* enum order_kind */
	int value;
};
enum order_kind { ORDER_KILL, ORDER_PAUSE, ORDER_RESUME, ORDER_SIGNAL };

/* Reaper to host. */
struct news {
	int kind;                       /* enum news_kind */
	int value;
};
enum news_kind {
	NEWS_LISTENER,                  /* carries the descriptor */
	NEWS_ENTERED,                   /* exec succeeded (or the child died of its own) */
	NEWS_FAULT,                     /* a step failed: see struct shared */
	NEWS_STOPPED,                   /* the top process was stopped from within */
	NEWS_CONTINUED,
};

/* What comes within microseconds is waited for with as many sched_yield(): to sleep and to be woken takes as long. */
#define PATIENT_TURNS 150

/* Entry points of the two tasks; they never return. */
void reaper_main(void *start) __attribute__((noreturn));
void child_main(void *start) __attribute__((noreturn));

/* Grants files of shared->own_proc until all are taken; an error is in `failed`. */
void own_proc_grant(const struct child_plan *plan, struct own_proc *own);
void own_proc_wait(struct own_proc *own);       /* until all that were taken are done */

/* Closes every descriptor but these; sorts them, and passes over -1. */
void task_close_all_but(int *keep, size_t count);

/* One message over a unix socket, with a descriptor unless fd is -1; no SIGPIPE. Bytes or -errno. */
long task_send(int sock, const void *data, size_t len, int fd);

#endif
