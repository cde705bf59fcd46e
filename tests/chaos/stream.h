/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of a chaos app to BulkStream: streams in the directions that the device has, and
 * checks every completion and every byte. What must not be ends the process with status 3 and a
 * sentence in the ledger.
 */
#ifndef TESTS_CHAOS_STREAM_H
#define TESTS_CHAOS_STREAM_H

#include <stdbool.h>

#include <xxhash.h>

#include <bulkstream.h>
#include <dext_cdefs.h>
#include <dext_iokit.h>
#include <dext_virtual.h>

#include "ledger.h"
#include "pattern.h"

#define WAYS	2u	       /* DEXT_BULKSTREAM_OUT, DEXT_BULKSTREAM_IN */
#define STATE	(WAYS * DEPTH) /* the buffer of control requests */
#define BUFFERS (STATE + 1)
#define LENGTHS 64u /* of OUT transfers that may not have come back from a loopback */

/* What had happened before. */
struct epoch {
	uint32_t kills, unplugs, registries;
};

struct way {
	bool there;
	bool aborting;
	bool failed;	     /* until CLEAR_STALL */
	uint64_t next, done; /* numbers of transfers; those between are under way */
	uint64_t bytes;	     /* moved */
	uint64_t since;	     /* of the last completion, or of the first submission after a pause */
};

struct stream {
	struct ledger *ledger;
	struct epoch epoch; /* before the service was looked up */
	uint64_t number;
	io_connect_t connect;
	IONotificationPortRef port, control_port;
	char spec[LEDGER_SPEC];
	bool stalls;
	bool unsure; /* after a stall: what a later app would find does not follow from numbers */
	uint8_t *buffers[BUFFERS];
	struct way ways[WAYS];
	XXH3_state_t *hash; /* of what the device has taken */
	/* Of a loopback: what comes back next, and the bytes that transfers have moved. */
	uint64_t back, back_at;
	bool open_end; /* the last one ended early, and without a short packet: the loopback
			* fills a receive with what is sent next */
	uint32_t lengths[LENGTHS];
	uint32_t controls;
	IOReturn control_status;
	uint8_t scratch[SIZE + 8];
};

/* From a service that was found; false: the connection has ended again, for a known cause. */
bool stream_begin(struct stream *stream, io_connect_t connect);
/* Submits what can be, takes what has come, waits a moment. False: likewise. */
bool stream_turn(struct stream *stream, bool submit);
/* Brings everything under way to its end and compares with the device. False: likewise. */
bool stream_settle(struct stream *stream);
/* Gives everything back; the ends of all transfers must have come, if the host has lived on. */
void stream_end(struct stream *stream);

struct epoch epoch_now(const struct ledger *ledger);
/* Whether a host of this device may have been killed since, or the device have gone. */
bool epoch_killed(const struct ledger *ledger, struct epoch since);
bool epoch_unplugged(const struct ledger *ledger, struct epoch since);
void DEXT_PRINTF(2, 3) fail(struct ledger *ledger, const char *format, ...)
	__attribute__((noreturn));

#endif
