/*
 * The least that a trapped call can cost: a filter that notifies of uname, connect and sends, and a loop that receives and
 * answers with synchronous wake-up: 0 to uname, and that the kernel may go on to the others. It reads and writes no memory
 * of the caller.
 *
 *     loop PROGRAM [ARGUMENTS]      the status is the program's
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"

static int send_fd(int sock, int fd)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { .buf = { 0 } };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -1;
}

static int receive_fd(int sock)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	int fd = -1;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
	return fd;
}

static void confined(int sock, char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_uname, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof code[0], code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	int listener = sys_seccomp(SC_SET_MODE_FILTER, SC_FLAG_NEW_LISTENER, &program);
	if (listener < 0 || send_fd(sock, listener) < 0)
		_exit(125);
	close(listener);
	execvp(argv[0], argv);
	_exit(127);
}

static void *answer(void *arg)
{
	int listener = *(int *)arg;

	sys_ioctl(listener, SC_IOCTL_SET_FLAGS, (const void *)SC_FD_SYNC_WAKE_UP);
	for (;;) {
		struct sc_notif request = { 0 };
		struct sc_resp reply = { 0 };

		if (sys_ioctl(listener, SC_IOCTL_RECV, &request) < 0)
			continue;
		reply.id = request.id;
		reply.flags = request.data.nr == SYS_uname ? 0 : SC_RESP_CONTINUE;
		sys_ioctl(listener, SC_IOCTL_SEND, &reply);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int pair[2];
	int status = 0;

	if (argc < 2 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return 2;
	pid_t pid = fork();
	if (pid == 0)
		confined(pair[1], argv + 1);
	close(pair[1]);
	int listener = receive_fd(pair[0]);
	pthread_t thread;
	if (listener < 0 || pthread_create(&thread, NULL, answer, &listener) != 0)
		return 125;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
