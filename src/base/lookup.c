/*
 * A small DNS client. Every try has a socket of its own that is connected to the server, so the kernel drops what others
 * send and gives it an unpredictable port; with the id that is what an off-path forger has to guess.
 */
#include "base/lookup.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"

#define FILE_MAX (1 << 20)
#define DNS_PORT 53
#define ATTEMPTS 2
#define NDOTS_MAX 15            /* libc's */
#define ATTEMPTS_MAX 5
#define TIMEOUT_SECONDS 5
#define TIMEOUT_MAX 30
#define SECOND 1000000000ULL

/* --- files of the host --- */

static int slurp(const char *path, char **out, size_t *len)
{
	AUTO(fd) int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);

	return fd < 0 ? fd : fd_slurp(fd, FILE_MAX, out, len);
}

/* The next word of a line; empty at its end. */
static struct view next_word(struct view *line)
{
	size_t from = 0;

	while (from < line->len && (line->ptr[from] == ' ' || line->ptr[from] == '\t' || line->ptr[from] == '\r'))
		from++;
	size_t to = from;
	while (to < line->len && line->ptr[to] != ' ' && line->ptr[to] != '\t' && line->ptr[to] != '\r')
		to++;
	struct view word = { line->ptr + from, to - from };
	line->ptr += to;
	line->len -= to;
	return word;
}

/* An address, perhaps with "%eth0" or "%2" behind it. */
static int parse_server(struct view word, struct addr *out)
{
	char zone[IF_NAMESIZE] = "";
	bool scoped;
	struct view ip = view_cut(&word, '%', &scoped);
	uint64_t index = 0;
	int rc = addr_parse(ip, out);

	if (rc < 0)
		return rc;
	out->port = DNS_PORT;
	if (!scoped)
		return 0;
	if (word.len == 0 || word.len >= sizeof zone)
		return -EINVAL;
	memcpy(zone, word.ptr, word.len);
	if (view_u64(word, UINT32_MAX, &index) < 0)
		index = if_nametoindex(zone);
	out->scope = (uint32_t)index;
	return index ? 0 : -EINVAL;
}

static void read_option(struct view word, struct lookup_servers *out)
{
	uint64_t n;
	bool more;
	struct view name = view_cut(&word, ':', &more);

	if (!more || view_u64(word, 1000, &n) < 0)
		return;
	if (view_is(name, "ndots"))
		out->ndots = n > NDOTS_MAX ? NDOTS_MAX : (int)n;
	if (n == 0)
		return;
	if (view_is(name, "timeout"))
		out->timeout_ns = (n > TIMEOUT_MAX ? TIMEOUT_MAX : n) * SECOND;
	else if (view_is(name, "attempts"))
		out->attempts = n > ATTEMPTS_MAX ? ATTEMPTS_MAX : (unsigned)n;
}

static bool is_domain(struct view word)
{
	static const char bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	for (size_t i = 0; i < word.len; i++)
		if (!memchr(bytes, word.ptr[i], sizeof bytes - 1))
			return false;
	return word.len > 0 && word.len < 255;
}

/* The last such line counts. */
static void read_search(struct view line, struct lookup_servers *out)
{
	size_t len = 0;
	unsigned count = 0;

	for (struct view word = next_word(&line); word.len && count < LOOKUP_SEARCH_MAX; word = next_word(&line)) {
		if (!is_domain(word))
			continue;
		out->search[len++] = ' ';
		memcpy(out->search + len, word.ptr, word.len);
		len += word.len;
		count++;
	}
	out->search[len] = '\0';
}

static void read_server_line(struct view line, struct lookup_servers *out)
{
	struct view key = next_word(&line);

	if (view_is(key, "search") || view_is(key, "domain")) {
		read_search(line, out);
		return;
	}
	struct view word = next_word(&line);

	if (view_is(key, "nameserver") && out->count < LOOKUP_SERVERS_MAX) {
		if (parse_server(word, &out->at[out->count]) == 0)
			out->count++;
	} else if (view_is(key, "options")) {
		for (; word.len; word = next_word(&line))
			read_option(word, out);
	}
}

