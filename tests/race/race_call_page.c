/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three pairs of the call page where each side writes its own word and then reads the other's.
 *
 * First without sleeping: both sides come to the critical place at the same instant, many thousand
 * times, and after each time it must not be so that one has decided to sleep and the other not to
 * ring. Then with real sleeps, doorbell and pipe between two processes, where what is lost shows as
 * a deadline.
 */
#include "unit.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "call_page.h"
#include "doorbell.h"
#include "rounds.h"

#define ROUNDS_MAX    300000u
#define SLEEPS_MAX    20000u
#define WAKE_DEADLINE 10000 /* ms */
#define RING_HALF     (COMPLETION_RING_MAX / 2)

struct shared {
	struct call_page page;
	struct call_page_host host;
	struct call_page_client client;
	struct meeting meeting;
	_Alignas(128) _Atomic bool over;
	bool sleeps, rings;			  /* what the two sides decided in this round */
	int doorbell, set, pipe_read, pipe_write; /* set: an epoll set with the doorbell */
	_Atomic uint32_t echo;
	_Atomic uint32_t lost;
};

static struct shared *shared;

static void
set(void)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	call_page_init(&shared->host, &shared->page);
	shared->client.page = &shared->page;
	ck_assert_int_eq(doorbell_create(&shared->doorbell), kIOReturnSuccess);
	shared->set = epoll_create1(EPOLL_CLOEXEC);
	ck_assert_int_eq(epoll_ctl(shared->set, EPOLL_CTL_ADD, shared->doorbell, &event), 0);
	ck_assert_int_eq(bell_pipe_create(&shared->pipe_read, &shared->pipe_write),
			 kIOReturnSuccess);
}

static void
push(void)
{
	static const struct completion entry = {.kind = COMPLETION_CALL};

	ck_assert_int_eq(completion_ring_push(&shared->host, &entry, &shared->rings),
			 kIOReturnSuccess);
}

static void
pop(bool *ret_ring)
{
	struct completion entry;

	ck_assert_int_eq(completion_ring_pop(&shared->client, &entry, ret_ring), kIOReturnSuccess);
}

/* --- both at once --- */

/* A pair: what the one who may sleep and the one who may ring do in a round, and after it. */
struct pair {
	void (*sleeper)(void);
	void (*sleeper_after)(void);
	void (*ringer)(void);
	void (*ringer_after)(void);
};

static void
host_arms(void)
{
	shared->sleeps = call_page_arm(&shared->host);
}

static void
host_takes(void)
{
	call_page_disarm(&shared->host);
	ck_assert_uint_eq(call_page_take(&shared->host), 1);
}

static void
client_submits(void)
{
	shared->rings = call_page_submit(&shared->client, 0);
}

static void
client_arms(void)
{
	shared->sleeps = completion_ring_arm(&shared->client);
}

static void
client_pops(void)
{
	bool ring;

	completion_ring_disarm(&shared->client);
	pop(&ring);
}

static void
host_awaits_room(void)
{
	shared->sleeps = completion_ring_await_room(&shared->host);
}

/* The client's next pop will be the one that leaves half a ring. */
static void
host_fills(void)
{
	bool rings = shared->rings;

	completion_ring_room_found(&shared->host);
	push();
	shared->rings = rings;
}

static void
client_makes_room(void)
{
	pop(&shared->rings);
}

static void
nothing(void)
{
}

static const struct pair submission = {host_arms, host_takes, client_submits, nothing};
static const struct pair completion = {client_arms, client_pops, push, nothing};
static const struct pair room = {host_awaits_room, host_fills, client_makes_room, nothing};

static void *
play_ringer(void *context)
{
	const struct pair *pair = context;
	uint32_t state = 3, mine = 0;

	for (;;) {
		meet(&shared->meeting, &mine);
		if (atomic_load(&shared->over))
			return NULL;
		jitter(&state);
		pair->ringer();
		meet(&shared->meeting, &mine);
		pair->ringer_after();
		meet(&shared->meeting, &mine);
	}
}

