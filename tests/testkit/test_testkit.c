/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test kit: that a script drives the device, and that what a driver does wrong is noticed, with
 * one line that says what. All in one process, and several tests in a row in each.
 */
#include <OpenDext/TestKit.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "crooked.h"
#include "unit.h"

#include <USBDriverKit/AppleUSBDefinitions.h>

static const dext_test_usb usb = {
	.vendor = 0x1209,
	.product = 0x0d11,
	.endpoints = {{0x02}, {0x83}, {0x84, 3, 16}},
};

static struct {
	dext_test *test;
	dext_test_device *device;
	io_connect_t connection;
	int messages, before; /* where standard error goes, and where it went */
	char text[8192];
} scene;

static void
set_up(void)
{
	scene.messages = memfd_create("messages", MFD_CLOEXEC);
	scene.before = dup(STDERR_FILENO);
	ck_assert_int_ge(scene.messages, 0);
	ck_assert_int_ge(dup2(scene.messages, STDERR_FILENO), 0);
	scene.test = dext_test_begin(CROOKED_BUNDLE, &dext_bundle);
	ck_assert_ptr_nonnull(scene.test);
	scene.device = dext_test_plug(scene.test, &usb);
	ck_assert_ptr_nonnull(scene.device);
	scene.connection = dext_test_open(scene.test, "Crooked", 0);
	ck_assert_uint_ne(scene.connection, IO_OBJECT_NULL);
}

/* Ends the test: so many failures, the first of them with these words. */
static void
end(int failures, const char *words)
{
	int found = dext_test_end(scene.test);
	ssize_t length;

	dup2(scene.before, STDERR_FILENO);
	close(scene.before);
	length = pread(scene.messages, scene.text, sizeof(scene.text) - 1, 0);
	ck_assert_int_ge(length, 0);
	scene.text[length] = '\0';
	close(scene.messages);
	ck_assert_msg(found == failures, "%d failures:\n%s", found, scene.text);
	ck_assert_msg(words == NULL || strstr(scene.text, words) != NULL, "%s", scene.text);
}

static void
tear_down(int failures, const char *words)
{
	IOServiceClose(scene.connection);
	end(failures, words);
}

static kern_return_t
send_ping(void)
{
	uint64_t endpoint = 0x02, status = 0;
	uint32_t room = 1;

	ck_assert_int_eq(IOConnectCallScalarMethod(scene.connection, kCrookedSend, &endpoint, 1,
						   &status, &room),
			 kIOReturnSuccess);
	return (kern_return_t)status;
}

static kern_return_t
receive(uint8_t endpoint, uint32_t most, uint64_t *bytes, uint64_t *first)
{
	uint64_t input[2] = {endpoint, most}, output[3] = {0};
	uint32_t room = 3;

	ck_assert_int_eq(IOConnectCallScalarMethod(scene.connection, kCrookedReceive, input, 2,
						   output, &room),
			 kIOReturnSuccess);
	*bytes = output[1];
	*first = output[2];
	return (kern_return_t)output[0];
}

static kern_return_t
request(uint8_t type, uint8_t number)
{
	uint64_t input[2] = {type, number}, output[2] = {0};
	uint32_t room = 2;

	ck_assert_int_eq(IOConnectCallScalarMethod(scene.connection, kCrookedRequest, input, 2,
						   output, &room),
			 kIOReturnSuccess);
	return (kern_return_t)output[0];
}

static void
call(uint32_t selector)
{
	ck_assert_int_eq(IOConnectCallScalarMethod(scene.connection, selector, NULL, 0, NULL, NULL),
			 kIOReturnSuccess);
}

static void
called(void *refcon, IOReturn result)
{
}

static void
call_async(uint32_t selector)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	uint64_t reference[kIOAsyncCalloutCount] = {
		[kIOAsyncCalloutFuncIndex] = (uint64_t)called,
	};

	ck_assert_int_eq(IOConnectCallAsyncScalarMethod(
				 scene.connection, selector, IONotificationPortGetMachPort(port),
				 reference, kIOAsyncCalloutCount, NULL, 0, NULL, NULL),
			 kIOReturnSuccess);
	IONotificationPortDestroy(port);
}

