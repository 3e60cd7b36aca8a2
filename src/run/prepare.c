/* A frozen policy made ready to start programs: grants pinned, rules and filter built. */
#include "run/prepare.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sys.h"
#include "confine/spawn.h"
#include "features/registry.h"
#include "policy/netexplain.h"
#include "run/cgroup.h"
#include "run/resolve.h"
#include "run/sockets.h"
#include "run/virtual.h"

static int build_filter(struct prepared *p, struct error *err)
{
	AUTO(free) struct trap *traps = NULL;
	size_t count = 0;
	int rc = 0;

	p->supervised = !p->policy->no_supervisor;
	if (p->supervised) {
		rc = dispatch_init(&p->dispatch, feature_registry, feature_count, p->policy);
		if (rc == 0)
			rc = dispatch_traps(&p->dispatch, &traps, &count);
	}
	if (rc < 0)
		return error_set(err, rc == -ENOMEM ? ERR_MEMORY : ERR_START, rc,
				 "cannot arrange the supervisor's handlers: %s", error_text(rc));
	rc = sysrules_build(p->policy, ARCH_NATIVE, traps, count, &p->rules, err);
	return rc < 0 ? rc : filter_build(p->rules, &p->filter, err);
}

/* No error: without it the reaper samples. */
static void find_cgroup(struct prepared *p)
{
	const struct cgroup_limits limits = { .memory = p->policy->max_memory, .tasks = p->policy->max_threads };
	AUTO(str) struct str path = STR(2 * PATH_SIZE);
	unsigned controllers = cgroup_controllers(&limits);

	if (!controllers || !p->landlock.handled_fs)
		return;
	AUTO(fd) int home = cgroup_home(controllers, &path);
	if (home < 0 || cgroup_is_in_reach(&p->grants, "/proc/self/mountinfo"))
		return;
	cgroup_sweep(home);
	p->cgroup = take_fd(&home);
}

/* A sentence that was told is not told again. */
static void push_warning(struct prepared *p, const char *sentence)
{
	bool known = false;

	for (size_t i = 0; i < p->warnings.len && !known; i++)
		known = strcmp(p->warnings.at[i].text, sentence) == 0;
	if (!known)
		words_push(&p->warnings, view_of(sentence), "");
}

static void warn_of_socket(const char *path, const char *what, const char *granted_by, void *arg)
{
	struct prepared *p = arg;
	AUTO(str) struct str sentence = STR(2 * PATH_SIZE);

	str_addf(&sentence, "%s reaches ", granted_by);
	str_add_quoted(&sentence, path, strlen(path));
	str_addf(&sentence, ": %s", what);
	if (sentence.rc == 0)
		push_warning(p, sentence.buf);
}

static int find_sockets(struct prepared *p, struct error *err)
{
	int rc = policy_reaches_unix(p->policy) ? resolve_sockets(p->policy, &p->sockets, err) : 0;

	if (rc == 0 && (p->sockets.len || p->sockets.by_write))
		control_sockets(&p->sockets, &p->grants, warn_of_socket, p);
	return rc;
}

#define DEAD_RULES_TOLD 20      /* one by one; of the others their number */

static void warn_of_dead_rules(struct prepared *p)
{
	const size_t count = p->policy->net_deny.len ? p->policy->net_rules.len : 0;
	AUTO(str) struct str rest = STR(200);
	struct netmatch *match = NULL;
	size_t dead = 0;

	if (count == 0 || netmatch_build(p->policy, NULL, 0, &match) < 0)
		return;
	for (size_t i = 0; i < count;) {
		AUTO(str) struct str sentence = STR(4 * PATH_SIZE);

		i = explain_dead_rule(p->policy, match, i, &sentence);
		dead += sentence.len > 0;
		if (sentence.rc == 0 && sentence.len && dead <= DEAD_RULES_TOLD)
			push_warning(p, sentence.buf);
	}
	netmatch_free(match);
	str_addf(&rest, "%zu more rules allow nothing: denials have all of them", dead - DEAD_RULES_TOLD);
	if (dead > DEAD_RULES_TOLD && rest.rc == 0)
		push_warning(p, rest.buf);
}

static int prepare(struct prepared *p, struct error *err)
{
	int rc = p->policy->frozen ? 0 : policy_freeze(p->policy, err);

	if (rc == 0)
		rc = landlock_plan(p->policy, landlock_abi(), &p->landlock, err);
	if (rc == 0)
		rc = resolve_grants(p->policy, &p->grants, err);
	if (rc == 0)
		rc = find_sockets(p, err);
	if (rc == 0)
		rc = virtual_plan(p->policy, &p->grants, &p->virtuals, err);
	p->policy->virtual_kinds = p->virtuals.kinds;
	if (rc == 0)
		rc = build_filter(p, err);
	if (rc == 0)
		find_cgroup(p);
	if (rc == 0)
		warn_of_dead_rules(p);
	return rc;
}

int prepare_take(struct policy *policy, struct prepared **out, struct error *err)
{
	struct prepared *p = mem_alloc(sizeof *p);

	if (!p) {
		policy_free(policy);
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the policy");
	}
	atomic_init(&p->users, 1);
	atomic_init(&p->task_memory, NULL);
	p->policy = policy;
	p->cgroup = -1;
	p->ruleset = -1;
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->names_lock, NULL);
	int rc = prepare(p, err);
	if (rc < 0) {
		prepared_unref(p);
		return rc;
	}
	*out = p;
	return 0;
}

