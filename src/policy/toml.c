/* TOML 1.0 text to a tree that remembers where every key and value stood; it gives no meaning to any of them. */
#include "policy/toml.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "policy/toml_scan.h"

/* How a table came to be, which decides what may still be added to it. */
enum how {
	HOW_IMPLICIT,   /* on the way of a header: [a.b] makes a; its own header may follow */
	HOW_HEADER,     /* has its header: no second one, and no dotted key from elsewhere */
	HOW_DOTTED,     /* made by a dotted key: no header, but headers of tables below it */
	HOW_INLINE,     /* { ... }: complete at its closing brace */
};

struct reader {
	struct toml_scan s;
	struct toml_table *root;
	struct toml_table *current;     /* what key = value lines add to */
	size_t items;
};

struct key {
	char *text;
	size_t len;
	struct toml_place at;
};

static void auto_key(struct key *key)
{
	mem_free(key->text);
}

/* --- the tree ---------------------------------------------------------------------------------------------------- */

static void value_fini(struct toml_value *v);

static void toml_free(struct toml_table *root)
{
	if (!root)
		return;
	for (size_t i = 0; i < root->len; i++) {
		mem_free(root->at[i].key);
		value_fini(&root->at[i].value);
	}
	mem_free(root->at);
	mem_free(root->slots);
	mem_free(root);
}

void auto_toml(struct toml_table **root)
{
	toml_free(*root);
}

/* Recursion here and in toml_free() is bounded: the reader refuses what is deeper than TOML_DEPTH_MAX. */
static void value_fini(struct toml_value *v)
{
	if (v->type == TOML_STRING)
		mem_free(v->string.text);
	if (v->type == TOML_TABLE)
		toml_free(v->table);
	if (v->type != TOML_ARRAY)
		return;
	for (size_t i = 0; i < v->array.len; i++)
		value_fini(&v->array.at[i]);
	mem_free(v->array.at);
}

static void auto_value(struct toml_value *v)
{
	value_fini(v);
}

static uint32_t hash_of(const char *key, size_t len)
{
	uint32_t h = 2166136261U;       /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)key[i]) * 16777619U;
	return h;
}

static bool entry_is(const struct toml_entry *e, const char *key, size_t len)
{
	return e->key_len == len && (len == 0 || memcmp(e->key, key, len) == 0);
}

static struct toml_entry *find(const struct toml_table *t, const char *key, size_t len)
{
	if (!t->slots) {
		for (size_t i = 0; i < t->len; i++)
			if (entry_is(&t->at[i], key, len))
				return &t->at[i];
		return NULL;
	}
	/* A slot holds an index plus one; half of them at least are empty. */
	for (size_t i = hash_of(key, len);; i++) {
		uint32_t slot = t->slots[i & (t->slot_cap - 1)];

		if (slot == 0)
			return NULL;
		if (entry_is(&t->at[slot - 1], key, len))
			return &t->at[slot - 1];
	}
}

static void fill_slot(struct toml_table *t, size_t index)
{
	size_t i = hash_of(t->at[index].key, t->at[index].key_len);

	while (t->slots[i & (t->slot_cap - 1)])
		i++;
	t->slots[i & (t->slot_cap - 1)] = (uint32_t)index + 1;
}

#define LINEAR_KEYS 16

/* Makes the hash ready for one more key; a small table has none. */
static int grow_slots(struct toml_table *t)
{
	if (t->len + 1 <= LINEAR_KEYS || (t->len + 1) * 2 <= t->slot_cap)
		return 0;

	size_t cap = t->slot_cap ? t->slot_cap * 2 : (size_t)LINEAR_KEYS * 4;
	uint32_t *slots = mem_array(cap, sizeof *slots);
	if (!slots)
		return -ENOMEM;
	mem_free(t->slots);
	t->slots = slots;
	t->slot_cap = cap;
	for (size_t i = 0; i < t->len; i++)
		fill_slot(t, i);
	return 0;
}

/* Counts one key or element against the limit of the whole text. */
static int count_item(struct reader *r, struct toml_place at)
{
	if (++r->items > TOML_ITEMS_MAX)
		return toml_too_big(&r->s, at, "more than %d keys and array elements", TOML_ITEMS_MAX);
	return 0;
}

