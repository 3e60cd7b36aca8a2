/*
 * The terminal that a person sits at: lent to the child's process group, taken back, its modes restored. It knows process
 * groups and terminal modes, nothing about sandboxes.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

struct terminal {
	bool jobs;              /* stdin, stdout and stderr are our controlling terminal: job control makes sense */
	bool lent;              /* the child's group was given the foreground */
	bool stopped;           /* `child` is known */
	struct termios modes;   /* as we found them when we had the foreground */
	struct termios child;   /* as the child left them when it lost the foreground */
};

/* Looks at the three streams. `force`: stdin alone decides. */
void terminal_open(struct terminal *t, bool force);

/* Is our own group in the foreground? */
bool terminal_is_ours(const struct terminal *t);

/* After a stop: the foreground and the modes go back to the child's group. */
void terminal_lend(struct terminal *t, pid_t group);

/* Takes the foreground back if the child's group or a dead one has it, and restores the modes. SIGTTOU is blocked. */
void terminal_take(struct terminal *t, pid_t group);

#endif
