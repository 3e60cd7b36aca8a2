/* Feeding a sandbox and keeping what it writes: both streams at once, each up to a limit, until the tree has ended. */
#include "run/capture.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"

#define CHUNK 65536

enum { SLOT_IN, SLOT_OUT, SLOT_ERR, SLOT_BOX, SLOT_MAX };

/* Reads what is there; beyond the limit it is read and dropped, so that the program is never blocked by us. */
static int drain(int *fd, struct capture_stream *s, size_t limit)
{
	char chunk[CHUNK];
	ssize_t n = sys_read(*fd, chunk, sizeof chunk);

	if (n == -EINTR || n == -EAGAIN)
		return 0;
	if (n <= 0) {
		fd_close(fd);
		return n < 0 ? (int)n : 0;
	}
	size_t keep = (size_t)n < limit - s->len ? (size_t)n : limit - s->len;
	s->truncated |= keep < (size_t)n;
	int rc = mem_grow(&s->text, &s->cap, s->len + keep + 1, 1);
	if (rc < 0)
		return rc;
	memcpy(s->text + s->len, chunk, keep);
	s->len += keep;
	s->text[s->len] = '\0';
	return 0;
}

/* The write end is a pipe: a program that closed its input must not cost the host a SIGPIPE, so the signal is blocked
 * for the call and taken back if it came. */
static ssize_t write_quietly(int fd, const void *bytes, size_t len)
{
	const ksigset pipe = KSIG(SIGPIPE);
	const struct timespec now = { 0 };
	ksigset before;

	SYS(SYS_rt_sigprocmask, SIG_BLOCK, &pipe, &before, sizeof pipe);
	ssize_t n = sys_write(fd, bytes, len);
	if (n == -EPIPE && !(before & pipe))
		SYS(SYS_rt_sigtimedwait, &pipe, 0, &now, sizeof pipe);
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
	return n;
}

static int feed(int *fd, struct capture *c, size_t *done)
{
	size_t rest = c->input_len - *done;
	ssize_t n = write_quietly(*fd, (const char *)c->input + *done, rest < CHUNK ? rest : CHUNK);

	if (n == -EINTR || n == -EAGAIN)
		return 0;
	if (n > 0)
		*done += (size_t)n;
	if (n < 0 || *done == c->input_len)
		fd_close(fd);
	return n < 0 && n != -EPIPE ? (int)n : 0;
}

static int step(struct sandbox *box, struct capture *c, struct pollfd *polls, size_t *fed)
{
	int rc = 0;

	if (polls[SLOT_IN].revents)
		rc = feed(&polls[SLOT_IN].fd, c, fed);
	for (int i = 0; i < 2 && rc == 0; i++)
		if (polls[SLOT_OUT + i].revents)
			rc = drain(&polls[SLOT_OUT + i].fd, &c->stream[i], c->limit);
	if (polls[SLOT_BOX].revents && sandbox_next_event(box) == EVENT_ENDED)
		polls[SLOT_BOX].fd = -1;
	return rc;
}

/* After the end of the tree nobody inside can write any more: what the pipes still hold is all. */
static bool is_done(const struct pollfd *polls)
{
	return polls[SLOT_BOX].fd < 0 && polls[SLOT_OUT].fd < 0 && polls[SLOT_ERR].fd < 0;
}

int capture_run(struct sandbox *box, struct capture *c)
{
	struct pollfd polls[SLOT_MAX] = {
		[SLOT_IN] = { .fd = sandbox_take_pipe(box, 0), .events = POLLOUT },
		[SLOT_OUT] = { .fd = sandbox_take_pipe(box, 1), .events = POLLIN },
		[SLOT_ERR] = { .fd = sandbox_take_pipe(box, 2), .events = POLLIN },
		[SLOT_BOX] = { .fd = sandbox_fd(box), .events = POLLIN },
	};
	size_t fed = 0;
	int rc = 0;

	if (!c->limit)
		c->limit = CAPTURE_LIMIT;
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = mem_grow(&c->stream[i].text, &c->stream[i].cap, 1, 1);
	if (c->input_len == 0 && polls[SLOT_IN].fd >= 0)
		fd_close(&polls[SLOT_IN].fd);
	if (polls[SLOT_IN].fd >= 0)
		SYS(SYS_fcntl, polls[SLOT_IN].fd, F_SETFL, O_NONBLOCK);
	while (rc == 0 && !is_done(polls)) {
		long n = SYS(SYS_ppoll, polls, SLOT_MAX, 0, 0, 8);

		if (n < 0 && n != -EINTR)
			rc = (int)n;
		else if (n > 0)
			rc = step(box, c, polls, &fed);
	}
	for (int i = SLOT_IN; i <= SLOT_ERR; i++)
		fd_close(&polls[i].fd);
	return rc;
}

void capture_fini(struct capture *c)
{
	for (int i = 0; i < 2; i++)
		mem_free(c->stream[i].text);
}
