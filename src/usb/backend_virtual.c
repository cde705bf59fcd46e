/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual backend: device models in this process, one thread for each device, which plays the
 * host controller and the device. It serves the head of each endpoint's queue in turn, in whole
 * packets, straight from and to the transfer's memory; finished transfers go to a list whose
 * eventfd reap empties. The faults of the spec are done here, so that models know nothing of them.
 *
 * Locks: device->lock guards queues, lists and flags, and is not held while bytes are moved: the
 * transfer that is being moved is `busy`, and nobody but the thread touches it or takes it out. No
 * call leaves this file with the lock held. The model and the counters belong to the thread alone.
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
#include <sys/stat.h>
#include <unistd.h>

#include "backend.h"
#include "clock.h"
#include "log.h"
#include "packet.h"
#include "status.h"
#include "vdev.h"

#define STEP_MAX                                                                        \
	(1u << 20) /* bytes moved before the other endpoint has its turn; whole packets \
		    */

enum fault { FAULT_NONE, FAULT_STALL, FAULT_SHORT };

enum { ENDPOINT_OUT, ENDPOINT_IN, ENDPOINT_CONTROL, ENDPOINT_COUNT };

struct entry {
	struct usb_transfer *transfer;
	uint64_t due;	   /* ns: not finished before */
	uint64_t deadline; /* ns; UINT64_MAX: none */
	uint32_t limit;	   /* bytes after which the fault comes */
	enum fault fault;
	bool started;
	bool corrupt;
	bool cancelled; /* [lock] while busy */
	struct entry *next;
};

struct endpoint {
	struct entry *head, **tail; /* [lock] */
	struct entry *busy;	    /* [lock] the head, while the thread moves it */
	uint64_t started;	    /* [thread] transfers so far, for the -every options */
	bool halted;		    /* [lock] */
};

struct usb_device {
	struct vdev_spec spec;		     /* [const] */
	struct vdev_descriptors descriptors; /* [const] */
	const struct vdev_model *ops;	     /* [const] */
	uint16_t packet;		     /* [const] */
	void *model;			     /* [thread] */
	struct vdev_counters *counters;	     /* [thread] */
	pthread_t thread;
	int event; /* readable while `done` is not empty, and once it has gone */

	pthread_mutex_t lock;
	pthread_cond_t work;
	struct endpoint endpoints[ENDPOINT_COUNT];
	struct entry *free;			/* [lock] */
	struct usb_transfer *done, **done_tail; /* [lock] */
	uint64_t next_deadline;			/* [lock] no deadline is sooner; may be too soon */
	uint64_t moved;				/* [thread] bytes, for nak and unplug-after */
	uint8_t alternate;			/* [lock] */
	bool claimed;				/* [lock] */
	bool gone;				/* [lock] set by the thread */
	bool stopping;				/* [lock] */
	bool poked; /* [lock] something came while the thread did not hold the lock */
};

static const struct vdev_model *const models[] = {
	[VDEV_SINK] = &vdev_sink,
	[VDEV_SOURCE] = &vdev_source,
	[VDEV_LOOPBACK] = &vdev_loopback,
};

/* -- lists, all with the lock held ------------------------------------------------------------ */

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

/* -- the thread: moving packets --------------------------------------------------------------- */

static bool
is_nth(uint64_t number, uint64_t every)
{
	return every != 0 && number % every == 0;
}

/* Decides at its first packet what will happen to a transfer. */
static void
plan(struct usb_device *device, struct endpoint *endpoint, struct entry *entry)
{
	struct usb_transfer *transfer = entry->transfer;
	uint64_t number = ++endpoint->started;
	uint32_t half = transfer->length / 2;

	entry->started = true;
	entry->corrupt = is_nth(number, device->spec.corrupt_every) && transfer->length > 0;
	if (is_nth(number, device->spec.stall_every)) {
		entry->fault = FAULT_STALL;
		entry->limit = half - half % device->packet;
	} else if (is_nth(number, device->spec.short_every) && transfer->length > 0) {
		entry->fault = FAULT_SHORT;
		entry->limit = half > 0 && half % device->packet == 0 ? half - 1 : half;
	}
}

enum verdict { MOVE, NAK, GONE };

