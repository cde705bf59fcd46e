/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of a PCI device that is nothing but memory (QEMU's ivshmem-plain): hands out its
 * largest BAR, as type 0 to be written and as type 1 to be read only.
 *
 * PCIMemory is the service that apps find; for each app that opens it, there is one
 * PCIMemoryUserClient.
 */
#include <DriverKit/DriverKit.h>
#include <PCIDriverKit/PCIDriverKit.h>

#include <inttypes.h>

typedef struct PCIMemory PCIMemory;
static const OSMetaClass gPCIMemoryMetaClass, gPCIMemoryUserClientMetaClass;

struct PCIMemory_IVars {
	IOPCIDevice *device; /* while it is open; the provider, so not retained */
	IOMemoryDescriptor *memory;
};
struct PCIMemoryUserClient_IVars {
	IOMemoryDescriptor *memory;
};
#define ivars(self)	   OSObjectIVars(PCIMemory, self)
#define client_ivars(self) OSObjectIVars(PCIMemoryUserClient, self)

/* --- the device --- */

static bool
find_largest(IOPCIDevice *device, uint8_t *found)
{
	uint64_t largest = 0;

	for (uint8_t bar = 0; bar < 6; bar++) {
		uint8_t index, type;
		uint64_t size;

		if (IOPCIDevice_GetBARInfo(device, bar, &index, &size, &type) != kIOReturnSuccess)
			continue;
		os_log(OS_LOG_DEFAULT, "BAR %u: memory %u, %" PRIu64 " bytes, type 0x%x", bar,
		       index, size, type);
		if (type == kPCIBARTypeIO || size <= largest)
			continue;
		largest = size;
		*found = index;
	}
	return largest > 0;
}

static kern_return_t
PCIMemory_Start(IOService *self, IOService *provider)
{
	IOPCIDevice *device = OSDynamicCast(IOPCIDevice, provider);
	kern_return_t result = IOService_Start_Impl(self, provider);
	uint32_t identity = 0, first = 0;
	uint8_t index = 0;

	if (result == kIOReturnSuccess)
		result = IOPCIDevice_Open(device, self, 0);
	if (result != kIOReturnSuccess)
		return result;
	ivars(self)->device = device;
	if (!find_largest(device, &index))
		return kIOReturnUnsupported;
	result = IOPCIDevice_CopyDeviceMemoryWithIndex(device, index, &ivars(self)->memory, self);
	if (result != kIOReturnSuccess)
		return result;
	IOPCIDevice_ConfigurationRead32(device, kIOPCIConfigurationOffsetVendorID, &identity);
	IOPCIDevice_MemoryRead32(device, index, 0, &first);
	os_log(OS_LOG_DEFAULT, "device 0x%08" PRIx32 "; its memory starts with 0x%08" PRIx32,
	       identity, first);
	return IOService_RegisterService(self);
}

static kern_return_t
PCIMemory_Stop(IOService *self, IOService *provider)
{
	if (ivars(self)->device != NULL)
		IOPCIDevice_Close(ivars(self)->device, self, 0);
	ivars(self)->device = NULL;
	return IOService_Stop_Impl(self, provider);
}

static void
PCIMemory_free(OSObject *self)
{
	OSSafeReleaseNULL(ivars(self)->memory);
	IOService_free_Impl((IOService *)self);
}

/* An app called IOServiceOpen. Info.plist says of which class "UserClientProperties" is. */
static kern_return_t
PCIMemory_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t result = IOService_Create(self, self, "UserClientProperties", &client);

	if (result == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return result;
}

/* --- its clients --- */

static kern_return_t
PCIMemoryUserClient_Start(IOService *self, IOService *provider)
{
	PCIMemory *driver = OSDynamicCast(PCIMemory, provider);

	client_ivars(self)->memory = ivars(driver)->memory;
	OSRetain(client_ivars(self)->memory);
	return IOService_Start_Impl(self, provider);
}

/* The app called IOConnectMapMemory64: what it maps are the device's own addresses. */
static kern_return_t
PCIMemoryUserClient_CopyClientMemoryForType(IOUserClient *self, uint64_t type, uint64_t *options,
					    IOMemoryDescriptor **memory)
{
	if (type > 1)
		return IOUserClient_CopyClientMemoryForType_Impl(self, type, options, memory);
	if (type == 1)
		*options = kIOUserClientMemoryReadOnly;
	OSRetain(client_ivars(self)->memory); /* the caller gets a reference of its own */
	*memory = client_ivars(self)->memory;
	return kIOReturnSuccess;
}

static void
PCIMemoryUserClient_free(OSObject *self)
{
	OSSafeReleaseNULL(client_ivars(self)->memory);
	IOUserClient_free_Impl((IOUserClient *)self);
}

/* A class is data: a name, a superclass, and tables of the methods that it overrides. */

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = PCIMemory_free,
};
static const IOServiceMethods service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = PCIMemory_Start,
	.Stop = PCIMemory_Stop,
	.NewUserClient = PCIMemory_NewUserClient,
};
static const OSMetaClass gPCIMemoryMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "PCIMemory",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct PCIMemory_IVars),
	.object = &object_methods,
	.service = &service_methods,
};

static const OSObjectMethods client_object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = PCIMemoryUserClient_free,
};
static const IOServiceMethods client_service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = PCIMemoryUserClient_Start,
};
static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.CopyClientMemoryForType = PCIMemoryUserClient_CopyClientMemoryForType,
};
static const OSMetaClass gPCIMemoryUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "PCIMemoryUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct PCIMemoryUserClient_IVars),
	.object = &client_object_methods,
	.service = &client_service_methods,
	.user_client = &client_methods,
};

DEXT_BUNDLE(OSTypeID(PCIMemory), OSTypeID(PCIMemoryUserClient))
