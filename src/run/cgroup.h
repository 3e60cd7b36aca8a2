/*
 * A cgroup for each sandbox, where the host may make one: then the kernel holds the memory limit instead of a sampler.
 *
 * Nothing here is an error for a user. Where no folder of the cgroup v2 tree is ours, or any step fails, the sandbox starts
 * without, and the reaper's sampler and the tree walk do what they do anyway.
 */
#ifndef RUN_CGROUP_H
#define RUN_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "confine/plan.h"
#include "policy/grants.h"

enum cgroup_controller { CGROUP_MEMORY = 1, CGROUP_PIDS = 2 };

/*
 * Below this the sampler does it: until exec the child runs in the host's memory, and an OOM kill of a process takes everybody
 * who shares its memory along. What setting up is charged for is far below this.
 */
#define CGROUP_MEMORY_LEAST (32ULL << 20)

/* Limits of one sandbox, UINT64_MAX for none. */
struct cgroup_limits {
	uint64_t memory;        /* bytes of everybody, never swapped */
	uint64_t tasks;         /* threads and processes, zombies too */
};

/* The controllers that these limits need; 0: no cgroup is wanted, and looking for one would be wasted. */
unsigned cgroup_controllers(const struct cgroup_limits *limits);

/* The folder for the cgroups of our sandboxes: the nearest one, from this process's own upwards, that we may write and whose
 * children have the controllers. A descriptor and its path, or -ENOENT, or -errno. */
int cgroup_home(unsigned controllers, struct str *path);

/* The parts of it: the place of this process out of a /proc/PID/cgroup, and the search from there below a mount point. With
 * `enable`, controllers are switched on where that is ours to do: in the root of the whole tree. */
int cgroup_own(const char *file, struct str *own);
int cgroup_search(const char *mount, const char *own, unsigned controllers, bool enable, struct str *path);

/* Can a program with these grants write to any cgroup? Then it could leave its own, so none is used. `mountinfo` is
 * /proc/self/mountinfo; what cannot be known counts as yes. */
bool cgroup_is_in_reach(const struct grants *grants, const char *mountinfo);

/* Removes cgroups that hosts left behind which are dead. */
void cgroup_sweep(int home);

/* Makes one with its limits; both descriptors of *out are at or above `floor` and the caller's. 0 or -errno. */
int cgroup_make(int home, const struct cgroup_limits *limits, int floor, struct plan_cgroup *out);

/* Closes the descriptors; with `remove` the cgroup goes too: no reaper was started that would do it. */
void cgroup_fini(struct plan_cgroup *cgroup, bool remove);

/* For the probe: 1 when the kernel would hold a memory limit here, else 0; -errno when that cannot be found out. */
int cgroup_level(void);

#endif
