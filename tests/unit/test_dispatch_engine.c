/* SPDX-License-Identifier: Apache-2.0 */
/* When there are threads, and what a forked child has. */
#include "unit.h"

#include <dispatch/dispatch.h>

#include "engine.h"
#include "main_queue.h"
#include "meter.h"
#include "threads.h"

static dispatch_queue_t queue;
static struct meter done = METER_INITIALIZER, gate = METER_INITIALIZER;

static unsigned
threads(void)
{
	DIR *folder = opendir("/proc/self/task");
	unsigned count = 0;

	ck_assert_ptr_nonnull(folder);
	for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
		count += entry->d_name[0] != '.';
	closedir(folder);
	return count;
}

static void
raise_meter(void *context)
{
	meter_raise(context);
}

START_TEST(no_thread_before_the_first_queue)
{
	unsigned before = threads();

	ck_assert(!engine_runs());
	dispatch_release(dispatch_semaphore_create(1));
	dispatch_release(dispatch_group_create());
	ck_assert(!main_queue_run());
	ck_assert_uint_eq(threads(), before);
	queue = dispatch_queue_create("first", NULL);
	ck_assert(engine_runs());
	ck_assert_uint_eq(threads(), before + 1);
	dispatch_release(queue);
}
END_TEST

static void
hold(void *context)
{
	meter_raise(&done);
	meter_wait(&gate, 1);
	meter_raise(&done);
}

/* The memory of threads that are not here is nobody's. */
static void
leave_memory(void)
{
	_exit(0);
}

static void
use_new_ones(void *context)
{
	struct meter mine = METER_INITIALIZER;
	unsigned fds = unit_count_fds();

	if (engine_runs() || main_queue_run())
		_exit(1);
	dispatch_async_f(dispatch_get_global_queue(0, 0), &mine, raise_meter);
	if (!meter_reaches(&mine, 1))
		_exit(2);
	dispatch_async_f(dispatch_get_main_queue(), &mine, raise_meter);
	while (main_queue_run())
		;
	if (meter_read(&mine) != 2) /* and not the parent's */
		_exit(3);
	if (unit_count_fds() != fds + 4)
		_exit(4);
	dispatch_release(queue);
	atexit(leave_memory);
	exit(0); /* does not hang for the parent's threads */
}

static void
use_old_one(void *context)
{
	dispatch_async_f(queue, NULL, raise_meter);
}

START_TEST(a_forked_child_starts_anew)
{
	char text[1024];
	int status;

	queue = dispatch_queue_create("parents", NULL);
	dispatch_async_f(queue, NULL, hold);
	dispatch_async_f(dispatch_get_main_queue(), &done, raise_meter);
	meter_wait(&done, 1);
	threads_await_rest(2); /* the one that is held, and one that waits */
	status = unit_child(use_new_ones, NULL, NULL, 0);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert(unit_killed_by(unit_child(use_old_one, NULL, text, sizeof(text)), SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "\"parents\" was made before fork"));
	meter_raise(&gate);
	meter_wait(&done, 2);
	ck_assert(main_queue_run());
	ck_assert_uint_eq(meter_read(&done), 3);
	dispatch_release(queue);
}
END_TEST

UNIT_MAIN("dispatch_engine", no_thread_before_the_first_queue, a_forked_child_starts_anew)
