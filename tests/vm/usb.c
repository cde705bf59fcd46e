/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The USB classes on real devices, in the test machine. CK_RUN_CASE chooses the case, USB=BUS:DEV
 * is the device:
 *
 *	storage		QEMU's usb-storage, whose image has the number of each 512-byte block in it
 *	audio		QEMU's usb-audio
 *	source_sink	the kernel's SourceSink gadget, which sends zeros and wants zeros
 *	reaped_at_once	the same
 */
#include "real.h"

#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>

/* --- storage: bulk-only transport --- */

static uint8_t
command(const uint8_t block[16], bool in, uint32_t wanted, uint32_t *ret_actual)
{
	static uint32_t tag;
	uint8_t wrapper[31] = {'U', 'S', 'B', 'C', (uint8_t)++tag, [12] = in ? 0x80 : 0, [14] = 16};
	uint32_t actual;
	IOReturn res;

	memcpy(wrapper + 8, &wanted, 4);
	memcpy(wrapper + 15, block, 16);
	memcpy(scene.bytes, wrapper, sizeof(wrapper));
	ck_assert_int_eq(
		IOUSBHostPipe_IO(scene.out, scene_memory(&scene), sizeof(wrapper), &actual, 5000),
		kIOReturnSuccess);
	ck_assert_uint_eq(actual, sizeof(wrapper));
	res = wanted == 0 ? kIOReturnSuccess
			  : IOUSBHostPipe_IO(in ? scene.in : scene.out, (IOMemoryDescriptor *)large,
					     wanted, ret_actual, 5000);
	if (res == kUSBHostReturnPipeStalled)
		ck_assert_int_eq(IOUSBHostPipe_ClearStall(scene.in, true), kIOReturnSuccess);
	else
		ck_assert_int_eq(res, kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostPipe_IO(scene.in, scene_memory(&scene), 512, &actual, 5000),
			 kIOReturnSuccess);
	ck_assert_uint_eq(actual, 13);
	ck_assert_mem_eq(scene.bytes, "USBS", 4);
	ck_assert_uint_eq(scene.bytes[4], (uint8_t)tag);
	return scene.bytes[12];
}

static uint8_t
storage_byte(uint32_t at)
{
	return (uint8_t)(at * 7 + at / 512);
}

START_TEST(storage)
{
	const uint8_t inquiry[16] = {0x12, 0, 0, 0, 36};
	const uint8_t sense[16] = {0x03, 0, 0, 0, 18};
	const uint8_t read[16] = {0x28, 0, 0, 0, 0, 0, 0, 0x08, 0};	/* 2048 blocks from 0 */
	const uint8_t write[16] = {0x2a, 0, 0, 0, 0x08, 0, 0, 0x08, 0}; /* and from 2048 */
	const uint8_t read_back[16] = {0x28, 0, 0, 0, 0x08, 0, 0, 0x08, 0};
	unsigned wrong = 0;
	const uint8_t flush[16] = {0x35};
	uint32_t actual = 0;

	open_interface(0);
	make_large(MIB);
	copy_pipes();
	ck_assert_uint_eq(command(inquiry, true, 36, &actual), 0);
	ck_assert_uint_eq(actual, 36);
	ck_assert_mem_eq(large_bytes + 8, "QEMU", 4);
	command(sense, true, 18, &actual); /* that it was switched on */
	ck_assert_uint_eq(command(read, true, MIB, &actual), 0);
	ck_assert_uint_eq(actual, MIB);
	for (uint32_t i = 0; i < 2048; i++)
		ck_assert_mem_eq(large_bytes + i * 512, &i, 4);
	/* The script compares the image with this. */
	for (uint32_t i = 0; i < MIB; i++)
		large_bytes[i] = storage_byte(i);
	ck_assert_uint_eq(command(write, false, MIB, &actual), 0);
	ck_assert_uint_eq(actual, MIB);
	memset(large_bytes, 0, MIB);
	ck_assert_uint_eq(command(read_back, true, MIB, &actual), 0);
	for (uint32_t i = 0; i < MIB; i++)
		wrong += large_bytes[i] != storage_byte(i);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(command(flush, true, 0, &actual), 0);
	OSSafeReleaseNULL(large);
	scene_close(&scene);
}
END_TEST

/* --- audio: isochronous OUT --- */

