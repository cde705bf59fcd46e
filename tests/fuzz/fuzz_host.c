/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host against a hostile app: packets with descriptors of every kind, requests, words of the call
 * page, rings. The driver is that of the driver layer's tests; one host serves all inputs, and
 * after each one nothing of its connection is left. If the first byte is 3 the call page,
 * requests included, is scribbled over while the host reads it.
 */
#include "scribbler.h"

#include "../unit/driver_fixture.h"
#include "../unit/threads.h"

#include "clock.h"
#include "doorbell.h"
#include "memfd.h"
#include "packets.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE    (10 * NSEC_PER_SEC)
#define DESCRIPTORS 8u

static int kinds[DESCRIPTORS]; /* what an app may hand over, for right and for wrong */

struct app {
	int socket, doorbell, bell;
	struct call_page_client page;
	uint32_t generations[CALL_PAGE_SLOTS];
	bool keeps; /* the driver of the tests keeps one completion, not two */
};

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
receive(struct app *app, struct packet *packet, bool wait)
{
	struct pollfd item = {.fd = app->socket, .events = POLLIN};

	FUZZ_CHECK(!wait || poll(&item, 1, 10000) == 1);
	if (packet_receive(app->socket, packet, false) != kIOReturnSuccess)
		packet->header->type = 0;
	else
		FUZZ_CHECK(packets_check(packet, PACKET_FROM_HOST) == kIOReturnSuccess);
}

static bool
open_app(struct app *app, uint32_t type, uint32_t version)
{
	static struct packet packet;
	struct host_open_body who = {.type = type, .version = version, .pid = getpid()};
	int ends[2];

	memset(app, 0, sizeof(*app));
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	app->socket = ends[0];
	app->doorbell = app->bell = -1;
	connection_open_take(fixture.loop, fixture.root, ends[1], -1, &who);
	receive(app, &packet, true);
	FUZZ_CHECK(packet.header->type == PACKET_READY);
	if (packet.header->status != kIOReturnSuccess)
		return false;
	app->page.page = mmap(NULL, sizeof(struct call_page), PROT_READ | PROT_WRITE, MAP_SHARED,
			      packet.fds[0], 0);
	FUZZ_CHECK(app->page.page != MAP_FAILED && call_page_is_valid(app->page.page));
	app->doorbell = packet_take_fd(&packet, 1);
	app->bell = packet_take_fd(&packet, 2);
	packet_close_fds(&packet);
	return true;
}

/* What this process had of processors: others may leave it little, and its threads share that. */
static uint64_t
time_spent(void)
{
	struct timespec spent;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
	return (uint64_t)spent.tv_sec * NSEC_PER_SEC + (uint64_t)spent.tv_nsec;
}

/* Nothing of it may be left: neither the connection nor (0: not counted) a descriptor. */
static void
close_app(struct app *app, unsigned fds)
{
	uint64_t deadline = time_spent() + DEADLINE;

	fd_close(&app->socket);
	fd_close(&app->doorbell);
	fd_close(&app->bell);
	if (app->page.page != NULL)
		munmap(app->page.page, sizeof(struct call_page));
	while (connection_count() > 0 || (fds != 0 && fuzz_count_fds() != fds)) {
		if (time_spent() >= deadline) {
			printf("%u connections, and of %u descriptors:\n", connection_count(), fds);
			fuzz_print_fds();
			FUZZ_CHECK(time_spent() < deadline);
		}
		sched_yield();
	}
}

/* --- what it does --- */

static void
send_packet(struct app *app, struct fuzz *fuzz)
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
	packet_send(app->socket, &header, body, length, fds, count, false);
	free(body);
}

