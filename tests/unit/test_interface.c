/* SPDX-License-Identifier: Apache-2.0 */
/* The device's and the interface's sessions, descriptors, settings and requests. */
#include "said.h"
#include "usb_scene.h"

static struct scene scene;

START_TEST(sessions_are_exclusive)
{
	IOService *other;
	uint8_t arg;

	scene_open(&scene, "loopback");
	other = object_create(IOService);
	ck_assert_int_eq(IOUSBHostInterface_Open(scene.interface, other, 0, NULL),
			 kIOReturnExclusiveAccess);
	ck_assert_int_eq(IOUSBHostInterface_Close(scene.interface, other, 0), kIOReturnNotOpen);
	ck_assert_int_eq(IOUSBHostInterface_Open(scene.interface, NULL, 0, NULL),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOUSBHostInterface_Open(scene.interface, other, 0, &arg),
			 kIOReturnBadArgument);
	/* The device's session is another matter. */
	ck_assert_int_eq(IOUSBHostDevice_Open(scene.device, other, 0, 0), kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostDevice_Open(scene.device, scene.client, 0, 0),
			 kIOReturnExclusiveAccess);
	ck_assert_int_eq(IOUSBHostDevice_Close(scene.device, scene.client, 0), kIOReturnNotOpen);
	ck_assert_int_eq(IOUSBHostDevice_Close(scene.device, other, 0), kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostInterface_Close(scene.interface, scene.client, 0),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostInterface_Close(scene.interface, scene.client, 0),
			 kIOReturnNotOpen);
	ck_assert_int_eq(IOUSBHostInterface_Open(scene.interface, other, 0, NULL),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostInterface_Close(scene.interface, other, 0), kIOReturnSuccess);
	OSRelease(other);
	scene_close(&scene);
}
END_TEST

START_TEST(from_device_to_interface_and_back)
{
	IOUSBHostInterface *interface = NULL;
	IOUSBHostDevice *device = NULL;
	uintptr_t ref = 0;

	scene_open(&scene, "loopback");
	ck_assert_int_eq(IOUSBHostDevice_CreateInterfaceIterator(scene.device, &ref),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostDevice_CopyInterface(scene.device, ref, &interface),
			 kIOReturnSuccess);
	ck_assert_ptr_eq(interface, scene.interface);
	ck_assert_int_eq(IOUSBHostInterface_CopyDevice(interface, &device), kIOReturnSuccess);
	ck_assert_ptr_eq(device, scene.device);
	OSRelease(device);
	OSRelease(interface);
	ck_assert_int_eq(IOUSBHostDevice_CopyInterface(scene.device, ref, &interface),
			 kIOReturnSuccess);
	ck_assert_ptr_null(interface);
	ck_assert_int_eq(IOUSBHostDevice_CopyInterface(scene.device, ref + 1, &interface),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOUSBHostDevice_DestroyInterfaceIterator(scene.device, ref),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostDevice_DestroyInterfaceIterator(scene.device, ref),
			 kIOReturnBadArgument);
	scene_close(&scene);
}
END_TEST

