/* A cgroup for each sandbox: the folder for them is looked for, one is made, leftovers of dead hosts are removed. */
#include "run/cgroup.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/fd.h"
#include "base/listing.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sys.h"
#include "confine/spawn.h"

#define SMALL_FILE 65536                /* more than the kernel's lists hold */
#define MOUNTS_FILE (4U << 20)
#define LEAF_PREFIX "sandlock-"
#define DECIMAL 24

static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

static const struct {
	enum cgroup_controller bit;
	const char *name;
} controllers_table[] = { { CGROUP_MEMORY, "memory" }, { CGROUP_PIDS, "pids" } };

unsigned cgroup_controllers(const struct cgroup_limits *limits)
{
	unsigned wanted = 0;

	if (limits->memory != UINT64_MAX && limits->memory >= CGROUP_MEMORY_LEAST)
		wanted |= CGROUP_MEMORY;
	if (limits->tasks != UINT64_MAX)
		wanted |= CGROUP_PIDS;
	return wanted;
}

/* --- looking --- */

static int slurp(int dirfd, const char *path, size_t max, char **out)
{
	size_t len;
	AUTO(fd) int fd = sys_openat(dirfd, path, O_RDONLY | O_CLOEXEC, 0);

	return fd < 0 ? fd : fd_slurp(fd, max, out, &len);
}

static bool is_there(int dirfd, const char *name, int mode)
{
	return SYS(SYS_faccessat, dirfd, name, mode) == 0;
}

/* The line of the unified hierarchy: "0::/user.slice/...". */
int cgroup_own(const char *file, struct str *own)
{
	AUTO(free) char *text = NULL;
	int rc = slurp(AT_FDCWD, file, SMALL_FILE, &text);
	bool more = true;

	if (rc < 0)
		return rc;
	struct view rest = view_of(text);
	while (more) {
		struct view line = view_cut(&rest, '\n', &more);

		if (!view_starts(line, "0::/"))
			continue;
		str_addn(own, line.ptr + 3, line.len - 3);
		return own->rc;
	}
	return -ENOENT;
}

/* Which of the controllers a list such as "cpu memory pids\n" names. */
static unsigned listed(int dir, const char *file)
{
	AUTO(free) char *text = NULL;
	unsigned found = 0;
	bool more = true;

	if (slurp(dir, file, SMALL_FILE, &text) < 0)
		return 0;
	struct view rest = view_of(text);
	rest.len = strcspn(rest.ptr, "\n");
	while (more) {
		struct view word = view_cut(&rest, ' ', &more);

		for (size_t i = 0; i < ARRAY_SIZE(controllers_table); i++)
			if (view_is(word, controllers_table[i].name))
				found |= controllers_table[i].bit;
	}
	return found;
}

static int write_text(int dir, const char *file, const char *text)
{
	AUTO(fd) int fd = sys_openat(dir, file, O_WRONLY | O_CLOEXEC, 0);

	return fd < 0 ? fd : fd_write_all(fd, text, strlen(text));
}

static int switch_on(int dir, unsigned controllers)
{
	AUTO(str) struct str words = STR(100);

	for (size_t i = 0; i < ARRAY_SIZE(controllers_table); i++)
		if (controllers & controllers_table[i].bit)
			str_addf(&words, "%s+%s", words.len ? " " : "", controllers_table[i].name);
	return words.rc < 0 ? words.rc : write_text(dir, "cgroup.subtree_control", words.buf);
}

/*
 * Would a child of this cgroup be ours and have the controllers? Moving in from ours needs leave to write the list of
 * processes of the nearest cgroup above both, which is this one. Only the root of the tree may have processes of its own
 * and controllers for its children, so only there it makes sense to switch them on; elsewhere a manager has done it.
 */
static bool is_home(int dir, unsigned controllers, bool enable)
{
	if (!is_there(dir, ".", W_OK) || !is_there(dir, "cgroup.procs", W_OK))
		return false;
	unsigned lacking = controllers & ~listed(dir, "cgroup.subtree_control");
	if (!lacking)
		return true;
	if (is_there(dir, "cgroup.type", F_OK) || (lacking & ~listed(dir, "cgroup.controllers")))
		return false;
	return enable ? switch_on(dir, lacking) == 0 : is_there(dir, "cgroup.subtree_control", W_OK);
}

