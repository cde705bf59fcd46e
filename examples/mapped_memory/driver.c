/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of the smallest example: hands out 128 bytes of its memory as type 0.
 *
 * MappedMemory is the service that apps find; for each app that opens it, there is one
 * MappedMemoryUserClient.
 */
#include <DriverKit/DriverKit.h>

#include <stdio.h>

static const OSMetaClass gMappedMemoryMetaClass, gMappedMemoryUserClientMetaClass;

struct MappedMemoryUserClient_IVars {
	IOBufferMemoryDescriptor *buffer;
	char *text; /* the buffer, in this process */
};
#define ivars(self) OSObjectIVars(MappedMemoryUserClient, self)

static kern_return_t
MappedMemoryUserClient_Start(IOService *self, IOService *provider)
{
	IOAddressSegment range = {0};
	kern_return_t result = IOService_Start_Impl(self, provider);

	if (result == kIOReturnSuccess)
		result = IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, 128, 8,
							 &ivars(self)->buffer);
	if (result == kIOReturnSuccess)
		result = IOBufferMemoryDescriptor_GetAddressRange(ivars(self)->buffer, &range);
	if (result != kIOReturnSuccess)
		return result;
	ivars(self)->text = (char *)(uintptr_t)range.address;
	snprintf(ivars(self)->text, (size_t)range.length, "Hello, app. Please write here.");
	return kIOReturnSuccess;
}

static kern_return_t
MappedMemoryUserClient_Stop(IOService *self, IOService *provider)
{
	if (ivars(self)->text != NULL)
		os_log(OS_LOG_DEFAULT, "the app left: %.128s", ivars(self)->text);
	return IOService_Stop_Impl(self, provider);
}

/* The app called IOConnectMapMemory64: the library maps what this returns into it. */
static kern_return_t
MappedMemoryUserClient_CopyClientMemoryForType(IOUserClient *self, uint64_t type, uint64_t *options,
					       IOMemoryDescriptor **memory)
{
	if (type != 0)
		return IOUserClient_CopyClientMemoryForType_Impl(self, type, options, memory);
	OSRetain(ivars(self)->buffer); /* the caller gets a reference of its own */
	*memory = (IOMemoryDescriptor *)ivars(self)->buffer;
	return kIOReturnSuccess;
}

static void
MappedMemoryUserClient_free(OSObject *self)
{
	OSSafeReleaseNULL(ivars(self)->buffer);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static kern_return_t
MappedMemory_Start(IOService *self, IOService *provider)
{
	kern_return_t result = IOService_Start_Impl(self, provider);

	return result == kIOReturnSuccess ? IOService_RegisterService(self) : result;
}

/* An app called IOServiceOpen. Info.plist says of which class "UserClientProperties" is. */
static kern_return_t
MappedMemory_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t result = IOService_Create(self, self, "UserClientProperties", &client);

	if (result == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return result;
}

/* A class is data: a name, a superclass, and tables of the methods that it overrides. */

static const IOServiceMethods service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = MappedMemory_Start,
	.NewUserClient = MappedMemory_NewUserClient,
};
static const OSMetaClass gMappedMemoryMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "MappedMemory",
	.superclass = OSTypeID(IOService),
	.service = &service_methods,
};

static const OSObjectMethods client_object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = MappedMemoryUserClient_free,
};
static const IOServiceMethods client_service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = MappedMemoryUserClient_Start,
	.Stop = MappedMemoryUserClient_Stop,
};
static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.CopyClientMemoryForType = MappedMemoryUserClient_CopyClientMemoryForType,
};
static const OSMetaClass gMappedMemoryUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "MappedMemoryUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct MappedMemoryUserClient_IVars),
	.object = &client_object_methods,
	.service = &client_service_methods,
	.user_client = &client_methods,
};

DEXT_BUNDLE(OSTypeID(MappedMemory), OSTypeID(MappedMemoryUserClient))
