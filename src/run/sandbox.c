/* The life of one sandbox: assembled from a prepared policy and a launch, started, watched, ended, read. */
#include "run/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sys.h"
#include "features/resolver.h"
#include "policy/values.h"
#include "run/aftermath.h"
#include "run/launch.h"

/* --- start --- */

/* Only where the rules name hosts or addresses: other starts look nothing up. */
static int find_names(struct sandbox *box, struct error *err)
{
	const struct policy *p = box->prepared->policy;
	int rc = prepared_names(box->prepared, &box->names, err);

	if (rc < 0 || !(policy_has_names(p) || policy_has_suffixes(p)))
		return rc;
	box->openings = openings_new();
	return box->openings ? 0 : error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the names that may be reached");
}

/* Only where binds are seen. */
static int list_ports(struct sandbox *box, const struct launch *launch, struct error *err)
{
	if (!policy_judges_binds(box->prepared->policy))
		return 0;
	box->ports = portmap_new(launch->on_port, launch->on_port_arg);
	return box->ports ? 0 : error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the list of ports");
}

/* A refusal that no call stands for: the resolver cannot know who asked. */
static void refuse_question(void *sink, const struct refusal *refusal)
{
	struct sandbox *box = sink;

	report_add(&box->report, 0, "a program", refusal);
}

/*
 * What rules with names need. Plain names do without a resolver of our own where the system has no namespace for it:
 * /etc/hosts has their addresses. What "*.example.com" stands for only the resolver can find out.
 */
static int make_island(struct sandbox *box, const struct launch_plan *lp, struct error *err)
{
	const struct policy *p = box->prepared->policy;

	if (!resolver_wanted(p))
		return 0;
	bool needed = p->net_facts.typed_suffixes;
	int rc = island_start(&box->island, lp->plan.fd_floor, needed ? err : NULL);
	if (rc < 0 && needed)
		return error_add(err, rc, "cannot start the resolver that rules such as *.example.com need");
	if (rc < 0 && policy_has_suffixes(p))
		prepared_warn(box->prepared, "a network preset is without its rules such as *.example.com: the resolver that "
			      "they need wants user namespaces, which this system refuses");
	if (rc < 0)
		return 0;
	box->supervisor.island = &box->island.island;
	return 0;
}

static int make_supervisor(struct sandbox *box, const struct launch_plan *lp, const struct launch *launch,
			   struct error *err)
{
	struct prepared *prepared = box->prepared;
	const struct policy *p = prepared->policy;
	struct supervisor *s = &box->supervisor;
	int rc = supervisor_init(s, &box->report);

	if (rc < 0)
		return error_set(err, ERR_START, rc, "cannot make the supervisor: %s", error_text(rc));
	box->supervisor_made = true;
	/* With an id mapped, what the child keeps are capabilities of its own namespace only. */
	s->drop_caps = lp->plan.drop_caps || lp->plan.map_user;
	s->ids = (struct id_map){
		.active = lp->plan.map_user,
		.inside_uid = p->uid,
		.inside_gid = p->gid,
		.outside_uid = (uid_t)SYS(SYS_geteuid),
		.outside_gid = (gid_t)SYS(SYS_getegid),
	};
	s->dispatch = prepared->dispatch;
	rc = find_names(box, err);
	if (rc == 0)
		rc = make_island(box, lp, err);
	if (rc == 0)
		rc = list_ports(box, launch, err);
	if (rc < 0)
		return rc;
	hosts_init(&box->hosts, p, box->names ? box->names->pins : NULL, box->names ? box->names->count : 0);
	box->hosts.openings = p->dns_refresh ? box->openings : NULL;
	const struct feature_env env = {
		.policy = p,
		.vfiles = box->hosts.file,
		.vfile_count = ARRAY_SIZE(box->hosts.file),
		.virtuals = &prepared->virtuals,
		.sockets = &prepared->sockets,
		.grants = &box->grants,
		.rules = prepared->rules,
		.net = box->names ? box->names->match : NULL,
		.openings = box->openings,
		.ports = box->ports,
		.program_name = launch->argv[0],
		.pins = box->names ? box->names->pins : NULL,
		.pin_count = box->names ? box->names->count : 0,
		.island = s->island,
		.refuse = refuse_question,
		.sink = box,
		.signals_scoped = prepared->landlock.state[PROTECT_SIGNAL_SCOPE] == PROTECTION_ACTIVE,
	};
	return dispatch_start(&s->dispatch, &env, err);
}

