/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose buffer goes to the device next, when several apps share a pipe.
 *
 * Two rules give the promise of bulkstream.h (a new buffer of an app that has no other underway
 * waits for at most DEXT_BULKSTREAM_IN_FLIGHT buffers of others, with up to 8 apps):
 *
 *	1. The pipe holds at most D transfers. What is on the pipe cannot be overtaken any more.
 *	2. Next is the app with the fewest on the pipe; among equals, who waited longest. An app
 *	   whose last transfer has just come back goes behind all others.
 *
 * So in front of a newcomer are at most D on the pipe, and one for each other app that has none on
 * the pipe and came before it: with n apps D + n - 2. Hence D = 10 - n, at least 2 so that the
 * device always finds the next transfer queued. Between equally busy apps rule 2 is round robin.
 */
#include "stream.h"

#define DEPTH_ALONE_IN 32 /* nobody can be made to wait, and a device that sends may be in bursts \
			   */
#define DEPTH_MIN 2

uint32_t
scheduler_depth(const struct pipe *pipe)
{
	uint32_t others_turns = pipe->stream_count > 2 ? pipe->stream_count - 2 : 0;

	if ((pipe->address & kIOUSBEndpointDescriptorDirectionIn) != 0 && pipe->stream_count <= 1)
		return DEPTH_ALONE_IN;
	if (others_turns + DEPTH_MIN >= DEXT_BULKSTREAM_IN_FLIGHT)
		return DEPTH_MIN;
	return DEXT_BULKSTREAM_IN_FLIGHT - others_turns;
}

struct stream *
scheduler_next(const struct pipe *pipe)
{
	struct stream *best = NULL;

	for (struct stream *stream = pipe->streams; stream != NULL; stream = stream->next) {
		if (stream->waiting.count == 0 || stream->state != STREAM_OPEN)
			continue;
		if (best == NULL || stream->in_flight < best->in_flight ||
		    (stream->in_flight == best->in_flight && stream->turn < best->turn))
			best = stream;
	}
	return best;
}

void
scheduler_to_back(struct stream *stream)
{
	stream->turn = ++stream->pipe->turn;
}
