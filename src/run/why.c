/* Answers from the policy, without running anything. The sentences are those of policy/explain.c. */
#include "run/why.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/sys.h"
#include "policy/explain.h"
#include "policy/netexplain.h"

/* The canonical name as far as the path exists, and the rest of it as typed. A rest with ".." has no meaning. */
static int canonical_part(const char *path, char *out)
{
	char top[PATH_SIZE];
	size_t len = strlen(path);

	if (len == 0)
		return -ENOENT;
	if (len + 2 > sizeof top)
		return -ENAMETOOLONG;
	memcpy(top, path, len + 1);
	while (len > 1 && top[len - 1] == '/')
		top[--len] = '\0';
	size_t whole = len;
	int rc = path_canonical(AT_FDCWD, top, out);

	while (rc == -ENOENT && path_cut(top))
		rc = path_canonical(AT_FDCWD, top, out);
	if (rc < 0)
		return rc;
	size_t kept = strcmp(top, ".") == 0 && path[0] != '.' ? 0 : strlen(top);
	const char *rest = path + kept;
	size_t rest_len = whole - (kept < whole ? kept : whole);

	while (rest_len && *rest == '/') {
		rest++;
		rest_len--;
	}
	if (rest_len == 0)
		return 0;
	size_t at = strcmp(out, "/") == 0 ? 0 : strlen(out);

	if (at + 1 + rest_len + 1 > PATH_SIZE)
		return -ENAMETOOLONG;
	out[at] = '/';
	memcpy(out + at + 1, rest, rest_len);
	out[at + 1 + rest_len] = '\0';
	return path_is_clean(out) ? 0 : -ENOENT;
}

int why_path(const struct policy *p, const struct grants *g, unsigned access, const char *path, struct str *out)
{
	char canonical[PATH_SIZE];
	int rc = canonical_part(path, canonical);

	if (rc < 0)
		return rc;
	rc = explain_path(g, canonical, access, policy_splits_exec(p), out);
	return out->rc < 0 ? out->rc : rc;
}

/* --- ports and destinations --- */

/* What is asked about: "tcp://HOST:PORT" and its shorter forms. */
struct destination {
	enum net_proto proto;
	struct view host;               /* empty: any address; without brackets */
	unsigned port;
};

static int read_port(struct view text, unsigned *out)
{
	uint64_t port = 0;
	int rc = view_u64(text, 65535, &port);

	if (rc < 0)
		return -EINVAL;
	*out = (unsigned)port;
	return 0;
}

/* Cuts "udp://" off; TCP where there is no scheme. */
static int read_scheme(struct view *rest, enum net_proto *out)
{
	struct view scheme = { rest->ptr, 0 };

	while (scheme.len + 3 <= rest->len && memcmp(rest->ptr + scheme.len, "://", 3) != 0)
		scheme.len++;
	*out = NET_TCP;
	if (scheme.len + 3 > rest->len)
		return 0;
	*out = net_proto_by_name(scheme);
	*rest = (struct view){ rest->ptr + scheme.len + 3, rest->len - scheme.len - 3 };
	return *out == NET_PROTOS ? -EINVAL : 0;
}

/* Host and port at the last colon that is outside of brackets; a word without one is a port. */
static int read_host(struct view text, struct destination *d)
{
	size_t colon = text.len;
	bool brackets = text.len && text.ptr[0] == '[';

	while (colon && text.ptr[colon - 1] != ':' && text.ptr[colon - 1] != ']')
		colon--;
	if (d->proto == NET_ICMP)
		colon = text.len + 1;
	else if (colon && text.ptr[colon - 1] == ']')
		return -EINVAL;
	struct view port = { text.ptr + colon, d->proto == NET_ICMP ? 0 : text.len - colon };
	struct view host = { text.ptr, colon ? colon - 1 : 0 };

	if (brackets && (host.len < 2 || host.ptr[host.len - 1] != ']'))
		return -EINVAL;
	d->host = brackets ? (struct view){ host.ptr + 1, host.len - 2 } : host;
	if (!brackets && d->proto != NET_ICMP && d->host.len && memchr(d->host.ptr, ':', d->host.len))
		return -EINVAL;         /* 2001:db8::1:443 could be an address or have a port */
	if (view_is(d->host, "*"))
		d->host.len = 0;
	return d->proto == NET_ICMP ? 0 : read_port(port, &d->port);
}

