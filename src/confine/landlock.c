/*
 * Policy and grants to a Landlock ruleset. Which rights exist comes from the ABI that the kernel says it has; a
 * protection that the ABI lacks stops the start unless the policy waives it by name.
 */
#include "confine/landlock.h"

#include <errno.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"

#define PORT_COUNT 65536

/* Rights that a rule on anything but a directory may carry; others are EINVAL there. */
#define FILE_RIGHTS (LL_FS_EXECUTE | LL_FS_WRITE_FILE | LL_FS_READ_FILE | LL_FS_TRUNCATE | LL_FS_IOCTL_DEV)

/* Bits 0 to 12: all that ABI 1 knows. */
#define ABI1_RIGHTS (LL_FS_REFER - 1)

/* What each protection adds to the handled sets of the ruleset. */
static const struct handled {
	uint64_t fs, net, scoped;
} adds[PROTECT_MAX] = {
	[PROTECT_FS_REFER] = { .fs = LL_FS_REFER },
	[PROTECT_FS_TRUNCATE] = { .fs = LL_FS_TRUNCATE },
	[PROTECT_NET_TCP] = { .net = LL_NET_BIND_TCP | LL_NET_CONNECT_TCP },
	[PROTECT_FS_IOCTL_DEV] = { .fs = LL_FS_IOCTL_DEV },
	[PROTECT_SIGNAL_SCOPE] = { .scoped = LL_SCOPE_SIGNAL },
	[PROTECT_ABSTRACT_UNIX_SCOPE] = { .scoped = LL_SCOPE_ABSTRACT_UNIX },
};

/* What each kind of access is in the kernel's words. */
static const struct {
	unsigned access;
	uint64_t rights;
} access_rights[] = {
	{ ACCESS_READ, LL_FS_READ_FILE | LL_FS_READ_DIR },
	{ ACCESS_WRITE, LL_FS_WRITE_FILE | LL_FS_TRUNCATE | LL_FS_REFER | LL_FS_REMOVE_DIR | LL_FS_REMOVE_FILE |
				LL_FS_MAKE_CHAR | LL_FS_MAKE_DIR | LL_FS_MAKE_REG | LL_FS_MAKE_SOCK |
				LL_FS_MAKE_FIFO | LL_FS_MAKE_BLOCK | LL_FS_MAKE_SYM },
	{ ACCESS_EXEC, LL_FS_EXECUTE },
	{ ACCESS_IOCTL, LL_FS_IOCTL_DEV },
};

int landlock_abi(void)
{
	return sys_landlock_create_ruleset(NULL, 0, LL_CREATE_VERSION);
}

unsigned landlock_errata(void)
{
	int errata = sys_landlock_create_ruleset(NULL, 0, LL_CREATE_ERRATA);

	return errata < 0 ? 0 : (unsigned)errata;
}

static bool ports_all(const struct ports *ports)
{
	if (ports->any)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(ports->bits); i++)
		if (ports->bits[i] != UINT64_MAX)
			return false;
	return true;
}

/* The TCP rights that the policy leaves closed for at least one port. */
static uint64_t wanted_net(const struct policy *p)
{
	uint64_t net = 0;

	/* All ports but a few would be a rule each; the supervisor judges every bind then. */
	bool judged = p->deny_bind_ports.given && policy_judges_binds(p);
	if (!ports_all(&p->bind_ports) && !judged)
		net |= LL_NET_BIND_TCP;
	if (!ports_all(&p->connect_ports))
		net |= LL_NET_CONNECT_TCP;
	return net;
}

static int no_landlock(int abi, struct error *err)
{
	if (abi == -EOPNOTSUPP)
		return error_set(err, ERR_KERNEL, abi,
				 "Landlock is built into this kernel but not switched on; add landlock to the lsm= boot "
				 "parameter (the list in force is in /sys/kernel/security/lsm)");
	return error_set(err, ERR_KERNEL, abi,
			 "this kernel has no Landlock (%s); it needs Linux 5.13 or newer built with "
			 "CONFIG_SECURITY_LANDLOCK=y and landlock in the lsm= boot parameter; in a container it may also "
			 "be the seccomp profile that hides it",
			 error_name(abi));
}

enum protection_state landlock_state(const struct policy *p, enum protection which, int abi)
{
	if (p->strictness[which] == DISABLED)
		return PROTECTION_DISABLED;
	if (which == PROTECT_NET_TCP && wanted_net(p) == 0)
		return PROTECTION_DISABLED;      /* every port is granted: nothing is left to protect */
	if (abi >= protections[which].abi)
		return PROTECTION_ACTIVE;
	return p->strictness[which] == DEGRADABLE ? PROTECTION_DEGRADED : PROTECTION_UNAVAILABLE;
}

