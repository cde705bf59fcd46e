/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app's library against a hostile host: READY, packets with memory, answers, questions and
 * completions are the input's, written before the call whose answer they are. A call that waits for
 * more than that is answered once more, by the thread that waits (still.h), and then hung up on.
 * Then the app closes, and no descriptor is left. Some hosts write to the call page, and to the
 * memory of a dext_ring, while the app reads them.
 */
#include "scribbler.h"

#include "call_page.h"
#include "connection_private.h"
#include "doorbell.h"
#include "memfd.h"
#include "object_table.h"
#include "packets.h"
#include "shared_ring.h"
#include "still.h"

#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <IOKit/IOKitLib.h>
#include <dext_ring.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>

#define KINDS 6u
/* A call that still waits is answered so often, and then hung up on. */
#define ANSWERS 6u

static int kinds[KINDS];  /* files that a host may hand over, for right and for wrong */
static uint64_t named[4]; /* memory that calls name: by a scalar, and by a word of the structure */
static mach_vm_address_t allocated;
static struct shared_ring *rings; /* the file that is sealed, as its host has it */

struct host {
	int socket, bell;
	struct call_page *page;
	uint32_t tail;
	io_connect_t name;
	struct connection *connection; /* borrowed */
	IONotificationPortRef port;
	bool silent;	/* nothing is answered but what the input says */
	bool scribbles; /* over its page, while the app reads that */
};

static void
make_kinds(void)
{
	FUZZ_CHECK(memfd_create_sealed("sealed", 8192, &kinds[0]) == 0);
	FUZZ_CHECK(memfd_create_sealed("page", sizeof(struct call_page), &kinds[1]) == 0);
	rings = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, kinds[0], 0);
	FUZZ_CHECK(rings != MAP_FAILED);
	kinds[2] = memfd_create("unsealed", MFD_CLOEXEC);
	kinds[3] = open("/", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	kinds[4] = open("/sys/kernel/uevent_seqnum", O_RDONLY | O_CLOEXEC); /* as a device's */
	if (kinds[4] < 0)
		kinds[4] = open("/dev/null", O_RDWR | O_CLOEXEC);
	FUZZ_CHECK(memfd_create_sealed("small", 1, &kinds[5]) == 0);
	FUZZ_CHECK(mach_vm_allocate(mach_task_self(), &allocated, 8192, VM_FLAGS_ANYWHERE) == 0);
}

/* --- while the app waits --- */

static struct {
	struct host *host; /* NULL: nobody answers */
	unsigned turns;
	uint64_t word; /* what is written to the rings; 0: nothing */
} waited;

static void scribble_rings(uint64_t random);

static void
wait_from_now(struct host *host)
{
	waited.host = host;
	waited.turns = 0;
	waited.word = 0;
}

/* In the end with nothing, so that a call which was asked again and again ends too. */
static void
answer(struct host *host)
{
	for (unsigned i = 0; i < 4; i++) {
		struct call_slot *slot = &host->page->slot[i];

		if (waited.turns > ANSWERS / 2)
			memset(&slot->reply.status, 0,
			       sizeof(slot->reply) - offsetof(struct call_reply, status));
		call_slot_answer(slot, host->connection->generation[i]);
	}
}

static void
still_peer(void)
{
	if (waited.host == NULL || waited.host->connection == NULL)
		return;
	if (++waited.turns > ANSWERS)
		shutdown(waited.host->socket, SHUT_RDWR);
	else if (!waited.host->silent)
		answer(waited.host);
	if (waited.word != 0)
		scribble_rings(waited.word);
}

/* --- what the host sends and writes --- */

static void
send_packet(struct host *host, uint16_t type, int32_t status, const void *body, size_t length,
	    const int *fds, unsigned count)
{
	struct packet_header header = {.type = type, .status = status, .sequence = 1};

	packet_send(host->socket, &header, body, length, fds, count, false);
}