/* Answers the listener from the moment that it exists: the rest of the way to exec may be trapped. */
static int enter(struct sandbox *box, enum child_step *step, struct error *err)
{
	int rc = spawn_entered(&box->spawn, step);

	if (rc != 1)
		return rc;
	rc = supervisor_start_take(&box->supervisor, take_fd(&box->spawn.listener), box->spawn.shared->reaper_pid);
	if (rc < 0)
		return error_set(err, ERR_START, rc, "cannot start the supervisor's thread: %s", error_text(rc));
	return spawn_entered(&box->spawn, step);
}

static const char *hint_for(enum child_step step, int rc)
{
	if (step == STEP_USER && (rc == -EPERM || rc == -EACCES || rc == -ENOSPC))
		return "; --user needs user namespaces, which this system refuses (see kernel.apparmor_restrict_"
		       "unprivileged_userns and user.max_user_namespaces)";
	if (step == STEP_FILTER && rc == -EBUSY)
		return "; an outer sandbox is supervising already: start this one with --no-supervisor";
	if (step == STEP_LANDLOCK && rc == -E2BIG)
		return "; sixteen Landlock layers are stacked already: run it with fewer sandboxes inside one another";
	if (step == STEP_FILTER && (rc == -EINVAL || rc == -ENOSYS))
		return "; the kernel or a container refuses seccomp filters with notifications: see sandlock check, or use "
		       "--no-supervisor";
	return "";
}

static int explain_failure(struct sandbox *box, const struct launch_plan *lp, enum child_step step, int rc,
			   struct error *err)
{
	const char *cwd = lp->plan.cwd;

	if (err && err->kind != ERR_NONE)
		return rc;
	if (step == STEP_EXEC)
		return explain_exec(&box->prepared->grants, &lp->program.extra, lp->program.path, lp->program.cwd_fd, -rc,
				    err);
	if (step == STEP_DIRECTORY && cwd)
		return error_set(err, ERR_POLICY, rc, "--cwd: cannot enter '%s': %s", cwd, error_text(rc));
	if (step >= STEP_MAX)
		return error_set(err, ERR_START, rc, "cannot start the program's process: %s", error_text(rc));
	return error_set(err, ERR_START, rc, "cannot %s: %s%s", child_step_names[step], error_text(rc),
			 hint_for(step, rc));
}

/* For the report at the end; nothing depends on it. */
static char *canonical_program(const struct program *program)
{
	char path[PATH_SIZE];

	if (program->path[0] == '/')
		return mem_strdup(program->path);
	if (path_canonical(program->cwd_fd >= 0 ? program->cwd_fd : AT_FDCWD, program->path, path) < 0)
		return NULL;
	return mem_strdup(path);
}

/* What the child need not wait for while it sets itself up. */
static int complete(struct sandbox *box, struct launch_plan *lp, const struct launch *launch, struct error *err)
{
	int rc = launch_complete(lp, box->prepared, launch, err);

	if (rc < 0)
		return rc;
	rc = grants_joined(&box->prepared->grants, &lp->program.extra, &box->grants);
	if (rc < 0)
		return error_set(err, ERR_MEMORY, rc, "not enough memory for the grants");
	return box->prepared->supervised ? make_supervisor(box, lp, launch, err) : 0;
}

static int start(struct sandbox *box, struct launch_plan *lp, const struct launch *launch, struct error *err)
{
	enum child_step step = STEP_MAX;
	int rc = launch_begin(lp, box->prepared, launch, err);

	if (rc == 0)
		rc = spawn_start(&lp->plan, &lp->orders, atomic_exchange(&box->prepared->task_memory, NULL), &box->spawn,
				 err);
	if (rc < 0)
		return rc;
	lp->cgroup_is_ours = false;
	rc = complete(box, lp, launch, err);
	if (rc < 0)
		return rc;
	rc = spawn_go(&box->spawn);
	if (rc == 0)
		rc = enter(box, &step, err);
	if (rc < 0)
		return explain_failure(box, lp, step, rc, err);
	box->pid = box->spawn.shared->child_pid;
	box->program = canonical_program(&lp->program);
	for (int i = 0; i < 3; i++)
		box->pipes[i] = take_fd(&lp->our_ends[i]);
	return 0;
}

