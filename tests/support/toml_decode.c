/* Prints TOML from standard input as the tagged JSON of the toml-test suite; the suite's cases compare it. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "policy/toml.h"

static void put_table(struct str *out, const struct toml_table *t);

static void put_tagged(struct str *out, const char *type, const char *text, size_t len)
{
	str_addf(out, "{\"type\":\"%s\",\"value\":", type);
	str_add_json(out, text, len);
	str_addc(out, '}');
}

static void put_float(struct str *out, double number)
{
	char text[64];

	if (isnan(number))
		snprintf(text, sizeof text, "nan");
	else if (isinf(number))
		snprintf(text, sizeof text, "%sinf", number < 0 ? "-" : "");
	else
		snprintf(text, sizeof text, "%.17g", number);
	put_tagged(out, "float", text, strlen(text));
}

static void put_time(struct str *out, const struct toml_value *v)
{
	static const char *const tags[TOML_TYPE_MAX] = {
		[TOML_OFFSET_DATETIME] = "datetime",
		[TOML_LOCAL_DATETIME] = "datetime-local",
		[TOML_LOCAL_DATE] = "date-local",
		[TOML_LOCAL_TIME] = "time-local",
	};
	const struct toml_time *t = &v->time;
	AUTO(str) struct str text = STR(128);

	if (v->type != TOML_LOCAL_TIME)
		str_addf(&text, "%04d-%02d-%02d", t->year, t->month, t->day);
	if (v->type == TOML_OFFSET_DATETIME || v->type == TOML_LOCAL_DATETIME)
		str_addc(&text, 'T');
	if (v->type != TOML_LOCAL_DATE)
		str_addf(&text, "%02d:%02d:%02d.%09d", t->hour, t->minute, t->second, t->nanosecond);
	if (v->type == TOML_OFFSET_DATETIME) {
		int offset = t->offset < 0 ? -t->offset : t->offset;

		str_addf(&text, "%c%02d:%02d", t->offset < 0 ? '-' : '+', offset / 60, offset % 60);
	}
	put_tagged(out, tags[v->type], text.buf, text.len);
}

static void put_value(struct str *out, const struct toml_value *v)
{
	char text[32];

	switch (v->type) {
	case TOML_STRING:
		put_tagged(out, "string", v->string.text, v->string.len);
		break;
	case TOML_INTEGER:
		snprintf(text, sizeof text, "%lld", (long long)v->integer);
		put_tagged(out, "integer", text, strlen(text));
		break;
	case TOML_FLOAT:
		put_float(out, v->number);
		break;
	case TOML_BOOLEAN:
		put_tagged(out, "bool", v->boolean ? "true" : "false", v->boolean ? 4 : 5);
		break;
	case TOML_ARRAY:
		str_addc(out, '[');
		for (size_t i = 0; i < v->array.len; i++) {
			str_add(out, i ? "," : "");
			put_value(out, &v->array.at[i]);
		}
		str_addc(out, ']');
		break;
	case TOML_TABLE:
		put_table(out, v->table);
		break;
	case TOML_OFFSET_DATETIME:
	case TOML_LOCAL_DATETIME:
	case TOML_LOCAL_DATE:
	case TOML_LOCAL_TIME:
	case TOML_TYPE_MAX:
		put_time(out, v);
		break;
	}
}

static void put_table(struct str *out, const struct toml_table *t)
{
	str_addc(out, '{');
	for (size_t i = 0; i < t->len; i++) {
		str_add(out, i ? "," : "");
		str_add_json(out, t->at[i].key, t->at[i].key_len);
		str_addc(out, ':');
		put_value(out, &t->at[i].value);
	}
	str_addc(out, '}');
}

int main(void)
{
	AUTO(free) char *text = NULL;
	AUTO(toml) struct toml_table *root = NULL;
	AUTO(str) struct str out = STR((size_t)64 << 20);
	struct error err = { 0 };
	size_t len = 0;

	if (fd_slurp(0, TOML_INPUT_MAX, &text, &len) < 0)
		return 2;
	if (toml_parse(text, len, "stdin", &root, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return err.kind == ERR_USAGE && err.line > 0 && err.column > 0 ? 1 : 2;
	}
	put_table(&out, root);
	str_addc(&out, '\n');
	return out.rc < 0 || fd_write_all(1, out.buf, out.len) < 0 ? 2 : 0;
}
