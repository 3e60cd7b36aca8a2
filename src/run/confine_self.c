/* Confining the calling thread for good: Landlock, the argument filter and no_new_privs, without a supervisor. */
#include "run/confine_self.h"

#include <errno.h>
#include <linux/prctl.h>
#include <string.h>

#include "base/fd.h"
#include "base/listing.h"
#include "base/mem.h"
#include "base/sys.h"
#include "policy/options.h"

/* What only a start of a new program can give, by key. */
static const char *const needs_a_child[] = {
	"limits.memory",         "limits.processes", "limits.threads",   "limits.cpu",
	"limits.cpu_time",       "limits.timeout",   "limits.open_files", "limits.file_size",
	"limits.cpu_cores",      "program.cwd",      "program.env",      "program.clean_env",
	"program.no_coredump",   "program.name",     "program.no_huge_pages", "determinism.no_randomize_memory",
	"explain",
};

static bool is_given(const struct policy *p, const char *key)
{
	const struct option_row *row = option_by_key(key);

	if (!row)
		return false;
	size_t i = (size_t)(row - option_rows);
	return p->given[i / 64] >> (i % 64) & 1;
}

static int refuse_unfit(const struct policy *p, struct error *err)
{
	AUTO(str) struct str s = STR(800);

	for (size_t i = 0; i < ARRAY_SIZE(needs_a_child); i++)
		if (is_given(p, needs_a_child[i]))
			str_addf(&s, "%s%s", s.len ? ", " : "", needs_a_child[i]);
	if (p->uid != NO_ID)
		str_addf(&s, "%sprogram.uid", s.len ? ", " : "");
	if (s.len)
		return error_set(err, ERR_POLICY, -EINVAL,
				 "a process that confines itself cannot have: %s; start a program for that", s.buf);
	if (!p->no_supervisor)
		return error_set(err, ERR_POLICY, -EINVAL,
				 "a process that confines itself has no supervisor: set no_supervisor = true");
	return 0;
}

static bool is_single_threaded(void)
{
	AUTO(listing) struct listing l;
	int threads = 0;

	listing_open(&l, AT_FDCWD, "/proc/self/task");
	while (listing_next(&l))
		threads++;
	return l.rc == 0 && threads == 1;       /* where nobody can tell: no */
}

int confine_self(struct prepared *prepared, struct error *err)
{
	const struct grants none = { 0 };
	struct sock_fprog prog = {
		.len = (unsigned short)prepared->filter.len, .filter = prepared->filter.code,
	};
	AUTO(fd) int fd = -1;

	int rc = refuse_unfit(prepared->policy, err);
	if (rc < 0)
		return rc;
	if (!is_single_threaded())
		return error_set(err, ERR_STATE, -EBUSY,
				 "other threads are running and would stay free: confine before they are started");
	rc = landlock_create(&prepared->landlock, &fd, err);
	if (rc == 0)
		rc = prepared_fill(prepared, &none, fd, err);
	if (rc < 0)
		return rc;
	rc = sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (rc == 0)
		rc = sys_landlock_restrict_self(fd, 0);
	if (rc == 0)
		rc = sys_seccomp(SC_SET_MODE_FILTER, 0, &prog);
	if (rc < 0)
		return error_set(err, ERR_START, rc, "cannot confine this process: %s", error_text(rc));
	return 0;
}
