/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host that breaks the rules of PROTOCOL.md, one at a time: the client's call returns an error,
 * the connection ends, and nothing worse happens.
 */
#include "unit.h"

#include <dext_iokit.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "clock.h"
#include "connection_private.h"
#include "doorbell.h"
#include "fake_host.h"
#include "memfd.h"
#include "object_table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int
count_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			count++;
	return count;
}

/* --- READY --- */

/* Breaks one thing of READY; the descriptors may be replaced. */
typedef void (*ready_break)(struct fake_host *host, struct packet_header *header,
			    struct ready_body *body, int fds[3], size_t *length,
			    unsigned *fd_count);

#define READY_BREAK(name)                                                      \
	static void name(struct fake_host *host, struct packet_header *header, \
			 struct ready_body *body, int fds[3], size_t *length, unsigned *fd_count)

READY_BREAK(of_another_type)
{
	header->type = PACKET_MEMORY;
}
READY_BREAK(of_no_type)
{
	header->type = 0x7777;
}
READY_BREAK(of_another_version)
{
	body->version = 2;
}
READY_BREAK(with_a_flag)
{
	body->flags = 1;
}
READY_BREAK(with_another_length)
{
	body->page_length -= 4096;
}
READY_BREAK(with_extra_bytes)
{
	*length += 4;
}
READY_BREAK(without_body)
{
	*length = 0;
}
READY_BREAK(with_two_descriptors)
{
	*fd_count = 2;
}
READY_BREAK(with_a_status_and_descriptors)
{
	header->status = kIOReturnNotPermitted;
}
READY_BREAK(with_a_page_that_can_shrink)
{
	fds[0] = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_eq(ftruncate(fds[0], sizeof(struct call_page)), 0);
}
READY_BREAK(with_a_page_that_is_short)
{
	ck_assert_int_eq(memfd_create_sealed("page", 4096, &fds[0]), 0);
}
READY_BREAK(with_a_page_that_is_a_pipe)
{
	fds[0] = host->bell_read;
}
READY_BREAK(with_a_doorbell_that_is_a_socket)
{
	fds[1] = host->bell_read;
}
READY_BREAK(with_a_bell_that_is_a_file)
{
	fds[2] = host->page_fd;
}
READY_BREAK(with_another_magic)
{
	host->page->header.magic++;
}
READY_BREAK(with_more_slots)
{
	host->page->header.slots *= 2;
}
READY_BREAK(with_a_longer_ring)
{
	host->page->header.ring_entries *= 2;
}

static const ready_break ready_breaks[] = {
	of_another_type,
	of_no_type,
	of_another_version,
	with_a_flag,
	with_another_length,
	with_extra_bytes,
	without_body,
	with_two_descriptors,
	with_a_status_and_descriptors,
	with_a_page_that_can_shrink,
	with_a_page_that_is_short,
	with_a_page_that_is_a_pipe,
	with_a_doorbell_that_is_a_socket,
	with_a_bell_that_is_a_file,
	with_another_magic,
	with_more_slots,
	with_a_longer_ring,
};

START_TEST(ready_is_checked)
{
	for (size_t i = 0; i < COUNT(ready_breaks); i++) {
		struct fake_host host;
		struct packet_header header;
		unsigned char bytes[64] = {0};
		struct ready_body body;
		size_t length = sizeof(body);
		unsigned fd_count = 3;
		IOReturn status;
		int fds[3], before;

		fake_host_create(&host);
		fake_host_ready_parts(&host, &header, &body, fds);
		ready_breaks[i](&host, &header, &body, fds, &length, &fd_count);
		memcpy(bytes, &body, sizeof(body));
		before = count_descriptors();
		fake_host_send(&host, &header, bytes, length, fds, fd_count);
		fake_host_accept(&host, &status);
		ck_assert_msg(status != kIOReturnSuccess, "case %zu was accepted", i);
		/* The client's end is closed, and so is whatever came with the packet. */
		ck_assert_int_eq(count_descriptors(), before - 1);
		fake_host_stop(&host);
	}
}
END_TEST

