/* SPDX-License-Identifier: Apache-2.0 */
/* The app of the bulkstream tests, on the public interface and nothing else. */
#include "stream_app.h"

#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mach/mach.h>

#define DONE_MAX 65536

static uint64_t
now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
stream_start(struct harness *harness, const char *spec)
{
	harness_start(harness, (const char *[]){harness_bundle("BULKSTREAM_BUNDLE"), "--virtual",
						spec, NULL});
}

bool
stream_by_ring(void)
{
	const char *way = getenv("STREAM_WAY");

	return way != NULL && strcmp(way, "ring") == 0;
}

static struct completion *
next_done(struct app *app)
{
	ck_assert_uint_lt(app->done_count, DONE_MAX);
	return &app->done[app->done_count++];
}

static void
on_completion(void *refcon, IOReturn result, void **args, uint32_t count)
{
	struct app *app = refcon;
	struct completion *done = next_done(app);

	ck_assert_uint_eq(count, DEXT_BULKSTREAM_ARGUMENTS);
	done->direction = (unsigned)(uintptr_t)args[DEXT_BULKSTREAM_ARGUMENT_DIRECTION];
	done->buffer = (uint32_t)(uintptr_t)args[DEXT_BULKSTREAM_ARGUMENT_BUFFER];
	done->status = (IOReturn)(uintptr_t)args[DEXT_BULKSTREAM_ARGUMENT_STATUS];
	done->bytes = (uint32_t)(uintptr_t)args[DEXT_BULKSTREAM_ARGUMENT_BYTES];
	done->timestamp = (uintptr_t)args[DEXT_BULKSTREAM_ARGUMENT_TIMESTAMP];
	done->sequence = (uintptr_t)args[DEXT_BULKSTREAM_ARGUMENT_SEQUENCE];
	ck_assert_int_eq(done->status, result);
	if (app->on_done != NULL)
		app->on_done(app, done);
}

static const struct dext_bulkstream_statistics *
map_statistics(struct app *app, uint32_t type)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	ck_assert_int_eq(IOConnectMapMemory64(app->connect, type, mach_task_self(), &address, &size,
					      kIOMapAnywhere),
			 kIOReturnSuccess);
	ck_assert_uint_ge(size, sizeof(struct dext_bulkstream_statistics));
	return (const void *)(uintptr_t)address;
}

void
app_connect(struct app *app, uint32_t type)
{
	uint64_t reference[kIOAsyncCalloutCount] = {0};

	memset(app, 0, sizeof(*app));
	app->connect = harness_open(DEXT_BULKSTREAM_SERVICE, type);
	app->port = IONotificationPortCreate(kIOMainPortDefault);
	ck_assert_ptr_nonnull(app->port);
	app->control_port = IONotificationPortCreate(kIOMainPortDefault);
	ck_assert_ptr_nonnull(app->control_port);
	app->done = calloc(DONE_MAX, sizeof(*app->done));
	ck_assert_ptr_nonnull(app->done);
	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)on_completion;
	reference[kIOAsyncCalloutRefconIndex] = (uint64_t)(uintptr_t)app;
	ck_assert_int_eq(IOConnectCallAsyncScalarMethod(app->connect, DEXT_BULKSTREAM_REGISTER,
							IONotificationPortGetMachPort(app->port),
							reference, kIOAsyncCalloutCount, NULL, 0,
							NULL, NULL),
			 kIOReturnSuccess);
	app->statistics = map_statistics(app, DEXT_BULKSTREAM_MEMORY_STATISTICS);
	app->totals = map_statistics(app, DEXT_BULKSTREAM_MEMORY_TOTALS);
}

