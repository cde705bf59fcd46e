/* SPDX-License-Identifier: Apache-2.0 */
/* The messages that arrive on a notification port, and the words of an async reference. */
#ifndef OPENDEXT_IOKIT_OSMESSAGENOTIFICATION_H
#define OPENDEXT_IOKIT_OSMESSAGENOTIFICATION_H

#include <stdint.h>

#include <mach/port.h>

enum {
	kFirstIOKitNotificationType = 0x64,
	kIOServicePublishNotificationType = 0x64,
	kIOServiceMatchedNotificationType = 0x65,
	kIOServiceTerminatedNotificationType = 0x66,
	kIOAsyncCompletionNotificationType = 0x96,
	kIOServiceMessageNotificationType = 0xa0,
	kLastIOKitNotificationType = 0xc7,
	kIOKitNoticationTypeMask = 0xfff,
	kIOKitNoticationTypeSizeAdjShift = 0x1e,
	kIOKitNoticationMsgSizeMask = 3,
	kOSNotificationMessageID = 0x35,
	kOSAsyncCompleteMessageID = 0x39,
	kMaxAsyncArgs = 0x10,
	kIOAsyncReservedIndex = 0,
	kIOAsyncReservedCount = 1,
	kIOAsyncCalloutFuncIndex = 1,
	kIOAsyncCalloutRefconIndex = 2,
	kIOAsyncCalloutCount = 3,
	kIOMatchingCalloutFuncIndex = 1,
	kIOMatchingCalloutRefconIndex = 2,
	kIOMatchingCalloutCount = 3,
	kIOInterestCalloutFuncIndex = 1,
	kIOInterestCalloutRefconIndex = 2,
	kIOInterestCalloutServiceIndex = 3,
	kIOInterestCalloutCount = 4,
	kOSAsyncRef64Count = 8,
	kOSAsyncRefCount = 8,
};

#define kOSAsyncRefSize 0x20

typedef natural_t OSAsyncReference[kOSAsyncRefCount];
typedef uint64_t OSAsyncReference64[kOSAsyncRef64Count];
typedef uint64_t io_user_reference_t;

#endif
