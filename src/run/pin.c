/* One path of the user's or of a preset's, opened and named. */
#include "run/pin.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"

#define PIN_FLAGS (O_PATH | O_CLOEXEC)

void pin_fini(struct pin *pin)
{
	fd_close(&pin->fd);
}

/*
 * Most paths hold no symbolic link. The kernel can say so while it opens: then the words are the canonical name, and the
 * second system call that asks for it is saved. *canonical tells whether that was the case.
 */
static int open_path(int dirfd, const char *path, bool *canonical)
{
	static const struct open_how_v0 strict = { .flags = PIN_FLAGS, .resolve = RES_NO_SYMLINKS };

	*canonical = false;
	if (path_is_clean(path) && strlen(path) < PATH_SIZE) {
		int fd = sys_openat2(dirfd, path, &strict);

		if (fd >= 0 || fd == -ENOENT) {
			*canonical = fd >= 0;
			return fd;
		}
	}
	return sys_openat(dirfd, path, PIN_FLAGS, 0);
}

static int name_of(int dirfd, const char *path, struct pin *pin)
{
	int rc = path_of_fd(pin->fd, pin->path);

	if (rc == 0)
		return 0;
	pin->path[0] = '\0';
	if (rc == -ENOENT && pin->st.st_nlink > 0 && !S_ISDIR(pin->st.st_mode) && !S_ISREG(pin->st.st_mode))
		return 0;               /* a pipe or socket: it has no name, and Landlock leaves it alone */
	return path_canonical(dirfd, path, pin->path);
}

/* What the kernel appends to the name of a removed object. */
static bool is_deleted(const char *path)
{
	static const char mark[] = " (deleted)";
	size_t len = strlen(path);

	return len >= sizeof mark - 1 && strcmp(path + len - (sizeof mark - 1), mark) == 0;
}

int pin_path(int dirfd, const char *path, struct pin *out)
{
	bool canonical;
	AUTO(fd) int fd = open_path(dirfd, path, &canonical);

	if (fd < 0)
		return fd;
	int rc = (int)SYS(SYS_fstat, fd, &out->st);
	if (rc < 0)
		return rc;
	out->fd = fd;
	if (canonical)
		memcpy(out->path, path, strlen(path) + 1);
	else
		rc = name_of(dirfd, path, out);
	if (rc == 0 && out->st.st_nlink == 0 && is_deleted(out->path))
		rc = -ENOENT;
	if (rc < 0) {
		out->fd = -1;
		return rc;
	}
	take_fd(&fd);
	return 0;
}

int pin_grant(struct pin *pin, unsigned access, const char *origin, const char *typed, struct grants *out)
{
	if (!pin->path[0]) {
		pin_fini(pin);
		return 0;
	}
	if (typed && strcmp(typed, pin->path) == 0)
		typed = NULL;
	return grants_add_take(out, pin->path, take_fd(&pin->fd), S_ISDIR(pin->st.st_mode), access, origin, typed);
}

int pin_optional(const char *path, unsigned access, const char *origin, const struct grants *have,
		 struct grants *out)
{
	struct pin pin;
	int rc = pin_path(AT_FDCWD, path, &pin);

	if (rc == -ENOMEM)
		return rc;
	if (rc < 0)
		return 0;
	if ((have && grants_find(have, pin.path, access)) || grants_find(out, pin.path, access)) {
		pin_fini(&pin);
		return 0;
	}
	return pin_grant(&pin, access, origin, NULL, out);
}
