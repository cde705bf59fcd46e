/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notification ports: a port, and the run-loop source or the delivery to a dispatch queue that runs
 * its callbacks.
 *
 * A callback may destroy the notification port. So whoever dispatches holds the port inside and
 * never looks at the notification port again; a closed port has nothing more to take.
 */
#include <dext_iokit.h>

#include <pthread.h>
#include <stdlib.h>

#include "callout.h"
#include "delivery.h"
#include "errno_kept.h"
#include "log.h"
#include "port.h"
#include "run_loop.h"

/* Callbacks of one dispatch, so that a driver that never pauses leaves the app's loop its turn. */
#define DISPATCH_MAX 1024u

struct IONotificationPort {
	struct port *port; /* [const] +1 */
	pthread_mutex_t lock;
	CFRunLoopSourceRef source; /* [lock] made when first asked for */
	struct delivery *delivery; /* [lock] the same */
};

IONotificationPortRef
IONotificationPortCreate(mach_port_t main_port)
{
	IONotificationPortRef notify = calloc(1, sizeof(*notify));
	ERRNO_KEPT;

	if (notify == NULL)
		return NULL;
	if (port_create(&notify->port) != kIOReturnSuccess) {
		free(notify);
		return NULL;
	}
	pthread_mutex_init(&notify->lock, NULL);
	return notify;
}

void
IONotificationPortDestroy(IONotificationPortRef notify)
{
	ERRNO_KEPT;

	if (notify == NULL)
		return;
	delivery_end(notify->delivery);
	/* Then the port: closing it wakes the loops, which find the source invalid. */
	if (notify->source != NULL)
		run_loop_source_invalidate(notify->source);
	port_close(notify->port);
	port_release(notify->port);
	CFRelease(notify->source);
	pthread_mutex_destroy(&notify->lock);
	free(notify);
}

static bool
run_one(struct port *port)
{
	struct port_message message;

	if (port_take(port, &message) != kIOReturnSuccess)
		return false;
	callout_run(&message);
	return true;
}

static bool
perform(void *info)
{
	return run_one(info);
}

static void
release_port(void *info)
{
	port_release(info);
}

CFRunLoopSourceRef
IONotificationPortGetRunLoopSource(IONotificationPortRef notify)
{
	CFRunLoopSourceRef source;
	ERRNO_KEPT;

	if (notify == NULL) {
		log_error("IONotificationPortGetRunLoopSource: notify is NULL");
		return NULL;
	}
	pthread_mutex_lock(&notify->lock);
	if (notify->source == NULL)
		notify->source = run_loop_source_create(port_descriptor(notify->port), perform,
							release_port, port_retain(notify->port));
	source = notify->source;
	pthread_mutex_unlock(&notify->lock);
	return source;
}

void
IONotificationPortSetDispatchQueue(IONotificationPortRef notify, dispatch_queue_t queue)
{
	IOReturn res = kIOReturnSuccess;
	struct delivery *delivery;
	ERRNO_KEPT;

	if (notify == NULL) {
		log_error("IONotificationPortSetDispatchQueue: notify is NULL");
		return;
	}
	pthread_mutex_lock(&notify->lock);
	if (notify->delivery == NULL && queue != NULL)
		res = delivery_create(notify->port, &notify->delivery);
	delivery = notify->delivery;
	pthread_mutex_unlock(&notify->lock);
	if (delivery != NULL)
		delivery_set_queue(delivery, queue);
	if (res != kIOReturnSuccess)
		log_error("IONotificationPortSetDispatchQueue: no memory or descriptors for it, "
			  "nothing will be delivered");
}

mach_port_t
IONotificationPortGetMachPort(IONotificationPortRef notify)
{
	if (notify == NULL) {
		log_error("IONotificationPortGetMachPort: notify is NULL");
		return MACH_PORT_NULL;
	}
	return port_name(notify->port);
}

int
IONotificationPortGetFileDescriptor(IONotificationPortRef notify)
{
	if (notify == NULL) {
		log_error("IONotificationPortGetFileDescriptor: notify is NULL");
		return -1;
	}
	return port_descriptor(notify->port);
}

uint32_t
dext_notification_port_dispatch(IONotificationPortRef notify)
{
	uint32_t count = 0;
	struct port *port;

	if (notify == NULL) {
		log_error("dext_notification_port_dispatch: notify is NULL");
		return 0;
	}
	port = port_retain(notify->port);
	while (count < DISPATCH_MAX && run_one(port))
		count++;
	port_release(port);
	return count;
}
