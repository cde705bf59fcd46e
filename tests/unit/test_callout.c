/* SPDX-License-Identifier: Apache-2.0 */
#include "callout.h"

#include "unit.h"

#include <IOKit/IOKitLib.h>

static struct {
	int calls;
	void *refcon;
	IOReturn result;
	void *arguments[16];
	uint32_t count;
} seen;

static void
with_none(void *refcon, IOReturn result)
{
	seen.calls++;
	seen.refcon = refcon;
	seen.result = result;
	seen.count = 0;
}

static void
with_one(void *refcon, IOReturn result, void *arg0)
{
	with_none(refcon, result);
	seen.count = 1;
	seen.arguments[0] = arg0;
}

static void
with_two(void *refcon, IOReturn result, void *arg0, void *arg1)
{
	with_one(refcon, result, arg0);
	seen.count = 2;
	seen.arguments[1] = arg1;
}

static void
with_many(void *refcon, IOReturn result, void **args, uint32_t arg_count)
{
	with_none(refcon, result);
	seen.count = arg_count;
	memcpy(seen.arguments, args, arg_count * sizeof(args[0]));
}

static struct port_message
message_of(uint32_t count, void (*function)(void))
{
	struct port_message message = {.result = kIOReturnOverrun, .count = count};

	message.reference[0] = 0xaaaa;
	message.reference[kIOAsyncCalloutFuncIndex] = (uintptr_t)function;
	message.reference[kIOAsyncCalloutRefconIndex] = (uintptr_t)&seen;
	message.reference[7] = 0xbbbb;
	for (uint32_t i = 0; i < count; i++)
		message.arguments[i] = UINT64_C(0x100000000) + i;
	return message;
}

static void
assert_seen(uint32_t count)
{
	ck_assert_int_eq(seen.calls, 1);
	ck_assert_ptr_eq(seen.refcon, &seen);
	ck_assert_int_eq(seen.result, kIOReturnOverrun);
	ck_assert_uint_eq(seen.count, count);
	for (uint32_t i = 0; i < count; i++)
		ck_assert_uint_eq((uintptr_t)seen.arguments[i],
				  (uintptr_t)(UINT64_C(0x100000000) + i));
	memset(&seen, 0, sizeof(seen));
}

static void (*shape_of(uint32_t count))(void)
{
	switch (count) {
	case 0:
		return (void (*)(void))with_none;
	case 1:
		return (void (*)(void))with_one;
	case 2:
		return (void (*)(void))with_two;
	default:
		return (void (*)(void))with_many;
	}
}

START_TEST(the_count_chooses_the_shape)
{
	for (uint32_t count = 0; count <= 16; count++) {
		struct port_message message = message_of(count, shape_of(count));

		callout_run(&message);
		assert_seen(count);
	}
}
END_TEST

START_TEST(no_function_is_no_call)
{
	struct port_message message = message_of(2, NULL);

	callout_run(&message);
	ck_assert_int_eq(seen.calls, 0);
}
END_TEST

/* The layout that an app's receive loop reads, by the offsets that it has on macOS. */
START_TEST(a_message_has_the_known_layout)
{
	struct port_message message = message_of(3, shape_of(3));
	uint8_t bytes[CALLOUT_MESSAGE_MAX];
	mach_msg_size_t size = callout_encode(&message, 77, bytes);
	uint32_t word;
	uint64_t wide;

	ck_assert_uint_eq(size, 24 + 72 + 4 + 3 * 8);
	memcpy(&word, bytes + 4, 4);
	ck_assert_uint_eq(word, size);
	memcpy(&word, bytes + 12, 4);
	ck_assert_uint_eq(word, 77);
	memcpy(&word, bytes + 20, 4);
	ck_assert_uint_eq(word, 0x35);
	memcpy(&word, bytes + 24, 4);
	ck_assert_uint_eq(word, 4 + 3 * 8);
	memcpy(&word, bytes + 28, 4);
	ck_assert_uint_eq(word, 0x96);
	memcpy(&wide, bytes + 32 + 8 * kIOAsyncCalloutRefconIndex, 8);
	ck_assert_uint_eq(wide, (uintptr_t)&seen);
	memcpy(&wide, bytes + 32 + 8 * 7, 8);
	ck_assert_uint_eq(wide, 0xbbbb);
	memcpy(&word, bytes + 96, 4);
	ck_assert_int_eq((IOReturn)word, kIOReturnOverrun);
	memcpy(&wide, bytes + 100 + 8 * 2, 8);
	ck_assert_uint_eq(wide, UINT64_C(0x100000002));
}
END_TEST

