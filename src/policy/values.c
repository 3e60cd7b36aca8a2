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

/* --- RFC 3339 --- */

/* Exactly `width` digits at the front of *v; what they say must be within [min, max]. */
static int digits(struct view *v, size_t width, int min, int max, int *out)
{
	int n = 0;

	if (v->len < width)
		return -EINVAL;
	for (size_t i = 0; i < width; i++) {
		if (v->ptr[i] < '0' || v->ptr[i] > '9')
			return -EINVAL;
		n = n * 10 + (v->ptr[i] - '0');
	}
	if (n < min || n > max)
		return -ERANGE;
	v->ptr += width;
	v->len -= width;
	*out = n;
	return 0;
}

/* One byte of `set` at the front of *v; returned, or 0. */
static char one_of(struct view *v, const char *set)
{
	if (v->len == 0 || v->ptr[0] == '\0' || !strchr(set, v->ptr[0]))
		return 0;
	char c = v->ptr[0];
	v->ptr++;
	v->len--;
	return c;
}

static bool is_leap_year(int y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int days_in_month(int y, int m)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[m - 1] + (m == 2 && is_leap_year(y));
}

/* Days from 1970-01-01 to y-m-d of the Gregorian calendar; y is 0 to 9999. */
static int64_t days_since_epoch(int y, int m, int d)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	int64_t leaps = y > 0 ? (y - 1) / 4 - (y - 1) / 100 + (y - 1) / 400 + 1 : 0;    /* of years 0..y-1 */
	int64_t days = (int64_t)y * 365 + leaps + before[m - 1] + (m > 2 && is_leap_year(y)) + d - 1;

	return days - 719528;   /* 0000-01-01 to 1970-01-01 */
}

static int time_date(struct view *v, int64_t *days)
{
	int y = 0, m = 0, d = 0;
	int rc = digits(v, 4, 0, 9999, &y);

	if (rc == 0)
		rc = one_of(v, "-") ? digits(v, 2, 1, 12, &m) : -EINVAL;
	if (rc == 0)
		rc = one_of(v, "-") ? digits(v, 2, 1, days_in_month(y, m), &d) : -EINVAL;
	if (rc == 0)
		*days = days_since_epoch(y, m, d);
	return rc;
}

static int time_fraction(struct view *v, uint32_t *nsec)
{
	uint32_t unit = 100000000;
	size_t count = 0;

	*nsec = 0;
	if (!one_of(v, "."))
		return 0;
	for (; v->len && v->ptr[0] >= '0' && v->ptr[0] <= '9'; v->ptr++, v->len--, count++) {
		*nsec += unit * (uint32_t)(v->ptr[0] - '0');
		unit /= 10;
	}
	return count ? 0 : -EINVAL;
}

/* Seconds east of UTC. */
static int time_offset(struct view *v, int *east)
{
	int h = 0, m = 0;
	char sign = one_of(v, "Zz+-");

	*east = 0;
	if (sign == 'Z' || sign == 'z')
		return 0;
	int rc = sign ? digits(v, 2, 0, 23, &h) : -EINVAL;
	if (rc == 0)
		rc = one_of(v, ":") ? digits(v, 2, 0, 59, &m) : -EINVAL;
	*east = (sign == '-' ? -1 : 1) * (h * 3600 + m * 60);
	return rc;
}

int value_time(struct view v, int64_t *sec, uint32_t *nsec)
{
	int64_t days = 0;
	int h = 0, m = 0, s = 0, east = 0;
	uint32_t fraction = 0;
	int rc = time_date(&v, &days);

	if (rc == 0)
		rc = one_of(&v, "Tt ") ? digits(&v, 2, 0, 23, &h) : -EINVAL;
	if (rc == 0)
		rc = one_of(&v, ":") ? digits(&v, 2, 0, 59, &m) : -EINVAL;
	if (rc == 0)
		rc = one_of(&v, ":") ? digits(&v, 2, 0, 60, &s) : -EINVAL;
	if (rc == 0)
		rc = time_fraction(&v, &fraction);
	if (rc == 0)
		rc = time_offset(&v, &east);
	if (rc < 0 || v.len)
		return rc < 0 ? rc : -EINVAL;

	int64_t at = days * 86400 + h * 3600 + m * 60 + s - east;
	if (s == 60 && at % 86400 != 0)         /* 23:59:60 UTC is the next midnight */
		return -ERANGE;
	*sec = at;
	*nsec = fraction;
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
