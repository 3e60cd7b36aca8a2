/* The command line as rows: one loop for every option of every command. It knows spelling, not meaning. */
#include "cli/args.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* Where an option was found, before its value is known. */
struct found {
	const struct arg_option *own;   /* NULL: the policy's `index` */
	size_t index;
	enum arg_takes takes;
};

/* The policy option's long flag, or NULL where the command line has none. */
static const char *policy_flag(size_t index, const void *unused)
{
	const char *scope = sandlock_option_get(index, SANDLOCK_OPTION_SCOPE);

	(void)unused;
	if (scope && strcmp(scope, "profile") == 0)
		return NULL;
	return sandlock_option_get(index, SANDLOCK_OPTION_FLAG);
}

static const char *own_flag(size_t index, const void *from)
{
	const struct command *command = from;

	return command->options[index].flag;
}

static enum arg_takes policy_takes(size_t index)
{
	return strcmp(sandlock_option_get(index, SANDLOCK_OPTION_TYPE), "flag") == 0 ? ARG_MAYBE : ARG_VALUE;
}

static bool equals(struct view v, const char *text)
{
	return text && view_is(v, text);
}

/* By the long name, or, when `letter` is not 0, by the short one. */
static bool find(const struct command *command, struct view flag, char letter, struct found *out)
{
	const char one[2] = { letter, '\0' };

	for (size_t i = 0; i < command->option_count; i++) {
		const struct arg_option *own = &command->options[i];

		if (letter ? own->letter == letter : equals(flag, own->flag)) {
			*out = (struct found){ .own = own, .takes = own->takes };
			return true;
		}
	}
	for (size_t i = 0; command->takes_policy && i < sandlock_option_count(); i++) {
		const char *name = letter ? sandlock_option_get(i, SANDLOCK_OPTION_SHORT) : policy_flag(i, NULL);

		if (letter ? name && policy_flag(i, NULL) && strcmp(name, one) == 0 : equals(flag, name)) {
			*out = (struct found){ .index = i, .takes = policy_takes(i) };
			return true;
		}
	}
	return false;
}

const char *args_nearest(const char *word, const char *(*get)(size_t index, const void *from), const void *from,
			 size_t count)
{
	size_t best = strlen(word) / 3 + 1;
	const char *nearest = NULL;

	if (best > 3)
		best = 3;
	for (size_t i = 0; i < count; i++) {
		const char *name = get(i, from);
		size_t distance = name ? str_distance(word, name) : SIZE_MAX;

		if (distance < best || (distance == best && !nearest)) {
			best = distance;
			nearest = name;
		}
	}
	return nearest;
}

/* The first flag that has `word` as its last words: --fs-write for "write", --max-memory for "memory". */
static const char *longer_flag(const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < sandlock_option_count(); i++) {
		const char *flag = policy_flag(i, NULL);
		size_t all = flag ? strlen(flag) : 0;

		if (all > len + 1 && flag[all - len - 1] == '-' && strcmp(flag + all - len, word) == 0)
			return flag;
	}
	return NULL;
}

static const char *nearest_flag(const struct command *command, const char *word)
{
	const char *own = args_nearest(word, own_flag, command, command->option_count);
	const char *other = command->takes_policy ? longer_flag(word) : NULL;

	if (other)
		return other;
	if (command->takes_policy)
		other = args_nearest(word, policy_flag, NULL, sandlock_option_count());
	if (!own || !other)
		return own ? own : other;
	return str_distance(word, own) <= str_distance(word, other) ? own : other;
}

/* An option that the library knows of and does not have yet: that is another sentence than "unknown". */
static bool is_planned(const char *flag)
{
	sandlock_policy *policy = sandlock_policy_new();
	bool planned = policy && sandlock_policy_set(policy, flag, "", NULL) == -EOPNOTSUPP;

	sandlock_policy_free(policy);
	return planned;
}

static int refuse_unknown(const struct command *command, const char *word, size_t len, struct error *err)
{
	AUTO(str) struct str shown = STR(200);
	AUTO(free) char *flag = mem_strndup(word, len);
	bool is_long = flag && flag[0] == '-' && flag[1] == '-';
	const char *nearest = is_long ? nearest_flag(command, flag + 2) : NULL;

	str_add_quoted(&shown, word, len);
	if (is_long && command->takes_policy && is_planned(flag + 2))
		return error_set(err, ERR_USAGE, -EINVAL, "option '%s' is not supported in this release",
				 shown.rc < 0 ? "?" : shown.buf);
	return error_set(err, ERR_USAGE, -EINVAL, "unknown option '%s'%s%s%s; see sandlock %s --help",
			 shown.rc < 0 ? "?" : shown.buf, nearest ? "; did you mean --" : "", nearest ? nearest : "",
			 nearest ? "?" : "", command->name);
}

