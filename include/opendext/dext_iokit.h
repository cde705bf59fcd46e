/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What OpenDext adds to the app's interface: completions for programs that have a poll, epoll or
 * io_uring loop of their own.
 *
 *	int fd = IONotificationPortGetFileDescriptor(port);
 *	... poll(fd for POLLIN) ...
 *	dext_notification_port_dispatch(port);
 */
#ifndef OPENDEXT_DEXT_IOKIT_H
#define OPENDEXT_DEXT_IOKIT_H

#include <IOKit/IOKitLib.h>
#include <dext_cdefs.h>

DEXT_BEGIN_DECLS

/*
 * Readable while there is something to dispatch; may be readable once without. Only to be polled:
 * neither read nor close it. It lives as long as the port. -1 for NULL.
 */
int IONotificationPortGetFileDescriptor(IONotificationPortRef notify);

/*
 * Calls the callbacks of what has arrived, on this thread, and returns how many it called. Never
 * waits. After many it stops early and the descriptor stays readable. A callback may destroy the
 * port.
 */
uint32_t dext_notification_port_dispatch(IONotificationPortRef notify);

/*
 * From now on a method of this connection (IOConnectCall...) that has not returned after so many
 * nanoseconds is kIOReturnTimeout for its caller; 0, as at the beginning: it may take for ever. Any
 * thread; does not block; calls under way keep what they began with.
 *
 * The driver is not told, and its method goes on. Outputs are not written, but memory of
 * mach_vm_allocate that the call has passed is the driver's until its method returns. The
 * completions of an asynchronous call still come. The call counts among the 64 of a connection
 * until the driver has answered it; the next calls wait for it then, not longer than their own
 * time. Mapping and closing have no such bound. kIOReturnBadArgument, MACH_SEND_INVALID_DEST: no
 * open connection.
 */
kern_return_t dext_connect_set_timeout(io_connect_t connect, uint64_t nanoseconds);

DEXT_END_DECLS

#endif
