/* Sets of TCP ports. It knows the grammar and the bits, not what they are used for. */
#include "policy/ports.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define PORT_MAX 65535

static void add_range(struct ports *set, unsigned lo, unsigned hi)
{
	for (unsigned port = lo; port <= hi; port++)
		set->bits[port / 64] |= (uint64_t)1 << (port % 64);
}

bool ports_has(const struct ports *set, unsigned port)
{
	return port <= PORT_MAX && (set->any || (set->bits[port / 64] >> (port % 64) & 1));
}

bool ports_is_empty(const struct ports *set)
{
	for (size_t i = 0; i < ARRAY_SIZE(set->bits); i++)
		if (set->bits[i])
			return false;
	return !set->any;
}

/* One list that is being read, for its sentences. */
struct reading {
	struct ports *out;              /* NULL: only check */
	struct view rule;
	unsigned least;                 /* 0 or 1 */
	const char *origin;
	struct error *err;
};

/* `at` is where the trouble begins; columns count from 1. */
static int refuse(const struct reading *r, const char *at, const char *why)
{
	const size_t column = at ? (size_t)(at - r->rule.ptr) + 1 : 1;

	return error_set(r->err, ERR_USAGE, -EINVAL, "%s: '%.*s', column %zu: %s", r->origin, VIEW_ARG(r->rule), column, why);
}

static int read_port(const struct reading *r, struct view text, unsigned *out)
{
	const char *at = text.ptr;
	uint64_t n = 0;

	text = view_trim(text);
	at = text.len ? text.ptr : at;
	if (text.len == 0)
		return refuse(r, at, "a port is empty; write numbers such as 80,443 or 8000-8010, or *");
	if (view_u64(text, PORT_MAX, &n) < 0)
		return refuse(r, at, "a port is a number up to 65535; write 80,443 or 8000-8010, or * for every port");
	if (n < r->least)
		return refuse(r, at, "port 0 cannot be connected to");
	*out = (unsigned)n;
	return 0;
}

static int read_item(const struct reading *r, struct view item)
{
	bool range = false;
	unsigned lo = 0;
	unsigned hi = 0;
	const char *at = view_trim(item).ptr;
	struct view head = view_cut(&item, '-', &range);
	int rc = read_port(r, head, &lo);

	hi = lo;
	if (rc == 0 && range)
		rc = read_port(r, item, &hi);
	if (rc < 0)
		return rc;
	if (lo > hi)
		return refuse(r, at, "the range is reversed; the lower port comes first");
	if (r->out)
		add_range(r->out, lo, hi);
	return 0;
}

static int read_ports(const struct reading *r, struct view list)
{
	const char *begin = list.ptr;
	bool more = true;
	size_t stars = 0;
	size_t numbers = 0;

	while (more) {
		struct view item = view_cut(&list, ',', &more);
		bool star = view_is(view_trim(item), "*");
		int rc = star ? 0 : read_item(r, item);

		if (rc < 0)
			return rc;
		stars += star;
		numbers += !star;
	}
	if (stars && numbers)
		return refuse(r, begin, "'*' is every port and cannot be mixed with numbers");
	if (r->out) {
		r->out->any |= stars > 0;
		r->out->given = true;
	}
	return 0;
}

int ports_add_connect(struct ports *out, struct view list, const char *origin, struct error *err)
{
	const struct reading r = { out, list, 1, origin, err };

	return read_ports(&r, list);
}

int ports_add_bind(struct ports *out, struct view rule, const char *origin, struct error *err)
{
	struct reading r = { out, rule, 0, origin, err };

	return read_ports(&r, rule);
}

int ports_add_deny_bind(struct ports *out, struct view rule, const char *origin, struct error *err)
{
	struct ports only = { 0 };
	const struct reading r = { out, rule, 0, origin, err };
	int rc = ports_add_bind(&only, rule, origin, err);

	if (rc == 0 && only.any)
		return refuse(&r, rule.ptr, "'*' cannot be denied: without --net-allow-bind no port can be listened on");
	return rc < 0 ? rc : ports_add_bind(out, rule, origin, err);
}

void ports_print(const struct ports *set, struct str *out)
{
	const char *comma = "";

	if (set->any) {
		str_add(out, "*");
		return;
	}
	for (unsigned port = 0; port <= PORT_MAX; port++) {
		unsigned last = port;

		if (!ports_has(set, port))
			continue;
		while (last < PORT_MAX && ports_has(set, last + 1))
			last++;
		str_addf(out, last > port ? "%s%u-%u" : "%s%u", comma, port, last);
		comma = ",";
		port = last;
	}
}
