/* sandlock run: one program, from the words on the command line to its exit code. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "cli/after.h"
#include "cli/assemble.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/strays.h"
#include "cli/watch.h"

struct request {
	struct arg_common common;
	struct arg_profile profile;
	const char *shell;              /* -e */
	const char *status_fd;
	const char *report;
	const char *print;
	bool interactive;
	bool quiet;
};

static const struct arg_option options[] = {
	ARG_PROFILE_ROWS(struct request, profile),
	{ "exec-shell", 'e', ARG_VALUE, offsetof(struct request, shell), "CMD", NULL, "run /bin/sh -c CMD" },
	{ "interactive", 'i', ARG_NONE, offsetof(struct request, interactive), NULL, NULL,
	  "give the program the terminal even if only its stdin is one" },
	{ "report", 0, ARG_MAYBE, offsetof(struct request, report), "FILE", "file",
	  "afterwards list what was refused, on stderr or in FILE (JSON if it ends in .json)" },
	{ "status-fd", 0, ARG_VALUE, offsetof(struct request, status_fd), "FD", NULL,
	  "write how it ended to the descriptor FD, as one line of JSON" },
	{ "print-policy", 0, ARG_MAYBE, offsetof(struct request, print), "toml|json", "toml json",
	  "print the policy with its grants and run nothing" },
	{ "quiet", 'q', ARG_NONE, offsetof(struct request, quiet), NULL, NULL,
	  "say nothing when the program fails" },
	ARG_COMMON_ROWS,
};

/* The program's words: those of the command line, or made of -e or the profile; `made` holds the array then. */
struct program {
	const char *const *argv;        /* NULL: there is none */
	const char **made;
};

static int refuse(const char *text)
{
	out_say("%s", text);
	return -1;
}

static int from_profile(struct program *program, const sandlock_policy *policy)
{
	size_t count = 0;

	if (!sandlock_policy_get(policy, "program.exec", 0))
		return 0;
	while (sandlock_policy_get(policy, "program.args", count))
		count++;
	program->made = mem_array(count + 2, sizeof *program->made);
	if (!program->made)
		return -ENOMEM;
	program->made[0] = sandlock_policy_get(policy, "program.exec", 0);
	for (size_t i = 0; i < count; i++)
		program->made[i + 1] = sandlock_policy_get(policy, "program.args", i);
	program->argv = program->made;
	return 0;
}

/* First -e, then the words after the options, then the profile's [program]. */
static int find_program(struct program *program, const struct request *request, const char *const *words,
			const sandlock_policy *policy)
{
	if (request->shell) {
		program->made = mem_array(4, sizeof *program->made);
		if (!program->made)
			return -ENOMEM;
		program->made[0] = "/bin/sh";
		program->made[1] = "-c";
		program->made[2] = request->shell;
		program->argv = program->made;
		return 0;
	}
	if (words[0]) {
		program->argv = words;
		return 0;
	}
	return from_profile(program, policy);
}

static int print_policy(const sandlock_policy *policy, const struct program *program, const char *how)
{
	enum sandlock_format format = strcmp(how, "json") == 0 ? SANDLOCK_JSON : SANDLOCK_TOML;
	AUTO(str) struct str out = STR(1 << 24);
	sandlock_error *err = NULL;
	char *text = NULL;
	int rc;

	if (program->argv)
		rc = sandlock_policy_print_for(policy, program->argv[0], format, &text, &err);
	else
		rc = sandlock_policy_print(policy, format, &text, &err);
	if (rc < 0)
		return out_failure(err, true);
	str_add(&out, text);
	if (out.len && out.buf[out.len - 1] != '\n')
		str_addc(&out, '\n');
	sandlock_string_free(text);
	return out_result(&out);
}

/* Those from `first` on; how many there are then. */
static size_t show_warnings(const sandlock_policy *policy, size_t first, bool quiet)
{
	const char *warning;
	size_t i;

	for (i = first; (warning = sandlock_policy_warning(policy, i)); i++)
		if (!quiet)
			out_say("warning: %s", warning);
	return i;
}

/*
 * It has ended and does nothing any more, and its memory goes with the process: to give back every mapping of it first
 * would be a twentieth of what a short program takes.
 */
static sandlock_sandbox *volatile ended;      /* volatile: nobody reads it, but leak checkers look for it */

static int run_program(sandlock_policy **policy, const struct program *program, const struct request *request,
		       struct after *after)
{
	struct sandlock_spawn_args args = SANDLOCK_SPAWN_ARGS;
	struct watch watch = { .signals = -1 };
	sandlock_sandbox *box = NULL;
	sandlock_error *err = NULL;
	int rc = watch_open(&watch, request->interactive);

