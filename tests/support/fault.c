/* The fault walk: fail the n-th raw system call or allocation of a piece of code. */
#include "fault.h"

#include <dirent.h>
#include <errno.h>

#include "base/mem.h"
#include "base/sys.h"

static _Thread_local int countdown = -1;
static _Thread_local bool fired;

static bool hit(void)
{
	if (countdown < 0)
		return false;
	if (countdown-- > 0)
		return false;
	fired = true;
	return true;
}

bool mem_fault(void)
{
	return hit();
}

static bool seam(long nr, const long *args, long *result)
{
	(void)args;
	if (nr == SYS_close || !hit())
		return false;
	*result = -ENOMEM;
	return true;
}

void fault_arm(int n)
{
	fired = false;
	countdown = n;
	sys_seam = seam;
}

void fault_disarm(void)
{
	countdown = -1;
	sys_seam = NULL;
}

bool fault_fired(void)
{
	bool was = fired;

	fault_disarm();
	fired = false;
	return was;
}

int fault_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}
