/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an app gave with a timer or an observer: its info, which may be given up by any thread while
 * the callback runs. So it is counted here, and the app's `release` is called when the last one who
 * uses it is through, without a lock.
 */
#ifndef CLIENT_RUN_LOOP_CONTEXT_H
#define CLIENT_RUN_LOOP_CONTEXT_H

#include <pthread.h>
#include <stdbool.h>

struct run_loop_context {
	pthread_mutex_t lock;
	void *info;			   /* [const] */
	void (*release)(const void *info); /* [const] may be NULL */
	unsigned uses;			   /* [lock] its owner's, and those of callbacks */
	bool given_up;			   /* [lock] by its owner */
};

/* `retain` may be NULL, as `release`. */
void run_loop_context_init(struct run_loop_context *context, void *info,
			   const void *(*retain)(const void *info),
			   void (*release)(const void *info));
/* False: it was given up. */
bool run_loop_context_use(struct run_loop_context *context);
void run_loop_context_leave(struct run_loop_context *context);
/* Its owner does not need it any more; once or more often. */
void run_loop_context_give_up(struct run_loop_context *context);
/* After it was given up, and nobody uses it. */
void run_loop_context_end(struct run_loop_context *context);

#endif