static void
send_memory(struct host *host, struct fuzz *fuzz)
{
	struct {
		struct memory_body body;
		struct memory_segment_body segments[4];
	} packet = {{0}, {{0}}};
	int fds[4];
	uint8_t how = fuzz_u8(fuzz);
	unsigned count = 1 + how % 4;

	packet.body.slot = how >> 6;
	packet.body.generation = 1;
	if (host->connection != NULL)
		packet.body.generation =
			call_next_generation(host->connection->generation[how >> 6]);
	packet.body.segment_count = count;
	for (unsigned i = 0; i < count; i++) {
		fds[i] = kinds[fuzz_u8(fuzz) % KINDS];
		packet.segments[i].offset = fuzz_u8(fuzz) % 3 * 4096u;
		packet.segments[i].length = fuzz_u16(fuzz);
	}
	if (how & 0x20)
		fuzz_fill(fuzz, &packet, fuzz_u8(fuzz) % sizeof(packet));
	send_packet(host, PACKET_MEMORY, 0, &packet,
		    sizeof(packet.body) + count * sizeof(packet.segments[0]), fds, count);
}

/* False: the app would not have it. */
static bool
open_host(struct host *host, struct fuzz *fuzz)
{
	struct ready_body body = {.version = PROTOCOL_VERSION,
				  .page_length = sizeof(struct call_page)};
	struct call_page_host side = {0};
	int ends[2], fds[3] = {-1, -1, -1}, page = -1;
	uint8_t how = fuzz_u8(fuzz);
	IOReturn status;

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	host->socket = ends[0];
	FUZZ_CHECK(memfd_create_sealed("call page", sizeof(struct call_page), &page) == 0);
	host->page =
		mmap(NULL, sizeof(struct call_page), PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
	FUZZ_CHECK(host->page != MAP_FAILED);
	call_page_init(&side, host->page);
	FUZZ_CHECK(doorbell_create(&fds[1]) == 0 && bell_pipe_create(&fds[2], &host->bell) == 0);
	fds[0] = how >= 240 ? kinds[how % KINDS] : page;
	if (how >= 232 && how < 240)
		fuzz_fill(fuzz, &host->page->header, sizeof(host->page->header));
	if (how >= 224 && how < 232)
		fuzz_fill(fuzz, &body, sizeof(body));
	if (how >= 216 && how < 224)
		send_packet(host, PACKET_READY, -1, &(struct ready_body){0}, sizeof(body), NULL, 0);
	else if (how == 215)
		send_memory(host, fuzz);
	else
		send_packet(host, PACKET_READY, 0, &body, sizeof(body), fds, how == 214 ? 2 : 3);
	host->silent = how == 213;
	host->scribbles = how == 212;
	close(page);
	close(fds[1]);
	close(fds[2]);
	status = connection_open_take(ends[1], 5, &host->connection);
	if (status != kIOReturnSuccess)
		return false;
	FUZZ_CHECK(object_add_connection_take(host->connection, &host->name) == 0);
	return true;
}

static void
write_question(struct fuzz *fuzz, bool any, struct call_question *question)
{
	const uint64_t addresses[] = {(uintptr_t)&named[0], (uintptr_t)&named[2], allocated, 4096};

	question->segment_count = fuzz_u8(fuzz) % 34;
	question->flags = fuzz_u8(fuzz) % 3;
	for (unsigned i = 0; i < QUESTION_SEGMENTS_MAX && i < question->segment_count; i++) {
		question->segments[i].address = addresses[fuzz_u8(fuzz) % 4];
		question->segments[i].length = fuzz_u8(fuzz);
	}
	if (any)
		fuzz_fill(fuzz, question, sizeof(*question));
}

/* What every slot is answered with next, for all generations that may come next. */
static void
write_replies(struct host *host, struct fuzz *fuzz)
{
	uint8_t how = fuzz_u8(fuzz), flags = fuzz_u8(fuzz);
	int32_t status = how & 1 ? 0 : (int32_t)fuzz_u32(fuzz);
	uint32_t scalars = fuzz_u8(fuzz) % 18;
	uint64_t size = fuzz_u16(fuzz), length = fuzz_u16(fuzz);
	struct call_question question = {0};

	if (flags & CALL_ASKS && how & 2)
		write_question(fuzz, how & 4, &question);
	for (unsigned i = 0; i < 4; i++) {
		struct call_slot *slot = &host->page->slot[i];

		slot->reply.status = status;
		slot->reply.flags = how & 8 ? 0 : flags;
		slot->reply.scalar_out_count = scalars;
		slot->reply.structure_out_size = size;
		slot->reply.map_length = length;
		slot->reply.map_read_only = how >> 4 & 3;
		slot->reply.zero0 = how == 0xff;
		memcpy(host->page->data[i].output, &question, sizeof(question));
		if (how != 0xfe)
			atomic_store(&slot->reply.answered,
				     call_next_generation(host->connection->generation[i]));
	}
}

static void
write_completion(struct host *host, struct fuzz *fuzz)
{
	uint8_t how = fuzz_u8(fuzz);
	struct completion *entry = &host->page->ring[host->tail % COMPLETION_RING_MAX];

	*entry = (struct completion){
		.kind = how % 4,
		.index = how >> 4,
		.generation = fuzz_u8(fuzz) % 8,
		.count = fuzz_u8(fuzz) % 18,
	};
	if (how == 0x0f)
		fuzz_fill(fuzz, entry, sizeof(*entry));
	if (how == 0xfd || how == 0xfe) /* it waits for room */
		atomic_store(&host->page->overflow.flag, 1);
	if (how == 0xfe) /* more than half a ring of the same */
		for (unsigned i = 0; i < 600; i++)
			host->page->ring[host->tail++ % COMPLETION_RING_MAX] = *entry;
	host->tail += how == 0xff ? fuzz_u16(fuzz) : 1;
	atomic_store(&host->page->tail.index, host->tail);
}

/* --- scribbling --- */

static struct call_page *scribbled;

static void
scribble_reply(struct call_reply *reply, uint64_t random)
{
	uint64_t value = random >> 3;

	switch (random & 7) {
	case 0:
		reply->status = value & 1 ? 0 : (int32_t)value;
		break;
	case 1:
		reply->scalar_out_count = (uint32_t)value % 18;
		break;
	case 2:
		reply->flags = (uint32_t)value % 64;
		break;
	case 3:
		reply->structure_out_size = value % 10000;
		break;
	case 4:
		reply->map_length = value % 9000;
		break;
	case 5:
		reply->map_read_only = value % 3;
		break;
	case 6:
		reply->zero0 = value & 1;
		break;
	default: /* generations as they are in the first steps, and the one before */
		atomic_store(&reply->answered, (uint32_t)value % 8);
		break;
	}
}

static void
scribble_page(uint64_t random)
{
	uint64_t value = random >> 8;
	unsigned slot = random >> 4 & 3;
	struct call_question question;

	switch (random & 15) {
	case 0:
		atomic_fetch_add(&scribbled->tail.index, (uint32_t)value % 2);
		break;
	case 1:
		memcpy(&scribbled->ring[value % 8], &(struct completion){.kind = value >> 3 & 3},
		       sizeof(struct completion));
		break;
	case 2:
		atomic_store(&scribbled->overflow.flag, value);
		break;
	case 3:
		atomic_store(&scribbled->taken.bits, value);
		break;
	case 4:
		atomic_store(&scribbled->looked.count, (uint32_t)value);
		break;
	case 5:
		atomic_store(&scribbled->host_cpu.number, (uint32_t)value % 8);
		break;
	case 6: /* between what the app has named and what it has not */
		question = (struct call_question){.segment_count = 1, .flags = value & 1};
		question.segments[0].address = value & 2 ? (uintptr_t)&named[0] : 4096;
		question.segments[0].length = value >> 2 & 31;
		memcpy(scribbled->data[slot].output, &question, sizeof(question));
		break;
	default:
		scribble_reply(&scribbled->slot[slot].reply, value);
		break;
	}
}

static void
scribble_rings(uint64_t random)
{
	struct shared_ring_lane *lane = &rings->lane[random & 1];
	uint64_t value = random & 2 ? random >> 8 & 15 : random >> 8;

	switch (random >> 2 & 7) {
	case 0:
		atomic_store(&lane->tail.index, (uint32_t)value);
		break;
	case 1:
		atomic_store(&lane->head.index, (uint32_t)value);
		break;
	case 2:
		atomic_store(&lane->armed.number, value);
		break;
	case 3:
		atomic_store(&lane->room.number, value);
		break;
	case 4:
		atomic_store(&rings->bell.count, (uint32_t)value);
		break;
	case 5:
		memset(&rings->header, (int)value, sizeof(rings->header));
		break;
	default:
		atomic_fetch_add(value & 1 ? &lane->tail.index : &lane->head.index, 1);
		break;
	}
}

static void
completed(void *reference, IOReturn result, void **arguments, uint32_t count)
{
	/* How many arguments it has says the kind of the call: the last two may not be there. */
	FUZZ_CHECK(reference == &kinds);
}

static void
call_method(struct host *host, struct fuzz *fuzz)
{
	static uint8_t in[16384], out[16384];
	uint8_t how = fuzz_u8(fuzz);
	uint64_t scalars[16] = {(uintptr_t)&named[0], 16}, reference[3] = {0};
	const uint64_t words[] = {(uintptr_t)&named[2], UINT64_C(16) << 32};
	uint32_t count = how & 15;
	size_t in_size = how & 0x10 ? 9000 : fuzz_u8(fuzz);
	size_t out_size = how & 0x20 ? 9000 : fuzz_u8(fuzz);

	memcpy(in, words, sizeof(words));
	if (how & 0x40) {
		reference[kIOAsyncCalloutFuncIndex] = (uintptr_t)completed;
		reference[kIOAsyncCalloutRefconIndex] = (uintptr_t)&kinds;
		IOConnectCallAsyncMethod(
			host->name, 1,
			how & 0x80 ? MACH_PORT_NULL : IONotificationPortGetMachPort(host->port),
			reference, 3, scalars, 2, in, in_size, scalars, &count, out, &out_size);
	} else {
		IOConnectCallMethod(host->name, 1, scalars, 2, in, in_size, scalars, &count, out,
				    &out_size);
	}
	FUZZ_CHECK(count <= 16 && out_size <= 9000);
}

static void
map_memory(struct host *host, struct fuzz *fuzz)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	uint8_t type = fuzz_u8(fuzz);

	if (IOConnectMapMemory64(host->name, type & 3, mach_task_self(), &address, &size,
				 kIOMapAnywhere) != kIOReturnSuccess)
		return;
	/* Every byte that is said to be there is there. */
	for (mach_vm_size_t i = 0; i < size; i += 512)
		(void)((const volatile uint8_t *)(uintptr_t)address)[i];
	if (type & 4) {
		write_replies(host, fuzz);
		IOConnectUnmapMemory64(host->name, type & 3, mach_task_self(), address);
	}
}