kern_return_t
app_configure(struct app *app, uint64_t interface, uint64_t alternate, uint64_t out, uint64_t in,
	      uint64_t count, uint64_t size)
{
	uint64_t input[6] = {interface, alternate, out, in, count, size};
	uint64_t output[4] = {0};
	uint32_t room = 4;
	kern_return_t status = IOConnectCallScalarMethod(app->connect, DEXT_BULKSTREAM_CONFIGURE,
							 input, 6, output, &room);

	if (status != kIOReturnSuccess)
		return status;
	ck_assert_uint_eq(room, 4);
	app->packet[DEXT_BULKSTREAM_OUT] = (uint32_t)output[0];
	app->packet[DEXT_BULKSTREAM_IN] = (uint32_t)output[1];
	app->count = (uint32_t)count;
	app->size = (uint32_t)size;
	app->buffers = calloc(count, sizeof(*app->buffers));
	ck_assert_ptr_nonnull(app->buffers);
	if (stream_by_ring())
		app_use_ring(app);
	return status;
}

void
app_use_ring(struct app *app)
{
	if (app->ring != NULL)
		return;
	ck_assert_int_eq(dext_ring_create(app->connect, DEXT_BULKSTREAM_MEMORY_RING, 0, &app->ring),
			 kIOReturnSuccess);
	app->popped = calloc(DONE_MAX, sizeof(*app->popped));
	ck_assert_ptr_nonnull(app->popped);
}

void
app_open(struct app *app, uint32_t type, uint32_t count, uint32_t size)
{
	app_connect(app, type);
	ck_assert_int_eq(app_configure(app, DEXT_BULKSTREAM_ANY, 0, DEXT_BULKSTREAM_ANY,
				       DEXT_BULKSTREAM_ANY, count, size),
			 kIOReturnSuccess);
}

void
app_close(struct app *app)
{
	dext_ring_release(app->ring);
	IOServiceClose(app->connect);
	IONotificationPortDestroy(app->port);
	IONotificationPortDestroy(app->control_port);
	free(app->buffers);
	free(app->done);
	free(app->popped);
	memset(app, 0, sizeof(*app));
}

uint8_t *
app_buffer(struct app *app, uint32_t i)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	ck_assert_uint_lt(i, app->count);
	if (app->buffers[i] != NULL)
		return app->buffers[i];
	ck_assert_int_eq(IOConnectMapMemory64(app->connect, i, mach_task_self(), &address, &size,
					      kIOMapAnywhere),
			 kIOReturnSuccess);
	ck_assert_uint_eq(size, app->size);
	app->buffers[i] = (uint8_t *)(uintptr_t)address;
	return app->buffers[i];
}

void
app_fill(struct app *app, uint32_t i, uint32_t length, uint64_t seed)
{
	uint8_t *buffer = app_buffer(app, i);
	uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (uint32_t at = 0; at < length; at++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		buffer[at] = (uint8_t)(state >> 24);
	}
}

kern_return_t
app_call(struct app *app, uint32_t selector, const uint64_t *input, uint32_t count)
{
	return IOConnectCallScalarMethod(app->connect, selector, input, count, NULL, NULL);
}

/* Takes out of the ring, and keeps for app_dispatch. True: there was something. */
static bool
pop(struct app *app)
{
	struct dext_bulkstream_completion *place = &app->popped[app->popped_count];
	uint32_t count;

	if (dext_ring_pop(app->ring, place, DONE_MAX - app->popped_count, &count) !=
	    kIOReturnSuccess)
		return false;
	app->popped_count += count;
	return true;
}

/* The status of the refused submission among those from `first` on, which is no completion. */
static kern_return_t
take_refusal(struct app *app, uint32_t first)
{
	for (uint32_t i = first; i < app->popped_count; i++) {
		kern_return_t status = (kern_return_t)app->popped[i].status;

		if (app->popped[i].sequence != DEXT_BULKSTREAM_REFUSED)
			continue;
		app->popped_count--;
		memmove(&app->popped[i], &app->popped[i + 1],
			(app->popped_count - i) * sizeof(app->popped[0]));
		return status;
	}
	return kIOReturnSuccess;
}

static kern_return_t
push(struct app *app, uint32_t operation, uint64_t buffer, uint64_t offset, uint64_t length,
     uint64_t flags)
{
	struct dext_bulkstream_submission entry = {
		.operation = operation,
		.buffer = buffer > UINT32_MAX ? UINT32_MAX : (uint32_t)buffer,
		.offset = offset > UINT32_MAX ? UINT32_MAX : (uint32_t)offset,
		.length = length > UINT32_MAX ? UINT32_MAX : (uint32_t)length,
		.flags = (uint32_t)flags,
	};
	uint32_t pushed;

	return dext_ring_push(app->ring, &entry, 1, &pushed);
}

