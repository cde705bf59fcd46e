/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statuses: errno in, words out. Any thread; errno is kept.
 *
 * A new errno is sorted by what the caller can do about it, not by what it sounds like.
 */
#include "status.h"

#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <IOKit/usb/USB.h>
#include <mach/message.h>
#include <mach/mig_errors.h>

static IOReturn
sort(int error)
{
	switch (error) {
	case ENOMEM:
		return kIOReturnNoMemory;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ETOOMANYREFS:
	case EDQUOT:
		return kIOReturnNoResources;
	case EPERM:
		return kIOReturnNotPermitted;
	case EACCES:
		return kIOReturnNotPrivileged;
	case EINVAL:
	case EFAULT:
	case EBADF:
	case ENOTSOCK:
	case EOVERFLOW:
	case ENAMETOOLONG:
	case EISDIR:
	case ENOTDIR:
		return kIOReturnBadArgument;
	case ENOENT:
	case ESRCH:
		return kIOReturnNotFound;
	case ENODEV:
	case ENXIO:
		return kIOReturnNoDevice;
	case EBUSY:
	case EAGAIN:
		return kIOReturnBusy;
	case EEXIST:
	case EADDRINUSE:
		return kIOReturnExclusiveAccess;
	case EPIPE:
	case ECONNRESET:
	case ECONNREFUSED:
	case ENOTCONN:
	case ESHUTDOWN:
		return kIOReturnOffline;
	case ETIMEDOUT:
		return kIOReturnTimeout;
	case ENOSPC:
	case EFBIG:
		return kIOReturnNoSpace;
	case EMSGSIZE:
		return kIOReturnMessageTooLarge;
	case ENOSYS:
	case EOPNOTSUPP:
	case EPROTONOSUPPORT:
	case EAFNOSUPPORT:
	case ENOTTY:
		return kIOReturnUnsupported;
	case ECANCELED:
		return kIOReturnAborted;
	case EIO:
	case EPROTO:
	case EILSEQ:
		return kIOReturnIOError;
	default:
		return kIOReturnError;
	}
}

const char *
errno_text(int error, char *text, size_t size)
{
	int kept = errno;

	errno = error;
	snprintf(text, size, "%m"); /* strerror_r is another function in each C library */
	errno = kept;
	return text;
}

IOReturn
status_from_errno(int error, const char *what)
{
	char buffer[128];

	if (log_enabled(LOG_LEVEL_DEBUG))
		log_debug("%s: %s", what, errno_text(error, buffer, sizeof(buffer)));
	return sort(error);
}

