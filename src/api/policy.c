/* Public functions of policies. */
#include "api/api.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "policy/options.h"
#include "policy/print.h"
#include "run/profile.h"
#include "run/resolve.h"
#include "run/why.h"

#define TEXT_MAX ((size_t)16 << 20)

const struct policy *api_policy(const sandlock_policy *policy)
{
	return policy->prepared ? policy->prepared->policy : policy->policy;
}

struct prepared *api_prepared(const sandlock_policy *policy, int *rc, sandlock_error **err)
{
	if (policy && policy->prepared)
		return policy->prepared;
	*rc = api_error(err, ERR_STATE, -EINVAL, "the policy must be frozen first (sandlock_policy_freeze)");
	return NULL;
}

/* The policy to change, or NULL with an error: it is frozen. */
static struct policy *changeable(sandlock_policy *policy, int *rc, sandlock_error **err)
{
	if (policy->policy)
		return policy->policy;
	*rc = api_error(err, ERR_STATE, -EBUSY,
			"the policy is frozen; change a copy (sandlock_policy_dup)");
	return NULL;
}

/* --- life --- */

static sandlock_policy *wrap(struct policy *policy)
{
	sandlock_policy *handle = policy ? mem_alloc(sizeof *handle) : NULL;

	if (handle)
		handle->policy = policy;
	else
		policy_free(policy);
	return handle;
}

sandlock_policy *sandlock_policy_new(void)
{
	return wrap(policy_new());
}

sandlock_policy *sandlock_policy_dup(const sandlock_policy *policy)
{
	return wrap(policy_dup(api_policy(policy)));
}

void sandlock_policy_free(sandlock_policy *policy)
{
	if (!policy)
		return;
	policy_free(policy->policy);
	prepared_retire(policy->prepared);
	mem_free(policy->scratch);
	mem_free(policy);
}

/* --- building --- */

static int change(sandlock_policy *policy, const char *key, const char *value, const char *origin, bool add,
		  sandlock_error **err)
{
	struct error error = { 0 };
	int rc = 0;
	struct policy *p = changeable(policy, &rc, err);

	if (!p)
		return rc;
	rc = add ? policy_add(p, key, value, origin, &error) : policy_set(p, key, value, origin, &error);
	return rc < 0 ? api_fail(err, &error, rc) : 0;
}

int sandlock_policy_set(sandlock_policy *policy, const char *key, const char *value, sandlock_error **err)
{
	return change(policy, key, value, key, false, err);
}

int sandlock_policy_add(sandlock_policy *policy, const char *key, const char *value, sandlock_error **err)
{
	return change(policy, key, value, key, true, err);
}

int sandlock_policy_add_from(sandlock_policy *policy, const char *key, const char *value, const char *origin,
			     sandlock_error **err)
{
	return change(policy, key, value, origin, true, err);
}

static int load(sandlock_policy *policy, int (*how)(struct policy *p, const char *what, struct error *err),
		const char *what, sandlock_error **err)
{
	struct error error = { 0 };
	int rc = 0;
	struct policy *p = changeable(policy, &rc, err);

	if (!p)
		return rc;
	rc = how(p, what, &error);
	return rc < 0 ? api_fail(err, &error, rc) : 0;
}

int sandlock_policy_load_profile(sandlock_policy *policy, const char *name, sandlock_error **err)
{
	return load(policy, profile_load, name, err);
}

int sandlock_policy_load_file(sandlock_policy *policy, const char *path, sandlock_error **err)
{
	return load(policy, profile_load_file, path, err);
}

int sandlock_policy_load_text(sandlock_policy *policy, const char *text, size_t len, const char *name,
			      sandlock_error **err)
{
	struct error error = { 0 };
	int rc = 0;
	struct policy *p = changeable(policy, &rc, err);

	if (!p)
		return rc;
	rc = policy_load(p, text, len, name ? name : "profile", &error);
	return rc < 0 ? api_fail(err, &error, rc) : 0;
}

int sandlock_profile_dir(char **out, sandlock_error **err)
{
	struct error error = { 0 };
	int rc = profile_dir(out, &error);

	return rc < 0 ? api_fail(err, &error, rc) : 0;
}

int sandlock_policy_freeze(sandlock_policy *policy, sandlock_error **err)
{
	struct error error = { 0 };

	if (policy->prepared)
		return 0;
	/* A failure leaves the caller with the policy as it was: it may be mended and frozen again. */
	struct policy *copy = policy_dup(policy->policy);
	if (!copy)
		return api_error(err, ERR_MEMORY, -ENOMEM, "not enough memory for the policy");
	if (!copy->home)
		profile_home(&copy->home, NULL);
	int rc = prepare_take(copy, &policy->prepared, &error);
	if (rc < 0)
		return api_fail(err, &error, rc);
	policy_free(TAKE(policy->policy));
	return 0;
}

/* --- reading --- */

static const struct words *list_of(const struct policy *p, const char *key, const struct option_row **row)
{
	*row = option_by_key(key);
	return *row && option_is_list(*row) ? (const void *)((const char *)p + (*row)->offset) : NULL;
}

