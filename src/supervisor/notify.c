/*
 * The supervisor of one sandbox: receives notifications, has them decoded and judged, and answers each exactly once.
 *
 * One thread receives and answers, with the kernel's synchronous wake-up; rows with H_BLOCKS and calls that wait go to
 * workers. This is the only file that sends a reply.
 */
#include "supervisor/notify.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/thread.h"
#include "supervisor/onbehalf.h"
#include "supervisor/parking.h"
#include "supervisor/sockets.h"

#define SHORTEST_SLICE_NS 100000ULL
#define NOTIF_MAX 512           /* newer kernels may have a longer struct; the tail must be zero */

int supervisor_init(struct supervisor *s, struct report *report)
{
	memset(s, 0, sizeof *s);
	s->listener = -1;
	s->wake = -1;
	s->kernel = &onbehalf_ops;
	s->connecting = -1;
	for (size_t i = 0; i < SUPERVISOR_PIDFDS; i++)
		s->pidfds[i].fd = -1;
	workers_init(s);
	parking_init(s);
	domains_init(&s->domains);
	s->report = report;
	pthread_mutex_init(&s->connect_lock, NULL);
	pthread_mutex_init(&s->switch_lock, NULL);
	s->wake = (int)SYS(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s->wake < 0 ? s->wake : 0;
}

bool notify_is_valid(const struct supervisor *s, uint64_t id)
{
	return sys_ioctl(s->listener, SC_IOCTL_ID_VALID, &id) == 0;
}

static void send_reply(struct supervisor *s, const struct sc_resp *resp)
{
	int rc;

	do {
		rc = sys_ioctl(s->listener, SC_IOCTL_SEND, resp);
	} while (rc == -EINTR);
	/* ENOENT: the caller died meanwhile; there is nobody to answer. */
}

/* The descriptor becomes the result in one step, so no other thread of the caller can take it in between. A number that
 * the caller's limit does not allow is not insisted on. */
static int give_fd(struct supervisor *s, uint64_t id, const struct verdict *v)
{
	struct sc_addfd add = {
		.id = id, .flags = SC_ADDFD_SEND | (v->fd_number ? SC_ADDFD_SETFD : 0), .srcfd = (uint32_t)v->value,
		.newfd = v->fd_number, .newfd_flags = v->fd_flags & O_CLOEXEC,
	};
	int rc = sys_ioctl(s->listener, SC_IOCTL_ADDFD, &add);

	if (rc != -EBADF || !v->fd_number)
		return rc;
	add.flags = SC_ADDFD_SEND;
	add.newfd = 0;
	return sys_ioctl(s->listener, SC_IOCTL_ADDFD, &add);
}

static void notify_reply(struct supervisor *s, uint64_t id, struct verdict v)
{
	struct sc_resp resp = { .id = id };

	atomic_fetch_add_explicit(&s->answered, 1, memory_order_relaxed);
	if (v.kind == V_GIVE_FD) {
		int fd = (int)v.value;
		int rc = give_fd(s, id, &v);

		fd_close(&fd);
		if (rc >= 0)
			return;
		v = v_errno(rc == -EMFILE ? EMFILE : EACCES);
	}
	if (v.kind == V_CONTINUE)
		resp.flags = SC_RESP_CONTINUE;
	else if (v.kind == V_RETURN)
		resp.val = v.value;
	else
		resp.error = v.kind == V_ERRNO && v.value > 0 && v.value < 4096 ? -(int32_t)v.value : -ENOSYS;
	send_reply(s, &resp);
}

void notify_refuse(struct supervisor *s, uint64_t id, int errnum)
{
	notify_reply(s, id, v_errno(errnum));
}

static enum run_end run(struct supervisor *s, struct call_box *box)
{
	unsigned flags = dispatch_flags(&s->dispatch, box->call.nr);
	struct verdict v;
	int rc = 0;

	if (!(flags & H_NO_DECODE) && !box->decoded) {
		rc = decode_arguments(box);
		box->decoded = true;
		/* What was read is the caller's only if the caller is still the one that is waiting. H_TRIES rows look
		 * later, when they pin the caller's descriptor, which says it of everything before. */
		if ((rc < 0 || !(flags & H_TRIES)) && !notify_is_valid(s, box->call.id))
			return RUN_ENDED;
	}
	v = rc < 0 ? v_errno(rc) : dispatch_call(&s->dispatch, &box->call);
	if (v.kind == V_LATER)
		return RUN_WAITS;
	if (v.kind == V_PARK && parking_add_take(s, box, (int)v.value) == 0)
		return RUN_PARKED;
	/* No room: what came is told, and else the kernel waits, so that only an address may be told as it is outside. */
	if (v.kind == V_PARK)
		v = box->progress.messages ? v_result(box->progress.messages) : v_continue();
	notify_reply(s, box->call.id, v);
	return RUN_ENDED;
}

/* Whoever runs it may be left in the middle: then the box is its thread's, since the kernel may still write to it. */
enum run_end notify_run(struct supervisor *s, struct call_box *box)
{
	stuck_hold(box);
	enum run_end end = run(s, box);
	stuck_hold(NULL);
	return end;
}

static void hand_over(struct supervisor *s, const struct sc_notif *n)
{
	struct call_box *box = workers_box(s);

	if (!box) {
		notify_reply(s, n->id, v_errno(EAGAIN));        /* every worker is stuck: refuse */
		return;
	}
	decode_registers(box, n);
	if (workers_queue(s, box, false) < 0)
		notify_reply(s, n->id, v_errno(EAGAIN));
}

/* On this thread; a call that would have to wait leaves with the box that its arguments are in. */
static void run_here(struct supervisor *s, const struct sc_notif *n)
{
	if (!s->box)
		s->box = workers_own_box(s);
	if (!s->box) {
		notify_reply(s, n->id, v_errno(ENOMEM));
		return;
	}
	decode_registers(s->box, n);
	enum run_end end = notify_run(s, s->box);
	if (end == RUN_WAITS && workers_queue(s, s->box, true) < 0)
		notify_reply(s, n->id, v_errno(EAGAIN));        /* more wait already than we have room for */
	else if (end != RUN_ENDED)
		s->box = NULL;
}

/*
 * One notification. -ENOENT: it is gone already, or nobody is left who could send one; -EINTR. A thread that is left in
 * here frees its box when it comes out.
 */
static int receive_one(struct supervisor *s)
{
	union {
		struct sc_notif n;
		char room[NOTIF_MAX];
	} in;

	memset(&in, 0, sizeof in);
	stuck_hold(s->box);
	int rc = MAY_STICK(sys_ioctl(s->listener, SC_IOCTL_RECV, &in));
	stuck_hold(NULL);
	if (rc < 0)
		return rc;
	if (dispatch_flags(&s->dispatch, in.n.data.nr) & H_BLOCKS)
		hand_over(s, &in.n);
	else
		run_here(s, &in.n);
	return 0;
}

/* The host keeps its rights, and what we do for the child is judged by the kernel as if the child did it. */
void supervisor_drop_rights(const struct supervisor *s)
{
	if (s->drop_caps)
		thread_drop_capabilities();
}

/*
 * A call whose caller takes a signal before we have received it fails with EINTR, and shells die of a fork that does. So
 * the time from wake-up to receipt matters more than throughput: a short slice (of 6.12, sched_runtime in the ordinary
 * class, no privilege needed) lets the scheduler run us before those who have long ones. Older kernels ignore it.
 */
static void run_soon_when_woken(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = { .size = sizeof attr };

	if (SYS(SYS_sched_getattr, 0, &attr, sizeof attr, 0) < 0 || attr.policy != SCHED_OTHER)
		return;
	attr.runtime = SHORTEST_SLICE_NS;
	SYS(SYS_sched_setattr, 0, &attr, 0);
}

/*
 * Of 6.11: who waits to receive wakes when nobody is left who could send, and that is when a supervisor is stopped. Then
 * nothing else need be waited for, which saves each call a poll. Should a process outlive its sandbox all the same, the
 * thread is one that is left behind (stuck.h).
 */
static bool receiving_ends(void)
{
	struct utsname names = { 0 };
	uint64_t major = 0;
	uint64_t minor = 0;

	return SYS(SYS_uname, &names) == 0 && onbehalf_number(names.release, "", 10, &major) == 0 &&
	       onbehalf_number(names.release, ".", 10, &minor) == 0 && (major > 6 || (major == 6 && minor >= 11));
}

/* Sleeps until there is something to receive. False: the end. */
static bool wait_for_call(const struct supervisor *s)
{
	struct pollfd polls[] = {
		{ .fd = s->listener, .events = POLLIN },
		{ .fd = s->wake, .events = POLLIN },
	};
	long n;

	do {
		n = SYS(SYS_ppoll, polls, 2, 0, 0, 8);
	} while (n == -EINTR);
	return n > 0 && !polls[1].revents && polls[0].revents == POLLIN;
}

static void serve(struct supervisor *s)
{
	const bool sleeps_there = receiving_ends();
	int rc = -ENOENT;

	supervisor_drop_rights(s);
	run_soon_when_woken();
	/* Of 6.6: the one that answers runs on the caller's processor. Older kernels say EINVAL and are slower. */
	SYS(SYS_ioctl, s->listener, SC_IOCTL_SET_FLAGS, SC_FD_SYNC_WAKE_UP);
	while (rc == 0 || rc == -ENOENT || rc == -EINTR) {
		if ((rc < 0 || !sleeps_there) && !wait_for_call(s))
			break;
		rc = receive_one(s);
	}
}

static void *notify_main(void *arg)
{
	struct supervisor *s = arg;

	workers_reside(s, &s->resident, serve);
	return NULL;
}

int supervisor_start_take(struct supervisor *s, int listener, pid_t root)
{
	s->listener = listener;
	s->root = root;
	int rc = thread_start(&s->thread, notify_main, s);
	if (rc < 0)
		fd_close(&s->listener);
	s->running = rc == 0;
	return rc;
}

void supervisor_stop(struct supervisor *s)
{
	const uint64_t one = 1;

	if (s->running) {
		sys_write(s->wake, &one, sizeof one);
		sockets_stop(s);
		if (workers_end_resident(s, &s->resident, s->thread))
			s->box = NULL;          /* the thread frees it */
		s->running = false;
	}
	aside_dismiss(TAKE(s->kept));
	parking_stop(s);
	workers_stop(s);
	fd_close(&s->listener);         /* after the workers: the number may be another descriptor's as soon as it is free */
}

void supervisor_fini(struct supervisor *s)
{
	supervisor_stop(s);
	dispatch_stop(&s->dispatch);
	if (s->tree.pids)
		SYS(SYS_munmap, s->tree.pids, s->tree.max * sizeof(pid_t));
	fd_close(&s->wake);
	for (size_t i = 0; i < SUPERVISOR_PIDFDS; i++)
		fd_close(&s->pidfds[i].fd);
	parking_fini(s);
	workers_fini(s);
	domains_fini(&s->domains);
	pthread_mutex_destroy(&s->connect_lock);
	pthread_mutex_destroy(&s->switch_lock);
}
