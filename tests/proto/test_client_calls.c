/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to a host that follows the rules: what goes there and back, many at a time, and what ends
 * them: the host, a close, a fork.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include "clock.h"
#include "connection_private.h"
#include "fake_host.h"
#include "memfd.h"
#include "object_table.h"
#include "said.h"

#include <mach/mig_errors.h>

#define DEADLINE (10 * NSEC_PER_SEC)

static void
await(bool (*done)(void *context), void *context)
{
	uint64_t deadline = clock_now() + DEADLINE;

	while (!done(context)) {
		ck_assert_msg(clock_now() < deadline, "it did not happen in time");
		poll(NULL, 0, 1);
	}
}

/* --- scalars and inline structures --- */

static bool
echo(struct fake_host *host, unsigned slot, const struct call_request *request,
     struct call_reply *reply)
{
	ck_assert_uint_le(request->scalar_out_count, DEXT_SCALARS_MAX);
	reply->scalar_out_count = request->scalar_in_count < request->scalar_out_count
					  ? request->scalar_in_count
					  : request->scalar_out_count;
	for (uint32_t i = 0; i < reply->scalar_out_count; i++)
		reply->scalars[i] = request->scalars[i] + request->selector;
	if (request->structure_in_size > 0) {
		reply->structure_out_size = request->structure_in_size;
		memcpy(host->page->data[slot].output, host->page->data[slot].input,
		       request->structure_in_size);
	}
	return true;
}

START_TEST(scalars_go_there_and_back)
{
	const uint64_t input[DEXT_SCALARS_MAX] = {1, 2, 3, [DEXT_SCALARS_MAX - 1] = UINT64_MAX};
	struct fake_host host;
	uint64_t output[DEXT_SCALARS_MAX + 1] = {0};
	uint32_t count = DEXT_SCALARS_MAX + 1;
	io_connect_t connect;

	fake_host_create(&host);
	host.method = echo;
	connect = fake_host_open(&host);
	errno = 77;
	ck_assert_int_eq(
		IOConnectCallScalarMethod(connect, 5, input, DEXT_SCALARS_MAX, output, &count), 0);
	ck_assert_int_eq(errno, 77);
	/* There was room for more. */
	ck_assert_uint_eq(count, DEXT_SCALARS_MAX);
	ck_assert_uint_eq(output[0], 6);
	ck_assert_uint_eq(output[15], 4);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, 5, NULL, 0, NULL, NULL), 0);
	for (uint64_t i = 0; i < 1000; i++) {
		count = 3;
		ck_assert_int_eq(
			IOConnectCallScalarMethod(connect, (uint32_t)i, &i, 1, output, &count), 0);
		ck_assert_uint_eq(count, 1);
		ck_assert_uint_eq(output[0], 2 * i);
	}
	ck_assert_int_eq(IOServiceClose(connect), 0);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, 5, NULL, 0, NULL, NULL),
			 MACH_SEND_INVALID_DEST);
	ck_assert_int_eq(IOServiceClose(connect), MACH_SEND_INVALID_DEST);
	fake_host_stop(&host);
}
END_TEST

START_TEST(structures_go_there_and_back)
{
	struct fake_host host;
	io_connect_t connect;

	fake_host_create(&host);
	host.method = echo;
	connect = fake_host_open(&host);
	for (size_t size = 1; size <= 4096;
	     size = size * 2 < 4096 ? size * 2 + 1 : size + 4096 - size / 2) {
		char input[4096], output[4097];
		size_t room = 4096;

		memset(input, (int)size, sizeof(input));
		memset(output, 0x55, sizeof(output));
		ck_assert_int_eq(IOConnectCallStructMethod(connect, 0, input, size, output, &room),
				 0);
		ck_assert_uint_eq(room, size);
		ck_assert_mem_eq(output, input, size);
		ck_assert_int_eq(output[size], 0x55);
	}
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

START_TEST(wrong_arguments_do_not_reach_the_host)
{
	const uint64_t input[DEXT_SCALARS_MAX + 1] = {0};
	uint64_t reference[9] = {0};
	struct fake_host host;
	io_connect_t connect;

	fake_host_create(&host);
	host.method = echo;
	connect = fake_host_open(&host);
	ck_assert_int_eq(
		IOConnectCallScalarMethod(connect, 0, input, DEXT_SCALARS_MAX + 1, NULL, NULL),
		MIG_ARRAY_TOO_LARGE);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, 0, NULL, 1, NULL, NULL),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOConnectCallStructMethod(connect, 0, NULL, 8, NULL, NULL),
			 kIOReturnBadArgument);
	ck_assert_int_eq(
		IOConnectCallAsyncScalarMethod(connect, 0, 0, reference, 9, NULL, 0, NULL, NULL),
		MIG_ARRAY_TOO_LARGE);
	ck_assert_int_eq(IOConnectCallAsyncScalarMethod(connect, 0, 0x7773, reference, 3, NULL, 0,
							NULL, NULL),
			 MACH_SEND_INVALID_RIGHT);
	ck_assert_int_eq(IOConnectCallScalarMethod(0x12345, 0, NULL, 0, NULL, NULL),
			 MACH_SEND_INVALID_DEST);
	ck_assert_uint_eq(atomic_load(&host.answered), 0);
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

