/* A kernel_ops for unit tests of features. */
#include "fake_kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/sys.h"

#define HOLE 4096                       /* below it nobody has memory */

static struct fake *fake_of(const struct call *call)
{
	return call->supervisor;
}

static int give(struct fake *f, const char *name)
{
	for (size_t i = 0; i < f->object_count; i++) {
		if (strcmp(f->objects[i].name, name) != 0)
			continue;
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		assert_true(fd >= 0 && fd < 1024);
		f->of_fd[fd] = &f->objects[i];
		return fd;
	}
	return name[0] == 'f' && name[1] == 'd' && name[2] == ' ' ? -EBADF : -ENOENT;
}

static int fake_pin_fd(const struct call *call, int fd)
{
	char name[32];

	fake_of(call)->pins++;
	snprintf(name, sizeof name, "fd %d", fd);
	return give(fake_of(call), name);
}

static int fake_pin(const struct call *call, int dirfd, const char *path, int flags)
{
	struct fake *f = fake_of(call);

	f->pin_flags = flags;
	f->dirfd = dirfd;
	if (path[0] == '\0' && (flags & AT_EMPTY_PATH) && dirfd != AT_FDCWD)
		return fake_pin_fd(call, dirfd);
	f->pins++;
	return give(f, path);
}

static bool fake_fd_is_writable(const struct call *call, int fd)
{
	struct fake *f = fake_of(call);
	char name[32];

	snprintf(name, sizeof name, "fd %d", fd);
	for (size_t i = 0; i < f->object_count; i++)
		if (strcmp(f->objects[i].name, name) == 0)
			return f->objects[i].writable;
	return false;
}

static int fake_path_of(const struct call *call, int pinned, char *out)
{
	const struct fake_object *o = fake_of(call)->of_fd[pinned];

	if (o->deleted)
		return -ENOENT;
	if (!o->path)
		return -EINVAL;
	snprintf(out, PATH_MAX, "%s", o->path);
	return 0;
}

static int fake_copy_out(const struct call *call, uint64_t to, const void *from, size_t len)
{
	struct fake *f = fake_of(call);

	if (to < (f->own_memory ? HOLE : 1))
		return -EFAULT;
	if (f->own_memory) {
		memcpy((void *)(uintptr_t)to, from, len);
		return 0;
	}
	assert_true(len <= sizeof f->out);
	memcpy(f->out, from, len);
	f->out_len = len;
	return 0;
}

static int fake_copy_in(const struct call *call, void *to, uint64_t from, size_t len)
{
	struct fake *f = fake_of(call);

	f->reads++;
	if (from < (f->own_memory ? HOLE : 1))
		return -EFAULT;
	if (f->own_memory) {
		memcpy(to, (const void *)(uintptr_t)from, len);
		return 0;
	}
	uint64_t at = f->memory_at ? from - f->memory_at : 0;
	if (at > sizeof f->memory || len > sizeof f->memory - at)
		return -EFAULT;
	memcpy(to, f->memory + at, len);
	return 0;
}

/* Byte by byte, up to the first that lies in the hole. */
static ssize_t fake_gather(const struct call *call, void *to, size_t len, const struct piece *from, size_t count,
			   uint64_t skip)
{
	size_t got = 0;

	assert_true(fake_of(call)->own_memory);
	for (size_t i = 0; i < count && got < len; i++) {
		for (uint64_t k = 0; k < from[i].len && got < len; k++) {
			if (skip) {
				skip--;
				continue;
			}
			if (from[i].at < HOLE)
				return got ? (ssize_t)got : -EFAULT;
			((char *)to)[got++] = ((const char *)(uintptr_t)from[i].at)[k];
		}
	}
	return (ssize_t)got;
}

static pid_t fake_process(const struct call *call)
{
	return call->tid;
}

static int fake_count_tree(const struct call *call, unsigned *processes, unsigned *tasks)
{
	struct fake *f = fake_of(call);

	f->counts++;
	if (f->before_count)
		f->before_count(f);
	*processes = f->processes;
	*tasks = f->tasks;
	return f->count_rc;
}

static int fake_task_progress(const struct call *call, pid_t tid, bool *asleep, uint64_t *cpu_ns)
{
	struct fake *f = fake_of(call);

	return f->progress ? f->progress(f, tid, asleep, cpu_ns) : -ESRCH;
}

