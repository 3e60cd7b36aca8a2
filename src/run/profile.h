/* Profile files: where they are, whether they can be trusted, and reading them. */
#ifndef RUN_PROFILE_H
#define RUN_PROFILE_H

#include "base/err.h"
#include "policy/policy.h"

/* $XDG_CONFIG_HOME/sandlock/profiles if that variable is absolute, else $HOME/.config/sandlock/profiles (home of the
 * passwd entry where HOME is unset). *out is the caller's. */
int profile_dir(char **out, struct error *err);

/* 1 to 64 bytes, no '/', no NUL or control, not "." or "..". */
int profile_check_name(const char *name, struct error *err);

/* Read over p. The file and every folder from the profile folder down must belong to the user or root and be writable
 * by no one else; a symbolic link is judged by its target. At most 1 MiB. */
int profile_load(struct policy *p, const char *name, struct error *err);
int profile_load_file(struct policy *p, const char *path, struct error *err);

#endif
