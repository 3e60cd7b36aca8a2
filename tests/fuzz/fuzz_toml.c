/*
 * Fuzz target: any bytes as a TOML text. Besides what the sanitizers see it holds the reader to its contract: an error
 * has a kind, a place inside the text and a sentence; a tree has places in order, valid UTF-8 and bounded depth; every
 * key of it is found again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "policy/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)          \
	do {                     \
		if (!(condition)) \
			abort(); \
	} while (0)

static void check_table(const struct toml_table *t, int depth);

static void check_text(const char *text, size_t len)
{
	uint32_t c;

	MUST(text[len] == '\0');
	for (size_t i = 0; i < len;) {
		size_t n = str_utf8(text + i, len - i, &c);

		MUST(n > 0);
		i += n;
	}
}

static void check_value(const struct toml_value *v, int depth)
{
	MUST(depth <= TOML_DEPTH_MAX && v->line >= 1 && v->column >= 1 && v->type < TOML_TYPE_MAX);
	if (v->type == TOML_STRING)
		check_text(v->string.text, v->string.len);
	if (v->type == TOML_TABLE)
		check_table(v->table, depth);
	for (size_t i = 0; v->type == TOML_ARRAY && i < v->array.len; i++)
		check_value(&v->array.at[i], depth + 1);
}

static void check_table(const struct toml_table *t, int depth)
{
	MUST(t->depth == depth);
	for (size_t i = 0; i < t->len; i++) {
		const struct toml_entry *e = &t->at[i];

		MUST(e->line >= 1 && e->column >= 1);
		check_text(e->key, e->key_len);
		if (strlen(e->key) == e->key_len)
			MUST(toml_get(t, e->key) == &e->value);
		check_value(&e->value, depth + 1);
	}
}

static void check_error(const struct error *err, int rc, size_t size)
{
	MUST(rc == -EINVAL || rc == -EFBIG);
	MUST(err->kind == ERR_USAGE && err->code == rc);
	MUST(err->line >= 1 && (size_t)err->line <= size + 1);
	MUST(err->column >= 1 && (size_t)err->column <= size + 1);
	MUST(strncmp(err->text, "fuzz:", 5) == 0);
	for (const char *c = err->text; *c; c++)
		MUST((unsigned char)*c >= 0x20 && *c != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(toml) struct toml_table *root = NULL;
	AUTO(free) char *exact = mem_dup(data, size);   /* without a NUL behind it: reading beyond the end is seen */
	struct error err = { 0 };

	if (!exact)
		return 0;
	int rc = toml_parse(exact, size, "fuzz", &root, &err);
	if (rc < 0) {
		MUST(!root);
		check_error(&err, rc, size);
		return 0;
	}
	MUST(rc == 0 && root && err.kind == ERR_NONE);
	check_table(root, 0);
	return 0;
}
