/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places for connections of this host: how many there are, and how many of them one user may
 * have. Any thread.
 */
#ifndef DRIVER_PLACES_H
#define DRIVER_PLACES_H

#include <stdbool.h>
#include <stdint.h>

/* Several users are served: from now on one user has DEXT_LIMIT_CONNECTIONS_USER at most, and a
 * share of what else there is for all. */
void places_share(void);
bool places_are_shared(void);

/* NULL, and a place is this user's until places_give_back; or the limit that one more is past, as
 * limit_named says it. */
const char *places_take(uint32_t uid);
void places_give_back(uint32_t uid);

unsigned places_taken(void);

#endif
