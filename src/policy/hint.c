/* The option that would grant what was refused, as a person can type it. */
#include "policy/hint.h"

#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "policy/explain.h"
#include "policy/presets.h"

static const struct {
	unsigned access;
	const char *flag;
	const char *verb;
	const char *noun;
} rights[] = {
	{ ACCESS_READ, "-r", "read", "reading" },
	{ ACCESS_WRITE, "-w", "write", "writing" },
	{ ACCESS_EXEC, "-x", "execute", "executing" },
};

static const char *flag_of(unsigned access)
{
	for (size_t i = 0; i < ARRAY_SIZE(rights); i++)
		if (access & rights[i].access)
			return rights[i].flag;
	return NULL;
}

const char *hint_verb_of(unsigned access)
{
	for (size_t i = 0; i < ARRAY_SIZE(rights); i++)
		if (access & rights[i].access)
			return rights[i].verb;
	return "use";
}

/* The value in single quotes where a shell would take it apart. */
static void add(struct str *out, const char *flag, const char *value)
{
	str_addf(out, "%s ", flag);
	str_add_shell(out, value);
}

void hint_add_rule(struct str *out, const struct grants *grants, const char *path)
{
	const struct grant *near = grants_nearest(grants, path);
	const char *between = "";

	if (!near) {
		str_add(out, "no grant covers it");
		return;
	}
	str_addf(out, "%s grants %s only for ", near->origin, near->path);
	for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
		if (!(near->access & rights[i].access))
			continue;
		str_addf(out, "%s%s", between, rights[i].noun);
		between = " and ";
	}
}

/* A path that is granted takes the place of the current directory. */
static void keep_cwd(const struct grants *grants, const char *granted, struct str *flag)
{
	for (size_t i = 0; i < grants->len; i++)
		if (strcmp(grants->at[i].origin, GRANT_CWD_ORIGIN) == 0 && !path_is_beneath(grants->at[i].path, granted)) {
			add(flag, "-r", grants->at[i].path);
			str_addc(flag, ' ');
		}
}

#define TERMINALS "/dev/pts"

void hint_add_grant(const struct grants *grants, const char *path, unsigned access, struct str *rule, struct str *flag)
{
	if (strcmp(path, TERMINALS) != 0 && path_is_beneath(path, TERMINALS)) {
		str_add(rule, "; a new terminal has any number, and the folder has the terminals of the user too");
		path = TERMINALS;
	}
	keep_cwd(grants, path, flag);
	add(flag, flag_of(access), path);
}

void hint_add_preset(struct str *out, const struct policy *p, const char *path, unsigned access)
{
	const char *name = preset_offering(p, path, access);

	if (name)
		str_addf(out, "; preset %s grants it", name);
}

/* --- what does not exist yet --- */

/* The caches that presets of the policy would grant and that cannot exist, since `path` does not. */
static const char *add_missing_caches(const struct hint_new *n, struct str *made, struct str *flag)
{
	const struct preset_entry *entries;
	size_t count = policy_preset_entries(n->policy, &entries);
	const char *preset = NULL;

	for (size_t i = 0; i < count; i++) {
		if (!(entries[i].access & ACCESS_WRITE) || !path_is_beneath(entries[i].path, n->path))
			continue;
		if (preset)
			str_addc(flag, ' ');
		else
			keep_cwd(n->grants, entries[i].path, flag);
		preset = entries[i].preset;
		str_addc(made, ' ');
		str_add_shell(made, entries[i].path);
		add(flag, "-w", entries[i].path);
	}
	return preset;
}

static bool is_wide(const struct hint_new *n)
{
	const char *home = n->policy->home;

	return strcmp(n->folder, "/") == 0 || (home && path_is_beneath(home, n->folder));
}

bool hint_add_new(const struct hint_new *n, struct str *rule, struct str *flag)
{
	AUTO(str) struct str made = STR(4 * PATH_SIZE);
	const char *preset = n->maker ? add_missing_caches(n, &made, flag) : NULL;

	if (preset) {
		str_addf(rule, "preset %s grants its caches once they exist: mkdir -p%s", preset, made.rc == 0 ? made.buf : "");
		return true;
	}
	if (!is_wide(n))
		return false;
	keep_cwd(n->grants, n->maker ? n->path : n->folder, flag);
	add(flag, "-w", n->maker ? n->path : n->folder);
	str_add(rule, "no grant covers it; ");
	if (n->maker) {
		str_addf(rule, "it can be granted once it exists: %s ", n->maker);
		str_add_shell(rule, n->path);
	} else {
		str_addf(rule, "what allows it opens the whole of %s", n->folder);
	}
	return true;
}
