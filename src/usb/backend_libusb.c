/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The libusb backend: a real device, from a usbfs file that somebody else opened. Nothing is looked
 * for: device discovery is off, and the process needs no access to /dev or /sys. Here: opening it,
 * its descriptors, configuration and interfaces; transfers are in libusb_transfer.c.
 *
 * Each device has a libusb context of its own. All of libusb's descriptors are in one epoll set,
 * which is the event descriptor; its timeouts are a timerfd among them. The device has gone when
 * libusb takes its descriptor out of the set.
 *
 * The functions used here handle no events: claim, alternate setting and halt are plain ioctls.
 */
#include <assert.h>
#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "libusb_device.h"
#include "log.h"
#include "packet.h"
#include "status.h"

#define USBFS_MEMORY_MB 16u		    /* the kernel's default */
#define TRANSFER_MAX_MB 1024u		    /* libusb counts bytes in an int */
#define DESCRIPTORS_MAX (UINT32_C(1) << 24) /* 255 configurations of 64 KiB */

/* --- descriptors of libusb --- */

static IOReturn
add(const struct usb_device *device, int fd, short events)
{
	struct epoll_event event = {.data.fd = fd};

	event.events = (events & POLLIN ? EPOLLIN : 0u) | (events & POLLOUT ? EPOLLOUT : 0u);
	if (epoll_ctl(device->events, EPOLL_CTL_ADD, fd, &event) < 0)
		return status_from_errno(errno, "epoll_ctl of a libusb descriptor");
	return kIOReturnSuccess;
}

/* A device that cannot be heard is as good as gone. */
static void
watch(int fd, short events, void *context)
{
	struct usb_device *device = context;

	if (add(device, fd, events) != kIOReturnSuccess)
		device->gone = true;
}

void
libusb_device_look_again(struct usb_device *device)
{
	struct epoll_event event = {.events = EPOLLOUT, .data.fd = device->fd};

	/* As libusb has it watched. A change of what is known to be ready is no edge. */
	epoll_ctl(device->events, EPOLL_CTL_DEL, device->fd, NULL);
	if (epoll_ctl(device->events, EPOLL_CTL_ADD, device->fd, &event) < 0) {
		status_from_errno(errno, "epoll_ctl of usbfs");
		device->gone = true;
	}
}

static void
unwatch(int fd, void *context)
{
	struct usb_device *device = context;

	epoll_ctl(device->events, EPOLL_CTL_DEL, fd, NULL);
	if (fd == device->fd)
		device->gone = true;
}

static IOReturn
watch_all(struct usb_device *device)
{
	const struct libusb_pollfd **list = libusb_get_pollfds(device->context);
	IOReturn status = kIOReturnSuccess;

	if (list == NULL || !libusb_pollfds_handle_timeouts(device->context)) {
		libusb_free_pollfds(list);
		log_error("libusb: this build cannot be polled");
		return kIOReturnUnsupported;
	}
	for (unsigned i = 0; list[i] != NULL && status == kIOReturnSuccess; i++)
		status = add(device, list[i]->fd, list[i]->events);
	libusb_free_pollfds(list);
	libusb_set_pollfd_notifiers(device->context, watch, unwatch, device);
	return status;
}

/* --- opening --- */

/*
 * usbfs has kept what the device sent when it was plugged in, byte for byte: the device descriptor,
 * then every configuration. libusb's parsed ones have lost bytes.
 */
static IOReturn
read_descriptors(struct usb_device *device)
{
	size_t room = 4096, length = 0;
	uint8_t *bytes = NULL;
	ssize_t got;

	if (pread(device->fd, &device->descriptor, sizeof(device->descriptor), 0) !=
	    sizeof(device->descriptor))
		return kIOReturnDeviceError;
	do {
		uint8_t *larger = realloc(bytes, room);

		if (larger == NULL) {
			free(bytes);
			return kIOReturnNoMemory;
		}
		bytes = larger;
		got = pread(device->fd, bytes + length, room - length,
			    (off_t)(sizeof(device->descriptor) + length));
		if (got < 0) {
			free(bytes);
			return status_from_errno(errno, "descriptors from usbfs");
		}
		length += (size_t)got;
		if (length == room)
			room *= 2;
	} while (got > 0 && room <= DESCRIPTORS_MAX);
	device->configurations = bytes;
	device->configurations_length = length;
	return kIOReturnSuccess;
}

