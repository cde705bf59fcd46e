/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual backend: device models in this process, one thread for each device, which plays the
 * host controller. It serves the head of each endpoint's queue in turn, moving packets by
 * vdev_line; finished transfers go to a list whose eventfd reap empties.
 *
 * Locks: device->lock guards queues, lists and flags, and is not held while bytes are moved: the
 * transfer that is being moved is `busy`, and nobody but the thread touches it or takes it out. No
 * call leaves this file with the lock held.
 *
 * Not modelled: the bus's rate, and packets' timing but for the option `latency`.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backend.h"
#include "clock.h"
#include "log.h"
#include "packet.h"
#include "status.h"
#include "vdev_line.h"

#define STEP_MAX                                                                        \
	(1u << 20) /* bytes moved before the other endpoint has its turn; whole packets \
		    */

#define VIRTUAL_ADDRESS 1

enum { ENDPOINT_OUT, ENDPOINT_IN, ENDPOINT_CONTROL, ENDPOINT_COUNT };

struct entry {
	struct usb_transfer *transfer;
	uint64_t due;	       /* ns: not finished before */
	uint64_t deadline;     /* ns; UINT64_MAX: none */
	struct vdev_plan plan; /* [thread] */
	bool cancelled;	       /* [lock] while busy */
	struct entry *next;
};

struct endpoint {
	struct entry *head, **tail; /* [lock] */
	struct entry *busy;	    /* [lock] the head, while the thread moves it */
	bool halted;		    /* [lock] */
};

struct usb_device {
	struct vdev_line line; /* [thread] but for what is const there */
	pthread_t thread;
	int event; /* readable while `done` is not empty, and once it has gone */

	pthread_mutex_t lock;
	pthread_cond_t work;
	struct endpoint endpoints[ENDPOINT_COUNT];
	struct entry *free;			/* [lock] */
	struct usb_transfer *done, **done_tail; /* [lock] */
	uint64_t next_deadline;			/* [lock] no deadline is sooner; may be too soon */
	uint8_t alternate;			/* [lock] */
	uint8_t configuration;			/* [lock] 0: none */
	bool claimed;				/* [lock] */
	bool gone;				/* [lock] set by the thread */
	bool unplugged;				/* [lock] the thread is to let it go */
	bool stopping;				/* [lock] */
	bool poked; /* [lock] something came while the thread did not hold the lock */
};

/* --- lists, all with the lock held --- */

