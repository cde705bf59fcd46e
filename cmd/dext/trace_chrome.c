/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events in Chrome's JSON trace format, which Perfetto and the browsers' tracing pages open. A
 * driver is a process there, each of its clients and pipes a thread. Calls and transfers overlap,
 * so each is a pair of "nestable async" events, b and e, written when it has ended: then there is
 * never one without the other, also where a beginning was lost. What has not ended when the
 * recording does ends with it, and says so.
 */
#include "trace_output.h"

#include "escape.h"
#include "status.h"

#include <USBDriverKit/AppleUSBDefinitions.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* A thread of the picture. */
struct track {
	uint64_t driver;
	uint32_t place, generation;
};

/* What has begun and not ended. */
struct open_event {
	uint64_t driver;
	struct trace_event event;
};

static struct {
	bool any; /* an event was written: a comma is due */
	uint64_t last_time;
	struct track *tracks;
	size_t track_count;
	struct open_event *open;
	size_t open_count, open_room;
} chrome;

static struct json_object *
text(const char *words)
{
	return json_object_new_string(words);
}

static struct json_object *
make(const char *phase, const char *name, uint64_t driver, uint32_t place)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "ph", text(phase));
	json_object_object_add(object, "name", text(name));
	json_object_object_add(object, "pid", json_object_new_int64((int64_t)driver));
	/* 0 is what belongs to no place. */
	json_object_object_add(
		object, "tid",
		json_object_new_int64(place == TRACE_NO_PLACE ? 0 : (int64_t)place + 1));
	return object;
}

