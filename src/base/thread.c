/* Threads of the library: a small stack, and no signal of the host's. */
#include "base/thread.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>

#include "base/sys.h"

#define THREAD_STACK (256 * 1024)

int thread_start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	const ksigset all = ~0ULL;
	ksigset before;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
	int rc = pthread_create(thread, &attr, fn, arg);
	if (rc == EINVAL)       /* the host's libraries have so much thread-local data that it does not fit on our stack */
		rc = pthread_create(thread, NULL, fn, arg);
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
	pthread_attr_destroy(&attr);
	return -rc;
}

void thread_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

struct timespec thread_time_after(uint64_t ns)
{
	uint64_t until = sys_now() + ns;

	return (struct timespec){ .tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000) };
}

/* The raw call changes the calling thread alone; libc has none. */
void thread_drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	SYS(SYS_capset, &head, none);
}
