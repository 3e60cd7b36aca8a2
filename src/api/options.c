/* Public functions of the option table and the presets. */
#include "api/api.h"

#include "base/mem.h"
#include "policy/netpresets.h"
#include "policy/options.h"
#include "policy/presets.h"

size_t sandlock_option_count(void)
{
	return option_count;
}

static const char *scope_of(const struct option_row *row)
{
	if (row->flags & OPTION_HIDDEN)
		return "hidden";
	return row->flags & OPTION_PROFILE_ONLY ? "profile" : "both";
}

/* The short flag as a string: a table of one-letter strings, since the row has a character. */
static const char *short_of(const struct option_row *row)
{
	static const char letters[26][2] = {
		"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m",
		"n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z",
	};
	static const char capitals[26][2] = {
		"A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M",
		"N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z",
	};
	char c = row->short_flag;

	if (c >= 'a' && c <= 'z')
		return letters[c - 'a'];
	return c >= 'A' && c <= 'Z' ? capitals[c - 'A'] : NULL;
}

const char *sandlock_option_get(size_t index, enum sandlock_option_field field)
{
	if (index >= option_count)
		return NULL;
	const struct option_row *row = &option_rows[index];
	const char *const fields[] = {
		[SANDLOCK_OPTION_KEY] = row->key,
		[SANDLOCK_OPTION_FLAG] = row->flag,
		[SANDLOCK_OPTION_SHORT] = short_of(row),
		[SANDLOCK_OPTION_TYPE] = option_type_name(row->type),
		[SANDLOCK_OPTION_GROUP] = row->group,
		[SANDLOCK_OPTION_METAVAR] = row->metavar,
		[SANDLOCK_OPTION_HELP] = row->help,
		[SANDLOCK_OPTION_DETAIL] = row->more,
		[SANDLOCK_OPTION_DEFAULT] = row->default_text,
		[SANDLOCK_OPTION_SCOPE] = scope_of(row),
	};

	return (size_t)field < ARRAY_SIZE(fields) ? fields[field] : NULL;
}

const char *sandlock_preset_name(size_t index)
{
	return index < preset_count ? presets[index].name : NULL;
}

const char *sandlock_net_preset_name(size_t index)
{
	return index < net_preset_count ? net_presets[index].name : NULL;
}

const char *sandlock_net_preset_help(size_t index)
{
	return index < net_preset_count ? net_presets[index].help : NULL;
}

const char *sandlock_net_preset_rule(size_t index, size_t rule)
{
	if (index >= net_preset_count || rule >= net_presets[index].count)
		return NULL;
	return net_presets[index].rules[rule];
}
