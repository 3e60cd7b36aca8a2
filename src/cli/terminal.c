/* The terminal that a person sits at: lent to the child's process group, taken back, its modes restored. */
#include "cli/terminal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"

/* Do the three streams lead to one terminal? */
static bool is_one_terminal(void)
{
	struct stat first = { 0 };

	for (int fd = 0; fd < 3; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode))
			return false;
		if (fd == 0)
			first = st;
		if (st.st_rdev != first.st_rdev)
			return false;
	}
	return true;
}

/* Modes that were read while a shell in the foreground edits its own line say nothing: they are not ours to restore. */
void terminal_open(struct terminal *t, bool force)
{
	memset(t, 0, sizeof *t);
	if (!force && !is_one_terminal())
		return;
	/* tcgetpgrp fails where the terminal is not the one that controls us. */
	pid_t owner = tcgetpgrp(STDIN_FILENO);

	t->jobs = owner >= 0;
	if (owner == getpgrp())
		tcgetattr(STDIN_FILENO, &t->modes);
}

bool terminal_is_ours(const struct terminal *t)
{
	return t->jobs && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

void terminal_lend(struct terminal *t, pid_t group)
{
	if (!t->jobs || group <= 0)
		return;
	/* The modes that the shell has set for its foreground job: at the start in the background they were its own. */
	tcgetattr(STDIN_FILENO, &t->modes);
	if (t->stopped)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &t->child);
	t->lent = tcsetpgrp(STDIN_FILENO, group) == 0;
}

/* A shell inside may have given the terminal to a group of its own, which is dead with the rest of the tree. */
static bool may_take(pid_t owner, pid_t group)
{
	return owner == group || (owner > 0 && sys_kill(-owner, 0) == -ESRCH);
}

void terminal_take(struct terminal *t, pid_t group)
{
	if (!t->lent)
		return;
	t->lent = false;
	pid_t owner = tcgetpgrp(STDIN_FILENO);

	if (owner != getpgrp()) {
		if (!may_take(owner, group))
			return;
		tcsetpgrp(STDIN_FILENO, getpgrp());
	}
	t->stopped = tcgetattr(STDIN_FILENO, &t->child) == 0;
	if (memcmp(&t->child, &t->modes, sizeof t->modes) != 0)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &t->modes);
}
