/* Profile files: where they are, whether they can be trusted, and reading them. */
#include "run/profile.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"
#include "policy/netpresets.h"
#include "policy/presets.h"

#define SUFFIX ".toml"
#define PATH_LIMIT 8192

static int no_memory(struct error *err)
{
	return error_set(err, ERR_MEMORY, -ENOMEM, "out of memory");
}

/* --- where ------------------------------------------------------------------------------------------------------- */

/* Absolute and more than slashes. */
static bool is_folder_name(const char *path)
{
	return path && path[0] == '/' && path[strspn(path, "/")] != '\0';
}

#define PASSWD_BUFFER 16384

static int passwd_home(char **out)
{
	AUTO(free) char *buf = mem_alloc(PASSWD_BUFFER);
	struct passwd entry;
	struct passwd *found = NULL;

	if (!buf)
		return -ENOMEM;
	if (getpwuid_r(getuid(), &entry, buf, PASSWD_BUFFER, &found) != 0 || !found || !is_folder_name(found->pw_dir))
		return -ENOENT;
	*out = mem_strdup(found->pw_dir);
	return *out ? 0 : -ENOMEM;
}

int profile_home(char **out, struct error *err)
{
	const char *home = getenv("HOME");
	int rc;

	if (is_folder_name(home)) {
		*out = mem_strdup(home);
		rc = *out ? 0 : -ENOMEM;
	} else {
		rc = passwd_home(out);
	}
	if (rc == -ENOMEM)
		return no_memory(err);
	if (rc < 0)
		return error_set(err, ERR_IO, rc, "your home directory is not known: HOME is not set to an absolute path and "
				 "the user database has no entry for you");
	return 0;
}

/* The folder that configuration of all programs is below. */
static int config_root(char **out, struct error *err)
{
	AUTO(str) struct str root = STR(PATH_LIMIT);
	AUTO(free) char *home = NULL;
	const char *xdg = getenv("XDG_CONFIG_HOME");

	if (is_folder_name(xdg)) {
		str_add(&root, xdg);
	} else {
		int rc = profile_home(&home, err);
		if (rc < 0)
			return rc;
		str_addf(&root, "%s/.config", home);
	}
	*out = str_take(&root);
	if (*out)
		return 0;
	if (root.rc != -ENOSPC)
		return no_memory(err);
	return error_set(err, ERR_IO, -ENAMETOOLONG, "the path of your configuration folder is too long");
}

static int join(char **out, struct error *err, const char *a, const char *b, const char *c)
{
	AUTO(str) struct str path = STR(PATH_LIMIT + 512);

	str_add(&path, a);
	str_add(&path, b);
	str_add(&path, c);
	*out = str_take(&path);
	return *out ? 0 : no_memory(err);
}

int profile_dir(char **out, struct error *err)
{
	AUTO(free) char *root = NULL;

	int rc = config_root(&root, err);
	return rc < 0 ? rc : join(out, err, root, "/sandlock/profiles", "");
}

int profile_check_name(const char *name, struct error *err)
{
	AUTO(str) struct str shown = STR(1024);
	size_t len = strlen(name);
	bool bad = len == 0 || len > PROFILE_NAME_MAX || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		bad |= c <= 0x20 || c == 0x7f || c == '/';
	}
	if (!bad)
		return 0;
	str_add_quoted(&shown, name, len < PROFILE_NAME_MAX ? len : PROFILE_NAME_MAX);
	return error_set(err, ERR_USAGE, -EINVAL, "'%s' is no profile name: it has 1 to %d bytes without '/', spaces and "
			 "control characters, and is not '.' or '..'", shown.buf ? shown.buf : "", PROFILE_NAME_MAX);
}

int profile_path(const char *name, char **out, struct error *err)
{
	AUTO(free) char *dir = NULL;
	AUTO(free) char *base = NULL;

	int rc = profile_check_name(name, err);
	if (rc == 0)
		rc = profile_dir(&dir, err);
	if (rc == 0)
		rc = join(&base, err, "/", name, SUFFIX);
	return rc < 0 ? rc : join(out, err, dir, base, "");
}

/* --- trust ------------------------------------------------------------------------------------------------------- */

enum trust {
	TRUST_FILE,             /* a regular file that only the user and root can change */
	TRUST_FOLDER,           /* the same of a folder */
	TRUST_SHARED_FOLDER,    /* or one with the sticky bit, such as /tmp */
};

static int check_mode(const struct stat *st, enum trust want, const char *path, struct error *err)
{
	const char *what = want == TRUST_FILE ? "file" : "folder";
	bool shared = want == TRUST_SHARED_FOLDER && (st->st_mode & S_ISVTX);

	if (want == TRUST_FILE && !S_ISREG(st->st_mode))
		return error_set(err, ERR_IO, -EINVAL, "'%s' is not a regular file, so it cannot be a profile", path);
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return error_set(err, ERR_IO, -EPERM, "the %s '%s' belongs to user %u: a profile that is not yours or root's "
				 "is refused", what, path, (unsigned)st->st_uid);
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) && !shared)
		return error_set(err, ERR_IO, -EPERM, "the %s '%s' can be written by others (mode %04o), who could change "
				 "the profile: chmod go-w '%s'", what, path, (unsigned)(st->st_mode & 07777), path);
	return 0;
}

static int fstat_fd(int fd, struct stat *st)
{
	return (int)SYS(SYS_fstat, fd, st);
}