static const struct {
	IOReturn status;
	const char *text;
} texts[] = {
	{kIOReturnSuccess, "kIOReturnSuccess: success"},
	{kIOReturnError,
	 "kIOReturnError: it did not work, for no reason that has a code of its own"},
	{kIOReturnNoMemory, "kIOReturnNoMemory: out of memory"},
	{kIOReturnNoResources, "kIOReturnNoResources: a limit has been reached"},
	{kIOReturnIPCError, "kIOReturnIPCError: the other process broke the protocol"},
	{kIOReturnNoDevice, "kIOReturnNoDevice: no such device"},
	{kIOReturnNotPrivileged, "kIOReturnNotPrivileged: this user may not do that"},
	{kIOReturnBadArgument, "kIOReturnBadArgument: an argument is not valid"},
	{kIOReturnLockedRead, "kIOReturnLockedRead: locked for reading"},
	{kIOReturnLockedWrite, "kIOReturnLockedWrite: locked for writing"},
	{kIOReturnExclusiveAccess,
	 "kIOReturnExclusiveAccess: somebody else has it open for himself alone"},
	{kIOReturnBadMessageID, "kIOReturnBadMessageID: unknown message"},
	{kIOReturnUnsupported, "kIOReturnUnsupported: not supported"},
	{kIOReturnVMError, "kIOReturnVMError: mapping memory failed"},
	{kIOReturnInternalError, "kIOReturnInternalError: a mistake inside OpenDext or the driver"},
	{kIOReturnIOError, "kIOReturnIOError: input or output failed"},
	{kIOReturnCannotLock, "kIOReturnCannotLock: a lock cannot be taken"},
	{kIOReturnNotOpen, "kIOReturnNotOpen: not open"},
	{kIOReturnNotReadable, "kIOReturnNotReadable: cannot be read"},
	{kIOReturnNotWritable, "kIOReturnNotWritable: cannot be written"},
	{kIOReturnNotAligned,
	 "kIOReturnNotAligned: an address or length is not aligned as it must be"},
	{kIOReturnBadMedia, "kIOReturnBadMedia: the medium is damaged"},
	{kIOReturnStillOpen, "kIOReturnStillOpen: still open"},
	{kIOReturnRLDError, "kIOReturnRLDError: loading code failed"},
	{kIOReturnDMAError, "kIOReturnDMAError: the device's memory access failed"},
	{kIOReturnBusy, "kIOReturnBusy: busy, try again later"},
	{kIOReturnTimeout, "kIOReturnTimeout: it took longer than allowed"},
	{kIOReturnOffline, "kIOReturnOffline: the other side has gone"},
	{kIOReturnNotReady, "kIOReturnNotReady: not ready yet"},
	{kIOReturnNotAttached, "kIOReturnNotAttached: not attached"},
	{kIOReturnNoChannels, "kIOReturnNoChannels: no channel is left"},
	{kIOReturnNoSpace, "kIOReturnNoSpace: no space is left"},
	{kIOReturnPortExists, "kIOReturnPortExists: there is a port already"},
	{kIOReturnCannotWire, "kIOReturnCannotWire: memory cannot be locked"},
	{kIOReturnNoInterrupt, "kIOReturnNoInterrupt: no interrupt is attached"},
	{kIOReturnNoFrames, "kIOReturnNoFrames: no frame is waiting"},
	{kIOReturnMessageTooLarge, "kIOReturnMessageTooLarge: the message is too large"},
	{kIOReturnNotPermitted, "kIOReturnNotPermitted: not permitted"},
	{kIOReturnNoPower, "kIOReturnNoPower: there is no power"},
	{kIOReturnNoMedia, "kIOReturnNoMedia: there is no medium"},
	{kIOReturnUnformattedMedia, "kIOReturnUnformattedMedia: the medium has no format"},
	{kIOReturnUnsupportedMode, "kIOReturnUnsupportedMode: no such mode"},
	{kIOReturnUnderrun, "kIOReturnUnderrun: less data than expected"},
	{kIOReturnOverrun, "kIOReturnOverrun: more data than there was room for"},
	{kIOReturnDeviceError, "kIOReturnDeviceError: the device does not work as it should"},
	{kIOReturnNoCompletion, "kIOReturnNoCompletion: a completion is needed"},
	{kIOReturnAborted, "kIOReturnAborted: aborted"},
	{kIOReturnNoBandwidth, "kIOReturnNoBandwidth: the bus has no bandwidth left"},
	{kIOReturnNotResponding, "kIOReturnNotResponding: the device does not answer"},
	{kIOReturnIsoTooOld, "kIOReturnIsoTooOld: the isochronous request is for a time gone by"},
	{kIOReturnIsoTooNew,
	 "kIOReturnIsoTooNew: the isochronous request is too far in the future"},
	{kIOReturnNotFound, "kIOReturnNotFound: not found"},
	{kIOReturnInvalid, "kIOReturnInvalid: not a valid status"},
	{kUSBHostReturnPipeStalled,
	 "kUSBHostReturnPipeStalled: the endpoint has stalled, clear the stall first"},
	{kUSBHostReturnNoPower,
	 "kUSBHostReturnNoPower: the bus has too little power for the device"},
	{kIOUSBCRCErr, "kIOUSBCRCErr: a packet arrived damaged"},
	{kIOUSBBitstufErr, "kIOUSBBitstufErr: a packet arrived with wrong bit stuffing"},
	{kIOUSBDataToggleErr, "kIOUSBDataToggleErr: a packet arrived out of turn"},
	{kIOUSBPIDCheckErr, "kIOUSBPIDCheckErr: a packet identifier arrived damaged"},
	{kIOUSBWrongPIDErr, "kIOUSBWrongPIDErr: a packet of the wrong kind arrived"},
	{kIOUSBReserved1Err, "kIOUSBReserved1Err: the host controller reported a reserved code"},
	{kIOUSBReserved2Err, "kIOUSBReserved2Err: the host controller reported a reserved code"},
	{kIOUSBBufferOverrunErr,
	 "kIOUSBBufferOverrunErr: the host could not take the data fast enough"},
	{kIOUSBBufferUnderrunErr,
	 "kIOUSBBufferUnderrunErr: the host could not supply the data fast enough"},
	{kIOUSBNotSent1Err, "kIOUSBNotSent1Err: the transaction was not sent"},
	{kIOUSBNotSent2Err, "kIOUSBNotSent2Err: the transaction was not sent"},
	{kIOUSBLinkErr, "kIOUSBLinkErr: the bus link failed"},
	{kIOUSBTooManyTransactionsPending,
	 "kIOUSBTooManyTransactionsPending: too many transactions are waiting"},
	{kIOUSBInvalidSSEndpoint, "kIOUSBInvalidSSEndpoint: not a SuperSpeed endpoint"},
	{kIOUSBStreamsNotSupported, "kIOUSBStreamsNotSupported: the controller has no streams"},
	{kIOUSBDeviceCountExceeded,
	 "kIOUSBDeviceCountExceeded: the controller has too many devices"},
	{kIOUSBEndpointCountExceeded,
	 "kIOUSBEndpointCountExceeded: the controller has too many endpoints"},
	{kIOUSBDevicePortWasNotSuspended,
	 "kIOUSBDevicePortWasNotSuspended: the device's port was not suspended"},
	{kIOUSBClearPipeStallNotRecursive,
	 "kIOUSBClearPipeStallNotRecursive: clearing a stall within clearing a stall"},
	{kIOUSBDeviceTransferredToCompanion,
	 "kIOUSBDeviceTransferredToCompanion: the device went to another controller"},
	{kIOUSBSyncRequestOnWLThread,
	 "kIOUSBSyncRequestOnWLThread: a request that waits was made where nothing may wait"},
	{kIOUSBHighSpeedSplitError, "kIOUSBHighSpeedSplitError: a hub's split transaction failed"},
	{kIOUSBLowLatencyFrameListNotPreviouslyAllocated,
	 "kIOUSBLowLatencyFrameListNotPreviouslyAllocated: the frame list was not allocated for "
	 "low latency"},
	{kIOUSBLowLatencyBufferNotPreviouslyAllocated,
	 "kIOUSBLowLatencyBufferNotPreviouslyAllocated: the buffer was not allocated for low "
	 "latency"},
	{kIOUSBInterfaceNotFound, "kIOUSBInterfaceNotFound: no such interface"},
	{kIOUSBPipeStalled, "kIOUSBPipeStalled: the endpoint has stalled, clear the stall first"},
	{kIOUSBTransactionReturned, "kIOUSBTransactionReturned: the transaction came back undone"},
	{kIOUSBTransactionTimeout, "kIOUSBTransactionTimeout: the device did not answer in time"},
	{kIOUSBConfigNotFound, "kIOUSBConfigNotFound: no such configuration"},
	{kIOUSBEndpointNotFound, "kIOUSBEndpointNotFound: no such endpoint"},
	{kIOUSBNotEnoughPowerErr,
	 "kIOUSBNotEnoughPowerErr: the bus has too little power for the device"},
	{kIOUSBNotEnoughPipesErr,
	 "kIOUSBNotEnoughPipesErr: the interface has fewer pipes than expected"},
	{kIOUSBNoAsyncPortErr, "kIOUSBNoAsyncPortErr: there is no port for asynchronous calls"},
	{kIOUSBTooManyPipesErr,
	 "kIOUSBTooManyPipesErr: the interface has more pipes than expected"},
	{kIOUSBUnknownPipeErr, "kIOUSBUnknownPipeErr: no such pipe"},
	{MACH_SEND_IN_PROGRESS, "MACH_SEND_IN_PROGRESS: still being sent"},
	{MACH_SEND_INVALID_DATA, "MACH_SEND_INVALID_DATA: the message cannot be read"},
	{MACH_SEND_INVALID_DEST,
	 "MACH_SEND_INVALID_DEST: no such object, or the connection is closed"},
	{MACH_SEND_TIMED_OUT, "MACH_SEND_TIMED_OUT: the port was full for too long"},
	{MACH_SEND_INVALID_VOUCHER, "MACH_SEND_INVALID_VOUCHER: the voucher is not valid"},
	{MACH_SEND_INTERRUPTED, "MACH_SEND_INTERRUPTED: interrupted"},
	{MACH_SEND_MSG_TOO_SMALL, "MACH_SEND_MSG_TOO_SMALL: the message has no whole header"},
	{MACH_SEND_INVALID_REPLY, "MACH_SEND_INVALID_REPLY: the reply port is not valid"},
	{MACH_SEND_INVALID_RIGHT, "MACH_SEND_INVALID_RIGHT: the message carries no such port"},
	{MACH_SEND_INVALID_NOTIFY, "MACH_SEND_INVALID_NOTIFY: the notify port is not valid"},
	{MACH_SEND_INVALID_MEMORY,
	 "MACH_SEND_INVALID_MEMORY: the message carries memory that is not there"},
	{MACH_SEND_NO_BUFFER, "MACH_SEND_NO_BUFFER: there is no memory for the message"},
	{MACH_SEND_TOO_LARGE, "MACH_SEND_TOO_LARGE: the message is too large"},
	{MACH_SEND_INVALID_TYPE, "MACH_SEND_INVALID_TYPE: the message has a part of no known kind"},
	{MACH_SEND_INVALID_HEADER, "MACH_SEND_INVALID_HEADER: the message's header is not valid"},
	{MACH_SEND_INVALID_TRAILER,
	 "MACH_SEND_INVALID_TRAILER: the message's trailer is not valid"},
	{MACH_RCV_IN_PROGRESS, "MACH_RCV_IN_PROGRESS: still being received"},
	{MACH_RCV_INTERRUPTED, "MACH_RCV_INTERRUPTED: interrupted"},
	{MACH_RCV_PORT_CHANGED, "MACH_RCV_PORT_CHANGED: the port went into a set meanwhile"},
	{MACH_RCV_INVALID_NOTIFY, "MACH_RCV_INVALID_NOTIFY: the notify port is not valid"},
	{MACH_RCV_IN_SET, "MACH_RCV_IN_SET: the port is in a set"},
	{MACH_RCV_HEADER_ERROR, "MACH_RCV_HEADER_ERROR: the message's header could not be stored"},
	{MACH_RCV_BODY_ERROR, "MACH_RCV_BODY_ERROR: the message's body could not be stored"},
	{MACH_RCV_INVALID_TYPE, "MACH_RCV_INVALID_TYPE: no such way to receive"},
	{MACH_RCV_SCATTER_SMALL, "MACH_RCV_SCATTER_SMALL: there is no room for the memory sent"},
	{MACH_RCV_INVALID_TRAILER, "MACH_RCV_INVALID_TRAILER: no such trailer"},
	{MIG_TYPE_ERROR, "MIG_TYPE_ERROR: an argument has the wrong type"},
	{MIG_REPLY_MISMATCH, "MIG_REPLY_MISMATCH: the answer is to another call"},
	{MIG_REMOTE_ERROR, "MIG_REMOTE_ERROR: the other side met an error"},
	{MIG_BAD_ID, "MIG_BAD_ID: no such call"},
	{MIG_BAD_ARGUMENTS, "MIG_BAD_ARGUMENTS: the arguments are of the wrong size or kind"},
	{MIG_NO_REPLY, "MIG_NO_REPLY: there will be no answer"},
	{MIG_EXCEPTION, "MIG_EXCEPTION: the other side raised an exception"},
	{MIG_ARRAY_TOO_LARGE, "MIG_ARRAY_TOO_LARGE: an array has more elements than fit"},
	{MIG_SERVER_DIED, "MIG_SERVER_DIED: the other side has gone"},
	{MIG_TRAILER_ERROR, "MIG_TRAILER_ERROR: the message's trailer is not valid"},
	{MACH_RCV_TIMED_OUT, "MACH_RCV_TIMED_OUT: no message came in time"},
	{MACH_RCV_INVALID_NAME, "MACH_RCV_INVALID_NAME: no port of that name can be received from"},
	{MACH_RCV_TOO_LARGE, "MACH_RCV_TOO_LARGE: the message does not fit into the buffer"},
	{MACH_RCV_INVALID_DATA, "MACH_RCV_INVALID_DATA: the buffer cannot hold a message"},
	{MACH_RCV_PORT_DIED, "MACH_RCV_PORT_DIED: the port was ended meanwhile"},
	{KERN_INVALID_ADDRESS, "KERN_INVALID_ADDRESS: no such address"},
	{KERN_PROTECTION_FAILURE,
	 "KERN_PROTECTION_FAILURE: the memory may not be used in this way"},
	{KERN_NO_SPACE, "KERN_NO_SPACE: no room at that address"},
	{KERN_INVALID_ARGUMENT, "KERN_INVALID_ARGUMENT: an argument is not valid"},
	{KERN_FAILURE, "KERN_FAILURE: it did not work"},
	{KERN_RESOURCE_SHORTAGE, "KERN_RESOURCE_SHORTAGE: out of memory or another resource"},
	{KERN_NOT_RECEIVER, "KERN_NOT_RECEIVER: no receive right of that name"},
	{KERN_NO_ACCESS, "KERN_NO_ACCESS: no access"},
	{KERN_MEMORY_FAILURE, "KERN_MEMORY_FAILURE: the memory is lost"},
	{KERN_MEMORY_ERROR, "KERN_MEMORY_ERROR: the memory is not there at the moment"},
	{KERN_ALREADY_IN_SET, "KERN_ALREADY_IN_SET: in that set already"},
	{KERN_NOT_IN_SET, "KERN_NOT_IN_SET: not in a set"},
	{KERN_NAME_EXISTS, "KERN_NAME_EXISTS: the name is taken"},
	{KERN_ABORTED, "KERN_ABORTED: aborted"},
	{KERN_INVALID_NAME, "KERN_INVALID_NAME: no such port"},
	{KERN_INVALID_TASK, "KERN_INVALID_TASK: no such task"},
	{KERN_INVALID_RIGHT, "KERN_INVALID_RIGHT: not a right of that kind"},
	{KERN_INVALID_VALUE, "KERN_INVALID_VALUE: a value is out of range"},
	{KERN_UREFS_OVERFLOW, "KERN_UREFS_OVERFLOW: too many references"},
	{KERN_INVALID_CAPABILITY, "KERN_INVALID_CAPABILITY: a capability is not valid"},
	{KERN_RIGHT_EXISTS, "KERN_RIGHT_EXISTS: there is such a right already"},
	{KERN_INVALID_HOST, "KERN_INVALID_HOST: no such host"},
	{KERN_TERMINATED, "KERN_TERMINATED: it has been ended"},
	{KERN_NOT_SUPPORTED, "KERN_NOT_SUPPORTED: not supported"},
	{KERN_OPERATION_TIMED_OUT, "KERN_OPERATION_TIMED_OUT: it took longer than allowed"},
};

const char *
status_string(IOReturn status)
{
	static _Thread_local char number[16];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].status == status)
			return texts[i].text;
	snprintf(number, sizeof(number), "0x%08x", (unsigned)status);
	return number;
}
