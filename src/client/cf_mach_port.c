/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFMachPort: a port whose messages a run loop hands to the app, in the form that mach_msg gives
 * them.
 *
 * The source retains the CFMachPort and not the other way round, so that neither keeps the other
 * alive; the CFMachPort knows its source as long as there is one, under its lock, which the
 * source's end takes as well. No callback runs under that lock.
 */
#include <CoreFoundation/CFMachPort.h>

#include <pthread.h>
#include <stdlib.h>

#include "errno_kept.h"
#include "log.h"
#include "object.h"
#include "port.h"
#include "run_loop.h"

#include <mach/mach.h>

typedef struct __CFMachPort CFMachPort;

#define MESSAGE_MAX 1024 /* more than any has */

struct CFMachPort_IVars {
	struct port *port; /* [const] +1 */
	bool own;	   /* [const] ends with this */
	CFMachPortCallBack callout;
	CFMachPortContext context;
	pthread_mutex_t lock;
	bool invalid;				    /* [lock] */
	CFMachPortInvalidationCallBack invalidated; /* [lock] */
	CFRunLoopSourceRef source; /* [lock] not retained: it clears this when it ends */
};

static void CFMachPort_free(OSObject *self);

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = CFMachPort_free,
};

static const OSMetaClass gCFMachPortMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "CFMachPort",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct CFMachPort_IVars),
	.object = &object_methods,
};

static struct CFMachPort_IVars *
inside(const void *port)
{
	return OSObjectIVars(CFMachPort, port);
}

static void
CFMachPort_free(OSObject *self)
{
	struct CFMachPort_IVars *ivars = inside(self);

	if (ivars->own)
		port_close(ivars->port);
	port_release(ivars->port);
	if (ivars->context.release != NULL)
		ivars->context.release(ivars->context.info);
	pthread_mutex_destroy(&ivars->lock);
	OSObject_free_Impl(self);
}

CFTypeID
CFMachPortGetTypeID(void)
{
	return (CFTypeID)OSTypeID(CFMachPort);
}

/* Consumes the reference of the port; `own`: and its receive right. */
static CFMachPortRef
make_take(struct port *port, bool own, CFMachPortCallBack callout, const CFMachPortContext *context)
{
	CFMachPort *self = object_create(CFMachPort);
	struct CFMachPort_IVars *ivars;

	if (self == NULL) {
		if (own)
			port_close(port);
		port_release(port);
		return NULL;
	}
	ivars = inside(self);
	pthread_mutex_init(&ivars->lock, NULL);
	ivars->port = port;
	ivars->own = own;
	ivars->callout = callout;
	if (context != NULL)
		ivars->context = *context;
	if (ivars->context.retain != NULL)
		ivars->context.info = (void *)(uintptr_t)ivars->context.retain(context->info);
	return self;
}

static bool
may_make(CFMachPortCallBack callout, const CFMachPortContext *context, Boolean *should_free_info)
{
	if (should_free_info != NULL)
		*should_free_info = false;
	if (callout != NULL && (context == NULL || context->version == 0))
		return true;
	log_error("CFMachPortCreate: callout is NULL, or context has another version than 0");
	return false;
}

CFMachPortRef
CFMachPortCreate(CFAllocatorRef allocator, CFMachPortCallBack callout, CFMachPortContext *context,
		 Boolean *should_free_info)
{
	struct port *port;
	ERRNO_KEPT;

	if (!may_make(callout, context, should_free_info) || port_create(&port) != kIOReturnSuccess)
		return NULL;
	return make_take(port, true, callout, context);
}

CFMachPortRef
CFMachPortCreateWithPort(CFAllocatorRef allocator, mach_port_t name, CFMachPortCallBack callout,
			 CFMachPortContext *context, Boolean *should_free_info)
{
	struct port *port;
	ERRNO_KEPT;

	if (!may_make(callout, context, should_free_info))
		return NULL;
	port = port_copy(name);
	if (port == NULL) {
		log_error("CFMachPortCreateWithPort: port %#x is no receive right", name);
		return NULL;
	}
	return make_take(port, false, callout, context);
}

mach_port_t
CFMachPortGetPort(CFMachPortRef port)
{
	return port_name(inside(port)->port);
}

void
CFMachPortGetContext(CFMachPortRef port, CFMachPortContext *context)
{
	if (context == NULL || context->version != 0)
		log_error("CFMachPortGetContext: context is NULL, or of another version than 0");
	else
		*context = inside(port)->context;
}

