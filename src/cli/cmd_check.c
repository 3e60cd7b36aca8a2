/* sandlock check: what this kernel and this machine offer, and whether the default policy can be enforced here. */
#include <string.h>
#include <sys/utsname.h>

#include "base/err.h"
#include "base/mem.h"
#include "cli/assemble.h"
#include "cli/commands.h"
#include "cli/out.h"

struct request {
	struct arg_common common;
	bool json;
};

static const struct arg_option options[] = {
	{ "json", 0, ARG_NONE, offsetof(struct request, json), NULL, NULL, "print JSON" },
	ARG_COMMON_ROWS,
};

/* What to do where a capability is missing. Without a required one the default policy cannot be enforced. */
static const struct advice {
	const char *probe;
	bool required;
	bool fact;              /* a fact about the machine, neither good nor bad */
	const char *advice;
} advices[] = {
	{ "landlock", true, false, "needs Linux 5.13 with Landlock built in and \"landlock\" in the lsm= boot parameter" },
	{ "seccomp.filter", true, false, "needs a kernel with CONFIG_SECCOMP_FILTER" },
	{ "seccomp.notify", true, false, "needs Linux 5.5, and no other seccomp listener around sandlock; else --no-supervisor" },
	{ "pidfd_getfd", false, false, "a container's seccomp profile refuses it: docker run --security-opt seccomp=unconfined" },
	{ "process_vm_readv", false, false, "/proc/PID/mem is used instead" },
	{ "userns", false, false, "not needed by the default policy; sysctl kernel.unprivileged_userns_clone=1 or the AppArmor "
	  "profile of the distribution decide" },
	{ "overlayfs", false, false, "not needed by the default policy" },
	{ "fuse", false, false, "not needed by the default policy; modprobe fuse" },
	{ "cgroup", false, false, "memory is sampled instead; systemd-run --user --scope sandlock ... gives a cgroup" },
	{ "landlock.errata", false, true, NULL },
	{ "container", false, true, NULL },
	{ "yama", false, true, NULL },
};

static const struct advice *advice_for(const char *probe)
{
	static const struct advice none;

	for (size_t i = 0; i < ARRAY_SIZE(advices); i++)
		if (strcmp(advices[i].probe, probe) == 0)
			return &advices[i];
	return &none;
}

/* The policy of `sandlock run` without options; *why when it cannot start here. NULL only when memory is short. */
static sandlock_policy *default_policy(struct str *why)
{
	sandlock_policy *policy = sandlock_policy_new();
	sandlock_error *err = NULL;
	int rc = policy ? assemble_defaults(policy, &err) : -1;

	if (rc == 0)
		rc = sandlock_policy_freeze(policy, &err);
	if (rc < 0)
		str_add(why, err ? sandlock_error_message(err) : "out of memory");
	sandlock_error_free(err);
	return policy;
}

static void protection_line(struct str *out, const char *name, int abi, const char *state)
{
	bool missing = strcmp(state, "unavailable") == 0;

	str_addf(out, "  [%s] %-28s %-12s Landlock ABI %d%s%s\n", missing ? "--" : "ok", name, state, abi,
		 missing ? "; newer kernel, or --allow-degraded " : "", missing ? name : "");
}

static const char *mark_of(const struct advice *advice, int level)
{
	if (advice->fact)
		return "  ";
	if (level > 0)
		return "ok";
	return advice->required ? "!!" : "--";
}

static void probe_line(struct str *out, size_t index)
{
	const char *name = sandlock_probe_name(index);
	const char *help = sandlock_probe_help(index);
	int level = sandlock_probe(name);
	const struct advice *advice = advice_for(name);

	str_addf(out, "  [%s] %-22s ", mark_of(advice, level), name);
	if (level < 0)
		str_addf(out, "no (%s): ", error_text(level));
	else if (level == 0 && !advice->fact)
		str_add(out, "no   ");
	else
		str_addf(out, "%-4d ", level);
	str_addf(out, "%s\n", help ? help : "");
	if (level <= 0 && advice->advice)
		str_addf(out, "       %s\n", advice->advice);
}

