/* SPDX-License-Identifier: Apache-2.0 */
/* Loops, their sources and their runs, with pipes for sources. */
#include "run_loop.h"

#include "clock.h"
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

/* A source that counts the bytes of a pipe, and does something on each. */
struct counter {
	int ends[2];
	_Atomic int count;
	_Atomic int released;
	void (*act)(struct counter *counter);
	CFRunLoopSourceRef source;
	CFRunLoopRunResult inner;
};

static bool
count_byte(void *info)
{
	struct counter *counter = info;
	char byte;

	if (read(counter->ends[0], &byte, 1) != 1)
		return false;
	atomic_fetch_add(&counter->count, 1);
	if (counter->act != NULL)
		counter->act(counter);
	return true;
}

static void
note_release(void *info)
{
	atomic_fetch_add(&((struct counter *)info)->released, 1);
}

static struct counter *
make(void (*act)(struct counter *counter))
{
	struct counter *counter = calloc(1, sizeof(*counter));

	ck_assert_int_eq(pipe2(counter->ends, O_CLOEXEC | O_NONBLOCK), 0);
	counter->act = act;
	counter->source =
		run_loop_source_create(counter->ends[0], count_byte, note_release, counter);
	ck_assert_ptr_nonnull(counter->source);
	return counter;
}

static void
ring(struct counter *counter, int times)
{
	for (int i = 0; i < times; i++)
		ck_assert_int_eq(write(counter->ends[1], "", 1), 1);
}

static void
end(struct counter *counter)
{
	close(counter->ends[0]);
	close(counter->ends[1]);
	free(counter);
}

static void
stop(struct counter *counter)
{
	CFRunLoopStop(CFRunLoopGetCurrent());
}

START_TEST(is_one_for_each_thread)
{
	ck_assert_ptr_nonnull(CFRunLoopGetCurrent());
	ck_assert_ptr_eq(CFRunLoopGetCurrent(), CFRunLoopGetCurrent());
	ck_assert_ptr_eq(CFRunLoopGetCurrent(), CFRunLoopGetMain());
	ck_assert_uint_eq(CFGetTypeID(CFRunLoopGetMain()), CFRunLoopGetTypeID());
}
END_TEST

static void *
get_others(void *context)
{
	CFRunLoopRef *loops = context;

	loops[0] = (CFRunLoopRef)CFRetain(CFRunLoopGetCurrent());
	loops[1] = CFRunLoopGetMain();
	return NULL;
}

START_TEST(another_thread_has_another)
{
	CFRunLoopRef loops[2];
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, get_others, loops), 0);
	pthread_join(thread, NULL);
	ck_assert_ptr_ne(loops[0], CFRunLoopGetCurrent());
	ck_assert_ptr_eq(loops[1], CFRunLoopGetCurrent());
	CFRunLoopWakeUp(loops[0]); /* its thread has ended; the loop has not */
	CFRunLoopStop(loops[0]);
	CFRelease(loops[0]);
}
END_TEST

START_TEST(finishes_without_sources)
{
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 10, false),
			 kCFRunLoopRunFinished);
	CFRunLoopRun();
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopCommonModes, 10, false),
			 kCFRunLoopRunFinished);
	ck_assert_int_eq(CFRunLoopRunInMode(NULL, 10, false), kCFRunLoopRunFinished);
}
END_TEST

START_TEST(times_out)
{
	struct counter *counter = make(NULL);
	uint64_t start = clock_now();

	CFRunLoopAddSource(CFRunLoopGetCurrent(), counter->source, kCFRunLoopDefaultMode);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false),
			 kCFRunLoopRunTimedOut);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0.02, true),
			 kCFRunLoopRunTimedOut);
	ck_assert_uint_ge(clock_now() - start, 20 * NSEC_PER_MSEC);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, -5, true),
			 kCFRunLoopRunTimedOut);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, __builtin_nan(""), true),
			 kCFRunLoopRunTimedOut);
	ck_assert_int_eq(counter->count, 0);
}
END_TEST

