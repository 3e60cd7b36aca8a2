/* Recognising what is virtual: by identity, by canonical path, and by what a path of procfs or sysfs means. */
#include "policy/virtual.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

void virtuals_fini(struct virtuals *v)
{
	for (size_t i = 0; i < v->files; i++)
		mem_free(v->file[i].target);
	mem_free(v->listed);
	grants_fini(&v->entries);
	*v = (struct virtuals){ 0 };
}

static bool same(struct file_id a, struct file_id b)
{
	return a.ino == b.ino && a.dev == b.dev;
}

int virtual_by_id(const struct virtuals *v, struct file_id id)
{
	for (size_t i = 0; i < v->files; i++)
		for (size_t k = 0; k < v->file[i].ids; k++)
			if (same(v->file[i].id[k], id))
				return (int)i;
	return -1;
}

int virtual_by_path(const struct virtuals *v, const char *path)
{
	for (size_t i = 0; i < v->files; i++)
		if (strcmp(v->file[i].path, path) == 0 || (v->file[i].target && strcmp(v->file[i].target, path) == 0))
			return (int)i;
	return -1;
}

static int compare_ids(const void *a, const void *b)
{
	const struct file_id *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return x->dev < y->dev ? -1 : x->dev > y->dev;
}

void virtual_sort(struct virtuals *v)
{
	if (v->listed_len)
		qsort(v->listed, v->listed_len, sizeof *v->listed, compare_ids);
}

bool virtual_is_listed(const struct virtuals *v, struct file_id id)
{
	return v->listed_len && bsearch(&id, v->listed, v->listed_len, sizeof *v->listed, compare_ids);
}

/* --- procfs --- */

/* The number that `*at` begins with, when it fills a whole component; *at is moved behind it and its slash. */
static bool cut_number(const char **at, uint64_t *out)
{
	size_t len = strspn(*at, "0123456789");

	if (len == 0 || ((*at)[len] && (*at)[len] != '/'))
		return false;
	if (view_u64((struct view){ *at, len }, INT32_MAX, out) < 0)
		return false;
	*at += len + ((*at)[len] == '/');
	return true;
}

static const char *after(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(path, prefix, len) == 0 ? path + len : NULL;
}

/* What follows "net" when that is the first component, else NULL. */
static const char *below_net(const char *rest)
{
	const char *net = after(rest, "net");

	if (!net || (*net && *net != '/'))
		return NULL;
	return *net ? net + 1 : net;
}

bool virtual_task_place(const char *path, struct task_place *out)
{
	const char *at = strstr(path, "/proc/");        /* procfs may be mounted elsewhere too */
	uint64_t pid, tid;

	at = at ? at + strlen("/proc/") : path + (*path == '/');
	if (!cut_number(&at, &pid))
		return false;
	*out = (struct task_place){ .pid = (pid_t)pid, .rest = at, .net = below_net(at) };
	const char *task = after(at, "task/");

	if (task && cut_number(&task, &tid))
		out->net = below_net(task);
	return true;
}

/* --- network devices in sysfs, and their settings in /proc/sys --- */

static bool begins_with_name(const char *path, const char *name)
{
	size_t len = strlen(name);

	return strncmp(path, name, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* Settings by device: of these directories only what is no device, and the loopback, is there. */
static enum hidden hidden_setting(const char *path)
{
	static const char *const dirs[] = { "ipv4/conf", "ipv4/neigh", "ipv6/conf", "ipv6/neigh" };
	static const char *const kept[] = { "all", "default", "lo" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		if (!begins_with_name(path, dirs[i]))
			continue;
		const char *name = path + strlen(dirs[i]);

		if (!*name)
			return HIDDEN_LIST;
		for (size_t k = 0; k < ARRAY_SIZE(kept); k++)
			if (begins_with_name(name + 1, kept[k]))
				return HIDDEN_NOT;
		return HIDDEN_GONE;
	}
	return HIDDEN_NOT;
}

static enum hidden hidden_device(const char *net, bool is_virtual)
{
	if (!*net)
		return HIDDEN_LIST;
	if (!is_virtual || !begins_with_name(net + 1, "lo"))
		return HIDDEN_GONE;
	/* counters of the whole host */
	return begins_with_name(net + 1, "lo/statistics") ? HIDDEN_LIST : HIDDEN_NOT;
}

enum hidden virtual_hidden(const char *path)
{
	const char *at = strstr(path, "/sys/");

	if (!at)
		return HIDDEN_NOT;
	at += strlen("/sys/");
	if (begins_with_name(at, "net"))
		return at[3] ? hidden_setting(at + 4) : HIDDEN_NOT;
	if (begins_with_name(at, "class/net"))
		return at[strlen("class/net")] ? HIDDEN_GONE : HIDDEN_LIST;
	if (!begins_with_name(at, "devices"))
		return HIDDEN_NOT;
	for (const char *net = strstr(at, "/net"); net; net = strstr(net + 1, "/net"))
		if (net[4] == '\0' || net[4] == '/')
			return hidden_device(net + 4, begins_with_name(at, "devices/virtual/net"));
	return HIDDEN_NOT;
}
