/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOUSBHostInterface: one interface of a USB device, the usual provider of a driver. In Start: open
 * it, read its descriptors, select an alternate setting if needed, copy its pipes. In Stop: close
 * it.
 *
 * All functions may be called from any thread or queue.
 */
#ifndef OPENDEXT_USBDRIVERKIT_IOUSBHOSTINTERFACE_H
#define OPENDEXT_USBDRIVERKIT_IOUSBHOSTINTERFACE_H

#include <USBDriverKit/IOUSBHostPipe.h>

DEXT_BEGIN_DECLS

typedef struct IOUSBHostInterface IOUSBHostInterface;
typedef struct IOUSBHostDevice IOUSBHostDevice;
extern const OSMetaClass gIOUSBHostInterfaceMetaClass;

/*
 * Begins a session, one at a time: kIOReturnExclusiveAccess while another client, or another
 * program, has one. options must be 0 and arg NULL, else kIOReturnBadArgument. kIOReturnNoDevice.
 */
kern_return_t IOUSBHostInterface_Open(IOUSBHostInterface *interface, IOService *forClient,
				      uint64_t options, uint8_t *arg);
/*
 * Ends the session: aborts all transfers of its pipes with kIOReturnAborted, waits for their
 * callbacks (those that belong on the caller's own queue run nested), and makes the pipes useless;
 * its device requests end likewise.
 * kIOReturnNotOpen if forClient has no session.
 */
kern_return_t IOUSBHostInterface_Close(IOUSBHostInterface *interface, IOService *forClient,
				       uint64_t options);

/* The device. The caller releases it. */
kern_return_t IOUSBHostInterface_CopyDevice(IOUSBHostInterface *interface,
					    IOUSBHostDevice **device);
/* The configuration that the interface is part of; freed with IOUSBHostFreeDescriptor. NULL: no
 * memory. */
const IOUSBConfigurationDescriptor *
IOUSBHostInterface_CopyConfigurationDescriptor(IOUSBHostInterface *interface);
/*
 * This interface's descriptor, of the alternate setting that is selected, inside a configuration
 * descriptor that the caller copied. Borrowed from it. NULL if it is not in there.
 */
const IOUSBInterfaceDescriptor *
IOUSBHostInterface_GetInterfaceDescriptor(IOUSBHostInterface *interface,
					  const IOUSBConfigurationDescriptor *config);

/*
 * Selects an alternate setting: ends all transfers first, as Close does, and makes the pipes copied
 * so far useless. kIOReturnNotOpen. kIOReturnNotFound: the interface has no such setting.
 */
kern_return_t IOUSBHostInterface_SelectAlternateSetting(IOUSBHostInterface *interface,
							uint8_t bAlternateSetting);

/*
 * The pipe of an endpoint address (direction bit included) of the selected alternate setting; the
 * same object as long as there is one. The caller releases it. kIOReturnNotOpen. kIOReturnNotFound:
 * no such endpoint. kIOReturnUnsupported: a control endpoint.
 */
kern_return_t IOUSBHostInterface_CopyPipe(IOUSBHostInterface *interface, uint8_t address,
					  IOUSBHostPipe **pipe);

/* A buffer that is good for transfers and requests: IOBufferMemoryDescriptor_Create. */
kern_return_t IOUSBHostInterface_CreateIOBuffer(IOUSBHostInterface *interface, uint64_t options,
						uint64_t capacity,
						IOBufferMemoryDescriptor **buffer);

/* IOUSBHostDevice_DeviceRequest, for the client that has this interface open. */
kern_return_t IOUSBHostInterface_DeviceRequest(IOUSBHostInterface *interface, uint8_t bmRequestType,
					       uint8_t bRequest, uint16_t wValue, uint16_t wIndex,
					       uint16_t wLength, IOMemoryDescriptor *dataBuffer,
					       uint16_t *bytesTransferred,
					       uint32_t completionTimeoutMs);

/* bytesTransferred: of the data stage, also when the status is an error. */
typedef void (*IOUSBHostInterface_CompleteAsyncDeviceRequest_f)(OSObject *target, OSAction *action,
								IOReturn status,
								uint16_t bytesTransferred);
/* The action for AsyncDeviceRequest; as IOUSBHostPipe_CreateActionCompleteAsyncIO. */
kern_return_t IOUSBHostInterface_CreateActionCompleteAsyncDeviceRequest(
	OSObject *target, IOUSBHostInterface_CompleteAsyncDeviceRequest_f function,
	size_t referenceSize, OSAction **action);
/* IOUSBHostDevice_AsyncDeviceRequest, for the client that has this interface open. */
kern_return_t
IOUSBHostInterface_AsyncDeviceRequest(IOUSBHostInterface *interface, uint8_t bmRequestType,
				      uint8_t bRequest, uint16_t wValue, uint16_t wIndex,
				      uint16_t wLength, IOMemoryDescriptor *dataBuffer,
				      OSAction *completion, uint32_t completionTimeoutMs);
/* IOUSBHostDevice_AbortDeviceRequests, for those that were made through this interface. */
kern_return_t IOUSBHostInterface_AbortDeviceRequests(IOUSBHostInterface *interface,
						     uint32_t options, IOReturn withError);

/* IOUSBHostDevice_CopyStringDescriptor, in the device's first language. */
const IOUSBStringDescriptor *IOUSBHostInterface_CopyStringDescriptor(IOUSBHostInterface *interface,
								     uint8_t index);
/* IOUSBHostDevice_GetPortStatus and IOUSBHostDevice_GetFrameNumber, of its device. */
kern_return_t IOUSBHostInterface_GetPortStatus(IOUSBHostInterface *interface, uint32_t *portStatus);
kern_return_t IOUSBHostInterface_GetFrameNumber(IOUSBHostInterface *interface,
						uint64_t *frameNumber, uint64_t *theTime);
/*
 * How long the interface may be idle, in ms, before its device is suspended. Linux keeps this for
 * the whole device, in sysfs, out of a driver's reach: kIOReturnUnsupported.
 */
kern_return_t IOUSBHostInterface_SetIdlePolicy(IOUSBHostInterface *interface,
					       uint32_t deviceIdleTimeout);
kern_return_t IOUSBHostInterface_GetIdlePolicy(IOUSBHostInterface *interface,
					       uint32_t *deviceIdleTimeout);

DEXT_END_DECLS

#endif
