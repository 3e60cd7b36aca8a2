/* sandlock completion: scripts for shells, made of the rows that the parser reads. */
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/out.h"

/* One option of one command, wherever its row stands. */
struct item {
	char letter;
	const char *flag;
	const char *help;
	bool takes_value;       /* as the next word */
	bool maybe;             /* only after '=' */
	const char *complete;   /* as in struct arg_option */
};

typedef void item_fn(struct str *out, const struct command *command, const struct item *item);

/* Words of a policy option's value, where they are a closed set. */
static void preset_words(struct str *out)
{
	const char *name;

	for (size_t i = 0; (name = sandlock_preset_name(i)); i++)
		str_addf(out, "%s%s", i ? " " : "", name);
}

static void net_preset_words(struct str *out)
{
	const char *name;

	for (size_t i = 0; (name = sandlock_net_preset_name(i)); i++)
		str_addf(out, "%s%s", i ? " " : "", name);
}

static void protection_words(struct str *out)
{
	const char *name;

	for (size_t i = 0; (name = sandlock_protection_name(i)); i++)
		str_addf(out, "%s%s", i ? " " : "", name);
}

static const struct {
	const char *key;
	void (*words)(struct str *out);
} word_lists[] = {
	{ "extends", preset_words },
	{ "network.presets", net_preset_words },
	{ "allow_degraded", protection_words },
	{ "disable", protection_words },
};

/* "file", words, or NULL; *words holds the text. */
static const char *policy_complete(size_t index, struct str *words)
{
	const char *type = sandlock_option_get(index, SANDLOCK_OPTION_TYPE);

	for (size_t i = 0; i < ARRAY_SIZE(word_lists); i++)
		if (strcmp(word_lists[i].key, sandlock_option_get(index, SANDLOCK_OPTION_KEY)) == 0) {
			word_lists[i].words(words);
			return words->buf;
		}
	return strcmp(type, "path") == 0 || strcmp(type, "paths") == 0 ? "file" : NULL;
}

static void each_item(struct str *out, const struct command *command, item_fn *one)
{
	for (size_t i = 0; i < command->option_count; i++) {
		const struct arg_option *o = &command->options[i];
		struct item item = { o->letter, o->flag, o->help, o->takes == ARG_VALUE, o->takes == ARG_MAYBE, o->complete };

		one(out, command, &item);
	}
	for (size_t i = 0; command->takes_policy && i < sandlock_option_count(); i++) {
		AUTO(str) struct str words = STR(4096);
		const char *letter = sandlock_option_get(i, SANDLOCK_OPTION_SHORT);
		struct item item = { letter ? letter[0] : 0, sandlock_option_get(i, SANDLOCK_OPTION_FLAG),
				     sandlock_option_get(i, SANDLOCK_OPTION_HELP), .complete = policy_complete(i, &words) };

		item.takes_value = strcmp(sandlock_option_get(i, SANDLOCK_OPTION_TYPE), "flag") != 0;
		if (option_is_shown(i))
			one(out, command, &item);
	}
}

/* The words that come first after a command that takes no options of interest. */
static const struct {
	const char *command;
	const char *words;
} verbs[] = {
	{ "profile", "list show delete lint path presets" },
	{ "completion", "bash zsh fish" },
	{ "docs", "man toml markdown" },
};

static void command_names(struct str *out)
{
	const struct command *command;

	for (size_t i = 0; (command = command_at(i)); i++)
		if (!command->hidden)
			str_addf(out, "%s%s", i ? " " : "", command->name);
}

/* --- bash --- */

static void bash_flag(struct str *out, const struct command *command, const struct item *item)
{
	(void)command;
	str_addf(out, " --%s", item->flag);
	if (item->letter)
		str_addf(out, " -%c", item->letter);
}

