/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app of bulkstream.h, for tests: one connection, its buffers, and every completion that came.
 * All functions fail the test where they cannot do what they say.
 *
 * It submits by calls, or, if the environment has STREAM_WAY=ring, through the ring: app_send and
 * app_receive say the same then, since a call that follows a push finds it taken.
 */
#ifndef TESTS_INTEG_STREAM_APP_H
#define TESTS_INTEG_STREAM_APP_H

#include <stdbool.h>
#include <stdint.h>

#include <bulkstream.h>
#include <dext_iokit.h>
#include <dext_ring.h>
#include <dext_virtual.h>

#include "harness.h"

struct completion {
	unsigned direction;
	uint32_t buffer;
	IOReturn status;
	uint32_t bytes;
	uint64_t timestamp;
	uint64_t sequence;
};

struct app {
	io_connect_t connect;
	IONotificationPortRef port;
	IONotificationPortRef control_port; /* for the ends of control requests */
	uint32_t controls;		    /* that have ended; of the last one: */
	IOReturn control_status;
	uint64_t control_bytes;
	uint32_t count, size;
	uint32_t packet[2];
	uint8_t **buffers; /* mapped at first use */
	dext_ring_t *ring; /* NULL: calls */
	/* Of the ring, popped and not yet dispatched: from `first` on. */
	struct dext_bulkstream_completion *popped;
	uint32_t popped_first, popped_count;
	struct completion *done;
	uint32_t done_count;
	const struct dext_bulkstream_statistics *statistics, *totals;
	/* Called for each completion, after it was recorded; may be NULL. */
	void (*on_done)(struct app *app, const struct completion *done);
	void *context;
};

/* Starts dext run with bulkstream on a virtual device. */
void stream_start(struct harness *harness, const char *spec);

/* Whether the tests submit through the ring. */
bool stream_by_ring(void);

/* Opens, configures with ANY endpoints, registers, maps the statistics. */
void app_open(struct app *app, uint32_t type, uint32_t count, uint32_t size);
/* Opens only. */
void app_connect(struct app *app, uint32_t type);
kern_return_t app_configure(struct app *app, uint64_t interface, uint64_t alternate, uint64_t out,
			    uint64_t in, uint64_t count, uint64_t size);
void app_close(struct app *app);

uint8_t *app_buffer(struct app *app, uint32_t i);
/* Fills a part of a buffer with bytes that depend on `seed` and the place. */
void app_fill(struct app *app, uint32_t i, uint32_t length, uint64_t seed);

kern_return_t app_call(struct app *app, uint32_t selector, const uint64_t *input, uint32_t count);
kern_return_t app_send(struct app *app, uint64_t i, uint64_t offset, uint64_t length,
		       uint64_t flags);
kern_return_t app_receive(struct app *app, uint64_t i, uint64_t length);
/* Sends a buffer's first bytes, and does not wait to hear of a refusal, where that is no answer. */
kern_return_t app_queue(struct app *app, uint32_t i, uint32_t length);
/* Through the ring, which app_use_ring makes if the tests do not: pushed, and not waited for. */
void app_use_ring(struct app *app);
kern_return_t app_push(struct app *app, uint32_t operation, uint32_t buffer, uint32_t length);
/* The ring's next completion, waiting for it; it is not among `done`. */
struct dext_bulkstream_completion app_take(struct app *app);
/* Sends buffer 0, of at least 4096 bytes, so often; each succeeds. */
void app_expect_served(struct app *app, uint32_t times);
/* Begins a control request; app_wait_controls waits until `count` have ended in all. */
kern_return_t app_begin_control(struct app *app, uint8_t type, uint8_t request, uint16_t length,
				uint32_t buffer);
void app_wait_controls(struct app *app, uint32_t count);
/* Both: the status of the call, or else of the completion. */
kern_return_t app_control(struct app *app, uint8_t type, uint8_t request, uint16_t length,
			  uint32_t buffer, uint64_t *ret_bytes);
/* The virtual device's own figures, through buffer i (of at least 64 bytes, not in flight). */
struct dext_virtual_state app_device_state(struct app *app, uint32_t i);

/* Dispatches what has come; waits until there were `count` completions in all, with a deadline. */
void app_wait(struct app *app, uint32_t count);
void app_dispatch(struct app *app);
/* The next `count` completions from `first` are of this status, in order, without gaps. */
void app_expect(struct app *app, uint32_t first, uint32_t count, unsigned direction,
		IOReturn status);

#endif
