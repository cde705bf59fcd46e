/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call page, its completion ring and data queues, by both of their sides: the input is a row of
 * words that the other side writes, and of steps that this side takes in between. What is not so
 * whatever the other side does is checked after each step.
 *
 * While that goes on the same words are scribbled over (scribbler.h), unless the first byte says
 * that it is to be quiet.
 */
#include "scribbler.h"

#include "call_page.h"
#include "clock.h"
#include "data_queue.h"

#define QUEUE_BYTES 256u

static struct call_page *page;
static _Alignas(64) uint8_t memory[2][1024];

/* The words by which the two sides talk, of which each is one that a peer may write. */
static void
write_word(unsigned which, uint64_t value)
{
	switch (which % 14) {
	case 0:
		atomic_store(&page->submitted.bits, value);
		break;
	case 1:
		atomic_store(&page->armed.flag, value);
		break;
	case 2:
		atomic_store(&page->client_cpu.number, (uint32_t)value);
		break;
	case 3:
		atomic_store(&page->host_cpu.number, (uint32_t)value);
		break;
	case 4:
		atomic_store(&page->taken.bits, value);
		break;
	case 5:
		atomic_store(&page->queued.count, (uint32_t)value);
		break;
	case 6:
		atomic_store(&page->looked.count, (uint32_t)value);
		break;
	case 7:
		atomic_store(&page->tail.index, (uint32_t)value);
		break;
	case 8:
		atomic_store(&page->head.index, (uint32_t)value);
		break;
	case 9:
		atomic_store(&page->ring_armed.flag, value);
		break;
	case 10:
		atomic_store(&page->overflow.flag, value);
		break;
	case 11:
		atomic_store(&page->slot[value % CALL_PAGE_SLOTS].reply.answered,
			     (uint32_t)(value >> 8));
		break;
	default:
		atomic_store((_Atomic uint32_t *)(void *)&memory[which & 1][value % 256 * 4],
			     (uint32_t)(value >> 8));
		break;
	}
}

static void
write_any(uint64_t random)
{
	/* Small numbers are the ones that nearly make sense. */
	write_word((unsigned)(random >> 8), random & 1 ? random >> 16 : random >> 39);
}

static void
host_step(struct fuzz *fuzz, struct call_page_host *host, uint8_t step)
{
	struct completion entry = {.kind = COMPLETION_CALL};
	uint64_t before = host->seen;
	bool wake = false;
	IOReturn status;

	switch (step % 10) {
	case 0:
		FUZZ_CHECK((call_page_take(host) ^ before) == host->seen);
		break;
	case 1:
		call_page_arm(host);
		break;
	case 2:
		call_page_disarm(host);
		break;
	case 3:
		call_page_is_due(host);
		call_page_can_spin(host);
		break;
	case 4:
		call_page_will_look(host);
		call_page_heard(host);
		call_page_hold(host);
		call_page_has_moved(page, call_page_seen(host));
		break;
	case 5:
		call_slot_answer(&page->slot[fuzz_u8(fuzz) % CALL_PAGE_SLOTS], fuzz_u32(fuzz) >> 1);
		break;
	case 6:
		call_slot_withdraw(&page->slot[fuzz_u8(fuzz) % CALL_PAGE_SLOTS]);
		break;
	case 7:
		/* Few have more than the first line of an entry holds. */
		entry.count = step & 16 ? DEXT_SCALARS_MAX : 0;
		for (unsigned count = fuzz_u16(fuzz) % 1100; count > 0; count--) {
			status = completion_ring_push(host, &entry, &wake);
			FUZZ_CHECK(status == kIOReturnSuccess || status == kIOReturnOverrun ||
				   status == kIOReturnIPCError);
		}
		break;
	case 8:
		completion_ring_used(host);
		completion_ring_await_room(host);
		break;
	default:
		completion_ring_room_found(host);
		break;
	}
}