static void
signal_event(struct usb_device *device)
{
	const uint64_t one = 1;

	if (write(device->event, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN); /* it is readable as it is */
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

/* The transfer is over: to the list of finished ones, and the entry to the free ones. */
static void
finish_locked(struct usb_device *device, struct endpoint *endpoint, struct entry *entry,
	      IOReturn status)
{
	struct usb_transfer *transfer = entry->transfer;

	unlink_entry(endpoint, entry);
	transfer->status = status;
	transfer->backend = NULL;
	transfer->next = NULL;
	if (device->done == NULL)
		signal_event(device);
	*device->done_tail = transfer;
	device->done_tail = &transfer->next;
	entry->next = device->free;
	device->free = entry;
}

static void
go_locked(struct usb_device *device)
{
	device->gone = true;
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++) {
		while (device->endpoints[i].head != NULL)
			finish_locked(device, &device->endpoints[i], device->endpoints[i].head,
				      kIOReturnNoDevice);
	}
	signal_event(device);
}

/* NULL: the device has no such endpoint. */
static struct endpoint *
find(struct usb_device *device, uint8_t address)
{
	if (address == 0)
		return &device->endpoints[ENDPOINT_CONTROL];
	if (address == DEXT_VIRTUAL_ENDPOINT_OUT && device->line.ops->out != NULL)
		return &device->endpoints[ENDPOINT_OUT];
	if (address == DEXT_VIRTUAL_ENDPOINT_IN && device->line.ops->in != NULL)
		return &device->endpoints[ENDPOINT_IN];
	return NULL;
}

/* --- the thread: queues --- */

/* Gives the head of an endpoint one turn. True if something has changed. */
static bool
serve_locked(struct usb_device *device, unsigned which, uint64_t now, uint64_t *wake)
{
	struct endpoint *endpoint = &device->endpoints[which];
	struct entry *entry = endpoint->head;
	struct vdev_outcome outcome;
	uint8_t alternate = device->alternate;
	bool is_tail;

	if (entry == NULL)
		return false;
	if (entry->due > now) {
		if (entry->due < *wake)
			*wake = entry->due;
		return false;
	}
	if (endpoint->halted) {
		finish_locked(device, endpoint, entry, kUSBHostReturnPipeStalled);
		return true;
	}
	is_tail = entry->next == NULL;
	endpoint->busy = entry;
	pthread_mutex_unlock(&device->lock);
	if (which == ENDPOINT_CONTROL)
		vdev_line_control(&device->line, entry->transfer, alternate, &outcome);
	else if (entry->transfer->packet_count > 0)
		vdev_line_isochronous(&device->line, entry->transfer, &outcome);
	else
		vdev_line_bulk(&device->line, entry->transfer, &entry->plan, is_tail, &outcome);
	pthread_mutex_lock(&device->lock);
	endpoint->busy = NULL;
	endpoint->halted |= outcome.halts;
	if (outcome.clears != 0)
		find(device, outcome.clears)->halted = false;
	if (outcome.over)
		finish_locked(device, endpoint, entry, outcome.status);
	else if (entry->cancelled)
		finish_locked(device, endpoint, entry, kIOReturnAborted);
	if (outcome.gone)
		go_locked(device);
	return outcome.over || outcome.progress || outcome.gone;
}

/* Ends what has waited too long, and finds the next deadline. */
static void
expire_locked(struct usb_device *device, uint64_t now)
{
	if (now < device->next_deadline)
		return;
	device->next_deadline = UINT64_MAX;
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++) {
		struct entry *entry = device->endpoints[i].head, *next;

		for (; entry != NULL; entry = next) {
			next = entry->next;
			if (entry->deadline <= now)
				finish_locked(device, &device->endpoints[i], entry,
					      kIOReturnTimeout);
			else if (entry->deadline < device->next_deadline)
				device->next_deadline = entry->deadline;
		}
	}
}

static void
sleep_locked(struct usb_device *device, uint64_t wake)
{
	struct timespec until = {
		.tv_sec = (time_t)(wake / NSEC_PER_SEC),
		.tv_nsec = (long)(wake % NSEC_PER_SEC),
	};

	if (wake == UINT64_MAX)
		pthread_cond_wait(&device->work, &device->lock);
	else
		pthread_cond_timedwait(&device->work, &device->lock, &until);
}

static void *
run(void *context)
{
	struct usb_device *device = context;

	pthread_mutex_lock(&device->lock);
	while (!device->stopping) {
		uint64_t wake = UINT64_MAX, now = clock_now();
		bool changed = false;

		device->poked = false;
		if (device->unplugged && !device->gone)
			go_locked(device);
		expire_locked(device, now);
		for (unsigned i = 0; i < ENDPOINT_COUNT; i++)
			changed |= serve_locked(device, i, now, &wake);
		if (changed || device->stopping)
			continue;
		if (device->next_deadline < wake)
			wake = device->next_deadline;
		if (!device->poked)
			sleep_locked(device, wake);
	}
	pthread_mutex_unlock(&device->lock);
	return NULL;
}

/* --- the operations --- */

static void
poke_locked(struct usb_device *device)
{
	device->poked = true;
	pthread_cond_signal(&device->work);
}

static IOReturn
start_thread(struct usb_device *device)
{
	pthread_condattr_t attributes;
	sigset_t all, before;
	int error;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&device->work, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&device->lock, NULL);
	/* Signals are the program's own business. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&device->thread, NULL, run, device);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		return kIOReturnSuccess;
	pthread_cond_destroy(&device->work);
	pthread_mutex_destroy(&device->lock);
	return status_from_errno(error, "pthread_create of a virtual device");
}

/* Everything but the thread. */
static void
destroy(struct usb_device *device)
{
	struct entry *entry;

	while ((entry = device->free) != NULL) {
		device->free = entry->next;
		free(entry);
	}
	vdev_line_close(&device->line);
	fd_close(&device->event);
	free(device);
}

