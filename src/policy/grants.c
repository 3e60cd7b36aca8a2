/* The list of grants: joining, looking up by path, closing. Paths are bytes that were made canonical before. */
#include "policy/grants.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"

void grants_close(struct grants *g)
{
	for (size_t i = 0; i < g->len; i++)
		fd_close(&g->at[i].fd);
}

void grants_fini(struct grants *g)
{
	for (size_t i = 0; i < g->len; i++) {
		fd_close(&g->at[i].fd);
		mem_free(g->at[i].path);
		mem_free(g->at[i].origin);
		mem_free(g->at[i].typed);
	}
	mem_free(g->at);
	*g = (struct grants){ 0 };
}

static struct grant *same_path(struct grants *g, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < g->len; i++)
		if (g->at[i].len == len && memcmp(g->at[i].path, path, len) == 0)
			return &g->at[i];
	return NULL;
}

int grants_add_take(struct grants *g, const char *path, int fd, bool is_dir, unsigned access,
		    const char *origin, const char *typed)
{
	AUTO(fd) int own = fd;
	struct grant *there = same_path(g, path);

	if (there) {
		there->access |= access;
		return 0;
	}

	AUTO(free) char *path_copy = mem_strdup(path);
	AUTO(free) char *origin_copy = mem_strdup(origin);
	AUTO(free) char *typed_copy = typed && strcmp(typed, path) != 0 ? mem_strdup(typed) : NULL;
	bool short_of = !path_copy || !origin_copy || (!typed_copy && typed && strcmp(typed, path) != 0);

	if (short_of || mem_grow(&g->at, &g->cap, g->len + 1, sizeof *g->at) < 0)
		return -ENOMEM;
	g->at[g->len++] = (struct grant){
		.path = TAKE(path_copy),
		.len = strlen(path),
		.fd = take_fd(&own),
		.is_dir = is_dir,
		.access = access,
		.origin = TAKE(origin_copy),
		.typed = TAKE(typed_copy),
	};
	return 0;
}

bool path_is_beneath(const char *path, const char *top)
{
	size_t len = strlen(top);

	if (strncmp(path, top, len) != 0)
		return false;
	return path[len] == '\0' || path[len] == '/' || (len && top[len - 1] == '/');
}

/* Whether a grant speaks about `path`: the path itself, or what lies beneath a directory. */
static bool covers(const struct grant *g, const char *path)
{
	return strcmp(g->path, path) == 0 || (g->is_dir && path_is_beneath(path, g->path));
}

/* The longest path that covers `path` with any of `access`; rights of all such are joined in *joined. */
static const struct grant *nearest_of(const struct grants *g, const char *path, unsigned access, unsigned *joined)
{
	const struct grant *best = NULL;

	*joined = 0;
	for (size_t i = 0; i < g->len; i++) {
		const struct grant *one = &g->at[i];

		if (!(one->access & access) || !covers(one, path))
			continue;
		*joined |= one->access;
		if (!best || one->len > best->len)
			best = one;
	}
	return best;
}

const struct grant *grants_find(const struct grants *g, const char *path, unsigned access)
{
	unsigned joined = 0;
	const struct grant *best = nearest_of(g, path, access, &joined);

	return (joined & access) == access ? best : NULL;
}

bool grants_told(const struct grants *g, const char *path, unsigned access)
{
	for (size_t i = 0; i < g->len && access; i++)
		if (covers(&g->at[i], path))
			access &= ~(g->at[i].access & ~g->at[i].withheld);
	return access == 0;
}

const struct grant *grants_nearest(const struct grants *g, const char *path)
{
	unsigned joined = 0;

	return nearest_of(g, path, ~0U, &joined);
}
