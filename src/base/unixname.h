/* What a unix socket address says: nothing, an abstract name or a path; bytes of the child, bounded. */
#ifndef BASE_UNIXNAME_H
#define BASE_UNIXNAME_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

enum unix_kind { UNIX_UNNAMED, UNIX_ABSTRACT, UNIX_PATH };

struct unix_name {
	enum unix_kind kind;
	size_t len;             /* of an abstract name, without the NUL that begins it */
	char text[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];   /* path with its NUL, or abstract bytes */
};

/* Reads an address of `len` bytes as the kernel does. -EINVAL for another family or a length that the kernel refuses. */
int unix_name_read(const void *address, size_t len, struct unix_name *out);

/* "/run/x.sock", or "@name" with NUL bytes shown as '@', into `out` of at least 2 * sizeof out->text bytes. */
void unix_name_show(const struct unix_name *name, char *out);

/* The address by which a pinned socket inode is reached, whatever its path is now: its length. */
size_t unix_address_of(int pinned, struct sockaddr_un *out);

#endif
