/* What the attempts share: paths in the two directories, and the meaning of a raw result. */
#ifndef PROBES_ATTEMPT_H
#define PROBES_ATTEMPT_H

#include <limits.h>
#include <stddef.h>

#include "base/mem.h"
#include "base/sys.h"
#include "probes.h"

#define ATTEMPT_UNAVAILABLE 1
#define NAME_COMPOSED "caf\xc3\xa9"
#define NAME_DECOMPOSED "cafe\xcc\x81"
#define CANARY_TEXT "the canary still sings\n"

/* The groups of cases; each file has one, probes.c joins them. */
struct probe_group {
	const struct probe_case *cases;
	size_t len;
};
extern const struct probe_group file_probes, metadata_probes, proc_probes, call_probes, process_probes, net_probes,
	limit_probes, race_probes, code_probes, slow_probes, destination_probes, flip_probes, unix_probes;

#define PROBE_GROUP(group, table) const struct probe_group group = { (table), ARRAY_SIZE(table) }

struct path {
	char at[PATH_MAX];
};

struct path in_secret(const struct probe_args *args, const char *name);
struct path in_scratch(const struct probe_args *args, const char *name);

/* 0 when rc >= 0 (it worked), else rc, which is -errno. */
int attempt_result(long rc);

/* 0 when a call with invalid arguments came as far as the kernel's own checks; -errno when it was refused before. */
int attempt_reached(long rc);

/* Does `fd` (an own descriptor or -errno; it is closed) give the canary's text? 0 or -errno. */
int attempt_read(long fd);

/* Opens `path` and reads the canary from it. */
int attempt_open_read(const char *path);

/* Starts `argv` (argv[0] is a path; fd: instead of the path when it is not -1). 0 when the new image was entered. */
int attempt_exec(int fd, const char *const *argv);

#endif
