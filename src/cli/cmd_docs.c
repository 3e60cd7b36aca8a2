/* sandlock docs: the parts of the manual pages that are made of the option rows. Used by the build. */
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/out.h"

/* Text for troff: no byte of it is a request or an escape. */
static void add_roff(struct str *out, const char *text)
{
	bool start = true;

	for (; *text; text++) {
		if (start && (*text == '.' || *text == '\''))
			str_add(out, "\\&");
		start = *text == '\n';
		if (*text == '\\')
			str_add(out, "\\e");
		else if (*text == '-')
			str_add(out, "\\-");
		else
			str_addc(out, *text);
	}
}

static const char *field(size_t index, enum sandlock_option_field f)
{
	return sandlock_option_get(index, f);
}

static bool in_profile(size_t index)
{
	const char *scope = field(index, SANDLOCK_OPTION_SCOPE);

	return field(index, SANDLOCK_OPTION_KEY) && (!scope || strcmp(scope, "hidden") != 0);
}

/* Calls `one` for each row that `shown` accepts, under the headings in the order of their first row. */
static void each_by_group(struct str *out, bool (*shown)(size_t), void (*heading)(struct str *, const char *),
			  void (*one)(struct str *, size_t))
{
	for (size_t i = 0; i < sandlock_option_count(); i++) {
		bool seen = !shown(i);

		for (size_t j = 0; j < i && !seen; j++)
			seen = shown(j) && strcmp(option_group(j), option_group(i)) == 0;
		if (seen)
			continue;
		heading(out, option_group(i));
		for (size_t j = i; j < sandlock_option_count(); j++)
			if (shown(j) && strcmp(option_group(j), option_group(i)) == 0)
				one(out, j);
	}
}

static void man_heading(struct str *out, const char *group)
{
	str_add(out, ".SS ");
	add_roff(out, group);
	str_addc(out, '\n');
}

static void man_flag(struct str *out, const char *letter, const char *flag, const char *metavar, bool maybe)
{
	str_add(out, ".TP\n");
	if (letter && *letter)
		str_addf(out, "\\fB\\-%s\\fR, ", letter);
	str_add(out, "\\fB\\-\\-");
	add_roff(out, flag);
	str_add(out, "\\fR");
	if (metavar) {
		str_add(out, maybe ? "[=\\fI" : " \\fI");
		add_roff(out, metavar);
		str_add(out, maybe ? "\\fR]" : "\\fR");
	}
	str_addc(out, '\n');
}

/* "one line" as a sentence */
static void man_sentence(struct str *out, const char *text)
{
	if (text[0] >= 'a' && text[0] <= 'z')
		str_addc(out, (char)(text[0] - 'a' + 'A'));
	add_roff(out, text[0] >= 'a' && text[0] <= 'z' ? text + 1 : text);
	str_add(out, text[strlen(text) - 1] == '?' ? "\n" : ".\n");
}

static void man_rest(struct str *out, size_t index)
{
	const char *detail = field(index, SANDLOCK_OPTION_DETAIL);
	const char *fallback = field(index, SANDLOCK_OPTION_DEFAULT);

	man_sentence(out, field(index, SANDLOCK_OPTION_HELP));
	if (detail) {
		add_roff(out, detail);
		str_addc(out, '\n');
	}
	if (fallback) {
		str_add(out, "Default: ");
		add_roff(out, fallback);
		str_add(out, ".\n");
	}
}

static void man_option(struct str *out, size_t index)
{
	man_flag(out, field(index, SANDLOCK_OPTION_SHORT), field(index, SANDLOCK_OPTION_FLAG),
		 field(index, SANDLOCK_OPTION_METAVAR), false);
	man_rest(out, index);
}

