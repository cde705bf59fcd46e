/* SPDX-License-Identifier: Apache-2.0 */
/* A virtual device whose work its caller does: who does how much of it, and who wakes whom. */
#include "virtual_fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "virtual_device.h"

/* The caller does the device's work, in pieces, and what it finishes it reaps without being told.
 */
START_TEST(a_helper_does_the_work)
{
	struct usb_transfer records[3] = {{.helped = true}, {.helped = true}, {.helped = true}};
	struct pollfd event;
	bool finished = false, more = true;

	fill();
	plug("sink:latency=0");
	event = (struct pollfd){.fd = backend->event_fd(device), .events = POLLIN};
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(submit(&records[i], OUT, bytes, sizeof(bytes)), kIOReturnSuccess);
	/* The device's thread may take over one that held us up for too long: then it tells. */
	while (more || completions < 3) {
		more = backend->work(device, &finished);
		if (finished || poll(&event, 1, more ? 0 : 10) == 1)
			ck_assert(backend->reap(device));
	}
	ck_assert_uint_eq(completions, 3);
	ck_assert_int_eq(poll(&event, 1, 0), 0);
	ck_assert_uint_eq(state().out_bytes, 3 * sizeof(bytes));
	ck_assert_uint_eq(state().out_transfers, 3);
	unplug();
}
END_TEST

static bool is_wanted;

bool __wrap_loop_is_wanted(void);

bool
__wrap_loop_is_wanted(void)
{
	return is_wanted;
}

/* In how many pieces a helper does it, if the device's thread does not take part of it over. */
static unsigned
count_pieces(void)
{
	struct usb_transfer record = {.helped = true};
	bool finished = false, more = true;
	struct pollfd event;
	unsigned pieces = 0;

	plug("sink:latency=0");
	event = (struct pollfd){.fd = backend->event_fd(device), .events = POLLIN};
	ck_assert_int_eq(submit(&record, OUT, bytes, sizeof(bytes)), kIOReturnSuccess);
	while (more || completions < 1) {
		more = backend->work(device, &finished);
		pieces += more || finished;
		if (finished || poll(&event, 1, more ? 0 : 10) == 1)
			ck_assert(backend->reap(device));
	}
	unplug();
	return pieces;
}

START_TEST(a_helper_that_is_wanted_does_less_at_a_time)
{
	unsigned most = 0, steps = sizeof(bytes) / VDEV_STEP_MAX;

	is_wanted = true;
	for (unsigned i = 0; i < 100 && most < steps; i++) {
		unsigned pieces = count_pieces();

		if (most < pieces)
			most = pieces;
	}
	ck_assert_uint_eq(most, steps);
	is_wanted = false;
	ck_assert_uint_le(count_pieces(), steps / 2);
}
END_TEST

START_TEST(a_helper_that_does_not_come_is_not_waited_for)
{
	struct usb_transfer record = {.helped = true};

	plug("sink");
	for (unsigned i = 0; i < 100; i++) {
		record.flags = 0;
		ck_assert_int_eq(submit(&record, OUT, bytes, 4096), kIOReturnSuccess);
		await(&record);
		ck_assert_int_eq(record.status, kIOReturnSuccess);
	}
	unplug();
}
END_TEST

/* How often the device's thread, the only other one there is, has slept. */
static unsigned long
sleeps_of_thread(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned long sleeps = 0;
	char path[300], line[128];

	ck_assert_ptr_nonnull(tasks);
	while ((entry = readdir(tasks)) != NULL) {
		FILE *status;

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == gettid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		status = fopen(path, "r");
		while (status != NULL && fgets(line, sizeof(line), status) != NULL)
			if (sscanf(line, "voluntary_ctxt_switches: %lu", &sleeps) == 1)
				break;
		if (status != NULL)
			fclose(status);
	}
	closedir(tasks);
	return sleeps;
}

/* It sees now and then that help comes, and is not woken for each piece. */
START_TEST(a_helper_wakes_the_thread_no_more_than_it_has_to)
{
	struct usb_transfer records[2] = {{.helped = true}, {.helped = true}};
	uint64_t begun = clock_now();
	unsigned long sleeps;
	bool finished;

	fill();
	plug("sink");
	sleeps = sleeps_of_thread();
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(submit(&records[i], OUT, bytes, 65536), kIOReturnSuccess);
	ck_assert_int_eq(backend->clear_halt(device, OUT), kIOReturnSuccess);
	for (unsigned i = 0; i < 5000; i++) {
		struct usb_transfer *next = &records[i % 2];

		while (!is_done(next)) {
			backend->work(device, &finished);
			backend->reap(device);
		}
		next->flags = 0;
		ck_assert_int_eq(submit(next, OUT, bytes, 65536), kIOReturnSuccess);
	}
	sleeps = sleeps_of_thread() - sleeps;
	ck_assert_uint_lt(sleeps, 100 + 2 * (clock_now() - begun) / NSEC_PER_MSEC);
	while (!is_done(&records[0]) || !is_done(&records[1])) {
		backend->work(device, &finished);
		backend->reap(device);
	}
	unplug();
}
END_TEST

static uint64_t
patience(void)
{
	uint64_t nsec;

	pthread_mutex_lock(&device->lock);
	nsec = device->patience;
	pthread_mutex_unlock(&device->lock);
	return nsec;
}

START_TEST(a_helper_that_comes_is_looked_for_less_often)
{
	struct usb_transfer record = {.helped = true};
	uint64_t deadline = clock_now() + 20 * NSEC_PER_SEC;
	bool finished;

	plug("sink");
	ck_assert_uint_eq(patience(), VIRTUAL_HELP_NSEC);
	while (patience() != VIRTUAL_HELP_NSEC_MAX) {
		ck_assert_uint_lt(clock_now(), deadline);
		record.flags = 0;
		ck_assert_int_eq(submit(&record, OUT, bytes, 4096), kIOReturnSuccess);
		while (!is_done(&record)) {
			backend->work(device, &finished);
			backend->reap(device);
		}
	}
	/* It does not come. */
	record.flags = 0;
	ck_assert_int_eq(submit(&record, OUT, bytes, 4096), kIOReturnSuccess);
	await(&record);
	ck_assert_uint_eq(patience(), VIRTUAL_HELP_NSEC);
	unplug();
}
END_TEST

/* Two that have no idea of each other, and the device's own thread. */
static void *
help(void *stop)
{
	bool finished;

	while (!atomic_load((atomic_bool *)stop))
		backend->work(device, &finished);
	return NULL;
}

START_TEST(helpers_and_the_thread_move_each_byte_once)
{
	struct usb_transfer records[200] = {0};
	atomic_bool stop = false;
	pthread_t helpers[2];

	fill();
	plug("sink");
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&helpers[i], NULL, help, &stop), 0);
	for (unsigned i = 0; i < 200; i++) {
		records[i].helped = i % 3 != 0;
		ck_assert_int_eq(submit(&records[i], OUT, bytes, 100000), kIOReturnSuccess);
	}
	while (completions < 200)
		ck_assert(backend->reap(device));
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(helpers[i], NULL);
	ck_assert_uint_eq(state().out_bytes, 200 * 100000);
	ck_assert_uint_eq(state().out_transfers, 200);
	unplug();
}
END_TEST

UNIT_MAIN("virtual_help", a_helper_does_the_work, a_helper_that_is_wanted_does_less_at_a_time,
	  a_helper_that_does_not_come_is_not_waited_for,
	  a_helper_wakes_the_thread_no_more_than_it_has_to,
	  a_helper_that_comes_is_looked_for_less_often, helpers_and_the_thread_move_each_byte_once)
