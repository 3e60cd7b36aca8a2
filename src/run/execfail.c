/*
 * Why exec failed. The kernel gives one number for four files: the program, its interpreter, the ELF loader and, a moment
 * later, the libraries. They are gone through in that order, and the first that is missing or not granted is named.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sys.h"
#include "policy/explain.h"
#include "run/image.h"
#include "run/libraries.h"
#include "run/pin.h"
#include "run/resolve.h"

#define SCRIPTS_MAX 5
#define EXECUTED (ACCESS_READ | ACCESS_EXEC)

struct chain {
	const struct grants *have;
	const struct grants *extra;
	int dirfd;
	int errnum;
	bool splits_exec;
	struct error *err;
};

/* One file of the chain. */
struct link {
	const char *path;       /* as written */
	const char *role;       /* "the program", "the interpreter of x.sh" */
	int depth;
	struct pin pin;
	struct image image;
};

/* A list of what may be executed was given when somebody's grant reads and does not execute; presets do so anyway. */
static bool exec_is_split(const struct grants *g)
{
	for (size_t i = 0; i < g->len; i++)
		if (g->at[i].is_dir && !(g->at[i].access & ACCESS_EXEC) && strncmp(g->at[i].origin, "preset ", 7) != 0)
			return true;
	return false;
}

static unsigned granted(const struct chain *chain, const char *path, unsigned access)
{
	unsigned got = 0;

	for (unsigned bit = ACCESS_READ; bit <= ACCESS_IOCTL; bit <<= 1)
		if ((access & bit) && (grants_find(chain->have, path, bit) ||
				       (chain->extra && grants_find(chain->extra, path, bit))))
			got |= bit;
	return got;
}

static int not_exec(const struct chain *chain, const struct link *link, const char *what)
{
	AUTO(str) struct str shown = STR(500);

	str_add_quoted(&shown, link->path, strlen(link->path));
	return error_set(chain->err, ERR_NOT_EXEC, -chain->errnum, "%s '%s' %s", link->role,
			 shown.rc == 0 ? shown.buf : "", what);
}

/* Names the file that no grant covers, and the option that would. */
static int not_granted(const struct chain *chain, const struct link *link, unsigned access)
{
	AUTO(str) struct str shown = STR(400);
	AUTO(str) struct str flag = STR(400);
	unsigned got = granted(chain, link->pin.path, access);
	const char *what = got == 0 ? "is not granted" : got & ACCESS_READ ? "is granted for reading, not for execution"
									   : "is not granted for reading";

	str_add_quoted(&shown, link->pin.path, strlen(link->pin.path));
	explain_flag(link->pin.path, access, chain->splits_exec, &flag);
	return error_set(chain->err, ERR_NOT_EXEC, -chain->errnum, "%s '%s' %s; add %s", link->role,
			 shown.rc == 0 ? shown.buf : "", what, flag.rc == 0 ? flag.buf : "-r with its folder");
}

static int not_there(const struct chain *chain, const struct link *link, int rc)
{
	AUTO(str) struct str shown = STR(500);
	bool program = link->depth == 0;

	str_add_quoted(&shown, link->path, strlen(link->path));
	if (rc == -ENOENT || rc == -ENOTDIR)
		return error_set(chain->err, program ? ERR_NOT_FOUND : ERR_NOT_EXEC, -chain->errnum,
				 "%s '%s' does not exist", link->role, shown.rc == 0 ? shown.buf : "");
	return error_set(chain->err, ERR_NOT_EXEC, -chain->errnum, "%s '%s' cannot be looked up: %s", link->role,
			 shown.rc == 0 ? shown.buf : "", error_text(rc));
}

/* Kind of file, mode and mount: 0 when these allow execution. */
static int check_object(const struct chain *chain, const struct link *link)
{
	struct statvfs fs;

	if (S_ISDIR(link->pin.st.st_mode))
		return not_exec(chain, link, "is a directory");
	if (!S_ISREG(link->pin.st.st_mode))
		return not_exec(chain, link, "is not a regular file");
	if (fstatvfs(link->pin.fd, &fs) == 0 && (fs.f_flag & ST_NOEXEC))
		return not_exec(chain, link, "is on a file system that is mounted noexec");
	if (SYS(SYS_faccessat, chain->dirfd, link->path, X_OK) == -EACCES)
		return not_exec(chain, link, "is not executable for this user; chmod +x allows it");
	return 0;
}

static int check_machine(const struct chain *chain, const struct link *link)
{
	const char *theirs = image_machine(link->image.machine);
	AUTO(str) struct str what = STR(128);

	str_addf(&what, "is a program for %s; this machine runs %s", theirs ? theirs : "another processor",
		 image_machine(image_native_machine()));
	return not_exec(chain, link, what.rc == 0 ? what.buf : "is a program for another processor");
}

