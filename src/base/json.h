/*
 * Writes one JSON value, on one line, into a struct str. Commas, colons and closing brackets come by themselves.
 *
 * A call in the wrong place (a value without a key in an object, an end without a beginning, a second value at the top)
 * writes nothing and sets the string's sticky error to -EINVAL, as a lack of memory or room sets its own; every later
 * call is a no-op and json_done() tells. So the output is one whole value or an error, never half of one.
 *
 *     struct json j = JSON(&out);
 *     json_object(&j);
 *     json_pair_text(&j, "name", name);
 *     json_key(&j, "argv");
 *     json_array(&j);
 *     json_text(&j, "ls");
 *     json_end(&j);
 *     json_end(&j);
 *     return json_done(&j);
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define JSON_DEPTH_MAX 32

enum json_state {
	JSON_START,             /* nothing written yet */
	JSON_DONE,              /* one whole value */
	JSON_FIRST_ELEMENT,     /* in an array */
	JSON_NEXT_ELEMENT,
	JSON_FIRST_KEY,         /* in an object */
	JSON_NEXT_KEY,
	JSON_VALUE,             /* in an object, after a key */
};

struct json {
	struct str *out;
	int depth;
	unsigned char state[JSON_DEPTH_MAX + 1];        /* enum json_state of each level */
};

#define JSON(string) { .out = (string) }

void json_object(struct json *j);
void json_array(struct json *j);
void json_end(struct json *j);                  /* of the innermost object or array */

void json_key(struct json *j, const char *key);
void json_key_bytes(struct json *j, const char *bytes, size_t len);

/* Text and bytes may be anything: what is not UTF-8 is escaped as str_add_json() does. A NULL text is null. */
void json_text(struct json *j, const char *text);
void json_bytes(struct json *j, const char *bytes, size_t len);
void json_int(struct json *j, int64_t n);
void json_uint(struct json *j, uint64_t n);
void json_bool(struct json *j, bool yes);
void json_null(struct json *j);

/* A key and its value. */
void json_pair_text(struct json *j, const char *key, const char *text);
void json_pair_int(struct json *j, const char *key, int64_t n);
void json_pair_uint(struct json *j, const char *key, uint64_t n);
void json_pair_bool(struct json *j, const char *key, bool yes);

/* 0 when exactly one whole value was written; -EINVAL, -ENOSPC or -ENOMEM. */
int json_done(struct json *j);

#endif
