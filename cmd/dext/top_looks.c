/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking; see top.h. The registry says which drivers there are; each one's host, asked through the
 * registry, hands over its counters, which are memory from then on: a look asks nobody but the
 * registry, and a driver that hangs is looked at as any other.
 *
 * A place whose owner has gone keeps its counters until another one gets it. What somebody did
 * between the last look and his going is counted, unless his place has been given away in between.
 */
#include "top.h"

#include "ask.h"

#include "clock.h"
#include "packet.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* For a host to answer: one that hangs is asked once, and then looked at in passing. */
#define PATIENCE_MSEC 200

/* --- the counters of a host --- */

static void
forget_view(struct top_driver *driver)
{
	recording_files_close(&driver->files);
	fd_close(&driver->socket);
	free(driver->places);
	driver->places = NULL;
	driver->looked = false;
	driver->view = TOP_NO_PROCESS;
	driver->cpu = -1;
	driver->has_usage = false;
	driver->clients = driver->calls_in_flight = driver->transfers_in_flight = 0;
	driver->buffers = 0;
}

static void
refuse(struct top_driver *driver, IOReturn status)
{
	forget_view(driver);
	driver->view = TOP_REFUSED;
	driver->refusal = status;
}

/* The host's answer, if it is there, or comes in time. */
static void
take_answer(struct top_driver *driver, unsigned wait_msec)
{
	IOReturn status = recording_files_receive(driver->socket, wait_msec, false, &driver->files);

	if (status == kIOReturnTimeout)
		return;
	if (status == kIOReturnSuccess) {
		driver->places = calloc(TRACE_PLACES, sizeof(*driver->places));
		status = driver->places != NULL ? kIOReturnSuccess : kIOReturnNoMemory;
	}
	if (status == kIOReturnSuccess)
		driver->view = TOP_LOOKS;
	else if (status == kIOReturnOffline)
		forget_view(driver);
	else
		refuse(driver, status);
}

static void
ask_host(struct top *top, struct top_driver *driver)
{
	const struct trace_body body = {.driver = driver->number};
	IOReturn status = ask_trace(top->ask, &body, &driver->socket);

	if (status == kIOReturnSuccess) {
		driver->view = TOP_WAITS;
		take_answer(driver, PATIENCE_MSEC);
	} else if (status != kIOReturnOffline) {
		refuse(driver, status); /* offline: it begins or ends, and is asked again */
	}
}

/* The owner that the place has, or had last. False: another one, who has to be read again. */
static bool
take_owner(const struct top_driver *driver, uint32_t index, struct top_place *place,
	   struct trace_owner *owner)
{
	uint32_t generation;

	place->there = false;
	if (!trace_read_owner(driver->files.at[TRACE_EVENTS], index, owner, &generation))
		return false;
	place->there = generation % 2 != 0;
	generation -= !place->there;
	if (generation == place->generation)
		return true;
	/* Counters of a new owner begin with 0; of those that were there before us, as they are. */
	memset(&place->last, 0, sizeof(place->last));
	memset(&place->total, 0, sizeof(place->total));
	if (!driver->looked)
		top_counters_read(&driver->files.at[TRACE_EVENTS]->places[index], &place->last);
	place->generation = generation;
	place->owner = *owner;
	place->command[0] = '\0';
	if (place->there && owner->kind == TRACE_CLIENT)
		top_process_name(owner->pid, place->command, sizeof(place->command));
	return true;
}

static void
look_at_place(struct top_driver *driver, uint32_t index)
{
	const struct trace_place *from = &driver->files.at[TRACE_EVENTS]->places[index];
	struct top_place *place = &driver->places[index];
	struct trace_owner owner;
	struct top_counters now;
	uint32_t generation;
	bool client;

	memset(&place->step, 0, sizeof(place->step));
	if (!take_owner(driver, index, place, &owner))
		return;
	client = place->owner.kind == TRACE_CLIENT;
	top_counters_read(from, &now);
	/* Given away meanwhile: these are somebody else's, and the next look is at him. */
	generation = atomic_load_explicit(&from->generation, memory_order_acquire);
	if (generation != place->generation && generation != place->generation + 1)
		return;
	top_counters_difference(&now, &place->last, &place->step);
	top_counters_add(&place->total, &place->step);
	place->last = now;
	top_counters_add(client ? &driver->calls_step : &driver->transfers_step, &place->step);
	top_counters_add(client ? &driver->calls_total : &driver->transfers_total, &place->step);
	if (!place->there)
		return;
	place->in_flight = atomic_load_explicit(&from->in_flight, memory_order_relaxed);
	place->waiting = atomic_load_explicit(&from->waiting, memory_order_relaxed);
	place->buffers = atomic_load_explicit(&from->buffers, memory_order_relaxed);
	place->registrations = atomic_load_explicit(&from->registrations, memory_order_relaxed);
	place->mapped_bytes = atomic_load_explicit(&from->mapped_bytes, memory_order_relaxed);
	place->kept_bytes = atomic_load_explicit(&from->kept_bytes, memory_order_relaxed);
	driver->clients += client;
	driver->buffers += place->buffers;
	*(client ? &driver->calls_in_flight : &driver->transfers_in_flight) += place->in_flight;
}

