/* The processes below a process, by walking /proc with raw system calls and the caller's memory only. */
#include "base/proctree.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/listing.h"
#include "base/mem.h"
#include "base/sys.h"

/* --- text without libc --- */

static char *put_text(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	*to = '\0';
	return to;
}

static char *put_number(char *to, uint64_t n)
{
	char digits[20];
	int len = 0;

	do {
		digits[len++] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	while (len)
		*to++ = digits[--len];
	*to = '\0';
	return to;
}

static const char *skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

static const char *take_number(const char *p, uint64_t *out)
{
	uint64_t n = 0;

	p = skip_blanks(p);
	if (*p == '-')
		p++;
	while (*p >= '0' && *p <= '9')
		n = n * 10 + (uint64_t)(*p++ - '0');
	*out = n;
	return p;
}

/* Reads /proc/PID<tail> into buf (NUL-terminated). Bytes or -errno. */
static ssize_t read_proc(pid_t pid, const char *tail, char *buf, size_t size)
{
	char path[64];

	put_text(put_number(put_text(path, "/proc/"), (uint64_t)pid), tail);
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	size_t got = 0;
	ssize_t n;
	do {
		n = sys_read(fd, buf + got, size - 1 - got);
		if (n > 0)
			got += (size_t)n;
	} while ((n > 0 && got < size - 1) || n == -EINTR);
	sys_close(fd);
	buf[got] = '\0';
	return n < 0 ? n : (ssize_t)got;
}

/* --- the walk --- */

static bool is_known(const struct proctree *t, pid_t pid)
{
	for (size_t i = 0; i < t->len; i++)
		if (t->pids[i] == pid)
			return true;
	return false;
}

static void add_pid(struct proctree *t, pid_t pid)
{
	if (is_known(t, pid))
		return;
	if (t->len == t->max)
		t->full = true;
	else
		t->pids[t->len++] = pid;
}

/* Adds what /proc/PID/task/TID/children lists: numbers separated by blanks, possibly more than one buffer full. */
static int add_children(struct proctree *t, pid_t pid, pid_t tid)
{
	char path[64];
	char buf[512];
	uint64_t n = 0;
	bool digits = false;

	put_text(put_number(put_text(put_number(put_text(path, "/proc/"), (uint64_t)pid), "/task/"), (uint64_t)tid),
		 "/children");
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	for (;;) {
		ssize_t got = sys_read(fd, buf, sizeof buf);
		if (got == -EINTR)
			continue;
		if (got <= 0)
			break;
		for (ssize_t i = 0; i < got; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				n = n * 10 + (uint64_t)(buf[i] - '0');
				digits = true;
			} else if (digits) {
				add_pid(t, (pid_t)n);
				n = 0;
				digits = false;
			}
		}
	}
	if (digits)
		add_pid(t, (pid_t)n);
	sys_close(fd);
	return 0;
}

static int open_folder(struct listing *l, pid_t pid, const char *folder)
{
	char path[64];

	put_text(put_number(put_text(path, "/proc/"), (uint64_t)pid), folder);
	return listing_open(l, AT_FDCWD, path);
}

/* Every task of a process; *tasks counts them. A process that is gone has none. */
static int add_children_of(struct proctree *t, pid_t pid, size_t *tasks)
{
	AUTO(listing) struct listing l;
	const char *name;
	int fd = open_folder(&l, pid, "/task");

	if (fd < 0)
		return fd;
	while ((name = listing_next(&l)) != NULL) {
		uint64_t tid;

		if (*take_number(name, &tid) != '\0' || tid == 0)
			continue;
		*tasks += 1;
		add_children(t, pid, (pid_t)tid);
	}
	return 0;
}

#define PASSES_MAX 8

int proctree_walk(struct proctree *t, pid_t root)
{
	t->len = 0;
	t->full = false;
	for (int pass = 0; pass < PASSES_MAX; pass++) {
		size_t before = t->len;
		size_t own = 0;

		t->tasks = 0;
		t->threads = false;
		int rc = add_children_of(t, root, &own);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < t->len; i++) {
			size_t others = t->tasks;

			add_children_of(t, t->pids[i], &t->tasks);
			t->threads = t->threads || t->tasks > others + 1;
		}
		if (t->len == before)
			break;
	}
	return 0;
}

/* --- threads --- */

static bool share_descriptors(pid_t a, pid_t b)
{
	return SYS(SYS_kcmp, a, b, 2 /* KCMP_FILES */, 0, 0) == 0;
}

void proctree_tables(const struct proctree *t, pid_t pid, proctree_act *act, void *arg)
{
	AUTO(listing) struct listing l = { .fd = -1 };
	const char *name;
	pid_t last = 0;

	if (!t->threads || open_folder(&l, pid, "/task") < 0) {
		act(pid, arg);
		return;
	}
	while ((name = listing_next(&l)) != NULL) {
		uint64_t tid;

		if (*take_number(name, &tid) != '\0' || tid == 0 || (last && share_descriptors(last, (pid_t)tid)))
			continue;
		last = (pid_t)tid;
		act(last, arg);
	}
}

