/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the driver in the app, of the app in the driver, queues and rings. */
#include "attempt.h"
#include "echo.h"
#include "queues.h"
#include "squares.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <IOKit/IODataQueueClient.h>
#include <dext_ring.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>

#define PAGES 8

static bool
map_and_look(io_connect_t connect)
{
	mach_vm_address_t address = 0, again = 0;
	mach_vm_size_t size = 0;
	uint64_t fill = 0x5a;
	const uint8_t *bytes;

	TRY(IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, kIOMapAnywhere));
	CHECK(size == ECHO_MEMORY_SIZE);
	TRY(IOConnectMapMemory64(connect, 0, mach_task_self(), &again, &size, kIOMapAnywhere));
	TRY(IOConnectCallScalarMethod(connect, ECHO_FILL, &fill, 1, NULL, NULL));
	bytes = (const uint8_t *)(uintptr_t)address;
	CHECK(bytes[0] == 0x5a && bytes[ECHO_MEMORY_SIZE - 1] == 0x5a);
	TRY(IOConnectUnmapMemory64(connect, 0, mach_task_self(), again));
	return true;
}

static bool
map(void)
{
	return attempt_with("Echo", map_and_look);
}

/* A structure that the driver keeps: the app's pages become shared, if that can be had. */
static bool
keep(io_connect_t connect, char *pages, size_t size)
{
	uint64_t length = 0, offset = 5 * 4096, byte = 0, poke[2] = {6 * 4096, 'd'};
	size_t room = size;
	uint32_t count = 1;

	pages[offset] = 'a';
	TRY(IOConnectCallMethod(connect, ECHO_KEEP, NULL, 0, NULL, 0, &length, &count, pages,
				&room));
	CHECK(length == size && room == size);
	TRY(IOConnectCallScalarMethod(connect, ECHO_PEEK, &offset, 1, &byte, &count));
	CHECK(byte == 'a');
	TRY(IOConnectCallScalarMethod(connect, ECHO_POKE, poke, 2, NULL, NULL));
	CHECK(pages[poke[0]] == 0 || pages[poke[0]] == 'd');
	return true;
}

/* The child has what was there and may use it as its own. */
static bool
fork_and_look(const volatile char *pages)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(pages[5 * 4096] == 'a' ? 0 : 1);
	if (!attempt_had("a child", child > 0))
		return false;
	while (waitpid(child, &status, 0) < 0)
		;
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return true;
}

static bool
large(void)
{
	struct link link = {0};
	char *pages = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	bool well = link_open(&link, "Echo") && keep(link.connect, pages, PAGES * 4096) &&
		    fork_and_look(pages);

	link_close(&link);
	munmap(pages, PAGES * 4096);
	return well;
}

/* What is locked or on a stack stays a copy. */
static void *
keep_on_stack(void *context)
{
	char pages[PAGES * 4096] = {0};
	struct link *link = context;

	return keep(link->connect, pages, sizeof(pages)) ? link : NULL;
}

static bool
keep_copies(struct link *link, char *pages)
{
	size_t size = 512 * 4096;
	void *result = NULL;
	void *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attributes;
	pthread_t thread;

	CHECK(mlock(pages, 4096) == 0);
	if (keep(link->connect, pages, PAGES * 4096)) {
		pthread_attr_init(&attributes);
		CHECK(pthread_attr_setstack(&attributes, stack, size) == 0);
		CHECK(pthread_create(&thread, &attributes, keep_on_stack, link) == 0);
		pthread_join(thread, &result);
		pthread_attr_destroy(&attributes);
	}
	link_close(link); /* while it is there */
	munmap(stack, size);
	return result != NULL;
}

static bool
copied(void)
{
	struct link link = {0};
	char *pages = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	bool well = link_open(&link, "Echo") && keep_copies(&link, pages);

	link_close(&link);
	munmap(pages, PAGES * 4096);
	return well;
}

