/* SPDX-License-Identifier: Apache-2.0 */
/* How libusb's numbers become ours: apart from the backend so that a test can read the tables. */
#ifndef USB_BACKEND_LIBUSB_H
#define USB_BACKEND_LIBUSB_H

#include <libusb.h>

#include <DriverKit/IOReturn.h>

IOReturn libusb_status_of_transfer(enum libusb_transfer_status status);
IOReturn libusb_status_of_error(int error);
/* The same for a submission, where a lack of memory is kIOReturnNotReady. */
IOReturn libusb_status_of_submit(int error);
/* One of kIOUSBHostConnectionSpeed... */
uint8_t libusb_speed_of(int speed);

#endif
