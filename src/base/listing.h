/*
 * The names in a directory. Raw system calls and the caller's memory only, so that the reaper may use it.
 *
 *     AUTO(listing) struct listing l;
 *     if (listing_open(&l, AT_FDCWD, "/dev") < 0) ...
 *     while ((name = listing_next(&l))) ...
 */
#ifndef BASE_LISTING_H
#define BASE_LISTING_H

struct listing {
	int fd;                 /* owned; -1: not open, and lists nothing */
	int rc;                 /* 0, or the -errno for which the names are not all */
	long got;
	long at;
	char buf[1024] __attribute__((aligned(8)));     /* there is always room for an entry, of 280 bytes at most */
};

/* The descriptor, which stays the listing's, or -errno: then there is nothing to close, though closing is fine. */
int listing_open(struct listing *l, int dirfd, const char *path);

/* The next name but "." and "..", valid until the next call; NULL: no more. */
const char *listing_next(struct listing *l);

void listing_close(struct listing *l);          /* idempotent */
void auto_listing(struct listing *l);           /* for AUTO(listing) */

#endif