/* Memory that is shared from birth, named by address, too. */
static bool
name(io_connect_t connect, char *pages)
{
	uint64_t range[3] = {3, (uintptr_t)pages, 4096}, length = 0, offset = 7, byte = 0;
	uint32_t count = 1;

	pages[7] = 'n';
	TRY(IOConnectCallScalarMethod(connect, ECHO_CLIENT_RANGE, range, 3, &length, &count));
	CHECK(length == 4096);
	TRY(IOConnectCallScalarMethod(connect, ECHO_PEEK, &offset, 1, &byte, &count));
	CHECK(byte == 'n');
	range[0] = 0x13; /* kIOMemoryDisableCopyOnWrite */
	TRY(IOConnectCallScalarMethod(connect, ECHO_CLIENT_RANGE, range, 3, &length, &count));
	TRY(IOConnectCallScalarMethod(connect, ECHO_POKE, (uint64_t[]){8, 'x'}, 2, NULL, NULL));
	CHECK(pages[8] == 'x');
	return true;
}

static bool
allocated(void)
{
	mach_vm_address_t address = 0;
	struct link link = {0};
	bool well = attempt_tried("mach_vm_allocate",
				  mach_vm_allocate(mach_task_self(), &address, PAGES * 4096,
						   VM_FLAGS_ANYWHERE)) &&
		    link_open(&link, "Echo") &&
		    keep(link.connect, (char *)(uintptr_t)address, PAGES * 4096) &&
		    name(link.connect, (char *)(uintptr_t)address) &&
		    fork_and_look((char *)(uintptr_t)address);

	link_close(&link);
	if (address != 0)
		mach_vm_deallocate(mach_task_self(), address, PAGES * 4096);
	return well;
}

/* Two connections for the same pages, some of which are given back while they are shared. */
static bool
share_twice(io_connect_t one, io_connect_t other, char *pages)
{
	if (!keep(one, pages, PAGES * 4096) || !keep(other, pages, PAGES * 4096))
		return false;
	CHECK(mprotect(pages + 7 * 4096, 4096, PROT_READ) == 0);
	TRY(mach_vm_deallocate(mach_task_self(), (uintptr_t)pages + 2 * 4096, 4096));
	return fork_and_look(pages);
}

static bool
shared(void)
{
	mach_vm_address_t address = 0;
	struct link one = {0}, other = {0};
	bool well = attempt_tried("mach_vm_allocate",
				  mach_vm_allocate(mach_task_self(), &address, PAGES * 4096,
						   VM_FLAGS_ANYWHERE)) &&
		    link_open(&one, "Echo") && link_open(&other, "Echo") &&
		    share_twice(one.connect, other.connect, (char *)(uintptr_t)address);

	link_close(&other);
	link_close(&one);
	if (address != 0)
		mach_vm_deallocate(mach_task_self(), address, PAGES * 4096);
	return well;
}

/* Private pages, which two connections share each for itself, and some of which are elsewhere, too.
 */
static bool
share_moved(io_connect_t one, io_connect_t other, char *pages)
{
	char *again;
	bool well;

	if (!keep(one, pages, PAGES * 4096) || !keep(other, pages, PAGES * 4096))
		return false;
	/* Of pages that were not adopted there can be no other mapping. */
	again = mremap(pages, 0, PAGES * 4096, MREMAP_MAYMOVE);
	well = fork_and_look(again != MAP_FAILED ? again : pages);
	if (again != MAP_FAILED)
		munmap(again, PAGES * 4096);
	return well && fork_and_look(pages);
}

static bool
twins(void)
{
	struct link one = {0}, other = {0};
	char *pages = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	bool well = link_open(&one, "Echo") && link_open(&other, "Echo") &&
		    share_moved(one.connect, other.connect, pages);

	link_close(&other);
	link_close(&one);
	munmap(pages, PAGES * 4096);
	return well;
}

