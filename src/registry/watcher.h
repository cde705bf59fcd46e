/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an app is told of without asking again: services that come and go, and what happens to one
 * entry. A client of the registry has one watcher; it starts as zeros.
 *
 * A reply and an event that do not fit into the socket wait here, in order. A client for which more
 * than DEXT_LIMIT_EVENT_BYTES wait has its socket shut down: it connects anew, says again what it
 * watches, and finds out from the replies what it missed.
 */
#ifndef REGISTRY_WATCHER_H
#define REGISTRY_WATCHER_H

#include "packets.h"
#include "tree.h"

#include <stdbool.h>
#include <stddef.h>

struct registry;

struct watcher {
	struct watch *watches; /* the oldest first */
	unsigned count;
	size_t plist_bytes; /* of the matching dictionaries, as they came */
	struct outgoing *first, **last;
	size_t waiting_bytes;
	bool ended; /* its socket was shut down */
};

/* What all apps of a user have, the one that asks included. */
struct watcher_share {
	unsigned count;
	size_t plist_bytes;
};

/* PACKET_WATCH and PACKET_UNWATCH of a client. Not success: its connection ends. */
IOReturn watcher_add(struct registry *registry, struct watcher *watcher,
		     const struct watcher_share *share, int fd, const struct packet *packet);
IOReturn watcher_remove(struct watcher *watcher, const struct packet *packet);

/* Sends what waits, as far as it fits. Not success: the connection ends. */
IOReturn watcher_flush(struct watcher *watcher, int fd);
static inline bool
watcher_is_waiting(const struct watcher *watcher)
{
	return watcher->first != NULL;
}

/* Something happened to an entry: an event if the client watches it. */
void watcher_tell(struct watcher *watcher, int fd, const struct entry *entry, enum event_kind kind);
/* Hosts have changed their states: an event for each watched entry that became busy or quiet. */
void watcher_tell_busy(struct registry *registry, struct watcher *watcher, int fd);

void watcher_clear(struct watcher *watcher);

#endif
