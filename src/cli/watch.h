/* Stays with a running sandbox to its end: forwards signals, follows job control. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include <sandlock/sandlock.h>
#include <signal.h>
#include <stdbool.h>

#include "cli/terminal.h"

struct watch {
	int signals;            /* signalfd */
	bool forwarded;         /* an ending signal was passed on: the user knows why it ended */
	struct terminal terminal;
};

/* Before the start: blocks what is forwarded, unless it was ignored when we started (nohup), and looks at the terminal.
 * 0 or -errno. */
int watch_open(struct watch *w, bool interactive);
void watch_close(struct watch *w);

/* Should the child's group start in the foreground? */
bool watch_lends_terminal(struct watch *w);

/* Until the whole tree has ended; the terminal is ours again then. */
void watch_run(struct watch *w, sandlock_sandbox *box);

#endif
