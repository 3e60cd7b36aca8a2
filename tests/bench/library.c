/*
 * What the library costs: spawn and wait of /bin/true against posix_spawn, from a small and from a large host, and what
 * many sandboxes leave behind. Prints one line of JSON.
 *
 *     library spawn ROUNDS HEAP_MIB
 *     library sequence COUNT
 *     library crowd COUNT
 */
#include <dirent.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sandlock/sandlock.h>

static const char *const true_argv[] = { "/bin/true", NULL };
static const char *const sleep_argv[] = { "/bin/sleep", "0.5", NULL };

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void fail(const char *what, sandlock_error *err)
{
	fprintf(stderr, "library: %s: %s\n", what, err ? sandlock_error_message(err) : "failed");
	exit(1);
}

static sandlock_policy *policy(void)
{
	static const char *const paths[] = { "/usr", "/bin", "/lib", "/lib64", "/etc" };
	sandlock_policy *p = sandlock_policy_new();
	sandlock_error *err = NULL;

	for (size_t i = 0; p && i < sizeof paths / sizeof paths[0]; i++)
		if (access(paths[i], F_OK) == 0 && sandlock_policy_add(p, "filesystem.read", paths[i], &err) < 0)
			fail("policy", err);
	if (!p || sandlock_policy_set(p, "program.name", "bench", &err) < 0 || sandlock_policy_freeze(p, &err) < 0)
		fail("policy", err);
	return p;
}

static sandlock_sandbox *start(const sandlock_policy *p, const char *const *argv)
{
	struct sandlock_spawn_args args = SANDLOCK_SPAWN_ARGS;
	sandlock_sandbox *box = NULL;
	sandlock_error *err = NULL;

	args.argv = argv;
	if (sandlock_spawn(p, &args, &box, &err) < 0)
		fail("spawn", err);
	return box;
}

static void finish(sandlock_sandbox *box)
{
	sandlock_error *err = NULL;

	if (sandlock_wait(box, -1, &err) < 0 || sandlock_exit_status(box) != 0)
		fail("wait", err);
	sandlock_free(box);
}

static double once_plain(void)
{
	double from = now_us();
	int status = -1;
	pid_t pid;

	if (posix_spawn(&pid, true_argv[0], NULL, NULL, (char *const *)(uintptr_t)true_argv, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid || status != 0)
		fail("posix_spawn", NULL);
	return now_us() - from;
}

static double once_ours(const sandlock_policy *p)
{
	double from = now_us();

	finish(start(p, true_argv));
	return now_us() - from;
}

static int spawn(int rounds, size_t heap_mib)
{
	sandlock_policy *p = policy();
	double *plain = calloc((size_t)rounds, sizeof *plain);
	double *ours = calloc((size_t)rounds, sizeof *ours);

	if (heap_mib) {
		size_t size = heap_mib << 20;
		char *heap = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (heap == MAP_FAILED || madvise(heap, size, MADV_NOHUGEPAGE) < 0)
			fail("heap", NULL);
		memset(heap, 1, size);
	}
	if (!plain || !ours)
		return 1;
	once_plain();
	once_ours(p);
	for (int i = 0; i < rounds; i++) {
		plain[i] = once_plain();
		ours[i] = once_ours(p);
	}
	qsort(plain, (size_t)rounds, sizeof *plain, compare);
	qsort(ours, (size_t)rounds, sizeof *ours, compare);
	printf("{\"posix_spawn_us\": %.1f, \"sandlock_us\": %.1f}\n", plain[rounds / 2], ours[rounds / 2]);
	sandlock_policy_free(p);
	return 0;
}

static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

static int lines(const char *path)
{
	FILE *f = fopen(path, "re");
	int count = 0;

	for (int c; f && (c = fgetc(f)) != EOF;)
		count += c == '\n';
	if (f)
		fclose(f);
	return count;
}

static long status_kib(const char *key)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	long value = 0;

	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, key, strlen(key)) == 0)
			value += strtol(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return value;
}

struct counts {
	int fds, children, threads, temporary, ipc;
	long private_kib;
};

static int count_children(void)
{
	char path[64];
	FILE *f;
	int count = 0, pid;

	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		count++;
	if (f)
		fclose(f);
	return count;
}

static struct counts look(void)
{
	return (struct counts){
		.fds = entries("/proc/self/fd"),
		.children = count_children(),
		.threads = entries("/proc/self/task"),
		.temporary = entries("/tmp") + entries("/dev/shm"),
		.ipc = lines("/proc/sysvipc/shm") + lines("/proc/sysvipc/sem") + lines("/proc/sysvipc/msg"),
		.private_kib = status_kib("Private_Clean:") + status_kib("Private_Dirty:"),
	};
}

static void print_difference(const struct counts *a, const struct counts *b, double seconds)
{
	printf("{\"descriptors\": %d, \"processes\": %d, \"threads\": %d, \"files\": %d, \"ipc\": %d, \"private_kib\": %ld, "
	       "\"seconds\": %.2f}\n",
	       b->fds - a->fds, b->children - a->children, b->threads - a->threads, b->temporary - a->temporary,
	       b->ipc - a->ipc, b->private_kib - a->private_kib, seconds);
}

static int sequence(int count)
{
	sandlock_policy *p = policy();

	for (int i = 0; i < 20; i++)
		finish(start(p, true_argv));
	struct counts before = look();
	double from = now_us();
	for (int i = 0; i < count; i++)
		finish(start(p, true_argv));
	struct counts after = look();
	print_difference(&before, &after, (now_us() - from) / 1e6);
	sandlock_policy_free(p);
	return 0;
}

static void crowd_once(const sandlock_policy *p, sandlock_sandbox **boxes, int count)
{
	for (int i = 0; i < count; i++)
		boxes[i] = start(p, sleep_argv);
	for (int i = 0; i < count; i++)
		finish(boxes[i]);
}

static int crowd(int count)
{
	sandlock_policy *p = policy();
	sandlock_sandbox **boxes = calloc((size_t)count, sizeof(*boxes));
	struct rlimit files = { 65536, 65536 };

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (!boxes)
		return 1;
	crowd_once(p, boxes, count);    /* thread stacks and arenas that libc keeps are there after this */
	struct counts before = look();
	double from = now_us();
	crowd_once(p, boxes, count);
	struct counts after = look();
	print_difference(&before, &after, (now_us() - from) / 1e6);
	free(boxes);
	sandlock_policy_free(p);
	return 0;
}

int main(int argc, char **argv)
{
	int count = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;

	if (count < 1)
		return 2;
	if (strcmp(argv[1], "spawn") == 0)
		return spawn(count, argc > 3 ? strtoul(argv[3], NULL, 10) : 0);
	if (strcmp(argv[1], "sequence") == 0)
		return sequence(count);
	if (strcmp(argv[1], "crowd") == 0)
		return crowd(count);
	return 2;
}
