/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual device's thread. It serves the head of each endpoint's queue in turn, moving packets by
 * vdev_line, and ends what has waited too long.
 *
 * A helper is a thread that has just submitted something and has nothing better to do: it serves
 * the queues itself (virtual_work), which saves the switch to the device's thread and the one back
 * for the completion. That thread then only sees to it that help comes: it wakes now and then while
 * there is some, and takes over what a helper has left for as long as that (`patience`). `serving`
 * keeps the two apart.
 */
#include <signal.h>
#include <time.h>

#include "clock.h"
#include "loop.h"
#include "status.h"
#include "virtual_device.h"

/* It is no longer there. That may be noticed later. */
static void
leave_locked(struct usb_device *device)
{
	if (device->line.spec.unplug_late == 0)
		virtual_go_locked(device);
	else if (device->goes_at == 0)
		device->goes_at = clock_now() + device->line.spec.unplug_late;
}

/* Gives the head of an endpoint one turn. True if something has changed. */
static bool
serve_locked(struct usb_device *device, unsigned which, uint64_t now, uint64_t *wake)
{
	struct endpoint *endpoint = &device->endpoints[which];
	struct entry *entry = endpoint->head;
	struct vdev_outcome outcome;
	uint8_t alternate = device->alternate;

	if (entry == NULL)
		return false;
	if (entry->due > now) {
		if (entry->due < *wake)
			*wake = entry->due;
		return false;
	}
	if (device->goes_at != 0) {
		virtual_finish_locked(device, endpoint, entry, kIOReturnNotResponding);
		return true;
	}
	if (endpoint->halted) {
		virtual_finish_locked(device, endpoint, entry, kUSBHostReturnPipeStalled);
		return true;
	}
	endpoint->busy = entry;
	pthread_mutex_unlock(&device->lock);
	if (which == ENDPOINT_CONTROL)
		vdev_line_control(&device->line, entry->transfer, alternate, &outcome);
	else if (entry->transfer->packet_count > 0)
		vdev_line_isochronous(&device->line, entry->transfer, &outcome);
	else
		vdev_line_bulk(&device->line, entry->transfer, &entry->plan, &outcome);
	pthread_mutex_lock(&device->lock);
	endpoint->busy = NULL;
	endpoint->halted |= outcome.halts;
	if (outcome.clears != 0)
		virtual_endpoint(device, outcome.clears)->halted = false;
	if (outcome.over)
		virtual_finish_locked(device, endpoint, entry, outcome.status);
	else if (entry->cancelled)
		virtual_finish_locked(device, endpoint, entry, kIOReturnAborted);
	if (outcome.gone)
		leave_locked(device);
	return outcome.over || outcome.progress || outcome.gone;
}

/* Ends what has waited too long, and finds the next deadline. */
static bool
expire_locked(struct usb_device *device, uint64_t now)
{
	bool changed = false;

	if (now < device->next_deadline)
		return false;
	device->next_deadline = UINT64_MAX;
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++) {
		struct entry *entry = device->endpoints[i].head, *next;

		for (; entry != NULL; entry = next) {
			next = entry->next;
			if (entry->deadline <= now) {
				virtual_finish_locked(device, &device->endpoints[i], entry,
						      kIOReturnTimeout);
				changed = true;
			} else if (entry->deadline < device->next_deadline) {
				device->next_deadline = entry->deadline;
			}
		}
	}
	return changed;
}

static void
sleep_locked(struct usb_device *device, uint64_t wake)
{
	struct timespec until = {
		.tv_sec = (time_t)(wake / NSEC_PER_SEC),
		.tv_nsec = (long)(wake % NSEC_PER_SEC),
	};

	device->wakes_at = wake;
	if (wake == UINT64_MAX)
		pthread_cond_wait(&device->work, &device->lock);
	else
		pthread_cond_timedwait(&device->work, &device->lock, &until);
	device->wakes_at = 0;
}

static bool
serve_all_locked(struct usb_device *device, uint64_t now, uint64_t *wake)
{
	bool changed = false;

	device->serving = true;
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++)
		changed |= serve_locked(device, i, now, wake);
	device->serving = false;
	return changed;
}

