/* SPDX-License-Identifier: Apache-2.0 */
/* Data queues of a real driver against apps of bytes: CALL_LISTEN, and memory that is scribbled on.
 */
#define UNIT_TIMEOUT_SEC 60
#include "driver_fixture.h"
#include "unit.h"

#include <sched.h>

#include "data_queue.h"
#include "raw_client.h"

#define CLASSIC	  19u
#define DISPATCH  20u
#define SCRIBBLES 3000u

static const struct data_queue_layout *
layout_of(uint64_t type)
{
	return type == CLASSIC ? &data_queue_classic : &data_queue_dispatch;
}

/* The queue of that type, mapped. */
static void
map_queue(struct raw *raw, uint64_t type, struct data_queue *ret_queue)
{
	static struct packet packet;
	uint32_t flag = type == CLASSIC ? CALL_QUEUE_CLASSIC : CALL_QUEUE_DISPATCH;
	struct call_reply *reply;
	uint64_t length;
	void *memory;
	int fd;

	raw_request(raw, 0, CALL_MAP, type)->scalar_in_count = 1;
	reply = raw_call(raw, 0);
	ck_assert_int_eq(reply->status, kIOReturnSuccess);
	ck_assert_uint_eq(reply->flags, flag);
	length = reply->map_length;
	ck_assert_uint_eq(length, data_queue_length(layout_of(type), FIXTURE_QUEUE_BYTES));
	raw_receive(raw, &packet);
	ck_assert_int_eq(packet.header->type, PACKET_MEMORY);
	raw_ack(raw, packet.header->sequence);
	fd = packet_take_fd(&packet, 0);
	memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	close(fd);
	ck_assert(data_queue_adopt(ret_queue, layout_of(type), memory, length));
}

static void
unmap_queue(struct data_queue *queue)
{
	munmap(queue->memory, data_queue_length(queue->layout, queue->capacity));
}

static void
put(struct raw *raw, struct data_queue *queue)
{
	struct data_queue_entry entry;

	ck_assert_int_eq(data_queue_reserve(queue, 8, &entry), kIOReturnSuccess);
	memset(entry.data, 1, 8);
	if (data_queue_publish(queue, &entry) && call_page_tell(&raw->page))
		doorbell_ring(raw->doorbell);
}

static void
take(struct data_queue *queue)
{
	struct data_queue_entry entry;

	ck_assert_int_eq(data_queue_peek(queue, &entry), kIOReturnSuccess);
	ck_assert_uint_eq(entry.size, 8);
	data_queue_consume(queue, &entry);
}

/* --- CALL_LISTEN --- */

static IOReturn
listen_to(struct raw *raw, uint64_t type, uint32_t index, uint32_t generation)
{
	struct call_request *request = raw_request(raw, 0, CALL_LISTEN, type);

	request->flags = CALL_ASYNC;
	request->async_index = index;
	request->async_generation = generation;
	return raw_call(raw, 0)->status;
}

static IOReturn
enqueue(struct raw *raw, uint64_t count, uint64_t type)
{
	struct call_request *request = raw_request(raw, 0, CALL_METHOD, TEST_ENQUEUE);

	request->scalar_in_count = 2;
	request->scalars[0] = count;
	request->scalars[1] = type;
	return raw_call(raw, 0)->status;
}

static void
expect(struct raw *raw, uint32_t kind, uint32_t index, uint32_t generation)
{
	struct completion entry;

	raw_completion(raw, &entry);
	ck_assert_uint_eq(entry.kind, kind);
	ck_assert_uint_eq(entry.index, index);
	ck_assert_uint_eq(entry.generation, generation);
	ck_assert_uint_eq(entry.count, 0);
}

static void
expect_nothing(struct raw *raw)
{
	struct completion entry;
	bool ring;

	ck_assert_int_eq(completion_ring_pop(&raw->page, &entry, &ring), kIOReturnUnderrun);
}

