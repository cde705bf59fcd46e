/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libusb with one device behind it: what is sent to it comes back, what nobody sent is waited for,
 * each request is answered with zeros. Only the calls that would go to the kernel are here.
 */
#include "drivers/worker/worker.h"

#include <dlfcn.h>
#include <errno.h>
#include <libusb.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

struct waiting {
	struct libusb_transfer *transfer;
	enum libusb_transfer_status status;
	int length;
	STAILQ_ENTRY(waiting) link;
};

STAILQ_HEAD(list, waiting);

static struct {
	pthread_mutex_t lock;
	struct list pending, done;
	unsigned char stored[4096];
	int stored_length;
	int event;
	int file; /* of the device; who waits for it waits for `end` */
	int end;  /* can be written to once the device is about to go */
	enum { STAYS, GOES, IS_GOING, HAS_GONE } state;
	libusb_pollfd_removed_cb removed;
	void *context;
} device = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.pending = STAILQ_HEAD_INITIALIZER(device.pending),
	.done = STAILQ_HEAD_INITIALIZER(device.done),
	.event = -1,
	.file = -1,
	.end = -1,
};

static char something; /* what the opaque pointers point to */

SHOWN int
libusb_set_option(libusb_context *context, enum libusb_option option, ...)
{
	return 0;
}

SHOWN int
libusb_init(libusb_context **context)
{
	device.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (device.event < 0)
		return LIBUSB_ERROR_NO_MEM;
	*context = (libusb_context *)&something;
	return 0;
}

SHOWN void
libusb_exit(libusb_context *context)
{
	close(device.event);
	device.event = -1;
	device.removed = NULL;
}

SHOWN int
libusb_wrap_sys_device(libusb_context *context, intptr_t fd, libusb_device_handle **handle)
{
	device.end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (device.end < 0 || eventfd_write(device.end, UINT64_MAX - 1) < 0)
		return LIBUSB_ERROR_NO_MEM;
	device.file = (int)fd;
	device.state = STAYS;
	*handle = (libusb_device_handle *)&something;
	return 0;
}

SHOWN void
libusb_close(libusb_device_handle *handle)
{
	close(device.end);
	device.file = device.end = -1;
}

SHOWN libusb_device *
libusb_get_device(libusb_device_handle *handle)
{
	return (libusb_device *)&something;
}

SHOWN int
libusb_get_device_speed(libusb_device *of)
{
	return LIBUSB_SPEED_HIGH;
}

SHOWN uint8_t
libusb_get_device_address(libusb_device *of)
{
	return 2;
}

SHOWN int
libusb_get_configuration(libusb_device_handle *handle, int *value)
{
	*value = 1;
	return 0;
}

SHOWN int
libusb_set_configuration(libusb_device_handle *handle, int value)
{
	return 0;
}

SHOWN int
libusb_claim_interface(libusb_device_handle *handle, int number)
{
	return 0;
}

SHOWN int
libusb_release_interface(libusb_device_handle *handle, int number)
{
	return 0;
}

SHOWN int
libusb_set_interface_alt_setting(libusb_device_handle *handle, int number, int alternate)
{
	return 0;
}

/* Between transfers, as when the device is pulled out. */
SHOWN int
libusb_clear_halt(libusb_device_handle *handle, unsigned char endpoint)
{
	eventfd_t count;

	if (device.state == GOES && eventfd_read(device.end, &count) == 0)
		device.state = IS_GOING;
	return 0;
}

/* --- events --- */

/* Of usbfs a file can be waited for; of what stands in for it none can. */
SHOWN int
epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	static __typeof__(&epoll_ctl) next;

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "epoll_ctl");
	return next(epoll, operation, fd >= 0 && fd == device.file ? device.end : fd, event);
}

SHOWN const struct libusb_pollfd **
libusb_get_pollfds(libusb_context *context)
{
	struct {
		const struct libusb_pollfd *list[3];
		struct libusb_pollfd own, file;
	} *made = calloc(1, sizeof(*made));

	if (made == NULL)
		return NULL;
	made->own = (struct libusb_pollfd){device.event, POLLIN};
	made->file = (struct libusb_pollfd){device.file, POLLOUT};
	made->list[0] = &made->own;
	made->list[1] = &made->file;
	return made->list;
}

SHOWN void
libusb_free_pollfds(const struct libusb_pollfd **list)
{
	free(list);
}

SHOWN int
libusb_pollfds_handle_timeouts(libusb_context *context)
{
	return 1;
}

SHOWN void
libusb_set_pollfd_notifiers(libusb_context *context, libusb_pollfd_added_cb added,
			    libusb_pollfd_removed_cb removed, void *data)
{
	device.removed = removed;
	device.context = data;
}

