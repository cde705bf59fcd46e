/* SPDX-License-Identifier: Apache-2.0 */
/* See crooked.h. */
#include <DriverKit/DriverKit.h>
#include <USBDriverKit/USBDriverKit.h>

#include <pthread.h>
#include <string.h>

#include "crooked.h"

static const OSMetaClass gCrookedMetaClass, gCrookedUserClientMetaClass;

struct Crooked_IVars {
	IOUSBHostInterface *interface;
	bool forgetful; /* the next client's Start forgets its superclass */
};
struct CrookedUserClient_IVars {
	IOService *driver;
	IOBufferMemoryDescriptor *buffer;
	OSAction *completion;
	int touched;
};
#define crooked(self) OSObjectIVars(Crooked, self)
#define ivars(self)   OSObjectIVars(CrookedUserClient, self)

static kern_return_t
Crooked_Start(IOService *self, IOService *provider)
{
	kern_return_t result = IOService_Start_Impl(self, provider);

	crooked(self)->interface = OSDynamicCast(IOUSBHostInterface, provider);
	if (result == kIOReturnSuccess && crooked(self)->interface != NULL)
		result = IOUSBHostInterface_Open(crooked(self)->interface, self, 0, NULL);
	return result == kIOReturnSuccess ? IOService_RegisterService(self) : result;
}

static kern_return_t
Crooked_Stop(IOService *self, IOService *provider)
{
	if (crooked(self)->interface != NULL)
		IOUSBHostInterface_Close(crooked(self)->interface, self, 0);
	return IOService_Stop_Impl(self, provider);
}

static kern_return_t
Crooked_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t result;

	crooked(self)->forgetful = type == CROOKED_FORGETFUL;
	result = IOService_Create(self, self, "UserClientProperties", &client);

	if (result == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return result;
}

static uint8_t *
get_bytes(void *self)
{
	IOAddressSegment range = {0};

	IOBufferMemoryDescriptor_GetAddressRange(ivars(self)->buffer, &range);
	return (uint8_t *)(uintptr_t)range.address;
}

static kern_return_t
transfer(void *self, uint8_t endpoint, uint32_t length, uint32_t *bytes)
{
	IOUSBHostPipe *pipe = NULL;
	kern_return_t result = IOUSBHostInterface_CopyPipe(crooked(ivars(self)->driver)->interface,
							   endpoint, &pipe);

	if (result == kIOReturnSuccess)
		result = IOUSBHostPipe_IO(pipe, (IOMemoryDescriptor *)ivars(self)->buffer, length,
					  bytes, 0);
	if (result == kUSBHostReturnPipeStalled)
		IOUSBHostPipe_ClearStall(pipe, true);
	OSRelease(pipe);
	return result;
}

static kern_return_t
Send(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	uint32_t bytes = 0;

	memcpy(get_bytes(self), "ping", 4);
	arguments->scalarOutput[0] =
		(uint32_t)transfer(self, (uint8_t)arguments->scalarInput[0], 4, &bytes);
	return kIOReturnSuccess;
}

static kern_return_t
Receive(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	uint32_t bytes = 0;

	arguments->scalarOutput[0] =
		(uint32_t)transfer(self, (uint8_t)arguments->scalarInput[0],
				   (uint32_t)arguments->scalarInput[1], &bytes);
	arguments->scalarOutput[1] = bytes;
	arguments->scalarOutput[2] = get_bytes(self)[0];
	return kIOReturnSuccess;
}

static kern_return_t
Request(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	uint16_t bytes = 0;

	memcpy(get_bytes(self), "data", 4);
	arguments->scalarOutput[0] = (uint32_t)IOUSBHostInterface_DeviceRequest(
		crooked(ivars(self)->driver)->interface, (uint8_t)arguments->scalarInput[0],
		(uint8_t)arguments->scalarInput[1], 0x1234, 0x5678, 4,
		(IOMemoryDescriptor *)ivars(self)->buffer, &bytes, 5000);
	arguments->scalarOutput[1] = bytes;
	return kIOReturnSuccess;
}

static kern_return_t
Leak(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	static OSString
		*volatile forgotten; /* so that a leak checker of the compiler says nothing */

	forgotten = OSStringCreate("nobody's", 8);
	return forgotten != NULL ? kIOReturnSuccess : kIOReturnNoMemory;
}

static kern_return_t
Release(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	OSString *string = OSStringCreate("once", 4);
	const void *volatile gone = string; /* the compiler would know better */

	OSRelease(string);
	OSRelease(gone);
	return kIOReturnSuccess;
}

static kern_return_t
Forget(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	return kIOReturnSuccess;
}

