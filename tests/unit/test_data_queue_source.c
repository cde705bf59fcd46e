/* SPDX-License-Identifier: Apache-2.0 */
/* The app is this program: it works on the queue's memory by the engine of wire, as libiokit does.
 */
#include <DriverKit/IODataQueueDispatchSource.h>

#include "source_scene.h"

#include <pthread.h>

#include "call_page.h"
#include "closing_app.h"
#include "data_queue.h"
#include "descriptor.h"
#include "mapped_source.h"
#include "source.h"

#define BYTES 256

static struct source_scene scene;
static IODataQueueDispatchSource *source;
static struct data_queue peer; /* the app's */
static OSAction *available, *serviced;
static struct meter available_calls = METER_INITIALIZER, serviced_calls = METER_INITIALIZER;
static struct meter gate = METER_INITIALIZER, entered = METER_INITIALIZER;
static unsigned told, taken;
static bool drains, holds;

static void
tell(OSAction *listener)
{
	ck_assert_ptr_eq(listener, serviced); /* any action does */
	told++;
}

static void
take(void *context, const void *data, size_t size)
{
	ck_assert_uint_eq(size, 4);
	taken++;
}

static void
put(void *context, void *data, size_t size)
{
	memset(data, 1, size);
}

static void
on_available(OSObject *target, OSAction *action)
{
	while (drains &&
	       IODataQueueDispatchSource_Dequeue_f(source, NULL, take) == kIOReturnSuccess)
		;
	meter_raise(&entered);
	if (holds)
		meter_wait(&gate, 1);
	meter_raise(&available_calls);
}

static void
on_serviced(OSObject *target, OSAction *action)
{
	meter_raise(&serviced_calls);
}

bool __real_data_queue_publish(const struct data_queue *queue,
			       const struct data_queue_entry *entry);
bool __wrap_data_queue_publish(const struct data_queue *queue,
			       const struct data_queue_entry *entry);
bool __real_data_queue_consume(const struct data_queue *queue,
			       const struct data_queue_entry *entry);
bool __wrap_data_queue_consume(const struct data_queue *queue,
			       const struct data_queue_entry *entry);

bool
__wrap_data_queue_publish(const struct data_queue *queue, const struct data_queue_entry *entry)
{
	bool tell = __real_data_queue_publish(queue, entry);

	close_meanwhile();
	return tell;
}

bool
__wrap_data_queue_consume(const struct data_queue *queue, const struct data_queue_entry *entry)
{
	bool tell = __real_data_queue_consume(queue, entry);

	close_meanwhile();
	return tell;
}

static void
set(bool classic)
{
	const struct data_queue_layout *layout =
		classic ? &data_queue_classic : &data_queue_dispatch;
	IOMemoryDescriptor *memory;

	source_scene_set(&scene);
	ck_assert_int_eq((classic ? dext_data_queue_create
				  : IODataQueueDispatchSource_Create)(BYTES, scene.queue, &source),
			 kIOReturnSuccess);
	ck_assert_int_eq(IODataQueueDispatchSource_CopyMemory(source, &memory), kIOReturnSuccess);
	ck_assert(data_queue_adopt(&peer, layout, memory_address(memory), memory_length(memory)));
	ck_assert_uint_eq(peer.capacity, BYTES);
	OSRelease(memory);
	ck_assert_int_eq(IODataQueueDispatchSource_CreateActionDataAvailable(
				 (OSObject *)scene.target, on_available, 0, &available),
			 kIOReturnSuccess);
	ck_assert_int_eq(IODataQueueDispatchSource_CreateActionDataServiced(
				 (OSObject *)scene.target, on_serviced, 0, &serviced),
			 kIOReturnSuccess);
}

static void
clear(void)
{
	IODispatchSource_Cancel_f((IODispatchSource *)source, NULL, NULL);
	OSSafeReleaseNULL(source);
	OSSafeReleaseNULL(available);
	OSSafeReleaseNULL(serviced);
	source_scene_clear(&scene);
}

static void
peer_puts(void)
{
	struct data_queue_entry entry;

	ck_assert_int_eq(data_queue_reserve(&peer, 4, &entry), kIOReturnSuccess);
	data_queue_publish(&peer, &entry);
	mapped_source_look((IODispatchSource *)source, false);
}

static bool
peer_takes(void)
{
	struct data_queue_entry entry;

	ck_assert_int_eq(data_queue_peek(&peer, &entry), kIOReturnSuccess);
	return data_queue_consume(&peer, &entry);
}