void lookup_servers_read(const char *path, struct lookup_servers *out)
{
	AUTO(free) char *text = NULL;
	size_t len = 0;

	*out = (struct lookup_servers){ .attempts = ATTEMPTS, .timeout_ns = TIMEOUT_SECONDS * SECOND, .ndots = -1 };
	if (slurp(path, &text, &len) == 0) {
		struct view rest = { text, len };
		bool more = true;

		while (more)
			read_server_line(view_cut(&rest, '\n', &more), out);
	}
	if (out->count == 0)
		out->at[out->count++] = (struct addr){ .family = ADDR_V4, .port = DNS_PORT, .ip = { 127, 0, 0, 1 } };
}

static void read_hosts_line(struct view line, const char *name, struct dns_result *out)
{
	bool more;
	struct addr ip;

	line = view_cut(&line, '#', &more);
	struct view first = next_word(&line);
	if (out->count == DNS_ADDRS_MAX || first.len == 0)
		return;
	for (struct view word = next_word(&line); word.len; word = next_word(&line)) {
		if (word.len != strlen(name) || strncasecmp(word.ptr, name, word.len) != 0)
			continue;
		if (addr_parse(first, &ip) == 0)
			out->ip[out->count++] = ip;
		return;
	}
}

bool lookup_hosts(const char *path, const char *name, struct dns_result *out)
{
	AUTO(free) char *text = NULL;
	size_t len = 0;
	bool more = true;

	*out = (struct dns_result){ 0 };
	if (slurp(path, &text, &len) < 0)
		return false;
	for (struct view rest = { text, len }; more;)
		read_hosts_line(view_cut(&rest, '\n', &more), name, out);
	return out->count > 0;
}

/* --- one try --- */

static void drop_try(struct lookup *l)
{
	fd_close(&l->fd);
	mem_free(l->buf);
	l->buf = NULL;
	l->done = 0;
	l->sent = false;
}

