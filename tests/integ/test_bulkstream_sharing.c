/* SPDX-License-Identifier: Apache-2.0 */
/* Several apps on one bulkstream: exclusive access, turns, 64 apps, and apps that die. */
#include "stream_app.h"

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <mach/mach.h>
#include <mach/mach_time.h>

#define OUT DEXT_BULKSTREAM_OUT

static struct harness harness;

static kern_return_t
try_open(uint32_t type)
{
	io_service_t service = harness_wait_service(DEXT_BULKSTREAM_SERVICE);
	io_connect_t connect = MACH_PORT_NULL;
	kern_return_t status = IOServiceOpen(service, mach_task_self(), type, &connect);

	IOObjectRelease(service);
	if (status == kIOReturnSuccess)
		IOServiceClose(connect);
	return status;
}

START_TEST(exclusive_means_alone)
{
	struct app app, other;

	stream_start(&harness, "sink");
	ck_assert_int_eq(try_open(2), kIOReturnBadArgument);
	app_open(&app, DEXT_BULKSTREAM_EXCLUSIVE, 1, 64);
	ck_assert_int_eq(try_open(DEXT_BULKSTREAM_SHARED), kIOReturnExclusiveAccess);
	ck_assert_int_eq(try_open(DEXT_BULKSTREAM_EXCLUSIVE), kIOReturnExclusiveAccess);
	app_close(&app);
	app_open(&app, DEXT_BULKSTREAM_SHARED, 1, 64);
	app_open(&other, DEXT_BULKSTREAM_SHARED, 1, 64);
	ck_assert_uint_eq(app.statistics->clients, 2);
	ck_assert_int_eq(try_open(DEXT_BULKSTREAM_EXCLUSIVE), kIOReturnExclusiveAccess);
	app_close(&app);
	ck_assert_int_eq(try_open(DEXT_BULKSTREAM_EXCLUSIVE), kIOReturnExclusiveAccess);
	app_close(&other);
	ck_assert_int_eq(try_open(DEXT_BULKSTREAM_EXCLUSIVE), kIOReturnSuccess);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(alternate_setting_is_everybodys)
{
	struct app app, other;

	stream_start(&harness, "sink");
	app_connect(&app, DEXT_BULKSTREAM_SHARED);
	app_connect(&other, DEXT_BULKSTREAM_SHARED);
	ck_assert_int_eq(app_configure(&app, 0, 1, 1, 0, 1, 64), kIOReturnSuccess);
	ck_assert_int_eq(app_configure(&other, 0, 0, 1, 0, 1, 64), kIOReturnBusy);
	ck_assert_int_eq(app_configure(&other, 0, 1, 1, 0, 1, 64), kIOReturnSuccess);
	ck_assert_int_eq(app_send(&app, 0, 0, 64, 0), kIOReturnSuccess);
	ck_assert_int_eq(app_send(&other, 0, 0, 64, 0), kIOReturnSuccess);
	app_wait(&app, 1);
	app_wait(&other, 1);
	app_expect(&other, 0, 1, OUT, kIOReturnSuccess);
	app_close(&app);
	app_close(&other);
	app_connect(&app, DEXT_BULKSTREAM_SHARED);
	ck_assert_int_eq(app_configure(&app, 0, 0, 1, 0, 1, 64), kIOReturnSuccess);
	ck_assert_int_eq(app_send(&app, 0, 0, 64, 0), kIOReturnSuccess);
	app_wait(&app, 1);
	app_expect(&app, 0, 1, OUT, kIOReturnSuccess);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

#define APPS 64

START_TEST(sixty_four_apps_with_sixteen_buffers)
{
	static struct app apps[APPS];

	stream_start(&harness, "sink");
	for (unsigned i = 0; i < APPS; i++) {
		app_open(&apps[i], DEXT_BULKSTREAM_SHARED, 16, 4096);
		for (unsigned b = 0; b < 16; b++)
			app_fill(&apps[i], b, 4096, i * 16 + b);
	}
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned b = 0; b < 16; b++)
			for (unsigned i = 0; i < APPS; i++)
				ck_assert_int_eq(app_queue(&apps[i], b, 4096), kIOReturnSuccess);
		for (unsigned i = 0; i < APPS; i++)
			app_wait(&apps[i], (round + 1) * 16);
	}
	for (unsigned i = 0; i < APPS; i++)
		app_expect(&apps[i], 0, 64, OUT, kIOReturnSuccess);
	ck_assert_uint_eq(apps[0].totals->direction[OUT].bytes, UINT64_C(4096) * 16 * APPS * 4);
	ck_assert_uint_eq(apps[0].totals->clients, APPS);
	ck_assert_uint_eq(apps[0].totals->copied, 0);
	ck_assert_uint_eq(app_device_state(&apps[5], 0).out_bytes, UINT64_C(4096) * 16 * APPS * 4);
	for (unsigned i = 0; i < APPS; i++)
		app_close(&apps[i]);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static void
send_again(struct app *app, const struct completion *done)
{
	ck_assert_int_eq(done->status, kIOReturnSuccess);
	ck_assert_int_eq(app_queue(app, done->buffer, app->size), kIOReturnSuccess);
}

#define MODEST 7
#define ROUNDS 40

/* One keeps 64 buffers queued at all times; seven send one, wait for it, and send the next. */
START_TEST(one_greedy_and_seven_modest)
{
	static struct app greedy, modest[MODEST];

	stream_start(&harness, "sink:latency=500");
	app_open(&greedy, DEXT_BULKSTREAM_SHARED, 64, 4096);
	for (unsigned i = 0; i < MODEST; i++)
		app_open(&modest[i], DEXT_BULKSTREAM_SHARED, 1, 4096);
	greedy.on_done = send_again;
	for (unsigned b = 0; b < 64; b++)
		ck_assert_int_eq(app_send(&greedy, b, 0, 4096, 0), kIOReturnSuccess);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < MODEST; i++)
			ck_assert_int_eq(app_send(&modest[i], 0, 0, 4096, 0), kIOReturnSuccess);
		for (unsigned i = 0; i < MODEST; i++) {
			app_wait(&modest[i], round + 1);
			app_dispatch(&greedy);
		}
	}
	for (unsigned i = 0; i < MODEST; i++) {
		app_expect(&modest[i], 0, ROUNDS, OUT, kIOReturnSuccess);
		ck_assert_msg(modest[i].statistics->direction[OUT].waited_for_max <= 8,
			      "modest app %u waited for %u buffers of others", i,
			      (unsigned)modest[i].statistics->direction[OUT].waited_for_max);
		ck_assert_uint_ge(modest[i].statistics->direction[OUT].waited_for_max, 1);
	}
	ck_assert_uint_ge(greedy.done_count, ROUNDS); /* not starved either */
	greedy.on_done = NULL;
	for (unsigned i = 0; i < MODEST; i++)
		app_close(&modest[i]);
	app_close(&greedy);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