static int fake_stranger(const struct call *call, pid_t pid, char comm[COMM_SIZE])
{
	struct fake *f = fake_of(call);

	f->stranger = pid;
	snprintf(comm, COMM_SIZE, "%s", f->comm ? f->comm : "");
	return f->stranger_rc;
}

static pid_t fake_pidfd_pid(const struct call *call, int fd)
{
	(void)fd;
	return fake_of(call)->pidfd_rc;
}

static void fake_refuse(const struct call *call, const struct refusal *r)
{
	struct fake *f = fake_of(call);

	f->refusals++;
	snprintf(f->operation, sizeof f->operation, "%s", r->operation);
	snprintf(f->target, sizeof f->target, "%s", r->target);
	snprintf(f->rule, sizeof f->rule, "%s", r->rule);
	snprintf(f->flag, sizeof f->flag, "%s", r->flag ? r->flag : "");
	f->errnum = r->errnum;
}

static int did(const struct call *call, const char *what, int pinned, uint64_t first, uint64_t second)
{
	struct fake *f = fake_of(call);
	const struct fake_object *o = f->of_fd[pinned];

	f->acts++;
	f->acted = what;
	f->acted_path = o->path ? o->path : "";
	f->value[0] = first;
	f->value[1] = second;
	return f->fail;
}

static int fake_chmod(const struct call *call, int pinned, mode_t mode)
{
	return did(call, "chmod", pinned, mode, 0);
}

static int fake_chown(const struct call *call, int pinned, uid_t uid, gid_t gid)
{
	return did(call, "chown", pinned, uid, gid);
}

static int fake_utimens(const struct call *call, int pinned, const struct timespec times[2])
{
	struct fake *f = fake_of(call);

	f->times_null = !times;
	if (times)
		memcpy(f->times, times, sizeof f->times);
	return did(call, "utimens", pinned, 0, 0);
}

static int fake_setxattr(const struct call *call, int pinned, const char *name, const void *value, size_t len, int flags)
{
	if (len && len <= sizeof fake_of(call)->out && value)
		memcpy(fake_of(call)->out, value, len);
	snprintf(fake_of(call)->text, sizeof fake_of(call)->text, "%s", name);
	return did(call, "setxattr", pinned, len, (uint64_t)flags);
}

static int fake_removexattr(const struct call *call, int pinned, const char *name)
{
	snprintf(fake_of(call)->text, sizeof fake_of(call)->text, "%s", name);
	return did(call, "removexattr", pinned, 0, 0);
}

static int fake_fsflags(const struct call *call, int pinned, unsigned long request, const void *arg)
{
	uint32_t flags;

	memcpy(&flags, arg, sizeof flags);
	return did(call, "fsflags", pinned, request, flags);
}

static int fake_file_setattr(const struct call *call, int pinned, const struct file_attr_v0 *attr)
{
	return did(call, "file_setattr", pinned, attr->xflags, attr->cowextsize);
}

static int fake_socket_port(const struct call *call, int sock)
{
	struct fake *f = fake_of(call);

	return f->acts ? f->of_fd[sock]->port_after : f->of_fd[sock]->port;
}

static int fake_socket_info(const struct call *call, int sock, unsigned want, struct socket_info *out)
{
	const struct fake *f = fake_of(call);

	(void)sock;
	if (want & WANT_DOMAIN)
		out->domain = f->socket.domain;
	if (want & WANT_TYPE)
		out->type = f->socket.type;
	if (want & WANT_PROTOCOL)
		out->protocol = f->socket.protocol;
	return f->socket_rc;
}

void fake_name(struct fake *f, const void *name, size_t len)
{
	f->name_len = name ? len : 0;
	assert_true(f->name_len <= sizeof f->name);
	if (name)
		memcpy(f->name, name, len);
}

static int fake_connect(const struct call *call, int sock, const void *name, size_t len)
{
	struct fake *f = fake_of(call);

	(void)sock;
	f->connects++;
	fake_name(f, name, len);
	return f->fail;
}

static ssize_t fake_send(const struct call *call, int sock, const struct outgoing *m, int flags)
{
	struct fake *f = fake_of(call);

	(void)sock;
	(void)flags;
	f->sends++;
	fake_name(f, m->name, m->name_len);
	return f->fail < 0 ? f->fail : (ssize_t)m->len;
}

static int fake_listen(const struct call *call, int sock, int backlog)
{
	return did(call, "listen", sock, (uint64_t)backlog, 0);
}

