/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queues of a virtual device: from a transfer's submission into the queue of its endpoint to
 * the list of finished ones, whose eventfd reap empties. Any thread.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "virtual_device.h"

/* [lock] */
static void
signal_event(struct usb_device *device)
{
	const uint64_t one = 1;
	ssize_t done;

	device->signalled = true;
	do
		done = write(device->event, &one, sizeof(one));
	while (done < 0 && errno == EINTR);
	assert(done >= 0 || errno == EAGAIN); /* it is readable as it is */
}

static void
unlink_entry(struct endpoint *endpoint, struct entry *entry)
{
	struct entry **link = &endpoint->head;

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	if (endpoint->tail == &entry->next)
		endpoint->tail = link;
}

void
virtual_finish_locked(struct usb_device *device, struct endpoint *endpoint, struct entry *entry,
		      IOReturn status)
{
	struct usb_transfer *transfer = entry->transfer;

	unlink_entry(endpoint, entry);
	transfer->status = status;
	transfer->backend = NULL;
	transfer->next = NULL;
	if (device->done == NULL && !device->helping)
		signal_event(device);
	*device->done_tail = transfer;
	device->done_tail = &transfer->next;
	entry->next = device->free;
	device->free = entry;
}

void
virtual_go_locked(struct usb_device *device)
{
	device->gone = true;
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++) {
		while (device->endpoints[i].head != NULL)
			virtual_finish_locked(device, &device->endpoints[i],
					      device->endpoints[i].head, kIOReturnNoDevice);
	}
	signal_event(device);
}

struct endpoint *
virtual_endpoint(struct usb_device *device, uint8_t address)
{
	if (address == 0)
		return &device->endpoints[ENDPOINT_CONTROL];
	if (address == DEXT_VIRTUAL_ENDPOINT_OUT && device->line.ops->out != NULL)
		return &device->endpoints[ENDPOINT_OUT];
	if (address == DEXT_VIRTUAL_ENDPOINT_IN && device->line.ops->in != NULL)
		return &device->endpoints[ENDPOINT_IN];
	return NULL;
}

void
virtual_poke_locked(struct usb_device *device)
{
	device->poked = true;
	pthread_cond_signal(&device->work);
}

static struct entry *
take_entry_locked(struct usb_device *device)
{
	struct entry *entry = device->free;

	if (entry == NULL)
		return malloc(sizeof(*entry));
	device->free = entry->next;
	return entry;
}

/*
 * A helper will do it: then the thread has only to come in time if that does not. It is asked to
 * now and then, and not for each transfer: while it is helped it wakes by itself.
 */
static void
announce_locked(struct usb_device *device, const struct entry *entry)
{
	uint64_t needed;

	if (!entry->transfer->helped || device->helpless || device->line.spec.latency != 0) {
		device->help_until = 0;
		virtual_poke_locked(device);
		return;
	}
	if (device->help_until == 0)
		device->help_until = clock_now() + device->patience;
	needed = device->help_until + device->patience;
	if (entry->deadline < needed)
		needed = entry->deadline;
	if (device->wakes_at == 0 || device->wakes_at > needed)
		virtual_poke_locked(device);
}

static IOReturn
append_locked(struct usb_device *device, struct endpoint *endpoint, struct usb_transfer *transfer)
{
	uint64_t latency = device->line.spec.latency;
	struct entry *entry;

	if (device->gone)
		return kIOReturnNoDevice;
	if (transfer->endpoint != 0 && !device->claimed)
		return kIOReturnNotOpen;
	entry = take_entry_locked(device);
	if (entry == NULL)
		return kIOReturnNoMemory;
	*entry = (struct entry){
		.transfer = transfer,
		.due = latency != 0 ? clock_now() + latency : 0,
		.deadline = UINT64_MAX,
	};
	if (transfer->timeout != 0)
		entry->deadline = clock_now() + transfer->timeout * NSEC_PER_MSEC;
	if (entry->deadline < device->next_deadline)
		device->next_deadline = entry->deadline;
	transfer->backend = entry;
	transfer->actual = 0;
	*endpoint->tail = entry;
	endpoint->tail = &entry->next;
	announce_locked(device, entry);
	return kIOReturnSuccess;
}

IOReturn
virtual_submit(struct usb_device *device, struct usb_transfer *transfer)
{
	struct endpoint *endpoint = virtual_endpoint(device, transfer->endpoint);
	IOReturn res;

	if (endpoint == NULL)
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	res = append_locked(device, endpoint, transfer);
	pthread_mutex_unlock(&device->lock);
	return res;
}

void
virtual_cancel(struct usb_device *device, struct usb_transfer *transfer)
{
	struct endpoint *endpoint = virtual_endpoint(device, transfer->endpoint);
	struct entry *entry;

	pthread_mutex_lock(&device->lock);
	entry = transfer->backend; /* NULL once it is on the list of finished ones */
	if (entry != NULL && entry == endpoint->busy)
		entry->cancelled = true;
	else if (entry != NULL)
		virtual_finish_locked(device, endpoint, entry, kIOReturnAborted);
	pthread_mutex_unlock(&device->lock);
}

/* Cuts off what does not end with the first. */
static struct usb_transfer *
cut_chain(struct usb_transfer *first, uint64_t now)
{
	struct usb_transfer *last = first, *next;

	first->timestamp = now;
	while ((next = last->next) != NULL && next->endpoint == first->endpoint &&
	       first->endpoint != 0) {
		next->timestamp = now;
		last = next;
	}
	last->next = NULL;
	return next;
}

bool
virtual_reap(struct usb_device *device)
{
	struct usb_transfer *transfer, *next;
	uint64_t count, now = clock_now();
	bool gone;

	pthread_mutex_lock(&device->lock);
	/* Under the lock, as the signals are: what is added after that signals again. */
	while (device->signalled && read(device->event, &count, sizeof(count)) < 0) {
		assert(errno == EAGAIN || errno == EINTR);
		if (errno == EAGAIN)
			break;
	}
	device->signalled = false;
	transfer = device->done;
	device->done = NULL;
	device->done_tail = &device->done;
	gone = device->gone;
	pthread_mutex_unlock(&device->lock);
	for (; transfer != NULL; transfer = next) {
		next = cut_chain(transfer, now);
		transfer->done(transfer);
	}
	return !gone;
}
