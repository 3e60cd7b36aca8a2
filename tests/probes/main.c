/* The command line of the runner: one probe by name, or a list of all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attempt.h"
#include "base/str.h"

enum { EXIT_DID_IT = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_UNAVAILABLE = 77 };

static int list_probes(void)
{
	for (size_t i = 0; i < probe_count(); i++) {
		const struct probe_case *p = probe_at(i);

		printf("%s\t%s\t%u\t%s\t%s\n", p->id, p->name, p->flags, p->policy ? p->policy : "", p->title);
	}
	return EXIT_DID_IT;
}

static bool parse_number(const char *text, uint64_t max, int *out)
{
	uint64_t value = 0;

	if (view_u64(view_of(text), max, &value) < 0)
		return false;
	*out = (int)value;
	return true;
}

static bool parse_option(const char *name, const char *value, struct probe_args *args)
{
	if (strcmp(name, "--scratch") == 0)
		args->scratch = value;
	else if (strcmp(name, "--secret") == 0)
		args->secret = value;
	else if (strcmp(name, "--pid") == 0)
		return parse_number(value, INT_MAX, &args->pid);
	else if (strcmp(name, "--port") == 0)
		return parse_number(value, 65535, &args->port);
	else
		return false;
	return true;
}

static int usage(void)
{
	fputs("usage: probe-runner NAME --scratch DIR --secret DIR --pid PID --port PORT\n"
	      "       probe-runner --list\n"
	      "       probe-runner --prepare --scratch DIR --secret DIR\n", stderr);
	return EXIT_USAGE;
}

static int run_named(const char *name, const struct probe_args *args)
{
	const struct probe_case *probe = probe_by_name(name);
	char line[64];

	if (!probe)
		return usage();
	struct probe_outcome outcome = probe_run(probe, args);

	probe_describe(&outcome, line, sizeof line);
	printf("%s: %s\n", name, line);
	if (outcome.result == PROBE_DID_IT)
		return EXIT_DID_IT;
	return outcome.result == PROBE_REFUSED ? EXIT_REFUSED : EXIT_UNAVAILABLE;
}

int probe_main(int argc, char **argv)
{
	struct probe_args args = { .scratch = "/nonexistent", .secret = "/nonexistent", .pid = -1 };

	if (argc == 2 && strcmp(argv[1], "--list") == 0)
		return list_probes();
	if (argc < 2)
		return usage();
	for (int i = 2; i < argc; i += 2)
		if (i + 1 >= argc || !parse_option(argv[i], argv[i + 1], &args))
			return usage();
	if (strcmp(argv[1], "--prepare") == 0)
		return probes_prepare(args.scratch, args.secret) == 0 ? EXIT_DID_IT : EXIT_REFUSED;
	return run_named(argv[1], &args);
}
