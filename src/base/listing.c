/* The names in a directory. */
#include "base/listing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sys.h"

/* linux_dirent64 of getdents64(2). */
struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

_Static_assert(offsetof(struct entry, name) == 19, "the kernel's layout");

int listing_open(struct listing *l, int dirfd, const char *path)
{
	l->rc = 0;
	l->got = 0;
	l->at = 0;
	l->fd = sys_openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (l->fd >= 0)
		return l->fd;
	l->rc = l->fd;
	l->fd = -1;
	return l->rc;
}

static bool is_the_way_up_or_here(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static bool refill(struct listing *l)
{
	l->at = 0;
	l->got = l->fd < 0 ? 0 : SYS(SYS_getdents64, l->fd, l->buf, sizeof l->buf);
	if (l->got < 0)
		l->rc = (int)l->got;
	return l->got > 0;
}

const char *listing_next(struct listing *l)
{
	const struct entry *entry;

	do {
		if (l->at >= l->got && !refill(l))
			return NULL;
		entry = (const void *)(l->buf + l->at);
		l->at += entry->reclen;
	} while (is_the_way_up_or_here(entry->name));
	return entry->name;
}

void listing_close(struct listing *l)
{
	if (l->fd >= 0)
		sys_close(l->fd);
	l->fd = -1;
}

void auto_listing(struct listing *l)
{
	listing_close(l);
}
