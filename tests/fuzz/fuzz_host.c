/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host against a hostile app: packets with descriptors of every kind, requests, words of the call
 * page, rings. The driver is that of the driver layer's tests; one host serves all inputs, and
 * after each one nothing of its connection is left. The app is the thread of the host's loop: it
 * takes a step whenever that would wait, or has spun in vain (still_loop.h). If the first byte is 3
 * the call page, requests included, is scribbled over while the host reads it.
 */
#include "scribbler.h"
#include "still_loop.h"

#include "../unit/driver_fixture.h"

#include "clock.h"
#include "doorbell.h"
#include "memfd.h"
#include "packets.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* After that long a host has forgotten what an app's user has cost. */
#define FORGOTTEN   (3600 * NSEC_PER_SEC)
#define STEPS_MAX   64u
#define DESCRIPTORS 8u

static int kinds[DESCRIPTORS]; /* what an app may hand over, for right and for wrong */

static struct app {
	struct fuzz fuzz;
	enum { APP_NEW, APP_OPENING, APP_OPEN } state;
	int socket, doorbell, bell;
	struct call_page_client page;
	uint32_t generations[CALL_PAGE_SLOTS];
	unsigned steps;
	bool scribbles;
	bool reads; /* what the host has sent, first of all */
	bool keeps; /* the driver of the tests keeps one completion, not two */
} app;

