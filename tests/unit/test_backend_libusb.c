/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the libusb backend can be seen without a device: the tables, and what is no device. The
 * transfers are tested in a virtual machine.
 */
#include "unit.h"

#include <fcntl.h>

#include <USBDriverKit/AppleUSBDefinitions.h>

#include "backend.h"
#include "backend_libusb.h"

static const struct {
	enum libusb_transfer_status libusb;
	IOReturn status;
} transfers[] = {
	{LIBUSB_TRANSFER_COMPLETED, kIOReturnSuccess},
	{LIBUSB_TRANSFER_ERROR, kIOReturnNotResponding},
	{LIBUSB_TRANSFER_TIMED_OUT, kIOReturnTimeout},
	{LIBUSB_TRANSFER_CANCELLED, kIOReturnAborted},
	{LIBUSB_TRANSFER_STALL, kUSBHostReturnPipeStalled},
	{LIBUSB_TRANSFER_NO_DEVICE, kIOReturnNoDevice},
	{LIBUSB_TRANSFER_OVERFLOW, kIOReturnOverrun},
	{(enum libusb_transfer_status)99, kIOReturnIOError},
};

static const struct {
	int libusb;
	IOReturn status, of_submit;
} errors[] = {
	{LIBUSB_SUCCESS, kIOReturnSuccess, kIOReturnSuccess},
	{LIBUSB_ERROR_IO, kIOReturnIOError, kIOReturnIOError},
	{LIBUSB_ERROR_INVALID_PARAM, kIOReturnBadArgument, kIOReturnBadArgument},
	{LIBUSB_ERROR_ACCESS, kIOReturnNotPermitted, kIOReturnNotPermitted},
	{LIBUSB_ERROR_NO_DEVICE, kIOReturnNoDevice, kIOReturnNoDevice},
	{LIBUSB_ERROR_NOT_FOUND, kIOReturnNotFound, kIOReturnNotFound},
	{LIBUSB_ERROR_BUSY, kIOReturnExclusiveAccess, kIOReturnExclusiveAccess},
	{LIBUSB_ERROR_TIMEOUT, kIOReturnTimeout, kIOReturnTimeout},
	{LIBUSB_ERROR_OVERFLOW, kIOReturnOverrun, kIOReturnOverrun},
	{LIBUSB_ERROR_PIPE, kUSBHostReturnPipeStalled, kUSBHostReturnPipeStalled},
	{LIBUSB_ERROR_INTERRUPTED, kIOReturnAborted, kIOReturnAborted},
	{LIBUSB_ERROR_NO_MEM, kIOReturnNoMemory, kIOReturnNotReady},
	{LIBUSB_ERROR_NOT_SUPPORTED, kIOReturnUnsupported, kIOReturnUnsupported},
	{LIBUSB_ERROR_OTHER, kIOReturnError, kIOReturnError},
	{-1000, kIOReturnError, kIOReturnError},
};

START_TEST(every_status_has_its_own)
{
	for (size_t i = 0; i < sizeof(transfers) / sizeof(transfers[0]); i++)
		ck_assert_int_eq(libusb_status_of_transfer(transfers[i].libusb),
				 transfers[i].status);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		ck_assert_int_eq(libusb_status_of_error(errors[i].libusb), errors[i].status);
		ck_assert_int_eq(libusb_status_of_submit(errors[i].libusb), errors[i].of_submit);
	}
}
END_TEST

START_TEST(speeds)
{
	ck_assert_uint_eq(libusb_speed_of(LIBUSB_SPEED_UNKNOWN), kIOUSBHostConnectionSpeedNone);
	ck_assert_uint_eq(libusb_speed_of(LIBUSB_SPEED_LOW), kIOUSBHostConnectionSpeedLow);
	ck_assert_uint_eq(libusb_speed_of(LIBUSB_SPEED_FULL), kIOUSBHostConnectionSpeedFull);
	ck_assert_uint_eq(libusb_speed_of(LIBUSB_SPEED_HIGH), kIOUSBHostConnectionSpeedHigh);
	ck_assert_uint_eq(libusb_speed_of(LIBUSB_SPEED_SUPER), kIOUSBHostConnectionSpeedSuper);
	ck_assert_uint_eq(libusb_speed_of(LIBUSB_SPEED_SUPER_PLUS),
			  kIOUSBHostConnectionSpeedSuperPlus);
}
END_TEST

START_TEST(what_is_no_device_is_refused_and_closed)
{
	struct usb_device *device = NULL;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int next;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ne(usb_backend_libusb.open(NULL, fd, &device), kIOReturnSuccess);
	ck_assert_ptr_null(device);
	/* The lowest free number is that one again: nothing of libusb's is left open either. */
	next = open("/dev/null", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(next, fd);
	ck_assert_int_eq(close(next), 0);
	ck_assert_int_eq(usb_backend_libusb.open(NULL, -1, &device), kIOReturnBadArgument);
}
END_TEST

UNIT_MAIN("backend_libusb", every_status_has_its_own, speeds,
	  what_is_no_device_is_refused_and_closed)
