/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events for programs: a line of JSON for each, all with the same keys. What an event does not have
 * is null.
 */
#include "trace_output.h"

#include <USBDriverKit/AppleUSBDefinitions.h>
#include <json-c/json.h>

static void
add(struct json_object *object, const char *key, bool there, int64_t value)
{
	json_object_object_add(object, key, there ? json_object_new_int64(value) : NULL);
}

static void
add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text != NULL ? json_object_new_string(text) : NULL);
}

static void
print(FILE *to, struct json_object *object)
{
	fprintf(to, "%s\n",
		json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
							       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

/* What every line begins with. */
static struct json_object *
begin_line(const struct recording *recording, const char *event)
{
	struct json_object *object = json_object_new_object();

	add_text(object, "event", event);
	add(object, "driver", true, (int64_t)recording->driver);
	add_text(object, "bundle", recording->name);
	return object;
}

static void
print_event(FILE *to, const struct recording *recording)
{
	const struct trace_event *event = &recording->event;
	struct json_object *object = begin_line(recording, trace_event_name(event));
	bool call = event->kind == TRACE_CALL_BEGAN || event->kind == TRACE_CALL_ENDED;
	bool transfer = event->kind == TRACE_TRANSFER_BEGAN || event->kind == TRACE_TRANSFER_ENDED;
	bool ended = event->kind == TRACE_CALL_ENDED || event->kind == TRACE_TRANSFER_ENDED;
	bool entries = event->kind >= TRACE_RING_TAKEN && event->kind <= TRACE_DATA_GIVEN;
	bool completion = event->kind == TRACE_COMPLETION;
	bool timed = ended && (event->flags & TRACE_RUNS_BEFORE) == 0;
	char setup[TRACE_SETUP_TEXT];
	struct trace_owner owner;
	bool known = trace_owner_of(recording, &owner);
	bool client = known && owner.kind == TRACE_CLIENT, pipe = known && owner.kind == TRACE_PIPE;
	bool control = pipe && owner.transfers == kIOUSBEndpointTypeControl;

	json_object_object_add(object, "time", json_object_new_double((double)event->time / 1e9));
	add(object, "place", event->place != TRACE_NO_PLACE, event->place);
	add(object, "process", client, client ? owner.pid : 0);
	add(object, "endpoint", pipe, pipe ? owner.endpoint : 0);
	add(object, "id", call || transfer || completion, (int64_t)event->id);
	add_text(object, "operation",
		 call	? trace_operation_name(event->detail)
		 : pipe ? trace_transfers_name(owner.transfers)
			: NULL);
	add(object, "selector", call, (int64_t)event->value);
	trace_setup_text(event, setup);
	add_text(object, "setup", control ? setup : NULL);
	add(object, "count", call || completion, event->count);
	add(object, "length", call || transfer || entries, event->length);
	add(object, "actual", call || ended, event->actual);
	add(object, "status", ended || completion, event->status);
	add(object, "nsec", timed, event->spent);
	add(object, "waited", (timed && call) || completion, event->waited);
	print(to, object);
}

static void
print_lost(FILE *to, const struct recording *recording, uint64_t count)
{
	struct json_object *object = begin_line(recording, "lost");

	add(object, "count", true, (int64_t)count);
	print(to, object);
}

static void
nothing(FILE *to)
{
}

const struct trace_output trace_as_json = {nothing, print_event, print_lost, nothing};
