/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Callbacks, by the shapes that IOKit promises: with 0, 1 or 2 arguments these follow the result;
 * with more the callback gets an array and its length. And the message that stands for one.
 *
 * The app runs callbacks on the thread that asks for them; no lock of ours is held.
 */
#include "callout.h"

#include <string.h>

#include "log.h"

#include <IOKit/IOKitLib.h>

#define CONTENT_MIN  sizeof(IOAsyncCompletionContent)
#define MESSAGE_HEAD (sizeof(mach_msg_header_t) + sizeof(OSNotificationHeader64))

_Static_assert(sizeof(mach_msg_header_t) == 24, "layout");
_Static_assert(sizeof(OSNotificationHeader64) == 72, "layout");
_Static_assert(sizeof(IOAsyncCompletionContent) == 4, "layout");
_Static_assert(MESSAGE_HEAD + CONTENT_MIN + DEXT_SCALARS_MAX * 8 == CALLOUT_MESSAGE_MAX, "layout");

/* The words of a reference are the same in all kinds. */
_Static_assert(kIOMatchingCalloutFuncIndex == kIOAsyncCalloutFuncIndex &&
		       kIOInterestCalloutFuncIndex == kIOAsyncCalloutFuncIndex &&
		       kIOMatchingCalloutRefconIndex == kIOAsyncCalloutRefconIndex &&
		       kIOInterestCalloutRefconIndex == kIOAsyncCalloutRefconIndex,
	       "layout");
/* And news of a service look like a completion with one argument. */
_Static_assert(sizeof(IOServiceInterestContent64) ==
		       sizeof(IOAsyncCompletionContent) + sizeof(uint64_t),
	       "layout");

static bool
is_of_matching(uint32_t type)
{
	return type == kIOServicePublishNotificationType ||
	       type == kIOServiceMatchedNotificationType ||
	       type == kIOServiceTerminatedNotificationType;
}

/* Bytes of the content before the arguments. */
static uint32_t
content_size(uint32_t type)
{
	return is_of_matching(type) ? 0 : (uint32_t)CONTENT_MIN;
}

void
callout_run(const struct port_message *message)
{
	uintptr_t function = (uintptr_t)message->reference[kIOAsyncCalloutFuncIndex];
	void *refcon = (void *)(uintptr_t)message->reference[kIOAsyncCalloutRefconIndex];
	void *arguments[DEXT_SCALARS_MAX];

	/* It has only woken the app, which looks at its queue. */
	if (message->queue != 0)
		return;
	if (function == 0) {
		log_error("a completion has no function in reference word %d",
			  kIOAsyncCalloutFuncIndex);
		return;
	}
	if (is_of_matching(message->type)) {
		((IOServiceMatchingCallback)function)(refcon, message->sender);
		return;
	}
	if (message->type == kIOServiceMessageNotificationType) {
		((IOServiceInterestCallback)function)(
			refcon, (io_service_t)message->reference[kIOInterestCalloutServiceIndex],
			(natural_t)message->result, (void *)(uintptr_t)message->arguments[0]);
		return;
	}
	for (uint32_t i = 0; i < message->count; i++)
		arguments[i] = (void *)(uintptr_t)message->arguments[i];
	switch (message->count) {
	case 0:
		((IOAsyncCallback0)function)(refcon, message->result);
		break;
	case 1:
		((IOAsyncCallback1)function)(refcon, message->result, arguments[0]);
		break;
	case 2:
		((IOAsyncCallback2)function)(refcon, message->result, arguments[0], arguments[1]);
		break;
	default:
		((IOAsyncCallback)function)(refcon, message->result, arguments, message->count);
	}
}

