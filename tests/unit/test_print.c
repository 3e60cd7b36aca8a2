/* Printing and reading back: the same policy, for many random ones, in both formats. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fault.h"
#include "policy/options.h"
#include "policy/print.h"

#define ROUNDS 400

/* --- random policies from a fixed seed --- */

static uint64_t seed = 88172645463325252ULL;

static unsigned roll(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 11) % below);
}

static const char *pick(const char *const *list, size_t count)
{
	return list[roll((unsigned)count)];
}
#define PICK(list) pick(list, ARRAY_SIZE(list))

static const char *a_text(void)
{
	static const char *const texts[] = {
		"x", "a b", "\"quoted\"", "back\\slash", "tab\there", "line\nbreak", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		"\x7f\x01", "'", "#no comment", "[x]", "a = b", "\xc2\x85", "${HOME}", "$", "",
	};

	return PICK(texts);
}

static const char *a_path(void)
{
	static const char *const paths[] = {
		"/", "/usr", "/a b", "rel/path", "/\xc3\xa4", "/a$b", "/${HOME}", "/$$", "/new\nline", "/\"", "/\\", "/x~",
	};

	return PICK(paths);
}

static const char *a_value(const struct option_row *row)
{
	static const char *const counts[] = { "1", "64", "4294967295" };
	static const char *const sizes[] = { "1", "1025", "10K", "512m", "2G" };
	static const char *const durations[] = { "1", "500ms", "90s", "5m", "2h", "1ms" };
	static const char *const percents[] = { "1", "100" };
	static const char *const numbers[] = { "0", "0,2", "4-7", "1,3-4" };
	static const char *const allow[] = { ":443", "*", "tcp://*:80,90-99", "api.example.com", "[::1]:80", "icmp://*" };
	static const char *const deny[] = { "10.0.0.0/8", "udp", "[2001:db8::/32]:53", "*:25" };
	static const char *const connect[] = { "443", "80,90-99" };
	static const char *const bind[] = { "8080", "0", "*", "1-2,9" };
	static const char *const presets[] = { "base", "python", "agent" };
	static const char *const net_presets_[] = { "npm", "pypi", "apt" };
	static const char *const hosts[] = { "example.com", "192.0.2.1", "::1" };
	static const char *const protections_[] = { "net-tcp", "signal-scope", "fs-truncate" };
	static const char *const env[] = { "A=b", "A=", "B C=d=e", "\xc3\xa4=\"", "PATH=/x:$PATH" };
	static const char *const users[] = { "0:0", "1000:100" };
	static const char *const ids[] = { "0", "1000", "4294967294" };
	static const char *const names[] = { "web", "x-1" };

	switch (row->type) {
	case OPT_FLAG: return row->check || roll(2) ? "true" : "false";
	case OPT_COUNT: return PICK(counts);
	case OPT_SIZE: return PICK(sizes);
	case OPT_DURATION: return PICK(durations);
	case OPT_PERCENT: return PICK(percents);
	case OPT_NUMBERS: return row->offset == offsetof(struct policy, gpu_devices) && !roll(3) ? "all" : PICK(numbers);
	case OPT_NET: return row->offset == offsetof(struct policy, net_allow) ? PICK(allow) : PICK(deny);
	case OPT_PORTS: return row->offset == offsetof(struct policy, net_allow_bind) ? PICK(bind) : PICK(connect);
	case OPT_ENV: return PICK(env);
	case OPT_USER: return PICK(users);
	case OPT_ID: return PICK(ids);
	case OPT_TEXT: return PICK(names);
	case OPT_PATH:
	case OPT_PATHS: return a_path();
	case OPT_LIST:
		if (strcmp(row->key, "extends") == 0)
			return PICK(presets);
		if (strcmp(row->key, "network.presets") == 0)
			return PICK(net_presets_);
		if (strcmp(row->key, "network.allow_hosts") == 0)
			return PICK(hosts);
		if (strcmp(row->key, "disable") == 0 || strcmp(row->key, "allow_degraded") == 0)
			return PICK(protections_);
		return strcmp(row->key, "program.args") == 0 ? a_text() : "mount";
	case OPT_TYPE_MAX: break;
	}
	return "";
}

static struct policy *random_policy(void)
{
	struct policy *p = policy_new();

	p->home = mem_strdup("/home/u");
	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_rows[i];
		const char *all = NULL;

