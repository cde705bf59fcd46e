/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_connection.h"

#include <IOKit/OSMessageNotification.h>
#include <mach/mach.h>

struct received {
	mach_msg_header_t header;
	OSNotificationHeader64 notification;
	IOReturn result;
	uint8_t arguments[16 * 8];
	mach_msg_trailer_t trailer;
};

static struct port *port;
static mach_port_t name;

static void
set_up(void)
{
	port = fake_port();
	name = port_name(port);
}

static void
send(uint32_t count, uint64_t first)
{
	struct port_message message = {
		.result = kIOReturnBusy, .count = count, .arguments = {first}};

	ck_assert_int_eq(port_deliver(port, &message), kIOReturnSuccess);
}

static mach_msg_return_t
receive(struct received *received, mach_msg_option_t option, mach_msg_size_t limit,
	mach_msg_timeout_t timeout)
{
	return mach_msg(&received->header, MACH_RCV_MSG | option, 0, limit, name, timeout,
			MACH_PORT_NULL);
}

START_TEST(receives_in_order_with_a_trailer)
{
	struct received received;
	uint64_t argument;

	set_up();
	for (uint64_t i = 1; i <= 3; i++)
		send(2, i);
	for (uint64_t i = 1; i <= 3; i++) {
		memset(&received, 0xff, sizeof(received));
		ck_assert_int_eq(receive(&received, 0, sizeof(received), 0), MACH_MSG_SUCCESS);
		ck_assert_uint_eq(received.header.msgh_size, 24 + 72 + 4 + 16);
		ck_assert_uint_eq(received.header.msgh_local_port, name);
		ck_assert_int_eq(received.header.msgh_id, kOSNotificationMessageID);
		ck_assert_uint_eq(received.notification.type, kIOAsyncCompletionNotificationType);
		ck_assert_int_eq(received.result, kIOReturnBusy);
		memcpy(&argument, received.arguments, sizeof(argument));
		ck_assert_uint_eq(argument, i);
		memcpy(&argument, received.arguments + 16, sizeof(argument));
		ck_assert_uint_eq(argument, UINT64_C(8) << 32); /* the trailer */
	}
	fake_port_end(port);
}
END_TEST

START_TEST(times_out)
{
	struct received received;
	uint64_t start = clock_now();

	set_up();
	ck_assert_int_eq(receive(&received, MACH_RCV_TIMEOUT, sizeof(received), 0),
			 MACH_RCV_TIMED_OUT);
	ck_assert_int_eq(receive(&received, MACH_RCV_TIMEOUT, sizeof(received), 20),
			 MACH_RCV_TIMED_OUT);
	ck_assert_uint_ge(clock_now() - start, 20 * NSEC_PER_MSEC);
	fake_port_end(port);
}
END_TEST

START_TEST(fits_exactly_or_not)
{
	struct received received;

	set_up();
	send(1, 4);
	ck_assert_int_eq(receive(&received, MACH_RCV_TIMEOUT, 108, 0), MACH_MSG_SUCCESS);
	send(1, 5);
	ck_assert_int_eq(receive(&received, MACH_RCV_LARGE | MACH_RCV_TIMEOUT, 107, 0),
			 MACH_RCV_TOO_LARGE);
	ck_assert_uint_eq(received.header.msgh_size, 108);
	ck_assert_int_eq(receive(&received, MACH_RCV_LARGE | MACH_RCV_TIMEOUT, 24, 0),
			 MACH_RCV_TOO_LARGE);
	ck_assert_int_eq(receive(&received, MACH_RCV_LARGE | MACH_RCV_TIMEOUT, 108, 0),
			 MACH_MSG_SUCCESS);
	send(1, 6);
	ck_assert_int_eq(receive(&received, MACH_RCV_TIMEOUT, 107, 0), MACH_RCV_TOO_LARGE);
	ck_assert_int_eq(receive(&received, MACH_RCV_TIMEOUT, 108, 0), MACH_RCV_TIMED_OUT);
	fake_port_end(port);
}
END_TEST

static void *
receive_for_ever(void *result)
{
	struct received received;

	*(mach_msg_return_t *)result = receive(&received, 0, sizeof(received), 0);
	return NULL;
}

START_TEST(ends_with_its_port)
{
	mach_msg_return_t result = MACH_MSG_SUCCESS;
	pthread_t thread;

	set_up();
	ck_assert_int_eq(pthread_create(&thread, NULL, receive_for_ever, &result), 0);
	ck_assert_int_eq(mach_port_destroy(mach_task_self(), name), KERN_SUCCESS);
	pthread_join(thread, NULL);
	/* Which one depends on who was first. */
	ck_assert(result == MACH_RCV_PORT_DIED || result == MACH_RCV_INVALID_NAME);
	port_release(port);
}
END_TEST

START_TEST(refuses_what_it_cannot_do)
{
	struct received received;

	set_up();
	ck_assert_int_eq(mach_msg(&received.header, MACH_SEND_MSG, 24, 0, 0, 0, 0),
			 kIOReturnUnsupported);
	ck_assert_int_eq(receive(&received, MACH_SEND_MSG, sizeof(received), 0),
			 kIOReturnUnsupported);
	ck_assert_int_eq(receive(&received, 0x400, sizeof(received), 0), kIOReturnUnsupported);
	ck_assert_int_eq(receive(&received, MACH_RCV_TIMEOUT, 23, 0), MACH_RCV_INVALID_DATA);
	ck_assert_int_eq(mach_msg(NULL, MACH_RCV_MSG, 0, 300, name, 0, 0), MACH_RCV_INVALID_DATA);
	fake_port_end(port);
	ck_assert_int_eq(receive(&received, MACH_RCV_TIMEOUT, sizeof(received), 0),
			 MACH_RCV_INVALID_NAME);
}
END_TEST

UNIT_MAIN("mach_msg", receives_in_order_with_a_trailer, times_out, fits_exactly_or_not,
	  ends_with_its_port, refuses_what_it_cannot_do)
