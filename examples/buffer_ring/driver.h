/* SPDX-License-Identifier: Apache-2.0 */
/* The two classes of the example's driver. */
#ifndef BUFFER_RING_DRIVER_H
#define BUFFER_RING_DRIVER_H

#include <DriverKit/DriverKit.h>
#include <USBDriverKit/USBDriverKit.h>

typedef struct BufferRing BufferRing;
typedef struct BufferRingUserClient BufferRingUserClient;

extern const OSMetaClass gBufferRingMetaClass;
extern const OSMetaClass gBufferRingUserClientMetaClass;

struct BufferRing_IVars {
	IOUSBHostInterface *interface;
	IOUSBHostPipe *pipe; /* bulk OUT */
	bool busy;	     /* an app has it */
};

#endif