mach_msg_size_t
callout_encode(const struct port_message *message, mach_port_t port,
	       uint8_t ret_bytes[static CALLOUT_MESSAGE_MAX])
{
	uint32_t arguments = message->count * (uint32_t)sizeof(message->arguments[0]);
	uint32_t content = content_size(message->type);
	mach_msg_header_t header = {
		.msgh_size = (mach_msg_size_t)MESSAGE_HEAD + content + arguments,
		.msgh_remote_port = message->sender,
		.msgh_local_port = port,
		.msgh_id = kOSNotificationMessageID,
	};
	OSNotificationHeader64 notification = {
		.size = content + arguments,
		.type = message->type != 0 ? message->type : kIOAsyncCompletionNotificationType,
	};

	if (message->queue != 0) {
		header.msgh_size = sizeof(header);
		header.msgh_id = 0;
		memcpy(ret_bytes, &header, sizeof(header));
		return header.msgh_size;
	}
	memcpy(notification.reference, message->reference, sizeof(notification.reference));
	memcpy(ret_bytes, &header, sizeof(header));
	memcpy(ret_bytes + sizeof(header), &notification, sizeof(notification));
	memcpy(ret_bytes + MESSAGE_HEAD, &message->result, content);
	memcpy(ret_bytes + MESSAGE_HEAD + content, message->arguments, arguments);
	return header.msgh_size;
}

int
callout_room(mach_msg_size_t size)
{
	if (size < MESSAGE_HEAD + CONTENT_MIN)
		return size < MESSAGE_HEAD ? -2 : -1;
	if (size >= CALLOUT_MESSAGE_MAX)
		return DEXT_SCALARS_MAX;
	return (int)((size - MESSAGE_HEAD - CONTENT_MIN) / sizeof(uint64_t));
}

/* Whether it is a notification whose size is true; the bytes need no alignment. */
static bool
read_headers(const void *bytes, mach_msg_header_t *ret_header,
	     OSNotificationHeader64 *ret_notification)
{
	memcpy(ret_header, bytes, sizeof(*ret_header));
	if (ret_header->msgh_id != kOSNotificationMessageID ||
	    ret_header->msgh_size < MESSAGE_HEAD || ret_header->msgh_size > CALLOUT_MESSAGE_MAX)
		return false;
	memcpy(ret_notification, (const uint8_t *)bytes + sizeof(*ret_header),
	       sizeof(*ret_notification));
	return ret_notification->size == ret_header->msgh_size - MESSAGE_HEAD;
}

bool
callout_decode(const void *bytes, struct port_message *ret_message)
{
	struct port_message message = {0};
	OSNotificationHeader64 notification;
	uint32_t content, arguments;
	const uint8_t *at = bytes;
	mach_msg_header_t header;

	if (!read_headers(bytes, &header, &notification))
		return false;
	content = content_size(notification.type);
	arguments = notification.size - content;
	if (notification.size < content || arguments % sizeof(message.arguments[0]) != 0)
		return false;
	message.count = arguments / (uint32_t)sizeof(message.arguments[0]);
	if (notification.type != kIOAsyncCompletionNotificationType) {
		if (message.count != (content == 0 ? 0 : 1) ||
		    (content != 0 && notification.type != kIOServiceMessageNotificationType))
			return false;
		message.type = notification.type;
		message.sender = header.msgh_remote_port;
	}
	memcpy(message.reference, notification.reference, sizeof(message.reference));
	memcpy(&message.result, at + MESSAGE_HEAD, content);
	memcpy(message.arguments, at + MESSAGE_HEAD + content, arguments);
	*ret_message = message;
	return true;
}

void
IODispatchCalloutFromMessage(void *unused, mach_msg_header_t *message, void *reference)
{
	struct port_message decoded;

	if (message == NULL || !callout_decode(message, &decoded)) {
		log_error("IODispatchCalloutFromMessage: the message is %s",
			  message == NULL ? "NULL" : "no notification, or its size does not fit");
		return;
	}
	callout_run(&decoded);
}

kern_return_t
OSGetNotificationFromMessage(mach_msg_header_t *message, uint32_t index, uint32_t *type,
			     uintptr_t *reference, void **content, vm_size_t *size)
{
	OSNotificationHeader64 notification;
	mach_msg_header_t header;

	if (message == NULL || index != 0 || !read_headers(message, &header, &notification)) {
		log_error("OSGetNotificationFromMessage: %s",
			  message == NULL ? "the message is NULL"
			  : index != 0	  ? "a message holds one notification, index 0"
					  : "no notification, or its size does not fit");
		return kIOReturnBadArgument;
	}
	if (type != NULL)
		*type = notification.type;
	if (reference != NULL)
		*reference = (uintptr_t)notification.reference[0];
	if (content != NULL)
		*content = (uint8_t *)message + MESSAGE_HEAD;
	if (size != NULL)
		*size = notification.size;
	return kIOReturnSuccess;
}
