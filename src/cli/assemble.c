/* From profile, options and defaults to a frozen policy: what `run` and `why` have in common. */
#include "cli/assemble.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/out.h"

void auto_policy(sandlock_policy **policy)
{
	sandlock_policy_free(*policy);
}

static bool grants_files(const sandlock_policy *policy)
{
	static const char *const keys[] = { "filesystem.read", "filesystem.write", "filesystem.exec" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (sandlock_policy_get(policy, keys[i], 0))
			return true;
	return false;
}

/* The directory that the program starts in, unless that is the whole file system. */
static int add_directory(sandlock_policy *policy, sandlock_error **err)
{
	const char *cwd = sandlock_policy_get(policy, "program.cwd", 0);
	char here[PATH_MAX];

	if (!cwd)
		cwd = getcwd(here, sizeof here);
	if (!cwd || cwd[0] != '/' || strcmp(cwd, "/") == 0)
		return 0;
	return sandlock_policy_add_from(policy, "filesystem.read", cwd, "the current directory", err);
}

int assemble_defaults(sandlock_policy *policy, sandlock_error **err)
{
	if (sandlock_policy_get(policy, "bare", 0))
		return 0;
	int rc = grants_files(policy) ? 0 : add_directory(policy, err);

	return rc < 0 ? rc : sandlock_policy_add_from(policy, "extends", "base", "default", err);
}

static int load(sandlock_policy *policy, const struct arg_profile *profile, sandlock_error **err)
{
	if (profile->name)
		return sandlock_policy_load_profile(policy, profile->name, err);
	if (profile->file)
		return sandlock_policy_load_file(policy, profile->file, err);
	return 0;
}

int assemble_policy(const struct command *command, const char *const *argv, const struct arg_profile *profile,
		    sandlock_policy **out, int *code)
{
	AUTO(policy) sandlock_policy *policy = NULL;
	sandlock_error *err = NULL;

	if (profile->name && profile->file) {
		out_say("--profile and --profile-file exclude each other");
		*code = EXIT_USAGE;
		return -1;
	}
	policy = sandlock_policy_new();
	int rc = policy ? load(policy, profile, &err) : -ENOMEM;

	if (rc == 0)
		rc = args_apply(command, argv, policy, &err);
	if (rc == 0)
		rc = assemble_defaults(policy, &err);
	if (rc == 0)
		rc = sandlock_policy_freeze(policy, &err);
	if (rc < 0) {
		*code = out_failure(err, false);
		return -1;
	}
	*out = TAKE(policy);
	return 0;
}
