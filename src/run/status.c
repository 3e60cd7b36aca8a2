/* How a sandbox ended, what it used and what was refused, as text for people and as JSON. */
#include "run/status.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/sys.h"

#define NS_PER_MS 1000000U
#define EXIT_TIMED_OUT 124

static const char *const kind_names[] = {
	[STATUS_RUNNING] = "running",
	[STATUS_EXITED] = "exited",
	[STATUS_SIGNALED] = "signaled",
	[STATUS_TIMED_OUT] = "timed-out",
	[STATUS_KILLED] = "killed",
	[STATUS_LIMIT] = "limit",
	[STATUS_LOST] = "lost",
};
_Static_assert(ARRAY_SIZE(kind_names) == STATUS_KIND_MAX, "every kind has a name");

static void add_signal(struct str *out, int sig)
{
	const char *name = sys_signal_name(sig);

	str_addf(out, "signal %d", sig);
	if (name)
		str_addf(out, " (SIG%s)", name);
}

int status_reason(const struct status_view *v, struct str *out)
{
	switch (v->kind) {
	case STATUS_RUNNING:
		str_add(out, "still running");
		break;
	case STATUS_EXITED:
		str_addf(out, "exited with code %d", v->code);
		break;
	case STATUS_SIGNALED:
		str_add(out, "killed by ");
		add_signal(out, v->signal);
		break;
	case STATUS_TIMED_OUT:
		str_add(out, "timed out");
		break;
	case STATUS_KILLED:
		str_add(out, "killed on request");
		break;
	case STATUS_LIMIT:
		str_addf(out, "killed for passing %s", v->limit ? v->limit : "a limit");
		break;
	case STATUS_LOST:
		str_add(out, "lost: its reaper was killed from outside, and everything with it");
		break;
	case STATUS_KIND_MAX:
		return -EINVAL;
	}
	return out->rc;
}

int status_exit_code(const struct status_view *v)
{
	if (v->kind == STATUS_RUNNING)
		return -1;
	if (v->kind == STATUS_EXITED)
		return v->code;
	if (v->kind == STATUS_TIMED_OUT)
		return EXIT_TIMED_OUT;
	return 128 + (v->signal ? v->signal : SIGKILL);
}

/* --- JSON --- */

static void json_refusal(struct json *j, const struct report_entry *e)
{
	json_object(j);
	json_pair_text(j, "operation", e->operation);
	json_pair_text(j, "target", e->target);
	json_pair_text(j, "process", e->process);
	if (e->pid)
		json_pair_int(j, "pid", e->pid);
	json_pair_int(j, "errno", e->errnum);
	json_pair_text(j, "error", e->errnum ? error_name(e->errnum) : NULL);
	json_pair_text(j, "rule", e->rule);
	json_pair_text(j, "flag", e->flag);
	json_pair_uint(j, "times", e->times);
	json_end(j);
}

static void json_limits(struct json *j, const struct status_view *v)
{
	json_key(j, "limits");
	json_object(j);
	for (size_t i = 0; i < v->limit_count; i++)
		json_pair_uint(j, v->limits[i].name, v->limits[i].value);
	json_end(j);
}

/* Only where somebody sees them. */
static int json_ports(struct json *j, const struct status_view *v)
{
	struct port_entry *list = NULL;
	size_t count = 0;
	int rc = v->ports ? portmap_list(v->ports, &list, &count) : 0;

	if (!v->ports || rc < 0)
		return rc;
	json_key(j, "ports");
	json_array(j);
	for (size_t i = 0; i < count; i++) {
		AUTO(str) struct str address = STR(100);

		addr_print(&list[i].address, &address);
		json_object(j);
		json_pair_text(j, "protocol", net_proto_name(list[i].proto));
		json_pair_text(j, "address", address.buf);
		json_pair_uint(j, "virtual", list[i].asked);
		json_pair_uint(j, "real", list[i].real);
		json_end(j);
	}
	json_end(j);
	mem_free(list);
	return 0;
}

