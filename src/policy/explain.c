/* Sentences about decisions, made from the grants and the policy alone: nothing is opened and nothing is asked. */
#include "policy/explain.h"

#include <string.h>

#include "policy/print.h"

/* What a shell takes as it stands, wherever it is in a word. */
static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_@%+=:,./-", c));
}

static bool is_printable(const char *word)
{
	for (; *word; word++)
		if ((unsigned char)*word < 0x20 || (unsigned char)*word >= 0x7f)
			return false;
	return true;
}

static void add_ansi_quoted(struct str *out, const char *word)
{
	str_add(out, "$'");
	for (; *word; word++) {
		unsigned char c = (unsigned char)*word;

		if (c == '\'' || c == '\\')
			str_addf(out, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			str_addf(out, "\\x%02x", c);
		else
			str_addc(out, (char)c);
		/* a shell would read on: "\x0a" followed by a digit would be another byte in some of them */
		if ((c < 0x20 || c >= 0x7f) && word[1])
			str_add(out, "'$'");
	}
	str_addc(out, '\'');
}

void str_add_shell(struct str *out, const char *word)
{
	size_t plain = 0;

	while (is_plain(word[plain]))
		plain++;
	if (plain && !word[plain]) {
		str_add(out, word);
		return;
	}
	if (!is_printable(word)) {
		add_ansi_quoted(out, word);
		return;
	}
	str_addc(out, '\'');
	for (; *word; word++)
		if (*word == '\'')
			str_add(out, "'\\''");
		else
			str_addc(out, *word);
	str_addc(out, '\'');
}

void explain_flag(const char *path, unsigned access, bool splits_exec, struct str *out)
{
	bool exec = splits_exec && (access & ACCESS_EXEC);
	bool write = access & ACCESS_WRITE;

	if (write)
		str_add(out, "-w ");
	if (write && exec)
		str_add_shell(out, path);
	if (exec)
		str_add(out, write ? " -x " : "-x ");
	if (!write && !exec)
		str_add(out, "-r ");
	str_add_shell(out, path);
}

static const char *doing(unsigned access)
{
	if (access & ACCESS_WRITE)
		return "writing";
	return access & ACCESS_EXEC ? "executing" : "reading";
}

static void add_quoted(struct str *out, const char *text)
{
	str_add_quoted(out, text, strlen(text));
}

/* "/usr/bin, typed as /bin, from preset base" */
static void add_grant(struct str *out, const struct grant *g)
{
	add_quoted(out, g->path);
	if (g->typed) {
		str_add(out, ", typed as ");
		add_quoted(out, g->typed);
		str_add(out, ",");
	}
	str_add(out, " is granted by ");
	add_quoted(out, g->origin);
	str_add(out, " (");
	access_print(g->access, ", ", out);
	str_add(out, ")");
}

int explain_path(const struct grants *g, const char *path, unsigned access, bool splits_exec, struct str *out)
{
	const struct grant *by = grants_find(g, path, access);
	const struct grant *near = by ? NULL : grants_nearest(g, path);

	str_addf(out, "%s ", doing(access));
	add_quoted(out, path);
	str_add(out, by ? " is allowed: " : " is refused: ");
	if (by) {
		add_grant(out, by);
		str_add(out, ".");
		return 1;
	}
	if (near)
		add_grant(out, near);
	else
		str_add(out, "no grant covers it");
	str_add(out, near ? " and no grant gives more. Add " : ". Add ");
	explain_flag(path, access, splits_exec, out);
	str_add(out, ".");
	return 0;
}

