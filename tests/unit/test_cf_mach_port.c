/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

#include <IOKit/IOKitLib.h>
#include <mach/mach.h>

#include "port.h"

struct seen {
	unsigned messages, retained, invalidated;
	IOReturn last;
	CFMachPortRef port;
};

static const void *
retain(const void *info)
{
	((struct seen *)(uintptr_t)info)->retained++;
	return info;
}

static void
release(const void *info)
{
	((struct seen *)(uintptr_t)info)->retained--;
}

static void
arrived(CFMachPortRef port, void *msg, CFIndex size, void *info)
{
	mach_msg_header_t *header = msg;
	struct seen *seen = info;

	ck_assert_int_eq(header->msgh_id, kOSNotificationMessageID);
	ck_assert_int_eq((CFIndex)header->msgh_size, size);
	ck_assert_uint_eq(header->msgh_local_port, CFMachPortGetPort(port));
	IODispatchCalloutFromMessage(NULL, header, NULL);
	seen->messages++;
	seen->port = port;
}

static void
completed(void *refcon, IOReturn result)
{
	((struct seen *)refcon)->last = result;
}

static void
invalidated(CFMachPortRef port, void *info)
{
	((struct seen *)info)->invalidated++;
}

/* A completion of an app's registration, as a connection delivers it. */
static void
deliver(mach_port_t name, struct seen *seen, IOReturn result)
{
	struct port_message message = {.result = result};
	struct port *port = port_copy(name);

	message.reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)completed;
	message.reference[kIOAsyncCalloutRefconIndex] = (uint64_t)(uintptr_t)seen;
	ck_assert_int_eq(port_deliver(port, &message), kIOReturnSuccess);
	port_release(port);
}

static CFRunLoopRunResult
run(void)
{
	return CFRunLoopRunInMode(kCFRunLoopDefaultMode, 10, true);
}

START_TEST(messages_arrive_on_the_loop)
{
	struct seen seen = {0};
	CFMachPortContext context = {0, &seen, retain, release, NULL}, got = {0};
	Boolean should_free = true;
	CFMachPortRef port = CFMachPortCreate(NULL, arrived, &context, &should_free);
	CFRunLoopSourceRef source = CFMachPortCreateRunLoopSource(NULL, port, 0);
	CFRunLoopSourceRef again = CFMachPortCreateRunLoopSource(NULL, port, 0);

	ck_assert(!should_free);
	ck_assert_uint_eq(CFGetTypeID(port), CFMachPortGetTypeID());
	ck_assert_ptr_eq(source, again);
	ck_assert_uint_eq(seen.retained, 1);
	CFRelease(again);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), source, kCFRunLoopDefaultMode);
	deliver(CFMachPortGetPort(port), &seen, kIOReturnBusy);
	ck_assert_int_eq(run(), kCFRunLoopRunHandledSource);
	ck_assert_uint_eq(seen.messages, 1);
	ck_assert_int_eq(seen.last, kIOReturnBusy);
	ck_assert_ptr_eq(seen.port, port);
	CFMachPortGetContext(port, &got);
	ck_assert_ptr_eq(got.info, &seen);

	CFMachPortSetInvalidationCallBack(port, invalidated);
	CFMachPortInvalidate(port);
	CFMachPortInvalidate(port);
	ck_assert_uint_eq(seen.invalidated, 1);
	ck_assert(!CFMachPortIsValid(port));
	ck_assert(!CFRunLoopSourceIsValid(source));
	ck_assert_ptr_null(CFMachPortCreateRunLoopSource(NULL, port, 0));
	ck_assert_int_eq(run(), kCFRunLoopRunFinished);
	CFRelease(source);
	CFRelease(port);
	ck_assert_uint_eq(seen.retained, 0);
}
END_TEST

START_TEST(a_port_made_by_hand_stays)
{
	struct seen seen = {0};
	CFMachPortContext context = {.info = &seen};
	mach_port_t name = MACH_PORT_NULL;
	CFRunLoopSourceRef source, other;
	CFMachPortRef port;

	ck_assert_int_eq(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &name), 0);
	port = CFMachPortCreateWithPort(NULL, name, arrived, &context, NULL);
	ck_assert_uint_eq(CFMachPortGetPort(port), name);
	/* A source that went makes room for another. */
	source = CFMachPortCreateRunLoopSource(NULL, port, 0);
	CFRelease(source);
	other = CFMachPortCreateRunLoopSource(NULL, port, 0);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), other, kCFRunLoopDefaultMode);
	deliver(name, &seen, kIOReturnSuccess);
	ck_assert_int_eq(run(), kCFRunLoopRunHandledSource);
	ck_assert_uint_eq(seen.messages, 1);
	CFRunLoopRemoveSource(CFRunLoopGetCurrent(), other, kCFRunLoopDefaultMode);
	CFRelease(other);
	CFRelease(port);
	ck_assert_int_eq(mach_port_mod_refs(mach_task_self(), name, MACH_PORT_RIGHT_RECEIVE, -1),
			 KERN_SUCCESS);
}
END_TEST

START_TEST(a_port_that_ends_invalidates)
{
	struct seen seen = {0};
	CFMachPortContext context = {.info = &seen};
	mach_port_t name = MACH_PORT_NULL;
	CFRunLoopSourceRef source;
	CFMachPortRef port;

	ck_assert_int_eq(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &name), 0);
	port = CFMachPortCreateWithPort(NULL, name, arrived, &context, NULL);
	CFMachPortSetInvalidationCallBack(port, invalidated);
	source = CFMachPortCreateRunLoopSource(NULL, port, 0);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), source, kCFRunLoopDefaultMode);
	ck_assert_int_eq(mach_port_destroy(mach_task_self(), name), KERN_SUCCESS);
	ck_assert_int_eq(run(), kCFRunLoopRunFinished);
	ck_assert_uint_eq(seen.invalidated, 1);
	ck_assert(!CFMachPortIsValid(port));
	CFRelease(source);
	CFRelease(port);
}
END_TEST

START_TEST(bad_arguments)
{
	CFMachPortContext context = {.version = 1};

	ck_assert_ptr_null(CFMachPortCreate(NULL, NULL, NULL, NULL));
	ck_assert_ptr_null(CFMachPortCreate(NULL, arrived, &context, NULL));
	ck_assert_ptr_null(CFMachPortCreateWithPort(NULL, MACH_PORT_NULL, arrived, NULL, NULL));
	ck_assert_ptr_null(CFMachPortCreateWithPort(NULL, mach_task_self(), arrived, NULL, NULL));
}
END_TEST

UNIT_MAIN("cf_mach_port", messages_arrive_on_the_loop, a_port_made_by_hand_stays,
	  a_port_that_ends_invalidates, bad_arguments)
