/* What is known only when a sandbox has ended, and belongs into its report: kills for memory, a library out of reach. */
#include "run/aftermath.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "policy/explain.h"
#include "policy/values.h"
#include "run/libraries.h"
#include "supervisor/handler.h"

#define LOADER_GIVES_UP 127     /* what ld.so exits with, as shells do for a command that is not there */

static void report_memory(const struct aftermath *a)
{
	AUTO(str) struct str rule = STR(100);
	AUTO(str) struct str flag = STR(100);
	uint64_t limit = a->policy->max_memory;
	char name[sizeof a->result->memory_victim_name + 1] = "";

	memcpy(name, a->result->memory_victim_name, sizeof a->result->memory_victim_name);
	if (!name[0])           /* the kernel's choice */
		snprintf(name, sizeof name, "%s", a->result->memory_victim && a->program ? path_base(a->program) : "?");
	str_add(&rule, "--max-memory ");
	value_print_size(limit, &rule);
	str_add(&flag, "-m ");
	value_print_size(limit > NO_LIMIT / 4 ? limit : limit * 2, &flag);
	if (rule.rc < 0 || flag.rc < 0)
		return;
	for (uint64_t i = 0; i < a->result->memory_kills; i++)
		report_add(a->report, a->result->memory_victim, name, &(struct refusal){
			.operation = "memory",
			.target = "the tree used more than the limit, so its largest process was killed",
			.rule = rule.buf,
			.flag = flag.buf,
			.errnum = ENOMEM,
		});
}

/* Exec itself succeeded; it was the loader that could not open what the program needs. */
static void report_library(const struct aftermath *a)
{
	AUTO(free) struct library_fault *fault = mem_alloc(sizeof *fault);
	AUTO(str) struct str rule = STR(4 * PATH_SIZE);
	AUTO(str) struct str flag = STR(4 * PATH_SIZE);
	struct library_ask ask = { .have = a->grants };

	if (!fault || libraries_check(&ask, a->program, fault) != 1 || !fault->path[0])
		return;
	str_addf(&rule, "no grant covers this library, which %s needs", path_base(fault->by));
	AUTO(free) char *folder = mem_strdup(fault->path);
	if (!folder || !path_cut(folder))
		return;
	explain_flag(folder, ACCESS_READ, policy_splits_exec(a->policy), &flag);
	if (rule.rc == 0 && flag.rc == 0)
		report_add(a->report, a->result->child_pid, path_base(a->program), &(struct refusal){
			.operation = "read",
			.target = fault->path,
			.rule = rule.buf,
			.flag = flag.buf,
			.errnum = EACCES,
		});
}

void aftermath_report(const struct aftermath *a)
{
	const struct shared *result = a->result;

	if (result->memory_kills)
		report_memory(a);
	if (result->cause == END_BY_ITSELF && result->wait_status == LOADER_GIVES_UP << 8 && a->program)
		report_library(a);
}