/*
 * After a piece by a helper: whether the thread is to look, earlier than it would. Not as long as
 * more is to be done, by the helper, or each piece would wake it.
 */
static bool
is_wanted_locked(const struct usb_device *device, bool more, uint64_t wake)
{
	if (device->unplugged || device->goes_at != 0)
		return true;
	if (more)
		return device->wakes_at > device->help_until + device->patience;
	return device->poked || device->wakes_at > wake || device->wakes_at > device->next_deadline;
}

bool
virtual_work(struct usb_device *device, bool *ret_finished)
{
	uint64_t wake = UINT64_MAX, now = clock_now(), begun;
	bool more = false;

	pthread_mutex_lock(&device->lock);
	/* What the thread alone does is left to it. */
	if (!device->serving && !device->gone && !device->unplugged) {
		device->helping = true;
		/* Of small transfers several at once: each round of reaping has its price. */
		begun = device->line.moved;
		do
			more = serve_all_locked(device, now, &wake);
		while (more && !device->unplugged &&
		       device->line.moved - begun < VIRTUAL_PIECE_BYTES && !loop_is_wanted());
		more |= expire_locked(device, now);
		device->helping = false;
		device->helpless = false;
		device->helps++;
		device->help_until = more ? clock_now() + device->patience : 0;
		if (is_wanted_locked(device, more, wake))
			pthread_cond_signal(&device->work);
	}
	*ret_finished = device->done != NULL;
	pthread_mutex_unlock(&device->lock);
	return more;
}

/* True: a helper is at it, or will be. *wake: when to see whether it was. */
static bool
is_helped_locked(const struct usb_device *device, uint64_t now, uint64_t *wake)
{
	if (device->serving)
		*wake = now + device->patience;
	else if (device->help_until > now && !device->unplugged)
		*wake = device->help_until;
	else
		return false;
	return true;
}

/* Each wake is two switches on a CPU that moves bytes. */
static void
note_help_locked(struct usb_device *device, bool came)
{
	if (!came)
		device->patience = VIRTUAL_HELP_NSEC;
	else if (device->patience < VIRTUAL_HELP_NSEC_MAX)
		device->patience *= 2;
}

static void *
run(void *context)
{
	struct usb_device *device = context;
	uint64_t helps = 0;

	pthread_mutex_lock(&device->lock);
	while (!device->stopping) {
		uint64_t wake = UINT64_MAX, now = clock_now();
		bool changed = false;

		if (is_helped_locked(device, now, &wake)) {
			if (device->helps != helps)
				note_help_locked(device, true);
			helps = device->helps;
			sleep_locked(device, wake);
			continue;
		}
		device->poked = false;
		if (device->unplugged && !device->gone)
			leave_locked(device);
		if (device->goes_at != 0 && device->goes_at <= now && !device->gone)
			virtual_go_locked(device);
		if (device->help_until != 0) {
			device->helpless = true;
			note_help_locked(device, false);
		}
		device->help_until = 0;
		changed = serve_all_locked(device, now, &wake);
		changed |= expire_locked(device, now);
		if (changed || device->stopping)
			continue;
		if (device->helps != helps && now + device->patience < wake)
			wake = now + device->patience;
		helps = device->helps;
		if (device->next_deadline < wake)
			wake = device->next_deadline;
		if (device->goes_at != 0 && !device->gone && device->goes_at < wake)
			wake = device->goes_at;
		if (!device->poked)
			sleep_locked(device, wake);
	}
	pthread_mutex_unlock(&device->lock);
	return NULL;
}

IOReturn
virtual_start(struct usb_device *device)
{
	pthread_condattr_t attributes;
	sigset_t all, before;
	int error;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&device->work, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&device->lock, NULL);
	device->patience = VIRTUAL_HELP_NSEC;
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

void
virtual_stop(struct usb_device *device)
{
	pthread_mutex_lock(&device->lock);
	device->stopping = true;
	virtual_poke_locked(device);
	pthread_mutex_unlock(&device->lock);
	pthread_join(device->thread, NULL);
	pthread_cond_destroy(&device->work);
	pthread_mutex_destroy(&device->lock);
}
