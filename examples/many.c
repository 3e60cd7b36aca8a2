/* Many sandboxes at once, from many threads that share one frozen policy. */
#include <sandlock/sandlock.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, RUNS = 5 };

struct job {
	const sandlock_policy *policy;
	int number;
	int good;               /* out: how many runs answered as they should */
};

static int one_run(const sandlock_policy *policy, int number)
{
	char code[64];
	const char *argv[] = { "/bin/sh", "-c", NULL, NULL };
	struct sandlock_spawn_args args = SANDLOCK_SPAWN_ARGS;
	sandlock_sandbox *box = NULL;
	sandlock_error *err = NULL;

	snprintf(code, sizeof code, "exit %d", number);
	argv[2] = code;
	args.argv = argv;
	if (sandlock_spawn(policy, &args, &box, &err) < 0) {
		fprintf(stderr, "%s\n", sandlock_error_message(err));
		sandlock_error_free(err);
		return 0;
	}
	sandlock_wait(box, -1, NULL);
	int good = sandlock_exit_code(box) == number;

	sandlock_free(box);
	return good;
}

static void *work(void *arg)
{
	struct job *job = arg;

	for (int i = 0; i < RUNS; i++)
		job->good += one_run(job->policy, job->number);
	return NULL;
}

int main(void)
{
	sandlock_policy *policy = sandlock_policy_new();
	struct job jobs[THREADS];
	pthread_t threads[THREADS];
	int good = 0;

	if (!policy || sandlock_policy_set(policy, "extends", "base", NULL) < 0 ||
	    sandlock_policy_freeze(policy, NULL) < 0)
		return EXIT_FAILURE;
	for (int i = 0; i < THREADS; i++) {
		jobs[i] = (struct job){ policy, i, 0 };
		pthread_create(&threads[i], NULL, work, &jobs[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		good += jobs[i].good;
	}
	sandlock_policy_free(policy);
	printf("%d of %d runs as expected\n", good, THREADS * RUNS);
	return good == THREADS * RUNS ? EXIT_SUCCESS : EXIT_FAILURE;
}