START_TEST(script)
{
	uint64_t bytes, first;

	for (int round = 0; round < 3; round++) {
		set_up();
		dext_test_expect_out(scene.device, 0x02, "ping", 4);
		dext_test_answer_in(scene.device, 0x83, "pong", 4);
		dext_test_delay(scene.device, 5);
		dext_test_answer_in(scene.device, 0x84, "k", 1);
		dext_test_expect_control(scene.device, 0x41, 7, 0x1234, 0x5678, "data", 4);
		dext_test_expect_control(scene.device, 0xc1, 8, 0x1234, 0x5678, "info", 4);
		ck_assert_int_eq(send_ping(), kIOReturnSuccess);
		ck_assert_int_eq(receive(0x83, 64, &bytes, &first), kIOReturnSuccess);
		ck_assert_uint_eq(bytes, 4);
		ck_assert_uint_eq(first, 'p');
		ck_assert_int_eq(receive(0x84, 16, &bytes, &first), kIOReturnSuccess);
		ck_assert_uint_eq(bytes, 1);
		ck_assert_int_eq(request(0x41, 7), kIOReturnSuccess);
		ck_assert_int_eq(request(0xc1, 8), kIOReturnSuccess);
		ck_assert(dext_test_wait(scene.device));
		tear_down(0, NULL);
	}
}
END_TEST

START_TEST(stalls)
{
	uint64_t bytes, first;

	set_up();
	dext_test_stall(scene.device, 0x02);
	dext_test_expect_out(scene.device, 0x02, "ping", 4);
	dext_test_stall(scene.device, 0);
	dext_test_answer_in(scene.device, 0x83, "more than there is room for", 27);
	ck_assert_int_eq(send_ping(), kUSBHostReturnPipeStalled);
	ck_assert_int_eq(send_ping(), kIOReturnSuccess);
	ck_assert_int_ne(request(0x41, 7), kIOReturnSuccess);
	ck_assert_int_eq(receive(0x83, 8, &bytes, &first), kIOReturnOverrun);
	tear_down(0, NULL);
}
END_TEST

START_TEST(unplugged_and_plugged_in)
{
	uint64_t input[2] = {0x83, 8}, output[3] = {0}, bytes, first;
	uint32_t room = 3;
	kern_return_t result;

	set_up();
	dext_test_delay(scene.device, 5);
	dext_test_unplug(scene.device);
	/* The driver's answer, or that it has gone: whichever comes first. */
	result = IOConnectCallScalarMethod(scene.connection, kCrookedReceive, input, 2, output,
					   &room);
	ck_assert(result != kIOReturnSuccess || output[0] != kIOReturnSuccess);
	ck_assert(dext_test_wait(scene.device));
	IOServiceClose(scene.connection);
	scene.device = dext_test_plug(scene.test, &usb);
	scene.connection = dext_test_open(scene.test, "Crooked", 0);
	dext_test_answer_in(scene.device, 0x83, "a", 1);
	ck_assert_int_eq(receive(0x83, 8, &bytes, &first), kIOReturnSuccess);
	ck_assert_uint_eq(first, 'a');
	tear_down(0, NULL);
}
END_TEST

START_TEST(other_bytes)
{
	set_up();
	dext_test_expect_out(scene.device, 0x02, "pong!", 5);
	send_ping();
	tear_down(1, "step 1: OUT 0x02: 5 bytes were expected (70 6f 6e 67 21), 4 came (70 69 6e "
		     "67)");
}
END_TEST

START_TEST(other_request)
{
	set_up();
	dext_test_expect_control(scene.device, 0x41, 7, 0x1234, 0x5678, "data", 4);
	ck_assert_int_ne(request(0x41, 8), kIOReturnSuccess);
	tear_down(1, "the request 41 07 1234 5678 was expected, 41 08 1234 5678 came");
}
END_TEST

START_TEST(no_step)
{
	set_up();
	ck_assert_int_eq(send_ping(), kUSBHostReturnPipeStalled);
	tear_down(1, "OUT 0x02: 4 bytes came that are no step (70 69 6e 67)");
}
END_TEST

START_TEST(step_not_taken)
{
	setenv("OPENDEXT_TEST_TIMEOUT", "1", 1);
	set_up();
	dext_test_expect_out(scene.device, 0x02, "ping", 4);
	ck_assert(!dext_test_wait(scene.device));
	tear_down(2, "step 1, OUT 0x02 of 4 bytes (70 69 6e 67): it did not come in time");
}
END_TEST

START_TEST(leak)
{
	set_up();
	call(kCrookedLeak);
	tear_down(1, "1 object of the driver's process is left: class OSString");
}
END_TEST

