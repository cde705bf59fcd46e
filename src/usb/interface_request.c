/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an IOUSBHostInterface asks of its device on behalf of its client: control requests (the life
 * of one is in control.c), strings, the port. Any thread.
 */
#include "action.h"
#include "objects.h"

static const char complete_request[] = "IOUSBHostInterface::CompleteAsyncDeviceRequest";

kern_return_t
IOUSBHostInterface_CreateIOBuffer(IOUSBHostInterface *interface, uint64_t options,
				  uint64_t capacity, IOBufferMemoryDescriptor **buffer)
{
	if (interface == NULL)
		return interface_refuse("CreateIOBuffer: interface is NULL");
	return IOBufferMemoryDescriptor_Create(options, capacity, 0, buffer);
}

kern_return_t
IOUSBHostInterface_DeviceRequest(IOUSBHostInterface *interface, uint8_t bmRequestType,
				 uint8_t bRequest, uint16_t wValue, uint16_t wIndex,
				 uint16_t wLength, IOMemoryDescriptor *dataBuffer,
				 uint16_t *bytesTransferred, uint32_t completionTimeoutMs)
{
	const IOUSBDeviceRequest request = {bmRequestType, bRequest, wValue, wIndex, wLength};

	if (interface == NULL)
		return interface_refuse("DeviceRequest: interface is NULL");
	if (!interface_is_open(interface))
		return kIOReturnNotOpen;
	return usb_port_control(interface_port(interface), interface, NULL, &request, dataBuffer,
				completionTimeoutMs, bytesTransferred);
}

kern_return_t
IOUSBHostInterface_CreateActionCompleteAsyncDeviceRequest(
	OSObject *target, IOUSBHostInterface_CompleteAsyncDeviceRequest_f function,
	size_t referenceSize, OSAction **action)
{
	return action_create(target, complete_request, (action_function)function, referenceSize,
			     action);
}

kern_return_t
IOUSBHostInterface_AsyncDeviceRequest(IOUSBHostInterface *interface, uint8_t bmRequestType,
				      uint8_t bRequest, uint16_t wValue, uint16_t wIndex,
				      uint16_t wLength, IOMemoryDescriptor *dataBuffer,
				      OSAction *completion, uint32_t completionTimeoutMs)
{
	const IOUSBDeviceRequest request = {bmRequestType, bRequest, wValue, wIndex, wLength};
	IOReturn res;

	if (interface == NULL)
		return interface_refuse("AsyncDeviceRequest: interface is NULL");
	res = action_check(completion, complete_request);
	if (res != kIOReturnSuccess)
		return res;
	if (!interface_is_open(interface))
		return kIOReturnNotOpen;
	return usb_port_control_async(interface_port(interface), (OSObject *)interface, NULL,
				      &request, dataBuffer, completionTimeoutMs, completion);
}

kern_return_t
IOUSBHostInterface_AbortDeviceRequests(IOUSBHostInterface *interface, uint32_t options,
				       IOReturn withError)
{
	if (interface == NULL)
		return interface_refuse("AbortDeviceRequests: interface is NULL");
	if (options > kIOUSBAbortSynchronous)
		return interface_refuse("AbortDeviceRequests: options has unknown bits");
	if (withError == kIOReturnSuccess)
		return interface_refuse("AbortDeviceRequests: withError is a success status");
	if (!interface_is_open(interface))
		return kIOReturnNotOpen;
	usb_port_end_controls(interface_port(interface), interface, withError,
			      options == kIOUSBAbortSynchronous);
	return kIOReturnSuccess;
}

const IOUSBStringDescriptor *
IOUSBHostInterface_CopyStringDescriptor(IOUSBHostInterface *interface, uint8_t index)
{
	const IOUSBStringDescriptor *string;
	IOUSBHostDevice *device;

	if (interface == NULL) {
		interface_refuse("CopyStringDescriptor: interface is NULL");
		return NULL;
	}
	if (IOUSBHostInterface_CopyDevice(interface, &device) != kIOReturnSuccess)
		return NULL;
	string = IOUSBHostDevice_CopyStringDescriptor(device, index);
	OSRelease(device);
	return string;
}

kern_return_t
IOUSBHostInterface_GetPortStatus(IOUSBHostInterface *interface, uint32_t *portStatus)
{
	if (interface == NULL || portStatus == NULL)
		return interface_refuse("GetPortStatus: an argument is NULL");
	return usb_port_status(interface_port(interface), portStatus);
}

kern_return_t
IOUSBHostInterface_GetFrameNumber(IOUSBHostInterface *interface, uint64_t *frameNumber,
				  uint64_t *theTime)
{
	(void)theTime;
	if (interface == NULL || frameNumber == NULL)
		return interface_refuse("GetFrameNumber: an argument is NULL");
	return kIOReturnUnsupported;
}

kern_return_t
IOUSBHostInterface_SetIdlePolicy(IOUSBHostInterface *interface, uint32_t deviceIdleTimeout)
{
	(void)deviceIdleTimeout;
	if (interface == NULL)
		return interface_refuse("SetIdlePolicy: interface is NULL");
	return kIOReturnUnsupported;
}

kern_return_t
IOUSBHostInterface_GetIdlePolicy(IOUSBHostInterface *interface, uint32_t *deviceIdleTimeout)
{
	if (interface == NULL || deviceIdleTimeout == NULL)
		return interface_refuse("GetIdlePolicy: an argument is NULL");
	return kIOReturnUnsupported;
}
