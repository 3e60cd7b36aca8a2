/*
 * The tables in tests/filter against the rules and against the compiled filter: what the specification says, row by row,
 * written without looking at the rules. A file holds policies and rows:
 *
 *     policy NAME [no_supervisor] [cores] [allow=GROUP] [deny=CALL] [trap=CALL[:ARG:TEST:VALUE]] ...
 *     POLICY ARCH CALL[,CALL...] [ARGUMENT...] -> allow | errno NAME | refuse NAME | trap | kill
 *
 * ARCH is x86_64, aarch64, both, i386 or x32. A call is a name or a number; arguments that are left out are 0.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/sys.h"
#include "confine/filter.h"

#include "bare_policy.h"
#include "bpf_interp.h"

#define MAX_POLICIES 64
#define MAX_TRAPS 32
#define MAX_WORDS 48

struct named_policy {
	char name[64];
	struct sysrules *rules[ARCH_MAX];
	struct filter filter[ARCH_MAX];
};

struct table {
	const char *file;
	int line;
	int rows;
	struct named_policy policies[MAX_POLICIES];
	size_t policy_count;
};

#define BAD(t, ...)                                              \
	do {                                                     \
		print_error("%s:%d: ", (t)->file, (t)->line);    \
		fail_msg(__VA_ARGS__);                           \
	} while (0)

static size_t split(char *line, const char *separators, char **words, size_t max)
{
	char *rest = NULL;
	size_t count = 0;

	for (char *w = strtok_r(line, separators, &rest); w && count < max; w = strtok_r(NULL, separators, &rest))
		words[count++] = w;
	return count;
}

/* --- policies --- */

static const struct { const char *name; enum arg_op op; bool masked; } trap_tests[] = {
	{ "eq", ARG_EQ, false },          { "ne", ARG_NE, false },           { "ne64", ARG_NE_64, false },
	{ "any", ARG_MASK_ANY, true },    { "none", ARG_MASK_EQ, true },     { "kind", ARG_MASK_EQ, false },
};

static struct trap read_trap(struct table *t, char *text)
{
	char *parts[4] = { text };
	size_t count = split(text, ":", parts, 4);
	struct trap trap = { .syscall = parts[0] };

	if (count == 1)
		return trap;
	if (count != 4)
		BAD(t, "a trap is CALL or CALL:ARG:TEST:VALUE");
	for (size_t i = 0; i < ARRAY_SIZE(trap_tests); i++) {
		if (strcmp(parts[2], trap_tests[i].name) != 0)
			continue;
		trap.conditional = true;
		trap.arg = (uint8_t)strtoul(parts[1], NULL, 0);
		trap.op = trap_tests[i].op;
		trap.value = strtoull(parts[3], NULL, 0);
		if (strcmp(parts[2], "kind") == 0)      /* of a socket: the type without its flags */
			trap.mask = 0xf;
		if (trap_tests[i].masked) {
			trap.mask = (uint32_t)trap.value;
			trap.value = 0;
		}
		return trap;
	}
	BAD(t, "unknown test '%s'", parts[2]);
	return trap;
}

static void read_setting(struct table *t, struct policy *p, char *word, struct trap *traps, size_t *count)
{
	if (strcmp(word, "no_supervisor") == 0)
		p->no_supervisor = true;
	else if (strcmp(word, "cores") == 0)
		p->cores_given = true;
	else if (strcmp(word, "writes") == 0)
		bare_add(&p->fs_write, "/w", NULL);
	else if (strcmp(word, "unix") == 0)
		bare_add(&p->unix_allow, "/run/x", NULL);
	else if (strcmp(word, "udp") == 0)
		p->net_facts.protos[NET_UDP] = p->net_facts.judged = true;
	else if (strcmp(word, "icmp") == 0)
		p->net_facts.protos[NET_ICMP] = p->net_facts.judged = true;
	else if (strcmp(word, "names") == 0)
		p->net_facts.names = p->net_facts.judged = true;
	else if (strcmp(word, "judged") == 0)
		p->net_facts.judged = true;
	else if (strncmp(word, "allow=", 6) == 0)
		bare_add(&p->extra_allow, word + 6, NULL);
	else if (strncmp(word, "deny=", 5) == 0)
		bare_add(&p->extra_deny, word + 5, NULL);
	else if (strncmp(word, "trap=", 5) == 0 && *count < MAX_TRAPS)
		traps[(*count)++] = read_trap(t, word + 5);
	else
		BAD(t, "unknown setting '%s'", word);
}

