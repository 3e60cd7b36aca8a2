/*
 * The command line as rows: a command lists its own options, the policy's come from the library's table, and one loop
 * parses both. It knows spelling, not meaning.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <sandlock/sandlock.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum arg_takes {
	ARG_NONE,       /* the field is a bool */
	ARG_VALUE,      /* the field is a const char * */
	ARG_MAYBE,      /* the same; the value only as --flag=VALUE, "" without one */
};

/* An option of a command itself, stored at `offset` of the command's request struct. */
struct arg_option {
	const char *flag;       /* "profile", without dashes */
	char letter;            /* 'p' or 0 */
	enum arg_takes takes;
	size_t offset;
	const char *metavar;    /* "NAME" or NULL */
	const char *complete;   /* "file", "profile", "a b c" as literal words, or NULL */
	const char *help;       /* one line */
};

/* Every request struct starts with these. */
struct arg_common {
	bool help;
	bool version;
};

/* Every command's option list ends with these rows. */
#define ARG_COMMON_ROWS                                                                                          \
	{ "help", 'h', ARG_NONE, offsetof(struct arg_common, help), NULL, NULL, "print this help" },             \
	{ "version", 'V', ARG_NONE, offsetof(struct arg_common, version), NULL, NULL, "print the version" }

struct command {
	const char *name;
	const char *synopsis;   /* what follows the name */
	const char *summary;    /* one line */
	const char *text;       /* paragraphs for its help, or NULL */
	const struct arg_option *options;
	size_t option_count;
	bool takes_policy;      /* every option of the library's table too */
	bool hidden;            /* not in the list of commands */
	/* argv[0] is the command's name. Returns the exit code. */
	int (*run)(const struct command *self, const char *const *argv);
};

struct arg {
	const struct arg_option *own;   /* NULL: the policy's option `index` */
	size_t index;
	char name[80];                  /* "--fs-read", whichever way it was typed */
	const char *value;              /* NULL without one */
};

struct args {
	const struct command *command;
	const char *const *argv;        /* NULL-terminated */
	size_t at;                      /* the next word */
	size_t letter;                  /* position in a group of short options; 0: at a word's start */
};

/* Stores the command's own options in *request and only checks the spelling of the policy's. The index of the first word
 * after the options, or -EINVAL. */
int args_read(const struct command *command, const char *const *argv, void *request, struct error *err);

/* Applies the policy's options to a policy, in their order. 0 or the library's error. */
int args_apply(const struct command *command, const char *const *argv, sandlock_policy *policy, sandlock_error **err);

/* The nearest of `count` words given by `get`, or NULL if none is near enough to be a slip. */
const char *args_nearest(const char *word, const char *(*get)(size_t index, const void *from), const void *from,
			 size_t count);

#endif
