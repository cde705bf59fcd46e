/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle of one driver, from the public headers alone. Its personality says what it does. */
#include <string.h>
#include <unistd.h>

#include <DriverKit/DriverKit.h>
#include <DriverKit/dext_bundle.h>

typedef struct PlainDriver PlainDriver;
typedef struct PlainClient PlainClient;
extern const OSMetaClass gPlainDriverMetaClass, gPlainClientMetaClass;

#define COMPLETE_MANY 100 /* completes as often as scalar 0 says; the other methods add 1 */

static kern_return_t
complete_many(IOUserClient *self, IOUserClientMethodArguments *arguments)
{
	for (uint64_t i = 0; i < arguments->scalarInput[0]; i++)
		IOUserClient_AsyncCompletion(self, arguments->completion, kIOReturnSuccess, &i, 1);
	return kIOReturnSuccess;
}

static kern_return_t
ExternalMethod(IOUserClient *self, uint64_t selector, IOUserClientMethodArguments *arguments,
	       const IOUserClientMethodDispatch *dispatch, OSObject *target, void *reference)
{
	if (selector == COMPLETE_MANY)
		return complete_many(self, arguments);
	arguments->scalarOutput[0] = selector + 1;
	return kIOReturnSuccess;
}

static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = ExternalMethod,
};
const OSMetaClass gPlainClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "PlainClient",
	.superclass = OSTypeID(IOUserClient),
	.user_client = &client_methods,
};

static bool
has(IOService *self, const char *key)
{
	OSDictionary *properties = NULL;
	bool found = false;

	if (IOService_CopyProperties(self, &properties) == kIOReturnSuccess)
		found = OSDictionaryGetValue(properties, key) != NULL;
	OSSafeReleaseNULL(properties);
	return found;
}

static kern_return_t
Start(IOService *self, IOService *provider)
{
	kern_return_t res = IOService_Start_Impl(self, provider);

	if (res != kIOReturnSuccess)
		return res;
	if (has(self, "HangInStart"))
		for (;;)
			pause();
	if (has(self, "FailStart"))
		return kIOReturnNoDevice;
	IOService_SetName(self, "Plain");
	IOService_RegisterService(self);
	if (has(self, "TerminateInStart"))
		return IOService_Terminate(self, 0);
	return kIOReturnSuccess;
}

static kern_return_t
Stop(IOService *self, IOService *provider)
{
	if (has(self, "HangInStop"))
		for (;;)
			pause();
	return IOService_Stop_Impl(self, provider);
}

static kern_return_t
NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	return IOService_Create(self, self, "UserClientProperties", (IOService **)userClient);
}

static const IOServiceMethods driver_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = Start,
	.Stop = Stop,
	.NewUserClient = NewUserClient,
};
const OSMetaClass gPlainDriverMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "PlainDriver",
	.superclass = OSTypeID(IOService),
	.service = &driver_methods,
};

DEXT_BUNDLE(OSTypeID(PlainDriver), OSTypeID(PlainClient))