static void read_policy(struct table *t, char **words, size_t len)
{
	struct policy *p = bare_new();
	struct trap traps[MAX_TRAPS];
	size_t count = 0;
	struct error err = { 0 };

	if (len == 0 || t->policy_count == MAX_POLICIES)
		BAD(t, "a policy needs a name, and there may be %d", MAX_POLICIES);
	struct named_policy *named = &t->policies[t->policy_count++];
	snprintf(named->name, sizeof named->name, "%s", words[0]);
	for (size_t i = 1; i < len; i++)
		read_setting(t, p, words[i], traps, &count);
	if (sysrules_check_names(p, &err) < 0)
		BAD(t, "%s", err.text);
	for (int arch = 0; arch < ARCH_MAX; arch++) {
		if (sysrules_build(p, (enum arch)arch, traps, count, &named->rules[arch], &err) < 0 ||
		    filter_build(named->rules[arch], &named->filter[arch], &err) < 0)
			BAD(t, "%s", err.text);
		assert_null(bpf_interp_check(named->filter[arch].code, named->filter[arch].len));
	}
	bare_free(p);
}

static void free_policies(struct table *t)
{
	for (size_t i = 0; i < t->policy_count; i++) {
		for (int arch = 0; arch < ARCH_MAX; arch++) {
			sysrules_free(t->policies[i].rules[arch]);
			filter_fini(&t->policies[i].filter[arch]);
		}
	}
}

static const struct named_policy *find_policy(struct table *t, const char *name)
{
	for (size_t i = 0; i < t->policy_count; i++) {
		if (strcmp(t->policies[i].name, name) == 0)
			return &t->policies[i];
	}
	BAD(t, "no policy '%s'", name);
	return NULL;
}

/* --- rows --- */

struct expectation {
	struct sys_verdict verdict;
	uint64_t args[6];
};

static const struct { const char *name; enum sys_action action; bool has_errno; } actions[] = {
	{ "allow", SYS_ALLOW, false },  { "errno", SYS_ERRNO, true }, { "refuse", SYS_REFUSE, true },
	{ "trap", SYS_TRAP, false },    { "kill", SYS_KILL, false },
};

static const struct { const char *name; int code; } errnos[] = {
	{ "EPERM", EPERM }, { "EACCES", EACCES },
	{ "ENOSYS", ENOSYS },
	{ "EAFNOSUPPORT", EAFNOSUPPORT },
	{ "EPROTONOSUPPORT", EPROTONOSUPPORT },
	{ "ENOPROTOOPT", ENOPROTOOPT },
	{ "EOPNOTSUPP", EOPNOTSUPP },
};

static uint16_t read_errno(struct table *t, const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(errnos); i++) {
		if (strcmp(errnos[i].name, name) == 0)
			return (uint16_t)errnos[i].code;
	}
	BAD(t, "unknown errno '%s'", name ? name : "");
	return 0;
}

static struct sys_verdict read_action(struct table *t, char **words, size_t len)
{
	for (size_t i = 0; len && i < ARRAY_SIZE(actions); i++) {
		if (strcmp(actions[i].name, words[0]) != 0)
			continue;
		struct sys_verdict v = { .action = (uint8_t)actions[i].action };
		if (len != (actions[i].has_errno ? 2U : 1U))
			BAD(t, "wrong number of words behind '->'");
		if (actions[i].has_errno)
			v.errnum = read_errno(t, words[1]);
		return v;
	}
	BAD(t, "expected an action behind '->'");
	return (struct sys_verdict){ 0 };
}

static uint32_t filter_word(struct sys_verdict v)
{
	static const uint32_t words[] = {
		[SYS_ALLOW] = 0x7fff0000U, [SYS_ERRNO] = 0x00050000U, [SYS_REFUSE] = 0x7fc00000U,
		[SYS_TRAP] = 0x7fc00000U,  [SYS_KILL] = 0x80000000U,
	};

	return words[v.action] | (v.action == SYS_ERRNO ? v.errnum : 0);
}

static void check_filter(struct table *t, const struct filter *f, uint32_t token, int nr, const struct expectation *e)
{
	struct seccomp_data data = { .nr = nr, .arch = token };

	memcpy(data.args, e->args, sizeof data.args);
	uint32_t got = bpf_interp_run(f->code, f->len, &data, NULL);
	if (got != filter_word(e->verdict))
		BAD(t, "call %d: the filter returns %#x, not %#x", nr, got, filter_word(e->verdict));
	t->rows++;
}

