/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversation of a client of the protocol's version 1, as bytes and places that were recorded
 * once: nothing here comes from the structures of this source, so a change to them that an older
 * client would notice fails. If one of these numbers has to change, so has PROTOCOL_VERSION.
 *
 * Only the selectors are of the test's driver, and may change.
 */
#include "unit.h"

#include <sched.h>
#include <unistd.h>

#include "driver_fixture.h"
#include "raw_client.h"

enum {
	AT_SUBMITTED = 128,
	AT_ARMED = 256,
	AT_TAIL = 1024,
	AT_HEAD = 1152,
	AT_SLOTS = 4096,
	AT_RING = 36864,
	AT_DATA = 233472,
	PAGE_LENGTH = 757760,
	SLOT_LENGTH = 512,
	ENTRY_LENGTH = 192,
};

static int sock, doorbell;
static uint8_t *page;
static uint32_t generation;

static uint32_t
get32(size_t at)
{
	return __atomic_load_n((uint32_t *)(void *)(page + at), __ATOMIC_SEQ_CST);
}

static uint64_t
get64(size_t at)
{
	return __atomic_load_n((uint64_t *)(void *)(page + at), __ATOMIC_SEQ_CST);
}

static void
put(size_t at, uint64_t value, size_t size)
{
	memcpy(page + at, &value, size);
}

static size_t
receive_bytes(uint8_t *bytes, size_t room, int *fds, size_t *ret_count)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 4)];
	struct iovec part = {.iov_base = bytes, .iov_len = room};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *rights;
	ssize_t got;

	raw_wait_readable(sock);
	got = recvmsg(sock, &message, 0);
	ck_assert_int_gt(got, 0);
	rights = CMSG_FIRSTHDR(&message);
	*ret_count = rights == NULL ? 0 : (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(rights), *ret_count * sizeof(int));
	return (size_t)got;
}

