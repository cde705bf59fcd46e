/* SPDX-License-Identifier: Apache-2.0 */
/* The test driver Queues: four data queues for each user client, by memory type. */
#ifndef TESTS_INTEG_QUEUES_H
#define TESTS_INTEG_QUEUES_H

#include <stdint.h>
#include <string.h>

enum queues_type {
	QUEUES_CLASSIC_OUT = 0, /* the driver produces */
	QUEUES_CLASSIC_IN = 1,	/* the app produces */
	QUEUES_DISPATCH_OUT = 2,
	QUEUES_DISPATCH_IN = 3,
	QUEUES_TYPES = 4,
	QUEUES_SHARED = 4, /* one of the service, whoever asks for it */
};

enum queues_method {
	QUEUES_PRODUCE = 0, /* scalars in: type, how many entries more; returns at once */
	QUEUES_STATUS = 1, /* scalar in: type; out: entries so far, wrong ones, calls of handlers */
};

#define QUEUES_BYTES	 4096 /* of each queue */
#define QUEUES_ENTRY_MAX 68

/* Entry number `number`: its size depends on it, and each byte. */
static inline uint32_t
queues_size(uint32_t number)
{
	return 4 + number % (QUEUES_ENTRY_MAX - 3);
}

static inline void
queues_fill(uint8_t *data, uint32_t number)
{
	memset(data, (uint8_t)number, queues_size(number));
	memcpy(data, &number, sizeof(number));
}

/* Whether these bytes are that entry. */
static inline int
queues_is(const uint8_t *data, uint64_t size, uint32_t number)
{
	uint8_t wanted[QUEUES_ENTRY_MAX];

	queues_fill(wanted, number);
	return size == queues_size(number) && memcmp(data, wanted, size) == 0;
}

#endif
