/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events for programs: a line of JSON for each, all with the same keys. What an event does not have
 * is null.
 *
 * A driver makes a million events in a second, and what is not read in time is lost: so lines are
 * put together here, and not by a library. Of what others wrote only the bundle's identifier is in
 * them; it is escaped once.
 */
#include "trace_output.h"

#include "clock.h"

#include <USBDriverKit/AppleUSBDefinitions.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

/* One line has at most 20 keys and their numbers, and the identifier. */
struct line {
	char text[4096];
	size_t length;
};

static void
put(struct line *line, const char *text)
{
	size_t length = strlen(text);

	memcpy(line->text + line->length, text, length);
	line->length += length;
}

static void
put_number(struct line *line, int64_t number)
{
	uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
	char digits[24];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left != 0);
	if (number < 0)
		digits[--at] = '-';
	memcpy(line->text + line->length, digits + at, sizeof(digits) - at);
	line->length += sizeof(digits) - at;
}

static void
add(struct line *line, const char *key, bool there, int64_t value)
{
	put(line, key);
	if (there)
		put_number(line, value);
	else
		put(line, "null");
}

/* Words of ours: there is nothing to escape. */
static void
add_words(struct line *line, const char *key, const char *words)
{
	put(line, key);
	put(line, words != NULL ? "\"" : "null");
	if (words == NULL)
		return;
	put(line, words);
	put(line, "\"");
}

/* The identifier in quotes, escaped; of the recording that was last. */
static const char *
bundle_of(const struct recording *recording)
{
	static char quoted[6 * sizeof(recording->name) + 3];
	static uint64_t driver;
	struct json_object *object;

	if (driver == recording->driver)
		return quoted;
	driver = recording->driver;
	object = json_object_new_string(recording->name);
	snprintf(quoted, sizeof(quoted), "%s",
		 json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	return quoted;
}

/* What every line begins with. */
static void
begin_line(struct line *line, const struct recording *recording, const char *event)
{
	line->length = 0;
	add_words(line, "{\"event\":", event);
	add(line, ",\"driver\":", true, (int64_t)recording->driver);
	put(line, ",\"bundle\":");
	put(line, bundle_of(recording));
}

static void
end_line(FILE *to, struct line *line)
{
	put(line, "}\n");
	fwrite(line->text, 1, line->length, to);
}

/* In seconds, with all nine digits. */
static void
add_time(struct line *line, uint64_t time)
{
	char fraction[16];

	add(line, ",\"time\":", true, (int64_t)(time / NSEC_PER_SEC));
	for (unsigned i = 9; i > 0; i--, time /= 10)
		fraction[i] = (char)('0' + time % 10);
	fraction[0] = '.';
	fraction[10] = '\0';
	put(line, fraction);
}

static void
print_event(FILE *to, const struct recording *recording)
{
	const struct trace_event *event = &recording->event;
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
	struct line line;

	begin_line(&line, recording, trace_event_name(event));
	add_time(&line, event->time);
	add(&line, ",\"place\":", event->place != TRACE_NO_PLACE, event->place);
	add(&line, ",\"process\":", client, client ? owner.pid : 0);
	add(&line, ",\"endpoint\":", pipe, pipe ? owner.endpoint : 0);
	add(&line, ",\"id\":", call || transfer || completion, (int64_t)event->id);
	add_words(&line, ",\"operation\":",
		  call	 ? trace_operation_name(event->detail)
		  : pipe ? trace_transfers_name(owner.transfers)
			 : NULL);
	add(&line, ",\"selector\":", call, (int64_t)event->value);
	if (control)
		trace_setup_text(event, setup);
	add_words(&line, ",\"setup\":", control ? setup : NULL);
	add(&line, ",\"count\":", call || completion, event->count);
	add(&line, ",\"length\":", call || transfer || entries, event->length);
	add(&line, ",\"actual\":", call || ended, event->actual);
	add(&line, ",\"status\":", ended || completion, event->status);
	add(&line, ",\"nsec\":", timed, event->spent);
	add(&line, ",\"waited\":", (timed && call) || completion, event->waited);
	end_line(to, &line);
}

static void
print_lost(FILE *to, const struct recording *recording, uint64_t count)
{
	struct line line;

	begin_line(&line, recording, "lost");
	add(&line, ",\"count\":", true, (int64_t)count);
	end_line(to, &line);
}

static void
nothing(FILE *to)
{
}

const struct trace_output trace_as_json = {nothing, print_event, print_lost, nothing};