START_TEST(a_message_comes_back)
{
	_Alignas(8) uint8_t bytes[CALLOUT_MESSAGE_MAX + 4];

	for (uint32_t count = 0; count <= 16; count++) {
		struct port_message message = message_of(count, shape_of(count)), back;

		callout_encode(&message, 1, bytes);
		ck_assert(callout_decode(bytes, &back));
		ck_assert_mem_eq(&back, &message, sizeof(back));
		IODispatchCalloutFromMessage(NULL, (mach_msg_header_t *)bytes, NULL);
		assert_seen(count);
		ck_assert_int_eq(callout_room(100 + 8 * count), (int)count);
		ck_assert_int_eq(callout_room(100 + 8 * count - 1), (int)count - 1);
	}
}
END_TEST

/* One word of the head changed: nothing but the original is a message. */
START_TEST(refuses_what_is_no_completion)
{
	struct port_message message = message_of(2, shape_of(2)), back;
	const uint32_t words[] = {0, 1, 3, 99, 100, 101, 104, 228, 236, 0x7fffffff, UINT32_MAX};
	const size_t places[] = {4, 20, 24, 28}; /* size, id, content size, type */
	_Alignas(8) uint8_t bytes[CALLOUT_MESSAGE_MAX];

	for (size_t place = 0; place < 4; place++)
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			callout_encode(&message, 1, bytes);
			memcpy(bytes + places[place], &words[i], 4);
			ck_assert(!callout_decode(bytes, &back));
			IODispatchCalloutFromMessage(NULL, (mach_msg_header_t *)bytes, NULL);
		}
	for (uint32_t count = 17; count < 1000; count += 7) { /* sizes that agree, on too much */
		const uint32_t content = 4 + 8 * count, size = 96 + content;

		callout_encode(&message, 1, bytes);
		memcpy(bytes + 4, &size, 4);
		memcpy(bytes + 24, &content, 4);
		ck_assert(!callout_decode(bytes, &back));
	}
	IODispatchCalloutFromMessage(NULL, NULL, NULL);
	ck_assert_int_eq(seen.calls, 0);
}
END_TEST

/* --- notifications --- */

static io_iterator_t seen_iterator;
static io_service_t seen_service;
static uint32_t seen_type;

static void
with_iterator(void *refcon, io_iterator_t iterator)
{
	with_none(refcon, kIOReturnOverrun);
	seen_iterator = iterator;
}

static void
with_service(void *refcon, io_service_t service, uint32_t type, void *argument)
{
	with_one(refcon, kIOReturnOverrun, argument);
	seen_service = service;
	seen_type = type;
}

