/* Public functions of running sandboxes. */
#include "api/api.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "run/capture.h"

/* --- start --- */

/* A caller built against an older header has a shorter struct, one built against a newer header a longer one. */
static int take_args(const struct sandlock_spawn_args *args, struct sandlock_spawn_args *out, sandlock_error **err)
{
	const struct sandlock_spawn_args defaults = SANDLOCK_SPAWN_ARGS;
	const size_t least = offsetof(struct sandlock_spawn_args, envp);
	const char *bytes = (const char *)args;

	*out = defaults;
	if (!args || args->size < least || args->size > 4096)
		return api_error(err, ERR_USAGE, -EINVAL, "spawn: start the arguments from SANDLOCK_SPAWN_ARGS");
	for (size_t i = sizeof *out; i < args->size; i++)
		if (bytes[i])
			return api_error(err, ERR_USAGE, -E2BIG,
					 "spawn: the arguments use a field that this version of the library does not have");
	memcpy(out, args, args->size < sizeof *out ? args->size : sizeof *out);
	if (!out->argv || !out->argv[0] || !out->argv[0][0])
		return api_error(err, ERR_USAGE, -EINVAL, "spawn: argv must name a program");
	if (out->fd_count && !out->fds)
		return api_error(err, ERR_USAGE, -EINVAL, "spawn: fd_count is not 0, but fds is NULL");
	return 0;
}

/* A port as the public header has it; `address` is room for its text. */
static struct sandlock_port public_port(const struct port_entry *entry, struct str *address)
{
	addr_print(&entry->address, address);
	return (struct sandlock_port){
		.size = sizeof(struct sandlock_port),
		.protocol = net_proto_name(entry->proto),
		.address = address->buf ? address->buf : "",
		.virtual_port = entry->asked,
		.real_port = entry->real,
	};
}

static void tell_port(const struct port_entry *entry, void *arg)
{
	const struct sandlock_sandbox *handle = arg;
	AUTO(str) struct str address = STR(100);
	const struct sandlock_port port = public_port(entry, &address);

	handle->on_port(&port, handle->on_port_arg);
}

static int translate(const struct sandlock_spawn_args *args, struct launch *launch, struct plan_fd *fds,
		     sandlock_error **err)
{
	static const enum stdio_mode modes[] = { STDIO_INHERIT, STDIO_NULL, STDIO_PIPE, STDIO_FD };

	*launch = (struct launch){
		.argv = args->argv,
		.envp = args->envp ? args->envp : (const char *const *)environ,
		.fds = fds,
		.fd_count = args->fd_count,
		.foreground = (args->flags & SANDLOCK_SPAWN_FOREGROUND) != 0,
		.cwd = args->cwd,
	};
	if (args->flags & ~(unsigned)SANDLOCK_SPAWN_FOREGROUND)
		return api_error(err, ERR_USAGE, -EINVAL, "spawn: unknown flags 0x%x", args->flags);
	for (int i = 0; i < 3; i++) {
		if ((unsigned)args->stdio[i].mode >= ARRAY_SIZE(modes))
			return api_error(err, ERR_USAGE, -EINVAL, "spawn: unknown mode of standard stream %d", i);
		launch->stdio[i].mode = modes[args->stdio[i].mode];
		launch->stdio[i].fd = args->stdio[i].fd;
	}
	for (size_t i = 0; i < args->fd_count; i++)
		/* NOLINTNEXTLINE: fds is there when fd_count is */
		fds[i] = (struct plan_fd){ .from = args->fds[i].host_fd, .to = args->fds[i].child_fd };
	return 0;
}

int sandlock_spawn(const sandlock_policy *policy, const struct sandlock_spawn_args *args, sandlock_sandbox **out,
		   sandlock_error **err)
{
	struct sandlock_spawn_args given;
	struct error error = { 0 };
	struct launch launch;
	int rc = 0;
	struct prepared *prepared = api_prepared(policy, &rc, err);

	if (!prepared)
		return rc;
	rc = take_args(args, &given, err);
	if (rc < 0)
		return rc;
	AUTO(free) struct plan_fd *fds = mem_array(given.fd_count, sizeof *fds);
	sandlock_sandbox *handle = mem_alloc(sizeof *handle);
	if (!fds || !handle) {
		mem_free(handle);
		return api_error(err, ERR_MEMORY, -ENOMEM, "not enough memory for a sandbox");
	}
	rc = translate(&given, &launch, fds, err);
	if (rc == 0 && given.on_port) {
		handle->on_port = given.on_port;
		handle->on_port_arg = given.on_port_arg;
		launch.on_port = tell_port;
		launch.on_port_arg = handle;
	}
	if (rc == 0) {
		rc = sandbox_spawn(prepared, &launch, &handle->box, &error);
		if (rc < 0)
			api_fail(err, &error, rc);
	}
	if (rc < 0) {
		mem_free(handle);
		return rc;
	}
	*out = handle;
	return 0;
}

