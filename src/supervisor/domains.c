/*
 * Landlock domains that processes of the sandbox enter themselves. The kernel judges an act by the domain of the task
 * that makes the call, and for what is done on behalf that is a thread of ours. So when a process enters a domain, a
 * thread of ours enters the same ruleset first; a domain in a domain gets its thread from the thread of the outer one.
 * Calls for the process are made by that thread from then on.
 *
 * Who is in which domain must be known when a call comes, also of a child whose parents are gone. The mark that fork
 * copies, exec keeps and nobody can take off is a resource limit that the kernel has not looked at since 2.4.25,
 * RLIMIT_LOCKS: the filter lets nobody set it, and each domain has its own value. Values are never used twice; one that
 * nobody knows any more is refused everything.
 *
 * The limit is one of the process, the domain one of the thread: where a thread confines itself alone, we act for its
 * whole process as for this thread. That is never more than the kernel would allow it.
 */
#include "supervisor/domains.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proctree.h"
#include "base/sys.h"
#include "base/thread.h"
#include "supervisor/files.h"
#include "supervisor/notify.h"

#define LIMIT_LOCKS 10          /* RLIMIT_LOCKS */
#define LAYERS_MAX 16           /* Landlock's own bound */
#define NO_RULESET (-2)         /* -1 has a meaning with some flags */
#define PATIENCE_NS 1000000000ULL       /* with a job of somebody else */
#define PIDS_MAX 16384

enum job_state { JOB_NONE, JOB_ASKED, JOB_DONE };

struct domain {
	uint64_t id;                    /* from 1, in the order of entering */
	uint64_t scope;                 /* innermost of `chain` that keeps abstract sockets to itself; 0: none does */
	uint64_t chain[LAYERS_MAX];     /* it and those that it is in, outermost first */
	unsigned depth;
	atomic_uint users;              /* more of them only under domains.lock */
	pthread_t thread;
	/* one job at a time, under `lock` */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum job_state state;
	long (*act)(void *);
	void *arg;
	long rc;
	bool stop;
};

static struct domains *of(const struct call *call)
{
	return &((struct supervisor *)call->supervisor)->domains;
}

/* Has anybody entered one? Nobody has before there is a supervisor. */
static bool are_there(const struct call *call)
{
	return call && call->supervisor && atomic_load(&of(call)->entered);
}

/* --- the mark --- */

static int read_limit(pid_t pid, uint64_t *out)
{
	uint64_t limit[2] = { 0 };
	int rc = (int)SYS(SYS_prlimit64, pid, LIMIT_LOCKS, 0, limit);

	*out = limit[1];
	return rc;
}

/* The domain that a process is in, or -errno. */
static int read_mark(const struct domains *d, pid_t pid, uint64_t *id)
{
	uint64_t limit;
	int rc = read_limit(pid, &limit);

	*id = d->unmarked - limit;
	return rc;
}

static int write_mark(const struct domains *d, pid_t pid, uint64_t id)
{
	const uint64_t limit[2] = { d->unmarked - id, d->unmarked - id };

	return (int)SYS(SYS_prlimit64, pid, LIMIT_LOCKS, limit, 0);
}

/* --- jobs --- */

/*
 * A job is done at once, unless it is in a file system that does not answer: whoever asked for that one waits as if the
 * call were its own (stuck.h), and the others, who may hold locks, do not wait for it.
 */
static long run_in(struct domain *in, long (*act)(void *), void *arg)
{
	const struct timespec until = thread_time_after(PATIENCE_NS);
	int late = 0;

	pthread_mutex_lock(&in->lock);
	while (in->state != JOB_NONE && !late)
		late = pthread_cond_timedwait(&in->changed, &in->lock, &until);
	if (in->state != JOB_NONE) {
		pthread_mutex_unlock(&in->lock);
		return -EIO;
	}
	in->act = act;
	in->arg = arg;
	in->state = JOB_ASKED;
	pthread_cond_broadcast(&in->changed);
	while (in->state != JOB_DONE)
		pthread_cond_wait(&in->changed, &in->lock);
	long rc = in->rc;
	in->state = JOB_NONE;
	pthread_cond_broadcast(&in->changed);
	pthread_mutex_unlock(&in->lock);
	return rc;
}

