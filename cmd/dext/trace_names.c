/* SPDX-License-Identifier: Apache-2.0 */
/* Words for what is in events, the same in all forms. */
#include "trace_output.h"

#include "call_page.h"

#include <USBDriverKit/AppleUSBDefinitions.h>
#include <string.h>

bool
trace_owner_of(const struct recording *recording, struct trace_owner *ret_owner)
{
	uint32_t generation;

	return trace_read_owner(recording->files.at[TRACE_EVENTS], recording->event.place,
				ret_owner, &generation);
}

const char *
trace_event_name(const struct trace_event *event)
{
	static const char *const names[] = {
		[TRACE_OPENED] = "opened",
		[TRACE_CLOSED] = "closed",
		[TRACE_CALL_BEGAN] = "call_began",
		[TRACE_CALL_ENDED] = "call_ended",
		[TRACE_COMPLETION] = "completion",
		[TRACE_TRANSFER_BEGAN] = "transfer_began",
		[TRACE_TRANSFER_ENDED] = "transfer_ended",
		[TRACE_RING_TAKEN] = "ring_taken",
		[TRACE_RING_GIVEN] = "ring_given",
		[TRACE_DATA_TAKEN] = "data_taken",
		[TRACE_DATA_GIVEN] = "data_given",
	};

	if (event->kind == TRACE_OPENED && event->flags & TRACE_RUNS_BEFORE)
		return "was_open";
	return event->kind < sizeof(names) / sizeof(names[0]) ? names[event->kind] : NULL;
}

const char *
trace_operation_name(uint8_t operation)
{
	switch (operation) {
	case CALL_METHOD:
		return "method";
	case CALL_MAP:
		return "map";
	case CALL_UNMAP:
		return "unmap";
	case CALL_SET_PROPERTIES:
		return "set_properties";
	case CALL_LISTEN:
		return "listen";
	default:
		return "call";
	}
}

const char *
trace_transfers_name(uint8_t type)
{
	switch (type) {
	case kIOUSBEndpointTypeControl:
		return "control";
	case kIOUSBEndpointTypeIsochronous:
		return "isochronous";
	case kIOUSBEndpointTypeBulk:
		return "bulk";
	case kIOUSBEndpointTypeInterrupt:
		return "interrupt";
	default:
		return "transfer";
	}
}

void
trace_setup_text(const struct trace_event *event, char text[TRACE_SETUP_TEXT])
{
	uint8_t bytes[8];

	memcpy(bytes, &event->value, sizeof(bytes));
	for (unsigned i = 0; i < sizeof(bytes); i++)
		snprintf(text + 3 * i, TRACE_SETUP_TEXT - 3 * i, i < 7 ? "%02x " : "%02x",
			 bytes[i]);
}