/* As a call says it. */
static kern_return_t
submit(struct app *app, uint32_t operation, uint64_t buffer, uint64_t offset, uint64_t length,
       uint64_t flags)
{
	uint32_t first = app->popped_count;
	kern_return_t status = push(app, operation, buffer, offset, length, flags), refused;

	if (status != kIOReturnSuccess)
		return status;
	status = app_call(app, DEXT_BULKSTREAM_QUERY, NULL, 0);
	while (pop(app))
		;
	refused = take_refusal(app, first);
	return refused != kIOReturnSuccess ? refused : status;
}

kern_return_t
app_push(struct app *app, uint32_t operation, uint32_t buffer, uint32_t length)
{
	return push(app, operation, buffer, 0, length, 0);
}

kern_return_t
app_send(struct app *app, uint64_t i, uint64_t offset, uint64_t length, uint64_t flags)
{
	uint64_t input[4] = {i, offset, length, flags};

	if (app->ring != NULL)
		return submit(app, DEXT_BULKSTREAM_SEND, i, offset, length, flags);
	return app_call(app, DEXT_BULKSTREAM_SEND, input, 4);
}

kern_return_t
app_queue(struct app *app, uint32_t i, uint32_t length)
{
	return app->ring != NULL ? app_push(app, DEXT_BULKSTREAM_SEND, i, length)
				 : app_send(app, i, 0, length, 0);
}

kern_return_t
app_receive(struct app *app, uint64_t i, uint64_t length)
{
	uint64_t input[2] = {i, length};

	if (app->ring != NULL)
		return submit(app, DEXT_BULKSTREAM_RECEIVE, i, 0, length, 0);
	return app_call(app, DEXT_BULKSTREAM_RECEIVE, input, 2);
}

static void
on_control(void *refcon, IOReturn result, void *bytes)
{
	struct app *app = refcon;

	app->controls++;
	app->control_status = result;
	app->control_bytes = (uintptr_t)bytes;
}

kern_return_t
app_begin_control(struct app *app, uint8_t type, uint8_t request, uint16_t length, uint32_t buffer)
{
	uint64_t input[6] = {type, request, 0, 0, length, buffer};
	uint64_t reference[kIOAsyncCalloutCount] = {0};

	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)on_control;
	reference[kIOAsyncCalloutRefconIndex] = (uint64_t)(uintptr_t)app;
	return IOConnectCallAsyncScalarMethod(app->connect, DEXT_BULKSTREAM_CONTROL,
					      IONotificationPortGetMachPort(app->control_port),
					      reference, kIOAsyncCalloutCount, input, 6, NULL,
					      NULL);
}

static void
wait_port(IONotificationPortRef port, const uint32_t *counter, uint32_t count)
{
	uint64_t deadline = now_msec() + HARNESS_DEADLINE_SEC * 1000;
	struct pollfd wait = {.fd = IONotificationPortGetFileDescriptor(port), .events = POLLIN};

	dext_notification_port_dispatch(port);
	while (*counter < count) {
		uint64_t now = now_msec();

		ck_assert_msg(now < deadline, "%u of %u completions came", *counter, count);
		poll(&wait, 1, (int)(deadline - now));
		dext_notification_port_dispatch(port);
	}
}

void
app_wait_controls(struct app *app, uint32_t count)
{
	wait_port(app->control_port, &app->controls, count);
}

kern_return_t
app_control(struct app *app, uint8_t type, uint8_t request, uint16_t length, uint32_t buffer,
	    uint64_t *ret_bytes)
{
	uint32_t before = app->controls;
	kern_return_t status = app_begin_control(app, type, request, length, buffer);

	if (status != kIOReturnSuccess)
		return status;
	app_wait_controls(app, before + 1);
	*ret_bytes = app->control_bytes;
	return app->control_status;
}

