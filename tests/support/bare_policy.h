/* A policy filled by hand, for tests of what reads policies; it has no option table behind it. */
#ifndef SUPPORT_BARE_POLICY_H
#define SUPPORT_BARE_POLICY_H

#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"

static inline void bare_add(struct words *words, const char *text, const char *origin)
{
	words->at = realloc(words->at, (words->len + 1) * sizeof *words->at);
	words->at[words->len++] = (struct word){ .text = strdup(text), .origin = origin ? strdup(origin) : NULL };
}

static inline void bare_clear(struct words *words)
{
	for (size_t i = 0; i < words->len; i++) {
		free(words->at[i].text);
		free(words->at[i].origin);
	}
	free(words->at);
	*words = (struct words){ 0 };
}

static inline struct policy *bare_new(void)
{
	return calloc(1, sizeof(struct policy));
}

static inline void bare_free(struct policy *p)
{
	bare_clear(&p->extra_allow);
	bare_clear(&p->extra_deny);
	bare_clear(&p->fs_write);
	bare_clear(&p->unix_allow);
	free(p);
}

#endif
