/*
 * TOML 1.0 text to a tree that remembers where every key and value stood. It gives no meaning to any of them, opens no
 * file and asks the locale nothing.
 *
 *     AUTO(toml) struct toml_table *root = NULL;
 *     int rc = toml_parse(text, len, "web.toml", &root, err);
 *     for (size_t i = 0; rc == 0 && i < root->len; i++)
 *             use(root->at[i].key, &root->at[i].value);
 */
#ifndef POLICY_TOML_H
#define POLICY_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TOML_INPUT_MAX ((size_t)1 << 20)        /* bytes of text */
#define TOML_DEPTH_MAX 128                      /* tables and arrays inside each other, dotted keys included */
#define TOML_ITEMS_MAX 65536                    /* keys and array elements of one text */

enum toml_type {
	TOML_STRING,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOLEAN,
	TOML_OFFSET_DATETIME,
	TOML_LOCAL_DATETIME,
	TOML_LOCAL_DATE,
	TOML_LOCAL_TIME,
	TOML_ARRAY,
	TOML_TABLE,
	TOML_TYPE_MAX
};

/* What a type does not have is 0: a local date has no hour, a local time no year. */
struct toml_time {
	int year, month, day;
	int hour, minute, second;       /* second may be 60, a leap second */
	int nanosecond;                 /* further digits are cut off */
	int offset;                     /* minutes east of UTC */
};

struct toml_value {
	enum toml_type type;
	int line;                       /* from 1, of the value's first character */
	int column;                     /* from 1, in characters, a tab is one */
	union {
		struct {
			char *text;     /* valid UTF-8, a NUL after it; "\u0000" can put others inside: see toml_text() */
			size_t len;
		} string;
		int64_t integer;
		double number;
		bool boolean;
		struct toml_time time;
		struct {
			struct toml_value *at;
			size_t len;
			size_t cap;
			bool open;      /* an array of tables, [[name]] */
		} array;
		struct toml_table *table;
	};
};

/* One key and its value. The place is the key's: of its own part in a dotted key or a header. */
struct toml_entry {
	char *key;
	size_t key_len;
	int line;
	int column;
	struct toml_value value;
};

/* Entries stand in the order in which their keys first appeared. */
struct toml_table {
	struct toml_entry *at;
	size_t len;
	size_t cap;
	int how;                        /* the reader's own: what may still be added */
	int depth;                      /* 0 for the root */
	uint32_t *slots;                /* hash of the keys, once there are many */
	size_t slot_cap;
};

/*
 * Reads a whole text. On failure the error has line and column and its sentence begins "name:line:column: ". -EINVAL
 * for text that is not TOML, -EFBIG beyond a limit above, -ENOMEM. *out is set on success only; AUTO(toml) frees all
 * of it. `name` is used during the call only.
 */
int toml_parse(const char *text, size_t len, const char *name, struct toml_table **out, struct error *err);
void auto_toml(struct toml_table **root);       /* for AUTO(toml); NULL is fine */

/* The value of a key of this table (no dots), or NULL. */
const struct toml_value *toml_get(const struct toml_table *table, const char *key);

/* A string value as a C string; NULL when it is no string or has a NUL inside, which no path or name can have. */
const char *toml_text(const struct toml_value *value);

/* "a string", "an integer", ... for messages. */
const char *toml_type_name(enum toml_type type);

#endif