START_TEST(who_listens_is_told)
{
	uint64_t type = (uint64_t[]){CLASSIC, DISPATCH}[_i];
	struct data_queue queue;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	/* The last index, and before it is mapped. */
	ck_assert_int_eq(listen_to(&raw, type, DEXT_LIMIT_ASYNC - 1, 7), kIOReturnSuccess);
	map_queue(&raw, type, &queue);
	ck_assert_int_eq(enqueue(&raw, 3, type), kIOReturnSuccess);
	expect(&raw, COMPLETION_CALL, DEXT_LIMIT_ASYNC - 1, 7);
	expect_nothing(&raw);
	/* What is there already is told to who comes now, and the earlier one is released. */
	ck_assert_int_eq(listen_to(&raw, type, 5, 1), kIOReturnSuccess);
	for (int i = 0; i < 2; i++) {
		struct completion entry;

		raw_completion(&raw, &entry);
		ck_assert_uint_eq(entry.kind,
				  entry.index == 5 ? COMPLETION_CALL : COMPLETION_RELEASED);
	}
	for (int i = 0; i < 3; i++)
		take(&queue);
	/* None: nobody is told. */
	raw_request(&raw, 0, CALL_LISTEN, type);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnSuccess);
	expect(&raw, COMPLETION_RELEASED, 5, 1);
	ck_assert_int_eq(enqueue(&raw, 1, type), kIOReturnSuccess);
	expect_nothing(&raw);
	/* The registration ends with the memory. */
	ck_assert_int_eq(listen_to(&raw, type, 5, 2), kIOReturnSuccess);
	expect(&raw, COMPLETION_CALL, 5, 2);
	raw_request(&raw, 0, CALL_UNMAP, type);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnSuccess);
	expect(&raw, COMPLETION_RELEASED, 5, 2);
	unmap_queue(&queue);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(what_is_no_queue_cannot_be_listened_to)
{
	static const struct {
		uint64_t type;
		IOReturn status;
	} cases[] = {
		{3, kIOReturnUnsupported},  {8, kIOReturnUnsupported},
		{18, kIOReturnUnsupported}, {16, kIOReturnBadArgument},
		{21, kIOReturnUnsupported}, {UINT64_MAX, kIOReturnUnsupported},
	};
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(listen_to(&raw, cases[i].type, 0, i + 1), cases[i].status);
		expect(&raw, COMPLETION_RELEASED, 0, i + 1);
	}
	/* Nor does it count as mapped. */
	raw_request(&raw, 0, CALL_UNMAP, 3);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnBadArgument);
	raw_close(&raw);
	fixture_end();
}
END_TEST

static void
break_flags(struct call_request *request)
{
	request->flags = CALL_ASYNC | CALL_LARGE_INPUT;
}

static void
break_unknown_flags(struct call_request *request)
{
	request->flags = CALL_ASYNC | 1 << 15;
}

static void
break_scalar_in(struct call_request *request)
{
	request->scalar_in_count = 1;
}

static void
break_scalar_out(struct call_request *request)
{
	request->scalar_out_count = 1;
}

static void
break_structure_in(struct call_request *request)
{
	request->structure_in_size = 1;
}

static void
break_structure_out(struct call_request *request)
{
	request->structure_out_size = 1;
}

static void
break_zero(struct call_request *request)
{
	request->zero[1] = 1;
}

static void
break_index(struct call_request *request)
{
	request->async_index = DEXT_LIMIT_ASYNC;
}

/* Of the registration that is alive. */
static void
break_registration(struct call_request *request)
{
	request->async_index = 9;
}

static void
break_operation(struct call_request *request)
{
	request->operation = CALL_LISTEN + 1;
}

static void (*const breaks[])(struct call_request *request) = {
	break_flags,	    break_unknown_flags, break_scalar_in, break_scalar_out,
	break_structure_in, break_structure_out, break_zero,	  break_index,
	break_registration, break_operation,
};

START_TEST(a_broken_rule_ends_the_connection)
{
	struct call_request *request;
	struct raw raw, other;

	fixture_start();
	raw_open(&other);
	raw_open(&raw);
	ck_assert_int_eq(listen_to(&raw, CLASSIC, 9, 1), kIOReturnSuccess);
	request = raw_request(&raw, 0, CALL_LISTEN, CLASSIC);
	request->flags = CALL_ASYNC;
	request->async_generation = 2;
	breaks[_i](request);
	raw_submit(&raw, 0);
	raw_expect_end(&raw);
	raw_free(&raw);
	raw_echo(&other, 1);
	raw_close(&other);
	fixture_end();
}
END_TEST

/* --- what the app writes there --- */