static void serve(struct domain *in)
{
	pthread_mutex_lock(&in->lock);
	for (;;) {
		while (in->state != JOB_ASKED && !in->stop)
			pthread_cond_wait(&in->changed, &in->lock);
		if (in->stop)
			break;
		pthread_mutex_unlock(&in->lock);
		long rc = in->act(in->arg);     /* they change only when the job is done */
		pthread_mutex_lock(&in->lock);
		in->rc = rc;
		in->state = JOB_DONE;
		pthread_cond_broadcast(&in->changed);
	}
	pthread_mutex_unlock(&in->lock);
}

static void end(struct domain *in)
{
	pthread_mutex_lock(&in->lock);
	in->stop = true;
	pthread_cond_broadcast(&in->changed);
	pthread_mutex_unlock(&in->lock);
	pthread_join(in->thread, NULL);
	pthread_mutex_destroy(&in->lock);
	pthread_cond_destroy(&in->changed);
	mem_free(in);
}

/* --- a new domain --- */

/* What the thread is told when it starts, by one that is in the domain around it. */
struct opening {
	struct domain *in;
	int ruleset;
	unsigned flags;
	int witness;                    /* a socket with an abstract name, made in the domain around */
	struct sockaddr_un name;
	int name_len;
	int rc;                         /* JOB_DONE of `in`: valid */
};

