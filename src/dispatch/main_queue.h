/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main queue's side of the main thread: a run loop there serves it as well as dispatch_main
 * does.
 */
#ifndef DISPATCH_MAIN_QUEUE_H
#define DISPATCH_MAIN_QUEUE_H

#include <stdbool.h>

/* Called when there is something to run, from any thread; with locks of queues held, so it only
 * wakes. */
void main_queue_set_hook(void (*wake)(void));
/* On the main thread: runs what waits. Whether there was something. */
bool main_queue_run(void);
bool main_queue_is_this_thread(void);

/* For the engine. */
void main_queue_waker(void);
void main_queue_fork_child(void);

#endif
