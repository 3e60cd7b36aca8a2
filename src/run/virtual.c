/*
 * Which files are virtual under a policy and its grants. A Landlock rule covers all that is beneath it, so a grant of a
 * directory that holds something virtual becomes rules for its other entries, as they are now: what appears
 * there later is opened by the supervisor. Writing is not withheld: who granted it meant the host's own file.
 */
#include "run/virtual.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/listing.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sys.h"
#include "policy/netview.h"
#include "run/pin.h"

#define READING (ACCESS_READ | ACCESS_EXEC)
#define LEADS_MAX 256           /* network devices and a few more */
#define GPU_ORIGIN "--gpu"

/* A path that no Landlock rule may cover, and what is virtual because of it. */
struct lead {
	char *path;
	unsigned kind;
};

struct plan {
	const struct policy *policy;
	struct virtuals *out;
	struct lead lead[LEADS_MAX];
	size_t leads;
};

static int add_lead(struct plan *plan, const char *path, unsigned kind)
{
	if (plan->leads == LEADS_MAX)
		return -E2BIG;
	char *copy = mem_strdup(path);

	if (!copy)
		return -ENOMEM;
	plan->lead[plan->leads++] = (struct lead){ copy, kind };
	return 0;
}

/* --- what there is to be hidden --- */

static void remember(struct virtual_file *file, const struct stat *st)
{
	if (file->ids < VIRTUAL_IDS)
		file->id[file->ids++] = (struct file_id){ st->st_dev, st->st_ino };
}

