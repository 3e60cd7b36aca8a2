/*
 * Built-in, named sets of grants that a policy extends: what a kind of program needs of a system in order to start. Each
 * path is a word like the user's: run/resolve.c opens it, skips it where it does not exist, and takes a device node only
 * with the device number that it should have.
 */
#ifndef POLICY_PRESETS_H
#define POLICY_PRESETS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "policy/policy.h"

struct preset_entry {
	const char *path;       /* absolute; in the tables of presets.c "~/" begins what is below the home directory */
	unsigned access;        /* of enum access (grants.h) */
	bool device;            /* a character device, and only with this number */
	bool link;              /* on most systems a link into what an earlier entry grants */
	unsigned major;
	unsigned minor;
	const char *preset;     /* the preset that it comes from, for the origin "preset NAME" */
};

struct preset {
	const char *name;
	const char *help;       /* one line */
	const char *includes;   /* another preset that comes with it, or NULL */
	const struct preset_entry *entries;
	size_t count;
	bool own_proc;          /* also /proc/self of the first process */
};

extern const struct preset presets[];
extern const size_t preset_count;

const struct preset *preset_by_name(struct view name);

/* The first preset that grants all of `access` on a path and of which the policy has no such path; NULL: none does. */
const char *preset_offering(const struct policy *p, const char *path, unsigned access);

/* For the option table: refuses an unknown name with the list of the known ones. */
int preset_check(struct view name, const char *origin, struct error *err);

/* Joins the entries of all that p extends into p->preset_entries; home paths need p->home and are left out without it.
 * Called by policy_freeze. 0 or -ENOMEM. */
int policy_expand_presets(struct policy *p);

/* What the presets of a frozen policy grant: one entry a path, in the order of the presets. The policy owns it. */
static inline size_t policy_preset_entries(const struct policy *p, const struct preset_entry **out)
{
	*out = p->preset_entries;
	return p->preset_len;
}

#endif
