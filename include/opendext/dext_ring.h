/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings between an app and a driver, the app's side: entries of one size that go to the driver and
 * come back from it through shared memory. While both sides are awake an entry costs neither a call
 * of the driver nor a system call; a thread that waits sleeps. OpenDext's own: macOS has nothing
 * like it. The driver makes the rings with DextRingDispatchSource and says what the entries mean.
 * The man page dext_ring(3) has a program.
 *
 *	dext_ring_create(connection, type, 0, &ring);
 *	dext_ring_push(ring, submissions, count, &pushed);
 *	dext_ring_wait(ring, DEXT_RING_ENTRIES, timeout);
 *	dext_ring_pop(ring, completions, room, &popped);
 *
 * Every function may be called by any thread at any time, but for what DEXT_RING_ONE_THREAD says;
 * only the two that wait block. A ring outlives IOServiceClose and the driver: then push fails, pop
 * hands out what has come. In a child of fork the rings are its parent's, and all functions fail
 * with MACH_SEND_INVALID_DEST.
 */
#ifndef OPENDEXT_DEXT_RING_H
#define OPENDEXT_DEXT_RING_H

#include <IOKit/IOKitLib.h>
#include <dext_cdefs.h>
#include <stdbool.h>
#include <stdint.h>

DEXT_BEGIN_DECLS

typedef struct dext_ring dext_ring_t;

enum {
	/*
	 * One thread pushes and one pops (it may be the same), and whoever waits for entries is the
	 * one that pops, who waits for room the one that pushes: saves a lock for each call.
	 */
	DEXT_RING_ONE_THREAD = 1 << 0,
};

/* What to wait for. */
enum {
	DEXT_RING_ENTRIES = 1 << 0, /* there is something to pop */
	DEXT_RING_ROOM = 1 << 1,    /* there is room for an entry to push */
};

struct dext_ring_info {
	uint32_t entry_size;  /* bytes */
	uint32_t submissions; /* entries that there is room for, to the driver */
	uint32_t completions; /* and from it */
};

struct dext_ring_statistics {
	uint64_t pushed; /* entries */
	uint64_t popped;
	uint64_t doorbells; /* times that the driver had to be told of something */
	uint64_t sleeps;    /* times that dext_ring_wait has slept, in steps of at most 50 ms */
};

/*
 * Maps the rings behind that memory type of the driver's; options: DEXT_RING_x. The ring is the
 * caller's to release. kIOReturnUnsupported: the memory is no ring. kIOReturnBadArgument: ring is
 * NULL, or unknown options. kIOReturnNoMemory. Else as IOConnectMapMemory64; it blocks as a call,
 * and the first time in a process with several threads for 10 ms.
 */
kern_return_t dext_ring_create(io_connect_t connection, uint32_t memoryType, uint32_t options,
			       dext_ring_t **ring);
/* Unmaps it. No other function may be under way on it. NULL: nothing. */
void dext_ring_release(dext_ring_t *ring);

/* What the driver has made: entries and their bytes, in both directions. Any thread. */
void dext_ring_get_info(const dext_ring_t *ring, struct dext_ring_info *info);
/* Counted since it was created, by this process. */
void dext_ring_get_statistics(const dext_ring_t *ring, struct dext_ring_statistics *statistics);

/*
 * Appends entries: as many of the `count` as there is room for, *pushed, and tells the driver if it
 * waits. kIOReturnOverrun: no room for one. kIOReturnError: the ring is spoiled.
 * MACH_SEND_INVALID_DEST: closed, or the driver has gone. *pushed is 0 then.
 */
kern_return_t dext_ring_push(dext_ring_t *ring, const void *entries, uint32_t count,
			     uint32_t *pushed);
/*
 * Takes up to `room` entries, the oldest first, *popped. kIOReturnUnderrun: there is none.
 * kIOReturnError: the ring is spoiled. *popped is 0 then.
 */
kern_return_t dext_ring_pop(dext_ring_t *ring, void *entries, uint32_t room, uint32_t *popped);

/*
 * Waits until one of `what` is so, at most `timeout` nanoseconds (UINT64_MAX: for ever). It looks
 * for up to 200 us, where that can help, and then sleeps. kIOReturnTimeout. kIOReturnOffline: the
 * driver has gone, and nothing will come any more. kIOReturnAborted: the connection was closed.
 */
kern_return_t dext_ring_wait(dext_ring_t *ring, uint32_t what, uint64_t timeout);
/*
 * The same for a stream, which is cheaper to wake once for many: a thread that has to sleep is not
 * woken before there are `count` entries to pop, or there is room for so many; but if that takes
 * longer than 10 ms, then for what there is. It returns at once if there is anything when it is
 * called or while it looks, so less than `count` may be there whenever it succeeds, and more than
 * can come makes it late and never hang. Who has n submissions underway asks for no more than n;
 * half of them leaves the driver the other half to go on with. Only with DEXT_RING_ONE_THREAD: else
 * it is dext_ring_wait, as another thread may wait for one entry. kIOReturnBadArgument: count is 0,
 * or more than the ring has room for (dext_ring_info). Else as above.
 */
kern_return_t dext_ring_wait_batch(dext_ring_t *ring, uint32_t what, uint32_t count,
				   uint64_t timeout);

/*
 * For programs with a poll, epoll or io_uring loop of their own: a descriptor that becomes readable
 * after dext_ring_arm. Only to be polled: neither read nor close it. It lives as long as the ring.
 * -1: the connection has ended, or there are no resources. The first call of it is a call of the
 * driver, and blocks as one.
 */
int dext_ring_get_descriptor(dext_ring_t *ring);
/*
 * Before a poll: true if none of `what` is so; the descriptor becomes readable then when one may
 * be, or when the driver has gone. False: there is something now, or the connection has ended. It
 * looks for up to 50 us, where that can help, if the driver has not taken all that was pushed.
 */
bool dext_ring_arm(dext_ring_t *ring, uint32_t what);

DEXT_END_DECLS

#endif
