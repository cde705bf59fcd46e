/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfers through libusb. Their buffers are the memory of the caller; only a control request's
 * data are copied, behind its setup packet as usbfs wants it. Bulk transfers up to transfer_max,
 * which the pipe keeps, go to the kernel whole: its host controllers take scatter lists; where one
 * does not, libusb cuts them.
 *
 * Only reap handles libusb's events. libusb's callback just puts the transfer into a list, and
 * `done` is called after libusb has returned, so that no lock of libusb is held then.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "clock.h"
#include "copied.h"
#include "libusb_device.h"
#include "log.h"

/* A round that has ended fewer has taken all there was. */
#define ROUND_SURE 16u
/* Rounds that follow each other faster are a stream's. */
#define STREAM_NSEC (10 * NSEC_PER_MSEC)

_Static_assert(LIBUSB_CONTROL_SETUP_SIZE == 8, "struct usb_transfer has room for 8");

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

/*
 * Nobody but the kernel ends a transfer that was not cancelled, and it does so when it takes the
 * device away from this process.
 */
static IOReturn
status_of(const struct libusb_transfer *transfer, const struct usb_transfer *record)
{
	if (transfer->status == LIBUSB_TRANSFER_CANCELLED &&
	    !atomic_load_explicit(&record->cancelled, memory_order_relaxed))
		return kIOReturnNoDevice;
	return libusb_status_of_transfer(transfer->status);
}

/* libusb is done with it; from reap, inside libusb. */
static void
finished(struct libusb_transfer *transfer)
{
	struct usb_transfer *record = transfer->user_data;
	struct usb_device *device = record->owner;

	record->status = status_of(transfer, record);
	record->actual = (uint32_t)transfer->actual_length;
	if (record->packet_count > 0)
		take_results(transfer, record);
	if (transfer->type == LIBUSB_TRANSFER_TYPE_CONTROL) {
		if (is_in(record) && record->actual > 0)
			payload_copy(record->data, libusb_control_transfer_get_data(transfer),
				     record->actual);
		free(transfer->buffer);
	}
	atomic_fetch_sub_explicit(&device->in_flight, 1, memory_order_relaxed);
	device->done_count++;
	device->more |= record->packet_count > 0 || record->status != kIOReturnSuccess;
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

IOReturn
libusb_transfer_submit(struct usb_device *device, struct usb_transfer *record)
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
	atomic_store_explicit(&record->cancelled, false, memory_order_relaxed);
	error = libusb_submit_transfer(transfer);
	if (error == 0) {
		atomic_fetch_add_explicit(&device->in_flight, 1, memory_order_relaxed);
		return kIOReturnSuccess;
	}
	log_debug("submit: %s", libusb_error_name(error));
	if (record->endpoint == 0)
		free(transfer->buffer);
	give_back(device, transfer);
	record->backend = NULL;
	return libusb_status_of_submit(error);
}

void
libusb_transfer_cancel(struct usb_device *device, struct usb_transfer *record)
{
	(void)device;
	/* Before libusb's lock of the transfer, behind which `finished` comes: so that sees it. */
	atomic_store_explicit(&record->cancelled, true, memory_order_relaxed);
	/* NOT_FOUND: it is over, and `done` is on its way. */
	libusb_cancel_transfer(record->backend);
}

/*
 * Events are edges, so what a round leaves would not be told of again. It may leave transfers,
 * since it takes at most 26 of usbfs. And it may leave the device's end: usbfs wakes whoever waits
 * just before libusb can see that the device has gone, not after. Transfers in flight are ended
 * before that, with an error. So whenever a round may have left something the descriptors are
 * asked. That is a system call, which a stream's usual rounds do without: those that leave some in
 * flight, and those that have ended all but may soon be followed by more. usbfs takes none once the
 * device's end has begun, so one that it takes later says that there has been no such end before.
 */
static bool
is_all_handled(struct usb_device *device)
{
	struct epoll_event event;

	if (!device->cuts && !device->more && device->done_count < ROUND_SURE) {
		if (atomic_load_explicit(&device->in_flight, memory_order_relaxed) > 0)
			return true;
		device->owes = device->done_count > 0 && clock_now() - device->last < STREAM_NSEC;
		if (device->owes)
			return true;
	}
	if (epoll_wait(device->events, &event, 1, 0) <= 0)
		return true;
	if (device->done_count > 0 || event.data.fd != device->fd)
		return false;
	/* It is being pulled out, which may take its time: other work comes first. */
	libusb_device_look_again(device);
	return true;
}

static void
handle_events(struct usb_device *device)
{
	struct timeval now = {0};
	int error;

	do {
		device->done_count = 0;
		device->more = false;
		error = libusb_handle_events_timeout(device->context, &now);
		if (error != 0 && error != LIBUSB_ERROR_INTERRUPTED)
			log_error("libusb: handling events: %s", libusb_error_name(error));
	} while (!device->gone &&
		 (error == LIBUSB_ERROR_INTERRUPTED || (error == 0 && !is_all_handled(device))));
}

bool
libusb_transfer_reap(struct usb_device *device)
{
	struct usb_transfer *record, *next;
	uint64_t timestamp;

	device->owes = false;
	handle_events(device);
	timestamp = clock_now();
	if (device->done != NULL)
		device->last = timestamp;
	record = device->done;
	device->done = NULL;
	device->done_tail = &device->done;
	for (; record != NULL; record = next) {
		struct libusb_transfer *transfer = record->backend;

		next = record->next;
		record->timestamp = timestamp;
		record->next = NULL;
		record->done(record);
		/* Not before: until then it may be cancelled. */
		give_back(device, transfer);
	}
	return !device->gone;
}

bool
libusb_transfer_owes_look(struct usb_device *device)
{
	return device->owes;
}

void
libusb_transfer_free_unused(struct usb_device *device)
{
	for (unsigned i = 0; i < device->unused_count; i++)
		libusb_free_transfer(device->unused[i]);
	free(device->unused);
}
