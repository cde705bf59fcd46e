/* SPDX-License-Identifier: Apache-2.0 */
/* Memfds stand for the files of a device with BARs 0 (ports), 2 (memory) and 4 (less than a page).
 */
#include "unit.h"

#include "device_memory.h"
#include "memfd.h"
#include "object.h"
#include "pci_device.h"
#include "pci_provider.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct {
	int memory, configuration; /* the test's own */
	OSDictionary *start;
	IOPCIDevice *device;
	IOService *client, *other;
	uint64_t size;
} scene;

static int
open_again(int fd, int mode)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, mode | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
add_bar(OSArray *list, uint64_t number, uint64_t type, uint64_t size, bool files)
{
	OSDictionary *bar = OSDictionaryCreate(4);

	OSDictionarySetUInt64Value(bar, "Number", number);
	OSDictionarySetUInt64Value(bar, "Type", type);
	OSDictionarySetUInt64Value(bar, "Size", size);
	OSDictionarySetUInt64Value(bar, "Files", files);
	OSArrayAppendValue(list, bar);
	OSRelease(bar);
}

/* What the registry says of it. */
static void
describe(void)
{
	OSDictionary *device = OSDictionaryCreate(4), *properties = OSDictionaryCreate(1);
	OSArray *bars = OSArrayCreate(3);

	scene.start = OSDictionaryCreate(1);
	add_bar(bars, 0, kPCIBARTypeIO, 64, false);
	add_bar(bars, 2, kPCIBARTypeM64PF, scene.size, true);
	add_bar(bars, 4, kPCIBARTypeM32, 256, false);
	OSDictionarySetStringValue(properties, "IOName", "pci1af4,1110");
	OSDictionarySetStringValue(device, "Backend", "pci");
	OSDictionarySetUInt64Value(device, "Place", 0x12345 << 8 | 0x1f << 3 | 5);
	OSDictionarySetValue(device, "BARs", bars);
	OSDictionarySetValue(device, "Properties", properties);
	OSDictionarySetValue(scene.start, "Device", device);
	OSRelease(bars);
	OSRelease(properties);
	OSRelease(device);
}

static void
prepare(struct fd_list *files)
{
	static const uint8_t header[64] = {0xf4, 0x1a, 0x10, 0x11, 0x02};

	scene.size = 2 * page_size();
	ck_assert_int_eq(memfd_create_sealed("bar", scene.size, &scene.memory), 0);
	scene.configuration = memfd_create("config", MFD_CLOEXEC);
	ck_assert_int_eq(write(scene.configuration, header, 64), 64);
	files->fds[0] = open_again(scene.configuration, O_RDONLY);
	files->fds[1] = open_again(scene.memory, O_RDWR);
	files->fds[2] = open_again(scene.memory, O_RDONLY);
	files->count = 3;
	describe();
	scene.client = (IOService *)object_create(IOService);
	scene.other = (IOService *)object_create(IOService);
}

static void
make(void)
{
	struct fd_list files;
	IOService *provider = NULL;

	prepare(&files);
	ck_assert_int_eq(pci_host_provider.create(scene.start, &files, NULL, &provider), 0);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(files.fds[i], -1);
	scene.device = OSDynamicCast(IOPCIDevice, provider);
	ck_assert_ptr_nonnull(scene.device);
}

static void
finish(void)
{
	OSSafeReleaseNULL(scene.device);
	OSSafeReleaseNULL(scene.client);
	OSSafeReleaseNULL(scene.other);
	OSSafeReleaseNULL(scene.start);
	close(scene.memory);
	close(scene.configuration);
}

START_TEST(says_what_it_is)
{
	uint8_t index = 9, type = 9, bus, device, function;
	OSDictionary *properties = NULL;
	uint64_t size = 0;

	make();
	ck_assert_int_eq(IOPCIDevice_GetBARInfo(scene.device, 2, &index, &size, &type), 0);
	ck_assert_uint_eq(index, 1);
	ck_assert_uint_eq(size, scene.size);
	ck_assert_uint_eq(type, kPCIBARTypeM64PF);
	ck_assert_int_eq(IOPCIDevice_GetBARInfo(scene.device, 4, &index, &size, &type), 0);
	ck_assert_uint_eq(index, 2);
	ck_assert_int_eq(IOPCIDevice_GetBARInfo(scene.device, 1, &index, &size, &type),
			 kIOReturnNotFound);
	ck_assert_int_eq(IOPCIDevice_GetBARInfo(scene.device, 255, &index, &size, &type),
			 kIOReturnNotFound);
	ck_assert_int_eq(IOPCIDevice_GetBusDeviceFunction(scene.device, &bus, &device, &function),
			 0);
	ck_assert_uint_eq(bus, 0x45);
	ck_assert_uint_eq(device, 0x1f);
	ck_assert_uint_eq(function, 5);
	ck_assert_int_eq(IOService_CopyProperties((IOService *)scene.device, &properties), 0);
	ck_assert_str_eq(OSDictionaryGetStringValue(properties, "IOName"), "pci1af4,1110");
	OSRelease(properties);
	finish();
}
END_TEST

