/* Public functions about this process and this kernel. */
#include "api/api.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "run/confine_self.h"
#include "run/probe.h"

int sandlock_confine_self(const sandlock_policy *policy, sandlock_error **err)
{
	struct error error = { 0 };
	int rc = 0;
	struct prepared *prepared = api_prepared(policy, &rc, err);

	if (!prepared)
		return rc;
	rc = confine_self(prepared, &error);
	return rc < 0 ? api_fail(err, &error, rc) : 0;
}

int sandlock_probe(const char *name)
{
	const struct probe *probe = kernel_probe_by_name(name);

	return probe ? probe->run() : -ENOENT;
}

const char *sandlock_probe_name(size_t index)
{
	return index < kernel_probe_count ? kernel_probes[index].name : NULL;
}

const char *sandlock_probe_help(size_t index)
{
	return index < kernel_probe_count ? kernel_probes[index].help : NULL;
}

/* At this kernel's ABI, without regard to whether the policy could start: unavailable is an answer. */
const char *sandlock_protection_state(const sandlock_policy *policy, const char *name)
{
	static const char *const states[] = {
		[PROTECTION_ACTIVE] = "active",
		[PROTECTION_DEGRADED] = "degraded",
		[PROTECTION_DISABLED] = "disabled",
		[PROTECTION_UNAVAILABLE] = "unavailable",
	};
	enum protection which = protection_by_name(view_of(name));
	int abi = landlock_abi();

	if (which == PROTECT_MAX)
		return NULL;
	return states[abi < 1 ? PROTECTION_UNAVAILABLE : landlock_state(api_policy(policy), which, abi)];
}

const char *sandlock_protection_name(size_t index)
{
	return index < PROTECT_MAX ? protections[index].name : NULL;
}

int sandlock_protection_abi(size_t index)
{
	return index < PROTECT_MAX ? protections[index].abi : -ENOENT;
}
