/* From a policy and a launch to the child's plan: environment, descriptors, limits, ids. */
#include "run/launch.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "run/cgroup.h"

/* --- environment --- */

static int push_env(struct launch_plan *lp, const char *text)
{
	return VEC_PUSH(lp->envp, lp->env_cap, lp->env_len, (char *)(uintptr_t)text);
}

static size_t name_length(const char *text)
{
	return strcspn(text, "=");
}

/* Later settings of a name replace earlier ones. */
static int set_env(struct launch_plan *lp, const char *text)
{
	size_t len = name_length(text);

	for (size_t i = 0; i < lp->env_len; i++)
		if (name_length(lp->envp[i]) == len && memcmp(lp->envp[i], text, len) == 0) {
			lp->envp[i] = (char *)(uintptr_t)text;
			return 0;
		}
	return push_env(lp, text);
}

/* What --clean-env keeps: enough for programs to find programs, a home and a terminal. */
static bool survives_cleaning(const char *text)
{
	static const char *const kept[] = { "PATH", "HOME", "USER", "TERM", "LANG" };
	size_t len = name_length(text);

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (strlen(kept[i]) == len && memcmp(kept[i], text, len) == 0)
			return true;
	return false;
}

static int gpu_env(struct launch_plan *lp, const struct policy *p)
{
	static const char *const names[] = { "CUDA_VISIBLE_DEVICES=", "ROCR_VISIBLE_DEVICES=" };
	bool all = p->gpu_devices.len == 0 || strcmp(p->gpu_devices.at[0].text, "all") == 0;

	for (size_t n = 0; n < ARRAY_SIZE(names) && p->gpu_given && !all; n++) {
		AUTO(str) struct str s = STR(4096);

		str_add(&s, names[n]);
		for (size_t i = 0; i < p->gpu_devices.len; i++)
			str_addf(&s, "%s%s", i ? "," : "", p->gpu_devices.at[i].text);
		lp->made[n] = str_take(&s);
		if (!lp->made[n] || set_env(lp, lp->made[n]) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int build_env(struct launch_plan *lp, const struct policy *p, const char *const *host)
{
	int rc = 0;

	for (size_t i = 0; host && host[i] && rc == 0; i++)
		if (!p->clean_env || survives_cleaning(host[i]))
			rc = push_env(lp, host[i]);
	if (rc == 0)
		rc = gpu_env(lp, p);
	for (size_t i = 0; i < p->env.len && rc == 0; i++)
		rc = set_env(lp, p->env.at[i].text);
	return rc < 0 ? rc : push_env(lp, NULL);
}

/* --- descriptors --- */

static int open_pipe(struct launch_plan *lp, int stream)
{
	int pair[2];
	int rc = (int)SYS(SYS_pipe2, pair, O_CLOEXEC);

	if (rc < 0)
		return rc;
	lp->child_ends[stream] = pair[stream == 0 ? 0 : 1];
	lp->our_ends[stream] = pair[stream == 0 ? 1 : 0];
	rc = spawn_raise_fd(&lp->child_ends[stream], 3);
	return rc < 0 ? rc : spawn_raise_fd(&lp->our_ends[stream], 3);
}

static int open_stream(struct launch_plan *lp, const struct launch *launch, int stream)
{
	int from = launch->stdio[stream].fd;
	int rc = 0;

	switch (launch->stdio[stream].mode) {
	case STDIO_INHERIT:
		return 0;
	case STDIO_FD:
		break;
	case STDIO_NULL:
		lp->child_ends[stream] = sys_openat(AT_FDCWD, "/dev/null", (stream ? O_WRONLY : O_RDONLY) | O_CLOEXEC, 0);
		rc = lp->child_ends[stream] < 0 ? lp->child_ends[stream] : spawn_raise_fd(&lp->child_ends[stream], 3);
		from = lp->child_ends[stream];
		break;
	case STDIO_PIPE:
		rc = open_pipe(lp, stream);
		from = lp->child_ends[stream];
		break;
	}
	if (rc < 0)
		return rc;
	lp->fds[lp->plan.fd_count++] = (struct plan_fd){ .from = from, .to = stream };
	return 0;
}

static bool can_be_passed(const struct plan_fd *fd)
{
	struct rlimit limit = { .rlim_cur = INT_MAX };

	SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit);
	return fd->to >= 3 && (rlim_t)fd->to < limit.rlim_cur && fd->from >= 0 && SYS(SYS_fcntl, fd->from, F_GETFD) >= 0;
}

static int arrange_fds(struct launch_plan *lp, const struct launch *launch, struct error *err)
{
	lp->plan.fd_floor = 3;
	lp->plan.fds = lp->fds;
	for (int stream = 0; stream < 3; stream++) {
		int rc = open_stream(lp, launch, stream);
		if (rc < 0)
			return error_set(err, ERR_START, rc, "cannot open standard stream %d: %s", stream, error_text(rc));
	}
	if (launch->fd_count > LAUNCH_FDS - 3)
		return error_set(err, ERR_USAGE, -E2BIG, "at most %d extra descriptors can be passed", LAUNCH_FDS - 3);
	for (size_t i = 0; i < launch->fd_count; i++) {
		struct plan_fd fd = launch->fds[i];

		if (!can_be_passed(&fd))
			return error_set(err, ERR_USAGE, -EBADF,
					 "cannot pass descriptor %d as %d: the first must be open, the second 3 or more and "
					 "below the limit of open files", fd.from, fd.to);
		if (fd.to >= lp->plan.fd_floor)
			lp->plan.fd_floor = fd.to + 1;
		lp->fds[lp->plan.fd_count++] = fd;
	}
	return 0;
}

/* --- limits and ids --- */

static void add_limit(struct child_plan *plan, int resource, uint64_t value)
{
	if (value != NO_LIMIT)
		plan->limits[plan->limit_count++] = (struct plan_limit){ .resource = resource, .value = value };
}

static void set_limits(struct launch_plan *lp, const struct policy *p)
{
	const uint64_t second = 1000000000ULL;

	add_limit(&lp->plan, RLIMIT_FSIZE, p->max_file_size);
	add_limit(&lp->plan, RLIMIT_CORE, p->no_coredump ? 0 : NO_LIMIT);
	/* Per process, one second late: the wall behind the reaper's look at the whole tree. */
	add_limit(&lp->plan, RLIMIT_CPU, p->max_cpu_time == NO_LIMIT ? NO_LIMIT : p->max_cpu_time / second + 2);
	lp->plan.max_open_files = p->max_open_files;
	lp->orders = (struct reaper_orders){
		.timeout_ns = p->timeout,
		.max_memory = p->max_memory,
		.max_cpu_percent = p->max_cpu,
		.max_cpu_ns = p->max_cpu_time,
		.cgroup = { .home = -1, .dir = -1 },
	};
}

static void map_user(struct child_plan *plan, const struct policy *p)
{
	unsigned uid = (unsigned)SYS(SYS_geteuid);
	unsigned gid = (unsigned)SYS(SYS_getegid);

	if (p->uid == NO_ID || (p->uid == uid && p->gid == gid))
		return;
	plan->map_user = true;
	snprintf(plan->uid_map, sizeof plan->uid_map, "%u %u 1", p->uid, uid);
	snprintf(plan->gid_map, sizeof plan->gid_map, "%u %u 1", p->gid, gid);
}

/* An ordinary user has none, and saves the calls. */
static bool has_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	if (SYS(SYS_capget, &head, data) < 0)
		return true;
	for (size_t i = 0; i < 2; i++)
		if (data[i].permitted | data[i].inheritable)
			return true;
	return false;
}

/* --- the whole --- */

/*
 * The descriptor must be there when the tasks are cloned, its rules only when the child enters it. The policy's own ruleset
 * serves all that need nothing besides, where its number is out of the way of the child's descriptors.
 */
static int open_ruleset(struct launch_plan *lp, struct prepared *prepared, struct error *err)
{
	bool own_proc = prepared->grants.own_proc;
	int common = own_proc ? -1 : prepared_ruleset(prepared);
	int rc = landlock_create(&prepared->landlock, &lp->ruleset, err);

	if (rc < 0)
		return rc;
	rc = spawn_raise_fd(&lp->ruleset, lp->plan.fd_floor);
	if (rc < 0)
		return error_set(err, ERR_START, rc, "cannot move the ruleset: %s", error_text(rc));
	lp->plan.fresh_ruleset = lp->ruleset;
	lp->plan.ruleset = common >= lp->plan.fd_floor ? common : lp->ruleset;
	if (own_proc)
		lp->plan.own_proc_rights = landlock_rights(&prepared->landlock, ACCESS_READ, true);
	return 0;
}

static int fill_ruleset(struct launch_plan *lp, struct prepared *prepared, struct error *err)
{
	const struct grants *extra = &lp->program.extra;
	bool common = !prepared->grants.own_proc && extra->len == 0;

	if (common && lp->plan.ruleset != lp->ruleset)
		return 0;
	int rc = prepared_fill(prepared, extra, lp->ruleset, err);
	lp->plan.ruleset = lp->ruleset;
	if (rc == 0 && common)
		prepared_keep_ruleset(prepared, lp->ruleset);
	return rc;
}

static void fill_plan(struct launch_plan *lp, const struct prepared *prepared, const struct launch *launch)
{
	const struct policy *p = prepared->policy;
	struct child_plan *plan = &lp->plan;

	plan->argv = launch->argv;
	plan->cwd = launch->cwd ? launch->cwd : p->cwd;
	plan->foreground = launch->foreground;
	plan->no_randomize_memory = p->no_randomize_memory;
	plan->no_huge_pages = p->no_huge_pages;
	plan->cores = p->cores_given ? p->cores : NULL;
	plan->filter = (struct sock_fprog){ .len = (unsigned short)prepared->filter.len, .filter = prepared->filter.code };
	plan->supervised = prepared->supervised;
	set_limits(lp, p);
	map_user(plan, p);
	plan->drop_caps = !p->keep_caps && (plan->map_user || has_capabilities());
}

/* One that cannot be made is done without. */
static void make_cgroup(struct launch_plan *lp, const struct prepared *prepared)
{
	const struct policy *p = prepared->policy;
	const struct cgroup_limits limits = { .memory = p->max_memory, .tasks = p->max_threads };

	if (prepared->cgroup >= 0)
		lp->cgroup_is_ours = cgroup_make(prepared->cgroup, &limits, lp->plan.fd_floor, &lp->orders.cgroup) == 0;
}

int launch_begin(struct launch_plan *lp, struct prepared *prepared, const struct launch *launch, struct error *err)
{
	memset(lp, 0, sizeof *lp);
	lp->ruleset = -1;
	lp->program.cwd_fd = -1;
	lp->orders.cgroup.home = lp->orders.cgroup.dir = -1;
	for (int i = 0; i < 3; i++)
		lp->child_ends[i] = lp->our_ends[i] = -1;

	int rc = arrange_fds(lp, launch, err);
	if (rc == 0)
		rc = open_ruleset(lp, prepared, err);
	if (rc == 0) {
		fill_plan(lp, prepared, launch);
		make_cgroup(lp, prepared);
	}
	return rc;
}

int launch_complete(struct launch_plan *lp, struct prepared *prepared, const struct launch *launch, struct error *err)
{
	const struct policy *p = prepared->policy;
	int rc = build_env(lp, p, launch->envp);

	if (rc < 0)
		return error_set(err, ERR_MEMORY, rc, "not enough memory for the environment");
	rc = resolve_program(p, &prepared->grants, launch->argv[0], (const char *const *)lp->envp, lp->plan.cwd,
			     &lp->program, err);
	if (rc < 0)
		return rc;
	lp->plan.path = lp->program.path;
	lp->plan.envp = (const char *const *)lp->envp;
	return fill_ruleset(lp, prepared, err);
}

void launch_fini(struct launch_plan *lp)
{
	for (int i = 0; i < 3; i++) {
		fd_close(&lp->child_ends[i]);
		fd_close(&lp->our_ends[i]);
	}
	fd_close(&lp->ruleset);
	cgroup_fini(&lp->orders.cgroup, lp->cgroup_is_ours);
	program_fini(&lp->program);
	mem_free(lp->envp);
	for (size_t i = 0; i < ARRAY_SIZE(lp->made); i++)
		mem_free(lp->made[i]);
}
