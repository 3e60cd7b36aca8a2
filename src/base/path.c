/* Paths as bytes: lexical clean-up, joining, and the name the kernel gives to an open descriptor. */
#include "base/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"

bool path_is_clean(const char *path)
{
	if (path[0] != '/')
		return false;
	if (path[1] == '\0')
		return true;
	for (const char *at = path; *at; ) {
		const char *name = at + 1;
		size_t len = strcspn(name, "/");

		if (len == 0 || (len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
			return false;
		at = name + len;
	}
	return true;
}

int path_join(const char *dir, const char *name, char **out)
{
	AUTO(str) struct str joined = STR((size_t)2 * PATH_SIZE + 2);

	if (name[0] != '/') {
		size_t len = strlen(dir);

		str_addn(&joined, dir, len);
		if (len == 0 || dir[len - 1] != '/')
			str_addc(&joined, '/');
	}
	str_add(&joined, name);
	if (joined.rc < 0)
		return joined.rc;
	*out = str_take(&joined);
	return *out ? 0 : -ENOMEM;
}

bool path_cut(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash) {
		bool cut = strcmp(path, ".") != 0;

		memcpy(path, ".", 2);
		return cut;
	}
	if (slash == path) {
		bool cut = path[1] != '\0';

		path[1] = '\0';
		return cut;
	}
	*slash = '\0';
	return true;
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "/proc/self/fd/N", without stdio: this stands on the path of every start. */
static void proc_name(char *buf, int fd)
{
	static const char prefix[] = "/proc/self/fd/";
	char digits[12];
	size_t len = 0;
	size_t at = sizeof prefix - 1;

	memcpy(buf, prefix, at);
	do {
		digits[len++] = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd > 0);
	while (len > 0)
		buf[at++] = digits[--len];
	buf[at] = '\0';
}

int path_of_fd(int fd, char *buf)
{
	char link[32];

	if (fd < 0)
		return -EBADF;
	proc_name(link, fd);
	ssize_t len = sys_readlinkat(AT_FDCWD, link, buf, PATH_SIZE);

	if (len < 0)
		return (int)len;
	if (len >= PATH_SIZE)
		return -ENAMETOOLONG;
	buf[len] = '\0';
	return buf[0] == '/' ? 0 : -ENOENT;      /* "pipe:[7]", "(unreachable)/x" */
}

int path_of_cwd(char *buf)
{
	int rc = (int)SYS(SYS_getcwd, buf, PATH_SIZE);

	if (rc < 0)
		return rc;
	return buf[0] == '/' ? 0 : -ENOENT;      /* "(unreachable)/x" */
}

int path_canonical(int dirfd, const char *path, char *buf)
{
	AUTO(fd) int fd = sys_openat(dirfd, path, O_PATH | O_CLOEXEC, 0);

	if (fd < 0)
		return fd;
	int rc = path_of_fd(fd, buf);
	if (rc == 0 || (dirfd != AT_FDCWD && path[0] != '/'))
		return rc;

	/* No /proc here: let libc walk the name, and take the walk only if it came to the same object. */
	AUTO(free) char *walked = realpath(path, NULL);
	struct stat by_fd, by_name;

	if (!walked || strlen(walked) >= PATH_SIZE)
		return rc;
	if (fstat(fd, &by_fd) < 0 || stat(walked, &by_name) < 0)
		return rc;
	if (by_fd.st_dev != by_name.st_dev || by_fd.st_ino != by_name.st_ino)
		return rc;
	memcpy(buf, walked, strlen(walked) + 1);
	return 0;
}