static void
finish_locked(struct waiting *waiting, enum libusb_transfer_status status, int length)
{
	waiting->status = status;
	waiting->length = length;
	STAILQ_INSERT_TAIL(&device.done, waiting, link);
	eventfd_write(device.event, 1);
}

/* True: it is over. */
static bool
carry_out_locked(struct waiting *waiting)
{
	struct libusb_transfer *transfer = waiting->transfer;
	bool in = (transfer->endpoint & LIBUSB_ENDPOINT_IN) != 0;
	int length = transfer->length;

	if (transfer->type == LIBUSB_TRANSFER_TYPE_CONTROL) {
		length -= LIBUSB_CONTROL_SETUP_SIZE;
		if (transfer->buffer[0] == LIBUSB_REQUEST_TYPE_VENDOR) {
			device.stored_length = 0;
			/* Once: who has failed to see the end asks for it again. */
			if (transfer->buffer[1] == WORKER_REQUEST_PULL && device.state == STAYS)
				device.state = GOES;
		}
		if ((transfer->buffer[0] & LIBUSB_ENDPOINT_IN) != 0) {
			memset(transfer->buffer + LIBUSB_CONTROL_SETUP_SIZE, 0, (size_t)length);
			/* Of a descriptor: its length and type. */
			if (transfer->buffer[1] == LIBUSB_REQUEST_GET_DESCRIPTOR && length >= 2) {
				transfer->buffer[8] = length < 18 ? (unsigned char)length : 18;
				transfer->buffer[9] = transfer->buffer[3];
				if (transfer->buffer[3] == LIBUSB_DT_BOS && length >= 5)
					transfer->buffer[8] = transfer->buffer[10] = 5;
			}
		}
	} else if (transfer->num_iso_packets > 0) {
		for (int i = 0; i < transfer->num_iso_packets; i++)
			transfer->iso_packet_desc[i].actual_length =
				transfer->iso_packet_desc[i].length;
	} else if (!in) {
		if (length > (int)sizeof(device.stored))
			length = sizeof(device.stored);
		memcpy(device.stored, transfer->buffer, (size_t)length);
		device.stored_length = length;
		length = transfer->length;
	} else if (device.stored_length == 0) {
		return false;
	} else {
		if (length > device.stored_length)
			length = device.stored_length;
		memcpy(transfer->buffer, device.stored, (size_t)length);
		device.stored_length = 0;
	}
	finish_locked(waiting, LIBUSB_TRANSFER_COMPLETED, length);
	return true;
}

SHOWN int
libusb_submit_transfer(struct libusb_transfer *transfer)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));

	if (waiting == NULL)
		return LIBUSB_ERROR_NO_MEM;
	waiting->transfer = transfer;
	pthread_mutex_lock(&device.lock);
	if (!carry_out_locked(waiting))
		STAILQ_INSERT_TAIL(&device.pending, waiting, link);
	pthread_mutex_unlock(&device.lock);
	return 0;
}

SHOWN int
libusb_cancel_transfer(struct libusb_transfer *transfer)
{
	struct waiting *waiting;
	int result = LIBUSB_ERROR_NOT_FOUND;

	pthread_mutex_lock(&device.lock);
	STAILQ_FOREACH(waiting, &device.pending, link)
	{
		if (waiting->transfer != transfer)
			continue;
		STAILQ_REMOVE(&device.pending, waiting, waiting, link);
		finish_locked(waiting, LIBUSB_TRANSFER_CANCELLED, 0);
		result = 0;
		break;
	}
	pthread_mutex_unlock(&device.lock);
	return result;
}

SHOWN int
libusb_handle_events_timeout(libusb_context *context, struct timeval *most)
{
	struct list done = STAILQ_HEAD_INITIALIZER(done);
	struct waiting *waiting;
	eventfd_t count;

	pthread_mutex_lock(&device.lock);
	eventfd_read(device.event, &count);
	STAILQ_CONCAT(&done, &device.done);
	pthread_mutex_unlock(&device.lock);
	while ((waiting = STAILQ_FIRST(&done)) != NULL) {
		struct libusb_transfer *transfer = waiting->transfer;

		STAILQ_REMOVE_HEAD(&done, link);
		transfer->status = waiting->status;
		transfer->actual_length = waiting->length;
		free(waiting);
		transfer->callback(transfer);
	}
	/* The first look is in vain: whoever waits is woken before the end can be seen. */
	if (device.state == HAS_GONE && device.removed != NULL)
		device.removed(device.file, device.context);
	if (device.state == IS_GOING)
		device.state = HAS_GONE;
	return 0;
}
