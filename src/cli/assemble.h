/* From profile, options and defaults to a frozen policy: what `run` and `why` have in common. */
#ifndef CLI_ASSEMBLE_H
#define CLI_ASSEMBLE_H

#include "cli/args.h"

/* The part of a request that names a profile; after struct arg_common. */
struct arg_profile {
	const char *name;
	const char *file;
};

#define ARG_PROFILE_ROWS(type, field)                                                                            \
	{ "profile", 'p', ARG_VALUE, offsetof(type, field) + offsetof(struct arg_profile, name), "NAME",         \
	  "profile", "start from the profile NAME; see sandlock profile list" },                                 \
	{ "profile-file", 0, ARG_VALUE, offsetof(type, field) + offsetof(struct arg_profile, file), "FILE",      \
	  "file", "start from the profile in FILE" }

void auto_policy(sandlock_policy **policy);     /* for AUTO(policy) */

/*
 * The profile if one is named, over it the options, and beneath both what `sandlock run` starts from, the preset "base",
 * unless "bare" is set. (The current directory, where no path is granted, is added by the library.) 0 with *out frozen, or
 * -1 with *code set after the message.
 */
int assemble_policy(const struct command *command, const char *const *argv, const struct arg_profile *profile,
		    sandlock_policy **out, int *code);

/* Adds that beginning to a policy that is not frozen. 0 or -errno. */
int assemble_defaults(sandlock_policy *policy, sandlock_error **err);

#endif