/* Opens one component and judges it. `path` is its whole path, for messages. A FIFO does not block: it is refused. */
static int open_trusted(int dirfd, const char *component, enum trust want, const char *path, struct error *err)
{
	int flags = want == TRUST_FILE ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_RDONLY | O_DIRECTORY;
	AUTO(fd) int fd = sys_openat(dirfd, component, flags | O_CLOEXEC, 0);
	struct stat st;

	if (fd == -ENOENT)
		return error_set(err, ERR_IO, fd, "there is no '%s'", path);
	if (fd < 0)
		return error_set(err, ERR_IO, fd, "cannot open '%s': %s", path, error_text(fd));
	int rc = fstat_fd(fd, &st);
	if (rc < 0)
		return error_set(err, ERR_IO, rc, "cannot look at '%s': %s", path, error_text(rc));
	rc = check_mode(&st, want, path, err);
	return rc < 0 ? rc : take_fd(&fd);
}

/* Opens the profile folder, judging each folder from the configuration folder down. */
static int open_profile_dir(struct error *err)
{
	static const char *const steps[] = { "sandlock", "profiles" };
	AUTO(free) char *path = NULL;

	int rc = config_root(&path, err);
	if (rc < 0)
		return rc;
	AUTO(fd) int dir = open_trusted(AT_FDCWD, path, TRUST_FOLDER, path, err);
	for (size_t i = 0; dir >= 0 && i < ARRAY_SIZE(steps); i++) {
		char *longer = NULL;

		rc = join(&longer, err, path, "/", steps[i]);
		if (rc < 0)
			return rc;
		mem_free(path);
		path = longer;
		int next = open_trusted(dir, steps[i], TRUST_FOLDER, path, err);
		fd_close(&dir);
		dir = next;
	}
	return dir < 0 ? dir : take_fd(&dir);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static int read_text(int fd, const char *path, char **out, size_t *len, struct error *err)
{
	int rc = fd_slurp(fd, PROFILE_SIZE_MAX, out, len);

	if (rc == -EFBIG)
		return error_set(err, ERR_IO, rc, "'%s' is larger than %zu bytes, too large for a profile", path,
				 PROFILE_SIZE_MAX);
	if (rc < 0)
		return error_set(err, ERR_IO, rc, "cannot read '%s': %s", path, error_text(rc));
	return 0;
}

/* Where a profile's file is: the path for messages, the folder and the name in it. */
struct place {
	char *path;
	char *base;
	int dir;
};

static void auto_place(struct place *at)
{
	mem_free(at->path);
	mem_free(at->base);
	fd_close(&at->dir);
}

static int no_profile(const char *name, const struct place *at, struct error *err)
{
	struct view word = view_of(name);

	if (preset_by_name(word) || net_preset_by_name(word))
		return error_set(err, ERR_IO, -ENOENT, "there is no profile '%s'; it is a preset: --%spreset %s", name,
				 preset_by_name(word) ? "" : "net-", name);
	return error_set(err, ERR_IO, -ENOENT, "there is no profile '%s': '%s' does not exist; see sandlock profile list", name,
			 at->path);
}

static int find_place(const char *name, struct place *at, struct error *err)
{
	struct error inner = { 0 };
	int rc = profile_path(name, &at->path, err);

	if (rc == 0)
		rc = join(&at->base, err, name, SUFFIX, "");
	if (rc < 0)
		return rc;
	at->dir = open_profile_dir(&inner);
	if (at->dir == -ENOENT)
		return no_profile(name, at, err);
	return at->dir < 0 ? error_set(err, inner.kind, at->dir, "%s", inner.text) : 0;
}

int profile_read(const char *name, char **out, size_t *len, struct error *err)
{
	AUTO(place) struct place at = { .dir = -1 };
	struct error inner = { 0 };
	int rc = find_place(name, &at, err);

	if (rc < 0)
		return rc;
	AUTO(fd) int fd = open_trusted(at.dir, at.base, TRUST_FILE, at.path, &inner);
	if (fd == -ENOENT)
		return no_profile(name, &at, err);
	if (fd < 0)
		return error_set(err, inner.kind, fd, "%s", inner.text);
	return read_text(fd, at.path, out, len, err);
}

/* ${HOME} in the profile's paths; without a known home such a path is refused where it stands. */
static int give_home(struct policy *p, struct error *err)
{
	if (p->home)
		return 0;
	int rc = profile_home(&p->home, NULL);
	return rc == -ENOMEM ? no_memory(err) : 0;
}

int profile_load(struct policy *p, const char *name, struct error *err)
{
	AUTO(free) char *text = NULL;
	AUTO(free) char *base = NULL;
	size_t len = 0;

	int rc = profile_read(name, &text, &len, err);
	if (rc == 0)
		rc = join(&base, err, name, SUFFIX, "");
	if (rc == 0)
		rc = give_home(p, err);
	return rc < 0 ? rc : policy_load(p, text, len, base, err);
}

/* The folder of a path: what is before its last '/', "/" or ".". */
static int folder_of(const char *path, char **out, struct error *err)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (!slash)
		*out = mem_strdup(".");
	else
		*out = len ? mem_strndup(path, len) : mem_strdup("/");
	return *out ? 0 : no_memory(err);
}

int profile_load_file(struct policy *p, const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/');
	AUTO(free) char *folder = NULL;
	AUTO(free) char *text = NULL;
	size_t len = 0;

	int rc = folder_of(path, &folder, err);
	if (rc < 0)
		return rc;
	AUTO(fd) int dir = open_trusted(AT_FDCWD, folder, TRUST_SHARED_FOLDER, folder, err);
	if (dir < 0)
		return dir;
	AUTO(fd) int fd = open_trusted(dir, slash ? slash + 1 : path, TRUST_FILE, path, err);
	if (fd < 0)
		return fd;

	rc = read_text(fd, path, &text, &len, err);
	if (rc == 0)
		rc = give_home(p, err);
	return rc < 0 ? rc : policy_load(p, text, len, path, err);
}