static void
start_host(void)
{
	int sealed = -1, large = -1;

	FUZZ_CHECK(memfd_create_sealed("sealed", 8192, &sealed) == 0);
	FUZZ_CHECK(memfd_create_sealed("large", 1 << 20, &large) == 0);
	kinds[0] = sealed;
	kinds[1] = large;
	kinds[2] = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	kinds[3] = open("/", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	kinds[4] = eventfd(0, EFD_CLOEXEC);
	kinds[5] = open("/dev/null", O_RDWR | O_CLOEXEC);
	kinds[6] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	kinds[7] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	FUZZ_CHECK(ftruncate(kinds[2], 1 << 20) == 0);
	fixture_start();
}

static void
receive(struct packet *packet)
{
	if (packet_receive(app.socket, packet, false) != kIOReturnSuccess)
		packet->header->type = 0;
	else
		FUZZ_CHECK(packets_check(packet, PACKET_FROM_HOST) == kIOReturnSuccess);
}

static void
open_app(void)
{
	uint8_t how = fuzz_u8(&app.fuzz);
	struct host_open_body who = {
		.type = how == 1 ? 99 : 0,
		.version = how == 2 ? 9 : PROTOCOL_VERSION,
		.pid = getpid(),
	};
	int ends[2];

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	app.socket = ends[0];
	app.scribbles = how == 3;
	connection_open_take(fixture.loop, fixture.root, ends[1], -1, &who);
}

static void
close_app(void)
{
	scribble_with(NULL, 0);
	fd_close(&app.socket);
	fd_close(&app.doorbell);
	fd_close(&app.bell);
	if (app.page.page != NULL)
		munmap(app.page.page, sizeof(struct call_page));
	still_loop.over = true;
}

/* --- what it does --- */

static void
send_packet(struct fuzz *fuzz)
{
	static const uint16_t types[] = {PACKET_STRUCTURES, PACKET_ACK, PACKET_CLIENT_MEMORY, 0};
	struct packet_header header = {0};
	uint8_t how = fuzz_u8(fuzz);
	unsigned count = fuzz_u8(fuzz) % 4;
	size_t length = 0;
	uint8_t *body = fuzz_copy(fuzz, fuzz_u8(fuzz), &length);
	int fds[4];

	for (unsigned i = 0; i < count; i++)
		fds[i] = kinds[fuzz_u8(fuzz) % DESCRIPTORS];
	header.type = types[how % 4];
	header.sequence = how >> 2 & 7;
	header.status = how & 0x80 ? -1 : 0;
	if (how & 0x20) /* no packet at all */
		send(app.socket, body, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		packet_send(app.socket, &header, body, length, fds, count, false);
	free(body);
}

/* As the library would, with files that may be wrong. */
static void
send_structures(struct fuzz *fuzz)
{
	struct packet_header header = {.type = PACKET_STRUCTURES};
	uint8_t how = fuzz_u8(fuzz);
	unsigned slot = how % 4, count = 0;
	struct structures_body body = {
		.slot = slot,
		.generation = app.generations[slot] + (how & 0x80 ? 0 : 1),
		.flags = (how >> 4 & 3) == 0 ? 3 : how >> 4 & 3,
	};
	int fds[2];

	if (body.flags & STRUCTURES_INPUT)
		body.input_offset = fuzz_u16(fuzz);
	if (body.flags & STRUCTURES_OUTPUT)
		body.output_offset = fuzz_u16(fuzz);
	for (unsigned flag = 1; flag <= 2; flag <<= 1)
		if (body.flags & flag)
			fds[count++] = kinds[fuzz_u8(fuzz) % DESCRIPTORS];
	packet_send(app.socket, &header, &body, sizeof(body), fds, count, false);
}

static void
send_client_memory(struct fuzz *fuzz)
{
	struct packet_header header = {.type = PACKET_CLIENT_MEMORY};
	uint8_t how = fuzz_u8(fuzz);
	unsigned slot = how % 4;
	struct {
		struct client_memory_body body;
		struct memory_segment_body segment;
	} packet = {
		.body = {.slot = slot, .generation = app.generations[slot] + 1},
		.segment = {.offset = fuzz_u16(fuzz), .length = fuzz_u16(fuzz)},
	};
	int fd = kinds[fuzz_u8(fuzz) % DESCRIPTORS];

	packet.body.status = how & 0x40 ? kIOReturnError : kIOReturnSuccess;
	packet.body.file_count = how & 0x40 ? 0 : 1;
	app.generations[slot] += how & 0x20 ? 1 : 0;
	packet_send(app.socket, &header, &packet, how & 0x40 ? sizeof(packet.body) : sizeof(packet),
		    &fd, packet.body.file_count, false);
}

/* What the driver of the tests does not stand is not asked of it: that is its, not the host's. */
static void
spare_driver(struct call_request *request)
{
	static const uint8_t stood[] = {TEST_ECHO,     TEST_STRUCTURE, TEST_KEEP,
					TEST_COMPLETE, TEST_LARGE,     TEST_TOO_LONG,
					TEST_TOO_MANY, TEST_FAIL,      TEST_TERMINATE,
					TEST_ASK,      TEST_METHODS};

	if (request->operation != CALL_METHOD)
		return;
	request->selector = stood[request->selector % sizeof(stood)];
	if (request->selector == TEST_KEEP && (app.keeps || !(request->flags & CALL_ASYNC)))
		request->selector = TEST_ECHO;
	if (request->selector == TEST_KEEP)
		app.keeps = true;
	if (request->selector == TEST_COMPLETE && !app.keeps)
		request->selector = TEST_ECHO;
	if (request->selector == TEST_COMPLETE) {
		request->scalar_in_count = 2;
		request->scalars[0] %= 1100;
	}
	if (request->selector == TEST_ASK)
		request->scalar_in_count = 3;
	if (request->selector == TEST_LARGE)
		request->scalars[0] = 0;
}

static void
write_request(struct fuzz *fuzz, unsigned slot)
{
	struct call_request request = {0};
	uint8_t how = fuzz_u8(fuzz);

	if (how < 16) { /* any bytes */
		fuzz_fill(fuzz, &request, sizeof(request));
	} else {
		request.operation = (uint16_t)(how < 160 ? CALL_METHOD : how % 6);
		request.flags = fuzz_u8(fuzz) & (how & 1 ? 0xff : 0xf);
		request.selector = fuzz_u8(fuzz) % 24;
		request.scalar_in_count = fuzz_u8(fuzz) % 18;
		request.scalar_out_count = fuzz_u8(fuzz) % 18;
		request.structure_in_size = fuzz_u16(fuzz);
		request.structure_out_size = fuzz_u16(fuzz);
		request.async_index = fuzz_u8(fuzz);
		request.async_generation = fuzz_u8(fuzz);
		request.scalars[0] = fuzz_u16(fuzz);
		request.scalars[1] = fuzz_u16(fuzz);
		request.scalars[2] = fuzz_u8(fuzz);
	}
	request.generation = ++app.generations[slot] + (how == 255 ? 1 : 0);
	spare_driver(&request);
	app.page.page->slot[slot].request = request;
	fuzz_fill(fuzz, app.page.page->data[slot].input, fuzz_u8(fuzz));
	if (call_page_submit(&app.page, slot))
		doorbell_ring(app.doorbell);
}

/* What came since the last step. */
static void
read_packet(void)
{
	static struct packet packet;

	app.reads = false;
	receive(&packet);
	if (packet.header->type == PACKET_MEMORY) {
		struct packet_header ack = {.type = PACKET_ACK,
					    .sequence = packet.header->sequence};

		packet_send(app.socket, &ack, NULL, 0, NULL, 0, false);
	}
	packet_close_fds(&packet);
}

static void
ring_and_read(void)
{
	doorbell_ring(app.doorbell);
	app.reads = true;
}

static void
write_word(struct fuzz *fuzz)
{
	struct call_page *page = app.page.page;
	uint8_t which = fuzz_u8(fuzz);
	uint32_t value = fuzz_u32(fuzz);

	switch (which % 7) {
	case 0:
		atomic_store(&page->head.index, value);
		break;
	case 1:
		atomic_store(&page->ring_armed.flag, value);
		break;
	case 2:
		atomic_store(&page->submitted.bits, value);
		break;
	case 3:
		atomic_store(&page->queued.count, value);
		break;
	case 4:
		atomic_store(&page->client_cpu.number, value);
		break;
	case 5:
		atomic_store(&page->head.index, atomic_load(&page->tail.index));
		break;
	default:
		atomic_store(&page->slot[value % 4].reply.answered, value >> 2);
		break;
	}
}

/* --- scribbling --- */

static struct call_page *scribbled;

/* As much as the driver stands: no fewer scalars, no other method, none without its completion. */
static void
scribble_request(struct call_request *request, uint64_t random)
{
	switch (random & 7) {
	case 0:
		request->scalar_in_count = 3 + (uint32_t)(random >> 3) % 20;
		break;
	case 1:
		request->scalar_out_count = (uint32_t)(random >> 3) % 20;
		break;
	case 2:
		request->structure_in_size = (random >> 3) % 8192;
		break;
	case 3:
		request->structure_out_size = random & 8 ? random >> 4 : (random >> 4) % 8192;
		break;
	case 4:
		request->generation ^= random >> 3 & 1;
		break;
	case 5:
		request->flags ^= (uint16_t)(random >> 3 & 0xe); /* not CALL_ASYNC */
		break;
	case 6:
		request->async_index = (uint32_t)(random >> 3) % 1100;
		break;
	default:
		request->zero[0] = random >> 3 & 1;
		break;
	}
}

static void
scribble_page(uint64_t random)
{
	unsigned slot = random >> 4 & 3;
	uint64_t value = random >> 6;

	switch (random & 15) {
	case 0:
		atomic_store(&scribbled->head.index,
			     atomic_load(&scribbled->tail.index) - (uint32_t)(value % 4));
		break;
	case 1:
		atomic_store(&scribbled->ring_armed.flag, value);
		break;
	case 2:
		atomic_store(&scribbled->queued.count, (uint32_t)value);
		break;
	case 3:
		atomic_store(&scribbled->client_cpu.number, (uint32_t)value % 8);
		break;
	case 4:
		atomic_fetch_xor(&scribbled->slot[slot].reply.answered, value & CALL_WAITER);
		break;
	case 5:
		scribbled->data[slot].input[value % 64] = (uint8_t)(value >> 8);
		break;
	case 6: /* a submission of whatever is there; seldom, since it is mostly the end */
		if (value % 64 == 0)
			atomic_fetch_xor(&scribbled->submitted.bits, UINT64_C(1) << slot);
		break;
	default:
		scribble_request(&scribbled->slot[slot].request, value);
		break;
	}
}

static void
step(struct fuzz *fuzz)
{
	uint8_t what = fuzz_u8(fuzz);
	unsigned slot = what >> 4 & 3;

	switch (what % 12) {
	case 0:
		send_packet(fuzz);
		break;
	case 1:
		send_structures(fuzz);
		break;
	case 2:
		send_client_memory(fuzz);
		break;
	case 3:
		write_word(fuzz);
		break;
	case 4:
		doorbell_ring(app.doorbell);
		break;
	case 5:
		shutdown(app.socket, what & 0x10 ? SHUT_WR : SHUT_RD);
		break;
	case 6:
		write_request(fuzz, slot);
		break;
	case 8:
		ring_and_read();
		break;
	default:
		write_request(fuzz, slot);
		ring_and_read();
		break;
	}
}

/* False: it was refused. */
static bool
take_ready(void)
{
	static struct packet packet;

	receive(&packet);
	FUZZ_CHECK(packet.header->type == PACKET_READY);
	if (packet.header->status != kIOReturnSuccess)
		return false;
	app.page.page = mmap(NULL, sizeof(struct call_page), PROT_READ | PROT_WRITE, MAP_SHARED,
			     packet.fds[0], 0);
	FUZZ_CHECK(app.page.page != MAP_FAILED && call_page_is_valid(app.page.page));
	app.doorbell = packet_take_fd(&packet, 1);
	app.bell = packet_take_fd(&packet, 2);
	packet_close_fds(&packet);
	scribbled = app.page.page;
	if (app.scribbles)
		scribble_with(scribble_page, fuzz_u64(&app.fuzz));
	return true;
}

static void
still_peer(void)
{
	if (app.state == APP_NEW) {
		open_app();
		app.state = APP_OPENING;
	} else if (app.state == APP_OPENING) {
		app.state = APP_OPEN;
		if (!take_ready())
			close_app();
	} else if (app.reads) {
		read_packet();
	} else if (fuzz_left(&app.fuzz) > 0 && app.steps++ < STEPS_MAX) {
		step(&app.fuzz);
	} else {
		close_app();
	}
}

static void
run_app(const uint8_t *data, size_t size)
{
	app = (struct app){.fuzz = {data, data + size}, .doorbell = -1, .bell = -1};
	still_loop_run(fixture.loop);
	FUZZ_CHECK(connection_count() == 0);
	still_ahead += FORGOTTEN;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned fds;

	if (fixture.root == NULL) {
		start_host();
		run_app(data, 0);
	}
	fds = fuzz_count_fds();
	run_app(data, size);
	if (fuzz_count_fds() != fds)
		fuzz_print_fds();
	FUZZ_CHECK(fuzz_count_fds() == fds);
	return 0;
}
