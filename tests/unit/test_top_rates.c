/* SPDX-License-Identifier: Apache-2.0 */
/* dext top's arithmetic: differences of counters that wrap or lie, and percentiles. */
#include "top.h"
#include "unit.h"

static struct trace_place place;

static void
set_latency(uint64_t nsec, uint32_t count)
{
	atomic_store(&place.latency[trace_bucket(nsec)], count);
}

START_TEST(a_difference_is_what_happened_in_between)
{
	struct top_counters earlier, later, difference, sum = {.bytes = 1};

	atomic_store(&place.began, 12);
	atomic_store(&place.ended, 10);
	atomic_store(&place.failed, 1);
	atomic_store(&place.bytes, 1000);
	atomic_store(&place.entries[1], 3);
	top_counters_read(&place, &earlier);
	atomic_store(&place.began, 20);
	atomic_store(&place.ended, 20);
	atomic_store(&place.bytes, UINT64_C(1) << 40);
	atomic_store(&place.entries[1], 5);
	top_counters_read(&place, &later);
	top_counters_difference(&later, &earlier, &difference);
	ck_assert_uint_eq(difference.began, 8);
	ck_assert_uint_eq(difference.ended, 10);
	ck_assert_uint_eq(difference.failed, 0);
	ck_assert_uint_eq(difference.bytes, (UINT64_C(1) << 40) - 1000);
	ck_assert_uint_eq(difference.entries[0], 0);
	ck_assert_uint_eq(difference.entries[1], 2);
	top_counters_add(&sum, &difference);
	top_counters_add(&sum, &difference);
	ck_assert_uint_eq(sum.ended, 20);
	ck_assert_uint_eq(sum.bytes, 2 * difference.bytes + 1);
}
END_TEST

/* They have 32 bits in the host's memory. */
START_TEST(counts_of_durations_wrap)
{
	struct top_counters earlier, later, difference;

	set_latency(1000, UINT32_MAX - 1);
	top_counters_read(&place, &earlier);
	set_latency(1000, 5);
	top_counters_read(&place, &later);
	top_counters_difference(&later, &earlier, &difference);
	ck_assert_uint_eq(difference.latency[trace_bucket(1000)], 7);
}
END_TEST

START_TEST(what_falls_is_nothing)
{
	struct top_counters earlier = {.bytes = 10, .ended = 10}, later = {.bytes = 9, .ended = 11};
	struct top_counters difference;

	top_counters_difference(&later, &earlier, &difference);
	ck_assert_uint_eq(difference.bytes, 0);
	ck_assert_uint_eq(difference.ended, 1);
}
END_TEST

/* Within a bucket: a quarter of an octave at most. */
static void
check_near(uint64_t got, uint64_t wanted)
{
	ck_assert_msg(got * 10 >= wanted * 8 && got * 10 <= wanted * 13, "%lu, not %lu",
		      (unsigned long)got, (unsigned long)wanted);
}

START_TEST(percentiles)
{
	struct top_counters counters;

	top_counters_read(&place, &counters);
	ck_assert_uint_eq(top_percentile(&counters, 50), 0);
	set_latency(700, 90);
	set_latency(50000, 9);
	set_latency(20000000, 1);
	top_counters_read(&place, &counters);
	check_near(top_percentile(&counters, 50), 700);
	check_near(top_percentile(&counters, 90), 700);
	check_near(top_percentile(&counters, 95), 50000);
	check_near(top_percentile(&counters, 99), 50000);
	check_near(top_percentile(&counters, 99.9), 20000000);
	check_near(top_percentile(&counters, 100), 20000000);
	/* It never falls as more are asked for. */
	for (unsigned percent = 1; percent <= 100; percent++)
		ck_assert_uint_ge(top_percentile(&counters, percent),
				  top_percentile(&counters, percent - 1));
}
END_TEST

/* The last bucket has no end. */
START_TEST(the_longest_have_a_percentile)
{
	struct top_counters counters;

	set_latency(UINT32_MAX, 3);
	atomic_store(&place.latency[TRACE_BUCKETS - 1], 1);
	top_counters_read(&place, &counters);
	ck_assert_uint_eq(top_percentile(&counters, 100), trace_bucket_begin(TRACE_BUCKETS - 1));
}
END_TEST

UNIT_MAIN("top_rates", a_difference_is_what_happened_in_between, counts_of_durations_wrap,
	  what_falls_is_nothing, percentiles, the_longest_have_a_percentile)
