/* SPDX-License-Identifier: Apache-2.0 */
/* What an IOUSBHostDevice says of itself, its configuration, and its reset. */
#include "usb_scene.h"

static struct scene scene;

START_TEST(what_it_says_of_itself)
{
	uint8_t address = 0;
	uint32_t status = 0;
	uint64_t frame;

	scene_open(&scene, "loopback:speed=super");
	ck_assert_int_eq(IOUSBHostDevice_GetAddress(scene.device, &address), kIOReturnSuccess);
	ck_assert_uint_eq(address, 1);
	ck_assert_int_eq(IOUSBHostDevice_GetPortStatus(scene.device, &status), kIOReturnSuccess);
	ck_assert_uint_eq(status, 0x00020400);
	ck_assert_int_eq(IOUSBHostInterface_GetPortStatus(scene.interface, &status),
			 kIOReturnSuccess);
	ck_assert_uint_eq(status, 0x00020400);
	ck_assert_int_eq(IOUSBHostDevice_GetFrameNumber(scene.device, &frame, NULL),
			 kIOReturnUnsupported);
	ck_assert_int_eq(IOUSBHostInterface_GetFrameNumber(scene.interface, &frame, NULL),
			 kIOReturnUnsupported);
	ck_assert_int_eq(IOUSBHostInterface_SetIdlePolicy(scene.interface, 100),
			 kIOReturnUnsupported);
	scene_close(&scene);
}
END_TEST

START_TEST(descriptors_that_are_asked_for)
{
	const IOUSBConfigurationDescriptor *first, *by_value;
	const IOUSBDescriptorHeader *any;
	const IOUSBStringDescriptor *string;
	const IOUSBBOSDescriptor *bos;
	uint16_t length = 18;

	scene_open(&scene, "source:speed=super,serial=ab");
	first = IOUSBHostDevice_CopyConfigurationDescriptor(scene.device, 0);
	by_value = IOUSBHostDevice_CopyConfigurationDescriptorWithValue(scene.device, 1);
	ck_assert_mem_eq(first, by_value, first->wTotalLength);
	IOUSBHostFreeDescriptor(first);
	IOUSBHostFreeDescriptor(by_value);
	ck_assert_ptr_null(IOUSBHostDevice_CopyConfigurationDescriptor(scene.device, 1));
	ck_assert_ptr_null(IOUSBHostDevice_CopyConfigurationDescriptorWithValue(scene.device, 2));
	string = IOUSBHostDevice_CopyStringDescriptorWithLanguage(scene.device, 3, 0x0409);
	ck_assert_mem_eq(string, ((const uint8_t[]){6, 3, 'a', 0, 'b', 0}), 6);
	IOUSBHostFreeDescriptor(string);
	string = IOUSBHostInterface_CopyStringDescriptor(scene.interface, 3);
	ck_assert_uint_eq(string->bLength, 6);
	IOUSBHostFreeDescriptor(string);
	bos = IOUSBHostDevice_CopyCapabilityDescriptors(scene.device);
	ck_assert_uint_eq(bos->wTotalLength, 15);
	ck_assert_uint_eq(((const uint8_t *)bos)[7], 3); /* SuperSpeed */
	IOUSBHostFreeDescriptor(bos);
	any = IOUSBHostDevice_CopyDescriptor(scene.device, kIOUSBDescriptorTypeDevice, &length, 0,
					     0, kIOUSBDeviceRequestTypeStandard,
					     kIOUSBDeviceRequestRecipientDevice);
	ck_assert_uint_eq(length, 18);
	ck_assert_uint_eq(any->bLength, 18);
	IOUSBHostFreeDescriptor(any);
	length = 18;
	ck_assert_ptr_null(IOUSBHostDevice_CopyDescriptor(scene.device, 0x21, &length, 0, 0,
							  kIOUSBDeviceRequestTypeClass,
							  kIOUSBDeviceRequestRecipientInterface));
	scene_close(&scene);
}
END_TEST

START_TEST(without_capabilities)
{
	scene_open(&scene, "source:speed=high");
	ck_assert_ptr_null(IOUSBHostDevice_CopyCapabilityDescriptors(scene.device));
	scene_close(&scene);
}
END_TEST

START_TEST(another_configuration_has_other_interfaces)
{
	IOUSBHostInterface *before;

	scene_open(&scene, "loopback:nak");
	ck_assert_int_eq(IOUSBHostDevice_SetConfiguration(scene.device, 1, false),
			 kIOReturnNotOpen);
	ck_assert_int_eq(IOUSBHostDevice_Open(scene.device, scene.client, 0, 0), kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostDevice_SetConfiguration(scene.device, 1, true),
			 kIOReturnUnsupported);
	ck_assert_int_eq(IOUSBHostDevice_SetConfiguration(scene.device, 7, false),
			 kIOReturnNotFound);
	ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnSuccess);
	before = scene.interface;
	OSRetain(before);
	ck_assert_int_eq(IOUSBHostDevice_SetConfiguration(scene.device, 1, false),
			 kIOReturnSuccess);
	ck_assert_uint_eq(person_of(scene.person)->count, 1);
	ck_assert_int_eq(scene_call(&scene, 0).status, kIOReturnAborted);
	ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnNotOpen);
	ck_assert_int_eq(IOUSBHostInterface_Open(before, scene.client, 0, NULL), kIOReturnNoDevice);
	scene.interface = device_interface(scene.device, 0);
	ck_assert_ptr_ne(scene.interface, before);
	OSRelease(before);
	ck_assert_int_eq(IOUSBHostInterface_Open(scene.interface, scene.client, 0, NULL),
			 kIOReturnSuccess);
	/* None: there are no interfaces at all. */
	ck_assert_int_eq(IOUSBHostDevice_SetConfiguration(scene.device, 0, false),
			 kIOReturnSuccess);
	ck_assert_ptr_null(device_interface(scene.device, 0));
	ck_assert_ptr_null(
		IOUSBHostDevice_CopyConfigurationDescriptorForClient(scene.device, scene.client));
	ck_assert_int_eq(IOUSBHostDevice_SetConfiguration(scene.device, 1, false),
			 kIOReturnSuccess);
	scene.interface = device_interface(scene.device, 0);
	scene_close(&scene);
}
END_TEST

START_TEST(reset_ends_all_and_tells)
{
	scene_open(&scene, "loopback:nak");
	ck_assert_int_eq(IOUSBHostDevice_Reset(scene.device), kIOReturnNotOpen);
	ck_assert_int_eq(IOUSBHostDevice_Open(scene.device, scene.client, 0, 0), kIOReturnSuccess);
	ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnSuccess);
	ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostDevice_Reset(scene.device), kIOReturnSuccess);
	ck_assert_uint_eq(person_of(scene.person)->count, 2);
	ck_assert_int_eq(scene_call(&scene, 0).status, kIOReturnAborted);
	ck_assert_int_eq(scene_call(&scene, 1).status, kIOReturnAborted);
	meter_wait(&scene.gone, 1);
	ck_assert_int_eq(IOUSBHostInterface_Open(scene.interface, scene.client, 0, NULL),
			 kIOReturnNoDevice);
	ck_assert_int_eq(IOUSBHostDevice_Reset(scene.device), kIOReturnNoDevice);
	scene_close(&scene);
}
END_TEST

UNIT_MAIN("device", what_it_says_of_itself, descriptors_that_are_asked_for, without_capabilities,
	  another_configuration_has_other_interfaces, reset_ends_all_and_tells)