static void
put(FILE *to, struct json_object *object)
{
	fprintf(to, "%s%s", chrome.any ? ",\n" : "\n",
		json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
							       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	chrome.any = true;
}

/* Microseconds, with all the digits that there are. */
static void
add_time(struct json_object *object, uint64_t time)
{
	char digits[32];

	snprintf(digits, sizeof(digits), "%" PRIu64 ".%03u", time / 1000, (unsigned)(time % 1000));
	json_object_object_add(object, "ts", json_object_new_double_s((double)time / 1000, digits));
}

/* --- names of processes and threads --- */

static void
name_it(FILE *to, const char *what, uint64_t driver, uint32_t place, const char *name)
{
	struct json_object *object = make("M", what, driver, place);
	struct json_object *args = json_object_new_object();

	json_object_object_add(args, "name", text(name));
	json_object_object_add(object, "args", args);
	put(to, object);
}

static bool
is_named(uint64_t driver, uint32_t place, uint32_t generation)
{
	struct track *grown;

	for (size_t i = 0; i < chrome.track_count; i++) {
		const struct track *track = &chrome.tracks[i];

		if (track->driver == driver && track->place == place &&
		    track->generation == generation)
			return true;
	}
	grown = realloc(chrome.tracks, (chrome.track_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return true;
	chrome.tracks = grown;
	chrome.tracks[chrome.track_count++] = (struct track){driver, place, generation};
	return false;
}

static void
name_track(FILE *to, const struct recording *recording)
{
	uint32_t place = recording->event.place, generation = 0;
	const struct trace_file *file = recording->files.at[TRACE_EVENTS];
	struct trace_owner owner;
	char name[600], class_name[ESCAPE_ROOM(sizeof(owner.name))];

	if (!is_named(recording->driver, TRACE_NO_PLACE, (uint32_t)recording->process)) {
		snprintf(name, sizeof(name), "%s on %s", recording->name, recording->device);
		name_it(to, "process_name", recording->driver, TRACE_NO_PLACE, name);
	}
	/* Left it is still the same owner's. */
	if (!trace_read_owner(file, place, &owner, &generation) ||
	    is_named(recording->driver, place, (generation + 1) / 2))
		return;
	/* It is the host's word. */
	escape_line(class_name, owner.name, strlen(owner.name));
	if (owner.kind == TRACE_CLIENT)
		snprintf(name, sizeof(name), "%s, process %d", class_name, owner.pid);
	else if (owner.transfers == kIOUSBEndpointTypeControl)
		snprintf(name, sizeof(name), "control requests");
	else
		snprintf(name, sizeof(name), "pipe 0x%02x, %s %s", owner.endpoint,
			 trace_transfers_name(owner.transfers),
			 owner.endpoint & kIOUSBEndpointDescriptorDirectionIn ? "in" : "out");
	name_it(to, "thread_name", recording->driver, place, name);
}

/* --- what takes time --- */

static void
put_side(FILE *to, const char *phase, uint64_t driver, const struct trace_event *event,
	 uint64_t time, struct json_object *args)
{
	bool call = event->kind == TRACE_CALL_BEGAN || event->kind == TRACE_CALL_ENDED;
	struct json_object *object;
	char name[64], id[48];

	if (call)
		snprintf(name, sizeof(name), "%s %" PRIu64, trace_operation_name(event->detail),
			 event->value);
	else
		snprintf(name, sizeof(name), "transfer");
	object = make(phase, name, driver, event->place);
	snprintf(id, sizeof(id), "%" PRIu64 ".%" PRIu32 ".%" PRIu64, driver, event->place,
		 event->id);
	json_object_object_add(object, "cat", text(call ? "call" : "transfer"));
	json_object_object_add(object, "id", text(id));
	add_time(object, time);
	if (args != NULL)
		json_object_object_add(object, "args", args);
	put(to, object);
}

static void
put_pair(FILE *to, uint64_t driver, const struct trace_event *event, uint64_t began, uint64_t ended,
	 struct json_object *args)
{
	put_side(to, "b", driver, event, began, args);
	put_side(to, "e", driver, event, ended, NULL);
}

static struct open_event *
find_open(uint64_t driver, const struct trace_event *event, uint8_t kind)
{
	for (size_t i = 0; i < chrome.open_count; i++) {
		struct open_event *open = &chrome.open[i];

		if (open->driver == driver && open->event.place == event->place &&
		    open->event.id == event->id && open->event.kind == kind)
			return open;
	}
	return NULL;
}

static void
keep_open(uint64_t driver, const struct trace_event *event)
{
	size_t room = chrome.open_room == 0 ? 64 : 2 * chrome.open_room;

	if (chrome.open_count == chrome.open_room) {
		struct open_event *grown = realloc(chrome.open, room * sizeof(*grown));

		if (grown == NULL)
			return;
		chrome.open = grown;
		chrome.open_room = room;
	}
	chrome.open[chrome.open_count++] = (struct open_event){driver, *event};
}

static void
end_open(FILE *to, const struct recording *recording, uint8_t kind)
{
	const struct trace_event *event = &recording->event;
	struct open_event *open = find_open(recording->driver, event, kind);
	struct json_object *args = json_object_new_object();

	if (open != NULL)
		*open = chrome.open[--chrome.open_count];
	json_object_object_add(args, "status", text(status_string(event->status)));
	json_object_object_add(args, "length", json_object_new_int64(event->length));
	json_object_object_add(args, "actual", json_object_new_int64(event->actual));
	if (event->kind == TRACE_CALL_ENDED)
		json_object_object_add(args, "waited_nsec", json_object_new_int64(event->waited));
	if (event->flags & TRACE_RUNS_BEFORE)
		json_object_object_add(args, "began_before", json_object_new_boolean(true));
	put_pair(to, recording->driver, event, event->time - event->spent, event->time, args);
}

/* --- the rest --- */

static void
put_moment(FILE *to, const struct recording *recording, const char *name)
{
	const struct trace_event *event = &recording->event;
	struct json_object *object = make("i", name, recording->driver, event->place);
	struct json_object *args = json_object_new_object();

	json_object_object_add(object, "cat", text("moment"));
	json_object_object_add(object, "s", text("t"));
	add_time(object, event->time);
	if (event->kind == TRACE_COMPLETION) {
		json_object_object_add(args, "status", text(status_string(event->status)));
		json_object_object_add(args, "registration",
				       json_object_new_int64((int64_t)event->id));
	} else if (event->kind == TRACE_RING_TAKEN || event->kind == TRACE_RING_GIVEN) {
		json_object_object_add(args, "entries", json_object_new_int64(event->length));
	} else if (event->kind == TRACE_DATA_TAKEN || event->kind == TRACE_DATA_GIVEN) {
		json_object_object_add(args, "bytes", json_object_new_int64(event->length));
	}
	json_object_object_add(object, "args", args);
	put(to, object);
}

static void
write_event(FILE *to, const struct recording *recording)
{
	const struct trace_event *event = &recording->event;
	const char *name = trace_event_name(event);

	if (event->time > chrome.last_time)
		chrome.last_time = event->time;
	name_track(to, recording);
	if (event->kind == TRACE_CALL_BEGAN || event->kind == TRACE_TRANSFER_BEGAN)
		keep_open(recording->driver, event);
	else if (event->kind == TRACE_CALL_ENDED)
		end_open(to, recording, TRACE_CALL_BEGAN);
	else if (event->kind == TRACE_TRANSFER_ENDED)
		end_open(to, recording, TRACE_TRANSFER_BEGAN);
	else if (name != NULL)
		put_moment(to, recording, name);
}

static void
write_lost(FILE *to, const struct recording *recording, uint64_t count)
{
	struct json_object *object = make("i", "events lost", recording->driver, TRACE_NO_PLACE);
	struct json_object *args = json_object_new_object();

	json_object_object_add(object, "cat", text("moment"));
	json_object_object_add(object, "s", text("p"));
	add_time(object, chrome.last_time);
	json_object_object_add(args, "count", json_object_new_int64((int64_t)count));
	json_object_object_add(object, "args", args);
	put(to, object);
}

static void
begin(FILE *to)
{
	fprintf(to, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
}

static void
end(FILE *to)
{
	for (size_t i = 0; i < chrome.open_count; i++) {
		struct open_event *open = &chrome.open[i];
		struct json_object *args = json_object_new_object();

		json_object_object_add(args, "unfinished", json_object_new_boolean(true));
		put_pair(to, open->driver, &open->event, open->event.time, chrome.last_time, args);
	}
	fprintf(to, "\n]}\n");
	free(chrome.open);
	free(chrome.tracks);
	memset(&chrome, 0, sizeof(chrome));
}

const struct trace_output trace_as_chrome = {begin, write_event, write_lost, end};
