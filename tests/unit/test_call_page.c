/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>

#include "call_page.h"
#include "clock.h"
#include "one_cpu.h"
#include "sleepers.h"

static struct call_page *page;
static struct call_page_host host;
static struct call_page_client client;

static void
set(void)
{
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(page, MAP_FAILED);
	call_page_init(&host, page);
	client = (struct call_page_client){.page = page};
}

static void
host_is_elsewhere(void)
{
	atomic_store(&page->host_cpu.number, 1000000); /* wherever this thread is */
}

/* The host looks, and takes what was submitted, when somebody looks at the clock for the so-manyth
 * time. */
static unsigned takes_at;
static uint64_t ticks; /* 0: time goes on by itself, else by a microsecond for each look */

uint64_t __real_clock_now(void);
uint64_t __wrap_clock_now(void);

uint64_t
__wrap_clock_now(void)
{
	if (takes_at > 0 && --takes_at == 0) {
		call_page_will_look(&host);
		call_page_take(&host);
		host_is_elsewhere();
	}
	return ticks > 0 ? ticks++ * NSEC_PER_USEC : __real_clock_now();
}

/* --- layout --- */

START_TEST(each_word_has_a_line_of_its_own)
{
	static const size_t words[] = {
		offsetof(struct call_page, header),   offsetof(struct call_page, submitted),
		offsetof(struct call_page, armed),    offsetof(struct call_page, client_cpu),
		offsetof(struct call_page, host_cpu), offsetof(struct call_page, tail),
		offsetof(struct call_page, head),     offsetof(struct call_page, ring_armed),
		offsetof(struct call_page, overflow), offsetof(struct call_page, taken),
		offsetof(struct call_page, received),
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		ck_assert_uint_eq(words[i] % CALL_PAGE_LINE, 0);
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(words[i], words[k]);
	}
	ck_assert_uint_eq(offsetof(struct call_slot, reply) % CALL_PAGE_LINE, 0);
}
END_TEST

START_TEST(only_this_version_is_valid)
{
	set();
	ck_assert(call_page_is_valid(page));
	page->header.magic++;
	ck_assert(!call_page_is_valid(page));
	page->header.magic--;
	page->header.version++;
	ck_assert(!call_page_is_valid(page));
	page->header.version--;
	page->header.slots = 32;
	ck_assert(!call_page_is_valid(page));
	page->header.slots = CALL_PAGE_SLOTS;
	page->header.ring_entries *= 2;
	ck_assert(!call_page_is_valid(page));
}
END_TEST

/* --- calls --- */

START_TEST(the_host_takes_each_submission_once)
{
	set();
	ck_assert_uint_eq(call_page_take(&host), 0);
	call_page_submit(&client, 0);
	call_page_submit(&client, 63);
	ck_assert_uint_eq(call_page_take(&host), UINT64_C(1) << 63 | 1);
	ck_assert_uint_eq(call_page_take(&host), 0);
	/* A slot's second use flips its bit back. */
	call_page_submit(&client, 63);
	ck_assert_uint_eq(call_page_take(&host), UINT64_C(1) << 63);
}
END_TEST

START_TEST(one_ring_for_each_arming)
{
	set();
	/* Armed from birth. */
	ck_assert(call_page_submit(&client, 0));
	ck_assert(!call_page_submit(&client, 1));
	ck_assert_uint_eq(call_page_take(&host), 3);
	/* Awake: nobody rings. */
	call_page_disarm(&host);
	ck_assert(!call_page_submit(&client, 2));
	/* Armed anew, but something has come: the host does not sleep. */
	ck_assert(!call_page_arm(&host));
	ck_assert_uint_eq(call_page_take(&host), 4);
	ck_assert(call_page_arm(&host));
	ck_assert(call_page_submit(&client, 3));
	ck_assert(!call_page_submit(&client, 4));
	/* Armed twice without a look in between: a ring for the second, too. */
	ck_assert(!call_page_arm(&host));
	ck_assert(call_page_submit(&client, 5));
	ck_assert_uint_eq(call_page_take(&host), 0x38);
}
END_TEST