START_TEST(the_drivers_refusal_is_passed_on)
{
	struct packet_header header = {.type = PACKET_READY, .status = kIOReturnExclusiveAccess};
	struct ready_body body = {.version = PROTOCOL_VERSION};
	struct fake_host host;
	IOReturn status;

	fake_host_create(&host);
	fake_host_send(&host, &header, &body, sizeof(body), NULL, 0);
	fake_host_accept(&host, &status);
	ck_assert_int_eq(status, kIOReturnExclusiveAccess);
	fake_host_stop(&host);
}
END_TEST

START_TEST(a_host_that_dies_before_it_is_ready)
{
	struct fake_host host;
	IOReturn status;

	fake_host_create(&host);
	fake_host_stop(&host);
	fake_host_accept(&host, &status);
	ck_assert_int_eq(status, kIOReturnOffline);
}
END_TEST

START_TEST(a_packet_that_is_none)
{
	struct fake_host host;
	IOReturn status;

	fake_host_create(&host);
	ck_assert_int_eq(write(host.socket, "hello", 5), 5);
	fake_host_accept(&host, &status);
	ck_assert_int_eq(status, kIOReturnIPCError);
	fake_host_stop(&host);
}
END_TEST

/* --- answers --- */

static void
break_reply(unsigned which, struct call_reply *reply)
{
	switch (which) {
	case 0:
		reply->scalar_out_count = 3;
		break;
	case 1:
		reply->scalar_out_count = UINT32_MAX;
		break;
	case 2:
		reply->structure_out_size = 9;
		break;
	case 3:
		reply->structure_out_size = UINT64_MAX;
		break;
	case 4:
		reply->flags = 32;
		break;
	case 5:
		reply->flags = CALL_KEPT_INPUT;
		break;
	case 6:
		reply->flags = CALL_KEPT_OUTPUT;
		break;
	case 7:
		reply->zero0 = 1;
		break;
	case 8:
		reply->zero[2] = 1;
		break;
	case 9:
		reply->map_length = 1;
		break;
	case 10:
		reply->map_read_only = 1;
		break;
	case 11:
		reply->status = kIOReturnError;
		reply->scalar_out_count = 1;
		break;
	case 12:
		reply->status = kIOReturnError;
		reply->structure_out_size = 1;
		break;
	case 13: /* a question without segments */
		reply->flags = CALL_ASKS;
		break;
	case 14:
		reply->flags = CALL_ASKS;
		reply->scalar_out_count = 1;
		break;
	case 15:
		reply->flags = CALL_ASKS;
		reply->status = kIOReturnError;
		break;
	}
}

#define REPLY_BREAKS 16u

static bool
answer_wrongly(struct fake_host *host, unsigned slot, const struct call_request *request,
	       struct call_reply *reply)
{
	break_reply(*(unsigned *)host->context, reply);
	return true;
}

START_TEST(answers_are_checked)
{
	for (unsigned which = 0; which < REPLY_BREAKS; which++) {
		struct fake_host host;
		uint64_t output[2] = {5, 5};
		uint32_t count = 2;
		char bytes[8] = "intact";
		size_t size = sizeof(bytes);
		io_connect_t connect;
		IOReturn status;

		fake_host_create(&host);
		host.method = answer_wrongly;
		host.context = &which;
		connect = fake_host_open(&host);
		status = IOConnectCallMethod(connect, 0, NULL, 0, NULL, 0, output, &count, bytes,
					     &size);
		ck_assert_msg(status == kIOReturnIPCError, "case %u: 0x%x", which,
			      (unsigned)status);
		ck_assert_uint_eq(output[0], 5);
		ck_assert_str_eq(bytes, "intact");
		ck_assert_int_eq(IOConnectCallScalarMethod(connect, 0, NULL, 0, NULL, NULL),
				 MACH_SEND_INVALID_DEST);
		IOServiceClose(connect);
		fake_host_stop(&host);
	}
}
END_TEST

/* --- MEMORY --- */

#define SEGMENTS 3

/* What a map call gets, to be broken. */
struct memory_case {
	struct packet_header header;
	struct memory_body body;
	struct memory_segment_body segments[SEGMENTS];
	int fds[SEGMENTS];
	unsigned fd_count;
	size_t extra; /* bytes after the body */
	bool send;
	struct call_reply reply;
};

