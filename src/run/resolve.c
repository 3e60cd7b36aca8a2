/*
 * From the words of a frozen policy to pinned objects. Each path is opened once, named as the kernel names it, and kept
 * as a descriptor, so that what was judged is what is granted.
 */
#include "run/resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/listing.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sys.h"
#include "policy/explain.h"
#include "policy/presets.h"
#include "run/pin.h"

#define GPU_ORIGIN "--gpu"
#define SIBLINGS_MAX 4096       /* names looked at for "did you mean" */

/* --- what went wrong with a path that the user typed --- */

static const struct {
	int errnum;
	const char *why;
} path_faults[] = {
	{ ENOENT, "does not exist" },
	{ EACCES, "cannot be reached: a directory on the way is closed to this user" },
	{ EPERM, "cannot be reached: a directory on the way is closed to this user" },
	{ ENOTDIR, "lies beneath something that is not a directory" },
	{ ELOOP, "goes round in a circle of symbolic links" },
	{ ENAMETOOLONG, "is too long for a path" },
	{ EMFILE, "cannot be opened: this process has too many open files" },
	{ ENFILE, "cannot be opened: the system has too many open files" },
};

static const char *fault_text(int rc)
{
	for (size_t i = 0; i < ARRAY_SIZE(path_faults); i++)
		if (path_faults[i].errnum == -rc)
			return path_faults[i].why;
	return error_text(rc);
}

/* The name in `dir` that is nearest to `name`, when one is near at all. */
static bool nearest_sibling(const char *dir, const char *name, struct str *out)
{
	AUTO(listing) struct listing l;
	size_t best = strlen(name) > 4 ? 3 : 2;         /* edits that are too many */
	int seen = 0;
	const char *sibling;

	listing_open(&l, AT_FDCWD, dir);
	while (seen++ < SIBLINGS_MAX && (sibling = listing_next(&l)) != NULL) {
		size_t edits = str_distance(sibling, name);

		if (edits >= best || edits >= strlen(name) || sibling[0] == '.')
			continue;
		best = edits;
		str_clear(out);
		str_add_quoted(out, sibling, strlen(sibling));
	}
	return out->rc == 0 && out->len > 0;
}

/* "; did you mean '/srv/www'?" for a path of which some component is misspelt; nothing when no name is near. */
static void add_hint(struct str *hint, const char *path)
{
	char top[PATH_SIZE];
	char name[PATH_SIZE];
	AUTO(str) struct str near = STR(1024);
	struct stat st;

	if (strlen(path) + 2 > sizeof top)
		return;
	memcpy(top, path, strlen(path) + 1);
	do {
		memcpy(name, path_base(top), strlen(path_base(top)) + 1);
		if (!path_cut(top))
			return;
	} while (stat(top, &st) < 0);
	if (!name[0] || !nearest_sibling(top, name, &near))
		return;
	str_addf(hint, "; did you mean '%s%s%s'?", strcmp(top, ".") == 0 ? "" : top,
		 top[strlen(top) - 1] == '/' || strcmp(top, ".") == 0 ? "" : "/", near.buf);
}

/* What to type instead where nothing is misspelt. */
static void add_remedy(struct str *hint, const struct word *word)
{
	if (word->text[0] == '~') {
		str_add(hint, "; a shell replaces ~ only at the start of a word: write $HOME");
	} else if (strcmp(word->origin, "--fs-write") == 0) {
		str_add(hint, "; to make it first: mkdir -p ");
		str_add_shell(hint, word->text);
	}
}

static int refuse_path(const struct word *word, int rc, struct error *err)
{
	AUTO(str) struct str shown = STR(600);
	AUTO(str) struct str hint = STR(300);
	const char *why = fault_text(rc);
	struct stat st;

	if (rc == -ENOMEM)
		return error_set(err, ERR_MEMORY, rc, "%s: no memory to look up a path", word->origin);
	str_add_quoted(&shown, word->text, strlen(word->text));
	if (rc == -ENOENT && lstat(word->text, &st) == 0 && S_ISLNK(st.st_mode))
		why = "is a symbolic link whose target does not exist";
	else if (rc == -ENOENT)
		add_hint(&hint, word->text);
	if (rc == -ENOENT && hint.len == 0)
		add_remedy(&hint, word);
	return error_set(err, ERR_POLICY, rc, "%s: '%s' %s%s", word->origin, shown.rc == 0 ? shown.buf : "(path)", why,
			 hint.rc == 0 && hint.len ? hint.buf : "");
}

/* --- the user's lists --- */

static int no_memory(struct error *err)
{
	return error_set(err, ERR_MEMORY, -ENOMEM, "no memory for the list of grants");
}

/*
 * The directory in which the command was started, unless that would give away a home or the whole machine: the user
 * typed nothing here, so only what is plainly the place of work is taken.
 */
