/* Answers from the policy, without running anything. The sentences are those of policy/explain.c. */
#include "run/why.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/sys.h"
#include "policy/explain.h"

int why_canonical(const char *path, char *out)
{
	char top[PATH_SIZE];
	size_t len = strlen(path);

	if (len == 0)
		return -ENOENT;
	if (len + 2 > sizeof top)
		return -ENAMETOOLONG;
	memcpy(top, path, len + 1);
	while (len > 1 && top[len - 1] == '/')
		top[--len] = '\0';
	size_t whole = len;
	int rc = path_canonical(AT_FDCWD, top, out);

	while (rc == -ENOENT && path_cut(top))
		rc = path_canonical(AT_FDCWD, top, out);
	if (rc < 0)
		return rc;
	size_t kept = strcmp(top, ".") == 0 && path[0] != '.' ? 0 : strlen(top);
	const char *rest = path + kept;
	size_t rest_len = whole - (kept < whole ? kept : whole);

	while (rest_len && *rest == '/') {
		rest++;
		rest_len--;
	}
	if (rest_len == 0)
		return 0;
	size_t at = strcmp(out, "/") == 0 ? 0 : strlen(out);

	if (at + 1 + rest_len + 1 > PATH_SIZE)
		return -ENAMETOOLONG;
	out[at] = '/';
	memcpy(out + at + 1, rest, rest_len);
	out[at + 1 + rest_len] = '\0';
	return path_is_clean(out) ? 0 : -ENOENT;
}

int why_path(const struct policy *p, const struct grants *g, unsigned access, const char *path, struct str *out)
{
	char canonical[PATH_SIZE];
	int rc = why_canonical(path, canonical);

	if (rc < 0)
		return rc;
	rc = explain_path(g, canonical, access, policy_splits_exec(p), out);
	return out->rc < 0 ? out->rc : rc;
}
