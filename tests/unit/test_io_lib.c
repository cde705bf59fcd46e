/* SPDX-License-Identifier: Apache-2.0 */
/* What is in <DriverKit/IOLib.h>, and the time. */
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include <DriverKit/IOLib.h>
#include <mach/mach_time.h>

#include "clock.h"
#include "meter.h"

struct pair {
	uint64_t one, other;
};

START_TEST(memory_comes_zeroed_and_goes)
{
	struct pair *pairs = IONewZero(struct pair, 3);
	uint8_t *bytes = IOMallocZero(100), *others = IOMalloc(1);

	ck_assert_ptr_nonnull(pairs);
	ck_assert_uint_eq(pairs[2].other, 0);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_uint_eq(bytes[99], 0);
	ck_assert_ptr_nonnull(others);
	IOFree(bytes, 100);
	IOFree(others, 1);
	IOSafeDeleteNULL(pairs, struct pair, 3);
	ck_assert_ptr_null(pairs);
	IOSafeDeleteNULL(pairs, struct pair, 3);
	pairs = IONew(struct pair, 1);
	ck_assert_ptr_nonnull(pairs);
	IODelete(pairs, struct pair, 1);
}
END_TEST

START_TEST(one_of_a_type_comes_zeroed_and_goes)
{
	struct pair *pair = IOMallocType(struct pair);

	ck_assert_ptr_nonnull(pair);
	ck_assert_uint_eq(pair->one, 0);
	ck_assert_uint_eq(pair->other, 0);
	IOFreeType(pair, struct pair);
	pair = NULL;
	IOFreeType(pair, struct pair);
}
END_TEST

/* Also where it is said to be larger (tests/pages). */
START_TEST(a_page_has_the_kernels_size)
{
	const char *wanted = getenv("LARGE_PAGES");

	ck_assert_uint_eq(IOVMPageSize, (uint64_t)sysconf(_SC_PAGESIZE));
	if (wanted != NULL)
		ck_assert_uint_eq(IOVMPageSize, strtoul(wanted, NULL, 10));
}
END_TEST

START_TEST(too_many_are_none)
{
	/* So many that their bytes are few again. */
	volatile size_t count = SIZE_MAX / sizeof(struct pair) + 2;

	ck_assert_ptr_null(IONew(struct pair, count));
}
END_TEST

START_TEST(instance_variables_may_be_none)
{
	struct none {
	} *nothing = IONewZero(struct none, 1);

	IOSafeDeleteNULL(nothing, struct none, 1);
	ck_assert_ptr_null(nothing);
}
END_TEST

static void
come(int number)
{
	(void)number;
}

static void
interrupt_each_millisecond(void (*handler)(int))
{
	struct itimerval often = {{0, 1000}, {0, 1000}};
	struct sigaction action = {.sa_handler = handler};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

START_TEST(signals_do_not_shorten_a_sleep)
{
	uint64_t before = clock_now();

	interrupt_each_millisecond(come);
	IOSleep(20);
	ck_assert_uint_ge(clock_now() - before, 20 * NSEC_PER_MSEC);
	before = clock_now();
	IODelay(5000);
	ck_assert_uint_ge(clock_now() - before, 5 * NSEC_PER_MSEC);
}
END_TEST

static void
sleep_for_ever(void *context)
{
	(void)context;
	interrupt_each_millisecond(SIG_DFL);
	IOSleep(UINT64_MAX);
}

START_TEST(a_sleep_that_no_clock_can_count_does_not_end)
{
	ck_assert(unit_killed_by(unit_child(sleep_for_ever, NULL, NULL, 0), SIGALRM));
}
END_TEST

static void *
try_lock(void *lock)
{
	bool got = IOLockTryLock(lock);

	if (got)
		IOLockUnlock(lock);
	return got ? lock : NULL;
}

static void *
try_recursive(void *lock)
{
	bool got = IORecursiveLockTryLock(lock);

	if (got)
		IORecursiveLockUnlock(lock);
	return got ? lock : NULL;
}

/* What another thread gets. */
static void *
other(void *(*try)(void *), void *lock)
{
	void *got = NULL;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, try, lock), 0);
	pthread_join(thread, &got);
	return got;
}

START_TEST(a_lock_is_held_by_one)
{
	IOLock *lock = IOLockAlloc();

	ck_assert_ptr_nonnull(lock);
	IOLockLock(lock);
	ck_assert(!IOLockTryLock(lock));
	ck_assert_ptr_null(other(try_lock, lock));
	IOLockUnlock(lock);
	ck_assert_ptr_eq(other(try_lock, lock), lock);
	IOLockFree(lock);
	IOLockFree(NULL);
}
END_TEST