static void
look_at_usage(struct top_driver *driver, double seconds)
{
	uint64_t before = driver->cpu_nsec;
	bool had_usage = driver->has_usage;

	driver->cpu = -1;
	driver->has_usage = top_process_usage(driver->process, &driver->cpu_nsec, &driver->memory);
	if (!driver->has_usage)
		driver->memory = 0;
	else if (had_usage && seconds > 0 && driver->cpu_nsec >= before)
		driver->cpu = (double)(driver->cpu_nsec - before) / (seconds * 1e9) * 100;
}

/* The host has ended, or sent what it must not. */
static bool
is_over(int socket)
{
	struct pollfd there = {.fd = socket, .events = POLLIN};

	return poll(&there, 1, 0) != 0;
}

static void
look_at(struct top_driver *driver, double seconds)
{
	memset(&driver->calls_step, 0, sizeof(driver->calls_step));
	memset(&driver->transfers_step, 0, sizeof(driver->transfers_step));
	driver->clients = driver->calls_in_flight = driver->transfers_in_flight = 0;
	driver->buffers = 0;
	look_at_usage(driver, seconds);
	if (driver->view == TOP_WAITS)
		take_answer(driver, 0);
	if (driver->view != TOP_LOOKS)
		return;
	for (uint32_t i = 0; i < TRACE_PLACES; i++)
		look_at_place(driver, i);
	driver->looked = true;
	/* After the look: the last words of a host that has ended count. */
	if (is_over(driver->socket))
		forget_view(driver);
}

/* --- the registry's drivers --- */

static void
copy_text(char *to, size_t size, const OSDictionary *description, const char *key)
{
	const char *text = OSDictionaryGetStringValue(description, key);

	snprintf(to, size, "%s", text != NULL ? text : "");
}

static struct top_driver *
find(struct top *top, uint64_t number)
{
	struct top_driver **link = &top->drivers;

	while (*link != NULL && (*link)->number < number)
		link = &(*link)->next;
	if (*link == NULL || (*link)->number != number) {
		struct top_driver *driver = calloc(1, sizeof(*driver));

		if (driver == NULL)
			return NULL;
		driver->number = number;
		driver->socket = -1;
		driver->cpu = -1;
		driver->next = *link;
		*link = driver;
	}
	return *link;
}

static void
update(struct top *top, const OSDictionary *description, uint64_t number)
{
	struct top_driver *driver = find(top, number);
	uint64_t process = 0;

	if (driver == NULL)
		return;
	copy_text(driver->class_name, sizeof(driver->class_name), description, "IOUserClass");
	copy_text(driver->bundle, sizeof(driver->bundle), description, "CFBundleIdentifier");
	copy_text(driver->device, sizeof(driver->device), description, "Device");
	copy_text(driver->state, sizeof(driver->state), description, "State");
	copy_text(driver->reason, sizeof(driver->reason), description, "Reason");
	OSDictionaryGetUInt64Value(description, "Crashes", &driver->crashes);
	OSDictionaryGetUInt64Value(description, "Process", &process);
	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		driver->most[i] = limit_in((enum limit)i, description);
	driver->listed = ask_driver_is(description, top->wanted);
	top->matching += driver->listed;
	/* Started again: a new host, with counters of its own. */
	if ((pid_t)process != driver->process)
		forget_view(driver);
	driver->process = (pid_t)process;
}

static void
forget(struct top_driver **link)
{
	struct top_driver *driver = *link;

	*link = driver->next;
	forget_view(driver);
	free(driver);
}

/* False: the registry does not answer (any more). */
static bool
read_drivers(struct top *top)
{
	OSDictionary *description = NULL;
	uint64_t number = 0;
	IOReturn status;

	top->matching = 0;
	for (struct top_driver *driver = top->drivers; driver != NULL; driver = driver->next)
		driver->listed = false;
	while ((status = ask_next_driver(top->ask, &number, &description)) == kIOReturnSuccess) {
		update(top, description, number);
		OSSafeReleaseNULL(description);
	}
	if (status == kIOReturnIPCError)
		return false;
	for (struct top_driver **link = &top->drivers; *link != NULL;) {
		if ((*link)->listed)
			link = &(*link)->next;
		else
			forget(link);
	}
	return status == kIOReturnNotFound;
}

/* --- a look --- */

static void
look_at_all(struct top *top)
{
	uint64_t now;

	for (struct top_driver *driver = top->drivers; driver != NULL; driver = driver->next) {
		if (driver->view == TOP_NO_PROCESS && driver->process != 0)
			ask_host(top, driver);
	}
	now = clock_now();
	top->seconds = top->looked != 0 ? (double)(now - top->looked) / 1e9 : 0;
	top->looked = now;
	for (struct top_driver *driver = top->drivers; driver != NULL; driver = driver->next)
		look_at(driver, top->seconds);
}

bool
top_look(struct top *top)
{
	if (top->ask == NULL || !read_drivers(top)) {
		top_end(top);
		top->no_registry = true;
		return false;
	}
	top->no_registry = false;
	look_at_all(top);
	return true;
}

void
top_end(struct top *top)
{
	while (top->drivers != NULL)
		forget(&top->drivers);
	ask_close(top->ask);
	top->ask = NULL;
}
