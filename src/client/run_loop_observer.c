/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Observers: a subclass of sources that have no descriptor and are never performed; they are called
 * at the activities of a run, on its thread, without a lock. A run has nothing to wait for in an
 * observer.
 */
#include "run_loop_private.h"

#include <stdlib.h>

#include "errno_kept.h"
#include "log.h"
#include "run_loop_context.h"

struct CFRunLoopObserver_IVars {
	CFOptionFlags activities;	   /* [const] */
	bool repeats;			   /* [const] */
	CFRunLoopObserverCallBack callout; /* [const] */
	CFRunLoopObserverContext context;  /* [const] as the app gave it */
	struct run_loop_context info;
	bool firing; /* [the loop's thread] */
};

static struct CFRunLoopObserver_IVars *
inside_observer(CFRunLoopObserverRef observer)
{
	return OSObjectIVars(CFRunLoopObserver, observer);
}

static CFRunLoopSourceRef
source_of(CFRunLoopObserverRef observer)
{
	return (CFRunLoopSourceRef)observer;
}

static void
free_observer(OSObject *self)
{
	struct CFRunLoopObserver_IVars *ivars = OSObjectIVars(CFRunLoopObserver, self);

	run_loop_context_give_up(&ivars->info);
	run_loop_context_end(&ivars->info);
	OSObject_free_Impl(self);
}

static const OSObjectMethods observer_methods = {
	.size = sizeof(OSObjectMethods),
	.free = free_observer,
};

const OSMetaClass gCFRunLoopObserverMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "CFRunLoopObserver",
	.superclass = OSTypeID(CFRunLoopSource),
	.ivars_size = sizeof(struct CFRunLoopObserver_IVars),
	.object = &observer_methods,
};

CFTypeID
CFRunLoopObserverGetTypeID(void)
{
	return (CFTypeID)OSTypeID(CFRunLoopObserver);
}

CFRunLoopObserverRef
CFRunLoopObserverCreate(CFAllocatorRef allocator, CFOptionFlags activities, Boolean repeats,
			CFIndex order, CFRunLoopObserverCallBack callout,
			CFRunLoopObserverContext *context)
{
	struct CFRunLoopObserver_IVars *ivars;
	CFRunLoopObserverRef observer;
	ERRNO_KEPT;

	if (callout == NULL || (context != NULL && context->version != 0)) {
		log_error("CFRunLoopObserverCreate: %s",
			  callout == NULL ? "callout is NULL" : "context is not of version 0");
		return NULL;
	}
	observer = (CFRunLoopObserverRef)object_create_of(OSTypeID(CFRunLoopObserver));
	if (observer == NULL)
		return NULL;
	ivars = inside_observer(observer);
	inside_source(source_of(observer))->descriptor = -1;
	inside_source(source_of(observer))->order = order;
	inside_source(source_of(observer))->is_observer = true;
	ivars->activities = activities;
	ivars->repeats = repeats;
	ivars->callout = callout;
	if (context != NULL)
		ivars->context = *context;
	run_loop_context_init(&ivars->info, ivars->context.info, ivars->context.retain,
			      ivars->context.release);
	ivars->context.info = ivars->info.info;
	return observer;
}

static bool
is_observer(CFRunLoopObserverRef observer, const char *function)
{
	if (observer != NULL && CFGetTypeID(observer) == CFRunLoopObserverGetTypeID())
		return true;
	log_error("%s: the object is no CFRunLoopObserver", function);
	return false;
}

/* --- activities --- */

static void
fire(CFRunLoopObserverRef observer, CFRunLoopActivity activity)
{
	struct CFRunLoopObserver_IVars *ivars = inside_observer(observer);

	if (ivars->firing || !run_loop_context_use(&ivars->info))
		return;
	ivars->firing = true;
	ivars->callout(observer, activity, ivars->info.info);
	ivars->firing = false;
	run_loop_context_leave(&ivars->info);
	if (!ivars->repeats)
		CFRunLoopObserverInvalidate(observer);
}

