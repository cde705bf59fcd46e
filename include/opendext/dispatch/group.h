/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: waiting for several things together. A group may be used again when it was empty. */
#ifndef OPENDEXT_DISPATCH_GROUP_H
#define OPENDEXT_DISPATCH_GROUP_H

/* A libdispatch that the system has goes first; base.h says how. */
#if defined(__has_include_next) && !defined(DEXT_OWN_DISPATCH)
#if __has_include_next(<dispatch/group.h>)
#define OPENDEXT_DISPATCH_GROUP_H_NEXT
#endif
#endif

#ifdef OPENDEXT_DISPATCH_GROUP_H_NEXT
#include_next <dispatch/group.h>
#else

#include <dispatch/object.h>
#include <dispatch/queue.h>
#include <dispatch/time.h>

DEXT_BEGIN_DECLS

/* NULL: no memory. */
dispatch_group_t dispatch_group_create(void);
/* dispatch_async, between an enter and its leave. */
void dispatch_group_async_f(dispatch_group_t group, dispatch_queue_t queue, void *context,
			    dispatch_function_t function);
/* One thing more is under way; it is through. A leave too many aborts. */
void dispatch_group_enter(dispatch_group_t group);
void dispatch_group_leave(dispatch_group_t group);
/* 0 when nothing is under way, or not 0 after that time. */
intptr_t dispatch_group_wait(dispatch_group_t group, dispatch_time_t timeout);
/* Calls the function on the queue when nothing is under way, once. */
void dispatch_group_notify_f(dispatch_group_t group, dispatch_queue_t queue, void *context,
			     dispatch_function_t function);

#ifdef __BLOCKS__
/* As the functions that end with _f; the block is copied, and released when it has run. */
void dispatch_group_async(dispatch_group_t group, dispatch_queue_t queue, dispatch_block_t block);
void dispatch_group_notify(dispatch_group_t group, dispatch_queue_t queue, dispatch_block_t block);
#endif

DEXT_END_DECLS

#endif
#endif
