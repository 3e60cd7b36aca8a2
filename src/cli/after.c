/* What `run` leaves behind: the report, the status line for programs, the one line for people. */
#include "cli/after.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "cli/out.h"

int after_open(struct after *a)
{
	if (!a->report || !a->report[0])
		return 0;
	int fd = sys_openat(AT_FDCWD, a->report, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);

	if (fd < 0)
		return fd;
	a->report_fd = fd;
	return 0;
}

void after_close(struct after *a)
{
	fd_close(&a->report_fd);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text);
	size_t tail = strlen(end);

	return len >= tail && strcmp(text + len - tail, end) == 0;
}

static void write_report(const struct after *a, const sandlock_sandbox *box)
{
	enum sandlock_format format = ends_with(a->report, ".json") ? SANDLOCK_JSON : SANDLOCK_TEXT;
	sandlock_error *err = NULL;
	char *text = NULL;

	if (sandlock_report(box, format, &text, &err) < 0) {
		out_failure(err, false);
		return;
	}
	int rc = fd_write_all(a->report[0] ? a->report_fd : STDERR_FILENO, text, strlen(text));

	if (rc < 0 && a->report[0])
		out_say("cannot write the report: %s", error_text(rc));
	sandlock_string_free(text);
}

static void write_line(int fd, const char *text, size_t len)
{
	AUTO(str) struct str line = STR(1 << 24);

	while (len && text[len - 1] == '\n')
		len--;
	str_addn(&line, text, len);
	str_addc(&line, '\n');
	int rc = line.rc < 0 ? line.rc : fd_write_all(fd, line.buf, line.len);

	if (rc < 0)
		out_say("cannot write the status: %s", error_text(rc));
}

static void write_status(const struct after *a, const sandlock_sandbox *box)
{
	sandlock_error *err = NULL;
	char *text = NULL;

	if (sandlock_status(box, &text, &err) < 0) {
		out_failure(err, false);
		return;
	}
	write_line(a->status_fd, text, strlen(text));
	sandlock_string_free(text);
}

void after_failed_start(const struct after *a, int code, const char *message)
{
	AUTO(str) struct str line = STR(1 << 16);

	if (a->status_fd < 0)
		return;
	str_addf(&line, "{\"exit_code\":-1,\"started\":false,\"status\":%d,\"error\":", code);
	str_add_json(&line, message, strlen(message));
	str_addc(&line, '}');
	if (line.rc == 0)
		write_line(a->status_fd, line.buf, line.len);
}

/* "3 refusals; the first: python3: write '/etc/x' (no grant covers it); -w /etc would allow it; --report lists all" */
static void say_refusals(const sandlock_sandbox *box)
{
	AUTO(str) struct str process = STR(200);
	AUTO(str) struct str target = STR(700);
	size_t count = sandlock_refusal_count(box);
	const char *rule = sandlock_refusal_get(box, 0, SANDLOCK_REFUSAL_RULE);
	const char *flag = sandlock_refusal_get(box, 0, SANDLOCK_REFUSAL_FLAG);
	const char *name = sandlock_refusal_get(box, 0, SANDLOCK_REFUSAL_PROCESS);
	const char *what = sandlock_refusal_get(box, 0, SANDLOCK_REFUSAL_TARGET);

	out_say("%zu refusal%s; the first: %s: %s '%s' (%s)%s%s; --report lists %s", count, count == 1 ? "" : "s",
		out_quote(&process, name ? name : "?"), sandlock_refusal_get(box, 0, SANDLOCK_REFUSAL_OPERATION),
		out_quote(&target, what ? what : "?"), rule ? rule : "refused", flag ? "; to allow it: " : "", flag ? flag : "",
		count == 1 ? "it in full" : "them all");
}

static void say_failure(const struct after *a, const sandlock_sandbox *box, int status)
{
	enum sandlock_exit_kind kind = sandlock_exit_kind(box);

	if (a->report && sandlock_refusal_count(box))
		return;
	if (sandlock_refusal_count(box))
		say_refusals(box);
	else if (kind == SANDLOCK_SIGNALED && !a->interrupted)
		out_say("the program was killed by signal %d%s%s%s", sandlock_exit_signal(box),
			sys_signal_name(sandlock_exit_signal(box)) ? " (SIG" : "",
			sys_signal_name(sandlock_exit_signal(box)) ? sys_signal_name(sandlock_exit_signal(box)) : "",
			sys_signal_name(sandlock_exit_signal(box)) ? ")" : "");
	else if (kind == SANDLOCK_EXITED && !a->explained)
		out_say("the program exited with %d; only --explain lists files and TCP ports that Landlock refused",
			status);
}

static void say_timeout(uint64_t ns)
{
	const uint64_t second = 1000000000;

	if (ns % second == 0)
		out_say("timeout after %llus", (unsigned long long)(ns / second));
	else
		out_say("timeout after %llums", (unsigned long long)(ns / (second / 1000)));
}

/* What sandlock itself did to the program is said even when quiet: the program cannot have said it. */
static bool say_reason(const struct after *a, const sandlock_sandbox *box)
{
	enum sandlock_exit_kind kind = sandlock_exit_kind(box);
	const char *reason = sandlock_exit_reason(box);

	if (kind == SANDLOCK_EXITED || kind == SANDLOCK_SIGNALED || !reason)
		return false;
	if (kind == SANDLOCK_TIMED_OUT && a->has_timeout)
		say_timeout(a->timeout);
	else
		out_say("%s", reason);
	return true;
}

int after_end(const struct after *a, const sandlock_sandbox *box)
{
	int status = sandlock_exit_status(box);

	if (a->report)
		write_report(a, box);
	if (a->status_fd >= 0)
		write_status(a, box);
	if (!say_reason(a, box)) {
		if (status != 0 && !a->quiet)
			say_failure(a, box, status);
	} else if (sandlock_exit_kind(box) == SANDLOCK_TIMED_OUT && !a->quiet && !a->report && sandlock_refusal_count(box)) {
		say_refusals(box);      /* most often what it waited or tried again for */
	}
	return status < 0 ? EXIT_OWN_FAILURE : status;
}
