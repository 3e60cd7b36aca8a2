/* Checked allocation, scope cleanup and growth. It knows sizes and ownership, nothing else. */
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef SANDLOCK_SEAM
#define FAULT_HERE() mem_fault()
#else
#define FAULT_HERE() false
#endif

void *mem_alloc(size_t size)
{
	return FAULT_HERE() ? NULL : calloc(1, size ? size : 1);
}

void *mem_array(size_t count, size_t size)
{
	if (FAULT_HERE())
		return NULL;
	return calloc(count ? count : 1, size ? size : 1);
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
	free(p);
}

void auto_free(void *p)
{
	int saved = errno;
	void *target;

	memcpy(&target, p, sizeof target);
	free(target);
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
	char *grown = realloc(old, bytes);
	if (!grown)
		return -ENOMEM;
	memset(grown + *cap * size, 0, bytes - *cap * size);
	memcpy(array, &grown, sizeof grown);
	*cap = room;
	return 0;
}
