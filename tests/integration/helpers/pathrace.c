/*
 * Opens a path while a second thread changes what stands there, and looks whether the bytes of the host's file ever come
 * out: pathrace TRIES SECRET DECOY VICTIM. Prints "seen N ours N refused N".
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char path[4096];         /* shared: the other thread writes to it while the kernel reads it */
static const char *decoy, *victim;
static atomic_bool started, done;

static void *flip(void *unused)
{
	size_t len = strlen(victim) > strlen(decoy) ? strlen(victim) : strlen(decoy);
	volatile char *to = path;

	(void)unused;
	while (!atomic_load(&done)) {
		atomic_store(&started, 1);
		for (size_t i = 0; i <= len; i++)
			to[i] = i <= strlen(decoy) ? decoy[i] : 0;
		for (int spin = 0; spin < 200; spin++)
			atomic_signal_fence(memory_order_seq_cst);
		for (size_t i = 0; i <= len; i++)
			to[i] = i <= strlen(victim) ? victim[i] : 0;
		for (int spin = 0; spin < 200; spin++)
			atomic_signal_fence(memory_order_seq_cst);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned long tries, seen = 0, ours = 0, refused = 0;
	char text[4096];
	pthread_t other;

	if (argc != 5)
		return 2;
	tries = strtoul(argv[1], NULL, 10);
	decoy = argv[3];
	victim = argv[4];
	strcpy(path, decoy);
	if (pthread_create(&other, NULL, flip, NULL))
		return 2;
	while (!atomic_load(&started))
		usleep(100);
	for (unsigned long i = 0; i < tries; i++) {
		int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

		if (fd >= 0)
			close(fd);
		if (n < 0) {
			refused++;
			continue;
		}
		text[n] = '\0';
		if (strstr(text, argv[2]))
			seen++;
		else
			ours++;
	}
	atomic_store(&done, 1);
	pthread_join(other, NULL);
	printf("seen %lu ours %lu refused %lu\n", seen, ours, refused);
	return 0;
}
