/* Stays with a running sandbox to its end: forwards signals, follows job control. */
#include "cli/watch.h"

#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"

static const struct {
	int signal;
	bool ends;      /* by default it ends a program */
} forwarded[] = {
	{ SIGTERM, true }, { SIGINT, true }, { SIGHUP, true }, { SIGQUIT, true },
	{ SIGUSR1, true }, { SIGUSR2, true }, { SIGWINCH, false },
};

static bool is_ignored(int sig)
{
	struct sigaction old;

	return sigaction(sig, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
}

/*
 * SIGTTOU is blocked so that taking the terminal back does not stop us, and SIGPIPE so that a closed stderr does not end
 * us before the child. Neither is read: the library gives the child an empty mask, whatever ours is.
 */
int watch_open(struct watch *w, bool interactive)
{
	sigset_t mask;
	sigset_t read;

	sigemptyset(&read);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		if (!is_ignored(forwarded[i].signal))
			sigaddset(&read, forwarded[i].signal);
	if (!is_ignored(SIGTSTP))
		sigaddset(&read, SIGTSTP);
	mask = read;
	sigaddset(&mask, SIGTTOU);
	sigaddset(&mask, SIGPIPE);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	w->signals = signalfd(-1, &read, SFD_CLOEXEC | SFD_NONBLOCK);
	if (w->signals < 0)
		return -errno;
	terminal_open(&w->terminal, interactive);
	return 0;
}

void watch_close(struct watch *w)
{
	fd_close(&w->signals);
}

bool watch_lends_terminal(struct watch *w)
{
	w->terminal.lent = terminal_is_ours(&w->terminal);
	return w->terminal.lent;
}

/* Stops us, or our whole group, as Ctrl-Z would; returns when we are continued, or at once where the kernel ignores a stop
 * because nobody could continue us. */
static void stop_here(bool whole_group)
{
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	sys_kill(whole_group ? 0 : getpid(), SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	sigprocmask(SIG_BLOCK, &stop, NULL);
}

/*
 * The shell's job is us, so we stop too. The whole tree is paused meanwhile: while we are stopped nobody would answer it,
 * measure it or end it at its timeout.
 */
static void stop_with(struct watch *w, sandlock_sandbox *box, bool whole_group)
{
	enum sandlock_event event;
	pid_t group = sandlock_pid(box);

	terminal_take(&w->terminal, group);
	sandlock_pause(box);
	stop_here(whole_group);

	/* What the pause itself reported is not news. */
	do
		event = sandlock_next_event(box);
	while (event == SANDLOCK_EVENT_STOPPED || event == SANDLOCK_EVENT_CONTINUED);
	if (terminal_is_ours(&w->terminal))
		terminal_lend(&w->terminal, group);
	sandlock_resume(box);
	sandlock_signal(box, SIGCONT);
}

static void forward(struct watch *w, sandlock_sandbox *box)
{
	struct signalfd_siginfo info;

	while (sys_read(w->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGTSTP) {
			stop_with(w, box, false);
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
			if (forwarded[i].signal == (int)info.ssi_signo)
				w->forwarded |= forwarded[i].ends;
		sandlock_signal(box, (int)info.ssi_signo);
	}
}

/* True when the tree has ended. Without job control a child that stops itself is left stopped: stopping us too would
 * switch its timeout off. */
static bool handle_events(struct watch *w, sandlock_sandbox *box)
{
	enum sandlock_event event;

	while ((event = sandlock_next_event(box)) != SANDLOCK_EVENT_NONE) {
		if (event == SANDLOCK_EVENT_ENDED)
			return true;
		if (event == SANDLOCK_EVENT_STOPPED && w->terminal.jobs)
			stop_with(w, box, true);
	}
	return false;
}

void watch_run(struct watch *w, sandlock_sandbox *box)
{
	struct pollfd fds[] = {
		{ .fd = sandlock_fd(box), .events = POLLIN },
		{ .fd = w->signals, .events = POLLIN },
	};

	while (!handle_events(w, box)) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			forward(w, box);
	}
	terminal_take(&w->terminal, sandlock_pid(box));
}