int sandbox_spawn(struct prepared *prepared, const struct launch *launch, struct sandbox **out, struct error *err)
{
	struct launch_plan lp;
	struct sandbox *box = mem_alloc(sizeof *box);

	if (!box || report_init(&box->report) < 0) {
		mem_free(box);
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for a sandbox");
	}
	box->prepared = prepared_ref(prepared);
	box->spawn = (struct spawn)SPAWN_NONE;
	box->island = (struct island_home)ISLAND_NONE;
	box->limit = (struct str)STR(100);
	for (int i = 0; i < 3; i++)
		box->pipes[i] = -1;

	int rc = start(box, &lp, launch, err);
	if (rc < 0)
		sandbox_free(box);      /* before the plan goes: the child may still be reading it */
	launch_fini(&lp);
	if (rc == 0)
		*out = box;
	return rc;
}

/* --- life --- */

int sandbox_fd(const struct sandbox *box)
{
	return box->spawn.control;
}

/* The reaper is gone, and with it the tree: keep what it wrote. */
static void note_end(struct sandbox *box)
{
	if (atomic_load(&box->ended))
		return;
	spawn_reap(&box->spawn);
	box->result = *box->spawn.shared;
	if (box->supervisor_made)
		supervisor_stop(&box->supervisor);
	island_end(&box->island);
	aftermath_report(&(struct aftermath){
		.policy = box->prepared->policy,
		.grants = &box->grants,
		.result = &box->result,
		.program = box->program,
		.report = &box->report,
	});
	atomic_store(&box->ended, true);
}

enum event sandbox_next_event(struct sandbox *box)
{
	struct news news;

	if (atomic_load(&box->ended))
		return EVENT_ENDED;
	for (;;) {
		int rc = spawn_news(&box->spawn, &news);

		if (rc == 0)
			return EVENT_NONE;
		if (rc < 0) {
			note_end(box);
			return EVENT_ENDED;
		}
		if (news.kind == NEWS_STOPPED)
			return EVENT_STOPPED;
		if (news.kind == NEWS_CONTINUED)
			return EVENT_CONTINUED;
	}
}

/* poll() on one descriptor until a moment of the monotonic clock; the events of job control are passed over. */
int sandbox_wait(struct sandbox *box, int timeout_ms)
{
	uint64_t until = timeout_ms < 0 ? UINT64_MAX : sys_now() + (uint64_t)timeout_ms * 1000000ULL;
	enum event event;

	while ((event = sandbox_next_event(box)) != EVENT_ENDED) {
		if (event != EVENT_NONE)
			continue;
		uint64_t now = sys_now();
		if (now >= until)
			return -ETIMEDOUT;
		const struct timespec rest = {
			.tv_sec = (time_t)((until - now) / 1000000000ULL),
			.tv_nsec = (long)((until - now) % 1000000000ULL),
		};
		struct pollfd poll = { .fd = box->spawn.control, .events = POLLIN };
		SYS(SYS_ppoll, &poll, 1, until == UINT64_MAX ? NULL : &rest, 0, 8);
	}
	return 0;
}

int sandbox_order(struct sandbox *box, enum order_kind kind, int value)
{
	if (atomic_load(&box->ended))
		return -ESRCH;
	if (kind == ORDER_KILL)
		atomic_store(&box->kill_asked, true);
	return spawn_order(&box->spawn, kind, value);
}

int sandbox_take_pipe(struct sandbox *box, int stream)
{
	if (stream < 0 || stream > 2 || box->pipes[stream] < 0)
		return -EBADF;
	return take_fd(&box->pipes[stream]);
}

