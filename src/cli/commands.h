/* The commands, one record each in its cmd_<name>.c, and the help that is made from them. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stddef.h>

#include "base/str.h"
#include "cli/args.h"

extern const struct command command_run;
extern const struct command command_check;
extern const struct command command_selftest;
extern const struct command command_selftest_probe;
extern const struct command command_why;
extern const struct command command_profile;
extern const struct command command_completion;
extern const struct command command_docs;

/* The command at an index, in the order of the help, or NULL beyond the end. */
const struct command *command_at(size_t index);

/* The help of the whole, and of one command with its options by group. */
void help_overview(struct str *out);
void help_command(struct str *out, const struct command *command);

/* What every command does first: reads its options; -h and -V are answered. The index of the first word after the options,
 * or -1 when it is over and *code is the exit code. */
int command_start(const struct command *self, const char *const *argv, void *request, int *code);

/* The whole of a command that prints the text its one word names, out of a table. */
struct printer {
	const char *name;
	void (*print)(struct str *out);
};
int command_print(const struct command *self, const char *const *argv, const struct printer *printers, size_t count);

/* The heading of a policy option, and whether documentation shows it. */
const char *option_group(size_t index);
bool option_is_shown(size_t index);

#endif