/* --- another kernel and C library --- */

static void *
wait_for_end(void *context)
{
	char byte;

	return read(*(int *)context, &byte, 1) == 0 ? context : NULL;
}

/* With a thread beside it, whose stack could be what the driver is to keep. */
static bool
copied_beside(void)
{
	pthread_t thread;
	int ends[2];
	bool well;

	CHECK(pipe(ends) == 0 && pthread_create(&thread, NULL, wait_for_end, &ends[0]) == 0);
	well = large() && copied();
	close(ends[1]);
	pthread_join(thread, NULL);
	close(ends[0]);
	return well;
}

/* Where something is already, nothing else can be. */
static bool
take_place(io_connect_t connect)
{
	char *page = mmap(NULL, 16 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mach_vm_address_t address = (uintptr_t)page;
	mach_vm_size_t size = 0;

	CHECK(IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, 0) !=
	      kIOReturnSuccess);
	CHECK(mach_vm_allocate(mach_task_self(), &address, 4096, VM_FLAGS_FIXED) != KERN_SUCCESS);
	munmap(page, 16 * 4096);
	return true;
}

static bool
taken(void)
{
	return attempt_with("Echo", take_place);
}

/* --- queues --- */

static bool
consume(IODataQueueMemory *queue, mach_port_t port, uint32_t count)
{
	uint64_t began = attempt_msec();
	uint8_t data[QUEUES_ENTRY_MAX];
	uint32_t next = 0;

	while (next < count && attempt_waits(began)) {
		uint32_t size = sizeof(data);
		IOReturn status = IODataQueueDequeue(queue, data, &size);
		mach_msg_empty_rcv_t message;

		if (status == kIOReturnUnderrun) {
			mach_msg(&message.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
				 sizeof(message), port, 100, MACH_PORT_NULL);
			continue;
		}
		TRY(status);
		CHECK(queues_is(data, size, next));
		next++;
	}
	return attempt_had("the entries", next == count);
}

static bool
use_queue(io_connect_t connect, uint32_t type, mach_port_t port)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	NAMES(port);
	TRY(IOConnectMapMemory64(connect, type, mach_task_self(), &address, &size, kIOMapAnywhere));
	TRY(IOConnectSetNotificationPort(connect, type, port, 0));
	TRY(IOConnectCallScalarMethod(connect, QUEUES_PRODUCE, (uint64_t[]){type, 40}, 2, NULL,
				      NULL));
	return consume((IODataQueueMemory *)(uintptr_t)address, port, 40);
}

static bool
produce(io_connect_t connect, uint32_t type)
{
	IODataQueueMemory *queue;
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	uint8_t data[QUEUES_ENTRY_MAX];
	uint64_t began = attempt_msec(), want = type, out[3] = {0};
	uint32_t room = 3;

	TRY(IOConnectMapMemory64(connect, type, mach_task_self(), &address, &size, kIOMapAnywhere));
	queue = (IODataQueueMemory *)(uintptr_t)address;
	for (uint32_t i = 0; i < 20; i++) {
		queues_fill(data, i);
		TRY(IODataQueueEnqueue(queue, data, queues_size(i)));
	}
	while (out[0] < 20 && attempt_waits(began))
		TRY(IOConnectCallScalarMethod(connect, QUEUES_STATUS, &want, 1, out, &room));
	CHECK(out[1] == 0);
	return attempt_had("all entries in the driver", out[0] == 20);
}

static bool
queues(void)
{
	struct link link = {0};
	mach_port_t ports[2] = {IODataQueueAllocateNotificationPort(),
				IODataQueueAllocateNotificationPort()};
	bool well = link_open(&link, "Queues") &&
		    use_queue(link.connect, QUEUES_CLASSIC_OUT, ports[0]) &&
		    use_queue(link.connect, QUEUES_DISPATCH_OUT, ports[1]) &&
		    produce(link.connect, QUEUES_CLASSIC_IN) &&
		    produce(link.connect, QUEUES_DISPATCH_IN);

	link_close(&link);
	for (unsigned i = 0; i < 2; i++)
		if (ports[i] != MACH_PORT_NULL)
			mach_port_destroy(mach_task_self(), ports[i]);
	return well;
}