/* One whose host is going to look anyway wakes nobody, and the look finds what it submitted. */
START_TEST(a_page_that_is_held_is_not_rung_for)
{
	set();
	/* Never rung for: awake, and a ring is possible before the sleep. */
	call_page_hold(&host);
	ck_assert(!call_page_submit(&client, 0));
	ck_assert(call_page_is_left(&client, 0));
	call_page_disarm(&host);
	ck_assert_uint_eq(call_page_take(&host), 1);
	ck_assert(call_page_arm(&host));

	ck_assert(call_page_submit(&client, 1));
	call_page_heard(&host);
	call_page_disarm(&host);
	ck_assert_uint_eq(call_page_take(&host), 2);
	/* For those who come while the method runs. */
	ck_assert(call_page_arm(&host));
	call_page_hold(&host);
	ck_assert(!call_page_submit(&client, 2));
	ck_assert(!call_page_is_left(&client, 2));
	call_page_disarm(&host);
	ck_assert_uint_eq(call_page_take(&host), 4);
	/* The arming after it is a new one. */
	ck_assert(call_page_arm(&host));
	ck_assert(call_page_submit(&client, 3));
	ck_assert_uint_eq(call_page_take(&host), 8);
}
END_TEST

/* An armed word is no small number that comes back to what a client remembers. */
START_TEST(armings_are_told_apart_for_ever)
{
	set();
	host.sequence = UINT32_MAX;
	ck_assert(call_page_arm(&host));
	ck_assert(call_page_submit(&client, 0));
	ck_assert_uint_eq(call_page_take(&host), 1);
	ck_assert_uint_gt(atomic_load(&client.rung), UINT32_MAX);
}
END_TEST

START_TEST(who_submits_and_who_takes_say_where)
{
	set();
	stay_on_one_cpu();
	ck_assert_uint_eq(atomic_load(&page->client_cpu.number), 0);
	ck_assert(!call_page_can_spin(&host));
	call_page_submit(&client, 0);
	ck_assert_uint_eq(atomic_load(&page->client_cpu.number), spin_cpu());
	ck_assert(call_page_is_due(&host));
	ck_assert_uint_eq(call_page_take(&host), 1);
	ck_assert(!call_page_is_due(&host));
	ck_assert_uint_eq(atomic_load(&page->host_cpu.number), spin_cpu());
	/* The client was here. */
	ck_assert(!call_page_can_spin(&host));
	atomic_store(&page->client_cpu.number, spin_cpu() + 1);
	ck_assert(call_page_can_spin(&host));
}
END_TEST

START_TEST(who_waits_for_completions_spins_for_longer_while_the_host_is_awake)
{
	set();
	ck_assert_uint_eq(completion_ring_budget(&client), 0);
	host_is_elsewhere();
	ck_assert_uint_eq(completion_ring_budget(&client), SPIN_BUDGET);
	atomic_store(&page->armed.flag, 0);
	ck_assert_uint_eq(completion_ring_budget(&client), SPIN_BUDGET_AWAKE);
	call_page_arm(&host);
	ck_assert_uint_eq(completion_ring_budget(&client), SPIN_BUDGET);
}
END_TEST

START_TEST(a_client_that_goes_to_sleep_rings_if_its_call_was_left)
{
	set();
	host_is_elsewhere();
	/* Armed: it was rung for. */
	ck_assert(call_page_submit(&client, 0));
	ck_assert(!call_page_is_taken(&client, 0));
	ck_assert(!call_page_is_left(&client, 0));
	call_page_disarm(&host);
	/* Awake, and busy with something else. */
	ck_assert(call_page_is_left(&client, 0));
	ck_assert_uint_eq(call_page_take(&host), 1);
	ck_assert(call_page_is_taken(&client, 0));
	ck_assert(!call_page_is_left(&client, 0));
	/* The other use of the slot, and another slot. */
	ck_assert(!call_page_submit(&client, 0));
	ck_assert(!call_page_submit(&client, 63));
	ck_assert(call_page_is_left(&client, 0));
	ck_assert(call_page_is_left(&client, 63));
	ck_assert_uint_eq(call_page_take(&host), UINT64_C(1) << 63 | 1);
	ck_assert(!call_page_is_left(&client, 0));
	ck_assert(!call_page_is_left(&client, 63));
}
END_TEST

