/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of the app's own: an eventfd, which a signal writes to and the loop reads before it
 * performs, so that a signal during the callback is another one. A forked child has its parent's
 * eventfds; like all sources they are of no use there.
 */
#include "run_loop_private.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "errno_kept.h"
#include "log.h"
#include "packet.h"
#include "status.h"

struct own {
	int event; /* [const] */
	CFRunLoopSourceContext context;
};

static bool
perform(void *info)
{
	struct own *own = info;
	uint64_t count;

	if (read(own->event, &count, sizeof(count)) < 0)
		return false;
	if (own->context.perform != NULL)
		own->context.perform(own->context.info);
	return true;
}

static void
release(void *info)
{
	struct own *own = info;

	if (own->context.release != NULL)
		own->context.release(own->context.info);
	fd_close(&own->event);
	free(own);
}

static void
added(void *info, CFRunLoopRef loop, CFRunLoopMode mode)
{
	struct own *own = info;

	if (own->context.schedule != NULL)
		own->context.schedule(own->context.info, loop, mode);
}

static void
removed(void *info, CFRunLoopRef loop, CFRunLoopMode mode)
{
	struct own *own = info;

	if (own->context.cancel != NULL)
		own->context.cancel(own->context.info, loop, mode);
}

/* The app's source, or NULL. */
static struct own *
own_of(CFRunLoopSourceRef source, const char *function)
{
	if (source != NULL && CFGetTypeID(source) == CFRunLoopSourceGetTypeID() &&
	    inside_source(source)->perform == perform)
		return inside_source(source)->info;
	log_error("%s: source is not one of CFRunLoopSourceCreate", function);
	return NULL;
}

CFRunLoopSourceRef
CFRunLoopSourceCreate(CFAllocatorRef allocator, CFIndex order, CFRunLoopSourceContext *context)
{
	CFRunLoopSourceRef source;
	struct own *own;
	ERRNO_KEPT;

	if (context == NULL || context->version != 0) {
		log_error("CFRunLoopSourceCreate: context %s",
			  context == NULL ? "is NULL" : "is not of version 0");
		return NULL;
	}
	own = calloc(1, sizeof(*own));
	if (own == NULL)
		return NULL;
	own->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (own->event < 0) {
		status_from_errno(errno, "CFRunLoopSourceCreate: eventfd");
		free(own);
		return NULL;
	}
	own->context = *context;
	if (context->retain != NULL)
		own->context.info = (void *)(uintptr_t)context->retain(context->info);
	source = run_loop_source_create(own->event, perform, release, own);
	if (source == NULL)
		return NULL;
	inside_source(source)->added = added;
	inside_source(source)->removed = removed;
	inside_source(source)->order = order;
	return source;
}

static void
ring(struct own *own)
{
	const uint64_t one = 1;
	ssize_t done;
	ERRNO_KEPT;

	do {
		done = write(own->event, &one, sizeof(one));
	} while (done < 0 && errno == EINTR); /* EAGAIN: it is signalled enough */
}

void
CFRunLoopSourceSignal(CFRunLoopSourceRef source)
{
	struct own *own = own_of(source, "CFRunLoopSourceSignal");

	if (own != NULL)
		ring(own);
}

void
CFRunLoopSourceInvalidate(CFRunLoopSourceRef source)
{
	if (source == NULL || CFGetTypeID(source) != CFRunLoopSourceGetTypeID()) {
		log_error("CFRunLoopSourceInvalidate: the object is no CFRunLoopSource");
		return;
	}
	run_loop_source_invalidate(source);
	if (inside_source(source)->perform == perform)
		ring(inside_source(source)->info);
}

CFIndex
CFRunLoopSourceGetOrder(CFRunLoopSourceRef source)
{
	return source == NULL ? 0 : inside_source(source)->order;
}

void
CFRunLoopSourceGetContext(CFRunLoopSourceRef source, CFRunLoopSourceContext *context)
{
	struct own *own = own_of(source, "CFRunLoopSourceGetContext");

	if (context == NULL || context->version != 0)
		log_error("CFRunLoopSourceGetContext: context is NULL or not of version 0");
	else if (own != NULL)
		*context = own->context;
}
