/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions with blocks, which a compiler without blocks does not see in the public headers, as
 * they look to one.
 */
#ifndef DISPATCH_BLOCKS_H
#define DISPATCH_BLOCKS_H

#include <dispatch/dispatch.h>

#include "block.h"

struct __CFRunLoop;

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
