/* Answers without running anything: the deciding rule of a path or a port, also for what does not exist yet. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/path.h"
#include "fault.h"
#include "policy/netexplain.h"
#include "run/resolve.h"
#include "run/why.h"

static char top[64];
static char was[PATH_SIZE];
static struct policy *policy;
static struct grants grants;
static struct socket_grants sockets;

static void add(const char *key, const char *value)
{
	struct error err = { 0 };

	if (policy_add(policy, key, value, "-r", &err) < 0)
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	char path[128];

	(void)state;
	snprintf(top, sizeof top, "/tmp/test_why.XXXXXX");
	assert_non_null(mkdtemp(top));
	assert_non_null(getcwd(was, sizeof was));
	assert_int_equal(chdir(top), 0);
	assert_int_equal(mkdir("data", 0700), 0);
	assert_int_equal(mkdir("other", 0700), 0);
	assert_int_equal(symlink("data", "link"), 0);
	assert_int_equal(symlink("../other", "data/out"), 0);
	policy = policy_new();
	assert_non_null(policy);
	snprintf(path, sizeof path, "%s/data", top);
	add("filesystem.read", path);
	add("network.allow", ":443");
	add("network.allow_bind", "8080");
	if (policy_freeze(policy, NULL) < 0)
		return -1;
	return resolve_grants(policy, &grants, NULL);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	grants_fini(&grants);
	policy_free(policy);
	assert_int_equal(chdir(was), 0);
	snprintf(command, sizeof command, "rm -rf %s", top);
	return system(command);
}

static void expect(unsigned access, const char *path, int answer, const char *words)
{
	AUTO(str) struct str out = STR(4096);

	assert_int_equal(why_path(policy, &grants, access, path, &out), answer);
	if (!strstr(out.buf, words))
		fail_msg("'%s' is not in: %s", words, out.buf);
}

static void the_grant_that_decides_is_named(void **state)
{
	(void)state;
	expect(ACCESS_READ, "data", 1, "-r");
	expect(ACCESS_WRITE, "data", 0, "-w ");
	expect(ACCESS_READ, "other", 0, "-r ");
}

static void a_symbolic_link_is_judged_by_its_target(void **state)
{
	(void)state;
	expect(ACCESS_READ, "link", 1, "/data");
	expect(ACCESS_READ, "link/", 1, "/data");
	expect(ACCESS_READ, "data/out/../x", 0, "/x");
}

static void what_does_not_exist_is_judged_by_the_parent_that_does(void **state)
{
	(void)state;
	expect(ACCESS_READ, "data/new", 1, "/data/new");
	expect(ACCESS_READ, "link/new/more", 1, "/data/new/more");
	expect(ACCESS_WRITE, "data/new", 0, "/data/new");
	expect(ACCESS_READ, "absent", 0, "/absent");
	expect(ACCESS_READ, "/absent-in-root", 0, "/absent-in-root");
	expect(ACCESS_READ, "./absent/more", 0, "/absent/more");
}

static void what_cannot_be_a_path_is_an_error(void **state)
{
	AUTO(str) struct str out = STR(4096);
	char word[PATH_SIZE + 4];

	(void)state;
	memset(word, '/', sizeof word - 1);
	word[sizeof word - 1] = '\0';
	assert_int_equal(why_path(policy, &grants, ACCESS_READ, "", &out), -ENOENT);
	assert_int_equal(why_path(policy, &grants, ACCESS_READ, word, &out), -ENAMETOOLONG);
	assert_int_equal(why_path(policy, &grants, ACCESS_READ, "data/absent/../../other", &out), -ENOENT);
}

/* A name service of this test. */
static int lookup(const char *name, struct addresses *out, const char **why)
{
	static const char *const zone[][2] = {
		{ "pinned.test", "192.0.2.1" }, { "pinned.test", "169.254.169.254" }, { "host", "192.0.2.7" },
		{ "inside.test", "192.0.2.9" }, { "inside.test", "10.0.0.9" }, { "meta.test", "169.254.169.254" },
		{ "leak.example.com", "10.0.0.8" }, { "half.example.com", "10.0.0.8" }, { "half.example.com", "198.51.100.1" },
		{ "www.example.com", "8.8.4.4" }, { "half.example.com", "8.8.8.8" }, { "deny.example.com", "10.9.0.1" },
	};
	int rc = -EHOSTUNREACH;

	*why = "no such name here";
	if (strcmp(name, "turns.test") == 0) {
		static unsigned char last;

		return VEC_PUSH(out->at, out->cap, out->len,
				((struct addr){ .family = ADDR_V4, .ip = { 203, 0, 113, ++last } }));
	}
	for (size_t i = 0; i < ARRAY_SIZE(zone); i++) {
		struct addr a;

		if (strcmp(zone[i][0], name) != 0)
			continue;
		assert_int_equal(addr_parse(view_of(zone[i][1]), &a), 0);
		rc = VEC_PUSH(out->at, out->cap, out->len, a);
	}
	return rc;
}

