/* Whole profiles: what is accepted prints as a profile that is accepted and prints the same again; refusals have a place. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* The printout of a profile, or NULL when it is refused. */
static char *printed(const char *text, size_t len)
{
	struct policy *p = policy_new();
	struct error err = { 0 };
	AUTO(str) struct str s = STR(64 << 20);
	char *out = NULL;

	p->home = mem_strdup("/home/u");
	int rc = policy_load(p, text, len, "profile", &err);
	if (rc == 0) {
		rc = policy_print(p, POLICY_TOML, &s);
		require(rc == 0);
		out = str_take(&s);
	} else {
		require(err.kind == ERR_USAGE && err.text[0]);
		require(err.line > 0 || rc == -EFBIG);
	}
	policy_free(p);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(free) char *first = printed((const char *)data, size);

	if (!first)
		return 0;
	AUTO(free) char *second = printed(first, strlen(first));
	require(second && strcmp(first, second) == 0);
	return 0;
}
