/*
 * The program that the user names: found as execvp would find it in the child's environment, followed through the
 * interpreters of scripts, and granted, together with its loader and its installation, by having been named.
 */
#include "run/resolve.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sys.h"
#include "run/image.h"
#include "run/installation.h"
#include "run/pin.h"

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"     /* where the child's environment has no PATH */
#define SCRIPTS_MAX 5           /* interpreters that are scripts themselves; the kernel follows five */
#define EXECUTED (ACCESS_READ | ACCESS_EXEC)

struct search {
	const struct grants *have;
	const char *const *envp;
	int dirfd;                      /* the child's directory, AT_FDCWD for the current one */
	const char *cwd;                /* absolute name of it */
	struct installation_ask ask;
	struct grants *out;
};

void program_fini(struct program *prog)
{
	mem_free(prog->path);
	fd_close(&prog->cwd_fd);
	grants_fini(&prog->extra);
	*prog = (struct program){ .cwd_fd = -1 };
}

static const char *env_value(const char *const *envp, const char *name)
{
	size_t len = strlen(name);

	for (; envp && *envp; envp++)
		if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=')
			return *envp + len + 1;
	return NULL;
}

/* --- finding --- */

/* 0 when the file could be executed as far as its mode says; -ENOENT, -EACCES (a directory too), ... */
static int check_file(int dirfd, const char *path)
{
	struct stat st;
	int rc = (int)SYS(SYS_faccessat, dirfd, path, X_OK);

	if (rc < 0)
		return rc;
	if (fstatat(dirfd, path, &st, 0) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : -EACCES;
}

/* Tries each folder of PATH; an empty one is the current directory. A file that may not be executed is remembered, and
 * the search goes on, as execvp's does. */
static int search_path(const struct search *search, const char *name, char **out)
{
	const char *path = env_value(search->envp, "PATH");
	struct view rest = view_of(path ? path : DEFAULT_PATH);
	int result = -ENOENT;
	bool more = true;

	while (more) {
		struct view folder = view_cut(&rest, ':', &more);
		AUTO(str) struct str full = STR((size_t)2 * PATH_SIZE);

		str_addn(&full, folder.len ? folder.ptr : ".", folder.len ? folder.len : 1);
		str_addc(&full, '/');
		str_add(&full, name);
		if (full.rc == -ENOMEM)
			return full.rc;
		int rc = full.rc < 0 ? full.rc : check_file(search->dirfd, full.buf);
		if (rc == 0) {
			*out = str_take(&full);
			return *out ? 0 : -ENOMEM;
		}
		if (rc == -ENOMEM)
			return rc;
		if (rc == -EACCES)
			result = rc;
	}
	return result;
}

static int find_program(const struct search *search, const char *name, char **out)
{
	if (!name[0])
		return -ENOENT;
	if (!strchr(name, '/'))
		return search_path(search, name, out);
	int rc = check_file(search->dirfd, name);
	if (rc < 0)
		return rc;
	*out = mem_strdup(name);
	return *out ? 0 : -ENOMEM;
}

static int refuse_program(const struct search *search, const char *name, int rc, struct error *err)
{
	AUTO(str) struct str shown = STR(512);
	struct stat st;

	str_add_quoted(&shown, name, strlen(name));
	const char *text = shown.rc == 0 && shown.len ? shown.buf : "";

	if (rc == -ENOMEM)
		return error_set(err, ERR_MEMORY, rc, "no memory to look for the program");
	if ((rc == -ENOENT || rc == -ENOTDIR) && !name[0])
		return error_set(err, ERR_NOT_FOUND, rc, "the name of the program is empty");
	if ((rc == -ENOENT || rc == -ENOTDIR) && !strchr(name, '/'))
		return error_set(err, ERR_NOT_FOUND, rc, "'%s' is in no folder of PATH%s", text,
				 check_file(search->dirfd, name) == 0 ? "; the one here is started as ./NAME" : "");
	if (rc == -ENOENT || rc == -ENOTDIR)
		return error_set(err, ERR_NOT_FOUND, rc, "'%s' does not exist", text);
	if (rc != -EACCES)
		return error_set(err, ERR_NOT_EXEC, rc, "'%s' cannot be looked up: %s", text, error_text(rc));
	if (strchr(name, '/') && fstatat(search->dirfd, name, &st, 0) == 0 && S_ISDIR(st.st_mode))
		return error_set(err, ERR_NOT_EXEC, rc, "'%s' is a directory, not a program", text);
	return error_set(err, ERR_NOT_EXEC, rc, "'%s' is not executable for this user; chmod +x allows it", text);
}

/* --- granting --- */

static int grant_file(const struct search *search, struct pin *pin, const char *origin)
{
	if (grants_find(search->have, pin->path, EXECUTED) || grants_find(search->out, pin->path, EXECUTED)) {
		pin_fini(pin);
		return 0;
	}
	return pin_grant(pin, EXECUTED, origin, NULL, search->out);
}

/* "/usr/bin/env [-S] [-u X] [NAME=value] python3 ...": the first word that is neither an option nor an assignment. */
static bool env_names(const struct image *image, char *out)
{
	struct view rest = view_of(image->arg);
	bool more = true;

	if (strcmp(path_base(image->interp), "env") != 0)
		return false;
	while (more) {
		struct view word = view_trim(view_cut(&rest, ' ', &more));

		if (word.len == 0 || word.ptr[0] == '-' || memchr(word.ptr, '=', word.len))
			continue;
		memcpy(out, word.ptr, word.len);
		out[word.len] = '\0';
		return true;
	}
	return false;
}

static int grant_step(const struct search *search, const char *path, const char *origin, struct image *image)
{
	AUTO(free) char *absolute = NULL;
	struct pin pin;
	int rc = path_join(search->cwd, path, &absolute);

	if (rc == 0)
		rc = pin_path(search->dirfd, path, &pin);
	if (rc < 0)
		return rc;
	bool regular = S_ISREG(pin.st.st_mode);
	rc = grant_file(search, &pin, origin);
	if (rc == 0)
		rc = installation_grant(&search->ask, absolute, pin.path, search->out);
	if (rc < 0 || !regular)
		return rc < 0 ? rc : -EACCES;
	AUTO(fd) int fd = sys_openat(search->dirfd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	return image_read(fd, image);
}

static int origin_of(const char *role, const char *path, char **out)
{
	AUTO(str) struct str origin = STR(PATH_SIZE + 64);

	str_addf(&origin, "the %s of %s", role, path_base(path));
	*out = str_take(&origin);
	return *out ? 0 : -ENOMEM;
}

static int grant_loader(const struct search *search, const char *path, const struct image *image)
{
	AUTO(free) char *origin = NULL;
	int rc = origin_of("loader", path, &origin);

	return rc < 0 ? rc : pin_optional(image->interp, EXECUTED, origin, search->have, search->out);
}

static int grant_chain(const struct search *search, const char *path, const char *origin, int depth);

/* A script: its interpreter, and what an interpreter called env goes on to start. */
static int grant_interpreter(const struct search *search, const char *path, const struct image *image, int depth)
{
	AUTO(free) char *origin = NULL;
	AUTO(free) char *started = NULL;
	char name[IMAGE_HEAD];
	int rc = origin_of("interpreter", path, &origin);

	if (rc == 0)
		rc = grant_chain(search, image->interp, origin, depth + 1);
	if (rc < 0 || !env_names(image, name))
		return rc;
	rc = find_program(search, name, &started);
	return rc < 0 ? rc : grant_chain(search, started, origin, depth + 1);
}

/* What cannot be opened or read is left to exec, whose failure is explained then. 0 or -ENOMEM. */
static int grant_chain(const struct search *search, const char *path, const char *origin, int depth)
{
	struct image *image;
	AUTO(free) void *memory = NULL;

	if (depth > SCRIPTS_MAX)
		return 0;
	image = memory = mem_alloc(sizeof *image);      /* too large for a stack that is used again in each step */
	if (!image)
		return -ENOMEM;
	int rc = grant_step(search, path, origin, image);
	if (rc == 0 && image->kind == IMAGE_ELF && image->interp[0])
		rc = grant_loader(search, path, image);
	else if (rc == 0 && image->kind == IMAGE_SCRIPT)
		rc = grant_interpreter(search, path, image, depth);
	return rc == -ENOMEM ? rc : 0;
}

/* --- whole --- */

static int open_cwd(const char *cwd, int *out, char *name, struct error *err)
{
	if (cwd) {
		int fd = sys_openat(AT_FDCWD, cwd, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

		if (fd < 0)
			return error_set(err, ERR_POLICY, fd, "the program cannot start in the folder '%s' (--cwd): %s", cwd,
					 error_text(fd));
		*out = fd;
	}
	int rc = cwd ? path_of_fd(*out, name) : path_of_cwd(name);
	if (rc < 0)
		memcpy(name, "/", 2);           /* a removed directory: relative names will not be found there */
	return rc == -ENOMEM ? error_set(err, ERR_MEMORY, rc, "no memory to look for the program") : 0;
}

int resolve_program(const struct policy *p, const struct grants *have, const char *argv0, const char *const *envp,
		    const char *cwd, struct program *out, struct error *err)
{
	struct program prog = { .cwd_fd = -1 };
	char cwd_name[PATH_SIZE];
	int rc = open_cwd(cwd, &prog.cwd_fd, cwd_name, err);

	if (rc < 0) {
		program_fini(&prog);
		return rc;
	}
	const char *home = env_value(envp, "HOME");
	struct search search = {
		.have = have,
		.envp = envp,
		.dirfd = prog.cwd_fd >= 0 ? prog.cwd_fd : AT_FDCWD,
		.cwd = cwd_name,
		.ask = { .home = home ? home : p->home, .rustup_home = env_value(envp, "RUSTUP_HOME"), .have = have,
			 .program = path_base(argv0) },
		.out = &prog.extra,
	};
	rc = find_program(&search, argv0, &prog.path);
	if (rc < 0)
		rc = refuse_program(&search, argv0, rc, err);
	else if (grant_chain(&search, prog.path, "the program itself", 0) < 0)
		rc = error_set(err, ERR_MEMORY, -ENOMEM, "no memory for what the program needs");
	if (rc < 0) {
		program_fini(&prog);
		return rc;
	}
	*out = prog;
	return 0;
}
