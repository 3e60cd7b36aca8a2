/* Runs a fuzz target over every file of a folder, without a fuzzer, and over each of them cut short. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEED_MAX = 1 << 20 };

/* Each prefix goes into memory of its own size, so that a sanitizer sees a read beyond it. */
static void run_prefix(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		exit(1);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static int run_file(const char *path)
{
	static uint8_t buf[SEED_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, buf, sizeof buf);

	if (fd >= 0)
		close(fd);
	if (len < 0) {
		perror(path);
		return -1;
	}
	size_t step = len > 500 ? (size_t)len / 500 : 1;
	for (size_t size = 0; size < (size_t)len; size += step)
		run_prefix(buf, size);
	run_prefix(buf, (size_t)len);
	return 0;
}

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	int count = 0;

	if (!dir) {
		fprintf(stderr, "replay: no folder of seeds at '%s'\n", argc == 2 ? argv[1] : "");
		return 1;
	}
	while ((entry = readdir(dir))) {
		char path[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
		if (run_file(path) < 0)
			return 1;
		count++;
	}
	closedir(dir);
	printf("%d seeds\n", count);
	return count ? 0 : 1;
}