static kern_return_t
Keep(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	OSRetain(arguments->completion);
	ivars(self)->completion = arguments->completion;
	return kIOReturnSuccess;
}

static void *
touch(void *self)
{
	ivars(self)->touched++;
	return NULL;
}

static kern_return_t
Trespass(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, touch, self) != 0)
		return kIOReturnNoResources;
	pthread_join(thread, NULL);
	return kIOReturnSuccess;
}

/* --- the order of callbacks --- */

struct turn {
	int *last, *swapped;
	int number;
};

static void
take_turn(void *context)
{
	struct turn *turn = context;

	*turn->swapped += turn->number < *turn->last;
	*turn->last = turn->number;
}

static kern_return_t
Queues(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	IODispatchQueue *queue = NULL;
	struct turn turns[64];
	int last = 0, swapped = 0;
	kern_return_t result = IODispatchQueue_Create("order", 0, 0, &queue);

	for (int i = 0; i < 64 && result == kIOReturnSuccess; i++) {
		turns[i] = (struct turn){&last, &swapped, i};
		IODispatchQueue_DispatchAsync_f(queue, &turns[i], take_turn);
	}
	if (result == kIOReturnSuccess)
		IODispatchQueue_DispatchSync_f(queue, &(struct turn){&last, &swapped, 64},
					       take_turn);
	OSRelease(queue);
	arguments->scalarOutput[0] = (uint64_t)swapped;
	return result;
}

static const IOUserClientMethodDispatch methods[] = {
	[kCrookedSend] = {.function = Send,
			  .checkScalarInputCount = 1,
			  .checkScalarOutputCount = 1},
	[kCrookedReceive] = {.function = Receive,
			     .checkScalarInputCount = 2,
			     .checkScalarOutputCount = 3},
	[kCrookedRequest] = {.function = Request,
			     .checkScalarInputCount = 2,
			     .checkScalarOutputCount = 2},
	[kCrookedLeak] = {.function = Leak},
	[kCrookedForget] = {.function = Forget, .checkCompletionExists = true},
	[kCrookedKeep] = {.function = Keep, .checkCompletionExists = true},
	[kCrookedRelease] = {.function = Release},
	[kCrookedTrespass] = {.function = Trespass},
	[kCrookedQueues] = {.function = Queues, .checkScalarOutputCount = 1},
};

static kern_return_t
CrookedUserClient_ExternalMethod(IOUserClient *self, uint64_t selector,
				 IOUserClientMethodArguments *arguments,
				 const IOUserClientMethodDispatch *dispatch, OSObject *target,
				 void *reference)
{
	if (selector >= sizeof(methods) / sizeof(methods[0]))
		return kIOReturnUnsupported;
	return IOUserClient_ExternalMethod_Impl(self, selector, arguments, &methods[selector],
						(OSObject *)self, NULL);
}

static kern_return_t
CrookedUserClient_Start(IOService *self, IOService *provider)
{
	kern_return_t result = crooked(provider)->forgetful ? kIOReturnSuccess
							    : IOService_Start_Impl(self, provider);

	ivars(self)->driver = provider;
	if (result == kIOReturnSuccess)
		result = IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, 64, 0,
							 &ivars(self)->buffer);
	return result;
}

static kern_return_t
CrookedUserClient_Stop(IOService *self, IOService *provider)
{
	if (ivars(self)->completion != NULL)
		IOUserClient_AsyncCompletion((IOUserClient *)self, ivars(self)->completion,
					     kIOReturnAborted, NULL, 0);
	OSSafeReleaseNULL(ivars(self)->completion);
	return IOService_Stop_Impl(self, provider);
}

static void
CrookedUserClient_free(OSObject *self)
{
	OSSafeReleaseNULL(ivars(self)->buffer);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static const IOServiceMethods crooked_service = {
	.size = sizeof(IOServiceMethods),
	.Start = Crooked_Start,
	.Stop = Crooked_Stop,
	.NewUserClient = Crooked_NewUserClient,
};
static const OSMetaClass gCrookedMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "Crooked",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct Crooked_IVars),
	.service = &crooked_service,
};
static const OSObjectMethods client_object = {
	.size = sizeof(OSObjectMethods),
	.free = CrookedUserClient_free,
};
static const IOServiceMethods client_service = {
	.size = sizeof(IOServiceMethods),
	.Start = CrookedUserClient_Start,
	.Stop = CrookedUserClient_Stop,
};
static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = CrookedUserClient_ExternalMethod,
};
static const OSMetaClass gCrookedUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "CrookedUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct CrookedUserClient_IVars),
	.object = &client_object,
	.service = &client_service,
	.user_client = &client_methods,
};

DEXT_BUNDLE(OSTypeID(Crooked), OSTypeID(CrookedUserClient))
