/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver that is tested: a lamp with keys on USB. "on" and "off" go to endpoint 0x01, and
 * endpoint 0x81 sends one byte for each key that is pressed.
 */
#include <DriverKit/DriverKit.h>
#include <USBDriverKit/USBDriverKit.h>

#include <string.h>

#include "lamp.h"

static const OSMetaClass gLampMetaClass, gLampUserClientMetaClass;
typedef struct Lamp Lamp;
typedef struct LampUserClient LampUserClient;

struct Lamp_IVars {
	IOUSBHostInterface *interface;
	IOUSBHostPipe *out, *in;
};
struct LampUserClient_IVars {
	Lamp *lamp; /* the provider, which outlives its clients */
	IOBufferMemoryDescriptor *word, *key;
	OSAction *pressed;    /* a read of the key's endpoint */
	OSAction *completion; /* of the app that waits for a key; NULL: none waits */
};
#define lamp_ivars(self) OSObjectIVars(Lamp, self)
#define ivars(self)	 OSObjectIVars(LampUserClient, self)

/* --- the service --- */

static kern_return_t
Lamp_Start(IOService *self, IOService *provider)
{
	kern_return_t result = IOService_Start_Impl(self, provider);

	if (result != kIOReturnSuccess)
		return result;
	lamp_ivars(self)->interface = OSRequiredCast(IOUSBHostInterface, provider);
	result = IOUSBHostInterface_Open(lamp_ivars(self)->interface, self, 0, NULL);
	if (result == kIOReturnSuccess)
		result = IOUSBHostInterface_CopyPipe(lamp_ivars(self)->interface, 0x01,
						     &lamp_ivars(self)->out);
	if (result == kIOReturnSuccess)
		result = IOUSBHostInterface_CopyPipe(lamp_ivars(self)->interface, 0x81,
						     &lamp_ivars(self)->in);
	return result == kIOReturnSuccess ? IOService_RegisterService(self) : result;
}

static kern_return_t
Lamp_Stop(IOService *self, IOService *provider)
{
	OSSafeReleaseNULL(lamp_ivars(self)->out);
	OSSafeReleaseNULL(lamp_ivars(self)->in);
	if (lamp_ivars(self)->interface != NULL)
		IOUSBHostInterface_Close(lamp_ivars(self)->interface, self, 0);
	return IOService_Stop_Impl(self, provider);
}

static kern_return_t
Lamp_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t result = IOService_Create(self, self, "UserClientProperties", &client);

	if (result == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return result;
}

/* --- an app's connection --- */

static void *
bytes_of(IOBufferMemoryDescriptor *buffer)
{
	IOAddressSegment range = {0};

	IOBufferMemoryDescriptor_GetAddressRange(buffer, &range);
	return (void *)(uintptr_t)range.address;
}

/* Returns when the lamp has the word; it may say no. */
static kern_return_t
Switch(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	const char *word = arguments->scalarInput[0] != 0 ? "on" : "off";
	uint32_t length = (uint32_t)strlen(word), sent = 0;
	IOUSBHostPipe *pipe = lamp_ivars(ivars(self)->lamp)->out;
	kern_return_t result;

	memcpy(bytes_of(ivars(self)->word), word, length);
	result = IOUSBHostPipe_IO(pipe, (IOMemoryDescriptor *)ivars(self)->word, length, &sent,
				  1000);
	if (result == kUSBHostReturnPipeStalled)
		IOUSBHostPipe_ClearStall(pipe, true);
	return result;
}

static kern_return_t
Wait(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	kern_return_t result;

	if (ivars(self)->completion != NULL)
		return kIOReturnBusy;
	result = IOUSBHostPipe_AsyncIO(lamp_ivars(ivars(self)->lamp)->in,
				       (IOMemoryDescriptor *)ivars(self)->key, 1,
				       ivars(self)->pressed, 0);
	if (result != kIOReturnSuccess)
		return result;
	OSRetain(arguments->completion);
	ivars(self)->completion = arguments->completion;
	return kIOReturnSuccess;
}

static void
Pressed(OSObject *self, OSAction *action, IOReturn status, uint32_t actualByteCount,
	uint64_t completionTimestamp)
{
	uint64_t key = actualByteCount == 1 ? *(uint8_t *)bytes_of(ivars(self)->key) : 0;
	OSAction *completion = ivars(self)->completion;

	ivars(self)->completion = NULL;
	IOUserClient_AsyncCompletion(OSRequiredCast(IOUserClient, self), completion, status, &key,
				     1);
	OSRelease(completion);
}

static const IOUserClientMethodDispatch methods[] = {
	[kLampSwitch] = {.function = Switch, .checkScalarInputCount = 1},
	[kLampWait] = {.function = Wait, .checkCompletionExists = true},
};

static kern_return_t
LampUserClient_ExternalMethod(IOUserClient *self, uint64_t selector,
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
LampUserClient_Start(IOService *self, IOService *provider)
{
	kern_return_t result = IOService_Start_Impl(self, provider);

	if (result != kIOReturnSuccess)
		return result;
	ivars(self)->lamp = OSRequiredCast(Lamp, provider);
	result =
		IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, 16, 0, &ivars(self)->word);
	if (result == kIOReturnSuccess)
		result = IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, 16, 0,
							 &ivars(self)->key);
	if (result == kIOReturnSuccess)
		result = IOUSBHostPipe_CreateActionCompleteAsyncIO((OSObject *)self, Pressed, 0,
								   &ivars(self)->pressed);
	return result;
}

/* The app has closed, or the lamp has gone: what is under way comes back before Abort returns. */
static kern_return_t
LampUserClient_Stop(IOService *self, IOService *provider)
{
	if (ivars(self)->lamp != NULL)
		IOUSBHostPipe_Abort(lamp_ivars(ivars(self)->lamp)->in, kIOUSBAbortSynchronous,
				    kIOReturnAborted, self);
	OSSafeReleaseNULL(ivars(self)->pressed); /* it holds this object */
	return IOService_Stop_Impl(self, provider);
}

static void
LampUserClient_free(OSObject *self)
{
	OSSafeReleaseNULL(ivars(self)->word);
	OSSafeReleaseNULL(ivars(self)->key);
	IOUserClient_free_Impl((IOUserClient *)self);
}

/* --- the classes --- */

static const IOServiceMethods lamp_service = {
	.size = sizeof(IOServiceMethods),
	.Start = Lamp_Start,
	.Stop = Lamp_Stop,
	.NewUserClient = Lamp_NewUserClient,
};
static const OSMetaClass gLampMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "Lamp",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct Lamp_IVars),
	.service = &lamp_service,
};

static const OSObjectMethods client_object = {
	.size = sizeof(OSObjectMethods),
	.free = LampUserClient_free,
};
static const IOServiceMethods client_service = {
	.size = sizeof(IOServiceMethods),
	.Start = LampUserClient_Start,
	.Stop = LampUserClient_Stop,
};
static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = LampUserClient_ExternalMethod,
};
static const OSMetaClass gLampUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "LampUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct LampUserClient_IVars),
	.object = &client_object,
	.service = &client_service,
	.user_client = &client_methods,
};

DEXT_BUNDLE(OSTypeID(Lamp), OSTypeID(LampUserClient))
