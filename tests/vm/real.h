/* SPDX-License-Identifier: Apache-2.0 */
/* A real device, USB=BUS:DEV, opened as the scene of a test; and how much the process holds. */
#ifndef TESTS_VM_REAL_H
#define TESTS_VM_REAL_H

#define METER_DEADLINE_SEC 60 /* emulation is slow */
#include "usb_scene.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define MIB (1u << 20)

static struct scene scene;
static IOBufferMemoryDescriptor *large;
__attribute__((unused)) static uint8_t *large_bytes;

static int
open_usb_file(void)
{
	unsigned bus = 0, device = 0;
	const char *usb = getenv("USB");
	char path[64];
	int fd;

	ck_assert_ptr_nonnull(usb);
	ck_assert_int_eq(sscanf(usb, "%u:%u", &bus, &device), 2);
	snprintf(path, sizeof(path), "/dev/bus/usb/%03u/%03u", bus, device);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

__attribute__((unused)) static void
open_interface(uint8_t interface)
{
	scene_open_device(&scene, &usb_backend_libusb, NULL, open_usb_file(), interface);
}

/* The pipes of the first two endpoints of the selected setting. */
__attribute__((unused)) static void
copy_pipes(void)
{
	const IOUSBConfigurationDescriptor *config =
		IOUSBHostInterface_CopyConfigurationDescriptor(scene.interface);
	const IOUSBInterfaceDescriptor *setting =
		IOUSBHostInterface_GetInterfaceDescriptor(scene.interface, config);
	const IOUSBEndpointDescriptor *endpoint = NULL;

	OSSafeReleaseNULL(scene.out);
	OSSafeReleaseNULL(scene.in);
	while ((endpoint = IOUSBGetNextEndpointDescriptor(
			config, setting, (const IOUSBDescriptorHeader *)endpoint)) != NULL) {
		uint8_t address = IOUSBGetEndpointAddress(endpoint);

		ck_assert_int_eq(
			IOUSBHostInterface_CopyPipe(scene.interface, address,
						    (address & 0x80) != 0 ? &scene.in : &scene.out),
			kIOReturnSuccess);
	}
	IOUSBHostFreeDescriptor(config);
}

__attribute__((unused)) static void
make_large(uint64_t size)
{
	IOAddressSegment range;

	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, size, 0, &large),
			 kIOReturnSuccess);
	IOBufferMemoryDescriptor_GetAddressRange(large, &range);
	large_bytes = (uint8_t *)(uintptr_t)range.address;
}

/* Open descriptors of this process. */
__attribute__((unused)) static unsigned
count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	ck_assert_ptr_nonnull(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

#endif
