/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run loops as objects: one for each thread, found by a thread key; the main thread's by whoever
 * asks.
 *
 * A loop belongs to its thread, which alone runs it (run_loop_run.c). Everything else may be done
 * by any thread under the loop's lock, followed by a write to the loop's eventfd, so that a
 * sleeping loop looks again.
 *
 * In a forked child every loop starts empty, with an eventfd of its own: what its sources listened
 * to is the parent's.
 */
#include "run_loop_private.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "errno_kept.h"
#include "log.h"
#include "main_queue.h"
#include "os_string.h"
#include "packet.h"
#include "status.h"

/* As OSMetaClass_alloc lays a string out. */
struct constant_string {
	struct OSObject object;
	_Alignas(16) struct OSString_IVars ivars;
};

#define CONSTANT_STRING(text)                                                               \
	{                                                                                   \
		.object = {.metaclass = OSTypeID(OSString), .references = OBJECT_IMMORTAL}, \
		.ivars = {.bytes = (char *)(text), .length = sizeof(text) - 1},             \
	}

static struct constant_string default_mode = CONSTANT_STRING("kCFRunLoopDefaultMode");
static struct constant_string common_modes = CONSTANT_STRING("kCFRunLoopCommonModes");
const CFRunLoopMode kCFRunLoopDefaultMode = (CFRunLoopMode)&default_mode;
const CFRunLoopMode kCFRunLoopCommonModes = (CFRunLoopMode)&common_modes;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* of each thread's loop */
static pthread_mutex_t loops_lock = PTHREAD_MUTEX_INITIALIZER;
static CFRunLoopRef loops;	       /* [loops_lock] */
static CFRunLoopRef main_loop;	       /* [loops_lock] retained; it ends with the process */
static CFRunLoopRef main_loop_to_wake; /* the same, for who has no lock; set before the hook */

void
run_loop_wake(struct CFRunLoop_IVars *ivars)
{
	const uint64_t one = 1;
	ssize_t done;
	ERRNO_KEPT;

	do {
		done = write(ivars->wake, &one, sizeof(one));
	} while (done < 0 && errno == EINTR); /* EAGAIN: it is awake enough */
}

void
run_loop_drop(struct run_loop_entry entry)
{
	CFRelease(entry.source);
	CFRelease(entry.mode);
}

static void
free_loop(OSObject *self)
{
	struct CFRunLoop_IVars *ivars = OSObjectIVars(CFRunLoop, self);

	pthread_mutex_lock(&loops_lock);
	if (ivars->previous != NULL)
		inside(ivars->previous)->next = ivars->next;
	else if (loops == (CFRunLoopRef)self)
		loops = ivars->next;
	if (ivars->next != NULL)
		inside(ivars->next)->previous = ivars->previous;
	pthread_mutex_unlock(&loops_lock);
	for (size_t i = 0; i < ivars->count; i++)
		run_loop_drop(ivars->entries[i]);
	free(ivars->entries);
	run_loop_end_modes(ivars);
	fd_close(&ivars->wake);
	pthread_mutex_destroy(&ivars->lock);
	OSObject_free_Impl(self);
}

static bool
init_loop(OSObject *self)
{
	struct CFRunLoop_IVars *ivars = OSObjectIVars(CFRunLoop, self);

	pthread_mutex_init(&ivars->lock, NULL);
	ivars->wake = -1; /* before anything fails: free_loop closes it */
	if (!OSObject_init_Impl(self))
		return false;
	ivars->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ivars->wake < 0) {
		status_from_errno(errno, "run loop: eventfd");
		return false;
	}
	return true;
}

static const OSObjectMethods loop_methods = {
	.size = sizeof(OSObjectMethods),
	.init = init_loop,
	.free = free_loop,
};

const OSMetaClass gCFRunLoopMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "CFRunLoop",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct CFRunLoop_IVars),
	.object = &loop_methods,
};

CFTypeID
CFRunLoopGetTypeID(void)
{
	return (CFTypeID)OSTypeID(CFRunLoop);
}

/* --- the loop of a thread --- */

static void
end_thread(void *loop)
{
	CFRelease(loop);
}

static void
before_fork(void)
{
	pthread_mutex_lock(&loops_lock);
}

static void
after_fork_parent(void)
{
	pthread_mutex_unlock(&loops_lock);
}

/* The entries may be half changed and the locks taken by threads that are not here: start anew. */
static void
after_fork_child(void)
{
	for (CFRunLoopRef loop = loops; loop != NULL; loop = inside(loop)->next) {
		struct CFRunLoop_IVars *ivars = inside(loop);

		pthread_mutex_init(&ivars->lock, NULL);
		ivars->entries = NULL;
		ivars->count = ivars->size = 0;
		ivars->blocks = NULL;
		ivars->waiting = false;
		fd_close(&ivars->wake);
		ivars->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	pthread_mutex_unlock(&loops_lock);
}

static void
prepare(void)
{
	if (pthread_key_create(&key, end_thread) != 0 ||
	    pthread_atfork(before_fork, after_fork_parent, after_fork_child) != 0)
		log_error("run loop: no thread key, or no memory to prepare for fork");
}

static void
link_locked(CFRunLoopRef loop)
{
	inside(loop)->next = loops;
	if (loops != NULL)
		inside(loops)->previous = loop;
	loops = loop;
}

static CFRunLoopRef
create(void)
{
	CFRunLoopRef loop = (CFRunLoopRef)object_create_of(OSTypeID(CFRunLoop));

	if (loop == NULL)
		return NULL;
	pthread_mutex_lock(&loops_lock);
	link_locked(loop);
	pthread_mutex_unlock(&loops_lock);
	return loop;
}

static void
wake_main_loop(void)
{
	run_loop_wake(inside(main_loop_to_wake));
}

CFRunLoopRef
CFRunLoopGetMain(void)
{
	CFRunLoopRef loop, made = NULL;
	ERRNO_KEPT;

	pthread_once(&once, prepare);
	pthread_mutex_lock(&loops_lock);
	loop = main_loop;
	pthread_mutex_unlock(&loops_lock);
	if (loop != NULL)
		return loop;
	made = create();
	pthread_mutex_lock(&loops_lock);
	if (main_loop == NULL) {
		main_loop = main_loop_to_wake = made;
		main_queue_set_hook(wake_main_loop);
		made = NULL;
	}
	loop = main_loop;
	pthread_mutex_unlock(&loops_lock);
	CFRelease(made); /* another thread was first */
	return loop;
}

CFRunLoopRef
CFRunLoopGetCurrent(void)
{
	CFRunLoopRef loop;
	ERRNO_KEPT;

	pthread_once(&once, prepare);
	loop = pthread_getspecific(key);
	if (loop != NULL)
		return loop;
	if (main_queue_is_this_thread()) {
		loop = CFRunLoopGetMain();
		CFRetain(loop);
	} else {
		loop = create();
	}
	pthread_setspecific(key, loop);
	return loop;
}
