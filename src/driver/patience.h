/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long this host still waits for the apps of a user. An app that is asked for memory holds its
 * driver's queue up until it answers, and one that never does could come again with another
 * connection for ever. So a user's apps may be waited for in vain for DEXT_LIMIT_VAIN_WAIT_MSEC at
 * once, and in the long run for a tenth of the time; an answer costs nothing.
 *
 *	uint64_t most = patience_left(uid, clock_now());
 *	... waits, at most that long, in vain ...
 *	patience_spend(uid, waited, clock_now());
 *
 * Times in ns. Any thread.
 */
#ifndef DRIVER_PATIENCE_H
#define DRIVER_PATIENCE_H

#include <stdint.h>

uint64_t patience_left(uint32_t uid, uint64_t now);
void patience_spend(uint32_t uid, uint64_t waited, uint64_t now);

#endif