static void
break_memory(unsigned which, struct memory_case *memory)
{
	switch (which) {
	case 0:
		memory->send = false;
		break;
	case 1:
		memory->body.slot++;
		break;
	case 2:
		memory->body.generation++;
		break;
	case 3:
		memory->body.zero = 1;
		break;
	case 4:
		memory->body.segment_count = 0;
		break;
	case 5:
		memory->body.segment_count = 33;
		break;
	case 6:
		memory->body.segment_count = 2;
		break;
	case 7:
		memory->fd_count = 2;
		break;
	case 8:
		memory->segments[0].length -= 1;
		memory->segments[2].length += 1;
		break;
	case 9:
		memory->segments[1].offset = 100;
		break;
	case 10:
		memory->segments[1].offset = UINT64_MAX - 4095;
		break;
	case 11:
		memory->segments[1].length = UINT64_MAX - 4095;
		break;
	case 12:
		memory->segments[2].length = 0;
		break;
	case 13:
		memory->reply.map_length++;
		break;
	case 14:
		memory->reply.map_length = 0;
		break;
	case 15:
		memory->reply.map_read_only = 2;
		break;
	case 16:
		memory->header.type = PACKET_READY;
		break;
	case 17:
		memory->extra = 16;
		break;
	case 18:
		memory->header.status = 1;
		break;
	case 19: /* longer than its file */
		memory->segments[2].length += page_size();
		memory->reply.map_length += page_size();
		break;
	case 20:
		memory->segments[0].offset = 1 << 20;
		break;
	case 21: /* it could be shrunk later */
		memory->fds[1] = memfd_create("plain", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		ck_assert_int_eq(ftruncate(memory->fds[1], 1 << 16), 0);
		break;
	case 22:
		memory->fds[1] = open("/dev/zero", O_RDWR | O_CLOEXEC);
		break;
	}
}

#define MEMORY_BREAKS 23u
#define FIRST_BAD_FILE                                                            \
	19u /* from here on the descriptors are bad, and not what is said of them \
	     */

static bool
map_wrongly(struct fake_host *host, unsigned slot, const struct call_request *request,
	    struct call_reply *reply)
{
	struct memory_case memory = {
		.header = {.type = PACKET_MEMORY},
		.body = {.slot = slot,
			 .generation = request->generation,
			 .segment_count = SEGMENTS},
		.fd_count = SEGMENTS,
		.send = true,
	};
	unsigned char bytes[256] = {0};

	if (request->operation != CALL_MAP)
		return true;
	memory.header.sequence = ++host->sequence;
	for (unsigned i = 0; i < SEGMENTS; i++) {
		memory.segments[i] = (struct memory_segment_body){.length = 2 * page_size()};
		ck_assert_int_eq(memfd_create_sealed("segment", 2 * page_size(), &memory.fds[i]),
				 0);
	}
	memset(&memory.reply, 0, sizeof(memory.reply));
	memory.reply.map_length = SEGMENTS * 2 * page_size();
	if (host->context != NULL)
		break_memory(*(unsigned *)host->context, &memory);
	memcpy(bytes, &memory.body, sizeof(memory.body));
	memcpy(bytes + sizeof(memory.body), memory.segments, sizeof(memory.segments));
	if (memory.send)
		fake_host_send(host, &memory.header, bytes,
			       sizeof(memory.body) + sizeof(memory.segments) + memory.extra,
			       memory.fds, memory.fd_count);
	for (unsigned i = 0; i < SEGMENTS; i++)
		fd_close(&memory.fds[i]);
	memcpy((void *)reply, &memory.reply, sizeof(*reply));
	return true;
}

static void
map_case(unsigned *which)
{
	struct fake_host host;
	mach_vm_address_t address = 4242;
	mach_vm_size_t size = 4242;
	io_connect_t connect;
	IOReturn status;

	fake_host_create(&host);
	host.method = map_wrongly;
	host.context = which;
	connect = fake_host_open(&host);
	status =
		IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, kIOMapAnywhere);
	if (which == NULL) {
		ck_assert_int_eq(status, 0);
		ck_assert_uint_eq(size, SEGMENTS * 2 * page_size());
		memset((void *)(uintptr_t)address, 1, size);
	} else {
		ck_assert_msg(status == kIOReturnBadArgument, "case %u: 0x%x", *which,
			      (unsigned)status);
		ck_assert_uint_eq(address, 4242);
		ck_assert_uint_eq(size, 4242);
	}
	/* Bad files are that call's matter; what breaks the protocol ends the connection. */
	status = IOConnectCallScalarMethod(connect, 0, NULL, 0, NULL, NULL);
	ck_assert_int_eq(status, which != NULL && *which < FIRST_BAD_FILE ? MACH_SEND_INVALID_DEST
									  : kIOReturnSuccess);
	IOServiceClose(connect);
	fake_host_stop(&host);
}

