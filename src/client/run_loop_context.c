/* SPDX-License-Identifier: Apache-2.0 */
/* The info of timers and observers, counted. Any thread; the lock is a leaf. */
#include "run_loop_context.h"

#include <stdint.h>

void
run_loop_context_init(struct run_loop_context *context, void *info,
		      const void *(*retain)(const void *info), void (*release)(const void *info))
{
	pthread_mutex_init(&context->lock, NULL);
	context->info = retain != NULL ? (void *)(uintptr_t)retain(info) : info;
	context->release = release;
	context->uses = 1;
	context->given_up = false;
}

bool
run_loop_context_use(struct run_loop_context *context)
{
	bool used;

	pthread_mutex_lock(&context->lock);
	used = !context->given_up;
	if (used)
		context->uses++;
	pthread_mutex_unlock(&context->lock);
	return used;
}

void
run_loop_context_leave(struct run_loop_context *context)
{
	bool last;

	pthread_mutex_lock(&context->lock);
	last = --context->uses == 0;
	pthread_mutex_unlock(&context->lock);
	if (last && context->release != NULL)
		context->release(context->info);
}

void
run_loop_context_give_up(struct run_loop_context *context)
{
	bool before;

	pthread_mutex_lock(&context->lock);
	before = context->given_up;
	context->given_up = true;
	pthread_mutex_unlock(&context->lock);
	if (!before)
		run_loop_context_leave(context);
}

void
run_loop_context_end(struct run_loop_context *context)
{
	pthread_mutex_destroy(&context->lock);
}