struct dext_virtual_state
app_device_state(struct app *app, uint32_t i)
{
	struct dext_virtual_state state;
	uint64_t bytes = 0;

	ck_assert_int_eq(
		app_control(app, 0xc0, DEXT_VIRTUAL_REQUEST_STATE, sizeof(state), i, &bytes),
		kIOReturnSuccess);
	ck_assert_uint_eq(bytes, sizeof(state));
	memcpy(&state, app_buffer(app, i), sizeof(state));
	return state;
}

static void
dispatch_popped(struct app *app)
{
	while (app->popped_first < app->popped_count || pop(app)) {
		const struct dext_bulkstream_completion from = app->popped[app->popped_first++];
		struct completion *done;

		if (app->popped_first == app->popped_count)
			app->popped_first = app->popped_count = 0;
		/* Of a driver that was ending: app_send has said already that it was refused. */
		if (from.sequence == DEXT_BULKSTREAM_REFUSED)
			continue;
		done = next_done(app);
		*done = (struct completion){
			.direction = from.direction,
			.buffer = from.buffer,
			.status = (IOReturn)from.status,
			.bytes = from.bytes,
			.timestamp = from.timestamp,
			.sequence = from.sequence,
		};
		if (app->on_done != NULL)
			app->on_done(app, done);
	}
}

void
app_dispatch(struct app *app)
{
	dext_notification_port_dispatch(app->port);
	if (app->ring != NULL)
		dispatch_popped(app);
}

/* Both ways: of the ring, too, the transfers that calls began end at the port. */
static void
wait_both(struct app *app, uint32_t count)
{
	uint64_t deadline = now_msec() + HARNESS_DEADLINE_SEC * 1000;
	struct pollfd wait[2] = {
		{.fd = IONotificationPortGetFileDescriptor(app->port), .events = POLLIN},
		{.fd = dext_ring_get_descriptor(app->ring), .events = POLLIN},
	};

	app_dispatch(app);
	while (app->done_count < count) {
		uint64_t now = now_msec();

		ck_assert_msg(now < deadline, "%u of %u completions came", app->done_count, count);
		if (dext_ring_arm(app->ring, DEXT_RING_ENTRIES))
			poll(wait, 2, (int)(deadline - now));
		app_dispatch(app);
	}
}

void
app_wait(struct app *app, uint32_t count)
{
	if (app->ring != NULL)
		wait_both(app, count);
	else
		wait_port(app->port, &app->done_count, count);
}

void
app_expect(struct app *app, uint32_t first, uint32_t count, unsigned direction, IOReturn status)
{
	for (uint32_t i = first; i < first + count; i++) {
		ck_assert_uint_eq(app->done[i].direction, direction);
		ck_assert_msg(app->done[i].status == status, "completion %u: 0x%08x", i,
			      (unsigned)app->done[i].status);
		if (i > first) {
			ck_assert_uint_eq(app->done[i].sequence, app->done[i - 1].sequence + 1);
			if (status == kIOReturnSuccess)
				ck_assert_uint_ge(app->done[i].timestamp,
						  app->done[i - 1].timestamp);
		}
	}
}

struct dext_bulkstream_completion
app_take(struct app *app)
{
	struct dext_bulkstream_completion completion;
	uint32_t count;

	while (dext_ring_pop(app->ring, &completion, 1, &count) != kIOReturnSuccess)
		ck_assert_int_eq(dext_ring_wait(app->ring, DEXT_RING_ENTRIES,
						HARNESS_DEADLINE_SEC * UINT64_C(1000000000)),
				 kIOReturnSuccess);
	return completion;
}

void
app_expect_served(struct app *app, uint32_t times)
{
	for (uint32_t i = 0; i < times; i++) {
		uint32_t before = app->done_count;

		ck_assert_int_eq(app_send(app, 0, 0, 4096, 0), kIOReturnSuccess);
		app_wait(app, before + 1);
		app_expect(app, before, 1, DEXT_BULKSTREAM_OUT, kIOReturnSuccess);
	}
}
