/*
 * The directory tree that a program belongs to. A program in ROOT/bin (or ROOT/shims) is recognised by what lies beside
 * it; one row a kind. Where a tree holds things that are nobody's business (a cargo home has registry tokens), the row
 * names the parts that are granted.
 */
#include "run/installation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sys.h"
#include "run/pin.h"

#define HOPS_MAX 16             /* symbolic links followed from a program's name */
#define CONFIG_MAX 65536        /* bytes of a pyvenv.cfg */
#define INSTALLED (ACCESS_READ | ACCESS_EXEC)

struct tree {
	const struct installation_ask *ask;
	const char *root;               /* canonical */
	const char *kind;
	struct grants *out;
	int depth;                      /* of environments based on others */
};

static int venv_base(const struct tree *tree);
static int rustup_home(const struct tree *tree);

static const char *const prefix_parts[] = { "bin", "sbin", "lib", "lib32", "lib64", "libexec", "share", "include", NULL };
static const char *const cargo_parts[] = { "bin", "registry", "git", NULL };

static const struct kind {
	const char *name;
	const char *place;              /* the folder of ROOT that the program is in */
	const char *beside[2];          /* what ROOT must have */
	const char *const *parts;       /* what of ROOT is granted; NULL: all */
	int (*also)(const struct tree *tree);
} kinds[] = {
	{ "virtual environment", "bin", { "pyvenv.cfg" }, NULL, venv_base },
	{ "conda", "bin", { "conda-meta" }, NULL, NULL },
	{ "pyenv", "shims", { "libexec/pyenv", "versions" }, NULL, NULL },
	{ "rbenv", "shims", { "libexec/rbenv", "versions" }, NULL, NULL },
	{ "nodenv", "shims", { "libexec/nodenv", "versions" }, NULL, NULL },
	{ "goenv", "shims", { "libexec/goenv", "versions" }, NULL, NULL },
	{ "rustup", "bin", { "bin/rustup", "bin/cargo" }, cargo_parts, rustup_home },
	{ "Go tree", "bin", { "src/runtime", "pkg" }, NULL, NULL },
	{ "Node tree", "bin", { "bin/node", "lib/node_modules" }, prefix_parts, NULL },
	{ "its prefix", "bin", { "lib" }, prefix_parts, NULL },
	{ "its prefix", "sbin", { "lib" }, prefix_parts, NULL },
};

/* Roots of the system: what lies there is the distribution's, and a preset or the user grants it or nobody does. */
static const char *const system_roots[] = {
	"/", "/usr", "/usr/local", "/opt", "/home", "/root", "/tmp", "/var", "/var/tmp", "/srv", "/mnt", "/media", "/etc",
	"/proc", "/sys", "/dev", "/run", "/boot", "/snap",
};

/* A home directory, one above it, or a place where homes are. */
static bool is_near_home(const char *root, const char *home)
{
	char canonical[PATH_SIZE];

	if (!home || home[0] != '/' || path_canonical(AT_FDCWD, home, canonical) < 0)
		return false;
	return path_is_beneath(canonical, root);
}

static bool may_grant(const struct installation_ask *ask, const char *root)
{
	static const char homes[] = "/home/";

	for (size_t i = 0; i < ARRAY_SIZE(system_roots); i++)
		if (strcmp(root, system_roots[i]) == 0)
			return false;
	if (strncmp(root, homes, sizeof homes - 1) == 0 && !strchr(root + sizeof homes - 1, '/'))
		return false;           /* somebody else's home */
	return !is_near_home(root, ask->home) && !is_near_home(root, getenv("HOME"));
}

static bool exists(const char *dir, const char *name)
{
	AUTO(free) char *path = NULL;
	struct stat st;

	return path_join(dir, name, &path) == 0 && stat(path, &st) == 0;
}

static int grant_path(const struct tree *tree, const char *path)
{
	AUTO(str) struct str origin = STR(600);

	str_addf(&origin, "the installation of %s (%s)", tree->ask->program, tree->kind);
	if (origin.rc < 0)
		return -ENOMEM;
	return pin_optional(path, INSTALLED, origin.buf, tree->ask->have, tree->out);
}

