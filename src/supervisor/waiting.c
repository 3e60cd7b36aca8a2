/*
 * Waiting for a socket in the place of a caller: its death, its signals and its timeout end the wait as they would there.
 *
 * The kernel keeps a caller whose call was received asleep until it is answered or killed (WAIT_KILLABLE_RECV), so its
 * signals only become pending: they are looked for every few milliseconds. The answer to a signal is ERESTARTSYS where
 * the caller is sure to handle one on its way back, because the kernel then repeats the call or makes EINTR of it as the
 * handler was installed. Where another thread may take the signal, nobody would translate it: then it is EINTR.
 */
#include "supervisor/waiting.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/notify.h"
#include "supervisor/onbehalf.h"

#define FIRST_SLICE_NS 4000000ULL
#define LAST_SLICE_NS 100000000ULL
#define DOUBLINGS 4
#define SECOND_NS 1000000000ULL

struct task_signals {
	ksigset own;            /* deliverable, sent to this task */
	ksigset shared;         /* deliverable, sent to its process */
	bool is_the_taker;      /* a signal to the process is handled by this task: it leads, or is alone */
};

static uint64_t field(const char *text, const char *key, unsigned base)
{
	uint64_t value = 0;

	onbehalf_number(text, key, base, &value);
	return value;
}

static void read_signals(pid_t tid, struct task_signals *out)
{
	char path[32];
	char text[4096];

	*out = (struct task_signals){ 0 };
	snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
	AUTO(fd) int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	ssize_t n = fd < 0 ? fd : fd_read_all(fd, text, sizeof text - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	ksigset open = ~(field(text, "\nSigBlk:", 16) | field(text, "\nSigIgn:", 16));
	out->own = field(text, "\nSigPnd:", 16) & open;
	out->shared = field(text, "\nShdPnd:", 16) & open;
	out->is_the_taker = field(text, "\nThreads:", 10) == 1 || field(text, "\nTgid:", 10) == (uint64_t)tid;
}

/* A shared signal that another thread may take must be there twice. */
int waiting_signal(const struct call *call, ksigset *seen)
{
	struct task_signals now;

	read_signals(call->tid, &now);
	bool certain = now.own || (now.shared && now.is_the_taker);
	bool stays = now.shared & *seen;
	*seen = now.shared;
	if (!certain && !stays)
		return 0;
	return certain && call->progress->deadline == UINT64_MAX ? -RESTART_SYS : -EINTR;
}

/* Looked up when the waiting begins: that the call came a moment earlier does not matter to a timeout. */
void waiting_deadline(const struct call *call, int sock, int option)
{
	struct timeval timeout = { 0 };
	int size = sizeof timeout;

	if (call->progress->deadline)
		return;
	call->progress->deadline = UINT64_MAX;
	if (SYS(SYS_getsockopt, sock, SOL_SOCKET, option, &timeout, &size) < 0 || (!timeout.tv_sec && !timeout.tv_usec))
		return;
	/* The kernel takes more seconds than nanoseconds can be counted: those are for ever. */
	if ((uint64_t)timeout.tv_sec < UINT64_MAX / (4 * SECOND_NS))
		call->progress->deadline = sys_now() + (uint64_t)timeout.tv_sec * SECOND_NS +
					   (uint64_t)timeout.tv_usec * 1000;
}

static int wait_once(struct pollfd polls[2], uint64_t slice)
{
	const struct timespec time = { .tv_sec = 0, .tv_nsec = (long)slice };
	long n = SYS(SYS_ppoll, polls, 2, &time, 0, 8);

	if (n < 0 && n != -EINTR)
		return (int)n;
	if (n > 0 && polls[1].revents)
		return -ESRCH;
	return n > 0 && polls[0].revents;
}

/* What ends the wait besides the socket: 0, -errno, or MUST_WAIT when others have their turn. */
static int after_slice(const struct call *call, ksigset *seen, bool crowded)
{
	struct supervisor *s = call->supervisor;
	struct progress *p = call->progress;

	if (!notify_is_valid(s, call->id))
		return -ESRCH;
	int rc = waiting_signal(call, seen);
	if (rc < 0)
		return rc;
	if (p->deadline <= sys_now())
		return -ETIMEDOUT;
	if (!crowded && !workers_turn_is_over(s, p->turn))
		return 0;
	p->crowded = crowded;
	return MUST_WAIT;
}

/*
 * What cannot be polled for is tried again, less and less often, since a hundred callers that sleep would else keep us
 * busy. None waits for longer than it has waited already.
 */
static uint64_t first_slice(const struct progress *p, short events)
{
	const unsigned tries = events || p->waits < 2 ? 0 : p->waits - 2;

	return FIRST_SLICE_NS << (tries < DOUBLINGS ? tries : DOUBLINGS);
}

int waiting_for(const struct call *call, int sock, int fd, short events)
{
	const struct supervisor *s = call->supervisor;
	struct progress *p = call->progress;
	/* No pidfd of the caller, which would be one more descriptor: its death is seen after a slice at most. */
	struct pollfd polls[2] = {
		{ .fd = events ? fd : -1, .events = events },
		{ .fd = s->wake, .events = POLLIN },
	};
	bool crowded = fd_is_hosts(sock > fd ? sock : fd);
	uint64_t slice = first_slice(p, events);

	waiting_deadline(call, sock, SO_SNDTIMEO);
	for (;;) {
		uint64_t now = sys_now();
		uint64_t left = p->deadline > now ? p->deadline - now : 0;
		int rc = crowded ? 0 : wait_once(polls, slice < left ? slice : left);

		if (rc != 0)
			return rc < 0 ? rc : 0;
		rc = after_slice(call, &p->seen, crowded);
		if (rc < 0 || !events)
			return rc;
		slice = slice * 2 < LAST_SLICE_NS ? slice * 2 : LAST_SLICE_NS;
	}
}
