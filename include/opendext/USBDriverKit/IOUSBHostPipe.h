/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOUSBHostPipe: one endpoint of an open interface, from IOUSBHostInterface_CopyPipe.
 *
 * Make an action with the target that is to be called, submit buffers with AsyncIO, one after the
 * other, as many as wanted, with one action or several. Each successful AsyncIO is answered by
 * exactly one CompleteAsyncIO, in the order of submission, whatever happens: success, error, abort,
 * close, unplug. The callback runs on the queue of the action's target.
 *
 * The bytes go to and come from the descriptor's own pages; nothing is copied here. Until the
 * callback has come they belong to the device, and the descriptor is kept alive.
 *
 * An error other than a timeout halts the pipe, unless it is isochronous: what was queued behind
 * completes with kIOReturnAborted, and AsyncIO and IO return kUSBHostReturnPipeStalled until
 * ClearStall is called. An Abort does not halt the pipe.
 *
 * Statuses of a transfer:
 *	kIOReturnSuccess		also when an IN transfer ended early, by a short packet
 *	kIOReturnTimeout		its time was over; the bytes counted had moved
 *	kIOReturnAborted		Abort, Close, or behind one that failed
 *	kUSBHostReturnPipeStalled	the endpoint answered STALL
 *	kIOReturnOverrun		the device sent more than fitted, see AsyncIO
 *	kIOReturnNoDevice		the device has gone
 *	kIOReturnNotResponding		no answer, or damaged beyond the controller's retries
 *	kIOReturnIOError		anything else; the log says what
 *
 * All functions may be called from any thread or queue.
 */
#ifndef OPENDEXT_USBDRIVERKIT_IOUSBHOSTPIPE_H
#define OPENDEXT_USBDRIVERKIT_IOUSBHOSTPIPE_H

#include <DriverKit/IOMemoryDescriptor.h>
#include <DriverKit/IOService.h>
#include <USBDriverKit/AppleUSBDefinitions.h>

DEXT_BEGIN_DECLS

typedef struct IOUSBHostPipe IOUSBHostPipe;
extern const OSMetaClass gIOUSBHostPipeMetaClass;

/*
 * actualByteCount: bytes that moved, also when the status is an error. completionTimestamp:
 * CLOCK_MONOTONIC in ns, when the transfer was found finished.
 */
typedef void (*IOUSBHostPipe_CompleteAsyncIO_f)(OSObject *target, OSAction *action, IOReturn status,
						uint32_t actualByteCount,
						uint64_t completionTimestamp);

/*
 * The action for AsyncIO: `function` will be called with `target`, which the action retains.
 * referenceSize bytes of zeroed memory are at OSAction_GetReference. The caller releases the
 * action.
 */
kern_return_t IOUSBHostPipe_CreateActionCompleteAsyncIO(OSObject *target,
							IOUSBHostPipe_CompleteAsyncIO_f function,
							size_t referenceSize, OSAction **action);

/*
 * Queues one transfer of the first dataBufferLength bytes of dataBuffer, in the direction of the
 * endpoint, and returns. Both dataBuffer and completion are retained until the callback has
 * returned. completionTimeoutMs: 0 means none; counted from when the transfer reaches the device.
 *
 * OUT: ends with a short packet only if the length is no multiple of the packet size; a transfer of
 * 0 bytes (dataBuffer may be NULL) is one zero-length packet. IN: choose a multiple of the packet
 * size, else a device that sends more than asked causes kIOReturnOverrun.
 *
 * kIOReturnBadArgument: a missing argument, a length past the descriptor's, a timeout on an
 * interrupt pipe, or an action that is not of this type. kIOReturnNotPermitted: the descriptor's
 * direction forbids it (an IN transfer into memory that its app lent for reading).
 * kUSBHostReturnPipeStalled: the pipe is halted. kIOReturnNotOpen: the interface was closed, or
 * another alternate setting selected. kIOReturnNoDevice: the device has gone. No callback comes
 * after an error from here.
 */
kern_return_t IOUSBHostPipe_AsyncIO(IOUSBHostPipe *pipe, IOMemoryDescriptor *dataBuffer,
				    uint32_t dataBufferLength, OSAction *completion,
				    uint32_t completionTimeoutMs);

/*
 * Not in DriverKit, which has no way to say it: the same on an OUT pipe, but a length that is a
 * multiple of the packet size (0 is not) is followed by a zero-length packet, which tells the
 * device that the data end here. On an IN pipe: kIOReturnBadArgument.
 */
