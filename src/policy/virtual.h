/*
 * What of the file system the sandbox sees in place of the host's, as data: which kinds are in force, by what the objects
 * are recognised, and what a path of procfs or sysfs means. run/virtual.c fills it in from policy and grants,
 * features/vfiles.c serves it.
 */
#ifndef POLICY_VIRTUAL_H
#define POLICY_VIRTUAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "policy/grants.h"

enum virtual_kind {
	VIRTUAL_FILES = 1,      /* /etc/hosts and its like: opens, and calls that ask about paths, are looked at */
	VIRTUAL_NET = 2,        /* the net directory of every task in procfs is a view */
	VIRTUAL_TASKS = 4,      /* all of procfs is granted: the supervisor opens what belongs to tasks of the sandbox */
	VIRTUAL_SYS = 8,        /* network devices in sysfs and /proc/sys are hidden, but for the loopback */
	VIRTUAL_WRITES = 16,    /* a grant to write reaches one of these: opens for writing are looked at too */
};

/* What makes two descriptors the same object. */
struct file_id {
	uint64_t dev;
	uint64_t ino;
};

#define VIRTUAL_IDS 4           /* the file, and the links on the way to it */
#define VIRTUAL_FILES_MAX 5

struct virtual_file {
	const char *path;       /* "/etc/hosts" */
	char *target;           /* where the host's file really is, when that is elsewhere; owned */
	struct file_id id[VIRTUAL_IDS];
	size_t ids;             /* 0: the host has no such file */
};

struct virtuals {
	unsigned kinds;         /* of enum virtual_kind */
	struct virtual_file file[VIRTUAL_FILES_MAX];
	size_t files;
	uint64_t net_names;     /* bit i: netview name i is granted; all bits: the whole directory */
	/* Directories that are granted but have no Landlock rule, since it would cover what is virtual: the supervisor
	 * opens them for listing. Sorted by inode. */
	struct file_id *listed;
	size_t listed_len;
	size_t listed_cap;
	struct grants entries;  /* what Landlock is told in their place */
};

void virtuals_fini(struct virtuals *v);

/* The file that this object is, or -1. */
int virtual_by_id(const struct virtuals *v, struct file_id id);
/* The file of that canonical path (or the path of its target), or -1. */
int virtual_by_path(const struct virtuals *v, const char *path);
void virtual_sort(struct virtuals *v);
bool virtual_is_listed(const struct virtuals *v, struct file_id id);

/* A path of procfs, "/proc/12/task/13/net/tcp": pid is 12, rest "task/13/net/tcp", net "tcp". */
struct task_place {
	pid_t pid;
	const char *rest;       /* "" for the directory of the task itself */
	const char *net;        /* what follows "net/"; "" for that directory; NULL: not beneath it */
};

/* False when the path names nothing of a task. */
bool virtual_task_place(const char *path, struct task_place *out);

enum hidden {
	HIDDEN_NOT,
	HIDDEN_LIST,            /* a directory that holds hidden names: cannot be listed */
	HIDDEN_GONE,            /* is not there */
};

/* Does this path of sysfs (or /proc/sys/net) speak of a network device other than the loopback? */
enum hidden virtual_hidden(const char *path);

#endif
