/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forms with blocks. This library is compiled without them: it knows a block as what the
 * compilers lay down, a struct whose `invoke` takes the block itself first. A block that is called
 * later is copied, by the runtime that an app with blocks links; without one there is nothing that
 * could copy it.
 */
#include "blocks.h"

#include "dispatch_object.h"
#include "log.h"

extern void *_Block_copy(const void *block) __attribute__((weak));
extern void _Block_release(const void *block) __attribute__((weak));

struct block *
block_copy(struct block *block, const char *function)
{
	struct block *copied;

	if (block == NULL)
		log_abort("%s: block is NULL", function);
	if (_Block_copy == NULL || _Block_release == NULL)
		log_abort("%s: the program has no runtime for blocks: link it with -lBlocksRuntime",
			  function);
	copied = _Block_copy(block);
	if (copied == NULL)
		log_abort("%s: out of memory", function);
	return copied;
}

static void
invoke(void *context)
{
	struct block *block = context;

	((void (*)(struct block *))block->invoke)(block);
}

void
block_release(struct block *block)
{
	_Block_release(block);
}

static void
invoke_and_release(void *context)
{
	invoke(context);
	_Block_release(context);
}

void
block_run_and_release(struct block *block)
{
	invoke_and_release(block);
}

static void
invoke_with(void *context, size_t iteration)
{
	struct block *block = context;

	((void (*)(struct block *, size_t))block->invoke)(block, iteration);
}

void
dispatch_async(dispatch_queue_t queue, struct block *block)
{
	dispatch_async_f(queue, block_copy(block, "dispatch_async"), invoke_and_release);
}

void
dispatch_sync(dispatch_queue_t queue, struct block *block)
{
	dispatch_sync_f(queue, block, invoke);
}

void
dispatch_async_and_wait(dispatch_queue_t queue, struct block *block)
{
	dispatch_async_and_wait_f(queue, block, invoke);
}

void
dispatch_barrier_async(dispatch_queue_t queue, struct block *block)
{
	dispatch_barrier_async_f(queue, block_copy(block, "dispatch_barrier_async"),
				 invoke_and_release);
}

void
dispatch_barrier_sync(dispatch_queue_t queue, struct block *block)
{
	dispatch_barrier_sync_f(queue, block, invoke);
}

void
dispatch_after(dispatch_time_t when, dispatch_queue_t queue, struct block *block)
{
	dispatch_after_f(when, queue, block_copy(block, "dispatch_after"), invoke_and_release);
}

void
dispatch_apply(size_t iterations, dispatch_queue_t queue, struct block *block)
{
	dispatch_apply_f(iterations, queue, block, invoke_with);
}

void
dispatch_once(dispatch_once_t *predicate, struct block *block)
{
	dispatch_once_f(predicate, block, invoke);
}

void
dispatch_group_async(dispatch_group_t group, dispatch_queue_t queue, struct block *block)
{
	dispatch_group_async_f(group, queue, block_copy(block, "dispatch_group_async"),
			       invoke_and_release);
}

void
dispatch_group_notify(dispatch_group_t group, dispatch_queue_t queue, struct block *block)
{
	dispatch_group_notify_f(group, queue, block_copy(block, "dispatch_group_notify"),
				invoke_and_release);
}