static int grant_cwd(const struct policy *p, unsigned access, struct grants *out)
{
	struct pin pin, home;
	const char *home_path = p->home ? p->home : getenv("HOME");
	int rc = pin_path(AT_FDCWD, ".", &pin);

	if (rc < 0)
		return rc == -ENOMEM ? rc : 0;
	bool skip = strcmp(pin.path, "/") == 0 || strcmp(pin.path, "/home") == 0;

	if (!skip && home_path && pin_path(AT_FDCWD, home_path, &home) == 0) {
		skip = pin.st.st_dev == home.st.st_dev && pin.st.st_ino == home.st.st_ino;
		skip = skip || path_is_beneath(home.path, pin.path);
		pin_fini(&home);
	}
	if (!skip)
		return pin_grant(&pin, access, GRANT_CWD_ORIGIN, NULL, out);
	pin_fini(&pin);
	return 0;
}

static int grant_words(const struct words *words, unsigned access, struct grants *out, struct error *err)
{
	for (size_t i = 0; i < words->len; i++) {
		const struct word *word = &words->at[i];
		struct pin pin;

		int rc = pin_path(AT_FDCWD, word->text, &pin);
		if (rc < 0)
			return refuse_path(word, rc, err);
		if (pin_grant(&pin, access, word->origin, word->text, out) < 0)
			return no_memory(err);
	}
	return 0;
}

static int grant_typed(const struct policy *p, struct grants *out, struct error *err)
{
	unsigned exec = policy_splits_exec(p) ? 0 : ACCESS_EXEC;
	/* Landlock asks for reading as well when a file is executed: execute alone would grant nothing. */
	const struct {
		const struct words *words;
		unsigned access;
	} lists[] = {
		{ &p->fs_read, ACCESS_READ | exec },
		{ &p->fs_write, ACCESS_READ | ACCESS_WRITE | ACCESS_IOCTL | exec },
		{ &p->fs_exec, ACCESS_READ | ACCESS_EXEC },
	};
	size_t words = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		int rc = grant_words(lists[i].words, lists[i].access, out, err);

		if (rc < 0)
			return rc;
		words += lists[i].words->len;
	}
	/* A preset and no grant, as the command line starts: `sandlock run -- python3 x.py` reads x.py. */
	if (words == 0 && !p->bare && p->extends.len && grant_cwd(p, ACCESS_READ | exec, out) < 0)
		return no_memory(err);
	return 0;
}

/* --- presets --- */

static bool is_the_device(const struct preset_entry *entry, const struct stat *st)
{
	return S_ISCHR(st->st_mode) && major(st->st_rdev) == entry->major && minor(st->st_rdev) == entry->minor;
}

/* One system call instead of five where /bin is a link to usr/bin and /usr is granted. */
static bool leads_into_grant(const struct preset_entry *entry, const struct grants *out)
{
	char path[PATH_SIZE] = "/";
	ssize_t n = entry->link ? sys_readlinkat(AT_FDCWD, entry->path, path + 1, sizeof path - 2) : 0;

	if (n <= 0)
		return false;
	path[n + 1] = '\0';
	const char *target = path[1] == '/' ? path + 1 : path;          /* relative: only links in "/" are, here */
	bool in_root = strchr(entry->path + 1, '/') == NULL;
	return (in_root || target != path) && path_is_clean(target) && grants_find(out, target, entry->access);
}

/* One system call instead of three: what is no link, in a folder that is granted already, is granted. Or not there. */
static bool lies_in_grant(const struct preset_entry *entry, const struct grants *out)
{
	const struct grant *g = grants_find(out, entry->path, entry->access);
	size_t folder = (size_t)(strrchr(entry->path, '/') - entry->path);
	char byte;

	if (!g || g->len != folder || memcmp(g->path, entry->path, folder) != 0)
		return g && strcmp(g->path, entry->path) == 0;
	ssize_t n = sys_readlinkat(AT_FDCWD, entry->path, &byte, sizeof byte);
	return n == -EINVAL || n == -ENOENT;
}

static int grant_preset_entry(const struct preset_entry *entry, struct grants *out)
{
	char origin[64] = "preset ";
	size_t room = sizeof origin - strlen(origin) - 1;
	struct pin pin;

	if (lies_in_grant(entry, out) || leads_into_grant(entry, out))
		return 0;
	int rc = pin_path(AT_FDCWD, entry->path, &pin);
	if (rc < 0)
		return rc == -ENOMEM ? rc : 0;
	if (entry->device && !is_the_device(entry, &pin.st)) {
		pin_fini(&pin);
		return 0;
	}
	memcpy(origin + strlen(origin), entry->preset, strnlen(entry->preset, room));
	return pin_grant(&pin, entry->access, origin, entry->path, out);
}

static int grant_presets(const struct policy *p, struct grants *out, struct error *err)
{
	const struct preset_entry *entries;
	size_t count = policy_preset_entries(p, &entries);

	for (size_t i = 0; i < count; i++)
		if (grant_preset_entry(&entries[i], out) < 0)
			return no_memory(err);
	out->own_proc = p->own_proc;
	return 0;
}

/* All that the grants above at[i] give it anyway. */
static unsigned inherited(const struct grants *g, size_t i)
{
	unsigned access = 0;

	for (size_t j = 0; j < g->len; j++) {
		const struct grant *above = &g->at[j];

		if (j != i && above->is_dir && above->len < g->at[i].len && path_is_beneath(g->at[i].path, above->path))
			access |= above->access;
	}
	return access;
}

