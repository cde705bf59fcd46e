/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gadgets of the test machine, by the USB classes. CK_RUN_CASE chooses the case, USB=BUS:DEV is the
 * device, SPEED (high, super) what it must have been connected at:
 *
 *	function	vm-function: each byte, short and zero-length packets, halts, a device that
 *			stops reading
 *	loopback	the kernel's Loopback
 *	sizes		the kernel's SourceSink, which sends zeros and wants zeros: 1 byte to 64 MiB
 *	requests	the same: asynchronous requests, bundles, another configuration, a reset
 */
#include "function_host.h"

#define SHORT_MSEC 200

static void
open_gadget(void)
{
	const char *wanted = getenv("SPEED");
	uint8_t speed = 0;

	open_interface(0);
	copy_pipes();
	ck_assert_ptr_nonnull(scene.out);
	if (wanted == NULL)
		return;
	ck_assert_int_eq(IOUSBHostPipe_GetSpeed(scene.out, &speed), kIOReturnSuccess);
	ck_assert_uint_eq(speed, strcmp(wanted, "super") == 0 ? kIOUSBHostConnectionSpeedSuper
							      : kIOUSBHostConnectionSpeedHigh);
}

/* --- function --- */

/* Of full packets, which only a zero-length packet ends. */
static void
send_stream_with_zlp(uint32_t length)
{
	unsigned index = person_of(scene.person)->count;

	for (uint32_t i = 0; i < length; i++)
		scene.bytes[i] = function_byte(sent + i);
	ck_assert_int_eq(dext_usb_pipe_async_io_zlp(scene.out, scene_memory(&scene), length,
						    scene.action, 0),
			 kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, index).status, kIOReturnSuccess);
	ck_assert_uint_eq(scene_call(&scene, index).actual, length);
	sent += length;
	transfers++;
}

static void
receive_stream(uint16_t length)
{
	uint32_t actual, wrong = 0;

	order(FUNCTION_SEND, length);
	ck_assert_int_eq(io(scene.in, 8192, LONG_MSEC, &actual), kIOReturnSuccess);
	ck_assert_uint_eq(actual, length);
	for (uint32_t i = 0; i < actual; i++)
		wrong += scene.bytes[i] != function_byte(received + i);
	ck_assert_uint_eq(wrong, 0);
	received += actual;
}

static void
each_byte(void)
{
	static const uint32_t lengths[] = {1, 511, 513, 1023, 1025, 4097, 65535, 65536, 0};
	static const uint16_t answers[] = {1, 511, 513, 1024, 1023, 0, 4096, 4099};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		ck_assert_int_eq(send_stream(lengths[i], LONG_MSEC), kIOReturnSuccess);
	check_state();
	send_stream_with_zlp(1024);
	send_stream_with_zlp(8192);
	check_state();
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		receive_stream(answers[i]);
	ck_assert_uint_eq(ask_state().in_bytes, received);
}

static IOReturn
clear_in_two_steps(IOUSBHostPipe *pipe, uint8_t address)
{
	IOReturn res = IOUSBHostInterface_DeviceRequest(
		scene.interface, 0x02, kIOUSBDeviceRequestClearFeature,
		kIOUSBEndpointFeatureSelectorStall, address, 0, NULL, NULL, LONG_MSEC);

	return res == kIOReturnSuccess ? IOUSBHostPipe_ClearStall(pipe, false) : res;
}

static uint8_t
address_of(IOUSBHostPipe *pipe)
{
	IOUSBStandardEndpointDescriptors descriptors;

	ck_assert_int_eq(IOUSBHostPipe_GetDescriptors(pipe, &descriptors,
						      kIOUSBGetEndpointDescriptorCurrent),
			 kIOReturnSuccess);
	return descriptors.descriptor.bEndpointAddress;
}