/* Every command with its own options, then the policy's. */
static void docs_man(struct str *out)
{
	const struct command *command;

	for (size_t i = 0; (command = command_at(i)); i++) {
		if (command->hidden)
			continue;
		str_add(out, ".SS sandlock ");
		str_addf(out, "%s\n\\fBsandlock %s\\fR ", command->name, command->name);
		add_roff(out, command->synopsis);
		str_add(out, "\n.PP\n");
		man_sentence(out, command->summary);
		if (command->text)
			add_roff(out, command->text);
		for (size_t j = 0; j < command->option_count; j++) {
			const struct arg_option *o = &command->options[j];
			const char letter[2] = { o->letter, '\0' };

			man_flag(out, letter, o->flag, o->metavar, o->takes == ARG_MAYBE);
			man_sentence(out, o->help);
		}
	}
	str_add(out, ".SH POLICY OPTIONS\nThese are options of \\fBrun\\fR and \\fBwhy\\fR. A list may be given several times; what "
		     "the command line says is added to the lists of the profile and replaces its other values. A switch can be "
		     "turned off again with \\fI=false\\fR.\n");
	each_by_group(out, option_is_shown, man_heading, man_option);
}

static const struct {
	const char *type;
	const char *toml;
} toml_types[] = {
	{ "flag", "boolean" }, { "count", "integer" }, { "size", "string" },
	{ "duration", "integer or string" }, { "percent", "integer" }, { "text", "string" }, { "path", "string" },
	{ "list", "array of strings" }, { "paths", "array of strings" }, { "numbers", "array of integers" },
	{ "ports", "array of integers or strings" }, { "rules", "array of strings" }, { "env", "table of strings" },
	{ "user", "string" }, { "id", "integer" },
};

static const char *toml_type(size_t index)
{
	for (size_t i = 0; i < ARRAY_SIZE(toml_types); i++)
		if (strcmp(toml_types[i].type, field(index, SANDLOCK_OPTION_TYPE)) == 0)
			return toml_types[i].toml;
	return "string";
}

static void toml_option(struct str *out, size_t index)
{
	str_add(out, ".TP\n\\fB");
	add_roff(out, field(index, SANDLOCK_OPTION_KEY));
	str_addf(out, "\\fR (%s", toml_type(index));
	if (field(index, SANDLOCK_OPTION_FLAG)) {
		str_add(out, "; \\-\\-");
		add_roff(out, field(index, SANDLOCK_OPTION_FLAG));
	}
	str_add(out, ")\n");
	man_rest(out, index);
}

static void docs_toml(struct str *out)
{
	each_by_group(out, in_profile, man_heading, toml_option);
}

static void markdown_heading(struct str *out, const char *group)
{
	str_addf(out, "\n### %s\n\n| option | profile key | type | meaning | default |\n|---|---|---|---|---|\n", group);
}

/* A cell: a bar would end it. */
static void add_cell(struct str *out, const char *text)
{
	for (; text && *text; text++) {
		if (*text == '|')
			str_addc(out, '\\');
		str_addc(out, *text);
	}
}

static void markdown_option(struct str *out, size_t index)
{
	const char *letter = field(index, SANDLOCK_OPTION_SHORT);

	str_add(out, "| ");
	if (letter && *letter)
		str_addf(out, "`-%s`, ", letter);
	if (option_is_shown(index)) {
		str_addf(out, "`--%s", field(index, SANDLOCK_OPTION_FLAG));
		if (field(index, SANDLOCK_OPTION_METAVAR))
			str_addc(out, ' ');
		add_cell(out, field(index, SANDLOCK_OPTION_METAVAR));
		str_addc(out, '`');
	}
	str_addf(out, " | `%s` | %s | ", field(index, SANDLOCK_OPTION_KEY), toml_type(index));
	add_cell(out, field(index, SANDLOCK_OPTION_HELP));
	str_add(out, " | ");
	add_cell(out, field(index, SANDLOCK_OPTION_DEFAULT));
	str_add(out, " |\n");
}

static void docs_markdown(struct str *out)
{
	each_by_group(out, in_profile, markdown_heading, markdown_option);
}

static const struct printer kinds[] = {
	{ "man", docs_man }, { "toml", docs_toml }, { "markdown", docs_markdown },
};

static const struct arg_option options[] = { ARG_COMMON_ROWS };

static int run(const struct command *self, const char *const *argv)
{
	return command_print(self, argv, kinds, ARRAY_SIZE(kinds));
}

const struct command command_docs = {
	.name = "docs",
	.synopsis = "man|toml|markdown",
	.summary = "Prints the reference of all options, for the manual pages",
	.options = options, .option_count = ARRAY_SIZE(options), .run = run,
};