	if (rc < 0) {
		out_say("cannot watch signals: %s", error_text(rc));
		return EXIT_OWN_FAILURE;
	}
	args.argv = program->argv;
	args.flags = watch_lends_terminal(&watch) ? SANDLOCK_SPAWN_FOREGROUND : 0;
	strays_adopt();
	size_t known = show_warnings(*policy, 0, true);
	rc = sandlock_spawn(*policy, &args, &box, &err);
	if (rc >= 0)
		show_warnings(*policy, known, after->quiet);
	/* While the program runs: it is time that nobody waits for. */
	sandlock_policy_free(TAKE(*policy));
	if (rc < 0) {
		AUTO(str) struct str message = STR(4096);

		terminal_take(&watch.terminal, -1);
		str_add(&message, err ? sandlock_error_message(err) : error_text(rc));
		rc = out_failure(err, true);
		after_failed_start(after, rc, message.buf ? message.buf : "");
	} else {
		watch_run(&watch, box);
		after->interrupted = watch.forwarded || (watch.terminal.jobs && sandlock_exit_signal(box) == SIGINT);
		rc = after_end(after, box);
		if (sandlock_exit_kind(box) == SANDLOCK_LOST)
			strays_kill();
		ended = box;
	}
	watch_close(&watch);
	return rc;
}

/* What can be wrong with the words before any policy is looked at. */
static int check_request(const struct request *request, const char *const *words, struct after *after)
{
	uint64_t fd = 0;

	if (request->shell && words[0])
		return refuse("-e/--exec-shell and a command after the options contradict each other; give one of them");
	if (request->print && request->print[0] && strcmp(request->print, "toml") != 0 && strcmp(request->print, "json") != 0)
		return refuse("--print-policy is toml or json");
	if (!request->status_fd)
		return 0;
	if (view_u64(view_of(request->status_fd), 1 << 20, &fd) < 0)
		return refuse("--status-fd needs the number of an open descriptor");
	if (fcntl((int)fd, F_GETFD) < 0)
		return refuse("--status-fd: that descriptor is not open");
	after->status_fd = (int)fd;
	return 0;
}

static int run_with(sandlock_policy **policy, const struct request *request, const char *const *words,
		    struct after *after)
{
	struct program program = { 0 };
	int rc = find_program(&program, request, words, *policy);

	if (rc < 0)
		return out_no_memory();
	after->has_timeout = sandlock_policy_number(*policy, "limits.timeout", &after->timeout) == 0;
	show_warnings(*policy, 0, request->quiet);
	after->explained = sandlock_policy_get(*policy, "explain", 0) != NULL;
	if (request->print)
		rc = print_policy(*policy, &program, request->print);
	else if (program.argv)
		rc = run_program(policy, &program, request, after);
	else {
		out_say("no command: put it after the options, as in sandlock run -- python3 x.py, or in [program] of a profile");
		rc = EXIT_USAGE;
	}
	mem_free(program.made);
	return rc;
}

/* Its own descriptors besides: the report's, which is opened before the program can make a link of its path. */
static int run(const struct command *self, const char *const *argv)
{
	AUTO(policy) sandlock_policy *policy = NULL;
	struct request request = { 0 };
	struct after after = { .report_fd = -1, .status_fd = -1 };
	int code;
	int rest = command_start(self, argv, &request, &code);

	if (rest < 0)
		return code;
	if (check_request(&request, argv + rest, &after) < 0)
		return EXIT_USAGE;
	if (assemble_policy(self, argv, &request.profile, &policy, &code) < 0) {
		after_failed_start(&after, code, "the policy is not valid");
		return code;
	}
	after.quiet = request.quiet;
	after.report = request.print ? NULL : request.report;
	int rc = after_open(&after);
	if (rc < 0) {
		AUTO(str) struct str buf = STR(600);

		out_say("--report: cannot write '%s': %s", out_quote(&buf, after.report), error_text(rc));
		return EXIT_OWN_FAILURE;
	}
	rc = run_with(&policy, &request, argv + rest, &after);
	after_close(&after);
	return rc;
}

const struct command command_run = {
	.name = "run",
	.synopsis = "[OPTIONS] [--] COMMAND [ARGS...]",
	.summary = "Runs a program in a sandbox",
	.text = "The sandbox starts from what a program needs to start at all (the preset \"base\") and grants nothing\n"
		"else; with no path granted, the current directory can be read, unless it is / or contains the home\n"
		"directory. --bare starts from nothing. The exit code is the program's; 128+N after signal N, 124 after\n"
		"--timeout, 125 when sandlock failed, 126 and 127 when the program could not be run or found, 2 for a wrong\n"
		"command line.\n",
	.options = options, .option_count = ARRAY_SIZE(options), .takes_policy = true, .run = run,
};