/* As the library would, with files that may be wrong. */
static void
send_structures(struct app *app, struct fuzz *fuzz)
{
	struct packet_header header = {.type = PACKET_STRUCTURES};
	uint8_t how = fuzz_u8(fuzz);
	unsigned slot = how % 4, count = 0;
	struct structures_body body = {
		.slot = slot,
		.generation = app->generations[slot] + (how & 0x80 ? 0 : 1),
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
	packet_send(app->socket, &header, &body, sizeof(body), fds, count, false);
}

static void
send_client_memory(struct app *app, struct fuzz *fuzz)
{
	struct packet_header header = {.type = PACKET_CLIENT_MEMORY};
	uint8_t how = fuzz_u8(fuzz);
	unsigned slot = how % 4;
	struct {
		struct client_memory_body body;
		struct memory_segment_body segment;
	} packet = {
		.body = {.slot = slot, .generation = app->generations[slot] + 1},
		.segment = {.offset = fuzz_u16(fuzz), .length = fuzz_u16(fuzz)},
	};
	int fd = kinds[fuzz_u8(fuzz) % DESCRIPTORS];

	packet.body.status = how & 0x40 ? kIOReturnError : kIOReturnSuccess;
	packet.body.file_count = how & 0x40 ? 0 : 1;
	app->generations[slot] += how & 0x20 ? 1 : 0;
	packet_send(app->socket, &header, &packet,
		    how & 0x40 ? sizeof(packet.body) : sizeof(packet), &fd, packet.body.file_count,
		    false);
}

/* What the driver of the tests does not stand is not asked of it: that is its, not the host's. */
static void
spare_driver(struct app *app, struct call_request *request)
{
	static const uint8_t stood[] = {TEST_ECHO,     TEST_STRUCTURE, TEST_KEEP,
					TEST_COMPLETE, TEST_LARGE,     TEST_TOO_LONG,
					TEST_TOO_MANY, TEST_FAIL,      TEST_TERMINATE,
					TEST_ASK,      TEST_METHODS};

	if (request->operation != CALL_METHOD)
		return;
	request->selector = stood[request->selector % sizeof(stood)];
	if (request->selector == TEST_KEEP && (app->keeps || !(request->flags & CALL_ASYNC)))
		request->selector = TEST_ECHO;
	if (request->selector == TEST_KEEP)
		app->keeps = true;
	if (request->selector == TEST_COMPLETE && !app->keeps)
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
write_request(struct app *app, struct fuzz *fuzz, unsigned slot)
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
	request.generation = ++app->generations[slot] + (how == 255 ? 1 : 0);
	spare_driver(app, &request);
	app->page.page->slot[slot].request = request;
	fuzz_fill(fuzz, app->page.page->data[slot].input, fuzz_u8(fuzz));
	if (call_page_submit(&app->page, slot))
		doorbell_ring(app->doorbell);
}

/* Until the answer, the end, or a moment: a method that asks may wait for what comes next. */
static void
wait_for(struct app *app, unsigned slot)
{
	static struct packet packet;

	doorbell_ring(app->doorbell);
	call_page_wait(&app->page, slot, app->generations[slot], clock_now() + NSEC_PER_MSEC);
	receive(app, &packet, false);
	if (packet.header->type == PACKET_MEMORY) {
		struct packet_header ack = {.type = PACKET_ACK,
					    .sequence = packet.header->sequence};

		packet_send(app->socket, &ack, NULL, 0, NULL, 0, false);
	}
	packet_close_fds(&packet);
}

static void
write_word(struct app *app, struct fuzz *fuzz)
{
	struct call_page *page = app->page.page;
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
step(struct app *app, struct fuzz *fuzz)
{
	uint8_t what = fuzz_u8(fuzz);
	unsigned slot = what >> 4 & 3;

	switch (what % 12) {
	case 0:
		send_packet(app, fuzz);
		break;
	case 1:
		send_structures(app, fuzz);
		break;
	case 2:
		send_client_memory(app, fuzz);
		break;
	case 3:
		write_word(app, fuzz);
		break;
	case 4:
		doorbell_ring(app->doorbell);
		break;
	case 5:
		shutdown(app->socket, what & 0x10 ? SHUT_WR : SHUT_RD);
		break;
	case 6:
		write_request(app, fuzz, slot);
		break;
	case 8:
		wait_for(app, slot);
		break;
	default:
		write_request(app, fuzz, slot);
		wait_for(app, slot);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned fds;
	struct fuzz fuzz = {data, data + size};
	struct app app;
	uint8_t how = fuzz_u8(&fuzz);

	if (fixture.root == NULL) {
		start_host();
		FUZZ_CHECK(open_app(&app, 0, PROTOCOL_VERSION));
		close_app(&app, 0);
		/* The descriptors are closed after the count has gone down. */
		threads_await_rest(1);
	}
	fds = fuzz_count_fds();
	if (open_app(&app, how == 1 ? 99 : 0, how == 2 ? 9 : PROTOCOL_VERSION)) {
		scribbled = app.page.page;
		if (how == 3)
			scribble_with(scribble_page, fuzz_u64(&fuzz));
		for (unsigned steps = 0; fuzz_left(&fuzz) > 0 && steps < 64; steps++)
			step(&app, &fuzz);
		scribble_with(NULL, 0);
	}
	close_app(&app, fds);
	return 0;
}
