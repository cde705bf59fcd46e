/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shuffling, for tests: work of queues is delayed at random, so that what is on other queues and
 * what devices do overtakes it. The order within a queue stays. The choices follow from the seed,
 * the queue's name and how many were made for it before; so a seed makes the same ones again.
 */
#ifndef QUEUE_SHUFFLE_H
#define QUEUE_SHUFFLE_H

#include <stdint.h>

/* 0: no more. Set while no work is run. */
void shuffle_begin(uint64_t seed);
/* Evenly distributed, of anything that is to depend on the seed. */
uint64_t shuffle_mix(uint64_t value);

#endif