START_TEST(a_recursive_lock_is_unlocked_as_often)
{
	IORecursiveLock *lock = IORecursiveLockAlloc();

	ck_assert_ptr_nonnull(lock);
	IORecursiveLockLock(lock);
	ck_assert(IORecursiveLockTryLock(lock));
	IORecursiveLockUnlock(lock);
	ck_assert_ptr_null(other(try_recursive, lock));
	IORecursiveLockUnlock(lock);
	ck_assert_ptr_eq(other(try_recursive, lock), lock);
	IORecursiveLockFree(lock);
	IORecursiveLockFree(NULL);
}
END_TEST

struct shared {
	IORWLock *lock;
	uint64_t one, other; /* the same, whenever the lock is not held for writing */
};

static void *
work(void *context)
{
	struct shared *shared = context;

	for (int i = 0; i < 2000; i++) {
		IORWLockWrite(shared->lock);
		shared->one++;
		shared->other++;
		IORWLockUnlock(shared->lock);
		IORWLockRead(shared->lock);
		ck_assert_uint_eq(shared->one, shared->other);
		IORWLockUnlock(shared->lock);
	}
	return NULL;
}

static void *
read_once(void *lock)
{
	IORWLockRead(lock);
	IORWLockUnlock(lock);
	return lock;
}

START_TEST(many_read_and_one_writes)
{
	struct shared shared = {.lock = IORWLockAlloc()};
	pthread_t threads[3];

	ck_assert_ptr_nonnull(shared.lock);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &shared), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(shared.one, 6000);
	IORWLockRead(shared.lock);
	ck_assert_ptr_eq(other(read_once, shared.lock), shared.lock);
	IORWLockUnlock(shared.lock);
	IORWLockFree(shared.lock);
	IORWLockFree(NULL);
}
END_TEST

static IOCallOnceFlag flag;
static struct meter gate = METER_INITIALIZER;
static _Atomic unsigned calls;

static void
do_once(void *context)
{
	ck_assert_ptr_eq(context, &gate);
	meter_raise(&gate);
	meter_wait(&gate, 4); /* the others have begun */
	atomic_fetch_add(&calls, 1);
}

static void *
try_once(void *context)
{
	meter_raise(&gate);
	IOCallOnce_f(&flag, context, do_once);
	return (void *)(uintptr_t)atomic_load(&calls);
}

START_TEST(once_is_done_when_it_returns)
{
	IOCallOnceFlag own = {0};
	pthread_t threads[3];
	void *seen;

	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, try_once, &gate), 0);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(threads[i], &seen);
		ck_assert_uint_eq((uintptr_t)seen, 1);
	}
	IOCallOnce_f(&flag, &gate, do_once);
	ck_assert_uint_eq(calls, 1);
	IOCallOnce_f(&own, &gate, do_once); /* each flag by itself */
	ck_assert_uint_eq(calls, 2);
}
END_TEST

START_TEST(no_boot_argument_is_set)
{
	uint32_t level = 7;
	char words[8] = "before";

	ck_assert(!IOParseBootArgNumber("debug", &level, sizeof(level)));
	ck_assert_uint_eq(level, 7);
	ck_assert(!IOParseBootArgString("console", words, sizeof(words)));
	ck_assert_str_eq(words, "before");
}
END_TEST

static void
give_up(void *context)
{
	panic("pipe %s of %u", (const char *)context, 3u);
}

START_TEST(a_panic_says_why_and_ends_the_driver)
{
	char text[256];

	ck_assert(unit_killed_by(unit_child(give_up, "two", text, sizeof(text)), SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "panic: pipe two of 3\n"));
}
END_TEST

/* WakeAtTime is given mach_absolute_time() and something. */
START_TEST(a_driver_tells_the_time_of_its_timers)
{
	uint64_t before = clock_now(), time = mach_absolute_time();

	ck_assert_uint_le(before, time);
	ck_assert_uint_le(time, clock_now());
}
END_TEST

UNIT_MAIN("io_lib", memory_comes_zeroed_and_goes, one_of_a_type_comes_zeroed_and_goes,
	  a_page_has_the_kernels_size, too_many_are_none, instance_variables_may_be_none,
	  signals_do_not_shorten_a_sleep, a_sleep_that_no_clock_can_count_does_not_end,
	  a_lock_is_held_by_one, a_recursive_lock_is_unlocked_as_often, many_read_and_one_writes,
	  once_is_done_when_it_returns, no_boot_argument_is_set,
	  a_panic_says_why_and_ends_the_driver, a_driver_tells_the_time_of_its_timers)