void
CFMachPortInvalidate(CFMachPortRef port)
{
	struct CFMachPort_IVars *ivars = inside(port);
	CFMachPortInvalidationCallBack invalidated = NULL;
	CFRunLoopSourceRef source = NULL;
	ERRNO_KEPT;

	CFRetain(port); /* the source's reference may be the last */
	pthread_mutex_lock(&ivars->lock);
	if (!ivars->invalid) {
		ivars->invalid = true;
		invalidated = ivars->invalidated;
		if (ivars->source != NULL && object_try_retain(ivars->source))
			source = ivars->source;
	}
	pthread_mutex_unlock(&ivars->lock);
	if (invalidated != NULL)
		invalidated(port, ivars->context.info);
	if (source != NULL)
		CFRunLoopSourceInvalidate(source);
	CFRelease(source);
	if (ivars->own)
		port_close(ivars->port); /* which wakes the loops */
	CFRelease(port);
}

Boolean
CFMachPortIsValid(CFMachPortRef port)
{
	struct CFMachPort_IVars *ivars = inside(port);
	bool valid;

	pthread_mutex_lock(&ivars->lock);
	valid = !ivars->invalid;
	pthread_mutex_unlock(&ivars->lock);
	return valid;
}

void
CFMachPortSetInvalidationCallBack(CFMachPortRef port, CFMachPortInvalidationCallBack callout)
{
	struct CFMachPort_IVars *ivars = inside(port);
	bool now;

	pthread_mutex_lock(&ivars->lock);
	now = ivars->invalid && callout != NULL;
	ivars->invalidated = callout;
	pthread_mutex_unlock(&ivars->lock);
	if (now)
		callout(port, ivars->context.info);
}

CFMachPortInvalidationCallBack
CFMachPortGetInvalidationCallBack(CFMachPortRef port)
{
	struct CFMachPort_IVars *ivars = inside(port);
	CFMachPortInvalidationCallBack callout;

	pthread_mutex_lock(&ivars->lock);
	callout = ivars->invalidated;
	pthread_mutex_unlock(&ivars->lock);
	return callout;
}

/* --- the source --- */

/* What a source has of its port, whose reference it is. */
struct link {
	CFMachPortRef port;
	CFRunLoopSourceRef source; /* [lock] the source itself */
};

static bool
perform(void *info)
{
	CFMachPortRef port = ((struct link *)info)->port;
	_Alignas(16) char room[MESSAGE_MAX];
	mach_msg_header_t *message = (mach_msg_header_t *)(void *)room;
	const struct CFMachPort_IVars *ivars = inside(port);
	mach_msg_return_t status;

	if (!CFMachPortIsValid(port))
		return false;
	status = mach_msg(message, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(room),
			  port_name(ivars->port), 0, MACH_PORT_NULL);
	if (status == MACH_RCV_INVALID_NAME || status == MACH_RCV_PORT_DIED)
		CFMachPortInvalidate(port);
	if (status != MACH_MSG_SUCCESS)
		return false;
	ivars->callout(port, message, (CFIndex)message->msgh_size, ivars->context.info);
	return true;
}

static void
let_go(void *info)
{
	struct link *link = info;
	CFMachPortRef port = link->port;
	struct CFMachPort_IVars *ivars = inside(port);

	pthread_mutex_lock(&ivars->lock);
	if (ivars->source == link->source) /* and not one that took its place */
		ivars->source = NULL;
	pthread_mutex_unlock(&ivars->lock);
	free(link);
	CFRelease(port);
}

CFRunLoopSourceRef
CFMachPortCreateRunLoopSource(CFAllocatorRef allocator, CFMachPortRef port, CFIndex order)
{
	struct CFMachPort_IVars *ivars = inside(port);
	CFRunLoopSourceRef source = NULL, made;
	struct link *link;
	ERRNO_KEPT;

	if (!CFMachPortIsValid(port)) {
		log_error("CFMachPortCreateRunLoopSource: the port is invalid");
		return NULL;
	}
	link = calloc(1, sizeof(*link));
	if (link == NULL)
		return NULL;
	link->port = (CFMachPortRef)(uintptr_t)CFRetain(port);
	/* Before the lock is taken: where there is no memory it lets go at once. */
	made = run_loop_source_create(port_descriptor(ivars->port), perform, let_go, link);
	if (made == NULL)
		return NULL;
	pthread_mutex_lock(&ivars->lock);
	link->source = made;
	if (ivars->source != NULL && object_try_retain(ivars->source))
		source = ivars->source;
	else
		ivars->source = made;
	pthread_mutex_unlock(&ivars->lock);
	if (source == NULL)
		return made;
	CFRelease(made);
	return source;
}
