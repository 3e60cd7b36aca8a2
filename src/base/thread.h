/* Threads of the library. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* Starts a joinable thread with all signals blocked, so that it takes none of the host's. 0 or -errno. */
int thread_start(pthread_t *thread, void *(*fn)(void *), void *arg);

/* A condition whose clock is that of sys_now(), and a time on that clock, `ns` from now. */
void thread_cond_init(pthread_cond_t *cond);
struct timespec thread_time_after(uint64_t ns);

/* Takes every capability from the calling thread, and from no other of the host's. */
void thread_drop_capabilities(void);

#endif
