/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Isochronous transfers. The frame list is memory that an app may be able to write: each length is
 * read once, when the transfer starts, into the packets that the backend gets; the results go back
 * from there when it is over. Otherwise such a transfer is one like the others (pipe_request.c).
 */
#include "pipe_private.h"

#include <stdlib.h>

#include "bounds.h"
#include "log.h"

static const char complete_isoch[] = "IOUSBHostPipe::CompleteAsyncIsochIO";

_Static_assert(sizeof(IOUSBIsochronousFrame) == 24, "Apple's layout");

kern_return_t
IOUSBHostPipe_CreateActionCompleteAsyncIsochIO(OSObject *target,
					       IOUSBHostPipe_CompleteAsyncIsochIO_f function,
					       size_t referenceSize, OSAction **action)
{
	return action_create(target, complete_isoch, (action_function)function, referenceSize,
			     action);
}

/* The packets for these frames, and their bytes in all. */
static IOReturn
read_frames(IOMemoryDescriptor *list, struct pipe_io *io)
{
	uint64_t count = memory_length(list) / sizeof(IOUSBIsochronousFrame), total = 0;
	const volatile IOUSBIsochronousFrame *frames = memory_address(list);

	if (frames == NULL)
		return kIOReturnNoMemory;
	io->packets = calloc(count, sizeof(*io->packets));
	if (io->packets == NULL)
		return kIOReturnNoMemory;
	for (uint64_t i = 0; i < count; i++) {
		io->packets[i].length = frames[i].requestCount;
		total += io->packets[i].length;
	}
	if (total > UINT32_MAX) {
		free(io->packets);
		return pipe_refuse("IsochIO: the frames are longer than dataBuffer");
	}
	io->packet_count = (uint32_t)count;
	io->length = (uint32_t)total;
	return kIOReturnSuccess;
}

static IOReturn
check_list(IOMemoryDescriptor *list)
{
	uint64_t length = memory_length(list);

	if (length == 0 || length % sizeof(IOUSBIsochronousFrame) != 0 ||
	    length / sizeof(IOUSBIsochronousFrame) > DEXT_LIMIT_ISOCH_FRAMES)
		return pipe_refuse("IsochIO: frameList must be of 1 to 1024 whole frames");
	if (memory_direction(list) == kIOMemoryDirectionOut) {
		log_error("IOUSBHostPipe: IsochIO: frameList may only be read");
		return kIOReturnNotPermitted;
	}
	return kIOReturnSuccess;
}

kern_return_t
IOUSBHostPipe_IsochIO(IOUSBHostPipe *pipe, IOMemoryDescriptor *dataBuffer,
		      IOMemoryDescriptor *frameList, uint64_t firstFrameNumber,
		      OSAction *completion)
{
	struct pipe_io io = {.memory = dataBuffer, .frame_list = frameList, .action = completion};
	struct pipe_request *request;
	IOReturn res = kIOReturnSuccess;

	if (pipe == NULL || dataBuffer == NULL || frameList == NULL)
		return pipe_refuse("IsochIO: an argument is NULL");
	if (firstFrameNumber != 0)
		return kIOReturnUnsupported;
	if (completion != NULL)
		res = action_check(completion, complete_isoch);
	if (res == kIOReturnSuccess)
		res = check_list(frameList);
	if (res == kIOReturnSuccess)
		res = read_frames(frameList, &io);
	if (res != kIOReturnSuccess)
		return res;
	res = pipe_begin(pipe, &io, &request);
	if (res != kIOReturnSuccess)
		free(io.packets);
	else if (completion == NULL)
		res = pipe_await_take(request, NULL);
	return res;
}

void
pipe_report_frames(const struct pipe_request *request)
{
	const struct usb_transfer *transfer = &request->transfer;
	volatile IOUSBIsochronousFrame *frames = memory_address(request->frame_list);

	for (uint32_t i = 0; i < transfer->packet_count; i++) {
		frames[i].status = transfer->packets[i].status;
		frames[i].completeCount = transfer->packets[i].actual;
		frames[i].timeStamp = transfer->timestamp;
	}
}
