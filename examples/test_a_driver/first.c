/* SPDX-License-Identifier: Apache-2.0 */
/* The shortest test of the lamp's driver, as docs/testing-a-driver.md shows it. */
#include <OpenDext/TestKit.h>
#include <assert.h>

#include "lamp.h"

int
main(void)
{
	static const dext_test_usb lamp = {
		.vendor = 0x1209, .product = 0x0d10, .endpoints = {{0x01}, {0x81}}};
	dext_test *test = dext_test_begin(LAMP_BUNDLE, &dext_bundle);
	dext_test_device *device = dext_test_plug(test, &lamp);
	io_connect_t connection = dext_test_open(test, LAMP_SERVICE, 0);
	uint64_t on = 1;

	dext_test_expect_out(device, 0x01, "on", 2); /* what the driver has to send */
	dext_test_stall(device, 0x01);		     /* and the next time the lamp says no */

	assert(IOConnectCallScalarMethod(connection, kLampSwitch, &on, 1, NULL, NULL) == 0);
	assert(IOConnectCallScalarMethod(connection, kLampSwitch, &on, 1, NULL, NULL) != 0);

	IOServiceClose(connection);
	return dext_test_end(test) != 0;
}
