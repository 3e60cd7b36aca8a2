/* The life of one sandbox: assembled from a prepared policy and a launch, started, watched, ended, read. */
#ifndef RUN_SANDBOX_H
#define RUN_SANDBOX_H

#include <stdatomic.h>

#include "base/err.h"
#include "confine/spawn.h"
#include "confine/island.h"
#include "run/hosts.h"
#include "run/prepare.h"
#include "policy/portmap.h"
#include "run/status.h"
#include "supervisor/notify.h"

enum stdio_mode { STDIO_INHERIT, STDIO_NULL, STDIO_PIPE, STDIO_FD };

/* What to start; everything is lent for the call. */
struct launch {
	const char *const *argv;
	const char *const *envp;
	struct {
		enum stdio_mode mode;
		int fd;
	} stdio[3];
	const struct plan_fd *fds;      /* extra descriptors, targets 3 and up */
	size_t fd_count;
	bool foreground;
	const char *cwd;                /* NULL: the policy's */
	port_event *on_port;            /* NULL, or called for every port that is bound, on threads of the supervisor */
	void *on_port_arg;
};

enum event { EVENT_NONE, EVENT_ENDED, EVENT_STOPPED, EVENT_CONTINUED };

struct sandbox {
	struct prepared *prepared;
	struct grants grants;           /* all of them, without descriptors: for features and the report */
	struct portmap *ports;          /* NULL where binds are not seen */
	struct hosts hosts;             /* what the virtual files say */
	struct names *names;            /* NULL: no addresses are judged */
	struct openings *openings;      /* NULL: no rule names a host */
	struct island_home island;      /* where the resolver listens */
	struct spawn spawn;
	struct supervisor supervisor;
	bool supervisor_made;
	struct report report;
	char *program;                  /* canonical, or NULL */
	struct str limit;               /* the limit that ended it, as a flag; made when first asked for */
	int pipes[3];                   /* our ends, -1 where there is none */
	pid_t pid;
	atomic_bool ended;
	atomic_bool kill_asked;
	struct shared result;           /* valid once ended */
};

/* Starts; returns when the program is entered. 0 or -errno with a sentence. */
int sandbox_spawn(struct prepared *prepared, const struct launch *launch, struct sandbox **out, struct error *err);

/* Kills what runs, waits, frees. */
void sandbox_free(struct sandbox *box);

/* Waits for the end of the tree, at most timeout_ms (-1: for ever). 0 or -ETIMEDOUT. */
int sandbox_wait(struct sandbox *box, int timeout_ms);

/* The descriptor to poll for reading, and what happened; never blocks. */
int sandbox_fd(const struct sandbox *box);
enum event sandbox_next_event(struct sandbox *box);

int sandbox_order(struct sandbox *box, enum order_kind kind, int value);   /* -ESRCH when it has ended */
int sandbox_take_pipe(struct sandbox *box, int stream);                    /* -EBADF */

/* A snapshot for status.c; `limits` has room for SANDBOX_LIMITS. Lent until the sandbox changes; holds the report's
 * lock until sandbox_view_done(). */
#define SANDBOX_LIMITS 8
void sandbox_view(struct sandbox *box, struct status_view *out, struct status_limit limits[SANDBOX_LIMITS]);
void sandbox_view_done(struct sandbox *box);

#endif
