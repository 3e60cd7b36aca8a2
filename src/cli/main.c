/* The sandlock command: finds the command by its name and runs it. */
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/out.h"

static const struct command command_version;
static const struct command command_help;

static const struct command *const commands[] = {
	&command_run, &command_why, &command_check, &command_selftest, &command_profile, &command_completion,
	&command_docs, &command_version, &command_help, &command_selftest_probe,
};

const struct command *command_at(size_t index)
{
	return index < ARRAY_SIZE(commands) ? commands[index] : NULL;
}

static const struct command *command_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static const char *command_name(size_t index, const void *unused)
{
	(void)unused;
	return commands[index]->hidden ? NULL : commands[index]->name;
}

static int refuse_unknown(const char *word)
{
	AUTO(str) struct str buf = STR(400);
	const char *nearest = args_nearest(word, command_name, NULL, ARRAY_SIZE(commands));
	const char *shown = out_quote(&buf, word);

	if (nearest)
		out_say("unknown command '%s'; did you mean '%s'?", shown, nearest);
	else if (word[0] == '-')
		out_say("unknown option '%s'; options of the sandbox come after 'run': sandlock run OPTIONS -- COMMAND", shown);
	else
		out_say("unknown command '%s'; to run a program: sandlock run -- %s", shown, shown);
	return EXIT_USAGE;
}

static int print_version(const struct command *self, const char *const *argv)
{
	AUTO(str) struct str text = STR(100);
	struct arg_common request = { 0 };
	int code;

	if (command_start(self, argv, &request, &code) < 0)
		return code;
	str_addf(&text, "sandlock %s\n", sandlock_version());
	return out_result(&text);
}

static int print_help(const struct command *self, const char *const *argv)
{
	AUTO(str) struct str text = STR(1 << 16);
	struct arg_common request = { 0 };
	int code;
	int rest = command_start(self, argv, &request, &code);

	if (rest < 0)
		return code;
	const struct command *command = argv[rest] ? command_by_name(argv[rest]) : NULL;

	if (argv[rest] && !command)
		return refuse_unknown(argv[rest]);
	if (command)
		help_command(&text, command);
	else
		help_overview(&text);
	return out_result(&text);
}

static const struct arg_option common_options[] = { ARG_COMMON_ROWS };

static const struct command command_version = {
	.name = "version", .synopsis = "", .summary = "Prints the version",
	.options = common_options, .option_count = ARRAY_SIZE(common_options), .run = print_version,
};

static const struct command command_help = {
	.name = "help", .synopsis = "[COMMAND]", .summary = "Prints help, of a command if one is named",
	.options = common_options, .option_count = ARRAY_SIZE(common_options), .run = print_help,
};

static const struct command *by_option(const char *word)
{
	if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
		return &command_help;
	if (strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0)
		return &command_version;
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		AUTO(str) struct str text = STR(1 << 16);

		help_overview(&text);
		write(STDERR_FILENO, text.buf ? text.buf : "", text.len);
		return EXIT_USAGE;
	}
	const struct command *command = by_option(argv[1]);

	if (!command)
		command = command_by_name(argv[1]);
	if (!command)
		return refuse_unknown(argv[1]);
	return command->run(command, (const char *const *)argv + 1);
}
