/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers of the libusb backend, with the stand-in of tests/faults in libusb's place. */
#include "unit.h"

#include <libusb.h>
#include <poll.h>

#include "backend.h"

static const uint8_t descriptors[18 + 9] = {18, 1, 0, 2, [7] = 64, [17] = 1, 9, 2, 9, 0, 0, 1};

static struct usb_device *device;
static unsigned ended;

static void
done(struct usb_transfer *transfer)
{
	ended++;
}

static void
open_device(void)
{
	int fd = memfd_create("usbfs", MFD_CLOEXEC);

	ck_assert_int_eq(write(fd, descriptors, sizeof(descriptors)), sizeof(descriptors));
	ck_assert_int_eq(usb_backend_libusb.open(NULL, fd, &device), kIOReturnSuccess);
}

/* For which the device has no data: it waits. */
static void
begin(struct usb_transfer *transfer)
{
	static uint8_t data[512];

	*transfer = (struct usb_transfer){
		.endpoint = 0x81,
		.data = data,
		.length = sizeof(data),
		.memory = {.fd = -1},
		.done = done,
	};
	ck_assert_int_eq(usb_backend_libusb.submit(device, transfer), kIOReturnSuccess);
}

static IOReturn
end(const struct usb_transfer *transfer)
{
	struct pollfd event = {.fd = usb_backend_libusb.event_fd(device), .events = POLLIN};
	unsigned before = ended;

	ck_assert_int_eq(poll(&event, 1, 10000), 1);
	usb_backend_libusb.reap(device);
	ck_assert_uint_eq(ended, before + 1);
	return transfer->status;
}

START_TEST(a_transfer_that_nobody_has_cancelled_was_ended_with_its_device)
{
	struct usb_transfer transfer;

	open_device();
	begin(&transfer);
	/* As the kernel does: not by the backend. */
	ck_assert_int_eq(libusb_cancel_transfer(transfer.backend), 0);
	ck_assert_int_eq(end(&transfer), kIOReturnNoDevice);
	usb_backend_libusb.close(device);
}
END_TEST

START_TEST(a_transfer_that_was_cancelled_is_aborted)
{
	struct usb_transfer transfer;

	open_device();
	for (unsigned i = 0; i < 2; i++) {
		begin(&transfer);
		usb_backend_libusb.cancel(device, &transfer);
		ck_assert_int_eq(end(&transfer), kIOReturnAborted);
	}
	usb_backend_libusb.close(device);
}
END_TEST

static struct usb_transfer other;

/* As another thread may, which does not know yet that it is over. */
static void
begin_other_and_cancel(struct usb_transfer *transfer)
{
	begin(&other);
	usb_backend_libusb.cancel(device, transfer);
	ended++;
}

START_TEST(who_cancels_what_is_over_cancels_nothing_else)
{
	struct usb_transfer transfer;
	struct pollfd event;

	open_device();
	event = (struct pollfd){.fd = usb_backend_libusb.event_fd(device), .events = POLLIN};
	begin(&transfer);
	transfer.done = begin_other_and_cancel;
	ck_assert_int_eq(libusb_cancel_transfer(transfer.backend), 0);
	end(&transfer);
	ck_assert_int_eq(poll(&event, 1, 0), 0);
	usb_backend_libusb.cancel(device, &other);
	ck_assert_int_eq(end(&other), kIOReturnAborted);
	usb_backend_libusb.close(device);
}
END_TEST

UNIT_MAIN("libusb transfer", a_transfer_that_nobody_has_cancelled_was_ended_with_its_device,
	  a_transfer_that_was_cancelled_is_aborted, who_cancels_what_is_over_cancels_nothing_else)
