/* SPDX-License-Identifier: Apache-2.0 */
/* What is recorded of a connection: recorder.h. Only if recorder_is_on(). */
#ifndef DRIVER_RECORD_CLIENT_H
#define DRIVER_RECORD_CLIENT_H

#include "connection.h"
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
/* Entries went through a ring that the connection has; a mapped_source_watcher. */
void record_entries(const void *connection, bool taken, uint32_t count);
/* [ring_lock] Some of those that waited were sent. */
void record_drained_locked(struct connection *c);

#endif
