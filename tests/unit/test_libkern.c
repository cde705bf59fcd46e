/* SPDX-License-Identifier: Apache-2.0 */
/* libkern's inline functions: byte order and atomics. */
#include "unit.h"

#include <pthread.h>

#include <IOKit/IODataQueueShared.h>
#include <libkern/OSAtomic.h>
#include <libkern/OSByteOrder.h>
#include <libkern/OSTypes.h>

START_TEST(bytes_are_swapped)
{
	static const uint32_t constant = OSSwapConstInt32(0x01020304);
	uint16_t word = 0x0102;

	ck_assert_uint_eq(OSSwapInt16(word), 0x0201);
	ck_assert_uint_eq(constant, 0x04030201);
	ck_assert_uint_eq(OSSwapInt32(constant), 0x01020304);
	ck_assert_uint_eq(OSSwapInt64(0x0102030405060708), 0x0807060504030201);
	ck_assert_uint_eq(OSSwapConstInt64(0x0102030405060708), 0x0807060504030201);
	ck_assert_uint_eq(OSSwapConstInt16(0x0102), 0x0201);
	ck_assert_uint_eq(OSSwapBigToHostInt32(OSSwapHostToBigInt32(7)), 7);
	ck_assert_int_eq(OSHostByteOrder(),
			 OSSwapHostToLittleInt16(1) == 1 ? OSLittleEndian : OSBigEndian);
}
END_TEST

START_TEST(either_order_at_any_address)
{
	uint8_t bytes[16] = {0};

	OSWriteBigInt32(bytes, 1, 0x01020304);
	ck_assert_mem_eq(bytes, "\0\1\2\3\4", 5);
	ck_assert_uint_eq(OSReadBigInt32(bytes, 1), 0x01020304);
	ck_assert_uint_eq(OSReadLittleInt32(bytes, 1), 0x04030201);
	OSWriteLittleInt16(bytes, 3, 0x0506);
	ck_assert_mem_eq(bytes + 3, "\6\5", 2);
	OSWriteLittleInt64(bytes, 5, 0x0102030405060708);
	ck_assert_uint_eq(bytes[5], 8);
	ck_assert_uint_eq(OSReadBigInt64(bytes, 5), 0x0807060504030201);
}
END_TEST

START_TEST(atomics_return_what_they_say)
{
	int32_t number = 5;
	int64_t large = INT64_C(1) << 40;
	uint32_t bits = 0xf0;
	void *pointer = NULL;
	uint8_t bytes[2] = {0};

	ck_assert_int_eq(OSAtomicAdd32(3, &number), 8);
	ck_assert_int_eq(OSAtomicIncrement32Barrier(&number), 9);
	ck_assert_int_eq(OSAtomicDecrement32(&number), 8);
	ck_assert_int_eq(OSAtomicIncrement64(&large), (INT64_C(1) << 40) + 1);
	ck_assert(OSAtomicCompareAndSwap32(8, 1, &number));
	ck_assert(!OSAtomicCompareAndSwap32Barrier(8, 2, &number));
	ck_assert_int_eq(number, 1);
	ck_assert(OSAtomicCompareAndSwapPtr(NULL, &number, &pointer));
	ck_assert_int_eq(OSAtomicOr32(0x0f, &bits), 0xff);
	ck_assert_int_eq(OSAtomicAnd32Orig(0x0f, &bits), 0xff);
	ck_assert_int_eq(OSAtomicXor32Barrier(0x01, &bits), 0x0e);
	ck_assert(!OSAtomicTestAndSet(8, bytes));
	ck_assert_uint_eq(bytes[1], 0x80);
	ck_assert(OSAtomicTestAndClearBarrier(8, bytes));
	ck_assert_uint_eq(bytes[1], 0);
}
END_TEST

struct counter {
	OSSpinLock lock;
	unsigned count;
};

static void *
count(void *context)
{
	struct counter *counter = context;

	for (unsigned i = 0; i < 10000; i++) {
		OSSpinLockLock(&counter->lock);
		counter->count++;
		OSSpinLockUnlock(&counter->lock);
	}
	return NULL;
}

START_TEST(a_spin_lock_excludes)
{
	struct counter counter = {OS_SPINLOCK_INIT, 0};
	pthread_t threads[2];

	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count, &counter), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(counter.count, 20000);
	ck_assert(OSSpinLockTry(&counter.lock));
	ck_assert(!OSSpinLockTry(&counter.lock));
}
END_TEST

START_TEST(the_queue_has_its_layout)
{
	ck_assert_uint_eq(DATA_QUEUE_MEMORY_HEADER_SIZE, 12);
	ck_assert_uint_eq(DATA_QUEUE_ENTRY_HEADER_SIZE, 4);
	ck_assert_uint_eq(offsetof(IODataQueueMemory, queue), 12);
	ck_assert_uint_eq(sizeof(UInt64), 8);
}
END_TEST

UNIT_MAIN("libkern", bytes_are_swapped, either_order_at_any_address, atomics_return_what_they_say,
	  a_spin_lock_excludes, the_queue_has_its_layout)
