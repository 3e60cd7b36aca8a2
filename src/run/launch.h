/* From a policy and a launch to the child's plan: environment, descriptors, limits, ids. It owns what the plan lends. */
#ifndef RUN_LAUNCH_H
#define RUN_LAUNCH_H

#include "run/resolve.h"
#include "run/sandbox.h"

#define LAUNCH_FDS PLAN_FDS_MAX

struct launch_plan {
	struct child_plan plan;
	struct reaper_orders orders;
	struct program program;
	char **envp;                    /* the array; strings are lent by host and policy, or in `made` */
	size_t env_len;
	size_t env_cap;
	char *made[4];                  /* strings that are ours */
	struct plan_fd fds[LAUNCH_FDS];
	int child_ends[3];              /* descriptors that the child gets and we close; -1 */
	int our_ends[3];
	int ruleset;
	bool cgroup_is_ours;            /* no reaper has been started that removes it */
};

/*
 * In two parts, so that the tasks start while the program is looked for: what spawn_start() needs, and what spawn_go()
 * does. On failure of either the caller still calls launch_fini.
 */
int launch_begin(struct launch_plan *lp, struct prepared *prepared, const struct launch *launch, struct error *err);
int launch_complete(struct launch_plan *lp, struct prepared *prepared, const struct launch *launch, struct error *err);
void launch_fini(struct launch_plan *lp);

#endif