static void
client_step(struct fuzz *fuzz, struct call_page_client *client, uint8_t step)
{
	unsigned slot = fuzz_u8(fuzz) % CALL_PAGE_SLOTS;
	uint32_t generation = call_next_generation(fuzz_u8(fuzz));
	struct completion entry;
	bool ring = false;
	IOReturn status;

	switch (step % 8) {
	case 0:
		call_page_submit(client, slot);
		break;
	case 1:
		call_page_tell(client);
		break;
	case 2:
		call_slot_is_answered(&page->slot[slot], generation);
		call_slot_is_current(&page->slot[slot], generation);
		break;
	case 3:
		call_page_spin(client, slot, generation);
		call_page_is_taken(client, slot);
		call_page_is_left(client, slot);
		break;
	case 4:
		call_page_wait(client, slot, generation, clock_now() + fuzz_u8(fuzz) * 1000);
		break;
	case 5:
		for (unsigned count = fuzz_u16(fuzz) % 1100; count > 0; count--) {
			status = completion_ring_pop(client, &entry, &ring);
			FUZZ_CHECK(status == kIOReturnSuccess || status == kIOReturnUnderrun ||
				   status == kIOReturnIPCError);
		}
		break;
	case 6:
		completion_ring_is_due(client);
		completion_ring_can_spin(client);
		completion_ring_budget(client);
		completion_ring_arm(client);
		break;
	default:
		completion_ring_disarm(client);
		/* As at the end of a connection, from when on nobody sleeps. */
		if (step & 32)
			call_page_wake(client);
		break;
	}
}

/* Whatever head and tail say, an entry is given out only inside the queue. */
static void
queue_step(struct fuzz *fuzz, const struct data_queue *queue, uint8_t step)
{
	const uint8_t *start = queue->memory + queue->layout->header;
	const uint8_t *end = start + queue->capacity;
	struct data_queue_entry entry;

	switch (step % 5) {
	case 0:
		if (data_queue_peek(queue, &entry) != kIOReturnSuccess)
			break;
		FUZZ_CHECK(entry.data >= start && entry.data <= end);
		FUZZ_CHECK(entry.size <= (size_t)(end - entry.data));
		FUZZ_CHECK(entry.to <= queue->capacity);
		if (fuzz_u8(fuzz) & 1)
			data_queue_consume(queue, &entry);
		break;
	case 1:
		if (data_queue_reserve(queue, fuzz_u16(fuzz) % 300, &entry) != kIOReturnSuccess)
			break;
		FUZZ_CHECK(entry.data >= start && entry.data <= end);
		FUZZ_CHECK(entry.size <= (size_t)(end - entry.data));
		memset(entry.data, 1, entry.size);
		data_queue_publish(queue, &entry);
		break;
	case 2:
		data_queue_has_room(queue, fuzz_u16(fuzz), fuzz_u16(fuzz));
		break;
	case 3:
		data_queue_is_serviced(queue);
		break;
	default:
		data_queue_is_available(queue);
		break;
	}
}

static void
make_queues(struct fuzz *fuzz, struct data_queue queues[2])
{
	static const struct data_queue_layout *const layouts[] = {&data_queue_classic,
								  &data_queue_dispatch};

	for (unsigned i = 0; i < 2; i++) {
		uint32_t capacity = data_queue_round(layouts[i], 64u + fuzz_u8(fuzz) % 192u);

		memset(memory[i], 0, sizeof(memory[i]));
		data_queue_init(&queues[i], layouts[i], memory[i], capacity);
		FUZZ_CHECK(data_queue_adopt(&queues[i], layouts[i], memory[i],
					    data_queue_length(layouts[i], capacity)));
		FUZZ_CHECK(!data_queue_adopt(&(struct data_queue){0}, layouts[i], memory[i], 8));
		FUZZ_CHECK(data_queue_round(layouts[i], UINT64_MAX) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {data, data + size};
	struct call_page_client client = {0};
	struct call_page_host host = {0};
	struct data_queue queues[2];
	bool quiet = fuzz_u8(&fuzz) & 1;

	if (page == NULL)
		FUZZ_CHECK(posix_memalign((void **)&page, 4096, sizeof(*page)) == 0);
	memset(page, 0, offsetof(struct call_page, ring));
	call_page_init(&host, page);
	FUZZ_CHECK(call_page_is_valid(page));
	client.page = page;
	make_queues(&fuzz, queues);
	scribble_with(quiet ? NULL : write_any, fuzz_u64(&fuzz));
	while (fuzz_left(&fuzz) > 0) {
		uint8_t what = fuzz_u8(&fuzz);

		if (what < 64)
			write_word(what, fuzz_u64(&fuzz));
		else if (what < 128)
			host_step(&fuzz, &host, what);
		else if (what < 192)
			client_step(&fuzz, &client, what);
		else
			queue_step(&fuzz, &queues[what & 1], what >> 1);
	}
	scribble_with(NULL, 0);
	return 0;
}
