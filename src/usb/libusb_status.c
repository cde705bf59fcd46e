/* SPDX-License-Identifier: Apache-2.0 */
/* What libusb says, in the words of a driver. Pure functions; any thread. */
#include "backend_libusb.h"
#include "libusb_device.h"
#include "log.h"

IOReturn
libusb_status_of_transfer(enum libusb_transfer_status status)
{
	switch (status) {
	case LIBUSB_TRANSFER_COMPLETED:
		return kIOReturnSuccess;
	case LIBUSB_TRANSFER_TIMED_OUT:
		return kIOReturnTimeout;
	case LIBUSB_TRANSFER_CANCELLED:
		return kIOReturnAborted;
	case LIBUSB_TRANSFER_STALL:
		return kUSBHostReturnPipeStalled;
	case LIBUSB_TRANSFER_NO_DEVICE:
		return kIOReturnNoDevice;
	case LIBUSB_TRANSFER_OVERFLOW:
		return kIOReturnOverrun;
	case LIBUSB_TRANSFER_ERROR: /* no answer, a bad checksum, ...: libusb does not tell */
		return kIOReturnNotResponding;
	}
	return kIOReturnIOError;
}

IOReturn
libusb_status_of_error(int error)
{
	switch (error) {
	case LIBUSB_SUCCESS:
		return kIOReturnSuccess;
	case LIBUSB_ERROR_INVALID_PARAM:
		return kIOReturnBadArgument;
	case LIBUSB_ERROR_ACCESS:
		return kIOReturnNotPermitted;
	case LIBUSB_ERROR_NO_DEVICE:
		return kIOReturnNoDevice;
	case LIBUSB_ERROR_NOT_FOUND:
		return kIOReturnNotFound;
	case LIBUSB_ERROR_BUSY:
		return kIOReturnExclusiveAccess;
	case LIBUSB_ERROR_TIMEOUT:
		return kIOReturnTimeout;
	case LIBUSB_ERROR_OVERFLOW:
		return kIOReturnOverrun;
	case LIBUSB_ERROR_PIPE:
		return kUSBHostReturnPipeStalled;
	case LIBUSB_ERROR_INTERRUPTED:
		return kIOReturnAborted;
	case LIBUSB_ERROR_NO_MEM:
		return kIOReturnNoMemory;
	case LIBUSB_ERROR_NOT_SUPPORTED:
		return kIOReturnUnsupported;
	case LIBUSB_ERROR_IO:
		return kIOReturnIOError;
	default:
		return kIOReturnError;
	}
}

IOReturn
libusb_status_of_submit(int error)
{
	/* usbfs has a budget for the whole system: it is back-pressure, not a failure. */
	return error == LIBUSB_ERROR_NO_MEM ? kIOReturnNotReady : libusb_status_of_error(error);
}

uint8_t
libusb_speed_of(int speed)
{
	switch (speed) {
	case LIBUSB_SPEED_LOW:
		return kIOUSBHostConnectionSpeedLow;
	case LIBUSB_SPEED_FULL:
		return kIOUSBHostConnectionSpeedFull;
	case LIBUSB_SPEED_HIGH:
		return kIOUSBHostConnectionSpeedHigh;
	case LIBUSB_SPEED_SUPER:
		return kIOUSBHostConnectionSpeedSuper;
	case LIBUSB_SPEED_SUPER_PLUS:
		return kIOUSBHostConnectionSpeedSuperPlus;
	default:
		return kIOUSBHostConnectionSpeedNone;
	}
}

IOReturn
libusb_result(int error, const char *what)
{
	if (error != 0)
		log_debug("%s: %s", what, libusb_error_name(error));
	return libusb_status_of_error(error);
}