static int grant_parts(const struct tree *tree, const char *const *parts)
{
	if (!parts)
		return grant_path(tree, tree->root);
	for (; *parts; parts++) {
		AUTO(free) char *path = NULL;
		int rc = path_join(tree->root, *parts, &path);

		/* ~/.local/share and its like are data of the user's other programs */
		if (rc == 0 && path_base(tree->root)[0] == '.' && strcmp(*parts, "share") == 0)
			continue;
		if (rc == 0)
			rc = grant_path(tree, path);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Looks at the tree of a program at `place`/x, where `place` is canonical. 0 or -ENOMEM. */
static int recognise(const struct installation_ask *ask, const char *place, int depth, struct grants *out)
{
	char root[PATH_SIZE];
	const char *folder = path_base(place);

	memcpy(root, place, strlen(place) + 1);
	if (!path_cut(root) || !may_grant(ask, root))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct kind *kind = &kinds[i];
		struct tree tree = { .ask = ask, .root = root, .kind = kind->name, .out = out, .depth = depth };

		if (strcmp(folder, kind->place) != 0 || !exists(root, kind->beside[0]))
			continue;
		if (kind->beside[1] && !exists(root, kind->beside[1]))
			continue;
		int rc = grant_parts(&tree, kind->parts);
		return rc == 0 && kind->also ? kind->also(&tree) : rc;
	}
	return 0;
}

/* The value of "home" in pyvenv.cfg: the bin folder of the Python that the environment is made from. */
static int read_venv_home(const struct tree *tree, char *out)
{
	AUTO(free) char *path = NULL;
	AUTO(free) char *text = NULL;
	size_t len;
	int rc = path_join(tree->root, "pyvenv.cfg", &path);

	if (rc < 0)
		return rc;
	AUTO(fd) int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
	rc = fd < 0 ? fd : fd_slurp(fd, CONFIG_MAX, &text, &len);
	if (rc < 0)
		return rc;
	struct view rest = { text, strlen(text) };
	bool more = true;

	while (more) {
		struct view line = view_cut(&rest, '\n', &more);
		bool has_value;
		struct view key = view_trim(view_cut(&line, '=', &has_value));
		struct view value = view_trim(line);

		if (!has_value || !view_is(key, "home") || value.len == 0 || value.len >= PATH_SIZE || value.ptr[0] != '/')
			continue;
		memcpy(out, value.ptr, value.len);
		out[value.len] = '\0';
		return 0;
	}
	return -ENOENT;
}

static int venv_base(const struct tree *tree)
{
	char home[PATH_SIZE];
	char place[PATH_SIZE];
	int rc = read_venv_home(tree, home);

	if (rc == 0)
		rc = path_canonical(AT_FDCWD, home, place);
	if (rc == 0 && tree->depth < 4)
		return recognise(tree->ask, place, tree->depth + 1, tree->out);
	return rc == -ENOMEM ? rc : 0;
}

/* The proxies of ~/.cargo/bin start what is in the toolchains: RUSTUP_HOME, else .rustup beside the cargo home. */
static int rustup_home(const struct tree *tree)
{
	AUTO(free) char *path = NULL;
	const char *given = tree->ask->rustup_home;
	int rc = given && given[0] == '/' ? path_join("/", given, &path) : path_join(tree->root, "../.rustup", &path);
	char canonical[PATH_SIZE];

	if (rc == 0)
		rc = path_canonical(AT_FDCWD, path, canonical);
	if (rc == 0 && exists(canonical, "toolchains") && may_grant(tree->ask, canonical))
		return grant_path(tree, canonical);
	return rc == -ENOMEM ? rc : 0;
}

/* The next name when `at` is a symbolic link. 1: there is one; 0: not a link; -errno. */
static int follow(char *at)
{
	char target[PATH_SIZE];
	AUTO(free) char *next = NULL;
	ssize_t len = sys_readlinkat(AT_FDCWD, at, target, sizeof target);

	if (len < 0 || len >= PATH_SIZE)
		return len == -ENOMEM ? -ENOMEM : 0;
	target[len] = '\0';
	path_cut(at);
	int rc = path_join(at, target, &next);
	if (rc < 0 || strlen(next) >= PATH_SIZE)
		return rc < 0 ? rc : 0;
	memcpy(at, next, strlen(next) + 1);
	return 1;
}

/* The folder of what has this name already; a pipe has none. */
static int place_of(const char *canonical, char *place)
{
	memcpy(place, canonical, strlen(canonical) + 1);
	return path_cut(place) ? 0 : -ENOENT;
}

int installation_grant(const struct installation_ask *ask, const char *path, const char *canonical, struct grants *out)
{
	char at[PATH_SIZE];

	if (strlen(path) >= sizeof at)
		return 0;
	memcpy(at, path, strlen(path) + 1);
	for (int hop = 0; hop < HOPS_MAX; hop++) {
		char place[PATH_SIZE];
		char folder[PATH_SIZE];

		memcpy(folder, at, strlen(at) + 1);
		path_cut(folder);
		int more = follow(at);
		if (more < 0)
			return more;
		int rc = more ? path_canonical(AT_FDCWD, folder, place) : place_of(canonical, place);
		if (rc == 0)
			rc = recognise(ask, place, 0, out);
		if (rc == -ENOMEM || !more)
			return rc == -ENOMEM ? rc : 0;
	}
	return 0;
}