/* For less, and for more, than the time in which only a batch is told of. */
static void
wait_for_batch(dext_ring_t *ring, uint32_t what, unsigned steps, struct fuzz *fuzz)
{
	uint8_t how = fuzz_u8(fuzz);

	if (how & 0x80)
		waited.word = fuzz_u64(fuzz);
	dext_ring_wait_batch(ring, what, how & 15, steps * (NSEC_PER_SEC / 200));
	waited.word = 0;
}

static void
use_ring(struct host *host, dext_ring_t *ring, struct fuzz *fuzz)
{
	uint8_t what = fuzz_u8(fuzz);
	struct {
		uint8_t entries[16 * 16];
		uint64_t guard;
	} room = {.guard = 77};
	uint32_t count = 0;

	switch (what & 7) {
	case 0:
	case 1:
		dext_ring_push(ring, room.entries, what >> 4, &count);
		FUZZ_CHECK(count <= 8);
		break;
	case 2:
	case 3:
		dext_ring_pop(ring, room.entries, what >> 4, &count);
		FUZZ_CHECK(count <= 8 && count <= what >> 4 && room.guard == 77);
		break;
	case 4:
		if (what & 8)
			wait_for_batch(ring, what >> 4 & 3, what >> 6, fuzz);
		else
			dext_ring_wait(ring, what >> 4 & 3, (uint64_t)(what >> 6) * 1000);
		break;
	case 5:
		write_replies(host, fuzz);
		dext_ring_get_descriptor(ring);
		break;
	case 6:
		if (what & 8) /* it dies */
			shutdown(host->socket, SHUT_RDWR);
		dext_ring_arm(ring, what >> 4 & 3);
		break;
	default:
		scribble_rings(fuzz_u64(fuzz));
		break;
	}
}

