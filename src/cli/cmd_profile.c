/* sandlock profile: the user's named policies. Files only; what they mean is the library's. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "cli/assemble.h"
#include "cli/commands.h"
#include "cli/out.h"

enum { PROFILE_MAX = 1 << 20 };

static const char suffix[] = ".toml";

/* The same rule as the library's, so that a name never leads out of the folder. */
static bool name_is_good(const char *name)
{
	size_t len = strlen(name);

	if (len < 1 || len > 64 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] == '/' || (unsigned char)name[i] <= 0x20 || name[i] == 0x7f)
			return false;
	return true;
}

static int refuse_name(const char *name)
{
	AUTO(str) struct str buf = STR(400);

	out_say("'%s' is not a profile name: 1 to 64 bytes without '/', blanks and control bytes", out_quote(&buf, name));
	return EXIT_USAGE;
}

/* FOLDER/NAME.toml, or FOLDER itself when name is NULL. EXIT_DONE or the code after the message. */
static int make_path(struct str *path, const char *name)
{
	sandlock_error *err = NULL;
	char *folder = NULL;

	if (name && !name_is_good(name))
		return refuse_name(name);
	if (sandlock_profile_dir(&folder, &err) < 0)
		return out_failure(err, false);
	str_add(path, folder);
	if (name)
		str_addf(path, "/%s%s", name, suffix);
	sandlock_string_free(folder);
	return path->rc < 0 ? out_no_memory() : EXIT_DONE;
}

static int fail_path(const char *what, const char *path, int rc)
{
	AUTO(str) struct str buf = STR(8192);

	out_say("cannot %s '%s': %s", what, out_quote(&buf, path), error_text(rc));
	return EXIT_OWN_FAILURE;
}

static int is_profile(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > sizeof suffix - 1 && strcmp(entry->d_name + len - (sizeof suffix - 1), suffix) == 0;
}

static int list(const char *name)
{
	AUTO(str) struct str path = STR(4096);
	AUTO(str) struct str out = STR(1 << 20);
	struct dirent **entries = NULL;
	int code = make_path(&path, NULL);

	(void)name;
	if (code != EXIT_DONE)
		return code;
	int count = scandir(path.buf, &entries, is_profile, alphasort);

	if (count < 0 && errno != ENOENT)
		return fail_path("list", path.buf, -errno);
	for (int i = 0; i < count; i++) {
		str_add_quoted(&out, entries[i]->d_name, strlen(entries[i]->d_name) - (sizeof suffix - 1));
		str_addc(&out, '\n');
		free(entries[i]);
	}
	free(entries);
	if (count <= 0)
		out_say("there are no profiles in %s", path.buf);
	return out_result(&out);
}

static bool is_preset(const char *name)
{
	const char *preset;

	for (size_t i = 0; (preset = sandlock_preset_name(i)); i++)
		if (strcmp(preset, name) == 0)
			return true;
	return false;
}

/* The index of a network preset, or -1. */
static long net_preset(const char *name)
{
	const char *preset;

	for (size_t i = 0; (preset = sandlock_net_preset_name(i)); i++)
		if (strcmp(preset, name) == 0)
			return (long)i;
	return -1;
}

/* The rules that a network preset stands for, as a profile would have them. */
static int show_net_preset(size_t index)
{
	AUTO(str) struct str out = STR(1 << 20);
	const char *rule;

	str_addf(&out, "# %s: %s\n[network]\nallow = [\n", sandlock_net_preset_name(index), sandlock_net_preset_help(index));
	for (size_t i = 0; (rule = sandlock_net_preset_rule(index, i)); i++)
		str_addf(&out, "    \"%s\",\n", rule);
	str_add(&out, "]\n");
	return out_result(&out);
}

/* The built-in presets, those of the network with what they are for. */
static int list_presets(const char *name)
{
	AUTO(str) struct str out = STR(1 << 20);
	const char *preset;

	(void)name;
	str_add(&out, "presets (--preset):\n");
	for (size_t i = 0; (preset = sandlock_preset_name(i)); i++)
		str_addf(&out, "  %s\n", preset);
	str_add(&out, "network presets (--net-preset):\n");
	for (size_t i = 0; (preset = sandlock_net_preset_name(i)); i++)
		str_addf(&out, "  %-12s %s\n", preset, sandlock_net_preset_help(i));
	return out_result(&out);
}

/* What the built-in preset grants on this machine. */
static int show_preset(const char *name)
{
	AUTO(policy) sandlock_policy *policy = sandlock_policy_new();
	AUTO(str) struct str out = STR(1 << 20);
	sandlock_error *err = NULL;
	char *text = NULL;
	int rc = policy ? sandlock_policy_add_from(policy, "extends", name, "profile show", &err) : -ENOMEM;

	if (rc == 0)
		rc = sandlock_policy_freeze(policy, &err);
	if (rc == 0)
		rc = sandlock_policy_print(policy, SANDLOCK_TOML, &text, &err);
	if (rc < 0)
		return out_failure(err, false);
	str_add(&out, text);
	sandlock_string_free(text);
	return out_result(&out);
}

