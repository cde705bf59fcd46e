/* SPDX-License-Identifier: Apache-2.0 */
/* The forms in which `dext trace` shows events. */
#ifndef DEXT_TRACE_OUTPUT_H
#define DEXT_TRACE_OUTPUT_H

#include <stdio.h>

#include "recordings.h"

struct trace_output {
	void (*begin)(FILE *to);
	void (*event)(FILE *to, const struct recording *recording);
	/* Events that were overwritten before they were read. */
	void (*lost)(FILE *to, const struct recording *recording, uint64_t count);
	void (*end)(FILE *to);
};

extern const struct trace_output trace_as_text;
extern const struct trace_output trace_as_json;	  /* an object on a line for each event */
extern const struct trace_output trace_as_chrome; /* what Perfetto and browsers open */

/* Whose event it is. False: it is not known. */
bool trace_owner_of(const struct recording *recording, struct trace_owner *ret_owner);
/* "call_began", "transfer_ended", ...; NULL: unknown. */
const char *trace_event_name(const struct trace_event *event);
/* Of a call: "method", "map", ...; of a pipe's transfers: "bulk", ... */
const char *trace_operation_name(uint8_t operation);
const char *trace_transfers_name(uint8_t type);
/* "80 06 00 01 00 00 12 00" */
#define TRACE_SETUP_TEXT 24
void trace_setup_text(const struct trace_event *event, char text[TRACE_SETUP_TEXT]);

#endif
