/* SPDX-License-Identifier: Apache-2.0 */
/* Data queues between real processes: both layouts, both directions, and what goes wrong. */
#define UNIT_TIMEOUT_SEC 120
#include "harness.h"
#include "queues.h"
#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <IOKit/IODataQueueClient.h>
#include <mach/mach.h>

/* Less under a sanitizer: a wake-up that is lost shows at any count as a deadline. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MANY 200000u
#else
#define MANY 1000000u
#endif

static struct harness harness;

struct status {
	uint64_t done, wrong, calls;
};

static void
start(void)
{
	harness_start(&harness, (const char *[]){harness_bundle("QUEUES_BUNDLE"), NULL});
}

static IODataQueueMemory *
map(io_connect_t connect, uint32_t type)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	ck_assert_int_eq(IOConnectMapMemory64(connect, type, mach_task_self(), &address, &size,
					      kIOMapAnywhere),
			 kIOReturnSuccess);
	ck_assert_uint_gt(size, QUEUES_BYTES);
	return (IODataQueueMemory *)(uintptr_t)address;
}

static mach_port_t
listen_to(io_connect_t connect, uint32_t type)
{
	mach_port_t port = IODataQueueAllocateNotificationPort();

	ck_assert_uint_ne(port, MACH_PORT_NULL);
	ck_assert_int_eq(IOConnectSetNotificationPort(connect, type, port, 0), kIOReturnSuccess);
	return port;
}

static void
produce(io_connect_t connect, uint32_t type, uint64_t count)
{
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, QUEUES_PRODUCE,
						   (uint64_t[]){type, count}, 2, NULL, NULL),
			 kIOReturnSuccess);
}

static struct status
get_status(io_connect_t connect, uint64_t type)
{
	uint64_t out[3];
	uint32_t room = 3;

	ck_assert_int_eq(IOConnectCallScalarMethod(connect, QUEUES_STATUS, &type, 1, out, &room),
			 kIOReturnSuccess);
	return (struct status){out[0], out[1], out[2]};
}

static void
expect_entry(IODataQueueMemory *queue, uint32_t number)
{
	uint8_t data[QUEUES_ENTRY_MAX];
	uint32_t size = sizeof(data);

	ck_assert_int_eq(IODataQueueDequeue(queue, data, &size), kIOReturnSuccess);
	ck_assert(queues_is(data, size, number));
}

/* Until so many have come, each in its turn. */
static void
consume(IODataQueueMemory *queue, mach_port_t port, uint32_t first, uint32_t count)
{
	uint8_t data[QUEUES_ENTRY_MAX];
	uint32_t next = first;

	while (next < first + count) {
		uint32_t size = sizeof(data);
		IOReturn status = IODataQueueDequeue(queue, data, &size);

		if (status == kIOReturnUnderrun) {
			ck_assert_int_eq(IODataQueueWaitForAvailableData(queue, port),
					 kIOReturnSuccess);
			continue;
		}
		ck_assert_int_eq(status, kIOReturnSuccess);
		ck_assert(queues_is(data, size, next));
		next++;
	}
}

/* --- the driver produces --- */

static const uint32_t out_types[] = {QUEUES_CLASSIC_OUT, QUEUES_DISPATCH_OUT};

