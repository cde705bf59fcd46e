/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test driver Isoch, of a virtual loopback: method 0 selects the setting with isochronous
 * endpoints, sends four frames of 100 to 103 bytes, each byte its place, asks for five of 200 bytes
 * and clears a stall that there is not.
 */
#include <DriverKit/DriverKit.h>
#include <USBDriverKit/USBDriverKit.h>
#include <dext_virtual.h>

#define FRAMES_OUT 4u
#define FRAMES_IN  5u

static const OSMetaClass gIsochMetaClass, gIsochUserClientMetaClass;

typedef struct Isoch Isoch;
struct Isoch_IVars {
	IOUSBHostInterface *interface;
};
#define ivars(self) OSObjectIVars(Isoch, self)

static kern_return_t
Isoch_Start(IOService *self, IOService *provider)
{
	kern_return_t result = IOService_Start_Impl(self, provider);

	if (result == kIOReturnSuccess)
		result = IOUSBHostInterface_Open(OSRequiredCast(IOUSBHostInterface, provider), self,
						 0, NULL);
	if (result != kIOReturnSuccess)
		return result;
	ivars(self)->interface = OSRequiredCast(IOUSBHostInterface, provider);
	return IOService_RegisterService(self);
}

static kern_return_t
Isoch_Stop(IOService *self, IOService *provider)
{
	if (ivars(self)->interface != NULL)
		IOUSBHostInterface_Close(ivars(self)->interface, self, 0);
	return IOService_Stop_Impl(self, provider);
}

static kern_return_t
Isoch_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t result = IOService_Create(self, self, "UserClientProperties", &client);

	if (result == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return result;
}

static void *
address_of(IOBufferMemoryDescriptor *memory)
{
	IOAddressSegment range = {0};

	IOBufferMemoryDescriptor_GetAddressRange(memory, &range);
	return (void *)(uintptr_t)range.address;
}

static kern_return_t
move(IOUSBHostInterface *interface, uint8_t endpoint, uint32_t count, uint32_t first, uint32_t more)
{
	IOBufferMemoryDescriptor *data = NULL, *list = NULL;
	IOUSBHostPipe *pipe = NULL;
	IOUSBIsochronousFrame *frames;
	kern_return_t result = IOUSBHostInterface_CopyPipe(interface, endpoint, &pipe);

	if (result == kIOReturnSuccess)
		result = IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, 4096, 0, &data);
	if (result == kIOReturnSuccess)
		result = IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut,
							 count * sizeof(*frames), 0, &list);
	if (result == kIOReturnSuccess) {
		frames = address_of(list);
		for (uint32_t i = 0; i < count; i++)
			frames[i].requestCount = first + more * i;
		for (uint32_t i = 0; i < 4096; i++)
			((uint8_t *)address_of(data))[i] = (uint8_t)i;
		result = IOUSBHostPipe_IsochIO(pipe, (IOMemoryDescriptor *)data,
					       (IOMemoryDescriptor *)list, 0, NULL);
	}
	if (result == kIOReturnSuccess)
		result = IOUSBHostPipe_ClearStall(pipe, true);
	OSSafeReleaseNULL(list);
	OSSafeReleaseNULL(data);
	OSSafeReleaseNULL(pipe);
	return result;
}

static kern_return_t
IsochUserClient_ExternalMethod(IOUserClient *self, uint64_t selector,
			       IOUserClientMethodArguments *arguments,
			       const IOUserClientMethodDispatch *dispatch, OSObject *target,
			       void *reference)
{
	IOService *service = IOService_GetProvider((IOService *)self);
	IOUSBHostInterface *interface = ivars(OSRequiredCast(Isoch, service))->interface;
	kern_return_t result = IOUSBHostInterface_SelectAlternateSetting(
		interface, DEXT_VIRTUAL_SETTING_ISOCHRONOUS);

	if (result == kIOReturnSuccess)
		result = move(interface, 0x01, FRAMES_OUT, 100, 1);
	return result == kIOReturnSuccess ? move(interface, 0x81, FRAMES_IN, 200, 0) : result;
}

static const IOServiceMethods isoch_service = {
	.size = sizeof(IOServiceMethods),
	.Start = Isoch_Start,
	.Stop = Isoch_Stop,
	.NewUserClient = Isoch_NewUserClient,
};
static const OSMetaClass gIsochMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "Isoch",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct Isoch_IVars),
	.service = &isoch_service,
};

static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = IsochUserClient_ExternalMethod,
};
static const OSMetaClass gIsochUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IsochUserClient",
	.superclass = OSTypeID(IOUserClient),
	.user_client = &client_methods,
};

DEXT_BUNDLE(OSTypeID(Isoch), OSTypeID(IsochUserClient))
