/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic over counters; see top.h. No state, no input or output. */
#include "top.h"

#include <stdatomic.h>

static uint64_t
read_word(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

void
top_counters_read(const struct trace_place *place, struct top_counters *ret_counters)
{
	struct top_counters counters = {
		/* `ended` before `began`: so what has ended has begun. */
		.ended = atomic_load_explicit(&place->ended, memory_order_acquire),
		.began = read_word(&place->began),
		.failed = read_word(&place->failed),
		.bytes = read_word(&place->bytes),
		.spent = read_word(&place->spent),
		.completions = read_word(&place->completions),
		.entries = {read_word(&place->entries[0]), read_word(&place->entries[1])},
	};

	for (unsigned i = 0; i < TRACE_BUCKETS; i++)
		counters.latency[i] =
			atomic_load_explicit(&place->latency[i], memory_order_relaxed);
	*ret_counters = counters;
}

static uint64_t
fall_is_none(uint64_t later, uint64_t earlier)
{
	return later > earlier ? later - earlier : 0;
}

void
top_counters_difference(const struct top_counters *later, const struct top_counters *earlier,
			struct top_counters *ret_difference)
{
	struct top_counters difference = {
		.began = fall_is_none(later->began, earlier->began),
		.ended = fall_is_none(later->ended, earlier->ended),
		.failed = fall_is_none(later->failed, earlier->failed),
		.bytes = fall_is_none(later->bytes, earlier->bytes),
		.spent = fall_is_none(later->spent, earlier->spent),
		.completions = fall_is_none(later->completions, earlier->completions),
		.entries = {fall_is_none(later->entries[0], earlier->entries[0]),
			    fall_is_none(later->entries[1], earlier->entries[1])},
	};

	for (unsigned i = 0; i < TRACE_BUCKETS; i++)
		difference.latency[i] =
			(uint32_t)((uint32_t)later->latency[i] - (uint32_t)earlier->latency[i]);
	*ret_difference = difference;
}

void
top_counters_add(struct top_counters *to, const struct top_counters *from)
{
	to->began += from->began;
	to->ended += from->ended;
	to->failed += from->failed;
	to->bytes += from->bytes;
	to->spent += from->spent;
	to->completions += from->completions;
	to->entries[0] += from->entries[0];
	to->entries[1] += from->entries[1];
	for (unsigned i = 0; i < TRACE_BUCKETS; i++)
		to->latency[i] += from->latency[i];
}

uint64_t
top_percentile(const struct top_counters *counters, double percent)
{
	uint64_t count = 0, before = 0, begin, end;
	double wanted;

	for (unsigned i = 0; i < TRACE_BUCKETS; i++)
		count += counters->latency[i];
	if (count == 0)
		return 0;
	wanted = (double)count * percent / 100;
	for (unsigned i = 0; i < TRACE_BUCKETS; i++) {
		uint64_t here = counters->latency[i];

		if (here == 0 || (double)(before + here) < wanted) {
			before += here;
			continue;
		}
		begin = trace_bucket_begin(i);
		end = i + 1 < TRACE_BUCKETS ? trace_bucket_begin(i + 1) : begin;
		return begin +
		       (uint64_t)((double)(end - begin) * (wanted - (double)before) / (double)here);
	}
	return trace_bucket_begin(TRACE_BUCKETS - 1);
}
