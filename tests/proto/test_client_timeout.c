/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that have a deadline, and a host that answers too late or not at all. */
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "connection_private.h"
#include "fake_host.h"
#include "object_table.h"

#include <dext_iokit.h>
#include <mach/mach.h>

#define TIMEOUT	 (20 * NSEC_PER_MSEC)
#define LATEST	 (10 * NSEC_PER_SEC)
#define ANSWERED 7u /* the selector that the host answers at once */

static struct fake_host host;
static io_connect_t connection;

/* How many calls the host has taken; the slot and generation of the last one. */
static _Atomic unsigned taken;
static _Atomic unsigned last_slot;
static _Atomic uint32_t last_generation;

static bool
answer_some(struct fake_host *to, unsigned slot, const struct call_request *request,
	    struct call_reply *reply)
{
	(void)to;
	atomic_store(&last_slot, slot);
	atomic_store(&last_generation, request->generation);
	atomic_fetch_add(&taken, 1);
	reply->scalar_out_count = request->scalar_out_count;
	return request->selector == ANSWERED;
}

static void
begin(void)
{
	fake_host_create(&host);
	host.method = answer_some;
	connection = fake_host_open(&host);
	ck_assert_int_eq(dext_connect_set_timeout(connection, TIMEOUT), kIOReturnSuccess);
}

static void
end(void)
{
	IOServiceClose(connection);
	fake_host_stop(&host);
}

/* Until the host has taken it, too, which is before any answer to it. */
static void
time_out(void)
{
	uint64_t out[2] = {1, 2}, began = clock_now();
	unsigned before = taken;
	uint32_t count = 2;

	ck_assert_int_eq(IOConnectCallScalarMethod(connection, 1, NULL, 0, out, &count),
			 kIOReturnTimeout);
	ck_assert_uint_ge(clock_now() - began, TIMEOUT);
	ck_assert_uint_lt(clock_now() - began, LATEST);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(out[0], 1);
	ck_assert_uint_eq(out[1], 2);
	while (taken == before && clock_now() - began < LATEST)
		poll(NULL, 0, 1);
	ck_assert_uint_ne(taken, before);
}

/* With as much time as a busy machine needs. */
static kern_return_t
call_answered(void)
{
	kern_return_t status;

	ck_assert_int_eq(dext_connect_set_timeout(connection, LATEST), kIOReturnSuccess);
	status = IOConnectCallScalarMethod(connection, ANSWERED, NULL, 0, NULL, NULL);
	ck_assert_int_eq(dext_connect_set_timeout(connection, TIMEOUT), kIOReturnSuccess);
	return status;
}

START_TEST(the_slot_is_used_again_only_after_its_answer)
{
	struct call_reply late;

	memset(&late, 0, sizeof(late));
	begin();
	time_out();
	ck_assert_uint_eq(last_slot, 0);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(call_answered(), kIOReturnSuccess);
		ck_assert_uint_ne(last_slot, 0);
	}
	fake_host_answer(&host, 0, 1, &late);
	ck_assert_int_eq(call_answered(), kIOReturnSuccess);
	ck_assert_uint_eq(last_slot, 0);
	ck_assert_uint_eq(last_generation, 2);
	end();
}
END_TEST

START_TEST(a_page_of_calls_without_answers)
{
	struct call_reply late;
	unsigned before;

	memset(&late, 0, sizeof(late));
	begin();
	for (unsigned i = 0; i < CALL_PAGE_SLOTS; i++)
		time_out();
	before = last_slot;
	ck_assert_uint_eq(before, CALL_PAGE_SLOTS - 1);
	/* One past the limit never reaches the host, and has its time, too. */
	ck_assert_int_eq(IOConnectCallScalarMethod(connection, ANSWERED, NULL, 0, NULL, NULL),
			 kIOReturnTimeout);
	ck_assert_uint_eq(last_slot, before);
	for (unsigned i = 0; i < CALL_PAGE_SLOTS; i++)
		fake_host_answer(&host, i, 1, &late);
	for (unsigned i = 0; i < 2 * CALL_PAGE_SLOTS; i++)
		ck_assert_int_eq(call_answered(), kIOReturnSuccess);
	end();
}
END_TEST

