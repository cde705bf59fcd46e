/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundled transfers: a ring of memory descriptors that lives as long as the pipe, and callbacks
 * that tell of up to 16 transfers. Each of them is a request of its own (pipe_request.c). Those of
 * one call are begun together. Those whose callbacks are posted at the same moment, with the same
 * action, and whose slots follow one another share the first one's call, and end together.
 */
#include "pipe_private.h"

#include <stdlib.h>

#include "bounds.h"

static const char complete_bundled[] = "IOUSBHostPipe::CompleteAsyncIOBundled";

kern_return_t
IOUSBHostPipe_CreateActionCompleteAsyncIOBundled(OSObject *target,
						 IOUSBHostPipe_CompleteAsyncIOBundled_f function,
						 size_t referenceSize, OSAction **action)
{
	return action_create(target, complete_bundled, (action_function)function, referenceSize,
			     action);
}

kern_return_t
IOUSBHostPipe_CreateMemoryDescriptorRing(IOUSBHostPipe *object, uint32_t size)
{
	struct IOUSBHostPipe_IVars *pipe;
	IOMemoryDescriptor **ring;
	IOReturn res = kIOReturnExclusiveAccess;

	if (object == NULL || pipe_ivars(object)->type != kIOUSBEndpointTypeBulk)
		return pipe_refuse("CreateMemoryDescriptorRing: not a bulk pipe");
	if (size == 0 || size > DEXT_LIMIT_RING_SLOTS)
		return pipe_refuse("CreateMemoryDescriptorRing: size must be 1 to 4096");
	ring = calloc(size, sizeof(*ring));
	if (ring == NULL)
		return kIOReturnNoMemory;
	pipe = pipe_ivars(object);
	pthread_mutex_lock(&pipe->lock);
	if (pipe->ring == NULL) {
		pipe->ring = ring;
		pipe->ring_size = size;
		ring = NULL;
		res = kIOReturnSuccess;
	}
	pthread_mutex_unlock(&pipe->lock);
	free(ring);
	return res;
}

void
pipe_free_ring(struct IOUSBHostPipe_IVars *pipe)
{
	for (uint32_t i = 0; i < pipe->ring_size; i++)
		OSRelease(pipe->ring[i]);
	free(pipe->ring);
}

kern_return_t
IOUSBHostPipe_SetMemoryDescriptor(IOUSBHostPipe *object, IOMemoryDescriptor *memoryDescriptor,
				  uint32_t index)
{
	struct IOUSBHostPipe_IVars *pipe;
	IOMemoryDescriptor *before = NULL;
	IOReturn res = kIOReturnSuccess;

	if (object == NULL)
		return pipe_refuse("SetMemoryDescriptor: pipe is NULL");
	pipe = pipe_ivars(object);
	OSRetain(memoryDescriptor);
	pthread_mutex_lock(&pipe->lock);
	if (pipe->ring == NULL) {
		res = kIOReturnNotReady;
	} else if (index >= pipe->ring_size) {
		res = kIOReturnBadArgument;
	} else {
		before = pipe->ring[index];
		pipe->ring[index] = memoryDescriptor;
	}
	pthread_mutex_unlock(&pipe->lock);
	OSRelease(res == kIOReturnSuccess ? before : memoryDescriptor);
	return res == kIOReturnBadArgument ? pipe_refuse("SetMemoryDescriptor: no such slot") : res;
}

/* What is in the slots from io->slot on, +1 or NULL. */
static IOReturn
copy_slots(struct IOUSBHostPipe_IVars *pipe, struct pipe_io *ios, uint32_t slot, uint32_t count)
{
	IOReturn res = kIOReturnSuccess;

	pthread_mutex_lock(&pipe->lock);
	if (pipe->ring == NULL)
		res = kIOReturnNotReady;
	else if (slot >= pipe->ring_size)
		res = kIOReturnBadArgument;
	for (uint32_t i = 0; i < count && res == kIOReturnSuccess; i++) {
		ios[i].slot = slot;
		ios[i].memory = pipe->ring[slot];
		OSRetain(ios[i].memory);
		slot = (slot + 1) % pipe->ring_size;
	}
	pthread_mutex_unlock(&pipe->lock);
	return res == kIOReturnBadArgument ? pipe_refuse("AsyncIOBundled: no such slot") : res;
}

kern_return_t
IOUSBHostPipe_AsyncIOBundled(IOUSBHostPipe *pipe, uint32_t ioTransferIndex,
			     uint32_t ioTransferCount, uint32_t *ioTransferAcceptedCount,
			     const uint32_t dataBufferLengthArray[kIOUSBHostPipeBundlingMax],
			     int dataBufferLengthArrayCount, OSAction *completion,
			     uint32_t completionTimeoutMs)
{
	struct pipe_request *requests[kIOUSBHostPipeBundlingMax];
	struct pipe_io ios[kIOUSBHostPipeBundlingMax];
	IOReturn res;

	if (pipe == NULL || ioTransferAcceptedCount == NULL || dataBufferLengthArray == NULL)
		return pipe_refuse("AsyncIOBundled: an argument is NULL");
	if (ioTransferCount == 0 || ioTransferCount > kIOUSBHostPipeBundlingMax ||
	    dataBufferLengthArrayCount < (int)ioTransferCount)
		return pipe_refuse("AsyncIOBundled: ioTransferCount must be 1 to 16, "
				   "with a length for each");
	*ioTransferAcceptedCount = 0;
	res = action_check(completion, complete_bundled);
	for (uint32_t i = 0; i < ioTransferCount; i++)
		ios[i] = (struct pipe_io){
			.length = dataBufferLengthArray[i],
			.action = completion,
			.timeout = completionTimeoutMs,
			.is_bundled = true,
		};
	if (res == kIOReturnSuccess)
		res = copy_slots(pipe_ivars(pipe), ios, ioTransferIndex, ioTransferCount);
	if (res != kIOReturnSuccess)
		return res;
	*ioTransferAcceptedCount = pipe_begin_all(pipe, ios, ioTransferCount, requests, &res);
	for (uint32_t i = 0; i < ioTransferCount; i++)
		OSRelease(ios[i].memory);
	return *ioTransferAcceptedCount > 0 ? kIOReturnSuccess : res;
}

bool
pipe_bundles_locked(const struct IOUSBHostPipe_IVars *pipe, const struct pipe_request *last,
		    unsigned count, const struct pipe_request *next)
{
	return last->is_bundled && next->is_bundled && next->action == last->action &&
	       count < kIOUSBHostPipeBundlingMax &&
	       next->slot == (last->slot + 1) % pipe->ring_size;
}

void
pipe_deliver_bundle(const struct pipe_request *request, OSObject *target, action_function function)
{
	uint32_t actual[kIOUSBHostPipeBundlingMax];
	kern_return_t status[kIOUSBHostPipeBundlingMax];
	int count = 0;

	for (const struct pipe_request *each = request; each != NULL; each = each->bundle) {
		actual[count] = each->transfer.actual;
		status[count++] = each->transfer.status;
	}
	((IOUSBHostPipe_CompleteAsyncIOBundled_f)function)(target, request->action, request->slot,
							   (uint32_t)count, actual, count, status,
							   count);
}
