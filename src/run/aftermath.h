/* What is known only when a sandbox has ended, and belongs into its report: kills for memory, a library out of reach. */
#ifndef RUN_AFTERMATH_H
#define RUN_AFTERMATH_H

#include "confine/plan.h"
#include "policy/grants.h"
#include "policy/policy.h"
#include "supervisor/report.h"

struct aftermath {
	const struct policy *policy;
	const struct grants *grants;    /* all of the sandbox's */
	const struct shared *result;
	const char *program;            /* canonical; NULL when it is not known */
	struct report *report;
};

void aftermath_report(const struct aftermath *a);

#endif
