/* The first bytes of executables and the tables of ELF files: what a child may write, and we read to explain a failure. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "run/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(fd) int fd = memfd_create("elf", MFD_CLOEXEC);
	struct image_needs needs;
	struct image image;

	if (fd < 0 || fd_write_all(fd, data, size) < 0)
		return 0;
	if (image_read(fd, &image) == 0) {
		if (strlen(image.interp) >= sizeof image.interp || strlen(image.arg) >= sizeof image.arg)
			abort();
		if (image.kind == IMAGE_SCRIPT && image.interp[0] == '\0')
			abort();
	}
	if (image_needs(fd, &needs) == 0) {
		size_t total = 0;

		for (size_t i = 0; i < needs.count; i++)
			total += strlen(needs.needed[i]);
		if (needs.runpath)
			total += strlen(needs.runpath);
		if (needs.rpath)
			total += strlen(needs.rpath);
		image_needs_fini(&needs);
		return total == SIZE_MAX;       /* the lengths were asked for: every string ends inside its table */
	}
	return 0;
}