/* The libraries of an object whose loader is in order. */
static int check_libraries(const struct chain *chain, struct link *link)
{
	struct library_fault fault = { 0 };
	struct library_ask ask = { .have = chain->have, .extra = chain->extra };
	int rc = libraries_check(&ask, link->pin.path, &fault);

	if (rc <= 0)
		return 0;               /* nothing amiss, or nothing to be said */
	AUTO(str) struct str shown = STR(300);
	AUTO(str) struct str by = STR(300);

	str_add_quoted(&shown, fault.name, strlen(fault.name));
	str_add_quoted(&by, path_base(fault.by), strlen(path_base(fault.by)));
	if (!fault.path[0])
		return error_set(chain->err, ERR_NOT_EXEC, -chain->errnum, "the library '%s' that '%s' needs is not there",
				 shown.rc == 0 ? shown.buf : "", by.rc == 0 ? by.buf : "");
	AUTO(str) struct str flag = STR(400);
	char folder[PATH_SIZE];

	memcpy(folder, fault.path, strlen(fault.path) + 1);
	path_cut(folder);
	explain_flag(folder, ACCESS_READ, chain->splits_exec, &flag);
	return error_set(chain->err, ERR_NOT_EXEC, -chain->errnum,
			 "the library '%s' that '%s' needs is not granted; add %s", shown.rc == 0 ? shown.buf : "",
			 by.rc == 0 ? by.buf : "", flag.rc == 0 ? flag.buf : "-r with its folder");
}

static int explain_link(const struct chain *chain, const char *path, const char *role, int depth);

/* The interpreter of a script, or the loader of a program. */
static int explain_next(const struct chain *chain, const struct link *link, const char *role)
{
	AUTO(str) struct str words = STR(400);
	const char *name = path_base(link->path);

	str_addf(&words, "the %s of '", role);
	str_add_quoted(&words, name, strnlen(name, 80));
	str_add(&words, "',");
	if (words.rc < 0)
		return words.rc;
	return explain_link(chain, link->image.interp, words.buf, link->depth + 1);
}

static int explain_image(const struct chain *chain, struct link *link)
{
	AUTO(fd) int fd = sys_openat(chain->dirfd, link->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);

	if (fd < 0 || image_read(fd, &link->image) < 0)
		return 0;               /* executable and not readable: what it holds cannot be told */
	fd_close(&fd);
	if (link->image.kind == IMAGE_EMPTY)
		return not_exec(chain, link, "is empty");
	if (link->image.kind == IMAGE_TEXT)
		return not_exec(chain, link, "is text without a #! line; the kernel does not know what runs it");
	if (link->image.kind == IMAGE_UNKNOWN)
		return not_exec(chain, link, "is in no format that the kernel runs, or damaged");
	if (link->image.kind == IMAGE_SCRIPT)
		return explain_next(chain, link, "interpreter");
	if (!link->image.native)
		return check_machine(chain, link);
	int rc = link->image.interp[0] ? explain_next(chain, link, "loader") : 0;
	return rc < 0 ? rc : check_libraries(chain, link);
}

static int explain_opened(const struct chain *chain, struct link *link)
{
	int rc = check_object(chain, link);

	if (rc == 0 && granted(chain, link->pin.path, EXECUTED) != EXECUTED)
		rc = not_granted(chain, link, EXECUTED);
	return rc < 0 ? rc : explain_image(chain, link);
}

/* 0 when nothing is wrong with this file and what it leads to; else the error is set. */
static int explain_link(const struct chain *chain, const char *path, const char *role, int depth)
{
	AUTO(free) void *memory = mem_alloc(sizeof(struct link));
	struct link *link = memory;

	if (!link)
		return error_set(chain->err, ERR_MEMORY, -ENOMEM, "no memory to find out why exec failed");
	*link = (struct link){ .path = path, .role = role, .depth = depth, .pin.fd = -1 };
	if (depth > SCRIPTS_MAX)
		return not_exec(chain, link, "is the interpreter of an interpreter too often for the kernel");
	int rc = pin_path(chain->dirfd, path, &link->pin);
	if (rc < 0)
		return not_there(chain, link, rc);
	rc = explain_opened(chain, link);
	pin_fini(&link->pin);
	return rc;
}

int explain_exec(const struct grants *have, const struct grants *extra, const char *path, int cwd_fd, int errnum,
		 struct error *err)
{
	struct chain chain = {
		.have = have,
		.extra = extra,
		.dirfd = cwd_fd >= 0 ? cwd_fd : AT_FDCWD,
		.errnum = errnum < 0 ? -errnum : errnum,
		.splits_exec = exec_is_split(have),
		.err = err,
	};
	int rc = explain_link(&chain, path, "the program", 0);

	if (rc < 0)
		return rc;
	return error_set(err, ERR_NOT_EXEC, -chain.errnum, "'%.500s' cannot be executed: %s", path,
			 error_text(-chain.errnum));
}