/* A ring in the file that is sealed, in a map call's answer that is right but for what `how` says.
 */
static void
use_rings(struct host *host, struct fuzz *fuzz)
{
	const struct shared_ring_shape shape = {16, {8, 8}};
	struct {
		struct memory_body body;
		struct memory_segment_body segment;
	} packet = {.body = {.slot = 0, .generation = 1, .segment_count = 1}};
	uint8_t how = fuzz_u8(fuzz), steps = how & 15;
	dext_ring_t *ring = NULL;
	struct call_reply *reply;

	packet.segment.length = how & 0x10 ? 8192 : shared_ring_length(&shape);
	packet.body.generation = call_next_generation(host->connection->generation[0]);
	send_packet(host, PACKET_MEMORY, 0, &packet, sizeof(packet), kinds, 1);
	for (unsigned i = 0; i < 4; i++) {
		reply = &host->page->slot[i].reply;
		memset(&reply->status, 0, sizeof(*reply) - offsetof(struct call_reply, status));
		reply->flags = CALL_QUEUE_RING | shared_ring_to_flags(&shape);
		if (how == 0xff)
			reply->flags = CALL_QUEUE_RING | fuzz_u32(fuzz);
		if (how == 0xfe)
			reply->flags = 0;
		reply->map_length = packet.segment.length;
		atomic_store(&reply->answered,
			     call_next_generation(host->connection->generation[i]));
	}
	memset(rings->lane, 0, sizeof(rings->lane));
	if (dext_ring_create(host->name, 0, how & 0x20 ? DEXT_RING_ONE_THREAD : 0, &ring) !=
	    kIOReturnSuccess)
		return;
	if (how & 0x40)
		scribble_with(scribble_rings, fuzz_u64(fuzz));
	for (unsigned i = 0; i < steps; i++)
		use_ring(host, ring, fuzz);
	scribble_with(NULL, 0);
	dext_ring_release(ring);
}

