/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structures that do not fit into the call page travel as memory of the app: what it has to be, and
 * how much of it there may be.
 */
#include "unit.h"

#include <signal.h>
#include <sys/resource.h>

#include "closing.h"
#include "driver_fixture.h"
#include "lingering.h"
#include "raw_calls.h"
#include "raw_client.h"
#include "said.h"

START_TEST(large_structures)
{
	uint8_t *in, *out;
	int in_fd = raw_memory(5000, 3, &in), out_fd = raw_memory(8192, 0, &out);
	struct call_reply *reply;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	raw_large(&raw, 5, 4097, 8192, false);
	raw_structures(&raw, 5, in_fd, out_fd);
	reply = raw_call(&raw, 5);
	ck_assert_int_eq(reply->status, kIOReturnSuccess);
	ck_assert_uint_eq(reply->scalars[0], 3 * 4097);
	ck_assert_uint_eq(reply->structure_out_size, 8192);
	ck_assert_uint_eq(reply->flags, 0);
	ck_assert_uint_eq(out[0], 0x5a);
	ck_assert_uint_eq(out[8191], 0x5a);

	raw_large(&raw, 5, 4097, 8192, true);
	raw_structures(&raw, 5, in_fd, out_fd);
	ck_assert_uint_eq(raw_call(&raw, 5)->flags, CALL_KEPT_INPUT | CALL_KEPT_OUTPUT);
	raw_close(&raw);
	fixture_end();
	close(in_fd);
	close(out_fd);
}
END_TEST

START_TEST(memory_that_cannot_be_trusted_fails_the_call_only)
{
	int fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint8_t *bytes;
	int small = raw_memory(page_size(), 0, &bytes);
	struct raw raw;

	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	fixture_start();
	raw_open(&raw);
	raw_large(&raw, 0, page_size() + 1, 0, false);
	raw_structures(&raw, 0, fd, -1);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnBadArgument);
	raw_large(&raw, 0, page_size() + 1, 0, false);
	raw_structures(&raw, 0, small, -1);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnBadArgument);
	raw_echo(&raw, 1);
	raw_close(&raw);
	fixture_end();
	close(fd);
	close(small);
}
END_TEST

START_TEST(structures_that_do_not_get_through_fail_the_call_only)
{
	uint8_t *bytes;
	int fd = raw_memory(8192, 1, &bytes), highest;
	struct rlimit before, none_left;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	raw_echo(&raw, 1);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none_left = before;
	highest = dup(fd);
	close(highest);
	none_left.rlim_cur = (rlim_t)highest;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none_left), 0);
	raw_large(&raw, 0, 5000, 5000, false);
	raw_structures(&raw, 0, fd, fd);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnNoResources);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	raw_large(&raw, 0, 5000, 0, false);
	raw_structures(&raw, 0, fd, -1);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnSuccess);
	ck_assert_uint_eq(raw.page.page->slot[0].reply.scalars[0], 5000);
	raw_close(&raw);
	fixture_end();
	close(fd);
}
END_TEST

/* One past it: break_variable_size. */
START_TEST(room_for_an_output_of_any_size_up_to_the_limit)
{
	struct call_request *request;
	struct call_reply *reply;
	struct raw raw;
	int fd = -1;

	fixture_start();
	raw_open(&raw);
	ck_assert_int_eq(memfd_create_sealed("out", DEXT_STRUCTURE_VARIABLE_MAX, &fd), 0);
	request = raw_large(&raw, 0, 0, DEXT_STRUCTURE_VARIABLE_MAX, false);
	request->flags |= CALL_VARIABLE_OUTPUT;
	request->selector = TEST_STRUCTURE;
	request->structure_in_size = 5;
	memcpy(raw.page.page->data[0].input, "short", 5);
	raw_structures(&raw, 0, -1, fd);
	reply = raw_call(&raw, 0);
	ck_assert_int_eq(reply->status, kIOReturnSuccess);
	ck_assert_uint_eq(reply->structure_out_size, 5);
	ck_assert_mem_eq(raw.page.page->data[0].output, "short", 5);
	raw_close(&raw);
	fixture_end();
	close(fd);
}
END_TEST

