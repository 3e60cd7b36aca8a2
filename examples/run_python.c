/* Run a Python program that nobody trusts: its output comes through a pipe, and it has five seconds. */
#include <sandlock/sandlock.h>

#include <stdio.h>
#include <unistd.h>

static int failed(const char *what, sandlock_error *err)
{
	fprintf(stderr, "%s: %s\n", what, sandlock_error_message(err));
	sandlock_error_free(err);
	return 1;
}

/* What is printed from the far end of the pipe, line by line as it comes. */
static void show_output(int fd)
{
	char buf[4096];
	ssize_t got;

	while ((got = read(fd, buf, sizeof buf)) > 0)
		fwrite(buf, 1, (size_t)got, stdout);
	close(fd);
}

static int run(const sandlock_policy *policy, const char *code)
{
	const char *argv[] = { "python3", "-c", NULL, NULL };
	struct sandlock_spawn_args args = SANDLOCK_SPAWN_ARGS;
	sandlock_sandbox *box = NULL;
	sandlock_error *err = NULL;

	argv[2] = code;
	args.argv = argv;
	args.stdio[0].mode = SANDLOCK_STDIO_NULL;
	args.stdio[1].mode = SANDLOCK_STDIO_PIPE;
	if (sandlock_spawn(policy, &args, &box, &err) < 0)
		return failed("cannot start python3", err);
	show_output(sandlock_stdio_take(box, 1));
	sandlock_wait(box, -1, NULL);
	printf("%s (exit status %d)\n", sandlock_exit_reason(box), sandlock_exit_status(box));
	sandlock_free(box);
	return 0;
}

int main(int argc, char **argv)
{
	const char *code = argc > 1 ? argv[1] : "print(sum(range(1000)))\nprint(open('/etc/shadow').read())";
	sandlock_policy *policy = sandlock_policy_new();
	sandlock_error *err = NULL;

	if (!policy)
		return 1;
	if (sandlock_policy_set(policy, "extends", "python", &err) < 0 ||
	    sandlock_policy_set(policy, "limits.timeout", "5", &err) < 0 ||
	    sandlock_policy_set(policy, "limits.memory", "256M", &err) < 0 ||
	    sandlock_policy_freeze(policy, &err) < 0) {
		sandlock_policy_free(policy);
		return failed("the policy", err);
	}
	int rc = run(policy, code);

	sandlock_policy_free(policy);
	return rc;
}