/* Takes the key and the value, also when it fails. */
static int insert(struct reader *r, struct toml_table *t, struct key *key, struct toml_value *value)
{
	AUTO(value) struct toml_value taken = *value;

	*value = (struct toml_value){ 0 };
	int rc = count_item(r, key->at);
	if (rc < 0)
		return rc;
	if (grow_slots(t) < 0 || mem_grow(&t->at, &t->cap, t->len + 1, sizeof *t->at) < 0)
		return toml_no_memory(&r->s);

	t->at[t->len++] = (struct toml_entry){
		.key = TAKE(key->text), .key_len = key->len,
		.line = key->at.line, .column = key->at.column, .value = taken,
	};
	taken = (struct toml_value){ 0 };
	if (t->slots)
		fill_slot(t, t->len - 1);
	return 0;
}

static int push(struct reader *r, struct toml_value *array, struct toml_value *value)
{
	AUTO(value) struct toml_value taken = *value;
	struct toml_place at = { value->line, value->column };

	*value = (struct toml_value){ 0 };
	int rc = count_item(r, at);
	if (rc < 0)
		return rc;
	if (VEC_PUSH(array->array.at, array->array.cap, array->array.len, taken) < 0)
		return toml_no_memory(&r->s);
	taken = (struct toml_value){ 0 };
	return 0;
}

static int check_depth(struct reader *r, int depth, struct toml_place at)
{
	if (depth > TOML_DEPTH_MAX)
		return toml_too_big(&r->s, at, "tables and arrays are nested deeper than %d levels", TOML_DEPTH_MAX);
	return 0;
}

static int new_table(struct reader *r, enum how how, int depth, struct toml_place at, struct toml_value *out)
{
	int rc = check_depth(r, depth, at);
	if (rc < 0)
		return rc;

	struct toml_table *t = mem_alloc(sizeof *t);
	if (!t)
		return toml_no_memory(&r->s);
	t->how = how;
	t->depth = depth;
	*out = (struct toml_value){ .type = TOML_TABLE, .line = at.line, .column = at.column, .table = t };
	return 0;
}

/* --- keys -------------------------------------------------------------------------------------------------------- */

/* A key for a message: quoted, since "\u001b" can stand in it, and cut. NULL never. */
static const char *show(struct str *buf, const struct key *key)
{
	str_add_quoted(buf, key->text, key->len < 64 ? key->len : 64);
	return buf->buf ? buf->buf : "";
}