START_TEST(handles_what_is_there)
{
	struct counter *counter = make(NULL);

	CFRunLoopAddSource(CFRunLoopGetCurrent(), counter->source, kCFRunLoopDefaultMode);
	ring(counter, 200);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, true),
			 kCFRunLoopRunHandledSource);
	ck_assert_int_eq(counter->count, 1);
	while (counter->count < 200)
		ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false),
				 kCFRunLoopRunTimedOut);
}
END_TEST

START_TEST(a_busy_source_leaves_the_others_their_turn)
{
	struct counter *busy = make(NULL), *modest = make(stop);

	CFRunLoopAddSource(CFRunLoopGetCurrent(), busy->source, kCFRunLoopDefaultMode);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), modest->source, kCFRunLoopDefaultMode);
	ring(busy, 10000);
	ring(modest, 1);
	CFRunLoopRun();
	ck_assert_int_eq(modest->count, 1);
	ck_assert_int_lt(busy->count, 100);
}
END_TEST

START_TEST(stops_right_after_the_callback_that_said_so)
{
	struct counter *counter = make(stop);

	CFRunLoopAddSource(CFRunLoopGetCurrent(), counter->source, kCFRunLoopDefaultMode);
	ring(counter, 3);
	CFRunLoopRun();
	ck_assert_int_eq(counter->count, 1);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 10, false),
			 kCFRunLoopRunStopped);
	ck_assert_int_eq(counter->count, 2);
	/* Not running: not remembered. */
	CFRunLoopStop(CFRunLoopGetCurrent());
	counter->act = NULL;
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false),
			 kCFRunLoopRunTimedOut);
	ck_assert_int_eq(counter->count, 3);
}
END_TEST

static void
run_inside(struct counter *counter)
{
	counter->act = stop;
	counter->inner = CFRunLoopRunInMode(kCFRunLoopDefaultMode, 10, false);
	counter->act = NULL;
}

static void
run_inside_and_stop(struct counter *counter)
{
	run_inside(counter);
	stop(counter);
}

START_TEST(stop_ends_the_innermost_run)
{
	struct counter *counter = make(run_inside);

	CFRunLoopAddSource(CFRunLoopGetCurrent(), counter->source, kCFRunLoopDefaultMode);
	ring(counter, 3);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0.01, false),
			 kCFRunLoopRunTimedOut);
	ck_assert_int_eq(counter->inner, kCFRunLoopRunStopped);
	ck_assert_int_eq(counter->count, 3);
	/* And once that is over, the one around it. */
	counter->act = run_inside_and_stop;
	ring(counter, 3);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 10, false),
			 kCFRunLoopRunStopped);
	ck_assert_int_eq(counter->count, 5);
}
END_TEST

static void
remove_itself(struct counter *counter)
{
	CFRunLoopRemoveSource(CFRunLoopGetCurrent(), counter->source, kCFRunLoopDefaultMode);
	CFRelease(counter->source);
	counter->source = NULL;
}

START_TEST(a_callback_may_remove_its_source)
{
	struct counter *counter = make(remove_itself);

	CFRunLoopAddSource(CFRunLoopGetCurrent(), counter->source, kCFRunLoopDefaultMode);
	ring(counter, 3);
	CFRunLoopRun(); /* ends, because nothing is left */
	ck_assert_int_eq(counter->count, 1);
	ck_assert_int_eq(counter->released, 1);
	end(counter);
}
END_TEST

