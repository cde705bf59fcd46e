/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues. What is put on a serial queue runs one after the other, in order. What is put on a
 * concurrent queue is begun in order, and runs on several threads; a barrier there runs alone. The
 * global queues are concurrent, for everybody, and know no barriers. The main queue is serial and
 * runs on the main thread, in dispatch_main, or in a run of the main thread's run loop.
 *
 * A thread that waits inside a block, for a semaphore, a group, another queue or anything else,
 * does not stop others, up to 256 threads and, of a queue, 64 blocks that do not wait in a function
 * of dispatch. There is no thread before the first use of a queue. In a forked child the queues
 * that were made before are of no use, and using one aborts; the main queue and the global queues
 * are new there and empty. A block that forked must not return in the child.
 *
 * Any thread. Memory that is missing aborts, where a function has no other way to say so.
 */
#ifndef OPENDEXT_DISPATCH_QUEUE_H
#define OPENDEXT_DISPATCH_QUEUE_H

/* A libdispatch that the system has goes first; base.h says how. */
#if defined(__has_include_next) && !defined(DEXT_OWN_DISPATCH)
#if __has_include_next(<dispatch/queue.h>)
#define OPENDEXT_DISPATCH_QUEUE_H_NEXT
#endif
#endif

#ifdef OPENDEXT_DISPATCH_QUEUE_H_NEXT
#include_next <dispatch/queue.h>
#else

#include <dispatch/object.h>
#include <dispatch/time.h>

DEXT_BEGIN_DECLS

typedef dispatch_queue_t dispatch_queue_main_t;
typedef dispatch_queue_t dispatch_queue_global_t;
typedef dispatch_queue_t dispatch_queue_serial_t;
typedef dispatch_queue_t dispatch_queue_concurrent_t;

/* Priorities are accepted, and have no effect. */
typedef unsigned int qos_class_t;
typedef qos_class_t dispatch_qos_class_t;
enum {
	QOS_CLASS_USER_INTERACTIVE = 0x21,
	QOS_CLASS_USER_INITIATED = 0x19,
	QOS_CLASS_DEFAULT = 0x15,
	QOS_CLASS_UTILITY = 0x11,
	QOS_CLASS_BACKGROUND = 0x09,
	QOS_CLASS_UNSPECIFIED = 0x00,
};
typedef long dispatch_queue_priority_t;
#define DISPATCH_QUEUE_PRIORITY_HIGH	   2
#define DISPATCH_QUEUE_PRIORITY_DEFAULT	   0
#define DISPATCH_QUEUE_PRIORITY_LOW	   (-2)
#define DISPATCH_QUEUE_PRIORITY_BACKGROUND INT16_MIN

extern struct dispatch_queue_s _dispatch_main_q;
extern struct dispatch_queue_attr_s _dispatch_queue_attr_concurrent;

static inline dispatch_queue_main_t
dispatch_get_main_queue(void)
{
	return &_dispatch_main_q;
}

/* A priority or a class; flags must be 0. NULL: there is none such. */
dispatch_queue_global_t dispatch_get_global_queue(intptr_t identifier, uintptr_t flags);

#define DISPATCH_QUEUE_SERIAL	      NULL
#define DISPATCH_QUEUE_CONCURRENT     (&_dispatch_queue_attr_concurrent)
/* Returns attr. */
dispatch_queue_attr_t dispatch_queue_attr_make_with_qos_class(dispatch_queue_attr_t attr,
							      dispatch_qos_class_t qos_class,
							      int relative_priority);

/* The label, which is copied, may be NULL. NULL: no memory. */
dispatch_queue_t dispatch_queue_create(const char *label, dispatch_queue_attr_t attr);
/*
 * A queue whose work runs in turns on the target, so that queues with one serial target exclude
 * each other. A global queue, or NULL, is the same as none.
 */
#define DISPATCH_TARGET_QUEUE_DEFAULT NULL
dispatch_queue_t dispatch_queue_create_with_target(const char *label, dispatch_queue_attr_t attr,
						   dispatch_queue_t target);