static int read_destination(const char *target, struct destination *d)
{
	struct view text = view_of(target);

	*d = (struct destination){ 0 };
	int rc = read_scheme(&text, &d->proto);
	if (rc == 0)
		rc = read_host(text, d);
	return rc == 0 && d->host.len == 0 && d->proto != NET_TCP ? -EINVAL : rc;
}

/* What judges a question: the names as they stand now, all of them pinned, also those that a program would see refreshed. */
struct judge {
	struct names *names;
	struct netmatch *match;
};

static void judge_fini(struct judge *j)
{
	netmatch_free(j->match);
	names_unref(j->names);
}

/* Where names cannot be looked up, they stand for nothing. */
static int find_judge(const struct policy *p, names_lookup lookup, struct judge *out)
{
	struct error err = { 0 };
	int rc = names_resolve(p, lookup, &out->names, &err);

	if (rc < 0 && err.kind != ERR_MEMORY)
		rc = names_resolve(p, NULL, &out->names, NULL);
	return rc < 0 ? rc : netmatch_build(p, out->names->pins, out->names->count, &out->match);
}

/* Each address of a name: all must be allowed; the first that decides otherwise is the one that is spoken of. */
static int explain_addresses(const struct policy *p, const struct netmatch *m, const struct destination *d,
			     const struct addresses *found, struct str *out)
{
	int allowed = 0;

	for (size_t i = 0; i < found->len; i++) {
		struct addr to = found->at[i];

		str_clear(out);
		to.port = (uint16_t)d->port;
		allowed = explain_destination(p, m, d->proto, &to, out);
		if (!allowed)
			break;
	}
	return allowed;
}

static int why_name(const struct policy *p, const struct netmatch *m, names_lookup lookup, const struct destination *d,
		    struct str *out)
{
	AUTO(free) char *name = mem_strndup(d->host.ptr, d->host.len);
	struct addresses found = { 0 };
	const char *why = "it has no address";

	if (!name)
		return -ENOMEM;
	if (explain_name(p, m, d->proto, name, d->port, out))
		return 1;
	if (d->proto == NET_TCP && !policy_judges_addresses(p))
		return explain_port(p, false, d->port, out);
	int rc = lookup(name, &found, &why);
	if (rc == 0 && found.len)
		rc = explain_addresses(p, m, d, &found, out);
	mem_free(found.at);
	if (rc == -ENOMEM || found.len)
		return rc;
	str_addf(out, "%s://", net_proto_name(d->proto));
	str_add_quoted(out, name, strlen(name));
	str_addf(out, " is refused: no rule has the name, and its addresses are not known: %s.", why);
	return 0;
}

int why_connect(const struct policy *p, names_lookup lookup, const char *target, struct str *out)
{
	struct destination d;
	struct judge judge = { 0 };
	struct addr to;
	int rc = read_destination(target, &d);

	if (rc < 0)
		return rc;
	if (d.host.len == 0) {
		rc = explain_port(p, false, d.port, out);
		return out->rc < 0 ? out->rc : rc;
	}
	rc = find_judge(p, lookup, &judge);
	if (rc == 0 && addr_parse(d.host, &to) == 0) {
		to.port = (uint16_t)d.port;
		addr_name_this_machine(&to);
		rc = explain_destination(p, judge.match, d.proto, &to, out);
	} else if (rc == 0) {
		rc = why_name(p, judge.match, lookup, &d, out);
	}
	judge_fini(&judge);
	if (rc < 0)
		return rc;
	return out->rc < 0 ? out->rc : rc;
}

int why_bind(const struct policy *p, const char *target, struct str *out)
{
	unsigned port = 0;
	const char *colon = strrchr(target, ':');
	int rc = read_port(view_of(colon ? colon + 1 : target), &port);

	if (rc < 0)
		return rc;
	rc = explain_port(p, true, port, out);
	return out->rc < 0 ? out->rc : rc;
}