START_TEST(the_driver_is_called_once_for_each_time_that_it_saw_nothing)
{
	set(true);
	drains = true;
	peer_puts();
	/* There before the handler was. */
	ck_assert_int_eq(IODataQueueDispatchSource_SetDataAvailableHandler(source, available),
			 kIOReturnSuccess);
	meter_wait(&available_calls, 1);
	source_scene_settle(&scene);
	ck_assert_uint_eq(taken, 1);
	for (unsigned i = 0; i < 100; i++) {
		peer_puts();
		meter_wait(&available_calls, 2 + i);
		source_scene_settle(&scene);
	}
	ck_assert_uint_eq(taken, 101);
	/* One that leaves an entry there is not called for the next one. */
	drains = false;
	peer_puts();
	meter_wait(&available_calls, 102);
	peer_puts();
	peer_puts();
	ck_assert(!mapped_source_look((IODispatchSource *)source, false));
	source_scene_settle(&scene);
	ck_assert_uint_eq(meter_read(&available_calls), 102);
	/* But it is when it has taken exactly what was there. */
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(IODataQueueDispatchSource_Dequeue_f(source, NULL, take),
				 kIOReturnSuccess);
	peer_puts();
	meter_wait(&available_calls, 103);
	source_scene_settle(&scene);
	ck_assert_int_eq(IODispatchSource_CheckForWork((IODispatchSource *)source, true),
			 kIOReturnSuccess);
	ck_assert_uint_eq(meter_read(&available_calls), 104);
	clear();
}
END_TEST

static void
take_while_the_app_puts(void *context, const void *data, size_t size)
{
	struct data_queue_entry entry;

	taken++;
	ck_assert_int_eq(data_queue_reserve(&peer, 4, &entry), kIOReturnSuccess);
	/* All was not taken, so the app tells nobody. */
	ck_assert(!data_queue_publish(&peer, &entry));
}

START_TEST(an_entry_that_comes_while_the_last_one_is_taken_is_told)
{
	set(false);
	peer_puts();
	ck_assert_int_eq(IODataQueueDispatchSource_SetDataAvailableHandler(source, available),
			 kIOReturnSuccess);
	meter_wait(&available_calls, 1);
	source_scene_settle(&scene);
	for (unsigned i = 0; i < 10; i++) {
		ck_assert_int_eq(
			IODataQueueDispatchSource_Dequeue_f(source, NULL, take_while_the_app_puts),
			kIOReturnSuccess);
		meter_wait(&available_calls, 2 + i);
		source_scene_settle(&scene);
	}
	clear();
}
END_TEST

START_TEST(the_driver_is_told_of_room)
{
	unsigned count = 0;

	set(false);
	IODataQueueDispatchSource_SetDataServicedHandler(source, serviced);
	while (IODataQueueDispatchSource_CanEnqueueData(source, 4)) {
		ck_assert_int_eq(IODataQueueDispatchSource_Enqueue_f(source, 4, NULL, put),
				 kIOReturnSuccess);
		count++;
	}
	ck_assert_uint_eq(count, BYTES / 8);
	ck_assert(!peer_takes());
	ck_assert(!mapped_source_look((IODispatchSource *)source, false));
	/* That one entry's place is not enough, since head would be reached. */
	ck_assert_int_eq(IODataQueueDispatchSource_Enqueue_f(source, 4, NULL, put),
			 kIOReturnOverrun);
	ck_assert(!mapped_source_look((IODispatchSource *)source, false));
	ck_assert(peer_takes());
	ck_assert(mapped_source_look((IODispatchSource *)source, false));
	meter_wait(&serviced_calls, 1);
	ck_assert(!peer_takes());
	ck_assert(!mapped_source_look((IODispatchSource *)source, false));
	ck_assert_int_eq(IODataQueueDispatchSource_Enqueue_f(source, 4, NULL, put),
			 kIOReturnSuccess);
	ck_assert_int_eq(IODataQueueDispatchSource_Enqueue_f(source, BYTES, NULL, put),
			 kIOReturnNoSpace);
	clear();
	ck_assert_uint_eq(meter_read(&serviced_calls), 1);
}
END_TEST

