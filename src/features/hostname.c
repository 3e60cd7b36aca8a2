/* The host name that the user gave: uname answers with it. Setting names is refused by the filter already. */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/mem.h"
#include "base/sys.h"
#include "features/registry.h"

static int hostname_start(const struct feature_env *env, void **state, struct error *err)
{
	AUTO(free) struct utsname *names = mem_alloc(sizeof *names);

	if (!names)
		return error_set(err, ERR_MEMORY, -ENOMEM, "not enough memory for the host name");
	int rc = (int)SYS(SYS_uname, names);
	if (rc < 0)
		return error_set(err, ERR_START, rc, "cannot ask the kernel for its names");

	size_t len = strnlen(env->policy->name, sizeof names->nodename - 1);
	memset(names->nodename, 0, sizeof names->nodename);
	memcpy(names->nodename, env->policy->name, len);
	*state = TAKE(names);
	return 0;
}

static struct verdict on_uname(const struct call *call, void *state)
{
	return v_result(call->kernel->copy_out(call, call->raw[0], state, sizeof(struct utsname)));
}

static bool hostname_wanted(const struct policy *p)
{
	return p->name != NULL;
}

static const struct handler hostname_handlers[] = {
	{ "uname", on_uname, H_NO_DECODE },
};

const struct feature feature_hostname = {
	.name = "hostname", .wanted = hostname_wanted, .start = hostname_start, .stop = mem_free,
	HANDLERS(hostname_handlers),
};