START_TEST(many_entries_come_in_order)
{
	uint32_t type = out_types[_i];
	io_connect_t connect;
	IODataQueueMemory *queue;
	mach_port_t port;

	start();
	connect = harness_open("Queues", 0);
	queue = map(connect, type);
	port = listen_to(connect, type);
	produce(connect, type, MANY);
	consume(queue, port, 0, MANY);
	ck_assert(!IODataQueueDataAvailable(queue));
	ck_assert_uint_eq(get_status(connect, type).done, MANY);
	ck_assert_uint_eq(get_status(connect, type).wrong, 0);
	/* One at a time: each one is an edge, and a lost one is the end of this. */
	for (uint32_t i = 0; i < 2000; i++) {
		produce(connect, type, 1);
		consume(queue, port, MANY + i, 1);
	}
	ck_assert_int_eq(IOServiceClose(connect), kIOReturnSuccess);
	mach_port_destroy(mach_task_self(), port);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static mach_msg_return_t
receive(mach_port_t port, mach_msg_empty_rcv_t *message, mach_msg_timeout_t timeout)
{
	return mach_msg(&message->header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(*message),
			port, timeout, MACH_PORT_NULL);
}

START_TEST(one_message_for_each_time_that_the_queue_was_empty)
{
	mach_msg_empty_rcv_t message;
	IODataQueueMemory *queue;
	IODataQueueEntry *entry;
	io_connect_t connect;
	uint8_t small[4];
	uint32_t size = sizeof(small);
	mach_port_t port;

	start();
	connect = harness_open("Queues", 0);
	queue = map(connect, QUEUES_CLASSIC_OUT);
	port = listen_to(connect, QUEUES_CLASSIC_OUT);
	ck_assert_int_eq(IODataQueueDequeue(queue, small, &size), kIOReturnUnderrun);
	ck_assert_ptr_null(IODataQueuePeek(queue));
	ck_assert_int_eq(receive(port, &message, 0), MACH_RCV_TIMED_OUT);
	produce(connect, QUEUES_CLASSIC_OUT, 1);
	produce(connect, QUEUES_CLASSIC_OUT, 2);
	ck_assert_int_eq(receive(port, &message, 10000), MACH_MSG_SUCCESS);
	ck_assert_uint_eq(message.header.msgh_size, sizeof(mach_msg_header_t));
	ck_assert_int_eq(message.header.msgh_id, 0);
	ck_assert_int_eq(receive(port, &message, 0), MACH_RCV_TIMED_OUT);
	expect_entry(queue, 0);
	/* A buffer that is too small leaves the entry where it is. */
	ck_assert_int_eq(IODataQueueDequeue(queue, small, &size), kIOReturnNoSpace);
	ck_assert_uint_eq(size, queues_size(1));
	entry = IODataQueuePeek(queue);
	ck_assert_uint_eq(entry->size, queues_size(1));
	ck_assert(queues_is(entry->data, entry->size, 1));
	expect_entry(queue, 1);
	produce(connect, QUEUES_CLASSIC_OUT, 1);
	ck_assert_int_eq(receive(port, &message, 0), MACH_RCV_TIMED_OUT);
	expect_entry(queue, 2);
	expect_entry(queue, 3);
	produce(connect, QUEUES_CLASSIC_OUT, 1);
	ck_assert_int_eq(receive(port, &message, 10000), MACH_MSG_SUCCESS);
	/* However often the queue gets empty, a program that only polls it piles nothing up. */
	for (uint32_t i = 0; i < 3000; i++) {
		expect_entry(queue, 4 + i);
		produce(connect, QUEUES_CLASSIC_OUT, 1);
	}
	ck_assert_int_eq(receive(port, &message, 10000), MACH_MSG_SUCCESS);
	ck_assert_int_eq(
		IOConnectSetNotificationPort(connect, QUEUES_CLASSIC_OUT, MACH_PORT_NULL, 0),
		kIOReturnSuccess);
	while (receive(port, &message, 0) == MACH_MSG_SUCCESS)
		;
	expect_entry(queue, 3004);
	produce(connect, QUEUES_CLASSIC_OUT, 1);
	ck_assert_int_eq(receive(port, &message, 0), MACH_RCV_TIMED_OUT);
	ck_assert_int_eq(IOServiceClose(connect), kIOReturnSuccess);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* --- the app produces --- */

static const uint32_t in_types[] = {QUEUES_CLASSIC_IN, QUEUES_DISPATCH_IN};

struct consumed {
	io_connect_t connect;
	uint32_t type;
	uint64_t count;
};

static bool
is_consumed(void *context)
{
	const struct consumed *consumed = context;

	return get_status(consumed->connect, consumed->type).done >= consumed->count;
}

START_TEST(the_driver_gets_many_entries_in_order)
{
	struct consumed consumed = {.type = in_types[_i], .count = MANY};
	uint8_t data[QUEUES_ENTRY_MAX];
	IODataQueueMemory *queue;
	struct status status;
	mach_port_t port;

	start();
	consumed.connect = harness_open("Queues", 0);
	queue = map(consumed.connect, consumed.type);
	port = listen_to(consumed.connect, consumed.type);
	for (uint32_t i = 0; i < MANY;) {
		IOReturn res;

		queues_fill(data, i);
		res = IODataQueueEnqueue(queue, data, queues_size(i));
		i += res == kIOReturnSuccess;
		if (res == kIOReturnSuccess)
			continue;
		ck_assert_int_eq(res, kIOReturnOverrun);
		/* The classic layout has no word for it: a call, which the driver answers after
		 * what it has to do. */
		if (consumed.type == QUEUES_DISPATCH_IN)
			ck_assert_int_eq(mach_msg(&(mach_msg_empty_rcv_t){0}.header, MACH_RCV_MSG,
						  0, sizeof(mach_msg_empty_rcv_t), port, 0,
						  MACH_PORT_NULL),
					 MACH_MSG_SUCCESS);
		else
			get_status(consumed.connect, consumed.type);
	}
	ck_assert(harness_until(is_consumed, &consumed));
	/* One at a time, each of which has to wake the driver. */
	for (uint32_t i = 0; i < 200; i++) {
		queues_fill(data, MANY + i);
		ck_assert_int_eq(IODataQueueEnqueue(queue, data, queues_size(MANY + i)),
				 kIOReturnSuccess);
		consumed.count++;
		ck_assert(harness_until(is_consumed, &consumed));
	}
	status = get_status(consumed.connect, consumed.type);
	ck_assert_uint_eq(status.done, consumed.count);
	ck_assert_uint_eq(status.wrong, 0);
	ck_assert_uint_gt(status.calls, 0);
	ck_assert_int_eq(IODataQueueEnqueue(queue, data, QUEUES_BYTES), kIOReturnNoSpace);
	ck_assert_int_eq(IOServiceClose(consumed.connect), kIOReturnSuccess);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* --- several at once, and what goes wrong --- */

static void
app(void *context)
{
	io_connect_t connect = harness_open("Queues", 0);
	IODataQueueMemory *in = map(connect, QUEUES_DISPATCH_IN);
	IODataQueueMemory *out = map(connect, QUEUES_CLASSIC_OUT);
	mach_port_t port = listen_to(connect, QUEUES_CLASSIC_OUT);
	struct consumed consumed = {connect, QUEUES_DISPATCH_IN, 50};
	uint8_t data[QUEUES_ENTRY_MAX];

	for (uint32_t i = 0; i < 50; i++) {
		queues_fill(data, i);
		ck_assert_int_eq(IODataQueueEnqueue(in, data, queues_size(i)), kIOReturnSuccess);
		produce(connect, QUEUES_CLASSIC_OUT, 20);
		consume(out, port, 20 * i, 20);
	}
	ck_assert(harness_until(is_consumed, &consumed));
	ck_assert_uint_eq(get_status(connect, QUEUES_DISPATCH_IN).wrong, 0);
	if (context == NULL)
		raise(SIGKILL);
	IOServiceClose(connect);
}

/* Children, of which some die in the middle: the others and the driver notice nothing. */
START_TEST(apps_come_and_die)
{
	pid_t children[6];
	int status;

	start();
	IOObjectRelease(harness_wait_service("Queues"));
	for (unsigned i = 0; i < 6; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			app(i % 2 == 0 ? NULL : &status);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < 6; i++) {
		ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
		if (i % 2 == 0)
			ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		else
			ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(a_queue_has_one_app)
{
	io_connect_t first, second;
	mach_vm_address_t address = 0, other = 0;
	mach_vm_size_t size;

	start();
	first = harness_open("Queues", 0);
	second = harness_open("Queues", 0);
	ck_assert_int_eq(IOConnectMapMemory64(first, QUEUES_SHARED, mach_task_self(), &address,
					      &size, kIOMapAnywhere),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOConnectMapMemory64(second, QUEUES_SHARED, mach_task_self(), &other,
					      &size, kIOMapAnywhere),
			 kIOReturnBadArgument);
	harness_wait_log(&harness, "the data queue behind it is another connection's");
	ck_assert_int_eq(IOConnectUnmapMemory64(first, QUEUES_SHARED, mach_task_self(), address),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOConnectMapMemory64(second, QUEUES_SHARED, mach_task_self(), &other,
					      &size, kIOMapAnywhere),
			 kIOReturnSuccess);
	IOServiceClose(first);
	IOServiceClose(second);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static void *
kill_later(void *context)
{
	/* Whether this comes before the wait or in it: it has to end. */
	kill(*(pid_t *)context, SIGKILL);
	return NULL;
}

START_TEST(a_wait_ends_with_the_driver)
{
	IOReturn status = kIOReturnSuccess;
	IODataQueueMemory *queue;
	io_connect_t connect;
	pthread_t thread;
	mach_port_t port;
	pid_t host;

	start();
	connect = harness_open("Queues", 0);
	host = harness_host_pid("Queues");
	queue = map(connect, QUEUES_CLASSIC_OUT);
	port = listen_to(connect, QUEUES_CLASSIC_OUT);
	pthread_create(&thread, NULL, kill_later, &host);
	while (status == kIOReturnSuccess)
		status = IODataQueueWaitForAvailableData(queue, port);
	ck_assert_int_eq(status, kIOReturnOffline);
	pthread_join(thread, NULL);
	IOServiceClose(connect);
	harness_forget_crash(&harness);
	harness_stop(&harness);
}
END_TEST

START_TEST(the_example_runs)
{
	char said[256];
	size_t length;
	FILE *output;

	harness_start(&harness, (const char *[]){harness_bundle("DATA_QUEUE_BUNDLE"), NULL});
	output = popen(harness_bundle("DATA_QUEUE_APP"), "re");
	ck_assert_ptr_nonnull(output);
	length = fread(said, 1, sizeof(said) - 1, output);
	said[length] = '\0';
	ck_assert_int_eq(pclose(output), 0);
	ck_assert_str_eq(said, "sample 0 is 0\nsample 1 is 1\nsample 2 is 4\nsample 3 is 9\n"
			       "sample 4 is 16\n");
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

UNIT_LOOP_MAIN("data queue", {many_entries_come_in_order, 2},
	       {the_driver_gets_many_entries_in_order, 2},
	       {one_message_for_each_time_that_the_queue_was_empty, 1}, {apps_come_and_die, 1},
	       {a_queue_has_one_app, 1}, {a_wait_ends_with_the_driver, 1}, {the_example_runs, 1})
