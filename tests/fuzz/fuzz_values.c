/* Sizes, durations, times, users, cores and port rules: what is accepted must print and read back the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/policy.h"
#include "policy/ports.h"
#include "policy/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void number(struct view v, int (*parse)(struct view v, uint64_t *out), void (*print)(uint64_t n, struct str *out))
{
	AUTO(str) struct str s = STR(64);
	uint64_t n = 0;
	uint64_t again = 0;

	if (parse(v, &n) < 0)
		return;
	print(n, &s);
	require(s.rc == 0 && parse((struct view){ s.buf, s.len }, &again) == 0 && again == n);
}

static void ports(struct view v, int (*add)(struct ports *out, struct view rule, const char *origin, struct error *err),
		  const char *prefix)
{
	static struct ports set;
	static struct ports again;
	struct error err = { 0 };
	AUTO(str) struct str s = STR(1 << 20);

	memset(&set, 0, sizeof set);
	memset(&again, 0, sizeof again);
	if (add(&set, v, "x", &err) < 0) {
		require(err.kind == ERR_USAGE && strncmp(err.text, "x: ", 3) == 0);
		return;
	}
	str_add(&s, prefix);
	ports_print(&set, &s);
	require(add(&again, (struct view){ s.buf, s.len }, "x", NULL) == 0);
	require(set.any == again.any && (set.any || memcmp(set.bits, again.bits, sizeof set.bits) == 0));
}

static void others(struct view v)
{
	uint64_t n = 0;
	uint32_t a = 0;
	uint32_t b = 0;
	unsigned first = 0;
	unsigned last = 0;

	if (value_percent(v, &n) == 0)
		require(n >= 1 && n <= 100);
	if (value_count(v, &n) == 0)
		require(n != UINT64_MAX);
	if (value_user(v, &a, &b) == 0)
		require(a != NO_ID && b != NO_ID);
	if (value_core(v, &first, &last) == 0)
		require(first <= last && last < 1024);
	if (value_name(v) == 0)
		require(v.len >= 1 && v.len <= 64 && !memchr(v.ptr, '/', v.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = { (const char *)data, size };

	number(v, value_size, value_print_size);
	number(v, value_duration, value_print_duration);
	ports(v, ports_add_connect, "");
	ports(v, ports_add_bind, "");
	ports(v, ports_add_deny_bind, "");
	others(v);
	return 0;
}