struct prepared *prepared_ref(struct prepared *p)
{
	atomic_fetch_add_explicit(&p->users, 1, memory_order_relaxed);
	return p;
}

void prepared_unref(struct prepared *p)
{
	if (!p || atomic_fetch_sub_explicit(&p->users, 1, memory_order_acq_rel) > 1)
		return;
	fd_close(&p->ruleset);
	fd_close(&p->cgroup);
	spawn_memory_free(atomic_load(&p->task_memory));
	filter_fini(&p->filter);
	sysrules_free(p->rules);
	grants_fini(&p->grants);
	virtuals_fini(&p->virtuals);
	names_unref(p->names);
	socket_grants_fini(&p->sockets);
	words_fini(&p->warnings);
	policy_free(p->policy);
	pthread_mutex_destroy(&p->names_lock);
	pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

void prepared_retire(struct prepared *p)
{
	if (!p)
		return;
	grants_close(&p->grants);
	grants_close(&p->virtuals.entries);
	fd_close(&p->ruleset);
	fd_close(&p->cgroup);
	prepared_unref(p);
}

/* A list that lends from others: for one call, nothing in it is freed. */
static int lend_all(const struct grants *const lists[3], struct grants *out)
{
	size_t len = lists[0]->len + lists[1]->len + lists[2]->len;

	out->at = mem_array(len + 1, sizeof *out->at);
	if (!out->at)
		return -ENOMEM;
	for (size_t i = 0; i < 3; i++) {
		if (lists[i]->len)
			memcpy(out->at + out->len, lists[i]->at, lists[i]->len * sizeof *out->at);
		out->len += lists[i]->len;
		out->own_proc = out->own_proc || lists[i]->own_proc;
	}
	return 0;
}

int prepared_fill(const struct prepared *p, const struct grants *extra, int ruleset, struct error *err)
{
	struct grants all = { 0 };
	int rc = lend_all((const struct grants *const[]){ &p->grants, &p->virtuals.entries, extra }, &all);

	if (rc < 0)
		return error_set(err, ERR_MEMORY, rc, "not enough memory for the grants");
	rc = landlock_fill(ruleset, p->policy, &p->landlock, &all, err);
	mem_free(all.at);
	return rc;
}

int prepared_ruleset(struct prepared *p)
{
	pthread_mutex_lock(&p->lock);
	int ruleset = p->ruleset;
	pthread_mutex_unlock(&p->lock);
	return ruleset;
}

void prepared_keep_ruleset(struct prepared *p, int ruleset)
{
	pthread_mutex_lock(&p->lock);
	if (p->ruleset < 0) {
		int copy = (int)SYS(SYS_fcntl, ruleset, F_DUPFD_CLOEXEC, 3);

		p->ruleset = copy < 0 ? -1 : copy;      /* then each start makes its own */
	}
	pthread_mutex_unlock(&p->lock);
}

#define NAMES_FRESH_NS (60 * UINT64_C(1000000000))

void prepared_warn(struct prepared *p, const char *sentence)
{
	pthread_mutex_lock(&p->lock);
	push_warning(p, sentence);
	pthread_mutex_unlock(&p->lock);
}

const char *prepared_warning(struct prepared *p, size_t index)
{
	pthread_mutex_lock(&p->lock);
	const char *text = index < p->warnings.len ? p->warnings.at[index].text : NULL;
	pthread_mutex_unlock(&p->lock);
	return text;
}

int prepared_names(struct prepared *p, struct names **out, struct error *err)
{
	struct names *fresh = NULL;
	int rc = 0;

	*out = NULL;
	if (!policy_judges_addresses(p->policy))
		return 0;
	pthread_mutex_lock(&p->names_lock);
	if (!p->names || (policy_has_names(p->policy) && sys_now() - p->names->made_ns > NAMES_FRESH_NS)) {
		rc = names_resolve(p->policy, names_lookup_host, &fresh, err);
		if (rc == 0) {
			names_unref(p->names);
			p->names = fresh;
			for (size_t i = 0; i < fresh->warnings.len; i++)
				prepared_warn(p, fresh->warnings.at[i].text);
		}
	}
	if (rc == 0)
		*out = names_ref(p->names);
	pthread_mutex_unlock(&p->names_lock);
	return rc;
}

int grants_joined(const struct grants *a, const struct grants *b, struct grants *out)
{
	const struct grants *const lists[] = { a, b };
	struct grants joined = { .own_proc = a->own_proc || b->own_proc };
	size_t seen = 0;

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
		for (size_t i = 0; i < lists[l]->len; i++) {
			const struct grant *g = &lists[l]->at[i];
			int rc = grants_add_take(&joined, g->path, -1, g->is_dir, g->access, g->origin, g->typed);
			if (rc < 0) {
				grants_fini(&joined);
				return rc;
			}
			if (joined.len > seen)
				joined.at[seen++].withheld = g->withheld;
		}
	*out = joined;
	return 0;
}