/* A file, and where it really is: /etc/resolv.conf is often a link. */
static int add_file(struct plan *plan, const char *path)
{
	struct virtual_file *file = &plan->out->file[plan->out->files++];
	struct stat st = { 0 };         /* it may appear between the two looks */
	struct pin pin;
	int rc = add_lead(plan, path, VIRTUAL_FILES);

	file->path = path;
	plan->out->kinds |= VIRTUAL_FILES;
	if (rc < 0)
		return rc;
	if (SYS(NR_fstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		remember(file, &st);
	rc = pin_path(AT_FDCWD, path, &pin);
	if (rc < 0)
		return rc == -ENOMEM ? rc : 0;
	if (S_ISLNK(st.st_mode))
		remember(file, &pin.st);
	if (strcmp(pin.path, path) != 0) {
		file->target = mem_strdup(pin.path);
		rc = file->target ? add_lead(plan, pin.path, VIRTUAL_FILES) : -ENOMEM;
	}
	pin_fini(&pin);
	return rc;
}

/* Where the directory of each network device is: "/sys/devices/pci0000:00/.../net". */
static int add_device(struct plan *plan, const char *name)
{
	char link[PATH_SIZE], path[PATH_SIZE];
	AUTO(str) struct str text = STR(PATH_SIZE);

	str_addf(&text, "/sys/class/net/%s", name);
	if (text.rc < 0 || sys_readlinkat(AT_FDCWD, text.buf, link, 1) < 0)
		return text.rc == -ENOMEM ? text.rc : 0;
	if (path_canonical(AT_FDCWD, text.buf, path) < 0 || !path_cut(path))
		return 0;
	for (size_t i = 0; i < plan->leads; i++)
		if (strcmp(plan->lead[i].path, path) == 0)
			return 0;
	return add_lead(plan, path, VIRTUAL_SYS);
}

static int add_kernel_places(struct plan *plan)
{
	static const struct lead places[] = {
		{ (char *)"/proc/self", VIRTUAL_NET | VIRTUAL_TASKS },  /* stands for every task */
		{ (char *)"/proc/sys/net/ipv4/conf", VIRTUAL_SYS },
		{ (char *)"/proc/sys/net/ipv4/neigh", VIRTUAL_SYS },
		{ (char *)"/proc/sys/net/ipv6/conf", VIRTUAL_SYS },
		{ (char *)"/proc/sys/net/ipv6/neigh", VIRTUAL_SYS },
		{ (char *)"/sys/class/net", VIRTUAL_SYS },
		{ (char *)"/sys/devices/virtual/net", VIRTUAL_SYS },
		{ (char *)"/sys/devices/virtual/net/lo/statistics", VIRTUAL_SYS },
	};
	AUTO(listing) struct listing l = { .fd = -1 };
	const char *name;
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(places) && rc == 0; i++)
		rc = add_lead(plan, places[i].path, places[i].kind);
	if (rc < 0 || listing_open(&l, AT_FDCWD, "/sys/class/net") < 0)
		return rc;
	while (rc == 0 && (name = listing_next(&l)) != NULL)
		rc = add_device(plan, name);
	return rc < 0 ? rc : l.rc;
}

static bool is_kernels(const char *path)
{
	return path_is_beneath(path, "/proc") || path_is_beneath(path, "/sys");
}

/* Is it worth a look at the kernel's places? What presets grant has none of them, and a start shall not pay for it. */
static bool may_reach_kernel(const char *path)
{
	static const char *const harmless[] = {
		"/sys/devices/system", "/sys/kernel", "/sys/fs", "/sys/module", "/proc/sys/kernel", "/proc/sys/vm",
	};

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (path_is_beneath(path, harmless[i]))
			return false;
	return strcmp(path, "/") == 0 || is_kernels(path);
}

static bool reaches_kernel(const struct grants *g)
{
	for (size_t i = 0; i < g->len; i++)
		if (g->at[i].is_dir && g->at[i].access & READING && may_reach_kernel(g->at[i].path))
			return true;
	return false;
}

/* --- one grant --- */

static bool is_gpu(const struct grant *g)
{
	return strcmp(g->origin, GPU_ORIGIN) == 0;
}

/* The kinds of what is strictly beneath a directory. */
static unsigned leads_to(const struct plan *plan, const char *path)
{
	unsigned kinds = 0;

	for (size_t i = 0; i < plan->leads; i++)
		if (path_is_beneath(plan->lead[i].path, path) && strcmp(plan->lead[i].path, path) != 0)
			kinds |= plan->lead[i].kind;
	return kinds;
}

static enum hidden hidden(const char *path)
{
	return is_kernels(path) ? virtual_hidden(path) : HIDDEN_NOT;
}

/* A directory that is being taken apart. */
struct opened {
	struct plan *plan;
	const struct grant *grant;
	const char *path;
	int fd;                 /* O_PATH on it */
};

static int take_apart(struct plan *plan, const struct grant *grant, const char *path, int fd);

/* A directory of a task holds net; its threads' directories too. */
static bool is_passed_over(const struct opened *dir, const char *name)
{
	struct task_place place;

	if (!path_is_beneath(dir->path, "/proc") || !virtual_task_place(dir->path, &place))
		return false;
	return strcmp(name, "net") == 0 || strcmp(name, "task") == 0;
}

static int take_entry(const struct opened *dir, const char *name)
{
	struct plan *plan = dir->plan;
	AUTO(str) struct str path = STR(PATH_SIZE);
	struct stat st;

	if (is_passed_over(dir, name))
		return 0;
	str_addf(&path, "%s/%s", strcmp(dir->path, "/") == 0 ? "" : dir->path, name);
	if (path.rc < 0)
		return path.rc == -ENOMEM ? path.rc : 0;
	enum hidden is_hidden = hidden(path.buf);
	AUTO(fd) int fd = is_hidden == HIDDEN_GONE ? -1 : sys_openat(dir->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0 || SYS(SYS_fstat, fd, &st) < 0 || S_ISLNK(st.st_mode))
		return fd == -EMFILE || fd == -ENFILE ? fd : 0;
	if (virtual_by_id(plan->out, (struct file_id){ st.st_dev, st.st_ino }) >= 0 ||
	    virtual_by_path(plan->out, path.buf) >= 0)
		return 0;
	unsigned kinds = S_ISDIR(st.st_mode) ? leads_to(plan, path.buf) : 0;
	if (kinds & ~(unsigned)VIRTUAL_FILES && !is_gpu(dir->grant))
		return 0;               /* the kernel's own: what is read there is opened by the supervisor */
	if (kinds || is_hidden == HIDDEN_LIST)
		return take_apart(plan, dir->grant, path.buf, fd);
	return grants_add_take(&plan->out->entries, path.buf, take_fd(&fd), S_ISDIR(st.st_mode), dir->grant->access & READING,
			       dir->grant->origin, NULL);
}

/* Rules for what is in a directory; the directory itself is the supervisor's to open, unless its names are hidden. */
static int take_apart(struct plan *plan, const struct grant *grant, const char *path, int fd)
{
	struct opened dir = { .plan = plan, .grant = grant, .path = path, .fd = fd };
	struct virtuals *out = plan->out;
	AUTO(listing) struct listing l = { .fd = -1 };
	const char *name;
	struct stat st;

	if (hidden(path) == HIDDEN_NOT && SYS(SYS_fstat, fd, &st) == 0 &&
	    VEC_PUSH(out->listed, out->listed_cap, out->listed_len, ((struct file_id){ st.st_dev, st.st_ino })) < 0)
		return -ENOMEM;
	if (listing_open(&l, fd, ".") < 0)
		return 0;
	int rc = 0;
	while (rc == 0 && (name = listing_next(&l)) != NULL)
		rc = take_entry(&dir, name);
	return rc < 0 ? rc : l.rc;
}

/* What a grant in the directory of a task says about the network view; false for other grants. *is_view: it is of the
 * view alone, and nothing of it is the host's. */
static bool grants_net(struct plan *plan, const struct grant *g, bool *is_view)
{
	struct task_place place;

	if (!path_is_beneath(g->path, "/proc") || !virtual_task_place(g->path, &place))
		return false;
	int index = place.net ? netview_index(place.net) : -1;

	*is_view = place.net != NULL;
	if (index >= 0)
		plan->out->net_names |= 1ULL << index;
	else if ((place.net && !place.net[0]) || (!place.net && g->is_dir))
		plan->out->net_names = UINT64_MAX;
	else if (!place.net)
		return false;
	plan->out->kinds |= VIRTUAL_NET;
	return true;
}

static bool is_virtual_file(const struct plan *plan, const struct grant *g)
{
	struct stat st = { 0 };

	if (g->is_dir || !plan->out->files)
		return false;
	if (virtual_by_path(plan->out, g->path) >= 0)
		return true;
	return g->fd >= 0 && SYS(SYS_fstat, g->fd, &st) == 0 &&
	       virtual_by_id(plan->out, (struct file_id){ st.st_dev, st.st_ino }) >= 0;
}

static int judge(struct plan *plan, struct grant *g)
{
	if (!(g->access & READING))
		return 0;
	bool is_view = false;
	bool is_net = grants_net(plan, g, &is_view);
	unsigned kinds = g->is_dir ? leads_to(plan, g->path) : 0;
	enum hidden is_hidden = hidden(g->path);

	if (is_hidden != HIDDEN_NOT)
		kinds |= VIRTUAL_SYS;
	if (!is_net && !kinds && !is_virtual_file(plan, g))
		return 0;
	g->withheld = READING;
	/* With --gpu nothing is asked of the supervisor: what is not virtual is reached by its name. */
	if (!is_gpu(g))
		plan->out->kinds |= kinds;
	if (kinds & VIRTUAL_TASKS)
		plan->out->net_names = UINT64_MAX;
	if (plan->out->kinds && g->access & ACCESS_WRITE)
		plan->out->kinds |= VIRTUAL_WRITES;
	if (!g->is_dir || is_view || is_hidden == HIDDEN_GONE)
		return 0;
	if (!is_net && is_kernels(g->path) && !is_gpu(g) && kinds != VIRTUAL_FILES)
		return 0;               /* opened by the supervisor, all of it */
	return take_apart(plan, g, g->path, g->fd);
}

/* --- the whole --- */

static bool has_names(const struct policy *p)
{
	return policy_has_names(p) || policy_has_suffixes(p);
}

static int find_files(struct plan *plan, const struct grants *g)
{
	static const char *const lookups[] = { "/etc/hosts", "/etc/host.conf", "/etc/resolv.conf" };
	static const char *const own_name[] = { "/etc/hostname", "/proc/sys/kernel/hostname" };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lookups) && rc == 0 && has_names(plan->policy); i++)
		rc = add_file(plan, lookups[i]);
	/* Who may write the host's own file means that one. */
	for (size_t i = 0; i < ARRAY_SIZE(own_name) && rc == 0 && plan->policy->name; i++)
		if (!grants_find(g, own_name[i], ACCESS_WRITE))
			rc = add_file(plan, own_name[i]);
	return rc;
}

int virtual_plan(const struct policy *p, struct grants *g, struct virtuals *out, struct error *err)
{
	AUTO(free) struct plan *plan = NULL;
	int rc;

	if (p->no_supervisor)
		return 0;
	plan = mem_alloc(sizeof *plan);
	if (!plan)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the virtual files");
	plan->policy = p;
	plan->out = out;
	rc = find_files(plan, g);
	if (rc == 0 && reaches_kernel(g))
		rc = add_kernel_places(plan);
	for (size_t i = 0; i < g->len && rc == 0; i++)
		rc = judge(plan, &g->at[i]);
	virtual_sort(out);
	for (size_t i = 0; i < plan->leads; i++)
		mem_free(plan->lead[i].path);
	return rc < 0 ? error_set(err, rc == -ENOMEM ? ERR_MEMORY : ERR_START, rc,
				  "cannot arrange the virtual files: %s", error_text(rc)) : 0;
}