START_TEST(retains_its_sources)
{
	struct counter *counter = make(NULL);
	CFRunLoopRef loop = CFRunLoopGetCurrent();
	CFRunLoopSourceRef source = counter->source;

	ck_assert_uint_eq(CFGetTypeID(source), CFRunLoopSourceGetTypeID());
	CFRunLoopAddSource(loop, source, kCFRunLoopDefaultMode);
	CFRunLoopAddSource(loop, source, kCFRunLoopDefaultMode);
	CFRelease(source);
	ck_assert_int_eq(counter->released, 0);
	ck_assert(CFRunLoopContainsSource(loop, source, kCFRunLoopDefaultMode));
	ck_assert(!CFRunLoopContainsSource(loop, source, kCFRunLoopCommonModes));
	CFRunLoopRemoveSource(loop, source, kCFRunLoopCommonModes); /* not there */
	ck_assert_int_eq(counter->released, 0);
	CFRunLoopRemoveSource(loop, source, kCFRunLoopDefaultMode);
	ck_assert_int_eq(counter->released, 1);
	end(counter);
}
END_TEST

START_TEST(modes_are_apart)
{
	struct counter *counter = make(NULL);
	CFRunLoopRef loop = CFRunLoopGetCurrent();
	CFStringRef mode = CFStringCreateWithCString(NULL, "mine", kCFStringEncodingUTF8);
	CFStringRef same = CFStringCreateWithCString(NULL, "mine", kCFStringEncodingUTF8);

	CFRunLoopAddSource(loop, counter->source, mode);
	ring(counter, 1);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false),
			 kCFRunLoopRunFinished);
	ck_assert_int_eq(CFRunLoopRunInMode(same, 0, true), kCFRunLoopRunHandledSource);
	CFRunLoopRemoveSource(loop, counter->source, same);
	CFRunLoopAddSource(loop, counter->source, kCFRunLoopCommonModes);
	ring(counter, 1);
	ck_assert_int_eq(CFRunLoopRunInMode(mode, 0, false), kCFRunLoopRunFinished);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, true),
			 kCFRunLoopRunHandledSource);
	CFRelease(mode);
	CFRelease(same);
}
END_TEST

START_TEST(lets_go_of_invalid_sources)
{
	struct counter *counter = make(NULL);
	CFRunLoopRef loop = CFRunLoopGetCurrent();

	CFRunLoopAddSource(loop, counter->source, kCFRunLoopDefaultMode);
	ck_assert(CFRunLoopSourceIsValid(counter->source));
	run_loop_source_invalidate(counter->source);
	ck_assert(!CFRunLoopSourceIsValid(counter->source));
	ck_assert(!CFRunLoopContainsSource(loop, counter->source, kCFRunLoopDefaultMode));
	CFRelease(counter->source);
	ring(counter, 1);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 10, false),
			 kCFRunLoopRunFinished);
	ck_assert_int_eq(counter->count, 0);
	ck_assert_int_eq(counter->released, 1);
	end(counter);
}
END_TEST

START_TEST(bad_arguments_are_ignored)
{
	struct counter *counter = make(NULL);
	CFRunLoopRef loop = CFRunLoopGetCurrent();

	CFRunLoopAddSource(NULL, counter->source, kCFRunLoopDefaultMode);
	CFRunLoopAddSource(loop, NULL, kCFRunLoopDefaultMode);
	CFRunLoopAddSource(loop, counter->source, NULL);
	CFRunLoopRemoveSource(loop, counter->source, NULL);
	ck_assert(!CFRunLoopContainsSource(loop, NULL, kCFRunLoopDefaultMode));
	CFRunLoopStop(NULL);
	CFRunLoopWakeUp(NULL);
	ck_assert(!CFRunLoopIsWaiting(NULL));
	ck_assert(!CFRunLoopSourceIsValid(NULL));
	CFRelease(counter->source);
	end(counter);
}
END_TEST

struct worker {
	_Atomic(CFRunLoopRef) loop;
	struct counter *counter;
	CFRunLoopRunResult result;
	pthread_t thread;
};

static void *
work(void *context)
{
	struct worker *worker = context;

	CFRunLoopAddSource(CFRunLoopGetCurrent(), worker->counter->source, kCFRunLoopDefaultMode);
	CFRetain(CFRunLoopGetCurrent());
	atomic_store(&worker->loop, CFRunLoopGetCurrent());
	worker->result = CFRunLoopRunInMode(kCFRunLoopDefaultMode, 1e20, false);
	return NULL;
}

