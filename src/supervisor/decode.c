/* A notification becomes a call: every pointer argument is copied once, by its role, into the call's own box. */
#include "supervisor/decode.h"

#include <errno.h>
#include <string.h>
#include <utime.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/childmem.h"

void call_box_clear(struct call_box *box)
{
	if (box->call.held)
		fd_close(&box->held);
	box->call.held = NULL;
}

void call_box_fini(struct call_box *box)
{
	call_box_clear(box);
	mem_free(box->bytes);
	box->bytes = NULL;
}

void decode_registers(struct call_box *box, const struct sc_notif *n)
{
	struct call *call = &box->call;

	call->id = n->id;
	call->nr = n->data.nr;
	call->tid = (pid_t)n->pid;
	call->info = syscall_by_nr(ARCH_NATIVE, call->nr);
	call->may_wait = false;
	call->progress = &box->progress;
	call->held = NULL;
	box->progress = (struct progress){ 0 };
	box->decoded = false;
	for (int i = 0; i < 6; i++) {
		call->raw[i] = n->data.args[i];
		call->arg[i] = (struct call_arg){ .role = ROLE_NONE };
	}
}

static int decode_path(struct call_box *box, int i, int *paths)
{
	struct call *call = &box->call;

	if (*paths == DECODE_PATHS)
		return -EINVAL;
	char *to = box->path[(*paths)++];
	call->arg[i].path = to;
	int rc = childmem_string(call->tid, call->raw[i], to, PATH_MAX);
	return rc < 0 ? rc : 0;
}

/* An empty or overlong xattr name is ERANGE, as the kernel has it. */
static int decode_name(struct call_box *box, int i)
{
	int rc = childmem_string(box->call.tid, box->call.raw[i], box->name, sizeof box->name);

	box->call.arg[i].path = box->name;
	return rc == -ENAMETOOLONG || rc == 0 ? -ERANGE : rc < 0 ? rc : 0;
}

static int decode_times(struct call_box *box, int i)
{
	box->call.arg[i].times = box->times;
	return childmem_read(box->call.tid, box->call.raw[i], box->times, sizeof box->times);
}

static int decode_timevals(struct call_box *box, int i)
{
	int64_t tv[2][2];
	int rc = childmem_read(box->call.tid, box->call.raw[i], tv, sizeof tv);

	for (int k = 0; k < 2 && rc == 0; k++) {
		if (tv[k][1] < 0 || tv[k][1] > 999999)
			rc = -EINVAL;
		box->times[k].tv_sec = tv[k][0];
		box->times[k].tv_nsec = rc < 0 ? 0 : (long)(tv[k][1] * 1000);
	}
	box->call.arg[i].times = box->times;
	return rc;
}

static int decode_utimbuf(struct call_box *box, int i)
{
	int64_t sec[2];
	int rc = childmem_read(box->call.tid, box->call.raw[i], sec, sizeof sec);

	for (int k = 0; k < 2 && rc == 0; k++)
		box->times[k] = (struct timespec){ .tv_sec = sec[k] };
	box->call.arg[i].times = box->times;
	return rc;
}

static int decode_bytes(struct call_box *box, int i)
{
	struct call_arg *arg = &box->call.arg[i];
	uint64_t len = i < 5 ? box->call.raw[i + 1] : 0;

	if (len > DECODE_BYTES_MAX)
		return -E2BIG;
	if (!box->bytes)
		box->bytes = mem_alloc(DECODE_BYTES_MAX);
	if (!box->bytes)
		return -ENOMEM;
	arg->bytes.data = box->bytes;
	arg->bytes.len = (size_t)len;
	return childmem_read(box->call.tid, box->call.raw[i], box->bytes, (size_t)len);
}

/* The rest of the box's room is zero, so a short address has the family AF_UNSPEC at worst. */
static int decode_sockaddr(struct call_box *box, int i)
{
	struct call_arg *arg = &box->call.arg[i];
	int len = i < 5 ? (int)(uint32_t)box->call.raw[i + 1] : 0;

	if (len < 0 || len > DECODE_SOCKADDR_MAX)
		return -EINVAL;
	memset(box->sockaddr, 0, sizeof box->sockaddr);
	arg->bytes.data = box->sockaddr;
	arg->bytes.len = (size_t)len;
	return childmem_read(box->call.tid, box->call.raw[i], box->sockaddr, (size_t)len);
}

static int decode_one(struct call_box *box, int i, int *paths)
{
	struct call_arg *arg = &box->call.arg[i];
	uint64_t raw = box->call.raw[i];

	switch (arg->role) {
	case ROLE_FD:
	case ROLE_DIRFD:
		arg->fd = (int)(uint32_t)raw;
		return 0;
	case ROLE_INT:
	case ROLE_LEN:
	case ROLE_PTR:
	case ROLE_OUT:
		arg->num = (int64_t)raw;
		arg->is_null = raw == 0;
		return 0;
	case ROLE_PATH:
	case ROLE_NAME:
	case ROLE_TIMES:
	case ROLE_TIMEVALS:
	case ROLE_UTIMBUF:
	case ROLE_BYTES:
	case ROLE_SOCKADDR:
		break;
	case ROLE_NONE:
	case ROLE_MAX:
		return 0;
	}

	static int (*const by_role[ROLE_MAX])(struct call_box *box, int i) = {
		[ROLE_NAME] = decode_name,
		[ROLE_TIMES] = decode_times,
		[ROLE_TIMEVALS] = decode_timevals,
		[ROLE_UTIMBUF] = decode_utimbuf,
		[ROLE_BYTES] = decode_bytes,
		[ROLE_SOCKADDR] = decode_sockaddr,
	};
	arg->is_null = raw == 0;
	if (arg->is_null)
		return 0;
	return arg->role == ROLE_PATH ? decode_path(box, i, paths) : by_role[arg->role](box, i);
}

int decode_arguments(struct call_box *box)
{
	int paths = 0;

	if (!box->call.info)
		return 0;
	for (int i = 0; i < 6; i++) {
		box->call.arg[i].role = (enum role)box->call.info->role[i];
		int rc = decode_one(box, i, &paths);
		if (rc < 0)
			return rc;
	}
	return 0;
}
