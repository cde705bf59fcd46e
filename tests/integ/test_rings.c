/* SPDX-License-Identifier: Apache-2.0 */
/* Rings between real processes: the driver of examples/ring_submit, and what goes wrong. */
#define UNIT_TIMEOUT_SEC 120
#include "harness.h"
#include "squares.h"
#include "unit.h"

#include <dext_ring.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#include <mach/mach.h>

/* Less under a sanitizer: a wake-up that is lost shows at any count as a deadline. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MANY 100000u
#else
#define MANY 1000000u
#endif

#define DEADLINE  UINT64_C(60000000000)
#define BATCH_MAX 64u

static struct harness harness;
static dext_ring_t *ring;

static void
start(void)
{
	harness_start(&harness, (const char *[]){harness_bundle("RING_SUBMIT_BUNDLE"), NULL});
}

static io_connect_t
open_ring(uint32_t options)
{
	io_connect_t connect = harness_open("RingSubmit", 0);
	struct dext_ring_info info;

	ck_assert_int_eq(dext_ring_create(connect, SQUARES_RINGS, options, &ring),
			 kIOReturnSuccess);
	dext_ring_get_info(ring, &info);
	ck_assert_uint_eq(info.entry_size, sizeof(struct square));
	ck_assert_uint_eq(info.submissions, SQUARES_ENTRIES);
	ck_assert_uint_eq(info.completions, SQUARES_ENTRIES);
	return connect;
}

/* Numbers from `first` on, in batches of up to `size`; waits for room. */
static void
push_all(uint64_t first, uint64_t count, uint32_t size)
{
	struct square batch[BATCH_MAX] = {{0}};

	for (uint64_t done = 0; done < count;) {
		uint32_t now = count - done < size ? (uint32_t)(count - done) : size, pushed;
		kern_return_t res;

		for (uint32_t i = 0; i < now; i++)
			batch[i].number = first + done + i;
		res = dext_ring_push(ring, batch, now, &pushed);
		done += pushed;
		if (res == kIOReturnOverrun)
			res = dext_ring_wait(ring, DEXT_RING_ROOM, DEADLINE);
		if (res != kIOReturnSuccess)
			abort();
	}
}

/* One entry, waiting for it. */
static struct square
pop_one(void)
{
	struct square square;
	uint32_t popped;

	/* Each assertion of Check's writes to a pipe, which a million of entries would wait for. */
	while (dext_ring_pop(ring, &square, 1, &popped) != kIOReturnSuccess)
		ck_assert_int_eq(dext_ring_wait(ring, DEXT_RING_ENTRIES, DEADLINE),
				 kIOReturnSuccess);
	if (popped != 1 || square.square != square.number * square.number)
		ck_abort_msg("%u popped; the square of %llu is said to be %llu", popped,
			     (unsigned long long)square.number, (unsigned long long)square.square);
	return square;
}

static void *
push_many(void *context)
{
	push_all(0, MANY, *(const uint32_t *)context);
	return NULL;
}

START_TEST(many_entries_go_there_and_come_back_in_order)
{
	uint32_t size = (uint32_t[]){1, 8, BATCH_MAX}[_i];
	struct dext_ring_statistics statistics;
	io_connect_t connect;
	pthread_t thread;

	start();
	connect = open_ring(DEXT_RING_ONE_THREAD);
	ck_assert_int_eq(pthread_create(&thread, NULL, push_many, &size), 0);
	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t number = pop_one().number;

		if (number != i)
			ck_assert_uint_eq(number, i);
	}
	pthread_join(thread, NULL);
	dext_ring_get_statistics(ring, &statistics);
	ck_assert_uint_eq(statistics.pushed, MANY);
	ck_assert_uint_eq(statistics.popped, MANY);
	/* One at a time: each finds the driver about to wait. */
	for (uint64_t i = 0; i < 2000; i++) {
		push_all(i, 1, 1);
		ck_assert_uint_eq(pop_one().number, i);
	}
	dext_ring_release(ring);
	ck_assert_int_eq(IOServiceClose(connect), kIOReturnSuccess);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

