/* SPDX-License-Identifier: Apache-2.0 */
/* The forms with blocks, over those with functions. */
#include "blocks.h"

static void
invoke_with(void *context, size_t iteration)
{
	struct block *block = context;

	((void (*)(struct block *, size_t))block->invoke)(block, iteration);
}

void
dispatch_async(dispatch_queue_t queue, struct block *block)
{
	dispatch_async_f(queue, block_copy(block, "dispatch_async"), block_run_and_release);
}

void
dispatch_sync(dispatch_queue_t queue, struct block *block)
{
	dispatch_sync_f(queue, block, block_run);
}

void
dispatch_async_and_wait(dispatch_queue_t queue, struct block *block)
{
	dispatch_async_and_wait_f(queue, block, block_run);
}

void
dispatch_barrier_async(dispatch_queue_t queue, struct block *block)
{
	dispatch_barrier_async_f(queue, block_copy(block, "dispatch_barrier_async"),
				 block_run_and_release);
}

void
dispatch_barrier_sync(dispatch_queue_t queue, struct block *block)
{
	dispatch_barrier_sync_f(queue, block, block_run);
}

void
dispatch_after(dispatch_time_t when, dispatch_queue_t queue, struct block *block)
{
	dispatch_after_f(when, queue, block_copy(block, "dispatch_after"), block_run_and_release);
}

void
dispatch_apply(size_t iterations, dispatch_queue_t queue, struct block *block)
{
	dispatch_apply_f(iterations, queue, block, invoke_with);
}

void
dispatch_once(dispatch_once_t *predicate, struct block *block)
{
	dispatch_once_f(predicate, block, block_run);
}

void
dispatch_group_async(dispatch_group_t group, dispatch_queue_t queue, struct block *block)
{
	dispatch_group_async_f(group, queue, block_copy(block, "dispatch_group_async"),
			       block_run_and_release);
}

void
dispatch_group_notify(dispatch_group_t group, dispatch_queue_t queue, struct block *block)
{
	dispatch_group_notify_f(group, queue, block_copy(block, "dispatch_group_notify"),
				block_run_and_release);
}