START_TEST(the_app_is_told_of_entries_if_it_was_done)
{
	bool send = false;

	set(true);
	ck_assert_int_eq(mapped_source_claim((IODispatchSource *)source, &peer), kIOReturnSuccess);
	ck_assert_int_eq(mapped_source_listen((IODispatchSource *)source, &peer, serviced, tell),
			 kIOReturnSuccess);
	ck_assert_uint_eq(told, 0);
	for (unsigned i = 0; i < 3; i++)
		IODataQueueDispatchSource_Enqueue_f(source, 4, NULL, put);
	ck_assert_uint_eq(told, 1);
	/* What is there already is told to who listens later. */
	ck_assert_int_eq(mapped_source_listen((IODispatchSource *)source, &peer, serviced, tell),
			 kIOReturnSuccess);
	ck_assert_uint_eq(told, 2);
	for (unsigned i = 0; i < 3; i++)
		peer_takes();
	IODataQueueDispatchSource_EnqueueWithCoalesce_f(source, 4, &send, NULL, put);
	ck_assert(send);
	ck_assert_uint_eq(told, 2);
	IODataQueueDispatchSource_SendDataAvailable(source);
	ck_assert_uint_eq(told, 3);
	/* After an overrun too: the app may have given up looking. */
	while (IODataQueueDispatchSource_Enqueue_f(source, 4, NULL, put) == kIOReturnSuccess)
		;
	ck_assert_uint_eq(told, 3);
	peer_takes();
	peer_takes();
	ck_assert_int_eq(IODataQueueDispatchSource_Enqueue_f(source, 4, NULL, put),
			 kIOReturnSuccess);
	ck_assert_uint_eq(told, 4);
	mapped_source_disown((IODispatchSource *)source, &peer);
	while (data_queue_is_available(&peer))
		peer_takes();
	IODataQueueDispatchSource_Enqueue_f(source, 4, NULL, put);
	ck_assert_uint_eq(told, 4);
	clear();
}
END_TEST

START_TEST(what_an_app_that_closes_has_got_and_given_is_counted)
{
	set(true);
	closing_app_start((IODispatchSource *)source, &peer);
	ck_assert_int_eq(IODataQueueDispatchSource_Enqueue_f(source, 4, NULL, put),
			 kIOReturnSuccess);
	closing_app_join();
	ck_assert_uint_eq(closing_app.given, 1);
	closing_app_start((IODispatchSource *)source, &peer);
	ck_assert_int_eq(IODataQueueDispatchSource_Dequeue_f(source, NULL, take), kIOReturnSuccess);
	closing_app_join();
	ck_assert_uint_eq(closing_app.taken, 1);
	clear();
}
END_TEST

START_TEST(a_queue_has_one_owner)
{
	IOMemoryDescriptor *memory;
	IODispatchSource *found;
	int first, second;

	set(false);
	IODataQueueDispatchSource_CopyMemory(source, &memory);
	found = mapped_source_copy_of(memory);
	ck_assert_ptr_eq(found, source);
	ck_assert_uint_eq(mapped_source_flags(found), CALL_QUEUE_DISPATCH);
	OSRelease(found);
	ck_assert_int_eq(mapped_source_claim((IODispatchSource *)source, &first), kIOReturnSuccess);
	ck_assert_int_eq(mapped_source_claim((IODispatchSource *)source, &first), kIOReturnSuccess);
	ck_assert_int_eq(mapped_source_claim((IODispatchSource *)source, &second),
			 kIOReturnExclusiveAccess);
	ck_assert_int_eq(mapped_source_listen((IODispatchSource *)source, &second, serviced, tell),
			 kIOReturnExclusiveAccess);
	mapped_source_disown((IODispatchSource *)source, &second);
	mapped_source_disown((IODispatchSource *)source, &first);
	ck_assert_int_eq(mapped_source_claim((IODispatchSource *)source, &second),
			 kIOReturnExclusiveAccess);
	mapped_source_disown((IODispatchSource *)source, &first);
	ck_assert_int_eq(mapped_source_claim((IODispatchSource *)source, &second),
			 kIOReturnSuccess);
	clear();
	ck_assert_ptr_null(mapped_source_copy_of(memory));
	OSRelease(memory);
}
END_TEST

START_TEST(a_spoiled_queue_is_an_error_and_no_more)
{
	struct data_queue_entry entry;

	set(true);
	drains = true;
	IODataQueueDispatchSource_SetDataAvailableHandler(source, available);
	memset(peer.memory, 0xff, data_queue_length(peer.layout, BYTES));
	mapped_source_look((IODispatchSource *)source, false);
	meter_wait(&available_calls, 1);
	ck_assert_int_eq(IODataQueueDispatchSource_Enqueue_f(source, 4, NULL, put), kIOReturnError);
	ck_assert_int_eq(IODataQueueDispatchSource_Dequeue_f(source, NULL, take), kIOReturnError);
	ck_assert_int_eq(IODataQueueDispatchSource_Peek_f(source, NULL, take), kIOReturnError);
	/* It is called once, and not for ever. */
	ck_assert(!mapped_source_look((IODispatchSource *)source, false));
	ck_assert_int_eq(data_queue_peek(&peer, &entry), kIOReturnError);
	clear();
}
END_TEST