/* The loop of a thread that sleeps in it. */
static CFRunLoopRef
start(struct worker *worker, struct counter *counter)
{
	uint64_t late = clock_now() + 20 * NSEC_PER_SEC;
	CFRunLoopRef loop;

	*worker = (struct worker){.counter = counter};
	ck_assert_int_eq(pthread_create(&worker->thread, NULL, work, worker), 0);
	while ((loop = atomic_load(&worker->loop)) == NULL || !CFRunLoopIsWaiting(loop))
		ck_assert_uint_lt(clock_now(), late);
	return loop;
}

START_TEST(another_thread_stops_it)
{
	struct counter *counter = make(NULL);
	struct worker worker;
	CFRunLoopRef loop;

	for (int i = 0; i < 100; i++) {
		loop = start(&worker, counter);
		CFRunLoopWakeUp(loop); /* a wake-up alone ends nothing */
		ring(counter, 1);
		CFRunLoopStop(loop);
		pthread_join(worker.thread, NULL);
		ck_assert_int_eq(worker.result, kCFRunLoopRunStopped);
		ck_assert(!CFRunLoopIsWaiting(loop));
		CFRelease(loop);
	}
	CFRelease(counter->source);
	ck_assert_int_eq(counter->released, 1); /* no thread's loop holds it */
	end(counter);
}
END_TEST

START_TEST(another_thread_adds_and_removes)
{
	struct counter *counter = make(NULL), *added = make(NULL);
	uint64_t late = clock_now() + 20 * NSEC_PER_SEC;
	struct worker worker;
	CFRunLoopRef loop = start(&worker, counter);

	ring(added, 1);
	CFRunLoopAddSource(loop, added->source, kCFRunLoopDefaultMode);
	while (atomic_load(&added->count) != 1)
		ck_assert_uint_lt(clock_now(), late);
	CFRunLoopRemoveSource(loop, added->source, kCFRunLoopDefaultMode);
	CFRunLoopRemoveSource(loop, counter->source, kCFRunLoopDefaultMode);
	pthread_join(worker.thread, NULL);
	ck_assert_int_eq(worker.result, kCFRunLoopRunFinished);
	CFRelease(loop);
	CFRelease(counter->source);
	CFRelease(added->source);
	ck_assert_int_eq(counter->released, 1);
	ck_assert_int_eq(added->released, 1);
	end(counter);
	end(added);
}
END_TEST

static void
stop_own_loop(void *context)
{
	struct counter *counter = context;
	CFRunLoopRef loop = CFRunLoopGetCurrent();

	if (CFRunLoopContainsSource(loop, counter->source, kCFRunLoopDefaultMode))
		_exit(1);
	CFRunLoopWakeUp(loop);
	if (CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false) != kCFRunLoopRunFinished)
		_exit(2);
}

START_TEST(a_forked_child_starts_empty)
{
	struct counter *counter = make(NULL);
	int status;

	CFRunLoopAddSource(CFRunLoopGetCurrent(), counter->source, kCFRunLoopDefaultMode);
	status = unit_child(stop_own_loop, counter, NULL, 0);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ring(counter, 1);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, true),
			 kCFRunLoopRunHandledSource);
}
END_TEST

UNIT_MAIN("run_loop", is_one_for_each_thread, another_thread_has_another, finishes_without_sources,
	  times_out, handles_what_is_there, a_busy_source_leaves_the_others_their_turn,
	  stops_right_after_the_callback_that_said_so, stop_ends_the_innermost_run,
	  a_callback_may_remove_its_source, retains_its_sources, modes_are_apart,
	  lets_go_of_invalid_sources, bad_arguments_are_ignored, another_thread_stops_it,
	  another_thread_adds_and_removes, a_forked_child_starts_empty)
