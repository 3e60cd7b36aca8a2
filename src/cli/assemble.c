/* From profile, options and defaults to a frozen policy: what `run` and `why` have in common. */
#include "cli/assemble.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cli/out.h"

void auto_policy(sandlock_policy **policy)
{
	sandlock_policy_free(*policy);
}

int assemble_defaults(sandlock_policy *policy, sandlock_error **err)
{
	const char *preset;

	if (sandlock_policy_get(policy, "bare", 0))
		return 0;
	for (size_t i = 0; (preset = sandlock_policy_get(policy, "extends", i)); i++)
		if (strcmp(preset, "base") == 0)
			return 0;
	return sandlock_policy_add_from(policy, "extends", "base", "default", err);
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
