/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The app's data queues: on memory of a host that lies about it or scribbles on it, and on memory
 * of the app's own.
 */
#define UNIT_TIMEOUT_SEC 60
#include "unit.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "bounds.h"
#include "data_queue.h"
#include "fake_host.h"
#include "memfd.h"

#include <IOKit/IODataQueueClient.h>
#include <mach/mach.h>

#define CAPACITY 256u
#define ROUNDS	 20000u

struct script {
	uint64_t length;
	uint32_t flags;
	bool read_only;
	int fd;
	uint8_t *memory; /* the host's */
};

static const struct data_queue_layout *const layouts[] = {&data_queue_classic,
							  &data_queue_dispatch};
static const uint32_t flags[] = {CALL_QUEUE_CLASSIC, CALL_QUEUE_DISPATCH};

static bool
map_memory(struct fake_host *host, unsigned slot, const struct call_request *request,
	   struct call_reply *reply)
{
	struct script *script = host->context;

	if (request->operation != CALL_MAP)
		return true;
	fake_host_send_memory(host, slot, request->generation, script->fd, 0, script->length);
	reply->map_length = script->length;
	reply->map_read_only = script->read_only;
	reply->flags = script->flags;
	return true;
}

static io_connect_t
open_with(struct fake_host *host, struct script *script)
{
	void *address;

	ck_assert_int_eq(memfd_create_sealed("queue", script->length, &script->fd), 0);
	ck_assert_int_eq(memfd_map(script->fd, 0, page_round_up(script->length), true, false, NULL,
				   &address),
			 0);
	script->memory = address;
	fake_host_create(host);
	host->method = map_memory;
	host->context = script;
	return fake_host_open(host);
}

static IOReturn
map(io_connect_t connect, IODataQueueMemory **ret_queue)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	IOReturn res =
		IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, kIOMapAnywhere);

	*ret_queue = (IODataQueueMemory *)(uintptr_t)address;
	return res;
}

static void
close_with(struct fake_host *host, io_connect_t connect)
{
	IOServiceClose(connect);
	fake_host_stop(host);
}

/* --- a host that lies --- */

START_TEST(memory_too_short_for_a_queue_is_not_mapped)
{
	const struct data_queue_layout *layout = layouts[_i];
	uint64_t least = data_queue_length(layout, DATA_QUEUE_ENTRY_HEADER);

	for (unsigned missing = 0; missing < 2; missing++) {
		struct script script = {.length = least - missing, .flags = flags[_i]};
		IODataQueueMemory *queue;
		struct fake_host host;
		io_connect_t connect = open_with(&host, &script);

		ck_assert_int_eq(map(connect, &queue),
				 missing == 0 ? kIOReturnSuccess : kIOReturnBadArgument);
		if (missing == 0)
			ck_assert_int_eq(IODataQueueEnqueue(queue, NULL, 0), kIOReturnSuccess);
		close_with(&host, connect);
	}
}
END_TEST

START_TEST(memory_is_one_kind_of_queue)
{
	struct script script = {.length = 4096, .flags = flags[0] | flags[1]};
	struct fake_host host;
	IODataQueueMemory *queue;
	io_connect_t connect = open_with(&host, &script);

	ck_assert_int_ne(map(connect, &queue), kIOReturnSuccess);
	ck_assert_int_ne(IOConnectCallScalarMethod(connect, 0, NULL, 0, NULL, NULL),
			 kIOReturnSuccess);
	close_with(&host, connect);
}
END_TEST

struct scribbler {
	uint8_t *memory;
	uint32_t header;
	_Atomic bool stop;
};

static uint32_t
nonsense(uint32_t *state)
{
	static const uint32_t likely[] = {0,	      1, 4, 252, 255, 256, 1u << 31, UINT32_MAX - 3,
					  UINT32_MAX, 8};

	*state = *state * 1664525u + 1013904223u;
	return *state >> 31 ? likely[(*state >> 8) % 10] : (*state >> 8) % 300;
}

