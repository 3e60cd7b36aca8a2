/* sandlock why: asks the policy which rule decides, without running anything. */
#include <string.h>

#include "base/mem.h"
#include "cli/assemble.h"
#include "cli/commands.h"
#include "cli/out.h"

struct request {
	struct arg_common common;
	struct arg_profile profile;
	const char *target[SANDLOCK_ACCESS_BIND + 1];   /* by access */
	bool json;
};

#define QUESTION(flag, access, metavar, complete, help) \
	{ flag, 0, ARG_VALUE, offsetof(struct request, target) + (access) * sizeof(char *), metavar, complete, help }

static const struct arg_option options[] = {
	QUESTION("read", SANDLOCK_ACCESS_READ, "PATH", "file", "may the program read PATH?"),
	QUESTION("write", SANDLOCK_ACCESS_WRITE, "PATH", "file", "may it write or create PATH?"),
	QUESTION("exec", SANDLOCK_ACCESS_EXEC, "PATH", "file", "may it run PATH?"),
	QUESTION("connect", SANDLOCK_ACCESS_CONNECT, "ADDR", NULL,
		 "may it reach HOST:PORT, :PORT, udp://HOST:PORT, icmp://HOST or a unix socket?"),
	QUESTION("bind", SANDLOCK_ACCESS_BIND, "PORT", NULL, "may it listen on PORT?"),
	{ "json", 0, ARG_NONE, offsetof(struct request, json), NULL, NULL, "answer in JSON" },
	ARG_PROFILE_ROWS(struct request, profile),
	ARG_COMMON_ROWS,
};

/* The one access that is asked about, or 0 when it is none or several. */
static enum sandlock_access asked(const struct request *request)
{
	unsigned found = 0;

	for (unsigned access = SANDLOCK_ACCESS_READ; access <= SANDLOCK_ACCESS_BIND; access++) {
		if (request->target[access] && found)
			return 0;
		if (request->target[access])
			found = access;
	}
	return (enum sandlock_access)found;
}

static int answer(const struct request *request, enum sandlock_access access, const char *why, bool allowed)
{
	AUTO(str) struct str out = STR(1 << 20);
	const char *target = request->target[access];

	if (!request->json) {
		str_addf(&out, "%s: %s\n", allowed ? "allowed" : "refused", why);
	} else {
		str_addf(&out, "{\"allowed\":%s,\"access\":\"%s\",\"target\":", allowed ? "true" : "false",
			 options[access - SANDLOCK_ACCESS_READ].flag);
		str_add_json(&out, target, strlen(target));
		str_add(&out, ",\"why\":");
		str_add_json(&out, why, strlen(why));
		str_add(&out, "}\n");
	}
	int code = out_result(&out);

	return code == EXIT_DONE && !allowed ? EXIT_NO : code;
}

static int run(const struct command *self, const char *const *argv)
{
	AUTO(policy) sandlock_policy *policy = NULL;
	struct request request = { 0 };
	sandlock_error *err = NULL;
	char *why = NULL;
	int code;
	int rest = command_start(self, argv, &request, &code);

	if (rest < 0)
		return code;
	enum sandlock_access access = asked(&request);

	if (!access || argv[rest]) {
		out_say("why answers one question: --read PATH, --write PATH, --exec PATH, --connect ADDR or --bind PORT");
		return EXIT_USAGE;
	}
	if (assemble_policy(self, argv, &request.profile, &policy, &code) < 0)
		return code;
	int rc = sandlock_policy_why(policy, access, request.target[access], &why, &err);

	code = rc < 0 ? out_failure(err, false) : answer(&request, access, why ? why : "", rc > 0);
	sandlock_string_free(why);
	return code;
}

const struct command command_why = {
	.name = "why",
	.synopsis = "--read PATH|--write PATH|--exec PATH|--connect ADDR|--bind PORT [OPTIONS]",
	.summary = "Says whether a policy allows something, and which rule decides",
	.text = "Takes the policy options of run. Exit code 0: allowed, 1: refused, 2: wrong command line, 125: failure.\n",
	.options = options, .option_count = ARRAY_SIZE(options), .takes_policy = true, .run = run,
};