const char *sandlock_policy_get(const sandlock_policy *policy, const char *key, size_t index)
{
	const struct policy *p = api_policy(policy);
	const struct option_row *row;
	const struct words *list = list_of(p, key, &row);

	if (list)
		return index < list->len ? list->at[index].text : NULL;
	if (!row || index)
		return NULL;
	const char *field = (const char *)p + row->offset;
	if (row->type == OPT_TEXT || row->type == OPT_PATH) {
		char *const *text = (char *const *)(const void *)field;
		return *text;
	}
	if (row->type != OPT_FLAG)
		return NULL;
	const bool *flag = (const bool *)(const void *)field;
	return *flag ? "true" : NULL;
}

const char *sandlock_policy_origin(const sandlock_policy *policy, const char *key, size_t index)
{
	const struct option_row *row;
	const struct words *list = list_of(api_policy(policy), key, &row);

	return list && index < list->len ? list->at[index].origin : NULL;
}

int sandlock_policy_number(const sandlock_policy *policy, const char *key, uint64_t *out)
{
	const struct option_row *row = option_by_key(key);
	static const bool is_number[OPT_TYPE_MAX] = {
		[OPT_COUNT] = true, [OPT_SIZE] = true, [OPT_DURATION] = true, [OPT_PERCENT] = true,
	};

	if (!row || !is_number[row->type])
		return -ENOENT;
	const uint64_t *value = (const void *)((const char *)api_policy(policy) + row->offset);
	if (*value == NO_LIMIT)
		return -ENOENT;
	*out = *value;
	return 0;
}

/* --- printing and asking --- */

static int print(const struct policy *p, const struct grants *grants, enum sandlock_format format, char **out,
		 sandlock_error **err)
{
	AUTO(str) struct str s = STR(TEXT_MAX);

	if (format != SANDLOCK_TOML && format != SANDLOCK_JSON)
		return api_error(err, ERR_USAGE, -EINVAL, "a policy is printed as TOML or JSON");
	int rc = policy_print_grants(p, grants, format == SANDLOCK_JSON ? POLICY_JSON : POLICY_TOML, &s);
	if (rc == -EILSEQ)
		return api_error(err, ERR_POLICY, rc, "a value of the policy is not UTF-8, which TOML cannot hold");
	return api_text(&s, out, err);
}

const char *sandlock_policy_warning(const sandlock_policy *policy, size_t index)
{
	return policy && policy->prepared ? prepared_warning(policy->prepared, index) : NULL;
}

int sandlock_policy_print(const sandlock_policy *policy, enum sandlock_format format, char **out, sandlock_error **err)
{
	return print(api_policy(policy), policy->prepared ? &policy->prepared->grants : NULL, format, out, err);
}

int sandlock_policy_print_for(const sandlock_policy *policy, const char *program, enum sandlock_format format,
			      char **out, sandlock_error **err)
{
	struct program found = { .cwd_fd = -1 };
	struct grants all = { 0 };
	struct error error = { 0 };
	int rc = 0;
	struct prepared *prepared = api_prepared(policy, &rc, err);

	if (!prepared)
		return rc;
	rc = resolve_program(prepared->policy, &prepared->grants, program, (const char *const *)environ,
			     prepared->policy->cwd, &found, &error);
	if (rc == 0)
		rc = grants_joined(&prepared->grants, &found.extra, &all);
	if (rc < 0)
		api_fail(err, &error, rc);
	else
		rc = print(prepared->policy, &all, format, out, err);
	grants_fini(&all);
	program_fini(&found);
	return rc;
}

int sandlock_filter_print(const sandlock_policy *policy, char **out, sandlock_error **err)
{
	AUTO(str) struct str s = STR(TEXT_MAX);
	int rc = 0;
	struct prepared *prepared = api_prepared(policy, &rc, err);

	if (!prepared)
		return rc;
	filter_print(&prepared->filter, &s);
	return api_text(&s, out, err);
}

int sandlock_policy_why(const sandlock_policy *policy, enum sandlock_access access, const char *target, char **why,
			sandlock_error **err)
{
	static const unsigned rights[] = {
		[SANDLOCK_ACCESS_READ] = ACCESS_READ,
		[SANDLOCK_ACCESS_WRITE] = ACCESS_WRITE,
		[SANDLOCK_ACCESS_EXEC] = ACCESS_EXEC,
	};
	AUTO(str) struct str s = STR(TEXT_MAX);
	struct error error = { 0 };
	int rc = 0;
	struct prepared *prepared = api_prepared(policy, &rc, err);

	if (!prepared)
		return rc;
	const struct why w = { prepared->policy, &prepared->grants, &prepared->sockets, names_lookup_host };

	if (access == SANDLOCK_ACCESS_CONNECT)
		rc = why_connect(&w, target, &s, &error);
	else if (access == SANDLOCK_ACCESS_BIND)
		rc = why_bind(prepared->policy, target, &s, &error);
	else if (access >= SANDLOCK_ACCESS_READ && access <= SANDLOCK_ACCESS_EXEC)
		rc = why_path(prepared->policy, &prepared->grants, rights[access], target, &s);
	else
		rc = -EINVAL;
	if (rc < 0 && error.kind != ERR_NONE)
		return api_fail(err, &error, rc);
	if (rc < 0)
		return api_error(err, rc == -ENOMEM ? ERR_MEMORY : ERR_USAGE, rc, "cannot judge '%s': %s", target,
				 error_text(rc));
	int text = api_text(&s, why, err);
	return text < 0 ? text : rc;
}