static bool
fail_with_not_aligned(struct fake_host *host, unsigned slot, const struct call_request *request,
		      struct call_reply *reply)
{
	reply->status = kIOReturnNotAligned;
	return true;
}

START_TEST(an_error_leaves_the_outputs_alone)
{
	struct fake_host host;
	uint64_t output[2] = {7, 7};
	uint32_t count = 2;
	char bytes[4] = "abc";
	size_t size = 4;
	io_connect_t connect;

	fake_host_create(&host);
	host.method = fail_with_not_aligned;
	connect = fake_host_open(&host);
	ck_assert_int_eq(
		IOConnectCallMethod(connect, 0, NULL, 0, NULL, 0, output, &count, bytes, &size),
		kIOReturnNotAligned);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(output[0], 7);
	ck_assert_uint_eq(size, 4);
	ck_assert_str_eq(bytes, "abc");
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

/* --- many at a time --- */

static bool
hold(struct fake_host *host, unsigned slot, const struct call_request *request,
     struct call_reply *reply)
{
	_Atomic uint64_t *held = host->context;

	atomic_fetch_or(held, UINT64_C(1) << slot);
	return false;
}

struct caller {
	pthread_t thread;
	io_connect_t connect;
	uint32_t selector;
	IOReturn status;
	uint64_t took; /* ns */
};

static void *
call_once(void *argument)
{
	struct caller *caller = argument;
	uint64_t begun = clock_now();

	caller->status =
		IOConnectCallScalarMethod(caller->connect, caller->selector, NULL, 0, NULL, NULL);
	caller->took = clock_now() - begun;
	return NULL;
}

static void
start_caller(struct caller *caller, io_connect_t connect, uint32_t selector)
{
	caller->connect = connect;
	caller->selector = selector;
	ck_assert_int_eq(pthread_create(&caller->thread, NULL, call_once, caller), 0);
}

static bool
are_all_held(void *context)
{
	return atomic_load((_Atomic uint64_t *)context) == UINT64_MAX;
}

static bool
has_waiter(void *context)
{
	struct connection *connection = context;
	bool has;

	pthread_mutex_lock(&connection->slot_lock);
	has = connection->first_waiter != NULL;
	pthread_mutex_unlock(&connection->slot_lock);
	return has;
}

static bool
has_two_waiters(void *context)
{
	struct connection *connection = context;
	bool has;

	pthread_mutex_lock(&connection->slot_lock);
	has = connection->first_waiter != NULL &&
	      connection->first_waiter != connection->last_waiter;
	pthread_mutex_unlock(&connection->slot_lock);
	return has;
}

static bool
is_submitted(void *context)
{
	struct fake_host *host = context;

	return host->page->slot[9].request.selector == 1001;
}

START_TEST(a_full_page_is_waited_for_in_order)
{
	static struct caller callers[DEXT_LIMIT_CALLS + 2];
	_Atomic uint64_t held = 0;
	struct fake_host host;
	struct call_reply none;
	struct connection *connection;
	io_connect_t connect;

	memset(&none, 0, sizeof(none));
	fake_host_create(&host);
	host.method = hold;
	host.context = &held;
	connect = fake_host_open(&host);
	connection = object_copy_connection(connect);
	for (uint32_t i = 0; i < DEXT_LIMIT_CALLS; i++)
		start_caller(&callers[i], connect, i);
	await(are_all_held, &held);
	start_caller(&callers[DEXT_LIMIT_CALLS], connect, 1000);
	await(has_waiter, connection);
	start_caller(&callers[DEXT_LIMIT_CALLS + 1], connect, 1001);
	await(has_two_waiters, connection);
	/* One slot becomes free, and the first of the two has it; then the other. */
	fake_host_answer(&host, 9, 1, &none);
	await((bool (*)(void *))has_waiter, connection);
	while (host.page->slot[9].request.selector != 1000)
		poll(NULL, 0, 1);
	fake_host_answer(&host, 9, 2, &none);
	await(is_submitted, &host);
	fake_host_answer(&host, 9, 3, &none);
	for (unsigned i = 0; i < DEXT_LIMIT_CALLS; i++)
		if (i != 9)
			fake_host_answer(&host, i, 1, &none);
	for (unsigned i = 0; i < DEXT_LIMIT_CALLS + 2; i++) {
		pthread_join(callers[i].thread, NULL);
		ck_assert_int_eq(callers[i].status, 0);
	}
	connection_release(connection);
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

static bool
ask_for_much(struct fake_host *host, unsigned slot, const struct call_request *request,
	     struct call_reply *reply)
{
	const struct call_question what = {
		.segment_count = 2,
		.segments = {{4096, DEXT_LIMIT_PEER_BYTES - 1}, {4096, 1 + request->selector}},
	};

	memcpy(host->page->data[slot].output, &what, sizeof(what));
	reply->flags = CALL_ASKS;
	return true;
}

static bool
has_answered(void *context)
{
	struct fake_host *host = context;

	return atomic_load(&host->client_memories) == 1;
}

/* What it asks for is none of the driver's business: of what is within the limit, that is said. */
START_TEST(what_a_driver_asks_for_is_limited)
{
	static const struct call_reply none;
	struct caller caller;

	for (uint32_t past = 0; past < 2; past++) {
		struct fake_host host;
		io_connect_t connect;

		fake_host_create(&host);
		host.method = ask_for_much;
		connect = fake_host_open(&host);
		said_listen();
		start_caller(&caller, connect, past);
		await(has_answered, &host);
		said_expect(past ? "DEXT_LIMIT_PEER_BYTES" : "which it does not get");
		ck_assert_int_eq(host.client_memory.status,
				 past ? kIOReturnNoResources : kIOReturnNotPermitted);
		fake_host_answer(&host, host.client_memory.slot, host.client_memory.generation,
				 &none);
		pthread_join(caller.thread, NULL);
		ck_assert_int_eq(caller.status, kIOReturnSuccess);
		IOServiceClose(connect);
		fake_host_stop(&host);
	}
}
END_TEST

/* Where an app names memory: a structure of its call. */
struct naming {
	uint64_t address, length;
};

struct namer {
	struct caller caller;
	struct naming *structure;
	struct naming wanted; /* by the driver */
};

static void *
call_with_structure(void *argument)
{
	struct namer *namer = argument;

	namer->caller.status = IOConnectCallStructMethod(namer->caller.connect, 0, namer->structure,
							 sizeof(*namer->structure), NULL, NULL);
	return NULL;
}

/* This driver can write into the memory where the structure is. */
static bool
name_and_ask(struct fake_host *host, unsigned slot, const struct call_request *request,
	     struct call_reply *reply)
{
	const struct namer *namer = host->context;
	const struct call_question what = {
		.segment_count = 1,
		.segments = {{namer->wanted.address, namer->wanted.length}},
	};

	(void)request;
	*namer->structure = namer->wanted;
	memcpy(host->page->data[slot].output, &what, sizeof(what));
	reply->flags = CALL_ASKS;
	return true;
}

/* A buffer that both have mapped is no place where an app can name something. */
START_TEST(what_a_driver_can_write_names_nothing)
{
	static const struct call_reply none;
	static const char secret[64] = "secret";
	struct naming named = {(uintptr_t)secret, sizeof(secret)};
	int memory = memfd_create("buffer", MFD_CLOEXEC);

	ck_assert_int_eq(ftruncate(memory, (off_t)page_size()), 0);
	for (unsigned is_mapped = 0; is_mapped < 2; is_mapped++) {
		struct fake_host host;
		struct namer namer = {.structure = &named, .wanted = named};

		if (is_mapped)
			namer.structure = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
					       MAP_SHARED, memory, 0);
		ck_assert_ptr_ne(namer.structure, MAP_FAILED);
		fake_host_create(&host);
		host.method = name_and_ask;
		host.context = &namer;
		namer.caller.connect = fake_host_open(&host);
		ck_assert_int_eq(
			pthread_create(&namer.caller.thread, NULL, call_with_structure, &namer), 0);
		await(has_answered, &host);
		ck_assert_int_eq(host.client_memory.status,
				 is_mapped ? kIOReturnNotPermitted : kIOReturnSuccess);
		fake_host_answer(&host, host.client_memory.slot, host.client_memory.generation,
				 &none);
		pthread_join(namer.caller.thread, NULL);
		ck_assert_int_eq(namer.caller.status, kIOReturnSuccess);
		IOServiceClose(namer.caller.connect);
		fake_host_stop(&host);
	}
	close(memory);
}
END_TEST

/* A thread that is cancelled while it waits, for a slot or for its answer, takes nothing along. */
START_TEST(a_call_is_no_cancellation_point)
{
	static struct caller callers[CALL_PAGE_SLOTS + 2];
	_Atomic uint64_t held = 0;
	struct fake_host host;
	struct call_reply none;
	struct connection *connection;
	io_connect_t connect;

	memset(&none, 0, sizeof(none));
	fake_host_create(&host);
	host.method = hold;
	host.context = &held;
	connect = fake_host_open(&host);
	connection = object_copy_connection(connect);
	for (uint32_t i = 0; i < CALL_PAGE_SLOTS; i++)
		start_caller(&callers[i], connect, i);
	await(are_all_held, &held);
	start_caller(&callers[CALL_PAGE_SLOTS], connect, 1000);
	await(has_waiter, connection);
	start_caller(&callers[CALL_PAGE_SLOTS + 1], connect, 1001);
	await(has_two_waiters, connection);
	for (unsigned i = 0; i < CALL_PAGE_SLOTS + 2; i++)
		ck_assert_int_eq(pthread_cancel(callers[i].thread), 0);
	/* Its turn comes as if nothing had happened. */
	fake_host_answer(&host, 9, 1, &none);
	while (host.page->slot[9].request.selector != 1000)
		poll(NULL, 0, 1);
	fake_host_answer(&host, 9, 2, &none);
	await(is_submitted, &host);
	fake_host_answer(&host, 9, 3, &none);
	for (unsigned i = 0; i < CALL_PAGE_SLOTS; i++)
		if (i != 9)
			fake_host_answer(&host, i, 1, &none);
	for (unsigned i = 0; i < CALL_PAGE_SLOTS + 2; i++)
		pthread_join(callers[i].thread, NULL);
	ck_assert_uint_eq(connection->free_slots, UINT64_MAX);
	connection_release(connection);
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

struct crowd {
	pthread_t thread;
	io_connect_t connect;
	uint64_t wrong;
};

static void *
call_many(void *argument)
{
	struct crowd *crowd = argument;

	for (uint64_t i = 0; i < 300; i++) {
		uint64_t output = 0, input = i * 1000 + (uintptr_t)argument;
		uint32_t count = 1;

		if (IOConnectCallScalarMethod(crowd->connect, 1, &input, 1, &output, &count) != 0 ||
		    output != input + 1)
			crowd->wrong++;
	}
	return NULL;
}

START_TEST(more_threads_than_slots_each_get_their_own_answers)
{
	static struct crowd crowds[CALL_PAGE_SLOTS + 16];
	struct fake_host host;
	io_connect_t connect;

	fake_host_create(&host);
	host.method = echo;
	connect = fake_host_open(&host);
	for (unsigned i = 0; i < CALL_PAGE_SLOTS + 16; i++) {
		crowds[i].connect = connect;
		ck_assert_int_eq(pthread_create(&crowds[i].thread, NULL, call_many, &crowds[i]), 0);
	}
	for (unsigned i = 0; i < CALL_PAGE_SLOTS + 16; i++) {
		pthread_join(crowds[i].thread, NULL);
		ck_assert_uint_eq(crowds[i].wrong, 0);
	}
	ck_assert_uint_eq(atomic_load(&host.answered), (CALL_PAGE_SLOTS + 16) * 300);
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

static bool
is_any_held(void *context)
{
	return atomic_load((_Atomic uint64_t *)context) != 0;
}

START_TEST(a_call_in_flight_ends_with_the_host)
{
	_Atomic uint64_t held = 0;
	struct caller caller;
	struct fake_host host;
	uint64_t died;
	io_connect_t connect;

	fake_host_create(&host);
	host.method = hold;
	host.context = &held;
	connect = fake_host_open(&host);
	start_caller(&caller, connect, 0);
	await(is_any_held, &held);
	died = clock_now();
	fake_host_stop(&host);
	pthread_join(caller.thread, NULL);
	ck_assert_int_eq(caller.status, kIOReturnOffline);
	ck_assert_uint_lt(clock_now() - died, 5 * NSEC_PER_SEC);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, 0, NULL, 0, NULL, NULL),
			 MACH_SEND_INVALID_DEST);
	ck_assert_int_eq(IOServiceClose(connect), 0);
}
END_TEST

START_TEST(a_call_after_the_hosts_end_is_a_later_one)
{
	struct fake_host host;
	io_connect_t connect;

	fake_host_create(&host);
	host.method = echo;
	connect = fake_host_open(&host);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, 0, NULL, 0, NULL, NULL), 0);
	fake_host_stop(&host);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, 0, NULL, 0, NULL, NULL),
			 MACH_SEND_INVALID_DEST);
	IOServiceClose(connect);
}
END_TEST