#define QUEUED 32

/*
 * Completions from `first` on that came after `from` and before `to`. Not at it: a device whose
 * thread had no CPU for a while ends all that is on the pipe at one time.
 */
static unsigned
count_between(const struct app *app, uint32_t first, uint64_t from, uint64_t to)
{
	unsigned count = 0;

	for (uint32_t i = first; i < app->done_count; i++)
		count += app->done[i].timestamp > from && app->done[i].timestamp < to;
	return count;
}

/*
 * Both queue all their buffers and wait for them. Counts what came of each while both had some
 * queued; how much that is depends on how fast this process queues them.
 */
static void
queue_side_by_side(struct app apps[2], unsigned ret_counts[2])
{
	const uint32_t first[2] = {apps[0].done_count, apps[1].done_count};
	uint64_t both_queued, one_ran_out = UINT64_MAX;

	for (unsigned i = 0; i < 2; i++) {
		for (unsigned b = 0; b < QUEUED; b++)
			ck_assert_int_eq(app_queue(&apps[i], b, 4096), kIOReturnSuccess);
		/* What was pushed before a call is queued then. */
		ck_assert_int_eq(app_call(&apps[i], DEXT_BULKSTREAM_QUERY, NULL, 0),
				 kIOReturnSuccess);
	}
	both_queued = mach_absolute_time();
	for (unsigned i = 0; i < 2; i++) {
		uint64_t last;

		app_wait(&apps[i], first[i] + QUEUED);
		last = apps[i].done[apps[i].done_count - 1].timestamp;
		one_ran_out = last < one_ran_out ? last : one_ran_out;
	}
	for (unsigned i = 0; i < 2; i++)
		ret_counts[i] = count_between(&apps[i], first[i], both_queued, one_ran_out);
}

/* Equally greedy: while both have buffers queued, neither is more than what is in flight ahead. */
START_TEST(two_greedy_apps_take_turns)
{
	static struct app apps[2];
	unsigned counts[2], compared = 0;

	stream_start(&harness, "sink:latency=500");
	for (unsigned i = 0; i < 2; i++)
		app_open(&apps[i], DEXT_BULKSTREAM_SHARED, QUEUED, 4096);
	while (compared < 200) {
		queue_side_by_side(apps, counts);
		compared += counts[0] + counts[1];
		ck_assert_uint_le(counts[0], counts[1] + DEXT_BULKSTREAM_IN_FLIGHT);
		ck_assert_uint_le(counts[1], counts[0] + DEXT_BULKSTREAM_IN_FLIGHT);
	}
	for (unsigned i = 0; i < 2; i++)
		app_close(&apps[i]);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* `dext send /dev/zero`, which never ends by itself. */
static pid_t
start_endless_sender(void)
{
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
		    dup2(null, STDOUT_FILENO) < 0)
			_exit(126);
		execl(getenv("DEXT"), "dext", "send", "--size", "64K", "/dev/zero", (char *)NULL);
		_exit(127);
	}
	ck_assert_int_gt(pid, 0);
	return pid;
}

struct flow {
	struct app *app;
	uint64_t bytes;
};