/* A host that is awake comes between two pieces of its work, if those are not too long. */
START_TEST(a_call_that_is_taken_soon_is_not_rung_for)
{
	set();
	host_is_elsewhere();
	ticks = 1;
	call_page_disarm(&host);
	ck_assert(!call_page_submit(&client, 0));
	takes_at = 1;
	ck_assert(!call_page_is_left(&client, 0));
	ck_assert(!call_page_submit(&client, 0));
	takes_at = 2;
	ck_assert(!call_page_is_left(&client, 0));
	/* After one time in vain the next goes by. */
	ck_assert(!call_page_submit(&client, 0));
	ck_assert(call_page_is_left(&client, 0));
	takes_at = 2;
	ck_assert(call_page_is_left(&client, 0));
	ck_assert(!call_page_is_left(&client, 0));
}
END_TEST

START_TEST(nor_is_what_is_looked_at_soon)
{
	set();
	host_is_elsewhere();
	ticks = 1;
	call_page_disarm(&host);
	for (unsigned i = 1; i <= 2; i++) {
		takes_at = i;
		ck_assert(!call_page_tell(&client));
	}
	ck_assert(call_page_tell(&client));
	takes_at = 2;
	ck_assert(call_page_tell(&client));
	ck_assert(!call_page_tell(&client));
	/* Asked for, it is rung for at once. */
	call_page_arm(&host);
	ck_assert(call_page_tell(&client));
	ck_assert(!call_page_tell(&client));
}
END_TEST

START_TEST(a_spin_ends_and_is_not_repeated_at_once)
{
	set();
	host_is_elsewhere();
	call_page_submit(&client, 0);
	ck_assert(!call_page_spin(&client, 0, 1));
	ck_assert_uint_eq(atomic_load(&client.spin.left), 1);
	/* This time it only looks. */
	ck_assert(!call_page_spin(&client, 0, 1));
	ck_assert_uint_eq(atomic_load(&client.spin.left), 0);
	ck_assert_uint_eq(atomic_load(&client.spin.failed), 1);
	call_slot_answer(&page->slot[0], 1);
	ck_assert(call_page_spin(&client, 0, 1));
	ck_assert_uint_eq(atomic_load(&client.spin.failed), 0);
}
END_TEST

START_TEST(nothing_is_tried_where_the_host_may_be_here)
{
	set();
	call_page_submit(&client, 0);
	ck_assert(!call_page_spin(&client, 0, 1));
	ck_assert_uint_eq(atomic_load(&client.spin.failed), 0);
	call_slot_answer(&page->slot[0], 1);
	ck_assert(call_page_spin(&client, 0, 1));
}
END_TEST

static uint64_t
soon(void)
{
	return clock_now() + 20 * NSEC_PER_MSEC;
}

START_TEST(answers_are_told_apart_by_generation)
{
	struct call_slot *slot;

	set();
	slot = &page->slot[5];
	ck_assert(!call_slot_is_answered(slot, 1));
	call_slot_answer(slot, 1);
	ck_assert(call_slot_is_answered(slot, 1));
	ck_assert(!call_slot_is_answered(slot, 2));
	ck_assert(call_page_wait(&client, 5, 1, 0));
	/* The top bit is not part of a generation. */
	call_slot_answer(slot, 0xffffffff);
	ck_assert(call_slot_is_answered(slot, 0x7fffffff));
	ck_assert_uint_eq(atomic_load(&slot->reply.answered), 0x7fffffff);
	ck_assert(call_slot_is_answered(slot, 0xffffffff));
}
END_TEST

START_TEST(wait_ends_at_its_deadline)
{
	uint64_t deadline;

	set();
	deadline = soon();
	errno = 1234;
	ck_assert(!call_page_wait(&client, 3, 1, deadline));
	ck_assert_int_eq(errno, 1234);
	ck_assert_uint_ge(clock_now(), deadline);
	/* The waiter bit is still there; it disturbs nobody. */
	ck_assert(!call_page_wait(&client, 3, 1, soon()));
	ck_assert(!call_slot_is_answered(&page->slot[3], 1));
	call_slot_answer(&page->slot[3], 1);
	ck_assert(call_page_wait(&client, 3, 1, soon()));
	ck_assert_uint_eq(atomic_load(&page->slot[3].reply.answered), 1);
	ck_assert(!call_page_wait(&client, 3, 2, 0));
}
END_TEST

