/* SPDX-License-Identifier: Apache-2.0 */
/* The fake host: one thread that waits for the doorbell, the socket and its end. */
#include "fake_host.h"

#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection_private.h"
#include "doorbell.h"
#include "memfd.h"
#include "object_table.h"

#define SERVICE_ID 0x5eb1ceu

void
fake_host_create(struct fake_host *host)
{
	int ends[2];

	memset(host, 0, sizeof(*host));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	host->socket = ends[0];
	host->app_socket = ends[1];
	ck_assert_int_eq(memfd_create_sealed("call page", sizeof(*host->page), &host->page_fd), 0);
	ck_assert_int_eq(doorbell_create(&host->doorbell), 0);
	ck_assert_int_eq(bell_pipe_create(&host->bell_read, &host->bell_write), 0);
	host->stop = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_ge(host->stop, 0);
	host->page = mmap(NULL, sizeof(*host->page), PROT_READ | PROT_WRITE, MAP_SHARED,
			  host->page_fd, 0);
	ck_assert_ptr_ne(host->page, MAP_FAILED);
	call_page_init(&host->host, host->page);
	for (unsigned i = 0; i < CALL_PAGE_SLOTS; i++)
		host->structure_fds[i][0] = host->structure_fds[i][1] = -1;
}

void
fake_host_ready_parts(struct fake_host *host, struct packet_header *header, struct ready_body *body,
		      int fds[3])
{
	*header = (struct packet_header){.type = PACKET_READY};
	*body = (struct ready_body){
		.version = PROTOCOL_VERSION,
		.page_length = sizeof(struct call_page),
	};
	fds[0] = host->page_fd;
	fds[1] = host->doorbell;
	fds[2] = host->bell_read;
}

void
fake_host_send(struct fake_host *host, struct packet_header *header, const void *body,
	       size_t length, const int *fds, unsigned fd_count)
{
	packet_send(host->socket, header, body, length, fds, fd_count, true);
}

io_connect_t
fake_host_accept(struct fake_host *host, IOReturn *ret_status)
{
	struct connection *connection;
	io_connect_t name = 0;

	*ret_status = connection_open_take(host->app_socket, SERVICE_ID, &connection);
	host->app_socket = -1;
	if (*ret_status == kIOReturnSuccess)
		ck_assert_int_eq(object_add_connection_take(connection, &name), 0);
	return name;
}

io_connect_t
fake_host_open(struct fake_host *host)
{
	struct packet_header header;
	struct ready_body body;
	IOReturn status;
	io_connect_t name;
	int fds[3];

	fake_host_ready_parts(host, &header, &body, fds);
	fake_host_send(host, &header, &body, sizeof(body), fds, 3);
	fd_close(&host->bell_read);
	fake_host_start(host);
	name = fake_host_accept(host, &status);
	ck_assert_int_eq(status, kIOReturnSuccess);
	return name;
}

void
fake_host_answer(struct fake_host *host, unsigned slot, uint32_t generation,
		 const struct call_reply *reply)
{
	struct call_reply *to = &host->page->slot[slot].reply;

	to->status = reply->status;
	to->scalar_out_count = reply->scalar_out_count;
	to->flags = reply->flags;
	to->structure_out_size = reply->structure_out_size;
	to->map_length = reply->map_length;
	to->map_read_only = reply->map_read_only;
	to->zero0 = reply->zero0;
	memcpy(to->zero, reply->zero, sizeof(to->zero));
	memcpy(to->scalars, reply->scalars, sizeof(to->scalars));
	atomic_fetch_add(&host->answered, 1);
	call_slot_answer(&host->page->slot[slot], generation);
}

