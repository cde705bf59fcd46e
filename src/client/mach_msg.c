/* SPDX-License-Identifier: Apache-2.0 */
/* mach_msg, the receiving half: a queued message in the layout of the mach header. */
#include <mach/message.h>

#include <string.h>

#include "callout.h"
#include "clock.h"
#include "errno_kept.h"
#include "log.h"
#include "port.h"

#define TRAILER_SIZE sizeof(mach_msg_trailer_t)

static mach_msg_return_t
status_of(IOReturn res)
{
	switch (res) {
	case kIOReturnSuccess:
		return MACH_MSG_SUCCESS;
	case kIOReturnTimeout:
		return MACH_RCV_TIMED_OUT;
	default:
		return MACH_RCV_PORT_DIED;
	}
}

/* A message that does not fit is lost here; with MACH_RCV_LARGE it is a copy, and waits on. */
static mach_msg_return_t
hand_out(const struct port_message *taken, mach_port_name_t name, mach_msg_header_t *message,
	 mach_msg_size_t limit)
{
	mach_msg_trailer_t trailer = {.msgh_trailer_size = TRAILER_SIZE};
	uint8_t bytes[CALLOUT_MESSAGE_MAX];
	mach_msg_size_t size = callout_encode(taken, name, bytes);

	if (size > limit) {
		memcpy(message, bytes, sizeof(*message));
		return MACH_RCV_TOO_LARGE;
	}
	memcpy(message, bytes, size);
	if (limit - size >= TRAILER_SIZE)
		memcpy((uint8_t *)message + size, &trailer, TRAILER_SIZE);
	return MACH_MSG_SUCCESS;
}

static mach_msg_return_t
receive(struct port *port, mach_msg_header_t *message, mach_msg_option_t option,
	mach_msg_size_t limit, mach_msg_timeout_t timeout)
{
	int most = option & MACH_RCV_LARGE ? callout_room(limit) : (int)DEXT_SCALARS_MAX;
	uint64_t deadline = UINT64_MAX;
	struct port_message taken;
	IOReturn res;

	if (option & MACH_RCV_TIMEOUT)
		deadline = timeout == 0 ? 0 : clock_now() + timeout * NSEC_PER_MSEC;
	res = port_wait(port, deadline, most, &taken);
	if (res == kIOReturnSuccess || res == kIOReturnMessageTooLarge)
		return hand_out(&taken, port_name(port), message, limit);
	return status_of(res);
}

mach_msg_return_t
mach_msg(mach_msg_header_t *message, mach_msg_option_t option, mach_msg_size_t send_size,
	 mach_msg_size_t receive_limit, mach_port_name_t receive_name, mach_msg_timeout_t timeout,
	 mach_port_name_t notify)
{
	const mach_msg_option_t known = MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_TIMEOUT;
	mach_msg_return_t res;
	struct port *port;
	ERRNO_KEPT;

	if (!(option & MACH_RCV_MSG) || (option & ~known) != 0 || send_size != 0 ||
	    notify != MACH_PORT_NULL) {
		log_error("mach_msg: option %#x: only receiving is there", (unsigned)option);
		return kIOReturnUnsupported;
	}
	if (message == NULL || receive_limit < sizeof(*message)) {
		log_error("mach_msg: no room for a header");
		return MACH_RCV_INVALID_DATA;
	}
	port = port_copy(receive_name);
	if (port == NULL)
		return MACH_RCV_INVALID_NAME;
	res = receive(port, message, option, receive_limit, timeout);
	port_release(port);
	return res;
}
