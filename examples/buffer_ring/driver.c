/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BufferRing: the service. It opens the USB interface that Info.plist asked for, finds the bulk OUT
 * endpoint, and lets one app at a time use it. client.c is what that app talks to.
 */
#include "driver.h"

#define ivars(self) OSObjectIVars(BufferRing, self)

/* Goes through the interface's endpoints as the device describes them. */
static kern_return_t
find_pipe(IOUSBHostInterface *interface, IOUSBHostPipe **pipe)
{
	const IOUSBConfigurationDescriptor *config =
		IOUSBHostInterface_CopyConfigurationDescriptor(interface);
	const IOUSBInterfaceDescriptor *descriptor;
	const IOUSBEndpointDescriptor *endpoint = NULL;
	kern_return_t result = kIOReturnNotFound;

	if (config == NULL)
		return kIOReturnNoMemory;
	descriptor = IOUSBHostInterface_GetInterfaceDescriptor(interface, config);
	while (descriptor != NULL && result == kIOReturnNotFound &&
	       (endpoint = IOUSBGetNextEndpointDescriptor(
			config, descriptor, (const IOUSBDescriptorHeader *)endpoint)) != NULL) {
		if (IOUSBGetEndpointType(endpoint) == kIOUSBEndpointTypeBulk &&
		    IOUSBGetEndpointDirection(endpoint) == kIOUSBEndpointDirectionOut)
			result = IOUSBHostInterface_CopyPipe(
				interface, IOUSBGetEndpointAddress(endpoint), pipe);
	}
	IOUSBHostFreeDescriptor(config);
	return result;
}

static kern_return_t
BufferRing_Start(IOService *self, IOService *provider)
{
	kern_return_t result = IOService_Start_Impl(self, provider);

	if (result != kIOReturnSuccess)
		return result;
	/* IOProviderClass in Info.plist says that the provider is one. */
	ivars(self)->interface = OSRequiredCast(IOUSBHostInterface, provider);
	result = IOUSBHostInterface_Open(ivars(self)->interface, self, 0, NULL);
	if (result != kIOReturnSuccess)
		return result;
	result = find_pipe(ivars(self)->interface, &ivars(self)->pipe);
	if (result != kIOReturnSuccess)
		return result;
	return IOService_RegisterService(self); /* from now on apps find it */
}

static kern_return_t
BufferRing_Stop(IOService *self, IOService *provider)
{
	if (ivars(self)->interface != NULL)
		IOUSBHostInterface_Close(ivars(self)->interface, self, 0);
	return IOService_Stop_Impl(self, provider);
}

/* Step 1: an app called IOServiceOpen. Create runs the user client's Start. */
static kern_return_t
BufferRing_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t result;

	if (ivars(self)->busy)
		return kIOReturnExclusiveAccess;
	result = IOService_Create(self, self, "UserClientProperties", &client);
	if (result == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return result;
}

static void
BufferRing_free(OSObject *self)
{
	OSSafeReleaseNULL(ivars(self)->pipe);
	IOService_free_Impl((IOService *)self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = BufferRing_free,
};
static const IOServiceMethods service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = BufferRing_Start,
	.Stop = BufferRing_Stop,
	.NewUserClient = BufferRing_NewUserClient,
};
const OSMetaClass gBufferRingMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "BufferRing",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct BufferRing_IVars),
	.object = &object_methods,
	.service = &service_methods,
};

DEXT_BUNDLE(OSTypeID(BufferRing), OSTypeID(BufferRingUserClient))