/* All of them at once, so that the user need not find them one by one. */
static int refuse_missing(const struct landlock_plan *plan, int abi, struct error *err)
{
	AUTO(str) struct str lacks = STR(512);
	AUTO(str) struct str flags = STR(512);

	for (int i = 0; i < PROTECT_MAX; i++) {
		if (plan->state[i] != PROTECTION_UNAVAILABLE)
			continue;
		str_addf(&lacks, "%s%s (ABI %d)", lacks.len ? ", " : "", protections[i].name, protections[i].abi);
		str_addf(&flags, " --allow-degraded %s", protections[i].name);
	}
	if (lacks.rc < 0 || flags.rc < 0)
		return error_set(err, ERR_MEMORY, -ENOMEM, "no memory to name what the kernel lacks");
	if (lacks.len == 0)
		return 0;
	return error_set(err, ERR_KERNEL, -EOPNOTSUPP,
			 "the Landlock of this kernel has ABI %d and lacks %s; to run with less protection, add%s", abi,
			 lacks.buf, flags.buf);
}

int landlock_plan(const struct policy *p, int abi, struct landlock_plan *out, struct error *err)
{
	struct landlock_plan plan = { .handled_fs = ABI1_RIGHTS };

	if (abi < 1)
		return no_landlock(abi < 0 ? abi : -ENOSYS, err);
	for (int i = 0; i < PROTECT_MAX; i++) {
		plan.state[i] = landlock_state(p, (enum protection)i, abi);
		if (plan.state[i] != PROTECTION_ACTIVE)
			continue;
		plan.handled_fs |= adds[i].fs;
		plan.handled_net |= adds[i].net;
		plan.scoped |= adds[i].scoped;
	}
	plan.handled_net &= wanted_net(p);

	int rc = refuse_missing(&plan, abi, err);
	if (rc < 0)
		return rc;
	*out = plan;
	return 0;
}

uint64_t landlock_rights(const struct landlock_plan *plan, unsigned access, bool is_dir)
{
	uint64_t rights = 0;

	for (size_t i = 0; i < ARRAY_SIZE(access_rights); i++)
		if (access & access_rights[i].access)
			rights |= access_rights[i].rights;
	if (!is_dir)
		rights &= FILE_RIGHTS;
	return rights & plan->handled_fs;
}

static int add_paths(int ruleset, const struct landlock_plan *plan, const struct grants *grants, struct error *err)
{
	for (size_t i = 0; i < grants->len; i++) {
		const struct grant *g = &grants->at[i];
		struct ll_path_beneath_attr rule = {
			.allowed_access = landlock_rights(plan, g->access & ~g->withheld, g->is_dir),
			.parent_fd = g->fd,
		};

		if (g->fd < 0 || rule.allowed_access == 0)
			continue;               /* a rule without rights is an error to the kernel */
		int rc = sys_landlock_add_rule(ruleset, LL_RULE_PATH_BENEATH, &rule);
		if (rc < 0)
			return error_set(err, ERR_KERNEL, rc, "%s: Landlock takes no rule on '%s': %s", g->origin, g->path,
					 error_text(rc));
	}
	return 0;
}

/* One port: bind and connect in one rule, since each rule is a tree node in the kernel. */
static int add_port(int ruleset, uint64_t port, uint64_t rights, struct error *err)
{
	struct ll_net_port_attr rule = { .allowed_access = rights, .port = port };
	int rc = sys_landlock_add_rule(ruleset, LL_RULE_NET_PORT, &rule);

	if (rc < 0)
		return error_set(err, ERR_KERNEL, rc, "Landlock takes no rule on TCP port %d: %s", (int)port,
				 error_text(rc));
	return 0;
}

static uint64_t port_rights(const struct policy *p, const struct landlock_plan *plan, size_t port)
{
	uint64_t bit = 1ULL << (port % 64);
	uint64_t rights = 0;

	if (p->bind_ports.bits[port / 64] & bit || (port == 0 && policy_lets_clients_bind(p)))
		rights |= LL_NET_BIND_TCP;
	if (p->connect_ports.bits[port / 64] & bit)
		rights |= LL_NET_CONNECT_TCP;
	return rights & plan->handled_net;
}

static int add_ports(int ruleset, const struct policy *p, const struct landlock_plan *plan, struct error *err)
{
	if (plan->handled_net == 0)
		return 0;
	for (size_t port = 0; port < PORT_COUNT; port++) {
		if (port && (p->bind_ports.bits[port / 64] | p->connect_ports.bits[port / 64]) == 0) {
			port |= 63;
			continue;
		}
		uint64_t rights = port_rights(p, plan, port);
		int rc = rights ? add_port(ruleset, port, rights, err) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

int landlock_create(const struct landlock_plan *plan, int *out, struct error *err)
{
	struct ll_ruleset_attr attr = {
		.handled_access_fs = plan->handled_fs,
		.handled_access_net = plan->handled_net,
		.scoped = plan->scoped,
	};
	/* An older kernel takes the whole struct as long as what it does not know is zero. */
	int ruleset = sys_landlock_create_ruleset(&attr, sizeof attr, 0);

	if (ruleset < 0)
		return error_set(err, ERR_KERNEL, ruleset, "the kernel makes no Landlock ruleset: %s",
				 error_text(ruleset));
	*out = ruleset;
	return 0;
}

int landlock_fill(int ruleset, const struct policy *p, const struct landlock_plan *plan, const struct grants *grants,
		  struct error *err)
{
	int rc = add_paths(ruleset, plan, grants, err);

	return rc < 0 ? rc : add_ports(ruleset, p, plan, err);
}
