/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that tries to break out of its sandbox: method 0, with the index of an attempt, does it
 * and returns the errno that it got, 0 for none.
 */
#include "attempts.h"

#include <errno.h>
#include <stdlib.h>

#include <DriverKit/DriverKit.h>

static kern_return_t
try_one(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	const char *bundle = getenv("PRISONER_BUNDLE"); /* of the test */
	long result;

	if (arguments->scalarInput[0] >= attempt_count)
		return kIOReturnBadArgument;
	errno = 0;
	result = attempts[arguments->scalarInput[0]].act(bundle);
	arguments->scalarOutput[0] = result < 0 ? (uint64_t)errno : 0;
	return kIOReturnSuccess;
}

static const IOUserClientMethodDispatch methods[] = {
	{.function = try_one, .checkScalarInputCount = 1, .checkScalarOutputCount = 1},
};

static kern_return_t
PrisonerUserClient_ExternalMethod(IOUserClient *self, uint64_t selector,
				  IOUserClientMethodArguments *arguments,
				  const IOUserClientMethodDispatch *dispatch, OSObject *target,
				  void *reference)
{
	if (selector != 0)
		return kIOReturnUnsupported;
	return IOUserClient_ExternalMethod_Impl(self, selector, arguments, &methods[0],
						(OSObject *)self, NULL);
}

static kern_return_t
Prisoner_Start(IOService *self, IOService *provider)
{
	kern_return_t result = IOService_Start_Impl(self, provider);

	return result == kIOReturnSuccess ? IOService_RegisterService(self) : result;
}

static kern_return_t
Prisoner_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t result = IOService_Create(self, self, "UserClientProperties", &client);

	if (result == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return result;
}

static const IOServiceMethods service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = Prisoner_Start,
	.NewUserClient = Prisoner_NewUserClient,
};
static const OSMetaClass gPrisonerMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "Prisoner",
	.superclass = OSTypeID(IOService),
	.service = &service_methods,
};

static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = PrisonerUserClient_ExternalMethod,
};
static const OSMetaClass gPrisonerUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "PrisonerUserClient",
	.superclass = OSTypeID(IOUserClient),
	.user_client = &client_methods,
};

DEXT_BUNDLE(OSTypeID(Prisoner), OSTypeID(PrisonerUserClient))
