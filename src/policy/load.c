/*
 * Profiles: TOML to options, by the option table. Two schemas are read, told apart by the presence of a known section:
 * today's with sections, and the older flat one, whose keys may also stand under [sandbox].
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "policy/options.h"
#include "policy/policy.h"
#include "policy/toml.h"

struct loading {
	struct policy *policy;
	const char *name;               /* of the profile, for messages and origins */
	bool flat;
	struct error *err;
};

/* Where a key stands and how it is called in messages: "limits.memory", "max_memory". */
struct place {
	const struct toml_entry *entry;
	const char *key;
	const struct option_row *row;
};

#define REFUSE(l, at, fmt, ...)                                                                             \
	error_set_at((l)->err, ERR_USAGE, -EINVAL, (at)->line, (at)->column, "%s:%d:%d: " fmt, (l)->name,   \
		     (at)->line, (at)->column, __VA_ARGS__)

static int out_of_memory(const struct loading *l)
{
	return error_set(l->err, ERR_MEMORY, -ENOMEM, "out of memory");
}

/* --- ${HOME} in paths --- */

static bool is_variable_name(struct view v)
{
	for (size_t i = 0; i < v.len; i++) {
		char c = v.ptr[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';

		if (!letter && !(i && c >= '0' && c <= '9'))
			return false;
	}
	return v.len > 0;
}

static bool is_near_home(struct view v)
{
	static const struct view home = { "HOME", 4 };
	size_t differing = 0;

	if (v.len != home.len)
		return v.len + 1 == home.len || v.len == home.len + 1;
	for (size_t i = 0; i < v.len; i++)
		differing += (v.ptr[i] & ~0x20) != home.ptr[i];
	return differing <= 1;
}

/* Reads what follows a '$' at the front of *rest and adds what it stands for. */
static int expand_variable(const struct loading *l, const struct place *at, const struct toml_value *value,
			   struct view *rest, struct str *out)
{
	bool closed = false;

	if (view_starts(*rest, "$")) {
		str_addc(out, '$');
		*rest = (struct view){ rest->ptr + 1, rest->len - 1 };
		return 0;
	}
	if (!view_starts(*rest, "{"))
		return REFUSE(l, value, "%s: a '$' must begin ${HOME}; write $$ for the character", at->key);

	struct view body = { rest->ptr + 1, rest->len - 1 };
	struct view name = view_cut(&body, '}', &closed);
	if (!closed)
		return REFUSE(l, value, "%s: the '}' of '${' is missing", at->key);
	if (!is_variable_name(name))
		return REFUSE(l, value, "%s: '${%.*s}' is not a variable; only ${HOME} can be used", at->key, VIEW_ARG(name));
	if (!view_is(name, "HOME"))
		return REFUSE(l, value, "%s: the variable '%.*s' is not known; %s ${HOME}", at->key, VIEW_ARG(name),
			      is_near_home(name) ? "did you mean" : "paths can use only");
	if (!l->policy->home)
		return REFUSE(l, value, "%s: ${HOME} is used, but there is no home directory", at->key);
	str_add(out, l->policy->home);
	*rest = body;
	return 0;
}

static int expand(const struct loading *l, const struct place *at, const struct toml_value *value, struct str *out)
{
	struct view rest = { value->string.text, value->string.len };
	bool dollar = true;
	int rc = 0;

	if (view_starts(rest, "~"))
		return REFUSE(l, value, "%s: a leading '~' is not expanded; write ${HOME} or ./~", at->key);
	while (rc == 0) {
		struct view plain = view_cut(&rest, '$', &dollar);

		str_addn(out, plain.ptr, plain.len);
		if (!dollar)
			break;
		rc = expand_variable(l, at, value, &rest, out);
	}
	return rc;
}

/* --- values --- */

/* What a type of option may look like in a profile, as bits of enum toml_type. */
#define BIT(type) (1U << TOML_##type)
struct shape {
	unsigned value;
	unsigned element;               /* of an array or table */
	const char *want;
};

static const struct shape shapes[OPT_TYPE_MAX] = {
	[OPT_FLAG] = { BIT(BOOLEAN), 0, "true or false" },
	[OPT_COUNT] = { BIT(INTEGER), 0, "a whole number" },
	[OPT_SIZE] = { BIT(STRING), 0, "a string such as \"512M\"" },
	[OPT_DURATION] = { BIT(STRING) | BIT(INTEGER), 0, "a string such as \"10s\", or a whole number of seconds" },
	[OPT_PERCENT] = { BIT(INTEGER), 0, "a whole number from 1 to 100" },
	[OPT_TEXT] = { BIT(STRING), 0, "a string" },
	[OPT_PATH] = { BIT(STRING), 0, "a string" },
	[OPT_LIST] = { BIT(ARRAY), BIT(STRING), "an array of strings" },
	[OPT_PATHS] = { BIT(ARRAY), BIT(STRING), "an array of strings" },
	[OPT_NUMBERS] = { BIT(ARRAY), BIT(INTEGER) | BIT(STRING), "an array of whole numbers" },
	[OPT_PORTS] = { BIT(ARRAY), BIT(INTEGER) | BIT(STRING), "an array of strings or port numbers" },
	[OPT_NET] = { BIT(ARRAY), BIT(STRING), "an array of strings" },
	[OPT_ENV] = { BIT(TABLE), BIT(STRING), "a table of strings" },
	[OPT_USER] = { BIT(STRING) | BIT(INTEGER), 0, "a string such as \"1000:1000\"" },
	[OPT_ID] = { BIT(INTEGER), 0, "a whole number" },
};

/* What to write instead, where a value of the right type is near. */
static const char *remedy(enum toml_type is, unsigned allowed)
{
	if (allowed == BIT(ARRAY) && (is == TOML_STRING || is == TOML_INTEGER))
		return "; put it into [ ]";
	if (allowed == BIT(STRING) && is == TOML_INTEGER)
		return "; put it into quotes";
	return allowed == BIT(INTEGER) && is == TOML_STRING ? "; leave the quotes out" : "";
}

static int check_type(const struct loading *l, const struct place *at, const struct toml_value *value, unsigned allowed)
{
	if (allowed & 1U << value->type)
		return 0;
	return REFUSE(l, value, "%s: must be %s, not %s%s", at->key, shapes[at->row->type].want,
		      toml_type_name(value->type), remedy(value->type, allowed));
}

/* The value as the command line would have it. */
static int as_text(const struct loading *l, const struct place *at, const struct toml_value *value, struct str *out)
{
	bool path = at->row->type == OPT_PATH || at->row->type == OPT_PATHS;

	if (value->type == TOML_BOOLEAN) {
		str_add(out, value->boolean ? "true" : "false");
		return 0;
	}
	if (value->type == TOML_INTEGER) {
		str_addf(out, "%" PRId64, value->integer);
		return value->integer < 0 ? REFUSE(l, value, "%s: must not be negative", at->key) : 0;
	}
	if (!toml_text(value))
		return REFUSE(l, value, "%s: must not have a NUL character inside", at->key);
	if (path)
		return expand(l, at, value, out);
	str_addn(out, value->string.text, value->string.len);
	return 0;
}

/* Sets one value; what policy_add says about it gets its place and key in front instead of the origin. */
static int give(const struct loading *l, const struct place *at, const struct toml_value *value, struct str *text)
{
	AUTO(str) struct str origin = STR(4096);
	struct error inner = { 0 };

	str_addf(&origin, "%s:%d", l->name, value->line);
	AUTO(free) char *copy = str_take(text);
	if (!copy && text->rc == -ENOSPC)
		return REFUSE(l, value, "%s: is too long", at->key);
	if (!copy || origin.rc < 0)
		return out_of_memory(l);
	int rc = policy_add(l->policy, at->row->key, copy, origin.buf, &inner);
	if (rc == 0)
		return 0;
	if (inner.kind == ERR_MEMORY)
		return out_of_memory(l);

	bool named = view_starts(view_of(inner.text), origin.buf);
	return REFUSE(l, value, "%s%s%s", at->key, named ? "" : ": ", inner.text + (named ? origin.len : 0));
}

static int load_scalar(const struct loading *l, const struct place *at, const struct toml_value *value)
{
	AUTO(str) struct str text = STR(65536);
	int rc = as_text(l, at, value, &text);

	return rc < 0 ? rc : give(l, at, value, &text);
}

static int load_array(const struct loading *l, const struct place *at, const struct toml_value *array)
{
	int rc = 0;

	if (at->row->type == OPT_NUMBERS && array->array.len == 0) {
		AUTO(str) struct str all = STR(8);

		/* an empty list of GPUs has always meant all of them; an empty list of cores is a mistake */
		if (at->row->offset != offsetof(struct policy, gpu_devices))
			return REFUSE(l, array, "%s: the list is empty", at->key);
		str_add(&all, "all");
		return give(l, at, array, &all);
	}
	for (size_t i = 0; i < array->array.len && rc == 0; i++) {
		const struct toml_value *element = &array->array.at[i];

		rc = check_type(l, at, element, shapes[at->row->type].element);
		if (rc == 0)
			rc = load_scalar(l, at, element);
	}
	return rc;
}

static int load_env(const struct loading *l, const struct place *at, const struct toml_table *table)
{
	int rc = 0;

	for (size_t i = 0; i < table->len && rc == 0; i++) {
		AUTO(str) struct str text = STR(1 << 20);
		const struct toml_entry *entry = &table->at[i];

		rc = check_type(l, at, &entry->value, shapes[at->row->type].element);
		if (rc == 0 && (entry->key_len == 0 || memchr(entry->key, '=', entry->key_len) ||
				memchr(entry->key, '\0', entry->key_len)))
			return REFUSE(l, entry, "%s: '%s' cannot name a variable", at->key, entry->key);
		str_addf(&text, "%s=", entry->key);
		if (rc == 0)
			rc = as_text(l, at, &entry->value, &text);
		if (rc == 0)
			rc = give(l, at, &entry->value, &text);
	}
	return rc;
}

static int load_value(const struct loading *l, const struct place *at)
{
	const struct toml_value *value = &at->entry->value;
	int rc = check_type(l, at, value, shapes[at->row->type].value);

	if (rc < 0)
		return rc;
	if (value->type == TOML_ARRAY)
		return load_array(l, at, value);
	if (value->type == TOML_TABLE)
		return load_env(l, at, value->table);
	return load_scalar(l, at, value);
}

/* --- keys --- */

/* The section of a row's key: "limits" of "limits.memory"; empty for a root key. */
static struct view section_of(const struct option_row *row)
{
	const char *dot = strchr(row->key, '.');

	return (struct view){ row->key, dot ? (size_t)(dot - row->key) : 0 };
}

static bool is_section(const char *key)
{
	if (option_is_planned(key))
		return strcmp(key, "config") == 0 || strcmp(key, "http") == 0;
	for (size_t i = 0; i < option_count; i++)
		if (view_is(section_of(&option_rows[i]), key))
			return true;
	return false;
}

static const char *nearest_at_root(const char *word)
{
	const char *best = NULL;
	size_t distance = SIZE_MAX;
	static const char *const sections[] = {
		"filesystem", "network", "limits", "program", "determinism", "syscalls",
	};

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		best = option_nearer(word, sections[i], best, &distance);
	for (size_t i = 0; i < option_count; i++)
		if (section_of(&option_rows[i]).len == 0)
			best = option_nearer(word, option_rows[i].key, best, &distance);
	return best;
}

/* A key that is right but for its section: "limits.memory" for "program.memory" and for "memory". */
static const char *same_last_word(const char *key)
{
	const char *dot = strrchr(key, '.');
	const char *last = dot ? dot + 1 : key;

	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_rows[i];
		const char *own = strrchr(row->key, '.');

		if (!(row->flags & OPTION_CLI_ONLY) && strcmp(own ? own + 1 : row->key, last) == 0)
			return row->key;
	}
	return NULL;
}

