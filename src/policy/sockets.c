/* Which sockets in the file system a program may connect to. */
#include "policy/sockets.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/mem.h"

void socket_grants_fini(struct socket_grants *s)
{
	for (size_t i = 0; i < s->len; i++) {
		mem_free(s->at[i].path);
		mem_free(s->at[i].origin);
	}
	mem_free(s->at);
	*s = (struct socket_grants){ 0 };
}

int socket_grants_add(struct socket_grants *s, const char *path, bool is_pattern, const char *origin)
{
	AUTO(free) char *path_copy = mem_strdup(path);
	AUTO(free) char *origin_copy = mem_strdup(origin);

	if (!path_copy || !origin_copy || mem_grow(&s->at, &s->cap, s->len + 1, sizeof *s->at) < 0)
		return -ENOMEM;
	s->at[s->len++] = (struct socket_grant){
		.path = TAKE(path_copy), .is_pattern = is_pattern, .origin = TAKE(origin_copy),
	};
	return 0;
}

bool socket_is_pattern(const char *text)
{
	return text[strcspn(text, "*?[")] != '\0';
}

static bool grants_socket(const struct socket_grant *g, const char *path)
{
	if (g->is_pattern)
		return fnmatch(g->path, path, FNM_PATHNAME | FNM_NOESCAPE) == 0;
	return path_is_beneath(path, g->path);
}

const char *socket_granted_by(const struct socket_grants *s, const struct grants *files, const char *path)
{
	for (size_t i = 0; i < s->len; i++)
		if (grants_socket(&s->at[i], path))
			return s->at[i].origin;

	const struct grant *by = s->by_write ? grants_find(files, path, ACCESS_WRITE) : NULL;
	return by ? by->origin : NULL;
}
