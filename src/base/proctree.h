/*
 * The processes below a process, by walking /proc. Raw system calls and the caller's memory only, so that the reaper
 * may use it. Exact at the moment of the last pass: passes repeat until one finds nobody new, because a process whose
 * parent dies moves to the sub-reaper, that is, to the root of the walk.
 */
#ifndef BASE_PROCTREE_H
#define BASE_PROCTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proctree {
	pid_t *pids;            /* the caller's; breadth first, without the root */
	size_t max;
	size_t len;
	size_t tasks;           /* threads included */
	bool threads;           /* some process has more than one task */
	bool full;              /* there were more than max */
};

/* 0, or -errno when /proc is not there. */
int proctree_walk(struct proctree *t, pid_t root);

/*
 * Calls `act` with one task of each table of descriptors that a process of the walk has: threads may have their own, and where
 * the leader has ended it has none any more.
 */
typedef void proctree_act(pid_t tid, void *arg);
void proctree_tables(const struct proctree *t, pid_t pid, proctree_act *act, void *arg);

/* A thread that goes on where the leader has ended, whose own files in /proc are those of a zombie; 0: there is none. */
pid_t proctree_other_thread(pid_t pid);

/* One line of /proc/PID/stat that matters. */
struct procstat {
	char state;
	pid_t ppid;
	uint64_t cpu_ticks;     /* user and system of the process itself */
	uint64_t child_ticks;   /* of what it has waited for */
	uint64_t rss_pages;
	uint32_t threads;
	uint64_t start;         /* clock ticks after boot */
	char name[16];
};
int procstat_read(pid_t pid, struct procstat *out);

/* Resident and shared pages of /proc/PID/statm. */
int procmem_read(pid_t pid, uint64_t *rss_pages, uint64_t *shared_pages);

/* Proportional set size in bytes (smaps_rollup), and how much of it is shared memory; -errno where it may not be read. */
int procmem_pss(pid_t pid, uint64_t *total, uint64_t *shmem);

/* Memory files (memfd_create) that processes hold open, each counted once: their pages are in nobody's resident size
 * while nobody maps them. */
#define MEMFDS_MAX 256
struct memfds {
	uint64_t bytes;
	size_t len;             /* files seen; beyond MEMFDS_MAX they are counted each time */
	uint64_t inode[MEMFDS_MAX];
};
void memfds_add(struct memfds *m, const struct proctree *t, pid_t pid);

#endif
