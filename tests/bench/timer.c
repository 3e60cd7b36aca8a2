/*
 * Times whole commands, interleaved, from a small process: start, run and end. Prints one line for each command: median
 * and tenth percentile in microseconds, and the status of a failing one as an error.
 *
 *     timer ROUNDS COMMAND [ARGUMENTS] --- COMMAND [ARGUMENTS] --- ...
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMMANDS_MAX = 16 };

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static double run(char **argv, const posix_spawn_file_actions_t *actions)
{
	int status = 0;
	pid_t pid;
	double start = now_us();

	int rc = posix_spawnp(&pid, argv[0], actions, NULL, argv, environ);
	if (rc != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "timer: %s: %s, status %d\n", argv[0], strerror(rc), status);
		exit(1);
	}
	return now_us() - start;
}

static int split(char **words, char **commands[COMMANDS_MAX])
{
	int count = 0;

	commands[count++] = words;
	for (; *words; words++)
		if (strcmp(*words, "---") == 0 && count < COMMANDS_MAX) {
			*words = NULL;
			commands[count++] = words + 1;
		}
	return count;
}

int main(int argc, char **argv)
{
	char **commands[COMMANDS_MAX];
	posix_spawn_file_actions_t actions;
	int rounds = argc > 2 ? (int)strtod(argv[1], NULL) : 0;

	if (rounds < 1)
		return 2;
	int count = split(argv + 2, commands);
	double *times = calloc((size_t)rounds * COMMANDS_MAX, sizeof *times);
	if (!times)
		return 1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	for (int c = 0; c < count; c++)
		run(commands[c], &actions);
	for (int r = 0; r < rounds; r++)
		for (int c = 0; c < count; c++)
			times[(size_t)c * (size_t)rounds + (size_t)r] = run(commands[c], &actions);
	for (int c = 0; c < count; c++) {
		double *mine = times + (size_t)c * (size_t)rounds;

		qsort(mine, (size_t)rounds, sizeof *mine, compare);
		printf("%.1f %.1f\n", mine[rounds / 2], mine[rounds / 10]);
	}
	return 0;
}
