/* SPDX-License-Identifier: Apache-2.0 */
/* What is recorded of a connection: recorder.h. Only if recorder_is_on(). */
#ifndef DRIVER_RECORD_CLIENT_H
#define DRIVER_RECORD_CLIENT_H

#include "connection.h"
#include "mapped_source.h"
#include "recorder.h"

void record_opened(struct connection *c);
void record_closed(struct connection *c);
/* By the scanner: its request was taken and is right. */
void record_call_began(struct call *call);
/* Its turn has come. */
void record_call_runs(struct call *call);
/* Before its answer is published. */
void record_call_ended(struct call *call, const struct call_reply *reply);
/* [ring_lock] An entry for the app was made. */
void record_completion_locked(struct connection *c, const struct completion *entry);
/* What it has of its limits has changed. [maps.lock], [ring_lock], [lock] */
void record_maps_locked(struct connection *c);
void record_registrations_locked(struct connection *c);
void record_kept_locked(struct connection *c);
/* Connections that there are get their places, for a reader that has come. No lock held. */
void record_connections(void);
/* Entries went through a ring or a data queue that the connection has; a mapped_source_watcher. */
void record_entries(const void *connection, const struct mapped_move *move);
/* [ring_lock] Some of those that waited were sent. */
void record_drained_locked(struct connection *c);

#endif