static void
halts(bool two_steps)
{
	uint32_t actual;

	order(FUNCTION_HALT_OUT, 0);
	ck_assert_int_eq(send_stream(100, LONG_MSEC), kIOReturnSuccess);
	ck_assert_int_eq(send_stream(100, LONG_MSEC), kUSBHostReturnPipeStalled);
	ck_assert_int_eq(send_stream(100, LONG_MSEC), kUSBHostReturnPipeStalled);
	ck_assert_int_eq(two_steps ? clear_in_two_steps(scene.out, address_of(scene.out))
				   : IOUSBHostPipe_ClearStall(scene.out, true),
			 kIOReturnSuccess);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(send_stream(1000, LONG_MSEC), kIOReturnSuccess);
	check_state();
	order(FUNCTION_HALT_IN, 0);
	ck_assert_int_eq(io(scene.in, 1024, LONG_MSEC, &actual), kUSBHostReturnPipeStalled);
	ck_assert_int_eq(two_steps ? clear_in_two_steps(scene.in, address_of(scene.in))
				   : IOUSBHostPipe_ClearStall(scene.in, true),
			 kIOReturnSuccess);
	for (unsigned i = 0; i < 3; i++)
		receive_stream(1000);
}

static void
stops_reading(void)
{
	order(FUNCTION_STOP, 0);
	ck_assert_int_eq(send_stream(100, LONG_MSEC), kIOReturnSuccess);
	ck_assert_int_eq(send_stream(5000, SHORT_MSEC), kIOReturnTimeout);
	receive_stream(100);
	order(FUNCTION_GO, 0);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(send_stream(5001, LONG_MSEC), kIOReturnSuccess);
	check_state();
}

START_TEST(function)
{
	unsigned descriptors = count_descriptors();

	open_gadget();
	sent = ask_state().out_bytes;
	received = ask_state().in_bytes;
	transfers = (unsigned)ask_state().out_reads;
	each_byte();
	halts(false);
	halts(true);
	stops_reading();
	each_byte();
	scene_close(&scene);
	ck_assert_uint_eq(count_descriptors(), descriptors);
}
END_TEST

/* --- loopback --- */

START_TEST(loopback)
{
	static const uint32_t lengths[] = {1, 63, 511, 513, 1023, 1025, 4095, 4096};
	unsigned descriptors = count_descriptors();
	uint32_t actual, wrong = 0;

	open_gadget();
	for (unsigned round = 0; round < 64; round++) {
		uint32_t length = lengths[round % 8];

		for (uint32_t i = 0; i < length; i++)
			scene.bytes[i] = function_byte(round * 4096 + i);
		ck_assert_int_eq(io(scene.out, length, LONG_MSEC, &actual), kIOReturnSuccess);
		memset(scene.bytes, 0, length);
		ck_assert_int_eq(io(scene.in, 4096, LONG_MSEC, &actual), kIOReturnSuccess);
		ck_assert_uint_eq(actual, length);
		for (uint32_t i = 0; i < length; i++)
			wrong += scene.bytes[i] != function_byte(round * 4096 + i);
	}
	ck_assert_uint_eq(wrong, 0);
	scene_close(&scene);
	ck_assert_uint_eq(count_descriptors(), descriptors);
}
END_TEST

/* --- SourceSink --- */

START_TEST(sizes)
{
	static const uint32_t lengths[] = {1,	  511, 512,	     513,     1024,
					   65537, MIB, 16 * MIB + 1, 64 * MIB};
	unsigned descriptors = count_descriptors();
	uint32_t actual = 0;

	open_gadget();
	make_large(64 * MIB);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		ck_assert_int_eq(IOUSBHostPipe_IO(scene.out, (IOMemoryDescriptor *)large,
						  lengths[i], &actual, 0),
				 kIOReturnSuccess);
		ck_assert_uint_eq(actual, lengths[i]);
		if (lengths[i] % 1024 != 0)
			continue;
		memset(large_bytes, 0xff, lengths[i]);
		ck_assert_int_eq(IOUSBHostPipe_IO(scene.in, (IOMemoryDescriptor *)large, lengths[i],
						  &actual, 0),
				 kIOReturnSuccess);
		ck_assert_uint_eq(actual, lengths[i]);
		ck_assert(large_bytes[0] == 0 &&
			  memcmp(large_bytes, large_bytes + 1, lengths[i] - 1) == 0);
	}
	OSSafeReleaseNULL(large);
	scene_close(&scene);
	ck_assert_uint_eq(count_descriptors(), descriptors);
}
END_TEST

static void
request_ended(OSObject *target, OSAction *action, IOReturn status, uint16_t actual)
{
	scene_complete(target, action, status, actual, 0);
}

static uint32_t bundled_bytes;

