/* Setting options by key: one loop over the option table, one row of functions per type of value. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "policy/options.h"
#include "policy/policy.h"
#include "policy/ports.h"
#include "policy/presets.h"
#include "policy/values.h"

/* One value on its way into a policy. */
struct setting {
	struct policy *policy;
	const struct option_row *row;   /* never an older spelling of another */
	struct view value;
	const char *origin;
	bool append;
	struct error *err;
};

struct type {
	const char *forms;              /* ends the sentence "'x' is not ..." */
	int (*put)(const struct setting *s);
	int (*number)(struct view v, uint64_t *out);
	int (*check)(struct view v);
};
static const struct type types[OPT_TYPE_MAX];

static void *field(const struct setting *s)
{
	return (char *)s->policy + s->row->offset;
}

/* The sentence for a value of the wrong form. A check that set a better one before keeps it. */
static int refuse(const struct setting *s, struct view value, int rc)
{
	if (rc == -ENOMEM)
		return error_set(s->err, ERR_MEMORY, rc, "out of memory");
	return error_set(s->err, ERR_USAGE, -EINVAL, rc == -ERANGE ? "%s: '%.*s' is out of range; write %s"
								   : "%s: '%.*s' is not %s",
			 s->origin, VIEW_ARG(value), s->row->key && strcmp(s->row->key, "program.name") == 0
			 ? "a name of 1 to 64 bytes without '/', blanks and control characters" : types[s->row->type].forms);
}

static int check(const struct setting *s, struct view value)
{
	const struct type *type = &types[s->row->type];
	int rc = type->check ? type->check(value) : 0;

	if (rc == 0 && s->row->check)
		rc = s->row->check(value, s->origin, s->err);
	return rc < 0 ? refuse(s, value, rc) : 0;
}

static int put_flag(const struct setting *s)
{
	int rc = value_flag(s->value, field(s));

	if (rc == 0 && s->row->check)
		rc = s->row->check(s->value, s->origin, s->err);
	return rc < 0 ? refuse(s, s->value, rc) : 0;
}

static int put_number(const struct setting *s)
{
	uint64_t n = 0;
	int rc = types[s->row->type].number(s->value, &n);

	if (rc < 0)
		return refuse(s, s->value, rc);
	if (n < s->row->min)
		return error_set(s->err, ERR_USAGE, -EINVAL, "%s: must be at least %" PRIu64 ", got '%.*s'", s->origin,
				 s->row->min, VIEW_ARG(s->value));
	if (s->row->max && n > s->row->max)
		return error_set(s->err, ERR_USAGE, -EINVAL, "%s: must be at most %" PRIu64 ", got '%.*s'", s->origin,
				 s->row->max, VIEW_ARG(s->value));
	*(uint64_t *)field(s) = n;
	return 0;
}

static int put_id(const struct setting *s)
{
	int rc = value_id(s->value, field(s));

	return rc < 0 ? refuse(s, s->value, rc) : 0;
}

static int put_user(const struct setting *s)
{
	int rc = value_user(s->value, &s->policy->uid, &s->policy->gid);

	return rc < 0 ? refuse(s, s->value, rc) : 0;
}

static int put_text(const struct setting *s)
{
	char **text = field(s);
	int rc = check(s, s->value);

	if (rc < 0)
		return rc;
	char *copy = mem_strndup(s->value.ptr, s->value.len);
	if (!copy)
		return refuse(s, s->value, -ENOMEM);
	mem_free(*text);
	*text = copy;
	return 0;
}

/* Moves the words of `from` to the end of `to`. */
static int words_move(struct words *to, struct words *from)
{
	if (mem_grow(&to->at, &to->cap, to->len + from->len, sizeof *to->at) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < from->len; i++)
		to->at[to->len++] = from->at[i];
	from->len = 0;
	return 0;
}

/* Puts the new words into the list; nothing has changed when this fails. */
static int put_list(const struct setting *s, struct words *fresh)
{
	struct words *list = field(s);
	int rc = s->append ? words_move(list, fresh) : 0;

	if (rc == 0 && !s->append) {
		struct words old = *list;

		*list = *fresh;
		*fresh = old;
	}
	words_fini(fresh);
	return rc < 0 ? refuse(s, s->value, rc) : 0;
}

/* Drops the words before `keep` that set the same variable: the last one wins, and a profile can hold only one. */
static void drop_same_variable(struct words *w, size_t keep)
{
	size_t name = strcspn(w->at[keep].text, "=") + 1;
	size_t kept = 0;

	for (size_t i = 0; i < w->len; i++) {
		if (i >= keep || strncmp(w->at[i].text, w->at[keep].text, name) != 0) {
			w->at[kept++] = w->at[i];
			continue;
		}
		mem_free(w->at[i].text);
		mem_free(w->at[i].origin);
	}
	w->len = kept;
}

static int put_word(const struct setting *s)
{
	struct words fresh = { 0 };
	int rc = check(s, s->value);

	if (rc < 0)
		return rc;
	if (words_push(&fresh, s->value, s->origin) < 0) {
		words_fini(&fresh);
		return refuse(s, s->value, -ENOMEM);
	}
	return put_list(s, &fresh);
}

static int put_env(const struct setting *s)
{
	struct words *list = field(s);
	int rc = put_word(s);

	if (rc == 0)
		drop_same_variable(list, list->len - 1);
	return rc;
}