static void bash_value(struct str *out, const struct command *command, const struct item *item)
{
	if (!item->takes_value)
		return;
	str_addf(out, "\t%s:--%s", command->name, item->flag);
	if (item->letter)
		str_addf(out, "|%s:-%c", command->name, item->letter);
	str_add(out, ") ");
	if (item->complete && strcmp(item->complete, "file") == 0)
		str_add(out, "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))");
	else if (item->complete && strcmp(item->complete, "profile") == 0)
		str_add(out, "COMPREPLY=($(compgen -W \"$(sandlock profile list 2>/dev/null)\" -- \"$cur\"))");
	else if (item->complete)
		str_addf(out, "COMPREPLY=($(compgen -W \"%s\" -- \"$cur\"))", item->complete);
	else
		str_add(out, "COMPREPLY=()");
	str_add(out, "; return ;;\n");
}

static void print_bash(struct str *out)
{
	const struct command *command;

	str_add(out, "# bash completion of sandlock; made by: sandlock completion bash\n"
		     "_sandlock()\n{\n"
		     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[1]} i\n"
		     "\tCOMPREPLY=()\n"
		     "\tif ((COMP_CWORD == 1)); then\n\t\tCOMPREPLY=($(compgen -W \"");
	command_names(out);
	str_add(out, " --help --version\" -- \"$cur\"))\n\t\treturn\n\tfi\n"
		     "\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
		     "\t\tif [[ ${COMP_WORDS[i]} == -- ]]; then\n"
		     "\t\t\tif ((i == COMP_CWORD - 1)); then\n"
		     "\t\t\t\tCOMPREPLY=($(compgen -c -- \"$cur\"))\n"
		     "\t\t\telse\n\t\t\t\tcompopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))\n\t\t\tfi\n"
		     "\t\t\treturn\n\t\tfi\n\tdone\n\tcase $cmd:$prev in\n");
	for (size_t i = 0; (command = command_at(i)); i++)
		if (!command->hidden)
			each_item(out, command, bash_value);
	str_add(out, "\tprofile:show)\n\t\tCOMPREPLY=($(compgen -W \"$(sandlock profile list 2>/dev/null) ");
	preset_words(out);
	str_addc(out, ' ');
	net_preset_words(out);
	str_add(out, "\" -- \"$cur\")); return ;;\n\tprofile:delete|profile:lint|profile:path)\n"
		     "\t\tCOMPREPLY=($(compgen -W \"$(sandlock profile list 2>/dev/null)\" -- \"$cur\")); return ;;\n"
		     "\tesac\n\tcase $cmd in\n");
	for (size_t i = 0; (command = command_at(i)); i++) {
		if (command->hidden)
			continue;
		str_addf(out, "\t%s) COMPREPLY=($(compgen -W \"", command->name);
		for (size_t j = 0; j < ARRAY_SIZE(verbs); j++)
			str_add(out, strcmp(verbs[j].command, command->name) == 0 ? verbs[j].words : "");
		each_item(out, command, bash_flag);
		str_add(out, "\" -- \"$cur\")) ;;\n");
	}
	str_add(out, "\tesac\n}\ncomplete -F _sandlock sandlock\n");
}

/* --- zsh --- */

/* Inside '...' and [...]. */
static void add_zsh(struct str *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			str_add(out, "'\\''");
		else if (strchr("[]:\\", *text))
			str_addf(out, "\\%c", *text);
		else
			str_addc(out, *text);
	}
}

static void zsh_value(struct str *out, const struct item *item)
{
	if (!item->takes_value && !item->maybe)
		return;
	str_addf(out, ":%s:", item->flag);
	if (item->complete && strcmp(item->complete, "file") == 0)
		str_add(out, "_files");
	else if (item->complete && strcmp(item->complete, "profile") == 0)
		str_add(out, "($(sandlock profile list 2>/dev/null))");
	else if (item->complete)
		str_addf(out, "(%s)", item->complete);
}

static void zsh_item(struct str *out, const struct command *command, const struct item *item)
{
	(void)command;
	str_addf(out, "\t\t\t'*--%s%s[", item->flag, item->takes_value ? "=" : item->maybe ? "=-" : "");
	add_zsh(out, item->help);
	str_addc(out, ']');
	if (item->maybe)
		str_addc(out, ':');
	zsh_value(out, item);
	str_add(out, "' \\\n");
	if (!item->letter)
		return;
	str_addf(out, "\t\t\t'*-%c%s[", item->letter, item->takes_value ? "+" : "");
	add_zsh(out, item->help);
	str_addc(out, ']');
	zsh_value(out, item);
	str_add(out, "' \\\n");
}

