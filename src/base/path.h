/* Paths as bytes: lexical clean-up, joining, and the name the kernel gives to an open descriptor. */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define PATH_SIZE 4096          /* the kernel's PATH_MAX, with its NUL */

/* True for an absolute path without "//", "/./", "/../" and trailing slash: one that says its components once each. */
bool path_is_clean(const char *path);

/* Joins, with one slash between; an absolute name stands alone. The result is the caller's. 0 or -ENOMEM. */
int path_join(const char *dir, const char *name, char **out);

/* Cuts the last component: "/a/b" becomes "/a", "/a" becomes "/", "a" becomes "." (room for two bytes is needed).
 * False when there was nothing to cut. */
bool path_cut(char *path);

/* What follows the last slash. */
const char *path_base(const char *path);

/* The canonical name of an open descriptor (O_PATH is enough) into buf of PATH_SIZE: absolute, without symbolic links.
 * -ENOENT when the object has no name in this process's view: removed, a pipe, out of the root. -errno when /proc
 * cannot say. */
int path_of_fd(int fd, char *buf);

/* The canonical name of the current directory, and without /proc: one system call. -ENOENT when it was removed or lies
 * out of the root. */
int path_of_cwd(char *buf);

/* The canonical name of a path, following all symbolic links: through a descriptor, or step by step where /proc is missing.
 * 0 or -errno. */
int path_canonical(int dirfd, const char *path, char *buf);

#endif
