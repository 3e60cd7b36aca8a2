/*
 * One kind of work again and again, timed from within: prints the nanoseconds that one round takes, the median of
 * batches. Run bare and inside each sandbox by bench.py.
 *
 *     calls NAME SECONDS [FILE OR DIRECTORY OR PORT]
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *place;
static int open_file = -1;

static void check(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "calls: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void do_getppid(void)
{
	check(syscall(SYS_getppid) >= 0, "getppid");
}

static void do_read(void)
{
	char byte;

	check(pread(open_file, &byte, 1, 0) == 1, "read");
}

static void do_open(void)
{
	int fd = open(place, O_RDONLY | O_CLOEXEC);

	check(fd >= 0, place);
	close(fd);
}

static void do_stat(void)
{
	struct stat st;

	check(stat(place, &st) == 0, place);
}

static void do_lseek(void)
{
	check(lseek(open_file, 0, SEEK_SET) == 0, "lseek");
}

static void do_mmap(void)
{
	void *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(p != MAP_FAILED, "mmap");
	munmap(p, 65536);
}

static void do_pipe(void)
{
	int fds[2];

	check(pipe2(fds, O_CLOEXEC) == 0, "pipe");
	close(fds[0]);
	close(fds[1]);
}

static void *nothing(void *arg)
{
	return arg;
}

static void do_thread(void)
{
	pthread_t thread;

	check(pthread_create(&thread, NULL, nothing, NULL) == 0, "thread");
	pthread_join(thread, NULL);
}

static void do_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	check(pid > 0 && waitpid(pid, NULL, 0) == pid, "fork");
}

static void do_uname(void)
{
	struct utsname name;

	check(uname(&name) == 0, "uname");
}

static void file_name(char *out, size_t size, const char *kind, int i)
{
	snprintf(out, size, "%s/%s%d", place, kind, i);
}

/* Create, read, stat, rename and remove 1,500 small files. */
static void do_files(void)
{
	enum { FILES = 1500 };
	char from[4096], to[4096], buf[512];
	struct stat st;

	memset(buf, 'x', sizeof buf);
	for (int i = 0; i < FILES; i++) {
		file_name(from, sizeof from, "file", i);
		int fd = open(from, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
		check(fd >= 0 && write(fd, buf, sizeof buf) == sizeof buf, from);
		close(fd);
	}
	for (int i = 0; i < FILES; i++) {
		file_name(from, sizeof from, "file", i);
		file_name(to, sizeof to, "renamed", i);
		int fd = open(from, O_RDONLY | O_CLOEXEC);
		check(fd >= 0 && read(fd, buf, sizeof buf) == sizeof buf, from);
		close(fd);
		check(stat(from, &st) == 0 && rename(from, to) == 0 && unlink(to) == 0, to);
	}
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char buf[4096];

	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	check(fd >= 0 && read(fd, buf, sizeof buf) >= 0, path);
	close(fd);
	return 0;
}

/* What a package manager does: list every directory, stat every entry, read every file. */
static void do_walk(void)
{
	check(nftw(place, visit, 20, FTW_PHYS) == 0, place);
}

/* Touches memory as fast as it can and leaves the megabytes so far in the file: what a limit let through. */
static void do_hog(void)
{
	int fd = open(place, O_RDWR | O_CLOEXEC);
	volatile uint64_t *touched = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	check(touched != MAP_FAILED, place);
	for (;;) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		check(p != MAP_FAILED, "mmap");
		memset(p, 1, 1 << 20);
		*touched += 1;
	}
}

/* --- the network: `place` is the port of bench-echo on this machine --- */

static struct sockaddr_in server(void)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(place, NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static int connection(int type)
{
	const struct sockaddr_in to = server();
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	check(fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0, "connect");
	return fd;
}

/* Reset on close: the ports of this machine would run out. */
static void do_connect(void)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };
	int fd = connection(SOCK_STREAM);

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
}

static void do_request(void)
{
	static int fd = -1;
	const int on = 1;
	char buf[64] = "request";

	if (fd < 0) {
		fd = connection(SOCK_STREAM);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	}
	check(send(fd, buf, sizeof buf, 0) == sizeof buf, "send");
	check(recv(fd, buf, sizeof buf, MSG_WAITALL) == sizeof buf, "recv");
}

/* One megabyte in pieces of 64 KiB by sendmsg; the server throws it away and says one byte at the end. */
static void do_bulk(void)
{
	static char data[65536];
	static int fd = -1;
	struct iovec part = { data, sizeof data };
	const struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	char byte;

	if (fd < 0)
		fd = connection(SOCK_STREAM);
	for (int i = 0; i < 16; i++)
		check(sendmsg(fd, &message, 0) == sizeof data, "sendmsg");
	check(recv(fd, &byte, 1, 0) == 1, "recv");
}

static void do_datagram(void)
{
	static int fd = -1;
	const struct sockaddr_in to = server();
	char buf[64] = "datagram";

	if (fd < 0)
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	check(fd >= 0 && sendto(fd, buf, sizeof buf, 0, (const struct sockaddr *)&to, sizeof to) == sizeof buf, "sendto");
	check(recv(fd, buf, sizeof buf, 0) == sizeof buf, "recv");
}

static const struct {
	const char *name;
	void (*run)(void);
	int batch;      /* rounds between two looks at the clock */
} kinds[] = {
	{ "getppid", do_getppid, 2000 },
	{ "read", do_read, 1000 },
	{ "open", do_open, 500 },
	{ "stat", do_stat, 500 },
	{ "lseek", do_lseek, 2000 },
	{ "mmap", do_mmap, 500 },
	{ "pipe", do_pipe, 300 },
	{ "thread", do_thread, 50 },
	{ "fork", do_fork, 20 },
	{ "uname", do_uname, 500 },
	{ "files", do_files, 1 },
	{ "walk", do_walk, 1 },
	{ "hog", do_hog, 1 },
	{ "connect", do_connect, 50 },
	{ "request", do_request, 200 },
	{ "bulk", do_bulk, 5 },
	{ "datagram", do_datagram, 200 },
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double measure(void (*run)(void), int batch, double seconds)
{
	static double times[10000];
	size_t count = 0;
	uint64_t end = now() + (uint64_t)(seconds * 1e9);

	run();
	while (count < sizeof times / sizeof times[0] && (count < 3 || now() < end)) {
		uint64_t start = now();

		for (int i = 0; i < batch; i++)
			run();
		times[count++] = (double)(now() - start) / batch;
	}
	qsort(times, count, sizeof times[0], compare);
	return times[count / 2];
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	place = argc > 3 ? argv[3] : "/etc/passwd";
	open_file = open(place, O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(kinds[i].name, argv[1]) == 0) {
			printf("%.1f\n", measure(kinds[i].run, kinds[i].batch, strtod(argv[2], NULL)));
			return 0;
		}
	return 2;
}