/* How much of `length` bytes may move now, in whole packets unless it is all of it. */
static enum verdict
allow(struct usb_device *device, uint32_t *length)
{
	uint64_t nak = device->spec.nak_after, unplug = device->spec.unplug_after;
	uint32_t first = *length < device->packet ? *length : device->packet;
	uint64_t left;

	if (device->moved >= nak || first > nak - device->moved)
		return NAK;
	if (device->moved >= unplug || first > unplug - device->moved)
		return GONE;
	left = (nak < unplug ? nak : unplug) - device->moved;
	if (left > STEP_MAX)
		left = STEP_MAX;
	if (*length > left)
		*length = (uint32_t)(left - left % device->packet);
	return MOVE;
}

static void
count_out(struct usb_device *device, const uint8_t *data, uint32_t length)
{
	if (length > 0)
		XXH3_64bits_update(device->counters->hash, data, length);
	device->counters->state.out_bytes += length;
	device->moved += length;
}

static void
remember(struct usb_device *device, const struct usb_transfer *transfer)
{
	struct stat file;

	device->counters->state.last_address = (uintptr_t)transfer->data;
	device->counters->state.last_inode = 0;
	if (transfer->memory.fd >= 0 && fstat(transfer->memory.fd, &file) == 0)
		device->counters->state.last_inode = file.st_ino;
}

/* One step of an OUT transfer. True if it is over, with its status. */
static bool
move_out(struct usb_device *device, struct entry *entry, uint32_t length, IOReturn *ret_status)
{
	struct usb_transfer *transfer = entry->transfer;
	const uint8_t *data = transfer->data;
	uint32_t left = transfer->length - transfer->actual, taken;
	bool is_last = length == left && entry->fault != FAULT_STALL, ends, all;
	uint8_t corrupted[1024];

	if (data != NULL)
		data += transfer->actual;
	if (entry->corrupt && transfer->actual == 0) {
		/* Only the first packet, from here: the app's memory must stay as it is. */
		if (length > device->packet) {
			length = device->packet;
			is_last = false;
		}
		memcpy(corrupted, data, length);
		corrupted[0] ^= 0xff;
		data = corrupted;
	}
	ends = is_last && (transfer->length % device->packet != 0 || transfer->length == 0 ||
			   (transfer->flags & USB_TRANSFER_ZLP) != 0);
	all = device->ops->out(device->model, data, length, ends, &taken);
	count_out(device, data, taken);
	transfer->actual += taken;
	*ret_status = kIOReturnSuccess;
	return all && is_last;
}

static bool
move_in(struct usb_device *device, struct entry *entry, uint32_t length, IOReturn *ret_status)
{
	struct usb_transfer *transfer = entry->transfer;
	uint8_t *data = transfer->data;
	uint32_t given = length;
	enum vdev_in result = VDEV_IN_SHORT;

	if (data != NULL)
		data += transfer->actual;
	if (entry->fault != FAULT_SHORT)
		result = device->ops->in(device->model, data, length, &given);
	else if (transfer->actual + length < entry->limit)
		result = device->ops->in(device->model, data, length, &given);
	else
		device->ops->in_short(device->model, data, length);
	if (entry->corrupt && transfer->actual == 0 && given > 0)
		data[0] ^= 0xff;
	transfer->actual += given;
	device->counters->state.in_bytes += given;
	device->moved += given;
	*ret_status = result == VDEV_IN_OVERFLOW ? kIOReturnOverrun : kIOReturnSuccess;
	return result == VDEV_IN_SHORT || result == VDEV_IN_OVERFLOW ||
	       (result == VDEV_IN_FILLED && transfer->actual == transfer->length);
}

static bool
move_control(struct usb_device *device, struct entry *entry, uint8_t alternate,
	     IOReturn *ret_status)
{
	struct usb_transfer *transfer = entry->transfer;
	bool reset;
	int32_t moved = vdev_control(&device->spec, &device->descriptors, device->counters,
				     alternate, transfer->setup, transfer->data, &reset);

	if (reset) {
		device->ops->reset(device->model);
		vdev_counters_reset(device->counters);
	}
	transfer->actual = moved >= 0 ? (uint32_t)moved : 0;
	*ret_status = moved >= 0 ? kIOReturnSuccess : kUSBHostReturnPipeStalled;
	return true;
}

/* What became of a step. */
struct outcome {
	bool progress;
	bool over;
	bool gone;
	bool halts;
	IOReturn status;
};

static void
count_end(struct usb_device *device, unsigned which, const struct entry *entry,
	  const struct outcome *outcome)
{
	struct dext_virtual_state *state = &device->counters->state;

	if (outcome->gone)
		state->faults++;
	if (!outcome->over || which == ENDPOINT_CONTROL)
		return;
	/* A planned stall does not come if the transfer ended before it. */
	state->faults += entry->fault == FAULT_SHORT || outcome->halts;
	state->faults += entry->corrupt;
	if (outcome->status == kIOReturnSuccess)
		*(which == ENDPOINT_OUT ? &state->out_transfers : &state->in_transfers) += 1;
}