/* --- rings --- */

static bool
square_all(dext_ring_t *ring, uint64_t count)
{
	uint64_t began = attempt_msec(), done = 0;

	for (uint64_t next = 0; done < count && attempt_waits(began);) {
		struct square entry = {.number = next};
		uint32_t pushed = 0, popped = 0;

		if (next < count)
			TRY(dext_ring_push(ring, &entry, 1, &pushed));
		next += pushed;
		if (next < count && next % 8 != 0)
			continue;
		if (dext_ring_wait(ring, DEXT_RING_ENTRIES, 100000000) != kIOReturnSuccess)
			continue;
		while (dext_ring_pop(ring, &entry, 1, &popped) == kIOReturnSuccess) {
			CHECK(entry.number == done && entry.square == done * done);
			done++;
		}
	}
	return attempt_had("all squares", done == count);
}

#define AWAKE 3000 /* more than a sleeper's arming may cost something after */

/* Without a wait, and so without an arming, up to the end. */
static bool
square_awake(dext_ring_t *ring)
{
	uint64_t began = attempt_msec(), done = 0;
	struct square entry;

	for (uint64_t next = 0; done < AWAKE && attempt_waits(began);) {
		uint32_t pushed = 0, popped = 0;

		entry = (struct square){.number = next};
		if (next < AWAKE && next - done < 8)
			TRY(dext_ring_push(ring, &entry, 1, &pushed));
		next += pushed;
		if (dext_ring_pop(ring, &entry, 1, &popped) == kIOReturnSuccess)
			CHECK(entry.number == done && entry.square == done * done);
		done += popped;
	}
	dext_ring_wait(ring, DEXT_RING_ENTRIES, 1000000);
	return attempt_had("all squares", done == AWAKE);
}

static bool
poll_ring(dext_ring_t *ring)
{
	struct pollfd ready = {.fd = dext_ring_get_descriptor(ring), .events = POLLIN};
	uint64_t began = attempt_msec();
	struct square entry = {.number = 9};
	uint32_t pushed = 0, popped = 0;

	if (!attempt_had("the ring's descriptor", ready.fd >= 0))
		return false;
	TRY(dext_ring_push(ring, &entry, 1, &pushed));
	while (dext_ring_pop(ring, &entry, 1, &popped) == kIOReturnUnderrun && attempt_waits(began))
		if (dext_ring_arm(ring, DEXT_RING_ENTRIES))
			poll(&ready, 1, 100);
	CHECK(popped == 0 || entry.square == 81);
	return attempt_had("the entry", popped == 1);
}

static bool
use_ring(io_connect_t connect, uint32_t options)
{
	dext_ring_t *ring = NULL;
	bool well;

	TRY(dext_ring_create(connect, SQUARES_RINGS, options, &ring));
	well = square_all(ring, 64) && square_awake(ring) && poll_ring(ring);
	dext_ring_release(ring);
	return well;
}

static bool
use_rings(io_connect_t connect)
{
	return use_ring(connect, 0) && use_ring(connect, DEXT_RING_ONE_THREAD);
}

static bool
rings(void)
{
	return attempt_with("RingSubmit", use_rings);
}

const struct scenario scenarios_memory[] = {
	{"map", map},
	{"large", large},
	{"allocated", allocated},
	{"copied", copied},
	{"shared", shared},
	{"twins", twins},
	{"copied_older", copied_beside, "older"},
	{"taken_older", taken, "older"},
	{"allocated_older", allocated, "older"},
	{"queues", queues},
	{"rings", rings},
	{NULL, NULL},
};
