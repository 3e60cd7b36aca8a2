/* Checked allocation, scope cleanup and growth. It knows sizes and ownership, nothing else. */
#include "base/mem.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

#ifdef SANDLOCK_SEAM
#define FAULT_HERE() mem_fault()
#else
#define FAULT_HERE() false
#endif

#ifdef SANDLOCK_ARENA
/*
 * The static command lives for one sandbox and starts thousands of times: musl's malloc would map and unmap some forty
 * regions on the way, and every fresh page costs a fault. So the first kilobytes come off one block of zeroes that is
 * populated at once, and are never given back; what is beyond it is malloc's.
 */
#define ARENA_SIZE (256 * 1024)
#define ARENA_POPULATED (140 * 1024)    /* what a start with the default policy uses */
#define ALIGNMENT 16

static _Alignas(4096) char arena[ARENA_SIZE];
static atomic_size_t arena_used;

static void *arena_take(size_t size)
{
	if (size > ARENA_SIZE)
		return NULL;
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (atomic_load_explicit(&arena_used, memory_order_relaxed) + size > ARENA_SIZE)
		return NULL;
	size_t at = atomic_fetch_add_explicit(&arena_used, size, memory_order_relaxed);
	if (at == 0)            /* of 5.14; older kernels fault page by page */
		SYS(SYS_madvise, arena, ARENA_POPULATED, MADVISE_POPULATE_WRITE);
	return at + size <= ARENA_SIZE ? arena + at : NULL;
}

static bool in_arena(const void *p)
{
	return (uintptr_t)p - (uintptr_t)arena < ARENA_SIZE;
}
#else
static void *arena_take(size_t size)
{
	(void)size;
	return NULL;
}

static bool in_arena(const void *p)
{
	(void)p;
	return false;
}
#endif

void *mem_alloc(size_t size)
{
	if (FAULT_HERE())
		return NULL;
	void *p = arena_take(size ? size : 1);
	return p ? p : calloc(1, size ? size : 1);
}

void *mem_array(size_t count, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(count, size, &bytes) ? NULL : mem_alloc(bytes);
}

void *mem_dup(const void *from, size_t size)
{
	void *p = mem_alloc(size);

	if (p && size)
		memcpy(p, from, size);
	return p;
}

char *mem_strdup(const char *s)
{
	return mem_dup(s, strlen(s) + 1);
}

char *mem_strndup(const char *s, size_t len)
{
	size_t n = strnlen(s, len);
	char *p = n == SIZE_MAX ? NULL : mem_alloc(n + 1);

	if (p)
		memcpy(p, s, n);
	return p;
}

void mem_free(void *p)
{
	if (!in_arena(p))
		free(p);
}

void auto_free(void *p)
{
	int saved = errno;
	void *target;

	memcpy(&target, p, sizeof target);
	mem_free(target);
	errno = saved;
}

int mem_grow(void *array, size_t *cap, size_t want, size_t size)
{
	size_t room = *cap ? *cap : 8;
	size_t bytes;
	void *old;

	if (want <= *cap)
		return 0;
	while (room < want)
		if (__builtin_mul_overflow(room, (size_t)2, &room))
			return -ENOMEM;
	if (FAULT_HERE() || __builtin_mul_overflow(room, size, &bytes))
		return -ENOMEM;

	memcpy(&old, array, sizeof old);
	bool move = !old || in_arena(old);
	char *grown = move ? arena_take(bytes) : NULL;
	if (!grown)
		grown = realloc(in_arena(old) ? NULL : old, bytes);
	if (!grown)
		return -ENOMEM;
	if (move && old)
		memcpy(grown, old, *cap * size);
	if (!in_arena(grown))
		memset(grown + *cap * size, 0, bytes - *cap * size);
	memcpy(array, &grown, sizeof grown);
	*cap = room;
	return 0;
}
