/* The strict grammars of single values. It knows text and numbers, not options or policies. */
#include "policy/values.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"

#define PATH_BYTES_MAX 4095
#define NAME_BYTES_MAX 64
#define CORE_MAX 1023

int value_flag(struct view v, bool *out)
{
	if (!view_is(v, "true") && !view_is(v, "false"))
		return -EINVAL;
	*out = view_is(v, "true");
	return 0;
}

int value_count(struct view v, uint64_t *out)
{
	return view_u64(v, UINT64_MAX - 1, out);
}

/* A unit behind a number and what it multiplies by. */
struct unit {
	const char *text;
	uint64_t factor;
};

/* Digits and at most one of the units; the first unit that is a suffix is taken, so longer ones stand first. */
static int with_unit(struct view v, const struct unit *units, size_t count, uint64_t *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(units[i].text);

		if (v.len < len || memcmp(v.ptr + v.len - len, units[i].text, len) != 0)
			continue;
		int rc = view_u64((struct view){ v.ptr, v.len - len }, UINT64_MAX - 1, &n);
		if (rc < 0)
			return rc;
		if (__builtin_mul_overflow(n, units[i].factor, &n) || n == UINT64_MAX)
			return -ERANGE;
		*out = n;
		return 0;
	}
	return -EINVAL;
}

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

int value_size(struct view v, uint64_t *out)
{
	static const struct unit units[] = {
		{ "K", KIB }, { "k", KIB }, { "M", MIB }, { "m", MIB }, { "G", GIB }, { "g", GIB }, { "", 1 },
	};

	if (v.len == 0)
		return -EINVAL;
	return with_unit(v, units, ARRAY_SIZE(units), out);
}

#define NS_PER_MS ((uint64_t)1000000)
#define NS_PER_S ((uint64_t)1000000000)

static const struct unit durations[] = {
	{ "ms", NS_PER_MS }, { "s", NS_PER_S }, { "m", 60 * NS_PER_S }, { "h", 3600 * NS_PER_S }, { "", NS_PER_S },
};

int value_duration(struct view v, uint64_t *ns)
{
	if (v.len == 0)
		return -EINVAL;
	return with_unit(v, durations, ARRAY_SIZE(durations), ns);
}

int value_percent(struct view v, uint64_t *out)
{
	uint64_t n = 0;
	int rc = view_u64(v, 100, &n);

	if (rc < 0)
		return rc;
	if (n == 0)
		return -ERANGE;
	*out = n;
	return 0;
}

int value_id(struct view v, uint32_t *out)
{
	uint64_t n = 0;
	int rc = view_u64(v, UINT32_MAX - 1, &n);

	if (rc == 0)
		*out = (uint32_t)n;
	return rc;
}

int value_user(struct view v, uint32_t *uid, uint32_t *gid)
{
	bool more = false;
	uint32_t user = 0;
	uint32_t group = 0;
	struct view head = view_cut(&v, ':', &more);

	if (!more)
		return -EINVAL;
	int rc = value_id(head, &user);
	if (rc == 0)
		rc = value_id(v, &group);
	if (rc < 0)
		return rc;
	*uid = user;
	*gid = group;
	return 0;
}

int value_core(struct view v, unsigned *first, unsigned *last)
{
	bool range = false;
	uint64_t lo = 0;
	uint64_t hi = 0;
	struct view head = view_cut(&v, '-', &range);
	int rc = view_u64(head, CORE_MAX, &lo);

	hi = lo;
	if (rc == 0 && range)
		rc = view_u64(v, CORE_MAX, &hi);
	if (rc < 0)
		return rc;
	if (hi < lo)
		return -EINVAL;
	*first = (unsigned)lo;
	*last = (unsigned)hi;
	return 0;
}

/* --- checks of bytes --- */

static bool has_byte(struct view v, char c)
{
	return v.len && memchr(v.ptr, c, v.len);
}

int value_path(struct view v)
{
	if (v.len == 0 || has_byte(v, '\0'))
		return -EINVAL;
	return v.len > PATH_BYTES_MAX ? -ERANGE : 0;
}

int value_text(struct view v)
{
	return has_byte(v, '\0') ? -EINVAL : 0;
}

int value_env(struct view v)
{
	return has_byte(v, '\0') || !has_byte(v, '=') || v.ptr[0] == '=' ? -EINVAL : 0;
}

int value_name(struct view v)
{
	if (v.len == 0 || view_is(v, ".") || view_is(v, ".."))
		return -EINVAL;
	for (size_t i = 0; i < v.len; i++) {
		unsigned char c = (unsigned char)v.ptr[i];

		if (c <= 0x20 || c == 0x7f || c == '/')
			return -EINVAL;
	}
	return v.len > NAME_BYTES_MAX ? -ERANGE : 0;
}

/* --- the way back --- */

void value_print_size(uint64_t bytes, struct str *out)
{
	static const struct unit units[] = { { "G", GIB }, { "M", MIB }, { "K", KIB }, { "", 1 } };
	size_t i = 0;

	while (units[i].factor > 1 && (bytes == 0 || bytes % units[i].factor != 0))
		i++;
	str_addf(out, "%" PRIu64 "%s", bytes / units[i].factor, units[i].text);
}

void value_print_duration(uint64_t ns, struct str *out)
{
	static const struct unit units[] = { { "h", 3600 * NS_PER_S }, { "m", 60 * NS_PER_S }, { "s", NS_PER_S } };

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (ns % units[i].factor == 0 && (ns || units[i].factor == NS_PER_S)) {
			str_addf(out, "%" PRIu64 "%s", ns / units[i].factor, units[i].text);
			return;
		}
	str_addf(out, "%" PRIu64 "ms", ns / NS_PER_MS);
}