		if (option_canonical(row) != row || roll(3) == 0)
			continue;
		for (unsigned n = 1 + (option_is_list(row) ? roll(5) : 0); n && !all; n--) {
			const char *value = a_value(row);

			/* "all" stands alone */
			if (row->type == OPT_NUMBERS && strcmp(value, "all") == 0) {
				assert_int_equal(policy_set(p, row->key, value, "random", NULL), 0);
				all = value;
			} else if (policy_add(p, row->key, value, "random", NULL) < 0) {
				fail_msg("%s = '%s'", row->key, value);
			}
		}
	}
	return p;
}

/* --- the same in all that was asked for --- */

static bool same_words(const struct words *a, const struct words *b)
{
	if (a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++)
		if (strcmp(a->at[i].text, b->at[i].text) != 0)
			return false;
	return true;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_field(const void *a, const void *b, const struct option_row *row)
{
	if (option_is_list(row))
		return same_words(a, b);
	if (row->type == OPT_TEXT || row->type == OPT_PATH)
		return same_text(*(char *const *)a, *(char *const *)b);
	if (row->type == OPT_FLAG)
		return *(const bool *)a == *(const bool *)b;
	if (row->type == OPT_USER || row->type == OPT_ID)
		return *(const uint32_t *)a == *(const uint32_t *)b;
	return *(const uint64_t *)a == *(const uint64_t *)b;
}

static void assert_same(const struct policy *a, const struct policy *b, const char *text)
{
	for (size_t i = 0; i < option_count; i++) {
		size_t offset = option_rows[i].offset;

		if (!same_field((const char *)a + offset, (const char *)b + offset, &option_rows[i]))
			fail_msg("%s differs after:\n%s", option_rows[i].key, text);
	}
}

static void read_back(const struct policy *p, const char *text)
{
	struct policy *again = policy_new();
	struct error err = { 0 };

	again->home = mem_strdup("/elsewhere");
	if (policy_load(again, text, strlen(text), "printed", &err) < 0)
		fail_msg("%s\n%s", err.text, text);
	assert_same(p, again, text);
	policy_free(again);
}

static void test_toml_reads_back_to_the_same_policy(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct policy *p = random_policy();
		AUTO(str) struct str s = STR(1 << 20);

		assert_int_equal(policy_print(p, POLICY_TOML, &s), 0);
		str_add(&s, "");
		read_back(p, s.buf);
		policy_free(p);
	}
}

/* --- JSON to TOML, so that the same reader can judge it: an object is an inline table --- */

static const char *convert(const char *json, struct str *out, bool top);

static const char *blanks(const char *json)
{
	return json + strspn(json, " \n");
}

static const char *convert_string(const char *json, struct str *out)
{
	const char *end = json + 1;

	while (*end != '"')
		end += *end == '\\' ? 2 : 1;
	str_addn(out, json, (size_t)(end + 1 - json));
	return end + 1;
}

static const char *convert_object(const char *json, struct str *out, bool top)
{
	str_add(out, top ? "" : "{ ");
	json = blanks(json + 1);
	while (*json != '}') {
		json = blanks(convert_string(json, out));
		assert_int_equal(*json, ':');
		str_add(out, " = ");
		json = blanks(convert(blanks(json + 1), out, false));
		if (*json == ',') {
			str_add(out, top ? "\n" : ", ");
			json = blanks(json + 1);
			assert_int_equal(*json, '"');
		}
	}
	str_add(out, top ? "\n" : " }");
	return json + 1;
}

static const char *convert(const char *json, struct str *out, bool top)
{
	if (*json == '{')
		return convert_object(json, out, top);
	if (*json == '"')
		return convert_string(json, out);
	if (*json == '[') {
		str_addc(out, '[');
		json = blanks(json + 1);
		while (*json != ']') {
			json = blanks(convert(json, out, false));
			if (*json == ',') {
				str_add(out, ", ");
				json = blanks(json + 1);
			}
		}
		str_addc(out, ']');
		return json + 1;
	}
	size_t len = strspn(json, "0123456789truefals");
	assert_true(len > 0);
	str_addn(out, json, len);
	return json + len;
}

static void test_json_has_the_same_content(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct policy *p = random_policy();
		AUTO(str) struct str json = STR(1 << 20);
		AUTO(str) struct str toml = STR(1 << 20);

		assert_int_equal(policy_print(p, POLICY_JSON, &json), 0);
		assert_string_equal(blanks(convert(json.buf, &toml, true)), "");
		str_add(&toml, "");
		read_back(p, toml.buf);
		policy_free(p);
	}
}