static int unknown(const struct loading *l, const struct toml_entry *entry, const char *key, const char *near)
{
	if (option_is_planned(key))
		return REFUSE(l, entry, "'%s' is not supported in this release", key);
	if (!near)
		near = same_last_word(key);
	if (near)
		return REFUSE(l, entry, "there is no key '%s'; did you mean '%s'?", key, near);
	return REFUSE(l, entry, "there is no key '%s'", key);
}

static bool has_nul(const struct toml_entry *entry)
{
	return strlen(entry->key) != entry->key_len;
}

static int load_section(const struct loading *l, const char *section, const struct toml_table *table)
{
	int rc = 0;

	for (size_t i = 0; i < table->len && rc == 0; i++) {
		AUTO(str) struct str key = STR(4096);
		const struct toml_entry *entry = &table->at[i];

		if (has_nul(entry))
			return REFUSE(l, entry, "a key of [%s] has a NUL character inside", section);
		str_addf(&key, "%s.%s", section, entry->key);
		if (key.rc < 0)
			return key.rc == -ENOMEM ? out_of_memory(l) : REFUSE(l, entry, "a key is too long%s", "");
		const struct option_row *row = option_by_key(key.buf);
		if (!row || (row->flags & OPTION_CLI_ONLY))
			return unknown(l, entry, key.buf, option_nearest_key(key.buf));
		rc = load_value(l, &(struct place){ entry, key.buf, row });
	}
	return rc;
}

