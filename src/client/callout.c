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

void
callout_run(const struct port_message *message)
{
	uintptr_t function = (uintptr_t)message->reference[kIOAsyncCalloutFuncIndex];
	void *refcon = (void *)(uintptr_t)message->reference[kIOAsyncCalloutRefconIndex];
	void *arguments[DEXT_SCALARS_MAX];

	if (function == 0) {
		log_error("a completion has no function in reference word %d",
			  kIOAsyncCalloutFuncIndex);
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
	mach_msg_header_t header = {
		.msgh_size = (mach_msg_size_t)(MESSAGE_HEAD + CONTENT_MIN + arguments),
		.msgh_local_port = port,
		.msgh_id = kOSNotificationMessageID,
	};
	OSNotificationHeader64 notification = {
		.size = (mach_msg_size_t)CONTENT_MIN + arguments,
		.type = kIOAsyncCompletionNotificationType,
	};
	IOAsyncCompletionContent content = {.result = message->result};

	memcpy(notification.reference, message->reference, sizeof(notification.reference));
	memcpy(ret_bytes, &header, sizeof(header));
	memcpy(ret_bytes + sizeof(header), &notification, sizeof(notification));
	memcpy(ret_bytes + MESSAGE_HEAD, &content, sizeof(content));
	memcpy(ret_bytes + MESSAGE_HEAD + CONTENT_MIN, message->arguments, arguments);
	return header.msgh_size;
}

int
callout_room(mach_msg_size_t size)
{
	if (size < MESSAGE_HEAD + CONTENT_MIN)
		return -1;
	if (size >= CALLOUT_MESSAGE_MAX)
		return DEXT_SCALARS_MAX;
	return (int)((size - MESSAGE_HEAD - CONTENT_MIN) / sizeof(uint64_t));
}

bool
callout_decode(const void *bytes, struct port_message *ret_message)
{
	struct port_message message = {0};
	OSNotificationHeader64 notification;
	IOAsyncCompletionContent content;
	const uint8_t *at = bytes;
	mach_msg_header_t header;
	uint32_t arguments;

	memcpy(&header, at, sizeof(header));
	if (header.msgh_id != kOSNotificationMessageID ||
	    header.msgh_size < MESSAGE_HEAD + CONTENT_MIN || header.msgh_size > CALLOUT_MESSAGE_MAX)
		return false;
	memcpy(&notification, at + sizeof(header), sizeof(notification));
	if (notification.type != kIOAsyncCompletionNotificationType ||
	    notification.size != header.msgh_size - MESSAGE_HEAD)
		return false;
	arguments = notification.size - (uint32_t)CONTENT_MIN;
	if (arguments % sizeof(message.arguments[0]) != 0)
		return false;
	memcpy(&content, at + MESSAGE_HEAD, sizeof(content));
	memcpy(message.reference, notification.reference, sizeof(message.reference));
	memcpy(message.arguments, at + MESSAGE_HEAD + CONTENT_MIN, arguments);
	message.result = content.result;
	message.count = arguments / (uint32_t)sizeof(message.arguments[0]);
	*ret_message = message;
	return true;
}

void
IODispatchCalloutFromMessage(void *unused, mach_msg_header_t *message, void *reference)
{
	struct port_message decoded;

	if (message == NULL || !callout_decode(message, &decoded)) {
		log_error("IODispatchCalloutFromMessage: the message is %s",
			  message == NULL ? "NULL" : "no completion, or its size does not fit");
		return;
	}
	callout_run(&decoded);
}