START_TEST(descriptors)
{
	const IOUSBConfigurationDescriptor *config;
	const IOUSBInterfaceDescriptor *setting;
	const IOUSBDeviceDescriptor *device;
	const IOUSBStringDescriptor *string;
	IOUSBStandardEndpointDescriptors endpoint;
	uint8_t speed = 0;

	scene_open(&scene, "source:speed=super");
	device = IOUSBHostDevice_CopyDeviceDescriptor(scene.device);
	ck_assert_uint_eq(device->idVendor, DEXT_VIRTUAL_VENDOR);
	ck_assert_uint_eq(device->idProduct, DEXT_VIRTUAL_PRODUCT_SOURCE);
	string = IOUSBHostDevice_CopyStringDescriptor(scene.device, device->iProduct);
	ck_assert_ptr_nonnull(string);
	ck_assert_uint_eq(string->bLength, 2 + 2 * strlen("OpenDext source"));
	ck_assert_uint_eq(string->bString[18], 's');
	ck_assert_ptr_null(IOUSBHostDevice_CopyStringDescriptor(scene.device, 77));
	config = IOUSBHostInterface_CopyConfigurationDescriptor(scene.interface);
	setting = IOUSBHostInterface_GetInterfaceDescriptor(scene.interface, config);
	ck_assert_uint_eq(setting->bAlternateSetting, 0);
	ck_assert_int_eq(IOUSBHostInterface_SelectAlternateSetting(scene.interface, 1),
			 kIOReturnSuccess);
	setting = IOUSBHostInterface_GetInterfaceDescriptor(scene.interface, config);
	ck_assert_uint_eq(setting->bAlternateSetting, 1);
	OSRelease(scene.in);
	scene_copy_pipes(&scene);
	ck_assert_int_eq(IOUSBHostPipe_GetDescriptors(scene.in, &endpoint,
						      kIOUSBGetEndpointDescriptorCurrent),
			 kIOReturnSuccess);
	ck_assert_uint_eq(endpoint.bcdUSB, 0x0320);
	ck_assert_uint_eq(endpoint.descriptor.bEndpointAddress, 0x81);
	ck_assert_uint_eq(endpoint.descriptor.wMaxPacketSize, 1024);
	ck_assert_uint_eq(endpoint.ssCompanionDescriptor.bMaxBurst, 15);
	ck_assert_int_eq(IOUSBHostPipe_GetDescriptors(scene.in, &endpoint, 2),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOUSBHostPipe_GetSpeed(scene.in, &speed), kIOReturnSuccess);
	ck_assert_uint_eq(speed, kIOUSBHostConnectionSpeedSuper);
	ck_assert_ptr_null(IOUSBHostDevice_CopyConfigurationDescriptor(scene.device, 1));
	IOUSBHostFreeDescriptor(config);
	IOUSBHostFreeDescriptor(string);
	IOUSBHostFreeDescriptor(device);
	IOUSBHostFreeDescriptor(NULL);
	scene_close(&scene);
}
END_TEST

START_TEST(says_why_there_is_no_pipe)
{
	IOUSBHostPipe *pipe = NULL;

	scene_open(&scene, "loopback");
	said_listen();
	ck_assert_int_eq(IOUSBHostInterface_CopyPipe(scene.interface, 0x85, &pipe),
			 kIOReturnNotFound);
	said_expect("setting 0 has no endpoint 0x85, but 0x01 0x81");
	ck_assert_int_eq(IOUSBHostInterface_Close(scene.interface, scene.client, 0),
			 kIOReturnSuccess);
	said_listen();
	ck_assert_int_eq(IOUSBHostInterface_CopyPipe(scene.interface, 0x81, &pipe),
			 kIOReturnNotOpen);
	said_expect("it is not open; IOUSBHostInterface_Open comes first");
	ck_assert_int_eq(IOUSBHostInterface_Open(scene.interface, scene.client, 0, NULL),
			 kIOReturnSuccess);
	scene_close(&scene);
}
END_TEST

START_TEST(another_setting_ends_the_pipes)
{
	IOUSBHostPipe *same = NULL;

	scene_open(&scene, "sink:nak");
	ck_assert_int_eq(IOUSBHostInterface_CopyPipe(scene.interface, 0x01, &same),
			 kIOReturnSuccess);
	ck_assert_ptr_eq(same, scene.out);
	OSRelease(same);
	ck_assert_int_eq(IOUSBHostInterface_CopyPipe(scene.interface, 0x81, &same),
			 kIOReturnNotFound);
	ck_assert_int_eq(scene_send(&scene, 1, 0), kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostInterface_SelectAlternateSetting(scene.interface, 4),
			 kIOReturnNotFound);
	ck_assert_uint_eq(meter_read(&person_of(scene.person)->calls), 0);
	ck_assert_int_eq(IOUSBHostInterface_SelectAlternateSetting(scene.interface, 1),
			 kIOReturnSuccess);
	ck_assert_uint_eq(meter_read(&person_of(scene.person)->calls), 1);
	ck_assert_int_eq(scene_call(&scene, 0).status, kIOReturnAborted);
	ck_assert_int_eq(scene_send(&scene, 1, 0), kIOReturnNotOpen);
	OSSafeReleaseNULL(scene.out);
	scene_copy_pipes(&scene);
	ck_assert_int_eq(scene_send(&scene, 1, 10), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 1).status, kIOReturnTimeout);
	scene_close(&scene);
}
END_TEST

static IOReturn
request(uint8_t type, uint8_t number, uint16_t length, IOMemoryDescriptor *memory)
{
	return IOUSBHostInterface_DeviceRequest(scene.interface, type, number, 0, 0, length, memory,
						NULL, 1000);
}

