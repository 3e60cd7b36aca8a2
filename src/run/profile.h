/*
 * Profile files: where they are, whether they can be trusted, and reading them.
 *
 * A profile decides what a hostile program may do, so one that somebody else can change is refused (-EPERM): the file
 * and the folders that lead to it from the configuration folder down ("~/.config", "sandlock", "profiles") must belong
 * to the user or to root and be writable by no one else. A symbolic link is judged by its target: whoever may write the
 * folder made the link.
 */
#ifndef RUN_PROFILE_H
#define RUN_PROFILE_H

#include <stddef.h>

#include "base/err.h"
#include "policy/policy.h"

#define PROFILE_SIZE_MAX ((size_t)1 << 20)
#define PROFILE_NAME_MAX 64

/* The home directory: $HOME if it is absolute and not only slashes, else the passwd entry of the real user. *out is the
 * caller's. -ENOENT when there is neither. */
int profile_home(char **out, struct error *err);

/* $XDG_CONFIG_HOME/sandlock/profiles if that variable is absolute, else .config/sandlock/profiles in the home
 * directory. It need not exist. *out is the caller's. */
int profile_dir(char **out, struct error *err);

/* 1 to 64 bytes, no '/', no space, no NUL or control, not "." or "..". */
int profile_check_name(const char *name, struct error *err);

/* The file of a profile, whether or not it is there. *out is the caller's. */
int profile_path(const char *name, char **out, struct error *err);

/* Read over p, as policy_load() does. Sets p->home first if it is NULL and a home directory is known. A file that is
 * named by its path must, like its folder, belong to the user or root; the folder may be one like /tmp, where others
 * cannot replace what is not theirs. */
int profile_load(struct policy *p, const char *name, struct error *err);
int profile_load_file(struct policy *p, const char *path, struct error *err);

/* The text of a profile, with the same checks, NUL-terminated. *out is the caller's. */
int profile_read(const char *name, char **out, size_t *len, struct error *err);

#endif
