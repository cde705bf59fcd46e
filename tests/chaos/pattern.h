/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the transfers of a stream carry: everything follows from the stream's number and the
 * transfer's, so that whoever knows these two can say what a device must have seen. A transfer
 * begins with its stream, number, buffer and the buffer's generation, if it is long enough; buffers
 * are used in turn.
 */
#ifndef TESTS_CHAOS_PATTERN_H
#define TESTS_CHAOS_PATTERN_H

#include <stdint.h>
#include <string.h>

#define DEPTH 6u    /* buffers of a direction */
#define SIZE  8192u /* bytes of one: a multiple of each packet size */

static inline uint64_t
mix(uint64_t value)
{
	value += UINT64_C(0x9e3779b97f4a7c15);
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

/* Repeatable: the next number of a sequence. */
static inline uint64_t
draw(uint64_t *state)
{
	return mix((*state)++);
}

/* 1 to SIZE; often whole packets. */
static inline uint32_t
pattern_length(uint64_t stream, uint64_t number)
{
	uint64_t dice = mix(stream ^ mix(number));
	uint32_t length = 1 + (uint32_t)((dice >> 8) % SIZE);

	return dice % 4 == 0 ? (length + 511) / 512 * 512 : length;
}

static inline void
pattern_fill(uint8_t *data, uint64_t stream, uint64_t number, uint32_t length)
{
	const uint64_t head[4] = {stream, number, number % DEPTH, number / DEPTH};
	uint64_t key = mix(stream) ^ mix(~number);

	for (uint32_t at = 0; at < length; at += 8) {
		uint64_t word = at < sizeof(head) ? head[at / 8] : mix(key + at);

		memcpy(data + at, &word, length - at < 8 ? length - at : 8);
	}
}

#endif
