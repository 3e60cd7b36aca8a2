/* Checked allocation, scope cleanup and growth. It knows sizes and ownership, nothing else. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Frees at end of scope and keeps errno. AUTO(free) char *s = NULL; */
#define AUTO(kind) __attribute__((cleanup(auto_##kind)))

/* Gives the value of a pointer away and leaves NULL behind. */
#define TAKE(p)                               \
	({                                    \
		__auto_type from_ = &(p);     \
		__auto_type value_ = *from_;  \
		*from_ = NULL;                \
		value_;                       \
	})

/* All of these return NULL when memory is short or a size overflows; the caller returns -ENOMEM. */
void *mem_alloc(size_t size);                     /* zeroed */
void *mem_array(size_t count, size_t size);       /* zeroed, product checked */
void *mem_dup(const void *from, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t len);     /* stops at len, adds the NUL */
void mem_free(void *p);

void auto_free(void *p);                          /* for AUTO(free): p is the address of a pointer */

/*
 * Makes room for `want` elements of `size` bytes in *array, of which *cap are there now; doubles, at least 8.
 * New elements are zeroed. 0 or -ENOMEM; *array stays valid either way.
 */
int mem_grow(void *array, size_t *cap, size_t want, size_t size);

#define VEC_PUSH(vec, cap, len, value)                                         \
	({                                                                     \
		int rc_ = mem_grow(&(vec), &(cap), (len) + 1, sizeof *(vec));  \
		if (rc_ == 0)                                                  \
			(vec)[(len)++] = (value);                              \
		rc_;                                                           \
	})

#ifdef SANDLOCK_SEAM
/* Test builds only: when >= 0, the allocation that counts it down to 0 fails. See tests/support/fault.h. */
bool mem_fault(void);
#endif

#endif