void sandbox_free(struct sandbox *box)
{
	if (!box)
		return;
	/* The tree first: a supervisor that stopped answering would make its calls fail with ENOSYS on the way. */
	void *memory = spawn_fini_keep(&box->spawn);
	spawn_memory_free(atomic_exchange(&box->prepared->task_memory, memory));
	if (box->supervisor_made)
		supervisor_fini(&box->supervisor);
	island_end(&box->island);
	for (int i = 0; i < 3; i++)
		fd_close(&box->pipes[i]);
	names_unref(box->names);
	openings_free(box->openings);
	portmap_free(box->ports);
	grants_fini(&box->grants);
	mem_free(box->program);
	str_fini(&box->limit);
	report_fini(&box->report);
	prepared_unref(box->prepared);
	mem_free(box);
}

/* --- reading --- */

static enum status_kind kind_of(const struct shared *result, bool kill_asked)
{
	switch (result->cause) {
	case END_BY_ITSELF:
		return (result->wait_status & 0x7f) ? STATUS_SIGNALED : STATUS_EXITED;
	case END_TIMEOUT:
		return STATUS_TIMED_OUT;
	case END_KILLED:
		return STATUS_KILLED;
	case END_MEMORY:
	case END_CPU_TIME:
		return STATUS_LIMIT;
	case END_NONE:
		break;
	}
	return kill_asked ? STATUS_KILLED : STATUS_LOST;
}

static size_t list_limits(const struct policy *p, struct status_limit *out)
{
	const struct status_limit all[] = {
		{ "memory", p->max_memory },       { "processes", p->max_processes },
		{ "threads", p->max_threads },     { "open_files", p->max_open_files },
		{ "cpu", p->max_cpu },             { "cpu_time_ns", p->max_cpu_time },
		{ "timeout_ns", p->timeout },      { "file_size", p->max_file_size },
	};
	size_t n = 0;

	_Static_assert(ARRAY_SIZE(all) <= SANDBOX_LIMITS, "room for every limit");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].value != NO_LIMIT)
			out[n++] = all[i];
	return n;
}

/* The limit that ended the program, as a flag. A reaper cannot be asked any more, so it is read off the result. */
static const char *ending_limit(const struct shared *result, const struct policy *p, struct str *out)
{
	int signal = result->wait_status & 0x7f;

	if (result->cause == END_MEMORY) {
		str_add(out, "--max-memory ");
		value_print_size(p->max_memory, out);
	} else if (result->cause == END_CPU_TIME || (signal == SIGXCPU && p->max_cpu_time != NO_LIMIT)) {
		str_add(out, "--max-cpu-time ");
		value_print_duration(p->max_cpu_time, out);
	}
	return out->rc == 0 && out->len ? out->buf : NULL;
}

void sandbox_view(struct sandbox *box, struct status_view *out, struct status_limit limits[SANDBOX_LIMITS])
{
	const struct policy *p = box->prepared->policy;
	bool ended = atomic_load(&box->ended);
	const struct shared *now = ended ? &box->result : box->spawn.shared;
	struct report *report = &box->report;

	*out = (struct status_view){
		.kind = ended ? kind_of(&box->result, atomic_load(&box->kill_asked)) : STATUS_RUNNING,
		.name = p->name,
		.wall_ns = (ended && now->ended_ns ? now->ended_ns : sys_now()) - now->started_ns,
		.cpu_ns = now->cpu_ns,
		.peak_memory = now->peak_memory,
		.limits = limits,
		.limit_count = list_limits(p, limits),
		.supervised = box->supervisor_made,
		.explained = p->explain,
		.ports = box->ports,
	};
	if (ended) {
		out->code = out->kind == STATUS_EXITED ? (now->wait_status >> 8) & 0xff : -1;
		out->signal = out->kind == STATUS_EXITED ? 0 : now->wait_status & 0x7f;
		out->limit = box->limit.len ? box->limit.buf : ending_limit(now, p, &box->limit);
	}
	if (box->supervisor_made)
		out->notifications = atomic_load(&box->supervisor.answered);
	pthread_mutex_lock(&report->lock);
	out->refusals = report->total;
	out->dropped = report->dropped;
	out->entries = report->at;
	out->entry_count = report->len;
}

void sandbox_view_done(struct sandbox *box)
{
	pthread_mutex_unlock(&box->report.lock);
}
