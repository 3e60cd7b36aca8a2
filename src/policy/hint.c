/* The option that would grant what was refused, as a person can type it. */
#include "policy/hint.h"

#include "base/mem.h"
#include "policy/explain.h"

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

const char *hint_flag_of(unsigned access)
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

void hint_add(struct str *out, const char *flag, const char *value)
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
