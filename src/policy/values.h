/* The strict grammars of single values: each accepts what its comment says and nothing else. */
#ifndef POLICY_VALUES_H
#define POLICY_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* All return 0, -EINVAL (another form) or -ERANGE (the right form, too large or too small). No blanks anywhere. */

int value_flag(struct view v, bool *out);               /* true, false */
int value_count(struct view v, uint64_t *out);          /* digits; below UINT64_MAX, which means "no limit" */
int value_size(struct view v, uint64_t *out);           /* digits and one optional letter of KMGkmg, 1024-based */
int value_duration(struct view v, uint64_t *ns);        /* digits (seconds), or digits with ms, s, m, h */
int value_percent(struct view v, uint64_t *out);        /* 1 to 100 */
int value_id(struct view v, uint32_t *out);             /* 0 to 2^32-2: a user or group number */
int value_user(struct view v, uint32_t *uid, uint32_t *gid);    /* UID:GID */
int value_core(struct view v, unsigned *first, unsigned *last); /* N or N-M, 0 to 1023 */

/* Checks; the bytes are kept as they are. */
int value_path(struct view v);          /* 1 to 4095 bytes, no NUL */
int value_text(struct view v);          /* any bytes but NUL */
int value_env(struct view v);           /* NAME=value: NAME not empty, no '=' in it; no NUL anywhere */
int value_name(struct view v);          /* 1 to 64 bytes; no '/', no byte <= 0x20, no 0x7f; not "." or ".." */

/* The way back: text that reads as the same number, in the largest unit that divides it. */
void value_print_size(uint64_t bytes, struct str *out);
void value_print_duration(uint64_t ns, struct str *out);

#endif