/* Sockets without which it cannot be told count as kept apart: that is the narrower answer. */
static void make_witness(struct opening *o)
{
	const struct sockaddr_un any = { .sun_family = AF_UNIX };

	o->name_len = sizeof o->name;
	o->witness = (int)SYS(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (o->witness >= 0 && SYS(SYS_bind, o->witness, &any, offsetof(struct sockaddr_un, sun_path)) == 0 &&
	    SYS(SYS_getsockname, o->witness, &o->name, &o->name_len) == 0)
		return;
	fd_close(&o->witness);
}

static bool reaches_witness(const struct opening *o)
{
	AUTO(fd) int sock = (int)SYS(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return sock >= 0 && o->witness >= 0 && SYS(SYS_connect, sock, &o->name, o->name_len) == 0;
}

/* Without our flags: one of them would take every thread of the host along. Whether the kernel knows them is asked before
 * a ruleset that is none. */
static int enter(const struct opening *o)
{
	int rc = sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	if (rc == 0)
		rc = sys_landlock_restrict_self(NO_RULESET, o->flags);
	if (rc != -EBADF)
		return rc < 0 ? rc : -EINVAL;
	return sys_landlock_restrict_self(o->ruleset, 0);
}

static void *domain_main(void *arg)
{
	struct opening *o = arg;
	struct domain *in = o->in;
	int rc = enter(o);

	if (rc == 0 && !reaches_witness(o))
		in->scope = in->id;
	pthread_mutex_lock(&in->lock);
	o->rc = rc;
	in->state = JOB_DONE;
	pthread_cond_broadcast(&in->changed);
	pthread_mutex_unlock(&in->lock);
	if (rc == 0)
		serve(in);
	return NULL;
}

/* Runs in the domain around the new one, which the thread inherits. */
static long open_domain(void *arg)
{
	struct opening *o = arg;
	struct domain *in = o->in;

	make_witness(o);
	int rc = thread_start(&in->thread, domain_main, o);
	if (rc == 0) {
		pthread_mutex_lock(&in->lock);
		while (in->state != JOB_DONE)
			pthread_cond_wait(&in->changed, &in->lock);
		in->state = JOB_NONE;
		pthread_mutex_unlock(&in->lock);
		rc = o->rc;
		if (rc < 0)
			pthread_join(in->thread, NULL);
	}
	fd_close(&o->witness);
	return rc;
}

static int make(struct domain *around, uint64_t id, int ruleset, unsigned flags, struct domain **out)
{
	struct domain *in = around && around->depth == LAYERS_MAX ? NULL : mem_alloc(sizeof *in);
	struct opening o = { .in = in, .ruleset = ruleset, .flags = flags, .witness = -1 };

	if (!in)
		return around && around->depth == LAYERS_MAX ? -E2BIG : -ENOMEM;
	if (around) {
		memcpy(in->chain, around->chain, sizeof in->chain);
		in->depth = around->depth;
		in->scope = around->scope;
	}
	in->id = id;
	in->chain[in->depth++] = id;
	pthread_mutex_init(&in->lock, NULL);
	thread_cond_init(&in->changed);
	int rc = (int)(around ? run_in(around, open_domain, &o) : open_domain(&o));
	if (rc < 0) {
		pthread_mutex_destroy(&in->lock);
		pthread_cond_destroy(&in->changed);
		mem_free(in);
		return rc;
	}
	*out = in;
	return 0;
}

/* --- the table; all of it under domains.lock --- */

static struct domain **find(struct domains *d, uint64_t id)
{
	for (size_t i = 0; i < DOMAINS_MAX; i++)
		if (d->slot[i] && d->slot[i]->id == id)
			return &d->slot[i];
	return NULL;
}

static struct domain **find_free(struct domains *d)
{
	for (size_t i = 0; i < DOMAINS_MAX; i++)
		if (!d->slot[i])
			return &d->slot[i];
	return NULL;
}

static void note_living(struct domains *d, const pid_t *pids, size_t count, bool living[DOMAINS_MAX])
{
	for (size_t i = 0; i < count; i++) {
		uint64_t id = 0;
		struct domain **slot = read_mark(d, pids[i], &id) == 0 && id ? find(d, id) : NULL;

		if (slot)
			living[slot - d->slot] = true;
	}
}

/* Ends the threads of domains that nobody is in any more. Looked at twice: a process that forks and ends in between is
 * seen by one of the looks. */
static void clear_out(const struct call *call, struct domains *d)
{
	const struct supervisor *s = call->supervisor;
	AUTO(free) pid_t *pids = mem_array(PIDS_MAX, sizeof *pids);
	struct proctree tree = { .pids = pids, .max = PIDS_MAX };
	bool living[DOMAINS_MAX] = { false };

	for (int look = 0; look < 2; look++) {
		if (!pids || proctree_walk(&tree, s->root) < 0 || tree.full)
			return;
		note_living(d, pids, tree.len, living);
	}
	for (size_t i = 0; i < DOMAINS_MAX; i++) {
		if (!d->slot[i] || living[i] || atomic_load(&d->slot[i]->users))
			continue;
		end(d->slot[i]);
		d->slot[i] = NULL;
	}
}

static int enter_locked(const struct call *call, struct domains *d, int ruleset, unsigned flags)
{
	struct domain **around = NULL;
	struct domain *in = NULL;
	uint64_t id = 0;
	const struct supervisor *s = call->supervisor;
	int rc = atomic_load(&d->entered) ? 0 : read_limit(s->root, &d->unmarked);

	if (rc == 0)
		rc = read_mark(d, call->tid, &id);
	if (rc < 0)
		return rc;
	if (id && !(around = find(d, id)))
		return -EACCES;
	if (!find_free(d))
		clear_out(call, d);
	struct domain **slot = find_free(d);
	if (!slot)
		return -E2BIG;
	id = (uint64_t)atomic_load(&d->entered) + 1;
	rc = make(around ? *around : NULL, id, ruleset, flags, &in);
	if (rc < 0)
		return rc;
	/* Known before anybody has the mark. */
	*slot = in;
	atomic_store(&d->entered, (unsigned)id);
	rc = notify_is_valid(call->supervisor, call->id) ? write_mark(d, call->tid, id) : -ESRCH;
	if (rc < 0) {
		*slot = NULL;
		end(in);
	}
	return rc;
}

int domains_enter(const struct call *call, int ruleset, unsigned flags)
{
	struct domains *d = of(call);

	pthread_mutex_lock(&d->lock);
	int rc = enter_locked(call, d, ruleset, flags);
	pthread_mutex_unlock(&d->lock);
	return rc;
}

/* --- acting --- */

/* 1 and the domain of the caller, to be released; 0 when it has entered none; -errno. */
static int borrow(const struct call *call, struct domain **out)
{
	uint64_t id;

	if (!are_there(call))
		return 0;
	struct domains *d = of(call);
	int rc = read_mark(d, call->tid, &id);
	if (rc < 0 || id == 0)
		return rc < 0 ? rc : 0;
	pthread_mutex_lock(&d->lock);
	struct domain **slot = find(d, id);
	if (slot) {
		*out = *slot;
		atomic_fetch_add(&(*out)->users, 1);
	}
	pthread_mutex_unlock(&d->lock);
	return slot ? 1 : -EACCES;
}

/* By a thread that was left behind (stuck.h), too: it knows nothing but the domain. */
static void give_back(struct domain *in)
{
	atomic_fetch_sub(&in->users, 1);
}

bool domains_has(const struct call *call)
{
	uint64_t id;

	return are_there(call) && (read_mark(of(call), call->tid, &id) < 0 || id != 0);
}

long domains_act(const struct call *call, long (*act)(void *), void *arg)
{
	struct domain *in = NULL;
	long rc = borrow(call, &in);

	if (rc == 0)
		return act(arg);
	if (rc < 0)
		return rc;
	rc = run_in(in, act, arg);
	give_back(in);
	return rc;
}

static long make_call(void *arg)
{
	const struct domain_call *c = arg;

	return SYS(c->nr, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4], c->arg[5]);
}

long domains_syscall(const struct call *call, struct domain_call c)
{
	return domains_act(call, make_call, &c);
}

/* --- abstract sockets --- */

/* Is the process in the domain `scope`, or one within? */
static bool is_within(struct domains *d, pid_t pid, uint64_t scope)
{
	bool within = false;
	uint64_t id;

	if (read_mark(d, pid, &id) < 0 || id == 0)
		return false;
	pthread_mutex_lock(&d->lock);
	struct domain **slot = find(d, id);
	for (unsigned i = 0; slot && i < (*slot)->depth; i++)
		within = within || (*slot)->chain[i] == scope;
	pthread_mutex_unlock(&d->lock);
	return within;
}

/*
 * The kernel asks whether the socket was made within the scope. Our thread is in a scope of the same rules, but another
 * one. So the question is who has the socket: everybody who does must be within.
 */
bool domains_share_socket(const struct call *call, uint64_t inode)
{
	struct domain *in = NULL;
	bool held = false;
	long rc = borrow(call, &in);

	if (rc <= 0)
		return rc == 0;
	struct domains *d = of(call);
	const struct supervisor *s = call->supervisor;
	AUTO(free) pid_t *pids = mem_array(PIDS_MAX, sizeof *pids);
	struct proctree tree = { .pids = pids, .max = PIDS_MAX };
	const uint64_t scope = in->scope;
	give_back(in);
	if (!scope)
		return true;
	if (!pids || proctree_walk(&tree, s->root) < 0 || tree.full)
		return false;
	for (size_t i = 0; i < tree.len; i++) {
		if (!files_has_socket(&tree, pids[i], inode))
			continue;
		if (!is_within(d, pids[i], scope))
			return false;
		held = true;
	}
	return held;
}

void domains_init(struct domains *d)
{
	memset(d, 0, sizeof *d);
	pthread_mutex_init(&d->lock, NULL);
}

void domains_fini(struct domains *d)
{
	/* The inner ones are younger, but every thread stands alone: order does not matter. */
	for (size_t i = 0; i < DOMAINS_MAX; i++)
		if (d->slot[i] && atomic_load(&d->slot[i]->users))
			pthread_detach(d->slot[i]->thread);     /* in a file system that does not answer: left with it */
		else if (d->slot[i])
			end(d->slot[i]);
	pthread_mutex_destroy(&d->lock);
}
