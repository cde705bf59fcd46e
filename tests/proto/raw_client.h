/* SPDX-License-Identifier: Apache-2.0 */
/* An app that speaks bytes: one end of a direct connection, with nothing checked or hidden. */
#ifndef TESTS_PROTO_RAW_CLIENT_H
#define TESTS_PROTO_RAW_CLIENT_H

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "call_page.h"
#include "clock.h"
#include "connection.h"
#include "doorbell.h"
#include "memfd.h"
#include "packets.h"

#define RAW_DEADLINE (20 * NSEC_PER_SEC)

struct raw {
	int socket, doorbell, bell;
	IOReturn status; /* of READY */
	struct call_page_client page;
	uint32_t generations[CALL_PAGE_SLOTS];
};

static inline void
raw_wait_readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	ck_assert_int_eq(poll(&poll_fd, 1, (int)(RAW_DEADLINE / NSEC_PER_MSEC)), 1);
}

static inline void
raw_receive(struct raw *raw, struct packet *packet)
{
	raw_wait_readable(raw->socket);
	ck_assert_int_eq(packet_receive(raw->socket, packet, false), kIOReturnSuccess);
	ck_assert_int_eq(packets_check(packet, PACKET_FROM_HOST), kIOReturnSuccess);
}

/* The socket says that the host has hung up. */
static inline void
raw_expect_end(struct raw *raw)
{
	static struct packet packet;
	IOReturn res = kIOReturnSuccess;

	while (res == kIOReturnSuccess) {
		raw_wait_readable(raw->socket);
		res = packet_receive(raw->socket, &packet, false);
		if (res == kIOReturnSuccess)
			packet_close_fds(&packet);
	}
	ck_assert_int_eq(res, kIOReturnOffline);
}