/* As libusb decides it. */
static bool
cuts_transfers(int fd)
{
	unsigned caps = 0;

	return ioctl(fd, USBDEVFS_GET_CAPABILITIES, &caps) != 0 ||
	       (caps & USBDEVFS_CAP_BULK_SCATTER_GATHER) == 0;
}

static IOReturn
wrap(struct usb_device *device)
{
	int error;

	/* Of no context yet: it holds for those made from now on. All of them are made here. */
	error = libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);
	if (error == 0)
		error = libusb_init(&device->context);
	if (error != 0)
		return libusb_result(error, "libusb_init");
	error = libusb_wrap_sys_device(device->context, device->fd, &device->handle);
	if (error != 0) {
		log_error("libusb: the descriptor is no usbfs device: %s",
			  libusb_error_name(error));
		return libusb_status_of_error(error);
	}
	device->cuts = cuts_transfers(device->fd);
	device->speed = libusb_speed_of(libusb_get_device_speed(libusb_get_device(device->handle)));
	return read_descriptors(device);
}

static void
destroy(struct usb_device *device)
{
	if (device->context != NULL)
		libusb_set_pollfd_notifiers(device->context, NULL, NULL, NULL);
	libusb_transfer_free_unused(device);
	if (device->handle != NULL)
		libusb_close(device->handle);
	if (device->context != NULL)
		libusb_exit(device->context);
	fd_close(&device->events);
	fd_close(&device->fd);
	pthread_mutex_destroy(&device->lock);
	free(device->configurations);
	free(device);
}

static IOReturn
open_device(const char *spec, int fd, struct usb_device **ret_device)
{
	struct usb_device *device;
	IOReturn res;

	(void)spec;
	if (fd < 0) {
		log_error("libusb: a real device needs the descriptor of its usbfs file");
		return kIOReturnBadArgument;
	}
	device = calloc(1, sizeof(*device));
	if (device == NULL) {
		close(fd);
		return kIOReturnNoMemory;
	}
	device->fd = fd;
	device->done_tail = &device->done;
	pthread_mutex_init(&device->lock, NULL);
	device->events = epoll_create1(EPOLL_CLOEXEC);
	if (device->events < 0)
		res = status_from_errno(errno, "epoll_create1 for libusb");
	else
		res = wrap(device);
	if (res == kIOReturnSuccess)
		res = watch_all(device);
	if (res != kIOReturnSuccess) {
		destroy(device);
		return res;
	}
	*ret_device = device;
	return kIOReturnSuccess;
}

static void
close_device(struct usb_device *device)
{
	assert(device->done == NULL);
	destroy(device);
}

static const uint8_t *
device_descriptor(struct usb_device *device)
{
	return (const uint8_t *)&device->descriptor;
}

static const uint8_t *
configuration_descriptor(struct usb_device *device, uint8_t index, uint16_t *ret_length)
{
	const uint8_t *at = device->configurations;
	size_t left = device->configurations_length;

	for (;; index--) {
		size_t length;

		if (left < sizeof(IOUSBConfigurationDescriptor))
			return NULL;
		length = (size_t)(at[2] | at[3] << 8);
		if (length < sizeof(IOUSBConfigurationDescriptor))
			return NULL; /* where the next one begins is not known */
		if (length > left)
			length = left;
		if (index == 0) {
			*ret_length = (uint16_t)length;
			return at;
		}
		at += length;
		left -= length;
	}
}

static uint8_t
address(struct usb_device *device)
{
	return libusb_get_device_address(libusb_get_device(device->handle));
}

