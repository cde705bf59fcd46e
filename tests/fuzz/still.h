/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread that is app and peer in one. Where the library would sleep, or wait for a packet, the
 * target does what the peer does next; if that was not what it waited for, the time that it would
 * have slept is over at once. So no input needs another thread or any time, and each does the same
 * whenever it runs. Calls that wait are wrapped by the linker (meson.build), and so is the clock.
 *
 * Other threads of the process wait as ever.
 */
#ifndef TESTS_FUZZ_STILL_H
#define TESTS_FUZZ_STILL_H

#include "fuzz.h"

#include "clock.h"
#include "futex.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

/* A look at the clock takes so long, at least: spinning is soon over. */
#ifndef STILL_TICK
#define STILL_TICK 1000u
#endif
/* Nobody waits for ever, so nobody is to be waited for so often at one place. */
#define STILL_TURNS_MAX 1000u

/* The target's: what the peer does while it is waited for. */
static void still_peer(void);

static _Thread_local bool still;
/* The clock is that much ahead of the kernel's, so that no timer of the kernel's is early. */
static _Atomic uint64_t still_ahead;

uint64_t __real_clock_now(void);
uint64_t __wrap_clock_now(void);
uint64_t __wrap_clock_recent(void);
int __real_poll(struct pollfd *items, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *items, nfds_t count, int timeout);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

/* Of this thread, from now on. */
static inline void
still_begin(void)
{
	still = true;
}

uint64_t
__wrap_clock_now(void)
{
	if (still)
		still_ahead += STILL_TICK;
	return __real_clock_now() + still_ahead;
}

uint64_t
__wrap_clock_recent(void)
{
	return __real_clock_now() + still_ahead;
}

/* Nothing has come until then. */
static inline void
still_pass(uint64_t until)
{
	uint64_t now = __real_clock_now();

	if (now + still_ahead < until)
		still_ahead = until - now;
}

int
__wrap_poll(struct pollfd *items, nfds_t count, int timeout)
{
	int ready = __real_poll(items, count, still ? 0 : timeout);

	if (!still || ready != 0 || timeout == 0)
		return ready;
	for (unsigned turns = 0; ready == 0; turns++) {
		FUZZ_CHECK(turns < STILL_TURNS_MAX);
		still_peer();
		ready = __real_poll(items, count, 0);
		if (timeout > 0)
			break;
	}
	if (ready == 0)
		still_ahead += (uint64_t)timeout * NSEC_PER_MSEC;
	return ready;
}

ssize_t
__wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	struct pollfd item = {.fd = fd, .events = POLLIN};

	if (still && !(flags & MSG_DONTWAIT))
		__wrap_poll(&item, 1, -1);
	return __real_recvmsg(fd, message, flags);
}

/* With a timeout for a wait, or the end of one until then; NULL: it has none. */
static inline long
still_sleep(_Atomic uint32_t *word, uint32_t value, const struct timespec *timeout, bool is_end)
{
	uint64_t nsec = 0;

	if (timeout != NULL)
		nsec = (uint64_t)timeout->tv_sec * NSEC_PER_SEC + (uint64_t)timeout->tv_nsec;
	for (unsigned turns = 0; atomic_load(word) == value; turns++) {
		FUZZ_CHECK(turns < STILL_TURNS_MAX);
		still_peer();
		if (timeout == NULL)
			continue;
		if (atomic_load(word) != value)
			return 0;
		if (is_end)
			still_pass(nsec);
		else
			still_ahead += nsec;
		errno = ETIMEDOUT;
		return -1;
	}
	errno = EAGAIN;
	return -1;
}

/*
 * No call that is made so has more arguments. Most have fewer, and what stands in the places of the
 * others is read all the same, as the library's own does.
 */
__attribute__((no_sanitize("address"))) long
__wrap_syscall(long number, ...)
{
	long values[6];
	va_list list;

	va_start(list, number);
	for (unsigned i = 0; i < 6; i++)
		values[i] = va_arg(list, long);
	va_end(list);
	if (still && number == SYS_FUTEX &&
	    ((int)values[1] == FUTEX_WAIT || (int)values[1] == FUTEX_WAIT_BITSET))
		return still_sleep((_Atomic uint32_t *)values[0], (uint32_t)values[2],
				   (const struct timespec *)values[3],
				   (int)values[1] == FUTEX_WAIT_BITSET);
	return __real_syscall(number, values[0], values[1], values[2], values[3], values[4],
			      values[5]);
}

#endif
