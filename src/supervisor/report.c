/* The list of refusals of one sandbox. A child decides how often it is called and with what, so all of it has a bound. */
#include "supervisor/report.h"

#include <string.h>

#include "base/mem.h"
#include "supervisor/handler.h"

#define STRING_MAX 4096         /* bytes of one string; longer ones are cut */

int report_init(struct report *r)
{
	*r = (struct report){ 0 };
	return -pthread_mutex_init(&r->lock, NULL);
}

static void entry_fini(struct report_entry *e)
{
	mem_free(e->operation);
	mem_free(e->target);
	mem_free(e->process);
	mem_free(e->rule);
	mem_free(e->flag);
	*e = (struct report_entry){ 0 };
}

void report_fini(struct report *r)
{
	for (size_t i = 0; i < r->len; i++)
		entry_fini(&r->at[i]);
	mem_free(r->at);
	pthread_mutex_destroy(&r->lock);
	*r = (struct report){ 0 };
}

/* FNV-1a over the bytes that are kept and a closing NUL. */
static uint64_t hash_add(uint64_t hash, const char *s)
{
	size_t len = strnlen(s, STRING_MAX);

	for (size_t i = 0; i <= len; i++)
		hash = (hash ^ (i < len ? (unsigned char)s[i] : 0)) * 0x100000001b3ULL;
	return hash;
}

static uint64_t hash_of(const char *process, const struct refusal *f)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^ (uint64_t)f->errnum;

	hash = hash_add(hash, f->operation);
	hash = hash_add(hash, f->target);
	return hash_add(hash, process);
}

static bool is_same(const struct report_entry *e, uint64_t hash, const char *process, const struct refusal *f)
{
	return e->hash == hash && e->errnum == f->errnum && strncmp(e->target, f->target, STRING_MAX) == 0 &&
	       strncmp(e->operation, f->operation, STRING_MAX) == 0 && strncmp(e->process, process, STRING_MAX) == 0;
}

static int entry_init(struct report_entry *e, const char *process, const struct refusal *f)
{
	/* Half a flag would grant something else: rather none. */
	bool has_flag = f->flag && strlen(f->flag) <= STRING_MAX;

	*e = (struct report_entry){
		.operation = mem_strndup(f->operation, STRING_MAX),
		.target = mem_strndup(f->target, STRING_MAX),
		.process = mem_strndup(process, STRING_MAX),
		.rule = mem_strndup(f->rule, STRING_MAX),
		.flag = has_flag ? mem_strdup(f->flag) : NULL,
		.errnum = f->errnum,
		.times = 1,
	};
	if (e->operation && e->target && e->process && e->rule && (e->flag || !has_flag))
		return 0;
	entry_fini(e);
	return -1;
}

/* With the lock held. */
static void add(struct report *r, pid_t pid, const char *process, const struct refusal *f)
{
	uint64_t hash = hash_of(process, f);
	struct report_entry e;

	r->total++;
	for (size_t i = 0; i < r->len; i++) {
		if (is_same(&r->at[i], hash, process, f)) {
			r->at[i].times++;
			return;
		}
	}
	if (r->len == REPORT_MAX || mem_grow(&r->at, &r->cap, r->len + 1, sizeof *r->at) < 0 ||
	    entry_init(&e, process, f) < 0) {
		r->dropped++;
		return;
	}
	e.pid = pid;
	e.hash = hash;
	r->at[r->len++] = e;
}

void report_add(struct report *r, pid_t pid, const char *process, const struct refusal *refusal)
{
	pthread_mutex_lock(&r->lock);
	add(r, pid, process, refusal);
	pthread_mutex_unlock(&r->lock);
}