struct question {
	const char *target;
	int answer;
	const char *words;
};

static void ask(const struct policy *p, const struct question *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		AUTO(str) struct str out = STR(4096);
		struct error err = { 0 };
		const struct why w = { p, &grants, &sockets, lookup };
		int rc = why_connect(&w, rows[i].target, &out, &err);

		if (rc != rows[i].answer || (rows[i].words && !strstr(rc < 0 ? err.text : out.buf, rows[i].words)))
			fail_msg("%s: %d, %s%s", rows[i].target, rc, out.buf ? out.buf : "", err.text);
		assert_int_equal(out.len > 0, rc >= 0);
	}
}

static void ports_are_read_in_every_spelling(void **state)
{
	static const struct question rows[] = {
		{ "443", 1, "connecting to TCP port 443 is allowed: the rule ':443' from -r has it." },
		{ ":443", 1, NULL }, { "*:443", 1, NULL }, { "tcp://:443", 1, NULL }, { "host:443", 1, NULL }, { "[::1]:443", 1, NULL },
		{ "80", 0, "Add --net-allow tcp://:80." }, { "host:80", 0, NULL }, { "udp://host:443", 1, NULL },
		{ "icmp://host", 0, NULL }, { "icmp://[::1]", 0, NULL }, { "icmp://::1", 0, NULL },
		{ "host", -EINVAL, "'host': ask for one port" }, { "host:", -EINVAL, "column 6: a port is missing" },
		{ "65536", -EINVAL, "up to 65535" }, { "-1", -EINVAL, "column 1" }, { "1.2.3.4:0", -EINVAL, "port 0" },
		{ "::1", -EINVAL, "ask for one port" }, { "[::1]", -EINVAL, "ask for one port" },
		{ "[::1]443", -EINVAL, "after the bracket" },
		{ "[::1:443", -EINVAL, "not closed" }, { "2001:db8::1:443", -EINVAL, "write [2001:db8::1]:443" },
		{ "sctp://host:1", -EINVAL, "one of tcp, udp, icmp" }, { "udp://:53", -EINVAL, "ask for a host" },
		{ "icmp://", -EINVAL, "the rule is empty" }, { "icmp", -EINVAL, "ask for a host" }, { "", -EINVAL, "empty" },
		{ "1.2.3.4:80,81", -EINVAL, "ask for one port" }, { "1.2.3.4:80-81", -EINVAL, "ask for one port" },
		{ "192.0.2.0/24:80", -EINVAL, "ask for one address" }, { "*.example.com:80", -EINVAL, "ask for one name" },
		{ "*://host:443", 1, NULL }, { "*://host", -EINVAL, "ask for one protocol" },
	};

	(void)state;
	ask(policy, rows, ARRAY_SIZE(rows));
}