/* READY: 32 bytes, and three descriptors. */
static void
open_as_then(void)
{
	static const uint8_t ready[32] = {
		0x20, 0, 0, 0, 0x01, 0x01, 3, 0, 0, 0,	  0,	0, 0, 0, 0, 0,
		1,    0, 0, 0, 0,    0,	   0, 0, 0, 0x90, 0x0b, 0, 0, 0, 0, 0,
	};
	struct host_open_body who = {.version = 1, .pid = getpid()};
	uint8_t bytes[64];
	int ends[2], fds[4];
	size_t count;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	sock = ends[0];
	connection_open_take(fixture.loop, fixture.root, ends[1], -1, &who);
	ck_assert_uint_eq(receive_bytes(bytes, sizeof(bytes), fds, &count), sizeof(ready));
	ck_assert_uint_eq(count, 3);
	memset(bytes + 8, 0, 4); /* its sequence */
	ck_assert_mem_eq(bytes, ready, sizeof(ready));
	page = mmap(NULL, PAGE_LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	ck_assert_ptr_ne(page, MAP_FAILED);
	/* Magic, version, slots, entries of the ring. */
	ck_assert_mem_eq(page, "OPENEXT\0\1\0\0\0\x40\0\0\0\0\4\0\0\0\0\0\0", 24);
	close(fds[0]);
	doorbell = fds[1];
	close(fds[2]);
}

static void
close_as_then(void)
{
	uint8_t byte;

	ck_assert_int_eq(shutdown(sock, SHUT_WR), 0);
	raw_wait_readable(sock);
	ck_assert_int_eq(recv(sock, &byte, 1, 0), 0);
	close(sock);
	close(doorbell);
	munmap(page, PAGE_LENGTH);
}

static size_t
request(unsigned slot, uint16_t operation, uint16_t flags, uint64_t selector)
{
	size_t at = AT_SLOTS + (size_t)slot * SLOT_LENGTH;

	memset(page + at, 0, 192);
	put(at, ++generation, 4);
	put(at + 4, operation, 2);
	put(at + 6, flags, 2);
	put(at + 8, selector, 8);
	return at;
}

/* Submits and waits; the place of the reply. */
static size_t
answered(unsigned slot)
{
	static const uint64_t one = 1;
	size_t reply = AT_SLOTS + (size_t)slot * SLOT_LENGTH + 256;
	uint64_t deadline = clock_now() + RAW_DEADLINE;

	__atomic_fetch_xor((uint64_t *)(void *)(page + AT_SUBMITTED), UINT64_C(1) << slot,
			   __ATOMIC_SEQ_CST);
	if (get64(AT_ARMED) != 0)
		ck_assert_int_eq(write(doorbell, &one, sizeof(one)), sizeof(one));
	while ((get32(reply) & 0x7fffffff) != generation) {
		ck_assert_uint_lt(clock_now(), deadline);
		/* One that is awake may have left the call: an old client rang then, too. */
		ck_assert_int_eq(write(doorbell, &one, sizeof(one)), sizeof(one));
		sched_yield();
	}
	return reply;
}

START_TEST(a_call)
{
	size_t at, reply;

	fixture_start();
	open_as_then();
	at = request(5, 1, 0, TEST_ECHO);
	put(at + 16, 2, 4); /* scalars in */
	put(at + 20, 2, 4); /* room for scalars */
	put(at + 64, 40, 8);
	put(at + 72, 41, 8);
	reply = answered(5);
	ck_assert_int_eq((int32_t)get32(reply + 4), 0); /* status */
	ck_assert_uint_eq(get32(reply + 8), 2);
	ck_assert_uint_eq(get64(reply + 64), 41);
	ck_assert_uint_eq(get64(reply + 72), 42);
	close_as_then();
	fixture_end();
}
END_TEST

START_TEST(a_structure_in_the_page)
{
	size_t at, reply, data = AT_DATA + 3 * 8192;

	fixture_start();
	open_as_then();
	at = request(3, 1, 0, TEST_STRUCTURE);
	put(at + 24, 7, 8);    /* its size */
	put(at + 32, 4096, 8); /* room for the other */
	memcpy(page + data, "as then", 7);
	reply = answered(3);
	ck_assert_int_eq((int32_t)get32(reply + 4), 0);
	ck_assert_uint_eq(get64(reply + 16), 7);
	ck_assert_mem_eq(page + data + 4096, "as then", 7);
	close_as_then();
	fixture_end();
}
END_TEST

/* MEMORY, which is acknowledged with the sequence that it had. */
START_TEST(a_mapping)
{
	uint8_t bytes[64], ack[16] = {16, 0, 0, 0, 0x82, 0x01};
	size_t count, at, reply;
	int fds[4];

	fixture_start();
	open_as_then();
	at = request(2, 2, 0, 5);
	put(at + 16, 1, 4);
	put(at + 64, 1, 8); /* anywhere */
	reply = answered(2);
	ck_assert_int_eq((int32_t)get32(reply + 4), 0);
	ck_assert_uint_eq(get64(reply + 24), 6); /* bytes of the driver's type 5 */
	ck_assert_uint_eq(get32(reply + 32), 0); /* not read-only */
	ck_assert_uint_eq(receive_bytes(bytes, sizeof(bytes), fds, &count), 48);
	ck_assert_uint_eq(count, 1);
	ck_assert_mem_eq(bytes, "\x30\0\0\0\2\1\1\0", 8);
	/* Slot, generation, segments, 0; offset, length. */
	ck_assert_mem_eq(bytes + 16, "\2\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0", 16);
	ck_assert_mem_eq(bytes + 32, "\0\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0", 16);
	memcpy(ack + 8, bytes + 8, 4);
	ck_assert_int_eq(send(sock, ack, sizeof(ack), 0), sizeof(ack));
	close(fds[0]);
	request(2, 3, 0, 5);
	ck_assert_int_eq((int32_t)get32(answered(2) + 4), 0);
	close_as_then();
	fixture_end();
}
END_TEST

START_TEST(completions)
{
	size_t at;

	fixture_start();
	open_as_then();
	at = request(0, 1, 1, TEST_KEEP); /* asynchronous */
	put(at + 40, 1023, 4);
	put(at + 44, 6, 4);
	ck_assert_int_eq((int32_t)get32(answered(0) + 4), 0);
	at = request(0, 1, 0, TEST_COMPLETE);
	put(at + 16, 2, 4);
	put(at + 64, 2, 8);   /* times */
	put(at + 72, 900, 8); /* first */
	ck_assert_int_eq((int32_t)get32(answered(0) + 4), 0);
	while (get32(AT_TAIL) < 2)
		sched_yield();
	for (unsigned i = 0; i < 2; i++) {
		size_t entry = AT_RING + (size_t)i * ENTRY_LENGTH;

		ck_assert_uint_eq(get32(entry), 1);	   /* a completion */
		ck_assert_uint_eq(get32(entry + 4), 1023); /* whose */
		ck_assert_uint_eq(get32(entry + 8), 6);
		ck_assert_int_eq((int32_t)get32(entry + 12), 0);
		ck_assert_uint_eq(get32(entry + 16), 1);
		ck_assert_uint_eq(get64(entry + 24), 900 + i);
	}
	__atomic_store_n((uint32_t *)(void *)(page + AT_HEAD), 2, __ATOMIC_SEQ_CST);
	close_as_then();
	fixture_end();
}
END_TEST

UNIT_MAIN("older_client", a_call, a_structure_in_the_page, a_mapping, completions)