/* The capacity that the classic layout says, too, which is not to be believed. */
static void *
scribble(void *context)
{
	struct scribbler *scribbler = context;
	uint32_t state = 1;

	while (!atomic_load(&scribbler->stop)) {
		uint32_t at = nonsense(&state) % CAPACITY & ~3u;
		uint8_t *word = scribbler->memory + at % scribbler->header;

		atomic_store((_Atomic uint32_t *)(void *)word, nonsense(&state));
		word = scribbler->memory + scribbler->header + at;
		atomic_store((_Atomic uint32_t *)(void *)word, nonsense(&state));
	}
	return NULL;
}

START_TEST(a_scribbling_host_gets_nowhere)
{
	struct script script = {.length = data_queue_length(layouts[_i], CAPACITY),
				.flags = flags[_i]};
	struct scribbler scribbler = {.header = layouts[_i]->header};
	uint8_t data[CAPACITY] = {0};
	IODataQueueMemory *queue;
	struct fake_host host;
	pthread_t thread;
	io_connect_t connect = open_with(&host, &script);

	ck_assert_int_eq(map(connect, &queue), kIOReturnSuccess);
	scribbler.memory = script.memory;
	ck_assert_int_eq(pthread_create(&thread, NULL, scribble, &scribbler), 0);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		/* As bytes: the entries of the classic layout are not aligned. */
		uint8_t *entry = (uint8_t *)IODataQueuePeek(queue);
		uint64_t at = (uint64_t)(entry - (uint8_t *)queue);
		uint32_t size = sizeof(data);

		if (entry != NULL &&
		    (at < layouts[_i]->header ||
		     at > layouts[_i]->header + CAPACITY - DATA_QUEUE_ENTRY_HEADER))
			ck_abort_msg("an entry outside of the queue");
		if (IODataQueueDequeue(queue, data, &size) == kIOReturnSuccess &&
		    size > CAPACITY - DATA_QUEUE_ENTRY_HEADER)
			ck_abort_msg("an entry of %u bytes", size);
		IODataQueueEnqueue(queue, data, i % CAPACITY);
	}
	atomic_store(&scribbler.stop, true);
	pthread_join(thread, NULL);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, 0, NULL, 0, NULL, NULL),
			 kIOReturnSuccess);
	close_with(&host, connect);
}
END_TEST

START_TEST(a_queue_mapped_read_only_is_looked_at_only)
{
	struct script script = {.length = data_queue_length(layouts[_i], CAPACITY),
				.flags = flags[_i],
				.read_only = true};
	struct data_queue_entry entry;
	struct data_queue theirs;
	IODataQueueMemory *queue;
	struct fake_host host;
	uint32_t data = 0, size = sizeof(data);
	io_connect_t connect = open_with(&host, &script);

	data_queue_init(&theirs, layouts[_i], script.memory, CAPACITY);
	ck_assert_int_eq(data_queue_reserve(&theirs, 4, &entry), kIOReturnSuccess);
	memset(entry.data, 7, 4);
	data_queue_publish(&theirs, &entry);
	ck_assert_int_eq(map(connect, &queue), kIOReturnSuccess);
	ck_assert(IODataQueueDataAvailable(queue));
	ck_assert_uint_eq(IODataQueuePeek(queue)->data[3], 7);
	ck_assert_int_eq(IODataQueueDequeue(queue, &data, &size), kIOReturnBadArgument);
	ck_assert_int_eq(IODataQueueEnqueue(queue, &data, 4), kIOReturnBadArgument);
	ck_assert_int_eq(IODataQueueSetNotificationPort(queue, MACH_PORT_NULL),
			 kIOReturnBadArgument);
	close_with(&host, connect);
}
END_TEST

static void
use_in_child(void *context)
{
	uint32_t data = 0, size = sizeof(data);

	if (IODataQueueDataAvailable(context) || IODataQueuePeek(context) != NULL ||
	    IODataQueueDequeue(context, &data, &size) != MACH_SEND_INVALID_DEST ||
	    IODataQueueEnqueue(context, &data, 4) != MACH_SEND_INVALID_DEST ||
	    IODataQueueWaitForAvailableData(context, 1) != MACH_SEND_INVALID_DEST)
		_exit(1);
	_exit(0);
}

