/* What kind of file the kernel would make of an executable: a script, an ELF program, or nothing. Hostile bytes. */
#ifndef RUN_IMAGE_H
#define RUN_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/path.h"

#define IMAGE_HEAD 256          /* what the kernel reads of a file to choose its format */
#define IMAGE_NEEDED_MAX 128    /* libraries named by one object that are looked at */

enum image_kind { IMAGE_EMPTY, IMAGE_TEXT, IMAGE_UNKNOWN, IMAGE_SCRIPT, IMAGE_ELF };

struct image {
	enum image_kind kind;
	bool native;                    /* ELF of this machine's word size and processor */
	uint16_t machine;               /* ELF: e_machine */
	char interp[PATH_SIZE];         /* script: of the #! line; ELF: the loader, "" when static */
	char arg[IMAGE_HEAD];           /* script: the one argument, "" when there is none */
};

/* Reads by pread from an open file. 0 or -errno (of reading; malformed content is IMAGE_UNKNOWN). */
int image_read(int fd, struct image *out);

/* "x86-64" for 62; NULL for a number without a name. */
const char *image_machine(uint16_t machine);
uint16_t image_native_machine(void);

/* The libraries that a native ELF object names, as views into one buffer. */
struct image_needs {
	char *strings;
	const char *needed[IMAGE_NEEDED_MAX];
	size_t count;
	const char *rpath;              /* NULL where there is none; colon-separated, may hold $ORIGIN */
	const char *runpath;
};

/* 0, also for a static object; -EINVAL when tables contradict the file; -errno. */
int image_needs(int fd, struct image_needs *out);
void image_needs_fini(struct image_needs *needs);

#endif
