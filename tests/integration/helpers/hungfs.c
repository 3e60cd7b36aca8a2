/*
 * A file system that stops answering: a FUSE mount at argv[1] whose root and one file, "file", are known, and everything else
 * waits. Prints "ready", and runs until its input ends. With "unread" as argv[2], after somebody has opened "file" requests
 * are not even taken: what waits for such a one can be killed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NODE 2
#define NO_FLUSH (1 << 5)             /* FOPEN_NOFLUSH, of 5.16: closing the file asks nothing, so that its user can die */

static int fuse;

static void answer(const struct fuse_in_header *in, const void *data, size_t len, int error)
{
	char out[4096];
	struct fuse_out_header head = { .len = (unsigned)(sizeof head + len), .error = error, .unique = in->unique };

	memcpy(out, &head, sizeof head);
	if (len)
		memcpy(out + sizeof head, data, len);
	if (write(fuse, out, sizeof head + len) < 0)
		perror("write");
}

static struct fuse_attr attributes(unsigned long node)
{
	return (struct fuse_attr){
		.ino = node, .mode = node == FILE_NODE ? S_IFREG | 0666 : S_IFDIR | 0777, .nlink = 1, .size = 4096,
		.blksize = 4096,
	};
}

/* Answers some of them. True: the file was opened. */
static int serve(const char *request)
{
	const struct fuse_in_header *in = (const void *)request;
	const char *name = request + sizeof *in;

	if (in->opcode == FUSE_INIT) {
		const struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
						   .max_write = 4096, .max_readahead = 0 };
		answer(in, &out, sizeof out, 0);
	} else if (in->opcode == FUSE_LOOKUP && strcmp(name, "file") == 0) {
		const struct fuse_entry_out out = { .nodeid = FILE_NODE, .entry_valid = 3600, .attr_valid = 3600,
						    .attr = attributes(FILE_NODE) };
		answer(in, &out, sizeof out, 0);
	} else if (in->opcode == FUSE_GETATTR) {
		const struct fuse_attr_out out = { .attr_valid = 3600, .attr = attributes(in->nodeid) };
		answer(in, &out, sizeof out, 0);
	} else if (in->opcode == FUSE_OPEN || in->opcode == FUSE_OPENDIR) {
		answer(in, &(struct fuse_open_out){ .fh = 1, .open_flags = NO_FLUSH }, sizeof(struct fuse_open_out), 0);
		return in->nodeid == FILE_NODE;
	} else if (in->opcode == FUSE_STATFS) {
		answer(in, &(struct fuse_statfs_out){ .st.bsize = 4096 }, sizeof(struct fuse_statfs_out), 0);
	} else if (in->opcode == FUSE_GETXATTR || in->opcode == FUSE_ACCESS || in->opcode == FUSE_FLUSH) {
		answer(in, NULL, 0, -ENOSYS);
	}
	return 0;
}

int main(int argc, char **argv)
{
	char options[128];
	char request[FUSE_MIN_READ_BUFFER + 4096];
	int taking = 1;

	fuse = open("/dev/fuse", O_RDWR);
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%d,group_id=%d,allow_other", fuse, getuid(), getgid());
	if (argc < 2 || fuse < 0 || mount("hungfs", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
		perror("mount");
		return 77;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd polls[2] = { { .fd = 0, .events = POLLIN }, { .fd = taking ? fuse : -1, .events = POLLIN } };

		if (poll(polls, 2, -1) > 0 && polls[0].revents)
			break;
		if (!polls[1].revents)
			continue;
		if (read(fuse, request, sizeof request) < 0)
			break;
		if (serve(request) && argc > 2 && strcmp(argv[2], "unread") == 0)
			taking = 0;
	}
	umount2(argv[1], MNT_DETACH);
	return 0;
}
