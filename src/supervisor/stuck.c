/*
 * Threads that are left behind. A thread says when it goes into a call that may never return; whoever ends the sandbox can
 * then leave it. When the call does return, the thread goes straight to its end and frees the copy of the call; the
 * descriptors that it had in its hands are lost, since all that could say which they were is gone.
 */
#include "supervisor/stuck.h"

enum post_state { POST_WORKS, POST_IN_CALL, POST_LEFT };

static _Thread_local struct post *mine;

void stuck_stand(struct post *post)
{
	mine = post;
	if (!post)
		return;
	post->thread = pthread_self();
	atomic_store(&post->state, POST_WORKS);
}

void stuck_hold(void *holds)
{
	if (mine)
		mine->holds = holds;
}

void stuck_enter(void)
{
	if (mine)
		atomic_store(&mine->state, POST_IN_CALL);
}

void stuck_leave(void)
{
	int expected = POST_IN_CALL;

	if (mine && !atomic_compare_exchange_strong(&mine->state, &expected, POST_WORKS))
		longjmp(mine->out, 1);
}

bool stuck_abandon(struct post *post)
{
	int expected = POST_IN_CALL;
	const pthread_t thread = post->thread;

	if (!atomic_compare_exchange_strong(&post->state, &expected, POST_LEFT))
		return false;
	/* From here on the post is its thread's, which may end as soon as the call returns; an ended one is freed by this. */
	pthread_detach(thread);
	return true;
}