/* --- exact texts --- */

static void prints(const struct policy *p, const struct grants *g, enum policy_format format, const char *text)
{
	AUTO(str) struct str s = STR(4096);

	assert_int_equal(policy_print_grants(p, g, format, &s), 0);
	str_add(&s, "");
	assert_string_equal(s.buf, text);
}

static void test_the_layout_is_for_people(void **state)
{
	struct policy *p = policy_new();
	struct grants g = { .own_proc = true };

	(void)state;
	prints(p, NULL, POLICY_TOML, "");
	prints(p, NULL, POLICY_JSON, "{}\n");
	policy_add(p, "bare", "true", "", NULL);
	policy_add(p, "filesystem.read", "/a", "", NULL);
	policy_add(p, "filesystem.read", "/b", "", NULL);
	policy_add(p, "limits.memory", "512M", "", NULL);
	policy_add(p, "limits.processes", "8", "", NULL);
	prints(p, NULL, POLICY_TOML, "bare = true\n\n[filesystem]\nread = [\"/a\", \"/b\"]\n\n"
				     "[limits]\nmemory = \"512M\"\nprocesses = 8\n");
	prints(p, NULL, POLICY_JSON, "{\n  \"bare\": true,\n  \"filesystem\": {\n    \"read\": [\"/a\", \"/b\"]\n  },\n"
				     "  \"limits\": {\n    \"memory\": \"512M\",\n    \"processes\": 8\n  }\n}\n");
	policy_free(p);

	p = policy_new();
	grants_add_take(&g, "/usr", -1, true, ACCESS_READ | ACCESS_EXEC, "preset base", NULL);
	grants_add_take(&g, "/d\n", -1, true, ACCESS_READ | ACCESS_WRITE, "--fs-write", "d");
	prints(p, &g, POLICY_TOML, "\n# The grants that come of it:\n"
				   "#   read execute         /usr  (preset base)\n"
				   "#   read write           /d\\n  (--fs-write: d)\n"
				   "#   read                 /proc/self  (of the first process)\n");
	static const char json[] = "{\n  \"grants\": [\n    { \"path\": \"/usr\", \"access\": [\"read\", \"execute\"], "
				   "\"origin\": \"preset base\" },\n"
				   "    { \"path\": \"/d\\u000a\", \"access\": [\"read\", \"write\"], "
				   "\"origin\": \"--fs-write\", \"typed\": \"d\" }\n"
				   "  ],\n  \"own_proc\": true\n}\n";
	prints(p, &g, POLICY_JSON, json);
	grants_fini(&g);
	policy_free(p);
}

static void test_bytes_that_are_not_utf8_fit_in_json_only(void **state)
{
	struct policy *p = policy_new();
	AUTO(str) struct str s = STR(4096);

	(void)state;
	policy_add(p, "filesystem.read", "/\xff", "", NULL);
	assert_int_equal(policy_print(p, POLICY_TOML, &s), -EILSEQ);
	prints(p, NULL, POLICY_JSON, "{\n  \"filesystem\": {\n    \"read\": [\"/\\udcff\"]\n  }\n}\n");
	policy_free(p);
}

static void test_a_leading_tilde_stays_a_file_name(void **state)
{
	struct policy *p = policy_new();

	(void)state;
	policy_add(p, "program.cwd", "~x", "", NULL);
	prints(p, NULL, POLICY_TOML, "[program]\ncwd = \"./~x\"\n");
	policy_free(p);
}

static void test_every_allocation_can_fail(void **state)
{
	struct policy *p = random_policy();

	(void)state;
	for (int n = 0;; n++) {
		AUTO(str) struct str s = STR(1 << 20);

		fault_arm(n);
		int rc = policy_print(p, POLICY_JSON, &s);
		if (!fault_fired())
			break;
		assert_int_equal(rc, -ENOMEM);
	}
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_toml_reads_back_to_the_same_policy),
		cmocka_unit_test(test_json_has_the_same_content),
		cmocka_unit_test(test_the_layout_is_for_people),
		cmocka_unit_test(test_bytes_that_are_not_utf8_fit_in_json_only),
		cmocka_unit_test(test_a_leading_tilde_stays_a_file_name),
		cmocka_unit_test(test_every_allocation_can_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