int sandlock_run(const sandlock_policy *policy, const struct sandlock_spawn_args *args,
		 struct sandlock_capture *capture, sandlock_sandbox **out, sandlock_error **err)
{
	struct sandlock_spawn_args given;
	sandlock_sandbox *box = NULL;

	if (!capture || capture->size != sizeof *capture)
		return api_error(err, ERR_USAGE, -EINVAL, "run: set capture.size to sizeof(struct sandlock_capture)");
	int rc = take_args(args, &given, err);
	if (rc < 0)
		return rc;
	given.size = sizeof given;
	given.stdio[0].mode = capture->input ? SANDLOCK_STDIO_PIPE : SANDLOCK_STDIO_NULL;
	given.stdio[1].mode = SANDLOCK_STDIO_PIPE;
	given.stdio[2].mode = SANDLOCK_STDIO_PIPE;
	rc = sandlock_spawn(policy, &given, &box, err);
	if (rc < 0)
		return rc;

	struct capture job = {
		.input = capture->input,
		.input_len = capture->input_len,
		.limit = capture->limit,
	};
	rc = capture_run(box->box, &job); /* NOLINT: spawn gave one */
	if (rc < 0) {
		capture_fini(&job);
		sandlock_free(box);
		return api_error(err, rc == -ENOMEM ? ERR_MEMORY : ERR_IO, rc, "cannot capture the output: %s",
				 error_text(rc));
	}
	capture->output = TAKE(job.stream[0].text);
	capture->output_len = job.stream[0].len;
	capture->errors = TAKE(job.stream[1].text);
	capture->errors_len = job.stream[1].len;
	capture->truncated = (job.stream[0].truncated ? 2U : 0U) | (job.stream[1].truncated ? 4U : 0U);
	*out = box;
	return 0;
}

void sandlock_free(sandlock_sandbox *box)
{
	if (!box)
		return;
	sandbox_free(box->box);
	mem_free(box->reason);
	mem_free(box);
}

/* --- life --- */

int sandlock_wait(sandlock_sandbox *box, int timeout_ms, sandlock_error **err)
{
	int rc = sandbox_wait(box->box, timeout_ms);

	if (rc == -ETIMEDOUT)
		return api_error(err, ERR_STATE, rc, "the sandbox is still running");
	return rc;
}

int sandlock_fd(const sandlock_sandbox *box)
{
	return sandbox_fd(box->box);
}

enum sandlock_event sandlock_next_event(sandlock_sandbox *box)
{
	static const enum sandlock_event events[] = {
		[EVENT_NONE] = SANDLOCK_EVENT_NONE,
		[EVENT_ENDED] = SANDLOCK_EVENT_ENDED,
		[EVENT_STOPPED] = SANDLOCK_EVENT_STOPPED,
		[EVENT_CONTINUED] = SANDLOCK_EVENT_CONTINUED,
	};

	return events[sandbox_next_event(box->box)];
}

int sandlock_pid(const sandlock_sandbox *box)
{
	return box->box->pid;
}

int sandlock_kill(sandlock_sandbox *box)
{
	sandbox_order(box->box, ORDER_KILL, 0);
	return 0;
}

int sandlock_pause(sandlock_sandbox *box)
{
	return sandbox_order(box->box, ORDER_PAUSE, 0);
}

int sandlock_resume(sandlock_sandbox *box)
{
	return sandbox_order(box->box, ORDER_RESUME, 0);
}

int sandlock_signal(sandlock_sandbox *box, int signal)
{
	return signal < 1 || signal > 64 ? -EINVAL : sandbox_order(box->box, ORDER_SIGNAL, signal);
}

int sandlock_stdio_take(sandlock_sandbox *box, int stream)
{
	return sandbox_take_pipe(box->box, stream);
}

/* --- reading --- */

/* A view is a snapshot; it holds a lock, so it is let go before the caller sees anything. */
static struct status_view look(const sandlock_sandbox *box, struct status_limit *limits)
{
	struct status_view view;

	sandbox_view(box->box, &view, limits);
	sandbox_view_done(box->box);
	return view;
}

enum sandlock_exit_kind sandlock_exit_kind(const sandlock_sandbox *box)
{
	struct status_limit limits[SANDBOX_LIMITS];

	return (enum sandlock_exit_kind)look(box, limits).kind;
}

int sandlock_exit_code(const sandlock_sandbox *box)
{
	struct status_limit limits[SANDBOX_LIMITS];
	struct status_view view = look(box, limits);

	return view.kind == STATUS_EXITED ? view.code : -1;
}

int sandlock_exit_signal(const sandlock_sandbox *box)
{
	struct status_limit limits[SANDBOX_LIMITS];

	return look(box, limits).signal;
}