START_TEST(one_session_at_a_time)
{
	IOMemoryDescriptor *memory = NULL, *again = NULL;
	uint64_t length = 0;

	make();
	ck_assert_int_eq(
		IOPCIDevice_CopyDeviceMemoryWithIndex(scene.device, 1, &memory, scene.client),
		kIOReturnNotOpen);
	ck_assert_int_eq(IOPCIDevice_Open(scene.device, scene.client, 1), kIOReturnBadArgument);
	ck_assert_int_eq(IOPCIDevice_Open(scene.device, scene.client, 0), 0);
	ck_assert_int_eq(IOPCIDevice_Open(scene.device, scene.other, 0), kIOReturnExclusiveAccess);
	ck_assert_int_eq(
		IOPCIDevice_CopyDeviceMemoryWithIndex(scene.device, 1, &memory, scene.other),
		kIOReturnNotOpen);
	ck_assert_int_eq(
		IOPCIDevice_CopyDeviceMemoryWithIndex(scene.device, 0, &memory, scene.client),
		kIOReturnUnsupported);
	ck_assert_int_eq(
		IOPCIDevice_CopyDeviceMemoryWithIndex(scene.device, 2, &memory, scene.client),
		kIOReturnUnsupported);
	ck_assert_int_eq(
		IOPCIDevice_CopyDeviceMemoryWithIndex(scene.device, 3, &memory, scene.client),
		kIOReturnNotFound);
	ck_assert_ptr_null(memory);
	ck_assert_int_eq(
		IOPCIDevice_CopyDeviceMemoryWithIndex(scene.device, 1, &memory, scene.client), 0);
	ck_assert_int_eq(
		IOPCIDevice_CopyDeviceMemoryWithIndex(scene.device, 1, &again, scene.client), 0);
	ck_assert_ptr_eq(memory, again);
	ck_assert(memory_is_device(memory));
	IOMemoryDescriptor_GetLength(memory, &length);
	ck_assert_uint_eq(length, scene.size);
	OSRelease(again);
	IOPCIDevice_Close(scene.device, scene.other, 0);
	ck_assert_int_eq(IOPCIDevice_Open(scene.device, scene.other, 0), kIOReturnExclusiveAccess);
	IOPCIDevice_Close(scene.device, scene.client, 0);
	ck_assert_int_eq(IOPCIDevice_Open(scene.device, scene.other, 0), 0);
	/* It outlives the device's object. */
	OSSafeReleaseNULL(scene.device);
	OSRelease(memory);
	finish();
}
END_TEST

START_TEST(reads_and_writes_in_each_width)
{
	uint64_t eight = 0, at = scene.size;
	uint32_t four = 0;
	uint16_t two = 0;
	uint8_t bytes[8], one = 0;

	make();
	ck_assert_int_eq(IOPCIDevice_Open(scene.device, scene.client, 0), 0);
	at = scene.size - 8;
	IOPCIDevice_MemoryWrite64(scene.device, 1, at, 0x1122334455667788);
	IOPCIDevice_MemoryWrite32(scene.device, 1, at, 0xaabbccdd);
	IOPCIDevice_MemoryWrite16(scene.device, 1, at + 2, 0xeeff);
	IOPCIDevice_MemoryWrite8(scene.device, 1, at + 7, 0x99);
	ck_assert_int_eq(pread(scene.memory, bytes, 8, (off_t)at), 8);
	ck_assert_mem_eq(bytes, "\xdd\xcc\xff\xee\x44\x33\x22\x99", 8);
	IOPCIDevice_MemoryRead64(scene.device, 1, at, &eight);
	IOPCIDevice_MemoryRead32(scene.device, 1, at + 4, &four);
	IOPCIDevice_MemoryRead16(scene.device, 1, at, &two);
	IOPCIDevice_MemoryRead8(scene.device, 1, at + 3, &one);
	ck_assert_uint_eq(eight, 0x99223344eeffccdd);
	ck_assert_uint_eq(four, 0x99223344);
	ck_assert_uint_eq(two, 0xccdd);
	ck_assert_uint_eq(one, 0xee);
	finish();
}
END_TEST

static bool
reads_ones(uint8_t index, uint64_t offset)
{
	uint32_t value = 0;

	/* A write there changes nothing. */
	IOPCIDevice_MemoryWrite32(scene.device, index, offset, 0);
	IOPCIDevice_MemoryRead32(scene.device, index, offset, &value);
	return value == UINT32_MAX;
}