static void
play(const struct pair *pair)
{
	uint64_t end = clock_now() + ROUNDS_NSEC;
	uint32_t state = 1, mine = 0, slept = 0, rang = 0, rounds;
	pthread_t ringer;

	ck_assert_int_eq(pthread_create(&ringer, NULL, play_ringer, (void *)(uintptr_t)pair), 0);
	for (rounds = 0; rounds < ROUNDS_MAX; rounds++) {
		if (rounds % 64 == 0 && clock_now() > end)
			break;
		meet(&shared->meeting, &mine);
		jitter(&state);
		pair->sleeper();
		meet(&shared->meeting, &mine);
		ck_assert_msg(!shared->sleeps || shared->rings, "round %u: a wake-up is lost",
			      rounds);
		slept += shared->sleeps ? 1 : 0;
		rang += shared->rings ? 1 : 0;
		pair->sleeper_after();
		meet(&shared->meeting, &mine);
	}
	atomic_store(&shared->over, true);
	meet(&shared->meeting, &mine);
	pthread_join(ringer, NULL);
	/* Both orders did happen, else nothing was tried. */
	ck_assert_uint_gt(slept, 0);
	ck_assert_uint_lt(slept, rounds);
	ck_assert_uint_ge(rang, slept);
}

START_TEST(submission_against_armed)
{
	set();
	call_page_disarm(&shared->host);
	play(&submission);
}
END_TEST

START_TEST(completion_against_ring_armed)
{
	set();
	play(&completion);
}
END_TEST

START_TEST(room_against_overflow)
{
	set();
	for (unsigned i = 0; i <= RING_HALF; i++)
		push();
	play(&room);
}
END_TEST

/* --- asleep and awake --- */

/* False: nobody rang in time. */
static bool
sleep_on(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	int count;

	do
		count = poll(&wait, 1, WAKE_DEADLINE);
	while (count < 0 && errno == EINTR);
	return count == 1;
}

/* As a host has it, which never reads it. */
static bool
sleep_on_doorbell(void)
{
	struct epoll_event event;
	int count;

	do
		count = epoll_wait(shared->set, &event, 1, WAKE_DEADLINE);
	while (count < 0 && errno == EINTR);
	return count == 1;
}

static void
lose(const char *what)
{
	atomic_store(&shared->lost, 1);
	fprintf(stderr, "%s: a wake-up is lost\n", what);
	_exit(1);
}

static bool
is_over(uint32_t rounds, uint64_t end)
{
	return rounds == SLEEPS_MAX || (rounds % 16 == 0 && clock_now() > end);
}

static void
finish(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	ck_assert_uint_eq(atomic_load(&shared->lost), 0);
	ck_assert_int_eq(status, 0);
}

/* The host as a process: looks a few times, then sleeps until the doorbell. Slot 1 ends it. */
static void
serve_calls(void)
{
	uint32_t generation = 0, state = 5;
	uint64_t bits;

	for (;;) {
		bits = 0;
		for (uint32_t looks = scatter(&state) % 64; looks > 0 && bits == 0; looks--)
			bits = call_page_take(&shared->host);
		while (bits == 0 && !call_page_arm(&shared->host))
			bits = call_page_take(&shared->host);
		if (bits == 0) {
			if (!sleep_on_doorbell())
				lose("doorbell");
			call_page_disarm(&shared->host);
			bits = call_page_take(&shared->host);
		}
		if (bits & 2)
			_exit(0);
		if (bits & 1)
			call_slot_answer(&shared->page.slot[0], ++generation);
		call_page_disarm(&shared->host);
	}
}

START_TEST(calls_wake_a_sleeping_host)
{
	uint64_t end = clock_now() + ROUNDS_NSEC;
	uint32_t generation, state = 7;
	pid_t child;

	set();
	child = fork();
	if (child == 0)
		serve_calls();
	for (generation = 1; !is_over(generation, end); generation++) {
		jitter(&state);
		if (call_page_submit(&shared->client, 0))
			doorbell_ring(shared->doorbell);
		ck_assert_msg(call_page_wait(&shared->client, 0, generation,
					     clock_now() + 2 * WAKE_DEADLINE * NSEC_PER_MSEC),
			      "no answer to call %u", generation);
	}
	if (call_page_submit(&shared->client, 1))
		doorbell_ring(shared->doorbell);
	finish(child);
}
END_TEST

/* The client as a process; echoes how many entries it took, until one of another kind comes. */
static void
take_completions(void)
{
	struct completion entry;
	IOReturn res;
	bool ring;

	for (;;) {
		res = completion_ring_pop(&shared->client, &entry, &ring);
		if (res == kIOReturnUnderrun) {
			if (completion_ring_arm(&shared->client)) {
				if (!sleep_on(shared->pipe_read))
					lose("pipe");
				bell_pipe_drain(shared->pipe_read);
			}
			completion_ring_disarm(&shared->client);
			continue;
		}
		if (res != kIOReturnSuccess)
			lose("ring");
		if (ring)
			doorbell_ring(shared->doorbell);
		if (entry.kind == COMPLETION_RELEASED)
			_exit(0);
		atomic_fetch_add(&shared->echo, 1);
	}
}

