/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports in run loops: messages of a port, an app's own or one that IOKit's calls were given, arrive
 * at a callback on the loop's thread. With a notification port this is not needed:
 * IONotificationPortGetRunLoopSource.
 */
#ifndef OPENDEXT_COREFOUNDATION_CFMACHPORT_H
#define OPENDEXT_COREFOUNDATION_CFMACHPORT_H

#include <CoreFoundation/CFRunLoop.h>
#include <mach/port.h>

DEXT_BEGIN_DECLS

typedef struct __CFMachPort *CFMachPortRef;

/* Functions that are NULL are not called; copyDescription never is. */
typedef struct {
	CFIndex version; /* 0 */
	void *info;
	const void *(*retain)(const void *info);
	void (*release)(const void *info);
	CFStringRef (*copyDescription)(const void *info);
} CFMachPortContext;

/* msg is a mach_msg_header_t and what follows it, size bytes, valid until the callback returns. */
typedef void (*CFMachPortCallBack)(CFMachPortRef port, void *msg, CFIndex size, void *info);
typedef void (*CFMachPortInvalidationCallBack)(CFMachPortRef port, void *info);

/* What CFGetTypeID gives for a port. Any thread. */
CFTypeID CFMachPortGetTypeID(void);
/*
 * With a new receive right, which ends when it is invalidated or released for the last time; or for
 * a port that there is, which stays. Messages go to whoever takes them first: one of these for a
 * port. *should_free_info, which may be NULL, is false. NULL: no memory or descriptors, no such
 * port, no callout, or a context of another version.
 */
CFMachPortRef CFMachPortCreate(CFAllocatorRef allocator, CFMachPortCallBack callout,
			       CFMachPortContext *context, Boolean *should_free_info);
CFMachPortRef CFMachPortCreateWithPort(CFAllocatorRef allocator, mach_port_t port,
				       CFMachPortCallBack callout, CFMachPortContext *context,
				       Boolean *should_free_info);
mach_port_t CFMachPortGetPort(CFMachPortRef port);
/* context->version must be 0. */
void CFMachPortGetContext(CFMachPortRef port, CFMachPortContext *context);
/* From any thread, once and for all: no callback begins any more, its source is invalid. */
void CFMachPortInvalidate(CFMachPortRef port);
/* Also false once the port has ended and a loop has seen it. */
Boolean CFMachPortIsValid(CFMachPortRef port);
/* Called by what invalidates it; at once if it is invalid already. */
void CFMachPortSetInvalidationCallBack(CFMachPortRef port, CFMachPortInvalidationCallBack callout);
CFMachPortInvalidationCallBack CFMachPortGetInvalidationCallBack(CFMachPortRef port);
/* The caller releases it; it retains the port. The same one while it lives. order is not used. */
CFRunLoopSourceRef CFMachPortCreateRunLoopSource(CFAllocatorRef allocator, CFMachPortRef port,
						 CFIndex order);

DEXT_END_DECLS

#endif
