/* Run a command to its end, keep what it wrote, and say why the sandbox refused what it refused. */
#include <sandlock/sandlock.h>

#include <stdio.h>
#include <string.h>

static void show_refusals(const sandlock_sandbox *box)
{
	for (size_t i = 0; i < sandlock_refusal_count(box); i++) {
		const char *flag = sandlock_refusal_get(box, i, SANDLOCK_REFUSAL_FLAG);

		printf("refused: %s %s", sandlock_refusal_get(box, i, SANDLOCK_REFUSAL_OPERATION),
		       sandlock_refusal_get(box, i, SANDLOCK_REFUSAL_TARGET));
		printf(flag ? ", granted by %s\n" : "\n", flag ? flag : "");
	}
}

static int capture(const sandlock_policy *policy, const char *const *argv)
{
	static const char input[] = "a line for the program\n";
	struct sandlock_spawn_args args = SANDLOCK_SPAWN_ARGS;
	struct sandlock_capture capture;
	sandlock_sandbox *box = NULL;
	sandlock_error *err = NULL;

	args.argv = argv;
	memset(&capture, 0, sizeof capture);
	capture.size = sizeof capture;
	capture.input = input;
	capture.input_len = sizeof input - 1;
	capture.limit = 65536;
	if (sandlock_run(policy, &args, &capture, &box, &err) < 0) {
		fprintf(stderr, "%s\n", sandlock_error_message(err));
		sandlock_error_free(err);
		return 125;
	}
	printf("status %d, %zu bytes of output:\n%s", sandlock_exit_status(box), capture.output_len, capture.output);
	printf("%zu bytes of errors:\n%s", capture.errors_len, capture.errors);
	show_refusals(box);
	int status = sandlock_exit_status(box);

	sandlock_string_free(capture.output);
	sandlock_string_free(capture.errors);
	sandlock_free(box);
	return status;
}

int main(int argc, char **argv)
{
	static const char *const default_argv[] = { "/bin/sh", "-c", "read line; echo \"got: $line\"; cat /etc/shadow", NULL };
	sandlock_policy *policy = sandlock_policy_new();
	sandlock_error *err = NULL;

	if (!policy)
		return 125;
	if (sandlock_policy_set(policy, "extends", "base", &err) < 0 ||
	    sandlock_policy_set(policy, "explain", "true", &err) < 0 || sandlock_policy_freeze(policy, &err) < 0) {
		fprintf(stderr, "%s\n", sandlock_error_message(err));
		sandlock_error_free(err);
		sandlock_policy_free(policy);
		return 125;
	}
	int status = capture(policy, argc > 1 ? (const char *const *)(argv + 1) : default_argv);

	sandlock_policy_free(policy);
	return status;
}