kern_return_t dext_usb_pipe_async_io_zlp(IOUSBHostPipe *pipe, IOMemoryDescriptor *dataBuffer,
					 uint32_t dataBufferLength, OSAction *completion,
					 uint32_t completionTimeoutMs);

/*
 * The same as AsyncIO, but waits for the end of the transfer and returns its status;
 * *bytesTransferred (may be NULL) is set whenever the transfer was started. Blocks its queue.
 */
kern_return_t IOUSBHostPipe_IO(IOUSBHostPipe *pipe, IOMemoryDescriptor *dataBuffer,
			       uint32_t dataBufferLength, uint32_t *bytesTransferred,
			       uint32_t completionTimeoutMs);

/*
 * Ends all transfers of the pipe with the status withError (kIOReturnAborted, usually; a success
 * status is kIOReturnBadArgument), unless they were faster. options kIOUSBAbortAsynchronous returns
 * at once; kIOUSBAbortSynchronous returns after the last callback: those that belong on the
 * caller's own queue run nested, before Abort returns. Called from a callback of this same pipe it
 * waits for the others only. forClient is not looked at.
 */
kern_return_t IOUSBHostPipe_Abort(IOUSBHostPipe *pipe, uint32_t options, IOReturn withError,
				  IOService *forClient);

/*
 * Ends a halt: aborts what is left on the pipe, waiting for its callbacks as a synchronous Abort
 * does, and resets the data toggle; withRequest also sends CLEAR_FEATURE(ENDPOINT_HALT) to the
 * device, and waits for its answer, so it blocks its queue. A driver that must not be held up by a
 * device which does not answer sends that request by IOUSBHostInterface_AsyncDeviceRequest, and
 * calls this with false when it has ended.
 */
kern_return_t IOUSBHostPipe_ClearStall(IOUSBHostPipe *pipe, bool withRequest);

/*
 * Bundled transfers: many with one call, on a bulk pipe. The memory is put into a ring of slots
 * once, then slots are named by index; after the last one comes slot 0.
 *
 * The ring of `size` slots, 1 to 4096; once in the life of a pipe: kIOReturnExclusiveAccess if
 * there is one. kIOReturnBadArgument: size; or the pipe is no bulk pipe, of this and the next two
 * calls.
 */
kern_return_t IOUSBHostPipe_CreateMemoryDescriptorRing(IOUSBHostPipe *pipe, uint32_t size);
/*
 * Puts memory into a slot, retained, in place of what was there; NULL empties it. Transfers that
 * were started keep what they had. kIOReturnBadArgument: no such slot. kIOReturnNotReady: no ring.
 */
kern_return_t IOUSBHostPipe_SetMemoryDescriptor(IOUSBHostPipe *pipe,
						IOMemoryDescriptor *memoryDescriptor,
						uint32_t index);

enum { kIOUSBHostPipeBundlingMax = 16 };

/*
 * ioCompletionCount (1 to 16) transfers have ended, from slot ioCompletionIndex on; one value of
 * each array for each of them.
 */
typedef void (*IOUSBHostPipe_CompleteAsyncIOBundled_f)(
	OSObject *target, OSAction *action, uint32_t ioCompletionIndex, uint32_t ioCompletionCount,
	const uint32_t actualByteCountArray[kIOUSBHostPipeBundlingMax],
	int actualByteCountArrayCount, const kern_return_t statusArray[kIOUSBHostPipeBundlingMax],
	int statusArrayCount);
/* The action for AsyncIOBundled; as IOUSBHostPipe_CreateActionCompleteAsyncIO. */
kern_return_t
IOUSBHostPipe_CreateActionCompleteAsyncIOBundled(OSObject *target,
						 IOUSBHostPipe_CompleteAsyncIOBundled_f function,
						 size_t referenceSize, OSAction **action);
/*
 * AsyncIO for each of the ioTransferCount (1 to 16) slots from ioTransferIndex on, with a length of
 * dataBufferLengthArray each (dataBufferLengthArrayCount of them, at least ioTransferCount).
 * *ioTransferAcceptedCount: how many were started, from the first on; only those are answered. If
 * it is none the call returns why, else kIOReturnSuccess. Completions come in order, each transfer
 * in exactly one of them, but not necessarily grouped as they were started.
 *
 * kIOReturnBadArgument also: a slot outside the ring, or an empty one with a length that is not 0.
 * kIOReturnNotReady: no ring.
 */
