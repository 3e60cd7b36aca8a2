/* Writes one JSON value, on one line, into a struct str. */
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* What a state becomes when a value, or in an object a key, is written; and what stands before that. */
struct move {
	bool legal;
	enum json_state next;
	const char *before;
};

static const struct move on_value[] = {
	[JSON_START] = { true, JSON_DONE, "" },
	[JSON_FIRST_ELEMENT] = { true, JSON_NEXT_ELEMENT, "" },
	[JSON_NEXT_ELEMENT] = { true, JSON_NEXT_ELEMENT, "," },
	[JSON_VALUE] = { true, JSON_NEXT_KEY, "" },
	[JSON_DONE] = { 0 },
	[JSON_FIRST_KEY] = { 0 },
	[JSON_NEXT_KEY] = { 0 },
};

static const struct move on_key[] = {
	[JSON_START] = { 0 },
	[JSON_DONE] = { 0 },
	[JSON_FIRST_ELEMENT] = { 0 },
	[JSON_NEXT_ELEMENT] = { 0 },
	[JSON_VALUE] = { 0 },
	[JSON_FIRST_KEY] = { true, JSON_VALUE, "" },
	[JSON_NEXT_KEY] = { true, JSON_VALUE, "," },
};

static bool refuse(struct json *j)
{
	if (j->out->rc == 0)
		j->out->rc = -EINVAL;
	return false;
}

/* Writes what stands before the next thing; false when the thing must not be written. */
static bool move(struct json *j, const struct move *moves)
{
	unsigned char *state = &j->state[j->depth];
	const struct move *m = &moves[*state];

	if (j->out->rc < 0 || !m->legal)
		return refuse(j);
	*state = (unsigned char)m->next;
	str_add(j->out, m->before);
	return true;
}

static void begin(struct json *j, char bracket, enum json_state inside)
{
	if (j->depth >= JSON_DEPTH_MAX) {
		refuse(j);
		return;
	}
	if (!move(j, on_value))
		return;
	str_addc(j->out, bracket);
	j->state[++j->depth] = (unsigned char)inside;
}

void json_object(struct json *j)
{
	begin(j, '{', JSON_FIRST_KEY);
}

void json_array(struct json *j)
{
	begin(j, '[', JSON_FIRST_ELEMENT);
}

void json_end(struct json *j)
{
	unsigned char state = j->state[j->depth];

	if (j->out->rc < 0 || j->depth == 0 || state == JSON_VALUE) {
		refuse(j);
		return;
	}
	str_addc(j->out, state == JSON_FIRST_KEY || state == JSON_NEXT_KEY ? '}' : ']');
	j->depth--;
}

void json_key_bytes(struct json *j, const char *bytes, size_t len)
{
	if (!move(j, on_key))
		return;
	str_add_json(j->out, bytes, len);
	str_addc(j->out, ':');
}

void json_key(struct json *j, const char *key)
{
	json_key_bytes(j, key, strlen(key));
}

void json_bytes(struct json *j, const char *bytes, size_t len)
{
	if (move(j, on_value))
		str_add_json(j->out, bytes, len);
}

void json_text(struct json *j, const char *text)
{
	if (text)
		json_bytes(j, text, strlen(text));
	else
		json_null(j);
}

void json_int(struct json *j, int64_t n)
{
	if (move(j, on_value))
		str_addf(j->out, "%" PRId64, n);
}

void json_uint(struct json *j, uint64_t n)
{
	if (move(j, on_value))
		str_addf(j->out, "%" PRIu64, n);
}

void json_bool(struct json *j, bool yes)
{
	if (move(j, on_value))
		str_add(j->out, yes ? "true" : "false");
}

void json_null(struct json *j)
{
	if (move(j, on_value))
		str_add(j->out, "null");
}

void json_pair_text(struct json *j, const char *key, const char *text)
{
	json_key(j, key);
	json_text(j, text);
}

void json_pair_int(struct json *j, const char *key, int64_t n)
{
	json_key(j, key);
	json_int(j, n);
}

void json_pair_uint(struct json *j, const char *key, uint64_t n)
{
	json_key(j, key);
	json_uint(j, n);
}

void json_pair_bool(struct json *j, const char *key, bool yes)
{
	json_key(j, key);
	json_bool(j, yes);
}

int json_done(struct json *j)
{
	if (j->depth != 0 || j->state[0] != JSON_DONE)
		refuse(j);
	return j->out->rc;
}