static bool is_bare(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static int read_key(struct reader *r, struct key *key)
{
	struct toml_scan *s = &r->s;
	struct toml_words words;
	size_t n = 0;

	mem_free(TAKE(key->text));
	key->at = toml_here(s);
	if (toml_peek(s, 0) == '"' || toml_peek(s, 0) == '\'')
		return toml_scan_string(s, false, &key->text, &key->len);

	while (is_bare(toml_peek(s, n)))
		n++;
	if (n == 0)
		return toml_fail(s, key->at, "found %s where a key was expected: a key is made of letters, digits, "
				 "'_' and '-', or is a string in quotes", toml_found(s, &words));
	key->text = mem_strndup(s->text + s->pos, n);
	if (!key->text)
		return toml_no_memory(s);
	key->len = n;
	s->pos += n;
	return 0;
}

/* The table an entry stands for: itself, or for a header the newest of an array of tables; NULL if it is no table. */
static struct toml_table *table_of(const struct toml_entry *e, enum how how)
{
	const struct toml_value *v = &e->value;

	if (v->type == TOML_ARRAY && v->array.open && how == HOW_IMPLICIT)
		v = &v->array.at[v->array.len - 1];
	return v->type == TOML_TABLE ? v->table : NULL;
}

/* Why a dotted key or a header must not go through `e`. */
static int refuse_step(struct reader *r, const struct key *key, const struct toml_entry *e, const struct toml_table *t)
{
	AUTO(str) struct str buf = STR(512);
	const char *name = show(&buf, key);

	if (!t && e->value.type == TOML_ARRAY && e->value.array.open)
		return toml_fail(&r->s, key->at, "'%s' is an array of tables since line %d: add to it under a header "
				 "[[%s]]", name, e->line, name);
	if (!t)
		return toml_fail(&r->s, key->at, "'%s' is %s since line %d: nothing can be put below it", name,
				 toml_type_name(e->value.type), e->line);
	if (t->how == HOW_INLINE)
		return toml_fail(&r->s, key->at, "'%s' is an inline table, complete on line %d: write the key inside "
				 "its braces", name, e->line);
	return toml_fail(&r->s, key->at, "the table '%s' has its header on line %d: write the key there", name, e->line);
}

/* One step down a path, making the table if it is not there. `how` is HOW_IMPLICIT in a header, else HOW_DOTTED. */
static int step_down(struct reader *r, struct toml_table **at, struct key *key, enum how how)
{
	struct toml_entry *e = find(*at, key->text, key->len);

	if (!e) {
		struct toml_value made = { 0 };

		int rc = new_table(r, how, (*at)->depth + 1, key->at, &made);
		if (rc < 0)
			return rc;
		struct toml_table *t = made.table;
		rc = insert(r, *at, key, &made);
		if (rc == 0)
			*at = t;
		return rc;
	}

	struct toml_table *t = table_of(e, how);
	if (!t || t->how == HOW_INLINE || (t->how == HOW_HEADER && how == HOW_DOTTED))
		return refuse_step(r, key, e, t);
	if (how == HOW_DOTTED)
		t->how = HOW_DOTTED;
	*at = t;
	return 0;
}

/* Reads "a.b.c", goes down through a and b, and leaves c in *last. */
static int read_path(struct reader *r, struct toml_table **at, enum how how, struct key *last)
{
	for (;;) {
		toml_skip_blanks(&r->s);
		int rc = read_key(r, last);
		if (rc < 0)
			return rc;
		toml_skip_blanks(&r->s);
		if (toml_peek(&r->s, 0) != '.')
			return 0;
		r->s.pos++;
		rc = step_down(r, at, last, how);
		if (rc < 0)
			return rc;
	}
}

/* --- values ------------------------------------------------------------------------------------------------------ */

static int read_value(struct reader *r, int depth, struct toml_value *out);

/* Reads key = value into a table. */
static int read_pair(struct reader *r, struct toml_table *at)
{
	AUTO(key) struct key key = { 0 };
	AUTO(str) struct str buf = STR(512);
	struct toml_value value = { 0 };
	struct toml_words words;

	int rc = read_path(r, &at, HOW_DOTTED, &key);
	if (rc < 0)
		return rc;
	if (toml_peek(&r->s, 0) != '=')
		return toml_fail(&r->s, toml_here(&r->s), "found %s after the key '%s': write '=' and a value",
				 toml_found(&r->s, &words), show(&buf, &key));
	r->s.pos++;
	toml_skip_blanks(&r->s);

	const struct toml_entry *old = find(at, key.text, key.len);
	if (old)
		return toml_fail(&r->s, key.at, "the key '%s' stands on line %d already: keep one of the two",
				 show(&buf, &key), old->line);
	rc = read_value(r, at->depth + 1, &value);
	if (rc < 0)
		return rc;
	return insert(r, at, &key, &value);
}

/* Skips blanks and a comment, up to the line's end or whatever else comes. */
static int skip_comment(struct reader *r)
{
	struct toml_scan *s = &r->s;

	toml_skip_blanks(s);
	if (toml_peek(s, 0) != '#')
		return 0;
	for (int c; (c = toml_peek(s, 0)) >= 0; s->pos++) {
		if (c == '\n' || (c == '\r' && toml_peek(s, 1) == '\n'))
			break;
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return toml_fail(s, toml_here(s), "control character U+%04X in a comment: remove it",
					 (unsigned)c);
	}
	return 0;
}

/* Inside an array: blanks, comments and line ends mean nothing. */
static int skip_lines(struct reader *r)
{
	int rc;

	do {
		rc = skip_comment(r);
	} while (rc == 0 && toml_skip_newline(&r->s));
	return rc;
}

/* After an element: 1 when `close` ended the list, 0 when a comma says that more may follow. */
static int after_element(struct reader *r, char close, struct toml_place start)
{
	struct toml_words words;
	int c = toml_peek(&r->s, 0);

	if (c == close || c == ',') {
		r->s.pos++;
		return c == close;
	}
	return toml_fail(&r->s, toml_here(&r->s), "found %s where ',' or '%c' was expected, in the %s of line %d",
			 toml_found(&r->s, &words), close, close == ']' ? "array" : "inline table", start.line);
}

static int read_array(struct reader *r, int depth, struct toml_value *out)
{
	struct toml_place start = { out->line, out->column };
	AUTO(value) struct toml_value array = { .type = TOML_ARRAY, .line = out->line, .column = out->column };

	int rc = check_depth(r, depth, start);
	r->s.pos++;
	while (rc == 0) {
		struct toml_value value = { 0 };

		rc = skip_lines(r);
		if (rc == 0 && toml_peek(&r->s, 0) == ']') {
			r->s.pos++;
			break;
		}
		if (rc == 0)
			rc = read_value(r, depth + 1, &value);
		if (rc == 0)
			rc = push(r, &array, &value);
		if (rc == 0)
			rc = skip_lines(r);
		if (rc == 0)
			rc = after_element(r, ']', start);
	}
	if (rc < 0)
		return rc;
	*out = array;
	array = (struct toml_value){ 0 };
	return 0;
}

static int read_inline(struct reader *r, int depth, struct toml_value *out)
{
	struct toml_place start = { out->line, out->column };
	AUTO(value) struct toml_value made = { 0 };

	int rc = new_table(r, HOW_INLINE, depth, start, &made);
	r->s.pos++;
	toml_skip_blanks(&r->s);
	bool empty = toml_peek(&r->s, 0) == '}';
	if (empty)
		r->s.pos++;
	while (rc == 0 && !empty) {
		rc = read_pair(r, made.table);
		toml_skip_blanks(&r->s);
		if (rc == 0)
			rc = after_element(r, '}', start);
	}
	if (rc < 0)
		return rc;
	*out = made;
	made = (struct toml_value){ 0 };
	return 0;
}

static int read_value(struct reader *r, int depth, struct toml_value *out)
{
	struct toml_place at = toml_here(&r->s);
	int c = toml_peek(&r->s, 0);

	*out = (struct toml_value){ .type = TOML_STRING, .line = at.line, .column = at.column };
	if (c == '"' || c == '\'')
		return toml_scan_string(&r->s, true, &out->string.text, &out->string.len);
	if (c == '[')
		return read_array(r, depth, out);
	if (c == '{')
		return read_inline(r, depth, out);
	return toml_scan_scalar(&r->s, out);
}

/* --- headers ----------------------------------------------------------------------------------------------------- */

/* [path]: the table is new, or so far only stood on the way of another header. */
static int open_table(struct reader *r, struct toml_table *at, struct key *key)
{
	AUTO(str) struct str buf = STR(512);
	struct toml_entry *e = find(at, key->text, key->len);
	struct toml_value made = { 0 };

	if (!e) {
		int rc = new_table(r, HOW_HEADER, at->depth + 1, key->at, &made);
		if (rc < 0)
			return rc;
		r->current = made.table;
		return insert(r, at, key, &made);
	}
	if (e->value.type == TOML_TABLE && e->value.table->how == HOW_IMPLICIT) {
		r->current = e->value.table;
		r->current->how = HOW_HEADER;
		e->line = e->value.line = key->at.line;
		e->column = e->value.column = key->at.column;
		return 0;
	}
	if (e->value.type == TOML_TABLE)
		return toml_fail(&r->s, key->at, "the table '%s' stands on line %d already: put the keys there",
				 show(&buf, key), e->line);
	return toml_fail(&r->s, key->at, "'%s' is %s since line %d, so it cannot be a table", show(&buf, key),
			 toml_type_name(e->value.type), e->line);
}

/* [[path]]: one more table at the end of an array of tables. */
static int open_element(struct reader *r, struct toml_table *at, struct key *key)
{
	AUTO(str) struct str buf = STR(512);
	struct toml_entry *e = find(at, key->text, key->len);
	struct toml_value made = { 0 };
	struct toml_place place = key->at;
	int rc = 0;

	if (e && (e->value.type != TOML_ARRAY || !e->value.array.open))
		return toml_fail(&r->s, place, "'%s' is %s since line %d, so it cannot be an array of tables",
				 show(&buf, key), toml_type_name(e->value.type), e->line);
	if (!e) {
		struct toml_value array = { .type = TOML_ARRAY, .line = place.line, .column = place.column };

		array.array.open = true;
		rc = insert(r, at, key, &array);
		e = &at->at[at->len - 1];
	}
	if (rc == 0)
		rc = new_table(r, HOW_HEADER, at->depth + 2, place, &made);
	if (rc < 0)
		return rc;
	r->current = made.table;
	return push(r, &e->value, &made);
}

static int read_header(struct reader *r)
{
	AUTO(key) struct key key = { 0 };
	struct toml_table *at = r->root;
	struct toml_words words;
	bool is_array = toml_peek(&r->s, 1) == '[';

	r->s.pos += is_array ? 2 : 1;
	int rc = read_path(r, &at, HOW_IMPLICIT, &key);
	if (rc < 0)
		return rc;
	if (toml_peek(&r->s, 0) != ']' || (is_array && toml_peek(&r->s, 1) != ']'))
		return toml_fail(&r->s, toml_here(&r->s), "found %s in a header where '%s' was expected",
				 toml_found(&r->s, &words), is_array ? "]]" : "]");
	r->s.pos += is_array ? 2 : 1;
	return is_array ? open_element(r, at, &key) : open_table(r, at, &key);
}

/* --- the whole text ---------------------------------------------------------------------------------------------- */

static int read_line(struct reader *r)
{
	struct toml_words words;
	int rc = 0;

	toml_skip_blanks(&r->s);
	int c = toml_peek(&r->s, 0);
	if (c == '[')
		rc = read_header(r);
	else if (c >= 0 && c != '#' && c != '\n' && c != '\r')
		rc = read_pair(r, r->current);
	if (rc == 0)
		rc = skip_comment(r);
	if (rc < 0 || toml_peek(&r->s, 0) < 0 || toml_skip_newline(&r->s))
		return rc;
	return toml_fail(&r->s, toml_here(&r->s), "found %s where the line should end: write one key or header a line",
			 toml_found(&r->s, &words));
}

/* All later code may take bytes above 0x7f for letters. */
static int check_utf8(struct toml_scan *s)
{
	struct toml_scan probe = *s;
	uint32_t c;

	while (probe.pos < probe.len) {
		if (toml_skip_newline(&probe))
			continue;
		size_t n = str_utf8(probe.text + probe.pos, probe.len - probe.pos, &c);
		if (n == 0)
			return toml_fail(s, toml_here(&probe), "the byte 0x%02X is not valid UTF-8: save the file as UTF-8",
					 (unsigned)toml_peek(&probe, 0));
		probe.pos += n;
	}
	return 0;
}

static int read_all(struct reader *r)
{
	struct toml_place start = { 1, 1 };

	if (r->s.len > TOML_INPUT_MAX)
		return toml_too_big(&r->s, start, "the file is larger than %zu bytes", TOML_INPUT_MAX);

	int rc = check_utf8(&r->s);
	if (rc == 0 && r->s.len >= 3 && memcmp(r->s.text, "\xef\xbb\xbf", 3) == 0)
		r->s.pos = r->s.counted = 3;    /* a byte order mark is no character of the first line */
	while (rc == 0 && r->s.pos < r->s.len)
		rc = read_line(r);
	return rc;
}

int toml_parse(const char *text, size_t len, const char *name, struct toml_table **out, struct error *err)
{
	struct reader r = { .s = { .text = text, .len = len, .line = 1, .column = 1, .name = name, .err = err } };
	struct toml_value root = { 0 };

	int rc = new_table(&r, HOW_HEADER, 0, (struct toml_place){ 1, 1 }, &root);
	if (rc < 0)
		return rc;
	r.root = r.current = root.table;
	rc = read_all(&r);
	if (rc < 0)
		toml_free(r.root);
	else
		*out = r.root;
	return rc;
}

const struct toml_value *toml_get(const struct toml_table *table, const char *key)
{
	const struct toml_entry *e = find(table, key, strlen(key));

	return e ? &e->value : NULL;
}

const char *toml_text(const struct toml_value *value)
{
	if (value->type != TOML_STRING || strlen(value->string.text) != value->string.len)
		return NULL;
	return value->string.text;
}

const char *toml_type_name(enum toml_type type)
{
	static const char *const names[TOML_TYPE_MAX] = {
		[TOML_STRING] = "a string",
		[TOML_INTEGER] = "an integer",
		[TOML_FLOAT] = "a number with a fraction",
		[TOML_BOOLEAN] = "a boolean",
		[TOML_OFFSET_DATETIME] = "a date and time",
		[TOML_LOCAL_DATETIME] = "a date and time without offset",
		[TOML_LOCAL_DATE] = "a date",
		[TOML_LOCAL_TIME] = "a time of day",
		[TOML_ARRAY] = "an array",
		[TOML_TABLE] = "a table",
	};

	return names[type];
}