#define PRODUCERS 4u
#define EACH	  (MANY / 10)

static void *
push_own(void *context)
{
	push_all((uint64_t)(uintptr_t)context << 32, EACH, 5);
	return NULL;
}

START_TEST(several_threads_push)
{
	uint64_t next[PRODUCERS] = {0};
	pthread_t threads[PRODUCERS];
	io_connect_t connect;

	start();
	connect = open_ring(0);
	for (uintptr_t i = 0; i < PRODUCERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, push_own, (void *)i), 0);
	for (uint64_t i = 0; i < PRODUCERS * EACH; i++) {
		struct square square = pop_one();
		uint64_t who = square.number >> 32;

		/* Of each thread in its order. */
		if (who >= PRODUCERS || (square.number & UINT32_MAX) != next[who])
			ck_abort_msg("entry %llu is not the next of a thread",
				     (unsigned long long)square.number);
		next[who]++;
	}
	for (uint32_t i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	dext_ring_release(ring);
	IOServiceClose(connect);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(a_loop_of_the_program_polls)
{
	io_connect_t connect;
	struct pollfd polled;

	start();
	connect = open_ring(0);
	polled = (struct pollfd){.fd = dext_ring_get_descriptor(ring), .events = POLLIN};
	ck_assert_int_ge(polled.fd, 0);
	ck_assert_int_eq(dext_ring_get_descriptor(ring), polled.fd);
	for (uint64_t i = 0; i < 2000; i++) {
		push_all(i, 1, 1);
		while (dext_ring_arm(ring, DEXT_RING_ENTRIES))
			ck_assert_int_eq(poll(&polled, 1, 60000), 1);
		ck_assert_uint_eq(pop_one().number, i);
	}
	/* Quiet when there is nothing. */
	ck_assert(dext_ring_arm(ring, DEXT_RING_ENTRIES));
	ck_assert_int_eq(poll(&polled, 1, 0), 0);
	/* Room there is. */
	ck_assert(!dext_ring_arm(ring, DEXT_RING_ROOM));
	dext_ring_release(ring);
	IOServiceClose(connect);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(a_wait_has_its_end)
{
	struct square square;
	io_connect_t connect;
	uint32_t popped;

	start();
	connect = open_ring(0);
	ck_assert_int_eq(dext_ring_pop(ring, &square, 1, &popped), kIOReturnUnderrun);
	ck_assert_int_eq(dext_ring_wait(ring, DEXT_RING_ENTRIES, 0), kIOReturnTimeout);
	ck_assert_int_eq(dext_ring_wait(ring, DEXT_RING_ENTRIES, 1000000), kIOReturnTimeout);
	ck_assert_int_eq(dext_ring_wait(ring, DEXT_RING_ENTRIES | DEXT_RING_ROOM, 0),
			 kIOReturnSuccess);
	ck_assert_int_eq(dext_ring_wait(ring, 0, 0), kIOReturnBadArgument);
	ck_assert_int_eq(dext_ring_create(connect, SQUARES_RINGS, 2, &ring), kIOReturnBadArgument);
	ck_assert_int_eq(dext_ring_create(connect, SQUARES_RINGS, 0, NULL), kIOReturnBadArgument);
	IOServiceClose(connect);
	/* Its memory is there still. */
	ck_assert_int_eq(dext_ring_wait(ring, DEXT_RING_ENTRIES, DEADLINE), kIOReturnAborted);
	ck_assert_int_eq(dext_ring_push(ring, &square, 1, &popped), MACH_SEND_INVALID_DEST);
	ck_assert_int_eq(dext_ring_pop(ring, &square, 1, &popped), kIOReturnUnderrun);
	ck_assert(!dext_ring_arm(ring, DEXT_RING_ENTRIES));
	dext_ring_release(ring);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static void
use_in_child(void *context)
{
	struct square square = {0};
	uint32_t count;

	if (dext_ring_push(ring, &square, 1, &count) != MACH_SEND_INVALID_DEST ||
	    dext_ring_pop(ring, &square, 1, &count) != MACH_SEND_INVALID_DEST ||
	    dext_ring_wait(ring, DEXT_RING_ENTRIES, 0) != MACH_SEND_INVALID_DEST ||
	    dext_ring_arm(ring, DEXT_RING_ENTRIES) || dext_ring_get_descriptor(ring) != -1)
		_exit(1);
	dext_ring_release(ring);
	_exit(0);
}

START_TEST(a_forked_child_has_no_ring)
{
	io_connect_t connect;

	start();
	connect = open_ring(0);
	ck_assert_int_eq(unit_child(use_in_child, NULL, NULL, 0), 0);
	push_all(3, 1, 1);
	ck_assert_uint_eq(pop_one().square, 9);
	dext_ring_release(ring);
	IOServiceClose(connect);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static void *
kill_later(void *context)
{
	/* Whether this comes before the wait or in it: it has to end. */
	kill(*(pid_t *)context, SIGKILL);
	return NULL;
}

START_TEST(a_wait_ends_with_the_driver)
{
	struct square square = {0};
	kern_return_t status;
	io_connect_t connect;
	pthread_t thread;
	uint32_t count;
	pid_t host;

	start();
	connect = open_ring(0);
	host = harness_host_pid("RingSubmit");
	pthread_create(&thread, NULL, kill_later, &host);
	status = dext_ring_wait(ring, DEXT_RING_ENTRIES, DEADLINE);
	ck_assert_int_eq(status, kIOReturnOffline);
	pthread_join(thread, NULL);
	ck_assert_int_eq(dext_ring_push(ring, &square, 1, &count), MACH_SEND_INVALID_DEST);
	ck_assert_int_eq(dext_ring_pop(ring, &square, 1, &count), kIOReturnUnderrun);
	dext_ring_release(ring);
	IOServiceClose(connect);
	harness_forget_crash(&harness);
	harness_stop(&harness);
}
END_TEST

/* Submits until it is killed. */
static void
submit_for_ever(int started)
{
	io_connect_t connect = open_ring(DEXT_RING_ONE_THREAD);
	struct square batch[BATCH_MAX] = {{0}};
	uint32_t count;

	(void)connect;
	for (bool told = false;;) {
		if (dext_ring_push(ring, batch, BATCH_MAX, &count) == kIOReturnOverrun)
			dext_ring_wait(ring, DEXT_RING_ROOM | DEXT_RING_ENTRIES, DEADLINE);
		dext_ring_pop(ring, batch, BATCH_MAX, &count);
		if (!told && count > 0)
			told = write(started, "x", 1) == 1;
	}
}

START_TEST(apps_die_at_any_instant)
{
	io_connect_t connect;

	start();
	IOObjectRelease(harness_wait_service("RingSubmit"));
	for (unsigned i = 0; i < 10; i++) {
		int started[2], status;
		char byte;
		pid_t pid;

		ck_assert_int_eq(pipe(started), 0);
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			submit_for_ever(started[1]);
		ck_assert_int_eq(read(started[0], &byte, 1), 1);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		close(started[0]);
		close(started[1]);
	}
	connect = open_ring(0);
	push_all(7, 1, 1);
	ck_assert_uint_eq(pop_one().square, 49);
	dext_ring_release(ring);
	IOServiceClose(connect);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(the_example_runs)
{
	static const char sum[] = "sum 333332833333500000\n";
	char said[256];
	size_t length;
	FILE *output;

	start();
	output = popen(harness_bundle("RING_SUBMIT_APP"), "re");
	ck_assert_ptr_nonnull(output);
	length = fread(said, 1, sizeof(said) - 1, output);
	said[length] = '\0';
	ck_assert_int_eq(pclose(output), 0);
	ck_assert_msg(strncmp(said, sum, sizeof(sum) - 1) == 0, "said: %s", said);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

UNIT_LOOP_MAIN("rings", {many_entries_go_there_and_come_back_in_order, 3},
	       {several_threads_push, 1}, {a_loop_of_the_program_polls, 1}, {a_wait_has_its_end, 1},
	       {a_forked_child_has_no_ring, 1}, {a_wait_ends_with_the_driver, 1},
	       {apps_die_at_any_instant, 1}, {the_example_runs, 1})
