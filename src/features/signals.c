/*
 * Looks on at signals under --explain and names those that the signal scope of Landlock refuses. It never answers: the
 * call continues and Landlock decides, on whom the number means then. The note is advice; racing it makes it wrong, no more.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "features/registry.h"

#define SIGNAL_MAX 64           /* _NSIG of both architectures; what is above is EINVAL for everybody */
#define EVERYBODY (-1)
#define PROC "/proc/"

/* Which argument says whom, and which the signal. */
struct aim {
	const char *syscall;
	uint8_t who;
	uint8_t signal;
	bool by_descriptor;
};

static const struct aim aims[] = {
	{ "kill", 0, 1, false },
	{ "tkill", 0, 1, false },
	{ "tgkill", 1, 2, false },              /* the thread: it is of that process or nobody gets it */
	{ "rt_sigqueueinfo", 0, 1, false },
	{ "rt_tgsigqueueinfo", 1, 2, false },
	{ "pidfd_send_signal", 0, 1, true },
};

struct signals {
	bool scoped;
};

static int signals_start(const struct feature_env *env, void **state, struct error *err)
{
	struct signals *s = mem_alloc(sizeof *s);

	if (!s)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the report of signals");
	s->scoped = env->signals_scoped;
	*state = s;
	return 0;
}

static const struct aim *aim_of(const struct call *call)
{
	for (size_t i = 0; i < ARRAY_SIZE(aims); i++)
		if (strcmp(aims[i].syscall, call->info->name) == 0)
			return &aims[i];
	return NULL;
}

/* The process of a descriptor: a pidfd, or a directory "/proc/PID", which is its older form. -errno for neither. */
static pid_t process_of(const struct call *call, int fd)
{
	char path[PATH_MAX];
	uint64_t number;
	pid_t pid = call->kernel->pidfd_pid(call, fd);

	if (pid != -ENOENT)
		return pid;
	AUTO(fd) int pinned = call->kernel->pin_fd(call, fd);
	if (pinned < 0)
		return pinned;
	int rc = call->kernel->path_of(call, pinned, path);
	if (rc < 0)
		return rc;
	if (strncmp(path, PROC, sizeof PROC - 1) != 0 ||
	    view_u64(view_of(path + sizeof PROC - 1), INT_MAX, &number) < 0)
		return -EBADF;
	return (pid_t)number;
}

/*
 * Whom the call means, as a process to look at. A group -N is looked at by its leader N: who leads a group outside does
 * not get the signal, although members inside do, and then the call succeeds. The caller's own group, 0, has at least the
 * caller in it, so nothing is refused. EVERYBODY skips whom it may not reach in the same silence.
 */
static bool whom(const struct call *call, const struct aim *aim, pid_t *out)
{
	int who = (int)call->raw[aim->who];

	if (aim->by_descriptor)
		who = process_of(call, who);
	else if (who < EVERYBODY && who > INT32_MIN && strcmp(aim->syscall, "kill") == 0)
		who = -who;
	else if (who == EVERYBODY && strcmp(aim->syscall, "kill") != 0)
		return false;
	*out = who;
	return who > 0 || (who == EVERYBODY && !aim->by_descriptor);
}

static void note(const struct call *call, const char *target)
{
	call->kernel->refuse(call, &(struct refusal){
		.operation = "signal",
		.target = target,
		.rule = "it is outside the sandbox (signal-scope)",
		.flag = "--disable signal-scope",
		.errnum = EPERM,
	});
}

/* Signal 0 counts: it asks whether somebody is there, and Landlock does not answer that either. */
static struct verdict on_signal(const struct call *call, void *state)
{
	const struct signals *s = state;
	const struct aim *aim = aim_of(call);
	char comm[COMM_SIZE];
	char target[64];
	pid_t pid;

	if (!s->scoped || !aim || (uint32_t)call->raw[aim->signal] > SIGNAL_MAX || !whom(call, aim, &pid))
		return v_continue();
	if (pid == EVERYBODY) {
		note(call, "every process outside");
		return v_continue();
	}
	if (call->kernel->stranger(call, pid, comm) != 1)
		return v_continue();
	bool is_group = !aim->by_descriptor && (int)call->raw[aim->who] < 0;
	snprintf(target, sizeof target, "%s %d%s%s%s", is_group ? "process group" : "process", (int)pid,
		 comm[0] ? " (" : "", comm, comm[0] ? ")" : "");
	note(call, target);
	return v_continue();
}

/* Only under --explain: a trapped kill can be interrupted by a signal that arrives (SECURITY.md), an untrapped one cannot;
 * and threads of some languages signal one another all the time. */
static bool signals_wanted(const struct policy *p)
{
	return p->explain && !p->no_supervisor && p->strictness[PROTECT_SIGNAL_SCOPE] != DISABLED;
}

/* Why these may continue: nothing is decided here. Landlock, in the kernel, decides on the process that is meant then. */
#define LOOKS_ON (H_BLOCKS | H_MAY_CONTINUE | H_NO_DECODE)

static const struct handler signals_handlers[] = {
	{ "kill", on_signal, LOOKS_ON },
	{ "tkill", on_signal, LOOKS_ON },
	{ "tgkill", on_signal, LOOKS_ON },
	{ "rt_sigqueueinfo", on_signal, LOOKS_ON },
	{ "rt_tgsigqueueinfo", on_signal, LOOKS_ON },
	{ "pidfd_send_signal", on_signal, LOOKS_ON },
};

const struct feature feature_signals = {
	.name = "signals", .wanted = signals_wanted, .start = signals_start, .stop = mem_free,
	HANDLERS(signals_handlers),
};