START_TEST(released_too_often)
{
	set_up();
	call(kCrookedRelease);
	tear_down(1, "OSString: an object that has ended is released");
}
END_TEST

START_TEST(superclass_forgotten)
{
	io_connect_t connection;

	set_up();
	connection = dext_test_open(scene.test, "Crooked", CROOKED_FORGETFUL);
	ck_assert_uint_ne(connection, IO_OBJECT_NULL);
	IOServiceClose(connection);
	tear_down(1, "CrookedUserClient: its Start never reached IOService_Start_Impl");
}
END_TEST

START_TEST(completion_forgotten)
{
	set_up();
	call_async(kCrookedForget);
	tear_down(1, "the completion of a call of selector 4 was never used");
}
END_TEST

START_TEST(completion_forgotten_and_allowed)
{
	set_up();
	dext_test_allow_uncompleted(scene.test);
	call_async(kCrookedForget);
	tear_down(0, NULL);
}
END_TEST

START_TEST(completion_late)
{
	set_up();
	call_async(kCrookedKeep);
	tear_down(0, NULL);
}
END_TEST

START_TEST(wrong_queue)
{
	set_up();
	call(kCrookedTrespass);
	call(kCrookedTrespass);
	tear_down(1, "CrookedUserClient: its instance variables are used on a thread that does not "
		     "own its queue");
	ck_assert_ptr_nonnull(strstr(scene.text, "test_testkit")); /* from where */
}
END_TEST

START_TEST(not_closed)
{
	set_up();
	end(1, "1 connection was not closed by the app");
}
END_TEST

START_TEST(no_personality)
{
	const dext_test_usb other = {.vendor = 0x1209, .product = 1, .endpoints = {{0x02}}};

	set_up();
	IOServiceClose(scene.connection);
	dext_test_unplug(scene.device);
	dext_test_wait(scene.device);
	dext_test_plug(scene.test, &other);
	end(3, "no personality takes the device"); /* and a line for each node */
	ck_assert_ptr_nonnull(strstr(scene.text, "idProduct"));
}
END_TEST

START_TEST(no_bundle)
{
	ck_assert_ptr_null(dext_test_begin("/nonexistent.dext", &dext_bundle));
	ck_assert_int_eq(dext_test_end(NULL), 1);
	set_up(); /* nothing is left of it */
	ck_assert_ptr_null(dext_test_begin(CROOKED_BUNDLE, &dext_bundle));
	tear_down(0, "another test is under way");
}
END_TEST

/* A driver as it was built, and one that needs no device. */
START_TEST(shared_object)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	dext_test *test;
	io_connect_t connection;

	for (int round = 0; round < 2; round++) {
		test = dext_test_begin(getenv("MAPPED_MEMORY_BUNDLE"), NULL);
		connection = dext_test_open(test, "MappedMemory", 0);
		ck_assert_int_eq(IOConnectMapMemory64(connection, 0, mach_task_self(), &address,
						      &size, kIOMapAnywhere),
				 kIOReturnSuccess);
		ck_assert_str_eq((char *)address, "Hello, app. Please write here.");
		IOServiceClose(connection);
		ck_assert_int_eq(dext_test_end(test), 0);
	}
}
END_TEST

/* The order of a queue is promised, and holds however often it is shuffled. */
START_TEST(shuffled)
{
	uint64_t swapped = 1, bytes, first;
	uint32_t room = 1;

	setenv("OPENDEXT_TEST_SHUFFLE", "4711", 1);
	set_up();
	ck_assert_int_eq(IOConnectCallScalarMethod(scene.connection, kCrookedQueues, NULL, 0,
						   &swapped, &room),
			 kIOReturnSuccess);
	ck_assert_uint_eq(swapped, 0);
	for (int i = 0; i < 20; i++)
		dext_test_answer_in(scene.device, 0x83, &(char){(char)('a' + i)}, 1);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(receive(0x83, 8, &bytes, &first), kIOReturnSuccess);
		ck_assert_uint_eq(first, (uint64_t)('a' + i));
	}
	tear_down(0, "OPENDEXT_TEST_SHUFFLE=4711 repeats this");
}
END_TEST

UNIT_MAIN("testkit", script, stalls, unplugged_and_plugged_in, other_bytes, other_request, no_step,
	  step_not_taken, leak, released_too_often, superclass_forgotten, completion_forgotten,
	  completion_forgotten_and_allowed, completion_late, wrong_queue, not_closed,
	  no_personality, no_bundle, shared_object, shuffled)
