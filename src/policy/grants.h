/*
 * Grants as the kernel will see them: canonical paths with rights and origins. run/resolve.c makes them from a frozen
 * policy; Landlock rules, the metadata check, the report and `why` all read this one list.
 */
#ifndef POLICY_GRANTS_H
#define POLICY_GRANTS_H

#include <stdbool.h>
#include <stddef.h>

enum access {
	ACCESS_READ = 1,        /* open for reading, list */
	ACCESS_WRITE = 2,       /* create, write, truncate, remove, rename, metadata */
	ACCESS_EXEC = 4,
	ACCESS_IOCTL = 8,       /* device ioctls on device nodes; implied by write on anything a user typed */
};

/* The origin of the grant that a policy without paths has; it is gone as soon as one is given. */
#define GRANT_CWD_ORIGIN "the current directory (no filesystem grant was given)"

struct grant {
	char *path;             /* canonical, absolute, no trailing slash but for "/" */
	size_t len;
	int fd;                 /* O_PATH on the object; -1 once the ruleset is built */
	bool is_dir;
	unsigned access;        /* of enum access */
	unsigned withheld;      /* of access: what Landlock is not told, because the supervisor looks after it */
	char *origin;           /* "--fs-read", "preset base", "the program itself", "web.toml:12" */
	char *typed;            /* the words that the user typed, where they differ from path; else NULL */
};

struct grants {
	struct grant *at;
	size_t len;
	size_t cap;
	bool own_proc;          /* also /proc/self of the first process, added by the child */
};

void grants_fini(struct grants *g);              /* closes and frees; a zeroed one is fine */
void grants_close(struct grants *g);             /* closes the descriptors only */

/* Takes fd. Same path: rights are joined and the first origin kept. 0 or -ENOMEM (fd is closed then). */
int grants_add_take(struct grants *g, const char *path, int fd, bool is_dir, unsigned access,
		    const char *origin, const char *typed);

/* The grant nearest to `path` (canonical, absolute bytes) that gives all of `access`, or NULL. Several grants may
 * together give it: then the nearest of them is returned. */
const struct grant *grants_find(const struct grants *g, const char *path, unsigned access);

/* The nearest grant that covers `path` with any right at all, or NULL: "granted for reading only". */
const struct grant *grants_nearest(const struct grants *g, const char *path);

/* True when the kernel was told all of `access` on `path`: what is withheld does not count. */
bool grants_told(const struct grants *g, const char *path, unsigned access);

/* True when `path` is `top` or lies beneath it. */
bool path_is_beneath(const char *path, const char *top);

#endif