kern_return_t
IOUSBHostPipe_AsyncIOBundled(IOUSBHostPipe *pipe, uint32_t ioTransferIndex,
			     uint32_t ioTransferCount, uint32_t *ioTransferAcceptedCount,
			     const uint32_t dataBufferLengthArray[kIOUSBHostPipeBundlingMax],
			     int dataBufferLengthArrayCount, OSAction *completion,
			     uint32_t completionTimeoutMs);

/* One frame (at high speed and above: one service interval) of an isochronous transfer. */
typedef struct IOUSBIsochronousFrame {
	IOReturn status;	/* out: of this frame, as the statuses of a transfer */
	uint32_t requestCount;	/* in: its bytes, up to what the endpoint takes in one interval */
	uint32_t completeCount; /* out: bytes that moved */
	uint32_t reserved;	/* 0 */
	uint64_t timeStamp; /* out: CLOCK_MONOTONIC in ns, when the transfer was found finished */
} IOUSBIsochronousFrame;

/* kIOReturnSuccess if the frames were done, whatever became of each; else why they were not. */
typedef void (*IOUSBHostPipe_CompleteAsyncIsochIO_f)(OSObject *target, OSAction *action,
						     IOReturn status);
/* The action for IsochIO; as IOUSBHostPipe_CreateActionCompleteAsyncIO. */
kern_return_t
IOUSBHostPipe_CreateActionCompleteAsyncIsochIO(OSObject *target,
					       IOUSBHostPipe_CompleteAsyncIsochIO_f function,
					       size_t referenceSize, OSAction **action);
/*
 * A transfer on an isochronous pipe. frameList is an array of IOUSBIsochronousFrame, as long as the
 * descriptor, 1 to 1024 frames; dataBuffer holds the frames' bytes one after the other, each frame
 * beginning where the requestCount of the one before ends (also if less came). The results are in
 * frameList when the callback comes. To keep the stream without gaps have at least two queued.
 *
 * firstFrameNumber: 0, behind what is queued or as soon as possible; Linux knows no other:
 * kIOReturnUnsupported. completion NULL: waits for the end and returns its status; blocks its
 * queue. A frame that fails does not halt the pipe.
 *
 * kIOReturnBadArgument: another type of pipe; a list of no or too many frames or of part of one;
 * frames that are longer than dataBuffer. Otherwise as AsyncIO.
 */
kern_return_t IOUSBHostPipe_IsochIO(IOUSBHostPipe *pipe, IOMemoryDescriptor *dataBuffer,
				    IOMemoryDescriptor *frameList, uint64_t firstFrameNumber,
				    OSAction *completion);

/*
 * Gives the endpoint other descriptors. Linux keeps those that the device sent: other ones are
 * kIOReturnUnsupported, the current ones a success.
 */
kern_return_t IOUSBHostPipe_AdjustPipe(IOUSBHostPipe *pipe,
				       const IOUSBStandardEndpointDescriptors *descriptors);
/* As IOUSBHostInterface_SetIdlePolicy: kIOReturnUnsupported. */
kern_return_t IOUSBHostPipe_SetIdlePolicy(IOUSBHostPipe *pipe, uint32_t deviceIdleTimeout);
kern_return_t IOUSBHostPipe_GetIdlePolicy(IOUSBHostPipe *pipe, uint32_t *deviceIdleTimeout);
/* The device's address on its bus. */
kern_return_t IOUSBHostPipe_GetDeviceAddress(IOUSBHostPipe *pipe, uint8_t *address);

/* Fills *descriptors; getType is one of kIOUSBGetEndpointDescriptor..., else kIOReturnBadArgument.
 */
kern_return_t IOUSBHostPipe_GetDescriptors(IOUSBHostPipe *pipe,
					   IOUSBStandardEndpointDescriptors *descriptors,
					   uint8_t getType);
/* One of kIOUSBHostConnectionSpeed... */
kern_return_t IOUSBHostPipe_GetSpeed(IOUSBHostPipe *pipe, uint8_t *speed);
/* A buffer that is good for transfers on this pipe: IOBufferMemoryDescriptor_Create. */
kern_return_t IOUSBHostPipe_CreateIOBuffer(IOUSBHostPipe *pipe, uint64_t options, uint64_t capacity,
					   IOBufferMemoryDescriptor **buffer);

DEXT_END_DECLS

#endif