START_TEST(memory_is_checked)
{
	int before = -1;

	map_case(NULL);
	for (unsigned which = 0; which < MEMORY_BREAKS; which++) {
		map_case(&which);
		/* Each fake host leaves its own page and eventfd open: two each. */
		if (before >= 0 && which != 21 && which != 22)
			ck_assert_int_eq(count_descriptors(), before + 2);
		before = count_descriptors();
	}
}
END_TEST

static bool
map_rightly(struct fake_host *host, unsigned slot, const struct call_request *request,
	    struct call_reply *reply)
{
	if (request->operation == CALL_MAP) {
		fake_host_send_memory(host, slot, request->generation, *(int *)host->context, 0,
				      4096);
		reply->map_length = 4096;
	}
	return true;
}

/* Its socket is full of what the app had to send. */
START_TEST(a_host_that_does_not_read_holds_nobody_up)
{
	static const int smallest = 1;
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	struct fake_host host;
	io_connect_t connect;
	IOReturn status;
	int fd = -1;

	ck_assert_int_eq(memfd_create_sealed("memory", 4096, &fd), 0);
	fake_host_create(&host);
	host.deaf = true;
	host.method = map_rightly;
	host.context = &fd;
	ck_assert_int_eq(
		setsockopt(host.app_socket, SOL_SOCKET, SO_SNDBUF, &smallest, sizeof(smallest)), 0);
	connect = fake_host_open(&host);
	do
		status = IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size,
					      kIOMapAnywhere);
	while (status == kIOReturnSuccess &&
	       IOConnectUnmapMemory64(connect, 0, mach_task_self(), address) == kIOReturnSuccess);
	ck_assert_int_eq(status, kIOReturnBadArgument);
	ck_assert_int_eq(
		IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, kIOMapAnywhere),
		MACH_SEND_INVALID_DEST);
	ck_assert_int_eq(IOServiceClose(connect), kIOReturnSuccess);
	fake_host_stop(&host);
	close(fd);
}
END_TEST

/* --- completions --- */

static void
break_entry(unsigned which, struct completion *entry, struct fake_host *host)
{
	switch (which) {
	case 0:
		entry->kind = 0;
		break;
	case 1:
		entry->kind = 3;
		break;
	case 2:
		entry->index++;
		break;
	case 3:
		entry->index = UINT32_MAX;
		break;
	case 4:
		entry->generation++;
		break;
	case 5:
		entry->count = 17;
		break;
	case 6:
		entry->zero0 = 1;
		break;
	case 7: /* where a host writes nothing: behind the good one */
		host->page->ring[1].zero[4] = 1;
		break;
	case 8:
		entry->kind = COMPLETION_RELEASED;
		entry->status = 1;
		break;
	case 9:
		entry->kind = COMPLETION_RELEASED;
		entry->count = 1;
		break;
	case 10: /* a count of entries that cannot be */
		atomic_store(&host->page->tail.index, 5000);
		break;
	}
}

#define ENTRY_BREAKS 11u

static bool
complete_wrongly(struct fake_host *host, unsigned slot, const struct call_request *request,
		 struct call_reply *reply)
{
	struct completion entry;

	memset(&entry, 0, sizeof(entry));
	entry.kind = COMPLETION_CALL;
	entry.index = request->async_index;
	entry.generation = request->async_generation;
	fake_host_complete(host, &entry);
	break_entry(*(unsigned *)host->context, &entry, host);
	if (*(unsigned *)host->context != 10)
		fake_host_complete(host, &entry);
	return true;
}