START_TEST(audio)
{
	enum { FRAMES = 100, BYTES = 192 };
	IOBufferMemoryDescriptor *list;
	IOUSBIsochronousFrame *frames;
	IOAddressSegment range;

	open_interface(1);
	ck_assert_int_eq(IOUSBHostInterface_SelectAlternateSetting(scene.interface, 1),
			 kIOReturnSuccess);
	copy_pipes();
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut,
							 FRAMES * sizeof(*frames), 0, &list),
			 kIOReturnSuccess);
	IOBufferMemoryDescriptor_GetAddressRange(list, &range);
	frames = (IOUSBIsochronousFrame *)(uintptr_t)range.address;
	for (unsigned i = 0; i < FRAMES; i++)
		frames[i].requestCount = BYTES;
	for (unsigned round = 0; round < 3; round++) {
		ck_assert_int_eq(IOUSBHostPipe_IsochIO(scene.out, scene_memory(&scene),
						       (IOMemoryDescriptor *)list, 0, NULL),
				 kIOReturnSuccess);
		for (unsigned i = 0; i < FRAMES; i++) {
			ck_assert_int_eq(frames[i].status, kIOReturnSuccess);
			ck_assert_uint_eq(frames[i].completeCount, BYTES);
			frames[i].completeCount = 0;
		}
	}
	OSRelease(list);
	scene_close(&scene);
}
END_TEST

/* --- gadgets --- */

START_TEST(source_sink)
{
	enum { LARGE = 3 * MIB, QUEUED = 12, EACH = MIB / 4 };
	uint32_t actual = 0;

	open_interface(0);
	copy_pipes();
	make_large(LARGE);
	/* Longer than usbfs, which the script gave 1 MiB, ever has room for. */
	ck_assert_int_eq(
		IOUSBHostPipe_IO(scene.out, (IOMemoryDescriptor *)large, LARGE, &actual, 0),
		kIOReturnSuccess);
	ck_assert_uint_eq(actual, LARGE);
	memset(large_bytes, 0xff, LARGE);
	ck_assert_int_eq(IOUSBHostPipe_IO(scene.in, (IOMemoryDescriptor *)large, LARGE, &actual, 0),
			 kIOReturnSuccess);
	ck_assert_uint_eq(actual, LARGE);
	/* Not an assertion for each byte: each is a system call, and this is an emulation. */
	ck_assert(large_bytes[0] == 0 && memcmp(large_bytes, large_bytes + 1, LARGE - 1) == 0);
	/* Together more than it has room for: they wait their turn, the driver is not told. */
	memset(scene.bytes, 0, EACH);
	for (unsigned i = 0; i < QUEUED; i++)
		ck_assert_int_eq(scene_send(&scene, EACH, 0), kIOReturnSuccess);
	for (unsigned i = 0; i < QUEUED; i++) {
		ck_assert_int_eq(scene_call(&scene, i).status, kIOReturnSuccess);
		ck_assert_uint_eq(scene_call(&scene, i).actual, EACH);
	}
	OSSafeReleaseNULL(large);
	scene_close(&scene);
}
END_TEST

/* --- the backend alone --- */

static void
count_done(struct usb_transfer *transfer)
{
	ck_assert_int_eq(transfer->status, kIOReturnSuccess);
	++*(unsigned *)transfer->data;
}

static uint8_t
bulk_out_of(struct usb_device *device)
{
	uint16_t length;
	const uint8_t *at = usb_backend_libusb.configuration_descriptor(device, 0, &length);

	for (const uint8_t *end = at + length; at < end; at += at[0])
		if (at[1] == 5 && at[3] == 2 && (at[2] & 0x80) == 0)
			return at[2];
	ck_abort_msg("no bulk OUT endpoint");
}

/* An event tells of it once: so a reap takes all that there is, also more than libusb at a time. */
START_TEST(reaped_at_once)
{
	enum { MANY = 100 };
	static unsigned done;
	static struct usb_transfer transfers[MANY];
	const struct usb_backend *backend = &usb_backend_libusb;
	struct usbdevfs_bulktransfer last = {.len = sizeof(done), .timeout = 10000, .data = &done};
	struct usb_device *device;
	int fd = open_usb_file();

	ck_assert_int_eq(backend->open(NULL, fd, &device), kIOReturnSuccess);
	ck_assert_int_eq(backend->claim(device, 0), kIOReturnSuccess);
	last.ep = bulk_out_of(device);
	for (unsigned i = 0; i < MANY; i++) {
		transfers[i] = (struct usb_transfer){
			.endpoint = (uint8_t)last.ep,
			.data = &done,
			.length = sizeof(done),
			.memory = {.fd = -1},
			.done = count_done,
		};
		ck_assert_int_eq(backend->submit(device, &transfers[i]), kIOReturnSuccess);
	}
	/* Behind them all. */
	ck_assert_int_eq(ioctl(fd, USBDEVFS_BULK, &last), sizeof(done));
	ck_assert(backend->reap(device));
	ck_assert_uint_eq(done, MANY);
	ck_assert_int_eq(backend->release(device, 0), kIOReturnSuccess);
	backend->close(device);
}
END_TEST

UNIT_MAIN("usb", storage, audio, source_sink, reaped_at_once)
