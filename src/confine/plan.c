/* The names of the child's steps, for the sentence that a failure becomes. */
#include "confine/plan.h"

#include <assert.h>

#include "base/mem.h"

const char *const child_step_names[STEP_MAX] = {
	[STEP_GROUP] = "make a process group",
	[STEP_PARENT] = "tie the program to its reaper",
	[STEP_DESCRIPTORS] = "arrange the descriptors",
	[STEP_OPEN_PROC] = "open its own /proc entry",
	[STEP_PERSONALITY] = "turn address randomisation off",
	[STEP_AFFINITY] = "pin the program to --cpu-cores, of which it may use none",
	[STEP_HUGE_PAGES] = "turn huge pages off",
	[STEP_LIMITS] = "set a resource limit",
	[STEP_USER] = "enter a user namespace",
	[STEP_DIRECTORY] = "enter the working directory",
	[STEP_CAPABILITIES] = "drop the capabilities",
	[STEP_NO_NEW_PRIVS] = "set no_new_privs",
	[STEP_OWN_PROC] = "grant the program its own /proc entry",
	[STEP_GO] = "wait for what the program needs",
	[STEP_LANDLOCK] = "enter the Landlock domain",
	[STEP_OPEN_FILES] = "limit the open files",
	[STEP_FILTER] = "install the system call filter",
	[STEP_SIGNALS] = "reset the signals",
	[STEP_EXEC] = "execute the program",
};
