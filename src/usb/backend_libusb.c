/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The libusb backend: a real device, from a usbfs file that somebody else opened. Nothing is looked
 * for: device discovery is off, and the process needs no access to /dev or /sys.
 *
 * Each device has a libusb context of its own. The transfers' buffers are the memory of the caller;
 * only a control request's data are copied, behind its setup packet as usbfs wants it. Bulk
 * transfers up to transfer_max, which the pipe keeps, go to the kernel whole: its host controllers
 * take scatter lists; where one does not, libusb cuts them.
 *
 * All of libusb's descriptors are in one epoll set, which is the event descriptor; its timeouts are
 * a timerfd among them. Only reap handles events, and the functions used here besides that do not:
 * claim, alternate setting and halt are plain ioctls. libusb's callback just puts the transfer into
 * a list, and `done` is called after libusb has returned, so that no lock of libusb is held then.
 *
 * The device has gone when libusb takes its descriptor out of the set.
 */
#include <assert.h>
#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <libusb.h>

#include "backend.h"
#include "backend_libusb.h"
#include "clock.h"
#include "copied.h"
#include "log.h"
#include "packet.h"
#include "status.h"

#include <USBDriverKit/AppleUSBDefinitions.h>

#define USBFS_MEMORY_MB 16u		    /* the kernel's default */
#define TRANSFER_MAX_MB 1024u		    /* libusb counts bytes in an int */
#define DESCRIPTORS_MAX (UINT32_C(1) << 24) /* 255 configurations of 64 KiB */

_Static_assert(LIBUSB_CONTROL_SETUP_SIZE == 8, "struct usb_transfer has room for 8");

struct usb_device {
	libusb_context *context;	  /* [const] */
	libusb_device_handle *handle;	  /* [const] */
	int fd;				  /* [const] usbfs */
	int events;			  /* [const] epoll */
	IOUSBDeviceDescriptor descriptor; /* [const] */
	/* [const] As usbfs gives them: one configuration after the other, as the device sent it. */
	uint8_t *configurations;
	size_t configurations_length; /* [const] */
	uint8_t speed;		      /* [const] */

	pthread_mutex_t lock;
	struct libusb_transfer **unused; /* [lock] a stack, so that a stream allocates nothing */
	unsigned unused_count, unused_room;

	struct usb_transfer *done, **done_tail; /* [reap] */
	bool gone;				/* [reap] */
};

/* --- statuses --- */

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

static IOReturn
result(int error, const char *what)
{
	if (error != 0)
		log_debug("%s: %s", what, libusb_error_name(error));
	return libusb_status_of_error(error);
}

/* --- descriptors of libusb --- */

static void
watch(int fd, short events, void *context)
{
	struct usb_device *device = context;
	struct epoll_event event = {.data.fd = fd};

	event.events = (events & POLLIN ? EPOLLIN : 0u) | (events & POLLOUT ? EPOLLOUT : 0u);
	if (epoll_ctl(device->events, EPOLL_CTL_ADD, fd, &event) < 0)
		status_from_errno(errno, "epoll_ctl of a libusb descriptor");
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

	if (list == NULL || !libusb_pollfds_handle_timeouts(device->context)) {
		libusb_free_pollfds(list);
		log_error("libusb: this build cannot be polled");
		return kIOReturnUnsupported;
	}
	for (unsigned i = 0; list[i] != NULL; i++)
		watch(list[i]->fd, list[i]->events, device);
	libusb_free_pollfds(list);
	libusb_set_pollfd_notifiers(device->context, watch, unwatch, device);
	return kIOReturnSuccess;
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

static IOReturn
wrap(struct usb_device *device)
{
	int error;

	/* Of no context yet: it holds for those made from now on. All of them are made here. */
	error = libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);
	if (error == 0)
		error = libusb_init(&device->context);
	if (error != 0)
		return result(error, "libusb_init");
	error = libusb_wrap_sys_device(device->context, device->fd, &device->handle);
	if (error != 0) {
		log_error("libusb: the descriptor is no usbfs device: %s",
			  libusb_error_name(error));
		return libusb_status_of_error(error);
	}
	device->speed = libusb_speed_of(libusb_get_device_speed(libusb_get_device(device->handle)));
	return read_descriptors(device);
}

