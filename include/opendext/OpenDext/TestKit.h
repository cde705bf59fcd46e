/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test kit: a driver, an app and a virtual USB device in one process, under whatever test
 * framework, debugger or sanitizer. The driver's classes are linked into the test; its host and
 * the registry run on threads; the app's side is IOKitLib.h, the real one.
 *
 *	int main(void)
 *	{
 *		static const dext_test_usb lamp = {
 *			.vendor = 0x1209, .product = 0x0d10, .endpoints = {{0x01}, {0x81}}};
 *		dext_test *test = dext_test_begin("lamp.dext", &dext_bundle);
 *		dext_test_device *device = dext_test_plug(test, &lamp);
 *		uint64_t on = 1;
 *		io_connect_t lamp_connection;
 *
 *		dext_test_expect_out(device, 0x01, "on", 2);
 *		lamp_connection = dext_test_open(test, "Lamp", 0);
 *		IOConnectCallScalarMethod(lamp_connection, 0, &on, 1, NULL, NULL);
 *		dext_test_wait(device);
 *		IOServiceClose(lamp_connection);
 *		return dext_test_end(test) != 0;
 *	}
 *
 * Built with `pkg-config --cflags --libs opendext-test`. Whatever goes wrong is one line on
 * standard error, at once, and counts in what dext_test_end returns; no function here ends the
 * program for a failed test. With Check that is ck_assert_int_eq(dext_test_end(test), 0), with
 * cmocka assert_int_equal(dext_test_end(test), 0).
 *
 * Beside what the script of the device expects, a test fails for
 *	- objects of the driver that are left when it has stopped, or were released too often;
 *	- a Start that succeeds without having called its superclass's;
 *	- a call with a completion that the driver took (it returned success) and never completed;
 *	- instance variables of a service that are used on a thread that does not own its queue;
 *	- connections that the app has not closed.
 *
 * OPENDEXT_TEST_SHUFFLE=SEED delays callbacks, runs those of different queues and endpoints in
 * another order, and takes no short cuts; never against an order that is promised. With the value
 * "random" a seed is chosen. The seed is printed, and the same one makes the same choices again.
 *
 * OPENDEXT_TEST_TIMEOUT=SECONDS is how long anything here waits, 10 if not set. Under a debugger
 * there is no limit.
 *
 * One test at a time in a process, as many as wanted one after the other. The functions may be
 * called from any thread, one at a time. `test` and `device` may be NULL where a function before
 * has failed: then nothing happens.
 */
#ifndef OPENDEXT_TESTKIT_H
#define OPENDEXT_TESTKIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <DriverKit/dext_bundle.h>
#include <IOKit/IOKitLib.h>
#include <dext_cdefs.h>

DEXT_BEGIN_DECLS

typedef struct dext_test dext_test;
typedef struct dext_test_device dext_test_device;

#define DEXT_TEST_ENDPOINTS_MAX 8

/* An endpoint. Bulk, with packets of 512 bytes, where only the address is given. */
typedef struct dext_test_endpoint {
	uint8_t address; /* direction bit included: 0x81 is IN; 0 ends the list */
	uint8_t type;	 /* 2 bulk, 3 interrupt; 0: bulk */
	uint16_t packet; /* bytes; 0: 512 */
} dext_test_endpoint;

/* A device of one configuration with one interface, number 0; high speed. */
typedef struct dext_test_usb {
	uint16_t vendor, product;
	uint8_t interface_class; /* 0: 0xff, the vendor's own */
	uint8_t interface_subclass, interface_protocol;
	dext_test_endpoint endpoints[DEXT_TEST_ENDPOINTS_MAX];
} dext_test_usb;

/*
 * Begins a test: reads BUNDLE/Info.plist, starts a registry, and a host for each personality that
 * needs no device. `classes` is the driver's DEXT_BUNDLE, linked into this program, which must
 * stay; NULL: the bundle's shared object is loaded. Sets OPENDEXT_RUNTIME_DIR. NULL, and a line
 * that says why: no bundle, no memory, or a test is under way.
 */
dext_test *dext_test_begin(const char *bundle, const dext_bundle_info *classes);

/*
 * Ends it: stops the driver, waits until it has ended, and looks for what is left. Returns the
 * number of failures, NULL counts as one. Frees `test` and its devices. A driver whose Stop does
 * not end within 5 s ends the program by abort.
 */
int dext_test_end(dext_test *test);

/* For drivers that keep a completion of which nothing may come: those are not counted. */
void dext_test_allow_uncompleted(dext_test *test);

/*
 * Plugs in a device, which `usb` describes (copied). A driver that takes it is started; if none
 * does, the test fails with the reason. One device at a time: unplug it, and plug in the next.
 * Owned by the test.
 */
dext_test_device *dext_test_plug(dext_test *test, const dext_test_usb *usb);

/*
 * Waits until the drivers have started and opens the service of this name: IOServiceNameMatching
 * and IOServiceOpen. The caller closes it. IO_OBJECT_NULL, and a failure with the reason.
 */
io_connect_t dext_test_open(dext_test *test, const char *name, uint32_t type);

/*
 * The script: steps that the device takes in this order. A transfer whose step has not come waits,
 * as on a device that answers NAK; one for which there is no step within a second is a failure, and
 * stalls. IN transfers wait for as long as they like. Standard requests are answered without a
 * step. Bytes are copied.
 */

/* The driver sends exactly these bytes in one transfer. */
void dext_test_expect_out(dext_test_device *device, uint8_t endpoint, const void *bytes,
			  size_t length);
/* The next IN transfer gets these bytes; one that is too short for them an overrun. */
void dext_test_answer_in(dext_test_device *device, uint8_t endpoint, const void *bytes,
			 size_t length);
/* A class or vendor request without data, or with these: sent by the driver, or the answer to it.
 */
void dext_test_expect_control(dext_test_device *device, uint8_t bmRequestType, uint8_t bRequest,
			      uint16_t wValue, uint16_t wIndex, const void *bytes, size_t length);
/* The next transfer stalls; the endpoint (0: only the request) is halted until it is cleared. */
void dext_test_stall(dext_test_device *device, uint8_t endpoint);
/* Nothing happens for so long. */
void dext_test_delay(dext_test_device *device, unsigned milliseconds);
/* It is pulled out, at once if all steps before were taken. */
void dext_test_unplug(dext_test_device *device);

/* Waits until all steps were taken. False, and a failure that names the step: not in time. */
bool dext_test_wait(dext_test_device *device);

DEXT_END_DECLS

#endif
