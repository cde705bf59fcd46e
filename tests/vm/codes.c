/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-codes: what the kernel says for real, through libusb, in the words of a driver. The unit test
 * of the tables has every code; here is each that can be made to happen. USB=BUS:DEV is a
 * SourceSink gadget; CK_RUN_CASE is `codes`.
 *
 * Not here: timeouts and stalls (vm-gadgets), a device that goes, or may not be used
 * (vm-replug), a lack of room in usbfs (vm-usb).
 * NOT_SUPPORTED and INTERRUPTED are not made by what we call.
 */
#include "function_host.h"

#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>

static const struct usb_backend *const backend = &usb_backend_libusb;

static struct usb_device *
open_backend(int fd)
{
	struct usb_device *device;

	ck_assert_int_eq(backend->open(NULL, fd, &device), kIOReturnSuccess);
	return device;
}

/* While another process, or another open file of ours, has the interface. */
static void
busy(struct usb_device *device)
{
	ck_assert_int_eq(backend->claim(device, 0), kIOReturnExclusiveAccess);
	ck_assert_int_eq(backend->set_configuration(device, 0), kIOReturnExclusiveAccess);
	ck_assert_int_eq(backend->set_configuration(device, 9), kIOReturnExclusiveAccess);
}

static void
not_there(struct usb_device *device)
{
	ck_assert_int_eq(backend->claim(device, 9), kIOReturnNotFound);
	ck_assert_int_eq(backend->claim(device, 200), kIOReturnBadArgument);
	ck_assert_int_eq(backend->set_alternate(device, 0, 1), kIOReturnNotFound);
	ck_assert_int_eq(backend->clear_halt(device, 0x8f), kIOReturnNotFound);
	ck_assert_int_ne(backend->reset_endpoint(device, 0x8f), kIOReturnSuccess);
}

/* As dextd gives a host its file. */
static void
not_permitted(void)
{
	int fd = open_usb_file();
	uint32_t none = 0;
	struct usb_device *device;

	ck_assert_int_eq(ioctl(fd, USBDEVFS_DROP_PRIVILEGES, &none), 0);
	device = open_backend(fd);
	ck_assert_int_eq(backend->claim(device, 0), kIOReturnNotPermitted);
	backend->close(device);
}

/* A packet that is longer than the transfer has room for. */
static void
overrun(void)
{
	uint32_t actual;

	ck_assert_int_eq(io(scene.in, 100, LONG_MSEC, &actual), kIOReturnOverrun);
}

START_TEST(codes)
{
	unsigned descriptors = count_descriptors();
	struct usb_device *other;

	open_interface(0);
	copy_pipes();
	other = open_backend(open_usb_file());
	busy(other);
	not_there(other);
	not_permitted();
	overrun();
	scene_close(&scene);
	backend->close(other);
	ck_assert_uint_eq(count_descriptors(), descriptors);
}
END_TEST

UNIT_MAIN("codes", codes)
