/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app of the test driver Scenario: one connection, and the completions that came. All functions
 * fail the test where they cannot do what they say.
 */
#ifndef TESTS_INTEG_SCENARIO_APP_H
#define TESTS_INTEG_SCENARIO_APP_H

#include "harness.h"
#include "places.h"
#include "scenario.h"

#include <stdbool.h>
#include <stdint.h>

#include <dext_virtual.h>

#define DONE_MAX 256

struct done {
	IOReturn status;
	uint32_t count;
	uint64_t arguments[16];
	uint64_t when; /* mach_absolute_time */
};

/* What one registration heard. */
struct listener {
	struct done done[DONE_MAX];
	unsigned count;
	uint64_t number; /* of the completion, in the driver */
};

struct app {
	struct harness harness;
	io_connect_t connect;
	pid_t host;
	IONotificationPortRef port; /* its source is in the run loop of this thread */
};

/* The registry and the driver, on a virtual device of this spec; no connection yet. */
void app_start(struct app *app, const char *spec);
void app_open(struct app *app, uint32_t type);
void app_stop(struct app *app);

kern_return_t app_call(struct app *app, uint32_t selector, const uint64_t *input, uint32_t count,
		       uint64_t *output, uint32_t room);
/* A call that succeeds, with up to three scalars in and none out. */
void app_do(struct app *app, uint32_t selector, uint64_t first, uint64_t second, uint64_t third);
uint64_t app_count(struct app *app, enum scenario_count which);
struct dext_virtual_state app_ask_device(struct app *app);

void *app_map(struct app *app, uint32_t type, uint64_t expected_size);
uint8_t app_read(struct app *app, uint64_t type, uint64_t offset);

/* Registers by the scalar call, or by the struct call if there is a structure. */
void app_listen(struct app *app, struct listener *listener, const void *structure, size_t size);
/* Runs the run loop until the listener has heard that much. */
void app_wait(const struct listener *listener, unsigned count);

kern_return_t app_send(struct app *app, uint64_t type, uint64_t length);

#endif