/* Those of this mode that want to hear of it, each once and with a reference. */
static size_t
collect(struct CFRunLoop_IVars *ivars, CFRunLoopMode mode, CFRunLoopActivity activity,
	CFRunLoopObserverRef **ret_observers)
{
	CFRunLoopObserverRef *observers = NULL;
	size_t count = 0;

	pthread_mutex_lock(&ivars->lock);
	for (size_t i = 0; i < ivars->count; i++) {
		CFRunLoopObserverRef observer = (CFRunLoopObserverRef)ivars->entries[i].source;
		bool known = false;

		if (!inside_source(ivars->entries[i].source)->is_observer ||
		    !(inside_observer(observer)->activities & activity) ||
		    !run_loop_entry_is_in(ivars, &ivars->entries[i], mode))
			continue;
		if (observers == NULL)
			observers = calloc(ivars->count, sizeof(CFRunLoopObserverRef));
		if (observers == NULL) {
			log_error("CFRunLoop: no memory to call observers");
			break;
		}
		for (size_t j = 0; j < count; j++)
			known |= observers[j] == observer;
		if (!known)
			observers[count++] = (CFRunLoopObserverRef)(uintptr_t)CFRetain(observer);
	}
	pthread_mutex_unlock(&ivars->lock);
	*ret_observers = observers;
	return count;
}

void
run_loop_observe(CFRunLoopRef loop, CFRunLoopMode mode, CFRunLoopActivity activity)
{
	CFRunLoopObserverRef *observers;
	size_t count = collect(inside(loop), mode, activity, &observers);

	for (size_t i = 0; i < count; i++) {
		/* One before it may have taken it out. */
		if (run_loop_holds(loop, source_of(observers[i]), mode))
			fire(observers[i], activity);
		CFRelease(observers[i]);
	}
	free(observers);
}

/* --- observers of a loop --- */

void
CFRunLoopAddObserver(CFRunLoopRef loop, CFRunLoopObserverRef observer, CFRunLoopMode mode)
{
	if (is_observer(observer, "CFRunLoopAddObserver"))
		run_loop_add(loop, source_of(observer), mode, "CFRunLoopAddObserver");
}

void
CFRunLoopRemoveObserver(CFRunLoopRef loop, CFRunLoopObserverRef observer, CFRunLoopMode mode)
{
	if (is_observer(observer, "CFRunLoopRemoveObserver"))
		run_loop_remove(loop, source_of(observer), mode, "CFRunLoopRemoveObserver");
}

Boolean
CFRunLoopContainsObserver(CFRunLoopRef loop, CFRunLoopObserverRef observer, CFRunLoopMode mode)
{
	return is_observer(observer, "CFRunLoopContainsObserver") &&
	       run_loop_contains(loop, source_of(observer), mode, "CFRunLoopContainsObserver");
}

/* --- what it is --- */

CFOptionFlags
CFRunLoopObserverGetActivities(CFRunLoopObserverRef observer)
{
	return is_observer(observer, "CFRunLoopObserverGetActivities")
		       ? inside_observer(observer)->activities
		       : 0;
}

Boolean
CFRunLoopObserverDoesRepeat(CFRunLoopObserverRef observer)
{
	return is_observer(observer, "CFRunLoopObserverDoesRepeat") &&
	       inside_observer(observer)->repeats;
}

CFIndex
CFRunLoopObserverGetOrder(CFRunLoopObserverRef observer)
{
	return is_observer(observer, "CFRunLoopObserverGetOrder")
		       ? inside_source(source_of(observer))->order
		       : 0;
}

void
CFRunLoopObserverGetContext(CFRunLoopObserverRef observer, CFRunLoopObserverContext *context)
{
	if (context == NULL || context->version != 0)
		log_error("CFRunLoopObserverGetContext: context is NULL or not of version 0");
	else if (is_observer(observer, "CFRunLoopObserverGetContext"))
		*context = inside_observer(observer)->context;
}

void
CFRunLoopObserverInvalidate(CFRunLoopObserverRef observer)
{
	if (!is_observer(observer, "CFRunLoopObserverInvalidate"))
		return;
	run_loop_source_invalidate(source_of(observer));
	run_loop_context_give_up(&inside_observer(observer)->info);
}

Boolean
CFRunLoopObserverIsValid(CFRunLoopObserverRef observer)
{
	return observer != NULL && run_loop_source_is_valid(source_of(observer));
}