static IOReturn
create(const struct vdev_spec *spec, struct usb_device **ret_device)
{
	struct usb_device *device = calloc(1, sizeof(*device));
	IOReturn res;

	if (device == NULL)
		return kIOReturnNoMemory;
	device->done_tail = &device->done;
	device->configuration = 1;
	device->next_deadline = UINT64_MAX;
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++)
		device->endpoints[i].tail = &device->endpoints[i].head;
	device->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (device->event < 0)
		res = status_from_errno(errno, "eventfd of a virtual device");
	else
		res = vdev_line_open(&device->line, spec);
	if (res == kIOReturnSuccess)
		res = start_thread(device);
	if (res != kIOReturnSuccess) {
		destroy(device);
		return res;
	}
	*ret_device = device;
	return kIOReturnSuccess;
}

static IOReturn
open_device(const char *spec_text, int fd, struct usb_device **ret_device)
{
	struct vdev_spec spec;
	char error[256];
	IOReturn res;

	if (fd >= 0) {
		close(fd);
		log_error("virtual device: was given a descriptor, but needs a spec only");
		return kIOReturnBadArgument;
	}
	if (spec_text == NULL) {
		log_error("virtual device: there is no spec");
		return kIOReturnBadArgument;
	}
	res = vdev_spec_parse(spec_text, &spec, error, sizeof(error));
	if (res != kIOReturnSuccess) {
		log_error("%s", error);
		return res;
	}
	return create(&spec, ret_device);
}

static void
close_device(struct usb_device *device)
{
	pthread_mutex_lock(&device->lock);
	device->stopping = true;
	poke_locked(device);
	pthread_mutex_unlock(&device->lock);
	pthread_join(device->thread, NULL);
	assert(device->done == NULL);
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++)
		assert(device->endpoints[i].head == NULL);
	pthread_cond_destroy(&device->work);
	pthread_mutex_destroy(&device->lock);
	destroy(device);
}

static const uint8_t *
device_descriptor(struct usb_device *device)
{
	return (const uint8_t *)&device->line.descriptors.device;
}

static const uint8_t *
configuration_descriptor(struct usb_device *device, uint8_t index, uint16_t *ret_length)
{
	if (index != 0)
		return NULL;
	*ret_length = device->line.descriptors.configuration_length;
	return device->line.descriptors.configuration;
}

static uint8_t
speed(struct usb_device *device)
{
	return device->line.spec.speed;
}

static uint8_t
address(struct usb_device *device)
{
	(void)device;
	return VIRTUAL_ADDRESS;
}

static uint8_t
configuration(struct usb_device *device)
{
	uint8_t value;

	pthread_mutex_lock(&device->lock);
	value = device->configuration;
	pthread_mutex_unlock(&device->lock);
	return value;
}

/* All that a setting or configuration begins with. */
static void
settle_locked(struct usb_device *device)
{
	device->alternate = 0;
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++)
		device->endpoints[i].halted = false;
}

static IOReturn
set_configuration(struct usb_device *device, uint8_t value)
{
	IOReturn res = kIOReturnSuccess;

	if (value > 1)
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	if (device->gone) {
		res = kIOReturnNoDevice;
	} else if (device->claimed) {
		res = kIOReturnExclusiveAccess;
	} else {
		device->configuration = value;
		settle_locked(device);
	}
	pthread_mutex_unlock(&device->lock);
	return res;
}

/* To the host it is another device afterwards. */
static IOReturn
reset(struct usb_device *device)
{
	IOReturn res = kIOReturnSuccess;

	pthread_mutex_lock(&device->lock);
	if (device->gone)
		res = kIOReturnNoDevice;
	else if (device->claimed)
		res = kIOReturnExclusiveAccess;
	else
		go_locked(device);
	pthread_mutex_unlock(&device->lock);
	return res;
}

static IOReturn
set_claim(struct usb_device *device, uint8_t interface, bool claimed)
{
	IOReturn res = kIOReturnSuccess;

	if (interface != 0)
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	if (claimed && device->gone)
		res = kIOReturnNoDevice;
	else if (claimed && device->claimed)
		res = kIOReturnExclusiveAccess;
	else if (claimed && device->configuration == 0)
		res = kIOReturnNotFound;
	else if (!claimed && !device->claimed)
		res = kIOReturnNotOpen;
	else
		device->claimed = claimed;
	pthread_mutex_unlock(&device->lock);
	return res;
}