/* A key outside of any section, or under [sandbox] of the flat schema. */
static int load_root_key(const struct loading *l, const struct toml_entry *entry)
{
	const struct option_row *row = option_by_key(entry->key);

	if (has_nul(entry))
		return REFUSE(l, entry, "a key has a NUL character inside%s", "");
	if (row && section_of(row).len)
		row = NULL;
	if (!row && l->flat)
		row = option_by_flat(entry->key);
	if (!row) {
		const char *near = l->flat ? option_nearest_flat(entry->key) : NULL;

		return unknown(l, entry, entry->key, near ? near : nearest_at_root(entry->key));
	}
	return load_value(l, &(struct place){ entry, entry->key, row });
}

static int load_flat(const struct loading *l, const struct toml_table *table, bool outer)
{
	int rc = 0;

	for (size_t i = 0; i < table->len && rc == 0; i++) {
		const struct toml_entry *entry = &table->at[i];

		if (outer && strcmp(entry->key, "sandbox") == 0 && entry->value.type == TOML_TABLE)
			rc = load_flat(l, entry->value.table, false);
		else
			rc = load_root_key(l, entry);
	}
	return rc;
}

static int load_sections(const struct loading *l, const struct toml_table *root)
{
	int rc = 0;

	for (size_t i = 0; i < root->len && rc == 0; i++) {
		const struct toml_entry *entry = &root->at[i];

		if (entry->value.type == TOML_TABLE && is_section(entry->key))
			rc = load_section(l, entry->key, entry->value.table);
		else
			rc = load_root_key(l, entry);
	}
	return rc;
}

static bool has_section(const struct toml_table *root)
{
	for (size_t i = 0; i < root->len; i++)
		if (root->at[i].value.type == TOML_TABLE && is_section(root->at[i].key))
			return true;
	return false;
}

static void swap(struct policy *a, struct policy *b)
{
	struct policy old = *a;

	*a = *b;
	*b = old;
}

int policy_load(struct policy *p, const char *text, size_t len, const char *name, struct error *err)
{
	AUTO(toml) struct toml_table *root = NULL;

	if (p->frozen)
		return error_set(err, ERR_STATE, -EBUSY, "the policy is frozen; change a copy of it");
	int rc = toml_parse(text, len, name, &root, err);
	if (rc < 0)
		return rc;

	/* A profile counts as a whole or not at all. */
	struct policy *fresh = policy_dup(p);
	if (!fresh)
		return error_set(err, ERR_MEMORY, -ENOMEM, "out of memory");
	struct loading l = { fresh, name, !has_section(root), err };
	rc = l.flat ? load_flat(&l, root, true) : load_sections(&l, root);
	if (rc == 0)
		swap(p, fresh);
	policy_free(fresh);
	return rc;
}