static void
destroy(struct usb_device *device)
{
	if (device->context != NULL)
		libusb_set_pollfd_notifiers(device->context, NULL, NULL, NULL);
	for (unsigned i = 0; i < device->unused_count; i++)
		libusb_free_transfer(device->unused[i]);
	free(device->unused);
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

	return result(libusb_get_configuration(device->handle, &value), "get configuration") ==
			       kIOReturnSuccess
		       ? (uint8_t)value
		       : 0;
}

static IOReturn
set_configuration(struct usb_device *device, uint8_t value)
{
	return result(libusb_set_configuration(device->handle, value != 0 ? value : -1),
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
	return result(libusb_claim_interface(device->handle, interface), "claim");
}

static IOReturn
release(struct usb_device *device, uint8_t interface)
{
	return result(libusb_release_interface(device->handle, interface), "release");
}

static IOReturn
set_alternate(struct usb_device *device, uint8_t interface, uint8_t alternate)
{
	return result(libusb_set_interface_alt_setting(device->handle, interface, alternate),
		      "set alternate setting");
}

static IOReturn
clear_halt(struct usb_device *device, uint8_t endpoint)
{
	return result(libusb_clear_halt(device->handle, endpoint), "clear halt");
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

/* --- transfers --- */

static struct libusb_transfer *
take(struct usb_device *device, uint32_t packets)
{
	struct libusb_transfer *transfer = NULL;

	if (packets > 0)
		return libusb_alloc_transfer((int)packets);
	pthread_mutex_lock(&device->lock);
	if (device->unused_count > 0)
		transfer = device->unused[--device->unused_count];
	pthread_mutex_unlock(&device->lock);
	return transfer != NULL ? transfer : libusb_alloc_transfer(0);
}

static void
give_back(struct usb_device *device, struct libusb_transfer *transfer)
{
	if (transfer->num_iso_packets > 0) {
		libusb_free_transfer(transfer); /* of a size of its own */
		return;
	}
	pthread_mutex_lock(&device->lock);
	if (device->unused_count == device->unused_room) {
		unsigned room = device->unused_room > 0 ? device->unused_room * 2 : 64;
		struct libusb_transfer **larger =
			reallocarray(device->unused, room, sizeof(*larger));

		if (larger != NULL) {
			device->unused = larger;
			device->unused_room = room;
		}
	}
	if (device->unused_count < device->unused_room) {
		device->unused[device->unused_count++] = transfer;
		transfer = NULL;
	}
	pthread_mutex_unlock(&device->lock);
	libusb_free_transfer(transfer);
}

static bool
is_in(const struct usb_transfer *transfer)
{
	return (transfer->setup[0] & LIBUSB_ENDPOINT_IN) != 0;
}

static void finished(struct libusb_transfer *transfer);

static void
take_results(const struct libusb_transfer *transfer, struct usb_transfer *record)
{
	record->actual = 0;
	for (uint32_t i = 0; i < record->packet_count; i++) {
		const struct libusb_iso_packet_descriptor *packet = &transfer->iso_packet_desc[i];

		record->packets[i].actual = packet->actual_length;
		record->packets[i].status = libusb_status_of_transfer(packet->status);
		record->actual += packet->actual_length;
	}
}

static void
fill_isochronous(struct usb_device *device, struct libusb_transfer *transfer,
		 struct usb_transfer *record)
{
	libusb_fill_iso_transfer(transfer, device->handle, record->endpoint, record->data,
				 (int)record->length, (int)record->packet_count, finished, record,
				 record->timeout);
	for (uint32_t i = 0; i < record->packet_count; i++)
		transfer->iso_packet_desc[i].length = record->packets[i].length;
}

/* libusb is done with it; from reap, inside libusb. */
static void
finished(struct libusb_transfer *transfer)
{
	struct usb_transfer *record = transfer->user_data;
	struct usb_device *device = record->owner;

	record->status = libusb_status_of_transfer(transfer->status);
	record->actual = (uint32_t)transfer->actual_length;
	if (record->packet_count > 0)
		take_results(transfer, record);
	if (transfer->type == LIBUSB_TRANSFER_TYPE_CONTROL) {
		if (is_in(record) && record->actual > 0)
			payload_copy(record->data, libusb_control_transfer_get_data(transfer),
				     record->actual);
		free(transfer->buffer);
	}
	record->next = NULL;
	*device->done_tail = record;
	device->done_tail = &record->next;
}

static IOReturn
fill_control(struct usb_device *device, struct libusb_transfer *transfer,
	     struct usb_transfer *record)
{
	unsigned char *buffer = malloc(LIBUSB_CONTROL_SETUP_SIZE + record->length);

	if (buffer == NULL)
		return kIOReturnNoMemory;
	memcpy(buffer, record->setup, LIBUSB_CONTROL_SETUP_SIZE);
	if (!is_in(record) && record->length > 0)
		payload_copy(buffer + LIBUSB_CONTROL_SETUP_SIZE, record->data, record->length);
	libusb_fill_control_transfer(transfer, device->handle, buffer, finished, record,
				     record->timeout);
	return kIOReturnSuccess;
}

static IOReturn
submit(struct usb_device *device, struct usb_transfer *record)
{
	struct libusb_transfer *transfer;
	IOReturn res;
	int error;

	if (record->length > INT32_MAX)
		return kIOReturnBadArgument;
	transfer = take(device, record->packet_count);
	if (transfer == NULL)
		return kIOReturnNoMemory;
	transfer->flags = 0;
	if (record->endpoint == 0) {
		res = fill_control(device, transfer, record);
		if (res != kIOReturnSuccess) {
			give_back(device, transfer);
			return res;
		}
	} else if (record->packet_count > 0) {
		fill_isochronous(device, transfer, record);
	} else {
		libusb_fill_bulk_transfer(transfer, device->handle, record->endpoint, record->data,
					  (int)record->length, finished, record, record->timeout);
		if (record->flags & USB_TRANSFER_ZLP)
			transfer->flags = LIBUSB_TRANSFER_ADD_ZERO_PACKET;
	}
	/* Before the submission: it may be finished when that returns. */
	record->owner = device;
	record->backend = transfer;
	error = libusb_submit_transfer(transfer);
	if (error == 0)
		return kIOReturnSuccess;
	log_debug("submit: %s", libusb_error_name(error));
	if (record->endpoint == 0)
		free(transfer->buffer);
	give_back(device, transfer);
	record->backend = NULL;
	return libusb_status_of_submit(error);
}

static void
cancel(struct usb_device *device, struct usb_transfer *record)
{
	(void)device;
	/* NOT_FOUND: it is over, and `done` is on its way. */
	libusb_cancel_transfer(record->backend);
}

static int
event_fd(struct usb_device *device)
{
	return device->events;
}

static bool
reap(struct usb_device *device)
{
	struct timeval now = {0};
	struct usb_transfer *record, *next;
	uint64_t timestamp;
	int error = libusb_handle_events_timeout(device->context, &now);

	if (error != 0 && error != LIBUSB_ERROR_INTERRUPTED)
		log_error("libusb: handling events: %s", libusb_error_name(error));
	timestamp = clock_now();
	record = device->done;
	device->done = NULL;
	device->done_tail = &device->done;
	for (; record != NULL; record = next) {
		next = record->next;
		give_back(device, record->backend);
		record->timestamp = timestamp;
		record->done(record);
	}
	return !device->gone;
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
	.submit = submit,
	.cancel = cancel,
	.clear_halt = clear_halt,
	.reset_endpoint = reset_endpoint,
	.event_fd = event_fd,
	.reap = reap,
};
