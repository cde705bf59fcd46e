/* SPDX-License-Identifier: Apache-2.0 */
/* PROTOCOL.md 2.2, "Questions": the host asks an app that speaks bytes. */
#include "unit.h"

#include "driver_fixture.h"
#include "patience.h"
#include "raw_client.h"
#include "said.h"

#define ADDRESS 0x12345u
#define LENGTH	5000u

/* Submits a call whose method asks. */
static const struct call_reply *
ask(struct raw *raw, unsigned slot, uint64_t options)
{
	struct call_request *request = raw_request(raw, slot, CALL_METHOD, TEST_ASK);

	request->scalar_in_count = 3;
	request->scalars[0] = options;
	request->scalars[1] = ADDRESS;
	request->scalars[2] = LENGTH;
	return raw_call(raw, slot);
}

/* The same, and copies the question. */
static struct call_question
be_asked(struct raw *raw, unsigned slot, uint64_t options)
{
	const struct call_reply *reply = ask(raw, slot, options);
	struct call_question question;

	ck_assert_uint_eq(reply->flags, CALL_ASKS);
	ck_assert_int_eq(reply->status, kIOReturnSuccess);
	memcpy(&question, raw->page.page->data[slot].output, sizeof(question));
	ck_assert_uint_eq(question.segment_count, 1);
	ck_assert_uint_eq(question.segments[0].address, ADDRESS);
	ck_assert_uint_eq(question.segments[0].length, LENGTH);
	raw->generations[slot]++;
	return question;
}

static void
answer(struct raw *raw, unsigned slot, IOReturn status, int fd, uint64_t offset, uint64_t length)
{
	struct {
		struct client_memory_body body;
		struct memory_segment_body segment;
	} message = {
		.body = {slot, raw->generations[slot], status, fd >= 0},
		.segment = {offset, length},
	};

	ck_assert_int_eq(raw_send(raw, PACKET_CLIENT_MEMORY, 0, &message,
				  fd >= 0 ? sizeof(message) : sizeof(message.body), &fd, fd >= 0),
			 0);
}

START_TEST(a_question_is_answered_with_memory)
{
	uint8_t *bytes;
	int fd = raw_memory(8192, 7, &bytes);
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	ck_assert_uint_eq(be_asked(&raw, 3, kIOMemoryDirectionOut).flags, 0);
	answer(&raw, 3, kIOReturnSuccess, fd, 17, LENGTH);
	ck_assert_int_eq(raw_wait(&raw, 3)->status, kIOReturnSuccess);
	ck_assert_uint_eq(raw_wait(&raw, 3)->flags, 0);
	/* And again in that slot, and the memory itself. */
	ck_assert_uint_eq(be_asked(&raw, 3, kIOMemoryDisableCopyOnWrite).flags, QUESTION_SHARED);
	answer(&raw, 3, kIOReturnSuccess, fd, 0, LENGTH);
	ck_assert_int_eq(raw_wait(&raw, 3)->status, kIOReturnSuccess);
	raw_echo(&raw, 1);
	raw_close(&raw);
	fixture_end();
	close(fd);
}
END_TEST

START_TEST(what_the_app_refuses_the_driver_hears)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	be_asked(&raw, 0, 0);
	answer(&raw, 0, kIOReturnNotPermitted, -1, 0, 0);
	ck_assert_int_eq(raw_wait(&raw, 0)->status, kIOReturnNotPermitted);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(files_that_cannot_be_trusted_fail_the_call_only)
{
	int unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING), small;
	uint8_t *bytes;
	struct raw raw;

	small = raw_memory(page_size(), 0, &bytes);
	ck_assert_int_eq(ftruncate(unsealed, 8192), 0);
	fixture_start();
	raw_open(&raw);
	be_asked(&raw, 0, 0);
	answer(&raw, 0, kIOReturnSuccess, unsealed, 0, LENGTH);
	ck_assert_int_eq(raw_wait(&raw, 0)->status, kIOReturnBadArgument);
	be_asked(&raw, 0, 0);
	answer(&raw, 0, kIOReturnSuccess, small, page_size() - 1, LENGTH);
	ck_assert_int_eq(raw_wait(&raw, 0)->status, kIOReturnBadArgument);
	raw_close(&raw);
	fixture_end();
	close(unsealed);
	close(small);
}
END_TEST

/* The other app has its turn while this one is silent, and this one its own when it speaks again.
 */
START_TEST(an_app_that_does_not_answer)
{
	uint8_t *bytes;
	int fd = raw_memory(8192, 7, &bytes);
	const struct call_reply *reply;
	struct raw raw, other;
	uint32_t late;

	fixture_start();
	raw_open(&raw);
	raw_open(&other);
	be_asked(&raw, 0, 0);
	late = raw.generations[0];
	raw_echo(&other, 5);
	ck_assert_int_eq(raw_wait(&raw, 0)->status, kIOReturnTimeout);
	/* Nothing is asked before the first question has its answer. */
	raw_request(&raw, 1, CALL_METHOD, TEST_ASK)->scalar_in_count = 3;
	raw.page.page->slot[1].request.scalars[2] = LENGTH;
	ck_assert_int_eq(raw_call(&raw, 1)->status, kIOReturnTimeout);
	ck_assert_uint_eq(raw_wait(&raw, 1)->flags, 0);
	raw.generations[0] = late;
	answer(&raw, 0, kIOReturnSuccess, fd, 0, LENGTH);
	raw_echo(&raw, 5);
	/* By the page a call may come before the answer, which comes by the socket. */
	while ((reply = ask(&raw, 1, 0))->flags == 0)
		ck_assert_int_eq(reply->status, kIOReturnTimeout);
	ck_assert_uint_eq(reply->flags, CALL_ASKS);
	raw.generations[1]++;
	answer(&raw, 1, kIOReturnSuccess, fd, 0, LENGTH);
	ck_assert_int_eq(raw_wait(&raw, 1)->status, kIOReturnSuccess);
	raw_close(&raw);
	raw_close(&other);
	fixture_end();
	close(fd);
}
END_TEST

