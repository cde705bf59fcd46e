/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services that have gone, and this process's connections to them. A driver's last completions are
 * the app's before it hears of the driver's end: a departure waits until the rings of all
 * connections to the service were emptied for the last time, at most DEPARTURE_WAIT.
 *
 * All under the lock of events.c, whose epoll set (the hub) has the bells of those connections.
 */
#ifndef CLIENT_DEPARTURES_H
#define CLIENT_DEPARTURES_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

struct watch;

#define DEPARTURE_WAIT (10 * NSEC_PER_SEC)
/* Ids in the hub from here on are of departures. */
#define DEPARTURES_HUB_ID 16u

/* Tells the watch now, or when the service's connections have ended. */
void departures_add_locked(struct watch *watch, uint64_t service);
/* The watch is not to be told any more. */
void departures_forget_locked(uint64_t watch);
/* The registry has gone, and can no longer say whose driver does: looks at the connections. */
void departures_suspect_locked(void);
/* There is one again. */
void departures_trust_locked(void);

/* Nobody is to be told of anything any more. */
void departures_clear_locked(void);

/* A bell of the hub rang or hung up. */
void departures_bell_locked(uint64_t hub_id, uint32_t events);
/* When departures_expire_locked is due; UINT64_MAX: never. */
uint64_t departures_deadline_locked(void);
void departures_expire_locked(uint64_t now);

/* In a forked child. */
void departures_fork_child(void);

#endif