START_TEST(entries_reach_the_driver)
{
	uint64_t type = (uint64_t[]){CLASSIC, DISPATCH}[_i];
	struct data_queue queue;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	map_queue(&raw, type, &queue);
	for (unsigned i = 1; i <= 200; i++) {
		put(&raw, &queue);
		meter_wait(&fixture.taken, i);
	}
	unmap_queue(&queue);
	raw_close(&raw);
	fixture_end();
}
END_TEST

static uint32_t
nonsense(uint32_t *state)
{
	static const uint32_t likely[] = {
		0, 1, 4, 8, 252, 255, 256, 257, 260, 1u << 31, UINT32_MAX - 3, UINT32_MAX};

	*state = *state * 1664525u + 1013904223u;
	return *state >> 31 ? likely[(*state >> 8) % 12] : (*state >> 8) % 300;
}

struct scribbler {
	struct data_queue *queue;
	_Atomic bool stop;
};

/* All words of the header, and sizes among the entries, at any instant. */
static void *
scribble(void *context)
{
	struct scribbler *scribbler = context;
	uint8_t *memory = scribbler->queue->memory;
	uint32_t header = scribbler->queue->layout->header, state = 1;

	while (!atomic_load(&scribbler->stop)) {
		uint32_t at = nonsense(&state) % FIXTURE_QUEUE_BYTES & ~3u;
		_Atomic uint32_t *word = (_Atomic uint32_t *)(void *)(memory + at % header);

		atomic_store_explicit(word, nonsense(&state), memory_order_relaxed);
		word = (_Atomic uint32_t *)(void *)(memory + header + at);
		atomic_store_explicit(word, nonsense(&state), memory_order_relaxed);
	}
	return NULL;
}

START_TEST(a_scribbling_app_harms_itself_only)
{
	uint64_t type = (uint64_t[]){CLASSIC, DISPATCH}[_i];
	struct data_queue queue, good;
	struct scribbler scribbler = {.queue = &queue};
	struct raw raw, other;
	pthread_t thread;

	fixture_start();
	raw_open(&raw);
	raw_open(&other);
	map_queue(&raw, type, &queue);
	ck_assert_int_eq(listen_to(&raw, type, 0, 1), kIOReturnSuccess);
	map_queue(&other, type, &good);
	ck_assert_int_eq(pthread_create(&thread, NULL, scribble, &scribbler), 0);
	for (unsigned i = 1; i <= SCRIBBLES; i++) {
		struct completion entry;
		bool ring;

		if (call_page_tell(&raw.page))
			doorbell_ring(raw.doorbell);
		/* First the driver takes what it believes to be there, then it puts. */
		if (i > SCRIBBLES / 2)
			enqueue(&raw, 2, type);
		while (completion_ring_pop(&raw.page, &entry, &ring) == kIOReturnSuccess)
			ck_assert_uint_eq(entry.kind, COMPLETION_CALL);
	}
	atomic_store(&scribbler.stop, true);
	pthread_join(thread, NULL);
	/* The driver is well, and so are the other app's queue and this one's calls. */
	raw_echo(&raw, 1);
	raw_close(&raw);
	/* A handler of the first queue may still be at it. */
	meter_reset(&fixture.taken);
	put(&other, &good);
	meter_wait(&fixture.taken, 1);
	unmap_queue(&queue);
	unmap_queue(&good);
	raw_close(&other);
	fixture_end();
}
END_TEST

/* --- a host that is awake --- */

/*
 * The host is on one CPU and this thread on another, without which it does not spin. False: there
 * is but one.
 */
static bool
start_apart(void)
{
	cpu_set_t all, one[2];
	unsigned count = 0;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE && count < 2; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one[count]);
		CPU_SET(cpu, &one[count++]);
	}
	if (count == 2)
		ck_assert_int_eq(sched_setaffinity(0, sizeof(one[0]), &one[0]), 0);
	fixture_start();
	if (count == 2)
		ck_assert_int_eq(sched_setaffinity(0, sizeof(one[1]), &one[1]), 0);
	return count == 2;
}

/*
 * Calls until the host looked at the page by itself after so many in a row, or half a second: one
 * that was rung looks for a moment only.
 */