/* Moves what can be moved of a bulk transfer now. Without the lock. */
static void
move(struct usb_device *device, unsigned which, struct entry *entry, bool is_tail,
     struct outcome *outcome)
{
	struct usb_transfer *transfer = entry->transfer;
	uint32_t before = transfer->actual, length;

	if (!entry->started)
		plan(device, &device->endpoints[which], entry);
	if (entry->fault == FAULT_STALL && before == entry->limit) {
		*outcome = (struct outcome){true, true, false, true, kUSBHostReturnPipeStalled};
		return;
	}
	length = entry->fault == FAULT_NONE ? transfer->length - before : entry->limit - before;
	switch (allow(device, &length)) {
	case NAK:
		return;
	case GONE:
		outcome->gone = true;
		return;
	case MOVE:
		break;
	}
	outcome->over = which == ENDPOINT_OUT ? move_out(device, entry, length, &outcome->status)
					      : move_in(device, entry, length, &outcome->status);
	outcome->progress = outcome->over || transfer->actual != before;
	outcome->gone = device->moved >= device->spec.unplug_after;
	/* With another one behind it this is not the last; saves a system call for each. */
	if (which == ENDPOINT_OUT && outcome->over && is_tail)
		remember(device, transfer);
}

/* -- the thread: queues ----------------------------------------------------------------------- */

/* Gives the head of an endpoint one turn. True if something has changed. */
static bool
serve_locked(struct usb_device *device, unsigned which, uint64_t now, uint64_t *wake)
{
	struct endpoint *endpoint = &device->endpoints[which];
	struct entry *entry = endpoint->head;
	struct outcome outcome = {0};
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
		outcome.over = move_control(device, entry, alternate, &outcome.status);
	else
		move(device, which, entry, is_tail, &outcome);
	count_end(device, which, entry, &outcome);
	pthread_mutex_lock(&device->lock);
	endpoint->busy = NULL;
	endpoint->halted |= outcome.halts;
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

/* -- the operations --------------------------------------------------------------------------- */

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
	if (device->model != NULL)
		device->ops->destroy(device->model);
	vdev_counters_destroy(device->counters);
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
	device->spec = *spec;
	device->packet = vdev_spec_packet(spec);
	device->ops = models[spec->kind];
	device->done_tail = &device->done;
	device->next_deadline = UINT64_MAX;
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++)
		device->endpoints[i].tail = &device->endpoints[i].head;
	vdev_descriptors_make(spec, &device->descriptors);
	device->model = device->ops->create(device->packet);
	device->counters = vdev_counters_create();
	device->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (device->event < 0)
		res = status_from_errno(errno, "eventfd of a virtual device");
	else if (device->model == NULL || device->counters == NULL)
		res = kIOReturnNoMemory;
	else
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
	return (const uint8_t *)&device->descriptors.device;
}

static const uint8_t *
configuration_descriptor(struct usb_device *device, uint16_t *ret_length)
{
	*ret_length = device->descriptors.configuration_length;
	return device->descriptors.configuration;
}

static uint8_t
speed(struct usb_device *device)
{
	return device->spec.speed;
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

	if (interface != 0 || alternate > 1)
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	if (device->gone) {
		res = kIOReturnNoDevice;
	} else if (!device->claimed) {
		res = kIOReturnNotOpen;
	} else {
		device->alternate = alternate;
		device->endpoints[ENDPOINT_OUT].halted = false;
		device->endpoints[ENDPOINT_IN].halted = false;
	}
	pthread_mutex_unlock(&device->lock);
	return res;
}

/* NULL: the device has no such endpoint. */
static struct endpoint *
find(struct usb_device *device, uint8_t address)
{
	if (address == 0)
		return &device->endpoints[ENDPOINT_CONTROL];
	if (address == DEXT_VIRTUAL_ENDPOINT_OUT && device->ops->out != NULL)
		return &device->endpoints[ENDPOINT_OUT];
	if (address == DEXT_VIRTUAL_ENDPOINT_IN && device->ops->in != NULL)
		return &device->endpoints[ENDPOINT_IN];
	return NULL;
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
		.due = now + device->spec.latency,
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
	.claim = claim,
	.release = release,
	.set_alternate = set_alternate,
	.submit = submit,
	.cancel = cancel,
	.clear_halt = clear_halt,
	.event_fd = event_fd,
	.reap = reap,
};