int status_json(const struct status_view *v, struct str *out)
{
	AUTO(str) struct str reason = STR(1024);
	int rc = status_reason(v, &reason);
	struct json j = JSON(out);

	if (rc < 0)
		return rc;
	json_object(&j);
	json_pair_int(&j, "exit_code", v->kind == STATUS_EXITED ? v->code : -1);
	if (v->signal)
		json_pair_int(&j, "signal", v->signal);
	json_pair_text(&j, "kind", kind_names[v->kind]);
	json_pair_text(&j, "reason", reason.buf);
	if (v->name)
		json_pair_text(&j, "name", v->name);
	json_pair_uint(&j, "wall_ms", v->wall_ns / NS_PER_MS);
	json_pair_uint(&j, "cpu_ms", v->cpu_ns / NS_PER_MS);
	json_pair_uint(&j, "peak_memory", v->peak_memory);
	json_pair_uint(&j, "notifications", v->notifications);
	json_pair_uint(&j, "refusals", v->refusals);
	json_limits(&j, v);
	rc = json_ports(&j, v);
	json_end(&j);
	return rc < 0 ? rc : json_done(&j);
}

int status_report_json(const struct status_view *v, struct str *out)
{
	struct json j = JSON(out);

	json_object(&j);
	json_pair_uint(&j, "total", v->refusals);
	json_pair_uint(&j, "dropped", v->dropped);
	json_pair_bool(&j, "supervised", v->supervised);
	json_pair_bool(&j, "explained", v->explained);
	json_key(&j, "refusals");
	json_array(&j);
	for (size_t i = 0; i < v->entry_count; i++)
		json_refusal(&j, &v->entries[i]);
	json_end(&j);
	int rc = json_ports(&j, v);
	json_end(&j);
	return rc < 0 ? rc : json_done(&j);
}

/* --- text --- */

static void add_bytes(struct str *out, const char *bytes)
{
	str_add_quoted(out, bytes, strlen(bytes));
}

/* Three facts: what was refused to whom, why, and what would allow it. */
static void add_refusal(struct str *out, const struct report_entry *e)
{
	str_add(out, "  ");
	add_bytes(out, e->process);
	if (e->pid)
		str_addf(out, " (pid %d)", (int)e->pid);
	str_addf(out, ": %s '", e->operation);
	add_bytes(out, e->target);
	str_addf(out, "': %s", e->errnum ? error_text(e->errnum) : "dropped");
	if (e->times > 1)
		str_addf(out, ", %llu times", (unsigned long long)e->times);
	str_add(out, "\n      why: ");
	add_bytes(out, e->rule);
	str_add(out, e->flag ? "\n      add: " : "\n      no option allows this");
	if (e->flag)
		add_bytes(out, e->flag);
	str_addc(out, '\n');
}

static const char unseen[] = "what Landlock alone refuses is not seen without --explain";

/* What was bound, and the number that it has outside where that is another one. */
static int add_ports(struct str *out, const struct status_view *v)
{
	struct port_entry *list = NULL;
	size_t count = 0;
	int rc = v->ports ? portmap_list(v->ports, &list, &count) : 0;

	if (count)
		str_add(out, "sandlock: ports that were bound\n");
	for (size_t i = 0; i < count; i++) {
		list[i].address.port = list[i].asked;
		str_addf(out, "  %s ", net_proto_name(list[i].proto));
		addr_print_port(&list[i].address, out);
		if (list[i].real != list[i].asked)
			str_addf(out, ", outside the sandbox port %u", list[i].real);
		str_addc(out, '\n');
	}
	mem_free(list);
	return rc < 0 ? rc : out->rc;
}

int status_report_text(const struct status_view *v, struct str *out)
{
	if (!v->supervised) {
		str_add(out, "sandlock: refusals cannot be reported without a supervisor\n");
		return out->rc;
	}
	if (v->refusals == 0)
		str_add(out, "sandlock: nothing was refused");
	else
		str_addf(out, "sandlock: %llu refusal%s", (unsigned long long)v->refusals, v->refusals == 1 ? "" : "s");
	if (!v->explained)
		str_addf(out, " (%s)", unseen);
	str_addc(out, '\n');
	for (size_t i = 0; i < v->entry_count; i++)
		add_refusal(out, &v->entries[i]);
	if (v->dropped)
		str_addf(out, "  and %llu more that the report had no room for\n", (unsigned long long)v->dropped);
	return add_ports(out, v);
}