START_TEST(what_cannot_be_reached_is_all_ones)
{
	uint32_t value = 0;

	make();
	ck_assert(reads_ones(1, 0)); /* not open */
	ck_assert_int_eq(IOPCIDevice_Open(scene.device, scene.client, 0), 0);
	ck_assert(!reads_ones(1, 0));
	ck_assert(!reads_ones(1, scene.size - 4));
	ck_assert(reads_ones(1, scene.size));
	ck_assert(reads_ones(1, scene.size - 2));
	ck_assert(reads_ones(1, 2));
	ck_assert(reads_ones(1, UINT64_MAX - 3));
	ck_assert(reads_ones(0, 0));
	ck_assert(reads_ones(2, 0));
	ck_assert(reads_ones(3, 0));
	ck_assert(reads_ones(255, 0));
	IOPCIDevice_MemoryWrite32(scene.device, 1, 0, 7);
	ck_assert(pci_device_set_gone(scene.device));
	ck_assert(!pci_device_set_gone(scene.device));
	ck_assert(reads_ones(1, 0));
	IOPCIDevice_ConfigurationRead32(scene.device, 0, &value);
	ck_assert_uint_eq(value, UINT32_MAX);
	ck_assert_int_eq(pread(scene.memory, &value, 4, 0), 4);
	ck_assert_uint_eq(value, 7);
	IOPCIDevice_Close(scene.device, scene.client, 0);
	ck_assert_int_eq(IOPCIDevice_Open(scene.device, scene.client, 0), kIOReturnNoDevice);
	finish();
}
END_TEST

START_TEST(the_configuration_space_is_for_reading)
{
	uint32_t four = 0;
	uint16_t two = 0;
	uint8_t one = 0;

	make();
	IOPCIDevice_ConfigurationRead16(scene.device, kIOPCIConfigurationOffsetVendorID, &two);
	ck_assert_uint_eq(two, 0xffff); /* not open */
	ck_assert_int_eq(IOPCIDevice_Open(scene.device, scene.client, 0), 0);
	IOPCIDevice_ConfigurationRead16(scene.device, kIOPCIConfigurationOffsetVendorID, &two);
	ck_assert_uint_eq(two, 0x1af4);
	IOPCIDevice_ConfigurationRead32(scene.device, 0, &four);
	ck_assert_uint_eq(four, 0x11101af4);
	IOPCIDevice_ConfigurationRead8(scene.device, kIOPCIConfigurationOffsetDeviceID, &one);
	ck_assert_uint_eq(one, 0x10);
	IOPCIDevice_ConfigurationRead32(scene.device, 64, &four);
	ck_assert_uint_eq(four, UINT32_MAX);
	IOPCIDevice_ConfigurationRead32(scene.device, 2, &four);
	ck_assert_uint_eq(four, UINT32_MAX);
	IOPCIDevice_ConfigurationWrite16(scene.device, kIOPCIConfigurationOffsetCommand,
					 kIOPCICommandMemorySpace);
	IOPCIDevice_ConfigurationWrite16(scene.device, kIOPCIConfigurationOffsetCommand,
					 kIOPCICommandMemorySpace | kIOPCICommandBusLead);
	IOPCIDevice_ConfigurationRead16(scene.device, kIOPCIConfigurationOffsetCommand, &two);
	ck_assert_uint_eq(two, kIOPCICommandMemorySpace);
	finish();
}
END_TEST

/* The registry is trusted; what it says is checked all the same. */
START_TEST(a_wrong_start_is_refused)
{
	OSDictionary *device;
	IOService *provider = NULL;
	struct fd_list files;
	OSArray *bars;

	prepare(&files);
	device = (OSDictionary *)OSDictionaryGetValue(scene.start, "Device");
	fd_list_close(&files);
	ck_assert_int_eq(pci_host_provider.create(scene.start, &files, NULL, &provider),
			 kIOReturnBadArgument);
	files.fds[0] = open_again(scene.configuration, O_RDONLY);
	files.fds[1] = open_again(scene.memory, O_RDWR);
	files.count = 2;
	ck_assert_int_eq(pci_host_provider.create(scene.start, &files, NULL, &provider),
			 kIOReturnBadArgument);
	fd_list_close(&files);
	bars = OSArrayCreate(1);
	add_bar(bars, 6, 0, 4096, false);
	OSDictionarySetValue(device, "BARs", bars);
	OSRelease(bars);
	files.fds[0] = open_again(scene.configuration, O_RDONLY);
	files.count = 1;
	ck_assert_int_eq(pci_host_provider.create(scene.start, &files, NULL, &provider),
			 kIOReturnBadArgument);
	fd_list_close(&files);
	ck_assert_ptr_null(provider);
	finish();
}
END_TEST

UNIT_MAIN("pci_device", says_what_it_is, one_session_at_a_time, reads_and_writes_in_each_width,
	  what_cannot_be_reached_is_all_ones, the_configuration_space_is_for_reading,
	  a_wrong_start_is_refused)
