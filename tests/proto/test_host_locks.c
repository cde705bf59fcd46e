/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No lock is shared between clients: none that a host takes for the calls and completions of one
 * client is taken for those of another, once either has had some. But the loop's is, when a
 * doorbell wakes a thread: that looks up whose it is, and says when it is done.
 */
#include "driver_fixture.h"
#include "unit.h"

#include "loop_private.h"
#include "raw_client.h"

#include <stdatomic.h>

#define ROUNDS	  1000u
#define LOCKS_MAX 64u
#define CLIENTS	  2u

/* How often each was taken for each client. */
struct taken {
	_Atomic(pthread_mutex_t *) lock;
	_Atomic unsigned times[CLIENTS];
};

static struct taken taken[LOCKS_MAX];
static _Atomic int client = -1; /* who has its turn; -1: nobody */
static __thread bool is_app;	/* not of the host */

static void
count(pthread_mutex_t *lock)
{
	int who = atomic_load(&client);

	if (who < 0 || is_app || lock == &fixture.loop->lock)
		return;
	for (unsigned i = 0; i < LOCKS_MAX; i++) {
		pthread_mutex_t *known = NULL;

		if (atomic_compare_exchange_strong(&taken[i].lock, &known, lock) || known == lock) {
			atomic_fetch_add(&taken[i].times[who], 1);
			return;
		}
	}
	abort();
}

/* All of the host's: it has no other kind of lock. */
int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);

int
__wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
	count(lock);
	return __real_pthread_mutex_lock(lock);
}

int __real_pthread_mutex_trylock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *lock);

int
__wrap_pthread_mutex_trylock(pthread_mutex_t *lock)
{
	count(lock);
	return __real_pthread_mutex_trylock(lock);
}

/* Two that have one serial queue share that, as the driver says: so each has its own. */
static void
open_apart(struct raw *raw)
{
	struct call_request *request;

	raw_open(raw);
	raw_request(raw, 0, CALL_METHOD, TEST_OWN_QUEUE);
	ck_assert_int_eq(raw_call(raw, 0)->status, kIOReturnSuccess);
	request = raw_request(raw, 0, CALL_METHOD, TEST_KEEP);
	request->flags = CALL_ASYNC;
	request->async_generation = 1;
	ck_assert_int_eq(raw_call(raw, 0)->status, kIOReturnSuccess);
}

/* A call, and one that completes. */
static void
go_round(struct raw *raw, unsigned number)
{
	struct call_request *request;
	struct completion entry;

	raw_echo(raw, number);
	request = raw_request(raw, 0, CALL_METHOD, TEST_COMPLETE);
	request->scalar_in_count = 2;
	request->scalars[0] = 1;
	ck_assert_int_eq(raw_call(raw, 0)->status, kIOReturnSuccess);
	raw_completion(raw, &entry);
}

START_TEST(clients_share_no_lock)
{
	struct raw raw[CLIENTS];
	unsigned own = 0;

	is_app = true;
	fixture_start();
	for (unsigned i = 0; i < CLIENTS; i++)
		open_apart(&raw[i]);
	for (unsigned i = 0; i < CLIENTS; i++) {
		for (unsigned j = 0; j < 10; j++)
			go_round(&raw[i], j);
		atomic_store(&client, (int)i);
		for (unsigned j = 0; j < ROUNDS; j++)
			go_round(&raw[i], j);
		atomic_store(&client, -1);
	}
	for (unsigned i = 0; i < LOCKS_MAX; i++) {
		unsigned first = atomic_load(&taken[i].times[0]);
		unsigned second = atomic_load(&taken[i].times[1]);

		own += first >= ROUNDS && second == 0;
		/* What the loop's threads do now and then is none of a call's, which would come
		 * each time. */
		ck_assert_msg(
			first < ROUNDS / 10 || second < ROUNDS / 10,
			"the lock at %p was taken %u times for one client and %u for the other",
			(void *)atomic_load(&taken[i].lock), first, second);
	}
	ck_assert_uint_gt(own, 0); /* counting works */
	for (unsigned i = 0; i < CLIENTS; i++)
		raw_close(&raw[i]);
	fixture_end();
}
END_TEST

UNIT_MAIN("host_locks", clients_share_no_lock)
