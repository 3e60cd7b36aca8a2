/* Looks names up with libc's getaddrinfo and connects: HOST PORT... A line each. Built static with musl too. */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void try_one(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(host, port, &hints, &list);

	if (rc) {
		printf("%s: %s\n", host, rc == EAI_NONAME ? "no such name" : gai_strerror(rc));
		return;
	}
	for (struct addrinfo *a = list; a; a = a->ai_next) {
		char text[128] = "?";
		int fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);

		getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
		int ok = fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0;
		printf("%s: %s %s\n", host, text, ok ? "connected" : "refused");
		close(fd);
	}
	freeaddrinfo(list);
}

int main(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2)
		try_one(argv[i], argv[i + 1]);
	return 0;
}