START_TEST(requests)
{
	IOMemoryDescriptor *memory;
	IOService *other;

	scene_open(&scene, "sink");
	memory = scene_memory(&scene);
	ck_assert_int_eq(scene_send(&scene, 77, 0), kIOReturnSuccess);
	scene_call(&scene, 0);
	ck_assert_uint_eq(scene_state(&scene).out_bytes, 77);
	ck_assert_int_eq(request(0x40, DEXT_VIRTUAL_REQUEST_RESET, 0, NULL), kIOReturnSuccess);
	ck_assert_uint_eq(scene_state(&scene).out_bytes, 0);
	ck_assert_int_eq(request(0xc0, 200, 8, memory), kUSBHostReturnPipeStalled);
	ck_assert_int_eq(request(0xc0, DEXT_VIRTUAL_REQUEST_STATE, 8, NULL), kIOReturnBadArgument);
	ck_assert_int_eq(request(0x00, kIOUSBDeviceRequestSetConfiguration, 0, NULL),
			 kIOReturnNotPermitted);
	ck_assert_int_eq(request(0x01, kIOUSBDeviceRequestSetInterface, 0, NULL),
			 kIOReturnNotPermitted);
	ck_assert_int_eq(request(0x00, kIOUSBDeviceRequestSetAddress, 0, NULL),
			 kIOReturnNotPermitted);
	ck_assert_int_eq(request(0x02, kIOUSBDeviceRequestClearFeature, 0, NULL),
			 kIOReturnNotPermitted);
	/* By the device: for who has it, or one of its interfaces, open. */
	other = object_create(IOService);
	ck_assert_int_eq(IOUSBHostDevice_DeviceRequest(scene.device, other, 0x80, 8, 0, 0, 1,
						       memory, NULL, 0),
			 kIOReturnNotOpen);
	ck_assert_int_eq(IOUSBHostDevice_DeviceRequest(scene.device, scene.client, 0x80, 8, 0, 0, 1,
						       memory, NULL, 0),
			 kIOReturnSuccess);
	ck_assert_uint_eq(scene.bytes[0], 1);
	ck_assert_int_eq(IOUSBHostInterface_Close(scene.interface, scene.client, 0),
			 kIOReturnSuccess);
	ck_assert_int_eq(request(0x40, DEXT_VIRTUAL_REQUEST_RESET, 0, NULL), kIOReturnNotOpen);
	OSRelease(other);
	scene_close(&scene);
}
END_TEST

static void *
close_it(void *context)
{
	ck_assert_int_eq(IOUSBHostInterface_Close(scene.interface, scene.client, 0),
			 kIOReturnSuccess);
	return NULL;
}

START_TEST(close_ends_a_request)
{
	pthread_t thread;

	/* The device takes a minute for the answer. */
	scene_open(&scene, "sink:latency=60000000");
	ck_assert_int_eq(pthread_create(&thread, NULL, close_it, NULL), 0);
	/* Before Close has begun it is cancelled, afterwards not even started. */
	for (;;) {
		IOReturn res = IOUSBHostInterface_DeviceRequest(
			scene.interface, 0x40, DEXT_VIRTUAL_REQUEST_RESET, 0, 0, 0, NULL, NULL, 0);

		if (res == kIOReturnNotOpen)
			break;
		ck_assert_int_eq(res, kIOReturnAborted);
	}
	pthread_join(thread, NULL);
	scene_close(&scene);
}
END_TEST

START_TEST(shut_with_a_session_left_open)
{
	IOUSBHostPipe *out;
	IOService *client;

	scene_open(&scene, "sink:nak");
	out = scene.out;
	client = scene.client;
	OSRetain(out);
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnSuccess);
	usb_port_shut(scene.port);
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(scene_call(&scene, i).status, kIOReturnAborted);
	ck_assert_int_eq(IOUSBHostPipe_AsyncIO(out, scene_memory(&scene), 1, scene.action, 0),
			 kIOReturnNotOpen);
	/* A driver that closes late does no harm. */
	ck_assert_int_eq(IOUSBHostInterface_Close(scene.interface, client, 0), kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostInterface_Open(scene.interface, client, 0, NULL),
			 kIOReturnNoDevice);
	OSRelease(out);
	OSSafeReleaseNULL(scene.out);
	device_disband(scene.device);
	loop_destroy(scene.loop);
	OSRelease(scene.device);
	usb_port_release(scene.port);
	OSRelease(scene.buffer);
	OSRelease(scene.action);
	OSRelease(scene.person);
	OSRelease(scene.client);
}
END_TEST

UNIT_MAIN("interface", sessions_are_exclusive, from_device_to_interface_and_back, descriptors,
	  says_why_there_is_no_pipe, another_setting_ends_the_pipes, requests, close_ends_a_request,
	  shut_with_a_session_left_open)