START_TEST(closing_ends_a_call_in_flight)
{
	_Atomic uint64_t held = 0;
	struct caller caller;
	struct fake_host host;
	io_connect_t connect;

	fake_host_create(&host);
	host.method = hold;
	host.context = &held;
	connect = fake_host_open(&host);
	start_caller(&caller, connect, 0);
	await(is_any_held, &held);
	ck_assert_int_eq(IOServiceClose(connect), 0);
	pthread_join(caller.thread, NULL);
	ck_assert_int_eq(caller.status, kIOReturnAborted);
	fake_host_stop(&host);
}
END_TEST

/* --- fork --- */

static io_connect_t parents;
static void *parents_page;

static void
call_in_child(void *context)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size;

	if (IOConnectCallScalarMethod(parents, 0, NULL, 0, NULL, NULL) != MACH_SEND_INVALID_DEST)
		_exit(1);
	if (IOConnectMapMemory64(parents, 0, mach_task_self(), &address, &size, kIOMapAnywhere) !=
	    MACH_SEND_INVALID_DEST)
		_exit(2);
	/* The call page is the parent's alone. */
	if (unit_is_mapped(parents_page))
		_exit(4);
	if (IOServiceClose(parents) != kIOReturnSuccess)
		_exit(3);
}

START_TEST(a_forked_child_has_no_connection)
{
	struct connection *connection;
	struct fake_host host;

	fake_host_create(&host);
	host.method = echo;
	parents = fake_host_open(&host);
	connection = object_copy_connection(parents);
	parents_page = connection->client.page;
	ck_assert(unit_is_mapped(parents_page));
	connection_release(connection);
	ck_assert_int_eq(unit_child(call_in_child, NULL, NULL, 0), 0);
	ck_assert_int_eq(IOConnectCallScalarMethod(parents, 0, NULL, 0, NULL, NULL), 0);
	IOServiceClose(parents);
	fake_host_stop(&host);
}
END_TEST

UNIT_MAIN("client calls", scalars_go_there_and_back, structures_go_there_and_back,
	  wrong_arguments_do_not_reach_the_host, an_error_leaves_the_outputs_alone,
	  a_full_page_is_waited_for_in_order, what_a_driver_asks_for_is_limited,
	  what_a_driver_can_write_names_nothing, a_call_is_no_cancellation_point,
	  more_threads_than_slots_each_get_their_own_answers, a_call_in_flight_ends_with_the_host,
	  a_call_after_the_hosts_end_is_a_later_one, closing_ends_a_call_in_flight,
	  a_forked_child_has_no_connection)