/* The driver asks for memory of an app that does not wait any more. */
static void
ask_late(bool withdrawn)
{
	struct call_reply question, late;
	uint64_t deadline = clock_now() + LATEST;

	memset(&question, 0, sizeof(question));
	memset(&late, 0, sizeof(late));
	question.flags = CALL_ASKS;
	begin();
	time_out();
	fake_host_answer(&host, 0, 1, &question);
	if (withdrawn) {
		call_slot_withdraw(&host.page->slot[0]);
		fake_host_answer(&host, 0, 2, &late);
	}
	ck_assert_int_eq(call_answered(), kIOReturnSuccess);
	while (host.client_memories == 0 && clock_now() < deadline)
		poll(NULL, 0, 1);
	ck_assert_uint_eq(host.client_memories, 1);
	ck_assert_int_eq(host.client_memory.status, kIOReturnTimeout);
	ck_assert_uint_eq(host.client_memory.slot, 0);
	ck_assert_uint_eq(host.client_memory.generation, 2);
	ck_assert_uint_eq(host.client_memory.file_count, 0);
	if (!withdrawn) {
		ck_assert_uint_ne(last_slot, 0);
		fake_host_answer(&host, 0, 2, &late);
		ck_assert_int_eq(call_answered(), kIOReturnSuccess);
	}
	ck_assert_uint_eq(last_slot, 0);
	ck_assert_uint_eq(last_generation, 3);
	ck_assert_uint_eq(host.client_memories, 1);
	end();
}

START_TEST(a_question_that_comes_late_is_refused)
{
	ask_late(false);
}
END_TEST

START_TEST(a_question_that_was_taken_back_is_refused)
{
	ask_late(true);
}
END_TEST

START_TEST(without_a_timeout_it_waits)
{
	ck_assert_int_eq(dext_connect_set_timeout(MACH_PORT_NULL, TIMEOUT), MACH_SEND_INVALID_DEST);
	begin();
	time_out();
	/* Off again; longer than a century is no bound, either. */
	for (unsigned i = 0; i < 3; i++) {
		const uint64_t never[] = {0, INT64_MAX, UINT64_MAX};

		ck_assert_int_eq(dext_connect_set_timeout(connection, never[i]), kIOReturnSuccess);
		ck_assert_int_eq(
			IOConnectCallScalarMethod(connection, ANSWERED, NULL, 0, NULL, NULL),
			kIOReturnSuccess);
	}
	end();
}
END_TEST

/* What it shares with the app it has filled, and made so that a writer waits. */
START_TEST(a_host_whose_doorbell_is_full_and_blocking)
{
	static const uint64_t rest = UINT64_MAX - 2;

	fake_host_create(&host);
	host.method = answer_some;
	ck_assert_int_eq(write(host.doorbell, &rest, sizeof(rest)), sizeof(rest));
	ck_assert_int_eq(fcntl(host.doorbell, F_SETFL, 0), 0);
	connection = fake_host_open(&host);
	ck_assert_int_eq(dext_connect_set_timeout(connection, TIMEOUT), kIOReturnSuccess);
	time_out();
	ck_assert_int_eq(call_answered(), kIOReturnSuccess);
	end();
}
END_TEST

/* --- a host that does not read its socket --- */

#define ASKED 8u /* the selector that is answered with a question */

static const struct call_reply question = {.flags = CALL_ASKS};

static bool
answer_or_ask(struct fake_host *to, unsigned slot, const struct call_request *request,
	      struct call_reply *reply)
{
	if (request->selector == ASKED) {
		const struct call_question what = {
			.segment_count = 1,
			.segments = {{.address = 4096, .length = 1}},
		};

		memcpy(to->page->data[slot].output, &what, sizeof(what));
		*reply = question;
		atomic_store(&last_slot, slot);
		atomic_store(&last_generation, request->generation);
		return true;
	}
	return answer_some(to, slot, request, reply);
}

static kern_return_t
call_large(void)
{
	static char structure[DEXT_STRUCTURE_INLINE_MAX + 1];

	return IOConnectCallStructMethod(connection, 1, structure, sizeof(structure), NULL, NULL);
}