/* With a new connection each time it would hold the driver up for ever. */
/* A call whose method asks in vain; whether the app was asked. */
static bool
is_asked(struct raw *raw)
{
	const struct call_reply *reply = &raw->page.page->slot[0].reply;
	bool asked;

	raw_request(raw, 0, CALL_METHOD, TEST_ASK)->scalar_in_count = 3;
	raw->page.page->slot[0].request.scalars[2] = LENGTH;
	raw_submit(raw, 0);
	while (!call_page_wait(&raw->page, 0, raw->generations[0], clock_now() + NSEC_PER_SEC))
		;
	asked = reply->flags == CALL_ASKS;
	if (asked) {
		raw->generations[0]++;
		raw_wait(raw, 0);
	}
	ck_assert_int_eq(reply->status, kIOReturnTimeout);
	return asked;
}

START_TEST(apps_that_do_not_answer_are_not_asked_any_more)
{
	const unsigned most = DEXT_LIMIT_VAIN_WAIT_MSEC / 1000;
	static struct raw raw[DEXT_LIMIT_VAIN_WAIT_MSEC / 1000 + 2];
	uint64_t began;

	fixture_start();
	for (unsigned i = 0; i < most; i++) {
		raw_open(&raw[i]);
		be_asked(&raw[i], 0, 0);
		ck_assert_int_eq(raw_wait(&raw[i], 0)->status, kIOReturnTimeout);
	}
	/* What has come back meanwhile is a part of a second. */
	began = clock_now();
	for (unsigned i = most; i < most + 2; i++) {
		raw_open(&raw[i]);
		is_asked(&raw[i]);
	}
	ck_assert_uint_lt(clock_now() - began, 2 * NSEC_PER_SEC);
	/* What has come back is spent, however long this process was held up. */
	said_listen();
	do
		patience_spend(0, DEXT_LIMIT_VAIN_WAIT_MSEC * NSEC_PER_MSEC, clock_now());
	while (is_asked(&raw[most]));
	said_expect("DEXT_LIMIT_VAIN_WAIT_MSEC");
	/* Other calls are served all the time. */
	raw_echo(&raw[0], 5);
	for (unsigned i = 0; i < most + 2; i++)
		raw_close(&raw[i]);
	fixture_end();
}
END_TEST

START_TEST(an_app_that_goes_while_it_is_asked)
{
	struct raw raw, other;

	fixture_start();
	raw_open(&raw);
	raw_open(&other);
	be_asked(&raw, 0, 0);
	raw_free(&raw);
	raw_echo(&other, 1);
	raw_close(&other);
	fixture_end();
}
END_TEST

START_TEST(outside_of_a_method_nobody_can_be_asked)
{
	IOMemoryDescriptor *memory = NULL;
	const IOAddressSegment segment = {ADDRESS, LENGTH};

	fixture_start();
	ck_assert_int_eq(IOUserClient_CreateMemoryDescriptorFromClient((IOUserClient *)fixture.root,
								       0, 1, &segment, &memory),
			 kIOReturnNotReady);
	ck_assert_ptr_null(memory);
	fixture_end();
}
END_TEST

static void
no_question(struct raw *raw, int fd)
{
	raw->generations[0]++;
	answer(raw, 0, kIOReturnSuccess, fd, 0, LENGTH);
}

static void
wrong_generation(struct raw *raw, int fd)
{
	be_asked(raw, 0, 0);
	raw->generations[0]++;
	answer(raw, 0, kIOReturnSuccess, fd, 0, LENGTH);
}

static void
wrong_length(struct raw *raw, int fd)
{
	be_asked(raw, 0, 0);
	answer(raw, 0, kIOReturnSuccess, fd, 0, LENGTH + 1);
}

static void
answered_twice(struct raw *raw, int fd)
{
	be_asked(raw, 0, 0);
	answer(raw, 0, kIOReturnSuccess, fd, 0, LENGTH);
	answer(raw, 0, kIOReturnSuccess, fd, 0, LENGTH);
}

START_TEST(broken_rules_end_the_connection)
{
	static void (*const breaks[])(struct raw * raw, int fd) = {
		no_question,
		wrong_generation,
		wrong_length,
		answered_twice,
	};
	uint8_t *bytes;
	int fd = raw_memory(8192, 7, &bytes);

	fixture_start();
	for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
		struct raw raw;

		raw_open(&raw);
		breaks[i](&raw, fd);
		raw_expect_end(&raw);
		raw_free(&raw);
	}
	fixture_end();
	close(fd);
}
END_TEST

UNIT_MAIN("host questions", a_question_is_answered_with_memory,
	  what_the_app_refuses_the_driver_hears, files_that_cannot_be_trusted_fail_the_call_only,
	  an_app_that_does_not_answer, apps_that_do_not_answer_are_not_asked_any_more,
	  an_app_that_goes_while_it_is_asked, outside_of_a_method_nobody_can_be_asked,
	  broken_rules_end_the_connection)