static void
step(struct host *host, struct fuzz *fuzz)
{
	struct mach_header_room {
		mach_msg_header_t header;
		uint8_t rest[1024];
	} message = {0};
	uint8_t what = fuzz_u8(fuzz), *bytes;
	size_t length;

	switch (what % 8) {
	case 0:
		send_memory(host, fuzz);
		break;
	case 1:
	case 2:
		write_replies(host, fuzz);
		call_method(host, fuzz);
		break;
	case 3:
		if (!(what & 0x80))
			send_memory(host, fuzz);
		if (what & 0x40)
			shutdown(host->socket, SHUT_RD);
		write_replies(host, fuzz);
		map_memory(host, fuzz);
		break;
	case 4:
		write_completion(host, fuzz);
		break;
	case 5:
		write_completion(host, fuzz);
		connection_drain(host->connection);
		while (mach_msg(&message.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
				sizeof(message), IONotificationPortGetMachPort(host->port), 0,
				MACH_PORT_NULL) == MACH_MSG_SUCCESS)
			IODispatchCalloutFromMessage(NULL, &message.header, host->port);
		break;
	case 6:
		if (what & 8) {
			use_rings(host, fuzz);
			break;
		}
		write_replies(host, fuzz);
		IOConnectSetNotificationPort(host->name, what >> 4,
					     IONotificationPortGetMachPort(host->port), 0);
		break;
	default:
		bytes = fuzz_copy(fuzz, fuzz_u8(fuzz) % 96, &length);
		if (what & 0x20)
			send(host->socket, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			send_packet(host, (uint16_t)(0x100 + (what >> 3 & 3)), 0, bytes, length,
				    kinds, what >> 6);
		free(bytes);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {data, data + size};
	struct host host = {.socket = -1, .bell = -1};
	static bool warm;
	unsigned fds;

	if (!warm)
		make_kinds();
	still_begin();
	fds = fuzz_count_fds();
	host.port = IONotificationPortCreate(kIOMainPortDefault);
	if (open_host(&host, &fuzz)) {
		scribbled = host.page;
		if (host.scribbles)
			scribble_with(scribble_page, fuzz_u64(&fuzz));
		for (unsigned steps = 0; steps < 24 && fuzz_left(&fuzz) > 0; steps++) {
			wait_from_now(&host);
			step(&host, &fuzz);
			wait_from_now(NULL);
		}
		scribble_with(NULL, 0);
		/* The host dies: nobody waits for it. */
		fd_close(&host.socket);
		IOServiceClose(host.name);
	}
	fd_close(&host.socket);
	fd_close(&host.bell);
	IONotificationPortDestroy(host.port);
	munmap(host.page, sizeof(struct call_page));
	FUZZ_CHECK(!warm || fuzz_count_fds() == fds);
	warm = true;
	return 0;
}