static unsigned heard;

static void
hear(void *refcon, IOReturn result)
{
	heard++;
}

START_TEST(completions_are_checked)
{
	for (unsigned which = 0; which < ENTRY_BREAKS; which++) {
		IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
		uint64_t reference[3] = {[kIOAsyncCalloutFuncIndex] = (uintptr_t)hear};
		struct connection *connection;
		struct fake_host host;
		io_connect_t connect;

		heard = 0;
		fake_host_create(&host);
		host.method = complete_wrongly;
		host.context = &which;
		connect = fake_host_open(&host);
		ck_assert_int_eq(IOConnectCallAsyncScalarMethod(connect, 0,
								IONotificationPortGetMachPort(port),
								reference, 3, NULL, 0, NULL, NULL),
				 0);
		connection = object_copy_connection(connect);
		ck_assert_msg(!connection_drain(connection), "case %u was accepted", which);
		ck_assert_msg(IOConnectCallScalarMethod(connect, 0, NULL, 0, NULL, NULL) ==
				      MACH_SEND_INVALID_DEST,
			      "case %u", which);
		connection_release(connection);
		/* The good one that came before is not lost. */
		CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(port),
				   kCFRunLoopDefaultMode);
		CFRunLoopRunInMode(kCFRunLoopDefaultMode, which == 10 ? 0 : 10, true);
		ck_assert_uint_eq(heard, which == 10 ? 0 : 1);
		IOServiceClose(connect);
		IONotificationPortDestroy(port);
		fake_host_stop(&host);
	}
}
END_TEST

static bool
note_async(struct fake_host *host, unsigned slot, const struct call_request *request,
	   struct call_reply *reply)
{
	struct completion *entry = host->context;

	entry->kind = COMPLETION_CALL;
	entry->index = request->async_index;
	entry->generation = request->async_generation;
	return true;
}

/* The app took nothing until its port was full, then the host died: all that it sent is there. */
START_TEST(a_full_port_keeps_what_a_dead_host_sent)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	uint64_t reference[3] = {[kIOAsyncCalloutFuncIndex] = (uintptr_t)hear};
	struct completion entry = {0};
	struct connection *connection;
	struct fake_host host;
	io_connect_t connect;
	unsigned sent = 0;

	heard = 0;
	fake_host_create(&host);
	host.method = note_async;
	host.context = &entry;
	connect = fake_host_open(&host);
	ck_assert_int_eq(IOConnectCallAsyncScalarMethod(connect, 0,
							IONotificationPortGetMachPort(port),
							reference, 3, NULL, 0, NULL, NULL),
			 0);
	connection = object_copy_connection(connect);
	for (; sent < DEXT_LIMIT_COMPLETIONS + 500; sent++) {
		if (sent % 512 == 0)
			ck_assert(connection_drain(connection));
		fake_host_complete(&host, &entry);
	}
	fake_host_stop(&host);
	ck_assert(connection_drain(connection)); /* it waits for the port */
	for (unsigned turn = 0; turn < 1000 && heard < sent; turn++)
		dext_notification_port_dispatch(port);
	ck_assert_uint_eq(heard, sent);
	ck_assert(!connection_drain(connection));
	connection_release(connection);
	IOServiceClose(connect);
	IONotificationPortDestroy(port);
}
END_TEST

struct pusher {
	struct call_page *page;
	_Atomic bool going;
};

/* As much as the app takes out is there anew. */
static void *
push_for_ever(void *context)
{
	struct pusher *pusher = context;
	struct call_page *page = pusher->page;

	while (atomic_load(&pusher->going))
		atomic_store(&page->tail.index,
			     atomic_load(&page->head.index) + COMPLETION_RING_MAX);
	return NULL;
}

static bool
register_completion(struct fake_host *host, unsigned slot, const struct call_request *request,
		    struct call_reply *reply)
{
	struct completion *entry = host->context;

	(void)slot;
	(void)reply;
	entry->index = request->async_index;
	entry->generation = request->async_generation;
	return true;
}