static int fake_join(const struct call *call, int sock, int level, int option, const void *value, size_t len)
{
	struct fake *f = fake_of(call);

	memcpy(f->out, value, len);
	f->out_len = len;
	return did(call, "join", sock, (uint64_t)level, (uint64_t)option);
}

static void fake_unlisten(const struct call *call, int sock)
{
	(void)sock;
	fake_of(call)->unlistens++;
}

static int fake_island_socket(const struct call *call, int domain, int type, int protocol)
{
	struct fake *f = fake_of(call);

	f->island_order[0] = domain;
	f->island_order[1] = type;
	f->island_order[2] = protocol;
	return f->fail < 0 ? f->fail : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool fake_in_island(const struct call *call, int sock)
{
	(void)sock;
	return fake_of(call)->in_island;
}

static int fake_to_island(const struct call *call, int fd)
{
	(void)fd;
	fake_of(call)->moves++;
	return fake_of(call)->fail;
}

const struct kernel_ops fake_ops = {
	.pin = fake_pin,
	.pin_fd = fake_pin_fd,
	.fd_is_writable = fake_fd_is_writable,
	.path_of = fake_path_of,
	.copy_out = fake_copy_out,
	.copy_in = fake_copy_in,
	.gather = fake_gather,
	.process = fake_process,
	.count_tree = fake_count_tree,
	.task_progress = fake_task_progress,
	.stranger = fake_stranger,
	.pidfd_pid = fake_pidfd_pid,
	.socket_port = fake_socket_port,
	.socket_info = fake_socket_info,
	.connect = fake_connect,
	.send = fake_send,
	.listen = fake_listen,
	.join = fake_join,
	.unlisten = fake_unlisten,
	.refuse = fake_refuse,
	.island_socket = fake_island_socket,
	.in_island = fake_in_island,
	.to_island = fake_to_island,
	.chmod = fake_chmod,
	.chown = fake_chown,
	.utimens = fake_utimens,
	.setxattr = fake_setxattr,
	.removexattr = fake_removexattr,
	.fsflags = fake_fsflags,
	.file_setattr = fake_file_setattr,
};

struct call fake_call(struct fake *f, const char *syscall, const uint64_t raw[6])
{
	struct call call = { .id = 1, .tid = 100, .kernel = &fake_ops, .supervisor = f, .progress = &f->call_progress };

	f->call_progress = (struct progress){ 0 };
	call.info = syscall_by_name(syscall);
	assert_non_null(call.info);
	call.nr = call.info->nr[ARCH_NATIVE];
	for (int i = 0; i < 6; i++) {
		struct call_arg *arg = &call.arg[i];

		call.raw[i] = raw[i];
		arg->role = (enum role)call.info->role[i];
		arg->num = (int64_t)raw[i];
		if (arg->role == ROLE_FD || arg->role == ROLE_DIRFD)
			arg->fd = (int)(uint32_t)raw[i];
		arg->is_null = raw[i] == 0 && arg->role != ROLE_FD && arg->role != ROLE_DIRFD;
	}
	return call;
}

void fake_path(struct call *call, int arg, const char *path)
{
	call->arg[arg].path = path;
	call->arg[arg].is_null = !path;
}

void fake_times(struct call *call, int arg, const struct timespec *times)
{
	call->arg[arg].times = times;
	call->arg[arg].is_null = !times;
}

void fake_bytes(struct call *call, int arg, const void *data, size_t len)
{
	call->arg[arg].bytes.data = data;
	call->arg[arg].bytes.len = len;
	call->arg[arg].is_null = !data;
	call->raw[arg] = (uint64_t)(uintptr_t)data;
	call->raw[arg + 1] = len;
}

struct verdict fake_ask(const struct feature *feature, void *state, const struct call *call)
{
	for (size_t i = 0; i < feature->handler_count; i++) {
		const struct handler *h = &feature->handlers[i];

		if (strcmp(h->syscall, "*") != 0 && strcmp(h->syscall, call->info->name) != 0)
			continue;
		struct verdict v = h->on_call(call, state);

		assert_false(v.kind == V_CONTINUE && !(h->flags & H_MAY_CONTINUE));
		return v;
	}
	fail_msg("%s has no row for %s", feature->name, call->info->name);
	return v_next();
}

void check_errno(struct verdict v, int errnum)
{
	assert_int_equal(v.kind, V_ERRNO);
	assert_int_equal(v.value, errnum);
}

void check_value(struct verdict v, int64_t value)
{
	assert_int_equal(v.kind, V_RETURN);
	assert_int_equal(v.value, value);
}