static int refuse_value(const struct arg *arg, const char *what, struct error *err)
{
	return error_set(err, ERR_USAGE, -EINVAL, "%s %s", arg->name, what);
}

/* "--fs-write needs a value: --fs-write PATH" */
static int refuse_missing(const struct arg *arg, struct error *err)
{
	const char *metavar = arg->own ? arg->own->metavar : sandlock_option_get(arg->index, SANDLOCK_OPTION_METAVAR);

	return error_set(err, ERR_USAGE, -EINVAL, "%s needs a value: %s %s", arg->name, arg->name, metavar ? metavar : "VALUE");
}

static void name_it(struct arg *out, const struct found *found)
{
	const char *flag = found->own ? found->own->flag : policy_flag(found->index, NULL);

	out->own = found->own;
	out->index = found->index;
	out->value = NULL;
	snprintf(out->name, sizeof out->name, "--%s", flag);
}

/* The value is the next word. */
static int take_word(struct args *args, struct arg *out, struct error *err)
{
	out->value = args->argv[args->at];
	if (!out->value)
		return refuse_missing(out, err);
	args->at++;
	return 1;
}

/* --flag, --flag=value, --flag value */
static int next_long(struct args *args, struct arg *out, struct error *err)
{
	const char *word = args->argv[args->at++];
	const char *equal = strchr(word, '=');
	struct view flag = { word + 2, equal ? (size_t)(equal - word) - 2 : strlen(word) - 2 };
	struct found found;

	if (!find(args->command, flag, 0, &found))
		return refuse_unknown(args->command, word, flag.len + 2, err);
	name_it(out, &found);
	if (equal && found.takes == ARG_NONE)
		return refuse_value(out, "takes no value", err);
	if (!equal && found.takes == ARG_VALUE)
		return take_word(args, out, err);
	out->value = equal ? equal + 1 : NULL;
	return 1;
}

/* -f, -fvalue, -f value, and several letters in one word of which only the last can have a value */
static int next_short(struct args *args, struct arg *out, struct error *err)
{
	const char *word = args->argv[args->at];
	char letter = word[args->letter];
	struct found found;

	if (!find(args->command, (struct view){ 0 }, letter, &found)) {
		const char shown[2] = { '-', letter };

		return refuse_unknown(args->command, word[2] ? shown : word, 2, err);
	}
	name_it(out, &found);
	args->letter++;
	bool last = !word[args->letter];

	if (found.takes != ARG_VALUE && !last)
		return 1;
	if (found.takes == ARG_VALUE && !last)
		out->value = word + args->letter;
	args->at++;
	args->letter = 0;
	return found.takes == ARG_VALUE && last ? take_word(args, out, err) : 1;
}

/* The next option: 1 with *out set, 0 at the first word that is none (args->at is its index; "--" is skipped), or
 * -EINVAL with a sentence for the user. */
static int args_next(struct args *args, struct arg *out, struct error *err)
{
	const char *word = args->argv[args->at];

	if (args->letter)
		return next_short(args, out, err);
	if (!word || word[0] != '-' || !word[1])
		return 0;
	if (strcmp(word, "--") == 0) {
		args->at++;
		return 0;
	}
	if (word[1] == '-')
		return next_long(args, out, err);
	args->letter = 1;
	return next_short(args, out, err);
}

static void store(const struct arg *arg, void *request)
{
	char *field = (char *)request + arg->own->offset;
	const char *value = arg->value ? arg->value : "";

	if (arg->own->takes == ARG_NONE)
		memcpy(field, &(bool){ true }, sizeof(bool));
	else
		memcpy(field, &value, sizeof value);
}

int args_read(const struct command *command, const char *const *argv, void *request, struct error *err)
{
	struct args args = { .command = command, .argv = argv, .at = 1 };
	struct arg arg;
	int rc;

	while ((rc = args_next(&args, &arg, err)) > 0)
		if (arg.own)
			store(&arg, request);
	return rc < 0 ? rc : (int)args.at;
}

int args_apply(const struct command *command, const char *const *argv, sandlock_policy *policy, sandlock_error **err)
{
	struct args args = { .command = command, .argv = argv, .at = 1 };
	struct arg arg;

	while (args_next(&args, &arg, NULL) > 0) {
		if (arg.own)
			continue;
		const char *key = sandlock_option_get(arg.index, SANDLOCK_OPTION_KEY);
		int rc = sandlock_policy_add_from(policy, key, arg.value ? arg.value : "true", arg.name, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}
