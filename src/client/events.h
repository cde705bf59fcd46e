/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of the registry: this process's second socket to it, on which watches are made and events
 * come. It is there while there are watches.
 *
 * There is no thread for it. All that there is to wait for is in one epoll set, the hub, and the
 * hub is in the set of each port that has a watch: whoever drains such a port drains the hub, and
 * each event goes to the port that it is for. While there is no registry, a timer in the hub asks
 * for one: the place where it will listen may not exist yet, and there is more than one.
 */
#ifndef CLIENT_EVENTS_H
#define CLIENT_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include <DriverKit/IOReturn.h>

struct watch;

/*
 * Makes the watch known to the registry and waits for its answer, at most a few seconds while that
 * is being restarted; then what is there has been learned. kIOReturnNotReady: no registry can be
 * reached. kIOReturnNoResources: a limit. kIOReturnNotFound: the entry has gone.
 */
IOReturn events_add(struct watch *watch);
/* Nothing is brought to it any more. One that was not added is allowed. */
void events_remove(struct watch *watch);
/* Brings what has come, unless another thread is at it. Never waits. */
void events_drain(void);

/* --- for watch.c and departures.c, under the session's lock --- */

int events_hub(void);
struct watch *events_find_locked(uint64_t id);
/* A port had no room: the watches are asked again when the hub is drained next. */
void events_starved_locked(void);
void events_settle_timer_locked(void);
/* A service's last connection has hung up: without a registry to ask it has gone. */
void events_suspect_locked(uint64_t service);

/* In a forked child: forgets everything, without locks. */
void events_fork_child(void);

#endif