static struct completion
register_with(struct fake_host *host, io_connect_t connect, mach_port_t port)
{
	uint64_t reference[3] = {[kIOAsyncCalloutFuncIndex] = (uintptr_t)hear};
	struct completion entry = {.kind = COMPLETION_CALL};

	host->context = &entry;
	ck_assert_int_eq(
		IOConnectCallAsyncScalarMethod(connect, 1, port, reference, 3, NULL, 0, NULL, NULL),
		0);
	return entry;
}

/* Until a visit to the ring took all that it may. */
static void
drain_while_pushing(struct fake_host *host, struct connection *connection)
{
	struct pusher pusher = {.page = host->page, .going = true};
	uint64_t deadline = clock_now() + 2 * NSEC_PER_SEC;
	uint32_t taken = 0;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, push_for_ever, &pusher), 0);
	while (taken <= COMPLETION_RING_MAX && clock_now() < deadline) {
		uint32_t before = atomic_load(&host->page->head.index);

		ck_assert(connection_drain(connection));
		taken = atomic_load(&host->page->head.index) - before;
		ck_assert_uint_le(taken, COMPLETION_RING_MAX + 1);
	}
	atomic_store(&pusher.going, false);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

/* Nobody hears these, so no port is full of them some time. */
START_TEST(a_host_that_goes_on_completing_does_not_keep_a_thread)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	struct pollfd item = {.events = POLLIN};
	struct completion unheard, real;
	struct connection *connection;
	struct fake_host host;
	io_connect_t connect;
	uint32_t tail;

	item.fd = IONotificationPortGetFileDescriptor(port);
	fake_host_create(&host);
	host.method = register_completion;
	connect = fake_host_open(&host);
	connection = object_copy_connection(connect);
	unheard = register_with(&host, connect, MACH_PORT_NULL);
	real = register_with(&host, connect, IONotificationPortGetMachPort(port));
	for (unsigned i = 0; i < COMPLETION_RING_MAX; i++)
		host.page->ring[i] = unheard;
	/* So that all that there is to see was seen. */
	dext_notification_port_dispatch(port);
	ck_assert_int_eq(poll(&item, 1, 0), 0);
	drain_while_pushing(&host, connection);
	/* A last one, rung for as the protocol says. */
	tail = atomic_load(&host.page->head.index);
	host.page->ring[tail % COMPLETION_RING_MAX] = real;
	atomic_store(&host.page->tail.index, tail + 1);
	if (atomic_load(&host.page->ring_armed.flag) != 0)
		bell_pipe_ring(host.bell_write);
	ck_assert_int_eq(poll(&item, 1, 10000), 1);
	dext_notification_port_dispatch(port);
	ck_assert_uint_eq(heard, 1);
	connection_release(connection);
	IOServiceClose(connect);
	fake_host_stop(&host);
	IONotificationPortDestroy(port);
}
END_TEST

/* --- a host that does nothing --- */

START_TEST(a_host_that_never_hangs_up_delays_a_close_by_a_second)
{
	struct packet_header header;
	struct fake_host host;
	struct ready_body body;
	io_connect_t connect;
	IOReturn status;
	uint64_t begun;
	int fds[3];

	fake_host_create(&host);
	fake_host_ready_parts(&host, &header, &body, fds);
	fake_host_send(&host, &header, &body, sizeof(body), fds, 3);
	connect = fake_host_accept(&host, &status);
	ck_assert_int_eq(status, 0);
	begun = clock_now();
	ck_assert_int_eq(IOServiceClose(connect), 0);
	ck_assert_uint_lt(clock_now() - begun, 10 * NSEC_PER_SEC);
	fake_host_stop(&host);
}
END_TEST

UNIT_MAIN("client protocol", ready_is_checked, the_drivers_refusal_is_passed_on,
	  a_host_that_does_not_read_holds_nobody_up, a_host_that_dies_before_it_is_ready,
	  a_packet_that_is_none, answers_are_checked, memory_is_checked, completions_are_checked,
	  a_full_port_keeps_what_a_dead_host_sent,
	  a_host_that_goes_on_completing_does_not_keep_a_thread,
	  a_host_that_never_hangs_up_delays_a_close_by_a_second)
