/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A counter that threads raise and wait for, with a deadline: what tests wait on instead of
 * sleeping.
 */
#ifndef TESTS_UNIT_METER_H
#define TESTS_UNIT_METER_H

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#ifndef METER_DEADLINE_SEC
#define METER_DEADLINE_SEC 20
#endif

struct meter {
	pthread_mutex_t lock;
	pthread_cond_t raised;
	unsigned count;
};

#define METER_INITIALIZER                                              \
	{                                                              \
		PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 \
	}

/* Who sees the new count sees it in *ret_count, too. */
static inline void
meter_raise_to(struct meter *meter, unsigned *ret_count)
{
	pthread_mutex_lock(&meter->lock);
	*ret_count = ++meter->count;
	pthread_cond_broadcast(&meter->raised);
	pthread_mutex_unlock(&meter->lock);
}

static inline void
meter_reset(struct meter *meter)
{
	pthread_mutex_lock(&meter->lock);
	meter->count = 0;
	pthread_mutex_unlock(&meter->lock);
}

static inline void
meter_raise(struct meter *meter)
{
	unsigned count;

	meter_raise_to(meter, &count);
}

static inline unsigned
meter_read(struct meter *meter)
{
	unsigned count;

	pthread_mutex_lock(&meter->lock);
	count = meter->count;
	pthread_mutex_unlock(&meter->lock);
	return count;
}

/* False if the count has not come there by the deadline. */
static inline bool
meter_reaches(struct meter *meter, unsigned count)
{
	struct timespec deadline;
	bool reached;
	int error = 0;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += METER_DEADLINE_SEC;
	pthread_mutex_lock(&meter->lock);
	while (meter->count < count && error == 0)
		error = pthread_cond_timedwait(&meter->raised, &meter->lock, &deadline);
	reached = meter->count >= count;
	pthread_mutex_unlock(&meter->lock);
	return reached;
}

#define meter_wait(meter, count)                                                      \
	ck_assert_msg(meter_reaches((meter), (count)), "%s did not reach %u", #meter, \
		      (unsigned)(count))

#endif
