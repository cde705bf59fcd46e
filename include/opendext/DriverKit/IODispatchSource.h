/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IODispatchSource: what brings events to a driver's handlers. IOTimerDispatchSource and
 * IODataQueueDispatchSource are its kinds; these functions are for all of them.
 *
 * Handlers are OSActions and run on the queue of their target, one call of a handler at a time.
 * What comes while a handler waits for its turn, or while the source is disabled, is one call later
 * on.
 *
 * Which calls wait for a handler that is running: Cancel, whose own handler comes after it. Neither
 * SetEnable nor SetEnableWithCompletion does.
 *
 * Cancel a source before you give it up: until then an armed timer keeps it alive.
 */
#ifndef OPENDEXT_DRIVERKIT_IODISPATCHSOURCE_H
#define OPENDEXT_DRIVERKIT_IODISPATCHSOURCE_H

#include <DriverKit/IODispatchQueue.h>
#include <DriverKit/OSAction.h>

DEXT_BEGIN_DECLS

typedef struct IODispatchSource IODispatchSource;
extern const OSMetaClass gIODispatchSourceMetaClass;

typedef void (*IODispatchSourceCancelHandler)(void *context);
typedef void (*IODispatchSourceSetEnableCompletionHandler)(void *context);

/*
 * No handler begins from now on. `handler`, which may be NULL, is called when none is running any
 * more: perhaps before Cancel returns, else on the thread of the one that ran; never while one
 * runs, so that what handlers use may be freed in it. Any thread, a handler of the source included;
 * any number of times: each handler is called once. The handlers that were set are released.
 */
kern_return_t IODispatchSource_Cancel_f(IODispatchSource *source, void *context,
					IODispatchSourceCancelHandler handler);
/*
 * Enables or disables the source's handlers. Does not wait for one that is running. Setting what is
 * set already is success. kIOReturnUnsupported after Cancel. Any thread.
 */
kern_return_t IODispatchSource_SetEnable(IODispatchSource *source, bool enable);
/* The same, and calls `handler` before it returns. It waits for no handler either. */
kern_return_t
IODispatchSource_SetEnableWithCompletion_f(IODispatchSource *source, bool enable, void *context,
					   IODispatchSourceSetEnableCompletionHandler handler);
/*
 * Looks whether the source has something for its handlers, and has it delivered: for a data queue,
 * entries that are there. synchronous: in this thread where the handler's queue is idle, so that it
 * has run when this returns. kIOReturnUnsupported after Cancel. Any thread.
 */
kern_return_t IODispatchSource_CheckForWork(IODispatchSource *source, bool synchronous);

DEXT_END_DECLS

#endif
