/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test of the lamp's driver: driver, device and app in this one process.
 *
 *	examples/test_a_driver/test_a_driver
 *	OPENDEXT_TEST_SHUFFLE=random examples/test_a_driver/test_a_driver
 *	gdb -ex 'break Switch' -ex run examples/test_a_driver/test_a_driver
 */
#include <OpenDext/TestKit.h>

#include <assert.h>
#include <stdio.h>

#include "lamp.h"

static const dext_test_usb lamp = {
	.vendor = 0x1209,
	.product = 0x0d10,
	.endpoints = {{0x01}, {0x81}},
};

static kern_return_t
switch_lamp(io_connect_t connection, uint64_t on)
{
	return IOConnectCallScalarMethod(connection, kLampSwitch, &on, 1, NULL, NULL);
}

/* The words that the lamp gets, and what the app hears when it refuses one. */
static int
test_switch(void)
{
	dext_test *test = dext_test_begin(LAMP_BUNDLE, &dext_bundle);
	dext_test_device *device = dext_test_plug(test, &lamp);
	io_connect_t connection = dext_test_open(test, LAMP_SERVICE, 0);

	dext_test_expect_out(device, 0x01, "on", 2);
	dext_test_stall(device, 0x01);
	dext_test_expect_out(device, 0x01, "off", 3);

	assert(switch_lamp(connection, 1) == kIOReturnSuccess);
	assert(switch_lamp(connection, 0) != kIOReturnSuccess);
	assert(switch_lamp(connection, 0) == kIOReturnSuccess);

	IOServiceClose(connection);
	return dext_test_end(test);
}

static void
pressed(void *refcon, IOReturn result, void *key)
{
	*(uint64_t *)refcon = result == kIOReturnSuccess ? (uint64_t)key : 100;
	CFRunLoopStop(CFRunLoopGetCurrent());
}

static void
wait_for_key(io_connect_t connection, IONotificationPortRef port, uint64_t *key)
{
	uint64_t reference[kIOAsyncCalloutCount] = {
		[kIOAsyncCalloutFuncIndex] = (uint64_t)pressed,
		[kIOAsyncCalloutRefconIndex] = (uint64_t)key,
	};
	kern_return_t result = IOConnectCallAsyncScalarMethod(
		connection, kLampWait, IONotificationPortGetMachPort(port), reference,
		kIOAsyncCalloutCount, NULL, 0, NULL, NULL);

	assert(result == kIOReturnSuccess);
	CFRunLoopRun();
}

/* A key is pressed after a while; then the lamp is pulled out while the app waits for another. */
static int
test_keys(void)
{
	dext_test *test = dext_test_begin(LAMP_BUNDLE, &dext_bundle);
	dext_test_device *device = dext_test_plug(test, &lamp);
	io_connect_t connection = dext_test_open(test, LAMP_SERVICE, 0);
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	uint64_t key = 0;

	CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(port),
			   kCFRunLoopDefaultMode);
	dext_test_delay(device, 20);
	dext_test_answer_in(device, 0x81, "\x07", 1);
	wait_for_key(connection, port, &key);
	assert(key == 7);

	dext_test_delay(device, 20);
	dext_test_unplug(device);
	wait_for_key(connection, port, &key);
	assert(key == 100);

	IOServiceClose(connection);
	IONotificationPortDestroy(port);
	return dext_test_end(test);
}

int
main(void)
{
	int failures = test_switch() + test_keys();

	printf("%d failures\n", failures);
	return failures != 0;
}
