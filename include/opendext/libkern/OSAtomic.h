/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Atomic integers under their old names, and OSSpinLock. Add, Increment, Decrement return the new
 * value; TestAnd... the old bit; CompareAndSwap whether it swapped. All of them are full barriers
 * here, with Barrier in the name or without. New code uses <stdatomic.h> and a mutex.
 */
#ifndef OPENDEXT_LIBKERN_OSATOMIC_H
#define OPENDEXT_LIBKERN_OSATOMIC_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define DEXT_ATOMIC_ADD(bits, suffix)                                                              \
	static inline int##bits##_t OSAtomicAdd##bits##suffix(int##bits##_t amount,                \
							      volatile int##bits##_t *value)       \
	{                                                                                          \
		return __atomic_add_fetch(value, amount, __ATOMIC_SEQ_CST);                        \
	}                                                                                          \
	static inline int##bits##_t OSAtomicIncrement##bits##suffix(volatile int##bits##_t *value) \
	{                                                                                          \
		return __atomic_add_fetch(value, 1, __ATOMIC_SEQ_CST);                             \
	}                                                                                          \
	static inline int##bits##_t OSAtomicDecrement##bits##suffix(volatile int##bits##_t *value) \
	{                                                                                          \
		return __atomic_sub_fetch(value, 1, __ATOMIC_SEQ_CST);                             \
	}

#define DEXT_ATOMIC_SWAP(name, type)                                                    \
	static inline bool OSAtomicCompareAndSwap##name(type expected, type desired,    \
							type volatile *value)           \
	{                                                                               \
		return __atomic_compare_exchange_n(value, &expected, desired, false,    \
						   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	}

/* By name: the new value; Orig: the one before. */
#define DEXT_ATOMIC_BITS(name, operation, suffix)                                                 \
	static inline int32_t OSAtomic##name##32##suffix(uint32_t mask, volatile uint32_t *value) \
	{                                                                                         \
		return (int32_t)__atomic_##operation##_fetch(value, mask, __ATOMIC_SEQ_CST);      \
	}                                                                                         \
	static inline int32_t OSAtomic##name##32Orig##suffix(uint32_t mask,                       \
							     volatile uint32_t *value)            \
	{                                                                                         \
		return (int32_t)__atomic_fetch_##operation(value, mask, __ATOMIC_SEQ_CST);        \
	}

DEXT_ATOMIC_ADD(32, )
DEXT_ATOMIC_ADD(32, Barrier)
DEXT_ATOMIC_ADD(64, )
DEXT_ATOMIC_ADD(64, Barrier)

DEXT_ATOMIC_SWAP(Int, int)
DEXT_ATOMIC_SWAP(IntBarrier, int)
DEXT_ATOMIC_SWAP(Long, long)
DEXT_ATOMIC_SWAP(LongBarrier, long)
DEXT_ATOMIC_SWAP(32, int32_t)
DEXT_ATOMIC_SWAP(32Barrier, int32_t)
DEXT_ATOMIC_SWAP(64, int64_t)
DEXT_ATOMIC_SWAP(64Barrier, int64_t)
DEXT_ATOMIC_SWAP(Ptr, void *)
DEXT_ATOMIC_SWAP(PtrBarrier, void *)

DEXT_ATOMIC_BITS(Or, or, )
DEXT_ATOMIC_BITS(Or, or, Barrier)
DEXT_ATOMIC_BITS(And, and, )
DEXT_ATOMIC_BITS(And, and, Barrier)
DEXT_ATOMIC_BITS(Xor, xor, )
DEXT_ATOMIC_BITS(Xor, xor, Barrier)

#undef DEXT_ATOMIC_ADD
#undef DEXT_ATOMIC_SWAP
#undef DEXT_ATOMIC_BITS

/* Bit n is bit 7 - n % 8 of byte n / 8: the highest bit of a byte is number 0. */
static inline bool
OSAtomicTestAndSetBarrier(uint32_t bit, volatile void *address)
{
	uint8_t mask = (uint8_t)(0x80u >> (bit & 7));

	return (__atomic_fetch_or((volatile uint8_t *)address + (bit >> 3), mask,
				  __ATOMIC_SEQ_CST) &
		mask) != 0;
}

static inline bool
OSAtomicTestAndClearBarrier(uint32_t bit, volatile void *address)
{
	uint8_t mask = (uint8_t)(0x80u >> (bit & 7));

	return (__atomic_fetch_and((volatile uint8_t *)address + (bit >> 3), (uint8_t)~mask,
				   __ATOMIC_SEQ_CST) &
		mask) != 0;
}

static inline bool
OSAtomicTestAndSet(uint32_t bit, volatile void *address)
{
	return OSAtomicTestAndSetBarrier(bit, address);
}

static inline bool
OSAtomicTestAndClear(uint32_t bit, volatile void *address)
{
	return OSAtomicTestAndClearBarrier(bit, address);
}

static inline void
OSMemoryBarrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

typedef int32_t OSSpinLock;

#define OS_SPINLOCK_INIT 0

/* The store of OSSpinLockUnlock is what the exchange pairs with. */
static inline bool
OSSpinLockTry(volatile OSSpinLock *lock)
{
	return __atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) == 0;
}

static inline void
OSSpinLockLock(volatile OSSpinLock *lock)
{
	while (!OSSpinLockTry(lock))
		sched_yield(); /* its holder may need this CPU */
}

static inline void
OSSpinLockUnlock(volatile OSSpinLock *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

#endif
