/*
 * From the user's words to pinned objects: grants with descriptors, the program that is meant, the installation that it
 * belongs to, and, when exec failed, which file of the chain was missing or not granted.
 */
#ifndef RUN_RESOLVE_H
#define RUN_RESOLVE_H

#include "base/err.h"
#include "policy/grants.h"
#include "policy/policy.h"

/* Everything that the frozen policy grants by itself (lists, presets, gpu). A missing path that the user typed is an
 * ERR_POLICY error naming it and the option; a missing preset path is skipped. Device nodes in presets are taken only
 * with the device number that they should have. */
int resolve_grants(const struct policy *p, struct grants *out, struct error *err);

struct program {
	char *path;             /* what is executed: absolute, or relative as typed when it has a '/' */
	int cwd_fd;             /* O_PATH on the child's directory; -1: the host's current one */
	struct grants extra;    /* the program and its installation: what naming it grants; empty if all is granted */
};

void program_fini(struct program *prog);

/*
 * Finds argv0 as execvp would, in the PATH of `envp` and from the directory `cwd` (NULL: the current one). Adds to
 * `extra` what the program needs beyond `have`: itself, the interpreter of a script, the ELF loader, and read-only the
 * installation that it belongs to (venv, pyenv, nvm, rustup, conda, Go tree, PREFIX/bin/x beside PREFIX/lib), never a
 * home directory or "/". ERR_NOT_FOUND or ERR_NOT_EXEC with a sentence otherwise.
 */
int resolve_program(const struct policy *p, const struct grants *have, const char *argv0, const char *const *envp,
		    const char *cwd, struct program *out, struct error *err);

/* Why exec of `path` gave `errnum` under these grants: fills err (ERR_NOT_FOUND or ERR_NOT_EXEC) with the file of the
 * chain that is missing or not granted and the option that grants it; returns -errnum. */
int explain_exec(const struct grants *have, const struct grants *extra, const char *path, int cwd_fd, int errnum,
		 struct error *err);

#endif