int cgroup_search(const char *mount, const char *own, unsigned controllers, bool enable, struct str *path)
{
	AUTO(str) struct str folder = STR(2 * PATH_SIZE);

	str_addf(&folder, "%s%s", mount, strcmp(own, "/") == 0 ? "" : own);
	while (folder.rc == 0 && strlen(folder.buf) >= strlen(mount)) {
		AUTO(fd) int dir = sys_openat(AT_FDCWD, folder.buf, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

		if (dir >= 0 && is_there(dir, "cgroup.controllers", F_OK) && is_home(dir, controllers, enable)) {
			str_add(path, folder.buf);
			return path->rc < 0 ? path->rc : take_fd(&dir);
		}
		if (!path_cut(folder.buf))
			break;
	}
	return folder.rc < 0 ? folder.rc : -ENOENT;
}

static int search_all(unsigned controllers, bool enable, struct str *path)
{
	AUTO(str) struct str own = STR(PATH_SIZE);
	int rc = cgroup_own("/proc/self/cgroup", &own);

	for (size_t i = 0; i < ARRAY_SIZE(mounts) && rc == 0; i++) {
		int dir = cgroup_search(mounts[i], own.buf, controllers, enable, path);

		if (dir != -ENOENT)
			return dir;
	}
	return rc < 0 ? rc : -ENOENT;
}

int cgroup_home(unsigned controllers, struct str *path)
{
	return search_all(controllers, true, path);
}

int cgroup_level(void)
{
	AUTO(str) struct str path = STR(2 * PATH_SIZE);
	AUTO(fd) int dir = search_all(CGROUP_MEMORY, false, &path);

	return dir >= 0 ? 1 : dir == -ENOENT ? 0 : dir;
}

/* --- out of the program's reach --- */

static bool overlap(const char *a, const char *b)
{
	return path_is_beneath(a, b) || path_is_beneath(b, a);
}

/* A mount point as mountinfo writes it: blanks and backslashes are octal. */
static void plain_path(struct view word, char out[PATH_SIZE])
{
	size_t n = 0;

	for (size_t i = 0; i < word.len && n + 1 < PATH_SIZE; i++) {
		bool escape = word.ptr[i] == '\\' && i + 3 < word.len;

		out[n++] = escape ? (char)((word.ptr[i + 1] - '0') * 64 + (word.ptr[i + 2] - '0') * 8 +
					   (word.ptr[i + 3] - '0'))
				  : word.ptr[i];
		i += escape ? 3 : 0;
	}
	out[n] = '\0';
}

/* The mount point of a line "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS ... - TYPE SOURCE ..." of cgroup2; else false. */
static bool is_cgroup_mount(struct view line, char point[PATH_SIZE])
{
	struct view word = { 0 };
	bool more = true;

	for (int i = 0; i < 5 && more; i++)
		word = view_cut(&line, ' ', &more);
	plain_path(word, point);
	while (more)
		if (view_is(view_cut(&line, ' ', &more), "-"))
			return view_is(view_cut(&line, ' ', &more), "cgroup2");
	return false;
}

static bool may_write(const struct grants *grants, const char *point)
{
	for (size_t i = 0; i < grants->len; i++)
		if ((grants->at[i].access & ACCESS_WRITE) && overlap(grants->at[i].path, point))
			return true;
	return false;
}

bool cgroup_is_in_reach(const struct grants *grants, const char *mountinfo)
{
	AUTO(free) char *text = NULL;
	char point[PATH_SIZE];
	bool more = true;
	bool seen = false;

	if (slurp(AT_FDCWD, mountinfo, MOUNTS_FILE, &text) < 0)
		return true;
	struct view rest = view_of(text);
	while (more) {
		if (!is_cgroup_mount(view_cut(&rest, '\n', &more), point))
			continue;
		if (may_write(grants, point))
			return true;
		seen = true;
	}
	return !seen;
}

/* --- making --- */

/* The process of a name "sandlock-PID-...", or 0. */
static pid_t owner_of(const char *name)
{
	struct view rest = view_of(name);
	uint64_t pid = 0;
	bool more;

	if (!view_starts(rest, LEAF_PREFIX))
		return 0;
	rest = view_of(name + sizeof LEAF_PREFIX - 1);
	struct view number = view_cut(&rest, '-', &more);
	return more && view_u64(number, INT32_MAX, &pid) == 0 ? (pid_t)pid : 0;
}

/* The kernel removes an empty one only, so a sandbox whose host lives where we do not see it keeps its cgroup, or is only just
 * being started: then it runs with the sampler. */
void cgroup_sweep(int home)
{
	AUTO(listing) struct listing l;
	const char *name;

	listing_open(&l, home, ".");
	while ((name = listing_next(&l)) != NULL) {
		pid_t owner = owner_of(name);

		if (owner > 0 && sys_kill(owner, 0) == -ESRCH)
			SYS(SYS_unlinkat, home, name, AT_REMOVEDIR);
	}
}

static int set_number(int dir, const char *file, uint64_t value)
{
	AUTO(str) struct str text = STR(DECIMAL);

	str_addf(&text, "%llu", (unsigned long long)value);
	return text.rc < 0 ? text.rc : write_text(dir, file, text.buf);
}

static int set_limits(const struct cgroup_limits *limits, struct plan_cgroup *cgroup)
{
	unsigned wanted = cgroup_controllers(limits);
	int rc = 0;

	if (wanted & CGROUP_MEMORY) {
		rc = set_number(cgroup->dir, "memory.max", limits->memory);
		if (rc < 0)
			return rc;
		rc = set_number(cgroup->dir, "memory.swap.max", 0);
		if (rc == -ENOENT)      /* a kernel without swap, or that does not account for it */
			rc = 0;
		cgroup->memory = rc == 0;
	}
	if (rc == 0 && (wanted & CGROUP_PIDS))
		rc = set_number(cgroup->dir, "pids.max", limits->tasks);
	return rc;
}

static int name_it(char *name, size_t size)
{
	uint64_t chance = 0;
	AUTO(str) struct str text = STR(size - 1);
	long rc = SYS(SYS_getrandom, &chance, sizeof chance, GRND_NONBLOCK);

	long pid = rc < 0 ? rc : SYS(SYS_getpid);
	if (pid < 0)
		return (int)pid;
	str_addf(&text, LEAF_PREFIX "%ld-%016llx", pid, (unsigned long long)chance);
	if (text.rc < 0)
		return text.rc;
	memcpy(name, text.buf, text.len + 1);
	return 0;
}

static int make(int home, const struct cgroup_limits *limits, int floor, struct plan_cgroup *out)
{
	int rc = name_it(out->name, sizeof out->name);

	if (rc == 0)
		rc = (int)SYS(SYS_mkdirat, home, out->name, 0755);
	if (rc < 0) {
		out->name[0] = '\0';    /* nothing to remove */
		return rc;
	}
	out->home = (int)SYS(SYS_fcntl, home, F_DUPFD_CLOEXEC, floor);
	if (out->home < 0)
		return out->home;
	out->dir = sys_openat(home, out->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (out->dir < 0)
		return out->dir;
	rc = spawn_raise_fd(&out->dir, floor);
	return rc < 0 ? rc : set_limits(limits, out);
}

int cgroup_make(int home, const struct cgroup_limits *limits, int floor, struct plan_cgroup *out)
{
	*out = (struct plan_cgroup){ .home = -1, .dir = -1 };
	int rc = make(home, limits, floor, out);

	if (rc < 0) {
		if (out->name[0])
			SYS(SYS_unlinkat, home, out->name, AT_REMOVEDIR);
		cgroup_fini(out, false);
	}
	return rc;
}

void cgroup_fini(struct plan_cgroup *cgroup, bool remove)
{
	if (remove && cgroup->name[0])
		SYS(SYS_unlinkat, cgroup->home, cgroup->name, AT_REMOVEDIR);
	fd_close(&cgroup->home);
	fd_close(&cgroup->dir);
	cgroup->name[0] = '\0';
}
