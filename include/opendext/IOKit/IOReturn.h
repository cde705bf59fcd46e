/* SPDX-License-Identifier: Apache-2.0 */
/* Status codes. One set for the app's interface, the driver's interface and the wire. */
#ifndef OPENDEXT_IOKIT_IORETURN_H
#define OPENDEXT_IOKIT_IORETURN_H

#include <mach/kern_return.h>

typedef kern_return_t IOReturn;

#define kIOReturnSuccess	  ((IOReturn)0)
#define kIOReturnError		  ((IOReturn)0xe00002bc)
#define kIOReturnNoMemory	  ((IOReturn)0xe00002bd)
#define kIOReturnNoResources	  ((IOReturn)0xe00002be)
#define kIOReturnIPCError	  ((IOReturn)0xe00002bf)
#define kIOReturnNoDevice	  ((IOReturn)0xe00002c0)
#define kIOReturnNotPrivileged	  ((IOReturn)0xe00002c1)
#define kIOReturnBadArgument	  ((IOReturn)0xe00002c2)
#define kIOReturnLockedRead	  ((IOReturn)0xe00002c3)
#define kIOReturnLockedWrite	  ((IOReturn)0xe00002c4)
#define kIOReturnExclusiveAccess  ((IOReturn)0xe00002c5)
#define kIOReturnBadMessageID	  ((IOReturn)0xe00002c6)
#define kIOReturnUnsupported	  ((IOReturn)0xe00002c7)
#define kIOReturnVMError	  ((IOReturn)0xe00002c8)
#define kIOReturnInternalError	  ((IOReturn)0xe00002c9)
#define kIOReturnIOError	  ((IOReturn)0xe00002ca)
#define kIOReturnCannotLock	  ((IOReturn)0xe00002cc)
#define kIOReturnNotOpen	  ((IOReturn)0xe00002cd)
#define kIOReturnNotReadable	  ((IOReturn)0xe00002ce)
#define kIOReturnNotWritable	  ((IOReturn)0xe00002cf)
#define kIOReturnNotAligned	  ((IOReturn)0xe00002d0)
#define kIOReturnBadMedia	  ((IOReturn)0xe00002d1)
#define kIOReturnStillOpen	  ((IOReturn)0xe00002d2)
#define kIOReturnRLDError	  ((IOReturn)0xe00002d3)
#define kIOReturnDMAError	  ((IOReturn)0xe00002d4)
#define kIOReturnBusy		  ((IOReturn)0xe00002d5)
#define kIOReturnTimeout	  ((IOReturn)0xe00002d6)
#define kIOReturnOffline	  ((IOReturn)0xe00002d7)
#define kIOReturnNotReady	  ((IOReturn)0xe00002d8)
#define kIOReturnNotAttached	  ((IOReturn)0xe00002d9)
#define kIOReturnNoChannels	  ((IOReturn)0xe00002da)
#define kIOReturnNoSpace	  ((IOReturn)0xe00002db)
#define kIOReturnPortExists	  ((IOReturn)0xe00002dd)
#define kIOReturnCannotWire	  ((IOReturn)0xe00002de)
#define kIOReturnNoInterrupt	  ((IOReturn)0xe00002df)
#define kIOReturnNoFrames	  ((IOReturn)0xe00002e0)
#define kIOReturnMessageTooLarge  ((IOReturn)0xe00002e1)
#define kIOReturnNotPermitted	  ((IOReturn)0xe00002e2)
#define kIOReturnNoPower	  ((IOReturn)0xe00002e3)
#define kIOReturnNoMedia	  ((IOReturn)0xe00002e4)
#define kIOReturnUnformattedMedia ((IOReturn)0xe00002e5)
#define kIOReturnUnsupportedMode  ((IOReturn)0xe00002e6)
#define kIOReturnUnderrun	  ((IOReturn)0xe00002e7)
#define kIOReturnOverrun	  ((IOReturn)0xe00002e8)
#define kIOReturnDeviceError	  ((IOReturn)0xe00002e9)
#define kIOReturnNoCompletion	  ((IOReturn)0xe00002ea)
#define kIOReturnAborted	  ((IOReturn)0xe00002eb)
#define kIOReturnNoBandwidth	  ((IOReturn)0xe00002ec)
#define kIOReturnNotResponding	  ((IOReturn)0xe00002ed)
#define kIOReturnIsoTooOld	  ((IOReturn)0xe00002ee)
#define kIOReturnIsoTooNew	  ((IOReturn)0xe00002ef)
#define kIOReturnNotFound	  ((IOReturn)0xe00002f0)
#define kIOReturnInvalid	  ((IOReturn)0xe0000001)

/* The service at the other end of a connection has gone, or the connection was closed. */
#define MACH_SEND_INVALID_DEST ((IOReturn)0x10000003)
#define MACH_RCV_TIMED_OUT     ((IOReturn)0x10004003)

/* USB statuses of DriverKit's host stack. */
#define kUSBHostReturnPipeStalled ((IOReturn)0xe0005000)
#define kUSBHostReturnNoPower	  ((IOReturn)0xe0005001)

#endif