START_TEST(memory_of_an_app_is_limited_in_sum)
{
	struct raw raw, other;

	fixture_start();
	raw_open(&raw);
	/* At the limit, and past it with what is kept. */
	ck_assert_int_eq(raw_sparse(&raw, TEST_HOLD, DEXT_LIMIT_PEER_BYTES - 8192, 8192),
			 kIOReturnSuccess);
	said_listen();
	ck_assert_int_eq(raw_sparse(&raw, TEST_LARGE, 4097, 0), kIOReturnNoResources);
	said_expect("DEXT_LIMIT_PEER_BYTES (DextLimitPeerBytes: 2147483648)");
	ck_assert_int_eq(raw_sparse(&raw, TEST_LARGE, 0, 4097), kIOReturnNoResources);
	raw_let_go(&raw);
	ck_assert_int_eq(raw_sparse(&raw, TEST_LARGE, 4097, 4097), kIOReturnSuccess);
	/* One past it in one call; what was refused counts no more. */
	ck_assert_int_eq(raw_sparse(&raw, TEST_HOLD, DEXT_LIMIT_PEER_BYTES - 8192, 8193),
			 kIOReturnNoResources);
	ck_assert_int_eq(raw_sparse(&raw, TEST_HOLD, DEXT_LIMIT_PEER_BYTES + 1, 0),
			 kIOReturnNoResources);
	ck_assert_int_eq(raw_sparse(&raw, TEST_HOLD, UINT64_MAX, 0), kIOReturnNoResources);
	ck_assert_int_eq(raw_sparse(&raw, TEST_HOLD, DEXT_LIMIT_PEER_BYTES, 0), kIOReturnSuccess);
	/* It is the limit of one client. */
	raw_close(&raw);
	raw_open(&raw);
	ck_assert_int_eq(raw_sparse(&raw, TEST_HOLD, DEXT_LIMIT_PEER_BYTES, 0), kIOReturnSuccess);
	raw_open(&other);
	ck_assert_int_eq(raw_sparse(&other, TEST_LARGE, 4097, 0), kIOReturnSuccess);
	raw_close(&other);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(memory_of_calls_under_way_counts)
{
	struct raw raw;
	int fd = -1;

	fixture_start();
	raw_open(&raw);
	ck_assert_int_eq(memfd_create_sealed("in", DEXT_LIMIT_PEER_BYTES, &fd), 0);
	for (unsigned slot = 0; slot < 2; slot++) {
		raw_large(&raw, slot, slot == 0 ? DEXT_LIMIT_PEER_BYTES : 4097, 0, false)
			->selector = slot == 0 ? TEST_BLOCK : TEST_HOLD;
		raw_structures(&raw, slot, fd, -1);
	}
	call_page_submit(&raw.page, 0);
	call_page_submit(&raw.page, 1);
	doorbell_ring(raw.doorbell);
	meter_wait(&fixture.entered, 1);
	meter_raise(&fixture.go);
	ck_assert_int_eq(raw_wait(&raw, 0)->status, kIOReturnSuccess);
	ck_assert_int_eq(raw_wait(&raw, 1)->status, kIOReturnNoResources);
	raw_close(&raw);
	fixture_end();
	close(fd);
}
END_TEST

START_TEST(memory_that_is_only_mapped_counts)
{
	uint64_t size = DEXT_LIMIT_PEER_BYTES / 2 + 1;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	ck_assert_int_eq(raw_sparse(&raw, TEST_HOLD_MAPPED, size, 0), kIOReturnSuccess);
	ck_assert_int_eq(raw_sparse(&raw, TEST_HOLD, size, 0), kIOReturnNoResources);
	raw_let_go(&raw);
	ck_assert_int_eq(raw_sparse(&raw, TEST_HOLD, size, 0), kIOReturnSuccess);
	raw_close(&raw);
	fixture_end();
}
END_TEST

/* With the last file that its user may have waiting it is ended when it sends something. */
START_TEST(files_of_a_user_that_wait_to_be_closed_are_limited)
{
	int peers[DEXT_LIMIT_CLOSING_USER], fd;
	struct raw raw;

	fixture_start();
	listen_somewhere();
	closing_begin();
	signal(SIGURG, SIG_IGN); /* which would end their closes */
	raw_open(&raw);
	for (unsigned i = 0; i < DEXT_LIMIT_CLOSING_USER; i++) {
		ck_assert_int_eq(raw_sparse(&raw, TEST_LARGE, 4097, 0), kIOReturnSuccess);
		fd = lingering(&peers[i]);
		fd_close_foreign(&fd, 0);
	}
	said_listen();
	raw_ack(&raw, 1);
	raw_expect_end(&raw);
	said_expect("DEXT_LIMIT_CLOSING_USER");
	raw_free(&raw);
	for (unsigned i = 0; i < DEXT_LIMIT_CLOSING_USER; i++)
		close(peers[i]);
	fixture_end();
}
END_TEST

UNIT_MAIN("host structures", large_structures, memory_that_cannot_be_trusted_fails_the_call_only,
	  structures_that_do_not_get_through_fail_the_call_only,
	  room_for_an_output_of_any_size_up_to_the_limit, memory_of_an_app_is_limited_in_sum,
	  memory_of_calls_under_way_counts, memory_that_is_only_mapped_counts,
	  files_of_a_user_that_wait_to_be_closed_are_limited)