static bool
flows(void *context)
{
	struct flow *flow = context;

	return flow->app->totals->direction[OUT].bytes > flow->bytes;
}

static bool
is_alone(void *context)
{
	const struct app *app = context;

	return app->totals->clients == 1 && app->totals->direction[OUT].in_flight == 0 &&
	       app->totals->direction[OUT].queued == 0;
}

START_TEST(killed_in_midstream)
{
	struct app app;
	pid_t driver;

	stream_start(&harness, "sink");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 2, 4096);
	app_buffer(&app, 0);
	driver = harness_host_pid(DEXT_BULKSTREAM_SERVICE);
	for (unsigned i = 0; i < 5; i++) {
		struct flow flow = {&app, app.totals->direction[OUT].bytes + (4 << 20)};
		uint64_t buffers = app.totals->buffers;
		pid_t sender = start_endless_sender();
		int status;

		ck_assert(harness_until(flows, &flow));
		ck_assert_int_eq(kill(sender, SIGKILL), 0);
		ck_assert_int_eq(waitpid(sender, &status, 0), sender);
		/* All it had is given back, and the other app is served. */
		ck_assert(harness_until(is_alone, &app));
		ck_assert_uint_eq(app.totals->buffers, buffers);
		ck_assert_int_eq(app_send(&app, 0, 0, 4096, 0), kIOReturnSuccess);
		app_wait(&app, i + 1);
		app_expect(&app, i, 1, OUT, kIOReturnSuccess);
	}
	ck_assert_int_eq(harness_host_pid(DEXT_BULKSTREAM_SERVICE), driver);
	app_close(&app);
	app_open(&app, DEXT_BULKSTREAM_EXCLUSIVE, 1, 64);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* Closing aborts the whole pipe, since USB can do no less: the others' transfers go on unharmed. */
START_TEST(closing_does_not_hurt_others)
{
	static struct app stays;
	struct app leaves;

	stream_start(&harness, "sink:latency=300");
	app_open(&stays, DEXT_BULKSTREAM_SHARED, 32, 65536);
	stays.on_done = send_again;
	for (unsigned b = 0; b < 32; b++) {
		app_fill(&stays, b, 65536, 1);
		ck_assert_int_eq(app_send(&stays, b, 0, 65536, 0), kIOReturnSuccess);
	}
	for (unsigned round = 0; round < 10; round++) {
		app_open(&leaves, DEXT_BULKSTREAM_SHARED, 8, 65536);
		for (unsigned b = 0; b < 8; b++)
			ck_assert_int_eq(app_send(&leaves, b, 0, 65536, 0), kIOReturnSuccess);
		app_wait(&stays, stays.done_count + 5);
		app_close(&leaves);
	}
	stays.on_done = NULL;
	app_wait(&stays, stays.done_count + 32);
	for (uint32_t i = 0; i < stays.done_count; i++)
		ck_assert_uint_eq(stays.done[i].bytes, 65536);
	app_expect(&stays, 0, stays.done_count, OUT, kIOReturnSuccess);
	ck_assert_uint_eq(stays.statistics->direction[OUT].aborted, 0);
	app_close(&stays);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

#define GREEDY 3

static kern_return_t
use(struct app *app, uint64_t buffer)
{
	return app_call(app, DEXT_BULKSTREAM_SEND, (uint64_t[]){buffer, 0, 1, 0}, 4);
}

/* Three apps use all the buffers that they may have, without mapping one. */
START_TEST(a_few_buffers_are_left_for_each_app)
{
	static struct app greedy[GREEDY], modest;

	stream_start(&harness, "sink");
	for (unsigned i = 0; i < GREEDY; i++) {
		app_open(&greedy[i], DEXT_BULKSTREAM_SHARED, DEXT_BULKSTREAM_BUFFERS_MAX, 1);
		for (unsigned b = 0; b < DEXT_BULKSTREAM_BUFFERS_MAX; b++)
			ck_assert_int_eq(use(&greedy[i], b), kIOReturnSuccess);
	}
	app_open(&modest, DEXT_BULKSTREAM_SHARED, 32, 4096);
	for (unsigned b = 0; b < 24; b++)
		ck_assert_int_eq(use(&modest, b), kIOReturnSuccess);
	ck_assert_int_eq(use(&modest, 24), kIOReturnNoResources);
	app_wait(&modest, 24);
	app_expect(&modest, 0, 24, OUT, kIOReturnSuccess);
	/* What others give back is anybody's. */
	app_close(&greedy[0]);
	ck_assert_int_eq(use(&modest, 24), kIOReturnSuccess);
	app_wait(&modest, 25);
	for (unsigned i = 1; i < GREEDY; i++)
		app_close(&greedy[i]);
	app_close(&modest);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

UNIT_MAIN("bulkstream_sharing", exclusive_means_alone, alternate_setting_is_everybodys,
	  sixty_four_apps_with_sixteen_buffers, one_greedy_and_seven_modest,
	  two_greedy_apps_take_turns, killed_in_midstream, closing_does_not_hurt_others,
	  a_few_buffers_are_left_for_each_app)
