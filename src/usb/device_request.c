/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control requests through an IOUSBHostDevice, and what its port says of itself. The life of a
 * request is in control.c. Any thread.
 */
#include "action.h"
#include "objects.h"

static const char complete_request[] = "IOUSBHostDevice::CompleteAsyncDeviceRequest";

kern_return_t
IOUSBHostDevice_DeviceRequest(IOUSBHostDevice *device, IOService *forClient, uint8_t bmRequestType,
			      uint8_t bRequest, uint16_t wValue, uint16_t wIndex, uint16_t wLength,
			      IOMemoryDescriptor *dataBuffer, uint16_t *bytesTransferred,
			      uint32_t completionTimeoutMs)
{
	const IOUSBDeviceRequest request = {bmRequestType, bRequest, wValue, wIndex, wLength};

	if (device == NULL)
		return device_refuse("DeviceRequest: device is NULL");
	if (!device_is_client(device, forClient))
		return kIOReturnNotOpen;
	return usb_port_control(device_port(device), device, forClient, &request, dataBuffer,
				completionTimeoutMs, bytesTransferred);
}

kern_return_t
IOUSBHostDevice_CreateActionCompleteAsyncDeviceRequest(
	OSObject *target, IOUSBHostDevice_CompleteAsyncDeviceRequest_f function,
	size_t referenceSize, OSAction **action)
{
	return action_create(target, complete_request, (action_function)function, referenceSize,
			     action);
}

kern_return_t
IOUSBHostDevice_AsyncDeviceRequest(IOUSBHostDevice *device, IOService *forClient,
				   uint8_t bmRequestType, uint8_t bRequest, uint16_t wValue,
				   uint16_t wIndex, uint16_t wLength,
				   IOMemoryDescriptor *dataBuffer, OSAction *completion,
				   uint32_t completionTimeoutMs)
{
	const IOUSBDeviceRequest request = {bmRequestType, bRequest, wValue, wIndex, wLength};
	IOReturn res;

	if (device == NULL)
		return device_refuse("AsyncDeviceRequest: device is NULL");
	res = action_check(completion, complete_request);
	if (res != kIOReturnSuccess)
		return res;
	if (!device_is_client(device, forClient))
		return kIOReturnNotOpen;
	return usb_port_control_async(device_port(device), (OSObject *)device, forClient, &request,
				      dataBuffer, completionTimeoutMs, completion);
}

kern_return_t
IOUSBHostDevice_AbortDeviceRequests(IOUSBHostDevice *device, IOService *forClient, uint32_t options,
				    IOReturn withError)
{
	if (device == NULL)
		return device_refuse("AbortDeviceRequests: device is NULL");
	if (options > kIOUSBAbortSynchronous)
		return device_refuse("AbortDeviceRequests: options has unknown bits");
	if (withError == kIOReturnSuccess)
		return device_refuse("AbortDeviceRequests: withError is a success status");
	if (!device_is_client(device, forClient))
		return kIOReturnNotOpen;
	usb_port_end_controls(device_port(device), device, withError,
			      options == kIOUSBAbortSynchronous);
	return kIOReturnSuccess;
}

/* --- the port --- */

kern_return_t
IOUSBHostDevice_GetSpeed(IOUSBHostDevice *device, uint8_t *speed)
{
	if (device == NULL || speed == NULL)
		return device_refuse("GetSpeed: an argument is NULL");
	*speed = device_port(device)->speed;
	return kIOReturnSuccess;
}

kern_return_t
IOUSBHostDevice_GetAddress(IOUSBHostDevice *device, uint8_t *address)
{
	if (device == NULL || address == NULL)
		return device_refuse("GetAddress: an argument is NULL");
	*address = device_port(device)->address;
	return kIOReturnSuccess;
}

kern_return_t
IOUSBHostDevice_GetPortStatus(IOUSBHostDevice *device, uint32_t *portStatus)
{
	if (device == NULL || portStatus == NULL)
		return device_refuse("GetPortStatus: an argument is NULL");
	return usb_port_status(device_port(device), portStatus);
}

kern_return_t
IOUSBHostDevice_GetFrameNumber(IOUSBHostDevice *device, uint64_t *frameNumber, uint64_t *theTime)
{
	(void)theTime;
	if (device == NULL || frameNumber == NULL)
		return device_refuse("GetFrameNumber: an argument is NULL");
	return kIOReturnUnsupported;
}

kern_return_t
IOUSBHostDevice_CreateIOBuffer(IOUSBHostDevice *device, uint64_t options, uint64_t capacity,
			       IOBufferMemoryDescriptor **buffer)
{
	if (device == NULL)
		return device_refuse("CreateIOBuffer: device is NULL");
	return IOBufferMemoryDescriptor_Create(options, capacity, 0, buffer);
}
