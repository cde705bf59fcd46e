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

IOReturn
status_from_errno(int error, const char *what)
{
	char buffer[128];

	if (log_enabled(LOG_LEVEL_DEBUG))
		log_debug("%s: %s", what, strerror_r(error, buffer, sizeof(buffer)));
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
	{(IOReturn)0xe000404f,
	 "kIOUSBPipeStalled: the endpoint has stalled, clear the stall first"},
	{(IOReturn)0xe0004051, "kIOUSBTransactionTimeout: the device did not answer in time"},
	{MACH_SEND_INVALID_DEST, "MACH_SEND_INVALID_DEST: the connection is closed"},
	{MACH_RCV_TIMED_OUT, "MACH_RCV_TIMED_OUT: no message came in time"},
	{KERN_INVALID_ADDRESS, "KERN_INVALID_ADDRESS: no such address"},
	{KERN_NO_SPACE, "KERN_NO_SPACE: no room at that address"},
	{KERN_INVALID_ARGUMENT, "KERN_INVALID_ARGUMENT: an argument is not valid"},
	{KERN_FAILURE, "KERN_FAILURE: it did not work"},
	{KERN_RESOURCE_SHORTAGE, "KERN_RESOURCE_SHORTAGE: out of memory or another resource"},
	{KERN_INVALID_NAME, "KERN_INVALID_NAME: no such port"},
	{KERN_INVALID_RIGHT, "KERN_INVALID_RIGHT: not a right of that kind"},
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
