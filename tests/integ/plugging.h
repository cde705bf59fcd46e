/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that a test plugs into the registry of its harness, by the registry's own protocol: what
 * `dext plug` and `dext unplug` do, without a process for each.
 */
#ifndef TESTS_INTEG_PLUGGING_H
#define TESTS_INTEG_PLUGGING_H

#include <stdint.h>

#include <DriverKit/IOReturn.h>

#define PLUG_SENTENCE_MAX 1025

/* The id of the device's node; the test fails if it is refused. */
uint64_t plug(const char *spec);
/* Returns when the device has gone; likewise. */
void unplug(uint64_t id);
/* The sentence is "" after a success. */
IOReturn try_plug(const char *spec, uint64_t *ret_id, char sentence[PLUG_SENTENCE_MAX]);
IOReturn try_unplug(uint64_t id, char sentence[PLUG_SENTENCE_MAX]);
/* The registry is another process from now on. */
void plug_elsewhere(void);
/* Asks for it and does not wait for the answer, which unplug_wait does. */
void unplug_begin(uint64_t id);
void unplug_wait(void);

#endif
