/*
 * Threads that are left behind: a call into a file system that does not answer cannot be ended from outside, and the end of
 * a sandbox does not wait for it.
 */
#ifndef SUPERVISOR_STUCK_H
#define SUPERVISOR_STUCK_H

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Of one thread of the supervisor. A thread that was left owns it, and nothing else that it knew exists any more. */
struct post {
	atomic_int state;               /* enum post_state */
	pthread_t thread;
	jmp_buf out;                    /* in the thread's first function: where it ends when it was left */
	void *holds;                    /* what the call of a thread that was left may still write to */
	struct post *next;
};

/* A thread that is there for as long as its supervisor, whose lock these are under. */
struct resident {
	struct post *post;              /* NULL: it has not begun, or it cannot be left */
	bool has_ended;
};

/* Puts the calling thread on this post; NULL: it cannot be left. */
void stuck_stand(struct post *post);

/* What a thread that was left has to free at its end, NULL for nothing. */
void stuck_hold(void *holds);

/* Around a call that may never return, between which the thread holds no lock. After stuck_leave everything is as before, or
 * it does not return. */
void stuck_enter(void);
void stuck_leave(void);

/* Leaves the thread if it is inside such a call: it is detached and never touches anything but its post again. */
bool stuck_abandon(struct post *post);

#define MAY_STICK(call) \
	__extension__({ \
		stuck_enter(); \
		__auto_type stuck_rc = (call); \
		stuck_leave(); \
		stuck_rc; \
	})

#endif