static IOReturn
claim(struct usb_device *device, uint8_t interface)
{
	return set_claim(device, interface, true);
}

static IOReturn
release(struct usb_device *device, uint8_t interface)
{
	return set_claim(device, interface, false);
}

static IOReturn
set_alternate(struct usb_device *device, uint8_t interface, uint8_t alternate)
{
	IOReturn res = kIOReturnSuccess;

	if (interface != 0 || alternate > DEXT_VIRTUAL_SETTING_INTERRUPT)
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	if (device->gone) {
		res = kIOReturnNoDevice;
	} else if (!device->claimed) {
		res = kIOReturnNotOpen;
	} else {
		settle_locked(device);
		device->alternate = alternate;
	}
	pthread_mutex_unlock(&device->lock);
	return res;
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

static IOReturn
append_locked(struct usb_device *device, struct endpoint *endpoint, struct usb_transfer *transfer)
{
	uint64_t now = clock_now();
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
		.due = now + device->line.spec.latency,
		.deadline = UINT64_MAX,
	};
	if (transfer->timeout != 0)
		entry->deadline = now + transfer->timeout * NSEC_PER_MSEC;
	if (entry->deadline < device->next_deadline)
		device->next_deadline = entry->deadline;
	transfer->backend = entry;
	transfer->actual = 0;
	*endpoint->tail = entry;
	endpoint->tail = &entry->next;
	poke_locked(device);
	return kIOReturnSuccess;
}

static uint32_t
transfer_max(struct usb_device *device)
{
	(void)device;
	return UINT32_MAX;
}

static IOReturn
submit(struct usb_device *device, struct usb_transfer *transfer)
{
	struct endpoint *endpoint = find(device, transfer->endpoint);
	IOReturn res;

	if (endpoint == NULL)
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	res = append_locked(device, endpoint, transfer);
	pthread_mutex_unlock(&device->lock);
	return res;
}

static void
cancel(struct usb_device *device, struct usb_transfer *transfer)
{
	struct endpoint *endpoint = find(device, transfer->endpoint);
	struct entry *entry;

	pthread_mutex_lock(&device->lock);
	entry = transfer->backend; /* NULL once it is on the list of finished ones */
	if (entry != NULL && entry == endpoint->busy)
		entry->cancelled = true;
	else if (entry != NULL)
		finish_locked(device, endpoint, entry, kIOReturnAborted);
	pthread_mutex_unlock(&device->lock);
}

static IOReturn
clear_halt(struct usb_device *device, uint8_t address)
{
	struct endpoint *endpoint = find(device, address);
	IOReturn res = kIOReturnSuccess;

	if (endpoint == NULL)
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	if (device->gone) {
		res = kIOReturnNoDevice;
	} else {
		endpoint->halted = false;
		poke_locked(device);
	}
	pthread_mutex_unlock(&device->lock);
	return res;
}

/* There is no data toggle: what the device was told is all there is. */
static IOReturn
reset_endpoint(struct usb_device *device, uint8_t address)
{
	IOReturn res;

	if (find(device, address) == NULL)
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	res = device->gone ? kIOReturnNoDevice : kIOReturnSuccess;
	pthread_mutex_unlock(&device->lock);
	return res;
}

/* By the thread: it may be moving a transfer. */
static void
unplug(struct usb_device *device)
{
	pthread_mutex_lock(&device->lock);
	device->unplugged = true;
	poke_locked(device);
	pthread_mutex_unlock(&device->lock);
}

static int
event_fd(struct usb_device *device)
{
	return device->event;
}

static bool
reap(struct usb_device *device)
{
	struct usb_transfer *transfer, *next;
	uint64_t count, now = clock_now();
	bool gone;

	/* Before the list is taken: what is added after that signals again. */
	if (read(device->event, &count, sizeof(count)) < 0)
		assert(errno == EAGAIN);
	pthread_mutex_lock(&device->lock);
	transfer = device->done;
	device->done = NULL;
	device->done_tail = &device->done;
	gone = device->gone;
	pthread_mutex_unlock(&device->lock);
	for (; transfer != NULL; transfer = next) {
		next = transfer->next;
		transfer->timestamp = now;
		transfer->done(transfer);
	}
	return !gone;
}

const struct usb_backend usb_backend_virtual = {
	.name = "virtual",
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
	.unplug = unplug,
};