const char *sandlock_exit_reason(const sandlock_sandbox *box)
{
	struct status_limit limits[SANDBOX_LIMITS];
	struct status_view view = look(box, limits);
	AUTO(str) struct str s = STR(1000);
	sandlock_sandbox *owner = (sandlock_sandbox *)(uintptr_t)box;   /* a cache of text, not of state */

	status_reason(&view, &s);
	mem_free(owner->reason);
	owner->reason = str_take(&s);
	return owner->reason ? owner->reason : "not enough memory for the reason";
}

int sandlock_exit_status(const sandlock_sandbox *box)
{
	struct status_limit limits[SANDBOX_LIMITS];
	struct status_view view = look(box, limits);

	return status_exit_code(&view);
}

uint64_t sandlock_usage(const sandlock_sandbox *box, enum sandlock_usage_item item)
{
	struct status_limit limits[SANDBOX_LIMITS];
	struct status_view view = look(box, limits);
	const uint64_t items[] = {
		[SANDLOCK_USAGE_WALL_NS] = view.wall_ns,
		[SANDLOCK_USAGE_CPU_NS] = view.cpu_ns,
		[SANDLOCK_USAGE_PEAK_MEMORY] = view.peak_memory,
		[SANDLOCK_USAGE_REFUSALS] = view.refusals,
		[SANDLOCK_USAGE_NOTIFICATIONS] = view.notifications,
	};

	return (size_t)item < ARRAY_SIZE(items) ? items[item] : 0;
}

size_t sandlock_refusal_count(const sandlock_sandbox *box)
{
	struct status_limit limits[SANDBOX_LIMITS];

	return look(box, limits).entry_count;
}

/* Entries are only ever added, and their strings stay where they are. */
static bool entry_at(const sandlock_sandbox *box, size_t index, struct report_entry *out)
{
	struct status_limit limits[SANDBOX_LIMITS];
	struct status_view view;

	sandbox_view(box->box, &view, limits);
	bool there = index < view.entry_count;
	if (there)
		*out = view.entries[index];
	sandbox_view_done(box->box);
	return there;
}

const char *sandlock_refusal_get(const sandlock_sandbox *box, size_t index, enum sandlock_refusal_field f)
{
	struct report_entry entry;

	if (!entry_at(box, index, &entry))
		return NULL;
	const char *const fields[] = {
		[SANDLOCK_REFUSAL_OPERATION] = entry.operation,
		[SANDLOCK_REFUSAL_TARGET] = entry.target,
		[SANDLOCK_REFUSAL_PROCESS] = entry.process,
		[SANDLOCK_REFUSAL_RULE] = entry.rule,
		[SANDLOCK_REFUSAL_FLAG] = entry.flag,
	};
	return (size_t)f < ARRAY_SIZE(fields) ? fields[f] : NULL;
}

uint64_t sandlock_refusal_times(const sandlock_sandbox *box, size_t index)
{
	struct report_entry entry;

	return entry_at(box, index, &entry) ? entry.times : 0;
}

int sandlock_refusal_pid(const sandlock_sandbox *box, size_t index)
{
	struct report_entry entry;

	return entry_at(box, index, &entry) ? entry.pid : -1;
}

int sandlock_refusal_errno(const sandlock_sandbox *box, size_t index)
{
	struct report_entry entry;

	return entry_at(box, index, &entry) ? entry.errnum : 0;
}

static int print(const sandlock_sandbox *box, int (*format)(const struct status_view *v, struct str *out), char **out,
		 sandlock_error **err)
{
	struct status_limit limits[SANDBOX_LIMITS];
	struct status_view view;
	AUTO(str) struct str s = STR(STATUS_TEXT_MAX);

	sandbox_view(box->box, &view, limits);
	format(&view, &s);
	sandbox_view_done(box->box);
	return api_text(&s, out, err);
}

int sandlock_report(const sandlock_sandbox *box, enum sandlock_format format, char **out, sandlock_error **err)
{
	if (format == SANDLOCK_TOML)
		return api_error(err, ERR_USAGE, -EINVAL, "a report is text or JSON");
	return print(box, format == SANDLOCK_JSON ? status_report_json : status_report_text, out, err);
}

int sandlock_status(const sandlock_sandbox *box, char **out, sandlock_error **err)
{
	return print(box, status_json, out, err);
}

int sandlock_ports(const sandlock_sandbox *box, sandlock_port_function *each, void *arg, sandlock_error **err)
{
	AUTO(free) struct port_entry *list = NULL;
	size_t count = 0;
	int rc = box->box->ports ? portmap_list(box->box->ports, &list, &count) : 0;

	if (rc < 0)
		return api_error(err, ERR_MEMORY, rc, "not enough memory for the list of ports");
	for (size_t i = 0; i < count && each; i++) {
		AUTO(str) struct str address = STR(100);
		const struct sandlock_port port = public_port(&list[i], &address);

		each(&port, arg);
	}
	return (int)count;
}
