/* Help texts, made from the same rows that the parser reads. */
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/out.h"

enum { HELP_COLUMN = 30 };

static void add_option(struct str *out, const char *letter, const char *flag, const char *metavar, bool maybe,
		       const char *help)
{
	size_t start = out->len;

	str_addf(out, letter && *letter ? "  -%s, " : "      ", letter);
	str_addf(out, "--%s", flag);
	if (metavar)
		str_addf(out, maybe ? "[=%s]" : " %s", metavar);
	if (out->len - start > HELP_COLUMN - 2) {
		str_addc(out, '\n');
		start = out->len;
	}
	while (out->rc == 0 && out->len - start < HELP_COLUMN)
		str_addc(out, ' ');
	str_addf(out, "%s\n", help);
}

bool option_is_shown(size_t index)
{
	const char *scope = sandlock_option_get(index, SANDLOCK_OPTION_SCOPE);

	return (!scope || strcmp(scope, "both") == 0) && sandlock_option_get(index, SANDLOCK_OPTION_FLAG);
}

const char *option_group(size_t index)
{
	const char *group = sandlock_option_get(index, SANDLOCK_OPTION_GROUP);

	return group ? group : "Other";
}

static void add_policy_option(struct str *out, size_t index)
{
	add_option(out, sandlock_option_get(index, SANDLOCK_OPTION_SHORT), sandlock_option_get(index, SANDLOCK_OPTION_FLAG),
		   sandlock_option_get(index, SANDLOCK_OPTION_METAVAR), false,
		   sandlock_option_get(index, SANDLOCK_OPTION_HELP));
}

/* Has a group been printed by an option before this one? */
static bool group_is_new(size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (option_is_shown(i) && strcmp(option_group(i), option_group(index)) == 0)
			return false;
	return true;
}

static void add_policy_options(struct str *out)
{
	for (size_t i = 0; i < sandlock_option_count(); i++) {
		if (!option_is_shown(i) || !group_is_new(i))
			continue;
		str_addf(out, "\n%s:\n", option_group(i));
		for (size_t j = i; j < sandlock_option_count(); j++)
			if (option_is_shown(j) && strcmp(option_group(j), option_group(i)) == 0)
				add_policy_option(out, j);
	}
}

void help_command(struct str *out, const struct command *command)
{
	str_addf(out, "Usage: sandlock %s %s\n\n%s.\n", command->name, command->synopsis, command->summary);
	if (command->text)
		str_addf(out, "\n%s", command->text);
	str_addf(out, "\n%s:\n", command->takes_policy ? "Command" : "Options");
	for (size_t i = 0; i < command->option_count; i++) {
		const struct arg_option *o = &command->options[i];
		const char letter[2] = { o->letter, '\0' };

		add_option(out, letter, o->flag, o->metavar, o->takes == ARG_MAYBE, o->help);
	}
	if (command->takes_policy)
		add_policy_options(out);
}

void help_overview(struct str *out)
{
	const struct command *command;

	str_add(out, "Usage: sandlock COMMAND [OPTIONS]\n\n"
		     "Runs a program that you do not trust on your own kernel, confined by Landlock and seccomp, without root.\n\n"
		     "  sandlock run -w . -- python3 x.py    run in a sandbox that may write below the current directory\n\n"
		     "Commands:\n");
	for (size_t i = 0; (command = command_at(i)); i++)
		if (!command->hidden)
			str_addf(out, "  %-12s %s\n", command->name, command->summary);
	str_add(out, "\nOptions:\n"
		     "  -h, --help     print this help; after a command, the command's\n"
		     "  -V, --version  print the version\n");
}

int command_start(const struct command *self, const char *const *argv, void *request, int *code)
{
	const struct arg_common *common = request;
	struct error err = { 0 };
	int rest = args_read(self, argv, request, &err);

	if (rest >= 0 && !common->help && !common->version)
		return rest;
	if (rest < 0) {
		*code = out_usage(&err);
		return -1;
	}
	AUTO(str) struct str text = STR(1 << 16);

	if (common->help)
		help_command(&text, self);
	else
		str_addf(&text, "sandlock %s\n", sandlock_version());
	*code = out_result(&text);
	return -1;
}

int command_print(const struct command *self, const char *const *argv, const struct printer *printers, size_t count)
{
	AUTO(str) struct str out = STR(1 << 22);
	struct arg_common request = { 0 };
	int code;
	int rest = command_start(self, argv, &request, &code);

	if (rest < 0)
		return code;
	for (size_t i = 0; argv[rest] && !argv[rest + 1] && i < count; i++)
		if (strcmp(argv[rest], printers[i].name) == 0) {
			printers[i].print(&out);
			return out_result(&out);
		}
	out_say("usage: sandlock %s %s", self->name, self->synopsis);
	return EXIT_USAGE;
}
