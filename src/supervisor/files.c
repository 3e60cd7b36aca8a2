/* Kernel operations for virtual files: reading what was judged, and what belongs to the processes of the sandbox. */
#include "supervisor/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/listing.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"
#include "supervisor/domains.h"
#include "supervisor/notify.h"
#include "supervisor/stuck.h"

#define PIDS_MAX 16384
#define GENERATIONS_MAX 4096    /* of parents: more than any tree has, an end to any loop */
#define READ_CHUNK 16384

int files_reopen(const struct call *call, int pinned, int flags)
{
	char path[32];
	static const int kept = OPEN_MODES | O_APPEND | O_SYNC | O_DIRECT | O_DIRECTORY | O_NONBLOCK | O_PATH | O_NOATIME;

	snprintf(path, sizeof path, "/proc/self/fd/%d", pinned);
	return (int)MAY_STICK(IN_DOMAIN(call, SYS_openat, AT_FDCWD, (long)path, (flags & kept) | O_CLOEXEC | O_NOCTTY, 0));
}

/* What the sandbox sees in place of an object is for who may open the object. */
int files_may_open(const struct call *call, int pinned, int flags)
{
	if (!domains_has(call))
		return 0;
	AUTO(fd) int fd = files_reopen(call, pinned, (flags & O_DIRECTORY) | O_NONBLOCK);
	return fd < 0 ? fd : 0;
}

/* By the chain of parents: what is orphaned hangs on the reaper, so every process of the sandbox leads to it. */
bool files_in_tree(const struct call *call, pid_t pid)
{
	const struct supervisor *s = call->supervisor;
	struct procstat stat;

	for (int i = 0; i < GENERATIONS_MAX && pid > 1; i++) {
		if (procstat_read(pid, &stat) < 0)
			return false;
		if (stat.ppid == s->root)
			return true;
		pid = stat.ppid;
	}
	return false;
}

int files_read_proc(const struct call *call, const char *tail, struct str *out)
{
	char path[64];
	AUTO(free) char *buf = mem_alloc(READ_CHUNK);
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	snprintf(path, sizeof path, "/proc/%d/%s", (int)call->tid, tail);
	AUTO(fd) int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	while ((n = sys_read(fd, buf, READ_CHUNK)) > 0)
		str_addn(out, buf, (size_t)n);
	return n < 0 ? (int)n : out->rc;
}

/* --- sockets --- */

struct inodes {
	uint64_t *at;
	size_t len;
	size_t cap;
	int rc;                 /* 0, or -ENOMEM: they are not all */
};

/* "socket:[4711]" */
static bool socket_inode(int dir, const char *name, uint64_t *out)
{
	char text[64];
	static const char prefix[] = "socket:[";
	const size_t skip = sizeof prefix - 1;
	ssize_t n = sys_readlinkat(dir, name, text, sizeof text);

	if (n <= (ssize_t)skip + 1 || memcmp(text, prefix, skip) != 0)
		return false;
	return view_u64((struct view){ text + skip, (size_t)n - skip - 1 }, UINT64_MAX, out) == 0;
}

static void add_sockets_of(pid_t tid, void *arg)
{
	struct inodes *all = arg;
	AUTO(listing) struct listing l;
	const char *name;
	char path[32];
	uint64_t inode;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)tid);
	if (listing_open(&l, AT_FDCWD, path) < 0)
		return;                 /* gone, or not ours to look at: then its sockets are not shown */
	while (all->rc == 0 && (name = listing_next(&l)) != NULL)
		if (socket_inode(l.fd, name, &inode))
			all->rc = VEC_PUSH(all->at, all->cap, all->len, inode);
}

static int add_sockets(const struct proctree *tree, pid_t pid, struct inodes *all)
{
	proctree_tables(tree, pid, add_sockets_of, all);
	return all->rc;
}

static int compare_inodes(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

bool files_has_socket(const struct proctree *tree, pid_t pid, uint64_t inode)
{
	struct inodes all = { 0 };
	bool has = false;

	if (add_sockets(tree, pid, &all) == 0)
		for (size_t i = 0; i < all.len; i++)
			has = has || all.at[i] == inode;
	mem_free(all.at);
	return has;
}

int files_tree_sockets(const struct call *call, uint64_t **inodes, size_t *count)
{
	const struct supervisor *s = call->supervisor;
	AUTO(free) pid_t *pids = mem_array(PIDS_MAX, sizeof *pids);
	struct proctree tree = { .pids = pids, .max = PIDS_MAX };
	struct inodes all = { 0 };
	size_t kept = 0;

	if (!pids)
		return -ENOMEM;
	int rc = proctree_walk(&tree, s->root);
	for (size_t i = 0; i < tree.len && rc == 0; i++)
		rc = add_sockets(&tree, pids[i], &all);
	if (rc < 0) {
		mem_free(all.at);
		return rc;
	}
	if (all.len)
		qsort(all.at, all.len, sizeof *all.at, compare_inodes);
	for (size_t i = 0; i < all.len; i++)
		if (kept == 0 || all.at[kept - 1] != all.at[i])
			all.at[kept++] = all.at[i];
	*inodes = all.at;
	*count = kept;
	return 0;
}
