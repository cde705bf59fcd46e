/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSAction: a callback as an object. It holds a target, a function of a certain type and a zeroed
 * reference area; whoever has the action calls it, and the function runs on the target's queue. An
 * action is made by the creator of its type, for instance
 * IOUSBHostPipe_CreateActionCompleteAsyncIO.
 */
#ifndef OPENDEXT_DRIVERKIT_OSACTION_H
#define OPENDEXT_DRIVERKIT_OSACTION_H

#include <DriverKit/IODispatchQueue.h>

DEXT_BEGIN_DECLS

typedef struct OSAction OSAction;
extern const OSMetaClass gOSActionMetaClass;

typedef void (*OSActionCancelHandler)(void *context);
typedef void (*OSActionAbortedHandler)(void *context);

/* The reference area, as large as was asked for at creation, zeroed then; NULL if that was 0. */
void *OSAction_GetReference(OSAction *action);
/*
 * From now on the callback is not called again, and the target is released. handler is called once
 * no callback is running, perhaps from inside Cancel. Any thread, any number of times.
 */
kern_return_t OSAction_Cancel_f(OSAction *action, void *context, OSActionCancelHandler handler);
/*
 * handler is called when nobody else holds the action any more: the client that it belonged to has
 * gone. It runs on the target's queue.
 */
kern_return_t OSAction_SetAbortedHandler_f(OSAction *action, void *context,
					   OSActionAbortedHandler handler);

DEXT_END_DECLS

#endif
