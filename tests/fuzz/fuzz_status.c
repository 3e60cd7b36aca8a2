/*
 * Fuzz target: bytes that a child chose (names, paths, arguments) on their way into the status line. The input is a
 * little program for the JSON writer; whatever it does, the output is one whole JSON value on one line or an error. A
 * strict reader that shares no code with the writer judges.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- the judge: RFC 8259 without white space, in 7-bit and valid UTF-8 -------------------------------------------- */

struct judge {
	const unsigned char *at;
	const unsigned char *end;
};

static bool eat(struct judge *j, const char *literal)
{
	size_t n = strlen(literal);

	if ((size_t)(j->end - j->at) < n || memcmp(j->at, literal, n) != 0)
		return false;
	j->at += n;
	return true;
}

static bool eat_range(struct judge *j, unsigned char low, unsigned char high)
{
	if (j->at == j->end || *j->at < low || *j->at > high)
		return false;
	j->at++;
	return true;
}

static bool eat_hex(struct judge *j)
{
	return eat_range(j, '0', '9') || eat_range(j, 'a', 'f') || eat_range(j, 'A', 'F');
}

static bool eat_escape(struct judge *j)
{
	if (eat(j, "u"))
		return eat_hex(j) && eat_hex(j) && eat_hex(j) && eat_hex(j);
	return j->at < j->end && *j->at && strchr("\"\\/bfnrt", *j->at) && j->at++;
}

/* The rows of the table of well-formed sequences in the Unicode standard (3.9). */
static bool eat_multibyte(struct judge *j)
{
	static const unsigned char rows[][4] = {
		{ 0xc2, 0xdf, 0x80, 0xbf }, { 0xe0, 0xe0, 0xa0, 0xbf }, { 0xe1, 0xec, 0x80, 0xbf },
		{ 0xed, 0xed, 0x80, 0x9f }, { 0xee, 0xef, 0x80, 0xbf }, { 0xf0, 0xf0, 0x90, 0xbf },
		{ 0xf1, 0xf3, 0x80, 0xbf }, { 0xf4, 0xf4, 0x80, 0x8f },
	};
	unsigned char lead = *j->at;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (lead < rows[i][0] || lead > rows[i][1])
			continue;
		j->at++;
		bool ok = eat_range(j, rows[i][2], rows[i][3]);
		if (lead >= 0xe0)
			ok = ok && eat_range(j, 0x80, 0xbf);
		if (lead >= 0xf0)
			ok = ok && eat_range(j, 0x80, 0xbf);
		return ok;
	}
	return false;
}

static bool eat_string(struct judge *j)
{
	if (!eat(j, "\""))
		return false;
	while (j->at < j->end && *j->at != '"') {
		if (eat(j, "\\")) {
			if (!eat_escape(j))
				return false;
		} else if (*j->at >= 0x80) {
			if (!eat_multibyte(j))
				return false;
		} else if (!eat_range(j, 0x20, 0x7e)) {
			return false;
		}
	}
	return eat(j, "\"");
}

static bool eat_number(struct judge *j)
{
	eat(j, "-");
	if (eat(j, "0"))
		return true;
	if (!eat_range(j, '1', '9'))
		return false;
	while (eat_range(j, '0', '9'))
		;
	return true;
}

static bool eat_value(struct judge *j);

static bool eat_list(struct judge *j, const char *close, bool keys)
{
	if (eat(j, close))
		return true;
	do {
		if (keys && !(eat_string(j) && eat(j, ":")))
			return false;
		if (!eat_value(j))
			return false;
	} while (eat(j, ","));
	return eat(j, close);
}

/* The writer's own depth limit bounds this recursion. */
static bool eat_value(struct judge *j)
{
	if (eat(j, "{"))
		return eat_list(j, "}", true);
	if (eat(j, "["))
		return eat_list(j, "]", false);
	return eat(j, "true") || eat(j, "false") || eat(j, "null") || eat_number(j) || eat_string(j);
}

static void must_be_one_value(const struct str *out)
{
	struct judge j = { (const unsigned char *)out->buf, (const unsigned char *)out->buf + out->len };

	if (!eat_value(&j) || j.at != j.end)
		abort();
}

/* --- the little programs ------------------------------------------------------------------------------------------ */

struct program {
	const uint8_t *at;
	size_t left;
};

static uint8_t next(struct program *p)
{
	if (p->left == 0)
		return 0;
	p->left--;
	return *p->at++;
}

/* A length byte and as many bytes. */
static struct view next_bytes(struct program *p)
{
	size_t len = next(p);
	struct view v = { (const char *)p->at, len < p->left ? len : p->left };

	p->at += v.len;
	p->left -= v.len;
	return v;
}

static void one_step(struct json *j, struct program *p)
{
	uint8_t op = next(p);
	struct view v;

	switch (op % 8) {
	case 0:
		json_object(j);
		break;
	case 1:
		json_array(j);
		break;
	case 2:
		json_end(j);
		break;
	case 3:
		v = next_bytes(p);
		json_key_bytes(j, v.ptr, v.len);
		break;
	case 4:
		v = next_bytes(p);
		json_bytes(j, v.ptr, v.len);
		break;
	case 5:
		json_int(j, (int64_t)((uint64_t)next(p) << 56 | next(p)));
		break;
	case 6:
		json_uint(j, (uint64_t)next(p) << 56 | next(p));
		break;
	default:
		if (next(p) & 1)
			json_null(j);
		else
			json_bool(j, op & 8);
	}
}

/* Any order of calls, legal or not. */
static void run_program(const uint8_t *data, size_t size)
{
	AUTO(str) struct str out = STR(size > 16 ? 4096 : size);
	struct program p = { data, size };
	struct json j = JSON(&out);

	while (p.left > 0)
		one_step(&j, &p);
	if (json_done(&j) == 0)
		must_be_one_value(&out);
}

/* The shape of the real status line, where all of the input is the child's words. */
static void run_status(const uint8_t *data, size_t size)
{
	AUTO(str) struct str out = STR(size * 16 + 4096);
	struct program p = { data, size };
	struct json j = JSON(&out);

	json_object(&j);
	json_pair_text(&j, "exit", "exited");
	json_key(&j, "refusals");
	json_array(&j);
	for (int i = 0; i < 100 && p.left > 0; i++) {
		struct view target = next_bytes(&p);
		struct view process = next_bytes(&p);

		json_object(&j);
		json_key(&j, "target");
		json_bytes(&j, target.ptr, target.len);
		json_key_bytes(&j, process.ptr, process.len);
		json_null(&j);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
	if (json_done(&j) < 0)
		abort();
	must_be_one_value(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	run_program(data, size);
	run_status(data, size);
	return 0;
}
