/* Looks system calls up by name and by number in the table made from syscalls.tbl. */
#include "policy/sysrules.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "syscalls.gen.h"

/* Names that people know a call by and that the kernel's own table does not use. */
static const struct {
	const char *alias;
	const char *name;
} aliases[] = {
	{ "fstatat",       "newfstatat" },
	{ "fstatat64",     "newfstatat" },
	{ "umount",        "umount2"    },
	{ "sendfile64",    "sendfile"   },
	{ "pread",         "pread64"    },
	{ "pwrite",        "pwrite64"   },
	{ "prlimit",       "prlimit64"  },
	{ "posix_fadvise", "fadvise64"  },
	{ "fadvise",       "fadvise64"  },
	{ "sysctl",        "_sysctl"    },
};

static int compare_name(const void *key, const void *row)
{
	return strcmp(key, ((const struct syscall_info *)row)->name);
}

static const char *name_behind(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
		if (strcmp(aliases[i].alias, name) == 0)
			return aliases[i].name;
	}
	return name;
}

static const struct syscall_info *row_of(const char *name)
{
	return bsearch(name, syscall_table, syscall_count, sizeof syscall_table[0], compare_name);
}

/* Few ask by an alias, and none of those is a name of the table. */
const struct syscall_info *syscall_by_name(const char *name)
{
	const struct syscall_info *row = row_of(name);

	return row ? row : row_of(name_behind(name));
}

const struct syscall_info *syscall_by_nr(enum arch arch, int nr)
{
	if (nr < 0 || nr > SYSCALL_HIGHEST || place_of_nr[arch][nr] == 0)
		return NULL;
	return &syscall_table[place_of_nr[arch][nr] - 1];
}

int syscall_nr(enum arch arch, const char *name)
{
	const struct syscall_info *info = syscall_by_name(name);

	return info ? info->nr[arch] : -1;
}