static int read_statm(pid_t tid, uint64_t *rss_pages, uint64_t *shared_pages)
{
	char buf[128];
	uint64_t size;
	ssize_t len = read_proc(tid, "/statm", buf, sizeof buf);

	if (len < 0)
		return (int)len;
	take_number(take_number(take_number(buf, &size), rss_pages), shared_pages);
	return 0;
}

pid_t proctree_other_thread(pid_t pid)
{
	AUTO(listing) struct listing l;
	const char *name;
	pid_t found = 0;

	if (open_folder(&l, pid, "/task") < 0)
		return 0;
	while ((name = listing_next(&l)) != NULL) {
		uint64_t tid, rss = 0, shared;

		if (found || *take_number(name, &tid) != '\0' || (pid_t)tid == pid)
			continue;
		if (read_statm((pid_t)tid, &rss, &shared) == 0 && rss)
			found = (pid_t)tid;
	}
	return found;
}

/* --- single files --- */

int procstat_read(pid_t pid, struct procstat *out)
{
	char buf[1024];
	ssize_t len = read_proc(pid, "/stat", buf, sizeof buf);

	if (len < 0)
		return (int)len;
	/* The name is in parentheses and may hold anything, ')' too: the last one ends it. */
	const char *open = buf;
	const char *close = NULL;
	for (const char *p = buf; *p; p++) {
		if (*p == '(' && open == buf)
			open = p;
		if (*p == ')')
			close = p;
	}
	if (open == buf || !close)
		return -EIO;
	size_t n = 0;
	for (const char *p = open + 1; p < close && n < sizeof out->name - 1; p++)
		out->name[n++] = *p;
	out->name[n] = '\0';

	uint64_t field[25] = { 0 };     /* fields 4 (ppid) to 24 (rss), counted from 1 as proc(5) does */
	const char *p = skip_blanks(close + 1);
	out->state = *p ? *p++ : '?';
	for (int i = 4; i <= 24; i++)
		p = take_number(p, &field[i]);
	out->ppid = (pid_t)field[4];
	out->cpu_ticks = field[14] + field[15];
	out->child_ticks = field[16] + field[17];
	out->threads = (uint32_t)field[20];
	out->start = field[22];
	out->rss_pages = field[24];
	return 0;
}

int procmem_read(pid_t pid, uint64_t *rss_pages, uint64_t *shared_pages)
{
	int rc = read_statm(pid, rss_pages, shared_pages);
	pid_t thread = rc == 0 && *rss_pages == 0 ? proctree_other_thread(pid) : 0;

	return thread ? read_statm(thread, rss_pages, shared_pages) : rc;
}

/* The number of kibibytes after "\nKEY:" as bytes; 0 where there is no such line. */
static uint64_t bytes_after(const char *text, const char *key)
{
	for (const char *p = text; *p; p++) {
		size_t n = 0;

		if (*p != '\n')
			continue;
		while (key[n] && p[1 + n] == key[n])
			n++;
		if (!key[n] && p[1 + n] == ':') {
			uint64_t kib;

			take_number(p + 2 + n, &kib);
			return kib * 1024;
		}
	}
	return 0;
}

int procmem_pss(pid_t pid, uint64_t *total, uint64_t *shmem)
{
	char buf[2048];
	ssize_t len = read_proc(pid, "/smaps_rollup", buf, sizeof buf);
	pid_t thread = len <= 0 ? proctree_other_thread(pid) : 0;

	if (thread)
		len = read_proc(thread, "/smaps_rollup", buf, sizeof buf);
	if (len <= 0)
		return len < 0 ? (int)len : -EIO;
	*total = bytes_after(buf, "Pss");
	*shmem = bytes_after(buf, "Pss_Shmem");
	return 0;
}

/* --- memory files --- */

static bool is_memfd(int dirfd, const char *name)
{
	static const char prefix[] = "/memfd:";
	char target[sizeof prefix];
	ssize_t n = sys_readlinkat(dirfd, name, target, sizeof prefix - 1);

	for (size_t i = 0; i < sizeof prefix - 1; i++)
		if (n != (ssize_t)sizeof prefix - 1 || target[i] != prefix[i])
			return false;
	return true;
}

static void add_memfd(struct memfds *m, int dirfd, const char *name)
{
	struct stat st;

	if (!is_memfd(dirfd, name) || SYS(NR_fstatat, dirfd, name, &st, 0) < 0)
		return;
	for (size_t i = 0; i < m->len; i++)
		if (m->inode[i] == st.st_ino)
			return;
	if (m->len < MEMFDS_MAX)
		m->inode[m->len++] = st.st_ino;
	m->bytes += (uint64_t)st.st_blocks * 512;
}

static void add_memfds_of(pid_t tid, void *arg)
{
	struct memfds *m = arg;
	AUTO(listing) struct listing l;
	const char *name;

	if (open_folder(&l, tid, "/fd") < 0)
		return;
	while ((name = listing_next(&l)) != NULL)
		add_memfd(m, l.fd, name);
}

void memfds_add(struct memfds *m, const struct proctree *t, pid_t pid)
{
	proctree_tables(t, pid, add_memfds_of, m);
}