static int open_try(struct lookup *l, bool tcp)
{
	const struct addr *server = &l->servers->at[(l->tries - 1) % l->servers->count];
	uint8_t name[128];
	size_t len = addr_to_sockaddr(server, server->family == ADDR_V6, name);
	int domain = server->family == ADDR_V6 ? AF_INET6 : AF_INET;

	drop_try(l);
	l->tcp = tcp;
	l->deadline = sys_now() + l->servers->timeout_ns;
	l->fd = (int)SYS(SYS_socket, domain, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return l->fd;
	long rc = SYS(SYS_connect, l->fd, name, len);
	return rc == -EINPROGRESS ? 0 : (int)rc;
}

static int begin_udp(struct lookup *l)
{
	uint8_t msg[DNS_HEAD + DNS_QUESTION_MAX];
	int rc;

	if (SYS(SYS_getrandom, &l->id, sizeof l->id, GRND_NONBLOCK) != sizeof l->id)
		return -EAGAIN;
	int len = dns_build_query(l->id, l->name, l->type, msg);
	if (len < 0)
		return len;
	rc = open_try(l, false);
	if (rc < 0)
		return rc;
	l->events = POLLIN;
	long n = SYS(SYS_sendto, l->fd, msg, len, MSG_NOSIGNAL, 0, 0);
	return n < 0 ? (int)n : 0;
}

/* The same question to the same server, whose answer was too long. */
static int begin_tcp(struct lookup *l)
{
	int rc = open_try(l, true);

	if (rc < 0)
		return rc;
	l->buf = mem_alloc(2 + DNS_MESSAGE_MAX);
	if (!l->buf)
		return -ENOMEM;
	int len = dns_build_query(l->id, l->name, l->type, l->buf + 2);
	l->buf[0] = (uint8_t)(len >> 8);
	l->buf[1] = (uint8_t)len;
	l->events = POLLOUT;
	return 0;
}

/* The next server or round; a try that fails at once counts as one. The last failure is what is told. */
static int try_next(struct lookup *l, int why)
{
	while (l->tries < l->servers->count * l->servers->attempts) {
		l->tries++;
		int rc = begin_udp(l);
		if (rc == 0)
			return 0;
		if (rc == -EINVAL || rc == -ENOMEM)
			why = rc;
	}
	drop_try(l);
	return why;
}

/* --- answers --- */

/* A whole message: 1 when it settles the question, 0 when the server cannot help, -EBADMSG when it is none of ours. */
static int judge(struct lookup *l, const uint8_t *msg, size_t len)
{
	int rc = dns_parse_answer(msg, len, l->id, l->name, l->type, &l->result);

	if (rc < 0)
		return rc;
	return l->result.rcode == DNS_NOERROR || l->result.rcode == DNS_NXDOMAIN;
}

static int step_udp(struct lookup *l)
{
	uint8_t msg[DNS_UDP_MIN * 8];
	long n;

	while ((n = SYS(SYS_recvfrom, l->fd, msg, sizeof msg, MSG_DONTWAIT, 0, 0)) >= 0) {
		int rc = judge(l, msg, (size_t)n);

		if (rc == -EBADMSG)
			continue;               /* a forger's guess must not end the wait */
		if (rc == 1 && l->result.truncated) {
			rc = begin_tcp(l);
			return rc < 0 ? try_next(l, rc) : 0;
		}
		return rc == 1 ? 1 : try_next(l, -EREMOTEIO);
	}
	if (n == -EAGAIN || n == -EINTR)
		return 0;
	return try_next(l, -EREMOTEIO);         /* nobody listens there */
}

/* Sends or receives up to `want` bytes in all; 1 when they are there, 0 to wait, -errno. */
static int move(struct lookup *l, size_t want)
{
	long n = 0;

	while (l->done < want) {
		if (l->sent)
			n = SYS(SYS_recvfrom, l->fd, l->buf + l->done, want - l->done, MSG_DONTWAIT, 0, 0);
		else
			n = SYS(SYS_sendto, l->fd, l->buf + l->done, want - l->done, MSG_NOSIGNAL, 0, 0);
		if (n <= 0)
			return n == -EAGAIN || n == -EINTR ? 0 : n == 0 ? -EPIPE : (int)n;
		l->done += (size_t)n;
	}
	return 1;
}

static size_t length_word(const struct lookup *l)
{
	return (size_t)l->buf[0] << 8 | l->buf[1];
}

static int step_tcp(struct lookup *l)
{
	if (!l->sent) {
		int rc = move(l, 2 + length_word(l));
		if (rc <= 0)
			return rc < 0 ? try_next(l, -EREMOTEIO) : 0;
		l->sent = true;
		l->done = 0;
		l->events = POLLIN;
	}
	int rc = move(l, 2);
	if (rc == 1)
		rc = move(l, 2 + length_word(l));
	if (rc == 0)
		return 0;
	if (rc == 1)
		rc = judge(l, l->buf + 2, length_word(l));
	return rc == 1 && !l->result.truncated ? 1 : try_next(l, -EREMOTEIO);
}

int lookup_start(struct lookup *l, const struct lookup_servers *servers, const char *name, uint16_t type)
{
	*l = (struct lookup){ .servers = servers, .type = type, .fd = -1 };
	if (strlen(name) >= sizeof l->name)
		return -EINVAL;
	memcpy(l->name, name, strlen(name) + 1);
	return try_next(l, -EREMOTEIO);
}

int lookup_step(struct lookup *l)
{
	int rc = l->tcp ? step_tcp(l) : step_udp(l);

	if (rc == 0 && sys_now() >= l->deadline)
		rc = try_next(l, -ETIMEDOUT);
	if (rc != 0)
		drop_try(l);
	return rc;
}

void lookup_fini(struct lookup *l)
{
	drop_try(l);
}