START_TEST(news_of_an_iterator)
{
	struct port_message message = message_of(0, (void (*)(void))with_iterator), back;
	_Alignas(8) uint8_t bytes[CALLOUT_MESSAGE_MAX];
	uintptr_t reference = 0;
	vm_size_t size = 1;
	uint32_t word, type = 0;
	void *content;

	message.type = kIOServiceMatchedNotificationType;
	message.sender = 0x1235;
	message.result = 0;
	/* A head alone, and the iterator's name in it as on macOS. */
	ck_assert_uint_eq(callout_encode(&message, 77, bytes), 24 + 72);
	memcpy(&word, bytes + 8, 4);
	ck_assert_uint_eq(word, 0x1235);
	memcpy(&word, bytes + 28, 4);
	ck_assert_uint_eq(word, 0x65);
	ck_assert(callout_decode(bytes, &back));
	ck_assert_mem_eq(&back, &message, sizeof(back));
	IODispatchCalloutFromMessage(NULL, (mach_msg_header_t *)bytes, NULL);
	assert_seen(0);
	ck_assert_uint_eq(seen_iterator, 0x1235);
	ck_assert_int_eq(OSGetNotificationFromMessage((mach_msg_header_t *)bytes, 0, &type,
						      &reference, &content, &size),
			 0);
	ck_assert_uint_eq(type, kIOServiceMatchedNotificationType);
	ck_assert_uint_eq(reference, 0xaaaa);
	ck_assert_ptr_eq(content, bytes + 96);
	ck_assert_uint_eq(size, 0);
	ck_assert_int_eq(callout_room(96), -1);
	ck_assert_int_eq(callout_room(95), -2);
}
END_TEST

START_TEST(news_of_a_service)
{
	struct port_message message = message_of(1, (void (*)(void))with_service), back;
	_Alignas(8) uint8_t bytes[CALLOUT_MESSAGE_MAX];
	uint32_t word;

	message.type = kIOServiceMessageNotificationType;
	message.sender = 0x1235;
	message.reference[kIOInterestCalloutServiceIndex] = 0x4321;
	message.result = (IOReturn)kIOMessageServiceBusyStateChange;
	ck_assert_uint_eq(callout_encode(&message, 77, bytes),
			  24 + 72 + sizeof(IOServiceInterestContent64));
	memcpy(&word, bytes + 96, 4);
	ck_assert_uint_eq(word, kIOMessageServiceBusyStateChange);
	ck_assert(callout_decode(bytes, &back));
	ck_assert_mem_eq(&back, &message, sizeof(back));
	IODispatchCalloutFromMessage(NULL, (mach_msg_header_t *)bytes, NULL);
	assert_seen(1);
	ck_assert_uint_eq(seen_service, 0x4321);
	ck_assert_uint_eq(seen_type, kIOMessageServiceBusyStateChange);
}
END_TEST

/* Contents of another size than their type has. */
START_TEST(refuses_news_of_another_size)
{
	const uint32_t types[] = {kIOServicePublishNotificationType,
				  kIOServiceMatchedNotificationType,
				  kIOServiceTerminatedNotificationType,
				  kIOServiceMessageNotificationType,
				  0x67,
				  0};
	_Alignas(8) uint8_t bytes[CALLOUT_MESSAGE_MAX];
	struct port_message message = message_of(2, shape_of(2)), back;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		callout_encode(&message, 1, bytes);
		memcpy(bytes + 28, &types[i], 4);
		ck_assert(!callout_decode(bytes, &back));
		IODispatchCalloutFromMessage(NULL, (mach_msg_header_t *)bytes, NULL);
	}
	ck_assert_int_eq(seen.calls, 0);
	ck_assert_int_eq(OSGetNotificationFromMessage(NULL, 0, NULL, NULL, NULL, NULL),
			 kIOReturnBadArgument);
	callout_encode(&message, 1, bytes);
	ck_assert_int_eq(
		OSGetNotificationFromMessage((mach_msg_header_t *)bytes, 1, NULL, NULL, NULL, NULL),
		kIOReturnBadArgument);
	ck_assert_int_eq(
		OSGetNotificationFromMessage((mach_msg_header_t *)bytes, 0, NULL, NULL, NULL, NULL),
		0);
	bytes[24]++; /* the content's size */
	ck_assert_int_eq(
		OSGetNotificationFromMessage((mach_msg_header_t *)bytes, 0, NULL, NULL, NULL, NULL),
		kIOReturnBadArgument);
}
END_TEST

UNIT_MAIN("callout", the_count_chooses_the_shape, no_function_is_no_call,
	  a_message_has_the_known_layout, a_message_comes_back, refuses_what_is_no_completion,
	  news_of_an_iterator, news_of_a_service, refuses_news_of_another_size)