static inline void
raw_open_with(struct raw *raw, IOService *service, uint32_t type, int pidfd)
{
	static struct packet packet;
	struct host_open_body who = {.type = type, .version = PROTOCOL_VERSION, .pid = getpid()};
	int ends[2], page;

	memset(raw, 0, sizeof(*raw));
	raw->doorbell = raw->bell = -1;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	raw->socket = ends[0];
	connection_open_take(fixture.loop, service, ends[1], pidfd, &who);
	raw_receive(raw, &packet);
	ck_assert_int_eq(packet.header->type, PACKET_READY);
	raw->status = packet.header->status;
	if (raw->status != kIOReturnSuccess)
		return;
	page = packet_take_fd(&packet, 0);
	raw->doorbell = packet_take_fd(&packet, 1);
	raw->bell = packet_take_fd(&packet, 2);
	raw->page.page =
		mmap(NULL, sizeof(struct call_page), PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
	ck_assert_ptr_ne(raw->page.page, MAP_FAILED);
	close(page);
	ck_assert(call_page_is_valid(raw->page.page));
}

static inline void
raw_open(struct raw *raw)
{
	raw_open_with(raw, fixture.root, 0, -1);
	ck_assert_int_eq(raw->status, kIOReturnSuccess);
}

static inline void
raw_free(struct raw *raw)
{
	fd_close(&raw->socket);
	fd_close(&raw->doorbell);
	fd_close(&raw->bell);
	if (raw->page.page != NULL)
		munmap(raw->page.page, sizeof(struct call_page));
}

/* As PROTOCOL.md says: shutdown, then the host's hang-up. */
static inline void
raw_close(struct raw *raw)
{
	ck_assert_int_eq(shutdown(raw->socket, SHUT_WR), 0);
	raw_expect_end(raw);
	raw_free(raw);
}

/* The slot's request, with its next generation. */
static inline struct call_request *
raw_request(struct raw *raw, unsigned slot, uint16_t operation, uint64_t selector)
{
	struct call_request *request = &raw->page.page->slot[slot].request;

	memset(request, 0, sizeof(*request));
	request->generation = ++raw->generations[slot];
	request->operation = operation;
	request->selector = selector;
	return request;
}

static inline void
raw_submit(struct raw *raw, unsigned slot)
{
	if (call_page_submit(&raw->page, slot))
		doorbell_ring(raw->doorbell);
}

static inline struct call_reply *
raw_wait(struct raw *raw, unsigned slot)
{
	if (!call_page_spin(&raw->page, slot, raw->generations[slot]) &&
	    call_page_is_left(&raw->page, slot))
		doorbell_ring(raw->doorbell);
	ck_assert_msg(call_page_wait(&raw->page, slot, raw->generations[slot],
				     clock_now() + RAW_DEADLINE),
		      "slot %u was not answered", slot);
	return &raw->page.page->slot[slot].reply;
}

static inline struct call_reply *
raw_call(struct raw *raw, unsigned slot)
{
	raw_submit(raw, slot);
	return raw_wait(raw, slot);
}

/* TEST_ECHO with one scalar, from slot 0. */
static inline void
raw_echo(struct raw *raw, uint64_t value)
{
	struct call_request *request = raw_request(raw, 0, CALL_METHOD, TEST_ECHO);
	struct call_reply *reply;

	request->scalar_in_count = 1;
	request->scalar_out_count = 1;
	request->scalars[0] = value;
	reply = raw_call(raw, 0);
	ck_assert_int_eq(reply->status, kIOReturnSuccess);
	ck_assert_uint_eq(reply->scalar_out_count, 1);
	ck_assert_uint_eq(reply->scalars[0], value + 1);
}

/* A memfd of the app, sealed against shrinking, filled with `byte`. */
static inline int
raw_memory(size_t length, int byte, uint8_t **ret_address)
{
	void *address = NULL;
	int fd = -1;

	ck_assert_int_eq(memfd_create_sealed("raw", length, &fd), kIOReturnSuccess);
	address = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(address, MAP_FAILED);
	memset(address, byte, length);
	*ret_address = address;
	return fd;
}

static inline IOReturn
raw_send(struct raw *raw, uint16_t type, uint32_t sequence, const void *body, size_t length,
	 const int *fds, unsigned count)
{
	struct packet_header header = {.type = type, .sequence = sequence};

	return packet_send(raw->socket, &header, body, length, fds, count, true);
}

/* STRUCTURES for the slot's request, whose generation is set. */
static inline void
raw_structures(struct raw *raw, unsigned slot, int input, int output)
{
	struct structures_body body = {
		.slot = slot,
		.generation = raw->generations[slot],
		.flags =
			(input >= 0 ? STRUCTURES_INPUT : 0) | (output >= 0 ? STRUCTURES_OUTPUT : 0),
	};
	int fds[2];
	unsigned count = 0;

	if (input >= 0)
		fds[count++] = input;
	if (output >= 0)
		fds[count++] = output;
	ck_assert_int_eq(raw_send(raw, PACKET_STRUCTURES, 1, &body, sizeof(body), fds, count), 0);
}

static inline void
raw_ack(struct raw *raw, uint32_t sequence)
{
	ck_assert_int_eq(raw_send(raw, PACKET_ACK, sequence, NULL, 0, NULL, 0), 0);
}

/* The next entry of the completion ring. */
static inline void
raw_completion(struct raw *raw, struct completion *ret_entry)
{
	uint64_t deadline = clock_now() + RAW_DEADLINE;
	bool ring = false;
	IOReturn res;

	while ((res = completion_ring_pop(&raw->page, ret_entry, &ring)) == kIOReturnUnderrun) {
		ck_assert_uint_lt(clock_now(), deadline);
		bell_pipe_drain(raw->bell);
		if (completion_ring_arm(&raw->page))
			raw_wait_readable(raw->bell);
	}
	ck_assert_int_eq(res, kIOReturnSuccess);
	if (ring)
		doorbell_ring(raw->doorbell);
}

/* The host is not to be rung: a thread of it looks at the page by itself, or has left it so. */
static inline bool
raw_is_unarmed(const struct raw *raw)
{
	return atomic_load(&raw->page.page->armed.flag) == 0;
}

#endif
