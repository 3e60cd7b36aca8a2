/*
 * The other side of the network benchmarks: answers on a port of this machine until it is killed.
 *
 *     echo accept|echo|sink|datagram PORT       PORT 0: any; the one taken is printed
 *
 * accept closes every connection; echo sends back what comes, by sendmsg with two pieces; sink says one byte for each
 * megabyte; datagram sends each UDP datagram back.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void *echo(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[4096];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof buf, 0)) > 0) {
		struct iovec parts[2] = { { buf, (size_t)n / 2 }, { buf + n / 2, (size_t)n - (size_t)n / 2 } };
		const struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

		if (sendmsg(fd, &message, MSG_NOSIGNAL) != n)
			break;
	}
	close(fd);
	return NULL;
}

static void *sink(void *arg)
{
	static char buf[1 << 18];
	int fd = (int)(intptr_t)arg;
	size_t got = 0;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof buf, 0)) > 0) {
		for (got += (size_t)n; got >= 1 << 20; got -= 1 << 20)
			send(fd, "x", 1, MSG_NOSIGNAL);
	}
	close(fd);
	return NULL;
}

static void datagrams(int fd)
{
	struct sockaddr_in from;
	char buf[2048];

	for (;;) {
		socklen_t len = sizeof from;
		ssize_t n = recvfrom(fd, buf, sizeof buf, 0, (struct sockaddr *)&from, &len);

		if (n >= 0)
			sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

static void connections(int fd, void *(*serve)(void *))
{
	const int on = 1;
	pthread_t thread;

	for (;;) {
		int one = accept(fd, NULL, NULL);

		if (one < 0)
			continue;
		setsockopt(one, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (!serve)
			close(one);
		else if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)one) == 0)
			pthread_detach(thread);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	const int on = 1;

	if (argc != 3)
		return 2;
	int udp = strcmp(argv[1], "datagram") == 0;
	int fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);

	at.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || (!udp && listen(fd, 4096) < 0)) {
		fprintf(stderr, "echo: %s\n", strerror(errno));
		return 1;
	}
	getsockname(fd, (struct sockaddr *)&at, &len);
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	if (udp)
		datagrams(fd);
	connections(fd, strcmp(argv[1], "echo") == 0 ? echo : strcmp(argv[1], "sink") == 0 ? sink : NULL);
}
