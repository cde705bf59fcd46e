/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recordings of drivers, as the registry and the hosts hand them out.
 *
 * Nobody wakes a reader: it looks every 20 ms. A socket tells when the host has ended; what it had
 * written before is read then.
 */
#include "recordings.h"
#include "dext.h"

#include "clock.h"
#include "status.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MSEC      20u
#define REFRESH_NSEC   (500 * NSEC_PER_MSEC)
#define RECORDINGS_MAX 256u /* that are polled */
#define GREETING_MSEC  5000
#define KEPT_MAX       (1u << 20) /* events of a driver that wait for the output */
#define EMPTY_EVERY    4096u	  /* events after which the host's ring is emptied again */

static volatile sig_atomic_t interrupted;

static void
interrupt(int number)
{
	interrupted = 1;
}

void
recordings_catch_signals(void)
{
	/* Once: the second one ends the command at once, whatever it has to write still. */
	struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool
recordings_are_interrupted(void)
{
	return interrupted != 0;
}

/* --- one --- */

static void
close_recording(struct recording *recording)
{
	if (recording == NULL)
		return;
	recording_files_close(&recording->files);
	fd_close(&recording->socket);
	free(recording->bytes);
	free(recording->kept.events);
	free(recording);
}

static void
copy_text(char *to, size_t size, const OSDictionary *driver, const char *key)
{
	const char *text = OSDictionaryGetStringValue(driver, key);

	snprintf(to, size, "%s", text != NULL ? text : "");
}

/* Packets first, in pieces that are whole words, then bytes. */
uint32_t
recordings_room(const struct recordings *all)
{
	return TRACE_PACKETS_MAX * sizeof(struct trace_packet) + all->snap;
}

static IOReturn
open_one(struct recordings *all, const OSDictionary *driver, uint64_t number, uint64_t process)
{
	const struct trace_body body = {
		.driver = number,
		.flags = all->capture ? TRACE_WITH_CAPTURE : 0,
		.snap = all->capture ? all->snap : 0,
	};
	struct recording *recording = calloc(1, sizeof(*recording)), **end = &all->first;
	enum trace_what what = all->capture ? TRACE_CAPTURE : TRACE_EVENTS;
	IOReturn status;

	if (recording == NULL)
		return kIOReturnNoMemory;
	recording->socket = -1;
	recording->driver = number;
	recording->process = process;
	copy_text(recording->name, sizeof(recording->name), driver, "CFBundleIdentifier");
	copy_text(recording->device, sizeof(recording->device), driver, "Device");
	if (all->capture)
		recording->bytes = malloc(recordings_room(all));
	status = all->capture && recording->bytes == NULL
			 ? kIOReturnNoMemory
			 : ask_trace(all->ask, &body, &recording->socket);
	if (status == kIOReturnSuccess)
		status = recording_files_receive(recording->socket, GREETING_MSEC, all->capture,
						 &recording->files);
	if (status != kIOReturnSuccess) {
		close_recording(recording);
		return status;
	}
	recording->since = clock_now();
	trace_reader_init(&recording->reader, what, recording->files.at[what],
			  &recording->files.start[what]);
	while (*end != NULL)
		end = &(*end)->next;
	*end = recording;
	return kIOReturnSuccess;
}

/* --- all --- */

static const struct recording *
find(const struct recordings *all, uint64_t driver, uint64_t process)
{
	const struct recording *recording = all->first;

	while (recording != NULL && (recording->driver != driver || recording->process != process))
		recording = recording->next;
	return recording;
}

/* Those that are wanted and not looked at yet. *ret_found: how many there are. */
static IOReturn
look_for_new(struct recordings *all, unsigned *ret_found)
{
	OSDictionary *driver = NULL;
	uint64_t number = 0;
	IOReturn status;

	*ret_found = all->refused = 0;
	while ((status = ask_next_driver(all->ask, &number, &driver)) == kIOReturnSuccess) {
		uint64_t process = 0;
		IOReturn opened = kIOReturnSuccess;

		OSDictionaryGetUInt64Value(driver, "Process", &process);
		if (ask_driver_is(driver, all->wanted)) {
			(*ret_found)++;
			if (process != 0 && find(all, number, process) == NULL)
				opened = open_one(all, driver, number, process);
		}
		all->refused += opened == kIOReturnNotPermitted;
		if (opened != kIOReturnSuccess && opened != kIOReturnOffline &&
		    opened != kIOReturnNotPermitted && opened != kIOReturnNotFound &&
		    all->complained != process) {
			all->complained = process; /* once, and not each half second */
			complain(all->command, "driver %llu is not looked at: %s",
				 (unsigned long long)number, status_string(opened));
		}
		OSSafeReleaseNULL(driver);
	}
	return status == kIOReturnNotFound ? kIOReturnSuccess : status;
}

int
recordings_open(struct recordings *all)
{
	unsigned found = 0;
	IOReturn status;

	if (!ask_open(all->command, &all->ask))
		return DEXT_EXIT_NOT_FOUND;
	status = look_for_new(all, &found);
	all->refreshed = clock_now();
	if (status != kIOReturnSuccess) {
		complain(all->command, "the registry's answer: %s", ask_reason(all->ask, status));
		return DEXT_EXIT_ERROR;
	}
	if (found == 0 && all->wanted != NULL) {
		complain(all->command, "there is no driver '%s'; `dext logs` shows all",
			 all->wanted);
		return DEXT_EXIT_NOT_FOUND;
	}
	if (all->first == NULL && all->refused > 0) {
		complain(all->command, all->capture
					       ? "only root, and the user whose registry it is, "
						 "may see the bytes of transfers"
					       : "you may not open the driver's services, so you "
						 "may not look on either");
		return DEXT_EXIT_REFUSED;
	}
	return DEXT_EXIT_OK;
}

void
recordings_close(struct recordings *all)
{
	struct recording *recording;

	while ((recording = all->first) != NULL) {
		all->first = recording->next;
		close_recording(recording);
	}
	ask_close(all->ask);
	all->ask = NULL;
}

bool
recordings_refresh(struct recordings *all)
{
	uint64_t now = clock_now();
	unsigned found;

	if (all->ask != NULL && now - all->refreshed >= REFRESH_NSEC) {
		all->refreshed = now;
		if (look_for_new(all, &found) != kIOReturnSuccess) {
			ask_close(all->ask);
			all->ask = NULL;
		}
	}
	return all->ask != NULL || all->first != NULL;
}

/* Packets of an isochronous transfer, and no more of the bytes behind them than were asked for:
 * there may be more for another reader. */
static void
split_bytes(const struct recordings *all, struct recording *recording)
{
	const struct trace_event *event = &recording->event;
	uint64_t size = event->flags & TRACE_HAS_PACKETS ? event->value : 0;

	size *= sizeof(struct trace_packet);
	if (size > TRACE_PACKETS_MAX * sizeof(struct trace_packet) || size > recording->length)
		size = 0;
	recording->packets = (uint32_t)(size / sizeof(struct trace_packet));
	recording->data = recording->bytes + size;
	recording->length -= (uint32_t)size;
	if (recording->length > all->snap)
		recording->length = all->snap;
}

/* Room for one more. False: there is none, and the host's ring keeps it. */
static bool
make_room(struct recording *recording)
{
	size_t room = recording->kept.room == 0 ? EMPTY_EVERY : 2 * recording->kept.room;
	struct trace_event *grown;

	if (recording->kept.count < recording->kept.room)
		return true;
	if (room > KEPT_MAX || (grown = malloc(room * sizeof(*grown))) == NULL)
		return false;
	for (size_t i = 0; i < recording->kept.count; i++)
		grown[i] =
			recording->kept
				.events[(recording->kept.first + i) & (recording->kept.room - 1)];
	free(recording->kept.events);
	recording->kept.events = grown;
	recording->kept.first = 0;
	recording->kept.room = room;
	return true;
}

static void
empty_ring(struct recording *recording)
{
	struct trace_event event;

	while (make_room(recording) &&
	       trace_read(&recording->reader, recording->is_over, &event, NULL, 0, NULL))
		recording->kept.events[(recording->kept.first + recording->kept.count++) &
				       (recording->kept.room - 1)] = event;
}

static bool
take_kept(struct recording *recording)
{
	if (recording->kept.count == 0 || ++recording->kept.taken % EMPTY_EVERY == 0)
		empty_ring(recording);
	if (recording->kept.count == 0)
		return false;
	recording->event = recording->kept.events[recording->kept.first];
	recording->kept.first = (recording->kept.first + 1) & (recording->kept.room - 1);
	recording->kept.count--;
	return true;
}

bool
recordings_read(const struct recordings *all, struct recording *recording)
{
	bool there = trace_read(&recording->reader, recording->is_over, &recording->event,
				recording->bytes, all->capture ? recordings_room(all) : 0,
				&recording->length);

	if (there && all->capture)
		split_bytes(all, recording);
	return there;
}

static bool
read_next(const struct recordings *all, struct recording *recording)
{
	return all->capture ? recordings_read(all, recording) : take_kept(recording);
}

static void
fetch(const struct recordings *all, struct recording *recording)
{
	struct pollfd there = {.fd = recording->socket, .events = POLLIN};

	recording->has_event = read_next(all, recording);
	/* Only where there is nothing: a system call for each event would cost more than that. What
	 * is not there after the end was seen never comes. */
	if (!recording->has_event && !recording->is_over && poll(&there, 1, 0) > 0) {
		recording->is_over = true;
		recording->has_event = read_next(all, recording);
	}
	if (recording->is_over && !recording->has_event)
		trace_reader_end(&recording->reader);
}

struct recording *
recordings_next(struct recordings *all)
{
	struct recording *oldest = NULL;

	for (struct recording *recording = all->first; recording != NULL;
	     recording = recording->next) {
		if (!recording->has_event)
			fetch(all, recording);
		if (recording->has_event &&
		    (oldest == NULL || recording->event.time < oldest->event.time))
			oldest = recording;
	}
	return oldest;
}

void
recordings_wait(const struct recordings *all, uint64_t deadline)
{
	uint64_t now = clock_now(), msec = LOOK_MSEC;

	if (deadline <= now)
		return;
	if (deadline - now < msec * NSEC_PER_MSEC)
		msec = (deadline - now) / NSEC_PER_MSEC + 1;
	poll(NULL, 0, (int)msec);
}

void
recordings_sweep(struct recordings *all, void (*ending)(void *context, struct recording *recording),
		 void *context)
{
	struct recording **place = &all->first, *recording;

	while ((recording = *place) != NULL) {
		if (!recording->is_over || recording->has_event) {
			place = &recording->next;
			continue;
		}
		*place = recording->next;
		ending(context, recording);
		close_recording(recording);
	}
}
