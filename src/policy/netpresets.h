/* Built-in, named sets of network rules: the hosts that a package manager or a service needs. */
#ifndef POLICY_NETPRESETS_H
#define POLICY_NETPRESETS_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct net_preset {
	const char *name;
	const char *help;               /* one line */
	const char *const *rules;       /* --net-allow values */
	size_t count;
};

extern const struct net_preset net_presets[];
extern const size_t net_preset_count;

const struct net_preset *net_preset_by_name(struct view name);

/* The preset that a program of this name (as the kernel has it, 15 bytes) most likely needs; NULL: none is known. */
const char *net_preset_of_program(const char *comm);

/* For the option table: refuses an unknown name with the list of the known ones. */
int net_preset_check(struct view name, const char *origin, struct error *err);

#endif