/*
 * The same by one who takes without asking for the bell or hearing it, and asks again only when it
 * has heard it: as connection_take and connection_drain do.
 */
static void
take_while_awake(void)
{
	struct completion entry;
	uint32_t state = 11;
	IOReturn res;
	bool ring, idle = completion_ring_arm(&shared->client);

	for (;;) {
		res = kIOReturnUnderrun;
		for (uint32_t looks = 1 + scatter(&state) % 64; looks > 0 && res != 0; looks--)
			res = completion_ring_is_due(&shared->client)
				      ? completion_ring_pop(&shared->client, &entry, &ring)
				      : kIOReturnUnderrun;
		while (res == kIOReturnUnderrun) {
			if (idle && !sleep_on(shared->pipe_read))
				lose("pipe");
			bell_pipe_drain(shared->pipe_read);
			completion_ring_disarm(&shared->client);
			res = completion_ring_pop(&shared->client, &entry, &ring);
			idle = completion_ring_arm(&shared->client);
		}
		if (res != kIOReturnSuccess)
			lose("ring");
		if (entry.kind == COMPLETION_RELEASED)
			_exit(0);
		atomic_fetch_add(&shared->echo, 1);
	}
}

static void
send_completion(uint32_t kind)
{
	struct completion entry = {.kind = kind};
	IOReturn res;
	bool wake;

	while ((res = completion_ring_push(&shared->host, &entry, &wake)) == kIOReturnOverrun) {
		if (completion_ring_await_room(&shared->host))
			ck_assert_msg(sleep_on_doorbell(), "no ring for room");
		completion_ring_room_found(&shared->host);
	}
	ck_assert_int_eq(res, kIOReturnSuccess);
	if (wake)
		bell_pipe_ring(shared->pipe_write);
}

static void
await_echo(uint32_t count)
{
	uint64_t deadline = clock_now() + 2 * WAKE_DEADLINE * NSEC_PER_MSEC;
	unsigned spins = 0;

	while (atomic_load(&shared->echo) < count) {
		if (++spins % 4096 != 0)
			continue;
		ck_assert_msg(clock_now() < deadline, "entry %u was not taken", count);
		sched_yield();
	}
}

START_TEST(completions_wake_a_sleeping_client)
{
	uint64_t end = clock_now() + ROUNDS_NSEC;
	uint32_t count, state = 9;
	pid_t child;

	set();
	child = fork();
	if (child == 0)
		take_completions();
	for (count = 1; !is_over(count, end); count++) {
		send_completion(COMPLETION_CALL);
		await_echo(count);
		jitter(&state);
	}
	send_completion(COMPLETION_RELEASED);
	finish(child);
}
END_TEST

START_TEST(completions_wake_one_who_took_while_awake)
{
	uint64_t end = clock_now() + ROUNDS_NSEC;
	uint32_t count, state = 13;
	pid_t child;

	set();
	child = fork();
	if (child == 0)
		take_while_awake();
	for (count = 1; !is_over(count, end); count++) {
		send_completion(COMPLETION_CALL);
		await_echo(count);
		jitter(&state);
	}
	send_completion(COMPLETION_RELEASED);
	finish(child);
}
END_TEST

START_TEST(room_wakes_a_waiting_host)
{
	uint64_t end = clock_now() + ROUNDS_NSEC;
	uint32_t count;
	pid_t child;

	set();
	child = fork();
	if (child == 0)
		take_completions();
	/* A stream faster than its reader: the ring is full most of the time. */
	for (count = 0; count < 2000000 && (count % 1024 != 0 || clock_now() < end); count++)
		send_completion(COMPLETION_CALL);
	await_echo(count);
	send_completion(COMPLETION_RELEASED);
	finish(child);
}
END_TEST

UNIT_MAIN("race_call_page", submission_against_armed, completion_against_ring_armed,
	  room_against_overflow, calls_wake_a_sleeping_host, completions_wake_a_sleeping_client,
	  completions_wake_one_who_took_while_awake, room_wakes_a_waiting_host)
