/* SPDX-License-Identifier: Apache-2.0 */
/* See scenario_app.h. Everything runs on the test's only thread. */
#include "scenario_app.h"

#include <check.h>
#include <string.h>

#include <CoreFoundation/CoreFoundation.h>
#include <mach/mach.h>
#include <mach/mach_time.h>

void
app_start(struct app *app, const char *spec)
{
	memset(app, 0, sizeof(*app));
	harness_start(&app->harness,
		      (const char *[]){harness_bundle("SCENARIO_BUNDLE"), "--virtual", spec, NULL});
	app->host = harness_host_pid(SCENARIO_SERVICE);
}

void
app_open(struct app *app, uint32_t type)
{
	app->connect = harness_open(SCENARIO_SERVICE, type);
}

void
app_stop(struct app *app)
{
	if (app->connect != MACH_PORT_NULL)
		ck_assert_int_eq(IOServiceClose(app->connect), kIOReturnSuccess);
	if (app->port != NULL)
		IONotificationPortDestroy(app->port);
	ck_assert_int_eq(harness_stop(&app->harness), 0);
}

kern_return_t
app_call(struct app *app, uint32_t selector, const uint64_t *input, uint32_t count,
	 uint64_t *output, uint32_t room)
{
	return IOConnectCallScalarMethod(app->connect, selector, input, count, output,
					 output == NULL ? NULL : &room);
}

void
app_do(struct app *app, uint32_t selector, uint64_t first, uint64_t second, uint64_t third)
{
	static const uint32_t counts[] = {
		[SCENARIO_POKE] = 2,
		[SCENARIO_FORGET] = 1,
		[SCENARIO_CLEAR] = 0,
		[SCENARIO_WRITE] = 3,
	};
	const uint64_t input[3] = {first, second, third};

	ck_assert_int_eq(app_call(app, selector, input, counts[selector], NULL, 0),
			 kIOReturnSuccess);
}

uint64_t
app_count(struct app *app, enum scenario_count which)
{
	uint64_t counts[SCENARIO_COUNTS_MAX];

	ck_assert_int_eq(app_call(app, SCENARIO_COUNTS, NULL, 0, counts, SCENARIO_COUNTS_MAX),
			 kIOReturnSuccess);
	return counts[which];
}

struct dext_virtual_state
app_ask_device(struct app *app)
{
	struct dext_virtual_state state;
	size_t size = sizeof(state);

	ck_assert_int_eq(IOConnectCallStructMethod(app->connect, SCENARIO_ASK_DEVICE, NULL, 0,
						   &state, &size),
			 kIOReturnSuccess);
	ck_assert_uint_eq(size, sizeof(state));
	return state;
}

void *
app_map(struct app *app, uint32_t type, uint64_t expected_size)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	ck_assert_int_eq(IOConnectMapMemory64(app->connect, type, mach_task_self(), &address, &size,
					      kIOMapAnywhere),
			 kIOReturnSuccess);
	ck_assert_uint_eq(size, expected_size);
	return (void *)(uintptr_t)address;
}

uint8_t
app_read(struct app *app, uint64_t type, uint64_t offset)
{
	const uint64_t input[2] = {type, offset};
	uint64_t byte = 0;

	ck_assert_int_eq(app_call(app, SCENARIO_READ, input, 2, &byte, 1), kIOReturnSuccess);
	return (uint8_t)byte;
}

static void
heard(void *refcon, IOReturn result, void **arguments, uint32_t count)
{
	struct listener *listener = refcon;
	struct done *done = &listener->done[listener->count];

	ck_assert_uint_lt(listener->count, DONE_MAX);
	*done = (struct done){.status = result, .count = count, .when = mach_absolute_time()};
	for (uint32_t i = 0; i < count; i++)
		done->arguments[i] = (uintptr_t)arguments[i];
	listener->count++;
}

void
app_listen(struct app *app, struct listener *listener, const void *structure, size_t size)
{
	uint64_t reference[kIOAsyncCalloutCount] = {0}, output[2] = {~0u, ~0u};
	size_t output_size = sizeof(output);
	mach_port_t port;
	uint32_t room = 2;
	kern_return_t status;

	memset(listener, 0, sizeof(*listener));
	if (app->port == NULL) {
		app->port = IONotificationPortCreate(kIOMainPortDefault);
		ck_assert_ptr_nonnull(app->port);
		CFRunLoopAddSource(CFRunLoopGetCurrent(),
				   IONotificationPortGetRunLoopSource(app->port),
				   kCFRunLoopDefaultMode);
	}
	port = IONotificationPortGetMachPort(app->port);
	reference[kIOAsyncCalloutFuncIndex] = (uintptr_t)heard;
	reference[kIOAsyncCalloutRefconIndex] = (uintptr_t)listener;
	if (structure == NULL)
		status = IOConnectCallAsyncScalarMethod(app->connect, SCENARIO_REGISTER, port,
							reference, kIOAsyncCalloutCount, NULL, 0,
							output, &room);
	else
		status = IOConnectCallAsyncStructMethod(app->connect, SCENARIO_REGISTER, port,
							reference, kIOAsyncCalloutCount, structure,
							size, output, &output_size);
	ck_assert_int_eq(status, kIOReturnSuccess);
	ck_assert_uint_eq(room, 2);
	ck_assert_uint_eq(output_size, sizeof(output));
	ck_assert_uint_eq(output[1], structure == NULL ? 0 : size);
	listener->number = output[0];
}

void
app_wait(const struct listener *listener, unsigned count)
{
	uint64_t end = mach_absolute_time() + HARNESS_DEADLINE_SEC * UINT64_C(1000000000);

	while (listener->count < count && mach_absolute_time() < end)
		CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0.2, true);
	ck_assert_msg(listener->count >= count, "%u of %u completions came", listener->count,
		      count);
}

kern_return_t
app_send(struct app *app, uint64_t type, uint64_t length)
{
	const uint64_t input[2] = {type, length};

	return app_call(app, SCENARIO_SEND, input, 2, NULL, 0);
}