/* False: the client has ended the connection. */
static bool
receive(struct fake_host *host, struct packet *packet)
{
	IOReturn status = packet_receive(host->socket, packet, false);
	struct structures_body body;
	unsigned next = 0;

	if (status == kIOReturnNotReady)
		return true;
	if (status != kIOReturnSuccess)
		return false;
	ck_assert_int_eq(packets_check(packet, PACKET_FROM_APP), 0);
	if (packet->header->type == PACKET_ACK) {
		/* In order; the next MEMORY may be out already, which a real host holds back. */
		ck_assert_uint_eq(packet->header->sequence, atomic_load(&host->acks) + 1);
		atomic_fetch_add(&host->acks, 1);
		return true;
	}
	if (packet->header->type == PACKET_CLIENT_MEMORY) {
		memcpy(&host->client_memory, packet->body, sizeof(host->client_memory));
		packet_close_fds(packet);
		atomic_fetch_add(&host->client_memories, 1);
		return true;
	}
	memcpy(&body, packet->body, sizeof(body));
	ck_assert_uint_lt(body.slot, CALL_PAGE_SLOTS);
	host->structures[body.slot] = body;
	for (unsigned which = 0; which < 2; which++) {
		fd_close(&host->structure_fds[body.slot][which]);
		if (body.flags & (1u << which))
			host->structure_fds[body.slot][which] = packet_take_fd(packet, next++);
	}
	return true;
}

static bool
is_readable(int socket)
{
	struct pollfd item = {.fd = socket, .events = POLLIN};

	return poll(&item, 1, 0) > 0 && (item.revents & POLLIN) != 0;
}

static void
serve(struct fake_host *host, uint64_t slots, struct packet *packet)
{
	for (; slots != 0; slots &= slots - 1) {
		unsigned slot = (unsigned)__builtin_ctzll(slots);
		struct call_request request = host->page->slot[slot].request;
		struct call_reply reply;

		/* STRUCTURES was sent before the submission. */
		while (!host->deaf && request.flags & (CALL_LARGE_INPUT | CALL_LARGE_OUTPUT) &&
		       is_readable(host->socket) && receive(host, packet))
			;
		memset(&reply, 0, sizeof(reply));
		if (host->method == NULL || host->method(host, slot, &request, &reply))
			fake_host_answer(host, slot, request.generation, &reply);
	}
}

/* As every host has its doorbells: nobody reads them. */
static int
watch_doorbell(const struct fake_host *host)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int set = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, host->doorbell, &event), 0);
	return set;
}

static void *
run(void *argument)
{
	struct fake_host *host = argument;
	struct packet *packet = calloc(1, sizeof(*packet));
	int rung = watch_doorbell(host);
	struct epoll_event event;

	for (;;) {
		struct pollfd items[] = {
			{.fd = rung, .events = POLLIN},
			{.fd = host->deaf ? -1 : host->socket, .events = POLLIN},
			{.fd = host->stop, .events = POLLIN},
		};

		poll(items, 3, -1);
		if (items[2].revents)
			break;
		if (items[1].revents && !receive(host, packet)) {
			fd_close(&host->bell_write);
			shutdown(host->socket, SHUT_RDWR);
			break;
		}
		if (items[0].revents)
			epoll_wait(rung, &event, 1, 0);
		do
			serve(host, call_page_take(&host->host), packet);
		while (!call_page_arm(&host->host));
	}
	packet_close_fds(packet);
	free(packet);
	close(rung);
	return NULL;
}

void
fake_host_start(struct fake_host *host)
{
	ck_assert_int_eq(pthread_create(&host->thread, NULL, run, host), 0);
	host->started = true;
}

void
fake_host_stop(struct fake_host *host)
{
	uint64_t one = 1;

	if (host->started) {
		ck_assert_int_eq(write(host->stop, &one, sizeof(one)), sizeof(one));
		pthread_join(host->thread, NULL);
		host->started = false;
	}
	fd_close(&host->socket);
	fd_close(&host->bell_write);
	fd_close(&host->bell_read);
	fd_close(&host->doorbell);
}

void
fake_host_send_memory(struct fake_host *host, unsigned slot, uint32_t generation, int fd,
		      uint64_t offset, uint64_t length)
{
	struct {
		struct memory_body memory;
		struct memory_segment_body segment;
	} body = {
		.memory = {.slot = slot, .generation = generation, .segment_count = 1},
		.segment = {.offset = offset, .length = length},
	};
	struct packet_header header = {.type = PACKET_MEMORY, .sequence = ++host->sequence};

	fake_host_send(host, &header, &body, sizeof(body), &fd, 1);
}

void
fake_host_complete(struct fake_host *host, const struct completion *entry)
{
	bool wake;

	ck_assert_int_eq(completion_ring_push(&host->host, entry, &wake), kIOReturnSuccess);
	if (wake)
		bell_pipe_ring(host->bell_write);
}