/* Before the first use of the queue; what runs is not moved. */
void dispatch_set_target_queue(dispatch_object_t object, dispatch_queue_t queue);

#define DISPATCH_CURRENT_QUEUE_LABEL NULL
/* Borrowed, and "" if there is none. NULL: of the queue that the calling thread is running. */
const char *dispatch_queue_get_label(dispatch_queue_t queue);

/* Calls the function later. */
void dispatch_async_f(dispatch_queue_t queue, void *context, dispatch_function_t function);
/*
 * Calls it when its turn has come, on the calling thread or, of the main queue, on the main thread,
 * and returns after it. On a queue that the thread is running already it would never return: that
 * is reported with the queue's name and the stack, and aborts. (Inside a block of a concurrent
 * queue it is called at once.)
 */
void dispatch_sync_f(dispatch_queue_t queue, void *context, dispatch_function_t function);
void dispatch_async_and_wait_f(dispatch_queue_t queue, void *context, dispatch_function_t function);
/* The same alone: after all that was put on a concurrent queue before, and before what comes later.
 */
void dispatch_barrier_async_f(dispatch_queue_t queue, void *context, dispatch_function_t function);
void dispatch_barrier_sync_f(dispatch_queue_t queue, void *context, dispatch_function_t function);
/* dispatch_async at that time. */
void dispatch_after_f(dispatch_time_t when, dispatch_queue_t queue, void *context,
		      dispatch_function_t function);

#define DISPATCH_APPLY_AUTO ((dispatch_queue_t)0)
/* Calls it with each number below `iterations`, on several threads, this one among them; returns
 * after all of them. */
void dispatch_apply_f(size_t iterations, dispatch_queue_t queue, void *context,
		      void (*function)(void *context, size_t iteration));

/* Serves the main queue for ever. On the main thread only. */
void dispatch_main(void) __attribute__((noreturn));

/* --- the app's own values --- */

/* The key is only compared. NULL takes the value away; the destructor is called with what it was,
 * later. */
void dispatch_queue_set_specific(dispatch_queue_t queue, const void *key, void *context,
				 dispatch_function_t destructor);
void *dispatch_queue_get_specific(dispatch_queue_t queue, const void *key);
/* Of the queue that the calling thread is running, or the nearest of its targets that has one. */
void *dispatch_get_specific(const void *key);

/* --- abort, with the queue's name, unless the calling thread is ... --- */

void dispatch_assert_queue(dispatch_queue_t queue);	    /* running the queue */
void dispatch_assert_queue_barrier(dispatch_queue_t queue); /* running it alone */
void dispatch_assert_queue_not(dispatch_queue_t queue);	    /* not running it */
#ifdef NDEBUG
#define dispatch_assert_queue_debug(queue)	   ((void)0)
#define dispatch_assert_queue_barrier_debug(queue) ((void)0)
#define dispatch_assert_queue_not_debug(queue)	   ((void)0)
#else
#define dispatch_assert_queue_debug(queue)	   dispatch_assert_queue(queue)
#define dispatch_assert_queue_barrier_debug(queue) dispatch_assert_queue_barrier(queue)
#define dispatch_assert_queue_not_debug(queue)	   dispatch_assert_queue_not(queue)
#endif

#ifdef __BLOCKS__
/* As the functions that end with _f; the block is copied, and released when it has run. */
void dispatch_async(dispatch_queue_t queue, dispatch_block_t block);
void dispatch_sync(dispatch_queue_t queue, dispatch_block_t block);
void dispatch_async_and_wait(dispatch_queue_t queue, dispatch_block_t block);
void dispatch_barrier_async(dispatch_queue_t queue, dispatch_block_t block);
void dispatch_barrier_sync(dispatch_queue_t queue, dispatch_block_t block);
void dispatch_after(dispatch_time_t when, dispatch_queue_t queue, dispatch_block_t block);
void dispatch_apply(size_t iterations, dispatch_queue_t queue, void (^block)(size_t iteration));
#endif

DEXT_END_DECLS

#endif
#endif