static void
heat(struct raw *raw, unsigned calls)
{
	uint64_t deadline = clock_now() + RAW_DEADLINE / 40;

	for (unsigned unarmed = 0; unarmed < calls && clock_now() < deadline;) {
		raw_echo(raw, 0);
		unarmed = raw_is_unarmed(raw) ? unarmed + 1 : 0;
	}
}

/* To the thread that looks, if that is soon: one that is rung would look afterwards. */
static void
submit_to_who_looks(struct raw *raw, unsigned slot)
{
	uint64_t deadline = clock_now() + NSEC_PER_MSEC;

	raw_submit(raw, slot);
	while (!call_page_is_taken(&raw->page, slot) && clock_now() < deadline)
		spin_relax();
	if (call_page_is_left(&raw->page, slot))
		doorbell_ring(raw->doorbell);
}

/*
 * Says that something was queued, although nothing was, and does not ring. True: no thread of the
 * host looks, and none will by itself.
 */
static bool
is_left_alone(struct raw *raw)
{
	struct call_page *page = raw->page.page;
	uint32_t mine = atomic_fetch_add(&page->queued.count, 1) + 1;
	uint64_t deadline = clock_now() + NSEC_PER_SEC / 50;

	while (clock_now() < deadline)
		if ((int32_t)(atomic_load(&page->looked.count) - mine) >= 0)
			return false;
	return raw_is_unarmed(raw);
}

/*
 * The thread that spins runs a method that blocks, and leaves the page unarmed: an entry is for
 * the handler of another queue all the same. Nobody sleeps on it, who would ring later.
 */
START_TEST(a_method_that_blocks_keeps_no_entry_waiting)
{
	const uint64_t deadline = clock_now() + 2 * RAW_DEADLINE;
	const bool can_spin = start_apart();
	struct data_queue queue;
	bool left = false;
	struct raw raw;

	raw_open(&raw);
	map_queue(&raw, DISPATCH, &queue);
	raw_request(&raw, 0, CALL_METHOD, TEST_OWN_QUEUE);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnSuccess);
	for (unsigned round = 1; !left && clock_now() < deadline; round++) {
		meter_reset(&fixture.go);
		heat(&raw, 16);
		raw_request(&raw, 1, CALL_METHOD, TEST_BLOCK);
		submit_to_who_looks(&raw, 1);
		meter_wait(&fixture.entered, round);
		left = is_left_alone(&raw);
		put(&raw, &queue);
		meter_wait(&fixture.taken, round);
		ck_assert(!call_slot_is_answered(&raw.page.page->slot[1], round));
		meter_raise(&fixture.go);
		raw_wait(&raw, 1);
		if (!can_spin)
			break;
	}
	ck_assert_msg(left || !can_spin, "no entry came while no thread looked");
	unmap_queue(&queue);
	raw_close(&raw);
	fixture_end();
}
END_TEST

/* The thread that spins sees the entry itself: the app needs no system call. */
START_TEST(a_host_that_spins_sees_entries)
{
	struct data_queue queue;
	struct raw raw;
	uint32_t state;
	unsigned seen = 0;

	fixture_start();
	raw_open(&raw);
	map_queue(&raw, DISPATCH, &queue);
	for (unsigned round = 1; round <= 200; round++) {
		struct data_queue_entry entry;

		heat(&raw, 1);
		ck_assert_int_eq(data_queue_reserve(&queue, 8, &entry), kIOReturnSuccess);
		state = raw_is_unarmed(&raw);
		data_queue_publish(&queue, &entry);
		if (call_page_tell(&raw.page))
			doorbell_ring(raw.doorbell);
		else
			seen += state;
		meter_wait(&fixture.taken, round);
	}
	log_info("%u of 200 entries were seen by a thread that spins", seen);
	unmap_queue(&queue);
	raw_close(&raw);
	fixture_end();
}
END_TEST

UNIT_LOOP_MAIN("host_queues", {who_listens_is_told, 2}, {what_is_no_queue_cannot_be_listened_to, 1},
	       {a_broken_rule_ends_the_connection, sizeof(breaks) / sizeof(breaks[0])},
	       {entries_reach_the_driver, 2}, {a_scribbling_app_harms_itself_only, 2},
	       {a_method_that_blocks_keeps_no_entry_waiting, 1},
	       {a_host_that_spins_sees_entries, 1})