/* Presets name /usr/bin as well as /usr: each rule that says nothing new is one less to build and to search. */
static void drop_covered(struct grants *g, size_t first)
{
	size_t kept = first;

	for (size_t i = first; i < g->len; i++) {
		struct grant *one = &g->at[i];

		if (one->access & ~inherited(g, i)) {
			struct grant moved = *one;

			g->at[i] = g->at[kept];
			g->at[kept++] = moved;
		}
	}
	struct grants rest = { .at = g->at + kept, .len = g->len - kept };

	for (size_t i = 0; i < rest.len; i++) {
		fd_close(&rest.at[i].fd);
		mem_free(rest.at[i].path);
		mem_free(rest.at[i].origin);
		mem_free(rest.at[i].typed);
	}
	g->len = kept;
}

/* --- GPU --- */

/* A %s stands for the number of a card; such rows are repeated for each chosen one. */
static const struct gpu_path {
	const char *path;
	unsigned access;
	bool only_all;          /* cannot be granted card by card */
} gpu_paths[] = {
	{ "/dev/nvidiactl", ACCESS_READ | ACCESS_WRITE | ACCESS_IOCTL, false },
	{ "/dev/nvidia-uvm", ACCESS_READ | ACCESS_WRITE | ACCESS_IOCTL, false },
	{ "/dev/nvidia-uvm-tools", ACCESS_READ | ACCESS_WRITE | ACCESS_IOCTL, false },
	{ "/dev/nvidia-modeset", ACCESS_READ | ACCESS_WRITE | ACCESS_IOCTL, false },
	{ "/dev/nvidia-caps", ACCESS_READ | ACCESS_WRITE | ACCESS_IOCTL, true },
	{ "/dev/dri", ACCESS_READ | ACCESS_WRITE | ACCESS_IOCTL, true },
	{ "/dev/kfd", ACCESS_READ | ACCESS_WRITE | ACCESS_IOCTL, true },
	{ "/proc/driver/nvidia", ACCESS_READ, false },
	{ "/sys/bus/pci/devices", ACCESS_READ, false },
	{ "/sys/devices", ACCESS_READ, false },         /* what the links of the row above lead to */
	{ "/sys/class/drm", ACCESS_READ, true },
	{ "/sys/class/kfd", ACCESS_READ, true },
	{ "/sys/module/nvidia", ACCESS_READ, false },
	{ "/sys/module/amdgpu", ACCESS_READ, true },
};

static bool is_number(const char *text)
{
	return text[0] && text[strspn(text, "0123456789")] == '\0';
}

static int grant_card(const char *number, struct grants *out)
{
	AUTO(str) struct str path = STR(64);

	str_addf(&path, "/dev/nvidia%s", number);
	if (path.rc < 0)
		return path.rc == -ENOMEM ? path.rc : 0;
	return pin_optional(path.buf, ACCESS_READ | ACCESS_WRITE | ACCESS_IOCTL, GPU_ORIGIN, NULL, out);
}

static int grant_every_card(struct grants *out)
{
	static const char prefix[] = "nvidia";
	AUTO(listing) struct listing l;
	const char *name;
	int rc = 0;

	listing_open(&l, AT_FDCWD, "/dev");
	while (rc == 0 && (name = listing_next(&l)) != NULL) {
		const char *number = name + sizeof prefix - 1;

		if (strncmp(name, prefix, sizeof prefix - 1) == 0 && is_number(number))
			rc = grant_card(number, out);
	}
	return rc;
}

/* Absent devices are no error: the same policy serves machines with other cards. */
static int grant_gpu(const struct policy *p, struct grants *out)
{
	bool all = p->gpu_devices.len == 0;
	int rc = 0;

	for (size_t i = 0; i < p->gpu_devices.len; i++)
		all = all || strcmp(p->gpu_devices.at[i].text, "all") == 0;
	for (size_t i = 0; i < ARRAY_SIZE(gpu_paths) && rc == 0; i++)
		if (all || !gpu_paths[i].only_all)
			rc = pin_optional(gpu_paths[i].path, gpu_paths[i].access, GPU_ORIGIN, NULL, out);
	if (rc == 0 && all)
		return grant_every_card(out);
	for (size_t i = 0; i < p->gpu_devices.len && rc == 0; i++)
		if (is_number(p->gpu_devices.at[i].text))
			rc = grant_card(p->gpu_devices.at[i].text, out);
	return rc;
}

int resolve_grants(const struct policy *p, struct grants *out, struct error *err)
{
	struct grants g = { 0 };
	int rc = grant_typed(p, &g, err);

	if (rc == 0) {
		size_t typed = g.len;

		rc = grant_presets(p, &g, err);
		if (rc == 0)
			drop_covered(&g, typed);
	}
	if (rc == 0 && p->gpu_given && grant_gpu(p, &g) < 0)
		rc = no_memory(err);
	if (rc < 0) {
		grants_fini(&g);
		return rc;
	}
	*out = g;
	return 0;
}
