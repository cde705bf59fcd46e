/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOUSBHostDevice: a USB device, as the provider of a driver that matches whole devices, or from
 * IOUSBHostInterface_CopyDevice. Its configuration is selected before a driver sees it.
 *
 * All functions may be called from any thread or queue.
 */
#ifndef OPENDEXT_USBDRIVERKIT_IOUSBHOSTDEVICE_H
#define OPENDEXT_USBDRIVERKIT_IOUSBHOSTDEVICE_H

#include <stdbool.h>

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
/* By index, from 0; all that the device has, whichever is selected. */
const IOUSBConfigurationDescriptor *
IOUSBHostDevice_CopyConfigurationDescriptor(IOUSBHostDevice *device, uint8_t index);
/* The current configuration's. */
const IOUSBConfigurationDescriptor *
IOUSBHostDevice_CopyConfigurationDescriptorForClient(IOUSBHostDevice *device, IOService *forClient);
/* By its bConfigurationValue. */
const IOUSBConfigurationDescriptor *
IOUSBHostDevice_CopyConfigurationDescriptorWithValue(IOUSBHostDevice *device,
						     uint8_t configurationValue);
/* The next four ask the device, so they block; NULL also if it does not answer. */
/* In the device's first language; index 0: the languages. */
const IOUSBStringDescriptor *IOUSBHostDevice_CopyStringDescriptor(IOUSBHostDevice *device,
								  uint8_t index);
/* In a language (0x0409: US English). DriverKit overloads CopyStringDescriptor for it. */
const IOUSBStringDescriptor *
IOUSBHostDevice_CopyStringDescriptorWithLanguage(IOUSBHostDevice *device, uint8_t index,
						 uint16_t languageID);
/* The BOS descriptor with all that follows it. NULL on most devices older than USB 3. */
const IOUSBBOSDescriptor *IOUSBHostDevice_CopyCapabilityDescriptors(IOUSBHostDevice *device);
/*
 * Any descriptor, by GET_DESCRIPTOR with this type, index and language (or other wIndex).
 * *length: in, how many bytes to ask for at most; out, how many came, at least 2. requestType is
 * kIOUSBDeviceRequestTypeStandard, ...Class or ...Vendor, requestRecipient one of
 * kIOUSBDeviceRequestRecipient...
 */
const IOUSBDescriptorHeader *IOUSBHostDevice_CopyDescriptor(IOUSBHostDevice *device, uint8_t type,
							    uint16_t *length, uint8_t index,
							    uint16_t languageID,
							    uint8_t requestType,
							    uint8_t requestRecipient);

/* Frees any descriptor that a Copy...Descriptor call returned. NULL is allowed. */
void IOUSBHostFreeDescriptor(const void *descriptor);

/* One of kIOUSBHostConnectionSpeed... */
kern_return_t IOUSBHostDevice_GetSpeed(IOUSBHostDevice *device, uint8_t *speed);
/* The device's address on its bus, 1 to 127. */
kern_return_t IOUSBHostDevice_GetAddress(IOUSBHostDevice *device, uint8_t *address);
/*
 * kIOUSBHostPortStatus...: the speed, and that the port is enabled. Of the other bits a driver on
 * Linux is not told; they are 0. kIOReturnNoDevice.
 */
kern_return_t IOUSBHostDevice_GetPortStatus(IOUSBHostDevice *device, uint32_t *portStatus);
/* The bus's frame number: Linux tells it to no driver outside the kernel. kIOReturnUnsupported. */
kern_return_t IOUSBHostDevice_GetFrameNumber(IOUSBHostDevice *device, uint64_t *frameNumber,
					     uint64_t *theTime);

/*
 * Selects a configuration, 0 for none. All sessions with interfaces end as by Close, and the
 * interface objects there were are of no use any more (their calls answer kIOReturnNotOpen or
 * kIOReturnNoDevice); a new iterator gives the new ones. Even if it is selected already. Blocks.
 *
 * matchInterfaces must be false: other drivers are matched with a device when it is plugged in, not
 * later; true is kIOReturnUnsupported. kIOReturnNotFound: no such configuration.
 * kIOReturnExclusiveAccess: somebody else, another program or the kernel, has an interface of the
 * device; nothing but that session ends has happened then. kIOReturnNotOpen: no client has a
 * session with the device.
 */
kern_return_t IOUSBHostDevice_SetConfiguration(IOUSBHostDevice *device, uint8_t bConfigurationValue,
					       bool matchInterfaces);
/*
 * Resets the device and ends this object: all sessions, transfers and requests end as by Close,
 * then, if the reset was done, the driver is told that its provider has gone, as if the device had
 * been pulled out and plugged in again. Blocks. kIOReturnNotOpen: no client has a session with the
 * device. kIOReturnExclusiveAccess: somebody else has an interface of it. kIOReturnNoDevice.
 */
kern_return_t IOUSBHostDevice_Reset(IOUSBHostDevice *device);

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
 * (By an IOUSBHostInterface the halt of one of its own pipes may be cleared:
 * IOUSBHostPipe_ClearStall.)
 */
kern_return_t IOUSBHostDevice_DeviceRequest(IOUSBHostDevice *device, IOService *forClient,
					    uint8_t bmRequestType, uint8_t bRequest,
					    uint16_t wValue, uint16_t wIndex, uint16_t wLength,
					    IOMemoryDescriptor *dataBuffer,
					    uint16_t *bytesTransferred,
					    uint32_t completionTimeoutMs);

/* bytesTransferred: of the data stage, also when the status is an error. */
typedef void (*IOUSBHostDevice_CompleteAsyncDeviceRequest_f)(OSObject *target, OSAction *action,
							     IOReturn status,
							     uint16_t bytesTransferred);
/* The action for AsyncDeviceRequest; as IOUSBHostPipe_CreateActionCompleteAsyncIO. */
kern_return_t IOUSBHostDevice_CreateActionCompleteAsyncDeviceRequest(
	OSObject *target, IOUSBHostDevice_CompleteAsyncDeviceRequest_f function,
	size_t referenceSize, OSAction **action);
/*
 * The same as DeviceRequest, but returns at once; each success is answered by exactly one
 * CompleteAsyncDeviceRequest, in the order in which the requests end, with one of the statuses
 * above or kIOReturnAborted. dataBuffer and completion are retained until it has returned. An
 * action that is not of this type is kIOReturnBadArgument; no callback comes after an error.
 */
kern_return_t IOUSBHostDevice_AsyncDeviceRequest(IOUSBHostDevice *device, IOService *forClient,
						 uint8_t bmRequestType, uint8_t bRequest,
						 uint16_t wValue, uint16_t wIndex, uint16_t wLength,
						 IOMemoryDescriptor *dataBuffer,
						 OSAction *completion,
						 uint32_t completionTimeoutMs);
/*
 * Ends the requests that were made through this object, synchronous ones too, with the status
 * withError, unless they were faster. options and withError as IOUSBHostPipe_Abort.
 * kIOReturnNotOpen: forClient has no session.
 */
kern_return_t IOUSBHostDevice_AbortDeviceRequests(IOUSBHostDevice *device, IOService *forClient,
						  uint32_t options, IOReturn withError);

DEXT_END_DECLS

#endif
