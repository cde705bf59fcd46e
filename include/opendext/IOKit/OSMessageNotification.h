/* SPDX-License-Identifier: Apache-2.0 */
/* The messages that arrive on a notification port, and the words of an async reference. */
#ifndef OPENDEXT_IOKIT_OSMESSAGENOTIFICATION_H
#define OPENDEXT_IOKIT_OSMESSAGENOTIFICATION_H

#include <stdint.h>

#include <IOKit/IOReturn.h>
#include <device/device_types.h>
#include <mach/message.h>
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

#define kOSAsyncRefSize	  0x20
#define kOSAsyncRef64Size (kOSAsyncRef64Count * (int)sizeof(io_user_reference_t))

typedef natural_t OSAsyncReference[kOSAsyncRefCount];
typedef uint64_t OSAsyncReference64[kOSAsyncRef64Count];

/* What follows the mach header of a message with the id kOSNotificationMessageID. */
#pragma pack(push, 4)
typedef struct OSNotificationHeader {
	mach_msg_size_t size; /* bytes of content */
	natural_t type;
	OSAsyncReference reference;
	__extension__ unsigned char content[0];
} OSNotificationHeader;

typedef struct OSNotificationHeader64 {
	mach_msg_size_t size; /* bytes of content */
	natural_t type;	      /* k...NotificationType */
	OSAsyncReference64 reference;
	__extension__ unsigned char content[0];
} OSNotificationHeader64;

/* The content of type kIOAsyncCompletionNotificationType. */
typedef struct IOAsyncCompletionContent {
	IOReturn result;
	__extension__ void *args[0]; /* as many as the header's size leaves room for */
} IOAsyncCompletionContent;

/* The content of type kIOServiceMessageNotificationType. */
typedef struct IOServiceInterestContent {
	natural_t messageType; /* kIOMessage... */
	void *messageArgument[1];
} IOServiceInterestContent;

typedef struct IOServiceInterestContent64 {
	natural_t messageType;
	io_user_reference_t messageArgument[1];
} IOServiceInterestContent64;
#pragma pack(pop)

#endif
