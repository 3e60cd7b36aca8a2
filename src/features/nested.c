/*
 * Landlock domains that programs enter on their own: a sandbox in the sandbox, a browser's or an archiver's confinement of
 * itself. The kernel judges what they do themselves; what is done on their behalf must be judged the same way, so the
 * supervisor enters each domain with them (supervisor/domains.c).
 */
#include <errno.h>

#include "base/fd.h"
#include "base/mem.h"
#include "features/registry.h"

static void refuse(const struct call *call, const char *rule, int errnum)
{
	call->kernel->refuse(call, &(struct refusal){
		.operation = "syscall",
		.target = "landlock_restrict_self",
		.rule = rule,
		.errnum = errnum,
	});
}

/*
 * The kernel runs the call when we have entered. Another ruleset that a thread puts under the number in between is
 * entered by the caller alone: that is a program at odds with itself, and the domains around it bind both as before.
 */
static struct verdict on_restrict_self(const struct call *call, void *state)
{
	int number = (int)call->raw[0];

	(void)state;
	if (number == -1)
		return v_continue();            /* no domain, only what is logged */
	AUTO(fd) int ruleset = call->kernel->pin_fd(call, number);
	if (ruleset < 0)
		return v_errno(ruleset);
	int rc = call->kernel->enter_domain(call, ruleset, (unsigned)call->raw[1]);
	if (rc == -EBADF) {
		refuse(call, "the ruleset cannot be seen: pidfd_getfd is refused to sandlock here", EPERM);
		return v_errno(EPERM);
	}
	if (rc == -E2BIG)
		refuse(call, "too many Landlock domains are entered in this sandbox at a time", E2BIG);
	return rc < 0 ? v_errno(rc) : v_continue();
}

/* Where anything is done on behalf that Landlock judges: connections and datagrams, bind, opening files. */
static bool nested_wanted(const struct policy *p)
{
	return !p->no_supervisor && (policy_judges_addresses(p) || policy_reaches_unix(p) || policy_judges_binds(p) ||
				     p->virtual_kinds != 0);
}

static const struct handler nested_handlers[] = {
	/* May continue: what we have entered decides about us, and the kernel about the caller. */
	{ "landlock_restrict_self", on_restrict_self, H_BLOCKS | H_MAY_CONTINUE | H_NO_DECODE },
};

const struct feature feature_nested = {
	.name = "nested", .wanted = nested_wanted, HANDLERS(nested_handlers),
};