static void
cancelled(void *context)
{
	/* The handler that ran has ended. */
	ck_assert_uint_eq(meter_read(&available_calls), 1);
	meter_raise(context);
}

START_TEST(cancel_is_a_join)
{
	struct meter done = METER_INITIALIZER;

	set(true);
	holds = true;
	IODataQueueDispatchSource_SetDataAvailableHandler(source, available);
	peer_puts();
	meter_wait(&entered, 1);
	/* Neither of these waits, or the gate would never open. */
	ck_assert_int_eq(IODispatchSource_SetEnable((IODispatchSource *)source, false),
			 kIOReturnSuccess);
	ck_assert_int_eq(IODispatchSource_Cancel_f((IODispatchSource *)source, &done, cancelled),
			 kIOReturnSuccess);
	ck_assert_uint_eq(meter_read(&done), 0);
	meter_raise(&gate);
	meter_wait(&done, 1);
	ck_assert_int_eq(IODispatchSource_Cancel_f((IODispatchSource *)source, &done, cancelled),
			 kIOReturnSuccess);
	ck_assert_uint_eq(meter_read(&done), 2);
	ck_assert_int_eq(
		IODataQueueDispatchSource_CopyDataAvailableHandler(source, &(OSAction *){0}),
		kIOReturnNotFound);
	clear();
}
END_TEST

/* A service that has stopped: the handler is not called, and the call does not go round for ever.
 */
START_TEST(a_stopped_target_is_left_alone)
{
	set(true);
	IODataQueueDispatchSource_SetDataAvailableHandler(source, available);
	OSObjectIVars(Target, scene.target)->queue = NULL;
	peer_puts();
	peer_puts();
	ck_assert_uint_eq(meter_read(&available_calls), 0);
	OSObjectIVars(Target, scene.target)->queue = scene.queue;
	clear();
}
END_TEST

START_TEST(sizes_at_the_limits_and_past_them)
{
	IODataQueueDispatchSource *made;

	set(true);
	ck_assert_int_eq(
		IODataQueueDispatchSource_Create(DEXT_DATA_QUEUE_MAX + 1, scene.queue, &made),
		kIOReturnBadArgument);
	ck_assert_int_eq(dext_data_queue_create(DEXT_DATA_QUEUE_MAX + 1, scene.queue, &made),
			 kIOReturnBadArgument);
	ck_assert_int_eq(dext_data_queue_create(3, scene.queue, &made), kIOReturnBadArgument);
	ck_assert_int_eq(IODataQueueDispatchSource_Create(DEXT_DATA_QUEUE_MAX, scene.queue, &made),
			 kIOReturnSuccess);
	OSRelease(made);
	clear();
}
END_TEST

START_TEST(actions_are_checked)
{
	OSAction *copy = NULL;

	set(true);
	ck_assert_int_eq(IODataQueueDispatchSource_SetDataAvailableHandler(source, serviced),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IODataQueueDispatchSource_SetDataServicedHandler(source, serviced),
			 kIOReturnSuccess);
	ck_assert_int_eq(IODataQueueDispatchSource_CopyDataServicedHandler(source, &copy),
			 kIOReturnSuccess);
	ck_assert_ptr_eq(copy, serviced);
	OSRelease(copy);
	ck_assert_uint_eq(IODataQueueDispatchSource_GetDataQueueEntryHeaderSize(), 4);
	clear();
}
END_TEST

UNIT_MAIN("data queue source", the_driver_is_called_once_for_each_time_that_it_saw_nothing,
	  an_entry_that_comes_while_the_last_one_is_taken_is_told, the_driver_is_told_of_room,
	  the_app_is_told_of_entries_if_it_was_done,
	  what_an_app_that_closes_has_got_and_given_is_counted, a_queue_has_one_owner,
	  a_spoiled_queue_is_an_error_and_no_more, cancel_is_a_join, a_stopped_target_is_left_alone,
	  sizes_at_the_limits_and_past_them, actions_are_checked)
