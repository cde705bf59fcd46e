/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "one_cpu.h"
#include "spin.h"

/* How many chances go by until the next spin. */
static unsigned
pause_of(struct spin_backoff *backoff)
{
	unsigned count = 0;

	while (!spin_allowed(backoff))
		count++;
	return count;
}

START_TEST(each_failure_doubles_the_pause)
{
	struct spin_backoff backoff = {0};

	ck_assert_uint_eq(pause_of(&backoff), 0);
	for (unsigned pause = 1; pause <= 64; pause *= 2) {
		spin_ended(&backoff, false);
		ck_assert_uint_eq(pause_of(&backoff), pause);
	}
	spin_ended(&backoff, false);
	ck_assert_uint_eq(pause_of(&backoff), 64);
	spin_ended(&backoff, true);
	ck_assert_uint_eq(pause_of(&backoff), 0);
	spin_ended(&backoff, false);
	ck_assert_uint_eq(pause_of(&backoff), 1);
}
END_TEST

START_TEST(nobody_spins_for_a_peer_on_the_same_cpu)
{
	int cpu = stay_on_one_cpu();

	ck_assert_uint_eq(spin_cpu(), (unsigned)cpu + 1);
	ck_assert(!spin_can_help((unsigned)cpu + 1));
	ck_assert(spin_can_help((unsigned)cpu + 2));
	/* Not known: it may be this one. */
	ck_assert(!spin_can_help(0));
}
END_TEST

START_TEST(nobody_spins_who_does_not_want_to)
{
	setenv("OPENDEXT_SPIN", "0", 1);
	ck_assert_uint_eq(spin_cpu(), 0);
	for (unsigned peer = 0; peer < 1024; peer++)
		ck_assert(!spin_can_help(peer));
}
END_TEST

UNIT_MAIN("spin", each_failure_doubles_the_pause, nobody_spins_for_a_peer_on_the_same_cpu,
	  nobody_spins_who_does_not_want_to)