static uint8_t
configuration(struct usb_device *device)
{
	int value = 0;

	return libusb_result(libusb_get_configuration(device->handle, &value),
			     "get configuration") == kIOReturnSuccess
		       ? (uint8_t)value
		       : 0;
}

static IOReturn
set_configuration(struct usb_device *device, uint8_t value)
{
	return libusb_result(libusb_set_configuration(device->handle, value != 0 ? value : -1),
			     "set configuration");
}

/* Not libusb's, which would take the claims again, and does not tell why it was refused. */
static IOReturn
reset(struct usb_device *device)
{
	if (ioctl(device->fd, USBDEVFS_RESET, NULL) == 0)
		return kIOReturnSuccess;
	return errno == EACCES ? kIOReturnExclusiveAccess : status_from_errno(errno, "reset");
}

static uint8_t
speed(struct usb_device *device)
{
	return device->speed;
}

/*
 * usbfs counts all transfers of the system against one limit, and a longer one never fits. It is a
 * parameter of the kernel's, in MiB, 0 for none; a sandbox may hide it.
 */
static uint32_t
transfer_max(struct usb_device *device)
{
	FILE *file = fopen("/sys/module/usbcore/parameters/usbfs_memory_mb", "re");
	unsigned long limit = USBFS_MEMORY_MB;

	(void)device;
	if (file != NULL) {
		if (fscanf(file, "%lu", &limit) != 1)
			limit = USBFS_MEMORY_MB;
		fclose(file);
	}
	if (limit == 0 || limit > TRANSFER_MAX_MB * 4)
		limit = TRANSFER_MAX_MB * 4;
	return limit < 4 ? 256u << 10 : (uint32_t)(limit / 4) << 20;
}

/* --- interfaces --- */

static IOReturn
claim(struct usb_device *device, uint8_t interface)
{
	int error = libusb_claim_interface(device->handle, interface);
	unsigned number = interface;

	/* Not one of this file's: libusb has no word for that, so the kernel is asked again. */
	if (error == LIBUSB_ERROR_OTHER &&
	    ioctl(device->fd, USBDEVFS_CLAIMINTERFACE, &number) < 0 && errno == EACCES)
		return kIOReturnNotPermitted;
	return libusb_result(error, "claim");
}

static IOReturn
release(struct usb_device *device, uint8_t interface)
{
	return libusb_result(libusb_release_interface(device->handle, interface), "release");
}

static IOReturn
set_alternate(struct usb_device *device, uint8_t interface, uint8_t alternate)
{
	return libusb_result(libusb_set_interface_alt_setting(device->handle, interface, alternate),
			     "set alternate setting");
}

static IOReturn
clear_halt(struct usb_device *device, uint8_t endpoint)
{
	return libusb_result(libusb_clear_halt(device->handle, endpoint), "clear halt");
}

/* Not in libusb: usbfs's own, which sends nothing. */
static IOReturn
reset_endpoint(struct usb_device *device, uint8_t endpoint)
{
	unsigned address = endpoint;

	if (ioctl(device->fd, USBDEVFS_RESETEP, &address) == 0)
		return kIOReturnSuccess;
	return errno == ENODEV ? kIOReturnNoDevice : status_from_errno(errno, "reset endpoint");
}

static int
event_fd(struct usb_device *device)
{
	return device->events;
}

const struct usb_backend usb_backend_libusb = {
	.name = "libusb",
	.open = open_device,
	.close = close_device,
	.device_descriptor = device_descriptor,
	.configuration_descriptor = configuration_descriptor,
	.speed = speed,
	.address = address,
	.configuration = configuration,
	.set_configuration = set_configuration,
	.reset = reset,
	.claim = claim,
	.release = release,
	.set_alternate = set_alternate,
	.transfer_max = transfer_max,
	.submit = libusb_transfer_submit,
	.cancel = libusb_transfer_cancel,
	.clear_halt = clear_halt,
	.reset_endpoint = reset_endpoint,
	.event_fd = event_fd,
	.reap = libusb_transfer_reap,
	.owes_look = libusb_transfer_owes_look,
};