static void destinations_name_the_rule_and_the_name(void **state)
{
	static const struct question rows[] = {
		{ "192.0.2.1:443", 1, "tcp://192.0.2.1:443 is allowed: the rule 'tcp://pinned.test:443' from -r has it, as an "
				      "address of pinned.test." },
		{ "pinned.test:443", 1, "tcp://pinned.test:443 is allowed: the rule 'tcp://pinned.test:443' from -r has the name." },
		{ "PINNED.test.:443", 1, "has the name" },
		{ "a.b.example.com:443", 1, "the rule 'tcp://*.example.com:443' from -r has the domain." },
		{ "example.com:443", 0, "no rule has the name, and its addresses are not known: no such name here." },
		{ "pinned.test:80", 0, "tcp://192.0.2.1:80 is refused: no rule has it." },
		{ "10.1.2.3:22", 1, "tcp://10.1.2.3:22 is allowed: the rule 'tcp://10.0.0.0/8:22' from -r has it." },
		{ "10.9.2.3:22", 0, "tcp://10.9.2.3:22 is refused: the rule '10.9.0.0/16' from -r denies it." },
		{ "[64:ff9b::10.9.2.3]:22", 0, "the rule '10.9.0.0/16' from -r denies it." },
		{ "169.254.169.254:443", 0, "which only a rule with its address opens. Add --net-allow tcp://169.254.169.254:443." },
		{ "[2001:db8::5]:443", 0, "no rule has it. Add --net-allow tcp://[2001:db8::5]:443." },
		{ "udp://10.1.2.3:22", 0, "udp://10.1.2.3:22 is refused: no rule has it." },
		{ "icmp://192.0.2.8", 0, "icmp://192.0.2.8 is refused: no rule has it. Add --net-allow icmp://192.0.2.8." },
		{ "inside.test:8080", 1, "'tcp://192.0.2.0/24:8080,9090' from -r has it. tcp://10.0.0.9:8080 is refused" },
		{ "turns.test:443", 1, "the rule 'tcp://turns.test:443' from -r has the name." },
		{ "meta.test:443", 0, "tcp://169.254.169.254:443 is refused: it is the metadata service" },
		{ "leak.example.com:443", 0, "tcp://10.0.0.8:443 is refused: no rule has it." },
		{ "half.example.com:443", 1, "has the domain. But tcp://10.0.0.8:443 is refused" },
		{ "www.example.com:443", 1, "has the domain." },
		{ "deny.example.com:443", 0, "tcp://10.9.0.1:443 is refused: the rule '10.9.0.0/16' from -r denies it." },
		{ "inside.test:9090", 1, "is allowed" },
		{ ":443", 0, "only for certain destinations. Add --net-allow tcp://:443." },
	};
	struct policy *p = policy_new();
	static const char *const rules[] = { "tcp://pinned.test:443", "tcp://*.example.com:443", "tcp://10.0.0.0/8:22",
					     "tcp://192.0.2.0/24:8080,9090", "tcp://10.0.0.9:9090",
					     "tcp://meta.test:443", "tcp://turns.test:443" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		assert_int_equal(policy_add(p, "network.allow", rules[i], "-r", NULL), 0);
	assert_int_equal(policy_add(p, "network.deny", "10.9.0.0/16", "-r", NULL), 0);
	assert_int_equal(policy_freeze(p, NULL), 0);
	ask(p, rows, ARRAY_SIZE(rows));

	/* a name that is kept fresh is answered with what it stands for now */
	struct policy *fresh = policy_dup(p);
	assert_int_equal(policy_set(fresh, "network.dns_refresh", "true", "-r", NULL), 0);
	assert_int_equal(policy_freeze(fresh, NULL), 0);
	ask(fresh, rows, ARRAY_SIZE(rows));
	policy_free(fresh);
	policy_free(p);
}

static void denials_alone_allow_the_rest(void **state)
{
	static const struct question rows[] = {
		{ "10.1.2.3:22", 0, "denies it" }, { "192.0.2.1:22", 1, "no rule denies it." }, { ":22", 1, "no rule denies it." },
		{ "unknown.test:22", 1, "The addresses of unknown.test are not known: no such name here." },
		{ "udp://unknown.test:22", 0, "Add --net-allow udp://unknown.test:22." },
	};
	struct policy *p = policy_new();

	(void)state;
	assert_int_equal(policy_add(p, "network.deny", "10.0.0.0/8", "-r", NULL), 0);
	assert_int_equal(policy_freeze(p, NULL), 0);
	ask(p, rows, ARRAY_SIZE(rows));
	policy_free(p);
}

static void names_that_cannot_be_looked_up_stop_no_answer(void **state)
{
	static const struct question rows[] = {
		{ "nowhere.test:443", 1, "has the name. But it has no address now." }, { "192.0.2.1:80", 1, "has it" },
		{ "192.0.2.1:443", 0, "no rule has it" }, { "192.0.2.7:9", 1, "has it, as an address of host." },
		{ "pypi.org:443", 1, "network preset pypi (-r) has the name. But it has no address now." },
		{ "gone.example.com:1", 1, "has the domain. But it has no address now." },
	};
	struct policy *p = policy_new();

	(void)state;
	assert_int_equal(policy_add(p, "network.allow", "tcp://nowhere.test:443", "-r", NULL), 0);
	assert_int_equal(policy_add(p, "network.allow", "tcp://192.0.2.1:80", "-r", NULL), 0);
	assert_int_equal(policy_add(p, "network.allow", "tcp://host:9", "-r", NULL), 0);
	assert_int_equal(policy_add(p, "network.allow", "tcp://*.example.com:1", "-r", NULL), 0);
	assert_int_equal(policy_add(p, "network.presets", "pypi", "-r", NULL), 0);
	assert_int_equal(policy_freeze(p, NULL), 0);
	ask(p, rows, ARRAY_SIZE(rows));
	policy_free(p);
}

/* What is said of a value of --net-allow where these values, between blanks, are denied. */
static void dead_rules_are_named(void **state)
{
	static const struct {
		const char *allow, *deny, *words;
	} rows[] = {
		{ "1.2.3.4:80", "0.0.0.0/0", "the rule '1.2.3.4:80' from -r allows nothing: the rule '0.0.0.0/0' from -r denies all" },
		{ "tcp://1.2.3.4:80", "tcp://1.2.3.0/24:1-90", "denies all of it" },
		{ "tcp://host.test:80", "tcp://*", "denies all of it" },
		{ "*://host.test", "*://*", "the rule '*://*' from -r denies all of it" },
		{ "icmp://1.2.3.4", "icmp://1.2.0.0/16", "denies all of it" },
		{ "tcp://[64:ff9b::1.2.3.4]:80", "tcp://1.2.3.4", "denies all of it" },
		/* several take it together */
		{ "1.2.3.4:80", "udp://* tcp://1.2.3.4:80", "from -r and other denials have all of it" },
		{ "tcp://1.2.3.4:1-99", "tcp://1.2.3.4:50-99 tcp://1.2.3.0/24:1-49", "'tcp://1.2.3.0/24:1-49' from -r and other den" },
		{ "tcp://1.2.3.4:1-99", "tcp://1.2.3.4:40-98 tcp://1.2.3.0/24:1-49 tcp://1.0.0.0/8:90-200", "and other denials" },
		{ "tcp://host.test:80", "tcp://[::/0]:1-100 tcp://0.0.0.0/0:80", "and other denials have all of it" },
		{ "tcp://1.2.3.4:1-99", "tcp://:1-5 tcp://1.0.0.0/8", "the rule 'tcp://1.0.0.0/8' from -r denies all of it" },
		/* something is left */
		{ "1.2.3.4:80", "udp", NULL },
		{ "tcp://1.2.3.4", "tcp://*:80", NULL },
		{ "tcp://1.2.3.4:80,91", "tcp://1.2.3.0/24:1-90", NULL },
		{ "tcp://1.2.3.4:1-99", "tcp://1.2.3.4:50-99 tcp://1.2.3.0/24:1-48", NULL },
		{ "tcp://1.2.3.4:1-99", "tcp://1.2.3.4:1-98", NULL },
		{ "tcp://1.2.3.4:1-99", "tcp://1.2.3.4:2-99", NULL },
		{ "tcp://1.2.0.0/16:80", "1.2.3.0/24", NULL },
		{ "tcp://[64:ff9b::1.2.3.0/120]:80", "tcp://1.2.3.4", NULL },
		{ "tcp://host.test:80", "1.2.3.0/24", NULL }, { "tcp://:80", "0.0.0.0/0", NULL },
		{ "tcp://[::1]:80", "0.0.0.0/0", NULL },
		{ "*://1.2.3.4", "tcp://* udp://*", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO(str) struct str out = STR(4096);
		struct policy *p = policy_new();
		struct netmatch *m = NULL;
		struct view rest = view_of(rows[i].deny);

		assert_int_equal(policy_add(p, "network.allow", rows[i].allow, "-r", NULL), 0);
		for (bool more = true; more;) {
			struct view one = view_cut(&rest, ' ', &more);
			AUTO(free) char *text = mem_strndup(one.ptr, one.len);

			assert_int_equal(policy_add(p, "network.deny", text, "-r", NULL), 0);
		}
		assert_int_equal(policy_freeze(p, NULL), 0);
		assert_int_equal(netmatch_build(p, NULL, 0, &m), 0);
		for (size_t at = 0; at < p->net_rules.len;)
			at = explain_dead_rule(p, m, at, &out);
		if ((out.len > 0) != (rows[i].words != NULL) || (rows[i].words && !strstr(out.buf, rows[i].words)))
			fail_msg("%s, %s: %s", rows[i].allow, rows[i].deny, out.len ? out.buf : "nothing");
		netmatch_free(m);
		policy_free(p);
	}
}

static void unix_sockets_are_judged_by_their_grants(void **state)
{
	static const struct question rows[] = {
		{ "/run/app.sock", 1, "to the unix socket /run/app.sock is allowed: --unix-allow covers it." },
		{ "/absent/other.sock", 0, "Add --unix-allow /absent/other.sock." },
		{ "./data/../x", 0, "/x is refused" },
		{ "@bus", 0, "unless a process of the sandbox owns it." },
		{ "/absent/../x", -ENOENT, NULL },
	};

	(void)state;
	assert_int_equal(socket_grants_add(&sockets, "/run/app.sock", false, "--unix-allow"), 0);
	ask(policy, rows, ARRAY_SIZE(rows));
	socket_grants_fini(&sockets);
}

static void binding_has_its_own_ports(void **state)
{
	AUTO(str) struct str out = STR(4096);
	struct error err = { 0 };

	(void)state;
	assert_int_equal(why_bind(policy, "udp://53", &out, &err), -EINVAL);
	assert_non_null(strstr(err.text, "'udp://53': ask for a number up to 65535"));
	assert_int_equal(why_bind(policy, "8080", &out, NULL), 1);
	assert_int_equal(why_bind(policy, "443", &out, NULL), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_grant_that_decides_is_named),
		CASE(a_symbolic_link_is_judged_by_its_target),
		CASE(what_does_not_exist_is_judged_by_the_parent_that_does),
		CASE(what_cannot_be_a_path_is_an_error),
		CASE(ports_are_read_in_every_spelling),
		CASE(destinations_name_the_rule_and_the_name),
		CASE(denials_alone_allow_the_rest),
		CASE(names_that_cannot_be_looked_up_stop_no_answer),
		CASE(dead_rules_are_named),
		CASE(unix_sockets_are_judged_by_their_grants),
		CASE(binding_has_its_own_ports),
	};

	return cmocka_run_group_tests_name("why", tests, NULL, NULL);
}