static void print_zsh(struct str *out)
{
	const struct command *command;

	str_add(out, "#compdef sandlock\n# zsh completion of sandlock; made by: sandlock completion zsh\n"
		     "_sandlock()\n{\n\tlocal cmd=$words[2]\n\tif ((CURRENT == 2)); then\n\t\tlocal -a commands=(\n");
	for (size_t i = 0; (command = command_at(i)); i++) {
		if (command->hidden)
			continue;
		str_addf(out, "\t\t\t'%s:", command->name);
		add_zsh(out, command->summary);
		str_add(out, "'\n");
	}
	str_add(out, "\t\t)\n\t\t_describe command commands\n\t\treturn\n\tfi\n"
		     "\twords=(\"${(@)words[2,-1]}\")\n\t((CURRENT--))\n\tcase $cmd in\n");
	for (size_t i = 0; (command = command_at(i)); i++) {
		if (command->hidden)
			continue;
		str_addf(out, "\t%s)\n\t\t_arguments -s -S \\\n", command->name);
		each_item(out, command, zsh_item);
		for (size_t j = 0; j < ARRAY_SIZE(verbs); j++)
			if (strcmp(verbs[j].command, command->name) == 0)
				str_addf(out, "\t\t\t'1:what:(%s)' \\\n", verbs[j].words);
		str_add(out, strcmp(command->name, "run") == 0 ? "\t\t\t'*::command:_normal' ;;\n" :
								 "\t\t\t'*::rest:_default' ;;\n");
	}
	str_add(out, "\tesac\n}\n_sandlock \"$@\"\n");
}

/* --- fish --- */

static void add_fish(struct str *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			str_addc(out, '\\');
		str_addc(out, *text);
	}
}

static void fish_item(struct str *out, const struct command *command, const struct item *item)
{
	str_addf(out, "complete -c sandlock -n '__fish_seen_subcommand_from %s' -l %s", command->name, item->flag);
	if (item->letter)
		str_addf(out, " -s %c", item->letter);
	if (item->takes_value)
		str_add(out, " -r");
	if (item->complete && strcmp(item->complete, "file") == 0)
		str_add(out, " -F");
	else if (item->complete && strcmp(item->complete, "profile") == 0)
		str_add(out, " -f -a '(sandlock profile list 2>/dev/null)'");
	else if (item->complete)
		str_addf(out, " -f -a '%s'", item->complete);
	str_add(out, " -d '");
	add_fish(out, item->help);
	str_add(out, "'\n");
}

static void print_fish(struct str *out)
{
	const struct command *command;

	str_add(out, "# fish completion of sandlock; made by: sandlock completion fish\n");
	for (size_t i = 0; (command = command_at(i)); i++) {
		if (command->hidden)
			continue;
		str_addf(out, "complete -c sandlock -f -n __fish_use_subcommand -a %s -d '", command->name);
		add_fish(out, command->summary);
		str_add(out, "'\n");
		each_item(out, command, fish_item);
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		str_addf(out, "complete -c sandlock -f -n '__fish_seen_subcommand_from %s' -a '%s'\n", verbs[i].command,
			 verbs[i].words);
	str_add(out, "complete -c sandlock -n '__fish_seen_subcommand_from run' -xa "
		     "'(__fish_complete_subcommand --fcs-skip=2)'\n");
}

static const struct printer shells[] = {
	{ "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish },
};

static const struct arg_option options[] = { ARG_COMMON_ROWS };

static int run(const struct command *self, const char *const *argv)
{
	return command_print(self, argv, shells, ARRAY_SIZE(shells));
}

const struct command command_completion = {
	.name = "completion",
	.synopsis = "bash|zsh|fish",
	.summary = "Prints a completion script for a shell",
	.options = options, .option_count = ARRAY_SIZE(options), .run = run,
};