/* Nothing fits into the app's socket any more. */
static void
begin_with_a_full_socket(uint64_t timeout)
{
	static const int smallest = 1;
	const struct structures_body body = {
		.slot = CALL_PAGE_SLOTS - 1,
		.generation = 1,
		.flags = STRUCTURES_INPUT,
	};
	struct packet_header header = {.type = PACKET_STRUCTURES};
	struct connection *inside;

	fake_host_create(&host);
	host.deaf = true;
	host.method = answer_or_ask;
	ck_assert_int_eq(
		setsockopt(host.app_socket, SOL_SOCKET, SO_SNDBUF, &smallest, sizeof(smallest)), 0);
	connection = fake_host_open(&host);
	inside = object_copy_connection(connection);
	while (packet_send(inside->socket, &header, &body, sizeof(body), &host.page_fd, 1, false) ==
	       kIOReturnSuccess)
		;
	connection_release(inside);
	ck_assert_int_eq(dext_connect_set_timeout(connection, timeout), kIOReturnSuccess);
}

START_TEST(a_large_structure_that_nobody_takes_has_its_time)
{
	uint64_t began;

	begin_with_a_full_socket(TIMEOUT);
	began = clock_now();
	ck_assert_int_eq(call_large(), kIOReturnTimeout);
	ck_assert_uint_ge(clock_now() - began, TIMEOUT);
	ck_assert_uint_lt(clock_now() - began, LATEST);
	/* What needs no packet goes on. */
	ck_assert_int_eq(call_answered(), kIOReturnSuccess);
	end();
}
END_TEST

static void
hear_again(void)
{
	uint64_t deadline = clock_now() + LATEST;

	host.deaf = false;
	/* The host's thread sees it when it is rung. */
	while (host.client_memories == 0 && clock_now() < deadline)
		ck_assert_int_eq(call_answered(), kIOReturnSuccess);
}

START_TEST(an_answer_to_a_question_that_nobody_takes_has_its_time)
{
	static const struct call_reply late;
	unsigned slot;

	begin_with_a_full_socket(TIMEOUT);
	ck_assert_int_eq(IOConnectCallScalarMethod(connection, ASKED, NULL, 0, NULL, NULL),
			 kIOReturnTimeout);
	slot = last_slot;
	ck_assert_int_eq(call_answered(), kIOReturnSuccess);
	ck_assert_uint_ne(last_slot, slot);
	/* It is refused, as one that came late, when there is room. */
	hear_again();
	ck_assert_uint_eq(host.client_memories, 1);
	ck_assert_int_eq(host.client_memory.status, kIOReturnTimeout);
	ck_assert_uint_eq(host.client_memory.slot, slot);
	ck_assert_uint_eq(host.client_memory.file_count, 0);
	fake_host_answer(&host, slot, host.client_memory.generation, &late);
	for (unsigned i = 0; i < CALL_PAGE_SLOTS && last_slot != slot; i++)
		ck_assert_int_eq(call_answered(), kIOReturnSuccess);
	ck_assert_uint_eq(last_slot, slot);
	ck_assert_uint_eq(host.client_memories, 1);
	end();
}
END_TEST

static void *
close_it(void *context)
{
	(void)context;
	ck_assert_int_eq(IOServiceClose(connection), kIOReturnSuccess);
	return NULL;
}

/* Without a deadline it waits for the connection's end at most. */
START_TEST(a_close_ends_a_send_that_waits)
{
	pthread_t thread;

	begin_with_a_full_socket(0);
	ck_assert_int_eq(pthread_create(&thread, NULL, close_it, NULL), 0);
	/* It waits in its send, or comes after the close. */
	ck_assert_int_ne(call_large(), kIOReturnSuccess);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	fake_host_stop(&host);
}
END_TEST

UNIT_MAIN("client_timeout", the_slot_is_used_again_only_after_its_answer,
	  a_page_of_calls_without_answers, a_question_that_comes_late_is_refused,
	  a_question_that_was_taken_back_is_refused, without_a_timeout_it_waits,
	  a_host_whose_doorbell_is_full_and_blocking,
	  a_large_structure_that_nobody_takes_has_its_time,
	  an_answer_to_a_question_that_nobody_takes_has_its_time, a_close_ends_a_send_that_waits)
