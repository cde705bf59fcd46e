/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOUSBHostDevice: a USB device, as the provider of a driver that matches whole devices, or from
 * IOUSBHostInterface_CopyDevice. Its configuration is selected before a driver sees it.
 *
 * All functions may be called from any thread or queue.
 */
#ifndef OPENDEXT_USBDRIVERKIT_IOUSBHOSTDEVICE_H
#define OPENDEXT_USBDRIVERKIT_IOUSBHOSTDEVICE_H

#include <USBDriverKit/IOUSBHostInterface.h>

DEXT_BEGIN_DECLS

extern const OSMetaClass gIOUSBHostDeviceMetaClass;

/*
 * Begins a session with the device itself, one at a time: kIOReturnExclusiveAccess. It excludes no
 * session with an interface. options and arg must be 0, else kIOReturnBadArgument.
 */
kern_return_t IOUSBHostDevice_Open(IOUSBHostDevice *device, IOService *forClient, uint64_t options,
				   uintptr_t arg);
/* Ends it, after the client's requests have ended. kIOReturnNotOpen if forClient has none. */
kern_return_t IOUSBHostDevice_Close(IOUSBHostDevice *device, IOService *forClient,
				    uint64_t options);

/*
 * Goes through the device's interfaces: CopyInterface gives each in turn, which the caller
 * releases, and NULL with success at the end. The iterator is given back with
 * DestroyInterfaceIterator. kIOReturnBadArgument: not an iterator of this device.
 */
kern_return_t IOUSBHostDevice_CreateInterfaceIterator(IOUSBHostDevice *device, uintptr_t *ref);
kern_return_t IOUSBHostDevice_CopyInterface(IOUSBHostDevice *device, uintptr_t ref,
					    IOUSBHostInterface **interface);
kern_return_t IOUSBHostDevice_DestroyInterfaceIterator(IOUSBHostDevice *device, uintptr_t ref);

/* Copies of the descriptors, freed with IOUSBHostFreeDescriptor. NULL: no memory, or no such one.
 */
const IOUSBDeviceDescriptor *IOUSBHostDevice_CopyDeviceDescriptor(IOUSBHostDevice *device);
/* By index; only that of the current configuration, index 0 on nearly all devices, is known. */
const IOUSBConfigurationDescriptor *
IOUSBHostDevice_CopyConfigurationDescriptor(IOUSBHostDevice *device, uint8_t index);
/* The current configuration's. */
const IOUSBConfigurationDescriptor *
IOUSBHostDevice_CopyConfigurationDescriptorForClient(IOUSBHostDevice *device, IOService *forClient);
/* Asks the device, so it blocks; in its first language. */
const IOUSBStringDescriptor *IOUSBHostDevice_CopyStringDescriptor(IOUSBHostDevice *device,
								  uint8_t index);

/* Frees any descriptor that a Copy...Descriptor call returned. NULL is allowed. */
void IOUSBHostFreeDescriptor(const void *descriptor);

/* One of kIOUSBHostConnectionSpeed... */
kern_return_t IOUSBHostDevice_GetSpeed(IOUSBHostDevice *device, uint8_t *speed);

/* A buffer that is good for transfers and requests: IOBufferMemoryDescriptor_Create. */
kern_return_t IOUSBHostDevice_CreateIOBuffer(IOUSBHostDevice *device, uint64_t options,
					     uint64_t capacity, IOBufferMemoryDescriptor **buffer);

/*
 * A control request on endpoint 0; returns when it has ended, so it blocks its queue. The data
 * stage is the first wLength bytes of dataBuffer (NULL if wLength is 0), in the direction that bit
 * 7 of bmRequestType says. *bytesTransferred (may be NULL) is set on success.
 * completionTimeoutMs: 0 means none.
 *
 * kUSBHostReturnPipeStalled: the device does not know the request, or does not like it.
 * kIOReturnTimeout, kIOReturnNoDevice, kIOReturnNotResponding. kIOReturnNotOpen: forClient has no
 * session with the device or one of its interfaces. kIOReturnBadArgument: wLength past the
 * descriptor's length. kIOReturnNotPermitted: requests that change what the framework keeps track
 * of: SET_ADDRESS, SET_CONFIGURATION, SET_INTERFACE, and endpoint halts; use the calls for that.
 */
kern_return_t IOUSBHostDevice_DeviceRequest(IOUSBHostDevice *device, IOService *forClient,
					    uint8_t bmRequestType, uint8_t bRequest,
					    uint16_t wValue, uint16_t wIndex, uint16_t wLength,
					    IOMemoryDescriptor *dataBuffer,
					    uint16_t *bytesTransferred,
					    uint32_t completionTimeoutMs);

DEXT_END_DECLS

#endif
