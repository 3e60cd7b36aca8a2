/* The life of a policy: making, copying and freeing it, and the words and names that it is made of. */
#include "policy/policy.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "policy/network.h"
#include "policy/options.h"

const struct protection_info protections[PROTECT_MAX] = {
	[PROTECT_FS_REFER] = { "fs-refer", 2, "renaming and linking between directories" },
	[PROTECT_FS_TRUNCATE] = { "fs-truncate", 3, "cutting files short" },
	[PROTECT_NET_TCP] = { "net-tcp", 4, "TCP connect and bind by port" },
	[PROTECT_FS_IOCTL_DEV] = { "fs-ioctl-dev", 5, "ioctls on devices" },
	[PROTECT_SIGNAL_SCOPE] = { "signal-scope", 6, "signals to processes outside" },
	[PROTECT_ABSTRACT_UNIX_SCOPE] = { "abstract-unix-socket-scope", 6, "abstract unix sockets of processes outside" },
};

enum protection protection_by_name(struct view name)
{
	enum protection i = 0;

	while (i < PROTECT_MAX && !view_is(name, protections[i].name))
		i++;
	return i;
}

void words_fini(struct words *w)
{
	for (size_t i = 0; i < w->len; i++) {
		mem_free(w->at[i].text);
		mem_free(w->at[i].origin);
	}
	mem_free(w->at);
	*w = (struct words){ 0 };
}

int words_push(struct words *w, struct view text, const char *origin)
{
	AUTO(free) char *copy = mem_strndup(text.ptr ? text.ptr : "", text.len);
	AUTO(free) char *from = mem_strdup(origin);

	if (!copy || !from || mem_grow(&w->at, &w->cap, w->len + 1, sizeof *w->at) < 0)
		return -ENOMEM;
	w->at[w->len++] = (struct word){ TAKE(copy), TAKE(from) };
	return 0;
}

static int words_copy(struct words *to, const struct words *from)
{
	int rc = 0;

	*to = (struct words){ 0 };
	for (size_t i = 0; i < from->len && rc == 0; i++)
		rc = words_push(to, view_of(from->at[i].text), from->at[i].origin);
	return rc;
}

struct policy *policy_new(void)
{
	struct policy *p = mem_alloc(sizeof *p);

	if (!p)
		return NULL;
	uint64_t *const limits[] = {
		&p->max_memory, &p->max_processes, &p->max_threads, &p->max_open_files,
		&p->max_cpu, &p->max_cpu_time, &p->timeout, &p->max_file_size,
	};
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		*limits[i] = NO_LIMIT;
	p->uid = NO_ID;
	p->gid = NO_ID;
	return p;
}

/* The fields that own memory, by what they are; the table of options names each of them but the last two. */
static bool row_owns_words(const struct option_row *row)
{
	return option_is_list(row) && option_canonical(row) == row;
}

static bool row_owns_text(const struct option_row *row)
{
	return (row->type == OPT_TEXT || row->type == OPT_PATH) && option_canonical(row) == row;
}

static void *field(struct policy *p, const struct option_row *row)
{
	return (char *)p + row->offset;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < option_count; i++) {
		if (row_owns_words(&option_rows[i]))
			words_fini(field(p, &option_rows[i]));
		else if (row_owns_text(&option_rows[i]))
			mem_free(*(char **)field(p, &option_rows[i]));
	}
	network_fini(p);
	words_fini(&p->preset_paths);
	mem_free(p->preset_entries);
	mem_free(p->home);
	mem_free(p);
}

static int copy_text(char **text)
{
	if (!*text)
		return 0;
	*text = mem_strdup(*text);
	return *text ? 0 : -ENOMEM;
}

/* Gives `p`, a bitwise copy of `from`, memory of its own. All of it is replaced even after a failure. */
static int own_everything(struct policy *p, const struct policy *from)
{
	int rc = copy_text(&p->home);

	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_rows[i];
		int one = 0;

		if (row_owns_words(row))
			one = words_copy(field(p, row), (const void *)((const char *)from + row->offset));
		else if (row_owns_text(row))
			one = copy_text(field(p, row));
		rc = rc < 0 ? rc : one;
	}
	return rc;
}

/* Forgets what policy_freeze worked out. */
static void thaw(struct policy *p)
{
	p->frozen = false;
	p->preset_entries = NULL;
	p->preset_len = 0;
	p->preset_cap = 0;
	p->preset_paths = (struct words){ 0 };
	p->own_proc = false;
	p->virtual_kinds = 0;
	p->net_rules = (struct net_rules){ 0 };
	p->net_words = (struct words){ 0 };
	network_fini(p);
}

struct policy *policy_dup(const struct policy *p)
{
	struct policy *copy = mem_dup(p, sizeof *p);

	if (!copy)
		return NULL;
	thaw(copy);
	if (own_everything(copy, p) < 0) {
		policy_free(copy);
		return NULL;
	}
	return copy;
}

bool policy_splits_exec(const struct policy *p)
{
	return p->no_exec_read || p->fs_exec.len > 0;
}
