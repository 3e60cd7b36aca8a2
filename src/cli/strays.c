/* When somebody kills the reaper from outside, its tree comes to us: the command is the sub-reaper behind it. */
#include "cli/strays.h"

#include <linux/prctl.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/proctree.h"
#include "base/sys.h"

#define STRAYS_MAX 4096         /* a round; there are as many rounds as it takes */

void strays_adopt(void)
{
	sys_prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

void strays_kill(void)
{
	const struct timespec breath = { .tv_nsec = 1000000 };
	AUTO(free) pid_t *pids = mem_array(STRAYS_MAX, sizeof *pids);
	struct proctree tree = { .pids = pids, .max = STRAYS_MAX };
	pid_t self = (pid_t)SYS(SYS_getpid);

	/* Every process below us belongs to the box: the command starts nothing else. */
	while (pids && proctree_walk(&tree, self) == 0 && tree.len > 0) {
		for (size_t i = 0; i < tree.len; i++)
			sys_kill(tree.pids[i], SIGKILL);
		SYS(SYS_nanosleep, &breath, 0);
		while (SYS(SYS_wait4, -1, 0, WNOHANG | __WALL, 0) > 0)
			;
	}
}
