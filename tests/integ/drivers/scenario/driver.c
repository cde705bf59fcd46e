/* SPDX-License-Identifier: Apache-2.0 */
/* The service: opens the virtual device's bulk OUT pipe and lets as many apps in as come. */
#include "driver.h"

#include <dext_virtual.h>

#define ivars(self) OSObjectIVars(Scenario, self)

atomic_ullong scenario_counts[SCENARIO_COUNTS_MAX];

static kern_return_t
start(IOService *self, IOService *provider)
{
	kern_return_t status = IOService_Start_Impl(self, provider);

	if (status != kIOReturnSuccess)
		return status;
	ivars(self)->interface = OSRequiredCast(IOUSBHostInterface, provider);
	status = IOUSBHostInterface_Open(ivars(self)->interface, self, 0, NULL);
	if (status == kIOReturnSuccess)
		status = IOUSBHostInterface_CopyPipe(ivars(self)->interface,
						     DEXT_VIRTUAL_ENDPOINT_OUT, &ivars(self)->pipe);
	return status == kIOReturnSuccess ? IOService_RegisterService(self) : status;
}

static kern_return_t
stop(IOService *self, IOService *provider)
{
	if (ivars(self)->interface != NULL)
		IOUSBHostInterface_Close(ivars(self)->interface, self, 0);
	return IOService_Stop_Impl(self, provider);
}

static kern_return_t
new_user_client(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t status;

	atomic_fetch_add(&scenario_counts[SCENARIO_NEW_USER_CLIENTS], 1);
	atomic_store(&scenario_counts[SCENARIO_LAST_TYPE], type);
	status = IOService_Create(self, self, "UserClientProperties", &client);
	if (status == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return status;
}

static void
deinit(OSObject *self)
{
	OSSafeReleaseNULL(ivars(self)->pipe);
	IOService_free_Impl((IOService *)self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = deinit,
};
static const IOServiceMethods service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = start,
	.Stop = stop,
	.NewUserClient = new_user_client,
};
const OSMetaClass gScenarioMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = SCENARIO_SERVICE,
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct Scenario_IVars),
	.object = &object_methods,
	.service = &service_methods,
};

DEXT_BUNDLE(OSTypeID(Scenario), OSTypeID(ScenarioUserClient))
