/* SPDX-License-Identifier: Apache-2.0 */
/* See recording_files.h. */
#include "recording_files.h"

#include "memfd.h"
#include "packets.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

void
recording_files_close(struct recording_files *files)
{
	for (unsigned i = 0; i < 2; i++) {
		if (files->at[i] != NULL)
			memfd_unmap((void *)(uintptr_t)files->at[i], trace_length(i), false);
		files->at[i] = NULL;
	}
}

static IOReturn
map(struct recording_files *files, enum trace_what what, int fd)
{
	void *memory = NULL;
	IOReturn status = memfd_check_peer(fd, trace_length(what));

	if (status == kIOReturnSuccess)
		status = memfd_map(fd, 0, trace_length(what), false, false, NULL, &memory);
	files->at[what] = memory;
	return status;
}

/* TRACING, which the host sends first. */
static IOReturn
take(struct packet *packet, bool capture, struct recording_files *files)
{
	struct tracing_body body;
	IOReturn status = packets_check(packet, PACKET_FROM_RECORDER);

	memcpy(&body, packet->body, sizeof(body));
	if (status == kIOReturnSuccess)
		status = packet->header->status;
	if (status == kIOReturnSuccess && body.version != TRACE_VERSION)
		status = kIOReturnUnsupported;
	if (status == kIOReturnSuccess && packet->fd_count != (capture ? 2u : 1u))
		status = kIOReturnIPCError;
	for (unsigned i = 0; status == kIOReturnSuccess && i < packet->fd_count; i++) {
		status = map(files, i, packet->fds[i]);
		files->start[i] = (struct trace_start){body.position[i], body.number[i]};
	}
	return status;
}

IOReturn
recording_files_receive(int socket, unsigned wait_msec, bool capture,
			struct recording_files *ret_files)
{
	struct packet *packet = malloc(sizeof(*packet));
	struct pollfd there = {.fd = socket, .events = POLLIN};
	struct recording_files files = {.at = {NULL, NULL}};
	IOReturn status;

	if (packet == NULL)
		return kIOReturnNoMemory;
	status = poll(&there, 1, (int)wait_msec) > 0 ? packet_receive(socket, packet, false)
						     : kIOReturnTimeout;
	if (status == kIOReturnSuccess) {
		status = take(packet, capture, &files);
		packet_close_fds(packet);
	}
	free(packet);
	if (status != kIOReturnSuccess)
		recording_files_close(&files);
	else
		*ret_files = files;
	return status;
}
