/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions with blocks, which a compiler without blocks does not see in the public headers, as
 * they look to one.
 */
#ifndef DISPATCH_BLOCKS_H
#define DISPATCH_BLOCKS_H

#include <dispatch/dispatch.h>

/* What a compiler with blocks lays down. */
struct block {
	void *isa;
	int flags;
	int reserved;
	void (*invoke)(void);
};

struct __CFRunLoop;

/* The app's copy of a block; `function` is for the message with which it aborts if it cannot. */
struct block *block_copy(struct block *block, const char *function);
void block_release(struct block *block);
void block_run_and_release(struct block *block);

DEXT_BEGIN_DECLS

/* <CoreFoundation/CFRunLoop.h> */
void CFRunLoopPerformBlock(struct __CFRunLoop *loop, const void *mode, struct block *block);

void dispatch_async(dispatch_queue_t queue, struct block *block);
void dispatch_sync(dispatch_queue_t queue, struct block *block);
void dispatch_async_and_wait(dispatch_queue_t queue, struct block *block);
void dispatch_barrier_async(dispatch_queue_t queue, struct block *block);
void dispatch_barrier_sync(dispatch_queue_t queue, struct block *block);
void dispatch_after(dispatch_time_t when, dispatch_queue_t queue, struct block *block);
void dispatch_apply(size_t iterations, dispatch_queue_t queue, struct block *block);
void dispatch_once(dispatch_once_t *predicate, struct block *block);
void dispatch_group_async(dispatch_group_t group, dispatch_queue_t queue, struct block *block);
void dispatch_group_notify(dispatch_group_t group, dispatch_queue_t queue, struct block *block);

DEXT_END_DECLS

#endif
