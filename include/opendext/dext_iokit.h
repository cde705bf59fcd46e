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

DEXT_END_DECLS

#endif