/* The sentence that run -p has for it, and where the names are. */
static int no_profile(const char *name, const char *path)
{
	AUTO(str) struct str shown = STR(200);
	AUTO(str) struct str place = STR(4096);

	out_say("there is no profile '%s': '%s' does not exist; sandlock profile list shows the profiles, profile presets the rest",
		out_quote(&shown, name), out_quote(&place, path));
	return EXIT_OWN_FAILURE;
}

static int show(const char *name)
{
	AUTO(str) struct str path = STR(4096);
	AUTO(str) struct str out = STR(PROFILE_MAX);
	AUTO(free) char *text = NULL;
	size_t len = 0;
	int code = make_path(&path, name);

	if (code != EXIT_DONE)
		return code;
	AUTO(fd) int fd = sys_openat(AT_FDCWD, path.buf, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);

	if (fd == -ENOENT && is_preset(name))
		return show_preset(name);
	if (fd == -ENOENT && net_preset(name) >= 0)
		return show_net_preset((size_t)net_preset(name));
	if (fd == -ENOENT)
		return no_profile(name, path.buf);
	int rc = fd < 0 ? fd : fd_slurp(fd, PROFILE_MAX, &text, &len);

	if (rc < 0)
		return fail_path("read", path.buf, rc);
	str_addn(&out, text, len);
	return out_result(&out);
}

static int delete(const char *name)
{
	AUTO(str) struct str path = STR(4096);
	int code = make_path(&path, name);

	if (code != EXIT_DONE)
		return code;
	if (unlink(path.buf) == 0)
		return EXIT_DONE;
	return errno == ENOENT ? no_profile(name, path.buf) : fail_path("delete", path.buf, -errno);
}

/* By name, or by file when the word has a slash. */
static int lint(const char *name)
{
	AUTO(policy) sandlock_policy *policy = sandlock_policy_new();
	AUTO(str) struct str out = STR(8192);
	sandlock_error *err = NULL;
	int rc = -ENOMEM;

	if (policy && strchr(name, '/'))
		rc = sandlock_policy_load_file(policy, name, &err);
	else if (policy)
		rc = sandlock_policy_load_profile(policy, name, &err);
	bool loaded = rc == 0;
	if (rc == 0)
		rc = assemble_defaults(policy, &err);
	if (rc == 0)
		rc = sandlock_policy_freeze(policy, &err);
	if (rc < 0) {
		bool contradicts = loaded && err && sandlock_error_category(err) == SANDLOCK_ERROR_POLICY;
		int code = out_failure(err, false);

		return code == EXIT_USAGE || contradicts ? EXIT_NO : code;
	}
	str_add_quoted(&out, name, strlen(name));
	str_add(&out, ": ok\n");
	return out_result(&out);
}

static int print_path(const char *name)
{
	AUTO(str) struct str path = STR(4096);
	int code = make_path(&path, name);

	if (code != EXIT_DONE)
		return code;
	str_addc(&path, '\n');
	return out_result(&path);
}

static const struct verb {
	const char *name;
	int least;      /* arguments */
	int most;
	int (*run)(const char *name);
} verbs[] = {
	{ "list",   0, 0, list },
	{ "show",   1, 1, show },
	{ "delete", 1, 1, delete },
	{ "lint",   1, 1, lint },
	{ "path",   0, 1, print_path },
	{ "presets", 0, 0, list_presets },
};

static const struct arg_option options[] = { ARG_COMMON_ROWS };

static const struct verb *verb_by_name(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int run(const struct command *self, const char *const *argv)
{
	struct arg_common request = { 0 };
	int count = 0;
	int code;
	int rest = command_start(self, argv, &request, &code);

	if (rest < 0)
		return code;
	const char *const *words = argv + rest;
	const struct verb *verb = verb_by_name(words[0]);

	while (words[0] && words[1 + count])
		count++;
	if (!verb || count < verb->least || count > verb->most) {
		out_say("usage: sandlock profile %s", self->synopsis);
		return EXIT_USAGE;
	}
	return verb->run(words[1]);
}

const struct command command_profile = {
	.name = "profile",
	.synopsis = "list | show NAME | delete NAME | lint NAME|./FILE | path [NAME] | presets",
	.summary = "Lists, shows, checks and deletes profiles",
	.text = "show prints a built-in preset or network preset too; presets lists them. lint checks a profile as run would, and\n"
		"names file, line and column of a mistake (exit code 1). path prints where a profile is looked up.\n",
	.options = options, .option_count = ARRAY_SIZE(options), .run = run,
};