static void print_text(struct str *out, const sandlock_policy *policy, const char *why, bool good)
{
	const char *name;
	struct utsname un;

	if (uname(&un) == 0)
		str_addf(out, "Kernel %s %s, sandlock %s\n\nCapabilities:\n", un.release, un.machine, sandlock_version());
	for (size_t i = 0; sandlock_probe_name(i); i++)
		probe_line(out, i);
	str_add(out, "\nProtections of the default policy:\n");
	for (size_t i = 0; policy && (name = sandlock_protection_name(i)); i++) {
		const char *state = sandlock_protection_state(policy, name);

		protection_line(out, name, sandlock_protection_abi(i), state ? state : "unknown");
	}
	if (good)
		str_add(out, "\nThe default policy can be enforced here.\n");
	else
		str_addf(out, "\nThe default policy can NOT be enforced here%s%s.\n", why[0] ? ": " : "", why);
}

static void json_text(struct str *out, const char *text)
{
	str_add_json(out, text, strlen(text));
}

static void json_probe(struct str *out, size_t index)
{
	const char *name = sandlock_probe_name(index);
	int level = sandlock_probe(name);
	const struct advice *advice = advice_for(name);

	json_text(out, name);
	str_addf(out, ":{\"level\":%d,\"required\":%s", level > 0 ? level : 0, advice->required ? "true" : "false");
	if (level < 0)
		str_addf(out, ",\"errno\":\"%s\"", error_name(level));
	if (level <= 0 && advice->advice) {
		str_add(out, ",\"advice\":");
		json_text(out, advice->advice);
	}
	str_addc(out, '}');
}

static void print_json(struct str *out, const sandlock_policy *policy, const char *why, bool good)
{
	const char *name;
	struct utsname un = { 0 };

	uname(&un);
	str_add(out, "{\"version\":");
	json_text(out, sandlock_version());
	str_add(out, ",\"kernel\":");
	json_text(out, un.release);
	str_add(out, ",\"machine\":");
	json_text(out, un.machine);
	str_add(out, ",\"probes\":{");
	for (size_t i = 0; sandlock_probe_name(i); i++) {
		str_add(out, i ? "," : "");
		json_probe(out, i);
	}
	str_add(out, "},\"protections\":{");
	for (size_t i = 0; policy && (name = sandlock_protection_name(i)); i++) {
		const char *state = sandlock_protection_state(policy, name);

		str_add(out, i ? "," : "");
		json_text(out, name);
		str_addf(out, ":{\"abi\":%d,\"state\":\"%s\"}", sandlock_protection_abi(i), state ? state : "unknown");
	}
	str_addf(out, "},\"enforceable\":%s", good ? "true" : "false");
	if (why[0]) {
		str_add(out, ",\"why\":");
		json_text(out, why);
	}
	str_add(out, "}\n");
}

/* Everything that the default policy stands on is there. */
static bool is_enforceable(const sandlock_policy *policy)
{
	const char *name;

	for (size_t i = 0; (name = sandlock_probe_name(i)); i++)
		if (advice_for(name)->required && sandlock_probe(name) <= 0)
			return false;
	for (size_t i = 0; policy && (name = sandlock_protection_name(i)); i++) {
		const char *state = sandlock_protection_state(policy, name);

		if (!state || strcmp(state, "unavailable") == 0)
			return false;
	}
	return policy;
}

static int run(const struct command *self, const char *const *argv)
{
	AUTO(str) struct str out = STR(1 << 20);
	AUTO(str) struct str why = STR(4096);
	struct request request = { 0 };
	int code;
	int rest = command_start(self, argv, &request, &code);

	if (rest < 0)
		return code;
	if (argv[rest]) {
		out_say("check takes no arguments; see sandlock check --help");
		return EXIT_USAGE;
	}
	AUTO(policy) sandlock_policy *policy = default_policy(&why);
	bool good = !why.len && is_enforceable(policy);

	(request.json ? print_json : print_text)(&out, policy, why.buf ? why.buf : "", good);
	code = out_result(&out);
	return code == EXIT_DONE && !good ? EXIT_NO : code;
}

const struct command command_check = {
	.name = "check",
	.synopsis = "[--json]",
	.summary = "Says what this kernel offers and whether the default policy can be enforced",
	.text = "Exit code 0: it can, 1: it cannot.\n",
	.options = options, .option_count = ARRAY_SIZE(options), .run = run,
};