START_TEST(a_forked_child_has_no_queue)
{
	struct script script = {.length = data_queue_length(layouts[_i], CAPACITY),
				.flags = flags[_i]};
	IODataQueueMemory *queue;
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);

	ck_assert_int_eq(map(connect, &queue), kIOReturnSuccess);
	ck_assert_int_eq(unit_child(use_in_child, queue, NULL, 0), 0);
	ck_assert_int_eq(IODataQueueEnqueue(queue, NULL, 0), kIOReturnSuccess);
	close_with(&host, connect);
}
END_TEST

/* --- memory of the app's own --- */

static IODataQueueMemory *
make(uint32_t capacity)
{
	IODataQueueMemory *queue = calloc(1, data_queue_length(&data_queue_classic, CAPACITY));

	ck_assert_ptr_nonnull(queue);
	queue->queueSize = capacity;
	return queue;
}

START_TEST(a_queue_made_by_hand_tells_its_port)
{
	IODataQueueMemory *queue = make(CAPACITY);
	mach_port_t port = IODataQueueAllocateNotificationPort();
	mach_msg_empty_rcv_t message = {0};
	uint32_t data = 7, size = sizeof(data);

	ck_assert_int_eq(IODataQueueSetNotificationPort(queue, port), kIOReturnSuccess);
	ck_assert_int_eq(IODataQueueEnqueue(queue, &data, 4), kIOReturnSuccess);
	ck_assert_int_eq(IODataQueueEnqueue(queue, &data, 4), kIOReturnSuccess);
	ck_assert_int_eq(IODataQueueWaitForAvailableData(queue, port), kIOReturnSuccess);
	/* One message for both. */
	ck_assert_int_eq(mach_msg(&message.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
				  sizeof(message), port, 0, MACH_PORT_NULL),
			 MACH_RCV_TIMED_OUT);
	ck_assert_int_eq(IODataQueueDequeue(queue, &data, &size), kIOReturnSuccess);
	ck_assert_int_eq(IODataQueueDequeue(queue, NULL, NULL), kIOReturnSuccess);
	ck_assert_int_eq(IODataQueueDequeue(queue, &data, &size), kIOReturnUnderrun);
	/* A name that is nobody's makes no port. */
	ck_assert_int_eq(IODataQueueSetNotificationPort(queue, 0x7773), kIOReturnSuccess);
	ck_assert_int_eq(IODataQueueEnqueue(queue, &data, 4), kIOReturnSuccess);
	mach_port_destroy(mach_task_self(), port);
	free(queue);
}
END_TEST

START_TEST(what_is_no_queue_is_an_error)
{
	static const uint32_t sizes[] = {0, DATA_QUEUE_ENTRY_HEADER - 1, DEXT_DATA_QUEUE_MAX + 1,
					 UINT32_MAX};
	uint32_t data = 0, size = sizeof(data);

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		IODataQueueMemory *queue = make(sizes[i]);

		ck_assert_int_eq(IODataQueueEnqueue(queue, &data, 4), kIOReturnError);
		ck_assert_int_eq(IODataQueueDequeue(queue, &data, &size), kIOReturnError);
		ck_assert(!IODataQueueDataAvailable(queue));
		free(queue);
	}
	ck_assert_int_eq(IODataQueueEnqueue(NULL, &data, 4), kIOReturnBadArgument);
	ck_assert_int_eq(IODataQueueDequeue(NULL, &data, &size), kIOReturnBadArgument);
	ck_assert_ptr_null(IODataQueuePeek(NULL));
}
END_TEST

UNIT_LOOP_MAIN("client_queues", {memory_too_short_for_a_queue_is_not_mapped, 2},
	       {memory_is_one_kind_of_queue, 1}, {a_scribbling_host_gets_nowhere, 2},
	       {a_queue_mapped_read_only_is_looked_at_only, 2}, {a_forked_child_has_no_queue, 2},
	       {a_queue_made_by_hand_tells_its_port, 1}, {what_is_no_queue_is_an_error, 1})