static void
bundle_ended(OSObject *target, OSAction *action, uint32_t index, uint32_t count,
	     const uint32_t actual[16], int actual_count, const kern_return_t status[16],
	     int status_count)
{
	for (uint32_t i = 0; i < count; i++) {
		ck_assert_int_eq(status[i], kIOReturnSuccess);
		__atomic_add_fetch(&bundled_bytes, actual[i], __ATOMIC_SEQ_CST);
		scene_complete(target, action, status[i], actual[i], 0);
	}
}

static void
asynchronous_request(void)
{
	unsigned index = person_of(scene.person)->count;
	OSAction *action;

	ck_assert_int_eq(IOUSBHostInterface_CreateActionCompleteAsyncDeviceRequest(
				 (OSObject *)scene.person, request_ended, 0, &action),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostInterface_AsyncDeviceRequest(scene.interface, 0x80, 6, 0x0100, 0,
							       18, scene_memory(&scene), action,
							       LONG_MSEC),
			 kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, index).status, kIOReturnSuccess);
	ck_assert_uint_eq(scene_call(&scene, index).actual, 18);
	ck_assert_uint_eq(scene.bytes[0], 18);
	/* One that no device knows. */
	ck_assert_int_eq(IOUSBHostInterface_AsyncDeviceRequest(scene.interface, 0xc0, 0xee, 0, 0,
							       18, scene_memory(&scene), action,
							       LONG_MSEC),
			 kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, index + 1).status, kUSBHostReturnPipeStalled);
	OSRelease(action);
}

static void
bundled(void)
{
	enum { SLOTS = 16, EACH = 5000 };
	unsigned index = person_of(scene.person)->count;
	uint32_t lengths[16], accepted = 0;
	OSAction *action;

	memset(scene.bytes, 0, EACH);
	ck_assert_int_eq(IOUSBHostPipe_CreateActionCompleteAsyncIOBundled((OSObject *)scene.person,
									  bundle_ended, 0, &action),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostPipe_CreateMemoryDescriptorRing(scene.out, SLOTS),
			 kIOReturnSuccess);
	for (unsigned i = 0; i < SLOTS; i++) {
		lengths[i] = EACH - i;
		ck_assert_int_eq(
			IOUSBHostPipe_SetMemoryDescriptor(scene.out, scene_memory(&scene), i),
			kIOReturnSuccess);
	}
	ck_assert_int_eq(IOUSBHostPipe_AsyncIOBundled(scene.out, 0, SLOTS, &accepted, lengths, 16,
						      action, 0),
			 kIOReturnSuccess);
	ck_assert_uint_eq(accepted, SLOTS);
	scene_call(&scene, index + SLOTS - 1);
	ck_assert_uint_eq(bundled_bytes, SLOTS * EACH - 120);
	OSRelease(action);
}

START_TEST(requests)
{
	unsigned descriptors = count_descriptors();
	uint32_t actual;

	open_gadget();
	asynchronous_request();
	bundled();
	ck_assert_int_eq(IOUSBHostDevice_Open(scene.device, scene.client, 0, 0), kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostDevice_SetConfiguration(scene.device, 1, false),
			 kIOReturnSuccess);
	scene.interface = device_interface(scene.device, 0);
	ck_assert_ptr_nonnull(scene.interface);
	ck_assert_int_eq(io(scene.out, 512, LONG_MSEC, &actual), kIOReturnNotOpen);
	ck_assert_int_eq(IOUSBHostInterface_Open(scene.interface, scene.client, 0, NULL),
			 kIOReturnSuccess);
	copy_pipes();
	memset(scene.bytes, 0, 512);
	ck_assert_int_eq(io(scene.out, 512, LONG_MSEC, &actual), kIOReturnSuccess);
	ck_assert_uint_eq(actual, 512);
	ck_assert_int_eq(IOUSBHostDevice_Reset(scene.device), kIOReturnSuccess);
	meter_wait(&scene.gone, 1);
	ck_assert_int_eq(IOUSBHostInterface_Open(scene.interface, scene.client, 0, NULL),
			 kIOReturnNoDevice);
	scene_close(&scene);
	ck_assert_uint_eq(count_descriptors(), descriptors);
	/* To the kernel it is the same device still. */
	open_gadget();
	memset(scene.bytes, 0, 512);
	ck_assert_int_eq(io(scene.out, 512, LONG_MSEC, &actual), kIOReturnSuccess);
	scene_close(&scene);
	ck_assert_uint_eq(count_descriptors(), descriptors);
}
END_TEST

UNIT_MAIN("gadgets", function, loopback, sizes, requests)