/* Answers when the caller has said that it sleeps, then for all generations to come. */
static void *
answer_sleepers(void *context)
{
	for (uint32_t generation = 1; generation <= 200; generation++) {
		uint64_t deadline = clock_now() + 10 * NSEC_PER_SEC;

		while (!(atomic_load(&page->slot[9].reply.answered) & CALL_WAITER) &&
		       clock_now() < deadline)
			;
		call_slot_answer(&page->slot[9], generation);
	}
	return NULL;
}

START_TEST(an_answer_wakes_who_sleeps)
{
	pthread_t thread;

	set();
	ck_assert_int_eq(pthread_create(&thread, NULL, answer_sleepers, NULL), 0);
	for (uint32_t generation = 1; generation <= 200; generation++) {
		uint64_t begun = clock_now();

		ck_assert(call_page_wait(&client, 9, generation, begun + 10 * NSEC_PER_SEC));
		ck_assert_uint_lt(clock_now() - begun, 5 * NSEC_PER_SEC);
	}
	pthread_join(thread, NULL);
}
END_TEST

/* The futex is shared: the other side is another process. */
START_TEST(an_answer_of_another_process_wakes)
{
	int status;
	pid_t child;

	set();
	child = fork();
	if (child == 0) {
		answer_sleepers(NULL);
		_exit(0);
	}
	for (uint32_t generation = 1; generation <= 200; generation++)
		ck_assert(call_page_wait(&client, 9, generation, clock_now() + 10 * NSEC_PER_SEC));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(an_answer_wakes_one_of_those_who_sleep)
{
	static struct sleepers sleepers;

	set();
	atomic_store(&page->slot[7].reply.answered, CALL_WAITER);
	sleepers_start(&sleepers, &page->slot[7].reply.answered);
	call_slot_answer(&page->slot[7], 1);
	ck_assert_int_eq(sleepers_count(&sleepers), SLEEPERS - 1);
	sleepers_end(&sleepers);
}
END_TEST

/* --- completions --- */

static IOReturn
push(uint32_t index, bool *ret_wake)
{
	struct completion entry = {.kind = COMPLETION_CALL, .index = index, .count = 16};

	entry.arguments[15] = index;
	return completion_ring_push(&host, &entry, ret_wake);
}

static void
pop(uint32_t index, bool ring)
{
	struct completion entry;
	bool rings;

	ck_assert_int_eq(completion_ring_pop(&client, &entry, &rings), kIOReturnSuccess);
	ck_assert_uint_eq(entry.index, index);
	ck_assert_uint_eq(entry.arguments[15], index);
	ck_assert_msg(rings == ring, "entry %u: ring %d", index, rings);
}

START_TEST(completions_come_in_order_over_the_wrap)
{
	struct completion entry;
	bool wake, ring = true;

	set();
	/* Just before the counts themselves wrap. */
	host.tail = client.head = UINT32_MAX - 100;
	atomic_store(&page->tail.index, host.tail);
	atomic_store(&page->head.index, client.head);
	for (uint32_t i = 0; i < 5000; i += 3) {
		for (uint32_t k = 0; k < 3; k++) {
			ck_assert_int_eq(push(i + k, &wake), kIOReturnSuccess);
			ck_assert(!wake);
		}
		for (uint32_t k = 0; k < 3; k++)
			pop(i + k, false);
	}
	ck_assert_int_eq(completion_ring_pop(&client, &entry, &ring), kIOReturnUnderrun);
	ck_assert(!ring);
}
END_TEST

START_TEST(one_wake_for_each_arming)
{
	bool wake;

	set();
	ck_assert(completion_ring_arm(&client));
	ck_assert_int_eq(push(0, &wake), kIOReturnSuccess);
	ck_assert(wake);
	ck_assert_int_eq(push(1, &wake), kIOReturnSuccess);
	ck_assert(!wake);
	completion_ring_disarm(&client);
	pop(0, false);
	ck_assert_int_eq(push(2, &wake), kIOReturnSuccess);
	ck_assert(!wake);
	ck_assert(!completion_ring_arm(&client));
	pop(1, false);
	pop(2, false);
	ck_assert(completion_ring_arm(&client));
	ck_assert_int_eq(push(3, &wake), kIOReturnSuccess);
	ck_assert(wake);
}
END_TEST

START_TEST(a_full_ring_overwrites_nothing_and_rings_at_half)
{
	bool wake;

	set();
	for (uint32_t i = 0; i < COMPLETION_RING_MAX; i++)
		ck_assert_int_eq(push(i, &wake), kIOReturnSuccess);
	ck_assert_int_eq(push(1, &wake), kIOReturnOverrun);
	ck_assert_uint_eq(host.tail, COMPLETION_RING_MAX);
	ck_assert(completion_ring_await_room(&host));
	for (uint32_t i = 0; i < COMPLETION_RING_MAX / 2; i++)
		pop(i, i == COMPLETION_RING_MAX / 2 - 1);
	pop(COMPLETION_RING_MAX / 2, false);
	completion_ring_room_found(&host);
	ck_assert_int_eq(push(COMPLETION_RING_MAX, &wake), kIOReturnSuccess);
	pop(COMPLETION_RING_MAX / 2 + 1, false);
	/* There is room for half a ring: no reason to wait. */
	ck_assert(!completion_ring_await_room(&host));
	/* Nobody waits any more, but the flag is up: the next pop may ring, once. */
	pop(COMPLETION_RING_MAX / 2 + 2, true);
	pop(COMPLETION_RING_MAX / 2 + 3, false);
}
END_TEST

/* The counts that a hostile peer can write. */
START_TEST(impossible_counts_are_found)
{
	/* With the ring full: entries read that were not there, or more than a full ring. */
	static const uint32_t heads[] = {COMPLETION_RING_MAX + 1, 5000, 1u << 31, UINT32_MAX};
	struct completion entry;
	bool wake = true, ring = true;

	set();
	for (uint32_t i = 0; i < COMPLETION_RING_MAX; i++)
		ck_assert_int_eq(push(i, &wake), kIOReturnSuccess);
	for (unsigned i = 0; i < 4; i++) {
		atomic_store(&page->head.index, heads[i]);
		ck_assert_int_eq(push(0, &wake), kIOReturnIPCError);
		ck_assert(!wake);
		/* The host does not wait for room that such a client will never announce. */
		ck_assert(!completion_ring_await_room(&host));
	}
	ck_assert_uint_eq(host.tail, COMPLETION_RING_MAX);
	atomic_store(&page->tail.index, COMPLETION_RING_MAX + 1);
	ck_assert_int_eq(completion_ring_pop(&client, &entry, &ring), kIOReturnIPCError);
	ck_assert(!ring);
	atomic_store(&page->tail.index, UINT32_MAX);
	ck_assert_int_eq(completion_ring_pop(&client, &entry, &ring), kIOReturnIPCError);
	ck_assert_uint_eq(client.head, 0);
}
END_TEST

/* Whatever the peer writes over the words, no access leaves the page. */
START_TEST(own_counts_do_not_come_from_the_page)
{
	bool wake;

	set();
	ck_assert_int_eq(push(7, &wake), kIOReturnSuccess);
	atomic_store(&page->head.index, 0);
	pop(7, false);
	ck_assert_uint_eq(atomic_load(&page->head.index), 1);
	atomic_store(&page->tail.index, 12345);
	ck_assert_int_eq(push(8, &wake), kIOReturnSuccess);
	ck_assert_uint_eq(atomic_load(&page->tail.index), 2);
}
END_TEST

UNIT_MAIN("call_page", each_word_has_a_line_of_its_own, only_this_version_is_valid,
	  the_host_takes_each_submission_once, one_ring_for_each_arming,
	  a_page_that_is_held_is_not_rung_for, who_submits_and_who_takes_say_where,
	  who_waits_for_completions_spins_for_longer_while_the_host_is_awake,
	  a_client_that_goes_to_sleep_rings_if_its_call_was_left,
	  a_call_that_is_taken_soon_is_not_rung_for, nor_is_what_is_looked_at_soon,
	  a_spin_ends_and_is_not_repeated_at_once, nothing_is_tried_where_the_host_may_be_here,
	  armings_are_told_apart_for_ever, answers_are_told_apart_by_generation,
	  wait_ends_at_its_deadline, an_answer_wakes_who_sleeps, an_answer_of_another_process_wakes,
	  an_answer_wakes_one_of_those_who_sleep, completions_come_in_order_over_the_wrap,
	  one_wake_for_each_arming, a_full_ring_overwrites_nothing_and_rings_at_half,
	  impossible_counts_are_found, own_counts_do_not_come_from_the_page)
