/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events for people: a line for each, with the seconds since the first one, the driver, who, and
 * what with its figures.
 */
#include "trace_output.h"

#include "clock.h"
#include "escape.h"
#include "status.h"

#include <USBDriverKit/AppleUSBDefinitions.h>
#include <inttypes.h>
#include <string.h>

static uint64_t first_time;

/* "41.2 us" */
static const char *
duration(uint32_t nsec, char text[16])
{
	if (nsec < 10000)
		snprintf(text, 16, "%u ns", nsec);
	else if (nsec < 10000000)
		snprintf(text, 16, "%.1f us", nsec / 1e3);
	else
		snprintf(text, 16, "%.1f ms", nsec / 1e6);
	return text;
}

/* "ok", or the name of the status without its explanation. */
static const char *
result(int32_t status, char text[48])
{
	const char *words = status_string(status);

	if (status == kIOReturnSuccess)
		return "ok";
	snprintf(text, 48, "%.*s", (int)strcspn(words, ":"), words);
	return text;
}

static void
print_who(FILE *to, const struct recording *recording)
{
	struct trace_owner owner;
	char who[32] = "?";

	if (trace_owner_of(recording, &owner)) {
		if (owner.kind == TRACE_CLIENT)
			snprintf(who, sizeof(who), "app %d", owner.pid);
		else if (owner.transfers == kIOUSBEndpointTypeControl)
			snprintf(who, sizeof(who), "control");
		else
			snprintf(who, sizeof(who), "%s 0x%02x",
				 owner.endpoint & kIOUSBEndpointDescriptorDirectionIn ? "in"
										      : "out",
				 owner.endpoint);
	}
	fprintf(to, "  %-11s ", who);
}

static void
print_call(FILE *to, const struct trace_event *event)
{
	char spent[16], waited[16], words[48];

	fprintf(to, "%s %" PRIu64 " #%" PRIu64, trace_operation_name(event->detail), event->value,
		event->id);
	if (event->kind == TRACE_CALL_BEGAN) {
		if (event->count > 0)
			fprintf(to, ", %u scalars", event->count);
		if (event->length > 0)
			fprintf(to, ", %u bytes", event->length);
		return;
	}
	fprintf(to, " = %s", result(event->status, words));
	if (event->count > 0)
		fprintf(to, ", %u scalars", event->count);
	if (event->actual > 0)
		fprintf(to, ", %u bytes", event->actual);
	if (event->flags & TRACE_RUNS_BEFORE)
		fprintf(to, ", began before");
	else
		fprintf(to, ", %s, of these %s until it ran", duration(event->spent, spent),
			duration(event->waited, waited));
}

static void
print_transfer(FILE *to, const struct recording *recording)
{
	const struct trace_event *event = &recording->event;
	char spent[16], words[48], setup[TRACE_SETUP_TEXT];

	fprintf(to, "transfer #%" PRIu64, event->id);
	if ((event->detail & 0x7f) == 0) {
		trace_setup_text(event, setup);
		fprintf(to, " [%s]", setup);
	}
	if (event->kind == TRACE_TRANSFER_BEGAN) {
		fprintf(to, ", %u bytes", event->length);
		return;
	}
	fprintf(to, " = %s, %u of %u bytes", result(event->status, words), event->actual,
		event->length);
	if (event->flags & TRACE_RUNS_BEFORE)
		fprintf(to, ", began before");
	else
		fprintf(to, ", %s", duration(event->spent, spent));
}

static void
print_event(FILE *to, const struct recording *recording)
{
	const struct trace_event *event = &recording->event;
	char name[ESCAPE_ROOM(sizeof(recording->name))], words[48];

	if (first_time == 0)
		first_time = event->time;
	escape_line(name, recording->name, strlen(recording->name));
	fprintf(to, "%12.6f  %s", ((double)event->time - (double)first_time) / NSEC_PER_SEC, name);
	print_who(to, recording);
	switch (event->kind) {
	case TRACE_OPENED:
		fprintf(to, "%s, type %" PRIu64,
			event->flags & TRACE_RUNS_BEFORE ? "was open before" : "opened",
			event->value);
		break;
	case TRACE_CLOSED:
		fprintf(to, "closed");
		break;
	case TRACE_CALL_BEGAN:
	case TRACE_CALL_ENDED:
		print_call(to, event);
		break;
	case TRACE_COMPLETION:
		fprintf(to, "completion of registration %" PRIu64 ": %s, %u arguments", event->id,
			result(event->status, words), event->count);
		if (event->waited > 0)
			fprintf(to, ", behind %u that wait for the app", event->waited);
		break;
	case TRACE_TRANSFER_BEGAN:
	case TRACE_TRANSFER_ENDED:
		print_transfer(to, recording);
		break;
	case TRACE_RING_TAKEN:
		fprintf(to, "ring: %u entries taken", event->length);
		break;
	case TRACE_RING_GIVEN:
		fprintf(to, "ring: %u entries given", event->length);
		break;
	case TRACE_DATA_TAKEN:
		fprintf(to, "data queue: %u bytes taken", event->length);
		break;
	case TRACE_DATA_GIVEN:
		fprintf(to, "data queue: %u bytes given", event->length);
		break;
	default:
		fprintf(to, "event of kind %u", event->kind);
	}
	fprintf(to, "\n");
}

static void
print_lost(FILE *to, const struct recording *recording, uint64_t count)
{
	char name[ESCAPE_ROOM(sizeof(recording->name))];

	escape_line(name, recording->name, strlen(recording->name));
	fprintf(to, "# %s: %" PRIu64 " events lost\n", name, count);
}

static void
nothing(FILE *to)
{
}

const struct trace_output trace_as_text = {nothing, print_event, print_lost, nothing};