static int number_of(struct table *t, enum arch arch, const char *call)
{
	char *end;
	long nr = strtol(call, &end, 0);

	if (*call && *end == '\0')
		return (int)nr;
	if (syscall_nr(arch, call) < 0)
		BAD(t, "no system call '%s' on this architecture", call);
	return syscall_nr(arch, call);
}

static void check_native(struct table *t, const struct named_policy *p, enum arch arch, const char *call,
			 const struct expectation *e)
{
	int nr = number_of(t, arch, call);
	struct sys_verdict v = sysrules_decide(p->rules[arch], nr, e->args);
	if (v.action != e->verdict.action || v.errnum != e->verdict.errnum)
		BAD(t, "%s: the rules say action %d errno %d, not %d %d", call, v.action, v.errnum, e->verdict.action,
		    e->verdict.errnum);
	check_filter(t, &p->filter[arch], arch == ARCH_X86_64 ? 0xC000003EU : 0xC00000B7U, nr, e);
}

static void check_call(struct table *t, const struct named_policy *p, const char *arch, const char *call,
		       const struct expectation *e)
{
	bool both = strcmp(arch, "both") == 0;
	bool known = both;

	if (both || strcmp(arch, "x86_64") == 0) {
		check_native(t, p, ARCH_X86_64, call, e);
		known = true;
	}
	if (both || strcmp(arch, "aarch64") == 0) {
		check_native(t, p, ARCH_AARCH64, call, e);
		known = true;
	}
	if (strcmp(arch, "x32") == 0) {
		check_filter(t, &p->filter[ARCH_X86_64], 0xC000003EU, number_of(t, ARCH_X86_64, call) | 0x40000000, e);
		known = true;
	}
	if (strcmp(arch, "i386") == 0) {
		for (int a = 0; a < ARCH_MAX; a++)
			check_filter(t, &p->filter[a], 0x40000003U, number_of(t, ARCH_X86_64, call), e);
		known = true;
	}
	if (!known)
		BAD(t, "unknown architecture '%s'", arch);
}

static void read_row(struct table *t, char **words, size_t len)
{
	struct expectation e = { 0 };
	char *calls[MAX_WORDS];
	size_t arrow = 3;

	while (arrow < len && strcmp(words[arrow], "->") != 0)
		arrow++;
	if (len < 5 || arrow >= len || arrow - 3 > 6)
		BAD(t, "expected POLICY ARCH CALL [ARGUMENT...] -> ACTION");
	for (size_t i = 3; i < arrow; i++)
		e.args[i - 3] = strtoull(words[i], NULL, 0);
	e.verdict = read_action(t, words + arrow + 1, len - arrow - 1);

	size_t count = split(words[2], ",", calls, MAX_WORDS);
	for (size_t i = 0; i < count; i++)
		check_call(t, find_policy(t, words[0]), words[1], calls[i], &e);
}

static int check_file(const char *path)
{
	struct table *t = calloc(1, sizeof *t);
	FILE *file = fopen(path, "re");
	char line[1024];
	int rows;

	assert_non_null(file);
	t->file = path;
	while (fgets(line, sizeof line, file)) {
		char *words[MAX_WORDS];
		char *comment = strchr(line, '#');

		t->line++;
		if (comment)
			*comment = '\0';
		size_t len = split(line, " \t\n", words, MAX_WORDS);
		if (len && strcmp(words[0], "policy") == 0)
			read_policy(t, words + 1, len - 1);
		else if (len)
			read_row(t, words, len);
	}
	fclose(file);
	free_policies(t);
	rows = t->rows;
	free(t);
	return rows;
}

static void every_row_of_the_tables_holds(void **state)
{
	DIR *dir = opendir(SOURCE_ROOT "/tests/filter");
	int rows = 0;
	int files = 0;

	(void)state;
	assert_non_null(dir);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		char path[4096];
		size_t len = strlen(e->d_name);

		if (len < 4 || strcmp(e->d_name + len - 4, ".tbl") != 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", SOURCE_ROOT "/tests/filter", e->d_name);
		rows += check_file(path);
		files++;
	}
	closedir(dir);
	print_message("%d expectations in %d tables\n", rows, files);
	assert_true(files >= 4);
	assert_true(rows >= 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_row_of_the_tables_holds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