static int put_numbers(const struct setting *s)
{
	struct words fresh = { 0 };
	struct view rest = s->value;
	bool more = true;
	int rc = 0;

	while (more && rc == 0) {
		struct view item = view_cut(&rest, ',', &more);

		rc = check(s, item);
		if (rc == 0 && words_push(&fresh, item, s->origin) < 0)
			rc = refuse(s, item, -ENOMEM);
	}
	if (rc == 0)
		return put_list(s, &fresh);
	words_fini(&fresh);
	return rc;
}

static int put_ports(const struct setting *s)
{
	static const struct {
		size_t offset;
		int (*add)(struct ports *out, struct view rule, const char *origin, struct error *err);
	} readers[] = {
		{ offsetof(struct policy, net_allow_bind), ports_add_bind },
		{ offsetof(struct policy, net_deny_bind), ports_add_deny_bind },
		{ offsetof(struct policy, net_connect), ports_add_connect },
	};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(readers) && rc == 0; i++)
		if (readers[i].offset == s->row->offset)
			rc = readers[i].add(NULL, s->value, s->origin, s->err);
	return rc < 0 ? rc : put_word(s);
}

static int put_net(const struct setting *s)
{
	bool deny = s->row->offset == offsetof(struct policy, net_deny);
	int rc = check(s, s->value);

	if (rc == 0)
		rc = net_rules_add(NULL, s->value, deny, 0, s->origin, s->err);
	return rc < 0 ? rc : put_word(s);
}

static int check_core(struct view v)
{
	unsigned first = 0;
	unsigned last = 0;

	return value_core(v, &first, &last);
}

/* A core or GPU number, or "all", which policy_freeze refuses for cores. */
static int check_number(struct view v)
{
	return view_is(v, "all") ? 0 : check_core(v);
}

static const struct type types[OPT_TYPE_MAX] = {
	[OPT_FLAG] = { "true or false", put_flag, NULL, NULL },
	[OPT_COUNT] = { "a whole number", put_number, value_count, NULL },
	[OPT_SIZE] = { "a whole number of bytes, or one with K, M or G behind it, such as 512M", put_number, value_size, NULL },
	[OPT_DURATION] = { "a whole number of seconds, or one with ms, s, m or h behind it, such as 500ms", put_number,
			   value_duration, NULL },
	[OPT_PERCENT] = { "a whole number from 1 to 100", put_number, value_percent, NULL },
	[OPT_TEXT] = { "text without a NUL byte", put_text, NULL, value_text },
	[OPT_PATH] = { "a path of 1 to 4095 bytes", put_text, NULL, value_path },
	[OPT_LIST] = { "text without a NUL byte", put_word, NULL, value_text },
	[OPT_PATHS] = { "a path of 1 to 4095 bytes", put_word, NULL, value_path },
	[OPT_NUMBERS] = { "a list of numbers from 0 to 1023, such as 0,2 or 0-3", put_numbers, NULL, check_number },
	[OPT_PORTS] = { "a list of ports", put_ports, NULL, value_text },
	[OPT_NET] = { "text without a NUL byte", put_net, NULL, value_text },
	[OPT_ENV] = { "a variable; write NAME=VALUE", put_env, NULL, value_env },
	[OPT_USER] = { "a user; write UID:GID, two numbers", put_user, NULL, NULL },
	[OPT_ID] = { "a user or group number", put_id, NULL, NULL },
};

static int unknown_key(const char *key, struct error *err)
{
	const char *near = option_nearest_key(key);

	if (option_is_planned(key))
		return error_set(err, ERR_USAGE, -EOPNOTSUPP, "option '%s' is not supported in this release", key);
	if (near)
		return error_set(err, ERR_USAGE, -ENOENT, "there is no option '%s'; did you mean '%s'?", key, near);
	return error_set(err, ERR_USAGE, -ENOENT, "there is no option '%s'", key);
}

static int apply(struct setting *s)
{
	AUTO(str) struct str today = STR(8192);

	if (s->row->rewrite) {
		s->row->rewrite(s->value, &today);
		if (today.rc < 0)
			return refuse(s, s->value, today.rc);
		s->value = (struct view){ today.buf, today.len };
	}
	s->row = option_canonical(s->row);
	int rc = types[s->row->type].put(s);
	if (rc < 0)
		return rc;

	size_t bit = (size_t)(s->row - option_rows);
	s->policy->given[bit / 64] |= (uint64_t)1 << (bit % 64);
	return 0;
}

static int change(struct policy *p, const char *key, const char *value, const char *origin, struct setting *how)
{
	const struct option_row *row = option_by_key(key);

	if (p->frozen)
		return error_set(how->err, ERR_STATE, -EBUSY, "the policy is frozen; change a copy of it");
	if (!row)
		return unknown_key(key, how->err);
	how->policy = p;
	how->row = row;
	how->value = view_of(value);
	how->origin = origin;
	return apply(how);
}

int policy_set(struct policy *p, const char *key, const char *value, const char *origin, struct error *err)
{
	return change(p, key, value, origin, &(struct setting){ .append = false, .err = err });
}

int policy_add(struct policy *p, const char *key, const char *value, const char *origin, struct error *err)
{
	return change(p, key, value, origin, &(struct setting){ .append = true, .err = err });
}
