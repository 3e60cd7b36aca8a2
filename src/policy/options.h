/*
 * THE option table. The command line, the profile reader, the C API, the printout, the man page, the completions and
 * the docs all read it; adding an option is adding a row and its use.
 */
#ifndef POLICY_OPTIONS_H
#define POLICY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"

enum option_type {
	OPT_FLAG,       /* bool */
	OPT_COUNT,      /* uint64_t, a whole number */
	OPT_SIZE,       /* uint64_t, bytes: 123, 10K, 512M, 2G */
	OPT_DURATION,   /* uint64_t, nanoseconds: seconds, or 500ms, 10s, 5m, 2h */
	OPT_PERCENT,    /* uint64_t, 1..100 */
	OPT_TEXT,       /* char * */
	OPT_PATH,       /* char *, ${HOME} expanded when it comes from a profile */
	OPT_LIST,       /* struct words */
	OPT_PATHS,      /* struct words, ${HOME} expanded when they come from a profile */
	OPT_NUMBERS,    /* struct words: "0,2" on the command line, [0, 2] in a profile */
	OPT_PORTS,      /* struct words: port grammar */
	OPT_NET,        /* struct words: network rules, see netrules.h */
	OPT_ENV,        /* struct words: NAME=value; a table in a profile */
	OPT_USER,       /* uid and gid: UID:GID */
	OPT_ID,         /* uint32_t: one of program.uid, program.gid; profile only */
	OPT_TYPE_MAX
};

enum option_flags {
	OPTION_PROFILE_ONLY = 1,        /* no flag on the command line */
	OPTION_CLI_ONLY = 2,            /* no key in a profile (kept in the table for help and docs) */
	OPTION_NEEDS_SUPERVISOR = 4,    /* refused together with no_supervisor */
	OPTION_HIDDEN = 8,              /* an older spelling that is still understood */
};

struct option_row {
	const char *flag;               /* "fs-read", without dashes; NULL if OPTION_PROFILE_ONLY */
	char short_flag;                /* 'r' or 0 */
	const char *key;                /* "filesystem.read"; root keys have no dot ("bare") */
	const char *flat_key;           /* the older flat profile's name, or NULL */
	enum option_type type;
	size_t offset;                  /* of the field in struct policy */
	unsigned flags;
	const char *conflicts;          /* keys that exclude this one, space separated, or NULL */
	const char *group;              /* heading in the help and the man page */
	const char *metavar;            /* "PATH", or NULL for flags */
	const char *help;               /* one line, lower case, no full stop */
	const char *more;               /* a paragraph for the man page, or NULL */
	const char *default_text;       /* for the docs, or NULL */
	uint64_t min;                   /* of a number */
	uint64_t max;                   /* of a number; 0: what the type can hold */
	/* Judges one value of this row beyond its type. May leave err alone: the type's own sentence is used then. */
	int (*check)(struct view value, const char *origin, struct error *err);
	/* Hidden rows: the value in today's words ("443" of --net-connect is ":443"). NULL: as it is. */
	void (*rewrite)(struct view value, struct str *out);
};

extern const struct option_row option_rows[];
extern const size_t option_count;

const struct option_row *option_by_key(const char *key);
const struct option_row *option_by_flat(const char *flat_key);

/* The row that a hidden row is an older spelling of; any other row is its own. */
const struct option_row *option_canonical(const struct option_row *row);

bool option_is_list(const struct option_row *row);
const char *option_type_name(enum option_type type);    /* "flag", "count", ... */

/* A flag, key or flat key of the larger design that this release does not have yet: refused as such, not as unknown. */
bool option_is_planned(const char *name);

/* The nearest known key, for "did you mean"; NULL when none is near. */
const char *option_nearest_key(const char *key);
const char *option_nearest_flat(const char *flat_key);

/* One step of such a search: `candidate` (may be NULL) if it is near `word` and nearer than *distance, else `best`. */
const char *option_nearer(const char *word, const char *candidate, const char *best, size_t *distance);

/* For a word that is none of the names: "did you mean 'npm'?" where one is near, else "there are: npm, yarn". */
void option_add_choice(struct str *out, struct view word, const char *(*name_at)(size_t index), size_t count);

#endif
