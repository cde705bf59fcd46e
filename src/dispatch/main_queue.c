/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main queue: its turns are taken by the main thread, which is told by `pending`, and woken in
 * whichever way it waits.
 *
 * The waker is called with the queue's lock held, after which this lock comes; nothing is called
 * under it.
 */
#include "main_queue.h"

#include <dispatch/queue.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "engine.h"
#include "log.h"

_Alignas(64) struct dispatch_queue_s {
	/* Nobody looks inside: it stands for the real one. A program without -fPIC copies it, so
	 * its size is a part of the interface; that of libdispatch's is the same. */
	uint64_t opaque[16];
} _dispatch_main_q;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;
static bool pending; /* [lock] the queue waits for main_queue_run */
/* Pairs with itself: either the waker sees the hook, or who set it sees what is pending. */
static void (*_Atomic hook)(void);

void
main_queue_waker(void)
{
	void (*wake)(void);

	pthread_mutex_lock(&lock);
	pending = true;
	pthread_cond_signal(&woken);
	pthread_mutex_unlock(&lock);
	wake = atomic_load(&hook);
	if (wake != NULL)
		wake();
}

void
main_queue_set_hook(void (*wake)(void))
{
	atomic_store(&hook, wake);
}

void
main_queue_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&woken, NULL);
	pending = false;
}

bool
main_queue_is_this_thread(void)
{
	return getpid() == gettid();
}

bool
main_queue_run(void)
{
	bool run;

	if (!engine_runs())
		return false;
	pthread_mutex_lock(&lock);
	run = pending;
	pending = false;
	pthread_mutex_unlock(&lock);
	if (run)
		queue_drain_here(engine_main_queue());
	return run;
}

void
dispatch_main(void)
{
	if (!main_queue_is_this_thread())
		log_abort("dispatch_main: called on another thread than the main thread");
	engine_main_queue();
	for (;;) {
		pthread_mutex_lock(&lock);
		while (!pending)
			pthread_cond_wait(&woken, &lock);
		pthread_mutex_unlock(&lock);
		main_queue_run();
	}
}
