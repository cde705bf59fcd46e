/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread's stack that comes later than it is waited for: when whoever has asked looks for it
 * again, which is a poll of nothing for a millisecond.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <poll.h>
#include <semaphore.h>
#include <time.h>

#define SHOWN	     __attribute__((visibility("default")))
#define PATIENCE_SEC 5
#define NEXT(name)                                                 \
	({                                                         \
		static __typeof__(&(name)) next;                   \
		if (next == NULL)                                  \
			*(void **)&next = dlsym(RTLD_NEXT, #name); \
		next;                                              \
	})

static sem_t looked;

__attribute__((constructor)) static void
start(void)
{
	sem_init(&looked, 0, 0);
}

SHOWN int
poll(struct pollfd *items, nfds_t count, int msec)
{
	if (count == 0 && msec == 1)
		sem_post(&looked);
	return NEXT(poll)(items, count, msec);
}

SHOWN int
backtrace(void **frames, int most)
{
	static int used;
	struct timespec until;

	/* Those that have the library loaded. */
	if (most == 1 || used++ == 0)
		return NEXT(backtrace)(frames, most);
	while (sem_trywait(&looked) == 0)
		;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_SEC;
	sem_timedwait(&looked, &until);
	return NEXT(backtrace)(frames, most);
}
