/* SPDX-License-Identifier: Apache-2.0 */
/* Shuffling: a seed makes its choices again, and another makes others. */
#include "shuffle.h"

#include "queue_private.h"
#include "unit.h"

#define CHOICES 64

/* The choices for a new queue of this name, as bits. */
static uint64_t
choose(uint64_t seed, const char *name)
{
	IODispatchQueue *queue = NULL;
	struct loop *loop = NULL;
	uint64_t bits = 0;

	ck_assert_int_eq(loop_create(&loop), kIOReturnSuccess);
	queue_set_loop(loop);
	shuffle_begin(seed);
	ck_assert_int_eq(queue_create(name, &queue), kIOReturnSuccess);
	for (int i = 0; i < CHOICES; i++)
		bits = bits << 1 | shuffle_appends(queue_ivars(queue));
	OSRelease(queue);
	shuffle_begin(0);
	queue_set_loop(NULL);
	loop_destroy(loop);
	return bits;
}

START_TEST(repeats)
{
	uint64_t bits = choose(4711, "a");

	ck_assert_uint_eq(choose(4711, "a"), bits);
	ck_assert_uint_ne(choose(4712, "a"), bits);
	ck_assert_uint_ne(choose(4711, "b"), bits);
	ck_assert_uint_ne(bits, 0);
	ck_assert_uint_ne(bits, UINT64_MAX);
}
END_TEST

UNIT_MAIN("shuffle", repeats)
